"""The text of a web page, as copied from a browser → the article in it.

Reads paragraphs in order and knows how pages are built: site furniture, headline, byline and date, the article, then
biographies, related posts, comments, forms. Needs no markup and knows no site. Where it cannot tell, it cuts: a body
that ends early still says what the story is, one with other articles in it says something else.
"""

from __future__ import annotations

import re
from datetime import datetime

from monitor.core.feed_dates import LONGEST, find_date, parse_date
from monitor.core.page_words import is_end, is_furniture, is_related_heading
from monitor.core.plain import plain_text
from monitor.model import ParsedEntry

NOTE = 12  # paragraphs; with all that surrounds an article, pages have more
TITLE_WITHIN = 20  # paragraphs in which a headline must come
HEADER_WITHIN = 8  # paragraphs of bylines, dates and captions between headline and article
LONGEST_TITLE = 250  # characters
FEWEST_TITLE_WORDS = 4  # "World", "Sign in" and the names of sites are shorter than headlines
FEWEST_TITLE_LETTERS = 8  # … in scripts that do not part words
MOST_BETWEEN = 2  # standfirsts and captions above a byline
LONGEST_STANDFIRST = 18  # words in a single sentence; more are the article's own
LONGEST_BYLINE = 20  # words
LEAST_BODY = 40  # words before a notice of rights or a heading such as "Related" is believed to end the article
MOST_EXCERPTS = 3  # paragraphs of prose below such a heading: so many are the article itself
WRAPPED = range(55, 100)  # characters: where e-mail and terminals break their longest line
FULL_LINE = 0.75  # of the longest line; a shorter one was not broken for want of room

_BY = re.compile(
    r"(?:^|\s)(?:(?:written|reported|posted) by|by|von|par|por|di|door|автор:)\s+(?=[^\W\d_])", re.IGNORECASE
)
_STAMP = re.compile(
    r"\b(?:(?:first )?published|posted|(?:last )?(?:updated|modified)|created|issued|date|veröffentlicht|stand|publié"
    r"|mis à jour|publicado|actualizado|pubblicato|aggiornato|опубликовано|обновлено)\b"
    r"(?: (?:on|at|le|el|am|il))?\s*:?",
    re.IGNORECASE,
)
_UPDATED = re.compile(r"updated|modified|stand|mis à jour|actualizado|aggiornato|обновлено", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?:\bat\s+)?\b\d{1,2}[:.]\d{2}(?::\d{2})?\s*(?:[ap]\.?m\b\.?)?\s*(?:[A-Z]{2,4}\b|[+-]\d\d:?\d\d)?"
    r"|\b\d+ min(?:ute)?s?(?: read)?\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\b[.,]?", re.IGNORECASE)
_EDGES = " \t,;:|·•–—-/()[]@"
_NAME = re.compile(
    r"[^\W\d_a-zа-я][\w.'’-]*(?:\s+(?:(?:de|van|von|der|den|la|bin|al|el|and|und|et|y|&)\s+)*[^\W\d_a-zа-я][\w.'’-]*){1,6}"
)
_CRAFT = re.compile(
    r"\b(?:journalist|reporter|writer|editor|correspondent|columnist|contributor|author|blogger|freelance\w*|anchor)\b",
    re.IGNORECASE,
)
_CAREER = re.compile(
    r"\b(?:years of experience|has (?:written|worked|reported) (?:for|at)|award-winning|covering|covers|can be reached"
    r"|follow (?:him|her|them)|graduated|trusted source|passion(?:ate)?|previously (?:worked|wrote)|joined)\b",
    re.IGNORECASE,
)
# "Jane Doe is …", "The author has …"
_PORTRAIT = re.compile(
    rf"(?:[Tt]he (?:author|writer)|{_NAME.pattern}|He|She)\s+(?:is|was|has|covers|writes|reports|joined)\b"
)
_BROKEN_OFF = re.compile(r"(?:…|\.\.\.|\[[^\]]*\]|\b(?:read|continue) \w+)\W*$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…。！？]\W*$")


