"""What the groups L and C of hostile cases ask, each by itself: the real daemon, channels that misbehave, a fast clock.

Simulated time is what the daemon's clock shows. Nothing here asserts that something was fast; waits asserted from below
(a pause was kept) are measured where the requests arrive.
"""

from __future__ import annotations

from email import message_from_bytes

import pytest

from tests.newsroom import BOXES, Newsroom

pytestmark = pytest.mark.crash
WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


@pytest.fixture
def room(nursery, tmp_path):
    with Newsroom(nursery, tmp_path) as opened:
        yield opened


def all_ended(room):
    """Whether something was sent, and nothing waits."""
    states = [row["state"] for row in room.rows()]
    return bool(states) and not {"queued", "held", "sending"} & set(states)


def test_L1_a_429_pauses_the_whole_channel_for_as_long_as_asked_in_order_and_nobody_else(room):
    room.only("slack", "hook")
    room.slack.limits(30)
    room.publish(*WORDS)
    with room.open(speed=10):
        room.wait_until(lambda: len(room.slack.messages) == len(WORDS))
        room.wait_until(lambda: all_ended(room))
    assert room.words(room.slack) == room.words(room.hook) == [[word] for word in WORDS]
    refused, again = room.slack.requests[:2]
    assert again.at - refused.at >= 30 / 10 * 0.95
    assert sum(request.at < again.at for request in room.hook.requests) == len(WORDS)


def test_L2_a_webhook_gets_one_message_a_second(room):
    room.only("slack")
    room.publish(*WORDS)
    with room.open(speed=5):
        room.wait_until(lambda: len(room.slack.messages) == len(WORDS))
    at = [request.at for request in room.slack.requests]
    assert min(after - before for before, after in zip(at, at[1:], strict=False)) >= 1 / 5 * 0.95


@pytest.mark.parametrize("fault", ["500", "502", "503", "drops_before_effect"])
def test_L3_a_passing_fault_is_tried_again_in_its_place(room, fault):
    room.only("slack")
    room.slack.fails_with(int(fault), times=3) if fault.isdigit() else room.slack.drops_before_effect(times=3)
    room.publish(*WORDS[:3])
    with room.open(speed=60):
        room.wait_until(lambda: len(room.slack.messages) == 3)
        room.wait_until(lambda: all_ended(room))
    assert room.words(room.slack) == [[word] for word in WORDS[:3]]
    assert [row["attempts"] for row in room.rows()] == [4, 1, 1]


def test_L3_after_72_hours_it_is_a_dead_letter_and_the_operator_is_told(room):
    room.only("slack").with_operator()
    room.slack.fails_with(503, times=10_000)
    room.publish("alpha")
    for _ in range(16):  # 80 hours
        with room.open(speed=60):
            before = len(room.slack.requests)
            room.wait_until(lambda: len(room.slack.requests) > before or room.states("slack") == ["dead"])  # noqa: B023
        room.later(hours=5)
    assert room.states("slack") == ["dead"]
    with room.open(speed=600):
        room.wait_until(lambda: any("dead letter" in text for text in room.texts(room.ops)))


@pytest.mark.parametrize("channel", ["slack", "room", "mail", "hook"])
def test_L4_a_message_refused_for_good_goes_once_more_plain_and_the_queue_goes_on(room, channel):
    room.only(channel)
    refuse_messages(room, channel, 1)
    room.publish("alpha", "bravo")
    sink = sink_of(room, channel)
    with room.open(speed=20):
        room.wait_until(lambda: all_ended(room))
    assert room.words(sink) == [["alpha"], ["bravo"]]  # in its place
    plain = next(text for text in room.texts(sink) if "alpha" in text)
    assert "score" not in plain and any("score" in text for text in room.texts(sink) if "bravo" in text)


@pytest.mark.parametrize("channel", ["slack", "room", "hook"])
def test_L4_refused_twice_it_is_a_dead_letter_and_the_queue_goes_on(room, channel):
    room.only(channel)
    refuse_messages(room, channel, 2)
    room.publish("alpha")
    with room.open(speed=20):
        room.wait_until(lambda: room.states(channel) == ["dead"])
        room.publish("bravo")
        room.wait_until(lambda: room.states(channel) == ["dead", "delivered"])
    assert [words for words in room.words(sink_of(room, channel)) if "bravo" in words] == [["bravo"]]


