"""Room for so many documents in memory: who would fetch one more waits until enough are saved.

Counts; knows neither documents nor who fetches or saves them.
"""

from __future__ import annotations

import asyncio


class Room:
    """Room for `most` documents. Those that are being fetched when it fills up still come in."""

    def __init__(self, most: int):
        self._most, self._held = most, 0
        self._free = asyncio.Event()
        self._free.set()

    async def wait(self) -> None:
        """Returns when there is room for another document."""
        await self._free.wait()

    def take(self) -> None:
        """A document has come in."""
        self._held += 1
        if self._held >= self._most:
            self._free.clear()

    def leave(self) -> None:
        """It is saved, or given up."""
        self._held -= 1
        if self._held < self._most:
            self._free.set()
