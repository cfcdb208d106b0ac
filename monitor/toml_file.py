"""An operator's TOML file → its data, and the line and column of every key in it.

Reads and locates; knows no option of any file. `problems_of` turns what pydantic says of the data into sentences that
a person understands, each with its place in the file. Never waits: anything but a regular file is refused.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from monitor.errors import ConfigError, Problem
from monitor.record import record

MAX_BYTES = 1 << 20  # nobody writes a mebibyte of configuration by hand
_MARK = b"\xef\xbb\xbf"  # UTF-8's byte order mark
WHOLE_FILE = "file"  # the key of a problem that is the file's own

Step = str | int
Place = tuple[int, int]


@record
class TomlFile:
    """A file that was read. Lines and columns count from 1."""

    path: str  # as given
    data: dict[str, Any]
    places: dict[tuple[Step, ...], Place] = field(default_factory=dict)
    text: str = ""

    def position(self, *path: Step) -> Place:
        """Line and column of a key or list element (`"term", 0, "near", "words"`).

        Of something absent: those of its table's header, and for the file's own keys line 1.
        """
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def position_in_text(self, offset: int, *path: Step) -> Place:
        """Line and column of a character of the text that a key holds; of the key where escapes hide the place."""
        line, column = self.position(*path)
        rest = self.text.split("\n", line - 1)[-1][column - 1 :]
        opening = _TEXT_BEGINS.match(rest)
        value = self.data
        for step in path:
            value = value[step]
        if opening is None or not rest[opening.end() :].startswith(value):
            return line, column
        before = rest[: opening.end() + offset]
        below = before.count("\n")
        return line + below, len(before) - before.rfind("\n") if below else column + len(before)

    def problem(self, path: tuple[Step, ...], says: str, *, key: str | None = None) -> Problem:
        """A problem with what stands at `path`."""
        line, column = self.position(*path)
        return Problem(file=self.path, line=line, key=key or key_of(path), says=says, column=column)


def key_of(path: tuple[Step, ...]) -> str:
    """How a place is called in a message: its keys, without the numbers of list elements."""
    return ".".join(str(step) for step in path if isinstance(step, str)) or WHOLE_FILE


_TEXT_BEGINS = re.compile(r"""[^=\n]*=[ \t]*(?:'{3}\n?|"{3}\n?|'|")""")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def read_toml(path: Path, *, max_bytes: int = MAX_BYTES, mark_allowed: bool = True) -> TomlFile:
    """Reads a TOML file of at most so many bytes; a byte order mark at its beginning is passed over where allowed.

    Raises ConfigError with the place of the mistake: no such file, not a regular file, too large, not UTF-8, not TOML.
    """
    content = _read_bytes(path, max_bytes)
    if content.startswith(_MARK) and not mark_allowed:
        raise _refused(path, "begins with a byte order mark; expected UTF-8 without one (save the file again so)")
    text = _decode(path, content)
    try:
        if _ENDLESS_KEY.search(text):
            raise RecursionError
        data = tomllib.loads(text)
        places = _Locator(text).places()
    except tomllib.TOMLDecodeError as error:
        line, column, says = _syntax_error(str(error), text)
        raise _refused(path, says, line=line, column=column) from error
    except RecursionError:
        raise _refused(path, "is nested too deeply; expected a few levels of tables and lists") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise _refused(path, f"holds a value that cannot be read: {error}") from error
    return TomlFile(path=str(path), data=data, places=places, text=text.replace("\r\n", "\n"))


