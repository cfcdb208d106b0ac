"""A story's copies and relatives → how far it has spread, and how many sources of their own stand behind it.

Copies do not corroborate: twelve outlets with one agency's text are one source.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.wire import notice_of
from monitor.model import Notice, Pickup, Relative, record


@record
class Spread:
    """Where a text came from, who reported the event in words of their own, and what its desk said of it since."""

    first_outlet: str | None = None
    credit: str | None = None
    sources: tuple[str, ...] = ()  # an agency or an outlet each: this story's, then those of its relatives
    notice: Notice | None = None  # the last correction, kill or withdrawal among the copies


def spread_of(pickups: Sequence[Pickup], relatives: Sequence[Relative] = ()) -> Spread:
    """What is told about a story's spread. `pickups` are in the order in which they were seen."""
    first = pickups[0].outlet if pickups else None
    credit = next((pickup.credit for pickup in pickups if pickup.credit), None)
    own = credit or first
    notices = [notice for pickup in pickups if (notice := notice_of(pickup.slug)) is not None]
    return Spread(
        first_outlet=first,
        credit=credit,
        sources=tuple(dict.fromkeys(source for source in (own, *(one.source for one in relatives)) if source)),
        notice=notices[-1] if notices else None,
    )
