"""`feeds import`: the feeds of another reader's OPML file, as `[[feed]]` blocks at the end of config.toml.

There they stand with the others, for the operator to give them outlets, tiers and intervals. Nothing that stands in the
file is touched; what would make it invalid is not written at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from monitor.config import Config, load_config, name_from_url, spelt_alike, unused
from monitor.core.urls import is_web_address
from monitor.errors import MonitorError
from monitor.model import Feed, record
from monitor.opml import Outline


@record
class Plan:
    """What importing would do."""

    new: tuple[Feed, ...] = ()
    known: tuple[tuple[Outline, str], ...] = ()  # those that are there already, and under which name
    unfit: tuple[Outline, ...] = ()  # no web address


def plan(outlines: Iterable[Outline], config: Config) -> Plan:
    """Which feeds of a file are new. Two spellings of an address are one feed, also within the file; its tags (the
    folders around it) are then those of the first."""
    names = {spelt_alike(feed.url): feed.name for feed in config.feeds}
    new: list[Feed] = []
    known, unfit = [], []
    for outline in outlines:
        key = spelt_alike(outline.url)
        if not is_web_address(outline.url):
            unfit.append(outline)
        elif key in names:
            known.append((outline, names[key]))
        else:
            name = unused(name_from_url(outline.url), names.values())
            names[key] = name
            new.append(Feed(name=name, url=outline.url, outlet=_one_line(outline.title) or None, tags=outline.tags))
    return Plan(new=tuple(new), known=tuple(known), unfit=tuple(unfit))


def as_toml(feeds: Iterable[Feed]) -> str:
    """`[[feed]]` blocks."""
    return "\n".join(_block(feed) for feed in feeds)


def append(path: Path, blocks: str, *, says: str) -> None:
    """Write blocks to the end of a configuration, below a comment, all or nothing. Raises MonitorError where the file
    cannot be written, ConfigError (of the file as it would be) where it would not load."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.import")
    before = path.read_text(encoding="utf-8")
    try:
        draft.touch(mode=0o600)
        shutil.copystat(path, draft)
        draft.write_text(f"{before.rstrip()}\n\n# {_one_line(says)}\n{blocks}", encoding="utf-8")
        load_config(draft)
        _keep_owner(path, draft)
        os.replace(draft, path)
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror}; --dry-run prints what to add") from error
    finally:
        draft.unlink(missing_ok=True)


def _keep_owner(path: Path, draft: Path) -> None:
    owner = path.stat()
    if (owner.st_uid, owner.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
        os.chown(draft, owner.st_uid, owner.st_gid)


def _block(feed: Feed) -> str:
    lines = ["[[feed]]", f"url = {_text(feed.url)}", f"name = {_text(feed.name)}"]
    if feed.outlet:
        lines.append(f"outlet = {_text(feed.outlet)}")
    if feed.tags:
        lines.append(f"tags = [{', '.join(map(_text, feed.tags))}]")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A TOML basic string: JSON's, which it contains, but for DEL."""
    return json.dumps(_one_line(value), ensure_ascii=False).replace("\x7f", "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
