import os
from datetime import timedelta

import pytest

from monitor.config import default_config, find_config, load_config, test_hooks
from monitor.errors import ConfigError
from monitor.model import Level

FULL = """\
[monitor]
timezone = "Europe/Berlin"
[polling]
interval = "10m"
contact = "desk@example.org"
[[feed]]
url = "https://www.gazette.example/world/rss.xml"
tags = ["uk"]
headers = { Authorization = { env = "PAYWALL" } }
[[feed]]
url = "https://herald.example/feed"
name = "herald"
interval = "1h"
[channel.desk]
url = "matrixs://bot:{password}@matrix.example/!room:example"
password = { env = "ROOM_PASSWORD" }
[channel.mail]
url = { credential = "mail" }
min_level = "urgent"
[[route]]
watchlists = ["dprk-*"]
channels = ["desk"]
group_wait = "30s"
continue = true
"""
ENVIRONMENT = {"EMPTY": "", "PAYWALL": "Bearer c4nary", "ROOM_PASSWORD": "p@ss/wörd"}


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def credentials(tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "mail").write_text("mailto://localhost?to=a@example.org\n")
    (folder / "mail").chmod(0o400)
    return {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(folder)}


def problems(path, environ=ENVIRONMENT):
    with pytest.raises(ConfigError) as refused:
        load_config(path, environ)
    return [str(problem).removeprefix(f"{path}:") for problem in refused.value.problems]


def test_a_full_file_is_understood(write, credentials, tmp_path):
    config = load_config(write(FULL), credentials)
    gazette, herald = config.feeds
    assert (gazette.name, gazette.interval, gazette.headers) == ("gazette-example-world", timedelta(minutes=10), (("Authorization", "Bearer c4nary"),))
    assert (herald.name, herald.interval) == ("herald", timedelta(hours=1))
    desk, mail = config.channels
    assert desk.url.get_secret_value() == "matrixs://bot:p%40ss%2Fw%C3%B6rd@matrix.example/!room:example"
    assert mail.url.get_secret_value() == "mailto://localhost?to=a@example.org"
    (route,) = config.routes
    assert (route.watchlists, route.group_wait, route.continues, route.min_level) == (("dprk-*",), timedelta(seconds=30), True, Level.NORMAL)
    assert (config.database, config.watchlists, str(config.zone)) == (str(tmp_path / "wirewatch.db"), tmp_path / "watchlists", "Europe/Berlin")


def test_an_empty_file_is_all_defaults(write):
    config = load_config(write(""), {})
    assert (config.polling.interval, config.alerts.backlog_max, config.web.listen) == (timedelta(minutes=30), 10, "127.0.0.1:8585")


