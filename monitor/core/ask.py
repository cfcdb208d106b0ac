"""A query and the places where its words stand → whether it is true, and by which places.

Weighs nothing: true or not. The meaning of brackets beside NEAR is that of what is inside, near the same place: with
`(A OR B) NEAR/5 C` either is near C, with `(A AND B) NEAR/5 C` both are, with `A NEAR/5 NOT B` there is an A without a
B so near.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from monitor.core.locate import Place, StoryWords
from monitor.core.near import REACH, neighbours
from monitor.core.query import All, AtLeast, Either, Nearby, Node, Not, Words
from monitor.model import Near

_PAIRS = 4  # first and last neighbours that a place is paired with; a bound for texts that repeat themselves


class Asking:
    """One query of one story. `found` are the places by slot, sorted, in the fields asked for; `mentions` counts."""

    def __init__(self, found: Mapping[int, list[Place]], words: StoryWords, mentions: Callable[[list[Place]], int]):
        self._found, self._words, self._mentions = found, words, mentions
        self._known: dict[int, tuple[list[Place], int]] = {}  # spans of a part, and the words of the longest

    def true(self, query: Node) -> bool:
        """Whether it holds."""
        if isinstance(query, Not):
            return not self.true(query.part)
        if isinstance(query, All):
            return all(map(self.true, query.parts))
        if isinstance(query, Either):
            return any(map(self.true, query.parts))
        return bool(self._spans(query))

    def hits(self, query: Node) -> Iterator[tuple[Words, list[Place]]]:
        """The words that make it true, with the places that count; nothing that stands under a NOT."""
        if isinstance(query, Words):
            if self._found.get(query.slot):
                yield query, self._found[query.slot]
        elif isinstance(query, (All, Either)):
            for part in query.parts:
                if self.true(part):
                    yield from self.hits(part)
        elif isinstance(query, AtLeast):
            yield from self.hits(query.part)
        elif isinstance(query, Nearby):
            yield from self._near_hits(query)

    def unmet(self, query: Node) -> tuple[Node, ...]:
        """What is wanting of a query that is not true: of an AND the parts that do not hold, else all of it."""
        parts = query.parts if isinstance(query, All) else (query,)
        return tuple(part for part in parts if not self.true(part))

    def _near_hits(self, query: Nearby) -> Iterator[tuple[Words, list[Place]]]:
        for side, other, after in ((query.left, query.right, False), (query.right, query.left, True)):
            for words, places in self.hits(side):
                kept = [place for place in places if self._has(place, other, _near(query), after)]
                if kept:
                    yield words, kept

    def _spans(self, query: Node) -> list[Place]:
        """The places of a part, sorted: a NEAR's reach from one of its words to the other."""
        return self._spans_and_longest(query)[0]

    def _spans_and_longest(self, query: Node) -> tuple[list[Place], int]:
        known = self._known.get(id(query))
        if known is None:
            spans = self._work_out(query)
            known = spans, max((span[1] - span[0] for span in spans), default=0)
            self._known[id(query)] = known
        return known

    def _work_out(self, query: Node) -> list[Place]:
        if isinstance(query, Words):
            return self._found.get(query.slot, [])
        if isinstance(query, Not):
            return []
        if isinstance(query, AtLeast):
            places = self._spans(query.part)
            counted = _apart_from_each_other(places) if isinstance(query.part, Nearby) else places
            return places if self._mentions(counted) >= query.count else []
        if isinstance(query, Nearby):
            return self._pairs(query)
        if isinstance(query, All) and not self.true(query):
            return []
        return sorted({place for part in query.parts for place in self._spans(part)})

    def _pairs(self, query: Nearby) -> list[Place]:
        """The reaches of a NEAR: of brackets with AND and of NOT it is the other side near which they hold."""
        left, right, near = query.left, query.right, _near(query)
        if isinstance(left, Either):
            return _joined(self._pairs(replace(query, left=part)) for part in left.parts)
        if isinstance(right, Either) and isinstance(left, (All, Not)):
            return _joined(self._pairs(replace(query, right=part)) for part in right.parts)
        reaches = []
        if isinstance(left, (All, Not)) and not isinstance(right, Not):
            reaches.append(self._reaches(right, left, near, True))
        if not reaches or (isinstance(left, All) and isinstance(right, All)):
            reaches.append(self._reaches(left, right, near, False))
        return _joined(reaches) if all(reaches) else []

    def _reaches(self, anchor: Node, side: Node, near: Near, after: bool) -> list[Place]:
        """The reaches from the places of `anchor` near which `side` holds."""
        if isinstance(anchor, (All, Either)):
            each = [self._reaches(part, side, near, after) for part in anchor.parts if not isinstance(part, Not)]
            return _joined(each) if isinstance(anchor, Either) or all(each) else []
        others = self._places(side)
        longest = max((other[1] - other[0] for other in others), default=0)
        spans: set[Place] = set()
        for place in self._spans(anchor):
            if self._has(place, side, near, after):
                beside = neighbours(place, others, longest, near, self._words, after=after, other_mentions=True)
                beside = beside[:_PAIRS] + beside[_PAIRS:][-_PAIRS:]
                spans.update([_reach(place, other) for other in beside] or [place])
        return sorted(spans)

    def _places(self, side: Node) -> list[Place]:
        """The places of all that stands in a side of a NEAR, whether or not it holds elsewhere."""
        if isinstance(side, (All, Either)):
            return _joined(map(self._places, side.parts))
        return self._spans(side)

    def _has(self, place: Place, side: Node, near: Near, after: bool) -> bool:
        """Whether a part holds near a place; `after`: where order counts, before it."""
        if isinstance(side, Not):
            return not self._has(place, side.part, near, after)
        if isinstance(side, All):
            return all(self._has(place, part, near, after) for part in side.parts)
        if isinstance(side, Either):
            return any(self._has(place, part, near, after) for part in side.parts)
        others, longest = self._spans_and_longest(side)
        return bool(neighbours(place, others, longest, near, self._words, after=after, most=1, other_mentions=True))


def _near(query: Nearby) -> Near:
    return Near(term="", words=query.words, ordered=query.ordered)


def _reach(place: Place, other: Place) -> Place:
    return min(place[0], other[0]), max(place[1], other[1]), 0, REACH


def _joined(spans: Iterable[list[Place]]) -> list[Place]:
    return sorted({span for some in spans for span in some})


def _apart_from_each_other(spans: list[Place]) -> list[Place]:
    """As many spans as can stand beside each other without sharing a word."""
    kept: list[Place] = []
    for span in sorted(spans, key=lambda span: (span[1], -span[0])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return sorted(kept)
