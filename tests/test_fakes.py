"""The fakes are as strict as what they stand for: a sender that passes them would pass the real thing."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.fakes import FakeMatrix, FakeSlack

WORDS = {"type": "plain_text", "text": "words"}


def ask(url, body=None, *, method="POST", **headers):
    """One request, its body as JSON; the status and the answer (read as JSON where it is)."""
    data = json.dumps(body).encode() if body is not None else None
    request = Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urlopen(request, timeout=10) as answer:
            status, said = answer.status, answer.read().decode()
    except HTTPError as refusal:
        status, said = refusal.code, refusal.read().decode()
    return status, json.loads(said) if said.startswith("{") else said


@pytest.fixture
def slack():
    with FakeSlack() as served:
        yield served


def hook(slack, body):
    return ask(f"http://127.0.0.1:{slack.port}/services/{slack.team}/{slack.app}/{slack.secret}", body)


def bot(slack, name, **asked):
    token = asked.pop("token", slack.token)
    url, bearer = f"http://127.0.0.1:{slack.port}/api/{name}", {"Authorization": f"Bearer {token}"}
    if name.startswith("chat."):
        return ask(url, asked, **bearer)[1]
    return ask(f"{url}?{urlencode(asked)}", method="GET", **bearer)[1]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"text": "hello"}, (200, "ok")),
        ({}, (400, "no_text")),
        ([], (400, "invalid_payload")),
        ({"text": "x" * 40_001}, (400, "msg_too_long")),
        ({"blocks": [{"type": "divider"}] * 50}, (200, "ok")),
        ({"blocks": [{"type": "divider"}] * 51}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}]}, (200, "ok")),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "section", "text": {**WORDS, "verbatim": True}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "section"}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "header", "text": {**WORDS, "text": "x" * 151}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "context", "elements": [WORDS] * 11}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "marquee", "text": WORDS}]}, (400, "invalid_blocks")),
    ],
)
def test_a_webhook_takes_what_slack_publishes_and_nothing_else(slack, body, answer):
    assert hook(slack, body) == answer


def test_a_webhook_that_is_none_and_scripted_refusals(slack):
    assert ask(f"http://127.0.0.1:{slack.port}/services/T/B/wrong", {"text": "x"}) == (404, "no_service")
    slack.fails_with(410).limits(30)
    assert hook(slack, {"text": "x"}) == (410, "channel_is_archived")
    assert hook(slack, {"text": "x"}) == (429, {"ok": False, "error": "ratelimited"})
    assert slack.posts == []


def test_a_bot_posts_by_name_updates_by_id_and_threads_under_what_exists(slack):
    first = bot(slack, "chat.postMessage", channel="#general", text="one", blocks=[{"type": "divider"}])
    assert first["channel"] == slack.general
    reply = bot(slack, "chat.postMessage", channel=slack.general, text="two", thread_ts=first["ts"])
    assert slack.post(reply["ts"])["thread_ts"] == first["ts"]
    assert bot(slack, "chat.update", channel=slack.general, ts=first["ts"], text="one!")["ok"]
    assert (slack.post(first["ts"])["text"], "blocks" in slack.post(first["ts"])) == ("one!", False)
    errors = [
        bot(slack, "chat.update", channel="general", ts=first["ts"], text="x"),
        bot(slack, "chat.update", channel=slack.general, ts="1.0", text="x"),
        bot(slack, "chat.postMessage", channel="#elsewhere", text="x"),
        bot(slack, "chat.postMessage", channel="#general", text="x", thread_ts="1.0"),
        bot(slack, "chat.postMessage", channel="#general", text="x", token="xoxb-other"),
        bot(
            slack, "chat.postMessage", channel="#general", text="x", metadata={"event_type": "a b", "event_payload": {}}
        ),
    ]
    assert [said["error"] for said in errors] == [
        "channel_not_found", "message_not_found", "not_in_channel", "thread_not_found", "invalid_auth", "invalid_metadata_schema",
    ]  # fmt: skip


def test_the_history_shows_the_newest_first_without_replies_and_metadata_only_when_asked(slack):
    kept = {"event_type": "delivery", "event_payload": {"id": "d1"}}
    first = bot(slack, "chat.postMessage", channel="#general", text="one", metadata=kept)
    bot(slack, "chat.postMessage", channel="#general", text="reply", thread_ts=first["ts"])
    bot(slack, "chat.postMessage", channel="#general", text="two")
    shown = bot(slack, "conversations.history", channel=slack.general)["messages"]
    assert [message["text"] for message in shown] == ["two", "one"]
    assert shown[1]["metadata"] == {"event_type": "delivery"}
    whole = bot(
        slack, "conversations.history", channel=slack.general, include_all_metadata="true", latest=shown[0]["ts"]
    )
    assert [message["metadata"] for message in whole["messages"]] == [kept]
    thread = bot(slack, "conversations.replies", channel=slack.general, ts=first["ts"])["messages"]
    assert [message["text"] for message in thread] == ["one", "reply"]


def test_a_homeserver_shows_edits_in_place_and_threads_and_refuses_relations_to_nothing():
    with FakeMatrix() as matrix:
        matrix.knows_token("t")

        def put(txn, **content):
            room = matrix.room.replace("!", "%21").replace(":", "%3A")
            url = f"http://127.0.0.1:{matrix.port}/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}"
            return ask(url, {"msgtype": "m.text", **content}, method="PUT", Authorization="Bearer t")[1]

        first = put("a", body="one")["event_id"]
        assert put("a", body="one")["event_id"] == first
        edit = {
            "m.new_content": {"msgtype": "m.text", "body": "one!"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": first},
        }
        put("b", body="* one!", **edit)
        put("c", body="two", **{"m.relates_to": {"rel_type": "m.thread", "event_id": first}})
        refused = put("d", body="x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$none"}})
        assert [(shown.body, shown.edits, shown.thread) for shown in matrix.shown()] == [
            ("one!", 1, ""),
            ("two", 0, first),
        ]
        assert (refused["errcode"], len(matrix.messages())) == ("M_UNKNOWN", 3)
