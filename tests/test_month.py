"""Short months in which nothing may be lost or doubled, and the mistakes that such a month must find."""

from __future__ import annotations

import os

import pytest

from tests.crash.month import Month
from tests.timelapse import warm

pytestmark = pytest.mark.crash


def live(folder, seed=3, **more):
    warm()
    with Month(folder, seed, feeds=16, days=16, **more) as month:
        month.live()
        return month.verdict()


def test_r10_half_a_month_loses_nothing_doubles_nothing_and_does_not_grow(tmp_path):
    verdict = live(tmp_path)
    assert verdict.wrong == []
    assert verdict.items >= 50 and verdict.expected >= 10 and sum(verdict.endings.values()) >= 3


def never_forced() -> None:
    """A server that says 304 whatever was asked is believed for ever."""
    from datetime import timedelta

    from monitor.core import habits

    habits.FORCED_AFTER = timedelta(days=10_000)


def settles_nothing() -> None:
    """What was accepted is not put on record as delivered."""
    from monitor.store import outbox

    settle, count = outbox.settle_delivered, iter(range(10**9))
    outbox.settle_delivered = lambda *what, **how: settle(*what, **how) if next(count) % 7 else None


def leaks() -> None:
    """Every request leaves a file open."""
    from monitor.edges.fetch import Fetcher

    ask = Fetcher._ask

    async def ask_and_leak(self, *what, **how):
        os.open("/dev/null", os.O_RDONLY)
        return await ask(self, *what, **how)

    Fetcher._ask = ask_and_leak


MISTAKES = {
    "never_forced": (never_forced, "is stored 0 times"),
    "settles_nothing": (settles_nothing, "told 2 times"),
    "leaks": (leaks, "files open"),
}


@pytest.mark.parametrize(("mistake", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_known_mistake_is_found(tmp_path, mistake, says):
    assert says in "\n".join(live(tmp_path, mistake=mistake).wrong)
