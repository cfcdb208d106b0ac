"""How the daemon starts, reloads and stops, in this process, with feeds on loopback and a real database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import threading
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from monitor import reload
from monitor.app import App
from monitor.clock import clock_from
from monitor.errors import InstanceRunning, StoreError
from monitor.model import DeliveryStatus, Feedback, Fetched, HoldReason, Validators
from monitor.pulse import Pulse
from monitor.status import status_of
from monitor.store import channels, feedback, feeds, letters, meta, outbox, schema, stories
from tests.builders import NOW, delivery
from tests.desk import BILL, CONFIG, HARBOUR, Desk, rss
from tests.fakes import FakeHttp


@pytest.fixture
def desk(tmp_path, web):
    return Desk(tmp_path, web).feed("gazette", rss(BILL))


def app_of(desk, clock=None):
    in_force = reload.read_all(desk.config)
    return App(in_force, clock=clock) if clock else App(in_force)


def read(app, function, *args, **more):
    with app.database.read() as tx:
        return function(tx, *args, **more)


def alerts(app):
    return read(app, letters.list_alerts, since=datetime(2000, 1, 1, tzinfo=UTC))


async def settled(happened):
    """Until it has happened; only a broken program needs all the time."""
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen within 10 s")


# ── starting and stopping ────────────────────────────────────────────────────────────────────────


def test_it_starts_twice_in_one_process(desk, capsys):
    async def once():
        async with app_of(desk) as app:
            return await app.poll(everything=True)

    first, second = asyncio.run(once()), asyncio.run(once())
    assert [(fact.feed, fact.new, fact.alerts) for fact in first] == [("gazette", 1, 1)]
    assert [(fact.feed, fact.new, fact.alerts) for fact in second] == [("gazette", 0, 0)]
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_two_passes_of_one_app_count_apart(desk):
    async def twice():
        async with app_of(desk) as app:
            return await app.poll(everything=True), await app.poll(everything=True)

    first, second = asyncio.run(twice())
    assert ([fact.new for fact in first], [fact.new for fact in second]) == ([1], [0])


def test_a_second_app_on_the_same_database_is_refused_and_harms_nothing(desk):
    async def both():
        async with app_of(desk) as app:
            with pytest.raises(InstanceRunning):
                async with app_of(desk):
                    pass
            return await app.poll()

    assert [fact.new for fact in asyncio.run(both())] == [1]


def test_a_start_that_fails_lets_go_of_the_database(desk):
    """Whatever goes wrong half-way (here: a channel nobody can open), the next start must not meet its own lock."""
    good = desk.config.read_text()
    desk.config.write_text(good.replace("console://?format=json", "console://?format=nonsense"))

    async def start():
        async with app_of(desk) as app:
            return await app.poll()

    with pytest.raises(Exception, match=r"format|desk"):
        asyncio.run(start())
    desk.config.write_text(good)
    assert [fact.new for fact in asyncio.run(start())] == [1]


def running(desk, while_it_runs, clock=None):
    """Run the daemon, do something meanwhile, stop it as SIGTERM does; what was returned meanwhile."""

    async def both():
        async with app_of(desk, clock) as app:
            daemon = asyncio.create_task(app.run())
            try:
                found = await while_it_runs(app)
            finally:
                app.stop()
                await asyncio.wait_for(daemon, 10)
            return found

    return asyncio.run(both())


def test_it_polls_delivers_and_stops_when_asked(desk, log, capsys):
    async def until_delivered(app):
        await settled(lambda: log.named("attempted"))

    running(desk, until_delivered)
    assert [fact["outcome"] for fact in log.named("attempted")] == ["delivered"]
    assert [event for event, _ in log.facts][-1] == "stopped"
    assert json.loads(capsys.readouterr().out)["title"] == BILL


def test_it_stops_at_once_while_a_server_is_silent(desk, log):
    desk.web.page("/mute").stays_silent()
    desk.feeds["mute"] = desk.web.url("/mute")
    desk.write()

    async def until_asked(app):
        await settled(lambda: desk.web.asked("/mute"))
        return asyncio.get_running_loop().time()

    before = datetime.now(UTC)
    running(desk, until_asked)
    assert datetime.now(UTC) - before < timedelta(seconds=4), "it does not wait for the 5 s timeout"


def test_stopping_in_the_midst_of_a_tick_is_no_failure_of_it(desk, log, caplog):
    async def in_a_tick(app):
        begun, go = threading.Event(), threading.Event()
        await settled(lambda: log.named("attempted"))

        def hold():
            begun.set()
            go.wait(10)

        holding = asyncio.create_task(app.writer.compute(hold))
        await settled(begun.is_set)
        app._claimed_at, app.clock = -math.inf, lambda: datetime.now(UTC) + timedelta(hours=2)
        await asyncio.sleep(1.2)  # a tick waits for the writer
        app.stop()
        await asyncio.sleep(0.1)
        go.set()
        await holding

    running(desk, in_a_tick)
    assert log.named("stopped") and not log.named("tick_failed")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_progress_is_noted_from_the_start(desk, log):
    """Whoever asks for its health right after the start must not hear that it does not run."""

    async def beat(app):
        await settled(lambda: log.named("attempted"))
        return read(app, meta.get_all)

    assert {"started", "last_tick", "last_reload"} <= set(running(desk, beat))


def test_the_status_page_answers_while_it_runs_and_a_taken_port_stops_nothing(desk, log):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk.config.write_text(desk.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{taken.getsockname()[1]}"'))

        async def until_delivered(app):
            await settled(lambda: log.named("attempted"))

        running(desk, until_delivered)
    assert log.named("status_page_failed") and not log.named("status_page")


def test_a_page_whose_port_was_taken_is_told_and_opened_once_it_is_free(desk, log, monkeypatch):
    import socket

    monkeypatch.setattr("monitor.app.PAGE_AGAIN", timedelta(seconds=0.1))
    taken = socket.create_server(("127.0.0.1", 0))
    listen = f"127.0.0.1:{taken.getsockname()[1]}"
    desk.config.write_text(desk.config.read_text().replace('listen = ""', f'listen = "{listen}"'))

    async def until_open(app):
        await settled(lambda: log.named("status_page_failed"))
        await app.writer.run(app._record_tick, {})
        told = read(app, lambda tx: status_of(tx, app.database.url, now=app.clock(), pid=os.getpid()))["problems"]
        taken.close()
        await settled(lambda: log.named("status_page"))
        await app.writer.run(app._record_tick, {})
        return told, read(app, lambda tx: status_of(tx, app.database.url, now=app.clock(), pid=os.getpid()))["problems"]

    told, later = running(desk, until_open)
    assert f"there is no status page at {listen}: Address already in use; tried again every minute" in told
    assert not [problem for problem in later if "status page" in problem]


# ── hosts share ──────────────────────────────────────────────────────────────────────────────────


class SlowHost:
    """In place of the gate: hosts called slow do not answer until they are let go, all others do at once."""

    holds = ()

    def __init__(self):
        self.asked, self.lets_go = [], asyncio.Event()

    async def fetch(self, url, **_):
        self.asked.append(url)
        if "//slow" in url:
            await self.lets_go.wait()
        return Fetched(url=url, status=200, body=rss("One"), validators=Validators())


@contextlib.asynccontextmanager
async def before_slow_hosts(desk, urls):
    """An app with these feeds, which asks a host for one at a time, before a SlowHost; and what lets seconds pass."""
    desk.feeds = {f"f{number}": url for number, url in enumerate(urls)}
    desk.write()
    desk.config.write_text(desk.config.read_text().replace("per_host = 8", "per_host = 1"))
    passed = 0.0

    def passes(seconds):
        nonlocal passed
        passed += seconds

    clock = lambda: NOW + timedelta(seconds=passed)  # noqa: E731
    async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: passed) as app:
        app.fetcher = SlowHost()
        yield app, app.fetcher, passes


def test_R3_many_feeds_of_a_slow_host_keep_no_other_host_waiting_and_none_is_asked_twice(desk):
    """For a quarter of an hour: three times as long as a lease."""
    slow = [f"https://slow.example/{number}" for number in range(200)]
    others = [f"https://{name}.example/feed" for name in ("gazette", "herald", "courier")]

    async def life():
        async with before_slow_hosts(desk, [*slow, *others]) as (app, web, passes):
            checked = []
            app._on_checked.append(checked.append)
            for _ in range(90):
                await app._poll_due()
                await asyncio.sleep(0)  # what was claimed is asked now
                await settled(lambda: len(checked) == sum(url in others for url in web.asked))
                passes(10)
            meanwhile, early = list(web.asked), list(web.asked[:12])
            web.lets_go.set()
            for _ in range(40):
                await app._poll_due()
                await app.ingest.finish()
                passes(1)
            return early, meanwhile, web.asked

    early, meanwhile, asked = asyncio.run(life())
    assert {*others} <= {*early}
    assert len({*meanwhile}) == len(meanwhile) < 128, "and the room for checks is not theirs alone"
    assert sorted(asked) == sorted([*slow, *others])


def test_R3_many_slow_hosts_leave_room_for_the_others(desk):
    slow = [f"https://slow{host}.example/{number}" for host in range(40) for number in range(10)]
    late = [f"https://{name}.example/feed" for name in ("gazette", "herald")]

    async def life():
        async with before_slow_hosts(desk, [*slow, *late]) as (app, web, passes):
            due_late = schema.feeds.update().where(schema.feeds.c.url.in_(late)).values(next_check_at=NOW + timedelta(minutes=1))
            await app.writer.run(lambda tx: tx.execute(due_late))
            for _ in range(9):
                await app._poll_due()
                await asyncio.sleep(0)
                passes(10)
            meanwhile = list(web.asked)
            web.lets_go.set()
            await app.ingest.finish()
            return meanwhile

    meanwhile = asyncio.run(life())
    assert len({*meanwhile} & {*slow}) == 40 * 8, "as many of each as its queue takes"
    assert {*late} <= {*meanwhile}


# ── reload ───────────────────────────────────────────────────────────────────────────────────────


def test_a_good_configuration_is_in_force_at_once(desk, log):
    async def reload_it(app):
        await settled(lambda: log.named("attempted"))
        desk.feed("herald", rss("A comet is seen over the hills"))
        desk.watchlist("comet", HARBOUR.replace("harbour", "comet"))
        reloaded = await app.reload_all()
        await settled(lambda: desk.web.asked("/herald") and len(alerts(app)) == 2)
        return reloaded, read(app, meta.get_all)["last_reload"]

    reloaded, note = running(desk, reload_it)
    assert (reloaded.ok, reloaded.watchlists, note["ok"], note["problems"]) == (True, 2, True, [])


BROKEN = [
    ("a mistake in the configuration", lambda desk: desk.write(head="[polling]\nintervall = 1\n"), "config.toml:2:"),
    ("a mistake in a watchlist", lambda desk: desk.watchlist("harbour", 'titel = "x"\n'), "harbour.toml:1:"),
    ("a configuration that is gone", lambda desk: desk.config.unlink(), "config.toml"),
    ("a channel that nobody can open", lambda desk: desk.channel("desk", "console://?format=x"), "desk"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_one_is_told_and_the_old_stays_in_force(desk, log, spoil, says):
    async def reload_it(app):
        before = app.in_force
        spoil(desk)
        reloaded = await app.reload_all()
        fresh = await app.poll(everything=True)
        return before is app.in_force, reloaded, read(app, meta.get_all)["last_reload"], fresh

    desk.web.page("/gazette").then(200, rss("A quay is built"))

    async def without_ticks():
        async with app_of(desk) as app:
            await app.poll()
            return await reload_it(app)

    same, reloaded, note, fresh = asyncio.run(without_ticks())
    assert same and not reloaded.ok and says in reloaded.problems[0]
    assert (note["ok"], note["problems"]) == (False, list(reloaded.problems))
    assert [(fact.feed, fact.alerts) for fact in fresh] == [("gazette", 1)]


def test_what_waits_for_a_removed_channel_is_cancelled_visibly(desk):
    with FakeHttp() as hook:
        hook.fails_with(503, times=9)
        desk.channel("hook", hook.url)

        async def remove():
            async with app_of(desk) as app:
                await app.poll()
                waiting = read(app, letters.depth)
                desk.channels = {"other": "console://"}
                desk.write()
                assert (await app.reload_all()).ok
                return waiting, [row for rows in read(app, letters.list_deliveries, [alerts(app)[0]["id"]]).values() for row in rows]

        waiting, (row,) = asyncio.run(remove())
    assert waiting == {"queued": 1}
    assert (row["state"], row["error"]) == ("cancelled", "its channel, or this address of it, was removed")
    (alert,) = desk.lines("alerts", "--json")
    assert [(one["channel"], one["state"]) for one in alert["deliveries"]] == [("hook", "cancelled")]


def test_an_edited_watchlist_is_read_again_by_itself(desk, log):
    async def edit(app):
        desk.watchlist("comet", HARBOUR.replace("harbour", "comet"))
        await app._watch_tick()
        return len(app.in_force.watchlists)

    async def without_ticks():
        async with app_of(desk) as app:
            return await edit(app)

    assert asyncio.run(without_ticks()) == 2


def test_an_edited_watchlist_leaves_channels_and_configuration_as_they_are(desk):
    async def edit():
        async with app_of(desk) as app:
            before = app.in_force.config, dict(app._senders)
            desk.watchlist("comet", HARBOUR.replace("harbour", "comet"))
            await app._watch_tick()
            return before, (app.in_force.config, dict(app._senders)), len(app.in_force.watchlists)

    before, after, watchlists = asyncio.run(edit())
    assert watchlists == 2
    assert after[0] is before[0]
    assert all(after[1][name] is sender for name, sender in before[1].items())


def test_an_edit_while_the_last_one_is_being_read_is_not_lost(desk, monkeypatch):
    """Between reading the files and remembering what they looked like, an editor may save once more."""

    async def edit_twice():
        async with app_of(desk) as app:
            put = app._put_in_force

            async def saved_once_more(fresh):
                desk.watchlist("third", HARBOUR.replace("harbour", "third"))
                await put(fresh)

            app._put_in_force = saved_once_more
            desk.watchlist("second", HARBOUR.replace("harbour", "second"))
            await app._watch_tick()
            app._put_in_force = put
            await app._watch_tick()
            return {watchlist.id for watchlist in app.in_force.watchlists}

    assert asyncio.run(edit_twice()) == {"harbour", "second", "third"}


def test_intervals_of_a_new_configuration_hold_without_a_restart(desk):
    async def change():
        async with app_of(desk) as app:
            desk.config.write_text(desk.config.read_text().replace('interval = "1h"', 'interval = "6h"').replace('min_interval = "1s"', 'min_interval = "5h"'))
            assert (await app.reload_all()).ok
            return (await app.poll(everything=True), read(app, feeds.list_feeds)[0])

    _, row = asyncio.run(change())
    assert row["next_check_at"] - row["last_checked_at"] > timedelta(hours=4)


def test_another_database_needs_a_restart_and_says_so(desk, log):
    async def change():
        async with app_of(desk) as app:
            desk.config.write_text('[monitor]\ndatabase = "other.db"\n' + desk.config.read_text())
            reloaded = await app.reload_all()
            return reloaded.ok, app.in_force.config.database

    ok, database = asyncio.run(change())
    assert ok and database.endswith("wirewatch.db") and log.named("reload_partial")


# ── retention ────────────────────────────────────────────────────────────────────────────────────


def test_D18_F3_what_was_swept_does_not_alert_again_when_its_feed_still_shows_it(desk, clock, log):
    async def live():
        async with app_of(desk, clock) as app:
            first = await app.poll()
            clock.passes(days=100)
            await app._sweep_if_due()
            left = read(app, stories.list_stories, since=datetime(2000, 1, 1, tzinfo=UTC))
            again = await app.poll(everything=True)
            return first, left, again, alerts(app)

    desk.web.page("/gazette").then(200, rss(BILL, title="Gazette, anew"))
    first, left, again, told = asyncio.run(live())
    assert [fact.alerts for fact in first] == [1]
    assert (left, log.named("swept")) == ((), [{"entries": 1, "stories": 1}])
    assert [fact.new for fact in again] == [0]
    assert len(told) == 1


def test_a_sweep_leaves_what_is_young(desk, clock):
    async def live():
        async with app_of(desk, clock) as app:
            await app.poll()
            clock.passes(days=89)
            await app._sweep_if_due()
            return read(app, stories.list_stories, since=datetime(2000, 1, 1, tzinfo=UTC))

    assert len(asyncio.run(live())) == 1


def test_D1_trouble_with_the_database_is_told_to_the_operator_directly_and_once(desk, monkeypatch):
    with FakeHttp() as sink:
        desk.channels = {"desk": "console://"}
        desk.write(f'[channel.ops]\nurl = "{sink.url}"\noperator = true\n')

        async def run():
            async with App(reload.read_all(desk.config)) as app:

                async def full(*_):
                    raise StoreError("database or disk is full")

                monkeypatch.setattr(app.writer, "run", full)
                for _ in range(2):
                    await app._heartbeat()
                assert (app.storage.polls, app.storage.sends) == (False, False)
                monkeypatch.undo()
                await app._heartbeat()
                assert (app.storage.polls, app.storage.sends) == (True, True)

        asyncio.run(run())
        (told,) = sink.requests
        assert "the database cannot be written: database or disk is full" in told.body.decode()


def test_C3_until_the_clock_is_set_nothing_is_polled(desk, clock, log):
    async def run():
        set_to, clock.now = clock.now, datetime(1970, 1, 1, tzinfo=UTC)
        async with App(reload.read_all(desk.config), clock=clock, speed=1000) as app:
            waits = asyncio.create_task(app.timekeeper.wait_until_set(app._wait_for_clock))
            while not log.named("clock_unset"):
                await asyncio.sleep(0)
            assert not waits.done()
            clock.now = set_to
            await waits

    asyncio.run(run())


def test_C1_C4_jumps_of_the_clock_are_found_told_and_what_is_due_goes_with_them(desk, log):
    goes, jumped = clock_from(speed=1000), timedelta(0)

    async def run():
        nonlocal jumped
        async with App(reload.read_all(desk.config), clock=lambda: goes() + jumped, speed=1000) as app:
            await app.poll()
            watches = asyncio.create_task(app._watch_clock(app._scheduler()))
            await asyncio.sleep(0)
            for span in (timedelta(hours=-6), timedelta(hours=8)):
                before = read(app, feeds.list_feeds)[0]["next_check_at"]
                jumped += span
                while (after := read(app, feeds.list_feeds)[0]["next_check_at"]) == before:
                    await asyncio.sleep(0.001)
                if span < timedelta(0):
                    assert timedelta(hours=-6.2) < after - before < timedelta(hours=-5.8)
                else:
                    assert after - app.clock() <= timedelta(minutes=5)
            watches.cancel()

    asyncio.run(run())
    back, ahead = (fact["seconds"] for fact in log.named("clock_jumped"))
    assert (round(back / 3600), round(ahead / 3600)) == (-6, 8)


@pytest.mark.parametrize("jump", [timedelta(hours=-6), timedelta(days=-400)])
def test_C1_a_clock_that_was_set_back_between_two_passes_holds_no_feed_back(desk, log, jump):
    moment = NOW

    async def passes():
        async with app_of(desk, clock=lambda: moment) as app:
            await app.poll()
            return read(app, feeds.list_feeds)[0]["next_check_at"]

    first = asyncio.run(passes())
    moment += jump
    assert asyncio.run(passes()) - first == jump
    moment += timedelta(hours=2)
    asyncio.run(passes())
    assert len(desk.web.asked("/gazette")) == 2


# ── the page, the metrics, progress ──────────────────────────────────────────────────────────────


async def asked(address, *, method="GET", path="", **more):
    async with aiohttp.ClientSession() as session, session.request(method, address + path, **more) as answer:
        return answer.status, await answer.text()


def with_page(desk, more=""):
    desk.write(more, head=CONFIG.replace('listen = ""', 'listen = "127.0.0.1:0"') + '[alerts]\nbase_url = "http://localhost"\n')
    return desk


def run_until(desk, log, does):
    """Run the daemon, do something with its page's address, stop it."""

    async def run():
        async with app_of(desk) as app:
            running = asyncio.create_task(app.run())
            await settled(lambda: log.named("started"))
            try:
                return await does(app, log.named("status_page")[0]["address"])
            finally:
                app.stop()
                await running

    return asyncio.run(run())


