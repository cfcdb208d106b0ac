#!/usr/bin/env python3
"""Simulated months: feeds whose servers err, a daemon that is stopped and killed, nothing lost and nothing doubled.

    .venv/bin/python bench/month.py [--seeds 100] [--first 1] [--feeds 20] [--days 30]

Each seed is a month of its own: real daemon, database and gate in a time of their own (tests/timelapse.py), servers with
19 kinds of faults behind loopback sockets, ten lives or so that end by SIGTERM, by SIGKILL at any moment or at one of
eight places of the work (tests/crash/month.py). Items stay in their feeds for a week. Prints what was checked, stored and
told; exits 1 where an item is lost, anything is doubled without cause, or the process grows. A seed can be run alone.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.crash.month import LASTING, Month, Verdict  # noqa: E402
from tests.timelapse import warm  # noqa: E402

QUICK = Path("/dev/shm")  # where a sync costs nothing


def main() -> int:
    """Live the months, print their sum; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--feeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=25, help="begin no further month after so long")
    asked = parser.parse_args()
    warm()
    began, verdicts, faults = time.monotonic(), {}, Counter()
    for seed in range(asked.first, asked.first + asked.seeds):
        if time.monotonic() - began > asked.minutes * 60:
            print(f"stopped before seed {seed}: {asked.minutes:g} minutes are over")
            break
        with (
            tempfile.TemporaryDirectory(dir=QUICK if QUICK.is_dir() else None) as folder,
            Month(Path(folder), seed, feeds=asked.feeds, days=asked.days) as month,
        ):
            month.live()
            verdicts[seed] = month.verdict()
            for publisher in month.publishers.values():
                faults.update(fault.kind for fault in publisher.faults)
        print(f"\r{len(verdicts)} months, {sum(len(one.wrong) for one in verdicts.values())} wrong", end="", file=sys.stderr)
    print(file=sys.stderr)
    _print(verdicts, faults, asked, time.monotonic() - began)
    return 1 if any(one.wrong for one in verdicts.values()) or not verdicts else 0


def _print(verdicts: dict[int, Verdict], faults: Counter[str], asked: argparse.Namespace, seconds: float) -> None:
    endings = sum((one.endings for one in verdicts.values()), Counter())
    every = verdicts.values()
    print(f"{len(verdicts)} months of {asked.days} days, {asked.feeds} feeds each, seeds {min(verdicts)}–{max(verdicts)}")
    print(f"{seconds:.0f} s, {_cpu_seconds():.0f} CPU s; {sum(one.requests for one in every)} requests\n")
    print(f"faults: {', '.join(f'{kind} {count}' for kind, count in sorted(faults.items()))}")
    print(f"and all the time: {', '.join(sorted(set(LASTING) - {''}))}")
    print(f"lives that ended: {', '.join(f'{kind} {count}' for kind, count in sorted(endings.items()))}\n")
    print(f"items: {sum(one.items for one in every)}; messages expected: {sum(one.expected for one in every)}")
    print(f"told once more because a kill left them in doubt: {sum(one.again for one in every)}")
    print(f"a life grew by at most {max(one.grown for one in every) / 1e6:.1f} MB after its first day;", end=" ")
    print(f"files open: {min(one.files[0] for one in every if one.files[1])} to {max(one.files[1] for one in every)}")
    for seed, verdict in verdicts.items():
        for wrong in verdict.wrong:
            print(f"WRONG seed {seed}: {wrong}")
    print(f"lost or doubled: {sum(len(one.wrong) for one in every)}")


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    sys.exit(main())
