"""The operator is told past the outbox, of what the outbox cannot carry: trouble with the database itself.

What ends the daemon is told once, however often systemd starts it again: a note beside the database says of what.
Decides nothing, and does not log: `failed` is told which channel did not take it, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from monitor import operator
from monitor.edges.send import Sender
from monitor.errors import DeliveryError, MonitorError
from monitor.model import Channel, Delivery

NOTE = "operator.told"
PATIENCE = 15  # seconds for a channel: less than what is left between SIGTERM and SIGKILL


class Alarm:
    """Sends to the operator's channels at once. `senders` and `channels` are those in force."""

    def __init__(
        self,
        senders: Mapping[str, Sender],
        channels: Callable[[], Iterable[Channel]],
        folder: Path,
        *,
        clock: Callable[[], datetime],
        failed: Callable[[str, str], None],
    ):
        self._senders, self._channels, self._clock, self._failed = senders, channels, clock, failed
        self._note = folder / NOTE

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
        kind = type(error).__name__
        try:
            if self._note.exists() and self._note.read_text(encoding="utf-8").startswith(kind):
                return
            self._note.write_text(f"{kind}: {error}\n", encoding="utf-8")
        except OSError:
            return  # where nothing can be noted, the same would be told at every start
        await self.tell(f"wirewatch does not run: {error}", "Nothing is polled and nothing sent until then.")

    def is_over(self) -> None:
        """All is well again: the same may be told anew."""
        self._note.unlink(missing_ok=True)
