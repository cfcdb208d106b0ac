"""The article comes out of a page, and nothing of what surrounds it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.extract import extract_article, sniff

SAMPLE = (
    Path(os.environ.get("WIREWATCH_SHARED", Path(__file__).parents[3] / "shared"))
    / "data"
    / "samples"
    / "syndicated-page.txt"
)

TITLE = "Harbour strike ends after eleven days of talks"
STORY = (
    "Dock workers in Fernwick returned to their cranes on Thursday after eleven days of talks, the union said in a "
    "statement that its president read out on the quay.",
    "The agreement raises night pay by 7% and sets up a board that will hear complaints about safety within ten days, "
    "according to both sides.",
    "“We go back with our heads high,” said Tomas Ferrier, who led the committee of the crane drivers.",
)
BODY = "\n".join(STORY)
DAY = datetime(2024, 5, 16, tzinfo=UTC)
PORTRAIT = "Ada is an award-winning journalist with years of experience covering ports, fish and the weather."


def dump(*parts: str) -> str:
    return "\n\n".join(parts)


PAGES = {
    "just a title and paragraphs": (dump(TITLE, *STORY), None, ""),
    "all that may surround an article": (
        dump("Sun. May 26th, 2024", TITLE, "Ada Quill By Ada Quill May16,2024", *STORY)
        + dump("\n\nAda Quill", "By Ada Quill", PORTRAIT, "Related Post", "One thought on “Harbour strike”\n  1. Good!")
        + dump("\n\nLeave a Reply", "Your email address will not be published. Required fields are marked *"),
        DAY,
        "Ada Quill",
    ),
    "menus above, buttons between": (
        dump(
            "Skip to content",
            "Home News Sport Weather",
            "Harbour Gazette",
            TITLE,
            "Published: 16 May 2024",
            "5 min read",
        )
        + dump("\n\nBy Ada Quill", "Share on Facebook", STORY[0], "Advertisement", STORY[1])
        + dump("\n\nREAD MORE: Fish prices climb", STORY[2], "Share this article", "© 2024 Harbour Gazette"),
        DAY,
        "Ada Quill",
    ),
    "an update after its day": (
        dump(
            TITLE,
            "By ADA QUILL | Updated 17 May 2024",
            "Published 2024-05-16",
            *STORY,
            "Related Articles",
            "Other news here",
        ),
        DAY,
        "ADA QUILL",
    ),
    "a portrait without a heading": (dump(TITLE, "By Ada Quill, May 16, 2024", *STORY, PORTRAIT), DAY, "Ada Quill"),
    "an author's box": (dump(TITLE, "16 May 2024", *STORY, "About the Author", PORTRAIT), DAY, ""),
    "comments only": (dump(TITLE, *STORY, "3 Comments", "I was there and saw it all. It was loud."), None, ""),
    "other articles with their beginnings": (
        dump(TITLE, *STORY, "You may also like", "Fish prices climb", "Boats stayed in port and so did the fish…"),
        None,
        "",
    ),
    "a German page": (
        dump("Hafenstreik endet nach langen Gesprächen", "Von Ada Quill", "16.05.2024", *STORY, "Kommentare", "Schön!"),
        DAY,
        "Ada Quill",
    ),
    "the day above the headline": (dump("16 May 2024", TITLE, *STORY), DAY, ""),
    "only what day it is today": (dump("Sunday, May 26, 2024", TITLE, *STORY), None, ""),
}


@pytest.mark.parametrize(("page", "published_at", "author"), PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(
    "form", [str, str.encode, lambda text: text.replace("\n", "\r\n")], ids=["text", "bytes", "crlf"]
)
def test_an_article_comes_out_of(page, published_at, author, form):
    article = extract_article(form(page), url="https://harbour.test/1")

    assert article.body == BODY
    assert article.title == (TITLE if TITLE in page else "Hafenstreik endet nach langen Gesprächen")
    assert (article.published_at, article.author, article.link) == (published_at, author, "https://harbour.test/1")
    assert article.title_is_text and article.body_is_text


def test_an_article_goes_on_below_a_list_of_others():
    more = [f"On the {day} day {STORY[0]}" for day in ("first", "second", "third")]

    article = extract_article(dump(TITLE, *STORY, "Related:", "Fish prices climb", "Boats stay in port", *more))

    assert article.body.split("\n") == [*STORY, *more]


def test_a_notice_above_the_article_does_not_end_it():
    assert extract_article(dump(TITLE, "16 May 2024", "(c) Copyright Harbour Wire 2024", *STORY)).body == BODY


def test_the_sample_of_a_syndicated_page():
    if not SAMPLE.exists():
        pytest.skip(f"the sample is not at {SAMPLE}")
    text = SAMPLE.read_text(encoding="utf-8")
    blocks = [block for block in text.split("\n\n") if block.strip()]

    article = extract_article(text)

    assert (article.title, article.author) == (blocks[1], "Tyler Mitchell")
    assert article.published_at == DAY
    assert article.body.split("\n") == blocks[3:15]


WRAPPED = """Harbour strike ends after eleven days

