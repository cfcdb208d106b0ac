from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.model import DeliveryStatus, Feed, FeedStatus, HoldReason
from monitor.store import channels, due, feeds, outbox
from monitor.store.schema import channels as channel_table
from monitor.store.schema import deliveries
from monitor.store.schema import feeds as feed_table
from tests.builders import NOW, delivery

HOUR = timedelta(hours=1)


def feed(tx, name="gazette", **values):
    feeds.register(tx, [Feed(name=name, url=f"https://{name}.example/feed")], NOW)
    tx.execute(feed_table.update().where(feed_table.c.name == name).values(**values))


def time_of(tx, column):
    return tx.execute(sa.select(column)).scalars().all()


def test_C1_a_clock_that_went_back_moves_everything_that_is_due_with_it(tx):
    feed(tx, next_check_at=NOW + HOUR)
    outbox.enqueue(tx, [delivery(next_attempt_at=NOW + HOUR)])
    channels.pause(tx, "desk", until=NOW + HOUR, error="429")
    due.shift(tx, -6 * HOUR)
    assert time_of(tx, feed_table.c.next_check_at) == [NOW - 5 * HOUR]
    assert time_of(tx, deliveries.c.next_attempt_at) == [NOW - 5 * HOUR]
    assert time_of(tx, channel_table.c.paused_until) == [NOW - 5 * HOUR]


def test_C1_times_of_day_stay(tx):
    outbox.enqueue(tx, [delivery(state=DeliveryStatus.HELD, hold=HoldReason.DIGEST, next_attempt_at=NOW + HOUR)])
    due.shift(tx, -6 * HOUR)
    assert time_of(tx, deliveries.c.next_attempt_at) == [NOW + HOUR]


def test_C1_what_is_held_for_a_while_goes_back_with_the_clock(tx):
    ids = {"d1": HoldReason.CATCH_UP, "d2": HoldReason.RATE_CAP, "d3": HoldReason.BACKLOG}
    held = [delivery(one, state=DeliveryStatus.HELD, hold=hold, next_attempt_at=NOW + HOUR) for one, hold in ids.items()]
    outbox.enqueue(tx, held)
    due.shift(tx, -6 * HOUR)
    assert time_of(tx, deliveries.c.next_attempt_at) == [NOW - 5 * HOUR] * 3


@pytest.mark.parametrize(("state", "latest"), [(FeedStatus.OK, 24 * HOUR), (FeedStatus.GONE, 185 * HOUR)])
def test_C1_what_is_due_impossibly_late_is_due_as_late_as_it_could_be(tx, state, latest):
    feed(tx, next_check_at=NOW + 900 * HOUR, state=state)
    outbox.enqueue(tx, [delivery("d1", next_attempt_at=NOW + 900 * HOUR), delivery("d2", next_attempt_at=NOW)])
    channels.pause(tx, "desk", until=NOW + 900 * HOUR, error="429")
    due.clamp(
        tx, checks_by=NOW + 24 * HOUR, gone_by=NOW + 185 * HOUR, attempts_by=NOW + HOUR, pauses_by=NOW + 24 * HOUR,
        held_by=NOW + 26 * HOUR,
    )  # fmt: skip
    assert time_of(tx, feed_table.c.next_check_at) == [NOW + latest]
    assert sorted(time_of(tx, deliveries.c.next_attempt_at)) == [NOW, NOW + HOUR]
    assert time_of(tx, channel_table.c.paused_until) == [NOW + 24 * HOUR]


def test_C4_known_feeds_that_are_all_overdue_take_turns_and_new_ones_do_not_wait(tx):
    feed(tx, next_check_at=NOW - HOUR, seeded_at=NOW - 9 * HOUR)
    assert due.spread_overdue(tx, NOW, lambda names: {name: timedelta(minutes=len(name)) for name in names}) == 1
    assert time_of(tx, feed_table.c.next_check_at) == [NOW + timedelta(minutes=7)]
    feed(tx, next_check_at=NOW - HOUR, seeded_at=None)
    assert due.spread_overdue(tx, NOW, lambda names: dict.fromkeys(names, HOUR)) == 0
