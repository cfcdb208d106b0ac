"""What each stage makes of a document, and what every watchlist says of it. Writes nothing, sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from monitor.core.decide import heard, retracted
from monitor.core.extract import extract_article, sniff
from monitor.core.normalise import normalise_entry
from monitor.core.parse import parse_feed
from monitor.core.pipeline import promising, read, recognise, story_text
from monitor.core.score import score_story
from monitor.core.wire import read_headline
from monitor.model import (
    Assignment,
    Entry,
    Feed,
    Hit,
    Match,
    Origin,
    Pickup,
    Reason,
    Relative,
    Rule,
    Silence,
    Standing,
    StoryText,
    Verdict,
    Version,
    Watchlist,
    record,
)
from monitor.reload import InForce
from monitor.routing import Way, silence_of, ways_of
from monitor.store import articles, candidates, silences, stories
from monitor.store.database import Database
from monitor.store.relatives import list_relatives
from monitor.store.versions import list_versions

NO_FEED = Feed(name="-", url="")


@record
class Decided:
    """What was decided of a story for one watchlist when it came in, and by which words: those of the copy that led to
    it, which need not stand in the story's fullest text."""

    reason: str
    score: float
    hits: tuple[Hit, ...]


@record
class Explained:
    """One entry, seen through every stage."""

    entry: Entry
    text: StoryText
    story: str | None  # of the archive: the one it is in, or would join
    assignment: Assignment | None  # how; None where there is no archive to compare with
    matches: tuple[Match, ...]
    pickups: tuple[Pickup, ...] = ()  # for a story of the archive: its copies …
    relatives: tuple[Relative, ...] = ()
    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)  # … and what they said before, by entry
    page: tuple[str, str] | None = None  # for a story of the archive: how the reading of its page stands, and why
    decided: Mapping[str, Decided] = field(default_factory=dict)  # for a story of the archive: by watchlist
    ways: tuple[tuple[str, tuple[Way, ...]], ...] = ()  # watchlist, the channels that its alert would take
    silenced: tuple[tuple[str, Silence], ...] = ()  # watchlist, the silence in force that would keep its alert back


def explain_document(
    body: bytes,
    in_force: InForce,
    *,
    name: str,
    url: str | None,
    now: datetime,
    feed: Feed | None = None,
    database: Database | None = None,
) -> Iterator[Explained]:
    """Explain a feed document, an HTML page or plain text.

    `name` helps to tell which it is; `feed` is the configured feed it shall belong to: without one, scopes do not ask
    for feeds and tiers; `database` is the archive in which copies are looked for. Entries are judged apart. Raises
    ParseError.
    """
    entries = _entries(body, in_force, name=name, url=url, now=now, feed=feed)
    hushes = _silences(database, now)
    for entry in entries:
        text = story_text(entry)
        story, assignment = _story(entry, in_force, database, now)
        matches = tuple(_taken_back(one, retracted(entry.slug)) for one in _matches(text, in_force, feed, now))
        silenced = _silenced(matches, in_force, entry, story, hushes, now)
        yield Explained(
            entry=entry,
            text=text,
            story=story,
            assignment=assignment,
            matches=matches,
            ways=_ways(matches, in_force, dict(silenced), now),
            silenced=silenced,
        )


def explain_story(story_id: str, in_force: InForce, database: Database, *, now: datetime) -> Explained | None:
    """Explain a story of the archive, or None where the id (or the beginning of one) names none."""
    with database.read() as tx:
        row = stories.find_story(tx, story_id)
        if row is None:
            return None
        lead, body = stories.text_of(tx, row)
        pickups = stories.list_pickups(tx, [row["id"]]).get(row["id"], ())
        assignment = stories.find_entry(tx, row["id"]) or Assignment(story=row["id"])
        decided = stories.list_matches(tx, [row["id"]]).get(row["id"], ())
        relatives = list_relatives(tx, [row["id"]]).get(row["id"], ())
        versions = list_versions(tx, [pickup.entry for pickup in pickups])
        page = articles.standing_of(tx, row["id"])
        hushes = silences.in_force(tx, now)
    first = pickups[0] if pickups else None
    entry = Entry(
        id=row["id"],
        feed=first.feed if first else "-",
        outlet=first.outlet if first else "",
        guid="",
        url=row["url"],
        title=row["title"],
        headline=read_headline(row["title"], first.outlet if first else "").text,
        summary=lead,
        body=body,
        language=row["language"],
        published_at=row["published_at"],
        credit=row["credit"],
    )
    text = story_text(entry, Standing(story=row["id"], first_seen_at=row["first_seen_at"]))
    origins = tuple(in_force.config.origins.get(p.feed) or Origin(feed=p.feed) for p in pickups)
    taken_back = {
        watchlist.id
        for watchlist in in_force.watchlists
        if any(retracted(pickup.slug) for pickup in heard(pickups, watchlist, in_force.config.origins))
    }
    since = text.published_at or row["first_seen_at"]
    matches = tuple(
        _taken_back(_aged(match, in_force.watchlists, since, now), match.watchlist in taken_back)
        for match in score_story(text, origins, in_force.compiled, complete=True)
    )
    silenced = _silenced(matches, in_force, entry, row["id"], hushes, now)
    return Explained(
        entry=entry,
        text=text,
        story=row["id"],
        assignment=assignment,
        matches=matches,
        ways=_ways(matches, in_force, dict(silenced), now),
        silenced=silenced,
        pickups=pickups,
        relatives=relatives,
        versions=versions,
        page=page,
        decided={one["watchlist"]: _decided(one) for one in decided},
    )


