"""The service under a real systemd: installed as docs/operations.md says, word for word, then started, reloaded, killed,
hung and stopped.

One machine, one installation; the tests are in the order in which one would try it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.desk import HARBOUR, rss
from tests.fakes import FakeHttp
from tests.fakeweb import FakeWeb
from tests.machine import Machine

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("service")]

ROOT = Path(__file__).parents[1]
CONFIG = """\
[monitor]
database = "/var/lib/wirewatch/wirewatch.db"
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
interval = "10m"
min_interval = "1s"
[web]
listen = ""
[[feed]]
name = "gazette"
url = "{gazette}"
interval = "1s"
[[feed]]
name = "slow"
url = "{slow}"
[channel.hook]
url = {{ credential = "hook" }}
[[route]]
channels = ["hook"]
group_wait = "0s"
"""
# What only a test wants: patience of seconds where people have minutes.
HURRIED = "[Service]\nWatchdogSec=6\nTimeoutAbortSec=2\nRestartSec=100ms\nLoadCredential=hook:/etc/wirewatch/credentials/hook\n"
ODD = b"<?xml version='1.0'?><rss version='2.0'><channel><title>Odd & unescaped</title><item><title>Odd & ends</title></item></channel></rss>"


class Installation:
    """The machine, and what it polls and delivers to."""

    def __init__(self, machine: Machine, web: FakeWeb, hook: FakeHttp):
        self.machine, self.web, self.hook = machine, web, hook
        self.published: list[str] = []

    def publishes(self, title: str) -> None:
        """A story more in the feed."""
        self.published.insert(0, title)
        self.web.page("/gazette").says(200, rss(*self.published))

    def told(self) -> list[str]:
        """Titles that arrived, in order; a title may come more than once."""
        found = [re.findall("|".join(map(re.escape, self.published)), json.dumps(request.json)) for request in self.hook.requests]
        return [titles[0] for titles in found if titles]

    def tells(self, title: str) -> None:
        """Publish a story and wait until it is told."""
        self.publishes(title)
        self.machine.wait_until(lambda: title in self.told())

    def main_pid(self) -> str:
        return self.machine.shows("wirewatch", "MainPID")["MainPID"]

    def log(self) -> list[dict]:
        """What the daemon said, by the journal."""
        said = self.machine.does("journalctl -u wirewatch -o cat --no-pager").stdout
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    if reason := Machine.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("machine")
    with Machine(folder) as machine, FakeWeb() as web, FakeHttp() as hook:
        yield Installation(machine, web, hook)


def install_commands() -> list[list[str]]:
    """The two blocks of commands under "Install", line by line."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text.split("\n## Install\n")[1].split("### First start")[0], re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks[:2]]


def put_sources(machine: Machine) -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    unpack = ["tar", "-x", "-C", str(machine.root / "srv")]
    packed = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=files, capture_output=True, check=True).stdout
    subprocess.run(unpack, input=packed, check=True)


def test_the_ten_commands_of_the_documentation_make_a_running_service(service):
    machine = service.machine
    put_sources(machine)
    install, start = install_commands()
    assert len(install) + len(start) <= 10
    for command in install:
        machine.does(f"cd /srv && {command}")
    service.web.page("/slow").says(200, ODD)
    service.publishes("Ministers open the new harbour of Vaubrun")
    config = CONFIG.format(gazette=service.web.url("/gazette"), slow=service.web.url("/slow"))
    for path, text in (
        ("etc/wirewatch/config.toml", config),
        ("etc/wirewatch/watchlists/harbour.toml", HARBOUR),
        ("etc/wirewatch/credentials/hook", service.hook.url),
        ("etc/systemd/system/wirewatch.service.d/test.conf", HURRIED),
    ):
        (machine.root / path).parent.mkdir(exist_ok=True, mode=0o700 if "credentials" in path else 0o755)
        (machine.root / path).write_text(text, encoding="utf-8")
    machine.does("chmod 600 /etc/wirewatch/credentials/hook")
    for command in start:
        machine.does(command, CREDENTIALS_DIRECTORY="/etc/wirewatch/credentials")
    shown = machine.shows("wirewatch", "ActiveState", "SubState", "StatusText", "Type", "NRestarts")
    assert shown == {"ActiveState": "active", "SubState": "running", "StatusText": "2 feeds, 4 watchlists", "Type": "notify", "NRestarts": "0"}
    assert "wirewatch-backup.timer" in machine.does("systemctl list-timers --no-pager").stdout
    verified = machine.does("cd /etc/systemd/system && systemd-analyze verify wirewatch.service wirewatch-backup.service wirewatch-backup.timer 2>&1")
    assert [line for line in verified.stdout.splitlines() if "wirewatch" in line] == []


