from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.model import Feed, FeedState, FeedStatus, Habits, Validators
from monitor.store import feeds
from tests.builders import NOW

GAZETTE, HERALD = (
    Feed(name="gazette", url="https://gazette.example/feed"),
    Feed(name="herald", url="https://herald.example/feed"),
)
MINUTE = timedelta(minutes=1)
STATES = {feed.name: FeedState(name=feed.name, url=feed.url, next_check_at=NOW) for feed in (GAZETTE, HERALD)}


@pytest.fixture
def tx(tx):
    feeds.register(tx, [GAZETTE, HERALD], NOW)
    return tx


def claim(tx, now=NOW, **how):
    return [state.name for state in feeds.claim_due(tx, now, limit=10, min_interval=5 * MINUTE, **how)]


def succeed(tx, name="gazette", **more):
    values = {
        "claimed": STATES[name],
        "next_check_at": NOW + 30 * MINUTE,
        "not_before": None,
        "validators": Validators(etag='"a"'),
        "habits": Habits(),
        "found_entries": True,
    }
    now = more.pop("now", NOW)
    feeds.record_successes(tx, [feeds.Success(**{**values, **more})], now)


def test_new_feeds_are_due_at_once_and_each_is_claimed_once(tx):
    assert sorted(claim(tx)) == ["gazette", "herald"]
    assert claim(tx) == []


def test_the_due_time_moves_before_the_fetch_so_that_a_crash_loop_hammers_nobody(tx):
    claim(tx)
    feeds.release_leases(tx)
    assert claim(tx, NOW + 4 * MINUTE) == []
    assert sorted(claim(tx, NOW + 5 * MINUTE)) == ["gazette", "herald"]


def test_a_lease_of_a_hung_check_runs_out(tx):
    claim(tx)
    assert claim(tx, NOW + 4 * MINUTE, ignore_schedule=True) == []
    assert sorted(claim(tx, NOW + 6 * MINUTE, ignore_schedule=True)) == ["gazette", "herald"]


def test_e2_a_command_checks_what_is_not_due_but_never_what_the_server_holds(tx):
    claim(tx)
    succeed(tx)
    succeed(tx, "herald", not_before=NOW + 60 * MINUTE)
    assert claim(tx, NOW + 6 * MINUTE) == []
    assert claim(tx, NOW + 6 * MINUTE, ignore_schedule=True) == ["gazette"]
    assert claim(tx, NOW + 61 * MINUTE, ignore_schedule=True, only=["herald"]) == ["herald"]


def test_e2_nor_one_whose_last_check_began_less_than_the_shortest_interval_ago(tx):
    claim(tx)
    succeed(tx)
    assert claim(tx, NOW + 4 * MINUTE, ignore_schedule=True) == []
    assert claim(tx, NOW - 60 * MINUTE, ignore_schedule=True) == ["gazette"], "the clock was ahead: no reason to wait"


def test_k15_a_thousand_restarts_ask_nobody_more_often_than_the_shortest_interval(tx):
    """Each start takes what is due, and dies before it can record what came of it."""
    asked, now = {"gazette": [], "herald": []}, NOW
    for start in range(1000):
        feeds.release_leases(tx)
        for name in claim(tx, now, ignore_schedule=start % 2 == 0):
            asked[name].append(now)
        now += timedelta(seconds=7)
    for moments in asked.values():
        gaps = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
        assert len(moments) >= 20 and min(gaps) >= 5 * MINUTE


def test_what_is_due_can_be_asked_without_a_lock(tx):
    assert feeds.any_due(tx, NOW)
    claim(tx)
    assert not feeds.any_due(tx, NOW + 6 * MINUTE - timedelta(minutes=2))
    feeds.release_leases(tx)
    assert not feeds.any_due(tx, NOW + 4 * MINUTE) and feeds.any_due(tx, NOW + 5 * MINUTE)


def test_one_feed_by_name(tx):
    assert claim(tx, only=["herald"]) == ["herald"]


def test_validators_come_back_byte_exact(tx):
    succeed(tx, validators=Validators(etag='W/"ä b"', last_modified="Thu, 01 Jan 1980 00:00:00 GMT"))
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    assert state.validators == Validators(etag='W/"ä b"', last_modified="Thu, 01 Jan 1980 00:00:00 GMT")


def test_a_check_that_says_nothing_of_its_feed_takes_back_what_it_was_blamed_for(tx):
    succeed(tx)
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    feeds.record_failure(
        tx, state, now=NOW, state=FeedStatus.FAILING, error="x", next_check_at=NOW, not_before=None, habits=Habits()
    )
    feeds.record_postponed(tx, state, next_check_at=NOW + 61 * MINUTE)
    row = next(row for row in feeds.list_feeds(tx) if row["name"] == "gazette")
    assert (row["state"], row["failures"], row["failing_since"], row["last_error"]) == ("ok", 0, None, None)
    assert (row["next_check_at"], row["lease_until"], row["etag"]) == (NOW + 61 * MINUTE, None, '"a"')


def test_a_failure_keeps_the_validators_and_counts(tx):
    succeed(tx)
    for _ in range(2):
        feeds.record_failure(
            tx, STATES["gazette"], now=NOW, state=FeedStatus.FAILING, error="503", next_check_at=NOW, not_before=None, habits=Habits()
        )
    (state,) = feeds.claim_due(tx, NOW, limit=1, min_interval=MINUTE, only=["gazette"])
    assert (state.failures, state.validators.etag, state.seeded_at) == (2, '"a"', NOW)
    succeed(tx)
    row = next(row for row in feeds.list_feeds(tx) if row["name"] == "gazette")
    assert (row["state"], row["failures"], row["last_error"]) == ("ok", 0, None)


