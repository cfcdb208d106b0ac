from datetime import timedelta
from zoneinfo import ZoneInfo

from monitor.core.pipeline import Arrival, History, Policy, judge, story_text
from monitor.core.score import compile_watchlists
from monitor.model import Assignment, Channel, Origin, Reason, Route, Rule, Scope, Standing
from tests.builders import NOW, ago, entry, pickup, told_as, watchlist

WAIT = timedelta(seconds=60)


def policy(*lists, **more):
    lists = lists or (watchlist(),)
    values = {
        "watchlists": lists, "compiled": compile_watchlists(lists), "origins": {}, "channels": (Channel(name="desk"),),
        "routes": (Route(channels=("desk",), group_wait=WAIT),), "zone": ZoneInfo("Europe/London"),
    }  # fmt: skip
    return Policy(**{**values, **more})


def founding(one):
    return Arrival(entry=one, assignment=Assignment(story=one.id))


def copy_of(first, one, rule=Rule.SIMILAR):
    return Arrival(entry=one, assignment=Assignment(story=first.id, similarity=92, rule=rule))


def alerts(judged):
    return [decision.alert for one in judged for decision in one.decisions if decision.alert]


def test_a_match_becomes_an_alert_and_a_delivery_that_waits_for_copies():
    (one,) = judge([founding(entry())], {}, policy(), now=NOW)
    assert [d.reason for d in one.decisions] == [Reason.MATCHED]
    assert [(d.channel, d.next_attempt_at) for d in one.deliveries] == [("desk", NOW + WAIT)]


def test_no_match_leaves_nothing():
    (one,) = judge([founding(entry("A comet is seen"))], {}, policy(), now=NOW)
    assert (one.decisions, one.deliveries) == ((), ())


def test_copies_that_arrive_together_alert_once_and_the_message_tells_of_all():
    first, second = entry(outlet="Gazette"), entry(feed="herald")
    judged = judge([founding(first), copy_of(first, second)], {}, policy(), now=NOW)
    assert len(alerts(judged)) == 1
    assert [w.message.spread for w in judged[1].rewritten] == ["2 outlets: Gazette, Herald"]


def test_a_later_copy_of_a_told_story_alerts_nothing():
    first, second = entry(), entry(feed="herald")
    (one,) = judge([founding(first)], {}, policy(), now=NOW)
    told = Standing(story=first.id, first_seen_at=NOW, alerted=(told_as("a1"),))
    (later,) = judge([copy_of(first, second)], {first.id: told}, policy(), now=NOW)
    assert (alerts([later]), later.decisions) == ([], ())


def test_a_copy_that_brings_an_old_story_into_the_scope_of_an_edited_watchlist_alerts():
    first, second = entry(), entry(feed="herald")
    ours = watchlist(scope=Scope(not_feeds=("gazette",)))
    known = Standing(story=first.id, first_seen_at=ago(hours=2), pickups=(pickup(first.title, entry=first.id),))
    (later,) = judge([copy_of(first, second)], {first.id: known}, policy(ours, loaded_at={"harbour": ago(hours=1)}), now=NOW)
    assert [decision.reason for decision in later.decisions] == [Reason.MATCHED]


def test_what_a_desk_puts_before_a_headline_is_searched_and_the_outlet_behind_it_is_not():
    slugged = entry("ANALYSIS-Bill on the quays passes - Reuters")
    assert slugged.headline == "Bill on the quays passes"
    assert story_text(slugged).title == "ANALYSIS-Bill on the quays passes"
    (one,) = judge([founding(slugged)], {}, policy(watchlist("harbour", "analysis")), now=NOW)
    assert [decision.reason for decision in one.decisions] == [Reason.MATCHED]
    (none,) = judge([founding(slugged)], {}, policy(watchlist("harbour", "reuters")), now=NOW)
    assert none.decisions == ()


OUTSIDER = watchlist(scope=Scope(not_feeds=("rival",)))


def test_a_feed_that_a_watchlist_excludes_takes_back_none_of_its_stories():
    first, killed, copy = entry(), entry("KILL-Parliament passes the harbour bill after a night of debate", feed="rival"), entry(feed="herald")
    told = judge([founding(first), copy_of(first, killed)], {}, policy(OUTSIDER), now=NOW)
    assert [alert.reason for alert in alerts(told)] == [Reason.MATCHED]
    assert not told[1].cancelled and all(wait.message.mark == "" for wait in told[1].rewritten)
    before = judge([founding(killed), copy_of(killed, copy)], {}, policy(OUTSIDER), now=NOW)
    assert [alert.reason for alert in alerts(before)] == [Reason.MATCHED]


