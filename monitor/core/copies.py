"""A likeness → whether two texts are copies, by which rule, or why not.

Every "no" is tried before any "yes": a false merge hides a story, a miss is one more alert. The thresholds are those
of the project's measured design (docs/decisions.md, "Recognising copies").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from datetime import timedelta

from rapidfuzz import fuzz

from monitor.core.likeness import Likeness, subset_ratio
from monitor.core.sketch import fold_words, lead_of, telling_of, telling_words
from monitor.core.vocabulary import AGAIN, COMMON, NEGATING, OPPOSITES
from monitor.model import Candidate, Entry, Rule, Sketch, record

SERIES_GAP = timedelta(hours=18)  # the same headline from the same outlet later than this is the next of a series
TITLE_ALONE_GAP = timedelta(hours=48)
SAME_PUBLISHER_GAP = timedelta(hours=12)
TRUSTED_HASHES = 25  # two bodies with so many hashes can refuse each other
MERGING_TITLE = 45  # of both stories that one long text joins: a round-up's headline names neither
NOTICE_SHARE = 66  # percent of a notice's telling words that must stand in the headline of its story
NOTICE_WORDS = frozenset("story headline article item version earlier withdrawn kill correction corrected".split())
OTHER_FIGURES = "other figures in the headline"
OTHER_BODY = "the bodies are different texts"
TOO_LITTLE = "not alike enough"
TOO_SHORT = "the same short headline over another text"
EMBEDDED = 1.2  # times as long as what it quotes is a summary that has something of its own to say
SLOT_WORDS = 10  # the most that a template's slot holds
CAPTION = 12  # shared hashes of three words each: a line of text, that tells nothing
ENDING = 2  # letters in which two forms of a word may differ at its end …
SUFFIX = 4  # … or that one of them has more: Chad, Chadian
SHORTEST_STEM = 4  # letters
OTHER_WORD = 70  # two words less alike than this are two words, not two spellings of one


@record
class Opinion:
    """Whether a candidate is a copy, how similar it is, and why (or why not)."""

    same: bool
    similarity: float
    rule: Rule | None = None
    why: str = ""
    related: bool = False  # not a copy, but of the same event


def opinion(
    entry: Entry | Candidate, candidate: Candidate, like: Likeness, *, window: timedelta, series: bool = False
) -> Opinion:
    """Whether two texts are copies. `series` says that the entry's outlet has more headlines of this very pattern."""
    shown = max(like.title, 100 * like.lead, 100 * like.body)
    if like.apart > window:
        return Opinion(same=False, similarity=shown, why="too far apart in time")
    mine, theirs = entry.sketch, candidate.sketch
    if _one_item(entry, candidate, like):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_URL, why="same address")
    if like.slight and (entry.text_key is None or entry.text_key != candidate.text_key):
        return Opinion(same=False, similarity=shown, why=TOO_LITTLE, related=_same_event(mine, theirs, like))
    refusal = _veto(mine, theirs, like, series) or _body_refusal(mine, theirs, like) or _caption(entry, like)
    if refusal:
        related = refusal in (OTHER_FIGURES, OTHER_BODY) and _same_event(mine, theirs, like)
        return Opinion(same=False, similarity=shown, why=refusal, related=related)
    if entry.text_key is not None and entry.text_key == candidate.text_key and _text_identifies(like):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_TEXT, why="same text")
    if entry.title_key and entry.title_key == candidate.title_key and _title_identifies(mine, theirs, like):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_TITLE, why="same headline")
    why = _by_body(like) or _by_lead(mine, theirs, like) or _by_title(mine, theirs, like)
    if why and (slot := _slot(entry, candidate, like)):
        return Opinion(same=False, similarity=shown, why=slot, related=_same_event(mine, theirs, like))
    if why:
        return Opinion(same=True, similarity=shown, rule=Rule.SIMILAR, why=why)
    why = TOO_SHORT if mine.words == theirs.words else TOO_LITTLE
    return Opinion(same=False, similarity=shown, why=why, related=_same_event(mine, theirs, like))


