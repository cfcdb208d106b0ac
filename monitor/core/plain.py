"""Markup → plain text: tags gone, entities decoded, invisible characters out, paragraphs apart.

Runs for every entry, so text without markup takes a short way. Does not judge what is text and what is furniture
(core/extract.py) and does not fold case or accents.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.entities import html5

from monitor.model import JOINERS

MOST_COMBINING = 4  # marks on one letter; Vietnamese and Hebrew need three, "zalgo" has dozens
MOST_ESCAPES = 3  # layers of escaping, or of mistaken encodings, undone: one is right, two are common, three were seen

# HTML living standard, with the obsolete elements that feeds still carry.
_INLINE_NAMES = (
    "a abbr acronym area audio b base basefont bdi bdo big button cite code data del dfn em embed font i img input ins "
    "kbd label link map mark meta meter nobr object output param picture progress q rb rp rt rtc ruby s samp script "
    "small source span strike strong style sub sup svg template time track tt u var video wbr"
)
_BLOCK_NAMES = (
    "address article aside blockquote body br caption center col colgroup dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li main "
    "menu nav noframes noscript ol optgroup option p pre section select summary table tbody td textarea tfoot th thead "
    "title tr ul"
)
_INLINE, _BLOCK = frozenset(_INLINE_NAMES.split()), frozenset(_BLOCK_NAMES.split())
_ELEMENTS = "|".join(sorted(_INLINE | _BLOCK))
_BREAK = "\x01"  # stands for a block's edge until white space is collapsed; never in cleaned text

_SILENT = re.compile(  # what is not for reading, content and all; an unclosed one swallows the rest, as in browsers
    r"<(?:!--.*?(?:-->|\Z)|(script|style|template|svg|math)(?=[\s/>]).*?(?:</\1\s*>|\Z)"
    r"|figcaption(?=[\s/>]).{0,2000}?</figcaption\s*>|!\[CDATA\[|[?!][a-z][^<>]*+>)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(
    r"""</?([a-zA-Z][a-zA-Z0-9:\-]*+)(?=[\s/>])([^<>"']*+(?:(?:"[^"]*+"|'[^']*+'|["'](?=[^<>"']*+>))[^<>"']*+)*+)>"""
)
_CUT_TAG = re.compile(rf"</?(?:{_ELEMENTS})(?:\s[^<>]*=[^<>]*)?\Z", re.IGNORECASE)  # by a length limit
# A tag that somebody escaped. Its attributes must be whole: "a<b and c>d" is arithmetic.
_ESCAPED_TAG = re.compile(
    rf"</?({_ELEMENTS})((?:\s+[\w:\-]++\s*=\s*(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'<>]++))*+)\s*/?>", re.IGNORECASE
)
_SURELY_HTML = re.compile(
    rf"</(?:{_ELEMENTS})\s*>|<(?:br|p|img|hr|div)\b[^<>]*+>|&(?:#\d+|#x[\da-f]+|[a-z]\w+);", re.IGNORECASE
)
_ENTITY = re.compile(
    r"&(?:(#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6}));?|([A-Za-z][A-Za-z0-9]{1,31});|(amp|lt|gt|quot|nbsp)(?![A-Za-z0-9=;]))"
)

_BLANK_LINES = re.compile(r"\n\s*\n")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029]")
# Terminal sequences whole, so that no "[31m" is left of them (ECMA-48: CSI, then OSC up to BEL or ST).
_TERMINAL = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]{0,500}(?:\x07|\x1b\\\\)?)")
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Controls, half and non-characters, soft hyphens, fillers, zero widths, directions, tags, variation selectors.
_UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Joiners that are spelling: within words of scripts whose letters join, behind a virama, and within an emoji.
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufefc"
_VIRAMA = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_INVISIBLE = re.compile(
    f"(?<=[{_JOINING}])([\u200c\u200d])[\u200c\u200d]*(?=[{_JOINING}])|(?<=[{_VIRAMA}])([\u200c\u200d])"
    f"|(?<=[{_EMOJI}])(\u200d)(?=[{_EMOJI}])|[{_UNSEEN}]"
)
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u06d6-\u06ed\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ufe0e\ufe0f\ufe20-\ufe2f]"
)
_TOO_MANY_MARKS = re.compile(f"({_MARK}{{{MOST_COMBINING}}}){_MARK}+")
_C1 = re.compile("[\x80-\x9f]")
_C1_MEANT = {code: bytes((code,)).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
_AS_BYTE = {ord(char): code for code, char in _C1_MEANT.items() if char}
# UTF-8 read as Windows-1252: a lead byte as a letter, then a continuation byte as whatever it is there.
_MOJIBAKE = re.compile(f"[\xc2-\xf4][\x80-\xbf{re.escape(''.join(map(chr, _AS_BYTE)))}]")
_BEYOND_ASCII = re.compile("[^ -~]+")
_DOUBTFUL = re.compile(f"[{_UNSEEN}]|{_MARK}")  # what else cleaning may change; most texts hold none of it


def plain_text(markup: str, *, is_text: bool = False) -> str:
    """The words of a piece of HTML (or of plain text, where `<` is a letter and `is_text` says so).

    Paragraphs and line breaks become one "\\n", other white space one space; where blank lines part the paragraphs of
    a text, single line ends are mere wraps. Text is NFC. Entities are decoded once, or as often as a feed escaped them
    by mistake. Holds no control, invisible or direction characters, but for joiners where they are spelling. Never
    raises.
    """
    text = _cleaned(markup)
    tagged = False
    if "<" in text and not is_text:
        text, tagged = _untagged(text)
    if "&" in text:
        text, escaped = _unescaped(text, strip=not is_text and not tagged)
        tagged = tagged or escaped
        laid = _laid_out(_cleaned(text), tagged=tagged)
    else:
        laid = text if tagged else _laid_out(text, tagged=False)
    if not laid.isascii() and _MOJIBAKE.search(laid) and (mended := _cleaned(laid)) != laid:
        return _laid_out(mended, tagged=tagged)  # what could not be mended for an odd space that is gone now
    return laid


def is_html(text: str) -> bool:
    """Whether this looks like HTML rather than text: a closing tag, a paragraph, an image or an entity."""
    return ("<" in text or "&" in text) and _SURELY_HTML.search(text) is not None


def without_joiners(text: str) -> str:
    """Text for comparing: whether people type the joiners of Persian, or of an emoji, is a matter of keyboards."""
    if not text.isascii():
        for joiner in JOINERS:
            text = text.replace(joiner, "")
    return text


def _untagged(text: str) -> tuple[str, bool]:
    """The text between the tags, laid out where there were any, and whether there were."""
    bare = _TAG.sub(_gap, _SILENT.sub(" ", text).replace("]]>", " "))
    last = bare.rfind("<")
    if last > bare.rfind(">") and _CUT_TAG.match(bare, last):
        bare = bare[:last]
    return (text, False) if bare == text else (_broken(bare), True)


def _broken(text: str) -> str:
    """Text whose breaks alone part paragraphs, laid out."""
    return "\n".join(filter(None, map(_on_one_line, text.split(_BREAK))))


def _gap(match: re.Match[str]) -> str:
    """What stands where a tag stood: nothing, or a break; the tag itself where HTML knows no such element, or where
    words stand in it that are no attributes, as in "a<b and c>d"."""
    name, attributes = match[1].lower(), match[2]
    if attributes and len(name) == 1 and "=" not in attributes and len(attributes.rstrip("/").split()) > 1:
        return match[0]
    if name in _BLOCK:
        return _BREAK
    if name in _INLINE or "=" in attributes or ":" in name or "-" in name:
        return ""
    return match[0]


def _unescaped(text: str, *, strip: bool) -> tuple[str, bool]:
    """Entities decoded, and whether tags turned up: what then still holds entities, or whole tags, was escaped once
    too often."""
    tagged = False
    for _ in range(MOST_ESCAPES):
        text, found = _ENTITY.subn(_character, text)
        if strip and "<" in text and _ESCAPED_TAG.search(text):
            text, tagged = _broken(_ESCAPED_TAG.sub(_gap, text)), True
        if not found or "&" not in text:
            break
    return text, tagged


def _character(match: re.Match[str]) -> str:
    number, name, bare = match.groups()
    if number:
        return unescape(f"&{number};")
    return html5.get(f"{name or bare};", match[0])


def _cleaned(text: str) -> str:
    """Only visible characters, each the one that was meant, in NFC; line ends and white space as they were."""
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    if text.isascii():
        return text if text.isprintable() else _ASCII_CONTROLS.sub("", text)
    for _ in range(MOST_ESCAPES):  # what is mended may hold something to mend
        before, text = text, _cleaned_once(text)
        if text == before:
            break
    return text


def _cleaned_once(text: str) -> str:
    beyond = " ".join(_BEYOND_ASCII.findall(text))  # a few quotes and dashes, mostly
    if not _DOUBTFUL.search(beyond) and not _MOJIBAKE.search(beyond) and unicodedata.is_normalized("NFC", text):
        return text
    text = unicodedata.normalize("NFC", text)
    if _MOJIBAKE.search(text):
        text = _remade(text)
    if _C1.search(text):
        text = text.translate(_C1_MEANT)
    text = unicodedata.normalize("NFC", _INVISIBLE.sub(r"\1\2\3", text))
    return _TOO_MANY_MARKS.sub(r"\1", text)


def _remade(text: str) -> str:
    """UTF-8 that was read as Windows-1252, read rightly; the text as it is unless all of it can be."""
    try:
        return text.translate(_AS_BYTE).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _laid_out(text: str, *, tagged: bool) -> str:
    text = text.strip()
    if text.isprintable():
        return _on_one_line(text)
    if "\r" in text or "\u2028" in text or "\u2029" in text:
        text = _LINE_ENDS.sub("\n", text)
    paragraphs = text.split("\n") if tagged or not _BLANK_LINES.search(text) else _BLANK_LINES.split(text)
    return "\n".join(filter(None, map(_on_one_line, paragraphs)))


def _on_one_line(text: str) -> str:
    text = text.strip()
    if "  " not in text and text.isprintable():  # the common space is then the only white space
        return text
    return " ".join(text.split())
