"""Text → folded words, with the place of each in the text as it was written.

Says what a word is, when two words are the same, and where sentences and paragraphs end; watchlists and
everything else that compares words share this one answer. Does not search, does not score, never changes the text:
every offset it gives slices the original string.

The rules, from the watchlist language:

* Words are folded: NFKC, case, and accents in Latin, Greek, Cyrillic, Arabic and Hebrew only; elsewhere marks are
  letters (パ is not バ). ä ö ü have a second form, ae oe ue.
* Dashes, apostrophes and every other sign end a word; a possessive 's is dropped; "U.S." and "US" are one word.
* In scripts written without spaces each character with its marks is a word, so that a phrase is a substring.
* Arabic and Hebrew write "and", "in" and "the" together with the word behind; that word is asked for by itself, too.
* Soft hyphens, zero-width characters and tatweel are not there.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, filterfalse, product

from monitor.core.late import LatePattern
from monitor.core.vocabulary import WRITTEN_ALIKE

# ── classes of characters ────────────────────────────────────────────────────────────────────────

_APOSTROPHES = "'’‘ʼʻ`´′‛＇"
# Format characters (Cf) but for the Arabic number signs U+0600–0605, which are printed.
_FORMATS = (
    *(range(0xAD, 0xAE), range(0x61C, 0x61D), range(0x6DD, 0x6DE), range(0x70F, 0x710), range(0x890, 0x892)),
    *(range(0x8E2, 0x8E3), range(0x180E, 0x180F), range(0x200B, 0x2010), range(0x202A, 0x202F), range(0x2060, 0x2065)),
    *(range(0x2066, 0x2070), range(0xFEFF, 0xFF00), range(0xFFF9, 0xFFFC), range(0xE0001, 0xE0002)),
    range(0xE0020, 0xE0080),
)
# What of the basic plane holds marks: all but ideographs, syllables of Hangul, surrogates and private characters.
_WITH_MARKS = (range(0x3400), range(0xA480, 0xAC00), range(0xFB00, 0x10000))


def _ignored() -> set[int]:
    """Characters treated as if they were not there: format characters, tatweel, fillers, variation selectors."""
    fillers = {0x640, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810)}
    selectors = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
    return {code for one in _FORMATS for code in one} | fillers | selectors


_MARK_CATEGORIES = frozenset(("Mn", "Mc", "Me"))


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in _MARK_CATEGORIES


_IGNORED = dict.fromkeys(sorted(_ignored()))


@cache
def _marks() -> str:
    """The inside of a class of all marks, the voicing signs of half-width kana and what is not there among them."""
    codes = {code for one in _WITH_MARKS for code in one if unicodedata.category(chr(code)) in _MARK_CATEGORIES}
    ranges: list[list[str]] = []
    for code in sorted({*codes, *(code for code in _IGNORED if code < 0x10000), 0xFF9E, 0xFF9F}):
        if ranges and code == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = chr(code)
        else:
            ranges.append([chr(code), chr(code)])
    return "".join(f"{low}-{high}" for low, high in ranges) + "\U0001e944-\U0001e94a\U000e0000-\U000e01ef"


_CIRCLED = "\u24b6-\u24e9\U0001f130-\U0001f149"  # letters in circles and squares; NFKC makes letters of them

# Scripts without spaces: Thai, Lao, Myanmar, Khmer (without their digits), Han, Kana, Bopomofo.
_UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf\u1000-\u103f"
    "\u1050-\u108f\ua9e0-\ua9ef\uaa60-\uaa7f\u1780-\u17dc\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa1-\uffdc"

_UNSPACED_CHAR = LatePattern(f"[{_UNSPACED}]")
_HANGUL_CHAR = LatePattern(f"[{_HANGUL}]")
_MIXED_SCRIPT = LatePattern(f"[{_UNSPACED}{_HANGUL}]")


def _word_pattern(wild: str = "") -> str:
    """A run of letters, digits and marks; `wild` are signs that a variant may hold inside a word."""
    return f"([\\w{_CIRCLED}{_marks()}{wild}]+)"


def _mixed_pattern(wild: str = "") -> str:
    """The same where scripts meet: one unspaced character, or a Hangul run, or a run of anything else.

    Thai and Lao "am" is one letter or two (NFKC parts it), so it stays with the consonant before it.
    """
    marks = _marks()
    unspaced = f"[{_UNSPACED}][{marks}]*(?:[\u0e33\u0eb3]|(?<=[\u0e4d\u0ecd])[\u0e32\u0eb2])?"
    hangul = f"[0-9{wild}]*[{_HANGUL}][{_HANGUL}{marks}0-9{wild}]*"
    other = f"(?:(?![{_UNSPACED}{_HANGUL}])[\\w{_CIRCLED}{marks}{wild}])+"
    return f"({unspaced}|{hangul}|{other})"


_ASCII_WORD = re.compile("([a-z0-9]+)")
_WORD, _MIXED_WORD = LatePattern(_word_pattern), LatePattern(_mixed_pattern)
_WILD_ASCII_WORD = re.compile("([A-Za-z0-9?*]+)")
_WILD_WORD, _WILD_MIXED_WORD = LatePattern(lambda: _word_pattern("?*")), LatePattern(lambda: _mixed_pattern("?*"))

# ── folding ──────────────────────────────────────────────────────────────────────────────────────

# Scripts whose accents fold, as ranges of code points: Latin, Greek, Cyrillic, Hebrew, Arabic.
_FOLDING = re.compile(
    "[0-9A-Za-z\u00aa-\u02af\u0370-\u052f\u05d0-\u05f2\u0620-\u06ff\u0750-\u077f\u0870-\u08ff\u1c80-\u1c8a\u1d00-\u1dbf"
    "\u1e00-\u1fff\u2c60-\u2c7f\ua640-\ua69d\ua722-\ua7ff\uab30-\uab6f]"
)
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss", "þ": "th", "ħ": "h", "ŧ": "t"}
    | {"Ł": "L", "Ø": "O", "Đ": "D", "Ð": "D", "Æ": "AE", "Œ": "OE", "ẞ": "SS", "Þ": "TH", "Ħ": "H", "Ŧ": "T"}
    | {"ς": "σ", "ٱ": "ا"}
    | WRITTEN_ALIKE
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "AE", "Ö": "OE", "Ü": "UE"})
_TITLE_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_UMLAUT = re.compile("[äöüÄÖÜ]|[aouAOU]\u0308")


def _plain_letters(word: str) -> str:
    """A word's letters and digits in NFD, without accents where its script folds them.

    NFKC makes signs of some letters (½, ﷺ); they and invisible characters are left out.
    """
    letters, folding = [], False
    for char in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", word.translate(_IGNORED))):
        if _is_mark(char):
            if not folding:
                letters.append(char)
        elif char.isalnum() and char not in _APOSTROPHES:
            folding = _FOLDING.match(char) is not None
            letters.append(char)
    return "".join(letters)


_LONG_WORD = 64  # characters; longer ones are seldom words and are not remembered
_MARKS_IN_A_ROW = LatePattern(lambda: f"([{_marks()}]{{8}})[{_marks()}]+")  # sorting them takes quadratic time


def _remembered(maxsize: int):
    """Remembers what a function said of a word; not of endless ones, whose piles of marks are cut first."""

    def decorate(function):
        cached = lru_cache(maxsize=maxsize)(function)

        def ask(word):
            return cached(word) if len(word) <= _LONG_WORD else function(_MARKS_IN_A_ROW.sub(r"\1", word))

        ask.__doc__, ask.__name__ = function.__doc__, function.__name__
        return ask

    return decorate


@_remembered(1 << 17)
def fold(word: str) -> str:
    """The form in which words are compared; folding twice is folding once. "" where no letter is left."""
    if word.isascii():
        return word.lower()
    once = _plain_letters(word).translate(_LETTERS).casefold()
    return unicodedata.normalize("NFC", _plain_letters(once).translate(_LETTERS))


@_remembered(1 << 14)
def fold_keeping_case(word: str) -> str:
    """Folded in everything but case, for variants that match only as written."""
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", _plain_letters(word).translate(_LETTERS))


@_remembered(1 << 14)
def with_umlauts_written_out(word: str) -> str | None:
    """The second folded form of a word with ä ö ü ("mueller" for "Müller"); None for all others."""
    if word.isascii() or not _UMLAUT.search(word):
        return None
    return fold(unicodedata.normalize("NFKC", word.translate(_IGNORED)).translate(_UMLAUTS))


@_remembered(1 << 14)
def forms_keeping_case(word: str) -> tuple[str, ...]:
    """All forms of a word that differ in case from each other: as folded, and with ä ö ü written out."""
    plain = fold_keeping_case(word)
    if word.isascii() or not _UMLAUT.search(word):
        return (plain,)
    composed = unicodedata.normalize("NFKC", word.translate(_IGNORED))
    return (plain, *(fold_keeping_case(composed.translate(table)) for table in (_UMLAUTS, _TITLE_UMLAUTS)))


@_remembered(1 << 12)
def letter_by_letter(word: str) -> str:
    """Folded with one character for each letter: a letter that folds to several (ß, æ) becomes a NUL, which
    only the wildcard `?` takes for a letter."""
    letters = unicodedata.normalize("NFC", _plain_letters(word))
    return "".join(one if len(one) == 1 else "\0" for one in map(fold, letters) if one)


def is_unspaced(word: str) -> bool:
    """Whether a word is one character of a script written without spaces."""
    return _UNSPACED_CHAR.match(word) is not None


def is_hangul(word: str) -> bool:
    """Whether a word is written in Hangul, where particles follow the noun without a space."""
    return _HANGUL_CHAR.search(word) is not None


# What Arabic and Hebrew write together with the word behind it: "and", "in", "to", "the" and their like, in this order.
_ARABIC_PROCLITICS = tuple(
    "".join(parts) for parts in product(("", "و", "ف"), ("", "ب", "ك", "ل", "ال", "بال", "كال", "لل")) if any(parts)
)
_HEBREW_PROCLITICS = tuple(
    "".join(parts) for parts in product(("", "ו"), ("", "ש", "כש", "מש"), ("", "ב", "כ", "ל", "מ", "ה")) if any(parts)
)
ARABIC_ARTICLE, _ARABIC_TO_THE = "ال", "لل"
_ARABIC_LETTER, _HEBREW_LETTER = re.compile("[\u0620-\u064a\u0671-\u06d3]"), re.compile("[\u05d0-\u05ea]")
_NO_ARABIC = re.compile("[پچژگکیہۓےٹڈڑں]")
_LEAST_ARABIC, _LEAST_HEBREW = 3, 4  # letters behind a proclitic; of three, Hebrew has too many other words


def takes_proclitics(folded: str, *, alone: bool) -> bool:
    """Whether a word may be written together with "and", "in" or "the" before it: one of Arabic or Hebrew, and where it
    stands `alone`, not so short that it would be found in other words."""
    if _ARABIC_LETTER.match(folded):
        return not alone or len(folded.removeprefix(ARABIC_ARTICLE)) >= _LEAST_ARABIC
    return _HEBREW_LETTER.match(folded) is not None and (not alone or len(folded) >= _LEAST_HEBREW)


def without_proclitics(folded: str, surface: str) -> tuple[str, ...]:
    """What a word of Arabic or Hebrew may be, if its first letters are such words; "to the" hides the article. Nothing
    else where it is written with letters of Persian or Urdu, which have no such words."""
    found: list[str] = []
    if _NO_ARABIC.search(surface):
        return ()
    for proclitic in _ARABIC_PROCLITICS if _ARABIC_LETTER.match(folded) else _HEBREW_PROCLITICS:
        if folded.startswith(proclitic):
            bare = folded[len(proclitic) :]
            found.append(bare)
            if proclitic.endswith(_ARABIC_TO_THE):
                found.append(ARABIC_ARTICLE + bare)
    return tuple(found)


def begins_like_a_name(word: str) -> bool:
    """Whether a word as written begins with a capital, or with a letter of a script that has none."""
    first = word[:1]
    if not first.isalpha():
        first = _plain_letters(word)[:1]
    return first.isalpha() and (not first.islower() or "\u10d0" <= first <= "\u10ff")  # Georgian names have no capital


# ── sentences ────────────────────────────────────────────────────────────────────────────────────

_PARAGRAPH_END = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
_CLOSED_SENTENCE = re.compile("[。！？｡．।॥؟۔։።၊။]")
_OPEN_SENTENCE = re.compile(r"[.!?…'\"’”»›)\]]+")


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Shortened words after which a full stop does not end the sentence: English, German, French, Spanish, Russian …
_ABBREVIATIONS = _set_of(
    "dr mr mrs ms mx messrs prof gen col lt sgt cpl capt cmdr maj adm brig sen sens rep reps gov pres sec rev hon st "
    "ste sr jr supt mt mts ft vs etc inc ltd co corp cie bros dept dep approx ca cf al jan feb mar apr jun jul aug sep "
    "sept oct nov dec hr fr nr bzw usw geb str abs ing mme mlle sra srta av bd ул им гг руб тыс млн млрд"
)
_BEFORE_NUMBERS = _set_of("no nos nr art pp vol fig ch par num ziff")
_MONTHS_AFTER_DAY = _set_of(
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "januari februari marts maj juuni desember december"
)

_NOTHING, _APOSTROPHE, _DOT, _PARAGRAPH, _SENTENCE, _MAYBE_SENTENCE = range(6)
_PLAIN_GAPS = frozenset((" ", ", ", "-", "", ",", ": ", "; ", " (", " - ", " – ", " “", ' "', "/", "–", "・", "、"))


def _kind_of_gap(gap: str) -> int:
    """What stands between two words: nothing of note, an apostrophe, a lone dot, or an end."""
    return _kind_of_short_gap(gap) if len(gap) <= _LONG_WORD else _kind_of_any_gap(gap)


def _kind_of_any_gap(gap: str) -> int:
    if len(gap.removeprefix(".")) == 1 and gap[-1] in _APOSTROPHES:  # also after "U.S."
        return _APOSTROPHE
    if gap == ".":
        return _DOT
    if _PARAGRAPH_END.search(gap):
        return _PARAGRAPH
    if _CLOSED_SENTENCE.search(gap):
        return _SENTENCE
    for signs in _OPEN_SENTENCE.finditer(gap):
        if gap[signs.end() : signs.end() + 1].isspace() and not _END_SIGNS.isdisjoint(signs[0]):
            return _MAYBE_SENTENCE
    return _NOTHING


_END_SIGNS = frozenset(".!?…")
_kind_of_short_gap = lru_cache(maxsize=1 << 12)(_kind_of_any_gap)


def _ends_sentence(gap: str, before: str, after: str) -> bool:
    """Whether a gap that looks like a sentence's end is one, by the words on both sides as written."""
    if after[:1].islower() and not "\u10d0" <= after[:1] <= "\u10ff":
        return False
    if not gap.startswith(".") or gap.startswith(".."):
        return True
    word = before.casefold()
    if word.isdigit():
        return len(word) > 2 or after.casefold() not in _MONTHS_AFTER_DAY  # "am 5. Mai"
    if word in _BEFORE_NUMBERS:
        return not after[:1].isdigit()
    return word not in _ABBREVIATIONS and not (len(word) == 1 and not is_unspaced(word))


