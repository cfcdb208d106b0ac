"""Databases of every released version are brought up to date, whatever happens in the midst of it (D14, K10)."""

import asyncio
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import alembic.command  # noqa: F401  (before forking: a child would import it each time)
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from monitor import __version__, reload
from monitor.app import App
from monitor.errors import SchemaError
from monitor.store import database as store
from monitor.store.database import HEAD, Database
from monitor.store.schema import metadata
from tests.data.databases.make import NOW, TITLES
from tests.desk import Desk, rss

RELEASED = sorted((Path(__file__).parents[1] / "data" / "databases").glob("*.sql"))
NEXT = '''
from alembic import op
import sqlalchemy as sa
revision, down_revision = "9000", "{head}"
def upgrade():
    op.create_table("novelties", sa.Column("id", sa.String, primary_key=True))
    with op.batch_alter_table("feeds") as batch:
        batch.add_column(sa.Column("mood", sa.String, nullable=False, server_default="calm"))
    op.execute("UPDATE feeds SET mood = 'busy' WHERE name = 'gazette'")
    op.execute("INSERT INTO novelties SELECT id FROM stories")
    op.drop_index("stories_seen")
    op.create_index("stories_seen", "stories", ["first_seen_at", "id"])
'''


def unpacked(dump: Path, path: Path) -> str:
    """A database as that version left it."""
    with closing(sqlite3.connect(path)) as made:
        made.executescript(dump.read_text(encoding="utf-8"))
    return str(path)


def tables(path: str) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as opened:
        found = opened.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        return {name: " ".join(sql.split()) for name, sql in found}


@pytest.mark.parametrize("dump", RELEASED, ids=[dump.stem for dump in RELEASED])
def test_a_database_of_a_released_version_has_the_newest_schema_once_it_was_opened(dump, tmp_path):
    database = Database.open(unpacked(dump, tmp_path / "old.db"))
    with database.write() as tx:
        opts = {"compare_type": False, "include_name": lambda name, *_: name != "alembic_version"}
        assert compare_metadata(MigrationContext.configure(tx, opts=opts), metadata) == []
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD
    database.refuse_damaged()
    database.close()


@pytest.mark.parametrize("dump", RELEASED, ids=[dump.stem for dump in RELEASED])
def test_a_newer_program_goes_on_with_it_and_tells_nothing_again(dump, tmp_path, web):
    desk = Desk(tmp_path, web)
    unpacked(dump, tmp_path / "wirewatch.db")
    desk.feed("gazette", rss("A quay is built at Lagune", *TITLES)).feed("herald", rss(TITLES[0], title="Herald"))
    later = NOW + timedelta(hours=2)

    async def live():
        async with App(reload.read_all(desk.config), clock=lambda: later) as app:
            return await app.poll()

    assert {fact.feed: (fact.new, fact.alerts, fact.error) for fact in asyncio.run(live())} == {"gazette": (1, 1, None), "herald": (0, 0, None)}
    assert [story["title"] for story in desk.lines("stories", "--since", "9999d", "--json")][-1] in TITLES


def test_this_versions_file_is_as_this_version_makes_it(tmp_path):
    """Until it is released, it follows the schema; from then on a new version gets a new file."""
    Database.open(str(tmp_path / "new.db")).close()
    dump = next((dump for dump in RELEASED if dump.stem == __version__), None)
    assert dump, f"{__version__} has no database here: python -m tests.data.databases.make"
    kept = tables(unpacked(dump, tmp_path / "kept.db"))
    assert kept == tables(str(tmp_path / "new.db")), "the schema changed: python -m tests.data.databases.make"


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """The program after this one, with one migration more."""
    folder = tmp_path / "migrations"
    shutil.copytree(store.MIGRATIONS, folder)
    (folder / "versions" / "9000_next.py").write_text(NEXT.format(head=HEAD), encoding="utf-8")
    monkeypatch.setattr(store, "MIGRATIONS", folder)
    monkeypatch.setattr(store, "HEAD", "9000")


def kill_at(statement: int) -> None:
    """From now on this process dies before it executes so many statements."""
    left = statement

    def count(*_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", count)


def opened_in_a_child(path: str, statement: int) -> bool:
    """Open the database in a process that dies at this statement; whether it did."""
    child = os.fork()
    if child == 0:
        try:
            kill_at(statement)
            Database.open(path).close()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_D14_an_upgrade_that_is_killed_at_any_statement_leaves_the_old_or_the_new_schema(next_version, tmp_path):
    path, statement, seen = tmp_path / "old.db", 0, set()
    while True:
        for left in tmp_path.glob("old.db*"):
            left.unlink()
        (tmp_path / "state.marker").unlink(missing_ok=True)
        unpacked(RELEASED[-1], path)
        died = opened_in_a_child(str(path), statement)
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA quick_check").fetchone() == ("ok",)
            version = raw.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            columns = {row[1] for row in raw.execute("PRAGMA table_info(feeds)")}
            assert ("mood" in columns) == (version == "9000")
            seen.add(version)
        if not died:
            break
        database = Database.open(str(path))
        with database.read() as tx:
            assert dict(tx.exec_driver_sql("SELECT name, mood FROM feeds").all()) == {"gazette": "busy", "herald": "calm"}
            assert tx.exec_driver_sql("SELECT count(*) FROM novelties").scalar() == 2
        database.close()
        statement += 1
    assert statement > 10 and seen == {HEAD, "9000"}


def test_D14_an_older_program_refuses_a_newer_database_and_leaves_it_alone(next_version, monkeypatch, tmp_path):
    path = unpacked(RELEASED[-1], tmp_path / "new.db")
    Database.open(path).close()
    monkeypatch.undo()
    before = tables(path)
    for opening in (Database.open, Database.open_reader):
        with pytest.raises(SchemaError, match="newer"):
            opening(path)
    assert tables(path) == before
