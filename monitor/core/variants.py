"""A variant, as an operator writes it → what it matches, word by word.

Says what `*`, `?`, capitals and Hangul mean in a variant, and which literal piece of it an automaton may look for.
Does not search a text (`locate` does) and knows nothing of terms, weights or watchlists.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import product

from monitor.core.words import (
    ARABIC_ARTICLE,
    fold,
    fold_keeping_case,
    forms_keeping_case,
    is_hangul,
    is_unspaced,
    letter_by_letter,
    split_variant,
    takes_proclitics,
    with_umlauts_written_out,
)
from monitor.model import record

STEM_LETTERS = 3  # letters that must stand before `*` …
HANGUL_STEM_LETTERS = 2  # … and in Hangul, whose letters are syllables (watchlist language, fine print)
FUZZY_LETTERS = 6  # names shorter than this are not reached by near spellings (watchlist language)
SHORT_CAPITALS = range(2, 6)  # an all-capitals variant of so many letters matches only in capitals
MINUS = re.compile(r"\s*[-−–]\s*[^\W\d_]")  # in other programs' queries: without this word
_MAX_LITERALS = 16  # spellings with and without ae oe ue that are looked for; beyond, all or none


@record
class WordPattern:
    """What one word of a variant matches. `forms` are folded; `?` stands in them for one letter."""

    forms: tuple[str, ...]
    cased: tuple[str, ...]  # the same, case kept
    stem: bool = False
    proclitics: bool = False  # also with the "and", "in" or "the" that Arabic and Hebrew write together with it
    wild: re.Pattern[str] | None = None
    wild_cased: re.Pattern[str] | None = None

    def matches(self, forms: tuple[str, ...]) -> bool:
        """Whether one of a text word's folded forms is meant."""
        return _matches(forms, self.forms, self.wild, self.stem)

    def matches_case(self, forms: tuple[str, ...]) -> bool:
        """Whether one of a text word's forms with case is meant."""
        return _matches(forms, self.cased, self.wild_cased, self.stem)


def _matches(forms: tuple[str, ...], wanted: tuple[str, ...], wild: re.Pattern[str] | None, stem: bool) -> bool:
    if wild is not None:
        return any(map(wild.match if stem else wild.fullmatch, forms))
    if stem:
        return any(form.startswith(wanted) for form in forms)
    return any(form in wanted for form in forms)


@record
class Literal:
    """A piece of a variant without what may differ, as it stands in a text of folded words with a space around each.

    Found, it says that the variant may begin `back` words before; `whole` that nothing else needs checking.
    """

    text: str
    back: int
    whole: bool


@record
class Variant:
    """A phrase of whole words, ready to be looked for."""

    written: str
    words: tuple[WordPattern, ...]
    exact: bool  # an all-capitals variant of 2–5 letters, which matches only in capitals
    letters: int
    exclaims: bool = False  # holds a "!" that does not end a sentence: "Yahoo! Japan"

    @property
    def has_wildcards(self) -> bool:
        """Whether it holds a `?`."""
        return any(word.wild is not None for word in self.words)

    def literals(self) -> tuple[Literal, ...]:
        """The pieces by which it is found, one for each way to spell ä ö ü."""
        choices = list(product(*(word.forms for word in self.words)))
        if len(choices) > _MAX_LITERALS:
            choices = [tuple(w.forms[0] for w in self.words), tuple(w.forms[-1] for w in self.words)]
        return tuple(dict.fromkeys(self._longest_literal(choice) for choice in choices))

    def _longest_literal(self, forms: tuple[str, ...]) -> Literal:
        """The longest run without a gap; a gap is a `?`, what follows a stem, or what may be written before a word."""
        pieces: list[list[str | int]] = [["", 0]]
        for index, (word, form) in enumerate(zip(self.words, forms, strict=True)):
            if word.proclitics:
                form = form.removeprefix(ARABIC_ARTICLE)
            for number, part in enumerate(form.split("?")):
                if number:
                    pieces.append(["", index])
                begins = not number and not word.proclitics and pieces[-1][0][-1:] != " "
                pieces[-1][0] += f" {part}" if begins else part
            if word.stem or not pieces[-1][0]:  # a gap up to the next word
                pieces.append(["", index + 1])
            else:
                pieces[-1][0] += " "
        filled = [(text, back) for text, back in pieces if text.strip()]
        text, back = max(filled, key=lambda piece: len(piece[0].strip()))
        whole = len(filled) == 1 and not self.has_wildcards and not self.words[0].proclitics
        return Literal(text=text, back=back, whole=whole)

    def fuzzy_forms(self) -> tuple[str, ...]:
        """Its folded spellings to compare near spellings with; none for short names and variants with `?`."""
        if self.letters < FUZZY_LETTERS or self.has_wildcards:
            return ()
        plain = " ".join(word.forms[0] for word in self.words)
        return tuple(dict.fromkeys((plain, " ".join(word.forms[-1] for word in self.words))))


