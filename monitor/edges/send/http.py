"""HTTP as the Slack and Matrix senders use it.

Opens the session both need (no redirects, no cookies, nothing from the environment) and says what a
broken exchange means. Does not know what is sent, and does not retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

import aiohttp

from monitor.edges.once import BrokenOff, once
from monitor.errors import DeliveryError, DeliveryErrorKind

BROKEN = (aiohttp.ClientError, OSError, TimeoutError)
"""What a broken exchange raises. Their texts may hold the URL, so only their type is ever told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer that came whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Progress:
    """How far an exchange came; without it a timeout could not be told from one after the fact."""

    left: bool = False  # the request was written, the server may have it
    carries: bool = False  # this request carries the message; those before it asked for a login, a room …
    heard: list[Heard] = field(default_factory=list, repr=False)

    @property
    def doubtful(self) -> bool:
        """Whether the message may have had its effect."""
        return self.carries and self.left


progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


class Redirected(aiohttp.ClientError):
    """The server wanted us elsewhere. A secret in the request must not follow."""


def open_session(timeout: timedelta | None, *, fresh: bool = False) -> aiohttp.ClientSession:
    """A session; call inside a running loop, close it afterwards.

    `timeout` bounds a whole exchange. `fresh` opens a new connection for each: where a request can
    have only one effect, a stale connection must not turn into doubt whether it had one.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_left)
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout.total_seconds() if timeout else None),
        connector=aiohttp.TCPConnector(force_close=fresh),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        trust_env=False,
        middlewares=(_hear, once),  # the answer to a second try would hide that the first may have had its effect
    )


async def _hear(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await handler(request)
    reached = progress.get()
    if reached is not None:
        body = await response.read()
        reached.heard.append(Heard(status=response.status, headers=response.headers, body=body))
    return response


async def _note_left(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    reached = progress.get()
    if reached is not None:
        reached.left = True


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    raise Redirected(f"HTTP {params.response.status}")


def broken(cause: BaseException, *, ambiguous: bool) -> DeliveryError:
    """The error for an exchange that broke; says the cause's type only, as its text may hold a secret.

    `ambiguous`: the request had left and its effect is not known.
    """
    if isinstance(cause, Redirected):
        return DeliveryError(f"redirected ({cause}), and redirects are not followed", kind=DeliveryErrorKind.CHANNEL)
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return DeliveryError("the server's certificate is not trusted", kind=DeliveryErrorKind.CHANNEL)
    said = str(cause) if isinstance(cause, BrokenOff) else type(cause).__name__
    what = "timed out" if isinstance(cause, TimeoutError) else f"connection failed ({said})"
    if ambiguous:
        return DeliveryError(f"{what} after the message had left", kind=DeliveryErrorKind.AMBIGUOUS)
    return DeliveryError(what, kind=DeliveryErrorKind.RETRY)
