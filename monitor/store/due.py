"""Every time at which something is due, moved together: when the clock jumps, and after a start.

Functions take an open transaction `tx`. Times of day (digests, the end of quiet hours) are the wall clock's, and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import DeliveryStatus, FeedStatus, HoldReason
from monitor.store.schema import MICROSECOND, channels, deliveries, feeds, hosts

MOVED = (
    feeds.c.next_check_at,
    feeds.c.not_before,
    feeds.c.lease_until,
    feeds.c.claimed_at,
    hosts.c.until,
    channels.c.paused_until,
)
# Reasons to hold something for so long, and until no time of day.
FOR_A_WHILE = (HoldReason.CATCH_UP, HoldReason.RATE_CAP, HoldReason.BACKLOG)


def shift(tx: sa.Connection, by: timedelta) -> None:
    """The clock went back: what was due in a minute is due in a minute still. `by` is negative."""
    for column in MOVED:
        tx.execute(column.table.update().values({column.name: _moved(column, by)}))
    unheld = sa.or_(
        deliveries.c.state.in_((DeliveryStatus.QUEUED, DeliveryStatus.SENDING)),
        sa.and_(deliveries.c.state == DeliveryStatus.HELD, deliveries.c.hold.in_(FOR_A_WHILE)),
    )
    moved = {name: _moved(deliveries.c[name], by) for name in ("next_attempt_at", "lease_until")}
    tx.execute(deliveries.update().where(unheld).values(moved))


def clamp(
    tx: sa.Connection,
    *,
    checks_by: datetime,
    gone_by: datetime,
    attempts_by: datetime,
    pauses_by: datetime,
    held_by: datetime,
) -> None:
    """Nothing is due later than it could have been made: the clock may have been ahead while nobody ran. `gone_by` is
    for feeds that are gone."""
    late = sa.and_(feeds.c.state != FeedStatus.GONE, feeds.c.next_check_at > checks_by)
    tx.execute(feeds.update().where(late).values(next_check_at=checks_by))
    latest_of = {
        feeds.c.next_check_at: gone_by,
        feeds.c.not_before: pauses_by,
        hosts.c.until: pauses_by,
        channels.c.paused_until: pauses_by,
    }
    for column, latest in latest_of.items():
        tx.execute(column.table.update().where(column > latest).values({column.name: latest}))
    late = sa.and_(deliveries.c.state == DeliveryStatus.QUEUED, deliveries.c.next_attempt_at > attempts_by)
    tx.execute(deliveries.update().where(late).values(next_attempt_at=attempts_by))
    held = sa.and_(deliveries.c.state == DeliveryStatus.HELD, deliveries.c.next_attempt_at > held_by)
    tx.execute(deliveries.update().where(held).values(next_attempt_at=held_by))


def spread_overdue(tx: sa.Connection, now: datetime, turns: Callable[[Sequence[str]], Mapping[str, timedelta]]) -> int:
    """Known feeds that are all overdue at once (after a start, or a sleep) take their turns. Returns how many.

    `turns` gives each feed's own moment, as a span from now.
    """
    overdue = sa.and_(feeds.c.configured, feeds.c.seeded_at.is_not(None), feeds.c.next_check_at <= now)
    names = tx.execute(sa.select(feeds.c.name).where(overdue)).scalars().all()
    for name, wait in turns(names).items():
        tx.execute(feeds.update().where(feeds.c.name == name).values(next_check_at=now + wait))
    return len(names)


def _moved(column: sa.Column, by: timedelta) -> sa.ColumnElement:
    return sa.type_coerce(column, sa.BigInteger) + sa.literal(by // MICROSECOND, sa.BigInteger)
