"""What the log says: one line a fact, JSON where nobody watches, nothing secret, nothing that a terminal would obey."""

from __future__ import annotations

import io
import json
import logging

import pytest

from monitor import logs
from monitor.model import FeedChecked, Reloaded

BAD = "line one\n2026-08-18 ERROR fake\r\x1b[31mred\x1b]52;c;aGk=\x07\x9b2J\u202e\u2028\x00"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def pipe(logging_as_it_was):
    """A log that goes to a file or the journal."""

    def opened(*secrets, verbose=False):
        stream = io.StringIO()
        logs.set_up(stream=stream, secrets=secrets, verbose=verbose)
        return stream

    return opened


@pytest.fixture
def terminal(logging_as_it_was):
    def opened(*secrets):
        stream = Terminal()
        logs.set_up(stream=stream, secrets=secrets)
        return stream

    return opened


def facts(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_fact_in_a_pipe_is_one_json_line_with_time_level_and_name(pipe):
    stream = pipe()
    logs.say("feed_checked", feed="gazette", new=3)
    (fact,) = facts(stream)
    assert fact["at"].endswith("Z") and len(fact["at"]) == len("2026-08-18T12:00:00.000Z")
    assert {key: fact[key] for key in ("level", "event", "feed", "new")} == {"level": "info", "event": "feed_checked", "feed": "gazette", "new": 3}


def test_a_fact_on_a_terminal_is_one_readable_line(terminal):
    stream = terminal()
    logs.say("feed_checked", level=logging.WARNING, feed="gazette", error="no answer")
    (line,) = stream.getvalue().splitlines()
    assert "! feed_checked  feed=gazette  error=no answer" in line and "{" not in line


def test_a_fault_is_told_with_its_words_and_where_it_was_and_without_secrets(pipe):
    stream = pipe("c4nary")
    try:
        raise ValueError("cannot send to https://hooks.example/c4nary")
    except ValueError as fault:
        logs.say("stumbled", level=logging.ERROR, fault=fault, channel="desk")
    (fact,) = facts(stream)
    assert fact["error"] == f"ValueError: cannot send to https://hooks.example/{logs.REDACTED}"
    assert "test_logs.py" in " ".join(fact["traceback"]) and "c4nary" not in stream.getvalue()


def test_a_record_is_told_by_its_name_without_its_empty_fields(pipe):
    stream = pipe()
    logs.say_fact(FeedChecked(feed="gazette", outcome="fresh", entries=3))
    (fact,) = facts(stream)
    assert set(fact) == {"at", "level", "event", "feed", "outcome", "entries"} and fact["event"] == "feed_checked"


WAYS = [
    ("in a field", lambda text: logs.say("fact", title=text)),
    ("in a field of a list", lambda text: logs.say_fact(Reloaded(ok=False, watchlists=1, problems=(text, "other")))),
    ("as the name of the fact", lambda text: logs.say(text)),
    ("in a message of a library", lambda text: logging.getLogger("some.library").warning("it said %s", text)),
    ("in an exception", lambda text: _raise(text)),
]  # fmt: skip
TOLD = pytest.mark.parametrize("tell", [case[1] for case in WAYS], ids=[case[0] for case in WAYS])


def _raise(text):
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("wirewatch").exception("odd")


@TOLD
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_I13_outside_text_is_one_line_without_control_characters(request, kind, tell):
    stream = request.getfixturevalue(kind)()
    tell(BAD)
    assert len(stream.getvalue().splitlines()) == 1, "one fact, one record (also where U+2028 ends lines)"
    assert stream.getvalue()[:-1].isprintable()
    assert "fake" in stream.getvalue(), "escaped, not lost"


@TOLD
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_I13_a_megabyte_is_cut(request, kind, tell):
    stream = request.getfixturevalue(kind)()
    tell("x" * 1_000_000)
    assert 100 < len(stream.getvalue()) < 5_000
    assert "…" in stream.getvalue()


@TOLD
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
@pytest.mark.parametrize("secret", ["c4nary", 'c4n"ary\\x', "c4nàry", "c4n\tary"], ids=["plain", "with a quote", "with an accent", "with a tab"])
def test_G14_secrets_are_replaced_wherever_they_stand(request, kind, tell, secret):
    stream = request.getfixturevalue(kind)(secret)
    tell(f"https://user:{secret}@example.org/")
    said = stream.getvalue()
    assert logs.REDACTED in said
    assert secret not in said and json.dumps(secret)[1:-1] not in said and json.dumps(secret, ensure_ascii=False)[1:-1] not in said


def test_G14_a_secret_that_is_cut_in_two_is_not_told_by_half(pipe):
    stream = pipe("c4nary-of-some-length")
    logs.say("fact", text="x" * (logs.FIELD_LENGTH - 10) + "c4nary-of-some-length")
    assert "c4nary" not in stream.getvalue()


@pytest.mark.parametrize("secrets", [("c4nary", "c4nary-and-more"), ("c4nary-and-more", "c4nary")])
def test_a_secret_that_begins_with_another_is_replaced_whole(pipe, secrets):
    stream = pipe(*secrets)
    logs.say("fact", text="c4nary-and-more")
    assert "and-more" not in stream.getvalue()


def test_no_secret_at_all_replaces_nothing(pipe):
    stream = pipe("", "")
    logs.say("fact", text="as it was")
    assert facts(stream)[0]["text"] == "as it was"


def test_what_is_no_text_is_told_as_it_is(pipe):
    stream = pipe()
    logs.say("fact", count=3, share=0.5, well=True, nothing=None)
    assert {key: facts(stream)[0][key] for key in ("count", "share", "well", "nothing")} == {"count": 3, "share": 0.5, "well": True, "nothing": None}


def test_details_are_told_only_when_asked_for(pipe):
    quiet = pipe()
    logs.say("detail", level=logging.DEBUG)
    talkative = pipe(verbose=True)
    logs.say("detail", level=logging.DEBUG)
    assert (quiet.getvalue(), len(facts(talkative))) == ("", 1)


@pytest.mark.parametrize("name", logs.CHATTY)
def test_G14_libraries_do_not_tell_their_details(pipe, name):
    stream = pipe(verbose=True)
    logging.getLogger(name).info("https://user:password@example.org/")
    logging.getLogger(name).debug("https://user:password@example.org/")
    assert stream.getvalue() == ""


def test_setting_up_twice_does_not_say_things_twice(pipe):
    first, second = pipe(), pipe()
    logs.say("fact")
    assert (first.getvalue(), len(facts(second))) == ("", 1)


# ── floods ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def minutes(monkeypatch):
    """A clock for the log: `minutes(2)` passes two of them."""
    clock = [1_000_000.0]
    monkeypatch.setattr(logging.time, "time", lambda: clock[0])
    monkeypatch.setattr(logs.time, "time", lambda: clock[0])
    if hasattr(logging.time, "time_ns"):  # what records are dated by from Python 3.13 on
        monkeypatch.setattr(logging.time, "time_ns", lambda: int(clock[0] * 1e9))

    def pass_(count):
        clock[0] += 60 * count

    return pass_


def test_a_fact_that_repeats_is_said_for_a_while_and_then_counted(pipe, minutes):
    stream = pipe()
    for number in range(logs.MOST_ALIKE + 412):
        logs.say("attempted", channel="desk", outcome="retry", delivery=str(number))
    assert len(facts(stream)) == logs.MOST_ALIKE
    minutes(1)
    logs.say_counted()
    last = facts(stream)[-1]
    assert (last["event"], last["channel"], last["more"], last["says"]) == ("attempted", "desk", 412, "and 412 more within a minute")
    logs.say_counted()
    logs.say("attempted", channel="desk", outcome="retry", delivery="again")
    assert len(facts(stream)) == logs.MOST_ALIKE + 2, "the count is said once, and the next minute begins anew"


def test_what_is_about_another_thing_is_said_beside_a_flood(pipe, minutes):
    stream = pipe()
    for _ in range(1000):
        logs.say("attempted", channel="desk", outcome="retry")
    logs.say("attempted", channel="room", outcome="retry")
    logs.say("attempted", channel="desk", outcome="delivered")
    logs.say("reloaded", ok=True)
    assert len(facts(stream)) == logs.MOST_ALIKE + 3


def test_a_thousand_things_of_one_kind_are_a_flood_too(pipe, minutes):
    stream = pipe()
    for number in range(logs.MOST_OF_A_KIND + 50):
        logs.say("feed_checked", feed=f"feed-{number}", outcome="failed")
    assert len(facts(stream)) == logs.MOST_OF_A_KIND
    minutes(1)
    logs.say("started")
    assert [fact.get("more") for fact in facts(stream)[-2:]] == [50, None]


def test_what_was_counted_is_said_at_the_end_and_when_the_clock_is_set_back(pipe, minutes):
    stream = pipe()
    for _ in range(logs.MOST_ALIKE + 2):
        logs.say("odd")
    minutes(-600)
    logs.say("other")
    assert facts(stream)[-2]["more"] == 2
    for _ in range(logs.MOST_ALIKE + 3):
        logs.say("odd")
    logging.getLogger().handlers[0].close()
    assert facts(stream)[-1]["more"] == 3


def test_a_librarys_message_that_repeats_is_counted_without_its_secrets(pipe, minutes):
    stream = pipe("c4nary")
    for number in range(logs.MOST_ALIKE + 5):
        logging.getLogger("some.library").warning("no answer from %s, %d", "https://user:c4nary@example.org", number)
    minutes(2)
    logs.say_counted()
    assert len(facts(stream)) == logs.MOST_ALIKE + 1 and "c4nary" not in stream.getvalue()
