"""Headline, summary and body → the words and small integers that texts are compared by.

Makes sketches and blocking keys; does not compare anything (core/dedup.py does). Fields are kept apart,
because one story is 12 words in one feed and 600 in another: only containment, field by field, survives that.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from zlib import crc32

from monitor.model import Sketch

LEAD_WORDS = 60
WIDE_LEAD_WORDS = 150  # of scripts without spaces, whose bigrams say less
BODY_SAMPLE = 4  # one shingle in four, by its hash: fair between long and short texts, which bottom-k is not
TITLE_KEY_WORDS = 6  # pairs of them: 15 keys
LEAD_KEYS = 14
BODY_KEYS = 20
TITLE_CASE = 0.7  # of the longer words written with a capital: a headline in Title Case
TRUSTED_SUMMARY_SHARE = 0.2  # a body must hold this much of the summary's shingles …
TRUSTED_TITLE_SHARE = 0.8  # … or of the headline's telling words; otherwise it is page furniture
TRUSTED_TITLE_SHARE_ALONE = 0.5  # where there is no summary that could contradict it

TITLE_KIND, LEAD_KIND, BODY_KIND = 1 << 40, 2 << 40, 3 << 40

WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
WIDE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
ACRONYM = re.compile(r"\b(?:[A-Za-z]\.){2,}")
GENITIVE = re.compile(r"(?<=\w)['’]s\b")
CONTRACTION = re.compile(r"(?<=n)['’](?=t\b)")
DATELINE = re.compile(
    r"^(?:By [^\n]{3,60}\n)?\s*(?:[A-ZÀ-Ý][A-ZÀ-Ý .,'’/-]{2,40}"
    r"(?:,\s+\w{3,9}\.?\s+\d{1,2})?\s*(?:\([^)\n]{2,30}\))?\s*(?:[-–—:]|--)\s+"
    r"|[^\n(]{0,40}\((?:Reuters|AP|AFP|dpa|PA|PTI|ANI|Bloomberg|Xinhua|TASS|Yonhap|Kyodo|ANSA|EFE)\)\s*(?:[-–—]+\s*)?)"
)
LIVE = re.compile(r"\blive\b|\bas it happened\b|\bhighlights:|【ライブ】", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
DAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}"
    r"|\d{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december))\b",
    re.IGNORECASE,
)
# Words so common in headlines that a pair of them says nothing; own list.
COMMON = frozenset(
    "a after against all amid an and are as at back be by call case day deal for from gets has have he her his"
    " how in into is it its live more new news no not of off on one over out report say says set she than that"
    " the their they this to two up us was we what when who why will with you year years der die das und in von"
    " im den la le les de du des et el los y".split()
)
# Words that name a kind of column, not what it is about; own list.
RUBRIC = frozenset(
    "analysis answers answer articles blog briefing briefs brief bulletin column columns comment comments crossword"
    " daily diary digest editorial editorials evening forecast gallery guide headlines highlights hints horoscope"
    " horoscopes leader leading letter letters lottery morning newsletter newswrap night notes opinion page pages"
    " papers photos picture pictures podcast preview press quiz readers release results review round roundup schedule"
    " snapshot statement sunday summary today tomorrow tonight top update updates video watch weather week weekend"
    " weekly wordle wrap yesterday monday tuesday wednesday thursday friday saturday markets market".split()
)
COUNTRIES = frozenset(
    "afghanistan algeria argentina armenia australia austria azerbaijan bangladesh belarus belgium bolivia"
    " brazil britain bulgaria cambodia cameroon canada chad chile china colombia congo croatia cuba cyprus"
    " denmark ecuador egypt england eritrea estonia ethiopia finland france gaza georgia germany ghana greece"
    " guatemala haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan"
    " jordan kazakhstan kenya korea kosovo kuwait latvia lebanon libya lithuania malaysia mali mexico moldova"
    " mongolia morocco mozambique myanmar nepal netherlands nicaragua niger nigeria norway pakistan palestine"
    " panama peru philippines poland portugal qatar romania russia rwanda scotland senegal serbia singapore"
    " slovakia slovenia somalia spain sudan sweden switzerland syria taiwan tanzania thailand tunisia turkey"
    " uganda ukraine uruguay uzbekistan venezuela vietnam wales yemen zambia zimbabwe africa america asia"
    " europe usa".split()
)


def fold_words(text: str) -> list[str]:
    """Words for comparing: case, accents and width folded; `U.S.` is `us`; wide scripts as character bigrams."""
    if "." in text:
        text = ACRONYM.sub(lambda acronym: acronym.group().replace(".", ""), text)
    if "'" in text or "’" in text:
        text = CONTRACTION.sub("", GENITIVE.sub("", text))
    if text.isascii():
        return WORD.findall(text.lower())
    folded = "".join(
        letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter)
    )
    words: list[str] = []
    for word in WORD.findall(folded):
        words.extend(_bigrams(word) if WIDE.search(word) else (word,))
    return words


def sketch_of(headline: str, summary: str, body: str) -> Sketch:
    """The sketch of a text; a body that does not belong to its headline is left out of it."""
    words = fold_words(headline)
    summary_words = fold_words(_without_dateline(summary))
    body_words = fold_words(_without_dateline(body))
    reach = WIDE_LEAD_WORDS if WIDE.search(headline) else LEAD_WORDS
    summary_shingles = _shingles(summary_words[:reach])
    body_shingles = _shingles(body_words)
    trusted = _trusts_body(words, summary_shingles, set(body_words), body_shingles)
    lead = summary_shingles or (_shingles(body_words[:reach]) if trusted else frozenset())
    return Sketch(
        words=tuple(words),
        names=_names(headline),
        numbers=frozenset(
            number.replace(",", "") for number in NUMBER.findall(unicodedata.normalize("NFKC", headline))
        ),
        days=frozenset(day.casefold() for day in DAY.findall(headline)),
        lead=lead,
        body=frozenset(h for h in body_shingles if h % BODY_SAMPLE == 0) if trusted else frozenset(),
        live=bool(LIVE.search(headline)),
    )


def telling_words(words: tuple[str, ...]) -> int:
    """How many words of a headline say what it is about: neither common ones nor names of columns."""
    return len({word for word in words if len(word) > 2 or not word.isascii()} - COMMON - RUBRIC)


def blocking_keys(sketch: Sketch) -> tuple[int, ...]:
    """Keys that a copy is likely to share: pairs of the headline's rarest words, smallest lead and body hashes."""
    rare = sorted(set(sketch.words) - COMMON, key=lambda word: (-len(word), word))[:TITLE_KEY_WORDS]
    hashes = sorted(map(_word_hash, rare))
    pairs = [
        TITLE_KIND | ((first * 31 + second) & 0xFFFFFFFF)
        for i, first in enumerate(hashes)
        for second in hashes[i + 1 :]
    ]
    return (
        *pairs,
        *(LEAD_KIND | h for h in sorted(sketch.lead)[:LEAD_KEYS]),
        *(BODY_KIND | h for h in sorted(sketch.body)[:BODY_KEYS]),
    )


