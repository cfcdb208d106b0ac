"""The second half of the line: gather → claim → send → settle.

One worker a channel, so that no channel waits for another; a channel's messages go in the order in which they fall
due. A claim is committed before anything is sent; an accepted delivery is never sent again. What an answer means is
the sender's word, when to try again is pace's, what goes together is decided in digests.py.

        ┌────────┐   ┌──────────────┐
        │ gather │──▶│ outbox.claim │─▶ Delivery ─ send ─▶ Sent | DeliveryError ─ pace ─▶ outbox.settle_*
        └────────┘   └──────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol, TypeVar

from monitor import crash
from monitor.core.pace import expired, next_attempt
from monitor.core.render import plainest
from monitor.digests import EXPIRED, Gathering, expire, gather
from monitor.errors import DeliveryError, DeliveryErrorKind, StoreBusy, StoreDamaged, StoreError
from monitor.model import Attempted, Channel, Delivery, DeliveryKind, Sent, record
from monitor.store import backlog, channels, outbox
from monitor.store.channels import Trouble
from monitor.writer import Writer

T = TypeVar("T")
PROBE = timedelta(hours=1)  # a suspended channel is probed this often
SETTLE_AGAIN = timedelta(seconds=1)  # what could not be written down
TRIES_IN_A_PASS = 300  # then a one-shot run gives up
IN_PLACE = 5  # failed attempts after which a message lets those behind it pass: it may be the message's own fault


class Sender(Protocol):
    """What dispatch needs of a channel's sender."""

    digest_lines: int

    async def send(self, delivery: Delivery) -> Sent:
        """Send once; raises DeliveryError with the class of the answer."""


@record
class Ways:
    """How the channels want their messages."""

    channels: Mapping[str, Channel]
    zone: tzinfo
    collapse_above: int = 20

    @property
    def asking(self) -> tuple[str, ...]:
        """Channels where what may have arrived is not sent again by itself."""
        return tuple(name for name, channel in self.channels.items() if channel.holds_doubt)


