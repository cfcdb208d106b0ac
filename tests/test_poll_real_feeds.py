"""All the real feeds at once, through one real `poll`: nothing breaks, everything is kept, nothing comes twice."""

from __future__ import annotations

import gzip
from collections import Counter
from io import BytesIO
from pathlib import Path

import feedparser
import pytest

from monitor.store.database import Database
from monitor.store.schema import entries
from tests.desk import Desk
from tests.fakeweb import FakeWeb

NOT_FEEDS = {"Ranchero__DaringFireball.html", "aaronpk__html_page.html"}
HARBOUR = """\
title = "Everything"
threshold = 2
backfill = "36500d"
[[term]]
any = ["apple", "the"]
weight = 2
"""


def body_of(path: Path) -> bytes:
    body = path.read_bytes()
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def theirs(path: Path) -> int:
    """How many different entries feedparser finds that say anything: those without an id count by address, then by all they say."""
    found = feedparser.parse(BytesIO(body_of(path)), sanitize_html=False, resolve_relative_uris=False).entries
    found = [one for one in found if one.get("title") or one.get("summary") or one.get("content")]
    return len({one.get("id") or one.get("link") or repr(sorted(one.items(), key=str)) for one in found})


# file → entries fewer than feedparser's, and why
FEWER: dict[str, tuple[int, str]] = {}


@pytest.fixture(scope="module")
def files(shared_data):
    found = sorted(path for path in (shared_data / "feeds").glob("*") if not path.name.startswith("INDEX"))
    if not found:
        pytest.skip("needs the real feeds in ../shared/data/feeds")
    return found


@pytest.fixture(scope="module")
def polled(files, tmp_path_factory):
    """Everything polled once, and what that said; then everything once more."""
    with FakeWeb() as web:
        desk = Desk(tmp_path_factory.mktemp("desk"), web)
        for number, path in enumerate(files):
            web.page(f"/{number}").says(200, path.read_bytes())
            desk.feeds[f"f{number}"] = web.url(f"/{number}")
        desk.watchlist("harbour", HARBOUR)
        desk.write()
        first = desk.does("poll")
        kept = counts(desk)
        rows = desk.lines("feeds", "--json")
        second = desk.does("poll", "--all")
        yield desk, first, kept, rows, second


def counts(desk) -> Counter:
    database = Database.open_reader(str(desk.folder / "wirewatch.db"))
    with database.read() as tx:
        found = Counter(row.feed for row in tx.execute(entries.select()))
    database.close()
    return found


def test_all_the_feeds_are_there(files):
    assert len(files) == 132


def test_only_what_is_no_feed_fails_and_in_words(polled, files):
    desk, first, _, rows, _ = polled
    failed = {files[int(row["name"][1:])].name: row["last_error"] for row in rows if row["state"] != "ok"}
    assert set(failed) == NOT_FEEDS
    assert first.exit_code == 1
    for word in ("Traceback", "internal error"):
        assert word not in first.stderr and word not in str(failed)


def test_no_entry_is_lost(polled, files):
    _, _, kept, _, _ = polled
    fewer = {}
    for number, path in enumerate(files):
        if path.name not in NOT_FEEDS and kept[f"f{number}"] < theirs(path):
            fewer[path.name] = theirs(path) - kept[f"f{number}"]
    assert fewer == {name: count for name, (count, _) in FEWER.items()}


def test_the_second_poll_adds_nothing(polled):
    desk, _, kept, _, second = polled
    assert "0 new entries, 0 of them copies, 0 alerts" in second.stderr
    assert counts(desk) == kept
    assert second.stdout == ""


def test_stories_are_as_the_contract_has_them(polled):
    desk, *_ = polled
    stories = desk.lines("stories", "--json")
    assert sum(len(story["pickups"]) for story in stories) == sum(counts(desk).values())
    assert all(story["first_seen_at"] for story in stories)
    for command in ("stories", "alerts", "feeds"):
        assert desk.does(command).exit_code == 0


def test_alerts_from_first_checks_are_bounded(polled):
    desk, *_ = polled
    alerts = desk.lines("alerts", "--json")
    per_feed = Counter(pickup["feed"] for story in desk.lines("stories", "--json") if story["id"] in {a["story"] for a in alerts} for pickup in story["pickups"][:1])
    assert not per_feed or max(per_feed.values()) <= 10
