"""The outbox: the only place where the half that listens and the half that speaks meet.

Functions take an open transaction `tx`. A delivery is claimed (and the claim committed) before it is sent, and
settled after; when to try again is decided in core/pace.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import Delivery, DeliveryStatus, Level, Message, Sent, Waiting
from monitor.store.database import chunks, insert_new, upsert
from monitor.store.schema import UtcTime, alerts, channels, deliveries

LEASE = timedelta(minutes=10)  # longer than any send may take
EVERYBODY = "*"  # for a pause: all recipients of a channel
WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.HELD)


def enqueue(tx: sa.Connection, new: Iterable[Delivery], rewritten: Iterable[Waiting] = ()) -> None:
    """Put deliveries into the outbox, and replace messages of those that nobody has tried yet."""
    insert_new(tx, deliveries, [_row(delivery) for delivery in new])
    for waiting in rewritten:
        tx.execute(
            deliveries.update()
            .where(deliveries.c.id == waiting.delivery, deliveries.c.attempts == 0, deliveries.c.state.in_(WAITING))
            .values(message=_message_json(waiting.message))
        )


def claim(tx: sa.Connection, channel: str, now: datetime, *, ignore_group_wait: bool = False) -> Delivery | None:
    """Claim the oldest delivery of a channel that is due, or None. The caller commits before it sends.

    `ignore_group_wait` takes those that only wait for more copies of their story (one-shot runs: the pass that
    collects copies is over), never those that wait after a failed attempt or are held.
    """
    oldest = (
        sa.select(deliveries.c.seq)
        .where(deliveries.c.channel == channel, *_due(now, ignore_group_wait))
        .order_by(deliveries.c.next_attempt_at, deliveries.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    claimed = tx.execute(
        deliveries.update()
        .where(deliveries.c.seq == oldest, deliveries.c.state.in_(WAITING))
        .values(
            state=DeliveryStatus.SENDING,
            attempts=deliveries.c.attempts + 1,
            first_attempt_at=sa.func.coalesce(deliveries.c.first_attempt_at, sa.literal(now, UtcTime())),
            lease_until=now + LEASE,
        )
        .returning(deliveries)
    ).mappings()
    row = claimed.one_or_none()
    return _delivery(row) if row else None


def settle_delivered(tx: sa.Connection, delivery: str, sent: Sent, now: datetime) -> None:
    """The server accepted it."""
    _settle(tx, delivery, state=DeliveryStatus.DELIVERED, sent_at=now, remote_id=sent.remote_id, error=None)


def settle_retry(
    tx: sa.Connection, delivery: str, *, error: str, next_attempt_at: datetime, burn_attempt: bool = True
) -> None:
    """It goes again later. `burn_attempt=False`: the channel was at fault, not the message."""
    values = {} if burn_attempt else {"attempts": deliveries.c.attempts - 1, "first_attempt_at": None}
    _settle(tx, delivery, state=DeliveryStatus.QUEUED, error=error, next_attempt_at=next_attempt_at, **values)


def settle_plain(tx: sa.Connection, delivery: str, *, message: Message, error: str, now: datetime) -> None:
    """The server refused this message for good; it goes once more in its plainest form."""
    values = {"message": _message_json(message), "plain": True, "next_attempt_at": now}
    _settle(tx, delivery, state=DeliveryStatus.QUEUED, error=error, **values)


def settle_dead(tx: sa.Connection, delivery: str, *, error: str) -> None:
    """It will not be tried again by itself; `wirewatch alerts retry` can."""
    _settle(tx, delivery, state=DeliveryStatus.DEAD, error=error)


def recover(tx: sa.Connection, now: datetime) -> int:
    """Queue again what an instance that died had in hand: whether it was accepted is unknown, so it goes again
    under the same id. Called by the one that holds the instance lock. Returns how many."""
    return _queue_again(tx, deliveries.c.state == DeliveryStatus.SENDING, now)


def cancel_unknown_channels(tx: sa.Connection, known: Iterable[str]) -> int:
    """Cancel what waits for channels that are no longer configured, and forget their pauses. Returns how many."""
    known = tuple(known)
    gone = sa.and_(deliveries.c.state.in_(WAITING), deliveries.c.channel.not_in(known))
    tx.execute(channels.delete().where(channels.c.name.not_in(known)))
    return tx.execute(
        deliveries.update().where(gone).values(state=DeliveryStatus.CANCELLED, error="the channel was removed")
    ).rowcount


def retry(tx: sa.Connection, ids: Iterable[str], now: datetime) -> int:
    """Queue dead deliveries of these alerts (or these deliveries) again. Returns how many."""
    ids = tuple(ids)
    chosen = sa.or_(deliveries.c.alert.in_(ids), deliveries.c.id.in_(ids))
    return tx.execute(
        deliveries.update()
        .where(chosen, deliveries.c.state.in_((DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)))
        .values(state=DeliveryStatus.QUEUED, next_attempt_at=now, first_attempt_at=None, attempts=0)
    ).rowcount


def due_channels(tx: sa.Connection, now: datetime, *, ignore_group_wait: bool = False) -> tuple[str, ...]:
    """Channels for which something is due and which are not paused."""
    statement = sa.select(deliveries.c.channel).where(*_due(now, ignore_group_wait))
    return tuple(tx.execute(statement.distinct().order_by(deliveries.c.channel)).scalars())


def pause(
    tx: sa.Connection, channel: str, *, recipient: str = EVERYBODY, until: datetime, suspended: bool, error: str
) -> None:
    """Nothing goes to this recipient (or anybody) of a channel before `until`; `suspended`: it is broken and will then
    be probed."""
    row = {"name": channel, "recipient": recipient, "paused_until": until, "suspended": suspended, "last_error": error}
    upsert(tx, channels, [row])


def resume(tx: sa.Connection, channel: str, recipient: str) -> None:
    """The recipient's channel works (again)."""
    works = sa.and_(channels.c.name == channel, channels.c.recipient.in_((recipient, EVERYBODY)))
    tx.execute(channels.delete().where(works))


