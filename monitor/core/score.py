"""Story × watchlists → a `Match` for each watchlist, with the hits that explain it.

Weighs evidence: best places, nearness, mentions, vetoes, thresholds and the gates of the scope. Does not decide
whether anybody is told (age, silences and what was alerted before belong to `decide`), and does not look for words
itself (`locate` does, once for all watchlists).

    found places ─ fields ─ near, at_least ─▶ places that count ─ best place ─▶ points ─ sum ─▶ verdict
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf

from monitor.core.ask import Asking
from monitor.core.locate import FIELDS, Evidence, Locator, Place, StoryWords, evidence, merged
from monitor.core.near import near_places
from monitor.core.query import Node, Words, asked, read_query, true_of_nothing, words_of
from monitor.core.scope import Gate, gate_of
from monitor.model import Hit, Match, Near, Origin, Reason, StoryText, Term, Verdict, Veto, Watchlist

_QUOTED_WORDS = 8  # words shown on either side of a hit
_PLACES = 6  # decimal places that scores are rounded to before they are compared (watchlist language)


# ── compiling ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class _TermPlan:
    term: Term
    searched: tuple[bool, bool, bool]
    points: tuple[float, float, float]  # in title, lead and body
    near: int | None  # slot of the term it must be near to


@dataclass(frozen=True, slots=True, kw_only=True)
class _VetoPlan:
    veto: Veto
    searched: tuple[bool, bool, bool]
    near: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A watchlist, with everything worked out that no story changes. Slots count its terms, then its vetoes."""

    watchlist: Watchlist
    terms: tuple[_TermPlan, ...]
    vetoes: tuple[_VetoPlan, ...]
    required: tuple[int, ...]
    conditional: tuple[int, ...]  # terms with near or at_least: not every place of theirs counts
    everywhere: bool  # every term searches every field
    threshold: float  # rounded, as scores are
    urgent: float  # the same; infinite where there is none
    gate: Gate
    first_veto: int  # slot
    most: tuple[float, ...]  # the most that each slot can add; 0 for vetoes
    rank: tuple[float, float, float]  # the fields' factors, negated: the least is the best place
    query: Node | None  # in the place of terms; its words have the slots of terms

    def could_score(self, found: Iterable[int]) -> float:
        """More than this it cannot score, whatever the places of the slots found."""
        return 1.0 if self.query is not None else sum([self.most[slot] for slot in found])


class CompiledWatchlists:
    """All watchlists, ready for `score_story`. Holds no state but remembered spellings."""

    __slots__ = ("always", "locator", "owners", "plans")

    def __init__(self, watchlists: tuple[Watchlist, ...]):
        self.plans = tuple(map(_plan, watchlists))
        self.always = tuple(n for n, plan in enumerate(self.plans) if plan.query and true_of_nothing(plan.query))
        self.owners: list[tuple[int, int]] = []  # number of the evidence → watchlist, slot
        all_evidence: list[Evidence] = []
        for index, watchlist in enumerate(watchlists):
            for slot, one in enumerate(_evidence_of(watchlist)):
                self.owners.append((index, slot))
                all_evidence.append(one)
        self.locator = Locator(tuple(all_evidence))


def compile_watchlists(watchlists: tuple[Watchlist, ...]) -> CompiledWatchlists:
    """Builds the one automaton over all variants of all watchlists.

    Raises ValueError for a variant that is none (`watchlists.py` has refused those, with file and line).
    """
    return CompiledWatchlists(watchlists)


def _evidence_of(watchlist: Watchlist) -> list[Evidence]:
    terms = [evidence(t.any, exact_case=t.exact_case, fuzzy=t.fuzzy) for t in watchlist.terms]
    terms += [evidence(words.variants) for words in _query_words(watchlist)]
    return terms + [evidence(v.any, exact_case=v.exact_case) for v in watchlist.vetoes]


