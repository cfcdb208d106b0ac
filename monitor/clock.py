"""What time it is: the system's clock, or one that a test or a replay starts elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def clock_from(start: datetime) -> Clock:
    """A clock that shows `start` now and goes on from there."""
    offset = start - system_clock()
    return lambda: system_clock() + offset
