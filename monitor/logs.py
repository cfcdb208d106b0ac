"""One line per fact: JSON when standard error is no terminal, readable when it is; secrets never printed.

Outside text is data: control characters are escaped and long values cut, so that one fact is one record.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

FIELD_LENGTH = 500
MOST_ITEMS = 50
TRACEBACK_LINES = 30
REDACTED = "[secret]"
CHATTY = ("apprise", "urllib3", "requests", "slack_sdk", "aiohttp", "asyncio", "apscheduler", "trafilatura", "alembic")
MARKS = {logging.WARNING: "! ", logging.ERROR: "!! "}

log = logging.getLogger("wirewatch")


def set_up(*, verbose: bool = False, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send facts to `stream` (standard error). `secrets` are replaced wherever they would appear."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    kind = _HumanFormatter if stream.isatty() else _JsonFormatter
    handler.setFormatter(kind(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in CHATTY:  # at DEBUG some of them print addresses with passwords
        logging.getLogger(name).setLevel(logging.WARNING)


def keep_secret(secrets: Iterable[str]) -> None:
    """Replace these, too, from now on (a reload brought new ones)."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Formatter):
            handler.formatter.add(secrets)


def say(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one fact: a name and its fields."""
    log.log(level, event, extra={"fields": fields})


def say_fact(fact: Any, *, level: int = logging.INFO) -> None:
    """Log one of the fact records of model.py under its own name; empty fields are left out."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(fact).__name__).lstrip("_")
    say(name, level=level, **{key: value for key, value in asdict(fact).items() if value or value is False})


def clean(value: Any) -> Any:
    """A value as a log may hold it: one line a text, no control characters, bounded; lists and tables all through."""
    if isinstance(value, dict):
        return {str(key): clean(one) for key, one in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(one) for one in list(value)[:MOST_ITEMS]]
    if not isinstance(value, str):
        return value
    cut = value if len(value) <= FIELD_LENGTH else value[: FIELD_LENGTH - 1] + "…"
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in cut)


def _escaped(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 0x100 else f"\\u{ord(letter):04x}"


class _Formatter(logging.Formatter):
    """Redacts before anything is escaped or cut, so that no part of a secret slips through in another shape."""

    def __init__(self, secrets: Iterable[str]):
        super().__init__()
        self._secrets: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know more secrets, each as it is and as it stands in an address; the longest first, since one may begin with
        another."""
        shapes = {shape for secret in secrets if secret for shape in (secret, quote(secret, safe=""))}
        self._secrets = tuple(sorted({*self._secrets, *shapes}, key=len, reverse=True))

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._redacted(str(key)): self._redacted(one) for key, one in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._redacted(one) for one in value]
        if isinstance(value, (int, float)) or value is None:
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def _event(self, record: logging.LogRecord) -> str:
        return clean(self._redacted(record.getMessage()))

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
            fields["traceback"] = self.formatException(record.exc_info).splitlines()[-TRACEBACK_LINES:]
        return clean(self._redacted(fields))


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fact = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": self._event(record),
            **self._fields(record),
        }
        return json.dumps(fact, ensure_ascii=False, default=str)


class _HumanFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "  ".join(f"{key}={value}" for key, value in self._fields(record).items())
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        return f"{at} {MARKS.get(record.levelno, '')}{self._event(record)}  {fields}".rstrip()
