"""The real daemon under a fast clock, with a feed that is written as the test goes and channels of every kind.

    with Newsroom(nursery, folder) as room:
        room.slack.limits(30)
        with room.open(speed=10):              # the daemon runs, ten simulated seconds in one
            room.publish("alpha", "bravo")
            room.wait_until(lambda: len(room.slack.messages) == 2)
        room.later(hours=5)                    # and the next one starts five hours later

An item is known by its word, which stands in its headline and in nothing else. What has come to a channel is read from
the fakes: `room.words(room.slack)`.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from email.utils import format_datetime
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.nursery import Life, Nursery
from tests.fakes import FakeHttp, FakeMatrix, FakeSlack, FakeSmtp
from tests.fakeweb import FakeWeb, head

PATIENCE = 30.0  # seconds; only a broken program needs them
BOXES = ("desk@example.org", "night@example.org")
WATCHLIST = """\
title = "The harbour"
threshold = 2
[[term]]
name = "harbour"
any = ["harbour"]
weight = 2
"""
HEAD = """\
[monitor]
database = "wirewatch.db"
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
interval = "{interval}"
min_interval = "1s"
max_interval = "{max_interval}"
[alerts]
{alerts}
[web]
listen = ""
"""
_WORD = re.compile(r"Harbour (\w+):")
_SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]


class Newsroom:
    """See above. `channels`: name → address (or table, as TOML); by default one of each kind."""

    def __init__(self, nursery: Nursery, folder: Path, *, feeds: int = 1, condition: str = ""):
        self._nursery, self.folder, self._condition = nursery, folder, condition
        self._dice = Random(1)
        self._published = datetime.now(UTC) - timedelta(hours=1)
        self._ahead = timedelta(0)  # simulated time before the system's, while no daemon runs
        self._titles: dict[str, str] = {}
        self._items: dict[str, list[str]] = {f"feed{number}": [] for number in range(feeds)}
        self.interval, self.max_interval, self.alerts, self.group_wait = "2s", "24h", "", "0s"
        self.environ: dict[str, str] = {}  # what the daemons find there besides
        self.asked: list[tuple[str, datetime]] = []  # feed, simulated time
        self.life: Life | None = None

    def __enter__(self) -> Newsroom:
        self._stack = ExitStack()
        self.web = self._stack.enter_context(FakeWeb())
        kinds = (FakeSlack, FakeMatrix, FakeSmtp, FakeHttp, FakeHttp)
        self.slack, self.matrix, self.mail, self.hook, self.ops = map(
            self._stack.enter_context, (kind() for kind in kinds)
        )
        self.channels: dict[str, str] = {
            "slack": f'url = "{self.slack.url}"',
            "room": f'url = "{self.matrix.url}"',
            "mail": f'url = "{self.mail.url_of(*BOXES)}"',
            "hook": f'url = "{self.hook.url}"',
        }
        for name in self._items:
            self.web.page(f"/{name}").answers(lambda request, name=name: self._answer(request, name))
        (self.folder / "watchlists").mkdir()
        (self.folder / "watchlists" / "harbour.toml").write_text(WATCHLIST)
        return self

    def __exit__(self, *what: object) -> None:
        if self.life is not None:
            self.life.kill()
            self.life.wait()
        self._stack.__exit__(*what)

    # ── the day ──────────────────────────────────────────────────────────────────────────────────

    def only(self, *names: str) -> Newsroom:
        """Keep these channels."""
        self.channels = {name: self.channels[name] for name in names}
        return self

    def with_operator(self) -> Newsroom:
        """And one for what concerns the daemon itself."""
        self.channels["ops"] = f'url = "{self.ops.url}"\noperator = true'
        return self

    def publish(self, *words: str, feed: str = "feed0") -> None:
        """Items with these words, in this order, oldest first."""
        for word in words:
            self._published += timedelta(seconds=1)  # feeds know no smaller unit, and order counts
            self._published = max(self._published, self.now() - timedelta(hours=1))
            rest = " ".join("".join(self._dice.choices(_SYLLABLES, k=4)) for _ in range(5))
            self._titles[word] = f"Harbour {word}: {rest}"
            self._add(feed, self._titles[word], word)

    def take_back(self, word: str, *, feed: str) -> None:
        """The item once more, from another outlet, which kills it as the wires do."""
        self._add(feed, f"KILL-{self._titles[word]}", f"{word}-kill")

    def _add(self, feed: str, title: str, guid: str) -> None:
        self._items[feed].append(
            f"<item><title>{title}</title><guid isPermaLink='false'>{guid}</guid>"
            f"<link>https://gazette.example/{guid}</link><pubDate>{format_datetime(self._published)}</pubDate></item>"
        )

    @contextmanager
    def open(self, *, speed: float = 10.0, crash_at: str = "", stop: bool = True) -> Iterator[Life]:
        """A daemon, until the end of the block: then it is asked to stop, and has to end well (or, with `stop=False`,
        is killed)."""
        self.start(speed=speed, crash_at=crash_at)
        yield self.life
        if stop:
            assert self.stop() == 0, self.said()[-3000:]
        else:
            self.kill()

    def start(self, *, speed: float = 10.0, crash_at: str = "") -> Life:
        """Start a daemon."""
        self.write()
        self._speed, self._began, self._origin = speed, time.monotonic(), self.now()
        environ = {"WIREWATCH_NOW": self._origin.isoformat(), "WIREWATCH_SPEED": str(speed)}
        environ |= {"WIREWATCH_CRASH_AT": crash_at or "draining:99", "CLOCK_JUMP": str(self.folder / "jump")}
        environ |= self.environ
        self.life = self._nursery.start(self.folder / "config.toml", environ=environ, design=self._condition)
        return self.life

    def stop(self) -> int:
        """SIGTERM; the exit code. The clock stands where it was."""
        self.life.terminate()
        assert self.life.wait(), "it does not end"
        self._freeze()
        return self.life.code

    def kill(self) -> None:
        """kill -9; the clock stands where it was."""
        self.life.kill()
        self.life.wait()
        self._freeze()

    def _freeze(self) -> None:
        then = self._origin + timedelta(seconds=(time.monotonic() - self._began) * self._speed)
        self._ahead = then - datetime.now(UTC)

    def later(self, **span: float) -> None:
        """So much later."""
        self._ahead += timedelta(**span)

    def jump(self, **span: float) -> None:
        """The running daemon's clock jumps so far, as when a machine has slept (condition "clock_jumps")."""
        self._origin += timedelta(**span)
        (self.folder / "jump").write_text(str(timedelta(**span).total_seconds()))

    def now(self) -> datetime:
        """Simulated time."""
        if self.life is None or self.life.dead.is_set():
            return datetime.now(UTC) + self._ahead
        return self._origin + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def wait_until(self, happened: Callable[[], bool], *, patience: float = PATIENCE) -> None:
        """Wait for something to happen while the daemon lives."""
        end = time.monotonic() + patience
        while not happened():
            assert not self.life.dead.is_set(), f"the daemon ended with {self.life.code}:\n{self.said()[-3000:]}"
            assert time.monotonic() < end, f"it did not happen; the daemon said:\n{self.said()[-3000:]}"
            time.sleep(0.02)

    def wait(self, **span: float) -> None:
        """So much simulated time, in which something must not happen."""
        time.sleep(timedelta(**span).total_seconds() / self._speed)

    # ── what came of it ──────────────────────────────────────────────────────────────────────────

    def texts(self, sink: Any) -> list[str]:
        """All that has come to a channel, oldest first, as text."""
        if sink is self.mail:
            parsed = [message_from_bytes(mail.data, policy=default) for mail in sink.mails]
            return [f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}" for mail in parsed]
        if sink is self.matrix:
            return [shown.body for shown in sink.shown()]
        if sink is self.slack:
            return [json.dumps(message, ensure_ascii=False) for message in sink.messages]
        return [json.dumps(request.json, ensure_ascii=False) for request in sink.accepted]

    def words(self, sink: Any) -> list[list[str]]:
        """The words of the items that each message tells of, each once a message."""
        return [list(dict.fromkeys(_WORD.findall(text))) for text in self.texts(sink)]

    def rows(self, query: str = "SELECT * FROM deliveries ORDER BY seq") -> list[dict[str, Any]]:
        """What the database says; nothing where there is none yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.folder / 'wirewatch.db'}?mode=ro", uri=True)) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute(query)]
        except sqlite3.OperationalError:
            return []

    def states(self, channel: str) -> list[str]:
        """Where the channel's deliveries stand."""
        return [row["state"] for row in self.rows() if row["channel"] == channel]

    def said(self) -> str:
        """All that the daemons logged."""
        return (self.folder / "config.log").read_text(errors="replace")

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _answer(self, request, name: str):
        self.asked.append((name, self.now()))
        rows = "".join(reversed(self._items[name]))
        body = f"<rss version='2.0'><channel><title>Gazette {name}</title>{rows}</channel></rss>".encode()
        etag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
        if request.header("If-None-Match") == etag:
            return (head(304, [("ETag", etag)]),)
        return (head(200, [("ETag", etag), ("Content-Length", str(len(body)))]), body)

    def write(self) -> None:
        """Write the configuration as it now is; a start does."""
        text = HEAD.format(interval=self.interval, max_interval=self.max_interval, alerts=self.alerts)
        text += "".join(f"[channel.{name}]\n{table}\n" for name, table in self.channels.items())
        text += "".join(f'[[feed]]\nname = "{name}"\nurl = "{self.web.url("/" + name)}"\n' for name in self._items)
        to = [name for name, table in self.channels.items() if "operator" not in table]
        text += f'[[route]]\nchannels = {json.dumps(to)}\ngroup_wait = "{self.group_wait}"\n'
        (self.folder / "config.toml").write_text(text)
