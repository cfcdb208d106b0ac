"""A watchlist that is new or changed, and the stories that are in the archive already.

They are not told, unless the watchlist says `backfill`: then those that are young enough are judged as if they came in
now, once, in the transaction that remembers the watchlist. What has been told before is not told again. Does not watch
files (app.py does) and does not send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

import sqlalchemy as sa

from monitor.core.pipeline import Arrival, History, Policy, judge
from monitor.core.policy import SINGLES
from monitor.core.score import compile_watchlists
from monitor.core.wire import read_headline
from monitor.model import Assignment, Backfilled, Entry, Judged, Watchlist
from monitor.store import archive, letters, meta, outbox, silences, stories
from monitor.store.archive import Archived

REMEMBERED = "watchlists"  # the row of meta: id → digest, since
BATCH = 500  # stories


def remember(tx: sa.Connection, policy: Policy, now: datetime) -> tuple[Backfilled, Mapping[str, datetime]]:
    """Note which watchlists are in force and since when each is as it is; of those that are new or changed since the
    last note, judge the archive for which they ask. Doing it twice does nothing the second time.

    Returns what was judged, and for each watchlist since when it is as it is.
    """
    known = meta.get_all(tx).get(REMEMBERED)
    notes = {watchlist.id: _note(watchlist, (known or {}).get(watchlist.id), now) for watchlist in policy.watchlists}
    loaded_at = {name: datetime.fromisoformat(note["since"]) for name, note in notes.items()}
    if known == notes:
        return Backfilled(), loaded_at
    meta.put(tx, REMEMBERED, notes)
    changed = [one for one in policy.watchlists if known and known.get(one.id) != notes[one.id]]
    asking = tuple(one for one in changed if one.backfill is not None)
    return _judge_archive(tx, policy, asking, now) if asking else Backfilled(), loaded_at


def _note(watchlist: Watchlist, known: Mapping[str, str] | None, now: datetime) -> dict[str, str]:
    digest = digest_of(watchlist)
    return dict(known) if known and known["digest"] == digest else {"digest": digest, "since": now.isoformat()}


def digest_of(watchlist: Watchlist) -> str:
    """What a watchlist means; its inline tests and where they stand do not count."""
    return blake2b(repr(replace(watchlist, tests=())).encode(), digest_size=16).hexdigest()


def _judge_archive(tx: sa.Connection, policy: Policy, asking: tuple[Watchlist, ...], now: datetime) -> Backfilled:
    since = now - max(watchlist.backfill for watchlist in asking)
    found = archive.list_ids(tx, since=since)
    policy = replace(policy, watchlists=asking, compiled=compile_watchlists(asking), loaded_at={})
    alerts = 0
    for begin in range(0, len(found), BATCH):
        judged = _judge(tx, archive.read_stories(tx, found[begin : begin + BATCH]), policy, now)
        stories.save_decisions(tx, judged, now)
        outbox.enqueue(tx, [delivery for one in judged for delivery in one.deliveries])
        alerts += sum(one.alerts for one in judged)
    return Backfilled(watchlists=tuple(one.id for one in asking), stories=len(found), alerts=alerts)


def _judge(tx: sa.Connection, found: Sequence[Archived], policy: Policy, now: datetime) -> tuple[Judged, ...]:
    arrivals = tuple(
        Arrival(entry=_entry(story), assignment=Assignment(story=story.id), is_edit=True) for story in found
    )
    standings = stories.standings(tx, [story.id for story in found])
    history = History(silences=silences.in_force(tx, now), singles=letters.singles_since(tx, now - SINGLES))
    age = {story.id: now - (story.published_at or story.first_seen_at) for story in found}
    span = {watchlist.id: watchlist.backfill for watchlist in policy.watchlists}
    return tuple(
        _first_alerts(one, [name for name, backfill in span.items() if age[one.assignment.story] > backfill])
        for one in judge(arrivals, standings, policy, history, now=now)
    )


def _first_alerts(one: Judged, unwanted: Sequence[str]) -> Judged:
    """Without updates of what was told before, and without what watchlists would say that do not look back so far."""
    decisions = tuple(d for d in one.decisions if not d.again and d.match.watchlist not in unwanted)
    alerts = {decision.alert.id for decision in decisions if decision.alert}
    return replace(one, decisions=decisions, deliveries=tuple(d for d in one.deliveries if d.alert in alerts))


def _entry(story: Archived) -> Entry:
    """A story as one entry: its founder's headline over the fullest text of any copy."""
    return Entry(
        id=story.id,
        feed=story.feeds[0] if story.feeds else "",
        outlet=story.outlet,
        guid="",
        url=story.url,
        title=story.title,
        headline=read_headline(story.title, story.outlet).text,
        slug=read_headline(story.title, story.outlet).slug,
        summary=story.lead,
        body=story.body,
        language=story.language,
        published_at=story.published_at,
        credit=story.credit,
    )
