"""What came of a check → the feed's row: its health, its habits, when it is due again.

Runs within the transaction of ingest.py, after everything is decided about entries. What follows for habits and pace is
worked out in core/habits.py and core/pace.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import sqlalchemy as sa

from monitor import suspicion
from monitor.core import habits as habit
from monitor.core.pace import ASKED_AT_MOST, next_check
from monitor.errors import FeedError, FetchError, HostHeld, NothingLeft, ReaderDied
from monitor.model import FeedChecked, FeedStatus, Habits, NotModified, Validators, record
from monitor.network import Network, is_vain
from monitor.reading import Reading
from monitor.store import feeds
from monitor.store.stories import Fresh

BREATH = timedelta(minutes=1)  # until the next try where the system gave us nothing to ask with


@record
class Pacing:
    """The operator's limits on how often a feed is checked, and how long a story takes in copies."""

    min_interval: timedelta
    max_interval: timedelta
    story_window: timedelta
    catch_up_after: timedelta = timedelta(hours=6)  # not reached for so long: what comes then was missed


class Recorder:
    """Notes what came of checks; `pacing` gives what is in force now."""

    def __init__(self, pacing: Callable[[], Pacing], network: Network):
        self._pacing, self._network = pacing, network

    def record(
        self,
        tx: sa.Connection,
        batch: Sequence[Reading],
        facts: Sequence[FeedChecked],
        found: Fresh,
        doubtful: frozenset[str],
        now: datetime,
    ) -> tuple[FeedChecked, ...]:
        """Note the checks of a batch: `found` is what was new in it, `doubtful` the entries that are held back. The
        facts again, with what else each tells."""
        told, successes = [], []
        for reading, fact in zip(batch, facts, strict=True):
            if reading.error is not None:
                self._record_error(tx, reading, reading.error, now)
            else:
                state = _suspected(tx, reading, found, doubtful, now)
                success = self._success(reading, fact, found, state, now)
                successes.append(success)
                fact = replace(fact, note=_note(reading, success.habits, fact.new))
            told.append(fact)
        feeds.record_successes(tx, successes, now)
        return tuple(told)

    def _record_error(self, tx: sa.Connection, reading: Reading, error: FeedError, now: datetime) -> None:
        if isinstance(error, HostHeld):
            until = now + error.retry_after
            feeds.record_postponed(tx, reading.state, next_check_at=self._due_at(reading, now), not_before=until)
        elif self._network.is_offline and is_vain(error):
            feeds.record_postponed(tx, reading.state, next_check_at=now)
        elif isinstance(error, NothingLeft):
            feeds.record_postponed(tx, reading.state, next_check_at=now + BREATH)
        else:
            self._record_failure(tx, reading, error, now)

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

    def _success(
        self, reading: Reading, fact: FeedChecked, found: Fresh, state: FeedStatus, now: datetime
    ) -> feeds.Success:
        overlaps = bool(reading.familiar or found.known[reading.feed.name])
        gap = bool(reading.poison) or _possible_gap(reading, overlaps=overlaps)
        answer, habits = reading.answer, self._habits(reading, fact, gap, now)
        not_before = now + min(answer.max_age, ASKED_AT_MOST) if answer.max_age else None
        due_at = max(self._due_at(reading, now, habits=habits, new=fact.new), not_before or now)
        return feeds.Success(
            claimed=reading.state,
            state=state,
            next_check_at=due_at,
            not_before=not_before,
            validators=_validators(reading),
            habits=replace(habits, planned_seconds=int((due_at - now).total_seconds())),
            title=reading.parsed.title if reading.parsed else None,
            body_hash=reading.body_hash,
            seen_items=None if reading.poison else reading.seen_items,
            found_entries=reading.listed > 0,
            new_entries=fact.new,
            possible_gap=gap,
        )

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
        if state.last_success_at is None or reading.is_partial:
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


def _suspected(
    tx: sa.Connection, reading: Reading, found: Fresh, doubtful: frozenset[str], now: datetime
) -> FeedStatus:
    name = reading.feed.name
    return suspicion.note(
        tx,
        reading.state,
        None if reading.is_partial else reading.parsed,
        known=reading.familiar + found.known[name],
        renamed=found.renamed[name],
        held=sum(entry.id in doubtful for entry in reading.entries),
        now=now,
    )


def _status(error: FeedError | None) -> int | None:
    return error.status if isinstance(error, FetchError) else None


def _not_before(error: FeedError, due_at: datetime, now: datetime) -> datetime | None:
    """Before when nothing may ask, not even by command: as its server asked, or as a 429 without a time means."""
    asked = error.retry_after if isinstance(error, FetchError) else None
    if _status(error) == 429 and asked is None:
        return due_at
    return now + min(asked, ASKED_AT_MOST) if asked else None


def _possible_gap(reading: Reading, *, overlaps: bool) -> bool:
    """Whether entries may have come and gone unseen: nothing of the last check is in this one, or it was cut."""
    cut = reading.parsed is not None and reading.parsed.truncated > 0
    return cut or bool(reading.listed and reading.state.seeded_at and not overlaps and not reading.is_partial)


def _validators(reading: Reading) -> Validators:
    """Those of this answer; a 304 that brings none leaves what we have. None of a document that breaks off, for a 304
    would keep its end from us, but where the same comes again: it is like that."""
    given = reading.answer.validators
    if reading.parsed is not None and reading.parsed.cut_short:
        return Validators()
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
