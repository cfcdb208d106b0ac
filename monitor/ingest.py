"""The first half of the line: claim → fetch → read → [snapshot → judge → save + enqueue] → record.

    feed row ──claim──▶ FeedState ──fetch──▶ Fetched ──read──▶ Entry…            off the event loop, many at once
                                       │ NotModified: record, done
    ┌───────────────── one write transaction, shared by the feeds that came in together ─────────────────┐
    │ stories.fresh ─▶ new Entries ─▶ candidates.snapshot ─▶ recognise ─▶ stories.standings ─▶ judge       │
    │ stories.save · outbox.enqueue · feeds.record_success (validators, next_check_at)                     │
    └────────────────────────────────────────────────────────────────────────────────────────────────────┘

Validators are saved with the entries they came with: saved earlier, a crash would turn the next answer into a 304
and the stories would be lost. Where nobody at all can be reached the feeds are not blamed: one is asked a minute, until
somebody answers. Does not deliver anything (dispatch.py does) and does not log.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from urllib.parse import urlsplit

import sqlalchemy as sa

from monitor import crash, suspicion
from monitor.core import habits as habit
from monitor.core import pipeline
from monitor.core.articles import worth_reading
from monitor.core.pace import ASKED_AT_MOST, next_check
from monitor.core.pipeline import Arrival, History, Policy
from monitor.core.policy import SINGLES
from monitor.errors import FeedError, FetchError, HostHeld, ParseError, ReaderDied, StoreError
from monitor.model import (
    Ask,
    Entry,
    Feed,
    FeedChecked,
    FeedState,
    FeedStatus,
    Fetched,
    Habits,
    HostHold,
    Judged,
    NetworkChanged,
    NotModified,
    ParsedFeed,
    Validators,
    record,
)
from monitor.network import Network, Turns, is_vain
from monitor.room import Room
from monitor.store import articles, candidates, feeds, hosts, letters, merging, meta, outbox, silences, stories
from monitor.writer import Writer

GATHER = timedelta(milliseconds=100)  # what arrives within it shares a transaction, and is judged oldest first
DOCUMENTS = 96  # in memory between their fetch and their commit; more wait with their servers
BATCH = 64  # feeds in one transaction at most: readers and senders need the database, too

PARTIAL = 226  # RFC 3229: only what is new; never asked for, but understood

Fetch = Callable[[Feed, Ask], Awaitable[Fetched | NotModified]]
Parse = Callable[[Fetched], Awaitable[ParsedFeed]]


@record
class Pacing:
    """The operator's limits on how often a feed is checked, and how long a story takes in copies."""

    min_interval: timedelta
    max_interval: timedelta
    story_window: timedelta
    catch_up_after: timedelta = timedelta(hours=6)  # not reached for so long: what comes then was missed


@record
class Reading:
    """What one check brought, before anything is decided about it."""

    feed: Feed
    state: FeedState
    checked_at: datetime
    ask: Ask = Ask()
    answer: Fetched | NotModified | None = None
    parsed: ParsedFeed | None = None
    entries: tuple[Entry, ...] = ()
    body_hash: str | None = None
    document: str = ""  # the same of a document that is perhaps not read
    error: FeedError | None = None
    poison: str = ""  # what was wrong with entries that could not be judged, and are not among these


class _Tried(Exception):
    """A trial is over: nothing of it is to be kept."""


