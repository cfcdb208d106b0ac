"""Where an alert would go, and when: the routes and channels of a configuration, asked without sending anything."""

from __future__ import annotations

from datetime import datetime

from monitor.config import Config
from monitor.core.decide import recipients_of
from monitor.core.hold import hold_of
from monitor.model import Alert, Match, Reason, record


@record
class Way:
    """One channel that an alert would take."""

    channel: str
    at: datetime  # at the earliest
    hold: str | None = None  # why not at once


def ways_of(match: Match, config: Config, *, shadow: bool, now: datetime) -> tuple[Way, ...]:
    """The channels that a match would reach now, in the order of the configuration; none for a silent verdict."""
    if match.level is None or shadow:
        return ()
    alert = Alert(
        id="", watchlist=match.watchlist, watchlist_title="", story="", level=match.level, score=match.score,
        reason=Reason.MATCHED, title="", url="", created_at=now,
    )  # fmt: skip
    channels = {channel.name: channel.record() for channel in config.channels}
    found = []
    for to in recipients_of(alert, config.routes, tuple(channels.values())):
        hold = hold_of(channels[to.channel], match.level, now=now, zone=config.zone)
        at = max(hold.until if hold else now, now + to.wait)
        found.append(Way(channel=to.channel, at=at, hold=hold.reason if hold else "group_wait" if to.wait else None))
    return tuple(found)
