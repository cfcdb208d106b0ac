"""The outbox: the only place where the half that listens and the half that speaks meet.

Functions take an open transaction `tx`. A delivery is claimed (and the claim committed) before it is sent, and
settled after; when to try again is decided in core/pace.py, what goes together in digests.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import (
    IMPERATIVE,
    RETRACTIONS,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    HoldReason,
    Judged,
    Message,
    Reason,
    Sent,
    Waiting,
)
from monitor.store.backlog import dissolve
from monitor.store.channels import Recipients, not_paused, unknown
from monitor.store.database import chunks, insert_new
from monitor.store.letters import (
    ENDED_UNSENT,
    IS_IN_DOUBT,
    IS_LETTER,
    IS_REMOVED,
    IS_UNTRIED,
    REMOVED,
    WAITING,
    WAITS_IN_DIGEST,
    delivery_of,
    message_json,
    row_of,
)
from monitor.store.schema import UtcTime, alerts, deliveries, entries
from monitor.store.silences import has_ended

LEASE = timedelta(minutes=10)  # longer than any send may take


def enqueue(
    tx: sa.Connection, new: Iterable[Delivery], rewritten: Iterable[Waiting] = (), cancelled: Iterable[str] = ()
) -> None:
    """Put deliveries into the outbox; replace messages of those that certainly have not arrived, or cancel them. A
    digest that holds one of these is taken apart."""
    rewritten, cancelled = tuple(rewritten), tuple(cancelled)
    insert_new(tx, deliveries, [row_of(delivery) for delivery in new])
    for part in chunks([*(waiting.delivery for waiting in rewritten), *cancelled]):
        _dissolve_around(tx, deliveries.c.id.in_(part))
    for waiting in rewritten:
        message = waiting.message
        values = {"message": message_json(message), "level": message.level, "mark": message.mark}
        tx.execute(deliveries.update().where(deliveries.c.id == waiting.delivery, IS_UNTRIED).values(**values))
    for delivery in cancelled:
        values = {"state": DeliveryStatus.CANCELLED, "hold": None, "error": "overtaken by what came after it"}
        tx.execute(deliveries.update().where(deliveries.c.id == delivery, IS_UNTRIED).values(**values))


def enqueue_all(tx: sa.Connection, judged: Sequence[Judged]) -> None:
    """Put everything that a judgement led to into the outbox."""
    enqueue(
        tx,
        [delivery for one in judged for delivery in one.deliveries],
        [waiting for one in judged for waiting in one.rewritten],
        [delivery for one in judged for delivery in one.cancelled],
    )


# ── claim and settle ─────────────────────────────────────────────────────────────────────────────


def claim(tx: sa.Connection, channel: str, now: datetime, *, ignore_group_wait: bool = False) -> Delivery | None:
    """Claim the oldest delivery of a channel that is due, or None. The caller commits before it sends.

    `ignore_group_wait` takes those that only wait for more copies of their story (one-shot runs: the pass that
    collects copies is over), never those that wait after a failed attempt or are held. Edits go last, and only where
    the message that they rewrite has arrived.
    """
    oldest = (
        sa.select(deliveries.c.seq)
        .where(deliveries.c.channel == channel, *_due(now, ignore_group_wait))
        .order_by(deliveries.c.kind == DeliveryKind.EDIT, deliveries.c.next_attempt_at, deliveries.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    claimed = tx.execute(
        deliveries.update()
        .where(deliveries.c.seq == oldest, deliveries.c.state == DeliveryStatus.QUEUED)
        .values(
            state=DeliveryStatus.SENDING,
            attempts=deliveries.c.attempts + 1,
            first_attempt_at=sa.func.coalesce(deliveries.c.first_attempt_at, sa.literal(now, UtcTime())),
            lease_until=now + LEASE,
        )
        .returning(deliveries)
    ).mappings()
    row = claimed.one_or_none()
    return _with_its_roots(tx, delivery_of(row)) if row else None


def any_open(tx: sa.Connection) -> bool:
    """Whether anything is to be sent, now or later, or is being sent; cheap, and locks nothing."""
    is_open = deliveries.c.state.in_((*WAITING, DeliveryStatus.SENDING))
    return tx.execute(sa.select(deliveries.c.id).where(is_open).limit(1)).first() is not None


def due_channels(tx: sa.Connection, now: datetime, *, ignore_group_wait: bool = False) -> tuple[str, ...]:
    """Channels for which something is due, or is to be released, and which are not paused."""
    held = [
        deliveries.c.state == DeliveryStatus.HELD,
        deliveries.c.hold != HoldReason.AMBIGUOUS,
        deliveries.c.next_attempt_at <= now,
        not_paused(now),
    ]
    if ignore_group_wait:
        held[2] = sa.or_(held[2], deliveries.c.hold == HoldReason.CATCH_UP)
    can_go = sa.or_(sa.and_(*_due(now, ignore_group_wait)), sa.and_(*held))
    statement = sa.select(deliveries.c.channel).where(can_go).distinct().order_by(deliveries.c.channel)
    return tuple(tx.execute(statement).scalars())


def settle_delivered(tx: sa.Connection, delivery: str, sent: Sent, now: datetime) -> None:
    """The server accepted it, and with it all that was merged into it."""
    # Queued again: the lease ran out in mid-send, when a machine slept or its clock was set.
    taken = (DeliveryStatus.SENDING, DeliveryStatus.QUEUED)
    values = {"state": DeliveryStatus.DELIVERED, "sent_at": now, "remote_id": sent.remote_id, "error": None}
    _settle(tx, delivery, taken, **values)
    tx.execute(deliveries.update().where(deliveries.c.merged_into == delivery).values(sent_at=now))


def settle_retry(
    tx: sa.Connection,
    delivery: str,
    *,
    error: str,
    next_attempt_at: datetime | None = None,
    burn_attempt: bool = True,
    doubt: bool = False,
) -> None:
    """It goes again: in its place once the channel works again, or at `next_attempt_at`.

    `burn_attempt=False`: the channel was at fault, not the message. `doubt`: it may have been accepted.
    """
    values: dict = {} if burn_attempt else {"attempts": deliveries.c.attempts - 1, "first_attempt_at": None}
    values |= {"next_attempt_at": next_attempt_at} if next_attempt_at else {}
    values |= {"doubt": True} if doubt else {}
    _settle(tx, delivery, state=DeliveryStatus.QUEUED, error=error, **values)


def settle_plain(tx: sa.Connection, delivery: str, *, message: Message, error: str) -> None:
    """The server refused this message for good; it goes once more in its plainest form, in its place."""
    values = {"message": message_json(message), "plain": True}
    _settle(tx, delivery, state=DeliveryStatus.QUEUED, error=error, **values)


def settle_held(tx: sa.Connection, delivery: str, *, error: str) -> None:
    """It may have arrived, and the channel prefers asking to resending: `wirewatch alerts retry` sends it again."""
    _settle(tx, delivery, state=DeliveryStatus.HELD, hold=HoldReason.AMBIGUOUS, doubt=True, error=error)


def settle_dead(tx: sa.Connection, delivery: str, *, error: str) -> None:
    """It will not be tried again by itself; `wirewatch alerts retry` can."""
    _settle(tx, delivery, state=DeliveryStatus.DEAD, error=error)
    _end_members(tx)


# ── what becomes of what waits ───────────────────────────────────────────────────────────────────


def recover(tx: sa.Connection, now: datetime, *, asking: Iterable[str] = ()) -> int:
    """Take up what an instance that died had in hand. Called by the one that holds the instance lock.

    Whether it was accepted is unknown: it goes again under the same id, or waits for a person on channels that are
    `asking`. Returns how many.
    """
    return _take_up(tx, deliveries.c.state == DeliveryStatus.SENDING, now, asking)


def requeue_expired(
    tx: sa.Connection, now: datetime, *, asking: Iterable[str] = (), in_hand: Iterable[str] = ()
) -> int:
    """The same for what was claimed and never settled (the database was full in between); not for what this process
    has `in_hand` still."""
    expired = sa.and_(
        deliveries.c.state == DeliveryStatus.SENDING,
        deliveries.c.lease_until < now,
        deliveries.c.id.not_in(tuple(in_hand)),
    )
    return _take_up(tx, expired, now, asking)


def cancel_unknown(tx: sa.Connection, known: Recipients) -> int:
    """Cancel what waits for channels, or recipients of channels, that are no longer configured. Returns how many. What
    waits in a channel that has but one recipient goes there."""
    for channel, recipients in known.items():
        if len(recipients) == 1:
            _readdress(tx, channel, recipients[0])
    gone = sa.and_(deliveries.c.state.in_(WAITING), unknown(deliveries.c.channel, deliveries.c.recipient, known))
    values = {"state": DeliveryStatus.CANCELLED, "hold": None, "error": REMOVED}
    cancelled = tx.execute(deliveries.update().where(gone).values(**values)).rowcount
    if cancelled:
        _end_members(tx)
    return cancelled


def _readdress(tx: sa.Connection, channel: str, recipient: str) -> None:
    """What waits in a channel for other recipients waits for this one: once, and as far as it has not got the same."""

    def waits(table: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(table.c.state.in_(WAITING), table.c.kind != DeliveryKind.EDIT)

    of_others = sa.and_(deliveries.c.channel == channel, deliveries.c.recipient != recipient)
    _dissolve_around(tx, of_others)
    lost = sa.and_(of_others, waits(deliveries))
    twin = deliveries.alias()
    same = sa.and_(twin.c.alert == deliveries.c.alert, twin.c.alert != "", twin.c.channel == channel)
    goes_before = sa.and_(waits(twin), twin.c.recipient < deliveries.c.recipient)
    goes_anyway = sa.exists().where(same, sa.or_(twin.c.recipient == recipient, goes_before))
    spare = sa.select(deliveries.c.seq).where(lost, goes_anyway)
    values = {"state": DeliveryStatus.CANCELLED, "hold": None, "error": f"the same goes to {recipient}"}
    tx.execute(deliveries.update().where(deliveries.c.seq.in_(spare)).values(**values))
    tx.execute(deliveries.update().where(lost).values(recipient=recipient))


def cancel_orphaned_edits(tx: sa.Connection) -> None:
    """Edits whose message was never sent by itself have nothing to rewrite."""
    root = deliveries.alias()
    never_sent = _is_root(root, deliveries) & root.c.state.in_((*ENDED_UNSENT, DeliveryStatus.MERGED))
    orphaned = sa.and_(
        deliveries.c.kind == DeliveryKind.EDIT, deliveries.c.state.in_(WAITING), sa.exists().where(never_sent)
    )
    values = {"state": DeliveryStatus.CANCELLED, "error": "there is no message of its own that it could rewrite"}
    tx.execute(deliveries.update().where(orphaned).values(**values))


def cancel_silenced(tx: sa.Connection, *, watchlist: str | None, story: str | None, error: str) -> int:
    """Cancel what waits untried for a watchlist or a story that was just silenced. Returns how many."""
    of_story = sa.select(alerts.c.id).where(alerts.c.story == story)
    fits = deliveries.c.alert.in_(of_story) if story else deliveries.c.watchlist == watchlist
    _dissolve_around(tx, fits)
    waits = sa.and_(
        fits,
        IS_UNTRIED,
        deliveries.c.kind == DeliveryKind.ALERT,
        deliveries.c.mark.not_in(sorted(IMPERATIVE)),
    )
    values = {"state": DeliveryStatus.CANCELLED, "hold": None, "error": error}
    return tx.execute(deliveries.update().where(waits).values(**values)).rowcount


def cancel_of_feed(
    tx: sa.Connection, feed: str, *, silence: str, kept_back_as: Callable[[str], str], error: str
) -> int:
    """Cancel what waits untried on stories that only this feed has, which was just silenced. Returns how many.

    Their alerts are kept back as if the silence had been there before: under an id (of that of the alert) which leaves
    another feed's copy free to tell of them, and so are the messages.
    """
    waits = sa.or_(IS_UNTRIED, WAITS_IN_DIGEST)
    other = entries.alias()
    elsewhere = sa.exists().where(other.c.story == alerts.c.story, other.c.feed != feed)
    of_feed = alerts.c.story.in_(sa.select(entries.c.story).where(entries.c.feed == feed))
    held = sa.exists().where(deliveries.c.alert == alerts.c.id, waits)
    told = sa.exists().where(deliveries.c.alert == alerts.c.id, ~waits)
    loud = sa.exists().where(deliveries.c.alert == alerts.c.id, deliveries.c.mark.in_(sorted(IMPERATIVE)))
    cancelled = 0
    for alert in tx.execute(sa.select(alerts.c.id).where(of_feed, held, ~told, ~loud, ~elsewhere)).scalars().all():
        its = deliveries.c.alert == alert
        _dissolve_around(tx, its)
        renamed = kept_back_as(alert)
        tx.execute(deliveries.delete().where(deliveries.c.alert == renamed))  # of an earlier silence
        tx.execute(alerts.delete().where(alerts.c.id == renamed))
        values = {"alert": renamed, "state": DeliveryStatus.CANCELLED, "hold": None, "error": error}
        for delivery in tx.execute(sa.select(deliveries.c.id).where(its)).scalars().all():
            is_it = deliveries.c.id == delivery
            tx.execute(deliveries.update().where(is_it).values(id=kept_back_as(delivery), **values))
            cancelled += 1
        kept_back = {"id": renamed, "reason": Reason.FEED_SILENCED, "silence": silence}
        tx.execute(alerts.update().where(alerts.c.id == alert).values(**kept_back))
    return cancelled


def retry(tx: sa.Connection, ids: Iterable[str], now: datetime) -> int:
    """Queue dead or doubtful deliveries of these alerts (or these deliveries) again, and those that were cancelled by a
    silence which is over or because their channel was removed; the alerts of a dead digest go by themselves. Never
    those that were taken back since. Returns how many."""
    values = {
        "state": DeliveryStatus.QUEUED,
        "hold": None,
        "merged_into": None,
        "next_attempt_at": now,
        "first_attempt_at": None,
        "attempts": 0,
    }
    which = sa.select(deliveries.c.seq).where(_can_be_retried(ids, now))
    return tx.execute(deliveries.update().where(deliveries.c.seq.in_(which)).values(**values)).rowcount


def channels_to_retry(tx: sa.Connection, ids: Iterable[str], now: datetime) -> set[str]:
    """The channels that `retry` would queue something for."""
    return set(tx.execute(sa.select(deliveries.c.channel).where(_can_be_retried(ids, now))).scalars())


def forget_old(tx: sa.Connection, *, settled_before: datetime) -> int:
    """Delete deliveries that were decided before then and have ended; their alerts stay, so that nothing alerts again.
    Returns how many."""
    ended = sa.and_(
        deliveries.c.state.not_in((*WAITING, DeliveryStatus.SENDING)), deliveries.c.created_at < settled_before
    )
    return tx.execute(deliveries.delete().where(ended)).rowcount


# ── conditions ───────────────────────────────────────────────────────────────────────────────────


def _due(now: datetime, ignore_group_wait: bool) -> tuple[sa.ColumnElement[bool], ...]:
    """What may go now; with `ignore_group_wait` also what nobody has tried."""
    its_time = deliveries.c.next_attempt_at <= now
    if ignore_group_wait:
        its_time = sa.or_(its_time, deliveries.c.attempts == 0)
    ordered = _has_what_it_edits(), _is_behind_what_it_corrects()
    return deliveries.c.state == DeliveryStatus.QUEUED, its_time, not_paused(now), *ordered


def _can_be_retried(ids: Iterable[str], now: datetime) -> sa.ColumnElement[bool]:
    ids = tuple(ids)
    digests = sa.select(deliveries.c.merged_into).where(deliveries.c.alert.in_(ids))
    chosen = sa.or_(deliveries.c.alert.in_(ids), deliveries.c.id.in_(ids), deliveries.c.id.in_(digests))
    is_silenced = sa.and_(deliveries.c.state == DeliveryStatus.CANCELLED, has_ended(deliveries.c.error, now))
    ended = sa.or_(sa.and_(IS_LETTER, deliveries.c.state == DeliveryStatus.DEAD), IS_REMOVED, is_silenced)
    return sa.and_(chosen, sa.or_(ended, IS_IN_DOUBT), ~_was_taken_back())


def _is_root(root: sa.Alias, edit: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        root.c.alert == edit.c.alert,
        root.c.channel == edit.c.channel,
        root.c.recipient == edit.c.recipient,
        root.c.revision == 0,
    )


def _has_what_it_edits() -> sa.ColumnElement[bool]:
    root = deliveries.alias()
    arrived = _is_root(root, deliveries) & (root.c.state == DeliveryStatus.DELIVERED)
    return sa.or_(deliveries.c.kind != DeliveryKind.EDIT, sa.exists().where(arrived))


def _is_behind_what_it_corrects() -> sa.ColumnElement[bool]:
    """A correction or a kill waits for a message on its story that may have arrived and is tried again."""
    first, digest = deliveries.alias(), deliveries.alias()
    going = DeliveryStatus.QUEUED, DeliveryStatus.SENDING
    in_digest = sa.exists().where(digest.c.id == first.c.merged_into, digest.c.state.in_(going))
    goes = sa.or_(first.c.state.in_(going), in_digest.correlate(first))
    ahead = sa.and_(first.c.kind == DeliveryKind.ALERT, first.c.seq < deliveries.c.seq, goes)
    return sa.or_(deliveries.c.mark.not_in(sorted(IMPERATIVE)), ~_is_another_on_its_story(first, ahead))


def _was_taken_back() -> sa.ColumnElement[bool]:
    """Whether the recipient has been told, or will be, that the story was killed or withdrawn after this message."""
    later = deliveries.alias()
    kill = sa.and_(
        later.c.mark.in_(sorted(RETRACTIONS)), later.c.seq > deliveries.c.seq, later.c.state.not_in(ENDED_UNSENT)
    )
    return _is_another_on_its_story(later, kill)


def _is_another_on_its_story(other: sa.Alias, fits: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether another message like this goes, or went, to the same recipient, on the same story for its watchlist."""
    mine, its = alerts.alias(), alerts.alias()
    here = other.c.channel == deliveries.c.channel, other.c.recipient == deliveries.c.recipient
    story = its.c.story == mine.c.story, its.c.watchlist == mine.c.watchlist
    return sa.exists().where(mine.c.id == deliveries.c.alert, its.c.id == other.c.alert, *story, *here, fits)


