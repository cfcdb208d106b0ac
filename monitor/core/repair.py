"""Bytes that claim to be a document → bytes that can be read: gzip undone, encoding found, bad characters mended.

Knows what bytes look like, not what feeds say. Never guesses an encoding from letter statistics: where none is declared
and the bytes are no UTF-8, the language that the feed declares decides, or else Western European is assumed.
"""

from __future__ import annotations

import codecs
import re
import zlib
from html import escape
from html.entities import html5

from monitor.errors import ParseError

LARGEST_BODY = 15 * 1024 * 1024  # bytes, decoded; the same as [polling] max_body by default
PROLOG = 1024  # bytes in which an encoding may be declared (HTML: WHATWG prescan, 1024)
GZIP, MOST_MEMBERS = b"\x1f\x8b", 300  # bgzip needs 240 for 15 MB
ROOT_WITHIN = 65_536  # bytes of warnings and white space that servers put before a feed
FEW_BAD_BYTES = 0.1  # of the bytes beyond ASCII: a UTF-8 text with accidents, not another encoding

_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BOM_NAMES = ("utf-32", "utf-32", "utf-8-sig", "utf-16", "utf-16")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']\s*([A-Za-z0-9._:\-]{1,40})""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,400}\?>")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9._:\-]{1,40})""", re.IGNORECASE)
_ROOT = re.compile(r"<\?xml\s|<(?:[\w.\-]+:)?(?:rss|feed|RDF)[\s>]")
_OPEN_ROOT = re.compile(rb"\s*(?:<[?!][^>]*>\s*)*<((?:[\w.\-]+:)?(?:rss|feed|RDF))[\s>]", re.IGNORECASE)
# Not characters of XML 1.0 (section 2.2), literal or as references.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:([0-9]++)|[xX]([0-9a-fA-F]++));")
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # of one character, as broken encoders of emoji write them
_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)(?:([A-Za-z][\w.\-]{0,31});)?")
# An entity that a document defines as plain text; what refers to others, or outside, is left alone.
_ENTITY = re.compile(r"""<!ENTITY\s+([A-Za-z][\w.\-]{0,31})\s+(?:"([^"'&%<]{0,200})"|'([^"'&%<]{0,200})')\s*>""")
# What is declared and what is meant: browsers read the superset (WHATWG encoding standard, "labels").
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Names that Python does not know, without "x-". Source: the same; "unicode" is left out, which nobody means.
_ALSO_CALLED = {
    **dict.fromkeys("unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8mb4".split(), "utf-8"),
    **dict.fromkeys("csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i".split(), "iso8859-6"),
    **dict.fromkeys("csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i visual logical".split(), "iso8859-8"),
    **dict.fromkeys("csgb2312 gb_2312 gb_2312-80 gb-18030".split(), "gb18030"),
    **dict.fromkeys("cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949".split(), "cp949"),
    **dict.fromkeys("windows-874 dos-874".split(), "cp874"),
    **dict.fromkeys("koi koi8".split(), "koi8-r"),
    **dict.fromkeys("mac csmacintosh".split(), "mac-roman"),
    "sun_eu_greek": "iso8859-7",
    "csisolatin9": "iso8859-15",
    "koi8-ru": "koi8-u",
    "mac-ukrainian": "mac-cyrillic",
    "cn-big5": "big5",
    "cseucpkdfmtjapanese": "euc_jp",
    "windows-31j": "cp932",
}
# Before UTF-8, by language. Source: WHATWG HTML standard, suggested default encodings by locale; EUC for Japanese.
_BY_LANGUAGE = {
    "ja": ("cp932", "euc_jp"),
    "zh": ("gb18030", "big5hkscs"),
    "ko": ("cp949",),
    "th": ("cp874",),
    "he": ("cp1255",),
    "ar": ("cp1256",),
    "fa": ("cp1256",),
    "el": ("cp1253",),
    "tr": ("cp1254",),
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "sr"), ("cp1251",)),
    **dict.fromkeys(("cs", "hu", "pl", "sk", "sl", "hr", "ro"), ("cp1250",)),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257",)),
}
_LANGUAGE = re.compile(rb"<(?:dc:)?language>\s*([A-Za-z]{2})\b|xml:lang=[\"']([A-Za-z]{2})\b")
_NO_ENCODINGS = {"utf-7", "idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
_SERVER_DEFAULTS = {"cp1252", "utf-8"}  # a charset that web servers add without having looked


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: the bytes that are no UTF-8 are read as Windows-1252, one by one."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("wirewatch-cp1252", _as_cp1252)


def unzipped(body: bytes, *, limit: int = LARGEST_BODY) -> bytes:
    """The body without a gzip envelope, where it has one (some servers send `.gz` files as they are).

    Raises ParseError where more than `limit` bytes come out or nothing does; a torn end keeps what came before it.
    """
    if not body.startswith(GZIP):
        return body
    plain, members = bytearray(), 0
    while body.startswith(GZIP) and members < MOST_MEMBERS:  # a file may be several, one behind the other
        stream, members = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), members + 1
        try:
            plain += stream.decompress(body, limit + 1 - len(plain))
        except zlib.error as error:
            raise ParseError(f"damaged gzip data instead of a feed ({error})") from error
        if len(plain) > limit:
            raise ParseError(f"gzip data of more than {limit // 1_048_576} MB")
        body = stream.unused_data
    return bytes(plain)


