"""A told story that spreads, is corrected and is killed, through the real line: what each kind of channel shows of it."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest

from tests.desk import Desk, rss
from tests.fake_slack import FakeSlack
from tests.fakes import FakeHttp, FakeMatrix, FakeSmtp

TITLE = "Parliament passes the harbour bill after a night of debate"
UPDATES = "[updates]\npickups = [3]\n"


@pytest.fixture
def sinks():
    with FakeMatrix() as room, FakeSlack() as slack, FakeSmtp() as mail, FakeHttp() as hook:
        yield room, slack, mail, hook


@pytest.fixture
def desk(tmp_path, web, sinks):
    room, slack, mail, hook = sinks
    desk = Desk(tmp_path, web)
    desk.watchlist("harbour", (tmp_path / "watchlists/harbour.toml").read_text() + UPDATES)
    desk.channels = {"room": room.url, "slack": slack.bot_url, "mail": mail.url_of("desk@example.org"), "hook": hook.url}
    for name in ("gazette", "herald", "tribune", "wire"):
        desk.feed(name, rss("A comet is seen over the hills of the north", title=name.title()))
    desk.does("poll", "--all")
    return desk


def publishes(desk, name, title):
    """One outlet brings a headline, and all is polled."""
    desk.web.forget(f"/{name}")
    desk.web.page(f"/{name}").says(200, rss(title, title=name.title()))
    result = desk.does("poll", "--all")
    assert result.exit_code == 0, result.stderr


def subjects(mail):
    return [message_from_bytes(one.data, policy=default)["Subject"] for one in mail.mails]


def test_one_message_a_story_updated_in_place_and_told_again_only_for_a_reason(desk, sinks):
    room, slack, mail, hook = sinks
    publishes(desk, "gazette", TITLE)
    (first,) = room.shown()
    publishes(desk, "herald", TITLE)
    (shown,) = room.shown()  # edited in place, nobody disturbed
    assert (shown.event, shown.edits, "2 outlets: Gazette, Herald" in shown.body) == (first.event, 1, True)
    assert len(slack.updates) == 1
    assert (len(mail.mails), len(hook.requests)) == (1, 1)

    publishes(desk, "tribune", TITLE)  # as many as were asked for: told again, in the thread
    first_now, update = room.shown()
    assert (update.thread, "[update]" in update.body, "Picked up 3 times" in update.body) == (first.event, True, True)
    assert "3 outlets" in first_now.body
    assert (len(mail.mails), len(hook.requests)) == (2, 2)

    publishes(desk, "wire", "KILL-" + TITLE)  # taken back: everybody who has it, where they look
    first_now, _, kill = room.shown()
    assert ("[kill]" in kill.body, "[kill]" in first_now.body) == (True, True)
    assert [subject.split("]")[0] for subject in subjects(mail)] == ["The harbour — Parliament passes the harbour bill after a night of debate (Gazette)", "[update", "[kill"]
    assert len(hook.requests) == 3
    answers = [message_from_bytes(one.data, policy=default)["In-Reply-To"] for one in mail.mails]
    assert answers[0] is None and answers[1] == answers[2] == message_from_bytes(mail.mails[0].data, policy=default)["Message-ID"]
    reasons = sorted(row["reason"] for row in desk.lines("alerts", "--json"))
    assert reasons == ["killed", "matched", "picked_up"]

    publishes(desk, "herald", TITLE)  # and nothing repeats
    assert (len(room.shown()), len(mail.mails), len(hook.requests)) == (3, 3, 3)


def test_explain_says_that_a_story_which_was_taken_back_is_told_no_more(desk):
    publishes(desk, "gazette", TITLE)
    (told,) = desk.lines("alerts", "--json")
    publishes(desk, "wire", "KILL-" + TITLE)
    said = desk.does("explain", told["story"]).stdout
    assert "judged now: silent: its desk took the story back" in said and "would go to" not in said
    (shown,) = desk.lines("explain", "--json", told["story"])
    assert (shown["verdicts"][0]["verdict"], shown["verdicts"][0]["reason"], shown["verdicts"][0]["routes"]) == ("silent", "retracted", [])
