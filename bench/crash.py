#!/usr/bin/env python3
"""The real daemon killed thousands of times, and what people saw.

    .venv/bin/python bench/crash.py [--kills 3000] [--seed 1] [--faults 0.15] [--together 2]

Two thirds of the kills strike at named places (crash points, sinks that have read a message and not answered, feed
servers in mid-document), one third at random; 15 % of all sends fault. Every 60 kills make a world of their own, with
its own database, feeds, sinks and seed, in which at the end everything must have arrived (tests/crash/ says how it is
judged). Prints kills by place, ambiguous events, further copies by channel, and what was lost; exits 1 where anything
is wrong. A seed can be run alone: `--kills 60 --seed N`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.crash.nursery import Nursery  # noqa: E402
from tests.crash.verdict import Verdict  # noqa: E402
from tests.crash.world import NAMED, World  # noqa: E402

A_WORLD = (40, 20)  # kills at named places, at random


@dataclass
class Sum:
    """All worlds together."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)
    doubles: Counter[str] = field(default_factory=Counter)
    uncaused: Counter[str] = field(default_factory=Counter)
    items: int = 0
    deliveries: int = 0
    lost: int = 0
    worlds: int = 0
    slowest: timedelta = timedelta(0)
    wrong: list[str] = field(default_factory=list)

    def add(self, world: World, verdict: Verdict) -> None:
        """Count a world that is over."""
        self.worlds += 1
        self.kills += world.kills
        self.faults.update(world.sinks.record.faults)
        for name in ("ambiguous", "doubles", "uncaused"):
            getattr(self, name).update(getattr(verdict, name))
        self.items += verdict.items
        self.deliveries += verdict.deliveries
        self.lost += verdict.lost
        self.slowest = max(self.slowest, verdict.took)
        self.wrong += [f"seed {world.seed}: {wrong}" for wrong in verdict.wrong]


def main() -> int:
    """Run the worlds; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1, help="of the first world; each further one has the next")
    parser.add_argument("--faults", type=float, default=0.15, help="share of sends that fault")
    parser.add_argument("--together", type=int, default=2, help="worlds at a time")
    asked = parser.parse_args()
    worlds = -(-asked.kills // sum(A_WORLD))
    began, total = time.monotonic(), Sum()
    with ThreadPoolExecutor(asked.together) as pool:
        running = [pool.submit(_one, asked.seed + number, asked.faults) for number in range(worlds)]
        for done in as_completed(running):
            total.add(*done.result())
            print(f"\r{total.kills.total()} kills, {len(total.wrong)} wrong", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    _print(total, f"seeds {asked.seed}–{asked.seed + worlds - 1}", time.monotonic() - began)
    return 1 if total.wrong else 0


def _one(seed: int, faults: float) -> tuple[World, Verdict]:
    named, at_random = A_WORLD
    with (
        tempfile.TemporaryDirectory() as folder,
        Nursery() as nursery,
        World(nursery, Path(folder), seed, share=faults) as world,
    ):
        return world.run(named=named, at_random=at_random), world.finish()


def _print(total: Sum, seeds: str, seconds: float) -> None:
    at_random, all_kills = total.kills["random"], total.kills.total()
    faults = ", ".join(f"{name.lower()} {count}" for name, count in sorted(total.faults.items()))
    print(f"{all_kills} kills ({all_kills - at_random} at named places, {at_random} at random)")
    print(f"{total.worlds} worlds, {seeds}; {seconds:.0f} s, {_cpu_seconds():.0f} CPU s; faults: {faults}\n")
    print("killed at           times")
    for where in (*NAMED, "random"):
        print(f"  {where:<16}{total.kills[where]:>7}")
    print("\nchannel   ambiguous events   further copies   without cause")
    for channel in ("room", "hook", "mail", "json"):
        print(f"  {channel:<8}{total.ambiguous[channel]:>16}{total.doubles[channel]:>17}{total.uncaused[channel]:>16}")
    print(f"\n{total.items} matching items, {total.deliveries} expected at a destination, lost: {total.lost}")
    print(f"slowest to drain after faults stopped: {total.slowest.total_seconds():.0f} simulated seconds")
    for wrong in total.wrong:
        print(f"WRONG {wrong}")


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    sys.exit(main())