def test_a_reader_judges_an_alert_by_the_link_in_its_message(desk, log, capsys):
    async def judge(app, address):
        await settled(lambda: log.named("attempted"))
        (alert,) = alerts(app)
        message = json.loads(capsys.readouterr().out)
        path = message["feedback_link"].removeprefix("http://localhost/") + "/noise"
        seen = await asked(address, path=path)
        before = read(app, feedback.said_of, [alert["id"]])
        return seen[0], before, (await asked(address, method="POST", path=path))[0], read(app, feedback.said_of, [alert["id"]])

    seen, before, pressed, after = run_until(with_page(desk), log, judge)
    assert (seen, before, pressed, list(after.values())) == (200, {}, 200, [Feedback.NOISE])
    assert log.named("judged")[0]["verdict"] == "noise"


def test_beyond_this_host_the_page_asks_for_its_token(desk, log):
    head = CONFIG.replace('listen = ""', 'listen = "0.0.0.0:0"\ntoken = "a-token-of-some-length"')
    desk.write(head=head)

    async def ask(app, address):
        address = address.replace("0.0.0.0", "127.0.0.1")
        bearer = {"headers": {"Authorization": "Bearer a-token-of-some-length"}}
        return [(await asked(address, path=path, **more))[0] for path in ("", "metrics") for more in ({}, bearer)]

    assert run_until(desk, log, ask) == [401, 200, 401, 200]


