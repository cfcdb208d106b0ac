"""Claim → send → settle, against a real outbox and senders that answer as told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from monitor.dispatch import PROBE, Dispatcher
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Sent
from monitor.store import outbox
from monitor.writer import Writer
from tests.builders import NOW, alert, delivery


class Recorder:
    """A sender that accepts everything, or answers the given errors first."""

    def __init__(self, *errors):
        self.errors, self.sent, self.states = list(errors), [], []
        self.database = None

    async def send(self, one):
        if self.database is not None:
            with self.database.read() as tx:
                self.states.append(outbox.depth(tx))
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(one)
        return Sent(remote_id=f"remote-{one.id}")


class Rig:
    """A dispatcher over a real database, with a clock that is set by hand."""

    def __init__(self, database):
        self.database, self.writer, self.now = database, Writer(database), NOW
        self.facts, self.senders = [], {}

    def enqueue(self, *deliveries):
        with self.database.write() as tx:
            outbox.enqueue(tx, deliveries)

    def drain(self):
        async def run():
            dispatcher = Dispatcher(self.writer, self.senders, {}, clock=lambda: self.now, say=self.facts.append)
            await dispatcher.drain()

        asyncio.run(run())
        return [fact.outcome for fact in self.facts]

    def rows(self):
        with self.database.read() as tx:
            return {row["id"]: row for row in outbox.list_deliveries(tx, ["a1"]).get("a1", ())}


@pytest.fixture
def rig(database):
    made = Rig(database)
    yield made
    made.writer.close()


def error(kind, **more):
    return DeliveryError("said no", kind=kind, **more)


def test_what_is_accepted_is_settled_with_the_servers_id_and_never_sent_again(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"), delivery("d2"))
    assert rig.drain() == ["delivered", "delivered"]
    rig.drain()
    assert [one.id for one in sender.sent] == ["d1", "d2"]
    assert rig.rows()["d1"]["remote_id"] == "remote-d1"


def test_the_claim_is_durable_before_anything_is_sent(rig):
    rig.senders["desk"] = sender = Recorder()
    sender.database = rig.database
    rig.enqueue(delivery("d1"))
    rig.drain()
    assert sender.states == [{"sending": 1}]


def test_if_the_claim_cannot_be_committed_nothing_is_sent(rig, monkeypatch):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))

    def full(*args, **more):
        raise OSError("disk full")

    monkeypatch.setattr(outbox, "claim", full)
    with pytest.raises(OSError, match="disk full"):
        rig.drain()
    assert sender.sent == []
    assert rig.rows()["d1"]["state"] == "queued"


def test_a_passing_fault_is_tried_again_later_under_the_same_id(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.RETRY))
    rig.enqueue(delivery("d1"))
    assert rig.drain() == ["retry"]
    assert rig.drain() == ["retry"]
    rig.now += timedelta(hours=1)
    assert rig.drain() == ["retry", "delivered"]
    assert [(one.id, one.attempts) for one in sender.sent] == [("d1", 2)]


def test_429_pauses_the_whole_channel_for_as_long_as_asked(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.RETRY, retry_after=timedelta(seconds=30)))
    rig.enqueue(delivery("d1"), delivery("d2"))
    rig.drain()
    rig.now += timedelta(seconds=29)
    rig.drain()
    assert sender.sent == []
    rig.now += timedelta(seconds=1)
    rig.drain()
    assert [one.id for one in sender.sent] == ["d2", "d1"] or [one.id for one in sender.sent] == ["d1", "d2"]


def test_no_channel_waits_for_another(rig):
    rig.senders |= {"desk": Recorder(error(DeliveryErrorKind.CHANNEL)), "phone": Recorder()}
    rig.enqueue(delivery("d1"), delivery("d2", channel="phone"))
    rig.drain()
    assert {row["channel"]: row["state"] for row in rig.rows().values()} == {"desk": "queued", "phone": "delivered"}


def test_a_broken_channel_is_suspended_without_burning_an_attempt_and_probed_after_an_hour(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.CHANNEL))
    rig.enqueue(delivery("d1"), delivery("d2"))
    assert rig.drain() == ["suspended"]
    assert rig.rows()["d1"]["attempts"] == 0
    with rig.database.read() as tx:
        assert [row["suspended"] for row in outbox.list_channels(tx)] == [True]
    rig.now += PROBE
    rig.drain()
    assert len(sender.sent) == 2
    with rig.database.read() as tx:
        assert outbox.list_channels(tx) == ()


def test_a_refused_message_goes_once_more_in_its_plainest_form(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.MESSAGE))
    rig.enqueue(delivery("d1"))
    assert rig.drain() == ["plain", "delivered"]
    assert (sender.sent[0].message.why, sender.sent[0].message.title) == ((), alert().title)


def test_a_message_refused_twice_is_a_dead_letter_and_the_queue_goes_on(rig):
    refusal = error(DeliveryErrorKind.MESSAGE)
    rig.senders["desk"] = sender = Recorder(refusal, refusal)
    rig.enqueue(delivery("d1"), delivery("d2"))
    rig.drain()
    assert {key: row["state"] for key, row in rig.rows().items()} == {"d1": "dead", "d2": "delivered"}
    assert [one.id for one in sender.sent] == ["d2"]
    assert rig.rows()["d1"]["error"] == "said no"


def test_after_72_hours_it_is_a_dead_letter(rig):
    rig.senders["desk"] = Recorder(*[error(DeliveryErrorKind.RETRY)] * 9)
    rig.enqueue(delivery("d1"))
    rig.drain()
    rig.now += timedelta(hours=73)
    assert rig.drain()[-1] == "dead"


def test_a_fault_of_our_own_is_retried_and_does_not_stop_the_queue(rig):
    rig.senders["desk"] = sender = Recorder(ValueError("secret https://hooks.example/T0K3N"))
    rig.enqueue(delivery("d1"), delivery("d2"))
    assert rig.drain() == ["retry", "delivered"]
    assert "T0K3N" not in rig.rows()["d1"]["error"]
    assert [one.id for one in sender.sent] == ["d2"]


def test_what_was_in_hand_when_the_process_died_is_sent_after_the_restart(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))
    with rig.database.write() as tx:
        outbox.claim(tx, "desk", NOW)
    assert rig.drain() == []
    with rig.database.write() as tx:
        outbox.recover(tx, NOW)
    rig.drain()
    assert [one.id for one in sender.sent] == ["d1"]
