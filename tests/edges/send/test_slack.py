"""The Slack sender: what Slack gets, what its answers mean, and what must never be live or leave."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from monitor.edges.send import open_sender
from monitor.edges.send.outcome import retry_after
from monitor.edges.send.slack import SlackSender
from monitor.edges.send.slack_answers import Answer, judge
from monitor.edges.send.slack_blocks import escape, payload
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import DeliveryKind, Level, Sent
from tests.edges.send.samples import (
    CREATED,
    HOSTILE,
    MESSAGE,
    TOLD,
    Listener,
    accepted,
    delivery,
    everything_said,
    hostile_message,
    refused,
    send,
)
from tests.edges.send.servers import SlackApi
from tests.fakes import FakeHttp, FakeSlack, Seen, slack_refusal

RETRY, MESSAGE_KIND, CHANNEL, AMBIGUOUS = (
    DeliveryErrorKind.RETRY,
    DeliveryErrorKind.MESSAGE,
    DeliveryErrorKind.CHANNEL,
    DeliveryErrorKind.AMBIGUOUS,
)


def texts(body: object) -> list[str]:
    """All strings of a payload."""
    if isinstance(body, str):
        return [body]
    parts = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return [text for part in parts for text in texts(part)]


class Says(FakeSlack):
    """In place of Slack, a server that answers everything with these bytes."""

    def __init__(self, body: bytes, type_: str, status: int = 200) -> None:
        super().__init__()
        self._body, self._type, self._status = body, type_, status

    def answer(self, seen: Seen) -> web.Response:
        return web.Response(status=self._status, body=self._body, headers={"Content-Type": self._type})


def strict(body: dict) -> str:
    raw = json.dumps(body).encode()
    return slack_refusal(Seen(method="POST", path="/", headers={"Content-Type": "application/json"}, body=raw))


# ── the message ──────────────────────────────────────────────────────────────────────────────────


def test_a_webhook_gets_the_whole_message_and_says_ok():
    with FakeSlack() as slack:
        assert accepted(slack.url).answer == "ok"
        (message,) = slack.messages
    said = "\n".join(texts(message)).replace("&amp;", "&")
    for part in TOLD:
        assert part in said
    assert message["text"].startswith("[urgent] North Korea: arms — Freighter")


def test_the_title_is_the_link():
    with FakeSlack() as slack:
        accepted(slack.url)
        assert (MESSAGE.url.replace("&", "&amp;"), MESSAGE.title.replace("&", "&amp;")) in slack.links


def test_a_bot_token_posts_to_its_channel_and_brings_back_the_message_id():
    with SlackApi() as slack:
        assert accepted(slack.bot_url).remote_id == f"{slack.place}:1764040400.000001"
        assert slack.messages[0]["channel"] == "#general"


def test_the_plainest_form_has_no_blocks_and_a_digest_in_it_still_lists_its_alerts():
    body = payload(
        replace(MESSAGE, mark="digest", why=("One https://x.example/1", "Two https://x.example/2")), plain=True
    )
    assert "blocks" not in body and strict(body) == ""
    assert "<https://x.example/1|One>" in body["text"] and "<https://x.example/2|Two>" in body["text"]


@pytest.mark.parametrize(
    "message",
    [
        replace(MESSAGE, url="", title="", outlet="", lead="", why=(), spread="", story_link="", watchlist_title=""),
        replace(MESSAGE, title="&" * 200, lead="<" * 3_000, why=("&" * 3_000,) * 5, spread=">" * 3_000),
        replace(MESSAGE, url="https://x.example/" + "&" * 2_500),
        replace(MESSAGE, why=tuple(f"Story {n} — {'word ' * 30} https://x.example/{n}" for n in range(300))),
        replace(MESSAGE, why=("x" * 10_000,) * 400),
        hostile_message(),
    ],
    ids=["bare", "all escapes", "an endless address", "a digest of 300", "endless reasons", "hostile"],
)
def test_whatever_the_message_slack_takes_it(message):
    assert strict(payload(message)) == ""


def test_a_digest_lists_all_its_stories_as_links():
    with FakeSlack() as slack:
        count, words, path = SlackSender.digest_lines, "word " * 40, "x" * 60
        lines = tuple(f"Story {n} {words}(Outlet) https://x.example/{path}/{n}" for n in range(count))
        accepted(slack.url, delivery(replace(MESSAGE, mark="digest", why=lines, lead="")))
        assert {f"https://x.example/{path}/{n}" for n in range(count)} <= {url for url, _ in slack.links}


@pytest.mark.parametrize("mark", ["correction", "kill", "withdrawn"])
def test_what_takes_a_story_back_says_so_in_large_letters_and_first_on_the_lock_screen(mark: str):
    body = payload(replace(MESSAGE, mark=mark, level=Level.NORMAL))
    assert body["blocks"][0]["type"] == "header"
    assert body["blocks"][0]["text"]["text"].startswith(f"⛔ {mark.upper()}")
    assert body["text"].startswith(mark.upper())


def test_an_update_says_what_is_new_before_the_story():
    told = texts(payload(UPDATE)["blocks"])
    at = [n for n, text in enumerate(told) if UPDATE.news in text or MESSAGE.outlet in text]
    assert UPDATE.news in told[at[0]]
    assert UPDATE.news in payload(UPDATE)["text"]


# ── a bot's edits, threads and doubts ────────────────────────────────────────────────────────────

UPDATE = replace(MESSAGE, mark="update", news="Carried by 14 outlets now", headline="[update] North Korea: arms — x")


def test_a_bots_message_bears_its_delivery_in_metadata():
    with SlackApi() as slack:
        accepted(slack.bot_url)
        assert slack.messages[0]["metadata"] == {
            "event_type": "wirewatch_alert",
            "event_payload": {"delivery": "d0123456789abcdef012"},
        }


def test_an_edit_rewrites_the_message_and_posts_nothing():
    with SlackApi() as slack:
        first = accepted(slack.bot_url)
        accepted(slack.bot_url, delivery(UPDATE, id="edit", kind=DeliveryKind.EDIT, replaces=first.remote_id))
        (message,) = slack.posts
        (update,) = slack.updates
        assert len(slack.messages) == 1
    assert message["text"].startswith("[update]") and update["channel"] == slack.place
    assert "link_names" not in update and update["parse"] == "none"
    assert message["metadata"]["event_payload"] == {"delivery": "d0123456789abcdef012"}


def test_an_edit_in_the_plainest_form_takes_the_old_blocks_away():
    with SlackApi() as slack:
        first = accepted(slack.bot_url)
        edit = delivery(UPDATE, id="edit", kind=DeliveryKind.EDIT, replaces=first.remote_id, plain=True)
        accepted(slack.bot_url, edit)
        assert slack.posts[0]["blocks"] == []


@pytest.mark.parametrize("error", ["message_not_found", "edit_window_closed", "cant_update_message"])
def test_an_edit_of_what_cannot_be_rewritten_is_done_with_and_said(error: str):
    with SlackApi() as slack:
        slack.fails_with(200, json.dumps({"ok": False, "error": error}), Content_Type="application/json")
        sent = accepted(slack.bot_url, delivery(kind=DeliveryKind.EDIT, replaces="C1:1.2"))
    assert sent.answer == f"nothing to rewrite: {error}"


def test_L9_an_edit_whose_answer_was_lost_is_simply_repeated():
    with SlackApi() as slack:
        first = accepted(slack.bot_url)
        slack.drops_after_effect()
        edit = delivery(UPDATE, id="edit", kind=DeliveryKind.EDIT, replaces=first.remote_id)
        assert refused(slack.bot_url, edit).kind is RETRY
        accepted(slack.bot_url, edit)
        assert len(slack.messages) == 1


def test_an_update_goes_into_the_thread_and_what_takes_a_story_back_into_the_channel_too():
    with SlackApi() as slack:
        first = accepted(slack.bot_url)
        accepted(slack.bot_url, delivery(UPDATE, id="u", thread_root=first.remote_id))
        accepted(slack.bot_url, delivery(replace(MESSAGE, mark="kill"), id="k", thread_root=first.remote_id))
        threads = [(m.get("thread_ts"), m.get("reply_broadcast")) for m in slack.messages]
    ts = slack.posts[0]["ts"]
    assert threads == [(None, None), (ts, None), (ts, True)]


def test_an_update_whose_thread_is_gone_is_posted_without():
    with SlackApi() as slack:
        accepted(slack.bot_url, delivery(UPDATE, thread_root=f"{slack.place}:1.2"))
        assert "thread_ts" not in slack.messages[0]


@pytest.mark.parametrize("root", [True, False], ids=["in a thread", "in the channel"])
def test_L9_a_message_in_doubt_that_had_arrived_is_found_and_not_sent_again(root: bool):
    with SlackApi() as slack:
        first = accepted(slack.bot_url, delivery(id="first"))
        fields = {"id": "doubtful", "thread_root": first.remote_id if root else None}
        slack.drops_after_effect()
        assert refused(slack.bot_url, delivery(UPDATE, **fields)).kind is AMBIGUOUS
        sent = accepted(slack.bot_url, delivery(UPDATE, **fields, doubt=True, first_attempt_at=CREATED))
        assert len(slack.messages) == 2
        assert sent.remote_id == f"{slack.place}:{slack.posts[1]['ts']}"
    assert sent.answer == "an earlier attempt had arrived"


def test_L9_an_update_in_doubt_whose_thread_is_gone_is_found_in_the_channel():
    with SlackApi() as slack:
        gone = delivery(UPDATE, thread_root=f"{slack.place}:1.2")
        accepted(slack.bot_url, gone)
        assert accepted(slack.bot_url, replace(gone, doubt=True)).answer == "an earlier attempt had arrived"
        assert len(slack.messages) == 1


def test_the_plainest_form_of_a_bots_message_has_no_metadata_either():
    with SlackApi() as slack:
        accepted(slack.bot_url, delivery(plain=True))
        assert "metadata" not in slack.messages[0]


def test_a_message_in_doubt_that_had_not_arrived_is_sent():
    with SlackApi() as slack:
        accepted(slack.bot_url, delivery(id="another"))
        sent = accepted(slack.bot_url, delivery(doubt=True))
        assert len(slack.messages) == 2 and sent.answer == "ok"


@pytest.mark.parametrize("missing", ["channels:history", "channels:read"])
def test_without_the_scope_to_look_a_message_in_doubt_is_sent_again_and_that_is_said(missing: str):
    with SlackApi() as slack:
        slack.scopes.remove(missing)
        sent = accepted(slack.bot_url, delivery(doubt=True))
        assert len(slack.messages) == 1
    assert "without a look for an earlier copy" in sent.answer


def test_L1_a_rate_limit_while_looking_sends_nothing_and_is_waited_for():
    with SlackApi() as slack:
        slack.fails_with(429, '{"ok":false,"error":"ratelimited"}', retry_after=30)
        error = refused(slack.bot_url, delivery(doubt=True))
        assert error.kind is RETRY and error.retry_after is not None
        assert slack.messages == []


@pytest.mark.parametrize("fault", ["drops_after_effect", "never_answers"])
def test_a_connection_lost_while_looking_leaves_nothing_new_in_doubt(fault: str):
    with SlackApi() as slack:
        getattr(slack, fault)()
        assert refused(slack.bot_url, delivery(doubt=True), timeout=0.3).kind is RETRY


def test_a_webhook_in_doubt_has_nothing_to_look_at():
    with SlackApi() as slack:
        assert accepted(slack.url, delivery(doubt=True)).remote_id is None
        assert len(slack.requests) == 1


@pytest.mark.parametrize(("url", "can"), [("slack://T1/B1/X1", False), ("slack://xoxb-1-2-x/#news", True)])
def test_only_a_bot_can_edit_and_thread(url: str, can: bool):
    sender = open_sender("desk", url)
    assert (sender.edits, sender.threads) == (can, can)


# ── injection ────────────────────────────────────────────────────────────────────────────────────


def test_I1_nothing_in_a_message_calls_anybody():
    with FakeSlack() as slack:
        accepted(slack.url, delivery(hostile_message()))
        assert slack.called == []
        raw = json.dumps(slack.messages)
    assert "&lt;!channel&gt;" in raw and "<!channel>" not in raw and "<@U1>" not in raw


def test_I1_outside_text_is_plain_wherever_a_block_allows():
    kinds = [
        each["type"] for block in payload(MESSAGE)["blocks"] for each in (block.get("elements") or [block["text"]])
    ]
    assert kinds.count("mrkdwn") == 2  # the title as link, and the link to the story
    assert kinds.count("plain_text") == len(kinds) - 2


def test_I3_all_links_lead_where_the_message_says():
    with FakeSlack() as slack:
        accepted(slack.url, delivery(hostile_message()))
        hosts = {url.split("/")[2] for url, _ in slack.links}
    assert hosts == {"harbour.example", "watch.example"}


def test_I3_an_address_cannot_close_its_own_link():
    with FakeSlack() as slack:
        accepted(slack.url, delivery(replace(MESSAGE, title="News", url="https://evil.example/a|https://b> <!here> c")))
        assert slack.called == []
        assert ("https://evil.example/a%7Chttps://b%3E%20%3C!here%3E%20c", "News") in slack.links


def test_I3_a_title_that_looks_like_an_address_is_not_the_words_of_a_link():
    with FakeSlack() as slack:
        accepted(slack.url, delivery(replace(MESSAGE, title="https://bank.example/", url="https://evil.example/")))
        assert {words for _, words in slack.links} == {"Read at evil.example", "Story and all copies"}


def test_what_does_not_fit_into_one_message_is_said():
    blocks = payload(replace(MESSAGE, why=("x" * 10_000,) * 400))["blocks"]
    assert sum(map(len, texts(blocks))) < 11_000  # Slack refuses somewhere above
    assert "more than Slack shows" in blocks[-2]["text"]["text"] and "Story" in blocks[-1]["elements"][0]["text"]


def test_each_message_has_its_own_connection_so_that_a_stale_one_is_no_doubt():
    with FakeSlack() as slack:
        accepted(slack.url)
        assert slack.requests[0].headers["Connection"] == "close"


def test_I4_nothing_is_parsed_or_unfurled():
    body = payload(MESSAGE)
    assert "link_names" not in body
    assert (body["parse"], body["unfurl_links"], body["unfurl_media"]) == ("none", False, False)


def test_I15_I16_templates_escapes_and_emoji_stay_letters():
    body = payload(replace(MESSAGE, lead=HOSTILE))
    (lead,) = [text for text in texts(body["blocks"]) if "{{7*7}}" in text]
    assert "{{7*7}} %s ${x} {0.__class__}" in lead and ":fire: \\n &amp;amp;" in lead


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "", "https://"])
def test_only_web_addresses_become_links(url: str):
    assert not any("<" in text for text in texts(payload(replace(MESSAGE, url=url, story_link=url))))


@pytest.mark.parametrize(("text", "limit"), [("&" * 10, 23), ("a<b", 3), ("x" * 9, 9), ("", 5)])
def test_escaping_never_cuts_an_entity_and_keeps_the_limit(text: str, limit: int):
    out = escape(text, limit)
    assert len(out) <= limit
    assert "&" not in out.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────

ANSWERS = [
    ("a word: ok", 200, "ok", None),
    ("JSON: ok", 200, '{"ok":true,"ts":"1.2"}', None),
    ("a rate limit in a 200", 200, '{"ok":false,"error":"ratelimited"}', RETRY),
    ("not in the channel", 200, '{"ok":false,"error":"not_in_channel"}', CHANNEL),
    ("a token that is gone", 200, '{"ok":false,"error":"token_revoked"}', CHANNEL),
    ("blocks that are refused", 200, '{"ok":false,"error":"invalid_blocks"}', MESSAGE_KIND),
    ("an error nobody knows", 200, '{"ok":false,"error":"moon_phase"}', RETRY),
    ("a fault after some of it was done", 200, '{"ok":false,"error":"fatal_error"}', AMBIGUOUS),
    ("metadata that is refused", 200, '{"ok":false,"error":"invalid_metadata_schema"}', MESSAGE_KIND),
    ("a login page in place of Slack", 200, "<!DOCTYPE html><html>", RETRY),
    ("an error and no word on ok", 200, '{"error":"ratelimited"}', RETRY),
    ("a no without a reason", 200, '{"ok":false}', RETRY),
    ("a notice of a proxy's", 200, "upstream temporarily unavailable", AMBIGUOUS),
    ("an empty answer", 200, "", AMBIGUOUS),
    ("another success", 202, "accepted", AMBIGUOUS),
    ("an empty object", 200, "{}", AMBIGUOUS),
    ("a list", 200, "[]", AMBIGUOUS),
    ("no value for ok", 200, '{"ok":null}', AMBIGUOUS),
    ("a text for ok", 200, '{"ok":"false"}', AMBIGUOUS),
    ("half a yes", 200, '{"ok":tr', AMBIGUOUS),
    ("a payload that is refused", 400, "invalid_payload", MESSAGE_KIND),
    ("a message without text", 400, "no_text", MESSAGE_KIND),
    ("a 400 nobody knows", 400, "moon_phase", MESSAGE_KIND),
    ("an archived channel in a 400", 400, "channel_is_archived", CHANNEL),
    ("a forbidden action", 403, "action_prohibited", CHANNEL),
    ("a webhook that was removed", 404, "no_service", CHANNEL),
    ("a token nobody knows", 401, "invalid_token", CHANNEL),
    ("a gateway that wants a login", 401, "", CHANNEL),
    ("a gateway that moved", 302, "", CHANNEL),
    ("a gateway that was slow", 408, "", RETRY),
    ("a channel that was archived", 410, "channel_is_archived", CHANNEL),
    ("a message too large for a proxy", 413, "", MESSAGE_KIND),
    ("a rate limit", 429, "rate_limited", RETRY),
    ("a fault of Slack's", 500, "rollup_error", RETRY),
    ("a fault of a proxy's", 502, "<html>bad gateway</html>", RETRY),
]


@pytest.mark.parametrize(("status", "body", "kind"), [case[1:] for case in ANSWERS], ids=[c[0] for c in ANSWERS])
def test_L4_L5_L6_an_answer_has_its_outcome(status: int, body: str, kind: DeliveryErrorKind | None):
    outcome = judge(Answer(status=status, body=body))
    if kind is None:
        assert isinstance(outcome, Sent)
    else:
        assert isinstance(outcome, DeliveryError) and outcome.kind is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("ok", AMBIGUOUS),
        ('{"ok":true}', AMBIGUOUS),
        ('{"ok":true,"ts":1.2}', AMBIGUOUS),
        ('{"ok":true,"channel":"C1","ts":"1.2"}', None),
    ],
)
def test_a_bots_message_is_accepted_where_slack_names_it(body: str, kind: DeliveryErrorKind | None):
    assert getattr(judge(Answer(status=200, body=body), "chat.postMessage"), "kind", None) is kind


@pytest.mark.parametrize("method", ["chat.update", "conversations.history"])
def test_what_can_be_repeated_leaves_no_doubt(method: str):
    assert judge(Answer(status=200, body="moon"), method).kind is RETRY  # type: ignore[union-attr]


@pytest.mark.parametrize("type_", ["text/html", "text/plain", "application/json"])
@pytest.mark.parametrize("url", ["url", "bot_url"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>portal", RETRY),
        (b"\xef\xbb\xbf<html>portal", RETRY),
        (b"", AMBIGUOUS),
        (b"\xff\xfe", AMBIGUOUS),
        (b"upstream temporarily unavailable", AMBIGUOUS),
        (b"[" * 100_000, AMBIGUOUS),
    ],
    ids=["a page", "a page behind a mark", "nothing", "bytes that are no text", "a proxy's notice", "endless JSON"],
)
def test_a_200_that_is_not_slacks_is_no_yes_whatever_it_is_called(url: str, type_: str, body: bytes, kind):
    with Says(body, type_) as slack:
        assert refused(getattr(slack, url)).kind is kind
        assert len(slack.requests) == 1


def test_a_message_in_doubt_by_an_odd_answer_is_looked_for_and_not_sent_again():
    class Stammers(SlackApi):
        def answer(self, seen: Seen) -> web.Response:
            said = super().answer(seen)
            return web.Response(body=b"\xff", content_type="application/json") if len(self.requests) == 1 else said

    with Stammers() as slack:
        assert refused(slack.bot_url).kind is AMBIGUOUS
        accepted(slack.bot_url, delivery(doubt=True, first_attempt_at=CREATED))
        assert len(slack.messages) == 1


def test_a_bots_error_that_is_no_json_is_told_in_the_servers_words_and_without_the_token():
    with Says(f"no such\x1b[31m \ntoken {FakeSlack.token}".encode(), "text/html", status=403) as slack:
        error = refused(slack.bot_url)
    assert str(error) == "HTTP 403: no such [31m token ***" and error.kind is CHANNEL


@pytest.mark.parametrize("url", ["url", "bot_url"])
@pytest.mark.parametrize(
    ("wait", "seconds"), [(30, 30), ("0", None), ("-5", None), ("abc", None), ("99999999", 86_400), (None, None)]
)
def test_L1_a_rate_limit_says_how_long_to_wait(url: str, wait: str | int | None, seconds: int | None):
    with FakeSlack() as slack:
        slack.fails_with(429, '{"ok":false,"error":"ratelimited"}', retry_after=wait)
        error = refused(getattr(slack, url))
        assert error.kind is RETRY
        assert (error.retry_after.total_seconds() if error.retry_after else None) == seconds
        assert len(slack.requests) == 1


def test_a_retry_after_date_counts_from_the_servers_own_clock():
    with FakeSlack() as slack:
        dates = {"Date": "Tue, 25 Nov 2025 03:00:00 GMT"}
        slack.fails_with(429, retry_after="Tue, 25 Nov 2025 03:02:00 GMT", **dates)
        error = refused(slack.url)
        assert error.retry_after is not None and error.retry_after.total_seconds() == 120


@pytest.mark.parametrize(("ahead", "seconds"), [(120, 120), (10**6, 86_400), (-120, None)])
def test_a_retry_after_date_counts_from_our_clock_where_the_server_says_no_date(ahead: int, seconds: int | None):
    wait = retry_after({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)})
    assert (wait and pytest.approx(wait.total_seconds(), abs=5)) == seconds


def test_L3_a_broken_server_is_asked_once_and_the_next_send_gets_through():
    with FakeSlack() as slack:
        slack.fails_with(500)
        first, second = send(slack.url, delivery(), delivery())
        assert getattr(first, "kind", None) is RETRY and isinstance(second, Sent)
        assert len(slack.requests) == 2


def test_L9_a_connection_lost_after_the_message_left_is_ambiguous():
    with FakeSlack() as slack:
        slack.drops_after_effect()
        assert refused(slack.url).kind is AMBIGUOUS
        assert len(slack.messages) == 1 and len(slack.requests) == 1


@pytest.mark.parametrize("url", ["url", "bot_url"])
def test_L8_silence_is_ambiguous_and_ends_in_time(url: str):
    with FakeSlack() as slack:
        slack.never_answers()
        assert refused(getattr(slack, url), timeout=0.3).kind is AMBIGUOUS


def test_L19_two_channels_that_are_one_webhook_are_two_deliveries():
    with FakeSlack() as slack:
        send(slack.url, delivery(id="one", channel="desk"))
        send(slack.url, delivery(id="two", channel="duty"))
        assert len(slack.messages) == 2


def test_a_server_that_is_away_is_tried_again():
    with FakeSlack() as slack:
        url = slack.url
    assert refused(url).kind is RETRY


def test_S13_a_redirect_is_not_followed_and_is_the_channels_fault():
    with FakeHttp() as elsewhere, FakeSlack() as slack:
        slack.fails_with(302, Location=f"http://127.0.0.1:{elsewhere.port}/")
        assert refused(slack.url).kind is CHANNEL
        assert elsewhere.requests == []


def test_S11_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch):
    with FakeHttp() as proxy, FakeSlack() as slack:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        accepted(slack.url)
        accepted(slack.bot_url)
        assert proxy.requests == []


# ── secrets and URLs ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("url", ["url", "bot_url"])
@pytest.mark.parametrize("fault", ["refusal that echoes", "reset", "silence", "redirect", "away", "nonsense"])
def test_G14_no_fault_tells_anybody_the_secret(url: str, fault: str):
    with Listener() as log, FakeSlack() as slack:
        target = getattr(slack, url)
        match fault:
            case "refusal that echoes":
                slack.fails_with(403, f"no {slack.secret if url == 'url' else slack.token}")
            case "reset":
                slack.drops_before_effect()
            case "silence":
                slack.never_answers()
            case "redirect":
                slack.fails_with(307, Location=f"/{slack.secret}/{slack.token}")
            case "away":
                target = target.replace(str(slack.port), "1")
            case "nonsense":
                slack.fails_with(200, "<html>", Content_Type="application/json")
        error = refused(target, timeout=0.5)
        said = everything_said(error) + repr(open_sender("desk", target)) + "\n".join(log.heard)
    assert slack.secret not in said and slack.token not in said


@pytest.mark.parametrize(
    "url",
    ["slack://c4nary/x", "slack://xoxb-1-c4nary", "https://hooks.slack.com/workflows/T1/A1/1/c4nary", "slack://"],
)
def test_a_url_that_is_none_of_slacks_is_refused_without_its_secret(url: str):
    with pytest.raises(ValueError, match="channel desk: ") as caught:
        open_sender("desk", url)
    assert "c4nary" not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("url", "recipients"),
    [
        ("slack://T1/B1/X1", ("",)),
        ("https://hooks.slack.com/services/T1/B1/X1", ("",)),
        ("slack://xoxb-1-2-x/#news/#desk", ("#news", "#desk")),
    ],
)
def test_a_url_says_who_gets_the_message(url: str, recipients: tuple[str, ...]):
    assert open_sender("desk", url).recipients == recipients


@pytest.mark.parametrize("says", ["ok", " ok\n", '{"ok":true}', '{"success":true}'])
def test_a_webhooks_yes(says: str):
    with SlackApi() as slack:
        slack.fails_with(200, says)
        assert accepted(slack.url).answer == "ok"
