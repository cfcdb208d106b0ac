"""Copies made while the database is in use, and put back (D11, D13, K10)."""

import os
import signal
import sqlite3
import stat
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.errors import InstanceRunning, SchemaError, StoreDamaged, StoreError, StoreFull
from monitor.store import backup
from monitor.store.database import Database
from monitor.store.schema import meta
from tests.store.test_marker import spoil_a_page

NOW = datetime(2026, 3, 1, 3, 15, tzinfo=UTC)


@pytest.fixture
def place(tmp_path):
    """A folder with a database; its keys would stand beside it."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def url(place):
    return str(place / "wirewatch.db")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "copy.db"


def put(database, key):
    with database.write() as tx:
        tx.execute(meta.insert().values(key=key, value="1"))


def keys_in(address):
    database = Database.open(address)
    with database.read() as tx:
        found = set(tx.execute(sa.select(meta.c.key)).scalars()) - {"identity"}
    database.close()
    return found


def back_up(url, target):
    return backup.back_up(url, target, Path(url).with_name("matrix-keys"))


def restore(url, target):
    return backup.restore(url, target, Path(url).with_name("matrix-keys"))


def test_D13_what_is_written_meanwhile_does_not_harm_a_backup_and_it_restores(url, target):
    database = Database.open(url)
    put(database, "before")
    stop = threading.Event()

    def write_on():
        count = 0
        while not stop.is_set():
            put(database, f"meanwhile {count}")
            count += 1

    writing = threading.Thread(target=write_on)
    writing.start()
    for _ in range(5):
        back_up(url, target)
    stop.set()
    writing.join()
    database.close()
    restore(url, target)
    assert "before" in keys_in(url)
    with sqlite3.connect(target) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_is_made_of_a_database_that_nobody_uses_too(url, target):
    database = Database.open(url)
    put(database, "kept")
    database.close()
    made = back_up(url, target)
    assert (made.path, made.files, made.size) == (target, 0, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_came_after_the_backup_is_gone_and_stands_beside(url, target):
    database = Database.open(url)
    put(database, "before")
    back_up(url, target)
    put(database, "after")
    database.close()
    restore(url, target)
    assert keys_in(url) == {"before"}
    assert keys_in(f"{url}.before-restore") == {"before", "after"}


def test_D11_a_log_that_was_left_is_not_played_into_the_restored_database(url, target):
    """As kill -9 leaves it: the newest part of the former database in its -wal."""
    database = Database.open(url)
    put(database, "before")
    back_up(url, target)
    put(database, "after")
    left = {suffix: Path(f"{url}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    database.close()
    for suffix, content in left.items():
        Path(f"{url}{suffix}").write_bytes(content)
    assert len(left["-wal"]) > 0
    restore(url, target)
    assert keys_in(url) == {"before"}


def test_a_backup_is_restored_where_there_is_nothing(url, target, place):
    database = Database.open(url)
    put(database, "kept")
    back_up(url, target)
    database.close()
    for path in place.iterdir():
        path.unlink()
    restore(url, target)
    assert keys_in(url) == {"kept"}


def test_a_lost_database_is_accepted_once_it_was_restored(url, target):
    database = Database.open(url)
    put(database, "kept")
    back_up(url, target)
    database.close()
    Database.open(url).close()  # a generation more than the backup has
    Path(url).write_bytes(b"")
    with pytest.raises(StoreDamaged):
        Database.open(url)
    restore(url, target)
    assert keys_in(url) == {"kept"}


def test_D11_restoring_is_refused_beside_a_live_instance(url, target):
    database = Database.open(url)
    back_up(url, target)
    with pytest.raises(InstanceRunning) as refused:
        restore(url, target)
    assert refused.value.pid == os.getpid()
    put(database, "it goes on")
    database.close()


def give_keys(place):
    folder = place / "matrix-keys"
    folder.mkdir(mode=0o700)
    (folder / "identity.json").write_text("the identity")
    store = sqlite3.connect(folder / "device.db")
    store.execute("CREATE TABLE account (pickle TEXT)")
    store.execute("INSERT INTO account VALUES ('a key')")
    store.commit()
    return folder, store


def test_keys_of_encrypted_rooms_come_along_and_back_where_they_are_missing(url, target, place):
    folder, store = give_keys(place)
    store.execute("BEGIN IMMEDIATE")  # the daemon is writing them just now
    store.execute("INSERT INTO account VALUES ('half a key')")
    Database.open(url).close()
    assert back_up(url, target).files == 2
    store.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert restore(url, target).files == 2
    assert (folder / "identity.json").read_text() == "the identity"
    assert sqlite3.connect(folder / "device.db").execute("SELECT pickle FROM account").fetchall() == [("a key",)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_that_are_there_are_newer_and_stay(url, target, place):
    folder, store = give_keys(place)
    store.close()
    Database.open(url).close()
    back_up(url, target)
    (folder / "identity.json").write_text("a newer one")
    assert restore(url, target).files == 0
    assert (folder / "identity.json").read_text() == "a newer one"


def test_no_key_is_left_in_the_restored_database(url, target, place):
    _, store = give_keys(place)
    store.close()
    Database.open(url).close()
    back_up(url, target)
    assert b"the identity" in target.read_bytes()
    restore(url, target)
    assert b"the identity" not in Path(url).read_bytes()


def test_a_file_of_the_archive_cannot_leave_its_folder(url, target, place):
    _, store = give_keys(place)
    store.close()
    Database.open(url).close()
    back_up(url, target)
    with sqlite3.connect(target) as copy:
        copy.execute("UPDATE sqlar SET name = 'matrix-keys/../../escaped' WHERE name LIKE '%json'")
        copy.execute("DELETE FROM sqlar WHERE name LIKE '%.db'")
        copy.execute("INSERT INTO sqlar VALUES (?, 0, 0, 1, x'00')", (str(place.parent / "absolute"),))
    for path in (place / "matrix-keys").iterdir():
        path.unlink()
    (place / "matrix-keys").rmdir()
    assert restore(url, target).files == 0
    assert not (place.parent / "escaped").exists() and not (place.parent / "absolute").exists()


def newer_schema(path):
    with sqlite3.connect(path) as copy:
        copy.execute("UPDATE alembic_version SET version_num = '9999'")


def foreign(path):
    path.unlink()
    with sqlite3.connect(path) as copy:
        copy.execute("CREATE TABLE other (x)")


NO_BACKUP = [
    ("of a newer program", newer_schema, SchemaError, "newer"),
    ("damaged", spoil_a_page, StoreError, "not sound"),
    ("another program's", foreign, StoreError, "no backup of a wirewatch database"),
    ("text", lambda path: path.write_text("not a database at all" * 99), StoreError, "not a database"),
]


@pytest.mark.parametrize(("spoil", "error", "says"), [case[1:] for case in NO_BACKUP], ids=[case[0] for case in NO_BACKUP])
def test_what_is_no_sound_backup_is_refused_and_the_database_is_as_it_was(url, target, spoil, error, says):
    database = Database.open(url)
    put(database, "kept")
    back_up(url, target)
    database.close()
    spoil(target)
    with pytest.raises(error, match=says):
        restore(url, target)
    assert keys_in(url) == {"kept"}


def test_a_damaged_database_gives_no_backup_and_the_former_one_stays(url, target):
    database = Database.open(url)
    put(database, "kept")
    database.close()
    back_up(url, target)
    before = target.read_bytes()
    spoil_a_page(url)
    with pytest.raises(StoreError):
        back_up(url, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir() if "unfinished" in path.name] == []


def test_without_a_database_or_room_there_is_no_backup(url, target, monkeypatch):
    with pytest.raises(StoreError, match="no database yet"):
        back_up(url, target)
    Database.open(url).close()
    free = os.statvfs(target.parent)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*free[:4], 0, *free[5:10]]))
    with pytest.raises(StoreFull, match="has 0 free"):
        back_up(url, target)


def killed_in(what):
    """Do this in a process of its own that is killed on the way; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            what()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_K10_killed_while_it_makes_a_backup_both_are_whole(url, target, monkeypatch):
    database = Database.open(url)
    put(database, "kept")
    database.close()
    back_up(url, target)
    before = target.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_refuse_unsound", die)
        assert killed_in(lambda: back_up(url, target))
    assert target.read_bytes() == before
    back_up(url, target)
    assert keys_in(url) == {"kept"}


