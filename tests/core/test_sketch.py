"""Sketches are stored and compared for months: how they are worked out may change, what comes out may not."""

import string
import unicodedata
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.sketch import ACCENTS, ASCII_WORD, WORD, fold_words, sketch_of

WORDS = st.text(alphabet=string.ascii_lowercase + "жщ9", min_size=1, max_size=8)


def runs(words):
    """The hashes of all runs of three words, one by one."""
    hashes = [crc32(word.encode("utf-8", "surrogatepass")) for word in words]
    return {
        (a * 0x9E3779B1 ^ b * 0x85EBCA77 ^ c * 0xC2B2AE3D) >> 7 & 0xFFFFFFFF
        for a, b, c in zip(hashes, hashes[1:], hashes[2:], strict=False)
    }


@given(st.lists(WORDS, min_size=20, max_size=80))
def test_a_lead_is_hashed_by_runs_of_three_words(words):
    assert sketch_of("Harbour sold", " ".join(words), "").sketch.lead == runs(words[:60])


def test_a_known_text_has_the_sketch_it_always_had():
    made = sketch_of(
        "Harbour sold to Norway", "The port was handed over at noon, the ministry said on Monday.", ""
    ).sketch
    assert made.lead == runs("the port was handed over at noon the ministry said on monday".split())
    assert min(made.lead) == 754959990


def test_a_body_without_a_summary_gives_the_lead_too():
    words = [f"word{number}" for number in range(200)]
    made = sketch_of("Word1 word2 word3", "", " ".join(words)).sketch
    assert made.lead == runs(words[:60])
    assert made.body == {one for one in runs(words) if one % 4 == 0}


@given(st.text(alphabet=string.printable))
def test_plain_text_has_the_same_words_by_either_pattern(text):
    assert ASCII_WORD.findall(text) == WORD.findall(text)


LETTERS = "abcXYZ 09,_-éÉñÄßøŁİıſªº²½µ€£§·“ŉǰﬁжё" + "\u0301\u00ad\u1e9e\u2116"


@given(st.text(alphabet=LETTERS))
def test_letters_with_accents_are_bared_alike_one_by_one_and_all_at_once(text):
    whole = ACCENTS.sub("", unicodedata.normalize("NFKD", text.replace("“", '"').casefold()))
    assert fold_words(text) == WORD.findall(whole)


def test_joiners_make_no_other_words():
    """Whether people type them is a matter of keyboards; emoji are no words anyway."""
    assert fold_words("می\u200cشود 👩\u200d🚒 ශ්\u200dරී") == fold_words("میشود 👩🚒 ශ්රී")