def refuse_messages(room, channel, times):
    """The next messages are refused for what they are."""
    match channel:
        case "slack":
            room.slack.fails_with(400, "invalid_payload", times=times)
        case "room":
            room.matrix.spares_logins().refuses(413, "M_TOO_LARGE", times=times)
        case "mail":
            room.channels["mail"] = f'url = "{room.mail.url_of(BOXES[0])}"'
            room.mail.refuses("data", "552 5.3.4 too big", times=times)
        case "hook":
            room.hook.fails_with(413, times=times)


def sink_of(room, channel):
    return {"slack": room.slack, "room": room.matrix, "mail": room.mail, "hook": room.hook}[channel]


@pytest.mark.parametrize(
    ("status", "error"), [(403, "invalid_token"), (404, "no_service"), (410, "channel_is_archived")]
)
def test_L5_a_broken_channel_is_suspended_keeps_its_rows_is_told_and_probed_hourly(room, status, error):
    room.only("slack", "hook").with_operator()
    room.slack.fails_with(status, error, times=2)
    room.publish("alpha", "bravo")
    with room.open(speed=600):
        room.wait_until(lambda: any("slack is suspended" in text for text in room.texts(room.ops)))
        assert room.states("slack") == ["queued", "queued"]
        room.wait_until(lambda: room.states("hook") == ["delivered"] * 2)
        assert [row["attempts"] for row in room.rows() if row["channel"] == "slack"] == [0, 0]
        room.wait_until(lambda: len(room.slack.messages) == 2)
    first, second, third = [request.at for request in room.slack.requests[:3]]
    assert min(second - first, third - second) >= 3600 / 600 * 0.95
    assert room.words(room.slack) == [["alpha"], ["bravo"]]


def test_L5_a_wrong_mail_password_suspends_and_the_password_mended_sends(room):
    room.mail.lets_in("desk", "right")
    room.channels["mail"] = f'url = "{room.mail.url_of(BOXES[0], login="desk:wrong@")}"'
    room.only("mail").with_operator()
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: any("mail" in text and "suspended" in text for text in room.texts(room.ops)))
    room.channels["mail"] = room.channels["mail"].replace("wrong", "right")
    with room.open(speed=10):
        room.wait_until(lambda: len(room.mail.mails) == 1)


def test_L6_a_200_that_says_no_is_taken_at_its_word(room):
    room.channels["slack"] = f'url = "{room.slack.bot_url}"'
    room.only("slack").with_operator()
    room.slack.says_no("ratelimited")
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: room.states("slack") == ["delivered"])
        room.slack.says_no("not_in_channel")
        room.publish("bravo")
        room.wait_until(lambda: any("not_in_channel" in text for text in room.texts(room.ops)))
        assert room.states("slack") == ["delivered", "queued"]
    assert room.words(room.slack) == [["alpha"]]


@pytest.mark.parametrize(("channel", "most"), [("slack", 2), ("hook", 2), ("room", 1)])
def test_L9_a_server_that_accepts_and_hangs_up_gets_it_again_under_the_same_key(room, channel, most):
    room.only(channel)
    if channel == "room":
        room.matrix.spares_logins()
    sink_of(room, channel).drops_after_effect()
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: all_ended(room))
        room.wait(seconds=30)
    assert room.words(sink_of(room, channel)) == [["alpha"]] * most


def test_L9_a_channel_that_prefers_asking_to_resending_holds_it_and_says_so(room):
    room.only("slack").with_operator()
    room.channels["slack"] += '\nambiguous = "hold"'
    room.slack.drops_after_effect()
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: room.states("slack") == ["held"])
        room.wait_until(lambda: len(room.ops.requests) > 0)
        room.wait(minutes=5)
    assert room.words(room.slack) == [["alpha"]]


def test_L8_a_server_that_accepts_and_stays_silent_is_ambiguous(nursery, tmp_path):
    with Newsroom(nursery, tmp_path, condition="impatient") as room:
        room.only("slack", "room")
        room.slack.never_answers()
        room.matrix.spares_logins().never_answers()
        room.publish("alpha")
        with room.open(speed=20):
            room.wait_until(lambda: all_ended(room))
        assert room.words(room.slack) == [["alpha"]] * 2
        assert room.words(room.matrix) == [["alpha"]]


