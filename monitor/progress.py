"""Does the daemon work, or does it only live? When each part of it last got something done.

Parts note what they did; who asks (`/healthz`, the metrics, systemd's watchdog) hears which of them stands still. Does
not look at a clock and does nothing about what it finds.
"""

from __future__ import annotations

from collections.abc import Callable

PATIENCE = {"feeds": 60.0, "outbox": 60.0, "writer": 90.0}
"""Seconds after which a part stands still. The first two tick every second, and wait at most half a minute for another
process's lock (writer.py); the writer has a transaction every 15 s at the latest."""


class Progress:
    """When each part last got something done, by a clock (in seconds) that never jumps."""

    def __init__(self, steady: Callable[[], float]):
        self._steady = steady
        self._last = dict.fromkeys(PATIENCE, steady())

    def note(self, part: str) -> None:
        """The part has just got something done."""
        self._last[part] = self._steady()

    def ages(self) -> dict[str, float]:
        """Seconds since each part got something done."""
        now = self._steady()
        return {part: now - last for part, last in self._last.items()}

    def standing_still(self) -> tuple[str, ...]:
        """What stands still, as sentences."""
        return tuple(
            f"{part}: nothing done for {age:.0f} seconds" for part, age in self.ages().items() if age > PATIENCE[part]
        )