def probe_all(tx: sa.Connection) -> None:
    """Forget suspensions: the operator may have mended what was broken, so all are tried at once."""
    tx.execute(channels.delete().where(channels.c.suspended))


def requeue_expired(tx: sa.Connection, now: datetime) -> int:
    """Queue again what was claimed and never settled (the database was full in between). Returns how many."""
    expired = sa.and_(deliveries.c.state == DeliveryStatus.SENDING, deliveries.c.lease_until < now)
    return _queue_again(tx, expired, now)


def list_channels(tx: sa.Connection) -> tuple[sa.RowMapping, ...]:
    """What is paused or suspended."""
    return tuple(tx.execute(sa.select(channels).order_by(channels.c.name, channels.c.recipient)).mappings())


def list_alerts(tx: sa.Connection, *, since: datetime) -> tuple[sa.RowMapping, ...]:
    """Alerts decided since then, newest first."""
    statement = sa.select(alerts).where(alerts.c.created_at >= since)
    return tuple(tx.execute(statement.order_by(alerts.c.created_at.desc(), alerts.c.id)).mappings())


def list_deliveries(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[sa.RowMapping, ...]]:
    """Where the deliveries of these alerts stand, by alert."""
    found: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for part in chunks(ids):
        statement = sa.select(deliveries).where(deliveries.c.alert.in_(part)).order_by(deliveries.c.seq)
        for row in tx.execute(statement).mappings():
            found[row["alert"]].append(row)
    return {alert: tuple(rows) for alert, rows in found.items()}


def depth(tx: sa.Connection) -> dict[str, int]:
    """How many deliveries are in each state."""
    counted = sa.select(deliveries.c.state, sa.func.count()).group_by(deliveries.c.state)
    return {state: count for state, count in tx.execute(counted)}


def oldest_waiting_at(tx: sa.Connection) -> datetime | None:
    """When the oldest delivery that still waits was decided."""
    waits = deliveries.c.state.in_((*WAITING, DeliveryStatus.SENDING))
    return tx.execute(sa.select(sa.func.min(deliveries.c.created_at)).where(waits)).scalar()


def forget_old(tx: sa.Connection, *, settled_before: datetime) -> int:
    """Delete deliveries that were decided before then and have ended; their alerts stay, so that nothing alerts again.
    Returns how many."""
    ended = sa.and_(
        deliveries.c.state.not_in((*WAITING, DeliveryStatus.SENDING)), deliveries.c.created_at < settled_before
    )
    return tx.execute(deliveries.delete().where(ended)).rowcount


def message_from(text: str) -> Message:
    """The message that a row holds."""
    values = json.loads(text)
    return Message(**{**values, "level": Level(values["level"]), "why": tuple(values["why"])})


def _message_json(message: Message) -> str:
    return json.dumps(asdict(message), ensure_ascii=False)


def _due(now: datetime, ignore_group_wait: bool) -> tuple[sa.ColumnElement[bool], ...]:
    """What may go now; with `ignore_group_wait` also what nobody has tried and nothing holds."""
    its_time = deliveries.c.next_attempt_at <= now
    if ignore_group_wait:
        untried = sa.and_(deliveries.c.attempts == 0, deliveries.c.state == DeliveryStatus.QUEUED)
        its_time = sa.or_(its_time, untried)
    return deliveries.c.state.in_(WAITING), its_time, _not_paused(now)


def _queue_again(tx: sa.Connection, in_hand: sa.ColumnElement[bool], now: datetime) -> int:
    values = {"state": DeliveryStatus.QUEUED, "next_attempt_at": now, "lease_until": None}
    return tx.execute(deliveries.update().where(in_hand).values(**values)).rowcount


def _not_paused(now: datetime) -> sa.ColumnElement[bool]:
    paused = sa.select(channels.c.name).where(
        channels.c.name == deliveries.c.channel,
        channels.c.recipient.in_((deliveries.c.recipient, EVERYBODY)),
        channels.c.paused_until > now,
    )
    return ~paused.exists()


def _settle(tx: sa.Connection, delivery: str, **values) -> None:
    tx.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery, deliveries.c.state == DeliveryStatus.SENDING)
        .values(lease_until=None, **values)
    )


def _row(delivery: Delivery) -> dict:
    return {
        "id": delivery.id,
        "alert": delivery.alert,
        "channel": delivery.channel,
        "recipient": delivery.recipient,
        "revision": delivery.revision,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "plain": False,
        "message": _message_json(delivery.message),
    }


def _delivery(row: sa.RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        alert=row["alert"],
        channel=row["channel"],
        recipient=row["recipient"],
        revision=row["revision"],
        message=message_from(row["message"]),
        state=DeliveryStatus(row["state"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        next_attempt_at=row["next_attempt_at"],
        first_attempt_at=row["first_attempt_at"],
        plain=row["plain"],
    )
