"""The gate for everything that is fetched, against a server that does as it is told: named by hostile case.

Everything runs on loopback. 127.0.0.1 is allowed; 127.0.0.2 and ::1 stand for what must never be reached, and
"refused" means that no TCP connection arrived there.

Elsewhere: S5 and S6 in test_addresses.py; S13 (a sender follows no redirect) beside each sender; what answers do to the
next check in tests/test_polling.py. S9 is a matter of articles, S15 of the unit. S14 does not apply: there is no WebSub.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from aiohttp.abc import AbstractResolver

from monitor.edges.answers import Body
from monitor.edges.fetch import ACCEPT, Fetcher, FetchSettings
from monitor.edges.lenient import FOR_ASKING, THREADS
from monitor.errors import FetchError, HostHeld, NothingLeft
from monitor.model import Fetched, NotModified, Validators
from tests.fakeweb import Ending, FakeWeb, head

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FEED = b"<rss><channel><title>A feed</title></channel></rss>"
A = Validators(etag='"a"')
LATIN = Validators(etag='"\xe9"')  # goes out leniently at once
SETTINGS = FetchSettings(
    contact="desk@example.org",
    timeout=timedelta(seconds=10),
    host_gap=timedelta(0),
    allow_networks=(ip_network("127.0.0.1/32"),),
)


HERE = (("127.0.0.1",),)


HASTY = {"timeout": timedelta(seconds=0.6), "read_timeout": timedelta(seconds=0.3)}


class FakeDNS(AbstractResolver):
    """Answers each name from a list of answers, one lookup after the other; the last one repeats."""

    def __init__(self, **names: tuple[tuple[str, ...], ...]):
        self.names = {f"{name}.test": list(answers) for name, answers in names.items()}

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {"hostname": host, "host": each, "port": port, "proto": 0, "flags": 0,
             "family": socket.AF_INET6 if ":" in each else socket.AF_INET}
            for each in found
        ]  # fmt: skip

    async def close(self):
        pass


def run(scenario, *, now=lambda: NOW, resolver=None, tls=None, **changes):
    """Play an async scenario with a fetcher of its own."""

    async def play():
        async with Fetcher(replace(SETTINGS, **changes), now=now, resolver=resolver, tls=tls) as fetcher:
            return await scenario(fetcher)

    return asyncio.run(play())


def get(web, path="/feed.xml", *, host=None, resolver=None, tls=None, now=lambda: NOW, settings=None, **wishes):
    """Fetch one page of a fake server."""
    wishes = {"own_port": web.port, **wishes}
    url = web.url(path, host=host)
    return run(lambda fetcher: fetcher.fetch(url, **wishes), resolver=resolver, tls=tls, now=now, **(settings or {}))


def fails(web, path="/feed.xml", **wishes) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(web, path, **wishes)
    return caught.value


@pytest.fixture
def web():
    with FakeWeb() as server:
        yield server


@pytest.fixture
def forbidden():
    """A server where nothing may arrive."""
    with FakeWeb("127.0.0.2") as server:
        server.page("/").says(200, b"secret")
        yield server
        assert server.accepts == 0


# ── H: the request ───────────────────────────────────────────────────────────────────────────────


def test_a_first_request_is_exactly_this(web):
    web.page("/feed.xml").says(200, FEED)
    get(web, "/feed.xml?b=%7e&a=1#top")
    (request,) = web.requests
    assert request.target == "/feed.xml?b=%7e&a=1"
    assert request.headers == (
        ("Host", f"127.0.0.1:{web.port}"),
        ("User-Agent", SETTINGS.user_agent),
        ("Accept", ACCEPT["feed"]),
        ("Accept-Encoding", "gzip"),
    )


def test_the_user_agent_says_who_we_are_and_whom_to_write_to():
    assert SETTINGS.user_agent.startswith("wirewatch/") and SETTINGS.user_agent.endswith("; contact=desk@example.org)")
    assert FetchSettings().user_agent.endswith("wirewatch)") and "\n" not in FetchSettings(contact="a\nb").user_agent


def test_h1_validators_go_back_byte_for_byte_and_304_is_an_answer(web):
    web.page("/feed.xml").says(200, FEED, etag='"a"', modified="Sun, 01 Mar 2026 11:00:00 GMT").then(304)
    first = get(web)
    assert isinstance(first, Fetched) and first.body == FEED
    again = get(web, validators=first.validators)
    assert again == NotModified(url=web.url("/feed.xml"))
    assert web.requests[1].headers[4:] == (
        ("If-None-Match", '"a"'),
        ("If-Modified-Since", "Sun, 01 Mar 2026 11:00:00 GMT"),
    )


ETAGS = {
    "strong": (b'"abc"', '"abc"'),
    "weak": (b'W/"x"', 'W/"x"'),
    "unquoted": (b"abc", "abc"),
    "with spaces inside": (b'"a b  c"', '"a b  c"'),
    "with UTF-8, a letter a byte": ('"é"'.encode(), '"Ã©"'),
    "of one KiB": (b"x" * 1024, "x" * 1024),
    "quoted nothing is not kept": (b'""', None),
    "weak nothing is not kept": (b'W/""', None),
    "nothing is not kept": (b"", None),
    "of four KiB is not kept": (b"x" * 4096, None),
    "with a control character is not kept": (b'"a\x01b"', None),
    "in Latin-1, which only the lenient client can send": (b'"\xe9"', '"é"'),
}


@pytest.mark.parametrize(("sent", "kept"), ETAGS.values(), ids=ETAGS)
def test_h2_etags(web, sent, kept):
    web.page("/feed.xml").says(200, FEED, etag=sent).then(304)
    found = get(web).validators
    assert found.etag == kept
    if kept:
        assert isinstance(get(web, validators=found), NotModified)
        assert web.requests[1].header("If-None-Match").encode("latin-1") == sent


def test_h3_h4_h5_the_newest_validators_come_with_every_answer_also_with_a_304(web):
    web.page("/feed.xml").says(200, FEED, etag='"a"', modified="x").then(200, FEED, etag='"b"', modified="x").then(
        304, etag='"c"', modified="y"
    )
    assert get(web).validators == Validators(etag='"a"', last_modified="x")
    assert get(web, validators=A).validators == Validators(etag='"b"', last_modified="x")
    assert get(web, validators=A).validators == Validators(etag='"c"', last_modified="y")


@pytest.mark.parametrize("date", ["Thu, 01 Jan 2041 00:00:00 GMT", "Tue, 01 Jan 1980 00:00:00 GMT", "last tuesday"])
def test_h7_last_modified_is_opaque(web, date):
    web.page("/feed.xml").says(200, FEED, modified=date).then(304)
    get(web, validators=get(web).validators)
    assert web.requests[1].header("If-Modified-Since") == date


def test_a_304_that_nobody_asked_for_is_an_error(web):
    web.page("/feed.xml").says(304)
    assert fails(web).status == 304


def test_configured_headers_are_sent_and_replace_ours(web):
    web.page("/feed.xml").says(200, FEED)
    get(web, headers=(("Authorization", "Bearer t"), ("user-agent", "Special/1")))
    assert web.requests[0].header("Authorization") == "Bearer t"
    assert [value for name, value in web.requests[0].headers if name.lower() == "user-agent"] == ["Special/1"]


def test_a_configured_header_cannot_break_out_of_its_line_and_its_value_is_not_shown(web):
    error = fails(web, headers=(("X-Key", "secret\r\nHost: evil"),))
    assert "X-Key" in str(error) and "secret" not in str(error) and web.accepts == 0


def test_a_password_in_the_address_becomes_a_header_and_is_shown_nowhere(web):
    web.page("/feed.xml").says(200, FEED).then(404)
    url = web.url("/feed.xml?key=k3y", user="desk:s3cret%40")
    assert run(lambda fetcher: fetcher.fetch(url, own_port=web.port)).url == web.url("/feed.xml?key=k3y")
    assert web.requests[0].header("Authorization") == "Basic ZGVzazpzM2NyZXRA"
    with pytest.raises(FetchError) as caught:
        run(lambda fetcher: fetcher.fetch(url, own_port=web.port))
    assert "s3cret" not in str(caught.value) and "k3y" not in str(caught.value)


# ── H: redirects ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_h10_redirects_are_followed(web, status):
    web.page("/old").redirects("/feed.xml?x=%2f", status=status, body=b"moved")
    web.page("/feed.xml").says(200, FEED, etag='"a"')
    found = get(web, "/old")
    assert (found.url, found.body, found.validators) == (web.url("/feed.xml?x=%2f"), FEED, A)
    assert web.requests[1].target == "/feed.xml?x=%2f"
    assert found.moved_to == (found.url if status in (301, 308) else None)


LOCATIONS = {
    "Latin-1": (b"/caf\xe9.xml?q=\xfc&x=%2f", "/caf%E9.xml?q=%FC&x=%2f"),
    "Latin-1, and a blank": (b"/caf\xe9 a.xml", "/caf%E9%20a.xml"),
    "UTF-8": ("/café.xml".encode(), "/caf%C3%A9.xml"),
    "both": (b"/\xc3\xa9\xe9", "/%C3%A9%E9"),
}


@pytest.mark.parametrize(("location", "asked"), LOCATIONS.values(), ids=LOCATIONS)
def test_h10_no_byte_of_a_redirects_address_is_lost(web, location, asked):
    web.page("/old").redirects(location)
    web.page(asked.partition("?")[0]).says(200, FEED)
    assert get(web, "/old").body == FEED and web.requests[1].target == asked


def test_h9_only_permanent_redirects_count_as_a_move(web):
    web.page("/a").redirects("/b", status=301)
    web.page("/b").redirects("/c", status=302)
    web.page("/c").redirects("/d", status=301)
    web.page("/d").says(200, FEED)
    found = get(web, "/a")
    assert (found.url, found.moved_to) == (web.url("/d"), web.url("/b"))


def test_h11_five_redirects_and_no_more(web):
    for hop in range(11):
        web.page(f"/{hop}").redirects(f"/{hop + 1}")
    assert "more than 5 times" in str(fails(web, "/0"))
    assert len(web.requests) == 6


def test_h21_a_wall_of_cookies_is_named(web):
    web.page("/a").says(302, b"", headers={"Location": "/b", "Set-Cookie": "seen=1; Path=/"})
    web.page("/b").redirects("/a")
    assert "redirects in a circle, as servers do that want a cookie" in str(fails(web, "/a"))
    assert not any("Cookie" in request.headers for request in web.requests)


def test_h11_a_circle_is_seen_at_once(web):
    web.page("/a").redirects("/b")
    web.page("/b").redirects("/a")
    assert "in a circle" in str(fails(web, "/a"))
    assert len(web.requests) == 2


def test_a6_what_belongs_to_one_host_is_not_told_to_another(web):
    with FakeWeb() as other:
        other.page("/feed.xml").says(200, FEED)
        web.page("/old").redirects(other.url("/feed.xml"))
        settings = {"allow_ports": (web.port, other.port)}
        get(web, "/old", validators=A, headers=(("Authorization", "Bearer t"),), settings=settings)
        assert web.requests[0].header("Authorization") and web.requests[0].header("If-None-Match")
        assert other.requests[0].names == ("Host", "User-Agent", "Accept", "Accept-Encoding")


def test_a6_validators_go_to_the_address_that_gave_them_where_it_is_known(web):
    with FakeWeb() as other:
        other.page("/feed.xml").says(200, FEED, etag='"a"').knows_etags()
        web.page("/old").redirects(other.url("/feed.xml"))
        settings = {"allow_ports": (web.port, other.port)}
        first = get(web, "/old", settings=settings)
        again = get(web, "/old", validators=first.validators, validators_url=first.url, settings=settings)
        assert isinstance(again, NotModified) and web.requests[1].header("If-None-Match") is None


def test_t11_the_body_of_a_redirect_is_not_read(web):
    web.page("/old").drips(b"x" * 1000, every=0.1, status=302, location="/feed.xml")
    web.page("/feed.xml").says(200, FEED)
    assert get(web, "/old", settings={"timeout": timedelta(seconds=2)}).body == FEED


def test_t11_all_hops_share_one_deadline(web):
    for hop in range(5):
        answer = head(302, [("Location", f"/{hop + 1}"), ("Content-Length", "0")])
        web.page(f"/{hop}").answers(lambda _, answer=answer: (0.25, answer))
    began = time.monotonic()
    assert "not done within 0.6 s" in str(fails(web, "/0", settings=HASTY | {"read_timeout": timedelta(seconds=5)}))
    assert time.monotonic() - began < 1.2  # five hops of a quarter second each would take longer


# ── H: what servers say ──────────────────────────────────────────────────────────────────────────

STATUSES = {
    "H15 410 is permanent": (410, {}, "gone for good", True),
    "H16 404": (404, {}, "no such page", False),
    "H16 403": (403, {}, "refuses us", False),
    "H25 401": (401, {"WWW-Authenticate": "Basic"}, "asks for a password", False),
    "H25 407": (407, {}, "asks for a password", False),
    "H26 Cloudflare's challenge is named": (403, {"cf-mitigated": "challenge"}, "Cloudflare", False),
    "H23 204": (204, {}, "nothing to read", False),
    "H23 205": (205, {}, "nothing to read", False),
    "H23 206": (206, {}, "did not ask for", False),
    "500": (500, {}, "trouble of its own (500 Internal Server Error)", False),
    "a status that nobody knows": (599, {}, "trouble of its own (599)", False),
    "202 is not a document": (202, {}, "202 Accepted", False),
    "a redirect to nowhere": (302, {}, "302 Found", False),
}


@pytest.mark.parametrize(("status", "headers", "words", "permanent"), STATUSES.values(), ids=STATUSES)
def test_statuses_have_words(web, status, headers, words, permanent):
    web.page("/feed.xml").says(status, b"" if status in (204, 205) else b"some page", headers=headers, etag='"x"')
    error = fails(web)
    assert words in str(error) and (error.status, error.permanent) == (status, permanent)
    assert len(web.requests) == 1


RETRY_AFTER = {
    "seconds": ("3600", HOUR),
    "a date": ("Sun, 01 Mar 2026 14:00:00 GMT", 2 * HOUR),
    "an old-fashioned date": ("Sunday, 01-Mar-26 14:00:00 GMT", 2 * HOUR),
    "absent": (None, None),
    "negative": ("-5", None),
    "in quotes": ('"7200"', 2 * HOUR),
    "a date in quotes": ('"Sun, 01 Mar 2026 14:00:00 GMT"', 2 * HOUR),
    "said twice": ("7200, 7200", 2 * HOUR),
    "words": ("abc", None),
    "a date in the past": ("Sun, 01 Mar 2020 14:00:00 GMT", None),
    "three years: a day is believed": ("99999999", DAY),
    "a number without end": ("9" * 400, DAY),
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("value", "asked"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_h17_h18_retry_after(web, status, value, asked):
    web.page("/feed.xml").says(status, headers={"Retry-After": value} if value else {})
    error = fails(web)
    assert (error.status, error.retry_after) == (status, asked)


def test_h17_a_host_that_said_429_is_left_alone_by_all_its_feeds_until_then(web):
    web.page("/a").says(429, headers={"Retry-After": "3600"})
    web.page("/b").says(200, FEED)
    clock = [NOW]

    async def scenario(fetcher):
        async def ask(path):
            return await fetcher.fetch(web.url(path), own_port=web.port)

        with pytest.raises(FetchError):
            await ask("/a")
        clock[0] += timedelta(minutes=20)
        with pytest.raises(HostHeld) as caught:
            await ask("/b")
        assert caught.value.retry_after == timedelta(minutes=40) and len(web.requests) == 1
        clock[0] += timedelta(minutes=40)
        assert (await ask("/b")).body == FEED

    run(scenario, now=lambda: clock[0])


def test_h17_an_answer_that_was_under_way_when_its_host_said_429_does_not_end_the_hold(web):
    web.page("/slow").answers(lambda _: (0.3, head(200, [("Content-Length", "3")]) + b"abc"))
    web.page("/busy").says(429, headers={"Retry-After": "3600"})

    async def scenario(fetcher):
        slow = asyncio.create_task(fetcher.fetch(web.url("/slow"), own_port=web.port))
        with pytest.raises(FetchError):
            await fetcher.fetch(web.url("/busy"), own_port=web.port)
        assert (await slow).body == b"abc"
        with pytest.raises(HostHeld):
            await fetcher.fetch(web.url("/busy"), own_port=web.port)

    run(scenario, per_host=2)
    assert len(web.requests) == 2


def test_h18_a_503_holds_its_own_feed_only(web):
    web.page("/a").says(503, headers={"Retry-After": "3600"})
    web.page("/b").says(200, FEED)

    async def scenario(fetcher):
        with pytest.raises(FetchError):
            await fetcher.fetch(web.url("/a"), own_port=web.port)
        return await fetcher.fetch(web.url("/b"), own_port=web.port)

    assert run(scenario).body == FEED


MAX_AGE = {
    "max-age=43200": 12 * HOUR,
    "public, Max-Age=60": timedelta(minutes=1),
    'max-age="300"': timedelta(minutes=5),
    "max-age=0": None,
    "no-cache, max-age=60": None,
    "max-age=60, no-store": None,
    'no-cache="Set-Cookie", max-age=43200': 12 * HOUR,
    'no-cache="Set-Cookie, max-age=3", max-age=60': timedelta(minutes=1),
    'no-cache="Set-Cookie", no-cache, max-age=60': None,
    'no-cache="", max-age=60': None,
    'no-cache="Set-Cookie, max-age=60': None,
    "max-age=600; public": timedelta(minutes=10),
    "max-age=600; no-cache": None,
    "max-age=-1": None,
    "max-age=soon": None,
    "s-maxage=600": None,
    "": None,
    "max-age=" + "9" * 300: timedelta(days=365),
}


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize(("value", "kept"), MAX_AGE.items(), ids=[key[:24] or "empty" for key in MAX_AGE])
def test_h19_max_age(web, status, value, kept):
    web.page("/feed.xml").says(status, FEED if status == 200 else b"", headers={"Cache-Control": value})
    assert get(web, validators=A).max_age == kept


def test_h19_what_a_cache_kept_already_is_not_waited_for_again(web):
    web.page("/feed.xml").says(200, FEED, headers={"Cache-Control": "max-age=3600", "Age": "3000"})
    assert get(web).max_age == timedelta(minutes=10)


def test_h21_cookies_are_never_sent_back_not_even_within_redirects(web):
    cookie = {"Set-Cookie": "id=1; Path=/"}
    web.page("/old").redirects("/feed.xml", headers=cookie)
    web.page("/feed.xml").says(200, FEED, headers=cookie)

    async def scenario(fetcher):
        for _ in range(2):
            await fetcher.fetch(web.url("/old"), own_port=web.port)

    run(scenario)
    assert len(web.requests) == 4 and all(request.header("Cookie") is None for request in web.requests)


def test_h22_226_is_an_answer(web):
    web.page("/feed.xml").says(226, FEED, headers={"IM": "feed"})
    assert get(web, validators=A).status == 226


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "said to be gzip"])
def test_h23_an_empty_body_is_an_error(web, headers):
    web.page("/feed.xml").says(200, b"", headers=headers)
    assert "empty" in str(fails(web))


def test_articles_are_html_or_nothing(web):
    web.page("/story").says(200, b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    web.page("/film").drips(b"x" * 1000)
    assert get(web, "/story", accept="html").content_type == "text/html; charset=utf-8"
    assert "application/octet-stream" in str(fails(web, "/film", accept="html"))
    assert web.requests[0].header("Accept") == ACCEPT["html"]


# ── T: transport ─────────────────────────────────────────────────────────────────────────────────


def endless_drip(_):
    yield head(200, [("Transfer-Encoding", "chunked")])
    while True:
        yield b"1\r\nx\r\n"
        yield 0.02


SLOW = {
    "T1 accepts, then is silent": lambda page: page.stays_silent(),
    "T2 drips its body": lambda page: page.drips(FEED * 10),
    "T3 drips its headers": lambda page: page.drips_head(),
    "R2 never stops talking": lambda page: page.answers(endless_drip),
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow_servers_meet_a_deadline(web, kind):
    SLOW[kind](web.page("/feed.xml"))
    began = time.monotonic()
    error = fails(web, settings=HASTY)
    assert time.monotonic() - began < 2
    assert ("silent for 0.3 s" if kind.startswith("T1") else "not done within 0.6 s") in str(error)


PLAIN = [("Content-Length", "100")]
CHUNKED = [("Transfer-Encoding", "chunked")]
BROKEN = {
    "T4 reset in the body": (head(200, PLAIN) + b"<rss>", Ending.RESET, "broke off"),
    "T4 closed before Content-Length": (head(200, PLAIN) + b"<rss>", Ending.CLOSE, "broke off"),
    "T4 a bad chunk": (head(200, CHUNKED) + b"zz\r\nabc\r\n", Ending.CLOSE, "broke off"),
    "T4 a bad chunk behind a good one": (
        head(200, CHUNKED) + b"3\r\nabc\r\nzz\r\n", Ending.CLOSE, "broke off"),
    "T4 no last chunk": (head(200, CHUNKED) + b"3\r\nabc\r\n", Ending.CLOSE, "broke off"),
    "T8 two different lengths": (
        head(200, [("Content-Length", "3"), ("Content-Length", "5")]) + b"abcde", Ending.CLOSE, "not valid HTTP"),
    "closed without a word": (b"", Ending.CLOSE, "without an answer"),
    "reset without a word": (b"", Ending.RESET, "without an answer"),
    "closed within the head": (b"HTTP/1.1 200 OK\r\nContent-Ty", Ending.CLOSE, "without an answer"),
    "no HTTP at all": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Ending.CLOSE, "not valid HTTP"),
    "a header line of 100 KiB": (head(200, [("X", "y" * 102_400)]), Ending.CLOSE, "not valid HTTP"),
    "a thousand headers": (head(200, [("X", "y")] * 1000), Ending.CLOSE, "not valid HTTP"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "ending", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_transport_is_an_error(web, sent, ending, words):
    web.page("/feed.xml").breaks_off(sent, ending=ending)
    error = fails(web)
    assert words in str(error) and error.status is None and not error.permanent
    assert len(web.requests) == 1 or words != "without an answer", "what is no HTTP is asked for leniently, what is silent is not"


READERS = pytest.mark.parametrize("odd", [b"", b"bad line\r\n"], ids=["strict", "lenient"])


@READERS
def test_r2_a_head_is_256_kib_at_most(web, odd):
    def says(headers, size):
        return head(200, [("X", "y" * size)] * headers)[:-2] + odd + b"Content-Length: 3\r\n\r\nabc"

    web.page("/large").breaks_off(says(90, 2_800))
    web.page("/many").breaks_off(says(90, 3_000))
    web.page("/long").breaks_off(says(90, 60_000))
    web.page("/none").breaks_off(b"HTTP/1.1 200 OK\r\n" + b"bad line\r\n" * 30_000 + b"Content-Length: 3\r\n\r\nabc")
    assert get(web, "/large").body == b"abc"
    for path in ("/many", "/long", "/none"):
        assert "the headers of its answer are larger than 262,144 bytes" in str(fails(web, path))


@READERS
@pytest.mark.parametrize("status", [100, 102, 103])
def test_r2_ten_interim_answers_and_no_more(web, odd, status):
    interim, last = head(status, [("Link", "</a>")]), head(200, [("Content-Length", "3")])[:-2] + odd + b"\r\nabc"

    def endless(_):
        while True:
            yield interim * 100

    web.page("/ten").breaks_off(interim * 10 + last)
    web.page("/eleven").breaks_off(interim * 11 + last)
    web.page("/endless").answers(endless)
    assert get(web, "/ten").body == b"abc"
    began = time.monotonic()
    for path in ("/eleven", "/endless"):
        assert "sends more than 10 interim answers" in str(fails(web, path, validators=LATIN if odd else Validators()))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("is_back", [True, False], ids=["and is back", "and still does"])
def test_b3_a_kept_connection_that_breaks_costs_one_more_request_at_the_hosts_next_turn(web, ending, is_back):
    web.page("/one").says(200, FEED)
    web.page("/two").breaks_off(b"", ending=ending)
    if is_back:
        web.page("/two").then(200, FEED)

    async def scenario(fetcher):
        await fetcher.fetch(web.url("/one"), own_port=web.port)
        return await fetcher.fetch(web.url("/two"), own_port=web.port)

    if is_back:
        assert run(scenario, host_gap=timedelta(seconds=0.1)).body == FEED
    else:
        with pytest.raises(FetchError, match="without an answer") as caught:
            run(scenario, host_gap=timedelta(seconds=0.1))
        assert caught.value.unreachable
    assert [(request.path, request.connection) for request in web.requests] == [("/one", 1), ("/two", 1), ("/two", 2)]
    assert web.requests[2].at - web.requests[1].at >= 0.1


def test_t3_both_requests_share_one_deadline_where_a_kept_connection_breaks(web):
    web.page("/one").says(200, FEED)
    web.page("/two").answers(lambda _: (0.4, Ending.CLOSE)).answers(lambda _: (0.4, head(200, [("Content-Length", "0")])))

    async def scenario(fetcher):
        await fetcher.fetch(web.url("/one"), own_port=web.port)
        return await fetcher.fetch(web.url("/two"), own_port=web.port)

    with pytest.raises(FetchError, match=r"not done within 0\.6 s"):
        run(scenario, timeout=timedelta(seconds=0.6))


def test_nobody_listens():
    with FakeWeb() as web:
        pass
    assert "connection refused" in str(fails(web))


def test_no_sockets_left_are_our_own_trouble(web):
    async def scenario(fetcher):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), limits[1]))
        taken = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        try:
            await fetcher.fetch(web.url("/feed.xml"), own_port=web.port)
        finally:
            for number in taken:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    with pytest.raises(NothingLeft, match="too many open files"):
        run(scenario)


def test_t12_a_name_that_does_not_exist_and_a_resolver_that_is_silent(web):
    class Silent(FakeDNS):
        async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
            raise socket.gaierror(socket.EAI_AGAIN, "no answer within 5 s")

    assert "no such host" in str(fails(web, host="missing.test", resolver=FakeDNS()))
    error = fails(web, host="missing.test", resolver=Silent())
    assert "DNS gives no answer" in str(error) and not error.permanent


def test_t14_a_dead_ipv6_address_does_not_keep_us_from_the_living_ipv4_one(web):
    web.page("/feed.xml").says(200, FEED)
    dns = FakeDNS(dual=(("::1", "127.0.0.1"),))  # nobody listens on ::1 at this port
    settings = {"allow_networks": (*SETTINGS.allow_networks, ip_network("::1/128"))}
    assert get(web, host="dual.test", resolver=dns, settings=settings).body == FEED


# ── answers that break HTTP's grammar ────────────────────────────────────────────────────────────

ODD = {
    "a version that there is not": b"HTTP/1.10 200 OK\r\nContent-Length: %d\r\n\r\n",
    "a status line of words": b"HTTP/1.x 200 Fine\r\nContent-Length: %d\r\n\r\n",
    "a header with a space in its name": b"HTTP/1.1 200 OK\r\nX Powered: by\r\nContent-Length: %d\r\n\r\n",
    "a line that is no header": b"HTTP/1.1 200 OK\r\nwarning!\r\nContent-Length: %d\r\n\r\n",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: %d\r\n\r\n",
    "a line that is no header, behind an interim answer": (
        b"HTTP/1.1 100 Continue\r\nwarning!\r\n\r\nHTTP/1.1 200 OK\r\nwarning!\r\nContent-Length: %d\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
def test_an_odd_answer_is_read_leniently_once_its_host_has_its_turn_again(web, sent):
    web.page("/feed.xml").breaks_off(sent % len(FEED) + FEED)
    assert get(web, settings={"host_gap": timedelta(seconds=0.1)}).body.endswith(FEED)
    first, second = web.requests
    assert second.at - first.at >= 0.1
    same = [(name, value) for name, value in second.headers if name != "Connection"]
    assert same == list(first.headers) and second.header("Connection") == "close"


LENIENT = b"HTTP/1.x 200 OK\r\n"
ODD_LINES = {
    "a line that is no header": b"bad line",
    "a line that is no header, and is continued": b"bad line\r\n Content-Length: 3\r\n\tETag: x",
    "a name with a blank in it": b"Content Length: 3",
    "a name that is not ASCII": b"\xe9: x",
    "no name": b": x",
    "a header and a line of blanks": b"X: y\r\n \r\n\t",
    "half a line": b"X: y\rbad line",
    "a line of line ends": b"\r\r",
    "an envelope's line": b"From x",
}


@pytest.mark.parametrize("odd", ODD_LINES.values(), ids=ODD_LINES)
@pytest.mark.parametrize("fields", [b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"transfer-encoding:chunked \t"])
def test_what_follows_an_odd_line_is_read(web, odd, fields):
    said = b'ETag: "a" \r\n%s\r\n%s\r\nContent-Type: text/xml;\r\n charset=utf-8' % (odd, fields)
    web.page("/feed.xml").breaks_off(LENIENT + said + b"\r\n\r\n3\r\nbad\r\n6\r\n\r line\r\n0\r\nbad\r\n\r\n")
    found = get(web)
    assert (found.body, found.validators.etag) == (b"bad\r line", '"a"')
    assert found.content_type.split() == ["text/xml;", "charset=utf-8"]


@pytest.mark.parametrize("odd", ODD_LINES.values(), ids=ODD_LINES)
def test_t4_t8_lengths_that_follow_an_odd_line_count(web, odd):
    web.page("/cut").breaks_off(LENIENT + b'ETag: "v1"\r\n%s\r\nContent-Length: 9\r\n\r\n<rss>' % odd)
    web.page("/two").breaks_off(LENIENT + b"Content-Length: 5\r\n%s\r\nContent-Length: 3\r\n\r\n<rss>" % odd)
    assert "broke off" in str(fails(web, "/cut"))
    assert "not valid HTTP" in str(fails(web, "/two"))


def test_a_line_that_continues_nothing_is_left_out(web):
    web.page("/feed.xml").breaks_off(LENIENT + b" X: y\r\nContent-Length: 5\r\n\r\n<rss>")
    assert get(web).body == b"<rss>"


def test_r4_blanks_within_a_line_take_no_time(web):
    web.page("/feed.xml").breaks_off(LENIENT + b"X: a%sb\r\nY%sb\r\n\r\n<rss>" % ((b" " * 60_000,) * 2))
    began = time.monotonic()
    assert get(web).body == b"<rss>" and time.monotonic() - began < 2


def test_an_odd_line_without_end_is_not_read_in_pieces(web):
    web.page("/feed.xml").breaks_off(LENIENT + b"x" * 65_537 + b"Content-Length: 3\r\n\r\nabcde")
    assert "not valid HTTP" in str(fails(web))


def test_an_odd_host_is_asked_leniently_from_then_on(web):
    web.page("/feed.xml").breaks_off(ODD["a status line of words"] % len(FEED) + FEED)

    async def scenario(fetcher):
        return [await fetcher.fetch(web.url("/feed.xml"), own_port=web.port) for _ in range(3)]

    assert [found.body for found in run(scenario)] == [FEED] * 3
    assert len(web.requests) == 4


STILL_REFUSED = {
    "T4 cut short": (LENIENT + b"Content-Length: 100\r\n\r\n<rss>", "broke off"),
    "T4 a bad chunk": (LENIENT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", "broke off"),
    "T5 gzip cut short": (
        LENIENT + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(FEED)[:-3], "cut short"),
    "T8 two lengths": (LENIENT + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", "not valid HTTP"),
    "R1 too large": (LENIENT + b"\r\n" + b"x" * 20_000, "larger than 10,000 bytes"),
    "H15 gone": (b"HTTP/1.x 410 Gone\r\n\r\n", "gone for good"),
    "H12 S8 to a file": (b"HTTP/1.x 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "only http and https"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "words"), STILL_REFUSED.values(), ids=STILL_REFUSED)
def test_a_lenient_reading_has_the_same_limits(web, sent, words):
    web.page("/feed.xml").breaks_off(sent)
    assert words in str(fails(web, max_body=10_000))


def test_t2_a_lenient_reading_meets_the_same_deadline(web):
    web.page("/feed.xml").answers(lambda _: (LENIENT + b"\r\n", *(step for _ in range(100) for step in (b"x", 0.1))))
    began = time.monotonic()
    assert "not done within 0.6 s" in str(fails(web, settings=HASTY))
    assert time.monotonic() - began < 3


def test_t3_both_readings_share_one_deadline(web):
    slow = (0.4, LENIENT + b"Content-Length: 3\r\n\r\nabc")
    web.page("/feed.xml").answers(lambda _: slow)
    assert "not done within 0.6 s" in str(fails(web, settings=HASTY | {"read_timeout": timedelta(seconds=5)}))
    assert len(web.requests) == 2


def test_r3_slow_odd_servers_take_no_time_and_no_turn_from_others(web):
    web.page("/feed.xml").answers(lambda _: (0.5, LENIENT + b"Content-Length: 3\r\n\r\nabc"))
    web.page("/other").says(200, FEED)
    hosts = [f"h{n}" for n in range(3 * FOR_ASKING)]

    async def scenario(fetcher):
        async def ask(host, path, **wishes):
            url = web.url(path, host=f"{host}.test")
            return (await fetcher.fetch(url, own_port=web.port, **wishes)).body, time.monotonic() - began

        began = time.monotonic()
        slow = [asyncio.create_task(ask(host, "/feed.xml", validators=LATIN)) for host in hosts]
        await asyncio.sleep(0.1)
        return await ask("other", "/other"), await asyncio.gather(*slow)

    dns = FakeDNS(**dict.fromkeys(["other", *hosts], HERE))
    (body, took), slow = run(scenario, resolver=dns, timeout=timedelta(seconds=0.9), concurrency=FOR_ASKING + 1)
    assert body == FEED and took < 0.4
    assert {body for body, _ in slow} == {b"abc"} and max(took for _, took in slow) > 1.4


def test_r3_a_handshake_that_nobody_waits_for_any_more_keeps_no_thread(web):
    web.page("/feed.xml").breaks_off(LENIENT + b"Content-Length: 3\r\n\r\nabc")
    hosts = [f"h{n}" for n in range(2 * THREADS)]

    async def scenario(fetcher):
        silent = (fetcher.fetch(f"https://{host}.test:{port}/", own_port=port, validators=LATIN) for host in hosts)
        for error in await asyncio.gather(*silent, return_exceptions=True):
            assert "not done within 0.6 s" in str(error)
        return await fetcher.fetch(web.url("/feed.xml"), own_port=web.port, validators=LATIN)

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:  # accepts, and says nothing
        port = listener.getsockname()[1]
        assert run(scenario, resolver=FakeDNS(**dict.fromkeys(hosts, HERE)), timeout=timedelta(seconds=0.6)).body == b"abc"


def test_s1_s2_a_lenient_reading_dials_nothing_that_is_forbidden(web, forbidden):
    web.page("/feed.xml").breaks_off(b"HTTP/1.x 302 Found\r\nLocation: " + forbidden.url("/").encode() + b"\r\n\r\n")
    assert "is not allowed" in str(fails(web))  # the port
    assert "not to be connected to" in str(fails(web, settings={"allow_ports": (forbidden.port,)}))
    assert "not to be connected to" in str(fails(forbidden, "/", validators=LATIN))
    dns = FakeDNS(rebinds=(("127.0.0.2",),))
    assert "not to be connected to" in str(
        fails(forbidden, "/", host="rebinds.test", resolver=dns, validators=LATIN)
    )


# ── T, R: packed bodies ──────────────────────────────────────────────────────────────────────────


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKED = {
    "gzip": ("gzip", gzip.compress(FEED)),
    "x-gzip, as some still say": ("x-gzip", gzip.compress(FEED)),
    "gzip in two pieces": ("gzip", gzip.compress(FEED[:10]) + gzip.compress(FEED[10:])),
    "gzip with padding behind it": ("gzip", gzip.compress(FEED) + b"\0" * 100),
    "deflate": ("deflate", zlib.compress(FEED)),
    "deflate without its wrapper": ("deflate", raw_deflate(FEED)),
    "identity, which is nothing": ("identity", FEED),
    "gzip, in capitals": ("GZIP", gzip.compress(FEED)),
    "a charset in place of a coding": ("UTF-8", FEED),
    "a word for none": ("none", FEED),
    "a coding that nobody knows": ("\u202ezip", FEED),
    "gzip, and a charset": ("gzip, utf-8", gzip.compress(FEED)),
}


@pytest.mark.parametrize(("coding", "sent"), PACKED.values(), ids=PACKED)
def test_packed_bodies_are_unpacked_also_in_crumbs(web, coding, sent):
    fields = [("Content-Length", str(len(sent))), ("Content-Encoding", coding)]
    web.page("/whole").says(200, sent, headers={"Content-Encoding": coding})
    web.page("/crumbs").answers(lambda _: (head(200, fields), sent[:1], 0.01, sent[1:30], 0.01, sent[30:]))
    assert get(web, "/whole").body == get(web, "/crumbs").body == FEED


MISPACKED = {
    "T5 gzip cut short, with the right Content-Length": ("gzip", gzip.compress(FEED * 100)[:-3], "cut short"),
    "T5 gzip without its last eight bytes": ("gzip", gzip.compress(FEED)[:-8], "cut short"),
    "T5 deflate cut short": ("deflate", zlib.compress(FEED)[:-1], "cut short"),
    "a second piece cut short": ("gzip", gzip.compress(FEED) + gzip.compress(FEED)[:-1], "cut short"),
    "a wrong checksum": ("gzip", gzip.compress(FEED)[:-8] + b"\0" * 8, "cannot be unpacked"),
    "T6 plain, said to be gzip": ("gzip", FEED, "cannot be unpacked"),
    "R1 gzip in gzip": ("gzip, gzip", gzip.compress(gzip.compress(FEED)), "more than once"),
    "R1 a coding that was not offered": ("br", b"\x0b\x02\x80abc\x03", "'br'"),
    "R1 another": ("gzip, zstd", gzip.compress(FEED), "more than once"),
    "R1 a bomb": ("gzip", gzip.compress(b"\0" * 10_000_000), "decompression bomb"),
    "R1 a bomb in many pieces": ("gzip", gzip.compress(b"") * 1001, "1,000 pieces"),
}


@pytest.mark.parametrize(("coding", "sent", "words"), MISPACKED.values(), ids=MISPACKED)
def test_bodies_packed_wrongly_are_errors(web, coding, sent, words):
    web.page("/feed.xml").says(200, sent, headers={"Content-Encoding": coding}, etag='"a"')
    assert words in str(fails(web))


def test_r1_a_bomb_takes_no_memory():
    packer, megabyte = zlib.compressobj(wbits=31), b"\0" * (1 << 20)
    bomb = b"".join(packer.compress(megabyte) for _ in range(100)) + packer.flush()
    body = Body("gzip", max_body=15_000_000, max_compressed=5_000_000)
    tracemalloc.start()
    with pytest.raises(FetchError, match="larger than 15,000,000 bytes"):
        body.feed(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000


LARGE = {
    "said in Content-Length": lambda page: page.says(200, b"", length=20_000_000),
    "R2 poured without end": lambda page: page.pours(b"x" * 65536),
    "R1 unpacked": lambda page: page.gzips(bytes(range(256)) * 500),
}


@pytest.mark.parametrize("kind", LARGE)
def test_r1_r2_a_body_beyond_the_limit_is_not_taken(web, kind):
    LARGE[kind](web.page("/feed.xml"))
    error = fails(web, max_body=100_000)
    assert "larger than 100,000 bytes" in str(error)


def test_a_body_at_the_limit_is_taken(web):
    web.page("/plain").says(200, b"x" * 1000)
    web.page("/packed").gzips(b"x" * 1000)
    assert len(get(web, "/plain", max_body=1000).body) == len(get(web, "/packed", max_body=1000).body) == 1000
    assert "larger" in str(fails(web, "/plain", max_body=999)) and "larger" in str(fails(web, "/packed", max_body=999))


# ── T10: TLS ─────────────────────────────────────────────────────────────────────────────────────


def certificate(folder, name: str, *, days: int = 2) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context with a self-signed certificate for this name, and the certificate's path."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, wish, cert = folder / "key.pem", folder / "wish.pem", folder / "cert.pem"
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"
    subject = f"-subj /CN={name} -addext subjectAltName=DNS:{name}"
    for command in (
        f"req -new {curve} -nodes {subject} -keyout {key} -out {wish}",
        f"x509 -req -days {days} -copy_extensions copy -in {wish} -signkey {key} -out {cert}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, str(cert)


def trusting(cert: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cert)


@pytest.fixture
def secure(tmp_path):
    """A server with a certificate for good.test, and a trust store that trusts it."""
    context, cert = certificate(tmp_path, "good.test")
    with FakeWeb(tls=context) as server:
        server.page("/feed.xml").says(200, FEED)
        yield server, trusting(cert)


def test_t10_a_good_certificate_is_taken(secure):
    web, tls = secure
    assert get(web, host="good.test", resolver=FakeDNS(good=HERE), tls=tls).body == FEED


def test_t10_a_self_signed_certificate_is_refused(secure):
    web, _ = secure
    assert "self-signed" in str(fails(web, host="good.test", resolver=FakeDNS(good=HERE)))
    assert web.requests == []


def test_t10_a_certificate_for_another_host_is_refused(secure):
    web, tls = secure
    assert "Hostname mismatch" in str(fails(web, host="bad.test", resolver=FakeDNS(bad=HERE), tls=tls))
    assert web.requests == []


ASKS_TWICE = """
import asyncio, sys
import monitor.gate
from monitor.errors import FetchError
from monitor.edges.trust import aiohttp

