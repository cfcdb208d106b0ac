"""A month of two hundred feeds whose servers err, while the daemon is stopped and killed: nothing lost, nothing doubled.

with Month(folder, seed=7, feeds=200, days=30) as month:
    month.live()
    print(month.verdict())

`mistake` is put into every daemon. What a feed holds at any moment, when its server errs and how, and how each life of the daemon ends, follow from the seed.
The daemon is the real one in a time of its own (tests/timelapse.py), with the real gate, database and sender; the
servers stand behind real sockets. A life that is killed leaves messages in hand whose arrival nobody can know: those may
come once more, no others.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from tests.timelapse import Ending, Life

START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOKEN = re.compile(r"zq[a-z]{8}")
STAYS, STAYS_LONG = 7 * DAY, 40 * DAY  # how long an item is in its feed; the longest silence of a server is far shorter
CALM = 5 * DAY  # at the end no server errs, so that what came late is fetched
POINTS = ("fetched", "parsed", "saving", "saved", "claimed", "accepted", "settling", "settled")
_SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]

CONFIG = """\
[polling]
interval = "12h"
allow_networks = ["127.0.0.0/8"]
allow_ports = [{port}]
[alerts]
backlog_max = 0
catch_up_after = "60d"
singles_per_hour = 10000
collapse_above = 10000
[web]
listen = ""
[channel.desk]
url = "console://?format=json"
[[route]]
channels = ["desk"]
group_wait = "1s"
"""
WATCHLIST = """\
title = "The harbour"
threshold = 2
max_age = "60d"
[[term]]
name = "harbour"
any = ["harbour"]
weight = 2
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a feed; `told`: somebody must hear of it."""

    token: str
    title: str
    published_at: datetime
    told: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """How a server errs for a while."""

    kind: str
    begins: datetime
    ends: datetime


FAULTS: dict[str, timedelta] = {  # and for how long at most
    "500": 2 * DAY,
    "503 with a time": DAY,
    "429": 12 * HOUR,
    "429 with a time": 12 * HOUR,
    "404": 2 * DAY,
    "410": 8 * HOUR,
    "silent": 8 * HOUR,
    "hangs up": DAY,
    "cut gzip": DAY,
    "cut short": DAY,
    "empty": DAY,
    "a page": DAY,
    "odd HTTP": 2 * DAY,
    "302": 2 * DAY,
    "301": 5 * DAY,
    "no validators": 5 * DAY,
    "flapping ETag": 5 * DAY,
    "304 whatever was asked": DAY,
    "a day's max-age": 2 * DAY,
}
LASTING = ("", "", "", "", "no validators", "flapping ETag", "stuck", "301", "302")  # what a server does all the time


class Publisher:
    """One feed: what it holds at any time, and how it errs."""

    def __init__(self, name: str, dice: random.Random, days: int):
        self.name, self._dice = name, dice
        self.lasting = dice.choice(LASTING)
        self.items = tuple(self._written(days))
        self.faults = tuple(self._drawn(days))
        self._documents: dict[tuple[int, int], bytes] = {}

    def _written(self, days: int) -> list[Item]:
        items, at = [], START - 3 * DAY
        while at < START + days * DAY:
            told = self._dice.random() < 0.3
            token = "zq" + "".join(self._dice.choices("abcdefghijklmnopqrstuvwxyz", k=8))
            words = " ".join("".join(self._dice.choices(_SYLLABLES, k=4)) for _ in range(5))
            title = f"{'Harbour' if told else 'Kettle'} {token} {words}"
            items.append(Item(token, title, at, told))
            at += timedelta(hours=self._dice.expovariate(1 / 48))
        return items

    def _drawn(self, days: int) -> list[Fault]:
        faults = []
        for _ in range(self._dice.choice((0, 1, 2, 3))):
            kind = self._dice.choice(sorted(FAULTS))
            begins = START + timedelta(hours=self._dice.uniform(0, 24 * days - CALM / HOUR))
            ends = min(begins + FAULTS[kind] * self._dice.random(), START + days * DAY - CALM)
            faults.append(Fault(kind, begins, ends))
        return faults

    @property
    def stays(self) -> timedelta:
        """How long an item can be found."""
        return STAYS_LONG if self.lasting == "stuck" else STAYS

    def trouble(self, now: datetime) -> str:
        """How the server errs now; what it always does where it does nothing else."""
        return next((one.kind for one in self.faults if one.begins <= now < one.ends), self.lasting)

    def document(self, now: datetime) -> bytes:
        """What the feed holds now."""
        held = [item for item in self.items if now - self.stays <= item.published_at <= now]
        key = (len(held), hash(held[-1].token) if held else 0)
        if key not in self._documents:
            rows = "".join(
                f"<item><title>{item.title}</title><guid isPermaLink='false'>{item.token}</guid>"
                f"<link>https://{self.name}.example/{item.token}</link>"
                f"<pubDate>{format_datetime(item.published_at)}</pubDate></item>"
                for item in reversed(held)
            )
            self._documents = {key: f"<rss version='2.0'><channel><title>{self.name}</title>{rows}</channel></rss>".encode()}
        return self._documents[key]


class Web:
    """All servers, behind one port and a name each; deals the dice of answers anew in every life."""

    def __init__(self, publishers: dict[str, Publisher], record: Path):
        self._publishers, self._record = publishers, record
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.names = {f"{name}.test": ("127.0.0.1",) for name in publishers}

    def close(self) -> None:
        self._listener.close()

    async def serve(self, clock: Callable[[], datetime]) -> None:
        self._clock, self._count, self._log = clock, 0, os.open(self._record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        await asyncio.start_server(self._converse, sock=self._listener.dup(), backlog=512)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                answer = self._answer(fields, head.split(b" ", 2)[1])
                os.write(self._log, b"%s %s\n" % (fields[b"Host"], (answer or b"- silence")[:12]))
                if answer is None:
                    await reader.read()  # until the other gives up
                    break
                writer.write(answer)
                await writer.drain()
                if b"\r\nContent-Length: " not in answer.partition(b"\r\n\r\n")[0] or b"Short: yes" in answer:
                    break
        writer.close()

    def _answer(self, fields: dict[bytes, bytes], path: bytes) -> bytes | None:
        """The bytes of an answer; None for silence, empty for a connection that ends."""
        now = self._clock()
        publisher = self._publishers[fields[b"Host"].decode().partition(".test")[0]]
        trouble, body = publisher.trouble(now), publisher.document(now)
        moved = path == b"/moved"
        match trouble:
            case "silent":
                return None
            case "hangs up":
                return b""
            case "500" | "404" | "410" | "429":
                return _said(int(trouble), b"sorry")
            case "503 with a time" | "429 with a time":
                return _said(int(trouble[:3]), b"", **{"Retry-After": "7200"})
            case "empty":
                return _said(200, b"", ETag='"empty"')
            case "a page":
                return _said(200, b"<!doctype html><html><body>Maintenance</body></html>", ETag='"page"')
            case "301" | "302" if not moved:
                return _said(int(trouble), b"", Location="/moved")
        etag = f'"{len(body)}-{body[-200:].hex()[:24]}-{hash(body) & 0xFFFFFF}"'
        asked = fields.get(b"If-None-Match", b"").decode("latin-1")
        if trouble == "304 whatever was asked" or trouble == "stuck":
            if asked:
                return b"HTTP/1.1 304 x\r\nContent-Length: 0\r\n\r\n"
        elif asked == etag:
            return f"HTTP/1.1 304 x\r\nETag: {etag}\r\nContent-Length: 0\r\n\r\n".encode()
        if trouble == "no validators":
            return _said(200, body)
        if trouble == "flapping ETag":
            self._count += 1
            etag = f'"{now.timestamp()}-{self._count}"'
        if trouble == "a day's max-age":
            return _said(200, body, ETag=etag, **{"Cache-Control": "max-age=86400"})
        if trouble == "cut gzip":
            return _said(200, gzip.compress(body)[:-5], ETag=etag, **{"Content-Encoding": "gzip"})
        if trouble == "cut short":
            return _said(200, body, ETag=etag, Short="yes")[:-50]
        whole = _said(200, body, ETag=etag)
        return whole.replace(b"HTTP/1.1 200 x", b"HTTP/1.x 200") if trouble == "odd HTTP" else whole


def _said(status: int, body: bytes, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ── the month ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the process took at one moment of a life."""

    life: int
    day: float
    rss: int  # bytes
    files: int


