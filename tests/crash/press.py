"""Items with a token each, and the feeds that carry them: a real web server whose ETags give 304s.

An item stays in its feed to the end, so nothing is lost but by the program. Titles are made of words that no two items
share, so each is a story of its own.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from hashlib import blake2b

from tests.fakeweb import Ending, FakeWeb, Request, Step, head

TOKEN = re.compile(r"zq[a-z]{7}")
WATCHED = ("harbour", "glacier", "orchard", "tannery", "viaduct", "quarry")  # one watchlist each
OLD = timedelta(days=3)  # older than the watchlists' max_age, and than what a first check alerts

_SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]


class Kind(Enum):
    """What an item is, and so whether anybody may hear of it."""

    MATCHING = "matching"
    OTHER = "no watchlist asks for it"
    OLD = "matching, but published days ago"
    SEEDED = "matching, but there before the feed was first checked, and old"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a feed."""

    token: str
    kind: Kind
    title: str
    published_at: datetime


class Press:
    """Publishes into feeds and serves them. `kill` is called where a trap is set; `clock` is the simulated one."""

    def __init__(self, web: FakeWeb, dice: random.Random, clock: Callable[[], datetime], feeds: int = 6):
        self._web, self._dice, self._clock = web, dice, clock
        self._lock = threading.Lock()
        self.items: dict[str, Item] = {}
        self.feeds: dict[str, list[Item]] = {f"feed{number}": [] for number in range(feeds)}
        self._answered: list[tuple[str, str]] = []  # feed and ETag of whole answers
        self.asked = threading.Event()
        self.trap: tuple[str, Callable[[], None]] | None = None  # "head" or "body", and what then happens
        for name in self.feeds:
            for kind in (Kind.SEEDED, Kind.SEEDED, Kind.OTHER):
                self._write(name, kind)
            web.page(f"/{name}").answers(lambda request, name=name: self._answer(request, name))

    @property
    def urls(self) -> dict[str, str]:
        """Where the feeds are, by name."""
        return {name: self._web.url(f"/{name}") for name in self.feeds}

    def publish(self, matching: int = 1, *, feeds: int = 1) -> None:
        """So many matching items in each of some feeds, and now and then one more that nobody may hear of."""
        for name in self._dice.sample(sorted(self.feeds), feeds):
            with self._lock:
                for _ in range(matching):
                    self._write(name, Kind.MATCHING)
                if self._dice.random() < 0.3:
                    self._write(name, self._dice.choice((Kind.OTHER, Kind.OLD)))

    def wait_until_asked(self) -> None:
        """Wait until somebody has asked for a feed since `asked` was cleared."""
        self.asked.wait(10)

    def all_answered_twice(self) -> bool:
        """Whether every feed has been asked for twice since `forget_answers`, as it now is: nobody asks for a feed
        again before what it answered is saved."""
        with self._lock:
            return all(self._answered.count((name, _etag(self._document(name)))) >= 2 for name in self.feeds)

    def forget_answers(self) -> None:
        """From here on `all_answered_twice` counts."""
        with self._lock:
            self._answered.clear()

    def _write(self, feed: str, kind: Kind) -> None:
        token = "zq" + "".join(self._dice.choices("abcdefghijklmnopqrstuvwxyz", k=7))
        words = " ".join("".join(self._dice.choices(_SYLLABLES, k=4)) for _ in range(5))
        about = "kettle" if kind is Kind.OTHER else self._dice.choice(WATCHED)
        age = OLD if kind in (Kind.OLD, Kind.SEEDED) else timedelta(minutes=1)
        item = Item(token, kind, f"{about.title()} {token} {words}", self._clock() - age)
        self.items[token] = item
        self.feeds[feed].append(item)

    def _document(self, feed: str) -> bytes:
        rows = "".join(
            f"<item><title>{item.title}</title><guid isPermaLink='false'>{item.token}</guid>"
            f"<link>https://{feed}.example/{item.token}</link><pubDate>{format_datetime(item.published_at)}</pubDate></item>"
            for item in reversed(self.feeds[feed])
        )
        return f"<rss version='2.0'><channel><title>{feed}</title>{rows}</channel></rss>".encode()

    def _answer(self, request: Request, feed: str) -> Iterator[Step]:
        self.asked.set()
        with self._lock:
            body = self._document(feed)
        etag = _etag(body)
        if request.header("If-None-Match") == etag:
            yield head(304, [("ETag", etag)])
        else:
            trap = self._sprung()
            fields = [("ETag", etag), ("Content-Type", "application/rss+xml"), ("Content-Length", str(len(body)))]
            yield head(200, fields)
            if trap and trap[0] == "head":
                yield body[: len(body) // 2]
                trap[1]()
                yield Ending.CLOSE
            yield body
            if trap:
                yield self._dice.uniform(0, 0.01)  # it is parsing, or has just parsed
                trap[1]()
        with self._lock:
            self._answered.append((feed, etag))

    def _sprung(self) -> tuple[str, Callable[[], None]] | None:
        with self._lock:
            trap, self.trap = self.trap, None
            return trap


def _etag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=8).hexdigest()}"'


def tokens_in(text: str) -> frozenset[str]:
    """All tokens in a text."""
    return frozenset(TOKEN.findall(text))
