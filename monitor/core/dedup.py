"""New entries + candidate stories → which story each belongs to, how similar, by which rule.

Two texts are copies if they are one piece of writing re-published: verbatim, truncated, re-headlined, lightly
edited or wrapped in boilerplate. Another outlet's own report on the same event is not a copy. A false merge hides
a story, so every "no" is tried before any "yes". Reads no database and writes nothing.

The thresholds are those of the project's measured design (docs/decisions.md, "Recognising copies").
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from rapidfuzz import fuzz

from monitor.core.sketch import BODY_SAMPLE, COMMON
from monitor.model import Assignment, Candidate, Entry, Rule, Sketch, Snapshot, record

POSTINGS = 64  # the newest entries looked at behind one key
CANDIDATES = 40  # the most promising entries verified for one new entry
SERIES_GAP = timedelta(hours=18)  # the same headline from the same outlet later than this is the next of a series
TITLE_ALONE_GAP = timedelta(hours=48)
SAME_PUBLISHER_GAP = timedelta(hours=12)
TRUSTED_HASHES = 25  # two bodies with so many hashes can refuse each other


# A word that only one of two like headlines holds, and that makes it another event; own list.
AGAIN = frozenset("another again second third fourth fifth no not never".split())
_PAIRS = (
    "rise fall|rises falls|rose fell|raise cut|raises cuts|up down|gain drop|gains drops|gains losses"
    "|higher lower|wins loses|agrees refuses|agrees rejects|accepts rejects|approves rejects|opens closes"
    "|reopens closes|starts ends|begins ends|hit miss|beats misses|jumps slumps|climbs slips|backs opposes"
    "|denies confirms|arrives leaves|extends ends|lifts imposes|killed rescued|north south|east west"
)
OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _PAIRS.split("|"):
    for _one, _other in (_pair.split(), _pair.split()[::-1]):
        OPPOSITES[_one] = OPPOSITES.get(_one, frozenset()) | {_other}


@record
class Likeness:
    """How one pair of texts compares; percentages 0–100, containments 0–1 of the smaller side."""

    title: float  # ratio of sorted words
    subset: float  # token_set_ratio
    lead: float
    lead_shared: int
    body: float
    body_shared: int
    apart: timedelta
    same_outlet: bool
    titled: bool  # both have a headline


@record
class Opinion:
    """Whether a candidate is a copy, how similar it is, and why (or why not)."""

    same: bool
    similarity: float
    rule: Rule | None = None
    why: str = ""


def recognise(
    entries: tuple[Entry, ...], snapshot: Snapshot, *, now: datetime, window: timedelta
) -> tuple[Assignment, ...]:
    """Assign every new entry, in order, to an earlier story or to one that it founds.

    `entries` are new, oldest first; `snapshot` holds what the database knows that shares a key with any of them;
    `window` is how long after a copy another may still join it. Entries of one call see each other.
    """
    index = _Index(snapshot)
    assignments = []
    for entry in entries:
        assignment = _assign(entry, index, now, window)
        index.add(entry, assignment.story, now)
        assignments.append(assignment)
    return tuple(assignments)


class _Index:
    """Candidates by key: those of the snapshot and the entries already assigned in this call."""

    def __init__(self, snapshot: Snapshot):
        self._candidates = {candidate.entry: candidate for candidate in snapshot.candidates}
        self._postings: defaultdict[int, list[str]] = defaultdict(list)
        for key, ids in snapshot.postings:
            self._postings[key].extend(reversed(ids))

    def add(self, entry: Entry, story: str, now: datetime) -> None:
        self._candidates[entry.id] = Candidate(
            entry=entry.id,
            story=story,
            feed=entry.feed,
            outlet=entry.outlet,
            published_at=entry.published_at,
            seen_at=now,
            url_key=entry.url_key,
            title_key=entry.title_key,
            text_key=entry.text_key,
            sketch=entry.sketch,
        )
        for key in exact_keys(entry):
            self._postings[key].append(entry.id)
        for key in entry.keys:
            self._postings[key].append(entry.id)

    def near(self, entry: Entry) -> list[Candidate]:
        """Candidates that share most keys with the entry, best first; those with an exact key before all."""
        shared: Counter[str] = Counter()
        for key in entry.keys:
            shared.update(self._postings.get(key, ())[-POSTINGS:])
        for key in exact_keys(entry):
            for candidate in self._postings.get(key, ())[-POSTINGS:]:
                shared[candidate] += 1000
        shared.pop(entry.id, None)
        return [self._candidates[i] for i, _ in shared.most_common(CANDIDATES) if i in self._candidates]


def exact_keys(entry: Entry) -> tuple[int, ...]:
    """Keys under which an equal address, headline or text is found."""
    return tuple(key for key in (entry.url_key, entry.title_key, entry.text_key) if key)


def _assign(entry: Entry, index: _Index, now: datetime, window: timedelta) -> Assignment:
    best: tuple[Opinion, Candidate] | None = None
    nearest: tuple[Opinion, Candidate] | None = None
    for candidate in index.near(entry):
        opinion = compare(entry, candidate, now=now, window=window)
        if opinion.same and (best is None or _rank(opinion) > _rank(best[0])):
            best = (opinion, candidate)
        elif not opinion.same and (nearest is None or opinion.similarity > nearest[0].similarity):
            nearest = (opinion, candidate)
    if best is not None:
        opinion, candidate = best
        return Assignment(story=candidate.story, similarity=round(opinion.similarity, 1), rule=opinion.rule)
    if nearest is None:
        return Assignment(story=entry.id)
    refused, candidate = nearest
    return Assignment(
        story=entry.id,
        nearest=candidate.story,
        nearest_similarity=round(refused.similarity, 1),
        refused_because=refused.why,
    )


RULE_ORDER = (Rule.SIMILAR, Rule.SAME_TITLE, Rule.SAME_TEXT, Rule.SAME_URL)


def _rank(opinion: Opinion) -> tuple[int, float]:
    return RULE_ORDER.index(opinion.rule), opinion.similarity


def compare(entry: Entry, candidate: Candidate, *, now: datetime, window: timedelta) -> Opinion:
    """Whether two texts are copies: under one address, unless nothing else agrees; else by their texts."""
    likeness = _likeness(entry, candidate, now)
    if (
        entry.url_key
        and entry.url_key == candidate.url_key
        and _same_page(entry.sketch, candidate.sketch, likeness, window)
    ):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_URL, why="same address")
    shown = max(likeness.title, 100 * likeness.lead, 100 * likeness.body)
    if likeness.apart > window:
        return Opinion(same=False, similarity=shown, why="too far apart in time")
    refusal = _veto(entry.sketch, candidate.sketch, likeness) or _body_refusal(entry.sketch, candidate.sketch, likeness)
    if refusal:
        return Opinion(same=False, similarity=shown, why=refusal)
    same_text = entry.text_key is not None and entry.text_key == candidate.text_key
    if same_text and not likeness.titled:
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_TEXT, why="same text")
    if same_text and (likeness.title >= 40 if not likeness.same_outlet else likeness.title >= 75):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_TEXT, why="same text")
    if (
        entry.title_key
        and entry.title_key == candidate.title_key
        and _title_identifies(entry.sketch, candidate.sketch, likeness)
    ):
        return Opinion(same=True, similarity=100.0, rule=Rule.SAME_TITLE, why="same headline")
    why = _copy_evidence(entry.sketch, candidate.sketch, likeness)
    if why:
        return Opinion(same=True, similarity=shown, rule=Rule.SIMILAR, why=why)
    return Opinion(same=False, similarity=shown, why="not alike enough")


def _same_page(mine: Sketch, theirs: Sketch, like: Likeness, window: timedelta) -> bool:
    """Whether one address means one item: a new headline is an edit, but `latest.html` holds another text each week."""
    if like.apart > window:
        return like.title >= 90
    another_text = mine.lead and theirs.lead and not like.lead_shared and not like.body_shared
    return like.title >= 50 or not another_text


def _likeness(entry: Entry, candidate: Candidate, now: datetime) -> Likeness:
    mine, theirs = entry.sketch, candidate.sketch
    titled = bool(mine.words and theirs.words)
    lead, lead_shared = max(
        _containment(mine.lead, theirs.lead), _lead_in_body(mine, theirs), _lead_in_body(theirs, mine)
    )
    body, body_shared = _containment(mine.body, theirs.body)
    return Likeness(
        title=fuzz.ratio(" ".join(sorted(mine.words)), " ".join(sorted(theirs.words))) if titled else 0.0,
        subset=fuzz.token_set_ratio(" ".join(mine.words), " ".join(theirs.words)) if titled else 0.0,
        lead=lead,
        lead_shared=lead_shared,
        body=body,
        body_shared=body_shared,
        apart=abs((entry.published_at or now) - (candidate.published_at or candidate.seen_at)),
        same_outlet=entry.outlet == candidate.outlet,
        titled=titled,
    )


def _lead_in_body(short: Sketch, full: Sketch) -> tuple[float, int]:
    """How much of a summary stands anywhere in a whole body, seen through the body's sample."""
    if short.body or not full.body:
        return 0.0, 0
    sampled = frozenset(h for h in short.lead if h % BODY_SAMPLE == 0)
    if len(sampled) < 3:
        return 0.0, 0
    share, shared = _containment(sampled, full.body)
    return share, shared * BODY_SAMPLE