def test_without_a_base_url_no_link_is_made(desk, log, capsys):
    async def one():
        async with app_of(desk) as app:
            await app.poll()

    asyncio.run(one())
    assert json.loads(capsys.readouterr().out)["feedback_link"] == ""


def test_links_of_before_hold_after_a_restart(desk):
    async def key():
        async with app_of(desk) as app:
            return app.policy.feedback_key

    assert asyncio.run(key()) == asyncio.run(key()) != b""


def test_G1_a_broken_configuration_is_refused_by_the_page_told_and_counted(desk, log):
    async def reload_it(app, address):
        good = desk.config.read_text()
        desk.config.write_text(good + "\nx = ")
        refused = await asked(address, method="POST", path="-/reload")
        series = (await asked(address, path="metrics"))[1]
        overview = (await asked(address))[1]
        desk.config.write_text(good)
        accepted = await asked(address, method="POST", path="-/reload")
        return refused, series, overview, accepted, (await asked(address, path="metrics"))[1]

    (status, said), series, overview, accepted, later = run_until(with_page(desk), log, reload_it)
    line = len(desk.config.read_text().splitlines()) + 2
    assert status == 422 and f"config.toml:{line}: " in json.loads(said)["problems"][0]
    assert "wirewatch_reload_ok 0.0" in series and "wirewatch_reload_ok 1.0" in later
    assert f"config.toml:{line}: " in overview and accepted[0] == 200
    assert [fact["ok"] for fact in log.named("reloaded")] == [False, True]


