"""The text of a story with its hits marked and points in the margin."""

import pytest
from rich.console import Console

from monitor.core.score import compile_watchlists, score_story
from monitor.marked import marked_lines
from monitor.model import StoryText, Term, Watchlist
from monitor.show import sentence

TERMS = (
    Term(name="iran", any=("Iran",), weight=4, required=True),
    Term(name="arms", any=("missile*", "ミサイル"), weight=3),
    Term(name="sport", any=("football",), weight=-2),
)
STORY = StoryText(
    title="Iran fires missiles",
    lead="It said so.",
    body="First paragraph.\n" + "word " * 40 + "football at the end.\nThird.\nFourth.",
)


def judge(story, **keys):
    one = Watchlist(**{"id": "w", "title": "W", "threshold": 10, "terms": TERMS, **keys})
    return score_story(story, (), compile_watchlists((one,)), complete=True)[0]


def shown(story, *, whole=False, width=60):
    out = Console(width=width, force_terminal=True, color_system="truecolor")
    return list(marked_lines(story, judge(story).hits, out, whole=whole))


def marked(lines):
    spans = [(line, span) for line in lines for span in line.spans if "hit" in getattr(span.style, "meta", {})]
    return [line.plain[span.start : span.end] for line, span in spans]


def test_hits_are_marked_with_their_points_in_the_margin():
    lines = shown(STORY)
    assert marked(lines) == ["Iran", "missiles", "football"]
    assert lines[0].plain == "     +14  Iran fires missiles"
    assert [line.plain[:10].strip() for line in lines if line.plain[:10].strip()] == ["+14", "-2"]
    (football,) = (line for line in lines if "football" in line.plain)
    assert football.plain.startswith("      -2  ")


def test_paragraphs_without_a_hit_are_left_out_or_dim():
    assert [line.plain.strip() for line in shown(STORY)].count("…") == 2
    assert "Fourth." in "".join(line.plain for line in shown(STORY, whole=True))


def test_a_terminal_is_never_told_what_to_do_and_places_stay():
    lines = shown(StoryText(title="\x1b[31m Iran\x07 fires ミサイル"))
    assert marked(lines) == ["Iran", "ミサイル"] and not any(char in lines[0].plain for char in "\x1b\x07")


def test_no_line_is_wider_than_the_terminal():
    assert all(line.cell_len <= 60 for line in shown(STORY, whole=True))


SENTENCES = [
    ("Iran fires missiles", {}, "alerts: 14.0 ≥ 10 because iran in the title (+8), arms (missile*) in the title (+6)"),
    (
        "Iran fires missiles",
        {"urgent": 20},
        "alerts: 14.0 ≥ 10 because iran in the title (+8), arms (missile*) in the title (+6); would be urgent with 6 more",
    ),
    ("Iran fires missiles", {"urgent": 12}, "urgent: 14.0 ≥ 12 because iran in the title (+8), arms (missile*) in the title (+6)"),
    (
        "Iran fires missiles at football",
        {},
        "alerts: 10.0 ≥ 10 because iran in the title (+8), arms (missile*) in the title (+6) and in spite of sport (-4)",
    ),
    ("Iran speaks", {}, "silent: 8.0 < 10, a near miss; would alert with 2 more"),
    ("missiles", {}, "silent: iran is required and absent (score 6.0, threshold 10)"),
    ("Iran fires missiles", {"terms": (), "query": "Iran AND missile*", "threshold": 1},
     "alerts: 1.0 ≥ 1 because the query is true: Iran in the title, missile* in the title"),
    ("Iran", {"terms": (), "query": "Iran AND missile*", "threshold": 1},
     "silent: the query is not true, for want of missile*"),
    ("Peru", {"terms": (), "query": "NOT Iran", "threshold": 1},
     "alerts: 1.0 ≥ 1 because nothing that it excludes was found"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "keys", "says"), SENTENCES, ids=[case[2][:40] for case in SENTENCES])
def test_a_verdict_is_said_as_a_person_would(title, keys, says):
    assert sentence(judge(StoryText(title=title), **keys), keys.get("urgent")) == says
