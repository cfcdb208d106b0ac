"""What the tests of all senders share: a message as it really comes, and the questions asked of each."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.edges.send import open_sender
from monitor.errors import DeliveryError
from monitor.model import Delivery, Level, Message, Sent

CREATED = datetime(2025, 11, 25, 3, 12, 9, 123456, tzinfo=UTC)

MESSAGE = Message(
    headline="[urgent] North Korea: arms — Freighter with “missile parts” held off Busan & Ulsan (Harbour Gazette)",
    title="Freighter with “missile parts” held off Busan & Ulsan",
    url="https://harbour.example/world/freighter?id=7&utm=x",
    watchlist="dprk-arms",
    watchlist_title="North Korea: arms",
    level=Level.URGENT,
    outlet="Harbour Gazette",
    credit="Reuters",
    published="Tue 25 Nov 2025, 03:07 GMT",
    lead="The coast guard boarded the vessel after a tip-off and found crates marked as farm machinery.",
    why=("score 14, alerts from 8", "+8 missile parts, in the title: “with missile parts held”"),
    spread="3 outlets: Harbour Gazette, Kite Post, Daily Wire",
    story="s1",
    thread="a1",
    story_link="https://watch.example/stories/s1",
)

TOLD = (MESSAGE.title, MESSAGE.url, MESSAGE.outlet, MESSAGE.published, MESSAGE.lead, *MESSAGE.why, MESSAGE.spread)
"""What every channel must tell of `MESSAGE`."""

HOSTILE = (
    "<!channel> <!here> <@U1> <!subteam^S1> <#C1> @channel @room @everyone <https://evil.example|https://bank.example> "
    "[https://bank.example](https://evil.example) <script>alert(1)</script> <img src=http://t.example/x.png> "
    '</blockquote></p> "quoted" {{7*7}} %s ${x} {0.__class__} *b* _i_ `c` :fire: \\n &amp;'
)
"""Every class of injection at once; comes clean of control characters, as all messages do."""


def delivery(message: Message = MESSAGE, **fields: Any) -> Delivery:
    """A delivery of `message`; other fields by name."""
    known: dict[str, Any] = {
        "id": "d0123456789abcdef012",
        "alert": "a2",
        "channel": "desk",
        "recipient": "",
        "created_at": CREATED,
        "next_attempt_at": CREATED,
    }
    return Delivery(message=message, **(known | fields))


def hostile_message() -> Message:
    """A message in which every outside string is hostile."""
    return replace(
        MESSAGE,
        headline=f"[urgent] North Korea — {HOSTILE}",
        title=HOSTILE,
        outlet=HOSTILE,
        credit=HOSTILE,
        lead=HOSTILE,
        why=(HOSTILE,),
        spread=HOSTILE,
        watchlist_title=HOSTILE,
    )


def send(
    url: str, *deliveries: Delivery, timeout: float = 10, state_dir: Path | None = None, name: str = "desk"
) -> list[Sent | DeliveryError]:
    """Send these one after the other through one sender (to each recipient where none is named)."""
    sender = open_sender(name, url, timeout=timedelta(seconds=timeout), state_dir=state_dir)
    return asyncio.run(_send(sender, deliveries or (delivery(),)))


async def _send(sender: Any, deliveries: tuple[Delivery, ...]) -> list[Sent | DeliveryError]:
    outcomes: list[Sent | DeliveryError] = []
    try:
        for each in deliveries:
            for recipient in (each.recipient,) if each.recipient else sender.recipients:
                outcomes.append(await _attempt(sender, replace(each, recipient=recipient)))
    finally:
        await sender.close()
    return outcomes


async def _attempt(sender: Any, each: Delivery) -> Sent | DeliveryError:
    try:
        return await sender.send(each)
    except DeliveryError as error:
        return error


def refused(url: str, *deliveries: Delivery, timeout: float = 10, state_dir: Path | None = None) -> DeliveryError:
    """The error that the last of these sends ended with."""
    outcome = send(url, *deliveries, timeout=timeout, state_dir=state_dir)[-1]
    assert isinstance(outcome, DeliveryError), outcome
    return outcome


def accepted(url: str, *deliveries: Delivery, state_dir: Path | None = None, name: str = "desk") -> Sent:
    """What the last of these sends gave back."""
    outcome = send(url, *deliveries, state_dir=state_dir, name=name)[-1]
    assert isinstance(outcome, Sent), outcome
    return outcome


def is_over(thread: str, within: float = 5) -> bool:
    """Whether all threads with this in their names have ended."""
    end = time.monotonic() + within
    while any(thread in each.name for each in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    return time.monotonic() < end


def everything_said(error: BaseException) -> str:
    """All text that an error and what it hangs on could put into a log."""
    return "\n".join(map(_said, _chain(error))) + "".join(traceback.format_exception(error))


def _said(error: BaseException) -> str:
    return f"{error!r} {error} {error.args!r} {vars(error)!r}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class Listener(logging.Handler):
    """Hears every log record of every logger at every level, from `with` to the end of the block."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note the record as it would be written."""
        self.heard.append(self.format(record))

    def __enter__(self) -> Listener:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(1)
        root.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
