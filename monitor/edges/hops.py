"""The address of one request: read, cleaned, followed through a redirect, named for its queue.

Decides what may be asked for (http and https, allowed ports) and what may be told to whom. Does not connect;
the address that a host name leads to is judged in `addresses` when it is dialled.
"""

from __future__ import annotations

import base64
import re

from yarl import URL

from monitor.edges.answers import shown
from monitor.errors import FetchError

STANDARD_PORTS = (80, 443)

# printable ASCII that needs no quoting, percent escapes whole, no dot segments: sent exactly as written
_EXACT = re.compile(r"(?!.*/\.\.?(?:[/?#]|$))(?:%[0-9A-Fa-f]{2}|[!$&-;=?-Z_a-z~\[\]#])*")

# … and a whole address that is written as it is sent
_PLAIN = re.compile(
    rf"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::(?!0|80/|443/)[0-9]{{1,5}})?(?=/)(?!.*#){_EXACT.pattern}"
)

_ODD_BYTE = re.compile("[\udc80-\udcff]")

Headers = tuple[tuple[str, str], ...]


def parsed(text: str) -> URL:
    """The address in `text`, without fragment and password. Raises FetchError where nothing may be fetched there."""
    text = text.strip()
    plain = _PLAIN.fullmatch(text) is not None
    try:
        url = URL(text, encoded=plain)
        scheme, host, port = url.scheme, url.host, url.port
    except ValueError as error:
        raise FetchError("this is not an address that can be fetched", permanent=True) from error
    if scheme not in ("http", "https"):
        raise FetchError(f"only http and https addresses are fetched, not {shown(scheme or 'none')}", permanent=True)
    if not host:
        raise FetchError("the address names no host", permanent=True)
    if not port:
        raise FetchError("port 0 is none that can be connected to", permanent=True)
    return url if plain else _as_written(url.with_user(None).with_fragment(None), text)


def redirected(url: URL, location: str) -> URL:
    """Where `location` leads from `url`; surrogates in it stand for bytes that are not UTF-8, and those are escaped.
    Raises FetchError where we do not follow."""
    location = _ODD_BYTE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", location)
    try:
        joined = url.join(URL(location, encoded=bool(_EXACT.fullmatch(location))))
        target = parsed(str(joined))
    except FetchError as error:
        raise FetchError(f"{url.host} redirects to what we do not fetch: {error}", permanent=True) from error
    except ValueError as error:
        raise FetchError(f"{url.host} redirects to something that is not an address") from error
    if url.scheme == "https" and target.scheme == "http":
        raise FetchError(f"{url.host} redirects from https to plain http ({target.host}), which anyone could forge")
    return target


def host_key(url: URL) -> str:
    """Whose queue a request stands in, and to whom a secret belongs: the host, and its port where that is unusual."""
    host = url.raw_host.rstrip(".").lower()
    return host if url.port in STANDARD_PORTS else f"{host}:{url.port}"


def check_port(url: URL, allowed: tuple[int, ...], origin: URL | None = None) -> None:
    """Raises FetchError where the address has a port that is not allowed; `origin` redirects there."""
    if url.port not in allowed:
        who = f"{origin.host} redirects to {url.host}: " if origin else ""
        raise FetchError(f"{who}port {url.port} is not allowed; see [polling] allow_ports", permanent=True)


def authorization(text: str) -> Headers:
    """The header that user:password in an address stand for."""
    if "@" not in text:
        return ()
    url = URL(text.strip())
    if url.user is None and url.password is None:
        return ()
    secret = f"{url.user or ''}:{url.password or ''}".encode()
    return (("Authorization", f"Basic {base64.b64encode(secret).decode()}"),)


def sendable(headers: Headers) -> Headers:
    """The same headers. Raises FetchError, which never shows a value, where one would break out of its line."""
    for name, value in headers:
        if not re.fullmatch(r"[!#-'*+.^-z|~0-9A-Z-]+", name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise FetchError(f"the configured header {shown(name)} cannot be sent", permanent=True)
    return headers


def _as_written(url: URL, text: str) -> URL:
    """`url` with path and query exactly as in `text`, where it can be sent so: some servers know no other way."""
    if not _EXACT.fullmatch(text):
        return url
    return URL(f"{url.origin()}{URL(text, encoded=True).raw_path_qs}", encoded=True)
