"""Writes tests/data/databases/VERSION.sql: a small database as this version makes it, for the tests of later upgrades.

    .venv/bin/python -m tests.data.databases.make

Run it once for each version that is released, and leave the files of earlier versions as they are. It is text, so that
a change can be read. Made by the real program from its bundled sample feeds, at a fixed time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from monitor import __version__, reload
from monitor.app import App
from tests.desk import Desk, rss
from tests.fakeweb import FakeWeb

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
TITLES = ("Parliament passes the harbour bill after a night of debate", "Rain is expected over the hills")


async def lived(desk: Desk) -> None:
    async with App(reload.read_all(desk.config), clock=lambda: NOW) as app:
        await app.poll()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, FakeWeb() as web:
        desk = Desk(Path(folder), web).feed("gazette", rss(*TITLES)).feed("herald", rss(TITLES[0], title="Herald"))
        asyncio.run(lived(desk))
        with sqlite3.connect(Path(folder) / "wirewatch.db") as made:
            text = "\n".join(made.iterdump()) + "\n"
    Path(__file__).with_name(f"{__version__}.sql").write_text(text.replace(folder, "/srv"), encoding="utf-8")


if __name__ == "__main__":
    main()
