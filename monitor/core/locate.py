"""Story text + what is looked for → every place where it stands.

Finds; decides nothing. It knows *evidence* (the variants of one term or veto) by number and gives back places by
that number, so that whatever weighs them (scores today) works on the same located mentions. All literal pieces of
all evidence are one Aho-Corasick automaton: the cost of a story depends on what it holds, not on how much is watched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind
from rapidfuzz import fuzz

from monitor.core.searched import searched
from monitor.core.spelling import Names, Wanted
from monitor.core.variants import Variant, read_variant, text_forms
from monitor.core.words import (
    Words,
    begins_like_a_name,
    fold_keeping_case,
    forms_keeping_case,
    is_unspaced,
    letters_in_a_row,
    read_words,
    with_umlauts_written_out,
    without_proclitics,
)
from monitor.model import StoryText

FIELDS = ("title", "lead", "body")

Place = tuple[int, int, int, int]  # first word, word after the last, 1 for a near spelling, number of variant


# ── a story, read ────────────────────────────────────────────────────────────────────────────────


class StoryWords:
    """A story's fields as one row of words, numbered through; no phrase or nearness reaches across fields."""

    __slots__ = ("_fields", "bases", "folded", "paragraphs", "sentences", "texts")

    def __init__(self, story: StoryText):
        (lead, seen_lead), (body, seen_body) = _lead_and_body(story)
        self._fields = (
            read_words(story.title, searched(story.title, headline=True)),
            read_words(lead, seen_lead),
            read_words(body, seen_body),
        )
        self.texts = tuple(words.text for words in self._fields)
        title, lead, body = self._fields
        self.bases = (0, len(title.folded), len(title.folded) + len(lead.folded))
        self.folded = title.folded + lead.folded + body.folded
        self.sentences = self._numbered("sentences")
        self.paragraphs = self._numbered("paragraphs")

    def _numbered(self, what: str) -> list[int]:
        return [
            base + first
            for base, words in zip(self.bases, self._fields, strict=True)
            if words.folded
            for first in getattr(words, what)
        ]

    def __len__(self) -> int:
        return len(self.folded)

    def field_of(self, index: int) -> int:
        """0, 1 or 2: the field that a word stands in."""
        return 2 if index >= self.bases[2] else 1 if index >= self.bases[1] else 0

    def sentence_of(self, index: int) -> int:
        """The number of the sentence that a word stands in."""
        return bisect_right(self.sentences, index)

    def surface(self, index: int) -> str:
        """A word as written; the dots of "U.S." are gone."""
        field = self.field_of(index)
        return self._fields[field].surface(index - self.bases[field])

    def span(self, first: int, after: int) -> tuple[int, int]:
        """Offsets into the field's text of the words from `first` up to `after`."""
        field = self.field_of(first)
        words, base = self._fields[field], self.bases[field]
        return words.starts[first - base], words.ends[after - 1 - base]

    def gap_before(self, index: int) -> str:
        """What stands between a word and the one before it in the same field."""
        field = self.field_of(index)
        words, number = self._fields[field], index - self.bases[field]
        return words.text[words.ends[number - 1] : words.starts[number]]

    def quote(self, first: int, after: int, around: int) -> str:
        """The words and up to `around` words on either side, as written, without leaving the paragraph.

        In scripts without spaces, where a word is one character, three of them stand for a word.
        """
        low, high = self.bounds(first, sentence=False)
        field = self.field_of(first)
        if not self._fields[field].mixed:
            begin, end = max(low, first - around), min(high, after + around)
        else:
            begin, end = _step(self.folded, first, low, -1, around), _step(self.folded, after, high, 1, around)
        start, stop = self.span(begin, end)
        return self.texts[field][start:stop]

    def likely_names(self) -> list[int]:
        """The words that begin with a capital, or with a letter of a script that has none."""
        return [
            base + index for base, words in zip(self.bases, self._fields, strict=True) for index in _likely_names(words)
        ]

    def bounds(self, index: int, *, sentence: bool) -> tuple[int, int]:
        """The first word of the sentence (or else paragraph) that a word stands in, and the word after its last."""
        firsts = self.sentences if sentence else self.paragraphs
        following = bisect_right(firsts, index)
        return firsts[following - 1], firsts[following] if following < len(firsts) else len(self.folded)

    def has_umlauts(self) -> bool:
        """Whether any word may have a second form with ae, oe or ue."""
        return any(not text.isascii() for text in self.texts) and any(
            char in text for text in self.texts for char in "äöüÄÖÜ\u0308"
        )

    def written_out(self) -> list[str]:
        """All words, those with ä ö ü in their second form."""
        second = list(self.folded)
        for base, words in zip(self.bases, self._fields, strict=True):
            for index in range(len(words.folded)):
                form = with_umlauts_written_out(words.surface(index))
                if form is not None:
                    second[base + index] = form
        return second

    def repeated_lead(self) -> tuple[int, int] | None:
        """Where the body repeats the lead: the first of its words there and how many; None where it does not."""
        lead, body = self._fields[1].folded, self._fields[2].folded
        if not lead or len(body) < len(lead):
            return None
        inside = f" {' '.join(body)} "
        whole = f" {' '.join(lead)}"
        at = inside.find(whole + " ")
        if at < 0 and len(lead) > _SHORTEST_CUT_LEAD:
            at = inside.find(whole)  # cut within its last word
        return None if at < 0 else (self.bases[2] + inside.count(" ", 0, at), len(lead))


