"""Headline, summary and body → the words and small integers that texts are compared by.

Makes sketches and blocking keys; does not compare anything (core/likeness.py does). Fields are kept apart, because
one story is 12 words in one feed and 600 in another: only containment, field by field, survives that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from struct import pack, unpack
from zlib import crc32

from monitor.core.plain import without_joiners
from monitor.core.vocabulary import COMMON, COUNTED, COUNTRIES, RUBRIC, SCALES, WRITTEN_ALIKE
from monitor.model import Sketch, record

LEAD_WORDS = 60
WIDE_LEAD_WORDS = 150  # of scripts without spaces, whose character pairs say less
BODY_SAMPLE = 4  # one shingle in four, by its hash: fair between long and short texts, which bottom-k is not
TITLE_KEY_WORDS = 4  # pairs of them: 6 keys
LEAD_KEYS = 4
BODY_KEYS = 12
ECHOED = 0.3  # of a summary's words at most are new where it only repeats the headline
TITLE_CASE = 0.7  # of the longer words written with a capital: a headline in Title Case
TRUSTED_SUMMARY_SHARE = 0.2  # a body must hold this much of the summary's shingles …
TRUSTED_TITLE_SHARE = 0.8  # … or of the headline's telling words; otherwise it is page furniture
TRUSTED_TITLE_SHARE_ALONE = 0.5  # where there is no summary that could contradict it

# A key is a 30-bit hash and, in its two lowest bits, what was hashed.
TITLE_PAIR, LEAD, BODY, EXACT = range(4)
KIND = 0b11
HASH = (1 << 30) - 1

WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:[.,][0-9]+)*")  # finds the same in ASCII, a quarter faster
# Signs of Brahmic scripts belong to the word around them, though Python's \w parts it there.
_BRAHMIC = "\u0900-\u0dff"
BRAHMIC = re.compile(f"[{_BRAHMIC}]")
BRAHMIC_WORD = re.compile("(?:[^\\W_]|[\u0900-\u0963\u0971-\u0dff])+(?:[.,]\\d+)*")
_WIDE = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WIDE = re.compile(f"[{_WIDE}]+")
FAR_SCRIPT = re.compile(f"[{_BRAHMIC}{_WIDE}]")
TYPOGRAPHY = tuple({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": ".", "\u00a0": " "}.items())
MAY_BE_ALIKE = re.compile("[\u0600-\u06ff\u0901\u093c]|[^\\D0-9]")  # letters of these scripts, digits of others
ACRONYM_INSIDE = re.compile(r"\.[A-Za-z]\.")
ACRONYM = re.compile(r"\b(?:[A-Za-z]\.){2,}")
GENITIVE = re.compile(r"(?<=\w)['’]s\b")
CONTRACTION = re.compile(r"(?<=n)'(?=t\b)")
# Accents of Latin, Greek, Cyrillic, Hebrew and Arabic script, and the voicing marks of Kana, as NFKD parts them.
ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u3099\u309a]+")
# Latin letters, general punctuation and signs of currency can be bared by themselves, as most stand in plain ASCII.
BEYOND_LATIN = re.compile("[^\x00-\u02af\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20cf]")
BEYOND_ASCII = re.compile("[^\x00-\x7f]")
DATELINE = re.compile(
    r"^(?:By [^\n]{3,60}\n)?\s*(?:[A-ZÀ-Ý][A-ZÀ-Ý .,'’/-]{2,40}"
    r"(?:,\s+\w{3,9}\.?\s+\d{1,2})?\s*(?:\([^)\n]{2,30}\))?\s*(?:[-–—:]|--)\s+"
    r"|[^\n(]{0,40}\((?:Reuters|AP|AFP|dpa|PA|PTI|ANI|Bloomberg|Xinhua|TASS|Yonhap|Kyodo|ANSA|EFE)\)\s*(?:[-–—]+\s*)?)"
)
# Words of which a live page's headline has one, as they are folded; the last two also within others.
LIVE_WORDS = frozenset("live liveticker happened highlights direct directo vivo онлаин".split())
LIVE_PARTS = ("ライブ", "실시간")
LIVE = re.compile(
    r"\blive\b|\bas it happened\b|\bhighlights:|【ライブ】|\bliveticker\b|\ben directo?\b|\b(?:en|ao) vivo\b"
    r"|\bонлайн\b|실시간",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
SCALED = re.compile(rf"(\d+(?:[.,]\d+)*)(?:[\s-]?({'|'.join(SCALES)})\b)?")
_COUNTED = frozenset(COUNTED)
# Days of the week in English, German, French, Spanish, Portuguese, Italian and Russian; dates in English: elsewhere
# the number of the day speaks.
_WEEKDAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday"
    " montag dienstag mittwoch donnerstag freitag samstag sonntag"
    " lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miercoles jueves viernes sabado domingo"
    " lunedi martedi mercoledi giovedi venerdi sabato domenica"
    " понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье".split()
)
_DAY_WORDS = _WEEKDAYS | {"feira"}  # a headline with a day in it has one of these, or a number
DAY = re.compile(
    rf"\b(?:{'|'.join(sorted(_WEEKDAYS))}|(?:segunda|terca|quarta|quinta|sexta)-feira"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}"
    r"|\d{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december)"
    r"|\d{1,2}/\d{1,2}/(?:20)?\d{2}|\d{1,2}\.\d{1,2}\.(?:20)?\d{2}|20\d{2}-\d{2}-\d{2})\b"
)


@record
class Sketched:
    """A text taken apart for comparing."""

    sketch: Sketch
    words: tuple[str, ...]  # of the whole text, or of the summary: what an equal text is known by


def fold_words(text: str) -> list[str]:
    """Words for comparing: case, accents and width folded; `U.S.` is `us`; wide scripts as character pairs."""
    if not text.isascii():
        text = without_joiners(text)
        for typeset, typed in TYPOGRAPHY:  # several times as fast as str.translate
            text = text.replace(typeset, typed)
    if ACRONYM_INSIDE.search(text):
        text = ACRONYM.sub(_without_dots, text)
    if "'s" in text:
        text = GENITIVE.sub("", text)
    if "n't" in text:
        text = CONTRACTION.sub("", text)
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    if BEYOND_LATIN.search(text) is None and (latin := BEYOND_ASCII.sub(_as_ascii, text)).isascii():
        return ASCII_WORD.findall(latin.lower())
    text = _bare(text)
    if FAR_SCRIPT.search(text) is None:
        return WORD.findall(text)
    words = (BRAHMIC_WORD if BRAHMIC.search(text) else WORD).findall(text)
    return [part for word in words for part in (_pairs(word) if WIDE.search(word) else (word,))]


def _bare(text: str) -> str:
    bare = ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return bare.translate(WRITTEN_ALIKE) if MAY_BE_ALIKE.search(bare) else bare


def _as_ascii(match: re.Match[str]) -> str:
    return _bare_latin(match[0])


@lru_cache(maxsize=1024)  # a few letters with accents, dashes and signs of currency
def _bare_latin(letter: str) -> str:
    """A letter without case and accent; a space for a sign."""
    return "".join([char if char.isascii() or char.isalnum() else " " for char in _bare(letter)])


def _without_dots(acronym: re.Match[str]) -> str:
    return acronym.group().replace(".", "")


def sketch_of(headline: str, summary: str, body: str) -> Sketched:
    """Take a text apart; a body that does not belong to its headline is left out."""
    words = fold_words(headline)
    summary_words = fold_words(_without_dateline(summary))
    if len(summary_words) <= len(words) + 4 and len(set(summary_words) - set(words)) <= ECHOED * len(summary_words):
        summary_words = []  # it repeats the headline (and names the outlet): nothing new to compare
    body_words = fold_words(_without_dateline(body)) if body else []
    reach = WIDE_LEAD_WORDS if WIDE.search(headline) else LEAD_WORDS
    lead = frozenset(_shingles(summary_words[:reach]))
    in_body = _shingles(body_words)
    body_shingles = frozenset(in_body)
    trusted = _trusts_body(words, lead, body_words, body_shingles)
    if not trusted:
        body_shingles = frozenset()
    elif not lead:
        lead = frozenset(in_body[: reach - 2])  # those of its first words
    numbers = _numbers(headline, words)
    sketch = Sketch(
        words=tuple(words),
        names=_names(headline, words),
        numbers=numbers,
        days=_days(headline, words, numbers),
        lead=lead,
        body=frozenset([h for h in body_shingles if h % BODY_SAMPLE == 0]),
        live=_is_live(headline, words),
    )
    return Sketched(sketch=sketch, words=tuple(body_words if trusted else summary_words))


def lead_of(summary: str, body: str, lead: frozenset[int]) -> tuple[list[str], tuple[int, ...]]:
    """The words that a sketch's `lead` was made of, and its hashes in order, each of the three words from there on."""
    for text in (summary, body):
        words = fold_words(_without_dateline(text))
        for reach in (LEAD_WORDS, WIDE_LEAD_WORDS):
            hashes = _shingles(words[:reach])
            if frozenset(hashes) == lead:
                return words[:reach], hashes
    return [], ()