def _decided(row: Mapping[str, Any]) -> Decided:
    hits = tuple(Hit(**hit) for hit in json.loads(row["hits"]))
    return Decided(reason=row["reason"], score=row["score"], hits=hits)


def _entries(
    body: bytes, in_force: InForce, *, name: str, url: str | None, now: datetime, feed: Feed | None
) -> Sequence[Entry]:
    language = (feed.language if feed else None) or in_force.config.monitor.language
    if sniff(body, name) == "feed":
        parsed = parse_feed(body, url=url or (feed.url if feed else ""))
        return read(parsed, feed or NO_FEED, now=now, default_language=language)
    article = extract_article(body, url=url)
    if not article.link and url:
        article = replace(article, link=url)
    return [
        normalise_entry(
            article,
            feed=feed.name if feed else "-",
            outlet=feed.outlet or "" if feed else "",
            language=language,
            now=now,
        )
    ]


def _matches(text: StoryText, in_force: InForce, feed: Feed | None, now: datetime) -> tuple[Match, ...]:
    origins = (Origin(feed=feed.name, tags=feed.tags, tier=feed.tier),) if feed else ()
    matches = score_story(text, origins, in_force.compiled, complete=True)
    return tuple(_aged(match, in_force.watchlists, text.published_at or now, now) for match in matches)


def _silences(database: Database | None, now: datetime) -> tuple[Silence, ...]:
    if database is None:
        return ()
    with database.read() as tx:
        return silences.in_force(tx, now)


def _silenced(
    matches: tuple[Match, ...],
    in_force: InForce,
    entry: Entry,
    story: str | None,
    hushes: tuple[Silence, ...],
    now: datetime,
) -> tuple[tuple[str, Silence], ...]:
    of = {watchlist.id: watchlist for watchlist in in_force.watchlists}
    found = (
        (match.watchlist, silence_of(match, entry, story, hushes, shadow=of[match.watchlist].shadow, now=now))
        for match in matches
    )
    return tuple((watchlist, silence) for watchlist, silence in found if silence is not None)


def _ways(
    matches: tuple[Match, ...], in_force: InForce, silenced: Mapping[str, Silence], now: datetime
) -> tuple[tuple[str, tuple[Way, ...]], ...]:
    of = {watchlist.id: watchlist for watchlist in in_force.watchlists}
    return tuple(
        (match.watchlist, ways_of(match, in_force.config, shadow=of[match.watchlist].shadow, now=now))
        for match in matches
        if match.level is not None and match.watchlist not in silenced
    )


def _aged(match: Match, watchlists: tuple[Watchlist, ...], since: datetime, now: datetime) -> Match:
    """The same verdict, or silence where the watchlist wants nothing so old."""
    watchlist = next(watchlist for watchlist in watchlists if watchlist.id == match.watchlist)
    if match.verdict is Verdict.SILENT or watchlist.max_age is None or now - since <= watchlist.max_age:
        return match
    return replace(match, verdict=Verdict.SILENT, reason=Reason.TOO_OLD)


def _taken_back(match: Match, taken_back: bool) -> Match:
    """The same verdict, or silence where the story was taken back: nobody is told of it any more."""
    if match.verdict is Verdict.SILENT or not taken_back:
        return match
    return replace(match, verdict=Verdict.SILENT, reason=Reason.RETRACTED)


def _story(
    entry: Entry, in_force: InForce, database: Database | None, now: datetime
) -> tuple[str | None, Assignment | None]:
    """The story of the archive that an entry is in, or would join, and how."""
    if database is None:
        return None, None
    with database.read() as tx:
        known = stories.find_entry(tx, entry.id)
        if known is not None:
            return known.story, known
        snapshot = candidates.snapshot(tx, [entry], promising)
    assignment = recognise((entry,), snapshot, now=now, window=in_force.config.alerts.story_window)[0]
    return (None if assignment.rule is Rule.FOUNDER else assignment.story), assignment
