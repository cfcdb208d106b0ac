"""Addresses are cleaned and compared."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.core.urls import canonical_url, host_of, port_of, resolved, url_identity, without_feed_scheme

CLEANED = {
    "scheme, host and port folded": ("HTTP://WWW.Example.COM:80/A", "http://www.example.com/A"),
    "a home page gets its slash": ("https://example.com", "https://example.com/"),
    "campaigns": ("https://e.com/a?utm_source=x&id=5&UTM_Medium=rss&fbclid=1&gclid=2", "https://e.com/a?id=5"),
    "a campaign with an ampersand escaped": ("https://e.com/a?id=5&amp;utm_source=x", "https://e.com/a?id=5"),
    "the BBC's": ("https://www.bbc.co.uk/news/1?at_medium=RSS&at_campaign=rss", "https://www.bbc.co.uk/news/1"),
    "the Mail's": (
        "https://www.dailymail.co.uk/a.html?ns_mchannel=rss&ns_campaign=1490&ito=1490",
        "https://www.dailymail.co.uk/a.html",
    ),
    "a tracker behind the hash": ("https://www.lemonde.fr/x.html#xtor=RSS-3208", "https://www.lemonde.fr/x.html"),
    "a reference that only says feed": (
        "https://e.com/a?ref=rss&source=rss_feed&from=2020",
        "https://e.com/a?from=2020",
    ),
    "a reference that means something": (
        "https://e.com/a?ref=1234&source=report",
        "https://e.com/a?ref=1234&source=report",
    ),
    "an outlet's own": (
        "https://www.nzherald.co.nz/a.cfm?c_id=1&objectid=2",
        "https://www.nzherald.co.nz/a.cfm?objectid=2",
    ),
    "AMP hosts": ("https://amp.theguardian.com/world/x", "https://www.theguardian.com/world/x"),
    "AMP paths": ("https://www.bbc.co.uk/news/amp/world-123", "https://www.bbc.co.uk/news/world-123"),
    "AMP at the end": ("https://e.com/story/amp/", "https://e.com/story"),
    "AMP as a suffix": ("https://e.com/story.amp.html", "https://e.com/story.html"),
    "AMP in Google's cache": ("https://www.google.com/amp/s/www.e.com/story/amp/", "https://www.e.com/story"),
    "AMP in another cache": ("https://www-e-com.cdn.ampproject.org/c/s/www.e.com/story", "https://www.e.com/story"),
    "AMP in the cache of old": ("https://cdn.ampproject.org/c/s/www.e.com/story", "https://www.e.com/story"),
    "AMP in the cache of old, for readers": ("https://cdn.ampproject.org/v/s/www.e.com/story/amp?usqp=mq", "https://www.e.com/story"),
    "the cache itself": ("https://cdn.ampproject.org/v0.js", "https://cdn.ampproject.org/v0.js"),
    "mobile hosts": ("https://m.bbc.co.uk/news/1", "https://www.bbc.co.uk/news/1"),
    "mobile within": ("https://en.m.wikipedia.org/wiki/X", "https://en.wikipedia.org/wiki/X"),
    "short hosts that are no mobile ones": ("https://m.co/x", "https://m.co/x"),
    "Google's redirect": ("https://www.google.com/url?rct=j&url=https://e.com/a%3Fb%3D1&ct=ga", "https://e.com/a?b=1"),
    "a redirect in a path": ("https://scour.ing/r/rss/https%3A%2F%2Fe.com%2Fa", "https://e.com/a"),
    "Yahoo's star": ("http://us.rd.yahoo.com/news/rss/*http://news.yahoo.com/s/1", "http://news.yahoo.com/s/1"),
    "FeedBurner names no target": (
        "http://feedproxy.google.com/~r/x/~3/abc/",
        "http://feedproxy.google.com/~r/x/~3/abc/",
    ),
    "a picture's source is no redirect": (
        "https://e.com/x?url=https%3A%2F%2Fo.com%2Fa",
        "https://e.com/x?url=https%3A%2F%2Fo.com%2Fa",
    ),
    "fragments": ("https://e.com/a#comments", "https://e.com/a"),
    "fragments that choose the page": ("https://e.com/#!/story/1", "https://e.com/#!/story/1"),
    "sessions": ("https://e.com/a;jsessionid=1F?b=1", "https://e.com/a?b=1"),
    "credentials": ("https://user:secret@e.com/a", "https://e.com/a"),
    "what would break a message": ("https://e.com/a b<c>|d", "https://e.com/a%20b%3Cc%3E%7Cd"),
    "escapes of plain letters": ("https://e.com/%7euser/%c3%a9", "https://e.com/~user/%C3%A9"),
    "letters beyond ASCII": ("https://bücher.de/ä", "https://xn--bcher-kva.de/%C3%A4"),
    "invisible characters": (" https://e.com/a\x00\n", "https://e.com/a"),
    "an address literal": ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    "other schemes are left alone": ("mailto:a@b.c", "mailto:a@b.c"),
    "garbage is left alone": ("http://[bad/x", "http://[bad/x"),
}


@pytest.mark.parametrize(("url", "expected"), CLEANED.values(), ids=CLEANED)
def test_an_address_is_cleaned(url, expected):
    assert canonical_url(url) == expected


SAME = {
    "scheme, www and slash": ("http://www.e.com/a/", "https://e.com/a"),
    "mobile and AMP": ("https://m.e.com/a", "https://e.com/a/amp"),
    "the order of parameters": ("https://e.com/a?x=1&y=2", "https://e.com/a?y=2&x=1&utm_source=z"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_two_addresses_of_one_article_are_one(one, other):
    assert url_identity(one) == url_identity(other) is not None


def test_two_articles_are_two():
    pages = ["https://e.com/a", "https://e.com/b", "https://e.com/a?id=1", "https://e.com/a?id=2", "https://e.com/?p=1"]

    assert len({*map(url_identity, pages)}) == len(pages)


NO_IDENTITY = [
    "https://e.com",
    "https://e.com/index.html",
    "https://e.com/en/",
    "https://e.com/?utm_source=rss",
    "https://news.google.com/rss/articles/CBMi123?oc=5",
    "mailto:a@b.c",
    "/relative",
    "javascript:alert(1)",
    "http://[bad/x",
    "",
]


@pytest.mark.parametrize("url", NO_IDENTITY, ids=[url or "nothing" for url in NO_IDENTITY])
def test_this_identifies_no_article(url):
    assert url_identity(url) is None


def test_the_host_of_an_address():
    assert host_of("https://User@WWW.Example.com.:8443/x") == "www.example.com"
    assert host_of("ftp://e.com/") == host_of("http://[bad/") == host_of("") == ""


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://example.com/a:81/b", None), ("https://example.com:8443/x", 8443), ("http://example.com:80", 80),
        ("http://user:1234@example.com/", None), ("http://user:1234@example.com:99?q=:1", 99),
        ("http://[::1]/", None), ("http://[::1]:8080/", 8080), ("http://e.com:8x/", None), ("", None), (" http://e.com:81#a", 81),
    ],
)  # fmt: skip
def test_the_port_that_an_address_names(url, port):
    assert port_of(url) == port


FEED_SCHEMES = {
    "feed:https://e.com/x": "https://e.com/x",
    "FEED:http://e.com/x": "http://e.com/x",
    "feed://e.com/x": "http://e.com/x",
    "https://e.com/x": "https://e.com/x",
    "feed:file:///etc/passwd": "feed:file:///etc/passwd",
    "feeds.example.com": "feeds.example.com",
}


@pytest.mark.parametrize(("written", "meant"), FEED_SCHEMES.items(), ids=FEED_SCHEMES)
def test_the_scheme_of_old_readers_is_understood(written, meant):
    assert without_feed_scheme(written) == meant


def test_an_address_is_resolved():
    assert resolved("/a", base="https://e.com/feeds/x") == "https://e.com/a"
    assert resolved(" https://e.com/\n a?b=1&amp;c=2 ", base="https://o.com/") == "https://e.com/ a?b=1&c=2"
    assert resolved("//[bad", base="https://e.com/") == "//[bad"


ADDRESSES = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(
            ["http://", "HTTPS://", "https://amp.", "https://m.m.", "//", "https://www.google.com/url?url=http://", "https://cdn.ampproject.org/c/s/"]
        ),
        st.sampled_from(["e.com", "E.com:80", "m.e.com", "[::1]", "u@e.com:99999", "ü.de", "e.com.", "amp.amp.e.com"]),
        st.text(alphabet="/amp.%20?&=#!;:utm_x\x00é", max_size=30),
        st.text(max_size=10),
    ),
)


@given(ADDRESSES)
@example("http://www.google.com/url?url=http://%00")
@example("http://www.google.com/url?url=http://a%00b/%20")
def test_cleaning_twice_is_cleaning_once(url):
    once = canonical_url(url)

    assert canonical_url(once) == once
    assert url_identity(once) == url_identity(url)
    host_of(url)