# ── a text, read ─────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, kw_only=True)
class Words:
    """One text, read. `starts` and `ends` are offsets into `text`; `sentences` and `paragraphs` hold the index of
    the first word of each. A word's place in its sentence or paragraph is found by bisection."""

    text: str
    folded: list[str]
    starts: list[int]
    ends: list[int]
    sentences: list[int]
    paragraphs: list[int]
    mixed: bool = False  # holds scripts without spaces, or Hangul

    def surface(self, index: int) -> str:
        """The word as written; the dots of "U.S." are gone."""
        return _surface(self.text, self.starts[index], self.ends[index])

    def sentence_of(self, index: int) -> int:
        """The number of the sentence that a word stands in, from 0."""
        return bisect_right(self.sentences, index) - 1

    def paragraph_of(self, index: int) -> int:
        """The number of the paragraph that a word stands in, from 0."""
        return bisect_right(self.paragraphs, index) - 1


def _surface(text: str, start: int, end: int) -> str:
    word = text[start:end]
    return word.replace(".", "") if "." in word else word


def read_words(text: str, seen: str | None = None) -> Words:
    """Reads a text: folded words with their offsets, sentences and paragraphs. Never fails, whatever the text.

    `seen` is the text with what is no word of it made spaces, letter for letter.
    """
    seen = text if seen is None else seen
    if text.isascii():
        parts = _ASCII_WORD.split(seen.lower())
        return _assemble(text, parts, parts[1::2])
    source = _same_length(seen)
    mixed = _MIXED_SCRIPT.search(source) is not None
    parts = (_MIXED_WORD if mixed else _WORD).split(source)
    words = _assemble(text, parts, list(map(fold, parts[1::2])))
    words.mixed = mixed
    return words


