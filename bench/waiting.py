#!/usr/bin/env python3
"""What waiting costs: a pass over servers that take their time, and a daemon for which little is due.

    .venv/bin/python bench/waiting.py latency --peers /tmp/peers [--feeds 1000] [--ms 200]
    .venv/bin/python bench/waiting.py idle [--feeds 10000] [--minutes 5]

`latency`: every feed is known and unchanged, each answer takes so many milliseconds; printed is how long a pass takes,
beside `reader` with 32 workers where that is installed (see bench/poll.py). `idle`: the daemon with so many plain HTTP
feeds, one check each in 15 minutes, spread as they are after a day; printed are its CPU seconds, with all children, as
a share of one core, and its memory. Bytecode is compiled before, as pip does at an install.

Feeds are rendered and served on loopback by ../shared/tools/feedsim, which is not part of this repository. Exits 2
where it, nginx or sqlite3 is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from poll import FEEDSIM, POLL_BENCH, PORT, compile_ours, configured, missing, served

WIREWATCH = Path(sys.executable).parent / "wirewatch"
EVERY = 15 * 60  # seconds between two checks of a feed
SETTLES = 20  # seconds after its start in which the daemon is not measured
TICKS = os.sysconf("SC_CLK_TCK")


def set_up(folder: Path, data: Path, **polling: str) -> Path:
    """A configuration over all feeds of `data`, with these keys of [polling], and a first pass that stores them."""
    config = configured(folder, data)
    keys = "".join(f'{key} = "{value}"\n' for key, value in polling.items())
    config.write_text(config.read_text(encoding="utf-8").replace("[polling]\n", f"[polling]\n{keys}"), encoding="utf-8")
    passed(config)
    return config


def passed(config: Path) -> tuple[float, float]:
    """One pass over all feeds: wall and CPU seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([WIREWATCH, "poll", "--all", "--config", config], check=True, capture_output=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def slow(data: Path, ms: int) -> Iterator[None]:
    """The same feeds from a server that answers after so many milliseconds."""
    command = [sys.executable, FEEDSIM, "serve", data, "--port", str(PORT)]
    server = subprocess.Popen([*command, "--latency-ms", str(ms), "--latency-sigma", "0"], stdout=subprocess.DEVNULL)
    try:
        time.sleep(2)
        yield
    finally:
        server.terminate()
        server.wait()


def latency(folder: Path, feeds: int, ms: int, peers: Path, *, has_reader: bool) -> None:
    """Print how long a pass takes where nothing is new and every answer comes late."""
    python, tool = peers / "bin/python", POLL_BENCH.parent / "adapters/reader_tool.py"
    known = folder / "reader"
    with served(folder, feeds) as data:
        (folder / "ours").mkdir()
        config = set_up(folder / "ours", data, min_interval="1s")
        if has_reader:
            known.mkdir()
            subprocess.run([python, tool, "setup", known, f"--urls={data / 'urls.txt'}"], check=True)
            subprocess.run([python, tool, "poll", known, "--workers=32"], check=True, stdout=subprocess.DEVNULL)
    with slow(data, ms):
        time.sleep(1)
        wall, cpu = passed(config)
        print(f"wirewatch: {feeds:,} unchanged feeds at {ms} ms in {wall:.1f} s, {cpu:.2f} s of CPU")
        if has_reader:
            began = time.monotonic()
            subprocess.run([python, tool, "poll", known, "--workers=32"], check=True, stdout=subprocess.DEVNULL)
            print(f"reader, 32 workers: {time.monotonic() - began:.1f} s")


def idle(folder: Path, feeds: int, minutes: float) -> None:
    """Print what the daemon uses where every feed is checked once in 15 minutes and hardly anything is new."""
    with served(folder, feeds) as data:
        (folder / "ours").mkdir()
        config = set_up(folder / "ours", data, interval="15m")
        spread(folder / "ours/wirewatch.db")
        daemon = subprocess.Popen([WIREWATCH, "run", "--config", config], stderr=subprocess.DEVNULL)
        try:
            time.sleep(SETTLES)
            before, asked = cpu_of(daemon.pid), requests(data)
            time.sleep(60 * minutes)
            used, asked = cpu_of(daemon.pid) - before, requests(data) - asked
            share = 100 * used / (60 * minutes)
            memory = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{daemon.pid}/status").read_text())[1]) // 1024
            print(
                f"wirewatch run, {feeds:,} feeds at 15 minutes: {share:.2f} % of a core over {minutes:g} minutes with"
                f" {asked:,} checks ({1000 * used / max(asked, 1):.2f} ms each), {memory} MB at most"
            )
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def spread(database: Path) -> None:
    """Let the checks fall due evenly, the first when the daemon has begun."""
    now = time.time() + SETTLES / 2
    with sqlite3.connect(database) as db:
        names = [name for (name,) in db.execute("SELECT name FROM feeds ORDER BY random()")]
        db.executemany(
            "UPDATE feeds SET next_check_at = ?, not_before = NULL, claimed_at = NULL WHERE name = ?",
            [(int(1e6 * (now + EVERY * place / len(names))), name) for place, name in enumerate(names)],
        )


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def requests(data: Path) -> int:
    """How many requests the server has answered."""
    told = subprocess.run([sys.executable, FEEDSIM, "stats", data], check=True, capture_output=True, text=True).stdout
    return sum(json.loads(told)["codes"].values())


def main() -> int:
    """Measure; 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("latency", "idle"))
    parser.add_argument("--feeds", type=int)
    parser.add_argument("--ms", type=int, default=200, help="how long each answer takes (default: 200)")
    parser.add_argument("--minutes", type=float, default=5, help="how long the idle daemon is watched (default: 5)")
    parser.add_argument("--peers", type=Path, default=Path("/tmp/peers"), help="virtual environment that has reader")
    parser.add_argument("--folder", type=Path, help="where feeds and stores go, and feeds stay (default: temporary)")
    asked = parser.parse_args()
    lacks = missing(asked.peers)
    needed = [why for why in lacks if not why.startswith("reader ")]
    if needed:
        print(*needed, sep="\n", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        for name in ("ours", "reader"):
            shutil.rmtree(folder / name, ignore_errors=True)
        compile_ours()
        if asked.what == "latency":
            latency(folder, asked.feeds or 1_000, asked.ms, asked.peers, has_reader=lacks == needed)
        else:
            idle(folder, asked.feeds or 10_000, asked.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
