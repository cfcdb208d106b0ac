"""Nine hours as the publishers see them, and the mistakes that the table must find; the whole day is bench/politeness.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.timelapse import warm

pytestmark = pytest.mark.crash

HOURS = 9.5  # with a restart and a kill
IN_NINE_HOURS = ("A1", "A2", "A3", "A5", "A8", "B3", "B6", "C1", "C2", "C3", "C5", "C6", "C8", "D1", "D2", "D3", "D4", "D5", "E1")


@pytest.fixture(scope="module")
def politeness():
    path = Path(__file__).parents[1] / "bench" / "politeness.py"
    spec = importlib.util.spec_from_file_location("politeness", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["politeness"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    warm()
    yield module
    del sys.modules["politeness"]


def points(politeness, folder, mistake=None):
    publishers = politeness.live(folder, politeness.MISTAKES[mistake] if mistake else lambda: None, only=HOURS)
    table = politeness.scored(politeness.Seen(publishers))
    return {number: (points, most, says) for number, points, most, says, _ in table}


def test_every_row_that_nine_hours_can_tell_is_full(politeness, tmp_path):
    found = points(politeness, tmp_path)
    assert {number: found[number] for number in IN_NINE_HOURS if found[number][0] < found[number][1]} == {}


FOUND_BY = {"forgets_validators": "A1", "forgets_holds": "C1", "no_pause": "B3", "forgets_robots": "C8"}


@pytest.mark.parametrize(("mistake", "row"), FOUND_BY.items(), ids=FOUND_BY)
def test_a_mistake_costs_its_row(politeness, tmp_path, mistake, row):
    assert points(politeness, tmp_path, mistake)[row][0] == 0