def test_what_is_said_is_counted(desk, log):
    desk.web.page("/broken").says(404)
    desk.feeds["broken"] = desk.web.url("/broken")

    async def poll():
        async with app_of(desk.write()) as app:
            await app.poll()
            return (await app.series()).decode().splitlines()

    series = {name: float(value) for name, _, value in (line.rpartition(" ") for line in asyncio.run(poll()) if line[0] != "#")}
    expected = {
        'wirewatch_checks_total{outcome="fresh"}': 1, 'wirewatch_checks_total{outcome="failed"}': 1, "wirewatch_check_seconds_count": 2,
        "wirewatch_entries_total": 1, "wirewatch_stories_total": 1, "wirewatch_copies_total": 0, "wirewatch_alerts_total": 1,
        'wirewatch_decisions_total{reason="matched"}': 1, "wirewatch_publish_to_alert_seconds_count": 1,
        'wirewatch_attempts_total{channel="desk",outcome="delivered"}': 1, "wirewatch_seen_to_delivered_seconds_count": 1,
        'wirewatch_outbox_deliveries{state="delivered"}': 1, 'wirewatch_outbox_deliveries{state="dead"}': 0,
        'wirewatch_feeds{state="ok"}': 1, 'wirewatch_feeds{state="failing"}': 1, "wirewatch_reload_ok": 1, "wirewatch_channels_suspended": 0,
        'wirewatch_feed_last_success_timestamp_seconds{feed="broken"}': 0,
    }  # fmt: skip
    assert {name: series.get(name) for name in expected} == expected
    assert 3600 <= series["wirewatch_publish_to_alert_seconds_sum"] < 3700, "published an hour ago"
    assert series["wirewatch_write_seconds_count"] > 3 and series["process_resident_memory_bytes"] > 1e7
    assert abs(series['wirewatch_channel_last_success_timestamp_seconds{channel="desk"}'] - datetime.now(UTC).timestamp()) < 60
    ticks = {name.split('"')[1] for name in series if name.startswith("wirewatch_tick_age_seconds")}
    assert ticks == {"feeds", "outbox", "writer", "checks"}


