"""Two sketches → how they compare, field by field. Measures; does not judge (core/copies.py does).

Containments are shares of the smaller side: one story is 12 words in one feed and 600 in another, and no likeness of
whole texts survives that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rapidfuzz import fuzz

from monitor.core.sketch import BODY_SAMPLE, WIDE
from monitor.model import Candidate, Entry, Sketch

FEW_SAMPLED = 8  # fewer sampled hashes of a summary say nothing about a body: a long one holds many a turn of phrase
NOTHING_ALIKE = 60  # headlines less alike than this lead to nothing by themselves, not even to a related story
LEAST_SHARED = 4  # shingles; fewer are chance
NOTHING: frozenset[int] = frozenset()


@dataclass(slots=True, kw_only=True)
class Likeness:
    """How one pair of texts compares; percentages 0–100, containments 0–1 of the smaller side."""

    title: float  # ratio of sorted words
    words: frozenset[str]  # of the new headline …
    other_words: frozenset[str]  # … and of the earlier one
    lead: float
    lead_shared: int
    body: float
    body_shared: int
    apart: timedelta
    same_outlet: bool
    titled: bool  # both have a headline

    @property
    def own(self) -> frozenset[str]:
        """Words that only the new headline has."""
        return self.words - self.other_words

    @property
    def other(self) -> frozenset[str]:
        """Words that only the earlier headline has."""
        return self.other_words - self.words

    @property
    def common(self) -> int:
        """How many words both have."""
        return len(self.words & self.other_words)

    @property
    def by_text(self) -> bool:
        """Whether what stands below the headlines has something in common."""
        return self.lead_shared >= 3 or self.body_shared >= 3

    @property
    def slight(self) -> bool:
        """Whether no rule could make copies of them, but one for equal addresses or texts."""
        return self.title < (60 if self.same_outlet else 74) and self.lead < 0.33 and self.body < 0.48


@dataclass(slots=True)
class Look:
    """A first look at a candidate: what both texts have, before it is known what of that is boilerplate."""

    candidate: Candidate
    lead: frozenset[int]
    body: frozenset[int]
    title: float


class Yardstick:
    """An entry, made ready to be compared with earlier ones."""

    def __init__(self, entry: Entry | Candidate, now: datetime):
        sketch = entry.sketch
        self._entry, self._now = entry, now
        self._words, self._sorted = frozenset(sketch.words), " ".join(sorted(sketch.words))
        self._wide = bool(sketch.words) and WIDE.match(sketch.words[0]) is not None

    def look(self, candidate: Candidate) -> Look:
        """What an earlier entry has in common with this one."""
        mine, theirs = self._entry.sketch, candidate.sketch
        return Look(candidate, mine.lead & theirs.lead, mine.body & theirs.body, self._title(theirs.words))

    def hopeless(self, look: Look) -> bool:
        """Whether a first look suffices to tell that nothing can come of it: the texts have hardly a run of three words
        in common, and the headlines little."""
        entry, candidate = self._entry, look.candidate
        return (
            look.title < NOTHING_ALIKE
            and len(look.lead) < LEAST_SHARED
            and len(look.body) < LEAST_SHARED
            and (candidate.url_key is None or candidate.url_key != entry.url_key)
            and bool(entry.sketch.body) == bool(candidate.sketch.body)
        )

    def measure(self, look: Look, furniture: frozenset[int] = NOTHING) -> Likeness:
        """How an earlier entry compares with this one; `furniture` are hashes of boilerplate and count for nothing."""
        candidate = look.candidate
        mine, theirs = self._entry.sketch, candidate.sketch
        body, body_shared = _containment(mine.body, theirs.body, look.body, furniture)
        lead, lead_shared = _containment(mine.lead, theirs.lead, look.lead, furniture)
        if bool(mine.body) != bool(theirs.body):
            in_body = _in_body(theirs, mine, furniture) if mine.body else _in_body(mine, theirs, furniture)
            lead, lead_shared = max((lead, lead_shared), in_body)
        return Likeness(
            title=look.title,
            words=self._words,
            other_words=frozenset(theirs.words),
            lead=lead,
            lead_shared=lead_shared,
            body=body,
            body_shared=body_shared,
            apart=abs((self._entry.published_at or self._now) - (candidate.published_at or candidate.seen_at)),
            same_outlet=self._entry.outlet == candidate.outlet,
            titled=bool(mine.words and theirs.words),
        )

    def _title(self, theirs: tuple[str, ...]) -> float:
        """Likeness of two headlines, 0–100: of their sorted words; in scripts without spaces of their character
        pairs, since the letters of such pairs are alike anyway. 0 where there is no headline."""
        if not (theirs and self._words):
            return 0.0
        if self._wide or WIDE.match(theirs[0]):
            words = frozenset(theirs)
            return 200 * len(self._words & words) / (len(self._words) + len(words))
        return fuzz.ratio(self._sorted, " ".join(sorted(theirs)))


def _in_body(short: Sketch, full: Sketch, furniture: frozenset[int]) -> tuple[float, int]:
    """How much of a summary stands anywhere in a whole body, seen through the body's sample."""
    sampled = frozenset([h for h in short.lead if h % BODY_SAMPLE == 0])
    if len(sampled) < FEW_SAMPLED:
        return 0.0, 0
    share, shared = _containment(sampled, full.body, sampled & full.body, furniture)
    return share, shared * BODY_SAMPLE


def _containment(
    first: frozenset[int], second: frozenset[int], both: frozenset[int], furniture: frozenset[int]
) -> tuple[float, int]:
    """How much of the smaller one stands in the other, as a share and in shingles."""
    if furniture:
        first, second, both = first - furniture, second - furniture, both - furniture
    return (len(both) / min(len(first), len(second)), len(both)) if both else (0.0, 0)


def subset_ratio(mine: Sketch, theirs: Sketch) -> float:
    """How far the words of one headline hold those of the other, 0–100 (rapidfuzz's token_set_ratio)."""
    return fuzz.token_set_ratio(" ".join(mine.words), " ".join(theirs.words))
