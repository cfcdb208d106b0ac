"""Records and rows → what a person reads on a terminal, and the JSON lines that scripts read.

The JSON fields are public: they may grow, never change. On a terminal tables and colours, in a pipe plain lines.
Outside text is shown with control characters removed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from monitor.core.render import named, points, rfc3339, signed
from monitor.core.spread import spread_of
from monitor.explain import Decided, Explained
from monitor.marked import marked_lines
from monitor.model import JOINERS, Hit, Match, Pickup, Reason, Relative, Rule, Silence, Verdict, Version, record
from monitor.routing import Way
from monitor.silencing import Listed
from monitor.units import count

WAITING = ("held", "queued")  # states of deliveries that go later
VERDICT_STYLE = {Verdict.ALERT: "bold green", Verdict.URGENT: "bold red", Verdict.SILENT: "dim"}
STATE_STYLE = {
    "delivered": "green", "merged": "green", "dead": "bold red",
    "queued": "yellow", "sending": "yellow", "held": "cyan",
    "ok": "green", "new": "cyan", "failing": "red", "throttled": "yellow", "gone": "red", "quarantined": "red",
}  # fmt: skip


def console() -> Console:
    """Where answers go: standard output, without colours and boxes when it is no terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def clean(text: str | None) -> str:
    """Outside text as a terminal may show it: no control or escape characters."""
    return "".join(letter for letter in text or "" if letter.isprintable() or letter in ("\n", *JOINERS))


def json_line(value: Mapping[str, Any]) -> None:
    """One object, one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def local(moment: datetime | None, zone: tzinfo) -> str:
    """A time as the reader's clock shows it."""
    return moment.astimezone(zone).strftime("%d %b %H:%M") if moment else "–"


