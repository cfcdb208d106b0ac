"""`slack://`: one message to a Slack webhook, or to a channel by a bot token.

Turns a `Message` into Block Kit and reads Slack's answer. Does not retry, pace or wait; a webhook has
no key against doubles, so a request whose fate is unknown is reported as ambiguous.

`slack://T…/B…/…` is an incoming webhook, `slack://xoxb-…/#channel` a bot. `?base=https://host` names
another endpoint that speaks Slack's protocol, such as a gateway (Mattermost and Rocket.Chat do not take
blocks: they have URLs of their own, `mmosts://` and `rockets://`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from monitor.edges.send import http, layout
from monitor.edges.send.apprise import read_url
from monitor.edges.send.outcome import http_error, quoted, retry_after
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Message, Sent

# https://docs.slack.dev/reference/block-kit/blocks: characters of a text object, blocks a message
SECTION_LIMIT = 3_000
BLOCKS_LIMIT = 50
URL_LIMIT = 2_000  # ours: leaves room for a title beside it in one section

_HOSTS = {"hook": "https://hooks.slack.com", "gov-hook": "https://hooks.slack-gov.com", "bot": "https://slack.com"}
_QUIET = logging.Logger("slack", logging.CRITICAL)  # unattached: the SDK logs URLs, and ours are secrets

# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and …/methods/chat.postMessage
_MESSAGE_ERRORS = """
    invalid_payload no_text too_many_attachments invalid_blocks invalid_blocks_format msg_too_long
    msg_blocks_too_long invalid_arguments invalid_form_data invalid_json markdown_text_conflict
"""
_CHANNEL_ERRORS = """
    invalid_auth not_authed account_inactive token_revoked token_expired invalid_token no_permission
    missing_scope not_allowed_token_type access_denied two_factor_setup_required org_login_required
    team_access_not_granted ekm_access_denied no_team team_disabled no_service no_service_id
    no_active_hooks action_prohibited posting_to_general_channel_denied channel_not_found
    channel_is_archived is_archived not_in_channel restricted_action restricted_action_read_only_channel
    user_not_found messages_tab_disabled
"""
_RETRY_ERRORS = """
    ratelimited rate_limited rollup_error internal_error fatal_error service_unavailable request_timeout
    team_added_to_org
"""
_ERRORS = (
    dict.fromkeys(_MESSAGE_ERRORS.split(), DeliveryErrorKind.MESSAGE)
    | dict.fromkeys(_CHANNEL_ERRORS.split(), DeliveryErrorKind.CHANNEL)
    | dict.fromkeys(_RETRY_ERRORS.split(), DeliveryErrorKind.RETRY)
)


# ── the message ──────────────────────────────────────────────────────────────────────────────────


def escape(text: str, limit: int = SECTION_LIMIT) -> str:
    """`text` with Slack's three control characters escaped, cut so that the result fits `limit`."""
    out: list[str] = []
    room = limit - 1
    for char in text:
        form = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(char, char)
        if len(form) > room:
            return "".join(out).rstrip() + "…"
        out.append(form)
        room -= len(form)
    return "".join(out)


def payload(message: Message, *, plain: bool = False) -> dict[str, Any]:
    """The message as Slack's JSON. Outside text is escaped everywhere and plain wherever a block
    allows; nothing in it can mention, link or unfurl. `plain` leaves out the blocks, for a message
    that was refused with them."""
    blocks = {} if plain else {"blocks": _blocks(message)}
    return {"text": _fallback(message), **blocks, "parse": "none", "unfurl_links": False, "unfurl_media": False}


def _fallback(message: Message) -> str:
    """What notifications and screen readers say."""
    address = _address(message.url)
    link = f"<{address}|Read at {escape(layout.shown_host(message.url))}>" if address else ""
    return "\n".join(filter(None, (escape(layout.headline(message)), link)))


def _blocks(message: Message) -> list[dict[str, Any]]:
    lead, story = layout.one_line(message.lead), _address(message.story_link)
    blocks = [
        *_context(layout.badge(message)),
        _section(_mrkdwn(_bold_title(message))),
        *_context(layout.facts(message), layout.one_line(message.spread)),
        *([_section(_plain(lead))] if lead else []),
        *_reasons(message),
    ]
    tail = [{"type": "context", "elements": [_mrkdwn(f"<{story}|Story and all copies>")]}] if story else []
    return _fitting(blocks, BLOCKS_LIMIT - len(tail)) + tail