MISTAKES = [
    ("an unknown key, with the nearest one", '[polling]\nintervall = "5m"', "2: polling.intervall: ", "did you mean 'interval'"),
    ("an unknown table", '[watchlst]\na = 1', "1: watchlst: ", "unknown"),
    ("a duration without a unit", '[polling]\ninterval = "30"', "2: polling.interval: ", "duration"),
    ("a number where a duration belongs", "[polling]\ninterval = 30", "2: polling.interval: ", "quotation marks"),
    ("a text where a number belongs", '[polling]\nconcurrency = "8"', "2: polling.concurrency: ", "number"),
    ("a number out of range", "[polling]\nconcurrency = 0", "2: polling.concurrency: ", "1"),
    ("a time zone that is none", '[monitor]\ntimezone = "Mars/Olympus"', "2: monitor.timezone: ", "Europe/London"),
    ("a feed without an address", '[[feed]]\nname = "a"', "1: feed.url: ", "missing"),
    ("a feed that is no web address", '[[feed]]\nurl = "file:///etc/passwd"', "2: feed.url: ", "http://"),
    ("two feeds of one name", '[[feed]]\nurl = "https://a.example/1"\nname = "x"\n[[feed]]\nurl = "https://a.example/2"\nname = "x"', "6: feed.name: ", "line 3"),
    ("the same feed twice", '[[feed]]\nurl = "https://a.example/1"\nname = "x"\n[[feed]]\nurl = "https://a.example/1"\nname = "y"', "5: feed.url: ", "line 2"),
    ("a route to a channel that is not there", '[channel.desk]\nurl = "console://"\n[[route]]\nchannels = ["desc"]', "4: route.channels: ", "desk"),
    ("quiet hours that never end", '[channel.desk]\nurl = "console://"\nquiet_hours = "22:00-22:00"', "3: channel.desk.quiet_hours: ", "two different times"),
    ("a placeholder without its key", '[channel.desk]\nurl = "mailto://u:{password}@a.example"', "2: channel.desk.url: ", "{password}"),
    ("a key that no placeholder names", '[channel.desk]\nurl = "console://"\npasword = "x"', "3: channel.desk.pasword: ", "does not name {pasword}"),
    ("… with the nearest key", '[channel.desk]\nurl = "console://"\nquiet_hour = "x"', "3: channel.desk.quiet_hour: ", "did you mean 'quiet_hours'"),
    ("a placeholder's secret that is none", '[channel.desk]\nurl = "mailto://u:{password}@a.example"\npassword = { env = "A", file = "b" }', "3: channel.desk.password: ", "expected text, or one of"),
    ("a secret that is empty", '[channel.desk]\nurl = { env = "EMPTY" }', "2: channel.desk.url: ", "empty"),
    ("a header of two lines", '[[feed]]\nurl = "https://a.example/"\nheaders = { A = "x\\r\\nB: y" }', "3: feed.headers.A: ", "on one line"),
    ("a port that is none", "[polling]\nallow_ports = [80, 70000]", "2: polling.allow_ports: ", "65535"),
    ("no time at all", '[polling]\ntimeout = "0s"', "2: polling.timeout: ", "1s"),
    ("a route that is never reached", '[channel.desk]\nurl = "console://"\n[[route]]\nchannels = ["desk"]\n[[route]]\nwatchlists = ["a-*"]\nchannels = ["desk"]', "5: route: ", "line 3"),
    ("an address of the page that is none", '[alerts]\nbase_url = "alerts.example.org"', "2: alerts.base_url: ", "http"),
    ("a token that can be guessed", '[web]\ntoken = "short"', "2: web.token: ", "16"),
    ("an environment variable that is not set", '[channel.desk]\nurl = { env = "NOT_SET" }', "2: channel.desk.url: ", "NOT_SET"),
    ("a secret from two places", '[channel.desk]\nurl = { env = "A", file = "b" }', "2: channel.desk.url: ", "exactly one"),
    ("a secret file that is missing", '[channel.desk]\nurl = { file = "none" }', "2: channel.desk.url: ", "none"),
    ("a status page for the whole world", '[web]\nlisten = "0.0.0.0:80"', "2: web.listen: ", "token"),
    ("intervals in the wrong order", '[polling]\ninterval = "1m"', "1: polling: ", "min_interval"),
    ("broken TOML", "[polling\n", "1: ", "TOML"),
    ("a language that is none", '[monitor]\nlanguage = "English"', "2: monitor.language: ", "is 'English'; expected a language's code"),
    ("a feed's name with a space", '[[feed]]\nurl = "https://a.example/"\nname = "a b"', "3: feed.name: ", "is 'a b'; expected letters"),
    ("a time without its zero", '[channel.desk]\nurl = "console://"\ndigest = ["8:00"]', "3: channel.desk.digest: ", "is '8:00'; expected a time"),
    ("a contact of two lines", '[polling]\ncontact = "a\\nb"', "2: polling.contact: ", "expected one line"),
    ("a date where a duration belongs", "[polling]\ninterval = 2020-01-01", "2: polling.interval: ", "is 2020-01-01"),
    ("a database without a name", '[monitor]\ndatabase = ""', "2: monitor.database: ", "must not be empty"),
    ("an OPML file that is missing", '[monitor]\nopml = ["none.opml"]', "", "none.opml"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "begins", "holds"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_told_with_its_line_and_what_was_expected(write, text, begins, holds):
    (said,) = problems(write(text))
    assert said.startswith(begins)
    assert holds in said


def test_all_mistakes_are_told_at_once(write):
    assert len(problems(write('[polling]\nintervall = "5m"\n[monitor]\ntimezone = "Mars"\n'))) == 2


def test_a_secret_file_that_everybody_can_read_is_refused_with_the_remedy(write, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("console://")
    secret.chmod(0o644)
    (said,) = problems(write('[channel.desk]\nurl = { file = "secret" }'))
    assert f"chmod 600 {secret}" in said
    secret.chmod(0o600)
    assert load_config(write('[channel.desk]\nurl = { file = "secret" }'), {}).channels[0].url.get_secret_value() == "console://"


def test_no_secret_is_in_an_error_or_a_repr(write):
    text = FULL.replace('url = { credential = "mail" }', 'url = "slack://T/B/C4NARY"\nquiet_hours = "C4NARY"')
    assert "C4NARY" not in "".join(problems(write(text)))
    assert "C4NARY" not in "".join(problems(write('[[feed]]\nurl = "https://a.example/"\nheaders = { A = ["C4NARY"] }')))
    text = '[channel.desk]\nurl = "slack://T/B/C4NARY"\n[[feed]]\nurl = "https://a.example/"\nheaders = { A = "C4NARY" }'
    assert "C4NARY" not in repr(load_config(write(text), {}))


def test_opml_feeds_join_the_others_once_with_their_folders_as_tags(write, tmp_path):
    (tmp_path / "more.opml").write_text(
        '<opml version="2.0"><body><outline text="Asia"><outline text="Herald" xmlUrl="https://herald.example/feed"/></outline>'
        '<outline text="Again" xmlUrl="https://a.example/1"/></body></opml>'
    )
    config = load_config(write('[monitor]\nopml = ["more.opml"]\n[[feed]]\nurl = "https://a.example/1"'), {})
    assert [(feed.url, feed.outlet, feed.tags) for feed in config.feeds] == [
        ("https://a.example/1", None, ()),
        ("https://herald.example/feed", "Herald", ("Asia",)),
    ]


def test_domains_of_articles_are_names_and_nothing_else(write):
    feed = '[[feed]]\nurl = "https://a.example/1"\narticle_domains = ["{}"]'
    assert load_config(write(feed.format("BBC.co.uk")), {}).feeds[0].article_domains == ("bbc.co.uk",)
    for wrong in ("https://bbc.com", "bbc", "bbc.com/news", "*.bbc.com", ""):
        with pytest.raises(ConfigError, match="expected a domain such as"):
            load_config(write(feed.format(wrong)), {})


def test_a_channel_to_which_no_route_leads_is_told_as_a_warning(write):
    config = load_config(write('[channel.a]\nurl = "console://"\n[channel.b]\nurl = "json://h"\n[[route]]\nchannels = ["a"]'), {})
    assert [(one.line, one.says) for one in config.warnings] == [(4, "no route leads here, and it is no operator's: nothing is sent to it")]


REACHED = [
    ("quieter alerts pass the louder route", 'min_level = "urgent"\nwatchlists = ["a-*"]', 'watchlists = ["a-*"]'),
    ("it goes on", 'continue = true', 'watchlists = ["a-*"]'),
    ("a narrower glob", 'watchlists = ["a-b*"]', 'watchlists = ["a-*"]'),
    ("only one of two names", 'watchlists = ["a"]', 'watchlists = ["a", "b"]'),
    ("a sign that stands for one letter", 'watchlists = ["a?"]', 'watchlists = ["a*"]'),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in REACHED], ids=[case[0] for case in REACHED])
def test_a_route_that_something_may_reach_is_no_mistake(write, first, second):
    route = '[[route]]\nchannels = ["a"]\n'
    assert len(load_config(write(f'[channel.a]\nurl = "console://"\n{route}{first}\n{route}{second}\n'), {}).routes) == 2


def test_a_token_opens_the_page_beyond_this_host(write, tmp_path):
    text = '[web]\nlisten = "0.0.0.0:8585"\ntoken = { file = "token" }'
    (tmp_path / "token").write_text("a-token-of-some-length\n")
    (tmp_path / "token").chmod(0o600)
    config = load_config(write(text), {})
    assert config.token.get_secret_value() == "a-token-of-some-length" and "a-token-of-some-length" in config.secrets
    assert "a-token" not in repr(config)


MANY = """\
[polling]
intervall = "5m"
timeout = "0s"
concurrency = 8
[web]
listen = "0.0.0.0:80"
[[feed]]
url = "https://a.example/1"
name = "x"
[[feed]]
url = "gopher://a.example/2"
[[feed]]
url = "https://a.example/3"
name = "x"
[channel.desk]
url = "console://"
quiet_hours = "22:00"
[[route]]
channels = ["desk", "dsk"]
"""


def test_what_crosses_tables_is_told_beside_what_is_wrong_in_one(write):
    said = problems(write(MANY))
    begins = ("2: polling.intervall", "3: polling.timeout", "6: web.listen", "11: feed.url", "14: feed.name", "17: channel.desk.quiet_hours", "19: route.channels")
    assert [one.startswith(begin) for one, begin in zip(said, begins, strict=True)] == [True] * 7


def test_the_file_is_found_by_option_environment_or_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.example\.toml"):
        find_config(None, {})
    (tmp_path / "config.toml").write_text("")
    assert str(find_config(None, {})) == "config.toml"
    assert str(find_config(None, {"WIREWATCH_CONFIG": "b.toml"})) == "b.toml"
    assert str(find_config("c.toml", {"WIREWATCH_CONFIG": "b.toml"})) == "c.toml"


def test_without_a_file_all_defaults_hold(tmp_path):
    assert default_config(tmp_path, {}).watchlists == tmp_path / "watchlists"


def test_test_hooks_are_off_unless_asked_for():
    assert test_hooks({"WIREWATCH_NOW": "2026-08-18T00:00:00+00:00"}).now is None
    assert test_hooks({"WIREWATCH_TEST_HOOKS": "1", "WIREWATCH_NOW": "2026-08-18T00:00:00+00:00"}).now.year == 2026


def test_the_environment_of_this_process_is_the_default(write, monkeypatch):
    monkeypatch.setitem(os.environ, "ROOM_URL", "console://")
    assert load_config(write('[channel.desk]\nurl = { env = "ROOM_URL" }')).channels[0].url.get_secret_value() == "console://"


def test_a_channel_asks_before_it_sends_again_only_where_a_second_copy_could_show(write):
    config = load_config(write('[channel.desk]\nurl = "console://"\nambiguous = "hold"'), {})
    (channel,) = config.channels
    assert (channel.record().holds_doubt, channel.record(idempotent=True).holds_doubt) == (True, False)


@pytest.mark.parametrize(("url", "secret"), [("json://desk:s3cret@h/x", True), ("tgram://123:token/456", True), ("mailto://localhost?to=a@example.org", False), ("json://h/x", False)])
@pytest.mark.parametrize(("mode", "is_open"), [(0o644, True), (0o640, False)])
def test_an_address_with_a_secret_in_it_stands_in_no_file_that_everybody_can_read(write, url, secret, mode, is_open):
    path = write(f'[channel.desk]\nurl = "{url}"')
    path.chmod(mode)
    said = [problem.says for problem in load_config(path, {}).warnings]
    assert any("everybody can read; run: chmod 600" in one for one in said) is (secret and is_open)


def test_L19_two_channels_with_one_address_are_told_as_a_warning(write):
    config = load_config(write('[channel.desk]\nurl = "json://h/x"\n[channel.also]\nurl = "json://h/x"'), {})
    assert [(problem.line, problem.says) for problem in config.warnings] == [(4, "is the address of channel 'desk', too: two messages")]