def _trusts_body(words: list[str], summary: frozenset[int], body_words: set[str], body: frozenset[int]) -> bool:
    """Whether a body belongs to its headline and summary, or is other articles' furniture."""
    if not body:
        return False
    if summary and len(summary & body) >= TRUSTED_SUMMARY_SHARE * len(summary):
        return True
    telling = [word for word in words if word not in COMMON]
    needed = TRUSTED_TITLE_SHARE if summary else TRUSTED_TITLE_SHARE_ALONE
    return bool(telling) and sum(word in body_words for word in telling) >= needed * len(telling)


def _names(headline: str) -> frozenset[str]:
    """Folded words that name somebody or something. A headline in Title Case shows only tickers and countries."""
    written = WORD.findall(GENITIVE.sub("", headline))
    capitalised = [word for word in written if word[:1].isupper()]
    long = [word for word in written[1:] if len(word) > 3]
    title_case = sum(word[:1].isupper() for word in long) > TITLE_CASE * len(long)
    named = {w for w in written if w.isupper() and len(w) > 1} if title_case else set(capitalised)
    if headline.isupper():
        named = set()
    folded = {folded for word in named for folded in fold_words(word)}
    return frozenset(folded | COUNTRIES.intersection(fold_words(headline)))


def _without_dateline(text: str) -> str:
    return DATELINE.sub("", text, count=1)


def _bigrams(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)] or [word]


def _shingles(words: list[str]) -> frozenset[int]:
    if len(words) < 3:
        return frozenset()
    hashes = [_word_hash(word) for word in words]
    return frozenset(
        (a * 0x9E3779B1 ^ b * 0x85EBCA77 ^ c * 0xC2B2AE3D) >> 7 & 0xFFFFFFFF  # odd multipliers, as in xxHash
        for a, b, c in zip(hashes, hashes[1:], hashes[2:], strict=False)
    )


@lru_cache(maxsize=65536)
def _word_hash(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))
