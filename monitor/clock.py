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

    def __init__(self, speed: float = 1.0):
        """`speed`: how many times faster than the steady clock the wall's is meant to go (tests)."""
        self._speed = speed
        self._seen: tuple[datetime, float] | None = None

    def look(self, now: datetime) -> timedelta:
        """How far the wall clock has jumped since the last look: negative where it was set back."""
        ticks = time.monotonic()
        before, self._seen = self._seen, (now, ticks)
        if before is None:
            return timedelta(0)
        return now - before[0] - timedelta(seconds=(ticks - before[1]) * self._speed)
