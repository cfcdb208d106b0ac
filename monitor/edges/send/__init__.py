"""Channels: where a URL's scheme decides which sender carries a message.

`mailto(s)://`, `slack://`, `matrix(s)://` and `console://` have senders of our own; all else goes
through Apprise. A sender makes one attempt at a time: it does not wait, retry, or remember.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from monitor.model import Delivery, Sent

TIMEOUT = timedelta(seconds=30)
"""For one whole attempt. Servers that are slow to say yes are common; a second copy is worse than a wait."""

GAPS = {  # design: one a second to Slack and by SMTP, two to a Matrix homeserver
    "slack": timedelta(seconds=1),
    "matrix": timedelta(seconds=0.5),
    "matrixs": timedelta(seconds=0.5),
    "mailto": timedelta(seconds=1),
    "mailtos": timedelta(seconds=1),
}
_SLACK_WEB = re.compile(r"https?://hooks\.slack(-gov)?\.com/", re.IGNORECASE)


class Sender(Protocol):
    """Carries messages to one channel."""

    recipients: tuple[str, ...]
    """Whom a message goes to, one delivery each; `("",)` where the channel has just one."""
    edits: bool
    """Whether a sent message can be rewritten in place (a delivery of kind EDIT, `delivery.replaces`)."""
    threads: bool
    """Whether an update can go under the story's first message (`delivery.thread_root`)."""
    idempotent: bool
    """Whether the server shows a message once however often it is sent under one id."""
    digest_lines: int
    """How many alerts one message can list without being cut."""

    async def send(self, delivery: Delivery) -> Sent:
        """Make one attempt. Returns what the server gave back; raises DeliveryError, whose text and
        chain hold no secret. `delivery.id` is the key against doubles where a channel has one."""

    async def close(self) -> None:
        """Let go of connections. No send may follow."""


def least_gap(url: str) -> timedelta:
    """The least time between two messages that a service asks for (Slack: one a second a webhook), or none."""
    scheme = "slack" if _SLACK_WEB.match(url) else url.partition("://")[0].lower()
    return GAPS.get(scheme, timedelta(0))


def open_sender(name: str, url: str, *, timeout: timedelta = TIMEOUT, state_dir: Path | None = None) -> Sender:
    """The sender for a channel: `name` as configured, `url` with its secrets filled in.

    `state_dir` is a folder where a channel may keep what it must not lose, such as keys for encrypted rooms;
    without it, such rooms are refused. Opens no connection and no file. Raises ValueError with a sentence for
    the operator, without the secret, where no channel is written so.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if not scheme:
        raise ValueError(f"channel {name}: a channel is written as a URL, such as mailto://, slack:// or console://")
    if scheme == "slack" or _SLACK_WEB.match(url):
        from monitor.edges.send.slack import SlackSender

        return SlackSender(name, url, timeout=timeout)
    return _open_other(scheme, name, url, timeout, state_dir)


def _open_other(scheme: str, name: str, url: str, timeout: timedelta, state_dir: Path | None) -> Sender:
    if scheme == "console":
        from monitor.edges.send.console import ConsoleSender

        return ConsoleSender(name, url)
    if scheme in ("mailto", "mailtos"):
        from monitor.edges.send.email import EmailSender

        return EmailSender(name, url, timeout=timeout)
    if scheme in ("matrix", "matrixs"):
        from monitor.edges.send.matrix import MatrixSender, speaks_matrix

        if speaks_matrix(url):
            return MatrixSender(name, url, timeout=timeout, state_dir=state_dir)
    from monitor.edges.send.apprise import AppriseSender

    return AppriseSender(name, url, timeout=timeout)
