"""`matrix(s)://`: one message to a Matrix room.

Speaks the client-server API v3 itself, because the transaction id is the one key against doubles that a
channel offers: it is the delivery's id, so a homeserver shows a message once however often it is sent.
Where the message may have had its effect it says so, since it must then go again as it is and in no digest.
Logs in once, on a device of its own that keeps its name. Sends nothing in clear to a room with end-to-end
encryption: that is `matrix_e2ee.py`'s work, or refused. What an event holds is `matrix_event.py`'s.

`matrixs://user:password@host/!room:server` or `matrixs://token@host/#alias:server`, several rooms in a row.

What an answer means (`M_LIMIT_EXCEEDED`, 429 is always: again, when `retry_after_ms` says):

    request                     answer                              outcome
    the event                   400 M_BAD_JSON …, 413 M_TOO_LARGE   this message
                                403 M_FORBIDDEN                     joined once, then channel broken
    login, join, alias, state   400                                 channel broken: no message was at fault
    any                         401 M_UNKNOWN_TOKEN                 logged in once, then channel broken
                                403, 404, 410, redirect             channel broken
                                certificate not trusted             channel broken
                                408, 5xx, no connection             again later
    the event                   none                                again later, as doubtful: its id makes it one
                                200 that is no Matrix answer        the same
    room is encrypted           without the extra or its keys       channel broken
                                404 but M_NOT_FOUND                 again later: nobody knows
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp

from monitor.edges.send import http, matrix_event
from monitor.edges.send.apprise import build, read_url
from monitor.edges.send.outcome import bounded_wait, http_error, quoted
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Sent

if TYPE_CHECKING:
    from monitor.edges.send.matrix_e2ee import Encryption

_API = "/_matrix/client/v3"
_CLEAR = "the room is encrypted, and nothing is sent to it in clear; "
_NO_EXTRA = _CLEAR + "install what encrypts: pip install 'wirewatch[matrix-e2ee]'"
_UNVOUCHED = (
    "but its account does not vouch for this device, so many clients hide what it sends (see the documentation)"
)
_NO_FOLDER = _CLEAR + "this command has no folder to keep keys in"
_ROOM = re.compile(r"![^\s:]+(:\S+)?|#[^\s:]+:\S+")


# ── the answer ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the homeserver said to one request."""

    status: int
    said: dict[str, Any] = field(default_factory=dict, repr=False)  # a login's answer holds the token
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def errcode(self) -> str:
        """The Matrix error code, or an empty string."""
        return str(self.said.get("errcode", ""))


def refusal(answer: Answer, *, secrets: tuple[str, ...] = (), about_message: bool = True) -> DeliveryError:
    """The error for an answer that is not a success.

    `about_message`: the request carried the message; where it did not (login, join, alias), no refusal
    can be the message's fault.
    """
    words = f"{answer.errcode} {answer.said.get('error', '')}" if answer.said else ""
    error = http_error(answer.status, words, answer.headers, secrets=secrets)
    if answer.status == 200:
        kind = DeliveryErrorKind.AMBIGUOUS if about_message else DeliveryErrorKind.RETRY
        return DeliveryError("the homeserver's answer is no Matrix answer", kind=kind)
    if error.kind is DeliveryErrorKind.MESSAGE and not about_message:
        error.kind = DeliveryErrorKind.CHANNEL
    if answer.errcode == "M_LIMIT_EXCEEDED":
        error.kind = DeliveryErrorKind.RETRY
        error.retry_after = error.retry_after or bounded_wait(answer.said.get("retry_after_ms"), unit=0.001)
    return error


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


def speaks_matrix(url: str) -> bool:
    """Whether a matrix URL means the client-server API; in its webhook modes Apprise carries it."""
    mode = str((read_url(url) or {}).get("mode") or "off").lower()
    return mode in ("off", "disabled")


def device_of(channel: str) -> str:
    """The device id of a channel: the same for ever, since transaction ids count a device."""
    return "WIREWATCH" + hashlib.sha256(channel.encode()).hexdigest()[:10].upper()


