"""Reading watchlists: every mistake with its line, and what a sound file becomes."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.score import compile_watchlists, score_story
from monitor.errors import Problem, WatchlistError
from monitor.model import Near, Reason, Scope, StoryText, Verdict
from monitor.toml_file import keys_of
from monitor.watchlist_file import (
    EvidenceTable,
    FactorsTable,
    NearTable,
    ScopeTable,
    TermTable,
    TestTable,
    UpdatesTable,
    VetoTable,
    WatchlistFile,
    watchlist_json_schema,
)
from monitor.watchlists import load_watchlist, load_watchlists

ROOT = Path(__file__).parents[1]
BAD = sorted((Path(__file__).parent / "data" / "watchlists").glob("*.toml"))
SAMPLES = sorted((ROOT / "watchlists").glob("*.toml"))
PAGE = Path("/work/shared/data/samples/syndicated-page.txt")
FEEDS, TAGS = frozenset({"bbc-world", "pr-wire"}), frozenset({"press-release", "uk"})
MINIMAL = 'threshold = 2\n[[term]]\nany = ["Iran"]\n'


def problems_of(path: Path) -> list[Problem]:
    with pytest.raises(WatchlistError) as refused:
        load_watchlist(path, known_feeds=FEEDS, known_tags=TAGS)
    return list(refused.value.problems)


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_a_mistake_is_refused_with_its_line(path):
    line, expected = re.match(r"# expect: (\d+): (.*)", path.read_text(encoding="utf-8")).groups()
    (problem,) = problems_of(path)
    assert str(problem).startswith(f"{path}:{line}: {expected}")


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")
    return folder


def told(folder: Path, **known) -> list[str]:
    with pytest.raises(WatchlistError) as refused:
        load_watchlists(folder, **known)
    return [str(problem).removeprefix(f"{folder}/") for problem in refused.value.problems]


FULL = """
title = "All keys"
threshold = 4.5
urgent = 9
max_age = "48h"
backfill = "24h"
shadow = true
tags = ["asia"]
updates.pickups = [5, 20]
scope = { languages = ["en", "pt-BR"], feeds = ["*", "bbc-world", "#uk"], not_feeds = ["pr-*"], max_tier = 3 }
fields = { title = 3.0, body = 0.5 }
[groups]
missiles = ["ICBM", "@rockets"]
rockets = ["Hwasong*"]
[[term]]
name = "dprk"
any = ["North Korea*", "Pyongyang"]
weight = 4
required = true
fuzzy = 90
[[term]]
any = ["munitions", "@missiles", "munitions"]
at_least = 2
case = "exact"
fields = ["title", "lead"]
near = { term = "dprk", words = 30, ordered = true }
[[veto]]
any = ["video game"]
near = { term = "munitions", sentence = true }
[[test]]
title = "A headline"
summary = "A summary"
language = "en"
expect = "silent"
"""


def test_every_key_arrives_in_the_record(tmp_path):
    (found,) = load_watchlists(write(tmp_path, full=FULL), known_feeds=FEEDS, known_tags=TAGS)
    assert (found.id, found.title, found.threshold, found.urgent, found.shadow) == ("full", "All keys", 4.5, 9, True)
    assert (found.max_age, found.backfill) == (timedelta(hours=48), timedelta(hours=24))
    assert (found.tags, found.update_pickups, found.field_factors) == (("asia",), (5, 20), (3.0, 1.5, 0.5))
    assert found.scope == Scope(
        languages=("en", "pt-BR"), feeds=("*", "bbc-world", "#uk"), not_feeds=("pr-*",), max_tier=3
    )
    dprk, arms = found.terms
    assert (dprk.name, dprk.weight, dprk.required, dprk.fuzzy, dprk.at_least) == ("dprk", 4, True, 90, 1)
    assert (arms.name, arms.any) == ("munitions", ("munitions", "ICBM", "Hwasong*"))
    assert (arms.weight, arms.at_least, arms.exact_case, arms.fields) == (1, 2, True, ("title", "lead"))
    assert arms.near == Near(term="dprk", words=30, ordered=True)
    assert found.vetoes[0].near == Near(term="munitions", sentence=True)
    assert (found.tests[0].lead, found.tests[0].line, found.tests[0].expect) == ("A summary", 30, Verdict.SILENT)


def test_the_least_watchlist_has_defaults(tmp_path):
    (found,) = load_watchlists(write(tmp_path, least=MINIMAL))
    assert (found.title, found.urgent, found.max_age, found.terms[0].weight) == ("least", None, None, 1)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path):
    one = (
        'threshold = "x"\ncolour = 1\n[[term]]\nany = ["ir*", "@no"]\nnear = { term = "zz", words = 1 }\nat_least = 0\n'
    )
    write(tmp_path, one=one, two="threshold = 2\n[[term]]\nany = []\n", three="x =\n", four=MINIMAL)
    assert [re.match(r"[^:]*:\d+: [^:]*", line)[0] for line in told(tmp_path)] == [
        "one.toml:1: threshold",
        "one.toml:2: colour",
        "one.toml:4: term.any",
        "one.toml:4: term.any",
        "one.toml:5: term.near.term",
        "one.toml:6: term.at_least",
        "three.toml:1: file",
        "two.toml:3: term.any",
    ]


def test_two_watchlists_may_not_have_one_title(tmp_path):
    write(tmp_path, a='title = "Iran: Arms"\n' + MINIMAL, b='\ntitle = "iran: arms "\n' + MINIMAL)
    assert told(tmp_path) == [
        f"b.toml:2: title: 'iran: arms' is also the title in {tmp_path}/a.toml:1; expected another"
    ]


def test_two_ids_may_not_differ_in_capitals_only(tmp_path):
    write(tmp_path, DPRK="title='1'\n" + MINIMAL, dprk="title='2'\n" + MINIMAL)
    assert [line.split(";")[0] for line in told(tmp_path)] == [
        "dprk.toml:1: file: has the same id as DPRK.toml but for capitals"
    ]


def test_hidden_files_backups_and_folders_are_passed_over(tmp_path):
    write(tmp_path, good=MINIMAL)
    for name in (".#good.toml", ".hidden.toml", "good.toml~", "#good.toml#", "good.toml.swp", "notes.txt"):
        (tmp_path / name).write_text("not = = toml")
    (tmp_path / "old").mkdir()
    write(tmp_path / "old", other="not = = toml")
    assert [watchlist.id for watchlist in load_watchlists(tmp_path)] == ["good"]


def test_ids_are_sorted_and_may_hold_dots(tmp_path):
    write(tmp_path, **{"b.c-1_x": "title='1'\n" + MINIMAL, "a": "title='2'\n" + MINIMAL})
    assert [watchlist.id for watchlist in load_watchlists(tmp_path)] == ["a", "b.c-1_x"]


def test_a_folder_without_watchlists_is_a_mistake(tmp_path):
    assert "holds no *.toml file" in told(tmp_path)[0]
    assert "No such file" in told(tmp_path / "absent")[0]


def test_a_pipe_in_the_folder_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    assert told(tmp_path) == ["pipe.toml:1: file: is a pipe; expected a regular file"]


def test_feeds_and_tags_are_checked_only_where_they_are_known(tmp_path):
    write(tmp_path, a='scope.feeds = ["nowhere", "#nothing", "no-*"]\n' + MINIMAL)
    assert load_watchlists(tmp_path)
    assert [line.split(";")[0] for line in told(tmp_path, known_feeds=FEEDS, known_tags=TAGS)] == [
        "a.toml:1: scope.feeds: no feed has the tag 'nothing'",
        "a.toml:1: scope.feeds: no feed is called 'nowhere'",
    ]


def test_a_query_takes_the_place_of_terms_and_threshold(tmp_path):
    content = 'query = "Iran AND @arms"\ntags = []\n[groups]\narms = ["@rockets", "ICBM"]\nrockets = ["Hwasong*"]\n'
    (found,) = load_watchlists(
        write(tmp_path, a=content + '[[test]]\ntitle = "Iran buys Hwasong-17"\nexpect = "alert"')
    )
    assert (found.terms, found.threshold, found.query) == ((), 1, "Iran AND @arms")
    assert found.groups == (("arms", ("Hwasong*", "ICBM")), ("rockets", ("Hwasong*",)))


def test_groups_whose_names_look_the_same_are_the_same(tmp_path):
    composed, parted = "r\u00e9gion", "re\u0301gion"
    content = f'query = "@{parted}"\n[groups]\n"{composed}" = ["Bretagne"]\nmore = ["@{parted}", "Alsace"]\n[[veto]]\nany = ["@more"]\n'
    (found,) = load_watchlists(write(tmp_path, a=content))
    assert found.vetoes[0].any == ("Bretagne", "Alsace")
    with pytest.raises(WatchlistError, match="groups: two names differ only in how their accents are encoded"):
        load_watchlists(write(tmp_path, a=content.replace("more =", f'"{parted}" = ["Alsace"]\nmore =')))


def test_a_caret_stands_under_the_mistake_in_a_query(tmp_path):
    write(tmp_path, a="query = '北朝鮮 AND Iran  Syria'\n")
    with pytest.raises(WatchlistError) as refused:
        load_watchlists(tmp_path)
    (problem,) = refused.value.problems
    _, query, caret = problem.says.split("\n")
    assert (query, caret) == ("    北朝鮮 AND Iran  Syria", "    " + " " * 17 + "^" * 5)
    assert (problem.line, problem.column) == (1, 24)


def test_a_weight_of_zero_is_fine_for_a_term_that_others_need(tmp_path):
    extra = '[[term]]\nname = "gate"\nany = ["Gulf"]\nweight = 0\nrequired = true\n'
    extra += '[[term]]\nname = "place"\nany = ["Hormuz"]\nweight = 0\n'
    extra += '[[veto]]\nany = ["swim"]\nnear = { term = "place", words = 3 }\n'
    assert load_watchlists(write(tmp_path, a=MINIMAL + extra))


def test_tests_are_judged_without_feeds_and_dates(tmp_path):
    gates = 'max_age = "1h"\n[scope]\nfeeds = ["bbc-*"]\nmax_tier = 1\nlanguages = ["de"]\n[[test]]\ntitle = "Iran"\n'
    content = MINIMAL.replace("threshold = 2", "threshold = 2\n" + gates + 'expect = "alert"\n')
    assert load_watchlists(write(tmp_path, a=content))
    write(tmp_path, a=content.replace('expect = "alert"', 'language = "en"\nexpect = "alert"'))
    assert "got silent (out_of_scope)" in told(tmp_path)[0]


# ── the samples ──────────────────────────────────────────────────────────────────────────────────


def test_the_samples_load_with_their_tests():
    found = load_watchlists(ROOT / "watchlists", known_feeds=FEEDS, known_tags=TAGS)
    assert [one.id for one in found] == ["dprk-arms-exports", "earthquake", "northfield-semiconductor"]
    for one in found:
        assert {test.expect for test in one.tests} == set(Verdict)
        assert (ROOT / "watchlists" / f"{one.id}.toml").read_text(encoding="utf-8").startswith("#:schema ")


@pytest.mark.skipif(not PAGE.exists(), reason="the shared sample page is not here")
def test_the_sample_page_alerts_north_korea_and_nothing_else():
    paragraphs = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.strip()]
    story = StoryText(title=paragraphs[1], body="\n".join(paragraphs[3:]), language="en")
    compiled = compile_watchlists(load_watchlists(ROOT / "watchlists"))
    matches = {match.watchlist: match for match in score_story(story, (), compiled, complete=True)}
    dprk = matches.pop("dprk-arms-exports")
    assert dprk.reason is Reason.MATCHED and dprk.score >= dprk.threshold and not dprk.missing
    assert all(match.verdict is Verdict.SILENT for match in matches.values())


# ── schema and documentation ─────────────────────────────────────────────────────────────────────

TABLES = (
    WatchlistFile,
    ScopeTable,
    FactorsTable,
    UpdatesTable,
    TermTable,
    VetoTable,
    NearTable,
    TestTable,
    EvidenceTable,
)


def test_the_schema_describes_every_key():
    schema = watchlist_json_schema()
    assert (
        json.loads(json.dumps(schema)) == schema
        and schema["else"] == {"required": ["threshold", "term"]}
    )
    for table in (schema, *schema["$defs"].values()):
        assert table["additionalProperties"] is False
        assert all(key.get("description") or "$ref" in key for key in table["properties"].values())


def test_the_schema_beside_the_samples_is_the_one_that_we_print():
    shipped = (ROOT / "watchlists" / "watchlist.schema.json").read_text(encoding="utf-8")
    assert json.loads(shipped) == watchlist_json_schema()


def test_every_key_is_in_the_documentation():
    text = (ROOT / "docs" / "watchlists.md").read_text(encoding="utf-8")
    missing = [key for table in TABLES for key in keys_of(table) if f"`{key}`" not in text]
    assert not missing


def test_every_example_in_the_documentation_is_a_sound_watchlist(tmp_path):
    text = (ROOT / "docs" / "watchlists.md").read_text(encoding="utf-8")
    examples = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "threshold" in block]
    assert len(examples) >= 3
    for number, example in enumerate(examples):
        path = tmp_path / f"example{number}.toml"
        path.write_text(example, encoding="utf-8")
        load_watchlist(path)