def _containment(first: frozenset[int], second: frozenset[int]) -> tuple[float, int]:
    smaller = min(len(first), len(second))
    shared = len(first & second)
    return (shared / smaller if smaller else 0.0), shared


# ── no ───────────────────────────────────────────────────────────────────────────────────────────


def _veto(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """Why two texts that look alike are two stories, or "" where nothing says so."""
    if like.body >= 0.8 and like.body_shared >= 8:
        return ""
    if mine.days and theirs.days and mine.days != theirs.days:
        return "another day in the headline"
    if like.same_outlet and like.title >= 90 and like.apart > SERIES_GAP:
        return "the next of a series: same headline, same outlet, another day"
    if (mine.live or theirs.live) and like.title < 90:
        return "a live page, rewritten all day"
    if like.same_outlet and (slot := _swapped_slot(mine, theirs, like)):
        return slot
    if like.lead >= (0.9 if like.same_outlet else 0.75) and like.lead_shared >= 8:
        return ""
    if like.title >= 75 and _conflict(mine.numbers, theirs.numbers):
        return "other figures in the headline"
    return _turn(mine, theirs) or _swapped_name(mine, theirs)


def _conflict(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(mine - theirs) and bool(theirs - mine)


def _turn(mine: Sketch, theirs: Sketch) -> str:
    """The same words but for one that says it is another event, or the opposite."""
    own, other = set(mine.words) - set(theirs.words), set(theirs.words) - set(mine.words)
    if again := (own | other) & AGAIN:
        return f"another event: only one headline says {sorted(again)[0]}"
    for word in own:
        if opposite := other & OPPOSITES.get(word, frozenset()):
            return f"the opposite: {word} / {sorted(opposite)[0]}"
    return ""


def _swapped_name(mine: Sketch, theirs: Sketch) -> str:
    """The same skeleton with another name in one slot: results of two companies, strikes on two cities."""
    own, other = set(mine.words) - set(theirs.words), set(theirs.words) - set(mine.words)
    if (
        not own
        or not other
        or len(own) > 3
        or len(other) > 3
        or len(own | other) > len(set(mine.words) & set(theirs.words))
    ):
        return ""
    for name in own & mine.names:
        for another in other & theirs.names:
            if fuzz.ratio(name, another) < 70:
                return f"another name in the same headline: {name} / {another}"
    return ""


def _swapped_slot(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """One outlet's series: its headlines differ in one slot, whatever stands in it."""
    own, other = set(mine.words) - set(theirs.words) - COMMON, set(theirs.words) - set(mine.words) - COMMON
    common = set(mine.words) & set(theirs.words)
    if not own or not other or len(own) > 2 or len(other) > 2 or len(common) < 3 or like.body >= 0.8:
        return ""
    named = bool(own & mine.names) and bool(other & theirs.names)
    if like.lead >= 0.75 and like.lead_shared >= 8 and not named:
        return ""
    if all(max(fuzz.ratio(word, another) for another in other) < 70 for word in own):
        return f"the next of a series: {' '.join(sorted(own))} / {' '.join(sorted(other))} in the same headline"
    return ""


def _body_refusal(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if min(len(mine.body), len(theirs.body)) >= TRUSTED_HASHES and like.body < 0.15:
        return "the bodies are different texts"
    return ""


# ── yes ──────────────────────────────────────────────────────────────────────────────────────────


def _title_identifies(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    """Whether an equal headline is enough: "Press release" is not."""
    telling = [word for word in mine.words if word not in COMMON and len(word) > 2]
    if like.lead_shared >= 3 or like.body_shared >= 3:
        return True
    if mine.lead and theirs.lead:
        return len(telling) >= 5 and like.apart <= TITLE_ALONE_GAP and not like.same_outlet
    return len(telling) >= 3 and like.apart <= TITLE_ALONE_GAP


def _copy_evidence(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    """Why two texts are one piece of writing, or "" where nothing suffices."""
    return _by_body(mine, theirs, like) or _by_lead(like) or _by_title(mine, theirs, like)


def _by_body(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if like.body_shared < 4:
        return ""
    if like.body >= 0.6:
        supported = like.title >= 80 or (like.lead >= 0.6 and like.lead_shared >= 8)
        if not like.same_outlet or supported:
            return "the same body"
    if like.body >= 0.48 and like.title >= 55:
        return "most of the body and a like headline"
    return ""


def _by_lead(like: Likeness) -> str:
    if like.lead >= 0.62 and like.lead_shared >= 8:
        close = like.title >= 45 and like.apart <= timedelta(hours=24) if like.same_outlet else like.title >= 38
        if close:
            return "the same first words"
    if like.lead >= 0.8 and like.lead_shared >= 12 and not like.titled:
        return "the same words, without a headline"
    if like.lead >= 0.33 and like.lead_shared >= 3 and like.title >= 74:
        return "like first words under a like headline"
    return ""


def _by_title(mine: Sketch, theirs: Sketch, like: Likeness) -> str:
    if like.apart > TITLE_ALONE_GAP or _bodies_differ(mine, theirs, like):
        return ""
    shorter = min(len(mine.words), len(theirs.words))
    longer = max(len(mine.words), len(theirs.words), 1)
    needed = 86.0 if not (mine.lead and theirs.lead) else 93.0
    if like.same_outlet and like.apart <= SAME_PUBLISHER_GAP:
        needed = 82.0
    if shorter <= 4:
        needed = max(needed, 90.0)
    if shorter >= 3 and like.title >= needed:
        return "the same headline, hardly changed"
    leads_agree = not (mine.lead and theirs.lead) or like.lead_shared >= 3
    if like.subset >= 98 and shorter >= 7 and shorter / longer >= 0.7 and leads_agree:
        return "the same headline, shortened"
    return ""


def _bodies_differ(mine: Sketch, theirs: Sketch, like: Likeness) -> bool:
    both = min(len(mine.body), len(theirs.body)) >= TRUSTED_HASHES
    return both and like.body < 0.35 and like.title < 85
