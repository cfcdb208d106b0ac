"""The one gate for everything that is fetched: feeds, articles, discovery.

Asks politely (validators, one request at a time to a host, a pause between two), believes nothing (each address
judged when it is dialled, each redirect like a first request, every body within limits) and says in a person's
words what went wrong. It does not parse, does not decide when to come back (`pace` does) and keeps no cookies.

A second request is never aiohttp's own doing. What its strict parser cannot read as HTTP is asked for once more through
`lenient`, what a kept connection was dead for is asked for once more: each at the host's next turn.
"""

from __future__ import annotations

import asyncio
import functools
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

from yarl import URL

from monitor import __version__
from monitor.edges.addresses import Network, refusal
from monitor.edges.answers import Body, Head, Heads, coding_of, max_age_of, shown, validators_of
from monitor.edges.certificates import HAS_EXPIRED, valid_until
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
from monitor.edges.lenient import Lenient
from monitor.edges.once import BrokenOff, once
from monitor.edges.resolve import Resolver
from monitor.edges.troubles import of_status, of_transport
from monitor.edges.trust import aiohttp
from monitor.errors import AskAgain, DeadConnection, FetchError, HostHeld, OddAnswer
from monitor.model import Fetched, HostHold, NotModified, Validators, record

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
ECHOED = ("If-None-Match", "If-Modified-Since")  # their letters are bytes
MOST_ODD = 1000  # hosts remembered to speak an HTTP of their own

_dialled: ContextVar[list[str]] = ContextVar("_dialled")  # during this request: why each was refused, "" if it was not


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


@record
class _Wish:
    """What the caller wants, on whichever hop."""

    url: URL
    home: str  # whose queue that stands in: no other host is told the caller's headers
    validators: Validators
    validators_url: str | None
    headers: Headers
    own_port: int | None
    accept: str
    max_body: int
    seconds: float  # for the whole fetch, without waiting for turns
    gap: timedelta
    may_follow: Callable[[str], bool]


@record
class _Hop:
    """One address on the way, whose queue it stands in, and what may be told there."""

    url: URL
    host: str
    is_home: bool
    validators: Validators


@record
class _Redirect:
    """An answer that points elsewhere."""

    status: int
    location: str
    sets_cookie: bool


class _Document:
    """A body that is being received, and what was said of it."""

    def __init__(self, head: Head, host: str, body: Body, facts: dict):
        self._head, self._host, self._body, self._facts = head, host, body, facts

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises FetchError where they are too many or broken."""
        try:
            self._body.feed(chunk)
        except FetchError as error:
            raise self._broken(error) from error

    def finish(self) -> Fetched:
        """The whole of it. Raises FetchError where something is missing."""
        try:
            body = self._body.finish()
        except FetchError as error:
            raise self._broken(error) from error
        content_type = self._head.get("Content-Type")
        return Fetched(status=self._head.status, body=body, content_type=content_type, **self._facts)

    def _broken(self, error: FetchError) -> FetchError:
        return FetchError(f"{self._host}: {error}", status=self._head.status)


class _Response(aiohttp.ClientResponse):
    """An answer whose heads are counted: aiohttp takes any number of interim ones, and limits each header alone."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        heads, protocol = Heads(self.host), connection.protocol
        read = protocol.read

        async def counted():
            message, payload = await read()
            heads.begin()
            heads.feed(sum(len(name) + len(value) + len(": \r\n") for name, value in message.raw_headers))
            return message, payload

        protocol.read = counted
        try:
            return await super().start(connection)
        finally:
            del protocol.read


