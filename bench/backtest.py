#!/usr/bin/env python3
"""How long `wirewatch backtest` takes over a large archive.

    .venv/bin/python bench/backtest.py [--stories 100000] [--watchlists 100]

Writes an archive of invented stories of some 560 characters, and watchlists of ten terms each (near spellings in one
of ten), into a temporary folder and runs the real command over it. Prints wall time and the CPU time of all processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from score import TERMS, stories_of, words

from monitor.model import StoryText
from monitor.store.database import Database, insert_new
from monitor.store.schema import entries, stories

ROOT = Path(__file__).parents[1]
WATCHLIST = 'title = "{n}"\nthreshold = 1\n' + "".join(f'[[term]]\nany = ["{{{i}}}"]\n{{fuzzy}}' for i in range(TERMS))


def write_watchlists(folder: Path, count: int, names: list[str]) -> None:
    folder.mkdir()
    for number in range(count):
        fuzzy = "fuzzy = 88\n" if number % 10 == 0 else ""
        chosen = names[number * TERMS : (number + 1) * TERMS]
        (folder / f"w{number}.toml").write_text(WATCHLIST.format(*chosen, n=number, fuzzy=fuzzy), encoding="utf-8")


def rows(number: int, story: StoryText, now: datetime) -> tuple[dict, dict]:
    """A founding entry and its story."""
    name, at = f"{number:020x}", now - timedelta(seconds=20 * number)
    entry = {
        "id": name, "feed": f"f{number % 100}", "outlet": "Outlet", "story": name, "rule": "founder",
        "similarity": 100.0, "published_at": at, "seen_at": at, "updated_at": at, "revision": 0,
        "content_hash": name, "title_key": 0,
        "language": "en", "sketch": b"", "guid": name, "url": f"https://outlet.example/{number}", "author": "",
        "title": story.title, "summary": story.lead, "body": story.body,
    }  # fmt: skip
    told = {
        "id": name, "title": story.title, "url": entry["url"], "language": "en", "first_seen_at": at,
        "published_at": at, "updated_at": at, "pickups": 1, "lead_entry": name, "lead_length": 0,
        "body_entry": name, "body_length": 0,
    }  # fmt: skip
    return entry, told


def write_archive(path: Path, found: list[StoryText]) -> None:
    database, now = Database.open(str(path)), datetime.now(UTC)
    made = [rows(number, story, now) for number, story in enumerate(found)]
    with database.write() as tx:
        insert_new(tx, entries, [entry for entry, _ in made])
        insert_new(tx, stories, [told for _, told in made])
    database.close()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stories", type=int, default=100_000)
    options.add_argument("--watchlists", type=int, default=100)
    chosen = options.parse_args()
    names = [word.capitalize() for word in words(chosen.watchlists * TERMS, (3, 4), 2)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_watchlists(folder / "watchlists", chosen.watchlists, names)
        write_archive(folder / "wirewatch.db", stories_of(chosen.stories, names))
        (folder / "config.toml").write_text("", encoding="utf-8")
        begun = time.monotonic()
        command = [sys.executable, "-m", "monitor", "--config", str(folder / "config.toml"), "backtest", "--json"]
        answer = subprocess.run(
            [*command, "--since", "60d"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        wall = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    reports = [json.loads(line) for line in answer.splitlines()]
    alerts = sum(report["alerts"] for report in reports)
    print(f"{reports[0]['stories']:,} stories × {len(reports)} watchlists: {alerts:,} alerts")
    print(f"{wall:.1f} s, of CPU {used.ru_utime + used.ru_stime:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