def _refused(path: Path, says: str, *, line: int = 1, column: int = 1) -> ConfigError:
    return ConfigError([Problem(file=str(path), line=line, key=WHOLE_FILE, says=says, column=column)])


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a FIFO has no writer yet
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}; expected a TOML file") from error
    except ValueError as error:  # a NUL in the name
        raise _refused(path, f"cannot be read: {error}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _refused(path, f"is {_kind_of_file(mode)}; expected a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise _refused(path, f"is larger than {max_bytes:,} bytes; expected a file written by hand")
    return content


def _kind_of_file(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "no file"


def _decode(path: Path, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, "is UTF-16; expected UTF-8 (save the file again with that encoding)")
    content = content.removeprefix(_MARK)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = len(content[content.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        says = f"byte 0x{content[error.start]:02X} is not UTF-8; expected the file to be saved as UTF-8"
        raise _refused(path, says, line=line, column=column) from error


# A key of more dots than anybody needs. The parser takes time that grows with their square, minutes for 50,000.
_ENDLESS_KEY = re.compile(r"""(?<![\w-])(?:(?:[A-Za-z0-9_-]++|"[^"\n]{0,99}+"|'[^'\n]{0,99}+')[ \t]*+\.[ \t]*+){100}""")
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_SAYS = (  # how tomllib begins, and what we say instead
    ("Cannot overwrite a value", "this key stands twice; expected it once"),
    ("Cannot declare", "this table stands twice, or stands elsewhere as a value; expected it once"),
    ("Cannot mutate immutable", "this adds to a table or list that was complete; expected it in one place"),
    ("Expected '=' after a key", "no '=' after a key; expected key = value"),
    ("Invalid value", "this is no value; expected a text in quotation marks, a number, true, false, or a list"),
    ("Invalid statement", "this is no key and no [table]; expected key = value"),
    ("Unterminated string", "a text is not closed; expected a quotation mark at its end"),
    ("Unclosed array", "a list is not closed; expected ']'"),
    ("Unclosed inline table", "an inline table is not closed; expected '}'"),
    ("Expected newline or end of document after a statement", "something follows the value; expected a new line"),
    ("Illegal character '\\n'", "a text is not closed; expected a quotation mark at its end"),
    ("Illegal character", "holds a character that TOML does not allow here"),
    ("Found invalid character", "holds a character that TOML does not allow here"),
)


def _syntax_error(message: str, text: str) -> tuple[int, int, str]:
    """Line, column and sentence of what tomllib refused."""
    at = _AT.search(message)
    reason = message[: at.start()] if at else message
    says = next((ours for theirs, ours in _SAYS if reason.startswith(theirs)), f"is not TOML: {reason}")
    if at and at[1]:
        return int(at[1]), int(at[2]), says
    return max(1, len(text.rstrip("\n").split("\n"))), 1, says


# ── places of keys ───────────────────────────────────────────────────────────────────────────────

_DEEPEST = 50  # levels; five are needed
_BLANK = re.compile(r"(?:[ \t\n\r]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\"]|\\.|"{1,2}(?!"))*?"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")


class _Locator:
    """Walks a text that tomllib has accepted and notes where each key and list element begins."""

    def __init__(self, text: str):
        self._text, self._at = text, 0
        self._lines = [0, *(m.end() for m in re.finditer("\n", text))]
        self._places: dict[tuple[Step, ...], Place] = {}
        self._counts: dict[tuple[Step, ...], int] = {}

    def places(self) -> dict[tuple[Step, ...], Place]:
        """Every key's place, by path."""
        table: tuple[Step, ...] = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._places

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._at = pattern.match(self._text, self._at).end()

    def _place(self, at: int) -> Place:
        low, high = 0, len(self._lines)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._lines[middle] <= at else (low, middle)
        return low + 1, at - self._lines[low] + 1

    def _note(self, path: tuple[Step, ...], at: int) -> None:
        if len(path) > _DEEPEST:  # dotted keys nest without end, and the parser does not mind
            raise RecursionError
        self._places.setdefault(path, self._place(at))

    def _header(self) -> tuple[Step, ...]:
        begin = self._at
        brackets = 2 if self._text.startswith("[[", begin) else 1
        self._at += brackets
        keys = [key for key, _ in self._keys()]
        self._at += brackets
        path: tuple[Step, ...] = ()
        for key in keys[:-1]:
            self._note((*path, key), begin)
            path = self._within((*path, key))
        path = (*path, keys[-1])
        if brackets == 2:
            number = self._counts[path] = self._counts.get(path, -1) + 1
            self._note(path, begin)
            path = (*path, number)
        self._places[path] = self._place(begin)
        return path

    def _within(self, path: tuple[Step, ...]) -> tuple[Step, ...]:
        """A table named on the way to another: of an array of tables, its last element."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _keys(self) -> list[tuple[str, int]]:
        """A dotted key's parts with their offsets."""
        keys: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            begin = self._at
            if self._text[begin] in "\"'":
                self._skip(_STRING)
                raw = self._text[begin : self._at]
                keys.append((raw[1:-1] if raw[0] == "'" else tomllib.loads(f"k = {raw}")["k"], begin))
            else:
                self._skip(_BARE_KEY)
                keys.append((self._text[begin : self._at], begin))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _pair(self, table: tuple[Step, ...]) -> None:
        path = table
        for key, begin in self._keys():
            path = (*path, key)
            self._note(path, begin)
        self._at += 1  # "="
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: tuple[Step, ...]) -> None:
        sign = self._text[self._at]
        if sign == "[":
            self._list(path)
        elif sign == "{":
            self._inline_table(path)
        elif sign in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _list(self, path: tuple[Step, ...]) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                break
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, number), self._at)
            self._value((*path, number))
            number += 1
        self._at += 1

    def _inline_table(self, path: tuple[Step, ...]) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                break
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1


# ── what pydantic says, for people ───────────────────────────────────────────────────────────────

_KINDS = ((bool, "true or false"), (str, "a text"), (int, "a whole number"), (float, "a number"), (list, "a list"))
_EXPECTED = {
    "string_type": "a text in quotation marks",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "time_delta_type": "a duration",
}


def problems_of(
    error: ValidationError, file: TomlFile, model: type[BaseModel] | None = None, *, secret: tuple[str, ...] = ()
) -> list[Problem]:
    """Every mistake that pydantic found in `file.data`, validated as `model`, as a sentence with its place.

    Mistakes that pydantic lists once for each form a value may have become one. With `model` a sentence can name the
    nearest known key. Values that stand under a key in `secret` are never repeated.
    """
    found: dict[tuple[Step, ...], list[str]] = {}
    for one in error.errors(include_url=False):
        path = _path_in_file(one, file.data)
        says = _sentence(one, path, model, shown=not set(secret) & set(path))
        if says not in found.setdefault(path, []):
            found[path].append(says)
    return [file.problem(path, "; or ".join(says)) for path, says in found.items()]


def _path_in_file(error: Any, data: Any) -> tuple[Step, ...]:
    """The error's location without the names that pydantic adds for the branches of a union."""
    path: tuple[Step, ...] = ()
    steps = error["loc"]
    for number, step in enumerate(steps):
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            path, data = (*path, step), data[step]
        elif number == len(steps) - 1 and error["type"] == "missing":
            path = (*path, step)
    return path


def _sentence(error: Any, path: tuple[Step, ...], model: type[BaseModel] | None, *, shown: bool) -> str:
    kind, context, value = error["type"], error.get("ctx") or {}, error.get("input")
    given = described(value) if shown else _kind_of(value)
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), model_at(model, path[:-1]) if model else None)
    if kind == "missing":
        return f"is missing; expected {expected_at(model, path)}"
    if kind in ("list_type", "tuple_type") and isinstance(value, dict):
        return f"must be a list of tables, is a table; write [[{path[-1]}]], with two brackets on either side"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, is {given}"
    if kind in ("literal_error", "enum"):
        return f"must be {context['expected']}, is {given}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"must be {_limit(kind, context)}, is {given}"
    if kind in ("too_short", "string_too_short"):
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {least} elements, has {len(value)}"
    if kind in ("too_long", "string_too_long"):
        return f"must have at most {context['max_length']} elements or letters, has {len(value)}"
    if kind == "finite_number":
        return f"must be an ordinary number, is {given}"
    if kind == "value_error":
        return str(context["error"])
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, is {given}"


def _limit(kind: str, context: dict[str, Any]) -> str:
    name, words = {
        "greater_than": ("gt", "greater than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }[kind]
    return f"{words} {context[name]:g}"


def described(value: Any) -> str:
    """A TOML value in a message: its kind, and the value itself where it is short."""
    kind = _kind_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        return kind
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return f"{kind}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"


_SHOWN = 60  # characters of a value that a message repeats


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    return next((name for cls, name in _KINDS if isinstance(value, cls)), "a date or time")


def nearest(name: str, known: list[str] | tuple[str, ...] | frozenset[str] | set[str]) -> str | None:
    """The known name that was probably meant; None where none is near."""
    import difflib  # few files have mistakes

    folded = {one.casefold(): one for one in sorted(known)}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if not found and len(name) >= 3:
        found = [one for one in folded if one.startswith(name.casefold()) or name.casefold().startswith(one)]
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: list[str] | tuple[str, ...] | frozenset[str] | set[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    near = nearest(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"expected one of {', '.join(sorted(known))}" if known else "there is none"


def _unknown_key(name: str, model: type[BaseModel] | None) -> str:
    return f"unknown key; {did_you_mean(name, keys_of(model))}" if model else "unknown key"


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a table may hold, as they are written in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def model_at(model: type[BaseModel], path: tuple[Step, ...]) -> type[BaseModel] | None:
    """The model of the table at a path, through lists, optional tables and tables of tables; None if it has none."""
    current: list[Any] = [model]
    for step in path:
        current = [below for annotation in current for below in _below(annotation, step)]
    return next((one for one in current if _is_model(one)), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _below(annotation: Any, step: Step) -> list[Any]:
    """What may stand under one key or number of something so annotated."""
    if _is_model(annotation):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return _options(fields.get(str(step)))
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (list, tuple) and isinstance(step, int):
        return _options(inner[0])
    return _options(inner[1]) if origin is dict else []


def _options(annotation: Any) -> list[Any]:
    """The forms that an annotation allows, Annotated and unions opened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _options(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [option for one in get_args(annotation) for option in _options(one)]
    return [annotation]


def expected_at(model: type[BaseModel] | None, path: tuple[Step, ...]) -> str:
    """What a missing key should hold: the first clause of its description, else its name."""
    owner = model_at(model, path[:-1]) if model else None
    field = None
    if owner is not None:
        field = next((f for name, f in owner.model_fields.items() if (f.alias or name) == path[-1]), None)
    if field is None or not field.description:
        return f"{path[-1]} = …"
    says = re.split(r"[;.:]", field.description, maxsplit=1)[0]
    return says if says[1:2].isupper() else says[:1].lower() + says[1:]
