from datetime import timedelta

from monitor.model import DeliveryStatus, Sent, Waiting
from monitor.store import channels, letters, outbox
from monitor.store.channels import Trouble
from tests.builders import NOW, alert, delivery, message

SOON = NOW + timedelta(seconds=60)


def states(tx):
    rows = letters.list_deliveries(tx, ["a1"]).get("a1", ())
    return {row["id"]: row["state"] for row in rows}


def test_the_oldest_due_delivery_is_claimed_once(tx):
    outbox.enqueue(tx, [delivery("d1"), delivery("d2")])
    assert [outbox.claim(tx, "desk", NOW).id, outbox.claim(tx, "desk", NOW).id] == ["d1", "d2"]
    assert outbox.claim(tx, "desk", NOW) is None
    assert set(states(tx).values()) == {"sending"}


def test_enqueueing_twice_makes_one_row(tx):
    outbox.enqueue(tx, [delivery("d1")])
    outbox.enqueue(tx, [delivery("d1", message=message(title="another"))])
    assert outbox.claim(tx, "desk", NOW).message.title == "Parliament passes the harbour bill"
    assert outbox.claim(tx, "desk", NOW) is None


def test_a_claimed_delivery_is_the_one_that_was_enqueued(tx):
    outbox.enqueue(tx, [delivery(recipient="desk@example.org", message=message(why=("one", "two")))])
    claimed = outbox.claim(tx, "desk", NOW)
    assert (claimed.recipient, claimed.message.why, claimed.attempts, claimed.first_attempt_at) == (
        "desk@example.org",
        ("one", "two"),
        1,
        NOW,
    )


def test_what_waits_for_copies_goes_at_its_time_or_at_once_in_a_one_shot_run(tx):
    outbox.enqueue(tx, [delivery(next_attempt_at=SOON)])
    assert outbox.due_channels(tx, NOW) == ()
    assert outbox.claim(tx, "desk", NOW) is None
    assert outbox.due_channels(tx, NOW, ignore_group_wait=True) == ("desk",)
    assert outbox.claim(tx, "desk", NOW, ignore_group_wait=True).id == "d1"


def test_a_delivery_that_failed_does_not_go_early_in_a_one_shot_run(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_retry(tx, "d1", error="503", next_attempt_at=SOON)
    assert outbox.claim(tx, "desk", NOW, ignore_group_wait=True) is None
    assert outbox.claim(tx, "desk", SOON).attempts == 2


def test_an_accepted_delivery_is_never_claimed_again(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_delivered(tx, "d1", Sent(remote_id="$event"), NOW)
    assert outbox.claim(tx, "desk", SOON, ignore_group_wait=True) is None
    assert outbox.recover(tx, SOON) == 0
    (row,) = letters.list_deliveries(tx, ["a1"])["a1"]
    assert (row["state"], row["remote_id"], row["sent_at"], row["error"]) == ("delivered", "$event", NOW, None)


def test_what_a_dead_instance_had_in_hand_goes_again_under_the_same_id(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    assert outbox.recover(tx, SOON) == 1
    assert outbox.claim(tx, "desk", SOON).id == "d1"


def test_a_broken_channel_burns_no_attempt(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_retry(tx, "d1", error="401", next_attempt_at=NOW, burn_attempt=False)
    channels.pause(tx, "desk", until=SOON, error="401", trouble=Trouble(suspended=True))
    assert outbox.due_channels(tx, NOW) == ()
    assert outbox.due_channels(tx, SOON) == ("desk",)
    assert outbox.claim(tx, "desk", SOON).attempts == 1
    channels.resume(tx, "desk", "")
    assert channels.list_channels(tx) == ()


def test_a_dead_letter_can_be_sent_again_by_the_id_of_its_alert(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_dead(tx, "d1", error="552")
    assert outbox.claim(tx, "desk", SOON) is None
    assert outbox.retry(tx, ["a1"], SOON) == 1
    assert outbox.claim(tx, "desk", SOON).attempts == 1


def test_only_a_message_that_nobody_tried_is_rewritten(tx):
    outbox.enqueue(tx, [delivery("d1"), delivery("d2")])
    outbox.claim(tx, "desk", NOW)
    told = message(spread="3 outlets")
    outbox.enqueue(tx, [], [Waiting(delivery="d1", message=told), Waiting(delivery="d2", message=told)])
    assert outbox.claim(tx, "desk", NOW).message.spread == "3 outlets"
    outbox.recover(tx, NOW)
    assert outbox.claim(tx, "desk", NOW).message.spread == ""


def test_what_waits_for_a_removed_channel_ends_visibly(tx):
    outbox.enqueue(tx, [delivery("d1"), delivery("d2", channel="gone")])
    assert outbox.cancel_unknown(tx, {"desk": ("",)}) == 1
    assert states(tx) == {"d1": "queued", "d2": "cancelled"}


def test_depth_and_age_tell_what_waits(tx):
    outbox.enqueue(tx, [delivery("d1"), delivery("d2", created_at=NOW - timedelta(hours=1))])
    assert letters.depth(tx) == {DeliveryStatus.QUEUED: 2}
    assert letters.oldest_waiting_at(tx) == NOW - timedelta(hours=1)


def test_settled_deliveries_are_forgotten_and_waiting_ones_never(tx):
    outbox.enqueue(tx, [delivery("d1"), delivery("d2")])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_delivered(tx, "d1", Sent(), NOW)
    assert outbox.forget_old(tx, settled_before=SOON) == 1
    assert states(tx) == {"d2": "queued"}


def test_no_alert_is_listed_twice_and_newest_come_first(tx):
    from monitor.store.schema import alerts

    for one in (alert("a1"), alert("a2", created_at=SOON)):
        tx.execute(alerts.insert().values(**{key: getattr(one, key) for key in alerts.c.keys()}))
    assert [row["id"] for row in letters.list_alerts(tx, since=NOW)] == ["a2", "a1"]


def test_one_broken_recipient_does_not_hold_up_the_others(tx):
    outbox.enqueue(tx, [delivery("d1", recipient="#gone"), delivery("d2", recipient="#desk")])
    channels.pause(tx, "desk", recipient="#gone", until=SOON, error="not_in_channel", trouble=Trouble(suspended=True))
    assert outbox.claim(tx, "desk", NOW).id == "d2"
    assert outbox.claim(tx, "desk", NOW) is None
    channels.probe_all(tx)
    assert outbox.claim(tx, "desk", NOW).id == "d1"


def test_what_was_claimed_and_never_settled_goes_again_when_its_lease_runs_out(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    assert outbox.requeue_expired(tx, NOW + outbox.LEASE) == 0
    assert outbox.requeue_expired(tx, NOW + outbox.LEASE + timedelta(seconds=1)) == 1
    assert outbox.claim(tx, "desk", NOW + outbox.LEASE + timedelta(seconds=1)).attempts == 2


def test_a_removed_channel_is_no_trouble_any_more(tx):
    channels.pause(tx, "gone", until=SOON, error="401", trouble=Trouble(suspended=True))
    channels.forget_unknown(tx, {"desk": ("",)})
    assert channels.list_channels(tx) == ()


def test_a_message_that_may_have_arrived_stays_byte_identical(tx):
    outbox.enqueue(tx, [delivery()])
    outbox.claim(tx, "desk", NOW)
    outbox.settle_retry(tx, "d1", error="timeout", next_attempt_at=NOW, doubt=True)
    outbox.enqueue(tx, [], [Waiting(delivery="d1", message=message(spread="3 outlets"))])
    assert outbox.claim(tx, "desk", NOW).message.spread == ""
