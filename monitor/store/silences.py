"""Silences: who does not want to hear of what, until when.

Functions take an open transaction `tx`. What a silence keeps back is decided in core/decide.py and shown by the alerts
that bear its id.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from monitor.model import Silence
from monitor.store.database import insert_new
from monitor.store.schema import alerts, deliveries, silences

_SILENCED = "silenced ("
_SAID = _SILENCED + silences.c.id + ")"


def add(tx: sa.Connection, silence: Silence) -> None:
    """Put a silence in force."""
    insert_new(tx, silences, [asdict(silence)])


def end(tx: sa.Connection, silence: str, now: datetime) -> bool:
    """End a silence now. Returns whether it was in force."""
    in_force = sa.and_(silences.c.id == silence, silences.c.ends_at > now)
    return tx.execute(silences.update().where(in_force).values(ends_at=now)).rowcount > 0


def in_force(tx: sa.Connection, now: datetime) -> tuple[Silence, ...]:
    """Silences that have not ended, the oldest first."""
    return _read(tx, silences.c.ends_at > now)


def list_silences(tx: sa.Connection, *, ended_after: datetime) -> tuple[Silence, ...]:
    """Silences in force and those that ended after then, the oldest first."""
    return _read(tx, silences.c.ends_at > ended_after)


def said_of(silence: str) -> str:
    """Why a message was cancelled, as its delivery says it."""
    return f"{_SILENCED}{silence})"


def has_ended(error: sa.ColumnElement[str], now: datetime) -> sa.ColumnElement[bool]:
    """Whether a delivery with this error was cancelled by a silence that is over."""
    return sa.exists().where(silences.c.ends_at <= now, error == _SAID)


def kept_back(tx: sa.Connection) -> dict[str, int]:
    """How many alerts each silence kept back: those that were decided in its time, and those that waited then."""
    by_itself = sa.select(alerts.c.silence, alerts.c.id).where(alerts.c.silence.is_not(None))
    waited = sa.select(silences.c.id, deliveries.c.alert).join(deliveries, deliveries.c.error == _SAID)
    found = by_itself.union(waited).subquery()
    silence, alert = found.c
    counted = sa.select(silence, sa.func.count(alert)).group_by(silence)
    return {name: count for name, count in tx.execute(counted)}


def _read(tx: sa.Connection, condition: sa.ColumnElement[bool]) -> tuple[Silence, ...]:
    statement = sa.select(silences).where(condition).order_by(silences.c.starts_at, silences.c.id)
    return tuple(Silence(**row) for row in tx.execute(statement).mappings())
