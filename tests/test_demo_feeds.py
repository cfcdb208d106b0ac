"""The demo's sample feeds are sound documents, and `expected.toml` tells the truth about every entry.

Reads the documents with feedparser and json, so that a mistake in them cannot hide behind our own parser; the last
cases then hold the line's own recognition of copies against that truth.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.error import URLError
from urllib.request import urlopen

import feedparser
import pytest
from lxml import etree
from rapidfuzz import fuzz

import monitor.demo
from monitor.core.dedup import recognise
from monitor.core.normalise import normalise
from monitor.core.parse import parse_feed
from monitor.core.pipeline import story_text
from monitor.core.score import compile_watchlists, score_story
from monitor.demo.serve import sample_feeds
from monitor.model import Entry, Feed, Match, Origin, Reason, Snapshot, Verdict
from monitor.watchlists import load_watchlists

SAMPLES = Path(__file__).parents[1] / "watchlists"
FEEDS = Path(monitor.demo.__file__).parent / "feeds"
DOCUMENTS = sorted(path for path in FEEDS.iterdir() if path.suffix in {".xml", ".json"})
XML = [path for path in DOCUMENTS if path.suffix == ".xml"]
NOW = datetime(2026, 8, 18, 12, 0, tzinfo=UTC)
RECENT = timedelta(hours=20)
STORY_WINDOW = timedelta(hours=72)
WATCHLISTS = {"dprk-arms-exports", "northfield-semiconductor", "earthquake"}
KINDS = {"founder", "copy", "same-event", "template", "homonym", "other"}
FORMATS = {
    "cascade-business-daily": "json11",
    "courrier-de-vaubrun": "json11",
    "granite-post": "rss10",
    "harbour-gazette": "rss20",
    "lagune-morgenblatt": "rss20",
    "meridian-wire": "atom10",
    "noeul-ilbo": "atom10",
    "northern-chronicle": "rss20",
    "shiomi-shinpo": "atom10",
    "tidewater-review": "atom10",
}
# Addresses that name a format and are never fetched.
NAMESPACES = ("http://purl.org/", "http://www.w3.org/", "https://jsonfeed.org/")
by_file = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Item:
    """One entry as another reader than ours sees it."""

    feed: str
    id: str
    title: str
    link: str
    text: str
    published_at: datetime


def served(path: Path) -> bytes:
    """The document as the demo serves it at NOW."""
    return sample_feeds(NOW)[path.name]


@cache
def document(path: Path) -> tuple[str, str, tuple[Item, ...]]:
    """Format, outlet and entries of one file, as feedparser or json reads it."""
    if path.suffix == ".json":
        feed = json.loads(served(path))
        version = feed["version"].rsplit("/", 1)[1].replace(".", "")
        return f"json{version}", feed["title"], tuple(_json_item(path, i) for i in feed["items"])
    feed = feedparser.parse(served(path))
    return feed.version, feed.feed.title, tuple(_xml_item(path, entry) for entry in feed.entries)


def _json_item(path: Path, item: dict) -> Item:
    text = "\n".join(item.get(name, "") for name in ("summary", "content_text", "content_html"))
    published_at = datetime.fromisoformat(item["date_published"])
    return Item(path.stem, item["id"], item["title"], item["url"], text, published_at)


def _xml_item(path: Path, entry: feedparser.FeedParserDict) -> Item:
    text = "\n".join([entry.get("summary", ""), *(content.value for content in entry.get("content", ()))])
    published = entry.get("published_parsed") or entry.updated_parsed
    return Item(path.stem, entry.id, entry.title, entry.link, text, datetime(*published[:6], tzinfo=UTC))


def everything() -> list[Item]:
    return [item for path in DOCUMENTS for item in document(path)[2]]


def expected() -> dict[tuple[str, str], dict]:
    rows = tomllib.loads((FEEDS / "expected.toml").read_text("utf-8"))["entry"]
    truth = {(row["feed"], row["id"]): row for row in rows}
    assert len(truth) == len(rows), "an entry is described twice"
    return truth


def by_story() -> dict[str, list[tuple[Item, dict]]]:
    """Items of each story with what is said of them, oldest first."""
    truth, stories = expected(), defaultdict(list)
    for item in sorted(everything(), key=lambda item: item.published_at):
        row = truth[item.feed, item.id]
        stories[row["story"]].append((item, row))
    return stories


# ── the documents ────────────────────────────────────────────────────────────────────────────────


def test_there_are_enough_outlets_entries_and_formats():
    outlets = {document(path)[1] for path in DOCUMENTS}
    assert len(outlets) == len(DOCUMENTS) >= 8
    assert 60 <= len(everything()) <= 80
    assert {path.stem: document(path)[0] for path in DOCUMENTS} == FORMATS


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_an_xml_document_is_well_formed_and_feedparser_has_no_complaint(path):
    etree.fromstring(served(path))
    read = feedparser.parse(served(path), response_headers={"content-type": "application/xml"})
    assert not read.bozo, read.get("bozo_exception")


@by_file
def test_a_document_holds_no_token_that_nobody_replaces(path):
    assert b"{{" not in served(path) and b"}}" not in served(path)


@by_file
def test_every_entry_has_a_title_an_address_a_text_and_an_id_of_its_own(path):
    items = document(path)[2]
    assert items and all(item.title and item.link and item.text.strip() for item in items)
    assert len({item.id for item in items}) == len({item.link for item in items}) == len(items)


@by_file
def test_every_address_lies_in_the_domain_that_cannot_exist(path):
    addresses = re.findall(r"https?://[^\s\"'<>&]+", served(path).decode("utf-8", "replace"))
    foreign = [a for a in addresses if not a.startswith(NAMESPACES) and not urlsplit(a).hostname.endswith(".example")]
    assert not foreign


@by_file
def test_every_document_says_that_it_is_invented(path):
    assert re.search(rb"Invented news|Nouvelles invent", path.read_bytes())


def test_all_entries_are_of_the_last_twenty_hours_but_for_three_of_days_ago():
    ages = sorted(NOW - item.published_at for item in everything())
    assert ages[0] > timedelta(0) and ages[-4] <= RECENT
    assert [age.days for age in ages[-3:]] == [3, 5, 9]


def test_one_document_is_declared_iso_8859_1_and_is():
    body = (FEEDS / "lagune-morgenblatt.xml").read_bytes()
    assert body.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")
    assert "Möller" in body.decode("iso-8859-1")
    assert any("für" in item.text or "über" in item.title for item in document(FEEDS / "lagune-morgenblatt.xml")[2])


def test_one_feed_brings_full_texts_and_one_wraps_html_in_both_manners():
    full = (FEEDS / "harbour-gazette.xml").read_text("utf-8")
    assert full.count("<content:encoded>") == full.count("<item>")
    html = (FEEDS / "northern-chronicle.xml").read_text("utf-8")
    assert "<![CDATA[" in html and "&lt;p&gt;" in html and "&amp;rsquo;" in html and "&#8216;" in html


# ── the truth about them ─────────────────────────────────────────────────────────────────────────


def test_every_entry_is_in_expected_toml_and_nothing_else_is():
    assert {(item.feed, item.id) for item in everything()} == set(expected())


def test_the_truth_uses_only_words_that_are_explained():
    reasons = {"vetoed", "required_absent", "below_threshold", "backlog"}
    assert reasons <= set(Reason)
    for key, row in expected().items():
        assert row["kind"] in KINDS, key
        assert set(row["alert"]) | set(row.get("silent", ())) <= WATCHLISTS, key
        assert set(row.get("silent", {}).values()) <= reasons, key
        assert not set(row["alert"]) & set(row.get("silent", ())), key
        assert row["kind"] == "other" or row["why"], key


def test_every_kind_occurs():
    assert {row["kind"] for row in expected().values()} == KINDS


def test_of_copies_the_oldest_is_the_founder_and_all_others_stand_alone():
    for name, members in by_story().items():
        kinds = [row["kind"] for _, row in members]
        if len(kinds) > 1:
            assert kinds == ["founder"] + ["copy"] * (len(kinds) - 1), name
            assert len({tuple(row["alert"]) for _, row in members}) == 1, name
        else:
            assert kinds[0] not in {"founder", "copy"}, name


def test_the_wire_story_runs_in_six_outlets_in_every_manner_a_copy_can_take():
    members = [item for item, _ in by_story()["rajin-shells"]]
    titles = [item.title for item in members]
    assert len({item.feed for item in members}) == 6 and len(members) >= 7
    assert len(re.sub(r"<[^>]+>", " ", members[0].text).split()) >= 250
    assert any(title.startswith("UPDATE 2-") for title in titles)
    assert any(title.startswith("CORRECTED-") for title in titles)
    assert any(title.endswith(" - Tidewater Review") for title in titles)
    assert any(re.search(r"\S…(</p>)?$", item.text.strip()) for item in members)
    assert any("Sign up" in item.text and "Copyright" in item.text for item in members)


@pytest.mark.parametrize(
    ("story", "outlets"),
    [
        pytest.param("valmora-earthquake", 5, id="the earthquake in five"),
        pytest.param("ellery-plant", 3, id="the plant's closure in three"),
    ],
)
def test_a_story_with_copies_runs_in_as_many_outlets_as_meant(story, outlets):
    assert len({item.feed for item, _ in by_story()[story]}) == outlets


@pytest.mark.parametrize("watchlist", sorted(WATCHLISTS))
def test_each_watchlist_has_something_to_alert_on_to_keep_silent_about_and_to_leave_as_backlog(watchlist):
    rows = expected().values()
    reasons = {row["silent"][watchlist] for row in rows if watchlist in row.get("silent", ())}
    assert any(watchlist in row["alert"] for row in rows)
    assert "backlog" in reasons and reasons & {"vetoed", "required_absent", "below_threshold"}


def test_the_three_old_entries_are_the_backlog():
    truth = expected()
    old = {(item.feed, item.id) for item in everything() if NOW - item.published_at > timedelta(days=1)}
    assert old == {key for key, row in truth.items() if "backlog" in row.get("silent", {}).values()}


def test_every_template_has_a_sister_in_its_outlet_that_looks_much_like_it():
    truth, titles = expected(), defaultdict(list)
    for item in everything():
        if truth[item.feed, item.id]["kind"] == "template":
            titles[item.feed].append(item.title)
    for feed, own in titles.items():
        for title in own:
            likeness = max(fuzz.token_sort_ratio(title, other) for other in own if other != title)
            assert 70 <= likeness < 100, (feed, title)


# ── the line against the truth ───────────────────────────────────────────────────────────────────


@cache
def read() -> tuple[Entry, ...]:
    """All entries as our own line reads them, oldest first."""
    entries = []
    for path in DOCUMENTS:
        feed = Feed(name=path.stem, url=f"http://127.0.0.1/{path.name}")
        entries.extend(normalise(parse_feed(served(path), url=feed.url), feed, now=NOW))
    return tuple(sorted(entries, key=lambda entry: entry.published_at))


def test_the_line_reads_every_entry_under_its_own_id():
    assert Counter((entry.feed, entry.guid) for entry in read()) == Counter(expected().keys())


@pytest.mark.parametrize(
    "entries", [read, lambda: read()[::-1]], ids=["in the order of the news", "with the newest first"]
)
def test_the_line_finds_exactly_the_stories_that_are_true(entries):
    truth, found, meant = expected(), defaultdict(set), defaultdict(set)
    assignments = recognise(entries(), Snapshot(), now=NOW, window=STORY_WINDOW)
    for entry, assignment in zip(entries(), assignments, strict=True):
        found[assignment.story].add((entry.feed, entry.guid))
        meant[truth[entry.feed, entry.guid]["story"]].add((entry.feed, entry.guid))
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, meant.values()))


def test_the_line_names_the_agency_where_the_truth_does():
    truth = expected()
    credits = {(e.feed, e.guid): e.credit for e in read() if e.credit}
    assert credits == {key: row["credit"] for key, row in truth.items() if "credit" in row}


def test_the_line_knows_the_update_and_the_correction_by_their_slugs():
    assert Counter(entry.slug for entry in read() if entry.slug) == {"UPDATE 2": 2, "CORRECTED": 1}


@cache
def matches() -> dict[tuple[str, str], tuple[Match, ...]]:
    """What the sample watchlists say of each entry's own text."""
    compiled = compile_watchlists(load_watchlists(SAMPLES))
    return {(e.feed, e.guid): score_story(story_text(e), (Origin(feed=e.feed),), compiled) for e in read()}


