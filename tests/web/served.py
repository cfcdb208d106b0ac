"""The status page over a database, without a daemon: what it would be lent is made up here."""

from __future__ import annotations

import asyncio
import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from monitor.model import Feedback, Reloaded, Watchlist
from monitor.store import feedback
from monitor.store.database import Database
from monitor.web.behind import Behind
from monitor.web.page import serve_page

KEY = b"k" * 32
BASE = "https://alerts.example.org"


@dataclass
class House:
    """What stands behind the page, as a test wants it; and what the page set going."""

    token: str = ""
    base_url: str = ""
    only_here: bool = True
    watchlists: tuple[Watchlist, ...] = ()
    standing_still: tuple[str, ...] = ()
    reloaded: Reloaded = Reloaded(ok=True, watchlists=1)
    reloads: int = 0
    judged: list[tuple[str, Feedback]] = field(default_factory=list)

    def behind(self, database: Database) -> Behind:
        """For `serve_page`."""

        async def reload():
            self.reloads += 1
            return self.reloaded

        async def judge(alert, verdict):
            self.judged.append((alert, verdict))
            with Database.open_beside(database.url) as beside, beside.write() as tx:
                return feedback.note(tx, alert, verdict, datetime.now(UTC))

        async def series():
            return b"wirewatch_up 1\n"

        return Behind(
            database=database,
            clock=lambda: datetime.now(UTC),
            zone=ZoneInfo("Europe/Berlin"),
            only_here=self.only_here,
            token=self.token,
            base_url=lambda: self.base_url,
            feedback_key=lambda: KEY,
            watchlists=lambda: self.watchlists,
            standing_still=lambda: self.standing_still,
            metrics=series,
            reload=reload,
            judge=judge,
        )


@dataclass
class Page:
    """A served page, asked over a socket."""

    port: int
    house: House
    database: str
    known: dict[str, str] = field(default_factory=dict)  # names for ids, which paths may hold in braces

    def asks(self, path: str, *, method: str = "GET", host: str | None = "127.0.0.1", **headers: str):
        """One answer: status, headers, text. `PORT` in a header is the page's; underscores in names are hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path.format(**self.known) if "{" in path else path, skip_host=True)
        for name, value in {"Host": host, **headers}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value.replace("PORT", str(self.port)))
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text


@contextmanager
def served(path: str, house: House | None = None):
    """The page over this database, in a thread with a loop of its own."""
    loop, up, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    database, found, house = Database.open_reader(path), [], house or House()

    async def serve():
        async with serve_page("127.0.0.1:0", house.behind(database)) as address:
            found.append(address)
            up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        yield Page(int(found[0].rpartition(":")[2].strip("/")), house, path)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
        database.close()
