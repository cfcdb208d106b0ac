#!/usr/bin/env python3
"""Where the processor's time goes in a pass in which all is new, stage by stage.

    .venv/bin/python bench/stages.py --peers /tmp/peers [--feeds 1000]

One pass of wirewatch over feeds that ../shared/tools/feedsim renders and serves on loopback, in a process of its own, in
which the functions of the line are timed by the CPU of their thread, each without what it calls. `reader` does the same
pass in the same run (see bench/poll.py, also for what must be installed); every stage is told as a share of its CPU.
"Fetch" is all that the event loop does. Timing costs time itself: the sum is a few percent more than bench/poll.py says.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))

from poll import BASE, compile_ours, configured, measured, missing, served

START, FETCH, PARSE, STORE = "start", "fetch", "parse", "store"
READ, KNOWN, FIND, COMPARE, JUDGE = (
    "texts made ready to compare", "what is new", "candidates found", "candidates compared", "scored and decided",
)  # fmt: skip
STAGES = (START, FETCH, PARSE, STORE, READ, KNOWN, FIND, COMPARE, JUDGE)
WITHOUT_JUDGING = (FETCH, PARSE, STORE)


class Clock:
    """CPU seconds of one thread by stage; a stage within a stage counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def _turn(self) -> None:
        now = time.thread_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def minded(self, stage: str, function: Callable) -> Callable:
        """The function, timed."""

        @functools.wraps(function)
        def timed(*args, **values):
            self._turn()
            self._running.append(stage)
            try:
                return function(*args, **values)
            finally:
                self._turn()
                self._running.pop()

        return timed


def mind(clock: Clock) -> None:
    """Time the line's functions, where the line looks them up; all of these run in the writer thread."""
    from monitor import recording, writer
    from monitor.core import parse, pipeline
    from monitor.store import candidates, outbox, stories

    places: list[tuple[str, ModuleType | type, str]] = [
        (PARSE, parse, "parse_fast"), (READ, pipeline, "read"), (KNOWN, stories, "fresh"),
        (FIND, candidates, "snapshot"), (COMPARE, pipeline, "recognise"), (JUDGE, stories, "standings"),
        (JUDGE, pipeline, "judge"), (STORE, stories, "save"), (STORE, outbox, "enqueue_all"),
        (STORE, recording.Recorder, "record"), (STORE, writer.Writer, "_transact"),
    ]  # fmt: skip
    for stage, place, name in places:
        setattr(place, name, clock.minded(stage, getattr(place, name)))


def one_pass(config: Path) -> None:
    """In a process of its own: a pass over all feeds. Prints CPU seconds by stage as JSON."""
    from monitor import reload
    from monitor.app import App

    clock = Clock()
    mind(clock)
    facts: dict[str, float] = {}

    async def run() -> None:
        async with App(reload.read_all(config)) as app:
            clock.seconds[STORE] = 0.0  # until here the database was made
            facts[START], loop = time.process_time(), time.thread_time()
            checked = await app.poll(everything=True)
            facts["entries"] = sum(fact.new for fact in checked)
            facts[FETCH], facts["all"] = time.thread_time() - loop, time.process_time()

    asyncio.run(run())
    print(json.dumps(clock.seconds | facts))


def table(ours: dict[str, float], reader: float, entries: int) -> str:
    """As Markdown: seconds, microseconds an entry, and the share of `reader`'s CPU seconds."""
    rows = ["| stage | CPU s | µs an entry | of `reader` |", "|---|--:|--:|--:|"]
    rest = ours["all"] - sum(ours.get(stage, 0.0) for stage in STAGES)
    told = [(stage, ours.get(stage, 0.0)) for stage in STAGES] + [("all else", rest)]
    told += [("**all**", ours["all"]), ("fetch, parse and store alone", sum(ours[stage] for stage in WITHOUT_JUDGING))]
    rows += [f"| {stage} | {s:.2f} | {1e6 * s / entries:.0f} | {s / reader:.3f} |" for stage, s in told]
    return "\n".join([*rows, f"| `reader` | {reader:.2f} | {1e6 * reader / entries:.0f} | 1 |"])


def main() -> int:
    """Measure; 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--peers", type=Path, default=Path("/tmp/peers"), help="virtual environment that has reader")
    parser.add_argument("--folder", type=Path, help="where feeds go, and stay (default: temporary)")
    parser.add_argument("--pass", dest="config", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.config:
        one_pass(asked.config)
        return 0
    if lacks := missing(asked.peers):
        print(*lacks, sep="\n", file=sys.stderr)
        return 2
    compile_ours()
    with tempfile.TemporaryDirectory() as temporary:
        folder, mine = (asked.folder or Path(temporary)).resolve(), Path(temporary) / "ours"
        folder.mkdir(parents=True, exist_ok=True)
        mine.mkdir()
        with served(folder, asked.feeds) as data:
            command = [sys.executable, __file__, "--pass", configured(mine, data)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            ours = json.loads(done.stdout.splitlines()[-1])
            [peer] = measured(data, [BASE], 1, asked.peers, Path(temporary))
    first = peer["rounds"][0]
    print(table(ours, first["cpu"], first["expected"]))
    return 0 if ours["entries"] == first["expected"] else 1


if __name__ == "__main__":
    sys.exit(main())
