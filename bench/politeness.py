#!/usr/bin/env python3
"""How a publisher sees us: 24 simulated hours with an instrumented server, scored row by row.

    .venv/bin/python bench/politeness.py [--break NAME]

The real daemon (tests/timelapse.py: an injected clock, real sockets on loopback, real SQLite) polls 20 feeds on 12
virtual hosts for a day, `interval = "60m"` and otherwise defaults; it is restarted three times and killed with SIGKILL
twice. Before the day, two feeds have a past (one that has been quiet for a month, one whose address moves); after it, come three
hours of downtime and manual passes. Everything is judged by what the server saw. Prints the table; exits 1 below 95 points, or
with none in A1, B1 or C1. `--break` puts a mistake into the daemon, to see that the table finds it.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.timelapse import Ending, Life, warm  # noqa: E402

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TRAP = 1 << 20  # bytes of an error page that nobody should read
PASS = 95


# ── the publishers ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Request:
    """What the server saw of one request, and what it answered."""

    at: float  # seconds since START
    host: str
    path: str
    headers: dict[str, str]  # lower-case names, bytes as Latin-1
    line: str
    connection: int
    peer: str
    status: int = 0
    etag: str | None = None
    modified: str | None = None
    sent: int = 0  # bytes of body
    whole: bool = True  # it was one that can be read to its end
    idle: float = 0.0  # seconds that the connection had been idle before it

    @property
    def moment(self) -> datetime:
        return START + timedelta(seconds=self.at)

    @property
    def is_conditional(self) -> bool:
        return "if-none-match" in self.headers or "if-modified-since" in self.headers


@dataclass
class Answer:
    """What a publisher says."""

    status: int = 200
    body: bytes = b""
    etag: bytes | None = None
    modified: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    conditional: bool = True  # whether it answers 304 where it may
    drip: bool = False  # send slowly and see how much is taken


Publisher = Callable[[datetime, str], Answer]


def items(*numbers: int, title: str = "Feed", more: str = "", dated: datetime | None = None, link: str = "") -> bytes:
    """A feed with these items, 20 kB so that bytes matter; `%d` in a link counts."""
    rows = "".join(
        f"<item><title>Item {number} of {title}</title><guid>{title}-{number}</guid>"
        f"<link>{link % number if link else f'https://{title.lower()}.example/{number}'}</link>"
        f"<pubDate>{format_datetime(dated or START - DAY)}</pubDate><description>{'word ' * 100}</description></item>"
        for number in numbers
    )
    return f"<rss version='2.0'><channel><title>{title}</title>{more}{rows}</channel></rss>".encode()


def hours(now: datetime) -> float:
    return (now - START) / HOUR


def steady(title: str, etag: bytes, modified: str | None = "Sun, 01 Mar 2026 06:00:00 GMT", every: float = 8) -> Publisher:
    """Something new every `every` hours, and good validators: `%d` in the ETag counts."""

    def say(now: datetime, _: str) -> Answer:
        edition = int(hours(now) // every)
        return Answer(body=items(*range(edition, edition + 30), title=title), etag=etag.replace(b"%d", b"%d" % edition), modified=modified)

    return say


def with_pages(now: datetime, _: str) -> Answer:
    """Two stories every four hours, whose pages lie beside the feed; every third of them is nobody's to read."""
    edition = int(hours(now) // 4)
    newest, link = 2 * edition + 30, f"http://many.test:{PORT[0]}/story/%d"
    body = items(*range(newest - 30, newest), title="Strong", link=link, dated=START + edition * 4 * HOUR)
    return Answer(body=body, etag=b'"s-%d"' % newest, modified="Sun, 01 Mar 2026 06:00:00 GMT")


def story(now: datetime, path: str) -> Answer:
    text = f"<p>{'More of what was said about it at length. ' * 20}</p>" * 5
    body = f"<html><title>Page</title><article><h1>{path}</h1>{text}</article></html>".encode()
    return Answer(body=body, headers={"Content-Type": "text/html"})


def robots(now: datetime, _: str) -> Answer:
    forbidden = "".join(f"Disallow: {path}\n" for path in SECRET)
    return Answer(body=f"User-agent: *\nCrawl-delay: {CRAWL_DELAY}\n{forbidden}".encode(), headers={"Content-Type": "text/plain"})


def only_etag_changes(now: datetime, _: str) -> Answer:
    return Answer(body=items(1, 2, 3, title="OnlyEtag"), etag=b'"e%d"' % (hours(now) // 3), modified="Tue, 01 Jan 1980 00:00:00 GMT")


def only_modified_changes(now: datetime, _: str) -> Answer:
    return Answer(body=items(1, 2, 3, title="OnlyModified"), modified=f"Thu, 0{1 + int(hours(now) // 6)} Jan 2041 00:00:00 GMT")


def both_change(now: datetime, _: str) -> Answer:
    edition = int(hours(now) // 5)
    return Answer(body=items(1, 2, 3, title="Same"), etag=b'W/"t%d"' % edition, modified=f"Mon, 02 Mar 2026 0{edition}:00:00 GMT")


def elsewhere(now: datetime, path: str) -> Answer:
    """A passing redirect, to another address after twelve hours."""
    return Answer(302, headers={"Location": f"http://maxage.test:{PORT[0]}/{'f7a' if hours(now) < 12 else 'f7b'}"})


def moving(now: datetime, path: str) -> Answer:
    if path == "/old":
        return Answer(301, headers={"Location": "/new"})
    return Answer(body=items(1, 2, 3, title="Moved"), etag=b'"moved"')


def bare(now: datetime, _: str) -> Answer:
    return Answer(body=items(*range(20), title="Bare"))


def patient(now: datetime, path: str) -> Answer:
    if path.startswith("/f7"):
        return Answer(body=items(1, 2, 3, title="Elsewhere"), etag=b'"of %s"' % path.encode())
    return Answer(body=items(1, 2, 3, title="Patient"), etag=b'"p"', headers={"Cache-Control": "max-age=43200"})


def quiet(now: datetime, _: str) -> Answer:
    return Answer(body=items(1, 2, 3, title="Quiet"), etag=b'"quiet"', modified="Thu, 01 Jan 2026 00:00:00 GMT")


def busy(now: datetime, _: str) -> Answer:
    """Thirty items, one a minute: it rolls over in half an hour."""
    newest = int(hours(now) * 60) + 100
    return Answer(body=items(*range(newest - 30, newest), title="Busy"), etag=b'"%d"' % newest)


def asking(now: datetime, _: str) -> Answer:
    more = "<ttl>150</ttl><skipHours><hour>12</hour><hour>13</hour><hour>14</hour></skipHours>"
    return Answer(body=items(1, 2, 3, title="Asking", more=more), etag=b'"ttl"')


def crowded(now: datetime, path: str) -> Answer:
    """At four o'clock it has enough, and again long after the day (see `BY_HAND`)."""
    said = {"Retry-After": "7200"}
    if 4 <= hours(now) < 5.5 or BY_HAND <= hours(now) < BY_HAND + 1:
        return Answer(429, headers=said)
    return Answer(body=items(1, 2, 3, title="Crowded"), etag=b'"c%s"' % path[1:].encode())


def wordless(now: datetime, _: str) -> Answer:
    return Answer(429)


def closed(now: datetime, _: str) -> Answer:
    if 3 <= hours(now) < 5:
        return Answer(503, headers={"Retry-After": format_datetime(now.replace(hour=14, minute=0), usegmt=True)})
    if hours(now) >= 18:
        return Answer(body=b"x" * 65536, headers={"Transfer-Encoding": "chunked"}, drip=True)  # without end
    return Answer(body=items(1, 2, 3, title="Closed"), etag=b'"503"')


def down(now: datetime, _: str) -> Answer:
    return Answer(500)


def gone(now: datetime, _: str) -> Answer:
    return Answer(410)


def missing(now: datetime, _: str) -> Answer:
    return Answer(404, body=b"x" * TRAP, headers={"Set-Cookie": "id=1"}, drip=True)


STORIES = tuple(f"/story/{number}" for number in range(60))
SECRET = STORIES[::3]
CRAWL_DELAY = 20  # seconds

# host → path → publisher: 20 feeds on 12 hosts (and the addresses that two of them lead to)
HOSTS: dict[str, dict[str, Publisher]] = {
    "many": {
        "/strong": with_pages,
        "/weak": steady("Weak", b'W/"w %d"'),
        "/odd": steady("Odd", b"un quoted\xe9%d", None),
        "/etag": only_etag_changes,
        "/modified": only_modified_changes,
        "/same": both_change,
        "/elsewhere": elsewhere,
        "/old": moving,
        "/new": moving,
        "/robots.txt": robots,
        **dict.fromkeys(STORIES, story),
    },
    "bare": {"/feed": bare},
    "maxage": {"/feed": patient, "/f7a": patient, "/f7b": patient},
    "quiet": {"/feed": quiet},
    "busy": {"/feed": busy},
    "asking": {"/feed": asking},
    "crowded": {"/a": crowded, "/b": crowded},
    "wordless": {"/feed": wordless},
    "closed": {"/feed": closed},
    "down": {"/feed": down},
    "gone": {"/feed": gone},
    "missing": {"/feed": missing},
}
FEEDS = [(host, path) for host, paths in HOSTS.items() for path in paths if path not in ("/new", "/f7a", "/f7b", "/robots.txt", *STORIES)]
DEFAULT = [("many", path) for path in ("/strong", "/weak", "/odd", "/same", "/etag", "/modified")]
PORT = [0]
BY_HAND = 30.0  # hours after START: the second 429, and the passes by hand


class Publishers:
    """The instrumented server: speaks HTTP/1.1 and writes down what it sees, so that a killed daemon takes nothing along."""

    def __init__(self, folder: Path):
        self._record = folder / "requests.jsonl"
        self._listeners = [
            socket.create_server(("127.0.0.1", 0)),
        ]
        self.port = PORT[0] = self._listeners[0].getsockname()[1]
        with suppress(OSError):  # where there is no IPv6, D5 is judged without it
            self._listeners.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        both = ("::1", "127.0.0.1") if len(self._listeners) > 1 else ("127.0.0.1",)
        self.names = {f"{host}.test": both if host == "many" else ("127.0.0.1",) for host in HOSTS}
        self._connections = 0
        (folder / "watchlists").mkdir()
        (folder / "watchlists" / "x.toml").write_text(WATCHLIST)
        self.asks_for_contact = _check_asks_for_contact(folder)

    def requests(self) -> list[Request]:
        """All that was seen, oldest first."""
        lines = self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else ()
        return sorted((Request(**json.loads(line)) for line in lines), key=lambda one: one.at)

    async def serve(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        for listener in self._listeners:
            await asyncio.start_server(self._converse, sock=listener.dup())

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number, last = self._connections, self._clock()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                now = self._clock()
                line, *fields = head.split("\r\n")
                headers = {name.lower(): value.strip(" ") for name, _, value in (one.partition(":") for one in fields if one)}
                host, path = headers.get("host", "").partition(".test")[0], line.split(" ")[1]
                seen = Request(
                    at=(now - START) / SECOND, host=host, path=path, headers=headers, line=line, connection=number,
                    peer=writer.get_extra_info("sockname")[0], idle=(now - last) / SECOND,
                )  # fmt: skip
                await self._answer(writer, seen)
                last = self._clock()
        writer.close()
        self._note({"closed": number, "idle": (self._clock() - last) / SECOND})

    async def _answer(self, writer: asyncio.StreamWriter, seen: Request) -> None:
        publisher = HOSTS.get(seen.host, {}).get(seen.path.partition("?")[0])
        answer = publisher(seen.moment, seen.path) if publisher else Answer(404)
        etag = answer.etag.decode("latin-1") if answer.etag else None
        if answer.status == 200 and self._is_known(seen, etag, answer.modified):
            answer = Answer(304, etag=answer.etag, modified=answer.modified, headers=answer.headers)
        body = answer.body
        if "gzip" in seen.headers.get("accept-encoding", "") and body and not answer.drip:
            body, answer.headers = gzip.compress(body), answer.headers | {"Content-Encoding": "gzip"}
        lines = [f"HTTP/1.1 {answer.status} x".encode(), *(f"{name}: {value}".encode() for name, value in answer.headers.items())]
        lines += [b"ETag: " + answer.etag] if answer.etag else []
        lines += [f"Last-Modified: {answer.modified}".encode()] if answer.modified else []
        if answer.status != 304 and "Transfer-Encoding" not in answer.headers:
            lines.append(b"Content-Length: %d" % len(body))
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
        known = {"status": answer.status, "etag": etag, "modified": answer.modified}
        try:
            if answer.drip:
                await self._pour(writer, body, answer)
            else:
                writer.write(body)
                await writer.drain()
        finally:
            poured = {"sent": self._poured, "whole": False} if answer.drip else {"sent": len(body)}
            self._note(asdict(seen) | known | poured)

    async def _pour(self, writer: asyncio.StreamWriter, body: bytes, answer: Answer) -> None:
        """Send piece by piece, no faster than it could be refused, as long as somebody takes it: 30 MB at most."""
        self._poured, chunked = 0, "Transfer-Encoding" in answer.headers
        while self._poured < (30_000_000 if chunked else len(body)):
            part = body[:16384]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
            self._poured += len(part)
            for _ in range(10):
                await asyncio.sleep(0)

    @staticmethod
    def _is_known(seen: Request, etag: str | None, modified: str | None) -> bool:
        """RFC 9110, 13.2.2: where there is If-None-Match, the date is not looked at."""
        if "if-none-match" in seen.headers:
            return etag is not None and seen.headers["if-none-match"] == etag
        return modified is not None and seen.headers.get("if-modified-since") == modified

    def _note(self, fact: dict) -> None:
        path = self._record if "closed" not in fact else self._record.with_name("closed.jsonl")
        with path.open("a", encoding="utf-8") as record:
            record.write(json.dumps(fact) + "\n")

    def idle_times(self) -> list[float]:
        """How long connections had been idle when they were closed, or used again."""
        path = self._record.with_name("closed.jsonl")
        ends = [json.loads(line)["idle"] for line in path.read_text().splitlines()] if path.exists() else []
        return ends + [one.idle for one in self.requests()]


# ── the day ──────────────────────────────────────────────────────────────────────────────────────

CONFIG = """\
[monitor]
database = "wirewatch.db"
[polling]
interval = "60m"
contact = "desk@example.org"
allow_networks = ["127.0.0.0/8", "::1/128"]
allow_ports = [{port}]
[web]
listen = ""
[channel.desk]
url = "console://?format=json"
[[route]]
channels = ["desk"]
"""
WATCHLIST = (  # to which the stories with pages are near, and no story more
    'title = "x"\nthreshold = 2\n[[term]]\nname = "x"\nany = ["harbour"]\nweight = 2\n'
    '[[term]]\nname = "strong"\nany = ["strong"]\nweight = 0.7\nfields = ["title"]\n'
)
# when the daemon runs, in hours after START, and how each life ends
LIVES = [
    (0.0, 4.3, Ending.STOPPED),
    (4.35, 9.0, Ending.KILLED),
    (9.03, 13.5, Ending.STOPPED),
    (13.55, 17.2, Ending.KILLED),
    (17.23, 20.6, Ending.STOPPED),
    (20.65, 24.0, Ending.STOPPED),
]
DOWNTIME = (27.0, 29.5)  # then all are overdue


def live(folder: Path, mistake: Callable[[], None] = lambda: None, *, only: float | None = None) -> Publishers:
    """The past, the day and the hours after it; or only so many hours of the day."""
    publishers = Publishers(folder)

    def life(start: float, until: float, feeds: Iterable[tuple[str, str]], end: Ending = Ending.STOPPED, **more) -> None:
        config = folder / "config.toml"
        rows = "".join(
            f'[[feed]]\nname = "{host}{path.replace("/", "-")}"\nurl = "http://{host}.test:{publishers.port}{path}"\n'
            for host, path in feeds
        )
        again = f'[[feed]]\nname = "again"\nurl = "http://MANY.test:{publishers.port}/strong#top"\n'  # B7: two spellings
        config.write_text(CONFIG.format(port=publishers.port) + rows + (again if ("many", "/strong") in feeds else ""))
        Life(
            config, publishers.serve, START + start * HOUR, START + until * HOUR, end, names=publishers.names,
            prepare=mistake, **more,
        ).run()  # fmt: skip

    if only is not None:
        for start, until, end in LIVES:
            if start < only:
                life(start, min(until, only), FEEDS, end)
        return publishers
    life(-31 * 24, -31 * 24 + 2, [("quiet", "/feed")])
    life(-31, -1, [("many", "/old")])
    for start, until, end in LIVES:
        life(start, until, FEEDS, end)
    life(DOWNTIME[1], BY_HAND, FEEDS)
    for passes in range(3):  # by hand, a minute apart
        at = BY_HAND + 0.6 + passes / 60
        life(at, at + 1, FEEDS, instead=lambda app: app.poll(everything=True))
    return publishers


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def _check_asks_for_contact(folder: Path) -> bool:
    """Whether `wirewatch check` reminds of a contact that was left out, and only then."""
    said = []
    for contact in ("", 'contact = "desk@example.org"'):
        config = folder / "asked.toml"
        config.write_text(f'[polling]\n{contact}\n[[feed]]\nurl = "https://a.example/feed"\n')
        command = [sys.executable, "-m", "monitor", "--config", str(config), "check"]
        said.append(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60).stderr)
    return "contact" in said[0] and "contact" not in said[1]


class Seen:
    """What the server saw, by feed and host."""

    def __init__(self, publishers: Publishers):
        self.all = publishers.requests()
        self.day = [one for one in self.all if 0 <= one.at < DAY / SECOND]
        self.idle = publishers.idle_times()
        self.has_ipv6 = len(publishers.names["many.test"]) > 1
        self.asks_for_contact = publishers.asks_for_contact

    def of(self, host: str, path: str = "/feed", among: list[Request] | None = None) -> list[Request]:
        return [one for one in (self.day if among is None else among) if (one.host, one.path) == (host, path)]

    def at_host(self, host: str) -> list[Request]:
        return [one for one in self.day if one.host == host]

    def feeds(self) -> dict[tuple[str, str], list[Request]]:
        found: dict[tuple[str, str], list[Request]] = defaultdict(list)
        for one in self.day:
            found[one.host, one.path].append(one)
        return found


def gaps(requests: list[Request]) -> list[float]:
    """Minutes between requests."""
    return [(later.at - earlier.at) / 60 for earlier, later in zip(requests, requests[1:], strict=False)]


def busiest(times: Iterable[float], window: float = 60) -> int:
    """The most that came within one window of seconds."""
    ordered = sorted(times)
    return max((sum(start <= at < start + window for at in ordered) for start in ordered), default=0)


Score = tuple[float, str]  # points, and what was seen
ROWS: list[tuple[str, float, str, Callable[[Seen], Score]]] = []


def row(number: str, points: float, what: str) -> Callable:
    def add(judge: Callable[[Seen], Score]) -> Callable[[Seen], Score]:
        ROWS.append((number, points, what, judge))
        return judge

    return add


def all_or(points: float, wrong: list | int, seen: str) -> Score:
    count = wrong if isinstance(wrong, int) else len(wrong)
    return (0 if count else points), seen + (f"; {count} wrong" if count else "")


def validated(seen: Seen) -> dict[tuple[str, str], list[Request]]:
    """Feeds whose servers give validators, and answer 200 at all."""
    return {
        key: requests
        for key, requests in seen.feeds().items()
        if any(one.etag or one.modified for one in requests) and key[0] not in ("closed",)
    }


@row("A1", 8, "one unconditional request a feed")
def _a1(seen: Seen) -> Score:
    extra = {
        f"{host}{path}": count - 1
        for (host, path), requests in validated(seen).items()
        if (count := sum(not one.is_conditional for one in requests)) > 1
    }
    return max(0, 8 - 2 * sum(extra.values())), f"{len(validated(seen))} feeds, {sum(extra.values())} too many {extra or ''}".strip()


def out_of_sequence(seen: Seen, header: str, given: str) -> tuple[int, list[str]]:
    """How many times a validator was sent, and where it was not the latest that this address gave."""
    sent, wrong = 0, []
    for key in {(one.host, one.path) for one in seen.all}:
        latest = None
        for one in seen.of(*key, among=seen.all):
            if header in one.headers:
                sent += 1
                if one.headers[header] != latest:
                    wrong.append(f"{key}: {one.headers[header]!r} for {latest!r}")
            elif latest is not None and one.is_conditional:
                wrong.append(f"{key}: none for {latest!r}")
            if one.status == 200 and one.whole:
                latest = getattr(one, given)
            elif one.status == 304:
                latest = getattr(one, given) or latest
    return sent, wrong


@row("A2", 6, "If-None-Match: the latest ETag, byte-exact")
def _a2(seen: Seen) -> Score:
    sent, wrong = out_of_sequence(seen, "if-none-match", "etag")
    return all_or(6, wrong or (sent < 100), f"{sent} sent {wrong[:2] or ''}".strip())


@row("A3", 5, "If-Modified-Since: the latest Last-Modified, 1980 and 2041 too")
def _a3(seen: Seen) -> Score:
    sent, wrong = out_of_sequence(seen, "if-modified-since", "modified")
    years = {one.headers.get("if-modified-since", "")[12:16] for one in seen.day}
    return all_or(5, wrong or not {"1980", "2041"} <= years, f"{sent} sent {wrong[:2] or ''}".strip())


@row("A4", 5, "validators updated when only one changes, or the body does not")
def _a4(seen: Seen) -> Score:
    found = {
        "only ETag": len({one.headers.get("if-none-match") for one in seen.of("many", "/etag")} - {None}),
        "only Last-Modified": len({one.headers.get("if-modified-since") for one in seen.of("many", "/modified")} - {None}),
        "both, body equal": len({one.headers.get("if-none-match") for one in seen.of("many", "/same")} - {None}),
    }
    return all_or(5, [name for name, count in found.items() if count < 4], f"editions seen: {found}")


@row("A5", 2, "a 304 without validators keeps them, one with new ones updates")
def _a5(seen: Seen) -> Score:
    kept = seen.of("quiet") + seen.of("asking")
    wrong = [one for one in kept if not one.is_conditional and one.at > HOUR / SECOND]
    return all_or(2, wrong, f"{sum(one.status == 304 for one in seen.day)} answers 304")


@row("A6", 2, "validators go to the address that gave them, and to no other")
def _a6(seen: Seen) -> Score:
    strangers = [
        one for one in seen.all
        if (one.path == "/f7b" and "f7a" in one.headers.get("if-none-match", ""))
        or (one.path == "/elsewhere" and one.is_conditional)
    ]  # fmt: skip
    again = [one for one in seen.of("maxage", "/f7b")[1:] if not one.is_conditional]
    return all_or(2, strangers + again, f"{len(seen.of('maxage', '/f7a'))} to the first target, {len(seen.of('maxage', '/f7b'))} to the second")


@row("A7", 2, "no validators, always the same body: at most 4 a day, from the third time on")
def _a7(seen: Seen) -> Score:
    moments = [one.at for one in seen.of("bare", among=seen.all)]
    third = moments[3] if len(moments) > 3 else 0  # the first, and three that were equal to it
    later = [at for at in moments if third < at <= third + DAY / SECOND]
    return all_or(2, int(len(later) > 4 or len(moments) < 5), f"{len(later)} in the 24 h after it")


@row("A8", 2, "gzip offered and used")
def _a8(seen: Seen) -> Score:
    return all_or(2, [one for one in seen.all if one.headers.get("accept-encoding") != "gzip"], "on every request")


@row("B1", 8, "24 ± 1 requests, none sooner than 55 minutes, with jitter, restarts change nothing")
def _b1(seen: Seen) -> Score:
    requests = [seen.of(*feed) for feed in DEFAULT]
    counts, least = [len(one) for one in requests], min(min(gaps(one)) for one in requests)
    jitter = min(statistics.stdev(gaps(one)) for one in requests)
    wrong = [count for count in counts if not 23 <= count <= 25] + [1] * (least < 55) + [1] * (jitter < 2)
    return all_or(8, wrong, f"{counts} requests, shortest gap {least:.1f} min, σ ≥ {jitter:.1f} min")


@row("B2", 4, "no stampede: 20 % of the feeds in 60 s at most, known ones spread over 5 minutes after a start")
def _b2(seen: Seen) -> Score:
    most, known = len(FEEDS) / 5, set()
    later = []
    for one in sorted(seen.all, key=lambda one: one.at):  # redirects' targets are not feeds of their own
        if one.path not in ("/f7a", "/f7b", "/new"):
            later += [one.at] if (one.host, one.path) in known else []
            known.add((one.host, one.path))
    by_hand = BY_HAND * 3600
    crowd = busiest(at for at in later if at < by_hand)
    back = [at for at in later if DOWNTIME[1] * 3600 <= at < DOWNTIME[1] * 3600 + 900]
    span = (max(back) - min(back)) / 60 if back else 0
    return all_or(4, [1] * (crowd > most) + [1] * (span < 5), f"at most {crowd} of {len(FEEDS)}; {len(back)} after downtime over {span:.1f} min")


@row("B3", 4, "one connection a host, 2 seconds between requests")
def _b3(seen: Seen) -> Score:
    least = min(min(gaps(seen_there), default=9) * 60 for host in HOSTS if (seen_there := [one for one in seen.all if one.host == host]))
    return all_or(4, int(least < 2), f"shortest {least:.2f} s")


@row("B4", 4, "max-age=43200 on 200 and 304: at most 3 requests")
def _b4(seen: Seen) -> Score:
    count = len(seen.of("maxage"))
    return all_or(4, int(not 2 <= count <= 3), f"{count} requests")


@row("B5", 3, "quiet for a month: every 4 h or more; a busy one not faster than min_interval")
def _b5(seen: Seen) -> Score:
    slow, fast = min(gaps(seen.of("quiet")), default=0), min(gaps(seen.of("busy")), default=0)
    return all_or(3, [1] * (slow < 240) + [1] * (not 5 <= fast < 40), f"quiet {slow:.0f} min, busy {fast:.0f} min at least")


@row("B6", 1, "ttl and skipHours are lower bounds")
def _b6(seen: Seen) -> Score:
    found = seen.of("asking")
    skipped = [one for one in found if one.moment.hour in (12, 13, 14)]
    return all_or(1, [*skipped, *[1] * (min(gaps(found), default=0) < 150)], f"shortest gap {min(gaps(found), default=0):.0f} min")


@row("B7", 2, "one address, configured twice: one poll")
def _b7(seen: Seen) -> Score:
    count = len(seen.of("many", "/strong"))
    return all_or(2, int(not 23 <= count <= 25), f"{count} requests")


@row("C1", 6, "429 with Retry-After: no request to that host for 2 h, then one probe")
def _c1(seen: Seen) -> Score:
    found = sorted(seen.at_host("crowded"), key=lambda one: one.at)
    refused = [one for one in found if one.status == 429]
    early = [one for hold in refused for one in found if hold.at < one.at < hold.at + 7200]
    return all_or(6, early or (not refused), f"{len(refused)} times 429, {len(early)} requests within the 2 h after")


@row("C2", 4, "429 without: 15 min, 30, 60 … cap 24 h, restarts do not forget")
def _c2(seen: Seen) -> Score:
    found, ladder = gaps(seen.of("wordless")), [15 * 2**n for n in range(7)]
    wrong = [gap for gap, least in zip(found, ladder, strict=False) if gap < least - 0.1]
    return all_or(4, wrong or (len(found) < 2), f"waits {[round(gap) for gap in found]} min")


@row("C3", 3, "503 with a date")
def _c3(seen: Seen) -> Score:
    until = (START.replace(hour=14, minute=0) - START) / SECOND
    found = seen.of("closed")
    refused = [one for one in found if one.status == 503]
    early = [one for one in found if refused and refused[0].at < one.at < until]
    return all_or(3, early or (not refused), f"{len(refused)} times 503, {len(early)} requests before the date")


@row("C4", 3, "an outage of a day: at most 8 requests, further and further apart")
def _c4(seen: Seen) -> Score:
    found = seen.of("down")
    return all_or(3, int(not 2 <= len(found) <= 8), f"{len(found)} requests, waits {[round(gap) for gap in gaps(found)]} min")


@row("C5", 2, "410: at most 4 in a day, then weekly")
def _c5(seen: Seen) -> Score:
    return all_or(2, int(not 1 <= len(seen.of("gone")) <= 4), f"{len(seen.of('gone'))} requests")


@row("C6", 2, "404 and 403: at most 6 in a day")
def _c6(seen: Seen) -> Score:
    return all_or(2, int(not 1 <= len(seen.of("missing")) <= 6), f"{len(seen.of('missing'))} requests")


@row("C7", 2, "301: the new address once it is confirmed, the old one at most once a day")
def _c7(seen: Seen) -> Score:
    old, new = seen.of("many", "/old"), seen.of("many", "/new")
    before = len([one for one in seen.of("many", "/old", among=seen.all) if one.at < 0])
    return all_or(2, [1] * (len(old) > 1) + [1] * (not 23 <= len(new) <= 25), f"{before} to the old one before, then {len(old)}; {len(new)} to the new one")


@row("C8", 2, "articles: robots.txt once a day and honoured, one fetch a story, 5 s a host")
def _c8(seen: Seen) -> Score:
    pages = [one for one in seen.all if one.path in STORIES]
    asked = seen.of("many", "/robots.txt")
    least = min(gaps(pages), default=0) * 60
    between = min(gaps(sorted([*pages, *asked], key=lambda one: one.at)), default=0) * 60
    wrong = [one for one in pages if one.path in SECRET or one.at < asked[0].at]
    wrong += [1] * (len(pages) - len({one.path for one in pages})) + [1] * (len(asked) != 1)
    wrong += [1] * (least < CRAWL_DELAY) + [1] * (between < 5) + [1] * (len(pages) < 5)
    return all_or(2, wrong, f"{len(pages)} pages, {least:.0f} s apart where {CRAWL_DELAY} are asked for; {len(asked)} times robots.txt")


@row("D1", 3, "the User-Agent says who, which version and where to complain, always the same")
def _d1(seen: Seen) -> Score:
    agents = {one.headers.get("user-agent", "") for one in seen.all}
    good = all(re.fullmatch(r"wirewatch/[\w.]+ \(\+https://[^ ;]+; contact=desk@example\.org\)", one) for one in agents)
    return all_or(3, int(not good or len(agents) != 1), ", ".join(agents))


@row("D2", 4, "no cookie, referer, added parameter or fragment, nothing else that is not expected")
def _d2(seen: Seen) -> Score:
    known = {"host", "user-agent", "accept", "accept-encoding", "if-none-match", "if-modified-since", "connection"}
    wrong = [one for one in seen.all if set(one.headers) - known or "?" in one.path or "#" in one.path or not one.line.startswith("GET ")]
    paths = {(one.host, one.path) for one in seen.all} - {(host, path) for host, paths in HOSTS.items() for path in paths}
    return all_or(4, [*wrong, *paths], f"{len(seen.all)} requests")


@row("D3", 1, "bodies of errors are not read beyond 64 KiB, endless ones are cut off")
def _d3(seen: Seen) -> Score:
    errors = max((one.sent for one in seen.of("missing")), default=TRAP)
    endless = max((one.sent for one in seen.of("closed")), default=0)
    wrong = [1] * (errors > 64 * 1024 + SOCKETS) + [1] * (not 0 < endless < 15_000_000 + SOCKETS)
    return all_or(1, wrong, f"{errors // 1024} KiB of a 404 page, {endless / 1e6:.1f} MB of an endless body, with what sockets hold")


SOCKETS = 400 * 1024  # that the kernel takes from a server before anybody reads it


@row("D4", 1, "no connection idles for more than 10 s")
def _d4(seen: Seen) -> Score:
    return all_or(1, [idle for idle in seen.idle if idle > 10], f"longest {max(seen.idle):.1f} s")


@row("D5", 1, "HTTP/1.1, IPv6 where there is one (TLS: tests/edges/test_fetch.py, T10)")
def _d5(seen: Seen) -> Score:
    wrong = [one for one in seen.all if not one.line.endswith(" HTTP/1.1")]
    peers = {one.peer for one in seen.at_host("many")}
    return all_or(1, [*wrong, *[1] * (seen.has_ipv6 and "::1" not in peers)], f"over {', '.join(sorted(peers))}")


@row("D6", 2, "a contact is documented, and asked for")
def _d6(seen: Seen) -> Score:
    documented = "`contact`" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return float(documented + seen.asks_for_contact), "in the manual; `check` asks for one" if seen.asks_for_contact else "not asked for"


@row("E1", 3, "bytes at most 1.15 × first and changed bodies")
def _e1(seen: Seen) -> Score:
    received = needed = 0
    for (host, path), requests in seen.feeds().items():
        if host not in ("closed", "missing"):
            bodies = [one for one in requests if one.status == 200]
            received += sum(one.sent for one in bodies)
            versions = {(one.etag, one.modified, one.sent): one.sent for one in bodies}
            needed += sum(versions.values())
    return all_or(3, int(received > 1.15 * needed), f"{received / needed:.2f} ×, {received / 1e6:.2f} MB")


@row("E2", 2, "passes by hand keep what servers asked for, and 5 minutes")
def _e2(seen: Seen) -> Score:
    begin = (BY_HAND + 0.55) * 3600
    by_hand = [one for one in seen.all if one.at >= begin]
    quick = [
        key for key in {(one.host, one.path) for one in by_hand}
        if min(gaps([one for one in seen.of(*key, among=seen.all) if one.at > begin - 300 or one.at >= begin]), default=5) < 5
    ]  # fmt: skip
    held = [one for one in by_hand if (one.host, one.path) == ("maxage", "/feed")]
    twice = [one for one in by_hand if one.host == "crowded"][1:]  # the first is answered 429
    return all_or(2, [*quick, *held, *twice] or (not by_hand), f"{len(by_hand)} requests in three passes within 3 minutes")


@row("E3", 1, "WebSub where a hub is offered")
def _e3(seen: Seen) -> Score:
    return 0, "not shipped"


# ── mistakes to find ─────────────────────────────────────────────────────────────────────────────


def forgets_validators() -> None:
    """Every fifth request asks for everything."""
    from dataclasses import replace

    from monitor.core import habits
    from monitor.model import Validators

    asking, count = habits.asking, iter(range(10**9))
    habits.asking = lambda *what: replace(asking(*what), validators=Validators()) if next(count) % 5 == 4 else asking(*what)


def polls_at_every_start() -> None:
    """Whoever starts checks all feeds."""
    from monitor.app import App

    run = App.run

    async def poll_and_run(self: App) -> None:
        await self.ingest.start(self._feeds(), limit=100, ignore_schedule=True)
        await run(self)

    App.run = poll_and_run


def forgets_holds() -> None:
    """A 429 is an error like any other."""
    from monitor.edges.lanes import Lanes

    Lanes.hold = lambda *_: None


def no_pause() -> None:
    """No pause between two requests to a host."""
    from monitor.edges.lanes import Lanes

    async def at_once(self: Lanes, *_: object) -> None:
        return None

    Lanes._pause = at_once


def forgets_robots() -> None:
    """Every page may be read."""
    from monitor import articles

    articles.may_read = lambda *_: True


MISTAKES = {
    mistake.__name__: mistake
    for mistake in (forgets_validators, polls_at_every_start, forgets_holds, no_pause, forgets_robots)
}


def scored(seen: Seen) -> list[tuple[str, float, float, str, str]]:
    """Every row: number, points, of how many, what, what was seen."""
    return [(number, *_judged(judge, seen, most), what) for number, most, what, judge in ROWS]  # type: ignore[misc]


def _judged(judge: Callable[[Seen], Score], seen: Seen, most: float) -> tuple[float, float, str]:
    points, says = judge(seen)
    return points, most, says


def main() -> int:
    """Live the day, print the table; 1 where it is not enough."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--break", dest="mistake", choices=MISTAKES, help="put a mistake into the daemon")
    parser.add_argument("--keep", type=Path, help="a folder for what was seen and logged")
    asked = parser.parse_args()
    began = time.monotonic()
    warm()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)
        seen = Seen(live(folder, MISTAKES[asked.mistake] if asked.mistake else lambda: None))
    table = scored(seen)
    total, most = sum(row[1] for row in table), sum(row[2] for row in table)
    print(f"{len(FEEDS)} feeds on {len(HOSTS)} hosts, 24 simulated hours, 3 restarts, 2 SIGKILLs: {len(seen.day)} requests")
    print(f"({time.monotonic() - began:.0f} s)\n")
    for number, points, of, says, what in table:
        print(f"{number:<3} {points:>4g} / {of:<3g} {what}: {says}")
    print(f"\ntotal {total:g} of {most:g}")
    zero = [row[0] for row in table if row[0] in ("A1", "B1", "C1") and row[1] == 0]
    return 0 if total >= PASS and not zero else 1


if __name__ == "__main__":
    sys.exit(main())