def read_dump(text: str, *, url: str | None = None, title: str = "") -> ParsedEntry:
    """The article in the text of a page: title, time, author, and as body its paragraphs alone, joined by "\\n".

    `title` is the headline where it is known already. What cannot be found is empty. A text that is just a title and
    paragraphs, or paragraphs only, is read as such.
    """
    blocks = paragraphs(text)
    start = _index_of(title, blocks) if title else _title_of_a_note(blocks) if _is_a_note(blocks) else _title_at(blocks)
    above, rest = ([], blocks) if start is None else (blocks[:start], blocks[start + 1 :])
    title = title or ("" if start is None else blocks[start].lstrip("# "))
    header = _header_of(rest)
    author = _author(header)
    return ParsedEntry(
        link=url,
        title=title,
        body="\n".join(article_only(rest[len(header) :], title=title, author=author)),
        author=author,
        published_at=_published(header) or _published(_stamped(blocks)) or _published(_undecorated(above)),
        title_is_text=True,
        summary_is_text=True,
        body_is_text=True,
    )


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a plain text, cleaned, hard-wrapped lines joined: parted by blank lines, or where there are
    none by line ends."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    longest = _wrapped_at([line for line in lines if line.strip()])
    parts = _unwrapped(lines, longest) if longest else lines
    cleaned = (plain_text(part, is_text=True).replace("\n", " ") for part in parts)
    return [part for part in cleaned if part]


def article_only(blocks: list[str], *, title: str = "", author: str = "") -> list[str]:
    """The paragraphs of an article without what stands between and after them."""
    body: list[str] = []
    words = 0
    in_list = False  # of other articles' headlines, under a heading in the midst of the article
    for number, block in enumerate(blocks, 1):
        end, related = is_end(block), is_related_heading(block)
        if _signed(block, author, words) or (end and words >= LEAST_BODY):
            break
        if (end or (related and words >= LEAST_BODY)) and not _goes_on(blocks[number:], begun=words > 0):
            break
        in_list = related or (in_list and not _SENTENCE_END.search(block))
        if end or in_list or is_furniture(block) or _same(block, title):
            continue
        body.append(block)
        words += len(block.split())
    while len(body) > 1 and _is_biography(body[-1], author):
        body.pop()
    return body


# ── paragraphs ───────────────────────────────────────────────────────────────────────────────────


def _wrapped_at(lines: list[str]) -> int:
    """The length at which a text was broken into lines, or 0 where it was not: there many come near the longest, and
    most of those end mid-sentence."""
    longest = max(map(len, lines), default=0)
    if longest not in WRAPPED:
        return 0
    full = [line for line in lines if len(line) > longest * FULL_LINE]
    unended = sum(1 for line in full if not _SENTENCE_END.search(line))
    return longest if len(full) >= 3 and len(full) >= len(lines) * 0.4 and unended >= len(full) * 0.6 else 0


def _unwrapped(lines: list[str], longest: int) -> list[str]:
    """Paragraphs from wrapped lines: a blank line parts them, and so does a short line that ends a sentence or, as a
    headline, begins the text."""
    parts: list[list[str]] = [[]]
    for number, line in enumerate(lines):
        if line.strip():
            parts[-1].append(line)
        short = len(line) < longest * FULL_LINE
        if not line.strip() or (short and (number == 0 or _SENTENCE_END.search(line))):
            parts.append([])
    return [" ".join(part) for part in parts if part]


# ── headline and header ──────────────────────────────────────────────────────────────────────────


def _index_of(title: str, blocks: list[str]) -> int | None:
    return next((number for number, block in enumerate(blocks[:TITLE_WITHIN]) if _same(block, title)), None)


def _is_a_note(blocks: list[str]) -> bool:
    """Whether a text is no page with things around the article, but a few lines that somebody wrote or chose."""
    return len(blocks) <= NOTE and not any(is_end(b) or is_furniture(b) or is_related_heading(b) for b in blocks)


def _title_of_a_note(blocks: list[str]) -> int | None:
    """The first line, however short, unless it is text already or a date or byline stands above the headline."""
    if not blocks or _is_prose(blocks[0]):
        return None
    stamped = find_date(blocks[0]) is not None or _BY.match(blocks[0]) is not None
    return _title_at(blocks) if stamped and _is_header(blocks[0]) else 0


def _title_at(blocks: list[str]) -> int | None:
    """Where the headline stands: the first paragraph that can be one, or the last short one before the text."""
    short = named = None
    for number, block in enumerate(blocks[:TITLE_WITHIN]):
        if is_end(block) or is_furniture(block) or is_related_heading(block):
            continue
        if _is_prose(block):
            break
        if _is_header(block):
            named = number if _NAME.fullmatch(block) else named
        elif _is_headline(block):
            return number
        else:
            short = number
    return named if short is None else short


def _is_headline(block: str) -> bool:
    words = len(block.split())
    return words >= FEWEST_TITLE_WORDS or (not block.isascii() and len(block) >= FEWEST_TITLE_LETTERS)


