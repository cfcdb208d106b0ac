"""What each page holds, read from the archive. Changes nothing, and decides nothing about how it looks."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from monitor.core.spread import spread_of
from monitor.model import Watchlist
from monitor.status import status_of, troubles_of
from monitor.store import feedback, letters, oddities, silences
from monitor.store import feeds as feed_store
from monitor.store import stories as story_store
from monitor.store.relatives import list_relatives
from monitor.web.behind import BEHIND
from monitor.web.charts import by_day, growth
from monitor.web.reading import PAGES, ROWS, asked_of, one_page, show

LATEST = 10  # alerts on the overview
CHART_DAYS, LONG_CHART_DAYS = 14, 30
QUIET_FEED = timedelta(days=7)  # that brought nothing new for so long
TALLIED, JUDGED = timedelta(days=7), timedelta(days=90)  # as `wirewatch watchlists list`


async def overview(request: web.Request) -> web.Response:
    """Is it well, what waits, what fails, what is silent."""
    behind, now = request.app[BEHIND], request.app[BEHIND].clock()

    def look(tx) -> dict[str, Any]:
        latest = letters.list_alerts(tx, since=now - timedelta(days=1), limit=LATEST)
        heard = {name for name, _ in letters.alert_times(tx, since=now - timedelta(days=CHART_DAYS))}
        return {
            "status": status_of(tx, behind.database.url, now=now, pid=os.getpid(), zone=behind.zone),
            "still": behind.standing_still(),
            "waiting": letters.count_by_channel(tx, letters.IS_WAITING),
            "silences": silences.in_force(tx, now),
            "quiet_feeds": [row for row in feed_store.list_feeds(tx) if _is_quiet(row, now)],
            "quiet_watchlists": [one for one in behind.watchlists() if one.id not in heard],
            "chart_days": CHART_DAYS,
            **_with_deliveries(tx, latest),
        }

    return await show(request, "overview.html", look)


async def stories(request: web.Request) -> web.Response:
    """Stories with their copies, and what watchlists said."""
    asked = asked_of(request, days=3)
    since = request.app[BEHIND].clock() - timedelta(days=asked.days)

    def look(tx) -> dict[str, Any]:
        rows = story_store.list_stories(tx, since=since, limit=ROWS + 1, skip=asked.skip, **asked.wanted)
        rows, more = one_page(rows)
        ids = [row["id"] for row in rows]
        return {
            "asked": asked,
            "more": more,
            "stories": rows,
            "pickups": story_store.list_pickups(tx, ids),
            "matches": story_store.list_matches(tx, ids),
            "watchlists": request.app[BEHIND].watchlists(),
        }

    return await show(request, "stories.html", look)


async def story(request: web.Request) -> web.Response:
    """One story: its copies over time, and why it was alerted or not."""

    def look(tx) -> dict[str, Any]:
        row = story_store.find_story(tx, request.match_info["id"])
        if row is None:
            raise web.HTTPNotFound(text="No such story.\n")
        ids = [row["id"]]
        pickups = story_store.list_pickups(tx, ids).get(row["id"], ())
        relatives = list_relatives(tx, ids)[row["id"]]
        return {
            "story": row,
            "pickups": pickups,
            "growth": growth(pickups),
            "relatives": relatives,
            "spread": spread_of(pickups, relatives),
            "matches": [_opened(match) for match in story_store.list_matches(tx, ids).get(row["id"], ())],
            **_with_deliveries(tx, letters.list_alerts(tx, since=row["first_seen_at"], story=row["id"])),
        }

    return await show(request, "story.html", look)


async def alerts(request: web.Request) -> web.Response:
    """Alerts, and where each delivery of them stands."""
    asked = asked_of(request, days=7)
    since = request.app[BEHIND].clock() - timedelta(days=asked.days)

    def look(tx) -> dict[str, Any]:
        rows, more = one_page(letters.list_alerts(tx, since=since, limit=ROWS + 1, skip=asked.skip, **asked.wanted))
        shown = _with_deliveries(tx, rows)
        return {"asked": asked, "more": more, "watchlists": request.app[BEHIND].watchlists(), **shown}

    return await show(request, "alerts.html", look)


async def watchlists(request: web.Request) -> web.Response:
    """How each watchlist fares."""
    behind, now = request.app[BEHIND], request.app[BEHIND].clock()

    def look(tx) -> dict[str, Any]:
        told = _by_watchlist(letters.alert_times(tx, since=now - timedelta(days=CHART_DAYS)))
        tallies = feedback.tallies(tx, since=now - TALLIED, judged_since=now - JUDGED)
        return {
            "rows": [
                {
                    "watchlist": one,
                    "tally": tallies.get(one.id, feedback.Tally()),
                    "chart": by_day(told[one.id], days=CHART_DAYS, now=now, zone=behind.zone),
                }
                for one in behind.watchlists()
            ]
        }

    return await show(request, "watchlists.html", look)


async def watchlist(request: web.Request) -> web.Response:
    """One watchlist: alerts a day, near misses, and what people said of its alerts."""
    behind, now = request.app[BEHIND], request.app[BEHIND].clock()
    one = _named(behind.watchlists(), request.match_info["id"])

    def look(tx) -> dict[str, Any]:
        told = _by_watchlist(letters.alert_times(tx, since=now - timedelta(days=LONG_CHART_DAYS)))
        latest = letters.list_alerts(tx, since=now - timedelta(days=LONG_CHART_DAYS), watchlist=one.id, limit=LATEST)
        tallies = feedback.tallies(tx, since=now - TALLIED, judged_since=now - JUDGED)
        near = story_store.list_near_misses(tx, one.id, since=now - TALLIED)
        return {
            "watchlist": one,
            "tally": tallies.get(one.id, feedback.Tally()),
            "chart": by_day(told[one.id], days=LONG_CHART_DAYS, now=now, zone=behind.zone),
            "chart_days": LONG_CHART_DAYS,
            "near_misses": [_opened(match) for match in near],
            **_with_deliveries(tx, latest),
        }

    return await show(request, "watchlist.html", look)


async def feeds(request: web.Request) -> web.Response:
    """The health of feeds; those that fail stand first, then those that are odd."""
    asked, zone, now = asked_of(request), request.app[BEHIND].zone, request.app[BEHIND].clock()

    def look(tx) -> dict[str, Any]:
        rows = [row for row in feed_store.list_feeds(tx) if asked.search.casefold() in row["name"].casefold()]
        odd = oddities.of_feeds(tx, [row["name"] for row in rows])
        rows = sorted(rows, key=lambda row: (-row["failures"], row["name"] not in odd, row["name"]))
        rows, more = one_page(rows[asked.skip : asked.skip + ROWS + 1])
        told = [dict(row) | {"troubles": troubles_of(row, odd.get(row["name"], ()), zone, now)} for row in rows]
        return {"asked": asked, "more": more, "feeds": told}

    return await show(request, "feeds.html", look)


async def style(request: web.Request) -> web.Response:
    """The one style sheet."""
    return web.Response(text=request.app[PAGES].get_template("style.css").render(), content_type="text/css")


def _with_deliveries(tx, rows) -> dict[str, Any]:
    """Alerts as the templates show them."""
    ids = [row["id"] for row in rows]
    return {"alerts": rows, "deliveries": letters.list_deliveries(tx, ids), "said": feedback.said_of(tx, ids)}


def _opened(match: Mapping[str, Any]) -> dict[str, Any]:
    """A match with its lists read."""
    return {**match, "hits": json.loads(match["hits"]), "missing": json.loads(match["missing"])}


def _by_watchlist(told: Iterable[tuple[str, datetime]]) -> defaultdict[str, list[datetime]]:
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for name, moment in told:
        found[name].append(moment)
    return found


def _named(known: tuple[Watchlist, ...], name: str) -> Watchlist:
    found = next((one for one in known if one.id == name), None)
    if found is None:
        raise web.HTTPNotFound(text="No such watchlist is in force.\n")
    return found


def _is_quiet(row: Mapping[str, Any], now: datetime) -> bool:
    """Well, and yet nothing new for long: a feed that moved often goes on like this under its old address."""
    last = row["last_changed_at"] or row["seeded_at"]
    return row["failures"] == 0 and last is not None and now - last > QUIET_FEED
