"""Taking turns: so many requests at once, one to a host, a pause between two to the same host.

Also remembers which hosts asked us to stay away (429) and for how long; `holds` and `restore` let that survive a
restart. Knows nothing else of HTTP.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.model import HostHold

SLOW = 5.0  # seconds; hosts whose last answer took longer share a quarter of the turns, the others keep the rest
MOST_LANES = 4096  # beyond it, lanes that nobody uses are forgotten
FIRST_HOLD, LONGEST_HOLD = timedelta(minutes=15), timedelta(hours=24)  # after a 429 that names no time (design: C2)


@dataclass(slots=True)
class _Lane:
    """One host's queue."""

    turns: asyncio.Semaphore
    busy_at: float = -math.inf  # when its last request began or ended, on the loop's clock
    slow: bool = False
    users: int = 0
    held_until: datetime | None = None
    holds: int = 0


class Lanes:
    """The queue of each host, and the one that all share.

    At most `concurrency` requests at once, `per_host` of them to one host, and `gap` between the end of one and
    the start of the next to the same host. Waiting for a host's own turn takes no turn from the others.
    """

    def __init__(self, *, concurrency: int, per_host: int, gap: timedelta, slow: float = SLOW):
        self._per_host, self._gap, self._slow_from = per_host, gap.total_seconds(), slow
        self._longest_gap = self._gap  # that anybody asked for
        self._all = asyncio.Semaphore(concurrency)
        self._slow = asyncio.Semaphore(max(1, concurrency // 4))
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def turn(
        self,
        host: str,
        gap: timedelta = timedelta(0),
        ready: Callable[[], Awaitable[None]] | None = None,
        *,
        means: AbstractAsyncContextManager = nullcontext(),
    ) -> AsyncIterator[None]:
        """Waits for this host's turn; what runs inside is one request. `gap` is for who wants a longer pause. `means`
        are what this request takes besides: waited for before one of the turns that all share is taken. `ready` is
        awaited last."""
        loop, lane, pause = asyncio.get_running_loop(), self._lane(host), max(self._gap, gap.total_seconds())
        self._longest_gap = max(self._longest_gap, pause)
        lane.users += 1
        try:
            async with lane.turns:
                await self._pause(lane, pause)
                async with self._slow if lane.slow else nullcontext(), means, self._all:
                    if ready is not None:
                        await ready()
                    began = lane.busy_at = loop.time()
                    try:
                        yield
                    finally:
                        lane.busy_at = loop.time()
                        lane.slow = lane.busy_at - began > self._slow_from
        finally:
            lane.users -= 1

    def hold(self, host: str, asked: timedelta | None, now: datetime) -> None:
        """This host answered 429: leave it alone as long as it asked, else 15 minutes and twice as long each time.
        Answers to requests that were under way together count once; the longest wait among them counts."""
        lane, held = self._lane(host), self.held_for(host, now) or timedelta(0)
        lane.holds += not held
        wait = asked or FIRST_HOLD * 2 ** min(lane.holds - 1, 10)
        lane.held_until = now + max(held, min(wait, LONGEST_HOLD))

    def release(self, host: str, now: datetime) -> None:
        """This host answered well again, if it has not asked for peace while this answer was under way."""
        if self.held_for(host, now) is None:
            lane = self._lane(host)
            lane.held_until, lane.holds = None, 0

    def held_for(self, host: str, now: datetime) -> timedelta | None:
        """How much longer this host must be left alone; None where it may be asked."""
        until = self._lane(host).held_until
        return until - now if until is not None and until > now else None

    def holds(self) -> tuple[HostHold, ...]:
        """Every host that asked for peace and has not answered well since."""
        return tuple(
            HostHold(host=host, until=lane.held_until, times=lane.holds)
            for host, lane in self._lanes.items()
            if lane.held_until is not None
        )

    def restore(self, holds: Iterable[HostHold], by: timedelta = timedelta(0)) -> None:
        """Know what was known before; moved by as much as the clock has jumped."""
        for hold in holds:
            lane = self._lane(hold.host)
            lane.held_until, lane.holds = hold.until + by, hold.times

    async def _pause(self, lane: _Lane, gap: float) -> None:
        loop = asyncio.get_running_loop()
        while (wait := lane.busy_at + gap - loop.time()) > 0:
            await asyncio.sleep(wait)
        lane.busy_at = loop.time()  # at once, so that a second request in this lane waits too

    def _lane(self, host: str) -> _Lane:
        if len(self._lanes) >= MOST_LANES and host not in self._lanes:
            self._forget_idle()
        if (lane := self._lanes.get(host)) is None:
            lane = self._lanes[host] = _Lane(asyncio.Semaphore(self._per_host))
        return lane

    def _forget_idle(self) -> None:
        time = asyncio.get_running_loop().time()
        for host, lane in tuple(self._lanes.items()):
            if not lane.users and not lane.holds and lane.busy_at + self._longest_gap <= time:
                del self._lanes[host]