def table(rows: Iterable[Sequence[str | Text]], *columns: str, wide: int = 0) -> None:
    """Rows as a table on a terminal, as tab-separated lines in a pipe. Column number `wide` takes what room is left."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(str(cell) for cell in row))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        shown.add_column(
            name,
            overflow="fold" if number == wide else "ellipsis",
            no_wrap=number != wide,
            ratio=1 if number == wide else None,
        )
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console().print(shown)


@record
class Item:
    """One line of a list of stories or alerts."""

    id: str
    at: str
    headline: str
    facts: tuple[str, ...] = ()
    loud: bool = False


def listing(items: Iterable[Item], *, nothing: str) -> None:
    """Items as two lines each on a terminal of any width, as tab-separated lines in a pipe; `nothing` says that there
    are none."""
    out, empty, terminal = console(), True, sys.stdout.isatty()
    for item in items:
        empty = False
        headline, *facts = (clean(" ".join((text or "").split())) for text in (item.headline, *item.facts))
        if not terminal:
            print("\t".join((item.id, item.at, headline, *facts)))
            continue
        out.print(Text(headline, style="bold red" if item.loud else "bold"))
        out.print(Text("  " + " · ".join(filter(None, (item.id, item.at, *facts))), style="dim"))
    if empty:
        print(nothing, file=sys.stderr)


def state(name: str) -> Text:
    """A state in its colour."""
    return Text(name, style=STATE_STYLE.get(name, ""))


def print_status(found: Mapping[str, Any], zone: tzinfo) -> None:
    """The picture of monitor/status.py, for people, with times of `zone`."""

    def at(moment: str | None) -> str:
        return local(datetime.fromisoformat(moment), zone) if moment else "never"

    out = console()
    out.print(Text("all is well" if found["ok"] else "not well", style="bold green" if found["ok"] else "bold red"))
    for problem in found["problems"]:
        out.print(Text(f"  ! {clean(problem)}", style="red"))
    running = f"running, pid {found['pid']}" if found["running"] else "not running"
    reloaded = found["last_reload"]
    lines = (
        ("daemon", f"{running}, last progress {at(found['last_tick_at'])}"),
        ("feeds", _counts(found["feeds"]) or "none"),
        ("last check", at(found["last_checked_at"])),
        ("deliveries", _counts(found["deliveries"]) or "none"),
        (
            "oldest waiting",
            f"{found['oldest_waiting_seconds']} s" if found["oldest_waiting_seconds"] is not None else "–",
        ),
        (
            "last reload",
            f"{'accepted' if reloaded['ok'] else 'refused'} {at(reloaded['at'])}" if reloaded["at"] else "never",
        ),
        ("times", f"of {zone}"),
        ("database", f"{found['database']['path']}, schema {found['database']['schema']}"),
    )
    for name, value in lines:
        out.print(Text(f"  {name:<15} {clean(value)}"))


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


# ── JSON, as the contract has it ─────────────────────────────────────────────────────────────────


def story_json(
    row: Mapping[str, Any],
    pickups: Sequence[Pickup],
    matches: Sequence[Mapping[str, Any]],
    relatives: Sequence[Relative] = (),
    versions: Mapping[str, Sequence[Version]] | None = None,
) -> dict:
    """A story of the archive; `versions` are earlier ones, by entry."""
    spread = spread_of(pickups, relatives)
    return {
        "id": row["id"],
        "title": row["title"],
        "url": row["url"],
        "language": row["language"],
        "first_seen_at": rfc3339(row["first_seen_at"]),
        "published_at": rfc3339(row["published_at"]),
        "credit": row["credit"],
        "first_outlet": spread.first_outlet,
        "independent_sources": list(spread.sources),
        "notice": str(spread.notice) if spread.notice else None,
        "related": [relative.story for relative in relatives],
        "pickups": [_pickup_json(pickup, (versions or {}).get(pickup.entry, ())) for pickup in pickups],
        "matches": [
            {
                "watchlist": match["watchlist"],
                "score": match["score"],
                "level": {"alert": "normal", "urgent": "urgent"}.get(match["verdict"]),
                "reason": match["reason"],
            }
            for match in matches
        ],
    }


def alert_json(row: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]]) -> dict:
    """An alert and where its deliveries stand."""
    return {
        "id": row["id"],
        "watchlist": row["watchlist"],
        "story": row["story"],
        "level": row["level"],
        "score": row["score"],
        "reason": row["reason"],
        "title": row["title"],
        "url": row["url"],
        "created_at": rfc3339(row["created_at"]),
        "silence": row["silence"],
        "deliveries": [
            {
                "channel": delivery["channel"],
                "recipient": delivery["recipient"],
                "state": delivery["state"],
                "attempts": delivery["attempts"],
                "sent_at": rfc3339(delivery["sent_at"]),
                "error": delivery["error"],
                "kind": delivery["kind"],
                "revision": delivery["revision"],
                "hold": delivery["hold"],
                "next_attempt_at": rfc3339(delivery["next_attempt_at"]) if delivery["state"] in WAITING else None,
                "merged_into": delivery["merged_into"],
            }
            for delivery in deliveries
        ],
    }


def silence_json(listed: Listed) -> dict:
    """A silence and what it keeps back."""
    silence = listed.silence
    return {
        "id": silence.id,
        "watchlist": silence.watchlist,
        "story": silence.story,
        "feed": silence.feed,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "in_force": listed.in_force,
        "until_new_fact": silence.until_new_fact,
        "kept_back": listed.kept_back,
        "comment": silence.comment,
    }


def silence_item(listed: Listed, zone: tzinfo) -> Item:
    """A silence as one line of a list."""
    silence = listed.silence
    what = next(f"{kind} {name}" for kind in ("watchlist", "story", "feed") if (name := getattr(silence, kind)))
    until = f"{'until' if listed.in_force else 'ended'} {local(silence.ends_at, zone)}"
    fact = "until a new fact" if silence.until_new_fact else ""
    kept = f"{count(listed.kept_back, 'alert')} kept back"
    return Item(id=silence.id, at=until, headline=f"{what}: {silence.comment}", facts=(fact, kept))


def delivery_lines(deliveries: Sequence[Mapping[str, Any]], zone: tzinfo) -> list[str]:
    """Where the messages of an alert stand; edits of them are not told one by one."""
    return [_delivery_line(delivery, zone) for delivery in deliveries if delivery["kind"] != "edit"]


def _delivery_line(delivery: Mapping[str, Any], zone: tzinfo) -> str:
    to = f" {delivery['recipient']}" if delivery["recipient"] else ""
    why = delivery["error"] or ""
    if delivery["state"] == "held" and delivery["hold"] != "ambiguous":
        why = f"{delivery['hold'].replace('_', ' ')}, until {local(delivery['next_attempt_at'], zone)}"
    if delivery["state"] == "merged" and delivery["merged_into"]:
        why = f"in a digest, {local(delivery['sent_at'], zone)}" if delivery["sent_at"] else "in a digest that waits"
    return f"{delivery['channel']}{to}: {delivery['state']}" + (f" ({why})" if why else "")


def explained_json(explained: Explained) -> dict:
    """One entry, seen through every stage."""
    entry, assignment = explained.entry, explained.assignment
    known, silenced = explained.story is not None, dict(explained.silenced)
    return {
        "document": {
            "title": entry.title,
            "url": entry.url or None,
            "published_at": rfc3339(entry.published_at),
            "language": entry.language,
            "text": "\n".join(filter(None, (entry.summary, entry.body))),
            "credit": entry.credit,
        },
        "story": {
            "id": explained.story,
            "similarity": assignment.similarity if known else None,
            "rule": str(assignment.rule) if known else None,
            "nearest": assignment.nearest if assignment else None,
            "nearest_similarity": assignment.nearest_similarity if assignment and assignment.nearest else None,
            "refused_because": assignment.refused_because if assignment else None,
            "related": [relative.story for relative in explained.relatives],
            "pickups": [_pickup_json(one, explained.versions.get(one.entry, ())) for one in explained.pickups],
            "page": {"state": explained.page[0], "error": explained.page[1] or None} if explained.page else None,
        },
        "verdicts": [
            {
                **match_json(match),
                **_decided_json(explained.decided.get(match.watchlist)),
                "routes": [_way_json(way) for way in dict(explained.ways).get(match.watchlist, ())],
                "silence": silenced[match.watchlist].id if match.watchlist in silenced else None,
            }
            for match in explained.matches
        ],
    }


def _way_json(way: Way) -> dict:
    return {"channel": way.channel, "at": rfc3339(way.at), "hold": way.hold}


def match_json(match: Match) -> dict:
    """What a watchlist says of a document."""
    return {
        "watchlist": match.watchlist,
        "score": match.score,
        "threshold": match.threshold,
        "level": str(match.level) if match.level else None,
        "verdict": str(match.verdict),
        "reason": str(match.reason),
        "hits": [_hit_json(hit) for hit in match.hits],
        "missing": list(match.missing),
        "veto": match.veto,
    }


def _hit_json(hit: Hit) -> dict:
    return {"term": hit.term, "variant": hit.variant, "field": hit.field, "quote": hit.quote, "points": hit.points}


def _decided_json(decided: Decided | None) -> dict:
    return {
        "decided": decided.reason if decided else None,
        "decided_score": decided.score if decided else None,
        "decided_hits": [_hit_json(hit) for hit in decided.hits] if decided else [],
    }


def _pickup_json(pickup: Pickup, versions: Sequence[Version]) -> dict:
    return {
        "feed": pickup.feed,
        "outlet": pickup.outlet,
        "url": pickup.url,
        "title": pickup.title,
        "published_at": rfc3339(pickup.published_at),
        "seen_at": rfc3339(pickup.seen_at),
        "similarity": pickup.similarity,
        "rule": str(pickup.rule),
        "credit": pickup.credit,
        "slug": pickup.slug,
        "versions": [
            {"replaced_at": rfc3339(one.replaced_at), "changed": list(one.changed), "title": one.title}
            for one in versions
        ],
    }


# ── explain, for people ──────────────────────────────────────────────────────────────────────────


def sentence(match: Match, urgent: float | None = None) -> str:
    """A verdict as a person would say it."""
    score, threshold = _score(match.score), points(match.threshold)
    if match.verdict is Verdict.URGENT:
        return f"urgent: {score} ≥ {points(urgent or match.threshold)} because {_because(match)}"
    if match.verdict is Verdict.ALERT:
        more = f"; would be urgent with {points(urgent - match.score)} more" if urgent is not None else ""
        return f"alerts: {score} ≥ {threshold} because {_because(match)}{more}"
    if match.veto:
        return f"silent: vetoed by {match.veto} (score {score}, threshold {threshold})"
    if match.reason is Reason.BELOW_THRESHOLD and match.missing:
        return f"silent: the query is not true, for want of {', '.join(match.missing)}"
    if match.missing:
        return f"silent: {', '.join(match.missing)} is required and absent (score {score}, threshold {threshold})"
    if match.reason is Reason.OUT_OF_SCOPE:
        return f"silent: out of scope (score {score}, threshold {threshold})"
    if match.reason is Reason.TOO_OLD:
        return f"silent: older than the watchlist's max_age (score {score}, threshold {threshold})"
    if match.reason is Reason.RETRACTED:
        return f"silent: its desk took the story back (score {score}, threshold {threshold})"
    near = ", a near miss" if match.near_miss else ""
    return f"silent: {score} < {threshold}{near}; would alert with {points(match.threshold - match.score)} more"


def _score(score: float) -> str:
    """A score with at least one decimal, so that it looks like one."""
    return f"{score:.1f}" if round(score, 1) == round(score, 6) else points(score)


def _because(match: Match) -> str:
    """The strongest hits; of a query all words that make it true."""
    query = sum(hit.points == 0 for hit in match.hits) == len(match.hits) - 1 and match.score == match.threshold == 1
    if query and len(match.hits) > 1:
        return "the query is true: " + ", ".join(f"{hit.term} in the {hit.field}" for hit in match.hits[:5])
    ranked = sorted((hit for hit in match.hits if hit.points > 0), key=lambda hit: -hit.points)
    said = [f"{named(hit)} in the {hit.field} ({hit.points:+g})" for hit in ranked[:3]]
    if ranked[3:]:
        said.append(f"{len(ranked) - 3} more ({signed(sum(hit.points for hit in ranked[3:]))})")
    against = [f"{hit.term} ({hit.points:+g})" for hit in match.hits if hit.points < 0]
    return " and ".join(filter(None, (", ".join(said), f"in spite of {', '.join(against)}" if against else ""))) or (
        "nothing that it excludes was found"
    )


def print_explained(explained: Explained, urgents: Mapping[str, float | None], zone: tzinfo) -> None:
    """One entry on a terminal: the text with its hits marked, points in the margin, and a sentence a watchlist."""
    out = console()
    entry, assignment = explained.entry, explained.assignment
    out.print(Text(clean(entry.title) or "(no title)", style="bold"))
    date = entry.published_at.astimezone(zone).strftime("%d %b %Y, %H:%M") if entry.published_at else "no date"
    facts = (entry.url, date, entry.language, entry.credit)
    out.print(Text("  " + " · ".join(clean(fact) for fact in facts if fact), style="dim"))
    if explained.story is not None:
        out.print(f"  story {explained.story} ({assignment.rule}, {assignment.similarity:g} % alike)")
    if assignment is not None and assignment.nearest:
        own = "" if explained.story is not None else "own story; "
        out.print(
            f"  {own}nearest {assignment.nearest} ({assignment.nearest_similarity:g} %)"
            f" refused: {escape(assignment.refused_because or '')}"
        )
    _print_spread(out, explained)
    decided = explained.decided
    telling = [one for one in explained.matches if one.hits or one.veto or one.level or one.watchlist in decided]
    for match in sorted(telling, key=lambda match: -match.score):
        out.print()
        for line in _verdict_lines(match, urgents.get(match.watchlist), decided.get(match.watchlist)):
            out.print(line)
        if out.is_terminal and match.hits:
            for line in marked_lines(explained.text, match.hits, out, whole=len(telling) == 1):
                out.print(line)
        for hit in match.hits:
            out.print(_legend(hit) if out.is_terminal else _hit_line(hit, explained))
        if ways := dict(explained.ways).get(match.watchlist):
            out.print(Text(f"          would go to {', '.join(_way(way, zone) for way in ways)}", style="dim"))
        if silence := dict(explained.silenced).get(match.watchlist):
            out.print(Text(f"          silenced now, by {_silence(silence, zone)}", style="dim"))
    quiet = [match.watchlist for match in explained.matches if match not in telling]
    if quiet:
        out.print(Text(f"\n  nothing found by: {', '.join(quiet)}", style="dim"))
    out.print()


def _verdict_lines(match: Match, urgent: float | None, decided: Decided | None) -> tuple[Text, ...]:
    """What a watchlist says; of a story of the archive first what it said then, with the words that are not found now:
    a copy had them, or they were edited away."""
    now = Text(sentence(match, urgent), style=VERDICT_STYLE[match.verdict])
    if decided is None:
        return (Text.assemble((f"  {match.watchlist}: ", VERDICT_STYLE[match.verdict]), now),)
    then = Text(f"  {match.watchlist}: decided when it came in: {decided.reason.replace('_', ' ')}", style="bold")
    found_now = {hit.term for hit in match.hits}
    gone = [hit for hit in decided.hits if hit.term not in found_now]
    return then, *map(_hit_then, gone), Text.assemble("          judged now: ", now)


def _hit_then(hit: Hit) -> Text:
    quote = clean(hit.quote.replace("\n", " "))
    return Text(f"  {hit.points:>+6g}  {quote}").append(f"  ← {clean(named(hit))}, {hit.field} of a copy then", "dim")


def _legend(hit: Hit) -> Text:
    """Which term, by which variant, where: the words themselves are marked in the text above."""
    return Text().append(f"{hit.points:>+8g}  ", style="bold").append(f"{clean(named(hit))}, {hit.field}", style="dim")


def _silence(silence: Silence, zone: tzinfo) -> str:
    comment = f": {clean(silence.comment)}" if silence.comment else ""
    return f"silence {silence.id} until {local(silence.ends_at, zone)}{comment}"


def _way(way: Way, zone: tzinfo) -> str:
    if way.hold is None:
        return f"{way.channel} at once"
    return f"{way.channel} at {local(way.at, zone)} ({way.hold.replace('_', ' ')})"


def _print_spread(out: Console, explained: Explained) -> None:
    """For a story of the archive: its copies with rule and likeness, their earlier headlines, and other sources."""
    if not explained.pickups:
        return
    spread = spread_of(explained.pickups, explained.relatives)
    if spread.notice is not None:
        out.print(Text(f"  {spread.notice} by its desk", style="bold red"))
    for pickup in explained.pickups:
        how = (
            "first" if pickup.rule is Rule.FOUNDER else f"{str(pickup.rule).replace('_', ' ')}, {pickup.similarity:g} %"
        )
        credit = f", credit {pickup.credit}" if pickup.credit else ""
        out.print(Text(f"  {clean(pickup.outlet)} ({how}{credit}): {clean(pickup.title) or '(no title)'}"))
        for version in explained.versions.get(pickup.entry, ()):
            changed = ", ".join(version.changed) or "nothing to see"
            out.print(Text(f"    before (other {changed}): {clean(version.title)}", style="dim"))
    sources = ", ".join(map(clean, spread.sources))
    out.print(f"  {len(spread.sources)} independent {'source' if len(spread.sources) == 1 else 'sources'}: ", end="")
    out.print(Text(sources))
    if explained.page is not None:
        out.print(Text(f"  its page: {clean(': '.join(filter(None, explained.page)))}", style="dim"))
    for relative in explained.relatives:
        out.print(Text(f"  related {relative.story}: {clean(relative.title)}", style="dim"))


def _hit_line(hit: Hit, explained: Explained) -> Text:
    field = getattr(explained.text, hit.field)
    words = clean(field[hit.start : hit.end])
    quote = clean(hit.quote.replace("\n", " "))
    line = Text(f"  {hit.points:>+6g}  ")
    before, found, after = quote.partition(words) if words else (quote, "", "")
    line.append(before)
    line.append(found, style="bold yellow" if hit.points >= 0 else "bold magenta")
    line.append(after)
    line.append(f"  ← {clean(named(hit))}, {hit.field}", style="dim")
    return line