def test_the_sample_watchlists_alert_on_exactly_what_the_truth_says_and_on_the_backlog():
    for key, row in expected().items():
        backlog = {name for name, reason in row.get("silent", {}).items() if reason == "backlog"}
        found = {match.watchlist for match in matches()[key] if match.verdict is not Verdict.SILENT}
        assert found & WATCHLISTS == set(row["alert"]) | backlog, key


def test_the_sample_watchlists_are_silent_for_the_reasons_that_the_truth_gives():
    for key, row in expected().items():
        said = {match.watchlist: match.reason for match in matches()[key]}
        for watchlist, reason in row.get("silent", {}).items():
            assert reason == "backlog" or said.get(watchlist, Reason.REQUIRED_ABSENT) == reason, key


def test_an_alert_is_urgent_exactly_where_the_truth_says_so():
    urgent = {
        key for key, found in matches().items() for match in found
        if match.verdict is Verdict.URGENT and match.watchlist in expected()[key]["alert"]
    }
    assert urgent == {key for key, row in expected().items() if row.get("urgent")}


@contextmanager
def demo(*options, **environment):
    """The demo in a process of its own, as it begins to print."""
    began = subprocess.Popen([sys.executable, "-m", "monitor", "demo", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment})
    try:
        yield began
    finally:
        began.kill()
        began.communicate()


def answers(address: str) -> int:
    """The status of a page that comes up in the next moments."""
    for _ in range(100):
        with contextlib.suppress(URLError), urlopen(address, timeout=10) as answer:
            return answer.status
        time.sleep(0.1)
    return 0


def test_the_demo_announces_the_page_that_is_its_own():
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # taken by somebody else, which is as good
            other.bind(("127.0.0.1", 8585))
            other.listen()
        with demo("--serve") as running:
            said = next(line for line in running.stdout if line.startswith("status page: "))
            address = said.split()[2]
            assert address != "http://127.0.0.1:8585/"
            assert answers(f"{address}healthz") == 200
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0


def test_a_demo_that_is_interrupted_says_so(tmp_path):
    with demo(TMPDIR=str(tmp_path)) as running:
        while not list(tmp_path.glob("wirewatch-demo-*/config.toml")):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
