"""Counting what watchlists would have said: gained and lost, days, deciding terms, vetoes worth a try."""

from datetime import timedelta

import pytest

from monitor.core.backtest import Outcome, outcome_of, report_on
from monitor.core.score import compile_watchlists, score_story
from monitor.model import StoryText, Term, Verdict, Watchlist
from tests.builders import NOW

TERMS = (Term(name="place", any=("Hormuz",), weight=2, required=True), Term(name="ship", any=("tanker*",), weight=1))
WATCHLIST = Watchlist(id="gulf", title="The Gulf", threshold=4, terms=TERMS)
DAYS = tuple((NOW + timedelta(days=n)).date() for n in range(3))


def outcome(story, *, verdict=Verdict.ALERT, day=0, title="", decided_by=("place",)):
    return Outcome(
        watchlist="gulf",
        story=story,
        title=title or f"Hormuz {story}",
        url="",
        seen_at=NOW + timedelta(days=day),
        verdict=verdict,
        score=4,
        points=(("place", 4),),
        decided_by=decided_by,
    )


def report(outcomes, in_force=None, noisy=None, held=None):
    return report_on(WATCHLIST, outcomes, in_force, stories=10, days=DAYS, held=held or {"place": 5}, noisy=noisy or {})


def stories(outcomes):
    return [one.story for one in outcomes]


def test_gained_lost_and_kept_are_against_what_is_in_force():
    found = report(
        [outcome("a"), outcome("b"), outcome("c", verdict=Verdict.SILENT)], [outcome("b"), outcome("c"), outcome("d")]
    )
    assert (stories(found.gained), stories(found.lost), stories(found.kept)) == (["a"], ["c", "d"], ["b"])
    assert stories(found.near_misses) == ["c"] and not found.new


def test_a_near_miss_of_what_is_in_force_is_nothing_lost():
    found = report([outcome("a")], [outcome("a", verdict=Verdict.SILENT)])
    assert (stories(found.gained), found.lost) == (["a"], ())


def test_a_watchlist_that_is_not_in_force_gains_all():
    found = report([outcome("a")])
    assert found.new and stories(found.gained) == ["a"]


def test_alerts_are_counted_by_day_and_days_without_any_count():
    found = report([outcome("a"), outcome("b"), outcome("c", day=2, verdict=Verdict.URGENT)])
    assert found.days == tuple(zip(DAYS, (2, 0, 1), strict=True))
    assert (found.per_day, found.urgent) == (1.0, 1)


@pytest.mark.parametrize(
    ("title", "lead", "decided_by"),
    [
        ("Tanker in Hormuz", "", ("place",)),  # 6 points: the tanker's 2 are not needed, but the place is required
        ("Something else", "A tanker stopped in Hormuz", ("place", "ship")),  # 4.5: both are needed
    ],
)
def test_terms_without_which_it_would_be_silent_decide(title, lead, decided_by):
    story = StoryText(title=title, lead=lead)
    match = score_story(story, (), compile_watchlists((WATCHLIST,)), complete=True)[0]
    found = outcome_of(match, WATCHLIST, story="s", title=title, url="", seen_at=NOW)
    assert found.alerts and found.decided_by == decided_by


def test_a_silent_story_is_decided_by_nothing():
    match = score_story(StoryText(title="tanker"), (), compile_watchlists((WATCHLIST,)), complete=True)[0]
    assert outcome_of(match, WATCHLIST, story="s", title="", url="", seen_at=NOW).decided_by == ()


def test_the_term_that_decides_most_and_those_that_never_do():
    found = report([outcome("a"), outcome("b", decided_by=())])
    assert (found.strongest.term, found.strongest.decides, found.strongest.stories) == ("place", 1, 5)
    assert found.never == ("ship",)


def test_a_word_of_the_noise_and_of_no_other_alert_is_a_veto_worth_a_try():
    outcomes = [outcome("a", title="Hormuz regatta opens"), outcome("b", title="Regatta crew in Hormuz")]
    outcomes += [outcome("c", title="Hormuz closed to crew")]
    noisy = {"a": "Hormuz regatta opens\nCrew of nine", "b": "Regatta crew in Hormuz", "z": "Regatta elsewhere"}
    found = report(outcomes, noisy=noisy)
    assert [(idea.word, idea.noise) for idea in found.vetoes] == [("regatta", 2)]
    assert (found.noise, found.terms[0].noise) == (2, 2)


def test_one_noisy_alert_is_no_reason_for_a_veto():
    assert report([outcome("a")], noisy={"a": "Hormuz regatta"}).vetoes == ()


def test_nothing_found_is_reported_as_nothing():
    found = report([])
    assert (found.per_day, found.strongest, found.alerts) == (0, None, ())
