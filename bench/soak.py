"""Does it run for months? The real daemon, hurried: simulated days with many feeds, and what it holds meanwhile.

    .venv/bin/python bench/soak.py                                   4 simulated days, 200 feeds, in 30 minutes
    .venv/bin/python bench/soak.py --days 0.5 --minutes 4 --feeds 50

A server on loopback publishes stories by the simulated clock: agency copy that five feeds carry, and stories of one
outlet; some answers are 304, some fail, some are cut. One watchlist alerts on a few, to a sink that fails at times.
Retention is set to hours, so that the archive reaches its size within the first half. Printed is what /proc and the
disk say; the second half must be as the end of the first (exit code 1 otherwise).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from monitor.clock import clock_from
from tests.daemon import Daemon
from tests.fakes import FakeHttp
from tests.served import Served

CONFIG = """\
[polling]
interval = "30m"
min_interval = "5m"
host_gap = "0s"
per_host = 8
allow_networks = ["127.0.0.0/8"]
[alerts]
story_window = "12h"
[archive]
keep = "18h"
[web]
listen = ""
[channel.sink]
url = "{sink}"
[[route]]
channels = ["sink"]
"""
WATCHLIST = """\
title = "Soak"
threshold = 2
[[term]]
name = "rare"
any = ["rabolo", "tikane"]
weight = 2
"""
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
WORDS = ["".join(random.Random(n).choices(SYLLABLES, k=3)) for n in range(3000)] + ["rabolo", "tikane"]
SHOWN = 25  # entries in a feed document
EVERY = timedelta(minutes=47)  # between two entries of a feed
# By how much, as a factor or an amount, the last eighth may hold more than the fourth.
FLAT = {
    "rss_mb": (1.05, 8),
    "child_rss_mb": (1.15, 16),
    "fds": (1.0, 3),
    "threads": (1.0, 1),
    "wal_mb": (1.1, 4),
    "db_mb": (1.15, 8),
}


class Press(Served):
    """Feeds whose content is a function of the simulated time."""

    def __init__(self, clock, seed: int):
        self._clock, self._dice = clock, random.Random(seed)
        self.asked = self.answered_304 = self.failed = 0

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_get("/{feed}", self._feed)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()

    async def _feed(self, request: web.Request) -> web.Response:
        self.asked += 1
        if (chance := self._dice.random()) < 0.03:
            self.failed += 1
            return web.Response(status=503) if chance < 0.02 else web.Response(text="<rss><channel><title>cut")
        feed = int(request.match_info["feed"])
        newest = int(self._clock().timestamp() / EVERY.total_seconds() + feed * 0.37)
        etag = f'"{newest}"'
        if request.headers.get("If-None-Match") == etag and chance < 0.9:
            self.answered_304 += 1
            return web.Response(status=304, headers={"ETag": etag})
        document = self._document(feed, newest)
        return web.Response(body=document, headers={"ETag": etag}, content_type="application/rss+xml")

    def _document(self, feed: int, newest: int) -> bytes:
        items = "".join(self._item(feed, number) for number in range(newest, newest - SHOWN, -1))
        channel = f"<channel><title>Feed {feed}</title>{items}</channel>"
        return f"<?xml version='1.0'?><rss version='2.0'>{channel}</rss>".encode()

    def _item(self, feed: int, number: int) -> str:
        shared = random.Random(number * 7919 + feed // 5).random() < 0.4  # an agency's, in the five feeds of a group
        dice = random.Random(f"{feed // 5 if shared else f'own {feed}'}:{number}")
        title, text = " ".join(dice.choices(WORDS, k=9)), " ".join(dice.choices(WORDS, k=90))
        at = datetime.fromtimestamp((number - feed * 0.37) * EVERY.total_seconds(), UTC)
        return (
            f"<item><title>{title.capitalize()}</title><guid isPermaLink='false'>{feed}-{number}</guid>"
            f"<link>https://outlet{feed}.example/{number}</link><pubDate>{format_datetime(at)}</pubDate>"
            f"<description>{text}</description></item>"
        )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the daemon holds at one moment."""

    hours: float  # simulated
    rss_mb: float
    child_rss_mb: float
    fds: int
    threads: int
    wal_mb: float
    db_mb: float


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def sample(pid: int, folder: Path, hours: float) -> Sample:
    """Measure the daemon and its parsing child."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    status = status_of(pid)

    def size(name: str) -> float:
        path = folder / name
        return path.stat().st_size / 1e6 if path.exists() else 0.0

    return Sample(
        hours=hours,
        rss_mb=int(status["VmRSS"].split()[0]) / 1024,
        child_rss_mb=sum(int(status_of(int(child))["VmRSS"].split()[0]) for child in children) / 1024,
        fds=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=int(status["Threads"]),
        wal_mb=size("wirewatch.db-wal"),
        db_mb=size("wirewatch.db"),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=4.0, help="simulated")
    parser.add_argument("--minutes", type=float, default=30.0, help="real")
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    speed = asked.days * 24 * 60 / asked.minutes
    clock = clock_from(speed=speed)
    with tempfile.TemporaryDirectory() as folder, Press(clock, asked.seed) as press, FakeHttp() as sink:
        config = write(Path(folder), press.port, sink.url, asked.feeds)
        with Daemon(config, WIREWATCH_SPEED=str(speed)) as daemon:
            daemon.start()
            samples = watch(daemon, Path(folder), sink, speed, asked.minutes)
            code = daemon.terminate()
        print(f"{press.asked:,} requests, {press.answered_304:,} answered 304, {press.failed:,} failed; ", end="")
        print(f"{len(sink.accepted):,} messages accepted; ended with {code}")
        print_table(samples)
    return verdict(samples) or code


def write(folder: Path, port: int, sink: str, feeds: int) -> Path:
    (folder / "watchlists").mkdir()
    (folder / "watchlists" / "soak.toml").write_text(WATCHLIST, encoding="utf-8")
    tables = "".join(f'[[feed]]\nname = "f{n}"\nurl = "http://127.0.0.1:{port}/{n}"\n' for n in range(feeds))
    (folder / "config.toml").write_text(CONFIG.format(sink=sink) + tables, encoding="utf-8")
    return folder / "config.toml"


def watch(daemon: Daemon, folder: Path, sink: FakeHttp, speed: float, minutes: float) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while (gone := time.monotonic() - began) < minutes * 60:
        time.sleep(minutes * 60 / 120)
        assert daemon.process.poll() is None, daemon.said()[-3000:]
        samples.append(sample(daemon.process.pid, folder, gone * speed / 3600))
        if len(samples) % 10 == 0:
            sink.fails_with(503, times=3)
            print(samples[-1], file=sys.stderr, flush=True)
    return samples


def print_table(samples: list[Sample]) -> None:
    """Medians of each eighth of the time."""
    print("| simulated hours | RSS, MB | of the parsing child | descriptors | threads | WAL, MB | database, MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for part in eighths(samples):
        cells = [statistics.median(getattr(one, name) for one in part) for name in FLAT]
        print(f"| {part[0].hours:.0f}–{part[-1].hours:.0f} | " + " | ".join(f"{cell:,.0f}" for cell in cells) + " |")


def eighths(samples: list[Sample]) -> list[list[Sample]]:
    size = max(1, len(samples) // 8)
    return [samples[start : start + size] for start in range(0, size * 8, size)]


def verdict(samples: list[Sample]) -> int:
    """0 where the last eighth holds no more than the fourth, within what FLAT allows (a factor and an amount)."""
    parts, grown = eighths(samples), 0
    for name, (factor, amount) in FLAT.items():
        then, now = (statistics.median(getattr(one, name) for one in part) for part in (parts[3], parts[7]))
        if now > max(then * factor, then + amount):
            print(f"{name} grows: {then:.1f} in the fourth eighth, {now:.1f} in the last")
            grown = 1
    print("grows" if grown else "flat")
    return grown


if __name__ == "__main__":
    sys.exit(main())
