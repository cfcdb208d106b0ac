"""What people install: units, manual, lock, and a program that asks nobody anything while it is imported (O6–O9, Y1–Y5)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs import make_manual
from monitor import floors

ROOT = Path(__file__).parents[1]
UNITS = [path for path in (ROOT / "systemd").iterdir() if path.suffix in (".service", ".timer")]
SERVICES = [path for path in UNITS if path.suffix == ".service"]
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")


def keys_of(path: Path) -> dict[str, list[str]]:
    """Keys of a unit with all their values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────


def unknown_keys(path: Path) -> list[str]:
    """What systemd does not know in a unit: it says so, and calls that no failure."""
    said = subprocess.run([ANALYZE, "verify", path], capture_output=True, text=True, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if "Unknown" in line or "Failed to parse" in line]


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_knows_every_key_of_a_unit(path):
    assert unknown_keys(path) == []


@needs_systemd
def test_a_key_that_systemd_does_not_know_is_found(tmp_path):
    path = tmp_path / "wirewatch.service"
    path.write_text((ROOT / "systemd" / "wirewatch.service").read_text().replace("WatchdogSec=60", "WatchdogSecs=60"))
    assert len(unknown_keys(path)) == 1


@needs_systemd
@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_O9_a_service_is_hardened_to_1_5_or_better(path):
    command = [ANALYZE, "security", "--offline=true", "--threshold=15", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_O9_D15_a_service_sees_its_own_files_alone_and_proc_whole(path):
    keys = keys_of(path)
    assert keys["DynamicUser"] == ["yes"] and keys["UMask"] == ["0077"] and keys["StateDirectoryMode"] == ["0700"]
    assert keys["LimitCORE"] == ["0"], "a dump of the memory would hold secrets"
    assert "ProcSubset" not in keys, "it empties the metrics of the process"


def test_O5_O6_O8_systemd_waits_for_the_network_and_never_gives_up():
    keys, later = (keys_of(ROOT / "systemd" / name) for name in ("wirewatch.service", "restart-delay.conf"))
    assert "network-online.target" in keys["Wants"][0] and "network-online.target" in keys["After"][0]
    assert (keys["Restart"], keys["StartLimitIntervalSec"], keys["WatchdogSec"]) == (["always"], ["0"], ["60"])
    assert (later["RestartSteps"], later["RestartMaxDelaySec"]) == (["8"], ["5min"])
    assert int(keys["TimeoutStopSec"][0]) > 20, "longer than the daemon drains"


def test_the_timers_backups_are_made_by_the_daemons_user():
    daemon, backup = (keys_of(ROOT / "systemd" / f"{name}.service") for name in ("wirewatch", "wirewatch-backup"))
    assert backup["User"] == ["wirewatch"]  # which is what DynamicUser= calls the daemon's, after its unit
    assert set(daemon["StateDirectory"][0].split()) < set(backup["StateDirectory"][0].split())
    assert "--keep 7" in backup["ExecStart"][0]


# ── the manual, the lock ─────────────────────────────────────────────────────────────────────────


def test_the_manual_says_what_the_commands_say():
    assert make_manual.PAGE.read_text(encoding="utf-8") == make_manual.manual(), "run: python docs/make_manual.py"


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man")
def test_the_manual_can_be_read():
    done = subprocess.run(["man", "--warnings", "-l", make_manual.PAGE], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    assert done.stderr == ""
    assert all(heading in done.stdout for heading in ("SYNOPSIS", "COMMANDS", "EXIT STATUS"))


def pinned() -> dict[str, tuple[str, int]]:
    """Version and number of hashes of every line of the lock."""
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]
    found = [re.match(r"([\w.-]+)==(\S+)(.*)", line) for line in lines]
    return {canonicalize_name(one[1]): (one[2], one[3].count("--hash=sha256:")) for one in found}


def test_Y1_every_line_of_the_lock_has_hashes():
    lock = pinned()
    assert len(lock) > 50 and {name for name, (_, hashes) in lock.items() if not hashes} == set()


def required() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(one) for one in (*project["dependencies"], *sum(project["optional-dependencies"].values(), []))]


@pytest.mark.parametrize("requirement", required(), ids=lambda requirement: requirement.name)
def test_Y1_Y2_a_requirement_has_a_floor_and_the_lock_keeps_to_it(requirement):
    assert any(one.operator == ">=" for one in requirement.specifier)
    version, _ = pinned()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"the lock has {version}: see its first lines"


# ── what it needs, and whom it asks ──────────────────────────────────────────────────────────────

FLOORS = {"urllib3": "2.7", "lxml": "5", "jinja2": "3.1.6", "aiohttp": "3.12"}


@pytest.mark.parametrize("name", FLOORS)
def test_Y2_a_library_with_a_known_hole_is_locked_above_it(name):
    assert tuple(map(int, pinned()[name][0].split("."))) >= tuple(map(int, FLOORS[name].split(".")))


def test_Y2_old_libraries_of_the_system_are_told(monkeypatch):
    assert floors.too_old() == ()
    monkeypatch.setattr(floors.pyexpat, "EXPAT_VERSION", "expat_2.2.10")
    monkeypatch.setattr(floors.sqlite3, "sqlite_version", "3.34.1")
    assert floors.too_old() == (("expat", "2.2.10", "2.4.1"), ("SQLite", "3.34.1", "3.35.0"))


ASKS = """
import pkgutil, sys
reached = []
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        reached.append((event, args))
sys.addaudithook(watch)
import monitor
for found in pkgutil.walk_packages(monitor.__path__, "monitor."):
    if found.name not in ("monitor.__main__", "monitor.store.migrations.env"):
        __import__(found.name)
print(len(sys.modules), reached, sorted({"apprise", "nio", "feedparser"} & set(sys.modules)))
"""


def test_Y3_Y5_importing_every_room_asks_nobody_and_loads_no_heavy_library():
    done = subprocess.run([sys.executable, "-c", ASKS], cwd=ROOT, capture_output=True, text=True, check=True)
    number, rest = done.stdout.split(" ", 1)
    assert int(number) > 200
    assert rest.strip().startswith("[] ")
    assert "apprise" not in rest


TYPED = [("re", ["reload", "restore"]), ("restore --", ["--config"]), ("alerts ret", ["retry"])]


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_the_shell_completes_commands_and_options(typed, offered):
    program = "import sys; sys.argv = ['wirewatch']; from monitor.cli import main; main()"
    environ = {"_WIREWATCH_COMPLETE": "bash_complete", "COMP_WORDS": f"wirewatch {typed}", "COMP_CWORD": str(len(typed.split())), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, env=environ)
    assert set(offered) <= {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert all(line.partition(",")[2].startswith(typed.split()[-1]) for line in done.stdout.splitlines())
