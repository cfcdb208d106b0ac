"""Reading an operator's TOML: what is refused, where things stand, and how mistakes are told."""

import os
import tomllib
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitor.errors import ConfigError
from monitor.toml_file import TomlFile, _Locator, did_you_mean, problems_of, read_toml
from monitor.units import Duration, PositiveDuration, Size, format_duration, parse_duration, parse_size

TEXT = '''# a comment with [brackets] and = signs
title = "a # no comment"
"quoted key" = 1
a.b.c = 2
many = [
  "one",   # first
  """two
lines""",
  [3, 4], { five = 5, six.seven = 'x' },
]
when = 1979-05-27 07:32:00

[scope]
feeds = ["a",
         'b']

[[term]]
name = "x"
near = { term = "y", words = 3 }
[[term]]
any = ["""""", \'\'\'it's\'\'\', """a"b\\""""]
[term.deep]
key = 1
[[term.inner]]
p = 1
[[term.inner]]
p = 2
'''
PLACES = [
    (("title",), (2, 1)),
    (("quoted key",), (3, 1)),
    (("a",), (4, 1)),
    (("a", "b", "c"), (4, 5)),
    (("many",), (5, 1)),
    (("many", 0), (6, 3)),
    (("many", 1), (7, 3)),
    (("many", 2), (9, 3)),
    (("many", 2, 1), (9, 7)),
    (("many", 3, "five"), (9, 13)),
    (("many", 3, "six", "seven"), (9, 27)),
    (("when",), (11, 1)),
    (("scope",), (13, 1)),
    (("scope", "feeds", 1), (15, 10)),
    (("term",), (17, 1)),
    (("term", 0), (17, 1)),
    (("term", 0, "near", "words"), (19, 22)),
    (("term", 1), (20, 1)),
    (("term", 1, "any", 1), (21, 16)),
    (("term", 1, "any", 2), (21, 28)),
    (("term", 1, "deep", "key"), (23, 1)),
    (("term", 1, "inner", 1, "p"), (27, 1)),
    (("term", 0, "absent"), (17, 1)),
    (("term", 0, "near", "absent"), (19, 1)),
    (("term", 1, "deep", "absent"), (22, 1)),
    (("absent",), (1, 1)),
    (("absent", 3, "more"), (1, 1)),
]


def read(tmp_path, content: str | bytes) -> TomlFile:
    path = tmp_path / "file.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_toml(path)


@pytest.mark.parametrize(("path", "place"), PLACES, ids=[".".join(map(str, path)) for path, _ in PLACES])
def test_a_position_is_line_and_column(tmp_path, path, place):
    assert read(tmp_path, TEXT).position(*path) == place


