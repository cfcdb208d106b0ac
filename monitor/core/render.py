"""Alert → `Message`: what a person reads, in plain data that every sender turns into its channel's form.

Words and order are decided here; escaping for a channel belongs to its sender. Outside text arrives clean from
core/plain.py and is cut to length here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, tzinfo

from monitor.core.hold import LOUDNESS
from monitor.core.names import signature_of
from monitor.model import IMPERATIVE, Alert, Entry, Hit, HoldReason, Level, Match, Message, Pickup, Verdict, record

TITLE_LENGTH = 200
LEAD_LENGTH = 280  # two lines on a phone
OUTLET_LENGTH = 60
QUOTE_LENGTH = 120
PLAINEST_LENGTH = 300
TOP_HITS = 3
TOP_AGAINST = 5
TOP_TOPICS = 5
WHY_TOGETHER = {
    HoldReason.QUIET_HOURS: "Held back during quiet hours.",
    HoldReason.DIGEST: "Collected since the last digest.",
    HoldReason.RATE_CAP: "This watchlist had more alerts within the hour than go one by one; the rest comes together.",
    HoldReason.CATCH_UP: "Missed during an outage.",
    HoldReason.BACKLOG: "So many alerts were waiting for this channel that they come together.",
}


@record
class Line:
    """One alert in a digest."""

    message: Message
    score: float


def message_for(
    alert: Alert,
    match: Match,
    entry: Entry,
    pickups: tuple[Pickup, ...],
    *,
    thread: str,
    zone: tzinfo,
    base_url: str = "",
    feedback_key: bytes = b"",
    mark: str = "",
    news: str = "",
) -> Message:
    """The message of a new alert, or (with a `mark` and what is new) of an update of an earlier one.

    `pickups` are all copies of the story so far, this one included; `thread` is the id of the first alert on the
    story for this watchlist; `zone` is where the readers are; `base_url` that of the status page, or "";
    `feedback_key` signs the link by which readers judge the alert.
    """
    title = shorten(entry.headline or entry.called, TITLE_LENGTH)
    message = Message(
        headline="",
        mark=mark,
        news=shorten(news, LEAD_LENGTH),
        title=title,
        url=entry.url,
        watchlist=alert.watchlist,
        watchlist_title=alert.watchlist_title,
        level=alert.level,
        outlet=shorten(entry.outlet, OUTLET_LENGTH),
        credit=entry.credit,
        published=_local(entry.published_at, zone),
        lead=shorten(" ".join((entry.summary or entry.body).split()), LEAD_LENGTH),
        why=() if match.verdict is Verdict.SILENT else (_sum(match), *_reckoning(match.hits)),  # `news` says why
        story=alert.story,
        thread=thread,
        story_link=f"{base_url.rstrip('/')}/stories/{alert.story}" if base_url else "",
        feedback_link=f"{base_url.rstrip('/')}{feedback_path(feedback_key, alert.id)}"
        if base_url and feedback_key
        else "",
    )
    return with_spread(message, pickups)


def feedback_path(key: bytes, alert: str) -> str:
    """Where on the status page an alert is judged by whoever has this path, which the key signs."""
    return f"/feedback/{alert}/{signature_of(key, 'feedback', alert)}"


def with_spread(message: Message, pickups: tuple[Pickup, ...]) -> Message:
    """The same message, telling of all these copies."""
    outlets = tuple(dict.fromkeys(shorten(pickup.outlet, OUTLET_LENGTH) for pickup in pickups))
    spread = f"{len(outlets)} outlets: {', '.join(outlets[:4])}{' …' if len(outlets) > 4 else ''}"
    return replace(
        message,
        spread=spread if len(outlets) > 1 else "",
        headline=_headline(message, len(outlets)),
    )


def corrected(message: Message, pickups: tuple[Pickup, ...], *, title: str, mark: str, news: str) -> Message:
    """The same message as it reads after a correction, a kill or a new figure."""
    changed = replace(message, title=shorten(title, TITLE_LENGTH), mark=mark, news=shorten(news, LEAD_LENGTH))
    return with_spread(changed, pickups)


def digest_of(lines: tuple[Line, ...], together: HoldReason, *, more: int = 0) -> Message:
    """Several alerts in one message, the loudest and best scored first.

    `together` is why they come so; `more` is how many others follow in messages of their own.
    """
    ranked = sorted(lines, key=lambda line: (-LOUDNESS[line.message.level], -line.score))
    loudest, topics = ranked[0].message, Counter(line.message.watchlist_title for line in ranked)
    said = "; ".join(f"{title} ({count})" for title, count in topics.most_common(TOP_TOPICS))
    said += "; …" if len(topics) > TOP_TOPICS else ""
    return Message(
        headline=shorten(f"{_bracketed('', loudest.level)}{len(ranked)} alerts: {said}", TITLE_LENGTH),
        mark="digest",
        title=f"{len(ranked)} alerts",
        url="",
        watchlist=loudest.watchlist if len(topics) == 1 else "",
        watchlist_title=loudest.watchlist_title if len(topics) == 1 else "",
        level=loudest.level,
        lead=WHY_TOGETHER[together] + (f" {more} more follow." if more else ""),
        why=tuple(map(_digest_line, ranked)),
    )


def plainest(message: Message) -> Message:
    """Title and link alone, for a server that refused the full form. A digest keeps its lines, which are all it has;
    what has no link keeps a sentence, since some services take no message without a text."""
    if message.mark == "digest":
        return message
    title = shorten(message.title, max(40, PLAINEST_LENGTH - len(message.url) - 1))
    url = message.url if len(message.url) < PLAINEST_LENGTH - 40 else ""
    return replace(
        message,
        headline=title,
        title=title,
        url=url,
        lead="" if url else shorten(message.lead, PLAINEST_LENGTH - len(title)),
        why=(),
        spread="",
        published="",
        credit=None,
        feedback_link="",
    )


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters, cut between words and marked with an ellipsis."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > length // 2 else cut).rstrip(" ,;:.-–—") + "…"


def named(hit: Hit) -> str:
    """A term, with the variant of it that was found where that is another: `strike* (blockade*)`."""
    bare = hit.variant.strip('*="').casefold()
    return hit.term if bare == hit.term.strip('*="').casefold() else f"{hit.term} ({hit.variant})"


def signed(number: float) -> str:
    """Points as they go into a sum: +4, -2.5."""
    return f"{'+' if number > 0 else ''}{points(number)}"


def points(number: float) -> str:
    """A score as people write it: 14, 13.5."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def rfc3339(moment: datetime | None) -> str | None:
    """A time as JSON has it: RFC 3339, UTC, with `Z`."""
    if moment is None:
        return None
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def local_time(moment: datetime, zone: tzinfo) -> str:
    """A time as notices name it, such as "26 Nov 13:57 GMT"."""
    return moment.astimezone(zone).strftime("%d %b %H:%M %Z")


