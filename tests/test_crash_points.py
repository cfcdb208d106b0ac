"""The switches by which tests kill the process or hurry its clock; without them nothing happens."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from monitor import crash
from monitor.clock import clock_from
from monitor.config import test_hooks

PASSES = "from monitor import crash; crash.arm({at!r}); [crash.reach('claimed') for _ in range(2)]; crash.reach('accepted')"


@pytest.mark.parametrize(
    ("at", "code"), [(None, 0), ("saved:1", 0), ("claimed:3", 0), ("claimed:2", -signal.SIGKILL), ("accepted", -signal.SIGKILL)]
)
def test_the_process_dies_at_the_nth_passing_of_its_point_and_nowhere_else(at, code):
    assert subprocess.run([sys.executable, "-c", PASSES.format(at=at)], check=False).returncode == code


def test_a_point_that_is_none_is_told():
    with pytest.raises(ValueError, match="no such crash point"):
        crash.arm("cliamed:1")


def test_without_the_hooks_no_switch_works():
    switches = {"WIREWATCH_NOW": "2026-01-01T00:00:00Z", "WIREWATCH_SPEED": "60", "WIREWATCH_CRASH_AT": "saved:1"}
    assert (test_hooks(switches).now, test_hooks(switches).speed, test_hooks(switches).crash_at) == (None, 1.0, None)
    hooks = test_hooks({**switches, "WIREWATCH_TEST_HOOKS": "1"})
    assert (hooks.now, hooks.speed, hooks.crash_at) == (datetime(2026, 1, 1, tzinfo=UTC), 60.0, "saved:1")


def test_a_clock_starts_where_it_is_told_and_runs_as_fast_as_it_is_told():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = clock_from(start, speed=1e6)
    assert clock() - start < clock() - start
    assert timedelta(0) <= clock_from(start)() - start < timedelta(hours=1)