_BEYOND_ASCII = LatePattern(  # a word with a letter beyond ASCII, or with what may stand inside one
    lambda: f"[0-9A-Za-z]*+(?:[^\\x00-\\x7f\\W]|[{_CIRCLED}{_marks()}])[\\w{_CIRCLED}{_marks()}]*+"
)
_WITHIN_DOTS = re.compile(r"\w\.\w")


def letters_in_a_row(text: str) -> str | None:
    """A text in which the letters of each of its folded words stand side by side, and once more with ä ö ü written out;
    in a tenth of the time that reading it takes. None where scripts without spaces make that no help. Words beyond
    ASCII come last."""
    ascii_words = text.encode("ascii", "replace").decode("ascii").lower().replace(".", "")  # of "U.S."
    if text.isascii():
        return ascii_words
    beyond = _same_length(" ".join(filterfalse(str.isascii, text.split())))
    if _MIXED_SCRIPT.search(beyond):
        return None
    if _WITHIN_DOTS.search(beyond):
        beyond = f"{beyond} {beyond.replace('.', '')}"  # of "É.U."
    words = _BEYOND_ASCII.findall(beyond)
    return " ".join([ascii_words, *map(fold, words), *filter(None, map(with_umlauts_written_out, words))])


def split_variant(variant: str) -> list[tuple[str, bool]]:
    """The words of a variant as written, wildcards inside; True where the word follows the one before without any
    sign between them (scripts without spaces). Possessive 's and the dots of "U.S." are gone, as in a text."""
    source = _same_length(variant)
    parts = _wild_pattern(source).split(source)
    words = _assemble(variant, parts, [part.lower() for part in parts[1::2]])
    joined = {0: False} | {i: words.starts[i] == words.ends[i - 1] for i in range(1, len(words.starts))}
    return [(words.surface(i), joined[i]) for i in range(len(words.starts))]