def vetoed(entry: Entry | Candidate, candidate: Candidate, like: Likeness, *, window: timedelta) -> bool:
    """Whether something speaks against two texts' being copies; that they have little in common does not."""
    mine, theirs = entry.sketch, candidate.sketch
    if like.apart > window:
        return True
    if _one_item(entry, candidate, like):
        return False
    return bool(_veto(mine, theirs, like, series=False) or _body_refusal(mine, theirs, like))


def notice_opinion(entry: Entry, candidate: Candidate, like: Likeness, *, window: timedelta) -> Opinion:
    """Whether a correction, kill or withdrawal is about this story. It names the story in a few words, and says other
    figures by its nature: most of its telling words must stand in the headline."""
    telling = telling_of(entry.sketch.words) - NOTICE_WORDS
    named = telling & frozenset(candidate.sketch.words)
    share = 100 * len(named) / len(telling) if telling else 0.0
    close = like.apart <= window and not (entry.sketch.days and candidate.sketch.days and like.title < 80)
    least = 2 if like.same_outlet else 3
    if close and ((len(named) >= least and share >= NOTICE_SHARE) or (like.lead >= 0.5 and like.lead_shared >= 8)):
        return Opinion(same=True, similarity=max(share, like.title), rule=Rule.SIMILAR, why="a notice on this story")
    return Opinion(same=False, similarity=max(share, like.title), why="not the story that the notice names")


def shows_whole(long: Sketch, short: Sketch, like: Likeness) -> bool:
    """Whether a long text holds a short one almost entirely, under a like headline: what may join two stories."""
    longer = len(long.lead) + len(long.body) > len(short.lead) + len(short.body)
    held = (like.lead >= 0.8 and like.lead_shared >= 8) or (like.body >= 0.8 and like.body_shared >= 8)
    return longer and held and like.title >= MERGING_TITLE


def _one_item(entry: Entry | Candidate, candidate: Candidate, like: Likeness) -> bool:
    """Whether two texts have one address, and it means one item: a new headline is an edit, but `latest.html` holds
    another text each week."""
    if entry.url_key is None or entry.url_key != candidate.url_key:
        return False
    mine, theirs = entry.sketch, candidate.sketch
    if mine.live or theirs.live:
        return like.title >= 90 or (like.lead >= 0.75 and like.lead_shared >= 8)
    return like.title >= 66 or (like.lead >= 0.45 and like.lead_shared >= 5) or like.body >= 0.35


# ── no ───────────────────────────────────────────────────────────────────────────────────────────


def _veto(mine: Sketch, theirs: Sketch, like: Likeness, series: bool) -> str:
    """Why two texts that look alike are two stories, or "" where nothing says so."""
    if _numbered(mine, theirs, like):
        return OTHER_FIGURES
    if like.body >= 0.8 and like.body_shared >= 8:
        return ""
    if mine.days and theirs.days and mine.days != theirs.days:
        return "another day in the headline"
    if like.same_outlet and like.title >= 90 and like.apart > SERIES_GAP and not _same_once_more(mine, theirs, like):
        return "the next of a series: same headline, same outlet, another day"
    if (mine.live or theirs.live) and like.title < 90:
        return "a live page, rewritten all day"
    if series and (slot := in_series(mine, theirs, like)):
        return slot
    if like.lead >= (0.9 if like.same_outlet else 0.75) and like.lead_shared >= 8:
        return ""
    if like.title >= 75 and _conflict(mine.numbers, theirs.numbers):
        return OTHER_FIGURES
    if like.body >= 0.48 or (like.lead >= 0.6 and like.lead_shared >= 12):
        return ""
    return _turn(like) or _swapped_name(mine, theirs, like) or _swapped_word(like) or _turned_round(mine, theirs, like)


