"""Match + history + now → decision, and to whom it goes. A "no" has a reason too.

Pure: says what should happen; the outbox and the senders make it happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from monitor.core.hold import LOUDNESS
from monitor.core.names import kept_back_id, name_of
from monitor.core.scope import gate_of
from monitor.core.wire import notice_of
from monitor.model import (
    Alert,
    Channel,
    Decision,
    Entry,
    Level,
    Match,
    Notice,
    Origin,
    Pickup,
    Reason,
    Route,
    Silence,
    Standing,
    Verdict,
    Watchlist,
    record,
)

UNSENT = frozenset({Reason.SHADOW, Reason.SILENCED, Reason.FEED_SILENCED})  # decided and recorded, sent to nobody


@record
class Recipient:
    """One place an alert goes to, and how long it may wait there for more copies."""

    channel: str
    recipient: str
    wait: timedelta


def decide(
    match: Match,
    watchlist: Watchlist,
    entry: Entry,
    standing: Standing,
    *,
    now: datetime,
    seeding: bool,
    held: bool = False,
    remembered: Reason | None = None,
    silences: tuple[Silence, ...] = (),
) -> Decision:
    """What follows from a match.

    `standing` is the story's history before this copy. `seeding` says that the entry is backlog of a feed's first
    check: remembered, never alerted; `held` that its feed is in quarantine and it may be old; `remembered` says that it
    was one of these when it came in, and has only been edited. `silences` are those in
    force.
    """
    if match.verdict is Verdict.SILENT:
        return Decision(match=match, reason=match.reason)
    earlier = [
        told.level
        for told in standing.alerted
        if told.watchlist == watchlist.id and told.reason is not Reason.FEED_SILENCED
    ]
    if any(LOUDNESS[level] >= LOUDNESS[match.level] for level in earlier):
        return Decision(match=match, reason=Reason.ALREADY_ALERTED)
    if watchlist.max_age is not None and now - (entry.published_at or standing.first_seen_at) > watchlist.max_age:
        return Decision(match=match, reason=Reason.TOO_OLD)
    if seeding:
        return Decision(match=match, reason=Reason.BACKLOG)
    if held:
        return Decision(match=match, reason=Reason.QUARANTINED)
    if remembered is not None:
        return Decision(match=match, reason=remembered)
    if retracted(entry.slug) or any(retracted(pickup.slug) for pickup in standing.pickups):
        return Decision(match=match, reason=Reason.RETRACTED)
    reason = Reason.SHADOW if watchlist.shadow else Reason.BECAME_URGENT if earlier else Reason.MATCHED
    alert = alert_of(match, watchlist, entry, standing, reason, match.level, now)
    return hushed(Decision(match=match, reason=reason, alert=alert), entry, silences)


def hushed(decision: Decision, entry: Entry, silences: tuple[Silence, ...]) -> Decision:
    """The same decision, or (where a silence in force wants it kept back) one that is recorded and sent to nobody."""
    alert = decision.alert
    fitting = [silence for silence in silences if _silences(silence, alert, entry)]
    if not fitting or decision.reason is Reason.SHADOW:
        return decision
    kept_back = replace(alert, reason=Reason.SILENCED, silence=fitting[0].id)
    if all(silence.feed is not None for silence in fitting):  # another feed's copy may still tell of it
        id = kept_back_id(entry.feed, alert.id)
        kept_back = replace(kept_back, id=id, reason=Reason.FEED_SILENCED)
    return replace(decision, reason=kept_back.reason, alert=kept_back)


def retracted(slug: str | None) -> bool:
    """Whether a slug takes a story back for good."""
    return notice_of(slug) in (Notice.KILL, Notice.WITHDRAWAL)


def believes(
    watchlist: Watchlist, said_by: Entry | Pickup, id: str, pickups: Iterable[Pickup], origins: Mapping[str, Origin]
) -> bool:
    """Whether a watchlist believes what an entry (of this `id`) says of its story, that it is wrong or taken back: it
    has its feed in its scope, or the story from that feed, its outlet or its agency. Any other could take back what it
    does not like."""
    if gate_of(watchlist.scope).takes(origins.get(said_by.feed) or Origin(feed=said_by.feed)):
        return True
    return any(
        other.feed == said_by.feed
        or other.outlet == said_by.outlet
        or (said_by.credit is not None and other.credit == said_by.credit)
        for other in pickups
        if other.entry != id and not notice_of(other.slug)
    )


def heard(pickups: tuple[Pickup, ...], watchlist: Watchlist, origins: Mapping[str, Origin]) -> tuple[Pickup, ...]:
    """A story's copies, and of what they say of it only what this watchlist believes."""
    if not any(notice_of(pickup.slug) for pickup in pickups):
        return pickups
    return tuple(
        pickup
        if notice_of(pickup.slug) is None or believes(watchlist, pickup, pickup.entry, pickups, origins)
        else replace(pickup, slug=None)
        for pickup in pickups
    )


def alert_of(
    match: Match, watchlist: Watchlist, entry: Entry, standing: Standing, reason: Reason, occasion: str, now: datetime
) -> Alert:
    """The alert of a decision. `occasion` tells apart the alerts of one watchlist on one story: the same occasion has
    the same id, and so happens once."""
    return Alert(
        id=name_of("alert", watchlist.id, standing.story, occasion),
        watchlist=watchlist.id,
        watchlist_title=watchlist.title,
        story=standing.story,
        level=match.level or Level.NORMAL,
        score=match.score,
        reason=reason,
        title=entry.called,
        url=entry.url,
        created_at=now,
    )


def recipients_of(alert: Alert, routes: tuple[Route, ...], channels: tuple[Channel, ...]) -> tuple[Recipient, ...]:
    """Where an alert goes: the channels of the first route that fits (and of the following, where it says
    `continue`), each once. Without any route, every channel that is not the operator's."""
    if alert.reason in UNSENT:
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


def _silences(silence: Silence, alert: Alert, entry: Entry) -> bool:
    new_fact = alert.reason in (Reason.BECAME_URGENT, Reason.NEW_FIGURE)
    if silence.until_new_fact and new_fact:
        return False
    return (
        silence.watchlist in (None, alert.watchlist)
        and silence.story in (None, alert.story)
        and silence.feed in (None, entry.feed)
    )


def _fits(route: Route, alert: Alert) -> bool:
    watched = any(fnmatchcase(alert.watchlist, pattern) for pattern in route.watchlists)
    return watched and LOUDNESS[alert.level] >= LOUDNESS[route.min_level]


def _every_channel(channels: tuple[Channel, ...]) -> Route:
    return Route(channels=tuple(channel.name for channel in channels if not channel.operator))
