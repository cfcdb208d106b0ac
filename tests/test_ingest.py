"""Claim → fetch → read → save, with a scripted web and a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.core import normalise
from monitor.core.normalise import normalise_entry
from monitor.core.parse import parse_feed
from monitor.core.pipeline import Policy
from monitor.core.score import compile_watchlists
from monitor.errors import FetchError, ParseError
from monitor.ingest import Ingest
from monitor.model import Channel, Feed, Fetched, NotModified, Validators
from monitor.recording import Pacing
from monitor.room import Room
from monitor.store import feeds, letters, stories
from monitor.writer import Writer
from tests.builders import NOW, ago, watchlist

PACING = Pacing(min_interval=timedelta(seconds=1), max_interval=timedelta(hours=24), story_window=timedelta(hours=72))
GAZETTE, HERALD = (Feed(name=name, url=f"https://{name}.example/feed") for name in ("gazette", "herald"))
HARBOUR = "Parliament passes the harbour bill after a night of debate"


def rss(*titles, guid="{}"):
    stamp = ago(hours=1).strftime("%a, %d %b %Y %H:%M:%S +0000")
    items = "".join(f"<item><title>{t}</title><guid>{guid.format(t)}</guid><pubDate>{stamp}</pubDate></item>" for t in titles)
    return f"<rss version='2.0'><channel><title>Outlet</title>{items}</channel></rss>".encode()


class Rig:
    """Ingest over scripted answers: `web[name]` is a body, a NotModified or an error."""

    def __init__(self, database):
        self.database, self.writer, self.now = database, Writer(database), NOW
        self.web, self.asked, self.facts, self.room = {}, [], [], None
        lists = (watchlist(),)
        self.policy = Policy(watchlists=lists, compiled=compile_watchlists(lists), origins={}, channels=(Channel(name="desk"),), zone=ZoneInfo("UTC"))
        self.configure(GAZETTE, HERALD)

    def configure(self, *configured):
        self.feeds = {feed.name: feed for feed in configured}
        with self.database.write() as tx:
            feeds.register(tx, configured, self.now)

    async def fetch(self, feed, ask):
        self.asked.append((feed.name, ask.validators))
        answer = self.web.get(feed.name, rss())
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, NotModified):
            return answer
        return Fetched(url=feed.url, status=200, body=answer, validators=Validators(etag=f'"{len(answer)}"'))

    def parse(self, answer):
        return parse_feed(answer.body, url=answer.url)

    async def parse_slowly(self, answer):
        raise AssertionError("nothing was left to the slow reader")

    def check(self, **how):
        """One pass over what is due; returns its facts by feed."""
        self.facts.clear()

        async def run():
            ingest = Ingest(
                self.writer, self.fetch, self.parse, self.parse_slowly, policy=lambda: self.policy,
                pacing=lambda: PACING, clock=lambda: self.now, say=self.facts.append,
                room=self.room,
            )  # fmt: skip
            await ingest.start(self.feeds, limit=100, **how)
            await ingest.finish()
            await ingest.stop()

        asyncio.run(run())
        return {fact.feed: fact for fact in self.facts}

    def read(self, function, *args, **more):
        with self.database.read() as tx:
            return function(tx, *args, **more)

    def alerts(self):
        return self.read(letters.list_alerts, since=ago(days=30))

    def row(self, name="gazette"):
        return next(row for row in self.read(feeds.list_feeds) if row["name"] == name)


@pytest.fixture
def rig(database):
    made = Rig(database)
    yield made
    made.writer.close()


def test_entries_stories_alerts_and_validators_are_saved_together(rig):
    rig.web |= {"gazette": rss(HARBOUR, "A comet is seen over the hills")}
    fact = rig.check()["gazette"]
    assert (fact.outcome, fact.entries, fact.new, fact.alerts) == ("fresh", 2, 2, 1)
    assert rig.row()["etag"] == f'"{len(rig.web["gazette"])}"'
    assert rig.read(letters.depth) == {"queued": 1}


def test_the_same_story_in_two_outlets_alerts_once(rig):
    rig.web |= {"gazette": rss(HARBOUR), "herald": rss(HARBOUR)}
    rig.check()
    (story,) = rig.read(stories.list_stories, since=ago(days=1))
    assert (story["pickups"], len(rig.alerts())) == (2, 1)


def test_nothing_repeats_on_the_next_check_and_the_validators_are_sent(rig):
    rig.web |= {"gazette": rss(HARBOUR)}
    rig.check()
    rig.web["gazette"] = NotModified(url=GAZETTE.url)
    etag = rig.row()["etag"]
    assert rig.check(ignore_schedule=True)["gazette"].outcome == "not_modified"
    assert rig.asked[-2:][0][1].etag == etag or rig.asked[-1][1].etag == etag
    assert (rig.row()["etag"], len(rig.alerts())) == (etag, 1)


def test_of_a_document_that_breaks_off_no_validators_are_kept_lest_a_304_withholds_its_end(rig):
    whole = rss("A comet is seen over the hills", HARBOUR)
    rig.web["gazette"] = whole[: whole.rindex(b"<item>") + 20]
    assert rig.check()["gazette"].new == 1
    assert (rig.row()["etag"], rig.row()["last_modified"]) == (None, None)
    rig.web["gazette"] = whole
    assert rig.check(ignore_schedule=True)["gazette"].alerts == 1
    assert rig.row()["etag"] == f'"{len(whole)}"'


def test_a_document_that_always_breaks_off_is_asked_for_by_its_validators_from_the_second_time_on(rig):
    whole = rss("A comet is seen over the hills", HARBOUR)
    rig.web["gazette"] = cut = whole[: whole.rindex(b"<item>") + 20]
    for _ in range(2):
        rig.check(ignore_schedule=True)
    assert rig.row()["etag"] == f'"{len(cut)}"'


UNTITLED = "<rss version='2.0'><channel><title>Ann</title><item>{}<link>https://social.example/@ann/1</link></item></channel></rss>"
CALLED = {
    "its first words": (f"<description>&lt;p&gt;{HARBOUR}, says the mayor, who was there.&lt;/p&gt;</description>", f"{HARBOUR}, says the mayor, who …"),
    "all of a short text": (f"<description>{HARBOUR}.</description>", f"{HARBOUR}."),
}


@pytest.mark.parametrize(("says", "called"), CALLED.values(), ids=CALLED)
def test_a_story_without_title_goes_by(rig, says, called):
    rig.web["gazette"] = rss("A comet is seen over the hills")
    rig.check()
    rig.web["gazette"] = UNTITLED.format(says).encode()
    rig.check(ignore_schedule=True)
    story = next(row for row in rig.read(stories.list_stories, since=ago(days=1)) if "comet" not in row["title"])
    assert story["title"] == called


class Narrow(Room):
    """Room for a few documents that remembers how many were in it at most."""

    fullest = 0

    def take(self):
        super().take()
        self.fullest = max(self.fullest, self._held)


def test_documents_wait_with_their_servers_until_there_is_room_and_none_is_lost(rig):
    rig.room, at_once = Narrow(3), asyncio.Semaphore(2)
    rig.configure(*(Feed(name=f"feed-{n}", url=f"https://{n}.example/feed") for n in range(20)))
    rig.web |= {"feed-0": FetchError("no"), "feed-1": b"no feed", "feed-2": NotModified(url="https://2.example/feed")}
    rig.web |= {f"feed-{n}": rss(f"{HARBOUR} {n}") for n in range(3, 20)}
    answer = rig.fetch

    async def fetch(feed, ask):
        async with at_once:
            await rig.room.wait()
            return await answer(feed, ask)

    rig.fetch = fetch
    checked = rig.check()
    assert sum(fact.new for fact in checked.values()) == 17
    assert (rig.room.fullest, rig.room._held) == (3, 0)
    assert sum(fact.new for fact in rig.check(ignore_schedule=True).values()) == 0
    assert (rig.room.fullest, rig.room._held) == (3, 0)


def test_a_document_that_waits_for_the_slow_reader_keeps_no_other_feed_waiting(rig):
    rig.room = Narrow(1)
    rig.web |= {"gazette": rss(HARBOUR), "herald": rss("Rain is expected over the hills")}
    read = rig.parse
    rig.parse = lambda answer: None if answer.url == GAZETTE.url else read(answer)

    async def parse_slowly(answer):
        await asyncio.wait_for(rig.room.wait(), 5)
        return read(answer)

    rig.parse_slowly = parse_slowly
    checked = rig.check()
    assert {name: fact.new for name, fact in checked.items()} == {"gazette": 1, "herald": 1}
    assert rig.room._held == 0


def test_what_the_slow_reader_cannot_read_is_a_failure_of_its_feed(rig):
    rig.room = Narrow(1)
    rig.web |= {"gazette": rss(HARBOUR)}
    rig.parse = lambda answer: None

    async def parse_slowly(answer):
        raise ParseError("not a feed")

    rig.parse_slowly = parse_slowly
    assert rig.check()["gazette"].error == "not a feed"
    assert (rig.row()["state"], rig.room._held) == ("failing", 0)


def test_equal_bytes_are_not_read_again(rig):
    rig.web |= {"gazette": rss(HARBOUR)}
    rig.check()
    assert rig.check(ignore_schedule=True)["gazette"].entries == 0


def test_an_edited_headline_updates_the_story_and_founds_nothing(rig):
    rig.web |= {"gazette": rss("Quiet night in parliament ends with a vote", guid="g1")}
    rig.check()
    rig.web |= {"gazette": rss("Harbour bill: quiet night in parliament ends with a vote", guid="g1")}
    fact = rig.check(ignore_schedule=True)["gazette"]
    (story,) = rig.read(stories.list_stories, since=ago(days=1))
    assert (fact.new, story["pickups"], story["title"][:7], len(rig.alerts())) == (0, 1, "Harbour", 1)


def test_a_failing_feed_is_told_and_the_others_are_done(rig):
    rig.web |= {"gazette": FetchError("the server said 503", status=503), "herald": rss(HARBOUR)}
    facts = rig.check()
    assert (facts["gazette"].outcome, facts["gazette"].error, facts["herald"].new) == ("failed", "the server said 503", 1)
    assert (rig.row()["state"], rig.row()["failures"]) == ("failing", 1)


def test_a_document_that_is_no_feed_is_told_in_words(rig):
    rig.web |= {"gazette": b"<!doctype html><html><body>Sorry</body></html>"}
    assert "HTML" in rig.check()["gazette"].error


def test_429_holds_the_feed_even_against_a_command(rig):
    rig.web |= {"gazette": FetchError("too many requests", status=429, retry_after=timedelta(hours=2))}
    rig.check()
    assert rig.row()["state"] == "throttled"
    rig.now += timedelta(minutes=119)
    assert "gazette" not in rig.check(ignore_schedule=True)
    rig.now += timedelta(minutes=2)
    assert "gazette" in rig.check(ignore_schedule=True)


def test_a_poisonous_document_harms_only_its_own_feed(rig, monkeypatch):
    from monitor.core import pipeline

    judge = pipeline.judge

    def poisoned(arrivals, *args, **more):
        if any(arrival.entry.feed == "gazette" for arrival in arrivals):
            raise ZeroDivisionError("poison")
        return judge(arrivals, *args, **more)

    monkeypatch.setattr(pipeline, "judge", poisoned)
    rig.web |= {"gazette": rss(HARBOUR), "herald": rss("Another harbour story of the night")}
    facts = rig.check()
    assert (facts["gazette"].outcome, facts["herald"].new) == ("failed", 1)
    assert rig.row()["etag"] is None


def test_K13_a_poisonous_entry_harms_only_itself_and_is_told_as_a_possible_gap(rig, monkeypatch):
    from monitor.core import pipeline

    judge = pipeline.judge

    def poisoned(arrivals, *args, **more):
        if any("poison" in arrival.entry.title for arrival in arrivals):
            raise ZeroDivisionError("no such score")
        return judge(arrivals, *args, **more)

    monkeypatch.setattr(pipeline, "judge", poisoned)
    rig.web |= {"gazette": rss("A comet is seen over the hills", "Some poison in the harbour", HARBOUR, "Nine goats")}
    fact = rig.check()["gazette"]
    assert (fact.outcome, fact.new) == ("fresh", 3)
    assert "1 of 4 entries could not be judged" in fact.error and "no such score" in fact.error
    assert (rig.row()["state"], rig.row()["possible_gaps"]) == ("ok", 1)

    monkeypatch.setattr(pipeline, "judge", judge)  # mended: what is still in the document is taken in
    rig.web["gazette"] = rss("Some poison in the harbour", HARBOUR, "Nine goats", "A tenth goat")
    assert rig.check(ignore_schedule=True)["gazette"].new == 2


def test_no_overlap_with_the_last_check_is_a_possible_gap(rig):
    rig.web |= {"gazette": rss(HARBOUR)}
    rig.check()
    rig.web |= {"gazette": rss("A comet is seen over the hills")}
    rig.check(ignore_schedule=True)
    assert rig.row()["possible_gaps"] == 1
    assert rig.row("herald")["possible_gaps"] == 0


def test_after_a_crash_between_fetch_and_save_the_feed_is_asked_without_new_validators(rig):
    rig.web |= {"gazette": rss(HARBOUR)}
    with rig.database.write() as tx:
        feeds.claim_due(tx, NOW, limit=10, min_interval=timedelta(minutes=5))
        feeds.release_leases(tx)
    rig.now += timedelta(minutes=6)
    assert rig.check()["gazette"].alerts == 1
    assert rig.asked[0][1] == Validators()


def test_one_item_under_one_address_that_changes_each_time_is_told_each_time(rig):
    def statement(title, guid):
        stamp = ago(hours=1).strftime("%a, %d %b %Y %H:%M:%S +0000")
        link = "https://gazette.example/press/latest.html"
        text = f"<description>{title}: what was said about it in the house on that day, word for word, at length.</description>"
        return f"<rss version='2.0'><channel><item><title>{title}</title><guid>{guid}</guid><link>{link}</link><pubDate>{stamp}</pubDate>{text}</item></channel></rss>".encode()

    rig.web |= {"gazette": statement("Statement on the harbour", "g1")}
    rig.check()
    rig.now += timedelta(days=5)
    rig.web |= {"gazette": statement("Minister visits harbour cranes", "g2").replace(ago(hours=1).strftime("%d %b").encode(), b"23 Aug")}
    rig.check(ignore_schedule=True)
    assert len(rig.alerts()) == 2


def test_a_document_that_was_cut_is_a_possible_gap(rig):
    rig.web |= {"gazette": rss(*(f"Item number {n}" for n in range(5005)))}
    rig.check()
    assert rig.row()["possible_gaps"] == 1


def test_an_empty_first_document_does_not_let_the_backlog_through(rig):
    old = rss(HARBOUR).replace(ago(hours=1).strftime("%d %b").encode(), ago(days=5).strftime("%d %b").encode())
    rig.web |= {"gazette": b"<rss version='2.0'><channel><title>x</title></channel></rss>"}
    rig.check()
    rig.web |= {"gazette": old}
    rig.check(ignore_schedule=True)
    assert rig.alerts() == ()


@pytest.fixture
def worked_out(monkeypatch):
    """Titles of the items that entries were made of."""
    titles = []

    def counted(raw, **more):
        titles.append(raw.title)
        return normalise_entry(raw, **more)

    monkeypatch.setattr(normalise, "normalise_entry", counted)
    return titles


def test_nothing_is_worked_out_again_of_items_that_are_as_they_were(rig, worked_out):
    rig.web |= {"gazette": rss(HARBOUR, "A comet is seen over the hills")}
    rig.check()
    worked_out.clear()
    rig.web |= {"gazette": rss("Rain is expected over the hills", HARBOUR, "A comet is seen over the hills")}
    fact = rig.check(ignore_schedule=True)["gazette"]
    assert worked_out == ["Rain is expected over the hills"]
    assert (fact.entries, fact.new) == (3, 1)
    assert rig.row()["possible_gaps"] == 0


def test_an_item_that_says_something_else_now_is_an_edit_among_familiar_ones(rig, worked_out):
    before = rss(HARBOUR, "A comet is seen over the hills")
    rig.web |= {"gazette": before}
    rig.check()
    worked_out.clear()
    rig.web |= {"gazette": before.replace(b"<title>A comet is seen", b"<title>A comet is not seen")}
    fact = rig.check(ignore_schedule=True)["gazette"]
    assert worked_out == ["A comet is not seen over the hills"]
    assert (fact.entries, fact.new) == (2, 0)
    titles = [story["title"] for story in rig.read(stories.list_stories, since=ago(days=1))]
    assert "A comet is not seen over the hills" in titles


def test_after_a_week_a_document_is_read_as_a_whole_again(rig, worked_out):
    before = rss(HARBOUR, "A comet is seen over the hills")
    rig.web |= {"gazette": before}
    rig.check()
    rig.now += timedelta(days=8)
    worked_out.clear()
    rig.web |= {"gazette": before + b" "}
    fact = rig.check(ignore_schedule=True)["gazette"]
    assert (len(worked_out), fact.entries, fact.new) == (2, 2, 0)


def test_a_document_that_repeats_itself_is_read_as_a_whole(rig, worked_out):
    once = rss(HARBOUR)
    item = once[once.index(b"<item>") : once.index(b"</item>") + len(b"</item>")]
    rig.web |= {"gazette": once.replace(item, item + item)}
    rig.check()
    worked_out.clear()
    rig.web |= {"gazette": once.replace(item, item + item) + b" "}
    assert (rig.check(ignore_schedule=True)["gazette"].new, len(worked_out)) == (0, 2)


def test_feeds_take_turns_host_by_host_and_few_at_once(rig, monkeypatch):
    monkeypatch.setattr("monitor.ingest.AT_ONCE", 2)
    rig.configure(*(Feed(name=f"a-{n}", url=f"https://a.example/{n}") for n in range(5)), Feed(name="b", url="https://b.example/"))
    rig.web |= dict.fromkeys(rig.feeds, NotModified(url="https://a.example/"))
    answer, at_once = rig.fetch, []

    async def fetch(feed, ask):
        at_once.append(1)
        await asyncio.sleep(0)
        most.append(sum(at_once))
        at_once.append(-1)
        return await answer(feed, ask)

    most: list[int] = []
    rig.fetch = fetch
    assert len(rig.check()) == 6
    assert [name for name, _ in rig.asked[:2]] == ["a-0", "b"] and max(most) == 2
