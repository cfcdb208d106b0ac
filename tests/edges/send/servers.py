"""The fakes of `tests/fakes.py`, with what only the senders' tests ask of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web

from tests.fakes import FakeMatrix, FakeSlack, Seen, slack_refusal


class Homeserver(FakeMatrix):
    """A homeserver that says whether a room is encrypted. Scripted faults wait for other questions."""

    def __init__(self) -> None:
        super().__init__()
        self.encrypted: set[str] = set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/state/m.room.encryption/"):
            return await super()._handle(request)
        room = unquote(request.raw_path.split("/")[5])
        if room not in self.joined:
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        if room in self.encrypted:
            return web.json_response({"algorithm": "m.megolm.v1.aes-sha2"})
        return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)


class SlackApi(FakeSlack):
    """Slack's Web API as a bot uses it: post, rewrite, read back. `scopes` are what the token may do;
    `place` is the id of #general."""

    place = "C0GENERAL"

    def __init__(self) -> None:
        super().__init__()
        self.scopes = {"chat:write", "channels:history", "channels:read"}
        self.called_methods: list[str] = []

    @property
    def updates(self) -> list[dict[str, Any]]:
        """The bodies of all rewrites, in order."""
        return [seen.json for seen in self.requests if seen.path == "/api/chat.update"]

    def answer(self, seen: Seen) -> web.Response:
        """Find the method."""
        if not seen.path.startswith("/api/"):
            return super().answer(seen)
        method = seen.path.removeprefix("/api/").partition("?")[0]
        self.called_methods.append(method)
        if seen.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        said = getattr(self, method.replace(".", "_"))(seen)
        return web.json_response({"ok": "error" not in said} | said)

    def chat_postMessage(self, seen: Seen) -> dict[str, Any]:
        error = slack_refusal(seen)
        if error:
            return {"error": error}
        self.messages.append(seen.json | {"ts": f"1764040400.{len(self.messages) + 1:06}"})
        return {"ts": self.messages[-1]["ts"], "channel": self.place}

    def chat_update(self, seen: Seen) -> dict[str, Any]:
        body = seen.json
        at = [n for n, message in enumerate(self.messages) if message["ts"] == body["ts"]]
        if body["channel"] != self.place:
            return {"error": "channel_not_found"}
        if not at:
            return {"error": "message_not_found"}
        self.messages[at[0]] |= body
        return {"ts": body["ts"], "channel": self.place}

    def users_conversations(self, seen: Seen) -> dict[str, Any]:
        if "channels:read" not in self.scopes:
            return {"error": "missing_scope", "needed": "channels:read"}
        return {"channels": [{"id": "C0OTHER", "name": "other"}, {"id": self.place, "name": "general"}]}

    def conversations_history(self, seen: Seen) -> dict[str, Any]:
        return self._read(seen, lambda message: not message.get("thread_ts") or message.get("reply_broadcast"))

    def conversations_replies(self, seen: Seen) -> dict[str, Any]:
        asked = self._asked(seen)
        return self._read(seen, lambda message: asked["ts"] in (message.get("thread_ts"), message["ts"]))

    def _read(self, seen: Seen, wanted: Any) -> dict[str, Any]:
        asked = self._asked(seen)
        if "channels:history" not in self.scopes:
            return {"error": "missing_scope", "needed": "channels:history"}
        if asked["channel"] != self.place:
            return {"error": "channel_not_found"}
        shown = [m for m in self.messages if wanted(m) and float(m["ts"]) >= float(asked["oldest"])]
        bare = [{k: v for k, v in m.items() if k != "metadata"} for m in shown]
        return {"messages": shown if asked.get("include_all_metadata") in ("1", "true") else bare, "has_more": False}

    @staticmethod
    def _asked(seen: Seen) -> dict[str, str]:
        query = seen.path.partition("?")[2] or seen.body.decode()
        return {key: values[0] for key, values in parse_qs(query).items()}
