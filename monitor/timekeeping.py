"""Clocks that are unset, jump or stood still, and feeds that are all overdue: whose turn is when.

A wall clock that was set moves what is due with it; a machine that slept, a disk that was full or a daemon that was
stopped leaves every feed overdue at once, and then they take turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from monitor.clock import Clock, SteadyClock
from monitor.core.pace import ASKED_AT_MOST, GONE_LATER, LONGEST_RETRY, turns
from monitor.core.render import rfc3339
from monitor.reload import InForce
from monitor.store import due, meta
from monitor.writer import Writer

JUMP = timedelta(minutes=1)  # less is an ordinary correction
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # no clock that is set shows less
SPREAD = timedelta(minutes=6)  # over which feeds that are all overdue take their turns (design: B2, five at least)
STANDSTILL = 5.0  # seconds without a look at the clock, and more than JUMP by it: the process was stopped
LONGEST_HOLD = timedelta(hours=26)  # until the next time of day, on the longest day


class Timekeeper:
    """Looks at the clock, mends what is due where it jumped, and lets feeds take turns.

    `in_force` tells what is configured now, `say` says a fact aloud (app.py's), `put_back` moves what is kept in memory
    with a clock that was set back; `speed` is how many times faster than the steady clock (`ticks`, which never jumps)
    the wall's goes (tests).
    """

    def __init__(
        self,
        in_force: Callable[[], InForce],
        *,
        clock: Clock,
        speed: float = 1.0,
        ticks: Callable[[], float] = time.monotonic,
        say: Callable[..., None],
        put_back: Callable[[timedelta], None],
    ):
        self._in_force, self._clock, self._speed = in_force, clock, speed
        self.say, self._put_holds_back = say, put_back
        self._steady = SteadyClock(clock(), speed, ticks)
        self._polled_at = time.monotonic()
        self._spread_at: datetime | None = None

    async def wait_until_set(self, wait: Callable[[], Awaitable[bool]]) -> None:
        """A machine without a battery starts in 1970: until the time is set, every date would be wrong. `wait` waits a
        little, and says whether to go on waiting."""
        while self._clock() < EARLIEST:
            self.say("clock_unset", level=logging.WARNING, shows=rfc3339(self._clock()))
            if not await wait():
                return

    async def begin(self, writer: Writer) -> None:
        """From here on the clock is looked at; what is overdue by now takes turns."""
        await self.spread_overdue(writer)
        self._steady.look(self._clock())
        self._polled_at = time.monotonic()

    async def look(self, writer: Writer) -> bool:
        """Whether the clock has jumped since the last look, or nobody looked for long (the machine slept, the process
        was stopped); what is due is then mended, before anything is claimed."""
        jump, stood = self._steady.look(self._clock())
        asleep = stood.total_seconds() > STANDSTILL and stood * self._speed > JUMP
        if abs(jump) <= JUMP and not asleep:
            return False
        if abs(jump) > JUMP:
            self.say("clock_jumped", level=logging.WARNING, seconds=round(jump.total_seconds()))
        else:
            self.say("stood_still", level=logging.WARNING, seconds=round(stood.total_seconds()))
        if jump < -JUMP:
            await writer.run(self._put_back, jump, self._clock())
            self._put_holds_back(jump)
        else:
            await self.spread_overdue(writer)
        return True

    async def polls_again(self, writer: Writer) -> None:
        """After a while without polling (the disk was full) feeds take turns again."""
        before, self._polled_at = self._polled_at, time.monotonic()
        if (self._polled_at - before) * self._speed > 2 * JUMP.total_seconds():
            await self.spread_overdue(writer)

    async def spread_overdue(self, writer: Writer) -> None:
        """Let feeds that are all overdue take turns; not again before those turns are over, lest none has one."""
        now = self._clock()
        if self._spread_at is None or not timedelta(0) <= now - self._spread_at < SPREAD:
            self._spread_at = now
            await writer.run(due.spread_overdue, now, self.turns)

    def turns(self, overdue: Iterable[str]) -> dict[str, timedelta]:
        """When each of feeds that are all overdue has its turn; none waits for longer than its interval."""
        configured = self._in_force().feeds
        return {
            name: min(wait, configured[name].interval) if name in configured else wait
            for name, wait in turns(overdue, SPREAD).items()
        }

    def mend(self, tx, now: datetime) -> None:
        """The clock may have been set, back or forth, while nobody ran."""
        kept = meta.get_all(tx)
        lives = {sign: datetime.fromisoformat(kept[sign]["at"]) for sign in ("last_tick", "last_poll") if sign in kept}
        behind = max(lives.values(), default=now) - now
        if behind <= JUMP:
            self._clamp(tx, now)
            return
        self.say("clock_jumped", level=logging.WARNING, seconds=-round(behind.total_seconds()))
        self._put_back(tx, -behind, now)
        for sign in lives:  # or the next start would mend the same again
            meta.put(tx, sign, kept[sign] | {"at": rfc3339(min(lives[sign], now))})

    def _put_back(self, tx, jump: timedelta, now: datetime) -> None:
        due.shift(tx, jump)
        self._clamp(tx, now)

    def _clamp(self, tx, now: datetime) -> None:
        """Nothing is due later than it could be by the clock as it is now."""
        config = self._in_force().config
        longest_wait = max([LONGEST_RETRY, *(route.group_wait for route in config.routes)])
        due.clamp(
            tx,
            checks_by=now + max(config.polling.max_interval, ASKED_AT_MOST),
            gone_by=now + GONE_LATER * 1.1,
            attempts_by=now + longest_wait,
            pauses_by=now + ASKED_AT_MOST,
            held_by=now + LONGEST_HOLD,
        )