class MatrixSender:
    """Sends to the rooms of one URL as one user on one device."""

    edits = True
    threads = True
    idempotent = True
    digest_lines = 40  # of at most 800 bytes: 200 letters of any script, and an address

    def __init__(self, name: str, url: str, *, timeout: timedelta, state_dir: Path | None = None):
        """`state_dir` is where keys for encrypted rooms are kept. Raises ValueError (without the secret) where the
        URL names no server, account or room."""
        read = read_url(url) or {"schema": ""}
        self._renew = str(read.get("qsd", {}).get("identity")) == "new"
        plugin = build(read)
        problem = _problem(plugin)
        if problem:
            raise ValueError(f"channel {name}: {problem}")
        self.recipients: tuple[str, ...] = tuple(plugin.rooms)
        self._msgtype, self._device = f"m.{plugin.msgtype}", device_of(name)
        self._user, self._password = plugin.user, plugin.password if plugin.user else None
        self._token: str | None = None if plugin.user else plugin.password
        self._secrets: tuple[str, ...] = (plugin.password,)
        self._base, self._discovers = _origin(plugin), plugin.discovery and plugin.secure and not plugin.port
        self._verified = plugin.verify_certificate
        self._aliases: dict[str, str] = {}
        self._ciphered: set[str] = set()
        self._state_dir = state_dir
        self._encryption: Encryption | None = None
        self._seconds = timeout.total_seconds()
        self._entering = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, delivery: Delivery) -> Sent:
        """Send one message to the room `delivery.recipient`. Raises DeliveryError."""
        reached = http.Progress()
        token = http.progress.set(reached)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(delivery)
        except TimeoutError as cause:
            error = http.broken(cause, ambiguous=reached.doubtful)
        finally:
            http.progress.reset(token)
        raise error  # here, so that the chain holds nothing of the request

    async def close(self) -> None:
        """Close the connections. The login stays: the next start uses the same device."""
        if self._session is not None:
            await self._session.close()
        if self._encryption is not None:
            self._encryption.close()

    async def _send(self, delivery: Delivery) -> Sent:
        await self._discover()
        answer = await self._into(await self._room(delivery.recipient), delivery)
        if answer.errcode == "M_FORBIDDEN":  # not in the room yet, or the alias leads to a new one
            answer = await self._into(await self._join(delivery.recipient), delivery)
        if answer.status != 200 or not isinstance(answer.said.get("event_id"), str):
            raise refusal(answer, secrets=self._secrets)
        unvouched = self._encryption is not None and self._encryption.unvouched
        said = f"event {answer.said['event_id']}" + f"; {_UNVOUCHED}" * unvouched
        return Sent(remote_id=answer.said["event_id"], answer=quoted(said))

    async def _into(self, room: str, delivery: Delivery) -> Answer:
        """Put the message into a room; asks first, each time, whether the room is encrypted by now."""
        state = await self._authorised("GET", f"{_API}/rooms/{_quoted(room)}/state/m.room.encryption/")
        if state.errcode == "M_FORBIDDEN":
            return state
        if (state.status, state.errcode) != (404, "M_NOT_FOUND") and state.status != 200:
            error = refusal(state, secrets=self._secrets, about_message=False)
            if state.status == 404:  # a proxy's page, or a server that cannot tell
                error = DeliveryError(f"nobody says whether the room is encrypted ({error})")
            raise error
        kind, event = "m.room.message", matrix_event.event(delivery, msgtype=self._msgtype)
        if state.status == 200 or room in self._ciphered:  # what was encrypted once stays so, whatever the server says
            self._ciphered.add(room)
            kind, event = "m.room.encrypted", await self._encrypted(room, event, state.said)
        path = f"{_API}/rooms/{_quoted(room)}/send/{kind}/{_quoted(delivery.id)}"
        if reached := http.progress.get():
            reached.carries, reached.left = True, False
        return await self._authorised("PUT", path, event)

    async def _encrypted(self, room: str, event: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
        if self._encryption is None:
            self._encryption = await self._open_encryption()
        return await self._encryption.encrypt(room, event, rules)

    async def _open_encryption(self) -> Encryption:
        from monitor.edges.send import matrix_e2ee

        if not matrix_e2ee.available():
            raise DeliveryError(_NO_EXTRA, kind=DeliveryErrorKind.CHANNEL)
        if self._state_dir is None:
            raise DeliveryError(_NO_FOLDER, kind=DeliveryErrorKind.CHANNEL)
        me = await self._ask("GET", "/account/whoami")
        user, device = str(me.get("user_id", "")), str(me.get("device_id", ""))
        if not (user and device):
            raise DeliveryError("the account's token belongs to no device", kind=DeliveryErrorKind.CHANNEL)
        folder = self._state_dir / "matrix-keys"
        return matrix_e2ee.Encryption(
            self._ask, self._confirmed, user=user, device=device, folder=folder, renew_identity=self._renew
        )

    async def _confirmed(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One POST for which the server may want to hear our password once more."""
        answer = await self._authorised("POST", _API + path, body)
        if answer.status == 401 and answer.said.get("session") and self._password:
            who = {"type": "m.login.password", "identifier": self._whom(), "password": self._password}
            auth = {**who, "session": answer.said["session"]}
            answer = await self._authorised("POST", _API + path, body | {"auth": auth})
        if answer.status != 200:
            raise refusal(answer, secrets=self._secrets, about_message=False)
        return answer.said

    def _whom(self) -> dict[str, Any]:
        return {"type": "m.id.user", "user": self._user}

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._authorised(method, _API + path, body)
        if answer.status != 200:
            raise refusal(answer, secrets=self._secrets, about_message=False)
        return answer.said

    # rooms

    async def _room(self, recipient: str) -> str:
        if recipient.startswith("!"):
            return recipient
        if recipient not in self._aliases:
            answer = await self._call("GET", f"{_API}/directory/room/{_quoted(recipient)}")
            if answer.status != 200 or not isinstance(answer.said.get("room_id"), str):
                raise refusal(answer, secrets=self._secrets, about_message=False)
            self._aliases[recipient] = answer.said["room_id"]
        return self._aliases[recipient]

    async def _join(self, recipient: str) -> str:
        answer = await self._authorised("POST", f"{_API}/join/{_quoted(recipient)}", {})
        if answer.status != 200 or not isinstance(answer.said.get("room_id"), str):
            raise refusal(answer, secrets=self._secrets, about_message=False)
        self._aliases[recipient] = answer.said["room_id"]
        return answer.said["room_id"]

    # the account

    async def _authorised(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """One request as our user; logs in first where needed, and once more where the login was lost."""
        token = await self._enter(lost=None)
        answer = await self._call(method, path, body, token=token)
        if answer.errcode == "M_UNKNOWN_TOKEN" and self._password:
            answer = await self._call(method, path, body, token=await self._enter(lost=token))
        return answer

    async def _enter(self, *, lost: str | None) -> str:
        """Our access token; logs in where there is none or the one there is was `lost`."""
        async with self._entering:
            if self._token is None or (self._token == lost and self._password):
                self._token = None
                self._token = await self._login()
            return self._token

    async def _login(self) -> str:
        answer = await self._call(
            "POST",
            f"{_API}/login",
            {
                "type": "m.login.password",
                "identifier": self._whom(),
                "password": self._password,
                "device_id": self._device,
                "initial_device_display_name": "wirewatch",
            },
        )
        token = answer.said.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            raise refusal(answer, secrets=self._secrets, about_message=False)
        self._secrets = (*self._secrets[:1], token)
        return token

    # the wire

    async def _discover(self) -> None:
        """Ask the host where its homeserver is, once, as the specification's `.well-known` has it.
        Without an answer that can be trusted nothing is sent: the password would go to a stranger."""
        if not self._discovers:
            return
        answer = await self._call("GET", "/.well-known/matrix/client")
        if answer.status == 404:
            self._discovers = False
            return
        base = (answer.said.get("m.homeserver") or {}).get("base_url") if answer.status == 200 else None
        if not isinstance(base, str) or urlsplit(base).scheme != "https" or "@" in base:
            raise DeliveryError("the host's /.well-known/matrix/client names no homeserver")
        self._base, self._discovers = base.rstrip("/"), False

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None, *, token: str = "") -> Answer:
        if self._session is None or self._session.closed:
            self._session = http.open_session(None, fresh=True)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = self._session.request(
            method, _literal(self._base + path), json=body, headers=headers, ssl=self._verified
        )
        try:
            async with request as response:
                return Answer(status=response.status, said=_as_object(await response.read()), headers=response.headers)
        except http.BROKEN as cause:
            reached = http.progress.get()
            error = http.broken(cause, ambiguous=reached is not None and reached.doubtful)
        raise error


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _literal(url: str) -> Any:
    import yarl

    return yarl.URL(url, encoded=True)  # ids keep their percent-encoding


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _origin(plugin: Any) -> str:
    host = plugin.host.strip("[]")
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if plugin.secure else 'http'}://{host}" + (f":{plugin.port}" if plugin.port else "")


def _problem(plugin: Any) -> str:
    if plugin is None or not plugin.password:
        return "a matrix:// URL holds an account and a host (matrixs://user:password@host/!room:server)"
    if getattr(plugin, "users", ()) or not plugin.rooms:
        return "a matrix:// URL names rooms, not people (matrixs://user:password@host/!room:server)"
    if not all(_ROOM.fullmatch(room) for room in plugin.rooms):
        return "a Matrix room is written !id:server or #alias:server"
    return ""
