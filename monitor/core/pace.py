"""When next: the next check of a feed, the next attempt of a delivery.

Decides with values only: `now` and the facts come in, a time goes out. It does not look at a clock, roll
dice (jitter is a hash of the name, so the same question has the same answer after a crash) or store
anything. Two laws hold everywhere: never earlier than the server asked, never later than the cap.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.core.names import key_of

ASKED_AT_MOST = timedelta(hours=24)  # the longest Retry-After that is believed (design: limits by default)
THROTTLED = timedelta(minutes=15)  # first back-off after a 429 that names no time; doubles (design: C2)
REFUSED_AT_LEAST = timedelta(hours=1)  # base of the back-off for 401, 403, 404, 407: people mend those (design: C6)
GONE_SOON, GONE_LATER = timedelta(hours=12), timedelta(days=7)  # after 410: three over a day, then weekly (design: C5)
GONE_AFTER = 3  # failures in a row that make a 410 believed

FASTER, SLOWER = 0.08, 0.10  # jitter within ±10 %; less on the fast side: an hour never shrinks below 55 minutes (B1)

FIRST_RETRY = timedelta(seconds=5)  # of a delivery; doubles (design: delivery retry)
LONGEST_RETRY = timedelta(hours=1)
LEAST_RETRY = timedelta(seconds=1)  # full jitter may choose any moment, but not "at once"
EXPIRES_AFTER = timedelta(hours=72)  # a delivery that nobody took becomes a dead letter

_DOUBLINGS = 20  # from one second past every cap, from a year not past what a timedelta holds


def next_check(
    interval: timedelta,
    *,
    now: datetime,
    feed_name: str,
    min_interval: timedelta,
    max_interval: timedelta,
    failures: int = 0,
    status: int | None = None,
    retry_after: timedelta | None = None,
    max_age: timedelta | None = None,
    ttl: timedelta | None = None,
) -> datetime:
    """When to check a feed again.

    `interval` is the feed's own; `failures` counts the failed checks in a row including this one (0: it went well,
    and then `status` is not looked at); `status` is the HTTP status of the failure, None where there was no answer.
    `retry_after` is what a failing server asked for, `max_age` (Cache-Control) and `ttl` (the feed's own) what a
    willing one did. Never before `now + min_interval` or `now + retry_after` (at most 24 h of it), never after
    `now + max_interval` unless Retry-After asks for more or the feed is gone (410: weekly).
    """
    interval, seed = min(interval, max_interval), (feed_name, str(int(now.timestamp())))
    asked = min(retry_after or timedelta(0), ASKED_AT_MOST)
    if failures <= 0:
        wait = _after_success(interval, max(max_age or timedelta(0), ttl or timedelta(0), asked), seed)
    elif status == 410:
        return now + max(_stretched(GONE_LATER if failures >= GONE_AFTER else GONE_SOON, seed), asked)
    else:
        wait = max(_after_failure(interval, failures, status, seed), _stretched(asked, seed))
    return now + max(min(max(wait, min_interval), max_interval), asked)


def next_attempt(attempts: int, *, now: datetime, delivery_id: str, retry_after: timedelta | None = None) -> datetime:
    """When to try a delivery again after its `attempts`-th attempt (from 1) failed.

    Exponential from 5 s to 1 h with full jitter: any moment from 1 s to the whole wait. Never earlier than
    `retry_after` (at most 24 h of it), never later than the greater of it and 1 h.
    """
    longest = min(_doubled(FIRST_RETRY, attempts - 1), LONGEST_RETRY)
    wait = max(longest * _fraction("attempt", delivery_id, str(attempts)), LEAST_RETRY)
    return now + max(wait, min(retry_after or timedelta(0), ASKED_AT_MOST))


def expired(first_attempt_at: datetime | None, now: datetime) -> bool:
    """Whether a delivery has been tried for so long (72 h) that it becomes a dead letter."""
    return first_attempt_at is not None and now - first_attempt_at >= EXPIRES_AFTER


def spread(name: str, window: timedelta) -> timedelta:
    """A feed's own place in `window`, from nothing to just under it; the same every time.

    At a start many feeds are due at once: each waits this long first.
    """
    return window * _fraction("spread", name)


# ── how long ─────────────────────────────────────────────────────────────────────────────────────


def _after_success(interval: timedelta, asked: timedelta, seed: tuple[str, ...]) -> timedelta:
    wobble = interval * (1 - FASTER + (FASTER + SLOWER) * _fraction("check", *seed))
    return max(wobble, _stretched(asked, seed))


def _after_failure(interval: timedelta, failures: int, status: int | None, seed: tuple[str, ...]) -> timedelta:
    if status == 429:
        return _stretched(max(_doubled(THROTTLED, failures - 1), interval), seed)
    base = max(interval, REFUSED_AT_LEAST) if status in (401, 403, 404, 407) else interval
    # jitter over the upper half only: the first retry never comes sooner than a check would have
    return _doubled(base, failures) * (0.5 + 0.5 * _fraction("failure", *seed))


def _stretched(asked: timedelta, seed: tuple[str, ...]) -> timedelta:
    """At least what was asked, a little later for some, so that not all come back in the same second."""
    return asked * (1 + SLOWER * _fraction("asked", *seed))


def _doubled(base: timedelta, times: int) -> timedelta:
    return base * 2 ** min(max(times, 0), _DOUBLINGS)


def _fraction(*parts: str) -> float:
    """A number in [0, 1) that looks random and is not."""
    return (key_of("pace", *parts) >> 10) / 2**53
