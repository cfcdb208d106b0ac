"""The status page: is it well, what was told, what was recognised as one story, how the feeds are.

Reads the archive and shows it; changes nothing. Works without JavaScript and loads nothing from elsewhere. Every
outside string is escaped by the templates; addresses become links only where they are http(s).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from monitor.core.spread import spread_of
from monitor.status import status_of
from monitor.store import feeds, letters, stories
from monitor.store.database import Database
from monitor.store.relatives import list_relatives

LOOKBACK = timedelta(hours=24)
ROWS = 200
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")

DATABASE = web.AppKey("database", Database)
CLOCK = web.AppKey("clock", Callable[[], datetime])
PAGES = web.AppKey("pages", Environment)


@asynccontextmanager
async def serve_page(
    listen: str, database: Database, *, clock: Callable[[], datetime], zone: tzinfo
) -> AsyncIterator[str]:
    """Serve the page at `listen` ("host:port", port 0: a free one) while the block runs; gives its address.

    Times are shown in `zone`. Raises OSError where the port is taken.
    """
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(_application(database, clock, zone), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), int(port))
        await site.start()
        bound = runner.addresses[0]
        yield f"http://{host}:{bound[1]}/"
    finally:
        await runner.cleanup()


def _application(database: Database, clock: Callable[[], datetime], zone: tzinfo) -> web.Application:
    application = web.Application(middlewares=[_guard])
    pages = Environment(loader=PackageLoader("monitor.web"), autoescape=select_autoescape(), undefined=StrictUndefined)
    pages.filters["local"] = lambda moment: moment.astimezone(zone).strftime("%d %b %H:%M") if moment else "–"
    pages.filters["web_link"] = lambda url: url if str(url).startswith(("http://", "https://")) else ""
    application[DATABASE], application[CLOCK], application[PAGES] = database, clock, pages
    application.add_routes(
        [
            web.get("/", _overview),
            web.get("/stories", _stories),
            web.get("/stories/{id}", _story),
            web.get("/feeds", _feeds),
            web.get("/healthz", _health),
            web.get("/style.css", _style),
        ]
    )
    return application


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Only under a local name (against DNS rebinding), and never an answer without the headers."""
    if request.url.host not in LOCAL_NAMES:
        response: web.StreamResponse = web.Response(status=421, text="This page answers to a local name only.\n")
    else:
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            response = web.Response(status=refusal.status, text=refusal.text, headers=refusal.headers)
    response.headers.update(HEADERS)
    return response


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


async def _overview(request: web.Request) -> web.Response:
    now = request.app[CLOCK]()

    def read(tx) -> dict:
        rows = letters.list_alerts(tx, since=now - LOOKBACK)[:ROWS]
        return {
            "status": status_of(tx, request.app[DATABASE].url, now=now, pid=os.getpid()),
            "alerts": rows,
            "deliveries": letters.list_deliveries(tx, [row["id"] for row in rows]),
        }

    return await _page(request, "overview.html", read)


async def _stories(request: web.Request) -> web.Response:
    asked = request.query.get("search", "").strip()[:200]
    search = "".join(letter if letter.isprintable() else "�" for letter in asked)
    since = request.app[CLOCK]() - (LOOKBACK * 3)

    def read(tx) -> dict:
        rows = stories.list_stories(tx, since=since, search=search or None, limit=ROWS)
        ids = [row["id"] for row in rows]
        return {
            "search": search,
            "stories": rows,
            "pickups": stories.list_pickups(tx, ids),
            "matches": stories.list_matches(tx, ids),
        }

    return await _page(request, "stories.html", read)


async def _story(request: web.Request) -> web.Response:
    def read(tx) -> dict:
        row = stories.find_story(tx, request.match_info["id"])
        if row is None:
            raise web.HTTPNotFound(text="No such story.\n")
        ids = [row["id"]]
        pickups, relatives = stories.list_pickups(tx, ids).get(row["id"], ()), list_relatives(tx, ids)[row["id"]]
        return {
            "story": row,
            "pickups": pickups,
            "relatives": relatives,
            "spread": spread_of(pickups, relatives),
            "matches": stories.list_matches(tx, ids).get(row["id"], ()),
        }

    return await _page(request, "story.html", read)


async def _feeds(request: web.Request) -> web.Response:
    return await _page(request, "feeds.html", lambda tx: {"feeds": feeds.list_feeds(tx)})


async def _health(request: web.Request) -> web.Response:
    """200 while the daemon makes progress and all is well, else 503; the body says why."""
    now = request.app[CLOCK]()
    found = await _read(request, lambda tx: status_of(tx, request.app[DATABASE].url, now=now, pid=os.getpid()))
    healthy = found["ok"] and found["progressing"]
    return web.json_response(
        {"ok": healthy, "running": found["progressing"], "problems": found["problems"]}, status=200 if healthy else 503
    )


async def _style(request: web.Request) -> web.Response:
    return web.Response(text=request.app[PAGES].get_template("style.css").render(), content_type="text/css")


async def _page(request: web.Request, template: str, read: Callable[[Any], dict]) -> web.Response:
    values = await _read(request, read)
    page = request.app[PAGES].get_template(template).render(page=template, now=request.app[CLOCK](), **values)
    return web.Response(text=page, content_type="text/html")


async def _read(request: web.Request, read: Callable[[Any], Any]) -> Any:
    def in_thread() -> Any:
        with request.app[DATABASE].read() as tx:
            return read(tx)

    return await asyncio.to_thread(in_thread)
