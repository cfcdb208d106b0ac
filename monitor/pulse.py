"""Whether the halves of the line still turn: what the sign of life to systemd rests on.

A process can be alive and do nothing. Each part says when it has done a turn; a sign of life is due only when all
have since the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta


class Pulse:
    """Parts that must turn, each with the longest time that it may take."""

    def __init__(self, parts: Mapping[str, timedelta], *, steady: Callable[[], float]):
        """`steady` gives seconds of a clock that never jumps."""
        self.parts, self._steady = parts, steady
        self._turned = dict.fromkeys(parts, steady())

    def beat(self, part: str) -> None:
        """This part has done a turn."""
        self._turned[part] = self._steady()

    def ages(self) -> dict[str, float]:
        """Seconds since each part has done a turn."""
        now = self._steady()
        return {part: now - turned for part, turned in self._turned.items()}

    def stuck(self) -> tuple[str, ...]:
        """Parts that have not turned for longer than they may take."""
        now = self._steady()
        return tuple(part for part, most in self.parts.items() if now - self._turned[part] > most.total_seconds())
