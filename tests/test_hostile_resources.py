"""Hostile cases of group R, what would eat time or memory, each by its id.

    R1 R2       tests/edges/test_fetch.py: bombs, bodies and heads without end
    R3          tests/edges/test_fetch.py, tests/edges/test_lanes.py and tests/test_app.py: a slow host keeps nobody waiting
    R4          here: there are no regular expressions in watchlists, so none can be hostile
    R6          here: words end where people think, in every script
    R7          tests/test_hostile_watchlists.py: many terms
    R8          tests/test_articles.py, whole; tests/edges/test_child.py: time and memory of the child
    R9          tests/test_scenarios_delivery.py: a long outbox is not held in memory
    R10         tests/edges/test_fetch.py: failures leave no open files
    R12         tests/core/test_dedup.py: thousands of headlines that are nearly equal
    R5 R11      the list has none of these numbers
"""

from __future__ import annotations

import pytest

from monitor.core.score import compile_watchlists, score_story
from monitor.model import StoryText, Verdict
from tests.builders import watchlist


def alerts(words: str, title: str) -> bool:
    compiled = compile_watchlists((watchlist("w", words, threshold=1),))
    return any(match.verdict is Verdict.ALERT for match in score_story(StoryText(title=title), (), compiled))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(x+x+)+y", "(harbour|quay)+"])
def test_r4_what_looks_like_a_pattern_is_words(pattern):
    assert not alerts(pattern, "a" * 100_000)
    assert not alerts(pattern, "x" * 2_000 + "!")
    assert not alerts(pattern, "The harbour and the quay")


def test_r4_a_star_needs_letters_before_it():
    with pytest.raises(ValueError, match="no letter before"):
        alerts(r"^(\w+\s?)*$", "anything")


WORDS = [
    ("caf", "A café at the quay", False),
    ("café", "A café at the quay", True),
    ("cafe", "A café at the quay", True),
    ("na", "A naïve idea", False),
    ("naïve", "A naïve idea", True),
    ("straße", "DIE STRASSE IST GESPERRT", True),
    ("STRASSE", "Die Straße ist gesperrt", True),
    ("ﬁre", "A fire at the quay", True),
    ("кот", "Который час", False),
]


@pytest.mark.parametrize(("words", "title", "found"), WORDS, ids=[f"{words} in {title}" for words, title, _ in WORDS])
def test_r6_a_word_ends_where_people_think(words, title, found):
    assert alerts(words, title) is found
