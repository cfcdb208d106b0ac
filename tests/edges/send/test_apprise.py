"""Channels through Apprise: delivered for real to a sink, judged by what went over the wire."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import requests

from monitor.edges.send import open_sender
from monitor.edges.send.apprise import AppriseSender, Exchange, inert, judge
from monitor.edges.send.outcome import quoted
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Sent
from tests.edges.send.samples import (
    HOSTILE,
    MESSAGE,
    Listener,
    accepted,
    delivery,
    everything_said,
    is_over,
    refused,
    send,
)
from tests.edges.send.servers import Drips
from tests.fakes import FakeHttp

RETRY, MESSAGE_KIND, CHANNEL, AMBIGUOUS = (
    DeliveryErrorKind.RETRY,
    DeliveryErrorKind.MESSAGE,
    DeliveryErrorKind.CHANNEL,
    DeliveryErrorKind.AMBIGUOUS,
)


def test_a_message_arrives_with_headline_and_lines():
    with FakeHttp() as sink:
        assert accepted(sink.url).answer == "HTTP 200"
        (request,) = sink.requests
    assert request.json["title"] == MESSAGE.headline
    for part in (MESSAGE.url, MESSAGE.outlet, MESSAGE.lead, *MESSAGE.why, MESSAGE.spread):
        assert part in request.json["message"]


@pytest.mark.parametrize("mark", ["correction", "kill", "withdrawn"])
def test_what_takes_a_story_back_says_so_in_the_first_line_under_the_headline(mark: str):
    with FakeHttp() as sink:
        accepted(sink.url, delivery(replace(MESSAGE, mark=mark)))
        assert sink.requests[0].json["message"].startswith(mark.upper())


def test_a_retry_is_byte_identical():
    with FakeHttp() as sink:
        send(sink.url, delivery(attempts=1), delivery(attempts=2))
        first, second = sink.requests
    assert first.body == second.body


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, MESSAGE_KIND),
        (401, CHANNEL),
        (403, CHANNEL),
        (404, CHANNEL),
        (408, RETRY),
        (410, CHANNEL),
        (413, MESSAGE_KIND),
        (418, RETRY),
        (429, RETRY),
        (500, RETRY),
        (503, RETRY),
    ],
)
def test_L3_L4_L5_a_status_has_its_outcome_after_one_request(status: int, kind: DeliveryErrorKind):
    with FakeHttp() as sink:
        sink.fails_with(status, "because")
        error = refused(sink.url)
        assert error.kind is kind
        assert str(error) == f"HTTP {status}: because"
        assert len(sink.requests) == 1


def test_L1_a_rate_limit_says_how_long_to_wait():
    with FakeHttp() as sink:
        sink.fails_with(429, retry_after=30)
        error = refused(sink.url)
        assert error.retry_after is not None and error.retry_after.total_seconds() == 30


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("wish", ["", "?redirect=yes"])
def test_S13_a_redirect_is_neither_followed_nor_a_success(status: int, wish: str):
    with FakeHttp() as elsewhere, FakeHttp() as sink:
        sink.fails_with(status, Location=f"http://127.0.0.1:{elsewhere.port}/")
        assert refused(sink.url + wish).kind is CHANNEL
        assert elsewhere.requests == []


def test_a_redirect_that_apprise_takes_for_a_success_is_none():
    answer = requests.Response()
    answer.status_code = 302
    outcome = judge(True, Exchange(answers=[answer]))
    assert isinstance(outcome, DeliveryError) and outcome.kind is CHANNEL


@pytest.mark.parametrize("wish", ["?retry=3&wait=0", "?optional=yes"])
def test_a_url_cannot_ask_for_retries_or_make_a_failure_a_success(wish: str):
    with FakeHttp() as sink:
        sink.fails_with(500, times=5)
        assert refused(sink.url + wish).kind is RETRY
        assert len(sink.requests) == 1


def test_L9_a_connection_lost_after_the_message_left_is_ambiguous():
    with FakeHttp() as sink:
        sink.drops_after_effect()
        assert refused(sink.url).kind is AMBIGUOUS


def test_L8_silence_is_ambiguous_and_ends_in_time():
    with FakeHttp() as sink:
        sink.never_answers()
        assert refused(sink.url, timeout=0.3).kind is AMBIGUOUS


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["a body", "a header", "interim answers"],
)
def test_L8_an_answer_without_end_is_left_in_time(first: bytes, more: bytes):
    with Drips(first, more) as server:
        assert refused(f"json://127.0.0.1:{server.port}/", timeout=0.5).kind is AMBIGUOUS
        assert server.connections == 1 and is_over("apprise-desk")


def test_L8_a_handshake_without_end_is_left_in_time():
    with Drips(b"\x16\x03\x03\x40\x00", b"\x02") as server:
        assert refused(f"jsons://127.0.0.1:{server.port}/", timeout=0.5).kind is AMBIGUOUS
        assert is_over("apprise-desk")


def test_L8_a_plugin_that_never_ends_holds_up_neither_the_next_sends_nor_the_end(monkeypatch: pytest.MonkeyPatch):
    stuck = threading.Event()
    monkeypatch.setattr(AppriseSender, "_service", lambda *_: stuck.wait())
    outcomes = send("json://127.0.0.1:1/", *[delivery()] * 9, timeout=0.05)
    assert [outcome.kind for outcome in outcomes] == [AMBIGUOUS] * 8 + [RETRY]
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "apprise-desk")
    stuck.set()
    assert is_over("apprise-desk")


@pytest.mark.parametrize("scheme", ["json", "xml", "form"])
@pytest.mark.parametrize("status", [201, 202, 204])
def test_a_webhook_may_say_yes_in_any_2xx(scheme: str, status: int):
    with FakeHttp() as sink:
        sink.fails_with(status, "")
        assert accepted(sink.url.replace("json", scheme)).answer == f"HTTP {status}"


def test_a_2xx_that_a_service_is_not_known_to_say_is_ambiguous():
    with FakeHttp() as chat:
        chat.fails_with(202, "")
        error = refused(f"mmost://127.0.0.1:{chat.port}/3ccdd113474722377935511fc85d3dd4")
    assert error.kind is AMBIGUOUS and str(error).startswith("HTTP 202")


def test_a_server_that_is_away_is_tried_again():
    with FakeHttp() as sink:
        url = sink.url
    assert refused(url).kind is RETRY


def test_an_outcome_belongs_to_its_own_send():
    with FakeHttp() as sink:
        sink.fails_with(403)
        first, second = send(sink.url, delivery(), delivery())
        assert getattr(first, "kind", None) is CHANNEL and isinstance(second, Sent)


def test_requests_of_others_are_left_alone():
    with FakeHttp() as elsewhere, FakeHttp() as sink:
        accepted(sink.url)  # from here on our ear is in place
        sink.fails_with(302, Location=f"http://127.0.0.1:{elsewhere.port}/")
        assert requests.get(f"http://127.0.0.1:{sink.port}/", timeout=5).status_code == 200
        assert len(elsewhere.requests) == 1


def test_S11_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch):
    with FakeHttp() as proxy, FakeHttp() as sink:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        accepted(sink.url)
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("discord://123456789012345678/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", 12),
        ("ntfy://127.0.0.1/desk", 48),
        ("clickatell://abcdefghij/15551234567", 3),
        ("json://127.0.0.1/", 200),
    ],
)
def test_a_digest_is_as_long_as_the_service_takes(url: str, lines: int):
    assert open_sender("desk", url).digest_lines == lines


# ── injection ────────────────────────────────────────────────────────────────────────────────────


def test_I15_I16_text_arrives_as_letters():
    with FakeHttp() as sink:
        accepted(sink.url + "?emojis=yes", delivery(replace(MESSAGE, lead=HOSTILE)))
        assert HOSTILE in sink.requests[0].json["message"]


def test_I16_a_very_long_headline_is_cut_and_not_refused():
    with FakeHttp() as sink:
        accepted(sink.url, delivery(replace(MESSAGE, headline="x" * 5_000)))
        assert len(sink.requests[0].json["title"]) <= 200


@pytest.mark.parametrize(
    "live",
    ["@everyone", "@here", "<@U1>", "<!channel>", "[bank](https://evil.example)", "<b>x</b>", "![x](http://t/x.png)"],
)
def test_I1_I10_what_chat_services_would_act_on_is_broken_by_an_invisible_space(live: str):
    assert live not in inert(f"a {live} b")
    assert inert(f"a {live} b").replace("\u200b", "") == f"a {live} b"


@pytest.mark.parametrize("quiet", ["desk@example.org", "1 < 2", "[sic] (so)", "https://x.example/a?b=c"])
def test_I1_ordinary_text_is_left_as_it_is(quiet: str):
    assert inert(quiet) == quiet


def test_I10_a_chat_service_gets_no_live_mention():
    with FakeHttp() as chat:
        url = f"mmost://127.0.0.1:{chat.port}/3ccdd113474722377935511fc85d3dd4"
        accepted(url, delivery(replace(MESSAGE, title="@channel [bank](https://evil.example)", headline="@all")))
        text = chat.requests[0].json["text"]
    assert "@channel" not in text and "@all" not in text and "](" not in text


# ── services as they are ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch):
    """Discord's plug-in, its address turned to loopback."""
    from apprise.plugins.discord import NotifyDiscord

    with FakeHttp() as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{server.port}/api/webhooks")
        yield server, f"discord://{'1' * 18}/{'t' * 68}"