def test_L21_where_the_operators_own_channel_is_down_metrics_and_status_say_so(desk):
    desk.write('[channel.ops]\nurl = "json://127.0.0.1:9/"\noperator = true\n')

    async def suspend():
        async with app_of(desk) as app:
            trouble = channels.Trouble(failures=1, failing_since=datetime.now(UTC), suspended=True)
            until = datetime.now(UTC) + timedelta(hours=1)
            await app.writer.run(lambda tx: channels.pause(tx, "ops", until=until, error="401", trouble=trouble))
            return (await app.series()).decode()

    assert "wirewatch_channels_suspended 1.0" in asyncio.run(suspend())
    answer = desk.does("status")
    assert answer.exit_code == 1 and "channel ops is suspended: 401" in answer.output


@pytest.mark.parametrize("part", ["feeds", "outbox", "writer"])
def test_O5_health_says_which_part_stands_still_and_recovers_when_it_goes_on(desk, log, part, monkeypatch):
    steady = [0.0]

    async def hang(app, address):
        app._pulse = Pulse(app._pulse.parts, steady=lambda: steady[0])
        stands, goes_on = asyncio.Event(), asyncio.Event()
        original = {"feeds": (app.ingest, "start"), "outbox": (app.dispatcher, "tick"), "writer": (app.writer, "run")}[part]
        real = getattr(*original)

        async def hung(*args, **more):
            stands.set()
            await goes_on.wait()
            return await real(*args, **more)

        setattr(*original, hung)
        await stands.wait()
        steady[0] += 91
        for other in set(app._pulse.parts) - {part}:
            app._pulse.beat(other)
        ill = await asked(address, path="healthz")
        goes_on.set()
        setattr(*original, real)
        await settled(lambda: not app.standing_still())
        return ill, await asked(address, path="healthz")

    (status, said), well = run_until(with_page(desk), log, hang)
    assert (status, json.loads(said)["problems"]) == (503, [f"{part}: nothing done for 91 seconds"])
    assert well[0] == 200