@lru_cache(maxsize=1 << 14)
def read_variant(written: str) -> Variant:
    """What a variant matches.

    Raises ValueError, in words an operator understands, where a wildcard stands in a place it may not or where the
    variant holds no letter.
    """
    if MINUS.match(written):
        raise ValueError(
            f"{written!r} begins with a minus sign, which excludes nothing here; expected NOT, or a [[veto]]"
        )
    split = split_variant(written)
    words: list[WordPattern] = []
    for index, (text, joined) in enumerate(split):
        if text == "*" and joined and words and is_unspaced(split[index - 1][0]):
            _check_stem(written, _unspaced_run(split[:index]), STEM_LETTERS)  # a substring anyway: nothing to add
        else:
            words.append(_read_word(written, text))
    if words and takes_proclitics(words[0].forms[0], alone=len(words) == 1) and words[0].wild is None:
        words[0] = replace(words[0], proclitics=True)
    letters = "".join(re.sub(r"[?*]", "", text) for text, _ in split)
    if not any(map(fold, letters)):
        raise ValueError(f"{written!r} holds no letter or digit; expected at least one word")
    return Variant(
        written=written,
        words=tuple(words),
        exact=_is_short_capitals(letters),
        letters=sum(map(str.isalpha, letters)),
        exclaims="!" in written.rstrip("!"),
    )


def _unspaced_run(split: list[tuple[str, bool]]) -> str:
    """The characters that stand side by side at the end, in scripts without spaces."""
    run = ""
    for text, joined in reversed(split):
        if not is_unspaced(text):
            break
        run = text + run
        if not joined:
            break
    return run


def _check_stem(written: str, before: str, least: int) -> None:
    count = len(letter_by_letter(before))  # Indic vowel signs are letters
    if count < least:
        raise ValueError(f"{written!r} has {_counted(count)} before '*'; expected at least {least}")


def _counted(count: int) -> str:
    return {0: "no letter", 1: "1 letter"}.get(count, f"only {count} letters")


def _read_word(written: str, text: str) -> WordPattern:
    body, star = text.rstrip("*"), text.endswith("*")
    if "*" in body:
        place = "before" if body.startswith("*") else "inside"
        raise ValueError(f"{written!r} has '*' {place} a word; expected it only at a word's end")
    hangul = is_hangul(body)
    if star:
        if text.endswith("**"):
            raise ValueError(f"{written!r} has '*' twice; expected it once, at a word's end")
        _check_stem(written, body.replace("?", ""), HANGUL_STEM_LETTERS if hangul else STEM_LETTERS)
    forms, cased = _fold_pieces(body)
    wild = "?" in body
    return WordPattern(
        forms=forms,
        cased=cased,
        stem=star or hangul,
        wild=_wild_regex(forms) if wild else None,
        wild_cased=_wild_regex(cased) if wild else None,
    )


def _fold_pieces(body: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folded forms of a word, the `?` in it kept."""
    pieces = body.split("?")
    forms = [[one for one in (fold(p), with_umlauts_written_out(p)) if one is not None] for p in pieces]
    cased = [forms_keeping_case(p) for p in pieces]
    return _combined(forms), _combined(cased)


def _combined(forms: list) -> tuple[str, ...]:
    return tuple(dict.fromkeys("?".join(choice) for choice in product(*forms)))[:_MAX_LITERALS]


def _wild_regex(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(".".join(map(re.escape, form.split("?"))) for form in forms), re.DOTALL)


def _is_short_capitals(letters: str) -> bool:
    """Whether a variant is 2–5 letters, all of them capitals: NATO, США, U.S., but not MH17."""
    letters = fold_keeping_case(letters)
    return len(letters) in SHORT_CAPITALS and all(char.isupper() for char in letters)


def text_forms(folded: str, surface: str) -> tuple[str, ...]:
    """All folded forms of a word of a text, for a word pattern to match."""
    if surface.isascii():
        return (folded,)
    written_out = with_umlauts_written_out(surface)
    by_letter = letter_by_letter(surface)
    return (folded, *(form for form in (written_out, by_letter) if form is not None and form != folded))
