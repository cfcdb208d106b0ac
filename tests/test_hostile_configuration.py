"""Configuration that is wrong, hostile or changing (group G of the hostile cases), as a person meets it.

Held elsewhere: G1 in test_app.py (a broken reload) and web/test_doors.py (POST /-/reload), G4–G7 of watchlists in
test_hostile_watchlists.py, G7's regular expressions do not exist here, G14 in test_canaries.py and with each sender.
"""

from __future__ import annotations

import asyncio
import os
import stat

import pytest

from monitor import reload
from monitor.app import App
from monitor.store import letters
from tests.desk import BILL, HARBOUR, Desk, rss
from tests.test_app import alerts


@pytest.fixture
def desk(tmp_path, web):
    return Desk(tmp_path, web)


def refused(desk: Desk) -> str:
    answer = desk.does("check")
    assert answer.exit_code == 65
    return answer.stderr.replace(f"{desk.config}:", "config:")


UNKNOWN = [
    ("[watchlst]\na = 1", "watchlst: unknown key"),
    ("[pollling]\ninterval = '5m'", "pollling: unknown key; did you mean 'polling'?"),
    ("[archive]\nkep = '5d'", "archive.kep: unknown key; did you mean 'keep'?"),
    ("[[feeds]]\nurl = 'https://a.example'", "feeds: unknown key; did you mean 'feed'?"),
    ("[channel.x]\nurl = 'console://'\nmin_levl = 'urgent'", "channel.x.min_levl: unknown key: the url does not name {min_levl}; did you mean 'min_level'?"),
]


@pytest.mark.parametrize(("text", "says"), UNKNOWN, ids=[says for _, says in UNKNOWN])
def test_g4_an_unknown_table_or_key_is_told_with_the_nearest(desk, text, says):
    desk.config.write_text(text)
    assert says in refused(desk)


