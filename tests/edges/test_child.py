"""Slow or dangerous work in a child: it answers, or it is killed, and the next one is as good as new."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from monitor.edges.child import ChildDied, ChildFailed, ChildPool, ChildTimeout
from monitor.errors import ParseError
from monitor.model import FeedStatus, ParsedEntry, ParsedFeed

SHORT = timedelta(seconds=1)


# ── the work, as the child knows it ──────────────────────────────────────────────────────────────


def who_am_i() -> int:
    return os.getpid()


def meet(mine: str, theirs: str) -> int:
    """Ends only while another runs."""
    open(mine, "w").close()
    while not os.path.exists(theirs):
        pass
    return os.getpid()


def feed_of(title: str) -> ParsedFeed:
    entry = ParsedEntry(guid="1", title=title, published_at=datetime(2026, 3, 1, tzinfo=UTC))
    return ParsedFeed(parser="lxml", title=title, ttl=timedelta(hours=1), entries=(entry, entry))


def open_files() -> list[str]:
    """What this process has open, by name."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


def status_and_bytes(size: int) -> tuple[FeedStatus, bytes, frozenset[int]]:
    return FeedStatus.OK, b"x" * size, frozenset({1, 2})


def work_forever() -> None:
    while True:
        pass


def eat(size: int) -> int:
    return len(bytearray(size))


def recurse() -> None:
    recurse()


def leave() -> None:
    os._exit(3)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse(words: str) -> None:
    raise ParseError(words)


def stumble() -> None:
    raise KeyError("guid")


def chatter() -> str:
    print("all of this goes to nobody")
    os.write(1, b"nor does this")
    return "still understood"


def answer_with_a_weapon():
    return os.system


def interrupted() -> str:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), each)
    return "unmoved"


def environment() -> dict[str, str]:
    return dict(os.environ)


def parsers_fit() -> str:
    import feedparser
    import lxml.html
    import trafilatura

    return trafilatura.__name__ + feedparser.__name__ + lxml.html.__name__


# ── the tests ────────────────────────────────────────────────────────────────────────────────────


def in_pool(scenario, **settings):
    async def play():
        async with ChildPool(**settings) as pool:
            return await scenario(pool)

    return asyncio.run(play())


def is_running(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_records_times_and_bytes_come_back_as_they_were():
    async def scenario(pool):
        return await pool.run(feed_of, "Ministers meet"), await pool.run(status_and_bytes, 3_000_000)

    assert in_pool(scenario) == (feed_of("Ministers meet"), status_and_bytes(3_000_000))


def test_one_warm_child_does_it_all_and_is_reaped_at_the_end():
    async def scenario(pool):
        return await asyncio.gather(*(pool.run(who_am_i) for _ in range(5)))

    pids = set(in_pool(scenario))
    assert len(pids) == 1 and not is_running(pids.pop())


def test_two_children_work_side_by_side(tmp_path):
    here, there = str(tmp_path / "here"), str(tmp_path / "there")

    async def scenario(pool):
        return await asyncio.gather(pool.run(meet, here, there), pool.run(meet, there, here))

    assert len(set(in_pool(scenario, size=2))) == 2


TROUBLES = {
    "X3 work without end is stopped": (work_forever, (), ChildTimeout, "not read within 1 s"),
    "R8 more memory than it has": (eat, (600 << 20,), ChildDied, "needs more than 512 MiB of memory"),
    "X12 recursion without end is an error": (recurse, (), ChildFailed, "RecursionError"),
    "K12 the child leaves": (leave, (), ChildDied, "exit code 3"),
    "K12 the child crashes": (crash, (), ChildDied, "Segmentation fault"),
    "our own error keeps its words": (refuse, ("not a feed",), ChildFailed, "^not a feed$"),
    "any other error says its kind": (stumble, (), ChildFailed, "KeyError: 'guid'"),
    "an answer that could act is not opened": (answer_with_a_weapon, (), ChildDied, "not data"),
}


@pytest.mark.parametrize(("work", "args", "error", "words"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_has_a_name_and_the_next_job_is_done(work, args, error, words):
    async def scenario(pool):
        await pool.run(who_am_i)  # warm, so that the short deadline is for the work alone
        with pytest.raises(error, match=words) as caught:
            await pool.run(work, *args, deadline=SHORT)
        return caught.value, await pool.run(chatter)

    caught, after = in_pool(scenario)
    assert isinstance(caught, ParseError) and after == "still understood"


def test_a_child_that_was_stopped_is_dead():
    async def scenario(pool):
        first = await pool.run(who_am_i)
        with pytest.raises(ChildTimeout):
            await pool.run(work_forever, deadline=SHORT)
        return first, is_running(first), await pool.run(who_am_i)

    first, runs, second = in_pool(scenario)
    assert not runs and first != second


def test_a_child_that_died_in_its_sleep_is_replaced_unnoticed():
    async def scenario(pool):
        first = await pool.run(who_am_i)
        os.kill(first, signal.SIGKILL)
        while is_running(first):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # for the loop to hear of it
        return first, await pool.run(who_am_i)

    first, second = in_pool(scenario)
    assert first != second


def test_giving_up_waiting_kills_the_child():
    async def scenario(pool):
        pid = await pool.run(who_am_i)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.run(work_forever), 0.1)
        return is_running(pid)

    assert in_pool(scenario) is False


def test_closing_ends_a_child_at_work():
    async def scenario(pool):
        await pool.run(who_am_i)
        job = asyncio.create_task(pool.run(work_forever))
        await asyncio.sleep(0.05)
        await pool.close()
        with pytest.raises(ChildDied):
            await job

    in_pool(scenario)


def test_ctrl_c_and_a_polite_end_are_for_the_parent():
    assert in_pool(lambda pool: pool.run(interrupted)) == "unmoved"


def test_g14_the_child_knows_no_secret_of_our_environment(monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "canary")
    monkeypatch.setenv("TZ", "UTC")
    found = in_pool(lambda pool: pool.run(environment))
    assert "canary" not in found.values() and found["TZ"] == "UTC"


def test_the_parsers_fit_into_its_memory():
    assert in_pool(lambda pool: pool.run(parsers_fit)) == "trafilaturafeedparserlxml.html"


PARENT = """
import asyncio, sys
from monitor.edges.child import ChildPool
from tests.edges.test_child import who_am_i, work_forever
async def main():
    pool = ChildPool()
    print(await pool.run(who_am_i), flush=True)
    await pool.run(work_forever)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_k2_a_child_at_work_dies_with_its_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        pass
    assert not is_running(child)


def test_D17_the_child_has_no_file_of_the_database(database):
    with database.write():  # its connection is open and at work

        async def ask():
            async with ChildPool() as pool:
                return await pool.run(open_files)

        found = asyncio.run(ask())
    assert [name for name in open_files() if name.startswith(database.url)] != []
    assert [name for name in found if name.startswith(database.url)] == []
