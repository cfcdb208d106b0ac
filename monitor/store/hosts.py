"""Hosts that asked for peace (429): so that a restart does not forget it.

Functions take an open transaction `tx`. Who is left alone for how long is decided in edges/lanes.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import sqlalchemy as sa

from monitor.model import HostHold
from monitor.store.database import insert_new
from monitor.store.schema import hosts


def list_holds(tx: sa.Connection) -> tuple[HostHold, ...]:
    """Every hold, over or not: how often a host asked counts on until it answers well."""
    return tuple(HostHold(**row) for row in tx.execute(sa.select(hosts)).mappings())


def keep_holds(tx: sa.Connection, holds: Iterable[HostHold]) -> None:
    """These holds, and no others."""
    tx.execute(hosts.delete())
    insert_new(tx, hosts, [asdict(hold) for hold in holds])
