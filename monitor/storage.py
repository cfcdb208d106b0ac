"""The database of a running daemon, minded: can it be written, and is there room?

    a write finds no room    the writer gives up the reserve and writes; polling pauses, what waits is still sent
    there is none even so    nothing is claimed and so nothing sent, until a write works and there is room
    room is back             the reserve is taken again, and polling goes on

Talks to nobody, and deletes nothing but the reserve.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.edges.disk import Ballast, free_bytes
from monitor.errors import StoreError, StoreFull
from monitor.store.database import Database, is_file

ENOUGH = 1024 * 1024  # bytes that must be free before polling goes on: less is used up by the next feed
TELL_AGAIN = timedelta(hours=1)  # of trouble that comes and goes


class Storage:
    """What the daemon may do with its database at the moment."""

    def __init__(self, url: str):
        self._url = url
        self._folder = Path(url).parent if is_file(url) else None
        self.ballast = Ballast(Path(f"{url}.ballast") if is_file(url) else None)
        self.trouble = ""  # why nothing can be written
        self.low_since: datetime | None = None  # the reserve was given up
        self._full = False
        self._told_at: datetime | None = None

    @property
    def polls(self) -> bool:
        """Whether there is room for what feeds bring."""
        return not self.trouble and self.low_since is None

    @property
    def sends(self) -> bool:
        """Whether a claim can be written, without which nothing is sent."""
        return not self.trouble

    def open(self, **how: Any) -> Database:
        """Open the database; where the disk is full, the reserve of the last run is given up for that."""
        try:
            return Database.open(self._url, **how)
        except StoreFull:
            if not self.ballast.drop():
                raise
            return Database.open(self._url, **how)

    def make_room(self) -> bool:
        """Give up the reserve, since a write found no room; whether that made any. Called by the writer's thread."""
        if self.ballast.drop():
            return True
        self.failed(StoreFull("there is no room left on its disk, and no reserve"))
        return False

    def failed(self, error: StoreError) -> None:
        """Note that a write failed."""
        self.trouble, self._full = str(error), isinstance(error, StoreFull)

    def worked(self) -> bool:
        """Note that a write worked; whether that ends a trouble."""
        if not self.trouble or (self._full and self._folder and free_bytes(self._folder) < ENOUGH):
            return False
        self.trouble = ""
        return True

    def is_news(self, now: datetime) -> bool:
        """Whether a person should hear of the trouble that there is."""
        news = bool(self.trouble) and (self._told_at is None or now - self._told_at >= TELL_AGAIN)
        if news:
            self._told_at = now
        return news

    def mind_room(self, now: datetime) -> bool:
        """See whether the reserve was given up, or can be taken again; whether that has changed."""
        held = self.ballast.hold() or not self.ballast.spent
        changed = held == (self.low_since is not None)
        if changed:
            self.low_since = None if held else now
        return changed
