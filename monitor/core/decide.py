"""Match + history + now → decision, and to whom it goes. A "no" has a reason too.

Pure: says what should happen; the outbox and the senders make it happen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from monitor.core.names import name_of
from monitor.model import (
    Alert,
    Channel,
    Decision,
    Entry,
    Level,
    Match,
    Reason,
    Route,
    Standing,
    Verdict,
    Watchlist,
    record,
)

LOUDNESS = {Level.NORMAL: 0, Level.URGENT: 1}


@record
class Recipient:
    """One place an alert goes to, and how long it may wait there for more copies."""

    channel: str
    recipient: str
    wait: timedelta


def decide(
    match: Match, watchlist: Watchlist, entry: Entry, standing: Standing, *, now: datetime, seeding: bool
) -> Decision:
    """What follows from a match.

    `standing` is the story's history before this copy. `seeding` says that the entry is backlog of a feed's first
    check: remembered, never alerted.
    """
    if match.verdict is Verdict.SILENT:
        return Decision(match=match, reason=match.reason)
    earlier = [level for name, level, _ in standing.alerted if name == watchlist.id]
    if any(LOUDNESS[level] >= LOUDNESS[match.level] for level in earlier):
        return Decision(match=match, reason=Reason.ALREADY_ALERTED)
    if watchlist.max_age is not None and now - (entry.published_at or standing.first_seen_at) > watchlist.max_age:
        return Decision(match=match, reason=Reason.TOO_OLD)
    if seeding:
        return Decision(match=match, reason=Reason.BACKLOG)
    reason = Reason.SHADOW if watchlist.shadow else Reason.BECAME_URGENT if earlier else Reason.MATCHED
    return Decision(match=match, reason=reason, alert=_alert(match, watchlist, entry, standing, reason, now))


def recipients_of(alert: Alert, routes: tuple[Route, ...], channels: tuple[Channel, ...]) -> tuple[Recipient, ...]:
    """Where an alert goes: the channels of the first route that fits (and of the following, where it says
    `continue`), each once. Without any route, every channel that is not the operator's."""
    if alert.reason is Reason.SHADOW:
        return ()
    waits: dict[str, timedelta] = {}
    for route in routes or (_every_channel(channels),):
        if _fits(route, alert):
            for name in route.channels:
                waits.setdefault(name, timedelta(0) if alert.level is Level.URGENT else route.group_wait)
            if not route.continues:
                break
    return tuple(
        Recipient(channel=channel.name, recipient=recipient, wait=waits[channel.name])
        for channel in channels
        if channel.name in waits and LOUDNESS[alert.level] >= LOUDNESS[channel.min_level]
        for recipient in channel.recipients
    )


def _alert(
    match: Match, watchlist: Watchlist, entry: Entry, standing: Standing, reason: Reason, now: datetime
) -> Alert:
    return Alert(
        id=name_of("alert", watchlist.id, standing.story, match.level),
        watchlist=watchlist.id,
        watchlist_title=watchlist.title,
        story=standing.story,
        level=match.level,
        score=match.score,
        reason=reason,
        title=entry.title,
        url=entry.url,
        created_at=now,
    )


def _fits(route: Route, alert: Alert) -> bool:
    watched = any(fnmatchcase(alert.watchlist, pattern) for pattern in route.watchlists)
    return watched and LOUDNESS[alert.level] >= LOUDNESS[route.min_level]


def _every_channel(channels: tuple[Channel, ...]) -> Route:
    return Route(channels=tuple(channel.name for channel in channels if not channel.operator))
