"""What time it is: the system's clock, or one that a test or a replay starts elsewhere and lets go faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def clock_from(start: datetime | None = None, speed: float = 1.0) -> Clock:
    """A clock that shows `start` (by default the system's time) now and goes on from there, `speed` times as fast."""
    began = system_clock()
    origin = start or began
    return lambda: origin + (system_clock() - began) * speed


class SteadyClock:
    """Finds jumps of the wall clock by one that never jumps (and stands still while a machine sleeps)."""

    def __init__(self, now: datetime, speed: float = 1.0, ticks: Callable[[], float] = time.monotonic):
        """`now` by the wall clock; `speed`: how many times faster than the steady one (`ticks`) that is meant to go
        (tests)."""
        self._speed, self._ticks = speed, ticks
        self._seen = now, ticks()

    def look(self, now: datetime) -> tuple[timedelta, timedelta]:
        """How far the wall clock has jumped since the last look (negative: it was set back), and how long ago by the
        steady clock that look was."""
        (then, ticks), self._seen = self._seen, (now, self._ticks())
        passed = timedelta(seconds=self._seen[1] - ticks)
        return now - then - passed * self._speed, passed
