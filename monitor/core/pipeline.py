"""The stages in order: `read` makes entries of a document, `recognise` finds their stories, `judge` what follows.

Pure, all three: what they need from the database comes in as records, what they decide goes out as records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.dedup import promising, recognise
from monitor.core.judging import Judging, is_told, kept, with_copy
from monitor.core.normalise import normalise as read
from monitor.core.policy import Arrival, History, Policy
from monitor.core.score import CompiledWatchlists, score_story
from monitor.core.sketch import fold_words, telling_of
from monitor.core.wire import read_headline, with_slug
from monitor.model import NEAR_ENOUGH, NEAR_MISS, Entry, Judged, Match, Origin, Reason, Standing, StoryText, Verdict

__all__ = ["Arrival", "History", "Policy", "judge", "promising", "read", "recognise", "story_text"]


def judge(
    arrivals: Sequence[Arrival],
    standings: Mapping[str, Standing],
    policy: Policy,
    history: History = History(),
    *,
    now: datetime,
) -> tuple[Judged, ...]:
    """What follows from these entries, in order.

    `standings` are the known stories among those assigned. Judging the same again, on what it led to, alerts nothing.
    """
    standing_of = dict(standings)
    copies = Counter([arrival.assignment.story for arrival in arrivals])
    scored: list[tuple[Arrival, Standing, tuple[Match, ...]]] = []
    for arrival in arrivals:
        story = arrival.assignment.story
        standing = standing_of.get(story) or Standing(story=story, first_seen_at=now)
        scored.append((arrival, standing, _matches(arrival, standing, policy)))
        if copies[story] > 1:  # else nobody asks for it again
            standing_of[story] = with_copy(standing, arrival, now)
    backlog = _backlog(scored, policy, now, history)
    judging = Judging(policy, history, backlog, now)
    told: dict[str, Standing] = {}
    judged = []
    for arrival, before, matches in scored:
        known = told.get(before.story)
        if known is not None:
            before = replace(before, alerted=known.alerted, waiting=known.waiting, placed=known.placed)
        if matches or is_told(before):
            one, told[before.story] = judging.judge(arrival, before, matches)
        else:
            one = kept(arrival, before)
        judged.append(one)
    return tuple(judged)


def story_text(entry: Entry, standing: Standing | None = None) -> StoryText:
    """What watchlists search first: this copy's headline over the fullest summary and body of any copy."""
    lead = max(entry.summary, standing.lead if standing else "", key=len)
    body = max(entry.body, standing.body if standing else "", key=len)
    if not lead:
        lead, _, body = body.partition("\n")
    return StoryText(
        title=with_slug(entry.title, entry.headline),
        lead=lead,
        body=body,
        language=entry.language,
        published_at=entry.published_at,
    )


def _matches(arrival: Arrival, standing: Standing, policy: Policy) -> tuple[Match, ...]:
    feeds = dict.fromkeys([arrival.entry.feed, *[pickup.feed for pickup in standing.pickups]])
    origins = _origins(feeds, policy)
    least = NEAR_ENOUGH if policy.articles == "matching" else NEAR_MISS
    text = story_text(arrival.entry, standing)
    matches = score_story(text, origins, policy.compiled, least=least)
    if own := _not_in(text, arrival.entry):
        matches = _with_own(matches, arrival.entry, own, text, origins, policy.compiled, least)
    if not matches:
        return ()
    told = {one.watchlist for one in standing.alerted}
    doubtful = {
        match.watchlist
        for match in matches
        if match.verdict is not Verdict.SILENT
        and match.watchlist not in told
        and standing.first_seen_at < policy.loaded_at.get(match.watchlist, standing.first_seen_at)
    }
    before = _matching_before(arrival, standing, policy) & doubtful if doubtful else frozenset()
    return tuple(
        replace(match, verdict=Verdict.SILENT, reason=Reason.ARCHIVED) if match.watchlist in before else match
        for match in matches
    )


def _origins(feeds: Iterable[str], policy: Policy) -> tuple[Origin, ...]:
    return tuple([policy.origins.get(feed) or Origin(feed=feed) for feed in feeds])


def _not_in(fullest: StoryText, entry: Entry) -> str:
    """The summary and body of a copy, as far as they do not stand so in the fullest text of its story."""
    return "\n".join(
        [text for text in (entry.summary, entry.body) if text not in fullest.lead and text not in fullest.body]
    )


def _has_own_words(own: str, fullest: StoryText) -> bool:
    known = fold_words(f"{fullest.title}\n{fullest.lead}\n{fullest.body}")
    return not telling_of(frozenset(fold_words(own))) <= frozenset(known)


def _with_own(
    matches: tuple[Match, ...],
    entry: Entry,
    own: str,
    fullest: StoryText,
    origins: tuple[Origin, ...],
    compiled: CompiledWatchlists,
    least: float,
) -> tuple[Match, ...]:
    """The same, and what a copy with words of its `own` matches by itself and by a term that only it has; not where the
    fullest text has a veto."""
    by_itself = score_story(story_text(entry), origins, compiled, least=least)
    if not by_itself or not _has_own_words(own, fullest):  # the dearer look is the second
        return matches
    of_fullest = {match.watchlist: match for match in score_story(fullest, origins, compiled)}
    found = {match.watchlist: match for match in matches}
    for match in by_itself:
        before = of_fullest.get(match.watchlist)
        terms = frozenset([hit.term for hit in before.hits]) if before else frozenset()
        adds = any(hit.points > 0 and hit.term not in terms for hit in match.hits)
        if adds and (before is None or (before.veto is None and before.score < match.score)):
            found[match.watchlist] = match
    return tuple(found.values())


def _matching_before(arrival: Arrival, standing: Standing, policy: Policy) -> frozenset[str]:
    """Watchlists that a story of the archive matched before this copy or edit of it came: a watchlist that is younger
    than such a story does not alert on it, whoever else takes it up (`backfill` does)."""
    origins = _origins(dict.fromkeys([pickup.feed for pickup in standing.pickups]), policy)
    known = [pickup for pickup in standing.pickups if pickup.entry == arrival.entry.id] or list(standing.pickups[:1])
    return frozenset(
        match.watchlist
        for pickup in known
        for match in score_story(
            replace(
                story_text(replace(arrival.entry, summary="", body=""), standing),
                title=with_slug(pickup.title, read_headline(pickup.title, pickup.outlet).text),
            ),
            origins,
            policy.compiled,
            least=NEAR_MISS,
        )
        if match.verdict is not Verdict.SILENT
    )


def _backlog(
    scored: Sequence[tuple[Arrival, Standing, tuple[Match, ...]]],
    policy: Policy,
    now: datetime,
    history: History,
) -> frozenset[str]:
    """Entries of feeds on their first check that must not alert: too old, undated, or beyond the newest few."""
    matching: dict[str, list[Entry]] = {}
    silent = set()
    for arrival, _, matches in scored:
        entry = arrival.entry
        if entry.feed not in history.seeding:
            continue
        if entry.feed in history.reseeding or entry.published_at is None or now - entry.published_at > policy.backlog:
            silent.add(entry.id)
        elif any(match.verdict is not Verdict.SILENT for match in matches):
            matching.setdefault(entry.feed, []).append(entry)
    for found in matching.values():
        newest_first = sorted(found, key=lambda entry: entry.published_at, reverse=True)
        silent.update(entry.id for entry in newest_first[policy.backlog_max :])
    return frozenset(silent)
