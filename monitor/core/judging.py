"""One entry of a story, judged: which alerts and updates follow, for whom and when, and what becomes of earlier ones.

    matches ── decide ──▶ alerts of a story not told yet ─┐
    history ── updates ─▶ updates of a story that was told ┼─▶ deliveries: new ones, edits of first messages
                                                           └─▶ messages that wait: rewritten, or cancelled after a kill

Pure: says what should happen. Matches come from core/score.py, routes and silences are read in core/decide.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitor.core import render, updates
from monitor.core.articles import near
from monitor.core.decide import UNSENT, Recipient, alert_of, believes, decide, heard, hushed, recipients_of
from monitor.core.hold import hold_of
from monitor.core.names import name_of
from monitor.core.policy import Arrival, History, Policy
from monitor.core.updates import Update
from monitor.model import (
    IMPERATIVE,
    NEAR_MISS,
    RETRACTIONS,
    Alert,
    Decision,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Entry,
    Hold,
    HoldReason,
    Judged,
    Level,
    Match,
    Message,
    Origin,
    Pickup,
    Placed,
    Reason,
    Standing,
    Told,
    Verdict,
    Waiting,
    Watchlist,
)

NO_WAIT = timedelta(0)
EDIT_WAIT = timedelta(minutes=1)  # so that one edit tells of all copies that come together
CATCH_UP_WAIT = timedelta(minutes=7)  # what was missed comes together: longer than timekeeping.SPREAD


class Judging:
    """One judgement: entry by entry, with the count of single alerts so far."""

    def __init__(self, policy: Policy, history: History, backlog: frozenset[str], now: datetime):
        self._policy, self._history, self._backlog, self._now = policy, history, backlog, now
        self._watchlists = {watchlist.id: watchlist for watchlist in policy.watchlists}
        self._channels = {channel.name: channel for channel in policy.channels}
        self._recipients = {channel.name: channel.recipients for channel in policy.channels}
        self._singles = Counter(history.singles)

    def judge(self, arrival: Arrival, before: Standing, matches: tuple[Match, ...]) -> tuple[Judged, Standing]:
        """What follows from one entry, and where its story stands afterwards."""
        entry, after = arrival.entry, with_copy(before, arrival, self._now)
        notice = updates.notice(entry, before) if self._has_say(entry, before) else None
        decisions = self._decisions(arrival, before, matches)
        again = self._again(arrival, before, after, matches, decisions, notice)
        deliveries = [
            *(made for decision in decisions if decision.alert for made in self._first(decision, entry, after)),
            *(made for decision, update in again for made in self._update(decision, update, entry, before, after)),
            *self._edits(entry, before, after, [update for _, update in again]),
        ]
        cancelled = _overtaken(before, deliveries, killed=notice is not None and notice.reason in updates.RETRACTED)
        rewritten = _rewritten(entry, before, after, [update for _, update in again])
        judged = replace(
            kept(arrival, before),
            decisions=tuple(
                decision
                for decision in (*decisions, *(decision for decision, _ in again))
                if _worth_keeping(decision, before)
            ),
            deliveries=tuple(deliveries),
            rewritten=tuple(wait for wait in rewritten if wait.delivery not in cancelled),
            cancelled=cancelled,
            near=near(matches, before),
        )
        return judged, _afterwards(judged, before, after)

    # ── whether ──────────────────────────────────────────────────────────────────────────────────

    def _decisions(self, arrival: Arrival, before: Standing, matches: tuple[Match, ...]) -> tuple[Decision, ...]:
        entry, remembered = arrival.entry, self._history.remembered if arrival.is_edit else {}
        return tuple(
            decide(
                match,
                self._watchlists[match.watchlist],
                entry,
                self._heard(before, self._watchlists[match.watchlist]),
                now=self._now,
                seeding=entry.id in self._backlog,
                held=entry.id in self._history.held,
                remembered=remembered.get((before.story, match.watchlist)),
                silences=self._history.silences,
            )
            for match in matches
        )

    def _has_say(self, entry: Entry, before: Standing) -> bool:
        """Whether any of those who were told of a story believes what this entry says of it."""
        told = {told.watchlist for told in before.alerted}
        lists = (self._watchlists.get(name) or _removed(name, before) for name in told)
        return any(believes(one, entry, entry.id, before.pickups, self._policy.origins) for one in lists)

    def _heard(self, before: Standing, watchlist: Watchlist) -> Standing:
        return replace(before, pickups=heard(before.pickups, watchlist, self._policy.origins))

    def _as_told(self, before: Standing) -> Standing:
        """Where a story stands without the copies of feeds that are silenced: nobody was told what they had first."""
        silenced = {silence.feed for silence in self._history.silences} - {None}
        heard = (
            tuple(pickup for pickup in before.pickups if pickup.feed not in silenced) if silenced else before.pickups
        )
        return replace(before, pickups=heard)

    def _again(
        self,
        arrival: Arrival,
        before: Standing,
        after: Standing,
        matches: tuple[Match, ...],
        decisions: tuple[Decision, ...],
        notice: Update | None,
    ) -> tuple[tuple[Decision, Update], ...]:
        """Updates: one a watchlist that the story was told to, unless it has just been told more loudly."""
        entry = arrival.entry
        louder = {decision.match.watchlist for decision in decisions if decision.alert}
        match_of = {match.watchlist: match for match in matches}
        known = {told.alert for told in before.alerted}
        found = []
        unsent = (Reason.SHADOW, Reason.FEED_SILENCED)
        for name in dict.fromkeys(told.watchlist for told in before.alerted if told.reason not in unsent):
            watchlist = self._watchlists.get(name) or _removed(name, before)
            if notice is None and (watchlist.shadow or name in louder or name not in self._watchlists):
                continue
            update = notice or self._development(arrival, before, after, watchlist)
            if update is None:
                continue
            match = match_of.get(name) or _unmatched(watchlist)
            alert = alert_of(match, watchlist, entry, before, update.reason, update.occasion, self._now)
            decision = Decision(match=match, reason=update.reason, alert=alert, again=True)
            if update.reason not in updates.INSISTENT:
                decision = hushed(decision, entry, self._history.silences)
            if alert.id not in known:
                found.append((decision, update))
        return tuple(found)

    def _development(self, arrival: Arrival, before: Standing, after: Standing, watchlist: Watchlist) -> Update | None:
        entry = arrival.entry
        if entry.feed in self._history.seeding or entry.id in self._history.held:
            return None
        return updates.development(
            entry,
            self._as_told(self._heard(before, watchlist)),
            after,
            is_edit=arrival.is_edit,
            levels=watchlist.update_pickups,
            tier_of=lambda feed: (self._policy.origins.get(feed) or Origin(feed=feed)).tier,
        )

    # ── to whom, and when ────────────────────────────────────────────────────────────────────────

    def _first(self, decision: Decision, entry: Entry, after: Standing) -> Iterable[Delivery]:
        """Deliveries of an alert on a story, to where its routes lead."""
        alert = decision.alert
        told_before = any(told.watchlist == alert.watchlist and told.reason not in UNSENT for told in after.alerted)
        mark, news = ("update", "It is urgent now.") if told_before else ("", "")
        message = self._message(decision, entry, after, mark, news)
        recipients = recipients_of(alert, self._policy.routes, self._policy.channels)
        return self._deliveries(alert, message, recipients, entry)

    def _update(
        self, decision: Decision, update: Update, entry: Entry, before: Standing, after: Standing
    ) -> Iterable[Delivery]:
        """Deliveries of an update: by its routes, or for a correction or a kill to everybody who has the original.
        Those for whom the original still waits get it rewritten, and nothing else."""
        alert = decision.alert
        message = self._message(decision, entry, after, updates.MARKS.get(update.reason, "update"), update.news)
        mine = {told.alert for told in before.alerted if told.watchlist == alert.watchlist}
        still_wait = {(wait.channel, wait.recipient) for wait in before.waiting if wait.alert in mine}
        have = {(placed.channel, placed.recipient) for placed in before.placed if placed.alert in mine}
        if update.reason in updates.INSISTENT:
            recipients = [Recipient(channel=c, recipient=r, wait=NO_WAIT) for c, r in sorted(self._reached(have))]
        else:
            routed = recipients_of(alert, self._policy.routes, self._policy.channels)
            recipients = [to for to in routed if (to.channel, to.recipient) not in still_wait]
        return self._deliveries(alert, message, recipients, entry, imperative=update.reason in updates.INSISTENT)

    def _reached(self, have: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Who of those that have a message is still there; of a channel that leads elsewhere now, all it has."""
        reached: set[tuple[str, str]] = set()
        for channel in {channel for channel, _ in have}:
            there = {(channel, recipient) for recipient in self._recipients.get(channel, ())}
            reached |= there & set(have) or there
        return reached

    def _message(self, decision: Decision, entry: Entry, after: Standing, mark: str, news: str) -> Message:
        alert = decision.alert
        return render.message_for(
            alert,
            decision.match,
            entry,
            after.pickups,
            thread=next((told.alert for told in after.alerted if told.watchlist == alert.watchlist), alert.id),
            zone=self._policy.zone,
            base_url=self._policy.base_url,
            feedback_key=self._policy.feedback_key,
            mark=mark,
            news=news,
        )

    def _deliveries(
        self,
        alert: Alert,
        message: Message,
        recipients: Iterable[Recipient],
        entry: Entry,
        *,
        imperative: bool = False,
    ) -> Iterable[Delivery]:
        recipients = [to for to in recipients if to.recipient in self._recipients.get(to.channel, ())]
        capped = not imperative and bool(recipients) and self._is_capped(alert)
        for to in recipients:
            hold = None if imperative else self._hold(to, alert, entry, capped)
            yield Delivery(
                id=name_of("delivery", alert.id, to.channel, to.recipient, "0"),
                alert=alert.id,
                channel=to.channel,
                recipient=to.recipient,
                message=message,
                state=DeliveryStatus.HELD if hold else DeliveryStatus.QUEUED,
                hold=hold.reason if hold else None,
                score=alert.score,
                created_at=self._now,
                next_attempt_at=hold.until if hold else self._now + to.wait,
            )

    def _is_capped(self, alert: Alert) -> bool:
        """Count one more single alert of the watchlist; whether it has had those of this hour."""
        self._singles[alert.watchlist, alert.level] += 1
        return self._singles[alert.watchlist, alert.level] > self._policy.singles_per_hour

    def _hold(self, to: Recipient, alert: Alert, entry: Entry, capped: bool) -> Hold | None:
        channel = self._channels[to.channel]
        if hold := hold_of(channel, alert.level, now=self._now, zone=self._policy.zone):
            return hold
        if entry.feed in self._history.catching_up:
            return Hold(reason=HoldReason.CATCH_UP, until=self._now + CATCH_UP_WAIT)
        if capped:
            return Hold(reason=HoldReason.RATE_CAP, until=_next_quarter(self._now))
        return None

    def _edits(self, entry: Entry, before: Standing, after: Standing, again: Sequence[Update]) -> Iterable[Delivery]:
        """First messages, rewritten in place where the channel can: they tell of every copy and of what was corrected.
        An edit that still waits is rewritten itself."""
        changed = _rewording(again)
        if len(after.pickups) <= len(before.pickups) and changed is None:
            return
        edit_waits = {(w.alert, w.channel, w.recipient) for w in before.waiting if w.kind is DeliveryKind.EDIT}
        for placed in before.placed:
            channel = self._channels.get(placed.channel)
            first = placed.message.thread == placed.alert
            waits = (placed.alert, placed.channel, placed.recipient) in edit_waits
            gone = placed.recipient not in self._recipients.get(placed.channel, ())
            if channel is None or gone or not (channel.edits and placed.editable and first) or waits:
                continue
            message = _refreshed(placed.message, entry, after, changed)
            if message != placed.message:
                yield self._edit(placed, message, NO_WAIT if changed else EDIT_WAIT)

    def _edit(self, placed: Placed, message: Message, wait: timedelta) -> Delivery:
        revision = placed.revision + 1
        return Delivery(
            id=name_of("delivery", placed.alert, placed.channel, placed.recipient, str(revision)),
            alert=placed.alert,
            channel=placed.channel,
            recipient=placed.recipient,
            revision=revision,
            kind=DeliveryKind.EDIT,
            message=message,
            created_at=self._now,
            next_attempt_at=self._now + wait,
        )


