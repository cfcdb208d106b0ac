"""What the system's own libraries must be at least, since no package manager of ours installs them."""

from __future__ import annotations

import pyexpat
import sqlite3

FLOORS = {
    "expat": "2.4.1",  # before, a document of kilobytes could take gigabytes: CVE-2013-0340
    "SQLite": "3.35.0",  # RETURNING
}


def too_old() -> tuple[tuple[str, str, str], ...]:
    """Library, version and least version of each that is older than it must be."""
    found = {"expat": pyexpat.EXPAT_VERSION.removeprefix("expat_"), "SQLite": sqlite3.sqlite_version}
    return tuple((name, found[name], least) for name, least in FLOORS.items() if _parts(found[name]) < _parts(least))


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
