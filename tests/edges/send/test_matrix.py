"""The Matrix sender: what a room gets, what a homeserver's answers mean, and what must never leave."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace

import pytest
from aiohttp import web

from monitor.edges.send import open_sender
from monitor.edges.send.matrix import Answer, MatrixSender, device_of, refusal
from monitor.edges.send.matrix_event import EVENT_LIMIT, content, event, html
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import DeliveryKind, Sent
from tests.edges.send.samples import (
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
from tests.edges.send.servers import Homeserver as FakeMatrix
from tests.fakes import FakeHttp

RETRY, MESSAGE_KIND, CHANNEL = DeliveryErrorKind.RETRY, DeliveryErrorKind.MESSAGE, DeliveryErrorKind.CHANNEL
AMBIGUOUS = DeliveryErrorKind.AMBIGUOUS


# ── the message ──────────────────────────────────────────────────────────────────────────────────


def test_a_room_gets_the_whole_message_plain_and_formatted():
    with FakeMatrix() as matrix:
        assert accepted(matrix.url).remote_id == "$event1"
        (event,) = matrix.messages()
    for part in TOLD:
        assert part in event["body"]
        assert part.replace("&", "&amp;") in event["formatted_body"]
    assert event["msgtype"] == "m.text"
    assert event["body"].startswith(MESSAGE.headline)


def test_the_plainest_form_has_no_formatted_body():
    assert set(content(MESSAGE, plain=True)) == {"msgtype", "body", "m.mentions"}


@pytest.mark.parametrize("why", [("é" * 9_000,) * 9, ("🚢" * 9_000,) * 9, ('"\\' * 4_000,) * 9, ("<" * 5_000,) * 2])
def test_I6_an_event_keeps_its_limit_and_is_cut_between_characters(why: tuple[str, ...]):
    event = content(replace(MESSAGE, why=why))
    assert len(json.dumps(event, ensure_ascii=False).encode()) <= EVENT_LIMIT
    assert event["body"].startswith(MESSAGE.headline)


# ── injection ────────────────────────────────────────────────────────────────────────────────────


def test_I5_nobody_is_mentioned_whatever_the_text_says():
    for plain in (False, True):
        assert content(hostile_message(), plain=plain)["m.mentions"] == {}


def test_I5_I10_hostile_text_brings_no_tag_and_no_link_of_its_own():
    shown = html(hostile_message())
    tags = {part.split(">")[0].split(" ")[0].strip("/") for part in shown.split("<")[1:]}
    assert tags <= {"p", "strong", "span", "br", "a", "ul", "li"}
    links = {part.split('"')[0] for part in shown.split('href="')[1:]}
    assert links == {MESSAGE.url.replace("&", "&amp;"), MESSAGE.story_link}
    assert "{{7*7}} %s ${x} {0.__class__}" in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "mxc://x/y", "data:,x", "", 'https://"'])
def test_I5_only_web_addresses_become_links(url: str):
    assert "<a " not in html(replace(MESSAGE, url=url, story_link=url))


def test_I10_a_title_that_looks_like_an_address_is_not_the_words_of_a_link():
    shown = html(replace(MESSAGE, title="https://bank.example", url="https://evil.example/"))
    assert '<a href="https://evil.example/">Read at evil.example</a>' in shown


# ── one message, one event ───────────────────────────────────────────────────────────────────────


def test_L11_a_delivery_is_its_transaction_and_the_room_shows_it_once():
    with FakeMatrix() as matrix:
        first, second = (accepted(matrix.url, delivery(attempts=n)) for n in (1, 2))
        assert first.remote_id == second.remote_id
        assert len(matrix.messages()) == 1
        puts = [(seen.path, seen.body) for seen in matrix.requests if seen.method == "PUT"]
        assert puts[0] == puts[1]
        assert puts[0][0].endswith("/send/m.room.message/d0123456789abcdef012")


def test_L11_different_deliveries_are_different_events():
    with FakeMatrix() as matrix:
        send(matrix.url, delivery(id="one"), delivery(id="two"))
        assert len(matrix.messages()) == 2


@pytest.mark.parametrize("fault", ["drops_after_effect", "never_answers"])
def test_L8_L9_after_a_lost_answer_it_goes_again_as_doubtful_and_shows_once(fault: str):
    with FakeMatrix() as matrix:
        matrix.knows_token("tok")
        getattr(matrix, fault)()
        url = matrix.url.replace(f"{matrix.user}:{matrix.password}@", "tok@")
        assert refused(url, timeout=0.5).kind is AMBIGUOUS
        accepted(url)
        assert len(matrix.messages()) == 1


def test_L9_the_client_library_asks_no_second_time_by_itself():
    """It would: where a connection breaks it repeats a PUT, and a plain 500 to that would say that nothing arrived."""
    with FakeMatrix() as matrix:
        matrix.knows_token("tok")
        matrix.drops_after_effect().refuses(500, "M_UNKNOWN")
        error = refused(matrix.url.replace(f"{matrix.user}:{matrix.password}@", "tok@"))
        assert error.kind is AMBIGUOUS and "Disconnected" in str(error)
        assert [seen.method for seen in matrix.requests].count("PUT") == 1


def test_one_login_serves_many_messages_on_one_lasting_device():
    with FakeMatrix() as matrix:
        send(matrix.url, *(delivery(id=str(n)) for n in range(5)))
        assert matrix.logins == [device_of("desk")]
        accepted(matrix.url, delivery(id="after a restart"))
        assert matrix.logins == [device_of("desk")] * 2
    assert device_of("desk") != device_of("duty")


def test_two_rooms_are_two_recipients():
    with FakeMatrix() as matrix:
        matrix.invited.add("!second:fake.example")
        send(matrix.url_of(matrix.room, "!second:fake.example"))
        assert len(matrix.messages()) == len(matrix.messages("!second:fake.example")) == 1


# ── edits and threads ────────────────────────────────────────────────────────────────────────────

UPDATE = replace(MESSAGE, mark="update", news="Carried by 14 outlets now", headline="[update] North Korea: arms — x")


def test_an_edit_rewrites_the_first_message_and_calls_nobody():
    edit = event(delivery(UPDATE, kind=DeliveryKind.EDIT, replaces="$first"))
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$first"}
    assert edit["m.new_content"] == content(UPDATE)
    assert edit["m.mentions"] == edit["m.new_content"]["m.mentions"] == {}
    assert edit["body"] == f"* {UPDATE.headline}"


def test_an_update_goes_under_the_first_message_and_falls_back_to_a_reply():
    assert event(delivery(UPDATE, thread_root="$first"))["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": "$first",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$first"},
    }


@pytest.mark.parametrize("mark", ["correction", "kill", "withdrawn"])
def test_what_takes_a_story_back_is_a_reply_in_the_room_and_not_folded_into_a_thread(mark: str):
    relation = event(delivery(replace(MESSAGE, mark=mark), thread_root="$first"))["m.relates_to"]
    assert relation == {"m.in_reply_to": {"event_id": "$first"}}


def test_a_first_message_relates_to_nothing():
    assert "m.relates_to" not in event(delivery())


@pytest.mark.parametrize("mark", ["correction", "kill", "withdrawn"])
def test_what_takes_a_story_back_says_so_first_in_red_and_in_plain_text(mark: str):
    told = content(replace(MESSAGE, mark=mark))
    assert told["body"].split("\n\n")[1].startswith(mark.upper())
    assert told["formatted_body"].startswith(f'<p><strong><span data-mx-color="#ffffff" data-mx-bg-color="#b00020">{mark.upper()}')


def test_an_update_says_what_is_new_before_the_story():
    told = content(UPDATE)
    for text in (told["body"], told["formatted_body"]):
        assert text.index(UPDATE.news) < text.index("Harbour Gazette")


def test_an_edit_of_the_largest_message_keeps_the_limit():
    huge = replace(MESSAGE, why=("é" * 9_000,) * 9, headline="🚢" * 200)
    edit = event(delivery(huge, kind=DeliveryKind.EDIT, replaces="$" + "e" * 60))
    assert len(json.dumps(edit, ensure_ascii=False).encode()) <= EVENT_LIMIT


def test_as_many_lines_as_a_sender_promises_fit_into_one_digest_whatever_their_script():
    lines = tuple(f"{n} {'導弾' * 98} https://news.example/{'x' * 80}/{n}" for n in range(MatrixSender.digest_lines))
    told = content(replace(MESSAGE, mark="digest", why=lines, lead=""))
    assert all(line in told["body"] for line in lines)


# ── encrypted rooms ──────────────────────────────────────────────────────────────────────────────


def test_nothing_goes_in_clear_to_an_encrypted_room_not_even_once_it_became_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "nio", None)  # as where the extra is not installed
    with FakeMatrix() as matrix:
        accepted(matrix.url, delivery(id="while in clear"))
        matrix.encrypted.add(matrix.room)
        error = refused(matrix.url)
        assert error.kind is CHANNEL and "matrix-e2ee" in str(error)
        assert len(matrix.messages()) == 1


def test_a_room_that_was_encrypted_gets_nothing_in_clear_when_the_server_denies_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "nio", None)
    with FakeMatrix() as matrix, asyncio.Runner() as loop:
        matrix.encrypted.add(matrix.room)
        sender = open_sender("desk", matrix.url)
        for _ in range(2):
            with pytest.raises(DeliveryError, match="encrypted"):
                loop.run(sender.send(delivery(recipient=matrix.room)))
            matrix.encrypted.clear()
        loop.run(sender.close())
        assert matrix.messages() == []


@pytest.mark.parametrize("body", ["<html>not here</html>", '{"errcode":"M_UNRECOGNIZED","error":"no such path"}', ""])
def test_nothing_goes_in_clear_where_nobody_says_whether_the_room_is_encrypted(body: str):
    class Proxied(FakeMatrix):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            if "/state/" in request.path:
                return web.Response(status=404, text=body)
            return await super()._handle(request)

    with Proxied() as matrix:
        error = refused(matrix.url)
        assert error.kind is RETRY and "nobody says whether the room is encrypted" in str(error)
        assert matrix.messages() == []


# ── the account and the room ─────────────────────────────────────────────────────────────────────


def test_a_login_whose_answer_is_no_matrix_answer_is_tried_again():
    with FakeMatrix() as matrix:
        matrix.fails_with(200, "<html>a portal</html>")
        first, second = send(matrix.url, delivery(), delivery())
        assert getattr(first, "kind", None) is RETRY and isinstance(second, Sent)


def test_L5_a_token_that_the_server_forgot_leads_to_one_new_login_and_the_message_arrives():
    with FakeMatrix() as matrix:
        matrix.fails_with(200, '{"access_token": "forgotten"}')  # the first login gives a token that is soon lost
        assert isinstance(send(matrix.url)[0], Sent)
        assert [seen.path.rsplit("/", 1)[-1] for seen in matrix.requests].count("login") == 2


def test_L5_an_access_token_that_ended_suspends_the_channel():
    with FakeMatrix() as matrix:
        error = refused(f"matrix://ended@127.0.0.1:{matrix.port}/{matrix.room}")
        assert error.kind is CHANNEL and "M_UNKNOWN_TOKEN" in str(error)
        assert matrix.logins == []


def test_an_access_token_in_the_url_needs_no_login():
    with FakeMatrix() as matrix:
        matrix.knows_token("syt_given")
        accepted(f"matrix://syt_given@127.0.0.1:{matrix.port}/{matrix.room}")
        assert matrix.logins == []


def test_L5_a_wrong_password_suspends_the_channel():
    with FakeMatrix() as matrix:
        assert refused(matrix.url.replace(matrix.password, "wrong")).kind is CHANNEL


def test_a_room_that_invited_us_is_joined_once():
    with FakeMatrix() as matrix:
        matrix.joined.clear()
        matrix.invited.add(matrix.room)
        send(matrix.url, delivery(id="one"), delivery(id="two"))
        assert len(matrix.messages()) == 2
        assert sum("/join/" in seen.path for seen in matrix.requests) == 1


def test_L5_a_room_that_does_not_want_us_suspends_the_channel():
    with FakeMatrix() as matrix:
        matrix.joined.clear()
        assert refused(matrix.url).kind is CHANNEL
        assert sum("/join/" in seen.path for seen in matrix.requests) == 1


def test_an_alias_is_looked_up_once():
    with FakeMatrix() as matrix:
        send(matrix.url_of(matrix.alias), delivery(id="one"), delivery(id="two"))
        assert len(matrix.messages()) == 2
        assert sum("/directory/" in seen.path for seen in matrix.requests) == 1


def test_L5_an_alias_that_leads_nowhere_suspends_the_channel():
    with FakeMatrix() as matrix:
        assert refused(matrix.url_of("#gone:fake.example")).kind is CHANNEL


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────

ANSWERS = [
    ("a rate limit", 429, "M_LIMIT_EXCEEDED", RETRY),
    ("an event that is too large", 413, "M_TOO_LARGE", MESSAGE_KIND),
    ("an event that is refused", 400, "M_BAD_JSON", MESSAGE_KIND),
    ("a token that ended", 401, "M_UNKNOWN_TOKEN", CHANNEL),
    ("a room that is closed to us", 403, "M_FORBIDDEN", CHANNEL),
    ("an account that was closed", 403, "M_USER_DEACTIVATED", CHANNEL),
    ("a room that is gone", 404, "M_NOT_FOUND", CHANNEL),
    ("a homeserver that moved away", 410, "", CHANNEL),
    ("a request that took too long", 408, "", RETRY),
    ("a server that does not speak Matrix", 404, "", CHANNEL),
    ("a fault of the server's", 500, "M_UNKNOWN", RETRY),
    ("a fault of a proxy's", 502, "", RETRY),
    ("a 200 without an event", 200, "", AMBIGUOUS),
]


@pytest.mark.parametrize(("status", "errcode", "kind"), [case[1:] for case in ANSWERS], ids=[c[0] for c in ANSWERS])
def test_L4_L5_an_answer_has_its_outcome(status: int, errcode: str, kind: DeliveryErrorKind):
    assert refusal(Answer(status=status, said={"errcode": errcode} if errcode else {})).kind is kind


@pytest.mark.parametrize("step", ["/directory/room/", "/login", "/state/", "/join/"])
def test_no_step_before_the_event_is_the_messages_fault(step: str):
    with FakeMatrix() as matrix:
        matrix.joined.clear()
        matrix.refused_step = step
        error = refused(matrix.url_of(matrix.alias))
    assert error.kind is CHANNEL and "M_UNKNOWN" in str(error)


def test_a_refused_login_is_never_the_messages_fault():
    assert refusal(Answer(status=400, said={"errcode": "M_UNKNOWN"}), about_message=False).kind is CHANNEL


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [(1_500, 1.5), (3_600_000, 3_600), (-5, None), ("soon", None), (None, None), (10**400, 86_400)],
)
def test_L10_a_rate_limit_says_how_long_to_wait_and_nobody_sleeps(milliseconds: object, seconds: float | None):
    with FakeMatrix() as matrix:
        matrix.limits(milliseconds)
        error = refused(matrix.url)
        assert error.kind is RETRY
        assert (error.retry_after.total_seconds() if error.retry_after else None) == seconds
        assert len(matrix.requests) == 1


def test_a_server_that_is_away_is_tried_again():
    with FakeMatrix() as matrix:
        url = matrix.url
    assert refused(url).kind is RETRY


def test_S13_a_redirect_is_not_followed():
    with FakeHttp() as elsewhere, FakeMatrix() as matrix:
        matrix.fails_with(307, Location=f"http://127.0.0.1:{elsewhere.port}/")
        assert refused(matrix.url).kind is CHANNEL
        assert elsewhere.requests == []


# ── secrets and URLs ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["refusal that echoes", "token echoed", "reset", "silence", "nonsense"])
def test_G14_no_fault_tells_anybody_password_or_token(fault: str):
    with Listener() as log, FakeMatrix() as matrix:
        match fault:
            case "refusal that echoes":
                matrix.fails_with(403, json.dumps({"errcode": "M_FORBIDDEN", "error": f"no {matrix.password}"}))
            case "token echoed":
                matrix.fails_with(200, '{"access_token": "syt_secret_1"}')
                matrix.fails_with(403, '{"errcode": "M_DENIED", "error": "no syt_secret_1"}')
            case "reset":
                matrix.drops_before_effect(times=2)
            case "silence":
                matrix.never_answers()
            case "nonsense":
                matrix.fails_with(200, f"<html>{matrix.password}")
        error = refused(matrix.url, timeout=0.5)
        said = everything_said(error) + repr(open_sender("desk", matrix.url)) + "\n".join(log.heard)
    assert matrix.password not in said and "syt_secret" not in said


@pytest.mark.parametrize(
    "url",
    [
        "matrix://",
        "matrixs://u:c4nary@h.example",
        "matrixs://u:c4nary@h.example/@somebody:h.example",
        "matrixs://u:c4nary@h.example/general",
        "matrixs://u:c4nary@h.example/%23general",
    ],
)
def test_a_url_without_account_host_or_room_is_refused_without_its_secret(url: str):
    with pytest.raises(ValueError, match="channel desk: ") as caught:
        open_sender("desk", url)
    assert "c4nary" not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("url", "rooms"),
    [
        ("matrixs://u:p@h.example/!room:h.example", ("!room:h.example",)),
        (
            "matrixs://u:p@h.example/!31hneApxJ_1o-63",
            ("!31hneApxJ_1o-63",),
        ),
        ("matrixs://u:p@h.example/!a:h.example/%23b:h.example", ("!a:h.example", "#b:h.example")),
        ("matrixs://u:p@h.example?to=!a:h.example,%23b:h.example", ("!a:h.example", "#b:h.example")),
    ],
)
def test_a_url_says_which_rooms_get_the_message(url: str, rooms: tuple[str, ...]):
    assert open_sender("desk", url).recipients == rooms
