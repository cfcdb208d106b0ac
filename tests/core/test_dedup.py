from datetime import timedelta

import pytest

from monitor.core.dedup import promising, recognise
from monitor.model import Candidate, Rule, Snapshot
from tests.builders import NOW, ago, entry

WINDOW = timedelta(hours=72)

LEAD = (
    "Members of parliament voted by 61 to 58 early on Thursday to hand the old harbour to a public trust, ending a dispute of nine "
    "years between the port company, the city and the fishing fleet that has kept most of the quays closed to visitors."
)
BODY = LEAD + "\n" + (
    "The bill obliges the trust to publish its accounts every quarter and to keep two thirds of the berths for working boats.\n"
    "Opponents said the price of nine million was a gift to the city and promised to test the law in court before the winter.\n"
    "Harbour master Ilse Brandt said dredging would begin as soon as the ice was gone, and that the first cranes would be sold in May.\n"
    "Shipping agents had warned that the change of hands would cost the port a fifth of its traffic within two seasons.\n"
    "The vote was postponed twice after a water pipe burst above the chamber and flooded the benches of the opposition."
)  # fmt: skip
OTHER_LEAD = (
    "A night of shouting ended at dawn when the speaker counted the last ballots and declared that the quays belong to the public, "
    "while fishermen on the gallery sang and the opposition left the hall in protest against what it called theft."
)
TITLE = "Parliament hands old harbour to public trust after nine years of dispute"


def assigned(*entries):
    return recognise(entries, Snapshot(), now=NOW, window=WINDOW)


def together(*entries):
    stories = {assignment.story for assignment in assigned(*entries)}
    return len(stories) == 1


def copy(title=TITLE, summary="", body="", *, outlet="Chronicle", hours=1.0, link=""):
    guid = f"{outlet} {title} {hours}"
    return entry(title, summary, body, feed=outlet.lower(), outlet=outlet, guid=guid, link=link, published_at=ago(hours=hours))


COPIES = [
    ("the same headline in two outlets", copy(), copy(outlet="Herald")),
    ("the same text under another headline", copy(body=BODY), copy("Quays go to a trust in dawn vote", body=BODY, outlet="Herald")),
    ("a text cut to a summary", copy(body=BODY), copy("Old harbour goes to public trust, ending dispute", LEAD[:160] + "…", outlet="Herald")),
    ("an outlet's name behind the headline", copy(outlet="Herald"), copy(TITLE + " - Herald", outlet="Portal")),
    ("a numbered update with hardly a change", copy(summary=LEAD), copy("UPDATE 2-" + TITLE, LEAD.replace("early", "late"), outlet="Herald")),
    ("a dateline before the same words", copy(summary=LEAD), copy("Old harbour to go to trust", "PORT ELSE (Reuters) - " + LEAD, outlet="Herald")),
    ("capitals and typographic quotes", copy("MP's 'gift' to city: harbour handed over to trust"), copy("MP’s ‘Gift’ To City: Harbour Handed Over To Trust", outlet="Herald")),
    ("boilerplate round the same text", copy(body=BODY), copy(TITLE, body="Sign up for our letter.\n" + BODY + "\nAll rights reserved by the Herald group of newspapers.", outlet="Herald")),
    ("the same address under another headline", copy(link="https://a.example/1"), copy("Old harbour handed to public trust, ending nine years of dispute", outlet="Herald", link="http://www.a.example/1?utm_source=x")),
    ("a Japanese headline with one more particle", copy("国会、旧港湾を公共信託に移管する法案を可決"), copy("国会が旧港湾を公共信託に移管する法案を可決", outlet="Herald")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in COPIES], ids=[case[0] for case in COPIES])
def test_copies_are_one_story(first, second):
    assert together(first, second)