def test_it_polls_and_delivers_by_a_credential_under_all_the_hardening(service):
    service.machine.wait_until(lambda: service.told() == ["Ministers open the new harbour of Vaubrun"])
    service.machine.wait_until(lambda: [fact for fact in service.log() if fact.get("feed") == "slow"])
    assert {fact.get("error") for fact in service.log() if fact.get("feed") == "slow"} == {None}, "the child that reads odd feeds works, too"


def test_D15_O9_its_files_are_its_own_and_nobody_elses(service):
    said = service.machine.does("stat -c '%a %U %n' /var/lib/private/wirewatch /var/lib/private/wirewatch/*").stdout
    modes = {line.split()[2].rsplit("/", 1)[1]: line.split()[:2] for line in said.splitlines()}
    owners = {owner for _, owner in modes.values()}
    assert owners == {"wirewatch"}
    assert modes["wirewatch"][0] == "700"
    assert {name: mode for name, (mode, _) in modes.items() if name not in ("wirewatch", "backups") and mode != "600"} == {}
    assert {"wirewatch.db", "wirewatch.db-wal", "wirewatch.db-shm", "wirewatch.db.ballast", "state.marker"} <= modes.keys()


def test_G1_a_good_reload_is_in_force_when_the_command_returns(service):
    machine = service.machine
    extra = HARBOUR.replace("harbour", "lighthouse").replace("quay", "beacon")
    (machine.root / "etc/wirewatch/watchlists/lighthouse.toml").write_text(extra, encoding="utf-8")
    machine.does("systemctl reload wirewatch")
    assert machine.shows("wirewatch", "StatusText", "ActiveState") == {"StatusText": "2 feeds, 5 watchlists", "ActiveState": "active"}


def test_G1_a_reload_of_what_is_no_toml_fails_and_the_daemon_says_so(service):
    machine, config = service.machine, service.machine.root / "etc/wirewatch/config.toml"
    good = config.read_text(encoding="utf-8")
    config.write_text("[[[", encoding="utf-8")
    assert machine.does("systemctl reload wirewatch", check=False).returncode != 0
    machine.wait_until(lambda: "last reload refused: /etc/wirewatch/config.toml:1:" in machine.shows("wirewatch", "StatusText")["StatusText"])
    config.write_text(good, encoding="utf-8")
    machine.does("systemctl reload wirewatch")


def test_G1_a_bad_reload_fails_says_where_and_leaves_the_old_in_force(service):
    machine, config = service.machine, service.machine.root / "etc/wirewatch/config.toml"
    good = config.read_text(encoding="utf-8")
    config.write_text(good.replace('interval = "1s"', 'intervall = "1s"'), encoding="utf-8")
    assert machine.does("systemctl reload wirewatch", check=False).returncode != 0
    shown = machine.shows("wirewatch", "StatusText", "ActiveState")
    assert shown["ActiveState"] == "active"
    assert shown["StatusText"].startswith("2 feeds, 5 watchlists; last reload refused: /etc/wirewatch/config.toml:")
    assert "intervall" in machine.does("journalctl -u wirewatch -o cat --no-pager -n 20").stdout
    service.tells("Pilots strike at every harbour over night shifts")
    config.write_text(good, encoding="utf-8")
    machine.does("systemctl reload wirewatch")
    assert machine.shows("wirewatch", "StatusText")["StatusText"] == "2 feeds, 5 watchlists"


