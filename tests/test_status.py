"""What `wirewatch status` makes of what the database knows."""

from datetime import timedelta

import pytest

from monitor.core.render import rfc3339
from monitor.status import status_of
from monitor.store import meta
from tests.builders import NOW

MINE, ANOTHER = 4711, 4712


def problems(database, *, ago, pid, low_since=None):
    with database.write() as tx:
        meta.put(tx, "last_tick", {"at": rfc3339(NOW - ago), "pid": MINE, "low_since": low_since})
        return status_of(tx, "x.db", now=NOW, pid=pid)["problems"]


def test_a_daemon_that_makes_no_progress_is_a_problem(database):
    (said,) = problems(database, ago=timedelta(minutes=5), pid=MINE)
    assert f"the daemon (pid {MINE}) has made no progress since" in said


def test_a_poll_after_a_daemon_of_last_week_is_none(database):
    assert problems(database, ago=timedelta(days=7), pid=ANOTHER) == []


@pytest.mark.parametrize(("ago", "pid", "count"), [(5, MINE, 2), (0, None, 1), (5, ANOTHER, 0), (5, None, 0)])
def test_a_full_disk_is_a_problem_of_the_daemon_that_met_it(database, ago, pid, count):
    found = problems(database, ago=timedelta(minutes=ago), pid=pid, low_since=rfc3339(NOW - timedelta(hours=1)))
    assert len(found) == count and (not count or "the disk is full" in found[0])