def _fitting(blocks: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` blocks; what had to go is said."""
    if len(blocks) <= limit:
        return blocks
    return [*blocks[: limit - 1], _section(_plain("… and more than Slack shows in one message."))]


def _bold_title(message: Message) -> str:
    return " ".join(f"*{part}*" for part in _link(layout.title(message), message.url))


def _link(text: str, url: str) -> list[str]:
    """Words as a link to `url`, in the parts that may be set in bold one by one."""
    address = _address(url)
    before, words = layout.link_text(text, url) if address else (text, "")
    link = f"<{address}|{escape(words, 900)}>" if words else ""
    return [part for part in (escape(before, 900), link) if part]


def _address(url: str) -> str:
    address = layout.web_address(url)
    return escape(address.replace("|", "%7C")) if len(address) <= URL_LIMIT else ""


def _reasons(message: Message) -> list[dict[str, Any]]:
    """The reasons, in as many sections as they need; addresses at line ends become links."""
    lines = [layout.split_link(line) for line in layout.reasons(message)]
    form = _mrkdwn if any(url for _, url in lines) else _escaped
    listed = [" ".join(("•", *_link(text, url))) for text, url in lines]
    return [_section(form(chunk)) for chunk in _chunks(["Why:", *listed] if listed else [])]


def _chunks(lines: list[str]) -> list[str]:
    """Escaped lines, joined into texts that each fit one section."""
    chunks = [""]
    for line in lines:
        if chunks[-1] and len(chunks[-1]) + len(line) + 1 > SECTION_LIMIT:
            chunks.append("")
        chunks[-1] = f"{chunks[-1]}\n{line}" if chunks[-1] else line
    return [chunk for chunk in chunks if chunk]


def _plain(text: str) -> dict[str, Any]:
    return _escaped(escape(text))


def _escaped(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}


def _context(*texts: str) -> list[dict[str, Any]]:
    elements = [_plain(text) for text in texts if text]
    return [{"type": "context", "elements": elements}] if elements else []


# ── the answer ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Slack said to one request."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def judge(answer: Answer, *, secrets: tuple[str, ...] = ()) -> Sent | DeliveryError:
    """Whether Slack took the message; the name of its error counts more than the status."""
    said = _as_object(answer.body)
    error = str(said.get("error", "")) if said else answer.body.strip()
    if answer.status == 200 and not _refused(said, answer.body):
        return Sent(remote_id=str(said["ts"]) if said.get("ts") else None, answer=quoted(answer.body, secrets)[:60])
    kind = _ERRORS.get(error)
    if kind is None and answer.status == 200:
        kind = DeliveryErrorKind.RETRY
    if kind is None or answer.status == 429:
        return http_error(answer.status, error, answer.headers, secrets=secrets)
    return DeliveryError(f"Slack said {quoted(error, secrets)}", kind=kind, retry_after=retry_after(answer.headers))


def _as_object(body: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _refused(said: dict[str, Any], body: str) -> bool:
    """A 200 that is no yes: `{"ok": false}`, or a web page in place of Slack (a portal, a proxy)."""
    return said.get("ok") is False or body.lstrip().startswith("<") or body.strip() in _ERRORS


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


class SlackSender:
    """Sends to one webhook, or to the channels of one bot token."""

    edits = False
    threads = False
    digest_lines = 100

    def __init__(self, name: str, url: str, *, timeout: timedelta):
        """Raises ValueError (without the secret) where the URL is not one of Slack's."""
        read = read_url(url) or {}
        mode = str(read.get("mode") or ("bot" if read.get("access_token") else "hook"))
        tokens = [read.get("access_token")] if mode == "bot" else [read.get(f"token_{x}") for x in "abc"]
        problem = _problem(mode, tokens, read)
        if problem:
            raise ValueError(f"channel {name}: {problem}")
        self._bot, self._secrets = mode == "bot", tuple(map(str, tokens))
        self._base = str(read.get("qsd", {}).get("base") or _HOSTS[mode]).rstrip("/")
        self.recipients: tuple[str, ...] = tuple(read.get("targets") or ()) or ("",)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def send(self, delivery: Delivery) -> Sent:
        """Send one message. Raises DeliveryError."""
        body = payload(delivery.message, plain=delivery.plain)
        body |= {"channel": delivery.recipient} if delivery.recipient else {}
        reached = http.Progress()
        token = http.progress.set(reached)
        try:
            answer = await self._post(body)
            outcome = judge(answer, secrets=self._secrets)
        except http.BROKEN as cause:
            outcome = http.broken(cause, ambiguous=reached.left)
        except SlackClientError as cause:
            outcome = DeliveryError(f"Slack's answer could not be read ({type(cause).__name__})")
        finally:
            http.progress.reset(token)
        if isinstance(outcome, DeliveryError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: dict[str, Any]) -> Answer:
        if self._session is None or self._session.closed:
            self._session = http.open_session(self._timeout, fresh=True)
        return await (self._post_message(body) if self._bot else self._post_webhook(body))

    async def _post_webhook(self, body: dict[str, Any]) -> Answer:
        url = "/".join((self._base, "services", *self._secrets))
        client = AsyncWebhookClient(url, session=self._session, logger=_QUIET, retry_handlers=[])
        client.proxy = None  # the SDK takes one from the environment
        said = await client.send_dict(body)
        return Answer(status=said.status_code, body=said.body or "", headers=said.headers)

    async def _post_message(self, body: dict[str, Any]) -> Answer:
        client = AsyncWebClient(
            self._secrets[0], base_url=f"{self._base}/api/", session=self._session, logger=_QUIET, retry_handlers=[]
        )
        client.proxy = None
        try:
            said: Any = await client.api_call("chat.postMessage", json=body)
        except SlackApiError as refusal:
            said = refusal.response
        data = getattr(said, "data", None)  # the SDK leaves it out where it could not read the answer
        answer = json.dumps(data if isinstance(data, dict) else {"ok": False, "error": "unreadable answer"})
        headers = {key.title(): value for key, value in said.headers.items()}
        return Answer(status=getattr(said, "status_code", None) or said.status, body=answer, headers=headers)


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
