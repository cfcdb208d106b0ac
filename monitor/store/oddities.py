"""What is odd about feeds that are otherwise well: one row a feed and kind.

Functions take an open transaction `tx`. What is odd is decided in core/oddness.py and ingest.py; whether the operator
is told of it, in operator.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from monitor.model import Oddity, OddityKind
from monitor.store.database import listed, upsert
from monitor.store.schema import oddities


def note(tx: sa.Connection, feed: str, oddity: Oddity) -> None:
    """Remember an oddity, in the place of an earlier one of its kind."""
    row = {
        "feed": feed,
        "kind": oddity.kind,
        "since_at": oddity.since_at,
        "until_at": oddity.until_at,
        "count": oddity.count,
        "detail": oddity.detail,
    }
    upsert(tx, oddities, [row])


def forget(tx: sa.Connection, feed: str, kind: OddityKind | None = None) -> bool:
    """Forget an oddity of a feed, or by None all of them. Returns whether there was one."""
    which = oddities.c.feed == feed
    if kind is not None:
        which = sa.and_(which, oddities.c.kind == kind)
    return tx.execute(oddities.delete().where(which)).rowcount > 0


def forget_passed(tx: sa.Connection, now: datetime) -> None:
    """Forget what has passed by itself."""
    tx.execute(oddities.delete().where(oddities.c.until_at <= now))


def of_feeds(tx: sa.Connection, feeds: Iterable[str]) -> dict[str, tuple[Oddity, ...]]:
    """The oddities of these feeds, by name."""
    return _by_feed(tx, oddities.c.feed.in_(listed(tx, feeds)))


def of_kind(tx: sa.Connection, kind: OddityKind) -> dict[str, Oddity]:
    """Feeds that are odd in this way."""
    return {feed: found[0] for feed, found in _by_feed(tx, oddities.c.kind == kind).items()}


def _by_feed(tx: sa.Connection, which: sa.ColumnElement[bool]) -> dict[str, tuple[Oddity, ...]]:
    found: defaultdict[str, list[Oddity]] = defaultdict(list)
    for row in tx.execute(sa.select(oddities).where(which).order_by(oddities.c.feed, oddities.c.kind)).all():
        found[row.feed].append(
            Oddity(
                kind=OddityKind(row.kind),
                since_at=row.since_at,
                until_at=row.until_at,
                count=row.count,
                detail=row.detail,
            )
        )
    return {feed: tuple(rows) for feed, rows in found.items()}