def test_a_feed_that_a_watchlist_does_not_exclude_or_the_storys_own_agency_takes_it_back():
    first = entry(author="Reuters")
    killed = entry("KILL-Parliament passes the harbour bill after a night of debate", feed="rival", author="Reuters")
    for lists in (watchlist(), OUTSIDER):
        told = judge([founding(first), copy_of(first, killed)], {}, policy(lists), now=NOW)
        assert [alert.reason for alert in alerts(told)] == [Reason.MATCHED, Reason.KILLED]


def test_judging_the_same_again_on_what_it_led_to_alerts_nothing():
    first = entry()
    (one,) = judge([founding(first)], {}, policy(), now=NOW)
    standing = Standing(story=first.id, first_seen_at=NOW, alerted=tuple(told_as(a.id, watchlist=a.watchlist, level=a.level) for a in alerts([one])))
    assert alerts(judge([founding(first)], {first.id: standing}, policy(), now=NOW)) == []


def test_a_story_is_scored_on_the_best_text_that_any_copy_brought():
    short, full = entry("Night of debate ends", guid="1"), entry("Night of debate ends", "They spoke of the harbour.", feed="herald")
    judged = judge([founding(short), copy_of(short, full)], {}, policy(watchlist(threshold=1.5)), now=NOW)
    assert [alert.title for alert in alerts(judged)] == [full.title]
    later = entry("Harbour debate ends", feed="portal")
    standing = Standing(story=short.id, first_seen_at=NOW, lead=full.summary, body="")
    assert story_text(later, standing).lead == full.summary


def test_an_edit_that_newly_matches_alerts_once():
    edited = Arrival(entry=entry(), assignment=Assignment(story="s1"), is_edit=True)
    judged = judge([edited], {"s1": Standing(story="s1", first_seen_at=ago(hours=1))}, policy(), now=NOW)
    assert len(alerts(judged)) == 1
    assert judged[0].rewritten == ()


def test_a_first_check_alerts_the_newest_few_and_remembers_the_rest():
    found = [entry(f"Harbour news number {n}", guid=str(n), published_at=ago(hours=n)) for n in range(1, 6)]
    old = entry("Harbour news of last week", guid="old", published_at=ago(days=7))
    undated = entry("Harbour news without a date", guid="undated", published_at=None)
    judged = judge([founding(one) for one in (old, *reversed(found), undated)], {}, policy(backlog_max=2), History(seeding=frozenset({"gazette"})), now=NOW)
    assert {alert.title for alert in alerts(judged)} == {"Harbour news number 1", "Harbour news number 2"}
    assert {d.reason for one in judged for d in one.decisions if not d.alert} == {Reason.BACKLOG}


def test_on_later_checks_age_does_not_matter():
    judged = judge([founding(entry(published_at=ago(days=7)))], {}, policy(), now=NOW)
    assert len(alerts(judged)) == 1


def test_any_outlet_of_a_story_can_bring_it_into_scope():
    first, second = entry(feed="tabloid"), entry(feed="wire")
    scoped = watchlist(scope=Scope(max_tier=1))
    origins = {"tabloid": Origin(feed="tabloid", tier=3), "wire": Origin(feed="wire", tier=1)}
    judged = judge([founding(first), copy_of(first, second)], {}, policy(scoped, origins=origins), now=NOW)
    assert [bool(one.deliveries) for one in judged] == [False, True]


def test_a_near_miss_is_kept_and_a_plain_miss_is_not():
    (near,) = judge([founding(entry())], {}, policy(watchlist(threshold=2.5)), now=NOW)
    (far,) = judge([founding(entry())], {}, policy(watchlist(threshold=9)), now=NOW)
    assert [d.reason for d in near.decisions] == [Reason.BELOW_THRESHOLD]
    assert far.decisions == ()


def test_a_shadow_watchlist_decides_and_sends_nothing():
    (one,) = judge([founding(entry())], {}, policy(watchlist(shadow=True)), now=NOW)
    assert ([alert.reason for alert in alerts([one])], one.deliveries) == ([Reason.SHADOW], ())


def test_two_watchlists_on_one_story_are_two_alerts():
    lists = (watchlist("harbour"), watchlist("parliament", "parliament"))
    judged = judge([founding(entry())], {}, policy(*lists), now=NOW)
    assert {alert.watchlist for alert in alerts(judged)} == {"harbour", "parliament"}
    assert len({delivery.id for delivery in judged[0].deliveries}) == 2