class Ingest:
    """Checks feeds. `policy` and `pacing` give what is in force now (a reload swaps it); `fetch` and `parse` are the
    edges."""

    def __init__(
        self,
        writer: Writer,
        fetch: Fetch,
        parse: Parse,
        *,
        policy: Callable[[], Policy],
        pacing: Callable[[], Pacing],
        clock: Callable[[], datetime],
        say: Callable[[FeedChecked | NetworkChanged], None],
        turns: Turns = lambda names: dict.fromkeys(names, timedelta(0)),
        holds: Callable[[], tuple[HostHold, ...]] = tuple,
        offline_since: datetime | None = None,
        room: Room | None = None,
    ):
        """`turns`: when each of feeds that are all overdue has its turn; `holds`: the hosts that asked for peace;
        `offline_since`: what an earlier run has noted of the network; `room`: what `fetch` waits for where it minds how
        many documents are in memory."""
        self._writer, self._fetch, self._parse = writer, fetch, parse
        self._policy, self._pacing = policy, pacing
        self._clock, self._say, self._holds = clock, say, holds
        self._held: tuple[HostHold, ...] = holds()  # as the database has them
        self._network = Network(writer, turns=turns, say=say, offline_since=offline_since)
        self._hosts = 1  # that are configured
        self._room = room or Room(DOCUMENTS)
        self._readings: asyncio.Queue[Reading] = asyncio.Queue()
        self._checks: set[asyncio.Task[None]] = set()
        self._saver: asyncio.Task[None] | None = None

    async def start(
        self,
        configured: dict[str, Feed],
        *,
        limit: int,
        only: Iterable[str] | None = None,
        ignore_schedule: bool = False,
    ) -> int:
        """Claim feeds that are due and start their checks; awaits no fetch. Returns how many.

        While nobody answers, only one a minute.
        """
        now = self._clock()
        self._hosts = len({urlsplit(feed.url).netloc for feed in configured.values()})
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
            )
        )
        for state in claimed:
            if state.name in configured:
                check = asyncio.create_task(self._check(configured[state.name], state))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)
        if self._saver is None or self._saver.done():
            self._saver = asyncio.create_task(self._save_all())
        return len(claimed)

    @property
    def running(self) -> int:
        """Checks under way."""
        return len(self._checks)

    async def finish(self) -> None:
        """Wait until everything that was started is checked and saved."""
        while self._checks:
            await asyncio.wait(tuple(self._checks))
        await self._readings.join()

    async def stop(self) -> None:
        """Abandon fetches (their feeds are simply due again) and save what has been read."""
        for check in tuple(self._checks):
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        await self._readings.join()
        if self._saver is not None:
            self._saver.cancel()

    # ── read: many at once ───────────────────────────────────────────────────────────────────────

    async def _check(self, feed: Feed, state: FeedState) -> None:
        await self._readings.put(await self._read(feed, state))

    async def _read(self, feed: Feed, state: FeedState) -> Reading:
        now = self._clock()
        ask = habit.asking(state, now)
        reading = Reading(feed=feed, state=state, checked_at=now, ask=ask)
        try:
            answer = await self._fetch(feed, ask)
            crash.reach("fetched")
            checked_at = self._clock()
            if isinstance(answer, NotModified):
                return replace(reading, answer=answer, checked_at=checked_at)
            self._room.take()
            body_hash = _hash(answer.body)
            known = replace(answer, body=b"")  # what is read of it is kept, not its bytes
            reading = replace(reading, answer=known, checked_at=checked_at, document=body_hash)
            if body_hash == state.body_hash:
                return reading
            if until := suspicion.set_aside_until(state, body_hash, reading.checked_at):
                raise ParseError(
                    f"set aside until {until:%d %b %H:%M} UTC: three times nobody could read this document"
                )
            parsed = await self._parse(answer)
            entries = await asyncio.to_thread(
                pipeline.read, parsed, feed, now=reading.checked_at, default_language=self._policy().language
            )
            crash.reach("parsed")
            return replace(reading, parsed=parsed, entries=entries, body_hash=body_hash)
        except FeedError as error:
            return replace(reading, error=error)
        except Exception as error:  # one odd document must not stop the others, nor leave its feed leased for ever
            return replace(reading, error=FeedError(f"internal error: {type(error).__name__}: {error}"))

    # ── save: in single file ─────────────────────────────────────────────────────────────────────

    async def _save_all(self) -> None:
        while True:
            batch = [await self._readings.get()]
            if self._readings.qsize() < BATCH - 1:
                await asyncio.sleep(GATHER.total_seconds())
            while not self._readings.empty() and len(batch) < BATCH:
                batch.append(self._readings.get_nowait())
            try:
                checks = [(reading.state, reading.error, reading.checked_at) for reading in batch]
                await self._network.hear(checks, hosts=self._hosts, now=self._clock())
                for fact in await self._save(batch):
                    self._say(fact)
            finally:
                for reading in batch:
                    self._readings.task_done()
                    if isinstance(reading.answer, Fetched):
                        self._room.leave()

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
        except StoreError as error:  # nothing of it is saved, so their servers will be asked again as before
            return tuple(_fact_failed(reading, str(error)) for reading in batch)
        except Exception as error:  # whatever a document provoked: find out which one it was
            if len(batch) > 1:
                return tuple([fact for reading in batch for fact in await self._save([reading])])
            return await self._save_sound(batch[0], f"internal error: {type(error).__name__}: {error}")

    async def _save_sound(self, reading: Reading, why: str) -> tuple[FeedChecked, ...]:
        """Save a document without the entries that nobody can judge; where it has no others, its check has failed."""
        if reading.error is not None:
            return (_fact_failed(reading, why),)
        try:
            sound = await self._sound(reading)
        except StoreError as error:
            return (_fact_failed(reading, str(error)),)
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
        states = {reading.feed.name: reading.state for reading in batch}
        history = self._history(tx, batch, now)
        entries = [entry for reading in batch for entry in reading.entries]
        found = stories.fresh(tx, entries, now, churning=suspicion.churning(states))
        sizes = {reading.feed.name: len(reading.entries) for reading in batch}
        whole = {reading.feed.name: reading.state for reading in batch if not _is_partial(reading)}
        found, doubtful = suspicion.sort_out(tx, found, whole, sizes, missed=history.catching_up, now=now)
        arrivals = self._arrivals(tx, found, now)
        joined = {one.assignment.story for one in arrivals if one.assignment.story != one.entry.id or one.is_edit}
        standings = stories.standings(tx, joined)
        judged = pipeline.judge(arrivals, standings, policy, replace(history, held=doubtful), now=now)
        stories.save(tx, judged, now)
        outbox.enqueue_all(tx, judged)
        configured = {reading.feed.name: reading.feed for reading in batch}
        pages, elsewhere = worth_reading(judged, configured, policy, seeding=history.seeding, held=doubtful, now=now)
        articles.want(tx, pages, now)
        suspicion.note_elsewhere(tx, states, elsewhere, now)
        facts = tuple(
            self._record(tx, reading, fact, found, doubtful, now)
            for reading, fact in zip(batch, _facts(batch, judged), strict=True)
        )
        if held != self._held:
            hosts.keep_holds(tx, held)
        crash.reach("saving")
        return facts

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

    def _record(
        self,
        tx: sa.Connection,
        reading: Reading,
        fact: FeedChecked,
        found: stories.Fresh,
        doubtful: frozenset[str],
        now: datetime,
    ) -> FeedChecked:
        """Note what came of a check; the fact again, with what else it tells."""
        error = reading.error
        if isinstance(error, HostHeld):
            until = now + error.retry_after
            feeds.record_postponed(tx, reading.state, next_check_at=self._due_at(reading, now), not_before=until)
        elif self._network.is_offline and is_vain(error):
            feeds.record_postponed(tx, reading.state, next_check_at=now)
        elif error is not None:
            self._record_failure(tx, reading, error, now)
        else:
            gap = bool(reading.poison) or _possible_gap(reading, overlaps=found.known[reading.feed.name] > 0)
            state = self._suspected(tx, reading, found, doubtful, now)
            return self._record_success(tx, reading, fact, state, gap, now)
        return fact

    def _suspected(
        self, tx: sa.Connection, reading: Reading, found: stories.Fresh, doubtful: frozenset[str], now: datetime
    ) -> FeedStatus:
        name = reading.feed.name
        return suspicion.note(
            tx,
            reading.state,
            None if _is_partial(reading) else reading.parsed,
            known=found.known[name],
            renamed=found.renamed[name],
            held=sum(entry.id in doubtful for entry in reading.entries),
            now=now,
        )

    def _record_failure(self, tx: sa.Connection, reading: Reading, error: FeedError, now: datetime) -> None:
        if isinstance(error, ReaderDied):
            suspicion.note_death(tx, reading.state, reading.document, now)
        habits = habit.failed(reading.state.habits, reading.ask, status=_status(error), now=now)
        due_at = self._due_at(reading, now, gone=habit.is_gone(habits, now))
        feeds.record_failure(
            tx,
            reading.state,
            now=now,
            state=_failure_state(error, gone=habit.is_gone(habits, now)),
            error=str(error),
            next_check_at=due_at,
            not_before=_not_before(error, due_at, now),
            habits=habits,
        )

    def _record_success(
        self,
        tx: sa.Connection,
        reading: Reading,
        fact: FeedChecked,
        state: FeedStatus,
        gap: bool,
        now: datetime,
    ) -> FeedChecked:
        answer, habits = reading.answer, self._habits(reading, fact, gap, now)
        due_at = self._due_at(reading, now, habits=habits, new=fact.new)
        feeds.record_success(
            tx,
            reading.state,
            now=now,
            state=state,
            next_check_at=due_at,
            not_before=now + min(answer.max_age, ASKED_AT_MOST) if answer.max_age else None,
            validators=_validators(reading),
            habits=replace(habits, planned_seconds=int((due_at - now).total_seconds())),
            title=reading.parsed.title if reading.parsed else None,
            body_hash=reading.body_hash,
            found_entries=bool(reading.entries),
            new_entries=fact.new,
            possible_gap=gap,
        )
        return replace(fact, note=_note(reading, habits, fact.new))

    def _habits(self, reading: Reading, fact: FeedChecked, gap: bool, now: datetime) -> Habits:
        """What is now known of how to ask this feed."""
        feed, state = reading.feed, reading.state
        habits = habit.succeeded(
            state,
            reading.ask,
            reading.answer,
            now=now,
            may_move=not feed.headers and "@" not in urlsplit(feed.url).netloc,
            parsed=reading.parsed,
            body_is_known=reading.body_hash is None,
        )
        if state.last_success_at is None or _is_partial(reading):
            return habits
        pace = habit.own_pace(habits, feed.interval, own_interval=True, changed_at=None, now=now)
        pace = max(pace, self._pacing().min_interval)
        elapsed = now - state.last_success_at
        return habit.turned_over(habits, entries=fact.entries, new=fact.new, gap=gap, elapsed=elapsed, pace=pace)

    def _due_at(
        self, reading: Reading, now: datetime, *, habits: Habits | None = None, new: int = 0, gone: bool = False
    ) -> datetime:
        """When the feed is due again; `habits` where the check went well."""
        error, state, interval = reading.error, reading.state, reading.feed.interval
        if habits is not None:
            changed_at = now if new else state.last_changed_at or state.seeded_at
            interval = habit.own_pace(
                habits, interval, own_interval=reading.feed.own_interval, changed_at=changed_at, now=now
            )
        return next_check(
            interval,
            now=now,
            feed_name=reading.feed.name,
            min_interval=self._pacing().min_interval,
            max_interval=self._pacing().max_interval,
            failures=state.failures + 1 if error else 0,
            status=_status(error),
            refused=isinstance(error, FetchError) and error.refused,
            gone=gone,
            first=state.seeded_at is None and not reading.feed.own_interval,
            retry_after=error.retry_after if isinstance(error, FetchError) else None,
            max_age=reading.answer.max_age if reading.answer and not error else None,
            ttl=timedelta(seconds=habits.ttl_seconds) if habits else None,
            skip_hours=habits.skip_hours if habits else 0,
        )


