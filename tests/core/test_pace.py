"""When next: a table of what happened and when to come back, and the two laws that always hold."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.pace import ASKED_AT_MOST, LONGEST_RETRY, expired, next_attempt, next_check, turns

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def wait(interval=30 * MINUTE, *, now=NOW, name="a-feed", least=5 * MINUTE, most=DAY, **facts) -> timedelta:
    return next_check(interval, now=now, feed_name=name, min_interval=least, max_interval=most, **facts) - now


def waits(interval=30 * MINUTE, **facts) -> list[timedelta]:
    """The same question at many moments: jitter shows."""
    return [wait(interval, now=NOW + minute * MINUTE, **facts) for minute in range(300)]


FACTS = {
    "all is well: the feed's interval, ten per cent around it": ({}, 27 * MINUTE, 33 * MINUTE),
    "max-age of twelve hours is waited for": ({"max_age": 12 * HOUR}, 12 * HOUR, 13.2 * HOUR),
    "max-age shorter than the interval changes nothing": ({"max_age": 5 * MINUTE}, 27 * MINUTE, 33 * MINUTE),
    "max-age of a year is capped": ({"max_age": 365 * DAY}, DAY, DAY),
    "ttl stretches the interval": ({"ttl": 2 * HOUR}, 2 * HOUR, 2.2 * HOUR),
    "of max-age and ttl the longer counts": ({"ttl": 2 * HOUR, "max_age": 3 * HOUR}, 3 * HOUR, 3.3 * HOUR),
    "429 with a time: not before it": ({"status": 429, "failures": 1, "retry_after": 2 * HOUR}, 2 * HOUR, 2.2 * HOUR),
    "429 with a week: a day is believed": ({"status": 429, "failures": 1, "retry_after": 7 * DAY}, DAY, DAY),
    "429 with one second: not faster than usual": (
        {"status": 429, "failures": 1, "retry_after": timedelta(seconds=1)}, 30 * MINUTE, 33 * MINUTE),
    "429 without a time: the interval at first": ({"status": 429, "failures": 1}, 30 * MINUTE, 33 * MINUTE),
    "429 again without a time: doubled": ({"status": 429, "failures": 4}, 2 * HOUR, 2.2 * HOUR),
    "429 forever: once a day": ({"status": 429, "failures": 1000}, DAY, DAY),
    "503 with a time: not before it": ({"status": 503, "failures": 1, "retry_after": 5 * HOUR}, 5 * HOUR, 5.5 * HOUR),
    "a first failure: between one interval and two": ({"failures": 1}, 30 * MINUTE, HOUR),
    "a third failure in a row: between four and eight": ({"failures": 3, "status": 500}, 2 * HOUR, 4 * HOUR),
    "failing for weeks: once a day, never given up": ({"failures": 50}, DAY, DAY),
    "not found: people mend that, no hurry": ({"status": 404, "failures": 1}, HOUR, 2 * HOUR),
    "gone, said once: twelve hours": ({"status": 410, "failures": 1}, 12 * HOUR, 13.2 * HOUR),
    "gone, with a time: not before it": (
        {"status": 410, "failures": 1, "retry_after": 20 * HOUR}, 20 * HOUR, 22 * HOUR),
    "gone, and believed: weekly": ({"status": 410, "failures": 3, "gone": True}, 7 * DAY, 7.7 * DAY),
    "H26 a browser is wanted: as not found": ({"status": 503, "failures": 1, "refused": True}, HOUR, 2 * HOUR),
    "a first check: the next one somewhere within half an interval more": ({"first": True}, 27 * MINUTE, 45 * MINUTE),
}


@pytest.mark.parametrize(("facts", "at_least", "at_most"), FACTS.values(), ids=FACTS)
def test_next_check(facts, at_least, at_most):
    assert all(at_least <= each <= at_most for each in waits(**facts))


@pytest.mark.parametrize(("failures", "minutes"), [(1, 15), (2, 30), (3, 60), (4, 120), (9, 1440)])
def test_c2_a_429_that_names_no_time_doubles_from_a_quarter_of_an_hour(failures, minutes):
    each = wait(10 * MINUTE, status=429, failures=failures)
    assert minutes * MINUTE <= each <= min(1.1 * minutes * MINUTE, DAY)


def test_b1_an_hourly_feed_is_asked_hourly_with_visible_jitter_and_no_gap_below_55_minutes():
    found = [each / MINUTE for each in waits(HOUR)]
    assert min(found) >= 55 and max(found) <= 66 and 59 <= statistics.mean(found) <= 61.5
    assert statistics.stdev(found) >= 2


@pytest.mark.parametrize(("status", "most_requests"), [(500, 8), (None, 8), (404, 6), (403, 6), (410, 4)])
@pytest.mark.parametrize("interval", [30 * MINUTE, HOUR], ids=["half-hourly", "hourly"])
def test_c4_to_c6_a_day_of_failures_takes_few_requests(status, most_requests, interval):
    for feed in range(50):
        at, failures = NOW, 0
        while at < NOW + DAY:
            failures += 1
            at += wait(interval, now=at, name=f"feed-{feed}", failures=failures, status=status)
        assert failures <= most_requests


def test_the_same_question_has_the_same_answer_and_other_feeds_have_others():
    assert wait() == wait()
    assert len({wait(name=f"feed-{n}") for n in range(50)}) == 50


spans = st.timedeltas(timedelta(0), timedelta(days=400))
maybe = st.none() | spans


@given(
    interval=st.timedeltas(timedelta(seconds=1), 2 * DAY),
    name=st.text(max_size=20),
    failures=st.integers(0, 10_000),
    status=st.none() | st.sampled_from((401, 404, 408, 410, 429, 500, 503)),
    retry_after=maybe,
    max_age=maybe,
    ttl=maybe,
)
def test_never_earlier_than_asked_and_never_later_than_the_cap(interval, retry_after, status, failures, **facts):
    found = wait(interval, retry_after=retry_after, status=status, failures=failures, most=12 * HOUR, **facts)
    asked = min(retry_after or timedelta(0), ASKED_AT_MOST)
    gone = failures and status == 410
    assert max(asked, 5 * MINUTE) <= found <= (7.7 * DAY if gone else max(asked, 12 * HOUR))


@given(attempts=st.integers(0, 10_000), name=st.text(max_size=20), retry_after=maybe)
def test_a_delivery_is_never_tried_earlier_than_asked_nor_later_than_the_cap(attempts, name, retry_after):
    found = next_attempt(attempts, now=NOW, delivery_id=name, retry_after=retry_after) - NOW
    asked = min(retry_after or timedelta(0), ASKED_AT_MOST)
    assert max(asked, timedelta(seconds=1)) <= found <= max(asked, LONGEST_RETRY)


def test_l3_deliveries_wait_longer_each_time_up_to_an_hour_and_not_all_the_same():
    def mean(attempts):
        each = [next_attempt(attempts, now=NOW, delivery_id=str(n)) - NOW for n in range(400)]
        assert len(set(each)) > 200
        return statistics.mean(one.total_seconds() for one in each)

    means = [mean(attempts) for attempts in (1, 2, 4, 8, 11, 20)]
    assert means == sorted(means)
    assert 2 <= means[0] <= 3.5 and 1600 <= means[-1] <= 2000  # half of 5 s, half of 1 h


@pytest.mark.parametrize(
    ("first", "over"),
    [(None, False), (NOW, False), (NOW - 72 * HOUR + MINUTE, False), (NOW - 72 * HOUR, True), (NOW - 80 * HOUR, True)],
    ids=["never tried", "tried just now", "tried for almost three days", "tried for three days", "longer still"],
)
def test_a_delivery_expires_after_three_days(first, over):
    assert expired(first, NOW) is over


def skipping(*hours: int) -> int:
    return sum(1 << hour for hour in hours)


def test_h20_b6_hours_that_a_feed_wants_skipped_are_waited_for():
    assert all(2 * HOUR <= each < 2 * HOUR + 5 * MINUTE for each in (wait(skip_hours=skipping(12, 13)),))
    assert wait(skip_hours=skipping(11, 14)) == wait()
    assert wait(skip_hours=skipping(*range(24))) == wait(), "a feed that wants none at all is not believed"
    assert wait(skip_hours=skipping(*range(12, 24), *range(11)), most=6 * HOUR) == 6 * HOUR


def test_b2_a_start_is_spread_evenly_over_the_window():
    places = turns((f"feed-{n}" for n in range(20)), 6 * MINUTE)
    ordered = sorted(places.values())
    assert ordered == [n * 18 * timedelta(seconds=1) for n in range(20)]
    assert max(sum(start <= place < start + MINUTE for place in ordered) for start in ordered) <= 4  # a fifth
    assert list(places) != sorted(places, key=lambda name: int(name[5:]))


@given(st.sets(st.text(max_size=30), max_size=20))
def test_a_place_is_inside_its_window_and_always_the_same(names):
    found = turns(names, HOUR)
    assert found.keys() == names and found == turns(reversed(sorted(names)), HOUR)
    assert all(timedelta(0) <= place < HOUR for place in found.values())
