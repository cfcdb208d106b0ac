"""Until when a channel keeps an alert back: its times of day for digests, its quiet hours.

Local times of an IANA zone → instants. A time that a change of clocks skips is the first instant after the gap; one
that comes twice is the first of the two: so every day has exactly one of each.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from monitor.model import Channel, Hold, HoldReason, Level

LOUDNESS = {Level.NORMAL: 0, Level.URGENT: 1}


def hold_of(channel: Channel, level: Level, *, now: datetime, zone: tzinfo) -> Hold | None:
    """Until when this channel keeps an alert of this level back, or None where it goes at once."""
    if channel.digest:
        return Hold(reason=HoldReason.DIGEST, until=next_time(channel.digest, now=now, zone=zone))
    until = quiet_until(channel, level, now=now, zone=zone)
    return Hold(reason=HoldReason.QUIET_HOURS, until=until) if until else None


def quiet_until(channel: Channel, level: Level, *, now: datetime, zone: tzinfo) -> datetime | None:
    """When the channel's quiet hours end, where they hold back this level now; else None."""
    passes = channel.quiet_passes is not None and LOUDNESS[level] >= LOUDNESS[channel.quiet_passes]
    if channel.quiet is None or passes or not _within(now.astimezone(zone).time(), *channel.quiet):
        return None
    later = (now.astimezone(zone).date() + timedelta(days=offset) for offset in range(2))
    ends = (instant_of(day, channel.quiet[1], zone, second=second) for day in later for second in (False, True))
    return min(instant for instant in ends if instant > now)


def next_time(times: tuple[time, ...], *, now: datetime, zone: tzinfo) -> datetime:
    """The next instant, after `now`, at which it is one of these times of day in the zone. UTC."""
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=offset) for offset in range(-1, 4))
    return min(instant for day in days for at in times if (instant := instant_of(day, at, zone)) > now)


def instant_of(day: date, at: time, zone: tzinfo, *, second: bool = False) -> datetime:
    """When it is this time on this day in the zone, UTC: the first (or the second) of two, or the first after a gap."""
    local = datetime.combine(day, at)
    first, other = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return other if second else first
    return _end_of_gap(other, first, zone)


def _end_of_gap(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The instant between these two at which the zone's offset changes, to the second."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return after.replace(microsecond=0)


def _within(at: time, start: time, end: time) -> bool:
    return start <= at < end if start < end else at >= start or at < end
