"""Where an alert would go, and when, or what silences it: a configuration's routes and channels and the silences in
force, asked without sending anything."""

from __future__ import annotations

from datetime import datetime

from monitor.config import Config
from monitor.core.decide import hushed, recipients_of
from monitor.core.hold import hold_of
from monitor.model import Alert, Decision, Entry, Match, Reason, Silence, record


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
    alert = _alert(match, "", now)
    channels = {channel.name: channel.record() for channel in config.channels}
    found = []
    for to in recipients_of(alert, config.routes, tuple(channels.values())):
        hold = hold_of(channels[to.channel], match.level, now=now, zone=config.zone)
        at = max(hold.until if hold else now, now + to.wait)
        found.append(Way(channel=to.channel, at=at, hold=hold.reason if hold else "group_wait" if to.wait else None))
    return tuple(found)


def silence_of(
    match: Match, entry: Entry, story: str | None, silences: tuple[Silence, ...], *, shadow: bool, now: datetime
) -> Silence | None:
    """Which of the silences in force would keep back the alert of a match now; None where none does."""
    if match.level is None or shadow:
        return None
    decision = Decision(match=match, reason=Reason.MATCHED, alert=_alert(match, story or "", now))
    kept_back_by = hushed(decision, entry, silences).alert.silence
    return next((silence for silence in silences if silence.id == kept_back_by), None)


def _alert(match: Match, story: str, now: datetime) -> Alert:
    return Alert(
        id="", watchlist=match.watchlist, watchlist_title="", story=story, level=match.level, score=match.score,
        reason=Reason.MATCHED, title="", url="", created_at=now,
    )  # fmt: skip
