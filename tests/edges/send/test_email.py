"""The e-mail sender: what a mail looks like, what SMTP answers mean, and what must never leave."""

from __future__ import annotations

import email
import email.policy
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.edges.send import open_sender
from monitor.edges.send.layout import headline, shown_host
from monitor.edges.send.mail import compose, html
from monitor.edges.send.smtp import Conversation, Server, Stage, kind_of_answer
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Level, Sent
from tests.edges.send.samples import (
    MESSAGE,
    Listener,
    accepted,
    delivery,
    everything_said,
    hostile_message,
    is_over,
    refused,
    send,
)
from tests.edges.send.servers import Drips
from tests.fakes import FakeSmtp

RETRY, MESSAGE_KIND, CHANNEL, AMBIGUOUS = (
    DeliveryErrorKind.RETRY,
    DeliveryErrorKind.MESSAGE,
    DeliveryErrorKind.CHANNEL,
    DeliveryErrorKind.AMBIGUOUS,
)
CANARY = "c4nary-p4ss/w%rd"


def parsed(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=email.policy.default)  # type: ignore[return-value]


def mail_of(*args, **fields) -> EmailMessage:
    with FakeSmtp() as server:
        accepted(server.url_of("desk@example.org"), delivery(*args, **fields))
        return parsed(server.mails[0].data)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    return mail.get_body((kind,)).get_content()


# ── the mail ─────────────────────────────────────────────────────────────────────────────────────


def test_the_mail_says_in_its_headers_what_it_is():
    mail = mail_of()
    assert mail["Subject"] == MESSAGE.headline
    assert mail["To"] == "desk@example.org"
    assert mail["From"] == "wirewatch <wirewatch@localhost>"
    assert mail["Message-ID"] == "<d0123456789abcdef012@localhost>"
    assert mail["Date"] == "Tue, 25 Nov 2025 03:12:09 +0000"
    assert mail["List-Id"] == "<dprk-arms.wirewatch.localhost>"
    assert mail["X-Wirewatch-Watchlist"] == "dprk-arms"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"


def test_a_normal_mail_does_not_claim_importance():
    assert mail_of(replace(MESSAGE, level=Level.NORMAL))["Importance"] is None


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize("field", ["title", "outlet", "credit", "published", "lead", "spread"])
def test_both_parts_tell_the_whole_message(kind: str, field: str):
    text = text_of(mail_of(), kind).replace("&amp;", "&")
    assert getattr(MESSAGE, field) in text
    assert MESSAGE.why[0] in text and MESSAGE.url in text and MESSAGE.story_link in text


def test_the_html_part_loads_nothing_from_anywhere():
    assert not any(word in html(MESSAGE) for word in ("<img", "src=", "<link", "@import", "url("))


def test_the_first_mail_on_a_story_and_a_later_one_are_one_thread():
    first = mail_of(replace(MESSAGE, thread="a1"), alert="a1", id="first")
    later = mail_of(replace(MESSAGE, thread="a1"), alert="a2", id="later")
    assert first["References"] == later["References"]
    assert first["In-Reply-To"] is None
    assert later["In-Reply-To"] == later["References"]


def test_an_update_answers_the_storys_first_mail_whose_id_the_send_gave_back():
    with FakeSmtp() as server:
        url = server.url_of("desk@example.org")
        sent = accepted(url, delivery(id="first", alert="a1"))
        accepted(url, delivery(replace(MESSAGE, mark="update"), id="later", thread_root=sent.remote_id))
        first, later = (parsed(mail.data) for mail in server.mails)
    assert sent.remote_id == first["Message-ID"] == later["In-Reply-To"]
    assert later["References"].split() == [first["References"], first["Message-ID"]]


def test_an_id_that_would_break_out_of_its_header_is_left_out():
    mail = mail_of(thread_root="<x@y>\r\nBcc: <evil@example.org>")
    assert mail["Bcc"] is None and "evil" not in str(mail)


