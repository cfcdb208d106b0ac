"""The one gate for everything that is fetched: feeds, articles, discovery.

Asks politely (validators, one request at a time to a host, a pause between two), believes nothing (each address
judged when it is dialled, each redirect like a first request, every body within limits) and says in a person's
words what went wrong. It does not parse, does not decide when to come back (`pace` does) and keeps no cookies.

aiohttp's parser is strict; answers that break HTTP's grammar are refused with a message, not read leniently.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from monitor import __version__
from monitor.edges.addresses import Network, refusal
from monitor.edges.answers import Body, coding_of, max_age_of, shown, validators_of
from monitor.edges.hops import (
    STANDARD_PORTS,
    Headers,
    authorization,
    check_port,
    host_key,
    parsed,
    redirected,
    sendable,
)
from monitor.edges.lanes import Lanes
from monitor.edges.resolve import Resolver
from monitor.edges.troubles import of_status, of_transport
from monitor.errors import FetchError
from monitor.model import Fetched, NotModified, Validators, record

HOME = "https://github.com/wirewatch/wirewatch"
ACCEPT = {
    "feed": "application/atom+xml, application/rss+xml, application/feed+json, "
    "application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1",
    "html": "text/html, application/xhtml+xml;q=0.9",
    "text": "text/plain, */*;q=0.1",
}
HTML_TYPES = ("text/html", "application/xhtml+xml")
WHOLE = (200, 203, 226)  # statuses whose body is read; 226 may hold only what is new (RFC 3229), which is what we want
REDIRECTS, FOR_GOOD = (301, 302, 303, 307, 308), (301, 308)
MOST_REDIRECTS = 5  # design: limits by default
IDLE = 5.0  # seconds a connection is kept; aiohttp looks that often, so it idles 10 s at most (design: D4)
HEADER_LINE, HEADER_LINES = 64 * 1024, 100  # design: limits by default

_refusals: ContextVar[list[str]] = ContextVar("_refusals")  # what the dialler refused during this request


@record
class FetchSettings:
    """How to fetch; sizes in bytes. Defaults are the contract's, or the design's limits."""

    contact: str = ""  # goes into the User-Agent
    timeout: timedelta = timedelta(seconds=30)  # for the whole fetch, without the wait for the host's turn
    connect_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=15)  # without a single byte, the first one included
    max_body: int = 15_000_000  # unpacked
    max_compressed: int = 5_000_000
    concurrency: int = 64
    per_host: int = 1
    host_gap: timedelta = timedelta(seconds=2)
    allow_networks: tuple[Network, ...] = ()
    allow_ports: tuple[int, ...] = STANDARD_PORTS

    @property
    def user_agent(self) -> str:
        """Who we are: name, version, where to read about us and whom to write to."""
        contact = "".join(letter for letter in self.contact if letter.isprintable() and letter not in "()")
        return f"wirewatch/{__version__} (+{HOME}{f'; contact={contact}' if contact else ''})"


class HostHeld(FetchError):
    """No request was made: the host asked for peace (429) and that time is not over."""


@record
class _Wish:
    """What the caller wants, on whichever hop."""

    url: URL
    validators: Validators
    validators_url: str | None
    headers: Headers
    own_port: int | None
    accept: str
    max_body: int
    seconds: float  # for the whole fetch, without waiting for turns

    def is_home(self, url: URL) -> bool:
        """Whether this is the host that the caller named: no other is told the caller's headers."""
        return host_key(url) == host_key(self.url)

    def validators_at(self, url: URL) -> Validators:
        """The validators that belong to this address."""
        belong = self.is_home(url) if self.validators_url is None else str(url) == self.validators_url
        return self.validators if belong else Validators()


@record
class _Redirect:
    """An answer that points elsewhere."""

    status: int
    location: str


