"""The marker beside an SQLite file: which database stood here, and how often it had been opened.

An empty file is a valid, empty database to SQLite. Without a second witness a lost database would look like a first
start, and what all feeds show would be news. Does not know PostgreSQL, whose databases do not vanish by a full disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from monitor.errors import StoreDamaged
from monitor.model import record
from monitor.store.schema import meta

FILE = "state.marker"
KEY = "identity"
REMEDY = "`wirewatch restore FILE` brings a backup back"


@record
class Mark:
    """Which database it is, and how often it has been opened for writing."""

    id: str
    generation: int


def noted(url: str) -> Mark | None:
    """The mark of the database that was last opened under this path."""
    return _mark(_read(url).get(Path(url).name))


def note(url: str, mark: Mark) -> None:
    """Remember this mark durably."""
    known = _read(url) | {Path(url).name: {"id": mark.id, "generation": mark.generation}}
    path = _path(url)
    fresh = path.with_name(f"{FILE}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as handle:
        json.dump(known, handle)
        handle.flush()
        os.fsync(handle.fileno())
    own_like_folder(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def refuse_missing(url: str) -> None:
    """Raise StoreDamaged where a database stood and nothing, or an empty file, stands now."""
    path = Path(url)
    if noted(url) is not None and (not path.exists() or path.stat().st_size == 0):
        found = "is an empty file" if path.exists() else "is gone"
        raise StoreDamaged(f"{url}: the database that stood here {found}; {REMEDY}. {_anew()}", path=url)


def advance(tx: sa.Connection, url: str, *, accept_empty: bool = False) -> Mark:
    """Compare the open database with what is noted, and give it the mark of this opening.

    Raises StoreDamaged where it is another one, an older one, or (unless `accept_empty`) an empty one.
    """
    here, known = of(tx), noted(url)
    if known is not None:
        _compare(url, here, known, accept_empty)
    mark = Mark(id=uuid4().hex, generation=1) if here is None else Mark(id=here.id, generation=here.generation + 1)
    tx.execute(meta.delete().where(meta.c.key == KEY))
    tx.execute(meta.insert().values(key=KEY, value=json.dumps({"id": mark.id, "generation": mark.generation})))
    return mark


def of(tx: sa.Connection) -> Mark | None:
    """The mark that the open database bears."""
    return of_raw(tx.execute(sa.select(meta.c.value).where(meta.c.key == KEY)).first())


def of_raw(row: Sequence[str] | None) -> Mark | None:
    """The mark in a row of the table `meta`."""
    return _mark(json.loads(row[0])) if row else None


def own_like_folder(path: Path) -> None:
    """What root makes belongs to whom the folder belongs to: the service must be able to use it."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def sync_folder(folder: Path) -> None:
    """Make a renaming in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _compare(url: str, here: Mark | None, known: Mark, accept_empty: bool) -> None:
    if here is None and not accept_empty:
        raise StoreDamaged(f"{url}: the database that stood here was emptied; {REMEDY}. {_anew()}", path=url)
    if here is not None and here.id != known.id:
        raise StoreDamaged(f"{url}: this is not the database that stood here; move it away, then {REMEDY}", path=url)
    if here is not None and here.generation < known.generation:
        says = f"this is an older copy of the database that stood here; move it away, then {REMEDY}"
        raise StoreDamaged(f"{url}: {says}", path=url)


def _anew() -> str:
    return "`wirewatch poll --accept-empty` begins anew, and tells nothing of what feeds show now"


def _path(url: str) -> Path:
    return Path(url).absolute().with_name(FILE)


def _read(url: str) -> dict[str, Any]:
    try:
        known = json.loads(_path(url).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _mark(value: Any) -> Mark | None:
    try:
        return Mark(id=str(value["id"]), generation=int(value["generation"]))
    except (TypeError, KeyError, ValueError):
        return None
