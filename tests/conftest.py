"""Fixtures that many tests share: a real database in a temporary folder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from monitor.store.database import Database
from tests.crash.nursery import Nursery
from tests.fakeweb import FakeWeb


@pytest.fixture
def database(tmp_path):
    """An open, empty database."""
    opened = Database.open(str(tmp_path / "test.db"))
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
