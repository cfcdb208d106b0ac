"""A database that was lost, emptied, exchanged or damaged is noticed (D7, D8), and who may read what we make (D15)."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.errors import StoreDamaged
from monitor.store import marker
from monitor.store.database import Database
from monitor.store.schema import meta


@pytest.fixture
def url(tmp_path):
    """A database that was used and closed."""
    address = str(tmp_path / "wirewatch.db")
    database = Database.open(address)
    with database.write() as tx:
        tx.execute(meta.insert().values(key="kept", value='"yes"'))
    database.close()
    return address


def reopened(address, **more):
    database = Database.open(address, **more)
    with database.read() as tx:
        found = tx.execute(sa.select(meta.c.value).where(meta.c.key == "kept")).scalar()
    database.close()
    return found


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Databases that a test forgot would keep their locks."""
    opened = []
    real = Database.open.__func__

    def remember(cls, *args, **more):
        opened.append(real(cls, *args, **more))
        return opened[-1]

    monkeypatch.setattr(Database, "open", classmethod(remember))
    yield
    for one in opened:
        one.close()


def emptied(path):
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    Path(path).write_bytes(b"")


def removed(path):
    emptied(path)
    Path(path).unlink()


def wiped(path):
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM meta")


def exchanged(path):
    other = Path(path).parent / "elsewhere"
    other.mkdir()
    Database.open(str(other / "other.db")).close()
    removed(path)
    (other / "other.db").rename(path)


def set_back(path):
    with sqlite3.connect(path) as raw:
        old = raw.serialize()
    Database.open(path).close()
    removed(path)
    Path(path).write_bytes(old)


LOST = [
    ("a file of no bytes", emptied, "is an empty file"),
    ("no file", removed, "is gone"),
    ("a database without content", wiped, "was emptied"),
    ("another database", exchanged, "not the database that stood here"),
    ("an older copy", set_back, "an older copy"),
]


@pytest.mark.parametrize(("lose", "says"), [case[1:] for case in LOST], ids=[case[0] for case in LOST])
def test_D8_a_lost_database_is_refused_with_the_remedy_and_nothing_is_made(url, lose, says):
    lose(url)
    before = Path(url).read_bytes() if Path(url).exists() else None
    with pytest.raises(StoreDamaged, match=says) as refused:
        Database.open(url)
    assert url in str(refused.value) and "wirewatch restore" in str(refused.value)
    after = Path(url).read_bytes() if Path(url).exists() else None
    assert (before or b"")[:100] == (after or b"")[:100] and (before is None) == (after is None)


@pytest.mark.parametrize("lose", [emptied, removed], ids=["emptied", "removed"])
def test_D8_whoever_accepts_an_empty_one_begins_anew(url, lose):
    lose(url)
    begun = []
    Database.open(url, accept_empty=True, anew=begun.append).close()
    assert len(begun) == 1
    assert reopened(url) is None


def test_accepting_an_empty_one_changes_nothing_where_none_was_lost(url):
    begun = []
    Database.open(url, accept_empty=True, anew=begun.append).close()
    assert not begun
    assert reopened(url) == '"yes"'


def test_a_marker_that_nobody_can_read_or_that_is_not_there_is_no_obstacle(url):
    Path(url).with_name(marker.FILE).write_text("{ half a")
    assert reopened(url) == '"yes"'
    Path(url).with_name(marker.FILE).unlink()
    assert reopened(url) == '"yes"'


def test_two_databases_in_one_folder_have_marks_of_their_own(url):
    other = str(Path(url).with_name("second.db"))
    Database.open(other).close()
    assert marker.noted(url).id != marker.noted(other).id
    emptied(other)
    assert reopened(url) == '"yes"'
    with pytest.raises(StoreDamaged):
        Database.open(other)


def test_D8_a_file_that_is_replaced_under_a_running_instance_is_noticed(url):
    database = Database.open(url)
    database.refuse_replaced()
    Path(url).rename(f"{url}.moved")
    with pytest.raises(StoreDamaged, match="replaced or removed"):
        database.refuse_replaced()


def spoil_a_page(path):
    """Random bytes in place of one page in the midst."""
    with sqlite3.connect(path) as raw:
        raw.executemany("INSERT INTO meta VALUES (?, ?)", [(f"filler {n}", f'"{"x" * 3000}"') for n in range(200)])
        raw.commit()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size, pages = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
    raw.close()
    with Path(path).open("r+b") as handle:
        handle.seek(size * (pages - 20))
        handle.write(os.urandom(size))


def test_D7_one_damaged_page_is_found_while_writing_still_works(url):
    spoil_a_page(url)
    database = Database.open(url)
    with database.write() as tx:
        tx.execute(meta.insert().values(key="written all the same", value="1"))
    with pytest.raises(StoreDamaged, match=r"is damaged .*wirewatch restore"):
        database.refuse_damaged()


def test_D7_a_sound_database_is_sound(url):
    Database.open(url).refuse_damaged()


def test_D15_all_that_is_made_is_its_owners_alone(tmp_path):
    before = os.umask(0o022)
    try:
        database = Database.open(str(tmp_path / "wirewatch.db"))
        with database.read() as tx:
            tx.execute(sa.select(meta)).all()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["wirewatch.db", "wirewatch.db-wal", "wirewatch.db-shm", "wirewatch.db.lock", "state.marker"], 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_makes_belongs_to_whom_the_folder_belongs(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    database = Database.open(str(tmp_path / "wirewatch.db"))
    with database.read() as tx:
        tx.execute(sa.select(meta)).all()
    assert {path.name: path.stat().st_uid for path in tmp_path.iterdir() if path.stat().st_uid != 65534} == {}
