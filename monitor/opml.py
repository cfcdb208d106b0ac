"""OPML files, versions 1 and 2: more feeds, from and for other readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from monitor.core.urls import without_feed_scheme
from monitor.errors import ConfigError, Problem
from monitor.model import record

DEEPEST = 50  # folders in folders; recursion must end before Python's does


@record
class Outline:
    """One feed of an OPML file."""

    url: str
    title: str = ""
    tags: tuple[str, ...] = ()  # the folders around it, and its categories


def read_opml(path: Path) -> tuple[Outline, ...]:
    """Every feed of an OPML file, with the folders it stands in (and OPML 2's categories) as tags. Raises ConfigError
    with file and line."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError([Problem(file=str(path), line=1, key="opml", says="is no regular file")])
        root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            [Problem(file=str(path), line=1, key="opml", says=f"cannot be read: {error.strerror}")]
        ) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two for odd encodings
        line = getattr(error, "position", (1, 0))[0]
        says = f"not a well-formed OPML file: {error}"
        raise ConfigError([Problem(file=str(path), line=line, key="opml", says=says)]) from error
    body = next((node for node in root if _name(node) == "body"), None)
    if _name(root) != "opml" or body is None:
        raise ConfigError([Problem(file=str(path), line=1, key="opml", says="expected <opml> with a <body>")])
    return tuple(_outlines(body, ()))


def write_opml(feeds: Iterable[Outline], title: str = "wirewatch feeds") -> str:
    """An OPML 2.0 document: each feed in a folder of its first tag, its other tags as categories, or as folders too
    where a category cannot hold them."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = title
    body = ElementTree.SubElement(root, "body")
    folders: dict[tuple[str, ...], ElementTree.Element] = {(): body}
    for feed in feeds:
        around = tuple(tag for tag in feed.tags if tag == feed.tags[0] or "/" in tag or "," in tag)
        for depth, folder in enumerate(around, 1):
            if around[:depth] not in folders:
                parent = folders[around[: depth - 1]]
                folders[around[:depth]] = ElementTree.SubElement(parent, "outline", text=folder, title=folder)
        said = {"type": "rss", "text": feed.title, "title": feed.title, "xmlUrl": feed.url}
        if categories := [tag for tag in feed.tags if tag not in around]:
            said["category"] = ",".join(categories)
        ElementTree.SubElement(folders[around], "outline", said)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _name(node: ElementTree.Element) -> str:
    """An element's name, folded, whatever its namespace."""
    return node.tag.rpartition("}")[2].lower()


def _outlines(node: ElementTree.Element, folders: tuple[str, ...]) -> Iterator[Outline]:
    for outline in node:
        if _name(outline) != "outline":
            continue
        said = {key.lower(): value.strip() for key, value in outline.attrib.items()}  # xmlUrl, xmlurl, XMLURL …
        name = said.get("title") or said.get("text") or ""
        url = said.get("xmlurl")
        if url:
            yield Outline(url=without_feed_scheme(url), title=name, tags=_tags(folders, said))
        if len(folders) < DEEPEST:
            yield from _outlines(outline, folders if url or not name else (*folders, name))


def _tags(folders: tuple[str, ...], said: Mapping[str, str]) -> tuple[str, ...]:
    """Folders, and the last steps of categories such as "/news/uk,politics" (OPML 2.0)."""
    categories = (one.strip().rstrip("/").rpartition("/")[2] for one in said.get("category", "").split(","))
    return tuple(dict.fromkeys((*folders, *filter(None, categories))))