def test_C1_after_a_clock_that_was_ahead_retention_is_due_and_nothing_is_held_for_longer_than_it_may_be(desk, clock, log):
    steady = [0.0]

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: steady[0]) as app:
            await app.poll()  # which sweeps
            far = delivery(state=DeliveryStatus.HELD, hold=HoldReason.DIGEST, next_attempt_at=clock() + timedelta(hours=12))
            await app.writer.run(outbox.enqueue, [far])
            clock.passes(days=-100)
            assert await app.timekeeper.look(app.writer)
            await app._sweep_if_due()
            held = [row["next_attempt_at"] for row in read(app, letters.list_deliveries, ["a1"])["a1"]]
            return read(app, meta.get_all)["last_sweep"]["at"], held

    swept, held = asyncio.run(run())
    assert datetime.fromisoformat(swept) - clock() < timedelta(minutes=1)
    assert held == [clock() + timedelta(hours=26)]


def test_C1_a_start_after_a_clock_that_was_ahead_mends_that_once(desk, clock, log):
    async def once():
        async with App(reload.read_all(desk.config), clock=clock) as app:
            return app

    async def run():
        async with App(reload.read_all(desk.config), clock=clock) as app:
            await app.poll()
        clock.passes(days=-100)
        await once()
        await once()

    asyncio.run(run())
    assert len(log.named("clock_jumped")) == 1


