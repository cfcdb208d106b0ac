"""No alert lost, none doubled without cause: the daemon killed again and again; and the harness put to the proof.

`bench/crash.py` does the same three thousand times.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.nursery import Nursery
from tests.crash.world import World

pytestmark = pytest.mark.crash

SEEDS = (11, 12, 13, 14, 15)
NAMED, AT_RANDOM = 36, 6  # of each world: 210 kills in all


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """One a seed, two at a time: each is killed, let live, and judged."""

    folders = {seed: tmp_path_factory.mktemp(f"seed{seed}") for seed in SEEDS}

    def run(seed):
        with Nursery() as nursery, World(nursery, folders[seed], seed) as world:
            return world.run(named=NAMED, at_random=AT_RANDOM), world.finish()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SEEDS, pool.map(run, SEEDS), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_named_places_and_at_random_nothing_is_lost_nor_doubled_without_cause(worlds, seed):
    world, verdict = worlds[seed]
    assert verdict.wrong == [], f"seed {seed}\n{verdict}"
    assert sum(world.kills.values()) == NAMED + AT_RANDOM
    assert verdict.deliveries >= 100 and verdict.ambiguous.total() > 0


# Each known mistake, at the places where it shows, with a seed that shows it within a few lives.
MISTAKES = {
    "etag_saved_first": (("fetched", "saving", "parsed"), "lost"),
    "mark_before_send": (("claimed", "sink hook", "accepted"), "lost"),
    "fire_and_forget": (("settled", "random", "settled"), "lost"),
    "random_transaction_ids": (("accepted", "sink room", "sink room"), "room"),
}


@pytest.mark.parametrize("design", MISTAKES)
def test_the_harness_finds_a_known_mistake(nursery, tmp_path, design):
    places, says = MISTAKES[design]
    with World(nursery, tmp_path, seed=5, design=design, feeds=12) as world:
        for place in places * 3:
            world.press.publish(matching=3)
            world.kill(place)
        verdict = world.finish()
    assert any(says in wrong for wrong in verdict.wrong), f"{design} was not found: {verdict}"


@pytest.mark.parametrize(
    ("design", "lost"), [("one_transaction_an_entry", 2 * 5), ("", 0)], ids=["with the mistake", "without"]
)
def test_the_harness_finds_entries_that_are_saved_one_by_one(nursery, tmp_path, design, lost):
    with World(nursery, tmp_path, seed=5, design=design, feeds=1) as world:
        world.kill_when_all_is_read()
        world.press.publish(matching=3)
        world.kill_at("saved:1", news=False)  # with the mistake: one entry is in, and the ETag says that all are
        verdict = world.finish()
    assert world.kills["saved"] == 1
    assert verdict.lost == lost, f"{design}: {verdict}"


def test_the_same_lives_without_a_mistake_are_well(nursery, tmp_path):
    with World(nursery, tmp_path, seed=5) as world:
        for places, _ in MISTAKES.values():
            for place in places:
                world.kill(place)
        assert world.finish().wrong == []