def _query_of(watchlist: Watchlist) -> Node | None:
    return None if watchlist.query is None else asked(read_query(watchlist.query, watchlist.groups))


def _query_words(watchlist: Watchlist) -> tuple[Words, ...]:
    query = _query_of(watchlist)
    return () if query is None else words_of(query)


def _plan(watchlist: Watchlist) -> _Plan:
    slots = {term.name: slot for slot, term in enumerate(watchlist.terms)}
    near_slot = partial(_near_slot, slots)
    factors = watchlist.field_factors
    terms = tuple(
        _TermPlan(
            term=term,
            searched=_searched(term),
            points=tuple(round(term.weight * factor, _PLACES) for factor in factors),
            near=near_slot(term.near),
        )
        for term in watchlist.terms
    )
    return _Plan(
        watchlist=watchlist,
        terms=terms,
        vetoes=tuple(_VetoPlan(veto=v, searched=_searched(v), near=near_slot(v.near)) for v in watchlist.vetoes),
        required=tuple(slot for slot, term in enumerate(watchlist.terms) if term.required),
        conditional=tuple(s for s, t in enumerate(watchlist.terms) if t.near is not None or t.at_least > 1),
        everywhere=all(_searched(term) == (True, True, True) for term in watchlist.terms),
        threshold=round(watchlist.threshold, _PLACES),
        urgent=inf if watchlist.urgent is None else round(watchlist.urgent, _PLACES),
        gate=gate_of(watchlist.scope),
        first_veto=len(terms) + len(_query_words(watchlist)),
        most=(*(max(0.0, *term.points) for term in terms), *(0.0 for _ in watchlist.vetoes)),
        rank=tuple(-factor for factor in factors),
        query=_query_of(watchlist),
    )


def _near_slot(slots: dict[str, int], near: Near | None) -> int | None:
    if near is None:
        return None
    if near.term not in slots:
        raise ValueError(f"near names {near.term!r}, which is no term of this watchlist")
    return slots[near.term]


def _searched(one: Term | Veto) -> tuple[bool, bool, bool]:
    return tuple(not one.fields or field in one.fields for field in FIELDS)


# ── scoring ──────────────────────────────────────────────────────────────────────────────────────


def score_story(
    story: StoryText,
    origins: tuple[Origin, ...],
    compiled: CompiledWatchlists,
    *,
    complete: bool = False,
    least: float = 0.0,
) -> tuple[Match, ...]:
    """What each watchlist says of a story, in the watchlists' order.

    `origins` are the feeds that carried it: a scope is met when any of them meets it, and with none only its
    languages are asked. Watchlists of which no word was found are left out unless `complete`. With `least` (a share
    of the threshold, 0.7 for a near miss) so are those that score less; whoever keeps only near misses and alerts
    saves most of the work where much is watched.
    """
    if not complete and not compiled.always and not compiled.locator.may_find(story):
        return ()
    reading = _Reading(story, origins)
    touched: dict[int, dict[int, list[Place]]] = {}
    for number, places in compiled.locator.find(reading.words).items():
        index, slot = compiled.owners[number]
        if index in touched:
            touched[index][slot] = places
        else:
            touched[index] = {slot: places}
    for index in compiled.always:
        touched.setdefault(index, {})
    if complete:
        return tuple([_match(plan, touched.get(index, {}), reading) for index, plan in enumerate(compiled.plans)])
    plans = [(compiled.plans[index], touched[index]) for index in sorted(touched)]
    if least <= 0:
        return tuple([_match(plan, found, reading) for plan, found in plans])
    hopeful = [(plan, found) for plan, found in plans if plan.could_score(found) >= least * plan.threshold]
    matches = [_match(plan, found, reading) for plan, found in hopeful]
    return tuple([match for match in matches if match.score >= round(least * match.threshold, _PLACES)])


