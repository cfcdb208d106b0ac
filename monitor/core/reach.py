"""Is it the feeds, or the network? Where nobody answers, feeds are not to blame.

Decides with values only. That somebody answered, however badly, ends it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.model import record

FEEDS, HOSTS = 3, 2  # so many in vain, with no answer from anybody in between, are no coincidence …
TOGETHER = timedelta(minutes=15)  # … within this time


@record
class Vain:
    """One check that reached nobody."""

    feed: str
    host: str
    at: datetime


@record
class Reach:
    """The checks in vain since somebody last answered, oldest first; and since when that is everybody's trouble."""

    vain: tuple[Vain, ...] = ()
    offline_since: datetime | None = None

    def after(self, vain: Vain, *, hosts: int) -> Reach:
        """One more; `hosts` is how many there are to ask at all."""
        recent = (*(one for one in self.vain if vain.at - one.at <= TOGETHER and one.feed != vain.feed), vain)
        many = len(recent) >= FEEDS and len({one.host for one in recent}) >= min(HOSTS, hosts)
        since = self.offline_since or (recent[0].at if many else None)
        return Reach(vain=recent[-100:], offline_since=since)
