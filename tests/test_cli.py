"""What a person types and what scripts read: exit codes, JSON fields, and words on the right stream."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from monitor.cli import main
from tests.daemon import ROOT, wirewatch
from tests.desk import BILL, Desk, json_feed, rss
from tests.fakes import FakeHttp, FakeSlack, FakeSmtp
from tests.fakeweb import FakeWeb

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
STORY = {"id", "title", "url", "language", "first_seen_at", "published_at", "credit", "pickups", "matches"}
PICKUP = {"feed", "outlet", "url", "title", "published_at", "seen_at", "similarity", "rule"}
STORY_MATCH = {"watchlist", "score", "level", "reason"}
ALERT = {"id", "watchlist", "story", "level", "score", "reason", "title", "url", "created_at", "deliveries"}
DELIVERY = {"channel", "recipient", "state", "attempts", "sent_at", "error"}
FEED = {"name", "url", "state", "last_checked_at", "last_changed_at", "next_check_at", "failures", "last_error", "entries", "possible_gaps"}
EXPLAINED = {"document", "story", "verdicts"}
DOCUMENT = {"title", "url", "published_at", "language", "text", "credit"}
VERDICT = {"watchlist", "score", "threshold", "level", "verdict", "reason", "hits", "missing", "veto"}
HIT = {"term", "variant", "field", "quote", "points"}
RULES = {"founder", "same_url", "same_title", "same_text", "similar"}
STATES = {"held", "queued", "sending", "delivered", "dead", "cancelled", "merged"}
FEED_STATES = {"new", "ok", "failing", "throttled", "gone", "quarantined"}

NASTY = "The harbour \x1b[31mred \x1b]52;c;aGFjaw==\x07 is \x9b2Jopen \u202eagain \x00now\x7f"
NOT_FOR_TERMINALS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PAGE = f"""<!doctype html><html lang="en"><head><title>{BILL}</title>
<meta property="article:published_time" content="2026-08-18T10:00:00Z"></head><body><article><h1>{BILL}</h1>
<p>Members voted late on Monday to give the port a new breakwater, after a debate that lasted well into the night.</p>
<p>The harbour master said that work would begin in spring and last for two years at the most.</p></article></body></html>"""


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.fixture
def desk(tmp_path, web):
    return Desk(tmp_path, web)


@pytest.fixture
def polled(desk):
    """A desk that has polled one feed with one story that alerts and one that does not."""
    desk.feed("gazette", rss(BILL, "A comet is seen over the hills"))
    assert desk.does("poll").exit_code == 0
    return desk


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The same, with a copy of the story in a second feed; for tests that only look."""
    with FakeWeb() as served:
        desk = Desk(tmp_path_factory.mktemp("archive"), served)
        desk.feed("gazette", rss(BILL, "A comet is seen over the hills"))
        assert desk.does("poll").exit_code == 0
        desk.feed("herald", rss(BILL, title="Herald"))
        assert desk.does("poll").exit_code == 0
        yield desk


def only(lines):
    (line,) = lines
    return line


# ── exit codes ───────────────────────────────────────────────────────────────────────────────────


def test_one_failing_feed_is_named_and_the_rest_is_done(desk):
    desk.feed("gazette", rss(BILL))
    desk.web.page("/broken").says(500)
    desk.feeds["broken"] = desk.web.url("/broken")
    done = desk.write().does("poll")
    assert done.exit_code == 1
    assert "failed: broken: " in done.stderr and "500" in done.stderr
    assert only(done.stdout.splitlines()).startswith("{"), "the alert of the other feed was delivered"


USAGE = [
    ("an unknown command", ("pol",)),
    ("an unknown option", ("poll", "--al")),
    ("an unknown feed to poll", ("poll", "--feed", "nobody")),
    ("an unknown feed to explain", ("explain", "x.txt", "--feed", "nobody")),
    ("an unknown watchlist to explain", ("explain", "x.txt", "--watchlist", "nothing")),
    ("an unknown watchlist of stories", ("stories", "--watchlist", "habour")),
    ("an unknown channel", ("test-channel", "nobody")),
    ("no channel", ("test-channel",)),
    ("nothing to explain", ("explain",)),
    ("a schema of something else", ("schema", "feed")),
    ("a span without a unit", ("stories", "--since", "24")),
    ("a span that is none", ("alerts", "--since", "yesterday")),
    ("a span longer than time", ("stories", "--since", "99999999d")),
    ("no alert to retry", ("alerts", "retry")),
]  # fmt: skip


