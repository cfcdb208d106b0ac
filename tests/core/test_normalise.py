from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.normalise import normalise
from monitor.model import Feed, ParsedEntry, ParsedFeed
from tests.builders import NOW, ago

FEED = Feed(name="gazette", url="https://gazette.example/feed")


def item(title="Harbour bill passes", **more):
    return ParsedEntry(**{"title": title, "published_at": ago(hours=1), **more})


def entries(*items, now=NOW, **feed):
    return normalise(ParsedFeed(parser="lxml", entries=items, **feed), FEED, now=now)


ALL_STAY = [
    ("no guid and one address for all", [item(f"Bulletin {n}", link="https://gazette.example/ticker") for n in range(5)]),
    ("one guid for all", [item(f"Bulletin {n}", guid="tag:1", link=f"https://gazette.example/{n}") for n in range(5)]),
    ("addresses that differ only behind the #", [item(f"Bulletin {n}", link=f"https://gazette.example/live#{n}") for n in range(5)]),
    ("addresses that differ only in a tracking value", [item(f"Bulletin {n}", link=f"https://gazette.example/a?utm_source={n}") for n in range(5)]),
    ("neither guid nor address", [item(f"Bulletin {n}") for n in range(5)]),
    ("not even a title", [item("", summary=f"Words that stand only in number {n}.") for n in range(5)]),
]  # fmt: skip


@pytest.mark.parametrize("items", [case[1] for case in ALL_STAY], ids=[case[0] for case in ALL_STAY])
def test_no_item_is_lost_to_another_that_looks_like_it(items):
    found = entries(*items)
    assert len({one.id for one in found}) == 5
    assert [one.id for one in entries(*items)] == [one.id for one in found]


def test_an_item_that_stands_twice_is_one():
    assert len(entries(item(guid="1"), item(guid="1"))) == 1


def test_an_item_that_stands_twice_with_its_old_and_its_new_headline_is_one():
    same = {"guid": "1", "link": "https://gazette.example/1", "published_at": NOW}
    (one,) = entries(item("Harbour workers walk out", **same), item("Harbour workers go home", **same))
    assert one.id == entries(item("Harbour workers walk out", **same))[0].id


IDENTITIES = [
    ("the guid, whatever else changes", item(guid="1"), item("Another headline", guid="1", link="https://gazette.example/2"), True),
    ("the address where there is no guid", item(link="https://gazette.example/1"), item("Another", link="http://www.gazette.example/1?utm_source=rss"), True),
    ("title and date where there is neither", item(), item("Another"), False),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "same"), [case[1:] for case in IDENTITIES], ids=[case[0] for case in IDENTITIES])
def test_what_makes_an_item_the_same_at_the_next_check(first, second, same):
    assert (entries(first)[0].id == entries(second)[0].id) is same


def test_a_date_in_the_future_means_now_and_founds_no_new_item_at_every_check():
    future = item(published_at=NOW + timedelta(days=3))
    first, later = (entries(future, now=now)[0] for now in (NOW, NOW + timedelta(hours=1)))
    assert (first.published_at, first.id) == (NOW, later.id)


@pytest.mark.parametrize("year", [1, 1970, 1989])
def test_a_date_before_there_were_feeds_is_none(year):
    assert entries(item(published_at=NOW.replace(year=year)))[0].published_at is None


def test_the_language_is_the_items_then_the_feeds_then_the_configured_one():
    def language(one, **feed):
        return normalise(ParsedFeed(parser="lxml", entries=(one,), **feed), FEED, now=NOW, default_language="en")[0].language

    assert language(item(language="de-AT"), language="fr") == "de-at"
    assert language(item(), language="fr") == "fr"
    assert language(item()) == "en"


def test_a_language_whose_letters_a_headline_has_not_is_nobodys():
    def language(title, said):
        return normalise(ParsedFeed(parser="lxml", entries=(item(title=title, language=said),)), FEED, now=NOW)[0].language

    others = ("غارات على الجنوب", "Мост закрыт", "港で火災", "부산 항구 화재", "Λιμάνι κλειστό", "नमस्ते दुनिया")
    assert [language(title, "en-US") for title in others] == [None] * len(others)
    assert (language("غارات", "ar"), language("Мост закрыт", "sr-Latn"), language("Bridge closed", "ru")) == ("ar", "sr-latn", "ru")
    kept = ("Żółta łódź", "Hải Phòng đóng cửa bến cảng", "Die Brücke in Łódź – «Мост»", "“…”", "5 €")
    assert [language(title, "xx") for title in kept] == ["xx"] * len(kept)


def test_the_outlet_is_the_configured_one_then_the_feeds_title():
    assert entries(item(), title="The <b>Gazette</b>")[0].outlet == "The Gazette"
    assert entries(item())[0].outlet == "gazette"


def test_an_item_that_says_nothing_is_left_out():
    assert entries(item("", link="https://gazette.example/1")) == ()


def test_slug_suffix_and_credit_are_read_and_the_title_stays_as_published():
    (one,) = entries(item("UPDATE 2-Harbour bill passes - The Gazette", summary="PORT ELSE (AP) — Members voted."), title="The Gazette")
    assert (one.title, one.headline, one.slug, one.credit) == (
        "UPDATE 2-Harbour bill passes - The Gazette", "Harbour bill passes", "UPDATE 2", "AP",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("title", "named", "headline", "outlet"),
    [
        ("Rain delays match - Iran International", "Iran International", "Rain delays match", "Iran International"),
        ("Rain delays match | IRAN &amp; Daily", "Iran &amp; Daily", "Rain delays match", "Iran & Daily"),
        ("Rain delays match - in Iran", "Iran Daily", "Rain delays match - in Iran", "News"),
        ("Rain delays match - Iran Daily", "", "Rain delays match - Iran Daily", "News"),
        ("Rain delays match", "Iran Daily", "Rain delays match", "News"),
    ],
)
def test_the_outlet_that_a_document_names_is_cut_from_behind_the_headline(title, named, headline, outlet):
    (one,) = entries(item(title, outlet=named), title="News")
    assert (one.headline, one.outlet) == (headline, outlet)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_any_text_makes_an_entry_or_none_and_never_raises(title, summary, guid):
    for one in entries(item(title, summary=summary, guid=guid)):
        assert one.title == one.title.strip() and "\x00" not in one.title + one.summary


def test_joiners_are_kept_and_make_no_other_item_and_no_other_story():
    """A headline with and without them is one headline."""
    (typed,), (untyped,) = (entries(item(title, guid="")) for title in ("کشتی می\u200cشود", "کشتی میشود"))
    assert typed.title == "کشتی می\u200cشود" and untyped.title == "کشتی میشود"
    assert (typed.id, typed.title_key, typed.sketch) == (untyped.id, untyped.title_key, untyped.sketch)
