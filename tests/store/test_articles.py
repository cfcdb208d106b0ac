"""The list of pages to read: one a story, one of a site at a time, in the site's pace, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.core.robots import Rules
from monitor.model import ArticleStatus, Wanted
from monitor.store import articles
from tests.builders import NOW

GAP, DAY = timedelta(seconds=5), timedelta(days=1)


def wanted(story, site="https://gazette.example"):
    return Wanted(story=story, entry=f"e{story}", feed="gazette", url=f"{site}/{story}", origin=site)


def claim(tx, now=NOW, busy=(), limit=8):
    return [page.story for page in articles.claim_due(tx, now, busy=busy, gap=GAP, limit=limit)]


def test_one_of_a_site_at_a_time_the_longest_waiting_first(tx):
    articles.want(tx, [wanted("b")], NOW - GAP)
    articles.want(tx, [wanted("a"), wanted("c", "https://herald.example")], NOW)
    assert claim(tx) == ["b", "c"]
    assert claim(tx, NOW + GAP / 2) == []
    assert claim(tx, NOW + GAP) == ["a"]


def test_none_of_a_site_that_is_busy_or_paused(tx):
    articles.want(tx, [wanted("a")], NOW)
    assert claim(tx, busy=["https://gazette.example"]) == []
    articles.pause(tx, "https://gazette.example", NOW + 2 * GAP)
    assert (claim(tx, NOW + GAP), articles.next_due_at(tx)) == ([], NOW + 2 * GAP)
    assert claim(tx, NOW + 2 * GAP) == ["a"]


def test_a_story_has_one_page_for_good(tx):
    articles.want(tx, [wanted("a")], NOW)
    claim(tx)
    articles.settle(tx, "a", ArticleStatus.DONE)
    articles.want(tx, [wanted("a", "https://herald.example")], NOW)
    assert (claim(tx, NOW + DAY / 2), articles.next_due_at(tx)) == ([], None)


def test_what_was_being_read_when_the_reader_died_is_read_again(tx):
    articles.want(tx, [wanted("a")], NOW)
    claim(tx)
    assert claim(tx, NOW + GAP) == []
    articles.release(tx, NOW + GAP)
    (page,) = articles.claim_due(tx, NOW + GAP, busy=(), gap=GAP, limit=8)
    assert page.attempts == 2


def test_a_lease_passes(tx):
    articles.want(tx, [wanted("a")], NOW)
    claim(tx)
    assert claim(tx, NOW + articles.LEASE) == ["a"]


def test_what_waited_for_a_day_is_given_up(tx):
    articles.want(tx, [wanted("a")], NOW)
    assert (claim(tx, NOW + DAY), articles.next_due_at(tx)) == ([], None)


def test_the_list_has_an_end(tx, monkeypatch):
    monkeypatch.setattr(articles, "MOST_WAITING", 3)
    assert articles.want(tx, [wanted(str(n), f"https://s{n}.example") for n in range(5)], NOW) == 2
    assert claim(tx) == ["0", "1", "2"]


def test_no_more_are_claimed_than_can_be_read(tx):
    articles.want(tx, [wanted(str(n), f"https://s{n}.example") for n in range(5)], NOW)
    assert claim(tx, limit=2) == ["0", "1"]


@pytest.mark.parametrize("said", [Rules(patterns=((False, "/a"),), delay=7.0), None], ids=["an answer", "none"])
def test_what_a_site_said_is_kept_and_holds_where_it_cannot_be_asked_again(tx, said):
    articles.want(tx, [wanted("a")], NOW)
    claim(tx)
    articles.keep_robots(tx, "https://gazette.example", said, NOW)
    articles.keep_robots(tx, "https://gazette.example", None, NOW + DAY)
    robots, asked_at = articles.robots_of(tx, "https://gazette.example")
    assert asked_at == NOW + DAY
    assert robots == ({"patterns": [[False, "/a"]], "delay": said.delay} if said else None)


def test_a_pause_keeps_what_the_site_said(tx):
    articles.pause(tx, "https://gazette.example", NOW)
    articles.keep_robots(tx, "https://gazette.example", Rules(), NOW)
    articles.pause(tx, "https://gazette.example", NOW + GAP)
    assert articles.robots_of(tx, "https://gazette.example")[1] == NOW


def test_old_ones_are_forgotten(tx):
    articles.want(tx, [wanted("a")], NOW)
    claim(tx)
    articles.forget_old(tx, NOW + DAY)
    assert (articles.next_due_at(tx), articles.robots_of(tx, "https://gazette.example")) == (None, (None, None))