class Fetcher:
    """Fetches; an async context manager that lives within one event loop.

    `now` says the time (aware UTC), for servers that name a date. `resolver` and `tls` replace the system's resolver
    and trust store. `ready` is awaited before each request, for who takes answers slower than they come. Nothing is
    taken from the environment: no proxy, no netrc.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        now: Callable[[], datetime],
        resolver: aiohttp.abc.AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        ready: Callable[[], Awaitable[None]] | None = None,
    ):
        self._settings, self._now, self._resolver, self._tls = settings, now, resolver, tls
        self._ready = ready
        self._user_agent = settings.user_agent
        self._lanes = Lanes(concurrency=settings.concurrency, per_host=settings.per_host, gap=settings.host_gap)
        limits = (settings.connect_timeout, settings.read_timeout, settings.timeout)
        self._connect, self._read, self._total = (limit.total_seconds() for limit in limits)
        self._odd: dict[str, None] = {}  # hosts that only the lenient reader understands, in the order they were met

    async def __aenter__(self) -> Self:
        resolver = self._resolver or Resolver()
        self._lenient = Lenient(
            self._dial, resolver, lambda: self._tls or _trust(), connect=self._connect, read=self._read
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls or True,  # aiohttp's own context, see `trust`
                resolver=resolver,
                socket_factory=self._dial,
                keepalive_timeout=IDLE,
                limit=0,  # lanes do the limiting
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._read),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            response_class=_Response,
            auto_decompress=False,
            max_line_size=HEADER_LINE,
            max_field_size=HEADER_LINE,
            max_headers=HEADER_LINES,
            middlewares=(once,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        self._lenient.close()

    @property
    def holds(self) -> tuple[HostHold, ...]:
        """Hosts that asked for peace (429)."""
        return self._lanes.holds()

    def restore(self, holds: Iterable[HostHold], by: timedelta = timedelta(0)) -> None:
        """Leave these hosts alone, too; `by`: the clock has jumped so far since."""
        self._lanes.restore(holds, by)

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
        host_gap: timedelta = timedelta(0),
        may_follow: Callable[[str], bool] = lambda target: True,
    ) -> Fetched | NotModified:
        """One GET, following up to five redirects.

        `validators` are sent to the host of `url`, or only to `validators_url` where the caller knows which address
        gave them (`Fetched.url`). `headers`, and user:password in `url`, are sent to the host of `url` alone.
        `own_port` is allowed on that host beside `allow_ports`. `accept` is "feed" or "text" (anything), or "html"
        (nothing else). `max_body` (bytes) and `timeout` stand in for those of the settings; `host_gap` is for who wants
        a longer pause between two requests to one host, `may_follow` for who does not go wherever a redirect leads.
        Raises FetchError in a person's words, without secrets; HostHeld where no request was made.
        """
        first = parsed(url)
        wish = _Wish(
            url=first,
            home=host_key(first),
            validators=validators,
            validators_url=validators_url,
            headers=authorization(url) + sendable(headers),
            own_port=own_port,
            accept=accept,
            max_body=max_body or self._settings.max_body,
            seconds=timeout.total_seconds() if timeout else self._total,
            gap=host_gap,
            may_follow=may_follow,
        )
        return await self._follow(wish)

    # ── hops ─────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self, wish: _Wish) -> Fetched | NotModified:
        url, origin, seen, for_good, moved_to, left = wish.url, None, set(), True, None, wish.seconds
        wants_cookie = False
        while len(seen) <= MOST_REDIRECTS:
            hop = _hop(wish, url)
            check_port(url, (*self._settings.allow_ports, *((wish.own_port,) if hop.is_home else ())), origin)
            answer, took = await self._take_turn(wish, hop, left)
            if not isinstance(answer, _Redirect):
                return answer if moved_to is None else replace(answer, moved_to=moved_to)
            seen.add(url)
            url, origin, left = redirected(url, answer.location), url, max(left - took, 0)
            wants_cookie = wants_cookie or answer.sets_cookie
            for_good = for_good and answer.status in FOR_GOOD
            moved_to = str(url) if for_good else moved_to
            if url in seen:
                cookie = ", as servers do that want a cookie (`headers` of a feed can hold one)" if wants_cookie else ""
                raise FetchError(f"{wish.url.host} redirects in a circle{cookie}", status=answer.status)
            if not wish.may_follow(str(url)):
                raise FetchError(f"{wish.url.host} redirects to what must not be read", permanent=True)
        raise FetchError(f"{wish.url.host} redirects more than {MOST_REDIRECTS} times")

    async def _take_turn(self, wish: _Wish, hop: _Hop, left: float) -> tuple[Fetched | NotModified | _Redirect, float]:
        """The answer, and how many seconds it took once it was this host's turn."""
        host = hop.host
        if host in self._odd or not _sayable(hop.validators):
            return await self._turn(wish, hop, left, lenient=True)
        try:
            return await self._turn(wish, hop, left)
        except DeadConnection as dead:
            return await self._turn(wish, hop, left, spent=dead.took)
        except OddAnswer as odd:
            try:
                found = await self._turn(wish, hop, left, spent=odd.took, lenient=True)
            except OddAnswer:
                raise odd from None  # the strict reader's words say more
        self._odd[host] = None
        if len(self._odd) > MOST_ODD:
            self._odd.pop(next(iter(self._odd)))
        return found

    async def _turn(
        self, wish: _Wish, hop: _Hop, left: float, *, spent: float = 0.0, lenient: bool = False
    ) -> tuple[Fetched | NotModified | _Redirect, float]:
        """As above; of `left` so many seconds are `spent`."""
        url, host, loop = hop.url, hop.host, asyncio.get_running_loop()
        means = self._lenient.threads if lenient else nullcontext()
        async with self._lanes.turn(host, wish.gap, self._ready, means=means):
            if held := self._lanes.held_for(host, self._now()):
                minutes = math.ceil(held / timedelta(minutes=1))
                said = f"{url.host} asked us to stay away for another {minutes} min"
                raise HostHeld(said, status=429, retry_after=held)
            began = loop.time()
            try:
                answer = await self._ask(wish, hop, max(left - spent, 0), lenient=lenient)
            except FetchError as error:
                if error.status == 429:
                    self._lanes.hold(host, error.retry_after, self._now())
                if isinstance(error, AskAgain):
                    error.took = loop.time() - began
                raise
            self._lanes.release(host, self._now())
            return answer, spent + loop.time() - began

    async def _ask(self, wish: _Wish, hop: _Hop, left: float, *, lenient: bool) -> Fetched | NotModified | _Redirect:
        dialled: list[str] = []
        _dialled.set(dialled)
        until = asyncio.get_running_loop().time() + left
        url, headers, conditional = hop.url, self._headers(wish, hop), hop.validators != Validators()

        def begin(head: Head) -> Fetched | NotModified | _Redirect | _Document:
            return self._begin(head, wish, url, conditional=conditional)

        try:
            async with asyncio.timeout_at(until):
                if lenient:
                    return await self._lenient.ask(url, headers, begin)
                return await self._ask_strictly(url, headers, begin)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = getattr(error, "os_error", None)  # aiohttp's own texts show the address with its keys
            if any(dialled) and isinstance(error, (aiohttp.ClientConnectorError, PermissionError)):
                refused = next(filter(None, dialled))
                raise FetchError(f"{url.host}: {refused}; see [polling] allow_networks", permanent=True) from cause
            expired = await self._expired(error, url, until)
            seconds = (self._connect, self._read, wish.seconds)
            raise of_transport(error, url.host, seconds, expired=expired, kept=not dialled) from cause

    async def _expired(self, error: Exception, url: URL, until: float) -> timedelta | None:
        """How long ago the certificate expired, if that is what is wrong; None where that is not to be learnt until
        then. The error does not say it, so the server is asked to show its certificate once more."""
        if getattr(getattr(error, "certificate_error", error), "verify_code", None) != HAS_EXPIRED:
            return None
        try:
            async with asyncio.timeout_at(until):
                end = valid_until(await self._lenient.certificate(url))
        except OSError:
            return None
        ago = self._now() - end if end else timedelta(0)
        return ago if ago > timedelta(0) else None  # or it is not the server's own that expired, but one above it

    async def _ask_strictly(self, url: URL, headers: dict[str, str], begin: Callable):
        said = {
            name: value.encode("latin-1").decode("utf-8") if name in ECHOED else value
            for name, value in headers.items()
        }
        try:
            answer = await self._session.get(url, headers=said, allow_redirects=False)
        except BrokenOff as broken:
            raise broken.__cause__ from None
        async with answer as response:
            begun = begin(Head(status=response.status, raw=response.raw_headers))
            if not isinstance(begun, _Document):
                return begun
            async for chunk in response.content.iter_any():
                begun.feed(chunk)
            return begun.finish()

    def _headers(self, wish: _Wish, hop: _Hop) -> dict[str, str]:
        validators = hop.validators
        headers = {
            "User-Agent": self._user_agent,
            "Accept": ACCEPT[wish.accept],
            "Accept-Encoding": "gzip",
        }
        if validators.etag is not None:
            headers["If-None-Match"] = validators.etag
        if validators.last_modified is not None:
            headers["If-Modified-Since"] = validators.last_modified
        if hop.is_home and wish.headers:
            configured = {name.lower() for name, _ in wish.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in configured}
            headers.update(wish.headers)
        return headers

    # ── addresses ────────────────────────────────────────────────────────────────────────────────

    def _dial(self, address: tuple) -> socket.socket:
        """A socket for an address that aiohttp is about to dial, literal or resolved; raises where it must not."""
        family, kind, protocol, _, sockaddr = address
        why = refusal(sockaddr[0], self._settings.allow_networks)
        _dialled.get().append(why or "")
        if why:
            raise PermissionError(why)
        return socket.socket(family, kind, protocol)

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, head: Head, wish: _Wish, url: URL, *, conditional: bool) -> NotModified | _Redirect | _Document:
        """What to make of an answer whose head has come; raises FetchError where its body is not worth reading."""
        if head.status in REDIRECTS and (location := head.get("Location")):
            return _Redirect(status=head.status, location=location, sets_cookie=bool(head.get("Set-Cookie")))
        facts = {
            "url": str(url),
            "validators": validators_of(head.raw),
            "max_age": max_age_of(head.joined("Cache-Control"), head.get("Age", "")),
        }
        if head.status == 304 and conditional:
            return NotModified(**facts)
        if head.status not in WHOLE:
            raise of_status(head, url.host, self._now())
        if wish.accept == "html" and head.media_type not in HTML_TYPES:
            says = f"{url.host} sends {shown(head.media_type)} where a page was expected"
            raise FetchError(says, status=head.status)
        try:
            return _Document(head, url.host, self._body(head, wish.max_body), facts)
        except FetchError as error:
            raise FetchError(f"{url.host}: {error}", status=head.status) from error

    def _body(self, head: Head, max_body: int) -> Body:
        coding = coding_of(head.joined("Content-Encoding"))
        limit = min(self._settings.max_compressed, max_body) if coding else max_body
        if head.length > limit:
            raise FetchError(f"the body is larger than {limit:,} bytes")
        return Body(coding, max_body=max_body, max_compressed=limit)


def _hop(wish: _Wish, url: URL) -> _Hop:
    host = wish.home if url is wish.url else host_key(url)
    is_home = host == wish.home
    belong = is_home if wish.validators_url is None else str(url) == wish.validators_url
    return _Hop(url=url, host=host, is_home=is_home, validators=wish.validators if belong else Validators())


def _sayable(validators: Validators) -> bool:
    """Whether aiohttp, which writes headers as UTF-8, can send these bytes as they came."""
    try:
        for value in (validators.etag, validators.last_modified):
            (value or "").encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@functools.cache
def _trust() -> ssl.SSLContext:
    """As aiohttp's own: the system's trust store; certificates and host names are checked, TLS 1.2 at least."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
