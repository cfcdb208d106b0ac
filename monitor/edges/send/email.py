"""`mailto(s)://`: one message to one recipient over SMTP.

Builds the mail (the same bytes for the same delivery, whenever it is built) and gives it one SMTP
transaction of its own, within one deadline. Does not speak SMTP itself (`smtp.py` does) and does not
retry. `mailto://` is plain SMTP, as Apprise has it; `mailtos://` is STARTTLS, or TLS with `mode=ssl`.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any

from monitor.edges.send import layout
from monitor.edges.send.apprise import build, count_addresses, read_url
from monitor.edges.send.smtp import Conversation, Server
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Level, Message, Sent

_WORKERS = 4  # ours: mails of one channel that may be under way at once
_UNFOLDED = SMTP.clone(max_line_length=998)  # RFC 5322's limit: only the subject is long, and it is folded here
_GRACE = 1.0  # seconds in which a hung-up conversation says how it ended


# ── the mail ─────────────────────────────────────────────────────────────────────────────────────


def compose(delivery: Delivery, *, sender: Address, reply_to: tuple[str, ...] = ()) -> bytes:
    """The whole mail for `delivery.recipient`, CRLF lines, ASCII throughout. Same delivery, same bytes."""
    message, domain = delivery.message, sender.domain
    mail = EmailMessage(policy=_UNFOLDED)
    mail["From"], mail["To"] = sender, Address(addr_spec=delivery.recipient)
    if reply_to:
        mail["Reply-To"] = tuple(Address(addr_spec=address) for address in reply_to)
    mail["Date"] = format_datetime(delivery.created_at.astimezone(UTC).replace(microsecond=0))
    mail["Message-ID"] = f"<{_token(delivery.id)}@{domain}>"
    _thread(mail, delivery, domain)
    mail["List-Id"] = f"<{_token(message.watchlist) or 'operator'}.wirewatch.{domain}>"
    if message.watchlist:
        mail["X-Wirewatch-Watchlist"] = _token(message.watchlist)
    mail["X-Wirewatch-Level"] = str(message.level)
    if message.level is Level.URGENT:
        mail["Importance"] = "high"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(_text(message)) + "\n", cte="quoted-printable")
    if not delivery.plain:  # what was refused with its HTML part goes once more without
        mail.add_alternative(html(message), subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_wirewatch_{_token(delivery.id)[:40]}")
    return _subject(message) + mail.as_bytes()


def _subject(message: Message) -> bytes:
    """The subject line, folded by the older of the standard library's two encoders: the newer one
    (as of Python 3.13) loses spaces where it folds text that is not ASCII. ASCII goes as it is, but
    not `=?`, which a reader would take for encoded words, nor words too long to fold."""
    text = layout.headline(message)
    plain = text.isascii() and "=?" not in text and all(len(word) < 60 for word in text.split())
    header = Header(text, "us-ascii" if plain else "utf-8", maxlinelen=76, header_name="Subject")
    folded = header.encode(linesep="\r\n")
    return f"Subject: {folded}\r\n".encode("ascii")


def _token(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:120]


def _thread(mail: EmailMessage, delivery: Delivery, domain: str) -> None:
    """All mails on one story of one watchlist refer to one id that no mail bears, so readers gather
    them whatever the first one's own id was."""
    first = delivery.message.thread or delivery.alert
    root = f"<story.{_token(first)}@{domain}>"
    if first != delivery.alert or delivery.revision:
        mail["In-Reply-To"] = root
    mail["References"] = root


def _text(message: Message) -> tuple[str, ...]:
    return tuple(filter(None, (layout.badge(message), *layout.paragraphs(message))))


def html(message: Message) -> str:
    """The sober HTML part: our tags, escaped text, nothing that a mail client would load."""
    loud = "color:#b00020;font-weight:bold" if message.level is Level.URGENT else "color:#555"
    parts = (
        _p(escape(layout.badge(message)), loud),
        _p(_link(layout.title(message), message.url), "font-size:1.25em;font-weight:bold;line-height:1.3"),
        _p("<br>".join(escape(x) for x in (layout.facts(message), layout.one_line(message.spread)) if x), "color:#555"),
        _p(escape(layout.one_line(message.lead))),
        _reasons(message),
        _p(_link("Story and all copies", message.story_link) if layout.web_address(message.story_link) else ""),
    )
    style = "font-family:sans-serif;font-size:16px;line-height:1.5;max-width:40em;margin:0"
    head = '<html><head><meta charset="utf-8"></head>'
    return f'{head}<body style="{style}">\n' + "\n".join(filter(None, parts)) + "\n</body></html>\n"


def _p(inner: str, style: str = "") -> str:
    return f'<p style="margin:0 0 .8em;{style}">{inner}</p>' if inner else ""


def _link(text: str, url: str) -> str:
    address = layout.web_address(url)
    if not address:
        return escape(text)
    before, words = layout.link_text(text, url)
    link = f'<a href="{escape(address)}">{escape(words)}</a>'
    return f"{escape(before)}<br>{link}" if before else link


def _reasons(message: Message) -> str:
    items = (layout.split_link(line) for line in layout.reasons(message))
    listed = "".join(f"<li>{_link(text, url)}</li>" for text, url in items)
    style = "margin:.2em 0 .8em;padding-left:1.2em"
    return f'<p style="margin:0">Why:</p>\n<ul style="{style}">{listed}</ul>' if listed else ""


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


class EmailSender:
    """Hands in mail at one server; each address of the URL (to, cc, bcc) is a recipient of its own."""

    edits = False
    threads = False
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
        return outcome

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
    return ""


def _valid(address: str) -> bool:
    try:
        return address.isascii() and bool(Address(addr_spec=address).domain)
    except (ValueError, IndexError, MessageError):
        return False
