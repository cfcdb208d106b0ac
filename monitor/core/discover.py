"""Where a web page says its feeds are, and where they often are without its saying so.

Reads `<link rel="alternate">` and links that look like feeds. Fetches nothing, and believes no page: whoever uses an
address asks it first.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

from monitor.core.repair import decoded
from monitor.core.urls import is_web_address, without_feed_scheme
from monitor.model import record

FEED_TYPES = frozenset(f"application/{name}" for name in ("rss+xml", "atom+xml", "feed+json", "rdf+xml", "xml")) | {
    "text/xml"
}
# Where WordPress, Ghost, Hugo, Jekyll, Drupal and Blogger put theirs, the most frequent first.
COMMON_PATHS = ("/feed/", "/rss.xml", "/feed.xml", "/atom.xml", "/rss", "/index.xml", "/feed.json")
READ = 1_000_000  # characters of a page
_LOOKS_LIKE_FEED = re.compile(
    r"(?:^|[/._-])(?:rss|atom|feeds?)(?:\.xml|\.json|\.rdf)?/?(?:\?.*)?$|\.(?:rss|atom|rdf)$", re.I
)
_COMMENTS = re.compile(r"comments", re.I)


@record
class Place:
    """An address at which a feed may be."""

    url: str
    title: str = ""


def places_on(page: bytes, *, url: str, content_type: str | None = None) -> tuple[Place, ...]:
    """The feeds that a page declares, or else those that it links to; feeds of comments stand last."""
    reader = _Reader(url)
    reader.feed(decoded(page, content_type)[:READ])
    found = {place.url: place for place in reversed(reader.places(reader.declared) or reader.places(reader.linked))}
    return tuple(sorted(reversed(found.values()), key=lambda place: bool(_COMMENTS.search(place.url + place.title))))


def common_places(url: str) -> tuple[Place, ...]:
    """Where the site of a page often has its feed."""
    return tuple(Place(url=urljoin(url, path)) for path in COMMON_PATHS)


class _Reader(HTMLParser):
    def __init__(self, url: str):
        super().__init__()
        self._url = url
        self._base: str | None = None  # the first counts, for the whole page (HTML living standard)
        self.declared: list[tuple[str, str]] = []
        self.linked: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        if tag == "base" and said.get("href") and self._base is None:
            self._base = _joined(self._url, said["href"])
        elif tag == "link" and _declares_feed(said):
            self.declared.append((said.get("href", ""), said.get("title", "")))
        elif tag == "a" and _LOOKS_LIKE_FEED.search(said.get("href", "")):
            self.linked.append((said["href"], said.get("title", "")))

    def places(self, found: list[tuple[str, str]]) -> list[Place]:
        """Where what was found leads to, once the whole page is read."""
        joined = ((_joined(self._base or self._url, address), title) for address, title in found)
        return [Place(url=url, title=" ".join(title.split())[:200]) for url, title in joined if url]


def _declares_feed(said: dict[str, str]) -> bool:
    relations = said.get("rel", "").lower().split()
    kind = said.get("type", "").lower().partition(";")[0].strip()
    return ("alternate" in relations and kind in FEED_TYPES) or (
        "feed" in relations and (not kind or kind in FEED_TYPES)
    )


def _joined(base: str, address: str) -> str | None:
    try:
        url = urldefrag(urljoin(base, without_feed_scheme(address.strip()))).url
    except ValueError:
        return None
    return url if is_web_address(url) else None
