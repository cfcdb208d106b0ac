"""The second reading: pages behind the links of stories that a watchlist nearly took.

    articles row ──claim──▶ Wanted ──robots.txt──▶ fetch ──▶ extract (a child) ──▶ ParsedEntry          a few at once
    ┌────────────────────────── one write transaction ──────────────────────────┐
    │ the entry with the page's text ─▶ recognise ─▶ judge again ─▶ save + enqueue │
    └────────────────────────────────────────────────────────────────────────────┘

Comes after judging, so that what alerts by its feed alone is not delayed. The list of pages is in the database, written
with the entries: a crash in between loses nothing, and a page that is read twice alerts once. Does not choose pages
(core/articles.py) and does not log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor import again, crash
from monitor.core import pipeline
from monitor.core.articles import belongs, with_page
from monitor.core.policy import Policy
from monitor.core.robots import EVERYTHING, Rules, may_read, read_robots
from monitor.errors import FeedError, FetchError, StoreError
from monitor.model import ArticleRead, ArticleStatus, Feed, Fetched, ParsedEntry, Rule, Wanted
from monitor.store import articles, candidates, merging, stories
from monitor.store.stories import Known
from monitor.writer import Writer

GAP = timedelta(seconds=5)  # between two pages of one site (design: C8)
ROBOTS_FOR = timedelta(hours=24)  # a site's robots.txt is asked for once a day at most (RFC 9309, 2.4)
AT_ONCE = 8  # pages being read
ATTEMPTS = 3
AGAIN_AFTER, AGAIN_AT_MOST = timedelta(minutes=10), timedelta(hours=2)  # four times as long each time

Fetch = Callable[[str, Feed], Awaitable[Fetched]]
FetchPage = Callable[[str, Feed, Callable[[str], bool]], Awaitable[Fetched]]  # the last says what may be redirected to
ReadPage = Callable[[Fetched], Awaitable[ParsedEntry]]


class Articles:
    """Reads pages. `fetch_page`, `fetch_robots` and `read_page` are the edges; `policy`, `feeds` and `story_window`
    give what is in force now."""

    def __init__(
        self,
        writer: Writer,
        fetch_page: FetchPage,
        fetch_robots: Fetch,
        read_page: ReadPage,
        *,
        policy: Callable[[], Policy],
        feeds: Callable[[], Mapping[str, Feed]],
        story_window: Callable[[], timedelta],
        clock: Callable[[], datetime],
        say: Callable[[ArticleRead], None],
        refused: Callable[[StoreError], None] = lambda error: None,
    ):
        """`refused` is told what the database refused to save."""
        self._writer = writer
        self._fetch_page, self._fetch_robots, self._read_page = fetch_page, fetch_robots, read_page
        self._policy, self._feeds, self._window = policy, feeds, story_window
        self._clock, self._say, self._refused = clock, say, refused
        self._busy: dict[str, asyncio.Task[None]] = {}  # by site

    async def start(self) -> int:
        """Claim pages that are due and start to read them; awaits no fetch. Returns how many."""
        room = AT_ONCE - len(self._busy)
        if room <= 0:
            return 0
        claimed = await self._writer.run(
            lambda tx: articles.claim_due(tx, self._clock(), busy=tuple(self._busy), gap=GAP, limit=room)
        )
        for wanted in claimed:
            task = asyncio.create_task(self._do(wanted))
            self._busy[wanted.origin] = task
            task.add_done_callback(lambda _, origin=wanted.origin: self._busy.pop(origin, None))
        return len(claimed)

    async def finish(self) -> None:
        """Wait for the pages that are being read."""
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def stop(self) -> None:
        """Let go of what is being read; it is still on the list."""
        for task in tuple(self._busy.values()):
            task.cancel()
        await self.finish()

    # ── one page ─────────────────────────────────────────────────────────────────────────────────

    async def _do(self, wanted: Wanted) -> None:
        try:
            fact = await self._try(wanted)
        except StoreError as error:  # nothing of it is saved; the lease passes, and it is read again
            self._refused(error)
            fact = _fact(wanted, "again", error=str(error))
        self._say(fact)

    async def _try(self, wanted: Wanted) -> ArticleRead:
        try:
            return await self._read(wanted)
        except FeedError as error:
            return await self._failed(wanted, error)
        except StoreError:
            raise
        except Exception as error:  # one odd page must not stop the others, nor come back for ever
            why = f"internal error: {type(error).__name__}: {error}"
            return await self._settle(wanted, ArticleStatus.FAILED, why)

    async def _read(self, wanted: Wanted) -> ArticleRead:
        feed = self._feeds().get(wanted.feed)
        if feed is None:
            return await self._settle(wanted, ArticleStatus.REFUSED, "its feed is configured no longer")
        rules = await self._rules(wanted.origin, feed)
        pause = max(GAP, timedelta(seconds=rules.delay)) if rules else GAP
        astray = ""

        def may_follow(target: str) -> bool:
            nonlocal astray
            why = _why_not(target, feed, rules)
            astray = f"leads to {target[:200]}: {why}" if why else ""
            return not why

        try:
            if why := _why_not(wanted.url, feed, rules):
                return await self._settle(wanted, ArticleStatus.REFUSED, why)
            answer = await self._fetch_page(wanted.url, feed, may_follow)
        except FetchError:
            if not astray:
                raise
            return await self._settle(wanted, ArticleStatus.REFUSED, astray)
        finally:
            await self._writer.run(articles.pause, wanted.origin, self._clock() + pause)
        page = await self._read_page(answer)
        crash.reach("page_read")
        return await self._writer.run(self._commit, wanted, page, self._policy(), self._clock())

    async def _rules(self, origin: str, feed: Feed) -> Rules | None:
        """What the site's robots.txt says, asked once a day at most: who has none allows all; None where it cannot be
        read and never was, which allows nothing (RFC 9309, 2.3.1)."""
        known, asked_at = await self._writer.run(articles.robots_of, origin)
        before = _rules_of(known) if known else None
        if asked_at is not None and self._clock() - asked_at < ROBOTS_FOR:
            return before
        try:
            answer = await self._fetch_robots(f"{origin}/robots.txt", feed)
            rules: Rules | None = read_robots(answer.body)
        except FetchError as error:
            if error.status is None:  # nobody was reached: the page is tried again, and its site then
                raise
            rules = EVERYTHING if 400 <= error.status < 500 and error.status != 429 else None
        await self._writer.run(articles.keep_robots, origin, rules, self._clock())
        return rules or before

    async def _failed(self, wanted: Wanted, error: FeedError) -> ArticleRead:
        """Try again after a passing fault, for a day where nobody was reached; a page that is not there, or cannot be
        read, is settled."""
        if not _passes(error) or (error.status is not None and wanted.attempts >= ATTEMPTS):
            return await self._settle(wanted, ArticleStatus.FAILED, str(error))
        wait = min(AGAIN_AFTER * 4 ** (wanted.attempts - 1), AGAIN_AT_MOST)
        at = self._clock() + max(error.retry_after or GAP, wait)
        await self._writer.run(articles.try_again, wanted.story, str(error), at)
        return _fact(wanted, "again", error=str(error))

    async def _settle(self, wanted: Wanted, state: ArticleStatus, why: str) -> ArticleRead:
        await self._writer.run(articles.settle, wanted.story, state, why)
        return _fact(wanted, state.value, error=why)

    # ── judge: in single file ────────────────────────────────────────────────────────────────────

    def _commit(
        self, tx: sa.Connection, wanted: Wanted, page: ParsedEntry, policy: Policy, now: datetime
    ) -> ArticleRead:
        known = stories.read_entries(tx, [wanted.entry]).get(wanted.entry)
        known = again.as_read(known) if known else None
        longer = with_page(known.entry, page) if known else None
        articles.settle(tx, wanted.story, ArticleStatus.DONE)
        if longer is None:
            return _fact(wanted, "no_more")
        known = self._recognised(tx, replace(known, entry=longer), now)
        judged = again.judge_again(tx, [known], policy, now)
        stories.save_text(tx, judged, now)
        crash.reach("page_saving")
        return _fact(wanted, "read", alerts=sum(one.alerts for one in judged))

    def _recognised(self, tx: sa.Connection, known: Known, now: datetime) -> Known:
        """The longer text may show an entry's story to be another one's: then they are merged."""
        if known.rule is not Rule.FOUNDER or len(stories.list_pickups(tx, [known.story]).get(known.story, ())) != 1:
            return known
        snapshot = candidates.snapshot(tx, [known.entry], pipeline.promising)
        others = tuple(one for one in snapshot.candidates if one.story != known.story)
        snapshot = replace(snapshot, candidates=others)
        assignment = pipeline.recognise((known.entry,), snapshot, now=now, window=self._window())[0]
        if assignment.rule is Rule.FOUNDER:
            return known
        merging.merge_stories(tx, assignment.story, (known.story,), now)
        return replace(known, story=assignment.story, rule=assignment.rule, similarity=assignment.similarity)


def _passes(error: FeedError) -> bool:
    if not isinstance(error, FetchError) or error.permanent:
        return False
    return error.status is None or error.status == 429 or error.status >= 500


def _why_not(url: str, feed: Feed, rules: Rules | None) -> str:
    """Why a page must not be asked for, or ""."""
    if not belongs(url, feed):
        return "not in a domain of its feed"
    if rules is None:
        return "the site's robots.txt could not be read"
    return "" if may_read(rules, url) else "the site's robots.txt forbids it"


def _rules_of(kept: Mapping[str, object]) -> Rules:
    patterns = tuple((bool(allow), str(pattern)) for allow, pattern in kept["patterns"])
    return Rules(patterns=patterns, delay=float(kept["delay"]))


def _fact(wanted: Wanted, outcome: str, *, alerts: int = 0, error: str | None = None) -> ArticleRead:
    return ArticleRead(
        feed=wanted.feed, story=wanted.story, url=wanted.url, outcome=outcome, alerts=alerts, error=error
    )