def _likely_names(words: Words) -> list[int]:
    text = words.text
    if text.isascii():
        return [index for index, start in enumerate(words.starts) if text[start].isupper()]
    pairs = zip(words.starts, words.ends, strict=True)
    return [index for index, (start, end) in enumerate(pairs) if begins_like_a_name(text[start:end])]


_SHORTEST_CUT_LEAD = 4  # words; a shorter lead must stand in the body whole


def _step(words: list[str], index: int, limit: int, direction: int, around: int) -> int:
    """`index` moved up to `around` words towards `limit`; a word of one character weighs a third."""
    budget = 3 * around
    while index != limit and budget > 0:
        word = words[index if direction > 0 else index - 1]
        budget -= 1 if len(word) == 1 and is_unspaced(word) else 3
        index += direction
    return index


def field_texts(story: StoryText) -> tuple[str, str, str]:
    """Title, lead and body as they are searched, and as offsets into them are meant."""
    (lead, _), (body, _) = _lead_and_body(story)
    return story.title, lead, body


def _lead_and_body(story: StoryText) -> tuple[tuple[str, str], tuple[str, str]]:
    """Lead and body, each as written and as it is searched. Where a story has no lead, it is the first paragraph of
    its body of which anything is searched."""
    seen = searched(story.body)
    if story.lead.strip():
        return (story.lead, searched(story.lead)), (story.body, seen)
    begin = seen.rfind("\n", 0, len(seen) - len(seen.lstrip())) + 1
    end = seen.find("\n", begin)
    end = len(seen) if end < 0 else end
    lead, body = slice(begin, end), slice(end + 1, None)
    return (story.body[lead], seen[lead]), (story.body[body], seen[body])


# ── what is looked for ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The variants of one term or one veto. `fuzzy` (0–100) also reaches near spellings of its longer names."""

    variants: tuple[Variant, ...]
    exact_case: bool = False
    fuzzy: float | None = None


def evidence(any_of: tuple[str, ...], *, exact_case: bool = False, fuzzy: float | None = None) -> Evidence:
    """Evidence for variants as written. Raises ValueError where one of them is not a variant."""
    return Evidence(variants=tuple(map(read_variant, any_of)), exact_case=exact_case, fuzzy=fuzzy)


class Locator:
    """Everything that is looked for, ready to be found in one pass. Built once, used for every story."""

    def __init__(self, all_evidence: tuple[Evidence, ...]):
        self._uses: dict[str, list[_Use]] = {}
        for number, one in enumerate(all_evidence):
            for index, variant in enumerate(one.variants):
                exact = variant.exact or one.exact_case
                for literal in variant.literals():
                    check = None if literal.whole and not exact and not variant.exclaims else variant
                    use = (number, index, literal.back, len(variant.words), check, exact)
                    self._uses.setdefault(literal.text, []).append(use)
        self._by_pattern = list(self._uses.values())
        self._automaton = AhoCorasick(list(self._uses), matchkind=MatchKind.Standard, store_patterns=False)
        longest = {max(literal.split(), key=len) for literal in self._uses}
        self._fragments = AhoCorasick(list(longest), matchkind=MatchKind.Standard, store_patterns=False)
        self._near_spellings = _NearSpellings(all_evidence)

    def may_find(self, story: StoryText) -> bool:
        """Whether reading the story may find anything; of most stories a look at the letters tells that it will not."""
        if self._near_spellings:
            return True
        row = letters_in_a_row(f"{story.title}\n{story.lead}\n{story.body}")
        return row is None or bool(self._fragments.find_matches_as_indexes(row))

    def find(self, story: StoryWords) -> dict[int, list[Place]]:
        """All places, by number of the evidence; a place may stand there twice. Evidence not found is left out."""
        found: dict[int, list[Place]] = {}
        self._search(story, story.folded, found)
        if story.has_umlauts():
            self._search(story, story.written_out(), found)
        self._near_spellings.search(story, found)
        return found

    def _search(self, story: StoryWords, words: list[str], found: dict[int, list[Place]]) -> None:
        row = f" {' '.join(words)} "
        at = counted = 0  # spaces before `counted` are the number of the word that begins there
        for pattern, start, _ in self._automaton.find_matches_as_indexes(row, overlapping=True):
            if start >= counted:
                at, counted = at + row.count(" ", counted, start + 1), start + 1
            else:
                at, counted = row.count(" ", 0, start + 1), start + 1
            for number, index, back, length, check, exact in self._by_pattern[pattern]:
                first = at - 1 - back
                if _stands_at(story, first, length, check, exact):
                    place = (first, first + length, 0, index)
                    if number in found:
                        found[number].append(place)
                    else:
                        found[number] = [place]


