"""Mute a watchlist, a story or a feed for a while, list what is muted, end it. Short transactions beside a daemon."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from monitor.core.names import kept_back_id, name_of
from monitor.errors import MonitorError
from monitor.model import Silence, record
from monitor.store import outbox, silences, stories

LOOKBACK = timedelta(days=7)  # ended silences stay on the list for so long


@record
class Added:
    """A silence that has just begun, and how many messages that waited it cancelled."""

    silence: Silence
    cancelled: int


@record
class Listed:
    """A silence, and what it keeps back."""

    silence: Silence
    in_force: bool
    kept_back: int  # alerts


def add(
    tx: sa.Connection,
    *,
    now: datetime,
    watchlist: str | None,
    story: str | None,
    feed: str | None,
    span: timedelta,
    until_new_fact: bool,
    comment: str,
) -> Added:
    """Put a silence of one of the three in force. Raises MonitorError where there is no such story."""
    silence = Silence(
        id=name_of("silence", watchlist or "", story or "", feed or "", now.isoformat())[:8],
        watchlist=watchlist,
        story=_story_id(tx, story) if story is not None else None,
        feed=feed,
        starts_at=now,
        ends_at=now + span,
        until_new_fact=until_new_fact,
        comment=comment,
    )
    silences.add(tx, silence)
    said = silences.said_of(silence.id)
    if feed is None:
        cancelled = outbox.cancel_silenced(tx, watchlist=silence.watchlist, story=silence.story, error=said)
    else:
        kept_back_as = partial(kept_back_id, feed)
        cancelled = outbox.cancel_of_feed(tx, feed, silence=silence.id, kept_back_as=kept_back_as, error=said)
    return Added(silence=silence, cancelled=cancelled)


def list_all(tx: sa.Connection, *, now: datetime) -> tuple[Listed, ...]:
    """Silences in force, and those that ended within a week."""
    kept_back = silences.kept_back(tx)
    return tuple(
        Listed(silence=silence, in_force=silence.ends_at > now, kept_back=kept_back.get(silence.id, 0))
        for silence in silences.list_silences(tx, ended_after=now - LOOKBACK)
    )


def end(tx: sa.Connection, silence: str, *, now: datetime) -> str:
    """End a silence now. Returns its id; raises MonitorError where none in force has it."""
    if not silences.end(tx, silence, now):
        raise MonitorError(f"no silence {silence!r} is in force; `wirewatch silence list` shows them")
    return silence


def _story_id(tx: sa.Connection, prefix: str) -> str:
    row = stories.find_story(tx, prefix)
    if row is None:
        raise MonitorError(f"no story's id is, or begins uniquely with, {prefix!r}; `wirewatch stories` lists them")
    return row["id"]
