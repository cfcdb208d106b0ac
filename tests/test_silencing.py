"""`wirewatch silence`: mute, look, end."""

import json

import pytest

from tests.desk import BILL, CONSOLE, Desk, rss


@pytest.fixture
def desk(tmp_path, web):
    return Desk(tmp_path, web).feed("gazette", rss(BILL))


def polled(desk, *titles):
    desk.web.forget("/gazette")
    desk.web.page("/gazette").says(200, rss(BILL, *titles))
    result = desk.does("poll", "--all")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["title"] for line in result.stdout.splitlines()]


def silenced(desk, *what):
    result = desk.does("silence", "add", *what, "--for", "8h", "--comment", "enough")
    assert result.exit_code == 0, result.stderr
    return result.stdout.split()[1]


@pytest.mark.parametrize(
    ("what", "reason"), [(("--watchlist", "harbour"), "silenced"), (("--feed", "gazette"), "feed_silenced")]
)
def test_what_is_silenced_is_recorded_listed_and_not_sent_until_the_silence_ends(desk, what, reason):
    polled(desk)
    silence = silenced(desk, *what)
    assert polled(desk, "Ships queue at the harbour wall") == []
    kept = {row["title"]: (row["reason"], row["silence"], row["deliveries"]) for row in desk.lines("alerts", "--json")}
    assert kept["Ships queue at the harbour wall"] == (reason, silence, [])
    (listed,) = desk.lines("silence", "list", "--json")
    assert (listed["id"], listed["kept_back"], listed["in_force"], listed["comment"]) == (silence, 1, True, "enough")
    assert desk.does("silence", "end", silence).exit_code == 0
    assert polled(desk, "Divers search the harbour basin at night") == ["Divers search the harbour basin at night"]
    assert "1 alert kept back" in desk.does("silence", "list").stdout


def test_a_silence_is_one_line_of_a_list_whatever_its_comment(desk):
    polled(desk)
    desk.does("silence", "add", "--watchlist", "harbour", "--for", "8h", "--comment", "enough\nof\tit")
    (line,) = desk.does("silence", "list").stdout.splitlines()
    assert line.split("\t")[2] == "watchlist harbour: enough of it"


def test_explain_names_the_silence_that_would_keep_an_alert_back(desk):
    polled(desk)
    source = ("explain", "-", "--feed", "gazette")
    (heard,) = desk.lines(*source, "--json", stdin=b"Storm closes the harbour\n\nShips wait.")
    assert heard["verdicts"][0]["silence"] is None
    silence = silenced(desk, "--feed", "gazette")
    (found,) = desk.lines(*source, "--json", stdin=b"Storm closes the harbour\n\nShips wait.")
    assert (found["verdicts"][0]["verdict"], found["verdicts"][0]["routes"]) == ("alert", [])
    assert found["verdicts"][0]["silence"] == silence
    said = desk.does(*source, stdin=b"Storm closes the harbour\n\nShips wait.").stdout
    assert f"silenced now, by silence {silence} until " in said and "would go to" not in said
    (story,) = desk.lines("stories", "--json")
    silenced(desk, "--story", story["id"])
    (stored,) = desk.lines("explain", story["id"], "--json")
    assert stored["verdicts"][0]["silence"]


def test_a_story_is_silenced_by_the_beginning_of_its_id(desk):
    polled(desk)
    (story,) = desk.lines("stories", "--json")
    silenced(desk, "--story", story["id"][:8])
    (listed,) = desk.lines("silence", "list", "--json")
    assert listed["story"] == story["id"]


@pytest.mark.parametrize("what", [("--watchlist", "harbour"), ("--feed", "gazette")], ids=lambda what: what[0])
def test_a_message_that_certainly_has_not_arrived_is_cancelled(desk, what):
    desk.channels = {"mail": "mailto://127.0.0.1:1?to=desk@example.org&from=a@example.org"}
    desk.write('[[feed]]\nname = "x"\nurl = "http://127.0.0.1:1/x"\n')
    desk.does("poll", "--all")
    said = desk.does("silence", "add", *what, "--for", "1h", "--comment", "no").stdout
    (alert,) = desk.lines("alerts", "--json")
    (tried,) = alert["deliveries"]
    assert (tried["state"], tried["attempts"] > 0, "cancelled" in said) == ("cancelled", True, True)


