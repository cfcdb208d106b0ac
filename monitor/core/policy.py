"""What judging is told besides the entries: what the operator wants, and what the past says.

Records only; they are made in app.py and ingest.py and read in core/pipeline.py and core/judging.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta, tzinfo

from monitor.core.score import CompiledWatchlists
from monitor.model import Assignment, Channel, Entry, Level, Origin, Reason, Route, Silence, Watchlist, record

SINGLES = timedelta(hours=1)  # over which alerts of a watchlist that go one by one are counted


@record
class Policy:
    """What the operator configured, as far as judging needs it."""

    watchlists: tuple[Watchlist, ...]
    compiled: CompiledWatchlists
    origins: Mapping[str, Origin]  # by feed name
    routes: tuple[Route, ...] = ()
    channels: tuple[Channel, ...] = ()
    zone: tzinfo
    language: str = "en"  # of feeds that name none
    base_url: str = ""
    feedback_key: bytes = field(default=b"", repr=False)  # signs the links by which readers judge alerts
    backlog: timedelta = timedelta(hours=24)
    backlog_max: int = 10
    singles_per_hour: int = 20  # alerts of one watchlist and level that go one by one
    articles: str = "never"  # which linked pages are read: never, matching, always
    loaded_at: Mapping[str, datetime] = field(default_factory=dict)  # since when each watchlist is as it is, by id


@record
class History:
    """What the past says about what arrives now."""

    seeding: frozenset[str] = frozenset()  # feeds on their first check
    reseeding: frozenset[str] = frozenset()  # … of which nothing is told: the archive was lost
    held: frozenset[str] = frozenset()  # entries of a feed in quarantine, by id
    remembered: Mapping[tuple[str, str], Reason] = field(
        default_factory=dict
    )  # by story and watchlist: why it was kept
    catching_up: frozenset[str] = frozenset()  # feeds that were not reached for so long that news was missed
    silences: tuple[Silence, ...] = ()  # those in force
    singles: Mapping[tuple[str, Level], int] = field(default_factory=dict)  # alerts of the last hour


@record
class Arrival:
    """An entry that is to be judged: a new copy, or (`is_edit`) a new version of a known one."""

    entry: Entry
    assignment: Assignment
    is_edit: bool = False
