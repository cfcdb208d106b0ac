"""What the group K of hostile cases asks, each by itself: the daemon is killed at one place, and started again."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from tests.newsroom import Newsroom

pytestmark = pytest.mark.crash


@pytest.fixture
def room(nursery, tmp_path):
    with Newsroom(nursery, tmp_path) as opened:
        yield opened


def dies_at(room, point, *words):
    """A daemon with these items dies there, and another one does the rest."""
    room.publish(*words or ("alpha",))
    room.start(crash_at=point)
    assert room.life.wait(), f"{point} was never reached"
    assert room.life.killed
    room._freeze()


def does_the_rest(room):
    """Another daemon, until nothing waits and each feed has been asked for twice."""
    before = len(room.asked)
    with room.open(speed=20):
        room.wait_until(lambda: len(room.asked) >= before + 2 and set(waiting(room)) == set())


def waiting(room):
    return [row["id"] for row in room.rows() if row["state"] in ("queued", "held", "sending")]


def counts(room):
    """Messages to Slack, the room, the mailboxes together, the hook."""
    return tuple(len(room.texts(sink)) for sink in (room.slack, room.matrix, room.mail, room.hook))


@pytest.mark.parametrize("point", ["fetched:1", "parsed:1", "saving:1", "saved:1", "claimed:1"])
def test_K1_to_K5_nothing_was_sent_so_each_gets_it_exactly_once(room, point):
    dies_at(room, point)
    does_the_rest(room)
    assert counts(room) == (1, 1, 2, 1)


@pytest.mark.parametrize("point", ["claimed:2", "settled:1"])
def test_K5_and_K8_what_is_on_record_and_what_was_only_claimed_come_once(room, point):
    room.only("slack")
    dies_at(room, point, "alpha", "bravo")
    does_the_rest(room)
    assert room.words(room.slack) == [["alpha"], ["bravo"]]


@pytest.mark.parametrize("point", ["accepted:1", "settling:1"])
@pytest.mark.parametrize(("channel", "most"), [("slack", 2), ("room", 1), ("hook", 2)])
def test_K7_killed_between_the_yes_and_its_record(room, point, channel, most):
    room.only(channel)
    dies_at(room, point)
    does_the_rest(room)
    sink = {"slack": room.slack, "room": room.matrix, "hook": room.hook}[channel]
    assert len(room.texts(sink)) == most


def test_K7_the_second_mail_is_the_first_once_more_by_its_id_and_date(room):
    room.only("mail")
    dies_at(room, "accepted:1")
    does_the_rest(room)
    first, *others = [mail for mail in room.mail.mails if mail.recipient == room.mail.mails[0].recipient]
    assert [mail.data for mail in others] == [first.data]
    assert message_from_bytes(first.data)["Message-ID"]


def test_K9_between_one_channels_mark_and_anothers_send_both_get_it_once(room):
    room.only("slack", "hook")
    room.hook.fails_with(503)  # so that Slack is marked first
    dies_at(room, "settled:1")
    assert len(room.texts(room.slack)) == 1
    does_the_rest(room)
    assert len(room.texts(room.slack)) == 1
    assert [state for state in room.states("hook")] == ["delivered"]


def test_K10_killed_while_the_log_of_the_database_is_checkpointed_it_is_whole(room):
    room.only("slack")
    for word in ("alpha", "bravo", "kilo"):
        dies_at(room, "settled:1", word)  # the next start finds the log as it was left, and takes it in
    does_the_rest(room)
    assert room.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert room.words(room.slack) == [["alpha"], ["bravo"], ["kilo"]]


def test_K11_killed_while_it_drains(room):
    room.publish("alpha")
    room.start(crash_at="draining:1")
    room.wait_until(lambda: len(room.slack.messages) == 1)
    room.life.terminate()
    assert room.life.wait() and room.life.killed
    room._freeze()
    does_the_rest(room)
    slack, matrix, mails, hook = counts(room)
    assert matrix == 1 and 1 <= slack <= 2 and 2 <= mails <= 3 and 1 <= hook <= 2


def test_K13_an_item_at_which_the_program_stumbles_keeps_back_no_other_and_is_told(nursery, tmp_path):
    with Newsroom(nursery, tmp_path, condition="stumbles") as room:
        room.only("slack").with_operator()
        room.publish("alpha", "poison", "bravo")
        with room.open(speed=20):
            room.wait_until(lambda: room.words(room.slack) == [["alpha"], ["bravo"]])
            room.wait_until(lambda: any("feed0: items may have been missed" in text for text in room.texts(room.ops)))
            room.publish("kilo")
            room.wait_until(lambda: room.words(room.slack) == [["alpha"], ["bravo"], ["kilo"]])
        assert "1 of 3 entries could not be judged: internal error: ZeroDivisionError: no such score" in room.said()


def test_K15_sixty_restarts_in_a_row_ask_a_feed_no_oftener_than_the_least_interval(room):
    room.interval = "5m"
    room.publish("alpha")
    room.start(speed=1)
    room.wait_until(lambda: len(room.asked) == 1)
    room.kill()
    for _ in range(60):
        room.start(speed=1)
        room.life.wait(0.25)
        room.kill()
    assert len(room.asked) == 1
    room.later(minutes=6)
    with room.open(speed=1):
        room.wait_until(lambda: len(room.asked) == 2)