def charset_of(content_type: str | None) -> str | None:
    """The charset of a Content-Type header, as Python names it; None where there is none that may be used."""
    match = _CHARSET.search(content_type or "")
    return _codec(match[1]) if match else None


def for_parser(body: bytes, content_type: str | None = None) -> tuple[bytes, str | None]:
    """The document as a strict XML parser should get it, and the encoding to read it by; None where its own
    declaration (or a byte order mark) may speak for itself. What cannot be read is left for the parser to refuse."""
    if body.startswith(_BOMS) or b"\x00" in body[:4]:
        return body, None
    if _is_utf8(body):
        name = _ascii_meaning(body, content_type)
        return (body, "utf-8") if name == "utf-8" else (body.decode(name, "replace").encode("utf-8"), "utf-8")
    name = _foreign(declared_encoding(body), charset_of(content_type), body)
    return (body.decode(name).encode("utf-8"), "utf-8") if name and _fits(body, name) else (body, None)


def declared_encoding(body: bytes) -> str | None:
    """The encoding that the XML declaration names, as Python names it; None where it names none or an unknown one."""
    match = _DECLARED.search(body[:PROLOG])
    return _codec(match[1].decode("ascii")) if match else None


def decoded(body: bytes, content_type: str | None = None) -> str:
    """The text of a document, whatever it takes; bytes that cannot be read become replacement characters."""
    for bom, name in zip(_BOMS, _BOM_NAMES, strict=True):
        if body.startswith(bom):
            return body.decode(name, "replace")
    if (name := _wide(body)) is not None:
        return body.decode(name, "replace")
    if _is_utf8(body):
        name = _ascii_meaning(body, content_type)
        return body.decode(name, "replace")
    if name := _foreign(declared_encoding(body), charset_of(content_type), body):
        return body.decode(name, "replace")
    if _mostly_utf8(body):
        return body.decode("utf-8", "wirewatch-cp1252")
    return body.decode(_by_language(body), "replace")


def mended(body: bytes, content_type: str | None = None) -> bytes:
    """The document as UTF-8 that an XML parser may accept: nothing before its root, no declaration, no forbidden
    characters, entities of HTML and its own as text, ampersands escaped. What it says is otherwise untouched."""
    text = decoded(body, content_type).lstrip("\ufeff \t\r\n")
    entities = _entities(text)
    if (root := _ROOT.search(text, 0, ROOT_WITHIN)) is not None:
        text = text[root.start() :]
    text = _DECLARATION.sub("", text, count=1)
    text = _HALVES.sub(_joined, _REFERENCE.sub(_possible, text))
    text = _FORBIDDEN.sub("", text)
    parts = _CDATA.split(text)  # every second part is CDATA, where an ampersand is a letter
    parts[::2] = [_AMPERSAND.sub(lambda match: _character(match, entities), part) for part in parts[::2]]
    return "".join(parts).strip().encode("utf-8", "replace")