def test_what_a_silenced_feed_had_waiting_is_told_by_another_feeds_copy(desk):
    desk.channels = {"mail": "mailto://127.0.0.1:1?to=desk@example.org&from=a@example.org"}
    desk.write()
    desk.does("poll", "--all")
    silenced(desk, "--feed", "gazette")
    (listed,) = desk.lines("silence", "list", "--json")
    assert listed["kept_back"] == 1
    desk.channels = {"desk": CONSOLE}
    desk.feed("herald", rss(BILL))
    result = desk.does("poll", "--all")
    assert [json.loads(line)["title"] for line in result.stdout.splitlines()] == [BILL]


NIGHT = '[channel.night]\nurl = "console://"\nquiet_hours = "00:00-23:59"\n[[route]]\nchannels = ["night"]\n'


def test_another_feeds_copy_tells_in_the_channel_in_which_a_silenced_feeds_message_was_cancelled(desk):
    desk.channels = {}
    desk.write(NIGHT)
    polled(desk)
    silenced(desk, "--feed", "gazette")
    desk.feed("herald", rss(BILL)).write(NIGHT)
    desk.does("poll", "--all")
    states = {alert["reason"]: [one["state"] for one in alert["deliveries"]] for alert in desk.lines("alerts", "--json")}
    assert states == {"feed_silenced": ["cancelled"], "matched": ["held"]}


def test_a_silence_put_in_force_by_mistake_can_be_undone(desk):
    desk.channels = {}
    desk.write(NIGHT)
    polled(desk)
    silence = silenced(desk, "--watchlist", "harbour")
    (listed,) = desk.lines("silence", "list", "--json")
    (alert,) = desk.lines("alerts", "--json")
    assert (listed["kept_back"], alert["deliveries"][0]["state"]) == (1, "cancelled")
    assert desk.does("alerts", "retry", alert["id"]).exit_code == 1, "the silence is not over"
    assert desk.does("silence", "end", silence).exit_code == 0
    assert desk.does("alerts", "retry", alert["id"]).exit_code == 0
    assert desk.lines("alerts", "--json")[0]["deliveries"][0]["state"] == "queued"


MISTAKES = [
    (("--watchlist", "harbour", "--for", "0s"), "'0s'; expected more than nothing"),
    ((), "expected one of --watchlist, --story and --feed"),
    (("--watchlist", "harbour", "--feed", "gazette"), "expected one of"),
    (("--watchlist", "habour"), "no watchlist is called 'habour'; did you mean 'harbour'?"),
    (("--feed", "gazet"), "no feed is called 'gazet'"),
]


@pytest.mark.parametrize(("what", "says"), MISTAKES, ids=[case[1][:30] for case in MISTAKES])
def test_a_silence_names_exactly_one_thing_that_is_there(desk, what, says):
    polled(desk)
    result = desk.does("silence", "add", "--for", "8h", "--comment", "x", *what)
    assert result.exit_code == 2 and says in result.stderr


def test_a_story_that_is_not_there_is_not_silenced(desk):
    polled(desk)
    result = desk.does("silence", "add", "--story", "ffff", "--for", "8h", "--comment", "x")
    assert result.exit_code == 1 and "no story's id is" in result.stderr


def test_ending_what_is_not_in_force_is_told(desk):
    polled(desk)
    result = desk.does("silence", "end", "nothing")
    assert result.exit_code == 1 and "no silence 'nothing' is in force" in result.stderr


ROUTES = """
[channel.night]
url = "console://"
quiet_hours = "00:00-23:59"
[channel.mail]
url = "console://"
digest = ["07:30"]
[channel.phone]
url = "console://"
min_level = "urgent"
[[route]]
channels = ["night", "mail", "phone", "desk"]
group_wait = "60s"
"""


def test_explain_says_which_channels_an_alert_would_take_and_when(desk):
    desk.channels = {}
    desk.write(ROUTES + '[channel.desk]\nurl = "console://"\n')
    (found,) = desk.lines("explain", "-", "--json", stdin=b"Storm closes the harbour\n\nShips wait.")
    routes = {way["channel"]: way["hold"] for way in found["verdicts"][0]["routes"]}
    assert routes == {"night": "quiet_hours", "mail": "digest", "desk": "group_wait"}
    said = desk.does("explain", "-", stdin=b"Storm closes the harbour\n\nShips wait.").stdout
    assert "would go to " in said and "(quiet hours)" in said
    (silent,) = desk.lines("explain", "-", "--json", stdin=b"A comet is seen\n\nAstronomers agree.")
    assert silent["verdicts"][0]["routes"] == []
