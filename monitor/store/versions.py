"""What an entry said before it was edited.

Functions take an open transaction `tx`. An edit founds no story; what it means for alerts is decided elsewhere.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from monitor.model import Entry, Version
from monitor.store.database import insert_new, listed
from monitor.store.schema import entries, versions
from monitor.store.sketches import unpack

MOST_VERSIONS = 24  # of one entry: pages that write the time into their text change at every check


def keep_version(tx: sa.Connection, entry: Entry, now: datetime) -> None:
    """Keep what the database has of an entry that is about to be overwritten, and what the new version changes."""
    columns = (entries.c.revision, entries.c.title, entries.c.summary, entries.c.body, entries.c.url, entries.c.sketch)
    old = tx.execute(sa.select(*columns).where(entries.c.id == entry.id)).one_or_none()
    if old is None:
        return
    changed = [field for field in ("title", "summary", "body", "url") if getattr(old, field) != getattr(entry, field)]
    if unpack(old.sketch).numbers != entry.sketch.numbers:
        changed.append("figures")
    row = {
        "entry": entry.id,
        "revision": old.revision,
        "replaced_at": now,
        "changed": json.dumps(changed),
        "title": old.title,
        "summary": old.summary,
    }
    insert_new(tx, versions, [row])


def list_versions(tx: sa.Connection, ids: Iterable[str]) -> dict[str, tuple[Version, ...]]:
    """Earlier versions of these entries, oldest first."""
    found: defaultdict[str, list[Version]] = defaultdict(list)
    wanted = sa.select(versions).where(versions.c.entry.in_(listed(tx, ids))).order_by(versions.c.revision)
    for row in tx.execute(wanted).all():
        found[row.entry].append(
            Version(
                replaced_at=row.replaced_at,
                changed=tuple(json.loads(row.changed)),
                title=row.title,
                summary=row.summary,
            )
        )
    return {entry: tuple(kept) for entry, kept in found.items()}
