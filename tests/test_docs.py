"""The documentation is true: what it names exists, and what exists is named, with its default.

Reads README.md, CHANGELOG.md, config.example.toml and docs/ beside the program itself.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from monitor import __version__, cli, config_example, ingest
from monitor.channels import open_senders
from monitor.config import (
    AlertsSection,
    ArchiveSection,
    ChannelSection,
    ConfigFile,
    FeedSection,
    MonitorSection,
    PollingSection,
    RouteSection,
    WebSection,
    load_config,
)
from monitor.errors import ConfigError
from monitor.model import ArticleRead, Attempted, Backfilled, DeliveryStatus, FeedChecked, FeedStatus, NetworkChanged, Reason, Reloaded, Swept

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = {path.name: path.read_text(encoding="utf-8") for path in FILES}
CONFIGURATION, OPERATIONS = PAGES["configuration.md"], PAGES["operations.md"]
EXAMPLE = ROOT / "config.example.toml"

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)


def fenced(page: str, language: str | None = None) -> list[str]:
    """Code blocks of a page; `language` is what stands behind the opening fence."""
    return [body for _, said, body in FENCE.findall(page) if language is None or said == language]


def spans(page: str) -> list[str]:
    """Code within the sentences of a page."""
    return SPAN.findall(FENCE.sub("", page))


def section(page: str, heading: str) -> str:
    """What stands under a heading, down to the next one of any depth."""
    assert f"\n{heading}\n" in page, f"no heading {heading}"
    return re.split(r"^#+ ", page.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, list[str]]:
    """A table's rows by the code in their first cell; the other cells as written."""
    found = ROW.findall(text.replace("| |", "|  |"))
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in found}


# ── config.toml ──────────────────────────────────────────────────────────────────────────────────

TABLES = {
    "monitor": ("### `[monitor]`", MonitorSection),
    "polling": ("### `[polling]`", PollingSection),
    "alerts": ("### `[alerts]`", AlertsSection),
    "archive": ("### `[archive]`", ArchiveSection),
    "web": ("### `[web]`", WebSection),
    "feed": ("### `[[feed]]`", FeedSection),
    "channel": ("### `[channel.NAME]`", ChannelSection),
    "route": ("### `[[route]]`", RouteSection),
}
SINGLE = ("monitor", "polling", "alerts", "archive", "web")
NEEDED = {"feed": {"url": "https://a.example/"}, "channel": {"url": "console://"}, "route": {"channels": ("a",)}}
KEYS = [
    pytest.param(table, option.alias or name, name, id=f"{table}.{option.alias or name}")
    for table, (_, model) in TABLES.items()
    for name, option in model.model_fields.items()
]


def keys_of(table: str) -> set[str]:
    return {option.alias or name for name, option in TABLES[table][1].model_fields.items()}


def documented(table: str) -> dict[str, list[str]]:
    return rows(section(CONFIGURATION, TABLES[table][0]))


def test_every_table_of_the_configuration_is_known_here():
    assert set(TABLES) == set(ConfigFile.model_fields)


@pytest.mark.parametrize(("table", "key", "name"), KEYS)
def test_a_key_is_documented_with_its_default(table, key, name):
    kind, default, says = documented(table)[key]
    option = TABLES[table][1].model_fields[name]
    assert kind and says
    if option.is_required():
        assert default == "must be given"
    elif option.default is None:
        assert not default.startswith("`") or default.endswith("]`"), f"{default}, but there is no value by default"
    else:
        written = tomllib.loads(f"v = {default.strip('`')}")["v"]
        model = TABLES[table][1].model_validate(NEEDED.get(table, {}) | {key: written})
        assert getattr(model, name) == option.default


@pytest.mark.parametrize("table", TABLES)
def test_no_key_is_documented_that_does_not_exist(table):
    assert documented(table).keys() == keys_of(table)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_an_example(table):
    (example, *_) = fenced(section(CONFIGURATION, TABLES[table][0]), "toml")
    assert table in tomllib.loads(example)


