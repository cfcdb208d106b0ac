"""Feeds: which are due, what their servers gave us, how healthy they are.

Functions take an open transaction `tx`. When a feed is next due is decided in core/pace.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa

from monitor.model import Feed, FeedState, FeedStatus, Habits, Validators, record
from monitor.store import oddities
from monitor.store.database import chunks, insert_new
from monitor.store.schema import UtcTime, feeds, hosts

FRESH_START = {
    "etag": None,
    "last_modified": None,
    "body_hash": None,
    "seen_items": None,
    "seeded_at": None,
    "last_success_at": None,
    "not_before": None,
    "failing_since": None,
    "lease_until": None,
    "last_error": None,
    "claimed_at": None,
}
NO_FLOOR = timedelta(seconds=1)  # a `min_interval` so short means none: no clock is as exact
HABITS = tuple(habit.name for habit in fields(Habits))  # each is a column
LEASE = timedelta(minutes=5)  # longer than any check may take; a crashed check is due again after it
_NOW = sa.bindparam("now", type_=UtcTime())
_FREE = (  # polled at all, checked by nobody just now, and not held by its server
    feeds.c.configured,
    sa.or_(feeds.c.lease_until.is_(None), feeds.c.lease_until <= _NOW),
    sa.or_(feeds.c.not_before.is_(None), feeds.c.not_before <= _NOW),
)
_DUE = feeds.c.next_check_at <= _NOW
_ANY_DUE = sa.select(feeds.c.name).where(*_FREE, _DUE).limit(1)  # made once: it is asked every second


def register(tx: sa.Connection, configured: Iterable[Feed], now: datetime) -> None:
    """Say which feeds are polled from now on; makes rows for new ones, keeps the history of all others.

    A feed with a changed address starts anew: it is due at once, unconditionally, and its first check seeds; but for
    one that was corrected to where its old address has moved for good.
    """
    configured = tuple(configured)
    known = {row.name: row for row in tx.execute(sa.select(feeds.c.name, feeds.c.url, feeds.c.moved_to))}
    tx.execute(feeds.update().values(configured=False))
    insert_new(tx, feeds, [_new_row(feed, now) for feed in configured if feed.name not in known])
    for names in chunks([feed.name for feed in configured]):
        tx.execute(feeds.update().where(feeds.c.name.in_(names)).values(configured=True))
    for feed in configured:
        before, url = known.get(feed.name), shown_url(feed.url)
        if before is None or before.url == url:
            continue
        corrected = {"url": url, "host": host_and_port_of(url), "moved_to": None, "original_asked_at": None}
        values = corrected if before.moved_to == url else {**_new_row(feed, now), **FRESH_START}
        tx.execute(feeds.update().where(feeds.c.name == feed.name).values(values))
        if values is not corrected:
            oddities.forget(tx, feed.name)


def any_due(
    tx: sa.Connection, now: datetime, *, under_way: Sequence[FeedState] = (), per_host: float = math.inf
) -> bool:
    """Whether `claim_due` would find something; cheap, and locks nothing."""
    others = _not_under_way(under_way) + _not_full(checks_by_host(under_way), per_host)
    return tx.execute(_ANY_DUE.where(*others) if others else _ANY_DUE, {"now": now}).first() is not None


def claim_due(
    tx: sa.Connection,
    now: datetime,
    *,
    limit: int,
    min_interval: timedelta,
    only: Iterable[str] | None = None,
    ignore_schedule: bool = False,
    under_way: Sequence[FeedState] = (),
    per_host: float = math.inf,
) -> tuple[FeedState, ...]:
    """Lease feeds that are due, so that nobody else checks them, and move their due time first.

    The due time moves by `min_interval` *before* the fetch: a crash loop must not hammer anyone.
    `ignore_schedule` takes feeds that are not due yet, but never one whose server asked us to wait (`not_before`), and
    none whose last check began less than `min_interval` ago. `under_way` are checks that are not over, and not claimed
    again however long they take; with them, no host has more than `per_host`.
    """
    conditions = [*_FREE, *_not_under_way(under_way)]
    if not ignore_schedule:
        conditions.append(_DUE)
    elif min_interval > NO_FLOOR:
        recently = sa.and_(feeds.c.claimed_at > now - min_interval, feeds.c.claimed_at <= now)
        conditions.append(sa.or_(feeds.c.claimed_at.is_(None), sa.not_(recently)))
    if only is not None:
        conditions.append(feeds.c.name.in_(tuple(only)))
    names = _longest_due(tx, now, conditions, limit, checks_by_host(under_way), per_host)
    leased = {"lease_until": now + LEASE, "next_check_at": now + min_interval, "claimed_at": now}
    claimed: list[FeedState] = []
    for part in chunks(names):
        states = feeds.update().where(feeds.c.name.in_(part)).values(leased).returning(feeds)
        claimed += map(_state, tx.execute(states).mappings())
    odd = oddities.of_feeds(tx, names)
    return tuple(replace(one, oddities=odd[one.name]) if one.name in odd else one for one in claimed)


def _longest_due(
    tx: sa.Connection,
    now: datetime,
    conditions: list[sa.ColumnElement[bool]],
    limit: int,
    by_host: Counter[str],
    per_host: float,
) -> list[str]:
    """The names of feeds to check; `by_host` counts the checks of each host, and those that are added."""
    names: list[str] = []
    while True:
        more = limit - len(names)
        fresh = [feeds.c.name.not_in(names)] if names else []
        chosen = sa.select(feeds.c.name, feeds.c.host).where(*conditions, *_not_full(by_host, per_host), *fresh)
        found = tx.execute(chosen.order_by(feeds.c.next_check_at).limit(more), {"now": now}).all()
        for name, host in found:
            if by_host[host] < per_host:
                by_host[host] += 1
                names.append(name)
        if len(found) < more or len(names) == limit:
            return names


def checks_by_host(checks: Sequence[FeedState]) -> Counter[str]:
    """How many of these checks are of each host."""
    return Counter([one.host for one in checks])


def _not_full(by_host: Counter[str], per_host: float) -> list[sa.ColumnElement[bool]]:
    """Not of a host that has enough."""
    full = [host for host, number in by_host.items() if number >= per_host]
    return [feeds.c.host.not_in(full)] if full else []


def _not_under_way(checks: Sequence[FeedState]) -> list[sa.ColumnElement[bool]]:
    names = [(one.name, one.url) for one in checks]
    return [sa.tuple_(feeds.c.name, feeds.c.url).not_in(names)] if names else []


def release_leases(tx: sa.Connection, names: Iterable[str] | None = None) -> None:
    """Forget the leases of an instance that died, or (by their names) of checks that came to nothing; called by the one
    that holds the instance lock."""
    whose = feeds.c.lease_until.is_not(None) if names is None else feeds.c.name.in_(tuple(names))
    tx.execute(feeds.update().where(whose).values(lease_until=None))


# Made once: most checks bring nothing new, and to build this for each took longer than all else that is done for it.
_SUCCEEDED = (
    feeds.update()
    .where(feeds.c.name == sa.bindparam("of_name"), feeds.c.url == sa.bindparam("of_url"))
    .values(
        lease_until=None,
        failures=0,
        failing_since=None,
        last_error=None,
        seeded_at=sa.func.coalesce(feeds.c.seeded_at, sa.bindparam("seeds_at", type_=UtcTime())),
        title=sa.func.coalesce(sa.bindparam("its_title", type_=sa.Text()), feeds.c.title),
        body_hash=sa.func.coalesce(sa.bindparam("its_hash", type_=sa.String()), feeds.c.body_hash),
        seen_items=sa.func.coalesce(sa.bindparam("its_items", type_=sa.LargeBinary()), feeds.c.seen_items),
        last_changed_at=sa.func.coalesce(sa.bindparam("changes_at", type_=UtcTime()), feeds.c.last_changed_at),
        entries=feeds.c.entries + sa.bindparam("more_entries", type_=sa.Integer()),
        possible_gaps=feeds.c.possible_gaps + sa.bindparam("more_gaps", type_=sa.Integer()),
    )
)


@record
class Success:
    """A check that went well. None for title, body_hash and seen_items keeps what is there; the first document with
    entries seeds."""

    claimed: FeedState
    next_check_at: datetime
    not_before: datetime | None
    validators: Validators
    state: FeedStatus = FeedStatus.OK
    habits: Habits
    title: str | None = None
    body_hash: str | None = None
    seen_items: bytes | None = None
    found_entries: bool = False
    new_entries: int = 0
    possible_gap: bool = False


def record_successes(tx: sa.Connection, checks: Sequence[Success], now: datetime) -> None:
    """Note checks that went well. Nothing is recorded of a feed whose address has changed since the claim: what came is
    another feed's."""
    if checks:
        tx.execute(_SUCCEEDED, [_success_row(one, now) for one in checks])


