"""What the operator hears, once each, and never by the channel that it is about."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from monitor import operator
from monitor.model import Channel, DeliveryKind, DeliveryStatus, Feed, HoldReason, Oddity, OddityKind
from monitor.store import channels, feeds, letters, meta, oddities, outbox
from monitor.store.channels import Trouble
from monitor.store.schema import deliveries
from monitor.store.schema import feeds as feed_table
from tests.builders import NOW, delivery, message

OPS, SECOND = Channel(name="ops", operator=True), Channel(name="second", operator=True)
DESK = Channel(name="desk")
LONDON = ZoneInfo("Europe/London")


def told(tx, *, now=NOW, to=(OPS, DESK), **more):
    """The notices in the outbox after looking once more: channel and headline."""
    operator.tell(tx, to, zone=LONDON, now=now, interval=timedelta(minutes=30), **more)
    notices = sa.select(deliveries).where(deliveries.c.kind == DeliveryKind.NOTICE).order_by(deliveries.c.seq)
    return [(row["channel"], letters.message_from(row["message"]).headline) for row in tx.execute(notices).mappings()]


def fails(tx, **values):
    feeds.register(tx, [Feed(name="gazette", url="https://gazette.example/feed")], NOW)
    if values:
        tx.execute(feed_table.update().values(**values))


def suspended(tx, name="desk", **more):
    trouble = Trouble(failures=1, failing_since=NOW, suspended=more.pop("suspended", True))
    channels.pause(tx, name, **{"until": NOW, "error": "invalid_auth", "trouble": trouble, **more})


def test_where_all_is_well_nothing_is_told(tx):
    assert told(tx) == []


def test_a_feed_that_fails_is_told_after_a_day_and_after_a_week_once_each(tx):
    fails(tx, failing_since=NOW, last_error="HTTP 503")
    assert told(tx, now=NOW + timedelta(hours=23)) == []
    day = [("ops", "[operator] wirewatch — feed gazette has failed for 1 day: HTTP 503")]
    assert told(tx, now=NOW + timedelta(hours=25)) == day
    assert told(tx, now=NOW + timedelta(days=6)) == day
    assert told(tx, now=NOW + timedelta(days=8))[1:] == [("ops", "[operator] wirewatch — feed gazette has failed for 7 days: HTTP 503")]


ODDITIES = [
    ("a quarantine", Oddity(kind=OddityKind.QUARANTINE, since_at=NOW, count=34), "34 items suddenly look new, as after a reset; they are kept and alert nobody"),
    ("another publication", Oddity(kind=OddityKind.OTHER_PUBLICATION, since_at=NOW, detail="Gazette\nCasino"), "calls itself 'Casino' now, it was 'Gazette'; nothing in it was known"),
    ("a document set aside", Oddity(kind=OddityKind.SET_ASIDE, since_at=NOW, until_at=NOW, count=3), "3 times nobody could read the same document to its end"),
    ("a document too long", Oddity(kind=OddityKind.TRUNCATED, since_at=NOW, count=99_000), "99,000 items too many in one document; they are not read"),
]  # fmt: skip


@pytest.mark.parametrize(("oddity", "says"), [case[1:] for case in ODDITIES], ids=[case[0] for case in ODDITIES])
def test_what_is_odd_about_a_feed_is_told_once_and_anew_when_it_happens_again(tx, oddity, says):
    fails(tx)
    oddities.note(tx, "gazette", oddity)
    first = [("ops", f"[operator] wirewatch — feed gazette: {says}")]
    assert told(tx) == told(tx) == first
    oddities.note(tx, "gazette", replace(oddity, since_at=NOW + timedelta(days=2)))
    assert told(tx) == first * 2


def test_what_needs_nothing_from_the_operator_is_not_told(tx):
    fails(tx)
    for kind in (OddityKind.UNSTABLE_GUIDS, OddityKind.PAGES_ELSEWHERE, OddityKind.SET_ASIDE):  # not yet set aside
        oddities.note(tx, "gazette", Oddity(kind=kind, since_at=NOW, count=2))
    assert told(tx) == []


def test_L5_a_suspended_channel_is_told_once_by_another(tx):
    suspended(tx)
    suspended(tx, until=NOW + timedelta(hours=1))  # probed, and still so
    assert told(tx) == told(tx) == [("ops", "[operator] wirewatch — channel desk is suspended: invalid_auth")]


def test_L21_an_operators_channel_does_not_report_itself(tx):
    suspended(tx, "ops")
    assert [channel for channel, _ in told(tx, to=(OPS, SECOND))] == ["second"]


def test_a_channel_that_takes_nothing_is_told_after_an_hour(tx):
    suspended(tx, suspended=False, error="timed out")
    assert told(tx, now=NOW + timedelta(minutes=59)) == []
    assert "has taken nothing for an hour: timed out" in told(tx, now=NOW + timedelta(hours=1))[0][1]


def test_dead_letters_are_told_when_there_are_more_but_once_an_hour(tx):
    def more(name):
        outbox.enqueue(tx, [delivery(name, state=DeliveryStatus.DEAD)])

    more("d1")
    assert [says for _, says in told(tx)] == ["[operator] wirewatch — 1 dead letter on channel desk"]
    more("d2")
    assert len(told(tx, now=NOW + timedelta(minutes=30))) == 1
    assert told(tx, now=NOW + timedelta(hours=1))[1][1] == "[operator] wirewatch — 2 dead letters on channel desk"


def test_dead_letters_are_told_anew_after_they_were_mended(tx):
    outbox.enqueue(tx, [delivery("d1", state=DeliveryStatus.DEAD)])
    told(tx)
    outbox.retry(tx, ["d1"], NOW)
    told(tx, now=NOW + timedelta(hours=2))
    outbox.enqueue(tx, [delivery("d2", state=DeliveryStatus.DEAD)])
    assert len(told(tx, now=NOW + timedelta(days=7))) == 2


def test_what_may_have_arrived_is_told(tx):
    outbox.enqueue(tx, [delivery(state=DeliveryStatus.HELD, hold=HoldReason.AMBIGUOUS)])
    assert "may have arrived" in told(tx)[0][1]


def test_F13_a_possible_gap_is_told_at_most_once_a_day(tx):
    fails(tx, possible_gaps=1)
    assert len(told(tx)) == 1
    fails(tx, possible_gaps=9)
    assert len(told(tx, now=NOW + timedelta(hours=23))) == 1
    assert "(9 times so far)" in told(tx, now=NOW + timedelta(hours=24))[1][1]


def test_a_refused_reload_is_told_with_its_place(tx):
    meta.put(tx, "last_reload", {"ok": False, "at": "2026-08-18T12:00:00Z", "problems": ["docks.toml:3: wieght: unknown key"]})
    assert told(tx) == [("ops", "[operator] wirewatch — reload refused: docks.toml:3: wieght: unknown key")]


def test_without_an_operators_channel_nothing_is_put_into_the_outbox(tx):
    suspended(tx)
    assert told(tx, to=(DESK,)) == []


def test_a_notice_is_carried_like_any_message_and_never_collapsed(tx):
    suspended(tx)
    told(tx)
    one = outbox.claim(tx, "ops", NOW)
    assert (one.kind, one.message.mark, one.message.lead[:15]) == (DeliveryKind.NOTICE, "operator", "Nothing is lost")


WELL = [
    ("nothing waits", lambda tx: None, True),
    ("something waits since a minute", lambda tx: outbox.enqueue(tx, [delivery(created_at=NOW - timedelta(minutes=1))]), True),
    ("something waits since two hours", lambda tx: outbox.enqueue(tx, [delivery(created_at=NOW - timedelta(hours=2))]), False),
    ("something is held on purpose", lambda tx: outbox.enqueue(tx, [delivery(created_at=NOW - timedelta(hours=9), state=DeliveryStatus.HELD, hold=HoldReason.DIGEST, message=message())]), True),
    ("a channel is suspended", suspended, False),
]  # fmt: skip


@pytest.mark.parametrize(("happens", "well"), [case[1:] for case in WELL], ids=[case[0] for case in WELL])
def test_L21_a_sign_of_life_is_given_while_all_is_well(tx, happens, well):
    happens(tx)
    assert operator.is_well(tx, NOW) is well


HALF_HOUR = {"gazette": timedelta(minutes=30)}


def test_O13_that_nothing_was_fetched_for_three_intervals_is_told_once_in_the_operators_time(tx):
    fails(tx, last_success_at=NOW, next_check_at=NOW, failures=9)
    assert told(tx, now=NOW + timedelta(minutes=89)) == []
    said = [("ops", "[operator] wirewatch — nothing has been fetched since 18 Aug 13:00 BST")]
    assert told(tx, now=NOW + timedelta(minutes=90)) == said
    assert told(tx, now=NOW + timedelta(hours=9)) == said


def test_O13_where_a_server_asked_for_half_a_day_nothing_is_missed(tx):
    fails(tx, last_success_at=NOW, next_check_at=NOW + timedelta(hours=12))
    assert told(tx, now=NOW + timedelta(hours=11), intervals=HALF_HOUR) == []


def test_O13_a_feed_that_nobody_checks_is_told_also_while_others_are_read(tx):
    fails(tx, last_success_at=NOW, next_check_at=NOW)
    feeds.register(tx, [Feed(name=name, url=f"https://{name}.example/feed") for name in ("gazette", "herald")], NOW)
    tx.execute(feed_table.update().where(feed_table.c.name == "herald").values(last_success_at=NOW + timedelta(hours=1), next_check_at=NOW + timedelta(hours=1)))
    both = {**HALF_HOUR, "herald": timedelta(minutes=30)}
    assert told(tx, now=NOW + timedelta(minutes=60), intervals=both) == []
    said = [("ops", "[operator] wirewatch — 1 feed not checked for three times the interval: gazette")]
    assert told(tx, now=NOW + timedelta(minutes=61), intervals=both) == said


@pytest.mark.parametrize("values", [{"failures": 1}, {"not_before": NOW + timedelta(hours=9)}, {"last_success_at": None}], ids=["fails, which is told by itself", "its server asked us to wait", "new"])
def test_O13_a_feed_that_is_left_alone_for_a_reason_is_not_told(tx, values):
    fails(tx, **{"last_success_at": NOW, "next_check_at": NOW, **values})
    assert told(tx, now=NOW + timedelta(minutes=85), intervals=HALF_HOUR) == []
