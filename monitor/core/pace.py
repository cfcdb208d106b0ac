"""When next: the next check of a feed, the next attempt of a delivery.

Decides with values only: `now` and the facts come in, a time goes out. It does not look at a clock, roll
dice (jitter is a hash of the name, so the same question has the same answer after a crash) or store
anything. Two laws hold everywhere: never earlier than the server asked, never later than the cap.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.core.names import key_of

ASKED_AT_MOST = timedelta(hours=24)  # the longest Retry-After that is believed (design: limits by default)
THROTTLED = timedelta(minutes=15)  # first back-off after a 429 that names no time; doubles (design: C2)
REFUSED = (401, 403, 404, 407)
REFUSED_AT_LEAST = timedelta(hours=1)  # base of the back-off for what only people can mend: 403, 404 … (design: C6)
GONE_SOON, GONE_LATER = timedelta(hours=12), timedelta(days=7)  # after 410, and once it is believed (design: C5)

FASTER, SLOWER = 0.08, 0.10  # jitter within ±10 %; less on the fast side: an hour never shrinks below 55 minutes (B1)
FIRST_SLOWER = 0.5  # … and after a first check: feeds added together must not come back together (design: B2)

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
    refused: bool = False,
    gone: bool = False,
    first: bool = False,
    retry_after: timedelta | None = None,
    max_age: timedelta | None = None,
    ttl: timedelta | None = None,
    skip_hours: int = 0,
) -> datetime:
    """When to check a feed again.

    `interval` is the feed's own; `failures` counts the failed checks in a row including this one (0: it went well,
    and then `status` is not looked at); `status` is the HTTP status of the failure, None where there was no answer;
    `refused`: as a 403, whatever it is; `gone`: the 410 is believed; `first`: this was its first check. `retry_after`
    is what a failing server asked for, `max_age` (Cache-Control), `ttl` and `skip_hours` (the feed's own; bit n is the
    hour n, UTC) what a willing one did. Never before `now + min_interval` or `now + retry_after` (at most 24 h of it),
    never after `now + max_interval` unless Retry-After asks for more or the feed is gone (410: weekly).
    """
    interval, seed = min(interval, max_interval), (feed_name, str(int(now.timestamp())))
    asked = min(retry_after or timedelta(0), ASKED_AT_MOST)
    if failures <= 0:
        slower = FIRST_SLOWER if first else SLOWER
        wait = _after_success(interval, max(max_age or timedelta(0), ttl or timedelta(0), asked), seed, slower)
        wait = _past(skip_hours, now + wait, seed) - now
    elif status == 410:
        return now + max(_stretched(GONE_LATER if gone else GONE_SOON, seed), asked)
    else:
        wait = max(_after_failure(interval, failures, status, refused, seed), _stretched(asked, seed))
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


def turns(names: Iterable[str], window: timedelta) -> dict[str, timedelta]:
    """Each its own place in `window`, from nothing to just under it, evenly apart and in an order that no name gives.

    At a start, or after a sleep, many feeds are due at once: each waits this long first.
    """
    ordered = sorted(set(names), key=lambda name: key_of("pace", "turn", name))
    return {name: window * (place / len(ordered)) for place, name in enumerate(ordered)}


# ── how long ─────────────────────────────────────────────────────────────────────────────────────


def _after_success(interval: timedelta, asked: timedelta, seed: tuple[str, ...], slower: float) -> timedelta:
    wobble = interval * (1 - FASTER + (FASTER + slower) * _fraction("check", *seed))
    return max(wobble, _stretched(asked, seed)) if asked else wobble


def _past(skip_hours: int, due_at: datetime, seed: tuple[str, ...]) -> datetime:
    """The first moment from `due_at` on that is in no hour to be skipped; `due_at` where all are."""
    hours = (due_at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n) for n in range(24))
    allowed = next((hour for hour in hours if not skip_hours >> hour.hour & 1), None)
    if allowed is None or allowed <= due_at:
        return due_at
    return allowed + timedelta(minutes=5) * _fraction("skipped", *seed)


def _after_failure(
    interval: timedelta, failures: int, status: int | None, refused: bool, seed: tuple[str, ...]
) -> timedelta:
    if status == 429:
        return _stretched(max(_doubled(THROTTLED, failures - 1), interval), seed)
    base = max(interval, REFUSED_AT_LEAST) if refused or status in REFUSED else interval
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