@lru_cache(maxsize=4096)  # asked of one headline for every candidate
def telling_of(words: tuple[str, ...] | frozenset[str]) -> frozenset[str]:
    """The words of a headline that say what it is about: neither common ones nor names of columns."""
    return frozenset([word for word in words if len(word) > 2 or not word.isascii()]) - COMMON - RUBRIC


def telling_words(words: tuple[str, ...]) -> int:
    """How many words of a headline say what it is about."""
    return len(telling_of(words))


def blocking_keys(sketch: Sketch, url: int | None, title: int | None, text: int | None) -> tuple[int, ...]:
    """Keys that a copy is likely to share, as integers below 2**32: pairs of the headline's rarest words, the smallest
    hashes of lead and body, and the exact keys of address, headline and text. Equal texts share all hashes of a lead,
    so that theirs counts only where there is none."""
    words = sorted(set(sketch.words) - COMMON - RUBRIC)
    rare = sorted(words, key=len, reverse=True)[:TITLE_KEY_WORDS]  # the long ones are
    hashes = sorted(map(_word_hash, rare))
    keys = _keys(TITLE_PAIR, [first * 31 + second for i, first in enumerate(hashes) for second in hashes[i + 1 :]])
    keys += _keys(LEAD, sorted(sketch.lead)[:LEAD_KEYS])
    keys += _keys(BODY, [h >> 2 for h in sorted(sketch.body)[:BODY_KEYS]])
    keys += _keys(EXACT, filter(None, (url, title, None if sketch.lead else text)))
    return tuple(dict.fromkeys(keys))