class Dispatcher:
    """Delivers what the outbox holds.

    `gaps` is the least time between two messages, by channel; `ways` gives what is in force now; `say` is told every
    attempt, `refused` what the database refused, `stumbled` of a fault of ours or of a library, with its channel.
    """

    def __init__(
        self,
        writer: Writer,
        senders: Mapping[str, Sender],
        gaps: Mapping[str, timedelta],
        *,
        ways: Callable[[], Ways],
        clock: Callable[[], datetime],
        say: Callable[[Attempted], None],
        refused: Callable[[StoreError], None] = lambda error: None,
        stumbled: Callable[[str, Exception], None] = lambda channel, error: None,
    ):
        self._writer, self._senders, self._gaps = writer, senders, gaps
        self._ways, self._clock, self._say, self._refused, self._stumbled = ways, clock, say, refused, stumbled
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._in_hand: set[str] = set()  # claimed, and not settled
        self._tries: int | None = None  # to write down what came of an attempt; None: as long as the process lives
        self._stopping = asyncio.Event()

    async def tick(self) -> None:
        """Start a worker for every channel that has something due; awaits no send."""
        if self._stopping.is_set():
            return
        due = await self._writer.run(_due_channels, self._clock(), self._ways().asking, tuple(self._in_hand))
        for channel in due:
            if channel in self._senders and channel not in self._workers:
                worker = asyncio.create_task(self._deliver(channel, ignore_group_wait=False))
                self._workers[channel] = worker
                worker.add_done_callback(lambda ended, channel=channel: self._ended(channel, ended))

    def _ended(self, channel: str, worker: asyncio.Task[None]) -> None:
        """A worker that could not go on (the database was full, or busy for long) is told; the next tick tries anew."""
        self._workers.pop(channel, None)
        error = None if worker.cancelled() else worker.exception()
        if error is not None:
            self._say(Attempted(delivery="", alert="", channel=channel, outcome="stopped", error=str(error)))
        if isinstance(error, StoreError):
            self._refused(error)

    async def drain(self) -> None:
        """Deliver all that can go now, also what only waits for more copies of its story; for one-shot runs."""
        self._tries = TRIES_IN_A_PASS
        due = await self._writer.run(lambda tx: outbox.due_channels(tx, self._clock(), ignore_group_wait=True))
        ended = await asyncio.gather(
            *(self._deliver(channel, ignore_group_wait=True) for channel in due if channel in self._senders),
            return_exceptions=True,  # one that fails must not end the others in mid-send
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def stop(self, patience: timedelta) -> None:
        """Claim nothing more, and wait for what is being sent; what takes longer is settled at the next start. Who asks
        again does not wait again."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._workers:
            await asyncio.wait(tuple(self._workers.values()), timeout=patience.total_seconds())

    async def _deliver(self, channel: str, *, ignore_group_wait: bool) -> None:
        while not self._stopping.is_set():
            delivery = await self._claim(channel, ignore_group_wait)
            if delivery is None:
                return
            crash.reach("claimed")
            self._in_hand.add(delivery.id)
            try:
                self._say(await self._attempt(delivery))
            finally:
                self._in_hand.discard(delivery.id)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._gaps.get(channel, timedelta(0)).total_seconds())

    async def _claim(self, channel: str, ignore_group_wait: bool) -> Delivery | None:
        ways, now = self._ways(), self._clock()
        how = Gathering(
            channel=ways.channels.get(channel) or Channel(name=channel),
            zone=ways.zone,
            lines=self._senders[channel].digest_lines,
            collapse_above=ways.collapse_above,
        )

        def gather_and_claim(tx) -> Delivery | None:
            gather(tx, how, now, ignore_wait=ignore_group_wait)
            return outbox.claim(tx, channel, now, ignore_group_wait=ignore_group_wait)

        return await self._writer.run(gather_and_claim)

    async def _attempt(self, delivery: Delivery) -> Attempted:
        """Send once and settle. Returns what happened."""
        try:
            sent = await self._senders[delivery.channel].send(delivery)
        except DeliveryError as error:
            return await self._failed(delivery, error)
        except Exception as error:  # a fault of ours or of a library must not stop the channel's queue
            self._stumbled(delivery.channel, error)
            return await self._failed(delivery, DeliveryError(f"internal error: {type(error).__name__}"))
        crash.reach("accepted")
        now = self._clock()
        await self._settle(_settle_delivered, delivery, sent, now)
        crash.reach("settled")
        return replace(
            _fact(delivery, "delivered"),
            says=sent.answer if delivery.doubt or delivery.replaces else None,
            waited=(now - delivery.created_at).total_seconds() if delivery.kind is DeliveryKind.ALERT else None,
        )

    async def _failed(self, delivery: Delivery, error: DeliveryError) -> Attempted:
        settle = {DeliveryErrorKind.CHANNEL: _suspend, DeliveryErrorKind.MESSAGE: _refused}.get(error.kind, _again)
        holds = error.ambiguous and delivery.channel in self._ways().asking
        outcome = await self._settle(_hold if holds else settle, delivery, error, self._clock())
        return _fact(delivery, outcome, str(error))

    async def _settle(self, settle: Callable[..., T], *args: Any) -> T:
        """Write down what came of an attempt, however long the database does not take it, and a last time when the
        process ends: forgotten, it would be sent again."""
        tries = 0
        while True:
            tries += 1
            is_last = self._stopping.is_set() or tries == self._tries
            try:
                return await self._writer.run(settle, *args)
            except StoreDamaged:
                raise
            except StoreError as error:
                if is_last or (self._stopping.is_set() and isinstance(error, StoreBusy)):
                    raise
                self._refused(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), SETTLE_AGAIN.total_seconds())


# ── what follows from an attempt, each in one transaction ────────────────────────────────────────


def _due_channels(tx, now: datetime, asking: tuple[str, ...], in_hand: tuple[str, ...]) -> tuple[str, ...]:
    outbox.requeue_expired(tx, now, asking=asking, in_hand=in_hand)
    outbox.cancel_orphaned_edits(tx)
    return outbox.due_channels(tx, now)


def _settle_delivered(tx, delivery: Delivery, sent: Sent, now: datetime) -> None:
    outbox.settle_delivered(tx, delivery.id, sent, now)
    channels.resume(tx, delivery.channel, delivery.recipient)
    crash.reach("settling")


def _suspend(tx, delivery: Delivery, error: DeliveryError, now: datetime) -> str:
    """The channel is broken: its rows stay as they are, and it is probed later."""
    trouble = _more_trouble(tx, delivery, now, suspended=True)
    outbox.settle_retry(tx, delivery.id, error=str(error), burn_attempt=False)
    channels.pause(
        tx,
        delivery.channel,
        recipient=delivery.recipient,
        until=now + PROBE,
        error=str(error),
        trouble=trouble,
    )
    return "suspended"


def _refused(tx, delivery: Delivery, error: DeliveryError, now: datetime) -> str:
    """This message will never be taken as it is: once more in its plainest form, then it is a dead letter."""
    if delivery.plain and delivery.kind is DeliveryKind.DIGEST:  # one of its alerts may be what is refused
        backlog.dissolve(tx, delivery.id, alone=True)
        return "plain"
    least = plainest(delivery.message)
    if delivery.plain and delivery.message == least:
        outbox.settle_dead(tx, delivery.id, error=str(error))
        return "dead"
    outbox.settle_plain(tx, delivery.id, message=least, error=str(error))
    return "plain"


def _hold(tx, delivery: Delivery, error: DeliveryError, now: datetime) -> str:
    """It may have arrived: a person says whether it goes again."""
    outbox.settle_held(tx, delivery.id, error=str(error))
    return "held"


def _again(tx, delivery: Delivery, error: DeliveryError, now: datetime) -> str:
    """It is tried again, in its place: the recipient pauses, so that nothing overtakes it. After some attempts it lets
    the others pass, and after 72 h it is a dead letter."""
    trouble = _more_trouble(tx, delivery, now, suspended=False)
    wait = next_attempt(
        trouble.failures, now=now, delivery_id=f"{delivery.channel} {delivery.recipient}", retry_after=error.retry_after
    )
    said = {"until": wait, "error": str(error)}
    channels.pause(tx, delivery.channel, recipient=delivery.recipient, trouble=trouble, **said)
    if error.retry_after:
        channels.pause(tx, delivery.channel, **said)
    if expired(delivery.first_attempt_at or now, now):
        outbox.settle_dead(tx, delivery.id, error=f"{EXPIRED}; last: {error}")
        return "dead"
    lets_pass = delivery.attempts >= IN_PLACE and error.retry_after is None
    own = next_attempt(delivery.attempts, now=now, delivery_id=delivery.id) if lets_pass else None
    outbox.settle_retry(tx, delivery.id, error=str(error), next_attempt_at=own, doubt=error.ambiguous)
    expire(tx, delivery.channel, delivery.recipient, now)
    return "retry"


def _more_trouble(tx, delivery: Delivery, now: datetime, *, suspended: bool) -> Trouble:
    """One more failure in a row; what failed while suspended does not count against what is only down."""
    known = channels.trouble_of(tx, delivery.channel, delivery.recipient)
    if known.suspended != suspended:
        known = Trouble()
    return Trouble(failures=known.failures + 1, failing_since=known.failing_since or now, suspended=suspended)


def _fact(delivery: Delivery, outcome: str, error: str | None = None) -> Attempted:
    return Attempted(
        delivery=delivery.id,
        alert=delivery.alert,
        channel=delivery.channel,
        outcome=outcome,
        attempts=delivery.attempts,
        error=error,
    )
