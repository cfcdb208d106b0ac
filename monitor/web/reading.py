"""Between the archive and a template: reading in a thread, rendering, and what a reader asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from jinja2 import Environment

from monitor.model import record
from monitor.web.behind import BEHIND

CONTROLS = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))
BIDIRECTIONAL = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
TAGS = range(0xE0000, 0xE0080)
NOT_SHOWN = (*CONTROLS, *BIDIRECTIONAL, *TAGS)  # characters that turn or hide the text around them
ROWS = 50  # on one page
LONGEST_SEARCH = 200
MOST_PAGES = 10_000

PAGES = web.AppKey("pages", Environment)
READERS = web.AppKey("readers", ThreadPoolExecutor)


@record
class Asked:
    """What a reader asked a list for."""

    search: str = ""
    watchlist: str = ""
    days: int = 0
    page: int = 1

    @property
    def wanted(self) -> dict[str, str | None]:
        """What narrows a list of stories or alerts, as the archive is asked for it."""
        return {"search": self.search or None, "watchlist": self.watchlist or None}

    @property
    def skip(self) -> int:
        """Rows of the pages before."""
        return (self.page - 1) * ROWS


def asked_of(request: web.Request, *, days: int = 1) -> Asked:
    """What stands in the address; whatever is odd in it counts as not asked. `days`: how far back without a word."""
    query = request.query
    return Asked(
        search=_plain(query.get("search", "")),
        watchlist=_plain(query.get("watchlist", "")),
        days=_number(query.get("days", ""), days, most=400),
        page=_number(query.get("page", ""), 1, most=MOST_PAGES),
    )


def one_page(rows: Sequence[Any]) -> tuple[Sequence[Any], bool]:
    """The rows of a page, of one more than these; and whether others follow."""
    return rows[:ROWS], len(rows) > ROWS


async def read(request: web.Request, function: Callable[[Any], Any]) -> Any:
    """What a function reads from the archive, in a thread of the page's own."""

    def in_thread() -> Any:
        with request.app[BEHIND].database.read() as tx:
            return function(tx)

    return await asyncio.get_running_loop().run_in_executor(request.app[READERS], in_thread)


async def show(request: web.Request, template: str, function: Callable[[Any], dict[str, Any]]) -> web.Response:
    """A page of what a function reads."""
    return render(request, template, **await read(request, function))


def render(request: web.Request, template: str, *, code: int = 200, **values: Any) -> web.Response:
    """A page of these values."""
    now = request.app[BEHIND].clock()
    text = request.app[PAGES].get_template(template).render(page=template, now=now, **values)
    return web.Response(text=text, content_type="text/html", status=code)


def _plain(text: str) -> str:
    return text.strip()[:LONGEST_SEARCH].translate(dict.fromkeys(NOT_SHOWN, "\ufffd"))


def _number(text: str, otherwise: int, *, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else otherwise
    return min(max(1, number), most)
