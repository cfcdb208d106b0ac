"""What time it is: the system's clock, or one that a test or a replay starts elsewhere and lets go faster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def clock_from(start: datetime | None = None, speed: float = 1.0) -> Clock:
    """A clock that shows `start` (by default the system's time) now and goes on from there, `speed` times as fast."""
    began = system_clock()
    origin = start or began
    return lambda: origin + (system_clock() - began) * speed
