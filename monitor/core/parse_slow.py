"""Feeds that a strict parser refuses: first mended and tried again, then given to feedparser, its faults guarded.

Slow (feedparser needs about eight times as long), so callers run it where it can be stopped. The only room that knows
feedparser, which is imported when it is first needed: it costs as much start-up time as all the rest.

What is guarded: the last of several links wins in it, a photograph's title, caption and text count as the story's, it
takes a number that identifies an item for its address, reads 2020/1/10 as the first of November and BST as UTC, and
opens files whose name is a feed's body.
"""

from __future__ import annotations

import re
from datetime import datetime
from io import BytesIO
from typing import Any

from monitor.core.feed_dates import asked_interval, parse_date
from monitor.core.parse_xml import is_alternate, is_page, person_name, read_xml
from monitor.core.plain import is_html
from monitor.core.repair import is_cut_short, mended
from monitor.core.urls import is_web_address, resolved
from monitor.errors import ParseError
from monitor.model import ParsedEntry, ParsedFeed

# Renamed, so that feedparser does not take a photograph's words for the story's.
_MEDIA = re.compile(rb"(</?media):(?=(?:title|description|text)\b)", re.IGNORECASE)
_UTF8 = {"content-type": "application/xml; charset=utf-8"}


def read_slowly(body: bytes, *, url: str, content_type: str | None, max_entries: int) -> ParsedFeed:
    """The feed in a document that is not well-formed, or that has no entries. Raises ParseError where it is no feed."""
    better = mended(body, content_type)
    feed = read_xml(better, url=url, content_type=None, max_entries=max_entries)
    return feed or _by_feedparser(better, url, max_entries)


def _by_feedparser(body: bytes, url: str, max_entries: int) -> ParsedFeed:
    found = _parsed(body)
    feed, entries = found.get("feed") or {}, found.get("entries") or []
    version = found.get("version") or ""
    if not entries and not version:
        raise ParseError("no feed: neither RSS nor Atom could be recognised")
    atom = version.startswith("atom")
    return ParsedFeed(
        parser="feedparser",
        title=_text(feed, "title"),
        link=_address(feed, url),
        language=_text(feed, "language") or None,
        ttl=asked_interval(_text(feed, "ttl"), _text(feed, "sy_updateperiod"), _text(feed, "sy_updatefrequency")),
        entries=tuple(_entry(entry, url, atom=atom) for entry in entries[:max_entries]),
        truncated=max(0, len(entries) - max_entries),
        cut_short=is_cut_short(body),
    )


def _parsed(body: bytes) -> Any:
    import feedparser

    stream = BytesIO(_MEDIA.sub(rb"\1-", body))
    try:
        return feedparser.parse(stream, response_headers=_UTF8, sanitize_html=False, resolve_relative_uris=False)
    except Exception as error:  # feedparser lets through whatever its own code stumbles over
        raise ParseError("damaged feed: it is too broken to be read") from error


def _entry(entry: Any, url: str, *, atom: bool) -> ParsedEntry:
    title, summary, body = _text(entry, "title"), _text(entry, "summary"), _longest(entry.get("content") or [])
    return ParsedEntry(
        guid=_text(entry, "id") or None,
        link=_address(entry, url),
        title=title,
        summary=summary if summary != body else "",
        body=body,
        author=person_name(_text(entry, "author")),
        outlet="" if atom else _text(entry.get("source") or {}, "title"),
        published_at=_date(entry, "published", "created", "updated"),  # it files dc:date under "updated"
        updated_at=_date(entry, "updated"),
        title_is_text=atom and _is_plain(entry.get("title_detail"), title),
        summary_is_text=atom and _is_plain(entry.get("summary_detail"), summary),
        body_is_text=atom and any(_is_plain(part, body) for part in entry.get("content") or []),
    )


def _text(fields: Any, name: str) -> str:
    value = fields.get(name) if name in fields else None
    return value.strip() if isinstance(value, str) else ""


def _longest(parts: list[Any]) -> str:
    readable = (part for part in parts if "html" in (kind := part.get("type") or "") or kind.startswith("text/"))
    return max(((part.get("value") or "").strip() for part in readable), key=len, default="")


def _is_plain(detail: Any, text: str) -> bool:
    """Whether a part of an Atom feed says that it is plain text, and is this one."""
    if not detail or not text or (detail.get("value") or "").strip() != text:
        return False
    return detail.get("type") == "text/plain" and not is_html(text)


def _address(fields: Any, url: str) -> str | None:
    """The address before FeedBurner's redirect, or the first that leads to a page."""
    original = _text(fields, "feedburner_origlink")
    if is_web_address(original):
        return original
    links = [link for link in fields.get("links") or [] if is_alternate(link.get("rel") or "")]
    pages = [link for link in links if is_page(link.get("type"))]
    address = next((link["href"].strip() for link in pages if (link.get("href") or "").strip()), "")
    address = address or _text(fields, "link")
    if address == _text(fields, "id") and not (is_web_address(address) or address.startswith("/")):
        return None
    return resolved(address, base=url) if address else None


def _date(entry: Any, *names: str) -> datetime | None:
    return next((found for name in names if (found := parse_date(_text(entry, name)))), None)