@pytest.mark.parametrize("arguments", [case[1] for case in USAGE], ids=[case[0] for case in USAGE])
def test_wrong_usage_is_2_with_words(archive, arguments):
    done = archive.does(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


NEED_CONFIG = ["run", "poll", "check", "explain -", "stories", "alerts", "alerts retry x", "feeds", "status", "test-channel desk"]


@pytest.mark.parametrize("line", NEED_CONFIG)
def test_a_broken_configuration_is_65_with_its_line(desk, line):
    desk.write(head='[polling]\nintervall = "5m"\n')
    done = desk.does(*line.split(), stdin=b"")
    assert (done.exit_code, done.stdout) == (65, "")
    assert re.match(rf"{re.escape(str(desk.config))}:2: polling\.intervall: .*interval", done.stderr)


@pytest.mark.parametrize("line", ["status", "stories", "alerts", "feeds", "silence list"])
def test_who_only_looks_is_not_kept_from_it_by_a_mistake(polled, line):
    """The daemon runs on with what was in force, and somebody has to see how it is."""
    before = polled.does(*line.split())
    polled.config.write_text(polled.config.read_text() + '[alerts]\nbacklogg = "5m"\n')
    done = polled.does(*line.split())
    assert (done.exit_code, done.stdout) == (before.exit_code, before.stdout)
    assert re.match(rf"{re.escape(str(polled.config))}:\d+: alerts\.backlogg: .*backlog", done.stderr)
    polled.config.write_text("[monitor]\ndatabase = 3\n")
    assert polled.does(*line.split()).exit_code == 65


@pytest.mark.parametrize("line", ["run", "poll", "check", "explain -"])
def test_a_broken_watchlist_is_65_with_every_mistake(desk, line):
    desk.watchlist("harbour", 'titel = "x"\nthreshold = 2\n[[term]]\nany = ["a"]\nwieght = 1\n')
    done = desk.does(*line.split(), stdin=b"")
    assert (done.exit_code, done.stdout) == (65, "")
    path = re.escape(str(desk.folder / "watchlists" / "harbour.toml"))
    assert re.search(rf"^{path}:1: titel: ", done.stderr, re.MULTILINE)
    assert re.search(rf"^{path}:5: \S*wieght: ", done.stderr, re.MULTILINE)


BAD_FILES = [
    ("a file that is missing", lambda path: None),
    ("a folder", lambda path: path.mkdir()),
    ("bytes that are no UTF-8", lambda path: path.write_bytes(b'[monitor]\nlanguage = "\xff"\n')),
]  # fmt: skip


@pytest.mark.parametrize("make", [case[1] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES])
def test_a_configuration_that_cannot_be_read_is_65(tmp_path, make):
    path = tmp_path / "other.toml"
    make(path)
    done = CliRunner().invoke(main, ["--config", str(path), "check"])
    assert done.exit_code == 65, done.exception
    assert str(path) in done.stderr


PRIVATE = [
    ("http://192.168.3.4/feed", '"192.168.3.4/32"'),
    ("http://[fd00::1]:8080/feed", '"fd00::1/128"'),
    ("http://localhost/feed", '"127.0.0.1/32"'),
    ("http://10.1.2.3/feed", None),  # allowed
    ("http://feeds.internal/feed", None),  # nobody knows yet
    ("http://93.184.215.14/feed", None),
]


@pytest.mark.parametrize(("url", "expected"), PRIVATE)
def test_check_warns_of_feeds_that_are_not_fetched_for_their_address(tmp_path, url, expected):
    (tmp_path / "watchlists").mkdir()
    (tmp_path / "watchlists" / "port.toml").write_text('threshold = 1\n[[term]]\nany = ["port"]\n')
    config = tmp_path / "config.toml"
    config.write_text(f'[polling]\nallow_networks = ["10.0.0.0/8"]\n[[feed]]\nname = "inner"\nurl = "{url}"\n')
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    warned = [line for line in done.stderr.splitlines() if "allow_networks" in line]
    assert done.exit_code == 0 and len(warned) == (expected is not None)
    if expected:
        assert "feed 'inner': " in warned[0] and warned[0].endswith(f"expected {expected} in [polling] allow_networks")


@pytest.mark.parametrize("line", ["poll", "check", "test-channel desk"])
@pytest.mark.parametrize("url", ["nonsense://host", "slack://only-one-part", "matrix://", "mailto://"])
def test_a_channel_address_that_nothing_can_send_to_is_65(desk, line, url):
    desk.channel("desk", url)
    done = desk.does(*line.split())
    assert done.exit_code == 65, (done.stdout, done.stderr)
    assert "desk" in done.stderr


def test_a_second_instance_is_73_with_the_pid(archive):
    from monitor.store.database import Database

    held = Database.open(str(archive.folder / "wirewatch.db"))
    try:
        done = wirewatch("poll", config=archive.config)
    finally:
        held.close()
    assert (done.returncode, str(os.getpid()) in done.stderr) == (73, True)


BROKEN = [
    ("no database", lambda path: path.unlink(missing_ok=True), "no database yet"),
    ("a database that is a text", lambda path: path.write_text("all work and no play " * 500), ""),
    ("a folder in its place", lambda path: (path.unlink(), path.mkdir()), ""),
]  # fmt: skip


@pytest.mark.parametrize("line", ["stories", "alerts", "alerts retry x", "feeds", "status --json", "poll"])
@pytest.mark.parametrize(("spoil", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_an_unusable_database_is_74_with_path_and_reason(desk, line, spoil, says):
    path = desk.folder / "wirewatch.db"
    path.touch()
    spoil(path)
    if line == "poll" and not path.exists():
        assert desk.does("poll").exit_code == 0, "poll makes it"
        return
    done = desk.does(*line.split())
    assert (done.exit_code, done.stdout) == (74, "")
    assert str(path) in done.stderr and says in done.stderr


def test_what_cannot_be_explained_is_1_in_words(archive):
    for source in ("nowhere.html", str(archive.folder), "0123456789abcdef", "x" * 300, "/proc/self/mem"):
        done = archive.does("explain", source)
        assert (done.exit_code, done.stdout) == (1, ""), source
        assert done.stderr.startswith("wirewatch: "), source


@pytest.mark.parametrize("source", ["ftp://feeds.example/x", "file:///etc/hostname", "gopher://a/"])
def test_what_is_read_is_said_of_other_addresses(archive, source):
    done = archive.does("explain", source)
    assert done.exit_code == 1 and f"{source.partition('//')[0]}// is not read; expected an http(s) address" in done.stderr


def test_of_a_story_that_was_decided_the_decision_stands_first(archive):
    (alert,) = archive.lines("alerts", "--json")
    lines = archive.does("explain", alert["story"]).stdout.splitlines()
    (first,) = [number for number, line in enumerate(lines) if line == "  harbour: decided when it came in: matched"]
    assert lines[first + 1].startswith("          judged now: alert") and "goes to" not in "".join(lines)


def test_an_unknown_feed_is_told_the_nearest(archive):
    assert "did you mean 'gazette'?" in archive.does("poll", "--feed", "gazete").stderr


def test_an_address_that_answers_404_is_1_in_words(archive):
    done = archive.does("explain", archive.web.url("/nothing"))
    assert done.exit_code == 1 and "404" in done.stderr


# ── polling ──────────────────────────────────────────────────────────────────────────────────────


def test_polling_twice_repeats_nothing(polled):
    again = polled.does("poll", "--all")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "1 feed checked, 0 new entries" in again.stderr
    assert len(polled.lines("alerts", "--json")) == 1


def test_d6_whoever_has_left_out_the_contact_is_asked_for_it(polled):
    assert "[polling] contact is empty" in polled.does("check").stderr
    polled.config.write_text(polled.config.read_text().replace("[polling]", '[polling]\ncontact = "desk@example.org"'))
    assert "contact" not in polled.does("check").stderr


def test_e2_what_was_asked_a_moment_ago_is_left_alone_and_said_so(polled):
    polled.config.write_text(polled.config.read_text().replace('min_interval = "1s"', 'min_interval = "5m"'))
    again = polled.does("poll", "--all")
    assert again.exit_code == 0 and len(polled.web.asked("/gazette")) == 1
    assert "left alone: gazette: checked less than 5m ago, or their servers asked to wait" in again.stderr
    assert "left alone" not in polled.does("poll").stderr


def test_what_is_not_due_is_not_asked_for(polled):
    assert "0 feeds checked" in polled.does("poll").stderr
    assert len(polled.web.asked("/gazette")) == 1


def test_poll_of_one_feed_asks_only_it_and_at_once(polled):
    polled.feed("herald", rss("Rain"))
    assert polled.does("poll", "--feed", "gazette").exit_code == 0
    assert (len(polled.web.asked("/gazette")), len(polled.web.asked("/herald"))) == (2, 0)


def test_all_does_not_override_what_a_server_asked_for(desk):
    desk.feed("gazette", rss(BILL), headers={"Cache-Control": "max-age=3600"})
    desk.web.page("/herald").says(429, headers={"Retry-After": "900"})
    desk.feeds["herald"] = desk.web.url("/herald")
    desk.write()
    assert desk.does("poll").exit_code == 1
    assert desk.does("poll", "--all").exit_code == 0
    assert (len(desk.web.asked("/gazette")), len(desk.web.asked("/herald"))) == (1, 1)
    assert {row["name"]: row["state"] for row in desk.lines("feeds", "--json")} == {"gazette": "ok", "herald": "throttled"}


def test_a_document_that_is_no_feed_fails_its_feed_only(desk):
    desk.feed("gazette", rss(BILL)).feed("page", PAGE.encode())
    done = desk.does("poll")
    assert done.exit_code == 1 and "failed: page: " in done.stderr and "Traceback" not in done.stderr


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def assert_times(record, *names, required=()):
    for name in names:
        assert record[name] is None or UTC_TIME.fullmatch(record[name]), (name, record[name])
    assert all(record[name] for name in required)


def test_a_story_has_the_fields_of_the_contract(archive):
    stories = archive.lines("stories", "--json")
    assert {story["title"] for story in stories} == {BILL, "A comet is seen over the hills"}
    for story in stories:
        assert set(story) >= STORY
        assert_times(story, "first_seen_at", "published_at", required=("first_seen_at",))
        assert (story["language"], story["credit"]) == ("en", None)
        for pickup in story["pickups"]:
            assert set(pickup) >= PICKUP and pickup["rule"] in RULES
            assert_times(pickup, "published_at", "seen_at", required=("seen_at",))
            assert 0 <= pickup["similarity"] <= 100
    bill = next(story for story in stories if story["title"] == BILL)
    assert [(pickup["outlet"], pickup["rule"] == "founder") for pickup in bill["pickups"]] == [("Gazette", True), ("Herald", False)]
    match = only(bill["matches"])
    assert set(match) >= STORY_MATCH
    assert (match["watchlist"], match["level"], match["score"]) == ("harbour", "normal", 4.0)


FILTERS = [
    ("all of the last day", (), 2),
    ("those of a watchlist", ("--watchlist", "harbour"), 1),
    ("a word of a headline in another case", ("--search", "COMET"), 1),
    ("a percent sign is itself", ("--search", "%"), 0),
    ("an underscore is itself", ("--search", "_"), 0),
    ("a quote is itself", ("--search", "' OR 1=1 --"), 0),
    ("a backslash is itself", ("--search", "\\"), 0),
    ("the last second only", ("--since", "0s"), 0),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "count"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_stories_are_chosen(archive, arguments, count):
    if "0s" in arguments and archive.does("stories", *arguments).exit_code == 2:
        return  # no span at all may be refused in words
    assert len(archive.lines("stories", "--json", *arguments)) == count


@pytest.mark.parametrize("search", ["überfall", "ÜBERFALL", "МОСКВА", "αθηνα"])
def test_headlines_are_searched_in_any_case_of_any_script(desk, search):
    desk.feed("gazette", rss("Der Überfall von Moskau", "В Москва идёт снег", "Βροχή στην ΑΘΗΝΑ")).does("poll")
    assert len(desk.lines("stories", "--json", "--search", search)) == 1


@pytest.mark.parametrize("search", ["می\u200cشود", "میشود", "بسته می"])
def test_persian_is_shown_as_it_is_spelt_and_searched_with_joiners_or_without(desk, search):
    headline = "بندر تهران امروز بسته می\u200cشود کارگران اعتصاب کردند 👩\u200d🚒"
    desk.watchlist("port", 'threshold = 1\n[[term]]\nany = ["میشود"]\n')
    desk.feed("gazette", rss(headline)).feed("herald", rss("بندر تهران امروز بسته میشود کارگران اعتصاب کردند 👩🚒")).does("poll")
    story = only(desk.lines("stories", "--json", "--search", search))
    assert (story["title"], len(story["pickups"]), story["matches"][0]["watchlist"]) == (headline, 2, "port")
    assert headline in desk.does("stories").output


def test_a_watchlist_that_matched_nothing_has_no_stories(desk):
    desk.feed("gazette", rss(BILL)).watchlist("other", 'threshold = 1\n[[term]]\nany = ["comet"]\n').does("poll")
    assert desk.lines("stories", "--json", "--watchlist", "other") == []


def test_an_alert_has_the_fields_of_the_contract(archive):
    alert = only(archive.lines("alerts", "--json"))
    assert set(alert) >= ALERT
    assert_times(alert, "created_at", required=("created_at",))
    assert (alert["watchlist"], alert["level"], alert["title"]) == ("harbour", "normal", BILL)
    assert alert["story"] in {story["id"] for story in archive.lines("stories", "--json")}
    delivery = only(alert["deliveries"])
    assert set(delivery) >= DELIVERY and delivery["state"] in STATES
    assert_times(delivery, "sent_at", required=("sent_at",))
    assert (delivery["channel"], delivery["state"], delivery["attempts"], delivery["error"]) == ("desk", "delivered", 1, None)


def test_a_feed_has_the_fields_of_the_contract(polled):
    polled.feeds["later"] = polled.web.url("/later")
    polled.write().does("poll", "--feed", "later")
    gazette, later = polled.lines("feeds", "--json")
    for row in (gazette, later):
        assert set(row) >= FEED and row["state"] in FEED_STATES
        assert_times(row, "last_checked_at", "last_changed_at", "next_check_at", required=("last_checked_at", "next_check_at"))
    assert (gazette["name"], gazette["state"], gazette["entries"], gazette["failures"], gazette["last_error"]) == ("gazette", "ok", 2, 0, None)
    assert (later["state"], later["failures"], later["last_changed_at"]) == ("failing", 1, None)
    assert "404" in later["last_error"]


def test_status_tells_times_in_utc_and_exits_by_what_it_says(polled):
    well = only(polled.lines("status", "--json"))
    assert well["ok"] is True and well["problems"] == []
    assert UTC_TIME.fullmatch(well["last_checked_at"])
    polled.web.page("/later").says(500)
    polled.feeds["later"] = polled.web.url("/later")
    polled.write()
    for _ in range(3):
        polled.does("poll", "--feed", "later")
    ill = polled.does("status")
    assert ill.exit_code == 1 and "later" in ill.stdout and "500" in ill.stdout


# ── explain ──────────────────────────────────────────────────────────────────────────────────────

SOURCES = [
    ("a feed", "feed.xml", rss(BILL, "A comet is seen over the hills"), 2),
    ("a JSON feed", "feed.json", json_feed(BILL), 1),
    ("an HTML page", "page.html", PAGE.encode(), 1),
    ("plain text", "text.txt", f"{BILL}\n\nIt was late.".encode(), 1),
]  # fmt: skip


def assert_explained(lines, count):
    assert len(lines) == count
    for line in lines:
        assert set(line) >= EXPLAINED and set(line["document"]) >= DOCUMENT and set(line["story"]) >= {"id", "similarity", "rule"}
        assert_times(line["document"], "published_at")
        for verdict in line["verdicts"]:
            assert set(verdict) >= VERDICT and verdict["verdict"] in {"alert", "urgent", "silent"}
            assert all(set(hit) >= HIT for hit in verdict["hits"])
    verdict = only(lines[0]["verdicts"])
    assert (verdict["watchlist"], verdict["verdict"], verdict["threshold"], verdict["veto"], verdict["missing"]) == ("harbour", "alert", 2.0, None, [])
    assert "harbour" in verdict["hits"][0]["quote"]


@pytest.mark.parametrize(("name", "body", "count"), [case[1:] for case in SOURCES], ids=[case[0] for case in SOURCES])
@pytest.mark.parametrize("way", ["file", "standard input", "address"])
def test_any_document_is_explained(desk, name, body, count, way):
    (desk.folder / name).write_bytes(body)
    desk.web.page(f"/{name}").says(200, body)
    source = {"file": str(desk.folder / name), "standard input": "-", "address": desk.web.url(f"/{name}")}[way]
    assert_explained(desk.lines("explain", "--json", source, stdin=body if source == "-" else None), count)
    for_people = desk.does("explain", source, stdin=body if source == "-" else None)
    assert for_people.exit_code == 0 and "alerts: 4.0 ≥ 2 because harbour in the title (+4)" in for_people.stdout
    assert not (desk.folder / "wirewatch.db").exists(), "explaining writes nothing"


def test_a_story_of_the_archive_is_explained_by_its_id_or_the_beginning_of_it(archive):
    story = next(story for story in archive.lines("stories", "--json") if story["title"] == BILL)
    for name in (story["id"], story["id"][:12]):
        found = only(archive.lines("explain", name, "--json"))
        assert (found["story"]["id"], found["document"]["title"], found["verdicts"][0]["verdict"]) == (story["id"], BILL, "alert")
    assert archive.does("explain", "").exit_code in (1, 2), "an empty id names no story"


def test_a_copy_is_told_which_story_it_would_join(archive):
    story = next(story for story in archive.lines("stories", "--json") if story["title"] == BILL)
    (archive.folder / "copy.xml").write_bytes(rss(BILL, title="Tribune"))
    found = only(archive.lines("explain", str(archive.folder / "copy.xml"), "--json"))
    assert (found["story"]["id"], found["story"]["rule"] in RULES - {"founder"}) == (story["id"], True)


def test_only_the_watchlists_asked_for_speak(desk):
    desk.watchlist("other", 'title = "Other"\nthreshold = 1\n[[term]]\nany = ["comet"]\nweight = 1\n')
    found = only(desk.lines("explain", "-", "--json", "--watchlist", "other", stdin=BILL.encode()))
    assert [verdict["watchlist"] for verdict in found["verdicts"]] == ["other"]


def test_an_address_that_is_not_where_it_is_kept_is_one_mistake(desk):
    desk.config.write_text('[channel.desk]\nurl = { env = "WIREWATCH_NOT_SET" }\n')
    (said,) = desk.does("check").stderr.splitlines()
    assert "channel.desk.url: the environment variable WIREWATCH_NOT_SET is not set" in said


def test_a_match_without_words_is_shown_to_people(desk):
    desk.watchlist("other", 'title = "Other"\nquery = "NOT comet"\n')
    said = desk.does("explain", "-", stdin=BILL.encode()).stdout
    assert "other: alerts: 1.0 ≥ 1 because nothing that it excludes was found" in said
    assert "nothing found by: harbour" in desk.does("explain", "-", stdin=b"A comet is seen").stdout


def test_a_watchlist_asked_for_twice_speaks_once(desk):
    found = only(desk.lines("explain", "-", "--json", "--watchlist", "harbour", "--watchlist", "harbour", stdin=BILL.encode()))
    assert [verdict["watchlist"] for verdict in found["verdicts"]] == ["harbour"]


def test_a_feed_without_items_is_said_to_hold_none(desk):
    done = desk.does("explain", "-", stdin=rss())
    assert (done.exit_code, done.stdout, "the feed holds no items" in done.stderr) == (0, "", True)


def test_the_outlet_that_a_page_names_is_not_searched(desk):
    title = "Rain delays the match of the season | Harbour Daily"
    page = f'<html><head><meta property="og:title" content="{title}"><meta property="og:site_name" content="Harbour Daily"></head>'
    found = only(desk.lines("explain", "-", "--json", stdin=f"{page}<body><p>It was late.</p></body></html>".encode()))
    assert (found["document"]["title"], found["verdicts"][0]["hits"]) == (title, [])


def test_a_page_judged_as_an_entry_of_a_feed_is_in_its_language(desk):
    desk.write('[[feed]]\nname = "gazette"\nurl = "https://gazette.example/feed"\nlanguage = "de"\n')
    found = only(desk.lines("explain", "-", "--json", "--feed", "gazette", stdin=BILL.encode()))
    assert found["document"]["language"] == "de"


def test_scopes_hold_for_the_feed_that_a_document_shall_belong_to(desk):
    desk.feed("gazette", rss("x")).feed("herald", rss("y"))
    desk.watchlist("harbour", (desk.folder / "watchlists/harbour.toml").read_text().replace("[[term]]", '[scope]\nfeeds = ["gazette"]\n[[term]]', 1))
    said = {
        feed: only(desk.lines("explain", "-", "--json", "--feed", feed, stdin=BILL.encode()))["verdicts"][0]
        for feed in ("gazette", "herald")
    }
    assert said["gazette"]["verdict"] == "alert"
    assert (said["herald"]["verdict"], said["herald"]["reason"]) == ("silent", "out_of_scope")


@pytest.mark.parametrize("body", [b"", b" \n", b"\x00\x01\x02", b"<", b"\xff\xfe", b"{", b"%PDF-1.7 \xe2\xe3"], ids=repr)
def test_nothing_much_is_explained_or_refused_in_words(desk, body):
    assert desk.does("explain", "-", stdin=body).exit_code in (0, 1)


# ── channels ─────────────────────────────────────────────────────────────────────────────────────


def test_a_test_message_says_what_the_server_answered(desk):
    with FakeSlack() as slack, FakeHttp() as hook, FakeSmtp() as mail:
        for name, url in {"slack": slack.url, "hook": hook.url, "mail": mail.url_of("a@example.org", "b@example.org")}.items():
            desk.channel(name, url)
        done = desk.does("test-channel", "slack", "hook", "mail")
        assert done.exit_code == 0, done.output
        assert (len(slack.messages), len(hook.requests), len(mail.mails)) == (1, 1, 2)
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["slack", "hook", "mail", "mail"]
        assert "test" in json.dumps(slack.messages[0])


def test_a_channel_that_refuses_is_1_and_the_others_are_tried(desk):
    with FakeSlack() as slack, FakeHttp() as hook:
        desk.channel("slack", slack.url).channel("hook", hook.url)
        slack.fails_with(404)
        done = desk.does("test-channel", "slack", "hook")
        assert done.exit_code == 1
        assert "slack: failed" in done.stdout and "no_service" in done.stdout and "hook: accepted" in done.stdout
        assert slack.secret not in done.output


def test_an_unreachable_channel_is_1_in_words(desk):
    done = desk.channel("slack", "slack://T/B/C?base=http://127.0.0.1:9").does("test-channel", "slack")
    assert done.exit_code == 1 and "slack: failed" in done.stdout


def test_what_did_not_arrive_is_listed_whatever_its_age_with_notices(desk):
    with FakeHttp() as hook:
        hook.fails_with(400, times=9)
        desk.channel("hook", hook.url).feed("gazette", rss(BILL))
        desk.does("poll")
        with closing(sqlite3.connect(desk.folder / "wirewatch.db")) as database, database:
            database.execute("UPDATE alerts SET created_at = created_at - 30 * 86400000000")
        assert desk.lines("alerts", "--json") == []
        assert "`wirewatch alerts --undelivered` shows them" in desk.does("status").stdout
        (alert,) = desk.lines("alerts", "--undelivered", "--json")
        assert only(alert["deliveries"])["state"] == "dead"
        desk.channels = {"other": "console://"}
        desk.write()
        refused = desk.does("alerts", "retry", alert["id"])
        assert (refused.exit_code, "not configured any more: hook" in refused.output) == (1, True)


def test_dead_letters_are_sent_again_when_asked_and_only_then(desk):
    with FakeHttp() as hook:
        hook.fails_with(400, times=2)
        desk.channel("hook", hook.url).feed("gazette", rss(BILL))
        desk.does("poll")
        alert = only(desk.lines("alerts", "--json"))
        assert only(alert["deliveries"])["state"] == "dead"
        assert desk.does("status").exit_code == 1
        refused = desk.does("alerts", "retry", "unknown")
        assert (refused.exit_code, "nothing to send again" in refused.output) == (1, True)
        asked = len(hook.requests)
        assert desk.does("alerts", "retry", alert["id"]).exit_code == 0
        assert desk.does("poll").exit_code == 0
        assert len(hook.requests) == asked + 1
        assert only(only(desk.lines("alerts", "--json"))["deliveries"])["state"] == "delivered"
        assert desk.does("status").exit_code == 0
        assert desk.does("alerts", "retry", alert["id"]).exit_code == 1, "what was delivered is not sent again"


# ── what comes from outside ──────────────────────────────────────────────────────────────────────

SHOWING = ["stories", "alerts", "feeds", "status", "stories --json", "alerts --json", "feeds --json", "status --json"]


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """Everything an outsider can say, said with control characters: titles, feed titles, reasons, answers."""
    with FakeWeb() as served, FakeHttp() as hook:
        desk = Desk(tmp_path_factory.mktemp("nasty"), served)
        hook.fails_with(400, f"no {NASTY}".replace("\x00", ""), times=9)
        desk.channel("hook", hook.url)
        desk.feed("gazette", json_feed(NASTY, summary=NASTY, content_text=NASTY, authors=[{"name": NASTY}], language="e\x1b[0mn"))
        desk.web.page("/odd").answers(lambda _: (b"HTTP/1.1 500 \x1b]52;c;aGFjaw==\x07\r\nContent-Length: 0\r\n\r\n",))
        desk.web.page("/away").says(302, headers={"Location": "http://127.0.0.1:9/\x1b]52;c;aGFjaw==\x07\x9b2J".encode("latin-1")})
        desk.feeds |= {name: desk.web.url(f"/{name}") for name in ("odd", "away")}
        desk.write()
        for _ in range(3):
            desk.polls = desk.does("poll", "--all")
        assert [row["state"] for row in desk.lines("feeds", "--json")] == ["failing", "ok", "failing"]
        yield desk


@pytest.mark.parametrize("line", SHOWING)
def test_no_control_characters_reach_the_terminal(nasty, line):
    done = nasty.does(*line.split())
    assert done.stdout and not NOT_FOR_TERMINALS.findall(done.stdout + done.stderr)


def test_no_control_characters_are_in_what_poll_says(nasty):
    assert not NOT_FOR_TERMINALS.findall(nasty.polls.stdout + nasty.polls.stderr)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["for people", "as JSON"])
def test_no_control_characters_are_in_an_explanation(nasty, more):
    story = nasty.lines("stories", "--json")[0]["id"]
    (nasty.folder / "feed.json").write_bytes(json_feed(NASTY, summary=NASTY))
    (nasty.folder / "page.html").write_text(f"<html><head><title>{NASTY}</title></head><body><p>{NASTY}</p></body></html>")
    (nasty.folder / "text.txt").write_text(NASTY)
    for source in (story, *(str(nasty.folder / name) for name in ("feed.json", "page.html", "text.txt"))):
        done = nasty.does("explain", source, *more)
        assert done.exit_code == 0, (source, done.stderr)
        assert not NOT_FOR_TERMINALS.findall(done.stdout), source


def test_no_control_characters_are_in_a_test_channels_answer(desk):
    with FakeHttp() as hook:
        hook.fails_with(400, "no \x1b]52;c;aGFjaw==\x07 \x9b2J")
        done = desk.channel("hook", hook.url).does("test-channel", "hook")
        assert done.exit_code == 1 and not NOT_FOR_TERMINALS.findall(done.output)


def test_the_console_channel_shows_no_control_characters(desk):
    done = desk.channel("desk2", "console://").feed("gazette", json_feed(NASTY, summary=NASTY)).does("poll")
    assert "harbour" in done.stdout and not NOT_FOR_TERMINALS.findall(done.stdout)


def test_one_story_is_one_line_in_a_pipe(desk):
    desk.feed("gazette", json_feed("Harbour\nstory\tone\r\u2028two")).does("poll")
    assert len(only(desk.does("stories").stdout.splitlines()).split("\t")) == 6


def test_a_headline_with_half_a_character_harms_nothing(desk):
    body = json_feed("Harbour @@ news").replace(b"@@", b"\\ud83d")
    assert desk.feed("gazette", body).does("poll").exit_code == 0
    for line in ("stories", "stories --json", "alerts", "alerts --json"):
        assert desk.does(*line.split()).exit_code == 0, line


# ── help, schema, check ──────────────────────────────────────────────────────────────────────────


def commands(group=main, path=()):
    for name, command in sorted(group.commands.items()):
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = list(commands())


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_helps(path, command):
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert command.help and done.stdout.startswith("Usage: ")
    if any(isinstance(parameter, click.Argument) for parameter in command.params):
        assert f"wirewatch {' '.join(path)} " in done.stdout.partition("\n")[2], "shows an example"


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_takes_config_behind_its_name(path):
    assert "--config" in CliRunner().invoke(main, [*path, "--help"]).stdout


CONTRACT = [
    "demo", "run", "poll", "check", "explain", "stories", "alerts", "alerts retry", "feeds", "feeds export", "test-channel", "status", "schema",
    "backtest", "watchlists", "watchlists list", "watchlists new", "watchlists variants", "watchlists feedback",
]  # fmt: skip


@pytest.mark.parametrize("line", CONTRACT)
def test_every_command_of_the_contract_is_there(line):
    assert CliRunner().invoke(main, [*line.split(), "--help"]).exit_code == 0


HEAVY = ("feedparser", "apprise", "trafilatura", "sqlalchemy", "aiohttp", "pydantic", "lxml", "rich", "apscheduler")


HEAVY_FOR_CHECK = ("asyncio", "logging", "xml.etree", "prometheus_client", *(name for name in HEAVY if name != "pydantic"))
HEAVY_FOR_POLL = (
    "feedparser", "apprise", "trafilatura", "lxml", "rich", "apscheduler", "jinja2", "alembic", "sqlalchemy.dialects.postgresql",
)  # fmt: skip


def loaded(names, *line):
    """Which of these modules a command has loaded when it ends."""
    code = (
        "import sys\nfrom monitor.cli import main\n"
        f"try: main({line!r})\nexcept SystemExit as end: assert end.code == 0\n"
        f"print('loaded:', *[name for name in {names!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.rpartition("loaded:")[2].split()


@pytest.mark.parametrize("line", ["--help", "poll --help", "--version"])
def test_help_loads_nothing_heavy(line):
    assert loaded(HEAVY, *line.split()) == []


def test_check_loads_nothing_that_it_does_not_ask(desk):
    assert loaded(HEAVY_FOR_CHECK, "--config", str(desk.config), "check") == []


def test_a_pass_in_which_nothing_is_new_loads_no_parser_no_page_and_no_other_database(polled):
    polled.web.page("/gazette").says(304, b"")
    assert loaded(HEAVY_FOR_POLL, "--config", str(polled.config), "poll") == []


def schema_of(what):
    done = CliRunner().invoke(main, ["schema", what])
    assert done.exit_code == 0
    return json.loads(done.stdout)


def resolve(schema, part):
    while "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def unknown_keys(schema, part, value, path=""):
    """Keys of a document that its schema does not name, or required ones that are missing."""
    part = resolve(schema, part)
    choices = [resolve(schema, choice) for choice in part.get("anyOf", part.get("oneOf", []))]
    if choices:
        tried = [unknown_keys(schema, choice, value, path) for choice in choices if fits(choice, value)]
        return min(tried, key=len, default=[f"{path}: fits no choice"])
    if isinstance(value, dict):
        named, rest = part.get("properties", {}), part.get("additionalProperties", False)
        found = [f"{path}.{key}: missing" for key in part.get("required", ()) if key not in value]
        for key, inner in value.items():
            if key in named:
                found += unknown_keys(schema, named[key], inner, f"{path}.{key}")
            elif isinstance(rest, dict):
                found += unknown_keys(schema, rest, inner, f"{path}.{key}")
            elif rest is False:
                found.append(f"{path}.{key}: unknown")
        return found
    if isinstance(value, list) and "items" in part:
        return [one for number, inner in enumerate(value) for one in unknown_keys(schema, part["items"], inner, f"{path}[{number}]")]
    return [] if fits(part, value) else [f"{path}: {value!r} is no {part.get('type')}"]


def fits(part, value):
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    wanted = part.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return not wanted or any(isinstance(value, kinds[one]) and not (isinstance(value, bool) and one in ("integer", "number")) for one in wanted)


DOCUMENTS = [("config", "config.example.toml"), *(("watchlist", f"watchlists/{path.name}") for path in sorted((ROOT / "watchlists").glob("*.toml")))]


@pytest.mark.parametrize(("what", "path"), DOCUMENTS, ids=[path for _, path in DOCUMENTS])
def test_the_schema_describes_the_files_that_we_ship(what, path):
    schema = schema_of(what)
    assert unknown_keys(schema, schema, tomllib.loads((ROOT / path).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("what", ["config", "watchlist"])
def test_a_schema_says_which_draft_it_is_written_in(what):
    assert schema_of(what)["$schema"].startswith("https://json-schema.org/draft/")


@pytest.mark.parametrize("what", ["config", "watchlist"])
def test_the_defaults_of_a_schema_fit_it(what):
    schema = schema_of(what)
    tables = [schema, *schema.get("$defs", {}).values()]
    keys = [(name, value) for table in tables for name, value in table.get("properties", {}).items()]
    odd = [name for name, key in keys if "pattern" in key and key.get("default") and not re.search(key["pattern"], str(key["default"]))]
    assert odd == []


@pytest.mark.parametrize("what", ["config", "watchlist"])
def test_every_key_of_a_schema_is_described_and_unknown_ones_are_refused(what):
    schema = schema_of(what)
    tables = [schema, *schema.get("$defs", {}).values()]
    undescribed = [
        key
        for table in tables
        for key, value in table.get("properties", {}).items()
        if not value.get("description") and not (value.get("$ref") and schema["$defs"][value["$ref"].rpartition("/")[2]].get("description"))
    ]
    assert undescribed == []
    assert unknown_keys(schema, schema, {"intervall": 1}) != []


def test_check_tells_what_it_understood(desk):
    done = desk.feed("gazette", rss("x")).does("check")
    assert done.exit_code == 0
    assert "1 feed, 1 channel, 1 route" in done.stdout and "harbour: “The harbour”, 1 term, alerts at 2" in done.stdout


def test_the_example_configuration_and_watchlists_are_right(tmp_path):
    shutil.copytree(ROOT / "watchlists", tmp_path / "watchlists")
    shutil.copy(ROOT / "config.example.toml", tmp_path / "config.toml")
    done = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "config.toml")])
    assert done.exit_code == 0, done.output


def test_a_watchlist_whose_own_test_fails_is_65(desk):
    desk.watchlist("harbour", (desk.folder / "watchlists/harbour.toml").read_text() + '[[test]]\ntext = "A comet is seen"\nexpect = "alert"\n')
    done = desk.does("check")
    assert done.exit_code == 65 and "harbour.toml:" in done.stderr


def test_the_module_is_the_same_program():
    assert "Usage: " in subprocess.run([sys.executable, "-m", "monitor", "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_closed_pipe_is_no_traceback(archive):
    line = f"{sys.executable} -m monitor --config {archive.config} stories --json | true"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


ENDS = """
import atexit, sys, threading, time
from monitor import cli

class Module:
    def __del__(self):
        print("taken apart")

def work():
    time.sleep(0.3)
    print("a thread ends")

def main():
    global kept
    kept = Module()
    atexit.register(print, "an exit handler runs")
    threading.Thread(target=work).start()
    print("the command ends")
    {end}

cli.main = main
cli.program()
"""
WHOLE = ["the command ends", "a thread ends", "an exit handler runs"]


def ended(end, *, before="", stdout=subprocess.PIPE):
    """A process whose command ends so."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", before + ENDS.format(end=end)], cwd=ROOT, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize(("end", "code"), [("sys.exit(0)", 0), ("sys.exit(65)", 65), ("raise SystemExit(True)", 1), ("sys.exit(256)", 0)])
def test_the_program_ends_when_threads_handlers_and_output_are_done_and_takes_no_module_apart(end, code):
    done = ended(end)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (code, WHOLE, "")


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [("{}[0]", 1, "KeyError: 0"), ("sys.exit('why')", 1, "why"), ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"), ("sys.exit()", 0, "")],
)
def test_what_is_no_exit_code_of_ours_is_left_to_python(end, code, says):
    done = ended(end)
    assert (done.returncode, done.stdout.splitlines()) == (code, [*WHOLE, "taken apart"])
    assert done.stderr.strip().endswith(says)


def test_exit_handlers_of_who_came_before_the_program_run_as_well():
    done = ended("sys.exit(3)", before="import atexit\natexit.register(print, 'a tracer saves')\n")
    assert (done.returncode, done.stdout.splitlines()) == (3, [*WHOLE, "a tracer saves", "taken apart"])


def test_output_that_cannot_be_written_is_said_as_python_says_it():
    with open("/dev/full", "w") as full:
        done = ended("sys.exit(0)", stdout=full)
    assert done.returncode == 120 and "No space left on device" in done.stderr


def test_the_installed_program_has_no_exit_handlers_before_it():
    code = "import atexit, monitor.cli; print(atexit._ncallbacks())"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "0\n"


@pytest.mark.parametrize(("line", "code"), [("--version", 0), ("nonsense", 2), ("check --config nowhere.toml", 65)])
def test_exit_codes_reach_who_called(line, code):
    done = subprocess.run([sys.executable, "-m", "monitor", *line.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr


def test_secrets_are_in_nothing_that_is_said(desk):
    (Path(desk.folder) / "secret").write_text("c4nary!p\"w")
    (Path(desk.folder) / "secret").chmod(0o600)
    desk.feeds["gazette"] = desk.web.url("/gazette")
    desk.channels = {}
    desk.write('[channel.desk]\nurl = "slack://T/B/{word}?base=http://127.0.0.1:9"\nword = { file = "secret" }\n[[route]]\nchannels = ["desk"]\ngroup_wait = "0s"\n')
    desk.web.page("/gazette").says(200, rss(BILL)).then(500)
    said = [desk.does(*line.split()).output for line in ("poll", "poll --all", "check", "feeds", "feeds --json", "alerts --json", "status", "test-channel desk")]
    assert "c4nary" not in "".join(said)


def test_exported_feeds_can_be_read_back_and_hold_no_login(desk):
    from monitor.opml import read_opml

    (desk.folder / "config.toml").write_text(
        '[[feed]]\nurl = "https://desk:c4nary@paid.example/feed?a=1&b=2"\noutlet = "Paid & Co"\n[[feed]]\nurl = "https://herald.example/rss"\n'
    )
    done = CliRunner().invoke(main, ["feeds", "export", "--config", str(desk.folder / "config.toml")])
    (desk.folder / "out.opml").write_text(done.stdout)
    assert done.exit_code == 0 and "c4nary" not in done.stdout
    assert [(one.url, one.title) for one in read_opml(desk.folder / "out.opml")] == [
        ("https://paid.example/feed?a=1&b=2", "Paid & Co"),
        ("https://herald.example/rss", "herald-example"),
    ]