def _keys(kind: int, values: Iterable[int]) -> list[int]:
    return [(value & HASH) << 2 | kind for value in values]


def _trusts_body(words: list[str], summary: frozenset[int], body_words: list[str], body: frozenset[int]) -> bool:
    """Whether a body belongs to its headline and summary, or is other articles' furniture."""
    if not body:
        return False
    if summary and len(summary & body) >= TRUSTED_SUMMARY_SHARE * len(summary):
        return True
    telling, found = [word for word in words if word not in COMMON], set(body_words)
    needed = TRUSTED_TITLE_SHARE if summary else TRUSTED_TITLE_SHARE_ALONE
    return bool(telling) and sum(word in found for word in telling) >= needed * len(telling)


def _names(headline: str, words: list[str]) -> frozenset[str]:
    """Folded words that name somebody or something. A headline in Title Case shows only tickers and countries."""
    countries = COUNTRIES.intersection(words)
    if headline.isupper():
        return countries
    if "'s" in headline or "’s" in headline:
        headline = GENITIVE.sub("", headline)
    written = (ASCII_WORD if headline.isascii() else WORD).findall(headline)
    long = [word for word in written[1:] if len(word) > 3]
    if sum([word[0].isupper() for word in long]) > TITLE_CASE * len(long):
        named = [word for word in written if word.isupper() and len(word) > 1]
    else:
        named = [word for word in written if word[0].isupper()]
    return countries.union(*[(word.lower(),) if word.isascii() else fold_words(word) for word in named])


def _is_live(headline: str, words: list[str]) -> bool:
    likely = not LIVE_WORDS.isdisjoint(words) or any(part in headline for part in LIVE_PARTS)
    return likely and LIVE.search(headline) is not None


def _days(headline: str, words: list[str], numbers: frozenset[str]) -> frozenset[str]:
    if not numbers and _DAY_WORDS.isdisjoint(words):
        return frozenset()
    folded = headline.casefold()
    return frozenset(DAY.findall(folded if folded.isascii() else _bare(folded)))


def _numbers(headline: str, words: list[str]) -> frozenset[str]:
    """In digits, with what multiplies them: "Three held over $7bn" has 3 and 7bn."""
    found: list[str] = []
    if not _COUNTED.isdisjoint(words):
        beside = zip(words, [*words[1:], ""], strict=True)
        found += [COUNTED[word] + SCALES.get(after, "") for word, after in beside if word in COUNTED]
    if NUMBER.search(headline):
        folded = headline.lower() if headline.isascii() else _bare(headline)
        found += [number.replace(",", "") + SCALES.get(scale, "") for number, scale in SCALED.findall(folded)]
    return frozenset(found)


def _without_dateline(text: str) -> str:
    match = DATELINE.match(text)
    return text[match.end() :] if match else text


def _pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)] or [word]


def _shingles(words: list[str]) -> tuple[int, ...]:
    """32-bit hashes of all runs of three words, in order; odd multipliers, as in xxHash.

    Every run's is `(a * A ^ b * B ^ c * C) >> 7 & 0xFFFFFFFF` of its words' hashes. All are worked out at once: in one
    long integer the hashes stand 64 bits apart, so that no product reaches the next one's place; without its first one
    or two it is a row of second or third words.
    """
    if len(words) < 3:
        return ()
    hashes = map(crc32, " ".join(words).encode("utf-8", "surrogatepass").split())
    row = int.from_bytes(pack(f"<{len(words)}Q", *hashes), "little")
    mixed = (row * 0x9E3779B1 ^ (row >> 64) * 0x85EBCA77 ^ (row >> 128) * 0xC2B2AE3D) >> 7
    halves = unpack(f"<{2 * len(words)}I", mixed.to_bytes(8 * len(words), "little"))
    return halves[: 2 * (len(words) - 2) : 2]


def _word_hash(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))
