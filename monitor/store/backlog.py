"""What waits for one channel and goes together: held back on purpose, or too much to go one by one.

Functions take an open transaction `tx`. What is merged, and into which message, is decided in digests.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model import Delivery, DeliveryKind, DeliveryStatus, HoldReason, Level, record
from monitor.store.channels import not_paused
from monitor.store.database import chunks
from monitor.store.letters import delivery_of, row_of
from monitor.store.schema import deliveries

IMPERATIVE = ("correction", "kill", "withdrawn")  # marks of messages that nothing holds back


@record
class Heap:
    """Deliveries of one recipient that go together."""

    recipient: str
    hold: HoldReason
    watchlist: str | None = None  # a rate cap is one watchlist's
    count: int = 0


def due_heaps(tx: sa.Connection, channel: str, now: datetime, *, ignore_wait: bool = False) -> tuple[Heap, ...]:
    """What was held back and may go now; `ignore_wait`: also what still collects after an outage."""
    its_time = deliveries.c.next_attempt_at <= now
    if ignore_wait:
        its_time = sa.or_(its_time, deliveries.c.hold == HoldReason.CATCH_UP)
    whose = sa.case((deliveries.c.hold == HoldReason.RATE_CAP, deliveries.c.watchlist)).label("whose")
    statement = (
        sa.select(deliveries.c.recipient, deliveries.c.hold, whose)
        .where(deliveries.c.channel == channel, _is_held(), its_time, not_paused(now))
        .group_by(deliveries.c.recipient, deliveries.c.hold, whose)
        .order_by(sa.func.min(deliveries.c.next_attempt_at))
    )
    heaps = (
        Heap(recipient=row.recipient, hold=HoldReason(row.hold), watchlist=row.whose) for row in tx.execute(statement)
    )
    return tuple(_counted(tx, channel, heap, now) for heap in heaps)


def crowds(tx: sa.Connection, channel: str, now: datetime) -> dict[str, int]:
    """How many alerts are due for each recipient, one by one."""
    statement = (
        sa.select(deliveries.c.recipient, sa.func.count().label("waiting"))
        .where(deliveries.c.channel == channel, *_is_due_single(now))
        .group_by(deliveries.c.recipient)
    )
    return {row.recipient: row.waiting for row in tx.execute(statement)}


def hold_back(tx: sa.Connection, channel: str, recipient: str, now: datetime) -> None:
    """All alerts that are due for a recipient go as digests, one after another."""
    crowd = sa.and_(deliveries.c.channel == channel, deliveries.c.recipient == recipient, *_is_due_single(now))
    values = {"state": DeliveryStatus.HELD, "hold": HoldReason.BACKLOG}
    tx.execute(deliveries.update().where(crowd).values(**values))


def rows_of(tx: sa.Connection, channel: str, heap: Heap, now: datetime, *, limit: int) -> tuple[Delivery, ...]:
    """The oldest deliveries of a heap."""
    statement = sa.select(deliveries).where(_in_heap(channel, heap, now)).order_by(deliveries.c.seq).limit(limit)
    return tuple(map(delivery_of, tx.execute(statement).mappings()))


def release(tx: sa.Connection, ids: Sequence[str]) -> None:
    """They may go by themselves."""
    values = {"state": DeliveryStatus.QUEUED, "hold": None}
    tx.execute(deliveries.update().where(deliveries.c.id.in_(ids)).values(**values))


def merge(tx: sa.Connection, digest: Delivery, ids: Sequence[str]) -> None:
    """These deliveries go in one: the digest waits in their place."""
    tx.execute(deliveries.insert(), [row_of(digest)])
    values = {"state": DeliveryStatus.MERGED, "hold": None, "merged_into": digest.id}
    for part in chunks(ids):
        tx.execute(deliveries.update().where(deliveries.c.id.in_(part)).values(**values))


def failing_digests(tx: sa.Connection, channel: str) -> tuple[Delivery, ...]:
    """Digests that were tried and certainly not accepted: what has come since can go with what they hold."""
    statement = sa.select(deliveries).where(
        deliveries.c.channel == channel,
        deliveries.c.kind == DeliveryKind.DIGEST,
        deliveries.c.state == DeliveryStatus.QUEUED,
        deliveries.c.attempts > 0,
        ~deliveries.c.doubt,
    )
    return tuple(map(delivery_of, tx.execute(statement).mappings()))


def dissolve(tx: sa.Connection, digest: str) -> None:
    """Take a digest apart: its alerts wait again as they did."""
    values = {"state": DeliveryStatus.QUEUED, "merged_into": None}
    tx.execute(deliveries.update().where(deliveries.c.merged_into == digest).values(**values))
    tx.execute(deliveries.delete().where(deliveries.c.id == digest))


def expire(tx: sa.Connection, channel: str, recipient: str, *, created_before: datetime, error: str) -> int:
    """End what has waited too long for a recipient that does not work. Returns how many."""
    waits = sa.and_(
        deliveries.c.channel == channel,
        deliveries.c.recipient == recipient,
        deliveries.c.state == DeliveryStatus.QUEUED,
        deliveries.c.kind != DeliveryKind.DIGEST,
        deliveries.c.created_at < created_before,
    )
    return tx.execute(deliveries.update().where(waits).values(state=DeliveryStatus.DEAD, error=error)).rowcount


def hold_quiet(tx: sa.Connection, channel: str, levels: Iterable[Level], *, now: datetime, until: datetime) -> None:
    """Quiet hours have begun: what is due and not loud enough waits until they end, but for corrections and kills, and
    what may have arrived already."""
    due = sa.and_(
        deliveries.c.channel == channel,
        deliveries.c.level.in_(tuple(levels)),
        deliveries.c.kind.in_((DeliveryKind.ALERT, DeliveryKind.DIGEST)),
        sa.or_(_is_held(), sa.and_(deliveries.c.state == DeliveryStatus.QUEUED, ~deliveries.c.doubt)),
        deliveries.c.next_attempt_at <= now,
        deliveries.c.mark.not_in(IMPERATIVE),
    )
    values = {"state": DeliveryStatus.HELD, "hold": HoldReason.QUIET_HOURS, "next_attempt_at": until}
    tx.execute(deliveries.update().where(due).values(**values))


def _counted(tx: sa.Connection, channel: str, heap: Heap, now: datetime) -> Heap:
    count = tx.execute(
        sa.select(sa.func.count()).select_from(deliveries).where(_in_heap(channel, heap, now))
    ).scalar_one()
    return Heap(recipient=heap.recipient, hold=heap.hold, watchlist=heap.watchlist, count=count)


def _in_heap(channel: str, heap: Heap, now: datetime) -> sa.ColumnElement[bool]:
    """All of a kind that was held back goes when the first of it may, so that nothing trickles after its digest."""
    here = sa.and_(deliveries.c.channel == channel, deliveries.c.recipient == heap.recipient)
    held = sa.and_(here, deliveries.c.state == DeliveryStatus.HELD, deliveries.c.hold == heap.hold)
    if heap.hold is HoldReason.CATCH_UP:
        return held
    held = sa.and_(held, deliveries.c.next_attempt_at <= now)
    return held if heap.watchlist is None else sa.and_(held, deliveries.c.watchlist == heap.watchlist)


def _is_held() -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.state == DeliveryStatus.HELD, deliveries.c.hold != HoldReason.AMBIGUOUS)


def _is_due_single(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Alerts that can go now and certainly did not arrive yet."""
    return (
        deliveries.c.state == DeliveryStatus.QUEUED,
        deliveries.c.kind == DeliveryKind.ALERT,
        ~deliveries.c.doubt,
        deliveries.c.next_attempt_at <= now,
        not_paused(now),
        deliveries.c.mark.not_in(IMPERATIVE),
    )
