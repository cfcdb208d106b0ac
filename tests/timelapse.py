"""The real daemon in a time of its own: it passes only while nobody has anything to do.

The event loop's clock, the wall clock and the ticker's are one, and jump from timer to timer; work in threads and what is
on its way through loopback sockets is waited for first. The servers live in the same loop, behind real sockets. A life
is a forked process, so that SIGKILL is SIGKILL, at a moment that is exact. Replaced are the outside only: clocks, the
name resolver (names to loopback addresses) and the child process in which slow parsing runs (a thread).

    path.write_text(config)
    life = Life(path, web, start=NOW, until=NOW + timedelta(hours=5), end=Ending.KILLED)
    life.run()
"""

from __future__ import annotations

import asyncio
import datetime as datetimes
import mmap
import os
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from aiohttp.abc import AbstractResolver

FAILED = 70  # exit code of a life that ended by an exception
PATIENCE = 0.05  # real seconds to wait for a thread, or for bytes on their way through the kernel, at a time


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


class Timelapse(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._now, self._threads, self.asking = 0.0, 0, 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds since the loop began, simulated."""
        return self._now

    def run_in_executor(self, executor: Any, function: Callable, *args: Any) -> asyncio.Future:
        """As ever; time stands still until it is done."""
        work = super().run_in_executor(executor, function, *args)
        self._threads += 1
        work.add_done_callback(self._done)
        return work

    def _done(self, _: asyncio.Future) -> None:
        self._threads -= 1

    @property
    def is_working(self) -> bool:
        """Whether a thread works for it."""
        return self._threads > 0

    def leap(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self.told(self._now)

    def told(self, now: float) -> None:
        """Called with every new time."""


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: Timelapse):
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        while self._loop.is_working and not found:
            found = super().select(PATIENCE)
        if not found and (self._loop.asking or timeout is None):
            found = super().select(PATIENCE)
        if found or timeout is None:
            return found
        self._loop.leap(timeout)
        return []


def _fake_now(clock: Callable[[], datetime]) -> type[datetime]:
    class Simulated(datetime):
        @classmethod
        def now(cls, tz: datetimes.tzinfo | None = None) -> datetime:
            return clock().astimezone(tz)

    return Simulated


# ── lives ────────────────────────────────────────────────────────────────────────────────────────


class Ending(Enum):
    """How a life ends."""

    STOPPED = "SIGTERM"
    KILLED = "SIGKILL"
    CRASHED = "SIGKILL at a crash point, or as KILLED where none was reached"


class Names(AbstractResolver):
    """Host names to the addresses of a table."""

    def __init__(self, table: dict[str, tuple[str, ...]]):
        self._table = table

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
        """Every address of a known name."""
        if host not in self._table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            {"hostname": host, "host": address, "port": port, "proto": 0, "flags": 0,
             "family": socket.AF_INET6 if ":" in address else socket.AF_INET}
            for address in self._table[host]
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing to close."""


Serve = Callable[[Callable[[], datetime]], Awaitable[Any]]


@dataclass
class Life:
    """One daemon, from `start` to `until` (aware UTC), with whatever `serve` starts in its loop.

    `names` resolves hosts; `slower` is by how much the ticker ticks less often than once a second, so that idle days
    cost little; `meanwhile` runs beside the daemon and may look at it;
    `instead` runs in place of it, with the open App (one pass, say); `prepare` patches the forked process.
    """

    config: Path
    serve: Serve
    start: datetime
    until: datetime
    end: Ending = Ending.STOPPED
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    slower: float = 10.0
    crash_at: str | None = None
    prepare: Callable[[], None] = lambda: None
    instead: Callable[[Any], Awaitable[Any]] | None = None
    meanwhile: Callable[[Any], Awaitable[Any]] | None = None
    _lived: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8), repr=False)  # seconds; shared with the fork

    @property
    def died_at(self) -> datetime:
        """When it ended, by its own clock."""
        return self.start + timedelta(seconds=struct.unpack("d", self._lived[:8])[0])

    def run(self) -> int:
        """Live it; how it ended, as os.waitpid has it. Raises RuntimeError where it ended in any other way than it
        should."""
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(self._live())
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        wanted = killed if self.end is not Ending.STOPPED else status == 0
        if not wanted:
            raise RuntimeError(f"a life ended with {os.waitstatus_to_exitcode(status)}, see {self.log}")
        return status

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.config.with_suffix(".log")

    @property
    def out(self) -> Path:
        """What it prints: the messages of console:// channels."""
        return self.config.with_suffix(".out")

    def _live(self) -> int:
        try:
            for path, number in ((self.out, 1), (self.log, 2)):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.dup2(file, number)
                os.close(file)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            self.prepare()
            with asyncio.Runner(loop_factory=Timelapse) as runner:
                runner.run(self._be())
            return 0
        except BaseException:
            traceback.print_exc()
            return FAILED
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    async def _be(self) -> None:
        from monitor import crash, logs, reload
        from monitor.app import App

        loop = asyncio.get_running_loop()
        assert isinstance(loop, Timelapse)
        loop.told = lambda now: struct.pack_into("d", self._lived, 0, now)

        def clock() -> datetime:
            return self.start + timedelta(seconds=loop.time())

        self._replace_outside(clock)
        logs.set_up()
        await self.serve(clock)
        crash.arm(self.crash_at)
        ticking = {"speed": 1 / self.slower, "ticks": lambda: loop.time() * self.slower}
        async with App(reload.read_all(self.config), clock=clock, **ticking) as app:
            if self.instead is not None:
                await self.instead(app)
                return
            daemon = asyncio.create_task(app.run())
            if self.meanwhile is not None:
                looking = asyncio.create_task(self.meanwhile(app))
                looking.add_done_callback(lambda done: done.cancelled() or done.result())
            left = asyncio.create_task(asyncio.sleep((self.until - clock()).total_seconds()))
            await asyncio.wait([daemon, left], return_when=asyncio.FIRST_COMPLETED)
            if self.end is not Ending.STOPPED:
                os.kill(os.getpid(), signal.SIGKILL)
            app.stop()
            await daemon

    def _replace_outside(self, clock: Callable[[], datetime]) -> None:
        import apscheduler.executors.base
        import apscheduler.schedulers.base
        import apscheduler.triggers.interval

        import aiohttp.connector

        import monitor.app
        import monitor.edges.fetch
        import monitor.timekeeping
        from monitor.edges.child import ChildPool

        for module in (apscheduler.schedulers.base, apscheduler.triggers.interval, apscheduler.executors.base):
            module.datetime = _fake_now(clock)
        monitor.timekeeping.JUMP = max(monitor.timekeeping.JUMP, 3 * monitor.app.CLOCK_WATCH * self.slower)
        monitor.edges.fetch.Resolver = lambda: Names(self.names)
        aiohttp.connector.monotonic = asyncio.get_running_loop().time
        monitor.edges.fetch.Fetcher._ask = _observed(monitor.edges.fetch.Fetcher._ask)
        ChildPool.run = _in_a_thread


def _observed(ask: Callable) -> Callable:
    """The same; the loop knows that something is on its way, and is patient."""

    async def asks(*args: Any, **named: Any) -> Any:
        loop = asyncio.get_running_loop()
        loop.asking += 1
        try:
            return await ask(*args, **named)
        finally:
            loop.asking -= 1

    return asks


async def _in_a_thread(self: Any, function: Callable, *args: Any, deadline: timedelta = timedelta(0)) -> Any:
    return await asyncio.to_thread(function, *args)


def warm(urls: Iterable[str] = ("console://?format=json",)) -> None:
    """Import all that lives will need, once, so that forks are born in milliseconds."""
    import gc

    import alembic.command  # noqa: F401

    import monitor.app  # noqa: F401
    from monitor.edges.send import open_sender

    for url in urls:
        open_sender("warm", url)
    gc.collect()
    gc.freeze()