class _Reading:
    """A story, and what is worked out about it at most once however many watchlists ask."""

    def __init__(self, story: StoryText, origins: tuple[Origin, ...]):
        self.words = StoryWords(story)
        self._story, self._origins = story, origins
        self._quotes: dict[tuple[int, int], tuple[int, str, int, int]] = {}
        self._gates: dict[Gate, bool] = {}

    @cached_property
    def repeated(self) -> tuple[int, int] | None:
        """Where the body repeats the lead."""
        return self.words.repeated_lead()

    def quoted(self, first: int, after: int) -> tuple[int, str, int, int]:
        """The field of a hit (0, 1, 2), the words around it, and its offsets in the field's text."""
        key = (first, after)
        if key not in self._quotes:
            words = self.words
            quote = words.quote(first, after, _QUOTED_WORDS)
            self._quotes[key] = (words.field_of(first), quote, *words.span(first, after))
        return self._quotes[key]

    def passes(self, gate: Gate) -> bool:
        """Whether the story is within a scope."""
        if gate not in self._gates:
            self._gates[gate] = gate.passes(self._story, self._origins)
        return self._gates[gate]

    def mentions(self, places: list[Place]) -> int:
        """How many mentions the places make: overlapping ones are one, and what the body repeats of the lead is
        read once."""
        spans = [(place[0], place[1]) for place in places]
        if self.repeated is not None:
            begin, count = self.repeated
            back = begin - self.words.bases[1]
            spans = [(f - back, a - back) if begin <= f and a <= begin + count else (f, a) for f, a in spans]
        return merged(spans)


def _match(plan: _Plan, found: dict[int, list[Place]], reading: _Reading) -> Match:
    """One watchlist's verdict."""
    if plan.query is not None:
        return _query_match(plan, found, reading)
    counting = _counting(plan, found, reading)
    hits = [_hit(plan.terms[slot], counting[slot], plan.rank, reading) for slot in sorted(counting)]
    score = round(sum([hit.points for hit in hits]), _PLACES) + 0.0  # never -0.0
    missing = [plan.terms[slot].term.name for slot in plan.required if slot not in counting]
    veto = _veto(plan, found, counting, reading) if plan.vetoes else None
    verdict, reason = _verdict(plan, score, reading.passes(plan.gate), veto, missing)
    return _said(plan, score, verdict, reason, hits, missing, veto)


def _said(
    plan: _Plan, score: float, verdict: Verdict, reason: Reason, hits: list[Hit], missing: list[str], veto: str | None
) -> Match:
    return Match(
        watchlist=plan.watchlist.id,
        score=score,
        threshold=plan.watchlist.threshold,
        verdict=verdict,
        reason=reason,
        hits=tuple(hits),
        missing=tuple(missing),
        veto=veto,
    )


def _query_match(plan: _Plan, found: dict[int, list[Place]], reading: _Reading) -> Match:
    """A query's verdict: score 1 where it is true, else 0. The one point is shown at its first hit."""
    words = words_of(plan.query)
    counting = {
        one.slot: places
        for one in words
        if (places := _in_fields(one.fields, sorted(set(found.get(one.slot, ()))), reading))
    }
    asking = Asking(counting, reading.words, reading.mentions)
    true = asking.true(plan.query)
    shown = asking.hits(plan.query) if true else ((one, counting[one.slot]) for one in words if one.slot in counting)
    hits = [_words_hit(plan, one, places, reading) for one, places in shown]
    if true and hits:
        hits[0] = replace(hits[0], points=1.0)
    missing = [] if true else [str(part) for part in asking.unmet(plan.query)]
    veto = _veto(plan, found, {}, reading) if plan.vetoes else None
    verdict, reason = _verdict(plan, float(true), reading.passes(plan.gate), veto, [])
    return _said(plan, float(true), verdict, reason, hits, missing, veto)


def _words_hit(plan: _Plan, words: Words, places: list[Place], reading: _Reading) -> Hit:
    return _hit_at(
        _best(places, plan.rank, reading), words.written.strip('"'), words.variants, (0.0, 0.0, 0.0), reading
    )


