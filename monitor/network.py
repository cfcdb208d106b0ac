"""Is the network there? What checks say of it, and what follows: no feed is blamed, one is asked a minute.

Keeps what it knows while the daemon lives, and in the database since when nobody can be reached, for whoever looks.
Judges by core/reach.py; makes no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.core.reach import Reach, Vain
from monitor.core.render import rfc3339
from monitor.errors import FeedError, FetchError, HostHeld, NothingLeft
from monitor.model import FeedState, NetworkChanged
from monitor.store import due, feeds, meta
from monitor.writer import Writer

PROBE = timedelta(minutes=1)  # between two requests while nobody answers (design: T13)
MOST_SUSPECTS = 100

Turns = Callable[[Sequence[str]], Mapping[str, timedelta]]
Check = tuple[FeedState, FeedError | None, datetime]  # what was asked, how it failed, when


class Network:
    """Told of every check. `turns`: when each of feeds that are all overdue has its turn; `say` is told of changes;
    `offline_since`: what an earlier run has noted."""

    def __init__(
        self,
        writer: Writer,
        *,
        turns: Turns,
        say: Callable[[NetworkChanged], None],
        offline_since: datetime | None = None,
    ):
        self._writer, self._turns, self._say = writer, turns, say
        self._reach = Reach()
        self._suspects: list[FeedState] = []  # as they were before they failed, since somebody last answered
        self._noted = offline_since
        self._probed_at: datetime | None = None

    @property
    def is_offline(self) -> bool:
        """Whether nobody at all can be reached."""
        return self._reach.offline_since is not None

    def may_probe(self, now: datetime) -> bool:
        """Whether it is time to ask one feed, while nobody answers; counts as asking it."""
        if self._probed_at is not None and -PROBE < now - self._probed_at < PROBE:
            return False
        self._probed_at = now
        return True

    async def hear(self, checks: Iterable[Check], *, hosts: int, now: datetime) -> None:
        """Checks are over; `hosts` is how many there are to ask at all, HOSTS at most (core/reach.py)."""
        was_offline, noted = self.is_offline, self._noted
        for state, error, at in checks:
            if asked_nobody(error):
                continue
            if not is_vain(error):
                self._reach, self._suspects, noted = self._reach.answered(at), [], None
                continue
            vain = Vain(feed=state.name, host=error.host or "", at=at, answered_at=state.last_success_at)
            self._reach = self._reach.after(vain, hosts=hosts)
            if not self.is_offline:
                self._suspects = [*self._suspects[-MOST_SUSPECTS:], state]
        noted = noted or self._reach.offline_since
        if self.is_offline != was_offline or noted != self._noted:
            await self._note(noted, now)

    async def _note(self, since: datetime | None, now: datetime) -> None:
        before = self._noted
        await self._writer.run(self._changed, since, now)
        self._noted = since
        if (since is None) != (before is None):
            self._say(NetworkChanged(reachable=since is None, since=since or before))

    def _changed(self, tx: sa.Connection, since: datetime | None, now: datetime) -> None:
        """Take back what feeds were blamed for; or let all that waited meanwhile take turns."""
        if since is None:
            due.spread_overdue(tx, now, self._turns)
        for state in self._suspects if since else ():
            feeds.record_postponed(tx, state, next_check_at=now)
        self._suspects = []
        meta.put(tx, "offline", {"since": rfc3339(since)})


def is_vain(error: FeedError | None) -> bool:
    """Whether nobody was reached."""
    return isinstance(error, FetchError) and error.unreachable


def asked_nobody(error: FeedError | None) -> bool:
    """Whether no request went out: the host is held, the address forbidden, or we are at our own limits."""
    forbidden = isinstance(error, FetchError) and error.permanent and error.status is None
    return forbidden or isinstance(error, (HostHeld, NothingLeft))
