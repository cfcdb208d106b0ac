import pytest

from monitor.core.wire import credit_of, notice_of, read_headline, suffixes_of
from monitor.model import Notice

HEADLINES = [
    ("a numbered update", "UPDATE 2-Panel says shells left the port", "Panel says shells left the port", "UPDATE 2"),
    ("a correction", "CORRECTED-Oil falls after stock data", "Oil falls after stock data", "CORRECTED"),
    ("an official correction", "CORRECTED (OFFICIAL)-Bank cuts rate", "Bank cuts rate", "CORRECTED (OFFICIAL)"),
    ("a wrap-up with a space", "WRAPUP 1 - Markets mixed", "Markets mixed", "WRAPUP 1"),
    ("a spoken slug", "Exclusive: Ministry to ban sensors", "Ministry to ban sensors", "EXCLUSIVE"),
    ("two slugs keep the first", "UPDATE 1-EXCLUSIVE-Ministry to ban sensors", "Ministry to ban sensors", "UPDATE 1"),
    ("a withdrawal", "STORY WITHDRAWN: Mayor resigns", "Mayor resigns", "STORY WITHDRAWN"),
    ("a kill", "KILL-Mayor resigns over harbour", "Mayor resigns over harbour", "KILL"),
    ("a film is no kill", "Kill Bill returns to cinemas", "Kill Bill returns to cinemas", None),
    ("advice is no update", "Update your phone now", "Update your phone now", None),
    ("a French correction", "CORRECTIF - Le port fermé trois jours", "Le port fermé trois jours", "CORRECTIF"),
    ("a Spanish one, spoken", "Corrección: el puerto cierra tres días", "el puerto cierra tres días", "CORRECCIÓN"),
    ("a Japanese one in brackets", "【訂正】港で火災", "港で火災", "訂正"),
    ("a Korean flash", "[속보] 부산항 폐쇄", "부산항 폐쇄", "속보"),
    ("an Arabic flash", "عاجل | إغلاق الميناء", "إغلاق الميناء", "عاجل"),
    ("a Russian flash", "Молния! Порт закрыт", "Порт закрыт", "МОЛНИЯ"),
    ("a hashtag", "#BREAKING Harbour closed after blast", "Harbour closed after blast", "BREAKING"),
    ("two of dpa's", "KORREKTUR/ROUNDUP 2: Hafen gesperrt", "Hafen gesperrt", "KORREKTUR"),
    ("a word that begins like one", "Alertas de tormenta: lo que sabemos", "Alertas de tormenta: lo que sabemos", None),
    ("a cancelled concert is no kill", "Annulation : le concert du port", "Annulation : le concert du port", None),
    ("a hyphenated word is no slug", "Covid-19: what we know", "Covid-19: what we know", None),
    ("a correction of an update is a correction", "UPDATE 1-CORRECTED-Bank cuts rate", "Bank cuts rate", "CORRECTED"),
    ("an agency's lead", "(2nd LD) Parliament passes harbour bill", "Parliament passes harbour bill", "2ND LD"),
    ("a German correction", "KORREKTUR: Hafen bleibt offen", "Hafen bleibt offen", "KORREKTUR"),
    ("a mandatory kill", "MANDATORY KILL: Mayor resigns", "Mayor resigns", "MANDATORY KILL"),
    ("brackets that are no slug", "(Almost) everyone likes the harbour", "(Almost) everyone likes the harbour", None),
    ("a column called Watch", "Watch this space: harbour to open", "Watch this space: harbour to open", None),
    ("a slug alone is the headline", "CORRECTED-", "CORRECTED-", None),
]


@pytest.mark.parametrize(("title", "text", "slug"), [case[1:] for case in HEADLINES], ids=[case[0] for case in HEADLINES])
def test_a_slug_is_stripped_and_kept(title, text, slug):
    headline = read_headline(title)
    assert (headline.text, headline.slug) == (text, slug)


