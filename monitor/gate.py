"""What wirewatch asks publishers for, and how: every request of the daemon and of commands passes here.

Says which port, size and time a feed, a page and a robots.txt may have, and from what configuration the gate is built.
How one address is fetched is edges/fetch.py's to know, when it is time to ask core/pace.py's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network

from monitor.clock import system_clock
from monitor.config import Config
from monitor.core.robots import LARGEST as LARGEST_ROBOTS
from monitor.core.urls import host_of, port_of
from monitor.edges.fetch import Fetcher, FetchSettings
from monitor.errors import SchemaError, StoreError
from monitor.model import Ask, Feed, Fetched, NotModified
from monitor.store import hosts
from monitor.store.database import Database

PAGE_TIMEOUT, LARGEST_PAGE = timedelta(seconds=20), 5 * 1024 * 1024  # design: limits by default


def settings_of(config: Config) -> FetchSettings:
    """How the gate is to be, by the configuration."""
    polling = config.polling
    return FetchSettings(
        contact=polling.contact,
        timeout=polling.timeout,
        max_body=polling.max_body,
        concurrency=polling.concurrency,
        per_host=polling.per_host,
        host_gap=polling.host_gap,
        allow_networks=tuple(ip_network(network) for network in polling.allow_networks),
        allow_ports=polling.allow_ports,
    )


def open_fetcher(config: Config) -> Fetcher:
    """The gate, for a command that fetches without a daemon: a context manager. It leaves alone whom a daemon does."""
    fetcher = Fetcher(settings_of(config), now=system_clock)
    with contextlib.suppress(StoreError, SchemaError):
        kept = Database.open_reader(config.database)
        with contextlib.closing(kept), kept.read() as tx:
            fetcher.restore(hosts.list_holds(tx))
    return fetcher


async def fetch_once(url: str, config: Config, feed: Feed | None = None) -> tuple[bytes, str]:
    """Fetch one document for a command. Returns its bytes and final address. Raises FetchError."""
    async with open_fetcher(config) as fetcher:
        answer = await fetcher.fetch(url, headers=feed.headers if feed else (), own_port=port_of(url))
    return answer.body, answer.url


async def fetch_feed(fetcher: Fetcher, feed: Feed, ask: Ask) -> Fetched | NotModified:
    """A feed's document. Raises FetchError, as the others do."""
    url = ask.url or feed.url
    return await fetcher.fetch(
        url,
        validators=ask.validators,
        validators_url=ask.validators_url,
        headers=feed.headers,
        own_port=_own_port(url, feed),
    )


async def fetch_page(
    fetcher: Fetcher, url: str, feed: Feed, *, may_follow: Callable[[str], bool], gap: timedelta
) -> Fetched:
    """An article's page, with at least `gap` between two requests to its host."""
    return await fetcher.fetch(
        url,
        own_port=_own_port(url, feed),
        accept="html",
        max_body=LARGEST_PAGE,
        timeout=PAGE_TIMEOUT,
        host_gap=gap,
        may_follow=may_follow,
    )


async def fetch_robots(fetcher: Fetcher, url: str, feed: Feed) -> Fetched:
    """A site's robots.txt."""
    return await fetcher.fetch(
        url, own_port=_own_port(url, feed), accept="text", max_body=LARGEST_ROBOTS, timeout=PAGE_TIMEOUT
    )


def _own_port(url: str, feed: Feed) -> int | None:
    """The port that is allowed for this feed: its own, on its own host."""
    return port_of(feed.url) if url == feed.url or host_of(url) == host_of(feed.url) else None
