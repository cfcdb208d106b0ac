"""`slack://`: one message to a Slack webhook, or to a channel by a bot token.

Sends what `slack_blocks.py` makes and reads Slack's answer. Does not retry, pace or wait.

`slack://T…/B…/…` is an incoming webhook, `slack://xoxb-…/#channel` a bot. `?base=https://host` names
another endpoint that speaks Slack's protocol, such as a gateway (Mattermost and Rocket.Chat do not take
blocks: they have URLs of their own, `mmosts://` and `rockets://`).

A webhook has no key against doubles, no edits and no threads. A bot's message bears the delivery's id in its
metadata: where an earlier attempt may have arrived, the channel is read back first, and what stands there
is not sent again. What answers mean stands in `slack_answers.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor.edges.send import http, layout
from monitor.edges.send.apprise import read_url
from monitor.edges.send.slack_answers import Answer, as_object, error_of, judge, place_of
from monitor.edges.send.slack_blocks import payload
from monitor.errors import DeliveryError
from monitor.model import Delivery, DeliveryKind, Sent

_HOSTS = {"hook": "https://hooks.slack.com", "gov-hook": "https://hooks.slack-gov.com", "bot": "https://slack.com"}
_QUIET = logging.Logger("slack", logging.CRITICAL)  # unattached: the SDK logs URLs, and ours are secrets

_NOTHING_LEFT = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_UNSEEN = frozenset(
    {"missing_scope", "no_permission", "channel_not_found", "not_in_channel", "thread_not_found", "unknown_method"}
)
_EVENT = "wirewatch_alert"  # names our metadata
_SKEW = timedelta(minutes=5)  # ours: by so much our clock and Slack's may differ
_PAGES, _PAGE = 5, 200  # ours: read back at most so many messages


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


class SlackSender:
    """Sends to one webhook, or to the channels of one bot token."""

    idempotent = False
    digest_lines = 30  # of at most 300 characters

    def __init__(self, name: str, url: str, *, timeout: timedelta):
        """Raises ValueError (without the secret) where the URL is not one of Slack's."""
        read = read_url(url) or {}
        mode = str(read.get("mode") or ("bot" if read.get("access_token") else "hook"))
        tokens = [read.get("access_token")] if mode == "bot" else [read.get(f"token_{x}") for x in "abc"]
        problem = _problem(mode, tokens, read)
        if problem:
            raise ValueError(f"channel {name}: {problem}")
        self._bot, self._secrets = mode == "bot", tuple(map(str, tokens))
        self.edits = self.threads = self._bot
        self._places: dict[str, str] = {}  # ids of channels by their names
        self._base = str(read.get("qsd", {}).get("base") or _HOSTS[mode]).rstrip("/")
        self.recipients: tuple[str, ...] = tuple(read.get("targets") or ()) or ("",)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def send(self, delivery: Delivery) -> Sent:
        """Send one message. Raises DeliveryError."""
        outcome = await (self._by_bot(delivery) if self._bot else self._by_webhook(delivery))
        if isinstance(outcome, DeliveryError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    # webhook

    async def _by_webhook(self, delivery: Delivery) -> Sent | DeliveryError:
        answer = await self._exchange(self._post_webhook(payload(delivery.message, plain=delivery.plain)))
        return answer if isinstance(answer, DeliveryError) else judge(answer, secrets=self._secrets)

    # bot

    async def _by_bot(self, delivery: Delivery) -> Sent | DeliveryError:
        body = payload(delivery.message, plain=delivery.plain)
        if delivery.kind is DeliveryKind.EDIT and delivery.replaces:
            return await self._rewrite(delivery, body)
        unseen = ""
        if delivery.doubt:
            earlier = await self._find(delivery)
            if not isinstance(earlier, str):
                return earlier
            unseen = earlier
        outcome = await self._post(delivery, body)
        if unseen and isinstance(outcome, Sent):
            return replace(outcome, answer=f"sent again without a look for an earlier copy ({unseen})")
        return outcome

    async def _post(self, delivery: Delivery, body: dict[str, Any]) -> Sent | DeliveryError:
        body["channel"] = delivery.recipient
        if not delivery.plain:  # which is for what was refused with all this
            body["metadata"] = {"event_type": _EVENT, "event_payload": {"delivery": delivery.id}}
        thread = {}
        if delivery.thread_root:  # what takes a story back is shown in the channel, too
            thread = {"thread_ts": place_of(delivery.thread_root)[1]}
            thread |= {"reply_broadcast": True} if layout.retracts(delivery.message) else {}
        answer = await self._exchange(self._call("chat.postMessage", json=body | thread))
        if thread and error_of(answer) == "thread_not_found":
            answer = await self._exchange(self._call("chat.postMessage", json=body))
        if isinstance(answer, DeliveryError):
            return answer
        outcome = judge(answer, "chat.postMessage", secrets=self._secrets)
        if isinstance(outcome, Sent) and outcome.remote_id:
            self._places[delivery.recipient] = place_of(outcome.remote_id)[0]
        return outcome

    async def _rewrite(self, delivery: Delivery, body: dict[str, Any]) -> Sent | DeliveryError:
        channel, ts = place_of(str(delivery.replaces))
        kept = {key: value for key, value in body.items() if not key.startswith("unfurl")}
        edit = {"blocks": [], **kept, "channel": channel or delivery.recipient, "ts": ts}  # [] takes old blocks away
        answer = await self._exchange(self._call("chat.update", json=edit), effect=False)
        if isinstance(answer, DeliveryError):
            return answer
        if error_of(answer) in _NOTHING_LEFT:
            return Sent(remote_id=delivery.replaces, answer=f"nothing to rewrite: {error_of(answer)}")
        return judge(answer, "chat.update", secrets=self._secrets)

    # what stands in the channel already

    async def _find(self, delivery: Delivery) -> Sent | DeliveryError | str:
        """The message of an earlier attempt; or an error; or, in a word, why nobody could look (empty where there
        is none)."""
        root_channel, root = place_of(delivery.thread_root or "")
        channel = root_channel or await self._channel_id(delivery.recipient)
        if isinstance(channel, DeliveryError):
            return channel
        since = (delivery.first_attempt_at or delivery.created_at).astimezone(UTC) - _SKEW
        asked = {"channel": channel, "oldest": f"{since.timestamp():.6f}", "include_all_metadata": True, "limit": _PAGE}
        found = await self._look("conversations.replies", asked | {"ts": root}, delivery.id) if root else None
        if found is None or found == "thread_not_found":  # then it was posted outside
            found = await self._look("conversations.history", asked, delivery.id)
        return found

    async def _look(self, method: str, asked: dict[str, Any], delivery: str) -> Sent | DeliveryError | str:
        async for said in self._pages(method, asked):
            if not isinstance(said, dict):
                return said
            for message in said.get("messages") or ():
                if _is_ours(message, delivery):
                    name = f"{asked['channel']}:{message['ts']}"
                    return Sent(remote_id=name, answer="an earlier attempt had arrived")
        return ""

    async def _channel_id(self, recipient: str) -> str | DeliveryError:
        """The id by which a channel can be read; its name where nobody knows the id."""
        if re.fullmatch(r"[CDG][A-Z0-9]{6,}", recipient):
            return recipient
        if recipient not in self._places:
            asked = {"types": "public_channel,private_channel", "exclude_archived": True, "limit": _PAGE}
            async for said in self._pages("users.conversations", asked):
                if isinstance(said, DeliveryError):
                    return said
                known = said.get("channels") or () if isinstance(said, dict) else ()
                self._places |= {f"#{channel['name']}": channel["id"] for channel in known}
        return self._places.get(recipient, recipient)

    async def _pages(self, method: str, asked: dict[str, Any]) -> AsyncIterator[dict[str, Any] | DeliveryError | str]:
        """The answers of a method that reads, page by page; last an error, or why reading is not allowed."""
        cursor = ""
        for _ in range(_PAGES):
            params = asked | ({"cursor": cursor} if cursor else {})
            answer = await self._exchange(self._call(method, params=params), effect=False)
            refused = answer if isinstance(answer, DeliveryError) else judge(answer, method, secrets=self._secrets)
            if isinstance(refused, DeliveryError):
                yield error_of(answer) if error_of(answer) in _UNSEEN else refused
                return
            said = as_object(answer.body) if isinstance(answer, Answer) else {}
            yield said
            cursor = str((said.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    # the wire

    async def _exchange(self, request: Awaitable[Any], *, effect: bool = True) -> Answer | DeliveryError:
        """One request's answer, or what its breaking means. `effect`: repeating it would show."""
        if self._session is None or self._session.closed:
            self._session = http.open_session(self._timeout, fresh=True)
        reached = http.Progress()
        token = http.progress.set(reached)
        try:
            await request
        except http.BROKEN as cause:
            return http.broken(cause, ambiguous=effect and reached.left)
        except Exception:  # the SDK raises whatever it likes at answers that are odd, or a refusal; we read them below
            if not reached.heard:
                raise
        finally:
            http.progress.reset(token)
        return _answer(reached.heard[-1])

    async def _post_webhook(self, body: dict[str, Any]) -> None:
        url = "/".join((self._base, "services", *self._secrets))
        client = AsyncWebhookClient(url, session=self._session, logger=_QUIET, retry_handlers=[])
        client.proxy = None  # the SDK takes one from the environment
        await client.send_dict(body)

    async def _call(self, method: str, **arguments: Any) -> None:
        client = AsyncWebClient(
            self._secrets[0], base_url=f"{self._base}/api/", session=self._session, logger=_QUIET, retry_handlers=[]
        )
        client.proxy = None
        await client.api_call(method, **arguments)


def _answer(heard: http.Heard) -> Answer:
    """The answer as it came: of one that is odd, the SDK gives back nothing, or other words."""
    return Answer(status=heard.status, body=heard.body.decode("utf-8-sig", "replace"), headers=heard.headers)


def _is_ours(message: dict[str, Any], delivery: str) -> bool:
    about = message.get("metadata") or {}
    return about.get("event_type") == _EVENT and (about.get("event_payload") or {}).get("delivery") == delivery


def _problem(mode: str, tokens: list[Any], read: dict[str, Any]) -> str:
    if mode not in _HOSTS:
        return "a Slack workflow takes no alerts; use an incoming webhook or a bot token"
    if not all(tokens):
        return "a slack:// URL holds the three parts of a webhook (slack://T…/B…/…) or a bot token"
    if mode == "bot" and not read.get("targets"):
        return "a Slack bot needs a channel to write to (slack://xoxb-…/#channel)"
    base = read.get("qsd", {}).get("base")
    if base and urlsplit(base).scheme not in ("http", "https"):
        return "base of a slack:// URL must be an http or https address"
    return ""