def _same_once_more(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether an outlet shows the same item on another day: equal first words, or nothing but an equal headline that
    is too particular for a column's."""
    if like.lead >= 0.75 and like.lead_shared >= 15:
        return True
    silent = not (mine.lead and theirs.lead)
    return silent and like.title >= 97 and min(telling_words(mine.words), telling_words(theirs.words)) >= 5


def _numbered(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether two headlines differ in numbers and in nothing else: CVE-2026-1001 and CVE-2026-1002."""
    differing = like.own | like.other
    return _conflict(mine.numbers, theirs.numbers) and all(any(map(str.isdigit, word)) for word in differing)


def _conflict(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(mine - theirs) and bool(theirs - mine)


def _turn(like: Likeness) -> str:
    """The same words but for one that says it is another event, or the opposite."""
    if again := (like.own | like.other) & AGAIN:
        return f"another event: only one headline says {sorted(again)[0]}"
    for word in like.own & OPPOSITES.keys():
        if opposite := like.other & OPPOSITES[word]:
            return f"the opposite: {word} / {sorted(opposite)[0]}"
    return _negated(like.own, like.other) or _negated(like.other, like.own)


def _negated(words: frozenset[str], others: frozenset[str]) -> str:
    """Whether one of the words is one of the others behind a prefix that makes it the opposite: unlawful, illegal."""
    for word in words:
        if word.startswith(NEGATING):
            plain = next((word[len(prefix) :] for prefix in NEGATING if word.removeprefix(prefix) in others), "")
            if plain:
                return f"the opposite: {word} / {plain}"
    return ""


def _swapped_name(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """The same skeleton with another name in one slot: results of two companies, strikes on two cities."""
    own, other = like.own, like.other
    if not own or not other or len(own) > 3 or len(other) > 3 or max(len(own), len(other)) > like.common:
        return ""
    for name in sorted(own & mine.names):
        for another in sorted(other & theirs.names):
            if _no_spelling_of((name,), (another,)):
                return f"another name in the same headline: {name} / {another}"
    return ""


def _swapped_word(like: Likeness) -> str:
    """The same skeleton with another word in one slot, where headlines are all there is: arrested, acquitted."""
    if like.by_text:
        return ""
    own, other = telling_of(like.own), telling_of(like.other)
    if not own or not other or len(own) > 2 or len(other) > 2 or like.common < 2:
        return ""
    if _no_spelling_of(own, other):
        return f"another word in the same headline: {' '.join(sorted(own))} / {' '.join(sorted(other))}"
    return ""


def _turned_round(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """Two words of a headline have changed places over another, where headlines are all there is: who strikes whom."""
    if like.by_text or like.own or like.other:
        return ""
    said, before = ([word for word in sketch.words if word not in COMMON] for sketch in (mine, theirs))
    moved = [place for place, (word, old) in enumerate(zip(said, before, strict=False)) if word != old]
    if len(said) != len(before) or len(moved) != 2 or moved[1] - moved[0] < 2:
        return ""
    return f"the other way round: {before[moved[0]]} / {before[moved[1]]}"


def _slot(entry: Entry | Candidate, candidate: Candidate, like: Likeness) -> str:
    """A template: the same text but for some words, and one of those is what the new headline has and the earlier one
    has not ("Cholera – Nigeria" and "Cholera – Sudan")."""
    own = like.own - COMMON
    if not isinstance(entry, Entry) or not own or like.lead_shared < 3:
        return ""
    theirs = candidate.sketch.lead
    words, hashes = lead_of(entry.summary, entry.body, entry.sketch.lead)
    other = [h not in theirs for h in hashes]
    for place, word in enumerate(words):
        named = word in own or _is_form_of_any(word, own)
        if named and _is_slot(other, place) and not _is_form_of_any(word, candidate.sketch.words):
            return f"the same text with other words: {word}"
    return ""


def _caption(entry: Entry | Candidate, like: Likeness) -> str:
    """One outlet's headlines over a line that says nothing of what they differ in: "Errors on the website" and "Errors
    on the phone line", both "We are investigating"."""
    shared = max(like.lead_shared, like.body_shared)
    if not (like.same_outlet and isinstance(entry, Entry) and like.lead >= 0.75 and shared <= CAPTION):
        return ""
    own, other = telling_of(like.own), telling_of(like.other)
    if not own or not other or not _no_spelling_of(own, other):
        return ""
    if (own | other) & frozenset(fold_words(f"{entry.summary}\n{entry.body}")):
        return ""
    return f"one line of text under other headlines: {' '.join(sorted(own)[:3])} / {' '.join(sorted(other)[:3])}"


def _is_form_of_any(word: str, others: Iterable[str]) -> bool:
    """Whether one of the others is the word with another ending. Numbers and very short words have none."""
    return word.isalpha() and len(word) >= SHORTEST_STEM and any(_is_form_of(word, other) for other in others)


def _is_form_of(word: str, other: str) -> bool:
    shorter, longer = sorted((word, other), key=len)
    if longer.startswith(shorter):
        return len(shorter) >= SHORTEST_STEM and len(longer) - len(shorter) <= SUFFIX
    return len(word) > SHORTEST_STEM and longer.startswith(shorter[: len(longer) - ENDING])


def _is_slot(other: list[bool], place: int) -> bool:
    """Whether the word at a place stands in a short run of words that only one of two texts has; `other` says of each
    three words whether only it has them. Before the run the text may begin, behind it there is more."""
    begin, end = max(place - 2, 0), place + 1
    if not all(other[begin:end]):
        return False
    while begin > 0 and other[begin - 1]:
        begin -= 1
    while end < len(other) and other[end]:
        end += 1
    return end < len(other) and end - begin <= SLOT_WORDS + 2 and (begin > 0 or place < SLOT_WORDS)


def in_series(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """What makes two headlines of one outlet members of a series, or "" where they are none."""
    if not like.same_outlet:
        return ""
    return swapped_slot(mine, theirs, like) or _pattern(like)


def swapped_slot(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """One outlet's series: its headlines differ in one slot, whatever stands in it."""
    own, other = like.own - COMMON, like.other - COMMON
    if not own or not other or len(own) > 2 or len(other) > 2 or like.common < 3 or like.body >= 0.8:
        return ""
    named = bool(own & mine.names) and bool(other & theirs.names)
    if like.lead >= 0.75 and like.lead_shared >= 8 and not named:
        return ""
    if _no_spelling_of(own, other):
        return f"the next of a series: {' '.join(sorted(own))} / {' '.join(sorted(other))} in the same headline"
    return ""


def _pattern(like: Likeness) -> str:
    """One outlet's headlines of a pattern: most words are the same, and each has telling ones of its own."""
    if like.by_text:
        return ""
    own, other = telling_of(like.own), telling_of(like.other)
    if not own or not other or like.common < 4:
        return ""
    if _no_spelling_of(own, other):
        return f"the same pattern with other words: {' '.join(sorted(own)[:3])} / {' '.join(sorted(other)[:3])}"
    return ""


def _no_spelling_of(words: Iterable[str], others: Collection[str]) -> bool:
    """Whether none of some words is another spelling of one of the others. Syllables of Hangul count as letters."""
    whole = [unicodedata.normalize("NFC", other) for other in others]
    return all(
        max(fuzz.ratio(unicodedata.normalize("NFC", word), other) for other in whole) < OTHER_WORD for word in words
    )


def _body_refusal(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if min(len(mine.body), len(theirs.body)) >= TRUSTED_HASHES and like.body < 0.15:
        return OTHER_BODY
    return ""


# ── yes ──────────────────────────────────────────────────────────────────────────────────────────


def _text_identifies(like: Likeness) -> bool:
    """Whether an equal text is enough: it is not boilerplate, and not one outlet's under another headline."""
    if not (like.lead_shared or like.body_shared):
        return False
    return not like.titled or like.title >= (75 if like.same_outlet else 40)


def _title_identifies(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether an equal headline is enough: "Press release" is not."""
    telling = telling_words(mine.words)
    if like.by_text:
        return True
    if mine.lead and theirs.lead:
        return telling >= 5 and like.apart <= TITLE_ALONE_GAP and not like.same_outlet
    return telling >= 3 and like.apart <= (TITLE_ALONE_GAP if telling < 5 else like.apart)


def _by_body(like: Likeness) -> str:
    if like.body_shared < 4:
        return ""
    if like.body >= 0.6:
        supported = like.title >= 50 or (like.lead >= 0.2 and like.lead_shared >= 4) or like.body_shared >= 45
        if not like.same_outlet or supported:
            return "the same body"
    if like.body >= 0.48 and like.title >= 55:
        return "most of the body and a like headline"
    return ""


def _by_lead(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if like.lead >= 0.62 and like.lead_shared >= 8:
        least = 50 if like.lead_shared < 14 else 45 if like.same_outlet else 38
        if like.title >= least and (not like.same_outlet or _reworked(mine, theirs, like)):
            return "the same first words"
    if like.lead >= 0.8 and like.lead_shared >= 12 and not like.titled:
        return "the same words, without a headline"
    if like.lead >= 0.85 and like.lead_shared >= 25 and not _embedded(mine, theirs):
        return "the same first words under another headline"
    if like.lead >= 0.33 and like.lead_shared >= (5 if like.title >= 80 else 8) and like.title >= 74:
        return "like first words under a like headline"
    return ""


def _reworked(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether one outlet's two headlines over the same first words may be one item's; clips of one broadcast share what
    introduces the guests, and not what they are about."""
    alike = like.title >= 60 or len(telling_of(mine.words) & telling_of(theirs.words)) >= 2
    return alike and like.apart <= timedelta(hours=24)


def _embedded(mine: Sketch, theirs: Sketch) -> bool:
    """Whether one summary is the smaller part of what the other says: an interview's description quotes the news that
    it is about, and goes on."""
    shorter, longer = sorted((len(mine.lead), len(theirs.lead)))
    return not (mine.body or theirs.body) and longer > EMBEDDED * shorter


def _by_title(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if like.apart > TITLE_ALONE_GAP or _bodies_differ(mine, theirs, like):
        return ""
    telling = min(telling_words(mine.words), telling_words(theirs.words))
    both_led = bool(mine.lead and theirs.lead)
    if telling < 2 or (both_led and like.lead_shared < 3 and telling < 5):
        return ""
    shorter, longer = sorted((len(mine.words), len(theirs.words)))
    needed = 95.0 if both_led else 93.0 if like.same_outlet else 86.0
    if like.same_outlet and like.apart <= SAME_PUBLISHER_GAP:
        needed = 86.0
    if shorter <= 4:
        needed = max(needed, 90.0)
    if shorter >= 3 and like.title >= needed:
        return "the same headline, hardly changed"
    leads_agree = not both_led or like.lead_shared >= 3
    if leads_agree and telling >= 4 and subset_ratio(mine, theirs) >= 98:
        if shorter >= 7 and shorter / longer >= 0.7:
            return "the same headline, shortened"
        if like.same_outlet and like.apart <= timedelta(hours=24) and shorter / longer >= 0.5:
            return "the same outlet's headline, shortened"
    return ""


def _bodies_differ(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    both = min(len(mine.body), len(theirs.body)) >= TRUSTED_HASHES
    return both and like.body < 0.35 and like.title < 85


def _same_event(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether two texts that are no copies seem to tell of one event."""
    by_words = like.lead_shared >= 4 and like.lead >= 0.15
    return (like.title >= 60 or by_words) and len(telling_of(mine.words) & telling_of(theirs.words)) >= 3
