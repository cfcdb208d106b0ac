"""Serving the bundled sample feeds on loopback, as real outlets would, and receiving what is sent.

The samples hold date tokens such as `{{rfc822 -35m}}`: that long before now.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b
from importlib.resources import files

from aiohttp import web

TOKEN = re.compile(rb"\{\{(rfc822|iso) -(\d+)([mhd])\}\}")
UNITS = {b"m": timedelta(minutes=1), b"h": timedelta(hours=1), b"d": timedelta(days=1)}
TYPES = {"json": "application/feed+json", "xml": "application/xml"}


@dataclass
class Newsstand:
    """The outlets of the demo: the addresses of their feeds, and what arrived at the address for alerts."""

    address: str = ""
    feeds: dict[str, bytes] = field(default_factory=dict)
    received: list[dict] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def urls(self) -> dict[str, str]:
        """Addresses of the feeds, by name."""
        return {name.rpartition(".")[0]: f"{self.address}/{name}" for name in self.feeds}


def sample_feeds(now: datetime) -> dict[str, bytes]:
    """The bundled feeds by file name, dated as if they had been published in the hours before `now`."""
    folder = files("monitor.demo") / "feeds"
    return {
        file.name: TOKEN.sub(lambda token: _date(token, now), file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith((".xml", ".json"))
    }


@asynccontextmanager
async def newsstand(now: datetime) -> AsyncIterator[Newsstand]:
    """Serve the sample feeds on a free loopback port while the block runs."""
    stand = Newsstand(feeds=sample_feeds(now))
    application = web.Application()

    async def feed(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in stand.feeds:
            raise web.HTTPNotFound
        body = stand.feeds[name]
        etag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
        known = request.headers.get("If-None-Match") == etag
        stand.answers.append(304 if known else 200)
        if known:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(body=body, content_type=TYPES[name.rpartition(".")[2]], headers={"ETag": etag})

    async def alert(request: web.Request) -> web.Response:
        stand.received.append(await request.json())
        return web.Response()

    application.add_routes([web.get("/{name}", feed), web.post("/alerts", alert)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stand.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stand
    finally:
        await runner.cleanup()


def _date(token: re.Match[bytes], now: datetime) -> bytes:
    moment = (now - int(token[2]) * UNITS[token[3]]).replace(microsecond=0)
    text = format_datetime(moment, usegmt=True) if token[1] == b"rfc822" else moment.isoformat().replace("+00:00", "Z")
    return text.encode()
