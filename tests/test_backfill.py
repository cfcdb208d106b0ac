"""F21: a watchlist that comes later, and the stories that are in the archive already."""

from __future__ import annotations

import asyncio

import pytest

from monitor import reload
from monitor.app import App
from monitor.backfill import digest_of
from monitor.model import SelfTest
from tests.builders import watchlist
from tests.desk import HARBOUR, Desk, rss

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

COMET = 'title = "Sky"\nthreshold = 2\n[[term]]\nany = ["comet"]\n'
BACKFILL = 'backfill = "24h"\n'
HEADLINES = ("Parliament passes the harbour bill", "A comet is seen over the hills")


@pytest.fixture
def desk(tmp_path, web):
    """A desk whose archive holds a comet that nobody watched for, and a harbour that alerted."""
    desk = Desk(tmp_path, web)
    desk.feed("gazette", rss(*HEADLINES))
    assert desk.does("poll").exit_code == 0
    return desk


def alerts(desk):
    return sorted((alert["watchlist"], alert["title"]) for alert in desk.lines("alerts", "--json"))


FIRST = ("harbour", HEADLINES[0])
COMETS = ("sky", HEADLINES[1])


def test_f21_a_new_watchlist_alerts_on_nothing_of_the_archive(desk):
    desk.feed("gazette", rss(*HEADLINES))
    desk.watchlist("sky", COMET).does("poll", "--all")
    assert alerts(desk) == [FIRST]
    desk.feed("gazette", rss(*HEADLINES, "Another comet comes"))
    for _ in range(2):  # the page's answers come one after the other
        desk.does("poll", "--all")
    assert alerts(desk) == [FIRST, ("sky", "Another comet comes")]


def test_f21_an_edit_or_a_copy_of_a_story_of_the_archive_is_no_reason_either(desk):
    desk.watchlist("sky", COMET).does("poll", "--all")
    desk.feed("herald", rss(HEADLINES[1], title="Herald"))
    desk.feed("gazette", rss(*HEADLINES, more="<description>Updated at 10:15.</description>"))
    for _ in range(2):
        desk.does("poll", "--all")
    assert alerts(desk) == [FIRST]
    (story,) = desk.lines("stories", "--search", "comet", "--json")
    assert len(story["pickups"]) == 2
    assert [(match["watchlist"], match["reason"]) for match in story["matches"]] == [("sky", "archived")]


def test_a_copy_that_makes_a_story_of_the_archive_match_is_news(desk):
    desk.watchlist("moon", COMET.replace("comet", "moon").replace("Sky", "Moon").replace("= 2", "= 1")).does("poll")
    text = "<description>It passed the moon.</description>"
    desk.feed("herald", rss(HEADLINES[1], title="Herald", more=text)).does("poll")
    assert alerts(desk) == [FIRST, ("moon", HEADLINES[1])]


def test_what_comes_after_the_watchlist_is_told_whoever_takes_it_up_first(desk):
    desk.watchlist("sky", COMET).does("poll")
    desk.feed("herald", rss("Another comet comes", title="Herald")).does("poll")
    desk.feed("courier", rss("Another comet comes", title="Courier")).does("poll")
    assert alerts(desk) == [FIRST, ("sky", "Another comet comes")]


def test_a_new_watchlist_with_backfill_does_and_delivers_it_once(desk):
    desk.watchlist("sky", BACKFILL + COMET)
    said = desk.does("poll", "--all").stdout
    assert alerts(desk) == [COMETS, FIRST] or alerts(desk) == [FIRST, COMETS]
    assert said.count(HEADLINES[1]) >= 1
    for _ in range(2):
        assert HEADLINES[1] not in desk.does("poll", "--all").stdout
    assert len(alerts(desk)) == 2


def test_a_changed_watchlist_looks_back_only_if_it_asks_to(desk):
    wider = HARBOUR.replace('"quay"', '"comet"')
    desk.watchlist("harbour", wider).does("poll")
    assert alerts(desk) == [FIRST]
    desk.watchlist("harbour", BACKFILL + wider).does("poll")
    assert alerts(desk) == [("harbour", HEADLINES[1]), FIRST], "and does not tell again what it told"


def test_what_is_told_out_of_the_archive_is_counted(desk):
    desk.watchlist("sky", BACKFILL + COMET)

    async def start() -> str:
        async with App(reload.read_all(desk.config)) as app:
            return (await app.series()).decode()

    assert "wirewatch_alerts_total 1.0" in asyncio.run(start())


@pytest.mark.parametrize(("backfill", "hours", "told"), [("2h", 1, True), ("2h", 5, False), ("8h", 5, True)])
def test_only_stories_that_are_young_enough_are_told(tmp_path, web, backfill, hours, told):
    desk = Desk(tmp_path, web)
    desk.feed("gazette", rss(HEADLINES[1], hours=hours)).does("poll")
    desk.watchlist("sky", f'backfill = "{backfill}"\n' + COMET).does("poll")
    assert (alerts(desk) == [COMETS]) is told


def test_each_watchlist_looks_back_as_far_as_it_says(tmp_path, web):
    desk = Desk(tmp_path, web)
    desk.feed("gazette", rss(HEADLINES[1], hours=5)).does("poll")
    desk.watchlist("sky", 'backfill = "8h"\n' + COMET)
    desk.watchlist("stars", 'backfill = "2h"\n' + COMET.replace("Sky", "Stars")).does("poll")
    assert alerts(desk) == [COMETS]


def test_a_story_of_the_archive_stays_as_it_is(desk):
    before = desk.lines("stories", "--json")
    desk.watchlist("sky", BACKFILL + COMET).does("poll")
    after = desk.lines("stories", "--json")
    assert [{**one, "matches": []} for one in after] == [{**one, "matches": []} for one in before]
    assert any(match["watchlist"] == "sky" for one in after for match in one["matches"])


def test_inline_tests_and_comments_are_no_change():
    one = watchlist()
    moved = watchlist(tests=(SelfTest(title="x", line=9),))
    assert digest_of(one) == digest_of(moved) != digest_of(watchlist(threshold=3))