@dataclass
class Verdict:
    """The judgment; `wrong` is empty where all holds."""

    items: int = 0
    expected: int = 0  # messages
    again: int = 0  # messages that came once more, with cause
    endings: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    grown: int = 0  # bytes, from the second day of a life to its last, at most
    files: tuple[int, int] = (0, 0)  # least and most, after the first day of a life
    wrong: list[str] = field(default_factory=list)


class Month:
    """See above."""

    def __init__(
        self, folder: Path, seed: int, *, feeds: int = 200, days: int = 30, slower: float = 3600,
        mistake: Callable[[], None] = lambda: None,
    ):  # fmt: skip
        self._folder, self._days, self._slower = folder, days, slower
        self._dice = random.Random(seed)
        self.publishers = {
            name: Publisher(name, random.Random(f"{seed} {name}"), days) for name in (f"feed{n}" for n in range(feeds))
        }
        self.web = Web(self.publishers, folder / "requests")
        self.endings: Counter[str] = Counter()
        self._may_repeat: Counter[str] = Counter()
        self._vitals = folder / "vitals.jsonl"
        self._lives = 0
        self._mistake = mistake

    def __enter__(self) -> Month:
        (self._folder / "watchlists").mkdir()
        (self._folder / "watchlists" / "harbour.toml").write_text(WATCHLIST)
        feeds = "".join(self._row(name) for name in self.publishers)
        (self._folder / "config.toml").write_text(CONFIG.format(port=self.web.port) + feeds)
        return self

    def __exit__(self, *_: object) -> None:
        self.web.close()

    def _row(self, name: str) -> str:
        own = self._dice.choice(("", "", 'interval = "6h"\n', 'interval = "24h"\n'))
        return f'[[feed]]\nname = "{name}"\nurl = "http://{name}.test:{self.web.port}/feed"\n{own}'

    def live(self) -> None:
        """Life after life, to the end; the last one is calm, and stops as it is asked to."""
        now, end = START, START + self._days * DAY
        while now < end - CALM:
            until = min(now + timedelta(hours=self._dice.uniform(1, 24 * 6)), end - CALM)
            ending = self._dice.choice((Ending.STOPPED, Ending.KILLED, Ending.CRASHED, Ending.CRASHED))
            now = self._life(now, until, ending) + timedelta(hours=self._dice.choice((0.01, 0.1, 1, 8)) * self._dice.random())
        self._life(now, end + DAY, Ending.STOPPED)

    def _life(self, start: datetime, until: datetime, end: Ending) -> datetime:
        crash_at = f"{self._dice.choice(POINTS)}:{self._dice.randint(1, 60)}" if end is Ending.CRASHED else None
        self._lives += 1
        life = Life(
            self._folder / "config.toml", self.web.serve, start, until, end, names=self.web.names, slower=self._slower,
            crash_at=crash_at, meanwhile=self._look, prepare=self._mistake,
        )  # fmt: skip
        life.run()
        died_at = life.died_at if end is not Ending.STOPPED else until
        self.endings[f"at {crash_at.partition(':')[0]}" if crash_at and died_at < until else end.value[:7]] += 1
        self._note_what_is_in_hand()
        return max(died_at, start)

    async def _look(self, app: object) -> None:
        """Write down what the process takes, twice a day."""
        loop = asyncio.get_running_loop()
        while True:
            vitals = {"life": self._lives, "day": loop.time() / 86400, "rss": _rss(), "files": len(os.listdir("/proc/self/fd"))}
            with self._vitals.open("a", encoding="utf-8") as record:
                record.write(json.dumps(vitals) + "\n")
            await asyncio.sleep(43200)

    def _note_what_is_in_hand(self) -> None:
        """What a dead daemon was sending: nobody can know whether it arrived, so it may come once more."""
        for (message,) in self._rows("SELECT message FROM deliveries WHERE state = 'sending'"):
            self._may_repeat.update(set(TOKEN.findall(message)))

    def _rows(self, query: str) -> list[tuple]:
        path = self._folder / "wirewatch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as database, suppress(sqlite3.OperationalError):
            return database.execute(query).fetchall()
        return []  # killed before there was a table

    # ── the verdict ──────────────────────────────────────────────────────────────────────────────

    def verdict(self) -> Verdict:
        """What must hold: every item once in the archive, every message once or with cause, a calm process."""
        verdict = Verdict(endings=self.endings)
        end = START + self._days * DAY
        stored = Counter(dict(self._rows("SELECT guid, count(*) FROM entries GROUP BY guid")))
        heard = Counter(
            token for line in (self._folder / "config.out").read_text().splitlines() for token in set(TOKEN.findall(line))
        )
        seeded = dict(self._rows("SELECT name, seeded_at FROM feeds"))
        for publisher in self.publishers.values():
            late = end - (9 if publisher.lasting == "stuck" else 3) * DAY
            first = datetime.fromtimestamp((seeded.get(publisher.name) or 0) / 1e6, UTC)
            for item in publisher.items:
                if item.published_at <= late:
                    verdict.items += 1
                    self._judge(verdict, publisher, item, stored[item.token], heard[item.token], first)
                elif stored[item.token] > 1 or heard[item.token] > 1 + self._may_repeat[item.token]:
                    verdict.wrong.append(f"{publisher.name}: {item.token} is doubled")
        self._judge_process(verdict)
        verdict.wrong += [f"{count} deliveries are {state}" for state, count in self._rows("SELECT state, count(*) FROM deliveries WHERE state != 'delivered' GROUP BY state")]
        return verdict

    def _judge(self, verdict: Verdict, publisher: Publisher, item: Item, stored: int, heard: int, first: datetime) -> None:
        if stored != 1:
            verdict.wrong.append(f"{publisher.name} ({publisher.lasting}): {item.token} of {item.published_at:%d %H:%M} is stored {stored} times")
        if not item.told or item.published_at <= first:
            if heard and not item.told:
                verdict.wrong.append(f"{publisher.name}: told of {item.token}, which nobody asked for")
            return
        verdict.expected += 1
        verdict.again += max(0, heard - 1)
        if not 1 <= heard <= 1 + self._may_repeat[item.token]:
            verdict.wrong.append(f"{publisher.name}: {item.token} of {item.published_at:%d %H:%M} was told {heard} times")

    def _judge_process(self, verdict: Verdict) -> None:
        vitals = [Vitals(**json.loads(line)) for line in self._vitals.read_text().splitlines()]
        for life in {one.life for one in vitals}:
            settled = [one for one in vitals if one.life == life and one.day >= 1]
            if len(settled) >= 4:
                verdict.grown = max(verdict.grown, settled[-1].rss - settled[0].rss)
                least, most = verdict.files
                files = [one.files for one in settled]
                verdict.files = (min([*files, *[least] * bool(least)]), max(*files, most))
        if verdict.grown > MOST_GROWN or verdict.files[1] - verdict.files[0] > MOST_FILES:
            verdict.wrong.append(f"it grew by {verdict.grown / 1e6:.1f} MB, and had {verdict.files} files open")
        verdict.requests = sum(1 for _ in (self._folder / "requests").open())


MOST_GROWN, MOST_FILES = 20_000_000, 40


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