def test_L10_a_homeserver_that_asks_for_an_hour_gets_it_without_blocking_anybody(room):
    room.only("room", "hook")
    room.matrix.spares_logins().limits(3_600_000)
    room.publish("alpha")
    with room.open(speed=600):
        room.wait_until(lambda: room.states("hook") == ["delivered"])
        room.publish("bravo")
        room.wait_until(lambda: room.states("hook") == ["delivered"] * 2)
        assert room.matrix.messages() == []
        room.wait_until(lambda: len(room.matrix.messages()) == 2)
    puts = [request.at for request in room.matrix.requests if request.method == "PUT"]
    assert puts[1] - puts[0] >= 3600 / 600 * 0.95
    assert room.words(room.matrix) == [["alpha"], ["bravo"]]


def test_L12_one_of_two_recipients_refused_the_other_gets_it_once(room):
    room.only("mail")
    room.mail.refuses("rcpt", "450 4.2.1 later", recipient=BOXES[0])
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: len(room.mail.mails) == 2)
        room.mail.refuses("rcpt", "550 5.1.1 no such user", recipient=BOXES[0], times=2)
        room.publish("bravo")
        room.wait_until(lambda: sorted(room.states("mail")) == ["dead", "delivered", "delivered", "delivered"])
    assert sorted(mail.recipient for mail in room.mail.mails) == [BOXES[0], BOXES[1], BOXES[1]]


def test_L13_dropped_after_the_dot_the_mail_comes_again_byte_for_byte(room):
    room.only("mail")
    room.channels["mail"] = f'url = "{room.mail.url_of(BOXES[0])}"'
    room.mail.drops_after_dot()
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: all_ended(room))
    first, second = (mail.data for mail in room.mail.mails)
    assert first == second and message_from_bytes(first)["Message-ID"] and message_from_bytes(first)["Date"]


def test_L14_greylisting_is_no_noise(room):
    room.only("mail").with_operator()
    room.channels["mail"] = f'url = "{room.mail.url_of(BOXES[0])}"'
    room.mail.refuses("rcpt", "451 4.7.1 greylisted, come back in 15 minutes", times=6)
    room.publish("alpha")
    with room.open(speed=200):
        room.wait_until(lambda: len(room.mail.mails) == 1)
        room.wait(minutes=3)
    assert room.texts(room.ops) == []


@pytest.mark.parametrize(("hours", "each"), [(45, 3), (70, 2)], ids=["two days", "72 h"])
def test_L16_one_channel_is_down_the_others_are_untouched_and_it_ends_as_one_digest(room, hours, each):
    room.only("slack", "room", "hook")
    room.slack.fails_with(503, times=100_000)
    published = []
    for step in range(hours // 5):
        words = [f"w{step}x{number}" for number in range(each)]
        room.publish(*words)
        published += words
        with room.open(speed=60):
            room.wait_until(lambda: len(room.hook.requests) == len(room.matrix.messages()) == len(published))  # noqa: B023
        room.later(hours=5)
    assert room.slack.messages == [] and len(published) > 20
    room.slack.works_again()
    room.later(hours=1)
    with room.open(speed=60):
        room.wait_until(lambda: all_ended(room))
        room.wait(minutes=1)
    assert [sorted(words) for words in room.words(room.slack)] == [sorted(published)]
    assert room.words(room.hook) == room.words(room.matrix) == [[word] for word in published]


def test_L16_what_one_digest_cannot_hold_goes_in_a_second_one(room):
    room.only("room")
    room.alerts = "singles_per_hour = 1000"
    room.matrix.spares_logins()
    room.publish("warm")
    with room.open(speed=60):
        room.wait_until(lambda: room.states("room") == ["delivered"])
        room.matrix.fails_with(503, times=100_000)
        words = [f"w{number}" for number in range(50)]  # a message to a Matrix room has at most 40 lines
        room.publish(*words)
        room.wait_until(lambda: how_many(room, "alerts") == len(words) + 1)
        room.matrix.works_again()
        room.wait_until(lambda: all_ended(room))
    first, *digests = room.words(room.matrix)
    assert (first, [len(digest) for digest in digests]) == (["warm"], [40, 10])
    assert sorted(word for digest in digests for word in digest) == sorted(words)


def test_L18_a_new_secret_sends_what_waited_under_the_old_one(room):
    room.only("slack")
    room.slack.secret = "NEWsecretXXXXXXXXXXXXXXX"  # the service has changed it; ours is the old one
    room.publish("alpha")
    with room.open(speed=10) as life:
        room.wait_until(lambda: len(room.slack.requests) == 1)
        room.wait_until(lambda: room.states("slack") == ["queued"])
        room.channels["slack"] = f'url = "{room.slack.url}"'
        room.write()
        life.hang_up()
        room.wait_until(lambda: room.states("slack") == ["delivered"])
    assert room.words(room.slack) == [["alpha"]]


def test_L22_R9_ten_thousand_alerts_in_a_minute_drop_nothing_and_memory_stays_flat(nursery, tmp_path):
    with Newsroom(nursery, tmp_path, feeds=10) as room:
        room.only("hook")
        with room.open(speed=60) as life:
            # a feed that has brought nothing yet is still on its first check
            warm = [f"warm{feed}" for feed in range(10)]
            for feed, word in enumerate(warm):
                room.publish(word, feed=f"feed{feed}")
            room.wait_until(lambda: told(room, room.hook) == set(warm))
            before = resident(life.pid)
            words = [f"w{feed}x{number}" for feed in range(10) for number in range(999)]
            for word in words:
                room.publish(word, feed=f"feed{word[1]}")
            room.wait_until(lambda: how_many(room, "alerts") == 10_000, patience=300)
            read, during = resident(life.pid), []
            room.wait_until(lambda: during.append(resident(life.pid)) or all_ended(room), patience=300)
        seen = [word for words in room.words(room.hook) for word in words]
        print(f"resident: {before} MB before, {read} MB when all were decided, {max(during)} MB at most until all went")
    assert sorted(seen) == sorted(warm + words)  # each once
    assert max(during) - read < 16  # what waits is not held in memory
    assert max(during) - before < 300  # ten documents of a thousand entries each, read at once


def how_many(room, table):
    """Rows of a table."""
    return room.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]