def test_O14_a_process_that_was_stopped_for_ten_minutes_lets_its_feeds_take_turns(desk, clock, log):
    for name in ("herald", "post", "times"):
        desk.feed(name, rss(name))
    steady = [0.0]

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: steady[0]) as app:
            await app.poll()
            dues = []
            for stopped in (59, 601):
                app.timekeeper._spread_at = None
                clock.passes(hours=2)  # all are overdue
                steady[0] += 7200
                app.timekeeper._steady.look(clock())
                clock.passes(seconds=stopped)
                steady[0] += stopped
                assert await app.timekeeper.look(app.writer) is (stopped > 60)
                dues.append(sorted(row["next_check_at"] - clock() for row in read(app, feeds.list_feeds)))
            return dues

    before, after = asyncio.run(run())
    assert all(due < timedelta(0) for due in before)
    assert [round(due.total_seconds()) for due in after] == [0, 90, 180, 270]
    assert log.named("stood_still") == [{"seconds": 601}] and not log.named("clock_jumped")


def test_C4_whoever_is_stopped_again_and_again_still_checks_its_feeds(desk, clock):
    """Turns that are put off at every look would hardly come."""
    for number in range(30):
        desk.feed(f"paper{number}", rss(f"Item {number}"))
    steady = [0.0]

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: steady[0]) as app:
            await app.poll()
            clock.passes(hours=2)
            steady[0] += 7200
            for _ in range(9):
                await app._feed_tick()
                await app.ingest.finish()
                clock.passes(seconds=100)
                steady[0] += 100

    asyncio.run(run())
    assert [len(desk.web.asked(f"/paper{number}")) for number in range(30)] == [2] * 30


# ── little to do costs little ────────────────────────────────────────────────────────────────────


def only_due(tx, name, now):
    for which, at in ((schema.feeds.c.name != name, now + timedelta(days=1)), (schema.feeds.c.name == name, now)):
        tx.execute(schema.feeds.update().where(which).values(next_check_at=at))


def test_feeds_that_fall_due_within_ten_seconds_are_claimed_together(desk, clock):
    desk.feed("herald", rss("Rain"))
    desk.write(head=CONFIG.replace('min_interval = "1s"', 'min_interval = "5m"'))
    ticks = [50.0]

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: ticks[0]) as app:
            running = []
            for due, passes in (("gazette", 0), ("herald", 9.9), ("", 0.1), ("gazette", 60)):
                ticks[0] += passes
                if due:
                    await app.writer.run(only_due, due, clock())
                await app._feed_tick()
                running.append(app.ingest.running)
                await app.ingest.finish()
            return running

    assert asyncio.run(run()) == [1, 0, 1, 1]


