#!/usr/bin/env python3
"""How fast stories are scored, by the number of watchlists, and against other ways to look for many words.

    .venv/bin/pip install flashtext
    .venv/bin/python bench/score.py [--stories 3000] [--most 10000] [--only-ours]

Stories have some 560 characters and are made of invented words with the frequencies of a language; a watchlist has 10
terms of invented names, of which one story in twenty holds one, and one watchlist in ten reaches near spellings
(`fuzzy = 88`). Figures are stories a second of one core, by CPU time, of one process.

What it prints at the end must hold: from 1 to 1,000 watchlists the cost of a story grows less than threefold, and at
1,000 at least 3,000 stories a second are scored. Exits 1 where it does not.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable

from monitor.core.score import compile_watchlists, score_story
from monitor.model import NEAR_MISS, StoryText, Term, Watchlist

TERMS = 10
STEPS = (1, 10, 100, 1_000, 10_000)
GROWTH, LEAST = 3.0, 3_000
SYLLABLES = [c + v + e for c in "bdfgklmnprstvz" for v in "aeiou" for e in ("", "n", "r", "s", "l")]


def words(count: int, syllables: tuple[int, ...], seed: int) -> list[str]:
    """So many different invented words."""
    dice = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(dice.choice(SYLLABLES) for _ in range(dice.choice(syllables)))] = None
    return list(found)


def stories_of(count: int, names: list[str], seed: int = 3) -> list[StoryText]:
    """Stories of 78 words or so; one in twenty holds one of the names, all hold others that nobody looks for."""
    dice = random.Random(seed)
    common = words(6_000, (1, 2, 2, 3), 1)
    weights = [1 / (rank + 3) for rank in range(len(common))]
    strangers = [name.capitalize() for name in words(4_000, (3, 4), 99)]
    found = []
    for _ in range(count):
        text = dice.choices(common, weights, k=78)
        for place in dice.sample(range(78), 8):
            text[place] = dice.choice(strangers)
        if dice.random() < 0.05:
            text[dice.randrange(78)] = dice.choice(names)
        sentences = [" ".join(text[at : at + 12]).capitalize() + "." for at in range(9, 78, 12)]
        found.append(StoryText(title=" ".join(text[:9]), lead=sentences[0], body=" ".join(sentences[1:])))
    return found


def watchlists_of(count: int, names: list[str]) -> tuple[Watchlist, ...]:
    """Watchlists of ten terms each; in one of ten they are fuzzy."""
    return tuple(
        Watchlist(
            id=f"w{number}",
            title=f"W{number}",
            threshold=2,
            terms=tuple(
                Term(name=name, any=(name,), fuzzy=88 if number % 10 == 0 else None)
                for name in names[number * TERMS : (number + 1) * TERMS]
            ),
        )
        for number in range(count)
    )


def rate(work: Callable[[StoryText], object], stories: list[StoryText], seconds: float = 2.0) -> float:
    """Stories a second of CPU time, over all of them or as many as fit."""
    for story in stories[:20]:
        work(story)
    begun, done = time.process_time(), 0
    for story in stories:
        work(story)
        done += 1
        if time.process_time() - begun > seconds:
            break
    return done / (time.process_time() - begun)


def ours(watchlists: tuple[Watchlist, ...]) -> Callable[[StoryText], object]:
    """As the daemon scores: near misses and alerts alone."""
    compiled = compile_watchlists(watchlists)
    return lambda story: score_story(story, (), compiled, least=NEAR_MISS)


def one_regex_a_term(watchlists: tuple[Watchlist, ...]) -> Callable[[StoryText], object]:
    patterns = [re.compile(rf"\b{re.escape(t.name)}\b", re.IGNORECASE) for w in watchlists for t in w.terms]
    return lambda story: [pattern.search(text(story)) for pattern in patterns]


def one_alternation(watchlists: tuple[Watchlist, ...]) -> Callable[[StoryText], object]:
    names = "|".join(re.escape(term.name) for watchlist in watchlists for term in watchlist.terms)
    pattern = re.compile(rf"\b(?:{names})\b", re.IGNORECASE)
    return lambda story: pattern.findall(text(story))


def flashtext(watchlists: tuple[Watchlist, ...]) -> Callable[[StoryText], object] | None:
    try:
        from flashtext import KeywordProcessor
    except ImportError:
        return None
    processor = KeywordProcessor()
    for watchlist in watchlists:
        for term in watchlist.terms:
            processor.add_keyword(term.name)
    return lambda story: processor.extract_keywords(text(story))


def text(story: StoryText) -> str:
    return f"{story.title}\n{story.lead}\n{story.body}"


OTHERS = {"a regex a term": one_regex_a_term, "one alternation": one_alternation, "flashtext": flashtext}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stories", type=int, default=3_000)
    options.add_argument("--most", type=int, default=STEPS[-1], help="watchlists")
    options.add_argument("--only-ours", action="store_true")
    chosen = options.parse_args()
    names = [f"{word.capitalize()}" for word in words(STEPS[-1] * TERMS, (3, 4), 2)]
    stories = stories_of(chosen.stories, names[: 1_000 * TERMS])
    size = sum(len(text(story)) for story in stories) / len(stories)
    print(f"{len(stories)} stories of {size:.0f} characters; stories/s of one core, by CPU time")
    others = {} if chosen.only_ours else OTHERS
    print(f"{'watchlists':>10}  {'building, s':>11}  {'wirewatch':>10}" + "".join(f"  {name:>15}" for name in others))
    rates: dict[int, float] = {}
    for count in (step for step in STEPS if step <= chosen.most):
        watchlists = watchlists_of(count, names)
        begun = time.process_time()
        work = ours(watchlists)
        built = time.process_time() - begun
        rates[count] = rate(work, stories)
        print(f"{count:>10,}  {built:>11.2f}  {rates[count]:>10,.0f}", end="", flush=True)
        for make in others.values():
            other = make(watchlists)
            print(f"  {rate(other, stories):>15,.1f}" if other else f"  {'not installed':>15}", end="", flush=True)
        print()
    return judge(rates)


def judge(rates: dict[int, float]) -> int:
    """Whether the goals hold, in words."""
    growth = rates[1] / rates[1_000]
    print(f"cost of a story, 1 → 1,000 watchlists: × {growth:.2f} (goal: below {GROWTH:g})")
    print(f"at 1,000 watchlists: {rates[1_000]:,.0f} stories/s/core (goal: {LEAST:,} or more)")
    return 0 if growth < GROWTH and rates[1_000] >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
