"""The program with one known mistake each. A harness that does not find these proves nothing.

Each function patches the running process (a forked daemon) and is named in `DESIGNS`.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace


def etag_saved_first() -> None:
    """The validators are saved when the answer comes, the entries later; killed in between, it gets a 304."""
    from monitor.ingest import Ingest
    from monitor.model import Fetched
    from monitor.store.schema import feeds

    whole = Ingest._read

    async def read(self, feed, state):
        fetched = self._fetch

        async def fetch_and_save(feed, validators):
            answer = await fetched(feed, validators)
            if isinstance(answer, Fetched):
                etag = feeds.update().where(feeds.c.name == feed.name).values(etag=answer.validators.etag)
                await self._writer.run(lambda tx: tx.execute(etag))
            return answer

        self._fetch = fetch_and_save
        try:
            return await whole(self, feed, state)
        finally:
            self._fetch = fetched

    Ingest._read = read


def one_transaction_an_entry() -> None:
    """Every entry is saved by itself, the validators with the first: killed in between, the rest is never seen."""
    from monitor.ingest import Ingest

    save = Ingest._save

    async def save_one_by_one(self, batch):
        facts = []
        for reading in batch:
            for entry in reading.entries or (None,):
                part = reading if entry is None else replace(reading, entries=(entry,))
                facts += await save(self, [part])
        return tuple(facts)

    Ingest._save = save_one_by_one


def mark_before_send() -> None:
    """A delivery is on record as delivered before it is sent; what then goes wrong is never known."""
    from monitor.dispatch import Dispatcher
    from monitor.model import Sent
    from monitor.store import outbox

    attempt = Dispatcher._attempt

    async def mark_and_attempt(self, delivery, *more):
        now = self._clock()
        await self._writer.run(lambda tx: outbox.settle_delivered(tx, delivery.id, Sent(), now))
        return await attempt(self, delivery, *more)

    Dispatcher._attempt = mark_and_attempt


def fire_and_forget() -> None:
    """A send is started and taken for done; nobody looks at what becomes of it."""
    from monitor.app import App
    from monitor.model import Sent

    use, running = App._use_senders, set()

    class Careless:
        def __init__(self, sender):
            self._sender = sender

        def __getattr__(self, name):
            return getattr(self._sender, name)

        async def send(self, delivery):
            task = asyncio.ensure_future(self._sender.send(delivery))
            running.add(task)
            task.add_done_callback(lambda ended: (running.discard(ended), ended.cancelled() or ended.exception()))
            return Sent()

    App._use_senders = lambda self, senders, *more: use(
        self, {name: Careless(sender) for name, sender in senders.items()}, *more
    )


def random_transaction_ids() -> None:
    """Every attempt has a Matrix transaction id of its own, so the homeserver cannot know a message again."""
    from monitor.edges.send.matrix import MatrixSender

    send = MatrixSender.send

    async def send_as_new(self, delivery):
        return await send(self, replace(delivery, id=uuid.uuid4().hex[:20]))

    MatrixSender.send = send_as_new


def impatient() -> None:
    """No mistake, a condition: sends are given up after a second, so that a test need not wait for half a minute."""
    from datetime import timedelta
    from functools import partial

    import monitor.channels

    monitor.channels.open_sender = partial(monitor.channels.open_sender, timeout=timedelta(seconds=1))


def clock_jumps() -> None:
    """No mistake, a condition: the clock is ahead by as many seconds as the file $CLOCK_JUMP says."""
    import os
    from datetime import timedelta
    from pathlib import Path

    import monitor.commands.context

    made, path = monitor.commands.context.clock_from, Path(os.environ["CLOCK_JUMP"])

    def clock_from(start, speed):
        steady = made(start, speed)
        return lambda: steady() + timedelta(seconds=float(path.read_text()) if path.exists() else 0)

    monitor.commands.context.clock_from = clock_from


def stumbles() -> None:
    """No mistake of the design, one of the program: it cannot judge an item with the word "poison"."""
    from monitor.core import pipeline

    judge = pipeline.judge

    def judge_or_stumble(arrivals, *more, **named):
        if any("poison" in arrival.entry.title for arrival in arrivals):
            raise ZeroDivisionError("no such score")
        return judge(arrivals, *more, **named)

    pipeline.judge = judge_or_stumble


DESIGNS = {
    design.__name__: design
    for design in (
        etag_saved_first,
        one_transaction_an_entry,
        mark_before_send,
        fire_and_forget,
        random_transaction_ids,
        impatient,
        clock_jumps,
        stumbles,
    )
}