def _is_prose(block: str) -> bool:
    """Whether a paragraph is running text: long, or more than one sentence."""
    sentences = len(re.findall(r"[.!?…][\"”’»')\]]*(?=\s|$)|[。！？]", block))
    if sentences > 1:
        return len(block) > 80
    return len(block) > LONGEST_TITLE or (sentences == 1 and len(block.split()) > LONGEST_STANDFIRST)


def _header_of(blocks: list[str]) -> list[str]:
    """The bylines, dates, captions and buttons before the article's first paragraph."""
    last, others = 0, 0
    for number, block in enumerate(blocks[:HEADER_WITHIN], 1):
        if _is_header(block) and (not others or not _NAME.fullmatch(block)):
            last, others = number, 0
        elif is_furniture(block):
            continue
        elif _is_prose(block) or (others := others + 1) > MOST_BETWEEN:
            break
    return blocks[:last]


def _is_header(block: str) -> bool:
    """Whether a paragraph is a byline or a date and not a sentence with one in it."""
    words = len(block.split())
    if words > LONGEST_BYLINE or len(block) > 2 * LONGEST:
        return False
    date = find_date(block)
    bare = _without_date(block).strip(_EDGES) if date else block
    if _BY.match(bare) and not _SENTENCE_END.search(bare):
        name = _BY.sub("", bare, count=1)
        return _NAME.match(name) is not None or (name[:1].isupper() and words < 6)
    if date is None:
        return _NAME.fullmatch(block) is not None and words < FEWEST_TITLE_WORDS
    return len(bare.split()) < 3 or bool(_BY.search(bare)) or _NAME.fullmatch(bare) is not None


def _without_date(block: str) -> str:
    while (date := find_date(block)) is not None:
        block = f"{block[: date.start()]} {block[date.end() :]}"
    return _WEEKDAY.sub(" ", _CLOCK.sub(" ", _STAMP.sub(" ", block)))


def _author(header: list[str]) -> str:
    """The name in the bylines, with what the paper adds to it; "" where there is none."""
    found = ""
    for block in header:
        bare = _without_date(block)
        parts = _BY.split(bare)
        name = parts[-1].split("|")[0].split("\u2022")[0].strip(_EDGES)
        name = " ".join(name.split())
        if len(parts) > 1 and _NAME.match(name):
            return name[:LONGEST]
        if not found and _NAME.fullmatch(name) and not is_furniture(block):
            found = name[:LONGEST]
    return found


def _published(header: list[str]) -> datetime | None:
    """The first day that is not one of a mere update; an update's day where there is no other."""
    dated = [block for block in header if find_date(block)]
    dated.sort(key=lambda block: _UPDATED.search(block.partition("ublished")[0]) is not None)
    for block in dated:
        date = find_date(block)
        if date and (found := parse_date(block[date.start() : date.start() + LONGEST]) or parse_date(date[0])):
            return found
    return None


def _stamped(blocks: list[str]) -> list[str]:
    """Lines anywhere that say "Published:" and little else."""
    return [block for block in blocks if len(block) <= LONGEST and _STAMP.match(block) and _is_header(block)]


def _undecorated(above: list[str]) -> list[str]:
    """Dates above a headline, but not with the weekday: that is the site telling its reader what day it is."""
    return [block for block in above if len(block) <= LONGEST and not _WEEKDAY.search(block) and _is_header(block)]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def _goes_on(blocks: list[str], *, begun: bool) -> bool:
    """Whether the article continues (or, where it has not begun, begins) below a heading such as "Related": paragraphs
    of prose, and not the beginnings of other articles, which break off."""
    prose = 0
    for block in blocks:
        if is_end(block) or is_related_heading(block):
            break
        prose += _is_prose(block) and not _BROKEN_OFF.search(block)
    return prose >= (MOST_EXCERPTS if begun else 1)


def _same(block: str, title: str) -> bool:
    return bool(title) and block.casefold().strip("# ") == title.casefold()


def _signed(block: str, author: str, words: int) -> bool:
    """Whether the author's name stands alone below the text: there the portrait begins."""
    if not author or words < LEAST_BODY or len(block) > 2 * LONGEST:
        return False
    return author.casefold() in (block.casefold(), _BY.sub("", block, count=1).strip(_EDGES).casefold())


def _is_biography(block: str, author: str) -> bool:
    names = author.casefold().split()
    first = re.match(r"\w+", block.casefold())
    by_name = bool(names) and first is not None and first[0] in (names[0], names[-1])
    crafted, career = _CRAFT.search(block) is not None, _CAREER.search(block) is not None
    if by_name:
        return crafted or career
    return crafted and career and _PORTRAIT.match(block) is not None