def is_told(standing: Standing) -> bool:
    """Whether anybody was told of a story, or will be: then every copy of it is judged, matching or not."""
    return bool(standing.alerted or standing.waiting or standing.placed)


def kept(arrival: Arrival, before: Standing) -> Judged:
    """What follows of any entry: it is kept. Where no watchlist asks for it or its story, that is all."""
    return Judged(
        entry=arrival.entry,
        assignment=arrival.assignment,
        lead_grew=len(arrival.entry.summary) > len(before.lead),
        body_grew=len(arrival.entry.body) > len(before.body),
        is_edit=arrival.is_edit,
    )


def with_copy(standing: Standing, arrival: Arrival, now: datetime) -> Standing:
    """Where a story stands once this copy (or edit) is in it; what it led to is not yet told."""
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
        credit=entry.credit,
        slug=entry.slug,
    )
    others = tuple(known for known in standing.pickups if known.entry != entry.id)
    return replace(
        standing,
        pickups=standing.pickups if arrival.is_edit else (*others, pickup),
        lead=max(standing.lead, entry.summary, key=len),
        body=max(standing.body, entry.body, key=len),
    )


def _afterwards(judged: Judged, before: Standing, after: Standing) -> Standing:
    """Where the story stands once this is saved, for the next copy of the same batch."""
    alerts = [decision.alert for decision in judged.decisions if decision.alert]
    waiting = {wait.delivery: wait for wait in (*before.waiting, *judged.rewritten)}
    waiting |= {delivery.id: _waiting(delivery) for delivery in judged.deliveries}
    revisions = {(one.alert, one.channel, one.recipient): one.revision for one in judged.deliveries}
    told = tuple(
        Told(alert=alert.id, watchlist=alert.watchlist, level=alert.level, reason=alert.reason) for alert in alerts
    )
    return replace(
        after,
        alerted=(*before.alerted, *told),
        waiting=tuple(wait for wait in waiting.values() if wait.delivery not in judged.cancelled),
        placed=tuple(
            replace(one, revision=revisions.get((one.alert, one.channel, one.recipient), one.revision))
            for one in before.placed
        ),
    )


