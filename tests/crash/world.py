"""One database with its feeds and sinks, and the daemons that live and die on it.

with Nursery() as nursery, World(nursery, folder, seed=7) as world:
    world.kill_at("accepted:2")       # it works until it passes that point, and is dead
    world.kill_by_sink("room", 1)     # the homeserver kills it: the message is there, no answer has been given
    world.kill_by_feed("head")        # the feed's server kills it, half of the document sent
    world.kill_at_random()
    verdict = world.finish()          # no more faults; waits until all has been delivered, and judges
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.crash.nursery import Life, Nursery
from tests.crash.press import WATCHED, Press, tokens_in
from tests.crash.sinks import open_sinks
from tests.crash.verdict import Verdict, judge
from tests.fakeweb import FakeWeb

SPEED = 20.0  # simulated seconds in one
A_CROWD = 6  # alerts: more than `collapse_above`
BUSY = 15  # waiting deliveries: with so many there is enough to send without new items
DRAINED_WITHIN = timedelta(minutes=5)  # simulated, after faults have stopped
POINTS = ("fetched", "parsed", "saving", "saved", "claimed", "accepted", "settling", "settled", "merged")
READING = ("fetched", "parsed", "saving", "saved")  # those of the half that listens: they need something new
CHANNELS = ("room", "hook", "mail", "json")
NAMED = (*POINTS, "draining", *(f"sink {channel}" for channel in CHANNELS), "feed head", "feed body")
PATIENCE = 2.0  # seconds for a point to be reached; then the kill counts as one at random

CONFIG = """\
[monitor]
database = "wirewatch.db"
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
interval = "5s"
min_interval = "1s"
[alerts]
backlog_max = 1000  # what is published before a feed was first read is expected, too, however many lives that takes
collapse_above = 4
singles_per_hour = 1000
[web]
listen = ""
[[route]]
channels = ["room", "hook", "mail", "json"]
group_wait = "1s"
"""
WATCHLIST = """\
title = "The {word}"
threshold = 2
max_age = "48h"
[[term]]
name = "{word}"
any = ["{word}"]
weight = 2
"""


class World:
    """See above. `design` is the known mistake that its daemons make, if any."""

    def __init__(
        self, nursery: Nursery, folder: Path, seed: int, *, design: str = "", share: float = 0.15, feeds: int = 6
    ):
        self.seed, self._nursery, self._folder, self._design = seed, nursery, folder, design
        self._dice = random.Random(seed)
        self._share, self._feeds = share, feeds
        self.kills: Counter[str] = Counter()
        self.unforeseen: list[str] = []  # ends that nobody asked for
        self._began, self._origin = time.monotonic(), datetime.now(UTC)

    def __enter__(self) -> World:
        self._stack = ExitStack()
        self.press = Press(self._stack.enter_context(FakeWeb()), random.Random(self.seed + 1), self.clock, self._feeds)
        self.sinks = self._stack.enter_context(open_sinks(random.Random(self.seed + 2), share=self._share))
        self._write()
        return self

    def __exit__(self, *what: object) -> None:
        self._stack.__exit__(*what)

    def clock(self) -> datetime:
        """Simulated time; it goes on between two lives."""
        return self._origin + timedelta(seconds=(time.monotonic() - self._began) * SPEED)

    # ── lives ────────────────────────────────────────────────────────────────────────────────────

    def run(self, *, named: int, at_random: int = 0) -> World:
        """So many kills, all named places in turn and in an order that the seed gives, and so many at random."""
        whole, rest = divmod(named, len(NAMED))
        kills = [*NAMED * whole, *self._dice.sample(NAMED, rest), *("random",) * at_random]
        self._dice.shuffle(kills)
        for kill in kills:
            self.kill(kill)
        return self

    def kill(self, where: str) -> None:
        """One life, ended at a place of `NAMED` or at "random"."""
        kind, _, which = where.partition(" ")
        often = self._dice.choice(
            (1, 1, 2, 3) if where in ("claimed", "accepted", "settling", "settled") else (1, 1, 2)
        )
        if where == "random":
            self.kill_at_random()
        elif kind == "sink":
            self.kill_by_sink(which, often)
        elif kind == "feed":
            self.kill_by_feed(which)
        else:
            self.kill_at(where if where == "draining" else f"{where}:{often}")

    def kill_when_all_is_read(self) -> None:
        """A life that ends some time after it has read every feed as it now is."""
        self.press.forget_answers()
        life = self._start()
        end = time.monotonic() + PATIENCE
        while not self.press.all_answered_twice() and time.monotonic() < end and not life.wait(0.02):
            pass
        self._end(life, "random")

    def kill_at(self, point: str, *, news: bool = True) -> None:
        """A life that ends at a named point, such as "accepted:2". Something is published that it may get there, unless
        without `news`."""
        name, _, often = point.partition(":")
        if not news:
            pass
        elif name == "merged":
            self.press.publish(matching=A_CROWD)
        elif name in READING or not self._busy():
            self.press.publish(matching=self._dice.choice((1, 2, 3)), feeds=int(often or "1"))
        life = self._start(point)
        if name == "draining":
            self.press.wait_until_asked()  # before that it may not listen to signals yet
            life.wait(self._dice.uniform(0, 0.3))
            life.terminate()
        self._end(life, name if life.wait(PATIENCE) else "random")

    def kill_by_sink(self, channel: str, message: int) -> None:
        """A life that a sink ends when this many messages have come to it, the last one unanswered."""
        if not self._busy():
            self.press.publish(matching=message)
        life = self._start()
        self.sinks.record.trap = (channel, message, life.kill)
        reached = life.wait(PATIENCE)
        self.sinks.record.trap = None
        self._end(life, f"sink {channel}" if reached else "random")

    def kill_by_feed(self, when: str) -> None:
        """A life that a feed's server ends: "head" with half of a document sent, "body" just after the whole."""
        self.press.publish()
        life = self._start()
        self.press.trap = (when, life.kill)
        reached = life.wait(PATIENCE)
        self.press.trap = None
        self._end(life, f"feed {when}" if reached else "random")

    def kill_at_random(self) -> None:
        """A life that ends some time within its first second."""
        if not self._busy():
            self.press.publish(matching=2)
        life = self._start()
        life.wait(self._dice.choice((0.1, 0.3, 0.9)) * self._dice.random())
        self._end(life, "random")

    def finish(self) -> Verdict:
        """A last life without faults; when all is delivered, or five simulated minutes are over, the verdict."""
        self.sinks.record.share = 0.0
        self.press.forget_answers()
        began = self.clock()
        life = self._start()
        while not (drained := self._drained()) and self.clock() - began < DRAINED_WITHIN and not life.dead.is_set():
            time.sleep(0.02)
        took = self.clock() - began
        life.wait(0.3)  # six simulated seconds more, in which nothing may come twice
        life.terminate()
        if not life.wait() or life.code != 0:
            self.unforeseen.append(f"asked to stop, it ended with {life.code}")
        return judge(
            self.press.items,
            self.sinks.record.effects,
            self._folder / "wirewatch.db",
            drained=drained,
            took=took,
            unforeseen=self.unforeseen,
        )

    def _busy(self) -> bool:
        return self._rows("SELECT count(*) FROM deliveries WHERE state = 'queued'")[0][0] >= BUSY

    def _start(self, crash_at: str = "") -> Life:
        self.sinks.record.life += 1
        self.press.asked.clear()
        environ = {"WIREWATCH_NOW": self.clock().isoformat(), "WIREWATCH_SPEED": str(SPEED)}
        environ["WIREWATCH_CRASH_AT"] = crash_at or "draining:99"  # os.environ is inherited: always said
        return self._nursery.start(self._folder / "config.toml", environ=environ, design=self._design)

    def _end(self, life: Life, how: str) -> None:
        life.kill()
        life.wait()
        if not life.killed:
            self.unforeseen.append(f"life {self.sinks.record.life} ended by itself with {life.code}")
        self.kills[how] += 1
        self.sinks.wait_until_quiet()
        self._attribute()

    # ── what the database says ───────────────────────────────────────────────────────────────────

    def _attribute(self) -> None:
        """What took effect in the life that has ended, and whose record still says `sending`, is ambiguous: no program
        could know, after this death, whether it was accepted."""
        in_hand: dict[tuple[str, str], frozenset[str]] = {}
        for channel, recipient, message in self._rows(
            "SELECT channel, recipient, message FROM deliveries WHERE state = 'sending'"
        ):
            in_hand[channel, recipient] = in_hand.get((channel, recipient), frozenset()) | tokens_in(message)
        for effect in self.sinks.record.effects:
            of_this_life = effect.life == self.sinks.record.life and not effect.ambiguous
            if of_this_life and effect.tokens & in_hand.get((effect.channel, effect.recipient), frozenset()):
                effect.ambiguous, effect.why_ambiguous = True, "killed before it was on record"

    def _drained(self) -> bool:
        waiting = self._rows("SELECT count(*) FROM deliveries WHERE state IN ('queued', 'held', 'sending')")
        return self.press.all_answered_twice() and waiting[0][0] == 0

    def _rows(self, query: str) -> list[tuple]:
        path = self._folder / "wirewatch.db"
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
                return database.execute(query).fetchall()
        except sqlite3.OperationalError:
            return [(0,)] if "count" in query else []  # killed before there was one

    def _write(self) -> None:
        (self._folder / "watchlists").mkdir()
        for word in WATCHED:
            (self._folder / "watchlists" / f"{word}.toml").write_text(WATCHLIST.format(word=word))
        channels = "".join(f'[channel.{name}]\nurl = "{url}"\n' for name, url in self.sinks.urls.items())
        feeds = "".join(f'[[feed]]\nname = "{name}"\nurl = "{url}"\n' for name, url in self.press.urls.items())
        (self._folder / "config.toml").write_text(CONFIG + channels + feeds)
