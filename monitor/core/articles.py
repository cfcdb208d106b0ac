"""The page behind a story's link: when it is worth reading, and what of it becomes the entry's text.

Pure. Fetching is articles.py's work, finding the article on its page core/extract.py's, judging core/judging.py's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from monitor.core.domains import domain_of, origin_of, within
from monitor.core.normalise import TEXT_LENGTH, with_body
from monitor.core.policy import Policy
from monitor.core.sketch import fold_words, telling_of
from monitor.core.urls import is_web_address
from monitor.model import NEAR_ENOUGH, Entry, Feed, Judged, Match, ParsedEntry, Reason, Standing, Verdict, Wanted

WHOLE_TEXT = 3_000  # characters: a feed that gives so much gives the article itself
SAME_TITLE = 0.5  # of a headline's telling words in the page's title: it is the story's page
_UNDECIDED = (Reason.BELOW_THRESHOLD, Reason.REQUIRED_ABSENT)


def near(matches: Sequence[Match], before: Standing) -> bool:
    """Whether more text may decide: a watchlist that was not told yet is silent at half its threshold or more, or for
    want of a required term."""
    told = {one.watchlist for one in before.alerted} if matches else ()
    return any(
        match.verdict is Verdict.SILENT
        and match.reason in _UNDECIDED
        and match.score >= NEAR_ENOUGH * match.threshold
        and match.watchlist not in told
        for match in matches
    )


def worth_reading(
    judged: Sequence[Judged],
    feeds: Mapping[str, Feed],
    policy: Policy,
    *,
    seeding: frozenset[str],
    held: frozenset[str],
    now: datetime,
) -> tuple[tuple[Wanted, ...], Mapping[str, str]]:
    """Which stories' pages to read, one a story; and of feeds (by name) whose pages lie in a domain that is not theirs,
    that domain.

    Of feeds on their first check (`seeding`) only as many as could still alert; of entries in quarantine (`held`) none.
    """
    chosen = [one for one in judged if _is_wanted(one, policy) and one.entry.id not in held]
    chosen = _without_backlog(chosen, judged, policy, seeding, now)
    wanted: dict[str, Wanted] = {}
    elsewhere: dict[str, str] = {}
    for one in chosen:
        entry, story = one.entry, one.assignment.story
        if not belongs(entry.url, feeds[entry.feed]):
            elsewhere[entry.feed] = domain_of(entry.url)
        elif story not in wanted:
            wanted[story] = Wanted(
                story=story, entry=entry.id, feed=entry.feed, url=entry.url, origin=origin_of(entry.url)
            )
    return tuple(wanted.values()), elsewhere


def belongs(url: str, feed: Feed) -> bool:
    """Whether a page may be read for this feed: it lies in the feed's own domain, or in one that the operator named. A
    feed chooses its links, and must not have us knock at other people's doors."""
    return within(url, (domain_of(feed.url), *feed.article_domains))


def with_page(entry: Entry, page: ParsedEntry) -> Entry | None:
    """The entry with the text of its page; None where the page has no more than the feed said, or is not about it (a
    wall, a notice that the article is gone)."""
    body = page.body.strip()[:TEXT_LENGTH]
    if len(body) <= max(len(entry.body), len(entry.summary)):
        return None
    longer = with_body(entry, body)
    return longer if longer.sketch.body or _titled_alike(entry, page.title) else None


def _is_wanted(one: Judged, policy: Policy) -> bool:
    asked = one.near if policy.articles == "matching" else policy.articles == "always" and not one.is_edit
    return asked and is_web_address(one.entry.url) and len(one.entry.body) < WHOLE_TEXT


def _without_backlog(
    chosen: list[Judged], judged: Sequence[Judged], policy: Policy, seeding: frozenset[str], now: datetime
) -> list[Judged]:
    """Of feeds on their first check, what is young, and no more than would be alerted had it matched."""
    alerts = Counter(one.entry.feed for one in judged for decision in one.decisions if decision.alert)
    first: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in chosen:
        published_at = one.entry.published_at
        if one.entry.feed in seeding and published_at is not None and now - published_at <= policy.backlog:
            first[one.entry.feed].append(one)
    kept = [one for one in chosen if one.entry.feed not in seeding]
    for feed, ones in first.items():
        kept += _newest_first(ones)[: max(policy.backlog_max - alerts[feed], 0)]
    return kept


def _newest_first(ones: Iterable[Judged]) -> list[Judged]:
    return sorted(ones, key=lambda one: one.entry.published_at, reverse=True)


def _titled_alike(entry: Entry, title: str) -> bool:
    telling = telling_of(tuple(fold_words(entry.headline or entry.title)))
    return bool(telling) and len(telling & set(fold_words(title))) >= SAME_TITLE * len(telling)