QUOTED = "The chamber voted before dawn to give quays, cranes and the fish hall to a body that answers to the town, which ends a quarrel of nine years between owners, unions and three governments in a single night."
OTHERS = [
    ("another outlet's own report on the event", copy(summary=LEAD), copy("Dawn vote gives quays to the public", OTHER_LEAD, outlet="Herald")),
    ("results of two companies", copy("Aldgate Foods Q3 profit rises 12%, lifts full-year forecast"), copy("Brightwater Foods Q3 profit rises 8%, lifts full-year forecast", outlet="Herald")),
    ("strikes on two cities", copy("Overnight strike on Kharkiv kills three, officials say"), copy("Overnight strike on Odesa kills three, officials say", outlet="Herald")),
    ("another number in the headline", copy("Ferry accident off the coast kills 12 passengers"), copy("Ferry accident off the coast kills 37 passengers", outlet="Herald")),
    ("the briefing of another day", copy("Morning briefing: what to know on Tuesday"), copy("Morning briefing: what to know on Wednesday", hours=25)),
    ("the bulletin of another day, in German", copy("Nachrichten am Montag: was heute wichtig wird"), copy("Nachrichten am Dienstag: was heute wichtig wird", hours=25)),
    ("the press review of another day, in French", copy("Revue de presse du lundi : la rentrée vue du port"), copy("Revue de presse du mardi : la rentrée vue du port", outlet="Herald", hours=25)),
    ("the same headline a day later", copy("Your morning weather forecast for the coast", hours=30), copy("Your morning weather forecast for the coast")),
    ("two tickers in one template", copy("Is ABCD A Good Stock To Buy Now?"), copy("Is WXYZ A Good Stock To Buy Now?")),
    ("a boilerplate headline over different texts", copy("Press release", LEAD), copy("Press release", OTHER_LEAD, outlet="Herald")),
    ("one common word", copy("Harbour"), copy(TITLE, outlet="Herald")),
    ("a live page and a story", copy("Storm live: ferries stop as gale reaches the coast"), copy("Ferries stop as gale reaches coast", outlet="Herald")),
    ("the same headline four days apart", copy(hours=100), copy(outlet="Herald")),
    ("an interview whose description quotes the news and goes on", copy("Parliament hands harbour to public trust", QUOTED), copy("‘A gift to nobody’: an evening with the ferryman", QUOTED + " Old Tom, who has crossed the bay for forty years, sits down with us on the pier to tell what he makes of it all, and of the price of rope.", outlet="Herald")),
    ("different texts under like headlines", copy(body=BODY), copy(TITLE + " today", body=OTHER_LEAD + "\nWhat parliament hands over is an old dispute of many years: a trust for a harbour, bought today.\n" + "\n".join(f"Paragraph {n} tells of {w} in words that stand nowhere else in any other report of that night {n * 7}." for n, w in enumerate(("cranes", "herring", "ballots", "benches", "taxis", "candles", "gulls", "ropes", "lamps", "coats"))), outlet="Herald")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_what_looks_alike_is_not_always_a_copy(first, second):
    assert not together(first, second)


def test_each_assignment_tells_rule_and_similarity():
    first, same, moved = copy(link="https://a.example/1"), copy(outlet="Herald"), copy("Old harbour handed to public trust, ending nine years of dispute", outlet="Portal", link="https://a.example/1")
    rules = [(a.rule, a.similarity) for a in assigned(first, same, moved)]
    assert rules == [(Rule.FOUNDER, 100), (Rule.SAME_TITLE, 100), (Rule.SAME_URL, 100)]


def test_a_founder_tells_which_story_was_nearest_and_why_it_was_refused():
    first, second = OTHERS[2][1:]
    refused = assigned(first, second)[1]
    assert (refused.story, refused.nearest) == (second.id, first.id)
    assert "kharkiv" in refused.refused_because
    assert refused.nearest_similarity > 80


def test_a_headline_too_short_to_tell_a_story_is_refused_in_words_that_say_so():
    (_, second) = assigned(copy("Harbour strike", LEAD), copy("Harbour strike", OTHER_LEAD, outlet="Herald"))
    assert (second.nearest_similarity, second.refused_because) == (100.0, "the same short headline over another text")


def test_an_earlier_candidate_from_the_database_counts_like_one_of_this_call():
    first, second = copy(body=BODY), copy("Quays go to a trust in dawn vote", body=BODY, outlet="Herald")
    candidate = Candidate(
        number=7, entry=first.id, story="s0", outlet=first.outlet, published_at=first.published_at, seen_at=NOW,
        url_key=None, title_key=first.title_key, text_key=first.text_key, sketch=first.sketch,
    )  # fmt: skip
    near = ((second.id, promising(second, dict.fromkeys(first.keys, (7,)))),)
    (assignment,) = recognise((second,), Snapshot(candidates=(candidate,), near=near), now=NOW, window=WINDOW)
    assert (assignment.story, assignment.rule) == ("s0", Rule.SAME_TEXT)


def test_an_address_that_several_entries_share_identifies_none():
    hub = "https://a.example/ticker"
    first = entry("Ferry runs aground near the lighthouse", link=hub, shared_link=True)
    second = entry("Council sets the water price for the year", link=hub, shared_link=True)
    assert not together(first, second)


UNDER_INVESTIGATION = "27 Nov, 09:14 UTC: Investigating. We are currently investigating this issue."


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("Elevated errors on the booking website", "Elevated errors on the booking phone line", UNDER_INVESTIGATION),
        ("Harbour Daily: the ferries and the fog (Podcast)", "Harbour Daily: a vote on the old quays (Podcast)", "Source: Radio Else, 0:00"),
        ("Morning tide: pilots give way", "Morning tide: cranes out, robots in", "What matters in the harbour today"),
    ],
)
def test_one_outlets_line_under_other_headlines_is_no_copy(first, second, text):
    assert not together(entry(first, text, guid="1", link="https://gazette.example/1"), entry(second, text, guid="2", link="https://gazette.example/2"))