@pytest.mark.parametrize(("shortest", "waits"), [("5m", 10), ("30s", 1)])
def test_a_feed_waits_for_others_a_thirtieth_of_the_shortest_interval_and_after_a_reload_not_at_all(desk, clock, shortest, waits):
    desk.write(head=CONFIG.replace('min_interval = "1s"', f'min_interval = "{shortest}"'))
    ticks = [50.0]

    async def claims(app, passes=0.0):
        ticks[0] += passes
        await app.writer.run(only_due, "gazette", clock())
        await app._feed_tick()
        running = app.ingest.running
        await app.ingest.finish()
        return running

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: ticks[0]) as app:
            found = [await claims(app), await claims(app, waits - 0.1), await claims(app, 0.1), await claims(app)]
            await app.reload_all()
            return [*found, await claims(app)]

    assert asyncio.run(run()) == [1, 0, 1, 0, 1]


def test_what_is_due_and_could_not_be_claimed_at_once_is_claimed_at_the_next_tick(desk, clock):
    for number in range(8):
        desk.feed(f"herald{number}", rss("Rain"))
    desk.write(head=CONFIG.replace("[polling]\n", "[polling]\nconcurrency = 1\n"))

    async def run():
        async with App(reload.read_all(desk.config), clock=clock, ticks=lambda: 50.0) as app:
            running = []
            for _ in range(3):
                await app._feed_tick()
                running.append(app.ingest.running)
                await app.ingest.finish()
            return running

    assert asyncio.run(run()) == [8, 1, 0]


def test_messages_are_looked_for_after_each_write_and_else_every_five_seconds(desk, monkeypatch):
    ticks, looks = [50.0], []
    any_open = outbox.any_open
    monkeypatch.setattr(outbox, "any_open", lambda tx: looks.append(any_open(tx)) or looks[-1])

    async def looked(app, passes=0.0):
        ticks[0] += passes
        before = len(looks)
        await app._outbox_tick()
        return len(looks) > before

    async def run():
        async with App(reload.read_all(desk.config), ticks=lambda: ticks[0]) as app:
            quiet = [await looked(app), await looked(app), await looked(app, 4.9), await looked(app, 0.1), await looked(app)]
            await app.writer.run(lambda tx: None)
            written = [await looked(app), await looked(app)]
            monkeypatch.setattr(outbox, "any_open", lambda tx: looks.append(True) or True)
            return quiet, written, [await looked(app, 5), await looked(app), await looked(app)]

    assert asyncio.run(run()) == ([True, False, False, True, False], [True, False], [True, True, True])


def test_C1_a_host_that_asked_for_peace_has_it_after_a_restart_and_a_reload(desk, clock):
    desk.web.forget("/gazette")
    desk.web.page("/gazette").says(429, headers={"Retry-After": "7200"})
    desk.feed("herald", rss("Rain"))

    async def ask(**how):
        async with app_of(desk, clock) as app:
            return await app.poll(**how)

    facts = {fact.feed: fact.outcome for fact in asyncio.run(ask(only=["gazette"]))}
    clock.passes(minutes=119)
    facts |= {fact.feed: fact.outcome for fact in asyncio.run(ask(everything=True))}
    assert facts == {"gazette": "failed", "herald": "held"} and len(desk.web.requests) == 1

    async def reloaded():
        async with app_of(desk, clock) as app:
            desk.config.write_text(desk.config.read_text().replace('timeout = "5s"', 'timeout = "6s"'))
            assert (await app.reload_all()).ok
            await app.poll(everything=True)

    asyncio.run(reloaded())
    assert len(desk.web.requests) == 1
    clock.passes(minutes=20)
    asyncio.run(ask(everything=True))
    assert {request.path for request in desk.web.requests[1:]} >= {"/herald"}


def test_a_write_that_the_database_refuses_is_a_turn_of_the_writer(desk):
    def refuse(tx):
        raise StoreError("the disk is full")

    async def live():
        async with app_of(desk) as app:
            steady = [0.0]
            app._pulse = Pulse(app._pulse.parts, steady=lambda: steady[0])
            steady[0] += 1000
            with pytest.raises(StoreError):
                await app.writer.run(refuse)
            return app._pulse.stuck()

    assert set(asyncio.run(live())) == {"feeds", "outbox", "checks"}
