"""What the outbox holds, read: alerts, where their deliveries stand, and rows as records.

Functions take an open transaction `tx`. Changes nothing; store/outbox.py and store/backlog.py do.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from monitor.model import (
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    HoldReason,
    Level,
    Message,
    Placed,
    Waiting,
)
from monitor.store.database import chunks
from monitor.store.schema import alerts, deliveries
from monitor.store.search import holds

REMOVED = "its channel, or this address of it, was removed"
WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.HELD)
ENDED_UNSENT = (DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)
IS_UNTRIED = sa.and_(deliveries.c.state.in_(WAITING), ~deliveries.c.doubt)  # it has certainly not arrived
IS_LETTER = deliveries.c.kind != DeliveryKind.DIGEST  # an alert or a notice itself, not a digest that holds some
IS_DEAD = sa.and_(IS_LETTER, deliveries.c.state == DeliveryStatus.DEAD)
IS_WAITING = sa.and_(IS_LETTER, deliveries.c.state.in_((*WAITING, DeliveryStatus.SENDING)))
_digest = deliveries.alias()
WAITS_IN_DIGEST = (
    sa.exists()
    .where(_digest.c.id == deliveries.c.merged_into, _digest.c.state.in_(WAITING), ~_digest.c.doubt)
    .correlate(deliveries)
)  # which has certainly not arrived, and can be taken apart
IS_REMOVED = sa.and_(IS_LETTER, deliveries.c.state == DeliveryStatus.CANCELLED, deliveries.c.error == REMOVED)
IS_IN_DOUBT = sa.and_(deliveries.c.state == DeliveryStatus.HELD, deliveries.c.hold == HoldReason.AMBIGUOUS)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def messages_on(
    tx: sa.Connection, stories: Sequence[str]
) -> tuple[dict[str, tuple[Waiting, ...]], dict[str, tuple[Placed, ...]]]:
    """Messages on these stories, by story: those that nobody has tried, and those that recipients may have."""
    waiting: defaultdict[str, list[Waiting]] = defaultdict(list)
    placed: defaultdict[str, dict[tuple[str, str, str], Placed]] = defaultdict(dict)
    for part in chunks(stories):
        statement = (
            sa.select(alerts.c.story, deliveries, WAITS_IN_DIGEST.label("waits_in_digest"))
            .join(deliveries, deliveries.c.alert == alerts.c.id)
            .where(alerts.c.story.in_(part))
            .order_by(deliveries.c.revision, deliveries.c.seq)
        )
        for row in tx.execute(statement).mappings():
            place = (row["alert"], row["channel"], row["recipient"])
            known = placed[row["story"]].get(place)
            if (row["state"] in WAITING and not row["doubt"]) or row["waits_in_digest"]:
                waiting[row["story"]].append(_waiting(row))
            elif row["kind"] == DeliveryKind.ALERT and (row["state"] not in ENDED_UNSENT or row["doubt"]):
                placed[row["story"]][place] = _placed(row)
            if row["kind"] == DeliveryKind.EDIT and known:
                placed[row["story"]][place] = _edited(known, row)
    return (
        {story: tuple(found) for story, found in waiting.items()},
        {story: tuple(found.values()) for story, found in placed.items()},
    )


def singles_since(tx: sa.Connection, since: datetime) -> dict[tuple[str, Level], int]:
    """How many alerts of each watchlist went one by one since then, by its level."""
    together = sa.or_(deliveries.c.state == DeliveryStatus.MERGED, deliveries.c.hold.is_not(None))
    statement = (
        sa.select(alerts.c.watchlist, alerts.c.level, sa.func.count(alerts.c.id.distinct()))
        .join(deliveries, deliveries.c.alert == alerts.c.id)
        .where(alerts.c.created_at > since, deliveries.c.kind == DeliveryKind.ALERT, ~together)
        .group_by(alerts.c.watchlist, alerts.c.level)
    )
    return {(watchlist, Level(level)): count for watchlist, level, count in tx.execute(statement)}


def list_alerts(
    tx: sa.Connection,
    *,
    since: datetime,
    silence: str | None = None,
    watchlist: str | None = None,
    story: str | None = None,
    search: str | None = None,
    limit: int | None = None,
    skip: int = 0,
) -> tuple[sa.RowMapping, ...]:
    """Alerts decided since then, newest first: all, or those that a silence kept back, of a watchlist, on a story, or
    with this text in the headline; `limit` of them after the first `skip`.
    """
    statement = sa.select(alerts).where(alerts.c.created_at >= since)
    if silence is not None:
        statement = statement.where(alerts.c.silence == silence)
    if watchlist is not None:
        statement = statement.where(alerts.c.watchlist == watchlist)
    if story is not None:
        statement = statement.where(alerts.c.story == story)
    if search is not None:
        statement = statement.where(holds(alerts.c.title, search))
    statement = statement.order_by(alerts.c.created_at.desc(), alerts.c.id).limit(limit).offset(skip)
    return tuple(tx.execute(statement).mappings())


def list_undelivered(tx: sa.Connection) -> tuple[Mapping[str, Any], ...]:
    """Alerts of which a delivery is dead, in doubt (by itself or in a digest) or lost its channel, whatever their age,
    newest first; and as if they were such the operator's notices."""
    troubled = sa.or_(IS_DEAD, IS_IN_DOUBT, IS_REMOVED)
    in_doubt = sa.select(deliveries.c.id).where(IS_IN_DOUBT, ~IS_LETTER)
    ids = sa.select(deliveries.c.alert).where(sa.or_(troubled, deliveries.c.merged_into.in_(in_doubt)))
    found: list[Mapping[str, Any]] = list(tx.execute(sa.select(alerts).where(alerts.c.id.in_(ids))).mappings())
    is_notice = deliveries.c.kind == DeliveryKind.NOTICE
    notices = tx.execute(sa.select(deliveries).where(troubled, is_notice).order_by(deliveries.c.seq)).mappings()
    found += {row["alert"]: _as_alert(row) for row in notices}.values()
    return tuple(sorted(found, key=lambda row: (row["created_at"], row["id"]), reverse=True))


