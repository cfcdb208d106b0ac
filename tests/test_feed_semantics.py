"""What feeds do over time, and what follows: hostile cases of group F, each by its id, and G10, X5, K12, D18.

    F1 F2 F3 F4 F7 F8 F9 F11 F13 F14 F18 F22   here
    F5 F6 F10 F12 F17 F20                      the list has none of these numbers
    F15 F16                                    tests/core/test_dedup.py has the copies and the boilerplate titles; here, whole
    F19                                        here: the second page is never asked for, and no link of a feed but an article is
    F21                                        tests/test_backfill.py
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from html import escape

import pytest

from monitor import again
from monitor.core.parse import CUT_TO, MAX_ENTRIES
from monitor.errors import ReaderDied
from monitor.model import OddityKind, Reason
from monitor.store import feeds, oddities, stories
from monitor.upkeep import sweep
from tests.builders import NOW, ago
from tests.test_ingest import GAZETTE, HARBOUR, Rig

DAY = timedelta(days=1)


def item(number, *, title="", guid="", link="", when=None, text=""):
    """One item; its number makes it unlike all others."""
    stamp = f"<pubDate>{when if isinstance(when, str) else format_datetime(when)}</pubDate>" if when else ""
    title = title or f"{WORDS[number % 50]} harbour {WORDS[number // 50 % 50]} story number {number}"
    link = link or f"https://gazette.example/stories/{number}"
    return (
        f"<item><title>{escape(title)}</title><guid isPermaLink='false'>{escape(guid or f'g{number}')}</guid>"
        f"<link>{escape(link)}</link>{stamp}<description>{escape(text)}</description></item>"
    )


WORDS = [f"{a}{b}" for a in ("win", "tor", "bel", "cas", "dun", "mor", "fal", "gro", "han", "kel") for b in ("der", "wick", "ton", "ford", "ley")]


def feed(*items, title="Gazette"):
    return f"<rss version='2.0'><channel><title>{title}</title>{''.join(items)}</channel></rss>".encode()


@pytest.fixture
def rig(database):
    made = Rig(database)
    yield made
    made.writer.close()


def check(rig, *items, later=timedelta(minutes=40), **more):
    """The next check of the feed brings these items."""
    rig.now += later
    rig.web["gazette"] = feed(*items, **more)
    return rig.check(ignore_schedule=True, only=["gazette"])["gazette"]


def begun(rig, count=30, **more):
    """A feed that has been read once; its items are a day and a half old, so none of them alerted."""
    check(rig, *(item(n, when=ago(hours=36), **more) for n in range(count)))
    assert rig.alerts() == ()


def odd(rig, kind):
    return rig.read(oddities.of_kind, kind).get("gazette")


# ── what is backlog, and what is old under a new name ────────────────────────────────────────────


def test_f1_a_feeds_backlog_is_remembered_and_of_the_last_day_ten_alert(rig):
    old = [item(n, when=NOW - timedelta(days=12 * n)) for n in range(2, 480)]
    young = [item(n, when=NOW - timedelta(minutes=n - 480)) for n in range(480, 500)]
    fact = check(rig, *old, *young)
    assert (fact.new, fact.alerts) == (498, 10)
    assert {alert["title"] for alert in rig.alerts()} == {rig_title(n) for n in range(480, 490)}  # the newest of them


def test_f1_f8_an_edit_of_what_was_only_remembered_alerts_nothing(rig):
    old = {n: NOW - timedelta(days=12 * n) for n in range(2, 30)}
    check(rig, *(item(n, when=when) for n, when in old.items()))
    check(rig, *(item(n, when=when, text="3 comments") for n, when in old.items()), later=timedelta(hours=1))
    assert rig.alerts() == ()
    check(rig, item(60, when=NOW + timedelta(hours=2)), later=timedelta(hours=2))
    assert [alert["title"] for alert in rig.alerts()] == [rig_title(60)]


def rig_title(number):
    return f"{WORDS[number % 50]} harbour {WORDS[number // 50 % 50]} story number {number}"


RENAMED = {
    "F2 guids go from http to https": lambda n: {"guid": f"https://gazette.example/?p={n}"},
    "F2 guids and addresses get a tracking parameter": lambda n: {"guid": f"g{n}?utm_source=x", "link": f"http://www.gazette.example/stories/{n}?utm_source=rss"},
    "F2 the site moves, the headlines stay": lambda n: {"guid": f"new{n}", "link": f"https://new.example/{n * 7}"},
}


@pytest.mark.parametrize("renamed", RENAMED.values(), ids=RENAMED)
def test_f2_old_items_under_new_names_alert_on_nothing_and_found_nothing(rig, renamed):
    begun(rig)
    before = rig.row()["entries"]
    for _ in range(2):
        check(rig, *(item(n, **{"when": ago(hours=36), **renamed(n)}) for n in range(30)))
    assert (rig.alerts(), rig.row()["entries"], rig.row()["state"]) == ((), before, "ok")
    assert check(rig, *(item(n, **{"when": ago(hours=36), **renamed(n)}) for n in range(15))).new == 0  # known by now
    assert check(rig, item(99, when=NOW + timedelta(hours=2)), *(item(n, **{"when": ago(hours=36), **renamed(n)}) for n in range(30))).alerts == 1


def test_f2_a_site_that_moves_and_dates_everything_today_tells_nothing_twice(rig):
    check(rig, item(0))
    check(rig, *(item(n, when=NOW) for n in range(1, 31)))
    assert len(rig.alerts()) == 30
    check(rig, *(item(n, guid=f"new{n}", link=f"https://new.example/{n * 7}", when=NOW + timedelta(hours=1)) for n in range(1, 31)))
    assert len(rig.alerts()) == 30


def test_f3_d18_what_comes_back_after_its_story_was_deleted_is_no_news(rig):
    begun(rig, 40)
    check(rig, item(50, when=NOW))
    rig.now += 100 * DAY
    with rig.database.write() as tx:
        assert sweep(tx, rig.now, keep=90 * DAY, story_window=3 * DAY).stories >= 40
    back = [item(n, guid=f"other{n}") for n in range(20)] + [item(n) for n in range(20, 40)]
    fact = check(rig, *back)
    assert (fact.new, fact.alerts, rig.row()["state"]) == (0, 0, "ok")
    with rig.database.write() as tx:  # while it is listed it is remembered, however long ago it was deleted
        rig.now += 399 * DAY
        sweep(tx, rig.now, keep=90 * DAY, story_window=3 * DAY)
    assert check(rig, *back).new == 0


def test_f4_guids_made_anew_at_every_build_are_flagged_and_addresses_tell_items_apart(rig):
    begun(rig)
    check(rig, *(item(n, when=ago(hours=36), guid=f"b1-{n}") for n in range(30)))
    flagged = odd(rig, OddityKind.UNSTABLE_GUIDS)
    # an edited headline with a new guid and a new date: only the address is the same
    fact = check(rig, *(item(n, title=f"New words on {n}", when=NOW, guid=f"b2-{n}") for n in range(30)))
    assert flagged and (fact.new, fact.alerts) == (0, 0)
    check(rig, *(item(n) for n in range(30)))
    assert odd(rig, OddityKind.UNSTABLE_GUIDS) is None


def test_f4_guids_that_number_items_from_the_top_hide_no_news_and_tell_none_twice(rig):
    """A feed of three items whose guids are their places; an item an hour, six of them on the harbour."""
    begun(rig, count=3)
    listed = [("Rain falls", 900), ("Bread is dearer", 901), ("A comet is seen", 902)]
    for hour, title in enumerate(NEWS):
        listed = [(title, hour), *listed[:2]]
        items = (item(0, guid=f"g{place}", title=title, link=f"https://gazette.example/q{n}", when=ago(minutes=10 * n))
                 for place, (title, n) in enumerate(listed))  # fmt: skip
        check(rig, *items, later=timedelta(hours=1))
    assert sorted(alert["title"] for alert in rig.alerts()) == sorted(NEWS)
    rows = {row["title"]: row["url"] for row in rig.read(stories.list_stories, since=ago(days=30))}
    assert {rows[title] for title in NEWS} == {f"https://gazette.example/q{hour}" for hour in range(len(NEWS))}


def test_f4_one_item_under_one_guid_for_ever_is_news_each_time(rig):
    begun(rig, count=1)
    for hour, title in enumerate(NEWS):
        check(rig, item(0, guid="latest", title=title, link=f"https://gazette.example/q{hour}"), later=timedelta(hours=1))
    assert len(rig.alerts()) == len(NEWS)


NEWS = ("Harbour workers walk out over pay", "Fire in a harbour warehouse is put out", "Two ferries collide in the harbour",
        "Harbour dues are raised by a tenth", "A mine is found near the old harbour", "Dredging of the harbour begins in May")  # fmt: skip


def test_items_without_guid_that_differ_in_the_fragment_alone_are_each_news(rig):
    begun(rig)
    for place, title in enumerate(NEWS[:3]):
        link = f"https://gazette.example/live#p{place}"
        text = f"<item><title>{title}</title><link>{link}</link></item>"
        check(rig, text, later=timedelta(hours=1))
    assert {alert["title"] for alert in rig.alerts()} == set(NEWS[:3])


@pytest.mark.parametrize("title", ["Harbour workers walk out", "Harbour workers walk out over pay"])
def test_a_corrected_address_is_kept_and_no_news(rig, title):
    begun(rig)
    check(rig, item(0, guid="new", title="Harbour workers walk out", link="https://gazette.example/DRAFT", when=ago(minutes=5)))
    check(rig, item(0, guid="new", title=title, link="https://gazette.example/walk-out", when=ago(minutes=5)))
    (alert,) = rig.alerts()
    (story,) = (row for row in rig.read(stories.list_stories, since=ago(days=1)) if row["id"] == alert["story"])
    (pickup,) = rig.read(stories.list_pickups, [story["id"]])[story["id"]]
    assert (story["url"], pickup.url, pickup.title) == ("https://gazette.example/walk-out",) * 2 + (title,)


def test_a_site_that_moves_alerts_on_nothing_that_it_had_before(rig):
    check(rig, *(item(n, title=title, when=NOW - timedelta(hours=30)) for n, title in enumerate(NEWS)))
    fact = check(rig, *(item(n, title=title, link=f"https://gazette.example/new/{n}", when=NOW - timedelta(hours=30)) for n, title in enumerate(NEWS)))
    assert (fact.new, rig.alerts()) == (0, ())
    assert {row["url"] for row in rig.read(stories.list_stories, since=ago(days=30))} == {f"https://gazette.example/new/{n}" for n in range(len(NEWS))}


def test_f4_without_an_address_headline_and_date_tell_items_apart(rig):
    home = "https://gazette.example/"
    begun(rig, link=home)
    fact = check(rig, *(item(n, link=home, guid=f"b1-{n}", when=ago(hours=36)) for n in range(30)))
    assert (fact.new, odd(rig, OddityKind.UNSTABLE_GUIDS) is not None) == (0, True)


# ── resets that cannot be proven ─────────────────────────────────────────────────────────────────


def reset(rig, count=30, **more):
    """Items that nobody has seen, with dates of last week."""
    return check(rig, *(item(n, **{"when": ago(days=7), **more}) for n in range(100, 100 + count)))


def test_f2_much_that_suddenly_looks_new_is_kept_and_alerts_nobody(rig):
    begun(rig)
    fact = reset(rig)
    assert (fact.new, fact.alerts, rig.row()["state"]) == (30, 0, "quarantined")
    assert odd(rig, OddityKind.QUARANTINE).count == 30
    decided = [row["reason"] for rows in rig.read(stories.list_matches, [s["id"] for s in rig.read(stories.list_stories, since=ago(days=9))]).values() for row in rows]
    assert decided.count(Reason.QUARANTINED) == 30


def test_a_feed_in_quarantine_still_alerts_on_what_is_news(rig):
    begun(rig)
    reset(rig)
    fact = check(rig, item(500, when=NOW + timedelta(hours=1)), *(item(n, when=ago(days=7)) for n in range(100, 130)))
    assert (fact.new, fact.alerts, rig.row()["state"]) == (1, 1, "quarantined")


def test_a_quarantine_passes_after_a_day(rig):
    begun(rig)
    reset(rig)
    check(rig, *(item(n, when=ago(days=7)) for n in range(100, 130)), later=timedelta(hours=25))
    assert (rig.row()["state"], odd(rig, OddityKind.QUARANTINE), rig.alerts()) == ("ok", None, ())


def let_out(rig):
    with rig.database.write() as tx:
        return again.release(tx, "gazette", rig.now), again.let_out(tx, rig.policy, rig.now)


def test_what_was_held_back_alerts_when_the_operator_lets_it_out(rig):
    begun(rig)
    reset(rig)
    check(rig, *(item(n, when=ago(days=7)) for n in range(100, 130)))
    assert let_out(rig) == (30, (("gazette", 30),))
    assert (rig.row()["state"], len(rig.alerts())) == ("ok", 30)
    assert let_out(rig) == (None, ())  # once
    assert len(rig.alerts()) == 30


NO_RESETS = {
    "a busy hour": {"when": NOW + timedelta(minutes=30)},
    "a few": {"count": 20},
}


@pytest.mark.parametrize("more", NO_RESETS.values(), ids=NO_RESETS)
def test_news_is_not_held_back(rig, more):
    begun(rig)
    assert reset(rig, **more).alerts == more.get("count", 30)
    assert rig.row()["state"] == "ok"


def test_what_was_missed_in_an_outage_is_not_taken_for_a_reset(rig):
    begun(rig)
    assert check(rig, *(item(n) for n in range(100, 130)), later=timedelta(hours=30)).alerts == 30


def test_f18_another_publication_under_the_address_is_noticed(rig):
    begun(rig)
    check(rig, *(item(n, when=NOW) for n in range(200, 205)), title="Casino Winners Daily")
    assert odd(rig, OddityKind.OTHER_PUBLICATION).detail == "Gazette\nCasino Winners Daily"


def test_f18_a_publication_that_says_its_name_otherwise_is_the_same(rig):
    begun(rig)
    check(rig, *(item(n, when=NOW) for n in range(200, 205)), title="The Gazette – World news")
    assert odd(rig, OddityKind.OTHER_PUBLICATION) is None


# ── edits, dates, gaps, order ────────────────────────────────────────────────────────────────────


def test_f7_an_edited_headline_is_a_version_and_no_second_alert(rig):
    begun(rig)
    check(rig, item(60, when=NOW, guid="one"))
    fact = check(rig, item(60, title=f"{rig_title(60)}, again", when=NOW, guid="one"))
    assert (fact.new, len(rig.alerts())) == (0, 1)


def test_f8_a_text_that_changes_at_every_check_is_written_24_times_and_never_alerts_again(rig):
    begun(rig)
    for n in range(26):
        check(rig, item(60, when=NOW, text=f"As of {n} o'clock the harbour is open."), later=timedelta(minutes=1))
    known = next(iter(rig.read(stories.read_entries, [rig.alerts()[0]["story"]]).values()))
    assert (len(rig.alerts()), known.entry.summary) == (1, "As of 24 o'clock the harbour is open.")


DATES = {
    "F9 none": "",
    "F9 1970": "Thu, 01 Jan 1970 00:00:00 GMT",
    "F9 year zero": "0000-00-00T00:00:00Z",
    "F9 year 9999": "Fri, 31 Dec 9999 23:59:59 -0500",
    "F9 year 99999": "99999-01-01",
    "F9 tomorrow, in a word": "tomorrow",
    "F9 an impossible zone": "Tue, 18 Aug 2026 11:00:00 +9999",
    "F9 an hour that the clocks skipped": "Sun, 29 Mar 2026 01:30:00",
    "F9 in three days": format_datetime(NOW + timedelta(days=3)),
}


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_f9_no_date_breaks_anything_or_decides_what_is_new(rig, date):
    begun(rig)
    assert check(rig, item(70, when=date)).alerts == 1
    assert check(rig, item(70, when=format_datetime(NOW))).alerts == 0
    assert all(story["published_at"] is None or story["published_at"] <= rig.now for story in rig.read(stories.list_stories, since=ago(days=1)))


def test_f11_five_thousand_new_items_at_once_are_all_kept_and_all_decided(rig):
    begun(rig)
    matching, others = range(1000, 1100), range(2000, 6900)
    fact = check(rig, *(item(n, when=NOW) for n in matching), *(item(n, title=f"Goats {WORDS[n % 50]} {n}", when=NOW) for n in others))
    assert (fact.new, fact.alerts, fact.error) == (5000, 100, None)
    states = [made["state"] for one in rig.alerts() for made in deliveries(rig, one)]
    assert (states.count("queued"), states.count("held")) == (20, 80)  # one by one, and in the next digest


def deliveries(rig, alert):
    from monitor.store import letters

    return rig.read(letters.list_deliveries, [alert["id"]]).get(alert["id"], ())


def test_x5_of_a_hundred_thousand_items_the_first_thousand_are_read_and_the_rest_is_told(rig):
    fact = check(rig, *(f"<item><title>n{n}</title></item>" for n in range(100_000)))
    assert (fact.entries, rig.row()["entries"]) == (CUT_TO, 1000)
    assert (odd(rig, OddityKind.TRUNCATED).count, rig.row()["possible_gaps"]) == (99_000, 1)
    assert "99,000" in fact.error
    check(rig, item(1))
    assert odd(rig, OddityKind.TRUNCATED) is None
    assert MAX_ENTRIES == 5000


def test_f13_no_overlap_with_the_last_check_is_a_possible_gap(rig):
    begun(rig, 5)
    check(rig, *(item(n, when=NOW) for n in range(10, 15)))
    assert rig.row()["possible_gaps"] == 1
    check(rig, *(item(n, when=NOW) for n in range(14, 19)))
    assert rig.row()["possible_gaps"] == 1


def test_f14_the_order_of_items_and_a_pinned_one_mean_nothing(rig):
    begun(rig)
    pinned, new = item(0, when=ago(days=300)), item(80, when=NOW)
    for items in ([pinned, *(item(n) for n in range(29, 0, -1)), new], [new, pinned], [item(5), new, item(2), pinned]):
        check(rig, *items)
    assert [alert["title"] for alert in rig.alerts()] == [rig_title(80)]


def test_f15_one_story_in_thirty_feeds_twelve_hours_apart_is_one_alert(rig):
    from monitor.model import Feed

    outlets = [Feed(name=f"outlet{n}", url=f"https://outlet{n}.example/feed", outlet=f"Outlet {n}") for n in range(30)]
    rig.configure(*outlets)
    for ten in (outlets[:10], outlets[10:20], outlets[20:]):
        for number, outlet in enumerate(ten):
            title = HARBOUR + (" – Reuters" if number % 2 else "")
            rig.web[outlet.name] = feed(item(1, title=title, link=f"{outlet.url}/a", when=rig.now))
        rig.check(ignore_schedule=True, only=[outlet.name for outlet in ten])
        rig.now += timedelta(hours=12)
    (story,) = [one for one in rig.read(stories.list_stories, since=ago(days=1))]
    assert (story["pickups"], len(rig.alerts())) == (30, 1)


def test_f16_two_stories_under_one_boilerplate_title_are_two_alerts(rig):
    begun(rig, 3)
    texts = (
        "The harbour authority will close the eastern quay for repairs from Monday, it said in a statement.",
        "A court has ordered the shipping line to pay the harbour pilots what it owes them since the spring.",
    )
    for number, text in enumerate(texts):
        check(rig, item(90 + number, title="Harbour press release", text=text, when=NOW), item(1))
    assert len(rig.alerts()) == 2


def test_f19_no_page_but_the_feed_itself_is_asked_for(rig):
    more = "<atom:link xmlns:atom='http://www.w3.org/2005/Atom' rel='next' href='https://gazette.example/feed?page=2'/>"
    rig.web["gazette"] = feed(more, item(1, when=NOW))
    rig.check()
    assert [name for name, _ in rig.asked if name == "gazette"] == ["gazette"]


def test_f22_a_feed_that_copies_anothers_guids_and_links_hides_nothing(rig):
    theirs = item(7, guid="tag:7", link="https://herald.example/7", title="Ten recipes with apples", text="Peel them first.", when=NOW)
    real = item(7, guid="tag:7", link="https://herald.example/7", title="Harbour cranes collapse, three dead", text="The cranes fell at dawn, the port said.", when=NOW)
    rig.web["gazette"] = feed(theirs)
    rig.check(only=["gazette"])
    rig.web["herald"] = feed(real)
    rig.now += timedelta(minutes=5)
    assert rig.check(ignore_schedule=True, only=["herald"])["herald"].alerts == 1


def test_g10_a_feed_that_was_removed_for_a_day_floods_nobody(rig):
    begun(rig)
    with rig.database.write() as tx:
        feeds.register(tx, [], rig.now)
    rig.now += DAY
    with rig.database.write() as tx:
        feeds.register(tx, [GAZETTE], rig.now)
    fact = check(rig, *(item(n, when=ago(hours=36)) for n in range(30)), item(31, when=NOW))
    assert (fact.new, fact.alerts) == (1, 1)


# ── documents that reading does not survive ──────────────────────────────────────────────────────


def test_k12_a_document_that_kills_its_reader_three_times_is_set_aside_for_a_day_and_no_other(rig):
    reads = []

    async def dies(answer):
        reads.append(answer.body)
        raise ReaderDied("the process that read it died (Killed)")

    parse, rig.parse, rig.parse_slowly = rig.parse, lambda answer: None, dies
    for _ in range(5):
        check(rig, item(1), later=timedelta(hours=1))
    assert len(reads) == 3
    assert "set aside until" in rig.row()["last_error"] and odd(rig, OddityKind.SET_ASIDE).count == 3
    rig.parse = parse
    assert check(rig, item(1), later=timedelta(hours=1)).outcome == "failed"  # not even read
    assert check(rig, item(2, when=NOW), later=timedelta(hours=1)).outcome == "fresh"  # another document
    assert odd(rig, OddityKind.SET_ASIDE) is None


def test_k12_after_a_day_it_is_tried_again(rig):
    async def dies(answer):
        raise ReaderDied("not read within 20 s")

    parse, rig.parse, rig.parse_slowly = rig.parse, lambda answer: None, dies
    for _ in range(3):
        check(rig, item(1))
    rig.parse = parse
    assert check(rig, item(1), later=timedelta(hours=25)).outcome == "fresh"
