"""The second half of the line: claim → send → settle.

One worker a channel, so that no channel waits for another; a channel's messages go in the order in which they fall
due. A claim is committed before anything is sent; an accepted delivery is never sent again. What an answer means is
the sender's word, when to try again is pace's.

        ┌──────────────┐
        │ outbox.claim │─▶ Delivery ─ send ─▶ Sent | DeliveryError ─ pace ─▶ outbox.settle_*
        └──────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from monitor import crash
from monitor.core.pace import expired, next_attempt
from monitor.core.render import plainest
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Attempted, Delivery, Sent
from monitor.store import outbox
from monitor.writer import Writer

PROBE = timedelta(hours=1)  # a suspended channel is probed this often


class Sender(Protocol):
    """What dispatch needs of a channel's sender."""

    async def send(self, delivery: Delivery) -> Sent:
        """Send once; raises DeliveryError with the class of the answer."""


class Dispatcher:
    """Delivers what the outbox holds.

    `gaps` is the least time between two messages, by channel; `say` is told every attempt.
    """

    def __init__(
        self,
        writer: Writer,
        senders: Mapping[str, Sender],
        gaps: Mapping[str, timedelta],
        *,
        clock: Callable[[], datetime],
        say: Callable[[Attempted], None],
    ):
        self._writer, self._senders, self._gaps, self._clock, self._say = writer, senders, gaps, clock, say
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def tick(self) -> None:
        """Start a worker for every channel that has something due; awaits no send."""
        if self._stopping:
            return
        due = await self._writer.run(_due_channels, self._clock())
        for channel in due:
            if channel in self._senders and channel not in self._workers:
                worker = asyncio.create_task(self._deliver(channel, ignore_group_wait=False))
                self._workers[channel] = worker
                worker.add_done_callback(lambda ended, channel=channel: self._ended(channel, ended))

    def _ended(self, channel: str, worker: asyncio.Task[None]) -> None:
        """A worker that could not go on (the database was full, or busy for long) is told; the next tick tries anew."""
        self._workers.pop(channel, None)
        if not worker.cancelled() and worker.exception() is not None:
            self._say(
                Attempted(delivery="", alert="", channel=channel, outcome="stopped", error=str(worker.exception()))
            )

    async def drain(self) -> None:
        """Deliver all that can go now, also what only waits for more copies of its story; for one-shot runs."""
        due = await self._writer.run(lambda tx: outbox.due_channels(tx, self._clock(), ignore_group_wait=True))
        ended = await asyncio.gather(
            *(self._deliver(channel, ignore_group_wait=True) for channel in due if channel in self._senders),
            return_exceptions=True,  # one that fails must not end the others in mid-send
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def stop(self, patience: timedelta) -> None:
        """Claim nothing more, and wait for what is being sent; what takes longer is settled at the next start."""
        self._stopping = True
        if self._workers:
            await asyncio.wait(tuple(self._workers.values()), timeout=patience.total_seconds())

    async def _deliver(self, channel: str, *, ignore_group_wait: bool) -> None:
        while not self._stopping:
            delivery = await self._writer.run(
                lambda tx: outbox.claim(tx, channel, self._clock(), ignore_group_wait=ignore_group_wait)
            )
            if delivery is None:
                return
            crash.reach("claimed")
            attempted, goes_on = await self._attempt(delivery)
            self._say(attempted)
            if not goes_on:
                return
            await asyncio.sleep(self._gaps.get(channel, timedelta(0)).total_seconds())

    async def _attempt(self, delivery: Delivery) -> tuple[Attempted, bool]:
        """Send once and settle. Returns what happened, and whether the channel takes more now."""
        try:
            sent = await self._senders[delivery.channel].send(delivery)
        except DeliveryError as error:
            return await self._failed(delivery, error)
        except Exception as error:  # a fault of ours or of a library must not stop the channel's queue
            return await self._failed(delivery, DeliveryError(f"internal error: {type(error).__name__}"))
        crash.reach("accepted")
        now = self._clock()
        await self._writer.run(lambda tx: _settle_delivered(tx, delivery, sent, now))
        crash.reach("settled")
        return _fact(delivery, "delivered"), True

    async def _failed(self, delivery: Delivery, error: DeliveryError) -> tuple[Attempted, bool]:
        now, said = self._clock(), str(error)
        if error.kind is DeliveryErrorKind.CHANNEL:
            await self._writer.run(lambda tx: _suspend(tx, delivery, said, now))
            return _fact(delivery, "suspended", said), True
        if error.kind is DeliveryErrorKind.MESSAGE and not delivery.plain:
            message = plainest(delivery.message)
            await self._writer.run(
                lambda tx: outbox.settle_plain(tx, delivery.id, message=message, error=said, now=now)
            )
            return _fact(delivery, "plain", said), True
        if error.kind is DeliveryErrorKind.MESSAGE or expired(delivery.first_attempt_at or now, now):
            await self._writer.run(lambda tx: outbox.settle_dead(tx, delivery.id, error=said))
            return _fact(delivery, "dead", said), True
        again = next_attempt(delivery.attempts, now=now, delivery_id=delivery.id, retry_after=error.retry_after)
        await self._writer.run(lambda tx: _settle_retry(tx, delivery, said, again, error.retry_after, now))
        return _fact(delivery, "retry", said), error.retry_after is None


def _due_channels(tx, now: datetime) -> tuple[str, ...]:
    outbox.requeue_expired(tx, now)
    return outbox.due_channels(tx, now)


def _settle_delivered(tx, delivery: Delivery, sent: Sent, now: datetime) -> None:
    outbox.settle_delivered(tx, delivery.id, sent, now)
    outbox.resume(tx, delivery.channel, delivery.recipient)
    crash.reach("settling")


def _settle_retry(
    tx, delivery: Delivery, said: str, again: datetime, retry_after: timedelta | None, now: datetime
) -> None:
    outbox.settle_retry(tx, delivery.id, error=said, next_attempt_at=again)
    if retry_after is not None:
        until = now + max(retry_after, timedelta(seconds=1))
        outbox.pause(tx, delivery.channel, until=until, suspended=False, error=said)


def _suspend(tx, delivery: Delivery, said: str, now: datetime) -> None:
    outbox.settle_retry(tx, delivery.id, error=said, next_attempt_at=now, burn_attempt=False)
    outbox.pause(tx, delivery.channel, recipient=delivery.recipient, until=now + PROBE, suspended=True, error=said)


def _fact(delivery: Delivery, outcome: str, error: str | None = None) -> Attempted:
    return Attempted(
        delivery=delivery.id,
        alert=delivery.alert,
        channel=delivery.channel,
        outcome=outcome,
        attempts=delivery.attempts,
        error=error,
    )
