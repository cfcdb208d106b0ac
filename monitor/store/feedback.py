"""What people say of alerts, good or noise, and how a watchlist fares by it.

Functions take an open transaction `tx`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model import Feedback, record
from monitor.store.database import chunks, upsert
from monitor.store.schema import alerts, entries, feedback, matches, stories

SILENCED = "silenced"  # the reason of a match


@record
class Tally:
    """One watchlist in a span of time."""

    alerts: int = 0
    near_misses: int = 0
    good: int = 0
    noise: int = 0

    @property
    def precision(self) -> float | None:
        """The share of good ones among those that somebody judged; None where nobody did."""
        judged = self.good + self.noise
        return self.good / judged if judged else None


def note(tx: sa.Connection, alert: str, verdict: Feedback, now: datetime) -> tuple[str, str] | None:
    """Record what somebody says of an alert, whose id may be given by its beginning; a later word replaces an earlier.

    Returns the alert's id and its watchlist, or None where no alert, or more than one, is called so.
    """
    rows = tx.execute(
        sa.select(alerts.c.id, alerts.c.watchlist, alerts.c.story)
        .where(alerts.c.id >= alert, alerts.c.id < alert + "g")  # ids are hexadecimal
        .limit(2)
    ).all()
    if len(rows) != 1 or not alert:
        return None
    row = rows[0]
    said = {"alert": row.id, "watchlist": row.watchlist, "story": row.story, "verdict": verdict, "noted_at": now}
    upsert(tx, feedback, [said])
    return row.id, row.watchlist


def said_of(tx: sa.Connection, ids: Sequence[str]) -> dict[str, Feedback]:
    """What people said of these alerts, of those of which somebody did."""
    found: dict[str, Feedback] = {}
    for part in chunks(ids):
        rows = tx.execute(sa.select(feedback.c.alert, feedback.c.verdict).where(feedback.c.alert.in_(part)))
        found |= {row.alert: Feedback(row.verdict) for row in rows}
    return found


def tallies(tx: sa.Connection, *, since: datetime, judged_since: datetime) -> dict[str, Tally]:
    """Alerts and near misses since `since`, feedback since `judged_since`, by watchlist."""
    told = _counted(tx, alerts.c.watchlist, alerts.c.created_at >= since)
    near = _counted(tx, matches.c.watchlist, matches.c.decided_at >= since, matches.c.near_miss)
    said = {
        verdict: _counted(
            tx, feedback.c.watchlist, feedback.c.noted_at >= judged_since, feedback.c.verdict == str(verdict)
        )
        for verdict in Feedback
    }
    names = {*told, *near, *said[Feedback.GOOD], *said[Feedback.NOISE]}
    return {
        name: Tally(
            alerts=told.get(name, 0),
            near_misses=near.get(name, 0),
            good=said[Feedback.GOOD].get(name, 0),
            noise=said[Feedback.NOISE].get(name, 0),
        )
        for name in names
    }


def noisy_texts(tx: sa.Connection, *, since: datetime) -> Mapping[str, Mapping[str, str]]:
    """Headline and summary of each story, first seen since then, that a watchlist's alert called noise or that was
    silenced: watchlist → story → text."""
    noise = sa.select(feedback.c.watchlist, feedback.c.story).where(feedback.c.verdict == str(Feedback.NOISE))
    silenced = sa.select(matches.c.watchlist, matches.c.story).where(matches.c.reason == SILENCED)
    noisy = sa.union(noise, silenced).subquery()
    statement = (
        sa.select(noisy.c.watchlist, stories.c.id, stories.c.title, entries.c.summary)
        .join(stories, stories.c.id == noisy.c.story)
        .join(entries, entries.c.id == stories.c.lead_entry)
        .where(stories.c.first_seen_at >= since)
    )
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in tx.execute(statement):
        found[row.watchlist][row.id] = f"{row.title}\n{row.summary}"
    return found


def _counted(tx: sa.Connection, column: sa.Column, *where: sa.ColumnElement[bool]) -> dict[str, int]:
    rows = tx.execute(sa.select(column, sa.func.count()).where(*where).group_by(column))
    return {name: count for name, count in rows}
