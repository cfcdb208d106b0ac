"""A newsroom in a temporary folder: a configuration, watchlists, feeds on loopback, and the commands a person types."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from zlib import crc32

from click.testing import CliRunner, Result

from monitor.cli import main
from tests.fakeweb import FakeWeb

CONFIG = """\
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
timeout = "5s"
interval = "1h"
min_interval = "1s"
[web]
listen = ""
"""
HARBOUR = """\
title = "The harbour"
threshold = 2
[[term]]
name = "harbour"
any = ["harbour", "quay"]
weight = 2
"""
CONSOLE = "console://?format=json"
BILL = "Parliament passes the harbour bill after a night of debate"


def rss(*titles: str, hours: float = 1, title: str = "Gazette", more: str = "") -> bytes:
    """A feed with these headlines (XML-escaped ones), published so many hours ago."""
    stamp = format_datetime(datetime.now(UTC) - timedelta(hours=hours))
    items = "".join(
        f"<item><title>{one}</title><guid isPermaLink='false'>{one}</guid><link>https://gazette.example/{number}-{crc32(one.encode())}</link>"
        f"<pubDate>{stamp}</pubDate>{more}</item>"
        for number, one in enumerate(titles)
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>{title}</title>{items}</channel></rss>".encode()


def json_feed(*titles: str, **more: object) -> bytes:
    """The same as JSON, in which a headline may hold any character."""
    stamp = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    items = [{"id": one, "title": one, "url": f"https://gazette.example/{number}", "date_published": stamp, **more} for number, one in enumerate(titles)]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "Gazette", "items": items}).encode()


class Desk:
    """One newsroom. `feeds` maps names to paths on `web`; `channels` maps names to addresses."""

    def __init__(self, folder: Path, web: FakeWeb):
        self.folder, self.web = folder, web
        self.feeds: dict[str, str] = {}
        self.channels: dict[str, str] = {"desk": CONSOLE}
        self.config = folder / "config.toml"
        (folder / "watchlists").mkdir()
        self.watchlist("harbour", HARBOUR)
        self.write()

    def feed(self, name: str, body: bytes, **more) -> Desk:
        """Serve this document under a name and poll it."""
        self.web.page(f"/{name}").says(200, body, **more)
        self.feeds[name] = self.web.url(f"/{name}")
        return self.write()

    def channel(self, name: str, url: str) -> Desk:
        """Deliver there instead of to the console."""
        self.channels = {**{key: value for key, value in self.channels.items() if key != "desk"}, name: url}
        return self.write()

    def watchlist(self, name: str, text: str) -> Desk:
        """Put a watchlist in place."""
        (self.folder / "watchlists" / f"{name}.toml").write_text(text, encoding="utf-8")
        return self

    def write(self, more: str = "", head: str = CONFIG) -> Desk:
        """Write the configuration; `more` is appended."""
        feeds = "".join(f'[[feed]]\nname = "{name}"\nurl = "{url}"\n' for name, url in self.feeds.items())
        channels = "".join(f'[channel.{name}]\nurl = "{url}"\n' for name, url in self.channels.items())
        route = f'[[route]]\nchannels = {json.dumps(list(self.channels))}\ngroup_wait = "0s"\n' if self.channels else ""
        self.config.write_text(head + feeds + channels + route + more, encoding="utf-8")
        return self

    def does(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Type a command; what it raised beyond an exit is raised here."""
        result = CliRunner().invoke(main, ["--config", str(self.config), *arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def lines(self, *arguments: str, stdin: bytes | None = None) -> list[dict]:
        """Type a command that prints JSON Lines; its objects."""
        result = self.does(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]
