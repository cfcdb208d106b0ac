"""The outside, faked on loopback: Slack (in `fake_slack.py`), Matrix, SMTP and a sink for webhooks.

Each fake is a real server in a thread of its own, used as a context manager, and keeps what reached it.
Faults are scripted in words (`served.py`); without faults a fake behaves as the real thing says in its published
contract. None of them imports anything of ours.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.fake_slack import FakeSlack, slack_refusal
from tests.served import HttpFake, Seen, Served


class FakeHttp(HttpFake):
    """A sink that says 200 to everything; `url` is Apprise's for it, `accepted` what it said so to."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[Seen] = []

    @property
    def url(self) -> str:
        """The sink as an Apprise URL."""
        return f"json://127.0.0.1:{self.port}/hook"

    def answer(self, seen: Seen) -> web.Response:
        """Always yes."""
        self.accepted.append(seen)
        return web.Response(text="thank you")


# ── Matrix ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A message as a Matrix client shows it."""

    event: str
    body: str
    thread: str = ""  # the event at its root
    edits: int = 0


class FakeMatrix(HttpFake):
    """A homeserver with one account: password login, join, aliases, and `send` that honours the
    transaction id of each device. Edits and threads must refer to events that exist."""

    user, password = "bot", "matrix-p4ssword"
    room = "!room:fake.example"
    alias = "#desk:fake.example"

    def __init__(self) -> None:
        super().__init__()
        self.logins: list[str] = []  # device ids
        self._spares_logins = False
        self.joined = {self.room}
        self.invited: set[str] = set()
        self._tokens: dict[str, str] = {}  # token → device
        self._events: dict[str, list[dict[str, Any]]] = {}  # room → whole events
        self._transactions: dict[tuple[str, str, str], str] = {}

    @property
    def url(self) -> str:
        """The room as a channel URL."""
        return self.url_of(self.room)

    def url_of(self, *rooms: str) -> str:
        """These rooms as a channel URL."""
        path = "/".join(room.replace("#", "%23") for room in rooms)
        return f"matrix://{self.user}:{self.password}@127.0.0.1:{self.port}/{path}"

    def messages(self, room: str | None = None) -> list[dict[str, Any]]:
        """The contents of all events in a room, each once, edits among them, with their relations (`m.relates_to`)."""
        return [event["content"] for event in self.events(room)]

    def events(self, room: str | None = None) -> list[dict[str, Any]]:
        """All events in a room, as `/messages` has them."""
        return self._events.get(room or self.room, [])

    def shown(self, room: str | None = None) -> list[Shown]:
        """What a client shows: every message once, in its newest form."""
        shown: dict[str, Shown] = {}
        for event in self.events(room):
            content = event["content"]
            relation = content.get("m.relates_to") or {}
            if relation.get("rel_type") == "m.replace":
                first = shown[relation["event_id"]]
                shown[first.event] = replace(first, body=content["m.new_content"]["body"], edits=first.edits + 1)
                continue
            thread = relation["event_id"] if relation.get("rel_type") == "m.thread" else ""
            shown[event["event_id"]] = Shown(event=event["event_id"], body=content["body"], thread=thread)
        return list(shown.values())

    def forgets_tokens(self) -> Self:
        """All logins end."""
        self._tokens.clear()
        return self

    def spares_logins(self) -> Self:
        """From now on faults strike messages only."""
        self._spares_logins = True
        return self

    def may_fault(self, seen: Seen) -> bool:
        """All requests, unless it spares logins."""
        return seen.method == "PUT" or not self._spares_logins

    def knows_token(self, token: str) -> Self:
        """A login from elsewhere."""
        self._tokens[token] = "ELSEWHERE"
        return self

    def limits(self, milliseconds: object) -> Self:
        """The next request meets a rate limit."""
        body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": milliseconds}
        return self.fails_with(429, json.dumps(body))

    def refuses(self, status: int, errcode: str, times: int = 1) -> Self:
        """The next requests are refused with a Matrix error."""
        return self.fails_with(status, json.dumps({"errcode": errcode, "error": "no"}), times=times)

    def answer(self, seen: Seen) -> web.Response:
        """Find who asks for what."""
        path = seen.path.removeprefix("/_matrix/client/v3")
        if (seen.method, path) == ("POST", "/login"):
            return self._login(seen.json)
        if path.startswith("/directory/room/"):
            known = unquote(path.split("/")[3]) == self.alias
            return web.json_response({"room_id": self.room}) if known else _matrix_error(404, "M_NOT_FOUND")
        device = self._tokens.get(seen.headers.get("Authorization", "").removeprefix("Bearer "))
        if device is None:
            return _matrix_error(401, "M_UNKNOWN_TOKEN")
        if path.startswith("/join/"):
            return self._join(unquote(path.split("/")[2]))
        if seen.method == "GET":
            return self._read(urlsplit(path).path.split("/"))
        return self._send(seen, device, path.split("/"))

    def _login(self, asked: dict[str, Any]) -> web.Response:
        if (asked["identifier"]["user"], asked["password"]) != (self.user, self.password):
            return _matrix_error(403, "M_FORBIDDEN")
        device = asked.get("device_id") or f"RANDOM{len(self.logins)}"
        self.logins.append(device)
        self._tokens = {token: of for token, of in self._tokens.items() if of != device}
        token = f"syt_secret_{len(self.logins)}"
        self._tokens[token] = device
        return web.json_response({"access_token": token, "device_id": device, "user_id": "@bot:fake.example"})

    def _join(self, room: str) -> web.Response:
        room = self.room if room == self.alias else room
        if room not in self.joined | self.invited:
            return _matrix_error(403, "M_FORBIDDEN")
        self.joined.add(room)
        return web.json_response({"room_id": room})

    def _send(self, seen: Seen, device: str, path: list[str]) -> web.Response:
        _, rooms, room, send, kind, txn = map(unquote, path)
        if (seen.method, rooms, send, kind) != ("PUT", "rooms", "send", "m.room.message"):
            return _matrix_error(404, "M_UNRECOGNIZED")
        if room not in self.joined:
            return _matrix_error(403, "M_FORBIDDEN")
        if len(seen.body) > 65_536:
            return _matrix_error(413, "M_TOO_LARGE")
        event = self._transactions.get((device, room, txn))
        if event is None:
            wrong = _relation_refusal(seen.json, {known["event_id"] for known in self.events(room)})
            if wrong:
                return _matrix_error(400, "M_UNKNOWN", wrong)
            event = self._transactions[device, room, txn] = f"$event{len(self._transactions) + 1}"
            self._events.setdefault(room, []).append(
                {"event_id": event, "type": kind, "sender": "@bot:fake.example", "content": seen.json}
            )
        return web.json_response({"event_id": event})

    def _read(self, path: list[str]) -> web.Response:
        match [unquote(part) for part in path]:
            case ["", "account", "whoami"]:
                return web.json_response({"user_id": "@bot:fake.example"})
            case ["", "rooms", room, "messages"] if room in self.joined:
                return web.json_response({"chunk": list(reversed(self.events(room))), "start": "0"})
            case ["", "rooms", room, "event", event] if room in self.joined:
                found = [known for known in self.events(room) if known["event_id"] == event]
                return web.json_response(found[0]) if found else _matrix_error(404, "M_NOT_FOUND")
            case ["", "rooms", _, "state", *_]:
                return _matrix_error(404, "M_NOT_FOUND")  # not encrypted
        return _matrix_error(404, "M_UNRECOGNIZED")