def _verdict(plan: _Plan, score: float, in_scope: bool, veto: str | None, missing: list[str]) -> tuple[Verdict, Reason]:
    """The rules in the order in which the watchlist language gives them."""
    if not in_scope:
        return Verdict.SILENT, Reason.OUT_OF_SCOPE
    if veto is not None:
        return Verdict.SILENT, Reason.VETOED
    if missing:
        return Verdict.SILENT, Reason.REQUIRED_ABSENT
    if score < plan.threshold:
        return Verdict.SILENT, Reason.BELOW_THRESHOLD
    return (Verdict.URGENT if score >= plan.urgent else Verdict.ALERT), Reason.MATCHED


def _counting(plan: _Plan, found: dict[int, list[Place]], reading: _Reading) -> dict[int, list[Place]]:
    """The places of each term that count, by slot; absent terms are left out."""
    count = len(plan.terms)
    counting = {
        slot: places if len(places) == 1 else sorted(set(places)) for slot, places in found.items() if slot < count
    }
    if plan.everywhere and not (plan.conditional and any(slot in counting for slot in plan.conditional)):
        return counting
    for slot, places in counting.items():
        counting[slot] = _in_fields(plan.terms[slot].searched, places, reading)
    _keep_what_counts(plan, counting, reading)
    return {slot: places for slot, places in counting.items() if places}


def _in_fields(searched: tuple[bool, bool, bool], places: list[Place], reading: _Reading) -> list[Place]:
    """The places in the fields that are searched."""
    return [place for place in places if searched[reading.words.field_of(place[0])]]


def _hit(term: _TermPlan, places: list[Place], rank: tuple[float, float, float], reading: _Reading) -> Hit:
    """The term at its best place."""
    return _hit_at(_best(places, rank, reading), term.term.name, term.term.any, term.points, reading)


def _best(places: list[Place], rank: tuple[float, float, float], reading: _Reading) -> Place:
    """The greatest factor, then the first, then the longest, then as spelt."""
    if len(places) == 1:
        return places[0]
    field_of = reading.words.field_of
    return min(places, key=lambda p: (rank[field_of(p[0])], p[0], -p[1], p[2], p[3]))


def _hit_at(
    place: Place, term: str, variants: tuple[str, ...], points: tuple[float, float, float], reading: _Reading
) -> Hit:
    field, quote, start, end = reading.quoted(place[0], place[1])
    return Hit(
        term=term,
        variant=variants[place[3]],
        field=FIELDS[field],
        quote=quote,
        points=points[field],
        start=start,
        end=end,
    )


def _keep_what_counts(plan: _Plan, counting: dict[int, list[Place]], reading: _Reading) -> None:
    """Strikes out the places that are not near what they must be near to, and those of terms mentioned too seldom.

    A term that is absent is no neighbour either, so this goes on until nothing more falls away.
    """
    conditional = [slot for slot in plan.conditional if slot in counting]
    changed = True
    while changed:
        changed = False
        for slot in conditional:
            one, places = plan.terms[slot], counting[slot]
            kept = places
            if one.term.near is not None:
                kept = near_places(places, counting.get(one.near, []), one.term.near, reading.words)
            if one.term.at_least > 1 and kept and reading.mentions(kept) < one.term.at_least:
                kept = []
            if len(kept) != len(places):
                counting[slot], changed = kept, True


def _veto(
    plan: _Plan, found: dict[int, list[Place]], counting: dict[int, list[Place]], reading: _Reading
) -> str | None:
    """The first veto's variant that silences the story, as written; None where none does."""
    for slot, one in enumerate(plan.vetoes, plan.first_veto):
        if slot not in found:
            continue
        places = _in_fields(one.searched, sorted(set(found[slot])), reading)
        if one.veto.near is not None:
            places = near_places(places, counting.get(one.near, []), one.veto.near, reading.words)
        if places:
            return one.veto.any[places[0][3]]
    return None