def _success_row(one: Success, now: datetime) -> dict:
    claimed, answered_at = one.claimed, one.habits.validators_url
    is_where_it_was = claimed.host and answered_at == claimed.habits.validators_url
    return {
        "of_name": claimed.name,
        "of_url": claimed.url,
        "host": claimed.host if is_where_it_was else host_and_port_of(answered_at or claimed.url),
        "state": one.state,
        "last_checked_at": now,
        "last_success_at": now,
        "next_check_at": one.next_check_at,
        "not_before": one.not_before,
        "etag": one.validators.etag,
        "last_modified": one.validators.last_modified,
        **_columns(one.habits),
        "seeds_at": now if one.found_entries else None,
        "its_title": one.title,
        "its_hash": one.body_hash,
        "its_items": one.seen_items,
        "changes_at": now if one.new_entries else None,
        "more_entries": one.new_entries,
        "more_gaps": int(one.possible_gap),
    }


def record_failure(
    tx: sa.Connection,
    claimed: FeedState,
    *,
    now: datetime,
    state: FeedStatus,
    error: str,
    next_check_at: datetime,
    not_before: datetime | None,
    habits: Habits,
) -> None:
    """A check failed; validators and entries stay as they were."""
    tx.execute(
        feeds.update()
        .where(_is(claimed))
        .values(
            state=state,
            last_checked_at=now,
            next_check_at=next_check_at,
            not_before=not_before,
            lease_until=None,
            failures=feeds.c.failures + 1,
            failing_since=sa.func.coalesce(feeds.c.failing_since, sa.literal(now, UtcTime())),
            last_error=error,
            **_columns(habits),
        )
    )