@pytest.mark.parametrize("step", ["_take", "_put_in_place", "_unpack"])
def test_K10_killed_while_it_restores_it_can_be_restored_again(url, target, monkeypatch, step):
    database = Database.open(url)
    put(database, "kept")
    back_up(url, target)
    put(database, "after")
    database.close()
    done = getattr(backup, step)

    def then_die(*args):
        done(*args)
        die()

    with monkeypatch.context() as patch:
        patch.setattr(backup, step, then_die)
        assert killed_in(lambda: restore(url, target))
    restore(url, target)
    assert keys_in(url) == {"kept"}


def test_dated_backups_sort_by_age_and_the_newest_are_kept(tmp_path):
    made = [backup.dated(tmp_path, "wirewatch", NOW + timedelta(days=day)) for day in range(10)]
    for path in (*made, tmp_path / "wirewatch-by-hand.db"):
        path.write_bytes(b"")
    assert backup.prune(tmp_path, "wirewatch", keep=7) == tuple(made[:3])
    assert sorted(tmp_path.iterdir()) == sorted([*made[3:], tmp_path / "wirewatch-by-hand.db"])


def test_another_databases_backups_in_the_same_folder_are_let_alone(tmp_path):
    others = [backup.dated(tmp_path, "ww-eu", NOW + timedelta(days=day)) for day in range(3)]
    mine = [backup.dated(tmp_path, "ww", NOW + timedelta(days=day)) for day in range(3)]
    for path in (*others, *mine):
        path.write_bytes(b"")
    assert backup.prune(tmp_path, "ww", keep=2) == tuple(mine[:1])
    assert sorted(tmp_path.iterdir()) == sorted([*others, *mine[1:]])


def test_what_killed_backups_left_is_deleted_after_a_day(tmp_path):
    made = backup.dated(tmp_path, "ww", NOW)
    names = [f"{made.name}{rest}" for rest in ("", ".unfinished", ".unfinished-journal")]
    old, new = [tmp_path / name for name in names], tmp_path / f"{names[1].replace('2026', '2027')}"
    for path in (*old, new):
        path.write_bytes(b"")
    for path in old:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    assert backup.prune(tmp_path, "ww", keep=7) == ()
    assert sorted(tmp_path.iterdir()) == sorted([made, new])


def test_the_database_itself_is_no_target(url, tmp_path):
    Database.open(url).close()
    with pytest.raises(StoreError, match="the database itself"):
        back_up(url, Path(url))


def test_a_second_restore_keeps_what_the_first_put_aside(url, target):
    database = Database.open(url)
    back_up(url, target)
    put(database, "live")
    database.close()
    first, second = restore(url, target), restore(url, target)
    assert [one.former for one in (first, second)] == [Path(f"{url}.before-restore"), Path(f"{url}.before-restore-2")]
    assert keys_in(str(first.former)) == {"live"} and keys_in(str(second.former)) == set()
