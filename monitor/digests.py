"""What goes together: before a channel's next message is claimed, what was held back is released, and too much becomes
one message that lists it all.

    held back, now due ─▶ one: by itself · several: a digest
    more than `collapse_above` alerts due ─▶ a digest of as many as one message of this channel can list
    a digest that no server took, and more has come since ─▶ taken apart, and made anew

A digest is written, and its alerts are marked as merged into it, in the transaction of the claim. Decides nothing about
stories; sends nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import sqlalchemy as sa

from monitor import crash
from monitor.core.hold import quiet_until
from monitor.core.names import name_of
from monitor.core.pace import EXPIRES_AFTER
from monitor.core.render import Line, digest_of
from monitor.model import Channel, Delivery, DeliveryKind, Level, record
from monitor.store import backlog
from monitor.store.backlog import Heap
from monitor.store.channels import trouble_of

JUST_BEFORE = timedelta(microseconds=1)  # a digest takes the place of the oldest that it holds
EXPIRED = "expired: no server took it within 72 h"


@record
class Gathering:
    """How one channel wants what waits for it."""

    channel: Channel
    zone: tzinfo  # of quiet hours
    lines: int  # alerts that one message can list
    collapse_above: int = 20  # so many may go one by one


def gather(tx: sa.Connection, how: Gathering, now: datetime, *, ignore_wait: bool = False) -> None:
    """Release or merge what waits for a channel; makes at most one digest a recipient and reason, so that a large
    backlog becomes messages one at a time. `ignore_wait`: also what still collects after an outage."""
    _hold_quiet(tx, how, now)
    _hold_crowds(tx, how, now)
    for heap in backlog.due_heaps(tx, how.channel.name, now, ignore_wait=ignore_wait):
        rows = backlog.rows_of(tx, how.channel.name, heap, now, limit=how.lines)
        if len(rows) == 1:
            backlog.release(tx, [rows[0].id])
        else:
            _merge(tx, rows, heap, now)


def _hold_quiet(tx: sa.Connection, how: Gathering, now: datetime) -> None:
    for level in Level:
        until = quiet_until(how.channel, level, now=now, zone=how.zone)
        if until is not None:
            backlog.hold_quiet(tx, how.channel.name, [level], now=now, until=until)


def _hold_crowds(tx: sa.Connection, how: Gathering, now: datetime) -> None:
    """Recipients for whom too much is due, or for whom a digest failed and more has come since: all of it goes as
    digests when the channel works again."""
    name = how.channel.name
    waiting = backlog.crowds(tx, name, now)
    crowded = {recipient for recipient, count in waiting.items() if count > how.collapse_above}
    for digest in backlog.failing_digests(tx, name):
        if waiting.get(digest.recipient) and len(digest.message.why) < how.lines:
            backlog.dissolve(tx, digest.id)
            crowded.add(digest.recipient)
    for recipient in crowded:
        backlog.hold_back(tx, name, recipient, now)


def expire(tx: sa.Connection, channel: str, recipient: str, now: datetime) -> int:
    """End what has waited for 72 h for a recipient that has failed for as long. Returns how many."""
    since = trouble_of(tx, channel, recipient).failing_since
    if since is None or now - since < EXPIRES_AFTER:
        return 0
    for digest in backlog.failing_digests(tx, channel):
        if digest.recipient == recipient:
            backlog.dissolve(tx, digest.id)
    return backlog.expire(tx, channel, recipient, created_before=now - EXPIRES_AFTER, error=EXPIRED)


def _merge(tx: sa.Connection, rows: tuple[Delivery, ...], heap: Heap, now: datetime) -> None:
    lines = tuple(Line(message=row.message, score=row.score) for row in rows)
    digest = Delivery(
        id=name_of("digest", *(row.id for row in rows)),
        alert="",
        channel=rows[0].channel,
        recipient=heap.recipient,
        kind=DeliveryKind.DIGEST,
        message=digest_of(lines, heap.hold, more=max(heap.count - len(rows), 0)),
        score=max(row.score for row in rows),
        created_at=now,
        next_attempt_at=min(row.next_attempt_at for row in rows) - JUST_BEFORE,
    )
    backlog.merge(tx, digest, [row.id for row in rows])
    crash.reach("merged")
