"""RSS 0.90–2.0, RSS 1.0 (RDF), Atom 0.3 and 1.0 by a strict pull parser: the fast path.

Takes well-formed documents only and refuses all others: a parser that recovers drops characters without a word.
Fetches nothing, expands no entity. Reads the direct children of items, by namespace and not by prefix, so that a
photograph's title is never the story's.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from html import escape
from io import BytesIO
from urllib.parse import urlsplit

from lxml import etree

from monitor.core.feed_dates import asked_interval, parse_date, skipped_hours
from monitor.core.plain import is_html
from monitor.core.repair import for_parser
from monitor.core.urls import is_web_address, resolved
from monitor.model import ParsedEntry, ParsedFeed, record

ATOM = frozenset({"http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"})
RSS = frozenset(
    {
        "",
        "http://purl.org/rss/1.0/",
        "http://my.netscape.com/rdf/simple/0.9/",
        "http://channel.netscape.com/rdf/simple/0.9/",
        "http://backend.userland.com/rss",
        "http://backend.userland.com/rss2",
        "http://blogs.law.harvard.edu/tech/rss",
    }
)
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
ABOUT, LANGUAGE, BASE = f"{{{RDF}}}about", f"{{{XML}}}lang", f"{{{XML}}}base"
_NAMESPACES = {
    **dict.fromkeys(ATOM, "atom:"),
    **dict.fromkeys(RSS, ""),
    "http://purl.org/dc/elements/1.1/": "dc:",
    "http://purl.org/dc/elements/1.0/": "dc:",
    "http://purl.org/dc/terms/": "dcterms:",
    "http://purl.org/rss/1.0/modules/content/": "content:",
    "http://purl.org/rss/1.0/modules/syndication/": "sy:",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner:",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes:",
    "http://www.w3.org/1999/xhtml": "xhtml:",
    "http://www.youtube.com/xml/schemas/2015": "yt:",
    "http://search.yahoo.com/mrss/": "media:",
}


def _bare(namespace: str) -> str:
    """What publishers mean who write https, capitals or no last slash."""
    return namespace.lower().replace("https:", "http:", 1).rstrip("/")


# Short names of the namespaces that say something of an item.
_SHORT = {_bare(namespace): short for namespace, short in _NAMESPACES.items()}
_MAIL_AND_NAME = re.compile(r"^\s*[^\s@()]+@[^\s()]+\s*\(\s*([^()]+?)\s*\)\s*$")
_ROOTS = frozenset({"rss", "rdf", "feed", "channel"})
_PUBLISHED = (
    *("pubDate", "atom:published", "atom:issued", "dcterms:issued", "dc:date", "atom:created"),
    *("pubdate", "published", "date"),  # in no namespace: these are none of RSS's, but used
)
_UPDATED = ("atom:updated", "atom:modified", "dcterms:modified", "lastBuildDate", "updated")
_OF_ATOM = frozenset("author content created id issued link modified published summary title updated".split())
_ALTERNATE = frozenset({"alternate", "http://www.iana.org/assignments/relation/alternate"})  # Atom 1.0, section 4.2.7.2

Fields = dict[str, list[etree._Element]]  # by short name, in document order


class Refused(Exception):
    """The document is well-formed XML, but not what the fast path can read whole."""


@record
class Said:
    """The text of one element, as written, and whether the feed declared it plain."""

    text: str = ""
    is_text: bool = False


NOTHING = Said()


def read_xml(body: bytes, *, url: str, content_type: str | None, max_entries: int) -> ParsedFeed | None:
    """The feed in `body`, or None where the document is not well-formed, not a feed, or has no entries.

    `url` is where it was fetched from, which relative links are relative to.
    """
    body, encoding = for_parser(body.lstrip() if body[:1].isspace() else body, content_type)
    try:
        return _read(body, encoding, url, max_entries)
    except (etree.LxmlError, Refused, ValueError, LookupError):  # lxml raises the last two for odd names and encodings
        return None


def _read(body: bytes, encoding: str | None, url: str, max_entries: int) -> ParsedFeed | None:
    pull = etree.iterparse(
        BytesIO(body),
        events=("end",),
        tag=("{*}item", "{*}entry"),
        encoding=encoding,
        recover=False,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    entries: list[ParsedEntry] = []
    truncated = 0
    typed = None  # whether there is a document type, without which no entity stays unexpanded
    for _, element in pull:
        if _short_name(element.tag) is None:
            continue
        if typed is None:
            typed = element.getroottree().docinfo.internalDTD is not None
        if len(entries) < max_entries:
            if typed:
                _refuse_entities(element)
            entries.append(_entry(element, url))
        else:
            truncated += 1
        element.clear(keep_tail=True)
    root = pull.root
    if not entries or root is None or etree.QName(root).localname.lower() not in _ROOTS:
        return None
    if typed:
        _refuse_entities(root)
    return _feed(root, url, tuple(entries), truncated)


def _refuse_entities(element: etree._Element) -> None:
    if next(element.iter(etree.Entity), None) is not None:
        raise Refused("an entity that is not expanded")


# ── a feed and an item ───────────────────────────────────────────────────────────────────────────


def _feed(root: etree._Element, url: str, entries: tuple[ParsedEntry, ...], truncated: int) -> ParsedFeed:
    channel = next((child for child in root if isinstance(child.tag, str) and _local(child) == "channel"), root)
    fields = _fields(channel)
    return ParsedFeed(
        parser="lxml",
        title=_first(fields, "title", "atom:title", "dc:title").text,
        link=_link(fields, url),
        language=_text(fields, "language", "dc:language") or root.get(LANGUAGE) or None,
        ttl=_ttl(fields),
        skip_hours=skipped_hours(hour.text for skip in fields.get("skipHours", ()) for hour in skip.iter("{*}hour")),
        entries=entries,
        truncated=truncated,
    )


def _entry(element: etree._Element, url: str) -> ParsedEntry:
    fields = _fields(element)
    title = _first(fields, "title", "atom:title", "dc:title")
    summary = _first(fields, "description", "summary", "atom:summary", "dc:description", "itunes:summary")
    if not summary.text and "yt:videoId" in fields:
        summary = _of_the_video(fields)
    body = _first(fields, "content:encoded", "atom:content", "content", "xhtml:body", "xhtml:div")
    guid = _text(fields, "guid", "atom:id", "id") or element.get(ABOUT)
    return ParsedEntry(
        guid=guid or None,
        link=_link(fields, url) or _permalink(fields, element.get(ABOUT), url),
        title=title.text,
        summary=summary.text,
        body=body.text,
        author=_author(fields),
        outlet=_text(fields, "source"),
        published_at=_date(fields, *_PUBLISHED),
        updated_at=_date(fields, *_UPDATED),
        language=_text(fields, "dc:language") or element.get(LANGUAGE) or None,
        title_is_text=title.is_text,
        summary_is_text=summary.is_text,
        body_is_text=body.is_text,
    )


def _fields(element: etree._Element) -> Fields:
    """The direct children by short name; Refused where an entity stands between them."""
    fields: Fields = {}
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            raise Refused("an entity that the document does not define")
        name = _short_name(tag) if tag[0] == "{" else tag
        if name is None:
            continue
        if name in fields:
            fields[name].append(child)
        else:
            fields[name] = [child]
    return _meant(fields, element) if _slips(element.tag) else fields


@lru_cache(maxsize=256)  # of one document's items they are the same
def _short_name(tag: str) -> str | None:
    """The short name for a name, or None where its namespace says nothing of an item."""
    space, _, local = tag[1:].partition("}") if tag[0] == "{" else ("", "", tag)
    short = _SHORT.get(_bare(space))
    return None if short is None else short + local


@lru_cache(maxsize=64)
def _slips(tag: str) -> bool:
    """Whether an element that holds fields is in another namespace than its format's: most often the document has a
    default namespace that was meant for something else, or an Atom feed has none."""
    name = _short_name(tag)
    return name not in (None, "item", "channel", "rss", "atom:entry", "atom:feed")


def _meant(fields: Fields, element: etree._Element) -> Fields:
    """The fields of an element that `_slips`: those in its own namespace are its format's."""
    space = etree.QName(element).namespace
    atom = _local(element) in ("entry", "feed")
    meant: Fields = {}
    for name, children in fields.items():
        for child in children:
            tag = etree.QName(child)
            own = tag.namespace == space and child.prefix == element.prefix
            local = f"atom:{tag.localname}" if atom and tag.localname in _OF_ATOM else tag.localname
            meant.setdefault(local if own else name, []).append(child)
    return meant


