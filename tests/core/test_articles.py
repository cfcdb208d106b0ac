"""Which pages are worth reading, and what of a page becomes the story's text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.core.articles import belongs, near, with_page, worth_reading
from monitor.core.domains import domain_of, origin_of
from monitor.core.policy import Policy
from monitor.core.score import compile_watchlists
from monitor.model import Alert, Assignment, Decision, Feed, Judged, ParsedEntry, Reason, Standing, Verdict
from tests.builders import NOW, ago, alert, entry, match, told_as

GAZETTE = Feed(name="gazette", url="https://feeds.gazette.co.uk/rss")
BEFORE = Standing(story="s1", first_seen_at=NOW)


def silent(score, reason=Reason.BELOW_THRESHOLD):
    return match(Verdict.SILENT, score=score, reason=reason)


NEAR = [
    ("half the threshold", silent(1.0), BEFORE, True),
    ("less", silent(0.99), BEFORE, False),
    ("all of it, but for a required term", silent(5.0, Reason.REQUIRED_ABSENT), BEFORE, True),
    ("vetoed", silent(5.0, Reason.VETOED), BEFORE, False),
    ("out of scope", silent(5.0, Reason.OUT_OF_SCOPE), BEFORE, False),
    ("an alert", match(), BEFORE, False),
    ("told before", silent(1.0), Standing(story="s1", first_seen_at=NOW, alerted=(told_as(),)), False),
]


@pytest.mark.parametrize(("one", "before", "expected"), [case[1:] for case in NEAR], ids=[case[0] for case in NEAR])
def test_near_is(one, before, expected):
    assert near((one,), before) is expected


BELONGING = [
    ("the feed's own host", "https://feeds.gazette.co.uk/1", True),
    ("another of its domain", "https://www.gazette.co.uk/1", True),
    ("one under the same suffix only", "https://other.co.uk/1", False),
    ("one that ends alike", "https://notgazette.co.uk/1", False),
    ("one that the operator named", "https://m.gazette.com/1", True),
    ("a number", "http://169.254.169.254/latest", False),
    ("no web address", "file:///etc/passwd", False),
    ("a name before the host", "https://www.gazette.co.uk@other.example/", False),
]


@pytest.mark.parametrize(("url", "expected"), [case[1:] for case in BELONGING], ids=[case[0] for case in BELONGING])
def test_s9_a_page_belongs_to_a_feed_on(url, expected):
    feed = Feed(name="gazette", url=GAZETTE.url, article_domains=("gazette.com",))
    assert belongs(url, feed) is expected


def test_a_feed_at_an_address_of_numbers_has_its_own_host_alone():
    feed = Feed(name="lan", url="http://127.0.0.1:8080/feed")
    assert (belongs("http://127.0.0.1:9090/a", feed), belongs("http://127.0.0.2/a", feed)) == (True, False)


def test_domains_and_origins():
    assert [domain_of(url) for url in ("https://a.b.bbc.co.uk/x", "http://127.0.0.1:1/", "http://intranet/x")] == ["bbc.co.uk", "127.0.0.1", "intranet"]
    assert origin_of("HTTPS://user:pw@Gazette.example:8443/a?b#c") == "https://gazette.example:8443"


# ── which ────────────────────────────────────────────────────────────────────────────────────────

POLICY = Policy(watchlists=(), compiled=compile_watchlists(()), origins={}, zone=ZoneInfo("UTC"), articles="matching")


def one(number=1, *, is_near=True, decided: Alert | None = None, story=None, link="", is_edit=False, **more):
    made = entry(f"Story number {number}", link=link or f"https://www.gazette.co.uk/{number}", **more)
    decisions = (Decision(match=match(), reason=Reason.MATCHED, alert=decided),) if decided else ()
    return Judged(entry=made, assignment=Assignment(story=story or made.id), near=is_near, decisions=decisions, is_edit=is_edit)


def wanted(*judged, articles="matching", seeding=(), held=(), backlog_max=10):
    policy = replace(POLICY, articles=articles, backlog_max=backlog_max)
    return worth_reading(judged, {"gazette": GAZETTE}, policy, seeding=frozenset(seeding), held=frozenset(held), now=NOW)


def pages(*judged, **more):
    return [page.url.rpartition("/")[2] for page in wanted(*judged, **more)[0]]


def test_matching_takes_what_is_near_and_always_what_is_new():
    several = (one(1), one(2, is_near=False), one(3, is_near=False, is_edit=True))
    assert [pages(*several, articles=how) for how in ("never", "matching", "always")] == [[], ["1"], ["1", "2"]]


def test_one_page_a_story_and_none_without_an_address_or_of_a_full_text():
    assert pages(one(1, story="s"), one(2, story="s"), one(3, link="urn:x"), one(4, body="Long. " * 600)) == ["1"]


def test_what_is_in_quarantine_is_not_read():
    assert pages(one(1), held=[one(1).entry.id]) == []


def test_f1_of_a_first_check_only_so_many_pages_are_read_as_could_still_alert():
    young = [one(n, published_at=ago(hours=n)) for n in range(1, 6)]
    old = [one(n, published_at=when) for n, when in ((7, ago(hours=25)), (8, None))]
    told = one(9, is_near=False, decided=alert())
    assert pages(*old, *reversed(young), told, seeding=["gazette"], backlog_max=4) == ["1", "2", "3"]


def test_a_domain_that_is_not_the_feeds_is_named():
    assert wanted(one(1, link="https://www.other.com/1")) == ((), {"gazette": "other.com"})


# ── what of it ───────────────────────────────────────────────────────────────────────────────────

TEXT = "The harbour bill was passed by parliament before dawn, after a debate that had lasted all night."


def page(body=TEXT, title="Parliament passes the harbour bill"):
    return ParsedEntry(title=title, body=body)


def test_a_pages_text_makes_the_entry_easier_to_recognise_and_leaves_what_the_feed_said():
    before = entry()
    after = with_page(before, page())
    assert (after.body, after.id, after.content_hash) == (TEXT, before.id, before.content_hash)
    assert not set(after.keys) <= set(before.keys) and after.text_key is not None


USELESS = {
    "shorter than what the feed said": (entry(summary=TEXT + " And more."), page()),
    "nothing": (entry(), page("")),
    "about something else, under another title": (entry(), page("Please accept our cookies to go on reading. " * 9, "Before you continue")),
}


@pytest.mark.parametrize(("before", "found"), USELESS.values(), ids=USELESS)
def test_a_page_is_no_help(before, found):
    assert with_page(before, found) is None


def test_a_page_under_the_same_title_is_the_storys_whatever_words_it_uses():
    assert with_page(entry(), page("Members sat until four. Then it was done, to the relief of most of those present there."))


def test_a_credit_that_only_the_page_names_is_read():
    assert with_page(entry(), page(f"PORT ELSE (AP) — {TEXT}")).credit == "AP"


def test_a_page_changes_no_time():
    assert with_page(entry(published_at=NOW - timedelta(hours=3)), page()).published_at == NOW - timedelta(hours=3)
