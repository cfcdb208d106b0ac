"""Article page or text → title, time, author and body, without what surrounds them.

HTML goes through trafilatura (imported when first needed: it is slow to load) and then, as plain text does from the
start, through core/page_dump.py. Fetches nothing. Hostile pages may take long: run it where it can be stopped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor.core.feed_dates import parse_date
from monitor.core.page_dump import read_dump
from monitor.core.parse import looks_like_feed, looks_like_html
from monitor.core.plain import plain_text
from monitor.core.repair import PROLOG, decoded, unzipped
from monitor.core.urls import is_web_address
from monitor.model import ParsedEntry

LEAST_TEXT = 80  # characters; where less is found in a page, its whole text is read as a dump

# Where pages say when they were published: Open Graph, schema.org and their older kin, surest first.
_TIMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"""<meta[^>]{1,200}?(?:property|name|itemprop)=["']?(?:article:published_time|datePublished|og:published_time"""
        r"""|date|pubdate|publishdate|dc\.date(?:\.issued)?|parsely-pub-date|sailthru\.date)["']?[^>]{0,200}?content=["']([^"']{4,60})["']""",
        r"""<meta[^>]{1,200}?content=["']([^"']{4,60})["'][^>]{0,200}?(?:property|name|itemprop)=["']?(?:article:published_time"""
        r"""|datePublished|parsely-pub-date)["'\s/>]""",
        r""""datePublished"\s*:\s*"([^"]{4,60})\"""",
        r"""<time[^>]{0,200}?(?:pubdate|itemprop=["']?datePublished)[^>]{0,200}?datetime=["']([^"']{4,60})["']""",
    )
)
_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset=[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE)
_HEADLINE = re.compile(r"<(h1|title)\b[^>]*>(.{1,1000}?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_SITE_NAME = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"""<meta[^>]{1,200}?(?:property|name)=["']?og:site_name["']?[^>]{0,200}?content=(["'])(.{2,60}?)\1""",
        r"""<meta[^>]{1,200}?content=(["'])(.{2,60}?)\1[^>]{0,200}?(?:property|name)=["']?og:site_name["'\s/>]""",
    )
)
_LANGUAGE = re.compile(r"<html\b[^>]{0,500}?\blang=[\"']?([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)", re.IGNORECASE)
_BODY_ONLY = re.compile(r"<(head|nav|footer|aside|form|button)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def read_page(page: bytes, url: str, content_type: str | None) -> ParsedEntry:
    """As `extract_article`, for a child, which is told by position."""
    return extract_article(page, url=url, content_type=content_type)


def extract_article(page: bytes | str, *, url: str | None = None, content_type: str | None = None) -> ParsedEntry:
    """The article on an HTML page, or in a plain text.

    Returns title, body (plain text, paragraphs joined by "\\n"), author and time; what cannot be found is empty.
    `url` becomes the link, `content_type` is the header that came with bytes. Raises ParseError
    only for gzip data that cannot be unpacked.
    """
    if isinstance(page, bytes):
        page = unzipped(page)
        html = looks_like_html(page)
        text = _decoded_html(page, content_type) if html else decoded(page, content_type)
    else:
        text = page
        html = looks_like_html(page[:65_536].encode("utf-8", "replace"))
    return _from_html(text, url) if html else read_dump(text, url=url)


def sniff(body: bytes, name: str = "") -> str:
    """What a document is: "feed", "html" or "text". The name of its file decides only where the content does not."""
    if looks_like_feed(body):
        return "feed"
    if looks_like_html(body) or name.lower().endswith((".html", ".htm", ".xhtml")):
        return "html"
    return "text"


def _from_html(html: str, url: str | None) -> ParsedEntry:
    found = _by_trafilatura(html, url)
    title = plain_text((found and found.title) or _title_of(html)).replace("\n", " ")
    entry = read_dump((found and found.text) or "", url=url, title=title)
    if len(entry.body) < LEAST_TEXT:
        whole = read_dump(plain_text(_BODY_ONLY.sub("", html)), url=url, title=title)
        entry = max(entry, whole, key=lambda each: len(each.body))
    author = plain_text((found and found.author) or "").replace("; ", ", ")
    return replace(
        entry,
        author=entry.author if not author or is_web_address(author) else author,
        outlet=_site_of(html),
        published_at=_published(html) or entry.published_at or parse_date(found.date if found else None),
        language=(found and found.language) or _language_of(html),
    )


def _by_trafilatura(html: str, url: str | None) -> Any:
    """What trafilatura finds, or None where it finds nothing."""
    from trafilatura import bare_extraction

    try:
        return bare_extraction(
            html,
            url=url,
            include_comments=False,
            include_tables=False,
            with_metadata=True,
            favor_precision=True,
            deduplicate=False,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception:  # it lets through whatever lxml, htmldate and its own code stumble over; the dump remains
        return None


def _published(html: str) -> datetime | None:
    for pattern in _TIMES:
        if (match := pattern.search(html)) and (found := parse_date(match[1])):
            return found
    return None


def _title_of(html: str) -> str:
    found = {match[1].lower(): match[2] for match in reversed([*_HEADLINE.finditer(html)])}
    return found.get("h1") or found.get("title") or ""


def _site_of(html: str) -> str:
    match = next(filter(None, (pattern.search(html) for pattern in _SITE_NAME)), None)
    return plain_text(match[2]) if match else ""


def _language_of(html: str) -> str | None:
    match = _LANGUAGE.search(html)
    return match[1] if match else None


def _decoded_html(page: bytes, content_type: str | None) -> str:
    """A page's text; where the server names no encoding, its <meta charset> does."""
    match = _META_CHARSET.search(page[:PROLOG])
    says = "charset=" in (content_type or "").lower()
    return decoded(page, content_type if says or not match else f"text/html; charset={match[1].decode()}")
