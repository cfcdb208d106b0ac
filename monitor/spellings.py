"""Which spellings in the archive a fuzzy name would reach. Reads; writes nothing."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from rapidfuzz import fuzz

from monitor.backtest import text_of
from monitor.core.locate import Locator, StoryWords, evidence
from monitor.core.variants import FUZZY_LETTERS, read_variant
from monitor.errors import MonitorError
from monitor.model import record
from monitor.store import archive
from monitor.store.database import Database

BATCH = 500  # stories


@record
class Spelling:
    """One spelling: as it is written most often, how near it is (0–100), in how many stories, and one of them."""

    text: str
    similarity: float
    stories: int
    headline: str


def spellings_of(name: str, database: Database, *, since: datetime, least: float) -> tuple[Spelling, ...]:
    """All spellings in stories first seen since then that are at least so near, the nearest first.

    Raises MonitorError where the name is no variant or too short for near spellings.
    """
    try:
        variant = read_variant(name)
    except ValueError as error:
        raise MonitorError(str(error)) from error
    forms = variant.fuzzy_forms()
    if not forms:
        says = f"has {variant.letters} letters; near spellings are for names of {FUZZY_LETTERS} and more, without '?'"
        raise MonitorError(f"{name!r} {says}")
    locator = Locator((evidence((name,), fuzzy=least),))
    written: dict[str, Counter[str]] = {}
    headlines: dict[str, str] = {}
    stories: Counter[str] = Counter()
    for story in _stories(database, since):
        for folded, text in _found(locator, StoryWords(text_of(story))).items():
            written.setdefault(folded, Counter())[text] += 1
            headlines[folded] = story.title
            stories[folded] += 1
    found = (
        Spelling(
            text=written[folded].most_common(1)[0][0],
            similarity=round(max(fuzz.ratio(folded, form) for form in forms), 1),
            stories=count,
            headline=headlines[folded],
        )
        for folded, count in stories.items()
    )
    return tuple(sorted(found, key=lambda one: (-one.similarity, -one.stories, one.text)))


def _stories(database: Database, since: datetime):
    with database.read() as tx:
        ids = archive.list_ids(tx, since=since)
        for begin in range(0, len(ids), BATCH):
            yield from archive.read_stories(tx, ids[begin : begin + BATCH])


def _found(locator: Locator, words: StoryWords) -> dict[str, str]:
    """The spellings in one story: folded → as written there first."""
    found: dict[str, str] = {}
    for first, after, _, _ in sorted({place for places in locator.find(words).values() for place in places}):
        start, end = words.span(first, after)
        found.setdefault(" ".join(words.folded[first:after]), words.texts[words.field_of(first)][start:end])
    return found
