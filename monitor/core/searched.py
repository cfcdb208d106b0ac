"""Which parts of a text are the story's own, and so are searched.

Addresses, closing lines (who reported, whose rights, what appeared first where, where to read on) and lists of other
stories are not. What is hidden is made spaces, letter for letter, so that every offset stays. Only what is surely not
the story is hidden: a miss costs more than a false alert. Knows pages as core/page_words.py describes them.
"""

from __future__ import annotations

import re

from monitor.core.late import LatePattern
from monitor.core.page_words import is_end, is_related_heading

CLOSING = 3  # paragraphs at the end in which closing lines are looked for
LONGEST_LISTED = 160  # characters of another story's headline; a longer paragraph is text
_LONGEST_HEADING = 60  # characters of "Related stories"
_LONGEST_CLOSING = 800  # characters at a paragraph's end in which it may begin

# Web and mail addresses: the printable characters of ASCII that follow, since Chinese goes on without a space.
_ADDRESS = LatePattern(
    r"(?:https?://|www\.)[!-~]+"
    r"|\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-z]{2,13}\b"
    r"|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,13}/[!-~]*",
    re.IGNORECASE,
)
# WordPress closes feeds so, in its own translations.
_FIRST_APPEARED = LatePattern(
    r"(?:(?:the post|der beitrag|l.article|la entrada|el artículo|o post|il post|l.articolo|het bericht|запись"
    r"|сообщение)\b.{1,400}?(?:appeared first|first appeared|erschien zuerst|est apparu en premier"
    r"|(?:se publicó|apareció) primero|apareceu primeiro|proviene da|verscheen eerst|впервые появил\w+)"
    r"|this (?:article|post|story) (?:was |is |has )*(?:first |originally )+(?:appeared|published))\b.{0,160}$",
    re.IGNORECASE,
)
_REPORTED_BY = LatePattern(
    r"\((?:additional |further )?(?:reporting|writing|editing|compiled|translated|translation|written|edited|graphics?)"
    r"(?: and (?:writing|editing|reporting))? by\b[^()\n]{1,400}\)?\s*\.?$"
    r"|^(?:additional |further )?(?:reporting|writing|editing)(?: and (?:writing|editing|reporting))? by\b.{1,400}$",
    re.IGNORECASE,
)
_RIGHTS = LatePattern(
    r"(?:©|\(c\)\s|\bcopyright\s*(?:©|\(c\)|\d{4}|by\b)).{0,200}$|[^.!?\n]{0,100}\ball rights reserved\b.{0,100}$",
    re.IGNORECASE,
)
_CALL = LatePattern(
    r"(?:^|(?<=[.!?…\]”\"’»])\s*)\W*(?:continue reading|read (?:more|on|the (?:full|whole|rest of the)"
    r" (?:article|story|post|text))|(?:view|see) (?:the )?(?:full|original) (?:article|story|post)|click here to)\b"
    r"[^.!?\n]{0,80}\W*$",
    re.IGNORECASE,
)
_CLOSERS = (_FIRST_APPEARED, _REPORTED_BY, _RIGHTS, _CALL)
# A paragraph that points to another story, or tells of a picture.
_POINTER = LatePattern(
    r"\W*(?:(?:also read|read also|read more|read next|see also|must read|more on this|don'?t miss"
    r"|related(?: stor(?:y|ies)| articles?| news)?|recommended|(?:à )?lire aussi|lesen sie auch|le[ae] también"
    r"|leia também|leggi anche|lees ook|читайте также)\s*[:|»>–-]"
    r"|(?:file )?(?:photos?|images?|pictures?|foto|bild|crédit)(?: (?:credit|source|by|courtesy)){0,2}\s*[:|])",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…。！？]\W*$")


def searched(text: str, *, headline: bool = False) -> str:
    """The text with everything hidden that is not the story's own; the same object where nothing is. Headlines have
    addresses only."""
    hidden = _addresses(text) if headline else [*_addresses(text), *_lines(text)]
    for begin, end in hidden:
        blank = "".join("\n" if char == "\n" else " " for char in text[begin:end])
        text = text[:begin] + blank + text[end:]
    return text


def _addresses(text: str) -> list[tuple[int, int]]:
    if "/" not in text and "@" not in text and "www." not in text:
        return []
    return [match.span() for match in _ADDRESS.finditer(text)]


def _lines(text: str) -> list[tuple[int, int]]:
    """Where paragraphs, or the ends of some, are hidden."""
    hidden: list[tuple[int, int]] = []
    paragraphs = text.split("\n")
    at, listing, last = 0, False, len(paragraphs) - CLOSING
    for number, paragraph in enumerate(paragraphs):
        short = number > 0 and len(paragraph) <= LONGEST_LISTED
        opening = number == 0 and len(paragraphs) > 1 and len(paragraph) <= LONGEST_LISTED
        pointer = _POINTER.match(paragraph) if short or opening else None
        heading = short and len(paragraph) <= _LONGEST_HEADING and is_related_heading(paragraph)
        heading = heading or (pointer is not None and pointer.end() == len(paragraph))  # "Also read:", and then a list
        listing = heading or (listing and short and not _SENTENCE_END.search(paragraph))
        if listing or pointer or (short and number >= last and is_end(paragraph)):
            hidden.append((at, at + len(paragraph)))
        elif number >= last:
            hidden += [(at + begin, at + end) for begin, end in _closing(paragraph, whole=number > 0)]
        at += len(paragraph) + 1
    return hidden


def _closing(paragraph: str, *, whole: bool) -> list[tuple[int, int]]:
    """What closes a paragraph, from its end on; `whole` where it may be all of it."""
    offset = max(0, len(paragraph) - _LONGEST_CLOSING)
    tail = paragraph[offset:].rstrip()
    if not _may_close(tail.lower()):
        return []
    end = len(tail)
    while end and (match := next(filter(None, (pattern.search(tail[:end]) for pattern in _CLOSERS)), None)):
        end = len(tail[: match.start()].rstrip())
    return [(offset + end, len(paragraph))] if end < len(tail) and (whole or offset + end > 0) else []


def _may_close(folded: str) -> bool:
    """Whether any of the words stands there that the patterns need; asked of every text, so spelt out for speed."""
    return (
        "appeared" in folded or "published" in folded or "reserved" in folded or "©" in folded or "(c)" in folded
        or "copyright" in folded or "continue reading" in folded or "read " in folded or "view " in folded
        or "see " in folded or "click here" in folded or "ing by" in folded or "ed by" in folded
        or "written by" in folded or "translation by" in folded or "graphic" in folded or "erschien" in folded
        or "apparu" in folded or "primero" in folded or "primeiro" in folded or "proviene" in folded
        or "verscheen" in folded or "впервые" in folded
    )  # fmt: skip
