"""How watchlists fare, and the spellings of a name → a terminal, and JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from monitor.model import Watchlist
from monitor.show import clean, table
from monitor.spellings import Spelling
from monitor.store.feedback import Tally


def watchlist_json(watchlist: Watchlist, tally: Tally | None) -> dict:
    """One watchlist; `precision` is null where nobody judged an alert."""
    tally = tally or Tally()
    return {
        "watchlist": watchlist.id,
        "title": watchlist.title,
        "shadow": watchlist.shadow,
        "tags": list(watchlist.tags),
        "alerts_7d": tally.alerts,
        "near_misses_7d": tally.near_misses,
        "good": tally.good,
        "noise": tally.noise,
        "precision": None if tally.precision is None else round(tally.precision, 3),
    }


def print_watchlists(watchlists: Iterable[Watchlist], tallies: Mapping[str, Tally]) -> None:
    """All watchlists, one a line."""
    table(
        (_row(watchlist, tallies.get(watchlist.id, Tally())) for watchlist in watchlists),
        "watchlist", "title", "alerts 7 d", "near misses", "precision",
        wide=1,
    )  # fmt: skip


def _row(watchlist: Watchlist, tally: Tally) -> tuple[str, ...]:
    judged = tally.good + tally.noise
    precision = "–" if tally.precision is None else f"{tally.precision:.0%} of {judged}"
    title = f"{clean(watchlist.title)} (shadow)" if watchlist.shadow else clean(watchlist.title)
    return watchlist.id, title, str(tally.alerts), str(tally.near_misses), precision


def spelling_json(spelling: Spelling) -> dict:
    """One spelling."""
    return {
        "spelling": spelling.text,
        "similarity": spelling.similarity,
        "stories": spelling.stories,
        "headline": spelling.headline,
    }


def print_spellings(spellings: Iterable[Spelling]) -> None:
    """All spellings, the nearest first."""
    rows = [(f"{one.similarity:g}", clean(one.text), str(one.stories), clean(one.headline)) for one in spellings]
    if not rows:
        print("no spelling of it stands in the archive; --since 90d looks further back", file=sys.stderr)
        return
    table(rows, "similarity", "spelling", "stories", "in", wide=3)
