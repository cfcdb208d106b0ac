"""One line per fact: JSON when standard error is no terminal, readable when it is; secrets never printed.

Outside text is data: control characters are escaped and long values cut, so that one fact is one record. A fact that
repeats is said so many times a minute and then counted.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

FIELD_LENGTH = 500
MOST_ITEMS = 50
TRACEBACK_LINES = 30
REDACTED = "[secret]"
CHATTY = ("apprise", "urllib3", "requests", "slack_sdk", "aiohttp", "asyncio", "apscheduler", "trafilatura", "alembic")
WINDOW = 60.0  # seconds over which a fact that repeats is counted
MOST_ALIKE = 60  # facts of one kind about one thing that are said in a window
MOST_OF_A_KIND = 600  # … about whatever
ABOUT = ("feed", "channel", "job", "outcome")  # fields by which facts of one name are alike
MARKS = {logging.WARNING: "! ", logging.ERROR: "!! "}

log = logging.getLogger("wirewatch")


def set_up(*, verbose: bool = False, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send facts to `stream` (standard error). `secrets` are replaced wherever they would appear."""
    stream = stream or sys.stderr
    handler = _FloodLimited(stream)
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


def say_counted() -> None:
    """Say what was counted in place of being said, where its minute is over; for whoever has a regular tick."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _FloodLimited):
            handler.say_counted(time.time())


def say(event: str, *, level: int = logging.INFO, fault: BaseException | None = None, **fields: Any) -> None:
    """Log one fact: a name and its fields; `fault` with its words and its traceback."""
    log.log(level, event, exc_info=fault, extra={"fields": fields})


def say_fact(fact: Any, *, level: int = logging.INFO) -> None:
    """Log one of the fact records of model.py under its own name; empty fields are left out."""
    if not log.isEnabledFor(level):
        return  # most facts tell that nothing happened
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


@dataclass(slots=True)
class _Window:
    """Facts alike within a minute: how many were said, and how many only counted."""

    begun: float
    about: dict[str, Any]  # the fields in which they are alike
    said: int = 0
    more: int = 0
    last: logging.LogRecord | None = None


class _FloodLimited(logging.StreamHandler):
    """Says so many alike in a minute, and then once how many more there were."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._windows: dict[tuple[Any, ...], _Window] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.say_counted(record.created)
        fields = getattr(record, "fields", {})
        about = {name: str(fields[name]) for name in ABOUT if name in fields}
        counts = ((self._window(record), MOST_OF_A_KIND), (self._window(record, about), MOST_ALIKE))
        full = next((window for window, most in counts if window.said >= most), None)
        if full is not None:
            full.more, full.last = full.more + 1, record
            return
        for window, _ in counts:
            window.said += 1
        super().emit(record)

    def say_counted(self, now: float) -> None:
        """Close what began more than a minute ago (or after now: the clock was set back)."""
        with self.lock:
            over = [key for key, window in self._windows.items() if not 0 <= now - window.begun < WINDOW]
            for window in map(self._windows.pop, over):
                if window.last is not None:
                    super().emit(_and_more(window))

    def close(self) -> None:
        self.say_counted(float("inf"))
        super().close()

    def _window(self, record: logging.LogRecord, about: dict[str, Any] | None = None) -> _Window:
        """The window of what is alike in these fields, or (without any) of all facts of this name."""
        key = (record.name, record.levelno, record.msg, about is None, *(about or {}).values())
        return self._windows.setdefault(key, _Window(begun=record.created, about=about or {}))


def _and_more(window: _Window) -> logging.LogRecord:
    """The record that stands for those that were only counted: what they were about, and how many."""
    said = logging.makeLogRecord({**window.last.__dict__, "exc_info": None, "exc_text": None})
    said.fields = {**window.about, "more": window.more, "says": f"and {window.more} more within a minute"}
    return said


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