@pytest.mark.parametrize("table", SINGLE)
def test_the_example_file_shows_every_key_with_its_default(table):
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))[table]
    assert shown.keys() == keys_of(table)
    model = TABLES[table][1]
    shown.pop("contact", None)  # an example; by default there is none
    assert model.model_validate(shown) == model()


def test_the_example_file_is_made_from_the_declarations():
    """`python -m monitor.config_example > config.example.toml` makes it current."""
    assert EXAMPLE.read_text(encoding="utf-8") == config_example.example()


def test_what_the_example_file_shows_as_comments_is_right_too(tmp_path):
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    told = [re.sub(r"^#(?=[a-z\[])", "", line) for line in lines]
    for key in ("heartbeat", "token"):  # shown once as they are by default, and once as secrets
        told = [line for line in told if not re.match(rf'{key} *= "', line)]
    for name, secret in (("heartbeat", "https://hc.example.org/1"), ("secrets/desk-slack", "slack://T00000000/B00000000/abcdefghijklmnopqrstuvwx")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text("\n".join(told), encoding="utf-8")
    config = load_config(path, {**ENVIRONMENT, "MATRIX_PASSWORD": "p@ss", "STATUS_TOKEN": "0123456789abcdef"})
    assert len(config.feeds) == 3 and len(open_senders(config.channels, path)) == 6


def test_the_example_file_loads_and_its_channels_open():
    config = load_config(EXAMPLE, {})
    assert config.warnings == ()
    assert open_senders(config.channels, EXAMPLE).keys() == {"screen"}


EXAMPLES = [
    pytest.param(block, id=f"{name}-{number}")
    for name in ("README.md", "configuration.md", "operations.md")
    for number, block in enumerate(fenced(PAGES[name], "toml"))
    if "[[term]]" not in block
]
ENVIRONMENT = {"STATUS_TOKEN": "0123456789abcdef", "SMTP_PASSWORD": "p@ss word", "WIRE_TOKEN": "Bearer abcdef"}


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_of_the_configuration_loads_and_its_channels_open(block, tmp_path):
    (tmp_path / "more.opml").write_text("<opml><body/></opml>", encoding="utf-8")
    for secret in ("secrets/matrix-password", "desk-slack"):
        path = tmp_path / secret
        path.parent.mkdir(exist_ok=True)
        path.write_text("slack://T00000000/B00000000/abcdefghijklmnopqrstuvwx\n", encoding="utf-8")
        path.chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text("\n".join(line.removeprefix("   ") for line in block.splitlines()), encoding="utf-8")
    config = load_config(path, {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    open_senders(config.channels, path)


KINDS = CONFIGURATION.split("\n## Channel addresses\n")[1]
ADDRESSES = [line for block in fenced(KINDS) for line in block.splitlines()]
STAND_INS = {"password": "p%40ss", "token": "xoxb-1234567890-1234567890-abcdefghijklmnopqrstuvwx"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_in_the_documentation_is_one_that_a_sender_takes(address, tmp_path):
    token = {"tgram": "123456789:abcdefghijklmnopqrstuvwxyz012345678", "mmosts": "abcdefghijklmnopqrstuvwxyz"}
    values = STAND_INS | {"token": token.get(address.split(":")[0], STAND_INS["token"])}
    url = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], address)
    path = tmp_path / "config.toml"
    path.write_text(f'[channel.desk]\nurl = "{url}"\n', encoding="utf-8")
    (sender,) = open_senders(load_config(path, {}).channels, path).values()
    kind = address.split("://")[0].removesuffix("s")
    own = {"mailto": "email", "slack": "slack", "matrix": "matrix", "console": "console"}
    assert type(sender).__module__ == f"monitor.edges.send.{own.get(kind, 'apprise')}"


def test_the_mistakes_shown_are_what_is_said(tmp_path):
    path = tmp_path / "config.toml"
    route = '[channel.desk]\nurl = "console://"\n[[route]]\nchannels = ["desc"]\n'
    path.write_text('[polling]\nintervall = "5m"\n' + route, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path, {})
    assert str(refused.value).replace(str(path), "config.toml") in CONFIGURATION


# ── vocabularies and facts ───────────────────────────────────────────────────────────────────────

VOCABULARIES = [
    ("## Why something was alerted, or not", set(Reason)),
    ("Of a feed, in `wirewatch feeds`:", set(FeedStatus)),
    ("Of a delivery, in `wirewatch alerts`:", set(DeliveryStatus)),
]


@pytest.mark.parametrize(("heading", "words"), VOCABULARIES, ids=["reasons", "feed states", "delivery states"])
def test_a_vocabulary_is_documented_whole_and_holds_nothing_else(heading, words):
    table = re.search(r"(?:^\|.*\n)+", OPERATIONS.split(heading, 1)[1], re.MULTILINE)[0]
    assert rows(table).keys() == {str(word) for word in words}


def said_in(path: Path) -> set[str]:
    """The names of events that a file logs by `say`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = [(getattr(call.func, "id", None) or getattr(call.func, "attr", None), call.args) for call in calls]
    return {args[0].value for name, args in names if name == "say" and args and isinstance(args[0], ast.Constant)}


FACTS = {
    "feed_checked": FeedChecked, "article_read": ArticleRead, "network_changed": NetworkChanged, "attempted": Attempted, "reloaded": Reloaded,
    "swept": Swept, "backfilled": Backfilled,
}  # fmt: skip


def test_every_event_of_the_log_is_documented_and_no_other():
    said = set().union(*(said_in(path) for path in (ROOT / "monitor").rglob("*.py")))
    assert said, "found no event"
    assert rows(section(OPERATIONS, "## The log")).keys() == said | FACTS.keys()


@pytest.mark.parametrize("event", FACTS)
def test_every_field_of_a_fact_is_documented(event):
    named = set(SPAN.findall(rows(section(OPERATIONS, "## The log"))[event][-1]))
    assert {field.name for field in fields(FACTS[event])} <= named


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


def commands() -> dict[str, click.Command]:
    """Every command by what a person types behind `wirewatch`."""
    found = {}
    for name, command in cli.main.commands.items():
        found[name] = command
        for inner, nested in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = nested
    return found


def options_of(command: click.Command) -> set[str]:
    options = {name for one in command.params if isinstance(one, click.Option) for name in one.opts}
    return {name for name in options if name != "--config"}


def documented_commands() -> dict[str, set[str]]:
    found = {}
    for typed, cells in rows(section(OPERATIONS, "## Commands")).items():
        if typed.startswith("wirewatch "):
            words = [word for word in typed.split()[1:] if word.islower()]
            found[" ".join(words)] = set(re.findall(r"--[a-z-]+", cells[0]))
    return found


def test_every_command_is_documented_with_its_options_and_no_other():
    assert documented_commands() == {name: options_of(command) for name, command in commands().items()}


def test_the_options_of_the_program_itself_are_documented():
    introduction = section(OPERATIONS, "## Commands").split("\n|")[0]
    named = set(SPAN.findall(introduction))
    assert (options_of(cli.main) | set(cli.main.context_settings["help_option_names"])) <= named
    assert "--config PATH" in named


def test_every_exit_code_is_documented_and_no_other():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section(OPERATIONS, "## Commands"), re.MULTILINE)}
    ours = {value for name, value in vars(cli).items() if name.startswith("EXIT_")}
    assert told == {0, click.UsageError.exit_code} | ours


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_command_and_no_option_that_does_not_exist(name):
    code = "\n".join([*fenced(PAGES[name]), *spans(PAGES[name])])
    known = commands()
    for typed in re.findall(r"(?<![\w/.-])(?:\.venv/bin/)?wirewatch ((?:[a-z][a-z-]+)(?: [^\n|#>]*)?)", code):
        words = typed.split()
        pair = " ".join(words[:2])
        command = known.get(pair) or known.get(words[0])
        assert command is not None, f"{name} names wirewatch {typed}"
        allowed = options_of(command) | {"--config", "--help"}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", typed)) <= allowed, f"{name} names wirewatch {typed}"


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────

LINKS = [
    pytest.param(name, link, id=f"{name} → {link}")
    for name, page in PAGES.items()
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page))
    if "://" not in link
]


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_link_leads_somewhere(name, link):
    folder = ROOT if name == "README.md" else ROOT / "docs"
    path, _, anchor = link.partition("#")
    target = (folder / path).resolve() if path else folder / name
    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_file_of_ours_that_does_not_exist(name):
    ours = re.compile(r"(?:monitor|core|store|edges|web|demo|tests|docs|bench|systemd|\.ci)/[\w./-]*|\w+\.py")
    named = {span for span in spans(PAGES[name]) if ours.fullmatch(span)}
    assert {span for span in named if not any((root / span).exists() for root in (ROOT, ROOT / "monitor"))} == set()


def test_every_room_is_in_the_architecture():
    named = set(spans(PAGES["architecture.md"]))
    monitor = ROOT / "monitor"
    parts = [path for part in (".", "core", "edges", "store") for path in (monitor / part).glob("*.py")]
    rooms = {str(path.relative_to(monitor)) for path in parts if not path.name.startswith("__")}
    rooms |= {f"{path.parent.relative_to(monitor)}/" for path in monitor.rglob("__init__.py")}
    assert rooms - {"./", "core/", "edges/", "store/", "store/migrations/versions/"} <= named


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_variable_of_the_environment_that_nothing_reads(name):
    source = (ROOT / "monitor" / "config.py").read_text(encoding="utf-8")
    assert {word for word in re.findall(r"\bWIREWATCH_[A-Z_]+", PAGES[name]) if word not in source} == set()


SET_UP = {
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/wirewatch demo",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
}


def test_the_readme_sets_up_by_two_commands():
    lines = {line for block in fenced(PAGES["README.md"]) for line in block.splitlines()}
    assert {line for line in lines if "-m venv" in line} == SET_UP


def test_what_the_readme_shows_of_the_demo_is_what_it_prints(monkeypatch):
    monkeypatch.setattr(ingest, "GATHER", timedelta(seconds=1))  # so that also a busy machine judges all feeds together
    (shown,) = fenced(PAGES["README.md"], "text")
    printed = {line.rstrip("─ ") for line in CliRunner().invoke(cli.main, ["demo"]).output.splitlines()}
    assert [line for line in shown.splitlines() if line not in printed] == []
    assert "10 of 10 servers answered “304 Not Modified”, 0 new entries, 0 alerts repeated." in printed


def test_the_figures_of_the_readme_are_those_of_the_other_pages():
    told = PAGES["operations.md"] + PAGES["decisions.md"]
    for row in re.findall(r"^\| (?!measured|---)(.*) \| `python bench/", section(PAGES["README.md"], "## Figures"), re.MULTILINE):
        for figure in re.findall(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d*\.\d+)", row):
            written = re.escape(figure).replace(",", ",?")
            assert re.search(rf"(?<![\d.,])0?{written}(?!\d)", told), figure


def test_the_readmes_watchlist_says_what_the_readme_says(tmp_path, monkeypatch):
    (watchlist,) = (block for block in fenced(PAGES["README.md"], "toml") if "[[term]]" in block)
    (tmp_path / "watchlists").mkdir()
    (tmp_path / "watchlists" / "harbour.toml").write_text(watchlist, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (said,) = re.findall(r'^echo "(.*)" \| wirewatch explain -', PAGES["README.md"], re.MULTILINE)
    answer = CliRunner().invoke(cli.main, ["explain", "-"], input=said)
    assert answer.exit_code == 0 and "harbour: alerts: 8.0 ≥ 4" in answer.output


def test_the_changelog_begins_with_this_version():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == __version__


def test_the_unit_runs_what_the_installation_puts_there():
    unit = (ROOT / "systemd" / "wirewatch.service").read_text(encoding="utf-8")
    program = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)[1]
    installed = "\n".join(fenced(OPERATIONS, "sh"))
    assert f"python3 -m venv {program.removesuffix('/bin/wirewatch')}\n" in installed
    assert f"ln -sf {program} " in installed
    assert "StateDirectory=wirewatch\n" in unit and "/var/lib/wirewatch/wirewatch.db" in OPERATIONS