def test_the_first_success_is_remembered_as_seeding(tx):
    succeed(tx)
    succeed(tx, now=NOW + 60 * MINUTE, next_check_at=NOW)
    (state,) = feeds.claim_due(tx, NOW, limit=1, min_interval=MINUTE, only=["gazette"])
    assert state.seeded_at == NOW


def test_a_removed_feed_keeps_its_history_and_is_not_polled(tx):
    succeed(tx)
    feeds.register(tx, [HERALD], NOW)
    assert [row["name"] for row in feeds.list_feeds(tx)] == ["herald"]
    assert claim(tx, NOW + 60 * MINUTE) == ["herald"]
    feeds.register(tx, [GAZETTE, HERALD], NOW)
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    assert state.seeded_at == NOW


MOVED = Feed(name="gazette", url="https://gazette.example/new")


def test_a_changed_address_starts_anew(tx):
    succeed(tx)
    feeds.register(tx, [MOVED, HERALD], NOW)
    (state,) = feeds.claim_due(tx, NOW, limit=1, min_interval=MINUTE, only=["gazette"])
    assert (state.validators, state.seeded_at, state.url) == (Validators(), None, MOVED.url)


def test_h9_an_address_corrected_to_where_the_feed_has_moved_starts_nothing_anew(tx):
    succeed(tx, habits=Habits(moved_to=MOVED.url, validators_url=MOVED.url))
    feeds.register(tx, [MOVED, HERALD], NOW)
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    assert (state.url, state.validators.etag, state.seeded_at) == (MOVED.url, '"a"', NOW)
    assert (state.habits.moved_to, state.habits.validators_url) == (None, MOVED.url)


def test_what_the_old_address_answered_is_not_recorded_for_the_new_one(tx):
    feeds.register(tx, [MOVED, HERALD], NOW)
    succeed(tx)
    (state,) = feeds.claim_due(tx, NOW, limit=1, min_interval=MINUTE, only=["gazette"])
    assert (state.validators, state.seeded_at) == (Validators(), None)


def test_a_document_without_entries_seeds_nothing(tx):
    succeed(tx, found_entries=False)
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    assert state.seeded_at is None


def test_no_password_of_an_address_is_in_the_database(tx):
    feeds.register(tx, [Feed(name="paid", url="https://desk:c4nary@paid.example:8443/feed?a=1")], NOW)
    (row,) = feeds.list_feeds(tx)
    assert row["url"] == "https://paid.example:8443/feed?a=1"


MANY = tuple(Feed(name=f"a-{n}", url=f"https://user:secret@A.example/{n}") for n in range(5))


def test_so_many_of_one_host_are_claimed_with_those_under_way_and_others_have_the_rest(tx):
    feeds.register(tx, [*MANY, GAZETTE, HERALD], NOW)
    first = feeds.claim_due(tx, NOW, limit=4, min_interval=MINUTE, per_host=2)
    of_one = [state for state in first if feeds.host_and_port_of(state.url) == "a.example"]
    assert (len(first), len(of_one)) == (4, 2)
    how = {"under_way": first, "per_host": 2}
    assert not feeds.any_due(tx, NOW, **how) and claim(tx, **how) == []
    how["under_way"] = [state for state in first if state is not of_one[0]]
    assert feeds.any_due(tx, NOW, **how) and len(claim(tx, **how)) == 1
    assert len(claim(tx)) == 2, "and without a bound all that are left"


def test_what_is_under_way_is_not_claimed_again_when_its_lease_is_over_unless_it_is_another_feed_now(tx):
    under_way = feeds.claim_due(tx, NOW, limit=10, min_interval=MINUTE)
    later = NOW + 60 * MINUTE
    assert not feeds.any_due(tx, later, under_way=under_way) and claim(tx, later, under_way=under_way) == []
    feeds.register(tx, [GAZETTE, replace(HERALD, url="https://herald.example/new")], later)
    assert claim(tx, later, under_way=under_way) == ["herald"]


def test_a_feed_at_another_address_counts_for_its_new_host(tx):
    feeds.register(tx, [GAZETTE, replace(HERALD, url=GAZETTE.url + "/herald")], NOW)
    assert len(claim(tx, per_host=1)) == 1


def test_a_feed_behind_a_redirect_counts_for_the_host_that_answered(tx):
    moved = Habits(validators_url="https://Burner.example:8443/gazette")
    for name in ("gazette", "herald"):
        succeed(tx, name, habits=moved, next_check_at=NOW)
    (first,) = feeds.claim_due(tx, NOW, limit=10, min_interval=MINUTE, per_host=1)
    assert first.host == "burner.example:8443"
    assert not feeds.any_due(tx, NOW, under_way=[first], per_host=1)
    feeds.register(tx, [GAZETTE, HERALD], NOW)
    assert claim(tx, under_way=[first], per_host=1) == [], "and it does so after a restart"
    succeed(tx, "gazette", next_check_at=NOW)
    succeed(tx, "herald", next_check_at=NOW)
    assert len(claim(tx, per_host=1)) == 2, "until they answer for themselves again"