def test_what_arabic_keyboards_write_for_one_another_makes_no_other_headline():
    assert together(entry("دیدار وزیران خارجه ایران و عراق در کرکوک برای آب و برق"), entry("ديدار وزيران خارجه ايران و عراق در كركوك براى آب و برق", feed="herald"))


@pytest.mark.parametrize(
    ("headline", "text", "places"),
    [
        ("{}서 창고 화재 발생", "27일 오전 9시께 {} 인근에서 창고 화재가 발생했다고 소방서가 밝혔다. 현재까지 인명 피해는 보고되지 않았으며 주민에게 창문을 닫아 달라고 당부했다.", ("부산", "제주")),
        ("Warehouse fire in {}’s harbour", "Early on Friday a fire broke out in a warehouse at {} and the fire service told those who live there to keep their windows shut. Nobody is hurt, it says.", ("Eastquay", "Westpool")),
    ],
)
def test_a_template_whose_headline_has_the_place_with_an_ending_is_another_story(headline, text, places):
    first, second = (entry(headline.format(place), text.format(place), feed=feed) for place, feed in zip(places, ("gazette", "herald"), strict=True))
    assert not together(first, second)


@pytest.mark.parametrize(("ours", "theirs"), [(("Kenyan", "Kenya"), ("Chadian", "Chad")), (("Chadian", "Chad"), ("Kenyan", "Kenya"))])
def test_a_template_whose_headline_has_the_people_and_its_text_the_country_is_another_story(ours, theirs):
    text = "Two soldiers from {} were killed in an ambush near the border, the army said on Friday. A search is under way and the road is closed until further notice."
    first, second = (entry(f"Two {people} soldiers killed in ambush", text.format(country), feed=feed) for (people, country), feed in ((ours, "gazette"), (theirs, "herald")))
    assert not together(first, second)


@pytest.mark.parametrize("digit", "٣۳３")
def test_digits_of_other_scripts_are_the_same_figures(digit):
    other = entry(f"مقتل {digit} جنود في هجوم شرق سوريا", feed="herald")
    assert together(entry("مقتل 3 جنود في هجوم شرق سوريا"), other)
    assert not together(entry("مقتل 5 جنود في هجوم شرق سوريا"), other)


def test_a_line_under_a_reworded_headline_is_one_story():
    text = "Pilots of the harbour refuse to work at night until Thursday."
    assert together(entry("Harbour pilots refuse night work, union says", text, guid="1"), entry("Harbour pilots refuse to work at night, union says", text, guid="2"))


def test_entries_without_a_date_are_compared_by_when_they_were_seen():
    first, second = (entry(TITLE, feed=feed, published_at=None) for feed in ("gazette", "herald"))
    assert together(first, second)


