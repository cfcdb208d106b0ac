"""Channels: what is paused, failing or suspended, by recipient.

Functions take an open transaction `tx`. Whether a failure is the channel's is the sender's word, for how long it pauses
is core/pace.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import record
from monitor.store.database import upsert
from monitor.store.schema import channels, deliveries

Recipients = Mapping[str, tuple[str, ...]]  # of each configured channel
EVERYBODY = "*"  # all recipients of a channel
PROBLEM = timedelta(hours=1)  # of failing; shorter, and it is a hiccup


@record
class Trouble:
    """How long a recipient of a channel has been failing."""

    failures: int = 0  # in a row
    failing_since: datetime | None = None
    suspended: bool = False  # broken, and probed; else only down


def trouble_of(tx: sa.Connection, channel: str, recipient: str) -> Trouble:
    """What is known of a recipient's failures."""
    row = tx.execute(sa.select(channels).where(_is(channel, recipient))).one_or_none()
    return (
        Trouble(failures=row.failures, failing_since=row.failing_since, suspended=row.suspended) if row else Trouble()
    )


def pause(
    tx: sa.Connection,
    channel: str,
    *,
    recipient: str = EVERYBODY,
    until: datetime,
    error: str,
    trouble: Trouble = Trouble(),
) -> None:
    """Nothing goes to this recipient (or anybody) of a channel before `until`."""
    row = {
        "name": channel,
        "recipient": recipient,
        "paused_until": until,
        "suspended": trouble.suspended,
        "failures": trouble.failures,
        "failing_since": trouble.failing_since,
        "last_error": error,
    }
    upsert(tx, channels, [row])


def resume(tx: sa.Connection, channel: str, recipient: str) -> None:
    """The recipient's channel works (again)."""
    works = sa.and_(channels.c.name == channel, channels.c.recipient.in_((recipient, EVERYBODY)))
    tx.execute(channels.delete().where(works))


def probe_all(tx: sa.Connection) -> None:
    """Forget suspensions: the operator may have mended what was broken, so all are tried at once."""
    tx.execute(channels.delete().where(channels.c.suspended))


def forget_unknown(tx: sa.Connection, known: Recipients) -> None:
    """Forget channels, and recipients of channels, that are no longer configured."""
    tx.execute(channels.delete().where(unknown(channels.c.name, channels.c.recipient, known, EVERYBODY)))


def unknown(channel: sa.Column, recipient: sa.Column, known: Recipients, *also: str) -> sa.ColumnElement[bool]:
    """A condition: the channel is none of these, or the recipient none of its (nor one of `also`)."""
    removed = [sa.and_(channel == name, recipient.not_in((*to, *also))) for name, to in known.items()]
    return sa.or_(channel.not_in(tuple(known)), *removed)


def list_channels(tx: sa.Connection) -> tuple[sa.RowMapping, ...]:
    """What is paused, failing or suspended."""
    return tuple(tx.execute(sa.select(channels).order_by(channels.c.name, channels.c.recipient)).mappings())


def fails_for_long(row: sa.RowMapping, now: datetime) -> bool:
    """Whether a channel has taken nothing for so long that it is a problem and not a hiccup."""
    return row["failing_since"] is not None and now - row["failing_since"] >= PROBLEM


def shown(row: sa.RowMapping) -> str:
    """How people know a recipient of a channel."""
    return row["name"] if row["recipient"] in ("", EVERYBODY) else f"{row['name']} ({row['recipient']})"


def not_paused(now: datetime) -> sa.ColumnElement[bool]:
    """A condition on deliveries: their recipient is not paused."""
    paused = sa.select(channels.c.name).where(
        channels.c.name == deliveries.c.channel,
        channels.c.recipient.in_((deliveries.c.recipient, EVERYBODY)),
        channels.c.paused_until > now,
    )
    return ~paused.exists()


def _is(channel: str, recipient: str) -> sa.ColumnElement[bool]:
    return sa.and_(channels.c.name == channel, channels.c.recipient == recipient)
