"""Claim → send → settle, against a real outbox and senders that answer as told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from monitor import dispatch
from monitor.dispatch import IN_PLACE, PROBE, Dispatcher, Ways
from monitor.errors import DeliveryError, DeliveryErrorKind, StoreBusy, StoreDamaged, StoreError, StoreFull
from monitor.model import Channel, DeliveryKind, DeliveryStatus, HoldReason, Level, Sent
from monitor.store import channels, letters, outbox
from monitor.store.schema import alerts, deliveries
from monitor.writer import Writer
from tests.builders import NOW, alert, delivery, message


HOUR = timedelta(hours=1)


class Recorder:
    """A sender that accepts everything, or answers the given errors first."""

    digest_lines = 50

    def __init__(self, *errors):
        self.errors, self.sent, self.states = list(errors), [], []
        self.database = None

    async def send(self, one):
        if self.database is not None:
            with self.database.read() as tx:
                self.states.append(letters.depth(tx))
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(one)
        return Sent(remote_id=f"remote-{one.id}")


class Rig:
    """A dispatcher over a real database, with a clock that is set by hand."""

    def __init__(self, database):
        self.database, self.writer, self.now = database, Writer(database), NOW
        self.facts, self.senders, self.stumbled = [], {}, []
        self.ways = Ways(channels={}, zone=ZoneInfo("Europe/London"))

    def enqueue(self, *deliveries):
        with self.database.write() as tx:
            outbox.enqueue(tx, deliveries)

    def drain(self):
        async def run():
            dispatcher = Dispatcher(
                self.writer,
                self.senders,
                {},
                ways=lambda: self.ways,
                clock=lambda: self.now,
                say=self.facts.append,
                stumbled=lambda *about: self.stumbled.append(about),
            )
            await dispatcher.drain()

        asyncio.run(run())
        return [fact.outcome for fact in self.facts]

    def rows(self):
        with self.database.read() as tx:
            return {row["id"]: row for row in letters.list_deliveries(tx, ["a1"]).get("a1", ())}


    def everything(self):
        with self.database.read() as tx:
            return tuple(tx.execute(sa.select(deliveries).order_by(deliveries.c.seq)).mappings())


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
    assert [one.id for one in sender.sent] == ["d1", "d2"]


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
        assert [row["suspended"] for row in channels.list_channels(tx)] == [True]
    rig.now += PROBE
    rig.drain()
    assert len(sender.sent) == 2
    with rig.database.read() as tx:
        assert channels.list_channels(tx) == ()


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
    assert rig.drain() == ["retry"]
    assert "T0K3N" not in rig.rows()["d1"]["error"]
    rig.now += timedelta(seconds=5)
    rig.drain()
    assert [one.id for one in sender.sent] == ["d1", "d2"]


def test_of_a_fault_of_our_own_the_whole_is_handed_on(rig):
    fault = ValueError("not enough values to unpack")
    rig.senders["desk"] = Recorder(fault)
    rig.enqueue(delivery("d1"))
    rig.drain()
    assert rig.stumbled == [("desk", fault)]


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


# ── order, back-off, doubt ───────────────────────────────────────────────────────────────────────


def later(rig, **span):
    rig.now += timedelta(**span)
    rig.drain()


def rows_of(rig, **wanted):
    return [row for row in rig.everything() if all(row[key] == value for key, value in wanted.items())]


def test_L3_what_failed_keeps_its_place_and_its_recipient_pauses(rig):
    rig.senders["desk"] = sender = Recorder(*[error(DeliveryErrorKind.RETRY)] * 3)
    rig.enqueue(delivery("d1"), delivery("d2"))
    for _ in range(4):
        later(rig, minutes=1)
    assert [one.id for one in sender.sent] == ["d1", "d2"]


def test_a_message_that_may_itself_be_what_is_wrong_lets_the_others_pass(rig):
    class Poisoned(Recorder):
        async def send(self, one):
            if one.id == "d1":
                raise error(DeliveryErrorKind.RETRY)
            return await super().send(one)

    rig.senders["desk"] = sender = Poisoned()
    rig.enqueue(delivery("d1"), delivery("d2"))
    for _ in range(IN_PLACE + 1):
        later(rig, minutes=2)
    assert [one.id for one in sender.sent] == ["d2"]


def test_a_recipient_that_fails_is_asked_ever_less_often_however_much_waits_for_it(rig):
    rig.senders["desk"] = sender = Recorder()
    sender.errors = [error(DeliveryErrorKind.RETRY)] * 500
    rig.enqueue(*(delivery(f"d{n}") for n in range(10)))
    for _ in range(24 * 12):
        later(rig, minutes=5)
    assert 20 <= 500 - len(sender.errors) <= 100


def test_L8_what_may_have_arrived_goes_again_as_doubtful_under_the_same_id(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.AMBIGUOUS))
    rig.enqueue(delivery("d1"))
    rig.drain()
    later(rig, minutes=1)
    assert [(one.id, one.doubt) for one in sender.sent] == [("d1", True)]


def test_a_channel_that_asks_holds_what_may_have_arrived_until_somebody_says_so(rig):
    rig.ways = replace(rig.ways, channels={"desk": Channel(name="desk", holds_doubt=True)})
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.AMBIGUOUS))
    rig.enqueue(delivery("d1"))
    assert rig.drain() == ["held"]
    later(rig, hours=80)
    assert (sender.sent, rig.rows()["d1"]["hold"]) == ([], HoldReason.AMBIGUOUS)
    with rig.database.write() as tx:
        assert outbox.retry(tx, ["a1"], rig.now) == 1
    rig.drain()
    assert [(one.id, one.doubt) for one in sender.sent] == [("d1", True)]


def test_a_dead_instances_message_is_held_where_the_channel_asks(rig):
    rig.enqueue(delivery("d1"), delivery("d2", channel="phone"))
    with rig.database.write() as tx:
        outbox.claim(tx, "desk", NOW)
        outbox.claim(tx, "phone", NOW)
        outbox.recover(tx, NOW, asking=["desk"])
    assert {row["id"]: (row["state"], row["doubt"]) for row in rig.everything()} == {"d1": ("held", True), "d2": ("queued", True)}


# ── edits and threads ────────────────────────────────────────────────────────────────────────────


def test_an_edit_goes_after_its_message_with_the_servers_id_of_it(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.RETRY))
    rig.enqueue(delivery("d1"), delivery("d1-1", kind=DeliveryKind.EDIT, revision=1))
    rig.drain()
    assert sender.sent == []
    later(rig, minutes=1)
    assert [(one.id, one.replaces) for one in sender.sent] == [("d1", None), ("d1-1", "remote-d1")]


def test_an_edit_lets_new_alerts_go_first(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))
    rig.drain()
    rig.enqueue(delivery("d1-1", kind=DeliveryKind.EDIT, revision=1), delivery("d2", next_attempt_at=NOW + timedelta(seconds=1)))
    later(rig, seconds=5)
    assert [one.id for one in sender.sent] == ["d1", "d2", "d1-1"]


def test_an_edit_of_what_was_never_sent_is_cancelled(rig):
    rig.senders["desk"] = Recorder()
    rig.enqueue(delivery("d1", state=DeliveryStatus.DEAD), delivery("d1-1", kind=DeliveryKind.EDIT, revision=1))
    rig.drain()
    with rig.database.write() as tx:
        outbox.cancel_orphaned_edits(tx)
    assert rig.rows()["d1-1"]["state"] == "cancelled"


def test_an_update_knows_the_first_message_of_its_thread(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"), delivery("d2", alert="a2"), delivery("d3", alert="a3", message=message(thread="a9")))
    rig.drain()
    assert [(one.id, one.thread_root) for one in sender.sent] == [("d1", None), ("d2", "remote-d1"), ("d3", None)]


# ── digests ──────────────────────────────────────────────────────────────────────────────────────


def crowd(count, **more):
    return [delivery(f"d{n:05}", alert=f"a{n:05}", message=message(headline=f"Harbour — news {n}"), score=n % 7, **more) for n in range(count)]


def told(sender):
    """Every alert that was told of, one by one or in a digest."""
    singles = [one.message.headline for one in sender.sent if one.kind is not DeliveryKind.DIGEST]
    return singles + [line.split(" · ")[1].rsplit(" ", 1)[0] for one in sender.sent if one.kind is DeliveryKind.DIGEST for line in one.message.why]


def test_L16_more_than_twenty_go_as_one_digest_that_lists_them_all_by_score(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*crowd(21))
    rig.drain()
    (digest,) = sender.sent
    assert sorted(told(sender)) == sorted(f"Harbour — news {n}" for n in range(21))
    assert [float(line.split(" · ")[0]) for line in digest.message.why] == sorted((n % 7 for n in range(21)), reverse=True)
    assert {(row["state"], row["merged_into"]) for row in rows_of(rig, kind="alert")} == {("merged", digest.id)}
    assert all(row["sent_at"] for row in rig.everything())


def test_twenty_go_one_by_one(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*crowd(20))
    rig.drain()
    assert len(sender.sent) == 20


def test_L22_thousands_of_alerts_become_digests_and_none_is_dropped(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*crowd(2_000))
    rig.drain()
    assert sorted(told(sender)) == sorted(f"Harbour — news {n}" for n in range(2_000))
    assert (len(sender.sent), max(len(one.message.why) for one in sender.sent)) == (40, 50)
    assert "1950 more follow" in sender.sent[0].message.lead and "follow" not in sender.sent[-1].message.lead


def test_an_outage_of_72_hours_ends_as_one_digest_and_leaves_other_channels_alone(rig):
    rig.senders |= {"desk": (sender := Recorder()), "phone": (phone := Recorder())}
    sender.errors, sender.digest_lines = [error(DeliveryErrorKind.RETRY)] * 10_000, 100
    for hour in range(71):
        rig.enqueue(
            delivery(f"d{hour:03}", alert=f"a{hour}", message=message(headline=f"Harbour — news {hour}"), created_at=rig.now, next_attempt_at=rig.now),
            delivery(f"p{hour:03}", alert=f"a{hour}", channel="phone", created_at=rig.now, next_attempt_at=rig.now),
        )
        later(rig, hours=1)
    assert len(phone.sent) == 71
    sender.errors = []
    later(rig, hours=1)
    assert [one.kind for one in sender.sent] == [DeliveryKind.DIGEST]
    assert sorted(told(sender)) == sorted(f"Harbour — news {hour}" for hour in range(71))


def test_what_no_server_took_for_72_hours_ends_visibly_and_the_rest_still_goes(rig):
    rig.senders["desk"] = sender = Recorder()
    sender.errors = [error(DeliveryErrorKind.RETRY)] * 10_000
    rig.enqueue(*crowd(25, created_at=NOW))
    for _ in range(71):
        later(rig, hours=1)
    rig.enqueue(delivery("late", created_at=rig.now, next_attempt_at=rig.now, message=message(headline="Harbour — late")))
    for _ in range(3):
        later(rig, hours=1)
    sender.errors = []
    later(rig, hours=1)
    assert told(sender) == ["Harbour — late"]
    assert {row["state"] for row in rows_of(rig, kind="alert") if row["id"] != "late"} == {"dead"}


def test_a_digest_that_may_have_arrived_is_left_as_it_is(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.AMBIGUOUS))
    rig.enqueue(*crowd(21))
    rig.drain()
    rig.enqueue(delivery("late", message=message(headline="Harbour — late")))
    later(rig, minutes=1)
    assert sorted((one.kind, len(one.message.why)) for one in sender.sent) == [(DeliveryKind.ALERT, 0), (DeliveryKind.DIGEST, 21)]


def test_L4_of_a_digest_that_is_refused_only_the_alert_that_is_at_fault_becomes_a_dead_letter(rig):
    class Listed(Recorder):
        async def send(self, one):
            if one.id == "d00003" or any("news 3 " in f"{line} " for line in one.message.why):
                raise error(DeliveryErrorKind.MESSAGE)
            return await super().send(one)

    rig.senders["desk"] = sender = Listed()
    rig.enqueue(*(replace(one, message=replace(one.message, url="")) for one in crowd(21)))
    rig.drain()
    assert len(sender.sent) == 20
    assert [(row["id"], row["error"]) for row in rows_of(rig, state="dead")] == [("d00003", "said no")]
    with rig.database.write() as tx:
        assert (letters.depth(tx), outbox.retry(tx, ["a00003"], rig.now)) == ({"dead": 1, "delivered": 20}, 1)


def test_the_alert_that_made_a_digest_be_refused_goes_in_its_plainest_form_before_it_is_a_dead_letter(rig):
    class Strict(Recorder):
        async def send(self, one):
            if one.message.mark == "digest" or ("d00003" == one.id and one.message.why):
                raise error(DeliveryErrorKind.MESSAGE)
            return await super().send(one)

    rig.senders["desk"] = sender = Strict()
    rig.enqueue(*(replace(one, message=replace(one.message, why=("storm +1.5",))) for one in crowd(21)))
    rig.drain()
    assert rows_of(rig, state="dead") == []
    assert sorted(one.id for one in sender.sent if not one.message.why) == ["d00003"]
    assert len(sender.sent) == 21


def test_a_digest_is_never_put_into_a_digest(rig):
    rig.ways, rig.senders["desk"] = quiet_ways(), (sender := Recorder(error(DeliveryErrorKind.RETRY)))
    rig.now = datetime(2026, 8, 18, 20, 59, 59, tzinfo=UTC)
    rig.enqueue(*crowd(21, next_attempt_at=rig.now))
    rig.drain()
    later(rig, minutes=5)  # quiet hours have begun
    rig.enqueue(delivery("late", message=message(headline="Harbour — late"), next_attempt_at=rig.now))
    rig.drain()
    assert sender.sent == []
    rig.now = datetime(2026, 8, 19, 6, 0, tzinfo=UTC)
    rig.drain()
    assert (len(sender.sent), len(told(sender)), "Harbour — late" in told(sender)) == (1, 22, True)


def test_the_alerts_of_an_expired_digest_can_be_sent_again_together(rig):
    rig.senders["desk"] = sender = Recorder(*[error(DeliveryErrorKind.AMBIGUOUS)] * 500)
    rig.enqueue(*crowd(21))
    for _ in range(80):
        later(rig, hours=1)
    sender.errors = []
    with rig.database.write() as tx:
        assert outbox.retry(tx, [f"a{n:05}" for n in range(21)], rig.now) == 21
    rig.drain()
    assert len(told(sender)) == 21


def test_L5_what_waited_for_a_suspended_channel_is_not_burnt_when_it_is_mended(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*(delivery(f"d{n}") for n in range(3)))
    sender.errors = [error(DeliveryErrorKind.CHANNEL)] * 500
    for _ in range(75):
        later(rig, hours=1)
    sender.errors = [error(DeliveryErrorKind.RETRY)]
    later(rig, hours=1)
    later(rig, hours=1)
    assert [one.id for one in sender.sent] == ["d0", "d1", "d2"]


def test_a_server_that_says_later_for_three_days_is_noticed_and_what_waits_ends(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*(delivery(f"d{n}") for n in range(3)))
    sender.errors = [error(DeliveryErrorKind.RETRY, retry_after=timedelta(hours=1))] * 500
    for _ in range(80):
        later(rig, hours=1)
    with rig.database.read() as tx:
        since = {row["failing_since"] for row in channels.list_channels(tx) if row["recipient"] == ""}
    assert since == {NOW + timedelta(hours=1)} or since == {NOW}
    assert {row["state"] for row in rig.everything()} == {"dead"}


def test_an_acceptance_counts_although_the_lease_had_run_out(rig):
    rig.enqueue(delivery("d1"))
    with rig.database.write() as tx:
        outbox.claim(tx, "desk", NOW)
        outbox.requeue_expired(tx, NOW + 2 * outbox.LEASE)
        outbox.settle_delivered(tx, "d1", Sent(), NOW)
    assert rig.rows()["d1"]["state"] == "delivered"


def test_a_killed_original_that_was_refused_before_does_not_go_after_the_kill(rig):
    rig.enqueue(delivery("d1"))
    with rig.database.write() as tx:
        outbox.claim(tx, "desk", NOW)
        outbox.settle_retry(tx, "d1", error="503", next_attempt_at=NOW)
        tx.execute(alerts.insert().values(**{column: getattr(alert(), column) for column in alerts.c.keys()}))
        waiting, placed = letters.messages_on(tx, ["s1"])
        assert ([wait.delivery for wait in waiting["s1"]], placed["s1"]) == (["d1"], ())
        outbox.enqueue(tx, [], [], ["d1"])
    assert rig.rows()["d1"]["state"] == "cancelled"


def test_a_first_message_is_known_by_its_newest_words(rig):
    rig.senders["desk"] = Recorder()
    kill = delivery("d1-1", kind=DeliveryKind.EDIT, revision=1, message=message(mark="kill"))
    rig.enqueue(delivery("d1"), kill)
    rig.drain()
    rig.enqueue(delivery("d1-2", kind=DeliveryKind.EDIT, revision=2, state=DeliveryStatus.DEAD))
    with rig.database.write() as tx:
        tx.execute(alerts.insert().values(**{column: getattr(alert(), column) for column in alerts.c.keys()}))
        _, placed = letters.messages_on(tx, ["s1"])
    assert [(one.message.mark, one.revision) for one in placed["s1"]] == [("kill", 2)]


def test_a_one_shot_run_collapses_what_only_waits_for_copies(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*crowd(60, next_attempt_at=NOW + timedelta(seconds=60)))
    rig.drain()
    assert ([one.kind for one in sender.sent], len(told(sender))) == ([DeliveryKind.DIGEST] * 2, 60)


def quiet_ways(**more):
    return Ways(channels={"desk": Channel(name="desk", quiet=(time(22), time(7)), **more)}, zone=ZoneInfo("Europe/London"))


def test_C7_what_quiet_hours_held_comes_as_one_digest_when_they_end(rig):
    rig.senders["desk"] = sender = Recorder()
    morning = datetime(2026, 8, 19, 6, 0, tzinfo=UTC)  # 07:00 in London
    held = {"state": DeliveryStatus.HELD, "hold": HoldReason.QUIET_HOURS, "next_attempt_at": morning}
    rig.enqueue(*crowd(3, **held))
    rig.now = morning - timedelta(minutes=1)
    rig.drain()
    assert sender.sent == []
    later(rig, minutes=1)
    assert [(one.kind, len(one.message.why)) for one in sender.sent] == [(DeliveryKind.DIGEST, 3)]
    assert sender.sent[0].message.lead == "Held back during quiet hours."


def test_one_that_was_held_alone_comes_as_itself(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*crowd(1, state=DeliveryStatus.HELD, hold=HoldReason.QUIET_HOURS))
    rig.drain()
    assert [(one.kind, one.id) for one in sender.sent] == [(DeliveryKind.ALERT, "d00000")]


def test_what_is_due_when_quiet_hours_have_begun_waits_for_their_end_but_for_what_passes(rig):
    rig.ways, rig.senders["desk"] = quiet_ways(), (sender := Recorder())
    rig.now = datetime(2026, 8, 18, 23, 0, tzinfo=UTC)
    loud, kill = message(level=Level.URGENT), message(mark="kill")
    rig.enqueue(delivery("d1"), delivery("d2", message=loud), delivery("d3", message=kill), delivery("d4", doubt=True))
    rig.drain()
    assert {one.id for one in sender.sent} == {"d2", "d3", "d4"}
    assert (rig.rows()["d1"]["hold"], rig.rows()["d1"]["next_attempt_at"]) == (HoldReason.QUIET_HOURS, datetime(2026, 8, 19, 6, 0, tzinfo=UTC))


def test_a_cap_makes_one_digest_a_watchlist(rig):
    rig.senders["desk"] = sender = Recorder()
    held = {"state": DeliveryStatus.HELD, "hold": HoldReason.RATE_CAP}
    rig.enqueue(*(delivery(f"{name}{n}", message=message(watchlist=name), **held) for name in ("docks", "floods") for n in range(3)))
    rig.drain()
    assert sorted(one.message.watchlist for one in sender.sent) == ["docks", "floods"]


def test_what_was_missed_during_an_outage_comes_together_also_what_is_not_due_yet(rig):
    rig.senders["desk"] = sender = Recorder()
    held = {"state": DeliveryStatus.HELD, "hold": HoldReason.CATCH_UP}
    rig.enqueue(delivery("d1", **held), delivery("d2", next_attempt_at=NOW + timedelta(minutes=3), **held))
    rig.drain()
    assert [len(one.message.why) for one in sender.sent] == [2]


def test_each_recipient_has_a_digest_of_its_own(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(*(delivery(f"{to}{n}", recipient=to) for to in ("a@x.org", "b@x.org") for n in range(21)))
    rig.drain()
    assert sorted((one.recipient, len(one.message.why)) for one in sender.sent) == [("a@x.org", 21), ("b@x.org", 21)]


def test_what_may_have_arrived_is_not_put_into_a_digest(rig):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("doubtful", doubt=True), *crowd(21))
    rig.drain()
    assert [(one.kind, one.id) for one in sender.sent if one.kind is not DeliveryKind.DIGEST] == [(DeliveryKind.ALERT, "doubtful")]


# ── kills, locks and the end of a process ────────────────────────────────────────────────────────


def with_alerts(rig, *ids):
    with rig.database.write() as tx:
        for one in map(alert, ids):
            tx.execute(alerts.insert().values(**{column: getattr(one, column) for column in alerts.c.keys()}))


def test_a_kill_waits_for_what_may_have_arrived_and_goes_again(rig):
    with_alerts(rig, "a1", "a2")
    rig.enqueue(delivery("d1"))
    with rig.database.write() as tx:
        outbox.claim(tx, "desk", NOW)
        outbox.settle_retry(tx, "d1", error="reset", next_attempt_at=NOW + HOUR, doubt=True)
        outbox.enqueue(tx, [delivery("d2", alert="a2", message=message(mark="kill"))])
        assert outbox.claim(tx, "desk", NOW) is None
        assert outbox.claim(tx, "desk", NOW + HOUR).id == "d1"
        outbox.settle_delivered(tx, "d1", Sent(), NOW + HOUR)
        assert outbox.claim(tx, "desk", NOW + HOUR).id == "d2"


def test_a_kill_of_another_story_waits_for_nothing(rig):
    with_alerts(rig, "a1")
    with rig.database.write() as tx:
        other = alert("a2", story="s2")
        tx.execute(alerts.insert().values(**{column: getattr(other, column) for column in alerts.c.keys()}))
        outbox.enqueue(tx, [delivery("d1", doubt=True, next_attempt_at=NOW + HOUR), delivery("d2", alert="a2", message=message(mark="kill"))])
        assert outbox.claim(tx, "desk", NOW).id == "d2"


def test_a_digest_that_certainly_has_not_arrived_is_taken_apart_for_a_kill(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.RETRY))
    with_alerts(rig, "a00003")
    rig.enqueue(*crowd(25))
    rig.drain()
    with rig.database.write() as tx:
        waiting, placed = letters.messages_on(tx, ["s1"])
        assert ([wait.delivery for wait in waiting["s1"]], placed.get("s1", ())) == (["d00003"], ())
        outbox.enqueue(tx, [], [], ["d00003"])
    later(rig, hours=2)
    rig.drain()
    assert sorted(told(sender)) == sorted(f"Harbour — news {n}" for n in range(25) if n != 3)


def test_what_is_silenced_is_left_out_of_a_digest_that_waits(rig):
    rig.senders["desk"] = sender = Recorder(error(DeliveryErrorKind.RETRY))
    rig.enqueue(*crowd(25))
    rig.drain()
    with rig.database.write() as tx:
        assert outbox.cancel_silenced(tx, watchlist="harbour", story=None, error="silenced") == 25
    later(rig, hours=2)
    rig.drain()
    assert sender.sent == []


def test_what_was_taken_back_is_not_sent_again_by_hand(rig):
    with_alerts(rig, "a1", "a2")
    rig.enqueue(delivery("d1", state=DeliveryStatus.DEAD), delivery("d2", alert="a2", message=message(mark="kill")))
    with rig.database.write() as tx:
        assert outbox.retry(tx, ["a1"], NOW) == 0
        tx.execute(deliveries.update().where(deliveries.c.id == "d2").values(state=DeliveryStatus.CANCELLED))
        assert outbox.retry(tx, ["a1"], NOW) == 1


def test_what_waits_follows_its_channel_to_another_address(rig):
    rig.enqueue(delivery("d1"), delivery("d2", alert="a2"), delivery("d3", alert="a2", recipient="#general"))
    with rig.database.write() as tx:
        assert outbox.cancel_unknown(tx, {"desk": ("#general",)}) == 0
    assert {row["id"]: (row["recipient"], row["state"]) for row in rig.everything()} == {
        "d1": ("#general", "queued"), "d2": ("", "cancelled"), "d3": ("#general", "queued"),
    }  # fmt: skip


def test_what_waits_for_two_people_waits_once_for_the_list_that_they_become(rig):
    ann, bob = ({"recipient": f"{name}@desk.example"} for name in ("ann", "bob"))
    rig.enqueue(delivery("d1", **ann), delivery("d2", **bob), delivery("d3", alert="a2", state=DeliveryStatus.DELIVERED, **ann), delivery("d4", alert="a2", **bob))
    with rig.database.write() as tx:
        assert outbox.cancel_unknown(tx, {"desk": ("team@desk.example",)}) == 0
    found = {row["id"]: (row["recipient"], row["state"], row["error"]) for row in rig.everything()}
    assert found == {
        "d1": ("team@desk.example", "queued", None), "d2": ("bob@desk.example", "cancelled", "the same goes to team@desk.example"),
        "d3": ("ann@desk.example", "delivered", None), "d4": ("team@desk.example", "queued", None),
    }  # fmt: skip


def test_D4_what_came_of_an_attempt_is_written_down_when_another_lets_go_of_the_database(rig, monkeypatch):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))
    run, busy = rig.writer.run, iter([True, True])

    async def locked(function, *args):
        if function.__name__ == "_settle_delivered" and next(busy, False):
            raise StoreBusy("locked", path="x")
        return await run(function, *args)

    monkeypatch.setattr(rig.writer, "run", locked)
    rig.drain()
    assert (len(sender.sent), rig.rows()["d1"]["state"]) == (1, "delivered")


def slow_to_settle(rig, monkeypatch, *errors):
    """What came of an attempt is refused with these errors, one after another."""
    monkeypatch.setattr(dispatch, "SETTLE_AGAIN", timedelta(milliseconds=1))
    run, refusals = rig.writer.run, list(errors)

    async def refusing(function, *args):
        if function.__name__ == "_settle_delivered" and refusals:
            raise refusals.pop(0)
        return await run(function, *args)

    monkeypatch.setattr(rig.writer, "run", refusing)


@pytest.mark.parametrize("error", [StoreFull("no room"), StoreError("server closed the connection")], ids=str)
def test_D4_what_came_of_an_attempt_is_written_down_once_the_database_takes_it_and_nothing_goes_twice(rig, monkeypatch, error):
    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))
    slow_to_settle(rig, monkeypatch, error, error, error)
    rig.drain()
    assert (len(sender.sent), rig.rows()["d1"]["state"]) == (1, "delivered")


def test_D4_damage_is_no_reason_to_try_again(rig, monkeypatch):
    rig.senders["desk"] = Recorder()
    rig.enqueue(delivery("d1"))
    slow_to_settle(rig, monkeypatch, StoreDamaged("page 7"))
    with pytest.raises(StoreDamaged):
        rig.drain()


def test_D4_a_pass_does_not_try_for_ever(rig, monkeypatch):
    monkeypatch.setattr(dispatch, "TRIES_IN_A_PASS", 3)
    rig.senders["desk"] = Recorder()
    rig.enqueue(delivery("d1"))
    slow_to_settle(rig, monkeypatch, *[StoreFull("no room")] * 4)
    with pytest.raises(StoreFull):
        rig.drain()


@pytest.mark.parametrize("room_at_the_end", [True, False])
def test_D4_what_this_process_has_in_hand_is_taken_up_by_nobody_and_written_down_a_last_time_at_the_end(rig, monkeypatch, room_at_the_end):
    refused = []

    async def live():
        dispatcher = Dispatcher(
            rig.writer, rig.senders, {}, ways=lambda: rig.ways, clock=lambda: rig.now, say=rig.facts.append, refused=refused.append
        )
        await dispatcher.tick()
        while not refused:
            await asyncio.sleep(0.001)
        rig.now += 2 * HOUR
        await dispatcher.tick()
        meanwhile = rig.rows()["d1"]["state"]
        if room_at_the_end:
            monkeypatch.undo()
        await dispatcher.stop(timedelta(seconds=5))
        return meanwhile

    rig.senders["desk"] = sender = Recorder()
    rig.enqueue(delivery("d1"))
    slow_to_settle(rig, monkeypatch, *[StoreFull("no room")] * 100_000)
    assert asyncio.run(live()) == "sending"
    assert (len(sender.sent), rig.rows()["d1"]["state"]) == (1, "delivered" if room_at_the_end else "sending")


def test_O1_whoever_stops_twice_waits_once(rig, monkeypatch):
    class Silent(Recorder):
        async def send(self, one):
            await asyncio.Event().wait()

    async def stop():
        rig.senders["desk"] = Silent()
        dispatcher = Dispatcher(rig.writer, rig.senders, {}, ways=lambda: rig.ways, clock=lambda: rig.now, say=rig.facts.append)
        await dispatcher.tick()
        while rig.rows()["d1"]["state"] != "sending":
            await asyncio.sleep(0.001)
        await dispatcher.stop(timedelta(milliseconds=1))
        monkeypatch.setattr(asyncio, "wait", None)
        await dispatcher.stop(timedelta(hours=1))

    rig.enqueue(delivery("d1"))
    asyncio.run(stop())
    assert rig.rows()["d1"]["state"] == "sending"
