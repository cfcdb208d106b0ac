"""Who may ask the status page, and what no answer goes without.

    the Host header       a local name, the name in `base_url`, or beyond loopback an address; else 421 (DNS rebinding)
    the Origin header     none, or the page's own; else 403 (a foreign page's form, a foreign script)
    the bearer token      where one is configured; else 401. Paths that are signed themselves need none

Does not know what the pages show.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict

from monitor.errors import StoreError
from monitor.web.behind import BEHIND, Behind
from monitor.web.reading import render

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send our own forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
OPEN_PATHS = ("/feedback/", "/style.css")  # the first are signed; the second holds nothing


@web.middleware
async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Let in who may, and give every answer, also a refusal, the headers."""
    try:
        _check(request, request.app[BEHIND])
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as refusal:
        response = _shown(request, refusal)
    except StoreError as error:
        response = web.Response(status=503, text=f"The database cannot be read: {error}\n")
    except Exception:
        request.app.logger.exception("a page could not be shown: %s", request.path)
        response = web.Response(status=500, text="This page could not be shown; the log says why.\n")
    response.headers.update(HEADERS)
    return response


def _shown(request: web.Request, refusal: web.HTTPException) -> web.Response:
    """A refusal: to a browser that asks for what is not there a page that leads on, else a line."""
    if refusal.status in (404, 410) and "text/html" in request.headers.get("Accept", ""):
        says = refusal.text if refusal.text.endswith("\n") else "No such page."  # aiohttp's own say but the number
        public = request.path.startswith(OPEN_PATHS)
        return render(request, "missing.html", code=refusal.status, says=says, is_public=public)
    return web.Response(status=refusal.status, text=refusal.text, headers=refusal.headers)


def _check(request: web.Request, behind: Behind) -> None:
    """Raises the refusal, if there is one."""
    if not _names_us(_name(request), behind):
        raise web.HTTPMisdirectedRequest(text="This page does not answer to that name.\n")
    if not _is_our_own(request, behind):
        raise web.HTTPForbidden(text="Another page sent this; it is refused.\n")
    if behind.token and not request.path.startswith(OPEN_PATHS) and not _bears(request, behind.token):
        asked = CIMultiDict([("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", 'Basic realm="wirewatch"')])
        raise web.HTTPUnauthorized(
            text="Expected the token of [web]: as Authorization: Bearer …, or as password.\n", headers=asked
        )


def _name(request: web.Request) -> str:
    """What the client calls us; "" where that is no name, or it has none or more than one."""
    try:
        return (request.url.host or "") if len(request.headers.getall("Host", ())) == 1 else ""
    except ValueError:
        return ""


def _names_us(host: str, behind: Behind) -> bool:
    if host in LOCAL_NAMES or (behind.base_url() and host == urlsplit(behind.base_url()).hostname):
        return True
    return not behind.only_here and _is_address(host)  # no foreign page has an address of ours for a name


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_our_own(request: web.Request, behind: Behind) -> bool:
    """Whether no page, or one of ours, sent this. Programs send no Origin; browsers do where it matters."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method in ("GET", "HEAD") or request.headers.get("Sec-Fetch-Site") in (None, "same-origin")
    base = urlsplit(behind.base_url())
    return origin.lower() in (f"http://{request.host}".lower(), f"{base.scheme}://{base.netloc}".lower())


def _bears(request: web.Request, token: str) -> bool:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":  # what browsers can do: any user, the token as password
        try:
            value = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(value.strip().encode("utf-8", "replace"), token.encode())
