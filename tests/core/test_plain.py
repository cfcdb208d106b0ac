"""Markup becomes the words that a reader sees."""

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.core.plain import is_html, plain_text

HTML = {
    "inline tags do not part words": ("<b>f</b>oo", "foo"),
    "paragraphs are apart": ("a<p>b</p><p>c</p>", "a\nb\nc"),
    "a break is a line": ("<br/>a<br>b", "a\nb"),
    "cells are apart": ("<td>a</td><td>b</td>", "a\nb"),
    "white space of the source says nothing": ("<p>one\n  two</p>\n\n\n<p>three</p>", "one two\nthree"),
    "scripts and styles are not read": ("a<script>alert('<b>')</script><style>p{}</style>b", "a b"),
    "an unclosed script swallows the rest": ("a<script>x", "a"),
    "comments are not read": ("a<!-- <p>x</p> -->b", "a b"),
    "a picture's alternative is not the story's": ("<img src=x alt='a photo'>text", "text"),
    "a bracket in an attribute": ("<a title='x > y'>foo</a>", "foo"),
    "a tag cut off by a length limit": ('foo <a href="http://x', "foo"),
    "namespaced and custom elements": ("<o:p>x</o:p><my-tag>y</my-tag>", "xy"),
    "CDATA marks left in the text": ("<![CDATA[x]]>", "x"),
    "entities are decoded once": ("AT&amp;T &#8217;s &hellip;", "AT&T ’s …"),
    "entities escaped twice": ("It&amp;#8217;s &amp;amp; more", "It’s & more"),
    "tags escaped twice": ("&lt;p&gt;one&lt;/p&gt;&lt;p&gt;two&lt;/p&gt;", "one\ntwo"),
    "tags escaped three times": ("&amp;lt;b&amp;gt;bold&amp;lt;/b&amp;gt;", "bold"),
    "escaped tags beside real ones are text": ("<p>the &lt;b&gt; tag</p>", "the <b> tag"),
    "a non-breaking space is a space": ("a&nbsp;&nbsp;b", "a b"),
    "numbers for controls": ("&#27;[31m &#8238;a&#0;", "[31m a\ufffd"),
    "less than is a letter": ("x < y and y > z", "x < y and y > z"),
    "arithmetic": ("a<b and c>d, x<p & q>y", "a<b and c>d, x<p & q>y"),
    "arithmetic beside tags": ("<p>if a<b and c>d</p><b >x</b><p\n>y<i/>z</p><a href>w</a>", "if a<b and c>d\nx\nyz\nw"),
    "escaped arithmetic": ("if a&lt;b and c&gt;d", "if a<b and c>d"),
    "ampersands in names": ("AT&T, Q&A, R&D &copy 2024", "AT&T, Q&A, R&D &copy 2024"),
    "words in angle brackets": ("the <redacted> name", "the <redacted> name"),
    "nothing": ("", ""),
}
TEXT = {
    "tags are letters": ("use <b> & <i>", "use <b> & <i>"),
    "entities left by mistake": ("Fish &amp; Chips", "Fish & Chips"),
    "lines stay lines": ("one\ntwo\r\nthree", "one\ntwo\nthree"),
    "wrapped lines are joined where blank lines part": ("one\ntwo\n\nthree", "one two\nthree"),
}
CHARACTERS = {
    "controls": ("a\x00b\x1b[31mc\x7f", "abc"),
    "lone surrogates": ("a\ud800b\udfff", "ab"),
    "directions": ("a\u202eb\u2066c\u2069\u200f", "abc"),
    "zero widths and soft hyphens": ("a\u200bb\u200dc\ufeff\xadd", "abcd"),
    "joiners in Persian": ("می\u200cشود، خانه\u200c\u200cها\u200c و", "می\u200cشود، خانه\u200cها و"),
    "joiners in Brahmic scripts": ("ශ්\u200dරී അവന്\u200d ক\u200c ", "ශ්\u200dරී അവന്\u200d ক"),
    "an emoji of several": ("a \U0001f469\u200d\U0001f692 ❤\ufe0f\u200d\U0001f525 \U0001f469\u200d", "a \U0001f469\u200d\U0001f692 ❤\ufe0f\u200d\U0001f525 \U0001f469"),
    "tag characters": ("a\U000e0041\U000e007fb", "ab"),
    "a heap of combining marks": ("z" + "\u0327" * 60, "z" + "\u0327" * 4),
    "decomposed letters": ("cafe\u0301", "café"),
    "UTF-8 taken for Windows-1252": ("donâ€™t, Ã©tÃ©", "don’t, été"),
    "Windows-1252 taken for Latin-1": ("caf\xe9\x92s \x93x\x94", "café’s “x”"),
    "letters that only look like a mistake": ("SÃO PAULO, Â£ und “x”", "SÃO PAULO, Â£ und “x”"),
    "line separators": ("a\u2028b", "a\nb"),
}


