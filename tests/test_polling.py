"""Claim → ask → record, over days: what a feed's answers do to how it is asked next, by hostile case.

A scripted web and a real database; time is set by hand, and one `Ingest` lives through it all.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor import operator
from monitor.core.pace import turns
from monitor.core.parse import parse_feed
from monitor.core.pipeline import Policy
from monitor.core.score import compile_watchlists
from monitor.errors import FetchError, HostHeld, NothingLeft
from monitor.ingest import Ingest
from monitor.model import Channel, Feed, FeedChecked, Fetched, HostHold, NetworkChanged, NotModified, Validators
from monitor.network import Network
from monitor.recording import Pacing
from monitor.status import status_of
from monitor.store import feeds, hosts, letters, meta
from monitor.writer import Writer
from tests.builders import NOW, watchlist
from tests.timelapse import Timelapse

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PACING = Pacing(min_interval=5 * MINUTE, max_interval=DAY, story_window=72 * HOUR)
A = Validators(etag='"a"')
OPS = Channel(name="ops", operator=True)


def DOWN(now, ask):
    return FetchError("no connection within 10 s", unreachable=True)


def rss(*titles: str, more: str = "") -> bytes:
    items = "".join(f"<item><title>{title}</title><guid>{title}</guid></item>" for title in titles)
    return f"<rss version='2.0'><channel><title>Outlet</title>{more}{items}</channel></rss>".encode()


class Desk:
    """Some feeds on a host each; `web[name]` is a body, an answer, an error, or a function of the time and the Ask."""

    def __init__(self, database, *names: str, **feed):
        self.database, self.writer, self.now = database, Writer(database), NOW
        self.feeds = {name: Feed(name=name, url=f"https://{name}.example/feed", **feed) for name in names}
        self.web, self.asked, self.said, self.holds = {}, [], [], ()
        self.ingest = None
        with database.write() as tx:
            feeds.register(tx, self.feeds.values(), NOW)

    async def fetch(self, feed, ask):
        self.asked.append((self.now, feed.name, ask))
        answer = self.web.get(feed.name, rss("One", "Two"))
        answer = answer(self.now, ask) if callable(answer) else answer
        if isinstance(answer, FetchError):
            answer.host = answer.host or f"{feed.name}.example"
            raise answer
        return Fetched(url=ask.url or feed.url, status=200, body=answer, validators=A) if isinstance(answer, bytes) else answer

    def passes(self, span: timedelta, *, every: timedelta = MINUTE, restarts: bool = False, hourly=lambda: None) -> Desk:
        """One life of the daemon: time passes, the ticker ticks. With `restarts`, a life a tick."""

        async def tick():
            end, began = self.now + span, self.now
            self.ingest = None
            while self.now < end:
                if self.ingest is None or restarts:
                    self.ingest = self._opened()
                with self.database.read() as tx:
                    is_due = feeds.any_due(tx, self.now)
                if is_due:
                    await self.ingest.start(self.feeds, limit=100)
                    await self.ingest.finish()
                if (self.now - began) % HOUR < every:
                    hourly()
                self.now += every
            await self.ingest.stop()

        with asyncio.Runner(loop_factory=Timelapse) as runner:
            runner.run(tick())
        return self

    def _opened(self) -> Ingest:
        lists = (watchlist(),)
        policy = Policy(watchlists=lists, compiled=compile_watchlists(lists), origins={}, channels=(OPS, Channel(name="desk")), zone=ZoneInfo("UTC"))

        def parse(answer):
            return parse_feed(answer.body, url=answer.url)

        return Ingest(
            self.writer, self.fetch, parse, None, policy=lambda: policy, pacing=lambda: PACING, clock=lambda: self.now,
            say=self.said.append, turns=lambda names: turns(names, 6 * MINUTE), holds=lambda: self.holds,
            offline_since=self._offline_since(),
        )  # fmt: skip

    def _offline_since(self):
        with self.database.read() as tx:
            since = meta.get_all(tx).get("offline", {}).get("since")
        return datetime.fromisoformat(since) if since else None

    def row(self, name="gazette"):
        with self.database.read() as tx:
            return next(row for row in feeds.list_feeds(tx) if row["name"] == name)

    def times(self, name="gazette"):
        return [at for at, asked, _ in self.asked if asked == name]

    def notices(self):
        """What the operator has heard so far."""
        with self.database.write() as tx:
            operator.tell(tx, [OPS], zone=ZoneInfo("UTC"), now=self.now, interval=30 * MINUTE)
            rows = tx.exec_driver_sql("SELECT message FROM deliveries WHERE kind = 'notice' ORDER BY seq").fetchall()
        return [letters.message_from(row[0]).title for row in rows]

    def problems(self):
        """What `wirewatch status` says."""
        with self.database.read() as tx:
            return status_of(tx, "x.db", now=self.now, pid=None)["problems"]

    def notes(self):
        return [fact.note for fact in self.said if isinstance(fact, FeedChecked) and fact.note]


@pytest.fixture
def desk(database):
    made = []

    def make(*names, **feed):
        made.append(Desk(database, *(names or ("gazette",)), **feed))
        return made[-1]

    yield make
    for one in made:
        one.writer.close()


def gaps(moments):
    return [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]


# ── validators and addresses ─────────────────────────────────────────────────────────────────────


def test_h1_a6_validators_come_back_with_the_address_that_gave_them(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: Fetched(url="https://cdn.example/7", status=200, body=rss("One"), validators=A)
    made.passes(2 * HOUR)
    first, second, *_ = [ask for _, _, ask in made.asked]
    assert first.validators == Validators()
    assert (second.validators, second.validators_url, second.url) == (A, "https://cdn.example/7", None)


def test_h6_a_server_that_says_304_for_ever_is_asked_for_everything_once_a_week_and_told_of(desk):
    made = desk(interval=12 * HOUR)
    made.web["gazette"] = lambda now, ask: (
        NotModified(url=made.feeds["gazette"].url) if ask.validators == A else rss(f"Edition {now:%d}", "Two")
    )
    made.passes(15.5 * DAY, every=HOUR)
    whole = [at for at, _, ask in made.asked if ask.validators == Validators()]
    assert len(whole) == 3 and all(7 * DAY <= gap < 7.6 * DAY for gap in gaps(whole))
    assert made.notes() == ["its server had said for a week that nothing changed, and was wrong"] * 2


OLD, NEW = "https://gazette.example/feed", "https://gazette.example/new"


def test_h9_c7_a_feed_that_moved_for_good_is_asked_at_its_new_address_and_nothing_is_told_again(desk):
    made = desk(interval=4 * HOUR)
    made.web["gazette"] = lambda now, ask: Fetched(
        url=NEW, status=200, body=rss("The harbour"), validators=A, moved_to=NEW if ask.url is None else None
    )
    made.passes(3 * DAY, every=30 * MINUTE)
    old = [at for at, _, ask in made.asked if ask.url is None]
    assert DAY <= old[-1] - old[0] < DAY + 5 * HOUR and made.asked[-1][2].url == NEW
    assert (made.row()["moved_to"], made.row()["entries"], made.notes()) == (NEW, 1, [f"its address has moved for good to {NEW}"])
    unconditional = [ask for _, _, ask in made.asked if ask.validators == Validators()]
    assert len(unconditional) == 1

    made.web["gazette"] = lambda now, ask: FetchError("no such page (404)", status=404) if ask.url else rss("The harbour")
    made.passes(3 * DAY, every=30 * MINUTE)
    assert made.row()["moved_to"] is None and made.row()["state"] == "ok"


def test_h9_a_feed_with_a_password_stays_where_its_password_belongs(desk):
    made = desk("gazette", interval=4 * HOUR, headers=(("Authorization", "Basic x"),))
    made.web["gazette"] = lambda now, ask: Fetched(url=NEW, status=200, body=rss("One"), validators=A, moved_to=NEW)
    made.passes(3 * DAY, every=HOUR)
    assert made.row()["moved_to"] is None


# ── servers that do not want us ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [404, 403])
def test_h16_c6_a_feed_that_is_refused_for_sixty_days_is_never_given_up(desk, status):
    made = desk()
    made.passes(HOUR)
    made.web["gazette"] = FetchError(f"gazette.example refuses us ({status})", status=status)
    for _ in range(20):
        made.passes(3 * DAY, every=2 * HOUR)
        heard = made.notices()
    first_day = [at for at in made.times() if at < NOW + HOUR + DAY]
    assert len(first_day) <= 8 and made.now - made.times()[-1] <= 26 * HOUR
    assert max(gaps(made.times())) <= 26 * HOUR, "at least daily"
    assert [notice for notice in heard if "has failed" in notice] == [
        f"feed gazette has failed for {days}: gazette.example refuses us ({status})" for days in ("1 day", "7 days")
    ]
    assert made.row()["state"] == "failing"


def test_h26_whoever_wants_a_browser_is_left_alone_for_as_long_as_one_that_refuses(desk):
    made = desk()
    made.web["gazette"] = FetchError("is behind Cloudflare", status=503, refused=True)
    made.passes(DAY)
    assert len(made.times()) <= 6 and min(gaps(made.times())) >= HOUR


def test_h15_c5_a_feed_that_is_gone_is_told_of_and_asked_weekly(desk):
    made = desk()
    made.web["gazette"] = FetchError("gazette.example says this is gone for good (410)", status=410, permanent=True)
    made.passes(30 * DAY, every=HOUR)
    assert len([at for at in made.times() if at < NOW + DAY]) <= 4
    assert all(gap >= 7 * DAY for gap in gaps(made.times())[2:]) and len(made.times()) == 6
    assert made.row()["state"] == "gone"
    assert made.notices() == ["feed gazette is gone: its server has said so for a day"]
    made.web["gazette"] = rss("One")
    made.passes(9 * DAY, every=HOUR)
    assert made.row()["state"] == "ok"


def test_h15_two_outages_and_one_410_are_not_gone(desk):
    made = desk()
    made.web["gazette"] = FetchError("503", status=503)
    made.passes(5 * HOUR)
    made.web["gazette"] = FetchError("gone", status=410)
    made.passes(20 * HOUR)
    assert made.row()["state"] == "failing"


def test_c2_h17_a_429_without_a_time_backs_off_also_over_restarts(desk):
    made = desk()
    made.web["gazette"] = FetchError("429", status=429)
    made.passes(DAY, restarts=True)
    found = gaps(made.times())
    assert all(gap >= least * MINUTE for gap, least in zip(found, (15, 30, 60, 120, 240, 480), strict=False))
    assert len(made.times()) <= 8


def test_c3_h18_a_503_with_a_time_is_waited_for(desk):
    made = desk()
    made.web["gazette"] = FetchError("503", status=503, retry_after=5 * HOUR)
    made.passes(12 * HOUR)
    assert min(gaps(made.times())) >= 5 * HOUR and made.row()["state"] == "throttled"


def test_c1_a_feed_on_a_host_that_is_held_is_not_blamed_and_waits_as_long(desk):
    made = desk()
    made.web["gazette"] = HostHeld("asked us to stay away", status=429, retry_after=2 * HOUR)
    made.passes(MINUTE)
    row = made.row()
    assert (row["state"], row["failures"], row["last_error"]) == ("new", 0, None)
    assert row["not_before"] == NOW + 2 * HOUR <= row["next_check_at"]
    assert [fact.outcome for fact in made.said] == ["held"]


def test_a_feed_is_not_blamed_where_the_system_gives_us_nothing_to_ask_with(desk):
    made = desk()
    made.web["gazette"] = NothingLeft("too many open files", host="gazette.example")
    made.passes(10 * MINUTE)
    row = made.row()
    assert (row["state"], row["failures"], row["last_error"]) == ("new", 0, None)
    assert set(gaps(made.times())) == {MINUTE} and {fact.outcome for fact in made.said} == {"failed"}


def test_c1_holds_are_on_record_with_the_answer_that_brought_them(desk):
    made = desk()
    hold = HostHold(host="gazette.example", until=NOW + 2 * HOUR, times=1)

    def refuse(now, ask):
        made.holds = (hold,)
        return FetchError("429", status=429, retry_after=2 * HOUR)

    made.web["gazette"] = refuse
    made.passes(MINUTE)
    with made.database.read() as tx:
        assert hosts.list_holds(tx) == (hold,)

    def agree(now, ask):
        made.holds = ()
        return rss("One")

    made.web["gazette"] = agree
    made.passes(3 * HOUR)
    with made.database.read() as tx:
        assert hosts.list_holds(tx) == ()


# ── servers that ask for less ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [Fetched, NotModified])
def test_h19_b4_max_age_is_waited_for_on_200_and_304(desk, answer):
    made = desk()
    whole = {"status": 200, "body": rss("One"), "validators": A} if answer is Fetched else {}
    made.web["gazette"] = lambda now, ask: answer(url=OLD, max_age=12 * HOUR, **whole)
    made.passes(DAY)
    assert len(made.times()) == 2


def test_h19_a_feed_is_shown_as_due_when_its_server_lets_it_be(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: Fetched(url=OLD, status=200, body=rss("One"), max_age=DAY)
    made.passes(MINUTE)
    with made.database.read() as tx:
        (row,) = feeds.list_feeds(tx)
    assert row["next_check_at"] >= row["not_before"] == NOW + DAY


def test_h19_a_max_age_of_a_month_is_told_and_a_day_of_it_believed(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: Fetched(url=OLD, status=200, body=rss("One"), max_age=30 * DAY)
    made.passes(2 * DAY, every=10 * MINUTE)
    assert len(made.times()) == 2 and made.notes()[0] == "its server asks to wait 30 days, 0:00:00; a day is believed"


@pytest.mark.parametrize(("planned", "state"), [(12 * HOUR, "queued"), (None, "held")], ids=["as planned", "after an outage"])
def test_what_a_feed_brings_after_a_long_wait_is_caught_up_with_only_where_that_was_not_the_plan(desk, planned, state):
    made = desk()
    made.web["gazette"] = lambda now, ask: Fetched(url=OLD, status=200, body=rss("One"), max_age=planned)
    made.passes(MINUTE)
    made.web["gazette"] = rss("One", "The harbour is open")
    made.now += 13 * HOUR
    made.passes(HOUR)
    with made.database.read() as tx:
        assert letters.depth(tx) == {state: 1}


def test_h20_b6_what_a_document_asks_holds_also_while_it_stays_the_same(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: NotModified(url=OLD) if ask.validators == A else rss("One", more="<ttl>180</ttl>")
    made.passes(DAY)
    assert min(gaps(made.times())) >= 3 * HOUR and len(made.times()) >= 6


def test_f13_b5_a_feed_that_rolls_over_is_checked_sooner_and_calms_down(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: rss(*(f"Item {n}" for n in range(int((now - NOW) / MINUTE), int((now - NOW) / MINUTE) + 12)))
    made.passes(8 * HOUR)
    busy = gaps(made.times())
    assert min(busy) >= 5 * MINUTE and max(busy[-5:]) < 15 * MINUTE and made.row()["possible_gaps"] >= 1
    made.web["gazette"] = rss("One", "Two", "Three", "Four")
    made.passes(6 * HOUR)
    assert gaps(made.times())[-1] >= 27 * MINUTE


def test_h22_a_partial_answer_is_no_gap(desk):
    made = desk()
    made.passes(MINUTE)
    made.web["gazette"] = lambda now, ask: Fetched(url=OLD, status=226, body=rss("Three"), validators=A)
    made.passes(2 * HOUR)
    assert made.row()["possible_gaps"] == 0 and made.row()["entries"] == 3


# ── the network is down ──────────────────────────────────────────────────────────────────────────

MANY = tuple(f"paper{n}" for n in range(12))


def down_between(start, end):
    return lambda now, ask: DOWN(now, ask) if start <= now - NOW < end else rss("One", "Two")


def test_t13_where_nobody_answers_one_is_asked_a_minute_nobody_is_blamed_and_the_operator_hears_once(desk):
    made, health, heard = desk(*MANY), [], []
    made.web |= dict.fromkeys(MANY, down_between(2 * HOUR, 5 * HOUR))

    def look():
        heard.append(made.notices())
        health.append({(row["state"], row["failures"], row["failing_since"]) for row in map(made.row, MANY)})

    made.passes(8 * HOUR, hourly=look)
    down = [(at, name) for at, name, _ in made.asked if 3 * HOUR <= at - NOW < 5 * HOUR]
    assert len(down) == 120 and min(gaps([at for at, _ in down])) == MINUTE
    assert len({name for _, name in down}) == 12, "each has its turn"
    assert health[3:] == [{("ok", 0, None)}] * 5
    assert [len(notices) for notices in heard] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert heard[-1][0].startswith("no feed can be reached since ")
    back = [at for at, *_ in made.asked if 5 * HOUR <= at - NOW < 5 * HOUR + 10 * MINUTE]
    assert len(back) >= 12 and back[-1] - back[0] >= 5 * MINUTE, "they take turns"
    changes = [fact for fact in made.said if isinstance(fact, NetworkChanged)]
    assert [fact.reachable for fact in changes] == [False, True]
    assert 2 * HOUR <= changes[0].since - NOW < 2 * HOUR + 15 * MINUTE


def test_t13_one_a_minute_whatever_the_ticker_does_and_whatever_the_clock(desk):
    network = Network(desk().writer, turns=dict.fromkeys, say=lambda fact: None)
    asked = [network.may_probe(NOW + seconds * timedelta(seconds=1)) for seconds in (0, 1, 59, 60, 61, 120, -3600)]
    assert asked == [True, False, False, True, False, True, True]


def test_t13_a_restart_while_nobody_answers_tells_nothing_twice_and_the_end_is_seen(desk):
    made = desk(*MANY)
    made.web |= dict.fromkeys(MANY, down_between(2 * HOUR, 4 * HOUR))
    made.passes(3 * HOUR)
    heard = made.notices()
    assert made.problems() == [f"no feed can be reached since {made._offline_since():%d %b %H:%M} UTC"]
    made.passes(50 * MINUTE)
    assert made.notices() == heard and len(heard) == 1
    made.passes(HOUR)
    assert made.notices() == heard and made._offline_since() is None and made.problems() == []
    assert [fact.reachable for fact in made.said if isinstance(fact, NetworkChanged)] == [False, True]


ALONE = {
    "T13 one feed of one is its own trouble": (("gazette",), ("gazette",)),
    "T13 two of two": (("paper0", "paper1"), ("paper0", "paper1")),
    "T13 all but one": (MANY, MANY[1:]),
}


@pytest.mark.parametrize(("names", "down"), ALONE.values(), ids=ALONE)
def test_feeds_that_fail_while_others_answer_are_blamed(desk, names, down):
    made = desk(*names)
    made.passes(2 * HOUR)
    made.web |= dict.fromkeys(down, DOWN)
    made.passes(DAY)
    assert all(made.row(name)["failures"] >= 4 for name in down)
    assert all(len([at for at in made.times(name) if at >= NOW + 2 * HOUR]) <= 10 for name in down)
    assert sum(isinstance(fact, NetworkChanged) for fact in made.said) <= 2


def test_t12_a_bad_answer_is_an_answer(desk):
    made = desk(*MANY)
    made.web |= dict.fromkeys(MANY, FetchError("500", status=500))
    made.passes(2 * HOUR)
    assert all(made.row(name)["failures"] for name in MANY)


# ── nothing at all ───────────────────────────────────────────────────────────────────────────────


def test_o13_nothing_fetched_for_three_intervals_is_told_once(desk):
    made = desk()
    made.passes(HOUR)
    made.web["gazette"] = FetchError("500", status=500)
    made.passes(HOUR)
    assert made.notices() == []
    made.passes(HOUR)
    heard = made.notices()
    assert made.notices() == heard and len(heard) == 1 and heard[0].startswith("nothing has been fetched since ")


def test_o13_a_poller_that_does_not_run_is_told_by_whoever_looks(desk):
    made = desk()
    made.passes(HOUR)
    made.now += 3 * HOUR
    assert [notice[:31] for notice in made.notices()] == ["nothing has been fetched since "]


def test_o13_a_server_that_asks_for_a_day_is_no_reason_for_alarm(desk):
    made = desk()
    made.web["gazette"] = lambda now, ask: Fetched(url=OLD, status=200, body=rss("One"), max_age=DAY)
    made.passes(20 * HOUR, every=HOUR)
    assert made.notices() == []