def is_cut_short(text: bytes) -> bool:
    """Whether a feed, as `mended` leaves it, breaks off: its root, or the channel that holds all, is not closed."""
    root = _OPEN_ROOT.match(text)
    if root is None:
        return False
    ends = (root[1], b"channel") if root[1].lower().endswith(b"rss") else (root[1],)
    return not any(re.search(rb"</" + re.escape(end) + rb"\s*>", text) for end in ends)


def _possible(match: re.Match[str]) -> str:
    """A reference to a character as it is; half a character itself; nothing for what XML cannot hold."""
    digits = (match[1] or match[2]).lstrip("0")
    code = int(digits, 10 if match[1] else 16) if 0 < len(digits) < 8 else 0
    if 0xD800 <= code < 0xE000:
        return chr(code)
    return "" if not 0 < code <= 0x10FFFF or _FORBIDDEN.match(chr(code)) else match[0]


def _joined(match: re.Match[str]) -> str:
    return match[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _entities(text: str) -> dict[str, str]:
    """The entities that a document defines for itself; none where they would swell it."""
    found = {match[1]: match[2] or match[3] or "" for match in _ENTITY.finditer(text, 0, ROOT_WITHIN)}
    longest = max(map(len, found.values()), default=0)
    return found if text.count("&") * longest <= LARGEST_BODY else {}


def _character(match: re.Match[str], entities: dict[str, str]) -> str:
    known = entities.get(match[1], html5.get(f"{match[1]};"))
    return f"&amp;{match[0][1:]}" if known is None else escape(known, quote=False)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _ascii_meaning(body: bytes, content_type: str | None) -> str:
    """UTF-8, unless all is ASCII and an escaping encoding of Japanese or Chinese is declared."""
    said = declared_encoding(body) or charset_of(content_type) or "utf-8"
    return said if said.startswith(("iso2022", "hz")) and body.isascii() else "utf-8"


def _foreign(declared: str | None, charset: str | None, body: bytes) -> str | None:
    """The encoding of bytes that are no UTF-8: the first that somebody named and that fits (a document knows better
    than a server's default), or None where UTF-8 with accidents is the better reading."""
    order = (declared, charset) if charset in _SERVER_DEFAULTS or charset is None else (charset, declared)
    named = [name for name in order if name and name != "utf-8"]
    if not named or _mostly_utf8(body):
        return None
    return next((name for name in named if _fits(body, name)), named[0])


def _by_language(body: bytes) -> str:
    match = _LANGUAGE.search(body[:ROOT_WITHIN])
    language = ((match[1] or match[2]).decode().lower()) if match else ""
    return next((name for name in _BY_LANGUAGE.get(language, ()) if _fits(body, name)), "cp1252")


def _fits(body: bytes, name: str) -> bool:
    try:
        body.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(body: bytes) -> bool:
    beyond = len(body.translate(None, bytes(range(128))))
    bad = body.decode("utf-8", "replace").count("\ufffd") - body.count("\ufffd".encode())
    return bad <= beyond * FEW_BAD_BYTES


def _wide(body: bytes) -> str | None:
    """UTF-16 and UTF-32 without a byte order mark, by where the zero bytes of `<` lie; EBCDIC by its `<?xm`."""
    shapes = {b"\x00\x00\x00<": "utf-32-be", b"<\x00\x00\x00": "utf-32-le", b"\x4c\x6f\xa7\x94": "cp037"}
    if body[:4] in shapes:
        return shapes[body[:4]]
    return {b"\x00<": "utf-16-be", b"<\x00": "utf-16-le"}.get(body[:2])


def _codec(label: str) -> str | None:
    """Python's name for an encoding, superset for subset. UTF-7 is none: nobody means it but attackers."""
    found = _looked_up(label)
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in _NO_ENCODINGS:
        return None
    return _MEANT.get(found.name, found.name)


def _looked_up(label: str) -> codecs.CodecInfo | None:
    bare = re.sub("^(?:x-)+", "", label.lower())
    other = _ALSO_CALLED.get(bare) or re.sub(r"^iso8859(?=\d)", "iso8859-", bare)
    for name in (label, other):
        try:
            return codecs.lookup(name)
        except (LookupError, ValueError):
            pass
    return None