@pytest.mark.parametrize("mark", ["correction", "kill", "withdrawn"])
def test_what_takes_a_story_back_says_so_before_all_else_in_both_parts(mark: str):
    mail = mail_of(replace(MESSAGE, mark=mark, level=Level.NORMAL))
    assert text_of(mail).startswith(mark.upper())
    assert text_of(mail, "html").index(mark.upper()) < text_of(mail, "html").index("Freighter")
    assert mail["Importance"] == "high"


def test_an_update_says_what_is_new_before_the_story():
    mail = mail_of(replace(MESSAGE, mark="update", news="Carried by 14 outlets now"))
    for kind in ("plain", "html"):
        text = text_of(mail, kind)
        assert text.index("UPDATE") < text.index("Carried by 14 outlets now") < text.index("Harbour Gazette")


def test_a_message_without_thread_url_title_or_watchlist_is_still_a_mail():
    bare = replace(MESSAGE, thread="", url="", title="", watchlist="", watchlist_title="", why=(), story_link="")
    mail = mail_of(bare)
    assert MESSAGE.headline in text_of(mail)
    assert mail["X-Wirewatch-Watchlist"] is None


def test_the_plainest_form_has_no_html_part():
    mail = mail_of(plain=True)
    assert mail.get_content_type() == "text/plain"
    assert MESSAGE.title in mail.get_content()


def test_a_digest_lists_its_stories_as_links():
    lines = tuple(f"Story {n} (Outlet) https://news.example/{n}?a=1&b=2" for n in range(200))
    mail = mail_of(replace(MESSAGE, why=lines))
    assert '<a href="https://news.example/199?a=1&amp;b=2">Story 199 (Outlet)</a>' in text_of(mail, "html")
    assert "Story 199 (Outlet) https://news.example/199?a=1&b=2" in text_of(mail)


# ── injection ────────────────────────────────────────────────────────────────────────────────────

SUBJECTS = {
    "CRLF and a Bcc": "News\r\nBcc: victim@example.org\r\n\r\nbody",
    "NUL, ESC and overrides": "a\x00b\x1b[31mc\u202ed\u2066e",
    "5,000 characters": "x" * 5_000,
    "5,000 characters in words": "word " * 1_000,
    "300 accented letters": "é" * 300,
    "Chinese without spaces": "导弹" * 150,
    "an encoded word": "=?utf-8?q?=0D=0ABcc:_victim=40example.org?=",
    "quotes, commas and angles": 'A "quoted", <odd>; (comment) @ subject: \\ back',
    "a lone surrogate": "a\ud800b",
    "nothing but spaces": "   ",
    "combining marks": "z" + "\u0301" * 200,
    "emoji": "🚢" * 80 + "e" * 120,
    "syntax of templates": "{{7*7}} %s ${x} {0.__class__}",
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_I7_I8_whatever_the_headline_it_is_one_short_subject_and_nothing_else(subject: str):
    with FakeSmtp() as server:
        accepted(server.url_of("desk@example.org"), delivery(replace(MESSAGE, headline=subject, title=subject)))
        (received,) = server.mails
    mail = parsed(received.data)
    assert received.recipient == "desk@example.org"
    assert mail["Bcc"] is None and len(mail.get_all("Subject")) == 1
    assert len(mail["Subject"]) <= 200
    assert not any(ord(c) < 32 or c in "\u202e\u2066\x7f" for c in mail["Subject"])
    assert all(len(line) <= 998 for line in received.data.split(b"\r\n"))
    assert received.data.isascii()


@pytest.mark.parametrize("name", ["wirewatch", "Rédaction " * 8, 'Desk, the "night" one', "新聞" * 20])
@pytest.mark.parametrize("subject", ["é" * 300, "word " * 60, "导弹" * 150, MESSAGE.headline])
def test_I8_headers_are_folded_into_lines_of_78_and_the_sender_is_read_as_configured(subject: str, name: str):
    message = replace(MESSAGE, headline=subject)
    data = compose(delivery(message, recipient="a@x.example"), sender=Address(name.strip(), addr_spec="w@x.example"))
    head = data.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    # read by the older parser: the newer one (as of Python 3.13) puts spaces between the encoded words of a name
    shown = str(make_header(decode_header(str(email.message_from_bytes(data)["From"]))))
    assert parseaddr(shown) == (name.strip(), "w@x.example")


@pytest.mark.parametrize(
    "subject",
    [MESSAGE.headline, "é" * 150, "导弹 " * 60, "a" * 200, "“Quoted” – dash — and ümlaut: end", "🚢" * 60],
)
def test_a_subject_arrives_as_it_was_written(subject: str):
    assert mail_of(replace(MESSAGE, headline=subject))["Subject"] == subject.strip()


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=150))
def test_I7_I8_any_headline_at_all_is_read_as_it_was_shown(text: str):
    data = compose(
        delivery(replace(MESSAGE, headline=text, title=text, outlet=text), recipient="a@x.example"),
        sender=Address("w", addr_spec="w@x.example"),
    )
    assert parsed(data)["Subject"].split() == headline(replace(MESSAGE, headline=text, title=text)).split()
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_I5_I15_hostile_text_is_literal_in_the_html_part():
    shown = html(hostile_message())
    assert "<script" not in shown and "<img" not in shown and "javascript:" not in shown
    assert "{{7*7}} %s ${x} {0.__class__}" in shown
    assert shown.count("</body>") == 1


