"""How a message reads, before any channel's own form.

Puts the plain data of a `Message` into the lines that every channel shows, and says which addresses
may become links. Does not escape: that is each channel's own business, since each has its own danger.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

from monitor.model import IMPERATIVE, Level, Message

HEADLINE_LIMIT = 200
"""Characters of a subject or notification title: what phones and mail clients show at most."""

_MARKS = {  # what kind of message it is, where it is not the first on its story
    "update": "UPDATE",
    "correction": "CORRECTION",
    "kill": "KILL — do not use this story",
    "withdrawn": "WITHDRAWN — do not use this story",
    "digest": "DIGEST",
    "operator": "WIREWATCH ITSELF",
}

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_URL_SAFE = "%/:=&?~#+!$,;@()*-._[]"  # what an address may keep; all else is percent-encoded
_ADDRESS_LIKE = re.compile(r"://|\bwww\.|\w\.\w{2,}/|^\S+\.[a-z]{2,}$", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_LAST_URL = re.compile(r"^(?P<text>.*\S)\s+(?P<url>https?://\S+)$")


def one_line(text: str, limit: int = 10_000) -> str:
    """`text` on one line of at most `limit` characters, without control, surrogate, tag and
    bidirectional characters. Messages come clean already; this is the second fence."""
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or _shown(c))
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _shown(char: str) -> bool:
    return (
        char.isprintable()
        or (unicodedata.category(char) == "Cf" and char not in _BIDI and ord(char) < 0xE0000)
        or unicodedata.category(char) == "Co"
    )


def headline(message: Message) -> str:
    """The one line that decides, at most `HEADLINE_LIMIT` characters."""
    return one_line(message.headline or message.title, HEADLINE_LIMIT)


def title(message: Message) -> str:
    """The story's title, or the headline where a message has none (operator notices)."""
    return one_line(message.title or message.headline, HEADLINE_LIMIT)


def retracts(message: Message) -> bool:
    """Whether it takes back or mends what people were told: a correction, kill or withdrawal. Such a message
    must be unmistakable, and be seen by everyone who saw the first."""
    return message.mark in IMPERATIVE


def banner(message: Message) -> str:
    """What stands above all else, in capitals, where a message takes something back; else empty."""
    return _MARKS[message.mark] if retracts(message) else ""


def urgent(message: Message) -> bool:
    """Whether its badge should stand out among its like."""
    return message.level is Level.URGENT and not retracts(message)


def badge(message: Message) -> str:
    """What kind, how loud, and of which watchlist: `UPDATE · URGENT · North Korea: arms exports`."""
    kind = "" if retracts(message) else _MARKS.get(message.mark, message.mark.upper())
    watchlist = one_line(message.watchlist_title or message.watchlist)
    return " · ".join(filter(None, (kind, "URGENT" if urgent(message) else "", watchlist)))


def news(message: Message) -> str:
    """What an update brings, on one line."""
    return one_line(message.news)


def facts(message: Message) -> str:
    """Who says it and when: outlet, wire credit, time in the reader's zone, host of the link."""
    host = shown_host(message.url)
    return " · ".join(one_line(part) for part in (message.outlet, message.credit, message.published, host) if part)


def web_address(url: str) -> str:
    """`url` as it may stand in a link: http or https, without userinfo, percent-encoded so that no
    channel's markup can be closed from inside it. Empty for anything else."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return ""
    name = parts.hostname if parts.hostname.isascii() else _punycode(parts.hostname)
    if not _HOST.fullmatch(name):
        return ""
    host = (f"[{name}]" if ":" in name else name) + port
    whole = urlunsplit((parts.scheme.lower(), host, parts.path, parts.query, parts.fragment))
    return quote(whole.encode("utf-8", "replace"), safe=_URL_SAFE)


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def shown_host(url: str) -> str:
    """The host a link leads to, as a person may trust it: without `www.`, in punycode where its
    letters mix scripts, since a foreign letter in a familiar name is how people are misled."""
    if not web_address(url):
        return ""
    host = (urlsplit(url.strip()).hostname or "").removeprefix("www.")
    scripts = {unicodedata.name(c, "?").split()[0] for c in host if c.isalpha()}
    return host if len(scripts) <= 1 else _punycode(host)


def link_text(text: str, url: str) -> tuple[str, str]:
    """What may be the words of a link to `url`: `(words before it, words of the link)`.

    A title is its own link. A title that looks like an address could pretend to lead there, so it
    stands before a link in our own words: `("bank.example", "Read at evil.example")`.
    """
    if _ADDRESS_LIKE.search(text):
        return text, f"Read at {shown_host(url)}"
    return "", text


def split_link(line: str) -> tuple[str, str]:
    """A line that ends in an address, taken apart: `(words, address)`; address empty where none.
    Digests list their stories so."""
    found = _LAST_URL.match(line)
    return (found["text"], web_address(found["url"])) if found else (line, "")


def reasons(message: Message) -> tuple[str, ...]:
    """The lines of `why`, clean; lines of a digest keep their closing address."""
    return tuple(filter(None, (one_line(line) for line in message.why)))


def reasons_label(message: Message) -> str:
    """What stands above the lines of `why`, which in a digest are its alerts."""
    return {"digest": "Alerts:", "operator": "What happened:"}.get(message.mark, "Why:")


def links(message: Message) -> tuple[tuple[str, str], ...]:
    """Words and address of each link into our status page: the story, and the two that judge the alert."""
    judges = message.feedback_link
    all_links = (
        ("Story and all copies", message.story_link),
        ("Good alert", f"{judges}/good" if judges else ""),
        ("Noise", f"{judges}/noise" if judges else ""),
    )
    return tuple((words, address) for words, url in all_links if (address := web_address(url)))


def paragraphs(message: Message, *, under_headline: bool = False) -> tuple[str, ...]:
    """The message as plain text, one string a paragraph, lines parted by newlines.

    `under_headline`: the headline is shown above it, so a title that it holds is not said twice, and what takes
    a story back says so in the next line.
    """
    name, address = title(message), web_address(message.url)
    said = under_headline and name in headline(message)
    why = reasons(message)
    return tuple(
        "\n".join(lines)
        for lines in (
            tuple(filter(None, (banner(message) if under_headline else "", news(message)))),
            tuple(filter(None, ("" if said else name, address))),
            tuple(filter(None, (facts(message), one_line(message.spread)))),
            tuple(filter(None, (one_line(message.lead),))),
            (reasons_label(message), *(f"• {line}" for line in why)) if why else (),
            tuple(f"{words}: {url}" for words, url in links(message)),
        )
        if lines
    )
