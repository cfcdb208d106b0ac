"""Is it the feeds, or the network? Where nobody answers, feeds are not to blame.

Decides with values only. That somebody answered, however badly, ends it. Feeds that stayed silent when it ended are
their own trouble: they do not begin it again, unless nobody else answers for long.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.model import record

FEEDS, HOSTS = 3, 2  # so many in vain, with no answer from anybody in between, are no coincidence …
TOGETHER = timedelta(minutes=15)  # … within this time
SILENCE = timedelta(hours=1)  # nobody answered for so long: every check in vain counts


@record
class Vain:
    """One check that reached nobody; `answered_at` is when the feed last answered well."""

    feed: str
    host: str
    at: datetime
    answered_at: datetime | None


@record
class Reach:
    """The checks in vain since somebody last answered, oldest first; and since when that is everybody's trouble."""

    vain: tuple[Vain, ...] = ()
    offline_since: datetime | None = None
    answered_at: datetime | None = None  # somebody
    back_at: datetime | None = None  # when it was last over

    def after(self, vain: Vain, *, hosts: int) -> Reach:
        """One more in vain; `hosts` is how many there are to ask at all."""
        if not self._counts(vain):
            return self
        recent = (*(one for one in self.vain if vain.at - one.at <= TOGETHER and one.feed != vain.feed), vain)
        many = len(recent) >= FEEDS and len({one.host for one in recent}) >= min(HOSTS, hosts)
        since = self.offline_since or (recent[0].at if many else None)
        return replace(self, vain=recent[-100:], offline_since=since)

    def answered(self, now: datetime) -> Reach:
        """Somebody answered."""
        return Reach(answered_at=now, back_at=self.back_at if self.offline_since is None else now)

    def _counts(self, vain: Vain) -> bool:
        if self.back_at is None or (vain.answered_at is not None and vain.answered_at >= self.back_at):
            return True
        return self.answered_at is None or vain.at - self.answered_at > SILENCE
