"""What only a copy says is searched, too: the fullest text of a story is not all of it."""

from datetime import UTC, datetime
from email.utils import format_datetime

from tests.desk import Desk

TITLE = "Storm closes old harbour of Port Else after long night"
FULL = "The first gale of the winter tore two ferries from their ropes, and the master of the port sent everybody home until Thursday, when divers will look at the quays."
OWN = "Fishermen said their blockade would go on in any weather."


def feed(summary):
    item = f"<title>{TITLE}</title><guid>{summary[:5]}</guid><pubDate>{format_datetime(datetime.now(UTC))}</pubDate><description>{summary}</description>"
    return f"<rss version='2.0'><channel><title>Outlet</title><item>{item}</item></channel></rss>".encode()


def alerts(tmp_path, web, watchlist, own=OWN):
    """What is told of a story whose second copy has a shorter text of its own."""
    desk = Desk(tmp_path, web).watchlist("harbour", watchlist)
    desk.feed("gazette", feed(FULL)).does("poll")
    assert desk.lines("alerts", "--json") == []
    desk.feed("herald", feed(own)).does("poll", "--all")
    (story,) = desk.lines("stories", "--json")
    assert len(story["pickups"]) == 2
    return [(alert["story"] == story["id"], alert["watchlist"], alert["score"]) for alert in desk.lines("alerts", "--json")]


BLOCKADE = 'title = "Blockades"\nthreshold = 1\n[[term]]\nany = ["blockade"]\n'


def test_what_only_a_shorter_copy_says_alerts(tmp_path, web):
    assert alerts(tmp_path, web, BLOCKADE) == [(True, "harbour", 1.5)]


def test_a_veto_in_the_fullest_text_holds(tmp_path, web):
    assert alerts(tmp_path, web, BLOCKADE + '[[veto]]\nany = ["divers"]\n') == []


def test_a_word_against_it_that_a_copy_lacks_does_not_make_it_better(tmp_path, web):
    against = 'title = "Storms"\nthreshold = 1\n[[term]]\nany = ["storm"]\n[[term]]\nany = ["gale"]\nweight = -9\n'
    assert alerts(tmp_path, web, against) == []


def test_a_mention_that_a_cut_copy_repeats_is_one(tmp_path, web):
    twice = 'title = "Ferries"\nthreshold = 1\n[[term]]\nany = ["ferries"]\nat_least = 2\n'
    assert alerts(tmp_path, web, twice, own=FULL[:120] + "…") == []


def test_explain_shows_the_words_that_only_a_copy_has(tmp_path, web):
    desk = Desk(tmp_path, web).watchlist("harbour", BLOCKADE)
    desk.feed("gazette", feed(FULL)).does("poll")
    desk.feed("herald", feed(OWN)).does("poll", "--all")
    (alert,) = desk.lines("alerts", "--json")
    said = desk.does("explain", alert["story"]).stdout
    assert "harbour: decided when it came in: matched\n" in said
    assert "  +1.5  Fishermen said their blockade would go on in any weather  ← blockade, lead of a copy then\n" in said
    assert "nothing found by" not in said
    (told,) = desk.lines("explain", "--json", alert["story"])
    (verdict,) = told["verdicts"]
    assert (verdict["decided"], verdict["decided_score"], verdict["hits"]) == ("matched", 1.5, [])
    assert [hit["term"] for hit in verdict["decided_hits"]] == ["blockade"]