def _local(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _first(fields: Fields, *names: str) -> Said:
    """The first of these that says anything."""
    for name in names:
        for element in fields.get(name, ()):
            said = _said(element, atom=name.startswith("atom:"))
            if said.text:
                return said
    return NOTHING


def _of_the_video(fields: Fields) -> Said:
    """What is said of a YouTube video: there alone the words of Media RSS are the item's and not a photograph's."""
    for group in fields.get("media:group", ()):
        for child in group.iterchildren("{http://search.yahoo.com/mrss/}description"):
            return Said(text=(child.text or "").strip(), is_text=True)
    return NOTHING


def _text(fields: Fields, *names: str) -> str:
    for name in names:
        for element in fields.get(name, ()):
            if text := _whole_text(element).strip():
                return text
    return ""


def _whole_text(element: etree._Element) -> str:
    return "".join(element.itertext()) if len(element) else element.text or ""


def _said(element: etree._Element, *, atom: bool) -> Said:
    if len(element):
        return Said(text=_markup(element))
    text = (element.text or "").strip()
    if not text:
        return NOTHING
    if not atom:
        return Said(text=text)
    kind = element.get("type", "text").lower()
    if "/" in kind and not kind.startswith(("text/", "application/xhtml")):
        return NOTHING  # a picture or other data in base64
    if element.get("mode") == "base64":
        raise Refused("text in base64 (Atom 0.3)")
    is_text = kind in ("text", "text/plain")
    if is_text and "type" not in element.attrib and is_html(text):  # many leave the type out and mean HTML
        is_text = False
    return Said(text=text, is_text=is_text)


def _markup(element: etree._Element) -> str:
    """The content of an element as HTML without attributes: tags matter to plain text, attributes do not."""
    parts: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if not isinstance(node.tag, str):
            raise Refused("an entity that the document does not define")
        if event == "start":
            parts += ("" if node is element else f"<{_local(node)}>", escape(node.text or "", quote=False))
        elif node is not element:
            parts += (f"</{_local(node)}>", escape(node.tail or "", quote=False))
    return "".join(parts).strip()


# ── links, people and times ──────────────────────────────────────────────────────────────────────


def _link(fields: Fields, url: str) -> str | None:
    """Where an item is read: the address before FeedBurner's redirect, RSS's link, Atom's alternate, which is rather
    a page than anything else."""
    original = _text(fields, "feedburner:origLink")
    if is_web_address(original):
        return original
    other = None
    for element in (*fields.get("link", ()), *fields.get("atom:link", ())):
        address, page = (element.text or "").strip(), True
        if not address and is_alternate(element.get("rel", "alternate")):
            address, page = element.get("href", "").strip(), is_page(element.get("type"))
        if address and (page or other is None):
            found = resolved(address, base=url if is_web_address(address) else _base(element, url))
            if page:
                return found
            other = found
    return other


def is_alternate(relation: str) -> bool:
    """Whether a link of this relation leads to the story itself."""
    return relation == "alternate" or relation.strip().lower() in _ALTERNATE


def is_page(kind: str | None) -> bool:
    """Whether a link to something of this type leads to a page, as it does where no type is said."""
    return not kind or "html" in kind.lower()


def _permalink(fields: Fields, about: str | None, url: str) -> str | None:
    """The address that identifies an item, where it is one that people can open."""
    for guid in fields.get("guid", ()):
        address = (guid.text or "").strip()
        permanent = guid.get("isPermaLink", "true").strip().lower() != "false"
        if permanent and (is_web_address(address) or address.startswith("/")):
            return resolved(address, base=_base(guid, url))
    return next(filter(is_web_address, (_text(fields, "atom:id"), about or "")), None)


def _base(element: etree._Element, url: str) -> str:
    """What relative addresses in an element are relative to: the fetched address, unless xml:base names another one
    on the web."""
    bases = [node.get(BASE) for node in (element, *element.iterancestors())]
    for base in reversed(bases):
        if base:
            candidate = resolved(base.strip(), base=url)
            url = candidate if is_web_address(candidate) and urlsplit(candidate).netloc else url
    return url


def _author(fields: Fields) -> str:
    names = [_person(element) for element in fields.get("atom:author", ())]
    for name in ("dc:creator", "author", "itunes:author"):
        if not any(names):
            names = [person_name(_whole_text(element)) for element in fields.get(name, ())]
    return ", ".join(dict.fromkeys(filter(None, names)))


def _person(element: etree._Element) -> str:
    named = [child for child in element if isinstance(child.tag, str) and _local(child) == "name"]
    return (named[0].text or "").strip() if named else (element.text or "").strip()


def person_name(text: str) -> str:
    """The name in RSS's "desk@example.org (Jane Doe)"; the text itself where it is not of that shape."""
    match = _MAIL_AND_NAME.match(text) if "@" in text else None
    return match[1] if match else text.strip()


def _date(fields: Fields, *names: str) -> datetime | None:
    for name in names:
        for element in fields.get(name, ()):
            if found := parse_date(element.text):
                return found
    return None


def _ttl(fields: Fields) -> timedelta | None:
    return asked_interval(_text(fields, "ttl"), _text(fields, "sy:updatePeriod"), _text(fields, "sy:updateFrequency"))
