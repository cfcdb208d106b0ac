"""`mailto(s)://`: one message to one recipient over SMTP.

Gives each mail one SMTP transaction of its own, within one deadline. Does not write the mail (`mail.py`
does, the same bytes whenever it is built), does not speak SMTP itself (`smtp.py`, which has the table of
answers) and does not retry. `mailto://` is plain SMTP, as Apprise has it, and takes a password only to this
host itself; `mailtos://` is STARTTLS, or TLS with `mode=ssl`.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from typing import Any

from monitor.edges.send import layout
from monitor.edges.send.apprise import build, count_addresses, read_url
from monitor.edges.send.mail import compose, message_id
from monitor.edges.send.smtp import Conversation, Server
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Sent

_WORKERS = 4  # ours: mails of one channel that may be under way at once
_GRACE = 1.0  # seconds in which a hung-up conversation says how it ended


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


class EmailSender:
    """Hands in mail at one server; each address of the URL (to, cc, bcc) is a recipient of its own."""

    idempotent = False
    edits = False
    threads = True
    digest_lines = 500

    def __init__(self, name: str, url: str, *, timeout: timedelta):
        """Raises ValueError (without the secret) where the URL names no server or no valid recipient."""
        parts = read_url(url) or {}
        problem, plugin = _read(parts)
        if problem:
            raise ValueError(f"channel {name}: {problem}")
        shown, address = plugin.from_addr
        self._from = Address(layout.one_line(str(shown or "wirewatch"), 80), addr_spec=address)
        self._reply_to = tuple(sorted(plugin.reply_to))
        addresses = [address for _, address in plugin.targets] + sorted(plugin.cc) + sorted(plugin.bcc)
        self.recipients: tuple[str, ...] = tuple(dict.fromkeys(addresses))
        self._server = Server(
            host=plugin.smtp_host.strip("[]"),
            port=plugin.port,
            secure=str(plugin.secure_mode),
            user=plugin.user,
            password=plugin.password,
            verified=plugin.verify_certificate,
        )
        self._seconds = timeout.total_seconds()
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix=f"mail-{name}")

    async def send(self, delivery: Delivery) -> Sent:
        """Send one message. Raises DeliveryError."""
        mail = self._compose(delivery)
        outcome = await self._hand_in(mail, delivery.recipient) if isinstance(mail, bytes) else mail
        if isinstance(outcome, DeliveryError):
            raise outcome
        return replace(outcome, remote_id=message_id(delivery, self._from.domain))

    def _compose(self, delivery: Delivery) -> bytes | DeliveryError:
        try:
            return compose(delivery, sender=self._from, reply_to=self._reply_to)
        except Exception as cause:  # the standard library's header folding raises IndexError and worse on odd text
            what = f"no mail could be made of this message ({type(cause).__name__})"
            return DeliveryError(what, kind=DeliveryErrorKind.MESSAGE)

    async def _hand_in(self, mail: bytes, recipient: str) -> Sent | DeliveryError:
        talk = Conversation(self._server, self._seconds)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, talk.hold, mail, self._from.addr_spec, recipient)
        return await self._within_time(running, talk)

    async def _within_time(
        self, running: asyncio.Future[Sent | DeliveryError], talk: Conversation
    ) -> Sent | DeliveryError:
        try:
            done, _ = await asyncio.wait({running}, timeout=self._seconds)
            if not done:
                talk.hang_up()
                done, _ = await asyncio.wait({running}, timeout=_GRACE)
        except asyncio.CancelledError:
            talk.hang_up()
            raise
        return running.result() if done else talk.broken("timed out")

    async def close(self) -> None:
        """Let go of the threads; one that still talks ends by its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _read(parts: dict[str, Any]) -> tuple[str, Any]:
    """The Apprise plug-in for a mailto URL, or what is wrong with it."""
    if any(parts.get(key) for key in ("pgp_mode", "use_pgp", "use_wkd")):
        return "mails are not encrypted; leave pgp out of the mailto:// URL", None
    asked = count_addresses(parts)
    if not asked and not parts.get("user"):
        return "a mailto:// URL says who gets the mail (?to=desk@example.org)", None
    if not parts.get("from_addr") and not parts.get("user"):
        host = str(parts.get("host") or "")
        parts["from_addr"] = f"wirewatch@{'localhost' if re.fullmatch(r'[0-9.]+|.*:.*', host) else host}"
    plugin = build(parts)
    if plugin is None:
        return "this mailto:// URL names no mail server or no valid sender", None
    return _mistake(plugin, asked), plugin


def _mistake(plugin: Any, asked: int) -> str:
    addresses = [plugin.from_addr[1], *(a for _, a in plugin.targets), *plugin.cc, *plugin.bcc, *plugin.reply_to]
    if len(plugin.targets) + len(plugin.cc) + len(plugin.bcc) < asked or not all(map(_valid, addresses)):
        return "one of the addresses in the mailto:// URL is not a valid address"
    if not f"{plugin.user or ''}{plugin.password or ''}".isascii():
        return "user and password of a mailto:// URL must be ASCII, which is all that SMTP logins know"
    if plugin.password and str(plugin.secure_mode) == "insecure" and not _is_here(plugin.smtp_host.strip("[]")):
        return "a password would cross the network in clear; write mailtos://"
    return ""


def _is_here(host: str) -> bool:
    return host == "localhost" or bool(re.fullmatch(r"127\.[0-9.]+|::1", host))


def _valid(address: str) -> bool:
    try:
        return address.isascii() and bool(Address(addr_spec=address).domain)
    except (ValueError, IndexError, MessageError):
        return False
