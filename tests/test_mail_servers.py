"""Mail through a real Postfix and a real Dovecot, read back by IMAP as a mail client does: the real daemon."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.newsroom import Newsroom
from tests.postfix import BOXES, DOMAIN, NOBODY, PASSWORD, missing, running_postfix

pytestmark = [pytest.mark.servers, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture
def servers():
    with running_postfix() as running:
        yield running


@pytest.fixture
def room(nursery, tmp_path, servers):
    with Newsroom(nursery, tmp_path, feeds=2) as opened:
        opened.environ["SSL_CERT_FILE"] = str(servers.authority)
        opened.channels["mail"] = f'url = "{servers.url()}"'
        yield opened.only("mail")


def words_in(servers, box):
    """The words of the stories that a mailbox tells of, in order."""
    return [re.search(r"Harbour (\w+):", mail["Subject"])[1] for mail in servers.mails(box)]


def suspended(room):
    """How often the operator was told that the channel, or a recipient's part of it, is suspended."""
    return sum("mail" in text and "suspended" in text for text in room.texts(room.ops))


def test_an_alert_is_read_as_a_mail_client_shows_it(room, servers):
    room.publish("alpha")
    with room.open():
        room.wait_until(lambda: all(servers.mails(box) for box in BOXES))
    for box in BOXES:
        (mail,) = servers.mails(box)
        plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert re.search(r"The harbour — Harbour alpha: .+ \(Gazette feed0\)", mail["Subject"])
        assert (mail["To"], mail["From"]) == (box, f"wirewatch <wirewatch@{DOMAIN}>")
        assert mail["List-Id"] == f"<harbour.wirewatch.{DOMAIN}>"
        assert (mail["Auto-Submitted"], mail["X-Wirewatch-Watchlist"]) == ("auto-generated", "harbour")
        assert "https://gazette.example/alpha" in plain and "harbour" in plain
        assert 'href="https://gazette.example/alpha"' in html and "<img" not in html and "<script" not in html
        assert "with ESMTPSA" in "".join(mail.get_all("Received"))  # over TLS, and logged in


def test_L12_one_recipient_refused_is_a_dead_letter_and_the_other_gets_it_once(room, servers):
    room.channels["mail"] = f'url = "{servers.url(NOBODY, BOXES[0])}"'
    room.publish("alpha")
    with room.open(speed=30):
        room.wait_until(lambda: sorted(room.states("mail")) == ["dead", "delivered"])
        room.publish("bravo")
        room.wait_until(lambda: sorted(room.states("mail")) == ["dead", "dead", "delivered", "delivered"])
        room.wait_until(lambda: len(servers.mails(BOXES[0])) >= 2)
    assert words_in(servers, BOXES[0]) == ["alpha", "bravo"]
    refused = [row for row in room.rows() if row["state"] == "dead"]
    assert {row["recipient"] for row in refused} == {NOBODY}
    assert all("550" in row["error"] and "User unknown" in row["error"] for row in refused)


def test_L5_a_wrong_password_suspends_the_channel_and_burns_no_row(room, servers):
    room.channels["mail"] = f'url = "{servers.url(password="wrong-p4ssword")}"'
    room.with_operator()
    room.publish("alpha", "bravo")
    with room.open(speed=60):
        room.wait_until(
            lambda: sum("mail" in text and "suspended" in text for text in room.texts(room.ops)) == len(BOXES)
        )
        room.wait(minutes=5)
        rows = [row for row in room.rows() if row["channel"] == "mail"]
    assert [(row["state"], row["attempts"]) for row in rows] == [("queued", 0)] * 4
    assert "wrong-p4ssword" not in room.said()
    room.channels["mail"] = f'url = "{servers.url()}"'
    with room.open():
        room.wait_until(lambda: all(len(servers.mails(box)) == 2 for box in BOXES))
    assert [words_in(servers, box) for box in BOXES] == [["alpha", "bravo"]] * 2


def test_L15_a_certificate_that_is_not_trusted_gets_neither_mail_nor_password(room, servers):
    room.environ.clear()
    room.with_operator()
    room.publish("alpha")
    with room.open():
        room.wait_until(lambda: any("certificate is not trusted" in text for text in room.texts(room.ops)))
    assert "sasl_username" not in servers.log() and PASSWORD not in room.said()
    assert room.states("mail") == ["queued"] * 2


def test_K6_killed_between_the_mails_nothing_is_lost_and_a_second_copy_is_the_first_once_more(room, servers):
    words = [f"w{number}" for number in range(8)]
    room.publish(*words)
    for seen in (2, 6, 10):
        room.start()
        room.wait_until(lambda: sum(len(servers.mails(box)) for box in BOXES) >= seen)  # noqa: B023
        room.kill()
    with room.open():
        room.wait_until(lambda: set(room.states("mail")) == {"delivered"})
        room.wait_until(lambda: all(set(words_in(servers, box)) == set(words) for box in BOXES))
    for box in BOXES:
        mails = servers.mails(box)
        ids = Counter(mail["Message-ID"] for mail in mails)
        assert len(ids) == len(words) and ids.total() <= len(words) + 3  # one a kill, at most
        assert len({(mail["Message-ID"], mail["Date"], mail["Subject"]) for mail in mails}) == len(words)


def test_what_takes_a_story_back_answers_its_first_mail(room, servers):
    with room.open():
        room.publish("zero", feed="feed1")  # so that this outlet is known, and past its first check
        room.wait_until(lambda: len(servers.mails(BOXES[0])) == 1)
        room.publish("alpha")
        room.wait_until(lambda: len(servers.mails(BOXES[0])) == 2)
        room.take_back("alpha", feed="feed1")
        room.wait_until(lambda: all(len(servers.mails(box)) == 3 for box in BOXES))
    for box in BOXES:
        zero, first, kill = servers.mails(box)
        assert kill["Subject"].startswith("[kill]") and first["In-Reply-To"] is None
        assert kill["In-Reply-To"] == first["Message-ID"] != zero["Message-ID"]
        assert first["Message-ID"] in kill["References"]