def test_windows_line_ends_and_a_byte_order_mark_change_no_position(tmp_path):
    file = read(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert all(file.position(*path) == place for path, place in PLACES)


REFUSED = [
    ("a value that is none", b"a = 1\nb = nope\n", 2, "no value"),
    ("a key twice", b"a = 1\n\na = 2\n", 3, "stands twice"),
    ("a table twice", b"[a]\nx = 1\n[b]\n[a]\n", 4, "stands twice"),
    ("a text that is not closed", b'a = 1\nb = "x\nc = 2\n', 2, "a text is not closed"),
    ("a list that is not closed", b"a = [1,\n2\n", 2, "not closed"),
    ("a key without a value", b"a = 1\nb\n", 2, "no '='"),
    ("two values in a line", b"a = 1 b = 2\n", 1, "new line"),
    ("a byte that is not UTF-8", "a = 1\nb = 'ä'\n".encode("latin-1"), 2, "0xE4 is not UTF-8"),
    ("UTF-16", 'a = "b"'.encode("utf-16"), 1, "UTF-16"),
    ("a NUL", b"a = 'x\x00'\n", 1, "does not allow"),
    ("a huge file", b"#" * (1 << 20) + b"\n", 1, "larger than"),
    ("lists nested without end", b"a = " + b"[" * 100_000, 1, "too deeply"),
    ("tables nested without end", b"a = " + b"{a=" * 20_000, 1, "too deeply"),
    ("a number of endless digits", b"a = " + b"9" * 5000, 1, "cannot be read"),
]


@pytest.mark.parametrize(("content", "line", "says"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_file_is_refused_with_its_line(tmp_path, content, line, says):
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, content)
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "file.toml"), line)
    assert says in problem.says


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path, says in (
        (tmp_path / "pipe.toml", "is a pipe"),
        (tmp_path, "is a directory"),
        ("/dev/zero", "is a device"),
        (tmp_path / "absent.toml", "No such file"),
        (tmp_path / "nul\0.toml", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_toml(type(tmp_path)(path))


# ── pydantic's mistakes as sentences ─────────────────────────────────────────────────────────────


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    weight: float = Field(1, gt=0, allow_inf_nan=False)
    kind: Literal["one", "two"] = "one"
    count: int = Field(1, le=10)
    wait: PositiveDuration | None = None


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    title: str = Field(description="A short text; shown to people.")
    on: bool = True
    words: Annotated[list[str], Field(min_length=1)] = ["x"]
    one: Inner = Inner()
    some: list[Inner] = []
    named: dict[str, Inner] = {}
    either: str | Inner = ""
    size: Size = 0
    wait: Duration | None = None


SENTENCES = [
    ("an unknown key has a nearest one", "titel = 'x'\ntitle = 'x'", 1, "titel: unknown key; did you mean 'title'?"),
    (
        "an unknown key with nothing near lists the known",
        "title='x'\none.zzz = 1",
        2,
        "one.zzz: unknown key; expected one of count, kind, wait, weight",
    ),
    (
        "an unknown key in a list",
        "title='x'\n[[some]]\nwieght = 2",
        3,
        "some.wieght: unknown key; did you mean 'weight'?",
    ),
    (
        "an unknown key in a table of tables",
        "title='x'\n[named.a]\nwieght = 2",
        3,
        "named.a.wieght: unknown key; did you mean 'weight'?",
    ),
    ("an unknown key in one of two forms", "title='x'\neither = { wieght = 2 }", 2, "did you mean 'weight'?"),
    ("a missing key says what was expected", "on = true", 1, "title: is missing; expected a short text"),
    ("a number that is a text", "title='x'\none.weight = '2'", 2, 'one.weight: must be a number, is a text: "2"'),
    ("true in quotation marks", "title='x'\non = 'false'", 2, 'on: must be true or false, is a text: "false"'),
    (
        "a whole number that is none",
        "title='x'\none.count = 1.5",
        2,
        "one.count: must be a whole number, is a number: 1.5",
    ),
    ("a text that is a number", "title = 3", 1, "title: must be a text in quotation marks, is a whole number: 3"),
    ("a text that is true", "title = true", 1, "title: must be a text in quotation marks, is true"),
    ("a list that is a text", "title='x'\nwords = 'y'", 2, 'words: must be a list, is a text: "y"'),
    ("a table that is a list", "title='x'\none = []", 2, "one: must be a table, is a list"),
    ("a list that is empty", "title='x'\nwords = []", 2, "words: must not be empty"),
    (
        "an element of a list",
        "title='x'\nwords = ['a',\n 2]",
        3,
        "words: must be a text in quotation marks, is a whole number: 2",
    ),
    (
        "a number out of its range",
        "title='x'\none.weight = 0",
        2,
        "one.weight: must be greater than 0, is a whole number: 0",
    ),
    (
        "a number beyond its range",
        "title='x'\none.count = 11",
        2,
        "one.count: must be at most 10, is a whole number: 11",
    ),
    ("nan", "title='x'\none.weight = nan", 2, "one.weight: must be an ordinary number"),
    ("a choice", "title='x'\none.kind = 'tow'", 2, "one.kind: must be 'one' or 'two', is a text: \"tow\""),
    ("a duration of an odd unit", "title='x'\nwait = '3 weeks'", 2, "wait: is '3 weeks'; expected a duration such as"),
    ("a duration without quotation marks", "title='x'\nwait = 30", 2, "wait: must be a duration in quotation marks"),
    ("a duration beyond all dates", "title='x'\nwait = '999999999d'", 2, "expected at most 36500d"),
    ("no time at all", "title='x'\none.wait = '0s'", 2, 'expected between "1s" and'),
    ("a size of an odd unit", "title='x'\nsize = '3 pages'", 2, "size: is '3 pages'; expected a size such as"),
    (
        "a date where none is expected",
        "title = 2024-05-16",
        1,
        "title: must be a text in quotation marks, is a date or time",
    ),
]


@pytest.mark.parametrize(("content", "line", "says"), [c[1:] for c in SENTENCES], ids=[c[0] for c in SENTENCES])
def test_a_mistake_is_told_in_plain_words(tmp_path, content, line, says):
    file = read(tmp_path, content)
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(file.data)
    told = [(problem.line, str(problem)) for problem in problems_of(refused.value, file, Outer)]
    assert [at for at, text in told if says in text] == [line], told


def test_secrets_are_not_repeated(tmp_path):
    file = read(tmp_path, "title = 12345678")
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(file.data)
    (problem,) = problems_of(refused.value, file, Outer, secret=("title",))
    assert problem.says == "must be a text in quotation marks, is a whole number"


def test_without_a_model_an_unknown_key_is_still_told(tmp_path):
    file = read(tmp_path, "title = 'x'\nzzz = 1")
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(file.data)
    assert str(problems_of(refused.value, file)[0]).endswith("file.toml:2: zzz: unknown key")


def test_names_are_near_whatever_their_case():
    assert did_you_mean("DPRK", {"dprk", "x"}) == "did you mean 'dprk'?"
    assert did_you_mean("q", set()) == "there is none"


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("15m", 900), ("8h", 28_800), ("7d", 604_800), ("0s", 0)])
def test_durations(text, seconds):
    assert parse_duration(text).total_seconds() == seconds
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


