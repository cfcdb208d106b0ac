"""An archive with something of everything for the status page to show."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from monitor.model import DeliveryKind, DeliveryStatus, Feedback, HoldReason, Oddity, OddityKind, Silence
from monitor.reload import read_all
from monitor.store import channels, feedback, meta, oddities, outbox, silences
from monitor.store.channels import Trouble
from monitor.store.database import Database
from monitor.store.schema import alerts, deliveries, entries, feeds, matches, stories
from tests.builders import delivery
from tests.desk import BILL, Desk, json_feed, rss
from tests.fakeweb import FakeWeb

SCRIPT = "The harbour <script>alert(1)</script> & \"quoted\" 'single' {{ 7*7 }} {% raw %}"
HIDDEN = "\x1b[31m\x00\u202eevil\u2066\U000e0041"
LONG = "The harbour " + "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3
QUAYS = """\
title = "Quays, docks & cranes <b>"
threshold = 5
urgent = 9
tags = ["ports"]
[[term]]
any = ["quay"]
weight = 4
[[term]]
any = ["crane"]
weight = 1
"""
QUIET = 'title = "Volcanoes"\nthreshold = 1\n[[term]]\nany = ["volcano"]\n'


def filled(folder: Path, web: FakeWeb) -> tuple[Desk, dict[str, str]]:
    """A desk whose archive has stories, copies, alerts in all states, feeds that fail; and ids by name."""
    desk = Desk(folder, web).watchlist("quays", QUAYS).watchlist("volcano", QUIET)
    desk.feed("gazette", rss(BILL, "A comet is seen over the hills", "Up 50% at_the quay", "Gulls return to the old quay", LONG))
    desk.does("poll")
    for number in range(7):
        desk.feed(f"herald-{number}", rss(BILL, title=f"Herald <b>bold</b> {number}"))
        desk.does("poll")
    desk.feed("hostile", json_feed("The harbour HOSTILE"))
    web.page("/broken").says(302, headers={"Location": "http://127.0.0.1:9/<img src=x onerror=alert(1)>"})
    desk.feeds["zeppelin"] = web.url("/broken")
    desk.write().does("poll")
    _poison(desk)
    _age(desk)
    found = {story["title"]: story["id"] for story in desk.lines("stories", "--since", "30d", "--json")}
    told = desk.lines("alerts", "--since", "30d", "--json")
    script = next(title for title in found if "alert(1)" in title)
    alert = next(one["id"] for one in told if one["story"] == found[BILL])
    return desk, {"bill": found[BILL], "script": found[script], "gulls": found["Gulls return to the old quay"], "bank": found["Read it at https://bank.example/"], "alert": alert}


def _poison(desk: Desk) -> None:
    """What the stages before would never let through, put into the archive as it is."""
    with closing(Database.open(str(desk.folder / "wirewatch.db"))) as database, database.write() as tx:
        for table in (entries, stories, alerts):
            tx.execute(table.update().where(table.c.title.contains("HOSTILE")).values(title=SCRIPT + HIDDEN, url="javascript:alert(1)"))
        for table, of in ((entries, entries.c.feed == "herald-1"), (stories, stories.c.title.contains("comet"))):
            tx.execute(table.update().where(of).values(title="Read it at https://bank.example/", url="https://bank.example@evil.example/x"))
        tx.execute(feeds.update().where(feeds.c.name == "zeppelin").values(last_error=SCRIPT + HIDDEN, failures=3))
        hits = [{"term": SCRIPT, "variant": "derrick*", "field": "title", "quote": SCRIPT, "points": 4.0, "start": 0, "end": 1}]
        tx.execute(matches.update().where(matches.c.watchlist == "quays").values(hits=json.dumps(hits), missing=json.dumps([SCRIPT])))
        near = sa.and_(matches.c.watchlist == "quays", matches.c.story.in_(sa.select(stories.c.id).where(stories.c.title.contains("50%"))))
        tx.execute(matches.update().where(near).values(near_miss=True, score=4.0, verdict="silent", reason="below_threshold"))


def _age(desk: Desk) -> None:
    """Two weeks of alerts, deliveries that wait and fail, a silence, feedback, a refused reload."""
    now = datetime.now(UTC)
    in_force = read_all(desk.config)
    with closing(Database.open(in_force.config.database)) as database, database.write() as tx:
        for day in range(14):
            for number in range((day * 5) % 7 + 1):
                name = f"{day:02x}{number:02x}" + "0" * 16
                row = {"id": name, "watchlist": "harbour", "story": name, "level": "normal", "score": 4.0, "reason": "matched"}
                moment = now - timedelta(days=day, minutes=5 * number)
                tx.execute(alerts.insert().values(**row, title=f"Dredger {number} of day {day} at the harbour", url="https://a.example/", created_at=moment))
                if number < 3:
                    feedback.note(tx, name, Feedback.NOISE if number == 2 else Feedback.GOOD, now)
        last = alerts.select().order_by(alerts.c.created_at.desc()).limit(3)
        ids = [row.id for row in tx.execute(last)]
        outbox.enqueue(tx, [
            delivery("waits", alert=ids[0], channel="phone", state=DeliveryStatus.HELD, hold=HoldReason.QUIET_HOURS, next_attempt_at=now + timedelta(hours=5), created_at=now),
            delivery("dies", alert=ids[0], channel="room", recipient="!desk:example.org", state=DeliveryStatus.DEAD, created_at=now),
            delivery("goes", alert=ids[1], channel="room", state=DeliveryStatus.QUEUED, kind=DeliveryKind.ALERT, created_at=now - timedelta(minutes=9)),
        ])  # fmt: skip
        tx.execute(deliveries.update().where(deliveries.c.id == "dies").values(error=f"refused: {SCRIPT}"))
        trouble = Trouble(failures=4, failing_since=now - timedelta(hours=3), suspended=True)
        channels.pause(tx, "room", until=now + timedelta(minutes=20), error="M_FORBIDDEN: the bot is not in the room", trouble=trouble)
        silences.add(tx, Silence(id="s1", watchlist="quays", starts_at=now, ends_at=now + timedelta(hours=8), comment=f"dock strike {SCRIPT}"))
        problem = f"{desk.folder}/watchlists/quays.toml:12: term.any: {SCRIPT}"
        meta.put(tx, "last_reload", {"ok": False, "at": now.isoformat(), "problems": [problem]})
        oddities.note(tx, "herald-6", Oddity(kind=OddityKind.QUARANTINE, since_at=now, count=37))
        oddities.note(tx, "herald-6", Oddity(kind=OddityKind.OTHER_PUBLICATION, since_at=now, detail=f"Herald\n{SCRIPT}"))
        tx.execute(feeds.update().where(feeds.c.name == "herald-6").values(possible_gaps=2))
        meta.put(tx, "last_tick", {"at": now.isoformat(), "pid": 1})
