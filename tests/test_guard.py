"""What follows where the database cannot be trusted or written, with channels of the operator that fail in every way."""

from __future__ import annotations

import asyncio

import pytest

from monitor import alarm as alarm_room
from monitor.alarm import Alarm
from monitor.errors import DeliveryError, StoreDamaged, StoreError
from monitor.guard import Guard
from monitor.model import Channel
from monitor.storage import Storage
from tests.builders import NOW


class Sender:
    """Takes everything, stumbles, or never answers."""

    def __init__(self, error=None, *, hangs=False):
        self.error, self.hangs, self.told = error, hangs, []

    async def send(self, one):
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        self.told.append(one.message.title)


class Rig:
    def __init__(self, folder, **senders):
        self.senders, self.failed, self.said, self.ended = senders, [], [], []
        channels = [Channel(name=name, operator=True, recipients=("",)) for name in senders]
        alarm = Alarm(senders, lambda: channels, folder, clock=lambda: NOW, failed=lambda *about: self.failed.append(about))
        say = lambda event, **fields: self.said.append(event)  # noqa: E731
        self.guard = Guard(Storage(str(folder / "w.db")), alarm, clock=lambda: NOW, say=say, end=lambda: self.ended.append(True))

    def meets(self, error):
        """A tick meets this error; what was asked of the daemon before anybody had been told."""

        async def work():
            raise error

        async def live():
            await self.guard.minded(work)
            ended = bool(self.ended)
            await self.guard.finish()
            return ended

        return asyncio.run(live())


def test_a_sender_that_stumbles_keeps_nobody_from_ending_and_no_other_channel_from_hearing(tmp_path):
    rig = Rig(tmp_path, odd=Sender(RuntimeError("a library stumbles")), down=Sender(DeliveryError("HTTP 503")), ops=Sender())
    assert rig.meets(StoreDamaged("page 7"))
    assert isinstance(rig.guard.fatal, StoreDamaged)
    assert rig.failed == [("odd", "internal error: RuntimeError: a library stumbles"), ("down", "HTTP 503")]
    assert [title for title in rig.senders["ops"].told if "page 7" in title]


@pytest.mark.parametrize("error", [StoreDamaged("page 7"), StoreError("I/O error")], ids=lambda error: type(error).__name__)
def test_channels_that_hang_hold_up_no_tick_and_no_other_channel(tmp_path, monkeypatch, error):
    monkeypatch.setattr(alarm_room, "PATIENCE", 0.05)
    rig = Rig(tmp_path, one=Sender(hangs=True), two=Sender(hangs=True), ops=Sender())
    assert rig.meets(error) is isinstance(error, StoreDamaged)
    assert {channel for channel, _ in rig.failed} == {"one", "two"} and "not done within" in rig.failed[0][1]
    assert len(rig.senders["ops"].told) == 1
