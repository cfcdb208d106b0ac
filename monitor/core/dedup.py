"""New entries + candidate stories → which story each belongs to, how similar, by which rule.

Two texts are copies if they are one piece of writing re-published: verbatim, truncated, re-headlined, lightly
edited or wrapped in boilerplate. Another outlet's own report on the same event is not a copy. Finds candidates and
assigns; how a pair compares is measured in core/likeness.py and judged in core/copies.py. Reads no database and writes
nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nlargest

from monitor.core.copies import Opinion, opinion, swapped_slot
from monitor.core.likeness import NOTHING, Yardstick
from monitor.core.sketch import BODY, EXACT, KIND, LEAD, TITLE_PAIR
from monitor.core.wire import notice_of
from monitor.model import Assignment, Candidate, Entry, Rule, Snapshot

POSTINGS = 64  # the newest entries looked at behind one key
CANDIDATES = 12  # the most promising entries verified for one new entry
WEIGHTS = {TITLE_PAIR: 1, LEAD: 2, BODY: 2, EXACT: 1000}  # of a shared key
LEAST_WEIGHT = 2  # one pair of headline words is chance, unless a headline is all there is
FURNITURE_STORIES = 4  # a shingle found in so many different stories is boilerplate
SERIES = 2  # so many headlines of one outlet that differ in one slot are a series
UNSAVED = 1 << 40  # numbers of entries that this call has assigned, above all those of the database

Postings = Mapping[int, Sequence[int]]  # key → numbers of the entries that have it, newest first
Shares = tuple[tuple[int, int], ...]  # weight of shared keys, number of an entry


def promising(entry: Entry, postings: Postings) -> Shares:
    """The earlier entries that share most with this one, best first, newer before older: those worth verifying."""
    shared: dict[int, int] = {}
    for key in entry.keys:
        weight = WEIGHTS[key & KIND]
        for number in postings.get(key, ())[:POSTINGS]:
            shared[number] = shared.get(number, 0) + weight
    least = LEAST_WEIGHT if entry.sketch.lead and notice_of(entry.slug) is None else 1
    return tuple(nlargest(CANDIDATES, [(weight, number) for number, weight in shared.items() if weight >= least]))


def recognise(
    entries: tuple[Entry, ...], snapshot: Snapshot, *, now: datetime, window: timedelta
) -> tuple[Assignment, ...]:
    """Assign every new entry, in order, to an earlier story or to one that it founds.

    `entries` are new, oldest first; `snapshot` holds what of the database is promising for any of them; `window` is how
    long after a copy another may still join it. Entries of one call see each other.
    """
    index = _Index(snapshot)
    assignments = []
    for entry in entries:
        assignment = _assign(entry, index, now, window)
        index.add(entry, assignment.story, now)
        assignments.append(assignment)
    return tuple(assignments)


class _Index:
    """Candidates by key: those of the snapshot and the entries already assigned in this call."""

    def __init__(self, snapshot: Snapshot):
        self._candidates = {candidate.number: candidate for candidate in snapshot.candidates}
        self._near = dict(snapshot.near)
        self._postings: defaultdict[int, deque[int]] = defaultdict(lambda: deque(maxlen=POSTINGS))
        self._next = UNSAVED

    def add(self, entry: Entry, story: str, now: datetime) -> None:
        number, self._next = self._next, self._next + 1
        self._candidates[number] = Candidate(
            number=number,
            entry=entry.id,
            story=story,
            outlet=entry.outlet,
            published_at=entry.published_at,
            seen_at=now,
            url_key=entry.url_key,
            title_key=entry.title_key,
            text_key=entry.text_key,
            sketch=entry.sketch,
        )
        for key in entry.keys:
            self._postings[key].appendleft(number)

    def near(self, entry: Entry) -> list[Candidate]:
        """Candidates that share most keys with the entry, best first."""
        own = {key: tuple(self._postings[key]) for key in entry.keys if key in self._postings}
        shares = nlargest(CANDIDATES, (*self._near.get(entry.id, ()), *promising(entry, own)))
        return [self._candidates[number] for _, number in shares if number in self._candidates]


def _assign(entry: Entry, index: _Index, now: datetime, window: timedelta) -> Assignment:
    best: tuple[Opinion, Candidate] | None = None
    nearest: tuple[Opinion, Candidate] | None = None
    near = index.near(entry)
    yardstick = Yardstick(entry, now, _furniture(entry, near))
    likes = [(one, yardstick.measure(one)) for one in near if not yardstick.hopeless(one)]
    series = sum(
        like.same_outlet and bool(swapped_slot(entry.sketch, candidate.sketch, like)) for candidate, like in likes
    ) >= SERIES
    for candidate, like in likes:
        view = opinion(entry, candidate, like, window=window, series=series)
        if view.same and (best is None or _rank(view) > _rank(best[0])):
            best = (view, candidate)
        elif not view.same and (nearest is None or view.similarity > nearest[0].similarity):
            nearest = (view, candidate)
    if best is not None:
        view, candidate = best
        return Assignment(story=candidate.story, similarity=round(view.similarity, 1), rule=view.rule)
    if nearest is None:
        return Assignment(story=entry.id)
    refused, candidate = nearest
    return Assignment(
        story=entry.id,
        nearest=candidate.story,
        nearest_similarity=round(refused.similarity, 1),
        refused_because=refused.why,
    )


def _furniture(entry: Entry, near: list[Candidate]) -> frozenset[int]:
    """Hashes of the entry that stand under many different headlines, or in many stories: boilerplate."""
    if len(near) < FURNITURE_STORIES:
        return NOTHING
    under: defaultdict[int, set[str]] = defaultdict(set)
    for candidate in near:
        for h in (entry.sketch.lead & candidate.sketch.lead) | (entry.sketch.body & candidate.sketch.body):
            under[h].add(candidate.story)
    return frozenset(h for h, stories in under.items() if len(stories) >= FURNITURE_STORIES)


RULE_ORDER = (Rule.SIMILAR, Rule.SAME_TITLE, Rule.SAME_TEXT, Rule.SAME_URL)


def _rank(view: Opinion) -> tuple[int, float]:
    return RULE_ORDER.index(view.rule), view.similarity
