"""Retention: what is old goes, its fingerprints stay so that nothing old alerts again."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import Swept
from monitor.store import articles, candidates, outbox, stories

KEEP_FINGERPRINTS = timedelta(days=400)
KEEP_DELIVERIES = timedelta(days=180)


def sweep(tx: sa.Connection, now: datetime, *, keep: timedelta, story_window: timedelta) -> Swept:
    """Delete stories older than `keep`, blocking keys no copy can join by any more, and old settled deliveries."""
    deleted, gone = stories.forget_old(tx, now, seen_before=now - keep)
    if (kept := stories.first_number_since(tx, now - 2 * story_window)) is not None:
        candidates.forget_keys(tx, kept, part=0, parts=1)
    stories.forget_fingerprints(tx, seen_before=now - KEEP_FINGERPRINTS)
    articles.forget_old(tx, now - keep)
    settled = outbox.forget_old(tx, settled_before=now - KEEP_DELIVERIES)
    return Swept(entries=deleted, stories=gone, deliveries=settled)
