"""Bytes → `ParsedFeed`: strict lxml first, feedparser for what it refuses, JSON Feed by the standard library.

The door to the rooms parse_xml, parse_json and parse_slow, the only ones that know a parser. Reads what feeds say, as
they wrote it; cleaning text, telling entries apart and believing dates is core/normalise.py's work.
"""

from __future__ import annotations

import re
from dataclasses import replace

from monitor.core.parse_json import looks_like_json, read_json
from monitor.core.parse_slow import read_slowly
from monitor.core.parse_xml import read_xml
from monitor.core.repair import ROOT_WITHIN, unzipped
from monitor.errors import ParseError
from monitor.model import ParsedFeed

# A document of so many entries is a busy desk's, and read whole. One of more is an archive or an attack (100,000 fit
# into five megabytes): of it only the first are read (design: F11, X5).
MAX_ENTRIES, CUT_TO = 5000, 1000

# How other files begin. Source: the WHATWG MIME sniffing standard, and the formats' own specifications.
_MAGIC = (
    (b"\x89PNG\r\n", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"\x00\x00\x01\x00", "an image (icon)"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"(\xb5/\xfd", "Zstandard data"),
    (b"ID3", "an audio file"),
    (b"OggS", "an audio file"),
    (b"\x7fELF", "a program"),
)
_FEED_ROOT = re.compile(rb"<(?:[\w.\-]+:)?(?:rss|feed|rdf)[\s>]", re.IGNORECASE)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?>(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*)<(?:!doctype\s+html|html|head|body|script|style|title|meta|link|div|p|br)[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
# What a page may hold a feed's words in, and a root that can be nothing but a feed's: with a channel or a namespace.
_NOT_SHOWN = re.compile(
    rb"<(?:!--.*?(?:-->|\Z)|(script|style|textarea)(?=[\s/>]).*?(?:</\1\s*>|\Z))", re.IGNORECASE | re.DOTALL
)
_ROOT_IN_PAGE = re.compile(
    rb"<(?:[\w.\-]+:)?(?:(?:rss|rdf)(?:\s[^<>]*)?>\s*<(?:[\w.\-]+:)?channel[\s>]|feed\s[^<>]*xmlns)", re.IGNORECASE
)
_HTML_TAG = re.compile(rb"</(?:html|head|body|article|main|section|div|p|h[1-6]|span|a|title)\s*>", re.IGNORECASE)
_OTHER_ROOTS = (
    (re.compile(rb"<opml[\s>]", re.IGNORECASE), "an OPML list of feeds (import it instead)"),
    (re.compile(rb"<(?:urlset|sitemapindex)[\s>]", re.IGNORECASE), "a sitemap"),
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "an image (SVG)"),
)
_EBCDIC = b"\x4c\x6f\xa7\x94"


def parse_feed(body: bytes, *, url: str, content_type: str | None = None, max_entries: int = MAX_ENTRIES) -> ParsedFeed:
    """Read a feed document.

    `url` is where it was fetched from (relative links are relative to it), `content_type` the header that came with
    it; where there are more than `max_entries` entries, the first CUT_TO are kept and the others counted. Raises
    ParseError, in words for people, where the document is not a feed.
    """
    feed = parse_fast(body, url=url, content_type=content_type, max_entries=max_entries)
    return feed or parse_slow(body, url=url, content_type=content_type, max_entries=max_entries)


def parse_fast(
    body: bytes, *, url: str, content_type: str | None = None, max_entries: int = MAX_ENTRIES
) -> ParsedFeed | None:
    """Like `parse_feed`, for well-formed documents only: None where `parse_slow` should try, or where there are no
    entries. Raises ParseError where that would be pointless."""
    body = unzipped(body)
    _refuse_what_is_no_feed(body)
    if looks_like_json(body):
        return _cut(read_json(body, url=url, max_entries=max_entries))
    feed = read_xml(body, url=url, content_type=content_type, max_entries=max_entries)
    return _cut(feed) if feed else None


def parse_slow(body: bytes, url: str, content_type: str | None = None, max_entries: int = MAX_ENTRIES) -> ParsedFeed:
    """Like `parse_feed`, for documents that `parse_fast` left. May need minutes and much memory for a hostile
    document: to be run where it can be stopped."""
    body = unzipped(body)
    _refuse_what_is_no_feed(body)
    if looks_like_json(body):
        return _cut(read_json(body, url=url, max_entries=max_entries))
    return _cut(read_slowly(body, url=url, content_type=content_type, max_entries=max_entries))


def what_instead(body: bytes) -> str | None:
    """What a document is that cannot be a feed, in words; None where it may be one."""
    if not body.strip(b"\x00 \t\r\n\x0b\x0c\xef\xbb\xbf\xff\xfe"):
        return "an empty document" if not body else "a document of nothing but white space"
    for magic, words in _MAGIC:
        if body.startswith(magic):
            return words
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "an image (WebP)"
    return None if looks_like_json(body) else _other_markup(body)


def looks_like_feed(body: bytes) -> bool:
    """Whether a document seems to be a feed, whatever its name or header say; it may still be damaged."""
    body = unzipped(body)
    if looks_like_json(body):
        return b'"items"' in body.replace(b"\x00", b"")  # as good as decoded, for UTF-16
    return _has_feed_root(_head(body))


def looks_like_html(body: bytes) -> bool:
    """Whether a document is an HTML page or a piece of one."""
    head = _head(body)
    return _HTML.match(head) is not None or len(_HTML_TAG.findall(head)) >= 2


def _cut(feed: ParsedFeed) -> ParsedFeed:
    """Of a document that is too long, the beginning."""
    left_out = len(feed.entries[CUT_TO:]) if feed.truncated else 0
    return replace(feed, entries=feed.entries[:CUT_TO], truncated=feed.truncated + left_out) if left_out else feed


def _other_markup(body: bytes) -> str | None:
    head = _head(body)
    if _has_feed_root(head) or head.startswith(_EBCDIC):
        return None
    if b"<" not in head:
        return "plain text" if _is_text(head) else "binary data"
    if _HTML.match(head):
        return "an HTML page"
    return next((words for root, words in _OTHER_ROOTS if root.search(head)), None)


def _head(body: bytes) -> bytes:
    return body.lstrip()[:ROOT_WITHIN].replace(b"\x00", b"")  # as good as decoded, for UTF-16


def _has_feed_root(head: bytes) -> bool:
    """Whether a feed begins here, be it behind warnings in HTML; a page that mentions one is none."""
    if _FEED_ROOT.search(head) is None:
        return False
    return not _HTML.match(head) or _ROOT_IN_PAGE.search(_NOT_SHOWN.sub(b"", head)) is not None


def _is_text(head: bytes) -> bool:
    return not re.search(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]", head[:1024])


def _refuse_what_is_no_feed(body: bytes) -> None:
    if instead := what_instead(body):
        raise ParseError(f"{instead} instead of a feed")
