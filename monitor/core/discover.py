"""Where a web page says its feeds are, and where they often are without its saying so.

Reads `<link rel="alternate">` and links that look like feeds. Fetches nothing, and believes no page: whoever uses an
address asks it first.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

from monitor.core.repair import decoded
from monitor.core.urls import is_web_address
from monitor.model import record

FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
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
    found = {place.url: place for place in reversed(reader.declared or reader.linked)}
    return tuple(sorted(reversed(found.values()), key=lambda place: bool(_COMMENTS.search(place.url + place.title))))


def common_places(url: str) -> tuple[Place, ...]:
    """Where the site of a page often has its feed."""
    return tuple(Place(url=urljoin(url, path)) for path in COMMON_PATHS)


class _Reader(HTMLParser):
    def __init__(self, url: str):
        super().__init__()
        self._base = url
        self.declared: list[Place] = []
        self.linked: list[Place] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        if tag == "base" and said.get("href"):
            self._base = self._joined(said["href"]) or self._base
        elif tag == "link" and "alternate" in said.get("rel", "").lower().split():
            if said.get("type", "").lower().partition(";")[0].strip() in FEED_TYPES:
                self._add(self.declared, said.get("href", ""), said.get("title", ""))
        elif tag == "a" and _LOOKS_LIKE_FEED.search(said.get("href", "")):
            self._add(self.linked, said["href"], said.get("title", ""))

    def _add(self, to: list[Place], address: str, title: str) -> None:
        if url := self._joined(address):
            to.append(Place(url=url, title=" ".join(title.split())[:200]))

    def _joined(self, address: str) -> str | None:
        try:
            url = urljoin(self._base, re.sub(r"^feed:(?=https?:)", "", address.strip()))
        except ValueError:
            return None
        return url if is_web_address(url) else None
