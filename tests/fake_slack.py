"""Slack, faked on loopback and as strict as published: an incoming webhook and a bot's API.

    POST /services/T…/B…/…          a webhook: `ok`, or an error as a word
    /api/chat.postMessage           JSON or form; by name or id of a channel the bot is in; `thread_ts`, `metadata`
    /api/chat.update                by channel id and `ts`
    /api/conversations.history      newest first, without replies; `oldest`, `latest`, `limit`, `include_all_metadata`
    /api/conversations.replies      one thread, oldest first
    /api/conversations.list         the channels
    /api/auth.test

Sources: https://docs.slack.dev/reference/methods, …/reference/block-kit/blocks and
…/messaging/sending-messages-using-incoming-webhooks. Imports nothing of ours.
"""

from __future__ import annotations

import json
import re
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from tests.served import HttpFake, Seen

_CONTROL = re.compile(r"<([!@#][^>]*)>")  # what Slack turns into mentions and channel links
_LINK = re.compile(r"<([a-z]+:[^>|]*)\|?([^>]*)>")
_REFUSALS = {
    400: "invalid_payload",
    401: "invalid_token",
    403: "action_prohibited",
    404: "no_service",
    410: "channel_is_archived",
    429: "rate_limited",
}


class FakeSlack(HttpFake):
    """One workspace, one webhook, one bot that is in #general and not in #elsewhere.

    `messages` are the accepted payloads as they came (updates are not among them), `posts` what stands in the
    workspace now: updates applied, each with `ts`, `channel`, perhaps `thread_ts`, `metadata` and `edited`.
    """

    team, app, secret = "T0001", "B0001", "XXXXsecretXXXX"
    token = "xoxb-1-1-botsecret"
    general, elsewhere = "C0GENERAL", "C0ELSEWHERE"

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        self.names = {"general": self.general, "elsewhere": self.elsewhere}
        self.joined = {self.general}

    @property
    def url(self) -> str:
        """The webhook as a channel URL."""
        return f"slack://{self.team}/{self.app}/{self.secret}?base=http://127.0.0.1:{self.port}"

    @property
    def bot_url(self) -> str:
        """A bot that writes to #general."""
        return self.bot_url_of("general")

    def bot_url_of(self, *channels: str) -> str:
        """A bot that writes to these channels."""
        path = "/".join(f"%23{channel}" for channel in channels)
        return f"slack://{self.token}/{path}?base=http://127.0.0.1:{self.port}"

    @property
    def called(self) -> list[str]:
        """Everything in the messages that would have called people or channels."""
        return [found for text in self._live() for found in _CONTROL.findall(text)]

    @property
    def links(self) -> list[tuple[str, str]]:
        """Every link in the messages: address, words."""
        return [found for text in self._live() for found in _LINK.findall(text)]

    def post(self, ts: str) -> dict[str, Any]:
        """What stands at this `ts` now."""
        return next(post for post in self.posts if post["ts"] == ts)

    def limits(self, seconds: int | str, times: int = 1) -> Self:
        """The next requests meet the rate limit."""
        return self.fails_with(429, '{"ok":false,"error":"ratelimited"}', retry_after=seconds, times=times)

    def says_no(self, error: str, times: int = 1) -> Self:
        """The next requests are answered as the API says no: 200, and the error in the body."""
        return self.fails_with(200, json.dumps({"ok": False, "error": error}), times=times)

    def words(self, status: int, body: str | None) -> str:
        """What Slack says to a refusal unless the script has other words."""
        return body if body is not None else _REFUSALS.get(status, "rollup_error")

    def answer(self, seen: Seen) -> web.Response:
        """A webhook answers with a word, the API with JSON."""
        path = urlsplit(seen.path).path
        if path.startswith("/api/"):
            return web.json_response(self._api(path.removeprefix("/api/"), seen))
        if path != f"/services/{self.team}/{self.app}/{self.secret}":
            return web.Response(status=404, text="no_service")
        error = slack_refusal(seen)
        if error:
            return web.Response(status=400, text=error)
        self._keep(seen.json, self.general)
        return web.Response(text="ok")

    # ── the bot's API ────────────────────────────────────────────────────────────────────────────

    def _api(self, method: str, seen: Seen) -> dict[str, Any]:
        if seen.headers.get("Authorization") != f"Bearer {self.token}":
            return _no("invalid_auth" if seen.headers.get("Authorization") else "not_authed")
        does = {
            "auth.test": lambda _: {"ok": True, "user_id": "U0BOT", "bot_id": "B0BOT", "team_id": self.team},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.list": lambda _: self._list(),
        }
        if method not in does:
            return _no("unknown_method")
        asked = _arguments(seen, takes_json=method.startswith("chat."))
        return does[method](asked) if asked is not None else _no("invalid_json")

    def _post(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(asked, by_name=True)
        error = channel if channel not in self.names.values() else _content_refusal(asked)
        if not error and asked.get("thread_ts") and not self._find(channel, asked["thread_ts"]):
            error = "thread_not_found"
        if error:
            return _no(error)
        return _yes(self._keep(asked, channel))

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(asked, by_name=False)
        if channel not in self.names.values():
            return _no(channel)
        post = self._find(channel, asked.get("ts", ""))
        if post is None:
            return _no("message_not_found")
        if post.get("bot_id") != "B0BOT":
            return _no("cant_update_message")
        error = _content_refusal(asked)
        if error:
            return _no(error)
        self.updates.append(asked)
        if "text" in asked and "blocks" not in asked:
            post.pop("blocks", None)  # as published: a text alone takes the blocks' place
        post.update({key: asked[key] for key in ("text", "blocks", "metadata") if key in asked})
        post["edited"] = {"user": "U0BOT", "ts": post["ts"]}
        return _yes(post)

    def _history(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(asked, by_name=False)
        if channel not in self.names.values():
            return _no(channel)
        found = [
            post
            for post in self.posts
            if post["channel"] == channel and post.get("thread_ts", post["ts"]) == post["ts"]
        ]
        return _page(list(reversed(found)), asked)

    def _replies(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(asked, by_name=False)
        if channel not in self.names.values():
            return _no(channel)
        if self._find(channel, asked.get("ts", "")) is None:
            return _no("thread_not_found")
        return _page(
            [p for p in self.posts if p["channel"] == channel and asked["ts"] in (p["ts"], p.get("thread_ts"))], asked
        )

    def _list(self) -> dict[str, Any]:
        channels = [{"id": id, "name": name, "is_member": id in self.joined} for name, id in self.names.items()]
        return {"ok": True, "channels": channels, "response_metadata": {"next_cursor": ""}}

    def _channel(self, asked: dict[str, Any], *, by_name: bool) -> str:
        """The id of the channel asked for, or the error."""
        given = str(asked.get("channel") or "")
        known = self.names.get(given.removeprefix("#")) if by_name and given not in self.names.values() else given
        if known not in self.names.values():
            return "channel_not_found"
        return known if known in self.joined else "not_in_channel"

    def _find(self, channel: str, ts: str) -> dict[str, Any] | None:
        return next((post for post in self.posts if (post["channel"], post["ts"]) == (channel, ts)), None)

    def _keep(self, asked: dict[str, Any], channel: str) -> dict[str, Any]:
        self.messages.append(asked)
        kept = {key: asked[key] for key in ("text", "blocks", "metadata", "thread_ts") if asked.get(key)}
        post = {
            "type": "message",
            "bot_id": "B0BOT",
            **kept,
            "channel": channel,
            "ts": f"1700000000.{len(self.messages):06}",
        }
        self.posts.append(post)
        return post

    def _live(self) -> list[str]:
        return [text for message in (*self.messages, *self.updates) for text in _live_texts(message)]


def _yes(post: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "channel": post["channel"], "ts": post["ts"], "message": post}


def _no(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _page(posts: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    """Those between `oldest` and `latest`, at most `limit`; metadata whole only where that was asked for."""
    oldest, latest, inclusive = (
        str(asked.get("oldest") or "0"),
        str(asked.get("latest") or "9" * 10),
        _true(asked.get("inclusive")),
    )
    between = [
        p
        for p in posts
        if float(oldest) < float(p["ts"]) < float(latest) or (inclusive and p["ts"] in (oldest, latest))
    ]
    limit, start = min(int(asked.get("limit") or 100), 999), int(asked.get("cursor") or 0)
    whole, shown = _true(asked.get("include_all_metadata")), between[start : start + limit]
    more = start + limit < len(between)
    return {
        "ok": True,
        "messages": [_with_metadata(post, whole) for post in shown],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + limit) if more else ""},
    }


def _with_metadata(post: dict[str, Any], whole: bool) -> dict[str, Any]:
    if "metadata" not in post or whole:
        return post
    return {**post, "metadata": {"event_type": post["metadata"]["event_type"]}}


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


def _arguments(seen: Seen, *, takes_json: bool) -> dict[str, Any] | None:
    """What a method was asked: in the query, as a form, or as JSON where the method takes that."""
    asked: dict[str, Any] = dict(parse_qsl(urlsplit(seen.path).query))
    kind = seen.headers.get("Content-Type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        asked |= {key: _unpacked(key, value) for key, value in parse_qsl(seen.body.decode())}
    elif kind.startswith("application/json") and takes_json:
        try:
            body = seen.json
        except ValueError:
            return None
        asked |= body if isinstance(body, dict) else {}
    return asked


def _unpacked(key: str, value: str) -> Any:
    return json.loads(value) if key in ("blocks", "metadata") else value


# ── what it refuses ──────────────────────────────────────────────────────────────────────────────


def slack_refusal(seen: Seen) -> str:
    """The error with which Slack refuses a request, or an empty string."""
    try:
        body = seen.json
    except ValueError:
        return "invalid_payload"
    if not isinstance(body, dict) or not seen.headers.get("Content-Type", "").startswith("application/json"):
        return "invalid_payload"
    return _content_refusal(body)


def _content_refusal(body: dict[str, Any]) -> str:
    if not body.get("text") and not body.get("blocks"):
        return "no_text"
    if len(body.get("text", "")) > 40_000:
        return "msg_too_long"
    blocks = body.get("blocks") or []
    if not isinstance(blocks, list) or len(blocks) > 50 or not all(map(_block_ok, blocks)):
        return "invalid_blocks"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        return "invalid_blocks"
    return _metadata_refusal(body["metadata"]) if body.get("metadata") else ""


def _metadata_refusal(metadata: Any) -> str:
    if not isinstance(metadata, dict) or set(metadata) != {"event_type", "event_payload"}:
        return "invalid_metadata_format"
    kind, payload = metadata["event_type"], metadata["event_payload"]
    if not isinstance(kind, str) or not re.fullmatch(r"\w{1,255}", kind) or not isinstance(payload, dict):
        return "invalid_metadata_schema"
    return "metadata_too_large" if len(json.dumps(metadata)) > 8_000 else ""


def _block_ok(block: Any) -> bool:
    if not isinstance(block, dict) or len(block.get("block_id", "")) > 255:
        return False
    rest = {key: value for key, value in block.items() if key != "block_id"}
    match rest:
        case {"type": "section"}:
            return _section_ok(rest)
        case {"type": "header", "text": text, **more}:
            return not more and _text_ok(text, limit=150, kinds=("plain_text",))
        case {"type": "context", "elements": list(elements), **more}:
            return not more and 1 <= len(elements) <= 10 and all(map(_text_ok, elements))
        case {"type": "actions", "elements": list(elements), **more}:
            return not more and 1 <= len(elements) <= 25 and all(map(_button_ok, elements))
        case {"type": "divider", **more}:
            return not more
    return False


def _section_ok(block: dict[str, Any]) -> bool:
    fields = block.get("fields", [])
    if set(block) - {"type", "text", "fields", "accessory", "expand"} or not ("text" in block or fields):
        return False
    words = "text" not in block or _text_ok(block["text"])
    return (
        words
        and len(fields) <= 10
        and all(_text_ok(text, limit=2_000) for text in fields)
        and ("accessory" not in block or _button_ok(block["accessory"]))
    )


def _button_ok(button: Any) -> bool:
    if not isinstance(button, dict) or button.get("type") != "button" or len(button.get("url", "")) > 3_000:
        return False
    known = {"type", "text", "url", "action_id", "value", "style", "accessibility_label"}
    return set(button) <= known and _text_ok(button.get("text"), limit=75, kinds=("plain_text",))


def _text_ok(text: Any, *, limit: int = 3_000, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        return False
    known = {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"}
    return 1 <= len(text["text"]) <= limit and set(text) <= known


def _live_texts(message: dict[str, Any]) -> list[str]:
    """The texts of a message in which markup lives."""
    texts = [message.get("text", "")]
    for block in message.get("blocks") or ():
        objects = [*(block.get("elements") or ()), block.get("text") or {}, *(block.get("fields") or ())]
        texts += [each["text"] for each in objects if each.get("type") == "mrkdwn"]
    return texts
