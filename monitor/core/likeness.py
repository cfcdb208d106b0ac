"""Two sketches → how they compare, field by field. Measures; does not judge (core/copies.py does).

Containments are shares of the smaller side: one story is 12 words in one feed and 600 in another, and no likeness of
whole texts survives that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rapidfuzz import fuzz

from monitor.core.sketch import BODY_SAMPLE, WIDE
from monitor.model import Candidate, Entry, Sketch, record

FEW_SAMPLED = 3  # fewer sampled hashes of a summary say nothing about a body
NOTHING: frozenset[int] = frozenset()


@record
class Likeness:
    """How one pair of texts compares; percentages 0–100, containments 0–1 of the smaller side."""

    title: float  # ratio of sorted words
    subset: float  # token_set_ratio
    own: frozenset[str]  # words that only the new headline has …
    other: frozenset[str]  # … and those that only the earlier one has
    common: int  # words that both have
    lead: float
    lead_shared: int
    body: float
    body_shared: int
    apart: timedelta
    same_outlet: bool
    titled: bool  # both have a headline


def likeness(entry: Entry, candidate: Candidate, now: datetime, furniture: frozenset[int] = NOTHING) -> Likeness:
    """Compare an entry with an earlier one. `furniture` are hashes of boilerplate, which count for nothing."""
    mine, theirs = entry.sketch, candidate.sketch
    titled = bool(mine.words and theirs.words)
    first, second = frozenset(mine.words), frozenset(theirs.words)
    lead, lead_shared = max(
        _containment(mine.lead, theirs.lead, furniture),
        _lead_in_body(mine, theirs, furniture),
        _lead_in_body(theirs, mine, furniture),
    )
    body, body_shared = _containment(mine.body, theirs.body, furniture)
    return Likeness(
        title=_title(mine.words, theirs.words, first, second) if titled else 0.0,
        subset=fuzz.token_set_ratio(" ".join(mine.words), " ".join(theirs.words)) if titled else 0.0,
        own=first - second,
        other=second - first,
        common=len(first & second),
        lead=lead,
        lead_shared=lead_shared,
        body=body,
        body_shared=body_shared,
        apart=abs((entry.published_at or now) - (candidate.published_at or candidate.seen_at)),
        same_outlet=entry.outlet == candidate.outlet,
        titled=titled,
    )


def _title(mine: tuple[str, ...], theirs: tuple[str, ...], first: frozenset[str], second: frozenset[str]) -> float:
    """Likeness of two headlines, 0–100: of their sorted words; in scripts without spaces of their character pairs, since
    the letters of such pairs are alike anyway."""
    if WIDE.match(mine[0]) or WIDE.match(theirs[0]):
        return 200 * len(first & second) / (len(first) + len(second))
    return fuzz.ratio(" ".join(sorted(mine)), " ".join(sorted(theirs)))


def _lead_in_body(short: Sketch, full: Sketch, furniture: frozenset[int]) -> tuple[float, int]:
    """How much of a summary stands anywhere in a whole body, seen through the body's sample."""
    if short.body or not full.body:
        return 0.0, 0
    sampled = frozenset(h for h in short.lead if h % BODY_SAMPLE == 0)
    if len(sampled) < FEW_SAMPLED:
        return 0.0, 0
    share, shared = _containment(sampled, full.body, furniture)
    return share, shared * BODY_SAMPLE


def _containment(first: frozenset[int], second: frozenset[int], furniture: frozenset[int]) -> tuple[float, int]:
    if furniture:
        first, second = first - furniture, second - furniture
    smaller = min(len(first), len(second))
    if not smaller:
        return 0.0, 0
    shared = len(first & second)
    return shared / smaller, shared
