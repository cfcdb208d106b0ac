"""What follows where the database cannot be trusted or written, with channels of the operator that fail in every way."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from monitor import alarm as alarm_room
from monitor.alarm import Alarm
from monitor.errors import DeliveryError, StoreDamaged, StoreError, StoreFull
from monitor.guard import Guard
from monitor.model import Channel
from monitor.storage import Storage


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
        failed = lambda *about: self.failed.append(about)  # noqa: E731
        self.now = datetime.now(UTC)
        self.alarm = alarm = Alarm(senders, lambda: channels, folder, folder / "shm", clock=lambda: self.now, failed=failed)
        say = lambda event, **fields: self.said.append(event)  # noqa: E731
        self.guard = Guard(Storage(str(folder / "w.db")), alarm, clock=lambda: self.now, say=say, end=lambda: self.ended.append(True))

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


def unwritable(path):
    """Where nothing can be written, by root neither."""
    (path / alarm_room.NOTE / "in the way").mkdir(parents=True)


def test_where_the_disk_takes_no_note_it_is_told_once_an_hour(tmp_path):
    (tmp_path / "shm").mkdir()
    unwritable(tmp_path)
    rig = Rig(tmp_path, ops=Sender())
    told = []
    for minutes in (0, 10, 40, 20, 5):
        rig.now += timedelta(minutes=minutes)
        asyncio.run(rig.alarm.tell_once(StoreFull("no room")))
        for note in (tmp_path / "shm").iterdir():
            written = rig.now.timestamp() if len(rig.senders["ops"].told) > len(told) else note.stat().st_mtime
            os.utime(note, (written, written))
        told = list(rig.senders["ops"].told)
    assert len(told) == 2
    asyncio.run(rig.alarm.tell_once(StoreError("read-only")))
    assert len(rig.senders["ops"].told) == 3, "another trouble"
    rig.alarm.is_over()
    assert list((tmp_path / "shm").iterdir()) == []


def test_where_nothing_can_be_noted_at_all_nothing_is_told(tmp_path):
    unwritable(tmp_path)
    rig = Rig(tmp_path, ops=Sender())
    asyncio.run(rig.alarm.tell_once(StoreFull("no room")))
    assert rig.senders["ops"].told == []
