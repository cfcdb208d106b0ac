"""The archive as watchlists read it: stories with the fullest text that a copy brought, and who carried them.

Functions take an open transaction `tx` and only read. Whoever scores takes the outlet's name off the headline first
(core/wire.py): the archive keeps titles as published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model import record
from monitor.store.database import chunks
from monitor.store.schema import entries, stories


@record
class Archived:
    """One story: its founder's title and address, the longest summary and body, the feeds that carried it."""

    id: str
    title: str
    outlet: str
    url: str
    lead: str
    body: str
    language: str | None
    credit: str | None = None
    published_at: datetime | None
    first_seen_at: datetime
    feeds: tuple[str, ...] = ()


def list_ids(tx: sa.Connection, *, since: datetime, newest: int | None = None) -> tuple[str, ...]:
    """Ids of stories first seen since then, oldest first; of those only the `newest` so many."""
    statement = (
        sa.select(stories.c.id)
        .where(stories.c.first_seen_at >= since)
        .order_by(stories.c.first_seen_at.desc(), stories.c.id)
        .limit(newest)
    )
    return tuple(reversed(tx.execute(statement).scalars().all()))


def read_stories(tx: sa.Connection, ids: Sequence[str]) -> tuple[Archived, ...]:
    """These stories, in the order of their ids as given; those that are gone are left out."""
    founder, lead, body = entries.alias("founder"), entries.alias("lead"), entries.alias("body")
    statement = (
        sa.select(
            stories.c.id, stories.c.url, stories.c.language, stories.c.credit, stories.c.published_at,
            stories.c.first_seen_at, stories.c.title, founder.c.outlet, lead.c.summary, body.c.body,
        )
        .join(founder, founder.c.id == stories.c.id)
        .join(lead, lead.c.id == stories.c.lead_entry)
        .join(body, body.c.id == stories.c.body_entry)
    )  # fmt: skip
    found = {}
    for part in chunks(ids):
        feeds = _feeds(tx, part)
        for row in tx.execute(statement.where(stories.c.id.in_(part))):
            found[row.id] = Archived(
                id=row.id,
                title=row.title,
                outlet=row.outlet,
                url=row.url,
                lead=row.summary,
                body=row.body,
                language=row.language,
                credit=row.credit,
                published_at=row.published_at,
                first_seen_at=row.first_seen_at,
                feeds=feeds.get(row.id, ()),
            )
    return tuple(found[name] for name in ids if name in found)


def _feeds(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    statement = sa.select(entries.c.story, entries.c.feed).where(entries.c.story.in_(ids)).order_by(entries.c.seq)
    for row in tx.execute(statement):
        found[row.story][row.feed] = None
    return {story: tuple(feeds) for story, feeds in found.items()}
