"""The health of feeds, for a person and as JSON: what is well in one line, and what is not with the reason below it.

On a terminal the feeds in trouble stand first; in a pipe every feed is one line, by name.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from rich.padding import Padding
from rich.text import Text

from monitor.core.render import rfc3339
from monitor.finding import FoundFeed
from monitor.model import FeedStatus, Oddity
from monitor.show import STATE_STYLE, clean, console, local, state
from monitor.status import troubles_of

# The worst first; what the operator can mend before what passes by itself.
ORDER = (
    FeedStatus.GONE,
    FeedStatus.FAILING,
    FeedStatus.QUARANTINED,
    FeedStatus.THROTTLED,
    FeedStatus.NEW,
    FeedStatus.OK,
)
NARROWEST, WIDEST = 12, 40  # columns of a feed's name
OTHERS = 52  # columns of all that stands beside it

Row = Mapping[str, Any]
Odd = Mapping[str, Sequence[Oddity]]


def feed_json(row: Row, odd: Sequence[Oddity] = ()) -> dict:
    """A feed's health."""
    return {
        "name": row["name"],
        "url": row["url"],
        "moved_to": row["moved_to"],
        "state": row["state"],
        "last_checked_at": rfc3339(row["last_checked_at"]),
        "last_changed_at": rfc3339(row["last_changed_at"]),
        "next_check_at": rfc3339(row["next_check_at"]),
        "failures": row["failures"],
        "last_error": row["last_error"],
        "entries": row["entries"],
        "possible_gaps": row["possible_gaps"],
        "oddities": [
            {"kind": one.kind, "since": rfc3339(one.since_at), "count": one.count, "detail": one.detail} for one in odd
        ],
    }


def found_json(found: FoundFeed) -> dict:
    """A feed that `feeds find` found."""
    return {
        "url": found.url,
        "how": found.how,
        "title": found.title,
        "entries": found.entries,
        "newest_at": rfc3339(found.newest_at),
        "error": found.error,
    }


def print_feeds(rows: Sequence[Row], odd: Odd, *, zone: tzinfo, now: datetime) -> None:
    """Every feed, and how many are in which state."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_plain(row, odd.get(row["name"], ()), zone, now)))
        return
    out = console()
    longest = max((len(row["name"]) for row in rows), default=0)
    width = max(min(longest, WIDEST, out.width - OTHERS), NARROWEST)
    out.print(Text(_line(width, "feed", "state", "checked", "next", "last new", "entries"), style="bold"))
    for row in sorted(rows, key=lambda row: (ORDER.index(row["state"]), row["name"])):
        _print_feed(out, row, odd.get(row["name"], ()), width, zone, now)
    out.print(Text(_counted(rows), style="dim"))


def print_found(found: Sequence[FoundFeed], zone: tzinfo) -> None:
    """What `feeds find` found: an address a line, and what is there."""
    out, terminal = console(), sys.stdout.isatty()
    for one in found:
        if one.error is None:
            says = f"{one.entries} items" + (f", the newest of {local(one.newest_at, zone)}" if one.newest_at else "")
        else:
            says = f"does not work: {one.error}"
        if terminal:
            out.print(Text(clean(one.url), style="bold" if one.error is None else "dim"))
            out.print(Padding(Text(clean(f"{one.title} · {says}" if one.title else says), style="dim"), (0, 0, 0, 2)))
        else:
            print("\t".join(map(_flat, (one.url, one.title, says))))


def span(between: timedelta) -> str:
    """A span in the largest unit that fits: "40 s", "27 min", "5 h", "12 d"."""
    seconds = abs(between.total_seconds())
    for unit, size, most in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _print_feed(out, row: Row, odd: Sequence[Oddity], width: int, zone: tzinfo, now: datetime) -> None:
    line = Text(
        _line(
            width,
            row["name"],
            row["state"],
            f"{span(now - row['last_checked_at'])} ago" if row["last_checked_at"] else "never",
            f"in {span(row['next_check_at'] - now)}" if row["next_check_at"] > now else "now",
            f"{span(now - row['last_changed_at'])} ago" if row["last_changed_at"] else "–",
            f"{row['entries']:,}",
        )
    )
    line.stylize(STATE_STYLE.get(row["state"], ""), width + 1, width + 13)
    out.print(line)
    for trouble in troubles_of(row, odd, zone, now):
        out.print(Padding(Text(clean(trouble), style="red" if row["last_error"] else "yellow"), (0, 0, 0, 2)))


def _line(width: int, name: str, state_name: str, checked: str, due: str, new: str, entries: str) -> str:
    name = name if len(name) <= width else name[: width - 1] + "…"
    return f"{name:<{width}} {state_name:<11} {checked:<10} {due:<9} {new:<10} {entries:>7}"


def _plain(row: Row, odd: Sequence[Oddity], zone: tzinfo, now: datetime) -> tuple[str, ...]:
    why = _flat(" · ".join(troubles_of(row, odd, zone, now))) or "–"
    times = (local(row["last_checked_at"], zone), local(row["next_check_at"], zone))
    return row["name"], str(state(row["state"])), *times, str(row["entries"]), why


def _flat(text: str) -> str:
    return " ".join(clean(text).split())


def _counted(rows: Sequence[Row]) -> str:
    counted = Counter(row["state"] for row in rows)
    states = ", ".join(f"{counted[name]} {name}" for name in reversed(ORDER) if counted[name])
    return f"{len(rows)} feed{'' if len(rows) == 1 else 's'}{f': {states}' if states else ''}"