@pytest.mark.parametrize(("markup", "expected"), HTML.values(), ids=HTML)
def test_html_is_read(markup, expected):
    assert plain_text(markup) == expected


@pytest.mark.parametrize(("text", "expected"), TEXT.values(), ids=TEXT)
def test_declared_text_is_read(text, expected):
    assert plain_text(text, is_text=True) == expected


@pytest.mark.parametrize(("text", "expected"), CHARACTERS.values(), ids=CHARACTERS)
@pytest.mark.parametrize("is_text", [False, True], ids=["html", "text"])
def test_characters_are_cleaned(text, expected, is_text):
    assert plain_text(text, is_text=is_text) == expected


def test_a_character_hidden_in_a_tag_does_not_save_it():
    assert plain_text("a<\u200bb>x</b>c") == "axc"


SAMPLES = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from(" \n\t\r<>&;#/abp=\"'\x00\x85\u200b\u200c\u200d\u0645\u094d\ufe0f\u0301\ud800ÃÂâ€™“©")),
    max_size=80,
)


@given(SAMPLES, st.booleans())
def test_what_is_plain_stays_as_it_is(text, is_text):
    once = plain_text(text, is_text=is_text)
    assume(not re.search(r"<[a-zA-Z/!?]|&", once))

    assert plain_text(once, is_text=is_text) == once


@given(SAMPLES, st.booleans())
def test_nothing_invisible_survives(text, is_text):
    plain = plain_text(text, is_text=is_text)

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain)
    assert plain == plain.strip() and "  " not in plain and "\n\n" not in plain
    plain.encode("utf-8")


HOSTILE = {
    "open brackets": "<" * 200_000,
    "open scripts": "<script>" * 50_000,
    "open comments": "<!--" * 50_000,
    "open declarations": "<!a" * 100_000,
    "open attributes": "<a '" * 100_000,
    "quotes in quotes": '<a x="<b ' * 50_000,
    "escaped attributes": "&lt;a" + " b=c" * 100_000,
    "layers of escapes": "&amp;" * 100_000,
    "line ends": "\n " * 200_000,
    "marks": "e" + "\u0301" * 300_000,
}


@pytest.mark.parametrize("markup", HOSTILE.values(), ids=HOSTILE)
def test_hostile_markup_takes_no_time(markup):
    started = time.process_time()

    plain_text(markup)

    assert time.process_time() - started < 2


def test_html_is_told_from_text():
    assert all(map(is_html, ["a<br>b", "<p>x", "x</b>", "AT&amp;T", "&#8217;"]))
    assert not any(map(is_html, ["x < y", "AT&T", "a <b or c", "the <redacted> name"]))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Pyongyang \x1b[31marms\x1b[0m export", "Pyongyang arms export"),
        ("a \x1b]8;;http://x.example\x07link\x1b]8;;\x07 in a terminal", "a link in a terminal"),
        ("\x1b[2Jcleared", "cleared"),
        ("a title \x1b]0;pwned\x1b\\set", "a title set"),
        ("a lone \x1b escape", "a lone escape"),
    ],
)
def test_a_terminal_sequence_goes_as_a_whole(written, read):
    assert plain_text(written) == read
