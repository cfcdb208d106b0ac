"""What Prometheus and Grafana are given: rules that hold what they promise, panels that ask for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.edges.metrics import Metrics
from monitor.model import ArticleRead, Attempted, FeedChecked, Reloaded
from tests.builders import NOW
from tests.test_docs import OPERATIONS, fenced, rows, section

FOLDER = Path(__file__).parents[1] / "docs" / "monitoring"
RULES = (FOLDER / "wirewatch.rules.yml").read_text(encoding="utf-8")
PANELS = json.loads((FOLDER / "wirewatch.grafana.json").read_text(encoding="utf-8"))["panels"]
ASKED = [target["expr"] for panel in PANELS for target in panel["targets"]]
SUFFIX = r"_(?:bucket|count|sum|info)$"


def declared() -> set[str]:
    """Every series of ours, as it is called in what Prometheus reads."""
    text = full().shown().decode()
    return set(re.findall(r"^# TYPE (wirewatch_\w+)", text, re.MULTILINE))


def full() -> Metrics:
    """Metrics of which every series has been counted."""
    metrics = Metrics()
    metrics.build.info({"version": "1"})
    metrics.checked(FeedChecked(feed="a", outcome="fresh", new=3, pickups=1, alerts=1, decisions={"matched": 1}, delays=(60.0,)))
    metrics.read(ArticleRead(feed="a", story="s", url="https://a.example/", outcome="read", alerts=1))
    metrics.attempted(Attempted(delivery="d", alert="a", channel="desk", outcome="delivered", waited=2.0), NOW.timestamp())
    metrics.reloaded(Reloaded(ok=True), NOW.timestamp())
    metrics.failed_ticks.labels("feed_tick").inc()
    status = {"feeds": {"ok": 1}, "deliveries": {"delivered": 1}, "oldest_waiting_seconds": None, "channels": {}}
    metrics.look(status, [{"name": "a", "last_success_at": NOW, "possible_gaps": 2}], {"writer": 1.0})
    return metrics


def named(text: str) -> set[str]:
    """The series of ours that a text asks for, histograms by their name alone."""
    found = set(re.findall(r"\bwirewatch_\w+", text))
    return {name if name in declared() else re.sub(SUFFIX, "", name) for name in found}


def test_every_series_is_documented_with_its_alarm_and_no_other():
    documented = rows(section(OPERATIONS, "## Metrics"))
    ours = {name for name in documented if name.startswith("wirewatch_")}
    assert {re.sub(r"\{.*\}", "", name) for name in ours} == declared()
    assert all(len(cells) == 2 and all(cells) for cells in documented.values())


def test_the_labels_of_a_series_are_documented():
    text = full().shown().decode()
    given = {name: set(re.findall(r'(\w+)="', labels)) - {"le"} for name, labels in re.findall(r"^(wirewatch_\w+)\{(.*)\} ", text, re.MULTILINE)}
    given = {re.sub(r"_(bucket|count|sum)$", "", name): labels for name, labels in given.items() if labels}
    for name in rows(section(OPERATIONS, "## Metrics")):
        series, _, labels = name.partition("{")
        assert set(filter(None, labels.strip("}").split(","))) == given.get(series, set()), name


def test_every_alarm_is_named_where_its_series_is_documented():
    alarms = set(re.findall(r"alert: (\w+)", RULES))
    told = set(re.findall(r"`(Wirewatch\w+)`", section(OPERATIONS, "## Metrics")))
    assert told == alarms


def test_rules_and_panels_ask_only_for_what_there_is():
    assert named(RULES) <= declared()
    assert named(" ".join(ASKED)) <= declared() and len(ASKED) > 15


def test_an_entry_is_a_story_or_a_copy():
    text = full().shown().decode()
    counts = {name: re.search(rf"^wirewatch_{name}_total (.*)$", text, re.MULTILINE)[1] for name in ("entries", "stories", "copies")}
    assert counts == {"entries": "3.0", "stories": "2.0", "copies": "1.0"}


def test_two_applications_count_apart():
    first, second = Metrics(), Metrics()
    first.checked(FeedChecked(feed="a", outcome="fresh"))
    assert b'wirewatch_checks_total{outcome="fresh"} 1.0' in first.shown() and b"fresh" not in second.shown()


def test_a_state_that_nothing_is_in_any_more_is_zero_and_a_feed_that_is_gone_is_absent():
    metrics = full()
    status = {"feeds": {"failing": 1}, "deliveries": {}, "oldest_waiting_seconds": 7, "channels": {"desk": {"suspended": True}}}
    metrics.look(status, [], {})
    text = metrics.shown().decode()
    for line in ('feeds{state="ok"} 0.0', 'feeds{state="failing"} 1.0', 'outbox_deliveries{state="delivered"} 0.0', "channels_suspended 1.0", "outbox_oldest_seconds 7.0"):
        assert f"wirewatch_{line}\n" in text
    assert 'feed="a"' not in text


def test_a_refused_reload_shows_and_keeps_the_time_of_the_last_good_one():
    metrics = full()
    metrics.reloaded(Reloaded(ok=False), NOW.timestamp() + 60)
    assert b"wirewatch_reload_ok 0.0" in metrics.shown()
    assert metrics.reload_at.collect()[0].samples[0].value == NOW.timestamp()


# ── promtool ─────────────────────────────────────────────────────────────────────────────────────


def promtool(*arguments: str, **more) -> subprocess.CompletedProcess:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (apt-get install prometheus)")
    return subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False, **more)


@pytest.mark.servers
def test_promtool_takes_the_rules_and_they_fire_when_they_should():
    for command in (("check", "rules", "wirewatch.rules.yml"), ("test", "rules", "wirewatch.rules.test.yml")):
        done = promtool(*command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
def test_promtool_takes_every_question_of_the_dashboard(tmp_path):
    asked = [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in ASKED]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")  # JSON is YAML
    done = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert done.returncode == 0 and f"{len(asked)} rules found" in done.stdout, done.stdout + done.stderr


@pytest.mark.servers
def test_promtool_takes_the_configuration_that_the_documentation_shows(tmp_path):
    (shown,) = fenced(OPERATIONS, "yaml")
    (tmp_path / "wirewatch.rules.yml").write_text(RULES, encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(shown, encoding="utf-8")
    done = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
def test_promtool_finds_nothing_odd_in_what_is_shown():
    done = promtool("check", "metrics", input=full().shown().decode())
    assert (done.returncode, done.stderr) == (0, "")
