"""SQLite or PostgreSQL: opening, migrating, locking, and the two kinds of transaction.

Holds every difference between the two databases and nothing else: no query of a stage is written here.
One connection writes (`write()`, always `BEGIN IMMEDIATE`: a read that is upgraded to a write fails at once
with SQLITE_BUSY_SNAPSHOT, whatever the busy timeout); readers open the file read-only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import sqlite

from monitor.errors import InstanceRunning, SchemaError, StoreBusy, StoreDamaged, StoreError, StoreFull
from monitor.store import marker

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "0001"  # the newest migration; tests compare it with the folder

# Durability: WAL with synchronous=FULL syncs the log at every commit (sqlite.org/pragma.html#pragma_synchronous).
PRAGMAS = {
    "busy_timeout": 5000,
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "journal_size_limit": 16 * 1024 * 1024,  # to which the log is cut when it begins anew: what 4000 pages take
    "wal_autocheckpoint": 4000,  # pages that are written again soon are copied into the database once
    "cache_size": -32000,  # KiB, a connection
    "cell_size_check": "ON",
    "trusted_schema": "OFF",
}
READER_CACHE = -8000  # KiB; several may be open at once, and the system keeps pages, too
READERS = 2  # that stay open when nobody reads
IN_CHUNK = 500  # values in one IN (…); keeps statements cacheable and under every driver's limit
ADVISORY_LOCK = 0x77697265  # "wire"
LOCK_WAITS = (0.01, 0.04, 0.1, 0.25)  # seconds between tries; who only looks has the lock for less


class Database:
    """An open database.

    Use `Database.open(url)` for the instance that writes (creates, migrates and locks it) and
    `Database.open_reader(url)` beside a running one.
    """

    def __init__(
        self, url: str, reader: sa.Engine, writer: sa.Engine | None = None, lock: _Lock | _ServerLock | None = None
    ):
        self.url = url
        self._reader = reader
        self._writer = writer
        self._lock = lock
        self._file = _file_of(url)

    @classmethod
    def open(
        cls, url: str, *, accept_empty: bool = False, anew: Callable[[sa.Connection], None] = lambda tx: None
    ) -> Database:
        """Open for writing: takes the instance lock, creates what is missing, migrates to the newest schema.

        `url` is a path to an SQLite file, or `postgresql://…`. Raises InstanceRunning (with the owner's pid),
        SchemaError where the database is newer than this program, StoreDamaged where the file is not the one that
        stood here before (an empty one may take its place if `accept_empty`, and what `anew` writes stands in it from
        the first moment on), StoreError where it cannot be used.
        """
        with _opening(url):
            lock = _lock(url)
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(lock.release)
                if is_file(url) and not accept_empty:
                    marker.refuse_missing(url)
                database = cls(url, _reading_engine(url), _writing_engine(url), lock)
                on_failure.callback(database.close)
                database._begin(accept_empty, anew)
                on_failure.pop_all()
                return database

    def _begin(self, accept_empty: bool, anew: Callable[[sa.Connection], None]) -> None:
        with self.write() as tx:
            _migrate(tx)
            mark = marker.advance(tx, self.url, accept_empty=accept_empty) if is_file(self.url) else None
            if mark is not None and accept_empty and mark.generation == 1:
                anew(tx)
        if mark is not None:
            marker.note(self.url, mark)
        self._file = _file_of(self.url)

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
        database = cls(url, reader._reader, _writing_engine(url, beside=True))
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

    def refuse_replaced(self) -> None:
        """Raise StoreDamaged where the file under this path is no longer the one that is open."""
        if _file_of(self.url) != self._file:
            says = "the file was replaced or removed while it was in use"
            raise StoreDamaged(f"{self.url}: {says}; {marker.REMEDY}", path=self.url)

    def keep_lock(self) -> None:
        """Be the one instance still: PostgreSQL forgets a lock with its connection, as when the server is restarted.
        Raises InstanceRunning where another has taken it since, and StoreError where nobody can say."""
        with _said_plainly(self.url):
            self._lock.keep()

    def refuse_damaged(self) -> None:
        """Look at every page of an SQLite file (sqlite.org/pragma.html#pragma_quick_check), or raise StoreDamaged."""
        if not is_file(self.url):
            return
        try:
            with self.read() as tx:
                found = tx.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except StoreDamaged as error:
            found = str(error)
        if found != "ok":
            says = " ".join(str(found).split())
            raise StoreDamaged(f"{self.url}: the database is damaged ({says}); {marker.REMEDY}", path=self.url)

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


def is_file(url: str) -> bool:
    """Whether a database's address is that of an SQLite file."""
    return not _is_postgres(url)


def _is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def _file_of(url: str) -> tuple[int, int] | None:
    """Which file an SQLite path leads to (device and inode), however it is called."""
    try:
        found = None if _is_postgres(url) else os.stat(url)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


# ── engines ──────────────────────────────────────────────────────────────────────────────────────


def _writing_engine(url: str, *, beside: bool = False) -> sa.Engine:
    if _is_postgres(url):
        return sa.create_engine(_psycopg(url), pool_size=1, max_overflow=2, pool_pre_ping=True)
    if not os.path.exists(url):
        os.close(os.open(url, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite itself would take 0644
        marker.own_like_folder(Path(url))
    # Before SQLite 3.51.3 two who copy the log into the database at once may damage it: sqlite.org/wal.html
    pragmas = PRAGMAS | ({"wal_autocheckpoint": 0} if beside else {})
    return _sqlite_engine(f"file:{quoted(url)}?mode=rwc", begin="BEGIN IMMEDIATE", writing=True, pragmas=pragmas)


def _reading_engine(url: str) -> sa.Engine:
    if _is_postgres(url):
        readonly = {"postgresql_readonly": True}
        return sa.create_engine(_psycopg(url), execution_options=readonly, pool_pre_ping=True)
    pragmas = PRAGMAS | {"cache_size": READER_CACHE}
    return _sqlite_engine(f"file:{quoted(url)}?mode=ro", begin="BEGIN", writing=False, pragmas=pragmas)


def _psycopg(url: str) -> str:
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def quoted(path: str) -> str:
    """A path as it stands in SQLite's file: addresses."""
    return str(Path(path).absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sqlite_engine(uri: str, *, begin: str, writing: bool, pragmas: Mapping[str, Any] = PRAGMAS) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite+pysqlite:///{uri}&uri=true",
        connect_args={"check_same_thread": False},
        poolclass=sa.pool.QueuePool,
        pool_size=READERS,
        max_overflow=10,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection, _record):
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.create_function("lower", 1, _casefolded, deterministic=True)
        if writing:
            connection.execute("PRAGMA journal_mode=WAL")
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection):
        connection.exec_driver_sql(begin)

    return engine


def _casefolded(text: Any) -> Any:
    """What `lower` says of a text: SQLite's own knows ASCII alone."""
    return text.casefold() if isinstance(text, str) else text


# ── schema versions ──────────────────────────────────────────────────────────────────────────────


def _version(tx: sa.Connection) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _known_versions() -> set[str]:
    return {path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def known_version(version: str) -> None:
    """Raise SchemaError for a schema that a newer program made."""
    if version not in _known_versions():
        says = f"the database has schema {version}, written by a newer wirewatch; this one knows up to {HEAD}"
        raise SchemaError(says)


def _migrate(tx: sa.Connection) -> None:
    version = _version(tx)
    if version == HEAD:
        return
    if version is not None:
        known_version(version)
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
    if version is not None:
        known_version(version)
    raise SchemaError(f"the database has schema {version}; run `wirewatch poll` once to bring it to {HEAD}")


# ── one instance ─────────────────────────────────────────────────────────────────────────────────


class _Lock:
    """Held while one instance writes. The kernel lets go of it when the process dies, however it dies."""

    def __init__(self, handle: Any):
        self._handle = handle

    def keep(self) -> None:
        """Nobody takes it away."""

    def release(self) -> None:
        self._handle.close()


class _ServerLock:
    """The same on a PostgreSQL server, for as long as the connection stands that took it."""

    def __init__(self, url: str):
        self._engine = sa.create_engine(_psycopg(url), poolclass=sa.pool.NullPool)
        self._connection: sa.Connection | None = self._taken()

    def keep(self) -> None:
        """Look whether the connection stands, and take the lock anew where it does not."""
        try:
            if self._connection is not None:
                self._connection.execute(sa.select(1))
                self._connection.commit()
                return
        except exc.DBAPIError:
            self.release()
        self._connection = self._taken()

    def release(self) -> None:
        broken, self._connection = self._connection, None
        if broken is not None:
            broken.close()

    def _taken(self) -> sa.Connection:
        connection = self._engine.connect()
        if connection.execute(sa.select(sa.func.pg_try_advisory_lock(ADVISORY_LOCK))).scalar():
            connection.commit()
            return connection
        connection.close()
        raise InstanceRunning("another wirewatch holds this PostgreSQL database")


@contextmanager
def holding(url: str) -> Iterator[None]:
    """Be the one instance without opening the database. Raises InstanceRunning."""
    with _opening(url):
        lock = _lock(url)
    try:
        yield
    finally:
        lock.release()


def _lock(url: str) -> _Lock | _ServerLock:
    return _ServerLock(url) if _is_postgres(url) else _file_lock(_lock_path(url))


def _lock_path(url: str) -> Path:
    """Beside the file itself: one database has one lock, however many links lead to it."""
    return Path(f"{os.path.realpath(url)}.lock")


def _file_lock(path: Path) -> _Lock:
    is_new = not path.exists()
    handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    if is_new:
        marker.own_like_folder(path)
    if not _take(handle):
        owner = handle.read().strip()
        handle.close()
        raise InstanceRunning(
            f"another wirewatch (pid {owner or 'unknown'}) holds {path.with_suffix('')}",
            pid=int(owner) if owner.isdigit() else None,
            path=path,
        )
    try:
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
    except OSError:  # the disk is full
        with contextlib.suppress(OSError):
            handle.close()
        raise
    return _Lock(handle)


def _take(handle: TextIO) -> bool:
    """Whether the lock is ours now. `running_pid` has it for a moment, which is no reason not to start."""
    for wait in (0.0, *LOCK_WAITS):
        if wait:
            time.sleep(wait)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def is_held(tx: sa.Connection) -> bool:
    """Whether an instance holds this PostgreSQL database: pg_locks has a lock's number in two halves."""
    high, low = divmod(ADVISORY_LOCK, 1 << 32)
    holders = sa.text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :high AND objid = :low AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return bool(tx.execute(holders, {"high": high, "low": low}).scalar())


def running_pid(url: str) -> int | None:
    """The process that holds the database, or None. Of a PostgreSQL database the lock does not say which: None."""
    if _is_postgres(url) or not (path := _lock_path(url)).exists():
        return None
    with path.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = handle.read().strip()
            return int(owner) if owner.isdigit() else None
    return None


@contextmanager
def _said_plainly(url: str) -> Iterator[None]:
    """Turn a driver's error into one that names the database and the reason."""
    try:
        yield
    except exc.OperationalError as error:
        kind = _kind(error)
        room = _room(url) if kind is StoreFull and is_file(url) else ""
        raise kind(f"{_without_password(url)}: {error.orig}{room}", path=url) from error
    except (exc.DataError, exc.IntegrityError, exc.ProgrammingError):
        raise  # not the database's fault but that of what was written
    except exc.DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamaged(f"{url}: {error.orig}; {marker.REMEDY}", path=url) from error
        raise StoreError(f"{_without_password(url)}: {error.orig}", path=url) from error


# PostgreSQL's code for a full disk: postgresql.org/docs/current/errcodes-appendix.html
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, "53100")


def _kind(error: exc.OperationalError) -> type[StoreError]:
    code = getattr(error.orig, "sqlite_errorcode", getattr(error.orig, "sqlstate", None))
    if code in FULL:
        return StoreFull
    return StoreBusy if any(word in str(error.orig) for word in ("locked", "busy")) else StoreError


def free_beside(path: Path) -> int:
    """Bytes that may still be written beside this file. Raises OSError."""
    found = os.statvfs(path.absolute().parent)
    return found.f_bavail * found.f_frsize


def _room(url: str) -> str:
    return f" ({free_beside(Path(url)):,} bytes free on its disk)"


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """The same while opening, where the file system has a say, too."""
    try:
        with _said_plainly(url):
            yield
    except OSError as error:
        kind = StoreFull if error.errno == errno.ENOSPC else StoreError
        room = _room(url) if kind is StoreFull else ""
        raise kind(f"{_without_password(url)}: {error.strerror}{room}", path=url) from error


def _without_password(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True) if _is_postgres(url) else url
