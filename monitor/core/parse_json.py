"""JSON Feed 1.0 and 1.1 (jsonfeed.org/version/1.1).

Believes no type: what is not text where text belongs counts as absent. Does not accept other JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from monitor.core.feed_dates import parse_date
from monitor.core.plain import is_html
from monitor.core.repair import ROOT_WITHIN, decoded
from monitor.core.urls import is_web_address, resolved
from monitor.errors import ParseError
from monitor.model import ParsedEntry, ParsedFeed

_VERSION = re.compile(rb'\{\s*"version"\s*:\s*"https?:(?:\\?/){2}(?:www\.)?jsonfeed\.org')
_STRAY = re.compile("[\x00\ud800-\udfff]")  # JSON can escape what no database and no terminal takes


def looks_like_json(body: bytes) -> bool:
    """Whether the document begins as a JSON object or array does, or is a JSON Feed behind a server's warnings."""
    return _begun(body) is not None


def read_json(body: bytes, *, url: str, max_entries: int) -> ParsedFeed:
    """The feed in a JSON document fetched from `url`. Raises ParseError where it is not a JSON Feed."""
    feed = _loaded(body)
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list):
        raise ParseError("JSON, but not a JSON Feed (no list of items)")
    items = [item for item in items if isinstance(item, dict)]
    return ParsedFeed(
        parser="json",
        title=_text(feed, "title"),
        link=_address(feed, "home_page_url", base=url),
        language=_text(feed, "language") or None,
        entries=tuple(_entry(item, url) for item in items[:max_entries]),
        truncated=max(0, len(items) - max_entries),
    )


def _begun(body: bytes) -> bytes | None:
    """The document from where its JSON begins; None where there is none."""
    if body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1] in (b"{", b"["):
        return body
    match = _VERSION.search(body, 0, ROOT_WITHIN) if body[-100:].rstrip().endswith(b"}") else None
    return body[match.start() :] if match else None


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(decoded(_begun(body) or body).lstrip("\ufeff"), strict=False)
    except RecursionError as error:
        raise ParseError("JSON nested too deeply") from error
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise ParseError(f"damaged JSON ({str(error)[:100]})") from error


def _entry(item: dict[str, Any], url: str) -> ParsedEntry:
    html, text = _text(item, "content_html"), _text(item, "content_text")
    title, summary, guid = _text(item, "title"), _text(item, "summary"), _text(item, "id")
    link = _address(item, "url", base=url) or _address(item, "external_url", base=url)
    return ParsedEntry(
        guid=guid or None,
        link=link or (guid if is_web_address(guid) else None),
        title=title,
        summary=summary,
        body=html or text,
        author=_authors(item),
        published_at=parse_date(_text(item, "date_published")),
        updated_at=parse_date(_text(item, "date_modified")),
        language=_text(item, "language") or None,
        title_is_text=bool(title) and not is_html(title),  # plain by the specification, HTML by the practice of some
        summary_is_text=bool(summary) and not is_html(summary),
        body_is_text=bool(text) and not html,
    )


def _text(fields: dict[str, Any], name: str) -> str:
    """A text field; ids may be numbers (the specification asks readers to take them)."""
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < 10**30:  # NaN is neither less nor more
            return ""
        return str(int(value) if value == int(value) else value)
    return _STRAY.sub("", value).strip() if isinstance(value, str) else ""


def _address(fields: dict[str, Any], name: str, *, base: str) -> str | None:
    address = _text(fields, name)
    return resolved(address, base=base) if address else None


def _authors(item: dict[str, Any]) -> str:
    listed = item.get("authors")  # 1.1
    names = _names(listed) if isinstance(listed, list) else []
    return ", ".join(dict.fromkeys(names or _names([item.get("author")])))  # 1.0


def _names(people: list[Any]) -> list[str]:
    return [name for person in people if isinstance(person, dict) and (name := _text(person, "name"))]
