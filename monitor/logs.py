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

FIELD_LENGTH = 500
REDACTED = "[secret]"
CHATTY = ("apprise", "urllib3", "requests", "slack_sdk", "aiohttp", "asyncio", "apscheduler", "trafilatura", "alembic")
MARKS = {logging.WARNING: "! ", logging.ERROR: "!! "}

log = logging.getLogger("wirewatch")


def set_up(*, verbose: bool = False, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send facts to `stream` (standard error). `secrets` are replaced wherever they would appear."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    kind = _HumanFormatter if stream.isatty() else _JsonFormatter
    handler.setFormatter(kind(tuple(secret for secret in secrets if secret)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in CHATTY:  # at DEBUG some of them print addresses with passwords
        logging.getLogger(name).setLevel(logging.WARNING)


def say(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one fact: a name and its fields."""
    log.log(level, event, extra={"fields": fields})


def say_fact(fact: Any, *, level: int = logging.INFO) -> None:
    """Log one of the fact records of model.py under its own name; empty fields are left out."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(fact).__name__).lstrip("_")
    say(name, level=level, **{key: value for key, value in asdict(fact).items() if value not in (None, "", 0, ())})


def clean(value: Any) -> Any:
    """A value as a log may hold it: one line, no control characters, bounded."""
    if not isinstance(value, str):
        return value
    text = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in value)
    return text if len(text) <= FIELD_LENGTH else text[: FIELD_LENGTH - 1] + "…"


class _Formatter(logging.Formatter):
    def __init__(self, secrets: tuple[str, ...]):
        super().__init__()
        self._secrets = secrets

    def _safe(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, REDACTED)
        return line

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {key: clean(value) for key, value in getattr(record, "fields", {}).items()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fact = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": clean(record.getMessage()),
            **self._fields(record),
        }
        return self._safe(json.dumps(fact, ensure_ascii=False, default=str))


class _HumanFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "  ".join(f"{key}={value}" for key, value in self._fields(record).items())
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        return self._safe(f"{at} {MARKS.get(record.levelno, '')}{clean(record.getMessage())}  {fields}".rstrip())