def test_I5_a_title_is_escaped_inside_its_link():
    assert ">&lt;i&gt;News&lt;/i&gt; &amp; more</a>" in html(replace(MESSAGE, title="<i>News</i> & more"))


def test_outside_words_run_in_the_direction_of_their_script():
    assert html(replace(MESSAGE, title="בנמל", lead="کشتی", news="")).count('<p dir="auto" ') == 2


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://", "//evil.example", "https://[", "x"],
)
def test_I5_only_web_addresses_become_links(url: str):
    assert "<a " not in html(replace(MESSAGE, url=url, story_link=url))


def test_I3_an_address_cannot_close_its_own_markup():
    shown = html(replace(MESSAGE, url='https://evil.example/"><script>alert(1)</script>|x y'))
    assert "https://evil.example/%22%3E%3Cscript%3Ealert(1)%3C/script%3E%7Cx%20y" in shown


@pytest.mark.parametrize("title", ["https://bank.example", "www.bank.example/login", "bank.example", "bank.example/x"])
def test_I10_a_title_that_looks_like_an_address_is_no_link(title: str):
    shown = html(replace(MESSAGE, title=title, url="https://evil.example/x"))
    assert f">{title}</a>" not in shown
    assert '<a href="https://evil.example/x">Read at evil.example</a>' in shown


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.example.org/x", "example.org"),
        ("https://аррle.example/x", "xn--le-6kc8da.example"),  # the first letters are Cyrillic
        ("https://bank.example@evil.example/", "evil.example"),
        ("javascript:alert(1)", ""),
    ],
)
def test_a_link_shows_the_host_it_leads_to_in_punycode_where_scripts_mix(url: str, host: str):
    assert shown_host(url) == host


def test_lines_of_dots_survive_the_wire():
    text = text_of(mail_of(replace(MESSAGE, lead=".", spread="..", why=(".",))))
    assert "\n.\n" in text.replace("\r\n", "\n")


# ── retries ──────────────────────────────────────────────────────────────────────────────────────


def test_L13_a_mail_sent_twice_is_the_same_bytes():
    with FakeSmtp() as server:
        server.drops_after_dot()
        for attempts in (1, 2):
            send(server.url_of("desk@example.org"), delivery(attempts=attempts))
        first, second = server.mails
    assert first.data == second.data


def test_mails_to_two_people_are_two_transactions_of_two_mails():
    with FakeSmtp() as server:
        send(server.url_of("a@example.org", "b@example.org"))
        assert [(mail.recipient, parsed(mail.data)["To"]) for mail in server.mails] == [
            ("a@example.org", "a@example.org"),
            ("b@example.org", "b@example.org"),
        ]


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────

