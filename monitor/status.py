"""Is it well? One picture of the daemon, from what the database knows; for the command and the status page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import sqlalchemy as sa

from monitor import __version__
from monitor.core.oddness import said_of
from monitor.core.render import local_time, rfc3339
from monitor.model import Oddity
from monitor.store import channels as channel_store
from monitor.store import feeds, letters, meta, silences
from monitor.store.database import HEAD

STALE_TICK = timedelta(minutes=2)  # a daemon notes its progress every 15 s
FAILING_FOR_LONG = 3  # checks in a row


def troubles_of(feed: Mapping[str, Any], odd: Sequence[Oddity], zone: tzinfo, now: datetime) -> list[str]:
    """What a person should know of a feed (a row of it), one sentence each: why it fails or waits, what is odd
    about it, and whether it is asked too seldom. The words of others in them are as they came."""
    found = []
    if feed["last_error"]:
        since = f", since {local_time(feed['failing_since'], zone)}" if feed["failing_since"] else ""
        times = f" ({feed['failures']} checks in a row{since})" if feed["failures"] > 1 else ""
        found.append(feed["last_error"] + times)
    elif feed["held_until"] and feed["held_until"] > now:
        found.append(f"its server asked to be left alone until {local_time(feed['held_until'], zone)}")
    found += map(said_of, odd)
    if gaps := feed["possible_gaps"]:
        found.append(f"items may have been missed {gaps} time{'s' if gaps > 1 else ''}; a shorter interval would help")
    return found


def status_of(
    tx: sa.Connection, database: str, *, now: datetime, pid: int | None, zone: tzinfo = UTC
) -> dict[str, Any]:
    """What is well and what is not; `pid` is the process that holds the database, if one does; sentences name times of
    `zone`.

    `problems` are sentences; `ok` says that there are none. That nobody is `running` is no problem by itself (`poll`
    may be run by a timer); that the daemon makes no progress is one.
    """
    kept = meta.get_all(tx)
    rows = feeds.list_feeds(tx)
    depth, doubts = letters.depth(tx), sum(letters.count_by_channel(tx, letters.IS_IN_DOUBT).values())
    channels = channel_store.list_channels(tx)
    last_tick = kept.get("last_tick")
    reloaded = kept.get("last_reload", {})
    progressing = last_tick is not None and now - datetime.fromisoformat(last_tick["at"]) <= STALE_TICK
    its_own = last_tick is not None and last_tick.get("pid") == pid  # not of a daemon that was killed before
    stuck = its_own and not progressing
    told = last_tick if progressing or its_own else {}
    offline_since = kept.get("offline", {}).get("since")
    problems = [
        *(["the disk is full: no feed is polled until there is room"] if told.get("low_since") else []),
        *([f"there is no status page {told['page']}; tried again every minute"] if told.get("page") else []),
        *([f"no feed can be reached since {_local(offline_since, zone)}"] if offline_since else []),
        *([f"the daemon (pid {pid}) has made no progress since {_local(last_tick['at'], zone)}"] if stuck else []),
        *(f"feed {row['name']} fails: {row['last_error']}" for row in rows if _fails(row)),
        *(_channel_problem(row) for row in channels if row["suspended"] or channel_store.fails_for_long(row, now)),
        *([f"dead letters: {depth['dead']}; `wirewatch alerts --undelivered` shows them"] if depth.get("dead") else []),
        *(
            [f"{doubts} messages may have arrived or not; `wirewatch alerts --undelivered` shows them"]
            if doubts
            else []
        ),
        *(f"last reload refused: {problem}" for problem in reloaded.get("problems", ())),
    ]
    oldest = letters.oldest_waiting_at(tx)
    return {
        "ok": not problems,
        "problems": problems,
        "version": __version__,
        "running": pid is not None,
        "progressing": progressing,  # within the last two minutes
        "last_tick_at": last_tick["at"] if last_tick else None,
        "pid": pid,
        "last_reload": {"ok": reloaded.get("ok"), "at": reloaded.get("at"), "problems": reloaded.get("problems", [])},
        "feeds": dict(Counter(row["state"] for row in rows)),
        "last_checked_at": _newest(row["last_checked_at"] for row in rows),
        "deliveries": depth,
        "silences": len(silences.in_force(tx, now)),
        "oldest_waiting_seconds": int((now - oldest).total_seconds()) if oldest else None,
        "channels": {
            channel_store.shown(row): {
                "suspended": row["suspended"],
                "failures": row["failures"],
                "failing_since": rfc3339(row["failing_since"]),
                "paused_until": rfc3339(row["paused_until"]),
                "error": row["last_error"],
            }
            for row in channels
        },
        "database": {"path": database if "://" not in database else "postgresql", "schema": HEAD},
    }


def _local(moment: str, zone: tzinfo) -> str:
    return local_time(datetime.fromisoformat(moment), zone)


def _channel_problem(row: sa.RowMapping) -> str:
    how = "is suspended" if row["suspended"] else "has taken nothing for more than an hour"
    return f"channel {channel_store.shown(row)} {how}: {row['last_error']}"


def _fails(row: sa.RowMapping) -> bool:
    """Several times in a row, or from the first check on: a typing mistake is best told at once."""
    never_worked = row["failures"] > 0 and row["last_success_at"] is None
    return never_worked or row["failures"] >= FAILING_FOR_LONG


def _newest(moments: Iterable[datetime | None]) -> str | None:
    newest = max((moment for moment in moments if moment), default=None)
    return rfc3339(newest)
