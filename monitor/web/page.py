"""The status page: serving it, and its paths.

Whoever reaches its port, with the token or without, gets a few of the process's connections and each for a short time:
feeds and channels need the others.

Read-only but for two things: a reload, and the verdict of whoever holds a signed link. Works without JavaScript and
loads nothing from elsewhere. Who may ask is doors.py's business, what a page holds views.py's; every outside string is
escaped by the templates, and an address becomes a link as in messages (edges/send/layout.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from monitor.core.render import named
from monitor.edges.send.layout import link_text, web_address
from monitor.model import Hit
from monitor.web import actions, views
from monitor.web.behind import BEHIND, Behind
from monitor.web.doors import guard
from monitor.web.reading import NOT_SHOWN, PAGES, READERS

LEFT_OUT = dict.fromkeys(NOT_SHOWN)
READERS_AT_ONCE = 2  # a slow search must not take the threads that feeds are parsed in

CONNECTIONS = 64  # at once; what comes beyond them is closed
BACKLOG = 16  # taken in at one go, and so the most by which that may be exceeded
PATIENCE = 10.0  # seconds for the head of a request, also of the next one on a connection

SHUTDOWN = 2.0  # seconds for requests under way: messages being sent have their patience, pages need none


@asynccontextmanager
async def serve_page(listen: str, behind: Behind) -> AsyncIterator[str]:
    """Serve the page at `listen` ("host:port", port 0: a free one) while the block runs; gives its address.

    Raises OSError where the port is taken.
    """
    host, _, port = listen.rpartition(":")
    with ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="page") as readers:
        application = _application(behind, readers)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=_Log(server_logger),
            shutdown_timeout=SHUTDOWN,
            keepalive_timeout=PATIENCE,
        )
        await runner.setup()
        try:
            listener = await _listen(runner, host.strip("[]"), int(port))
            try:
                yield f"http://{host}:{listener.sockets[0].getsockname()[1]}/"
            finally:
                listener.close()
        finally:
            await runner.cleanup()


class _Log(logging.LoggerAdapter):
    """Bad HTTP is anybody's to send: for whoever looks for it, and no trouble of ours."""

    def log(self, level: int, msg: object, *args: object, **more: Any) -> None:
        error = more.get("exc_info")
        if isinstance(error, HttpProcessingError):
            super().log(logging.DEBUG, "bad HTTP: %s", " ".join(error.message.split()))
        else:
            super().log(level, msg, *args, **more)


class _Full(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()


async def _listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    server = runner.server

    def connected() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < CONNECTIONS else _Full()

    return await asyncio.get_running_loop().create_server(connected, host, port, backlog=BACKLOG)


def _application(behind: Behind, readers: ThreadPoolExecutor) -> web.Application:
    application = web.Application(middlewares=[guard])
    application[BEHIND], application[READERS], application[PAGES] = behind, readers, _templates(behind)
    application.add_routes(
        [
            web.get("/", views.overview),
            web.get("/stories", views.stories),
            web.get("/stories/{id}", views.story),
            web.get("/alerts", views.alerts),
            web.get("/watchlists", views.watchlists),
            web.get("/watchlists/{id}", views.watchlist),
            web.get("/feeds", views.feeds),
            web.get("/style.css", views.style),
            web.get("/healthz", actions.health),
            web.get("/metrics", actions.metrics),
            web.post("/-/reload", actions.reload),
            web.get("/feedback/{alert}/{signature}/{verdict}", actions.ask),
            web.post("/feedback/{alert}/{signature}/{verdict}", actions.judge),
        ]
    )
    return application


def _templates(behind: Behind) -> Environment:
    pages = Environment(
        loader=PackageLoader("monitor.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def local(moment: datetime | str | None) -> str:
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return moment.astimezone(behind.zone).strftime("%d %b %H:%M") if moment else "–"

    pages.finalize = _shown
    pages.filters |= {"local": local, "named": _named, "words": _words, "span": _span}
    pages.filters |= {"web_address": web_address, "link_text": link_text}
    pages.globals["zone"] = str(behind.zone)
    return pages


def _shown(value: Any) -> Any:
    """Without what turns or hides the text around it, wherever a text came from. Escaping follows."""
    outside = isinstance(value, str) and not isinstance(value, Markup)  # Markup is what a macro of ours has made
    return value.translate(LEFT_OUT) if outside else value


def _words(name: Any) -> str:
    return str(name).replace("_", " ")


def _named(hit: dict[str, Any]) -> str:
    return named(Hit(**hit))


def _span(seconds: float | None) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h, 5 days."""
    if seconds is None:
        return "–"
    for length, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
