"""Channels as configured → senders, and a marked test message through one of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from monitor.config import ChannelConfig
from monitor.core.names import name_of
from monitor.edges.send import Sender, open_sender
from monitor.errors import ConfigError, DeliveryError, Problem
from monitor.model import Delivery, Level, Message, record

TEST_MESSAGE = Message(
    headline="[test] wirewatch — this channel works",
    title="This is a test message of wirewatch; nothing has happened",
    url="https://example.org/",
    watchlist="test",
    watchlist_title="Test",
    level=Level.NORMAL,
    lead="Sent by `wirewatch test-channel`. Alerts on this channel will look like this.",
    why=("sent by hand",),
    story="test",
    thread="test",
)


@record
class Answer:
    """What one recipient's server said."""

    ok: bool
    says: str


def open_senders(
    channels: tuple[ChannelConfig, ...], path: Path, *, state_dir: Path | None = None
) -> dict[str, Sender]:
    """A sender for every channel, by name; opens no connection.

    `path` is the configuration file, for messages; `state_dir` is where a channel may keep what it must not lose.
    Raises ConfigError with every address that is none; that one is not where it is kept, reading the file has told.
    """
    senders, problems = {}, []
    for channel in channels:
        if not channel.url.get_secret_value() and not isinstance(channel.settings.url, str):
            continue
        try:
            senders[channel.name] = open_sender(channel.name, channel.url.get_secret_value(), state_dir=state_dir)
        except ValueError as error:
            says = str(error).removeprefix(f"channel {channel.name}: ")
            problems.append(Problem(file=str(path), line=channel.line, key=f"channel.{channel.name}.url", says=says))
    if problems:
        raise ConfigError(problems)
    return senders


async def send_test(
    channel: ChannelConfig, path: Path, *, now: datetime, state_dir: Path | None = None
) -> tuple[Answer, ...]:
    """Send the test message to every recipient of a channel; a failure is an answer, too.

    `path` is the configuration file, for messages. Raises ConfigError where the address is none.
    """
    sender = open_senders((channel,), path, state_dir=state_dir)[channel.name]
    try:
        return tuple([await _send_one(channel.name, recipient, sender, now) for recipient in sender.recipients])
    finally:
        await sender.close()


async def _send_one(channel: str, recipient: str, sender: Sender, now: datetime) -> Answer:
    delivery = Delivery(
        id=name_of("test", channel, recipient, now.isoformat()),
        alert="test",
        channel=channel,
        recipient=recipient,
        message=TEST_MESSAGE,
        created_at=now,
        next_attempt_at=now,
    )
    to = f"to {recipient}: " if recipient else ""
    try:
        sent = await sender.send(delivery)
    except DeliveryError as error:
        return Answer(ok=False, says=f"{to}failed ({error.kind}): {error}")
    return Answer(ok=True, says=f"{to}accepted{': ' + sent.answer if sent.answer else ''}")
