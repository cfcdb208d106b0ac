"""`console://`: what stands on stdout."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace

import pytest

from monitor.edges.send import open_sender
from monitor.edges.send.console import block
from monitor.errors import DeliveryErrorKind
from monitor.model import Message
from tests.edges.send.samples import MESSAGE, accepted, delivery, hostile_message, refused


def test_a_message_is_one_block_closed_by_an_empty_line(capsys: pytest.CaptureFixture[str]):
    accepted("console://")
    out = capsys.readouterr().out
    assert out.splitlines()[0] == MESSAGE.headline
    assert out.endswith("\n\n") and "\n\n" not in out[:-2]
    for part in (MESSAGE.url, MESSAGE.lead, MESSAGE.spread, *MESSAGE.why):
        assert part in out


def test_a_pipe_gets_no_escape_codes_and_a_terminal_a_bold_headline():
    assert "\x1b" not in block(delivery())
    assert block(delivery(), bold=True).startswith(f"\x1b[1m{MESSAGE.headline}\x1b[0m\n")


@pytest.mark.parametrize("field", ["headline", "title", "lead", "outlet", "spread"])
def test_I14_control_characters_reach_neither_terminal_nor_pipe(field: str):
    shown = block(delivery(replace(MESSAGE, **{field: "a\x1b]52;c;evil\x07b\r\n\x1b[31m\u202ec"})))
    assert not any(c in shown for c in "\x1b\x07\r\u202e")


def test_json_is_one_line_with_every_field_and_whose_it_is(capsys: pytest.CaptureFixture[str]):
    accepted("console://?format=json", delivery(hostile_message(), channel="ops"))
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert {field.name for field in fields(Message)} <= set(said)
    assert (said["delivery"], said["alert"], said["channel"]) == ("d0123456789abcdef012", "a2", "ops")
    assert said["title"] == hostile_message().title
    assert said["level"] == "urgent"


def test_a_closed_stdout_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdout", _Ajar(closed))
    assert refused("console://").kind is DeliveryErrorKind.RETRY


class _Ajar:
    """A stdout whose reader has gone."""

    encoding = "utf-8"

    def __init__(self, inner: io.StringIO):
        self._inner = inner

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        return self._inner.write(text)

    def flush(self) -> None:
        self._inner.flush()


def test_letters_that_stdout_cannot_show_do_not_stop_a_message(monkeypatch: pytest.MonkeyPatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    accepted("console://")
    assert b"?missing" in raw.getvalue() or b"?" in raw.getvalue()


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="text and json"):
        open_sender("c", "console://?format=yaml")
