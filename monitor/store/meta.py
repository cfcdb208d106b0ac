"""Single facts about the daemon itself, kept so that other commands can read them: ticks, reloads, versions.

Functions take an open transaction `tx`.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from monitor.store.database import is_held, running_pid, upsert
from monitor.store.schema import meta

ROOM = 256 * 1024  # bytes: about what one feed brings


def put(tx: sa.Connection, key: str, value: Any) -> None:
    """Keep a JSON value under a key."""
    upsert(tx, meta, [{"key": key, "value": json.dumps(value, ensure_ascii=False)}])


def get_all(tx: sa.Connection) -> dict[str, Any]:
    """All kept facts."""
    return {row.key: json.loads(row.value) for row in tx.execute(sa.select(meta))}


def holder(tx: sa.Connection, url: str) -> int | None:
    """The process that holds the database, or None. Of a PostgreSQL database it is the one that started last, as it
    noted itself, maybe on another machine."""
    if tx.dialect.name != "postgresql":
        return running_pid(url)
    return get_all(tx).get("started", {}).get("pid") if is_held(tx) else None


def try_room(tx: sa.Connection) -> None:
    """Write so much that there must be room for it, and leave nothing of it."""
    tx.execute(meta.insert().values(key="room", value="x" * ROOM))
    tx.execute(meta.delete().where(meta.c.key == "room"))
