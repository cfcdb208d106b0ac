"""A message in Slack's Block Kit.

Outside text is escaped everywhere and plain wherever a block allows; nothing in it can mention, link or
unfurl. Does not send.
"""

from __future__ import annotations

from typing import Any

from monitor.edges.send import layout
from monitor.model import Message

# https://docs.slack.dev/reference/block-kit/blocks: characters of a text object and of a header, blocks a message
SECTION_LIMIT = 3_000
HEADER_LIMIT = 150
BLOCKS_LIMIT = 50
TEXT_LIMIT = 10_000  # ours, of all blocks together: Slack refuses somewhere above 11,000 (msg_blocks_too_long)
PLAIN_LIMIT = 39_000  # of a message without blocks Slack shows 40,000
URL_LIMIT = 2_000  # ours: leaves room for a title beside it in one section
_TAIL = "… and more than Slack shows in one message."


def escape(text: str, limit: int = SECTION_LIMIT) -> str:
    """`text` with Slack's three control characters escaped, cut so that the result fits `limit`."""
    out: list[str] = []
    room = limit - 1
    for char in text:
        form = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(char, char)
        if len(form) > room:
            return "".join(out).rstrip() + "…"
        out.append(form)
        room -= len(form)
    return "".join(out)


def payload(message: Message, *, plain: bool = False) -> dict[str, Any]:
    """The message as Slack's JSON. `plain` leaves out the blocks, for a message that was refused with them."""
    shown = {"text": _all(message)} if plain else {"text": _fallback(message), "blocks": _blocks(message)}
    return {**shown, "parse": "none", "unfurl_links": False, "unfurl_media": False}


def _fallback(message: Message) -> str:
    """What notifications and screen readers say."""
    address = _address(message.url)
    link = f"<{address}|Read at {escape(layout.shown_host(message.url))}>" if address else ""
    told = (layout.banner(message), layout.headline(message), layout.news(message))
    return "\n".join(filter(None, (*map(escape, told), link)))


def _all(message: Message) -> str:
    """The message without blocks. The plainest form of an alert is short; a digest still lists its alerts."""
    lines = (layout.split_link(line) for line in layout.reasons(message))
    listed = (" ".join(("•", *_link(text, url))) for text, url in lines)
    return "\n".join((_fallback(message), *listed))[:PLAIN_LIMIT]


def _blocks(message: Message) -> list[dict[str, Any]]:
    lead = layout.one_line(message.lead)
    links = " · ".join(f"<{_address(url)}|{words}>" for words, url in layout.links(message) if _address(url))
    blocks = [
        *_badge(message),
        *([_section(_mrkdwn(f"*{escape(layout.news(message), 900)}*"))] if layout.news(message) else []),
        _section(_mrkdwn(_bold_title(message))),
        *_context(layout.facts(message)),
        *_context(layout.one_line(message.spread)),
        *([_section(_plain(lead))] if lead else []),
        *_reasons(message),
    ]
    tail = [{"type": "context", "elements": [_mrkdwn(links)]}] if links else []
    return _fitting(blocks, BLOCKS_LIMIT - len(tail)) + tail


def _fitting(blocks: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """As many blocks as one message takes; what had to go is said."""
    room, kept = TEXT_LIMIT, []
    for block in blocks:
        room -= sum(len(each["text"]) for each in block.get("elements") or [block["text"]])
        if room < 0 or len(kept) == limit:
            return [*kept[: limit - 1], _section(_plain(_TAIL))]
        kept.append(block)
    return kept


def _badge(message: Message) -> list[dict[str, Any]]:
    """What kind and which watchlist; in large letters where it should stand out."""
    banner, badge = layout.banner(message), layout.badge(message)
    large = [_header(f"⛔ {banner}")] if banner else []
    return large + ([_header(badge)] if layout.urgent(message) and badge else _context(badge))


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": _escaped(escape(text, HEADER_LIMIT))}


def _bold_title(message: Message) -> str:
    return " ".join(f"*{part}*" for part in _link(layout.title(message), message.url))


def _link(text: str, url: str) -> list[str]:
    """Words as a link to `url`, in the parts that may be set in bold one by one."""
    address = _address(url)
    before, words = layout.link_text(text, url) if address else (text, "")
    link = f"<{address}|{escape(words, 900)}>" if words else ""
    return [part for part in (escape(before, 900), link) if part]


def _address(url: str) -> str:
    address = layout.web_address(url)
    return escape(address.replace("|", "%7C")) if len(address) <= URL_LIMIT else ""


def _reasons(message: Message) -> list[dict[str, Any]]:
    """The reasons, in as many sections as they need; addresses at line ends become links."""
    lines = [layout.split_link(line) for line in layout.reasons(message)]
    form = _mrkdwn if any(url for _, url in lines) else _escaped
    listed = [" ".join(("•", *_link(text, url))) for text, url in lines]
    return [_section(form(chunk)) for chunk in _chunks([layout.reasons_label(message), *listed] if listed else [])]


def _chunks(lines: list[str]) -> list[str]:
    """Escaped lines, joined into texts that each fit one section."""
    chunks = [""]
    for line in lines:
        if chunks[-1] and len(chunks[-1]) + len(line) + 1 > SECTION_LIMIT:
            chunks.append("")
        chunks[-1] = f"{chunks[-1]}\n{line}" if chunks[-1] else line
    return [chunk for chunk in chunks if chunk]


def _plain(text: str) -> dict[str, Any]:
    return _escaped(escape(text))


def _escaped(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}


def _context(text: str) -> list[dict[str, Any]]:
    return [{"type": "context", "elements": [_plain(text)]}] if text else []
