"""What a feed's answers teach of how to ask it next: tables of situations, named by hostile case where there is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.core import habits as habit
from monitor.core.habits import asking, failed, is_forced, is_gone, own_pace, succeeded, turned_over
from monitor.core.pace import next_check
from monitor.model import Ask, FeedState, Fetched, Habits, NotModified, ParsedFeed, Validators
from tests.builders import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OLD, NEW, OTHER = "https://a.example/feed", "https://b.example/feed", "https://c.example/feed"
A = Validators(etag='"a"')


def state(**more) -> FeedState:
    return FeedState(**{"name": "gazette", "url": OLD, "next_check_at": NOW, "validators": A, **more})


def fetched(url=OLD, *, moved_to=None, validators=A) -> Fetched:
    return Fetched(url=url, status=200, body=b"x", validators=validators, moved_to=moved_to)


def after(habits=Habits(), answer=None, *, ask=Ask(), now=NOW, **more) -> Habits:
    how = {"may_move": True, "parsed": None, "body_is_known": True, **more}
    return succeeded(state(habits=habits), ask, answer or fetched(), now=now, **how)


# ── validators ───────────────────────────────────────────────────────────────────────────────────


def test_a6_validators_belong_to_the_address_that_gave_them():
    found = after(answer=fetched(NEW))
    assert asking(state(habits=found), NOW) == Ask(validators=A, validators_url=NEW)


def test_h6_after_a_week_of_304_the_whole_document_is_asked_for_once():
    habits = after(now=NOW)
    for day in range(1, 7):
        habits = after(habits, NotModified(url=OLD), now=NOW + day * DAY)
        assert asking(state(habits=habits), NOW + day * DAY).validators == A
    forced = asking(state(habits=habits), NOW + 7 * DAY)
    assert forced == Ask() and is_forced(state(habits=habits), forced)
    habits = after(habits, now=NOW + 7 * DAY)
    assert asking(state(habits=habits), NOW + 8 * DAY).validators == A


def test_a_server_without_validators_is_not_said_to_be_forced():
    assert not is_forced(state(validators=Validators()), Ask())


# ── moving ───────────────────────────────────────────────────────────────────────────────────────


def redirected_for(checks: int, every: timedelta, **how) -> Habits:
    habits = Habits()
    for check in range(checks):
        habits = after(habits, fetched(NEW, moved_to=NEW), now=NOW + check * every, **how)
    return habits


MOVES = {
    "H9 ten times over two days": (redirected_for(10, 5 * HOUR), NEW),
    "H9 five times over a day": (redirected_for(5, 6 * HOUR), NEW),
    "H9 four times over three days": (redirected_for(4, DAY), None),
    "H9 a hundred times within a day": (redirected_for(100, 10 * MINUTE), None),
    "H9 with a secret that must stay with its host": (redirected_for(10, DAY, may_move=False), None),
}


@pytest.mark.parametrize(("habits", "to"), MOVES.values(), ids=MOVES)
def test_a_permanent_redirect_is_believed_when_it_stays(habits, to):
    assert habits.moved_to == to
    assert asking(state(habits=habits), NOW + 30 * DAY).url == to


def test_h9_another_target_in_between_begins_anew():
    habits = redirected_for(4, DAY)
    habits = after(habits, fetched(OTHER, moved_to=OTHER), now=NOW + 4 * DAY)
    assert (habits.redirect_to, habits.redirects, habits.moved_to) == (OTHER, 1, None)
    assert after(habits, now=NOW + 5 * DAY).redirects == 0, "so does none at all"


def test_h10_a_passing_redirect_counts_nothing():
    assert after(answer=fetched(NEW)).redirect_to is None


MOVED = Habits(moved_to=NEW, original_asked_at=NOW, validators_url=NEW)


def test_c7_the_old_address_is_left_alone_unless_the_new_one_fails_and_then_asked_once_a_day():
    later = NOW + 5 * DAY
    assert asking(state(habits=MOVED), later).url == NEW
    assert asking(state(habits=MOVED, failures=1), NOW + HOUR).url == NEW, "it was asked a moment ago"
    assert asking(state(habits=MOVED, failures=1), later).url is None
    habits = failed(MOVED, Ask(), status=404, now=later)
    assert asking(state(habits=habits, failures=2), later + 23 * HOUR).url == NEW
    assert asking(state(habits=habits, failures=2), later + 24 * HOUR).url is None


def test_h9_an_old_address_that_works_again_is_used_again_and_one_that_leads_elsewhere_is_followed():
    assert after(MOVED, now=NOW + DAY).moved_to is None
    elsewhere = after(MOVED, fetched(OTHER, moved_to=OTHER), now=NOW + DAY)
    assert (elsewhere.moved_to, elsewhere.redirect_to) == (None, OTHER)
    as_before = after(MOVED, fetched(NEW, moved_to=NEW), now=NOW + DAY)
    assert (as_before.moved_to, as_before.original_asked_at) == (NEW, NOW + DAY)


# ── gone ─────────────────────────────────────────────────────────────────────────────────────────


def test_h15_c5_gone_said_three_times_over_a_day_is_believed_and_asked_weekly():
    habits, at, asked = Habits(), NOW, []
    while at < NOW + 30 * DAY:
        asked.append(at)
        habits = failed(habits, Ask(), status=410, now=at)
        gone = is_gone(habits, at)
        at = next_check(
            30 * MINUTE, now=at, feed_name="gazette", min_interval=MINUTE, max_interval=DAY,
            failures=len(asked), status=410, gone=gone,
        )  # fmt: skip
    assert sum(moment < NOW + DAY for moment in asked) <= 4
    assert habits.gone_answers == len(asked) and 5 <= len(asked) <= 7


def test_h15_what_is_not_410_takes_it_back_and_silence_says_nothing():
    twice = failed(failed(Habits(), Ask(), status=410, now=NOW), Ask(), status=410, now=NOW + HOUR)
    assert not is_gone(failed(twice, Ask(), status=410, now=NOW + 2 * HOUR), NOW + 2 * HOUR), "within two hours"
    assert failed(twice, Ask(), status=None, now=NOW + DAY) == twice, "T12 nobody answered"
    assert failed(twice, Ask(), status=503, now=NOW + DAY).gone_answers == 0
    assert after(twice).gone_since is None


# ── how often ────────────────────────────────────────────────────────────────────────────────────


def pace(habits=Habits(), interval=HOUR, *, own=False, changed_at=NOW, now=NOW) -> timedelta:
    return own_pace(habits, interval, own_interval=own, changed_at=changed_at, now=now)


def test_a7_a_server_without_validators_that_says_the_same_three_times_is_asked_four_times_a_day():
    habits = Habits()
    for check in range(4):
        assert pace(habits) == (HOUR if check < 3 else habit.UNCONDITIONAL)
        habits = after(habits, fetched(validators=Validators()))
    waits = [next_check(pace(habits), now=NOW + n * MINUTE, feed_name="g", min_interval=MINUTE, max_interval=DAY) - NOW - n * MINUTE for n in range(200)]
    assert min(waits) * 4 > DAY, "a fifth check would come after more than a day"
    assert pace(habits, own=True) == HOUR, "the operator's word for this feed counts"
    assert pace(after(habits, fetched(validators=Validators()), body_is_known=False)) == HOUR, "something is new"
    assert pace(after(habits, fetched())) == HOUR, "it gives validators now"


PACES = {
    "B5 nothing new for a month": (pace(now=NOW + 30 * DAY), habit.QUIET),
    "B5 … but checked less often anyway": (pace(interval=6 * HOUR, now=NOW + 30 * DAY), 6 * HOUR),
    "B5 … but the operator wants it so": (pace(own=True, now=NOW + 30 * DAY), HOUR),
    "nothing new for a week": (pace(now=NOW + 7 * DAY), HOUR),
    "F13 it rolled over twice": (pace(Habits(quickened=2)), HOUR / 4),
    "F13 … and its interval is its own": (pace(Habits(quickened=2), own=True), HOUR / 4),
}  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), PACES.values(), ids=PACES)
def test_the_interval_that_a_feed_has_earned(found, expected):
    assert found == expected


TURNS = {
    "nothing of the last check is in this one": ({"new": 30, "gap": True}, 2),
    "half of it is new": ({"new": 15}, 2),
    "some of it is new": ({"new": 6}, 1),
    "little of it is new": ({"new": 3}, 0),
    "nothing is new": ({"new": 0}, 0),
    "after an outage a full document says nothing": ({"new": 30, "gap": True, "elapsed": 2 * HOUR}, 1),
    "of three entries no share is taken": ({"new": 3, "entries": 3}, 0),
}


@pytest.mark.parametrize(("facts", "quickened"), TURNS.values(), ids=TURNS)
def test_f13_a_feed_that_rolls_over_is_checked_sooner(facts, quickened):
    how = {"entries": 30, "gap": False, "elapsed": HOUR, "pace": HOUR, **facts}
    assert turned_over(Habits(quickened=1), **how).quickened == quickened


def test_b5_a_busy_feed_is_never_checked_faster_than_the_shortest_interval():
    habits = Habits()
    for _ in range(20):
        habits = turned_over(habits, entries=30, new=30, gap=True, elapsed=MINUTE, pace=HOUR)
    wait = next_check(pace(habits, 30 * MINUTE), now=NOW, feed_name="g", min_interval=5 * MINUTE, max_interval=DAY) - NOW
    assert wait == 5 * MINUTE


def test_h20_b6_what_a_document_asks_is_remembered_until_another_is_read():
    asked = ParsedFeed(parser="lxml", ttl=2 * HOUR, skip_hours=(0, 13))
    habits = after(parsed=asked)
    assert (habits.ttl_seconds, habits.skip_hours) == (7200, 1 | 1 << 13)
    assert after(habits, NotModified(url=OLD)) == replace(habits, equal_bodies=0)
    assert after(habits, parsed=ParsedFeed(parser="lxml")).skip_hours == 0


def test_h6_a_server_that_says_304_to_an_unconditional_request_is_asked_so_once_a_week():
    habits = Habits(last_full_at=NOW - 8 * DAY)
    again = failed(habits, Ask(), status=304, now=NOW)
    assert asking(state(habits=again, validators=A), NOW + DAY).validators == A
    assert is_forced(state(habits=again, validators=A), asking(state(habits=again, validators=A), NOW + 8 * DAY))
