import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.render import message_for, plainest, points, shorten, with_spread
from monitor.model import Hit, Level, Message, Pickup, Rule
from tests.builders import NOW, alert, entry, match, message

LONDON = ZoneInfo("Europe/London")


def pickup(outlet, rule=Rule.SIMILAR):
    return Pickup(entry=outlet, feed=outlet.lower(), outlet=outlet, url="", title="", published_at=None, seen_at=NOW, similarity=90, rule=rule)


def rendered(about=None, pickups=(pickup("Gazette"),), **more):
    about = about or entry(summary="A short summary.", outlet="Gazette")
    return message_for(alert(**more), match(), about, pickups, thread="a1", zone=LONDON, base_url="https://desk.example/")


def why(*numbers):
    hits = tuple(Hit(term=f"t{n:g}", variant=f"t{n:g}", field="title", quote="a\n  quote", points=n) for n in numbers)
    found = replace(match(), hits=hits, score=sum(numbers))
    return message_for(alert(), found, entry(), (pickup("Gazette"),), thread="a1", zone=LONDON).why


def test_one_line_decides():
    one = rendered(level=Level.URGENT, watchlist_title="Harbours", )
    assert one.headline == "[urgent] Harbours — Parliament passes the harbour bill after a night of debate (Gazette)"


def test_more_outlets_are_told_in_line_and_detail():
    one = rendered(pickups=tuple(map(pickup, ("Gazette", "Herald", "Gazette", "Portal"))))
    assert one.headline.endswith("(Gazette, 3 outlets)")
    assert one.spread == "3 outlets: Gazette, Herald, Portal"


def test_a_long_list_of_outlets_is_cut():
    assert with_spread(message(), tuple(map(pickup, "ABCDEF"))).spread == "6 outlets: A, B, C, D …"


def test_the_reason_stands_in_the_message_strongest_first():
    assert why(1.5, 6, -3, 3, 2, 1) == (
        "score 10.5, alerts from 2",
        *(f"{n} t{n.lstrip('+')}, in the title: “a quote”" for n in ("+6", "+3", "+2", "-3")),
        "… and 2 more: +2.5",
    )

    assert why(6, 3, 2, -1, 1.5)[-2:] == ("-1 t-1, in the title: “a quote”", "+1.5 t1.5, in the title: “a quote”")


@given(st.lists(st.integers(-400, 900).map(lambda n: n / 4), max_size=40))
def test_the_reason_adds_up_to_the_score(numbers):
    said = why(*numbers)
    found = [float(re.match(r"(?:… and \d+ more: )?([+-]\S+)", line)[1]) for line in said[1:]]
    assert sum(found) == sum(numbers) and len(said) <= 10


def test_a_variant_that_was_found_stands_beside_its_term():
    hits = tuple(Hit(term="strike*", variant=one, field="title", quote="q", points=4) for one in ("strike*", "=Strike", "blockade*"))
    one = message_for(alert(), replace(match(), hits=hits), entry(), (), thread="a1", zone=LONDON)
    assert one.why[1:] == ("+4 strike*, in the title: “q”",) * 2 + ("+4 strike* (blockade*), in the title: “q”",)


def test_times_are_those_of_the_readers_zone():
    assert rendered(entry(published_at=NOW)).published == "Tue 18 Aug 2026, 13:00 BST"
    assert rendered(entry(published_at=None)).published == ""


def test_slug_and_outlet_suffix_do_not_clutter_the_headline():
    assert rendered(entry("UPDATE 2-Harbour bill passes in the night - Gazette", outlet="Gazette")).title == "Harbour bill passes in the night"


def test_a_very_long_headline_stays_within_what_mail_and_chat_take():
    one = rendered(entry("Harbour " * 100))
    assert len(one.title) <= 200 and len(one.headline) <= 200


def test_links_to_the_status_page_need_its_address():
    assert rendered().story_link == "https://desk.example/stories/s1"
    assert message_for(alert(), match(), entry(), (), thread="a", zone=LONDON).story_link == ""


def test_the_plainest_form_is_title_and_link_in_300_characters():
    full = rendered(entry("Harbour " * 60, "A summary.", link="https://gazette.example/" + "x" * 200))
    plain = plainest(full)
    assert len(plain.title) + len(plain.url) + 1 <= 300
    assert (plain.lead, plain.why, plain.spread, plain.credit) == ("", (), "", None)
    assert plainest(replace(full, url="https://gazette.example/" + "x" * 900)).url == ""


@given(st.text(max_size=400), st.sampled_from([0, 100, 258, 259, 260, 261, 290, 400]), st.text(max_size=400))
def test_there_is_nothing_plainer_than_the_plainest_form(title, length, lead):
    full = replace(rendered(entry("Harbour", "A summary.")), title=title, url="u" * length, lead=lead)
    assert plainest(plainest(full)) == plainest(full)


def test_the_plainest_form_of_what_has_no_link_is_more_than_a_title():
    notice = Message(headline="[operator] disk full", mark="operator", title="disk full", url="", watchlist="", watchlist_title="wirewatch", level=Level.NORMAL, lead="Make room. " * 99)
    plain = plainest(notice)
    assert plain.lead.startswith("Make room.") and len(plain.title) + len(plain.lead) <= 300


@given(st.text(), st.integers(min_value=2, max_value=300))
def test_shortening_never_exceeds_and_never_touches_what_fits(text, length):
    short = shorten(text, length)
    assert len(short) <= length
    if len(text) <= length:
        assert short == text


@pytest.mark.parametrize(("number", "text"), [(14.0, "14"), (13.5, "13.5"), (0.1 + 0.2, "0.3"), (-6.0, "-6"), (100.0, "100")])
def test_points_are_written_as_people_write_them(number, text):
    assert points(number) == text
