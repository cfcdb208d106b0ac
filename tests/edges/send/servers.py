"""The fakes of `tests/fakes.py`, with what only the senders' tests ask of them."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes import FakeMatrix, FakeSlack, Seen
from tests.served import Served


class Homeserver(FakeMatrix):
    """A homeserver that says whether a room is encrypted. Scripted faults wait for other questions."""

    def __init__(self) -> None:
        super().__init__()
        self.encrypted: set[str] = set()
        self.refused_step = ""  # requests with this in their path are bad ones

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.refused_step and self.refused_step in request.path:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "no"}, status=400)
        if not request.path.endswith("/state/m.room.encryption/"):
            return await super()._handle(request)
        room = unquote(request.raw_path.split("/")[5])
        if room not in self.joined:
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        if room in self.encrypted:
            return web.json_response({"algorithm": "m.megolm.v1.aes-sha2"})
        return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)


class SlackApi(FakeSlack):
    """The same with the scopes of its token (what the bot may read), and with the time of these tests."""

    place = FakeSlack.general

    def __init__(self) -> None:
        super().__init__()
        self.scopes = {"channels:history", "channels:read"}

    def _api(self, method: str, seen: Seen) -> dict[str, Any]:
        needed = {"conversations": "channels:history", "users": "channels:read"}.get(method.partition(".")[0])
        if needed and needed not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": needed}
        if method == "users.conversations":
            return {"ok": True, "channels": [{"id": id, "name": name} for name, id in self.names.items()]}
        return super()._api(method, seen)

    def _keep(self, asked: dict[str, Any], channel: str) -> dict[str, Any]:
        post = super()._keep(asked, channel)
        post["ts"] = f"1764040400.{len(self.messages):06}"
        return post


class Drips(Served):
    """Says `first` to whoever connects, and `more` again and again, without end."""

    def __init__(self, first: bytes, more: bytes) -> None:
        self._first, self._more = first, more
        self.connections = 0
        self._ended = False

    async def _talk(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self._first)
        while not (self._ended or writer.is_closing()):
            writer.write(self._more)
            await asyncio.sleep(0.05)

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        self._ended = True
        await asyncio.sleep(0.1)
