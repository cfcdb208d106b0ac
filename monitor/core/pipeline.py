"""The stages in order: `read` makes entries of a document, `recognise` finds their stories, `judge` what follows.

Pure, all three: what they need from the database comes in as records, what they decide goes out as records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from monitor.core import render
from monitor.core.decide import decide, recipients_of
from monitor.core.dedup import promising, recognise
from monitor.core.names import name_of
from monitor.core.normalise import normalise as read
from monitor.core.score import CompiledWatchlists, score_story
from monitor.model import (
    NEAR_MISS,
    Alert,
    Assignment,
    Channel,
    Decision,
    Delivery,
    Entry,
    Judged,
    Match,
    Origin,
    Pickup,
    Reason,
    Route,
    Standing,
    StoryText,
    Verdict,
    Waiting,
    Watchlist,
    record,
)

__all__ = ["Policy", "judge", "promising", "read", "recognise", "story_text"]


@record
class Policy:
    """What the operator configured, as far as judging needs it."""

    watchlists: tuple[Watchlist, ...]
    compiled: CompiledWatchlists
    origins: Mapping[str, Origin]  # by feed name
    routes: tuple[Route, ...] = ()
    channels: tuple[Channel, ...] = ()
    zone: tzinfo
    language: str = "en"  # of feeds that name none
    base_url: str = ""
    backlog: timedelta = timedelta(hours=24)
    backlog_max: int = 10


@record
class Arrival:
    """An entry that is to be judged: a new copy, or (`is_edit`) a new version of a known one."""

    entry: Entry
    assignment: Assignment
    is_edit: bool = False


def judge(
    arrivals: Sequence[Arrival],
    standings: Mapping[str, Standing],
    policy: Policy,
    *,
    now: datetime,
    seeding: frozenset[str] = frozenset(),
) -> tuple[Judged, ...]:
    """What follows from these entries, in order.

    `standings` are the known stories among those assigned; `seeding` names the feeds that are checked for the
    first time. Judging the same again, on what it led to, alerts nothing.
    """
    by_id = {watchlist.id: watchlist for watchlist in policy.watchlists}
    standing_of = dict(standings)
    scored: list[tuple[Arrival, Standing, tuple[Match, ...]]] = []
    for arrival in arrivals:
        story = arrival.assignment.story
        standing = standing_of.get(story) or Standing(story=story, first_seen_at=now)
        scored.append((arrival, standing, _matches(arrival, standing, policy)))
        standing_of[story] = _with_copy(standing, arrival, now)
    backlog = _backlog(scored, policy, now, seeding)
    told: dict[str, Standing] = {}
    judged = []
    for arrival, before, matches in scored:
        known = told.get(before.story)
        if known is not None:
            before = replace(before, alerted=known.alerted, waiting=known.waiting)
        one, told[before.story] = _judge_one(arrival, before, matches, by_id, policy, now, arrival.entry.id in backlog)
        judged.append(one)
    return tuple(judged)


def story_text(entry: Entry, standing: Standing | None = None) -> StoryText:
    """What watchlists search: this copy's headline over the fullest summary and body of any copy."""
    lead = max(entry.summary, standing.lead if standing else "", key=len)
    body = max(entry.body, standing.body if standing else "", key=len)
    if not lead:
        lead, _, body = body.partition("\n")
    return StoryText(
        title=entry.headline or entry.title,
        lead=lead,
        body=body,
        language=entry.language,
        published_at=entry.published_at,
    )


def _matches(arrival: Arrival, standing: Standing, policy: Policy) -> tuple[Match, ...]:
    feeds = dict.fromkeys((arrival.entry.feed, *(pickup.feed for pickup in standing.pickups)))
    origins = tuple(policy.origins.get(feed) or Origin(feed=feed) for feed in feeds)
    return score_story(story_text(arrival.entry, standing), origins, policy.compiled, least=NEAR_MISS)


def _with_copy(standing: Standing, arrival: Arrival, now: datetime) -> Standing:
    entry, assignment = arrival.entry, arrival.assignment
    pickup = Pickup(
        entry=entry.id,
        feed=entry.feed,
        outlet=entry.outlet,
        url=entry.url,
        title=entry.title,
        published_at=entry.published_at,
        seen_at=now,
        similarity=assignment.similarity,
        rule=assignment.rule,
    )
    others = tuple(known for known in standing.pickups if known.entry != entry.id)
    return replace(
        standing,
        pickups=standing.pickups if arrival.is_edit else (*others, pickup),
        lead=max(standing.lead, entry.summary, key=len),
        body=max(standing.body, entry.body, key=len),
    )