@pytest.mark.parametrize("text", ["", "30", "s", "-5m", "1.5h", "1h30m", "5 weeks", "٣s", "5M"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("15MB", 15_000_000), ("500KB", 500_000), ("1GB", 10**9), ("2MiB", 1 << 21), ("7 B", 7)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "15", "MB", "-1MB", "1.5MB", "99999GB"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="expected"):
        parse_size(text)


# ── every key has a place ────────────────────────────────────────────────────────────────────────

KEYS = st.text(st.sampled_from("ab\"'. #=é]"), max_size=4)
STRINGS = st.text(st.sampled_from("ab\"' #=[]{},\\é\n"), max_size=6)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


VALUES = st.recursive(
    st.one_of(
        STRINGS.map(quoted),
        st.integers(-9, 9).map(str),
        st.sampled_from(["true", "1.5", "1979-05-27", "'''x\n'y'''", '"""\n"q"\\\n"""']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda all_: "[ " + ", # ] }\n".join(all_) + " ]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda d: "{ " + ", ".join(f"{quoted(k)} = {v}" for k, v in d.items()) + " }"
        ),
    ),
    max_leaves=6,
)


def paths(data, path=()):
    if path:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in items:
        yield from paths(value, (*path, step))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=3))
def test_every_key_and_element_has_a_place(top, table):
    text = "".join(f"{quoted(k)} = {v}\n" for k, v in top.items())
    text += "[[zz.array]]\n# x\n" + "".join(f"{quoted(k)} = {v}\n" for k, v in table.items()) + "[[zz.array]] # again\n"
    data = tomllib.loads(text)
    assert set(_Locator(text).places()) >= set(paths(data))
