"""Is it well? One picture of the daemon, from what the database knows; for the command and the status page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from monitor import __version__
from monitor.core.render import rfc3339
from monitor.store import feeds, meta, outbox
from monitor.store.database import HEAD

STALE_TICK = timedelta(minutes=2)  # a daemon notes its progress every 15 s
FAILING_FOR_LONG = 3  # checks in a row


def status_of(tx: sa.Connection, database: str, *, now: datetime) -> dict[str, Any]:
    """What is well and what is not.

    `problems` are sentences; `ok` says that there are none. `running` says whether a daemon noted progress of late:
    without one, `poll` may still be run by a timer, so that alone is no problem.
    """
    kept = meta.get_all(tx)
    rows = feeds.list_feeds(tx)
    depth = outbox.depth(tx)
    channels = outbox.list_channels(tx)
    last_tick = kept.get("last_tick")
    reloaded = kept.get("last_reload", {})
    problems = [
        *(f"feed {row['name']} fails: {row['last_error']}" for row in rows if row["failures"] >= FAILING_FOR_LONG),
        *(f"channel {name} is suspended: {row['last_error']}" for name, row in channels.items() if row["suspended"]),
        *([f"{depth['dead']} dead letters; `wirewatch alerts` shows them"] if depth.get("dead") else []),
        *(f"last reload refused: {problem}" for problem in reloaded.get("problems", ())),
    ]
    oldest = outbox.oldest_waiting_at(tx)
    return {
        "ok": not problems,
        "problems": problems,
        "version": __version__,
        "running": bool(last_tick) and now - datetime.fromisoformat(last_tick["at"]) < STALE_TICK,
        "last_tick_at": last_tick["at"] if last_tick else None,
        "pid": last_tick["pid"] if last_tick else None,
        "last_reload": {"ok": reloaded.get("ok"), "at": reloaded.get("at"), "problems": reloaded.get("problems", [])},
        "feeds": dict(Counter(row["state"] for row in rows)),
        "last_checked_at": _newest(row["last_checked_at"] for row in rows),
        "deliveries": depth,
        "oldest_waiting_seconds": int((now - oldest).total_seconds()) if oldest else None,
        "channels": {
            name: {
                "suspended": row["suspended"],
                "paused_until": rfc3339(row["paused_until"]),
                "error": row["last_error"],
            }
            for name, row in channels.items()
        },
        "database": {"path": database if "://" not in database else "postgresql", "schema": HEAD},
    }


def _newest(moments: Iterable[datetime | None]) -> str | None:
    newest = max((moment for moment in moments if moment), default=None)
    return rfc3339(newest)
