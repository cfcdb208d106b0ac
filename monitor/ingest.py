"""The first half of the line: claim → fetch → read → [snapshot → judge → save + enqueue] → record.

    feed row ──claim──▶ FeedState ──fetch──▶ Fetched ──read──▶ Entry…            off the event loop, many at once
                                       │ NotModified: record, done
    ┌───────────────── one write transaction, shared by the feeds that came in together ─────────────────┐
    │ stories.fresh ─▶ new Entries ─▶ candidates.snapshot ─▶ recognise ─▶ stories.standings ─▶ judge       │
    │ stories.save · outbox.enqueue · feeds.record_success (validators, next_check_at)                     │
    └────────────────────────────────────────────────────────────────────────────────────────────────────┘

Validators are saved with the entries they came with: saved earlier, a crash would turn the next answer into a 304
and the stories would be lost. Does not deliver anything (dispatch.py does) and does not log.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

import sqlalchemy as sa

from monitor import crash
from monitor.core import pipeline
from monitor.core.pace import ASKED_AT_MOST, next_check
from monitor.core.pipeline import Arrival, History, Policy
from monitor.core.policy import SINGLES
from monitor.errors import FeedError, FetchError, StoreError
from monitor.model import (
    Assignment,
    Entry,
    Feed,
    FeedChecked,
    FeedState,
    FeedStatus,
    Fetched,
    Judged,
    NotModified,
    ParsedFeed,
    Validators,
    record,
)
from monitor.store import candidates, feeds, letters, merging, outbox, silences, stories
from monitor.writer import Writer

GATHER = timedelta(milliseconds=100)  # what arrives within it shares a transaction, and is judged oldest first
BATCH = 64  # feeds in one transaction at most: readers and senders need the database, too

Fetch = Callable[[Feed, Validators], Awaitable[Fetched | NotModified]]
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
    answer: Fetched | NotModified | None = None
    parsed: ParsedFeed | None = None
    entries: tuple[Entry, ...] = ()
    body_hash: str | None = None
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
        say: Callable[[FeedChecked], None],
    ):
        self._writer, self._fetch, self._parse = writer, fetch, parse
        self._policy, self._pacing = policy, pacing
        self._clock, self._say = clock, say
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
        """Claim feeds that are due and start their checks; awaits no fetch. Returns how many."""
        now = self._clock()
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
        reading = Reading(feed=feed, state=state, checked_at=self._clock())
        try:
            answer = await self._fetch(feed, state.validators)
            crash.reach("fetched")
            reading = replace(reading, answer=answer, checked_at=self._clock())
            if isinstance(answer, NotModified):
                return reading
            body_hash = blake2b(answer.body, digest_size=16).hexdigest()
            if body_hash == state.body_hash:
                return reading
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
            await asyncio.sleep(GATHER.total_seconds())
            while not self._readings.empty() and len(batch) < BATCH:
                batch.append(self._readings.get_nowait())
            try:
                for fact in await self._save(batch):
                    self._say(fact)
            finally:
                for _ in batch:
                    self._readings.task_done()

    async def _save(self, batch: Sequence[Reading]) -> tuple[FeedChecked, ...]:
        """Save what came in together in one transaction; where that fails, each feed by itself and without what made it
        fail, so that one poisonous entry harms nothing else."""
        now, policy = self._clock(), self._policy()
        try:
            facts = await self._writer.run(self._commit, batch, policy, now)
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
        self._commit(tx, [reading], policy, now)
        raise _Tried

    def _commit(
        self, tx: sa.Connection, batch: Sequence[Reading], policy: Policy, now: datetime
    ) -> tuple[FeedChecked, ...]:
        found = stories.fresh(tx, [entry for reading in batch for entry in reading.entries], now)
        arrivals = self._arrivals(tx, found, now)
        joined = {one.assignment.story for one in arrivals if one.assignment.story != one.entry.id or one.is_edit}
        standings = stories.standings(tx, joined)
        judged = pipeline.judge(arrivals, standings, policy, self._history(tx, batch, now), now=now)
        stories.save(tx, judged, now)
        outbox.enqueue(
            tx,
            [delivery for one in judged for delivery in one.deliveries],
            [waiting for one in judged for waiting in one.rewritten],
            [delivery for one in judged for delivery in one.cancelled],
        )
        facts = _facts(batch, judged)
        for reading, fact in zip(batch, facts, strict=True):
            self._record(tx, reading, fact, reading.feed.name in found.overlapping, now)
        crash.reach("saving")
        return facts

    def _history(self, tx: sa.Connection, batch: Sequence[Reading], now: datetime) -> History:
        longest = self._pacing().catch_up_after
        return History(
            seeding=frozenset(reading.feed.name for reading in batch if reading.state.seeded_at is None),
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
                assignment=Assignment(
                    story=moved.get(known.story, known.story), similarity=known.similarity, rule=known.rule
                ),
                is_edit=True,
            )
            for known in found.edited
        )
        return edits + tuple(
            Arrival(entry=entry, assignment=assignment) for entry, assignment in zip(new, assignments, strict=True)
        )

    def _record(self, tx: sa.Connection, reading: Reading, fact: FeedChecked, overlaps: bool, now: datetime) -> None:
        error = reading.error
        next_check_at, not_before = self._pace(reading, now)
        if error is not None:
            feeds.record_failure(
                tx,
                reading.state,
                now=now,
                state=_failure_state(error),
                error=str(error),
                next_check_at=next_check_at,
                not_before=not_before,
            )
            return
        feeds.record_success(
            tx,
            reading.state,
            now=now,
            next_check_at=next_check_at,
            not_before=not_before,
            validators=_validators(reading),
            title=reading.parsed.title if reading.parsed else None,
            body_hash=reading.body_hash,
            found_entries=bool(reading.entries),
            new_entries=fact.new,
            possible_gap=bool(reading.poison) or _possible_gap(reading, overlaps),
        )

    def _pace(self, reading: Reading, now: datetime) -> tuple[datetime, datetime | None]:
        """When the feed is due again, and before when nothing may ask its server, not even by command."""
        error, answer, pacing = reading.error, reading.answer, self._pacing()
        status = error.status if isinstance(error, FetchError) else None
        retry_after = error.retry_after if isinstance(error, FetchError) else None
        max_age = answer.max_age if answer and not error else None
        due_at = next_check(
            reading.feed.interval,
            now=now,
            feed_name=reading.feed.name,
            min_interval=pacing.min_interval,
            max_interval=pacing.max_interval,
            failures=reading.state.failures + 1 if error else 0,
            status=status,
            retry_after=retry_after,
            max_age=max_age,
            ttl=reading.parsed.ttl if reading.parsed else None,
        )
        if status == 429 and retry_after is None:
            return due_at, due_at
        asked = retry_after or max_age
        return due_at, now + min(asked, ASKED_AT_MOST) if asked else None


def _missed_much(reading: Reading, longest: timedelta, now: datetime) -> bool:
    """Whether a feed was not reached for so long that what it brings now is what was missed."""
    last = reading.state.last_success_at
    return last is not None and now - last > max(longest, 2 * reading.feed.interval)


def _possible_gap(reading: Reading, overlaps: bool) -> bool:
    """Whether entries may have come and gone unseen: nothing of the last check is in this one, or it was cut."""
    cut = reading.parsed is not None and reading.parsed.truncated > 0
    return cut or bool(reading.entries and reading.state.seeded_at and not overlaps)


def _validators(reading: Reading) -> Validators:
    """Those of this answer; a 304 that brings none leaves what we have."""
    given = reading.answer.validators
    if isinstance(reading.answer, NotModified):
        known = reading.state.validators
        return Validators(etag=given.etag or known.etag, last_modified=given.last_modified or known.last_modified)
    return given


def _failure_state(error: FeedError) -> FeedStatus:
    status = error.status if isinstance(error, FetchError) else None
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
            error=reading.poison or None,
            decisions=dict(decisions[reading.feed.name]),
            delays=tuple(delays[reading.feed.name]),
        )
        for reading in batch
    )


def _delays(one: Judged) -> tuple[float, ...]:
    """Of the first alerts that an entry gave: seconds since it was published."""
    alerts = (decision.alert for decision in one.decisions if decision.alert and not decision.again)
    published = one.entry.published_at
    return tuple(max(0.0, (alert.created_at - published).total_seconds()) for alert in alerts if published)


def _fact_failed(reading: Reading, error: str) -> FeedChecked:
    return FeedChecked(feed=reading.feed.name, outcome="failed", error=error)