def test_I10_discord_gets_a_message_within_its_limit_that_calls_nobody(discord):
    server, url = discord
    calls = "@everyone @here <@123> [bank](https://evil.example) "
    accepted(url, delivery(replace(MESSAGE, title=calls, headline=calls, lead=calls * 60)))
    (request,) = server.requests
    text = str(request.json)
    assert not any(live in text for live in ("@everyone", "@here", "<@123>", "]("))
    assert len(request.json.get("content") or "") <= 2_000 and "Freighter" not in text
    assert request.path.startswith("/api/webhooks/1111")


def test_L1_discord_says_how_long_to_wait_and_apprise_does_not_wait_itself(discord):
    server, url = discord
    now = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(2**31)}  # by which its plug-in would sleep for years
    server.fails_with(429, '{"retry_after": 7.5}', retry_after=8, **now)
    error = refused(url)
    assert error.kind is RETRY and error.retry_after is not None
    assert len(server.requests) == 1


def test_ntfy_gets_the_headline_as_title_on_its_topic():
    with FakeHttp() as server:
        accepted(f"ntfy://127.0.0.1:{server.port}/duty?mode=private")
        (request,) = server.requests
    assert MESSAGE.headline in (request.json["title"], request.headers.get("X-Title"))
    assert MESSAGE.lead in request.json["message"] and request.json["topic"] == "duty"


