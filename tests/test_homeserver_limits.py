"""A real Synapse with its limits as they come: ten messages at once, then one in five seconds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.newsroom import Newsroom
from tests.synapse import running_synapse, synapse_python

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        synapse_python() is None,
        reason="no Synapse: python3 -m venv .synapse-venv && .synapse-venv/bin/pip install matrix-synapse",
    ),
]
MESSAGES = 100  # so it takes 450 seconds, nearly all of them waiting
WORDS = [f"w{number}" for number in range(MESSAGES)]


def test_L1_a_hundred_messages_arrive_once_and_in_order_despite_real_429s(nursery, tmp_path):
    (tmp_path / "synapse").mkdir()
    with running_synapse(tmp_path / "synapse") as synapse, Newsroom(nursery, tmp_path) as room:
        room.channels["room"] = f'url = "{synapse.url()}"'
        room.only("room")
        room.alerts = "singles_per_hour = 1000\ncollapse_above = 1000"  # each by itself, however many wait
        with room.open(speed=1):
            room.publish(WORDS[0])
            room.wait_until(lambda: room.states("room") == ["delivered"])
            room.publish(*WORDS[1:])
            done = ["delivered"] * MESSAGES
            room.wait_until(lambda: room.wait(seconds=2) or room.states("room") == done, patience=900)
        bodies = [event["content"]["body"] for event in synapse.messages()]  # as another user's client has them
        refused = Counter("M_LIMIT_EXCEEDED" in line for line in room.said().splitlines())[True]
        print(f"{MESSAGES} messages, {refused} times 429")
    assert [[word for word in WORDS if f"Harbour {word}:" in body] for body in bodies] == [[word] for word in WORDS]
    assert refused > 10
