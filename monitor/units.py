"""Durations and sizes as operators write them: "30s", "15m", "8h", "7d"; "500KB", "15MB".

Reads them and says what is wrong with one, and writes them as people read them; knows no option and no default.
"""

from __future__ import annotations

import re
from collections.abc import Sized
from datetime import date, time, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

LONGEST = timedelta(days=36_500)  # a century; beyond it, arithmetic with dates would overflow
LARGEST = 1 << 40  # 1 TiB
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,12})\s?([smhd])")
_SIZE = re.compile(r"([0-9]{1,15})\s?([KMG]?I?B)", re.IGNORECASE)


def count(things: Sized | int, noun: str, plural: str = "") -> str:
    """How many there are: "1 feed", "3 feeds", "2 entries"."""
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def parse_duration(text: str) -> timedelta:
    """A span of time from a whole number and one of s, m, h, d. Raises ValueError with what was expected."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f'is {text!r}; expected a duration such as "30s", "15m", "8h" or "7d"')
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"is {text!r}; expected at most {LONGEST.days}d")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """The shortest way to write a span of whole seconds: 48 hours are "2d"."""
    seconds = int(span.total_seconds())
    unit = next(u for u in ("d", "h", "m", "s") if seconds % _SECONDS[u] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def parse_size(text: str) -> int:
    """A number of bytes from a whole number and B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024).

    Raises ValueError with what was expected.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f'is {text!r}; expected a size such as "500KB" or "15MB"')
    size = int(found[1]) * _BYTES[found[2].upper()]
    if size > LARGEST:
        raise ValueError(f"is {text!r}; expected at most {LARGEST // _BYTES['GB']}GB")
    return size


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(
            f'must be a duration in quotation marks, such as "30s", "15m", "8h" or "7d", is {_shown(value)}'
        )
    return parse_duration(value)


def _size(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError(f'must be a size in quotation marks, such as "500KB" or "15MB", is {_shown(value)}')
    return parse_size(value)


def _shown(value: Any) -> str:
    """A value as the file has it: a date is not `datetime.date(…)`."""
    return str(value) if isinstance(value, (date, time)) else repr(value)


def duration_between(least: str = "0s", most: str = "36500d") -> BeforeValidator:
    """For `Annotated`: a duration within limits, both included."""
    low, high = parse_duration(least), parse_duration(most)

    def read(value: Any) -> timedelta:
        span = _duration(value)
        if not low <= span <= high:
            raise ValueError(f'is {value!r}; expected between "{least}" and "{most}"')
        return span

    return BeforeValidator(read)


_DURATION_PATTERN = r"^[0-9]{1,12} ?[smhd]$"
_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["15m", "8h"]})
_SIZE_PATTERN = r"^[0-9]{1,15} ?([KMGkmg][Ii]?)?[Bb]$"
_SIZE_SCHEMA = WithJsonSchema({"type": "string", "pattern": _SIZE_PATTERN, "examples": ["15MB"]})


def bounded_duration(least: str, most: str) -> Any:
    """The type of a duration within limits, both included, for a field of a model."""
    return Annotated[timedelta, duration_between(least, most), _DURATION_SCHEMA]


Duration = Annotated[timedelta, BeforeValidator(_duration), _DURATION_SCHEMA]
PositiveDuration = Annotated[timedelta, duration_between("1s"), _DURATION_SCHEMA]
Size = Annotated[int, BeforeValidator(_size), _SIZE_SCHEMA]


def as_written(schema: Any) -> Any:
    """A JSON Schema with its default durations and sizes as operators write them, not as pydantic does ("PT30M")."""
    from pydantic import TypeAdapter  # only `schema` comes here, and building one takes time

    if isinstance(schema, list):
        return [as_written(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: as_written(part) for key, part in schema.items()}
    if parts.get("pattern") == _DURATION_PATTERN and isinstance(parts.get("default"), str):
        parts["default"] = format_duration(TypeAdapter(timedelta).validate_python(parts["default"]))
    if parts.get("pattern") == _SIZE_PATTERN and isinstance(parts.get("default"), int):
        parts["default"] = f"{parts['default'] // 10**6}MB"
    return parts
