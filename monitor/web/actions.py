"""What is no page to read: health, metrics, a reload, and the verdict of whoever holds a signed link.

A link in an alert leads to a form and not to a verdict: previews and scanners of links send GET, and record nothing.
"""

from __future__ import annotations

import hmac

from aiohttp import web

from monitor.core.render import feedback_path
from monitor.errors import StoreError
from monitor.model import Feedback
from monitor.status import status_of
from monitor.store import letters
from monitor.web.behind import BEHIND
from monitor.web.reading import read, render

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def health(request: web.Request) -> web.Response:
    """200 while every part of the daemon works, else 503; `problems` are why. What else is not well (a feed that fails,
    a suspended channel) stands under `also` and is no reason to restart anything."""
    behind = request.app[BEHIND]
    problems, also = list(behind.standing_still()), []
    try:
        found = await read(
            request, lambda tx: status_of(tx, behind.database.url, now=behind.clock(), pid=None, zone=behind.zone)
        )
        also = found["problems"]
    except StoreError as error:
        problems.append(f"the database cannot be read: {error}")
    answer = {"ok": not problems, "running": True, "problems": problems, "also": also}
    return web.json_response(answer, status=503 if problems else 200)


async def metrics(request: web.Request) -> web.Response:
    """The series for Prometheus."""
    return web.Response(body=await request.app[BEHIND].metrics(), headers={"Content-Type": METRICS_TYPE})


async def reload(request: web.Request) -> web.Response:
    """Read configuration and watchlists again: 200, or 422 with every problem as file:line."""
    found = await request.app[BEHIND].reload()
    status = 200 if found.ok else 422
    if "text/html" in request.headers.get("Accept", ""):
        return render(request, "reloaded.html", code=status, reloaded=found)
    answer = {"ok": found.ok, "watchlists": found.watchlists, "problems": list(found.problems)}
    return web.json_response(answer, status=status)


async def ask(request: web.Request) -> web.Response:
    """The form behind a signed link; records nothing."""
    alert, verdict = _signed(request)
    row = await read(request, lambda tx: letters.find_alert(tx, alert))
    if row is None:
        raise web.HTTPGone(text="This alert is no longer kept.\n")
    return render(request, "feedback.html", alert=row, verdict=verdict, noted=False)


async def judge(request: web.Request) -> web.Response:
    """Record a verdict; a later one replaces it."""
    alert, verdict = _signed(request)
    row = await read(request, lambda tx: letters.find_alert(tx, alert))
    if row is None or await request.app[BEHIND].judge(alert, verdict) is None:
        raise web.HTTPGone(text="This alert is no longer kept.\n")
    return render(request, "feedback.html", alert=row, verdict=verdict, noted=True)


def _signed(request: web.Request) -> tuple[str, Feedback]:
    """Alert and verdict of a link that we signed; anything else is not found."""
    asked, key = request.match_info, request.app[BEHIND].feedback_key()
    expected = feedback_path(key, asked["alert"]) if key else ""
    given = f"/feedback/{asked['alert']}/{asked['signature']}"
    if not key or not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise web.HTTPNotFound(text="No such page. The link may have been cut, or is of another installation.\n")
    if asked["verdict"] not in list(Feedback):
        raise web.HTTPNotFound(text="No such page.\n")
    return asked["alert"], Feedback(asked["verdict"])
