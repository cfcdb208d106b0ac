"""Hostile and faulty watchlists and configurations, each by the id of its case."""

from __future__ import annotations

import os
import time

import pytest

from monitor.core.score import compile_watchlists, score_story
from monitor.model import StoryText, Term, Watchlist
from tests.desk import HARBOUR, Desk, rss

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.fixture
def desk(tmp_path, web):
    return Desk(tmp_path, web)


def refused(desk):
    answer = desk.does("check")
    assert answer.exit_code == 65
    return answer.stderr


def test_g4_an_unknown_key_or_table_is_told_with_the_nearest_one(desk):
    desk.watchlist("harbour", HARBOUR.replace("threshold", "treshold"))
    desk.watchlist("quays", "[[terms]]\nany = ['quay']\nthreshold = 1\n")
    said = refused(desk)
    assert "harbour.toml:2: treshold: unknown key; did you mean 'threshold'?" in said
    assert "quays.toml:1: terms: unknown key; did you mean 'term'?" in said


def test_g5_what_stands_twice_is_told_with_both_lines(desk):
    feed = '[[feed]]\nurl = "https://a.example/rss"\nname = "a"\n'
    desk.write(more=feed + feed)
    said = refused(desk)
    assert "is the name of the feed in line" in said and "is the url of the feed in line" in said
    desk.write().watchlist("quays", HARBOUR)
    assert "quays.toml:1: title: 'The harbour' is also the title in" in refused(desk)


def test_g5_two_spellings_of_an_address_are_one_poll_and_a_warning(desk):
    desk.feed("gazette", rss("A quay"))
    other = desk.web.url("/gazette").replace("http://", "HTTP://") + "#top"
    desk.write(more=f'[[feed]]\nname = "other"\nurl = "{other}"\n')
    said = desk.does("check")
    assert said.exit_code == 0 and "is another spelling of the address in line" in said.stderr
    assert "only 'gazette' is polled" in said.stderr
    desk.does("poll")
    assert len(desk.web.asked("/gazette")) == 1


WRONG = ['shadow = "false"', "urgent = nan", "urgent = inf", "urgent = 1e300", 'max_age = "-1h"']


@pytest.mark.parametrize("line", WRONG)
def test_g6_a_value_of_the_wrong_kind_is_told(desk, line):
    desk.watchlist("harbour", HARBOUR.replace("threshold", f"{line}\nthreshold"))
    assert f"harbour.toml:2: {line.split()[0]}: " in refused(desk)


@pytest.mark.parametrize("variant", ["*", "**", "?", ".*", "(", "[a-z]+", "Ir*", "", " ", "--"])
def test_g7_a_variant_that_matches_nothing_or_everything_is_told(desk, variant):
    desk.watchlist("harbour", HARBOUR.replace("quay", variant))
    if variant == "[a-z]+":  # no regular expressions here: it is the words a and z
        assert desk.does("check").exit_code == 0
    else:
        assert "harbour.toml:5: term.any: " in refused(desk)


def test_g12_all_mistakes_of_all_files_are_told_and_nothing_takes_effect(desk):
    desk.feed("gazette", rss("A quay for all"))
    for number in range(20):
        desk.watchlist(f"w{number}", HARBOUR.replace("The harbour", f"Harbour {number}"))
    desk.watchlist("w7", "threshold = 2\n").watchlist("w9", "x")
    said = refused(desk)
    assert "w7.toml:1: term: is missing" in said and "w9.toml:1: file: " in said
    assert desk.does("poll").exit_code == 65 and not desk.web.asked("/gazette")


def test_g15_what_is_no_file_is_refused_at_once(desk):
    os.mkfifo(desk.folder / "watchlists" / "pipe.toml")
    (desk.folder / "watchlists" / "folder.toml").mkdir()
    (desk.folder / "watchlists" / "zero.toml").symlink_to("/dev/zero")
    said = refused(desk)
    assert "pipe.toml:1: file: is a pipe" in said
    assert "folder.toml:1: file: is a directory" in said
    assert "zero.toml:1: file: is a device" in said


TRICKY = ['O"Brien', "NEAR(", "'; DROP TABLE stories; --", "100%", "a_b", "{{7x7}}", "%s", "${x}"]


@pytest.mark.parametrize("text", TRICKY)
def test_i18_signs_that_mean_something_elsewhere_mean_nothing_here(desk, text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    desk.watchlist("harbour", f'threshold = 2\n[[term]]\nany = ["{quoted}"]\n')
    desk.feed("gazette", rss(f"See {text} now"))
    assert desk.does("poll").exit_code == 0
    (alert,) = desk.lines("alerts", "--json")
    (story,) = desk.lines("stories", "--search", text, "--json")
    assert alert["story"] == story["id"] and text in story["title"]
    assert desk.lines("backtest", "--json")[0]["alerts"] == 1


def test_r7_the_cost_of_a_story_hardly_depends_on_how_much_is_watched():
    story = StoryText(title="Nothing of note", lead="word " * 40, body="x\n" + "many other words " * 60)

    def cost(terms):
        made = tuple(Term(name=f"w{n}", any=(f"name{n}of",)) for n in range(terms))
        compiled = compile_watchlists((Watchlist(id="w", title="W", threshold=1, terms=made),))
        begun = time.process_time()
        for _ in range(150):
            score_story(story, (), compiled)
        return time.process_time() - begun

    assert min(cost(10_000) for _ in range(3)) < 4 * min(cost(10) for _ in range(3))
