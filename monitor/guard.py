"""The database of a running daemon, guarded: what follows when it cannot be written, is full, damaged or exchanged.

    it cannot be written    nothing is claimed or sent until it can; the operator is told past the outbox
    the disk is full        the same, or only polling pauses while the reserve lasts (storage.py)
    it cannot be trusted    the daemon ends: what it would send from such a database may be wrong
    another instance has it the daemon ends: a lock of PostgreSQL is lost with its server, and the other came first

The ticker's jobs run through `minded`, and the halves of the line say by `heard` what the database refused them. Its
facts are said by `say`, which is app.py's; what may be done at the moment is storage.py's, how the operator hears is
alarm.py's. Nothing waits for that: it is told aside, until `finish`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path

from monitor.alarm import Alarm
from monitor.edges.disk import network_filesystem
from monitor.errors import InstanceRunning, StoreDamaged, StoreError
from monitor.floors import too_old
from monitor.storage import Storage
from monitor.store.database import Database, is_file

UNTIL_ROOM = "Nothing is lost and nothing is sent until it can. Make room, or look at the disk."
NEEDS_A_DISK = "SQLite's locks and its log need a disk of this machine"


class Guard:
    """`end` asks the daemon to end; `fatal` is why it was asked."""

    def __init__(
        self,
        storage: Storage,
        alarm: Alarm,
        *,
        clock: Callable[[], datetime],
        say: Callable[..., None],
        end: Callable[[], None],
    ):
        self.storage, self.alarm = storage, alarm
        self.say = say
        self._clock, self._end = clock, end
        self.fatal: StoreError | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def minded(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do some work, and what follows where the database refuses it."""
        try:
            await work()
        except StoreError as error:
            self.heard(error)

    def heard(self, error: StoreError) -> None:
        """The database refused something."""
        if isinstance(error, (StoreDamaged, InstanceRunning)):
            self.give_up(error)
        else:
            self.failed(error)

    async def look(self, database: Database) -> None:
        """Before anything is done: are all pages sound, is there a reserve, is it on a disk? Raises StoreDamaged."""
        for library, version, needed in too_old():
            self.say("old_library", level=logging.WARNING, library=library, version=version, needed=needed)
        await self.look_at_pages(database)
        if not self.storage.ballast.hold():
            self.say("storage_low", level=logging.WARNING, path=database.url, reserve=False)
        if is_file(database.url) and (kind := network_filesystem(Path(database.url).parent)):
            self.say("storage_on_network", level=logging.WARNING, path=database.url, kind=kind, says=NEEDS_A_DISK)

    async def look_at_pages(self, database: Database) -> None:
        """Read every page, off the event loop. Raises StoreDamaged, of which the operator has been told then."""
        try:
            await asyncio.to_thread(database.refuse_damaged)
        except StoreDamaged as error:
            await self.alarm.tell_once(error)
            raise
        self.alarm.is_over()

    def failed(self, error: StoreError) -> None:
        """A write failed."""
        self.storage.failed(error)
        self.tell()

    def give_up(self, error: StoreError) -> None:
        """The database cannot be trusted any more, or is another's: then all is well there, and nobody need hear."""
        if self.fatal is None:
            self.fatal = error
            self._end()
            if isinstance(error, StoreDamaged):
                self._aside(self.alarm.tell_once(error))

    def tell(self) -> None:
        """Tell of what the writer met meanwhile, if a person should hear of it."""
        if self.storage.is_news(self._clock()):
            self.say("storage_failed", level=logging.ERROR, error=self.storage.trouble)
            self._aside(self.alarm.tell(f"the database cannot be written: {self.storage.trouble}", UNTIL_ROOM))

    async def finish(self) -> None:
        """Wait until the operator has been told."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _aside(self, telling: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def mind_room(self) -> None:
        """Take the reserve again where there is room."""
        if self.storage.mind_room(self._clock()):
            low = self.storage.low_since is not None
            self.say("storage_low" if low else "storage_back", level=logging.WARNING if low else logging.INFO)

    def worked(self) -> None:
        """A write worked."""
        if self.storage.worked():
            self.say("storage_back")