def _overtaken(before: Standing, deliveries: Sequence[Delivery], *, killed: bool) -> frozenset[str]:
    """Messages that wait and must not go any more: after a kill all but what takes the story back and edits, which now
    say so; else those whose recipient gets the same story as urgent."""
    if killed:
        return frozenset(wait.delivery for wait in before.waiting if not _insists(wait) and not _is_edit(wait))
    louder = {
        (one.message.watchlist, one.channel, one.recipient)
        for one in deliveries
        if one.kind is DeliveryKind.ALERT and one.message.level is Level.URGENT and one.message.mark in ("", "update")
    }
    return frozenset(
        wait.delivery
        for wait in before.waiting
        if (wait.message.watchlist, wait.channel, wait.recipient) in louder and wait.message.mark not in IMPERATIVE
    )


def _insists(wait: Waiting) -> bool:
    """A correction or a kill on its way to somebody who has the original."""
    return wait.message.mark in IMPERATIVE and wait.message.thread != wait.alert


def _is_edit(wait: Waiting) -> bool:
    return wait.kind is DeliveryKind.EDIT


def _removed(name: str, before: Standing) -> Watchlist:
    """A watchlist that is configured no longer, as far as those who were told by it must still hear of a kill."""
    titles = [one.message.watchlist_title for one in (*before.placed, *before.waiting) if one.message.watchlist == name]
    return Watchlist(id=name, title=titles[0] if titles else name, threshold=0.0)