def _with_its_roots(tx: sa.Connection, delivery: Delivery) -> Delivery:
    """With the server's ids of the message that it rewrites, or of the first one on its story."""
    if delivery.kind is DeliveryKind.EDIT:
        return replace(delivery, replaces=_remote_id(tx, delivery, delivery.alert))
    thread = delivery.message.thread
    if delivery.kind is DeliveryKind.ALERT and thread and thread != delivery.alert:
        return replace(delivery, thread_root=_remote_id(tx, delivery, thread))
    return delivery


def _remote_id(tx: sa.Connection, delivery: Delivery, alert: str) -> str | None:
    first = sa.and_(
        deliveries.c.alert == alert,
        deliveries.c.channel == delivery.channel,
        deliveries.c.recipient == delivery.recipient,
        deliveries.c.revision == 0,
        deliveries.c.state == DeliveryStatus.DELIVERED,
    )
    return tx.execute(sa.select(deliveries.c.remote_id).where(first)).scalar()


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def _settle(tx: sa.Connection, delivery: str, taken: tuple[str, ...] = (DeliveryStatus.SENDING,), **values) -> None:
    tx.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery, deliveries.c.state.in_(taken))
        .values(lease_until=None, **values)
    )


def _take_up(tx: sa.Connection, in_hand: sa.ColumnElement[bool], now: datetime, asking: Iterable[str]) -> int:
    asked = sa.and_(in_hand, deliveries.c.channel.in_(tuple(asking)))
    held = {
        "state": DeliveryStatus.HELD,
        "hold": HoldReason.AMBIGUOUS,
        "error": "stopped in mid-send; it may have arrived",
    }
    unrefused = sa.case((deliveries.c.attempts > 1, deliveries.c.attempts - 1), else_=1)  # nobody refused it
    common = {"lease_until": None, "doubt": True, "attempts": unrefused}
    count = tx.execute(deliveries.update().where(asked).values(**held, **common)).rowcount
    again = {"state": DeliveryStatus.QUEUED, **common}
    return count + tx.execute(deliveries.update().where(in_hand).values(**again)).rowcount


def _dissolve_around(tx: sa.Connection, members: sa.ColumnElement[bool]) -> None:
    """Take the digests apart that hold some of these and have certainly not arrived."""
    digests = sa.select(deliveries.c.merged_into).where(members, WAITS_IN_DIGEST).distinct()
    for digest in tx.execute(digests).scalars().all():
        dissolve(tx, digest)


def _end_members(tx: sa.Connection) -> None:
    """What was merged into a digest ends as the digest does."""
    digest = deliveries.alias()
    ended = digest.c.kind == DeliveryKind.DIGEST, digest.c.state.in_(ENDED_UNSENT)
    of_ended = sa.and_(
        deliveries.c.state == DeliveryStatus.MERGED,
        deliveries.c.merged_into.in_(sa.select(digest.c.id).where(*ended)),
    )
    same = sa.select(digest.c.state, digest.c.error).where(digest.c.id == deliveries.c.merged_into)
    tx.execute(
        deliveries.update()
        .where(of_ended)
        .values(
            state=same.with_only_columns(digest.c.state).scalar_subquery(),
            error=same.with_only_columns(digest.c.error).scalar_subquery(),
        )
    )
