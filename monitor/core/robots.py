"""robots.txt (RFC 9309) → what of a site may be read, and how slowly.

Own code because the patterns are a stranger's: libraries make regular expressions of them, which a hostile file can
keep busy for hours; here the pieces between stars are looked for in order, once. Fetches nothing.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote, unquote, urlsplit

from monitor.model import record

AGENT = "wirewatch"  # our product token, as in the User-Agent
LARGEST = 512_000  # bytes that are read; RFC 9309 2.5 asks for 500 KiB at least
MOST_RULES = 2_000
LONGEST_DELAY = timedelta(minutes=10)  # a longer Crawl-delay would have the story grow cold; it is cut

_LINE = re.compile(r"^\s*([A-Za-z-]+)\s*:\s*([^#\n]*)")


@record
class Rules:
    """What a site says to us: patterns with leave to read (or not), and the seconds between two requests."""

    patterns: tuple[tuple[bool, str], ...] = ()
    delay: float = 0.0


EVERYTHING = Rules()


def read_robots(body: bytes) -> Rules:
    """The rules of the groups that name us, or else of those for everybody. Never raises."""
    ours: list[tuple[str, str]] = []
    everybodys: list[tuple[str, str]] = []
    named_us = False
    agents: list[str] = []
    in_rules = False
    for key, value in _lines(body):
        if key == "user-agent":
            agents = [*(() if in_rules else agents), value.lower()]
            in_rules = False
            named_us = named_us or _is_us(value)
            continue
        in_rules = in_rules or key in ("allow", "disallow", "crawl-delay")
        if any(map(_is_us, agents)):
            ours.append((key, value))
        if "*" in agents:
            everybodys.append((key, value))
    return _rules(ours if named_us else everybodys)


def may_read(rules: Rules, url: str) -> bool:
    """Whether an address may be read: the longest pattern that fits decides, and of two alike the one that allows."""
    parts = urlsplit(url)
    path = _normal((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    fitting = [(len(pattern), allow) for allow, pattern in rules.patterns if _fits(pattern, path)]
    return max(fitting)[1] if fitting else True


def _lines(body: bytes) -> list[tuple[str, str]]:
    text = body[:LARGEST].decode("utf-8", "replace").lstrip("\ufeff")
    found = (_LINE.match(line) for line in re.split(r"[\r\n]+", text))
    return [(match[1].lower(), match[2].strip()) for match in found if match]


def _is_us(agent: str) -> bool:
    return re.match(r"[A-Za-z_-]*", agent.lower())[0] == AGENT


def _rules(lines: list[tuple[str, str]]) -> Rules:
    patterns = [(key == "allow", _normal(value)) for key, value in lines if key in ("allow", "disallow") and value]
    delays = [
        float(value) for key, value in lines if key == "crawl-delay" and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value)
    ]
    return Rules(
        patterns=tuple(patterns[:MOST_RULES]), delay=min(max(delays, default=0.0), LONGEST_DELAY.total_seconds())
    )


def _normal(path: str) -> str:
    """A path with its percent-escapes written one way, so that two spellings of it compare as equal."""
    return quote(unquote(path), safe="/%?*$=&;,:@!'()+~#[]-._")


def _fits(pattern: str, path: str) -> bool:
    """Whether a pattern fits the beginning of a path; `*` is anything, `$` at its end the end."""
    ends = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    last = others.pop() if ends and others else None
    for piece in others:
        place = path.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= place
    return not ends or place == len(path)
