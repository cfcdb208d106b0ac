"""A Boolean query, as an operator writes it → what it asks, and back to text with every bracket shown.

    or   := and (OR and)*
    and  := near (AND near)*
    near := part ((NEAR/n | ONEAR/n) part)*
    part := NOT part | ATLEAST/n place | place
    place := [title: | lead: | body:] (word | "phrase" | @group | ( or ))

Reads and prints; does not search a text (`locate` does) nor say whether a query is true (`ask` does). Systems differ in
what binds first (ours: NOT, NEAR, AND, OR), so `str(query)` shows it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from monitor.core.late import LatePattern
from monitor.core.locate import FIELDS
from monitor.core.variants import read_variant
from monitor.record import positional_record

DEEPEST = 60  # brackets and operators inside one another; nobody reads more


class QueryError(ValueError):
    """A query that cannot be read. `begin` and `end` are offsets of what is wrong with it."""

    def __init__(self, says: str, begin: int, end: int):
        super().__init__(says)
        self.says, self.begin, self.end = says, begin, end


# ── what a query asks ────────────────────────────────────────────────────────────────────────────


@positional_record
class Words:
    """A word, a phrase or a group: any of the variants, in any of the fields. `slot` numbers them in a query."""

    written: str
    variants: tuple[str, ...]
    fields: tuple[bool, bool, bool]
    prefix: str
    slot: int

    def __str__(self) -> str:
        return self.prefix + self.written


@positional_record
class Not:
    """The part does not hold."""

    part: Node

    def __str__(self) -> str:
        return f"(NOT {self.part})"


@positional_record
class AtLeast:
    """So many mentions of the part."""

    count: int
    part: Node

    def __str__(self) -> str:
        return f"(ATLEAST/{self.count} {self.part})"


@positional_record
class Nearby:
    """Both within so many words of each other; `ordered`: the left one first."""

    left: Node
    right: Node
    words: int
    ordered: bool

    def __str__(self) -> str:
        return f"({self.left} {'O' if self.ordered else ''}NEAR/{self.words} {self.right})"


@positional_record
class All:
    """Every part holds."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return f"({' AND '.join(map(str, self.parts))})"