def told(room, sink):
    """All words that a channel was told of."""
    return {word for words in room.words(sink) for word in words}


def resident(pid):
    """Megabytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4 // 1024


# ── the clock ────────────────────────────────────────────────────────────────────────────────────


def test_C1_a_clock_set_back_six_hours_stops_neither_polling_nor_delivery(nursery, tmp_path):
    with Newsroom(nursery, tmp_path, condition="clock_jumps") as room:
        room.only("slack")
        room.interval, room.group_wait = "5m", "5m"
        room.publish("alpha")
        with room.open(speed=60):
            room.wait_until(lambda: room.states("slack") == ["queued"])
            room.jump(hours=-6)
            room.publish("bravo")
            room.wait_until(lambda: len(room.slack.messages) == 2)
        assert room.words(room.slack) == [["alpha"], ["bravo"]]


def test_C1_the_same_where_it_was_set_back_while_no_daemon_ran(room):
    room.only("slack")
    room.interval, room.group_wait = "5m", "5m"
    room.publish("alpha")
    with room.open(speed=60):
        room.wait_until(lambda: room.states("slack") == ["queued"])
    room.later(hours=-6)
    room.publish("bravo")
    with room.open(speed=60):
        room.wait_until(lambda: len(room.slack.messages) == 2)
    assert room.words(room.slack) == [["alpha"], ["bravo"]]


def test_C4_after_eight_hours_of_sleep_each_feed_is_asked_once_spread_over_minutes(nursery, tmp_path):
    with Newsroom(nursery, tmp_path, feeds=8, condition="clock_jumps") as room:
        room.only("slack")
        room.interval = "30m"
        evening, night = ({f"{when}{number}" for number in range(8)} for when in ("evening", "night"))
        for word in sorted(evening):
            room.publish(word, feed=f"feed{word[-1]}")
        with room.open(speed=120):
            room.wait_until(lambda: told(room, room.slack) == evening)
            before = len(room.slack.messages)
            room.wait(minutes=1)
            for word in sorted(night):
                room.publish(word, feed=f"feed{word[-1]}")
            room.asked.clear()
            room.jump(hours=8)
            room.wait_until(lambda: len({name for name, _ in room.asked}) == 8)
            feeds = [name for name, _ in room.asked]
            at = [when for _, when in room.asked]
            room.wait_until(lambda: told(room, room.slack) == evening | night)
        assert len(feeds) == len(set(feeds)), feeds
        assert (max(at) - min(at)).total_seconds() >= 120
        assert len(room.slack.messages) == before + 1  # what was missed comes as one
