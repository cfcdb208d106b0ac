"""`feeds find`: from a page's address to its feeds, each asked once so that it is known to work.

A person asks, so it goes as a browser would: the page, then a few addresses, one after another. Takes
the edges as arguments, writes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime

from monitor.core.discover import Place, common_places, places_on
from monitor.core.parse import what_instead
from monitor.errors import FeedError, ParseError
from monitor.model import Fetched, ParsedFeed, record

MOST_DECLARED = 5  # of the feeds that a page names; some name one for every column
MOST_TRIED = 15  # where none of those works

Fetch = Callable[[str], Awaitable[Fetched]]
Parse = Callable[[Fetched], Awaitable[ParsedFeed]]


@record
class FoundFeed:
    """A feed that was found and works, or (`error`) one that its page names and that does not."""

    url: str
    how: str  # "itself" (the address is a feed's), "page" (that names it), "guess"
    title: str = ""
    entries: int = 0
    newest_at: datetime | None = None
    error: str | None = None


async def find_feeds(url: str, fetch: Fetch, parse: Parse) -> tuple[FoundFeed, ...]:
    """The feeds of a page, those it names or else the first that is where feeds often are. Raises FetchError where the
    page itself cannot be had."""
    page = await fetch(url)
    if what_instead(page.body) is None:
        with suppress(ParseError):  # it was a page after all
            return (_found(page.url, "itself", await parse(page)),)
    places = places_on(page.body, url=page.url, content_type=page.content_type)
    named = [await _asked(place, fetch, parse) for place in places[:MOST_DECLARED]]
    for place in places[MOST_DECLARED:MOST_TRIED]:
        if any(one.error is None for one in named):
            break
        named.append(await _asked(place, fetch, parse))
    if any(one.error is None for one in named):
        return tuple(named)
    return (*named, *await _first_that_works(common_places(page.url), {place.url for place in places}, fetch, parse))


async def _first_that_works(places: Iterable[Place], asked: set[str], fetch: Fetch, parse: Parse) -> list[FoundFeed]:
    for place in places:
        if place.url not in asked:
            found = await _asked(place, fetch, parse, how="guess")
            if found.error is None:
                return [found]
    return []


async def _asked(place: Place, fetch: Fetch, parse: Parse, *, how: str = "page") -> FoundFeed:
    try:
        answer = await fetch(place.url)
        return _found(answer.url, how, await parse(answer), place.title)
    except FeedError as error:
        return FoundFeed(url=place.url, how=how, title=place.title, error=str(error))


def _found(url: str, how: str, feed: ParsedFeed, title: str = "") -> FoundFeed:
    dates = [entry.published_at for entry in feed.entries if entry.published_at is not None]
    return FoundFeed(
        url=url, how=how, title=feed.title or title, entries=len(feed.entries), newest_at=max(dates, default=None)
    )
