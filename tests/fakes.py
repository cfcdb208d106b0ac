"""The outside, faked on loopback: Slack, Matrix, SMTP and a sink for webhooks.

Each fake is a real server in a thread of its own, used as a context manager, and keeps what reached it.
Faults are scripted in words: `slack.fails_with(429, retry_after=30)`, `matrix.drops_after_effect()`. A
fault is used up by the request that meets it; without faults a fake behaves as the real thing says in its
published contract. None of them imports anything of ours.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class _Served:
    """A server in its own thread with its own loop, from `with` to the end of the block."""

    port = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _start(self) -> int:
        raise NotImplementedError

    async def _end(self) -> None:
        raise NotImplementedError


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came."""

    method: str
    path: str  # percent-encoding kept
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class _Fault:
    status: int = 0
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    effect: bool = False  # the request does its work before the fault strikes
    cut: bool = False  # the connection is reset in place of an answer
    silent: bool = False  # no answer ever


class _HttpFake(_Served):
    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self._faults: deque[_Fault] = deque()

    # scripting

    def fails_with(
        self,
        status: int,
        body: str | None = None,
        *,
        retry_after: int | str | None = None,
        times: int = 1,
        **headers: str,
    ) -> Self:
        """The next `times` requests are refused with this status and have no effect."""
        wait = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._expect(_Fault(status=status, body=body, headers=wait | named), times)

    def drops_before_effect(self, times: int = 1) -> Self:
        """The connection is reset when the request has come, and nothing is done."""
        return self._expect(_Fault(cut=True), times)

    def drops_after_effect(self, times: int = 1) -> Self:
        """The request does its work, then the connection is reset in place of an answer."""
        return self._expect(_Fault(cut=True, effect=True), times)

    def never_answers(self, times: int = 1) -> Self:
        """The request does its work, and no answer ever comes."""
        return self._expect(_Fault(silent=True, effect=True), times)

    def _expect(self, fault: _Fault, times: int) -> Self:
        self._faults.extend([fault] * times)
        return self

    # serving

    async def _start(self) -> int:
        app = web.Application(client_max_size=10**8)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            method=request.method, path=request.raw_path, headers=dict(request.headers), body=await request.read()
        )
        self.requests.append(seen)
        fault = self._faults.popleft() if self._faults else None
        if fault is None or fault.effect:
            answer = self.answer(seen)
        if fault is None:
            return answer
        return await self._strike(fault, request)

    async def _strike(self, fault: _Fault, request: web.Request) -> web.StreamResponse:
        if fault.silent:
            await asyncio.Event().wait()
        if fault.cut and request.transport is not None:
            request.transport.abort()
        words = self.words(fault.status, fault.body)
        return web.Response(status=fault.status or 200, text=words, headers=fault.headers)

    def words(self, status: int, body: str | None) -> str:
        """The body of a scripted refusal."""
        return body if body is not None else f"refused with {status}"

    def answer(self, seen: Seen) -> web.Response:
        """What the real thing would answer."""
        raise NotImplementedError


class FakeHttp(_HttpFake):
    """A sink that says 200 to everything; `url` is Apprise's for it."""

    @property
    def url(self) -> str:
        """The sink as an Apprise URL."""
        return f"json://127.0.0.1:{self.port}/hook"

    def answer(self, seen: Seen) -> web.Response:
        """Always yes."""
        return web.Response(text="thank you")


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────

_CONTROL = re.compile(r"<([!@#][^>]*)>")  # what Slack turns into mentions and channel links
_LINK = re.compile(r"<([a-z]+:[^>|]*)\|?([^>]*)>")
_SLACK_REFUSALS = {400: "invalid_payload", 403: "action_prohibited", 404: "no_service", 410: "channel_is_archived"}


