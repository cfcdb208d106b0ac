"""SQLite or PostgreSQL: opening, migrating, locking, and the two kinds of transaction.

Holds every difference between the two databases and nothing else: no query of a stage is written here.
One connection writes (`write()`, always `BEGIN IMMEDIATE`: a read that is upgraded to a write fails at once
with SQLITE_BUSY_SNAPSHOT, whatever the busy timeout); readers open the file read-only.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import sqlite

from monitor.errors import InstanceRunning, SchemaError, StoreBusy, StoreError

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "0001"  # the newest migration; tests compare it with the folder

# Durability: WAL with synchronous=FULL syncs the log at every commit (sqlite.org/pragma.html#pragma_synchronous).
PRAGMAS = {
    "busy_timeout": 5000,
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "journal_size_limit": 64 * 1024 * 1024,
    "wal_autocheckpoint": 4000,  # pages that are written again soon are copied into the database once
    "cache_size": -32000,  # KiB, a connection
    "cell_size_check": "ON",
    "trusted_schema": "OFF",
}
IN_CHUNK = 500  # values in one IN (…); keeps statements cacheable and under every driver's limit
ADVISORY_LOCK = 0x77697265  # "wire"


class Database:
    """An open database.

    Use `Database.open(url)` for the instance that writes (creates, migrates and locks it) and
    `Database.open_reader(url)` beside a running one.
    """

    def __init__(self, url: str, reader: sa.Engine, writer: sa.Engine | None = None, lock: _Lock | None = None):
        self.url = url
        self._reader = reader
        self._writer = writer
        self._lock = lock

    @classmethod
    def open(cls, url: str) -> Database:
        """Open for writing: takes the instance lock, creates what is missing, migrates to the newest schema.

        `url` is a path to an SQLite file, or `postgresql://…`. Raises InstanceRunning (with the owner's pid),
        SchemaError where the database is newer than this program, StoreError where it cannot be used.
        """
        with _opening(url):
            lock = _lock(url)
            try:
                database = cls(url, _reading_engine(url), _writing_engine(url), lock)
                with database.write() as tx:
                    _migrate(tx)
                return database
            except BaseException:
                lock.release()
                raise

    @classmethod
    def open_reader(cls, url: str) -> Database:
        """Open read-only; needs no lock and disturbs nobody. Raises StoreError where there is no database yet."""
        with _opening(url):
            if not _is_postgres(url) and not Path(url).exists():
                raise StoreError(
                    f"{url}: there is no database yet; `wirewatch poll` or `wirewatch run` makes one", path=url
                )
            database = cls(url, _reading_engine(url))
            with database.read() as tx:
                _refuse_other_schema(tx)
            return database

    @classmethod
    @contextmanager
    def open_beside(cls, url: str) -> Iterator[Database]:
        """Open for one short write beside a running instance: no lock, no migration. Raises as `open_reader`."""
        reader = cls.open_reader(url)
        database = cls(url, reader._reader, _writing_engine(url))
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent snapshot to read from."""
        with _said_plainly(self.url), self._reader.connect() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One durable transaction: committed when the block ends, rolled back whole when it raises."""
        if self._writer is None:
            raise StoreError(f"{_without_password(self.url)}: opened for reading only", path=self.url)
        with _said_plainly(self.url), self._writer.begin() as tx:
            yield tx

    def close(self) -> None:
        """Let go of connections and of the instance lock."""
        self._reader.dispose()
        if self._writer is not None:
            self._writer.dispose()
        if self._lock is not None:
            self._lock.release()


def insert_new(tx: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, leaving alone those whose key is there already."""
    if rows:
        tx.execute(_insert(tx)(table).on_conflict_do_nothing(), rows)


def insert_plain(tx: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """As `insert_new`, for many rows of plain numbers and texts: a tenth of the time, and no conversion of types."""
    if rows:
        marks = ", ".join(["?" if is_sqlite(tx) else "%s"] * len(columns))
        tx.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING", list(rows)
        )


def upsert(tx: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or replace all given columns of those whose primary key is there already."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = _insert(tx)(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a long list of IN (…) values into pieces that every driver takes."""
    for start in range(0, len(values), IN_CHUNK):
        yield values[start : start + IN_CHUNK]


def is_sqlite(tx: sa.Connection) -> bool:
    """Whether the database is an SQLite file."""
    return tx.dialect.name == "sqlite"


def listed(tx: sa.Connection, values: Iterable[str] | Iterable[int], *, numbers: bool = False) -> sa.Select:
    """These texts (or, by `numbers`, integers) as a subquery for IN (…): one statement for lists of any length."""
    document = sa.literal(json.dumps(list(values)), sa.Text)
    if is_sqlite(tx):
        return sa.select(sa.func.json_each(document).table_valued("value").c.value)
    value = sa.func.json_array_elements_text(sa.cast(document, sa.JSON)).table_valued("value").c.value
    return sa.select(sa.cast(value, sa.BigInteger) if numbers else value)


def _insert(tx: sa.Connection):
    if is_sqlite(tx):
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # takes as long to import as everything else of a small command

    return postgresql.insert


def _is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


# ── engines ──────────────────────────────────────────────────────────────────────────────────────


def _writing_engine(url: str) -> sa.Engine:
    if _is_postgres(url):
        return sa.create_engine(_psycopg(url), pool_size=1, max_overflow=2)
    os.close(os.open(url, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite itself would take 0644
    return _sqlite_engine(f"file:{_quoted(url)}?mode=rwc", begin="BEGIN IMMEDIATE", writing=True)


def _reading_engine(url: str) -> sa.Engine:
    if _is_postgres(url):
        return sa.create_engine(_psycopg(url), execution_options={"postgresql_readonly": True})
    return _sqlite_engine(f"file:{_quoted(url)}?mode=ro", begin="BEGIN", writing=False)


def _psycopg(url: str) -> str:
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def _quoted(path: str) -> str:
    return str(Path(path).absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sqlite_engine(uri: str, *, begin: str, writing: bool) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite+pysqlite:///{uri}&uri=true", connect_args={"check_same_thread": False}, poolclass=sa.pool.QueuePool
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection, _record):
        connection.isolation_level = None  # we say BEGIN ourselves
        if writing:
            connection.execute("PRAGMA journal_mode=WAL")
        for name, value in PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={value}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection):
        connection.exec_driver_sql(begin)

    return engine


# ── schema versions ──────────────────────────────────────────────────────────────────────────────


def _version(tx: sa.Connection) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _known_versions() -> set[str]:
    return {path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def _migrate(tx: sa.Connection) -> None:
    version = _version(tx)
    if version == HEAD:
        return
    if version is not None and version not in _known_versions():
        raise SchemaError(
            f"the database has schema {version}, written by a newer wirewatch; this one knows up to {HEAD}"
        )
    from alembic import command  # 0.2 s of imports that only a first start or an upgrade needs
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")


def _refuse_other_schema(tx: sa.Connection) -> None:
    version = _version(tx)
    if version == HEAD:
        return
    if version in _known_versions() or version is None:
        raise SchemaError(f"the database has schema {version}; run `wirewatch poll` once to bring it to {HEAD}")
    raise SchemaError(f"the database has schema {version}, written by a newer wirewatch; this one knows up to {HEAD}")


# ── one instance ─────────────────────────────────────────────────────────────────────────────────


class _Lock:
    """Held while one instance writes. The kernel lets go of it when the process dies, however it dies."""

    def __init__(self, handle: Any):
        self._handle = handle

    def release(self) -> None:
        self._handle.close()


def _lock(url: str) -> _Lock:
    return _postgres_lock(url) if _is_postgres(url) else _file_lock(Path(f"{url}.lock"))


def _file_lock(path: Path) -> _Lock:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    handle = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = handle.read().strip()
        handle.close()
        raise InstanceRunning(
            f"another wirewatch (pid {owner or 'unknown'}) holds {path.with_suffix('')}",
            pid=int(owner) if owner.isdigit() else None,
            path=path,
        ) from None
    handle.seek(0)
    handle.truncate()
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return _Lock(handle)


def running_pid(url: str) -> int | None:
    """The process that holds the database, or None. Of a PostgreSQL database only its owner knows: None."""
    path = Path(f"{url}.lock")
    if _is_postgres(url) or not path.exists():
        return None
    with path.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = handle.read().strip()
            return int(owner) if owner.isdigit() else None
    return None


def _postgres_lock(url: str) -> _Lock:
    connection = sa.create_engine(_psycopg(url), poolclass=sa.pool.NullPool).connect()
    if connection.execute(sa.select(sa.func.pg_try_advisory_lock(ADVISORY_LOCK))).scalar():
        connection.commit()
        return _Lock(connection)
    connection.close()
    raise InstanceRunning("another wirewatch holds this PostgreSQL database")


@contextmanager
def _said_plainly(url: str) -> Iterator[None]:
    """Turn a driver's error into one that names the database and the reason."""
    try:
        yield
    except exc.OperationalError as error:
        reason = str(error.orig)
        kind = StoreBusy if "locked" in reason or "busy" in reason else StoreError
        raise kind(f"{_without_password(url)}: {reason}", path=url) from error
    except (exc.DataError, exc.IntegrityError, exc.ProgrammingError):
        raise  # not the database's fault but that of what was written
    except exc.DatabaseError as error:
        raise StoreError(f"{_without_password(url)}: {error.orig}", path=url) from error


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """The same while opening, where the file system has a say, too."""
    try:
        with _said_plainly(url):
            yield
    except OSError as error:
        raise StoreError(f"{_without_password(url)}: {error.strerror}", path=url) from error


def _without_password(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True) if _is_postgres(url) else url
