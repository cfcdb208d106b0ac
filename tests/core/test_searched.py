"""What of a text is the story's own: no addresses, closing lines, lists of other stories."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.score import compile_watchlists, score_story
from monitor.core.searched import searched
from monitor.model import StoryText, Term, Watchlist

TEXT = "Iran spoke on Monday, and nobody listened to what it said."
HIDDEN = [  # «…» is what is not searched
    ("an address", "See «https://iran.example/iran» for more of it"),
    ("an address in Chinese", "见«https://iran.example/x»。伊朗"),
    ("an address without a scheme", "See «iran.example/news/iran» for more of it"),
    ("a mail address", "Write to «iran.desk@iran.example» today"),
    ("a company that is called like an address", "Booking.com and Amazon.de fell"),
    ("a fraction", "1/2 of Iran and/or Iraq"),
    ("where it appeared first", f"{TEXT}\n«The post Iran spoke appeared first on Iran Gazette.»"),
    ("the same in the last paragraph", f"{TEXT}« The post Iran spoke appeared first on Iran Gazette.»"),
    ("in German", f"{TEXT}\n«Der Beitrag Iran spricht erschien zuerst auf Iran Blatt.»"),
    ("in Spanish", f"{TEXT}\n«La entrada Irán habla se publicó primero en Irán Hoy.»"),
    ("a post that is text", "The post of governor was first held by an Iranian. It is vacant."),
    ("a study that is text", f"{TEXT}\nThe article was published in Nature by Iran's scientists, who say more."),
    ("who reported", f"{TEXT}« (Reporting by Ann Iran in Tehran; Editing by Bo Irak)»"),
    ("who reported, without brackets", f"{TEXT}\n«Reporting by Ann Iran; editing by Bo Irak»"),
    ("whose rights", f"{TEXT}« © 2026 Iran Media. All rights reserved.»"),
    ("both", f"{TEXT}« (Reporting by Ann Iran) © 2026 Iran Media. All rights reserved.»"),
    ("where to read on", f"{TEXT}« Continue reading Iran...»"),
    ("where to read on, long", f"{TEXT} Read more: so it began. Iran fired a missile, and the talks were over."),
    ("a pointer", f"{TEXT}\n«Read more: Iran fires a missile»\nIt was late."),
    ("a pointer in French", f"{TEXT}\n«Lire aussi : l'Iran tire»\nC'était tard."),
    ("a list of other stories", f"{TEXT}\n«Related stories»\n«Iran fires a missile»\n«Iran talks end»"),
    ("text after such a list", f"{TEXT}\n«Also read:»\n«Iran fires»\nThen the talks went on in Vienna."),
    ("a picture", f"{TEXT}\n«FILE PHOTO: Iran's flag. REUTERS/Bo»\nIt was late."),
    ("comments", f"{TEXT}\n«3 comments»"),
    ("a pointer before the text", "«Also read: Iran fires a missile»\nIt was late."),
    ("a first line that looks like a pointer", "Related: Iran and Syria speak"),
    ("a headline of its own", "Watch: Iran fires a missile"),
]


@pytest.mark.parametrize("marked", [case[1] for case in HIDDEN], ids=[case[0] for case in HIDDEN])
def test_what_is_not_the_storys_own_is_hidden(marked):
    text = marked.replace("«", "").replace("»", "")
    expected, hidden = "", False
    for char in marked:
        if char in "«»":
            hidden = char == "«"
        else:
            expected += " " if hidden and char != "\n" else char
    assert searched(text) == expected


def test_a_headline_hides_addresses_only():
    assert searched("Read more: Iran www.iran.example", headline=True) == "Read more: Iran " + " " * 16


def test_what_is_hidden_is_not_found_and_what_is_found_is_quoted_as_written():
    terms = (Term(name="iran", any=("Iran",)), Term(name="eye", any=("Rex",)))
    one = Watchlist(id="w", title="W", threshold=1, terms=terms)
    body = "x\nRex saw https://iran.example/ and ran.\nRelated stories\nIran fires"
    match = score_story(StoryText(title="t", lead="l", body=body), (), compile_watchlists((one,)))[0]
    assert [(hit.term, hit.quote) for hit in match.hits] == [("eye", "Rex saw https://iran.example/ and ran")]


PIECES = st.sampled_from(
    ["Iran", "©", "Read more:", "\n", "https://a.b/c", " ", "Related", ". ", "(Reporting by", ")", "伊朗"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_no_letter_moves(text):
    seen = searched(text)
    assert len(seen) == len(text)
    assert all(a == b or (b == " " and a != "\n") for a, b in zip(text, seen, strict=True))