class FakeSlack(_HttpFake):
    """Slack's incoming webhook and `chat.postMessage`, as strict as published: blocks ≤ 50, text objects
    1–3,000 characters, headers plain and ≤ 150, contexts ≤ 10 elements, text ≤ 40,000."""

    team, app, secret = "T0001", "B0001", "XXXXsecretXXXX"
    token = "xoxb-1-1-botsecret"

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """The webhook as a channel URL."""
        return f"slack://{self.team}/{self.app}/{self.secret}?base=http://127.0.0.1:{self.port}"

    @property
    def bot_url(self) -> str:
        """A bot that writes to #general."""
        return f"slack://{self.token}/%23general?base=http://127.0.0.1:{self.port}"

    @property
    def called(self) -> list[str]:
        """Everything in the messages that would have called people or channels."""
        live = [text for message in self.messages for text in _live_texts(message)]
        return [found for text in live for found in _CONTROL.findall(text)]

    @property
    def links(self) -> list[tuple[str, str]]:
        """Every link in the messages: address, words."""
        live = [text for message in self.messages for text in _live_texts(message)]
        return [found for text in live for found in _LINK.findall(text)]

    def words(self, status: int, body: str | None) -> str:
        """What Slack says to a refusal unless the script has other words."""
        return body if body is not None else _SLACK_REFUSALS.get(status, "rollup_error")

    def answer(self, seen: Seen) -> web.Response:
        """A webhook answers with a word, the API with JSON."""
        if seen.path == "/api/chat.postMessage":
            return self._post(seen)
        if seen.path != f"/services/{self.team}/{self.app}/{self.secret}":
            return web.Response(status=404, text="no_service")
        error = slack_refusal(seen)
        if error:
            return web.Response(status=400, text=error)
        self.messages.append(seen.json)
        return web.Response(text="ok")

    def _post(self, seen: Seen) -> web.Response:
        if seen.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        error = slack_refusal(seen)
        if error:
            return web.json_response({"ok": False, "error": error})
        self.messages.append(seen.json)
        return web.json_response({"ok": True, "ts": f"1700000000.{len(self.messages):06}"})


def slack_refusal(seen: Seen) -> str:
    """The error with which Slack refuses a request, or an empty string."""
    try:
        body = seen.json
    except ValueError:
        return "invalid_payload"
    if not isinstance(body, dict) or not seen.headers.get("Content-Type", "").startswith("application/json"):
        return "invalid_payload"
    if not body.get("text") and not body.get("blocks"):
        return "no_text"
    if len(body.get("text", "")) > 40_000:
        return "msg_too_long"
    blocks = body.get("blocks", [])
    return "" if len(blocks) <= 50 and all(map(_block_ok, blocks)) else "invalid_blocks"


def _block_ok(block: dict[str, Any]) -> bool:
    match block.get("type"):
        case "section":
            return _text_ok(block.get("text"))
        case "header":
            return _text_ok(block.get("text"), limit=150, kinds=("plain_text",))
        case "context":
            return 1 <= len(block["elements"]) <= 10 and all(map(_text_ok, block["elements"]))
        case "divider":
            return True
    return False


def _text_ok(text: Any, *, limit: int = 3_000, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    known = {"type", "text"} | ({"emoji"} if text and text.get("type") == "plain_text" else {"verbatim"})
    return isinstance(text, dict) and text["type"] in kinds and 1 <= len(text["text"]) <= limit and set(text) <= known


def _live_texts(message: dict[str, Any]) -> list[str]:
    """The texts of a message in which markup lives."""
    texts = [message.get("text", "")]
    for block in message.get("blocks", ()):
        objects = block.get("elements") or [block.get("text") or {}]
        texts += [each["text"] for each in objects if each.get("type") == "mrkdwn"]
    return texts


# ── Matrix ───────────────────────────────────────────────────────────────────────────────────────


class FakeMatrix(_HttpFake):
    """A homeserver with one account: password login, join, aliases, and `send` that honours the
    transaction id of each device."""

    user, password = "bot", "matrix-p4ssword"
    room = "!room:fake.example"
    alias = "#desk:fake.example"

    def __init__(self) -> None:
        super().__init__()
        self.logins: list[str] = []  # device ids
        self.joined = {self.room}
        self.invited: set[str] = set()
        self._tokens: dict[str, str] = {}  # token → device
        self._events: dict[str, list[dict[str, Any]]] = {}
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
        """The contents of all events in a room, each once."""
        return self._events.get(room or self.room, [])

    def forgets_tokens(self) -> Self:
        """All logins end."""
        self._tokens.clear()
        return self

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
        events = self._events.setdefault(room, [])
        event = self._transactions.get((device, room, txn))
        if event is None:
            events.append(seen.json)
            event = self._transactions[device, room, txn] = f"$event{len(self._transactions) + 1}"
        return web.json_response({"event_id": event})


def _matrix_error(status: int, errcode: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": "no"}, status=status)


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One accepted mail."""

    sender: str
    recipient: str
    data: bytes


class FakeSmtp(_Served):
    """A mail server that can refuse at each stage and lose connections. With `tls` it offers STARTTLS,
    with `user` and `password` it lets (only) them in."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, user: str = "", password: str = "") -> None:
        self.mails: list[Mail] = []
        self.logins: list[tuple[str, str]] = []  # every attempt, with the password it gave
        self.fell_silent = threading.Event()
        self._tls, self._user, self._password = tls, user, password
        self._refusals: deque[tuple[str, str, str]] = deque()
        self._after_dot: deque[str] = deque()

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


__all__ = ["FakeHttp", "FakeMatrix", "FakeSlack", "FakeSmtp", "Mail", "Seen", "slack_refusal"]