@positional_record
class Either:
    """Some part holds."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.parts))})"


@positional_record
class Inside:
    """The bracket behind a `title:`, as written; `asked` makes plain words in that field of it."""

    prefix: str
    part: Node

    def __str__(self) -> str:
        return f"{self.prefix}{self.part}"


Node = Words | Not | AtLeast | Nearby | All | Either | Inside


def asked(query: Node, prefix: str = "") -> Node:
    """The query with each field at its words instead of at brackets: the same question, for `ask`."""
    if isinstance(query, Inside):
        return asked(query.part, query.prefix)
    if isinstance(query, Words):
        return replace(query, prefix=query.prefix or prefix)
    if isinstance(query, (All, Either)):
        return type(query)(tuple(asked(part, prefix) for part in query.parts))
    if isinstance(query, Nearby):
        return replace(query, left=asked(query.left, prefix), right=asked(query.right, prefix))
    return replace(query, part=asked(query.part, prefix))


def words_of(query: Node) -> tuple[Words, ...]:
    """All words, phrases and groups of a query, by slot."""
    if isinstance(query, Words):
        return (query,)
    if isinstance(query, (All, Either)):
        return tuple(one for part in query.parts for one in words_of(part))
    if isinstance(query, Nearby):
        return words_of(query.left) + words_of(query.right)
    return words_of(query.part)


def true_of_nothing(query: Node) -> bool:
    """Whether a query is true of a story that holds none of its words."""
    if isinstance(query, Not):
        return not true_of_nothing(query.part)
    if isinstance(query, All):
        return all(map(true_of_nothing, query.parts))
    return isinstance(query, Either) and any(map(true_of_nothing, query.parts))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────

_QUOTES = '"“”„«»'
_TOKEN = LatePattern(
    rf"""\s+
    |(?P<open>\()|(?P<close>\))
    |(?P<field>(?i:title|lead|body):)
    |(?P<phrase>[{_QUOTES}][^{_QUOTES}]*[{_QUOTES}])
    |(?P<quote>[{_QUOTES}])
    |(?P<group>@[^\s(){_QUOTES}]*)
    |(?P<word>[^\s(){_QUOTES}]+)""",
    re.VERBOSE,
)
_NUMBERED = re.compile(r"(NEAR|ONEAR|ATLEAST)(?:/(\S*))?")
_PLAIN = ("AND", "OR", "NOT")
_ANY_CASE = re.compile(r"(and|or|not|o?near(?:/\d+)?|atleast(?:/\d+)?)", re.IGNORECASE)
_OTHER_FIELD = re.compile(r"([A-Za-z]+):\S*")
_MOST_WORDS = 100_000


@positional_record
class _Token:
    kind: str  # open close field phrase group word end, or an operator: AND OR NOT NEAR ONEAR ATLEAST
    text: str
    begin: int
    end: int
    number: int = 0


@lru_cache(maxsize=1 << 10)
def read_query(text: str, groups: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> Node:
    """What a query asks. `groups` are the variants of each group, by name. Raises QueryError."""
    return _Parser(text, dict(groups)).query()


class _Parser:
    """Recursive descent; one instance reads one query."""

    def __init__(self, text: str, groups: Mapping[str, tuple[str, ...]]):
        self._text, self._groups = text, groups
        self._tokens, self._at = _tokens(text), 0
        self._slots, self._depth = 0, 0
        self._fields, self._prefix = (True, True, True), ""

    def query(self) -> Node:
        """The whole text."""
        if self._next.kind == "end":
            raise QueryError("is empty; expected words, such as Iran AND missile*", 0, 0)
        found = self._either()
        if self._next.kind == "close":
            raise self._wrong("no bracket is open here; expected one ')' for each '('")
        if self._next.kind != "end":
            raise self._side_by_side()
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _wrong(self, says: str, token: _Token | None = None) -> QueryError:
        token = token or self._next
        return QueryError(says, token.begin, token.end)

    def _either(self) -> Node:
        return self._chain("OR", self._all, Either)

    def _all(self) -> Node:
        return self._chain("AND", self._nearby, All)

    def _chain(self, operator: str, part, kind) -> Node:
        parts = [part()]
        while self._next.kind == operator:
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _nearby(self) -> Node:
        left, count = self._part(), 0
        while self._next.kind in ("NEAR", "ONEAR"):
            operator = self._take()
            right = self._part()
            if isinstance(left, Not) and isinstance(right, Not):
                says = f"both sides of {operator.kind} are NOT; expected something to be near to"
                raise self._wrong(says, operator)
            left = Nearby(left, right, operator.number, operator.kind == "ONEAR")
            count += 1
            if count > DEEPEST:
                raise self._wrong("is a chain of too many NEAR; expected brackets and OR", operator)
        return left

    def _part(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong("is nested too deeply; expected a few levels of brackets")
        try:
            if self._next.kind == "NOT":
                self._take()
                return Not(self._part())
            if self._next.kind == "ATLEAST":
                token = self._take()
                if self._next.kind in ("NOT", "ATLEAST"):
                    raise self._wrong("ATLEAST counts mentions; expected a word, a phrase or brackets after it")
                return AtLeast(token.number, self._place())
            return self._place()
        finally:
            self._depth -= 1

    def _place(self) -> Node:
        token = self._next
        if token.kind == "field":
            return self._in_field(self._take())
        if token.kind == "open":
            return self._bracket(self._take())
        if token.kind in ("phrase", "word", "group"):
            return self._words(self._take())
        if token.kind == "end":
            raise self._wrong("ends too early; expected a word, a phrase or '('")
        if token.kind == "close":
            raise self._wrong("nothing stands before this bracket; expected a word, a phrase or '('")
        raise self._wrong(f"{token.text} stands where a word should; expected a word, a phrase or '('")

    def _bracket(self, opening: _Token) -> Node:
        found = self._either()
        if self._next.kind == "end":
            raise self._wrong("this bracket is not closed; expected ')'", opening)
        if self._next.kind != "close":
            raise self._side_by_side()
        self._take()
        return found

    def _in_field(self, token: _Token) -> Node:
        name = token.text.lower().rstrip(":")
        fields = tuple(field == name for field in FIELDS)
        if self._prefix:
            raise self._wrong(f"{token.text} stands inside {self._prefix} and no word is in both", token)
        if self._next.kind not in ("phrase", "word", "group", "open"):
            raise self._wrong(f"nothing stands after {token.text}; expected a word, a phrase or '('", token)
        self._fields, self._prefix = fields, f"{name}:"
        try:
            return self._within(self._prefix)
        finally:
            self._fields, self._prefix = (True, True, True), ""

    def _within(self, prefix: str) -> Node:
        part = self._place()
        return replace(part, prefix=prefix) if isinstance(part, Words) else Inside(prefix, part)

    def _words(self, token: _Token) -> Words:
        variants = self._group(token) if token.kind == "group" else (_checked(token),)
        written = f'"{token.text[1:-1].strip()}"' if token.kind == "phrase" else token.text
        self._slots += 1
        return Words(written, variants, self._fields, "", self._slots - 1)

    def _group(self, token: _Token) -> tuple[str, ...]:
        name = unicodedata.normalize("NFC", token.text[1:])
        if name not in self._groups:
            known = ", ".join(sorted(self._groups))
            raise self._wrong(f"unknown group {name!r}; {f'known are: {known}' if known else 'there is none'}", token)
        return self._groups[name]

    def _side_by_side(self) -> QueryError:
        """What to say of something that follows without an operator."""
        token, before = self._next, self._tokens[self._at - 1]
        if token.kind in ("NOT", "ATLEAST"):
            return self._wrong(f"{token.text} follows without an operator; expected AND or OR before it")
        for one in (token, before):
            if one.kind == "word" and _ANY_CASE.fullmatch(one.text):
                says = f"operators are written in capitals; expected {one.text.upper()}, or quotation marks around it"
                return self._wrong(says, one)
        if {token.kind, before.kind} == {"word"}:
            phrase = f'"{before.text} {token.text}"'
            return self._wrong(f"words side by side; expected {phrase} for a phrase, or AND, OR, NEAR/n between them")
        return self._wrong("follows without an operator; expected AND, OR or NEAR/n before it")


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "quote":
            raise QueryError("this quotation mark is not closed; expected another one", match.start(), match.end())
        if kind is not None:
            tokens.append(_operator(_Token(kind, match[0], match.start(), match.end())))
    end = len(text.rstrip())
    return [*tokens, _Token("end", "", end, end)]


def _operator(token: _Token) -> _Token:
    """The token, as an operator where it is one."""
    if token.kind != "word":
        return token
    if token.text in _PLAIN:
        return _Token(token.text, token.text, token.begin, token.end)
    numbered = _NUMBERED.fullmatch(token.text)
    if numbered:
        name, number = numbered.groups()
        if not (number and number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= _MOST_WORDS):
            says = f"{token.text} has no number from 1 on; expected {name}/{2 if name == 'ATLEAST' else 10}, say"
            raise QueryError(says, token.begin, token.end)
        return _Token(name, token.text, token.begin, token.end, int(number))
    return token


def _checked(token: _Token) -> str:
    """The variant that a word or phrase is. Raises QueryError where it is none."""
    variant = token.text[1:-1].strip() if token.kind == "phrase" else token.text
    other = _OTHER_FIELD.fullmatch(token.text) if token.kind == "word" else None
    if other and other[1].casefold() not in ("http", "https"):
        says = f"unknown field {other[1]}:; expected title:, lead: or body:, or quotation marks around it all"
        raise QueryError(says, token.begin, token.end)
    try:
        read_variant(variant)
    except ValueError as error:
        raise QueryError(str(error), token.begin, token.end) from error
    return variant
