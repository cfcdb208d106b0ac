"""The Matrix sender against a real Synapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from monitor.errors import DeliveryErrorKind
from monitor.model import DeliveryKind, Sent
from tests.edges.send.samples import MESSAGE, accepted, delivery, hostile_message, refused, send
from tests.synapse import SERVER_NAME, Synapse, running_synapse, synapse_python

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        synapse_python() is None,
        reason="no Synapse: python3 -m venv .synapse-venv && .synapse-venv/bin/pip install matrix-synapse",
    ),
]


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with running_synapse(tmp_path_factory.mktemp("synapse"), limits=False) as server:
        yield server


@pytest.fixture
def as_installed(tmp_path: Path) -> Iterator[Synapse]:
    """A homeserver with the limits that Synapse has when nobody changes them."""
    with running_synapse(tmp_path) as server:
        yield server


def bodies(synapse: Synapse) -> list[str]:
    return [event["content"]["body"] for event in synapse.messages()]


def test_an_invited_bot_joins_and_its_message_appears_once(synapse: Synapse):
    sent = accepted(synapse.url(), delivery(id="first"))
    (event,) = [e for e in synapse.messages() if e["event_id"] == sent.remote_id]
    assert event["content"]["body"].startswith(MESSAGE.headline)
    assert event["content"]["m.mentions"] == {}
    assert MESSAGE.url.replace("&", "&amp;") in event["content"]["formatted_body"]


def test_L11_the_same_delivery_again_is_the_same_event_even_after_a_new_login(synapse: Synapse):
    before = len(synapse.messages())
    first = accepted(synapse.url(), delivery(id="twice"))
    again = [accepted(synapse.url(), delivery(id="twice")) for _ in range(3)]  # each a process of its own, in effect
    assert {sent.remote_id for sent in again} == {first.remote_id}
    assert len(synapse.messages()) == before + 1


def test_different_deliveries_are_different_events(synapse: Synapse):
    before = len(synapse.messages())
    outcomes = send(synapse.url(), delivery(id="one"), delivery(id="two"))
    assert len({sent.remote_id for sent in outcomes if isinstance(sent, Sent)}) == 2
    assert len(synapse.messages()) == before + 2


def test_an_alias_leads_to_its_room(synapse: Synapse):
    accepted(synapse.url(synapse.alias), delivery(replace(MESSAGE, headline="by alias"), id="by-alias"))
    assert any(body.startswith("by alias") for body in bodies(synapse))


def test_the_server_takes_an_edit_for_an_edit_and_an_update_for_the_thread(synapse: Synapse):
    first = accepted(synapse.url(), delivery(id="root")).remote_id
    told = replace(MESSAGE, headline="[update] 14 outlets", mark="update")
    accepted(synapse.url(), delivery(told, id="edit", kind=DeliveryKind.EDIT, replaces=first))
    threaded = accepted(synapse.url(), delivery(told, id="update", thread_root=first)).remote_id
    event = synapse.call("GET", f"/rooms/{quote(synapse.room, safe='')}/event/{quote(first, safe='')}")
    relations = event["unsigned"]["m.relations"]
    assert relations["m.replace"]["content"]["m.new_content"]["body"].startswith("[update] 14 outlets")
    assert relations["m.thread"]["latest_event"]["event_id"] == threaded


def test_a_room_of_version_12_whose_id_names_no_server_gets_its_message(synapse: Synapse):
    made = synapse.call("POST", "/createRoom", {"room_version": "12", "invite": [f"@bot:{SERVER_NAME}"]})
    assert ":" not in made["room_id"]
    accepted(synapse.url(made["room_id"]), delivery(id="v12"))
    assert len(synapse.messages(made["room_id"])) == 1


def test_I5_hostile_text_is_stored_as_we_escaped_it(synapse: Synapse):
    sent = accepted(synapse.url(), delivery(hostile_message(), id="hostile"))
    (event,) = [e for e in synapse.messages() if e["event_id"] == sent.remote_id]
    assert "<script" not in event["content"]["formatted_body"]
    assert event["content"]["m.mentions"] == {}


def test_L5_a_wrong_password_is_the_channels_fault(synapse: Synapse):
    error = refused(synapse.url().replace(synapse.password("bot"), "wrong-p4ssword"))
    assert error.kind is DeliveryErrorKind.CHANNEL
    assert "M_FORBIDDEN" in str(error)


@pytest.mark.parametrize("room", ["!nowhere:wirewatch.test", "#nowhere:wirewatch.test"])
def test_L5_a_room_that_is_not_there_is_the_channels_fault(synapse: Synapse, room: str):
    assert refused(synapse.url(room)).kind is DeliveryErrorKind.CHANNEL


def test_L10_a_flood_meets_the_real_rate_limit_and_is_told_how_long_to_wait(as_installed: Synapse):
    outcomes = send(as_installed.url(), *(delivery(id=f"flood-{n}") for n in range(16)))
    limits = [error for error in outcomes if not isinstance(error, Sent)]
    assert limits, "Synapse's default of 10 messages at once should have been met"
    assert {error.kind for error in limits} == {DeliveryErrorKind.RETRY}
    assert all(error.retry_after is not None and error.retry_after.total_seconds() < 60 for error in limits)
