"""Nothing holds the event loop for long: while one large document is read, judged and saved, others go on.

A wall clock would measure the neighbours on this machine. So a gap between two beats counts only as far as this process
burned CPU in it: where it did not run at all, nobody here was to blame. What even threads cost that give way whenever they
are asked is measured beside each run and taken off. And one good run of a few is enough: what the program does itself it
does every time.
"""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass

import pytest

from monitor import reload
from monitor.app import App
from monitor.clock import clock_from
from monitor.store import feeds
from tests.desk import Desk
from tests.fakeweb import FakeWeb

pytestmark = pytest.mark.alone

LONGEST = 0.050  # seconds of CPU between two beats (design: the event loop is never blocked for longer)
RUNS = 4


@dataclass
class Heart:
    """Beats as often as the event loop lets it."""

    longest: float = 0.0
    beats: int = 0

    async def beat(self) -> None:
        burned = time.process_time()
        while True:
            await asyncio.sleep(0.002)
            now = time.process_time()
            self.longest = max(self.longest, now - burned)
            self.beats, burned = self.beats + 1, now


def longest_gap(work) -> float:
    """The most CPU that went between two beats while this was done, beyond what willing threads take at most here: in
    the first good run, or the best of some. There are machines on which even those hold the loop for a tenth of a
    second, and no less can be told on them."""
    best, willingly = LONGEST * 100, 0.0
    for number in range(RUNS):
        best = min(best, asyncio.run(beaten(lambda number=number: work(number))))
        willingly = max(willingly, asyncio.run(beaten(willing)))
        if best - willingly <= LONGEST:
            break
    return best - willingly


async def beaten(work) -> float:
    heart = Heart()
    beating = asyncio.create_task(heart.beat())
    await work()
    beating.cancel()
    assert heart.beats > 5, "the heart hardly beat at all"
    return heart.longest


async def willing() -> None:
    """Two threads that are busy, but in small steps, for as long as reading a document takes."""

    def spin() -> None:
        end = time.thread_time() + 1.5
        while time.thread_time() < end:
            pass

    await asyncio.gather(asyncio.to_thread(spin), asyncio.to_thread(spin))


WORDS = "harbour ferry council strike weather market quay crane pilot island".split()


def feed(entries: int, size: int, number: int = 0) -> bytes:
    """So many entries with texts of so many characters each."""

    def text(n: int) -> str:
        return " ".join(f"{WORDS[(n * 7 + k) % 10]}{(n * 31 + k) % 97}" for k in range(size // 9))

    items = "".join(
        f"<item><title>Story {number} {n} of the {WORDS[n % 10]}</title><guid>{number}-{n}</guid><description>{text(n)[:200]}</description>"
        f"<content:encoded>{text(n)}</content:encoded></item>"
        for n in range(entries)
    )
    return f"<rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel><title>G</title>{items}</channel></rss>".encode()


def kept(app: App) -> bool:
    with app.database.read() as tx:
        return feeds.list_feeds(tx)[0]["entries"] == 1000


DOCUMENTS = {
    "1.6 MB in a thousand entries": lambda number: feed(1000, 1500, number),
    "1.6 MB that only the child can read": lambda number: feed(1000, 1500, number).replace(b"<channel>", b"<channel><odd:x/>"),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_daemons_loop_beats_on_while_a_document_is_read(document, tmp_path):
    with FakeWeb() as web:

        async def work(number: int) -> None:
            (tmp_path / str(number)).mkdir()
            desk = Desk(tmp_path / str(number), web)
            web.forget("/big")
            desk.feed("big", document(number))
            async with App(reload.read_all(desk.config), clock=clock_from(None, 10), speed=10) as app:
                running = asyncio.create_task(app.run())
                async with asyncio.timeout(60):
                    while not kept(app):
                        await asyncio.sleep(0.05)
                assert gc.get_freeze_count() > 50_000  # what no collection need look at: each stops every thread
                app.stop()
                await running

        assert longest_gap(work) <= LONGEST
    gc.unfreeze()


def test_the_measure_finds_what_holds_the_loop():
    async def hold(_: int) -> None:
        await asyncio.sleep(0.05)
        end = time.thread_time() + 20 * LONGEST
        while time.thread_time() < end:
            pass
        await asyncio.sleep(0.05)

    assert longest_gap(hold) > LONGEST
