"""`backtest` and `watchlists`, as typed over a real archive."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from monitor import backtest as trials
from tests.desk import CONFIG, HARBOUR, Desk, rss
from tests.fakeweb import FakeWeb

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

HEADLINES = (
    "Parliament passes the harbour bill",
    "Regatta fills the harbour with sails",
    "Regatta crews leave the harbour",
    "A quay for every ship",
    "General Suleimani returns",
    "Soleymani speaks of peace",
    "A comet is seen - Gazette",
)
NARROWER = HARBOUR.replace('"quay"', '"comet"') + '[[veto]]\nany = ["regatta"]\n'


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of seven stories, four of which alerted."""
    with FakeWeb() as served:
        desk = Desk(tmp_path_factory.mktemp("archive"), served)
        desk.feed("gazette", rss(*HEADLINES))
        assert desk.does("poll").exit_code == 0
        yield desk


def draft(desk, text, name="harbour"):
    folder = desk.folder / "drafts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def titles(examples):
    return {one["title"] for one in examples}


def test_an_edit_is_compared_with_what_is_in_force(archive):
    (found,) = archive.lines("backtest", "--watchlist", draft(archive, NARROWER), "--json")
    assert (found["watchlist"], found["stories"], found["alerts"], found["new"]) == ("harbour", 7, 2, False)
    assert (found["gained"], found["lost"], found["kept"]) == (1, 3, 1)
    assert titles(found["examples"]["gained"]) == {"A comet is seen - Gazette"}
    assert titles(found["examples"]["lost"]) == {HEADLINES[1], HEADLINES[2], HEADLINES[3]}
    assert sum(day["alerts"] for day in found["days"]) == 2


def test_without_candidates_all_that_is_in_force_is_run(archive):
    (found,) = archive.lines("backtest", "--json")
    assert (found["gained"], found["lost"], found["kept"], found["alerts"]) == (0, 0, 4, 4)
    assert found["decides_most"] == "harbour"
    assert archive.lines("backtest", "--watchlist", "harbour", "--json") == [found]


def test_a_new_file_gains_all_it_finds(archive):
    text = 'threshold = 2\n[[term]]\nany = ["comet"]\n[[term]]\nany = ["meteor"]\n'
    (found,) = archive.lines("backtest", "--watchlist", draft(archive, text, "sky"), "--json")
    assert (found["new"], found["gained"], found["never"]) == (True, 1, ["meteor"])


def test_the_outlet_behind_a_headline_is_not_searched(archive):
    text = 'threshold = 1\n[[term]]\nany = ["Gazette"]\n'
    (found,) = archive.lines("backtest", "--watchlist", draft(archive, text, "outlet"), "--json")
    assert found["alerts"] == 0


def test_a_broken_candidate_is_refused_with_its_line(archive):
    answer = archive.does("backtest", "--watchlist", draft(archive, "threshold = 2\n", "broken"))
    assert answer.exit_code == 65 and "broken.toml:1: term: is missing" in answer.stderr


def test_a_person_reads_what_an_edit_changes(archive):
    said = archive.does("backtest", "--watchlist", draft(archive, NARROWER)).stdout
    assert "2 alerts in 7 stories of 1 day: 2.0 a day" in said
    assert "1 gained, 3 lost, 1 kept" in said
    assert "A comet is seen" in said and "decides most: harbour, without which 2 of 2 alerts would not be" in said


def test_backtest_writes_nothing(archive):
    def dump():
        with sqlite3.connect(f"file:{archive.folder / 'wirewatch.db'}?mode=ro", uri=True) as database:
            return list(database.iterdump())

    before = dump()
    archive.does("backtest", "--watchlist", draft(archive, NARROWER))
    assert dump() == before


def test_feed_files_are_judged_without_an_archive(tmp_path, web):
    desk = Desk(tmp_path, web)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.xml").write_bytes(rss(*HEADLINES))
    (folder / "b.xml").write_bytes(rss(HEADLINES[0], title="Herald"))
    (folder / "notes.txt").write_text("no feed")
    (found,) = desk.lines("backtest", "--feed-files", str(folder), "--json")
    assert (found["stories"], found["alerts"]) == (7, 4)
    answer = desk.does("backtest")
    assert answer.exit_code == 74 and "no database yet" in answer.stderr


def test_many_stories_are_judged_in_several_processes_with_the_same_result(archive, monkeypatch):
    alone = archive.lines("backtest", "--watchlist", draft(archive, NARROWER), "--json")
    monkeypatch.setattr(trials, "FEW", 3)
    monkeypatch.setattr(trials, "BATCH", 2)
    assert archive.lines("backtest", "--watchlist", draft(archive, NARROWER), "--json") == alone