SUFFIXES = [
    ("the outlet's own name", "Bill passes – The Harbour Gazette", "The Harbour Gazette", "Bill passes", "The Harbour Gazette"),
    ("a well-known agency", "Oil falls 3% - Reuters", "Any Portal", "Oil falls 3%", "Reuters"),
    ("a domain", "Bill passes after night | gazette.example", "", "Bill passes after night", "gazette.example"),
    ("a clause behind a dash stays", "Bill passes - and nobody noticed", "Gazette", "Bill passes - and nobody noticed", None),
    ("a headline that is only the name stays", "Reuters", "Reuters", "Reuters", None),
]


@pytest.mark.parametrize(("title", "outlet", "text", "suffix"), [case[1:] for case in SUFFIXES], ids=[case[0] for case in SUFFIXES])
def test_an_outlet_suffix_is_cut_only_when_it_is_known(title, outlet, text, suffix):
    headline = read_headline(title, outlet)
    assert (headline.text, headline.suffix) == (text, suffix)


@pytest.mark.parametrize(
    ("title", "outlet"),
    [
        ("Drone attack on power station kills three – Kyiv", "Kyiv Post"),
        ("Court rules against app store fees – Apple", "AP"),
        ("Floods cut off two provinces – Pakistan", "PA"),
    ],
)
def test_a_place_or_a_company_that_an_outlets_name_begins_with_stays(title, outlet):
    assert read_headline(title, outlet).text == title


def test_a_place_behind_three_headlines_of_many_is_no_outlet():
    titles = [f"{what} – Haiti" for what in ("Cholera", "Measles", "Dengue")] + [f"{what} – Sudan" for what in ("Cholera", "Mpox", "Polio")] + ["Ebola – Kongo"]
    assert suffixes_of(titles) == frozenset()
    assert suffixes_of([f"{what} – Haiti Libre" for what in ("Cholera", "Measles", "Dengue")]) == {"haiti libre"}


def test_a_name_behind_three_headlines_of_a_document_is_an_outlets():
    titles = [f"{what} - The Quay Post" for what in ("Bill passes", "Ferry sinks", "Mayor resigns")]
    columns = [f"{what} | {column}" for what in ("One", "Two", "Three") for column in ("Opinion", "Live Blog", "a day later")]
    known = suffixes_of([*titles, *columns, "Bill passes - Quay Times", "Ferry sinks - Quay Times"])
    assert known == {"the quay post"}
    assert suffixes_of(["Bill passes -   "] * 3) == frozenset()
    headline = read_headline("Harbour sold - The Quay  Post", suffixes=known)
    assert (headline.text, headline.suffix) == ("Harbour sold", "The Quay  Post")


CREDITS = [
    ("a dateline", None, "", "WASHINGTON (AP) — The president said", "AP"),
    ("a dateline with a date", None, "", "SEOUL, Aug 18 (Reuters) - North Korea", "Reuters"),
    ("a byline", None, "By AFP", "Some text", "AFP"),
    ("a suffix of the title", "Reuters", "", "Some text", "Reuters"),
    ("a copyright line", None, "", "Text.\nCopyright 2026 The Associated Press. All rights reserved.", "AP"),
    ("a mere mention is no credit", None, "", "An official told Reuters on Monday that", None),
    ("a word in brackets is no credit", None, "", "The deal (apparently) - was signed", None),
    ("nothing", None, "", "", None),
]


@pytest.mark.parametrize(("suffix", "author", "text", "credit"), [case[1:] for case in CREDITS], ids=[case[0] for case in CREDITS])
def test_the_credit_is_whose_copy_it_is(suffix, author, text, credit):
    assert credit_of(suffix, author, text) == credit


@pytest.mark.parametrize(
    ("slug", "notice"),
    [
        ("CORRECTED (OFFICIAL)", Notice.CORRECTION),
        ("CORRECTED 1", Notice.CORRECTION),
        ("CORRECTION", Notice.CORRECTION),
        ("KILL", Notice.KILL),
        ("STORY WITHDRAWN", Notice.WITHDRAWAL),
        ("RETRACTION", Notice.WITHDRAWAL),
        ("KORREKTUR", Notice.CORRECTION),
        ("UPDATE 2", None),
        (None, None),
    ],
)
def test_a_correction_a_kill_and_a_withdrawal_are_events_on_the_story(slug, notice):
    assert notice_of(slug) is notice