Dock workers in Fernwick returned to their cranes on Thursday after
eleven days of talks, the union said in a statement that was read out
on the quay by its president.

Ships had queued for up to forty miles off the coast, and insurers put
the cost of the delay at thirty million. Nobody was hurt.
"""


def test_lines_that_were_wrapped_become_paragraphs():
    for text in (WRAPPED, WRAPPED.replace("\n\n", "\n")):
        article = extract_article(text)

        assert article.title == "Harbour strike ends after eleven days"
        first, second = article.body.split("\n")
        assert first.startswith("Dock workers") and first.endswith("by its president.")
        assert second.startswith("Ships had") and second.endswith("Nobody was hurt.")


ALONE = {
    "nothing": ("", "", ""),
    "one line": (TITLE, TITLE, ""),
    "one paragraph": (STORY[0], "", STORY[0]),
    "a headline of two words": ("Iran talks\n\nThey go on.", "Iran talks", "They go on."),
    "no line of a note is lost": ("Sweden arms\nSales doubled.\nSo it said.", "Sweden arms", "Sales doubled.\nSo it said."),
    "a script without spaces": (
        "港湾ストライキが終結\n\n北港の労働者は16日、職場に戻った。組合が発表した。",
        "港湾ストライキが終結",
        None,
    ),
}


@pytest.mark.parametrize(("text", "title", "body"), ALONE.values(), ids=ALONE)
def test_short_texts(text, title, body):
    article = extract_article(text)

    assert article.title == title
    assert body is None or article.body == body


HEAD = f"""<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8"><title>{TITLE} | Harbour Gazette</title>
<meta property="article:published_time" content="2024-05-16T09:30:00+01:00"></head>"""
PAGE = f"""{HEAD}<body><header><nav><a href="/">Home</a> <a href="/w">World</a></nav><p>Sun. May 26th, 2024</p></header>
<main><article><h1>{TITLE}</h1><p class="byline">By <a rel="author" href="/ada">Ada Quill</a></p>
{"".join(f"<p>{paragraph}</p>" for paragraph in STORY)}</article>
<section><h3>Related Posts</h3><ul><li><a href="/a">Fish prices climb as boats stay in port</a></li></ul></section>
<section id="comments"><h3>One thought on “{TITLE}”</h3><p>Great news for us all, I hope it lasts.</p></section>
</main><footer>© 2024 Harbour Gazette. All rights reserved.</footer></body></html>"""


@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "bytes"])
def test_an_article_comes_out_of_html(encode):
    article = extract_article(encode(PAGE), url="https://harbour.test/1")

    assert (article.title, article.body, article.author, article.language) == (TITLE, BODY, "Ada Quill", "en-GB")
    assert article.published_at == datetime(2024, 5, 16, 8, 30, tzinfo=UTC)


def test_html_in_an_old_encoding():
    page = PAGE.replace('charset="utf-8"', 'charset="windows-1251"').replace("Fernwick", "Фернвик")

    assert "Фернвик" in extract_article(page.encode("cp1251", "replace")).body


def test_a_page_too_small_for_heuristics_is_still_read():
    article = extract_article(f"<html><body><h1>{TITLE}</h1><p>Short &amp; clear.</p></body></html>")

    assert (article.title, article.body) == (TITLE, "Short & clear.")


SNIFFED = {
    "RSS": (b"\n<?xml version='1.0'?><rss version='2.0'>", "", "feed"),
    "Atom in UTF-16": ("<feed xmlns='x'>".encode("utf-16"), "page.html", "feed"),
    "a JSON Feed": (b'{"items": []}', "", "feed"),
    "a page": (PAGE.encode(), "", "html"),
    "a piece of a page": (b"Intro <p>one</p><p>two</p>", "", "html"),
    "a page by its name": (b"hello", "story.HTML", "html"),
    "text": (b"Harbour strike ends", "story.txt", "text"),
    "text that begins with a bracket": (b"[Update] Harbour strike ends", "", "text"),
}


@pytest.mark.parametrize(("body", "name", "expected"), SNIFFED.values(), ids=SNIFFED)
def test_a_document_is_told_by_its_content(body, name, expected):
    assert sniff(body, name) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.booleans())
def test_no_text_breaks_it(noise, as_page):
    article = extract_article(f"<html><body><p>{noise}</p></body></html>" if as_page else noise)

    assert "\x00" not in article.title + article.body


@pytest.mark.parametrize("meta", ['property="og:site_name" content="Iran\'s Daily"', 'content="Iran\'s Daily" property="og:site_name"'])
def test_a_page_names_its_outlet(meta):
    page = f"<html><head><title>Rain delays match | Iran's Daily</title><meta {meta}></head><body><p>It rained.</p></body></html>"
    assert extract_article(page).outlet == "Iran's Daily"