def test_feedback_shows_in_the_list_and_suggests_a_veto(tmp_path, web):
    desk = Desk(tmp_path, web)
    desk.feed("gazette", rss(*HEADLINES))
    desk.does("poll")
    alerts = {alert["title"]: alert["id"] for alert in desk.lines("alerts", "--json")}
    for number, verdict in ((0, "noise"), (1, "noise"), (2, "noise"), (0, "good")):
        title = HEADLINES[number]
        answer = desk.does("watchlists", "feedback", alerts[title][:8], verdict)
        assert answer.stdout == f"{alerts[title]} (harbour): {verdict}\n"
    (listed,) = desk.lines("watchlists", "list", "--json")
    assert (listed["alerts_7d"], listed["good"], listed["noise"], listed["precision"]) == (4, 1, 2, 0.333)
    assert "33% of 3" in desk.does("watchlists", "list").stdout
    (found,) = desk.lines("backtest", "--json")
    assert found["vetoes"] == [{"word": "regatta", "noise": 2}]
    assert 'a veto on "regatta" would end 2 of 2 noisy alerts and no other' in desk.does("backtest").stdout


def test_check_warns_of_what_stands_in_more_than_a_third_of_the_archive(archive, monkeypatch):
    text = 'threshold = 20\n[[term]]\nname = "sea"\nany = ["harbour"]\nweight = 9\n'
    text += '[[term]]\nany = ["comet"]\nweight = 9\n'
    archive.watchlist("sea", text)
    assert "stands in" not in archive.does("check").stderr, "few stories prove nothing"
    monkeypatch.setattr(trials, "LEAST_STORIES", 7)
    said = archive.does("check").stderr
    (archive.folder / "watchlists" / "sea.toml").unlink()
    assert "warning: sea: the term 'sea' stands in 43% of the last 7 stories" in said and "'comet'" not in said
    assert "warning: harbour: it would alert on 57% of the last 7 stories" in said


def test_feedback_on_what_is_no_alert_is_refused(archive):
    for name in ("ffff0000", "zz", "%"):
        answer = archive.does("watchlists", "feedback", name, "good")
        assert answer.exit_code == 1 and "not the id of one alert" in answer.stderr


def test_variants_are_the_spellings_that_a_fuzzy_name_would_reach(archive):
    found = archive.lines("watchlists", "variants", "Soleimani", "--fuzzy", "75", "--json")
    assert [(one["spelling"], one["similarity"], one["stories"]) for one in found] == [
        ("Soleymani", 88.9, 1),
        ("Suleimani", 88.9, 1),
    ]
    assert archive.lines("watchlists", "variants", "Soleimani", "--fuzzy", "95", "--json") == []
    assert "names of 6 and more" in archive.does("watchlists", "variants", "Kim").stderr


def test_a_new_watchlist_is_sound_and_never_overwrites(tmp_path, web):
    desk = Desk(tmp_path, web)
    answer = desk.does("watchlists", "new", "dprk-arms")
    path = desk.folder / "watchlists" / "dprk-arms.toml"
    assert answer.stdout == f"{path}\n" and 'any      = ["dprk arms"]' in path.read_text()
    assert desk.does("check").exit_code == 0
    assert (desk.folder / "watchlists" / "watchlist.schema.json").exists()
    desk.feed("gazette", rss("Nothing of that")).does("poll")
    (said,) = re.findall(r"wirewatch (backtest --watchlist \S+)", path.read_text())
    assert desk.does(*said.split()).exit_code == 0
    again = desk.does("watchlists", "new", "DPRK-arms")
    assert again.exit_code == 1 and "is there already" in again.stderr
    odd = desk.does("watchlists", "new", "../out")
    assert odd.exit_code != 0 and not (desk.folder / "out.toml").exists()


def test_a_new_watchlist_may_be_the_first_and_named_as_a_file(tmp_path, web):
    desk = Desk(tmp_path, web)
    desk.write(head=CONFIG.replace("[polling]", '[monitor]\nwatchlists = "lists"\n[polling]', 1))
    answer = desk.does("watchlists", "new", "abc.toml")
    assert answer.stdout == f"{desk.folder / 'lists' / 'abc.toml'}\n" and desk.does("check").exit_code == 0


def test_an_archive_without_stories_is_no_proof_that_an_edit_loses_nothing(tmp_path, web):
    desk = Desk(tmp_path, web).feed("gazette", rss())
    desk.does("poll")
    assert "no story of the last 30d" in desk.does("backtest").stderr
    desk.feed("herald", rss("Harbour closed")).does("poll")
    assert "no story" not in desk.does("backtest").stderr


def test_watchlists_are_listed_before_there_is_an_archive(tmp_path, web):
    desk = Desk(tmp_path, web)
    assert json.loads(desk.does("watchlists", "list", "--json").stdout)["alerts_7d"] == 0
