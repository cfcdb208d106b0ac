"""Real feeds, read in place, against feedparser: every difference is known and has a reason."""

import gzip
import os
from calendar import timegm
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import feedparser
import pytest

from monitor.core.parse import parse_fast, parse_feed
from monitor.core.plain import plain_text
from monitor.core.urls import resolved
from monitor.errors import ParseError

FEEDS = Path(os.environ.get("WIREWATCH_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "feeds"
FILES = sorted(path for path in FEEDS.glob("*") if not path.name.startswith("INDEX"))
URL = "http://feeds.example.org/folder/feed.xml"

pytestmark = pytest.mark.skipif(not FILES, reason=f"the real feeds are not at {FEEDS}")

NOT_FEEDS = {"Ranchero__DaringFireball.html", "aaronpk__html_page.html"}

# reason → file, field, number of entries that differ
ACCEPTED = {
    "the address before FeedBurner's redirect is preferred": [
        ("aaronpk__googleblog.xml", "link", 25),
        ("aaronpk__rss_10.xml", "link", 1),
        ("aaronpk__rss_20.xml", "link", 1),
        ("codehollow__Rss20BreakingNews.xml", "link", 10),
        ("codehollow__Rss20Reuters.xml", "link", 10),
        ("feedjira__FeedBurnerXHTML.xml", "link", 10),
        ("feedjira__TechCrunch.xml", "link", 20),
        ("rbren__encoding.rss", "link", 40),
        ("rbren__feedburner.atom", "link", 25),
    ],
    "feedparser reads 2020/1/10 as the first of November": [("Ranchero__kc0011.rss", "date", 20)],
    "feedparser knows no Portuguese months": [("rbren__uolNoticias.rss", "date", 15)],
    "feedparser makes an address of an id that is none": [("rbren__reddit-home.rss", "id", 24)],
    "an item inside an item comes before it instead of after": [
        ("danmactoug__illegally-nested.xml", "date", 20),
        ("danmactoug__illegally-nested.xml", "link", 20),
        ("danmactoug__illegally-nested.xml", "title", 20),
    ],
    "neither can read an undeclared Japanese encoding; the noise differs": [
        ("kurtmckee__chardet_shiftjis.xml", "title", 1),
    ],
}


@cache
def body_of(path: Path) -> bytes:
    body = path.read_bytes()
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@cache
def theirs(path: Path):
    return feedparser.parse(BytesIO(body_of(path)), sanitize_html=False, resolve_relative_uris=False).entries


def our_fields(entry):
    published = entry.published_at or entry.updated_at
    return {
        "id": entry.guid or "",
        "title": plain_text(entry.title, is_text=entry.title_is_text),
        "link": entry.link or "",
        "date": published and published.replace(microsecond=0),
    }


def their_fields(entry):
    names = ("published_parsed", "updated_parsed", "created_parsed")
    published = next((entry[name] for name in names if name in entry), None)
    return {
        "id": entry.get("id") or "",
        "title": plain_text(entry.get("title") or ""),
        "link": resolved(entry["link"], base=URL) if entry.get("link") else "",
        "date": datetime.fromtimestamp(timegm(published), UTC) if published else None,
    }


def differences(path: Path) -> dict[str, int]:
    ours = parse_feed(path.read_bytes(), url=URL).entries
    found: Counter[str] = Counter()
    for our, their in zip(ours, theirs(path), strict=False):
        our_said, their_said = our_fields(our), their_fields(their)
        found.update(field for field in our_said if our_said[field] != their_said[field])
    return dict(found)


def test_all_the_feeds_are_there():
    assert len(FILES) == 132


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_feed_is_read_or_refused_in_words(path):
    if path.name in NOT_FEEDS:
        with pytest.raises(ParseError, match="an HTML page instead of a feed"):
            parse_feed(path.read_bytes(), url=URL)
        return

    feed = parse_feed(path.read_bytes(), url=URL)

    assert len(feed.entries) + feed.truncated >= len(theirs(path))
    assert differences(path) == {
        field: count for listed in ACCEPTED.values() for name, field, count in listed if name == path.name
    }


def test_the_fast_path_takes_most_of_them():
    taken = 0
    for path in FILES:
        try:
            taken += parse_fast(path.read_bytes(), url=URL) is not None
        except ParseError:
            pass

    assert taken >= 112