_Use = tuple[int, int, int, int, Variant | None, bool]  # evidence, variant, words back, words, what to check, exact


def _stands_at(story: StoryWords, first: int, length: int, check: Variant | None, exact: bool) -> bool:
    """Whether a variant of so many words stands there, within one sentence; `check` where letters are not enough."""
    after = first + length
    if length > 1 and (
        first < 0
        or after > len(story)
        or (story.sentence_of(first) != story.sentence_of(after - 1) and not _exclaims(story, first, after, check))
    ):
        return False
    return check is None or _matches_at(story, first, check, exact)


def _exclaims(story: StoryWords, first: int, after: int, variant: Variant | None) -> bool:
    """Whether nothing but the "!" of a variant such as "Yahoo! Japan" ends a sentence there."""
    if variant is None or not variant.exclaims or story.bounds(first, sentence=False)[1] < after:
        return False
    begun = story.sentences[bisect_right(story.sentences, first) : bisect_left(story.sentences, after)]
    return all(story.gap_before(index).startswith("!") for index in begun)


def _matches_at(story: StoryWords, first: int, variant: Variant, exact: bool) -> bool:
    for index, pattern in enumerate(variant.words, first):
        surface = story.surface(index)
        bare = without_proclitics(story.folded[index], surface) if pattern.proclitics else ()
        if not pattern.matches((*text_forms(story.folded[index], surface), *bare)):
            return False
        if exact and not pattern.matches_case((*forms_keeping_case(surface), *bare)):
            return False
    return True


# ── near spellings ───────────────────────────────────────────────────────────────────────────────


class _NearSpellings:
    """Names that are also found in near spellings: in windows of as many words, the first of which begins with a
    capital where the script has them."""

    def __init__(self, all_evidence: tuple[Evidence, ...]):
        self._names: dict[int, Names] = {}
        for number, one in enumerate(all_evidence):
            if one.fuzzy is not None:
                for index, variant in enumerate(one.variants):
                    self._add(variant, (number, index), one)

    def _add(self, variant: Variant, key: tuple[int, int], one: Evidence) -> None:
        cased = " ".join(word.cased[0] for word in variant.words) if one.exact_case else None
        for form in variant.fuzzy_forms():
            names = self._names.setdefault(len(variant.words), Names())
            names.add(form, Wanted(key=(*key, cased, one.fuzzy), least=one.fuzzy))

    def __bool__(self) -> bool:
        return bool(self._names)

    def search(self, story: StoryWords, found: dict[int, list[Place]]) -> None:
        """Adds the places of near spellings to `found`."""
        if not self._names:
            return
        rows = [story.folded, story.written_out()] if story.has_umlauts() else [story.folded]
        for first in story.likely_names():
            end = story.bounds(first, sentence=True)[1]
            for count, names in self._names.items():
                after = first + count
                if after <= end:
                    for row in rows:
                        for number, index, cased, least in names.alike(" ".join(row[first:after])):
                            if cased is None or _ratio_with_case(story, first, after, cased) >= least:
                                found.setdefault(number, []).append((first, after, 1, index))


def _ratio_with_case(story: StoryWords, first: int, after: int, cased: str) -> float:
    return fuzz.ratio(" ".join(fold_keeping_case(story.surface(i)) for i in range(first, after)), cased)


def merged(places: list[tuple[int, int]]) -> int:
    """How many mentions places make (first word, word after the last): those that overlap are one."""
    mentions, reach = 0, -1
    for first, after in sorted(places):
        if first >= reach:
            mentions += 1
        reach = max(reach, after)
    return mentions
