"""Encrypted Matrix rooms against a real Synapse: what the server holds, and what another user's client reads."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest

from monitor.edges.send import matrix_e2ee, open_sender
from monitor.edges.send.matrix import device_of
from monitor.errors import DeliveryErrorKind
from monitor.model import DeliveryKind
from tests.edges.send.samples import MESSAGE, Listener, accepted, delivery, refused, send
from tests.synapse import SERVER_NAME, Synapse, running_synapse, synapse_python

vodozemac = pytest.importorskip("vodozemac", reason="needs the extra matrix-e2ee")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        synapse_python() is None,
        reason="no Synapse: python3 -m venv .synapse-venv && .synapse-venv/bin/pip install matrix-synapse",
    ),
    pytest.mark.skipif(not matrix_e2ee.available(), reason="needs the extra matrix-e2ee"),
]


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with running_synapse(tmp_path_factory.mktemp("synapse"), limits=False) as server:
        yield server


@pytest.fixture
def room(synapse: Synapse) -> str:
    """An encrypted room of its own, which the reader made and to which the bot is invited."""
    encrypted = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    body = {"initial_state": [encrypted], "invite": [f"@bot:{SERVER_NAME}"], "preset": "private_chat"}
    return synapse.call("POST", "/createRoom", body)["room_id"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bot's state folder, kept for all tests as for ever."""
    return tmp_path_factory.mktemp("state")


class Reader:
    """A person's client (matrix-nio's) on a device of its own; use as a context manager."""

    def __init__(self, synapse: Synapse, folder: Path, user: str = "reader"):
        import nio

        folder.mkdir(parents=True, exist_ok=True)
        config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self._runner = asyncio.Runner()
        self._client = nio.AsyncClient(synapse.base, user, store_path=str(folder), config=config)
        self._password = synapse.password(user)

    def __enter__(self) -> Self:
        self._runner.run(self._client.login(self._password))
        self.reads()
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def reads(self) -> list[dict[str, Any]]:
        """The contents of all messages that are new to this client, decrypted; what it cannot read counts as
        `{"undecryptable": True}`."""
        answer = self._runner.run(self._client.sync(timeout=0, full_state=True))
        if self._client.should_upload_keys:
            self._runner.run(self._client.keys_upload())
        events = [event for joined in answer.rooms.join.values() for event in joined.timeline.events]
        return [
            self._content(event) for event in events if event.source["type"] in ("m.room.encrypted", "m.room.message")
        ]

    @staticmethod
    def _content(event: Any) -> dict[str, Any]:
        import nio

        return {"undecryptable": True} if isinstance(event, nio.MegolmEvent) else event.source["content"]


def raw(synapse: Synapse, room: str) -> list[dict[str, Any]]:
    """The room's encrypted and plain messages as the server holds them, oldest first."""
    chunk = synapse.call("GET", f"/rooms/{quote(room, safe='')}/messages?dir=b&limit=100")["chunk"]
    return [event for event in reversed(chunk) if event["type"] in ("m.room.encrypted", "m.room.message")]