trusted = aiohttp.connector._SSL_CONTEXT_VERIFIED
print(trusted.cert_store_stats()["x509"])

async def ask():
    settings = monitor.gate.FetchSettings(allow_networks=(monitor.gate.ip_network("127.0.0.0/8"),), host_gap=monitor.gate.timedelta(0))
    async with monitor.gate.Fetcher(settings, now=monitor.gate.system_clock) as fetcher:
        for _ in range(2):
            try:
                answer = await fetcher.fetch(sys.argv[1], own_port=int(sys.argv[2]))
                print(answer.body.decode())
            except FetchError as error:
                print(error)

asyncio.run(ask())
print(trusted.cert_store_stats()["x509"])
"""


@pytest.mark.parametrize(("named", "trusts"), [("localhost", True), ("localhost", False), ("elsewhere.test", True)])
def test_t10_the_systems_trust_store_is_read_before_the_first_handshake_and_not_when_aiohttp_is_imported(tmp_path, named, trusts):
    context, cert = certificate(tmp_path, named)
    environ = os.environ | ({"SSL_CERT_FILE": cert} if trusts else {}) | {"SSL_CERT_DIR": str(tmp_path / "none")}
    with FakeWeb(tls=context) as web:
        web.page("/feed.xml").says(200, b"a feed")
        command = [sys.executable, "-c", ASKS_TWICE, web.url("/feed.xml", host="localhost"), str(web.port)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        asked = len(web.requests)
    before, *answers, after = done.stdout.splitlines()
    assert before == "0" and (after == "1") is trusts
    if trusts and named == "localhost":
        assert answers == ["a feed", "a feed"]
    else:
        assert asked == 0 and all(("mismatch" if trusts else "self-signed") in answer for answer in answers)


def test_t10_an_expired_certificate_is_refused_and_the_clock_is_suspected(tmp_path):
    context, cert = certificate(tmp_path, "good.test", days=-1)
    with FakeWeb(tls=context) as web:
        error = fails(web, host="good.test", resolver=FakeDNS(good=HERE), tls=trusting(cert))
    assert "expired" in str(error) and "clock" in str(error) and not error.permanent


@pytest.mark.parametrize("later, words", [
    (timedelta(days=2, hours=1), "3 days"), (timedelta(hours=1), "1 day"), (timedelta(hours=-18, minutes=-30), "5 hours"),
    (timedelta(hours=-22, minutes=-30), "1 hour"), (timedelta(hours=-23, minutes=-30), "less than an hour"),
])  # fmt: skip
@pytest.mark.parametrize("validators", [Validators(), Validators(etag='"\xe9"')], ids=["strict", "lenient"])
def test_t10_of_an_expired_certificate_it_is_told_how_long_ago(tmp_path, later, words, validators):
    context, cert = certificate(tmp_path, "good.test", days=-1)
    now = datetime.now(UTC) + later
    with FakeWeb(tls=context) as web:
        error = fails(
            web, host="good.test", resolver=FakeDNS(good=HERE), tls=trusting(cert), now=lambda: now, validators=validators
        )
        assert f"its certificate expired {words} ago; is this machine's clock right?" in str(error)
        assert web.requests == [] and web.accepts == 2 and not error.unreachable


def test_t10_a_certificate_that_is_expired_by_the_machines_clock_alone_is_dated_by_nobody(tmp_path):
    context, cert = certificate(tmp_path, "good.test", days=-1)
    with FakeWeb(tls=context) as web:
        error = fails(
            web, host="good.test", resolver=FakeDNS(good=HERE), tls=trusting(cert), now=lambda: datetime.now(UTC) - 2 * DAY
        )
    assert "certificate has expired" in str(error)


def test_t10_other_certificates_are_not_looked_at_again(secure):
    web, tls = secure
    fails(web, host="bad.test", resolver=FakeDNS(bad=HERE), tls=tls)
    assert web.accepts == 1


def test_t10_s3_the_second_look_at_an_expired_certificate_dials_nothing_that_is_forbidden(tmp_path, forbidden):
    context, cert = certificate(tmp_path, "good.test", days=-1)
    dns = FakeDNS(good=(("127.0.0.1",), ("127.0.0.2",)))
    with FakeWeb(tls=context) as web:
        error = fails(web, host="good.test", resolver=dns, tls=trusting(cert), now=lambda: datetime.now(UTC))
        assert "certificate has expired" in str(error) and web.accepts == 1 and not error.permanent


def test_t10_t2_the_second_look_at_an_expired_certificate_is_within_the_time_of_the_first(tmp_path, monkeypatch):
    context, cert = certificate(tmp_path, "good.test", days=-1)

    async def never(self, url):
        await asyncio.sleep(60)

    monkeypatch.setattr("monitor.edges.lenient.Lenient.certificate", never)
    with FakeWeb(tls=context) as web:
        error = fails(web, host="good.test", resolver=FakeDNS(good=HERE), tls=trusting(cert), settings=HASTY)
    assert "certificate has expired" in str(error)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_t10_tls_1_0_is_refused(tmp_path):
    context, cert = certificate(tmp_path, "good.test")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with FakeWeb(tls=context) as web:
        error = fails(web, host="good.test", resolver=FakeDNS(good=HERE), tls=trusting(cert))
    assert "no secure connection" in str(error)


def test_h12_from_https_to_http_is_not_followed(secure, web):
    safe, tls = secure
    safe.page("/old").redirects(web.url("/feed.xml"))
    error = fails(safe, "/old", host="good.test", resolver=FakeDNS(good=HERE), tls=tls)
    assert "plain http" in str(error) and web.accepts == 0


# ── S: addresses ─────────────────────────────────────────────────────────────────────────────────

SPELLINGS = (
    "127.0.0.2", "localhost", "[::1]", "0.0.0.0", "0", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "①②⑦.0.0.2",
    "127.0.0.2.", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "user@127.0.0.2", "127.0.0.1@127.0.0.2",
)  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
def test_s1_no_spelling_of_loopback_is_connected_to(web, forbidden, host):
    """Nothing is allowed here, so 127.0.0.1 is as forbidden as its neighbour."""
    for server in (web, forbidden):
        error = fails(server, "/", host=host, settings={"allow_networks": ()})
        assert error.permanent or "DNS" in str(error)
        assert server.accepts == 0


def test_s2_a_redirect_to_a_forbidden_address_stops_there(web, forbidden):
    web.page("/feed.xml").redirects(forbidden.url("/"))
    error = fails(web, settings={"allow_ports": (web.port, forbidden.port)})
    assert "127.0.0.2 is not to be connected to" in str(error) and "allow_networks" in str(error) and error.permanent


def test_s3_a_name_that_changes_its_address_is_judged_each_time(web, forbidden):
    web.page("/").says(200, FEED, headers={"Connection": "close"})
    dns = FakeDNS(rebind=(("127.0.0.1",), ("127.0.0.2",)))

    async def scenario(fetcher):
        assert (await fetcher.fetch(web.url("/", host="rebind.test"), own_port=web.port)).body == FEED
        return await fetcher.fetch(forbidden.url("/", host="rebind.test"), own_port=forbidden.port)

    with pytest.raises(FetchError, match="not to be connected to"):
        run(scenario, resolver=dns)


def test_s3_of_several_addresses_only_the_allowed_one_is_connected_to(web, forbidden):
    web.page("/").says(200, FEED)
    dns = FakeDNS(mixed=(("127.0.0.2", "::1", "127.0.0.1"),))
    assert get(web, "/", host="mixed.test", resolver=dns).body == FEED
    error = fails(forbidden, "/", host="mixed.test", resolver=FakeDNS(mixed=(("127.0.0.2", "::1"),)))
    assert "not to be connected to" in str(error)


SCHEMES = ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:text/xml,<rss/>", "source:file:///x",
           "feed://127.0.0.1/", "javascript:alert(1)", "//127.0.0.1/", "/etc/passwd", "", "http://", "http:///x",
           "http://a:b:c/", "http://127.0.0.1:99999/", "https://[::1/")  # fmt: skip


@pytest.mark.parametrize("url", SCHEMES, ids=lambda url: url or "nothing")
def test_s8_what_is_not_http_is_not_fetched(url):
    with pytest.raises(FetchError) as caught:
        run(lambda fetcher: fetcher.fetch(url))
    assert caught.value.permanent


@pytest.mark.parametrize("url", [url for url in SCHEMES if ":" in url and not url.startswith("http")])
def test_s8_nor_redirected_to(web, url):
    web.page("/feed.xml").redirects(url)
    assert "redirects to" in str(fails(web))


NO_ADDRESSES = {
    "http://127.0.0.1:99999/f": "not an address",
    "http://127.0.0.1:port/f": "not an address",
    "http://127.0.0.1:-1/f": "not an address",
    "http://xn--/": "not an address",
    "http://xn--/ä": "not an address",
    "http://[::1/": "not an address",
    "http://127.0.0.1:0/x": "port 0 is none that can be connected to",
    "http:///x": "names no host",
}


@pytest.mark.parametrize(("url", "words"), NO_ADDRESSES.items(), ids=NO_ADDRESSES)
def test_s8_what_is_no_address_is_called_so_and_who_redirects_there_is_named(web, url, words):
    with pytest.raises(FetchError, match=words):
        run(lambda fetcher: fetcher.fetch(url))
    if url != "http:///x":  # which leads to the same host
        web.page("/feed.xml").redirects(url)
        error = str(fails(web))
        assert words in error and error.startswith("127.0.0.1 redirects to")


@pytest.mark.parametrize("port", [22, 25, 6379, 8080])
def test_s10_unusual_ports_are_refused_unless_allowed(port):
    with pytest.raises(FetchError, match=f"port {port} is not allowed"):
        run(lambda fetcher: fetcher.fetch(f"http://127.0.0.1:{port}/", own_port=8000))


def test_s10_a_feeds_own_port_is_for_its_own_host(web):
    web.page("/feed.xml").redirects(web.url("/?key=k3y", host="other.test", user="me:s3cret"))
    error = str(fails(web, resolver=FakeDNS(other=HERE)))
    assert error == f"127.0.0.1 redirects to other.test: port {web.port} is not allowed; see [polling] allow_ports"
    assert len(web.requests) == 1


def test_s11_proxies_and_netrc_in_the_environment_mean_nothing(web, forbidden, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    for name, value in {"HTTP_PROXY": forbidden.url(), "http_proxy": forbidden.url(), "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    web.page("/feed.xml").says(200, FEED)
    assert get(web).body == FEED
    assert web.requests[0].header("Authorization") is None


# ── politeness and crowds ────────────────────────────────────────────────────────────────────────


def test_b3_one_request_at_a_time_to_a_host_with_a_pause_between(web):
    busy = most = 0

    def script(_):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        yield head(200, [("Content-Length", str(len(FEED)))])
        yield 0.02
        busy -= 1
        yield FEED

    web.page("/feed.xml").answers(script)

    async def scenario(fetcher):
        await asyncio.gather(*(fetcher.fetch(web.url("/feed.xml"), own_port=web.port) for _ in range(5)))

    run(scenario, host_gap=timedelta(seconds=0.1))
    gaps = [later.at - earlier.at for earlier, later in zip(web.requests, web.requests[1:], strict=False)]
    assert most == 1 and all(gap >= 0.119 for gap in gaps)
    assert web.accepts == 1  # one connection, kept


def test_c8_who_asks_for_a_longer_pause_gets_it(web):
    web.page("/story").says(200, b"<html>", headers={"Content-Type": "text/html"})

    async def scenario(fetcher):
        for _ in range(2):
            await fetcher.fetch(
                web.url("/story"), own_port=web.port, accept="html", host_gap=timedelta(seconds=0.2)
            )

    run(scenario)
    assert web.requests[1].at - web.requests[0].at >= 0.2


def test_c1_holds_outlive_the_fetcher(web):
    web.page("/feed.xml").says(429, headers={"Retry-After": "7200"})

    async def ask(fetcher):
        with pytest.raises(FetchError) as caught:
            await fetcher.fetch(web.url("/feed.xml"), own_port=web.port)
        return caught.value, fetcher.holds

    _, holds = run(ask)

    async def after_a_restart(fetcher):
        fetcher.restore(holds)
        return await ask(fetcher)

    error, again = run(after_a_restart, now=lambda: NOW + HOUR)
    assert isinstance(error, HostHeld) and error.retry_after == HOUR and again == holds
    assert len(web.requests) == 1


def test_a_redirect_to_the_same_host_waits_like_any_other_request(web):
    web.page("/old").redirects("/feed.xml")
    web.page("/feed.xml").says(200, FEED)
    get(web, "/old", settings={"host_gap": timedelta(seconds=0.15)})
    assert web.requests[1].at - web.requests[0].at >= 0.15


def test_a_wait_for_the_hosts_turn_is_not_counted_against_the_deadline(web):
    web.page("/feed.xml").says(200, FEED)

    async def scenario(fetcher):
        return await asyncio.gather(*(fetcher.fetch(web.url("/feed.xml"), own_port=web.port) for _ in range(3)))

    found = run(scenario, host_gap=timedelta(seconds=0.4), timeout=timedelta(seconds=0.7))
    assert len(found) == 3


def test_r3_a_crowd_at_one_slow_host_does_not_keep_others_waiting(web):
    with FakeWeb() as other:
        web.page("/slow").stays_silent()
        other.page("/fast").says(200, FEED)

        async def scenario(fetcher):
            crowd = [asyncio.create_task(fetcher.fetch(web.url("/slow"), own_port=web.port)) for _ in range(50)]
            await asyncio.sleep(0.05)
            began = time.monotonic()
            await fetcher.fetch(other.url("/fast"), own_port=other.port)
            took = time.monotonic() - began
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            return took

        assert run(scenario, concurrency=4) < 2  # the crowd is silent for longer


def test_a_cancelled_fetch_gives_its_turn_back(web):
    web.page("/slow").stays_silent()
    web.page("/feed.xml").says(200, FEED)

    async def scenario(fetcher):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fetcher.fetch(web.url("/slow"), own_port=web.port), 0.1)
        return await asyncio.wait_for(fetcher.fetch(web.url("/feed.xml"), own_port=web.port), 5)

    assert run(scenario, concurrency=1).body == FEED


@pytest.mark.parametrize("sent", [head(200, PLAIN) + b"x", LENIENT + b"Content-Length: 9\r\n\r\nx"], ids=["strict", "odd"])
def test_r10_failures_leave_no_open_files(web, sent):
    web.page("/feed.xml").breaks_off(sent, ending=Ending.RESET)

    async def scenario(fetcher):
        async def count():
            for _ in range(8):
                with pytest.raises(FetchError):
                    await fetcher.fetch(web.url("/feed.xml"), own_port=web.port)
            await asyncio.sleep(0.05)
            return len(os.listdir("/proc/self/fd"))

        return await count(), await count()

    first, second = run(scenario)
    assert second <= first + 1
