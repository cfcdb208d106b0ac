"""Two stories that turn out to be one text: everything of the younger moves to the older.

Functions take an open transaction `tx`. That two stories are one is decided in core/dedup.py. Alerts and deliveries are
moved, never made or dropped: what was told stays told. One exception: a message that still waits, to somebody who was
told of the other story by the same watchlist, would be a repetition and is cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model import IMPERATIVE, DeliveryStatus, Rule
from monitor.store.database import insert_new
from monitor.store.letters import WAITING
from monitor.store.schema import alerts, deliveries, entries, feedback, matches, merged_stories, silences, stories

REPETITION = "the same text as a story already told"
TOLD = (*WAITING, DeliveryStatus.SENDING, DeliveryStatus.DELIVERED, DeliveryStatus.MERGED)


def merge_stories(tx: sa.Connection, story: str, gone: Sequence[str], now: datetime) -> None:
    """Move copies, matches, alerts and everything that names them from the stories `gone` to `story`.

    Ids that name no saved story are left out, so that doing it twice changes nothing; the old ids lead to the story
    that stays, since messages that were sent hold them.
    """
    stays = tx.execute(sa.select(stories).where(stories.c.id == story)).one_or_none() if gone else None
    if stays is None:
        return
    for row in tx.execute(sa.select(stories).where(stories.c.id.in_(gone), stories.c.id != story)).all():
        _repeat_nothing(tx, story, row.id)
        _move_matches(tx, story, row.id)
        _move_entries(tx, story, row.id)
        for table in (alerts, silences, feedback):
            tx.execute(table.update().where(table.c.story == row.id).values(story=story))
        tx.execute(stories.update().where(stories.c.related == row.id).values(related=story))
        tx.execute(stories.delete().where(stories.c.id == row.id))
        tx.execute(merged_stories.update().where(merged_stories.c.story == row.id).values(story=story))
        insert_new(tx, merged_stories, [{"id": row.id, "story": story, "merged_at": now}])
        tx.execute(stories.update().where(stories.c.id == story).values(**_grown(stays, row, now)))
        stays = tx.execute(sa.select(stories).where(stories.c.id == story)).one()


def story_now(tx: sa.Connection, prefix: str) -> str | None:
    """Where a story went whose id is, or begins uniquely with, `prefix`; None where none such was merged."""
    begins = (
        sa.select(merged_stories.c.story)
        .where(merged_stories.c.id >= prefix, merged_stories.c.id < prefix + "g")  # ids are hexadecimal
        .distinct()
        .limit(2)
    )
    found = tx.execute(begins).scalars().all()
    return found[0] if len(found) == 1 else None


def _grown(stays: sa.Row, gone: sa.Row, now: datetime) -> dict:
    published = [row.published_at for row in (stays, gone) if row.published_at is not None]
    longest_lead = max((stays, gone), key=lambda row: row.lead_length)
    longest_body = max((stays, gone), key=lambda row: row.body_length)
    return {
        "credit": stays.credit or gone.credit,
        "first_seen_at": min(stays.first_seen_at, gone.first_seen_at),
        "published_at": min(published, default=None),
        "updated_at": now,
        "pickups": stays.pickups + gone.pickups,
        "related": stays.related if stays.related not in (None, stays.id, gone.id) else None,
        "lead_entry": longest_lead.lead_entry,
        "lead_length": longest_lead.lead_length,
        "body_entry": longest_body.body_entry,
        "body_length": longest_body.body_length,
    }


def _move_entries(tx: sa.Connection, story: str, gone: str) -> None:
    """The copies. Who was compared with the story that goes still names it: its id leads to the one that stays."""
    founder = sa.and_(entries.c.story == gone, entries.c.rule == Rule.FOUNDER)
    tx.execute(entries.update().where(founder).values(rule=Rule.SIMILAR))
    tx.execute(entries.update().where(entries.c.story == gone).values(story=story))


def _move_matches(tx: sa.Connection, story: str, gone: str) -> None:
    """Of two verdicts of one watchlist the louder stays, and of two alike the higher score."""
    silent = {"silent": 0, "alert": 1, "urgent": 2}
    known = {row.watchlist: row for row in tx.execute(sa.select(matches).where(matches.c.story == story))}
    for row in tx.execute(sa.select(matches).where(matches.c.story == gone)).all():
        other = known.get(row.watchlist)
        if other is not None:
            stays = max((other, row), key=lambda one: (silent.get(one.verdict, 0), one.score))
            loser = gone if stays is other else story
            tx.execute(matches.delete().where(matches.c.story == loser, matches.c.watchlist == row.watchlist))
    tx.execute(matches.update().where(matches.c.story == gone).values(story=story))


def _repeat_nothing(tx: sa.Connection, story: str, gone: str) -> None:
    """Cancel what waits for the story that goes, where the same person was or will be told of the other."""
    mine, theirs, told = alerts.alias(), alerts.alias(), deliveries.alias()
    already = (
        sa.select(told.c.id)
        .join(theirs, theirs.c.id == told.c.alert)
        .join(mine, sa.and_(mine.c.watchlist == theirs.c.watchlist, mine.c.level == theirs.c.level))
        .where(
            theirs.c.story == story,
            mine.c.id == deliveries.c.alert,
            told.c.channel == deliveries.c.channel,
            told.c.recipient == deliveries.c.recipient,
            told.c.state.in_(TOLD),
        )
    )
    of_gone = sa.select(alerts.c.id).where(alerts.c.story == gone)
    tx.execute(
        deliveries.update()
        .where(
            deliveries.c.alert.in_(of_gone),
            deliveries.c.state.in_(WAITING),
            ~deliveries.c.doubt,
            deliveries.c.mark.not_in(sorted(IMPERATIVE)),
            already.exists(),
        )
        .values(state=DeliveryStatus.CANCELLED, error=REPETITION)
    )
