"""The list of pages that are to be read, one a story, and what is known of the sites they are on.

Functions take an open transaction `tx`. Which pages are worth reading is decided in core/articles.py. The list is short
on purpose: a page that could not be read within a day is read no more.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from monitor.model import ArticleStatus, Wanted
from monitor.store.database import insert_new, upsert
from monitor.store.schema import articles, sites

MOST_WAITING = 2_000  # pages; what comes when so many wait is judged by what its feed says
KEEP_WAITING = timedelta(hours=24)
LEASE = timedelta(minutes=5)  # a page whose reader died is tried again after it
TOO_LATE = "not read within a day"


def want(tx: sa.Connection, pages: Sequence[Wanted], now: datetime) -> int:
    """Put pages on the list; stories that had one are left out. Returns how many found no room."""
    if not pages:
        return 0
    waits = articles.c.state == ArticleStatus.WAITING
    room = max(MOST_WAITING - tx.execute(sa.select(sa.func.count()).where(waits)).scalar_one(), 0)
    insert_new(tx, articles, [_row(page, now) for page in pages[:room]])
    return len(pages[room:])


def claim_due(
    tx: sa.Connection, now: datetime, *, busy: Collection[str], gap: timedelta, limit: int
) -> tuple[Wanted, ...]:
    """Lease pages that are due, the longest waiting first: one of a site, and none of a site that is `busy` or whose
    turn has not come. Its next turn moves to `gap` from now, before anything is asked."""
    waiting = articles.c.state == ArticleStatus.WAITING
    late = sa.and_(waiting, articles.c.wanted_at <= now - KEEP_WAITING)
    tx.execute(articles.update().where(late).values(state=ArticleStatus.FAILED, error=TOO_LATE))
    due = (
        sa.select(articles)
        .outerjoin(sites, sites.c.origin == articles.c.origin)
        .where(waiting, articles.c.next_at <= now, sa.or_(sites.c.next_at.is_(None), sites.c.next_at <= now))
        .order_by(articles.c.wanted_at, articles.c.story)
    )
    chosen: dict[str, sa.Row] = {}
    for row in tx.execute(due):
        if row.origin not in busy and len(chosen) < limit:
            chosen.setdefault(row.origin, row)
    stories = [row.story for row in chosen.values()]
    values = {"next_at": now + LEASE, "attempts": articles.c.attempts + 1}
    tx.execute(articles.update().where(articles.c.story.in_(stories)).values(values))
    for origin in chosen:
        pause(tx, origin, now + gap)
    return tuple(
        Wanted(
            story=row.story,
            entry=row.entry,
            feed=row.feed,
            url=row.url,
            origin=row.origin,
            attempts=row.attempts + 1,
        )
        for row in chosen.values()
    )


def next_due_at(tx: sa.Connection) -> datetime | None:
    """When the next page may be asked for; None where none waits."""
    statement = (
        sa.select(articles.c.next_at, sites.c.next_at.label("turn"))
        .outerjoin(sites, sites.c.origin == articles.c.origin)
        .where(articles.c.state == ArticleStatus.WAITING)
    )
    return min((max(row.next_at, row.turn or row.next_at) for row in tx.execute(statement)), default=None)


def standing_of(tx: sa.Connection, story: str) -> tuple[str, str] | None:
    """How the reading of a story's page stands, and why; None where none was wanted."""
    row = tx.execute(sa.select(articles.c.state, articles.c.error).where(articles.c.story == story)).one_or_none()
    return (row.state, row.error or "") if row else None


def release(tx: sa.Connection, now: datetime) -> None:
    """Forget the leases of an instance that died; called by the one that holds the instance lock."""
    leased = sa.and_(articles.c.state == ArticleStatus.WAITING, articles.c.next_at > now)
    tx.execute(articles.update().where(leased).values(next_at=now))


def settle(tx: sa.Connection, story: str, state: ArticleStatus, error: str | None = None) -> None:
    """A page was read, or never will be."""
    tx.execute(articles.update().where(articles.c.story == story).values(state=state, error=error))


def try_again(tx: sa.Connection, story: str, error: str, at: datetime) -> None:
    """A page could not be read now."""
    tx.execute(articles.update().where(articles.c.story == story).values(next_at=at, error=error))


def pause(tx: sa.Connection, origin: str, until: datetime) -> None:
    """No page of this site is asked for before then."""
    upsert(tx, sites, [{"origin": origin, "next_at": until}])


def keep_robots(tx: sa.Connection, origin: str, robots: Any | None, now: datetime) -> None:
    """What a site's robots.txt said (None: it could not be read, so that what it said before holds), and when."""
    known = {} if robots is None else {"robots": json.dumps(asdict(robots))}
    tx.execute(sites.update().where(sites.c.origin == origin).values(asked_at=now, **known))


def robots_of(tx: sa.Connection, origin: str) -> tuple[dict[str, Any] | None, datetime | None]:
    """What a site's robots.txt said, as `keep_robots` got it, and when it was last asked."""
    row = tx.execute(sa.select(sites.c.robots, sites.c.asked_at).where(sites.c.origin == origin)).one_or_none()
    return (json.loads(row.robots) if row.robots else None, row.asked_at) if row else (None, None)


def forget_old(tx: sa.Connection, before: datetime) -> None:
    """Delete what was wanted before then, and sites that nothing was asked of since."""
    tx.execute(articles.delete().where(articles.c.wanted_at < before))
    tx.execute(sites.delete().where(sites.c.next_at < before))


def _row(page: Wanted, now: datetime) -> dict[str, Any]:
    return {
        "story": page.story,
        "entry": page.entry,
        "feed": page.feed,
        "url": page.url,
        "origin": page.origin,
        "state": ArticleStatus.WAITING,
        "wanted_at": now,
        "next_at": now,
        "attempts": 0,
        "error": None,
    }
