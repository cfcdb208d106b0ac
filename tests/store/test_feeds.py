from datetime import timedelta

import pytest

from monitor.model import Feed, FeedState, FeedStatus, Validators
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
        "now": NOW,
        "next_check_at": NOW + 30 * MINUTE,
        "not_before": None,
        "validators": Validators(etag='"a"'),
        "found_entries": True,
    }
    feeds.record_success(tx, STATES[name], **{**values, **more})


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


def test_a_command_checks_what_is_not_due_but_never_what_the_server_holds(tx):
    claim(tx)
    succeed(tx)
    succeed(tx, "herald", not_before=NOW + 60 * MINUTE)
    assert claim(tx, NOW + MINUTE) == []
    assert claim(tx, NOW + MINUTE, ignore_schedule=True) == ["gazette"]


def test_one_feed_by_name(tx):
    assert claim(tx, only=["herald"]) == ["herald"]


def test_validators_come_back_byte_exact(tx):
    succeed(tx, validators=Validators(etag='W/"ä b"', last_modified="Thu, 01 Jan 1980 00:00:00 GMT"))
    (state,) = feeds.claim_due(tx, NOW + 60 * MINUTE, limit=1, min_interval=MINUTE, only=["gazette"])
    assert state.validators == Validators(etag='W/"ä b"', last_modified="Thu, 01 Jan 1980 00:00:00 GMT")


def test_a_failure_keeps_the_validators_and_counts(tx):
    succeed(tx)
    for _ in range(2):
        feeds.record_failure(
            tx, STATES["gazette"], now=NOW, state=FeedStatus.FAILING, error="503", next_check_at=NOW, not_before=None
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
