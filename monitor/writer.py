"""The one writer thread: every write transaction of a process runs here, one after another, and what computes long.

Does not know what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from monitor.errors import StoreBusy, StoreFull
from monitor.store.database import Database

T = TypeVar("T")
BUSY_RETRIES = 6  # of the 5 s that the database itself waits: half of the watchdog's patience


class Writer:
    """Runs functions that take an open write transaction, in the one writer thread.

    `make_room` is called when the disk is full, and says whether it made some: then the transaction is tried again.
    `around` is entered, in the thread, around each transaction with the wait for its lock.
    """

    def __init__(
        self,
        database: Database,
        make_room: Callable[[], bool] = lambda: False,
        *,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ):
        self._database, self._make_room, self._around = database, make_room, around
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function(tx, *args)` in a transaction of its own and return what it returns, once that is durable.

        Raises what the function raises (nothing is then written), StoreBusy after half a minute of another's lock,
        or StoreFull.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, function, *args)

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function(*args)` in the writer thread, outside any transaction, and return what it returns.

        For what computes long: threads that want the interpreter at once take it from each other, and from the event
        loop, at a third of the processor's time.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        """Wait for the transaction that runs, and end the thread."""
        self._thread.shutdown(wait=True)

    def _transact(self, function: Callable[..., T], *args: Any) -> T:
        busy = 0
        while True:
            try:
                with self._around(), self._database.write() as tx:
                    return function(tx, *args)
            except StoreBusy:
                busy += 1
                if busy == BUSY_RETRIES:
                    raise
            except StoreFull:
                if not self._make_room():
                    raise
