from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.core.decide import decide, recipients_of
from monitor.model import Channel, Level, Reason, Route, Standing, Verdict
from tests.builders import NOW, ago, alert, entry, match, told_as, watchlist

STANDING = Standing(story="s1", first_seen_at=NOW)


def decided(one=None, *, list_=None, about=None, standing=STANDING, seeding=False):
    return decide(one or match(), list_ or watchlist(), about or entry(), standing, now=NOW, seeding=seeding)


def told(*levels):
    return replace(STANDING, alerted=tuple(told_as(f"a{n}", level=level) for n, level in enumerate(levels)))


NOES = [
    ("a silent match keeps its own reason", {"one": match(Verdict.SILENT)}, Reason.BELOW_THRESHOLD),
    ("a story alerts a watchlist once", {"standing": told(Level.NORMAL)}, Reason.ALREADY_ALERTED),
    ("after an urgent alert there is nothing louder", {"standing": told(Level.URGENT)}, Reason.ALREADY_ALERTED),
    ("backlog of a first check is remembered only", {"seeding": True}, Reason.BACKLOG),
    ("older than the watchlist wants", {"list_": watchlist(max_age=timedelta(minutes=30))}, Reason.TOO_OLD),
    ("undated and seen long ago", {"list_": watchlist(max_age=timedelta(hours=1)), "about": entry(published_at=None), "standing": replace(STANDING, first_seen_at=ago(hours=2))}, Reason.TOO_OLD),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason"), [case[1:] for case in NOES], ids=[case[0] for case in NOES])
def test_a_no_has_a_reason(case, reason):
    decision = decided(**case)
    assert (decision.alert, decision.reason) == (None, reason)


YESES = [
    ("a match", {}, Reason.MATCHED, Level.NORMAL),
    ("an urgent match", {"one": match(Verdict.URGENT)}, Reason.MATCHED, Level.URGENT),
    ("a story that was told as normal and is urgent now", {"one": match(Verdict.URGENT), "standing": told(Level.NORMAL)}, Reason.BECAME_URGENT, Level.URGENT),
    ("a story told to another watchlist", {"standing": replace(STANDING, alerted=(told_as("a0", watchlist="other", level=Level.URGENT),))}, Reason.MATCHED, Level.NORMAL),
    ("young enough", {"list_": watchlist(max_age=timedelta(hours=2))}, Reason.MATCHED, Level.NORMAL),
    ("a shadow watchlist is recorded", {"list_": watchlist(shadow=True)}, Reason.SHADOW, Level.NORMAL),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason", "level"), [case[1:] for case in YESES], ids=[case[0] for case in YESES])
def test_a_yes_is_an_alert_with_its_reason(case, reason, level):
    decision = decided(**case)
    assert (decision.reason, decision.alert.level, decision.alert.reason) == (reason, level, reason)


def test_the_same_decision_has_the_same_id_and_a_louder_one_another():
    assert decided().alert.id == decided().alert.id
    assert decided().alert.id != decided(match(Verdict.URGENT)).alert.id
    assert decided().alert.id != decided(standing=replace(STANDING, story="s2")).alert.id


DESK, PHONE, OPS = Channel(name="desk"), Channel(name="phone", min_level=Level.URGENT), Channel(name="ops", operator=True)
MAIL = Channel(name="mail", recipients=("a@example.org", "b@example.org"))
CHANNELS = (DESK, PHONE, OPS, MAIL)
WAIT = timedelta(seconds=60)

ROUTES = [
    ("no route: every channel but the operator's", (), {}, ["desk", "mail", "mail"]),
    ("no route, urgent: the phone too", (), {"level": Level.URGENT}, ["desk", "phone", "mail", "mail"]),
    ("the first that fits wins", (Route(channels=("desk",)), Route(channels=("mail",))), {}, ["desk"]),
    ("… unless it says continue", (Route(channels=("desk",), continues=True), Route(channels=("mail",))), {}, ["desk", "mail", "mail"]),
    ("a glob of watchlists", (Route(channels=("mail",), watchlists=("dprk-*",)), Route(channels=("desk",))), {}, ["desk"]),
    ("a route for urgent ones only", (Route(channels=("phone",), min_level=Level.URGENT),), {}, []),
    ("a channel named by two routes gets it once", (Route(channels=("desk",), continues=True), Route(channels=("desk",))), {}, ["desk"]),
    ("a shadow alert goes nowhere", (), {"reason": Reason.SHADOW}, []),
]  # fmt: skip


@pytest.mark.parametrize(("routes", "about", "names"), [case[1:] for case in ROUTES], ids=[case[0] for case in ROUTES])
def test_routes_say_where_an_alert_goes(routes, about, names):
    assert [to.channel for to in recipients_of(alert(**about), routes, CHANNELS)] == names


def test_urgent_waits_for_nothing_and_others_for_the_first_copies():
    routes = (Route(channels=("desk",), group_wait=WAIT),)
    assert [to.wait for to in recipients_of(alert(), routes, CHANNELS)] == [WAIT]
    assert [to.wait for to in recipients_of(alert(level=Level.URGENT), routes, CHANNELS)] == [timedelta(0)]


def test_an_alert_on_what_has_no_title_goes_by_its_first_words():
    assert decided(about=replace(entry(), title="", summary="A toot.\nAnother.")).alert.title == "A toot."
