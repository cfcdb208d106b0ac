"""What a watchlist says of a story: matching, fields, nearness, mentions, vetoes, scope, verdicts."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.score import compile_watchlists, score_story
from monitor.model import Near, Origin, Reason, Scope, StoryText, Term, Verdict, Veto, Watchlist


def term(*variants, **keys):
    return Term(**{"name": variants[0], "any": variants, **keys})


def watchlist(*terms, **keys):
    return Watchlist(**{"id": "w", "title": "W", "threshold": 1, "terms": terms, **keys})


def judge(watchlist, story, *origins):
    return score_story(story, origins, compile_watchlists((watchlist,)), complete=True)[0]


def finds(variant, text, **keys):
    return judge(watchlist(term(variant, **keys)), StoryText(title=text)).hits


MATCHES = [
    ("case is ignored", "north korea", "NORTH KOREA fires", True),
    ("a hyphen is a space", "Kim Jong Un", "Kim Jong-un speaks", True),
    ("a space is a hyphen", "Kim Jong-un", "Kim Jong Un speaks", True),
    ("another dash is a hyphen", "Kim Jong-un", "Kim Jong–un speaks", True),
    ("two spaces are one", "North Korea", "North  Korea", True),
    ("K-pop is not Kpop", "K-pop", "Kpop stars", False),
    ("a possessive does not hide a name", "North Korea", "North Korea's army", True),
    ("a possessive does not part a phrase", "Iran missile", "Iran’s missile", True),
    ("never a substring: Iran in Tirana", "Iran", "Tirana hosts summit", False),
    ("never a substring: frida in Friday", "frida", "on Friday", False),
    ("never a substring at the end: ran in Iran", "ran", "Iran votes", False),
    ("a plural needs a star", "munition", "munitions found", False),
    ("a stem takes the plural", "arms export*", "arms exports rise", True),
    ("a stem takes the word itself", "arms export*", "arms export rises", True),
    ("a stem does not reach back", "port*", "exports", False),
    ("stems within a phrase", "weapon* sale*", "weapons sales", True),
    ("a question mark is one letter", "organi?ation", "an organization", True),
    ("a question mark is not no letter", "Ira?", "Ira spoke", False),
    ("a question mark is not two letters", "Ira?", "Iranx spoke", False),
    ("a question mark at the beginning", "?ran", "Iran spoke", True),
    ("a question mark takes an accented letter", "M?ller", "Herr Müller", True),
    ("a question mark takes ß for one letter", "Stra?e", "die Straße", True),
    ("a question mark and a star", "organi?ation*", "organisations", True),
    ("a question mark before another word", "Ira? talks", "Iran talks", True),
    ("a phrase does not cross a sentence", "North Korea", "They went north. Korea waited.", False),
    ("a name with its initials", "J.P. Morgan", "J.P. Morgan cuts jobs", True),
    ("a name after one initial", "K.P. Oli", "Premier K.P. Oli resigns", True),
    ("a name with a title", "Sec. Rubio", "with Sec. Rubio there", True),
    ("a variant with an exclamation mark", "Yahoo! Japan", "and Yahoo! Japan buys Line", True),
    ("the same in any case", "yahoo! japan", "and Yahoo! Japan buys Line", True),
    ("the same without the mark", "E! News", "an E News anchor", True),
    ("another sign ends the sentence", "Yahoo! Japan", "shares of Yahoo. Japan waits", False),
    ("the mark does not cross a paragraph", "Yahoo! Japan", "Yahoo!\nJapan waits", False),
    ("a variant without the mark", "Yahoo Japan", "They love Yahoo! Japan waits", False),
    ("a phrase crosses Dr.", "Dr. Kim", "with Dr. Kim there", True),
    ("U.S. is US", "US", "the U.S. army", True),
    ("US is U.S.", "U.S.", "the US army", True),
    ("С.Ш.А. is США", "США", "власти С.Ш.А. заявили", True),
    ("É.U. is EU", "EU", "les É.U. ont", True),
    ("Ö.V.P. is ÖVP", "ÖVP", "die Ö.V.P. sagt", True),
    ("US is not us", "US", "they told us so", False),
    ("U.S. is not us", "U.S.", "they told us so", False),
    ("capitals match capitals in a capital headline", "US", "TELL US MORE", True),
    ("a short capital stem takes a plural", "ICBM*", "two ICBMs", True),
    ("a short capital stem needs its capitals", "ICBM*", "two icbms", False),
    ("six capitals match any case", "UNICEF", "Unicef says", True),
    ("capitals with a digit match any case", "MH17", "mh17", True),
    ("Cyrillic capitals match only in capitals", "НАТО", "нато", False),
    ("mixed case matches any case", "Nato", "NATO", True),
    ("accents fold", "Sao Paulo", "em São Paulo", True),
    ("umlauts match without dots", "Müller", "Muller", True),
    ("umlauts match written out", "Müller", "Mueller", True),
    ("written-out umlauts match dots", "Mueller", "Müller", True),
    ("written-out umlauts match in a phrase", "Herr Mueller kommt", "Herr Müller kommt", True),
    ("Mueller is not Muller", "Mueller", "Muller", False),
    ("umlauts in capitals", "Düsseldorf", "DUESSELDORF", True),
    ("an umlaut in a capital abbreviation", "ÖVP", "die OEVP", True),
    ("Polish letters fold", "Walesa", "Wałęsa", True),
    ("Turkish capitals fold", "Diyarbakır", "DİYARBAKIR", True),
    ("Turkish suffixes follow an apostrophe", "Ankara", "Ankara'da", True),
    ("French elision leaves the name", "Iran", "l’Iran et d'Iran", True),
    ("an apostrophe in a variant", "O'Brien", "Mr O’Brien", True),
    ("a Ukrainian variant with an apostrophe", "об'єднання", "нове обʼєднання", True),
    ("Russian case endings by a stem", "ракет*", "запуск ракеты", True),
    ("Greek accents", "Αθήνα", "ΑΘΗΝΑ", True),
    ("Arabic alef forms", "إيران", "ايران", True),
    ("Arabic tatweel", "إيران", "إيـــران", True),
    ("Arabic writes 'and' with the word", "لبنان", "ولبنان يرد", True),
    ("Arabic writes 'in' with the word", "غزة", "القتال بغزة", True),
    ("Arabic 'to the' hides the article", "القاهرة", "سافر للقاهرة", True),
    ("Arabic 'and in the'", "القاهرة", "وبالقاهرة قمة", True),
    ("an Arabic article comes before", "إضراب", "الإضراب العام", True),
    ("an Arabic article that is asked for is there", "القاهرة", "قاهرة", False),
    ("other letters before an Arabic word make another word", "لبنان", "علبنان", False),
    ("behind an Arabic word nothing follows", "لبنان", "ولبنانية", False),
    ("an Arabic stem after 'and'", "لبنان*", "ولبنانية", True),
    ("an Arabic phrase after 'in'", "الجيش اللبناني", "بالجيش اللبناني", True),
    ("'and' parts an Arabic phrase", "الجيش اللبناني", "الجيش واللبناني", False),
    ("two letters of Arabic are whole words", "يد", "بيد", False),
    ("Persian and Arabic keyboards write other letters", "کردستان ایران", "كردستان ايران", True),
    ("Egypt writes yeh without its dots", "مصري", "منتخب مصرى", True),
    ("teh marbuta without its dots", "غزة", "حرب غزه", True),
    ("Urdu has another heh", "پہلی", "پهلي", True),
    ("digits of Arabic and Persian", "G20 2026", "G٢٠ ۲۰۲۶", True),
    ("Persian has no words that are written so", "شور", "کشور", False),
    ("Hebrew writes 'in' with the word", "ירושלים", "פיגוע בירושלים", True),
    ("Hebrew 'and that in'", "ירושלים", "ושבירושלים", True),
    ("a Hebrew phrase after 'to'", "ראש הממשלה", "לראש הממשלה", True),
    ("three letters of Hebrew are whole words", "רון", "שרון", False),
    ("other letters before a Hebrew word make another word", "ירושלים", "טירושלים", False),
    ("Hebrew points and maqaf", "תל אביב", "תֵּל־אָבִיב", True),
    ("Chinese is a substring", "朝鲜", "北朝鲜的导弹", True),
    ("Chinese characters must stand together", "朝鲜", "朝和鲜", False),
    ("Japanese is a substring", "ミサイル", "弾道ミサイル発射", True),
    ("kana voicing counts", "パリ", "バリ島", False),
    ("a star in Japanese changes nothing", "ミサイル*", "弾道ミサイル発射", True),
    ("Thai is a substring", "เกาหลีเหนือ", "ข่าวเกาหลีเหนือวันนี้", True),
    ("Latin beside Han is a word", "GDP", "中国のGDP成長", True),
    ("a variant of Han and Latin", "中国のGDP", "中国のGDP成長", True),
    ("one Han wildcard", "北?鮮", "北朝鮮が", True),
    ("Hangul takes a particle", "이란", "이란은 말했다", True),
    ("Hangul matches at a word's start only", "이란", "파이란은", False),
    ("Hangul phrases take particles in each word", "북한 미사일", "북한의 미사일을", True),
    ("Hangul stems may have two letters", "북한*", "북한군이", True),
    ("Hindi vowel signs count", "की", "का", False),
    ("Hindi loan words have their dots or not", "ज़ेलेंस्की", "जेलेंस्की से मिले", True),
    ("Hindi nasal signs", "चाँद", "चांद पर", True),
    ("Hindi words are whole", "ईरान", "ईरान ने कहा", True),
    ("letters and digits are one word", "17", "MH17", False),
    ("invisible characters hide nothing", "Tehran", "Teh\u00adr\u200ban", True),
]


@pytest.mark.parametrize(("variant", "text", "yes"), [c[1:] for c in MATCHES], ids=[c[0] for c in MATCHES])
def test_a_variant_matches(variant, text, yes):
    assert bool(finds(variant, text)) is yes
    assert bool(score_story(StoryText(title=text), (), compile_watchlists((watchlist(term(variant)),)))) is yes


PIECES = [*"aZäÖßéıİ .'’-_'\u00ad\u0308\u0301北鮮한パ\u3099ก", "U.S.", "Müll", "mueller", "straße", "Ναι", "об'єд", "ﬁn", "Ⓐ", "½"]


@settings(max_examples=500, deadline=None)
@example("aa", "ä.a")
@example("\u0308aaa", "Müll_\u0308aaa")
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_what_a_look_at_the_letters_rules_out_is_not_there(variant, text):
    try:
        compiled = compile_watchlists((watchlist(term(variant)),))
    except ValueError:  # no variant
        return
    story = StoryText(title=text)
    found = [match for match in score_story(story, (), compiled, complete=True) if match.hits]
    assert bool(found) is bool(score_story(story, (), compiled))


EXACT = [
    ("as written", "Apple", "Apple falls", True),
    ("not in capitals", "Apple", "APPLE FALLS", False),
    ("not in small letters", "Apple", "an apple falls", False),
    ("a phrase as written", "Gap Inc", "Gap Inc falls", True),
    ("every word of a phrase as written", "Gap Inc", "gap Inc falls", False),
    ("a stem as written", "Appl*", "Apples fall", True),
    ("a stem not in small letters", "Appl*", "apples fall", False),
    ("accents still fold", "Léon", "Leon falls", True),
    ("umlauts may be written out", "Öl", "Oel", True),
    ("a wildcard as written", "Organi?ation", "Organization", True),
    ("a wildcard not in small letters", "Organi?ation", "organization", False),
]


@pytest.mark.parametrize(("variant", "text", "yes"), [c[1:] for c in EXACT], ids=[c[0] for c in EXACT])
def test_exact_case_matches(variant, text, yes):
    assert bool(finds(variant, text, exact_case=True)) is yes


FUZZY = [
    ("a near spelling counts", "Soleimani", "General Suleimani killed", 85, True),
    ("at its very ratio", "Soleimani", "General Suleimani killed", 88.8, True),
    ("not above it", "Soleimani", "General Suleimani killed", 90, False),
    ("only where the word begins with a capital", "Soleimani", "general suleimani killed", 85, False),
    ("a phrase against as many words", "Volodymyr Zelenskyy", "with Volodymyr Zelensky there", 90, True),
    ("its later words need no capital", "Kim Jong-il", "with Kim Chong-il there", 85, True),
    ("not across a sentence", "Volodymyr Zelenskyy", "with Volodymyr. Zelensky left", 90, False),
    ("short names are not reached", "Assad", "Asad falls", 50, False),
    ("short capitals keep their case", "THAAD", "Thaad falls", 50, False),
    ("the exact word counts without a capital", "Soleimani", "soleimani killed", 85, True),
    ("where a script has no capitals any word may be near", "سليماني", "مقتل سليمانى اليوم", 80, True),
    ("umlauts written out are near", "Müllersdorf", "in Muellersdorff", 90, True),
]


@pytest.mark.parametrize(("variant", "text", "fuzzy", "yes"), [c[1:] for c in FUZZY], ids=[c[0] for c in FUZZY])
def test_a_near_spelling(variant, text, fuzzy, yes):
    assert bool(finds(variant, text, fuzzy=fuzzy)) is yes


def test_an_exact_spelling_is_named_before_a_near_one():
    hit = judge(watchlist(term("Soleimani", "Suleimani", fuzzy=80)), StoryText(title="Suleimani killed")).hits[0]
    assert hit.variant == "Suleimani"


def test_a_fuzzy_term_of_exact_case_keeps_its_case():
    assert not finds("Soleimani", "SULEIMANI KILLED", fuzzy=85, exact_case=True)
    assert finds("Soleimani", "Suleimani killed", fuzzy=85, exact_case=True)


STORY = StoryText(title="Iran talks", lead="Iran and Russia met.", body="Syria was there.\nIran left.")


def test_a_term_counts_once_at_its_best_field():
    match = judge(watchlist(term("Iran", weight=3)), STORY)
    assert [(h.field, h.points, h.quote) for h in match.hits] == [("title", 6, "Iran talks")]
    assert match.score == 6


@pytest.mark.parametrize(("variant", "points"), [("Iran", 2), ("Russia", 1.5), ("Syria", 1)])
def test_fields_have_factors(variant, points):
    assert judge(watchlist(term(variant)), STORY).score == points


def test_factors_can_be_set():
    assert judge(watchlist(term("Iran"), field_factors=(0.5, 1.0, 4.0)), STORY).score == 4


def test_negative_weights_count_at_the_greatest_factor_too():
    match = judge(watchlist(term("Iran", weight=-3), term("Russia", weight=2)), STORY)
    assert [h.points for h in match.hits] == [-6, 3] and match.score == -3


def test_a_term_may_be_looked_for_in_some_fields_only():
    match = judge(watchlist(term("Iran", fields=("body",))), STORY)
    assert [(h.field, h.points) for h in match.hits] == [("body", 1)]
    assert not judge(watchlist(term("Syria", fields=("title", "lead"))), STORY).hits


def test_without_a_lead_the_first_paragraph_is_the_lead():
    match = judge(watchlist(term("Iran"), term("Syria")), StoryText(title="x", body="\nIran fell.\nSyria too."))
    assert [(h.field, h.points) for h in match.hits] == [("lead", 1.5), ("body", 1)]


LEADLESS = [  # bodies without a lead, and in which fields Iran is found
    ("Syria fell.\nAlso read: Iran fires", []),
    ("Also read: Iran fires\nSyria fell.\nIran spoke.", ["body"]),
    ("Also read: Syria fires\nIran fell.\nSyria spoke.", ["lead"]),
    ("Syria fell.\nReporting by Ann Iran", []),
    ("Syria fell.\n© Iran Media", []),
    ("Syria fell.\nRelated stories\nIran fires", []),
    ("Syria fell.\nIran spoke.\nReporting by Ann Syria", ["body"]),
]


@pytest.mark.parametrize(("body", "fields"), LEADLESS)
def test_the_first_paragraph_as_lead_hides_what_is_not_the_storys_own(body, fields):
    assert [hit.field for hit in judge(watchlist(term("Iran")), StoryText(title="x", body=body)).hits] == fields


def test_the_first_of_equal_places_is_quoted():
    hit = judge(watchlist(term("Iran", "talks")), STORY).hits[0]
    assert (hit.variant, hit.start, hit.end) == ("Iran", 0, 4)


def test_a_quote_holds_eight_words_on_either_side_and_stays_in_its_paragraph():
    body = "\nzero\n" + " ".join(f"a{n}" for n in range(12)) + " IRAN, b0 b1 b2.\nnext"
    hit = judge(watchlist(term("Iran")), StoryText(title="t", lead="l", body=body)).hits[0]
    assert hit.quote == "a4 a5 a6 a7 a8 a9 a10 a11 IRAN, b0 b1 b2"
    assert body[hit.start : hit.end] == "IRAN"


def test_scores_are_rounded_to_six_places():
    terms = (term("one", weight=0.1), term("two", weight=0.2))
    match = judge(watchlist(*terms, threshold=0.3), StoryText(title="", lead="", body="x\none two"))
    assert (match.score, match.verdict) == (0.3, Verdict.ALERT)


# ── mentions ─────────────────────────────────────────────────────────────────────────────────────


def story(lead, body):
    return StoryText(title="t", lead=lead, body=body)


MENTIONS = [
    ("two words are two mentions", ("Iran", "Syria"), StoryText(title="Iran and Syria"), True),
    ("one word twice is two mentions", ("Iran",), StoryText(title="Iran", body="x\nIran"), True),
    ("one is not two", ("Iran",), StoryText(title="Iran"), False),
    ("overlapping variants are one mention", ("North Korea*", "Korea"), StoryText(title="North Korea"), False),
    ("the same variant twice is one mention", ("Iran", "iran"), StoryText(title="Iran"), False),
    ("a repeated summary is read once", ("Iran",), story("Iran fell.", "Iran fell. More."), False),
    ("a cut summary is read once", ("Iran",), story("So Iran fell on the gro…", "So Iran fell on the ground."), False),
    ("what the body adds is counted", ("Iran",), story("Iran fell.", "Iran fell. Iran rose."), True),
    ("a title that the body repeats counts twice", ("Iran",), StoryText(title="Iran fell", body="x\nIran fell"), True),
    ("near spellings are mentions", ("Soleimani",), StoryText(title="Suleimani, Soleimani"), True),
]


@pytest.mark.parametrize(("variants", "story", "yes"), [c[1:] for c in MENTIONS], ids=[c[0] for c in MENTIONS])
def test_at_least_two_mentions(variants, story, yes):
    assert bool(judge(watchlist(term(*variants, at_least=2, fuzzy=85)), story).hits) is yes


def test_a_required_term_mentioned_too_seldom_is_missing():
    match = judge(watchlist(term("Iran", at_least=3, required=True)), StoryText(title="Iran"))
    assert (match.missing, match.reason, match.score) == (("Iran",), Reason.REQUIRED_ABSENT, 0)


# ── near ─────────────────────────────────────────────────────────────────────────────────────────

NEAR = [
    ("side by side is one", "arms Iran", {"words": 1}, True),
    ("one between is two", "arms for Iran", {"words": 1}, False),
    ("one between is within two", "arms for Iran", {"words": 2}, True),
    ("before or after", "Iran buys arms", {"words": 2}, True),
    ("the nearest words of phrases count", "arms and Islamic Republic of Iran", {"words": 2}, True),
    ("words may cross a sentence", "They sold arms. Iran bought.", {"words": 1}, True),
    ("words do not cross a paragraph", "arms\nIran", {"words": 5}, False),
    ("a possessive s is no word", "Iran's arms", {"words": 1}, True),
    ("in the same sentence", "Iran bought a lot of arms.", {"sentence": True}, True),
    ("not in another sentence", "Iran bought. They sold arms.", {"sentence": True}, False),
    ("an abbreviation ends no sentence", "Iran, said Dr. Kim, bought arms", {"sentence": True}, True),
    ("both limits hold", "Iran bought a lot of arms.", {"sentence": True, "words": 2}, False),
    ("ordered: this term first", "arms for Iran", {"words": 3, "ordered": True}, True),
    ("ordered: not the other first", "Iran buys arms", {"words": 3, "ordered": True}, False),
    ("ordered in a sentence", "Iran buys arms", {"sentence": True, "ordered": True}, False),
    ("the same words are not near themselves", "Iran arms and Iran", {"words": 1}, True),
    ("any pair will do", "arms here, and far from there, at long last, arms for Iran", {"words": 2}, True),
]


@pytest.mark.parametrize(("text", "near", "yes"), [c[1:] for c in NEAR], ids=[c[0] for c in NEAR])
def test_near(text, near, yes):
    terms = (term("Iran", "Islamic Republic of Iran"), term("arms", near=Near(term="Iran", **near)))
    names = [hit.term for hit in judge(watchlist(*terms), StoryText(title="t", lead="l", body="x\n" + text)).hits]
    assert ("arms" in names) is yes


def test_in_chinese_each_character_is_a_word():
    terms = (term("伊朗"), term("导弹", near=Near(term="伊朗", words=3)))
    assert len(judge(watchlist(*terms), StoryText(title="伊朗的新导弹")).hits) == 2
    assert len(judge(watchlist(*terms), StoryText(title="伊朗的最新导弹")).hits) == 1


def test_near_does_not_reach_from_one_field_into_the_next():
    terms = (term("Iran"), term("arms", near=Near(term="Iran", words=5)))
    assert [h.term for h in judge(watchlist(*terms), StoryText(title="Iran", lead="arms")).hits] == ["Iran"]


def test_only_places_that_are_near_count_for_the_field():
    terms = (term("Iran"), term("arms", near=Near(term="Iran", words=3)))
    match = judge(watchlist(*terms), StoryText(title="arms", lead="l", body="x\nIran has arms"))
    assert [(h.term, h.field) for h in match.hits] == [("Iran", "body"), ("arms", "body")]


def test_only_places_that_are_near_count_as_mentions():
    one = term("arms", near=Near(term="Iran", words=3), at_least=2)
    assert not judge(watchlist(one, term("Iran")), StoryText(title="Iran arms", lead="arms")).hits[1:]


def test_a_term_that_is_absent_is_no_neighbour():
    terms = (term("Iran", at_least=2), term("arms", near=Near(term="Iran", words=3)))
    assert not judge(watchlist(*terms), StoryText(title="Iran arms")).hits


def test_two_terms_may_be_near_each_other():
    terms = (term("Iran", near=Near(term="arms", words=3)), term("arms", near=Near(term="Iran", words=3)))
    assert len(judge(watchlist(*terms), StoryText(title="Iran arms")).hits) == 2
    assert not judge(watchlist(*terms), StoryText(title="Iran", lead="arms")).hits


def test_nearness_is_passed_on_along_a_chain():
    terms = (
        term("arms", near=Near(term="Iran", words=1)),
        term("Iran", near=Near(term="talks", words=1)),
        term("talks"),
    )
    assert len(judge(watchlist(*terms), StoryText(title="arms Iran talks")).hits) == 3
    assert [h.term for h in judge(watchlist(*terms), StoryText(title="arms Iran on talks")).hits] == ["talks"]


def test_a_required_term_that_is_not_near_is_missing():
    terms = (term("Iran"), term("arms", required=True, near=Near(term="Iran", words=1)))
    match = judge(watchlist(*terms), StoryText(title="arms against Iran"))
    assert (match.missing, match.reason) == (("arms",), Reason.REQUIRED_ABSENT)


# ── vetoes and verdicts ──────────────────────────────────────────────────────────────────────────


def test_a_veto_silences_and_says_by_what():
    one = watchlist(term("Iran"), vetoes=(Veto(any=("box office", "video game*")),))
    match = judge(one, StoryText(title="Iran in video games"))
    assert (match.verdict, match.reason, match.veto) == (Verdict.SILENT, Reason.VETOED, "video game*")
    assert match.score == 2 and match.hits


def test_a_veto_with_near_needs_nearness():
    one = watchlist(term("Iran"), vetoes=(Veto(any=("video game",), near=Near(term="Iran", words=3)),))
    assert judge(one, StoryText(title="Iran in a video game")).reason is Reason.VETOED
    assert judge(one, StoryText(title="Iran", lead="A video game")).verdict is Verdict.ALERT


def test_a_veto_may_look_in_one_field_only():
    one = watchlist(term("Iran"), vetoes=(Veto(any=("football",), fields=("title",)),))
    assert judge(one, StoryText(title="Iran", lead="football")).verdict is Verdict.ALERT
    assert judge(one, StoryText(title="Iran football")).verdict is Verdict.SILENT


LIMITS = watchlist(term("one", weight=1), term("two", weight=4), term("three", weight=8), threshold=8, urgent=24)


@pytest.mark.parametrize(
    ("title", "verdict", "reason"),
    [
        ("one", Verdict.SILENT, Reason.BELOW_THRESHOLD),
        ("two", Verdict.ALERT, Reason.MATCHED),
        ("three", Verdict.ALERT, Reason.MATCHED),
        ("two three", Verdict.URGENT, Reason.MATCHED),
    ],
)
def test_threshold_and_urgent_are_reached_when_met(title, verdict, reason):
    match = judge(LIMITS, StoryText(title=title))
    assert (match.verdict, match.reason) == (verdict, reason)


def test_reasons_come_in_order_scope_veto_required_threshold():
    one = watchlist(
        term("Iran", required=True),
        threshold=2,
        scope=Scope(languages=("de",)),
        vetoes=(Veto(any=("football",)),),
    )
    story = StoryText(title="football", language="en")
    assert judge(one, story).reason is Reason.OUT_OF_SCOPE
    assert judge(one, replace(story, language="de")).reason is Reason.VETOED
    assert judge(one, StoryText(title="tennis")).reason is Reason.REQUIRED_ABSENT
    assert judge(one, StoryText(title="t", lead="l", body="x\nIran")).reason is Reason.BELOW_THRESHOLD


# ── scope ────────────────────────────────────────────────────────────────────────────────────────

BBC = Origin(feed="bbc-world", tags=("uk", "broadcaster"), tier=1)
PR = Origin(feed="pr-wire", tags=("press-release",), tier=4)
SCOPES = [
    ("no scope takes all", Scope(), "fr", (PR,), True),
    ("a language takes its regions", Scope(languages=("en",)), "en-GB", (), True),
    ("a region takes its language", Scope(languages=("en-US",)), "EN", (), True),
    ("a language takes no other", Scope(languages=("en", "de")), "fr", (), False),
    ("an unknown language is not held back", Scope(languages=("en",)), None, (), True),
    ("a feed by name", Scope(feeds=("bbc-world",)), "en", (BBC,), True),
    ("a feed by glob", Scope(feeds=("bbc-*",)), "en", (BBC,), True),
    ("a feed by tag", Scope(feeds=("#broadcaster",)), "en", (BBC,), True),
    ("another feed", Scope(feeds=("bbc-*",)), "en", (PR,), False),
    ("a feed left out by tag", Scope(feeds=("*",), not_feeds=("#press-release",)), "en", (PR,), False),
    ("a feed left out by name", Scope(not_feeds=("pr-wire",)), "en", (PR,), False),
    ("a better tier", Scope(max_tier=3), "en", (BBC,), True),
    ("a worse tier", Scope(max_tier=3), "en", (PR,), False),
    ("any origin will do", Scope(max_tier=3), "en", (PR, BBC), True),
    ("one origin must pass all gates", Scope(feeds=("pr-wire",), max_tier=3), "en", (PR, BBC), False),
    ("a file belongs to no feed", Scope(feeds=("bbc-*",), not_feeds=("*",), max_tier=1), "en", (), True),
]


@pytest.mark.parametrize(("scope", "language", "origins", "yes"), [c[1:] for c in SCOPES], ids=[c[0] for c in SCOPES])
def test_scope(scope, language, origins, yes):
    match = judge(watchlist(term("Iran"), scope=scope), StoryText(title="Iran", language=language), *origins)
    assert match.reason is (Reason.MATCHED if yes else Reason.OUT_OF_SCOPE)


# ── many watchlists ──────────────────────────────────────────────────────────────────────────────


def test_watchlists_of_which_nothing_was_found_are_left_out_unless_all_are_wanted():
    all_three = (watchlist(term("Iran")), watchlist(term("Syria"), id="s"), watchlist(term("Iran*"), id="i"))
    compiled = compile_watchlists(all_three)
    story = StoryText(title="Iran")
    assert [m.watchlist for m in score_story(story, (), compiled)] == ["w", "i"]
    assert [m.watchlist for m in score_story(story, (), compiled, complete=True)] == ["w", "s", "i"]


def test_those_far_below_their_threshold_can_be_left_out():
    near_miss = watchlist(term("Iran", weight=3.5), id="near", threshold=10)
    compiled = compile_watchlists((watchlist(term("Iran"), id="far", threshold=10), near_miss, LIMITS))
    found = score_story(StoryText(title="one Iran"), (), compiled, least=0.7)
    assert [m.watchlist for m in found] == ["near"]


def test_no_watchlists_say_nothing():
    assert score_story(StoryText(title="Iran"), (), compile_watchlists(()), complete=True) == ()


def test_an_empty_story_is_silent():
    assert judge(watchlist(term("Iran")), StoryText(title="")).verdict is Verdict.SILENT


def test_hundreds_of_mentions_stay_cheap():
    story = StoryText(title="t", lead="l", body="x\n" + "arms and Iran and " * 5_000)
    terms = (term("Iran"), term("arms", near=Near(term="Iran", words=3), at_least=2))
    assert judge(watchlist(*terms), story).score == 2


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

SAMPLE = "Iran iran Tirana arms US us U.S. Müller Mueller 北朝鮮 북한은 l’Iran x ."
VOCABULARY = SAMPLE.split()
TEXTS = st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join)
STORIES = st.builds(StoryText, title=TEXTS, lead=TEXTS, body=TEXTS.map(lambda text: text.replace("x", "\n")))
VARIANTS = st.sampled_from(["Iran", "arms", "US", "Muell*", "北朝", "북한", "?ran"])
TERMS = st.lists(VARIANTS, min_size=1, max_size=4, unique=True)


@settings(max_examples=150, deadline=None)
@given(STORIES, TERMS, st.sampled_from(VOCABULARY[:-1]))
def test_a_positive_term_never_lowers_the_score(story, variants, extra):
    terms = tuple(term(v) for v in variants)
    more = judge(watchlist(*terms, term(extra, name="extra", weight=2)), story)
    assert more.score >= judge(watchlist(*terms), story).score


@settings(max_examples=150, deadline=None)
@given(STORIES, TERMS)
def test_a_veto_that_is_found_always_silences(story, variants):
    one = watchlist(*(term(v) for v in variants))
    match = judge(one, story)
    vetoed = judge(replace(one, vetoes=(Veto(any=tuple(variants)),)), story)
    assert (vetoed.reason is Reason.VETOED) == bool(match.hits)
    if match.hits:
        assert vetoed.verdict is Verdict.SILENT


@settings(max_examples=150, deadline=None)
@given(STORIES, TERMS)
def test_offsets_and_quotes_are_slices_of_the_text(story, variants):
    story = replace(story, lead=story.lead or "x")
    for hit in judge(watchlist(*(term(v, fuzzy=60) for v in variants)), story).hits:
        text = {"title": story.title, "lead": story.lead or story.body, "body": story.body}[hit.field]
        words = text[hit.start : hit.end]
        assert words and words in hit.quote and hit.quote in text and "\n" not in hit.quote


@settings(max_examples=100, deadline=None)
@given(STORIES, TERMS)
def test_a_watchlist_says_the_same_alone_and_among_others(story, variants):
    one = watchlist(*(term(v) for v in variants))
    others = tuple(watchlist(term(v), id=v) for v in VOCABULARY[:-1])
    among = score_story(story, (), compile_watchlists((*others, one)), complete=True)[-1]
    assert among == judge(one, story)
