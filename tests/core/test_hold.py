"""Quiet hours and digest times, in zones whose clocks change (C5, C7)."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.hold import hold_of, instant_of, next_time, quiet_until
from monitor.model import Channel, HoldReason, Level

BERLIN, LONDON = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/London")
NIGHT = Channel(name="phone", quiet=(time(23), time(6, 30)))
NOON = Channel(name="phone", quiet=(time(12), time(13)), quiet_passes=None)


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


QUIET = [
    ("before midnight, until the morning after", NIGHT, Level.NORMAL, "2026-08-18 23:30", "2026-08-19 06:30"),
    ("after midnight, until this morning", NIGHT, Level.NORMAL, "2026-08-19 02:00", "2026-08-19 06:30"),
    ("the first minute is quiet", NIGHT, Level.NORMAL, "2026-08-18 23:00", "2026-08-19 06:30"),
    ("the last minute is not", NIGHT, Level.NORMAL, "2026-08-19 06:30", None),
    ("by day nothing is held", NIGHT, Level.NORMAL, "2026-08-19 12:00", None),
    ("urgent passes", NIGHT, Level.URGENT, "2026-08-19 02:00", None),
    ("unless nothing does", NOON, Level.URGENT, "2026-08-19 12:15", "2026-08-19 13:00"),
    ("a span within one day", NOON, Level.NORMAL, "2026-08-19 13:30", None),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "level", "now", "until"), [case[1:] for case in QUIET], ids=[case[0] for case in QUIET])
def test_quiet_hours_hold_until_they_end(channel, level, now, until):
    assert quiet_until(channel, level, now=at(now), zone=BERLIN) == (at(until) if until else None)


def test_C5_quiet_hours_that_end_in_the_hour_that_comes_twice_end_with_its_second_half():
    night = Channel(name="phone", quiet=(time(23), time(2, 30)))
    second = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # 02:15 for the second time
    assert quiet_until(night, Level.NORMAL, now=second, zone=BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    skipped = datetime(2026, 3, 29, 0, 10, tzinfo=UTC)  # 01:10; 02:30 does not come
    assert quiet_until(night, Level.NORMAL, now=skipped, zone=BERLIN) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_C7_another_zone_is_another_night():
    tokyo = ZoneInfo("Asia/Tokyo")
    now = at("2026-08-18 17:00")  # midnight in Tokyo
    assert quiet_until(NIGHT, Level.NORMAL, now=now, zone=BERLIN) is None
    assert quiet_until(NIGHT, Level.NORMAL, now=now, zone=tokyo) == at("2026-08-19 06:30", tokyo)


def digests(zone, times, start, days):
    """Every digest from a moment on, as instants."""
    found, now, end = [], start, start + timedelta(days=days)
    while (now := next_time(times, now=now, zone=zone)) < end:
        found.append(now)
    return found


def test_C5_a_time_that_the_spring_skips_is_the_first_moment_after_the_gap():
    assert instant_of(datetime(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_C5_a_time_that_comes_twice_in_autumn_is_the_first_of_the_two():
    assert instant_of(datetime(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("start", ["2026-03-27 12:00", "2026-10-23 12:00"])
def test_C5_every_day_has_exactly_one_digest_at_half_past_two(start):
    found = digests(BERLIN, (time(2, 30),), at(start), 4)
    assert [moment.astimezone(BERLIN).date().day for moment in found] == [int(start[8:10]) + n for n in range(1, 5)]


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "UTC"]),
    times=st.lists(st.times().map(lambda t: t.replace(second=0, microsecond=0)), min_size=1, max_size=3, unique=True),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
)
def test_the_next_digest_is_later_than_now_and_within_a_day(zone, times, now):
    until = next_time(tuple(times), now=now, zone=ZoneInfo(zone))
    assert now < until <= now + timedelta(hours=25, minutes=30)


def test_a_channel_with_digest_times_collects_urgent_ones_too():
    channel = Channel(name="mail", digest=(time(7, 30), time(16)), quiet=(time(0), time(23)))
    hold = hold_of(channel, Level.URGENT, now=at("2026-08-19 09:00", LONDON), zone=LONDON)
    assert (hold.reason, hold.until) == (HoldReason.DIGEST, at("2026-08-19 16:00", LONDON))


def test_a_channel_without_either_holds_nothing():
    assert hold_of(Channel(name="desk"), Level.NORMAL, now=at("2026-08-19 03:00"), zone=BERLIN) is None
