"""What a new document shows to be odd about its feed: resets are sorted out, oddities noted.

Runs within the transaction of ingest.py, which keeps and judges what is left. What counts as odd is said in
core/oddness.py; the operator is told by operator.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.core import oddness
from monitor.model import Entry, FeedState, FeedStatus, Oddity, OddityKind, ParsedFeed
from monitor.store import oddities, stories
from monitor.store.stories import Fresh

DEATHS = 3  # of the process that reads a document: one try and two retries (design: limits by default)
ASIDE = timedelta(hours=24)  # for so long such a document is not read
TOLD_FOR = timedelta(days=7)  # another publication under the address is shown for so long


def churning(states: Mapping[str, FeedState]) -> frozenset[str]:
    """Feeds whose guids mean nothing."""
    return frozenset(name for name, state in states.items() if state.odd(OddityKind.UNSTABLE_GUIDS))


def sort_out(
    tx: sa.Connection,
    found: Fresh,
    states: Mapping[str, FeedState],
    sizes: Mapping[str, int],
    *,
    missed: Container[str],
    now: datetime,
) -> tuple[Fresh, frozenset[str]]:
    """Of documents that look like a feed's reset: what is proven old is left out and known from now on, what cannot
    be told from it is to be held back.

    `states` are those of feeds whose documents are whole, `sizes` entries by feed, `missed` the feeds not reached for
    long. Returns what is new, and the ids of those entries of it that must not alert.
    """
    old: list[Entry] = []
    held: set[str] = set()
    for name, count in Counter(entry.feed for entry in found.new).items():
        state = states.get(name)
        if state is None or state.seeded_at is None or not oddness.looks_like_reset(sizes[name], count):
            continue
        new = [entry for entry in found.new if entry.feed == name]
        doubtful = oddness.doubtful(new, checked_at=state.last_success_at or now, missed=name in missed)
        if doubtful:
            proven = _proven_old(tx, name, new, doubtful)
            old += proven
            held |= doubtful - {entry.id for entry in proven}
    stories.remember(tx, old, now)
    gone = {entry.id for entry in old}
    return replace(found, new=tuple(entry for entry in found.new if entry.id not in gone)), frozenset(held)


def note(
    tx: sa.Connection,
    state: FeedState,
    parsed: ParsedFeed | None,
    *,
    known: int,
    renamed: int,
    held: int,
    now: datetime,
) -> FeedStatus:
    """Note what a check that went well showed; `parsed` is None where the document was the same as before, or only what
    is new of it.

    `known` entries were known, `renamed` of them came under another guid, `held` new ones are kept back. Returns the
    feed's state.
    """
    passed = [one.kind for one in state.oddities if one.until_at is not None and one.until_at <= now]
    healed = {OddityKind.SET_ASIDE}
    healed |= {OddityKind.TRUNCATED} if parsed and not parsed.truncated else set()
    healed |= {OddityKind.UNSTABLE_GUIDS} if known and not renamed else set()
    for one in state.oddities:
        if one.kind in healed or one.kind in passed:
            oddities.forget(tx, state.name, one.kind)
    for oddity in _found(state, parsed, known, renamed, held, now) if parsed else ():
        before = state.odd(oddity.kind) if oddity.kind not in passed else None
        oddities.note(tx, state.name, _lasting(before, oddity) if before else oddity)
    lasts = state.odd(OddityKind.QUARANTINE) and OddityKind.QUARANTINE not in passed
    return FeedStatus.QUARANTINED if held or lasts else FeedStatus.OK


def note_elsewhere(
    tx: sa.Connection, states: Mapping[str, FeedState], domains: Mapping[str, str], now: datetime
) -> None:
    """Feeds (by name) whose pages lie in a domain from which they are not read."""
    for feed, domain in domains.items():
        before = states[feed].odd(OddityKind.PAGES_ELSEWHERE)
        if before is None or before.detail != domain:
            oddities.note(tx, feed, Oddity(kind=OddityKind.PAGES_ELSEWHERE, since_at=now, detail=domain))


def note_death(tx: sa.Connection, state: FeedState, document: str, now: datetime) -> None:
    """A document (by its hash) killed the process that read it; the third time it is set aside for a day."""
    before = state.odd(OddityKind.SET_ASIDE)
    same = before is not None and before.detail == document
    count = before.count + 1 if same else 1
    oddities.note(
        tx,
        state.name,
        Oddity(
            kind=OddityKind.SET_ASIDE,
            since_at=before.since_at if same else now,
            until_at=now + ASIDE if count >= DEATHS else None,
            count=count,
            detail=document,
        ),
    )


def set_aside_until(state: FeedState, document: str, now: datetime) -> datetime | None:
    """Until when this document (by its hash) is not to be read; None where it may be."""
    aside = state.odd(OddityKind.SET_ASIDE)
    if aside is None or aside.detail != document or aside.until_at is None:
        return None
    return aside.until_at if aside.until_at > now else None


def _lasting(before: Oddity, oddity: Oddity) -> Oddity:
    """An oddity that was there before."""
    more = before.count if oddity.kind is OddityKind.QUARANTINE else 0
    return replace(oddity, since_at=before.since_at, count=oddity.count + more, detail=oddity.detail or before.detail)


def _proven_old(tx: sa.Connection, feed: str, new: list[Entry], doubtful: frozenset[str]) -> list[Entry]:
    """Entries whose text the feed has had before, or without a date of today its address or headline."""
    known = stories.known_texts(tx, feed, new)
    return [
        entry
        for entry in new
        if entry.content_hash in known
        or (entry.id in doubtful and not known.isdisjoint((entry.url_key, entry.title_key)))
    ]


def _found(state: FeedState, parsed: ParsedFeed, known: int, renamed: int, held: int, now: datetime) -> list[Oddity]:
    found = []
    if oddness.looks_churning(known, renamed):
        found.append(Oddity(kind=OddityKind.UNSTABLE_GUIDS, since_at=now))
    if held:
        until = now + oddness.QUARANTINE
        found.append(Oddity(kind=OddityKind.QUARANTINE, since_at=now, until_at=until, count=held))
    if parsed.truncated:
        found.append(Oddity(kind=OddityKind.TRUNCATED, since_at=now, count=parsed.truncated))
    replaced = state.seeded_at and parsed.entries and not known
    if replaced and not oddness.same_publication(state.title, parsed.title):
        titles = f"{oddness.shown_title(state.title)}\n{oddness.shown_title(parsed.title)}"
        kind = OddityKind.OTHER_PUBLICATION
        found.append(Oddity(kind=kind, since_at=now, until_at=now + TOLD_FOR, detail=titles))
    return found
