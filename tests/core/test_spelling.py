"""Near spellings: the shortcut finds exactly what comparing with every name would find."""

from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from monitor.core.spelling import Names, Wanted

LETTERS = st.text("abcn ", min_size=6, max_size=14)
EDITS = st.lists(st.tuples(st.integers(0, 14), st.sampled_from("abnz"), st.sampled_from("ird")), max_size=5)


def edited(name: str, edits: list[tuple[int, str, str]]) -> str:
    """The name with letters put in, replaced and taken out."""
    for at, letter, how in edits:
        name = name[:at] + ("" if how == "d" else letter) + name[at + (how != "i") :]
    return name


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(LETTERS, st.sampled_from([0, 50, 70, 80, 85, 88.9, 90, 95, 100])), min_size=1, max_size=5), EDITS
)
def test_near_enough_is_what_the_ratio_says(wanted, edits):
    names = Names()
    for number, (name, least) in enumerate(wanted):
        names.add(name, Wanted(key=(number,), least=least))
    window = edited(wanted[0][0], edits)
    expected = {(number,) for number, (name, least) in enumerate(wanted) if fuzz.ratio(window, name) >= least}
    assert set(names.alike(window)) == expected
    assert set(names.alike(window)) == expected  # and again, remembered


def test_a_window_longer_than_any_name_is_near_none():
    names = Names()
    names.add("soleimani", Wanted(key=(1,), least=0))
    assert names.alike("x" * 501) == ()
    assert names.alike("suleimani") == ((1,),)