ANSWERS = [
    ("a greeting that asks for patience", Stage.CONNECT, 421, "", RETRY),
    ("a greeting that refuses us", Stage.CONNECT, 554, "", CHANNEL),
    ("a wrong password", Stage.AUTH, 535, "", CHANNEL),
    ("a login that is broken for now", Stage.AUTH, 454, "", RETRY),
    ("a sender that must log in", Stage.SENDER, 530, "", CHANNEL),
    ("a sender that is not allowed", Stage.SENDER, 550, "", CHANNEL),
    ("a mail announced as too large", Stage.SENDER, 552, "", MESSAGE_KIND),
    ("greylisting", Stage.RECIPIENT, 451, "", RETRY),
    ("a mailbox that is busy", Stage.RECIPIENT, 450, "", RETRY),
    ("an unknown recipient", Stage.RECIPIENT, 550, "5.1.1 unknown", MESSAGE_KIND),
    ("a server that does not relay", Stage.RECIPIENT, 554, "5.7.1 Relay access denied", CHANNEL),
    ("a disk that is full", Stage.DOT, 452, "", RETRY),
    ("a mail that is too large", Stage.DOT, 552, "", MESSAGE_KIND),
    ("content that is refused", Stage.DOT, 554, "", MESSAGE_KIND),
    ("a call for more data", Stage.DOT, 354, "", AMBIGUOUS),
    ("an answer that is none", Stage.DOT, -1, "", AMBIGUOUS),
    ("an answer that is none before the dot", Stage.RECIPIENT, -1, "", RETRY),
]


