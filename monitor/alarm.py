"""The operator is told past the outbox, of what the outbox cannot carry: trouble with the database itself.

What ends the daemon is told once, however often systemd starts it again: a note beside the database says of what. Where
that disk takes none, one in memory does, and it is told again every hour. Decides nothing, and does not log: `failed`
is told which channel did not take it, and why.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from monitor import operator
from monitor.core.names import name_of
from monitor.edges.send import Sender
from monitor.errors import DeliveryError, MonitorError
from monitor.model import Channel, Delivery

NOTE = "operator.told"
AGAIN = timedelta(hours=1)  # of what is noted in memory alone
PATIENCE = 15  # seconds for a channel: less than what is left between SIGTERM and SIGKILL


class Alarm:
    """Sends to the operator's channels at once. `senders` and `channels` are those in force."""

    def __init__(
        self,
        senders: Mapping[str, Sender],
        channels: Callable[[], Iterable[Channel]],
        folder: Path,
        in_memory: Path,
        *,
        clock: Callable[[], datetime],
        failed: Callable[[str, str], None],
    ):
        self._senders, self._channels, self._clock, self._failed = senders, channels, clock, failed
        self._note = folder / NOTE
        whose = name_of("folder", str(folder.absolute()))  # others may note theirs in memory, too
        self._in_memory = in_memory / f"{NOTE}.{whose}"

    async def tell(self, says: str, do: str) -> None:
        """Try each operator channel once, all at the same time: better twice after a crash than not at all."""
        by_channel: dict[str, list[Delivery]] = {}
        for one in operator.past_the_outbox(says, do, self._channels(), now=self._clock()):
            by_channel.setdefault(one.channel, []).append(one)
        await asyncio.gather(*(self._send(channel, messages) for channel, messages in by_channel.items()))

    async def _send(self, channel: str, messages: Iterable[Delivery]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                for one in messages:
                    await self._senders[channel].send(one)
        except DeliveryError as error:
            self._failed(channel, str(error))
        except TimeoutError:
            self._failed(channel, f"not done within {PATIENCE} seconds")
        except Exception as error:  # whatever a library stumbles over: the other channels are told all the same
            self._failed(channel, f"internal error: {type(error).__name__}: {error}")

    async def tell_once(self, error: MonitorError) -> None:
        """Tell why nothing runs, unless the last thing told is of the same kind."""
        kind, text = type(error).__name__, f"{type(error).__name__}: {error}\n"
        if _noted(self._note).startswith(kind):
            return
        if not _note(self._note, text):
            lately = self._clock().timestamp() - AGAIN.total_seconds()
            if _noted(self._in_memory, since=lately).startswith(kind) or not _note(self._in_memory, text):
                return  # where nothing can be noted, the same would be told at every start
        await self.tell(f"wirewatch does not run: {error}", "Nothing is polled and nothing sent until then.")

    def is_over(self) -> None:
        """All is well again: the same may be told anew."""
        for note in (self._note, self._in_memory):
            with suppress(OSError):
                note.unlink(missing_ok=True)


def _noted(note: Path, *, since: float = 0.0) -> str:
    """What stands in a note of ours that is not older, or ""."""
    try:
        with os.fdopen(os.open(note, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as handle:
            found = os.fstat(handle.fileno())
            return handle.read(200) if found.st_uid == os.geteuid() and found.st_mtime >= since else ""
    except (OSError, ValueError):
        return ""


def _note(note: Path, text: str) -> bool:
    """Whether it could be written."""
    try:
        note.unlink(missing_ok=True)
        with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as handle:
            handle.write(text)
    except OSError:
        return False
    return True
