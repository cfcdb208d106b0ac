"""What went wrong with a request, in words that a person understands and may be shown.

Names the host, never the whole address: paths and queries may hold keys. Does not decide when to try again.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from datetime import datetime, timedelta
from http import HTTPStatus

from monitor.edges.answers import Head, retry_after_of, shown
from monitor.edges.trust import aiohttp
from monitor.errors import DeadConnection, FetchError, NothingLeft, OddAnswer

_STATUS = {
    204: "answers 204: nothing to read",
    205: "answers 205: nothing to read",
    206: "sends a part that we did not ask for (206)",
    304: "says that nothing changed (304), which we did not ask",
    401: "asks for a password (401)",
    403: "refuses us (403)",
    404: "has no such page (404)",
    407: "has a proxy in front that asks for a password (407)",
    410: "says this is gone for good (410)",
    429: "asks us to come less often (429)",
}


def of_status(head: Head, host: str, now: datetime) -> FetchError:
    """The error that an answer with this status is; `now` is for a Retry-After date."""
    status, asked = head.status, retry_after_of(head.get("Retry-After"), now)
    challenged = head.get("cf-mitigated", "").strip().lower() == "challenge"
    if challenged:
        says = f"is behind Cloudflare, which wants a browser to prove itself ({status}); its owner could let feeds pass"
    else:
        says = _STATUS.get(status) or _in_general(status)
    wait = f" and asks to wait {asked}" if asked else ""
    return FetchError(
        f"{host} {says}{wait}",
        status=status,
        retry_after=asked,
        permanent=status == 410,
        refused=challenged,
        host=host,
    )


def of_transport(
    error: Exception,
    host: str,
    seconds: tuple[float, float, float],
    *,
    expired: timedelta | None = None,
    kept: bool = False,
) -> FetchError:
    """The error that aiohttp's (or the system's) is; `seconds` are the limits to connect, for a byte, for all;
    `expired` is how long ago the server's certificate did, where that is known; `kept` says that the connection was not
    new."""
    words = f"{host}: {_words(error, *seconds) if expired is None else _expired(expired)}"
    if _number(error) in (errno.EMFILE, errno.ENFILE):
        return NothingLeft(f"{host}: not asked, this process has too many open files", host=host)
    if isinstance(error, aiohttp.ClientResponseError):
        return OddAnswer(words, host=host)
    if kept and isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        return DeadConnection(words, unreachable=True, host=host)
    permanent = isinstance(error, aiohttp.InvalidURL)
    return FetchError(words, permanent=permanent, unreachable=_nobody_answered(error), host=host)


def _number(error: Exception) -> int | None:
    """The system's number for it."""
    return getattr(getattr(error, "os_error", error), "errno", None)


def _nobody_answered(error: Exception) -> bool:
    """Whether this is how it looks when the network is down; who sends a certificate or half a body is there."""
    there = (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ClientPayloadError, aiohttp.InvalidURL)
    return isinstance(error, (OSError, aiohttp.ClientConnectionError)) and not isinstance(error, there)


def _in_general(status: int) -> str:
    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    return f"has trouble of its own ({name})" if status >= 500 else f"answers {name}, which is not a document"


def _words(error: Exception, connect: float, read: float, total: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not to be trusted: {_certificate(error.certificate_error)}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted: {_certificate(error)}"
        case aiohttp.ClientConnectorDNSError():
            return _dns(error.os_error)
        case aiohttp.ClientSSLError():
            return f"no secure connection: {getattr(error.os_error, 'reason', None) or 'the TLS handshake failed'}"
        case ssl.SSLError():
            return f"no secure connection: {error.reason or 'the TLS handshake failed'}"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {connect:g} s"
        case aiohttp.ServerTimeoutError():
            return f"silent for {read:g} s"
        case TimeoutError():
            return f"not done within {total:g} s"
        case aiohttp.ClientConnectorError():
            return f"no connection: {os.strerror(error.errno).lower() if error.errno else 'unknown reason'}"
        case aiohttp.ClientPayloadError():
            return "broke off in the middle of the body"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "closed the connection without an answer"
        case aiohttp.InvalidURL():
            return "not a host name, and not an IP address as they are written"
        case aiohttp.ClientResponseError():
            return f"its answer is not valid HTTP: {shown(error.message.partition(chr(10))[0])}"
        case _:
            return f"cannot be asked: {shown(str(error))}"


def _certificate(error: Exception) -> str:
    words = getattr(error, "verify_message", "") or "verification failed"
    hint = "; is this machine's clock right?" if "not yet valid" in words or "expired" in words else ""
    return f"{words}{hint}"


def _expired(ago: timedelta) -> str:
    return f"its certificate expired {_in_words(ago)} ago; is this machine's clock right?"


def _in_words(span: timedelta) -> str:
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour")):
        if number := span // unit:
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "less than an hour"


def _dns(error: OSError) -> str:
    if error.errno == socket.EAI_NONAME:
        return "no such host in DNS"
    return f"DNS gives no answer: {error.strerror or error}"
