"""What a word is, when two are the same, and where sentences end."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core import words as core
from monitor.core.words import (
    begins_like_a_name,
    fold,
    fold_keeping_case,
    letters_in_a_row,
    read_words,
    split_variant,
    with_umlauts_written_out,
)

SAME = [
    ("case does not matter", "TEHRAN", "Tehran"),
    ("Latin accents fold", "Café", "cafe"),
    ("a decomposed accent is the same accent", "Cafe\u0301", "Café"),
    ("Greek accents and the final sigma fold", "Τσίπρας", "ΤΣΙΠΡΑΣ"),
    ("Greek iota subscript is an accent", "ᾳ", "α"),
    ("Cyrillic stress marks fold", "за́мок", "замок"),
    ("ё is е with an accent", "Хрущёв", "Хрущев"),
    ("Arabic vowel signs fold", "مُحَمَّد", "محمد"),
    ("Arabic alef forms are alef", "أحمد", "احمد"),
    ("alef with madda is alef", "آسيا", "اسيا"),
    ("alef with hamza below is alef", "إيران", "ايران"),
    ("tatweel is not there", "إيـــران", "إيران"),
    ("Hebrew points fold", "אִירָן", "אירן"),
    ("ł is l", "Wałęsa", "Walesa"),
    ("ø is o", "Bjørn", "Bjorn"),
    ("đ is d", "Đoković", "Dokovic"),
    ("æ is ae", "Ærø", "Aero"),
    ("œ is oe", "Cœur", "Coeur"),
    ("ß is ss", "Straße", "STRASSE"),
    ("Turkish dotted and dotless i are i", "DİYARBAKIR", "Diyarbakır"),
    ("a soft hyphen is not there", "Teh\u00adran", "Tehran"),
    ("a zero-width space is not there", "Teh\u200bran", "Tehran"),
    ("a zero-width joiner is not there", "Teh\u200dran", "Tehran"),
    ("ligatures are letters", "ﬁne", "fine"),
    ("full-width letters are letters", "ＮＡＴＯ", "NATO"),
    ("mathematical letters are letters", "𝐏𝐮𝐭𝐢𝐧", "Putin"),
    ("half-width kana are kana", "ﾊﾟ", "パ"),
    ("decomposed kana are kana", "ハ\u309a", "パ"),
    ("decomposed Hangul is Hangul", unicodedata.normalize("NFD", "북한"), "북한"),
    ("a ligature of words holds no spaces", "ﷺ", "صلىاللهعليهوسلم"),
    ("a variation selector is not there", "葛\U000e0100", "葛"),
]
DIFFERENT = [
    ("kana voicing is a letter", "パ", "バ"),
    ("unvoiced kana is another letter", "ハ", "バ"),
    ("Devanagari vowel signs are letters", "की", "का"),
    ("Bengali vowel signs are letters", "কি", "কা"),
    ("Tamil vowel signs are letters", "கி", "கு"),
    ("Thai tone marks are letters", "ม้", "ม่"),
    ("ü is not u and e at once", "ue", "u"),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_word(one, other):
    assert fold(one) == fold(other) != ""


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_another_word(one, other):
    assert fold(one) != fold(other)


def test_umlauts_have_a_second_form():
    assert (fold("Müller"), with_umlauts_written_out("Müller")) == ("muller", "mueller")
    assert with_umlauts_written_out("Mu\u0308ller") == "mueller"
    assert with_umlauts_written_out("Gruppe") is None
    assert with_umlauts_written_out("Ærø") is None


def test_case_can_be_kept():
    assert fold_keeping_case("Łódź") == "Lodz"
    assert fold_keeping_case("ŁÓDŹ") == "LODZ"
    assert fold_keeping_case("Τσίπρας") == "Τσιπρασ"


TOKENS = [
    ("signs part words", "arms,exports;now", ["arms", "exports", "now"]),
    ("every dash is a space", "Kim Jong-un, Jong‐un, Jong–un, Jong—un, Jong−un", ["kim", *["jong", "un"] * 5]),
    ("the Hebrew maqaf is a dash", "תל־אביב", ["תל", "אביב"]),
    ("an underscore is a sign", "arms_export", ["arms", "export"]),
    ("the possessive s is dropped", "Iran's and Iran’s and IRAN'S", ["iran", "and", "iran", "and", "iran"]),
    ("the possessive s is dropped after a modifier apostrophe", "Iranʼs", ["iran"]),
    ("an apostrophe ends a word", "l’Iran d'Iran Ankara'da", ["l", "iran", "d", "iran", "ankara", "da"]),
    ("an apostrophe before a long word stays a boundary", "O'Brien's", ["o", "brien"]),
    ("a Ukrainian apostrophe ends a word, too", "об'єднання", ["об", "єднання"]),
    ("letters and digits make one word", "MH17 and 5G", ["mh17", "and", "5g"]),
    ("U.S. is one word", "the U.S. army", ["the", "us", "army"]),
    ("U.S. is one word before a dash", "U.S.-led", ["us", "led"]),
    ("U.S. is one word without its last dot", "in the U.S", ["in", "the", "us"]),
    ("U.S.A. is one word", "U.S.A. today", ["usa", "today"]),
    ("Cyrillic initials are one word", "С.Ш.А.", ["сша"]),
    ("initials of a name are one word", "J.K. Rowling", ["jk", "rowling"]),
    ("a possessive follows U.S.", "the U.S.'s army", ["the", "us", "army"]),
    ("numbers part at dots", "3.5 and 1.2.3", ["3", "5", "and", "1", "2", "3"]),
    ("a trade mark is no letter", "Apple™ and ©Reuters", ["apple", "and", "reuters"]),
    ("each Han character is a word", "北朝鮮", ["北", "朝", "鮮"]),
    ("each kana is a word", "トヨタ", ["ト", "ヨ", "タ"]),
    ("the long-vowel sign is one, too", "データ", ["デ", "ー", "タ"]),
    ("each Thai character with its marks is a word", "ที่นี่", ["ที่", "นี่"]),
    ("Thai am is with its consonant however it is typed", "น้ำ", [fold("น้ำ")]),
    ("Latin ends where Han begins", "中国のGDP成長", ["中", "国", "の", "gdp", "成", "長"]),
    ("Latin ends where Hangul begins", "삼성SDI가", ["삼성", "sdi", "가"]),
    ("Latin with digits ends where Hangul begins", "MH17편", ["mh17", "편"]),
    ("Latin ends where Thai begins", "ใช้GPS", ["ใ", "ช้", "gps"]),
    ("digits and Hangul make one word", "2024년", ["2024년"]),
    ("digits and Han do not", "2024年", ["2024", "年"]),
    ("Devanagari words keep their vowel signs", "हिन्दी की", [fold("हिन्दी"), fold("की")]),
    ("Indic words with a joiner stay whole", "ශ්\u200dරී ලංකා", [fold("ශ්රී"), fold("ලංකා")]),
    ("an emoji with a selector is no word", "❤️ Iran", ["iran"]),
    ("nothing is nothing", "", []),
    ("signs alone are nothing", " — … !?", []),
]


@pytest.mark.parametrize(("text", "words"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS])
def test_words_of_a_text(text, words):
    assert read_words(text).folded == words


SENTENCES = [
    ("a full stop ends a sentence", "Kim left. Russia stayed.", 2),
    ("a question and a cry end one", "War? No! Peace.", 3),
    ("a quotation mark may follow", "“We won.” They said so.", 2),
    ("an ellipsis before a capital ends one", "He waited… Nothing came.", 2),
    ("an ellipsis before a small letter does not", "He waited… and waited.", 1),
    ("Dr. ends none", "Dr. Kim met Mr. Lee and Mrs. Park.", 1),
    ("U.S. ends none", "In the U.S. Treasury officials met.", 1),
    ("an initial ends none", "John F. Kennedy spoke.", 1),
    ("a number's dot ends none", "No. 10 has a rate of 3.5 per cent.", 1),
    ("No. at an end does end one", "They said No. Then they left.", 2),
    ("initials that are abbreviations, too", "J.P. Morgan, George P. Bush and P. Chidambaram spoke.", 1),
    ("p. ends none before a number", "See p. 12 of it.", 1),
    ("titles and names of places end none", "Sec. Rubio and Sens. Cruz and Kaine saw Mt. Etna and Ft. Worth.", 1),
    ("a German date ends none", "Am 5. Mai kam er.", 1),
    ("an address in a text ends none", "See example.com for more.", 1),
    ("a small letter after an odd abbreviation goes on", "approxim. five were there", 1),
    ("an ideographic full stop ends one without a space", "視察した。金氏は言った。", 2),
    ("a Hindi danda ends one", "वह आया। वह गया।", 2),
    ("an Arabic question mark ends one", "هل جاء؟ نعم جاء", 2),
    ("a new line ends one", "One\nTwo", 2),
]


@pytest.mark.parametrize(("text", "count"), [case[1:] for case in SENTENCES], ids=[case[0] for case in SENTENCES])
def test_sentences_of_a_text(text, count):
    assert len(read_words(text).sentences) == count


def test_paragraphs_end_at_every_kind_of_new_line():
    words = read_words("One two\r\nthree\u2028four five\n\n\nsix")
    assert [words.folded[i] for i in words.paragraphs] == ["one", "three", "four", "six"]
    assert [words.paragraph_of(i) for i in range(6)] == [0, 0, 1, 2, 2, 3]


def test_joined_and_dropped_words_keep_later_sentences_in_place():
    words = read_words("Iran's U.S. envoy left. Kim's U.K. trip\nbegan")
    assert words.folded == ["iran", "us", "envoy", "left", "kim", "uk", "trip", "began"]
    assert (words.sentences, words.paragraphs) == ([0, 4, 7], [0, 7])
    assert words.surface(1) == "US"


@pytest.mark.parametrize(
    ("word", "yes"),
    [
        ("Kim", True),
        ("kim", False),
        ("Émile", True),
        ("كيم", True),
        ("金", True),
        ("17", False),
        ("ტრამპი", True),
        ("김", True),
    ],
)
def test_a_name_begins_with_a_capital_where_the_script_has_them(word, yes):
    assert begins_like_a_name(word) is yes


ODD = "aB éßÜ.'’-\n !?。北ハ\u3099한กำ\u0e4d\u0e32د\u0640\u200dK\u0301U.S.ᾳŉİıﷺ½ʼ"
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(ODD)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_folding_twice_is_folding_once(text):
    for word in read_words(text).folded:
        assert fold(word) == word


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_offsets_slice_the_words_from_the_text(text):
    words = read_words(text)
    assert len(words.folded) == len(words.starts) == len(words.ends)
    before = 0
    for index, folded in enumerate(words.folded):
        assert before <= words.starts[index] < words.ends[index] <= len(text)
        before = words.ends[index]
        assert folded and " " not in folded and fold(words.surface(index).replace(".", "")) == folded
    for firsts in (words.sentences, words.paragraphs):
        assert firsts[0] == 0 and firsts == sorted(set(firsts)) and (firsts[-1] < len(words.folded) or firsts == [0])


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
@example("“Öl” – the É.U. and the Ü.S.A. at Saint-Étienne’s soft\u00adhyphen")
@example("ᏣᎳᎩ")  # whose folded letters are capitals
@example("Cafe\u0301-Müller_x, O\u02bcNeill’s U.S. co\u0308op")
def test_the_letters_of_every_word_stand_in_a_row(text):
    row = letters_in_a_row(text)
    if row is not None:
        words = read_words(text)
        second = filter(None, [with_umlauts_written_out(words.surface(i)) for i in range(len(words.folded))])
        assert [word for word in (*words.folded, *second) if word not in row] == []


def test_a_long_text_is_read_whole():
    text = "Kim Jong-un said so. " * 20_000 + "THAAD"
    words = read_words(text)
    assert len(words.folded) == 100_001 and words.folded[-1] == "thaad"


def category(code):
    return unicodedata.category(chr(code))


def test_every_mark_of_the_basic_plane_stands_where_marks_are_looked_for():
    looked_at = {code for one in core._WITH_MARKS for code in one}
    marks = {code for code in range(0x10000) if category(code) in ("Mn", "Mc", "Me")}
    assert len(marks) > 1000 and marks <= looked_at
    assert all(core._WORD.fullmatch(chr(code)) for code in marks)


def test_every_format_character_is_ignored_but_for_printed_ones():
    listed = {code for one in core._FORMATS for code in one}
    formats = {code for code in (*range(0x10000), *range(0xE0000, 0xE0100)) if category(code) == "Cf"}
    assert formats - set(range(0x600, 0x606)) <= listed
    assert {category(code) for code in listed} <= {"Cf", "Cn"}, "some are younger than the Unicode of this Python"


@given(st.text(st.sampled_from("aB7?*_ .-'’ʼéЖ") | st.characters(exclude_categories=("Cs",)), max_size=12))
def test_a_variant_is_split_alike_by_every_pattern_that_does_for_it(variant):
    found = split_variant(variant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "_wild_pattern", lambda source: core._WILD_MIXED_WORD)
        assert split_variant(variant) == found