def test_another_users_client_reads_what_the_server_cannot(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    with Reader(synapse, tmp_path) as reader:
        with Listener() as log:
            sent = accepted(synapse.url(room), delivery(id="e2ee-first"), state_dir=keys)
        (told,) = reader.reads()
    assert not any(word in line for line in log.heard for word in ("INSERT", "session_key", synapse.password("bot")))
    (event,) = raw(synapse, room)
    assert told["body"].startswith(MESSAGE.headline) and told["m.mentions"] == {}
    assert MESSAGE.url.replace("&", "&amp;") in told["formatted_body"]
    assert event["event_id"] == sent.remote_id and event["type"] == "m.room.encrypted"
    assert "Freighter" not in json.dumps(event)


def verified(what: dict[str, Any], user: str, key: str) -> bool:
    """Whether `key` signed this; raises where the signature is wrong."""
    bare = {name: value for name, value in what.items() if name not in ("signatures", "unsigned")}
    canonical = json.dumps(bare, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    signature = vodozemac.Ed25519Signature.from_base64(what["signatures"][user][f"ed25519:{key}"])
    vodozemac.Ed25519PublicKey.from_base64(key).verify_signature(canonical, signature)
    return True


def keys_of(synapse: Synapse, user: str) -> tuple[dict[str, Any], str, dict[str, Any], str]:
    """What others see of a user: the answer, the master key, the self-signing key's object, and its key."""
    known = synapse.call("POST", "/keys/query", {"device_keys": {user: []}})
    (master,) = known["master_keys"][user]["keys"].values()
    (signer,) = known["self_signing_keys"][user]["keys"].values()
    return known, master, known["self_signing_keys"][user], signer


def test_the_account_vouches_for_its_device_so_that_no_client_hides_it(synapse: Synapse, room: str, keys: Path):
    sent = accepted(synapse.url(room), delivery(id="e2ee-vouched"), state_dir=keys)
    assert sent.answer == f"event {sent.remote_id}"
    user = f"@bot:{SERVER_NAME}"
    known, master, self_signing, signer = keys_of(synapse, user)
    assert verified(self_signing, user, master)
    assert verified(known["device_keys"][user][device_of("desk")], user, signer)


def test_a_device_of_an_identity_that_somebody_else_holds_sends_all_the_same_and_says_so(
    synapse: Synapse, room: str, keys: Path, tmp_path: Path
):
    accepted(synapse.url(room), delivery(id="e2ee-identity"), state_dir=keys)
    elsewhere = {"channel": "night", "id": "e2ee-elsewhere"}  # another installation, on a device of its own
    sent = accepted(synapse.url(room), delivery(**elsewhere), state_dir=tmp_path, name="night")
    assert "does not vouch" in sent.answer
    here = accepted(synapse.url(room), delivery(channel="late", id="e2ee-here"), state_dir=keys, name="late")
    assert "does not vouch" not in here.answer
    renewed = accepted(
        f"{synapse.url(room)}?identity=new", delivery(channel="night", id="e2ee-new"), state_dir=tmp_path, name="night"
    )
    assert "does not vouch" not in renewed.answer


def test_L11_a_retry_is_encrypted_anew_and_yet_shown_once(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    with Reader(synapse, tmp_path) as reader:
        first = accepted(synapse.url(room), delivery(id="e2ee-twice"), state_dir=keys)
        again = accepted(synapse.url(room), delivery(id="e2ee-twice"), state_dir=keys)  # as after a crash
        assert len(reader.reads()) == 1
    assert first.remote_id == again.remote_id


def test_edits_and_threads_work_in_an_encrypted_room(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    with Reader(synapse, tmp_path) as reader:
        first = accepted(synapse.url(room), delivery(id="e2ee-root"), state_dir=keys)
        told = replace(MESSAGE, headline="[update] 14 outlets", mark="update")
        edit = delivery(told, id="e2ee-edit", kind=DeliveryKind.EDIT, replaces=first.remote_id)
        update = delivery(told, id="e2ee-update", thread_root=first.remote_id)
        send(synapse.url(room), edit, update, state_dir=keys)
        _, edited, threaded = reader.reads()
    relations = [event["content"].get("m.relates_to", {}) for event in raw(synapse, room)]
    assert [(one.get("rel_type"), one.get("event_id")) for one in relations] == [
        (None, None),
        ("m.replace", first.remote_id),
        ("m.thread", first.remote_id),
    ]
    assert edited["m.new_content"]["body"].startswith("[update] 14 outlets")
    assert edited["m.new_content"]["m.mentions"] == {} and threaded["body"].startswith("[update]")


def test_a_restart_keeps_the_device_and_a_new_device_of_a_reader_gets_the_next_message(
    synapse: Synapse, room: str, keys: Path, tmp_path: Path
):
    with Reader(synapse, tmp_path / "desk") as desk:
        accepted(synapse.url(room), delivery(id="e2ee-before"), state_dir=keys)
        with Reader(synapse, tmp_path / "phone") as phone:
            accepted(synapse.url(room), delivery(id="e2ee-after"), state_dir=keys)
            assert not any("undecryptable" in told for told in desk.reads())
            assert [told["body"].startswith(MESSAGE.headline) for told in phone.reads()] == [True]
    devices = {event["content"]["device_id"] for event in raw(synapse, room)}
    assert devices == {device_of("desk")}


def test_a_test_message_beside_the_daemon_costs_no_later_alert(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    daemon = open_sender("desk", synapse.url(room), state_dir=keys)
    with asyncio.Runner() as loop, Reader(synapse, tmp_path / "desk") as desk:
        loop.run(daemon.send(delivery(id="e2ee-daemon-1", recipient=room)))
        accepted(
            synapse.url(room), delivery(id="e2ee-test-channel"), state_dir=keys
        )  # another process, the same device
        with Reader(synapse, tmp_path / "phone"):  # a new device, so that a new key is handed out
            loop.run(daemon.send(delivery(id="e2ee-daemon-2", recipient=room)))
        assert [told.get("body", "unreadable")[:8] for told in desk.reads()] == ["[urgent]"] * 3
        loop.run(daemon.close())


def test_a_way_to_a_device_that_is_a_week_old_is_opened_anew(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    database = keys / "matrix-keys" / f"{device_of('desk')}.db"
    with Reader(synapse, tmp_path) as reader:
        accepted(synapse.url(room), delivery(id="e2ee-way-1"), state_dir=keys)
        with closing(sqlite3.connect(database)) as store, store:
            before = store.execute("SELECT count(*) FROM olmsessions").fetchone()
            store.execute("UPDATE olmsessions SET creation_time = '2020-01-01 00:00:00.000000'")
        send(synapse.url(room), delivery(id="e2ee-way-2"), delivery(id="e2ee-way-3"), state_dir=keys)
        assert [told.get("body", "unreadable")[:8] for told in reader.reads()] == ["[urgent]"] * 3
    with closing(sqlite3.connect(database)) as store:
        fresh = store.execute("SELECT count(*) FROM olmsessions WHERE creation_time > '2021'").fetchone()
    assert 1 <= fresh[0] <= before[0]


def test_one_key_serves_many_messages_until_somebody_leaves(synapse: Synapse, room: str, keys: Path, tmp_path: Path):
    synapse._register("guest")
    token = synapse._login("guest")
    synapse.call("POST", f"/rooms/{quote(room, safe='')}/invite", {"user_id": f"@guest:{SERVER_NAME}"})
    synapse.call("POST", f"/join/{quote(room, safe='')}", {}, token=token)

    async def talk() -> None:
        sender = open_sender("desk", synapse.url(room), state_dir=keys)
        for name in ("one", "two"):
            await sender.send(delivery(id=f"e2ee-{name}", recipient=room))
        with_guest = await asyncio.to_thread(
            synapse.call, "POST", f"/rooms/{quote(room, safe='')}/leave", {}, token=token
        )
        assert with_guest == {}
        await sender.send(delivery(id="e2ee-three", recipient=room))
        await sender.close()

    with Reader(synapse, tmp_path / "a") as reader, Reader(synapse, tmp_path / "b", "guest"):
        asyncio.run(talk())
        assert not any("undecryptable" in told for told in reader.reads())
    first, second, third = (event["content"]["session_id"] for event in raw(synapse, room))
    assert first == second != third


def test_without_a_folder_for_keys_nothing_is_sent(synapse: Synapse, room: str):
    error = refused(synapse.url(room), delivery(id="e2ee-no-folder"))
    assert error.kind is DeliveryErrorKind.CHANNEL and "folder" in str(error)
    assert raw(synapse, room) == []


def test_lost_keys_are_told_with_the_way_out_and_the_way_out_works(
    synapse: Synapse, room: str, keys: Path, tmp_path: Path
):
    accepted(synapse.url(room), delivery(id="e2ee-kept"), state_dir=keys)
    lost = tmp_path / "state"
    error = refused(synapse.url(room), delivery(id="e2ee-lost"), state_dir=lost)
    assert error.kind is DeliveryErrorKind.CHANNEL and device_of("desk") in str(error)
    assert len(raw(synapse, room)) == 1
    _remove_device(synapse, device_of("desk"))
    shutil.rmtree(keys / "matrix-keys")
    with Reader(synapse, tmp_path / "reader") as reader:
        accepted(synapse.url(room), delivery(id="e2ee-lost"), state_dir=lost)
        assert reader.reads()[-1]["body"].startswith(MESSAGE.headline)
    shutil.copytree(lost / "matrix-keys", keys / "matrix-keys")


def _remove_device(synapse: Synapse, device: str) -> None:
    """As a person does it in their client's list of sessions."""
    token = synapse._login("bot")
    who = {"type": "m.id.user", "user": "bot"}
    auth = {"type": "m.login.password", "identifier": who, "password": synapse.password("bot")}
    synapse.call("POST", "/delete_devices", {"devices": [device], "auth": auth}, token=token)


def test_keys_are_for_nobody_else_to_read(synapse: Synapse, room: str, keys: Path):
    accepted(synapse.url(room), delivery(id="e2ee-modes"), state_dir=keys)
    folder = keys / "matrix-keys"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