def _status(error: FeedError | None) -> int | None:
    return error.status if isinstance(error, FetchError) else None


def _not_before(error: FeedError, due_at: datetime, now: datetime) -> datetime | None:
    """Before when nothing may ask, not even by command: as its server asked, or as a 429 without a time means."""
    asked = error.retry_after if isinstance(error, FetchError) else None
    if _status(error) == 429 and asked is None:
        return due_at
    return now + min(asked, ASKED_AT_MOST) if asked else None


def _is_partial(reading: Reading) -> bool:
    """Whether the document holds only what is new (226)."""
    return isinstance(reading.answer, Fetched) and reading.answer.status == PARTIAL


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()


def _missed_much(reading: Reading, longest: timedelta, now: datetime) -> bool:
    """Whether a feed was not reached for so long that what it brings now is what was missed; not where that was the
    plan."""
    last, planned = reading.state.last_success_at, timedelta(seconds=reading.state.habits.planned_seconds)
    return last is not None and now - last > max(longest, 2 * reading.feed.interval, 2 * planned)


def _possible_gap(reading: Reading, *, overlaps: bool) -> bool:
    """Whether entries may have come and gone unseen: nothing of the last check is in this one, or it was cut."""
    cut = reading.parsed is not None and reading.parsed.truncated > 0
    return cut or bool(reading.entries and reading.state.seeded_at and not overlaps and not _is_partial(reading))


def _validators(reading: Reading) -> Validators:
    """Those of this answer; a 304 that brings none leaves what we have."""
    given = reading.answer.validators
    if isinstance(reading.answer, NotModified):
        known = reading.state.validators
        return Validators(etag=given.etag or known.etag, last_modified=given.last_modified or known.last_modified)
    return given


def _failure_state(error: FeedError, *, gone: bool) -> FeedStatus:
    status = _status(error)
    if gone:
        return FeedStatus.GONE
    if status == 429 or (status == 503 and error.retry_after):
        return FeedStatus.THROTTLED
    return FeedStatus.FAILING


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
            entries=len(reading.entries),
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


def _note(reading: Reading, habits: Habits, new: int) -> str | None:
    """What else this answer tells of its server; of addresses without what may hold a key."""
    max_age, to = reading.answer.max_age, habits.moved_to
    if max_age and max_age > ASKED_AT_MOST:
        return f"its server asks to wait {max_age}; a day is believed"
    if new and habit.is_forced(reading.state, reading.ask):
        return "its server had said for a week that nothing changed, and was wrong"
    if to != reading.state.habits.moved_to:
        return (
            f"its address has moved for good to {to.partition('?')[0]}"
            if to
            else "it is back at its configured address"
        )
    return None