@pytest.mark.parametrize(("stage", "code", "words", "kind"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_L4_L5_an_smtp_answer_has_its_outcome(stage: Stage, code: int, words: str, kind: DeliveryErrorKind):
    assert kind_of_answer(stage, code, words) is kind


@pytest.mark.parametrize(
    ("stage", "answer", "kind"),
    [
        ("mail", "550 5.7.1 not you", CHANNEL),
        ("rcpt", "450 4.2.0 greylisted", RETRY),
        ("rcpt", "550 5.1.1 no such user", MESSAGE_KIND),
        ("data", "451 4.3.0 try later", RETRY),
        ("data", "552 5.3.4 too big", MESSAGE_KIND),
        ("data", "554 5.7.1 spam", MESSAGE_KIND),
    ],
)
def test_L4_a_refusal_on_the_wire_has_its_outcome_and_its_words(stage: str, answer: str, kind: DeliveryErrorKind):
    with FakeSmtp() as server:
        server.refuses(stage, answer)
        error = refused(server.url_of("desk@example.org"))
    assert error.kind is kind
    assert answer in str(error)
    assert not server.mails


@pytest.mark.parametrize(
    "answer",
    ["200 ok", "251 forwarded", "299", "250 " + "x" * 9_000, "250-" + "x" * 20_000 + "\r\n250-\r\n250 b"],
    ids=lambda answer: answer[:8],
)
def test_any_yes_after_the_final_dot_is_one_however_long(answer: str):
    with FakeSmtp() as server:
        server.refuses("data", answer)
        accepted(server.url_of("desk@example.org"))


@pytest.mark.parametrize("answer", ["hello there", "354 go on", "", "2500 ok", "25", "650 ok", "25x ok"])
def test_what_is_neither_yes_nor_no_after_the_final_dot_is_ambiguous_and_told(answer: str):
    with FakeSmtp() as server:
        server.refuses("data", f"{answer}\r\n250 of another reply")  # which the fake takes for a yes
        error = refused(server.url_of("desk@example.org"))
    assert error.kind is AMBIGUOUS
    assert (answer or "an empty line") in str(error) and "-1" not in str(error)


@pytest.mark.parametrize("answer", [b"250", b"250-one\r\n", b"25", b"250 qu", b"554"])
def test_a_reply_that_breaks_off_after_the_final_dot_is_ambiguous(answer: bytes):
    class BreaksOff(FakeSmtp):
        async def handle_DATA(self, server, *_) -> str:
            server.transport.write(answer)
            server.transport.close()
            return "250"

    with BreaksOff() as server:
        assert refused(server.url_of("desk@example.org")).kind is AMBIGUOUS


@pytest.mark.parametrize(("answer", "kind"), [("450 4.2.1 busy", RETRY), ("550 5.1.1 unknown", MESSAGE_KIND)])
def test_L12_one_bad_recipient_does_not_touch_the_other(answer: str, kind: DeliveryErrorKind):
    with FakeSmtp() as server:
        server.refuses("rcpt", answer, recipient="a@example.org")
        bad, good = send(server.url_of("a@example.org", "b@example.org"))
        assert getattr(bad, "kind", None) is kind and isinstance(good, Sent)
        assert [mail.recipient for mail in server.mails] == ["b@example.org"]


def test_L14_greylisting_is_only_a_later_and_the_mail_then_arrives_unchanged():
    with FakeSmtp() as server:
        server.refuses("rcpt", "451 4.7.1 greylisted, come back in 15 minutes", times=2)
        outcomes = send(server.url_of("desk@example.org"), *(delivery(attempts=n) for n in (1, 2, 3)))
        assert [getattr(outcome, "kind", None) for outcome in outcomes] == [RETRY, RETRY, None]
        (mail,) = server.mails
    assert mail.data == compose(
        delivery(recipient="desk@example.org"), sender=Address("wirewatch", "wirewatch", "localhost")
    )


def test_L13_a_connection_lost_after_the_final_dot_is_ambiguous():
    with FakeSmtp() as server:
        server.drops_after_dot()
        assert refused(server.url_of("desk@example.org")).kind is AMBIGUOUS


def test_L8_silence_after_the_final_dot_is_ambiguous_and_ends_in_time():
    with FakeSmtp() as server:
        server.is_silent_after_dot()
        assert refused(server.url_of("desk@example.org"), timeout=0.3).kind is AMBIGUOUS


def test_L8_hanging_up_ends_a_conversation_that_waits():
    with FakeSmtp() as server, ThreadPoolExecutor(1) as thread:
        server.is_silent_after_dot()
        talk = Conversation(Server(host="127.0.0.1", port=server.port, secure="insecure"), 60)
        ended = thread.submit(talk.hold, b"Subject: x\r\n\r\nx\r\n", "w@x.example", "a@x.example")
        assert server.fell_silent.wait(10)
        talk.hang_up()
        outcome = ended.result(timeout=10)
    assert isinstance(outcome, DeliveryError) and outcome.kind is AMBIGUOUS


DRIPS = {
    "a greeting without end": ("mailto", b"", b"220-tarpit\r\n"),
    "a line without end": ("mailto", b"220 x\r\n250", b"-"),
    "a handshake without end": ("mailtos", b"\x16\x03\x03\x40\x00", b"\x02"),
}


@pytest.mark.parametrize(("scheme", "first", "more"), DRIPS.values(), ids=DRIPS.keys())
def test_L8_a_server_that_speaks_without_end_is_left_in_time(scheme: str, first: bytes, more: bytes):
    with Drips(first, more) as server:
        mode = "&mode=ssl" * (scheme == "mailtos")
        error = refused(f"{scheme}://localhost:{server.port}?to=desk@example.org{mode}", timeout=0.5)
        assert error.kind is RETRY and "timed out" in str(error)
        assert server.connections == 1 and is_over("mail-desk")


def test_L8_what_was_hung_up_before_it_began_sends_nothing():
    with FakeSmtp() as server:
        talk = Conversation(Server(host="127.0.0.1", port=server.port, secure="insecure"), 10)
        talk.hang_up()
        outcome = talk.hold(b"Subject: x\r\n\r\nx\r\n", "w@x.example", "a@x.example")
        assert isinstance(outcome, DeliveryError) and outcome.kind is RETRY and not server.mails


def test_a_line_that_begins_with_a_dot_ends_no_mail():
    with FakeSmtp() as server:
        mail = b"Subject: x\r\n\r\n.\r\n..b\r\n.c\r\n"
        talk = Conversation(Server(host="127.0.0.1", port=server.port, secure="insecure"), 10)
        assert isinstance(talk.hold(mail, "w@x.example", "a@x.example"), Sent)
        assert [mail.data for mail in server.mails] == [mail]


def test_L3_a_server_that_is_away_is_tried_again():
    with FakeSmtp() as server:
        url = server.url_of("desk@example.org")
    assert refused(url).kind is RETRY


# ── TLS and secrets ──────────────────────────────────────────────────────────────────────────────


def tls_server(certificate: Path) -> FakeSmtp:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return FakeSmtp(tls=context, user="desk", password=CANARY)


LOGIN = "desk:c4nary-p4ss%2Fw%25rd@"


def test_a_verified_connection_logs_in_and_delivers(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(certificate) as server:
        accepted(server.url_of("desk@example.org", scheme="mailtos", login=LOGIN))
        assert server.logins == [("desk", CANARY)] and len(server.mails) == 1


def test_L15_a_bad_certificate_gets_no_password_and_suspends_the_channel(certificate: Path):
    with tls_server(certificate) as server:
        error = refused(server.url_of("desk@example.org", scheme="mailtos", login=LOGIN))
        assert error.kind is CHANNEL
        assert not server.logins and not server.mails


def test_L15_a_server_without_starttls_gets_no_password_and_suspends_the_channel():
    with FakeSmtp(user="desk", password=CANARY) as server:
        error = refused(server.url_of("desk@example.org", scheme="mailtos", login=LOGIN))
        assert error.kind is CHANNEL
        assert not server.logins and not server.mails


@pytest.mark.parametrize("scheme", ["mailto", "mailtos"])
def test_G14_a_failed_login_tells_nobody_the_password(scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = tls_server(certificate) if scheme == "mailtos" else FakeSmtp(user="desk", password=CANARY)
    server._password = "another"
    with Listener() as log, server:
        url = server.url_of("desk@example.org", scheme=scheme, login=LOGIN)
        error = refused(url)
        sender = repr(open_sender("mail", url))
    assert error.kind is CHANNEL and server.logins
    said = everything_said(error) + sender + "\n".join(log.heard)
    assert "c4nary" not in said


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "recipients"),
    [
        ("mailto://localhost:2525?to=a@x.example,b@y.example", ("a@x.example", "b@y.example")),
        ("mailto://127.0.0.1:2525?to=a@x.example", ("a@x.example",)),
        ("mailtos://user:pw@smtp.example.org?to=a@x.example&cc=b@y.example&bcc=c@z.example", tuple("abc")),
        ("mailtos://user:pw@gmail.com", ("user@gmail.com",)),
        ("mailto://localhost?to=Desk%20%3Ca@x.example%3E&to=a@x.example", ("a@x.example",)),
    ],
)
def test_every_address_of_a_url_is_a_recipient_once(url: str, recipients: tuple[str, ...]):
    found = open_sender("mail", url).recipients
    assert found == recipients or tuple(address[0] for address in found) == recipients


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mailto://localhost", "says who gets the mail"),
        ("mailto://localhost?to=not-an-address", "not a valid address"),
        ("mailto://localhost?to=a@x.example,broken@", "not a valid address"),
        ("mailtos://u:c4nary@x.example?to=a@x.example&pgp=encrypt", "not encrypted"),
        ("mailtos://u:c4nary%C3%A9@x.example?to=a@x.example", "must be ASCII"),
        ("mailto://u:c4nary@mail.example?to=a@x.example", "would cross the network in clear"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_a_sentence_and_without_its_secret(url: str, sentence: str):
    with pytest.raises(ValueError, match=sentence) as caught:
        open_sender("mail", url)
    assert "c4nary" not in everything_said(caught.value)


def test_composing_needs_no_server():
    mail = compose(delivery(recipient="a@x.example"), sender=Address("w", addr_spec="w@x.example"))
    assert mail == compose(delivery(recipient="a@x.example"), sender=Address("w", addr_spec="w@x.example"))
    assert b"\r\n" in mail and b"\n" not in mail.replace(b"\r\n", b"")