TURNS = [
    ("one more of the same", "Northern neighbour fires ballistic missile into the sea", "Northern neighbour fires another ballistic missile into the sea"),
    ("one more, in Spanish", "Explosión en el puerto de Bilbao deja heridos", "Otra explosión en el puerto de Bilbao deja heridos"),
    ("a second, in Russian", "Взрыв прогремел в порту Одессы, есть раненые", "Второй взрыв прогремел в порту Одессы, есть раненые"),
    ("again, in Korean", "부산항 창고 폭발, 부상자 다수", "부산항 창고 또 폭발, 부상자 다수"),
    ("a second, in Turkish", "İzmir limanında patlama: yaralılar var", "İzmir limanında ikinci patlama: yaralılar var"),
    ("the opposite verb", "Central bank to raise interest rates in the spring, minister says", "Central bank to cut interest rates in the spring, minister says"),
    ("a prefix that makes it the opposite", "Court rules border checks of the coalition are lawful", "Court rules border checks of the coalition are unlawful"),
    ("such a prefix in Russian", "Суд признал арест сторожа моста законным", "Суд признал арест сторожа моста незаконным"),
    ("the same, the other way", "Strike of train drivers is illegal, labour court says", "Strike of train drivers is legal, labour court says"),
    ("the opposite direction", "Oil prices rise as talks on the strait go on", "Oil prices fall as talks on the strait go on"),
    ("a denial", "Minister says the bridge will reopen in May", "Minister says the bridge will not reopen in May"),
    ("a contracted denial", "Minister says the bridge will reopen in May", "Minister says the bridge won’t reopen in May"),
    ("a denial in one word", "Northern council can sell the harbour bridge, court says", "Northern council cannot sell the harbour bridge, court says"),
    ("a question of fact", "Harbour bridge is safe for lorries, council says in May", "Harbour bridge isn't safe for lorries, council says in May"),
    ("in German", "Hafenbrücke wird im Mai wieder geöffnet, sagt der Minister", "Hafenbrücke wird im Mai nicht wieder geöffnet, sagt der Minister"),
    ("in German, of a noun", "Minister sieht Gefahr für die Brücke am alten Hafen", "Minister sieht keine Gefahr für die Brücke am alten Hafen"),
    ("in French", "Le pont du port rouvre en mai, dit le ministre", "Le pont du port ne rouvre pas en mai, dit le ministre"),
    ("in Portuguese", "Ponte do porto reabre em maio, diz ministro", "Ponte do porto não reabre em maio, diz ministro"),
    ("in Russian", "Мост в порту откроют в мае, заявил министр", "Мост в порту не откроют в мае, заявил министр"),
    ("a bill's end", "Parliament passes the harbour bill after a night of debate", "Parliament rejects the harbour bill after a night of debate"),
    ("a verdict", "Harbour master found guilty of selling the old ferry to a friend of the mayor", "Harbour master found innocent of selling the old ferry to a friend of the mayor"),
    ("a plea", "Harbour master admits selling the old ferry to a friend", "Harbour master denies selling the old ferry to a friend"),
    ("with or without", "Council opens the harbour bridge with lorries in May", "Council opens the harbour bridge without lorries in May"),
    ("an attempt", "Attempt by council to sell the old harbour bridge succeeds in the spring", "Attempt by council to sell the old harbour bridge fails in the spring"),
    ("what became of him", "Harbour master arrested in ferry sale probe", "Harbour master acquitted in ferry sale probe"),
    ("what became of it", "Flood warning issued for the old harbour", "Flood warning lifted for the old harbour"),
    ("in Russian, a verdict", "Суд оправдал бывшего начальника порта по делу о взятке", "Суд осудил бывшего начальника порта по делу о взятке"),
    ("in Korean, a syllable", "중앙은행 기준금리 인상 결정 물가 안정 위해", "중앙은행 기준금리 인하 결정 물가 안정 위해"),
    ("the other end of the land", "Storm closes harbours on the northern coast", "Storm closes harbours on the southern coast"),
    ("a number in words", "Three sailors rescued from ferry near Port Else", "Thirteen sailors rescued from ferry near Port Else"),
    ("what multiplies a number", "Port company fined $7m over spilt oil in the harbour", "Port company fined $7bn over spilt oil in the harbour"),
    ("the same in words", "Port company fined 7 million over spilt oil in the harbour", "Port company fined 7 billion over spilt oil in the harbour"),
    ("who did it to whom", "Gulls Beat Terns in Harbour Derby", "Terns Beat Gulls in Harbour Derby"),
    ("a bill's end in French", "Le parlement adopte la nouvelle loi sur le vieux port de la ville", "Le parlement rejette la nouvelle loi sur le vieux port de la ville"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in TURNS], ids=[case[0] for case in TURNS])
def test_one_word_can_make_it_another_story(first, second):
    assert not together(copy(first), copy(second, outlet="Herald"))


