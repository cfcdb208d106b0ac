"""What the running daemon lends to its status page: the archive to read, and the few things that it may set going."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import datetime, tzinfo

from aiohttp import web

from monitor.model import Feedback, Reloaded, Watchlist, record
from monitor.store.database import Database


@record
class Behind:
    """Everything behind the page. Functions are asked anew each time, since a reload changes what they say."""

    database: Database
    clock: Callable[[], datetime]
    zone: tzinfo  # of the times that people read
    only_here: bool = True  # nobody but this host reaches the page
    token: str = field(default="", repr=False)  # that readers must bear; empty: none
    base_url: Callable[[], str]  # under which readers of alerts reach the page; may be ""
    feedback_key: Callable[[], bytes]
    watchlists: Callable[[], tuple[Watchlist, ...]]
    standing_still: Callable[[], tuple[str, ...]]  # parts of the daemon that do, as sentences
    metrics: Callable[[], Awaitable[bytes]]  # in Prometheus' text format
    reload: Callable[[], Awaitable[Reloaded]]
    judge: Callable[[str, Feedback], Awaitable[tuple[str, str] | None]]  # of an alert; as store.feedback.note


BEHIND = web.AppKey("behind", Behind)
