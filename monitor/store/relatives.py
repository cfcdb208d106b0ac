"""Stories that tell of the same event in other words, and whose words those are.

Functions take an open transaction `tx`. A link is made where a story is founded (core/dedup.py) and only read here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from monitor.model import Relative
from monitor.store.database import listed
from monitor.store.schema import entries, stories


def list_relatives(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Relative, ...]]:
    """The stories linked with each of these, in either direction or through one they both link to, oldest first."""
    centre_of = dict(
        tx.execute(
            sa.select(stories.c.id, sa.func.coalesce(stories.c.related, stories.c.id)).where(
                stories.c.id.in_(listed(tx, ids))
            )
        ).all()
    )
    centres = listed(tx, sorted(set(centre_of.values())))
    copies = entries.alias()
    first = sa.select(sa.func.min(copies.c.seq)).where(copies.c.story == stories.c.id).scalar_subquery()
    wanted = (
        sa.select(stories.c.id, stories.c.title, stories.c.related, stories.c.credit, entries.c.outlet)
        .select_from(stories.join(entries, entries.c.seq == first))
        .where(sa.or_(stories.c.related.in_(centres), stories.c.id.in_(centres)))
        .order_by(entries.c.seq)
    )
    around: defaultdict[str, list[Relative]] = defaultdict(list)
    for row in tx.execute(wanted).all():
        relative = Relative(story=row.id, title=row.title, source=row.credit or row.outlet)
        around[row.related or row.id].append(relative)
        if row.related is not None and row.id in set(centre_of.values()):
            around[row.id].append(relative)
    return {
        story: tuple(relative for relative in around[centre] if relative.story != story)
        for story, centre in centre_of.items()
    }
