"""What robots.txt lets us read: RFC 9309, and what hostile files may not do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.robots import EVERYTHING, LARGEST, may_read, read_robots

SITE = "https://gazette.example"
# rules of the group for all, path, may it be read
PATTERNS = [
    ("the beginning of a path", "Disallow: /private", "/private/1", False),
    ("and no other place", "Disallow: /private", "/not/private", True),
    ("nothing forbidden", "Disallow:", "/private", True),
    ("the longest decides", "Disallow: /news\nAllow: /news/world", "/news/world/1", True),
    ("whatever comes first", "Allow: /news/world\nDisallow: /news", "/news/world/1", True),
    ("of two alike the one that allows", "Disallow: /page\nAllow: /page", "/page", True),
    ("a star", "Disallow: /*/print", "/news/1/print?x=1", False),
    ("a star in vain", "Disallow: /*/print", "/news/1/read", True),
    ("an end", "Disallow: /*.pdf$", "/a.pdf", False),
    ("an end that is none", "Disallow: /*.pdf$", "/a.pdf?x=1", True),
    ("a query", "Disallow: /*?session=", "/a?session=7", False),
    ("the whole site", "Disallow: /", "/", False),
    ("the home page alone", "Disallow: /$", "/a", True),
    ("an escape and its letter", "Disallow: /caf%C3%A9", "/café", False),
    ("a letter and its escape", "Disallow: /café", "/caf%c3%a9", False),
]


@pytest.mark.parametrize(("rules", "path", "allowed"), [case[1:] for case in PATTERNS], ids=[case[0] for case in PATTERNS])
def test_a_pattern_fits(rules, path, allowed):
    assert may_read(read_robots(f"User-agent: *\n{rules}\n".encode()), SITE + path) is allowed


GROUPS = [
    ("ours instead of everybody's", "User-agent: *\nDisallow: /\n\nUser-agent: Wirewatch/2\nDisallow: /a", True),
    ("somebody else's does not count", "User-agent: Other\nDisallow: /\n", True),
    ("a name that only begins like ours", "User-agent: wirewatchful\nDisallow: /\n", True),
    ("several names over one group", "User-agent: other\nUser-agent: wirewatch\nDisallow: /\n", False),
    ("two groups of ours are one", "User-agent: wirewatch\nDisallow: /a\n\nUser-agent: wirewatch\nDisallow: /b\n", False),
    ("lines of other kinds between", "\ufeffUser-agent: *\r\nSitemap: https://x\r\n\r\nDisallow: /b # why\r\n", False),
    ("an empty group of ours allows all", "User-agent: *\nDisallow: /\n\nUser-agent: wirewatch\n", True),
    ("an HTML page says nothing", "<!doctype html><title>Not here</title>", True),
]


@pytest.mark.parametrize(("text", "allowed"), [case[1:] for case in GROUPS], ids=[case[0] for case in GROUPS])
def test_a_group_is_for_us(text, allowed):
    assert may_read(read_robots(text.encode()), f"{SITE}/b") is allowed


@pytest.mark.parametrize(("said", "delay"), [("7", 7), ("0.5", 0.5), ("soon", 0), ("-3", 0), ("999999", 600), ("9" * 40, 0)])
def test_a_crawl_delay_is_seconds_and_never_more_than_ten_minutes(said, delay):
    assert read_robots(f"User-agent: *\nCrawl-delay: {said}\n".encode()).delay == delay


def test_a_pattern_of_a_thousand_stars_takes_no_time():
    rules = read_robots(b"User-agent: *\nDisallow: /" + b"*a" * 1000 + b"b$\n")
    assert may_read(rules, f"{SITE}/{'a' * 2000}")


def test_what_lies_beyond_the_limit_is_not_read():
    assert read_robots(b"#" * LARGEST + b"\nUser-agent: *\nDisallow: /\n") == EVERYTHING


@given(st.binary(max_size=200), st.text(max_size=50))
def test_nothing_breaks_the_reader(noise, path):
    may_read(read_robots(b"User-agent: *\nDisallow: " + noise), f"{SITE}/{path}")