def test_a_digest_of_as_many_lines_as_promised_is_not_cut(discord):
    server, url = discord
    sender = open_sender("desk", url)
    lines = tuple(f"{n} {'word ' * 20}https://x.example/{n}" for n in range(sender.digest_lines))
    accepted(
        url, delivery(replace(MESSAGE, mark="digest", title="", url="", lead="", spread="", why=lines, story_link=""))
    )
    assert all(f"https://x.example/{n}" in str(server.requests[0].json) for n in range(sender.digest_lines))


# ── secrets and URLs ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "form", ["c4n/ry p%ss", "c4n%2Fry%20p%25ss", "YzRuL3J5IHAlc3M="], ids=["raw", "encoded", "base64"]
)
def test_G14_a_secret_is_cut_out_of_quoted_answers_in_each_of_its_forms(form: str):
    assert quoted(f"no {form}\n\x1b[31m here", ("c4n/ry p%ss",)) == "no *** [31m here"


@pytest.mark.parametrize("fault", ["refusal that echoes", "reset", "silence", "redirect", "away"])
def test_G14_no_fault_tells_anybody_the_secret(fault: str):
    with Listener() as log, FakeHttp() as sink:
        url = f"json://desk:c4nary-p4ss@127.0.0.1:{sink.port}/c4nary-path?+X-Key=c4nary-key"
        match fault:
            case "refusal that echoes":
                sink.fails_with(403, "no c4nary-p4ss, no c4nary-path, no c4nary-key")
            case "reset":
                sink.drops_before_effect()
            case "silence":
                sink.never_answers()
            case "redirect":
                sink.fails_with(302, Location="/c4nary-path")
            case "away":
                url = url.replace(str(sink.port), "1")
        error = refused(url, timeout=0.5)
        said = everything_said(error) + repr(open_sender("hook", url)) + "\n".join(log.heard)
    assert "c4nary" not in said


@pytest.mark.parametrize("url", ["nonsense-c4nary", "foo://c4nary@bar", "json://", "tgram://c4nary", "http://[c4nary"])
def test_a_url_that_nobody_knows_is_refused_without_its_secret(url: str):
    with pytest.raises(ValueError, match="channel desk: ") as caught:
        open_sender("desk", url)
    assert "c4nary" not in everything_said(caught.value)
