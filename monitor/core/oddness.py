"""What a feed's new document shows to be odd about the feed: a reset, unstable guids, another publication.

Pure: entries and what is known of them come in, an opinion goes out. That entries are new is found in
store/stories.py; what is held back here stays silent by core/decide.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.core.plain import plain_text, without_joiners
from monitor.model import Entry, Oddity, OddityKind

# More than half of a known feed, and more than so many entries, at once (design: reset guard; NetNewsWire #324).
RESET_SHARE, RESET_ENTRIES = 0.5, 20
CHURN_SHARE, CHURN_ENTRIES = 0.5, 3  # so much of what is known came under another guid
TITLE_LENGTH = 80
LATE = timedelta(hours=24)  # by so much an entry may be older than the check before and still be news
QUARANTINE = timedelta(hours=24)  # for so long the operator may let out what was held back


def looks_like_reset(entries: int, new: int) -> bool:
    """Whether so much of a known feed's document is new that the feed itself may have changed rather than the news."""
    return new > RESET_ENTRIES and new > RESET_SHARE * entries


def looks_churning(known: int, renamed: int) -> bool:
    """Whether so many of the known entries came under another guid that the guids cannot be trusted."""
    return renamed >= CHURN_ENTRIES and renamed > CHURN_SHARE * known


def doubtful(new: Iterable[Entry], *, checked_at: datetime, missed: bool) -> frozenset[str]:
    """Of the new entries in what looks like a reset, those that no date shows to be news: dated well before
    `checked_at`, when the feed was last read, or not at all.

    `missed` says that the feed could not be read for long: entries without a date are then taken for what was missed.
    """
    since = checked_at - LATE
    return frozenset(
        entry.id for entry in new if (not missed if entry.published_at is None else entry.published_at <= since)
    )


def said_of(oddity: Oddity) -> str:
    """What is odd, in words that follow a feed's name."""
    match oddity.kind:
        case OddityKind.UNSTABLE_GUIDS:
            return "makes up new guids for old items; they are told apart by their addresses"
        case OddityKind.QUARANTINE:
            return f"{oddity.count} items suddenly look new, as after a reset; they are kept and alert nobody"
        case OddityKind.OTHER_PUBLICATION:
            before, now = oddity.detail.split("\n")
            return f"calls itself {now!r} now, it was {before!r}; nothing in it was known"
        case OddityKind.SET_ASIDE:
            return f"{oddity.count} times nobody could read the same document to its end"
        case OddityKind.TRUNCATED:
            return f"{oddity.count:,} items too many in one document; they are not read"
        case OddityKind.PAGES_ELSEWHERE:
            return f"links to {oddity.detail}, whose pages are not read unless its article_domains name it"


def shown_title(title: str | None) -> str:
    """A feed's title in one clean line."""
    return " ".join(plain_text(title or "").split())[:TITLE_LENGTH]


def same_publication(before: str | None, now: str) -> bool:
    """Whether two titles of a feed may be those of one publication: they share a word that is not a common one."""
    known, found = _words(before or ""), _words(now)
    return not known or not found or bool(known & found)


def _words(title: str) -> frozenset[str]:
    folded = "".join(c if c.isalnum() else " " for c in without_joiners(plain_text(title)).casefold())
    return frozenset(word for word in folded.split() if word not in _EVERYWHERE)


_EVERYWHERE = frozenset(
    "the a an and of in on for from to by rss feed feeds news latest top stories headlines all world home page site"
    " breaking updates der die das und le la les el los de du des com www".split()
)
