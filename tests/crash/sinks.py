"""What is sent arrives here: a Matrix homeserver that honours transaction ids, a Slack webhook that appends, a mail
server with two recipients, and a JSON webhook for Apprise.

They are the strict fakes of `tests/fakes.py`; here they also throw dice for their faults, kill the daemon when told to,
and keep the record by which it is judged: one `Effect` for everything that a person would see.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from enum import Enum
from urllib.parse import unquote

from aiohttp import web

from tests.crash.press import tokens_in
from tests.fakes import FakeHttp, FakeMatrix, FakeSlack, FakeSmtp, Seen

ROOM = FakeMatrix.room
MAILBOXES = ("desk@example.org", "night@example.org")
DESTINATIONS = (("room", ROOM), ("hook", ""), *(("mail", box) for box in MAILBOXES), ("json", ""))


class Fate(Enum):
    """What becomes of one send."""

    TAKEN = "taken"
    LOST = "the connection is reset before anything is done"
    REFUSED = "429 or 500 (451 by SMTP)"
    UNANSWERED = "done, then the connection is reset in place of the answer"


@dataclass
class Effect:
    """One message that people can see."""

    channel: str
    recipient: str
    tokens: frozenset[str]
    life: int  # the how-manieth daemon sent it
    ambiguous: bool = False  # the sender could not know: no answer, or killed before it was on record
    why_ambiguous: str = ""


@dataclass
class Record:
    """Everything that was seen, in order, and the dice. Shared by all sinks."""

    dice: random.Random
    share: float = 0.15  # of sends that fault
    effects: list[Effect] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    life: int = 0
    trap: tuple[str, int, Callable[[], None]] | None = None  # channel, at its how-manieth message, and what happens
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self, channel: str) -> Fate:
        """What becomes of this send."""
        with self.lock:
            fate = Fate.TAKEN
            if self.dice.random() < self.share:
                fate = self.dice.choice((Fate.LOST, Fate.REFUSED, Fate.UNANSWERED))
                self.faults[fate.name] = self.faults.get(fate.name, 0) + 1
            return fate

    def spring(self, channel: str) -> bool:
        """A message has come whole and is not answered: kill the daemon here, if that was asked for."""
        with self.lock:
            if self.trap is None or self.trap[0] != channel:
                return False
            self.trap = (channel, self.trap[1] - 1, self.trap[2])
            if self.trap[1] > 0:
                return False
            does, self.trap = self.trap[2], None
        does()
        return True

    def saw(self, channel: str, recipient: str, text: str, *, unanswered: bool) -> None:
        """Somebody can see this text."""
        why = "no answer" if unanswered else ""
        with self.lock:
            self.effects.append(Effect(channel, recipient, tokens_in(text), self.life, unanswered, why))


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────


class _HttpSink:
    """Mixed into a fake: dice, traps and the record around its answers."""

    channel: str
    record: Record

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = Seen(method=request.method, path=request.raw_path, headers=dict(request.headers), body=body)
        if not self.carries(seen):
            return self.answer(seen)
        killed = self.record.spring(self.channel)
        fate = Fate.TAKEN if killed else self.record.fate(self.channel)
        if fate is Fate.REFUSED:
            return self.refusal(self.record.dice.choice((429, 500)))
        if fate is Fate.LOST:
            return _reset(request)
        before = self.count()
        answer = self.answer(seen)
        if answer.status == 200 and self.count() > before:
            self.record.saw(self.channel, *self.shown(seen), unanswered=fate is Fate.UNANSWERED)
        return _reset(request) if fate is Fate.UNANSWERED else answer

    def open_connections(self) -> int:
        """How many there are."""
        return len(self._runner.server.connections)

    def refusal(self, status: int) -> web.Response:
        wait = {"Retry-After": "2"} if status == 429 else {}
        return web.Response(status=status, text=self.words(status, None), headers=wait)


class MatrixSink(_HttpSink, FakeMatrix):
    channel = "room"

    def carries(self, seen: Seen) -> bool:
        return seen.method == "PUT"

    def count(self) -> int:
        return len(self.events())

    def shown(self, seen: Seen) -> tuple[str, str]:
        return unquote(seen.path.split("/rooms/")[1].split("/")[0]), json.dumps(seen.json)

    def refusal(self, status: int) -> web.Response:
        body = {"errcode": "M_UNKNOWN", "error": "no"}
        if status == 429:
            body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 2000}
        return web.json_response(body, status=status)


class SlackSink(_HttpSink, FakeSlack):
    channel = "hook"

    def carries(self, seen: Seen) -> bool:
        return True

    def count(self) -> int:
        return len(self.messages)

    def shown(self, seen: Seen) -> tuple[str, str]:
        return "", json.dumps(seen.json)


class JsonSink(_HttpSink, FakeHttp):
    channel = "json"
    taken = 0

    def carries(self, seen: Seen) -> bool:
        return True

    def count(self) -> int:
        return self.taken

    def answer(self, seen: Seen) -> web.Response:
        self.taken += 1
        return super().answer(seen)

    def shown(self, seen: Seen) -> tuple[str, str]:
        return "", json.dumps(seen.json)


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────


class MailSink(FakeSmtp):
    channel = "mail"
    record: Record

    async def handle_DATA(self, server, _session, envelope) -> str:
        killed = self.record.spring(self.channel)
        fate = Fate.TAKEN if killed else self.record.fate(self.channel)
        if fate is Fate.REFUSED:
            return "451 4.3.0 try again later"
        if fate is not Fate.LOST:
            mail = message_from_bytes(envelope.original_content or b"", policy=default)
            text = f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}"
            for recipient in envelope.rcpt_tos:
                self.record.saw("mail", recipient, text, unanswered=fate is Fate.UNANSWERED)
        if fate is not Fate.TAKEN and server.transport is not None:
            server.transport.abort()
        return "250 taken"

    def _protocol(self):
        made = super()._protocol()
        self.talks = [talk for talk in getattr(self, "talks", []) if not _over(talk)] + [made]
        return made

    def open_connections(self) -> int:
        """How many there are."""
        return sum(not _over(talk) for talk in getattr(self, "talks", []))


def _over(talk) -> bool:
    return talk.transport is None or talk.transport.is_closing()


# ── all of them ──────────────────────────────────────────────────────────────────────────────────


class Sinks:
    """All four, by channel."""

    def __init__(self, record: Record, opened: dict[str, object]):
        self.record, self._opened = record, opened

    @property
    def urls(self) -> dict[str, str]:
        """The channels' addresses, by name."""
        mail = self._opened["mail"].url_of(*MAILBOXES)
        return {name: mail if name == "mail" else sink.url for name, sink in self._opened.items()}

    @property
    def homeserver(self) -> MatrixSink:
        """The one for Matrix."""
        return self._opened["room"]

    def wait_until_quiet(self) -> None:
        """Wait until everything that a dead daemon had written is read: it may take effect after its death."""
        for sink in self._opened.values():
            sink._do(_quiet(sink))


async def _quiet(sink) -> None:
    await asyncio.sleep(0.002)  # what stands in the kernel's queue is accepted
    while sink.open_connections():
        await asyncio.sleep(0.002)


@contextmanager
def open_sinks(dice: random.Random, *, share: float = 0.15) -> Iterator[Sinks]:
    """The four sinks, listening."""
    record = Record(dice, share)
    kinds = {"room": MatrixSink, "hook": SlackSink, "mail": MailSink, "json": JsonSink}
    with ExitStack() as stack:
        opened = {}
        for name, kind in kinds.items():
            sink = kind()
            sink.record = record
            opened[name] = stack.enter_context(sink)
        yield Sinks(record, opened)