def _waiting(delivery: Delivery) -> Waiting:
    return Waiting(
        delivery=delivery.id,
        message=delivery.message,
        alert=delivery.alert,
        channel=delivery.channel,
        recipient=delivery.recipient,
        kind=delivery.kind,
    )


def _unmatched(watchlist: Watchlist) -> Match:
    """What stands for the match of an update whose own text does not match any more: a kill is often one line."""
    return Match(
        watchlist=watchlist.id,
        score=0.0,
        threshold=watchlist.threshold,
        verdict=Verdict.SILENT,
        reason=Reason.BELOW_THRESHOLD,
    )


def _worth_keeping(decision: Decision, before: Standing) -> bool:
    """What came near the threshold; but not what would overwrite the record of an alert with a later "no"."""
    match = decision.match
    told = any(one.watchlist == match.watchlist for one in before.alerted)
    return decision.alert is not None or (not told and match.score >= NEAR_MISS * match.threshold)


def _rewritten(entry: Entry, before: Standing, after: Standing, again: Sequence[Update]) -> tuple[Waiting, ...]:
    """Messages that wait, as they read with one more copy or after a correction."""
    changed = _rewording(again)
    if len(after.pickups) <= len(before.pickups) and changed is None:
        return ()
    return tuple(
        replace(wait, message=_refreshed(wait.message, entry, after, None if _insists(wait) else changed))
        for wait in before.waiting
    )


def _rewording(again: Sequence[Update]) -> Update | None:
    """The update after which earlier messages must read otherwise, not only tell of more copies."""
    return next((one for one in again if one.reason in updates.MARKS or one.reason is Reason.NEW_FIGURE), None)


def _refreshed(message: Message, entry: Entry, after: Standing, changed: Update | None) -> Message:
    weaker = changed is None or (message.mark in IMPERATIVE and changed.reason not in updates.INSISTENT)
    if weaker or (message.mark in RETRACTIONS and changed.reason not in updates.RETRACTED):
        return render.with_spread(message, after.pickups)
    mark = updates.MARKS.get(changed.reason, "update")
    title = message.title if changed.reason in updates.RETRACTED else entry.headline or entry.called
    return render.corrected(message, after.pickups, title=title, mark=mark, news=changed.news)


def _next_quarter(now: datetime) -> datetime:
    """The next full quarter of an hour, so that what a cap holds back flushes together."""
    return now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)