def _backlog(
    scored: Sequence[tuple[Arrival, Standing, tuple[Match, ...]]],
    policy: Policy,
    now: datetime,
    seeding: frozenset[str],
) -> frozenset[str]:
    """Entries of feeds on their first check that must not alert: too old, undated, or beyond the newest few."""
    matching: dict[str, list[Entry]] = {}
    silent = set()
    for arrival, _, matches in scored:
        entry = arrival.entry
        if entry.feed not in seeding:
            continue
        if entry.published_at is None or now - entry.published_at > policy.backlog:
            silent.add(entry.id)
        elif any(match.verdict is not Verdict.SILENT for match in matches):
            matching.setdefault(entry.feed, []).append(entry)
    for found in matching.values():
        newest_first = sorted(found, key=lambda entry: entry.published_at, reverse=True)
        silent.update(entry.id for entry in newest_first[policy.backlog_max :])
    return frozenset(silent)


def _judge_one(
    arrival: Arrival,
    before: Standing,
    matches: tuple[Match, ...],
    by_id: Mapping[str, Watchlist],
    policy: Policy,
    now: datetime,
    seeding: bool,
) -> tuple[Judged, Standing]:
    entry = arrival.entry
    after = _with_copy(before, arrival, now)
    decisions = tuple(
        decide(match, by_id[match.watchlist], entry, before, now=now, seeding=seeding) for match in matches
    )
    rewritten = _rewritten(before.waiting, after) if len(after.pickups) > len(before.pickups) else ()
    deliveries = tuple(
        delivery
        for decision in decisions
        if decision.alert
        for delivery in _deliveries(decision, entry, after, policy, now)
    )
    judged = Judged(
        entry=entry,
        assignment=arrival.assignment,
        decisions=tuple(decision for decision in decisions if _worth_keeping(decision, before)),
        deliveries=deliveries,
        rewritten=rewritten,
        lead_grew=len(entry.summary) > len(before.lead),
        body_grew=len(entry.body) > len(before.body),
        is_edit=arrival.is_edit,
    )
    alerts = [decision.alert for decision in decisions if decision.alert]
    waiting = {wait.delivery: wait for wait in (*before.waiting, *rewritten)}
    waiting |= {delivery.id: Waiting(delivery=delivery.id, message=delivery.message) for delivery in deliveries}
    alerted = (*before.alerted, *((alert.watchlist, alert.level, alert.id) for alert in alerts))
    return judged, replace(after, alerted=alerted, waiting=tuple(waiting.values()))


def _worth_keeping(decision: Decision, before: Standing) -> bool:
    """What came near the threshold; but not what would overwrite the record of an alert with a later "no"."""
    match = decision.match
    told = any(name == match.watchlist for name, _, _ in before.alerted)
    return decision.alert is not None or (not told and match.score >= NEAR_MISS * match.threshold)


def _rewritten(waiting: tuple[Waiting, ...], after: Standing) -> tuple[Waiting, ...]:
    return tuple(
        Waiting(delivery=wait.delivery, message=render.with_spread(wait.message, after.pickups)) for wait in waiting
    )


def _deliveries(
    decision: Decision, entry: Entry, after: Standing, policy: Policy, now: datetime
) -> tuple[Delivery, ...]:
    alert: Alert = decision.alert
    if decision.reason is Reason.SHADOW:
        return ()
    first = next((id for name, _, id in after.alerted if name == alert.watchlist), alert.id)
    message = render.message_for(
        alert, decision.match, entry, after.pickups, thread=first, zone=policy.zone, base_url=policy.base_url
    )
    return tuple(
        Delivery(
            id=name_of("delivery", alert.id, to.channel, to.recipient, "0"),
            alert=alert.id,
            channel=to.channel,
            recipient=to.recipient,
            message=message,
            created_at=now,
            next_attempt_at=now + to.wait,
        )
        for to in recipients_of(alert, policy.routes, policy.channels)
    )