def _wild_pattern(source: str) -> re.Pattern[str] | LatePattern:
    """The plainest pattern of words that does for a variant: the general one takes long to compile."""
    if source.isascii():
        return _WILD_ASCII_WORD
    if not _MIXED_SCRIPT.search(source):
        return _WILD_WORD
    return _WILD_MIXED_WORD if "?" in source or "*" in source else _MIXED_WORD


def _same_length(text: str) -> str:
    """With the two apostrophes that Unicode calls letters, and the underscore, made signs; offsets stay."""
    return text.replace("_", " ").replace("ʼ", "'").replace("ʻ", "'")


def _assemble(text: str, parts: list[str], folded: list[str]) -> Words:
    """`parts` alternates gaps and words, beginning and ending with a gap."""
    offsets = list(accumulate(map(len, parts)))
    words = Words(text=text, folded=folded, starts=offsets[0:-1:2], ends=offsets[1::2], sentences=[0], paragraphs=[0])
    gaps = parts[0::2]
    notable = [i for i, gap in enumerate(gaps) if gap not in _PLAIN_GAPS and i]
    if notable and notable[-1] == len(folded):
        notable.pop()
    unwanted, abbreviated = _mark_ends(words, gaps, notable)
    if "" in folded:
        unwanted += [i for i, word in enumerate(folded) if not word]
    if unwanted or abbreviated:
        _join_and_drop(words, set(unwanted), abbreviated)
    return words


