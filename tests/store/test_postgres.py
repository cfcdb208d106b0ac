"""The same line over PostgreSQL: another URL, nothing else."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor import operator
from monitor.demo.serve import sample_feeds
from monitor.digests import Gathering, gather
from monitor.errors import InstanceRunning
from monitor.model import Channel, DeliveryStatus, HoldReason
from monitor.store import channels, due, feeds, letters, outbox, schema
from monitor.store.channels import Trouble
from monitor.store.database import Database
from monitor.upkeep import sweep
from tests.builders import NOW, delivery
from tests.daemon import Daemon, wirewatch
from tests.fakeweb import FakeWeb

BIN = next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(BIN is None or shutil.which("runuser") is None, reason="no PostgreSQL: apt install postgresql"),
]

CONFIG = """\
[monitor]
database = "{url}"
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
[channel.screen]
url = "console://?format=json"
"""
WATCHLIST = 'title = "Rajin"\nthreshold = 2\n[[term]]\nany = ["Rajin"]\n'


@pytest.fixture(scope="module")
def postgres():
    """The address of an empty database in a server of our own, on loopback."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'wirewatch[postgres]'")
    folder = Path(tempfile.mkdtemp(prefix="wirewatch-postgres-"))  # pytest's own folders are closed to other users
    shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command):
        subprocess.run(
            ["runuser", "-u", "postgres", "--", *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL
        )

    data, options = folder / "data", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(BIN / "initdb", "-D", data, "-A", "trust")
    run(BIN / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    run(BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_the_line_runs_over_postgresql_and_repeats_nothing(postgres, tmp_path):
    (tmp_path / "watchlists").mkdir()
    (tmp_path / "watchlists" / "rajin.toml").write_text(WATCHLIST)
    config = tmp_path / "config.toml"
    with FakeWeb() as web:
        feeds = ""
        for name, body in sample_feeds(NOW.now(NOW.tzinfo)).items():
            web.page(f"/{name}").says(200, body, etag=f'"{name}"').knows_etags()
            feeds += f'[[feed]]\nurl = "{web.url("/" + name)}"\nname = "{name.partition(".")[0]}"\n'
        config.write_text(CONFIG.format(url=postgres) + feeds)
        first, second = (wirewatch("poll", "--all", config=config) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(first.stdout.splitlines()) >= 1
    assert second.stdout == ""
    for command in ("stories", "alerts", "feeds", "status"):
        shown = wirewatch(command, "--json", config=config)
        assert (shown.returncode, bool(shown.stdout)) == (0, True), shown.stderr


def test_one_instance_holds_a_postgresql_database(postgres):
    held = Database.open(postgres)
    with pytest.raises(InstanceRunning):
        Database.open(postgres)
    held.close()
    Database.open(postgres).close()


def test_status_knows_of_a_daemon_that_holds_it(postgres, tmp_path):
    (tmp_path / "watchlists").mkdir()
    (tmp_path / "watchlists" / "rajin.toml").write_text(WATCHLIST)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(url=postgres) + '[web]\nlisten = ""\n[[feed]]\nname = "silent"\nurl = "http://127.0.0.1:9/"\n')

    def told():
        return json.loads(wirewatch("status", "--json", config=config).stdout)

    assert not told()["running"]
    with Daemon(config) as daemon:
        daemon.start().wait_until(lambda: told()["pid"] == daemon.process.pid)
        assert told()["running"]
        daemon.terminate()
    assert (told()["running"], told()["pid"]) == (False, None)


def end_connections(postgres, which):
    """As when the server is restarted."""
    engine = sa.create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        ended = connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 5000) FROM {which}").scalars().all()
        assert ended and all(ended)


def lose_the_lock(postgres):
    end_connections(postgres, "pg_locks WHERE locktype = 'advisory'")


def test_a_server_that_was_restarted_is_read_and_written_at_once(postgres):
    database = Database.open(postgres)
    for _ in range(2):
        with database.write() as tx:
            channels.resume(tx, "desk", "")
        with database.read() as tx:
            channels.list_channels(tx)
        end_connections(postgres, "pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()")
    database.close()


def test_a_lock_that_was_lost_with_its_connection_is_taken_again(postgres):
    held = Database.open(postgres)
    for _ in range(2):
        held.keep_lock()
        lose_the_lock(postgres)
        held.keep_lock()
        with pytest.raises(InstanceRunning):
            Database.open(postgres)
    held.close()


def test_whoever_lost_the_lock_to_another_has_to_end(postgres):
    held = Database.open(postgres)
    lose_the_lock(postgres)
    other = Database.open(postgres)
    for _ in range(2):
        with pytest.raises(InstanceRunning):
            held.keep_lock()
    other.close()
    held.keep_lock()
    held.close()


def test_the_outbox_over_postgresql_holds_merges_claims_and_moves(postgres):
    database = Database.open(postgres)
    channel = Channel(name="desk", operator=True)
    how = Gathering(channel=channel, zone=UTC, lines=50)
    held = {"state": DeliveryStatus.HELD}
    try:
        with database.write() as tx:
            outbox.enqueue(tx, [delivery(f"c{n}", hold=HoldReason.RATE_CAP, **held) for n in range(3)])
            outbox.enqueue(tx, [delivery(f"q{n}", hold=HoldReason.QUIET_HOURS, **held) for n in range(2)])
            outbox.enqueue(tx, [delivery(f"s{n}") for n in range(21)])
            gather(tx, how, NOW)
            claimed = [outbox.claim(tx, "desk", NOW) for _ in range(4)]
            assert sorted(len(one.message.why) for one in claimed if one) == [2, 3, 21]
            channels.pause(tx, "desk", until=NOW, error="401", trouble=Trouble(suspended=True))
            due.shift(tx, timedelta(hours=-1))
            assert outbox.recover(tx, NOW, asking=["desk"]) == 3
            assert outbox.retry(tx, ["a1"], NOW) == 3
            assert operator.tell(tx, [channel], zone=UTC, now=NOW, interval=timedelta(minutes=30)) >= 1
            outbox.cancel_orphaned_edits(tx)
            assert outbox.due_channels(tx, NOW) == ("desk",)
            outbox.settle_dead(tx, outbox.claim(tx, "desk", NOW).id, error="552")
            assert letters.messages_on(tx, ["s1"]) == ({}, {})
            tx.rollback()
    finally:
        database.close()


def test_what_feeds_do_and_pages_over_postgresql(postgres):
    from tests import test_feed_semantics as semantics
    from tests.store import test_articles as pages
    from tests.store import test_feeds as claims

    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    database = Database.open(postgres.removesuffix("postgres") + "fresh")
    rig = semantics.Rig(database)
    try:
        semantics.test_what_was_held_back_alerts_when_the_operator_lets_it_out(rig)
        rig.now += timedelta(days=100)
        with database.write() as tx:
            assert sweep(tx, rig.now, keep=timedelta(days=90), story_window=timedelta(days=3)).stories >= 60
        assert semantics.check(rig, *(semantics.item(n, guid=f"x{n}") for n in range(100, 130))).new == 0
        with database.write() as tx:
            pages.test_one_of_a_site_at_a_time_the_longest_waiting_first(tx)
            tx.rollback()
        with database.write() as tx:
            pages.test_what_a_site_said_is_kept_and_holds_where_it_cannot_be_asked_again(tx, pages.Rules(delay=1.0, patterns=((False, "/a"),)))
            tx.rollback()
        for test in (
            claims.test_so_many_of_one_host_are_claimed_with_those_under_way_and_others_have_the_rest,
            claims.test_what_is_under_way_is_not_claimed_again_when_its_lease_is_over_unless_it_is_another_feed_now,
        ):
            with database.write() as tx:
                tx.execute(schema.feeds.delete())
                feeds.register(tx, [claims.GAZETTE, claims.HERALD], NOW)
                test(tx)
                tx.rollback()
    finally:
        rig.writer.close()
        database.close()
