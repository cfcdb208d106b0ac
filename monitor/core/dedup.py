"""New entries + candidate stories → which story each belongs to, how similar, by which rule.

Two texts are copies if they are one piece of writing re-published: verbatim, truncated, re-headlined, lightly
edited or wrapped in boilerplate. Another outlet's own report on the same event is not a copy. Finds candidates and
assigns; how a pair compares is measured in core/likeness.py and judged in core/copies.py. Reads no database and writes
nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from monitor.core.copies import Opinion, in_series, notice_opinion, opinion, shows_whole, vetoed
from monitor.core.likeness import NOTHING, Likeness, Look, Yardstick
from monitor.core.sketch import BODY, EXACT, KIND, LEAD, TITLE_PAIR, telling_of
from monitor.core.wire import notice_of
from monitor.model import POSTINGS, Assignment, Candidate, Entry, Rule, Snapshot

CANDIDATES = 5  # the most promising entries verified for one new entry
# By chance two headlines share a pair of words, and two texts a run of three; not three rare words, nor two runs. Where
# a headline is all there is, a pair must do that so few have.
LEAST_PAIRS, LEAST_RUNS, FEW = 3, 2, 4
RUN = 2  # what a shared run of words weighs, in pairs of headline words …
FOREMOST = 1000  # … and an equal address, headline or text: more than all others together
# One key shared, counted with others of its kind in one integer; and as many as are enough.
ONE_OF = {TITLE_PAIR: 1, LEAD: 1 << 8, BODY: 1 << 8, EXACT: 1 << 16}
ENOUGH_OF = {TITLE_PAIR: LEAST_PAIRS, LEAD: LEAST_RUNS << 8, BODY: LEAST_RUNS << 8, EXACT: 1 << 16}
FURNITURE_STORIES = 4  # a shingle found in so many different stories is boilerplate …
FURNITURE_HEADLINES = 4  # … and so is one under so many unlike headlines of one outlet, which make no stories otherwise
BLURB = 5  # shingles that two texts have in common at least, or there is none to be looked for
LIKE_HEADLINES = 0.5  # share of the telling words of the shorter one that two like headlines have in common
SERIES = 2  # so many headlines of one outlet that differ in one slot are a series
UNSAVED = 1 << 40  # numbers of entries that this call has assigned, above all those of the database

Postings = Mapping[int, Collection[int]]  # key → numbers of the newest entries that have it
Shares = tuple[tuple[int, int], ...]  # weight of shared keys, number of an entry


def promising(entry: Entry, postings: Postings) -> Shares:
    """The earlier entries that share most with this one, best first, newer before older: those worth verifying."""
    shared: dict[int, int] = {}  # number of an earlier entry → how many keys of each kind, in one integer
    has_little = not entry.sketch.lead or notice_of(entry.slug) is not None
    for key in entry.keys:
        numbers = postings.get(key, ())
        one = (ENOUGH_OF if has_little and len(numbers) <= FEW else ONE_OF)[key & KIND]
        for number in numbers:
            shared[number] = shared.get(number, 0) + one
    weighed = []
    for number, counts in shared.items():
        exact, runs, pairs = counts >> 16, counts >> 8 & 0xFF, counts & 0xFF
        if pairs >= LEAST_PAIRS or runs >= LEAST_RUNS or exact:
            weighed.append((FOREMOST * exact + RUN * runs + pairs, number))
    return tuple(sorted(weighed, reverse=True)[:CANDIDATES])


def recognise(
    entries: tuple[Entry, ...], snapshot: Snapshot, *, now: datetime, window: timedelta
) -> tuple[Assignment, ...]:
    """Assign every new entry, in order, to an earlier story or to one that it founds.

    `entries` are new, oldest first; `snapshot` holds what of the database is promising for any of them; `window` is how
    long after a copy another may still join it. Entries of one call see each other. Where an entry shows two stories to
    be one text, its assignment names the stories that are to be merged.
    """
    index = _Index(snapshot, entries)
    assignments = []
    for entry in entries:
        assignment = _assign(entry, index, now, window)
        index.add(entry, assignment.story, now)
        assignments.append(assignment)
    return tuple(index.settled(assignment) for assignment in assignments)


class _Index:
    """Candidates by key: those of the snapshot and the entries already assigned in this call."""

    def __init__(self, snapshot: Snapshot, entries: Sequence[Entry]):
        self._candidates = {candidate.number: candidate for candidate in snapshot.candidates}
        self._near = dict(snapshot.near)
        times = Counter(chain.from_iterable([entry.keys for entry in entries]))
        shared = [key for key, found in times.items() if found > 1]  # most keys are of one entry, and find nothing here
        self._postings: dict[int, deque[int]] = {key: deque(maxlen=POSTINGS) for key in shared}
        self._next = UNSAVED
        self._merged: dict[str, str] = {}
        self._often = frozenset(
            [key for key in shared if key & KIND in (LEAD, BODY) and times[key] >= FURNITURE_HEADLINES]
        )
        self._of_outlet: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._of_outlet[entry.outlet].append(entry)
        self._worn: dict[str, frozenset[int]] = {}

    def add(self, entry: Entry, story: str, now: datetime) -> None:
        found_by = [key for key in entry.keys if key in self._postings]
        if not found_by:
            return
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
        for key in found_by:
            self._postings[key].append(number)

    def story_of(self, candidate: Candidate) -> str:
        """The story a candidate is in by now."""
        return self._merged.get(candidate.story, candidate.story)

    def merge(self, gone: str, story: str) -> None:
        """From now on the entries of `gone` belong to `story`."""
        self._merged |= {old: story for old, new in self._merged.items() if new == gone}
        self._merged[gone] = story

    def settled(self, assignment: Assignment) -> Assignment:
        """An assignment as it stands after all merging; who founded a story that is gone is one of the copies."""
        story = self._merged.get(assignment.story)
        if story is None:
            return assignment
        rule = Rule.SIMILAR if assignment.rule is Rule.FOUNDER else assignment.rule
        return replace(assignment, story=story, rule=rule)

    def worn(self, outlet: str) -> frozenset[int]:
        """Boilerplate of an outlet, as far as the entries of this call show it."""
        if outlet not in self._worn:
            texts = self._of_outlet[outlet]
            times = Counter([key for text in texts for key in text.keys if key in self._often])
            often = {key for key, found in times.items() if found >= FURNITURE_HEADLINES}
            alike = [text for text in texts if not often.isdisjoint(text.keys)] if often else []
            self._worn[outlet] = _in_many([(text, text.sketch.lead | text.sketch.body) for text in alike], _is_blurb)
        return self._worn[outlet]

    def near(self, entry: Entry) -> list[Candidate]:
        """Candidates that share most keys with the entry, best first."""
        shares = sorted((*self._near.get(entry.id, ()), *promising(entry, self._postings)), reverse=True)
        return [self._candidates[number] for _, number in shares[:CANDIDATES] if number in self._candidates]


def _assign(entry: Entry, index: _Index, now: datetime, window: timedelta) -> Assignment:
    near = index.near(entry)
    if not near:
        return Assignment(story=entry.id)
    yardstick = Yardstick(entry, now)
    looks = [yardstick.look(candidate) for candidate in near]
    if notice_of(entry.slug) is None:  # a notice names its story in a few words
        looks = [look for look in looks if not yardstick.hopeless(look)]
    furniture = _furniture(entry, looks, index)
    likes = [(look.candidate, yardstick.measure(look, furniture)) for look in looks]
    views = _views(entry, likes, window)
    copies = [view for view in views if view[0].same]
    refused = [view for view in views if not view[0].same]
    if not copies:
        return _founder(entry, index, refused)
    best = max(copies, key=lambda view: _rank(view[0]))
    stories = _joined(entry, best, copies, index, now, window)
    for gone in stories[1:]:
        index.merge(gone, stories[0])
    nearest = _nearest([view for view in refused if index.story_of(view[1]) != stories[0]])
    return Assignment(
        story=stories[0],
        similarity=round(best[0].similarity, 1),
        rule=best[0].rule,
        merges=stories[1:],
        **_told_of(nearest, index),
    )


View = tuple[Opinion, Candidate, Likeness]


def _views(entry: Entry, likes: list[tuple[Candidate, Likeness]], window: timedelta) -> list[View]:
    if notice_of(entry.slug) is not None:
        noticed = [(notice_opinion(entry, one, like, window=window), one, like) for one, like in likes]
        if any(view.same for view, _, _ in noticed):
            return noticed
    series = sum(bool(in_series(entry.sketch, one.sketch, like)) for one, like in likes) >= SERIES
    return [(opinion(entry, one, like, window=window, series=series), one, like) for one, like in likes]


def _founder(entry: Entry, index: _Index, refused: list[View]) -> Assignment:
    related = _nearest([view for view in refused if view[0].related])
    return Assignment(
        story=entry.id,
        related=index.story_of(related[1]) if related else None,
        **_told_of(_nearest(refused), index),
    )


def _nearest(refused: list[View]) -> View | None:
    return max(refused, key=lambda view: view[0].similarity, default=None)


def _told_of(nearest: View | None, index: _Index) -> dict[str, Any]:
    """What an assignment tells of the closest story that was refused."""
    if nearest is None:
        return {}
    view, candidate, _ = nearest
    return {
        "nearest": index.story_of(candidate),
        "nearest_similarity": round(view.similarity, 1),
        "refused_because": view.why,
    }


def _joined(
    entry: Entry, best: View, copies: list[View], index: _Index, now: datetime, window: timedelta
) -> tuple[str, ...]:
    """The story an entry joins, and the stories that it shows to be the same text: the oldest first, which stays.

    Two stories are one where the entry holds a copy of each almost entirely and nothing speaks against the two being
    copies; that the entry is like both is not enough, or a chain of edits would join what has nothing in common.
    """
    first = best[1]
    joined = {index.story_of(first): first}
    if shows_whole(entry.sketch, first.sketch, best[2]):
        for _, other, like in copies:
            if index.story_of(other) not in joined and shows_whole(entry.sketch, other.sketch, like):
                yardstick = Yardstick(first, now)
                if not vetoed(first, other, yardstick.measure(yardstick.look(other)), window=window):
                    joined[index.story_of(other)] = other
    return tuple(sorted(joined, key=lambda story: joined[story].number))


# ── boilerplate ──────────────────────────────────────────────────────────────────────────────────


def _furniture(entry: Entry, looks: list[Look], index: _Index) -> frozenset[int]:
    """Hashes of an entry that are boilerplate: they stand in many different stories, or in texts that make a blurb."""
    looks = [look for look in looks if len(look.lead) + len(look.body) >= BLURB]
    if not looks:
        return NOTHING

    def is_boilerplate(texts: list[Candidate]) -> bool:
        return len({text.story for text in texts}) >= FURNITURE_STORIES or _is_blurb([entry, *texts])

    many = _in_many([(look.candidate, look.lead | look.body) for look in looks], is_boilerplate)
    return many.union(*map(index.worn, {entry.outlet, *(look.candidate.outlet for look in looks)}))


def _in_many(texts: list[tuple[Any, frozenset[int]]], is_boilerplate: Callable[[list[Any]], bool]) -> frozenset[int]:
    """The hashes, each given with its text, whose texts together show them to be boilerplate."""
    if len(texts) < FURNITURE_HEADLINES - 1:
        return NOTHING
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, (_, hashes) in enumerate(texts):
        for h in hashes:
            places[h].append(place)
    together: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for h, found in places.items():
        if len(found) >= FURNITURE_HEADLINES - 1:
            together[tuple(found)].append(h)
    return frozenset(
        chain.from_iterable(
            hashes for found, hashes in together.items() if is_boilerplate([texts[place][0] for place in found])
        )
    )


def _is_blurb(texts: Sequence[Entry | Candidate]) -> bool:
    """Whether what all these texts say is boilerplate: their headlines are unlike, and some of one outlet. Versions of
    an item have like headlines; a wire text may have many, but in each outlet one."""
    unlike: list[frozenset[str]] = []
    outlets: list[str] = []
    for text in texts:
        telling = telling_of(text.sketch.words)
        if telling and not any(_are_like(telling, other) for other in unlike):
            unlike.append(telling)
            outlets.append(text.outlet)
    return len(unlike) >= FURNITURE_HEADLINES and len(set(outlets)) < len(outlets)


def _are_like(telling: frozenset[str], other: frozenset[str]) -> bool:
    return len(telling & other) >= LIKE_HEADLINES * min(len(telling), len(other))


RULE_ORDER = (Rule.SIMILAR, Rule.SAME_TITLE, Rule.SAME_TEXT, Rule.SAME_URL)


def _rank(view: Opinion) -> tuple[int, float]:
    return RULE_ORDER.index(view.rule), view.similarity