def record_postponed(
    tx: sa.Connection, claimed: FeedState, *, next_check_at: datetime, not_before: datetime | None = None
) -> None:
    """A check that says nothing of its feed: no request was made, or nobody at all can be reached.

    Its health is as it was when it was claimed, also where a failure has been recorded since. `not_before` None keeps
    what is there.
    """
    values = {
        "state": claimed.state,
        "next_check_at": next_check_at,
        "lease_until": None,
        "failures": claimed.failures,
        "failing_since": claimed.failing_since,
        "last_error": claimed.last_error,
    }
    if not_before is not None:
        values["not_before"] = not_before
    tx.execute(feeds.update().where(_is(claimed)).values(values))


def shown_url(url: str) -> str:
    """An address without user and password: no secret is in the database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def host_and_port_of(url: str) -> str:
    """The host in an address, and its port where one is named; folded."""
    return urlsplit(shown_url(url)).netloc.lower()


def let_out(tx: sa.Connection, feed: str) -> None:
    """A feed's quarantine is over."""
    quarantined = sa.and_(feeds.c.name == feed, feeds.c.state == FeedStatus.QUARANTINED)
    tx.execute(feeds.update().where(quarantined).values(state=FeedStatus.OK))


def _is(claimed: FeedState) -> sa.ColumnElement[bool]:
    return sa.and_(feeds.c.name == claimed.name, feeds.c.url == claimed.url)


def list_feeds(tx: sa.Connection) -> tuple[sa.RowMapping, ...]:
    """Every configured feed, by name; `held_until`: for how long its host asked to be left alone, over or not."""
    held = sa.select(feeds, hosts.c.until.label("held_until")).outerjoin(hosts, hosts.c.host == feeds.c.host)
    return tuple(tx.execute(held.where(feeds.c.configured).order_by(feeds.c.name)).mappings())


def _new_row(feed: Feed, now: datetime) -> dict:
    return {
        "name": feed.name,
        "url": shown_url(feed.url),
        "host": host_and_port_of(feed.url),
        "configured": True,
        "state": FeedStatus.NEW,
        "next_check_at": now,
        "failures": 0,
        "entries": 0,
        "possible_gaps": 0,
        **_columns(Habits()),
    }


def _columns(habits: Habits) -> dict:
    return {name: getattr(habits, name) for name in HABITS}


def _state(row: sa.RowMapping) -> FeedState:
    return FeedState(
        name=row["name"],
        url=row["url"],
        host=row["host"],
        state=FeedStatus(row["state"]),
        validators=Validators(etag=row["etag"], last_modified=row["last_modified"]),
        body_hash=row["body_hash"],
        seen_items=row["seen_items"],
        seeded_at=row["seeded_at"],
        last_success_at=row["last_success_at"],
        next_check_at=row["next_check_at"],
        not_before=row["not_before"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        last_error=row["last_error"],
        last_changed_at=row["last_changed_at"],
        possible_gaps=row["possible_gaps"],
        title=row["title"],
        habits=Habits(**{name: row[name] for name in HABITS}),
    )
