"""A watchlist's scope, as a question about a story: its language, and the feeds that carried it."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

from monitor.model import Origin, Scope, StoryText


class Gate:
    """A scope, as a question about a story's language and the feeds that carried it."""

    def __init__(self, scope: Scope):
        self._languages = frozenset(map(primary_subtag, scope.languages))
        self._feeds, self._tags = _patterns(scope.feeds)
        self._not_feeds, self._not_tags = _patterns(scope.not_feeds)
        self._max_tier = scope.max_tier
        self._any_feed = not scope.feeds

    def passes(self, story: StoryText, origins: tuple[Origin, ...]) -> bool:
        """True where the language fits and any one of the origins does; a story of unknown language, or of no feed,
        is not held back for what nobody knows."""
        language = primary_subtag(story.language or "und")
        if self._languages and language != "und" and language not in self._languages:
            return False
        return not origins or any(map(self.takes, origins))

    def takes(self, origin: Origin) -> bool:
        """True where the scope holds this feed."""
        if self._max_tier is not None and origin.tier > self._max_tier:
            return False
        if _fits(origin, self._not_feeds, self._not_tags):
            return False
        return self._any_feed or _fits(origin, self._feeds, self._tags)


@lru_cache(maxsize=1 << 12)
def gate_of(scope: Scope) -> Gate:
    """Watchlists of one scope share a gate, so that it is asked once a story."""
    return Gate(scope)


def primary_subtag(language: str) -> str:
    """The language itself of a tag such as "en-GB", folded."""
    return re.split("[-_]", language.strip().casefold(), maxsplit=1)[0]


def _patterns(names: tuple[str, ...]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    """Globs of feed names, and of tags ("#…"), each as one pattern; None where there are none."""
    feeds = [translate(name) for name in names if not name.startswith("#")]
    tags = [translate(name[1:]) for name in names if name.startswith("#")]
    return (re.compile("|".join(feeds)) if feeds else None), (re.compile("|".join(tags)) if tags else None)


def _fits(origin: Origin, feeds: re.Pattern[str] | None, tags: re.Pattern[str] | None) -> bool:
    if feeds is not None and feeds.match(origin.feed):
        return True
    return tags is not None and any(map(tags.match, origin.tags))