def _relation_refusal(content: dict[str, Any], known: set[str]) -> str:
    """Why a homeserver or its clients would not take this edit or reply, or an empty string."""
    relation = content.get("m.relates_to")
    if relation is None:
        return ""
    if relation.get("event_id", relation.get("m.in_reply_to", {}).get("event_id")) not in known:
        return "Can't send relation to unknown event"
    if relation.get("rel_type") == "m.replace" and "body" not in content.get("m.new_content", {}):
        return "An edit needs m.new_content"
    return "" if relation.get("rel_type") in (None, "m.replace", "m.thread") else "unknown relation"


def _matrix_error(status: int, errcode: str, words: str = "no") -> web.Response:
    return web.json_response({"errcode": errcode, "error": words}, status=status)


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One accepted mail."""

    sender: str
    recipient: str
    data: bytes


class FakeSmtp(Served):
    """A mail server that can refuse at each stage and lose connections. With `tls` it offers STARTTLS,
    with `user` and `password` it lets (only) them in."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, user: str = "", password: str = "") -> None:
        self.mails: list[Mail] = []
        self.logins: list[tuple[str, str]] = []  # every attempt, with the password it gave
        self.fell_silent = threading.Event()
        self._tls, self._user, self._password = tls, user, password
        self._refusals: deque[tuple[str, str, str]] = deque()
        self._after_dot: deque[str] = deque()

    def lets_in(self, user: str, password: str) -> Self:
        """Only who knows this password."""
        self._user, self._password = user, password
        return self

    def url_of(self, *recipients: str, scheme: str = "mailto", login: str = "", **options: str) -> str:
        """This server as a channel URL."""
        extra = "".join(f"&{key}={value}" for key, value in options.items())
        return f"{scheme}://{login}localhost:{self.port}?to={','.join(recipients)}{extra}"

    def refuses(self, stage: str, answer: str, *, recipient: str = "", times: int = 1) -> Self:
        """The next time at `stage` (mail, rcpt, data; for `recipient` only, if given) the answer is this."""
        self._refusals.extend([(stage, answer, recipient)] * times)
        return self

    def drops_after_dot(self, times: int = 1) -> Self:
        """The mail is accepted, then the connection is reset in place of the answer."""
        self._after_dot.extend(["drop"] * times)
        return self

    def is_silent_after_dot(self, times: int = 1) -> Self:
        """The mail is accepted, and no answer ever comes."""
        self._after_dot.extend(["silent"] * times)
        return self

    # what aiosmtpd asks

    async def handle_MAIL(self, _: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """MAIL FROM."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._refusal("mail") or "250 OK"

    async def handle_RCPT(self, _: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """RCPT TO."""
        refusal = self._refusal("rcpt", address)
        if not refusal:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, _s: Session, envelope: Envelope) -> str:
        """The whole mail has come."""
        refusal = self._refusal("data")
        if refusal:
            return refusal
        content = envelope.original_content or b""
        self.mails += [Mail(sender=envelope.mail_from or "", recipient=to, data=content) for to in envelope.rcpt_tos]
        fate = self._after_dot.popleft() if self._after_dot else ""
        if fate == "drop" and server.transport is not None:
            server.transport.abort()
        if fate == "silent":
            self.fell_silent.set()
            await asyncio.Event().wait()
        return f"250 taken as {len(self.mails)}"

    def _refusal(self, stage: str, recipient: str = "") -> str:
        for refusal in self._refusals:
            if refusal[0] == stage and refusal[2] in ("", recipient):
                self._refusals.remove(refusal)
                return refusal[1]
        return ""

    def _authenticate(self, _: SMTP, _s: Session, _e: Envelope, _how: str, data: LoginPassword) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given)
        return AuthResult(success=given == (self._user, self._password), handled=False)

    # serving

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="fake.example",
            loop=self._loop,
            tls_context=self._tls,
            authenticator=self._authenticate if self._user else None,
            auth_require_tls=self._tls is not None,
        )

    async def _start(self) -> int:
        self._server = await self._loop.create_server(self._protocol, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


__all__ = ["FakeHttp", "FakeMatrix", "FakeSlack", "FakeSmtp", "Mail", "Seen", "Shown", "slack_refusal"]
