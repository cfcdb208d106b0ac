"""A message as a mail: headers, plain text and a sober HTML part.

The same delivery makes the same bytes, whenever it is built. Knows nothing of SMTP.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from monitor.edges.send import layout
from monitor.model import Delivery, Message

_UNFOLDED = SMTP.clone(max_line_length=998)  # RFC 5322's limit: only the subject is long, and it is folded here

_STYLE = """\
:root { color-scheme: light dark; supported-color-schemes: light dark }
@media (prefers-color-scheme: dark) {
  body { background: #16181b !important; color: #e6e6e6 !important }
  .quiet { color: #a6abb2 !important }
  .loud { color: #ff8a80 !important; border-color: #ff8a80 !important }
  a { color: #8ab4f8 !important }
}"""
_BODY = "font-family:sans-serif;font-size:16px;line-height:1.5;color:#1c1e21;background:#fff;margin:0;padding:16px"
_QUIET, _LOUD = "color:#5a6068", "color:#b00020;font-weight:bold"
_BANNER = "border:2px solid #b00020;padding:.5em .8em;font-size:1.25em"


# ── the mail ─────────────────────────────────────────────────────────────────────────────────────


def message_id(delivery: Delivery, domain: str) -> str:
    """The Message-ID of a delivery's mail: the same for each attempt, so that readers and servers which
    drop doubles can."""
    return f"<{_token(delivery.id)}@{domain}>"


def compose(delivery: Delivery, *, sender: Address, reply_to: tuple[str, ...] = ()) -> bytes:
    """The whole mail for `delivery.recipient`, CRLF lines, ASCII throughout. Same delivery, same bytes."""
    message, domain = delivery.message, sender.domain
    mail = EmailMessage(policy=_UNFOLDED)
    mail["To"] = Address(addr_spec=delivery.recipient)
    if reply_to:
        mail["Reply-To"] = tuple(Address(addr_spec=address) for address in reply_to)
    mail["Date"] = format_datetime(delivery.created_at.astimezone(UTC).replace(microsecond=0))
    mail["Message-ID"] = message_id(delivery, domain)
    mail["List-Id"] = f"<{_token(message.watchlist) or 'operator'}.wirewatch.{domain}>"
    if message.watchlist:
        mail["X-Wirewatch-Watchlist"] = _token(message.watchlist)
    mail["X-Wirewatch-Level"] = str(message.level)
    if layout.urgent(message) or layout.retracts(message):
        mail["Importance"] = "high"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(_text(message)) + "\n", cte="quoted-printable")
    if not delivery.plain:  # what was refused with its HTML part goes once more without
        mail.add_alternative(html(message), subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{_token(delivery.id)[:24]}")
    return _subject(message) + _from(sender) + _thread(delivery, domain) + mail.as_bytes()


def _subject(message: Message) -> bytes:
    """The subject line. ASCII goes as it is, but not `=?`, which a reader would take for encoded words,
    nor words too long to fold."""
    text = layout.headline(message)
    plain = text.isascii() and "=?" not in text and all(len(word) < 60 for word in text.split())
    return _folded("Subject", text, "us-ascii" if plain else "utf-8")


def _from(sender: Address) -> bytes:
    if sender.display_name.isascii():
        return _folded("From", str(sender), "us-ascii")
    name = Header(sender.display_name, "utf-8", maxlinelen=76, header_name="From").encode(linesep="\r\n")
    return f"From: {name}\r\n <{sender.addr_spec}>\r\n".encode("ascii")


def _folded(name: str, text: str, charset: str) -> bytes:
    """A header line of at most 78 characters where it can be, folded by the older of the standard library's two
    encoders: the newer one (as of Python 3.13) loses spaces where it folds text that is not ASCII."""
    folded = Header(text, charset, maxlinelen=76, header_name=name).encode(linesep="\r\n")
    return f"{name}: {folded}\r\n".encode("ascii")


def _token(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:120]


def _thread(delivery: Delivery, domain: str) -> bytes:
    """References: the story's first mail, and before it an id that no mail bears and all mails on one story of one
    watchlist share, so readers gather them even where the first was not delivered to this recipient."""
    first = delivery.message.thread or delivery.alert
    story, root = f"<story.{_token(first)}@{domain}>", _id_of(delivery.thread_root)
    later = delivery.alert != first or delivery.revision > 0
    answers = root or (story if later else "")
    lines = [f"References: {story}" + f"\r\n {root}" * bool(root)]
    lines += [f"In-Reply-To: {answers}"] if answers else []
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _id_of(root: str | None) -> str:
    """A Message-ID as it was given back once; nothing that would break out of its header."""
    return root if root and re.fullmatch(r"<[!-;=?-~]{1,250}>", root) else ""


# ── what is read ─────────────────────────────────────────────────────────────────────────────────


def _text(message: Message) -> tuple[str, ...]:
    above = (layout.banner(message), layout.badge(message))
    return tuple(filter(None, (*above, *layout.paragraphs(message))))


def html(message: Message) -> str:
    """The sober HTML part: our tags, escaped text, nothing that a mail client would load. Styles stand in the
    tags, since many clients drop style sheets; the sheet only turns the colours for dark screens."""
    parts = (
        _badge(message),
        _outside(f"<strong>{escape(layout.news(message))}</strong>" if layout.news(message) else ""),
        _outside(_link(layout.title(message), message.url), "font-size:1.25em;font-weight:bold;line-height:1.3"),
        _p("<br>".join(escape(x) for x in (layout.facts(message), layout.one_line(message.spread)) if x), quiet=True),
        _outside(escape(layout.one_line(message.lead))),
        _reasons(message),
        _p(" · ".join(_link(*link) for link in layout.links(message)), quiet=True),
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>\n{_STYLE}\n</style>'
    column = '<div style="max-width:40em;overflow-wrap:anywhere">'
    told = "\n".join(filter(None, parts))
    return f'<html lang="en"><head>{head}</head>\n<body style="{_BODY}">\n{column}\n{told}\n</div></body></html>\n'


def _badge(message: Message) -> str:
    banner, badge = escape(layout.banner(message)), escape(layout.badge(message))
    above = f'<p class="loud" style="margin:0 0 .8em;{_LOUD};{_BANNER}">{banner}</p>\n' if banner else ""
    if not layout.urgent(message):
        return above + _p(badge, quiet=True)
    return f'{above}<p class="loud" style="margin:0 0 .8em;{_LOUD}">{badge}</p>'


def _p(inner: str, style: str = "", *, quiet: bool = False, about: str = "") -> str:
    dress = f'class="quiet" style="margin:0 0 .8em;{_QUIET}"' if quiet else f'style="margin:0 0 .8em;{style}"'
    return f"<p {about}{dress}>{inner}</p>" if inner else ""


def _outside(inner: str, style: str = "") -> str:
    """A paragraph in whichever direction its own script runs."""
    return _p(inner, style, about='dir="auto" ')


def _link(text: str, url: str) -> str:
    address = layout.web_address(url)
    if not address:
        return escape(text)
    before, words = layout.link_text(text, url)
    link = f'<a href="{escape(address)}">{escape(words)}</a>'
    return f"{escape(before)}<br>{link}" if before else link


def _reasons(message: Message) -> str:
    items = (layout.split_link(line) for line in layout.reasons(message))
    listed = "".join(f'<li style="margin:0 0 .3em">{_link(text, url)}</li>\n' for text, url in items)
    style = "margin:.2em 0 .8em;padding-left:1.2em"
    label = layout.reasons_label(message)
    return f'<p style="margin:0">{label}</p>\n<ul style="{style}">\n{listed}</ul>' if listed else ""
