"""What a feed's answers teach of how to ask it next: where, with which validators, how often.

    asking      the next request, from what is known
    succeeded   what is known after an answer
    failed      … and after a failure
    own_pace    the interval that a feed has earned

Decides with values only. When exactly is `pace`'s to say.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.model import Ask, FeedState, Fetched, Habits, NotModified, ParsedFeed, Validators

FORCED_AFTER = timedelta(days=7)  # of nothing but 304: one whole document, lest the server errs for ever (design: H6)
CONFIRMED, CONFIRMED_OVER = 5, timedelta(hours=24)  # the same permanent redirect so often, over so long (design: H9)
ORIGINAL_AGAIN = timedelta(hours=24)  # a moved feed whose new address fails: the old one is asked so often (design: C7)
GONE_AFTER, GONE_OVER = 3, timedelta(hours=24)  # 410 so often, over so long: it is believed (design: H15)

EQUAL_BODIES = 3  # unconditional answers in a row that were the same (design: A7)
UNCONDITIONAL = timedelta(hours=7)  # … then at most 4 a day, whatever the jitter
QUIET_AFTER, QUIET = timedelta(days=30), timedelta(hours=4.5)  # nothing new for so long: 4 h at least (design: B5)
MOST_QUICKENED = 4  # a sixteenth of the interval
ROLLS_OVER, CALM = 1 / 2, 1 / 8  # share of a document that is new
FEW = 4  # entries of which no share is taken


def asking(state: FeedState, now: datetime) -> Ask:
    """What to ask for now."""
    habits = state.habits
    stubborn = state.failures > 0 and (
        habits.original_asked_at is None or now - habits.original_asked_at >= ORIGINAL_AGAIN
    )
    url = None if habits.moved_to is None or stubborn else habits.moved_to
    if habits.last_full_at is not None and now - habits.last_full_at >= FORCED_AFTER:
        return Ask(url=url)
    return Ask(url=url, validators=state.validators, validators_url=habits.validators_url)


def is_forced(state: FeedState, ask: Ask) -> bool:
    """Whether a whole document is asked for although its server gave validators."""
    return ask.validators == Validators() != state.validators


def succeeded(
    state: FeedState,
    ask: Ask,
    answer: Fetched | NotModified,
    *,
    now: datetime,
    may_move: bool,
    parsed: ParsedFeed | None,
    body_is_known: bool,
) -> Habits:
    """What is known after an answer. `may_move`: the feed has no secret that must stay with its host; `parsed` is None
    where the document was not read, `body_is_known` says that it was the same bytes as before."""
    habits = _moved(state.habits, ask, answer, now, may_move=may_move)
    if habits.validators_url != answer.url or habits.gone_answers:
        habits = replace(habits, validators_url=answer.url, gone_answers=0, gone_since=None)
    if isinstance(answer, Fetched):
        bare = answer.validators == Validators()
        equal = habits.equal_bodies + 1 if bare and body_is_known else 0
        habits = replace(habits, last_full_at=now, equal_bodies=equal)
    if parsed is not None:
        ttl = int(parsed.ttl.total_seconds()) if parsed.ttl else 0
        habits = replace(habits, ttl_seconds=ttl, skip_hours=sum(1 << hour for hour in set(parsed.skip_hours)))
    return habits


def failed(habits: Habits, ask: Ask, *, status: int | None, now: datetime) -> Habits:
    """What is known after a failure; `status` None: nobody answered."""
    if ask.url is None and habits.moved_to is not None:
        habits = replace(habits, original_asked_at=now)
    if status == 304 and habits.last_full_at is not None:  # to an unconditional request: it is not asked so for a week
        habits = replace(habits, last_full_at=now)
    if status == 410:
        return replace(habits, gone_answers=habits.gone_answers + 1, gone_since=habits.gone_since or now)
    return habits if status is None else replace(habits, gone_answers=0, gone_since=None)


def is_gone(habits: Habits, now: datetime) -> bool:
    """Whether a feed has said often and long enough that it is gone for good."""
    since = habits.gone_since
    return habits.gone_answers >= GONE_AFTER and since is not None and now - since >= GONE_OVER


def turned_over(habits: Habits, *, entries: int, new: int, gap: bool, elapsed: timedelta, pace: timedelta) -> Habits:
    """The same, quickened where so much of a document is new that entries may be missed, calmed where little is.

    `elapsed` is the time since the last good check, `pace` what it was meant to be: after an outage a full document
    says nothing. `gap`: nothing of the last check is in this one.
    """
    if elapsed > 1.5 * pace:
        return habits
    share = new / entries if entries >= FEW else 0.0
    if gap or share >= ROLLS_OVER:
        return replace(habits, quickened=min(habits.quickened + 1, MOST_QUICKENED))
    return replace(habits, quickened=habits.quickened - 1) if habits.quickened and share <= CALM else habits


def own_pace(
    habits: Habits, interval: timedelta, *, own_interval: bool, changed_at: datetime | None, now: datetime
) -> timedelta:
    """The interval between checks that a feed has earned.

    Shorter where it rolls over. Longer where nothing new came for long, or where its server gives no validators and
    sends the same again and again; but not against the operator's word for this very feed (`own_interval`).
    """
    if habits.quickened:
        return interval / 2**habits.quickened
    if own_interval:
        return interval
    if habits.equal_bodies >= EQUAL_BODIES:
        interval = max(interval, UNCONDITIONAL)
    quiet = changed_at is not None and now - changed_at >= QUIET_AFTER
    return max(interval, QUIET) if quiet else interval


def _moved(habits: Habits, ask: Ask, answer: Fetched | NotModified, now: datetime, *, may_move: bool) -> Habits:
    if ask.url is None and habits.moved_to is not None:  # the old address, asked again
        habits = replace(habits, original_asked_at=now)
        if answer.url != habits.moved_to:
            habits = replace(habits, moved_to=None)
    if answer.moved_to is None or not may_move:
        forgotten = habits.redirect_to is None and not habits.redirects
        return habits if forgotten else replace(habits, redirect_to=None, redirects=0, redirect_since=None)
    if answer.moved_to != habits.redirect_to:
        return replace(habits, redirect_to=answer.moved_to, redirects=1, redirect_since=now)
    habits = replace(habits, redirects=habits.redirects + 1)
    if habits.redirects < CONFIRMED or now - habits.redirect_since < CONFIRMED_OVER:
        return habits
    since = None
    return replace(
        habits, moved_to=answer.moved_to, original_asked_at=now, redirect_to=None, redirects=0, redirect_since=since
    )