def _digest_line(line: Line) -> str:
    story = f"{points(line.score)} · {line.message.headline}"
    return f"{story} {line.message.url}" if line.message.url else story


def _bracketed(mark: str, level: Level) -> str:
    """What stands first: that a story is taken back or corrected, else how loud it is, else that it goes on."""
    shown = level if level is Level.URGENT and mark not in IMPERATIVE else mark
    return f"[{shown}] " if shown else ""


def _headline(message: Message, outlets: int) -> str:
    mark = _bracketed(message.mark, message.level)
    copies = f", {outlets} outlets" if outlets > 1 else ""
    where = f" ({message.outlet}{copies})" if message.outlet else ""
    room = TITLE_LENGTH - len(mark) - len(message.watchlist_title) - len(where) - 3
    return f"{mark}{message.watchlist_title} — {shorten(message.title, max(40, room))}{where}"


def _sum(match: Match) -> str:
    return f"score {points(match.score)}, alerts from {points(match.threshold)}"


def _reckoning(hits: tuple[Hit, ...]) -> list[str]:
    """What adds up to the score: the strongest hits, what spoke against, and the sum of all others."""
    ranked = sorted(hits, key=lambda hit: -abs(hit.points))
    speaking, against = ([hit for hit in ranked if hit.points * sign > 0] for sign in (1, -1))
    shown, others = speaking[:TOP_HITS] + against[:TOP_AGAINST], speaking[TOP_HITS:] + against[TOP_AGAINST:]
    if len(others) > 1:
        return [*map(_evidence, shown), f"… and {len(others)} more: {signed(sum(hit.points for hit in others))}"]
    return [*map(_evidence, shown + others)]


def _evidence(hit: Hit) -> str:
    quote = re.sub(r"\s+", " ", hit.quote).strip()
    return f"{signed(hit.points)} {named(hit)}, in the {hit.field}: “{shorten(quote, QUOTE_LENGTH)}”"


def _local(moment: datetime | None, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%a %d %b %Y, %H:%M %Z") if moment else ""
