"""The first half of the line: claim → fetch → read → [snapshot → judge → save + enqueue] → record.

    feed row ──claim──▶ FeedState ──fetch──▶ Fetched ──▶ room for so many documents     many at once
                                       │ NotModified: record, done
    ┌─ the writer thread, for the feeds that came in together ────────────────────────────────────────────┐
    │ read: Fetched ─▶ Entry…  (reading.py; what only the slow reader can read waits for its child)        │
    │ ┌── one transaction ──────────────────────────────────────────────────────────────────────────────┐ │
    │ │ stories.fresh ─▶ new Entries ─▶ candidates.snapshot ─▶ recognise ─▶ stories.standings ─▶ judge    │ │
    │ │ stories.save · outbox.enqueue · feeds: validators, next_check_at (recording.py)                   │ │
    │ └─────────────────────────────────────────────────────────────────────────────────────────────────┘ │
    └─────────────────────────────────────────────────────────────────────────────────────────────────────┘

Validators are saved with the entries they came with: saved earlier, a crash would turn the next answer into a 304
and the stories would be lost. Where nobody at all can be reached the feeds are not blamed: one is asked a minute, until
somebody answers. Does not deliver anything (dispatch.py does) and does not log.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa

from monitor import crash, suspicion
from monitor.core import habits as habit
from monitor.core import pipeline
from monitor.core.articles import worth_reading
from monitor.core.pipeline import Arrival, History, Policy
from monitor.core.policy import SINGLES
from monitor.core.reach import HOSTS
from monitor.errors import FeedError, HostHeld, StoreError
from monitor.model import (
    Ask,
    Entry,
    Feed,
    FeedChecked,
    FeedState,
    Fetched,
    HostHold,
    Judged,
    NetworkChanged,
    NotModified,
    ParsedFeed,
)
from monitor.network import Network, Turns
from monitor.reading import Parse, Reading, as_feed_error, failed, read_all
from monitor.recording import Pacing, Recorder
from monitor.room import Room
from monitor.store import articles, candidates, feeds, hosts, letters, merging, meta, outbox, silences, stories
from monitor.writer import Writer

GATHER = timedelta(milliseconds=100)  # what arrives within it shares a transaction, and is judged oldest first
DOCUMENTS = 32  # in memory between their fetch and their commit; more wait with their servers
AT_ONCE = 1_000  # checks that stand in their hosts' queues; what else is claimed takes no memory for it yet
BATCH = 128  # feeds in one transaction at most, DOCUMENTS of them with news: readers and senders need the database, too

Fetch = Callable[[Feed, Ask], Awaitable[Fetched | NotModified]]
ParseSlowly = Callable[[Fetched], Awaitable[ParsedFeed]]


class _Tried(Exception):
    """A trial is over: nothing of it is to be kept."""


class Ingest:
    """Checks feeds. `policy` and `pacing` give what is in force now (a reload swaps it); `fetch` is an edge, and so is
    `parse_slowly`, for the documents that `parse` leaves to it."""

    def __init__(
        self,
        writer: Writer,
        fetch: Fetch,
        parse: Parse,
        parse_slowly: ParseSlowly,
        *,
        policy: Callable[[], Policy],
        pacing: Callable[[], Pacing],
        clock: Callable[[], datetime],
        say: Callable[[FeedChecked | NetworkChanged], None],
        refused: Callable[[StoreError], None] = lambda error: None,
        turns: Turns = lambda names: dict.fromkeys(names, timedelta(0)),
        holds: Callable[[], tuple[HostHold, ...]] = tuple,
        offline_since: datetime | None = None,
        room: Room | None = None,
    ):
        """`refused` is told what the database did not take; `turns`: when each of feeds that are all overdue has its
        turn; `holds`: the hosts that asked for peace; `offline_since`: what an earlier run has noted of the network;
        `room`: what `fetch` waits for where it minds how many documents are in memory."""
        self._writer, self._fetch, self._parse, self._parse_slowly = writer, fetch, parse, parse_slowly
        self._policy, self._pacing = policy, pacing
        self._clock, self._say, self._refused, self._holds = clock, say, refused, holds
        self._held: tuple[HostHold, ...] = holds()  # as the database has them
        self._network = Network(writer, turns=turns, say=say, offline_since=offline_since)
        self._recorder = Recorder(pacing, self._network)
        self._hosts = 1  # that are configured, or HOSTS where there are more
        self._room = room or Room(DOCUMENTS)
        self._readings: asyncio.Queue[Reading] = asyncio.Queue()
        self._under_way: dict[tuple[str, str], FeedState] = {}  # claimed, and not saved; by name and address
        self._unsaved_feeds: set[str] = set()  # that are leased for nothing
        self._waiting: deque[tuple[Feed, FeedState]] = deque()
        self._checks: set[asyncio.Task[None]] = set()
        self._saver: asyncio.Task[None] | None = None

    async def start(
        self,
        configured: Mapping[str, Feed],
        *,
        limit: int,
        only: Iterable[str] | None = None,
        ignore_schedule: bool = False,
        per_host: float = math.inf,
    ) -> int:
        """Claim feeds that are due and start their checks; awaits no fetch. Returns how many.

        While nobody answers, only one a minute. `per_host`: of one host so many are under way at once, so that a slow
        one leaves room for the others.
        """
        now = self._clock()
        self._hosts = _hosts_of(configured.values())
        if self._network.is_offline and not ignore_schedule:
            if not self._network.may_probe(now):
                return 0
            limit = 1
        claimed = await self._writer.run(
            lambda tx: feeds.claim_due(
                tx,
                now,
                limit=limit,
                min_interval=self._pacing().min_interval,
                only=only,
                ignore_schedule=ignore_schedule,
                under_way=self.under_way,
                per_host=per_host,
            )
        )
        checks = [(configured[one.name], one) for one in claimed if one.name in configured]
        self._under_way |= {(state.name, state.url): state for _, state in checks}
        self._waiting.extend(_host_by_host(checks))
        self._begin_waiting()
        if self._saver is None or self._saver.done():
            self._saver = asyncio.create_task(self._save_all())
        return len(claimed)

    @property
    def running(self) -> int:
        """Checks under way, or claimed for it."""
        return len(self._checks) + len(self._waiting)

    @property
    def under_way(self) -> tuple[FeedState, ...]:
        """What is claimed, and not yet saved."""
        return tuple(self._under_way.values())

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._checks) < AT_ONCE:
            self._begin(self._check(*self._waiting.popleft()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        check = asyncio.create_task(work)
        self._checks.add(check)
        check.add_done_callback(self._ended)

    def _ended(self, check: asyncio.Task[None]) -> None:
        self._checks.discard(check)
        self._begin_waiting()

    async def finish(self) -> None:
        """Wait until everything that was started is checked and saved."""
        await self._readings.join()
        while self._checks:
            await asyncio.wait(tuple(self._checks))
            await self._readings.join()

    async def stop(self) -> None:
        """Abandon fetches (their feeds are simply due again) and save what has been read."""
        self._waiting.clear()
        await self._abandon()
        await self._readings.join()
        await self._abandon()  # what turned out to need the slow reader
        self._under_way.clear()
        if self._saver is not None:
            self._saver.cancel()

    async def keep_holds(self) -> None:
        """Note which hosts asked for peace, if that is not done yet: pages are asked for, too, beside the feeds."""
        if (held := self._holds()) != self._held:
            await self._writer.run(hosts.keep_holds, held)
            self._held = held

    async def let_go(self) -> None:
        """Feeds whose check could not be saved are free to be checked when they are due, and wait for no lease."""
        if unsaved := tuple(self._unsaved_feeds):
            await self._writer.run(feeds.release_leases, unsaved)
            self._unsaved_feeds.difference_update(unsaved)

    async def _abandon(self) -> None:
        for check in tuple(self._checks):
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    # ── fetch: many at once ──────────────────────────────────────────────────────────────────────

    async def _check(self, feed: Feed, state: FeedState) -> None:
        await self._readings.put(await self._read(feed, state))

    async def _read(self, feed: Feed, state: FeedState) -> Reading:
        now = self._clock()
        ask, answer, problem = habit.asking(state, now), None, None
        try:
            answer = await self._fetch(feed, ask)
            now = self._clock()
            crash.reach("fetched")
            if isinstance(answer, Fetched):
                self._room.take()
        except Exception as error:  # one odd document must not stop the others, nor leave its feed leased for ever
            problem = as_feed_error(error)
        return Reading(feed=feed, state=state, checked_at=now, ask=ask, answer=answer, error=problem)

    async def _read_slowly(self, reading: Reading) -> None:
        self._room.leave()  # whoever queues for the one child keeps no other feed waiting
        try:
            reading = replace(reading, parsed=await self._parse_slowly(reading.answer))
        except Exception as error:
            reading = failed(reading, error)
        finally:
            self._room.take()
        await self._readings.put(reading)

    # ── save: in single file ─────────────────────────────────────────────────────────────────────

    async def _save_all(self) -> None:
        while True:
            batch = read = await self._gather()
            try:
                read = [reading for reading in await self._read_all(batch) if not reading.is_unread]
                if read:
                    await self._hear_and_save(read)
            finally:
                for _ in batch:
                    self._readings.task_done()
                for reading in read:
                    self._under_way.pop((reading.state.name, reading.state.url), None)
                    if isinstance(reading.answer, Fetched):
                        self._room.leave()

    async def _hear_and_save(self, batch: Sequence[Reading]) -> None:
        checks = [(reading.state, reading.error, reading.checked_at) for reading in batch]
        try:
            await self._network.hear(checks, hosts=self._hosts, now=self._clock())
            facts = await self._save(batch)
        except StoreError as error:
            facts = self._unsaved(batch, error)
        for fact in facts:
            self._say(fact)

    async def _gather(self) -> list[Reading]:
        """What came in, and what comes in the next moment."""
        batch = [await self._readings.get()]
        if self._readings.qsize() < DOCUMENTS - 1:
            await asyncio.sleep(GATHER.total_seconds())
        documents = batch[0].is_unread
        while not self._readings.empty() and len(batch) < BATCH and documents < DOCUMENTS:
            batch.append(self._readings.get_nowait())
            documents += batch[-1].is_unread
        return batch

    async def _read_all(self, batch: list[Reading]) -> list[Reading]:
        """Read what there is to be read; what needs the slow reader goes there, and comes back by itself."""
        if not any(reading.is_unread for reading in batch):
            return batch
        batch = await self._writer.compute(read_all, batch, self._parse, self._policy().language)
        for reading in batch:
            if reading.is_unread:
                self._begin(self._read_slowly(reading))
        return batch

    async def _save(self, batch: Sequence[Reading]) -> tuple[FeedChecked, ...]:
        """Save what came in together in one transaction; where that fails, each feed by itself and without what made it
        fail, so that one poisonous entry harms nothing else."""
        now, policy = self._clock(), self._policy()
        try:
            held = self._holds()
            facts = await self._writer.run(self._commit, batch, policy, now, held)
            self._held = held
            crash.reach("saved")
            return facts
        except StoreError as error:
            return self._unsaved(batch, error)
        except Exception as error:  # whatever a document provoked: find out which one it was
            if len(batch) > 1:
                return tuple([fact for reading in batch for fact in await self._save([reading])])
            return await self._save_sound(batch[0], str(as_feed_error(error)))

    def _unsaved(self, batch: Sequence[Reading], error: StoreError) -> tuple[FeedChecked, ...]:
        """Nothing of it is saved, so their servers will be asked again as before."""
        self._refused(error)
        self._unsaved_feeds.update(reading.feed.name for reading in batch)
        return tuple(_fact_failed(reading, str(error)) for reading in batch)

    async def _save_sound(self, reading: Reading, why: str) -> tuple[FeedChecked, ...]:
        """Save a document without the entries that nobody can judge; where it has no others, its check has failed."""
        if reading.error is not None:
            return (_fact_failed(reading, why),)
        try:
            sound = await self._sound(reading)
        except StoreError as error:
            return self._unsaved([reading], error)
        if not sound or sound == reading.entries:
            return await self._save([replace(reading, entries=(), error=FeedError(why))])
        left_out = len(reading.entries) - len(sound)
        poison = f"{left_out} of {len(reading.entries)} entries could not be judged: {why}"
        return await self._save([replace(reading, entries=sound, poison=poison)])

    async def _sound(self, reading: Reading) -> tuple[Entry, ...]:
        """The entries of a document that can be saved, found by halving."""
        try:
            await self._writer.run(self._try, reading, self._policy(), self._clock())
        except _Tried:
            return reading.entries
        except StoreError:
            raise
        except Exception:
            if len(reading.entries) <= 1:
                return ()
        half = len(reading.entries) // 2
        halves = (reading.entries[:half], reading.entries[half:])
        return sum([await self._sound(replace(reading, entries=part)) for part in halves], ())

    def _try(self, tx: sa.Connection, reading: Reading, policy: Policy, now: datetime) -> None:
        self._commit(tx, [reading], policy, now, self._held)
        raise _Tried

    def _commit(
        self, tx: sa.Connection, batch: Sequence[Reading], policy: Policy, now: datetime, held: tuple[HostHold, ...]
    ) -> tuple[FeedChecked, ...]:
        found, doubtful, judged = stories.Fresh(), frozenset(), ()
        if any(reading.entries for reading in batch):
            found, doubtful, judged = self._judge(tx, batch, policy, now)
        facts = self._recorder.record(tx, batch, _facts(batch, judged), found, doubtful, now)
        if held != self._held:
            hosts.keep_holds(tx, held)
        crash.reach("saving")
        return facts

    def _judge(
        self, tx: sa.Connection, batch: Sequence[Reading], policy: Policy, now: datetime
    ) -> tuple[stories.Fresh, frozenset[str], tuple[Judged, ...]]:
        """Judge and save what is new in a batch. Returns what was, which of it is held back, and what followed."""
        states = {reading.feed.name: reading.state for reading in batch}
        history = self._history(tx, batch, now)
        entries = [entry for reading in batch for entry in reading.entries]
        found = stories.fresh(tx, entries, now, churning=suspicion.churning(states))
        sizes = {reading.feed.name: reading.listed for reading in batch}
        whole = {reading.feed.name: reading.state for reading in batch if not reading.is_partial}
        found, doubtful = suspicion.sort_out(tx, found, whole, sizes, missed=history.catching_up, now=now)
        arrivals = self._arrivals(tx, found, now)
        joined = {one.assignment.story for one in arrivals if one.assignment.story != one.entry.id or one.is_edit}
        standings = stories.standings(tx, joined)
        remembered = stories.remembered(tx, [one.assignment.story for one in arrivals if one.is_edit])
        history = replace(history, held=doubtful, remembered=remembered)
        judged = pipeline.judge(arrivals, standings, policy, history, now=now)
        stories.save(tx, judged, now)
        stories.save_addresses(tx, found.moved)
        outbox.enqueue_all(tx, judged)
        configured = {reading.feed.name: reading.feed for reading in batch}
        pages, elsewhere = worth_reading(judged, configured, policy, seeding=history.seeding, held=doubtful, now=now)
        articles.want(tx, pages, now)
        suspicion.note_elsewhere(tx, states, elsewhere, now)
        return found, doubtful, judged

    def _history(self, tx: sa.Connection, batch: Sequence[Reading], now: datetime) -> History:
        longest = self._pacing().catch_up_after
        seeding = frozenset(reading.feed.name for reading in batch if reading.state.seeded_at is None)
        return History(
            seeding=seeding,
            reseeding=seeding & frozenset(meta.get_all(tx).get("reseeding", ())) if seeding else frozenset(),
            catching_up=frozenset(reading.feed.name for reading in batch if _missed_much(reading, longest, now)),
            silences=silences.in_force(tx, now),
            singles=letters.singles_since(tx, now - SINGLES),
        )

    def _arrivals(self, tx: sa.Connection, found: stories.Fresh, now: datetime) -> tuple[Arrival, ...]:
        """Edits of known entries, then new entries with their stories, oldest first."""
        new = tuple(sorted(found.new, key=lambda entry: (entry.published_at or now, entry.id)))
        snapshot = candidates.snapshot(tx, new, pipeline.promising)
        assignments = pipeline.recognise(new, snapshot, now=now, window=self._pacing().story_window)
        moved: dict[str, str] = {}
        for assignment in assignments:
            merging.merge_stories(tx, assignment.story, assignment.merges, now)
            moved |= dict.fromkeys(assignment.merges, assignment.story)
        edits = tuple(
            Arrival(
                entry=known.entry,
                assignment=replace(known.assignment, story=moved.get(known.story, known.story)),
                is_edit=True,
            )
            for known in found.edited
        )
        return edits + tuple(
            Arrival(entry=entry, assignment=assignment) for entry, assignment in zip(new, assignments, strict=True)
        )


def _host_by_host(checks: list[tuple[Feed, FeedState]]) -> list[tuple[Feed, FeedState]]:
    """One feed of each host, then another of each: many of one host keep nobody else waiting."""
    turns: defaultdict[str, Iterator[int]] = defaultdict(count)
    return sorted(checks, key=lambda check: next(turns[check[1].host]))


def _hosts_of(configured: Iterable[Feed]) -> int:
    """How many hosts there are, as far as that matters: it is asked at every tick, and there may be thousands."""
    found: set[str] = set()
    for feed in configured:
        found.add(feeds.host_and_port_of(feed.url))
        if len(found) == HOSTS:
            break
    return len(found)


def _missed_much(reading: Reading, longest: timedelta, now: datetime) -> bool:
    """Whether a feed was not reached for so long that what it brings now is what was missed; not where that was the
    plan."""
    last, planned = reading.state.last_success_at, timedelta(seconds=reading.state.habits.planned_seconds)
    return last is not None and now - last > max(longest, 2 * reading.feed.interval, 2 * planned)


def _facts(batch: Sequence[Reading], judged: Sequence[Judged]) -> tuple[FeedChecked, ...]:
    new = Counter(one.entry.feed for one in judged if not one.is_edit)
    pickups = Counter(one.entry.feed for one in judged if not one.is_edit and one.assignment.story != one.entry.id)
    alerts = Counter(one.entry.feed for one in judged for decision in one.decisions if decision.alert)
    decisions: defaultdict[str, Counter[str]] = defaultdict(Counter)
    delays: defaultdict[str, list[float]] = defaultdict(list)
    for one in judged:
        decisions[one.entry.feed].update(str(decision.reason) for decision in one.decisions)
        delays[one.entry.feed].extend(_delays(one))
    return tuple(
        _fact_failed(reading, str(reading.error))
        if reading.error
        else FeedChecked(
            feed=reading.feed.name,
            outcome="not_modified" if reading.body_hash is None else "fresh",
            entries=reading.listed,
            new=new[reading.feed.name],
            pickups=pickups[reading.feed.name],
            alerts=alerts[reading.feed.name],
            error=reading.poison or _left_out(reading),
            decisions=dict(decisions[reading.feed.name]),
            delays=tuple(delays[reading.feed.name]),
        )
        for reading in batch
    )


def _left_out(reading: Reading) -> str | None:
    parsed = reading.parsed
    if parsed is None or not parsed.truncated:
        return None
    return f"{parsed.truncated:,} entries beyond the first {len(parsed.entries):,} were left out"


def _delays(one: Judged) -> tuple[float, ...]:
    """Of the first alerts that an entry gave: seconds since it was published."""
    alerts = (decision.alert for decision in one.decisions if decision.alert and not decision.again)
    published = one.entry.published_at
    return tuple(max(0.0, (alert.created_at - published).total_seconds()) for alert in alerts if published)


def _fact_failed(reading: Reading, error: str) -> FeedChecked:
    outcome = "held" if isinstance(reading.error, HostHeld) else "failed"
    return FeedChecked(feed=reading.feed.name, outcome=outcome, error=error)
