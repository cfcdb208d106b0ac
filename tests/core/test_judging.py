"""What follows from one more entry of a story: for whom, when, and what becomes of messages that wait or were sent."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from monitor.core.pipeline import History, judge
from monitor.model import (
    Channel,
    DeliveryKind,
    DeliveryStatus,
    HoldReason,
    Level,
    Origin,
    Reason,
    Route,
    Silence,
    Standing,
)
from tests.builders import NOW, ago, entry, message, pickup, placed, told_as, waiting, watchlist
from tests.core.test_pipeline import alerts, copy_of, founding, policy

TITLE = "Parliament passes the harbour bill after a night of debate"
DESK = Channel(name="desk", edits=True)
MAIL = Channel(name="mail", recipients=("a@example.org", "b@example.org"))
BOTH = {"channels": (DESK, MAIL), "routes": (Route(channels=("desk", "mail"), group_wait=timedelta(seconds=60)),)}


def story(**more):
    """A story of one copy that watchlist `harbour` was told of."""
    return Standing(**{"story": "s1", "first_seen_at": ago(hours=1), "pickups": (pickup(TITLE),), "alerted": (told_as(),), **more})


def judged(one, standing=None, history=History(), *lists, is_edit=False, **more):
    arrival = replace(copy_of(entry(guid="s1"), one), is_edit=is_edit)
    arrival = replace(arrival, assignment=replace(arrival.assignment, story="s1"))
    return judge([arrival], {"s1": standing or story()}, policy(*lists, **{**BOTH, **more}), history, now=NOW)[0]


def sent(one, kind=DeliveryKind.ALERT):
    return [(made.channel, made.recipient, made.message.mark) for made in one.deliveries if made.kind is kind]


# ── updates ──────────────────────────────────────────────────────────────────────────────────────


def test_an_update_goes_by_its_routes_and_into_the_thread_of_the_first_message():
    one = judged(entry(TITLE, feed="herald"), story(placed=(placed(),)), History(), watchlist(update_pickups=(2,)))
    assert [alert.reason for alert in alerts([one])] == [Reason.PICKED_UP]
    assert sent(one) == [("desk", "", "update"), ("mail", "a@example.org", "update"), ("mail", "b@example.org", "update")]
    assert {made.message.thread for made in one.deliveries} == {"a1"}
    assert one.deliveries[0].message.news == "Picked up 2 times, by 2 outlets."


def test_an_update_is_told_once():
    first = judged(entry(TITLE, feed="herald"), story(), History(), watchlist(update_pickups=(2,)))
    known = story(alerted=(told_as(), told_as(alerts([first])[0].id, reason=Reason.PICKED_UP)))
    assert alerts([judged(entry(TITLE, feed="herald"), known, History(), watchlist(update_pickups=(2,)))]) == []


def test_who_has_not_had_the_first_message_gets_it_rewritten_and_no_update_beside_it():
    waits = waiting(channel="mail", recipient="a@example.org")
    one = judged(entry(TITLE, feed="herald"), story(waiting=(waits,), placed=(placed(),)), History(), watchlist(update_pickups=(2,)))
    assert ("mail", "a@example.org", "update") not in sent(one)
    assert [wait.message.spread for wait in one.rewritten] == ["2 outlets: Gazette, Herald"]


def test_the_first_outlet_of_tier_one_is_told():
    one = judged(entry(TITLE, feed="wire"), story(), origins={"wire": Origin(feed="wire", tier=1)})
    assert [alert.reason for alert in alerts([one])] == [Reason.TIER_ONE]


def test_a_feed_on_its_first_check_makes_no_updates():
    one = judged(entry(TITLE, feed="wire"), story(), History(seeding=frozenset({"wire"})), origins={"wire": Origin(feed="wire", tier=1)})
    assert alerts([one]) == []


def test_what_becomes_urgent_overtakes_the_normal_message_that_waits():
    urgent = watchlist(urgent=2.0, threshold=1.5)
    one = judged(entry(TITLE, feed="herald"), story(waiting=(waiting(),)), History(), urgent)
    assert [alert.reason for alert in alerts([one])] == [Reason.BECAME_URGENT]
    assert one.cancelled == {"d1"} and one.rewritten == ()


def test_what_becomes_urgent_is_not_told_as_picked_up_beside_it():
    urgent = watchlist(urgent=2.0, threshold=1.5, update_pickups=(2,))
    assert [alert.reason for alert in alerts([judged(entry(TITLE, feed="herald"), story(), History(), urgent)])] == [Reason.BECAME_URGENT]


# ── corrections and kills ────────────────────────────────────────────────────────────────────────


def test_a_kill_goes_at_once_to_everybody_who_has_the_original_and_nobody_else():
    have = (placed(channel="mail", recipient="b@example.org"), placed(editable=False))
    silence = Silence(id="x", watchlist="harbour", starts_at=NOW, ends_at=NOW + timedelta(hours=1))
    history = History(silences=(silence,), singles={("harbour", Level.NORMAL): 99})
    quiet = replace(DESK, quiet=(time(0), time(23, 59)))
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=have), history, channels=(quiet, MAIL))
    assert [alert.reason for alert in alerts([one])] == [Reason.KILLED]
    assert sent(one) == [("desk", "", "kill"), ("mail", "b@example.org", "kill")]
    assert {(made.state, made.next_attempt_at) for made in one.deliveries} == {(DeliveryStatus.QUEUED, NOW)}


def test_after_a_kill_what_waits_does_not_go():
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(waiting=(waiting(), waiting("d2", channel="mail"))))
    assert (one.cancelled, one.rewritten, one.deliveries) == ({"d1", "d2"}, (), ())


def test_a_correction_is_told_and_what_waits_is_corrected_before_it_goes():
    known = story(placed=(placed(),), waiting=(waiting(channel="mail", recipient="a@example.org"),))
    one = judged(entry("CORRECTED-Parliament rejects the harbour bill after a night of debate", feed="wire"), known)
    assert sent(one) == [("desk", "", "correction")]
    (rewritten,) = one.rewritten
    assert (rewritten.message.mark, rewritten.message.title[:18]) == ("correction", "Parliament rejects")
    assert "The headline was: " + TITLE in rewritten.message.news


def test_a_kill_reaches_watchlists_that_its_own_text_does_not_match():
    one = judged(entry("KILL-Withdrawn", feed="wire"), story(placed=(placed(),)))
    assert [(alert.watchlist, alert.reason) for alert in alerts([one])] == [("harbour", Reason.KILLED)]


def test_a_correction_of_what_was_never_told_is_an_alert_like_any_other():
    one = judged(entry("CORRECTED-" + TITLE), story(alerted=()))
    assert [alert.reason for alert in alerts([one])] == [Reason.MATCHED]


def kill_that_waits():
    return waiting("k1", alert="a9", message=message(mark="kill", thread="a1"))


def test_a_second_copy_of_a_kill_takes_nothing_back_of_the_first():
    first = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=(placed(),)))
    (alert,) = alerts([first])
    known = story(placed=(placed(),), alerted=(told_as(), told_as(alert.id, reason=Reason.KILLED)), waiting=(kill_that_waits(),))
    again = judged(entry("KILL-" + TITLE, feed="herald"), known)
    assert (alerts([again]), again.cancelled) == ([], frozenset())


def test_what_waits_to_take_a_story_back_is_neither_reworded_nor_overtaken():
    known = story(placed=(placed(),), waiting=(kill_that_waits(),), pickups=(pickup("Harbour bill costs 12 million"),))
    figure = judged(entry("Harbour bill costs 31 million", feed="herald"), known)
    assert {wait.message.mark for wait in figure.rewritten} == {"kill"}
    urgent = judged(entry(TITLE, feed="herald"), known, History(), watchlist(urgent=2.0, threshold=1.5))
    assert "k1" not in urgent.cancelled


def test_an_edit_that_waits_says_kill_when_the_story_is_killed():
    edit = waiting("d9", kind=DeliveryKind.EDIT)
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=(placed(revision=1),), waiting=(edit,)))
    assert [(wait.delivery, wait.message.mark) for wait in one.rewritten] == [("d9", "kill")]
    assert one.cancelled == frozenset()


@pytest.mark.parametrize("title", [TITLE, "KILL-" + TITLE, "Harbour bill costs 31 million"])
def test_a_killed_story_is_told_to_nobody_anew_nor_goes_on(title):
    killed = (pickup("Harbour bill costs 12 million"), pickup("KILL-" + TITLE, feed="wire", slug="KILL"))
    one = judged(entry(title, feed="herald"), story(alerted=(), pickups=killed))
    assert (alerts([one]), {decision.reason for decision in one.decisions}) == ([], {Reason.RETRACTED})
    told = story(alerted=(told_as(), told_as("k", reason=Reason.KILLED)), pickups=killed, placed=(placed(),))
    assert [a.reason for a in alerts([judged(entry(title, feed="herald"), told)])] in ([], [Reason.KILLED])


def test_a_kill_reaches_those_whose_watchlist_is_configured_no_longer():
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=(placed(),)), History(), watchlist("other", "comet"))
    assert sent(one) == [("desk", "", "kill")]
    assert one.deliveries[0].message.watchlist_title == "Harbour"


def test_a_recipient_that_was_removed_gets_nothing_more():
    have = (placed(channel="mail", recipient="gone@example.org"), placed(channel="mail", recipient="a@example.org"))
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=have))
    assert sent(one) == [("mail", "a@example.org", "kill")]


def test_a_kill_reaches_a_channel_that_was_given_another_address():
    have = (placed(channel="mail", recipient="gone@example.org"), placed(channel="removed"))
    one = judged(entry("KILL-" + TITLE, feed="wire"), story(placed=have))
    assert sent(one) == [("mail", "a@example.org", "kill"), ("mail", "b@example.org", "kill")]
    assert sent(one, DeliveryKind.EDIT) == []


# ── edits in place ───────────────────────────────────────────────────────────────────────────────


def test_the_first_message_is_edited_as_the_story_spreads_where_the_channel_can():
    have = (placed(), placed(channel="mail", recipient="a@example.org"), placed(recipient="digest", editable=False))
    one = judged(entry(TITLE, feed="herald"), story(placed=have))
    assert sent(one, DeliveryKind.EDIT) == [("desk", "", "")]
    (edit,) = one.deliveries
    assert (edit.revision, edit.alert, edit.message.spread) == (1, "a1", "2 outlets: Gazette, Herald")
    assert edit.next_attempt_at > NOW


def test_an_edit_that_waits_is_rewritten_and_not_multiplied():
    edit = waiting("d9", kind=DeliveryKind.EDIT)
    one = judged(entry(TITLE, feed="herald"), story(placed=(placed(revision=1),), waiting=(edit,)))
    assert one.deliveries == ()
    assert [(wait.delivery, wait.message.spread) for wait in one.rewritten] == [("d9", "2 outlets: Gazette, Herald")]


def test_copies_of_one_batch_make_one_edit():
    arrivals = [replace(copy_of(entry(guid="s1"), entry(TITLE, feed=feed))) for feed in ("herald", "tribune")]
    arrivals = [replace(one, assignment=replace(one.assignment, story="s1")) for one in arrivals]
    first, second = judge(arrivals, {"s1": story(placed=(placed(),))}, policy(**BOTH), now=NOW)
    assert (len(first.deliveries), len(second.deliveries), len(second.rewritten)) == (1, 0, 1)
    assert second.rewritten[0].message.spread == "3 outlets: Gazette, Herald, Tribune"


def test_a_corrected_headline_is_edited_into_the_first_message_at_once():
    edited = entry("CORRECTED-Parliament rejects the harbour bill after a night of debate")
    one = judged(edited, story(placed=(placed(),)), is_edit=True)
    (edit,) = [made for made in one.deliveries if made.kind is DeliveryKind.EDIT]
    assert (edit.message.mark, edit.message.headline[:12], edit.next_attempt_at) == ("correction", "[correction]", NOW)


def test_an_edit_that_changes_nothing_is_none():
    assert judged(entry(TITLE), story(placed=(placed(),)), is_edit=True).deliveries == ()


def test_each_edit_is_a_revision_of_its_own_and_updates_are_not_edited():
    have = (placed(revision=3), placed(alert="a2", message=message(thread="a1")))
    one = judged(entry(TITLE, feed="herald"), story(placed=have))
    assert [(made.alert, made.revision) for made in one.deliveries] == [("a1", 4)]


# ── held back ────────────────────────────────────────────────────────────────────────────────────


def first_alert(history=History(), **more):
    return judge([founding(entry())], {}, policy(**{**BOTH, **more}), history, now=NOW)[0]


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (replace(DESK, quiet=(time(12), time(14))), HoldReason.QUIET_HOURS),
        (replace(DESK, digest=(time(16),)), HoldReason.DIGEST),
    ],
)
def test_an_alert_waits_for_the_end_of_quiet_hours_or_for_its_digest(channel, reason):
    one = first_alert(channels=(channel,), routes=())
    assert [(made.state, made.hold) for made in one.deliveries] == [(DeliveryStatus.HELD, reason)]
    assert one.deliveries[0].next_attempt_at > NOW


def test_L22_beyond_the_cap_alerts_are_held_until_the_next_quarter():
    capped = first_alert(History(singles={("harbour", Level.NORMAL): 20}))
    assert {(made.hold, made.next_attempt_at) for made in capped.deliveries} == {(HoldReason.RATE_CAP, NOW + timedelta(minutes=15))}
    assert {made.hold for made in first_alert(History(singles={("harbour", Level.NORMAL): 19})).deliveries} == {None}
    assert {made.hold for made in first_alert(History(singles={("harbour", Level.URGENT): 20})).deliveries} == {None}


def test_F11_of_many_alerts_in_one_batch_the_first_twenty_go_one_by_one():
    found = [founding(entry(f"Harbour news number {n}", guid=str(n))) for n in range(30)]
    made = [d.hold for one in judge(found, {}, policy(), now=NOW) for d in one.deliveries]
    assert (made.count(None), made.count(HoldReason.RATE_CAP)) == (20, 10)


def test_what_a_feed_brings_after_an_outage_goes_together():
    one = first_alert(History(catching_up=frozenset({"gazette"})))
    assert {made.hold for made in one.deliveries} == {HoldReason.CATCH_UP}


# ── silences ─────────────────────────────────────────────────────────────────────────────────────


def silence(**more):
    return History(silences=(Silence(**{"id": "x1", "starts_at": NOW, "ends_at": NOW + timedelta(hours=8), **more}),))


@pytest.mark.parametrize(
    ("what", "reason"), [({"watchlist": "harbour"}, Reason.SILENCED), ({"feed": "gazette"}, Reason.FEED_SILENCED)]
)
def test_a_silenced_alert_is_recorded_and_sent_to_nobody(what, reason):
    one = first_alert(silence(**what))
    assert [(alert.reason, alert.silence) for alert in alerts([one])] == [(reason, "x1")]
    assert one.deliveries == ()


@pytest.mark.parametrize("what", [{"watchlist": "floods"}, {"feed": "herald"}, {"story": "s9"}])
def test_a_silence_of_something_else_changes_nothing(what):
    assert first_alert(silence(**what)).deliveries != ()


def test_what_was_silenced_does_not_come_back_with_the_next_copy():
    known = story(alerted=(told_as(reason=Reason.SILENCED),))
    assert alerts([judged(entry(TITLE, feed="herald"), known)]) == []


def test_what_a_silenced_feed_brought_is_told_when_another_brings_it():
    first = judged(entry(TITLE), story(alerted=(), pickups=()), silence(feed="gazette"))
    known = story(alerted=(told_as(alerts([first])[0].id, reason=Reason.FEED_SILENCED),))
    other = judged(entry(TITLE, feed="herald"), known, silence(feed="gazette"))
    assert [(alert.reason, bool(other.deliveries)) for alert in alerts([other])] == [(Reason.MATCHED, True)]


def test_a_figure_that_a_silenced_feed_had_first_is_told_when_another_has_it():
    known = story(pickups=(pickup("Harbour bill costs 12 million", feed="herald"), pickup("Harbour bill costs 15 million", feed="gazette")))
    one = judged(entry("Harbour bill costs 15 million", feed="courier"), known, silence(feed="gazette"))
    assert [alert.reason for alert in alerts([one])] == [Reason.NEW_FIGURE]
    assert alerts([judged(entry("Harbour bill costs 15 million", feed="courier"), known)]) == []


def test_until_a_new_fact_lets_a_changed_figure_through():
    told = story(pickups=(pickup("Harbour bill costs 12 million"),))
    figure = entry("Harbour bill costs 31 million", feed="herald")
    assert [a.reason for a in alerts([judged(figure, told, silence(story="s1"))])] == [Reason.SILENCED]
    assert [a.reason for a in alerts([judged(figure, told, silence(story="s1", until_new_fact=True))])] == [Reason.NEW_FIGURE]


def test_the_record_of_the_first_decision_stays():
    one = judged(entry(TITLE, feed="herald"), story(), History(), watchlist(update_pickups=(2,)))
    assert [decision.again for decision in one.decisions] == [True]


def test_a_message_that_waits_keeps_its_watchlists_own_text():
    one = judged(entry(TITLE, feed="herald"), story(waiting=(waiting(message=message(watchlist_title="Docks")),)))
    assert one.rewritten[0].message.watchlist_title == "Docks"
