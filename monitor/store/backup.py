"""Copies of an SQLite database, made while it is in use, and put back.

A backup is one SQLite file: the database, and in its table `sqlar` the files that belong to it, such as keys of
encrypted rooms (an SQLite Archive, sqlite.org/sqlar.html: `sqlite3 FILE -A --list` shows them). Copies through SQLite's
own interface are whole whatever is written meanwhile. Does not know PostgreSQL, which has pg_dump.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from monitor.errors import StoreDamaged, StoreError, StoreFull
from monitor.model import record
from monitor.store import marker
from monitor.store.database import free_beside, holding, known_version, quoted

SQLAR = "CREATE TABLE sqlar(name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)"  # sqlite.org/sqlar.html
BESIDE = ("", "-wal", "-shm")
LOGS = ("-wal", "-shm", "-journal")  # of databases among the files beside; a copy through SQLite has what they say
FORMER = ".before-restore"
UNFINISHED = ".unfinished"
STALE = 24 * 3600  # seconds after which nobody works on an unfinished copy any more
SQLITE_HEADER = b"SQLite format 3\0"


@record
class Copied:
    """What a backup holds, or what was put back."""

    path: Path
    size: int  # bytes
    files: int  # beside the database
    former: Path | None = None  # where the database went whose place it took


def back_up(url: str, target: Path, beside: Path) -> Copied:
    """Copy the database, and the files of the folder `beside` (its name is kept), into one file that takes the place of
    `target` when it is whole and sound.

    Raises StoreError where there is no database, or `target` is the database itself, StoreFull where there is no room
    for the copy, and StoreDamaged where what was copied is not sound: the former `target` stays then.
    """
    _refuse_nothing(Path(url))
    if target.exists() and target.samefile(url):
        raise StoreError(f"{target}: this is the database itself; name another file for its copy", path=target)
    unfinished = target.with_name(target.name + UNFINISHED)
    with _said_with(target):
        try:
            files = _copy(url, unfinished, beside)
            unfinished.replace(target)
            marker.sync_folder(target.absolute().parent)
        finally:
            unfinished.unlink(missing_ok=True)
    return Copied(path=target, size=target.stat().st_size, files=files)


def dated(folder: Path, stem: str, now: datetime) -> Path:
    """The name of a backup made now; names sort by age."""
    return folder / f"{stem}-{now:%Y-%m-%dT%H%M%SZ}.db"


def prune(folder: Path, stem: str, keep: int) -> tuple[Path, ...]:
    """Delete all but the newest `keep` backups that `dated` named, and what killed ones left; which backups."""
    name = re.compile(rf"{re.escape(stem)}-\d{{4}}-\d\d-\d\dT\d{{6}}Z\.db({re.escape(UNFINISHED)}.*)?")
    ours = [(path, found[1]) for path in sorted(folder.iterdir()) if (found := name.fullmatch(path.name))]
    for path, is_unfinished in ours:
        if is_unfinished and time.time() - path.stat().st_mtime > STALE:
            path.unlink(missing_ok=True)
    old = [path for path, is_unfinished in ours if not is_unfinished][:-keep]
    for path in old:
        path.unlink()
    return tuple(old)


def restore(url: str, source: Path, beside: Path) -> Copied:
    """Put a backup in the place of the database. The former one stays beside it as `….before-restore`, or with a number
    behind that where another one stands there; the folder `beside` is made only where it is missing, since keys that
    are there are newer.

    Raises InstanceRunning beside a live instance, SchemaError or StoreError where `source` is no sound backup: nothing
    was touched then.
    """
    with holding(url), _said_with(source):
        _inspect(source)
        incoming = Path(f"{url}.incoming")
        try:
            files = _take(source, incoming)
            mark, former = _put_in_place(url, incoming)
        finally:
            for suffix in BESIDE:
                Path(f"{incoming}{suffix}").unlink(missing_ok=True)
        restored = 0 if beside.exists() else _unpack(files, beside)
        if mark is not None:
            marker.note(url, mark)
    return Copied(path=Path(url), size=Path(url).stat().st_size, files=restored, former=former)


# ── making one ───────────────────────────────────────────────────────────────────────────────────


def _copy(url: str, unfinished: Path, beside: Path) -> int:
    _refuse_no_room(Path(url), unfinished)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    marker.own_like_folder(unfinished)
    with closing(_read_only(Path(url))) as live, closing(sqlite3.connect(unfinished)) as copy:
        # In one step, which in WAL mode keeps nobody from writing; more steps would begin anew at each write.
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        files = _pack(copy, beside)
        _refuse_unsound(copy, unfinished)
    _sync(unfinished)
    return files


def _refuse_nothing(path: Path) -> None:
    if not path.exists():
        raise StoreError(f"{path}: there is no database yet, so nothing to copy", path=path)


def _refuse_no_room(source: Path, target: Path) -> None:
    free, needed = free_beside(target), source.stat().st_size
    if free < needed:
        raise StoreFull(f"{target}: the copy needs {needed:,} bytes, its disk has {free:,} free", path=target)


def _pack(copy: sqlite3.Connection, beside: Path) -> int:
    found = [path for path in sorted(beside.glob("*")) if path.is_file() and not path.name.endswith(LOGS)]
    with copy:
        copy.execute("DROP TABLE IF EXISTS sqlar")
        copy.execute(SQLAR)
        for path in found:
            data, about = _content(path), path.stat()
            row = (f"{beside.name}/{path.name}", about.st_mode, int(about.st_mtime), len(data), data)
            copy.execute("INSERT INTO sqlar VALUES (?, ?, ?, ?, ?)", row)
    return len(found)


def _content(path: Path) -> bytes:
    """A file whole; one that is itself a database as of one moment, whoever writes to it."""
    with path.open("rb") as handle:
        if handle.read(len(SQLITE_HEADER)) != SQLITE_HEADER:
            return path.read_bytes()
    with closing(_read_only(path)) as live, closing(sqlite3.connect(":memory:")) as copy:
        live.backup(copy)
        return copy.serialize()


# ── putting one back ─────────────────────────────────────────────────────────────────────────────


def _inspect(source: Path) -> None:
    with closing(_read_only(source)) as backup:
        _refuse_unsound(backup, source)
        found = backup.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        if not found:
            raise StoreError(f"{source}: this is no backup of a wirewatch database", path=source)
        known_version(backup.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _take(source: Path, incoming: Path) -> dict[str, bytes]:
    """Copy the database without its archive; what the archive held."""
    incoming.unlink(missing_ok=True)
    os.close(os.open(incoming, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    marker.own_like_folder(incoming)
    files = {}
    with closing(_read_only(source)) as backup, closing(sqlite3.connect(incoming)) as copy:
        backup.backup(copy)
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlar'").fetchone():
            files = dict(copy.execute("SELECT name, data FROM sqlar WHERE length(data) = sz"))
            copy.execute("PRAGMA secure_delete=ON")  # keys do not belong into the database
            copy.execute("DROP TABLE sqlar")
        copy.commit()
    _sync(incoming)
    return files


def _put_in_place(url: str, incoming: Path) -> tuple[marker.Mark | None, Path | None]:
    """The mark of what is there now, and where what was there has gone."""
    with closing(sqlite3.connect(incoming)) as copy:
        mark = marker.of_raw(copy.execute("SELECT value FROM meta WHERE key = ?", (marker.KEY,)).fetchone())
    aside, moved = _aside(url), [suffix for suffix in BESIDE if Path(f"{url}{suffix}").exists()]
    for suffix in moved:  # with the database goes its log: left beside another one, it would be played into that
        Path(f"{url}{suffix}").replace(f"{aside}{suffix}")
    incoming.replace(url)
    marker.sync_folder(Path(url).absolute().parent)
    return mark, aside if moved else None


def _aside(url: str) -> Path:
    """A name for the former database that nothing bears yet."""
    names = chain([f"{url}{FORMER}"], (f"{url}{FORMER}-{number}" for number in count(2)))
    return Path(next(name for name in names if not any(Path(f"{name}{suffix}").exists() for suffix in BESIDE)))


def _unpack(files: dict[str, bytes], beside: Path) -> int:
    wanted = {name.removeprefix(f"{beside.name}/"): data for name, data in files.items()}
    wanted = {name: data for name, data in wanted.items() if name == Path(name).name}  # no way out of the folder
    if wanted:
        beside.mkdir(mode=0o700)
        marker.own_like_folder(beside)
    for name, data in wanted.items():
        with os.fdopen(os.open(beside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(data)
            os.fsync(handle.fileno())
        marker.own_like_folder(beside / name)
    return len(wanted)


# ── both ─────────────────────────────────────────────────────────────────────────────────────────


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quoted(str(path))}?mode=ro", uri=True, timeout=30)


def _refuse_unsound(copy: sqlite3.Connection, path: Path) -> None:
    (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreDamaged(f"{path}: the copy is not sound ({found})", path=path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _said_with(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into an error that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}", path=path) from error
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}", path=path) from error
