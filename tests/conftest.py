"""Fixtures that many tests share: a real database in a temporary folder."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor import logs
from monitor.store.database import Database
from tests.crash.nursery import Nursery
from tests.fakeweb import FakeWeb


def pytest_configure(config):
    """Ctrl-C works, also where a shell began the tests in its background: it has such a program ignore SIGINT, and all
    that this begins."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config):
    """What `-n auto` means: twice as many as there are cores, since a third of the time tests wait for a server or a
    child. Three for two cores took a fifth longer."""
    return len(os.sched_getaffinity(0)) * 2


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The file of an empty database: to copy it takes a fifth of the time that it takes to make one."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    Database.open(str(path)).close()
    return path


@pytest.fixture
def database(tmp_path, empty_database):
    """An open, empty database."""
    opened = Database.open(str(shutil.copy(empty_database, tmp_path / "test.db")))
    yield opened
    opened.close()


@pytest.fixture
def tx(database):
    """An open write transaction."""
    with database.write() as transaction:
        yield transaction


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the project; skips where it is missing."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real feeds in ../shared/data, which are not part of this repository")
    return folder


@pytest.fixture(scope="session")
def nursery():
    """Forks daemons, for tests that start many."""
    with Nursery() as opened:
        yield opened


@pytest.fixture
def web():
    with FakeWeb() as served:
        yield served


@pytest.fixture
def logging_as_it_was():
    """Puts the loggers back as the test found them."""
    root, ours = logging.getLogger(), logging.getLogger("wirewatch")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def log():
    """What the daemon says, as facts."""

    class Kept(logging.Handler):
        def __init__(self):
            super().__init__()
            self.facts = []

        def emit(self, record):
            self.facts.append((record.getMessage(), getattr(record, "fields", {})))

        def named(self, name):
            return [fields for event, fields in self.facts if event == name]

    kept = Kept()
    level = logs.log.level
    logs.log.addHandler(kept)
    logs.log.setLevel(logging.DEBUG)
    yield kept
    logs.log.removeHandler(kept)
    logs.log.setLevel(level)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        return self.now

    def passes(self, **span):
        self.now += timedelta(**span)


@pytest.fixture
def clock():
    return Clock()
