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


def test_what_only_a_shorter_copy_says_alerts(tmp_path, web):
    desk = Desk(tmp_path, web).watchlist("harbour", 'title = "Blockades"\nthreshold = 1\n[[term]]\nany = ["blockade"]\n')
    desk.feed("gazette", feed(FULL)).does("poll")
    assert desk.lines("alerts", "--json") == []
    desk.feed("herald", feed(OWN)).does("poll", "--all")
    (story,) = desk.lines("stories", "--json")
    assert len(story["pickups"]) == 2
    (alert,) = desk.lines("alerts", "--json")
    assert (alert["story"], alert["watchlist"]) == (story["id"], "harbour")