WRONG = [
    'polling.interval = "-5m"', 'polling.interval = "0s"', 'polling.interval = nan', 'polling.interval = inf',
    'polling.interval = "1000000000d"', "polling.concurrency = 1e9", "polling.concurrency = 1000000000",
    'polling.concurrency = "8"', "polling.per_host = true", 'polling.timeout = "0s"', 'polling.host_gap = "99d"',
    'polling.max_body = "0.5MB"', "polling.allow_ports = [0]", "alerts.backlog_max = -1", 'archive.keep = "0d"',
    'alerts.story_window = "0h"', "channel.x.operator = 'false'", "channel.x.per_minute = 0", "monitor.timezone = ''",
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_g6_a_value_of_the_wrong_kind_or_size_is_told(desk, line):
    desk.config.write_text(f'channel.x.url = "console://"\n{line}\n')
    assert f"config:2: {line.split()[0]}: " in refused(desk)


MODES = [(0o644, False), (0o604, False), (0o602, False), (0o600, True), (0o640, True), (0o400, True)]


@pytest.mark.parametrize(("mode", "taken"), MODES, ids=[oct(mode) for mode, _ in MODES])
def test_g8_a_secret_that_everybody_can_reach_is_refused_with_the_remedy(desk, mode, taken):
    secret = desk.folder / "hook"
    secret.write_text("console://\n")
    secret.chmod(mode)
    desk.config.write_text("[channel.desk]\nurl = { file = 'hook' }\n")
    if taken:  # also by a group: systemd shows a credential's access list so
        assert desk.does("check").exit_code == 0
    else:
        assert f"run: chmod 600 {secret}" in refused(desk)


def test_g8_a_secret_in_a_configuration_that_everybody_can_read_is_told(desk):
    desk.config.write_text('[channel.desk]\nurl = "json://u:{password}@127.0.0.1"\npassword = "in clear"\n')
    desk.config.chmod(0o644)
    answer = desk.does("check")
    assert answer.exit_code == 0 and f"chmod 600 {desk.config}" in answer.stderr
    desk.config.chmod(0o600)
    assert "chmod" not in desk.does("check").stderr


def test_g10_a_feed_that_is_removed_and_comes_back_floods_nobody(desk, clock):
    desk.feed("gazette", rss(BILL, "A quay is built"))

    async def live():
        async with App(reload.read_all(desk.config), clock=clock) as app:
            await app.poll()
            before = len(alerts(app))
            kept, desk.feeds = desk.feeds, {}
            desk.write()
            assert (await app.reload_all()).ok
            clock.passes(days=29)
            desk.feeds = kept
            desk.write()
            assert (await app.reload_all()).ok
            (fact,) = await app.poll(everything=True)
            return before, len(alerts(app)), fact.new

    assert asyncio.run(live()) == (2, 2, 0)


def test_g11_what_is_being_sent_during_a_reload_ends_under_the_old_configuration(desk, monkeypatch):
    desk.feed("gazette", rss(BILL))

    async def live():
        async with App(reload.read_all(desk.config)) as app:
            begun, goes_on = asyncio.Event(), asyncio.Event()
            old = app._senders["desk"]
            send = old.send

            async def slowly(delivery):
                begun.set()
                await goes_on.wait()
                return await send(delivery)

            old.send = slowly
            polling = asyncio.create_task(app.poll())
            await begun.wait()
            desk.write(more="[archive]\nkeep = '30d'\n")
            assert (await app.reload_all()).ok and app._senders["desk"] is not old
            goes_on.set()
            await polling
            with app.database.read() as tx:
                return letters.depth(tx)

    assert asyncio.run(live()) == {"delivered": 1}


def test_g12_mistakes_of_the_configuration_hide_none_of_the_watchlists_and_the_other_way_round(desk):
    desk.write(more='[archive]\nkep = "5d"\n[channel.odd]\nurl = "nonsense://x"\n')
    desk.watchlist("harbour", HARBOUR.replace("threshold", "treshold")).watchlist("quays", "x")
    said = refused(desk)
    for place in ("archive.kep: ", "channel.odd.url: ", "harbour.toml:2: treshold: ", "quays.toml:1: file: "):
        assert place in said
    assert desk.does("run").exit_code == desk.does("poll").exit_code == 65


def test_g12_one_mistake_hides_no_other(desk):
    desk.write(more="""[[feed]]
url = "https://a.example/feed"
[[feed]]
url = "https://a.example/feed"
[channel.screen]
url = "console://"
min_levle = "urgent"
quiet_hours = "22:00-6"
[[route]]
watchlists = ["hrbour"]
channels = ["screen"]
""")
    desk.watchlist("harbour", HARBOUR).watchlist("quays", HARBOUR.replace("weight", "wieght").replace("threshold", "urgent = 1\nthreshold"))
    said = refused(desk)
    for mistake in ("is the url of the feed in line", "min_levle: unknown key", "quiet_hours: expected", "called 'hrbour'", "wieght: unknown", "quays.toml:1: title: ", "urgent: is 1; expected more"):
        assert mistake in said


def test_g12_broken_toml_hides_no_watchlist(desk):
    desk.config.write_text("[polling\n")
    desk.watchlist("harbour", HARBOUR.replace("threshold", "treshold"))
    said = refused(desk)
    assert "config:1: " in said and "harbour.toml:2: treshold: " in said


def test_g13_nothing_in_a_configuration_is_expanded(desk, monkeypatch):
    monkeypatch.setenv("HOME_OF_TESTS", "expanded")
    desk.config.write_text("[monitor]\ndatabase = '${HOME_OF_TESTS}/$HOME_OF_TESTS/~.db'\nopml = []\n")
    assert reload.read_all(desk.config).config.database == str(desk.folder / "${HOME_OF_TESTS}/$HOME_OF_TESTS/~.db")


def odd_file(folder, kind: str):
    path = folder / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
def test_g15_a_configuration_that_is_no_file_is_refused_at_once(desk, kind):
    desk.config.unlink()
    odd_file(desk.folder, kind).rename(desk.config)
    for command in ("check", "poll", "run", "status"):
        answer = desk.does(command)
        assert answer.exit_code == 65 and f"config.toml:1: file: is a {kind}; expected a regular file" in answer.stderr


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
@pytest.mark.parametrize("line", ["[monitor]\nopml = ['odd']", "[channel.x]\nurl = { file = 'odd' }", "[monitor]\nheartbeat = { file = 'odd' }"])
def test_g15_what_a_configuration_names_is_a_file_too(desk, kind, line):
    odd = odd_file(desk.folder, kind)
    assert not stat.S_ISREG(odd.stat().st_mode)
    desk.config.write_text(line)
    assert "is no regular file" in refused(desk)
