"""Turns and names: who waits for whom, who is left alone for how long, and a resolver that never comes back."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from monitor.edges.lanes import MOST_LANES, Lanes
from monitor.edges.resolve import LOOKUPS, Resolver

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def lanes(**changes) -> Lanes:
    return Lanes(**{"concurrency": 4, "per_host": 1, "gap": timedelta(0), "slow": 5.0, **changes})


def test_r3_hosts_known_to_be_slow_take_a_quarter_of_the_turns_and_leave_the_rest():
    async def scenario():
        turns, running, quick = lanes(slow=-1.0), [], asyncio.Event()

        async def visit(host):
            async with turns.turn(host):
                running.append(host)
                await quick.wait()

        quick.set()
        await asyncio.gather(*(visit(f"slow-{n}") for n in range(8)))  # every visit counts as slow
        running.clear()
        quick.clear()
        visits = [asyncio.create_task(visit(host)) for host in (*(f"slow-{n}" for n in range(8)), "new-1", "new-2")]
        await asyncio.sleep(0.01)
        found = sorted(running)
        quick.set()
        await asyncio.gather(*visits)
        return found

    assert asyncio.run(scenario()) == ["new-1", "new-2", "slow-0"]


def test_whoever_has_a_turn_waits_until_its_answer_can_be_taken():
    async def scenario():
        turns, room, asked = lanes(), asyncio.Event(), []

        async def visit(host):
            async with turns.turn(host, ready=room.wait):
                asked.append(host)

        visits = [asyncio.create_task(visit(host)) for host in "ab"]
        for _ in range(20):
            await asyncio.sleep(0)
        before = tuple(asked)
        room.set()
        await asyncio.gather(*visits)
        return before, asked

    assert asyncio.run(scenario()) == ((), ["a", "b"])


def test_h17_a_host_that_names_no_time_is_left_alone_twice_as_long_each_time_until_it_answers():
    async def scenario():
        turns, found, now = lanes(), [], NOW
        for _ in range(9):
            turns.hold("a.test", None, now)
            found.append(turns.held_for("a.test", now) / MINUTE)
            now += turns.held_for("a.test", now)
        turns.release("a.test", now)
        assert turns.held_for("a.test", now) is None and turns.held_for("b.test", now) is None and not turns.holds()
        turns.hold("a.test", 3 * MINUTE, now)
        assert turns.held_for("a.test", now + 2 * MINUTE) == MINUTE
        assert turns.held_for("a.test", now + 3 * MINUTE) is None
        return found

    assert asyncio.run(scenario()) == [15, 30, 60, 120, 240, 480, 960, 1440, 1440]


@pytest.mark.parametrize(("first", "second", "held"), [
    (60 * MINUTE, MINUTE, 60), (MINUTE, 60 * MINUTE, 60), (60 * MINUTE, None, 60), (None, None, 15), (None, MINUTE, 15),
])  # fmt: skip
def test_h17_of_two_answers_that_were_under_way_together_the_longer_wait_counts_once(first, second, held):
    async def scenario():
        turns = lanes()
        for asked in (first, second):
            turns.hold("a.test", asked, NOW)
        (hold,) = turns.holds()
        assert hold.until == NOW + held * MINUTE and hold.times == 1
        turns.hold("a.test", None, hold.until)
        return turns.held_for("a.test", hold.until) / MINUTE

    assert asyncio.run(scenario()) == 30


def test_hosts_that_nobody_asks_any_more_are_forgotten_but_not_their_holds():
    async def scenario():
        turns = lanes()
        turns.hold("held.test", 60 * MINUTE, NOW)
        for n in range(2 * MOST_LANES):
            async with turns.turn(f"{n}.test"):
                pass
        assert len(turns._lanes) <= MOST_LANES
        return turns.held_for("held.test", NOW)

    assert asyncio.run(scenario()) == 60 * MINUTE


def test_names_are_resolved_with_all_their_addresses():
    async def scenario():
        return await Resolver().resolve("localhost", 80, socket.AF_UNSPEC)

    found = asyncio.run(scenario())
    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}
    assert all(each["port"] == 80 and each["hostname"] == "localhost" for each in found)


def test_t12_lookups_that_hang_end_within_their_limit_take_few_threads_and_keep_nobody_from_leaving(monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: let_go.wait(10) and [])

    async def scenario():
        before = threading.active_count()
        resolver = Resolver(limit=0.1)
        lookups = (resolver.resolve(f"{n}.test") for n in range(3 * LOOKUPS))
        found = await asyncio.gather(*lookups, return_exceptions=True)
        return found, threading.active_count() - before

    found, threads = asyncio.run(scenario())  # returns while the lookups still hang
    let_go.set()
    assert threads <= LOOKUPS
    assert all(isinstance(each, socket.gaierror) and "no answer within 0.1 s" in str(each) for each in found)


@pytest.mark.parametrize("name", ["missing.invalid", "x" * 70 + ".test"], ids=["unknown", "no name at all"])
def test_t12_names_that_do_not_exist_are_errors(name):
    with pytest.raises((socket.gaierror, UnicodeError)):
        asyncio.run(Resolver().resolve(name))


def test_a_lookup_that_fails_gives_its_place_back(monkeypatch):
    def fail(*_):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    async def scenario():
        resolver = Resolver(limit=1.0)
        for _ in range(2 * LOOKUPS):
            with pytest.raises(socket.gaierror, match="unknown"):
                await resolver.resolve("missing.test")

    asyncio.run(scenario())