def test_O10_the_operators_commands_work_beside_it_as_root(service):
    machine = service.machine
    environ = {"CREDENTIALS_DIRECTORY": "/etc/wirewatch/credentials"}
    assert json.loads(machine.does("wirewatch status --json", check=False, **environ).stdout)["running"] is True
    assert len(machine.does("wirewatch alerts --json", **environ).stdout.splitlines()) == 2
    assert "another wirewatch" in machine.does("wirewatch poll 2>&1", check=False, **environ).stdout


def test_kill_9_brings_it_back_and_nothing_is_lost_or_told_twice(service):
    machine, before = service.machine, service.main_pid()
    machine.does(f"kill -9 {before}")
    service.publishes("A crane falls on the quay, two hurt")
    machine.wait_until(lambda: service.main_pid() not in (before, "0"))
    machine.wait_until(lambda: "A crane falls on the quay, two hurt" in service.told())
    assert len(service.told()) == len(set(service.told())) == 3


def test_O5_O6_a_daemon_that_hangs_is_killed_and_started_again_and_again(service):
    machine = service.machine
    assert machine.shows("wirewatch", "StartLimitIntervalUSec") == {"StartLimitIntervalUSec": "0"}
    for title in ("Divers find a bell in the harbour mud", "Electric tugs arrive at the quay of Shiomi"):
        before = service.main_pid()
        machine.does(f"kill -STOP {before}")
        machine.wait_until(lambda before=before: service.main_pid() not in (before, "0"))
        service.tells(title)
    assert "Watchdog timeout" in machine.does("journalctl -u wirewatch -o cat --no-pager").stdout
    assert len(service.told()) == len(set(service.told()))


def test_O6_seven_kills_in_a_row_do_not_make_systemd_give_up(service):
    machine = service.machine
    for _ in range(7):
        before = service.main_pid()
        machine.does(f"kill -9 {before}")
        machine.wait_until(lambda before=before: service.main_pid() not in (before, "0"))
    service.tells("Whales stray into a harbour basin, crowds gather")


def test_the_timers_backup_is_whole_and_restores_beside_nobody(service):
    machine = service.machine
    machine.does("systemctl start wirewatch-backup.service")
    (made,) = machine.does("ls /var/lib/wirewatch/backups").stdout.split()
    refused = machine.does(f"wirewatch restore /var/lib/wirewatch/backups/{made}", check=False)
    assert refused.returncode == 73 and service.main_pid() in refused.stderr
    machine.does("systemctl stop wirewatch")
    machine.does(f"wirewatch restore /var/lib/wirewatch/backups/{made}")
    machine.does("systemctl start wirewatch")
    service.tells("Old harbour chapel to become a library")
    assert len(service.told()) == len(set(service.told()))


def test_O1_a_stop_drains_and_ends_well(service):
    machine = service.machine
    service.hook.holds_answers()
    service.publishes("Quay rents rise by a third, traders protest")
    machine.wait_until(lambda: service.hook.requests and "Quay rents" in json.dumps(service.hook.requests[-1].json))
    machine.does("systemctl stop --no-block wirewatch")
    machine.wait_until(lambda: machine.shows("wirewatch", "ActiveState")["ActiveState"] == "deactivating")
    service.hook.gives_answers()
    machine.wait_until(lambda: machine.shows("wirewatch", "ActiveState")["ActiveState"] == "inactive")
    shown = machine.shows("wirewatch", "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    machine.does("systemctl start wirewatch")
    service.tells("Customs seize ivory in harbour warehouse")
    assert service.told().count("Quay rents rise by a third, traders protest") == 1


def test_O11_an_upgrade_while_stories_come_loses_nothing_and_tells_nothing_twice(service):
    machine = service.machine
    service.publishes("Ferry line leaves harbour of Lagune after decades")
    machine.does("systemctl stop wirewatch")
    service.publishes("Storm surge floods quay restaurants")
    machine.does("cd /srv && /opt/wirewatch/bin/pip install -q --no-deps --force-reinstall .")
    machine.does("systemctl start wirewatch")
    service.tells("Court stops dredging near harbour reef")
    machine.wait_until(lambda: set(service.published) == set(service.told()))
    assert len(service.told()) == len(set(service.told()))