SAME = [
    ("a number in digits", "Three sailors rescued from ferry near Port Else", "3 sailors rescued from ferry near Port Else"),
    ("a multiplier written out", "Port company fined $7m over spilt oil in the harbour", "Port company fined $7 million over spilt oil in the harbour"),
    ("an ending", "Parliament hands old harbour to public trust", "Parliament handed old harbours to public trust"),
    ("a word less", "Parliament hands the old city harbour over to a public trust", "Parliament hands the old harbour over to a public trust"),
    ("a headline turned", "Old ferry sunk: harbour master on trial", "Harbour master on trial: old ferry sunk"),
    ("two names beside each other", "Brandt and Okafor agree on a price for the harbour", "Okafor and Brandt agree on a price for the harbour"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_headline_in_other_words_stays_one_story(first, second):
    assert together(copy(first), copy(second, outlet="Herald"))


def test_another_word_in_a_headline_is_an_edit_where_the_text_below_it_is_the_same():
    assert together(copy("Harbour master arrested in ferry sale probe", LEAD), copy("Harbour master detained in ferry sale probe", LEAD, outlet="Herald"))


def test_a_page_that_holds_another_text_each_week_is_another_item_each_time():
    first = copy("Statement on the harbour", LEAD, link="https://a.example/latest.html", hours=60 * 24)
    assert not together(first, copy("Weather service warns of ice", OTHER_LEAD, link="https://a.example/latest.html"))


def test_posts_without_a_headline_need_more_than_one_phrase_in_common():
    phrase = "The foreign ministry of the northern neighbour said "
    one = copy("", phrase + "that its delegation had left the talks on the old harbour before they were over on Thursday night.")
    two = copy("", phrase + "in a short note that three new schools are to be built along the coast within the coming year.", outlet="Herald")
    assert not together(one, two)
    assert together(one, copy("", one.summary, outlet="Herald"))


def test_the_furniture_of_a_page_makes_no_copies():
    """Two stories whose pages carry the same other article as their body."""
    first = copy("Start-up raises six million to help people find flats", "The young firm wants to end queues on staircases.", BODY)
    second = copy("Telescope takes first picture of a ring round a comet", "Astronomers were surprised by its colour.", BODY, outlet="Herald")
    assert not together(first, second)
    assert not first.sketch.body


TEMPLATES = [
    ("outbreaks", "{} – {}", "On 3 May the ministry of health of {1} told the office of an outbreak of {0} in two districts. As of that date no deaths were known, and all of the cases had been traced.", ("Cholera", "Morland"), ("Cholera", "Sudland"), ("Measles", "Morland")),
    ("appeals", "Appeal for witnesses after {} in {}", "The harbour police ask for witnesses after a {0} in {1} on Monday evening. Whoever saw it may call the office at any hour of the day and give the number of the case.", ("collision", "Eastquay"), ("robbery", "Eastquay"), ("collision", "Westquay")),
    ("recalls", "{} takes back {}", "{0} has taken the step of calling back its {1} as a precaution because it may hold pieces of metal. Whoever bought it should not eat it and gets the price back in every shop.", ("Aldo", "fish soup"), ("Benno", "herring salad"), ("Aldo", "crab paste")),
    ("quakes", "M {} - {} of Port Else", "A quake of magnitude {0} was felt {1} of Port Else at a depth of ten kilometres this morning, and the office has no reports of damage so far.", ("4.7", "27 km SW"), ("4.9", "31 km SSW"), ("5.6", "120 km E")),
    ("gaps in programs", "CVE-2026-{}{}", "A gap was found in the mill of the old harbour's ledger up to the version of May. It has been rated as severe, and the way in has been shown to the public and may be used.", ("1001", ""), ("1002", ""), ("1003", "")),
]  # fmt: skip


@pytest.mark.parametrize("outlet", ["Chronicle", "Herald"])
@pytest.mark.parametrize(("title", "text", "items"), [(case[1], case[2], case[3:]) for case in TEMPLATES], ids=[case[0] for case in TEMPLATES])
def test_a_template_filled_in_again_is_another_story(title, text, items, outlet):
    first, *later = [copy(title.format(*item), text.format(*item), hours=9 - n, outlet=outlet if n else "Chronicle") for n, item in enumerate(items)]
    for one in later:
        assert not together(first, one)


def test_numbers_alone_make_another_item_also_over_one_body():
    assert not together(copy("CVE-2026-1001", body=BODY), copy("CVE-2026-1002", body=BODY, outlet="Herald"))


def test_an_edited_text_under_another_headline_is_no_template():
    edited = LEAD.replace("voted by 61 to 58", "decided with 61 votes to 58").replace("nine years", "almost nine years")
    assert together(copy(summary=LEAD), copy("Harbour goes to public trust after long dispute", edited, outlet="Herald"))
    assert together(copy(summary=LEAD), copy("Harbour goes to public trust after long dispute", LEAD[:150] + "…", outlet="Herald"))


BLURB = (
    "Sign up for our letter and have the news of the coast on your table every morning. It costs nothing, you may leave whenever "
    "you like, and your address stays with us; the small print says how."
)  # fmt: skip
HEADLINES = [
    "Storm closes the old harbour", "Mayor opens a library for children", "Telescope finds a ring round a comet", "Fishing fleet refuses quotas",
    "Museum returns bronze heads", "School strike spreads to the islands", "Bakers ask for cheaper flour", "Chess champion loses to a pupil",
    "Tunnel under the strait springs a leak", "Court frees the ferry's captain",
]  # fmt: skip


@pytest.mark.parametrize("outlets", [("Chronicle",), ("Chronicle", "Herald", "Portal")], ids=["one outlet", "papers of a group"])
@pytest.mark.parametrize("summary", ["{blurb}", "{headline}, said people who should know. {blurb}"], ids=["nothing else", "behind a sentence"])
def test_a_blurb_under_every_headline_makes_no_copies(summary, outlets):
    texts = [
        copy(headline, summary.format(headline=headline, blurb=BLURB), outlet=outlets[number % len(outlets)], hours=20 - number)
        for number, headline in enumerate(HEADLINES)
    ]  # fmt: skip
    if len(outlets) == 1:
        assert len({assignment.story for assignment in assigned(*texts)}) == len(texts)
    assert len(one_by_one(texts)) >= len(texts) - 3  # until it has been seen often enough


def test_a_wire_text_under_a_headline_of_each_outlet_is_no_blurb():
    texts = [copy(headline, body=BODY, outlet=f"Outlet {n}") for n, headline in enumerate([TITLE, "Quays go to a trust", "Dawn vote on port", "Harbour: end of a dispute", "Trust takes the quays"])]
    assert together(*texts) and len(one_by_one(texts)) == 1


def test_versions_of_an_item_in_one_outlet_are_no_blurb():
    texts = [copy(f"UPDATE {n}-{TITLE}", LEAD, hours=10 - n) for n in range(1, 7)]
    assert together(*texts) and len(one_by_one(texts)) == 1


def one_by_one(texts):
    """The stories of entries that come one after another, each looked up among those before."""
    known, postings = [], {}
    for number, one in enumerate(texts):
        near = ((one.id, promising(one, postings)),)
        (found,) = recognise((one,), Snapshot(candidates=tuple(known), near=near), now=NOW, window=WINDOW)
        assert not found.merges
        known.append(
            Candidate(
                number=number, entry=one.id, story=found.story, outlet=one.outlet, published_at=one.published_at, seen_at=NOW,
                url_key=one.url_key, title_key=one.title_key, text_key=one.text_key, sketch=one.sketch,
            )
        )  # fmt: skip
        for key in one.keys:
            postings.setdefault(key, []).append(number)
    return {candidate.story for candidate in known}


SERIES = [
    ("pages of funds", [f"State Street SPDR Bloomberg {kind} Bond UCITS ETF" for kind in ("Emerging Markets Local", "Sterling Corporate", "Euro Government", "Global Aggregate")]),
    ("trading halts", [f"IIROC Trading Halt - {name}" for name in ("ABC", "XKLM", "QRT", "WXYZ")]),
    ("a numbered series", [f"The daily word game for people in a hurry: No {n}" for n in (4211, 4212, 4213, 4214)]),
    ("bulletins of the day", [f"Latest news bulletin | June {day}th – Evening" for day in (4, 5, 6, 7)]),
]  # fmt: skip


@pytest.mark.parametrize("titles", [case[1] for case in SERIES], ids=[case[0] for case in SERIES])
def test_a_template_makes_no_story(titles):
    """Of a series of one outlet at most the first two, before a pattern shows, are taken for one."""
    stories = {one.story for one in assigned(*(copy(title, hours=len(titles) - n) for n, title in enumerate(titles)))}
    assert len(stories) >= len(titles) - 1


SHORT_LEAD = " ".join(LEAD.split()[:24])
SHORT_LAST = "Harbour master Ilse Brandt said dredging would begin as soon as the ice was gone, and that the first cranes would be sold in May."


def test_a_long_text_joins_the_stories_that_short_ones_founded():
    first = copy("Old harbour goes to public trust after night of dispute", SHORT_LEAD, outlet="Herald", hours=3)
    second = copy("Harbour trust after nine years: parliament hands over", SHORT_LAST, outlet="Portal", hours=2)
    whole = copy(TITLE, SHORT_LEAD + " " + SHORT_LAST, outlet="Chronicle", hours=1)
    assert not together(first, second)
    apart = assigned(first, second, whole)
    assert {one.story for one in apart} == {first.id}
    assert apart[2].merges == (second.id,)
    assert apart[1].rule is Rule.SIMILAR


def test_what_is_like_two_stories_does_not_join_them():
    """A ~ B and B ~ C: a round-up that quotes two stories leaves them apart."""
    first = copy("Comet seen over the southern hills for the first time since 1931", OTHER_LEAD, outlet="Herald", hours=3)
    second = copy(TITLE, LEAD, outlet="Portal", hours=2)
    both = copy("What to know this morning", OTHER_LEAD + " " + LEAD, outlet="Chronicle")
    assert len({one.story for one in assigned(first, second, both)}) >= 2
    assert all(one.merges == () for one in assigned(first, second, both))


NOTICES = [
    ("a correction with another figure", "Ferry accident off the coast kills 12 passengers", "CORRECTED-Ferry accident off the coast kills 21 passengers (not 12)"),
    ("a kill in few words", "Mayor resigns over secret sale of the old harbour", "KILL: Mayor resigns over old harbour sale"),
    ("a withdrawal", "Mayor resigns over secret sale of the old harbour", "STORY WITHDRAWN: Mayor resigns over secret harbour sale"),
    ("a German correction", "Bürgermeister tritt wegen Verkaufs des alten Hafens zurück", "KORREKTUR: Bürgermeister tritt nicht wegen Verkaufs des alten Hafens zurück"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "notice"), [case[1:] for case in NOTICES], ids=[case[0] for case in NOTICES])
def test_a_notice_joins_the_story_it_is_about(story, notice):
    other = copy("Parliament opens the winter session with a debate on fishing", hours=4)
    first, second = copy(story, hours=3), copy(notice)
    assert [one.story for one in assigned(other, first, second)][1:] == [first.id, first.id]


def test_a_notice_on_a_story_we_do_not_know_founds_one():
    other = copy("Parliament opens the winter session with a debate on fishing", hours=4)
    second = copy("KILL: Actor cancels tour of the islands")
    assert assigned(other, second)[1].story == second.id


def test_another_report_on_the_event_is_linked_and_not_joined():
    first = copy("Russian missiles kill three in southern port city, mayor says", OTHER_LEAD, hours=3)
    second = copy("Russian missiles kill five in southern port city, governor of region says", LEAD, outlet="Herald")
    (_, own) = assigned(first, second)
    assert (own.story, own.related) == (second.id, first.id)


def test_F15_one_story_in_thirty_feeds_is_one_story():
    copies = [copy(f"{TITLE} - {name}", outlet=name, hours=12.0 - n / 3) for n, name in enumerate(f"Outlet {n}" for n in range(30))]
    late = copy(TITLE + " - Reuters", outlet="Portal", hours=0.1)
    assert together(*copies, late)


def test_F16_one_boilerplate_headline_over_two_texts_is_two_stories():
    assert not together(copy("Press release", LEAD), copy("Press release", OTHER_LEAD, outlet="Herald"))


def test_F22_a_copied_address_alone_joins_nothing():
    first = copy(TITLE, LEAD, link="https://gazette.example/harbour")
    forged = copy("Win a holiday on the islands now", OTHER_LEAD, outlet="Spam", link="https://gazette.example/harbour")
    assert not together(first, forged)


def test_R12_five_thousand_nearly_equal_headlines_cost_a_bounded_number_of_comparisons(monkeypatch):
    from monitor.core import likeness

    measured = []
    measure = likeness.Yardstick.measure
    monkeypatch.setattr(likeness.Yardstick, "measure", lambda self, *one: measured.append(1) or measure(self, *one))
    entries = [copy(f"Ferry number {n} of the island line is late again today", outlet=f"Outlet {n % 50}") for n in range(1500)]
    assigned(*entries)
    assert len(measured) <= 13 * len(entries)
