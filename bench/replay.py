#!/usr/bin/env python3
"""Three real days of real outlets through `wirewatch poll`, hour by hour, and what came of them.

    .venv/bin/python bench/replay.py [--data ../shared/data/replay] [--every 60] [--keep DIR]

Feeds are rebuilt as they stood at each hour, served on loopback with ETags, and polled by the real command under a
clock that shows that hour. Prints entries, stories, copies and alerts, and checks what must hold:

- no alert twice: one a story, watchlist and level;
- copies with one headline in several outlets within a day are one story (the share that is);
- a story found in three outlets or more alerts once a watchlist.

Exits 1 where the first or the last does not hold. The data are not part of this repository.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import hashlib
import http.server
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
WHOLE_FEEDS = ("laapy", "yahoo_world", "ap_merge", "ap_reuters_headlines", "bloomberg_jp", "ru_exile")
BY_OUTLET = ("60outlets_titles", "lede_stories")
LEAST_ITEMS = 8  # of an outlet, to be a feed of its own
START, END = datetime(2026, 8, 18, 1, tzinfo=UTC), datetime(2026, 8, 20, 23, tzinfo=UTC)

WATCHLISTS = {
    "iran": ("Iran", ["Iran*", "Tehran", "Hormuz"]),
    "ukraine": ("Ukraine", ["Ukrain*", "Kyiv", "Zelensky*"]),
    "central-banks": ("Central banks", ["Federal Reserve", "Fed", "ECB", "Bank of Japan", "interest rate*"]),
    "north-korea": ("North Korea", ["North Korea*", "Pyongyang", "Kim Jong Un"]),
    "chips": ("Semiconductors", ["semiconductor*", "Nvidia", "TSMC", "chipmaker*"]),
}
WATCHLIST = 'title = "{title}"\nthreshold = 2\n[[term]]\nname = "subject"\nany = {words}\nweight = 1.5\n'
CONFIG = """\
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
interval = "5m"
[web]
listen = ""
[channel.out]
url = "console://?format=json"
"""


class Outlets:
    """Feeds as they stood at `at`."""

    def __init__(self, folder: Path):
        self.items: dict[str, list[dict]] = collections.defaultdict(list)
        for name in (*WHOLE_FEEDS, *BY_OUTLET):
            for line in gzip.open(next(folder.glob(f"C_*_{name}.items.jsonl.gz")), "rt", encoding="utf-8"):
                item = json.loads(line)
                self.items[self._feed_of(name, item)].append(item)
        self.items = {feed: items for feed, items in self.items.items() if len(items) >= LEAST_ITEMS}
        self.at = ""

    def _feed_of(self, name: str, item: dict) -> str:
        if name in BY_OUTLET:
            outlet = item.get("outlet") or urlsplit(item["link"]).netloc.lower().removeprefix("www.")
            return re.sub(r"[^a-z0-9.]+", "-", f"{name.split('_')[0]}-{outlet}".lower()).strip("-.")
        return re.sub(r"[^a-z0-9.]+", "-", f"{name}-{item['feed']}".lower())

    def document(self, feed: str) -> bytes:
        """The feed at that time, newest on top."""
        standing = [item for item in self.items[feed] if item["first"] <= self.at <= item["last"]]
        standing.sort(key=lambda item: (item["first"], -item["pos"]), reverse=True)
        content = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        parts = [
            f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {content}><channel><title>{escape(feed)}</title>'
        ]
        parts.extend(map(self._item, standing))
        text = "".join(parts) + "</channel></rss>"
        return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text).encode("utf-8", "replace")

    def _item(self, item: dict) -> str:
        fields = [("title", item["title"]), ("link", item["link"]), ("guid", item["id"] or item["link"])]
        if item.get("published"):
            fields.append(("pubDate", formatdate(item["published"], usegmt=True)))
        fields += [
            (tag, item.get(key))
            for tag, key in (("description", "summary"), ("content:encoded", "content"), ("dc:creator", "author"))
        ]
        return "<item>" + "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in fields if value) + "</item>"


def serve(outlets: Outlets) -> http.server.ThreadingHTTPServer:
    """The outlets on loopback, with ETags."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = outlets.document(unquote(self.path.strip("/")))
            etag = f'"{hashlib.sha1(body).hexdigest()}"'
            known = self.headers.get("If-None-Match") == etag
            self.send_response(304 if known else 200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", "0" if known else str(len(body)))
            self.end_headers()
            if not known:
                self.wfile.write(body)

        def log_message(self, *args):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def configure(folder: Path, outlets: Outlets, port: int) -> None:
    """A configuration with every outlet and some broad watchlists."""
    (folder / "watchlists").mkdir(parents=True, exist_ok=True)
    for name, (title, words) in WATCHLISTS.items():
        (folder / "watchlists" / f"{name}.toml").write_text(WATCHLIST.format(title=title, words=json.dumps(words)))
    feeds = "".join(f'[[feed]]\nname = "{feed}"\nurl = "http://127.0.0.1:{port}/{feed}"\n' for feed in outlets.items)
    (folder / "config.toml").write_text(CONFIG + feeds)


def poll(folder: Path, moment: datetime) -> list[dict]:
    """One `wirewatch poll` at that time. Returns the messages that it sent."""
    environment = {**os.environ, "WIREWATCH_TEST_HOOKS": "1", "WIREWATCH_NOW": moment.isoformat()}
    command = [sys.executable, "-m", "monitor", "--config", str(folder / "config.toml"), "poll", "--all"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0 or "Traceback" in done.stderr:
        sys.exit(f"poll at {moment} exited {done.returncode}:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def report(folder: Path, sent: list[dict], outlets: Outlets, seconds: float) -> bool:
    """Print the figures; True where what must hold, holds."""
    database = sqlite3.connect(folder / "wirewatch.db")

    def rows(query: str) -> list[tuple]:
        return database.execute(query).fetchall()

    (entries,), (stories,) = rows("SELECT count(*) FROM entries")[0], rows("SELECT count(*) FROM stories")[0]
    spread = "SELECT story, count(DISTINCT feed) AS feeds FROM entries GROUP BY story"
    in_two, in_three = (rows(f"SELECT count(*) FROM ({spread}) WHERE feeds >= {n}")[0][0] for n in (2, 3))
    first = "SELECT * FROM alerts WHERE reason IN ('matched', 'became_urgent')"  # the others tell of a change
    twice = rows(f"SELECT watchlist, story, level FROM ({first}) GROUP BY 1, 2, 3 HAVING count(*) > 1")
    loud = rows(
        f"SELECT a.watchlist, a.story, count(*) FROM ({first}) a JOIN ({spread}) s ON s.story = a.story"
        " WHERE feeds >= 3 GROUP BY 1, 2"
    )
    told = collections.Counter((m["watchlist"], m["story"], m["level"]) for m in sent if not m["mark"])
    repeated = [key for key, n in told.items() if n > 1]
    joined, pairs = same_headlines(rows("SELECT title, story, feed, seen_at FROM entries"))
    figures = [
        ("outlets", len(outlets.items)),
        ("entries", entries),
        ("stories", stories),
        ("copies joined", entries - stories),
        (
            "  by rule",
            ", ".join(
                f"{rule} {n}"
                for rule, n in rows("SELECT rule, count(*) FROM entries WHERE rule <> 'founder' GROUP BY rule")
            ),
        ),
        ("stories in two outlets or more", in_two),
        ("stories in three outlets or more", in_three),
        ("  of them alerted", len(loud)),
        ("alerts", rows(f"SELECT count(*) FROM ({first})")[0][0]),
        ("updates of stories that were told", rows("SELECT count(*) FROM alerts")[0][0] - len(rows(first))),
        ("messages sent", len(sent)),
        ("alerts of one story, watchlist and level twice", len(twice) + len(repeated)),
        ("stories in three outlets that alerted a watchlist twice", sum(n > 1 for *_, n in loud)),
        ("one headline in two outlets within 24 h: one story", f"{joined} of {pairs} ({joined / max(pairs, 1):.1%})"),
        ("seconds", round(seconds)),
    ]
    for name, value in figures:
        print(f"{name:<55} {value}")
    return not twice and not repeated and all(n == 1 for *_, n in loud)


def same_headlines(rows: list[tuple]) -> tuple[int, int]:
    """Of neighbouring entries with one headline (five words or more) in two feeds within a day: how many are one
    story, and how many there are."""
    by_title = collections.defaultdict(list)
    for title, story, feed, seen in rows:
        if len(title.split()) >= 5:
            by_title[" ".join(re.findall(r"\w+", title.casefold()))].append((seen, story, feed))
    joined = pairs = 0
    for found in by_title.values():
        found.sort()
        for (seen, story, feed), (later, other, another) in zip(found, found[1:], strict=False):
            if feed != another and later - seen <= 24 * 3600 * 1_000_000:
                pairs += 1
                joined += story == other
    return joined, pairs


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "replay")
    arguments.add_argument("--every", type=int, default=60, help="minutes between polls (60)")
    arguments.add_argument("--keep", type=Path, help="leave the database in this folder")
    given = arguments.parse_args()
    if not given.data.is_dir():
        print(f"skipped: {given.data} is missing")
        return 0
    folder = given.keep or Path(tempfile.mkdtemp(prefix="wirewatch-replay-"))
    outlets = Outlets(given.data)
    server = serve(outlets)
    configure(folder, outlets, server.server_port)
    started, sent, moment = time.monotonic(), [], START
    while moment <= END:
        outlets.at = moment.strftime("%Y%m%dT%H%M%SZ")
        sent += poll(folder, moment)
        print(f"\r{moment:%d %b %H:%M}  {len(sent)} messages", end="", file=sys.stderr, flush=True)
        moment += timedelta(minutes=given.every)
    print(file=sys.stderr)
    good = report(folder, sent, outlets, time.monotonic() - started)
    if not given.keep:
        shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
