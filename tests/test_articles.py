"""The second reading: a page behind a link decides what its feed left open. Whole, by `wirewatch poll` over a real web."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from monitor import reload
from monitor.app import App
from monitor.clock import clock_from
from monitor.model import ArticleStatus
from monitor.store.database import Database
from tests.daemon import wirewatch
from tests.desk import CONFIG, Desk
from tests.fakeweb import FakeWeb

STRIKE = """\
title = "Dock strikes"
threshold = 4
[[term]]
name = "harbour"
any = ["harbour"]
weight = 1
[[term]]
name = "strike"
any = ["walkout", "strike"]
weight = 2
"""
TITLE = "Talks at the harbour end before dawn"
TEXT = (
    "The talks at the harbour ended before dawn on Tuesday without an agreement, both sides said. "
    "The dockers' union will begin a walkout at noon, its chairwoman told reporters at the gate. "
    "The port authority said that ferries to the islands would sail as usual until the evening."
)


def page(text=TEXT, title=TITLE, around="<nav><a href='/'>Home</a> <a href='/sport'>Sport</a></nav>"):
    paragraphs = "".join(f"<p>{one}</p>" for one in text.split("\n"))
    return f"<!doctype html><html><head><title>{title}</title></head><body>{around}<article><h1>{title}</h1>{paragraphs}</article></body></html>".encode()


def item(link, title=TITLE, text="", hours=1):
    stamp = format_datetime(datetime.now(UTC) - timedelta(hours=hours))
    return f"<item><title>{title}</title><link>{link}</link><guid isPermaLink='false'>{link}</guid><description>{text}</description><pubDate>{stamp}</pubDate></item>"


def rss(*items):
    return f"<rss version='2.0'><channel><title>Gazette</title>{''.join(items)}</channel></rss>".encode()


HTML = {"Content-Type": "text/html; charset=utf-8"}


class Press:
    """A newsroom, and a site with one page."""

    def __init__(self, folder: Path, web: FakeWeb):
        self.web, self.desk = web, Desk(folder, web).watchlist("harbour", STRIKE)
        web.page("/talks").says(200, page(), headers=HTML)

    def polls(self, *items, articles="matching", feed="gazette", more="", also=""):
        self.web.forget(f"/{feed}")
        self.desk.feed(feed, rss(*(items or (item(self.web.url("/talks")),))))
        self.desk.write(more, CONFIG.replace("[polling]", f'[polling]\n{also}\narticles = "{articles}"'))
        return self.again()

    def again(self, *more):
        result = self.desk.does("poll", "--all", *more)
        assert result.exit_code == 0, result.output
        return result

    def alerts(self):
        return self.desk.lines("alerts", "--json")

    def asked(self, path="/talks"):
        return len(self.web.asked(path))

    def states(self):
        database = Database.open_reader(str(self.desk.folder / "wirewatch.db"))
        with database.read() as tx:
            rows = tx.exec_driver_sql("SELECT state, error FROM articles ORDER BY wanted_at, story").all()
        database.close()
        return [tuple(row) for row in rows]


@pytest.fixture
def press(tmp_path, monkeypatch):
    monkeypatch.setenv("WIREWATCH_TEST_HOOKS", "1")
    monkeypatch.setenv("WIREWATCH_SPEED", "60")  # so that a site's pause is short
    with FakeWeb() as web:
        yield Press(tmp_path, web)


def test_a_story_whose_page_has_the_decisive_words_alerts_with_the_pages_quote(press):
    (sent,) = press.polls().stdout.splitlines()
    (alert,) = press.alerts()
    assert (alert["reason"], alert["score"], alert["deliveries"][0]["state"]) == ("matched", 5.0, "delivered")
    assert "begin a walkout at noon" in sent


def test_pages_and_the_alerts_they_led_to_are_counted(press):
    press.desk.feed("gazette", rss(item(press.web.url("/talks"))))
    press.desk.write("", CONFIG.replace("[polling]", '[polling]\narticles = "matching"'))

    async def poll() -> str:
        async with App(reload.read_all(press.desk.config), clock=clock_from(speed=60), speed=60) as app:
            await app.poll()
            return (await app.series()).decode()

    series = asyncio.run(poll())
    assert 'wirewatch_pages_total{outcome="read"} 1.0' in series and "wirewatch_alerts_total 1.0" in series


def test_the_page_is_asked_for_once_as_a_page_and_after_robots_txt(press):
    press.polls()
    press.again()
    (asked,) = press.web.asked("/talks")
    assert [one.path for one in press.web.requests].index("/robots.txt") < [one.path for one in press.web.requests].index("/talks")
    assert press.asked("/robots.txt") == 1
    assert asked.header("Accept").startswith("text/html") and asked.header("User-Agent").startswith("wirewatch/")
    assert not {"Cookie", "Referer", "Authorization"} & {name.title() for name in asked.names}


def test_nothing_repeats_on_the_next_check_and_an_edit_of_the_feed_keeps_the_pages_text(press):
    press.polls()
    press.polls(item(press.web.url("/talks"), text="With a summary now."))
    assert len(press.alerts()) == 1
    (explained,) = press.desk.lines("explain", press.alerts()[0]["story"], "--json")
    assert "walkout at noon" in explained["document"]["text"]
    assert explained["story"]["page"] == {"state": "done", "error": None}


NOT_READ = {
    "never": ({"articles": "never"}, ()),
    "a story that alerts by its feed alone": ({}, (f"{TITLE}: strike",)),
    "a story far from every threshold": ({}, ("Talks end before dawn",)),
}


@pytest.mark.parametrize(("how", "titles"), NOT_READ.values(), ids=NOT_READ)
def test_no_page_is_asked_for(press, how, titles):
    press.polls(*(item(press.web.url("/talks"), title) for title in titles), **how)
    assert (press.asked(), press.asked("/robots.txt")) == (0, 0)


def test_always_reads_every_page_for_the_archive_and_for_copies(press):
    press.polls(item(press.web.url("/talks"), "Talks end before dawn"), articles="always")
    (story,) = press.desk.lines("stories", "--json")
    (explained,) = press.desk.lines("explain", story["id"], "--json")
    assert press.asked() == 1 and "ferries to the islands" in explained["document"]["text"]


REFUSED = {
    "C8 robots.txt forbids it to all": (b"User-agent: *\nDisallow: /talks", 200, "robots.txt"),
    "C8 robots.txt forbids it to us": (b"User-agent: wirewatch\nDisallow: /\n\nUser-agent: *\nAllow: /", 200, "robots.txt"),
    "C8 robots.txt cannot be read": (b"", 503, "robots.txt"),
}


@pytest.mark.parametrize(("robots", "status", "why"), REFUSED.values(), ids=REFUSED)
def test_c8_a_page_that_robots_txt_keeps_from_us_is_not_asked_for(press, robots, status, why):
    press.web.page("/robots.txt").says(status, robots)
    press.polls()
    assert press.asked() == 0
    assert [state for state, _ in press.states()] == ["refused"] and why in press.states()[0][1]
    (story,) = press.desk.lines("stories", "--json")
    assert "its page: refused: the site's robots.txt" in press.desk.does("explain", story["id"]).stdout


def test_c8_a_page_that_robots_txt_keeps_from_us_is_not_reached_by_a_redirect_either(press):
    press.web.page("/robots.txt").says(200, b"User-agent: *\nDisallow: /talks")
    press.web.page("/go").says(302, b"", headers={"Location": "/talks"})
    press.polls(item(press.web.url("/go")))
    assert (press.asked("/go"), press.asked("/talks")) == (1, 0)
    ((state, error),) = press.states()
    assert state == "refused" and error.endswith("/talks: the site's robots.txt forbids it")


@pytest.mark.parametrize("path", ["/talks", "/robots.txt"])
def test_c1_a_host_that_asks_for_peace_when_its_page_is_asked_for_has_it_after_a_restart(press, path):
    press.web.forget(path)
    press.web.page(path).says(429, headers={"Retry-After": "7200"})
    press.polls()
    asked = press.asked("/gazette")
    press.again()
    assert press.asked(path) == 1 and press.asked("/gazette") == asked
    for command in (("explain",), ("feeds", "find")):
        refused = press.desk.does(*command, press.web.url("/elsewhere"))
        assert refused.exit_code != 0 and re.search(r"asked us to stay away for another \d+ min\b", refused.output)
    assert press.asked("/elsewhere") == 0
    (shown,) = press.desk.does("feeds").stdout.splitlines()
    assert "its server asked to be left alone until " in shown


def test_c8_robots_txt_is_asked_for_once_a_day_and_a_site(press):
    press.web.page("/robots.txt").says(200, b"User-agent: *\nDisallow: /secret")
    for number in range(3):
        press.web.page(f"/secret/{number}").says(200, page(), headers=HTML)
        press.polls(item(press.web.url(f"/secret/{number}"), ("Ferries stay in the harbour", "Harbour cranes sold to Canada", "A whale visits the harbour")[number]))
    assert (press.asked("/robots.txt"), len(press.states())) == (1, 3)


def test_s9_a_link_to_an_internal_host_is_not_followed(press):
    with FakeWeb("127.0.0.2") as internal:
        press.polls(item(internal.url("/talks")))
        assert internal.accepts == 0
    assert press.states() == []
    (feed,) = press.desk.lines("feeds", "--json")
    assert {"kind": "pages_elsewhere", "detail": "127.0.0.2"}.items() <= feed["oddities"][0].items()


def test_s9_nor_where_the_operator_named_its_domain_or_a_page_leads_there(press):
    with FakeWeb("127.0.0.2") as internal:
        press.web.page("/moved").redirects(internal.url("/talks"))
        more = f'[[feed]]\nname = "herald"\nurl = "{press.web.url("/herald")}"\narticle_domains = ["127.0.0.2"]\n'
        press.web.page("/herald").says(200, rss(item(internal.url("/talks"), f"{TITLE} again")))
        press.polls(item(press.web.url("/moved")), more=more)
        assert internal.accepts == 0
    assert sorted(state for state, _ in press.states()) == ["failed", "refused"]


def test_s9_a_page_that_leads_to_a_domain_which_may_be_fetched_but_is_not_the_feeds_is_not_asked_for(press):
    press.web.page("/moved").redirects(press.web.url("/talks", host="localhost"))
    press.polls(item(press.web.url("/moved")), also=f"allow_ports = [{press.web.port}]")
    assert press.asked() == 0 and press.alerts() == []
    assert [state for state, _ in press.states()] == ["refused"]


PAGES = {
    "not HTML": ({"body": b"%PDF-1.7", "headers": {"Content-Type": "application/pdf"}}, "failed"),
    "larger than 5 MiB": ({"body": b"<html>" + b" " * (5 * 1024 * 1024), "headers": HTML}, "failed"),
    "not there": ({"status": 404, "body": b"gone"}, "failed"),
    "busy for now": ({"status": 503, "body": b""}, "waiting"),
    "a wall before it": ({"body": page("Please accept our cookies to go on. " * 20, "Before you continue"), "headers": HTML}, "done"),
    "no more than the feed said": ({"body": page("Talks."), "headers": HTML}, "done"),
}


@pytest.mark.parametrize(("answer", "state"), PAGES.values(), ids=PAGES)
def test_a_page_that_is_no_help_changes_nothing(press, answer, state):
    press.web.forget("/talks")
    press.web.page("/talks").says(answer.pop("status", 200), answer.pop("body"), **answer)
    press.polls()
    assert (press.alerts(), [one for one, _ in press.states()]) == ([], [state])


def test_a_copy_that_only_its_page_shows_to_be_one_is_told_once(press):
    press.web.page("/full").says(200, page(title="Dockers walk out at noon"), headers=HTML)
    press.polls(item(press.web.url("/full"), "Dockers begin strike at the harbour: walkout at noon", TEXT), feed="herald")
    press.polls()
    (story,) = press.desk.lines("stories", "--json")
    assert (len(story["pickups"]), len(press.alerts())) == (2, 1)


def test_r8_a_page_of_a_million_nodes_is_given_up_and_the_next_one_is_read(press):
    press.web.page("/bomb").says(200, b"<!doctype html><html><body>" + b"<b>" * 1_700_000, headers=HTML)
    press.polls(item(press.web.url("/bomb"), "A whale visits the harbour"))
    assert [state for state, _ in press.states()][0] in (ArticleStatus.FAILED, ArticleStatus.DONE)
    press.polls(item(press.web.url("/talks")), item(press.web.url("/bomb"), "A whale visits the harbour"))
    assert len(press.alerts()) == 1


CRASHES = ["saved:1", "page_read:1", "page_saving:1"]


@pytest.mark.crash
@pytest.mark.parametrize("point", CRASHES)
def test_a_crash_in_between_loses_nothing_and_tells_nothing_twice(press, point):
    press.desk.feed("gazette", rss(item(press.web.url("/talks"))))
    press.desk.write("", CONFIG)
    died = wirewatch("poll", "--all", config=press.desk.config, WIREWATCH_TEST_HOOKS="1", WIREWATCH_CRASH_AT=point, WIREWATCH_SPEED="60")
    assert died.returncode == -signal.SIGKILL
    lived = wirewatch("poll", "--all", config=press.desk.config, WIREWATCH_TEST_HOOKS="1", WIREWATCH_SPEED="60")
    assert (lived.returncode, len(lived.stdout.splitlines()), len(press.alerts())) == (0, 1, 1)
    assert (press.asked("/robots.txt"), press.asked()) == (1, {"saved:1": 1}.get(point, 2))


def test_a_page_that_cannot_be_reached_is_tried_again_and_its_site_asked_then(press, monkeypatch):
    press.web.page("/robots.txt").breaks_off(b"HTTP/1.1 200")
    press.polls()
    assert [state for state, _ in press.states()] == ["waiting"] and press.alerts() == []
    press.web.forget("/robots.txt")
    monkeypatch.setenv("WIREWATCH_NOW", (datetime.now(UTC) + timedelta(minutes=20)).isoformat())
    press.again()
    assert len(press.alerts()) == 1
