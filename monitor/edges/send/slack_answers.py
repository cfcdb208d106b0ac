"""What Slack's answers mean, webhook and Web API.

By the name of Slack's error (`_ERRORS`), else by the status:

    answer                                          outcome
    a webhook's ok, {"ok": true}, {"success": true} accepted
    a bot's {"ok": true}, with the message's ts     accepted
    invalid_payload, no_text, invalid_blocks, …     this message; so 400, 413 with words nobody knows
    invalid_auth, not_in_channel, no_service,       channel broken; so 401, 403, 404, 410, a redirect,
      channel_is_archived, action_prohibited, …       a certificate that is not trusted
    ratelimited, 429                                again later, when Retry-After says
    rollup_error, 5xx, a web page,                  again later
      200 with an error nobody knows
    internal_error, fatal_error, a 2xx that says    ambiguous; again later for an edit, which repeats itself
      neither yes nor no
    no connection, or lost before the body left     again later
    lost, or silent, after the body left            ambiguous; again later for an edit
    thread_not_found                                sent once more at once, outside the thread
    an edit: message_not_found, edit_window_closed, accepted, and said: there is nothing left to rewrite,
      cant_update_message                             and what is new comes as an update of its own
    reading back: missing_scope, …                  sent, and the answer says that nobody looked
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.edges.send.outcome import http_error, quoted, retry_after
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Sent

# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and …/methods/chat.postMessage
_MESSAGE_ERRORS = """
    invalid_payload no_text too_many_attachments invalid_blocks invalid_blocks_format msg_too_long
    msg_blocks_too_long invalid_arguments invalid_form_data invalid_json markdown_text_conflict
    metadata_too_large invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app
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
    ratelimited rate_limited rollup_error service_unavailable request_timeout team_added_to_org
"""
_AMBIGUOUS_ERRORS = "internal_error fatal_error"  # as published: some of it may have been done
_ERRORS = (
    dict.fromkeys(_MESSAGE_ERRORS.split(), DeliveryErrorKind.MESSAGE)
    | dict.fromkeys(_CHANNEL_ERRORS.split(), DeliveryErrorKind.CHANNEL)
    | dict.fromkeys(_RETRY_ERRORS.split(), DeliveryErrorKind.RETRY)
    | dict.fromkeys(_AMBIGUOUS_ERRORS.split(), DeliveryErrorKind.AMBIGUOUS)
)
_NAMES_MESSAGE = frozenset({"chat.postMessage", "chat.update"})  # by its `ts`
_ONCE = frozenset({"", "chat.postMessage"})  # repeating these would show


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Slack said to one request."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def judge(answer: Answer, method: str = "", *, secrets: tuple[str, ...] = ()) -> Sent | DeliveryError:
    """Whether Slack did what a method (none: a webhook) was asked; its error's name counts more than the status."""
    said = as_object(answer.body)
    error = str(said.get("error") or "") or answer.body.strip()
    success = 200 <= answer.status < 300
    if success and _agrees(said, answer.body, method):
        return Sent(remote_id=_id_of(said), answer="ok")
    kind = _ERRORS.get(error)
    if kind is None and success:
        refused = said.get("ok") is False or "error" in said
        kind = DeliveryErrorKind.RETRY if refused or error.startswith("<") else DeliveryErrorKind.AMBIGUOUS
    if kind is None or answer.status == 429:
        return http_error(answer.status, error, answer.headers, secrets=secrets)
    if kind is DeliveryErrorKind.AMBIGUOUS and method not in _ONCE:
        kind = DeliveryErrorKind.RETRY
    words = quoted(error, secrets) or f"nothing (HTTP {answer.status})"
    return DeliveryError(f"Slack said {words}", kind=kind, retry_after=retry_after(answer.headers))


def _agrees(said: dict[str, Any], body: str, method: str) -> bool:
    """Whether an answer is a yes and no web page, proxy's notice or half of one."""
    if not method:
        return body.strip() == "ok" or said.get("ok") is True or said.get("success") is True  # as Rocket.Chat says it
    return said.get("ok") is True and (method not in _NAMES_MESSAGE or bool(_id_of(said)))


def _id_of(said: dict[str, Any]) -> str | None:
    """How we name a message: `C0123:1700000000.000001`, the channel's id and Slack's time stamp."""
    ts = said.get("ts")
    return f"{said.get('channel', '')}:{ts}" if isinstance(ts, str) and ts else None


def place_of(remote_id: str) -> tuple[str, str]:
    """Channel (may be empty) and time stamp of such a name."""
    channel, _, ts = remote_id.rpartition(":")
    return channel, ts


def error_of(answer: Answer | DeliveryError) -> str:
    """The name of Slack's error, or an empty string."""
    return str(as_object(answer.body).get("error", "")) if isinstance(answer, Answer) else ""


def as_object(body: str) -> dict[str, Any]:
    """A JSON object, or an empty one where it is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
