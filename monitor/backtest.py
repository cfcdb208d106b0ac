"""Watchlists over the archive, or over feed files: what they would have said. Writes nothing, sends nothing.

Stories are scored in batches, many batches in as many processes as there are cores; every process reads its own part of
the archive. Counting is core/backtest.py's.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from monitor.core.backtest import Outcome, Report, outcome_of, report_on
from monitor.core.parse import parse_feed
from monitor.core.pipeline import read, recognise
from monitor.core.score import CompiledWatchlists, compile_watchlists, score_story
from monitor.core.wire import read_headline
from monitor.errors import MonitorError, ParseError
from monitor.model import Entry, Feed, Match, Origin, Reason, Snapshot, StoryText, Verdict, Watchlist, record
from monitor.reload import InForce
from monitor.store import archive, feedback
from monitor.store.archive import Archived
from monitor.store.database import Database

BATCH = 500  # stories
FEW = 4_000  # stories; starting processes takes longer than scoring so many
IN_FORCE = "\0in force"  # behind the id of the watchlist that a candidate would replace
NO_FEED = "-"

Batch = tuple[str, ...] | tuple[Archived, ...]
Progress = Callable[[int, int], None]  # stories done, stories in all


@record
class Scored:
    """What came of one batch."""

    outcomes: tuple[Outcome, ...]
    held: Counter[tuple[str, str]]  # watchlist, term → stories
    stories: int
    days: frozenset[date]


@record
class Trial:
    """What is to be tried: candidates, and those in force that they are compared with."""

    candidates: tuple[Watchlist, ...]
    in_force: tuple[Watchlist, ...] = ()  # of the same ids
    itself: bool = False  # the candidates are what is in force

    @property
    def all(self) -> tuple[Watchlist, ...]:
        """Both, told apart by id."""
        return (*self.candidates, *(replace(one, id=one.id + IN_FORCE) for one in self.in_force))

    def before(self, candidate: str) -> str | None:
        """The id, among `all`, of what a candidate is compared with; None where it is new."""
        if self.itself:
            return candidate
        return candidate + IN_FORCE if any(one.id == candidate for one in self.in_force) else None


def trial_of(candidates: Sequence[Watchlist], in_force: Sequence[Watchlist]) -> Trial:
    """Candidates against what holds under their ids; without any, all that is in force, by itself."""
    if not candidates:
        return Trial(candidates=tuple(in_force), itself=True)
    ids = {one.id for one in candidates}
    return Trial(candidates=tuple(candidates), in_force=tuple(one for one in in_force if one.id in ids))


# ── two sources of stories ───────────────────────────────────────────────────────────────────────


def over_archive(
    trial: Trial, in_force: InForce, database: Database, *, since: datetime, progress: Progress
) -> tuple[Report, ...]:
    """Judge all stories first seen since then. One report a candidate."""
    with database.read() as tx:
        ids = archive.list_ids(tx, since=since)
        noisy = feedback.noisy_texts(tx, since=since)
    scored = _scored(trial, in_force.config.origins, list(_batches(ids)), database, len(ids), progress)
    return _reports(trial, scored, noisy)


def over_files(
    trial: Trial, in_force: InForce, folder: Path, *, now: datetime, progress: Progress
) -> tuple[Report, ...]:
    """Judge the entries of all feed files in a folder; copies are recognised among them, and scopes do not ask for
    feeds. Files that are no feeds are passed over; raises MonitorError where none is one."""
    stories = _stories_of_files(folder, in_force, now)
    scored = _scored(trial, {}, list(_batches(stories)), None, len(stories), progress)
    return _reports(trial, scored, {}, gaps=False)


def _stories_of_files(folder: Path, in_force: InForce, now: datetime) -> tuple[Archived, ...]:
    language, entries, files = in_force.config.monitor.language, [], 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            parsed = parse_feed(path.read_bytes(), url="")
        except (ParseError, OSError):
            continue
        files += 1
        feed = Feed(name=path.stem, url="", outlet=None)
        entries += read(parsed, feed, now=now, default_language=language)
    if not files:
        raise MonitorError(f"{folder}: holds no feed document")
    entries = list({entry.id: entry for entry in entries}.values())
    entries.sort(key=lambda entry: (entry.published_at or now, entry.id))
    assigned = recognise(tuple(entries), Snapshot(), now=now, window=in_force.config.alerts.story_window)
    copies: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry, assignment in zip(entries, assigned, strict=True):
        copies[assignment.story].append(entry)
    return tuple(_story(one, now) for one in copies.values())


def _story(copies: list[Entry], now: datetime) -> Archived:
    founder = copies[0]
    return Archived(
        id=founder.id,
        title=founder.headline or founder.title,
        outlet=founder.outlet,
        url=founder.url,
        lead=max((copy.summary for copy in copies), key=len),
        body=max((copy.body for copy in copies), key=len),
        language=founder.language,
        published_at=founder.published_at,
        first_seen_at=founder.published_at or now,
    )


def _batches(stories: Sequence) -> Iterator[Batch]:
    left = iter(stories)
    while batch := tuple(islice(left, BATCH)):
        yield batch


# ── scoring ──────────────────────────────────────────────────────────────────────────────────────


def _scored(
    trial: Trial,
    origins: Mapping[str, Origin],
    batches: Sequence[Batch],
    database: Database | None,
    count: int,
    progress: Progress,
) -> list[Scored]:
    """All batches, in this process or, where there is much to do, in one for each core."""
    done, found = 0, []
    for scored in _results(trial, origins, batches, database, parallel=count > FEW):
        found.append(scored)
        done += scored.stories
        progress(done, count)
    return found


def _results(
    trial: Trial, origins: Mapping[str, Origin], batches: Sequence[Batch], database: Database | None, *, parallel: bool
) -> Iterator[Scored]:
    if not parallel:
        yield from map(_Worker(trial, origins, database).score, batches)
        return
    url = database.url if database else None
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn"), _start_worker, (trial, origins, url)) as pool:
        yield from pool.map(_score, batches)


class _Worker:
    """Scores batches; holds what does not change between them."""

    def __init__(self, trial: Trial, origins: Mapping[str, Origin], database: Database | None):
        self._watchlists = {one.id: one for one in trial.all}
        self._compiled: CompiledWatchlists = compile_watchlists(trial.all)
        self._origins, self._database = origins, database

    def score(self, batch: Batch) -> Scored:
        """Scores stories, given themselves or by their ids."""
        outcomes: list[Outcome] = []
        held: Counter[tuple[str, str]] = Counter()
        stories = self._read(batch)
        for story in stories:
            for match in score_archived(story, self._compiled, self._origins, self._watchlists):
                held.update({(match.watchlist, hit.term) for hit in match.hits})
                if match.verdict is not Verdict.SILENT or match.near_miss:
                    outcomes.append(
                        outcome_of(
                            match,
                            self._watchlists[match.watchlist],
                            story=story.id,
                            title=story.title,
                            url=story.url,
                            seen_at=story.first_seen_at,
                        )
                    )
        days = frozenset(story.first_seen_at.date() for story in stories)
        return Scored(outcomes=tuple(outcomes), held=held, stories=len(batch), days=days)

    def _read(self, batch: Batch) -> tuple[Archived, ...]:
        if batch and isinstance(batch[0], Archived):
            return batch
        with self._database.read() as tx:
            return archive.read_stories(tx, batch)


_worker: _Worker | None = None  # of a process that scores


def _start_worker(trial: Trial, origins: Mapping[str, Origin], url: str | None) -> None:
    global _worker
    _worker = _Worker(trial, origins, Database.open_reader(url) if url else None)


def _score(batch: Batch) -> Scored:
    return _worker.score(batch)


def score_archived(
    story: Archived,
    compiled: CompiledWatchlists,
    origins: Mapping[str, Origin],
    watchlists: Mapping[str, Watchlist],
) -> tuple[Match, ...]:
    """What watchlists say of a story of the archive, as they would have said when it was first seen."""
    carried = tuple(origins.get(feed) or Origin(feed=feed) for feed in story.feeds)
    age = story.first_seen_at - (story.published_at or story.first_seen_at)
    return tuple(
        _aged(match, watchlists[match.watchlist].max_age, age)
        for match in score_story(text_of(story), carried, compiled)
    )


def text_of(story: Archived) -> StoryText:
    """A story's text as it is searched: no outlet behind the headline, and the first paragraph as the lead where no
    copy brought one."""
    lead, body = story.lead, story.body
    if not lead:
        lead, _, body = body.partition("\n")
    return StoryText(
        title=read_headline(story.title, story.outlet).text,
        lead=lead,
        body=body,
        language=story.language,
        published_at=story.published_at,
    )


def _aged(match: Match, max_age: timedelta | None, age: timedelta) -> Match:
    if match.verdict is Verdict.SILENT or max_age is None or age <= max_age:
        return match
    return replace(match, verdict=Verdict.SILENT, reason=Reason.TOO_OLD)


# ── terms that say nothing ───────────────────────────────────────────────────────────────────────

BROAD = 1 / 3  # of the archive; what stands in more tells nothing apart (watchlist language)
LOOKED_AT = 2_000  # newest stories
LEAST_STORIES = 10  # fewer prove nothing


@record
class Broad:
    """A term, or a whole watchlist (`term` is None), that takes too much: `found` of `stories`."""

    watchlist: str
    term: str | None
    found: int
    stories: int


def broad_terms(in_force: InForce, database: Database) -> tuple[Broad, ...]:
    """Terms that stand in more than a third of the newest stories, and watchlists that alert on so many."""
    with database.read() as tx:
        ids = archive.list_ids(tx, since=datetime.min.replace(tzinfo=UTC), newest=LOOKED_AT)
    if len(ids) < LEAST_STORIES:
        return ()
    scored = _Worker(trial_of((), in_force.watchlists), in_force.config.origins, database).score(ids)
    told = Counter((one.watchlist, None) for one in scored.outcomes if one.alerts)
    return tuple(
        Broad(watchlist=watchlist, term=term, found=count, stories=len(ids))
        for (watchlist, term), count in sorted((scored.held | told).items(), key=lambda item: (item[0][0], -item[1]))
        if count > BROAD * len(ids)
    )


# ── summing up ───────────────────────────────────────────────────────────────────────────────────


def _reports(
    trial: Trial, scored: Sequence[Scored], noisy: Mapping[str, Mapping[str, str]], *, gaps: bool = True
) -> tuple[Report, ...]:
    """One report a candidate. Days without a story count as days, unless `gaps` is False: files hold what they hold."""
    by_watchlist: defaultdict[str, list[Outcome]] = defaultdict(list)
    held: Counter[tuple[str, str]] = Counter()
    for one in scored:
        held.update(one.held)
        for outcome in one.outcomes:
            by_watchlist[outcome.watchlist].append(outcome)
    stories = sum(one.stories for one in scored)
    seen = {day for one in scored for day in one.days}
    days = _every_day(seen) if gaps else tuple(sorted(seen))
    return tuple(
        report_on(
            candidate,
            by_watchlist[candidate.id],
            by_watchlist[before] if (before := trial.before(candidate.id)) else None,
            stories=stories,
            days=days,
            held={term: count for (name, term), count in held.items() if name == candidate.id},
            noisy=noisy.get(candidate.id, {}),
        )
        for candidate in trial.candidates
    )


def _every_day(seen: set[date]) -> tuple[date, ...]:
    if not seen:
        return ()
    first = min(seen)
    return tuple(first + timedelta(days=n) for n in range((max(seen) - first).days + 1))
