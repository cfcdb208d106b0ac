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


class Yardstick:
    """An entry, made ready to be compared with earlier ones. `furniture` are hashes of boilerplate: they count for
    nothing."""

    def __init__(self, entry: Entry | Candidate, now: datetime, furniture: frozenset[int] = NOTHING):
        sketch = entry.sketch
        self._entry, self._now, self._furniture = entry, now, furniture
        self._words, self._sorted = frozenset(sketch.words), " ".join(sorted(sketch.words))
        self._wide = bool(sketch.words) and WIDE.match(sketch.words[0]) is not None

    def hopeless(self, candidate: Candidate) -> bool:
        """Whether a look at words and hashes suffices to tell that nothing can come of it: half of the headline's words
        are others, and no run of three words is in both texts."""
        mine, theirs = self._entry.sketch, candidate.sketch
        if candidate.url_key is not None and candidate.url_key == self._entry.url_key:
            return False
        common = len(self._words.intersection(theirs.words))
        return (
            2 * common < min(len(mine.words), len(theirs.words))
            and mine.lead.isdisjoint(theirs.lead)
            and mine.body.isdisjoint(theirs.body)
            and bool(mine.body) == bool(theirs.body)
        )

    def measure(self, candidate: Candidate) -> Likeness:
        """How an earlier entry compares with this one."""
        mine, theirs = self._entry.sketch, candidate.sketch
        words = frozenset(theirs.words)
        body, body_shared = self._containment(mine.body, theirs.body)
        lead, lead_shared = self._containment(mine.lead, theirs.lead)
        if not (mine.body and theirs.body):
            lead, lead_shared = max((lead, lead_shared), self._in_body(mine, theirs), self._in_body(theirs, mine))
        return Likeness(
            title=self._title(theirs.words, words) if mine.words and theirs.words else 0.0,
            own=self._words - words,
            other=words - self._words,
            common=len(self._words & words),
            lead=lead,
            lead_shared=lead_shared,
            body=body,
            body_shared=body_shared,
            apart=abs((self._entry.published_at or self._now) - (candidate.published_at or candidate.seen_at)),
            same_outlet=self._entry.outlet == candidate.outlet,
            titled=bool(mine.words and theirs.words),
        )

    def _title(self, theirs: tuple[str, ...], words: frozenset[str]) -> float:
        """Likeness of two headlines, 0–100: of their sorted words; in scripts without spaces of their character
        pairs, since the letters of such pairs are alike anyway."""
        if self._wide or WIDE.match(theirs[0]):
            return 200 * len(self._words & words) / (len(self._words) + len(words))
        return fuzz.ratio(self._sorted, " ".join(sorted(theirs)))

    def _in_body(self, short: Sketch, full: Sketch) -> tuple[float, int]:
        """How much of a summary stands anywhere in a whole body, seen through the body's sample."""
        if short.body or not full.body:
            return 0.0, 0
        sampled = frozenset([h for h in short.lead if h % BODY_SAMPLE == 0])
        if len(sampled) < FEW_SAMPLED:
            return 0.0, 0
        share, shared = self._containment(sampled, full.body)
        return share, shared * BODY_SAMPLE

    def _containment(self, first: frozenset[int], second: frozenset[int]) -> tuple[float, int]:
        if not first or not second:
            return 0.0, 0
        if self._furniture:
            first, second = first - self._furniture, second - self._furniture
        shared = len(first & second)
        return (shared / min(len(first), len(second)), shared) if shared else (0.0, 0)


def subset_ratio(mine: Sketch, theirs: Sketch) -> float:
    """How far the words of one headline hold those of the other, 0–100 (rapidfuzz's token_set_ratio)."""
    return fuzz.token_set_ratio(" ".join(mine.words), " ".join(theirs.words))
