"""What watchlists made of many stories → alerts a day, what an edit gains and loses, which terms decide, what to veto.

Counts; scores nothing itself (`score` does) and reads no archive. A story's outcome is one small record, so that a
hundred thousand of them can come from other processes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from monitor.core.words import read_words
from monitor.model import Match, Verdict, Watchlist, record

EXAMPLES = 5  # shown of each kind
VETOES = 3  # suggested for a watchlist
LEAST_NOISE = 2  # alerts marked as noise in which a word must stand to be suggested
_SHORTEST = 4  # letters of a word that may be suggested


@record
class Outcome:
    """What one watchlist says of one story, where it alerts or nearly does."""

    watchlist: str
    story: str
    title: str
    url: str
    seen_at: datetime
    verdict: Verdict
    score: float
    points: tuple[tuple[str, float], ...] = ()  # term, points
    decided_by: tuple[str, ...] = ()  # terms without which it would be silent

    @property
    def alerts(self) -> bool:
        """Whether it is told."""
        return self.verdict is not Verdict.SILENT


def outcome_of(match: Match, watchlist: Watchlist, *, story: str, title: str, url: str, seen_at: datetime) -> Outcome:
    """The record of a match."""
    alerts = match.verdict is not Verdict.SILENT
    return Outcome(
        watchlist=match.watchlist,
        story=story,
        title=title,
        url=url,
        seen_at=seen_at,
        verdict=match.verdict,
        score=match.score,
        points=tuple((hit.term, hit.points) for hit in match.hits),
        decided_by=_deciding(match, watchlist) if alerts else (),
    )


def _deciding(match: Match, watchlist: Watchlist) -> tuple[str, ...]:
    """Terms without which the story would be silent: required ones, and those whose points it needs."""
    if watchlist.query is not None:
        return (match.hits[0].term,) if len({hit.term for hit in match.hits}) == 1 else ()
    required = {term.name for term in watchlist.terms if term.required}
    short = round(match.score - watchlist.threshold, 6)
    return tuple(hit.term for hit in match.hits if hit.term in required or round(hit.points, 6) > short)


# ── the report ───────────────────────────────────────────────────────────────────────────────────


@record
class TermUse:
    """How much a term does: stories that hold it, alerts that it is in, alerts that would not be without it, and of
    its alerts those that somebody called noise."""

    term: str
    stories: int
    alerts: int
    decides: int
    noise: int = 0


@record
class VetoIdea:
    """A word that stands in alerts called noise and in none of the others."""

    word: str
    noise: int


@record
class Report:
    """One watchlist over a span of time. Gained, lost and kept are against what is in force."""

    watchlist: str
    title: str
    stories: int  # judged
    days: tuple[tuple[date, int], ...]  # alerts by day, days without any included
    alerts: tuple[Outcome, ...]
    gained: tuple[Outcome, ...]
    lost: tuple[Outcome, ...]
    kept: tuple[Outcome, ...]
    near_misses: tuple[Outcome, ...]
    terms: tuple[TermUse, ...]
    noise: int  # alerts that somebody called noise or that were silenced
    vetoes: tuple[VetoIdea, ...] = ()
    new: bool = False  # nothing of this id is in force

    @property
    def urgent(self) -> int:
        """How many alerts are urgent."""
        return sum(one.verdict is Verdict.URGENT for one in self.alerts)

    @property
    def per_day(self) -> float:
        """Alerts a day on average."""
        return len(self.alerts) / max(1, len(self.days))

    @property
    def never(self) -> tuple[str, ...]:
        """Terms that decide no alert and stand in none."""
        return tuple(use.term for use in self.terms if not use.alerts)

    @property
    def strongest(self) -> TermUse | None:
        """The term that decides most alerts."""
        return max(self.terms, key=lambda use: use.decides, default=None) if self.alerts else None


def report_on(
    watchlist: Watchlist,
    outcomes: Iterable[Outcome],
    in_force: Iterable[Outcome] | None,
    *,
    stories: int,
    days: tuple[date, ...],
    held: Mapping[str, int],
    noisy: Mapping[str, str],
) -> Report:
    """Sum up one watchlist.

    `in_force` are the outcomes of what holds today under this id, None where nothing does; `held` says in how many
    stories each term stands; `noisy` gives the text of each story whose alert somebody called noise.
    """
    outcomes = sorted(outcomes, key=lambda one: (one.seen_at, one.story))
    alerts = tuple(one for one in outcomes if one.alerts)
    before = {one.story: one for one in in_force or () if one.alerts}
    now = {one.story for one in alerts}
    by_day = Counter(one.seen_at.date() for one in alerts)
    noise = {story: text for story, text in noisy.items() if story in now}
    return Report(
        watchlist=watchlist.id,
        title=watchlist.title,
        stories=stories,
        days=tuple((day, by_day[day]) for day in days),
        alerts=alerts,
        gained=tuple(one for one in alerts if one.story not in before),
        lost=tuple(one for story, one in before.items() if story not in now),
        kept=tuple(one for one in alerts if one.story in before),
        near_misses=tuple(one for one in outcomes if not one.alerts),
        terms=_uses(watchlist, alerts, held, set(noise)),
        noise=len(noise),
        vetoes=_veto_ideas(noise, [one for one in alerts if one.story not in noise], _own_words(watchlist)),
        new=in_force is None,
    )


def _uses(
    watchlist: Watchlist, alerts: tuple[Outcome, ...], held: Mapping[str, int], noise: set[str]
) -> tuple[TermUse, ...]:
    within = Counter(term for one in alerts for term, _ in one.points)
    decides = Counter(term for one in alerts for term in one.decided_by)
    noisy = Counter(term for one in alerts if one.story in noise for term, _ in one.points)
    names = [term.name for term in watchlist.terms] if watchlist.query is None else sorted(held.keys() | within.keys())
    return tuple(
        TermUse(term=name, stories=held.get(name, 0), alerts=within[name], decides=decides[name], noise=noisy[name])
        for name in names
    )


def _own_words(watchlist: Watchlist) -> set[str]:
    variants = [variant for term in watchlist.terms for variant in term.any]
    return {word for variant in variants for word in read_words(variant.rstrip("*")).folded}


def _veto_ideas(noise: Mapping[str, str], others: list[Outcome], own: set[str]) -> tuple[VetoIdea, ...]:
    """Words of at least two noisy alerts, of the headline of no other alert, and of no term."""
    within: defaultdict[str, set[str]] = defaultdict(set)
    for story, text in noise.items():
        for word in read_words(text).folded:
            if len(word) >= _SHORTEST and word.isalpha() and not word.startswith(tuple(own) or ("\0",)):
                within[word].add(story)
    elsewhere = {word for one in others for word in read_words(one.title).folded}
    ideas = [(len(found), word) for word, found in within.items() if word not in elsewhere]
    ideas = sorted((idea for idea in ideas if idea[0] >= LEAST_NOISE), key=lambda idea: (-idea[0], idea[1]))
    return tuple(VetoIdea(word=word, noise=count) for count, word in ideas[:VETOES])