def _as_alert(notice: sa.RowMapping) -> dict[str, Any]:
    values = dict.fromkeys(column.name for column in alerts.columns)
    about = {"id": notice["alert"], "title": message_from(notice["message"]).title, "reason": "notice"}
    return values | {name: notice[name] for name in ("level", "created_at")} | about


def find_alert(tx: sa.Connection, alert: str) -> sa.RowMapping | None:
    """One alert."""
    return tx.execute(sa.select(alerts).where(alerts.c.id == alert)).mappings().one_or_none()


def alert_times(tx: sa.Connection, *, since: datetime) -> tuple[tuple[str, datetime], ...]:
    """Watchlist and time of each alert decided since then, oldest first."""
    statement = sa.select(alerts.c.watchlist, alerts.c.created_at).where(alerts.c.created_at >= since)
    return tuple((row.watchlist, row.created_at) for row in tx.execute(statement.order_by(alerts.c.created_at)))


def list_deliveries(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[sa.RowMapping, ...]]:
    """Where the deliveries of these alerts stand, by alert."""
    found: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for part in chunks(ids):
        statement = sa.select(deliveries).where(deliveries.c.alert.in_(part)).order_by(deliveries.c.seq)
        for row in tx.execute(statement).mappings():
            found[row["alert"]].append(row)
    return {alert: tuple(rows) for alert, rows in found.items()}


def count_by_channel(tx: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[str, int]:
    """How many deliveries of each channel fit a condition such as IS_DEAD."""
    counted = sa.select(deliveries.c.channel, sa.func.count()).where(condition).group_by(deliveries.c.channel)
    return {channel: count for channel, count in tx.execute(counted)}


def depth(tx: sa.Connection) -> dict[str, int]:
    """How many deliveries are in each state; digests do not count beside the alerts that they hold."""
    counted = sa.select(deliveries.c.state, sa.func.count()).where(IS_LETTER).group_by(deliveries.c.state)
    return {state: count for state, count in tx.execute(counted)}


def oldest_waiting_at(tx: sa.Connection) -> datetime | None:
    """When the oldest delivery that should have gone was decided; what is held back on purpose does not count."""
    goes = deliveries.c.state.in_((DeliveryStatus.QUEUED, DeliveryStatus.SENDING))
    waits = sa.and_(goes, deliveries.c.kind != DeliveryKind.EDIT)
    return tx.execute(sa.select(sa.func.min(deliveries.c.created_at)).where(waits)).scalar()


# ── rows and records ─────────────────────────────────────────────────────────────────────────────


def message_from(text: str) -> Message:
    """The message that a row holds."""
    values = json.loads(text)
    return Message(**{**values, "level": Level(values["level"]), "why": tuple(values["why"])})


def row_of(delivery: Delivery) -> dict:
    """A new delivery as its row."""
    return {
        "id": delivery.id,
        "alert": delivery.alert,
        "channel": delivery.channel,
        "recipient": delivery.recipient,
        "revision": delivery.revision,
        "kind": delivery.kind,
        "level": delivery.message.level,
        "mark": delivery.message.mark,
        "watchlist": delivery.message.watchlist,
        "score": delivery.score,
        "state": delivery.state,
        "hold": delivery.hold,
        "doubt": delivery.doubt,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "plain": False,
        "message": message_json(delivery.message),
    }


def delivery_of(row: sa.RowMapping) -> Delivery:
    """A row as its delivery."""
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
        kind=DeliveryKind(row["kind"]),
        hold=HoldReason(row["hold"]) if row["hold"] else None,
        score=row["score"],
        doubt=row["doubt"],
    )


def _waiting(row: sa.RowMapping) -> Waiting:
    return Waiting(
        delivery=row["id"],
        message=message_from(row["message"]),
        alert=row["alert"],
        channel=row["channel"],
        recipient=row["recipient"],
        kind=DeliveryKind(row["kind"]),
    )


def _edited(known: Placed, row: sa.RowMapping) -> Placed:
    """Its newest revision, which may have ended unsent, and its words as they stand at the server."""
    stands = row["state"] in (DeliveryStatus.DELIVERED, DeliveryStatus.SENDING) or row["doubt"]
    message = message_from(row["message"]) if stands else known.message
    return replace(known, revision=row["revision"], message=message)


def _placed(row: sa.RowMapping) -> Placed:
    return Placed(
        alert=row["alert"],
        channel=row["channel"],
        recipient=row["recipient"],
        message=message_from(row["message"]),
        editable=row["state"] != DeliveryStatus.MERGED,
    )


def message_json(message: Message) -> str:
    """A message as its column."""
    return json.dumps(asdict(message), ensure_ascii=False)