class Fetcher:
    """Fetches; an async context manager that lives within one event loop.

    `now` says the time (aware UTC), for servers that name a date. `resolver` and `tls` replace the system's resolver
    and trust store. Nothing is taken from the environment: no proxy, no netrc.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        now: Callable[[], datetime],
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        self._settings, self._now, self._resolver, self._tls = settings, now, resolver, tls
        self._lanes = Lanes(concurrency=settings.concurrency, per_host=settings.per_host, gap=settings.host_gap)
        limits = (settings.connect_timeout, settings.read_timeout, settings.timeout)
        self._connect, self._read, self._total = (limit.total_seconds() for limit in limits)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls or _trust(),
                resolver=self._resolver or Resolver(),
                socket_factory=self._dial,
                keepalive_timeout=IDLE,
                limit=0,  # lanes do the limiting
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._read),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=HEADER_LINE,
            max_field_size=HEADER_LINE,
            max_headers=HEADER_LINES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def fetch(
        self,
        url: str,
        *,
        validators: Validators = Validators(),
        validators_url: str | None = None,
        headers: Headers = (),
        own_port: int | None = None,
        accept: str = "feed",
        max_body: int | None = None,
        timeout: timedelta | None = None,
    ) -> Fetched | NotModified:
        """One GET, following up to five redirects.

        `validators` are sent to the host of `url`, or only to `validators_url` where the caller knows which address
        gave them (`Fetched.url`). `headers`, and user:password in `url`, are sent to the host of `url` alone.
        `own_port` is allowed on that host beside `allow_ports`. `accept` is "feed" or "text" (anything), or "html"
        (nothing else). `max_body` (bytes) and `timeout` stand in for those of the settings. Raises FetchError in a
        person's words, without secrets; HostHeld where no request was made.
        """
        wish = _Wish(
            url=parsed(url),
            validators=validators,
            validators_url=validators_url,
            headers=authorization(url) + sendable(headers),
            own_port=own_port,
            accept=accept,
            max_body=max_body or self._settings.max_body,
            seconds=timeout.total_seconds() if timeout else self._total,
        )
        return await self._follow(wish)

    # ── hops ─────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self, wish: _Wish) -> Fetched | NotModified:
        url, seen, for_good, moved_to, left = wish.url, set(), True, None, wish.seconds
        while len(seen) <= MOST_REDIRECTS:
            answer, took = await self._take_turn(wish, url, left)
            if not isinstance(answer, _Redirect):
                return replace(answer, moved_to=moved_to)
            seen.add(url)
            url, left = redirected(url, answer.location), max(left - took, 0)
            for_good = for_good and answer.status in FOR_GOOD
            moved_to = str(url) if for_good else moved_to
            if url in seen:
                raise FetchError(f"{wish.url.host} redirects in a circle", status=answer.status)
        raise FetchError(f"{wish.url.host} redirects more than {MOST_REDIRECTS} times")

    async def _take_turn(self, wish: _Wish, url: URL, left: float) -> tuple[Fetched | NotModified | _Redirect, float]:
        """The answer, and how many seconds it took once it was this host's turn."""
        check_port(url, (*self._settings.allow_ports, *((wish.own_port,) if wish.is_home(url) else ())))
        host, loop = host_key(url), asyncio.get_running_loop()
        async with self._lanes.turn(host):
            if held := self._lanes.held_for(host, self._now()):
                raise HostHeld(f"{url.host} asked us to stay away for another {held}", status=429, retry_after=held)
            began = loop.time()
            try:
                answer = await self._ask(wish, url, left)
            except FetchError as error:
                if error.status == 429:
                    self._lanes.hold(host, error.retry_after, self._now())
                raise
            self._lanes.release(host)
            return answer, loop.time() - began

    async def _ask(self, wish: _Wish, url: URL, left: float) -> Fetched | NotModified | _Redirect:
        refused: list[str] = []
        _refusals.set(refused)
        validators = wish.validators_at(url)
        headers = self._headers(wish, url, validators)
        try:
            async with asyncio.timeout(left):
                async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                    return await self._read_answer(response, wish, url, conditional=validators != Validators())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = getattr(error, "os_error", None)  # aiohttp's own texts show the address with its keys
            if refused and isinstance(error, aiohttp.ClientConnectorError):
                raise FetchError(f"{url.host}: {refused[0]}; see [polling] allow_networks", permanent=True) from cause
            raise of_transport(error, url.host, (self._connect, self._read, wish.seconds)) from cause

    def _headers(self, wish: _Wish, url: URL, validators: Validators) -> dict[str, str]:
        headers = {
            "User-Agent": self._settings.user_agent,
            "Accept": ACCEPT[wish.accept],
            "Accept-Encoding": "gzip",
        }
        if validators.etag is not None:
            headers["If-None-Match"] = validators.etag
        if validators.last_modified is not None:
            headers["If-Modified-Since"] = validators.last_modified
        if wish.is_home(url):
            configured = {name.lower() for name, _ in wish.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in configured}
            headers.update(wish.headers)
        return headers

    # ── addresses ────────────────────────────────────────────────────────────────────────────────

    def _dial(self, address: tuple) -> socket.socket:
        """A socket for an address that aiohttp is about to dial, literal or resolved; raises where it must not."""
        family, kind, protocol, _, sockaddr = address
        if why := refusal(sockaddr[0], self._settings.allow_networks):
            _refusals.get().append(why)
            raise PermissionError(why)
        return socket.socket(family, kind, protocol)

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    async def _read_answer(
        self, response: aiohttp.ClientResponse, wish: _Wish, url: URL, *, conditional: bool
    ) -> Fetched | NotModified | _Redirect:
        if response.status in REDIRECTS and (location := response.headers.get("Location")):
            return _Redirect(status=response.status, location=location)
        facts = {
            "url": str(url),
            "validators": validators_of(response.raw_headers),
            "max_age": max_age_of(
                ",".join(response.headers.getall("Cache-Control", ())), response.headers.get("Age", "")
            ),
        }
        if response.status == 304 and conditional:
            return NotModified(**facts)
        if response.status not in WHOLE:
            raise of_status(response.status, response.headers, url.host, self._now())
        content_type = response.headers.get("Content-Type")
        if wish.accept == "html" and response.content_type not in HTML_TYPES:
            says = f"{url.host} sends {shown(response.content_type)} where a page was expected"
            raise FetchError(says, status=response.status)
        try:
            body = await self._read_body(response, wish.max_body)
        except FetchError as error:
            raise FetchError(f"{url.host}: {error}", status=response.status) from error
        return Fetched(status=response.status, body=body, content_type=content_type, **facts)

    async def _read_body(self, response: aiohttp.ClientResponse, max_body: int) -> bytes:
        coding = coding_of(",".join(response.headers.getall("Content-Encoding", ())))
        limit = min(self._settings.max_compressed, max_body) if coding else max_body
        if (response.content_length or 0) > limit:
            raise FetchError(f"the body is larger than {limit:,} bytes")
        body = Body(coding, max_body=max_body, max_compressed=limit)
        async for chunk in response.content.iter_any():
            body.feed(chunk)
        return body.finish()


@functools.cache
def _trust() -> ssl.SSLContext:
    """The system's trust store, read once; certificates and host names are always checked, TLS 1.2 at least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