def _mark_ends(words: Words, gaps: list[str], notable: list[int]) -> tuple[list[int], list[int]]:
    """Fills in sentences and paragraphs; returns the possessive s's, and the letters that continue a "U.S."."""
    text, starts, ends = words.text, words.starts, words.ends
    possessive: list[int] = []
    abbreviated: list[int] = []
    for i in notable:
        kind = _kind_of_gap(gaps[i])
        if kind == _PARAGRAPH:
            words.paragraphs.append(i)
            words.sentences.append(i)
        elif kind == _APOSTROPHE:
            if words.folded[i] == "s":
                possessive.append(i)
        elif kind == _DOT:
            if ends[i - 1] - starts[i - 1] == 1 == ends[i] - starts[i]:
                pair = text[starts[i - 1]] + text[starts[i]]
                if pair.isalpha() and not is_unspaced(pair):
                    abbreviated.append(i)
        elif kind == _SENTENCE or (
            kind == _MAYBE_SENTENCE
            and _ends_sentence(gaps[i], text[starts[i - 1] : ends[i - 1]], text[starts[i] : ends[i]])
        ):
            words.sentences.append(i)
    return possessive, abbreviated


def _join_and_drop(words: Words, unwanted: set[int], abbreviated: list[int]) -> None:
    """Makes one word of the letters of "U.S.", and drops words that are none; ends of sentences move along."""
    count, text = len(words.folded), words.text
    begin = None
    for number, i in enumerate(abbreviated):
        begin = i - 1 if begin is None else begin
        unwanted.add(i)
        if number + 1 == len(abbreviated) or abbreviated[number + 1] != i + 1:
            words.folded[begin] = "".join(words.folded[begin : i + 1])
            end = words.ends[i]
            words.ends[begin] = end + 1 if text[end : end + 1] == "." else end
            begin = None
    kept = [i for i in range(count) if i not in unwanted]
    moved = list(accumulate((i not in unwanted for i in range(count)), initial=0))
    words.folded = [words.folded[i] for i in kept]
    words.starts = [words.starts[i] for i in kept]
    words.ends = [words.ends[i] for i in kept]
    words.sentences = sorted({moved[i] for i in words.sentences if moved[i] < len(kept)} | {0})
    words.paragraphs = sorted({moved[i] for i in words.paragraphs if moved[i] < len(kept)} | {0})
