"""A message as a Matrix event: its content, and how it relates to the story's first message.

Builds plain data, at most `EVENT_LIMIT` bytes of it. Does not send or encrypt.

    kind of delivery        how it relates
    first on a story        not at all
    edit                    `m.replace`: the first message is rewritten in place
    update                  `m.thread` under the first message
    correction, kill, …     a reply to the first message, in the room itself: clients fold threads away,
                            and nobody may miss that a story was taken back
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from monitor.edges.send import layout
from monitor.model import Delivery, DeliveryKind, Message

# https://spec.matrix.org/latest/client-server-api/#size-limits: an event of more than 65,536 bytes is
# refused; the server and encryption add to what we send, so half is ours
EVENT_LIMIT = 32 * 1024
_LOUD = {"color": "#ffffff", "bg-color": "#b00020"}  # both, since nobody knows how dark a reader's screen is


def event(delivery: Delivery, *, msgtype: str = "m.text") -> dict[str, Any]:
    """The content of the event that carries a delivery. `m.mentions` is empty wherever it may stand, so
    nobody is called whatever the text says. What was refused goes without a relation: the first message may be gone."""
    whole = content(delivery.message, msgtype=msgtype, plain=delivery.plain)
    if delivery.kind is DeliveryKind.EDIT and delivery.replaces:
        return _edit(whole, delivery)
    if delivery.thread_root and not delivery.plain:
        whole["m.relates_to"] = _relation(delivery.thread_root, layout.retracts(delivery.message))
    return whole


def _edit(whole: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    """https://spec.matrix.org/latest/client-server-api/#event-replacements: clients that know no edits show
    what stands outside `m.new_content`."""
    return {
        "msgtype": whole["msgtype"],
        "body": f"* {layout.headline(delivery.message)}",
        "m.mentions": {},
        "m.new_content": whole,
        "m.relates_to": {"rel_type": "m.replace", "event_id": delivery.replaces},
    }


def _relation(root: str, retracts: bool) -> dict[str, Any]:
    """https://spec.matrix.org/latest/client-server-api/#threading, with its fallback for clients without threads."""
    reply = {"m.in_reply_to": {"event_id": root}}
    return reply if retracts else {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, **reply}


def content(message: Message, *, msgtype: str = "m.text", plain: bool = False) -> dict[str, Any]:
    """The message itself. `body` is plain, `formatted_body` is our tags around escaped text (left out if
    `plain`, for a message that was refused with it, and where it would not fit)."""
    bare: dict[str, Any] = {"msgtype": msgtype, "body": _body(message), "m.mentions": {}}
    rich = bare | {"format": "org.matrix.custom.html", "formatted_body": html(message)}
    room = EVENT_LIMIT - 2048  # for the relation, and the headline that an edit repeats
    if not plain and _size(rich) <= room:
        return rich
    return bare | {"body": _cut(bare["body"], room - 256)}


def _body(message: Message) -> str:
    return "\n\n".join((layout.headline(message), *layout.paragraphs(message, under_headline=True)))


def html(message: Message) -> str:
    """The message as Matrix clients show it: `strong`, `span`, `a`, `br`, `p`, `ul` and `li` only."""
    facts = [escape(line) for line in (layout.facts(message), layout.one_line(message.spread)) if line]
    head = [f"<strong>{_link(layout.title(message), message.url)}</strong>", *facts]
    items = "".join(f"<li>{_link(*layout.split_link(line))}</li>" for line in layout.reasons(message))
    parts = (
        _badge(message),
        f"<p><strong>{escape(layout.news(message))}</strong></p>" if layout.news(message) else "",
        f"<p>{'<br>'.join(head)}</p>",
        f"<p>{escape(layout.one_line(message.lead))}</p>" if message.lead else "",
        f"<p>{layout.reasons_label(message)}</p><ul>{items}</ul>" if items else "",
        f"<p>{' · '.join(_link(*link) for link in layout.links(message))}</p>" if layout.links(message) else "",
    )
    return "".join(parts)


def _badge(message: Message) -> str:
    banner, badge = escape(layout.banner(message)), escape(layout.badge(message))
    lines = (_loud(banner) if banner else "", _loud(badge) if layout.urgent(message) else badge)
    shown = "<br>".join(filter(None, lines))
    return f"<p>{shown}</p>" if shown else ""


def _loud(words: str) -> str:
    dress = " ".join(f'data-mx-{name}="{colour}"' for name, colour in _LOUD.items())
    return f"<strong><span {dress}>{words}</span></strong>"


def _link(text: str, url: str) -> str:
    address = layout.web_address(url)
    if not address:
        return escape(text)
    before, words = layout.link_text(text, url)
    return f"{escape(before)} " * bool(before) + f'<a href="{escape(address)}">{escape(words)}</a>'


def _size(event: dict[str, Any]) -> int:
    return len(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))


def _cut(text: str, limit: int) -> str:
    """`text` cut so that its JSON form fits `limit` bytes; never inside a character."""
    while _size({"": text}) > limit:
        text = text[: len(text) * 9 // 10] + "…"
    return text
