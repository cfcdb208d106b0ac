import asyncio
import fcntl
import os
import signal
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from monitor.errors import InstanceRunning, SchemaError, StoreBusy, StoreError
from monitor.store import database as module
from monitor.store.database import HEAD, Database, running_pid
from monitor.store.schema import meta, metadata
from monitor.writer import Writer


def test_a_new_database_is_durable_and_private(database):
    with database.write() as tx:
        pragmas = {
            name: tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert stat.S_IMODE(os.stat(database.url).st_mode) == 0o600


def test_the_migrations_make_exactly_the_declared_tables(database):
    with database.write() as tx:
        context = MigrationContext.configure(
            tx, opts={"compare_type": False, "include_name": lambda name, *_: name != "alembic_version"}
        )
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_migration_in_the_folder():
    assert max(module._known_versions()) == HEAD


@pytest.mark.parametrize("link", ["linked.db", "folder/test.db"])
def test_O3_a_second_instance_is_refused_by_whatever_link_it_comes(database, tmp_path, link):
    (tmp_path / "linked.db").symlink_to("test.db")
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(InstanceRunning):
        Database.open(str(tmp_path / link))
    assert running_pid(str(tmp_path / link)) == os.getpid()


def test_O3_a_second_instance_is_refused_with_the_pid_of_the_first(database):
    with pytest.raises(InstanceRunning) as refused:
        Database.open(database.url)
    assert refused.value.pid == os.getpid()


def test_who_only_looks_keeps_nobody_from_starting(tmp_path, monkeypatch):
    Database.open(str(tmp_path / "a.db")).close()
    with (tmp_path / "a.db.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(module.time, "sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
        Database.open(str(tmp_path / "a.db")).close()


def test_closing_lets_the_next_instance_in(tmp_path):
    Database.open(str(tmp_path / "a.db")).close()
    Database.open(str(tmp_path / "a.db")).close()


def test_a_failed_transaction_leaves_nothing(database):
    with pytest.raises(RuntimeError), database.write() as tx:
        tx.execute(meta.insert().values(key="half", value="1"))
        raise RuntimeError
    with database.read() as tx:
        assert tx.execute(sa.select(meta.c.key).where(meta.c.key == "half")).all() == []


def test_a_reader_sees_the_database_beside_the_writer_and_cannot_write(database):
    reader = Database.open_reader(database.url)
    with database.write() as tx:
        tx.execute(meta.insert().values(key="k", value="1"))
    with reader.read() as tx:
        assert tx.execute(sa.select(meta.c.value).where(meta.c.key == "k")).scalar() == "1"
    with pytest.raises(StoreError, match="readonly"), reader.read() as tx:
        tx.execute(meta.delete())
    with pytest.raises(StoreError, match="reading only"), reader.write():
        pass
    reader.close()


def test_reading_where_nothing_is_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="wirewatch poll"):
        Database.open_reader(str(tmp_path / "none.db"))


def test_a_file_that_is_no_database_is_an_error_with_its_path(tmp_path):
    path = tmp_path / "odd.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match=r"odd\.db"):
        Database.open(str(path))


def test_D10_a_folder_that_does_not_exist_is_an_error_with_its_path(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        Database.open(str(tmp_path / "nowhere" / "a.db"))


def test_D14_a_newer_schema_is_refused(database):
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for opening in (Database.open, Database.open_reader):
        with pytest.raises(SchemaError, match="newer"):
            opening(database.url)


def test_D4_a_lock_held_by_another_process_is_said_as_busy(database, monkeypatch):
    monkeypatch.setitem(module.PRAGMAS, "busy_timeout", 10)
    other = sqlite3.connect(database.url, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy), Database.open_beside(database.url) as beside, beside.write():
        pass
    other.close()


def test_a_name_with_url_characters_is_a_plain_file_name(tmp_path):
    path = tmp_path / "a?b#c%20d.db"
    Database.open(str(path)).close()
    assert path.exists()


# ── the ids are those of the hostile cases ───────────────────────────────────────────────────────


def test_O4_the_lock_of_an_instance_that_was_killed_is_free(tmp_path):
    path = str(tmp_path / "a.db")
    child = os.fork()
    if child == 0:
        try:
            Database.open(path)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert (tmp_path / "a.db.lock").read_text().strip() == str(child)
    Database.open(path).close()


def test_D4_a_write_waits_until_another_process_lets_go_and_is_done_once(tmp_path, monkeypatch):
    monkeypatch.setitem(module.PRAGMAS, "busy_timeout", 20)
    database = Database.open(str(tmp_path / "a.db"))
    other = sqlite3.connect(database.url, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    tried = threading.Event()
    begin = database.write

    def counted():
        if tried.is_set():
            other.rollback()
        tried.set()
        return begin()

    monkeypatch.setattr(database, "write", counted)
    writer = Writer(database)

    async def write():
        await writer.run(lambda tx: tx.execute(meta.insert().values(key="once", value="1")))

    asyncio.run(write())
    writer.close()
    other.close()
    with database.read() as tx:
        assert tx.execute(sa.select(meta.c.key).where(meta.c.key == "once")).all() == [("once",)]
    database.close()


def test_D5_whoever_reads_before_writing_in_a_transaction_has_the_lock_from_its_beginning(database, monkeypatch):
    monkeypatch.setitem(module.PRAGMAS, "busy_timeout", 10)
    with database.write() as tx:
        tx.execute(sa.select(meta)).all()
        with pytest.raises(StoreBusy), Database.open_beside(database.url) as beside, beside.write():
            pass
        tx.execute(meta.insert().values(key="read, then written", value="1"))


def test_beside_a_running_instance_nobody_takes_the_log_into_the_database(database):
    """Two who do so at once can damage it before SQLite 3.51.3 (sqlite.org/wal.html)."""

    def automatic(opened):
        with opened.write() as tx:
            return tx.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar()

    with Database.open_beside(database.url) as beside:
        assert (automatic(database) > 0, automatic(beside)) == (True, 0)


def test_D10_a_folder_and_a_file_that_may_not_be_written_are_errors_with_their_path(tmp_path):
    """As another user, since root may write anywhere."""
    Database.open(str(tmp_path / "a.db")).close()
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    said = []
    for name in ("a.db", "new.db"):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                Database.open(str(tmp_path / name)).close()
                os.write(writing, b"opened")
            except StoreError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        said.append(os.read(reading, 999).decode())
    tmp_path.chmod(0o755)
    assert all(str(tmp_path) in one and "ermission denied" in one for one in said), said


def test_the_log_stays_bounded_however_much_is_written(database):
    for number in range(60):
        with database.write() as tx:
            tx.execute(meta.insert().values(key=f"large {number}", value="x" * 1_000_000))
    size = Path(f"{database.url}-wal").stat().st_size
    assert size < 2 * 4096 * module.PRAGMAS["wal_autocheckpoint"]


def test_a_log_that_a_long_reading_made_large_is_cut_again(database):
    def write(number):
        with database.write() as tx:
            tx.execute(meta.insert().values(key=f"large {number}", value="x" * 1_000_000))

    log = Path(f"{database.url}-wal")
    with database.read() as tx:
        tx.execute(sa.select(meta)).all()  # from here on it sees one moment, which the log must keep
        for number in range(40):
            write(number)
    grown = log.stat().st_size
    for number in range(40, 60):
        write(number)
    assert grown > 2 * module.PRAGMAS["journal_size_limit"] > 2 * log.stat().st_size - 3_000_000
