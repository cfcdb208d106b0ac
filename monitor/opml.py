"""OPML files, versions 1 and 2: more feeds, from and for other readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from monitor.errors import ConfigError, Problem
from monitor.model import record


@record
class Outline:
    """One feed of an OPML file."""

    url: str
    title: str = ""
    tags: tuple[str, ...] = ()  # the folders around it


def read_opml(path: Path) -> tuple[Outline, ...]:
    """Every feed of an OPML file, with the folders it stands in as tags. Raises ConfigError with file and line."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError([Problem(file=str(path), line=1, key="opml", says="is no regular file")])
        root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            [Problem(file=str(path), line=1, key="opml", says=f"cannot be read: {error.strerror}")]
        ) from error
    except ElementTree.ParseError as error:
        says = f"not a well-formed OPML file: {error}"
        raise ConfigError([Problem(file=str(path), line=error.position[0], key="opml", says=says)]) from error
    body = root.find("body")
    if root.tag.lower() != "opml" or body is None:
        raise ConfigError([Problem(file=str(path), line=1, key="opml", says="expected <opml> with a <body>")])
    return tuple(_outlines(body, ()))


def write_opml(feeds: Iterable[tuple[str, str]], title: str = "wirewatch feeds") -> str:
    """An OPML 2.0 document of (title, url) pairs."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = title
    body = ElementTree.SubElement(root, "body")
    for name, url in feeds:
        ElementTree.SubElement(body, "outline", type="rss", text=name, title=name, xmlUrl=url)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _outlines(node: ElementTree.Element, folders: tuple[str, ...]) -> Iterator[Outline]:
    for outline in node.findall("outline"):
        name = outline.get("title") or outline.get("text") or ""
        url = outline.get("xmlUrl") or outline.get("xmlurl")
        if url:
            yield Outline(url=url.strip(), title=name.strip(), tags=folders)
        yield from _outlines(outline, folders if url or not name else (*folders, name.strip()))
