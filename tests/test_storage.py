"""A daemon whose disk fills up, whose database is damaged or exchanged, and whose halves stop turning (D1–D8, O5, O7).

In this process, turn by turn; tests/test_service.py has the same under systemd.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from monitor import reload
from monitor.app import App
from monitor.edges import disk
from monitor.edges.disk import RESERVE
from monitor.edges.systemd import Notifier
from monitor.errors import InstanceRunning, StoreDamaged, StoreError, StoreFull
from monitor.store import database, letters, meta, stories
from monitor.store.database import running_pid
from monitor.writer import Writer
from tests.daemon import PATIENCE, ROOT, Daemon
from tests.desk import BILL, Desk, rss
from tests.fakes import FakeHttp
from tests.fakeweb import head
from tests.store.test_marker import emptied, spoil_a_page

MANY = tuple(f"The harbour of town number {n} is enlarged by {n + 7} berths for {'fishing boats ' * 40}" for n in range(60))


@pytest.fixture
def sink():
    with FakeHttp() as opened:
        yield opened


@pytest.fixture
def ops():
    with FakeHttp() as opened:
        yield opened


def newsroom(folder, web, sink, ops):
    desk = Desk(folder, web).feed("gazette", rss(BILL))
    desk.channels = {"hook": sink.url}
    return desk.write(f'[channel.ops]\nurl = "{ops.url}"\noperator = true\n')


@pytest.fixture
def desk(tmp_path, web, sink, ops):
    return newsroom(tmp_path, web, sink, ops)


def app_of(desk, **more):
    return App(reload.read_all(desk.config), **more)


async def turn(app):
    """One turn of everything, to its end."""
    await app._feed_tick()
    await app.ingest.finish()
    await app._outbox_tick()
    await asyncio.gather(*app.dispatcher._workers.values(), return_exceptions=True)
    await app._heartbeat()
    await app._tell_operator() if app.storage.sends else None


def later(app, clock):
    """Two hours pass as they do, so that every feed is due."""
    clock.passes(hours=2)
    app._claimed_at -= 7200
    app.timekeeper._steady.look(clock())


def read(app, function, *args, **more):
    with app.database.read() as tx:
        return function(tx, *args, **more)


def alerts(app):
    return read(app, letters.list_alerts, since=datetime(2000, 1, 1, tzinfo=UTC))


def texts(sink):
    return [request.body.decode() for request in sink.accepted]


# ── D1–D3: a full disk ───────────────────────────────────────────────────────────────────────────


def limit(app, more=None):
    """Let the database grow by so many pages from now on; None: as it likes. Needs no root."""

    def ask(tx):
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages + more if more is not None else 2**30}")

    return app.writer.run(ask)


def test_D1_without_room_nothing_is_sent_that_is_not_recorded_and_it_goes_on_by_itself(desk, sink, ops, clock, log):
    desk.web.page("/gazette").says(200, rss(*MANY, BILL))

    async def live():
        async with app_of(desk, clock=clock) as app:
            await turn(app)
            await limit(app, more=0)
            later(app, clock)
            await turn(app)
            full = app.storage.polls, app.storage.sends, len(alerts(app)), len(sink.accepted)
            for _ in range(2):
                await app._heartbeat()
                await turn(app)
            still = app.storage.polls, app.storage.sends, len(desk.web.asked("/gazette")), len(sink.accepted)
            await limit(app)
            await app._heartbeat()
            later(app, clock)
            await turn(app)
            return full, still, app.storage.polls, len(alerts(app))

    full, still, polls, told = asyncio.run(live())
    assert (full, still) == ((False, False, 1, 1), (False, False, 2, 1))
    assert polls and told == 1 + len(MANY)
    assert sum("cannot be written" in text for text in texts(ops)) == 1
    assert len(log.named("storage_failed")) == len(log.named("storage_back")) == 1
    assert len(sink.accepted) > 1


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 48 MiB, in memory."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=False).returncode:
        pytest.skip("may not mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder, leave=0):
    """Take up all room but so many bytes."""
    free = os.statvfs(folder)
    with (folder / "filler").open("ab") as filler:
        filler.write(b"x" * (free.f_bavail * free.f_frsize - leave))


def test_D3_the_reserve_lets_what_waits_go_polling_pauses_and_goes_on_when_there_is_room(small_disk, web, sink, ops, clock, log):
    desk = newsroom(small_disk, web, sink, ops)
    desk.web.page("/gazette").says(200, rss(*MANY[:20], BILL))

    async def live():
        async with app_of(desk, clock=clock) as app:
            await app.guard.look(app.database)
            reserve = (small_disk / "wirewatch.db.ballast").stat().st_size
            await turn(app)
            fill(small_disk)
            later(app, clock)
            await turn(app)
            low = app.storage.polls, app.storage.sends, (small_disk / "wirewatch.db.ballast").exists(), len(alerts(app))
            while read(app, letters.depth).get("queued"):
                await turn(app)
            status = read(app, meta.get_all)["last_tick"]["low_since"], len(desk.web.asked("/gazette"))
            (small_disk / "filler").unlink()
            await app._heartbeat()
            again = app.storage.polls, (small_disk / "wirewatch.db.ballast").stat().st_size
            return reserve, low, status, again

    reserve, low, (low_since, asked), again = asyncio.run(live())
    assert reserve == RESERVE
    assert low == (False, True, False, 21)
    assert low_since and asked == 2
    assert again == (True, RESERVE)
    assert any("the disk is full: no feed is polled" in text for text in texts(ops))
    assert sum("town number 7 " in text for text in texts(sink)) == 1
    assert [len(log.named(event)) for event in ("storage_low", "storage_back", "storage_failed")] == [1, 1, 0]


def test_D1_a_disk_that_is_full_to_the_last_byte_stops_polls_and_sends_and_both_go_on(small_disk, web, sink, ops, clock):
    desk = newsroom(small_disk, web, sink, ops)
    desk.web.page("/gazette").says(200, rss(*MANY[:20], BILL))

    async def live():
        async with app_of(desk, clock=clock) as app:
            await turn(app)
            (small_disk / "wirewatch.db.ballast").unlink()
            fill(small_disk)
            later(app, clock)
            await turn(app)
            stopped = app.storage.polls, app.storage.sends, len(sink.accepted)
            await turn(app)
            assert len(sink.accepted) == stopped[-1]
            (small_disk / "filler").unlink()
            await app._heartbeat()
            later(app, clock)
            await turn(app)
            return stopped, app.storage.polls, len(alerts(app))

    assert asyncio.run(live()) == ((False, False, 1), True, 21)
    assert sum("cannot be written" in text for text in texts(ops)) == 1


def test_D2_a_start_on_a_full_disk_says_where_and_how_much_is_free(small_disk, web, sink, ops, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    desk = newsroom(small_disk, web, sink, ops)
    fill(small_disk)
    for _ in range(3):
        result = desk.does("poll")
        assert result.exit_code == 74
        assert str(small_disk) in result.stderr and "bytes free on its disk" in result.stderr
    assert ["bytes free on its disk" in text for text in texts(ops)] == [True], "the operator is told, and once"


def test_D3_a_start_on_a_full_disk_gives_up_the_reserve_of_the_last_run(small_disk, web, sink, ops):
    desk = newsroom(small_disk, web, sink, ops)

    async def live(meanwhile):
        async with app_of(desk) as app:
            await app.guard.look(app.database)
            await turn(app)
            meanwhile()
            return len(alerts(app))

    assert asyncio.run(live(lambda: fill(small_disk))) == 1
    assert asyncio.run(live(lambda: None)) == 1
    assert not (small_disk / "wirewatch.db.ballast").exists()


def test_D16_a_database_on_a_network_filesystem_is_warned_of(desk, tmp_path, log, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:40 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)

    async def live():
        async with app_of(desk) as app:
            await app.guard.look(app.database)

    asyncio.run(live())
    assert [fact["kind"] for fact in log.named("storage_on_network")] == ["nfs4"]


# ── D7, D8: a database that cannot be trusted ────────────────────────────────────────────────────


class Systemd:
    """What systemd would hear."""

    def __init__(self, folder):
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def heard(self):
        said = []
        while True:
            try:
                said += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return said


def test_D7_O7_a_damaged_database_ends_the_start_before_it_is_ready_and_is_told_once(desk, ops, tmp_path):
    desk.does("poll")
    spoil_a_page(tmp_path / "wirewatch.db")
    systemd = Systemd(tmp_path)

    async def start():
        async with app_of(desk, notifier=Notifier(systemd.address)) as app:
            await app.run()

    for _ in range(3):  # systemd tries again and again
        with pytest.raises(StoreDamaged, match="wirewatch restore"):
            asyncio.run(start())
    assert "READY=1" not in systemd.heard()
    assert ["does not run" in text and "wirewatch restore" in text for text in texts(ops)] == [True]
    assert len(desk.web.asked("/gazette")) == 1


def test_D7_damage_that_the_daily_look_finds_ends_the_daemon_and_sends_nothing_more(desk, ops, sink, tmp_path):
    async def live():
        async with app_of(desk) as app:
            await turn(app)
            spoil_a_page(tmp_path / "wirewatch.db")
            await app._upkeep_tick()
            return app._stopping.is_set(), app.guard.fatal

    stopping, fatal = asyncio.run(live())
    assert stopping and isinstance(fatal, StoreDamaged)
    assert len(texts(ops)) == 1 and len(sink.accepted) == 1


def spoil_the_root_of(table, path):
    """As a disk that returns other bytes than were written."""
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO meta VALUES ('filler', '1')")  # so that nobody believes what he remembers of it
        raw.commit()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = raw.execute("PRAGMA page_size").fetchone()[0]
        root = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    raw.close()
    with path.open("r+b") as handle:
        handle.seek((root - 1) * size)
        handle.write(b"\xde\xad" * (size // 2))


def test_D7_damage_that_the_first_new_item_meets_ends_the_daemon(desk, ops, sink, tmp_path, clock):
    desk.web.page("/gazette").says(200, rss("A quay is built at Lagune", BILL))

    async def live():
        async with app_of(desk, clock=clock) as app:
            await turn(app)
            spoil_the_root_of("entries", tmp_path / "wirewatch.db")
            later(app, clock)
            await app._feed_tick()
            await app.ingest.finish()
            return app._stopping.is_set(), app.guard.fatal

    stopping, fatal = asyncio.run(live())
    assert stopping and isinstance(fatal, StoreDamaged)
    assert ["wirewatch restore" in text for text in texts(ops)] == [True]
    assert len(sink.accepted) == 1


def test_D7_a_pass_that_meets_damage_fails_and_sends_nothing_more(desk, ops, sink, tmp_path, clock):
    desk.web.page("/gazette").says(200, rss("A quay is built at Lagune", BILL))
    desk.does("poll")
    spoil_the_root_of("entries", tmp_path / "wirewatch.db")
    clock.passes(hours=2)

    async def once():
        async with app_of(desk, clock=clock) as app:
            await app.poll()

    with pytest.raises(StoreDamaged):
        asyncio.run(once())
    assert (len(texts(ops)), len(sink.accepted)) == (1, 1)


def test_what_cannot_be_saved_pauses_polling_until_a_write_works(desk, ops, clock, monkeypatch, log):
    """Not damage, and not a tick of its own: a check whose entries the database does not take. It is due again then."""

    def refuse(tx, *args):
        raise StoreError("disk I/O error")

    async def live():
        async with app_of(desk, clock=clock) as app:
            with monkeypatch.context() as patched:
                patched.setattr(stories, "save", refuse)
                await app._feed_tick()
                await app.ingest.finish()
            before = app.storage.polls, len(log.named("storage_failed"))
            await app._heartbeat()
            polls = app.storage.polls
            clock.passes(seconds=61)
            app._claimed_at -= 61
            await turn(app)
            return before, polls, len(desk.web.asked("/gazette")), len(alerts(app))

    assert asyncio.run(live()) == ((False, 1), True, 2, 1)
    assert ["disk I/O error" in text for text in texts(ops)] == [True]


def test_D7_damage_that_a_reload_meets_ends_the_daemon(desk, ops, monkeypatch):
    def damaged(tx, *_):
        raise StoreDamaged("page 7; `wirewatch restore FILE` brings a backup back")

    async def live():
        async with app_of(desk) as app:
            await turn(app)
            monkeypatch.setattr(app, "_register", damaged)
            await app.reload_all()
            return app._stopping.is_set()

    assert asyncio.run(live())
    assert ["page 7" in text for text in texts(ops)] == [True]


def test_a_note_of_the_progress_that_fails_by_a_fault_of_ours_is_told_as_any_tick(desk, tmp_path, monkeypatch):
    systemd = Systemd(tmp_path)

    async def stumbles():
        raise ValueError("a fault")

    async def live():
        async with app_of(desk, notifier=Notifier(systemd.address)) as app:
            monkeypatch.setattr(app, "_note_progress", stumbles)
            with pytest.raises(ValueError, match="a fault"):
                await app._heartbeat()

    asyncio.run(live())
    assert "WATCHDOG=1" not in systemd.heard()


def test_D8_a_database_replaced_under_the_daemon_ends_it(desk, ops, tmp_path):
    async def live():
        async with app_of(desk) as app:
            await turn(app)
            (tmp_path / "wirewatch.db").rename(tmp_path / "away.db")
            await app._heartbeat()
            return app._stopping.is_set()

    assert asyncio.run(live())
    assert ["replaced or removed" in text for text in texts(ops)] == [True]


def test_a_database_that_another_instance_has_taken_ends_the_daemon_and_is_no_trouble_to_tell(desk, ops, monkeypatch):
    def taken():
        raise InstanceRunning("another wirewatch holds this PostgreSQL database")

    async def live():
        async with app_of(desk) as app:
            await turn(app)
            monkeypatch.setattr(app.database, "keep_lock", taken)
            await app._heartbeat()
            return app._stopping.is_set(), app.guard.fatal

    stopping, fatal = asyncio.run(live())
    assert stopping and isinstance(fatal, InstanceRunning) and texts(ops) == []


def test_D8_an_emptied_database_is_refused_with_74_and_sends_nothing(desk, sink, tmp_path):
    assert desk.does("poll").exit_code == 0 and len(sink.accepted) == 1
    emptied(tmp_path / "wirewatch.db")
    result = desk.does("poll")
    assert (result.exit_code, len(sink.accepted)) == (74, 1)
    assert "--accept-empty" in result.stderr and "wirewatch restore" in result.stderr


def test_D8_whoever_begins_anew_is_told_nothing_of_what_feeds_show_but_of_what_comes(desk, sink, tmp_path):
    desk.web.page("/gazette").then(200, rss(BILL, *MANY[:5])).then(200, rss("A quay is built at Lagune", BILL, *MANY[:5]))
    desk.does("poll")
    emptied(tmp_path / "wirewatch.db")

    assert desk.does("poll", "--all", "--accept-empty").exit_code == 0
    assert len(sink.accepted) == 1
    assert desk.does("poll", "--all").exit_code == 0
    assert len(sink.accepted) == 2 and "A quay is built" in texts(sink)[-1]


def test_D8_a_kill_at_the_moment_of_beginning_anew_tells_nothing_of_what_feeds_show_either(desk, sink, tmp_path, monkeypatch):
    desk.web.page("/gazette").then(200, rss(BILL, *MANY[:5]))
    desk.does("poll")
    emptied(tmp_path / "wirewatch.db")

    async def killed():
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "run", lambda *_: killed())
        with pytest.raises(RuntimeError, match="killed"):
            desk.does("poll", "--accept-empty")
    assert desk.does("poll", "--all").exit_code == 0
    assert len(sink.accepted) == 1


# ── O5: signs of life ────────────────────────────────────────────────────────────────────────────


class Steady:
    now = 0.0

    def __call__(self):
        return self.now


STUCK = [
    ("feeds", lambda app: app._outbox_tick),
    ("outbox", lambda app: app._feed_tick),
]


@pytest.mark.parametrize(("part", "other"), STUCK, ids=[case[0] for case in STUCK])
def test_O5_a_half_that_does_not_turn_gives_no_sign_of_life(desk, tmp_path, log, part, other):
    systemd, steady = Systemd(tmp_path), Steady()

    async def live():
        async with app_of(desk, notifier=Notifier(systemd.address)) as app:
            app._pulse._steady = steady
            for one in ("feeds", "outbox", "checks"):
                app._pulse.beat(one)
            await turn(app)
            well = systemd.heard()
            steady.now = 46.0  # three times the 15 s of a sign of life
            app._pulse.beat("checks")
            await other(app)()
            await app._heartbeat()
            return well, systemd.heard()

    well, stuck = asyncio.run(live())
    assert "WATCHDOG=1" in well and "WATCHDOG=1" not in stuck
    assert log.named("no_progress") == [{"parts": [part]}]


def test_O5_checks_that_never_end_give_no_sign_of_life(desk, tmp_path, log):
    systemd, steady = Systemd(tmp_path), Steady()
    desk.web.page("/gazette").stays_silent()

    async def live():
        async with app_of(desk, notifier=Notifier(systemd.address)) as app:
            app._pulse._steady = steady
            for one in ("feeds", "outbox", "checks"):
                app._pulse.beat(one)
            await app.ingest.start(app.in_force.feeds, limit=9)
            assert app.ingest.running
            steady.now = 601.0
            await app._feed_tick()
            await app._outbox_tick()
            await app._heartbeat()
            return systemd.heard()

    assert "WATCHDOG=1" not in asyncio.run(live())
    assert log.named("no_progress") == [{"parts": ["checks"]}]


def test_O5_a_database_that_cannot_be_written_is_no_reason_for_a_restart(desk, tmp_path):
    systemd = Systemd(tmp_path)

    async def live():
        async with app_of(desk, notifier=Notifier(systemd.address)) as app:
            await turn(app)
            app.guard.failed(StoreFull("database or disk is full"))
            systemd.heard()
            await limit(app, more=0)
            await app._heartbeat()
            return systemd.heard()

    heard = asyncio.run(live())
    assert "WATCHDOG=1" in heard
    assert any(line.startswith("STATUS=1 feeds, 1 watchlists; database cannot be written") for line in heard)


def test_O5_anothers_lock_holds_up_no_sign_of_life(desk, tmp_path, monkeypatch):
    """For a minute and more: everything waits for it in turn, and half a minute each."""
    systemd, steady, held_up = Systemd(tmp_path), Steady(), threading.Event()
    monkeypatch.setitem(database.PRAGMAS, "busy_timeout", 1)

    async def live():
        async with app_of(desk, notifier=Notifier(systemd.address, timedelta(seconds=0.2))) as app:
            app._pulse._steady = steady
            await turn(app)
            other = sqlite3.connect(tmp_path / "wirewatch.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            waits = asyncio.create_task(app.writer.compute(held_up.wait, PATIENCE))
            systemd.heard()
            await app._heartbeat()
            before = systemd.heard()
            steady.now = 46.0  # three times the 15 s of a sign of life
            held_up.set()
            await waits
            await asyncio.wait({app._noting})
            await app._heartbeat()
            other.close()
            return before, systemd.heard()

    before, locked = asyncio.run(live())
    assert "WATCHDOG=1" in before, "while the note of the progress waits in the writer's queue"
    assert "WATCHDOG=1" in locked, "while everything waits for the lock"


def test_a_shorter_patience_of_systemd_is_met():
    assert Notifier(None).sign_of_life == timedelta(seconds=15)
    assert Notifier(None, timedelta(seconds=6)).sign_of_life == timedelta(seconds=1.5)
    assert Notifier(None, timedelta(minutes=9)).sign_of_life == timedelta(seconds=15)


def test_after_polling_was_paused_feeds_take_turns(desk, clock, log):
    """As after a disk that was full for ten minutes: no clock has jumped, and all feeds are overdue."""
    for name in ("herald", "courier", "tribune"):
        desk.feed(name, rss(BILL, title=name))
    desk.write()

    async def live():
        async with app_of(desk, clock=clock) as app:
            await turn(app)
            later(app, clock)
            app.timekeeper._polled_at -= 600
            await app._feed_tick()
            return app.ingest.running

    assert asyncio.run(live()) == 1, "the others have their turn within six minutes"
    assert not log.named("clock_jumped")


def test_the_dead_mans_switch_hears_nothing_while_the_disk_is_full(desk, web):
    web.page("/alive").says(200, b"")
    head = f'[monitor]\nheartbeat = "{web.url("/alive")}"\n'
    desk.config.write_text(head + desk.config.read_text())

    async def live():
        async with app_of(desk) as app:
            await turn(app)
            await app._operator_tick()
            well = len(web.asked("/alive"))
            app.storage.ballast.spent = True
            app.storage.low_since = app.clock()
            await app._operator_tick()
            return well, len(web.asked("/alive"))

    assert asyncio.run(live()) == (1, 1)


# ── the commands ─────────────────────────────────────────────────────────────────────────────────


def test_backup_and_restore_by_hand_and_what_was_told_is_not_told_again(desk, sink, tmp_path):
    desk.does("poll")
    target = tmp_path / "copy.db"
    made = desk.does("backup", str(target))
    assert made.exit_code == 0 and f"{target}: {target.stat().st_size:,} bytes, checked" in made.stderr
    emptied(tmp_path / "wirewatch.db")
    assert desk.does("poll").exit_code == 74
    put = desk.does("restore", str(target))
    assert put.exit_code == 0 and f"restored from {target}" in put.stderr
    assert desk.does("poll", "--all").exit_code == 0
    assert len(sink.accepted) == 1


def test_backups_in_a_folder_are_named_by_the_time_and_the_newest_stay(desk, tmp_path):
    desk.does("poll")
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(1, 9):
        (folder / f"wirewatch-2025-01-0{day}T030000Z.db").write_bytes(b"")
    assert desk.does("backup", "--keep", "7", str(folder)).exit_code == 0
    names = sorted(path.name for path in folder.iterdir())
    assert (len(names), names[0]) == (7, "wirewatch-2025-01-03T030000Z.db")
    assert (folder / names[-1]).stat().st_size > 0
    assert desk.does("backup", "--keep", "7", str(tmp_path / "file.db")).exit_code == 2


def test_a_backup_needs_neither_secrets_nor_a_configuration_that_is_right(desk, tmp_path):
    desk.does("poll")
    desk.config.write_text(desk.config.read_text() + '[channel.more]\nurl = { credential = "missing" }\n[[rout]]\n')
    assert desk.does("check").exit_code == 65
    assert desk.does("backup", str(tmp_path / "copy.db")).exit_code == 0


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_postgresql_database_is_left_to_its_own_tools(desk, tmp_path, command):
    desk.config.write_text('[monitor]\ndatabase = "postgresql://localhost/wirewatch"\n')
    (tmp_path / "copy.db").write_bytes(b"")
    result = desk.does(command, str(tmp_path / "copy.db"))
    assert result.exit_code == 1 and "pg_dump" in result.stderr


def test_G1_a_reload_is_asked_for_and_answered(desk):
    """0 when it is in force, 65 with file and line when it is refused, 1 when nobody is there."""
    assert desk.does("reload").exit_code == 74
    desk.does("poll")
    assert (desk.does("reload").exit_code, desk.does("reload").stderr) == (1, "wirewatch: no daemon runs here\n")
    good = desk.config.read_text()
    with Daemon(desk.config) as daemon:
        daemon.start()
        daemon.wait_until(lambda: "started" in daemon.said())
        done = desk.does("reload")
        assert (done.exit_code, done.stderr[:13]) == (0, "in force now:")
        desk.config.write_text(good.replace("[polling]", "[poling]"))
        refused = desk.does("reload")
        assert refused.exit_code == 65 and f"{desk.config}:1: poling: " in refused.stderr
        desk.config.write_text("[[[")
        before = daemon.said().count('"reloaded"')
        assert desk.does("reload", "--pid", str(daemon.process.pid)).exit_code == 65
        daemon.wait_until(lambda: daemon.said().count('"reloaded"') > before)
        desk.config.write_text(good)
        assert desk.does("reload", "--pid", str(daemon.process.pid)).exit_code == 0


def test_G1_a_pass_is_not_ended_by_a_hang_up_and_reload_says_that_only_a_pass_runs(desk, sink):
    asked, go, body = threading.Event(), threading.Event(), rss(BILL)

    def held(_):
        asked.set()
        go.wait(PATIENCE)
        return head(200, [("Content-Length", str(len(body)))]), body

    desk.web.forget("/gazette")
    desk.web.page("/gazette").answers(held)
    command = [sys.executable, "-m", "monitor", "--config", str(desk.config), "poll"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        assert asked.wait(PATIENCE)
        refused = desk.does("reload")
        process.send_signal(signal.SIGHUP)
        go.set()
        assert process.wait(PATIENCE) == 0
    assert refused.exit_code == 1 and f"only `wirewatch poll` (pid {process.pid})" in refused.stderr
    assert len(sink.accepted) == 1


def test_G1_a_daemon_that_is_still_starting_reads_its_configuration_again_once_it_is_ready(desk, tmp_path):
    desk.does("poll")
    path = tmp_path / "wirewatch.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Daemon(desk.config) as daemon:
        daemon.start()
        daemon.wait_until(lambda: running_pid(str(path)) == daemon.process.pid)
        daemon.hang_up()
        time.sleep(0.2)
        other.close()
        daemon.wait_until(lambda: '"reloaded"' in daemon.said())
        assert daemon.said().index('"started"') < daemon.said().index('"reloaded"')
        assert daemon.terminate() == 0
