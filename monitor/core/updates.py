"""A story that was told goes on: is there a reason to tell its readers again?

A story alerts a watchlist once, then only for a reason: a correction or a kill, a changed figure in the headline, its
first tier-1 outlet, or as many copies as the watchlist asked to hear of. (That it became urgent is decided where
matches are: core/decide.py.) Pure; says what should happen, sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from rapidfuzz import fuzz

from monitor.core.decide import retracted
from monitor.core.wire import notice_of, read_headline
from monitor.model import Entry, Notice, Pickup, Reason, Standing, record

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b")  # a time of day is no figure of a story
SAME_HEADLINE = 90  # ratio of two headlines without their numbers: nothing but the figure has changed
NOTICES = {
    Notice.CORRECTION: (Reason.CORRECTED, "correction"),
    Notice.KILL: (Reason.KILLED, "kill"),
    Notice.WITHDRAWAL: (Reason.WITHDRAWN, "withdrawn"),
}
MARKS = {reason: mark for reason, mark in NOTICES.values()}  # how a message is marked; all others are an "update"
_RETRACTED_BY = {Notice.KILL: "Killed by", Notice.WITHDRAWAL: "Withdrawn by"}
RETRACTED = frozenset({Reason.KILLED, Reason.WITHDRAWN})
INSISTENT = frozenset(MARKS)  # reach everybody who has the original, past silences, quiet hours and caps


@record
class Update:
    """Why a story is told again, and what is new, as a sentence."""

    reason: Reason
    occasion: str  # the same occasion is told once
    news: str


def notice(entry: Entry, before: Standing) -> Update | None:
    """What the desk says of the story that it sent before: a correction, a kill or a withdrawal; else None."""
    said = notice_of(entry.slug)
    if said is None:
        return None
    reason, _ = NOTICES[said]
    if reason in RETRACTED:
        return Update(
            reason=reason, occasion=said, news=f"{said.capitalize()} by {_who(entry)}: do not use this story."
        )
    was = _headlines(before.pickups[:1])
    changed = was and was[0] != entry.headline
    news = f"Corrected by {_who(entry)}." + (f" The headline was: {was[0]}" if changed else "")
    return Update(reason=reason, occasion=f"{said}:{entry.title_key}", news=news)


def development(
    entry: Entry,
    before: Standing,
    after: Standing,
    *,
    is_edit: bool,
    levels: tuple[int, ...],
    tier_of: Callable[[str], int],
) -> Update | None:
    """What is new about a story with this copy (or edit), the weightiest first; else None.

    `levels` are the numbers of copies that the watchlist wants to hear of; `tier_of` gives a feed's tier.
    """
    if any(retracted(pickup.slug) for pickup in before.pickups):
        return None
    if figure := _new_figure(entry, before.pickups):
        return figure
    if is_edit:
        return None
    if tier_of(entry.feed) == 1 and before.pickups and all(tier_of(pickup.feed) != 1 for pickup in before.pickups):
        return Update(reason=Reason.TIER_ONE, occasion="tier-1", news=f"First tier-1 outlet: {entry.outlet}.")
    reached = [level for level in levels if len(before.pickups) < level <= len(after.pickups)]
    if reached:
        return Update(reason=Reason.PICKED_UP, occasion=f"pickups:{max(reached)}", news=_spread(after.pickups))
    return None


def _new_figure(entry: Entry, earlier: Iterable[Pickup]) -> Update | None:
    """A figure that no headline of the story had, in a headline that is otherwise an earlier one."""
    headline = CLOCK.sub("", entry.headline or entry.title)
    figures = _figures(headline)
    older = [CLOCK.sub("", old) for old in _headlines(earlier)]
    alike = [old for old in older if _only_figures_differ(headline, old)]
    known = {figure for old in older for figure in _figures(old)}
    fresh = [written for figure, written in figures.items() if figure not in known]
    if not alike or not fresh:
        return None
    was = [written for figure, written in _figures(alike[-1]).items() if figure not in figures]
    news = f"New figure: {', '.join(fresh)}" + (f" (was {', '.join(was)})." if was else ".")
    return Update(reason=Reason.NEW_FIGURE, occasion="figure:" + "/".join(figures), news=news)


def _figures(headline: str) -> dict[str, str]:
    """The numbers in a headline as they are written, by their value: 1,200 is 1200."""
    found = NUMBER.findall(headline)
    return {re.sub("[.,]", "", one) if THOUSANDS.fullmatch(one) else one.replace(",", "."): one for one in found}


def _headlines(pickups: Iterable[Pickup]) -> list[str]:
    return [read_headline(pickup.title, pickup.outlet).text for pickup in pickups]


def _only_figures_differ(one: str, other: str) -> bool:
    if len(NUMBER.findall(one)) != len(NUMBER.findall(other)):
        return False
    bare = [NUMBER.sub("#", text).casefold() for text in (one, other)]
    return fuzz.ratio(*bare) >= SAME_HEADLINE


def _spread(pickups: tuple[Pickup, ...]) -> str:
    outlets = len({pickup.outlet for pickup in pickups})
    return f"Picked up {len(pickups)} times, by {outlets} outlet{'s' if outlets != 1 else ''}."


def _who(entry: Entry) -> str:
    return entry.credit or entry.outlet
