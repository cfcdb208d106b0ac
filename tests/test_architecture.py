"""Who may import whom. Read from the source of every file, so that a late import counts like an early one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for path in (ROOT / "monitor").rglob("*.py"))

GROUND = {"record", "model", "errors"}
FETCHING = {f"edges.{room}" for room in ("fetch", "addresses", "answers", "certificates", "hops", "lanes", "lenient", "resolve", "troubles", "trust")}
# The longest prefix of a module's name decides what it may import of ours.
MAY_IMPORT = {
    "record": set(),
    "model": {"record"},
    "errors": set(),
    "logs": set(),
    "clock": set(),
    "crash": set(),
    "units": {"errors"},
    "toml_file": {"record", "errors", "units"},
    "opml": {*GROUND, "core.urls"},
    "config_file": {"units"},
    "config": {*GROUND, "config_file", "toml_file", "opml"},
    "config_example": {"config_file"},
    "watchlist_file": {"units"},
    "watchlists": {*GROUND, "toml_file", "watchlist_file", "core"},
    "core": {*GROUND, "core"},
    "store": {*GROUND, "store"},
    "writer": {"errors", "store.database"},
    "room": set(),
    "alarm": {*GROUND, "core.names", "operator", "edges.send"},
    "guard": {"errors", "alarm", "edges.disk", "floors", "storage", "store.database"},
    "pulse": set(),
    "floors": set(),
    "descriptors": set(),
    "storage": {"errors", "edges.disk", "store.database"},
    "edges": {*GROUND, ""},
    "edges.heartbeat": {"edges.once", "edges.trust"},
    "edges.once": {"edges.trust"},
    # fetch.py is the door of a suite of rooms that only it uses
    **dict.fromkeys(FETCHING, {*GROUND, "", *FETCHING, "edges.once"}),
    "edges.send": {*GROUND, "", "edges.send", "edges.once"},
    "again": {*GROUND, "core", "store"},
    "articles": {*GROUND, "again", "crash", "core", "store", "writer"},
    "suspicion": {*GROUND, "core.oddness", "store"},
    "network": {*GROUND, "core", "store", "writer"},
    "reading": {*GROUND, "crash", "core", "suspicion"},
    "recording": {*GROUND, "core", "store", "suspicion", "network", "reading"},
    "ingest": {*GROUND, "crash", "core", "store", "suspicion", "writer", "network", "reading", "recording", "room"},
    "digests": {*GROUND, "crash", "core", "store"},
    "dispatch": {*GROUND, "crash", "core", "store", "digests", "writer"},
    "operator": {*GROUND, "core.hold", "core.names", "core.oddness", "core.render", "store"},
    "reload": {*GROUND, "config", "watchlists", "toml_file", "core.score"},
    "timekeeping": {"clock", "core.pace", "core.render", "reload", "store", "writer"},
    "upkeep": {*GROUND, "store"},
    "backfill": {*GROUND, "core", "store"},
    "status": {*GROUND, "core.oddness", "core.render", "store", ""},
    "channels": {*GROUND, "config", "core.names", "edges.send"},
    "backtest": {*GROUND, "core", "store", "reload"},
    "spellings": {*GROUND, "core", "store", "backtest"},
    "watchlist_template": {"errors", "watchlist_file", "watchlists"},
    "show_watchlists": {"model", "show", "spellings", "store.feedback"},
    "show_backtest": {"core.backtest", "core.render", "show", "units"},
    "show_feeds": {"model", "core.render", "finding", "show", "status"},
    "finding": {*GROUND, "core.discover", "core.parse"},
    "importing": {*GROUND, "config", "core.urls", "opml"},
    "marked": {"model", "core.locate"},
    "routing": {*GROUND, "config", "core.decide", "core.hold"},
    "silencing": {*GROUND, "config", "core.names", "store"},
    "explain": {*GROUND, "core", "store", "reload", "routing"},
    "show": {*GROUND, "core.render", "core.spread", "explain", "marked", "routing", "silencing", "units"},
    "web": {*GROUND, "core.render", "core.spread", "edges.send.layout", "status", "store", "web"},
    "demo": {*GROUND, "app", "config", "demo", "explain", "reload", "show", "store"},
    "gate": {*GROUND, "clock", "config", "core.robots", "core.urls", "edges.fetch", "store"},
    "app": None,  # wires everything
    "commands": None,
    "cli": {"errors", "commands", ""},
    "__main__": {"cli"},
    "": set(),
}
# Foreign libraries with exactly one home (a module or a package of ours).
HOMES = {
    "feedparser": {"core.parse", "core.parse_slow"},
    "lxml": {"core.parse", "core.parse_xml", "core.extract"},
    "trafilatura": {"core.extract"},
    "tld": {"core.domains"},
    "ahocorasick_rs": {"core.score", "core.locate", "core.automaton"},
    "apprise": {"edges.send.apprise"},
    "slack_sdk": {"edges.send.slack"},
    "nio": {"edges.send.matrix_e2ee"},
    "vodozemac": {"edges.send.matrix_identity"},
    "smtplib": {"edges.send.email", "edges.send.smtp"},
    "apscheduler": {"app"},
    "alembic": {"store.database", "store.migrations"},
    "sqlalchemy": {
        "store", "ingest", "recording", "network", "digests", "operator", "silencing", "backfill", "upkeep", "status", "suspicion", "again", "articles",
    },
    "jinja2": {"web"},
    "prometheus_client": {"edges.metrics"},
    "click": {"cli", "commands"},
    "pydantic": {"config", "config_file", "watchlists", "watchlist_file", "toml_file", "units"},
    "tomllib": {"toml_file"},
}
# core thinks: nothing in it has a clock, a socket, a disk, a log or randomness.
NOT_IN_CORE = {
    "asyncio", "socket", "os", "pathlib", "tempfile", "logging", "random", "secrets", "time", "subprocess", "sqlite3", "http",
    "threading", "multiprocessing",
}  # fmt: skip


def name_of(path: Path) -> str:
    """`monitor/core/dedup.py` → "core.dedup"."""
    parts = path.relative_to(ROOT / "monitor").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> set[str]:
    """Everything a file imports, as absolute dotted names."""
    package = ["monitor", *path.relative_to(ROOT / "monitor").parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def ours(imported: set[str]) -> set[str]:
    """The modules of ours among them, without the leading `monitor.` and without names inside modules."""
    modules = {name_of(path) for path in FILES}
    found = set()
    for name in imported:
        if name.split(".")[0] == "monitor":
            inner = name.removeprefix("monitor").lstrip(".")
            found.add(inner if inner in modules else inner.rpartition(".")[0])
    return found


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or (room and name.startswith(room + ".")) for room in rooms)


def rule_for(name: str) -> set[str] | None:
    prefixes = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)] if name else [""]
    return next(MAY_IMPORT[prefix] for prefix in prefixes if prefix in MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_room_imports_only_what_lies_below_it(path):
    allowed = rule_for(name_of(path))
    if allowed is not None:
        wrong = {name for name in ours(imports_of(path)) if not within(name, allowed) and name != name_of(path)}
        assert not wrong, f"{name_of(path)} may not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_foreign_library_lives_in_its_home(path):
    for library in {name.split(".")[0] for name in imports_of(path)} & HOMES.keys():
        assert within(name_of(path), HOMES[library]), f"{library} belongs to {', '.join(sorted(HOMES[library]))}"


@pytest.mark.parametrize("path", [path for path in FILES if name_of(path).startswith("core")], ids=name_of)
def test_core_has_no_clock_socket_disk_log_or_dice(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & NOT_IN_CORE


# edges.child hands PATH and the locale on to the process that it starts, and keeps all else from it.
@pytest.mark.parametrize("path", [path for path in FILES if name_of(path) not in ("config", "edges.child")], ids=name_of)
def test_only_the_configuration_reads_the_environment(path):
    read = [
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not read


def test_the_checks_above_see_late_and_relative_imports(tmp_path, monkeypatch):
    module = sys.modules[__name__]
    (tmp_path / "monitor" / "core").mkdir(parents=True)
    path = tmp_path / "monitor" / "core" / "odd.py"
    path.write_text("def late():\n    from ..store import feeds\n    import feedparser.api\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert imports_of(path) == {"monitor.store.feeds", "feedparser.api"}
