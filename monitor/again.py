"""Stories judged again with what the archive holds of them, as if their entries came in now.

    a feed let out of quarantine ─▶ its entries that were kept from alerting ─▶ judge ─▶ alerts
    a page that was read         ─▶ its entry, with the page's text          ─▶ judge ─▶ alerts

Within the transaction of the caller. What was told is not told again: that is core/decide.py's rule. New and changed
watchlists have a room of their own (backfill.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from monitor.core.pipeline import Arrival, History, Policy, judge
from monitor.core.policy import SINGLES
from monitor.core.wire import read_headline
from monitor.model import Judged, OddityKind
from monitor.store import feeds, letters, oddities, outbox, silences, stories
from monitor.store.stories import Known

RELEASED = "released"  # detail of a quarantine that the operator ended


def as_read(known: Known) -> Known:
    """An entry of the archive with the headline that it was judged by."""
    entry = known.entry
    return replace(known, entry=replace(entry, headline=read_headline(entry.title, entry.outlet).text))


def judge_again(tx: sa.Connection, found: Sequence[Known], policy: Policy, now: datetime) -> tuple[Judged, ...]:
    """Judge stored entries, and put what follows into the outbox; their stories are the caller's to save."""
    arrivals = tuple(Arrival(entry=one.entry, assignment=one.assignment, is_edit=True) for one in found)
    history = History(silences=silences.in_force(tx, now), singles=letters.singles_since(tx, now - SINGLES))
    judged = judge(arrivals, stories.standings(tx, {one.story for one in found}), policy, history, now=now)
    outbox.enqueue_all(tx, judged)
    return judged


def release(tx: sa.Connection, feed: str, now: datetime) -> int | None:
    """The operator lets a feed out of quarantine: what it held back alerts when `let_out` comes by. Returns how many
    entries that are, or None where it is in none."""
    held = oddities.of_kind(tx, OddityKind.QUARANTINE).get(feed)
    if held is None or (held.until_at is not None and held.until_at <= now):
        return None
    oddities.note(tx, feed, replace(held, detail=RELEASED))
    return held.count


def let_out(tx: sa.Connection, policy: Policy, now: datetime) -> tuple[tuple[str, int], ...]:
    """Judge what the feeds held back that were released. Returns each feed, and how many alerts that led to."""
    done = []
    for feed, held in oddities.of_kind(tx, OddityKind.QUARANTINE).items():
        if held.detail == RELEASED:
            found = [as_read(known) for known in stories.list_held(tx, feed, since=held.since_at)]
            judged = judge_again(tx, found, replace(policy, loaded_at={}), now)  # whatever watchlists are in force
            stories.save_decisions(tx, judged, now)
            oddities.forget(tx, feed, OddityKind.QUARANTINE)
            feeds.let_out(tx, feed)
            done.append((feed, sum(one.alerts for one in judged)))
    return tuple(done)
