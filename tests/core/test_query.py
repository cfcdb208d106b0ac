"""Boolean queries: what binds first, what is refused and where, and what is true of a story."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.query import DEEPEST, QueryError, asked, read_query, true_of_nothing
from monitor.core.score import compile_watchlists, score_story
from monitor.model import Reason, StoryText, Verdict, Veto, Watchlist

GROUPS = (("arms", ("missile*", "ICBM")),)

PRINTED = [
    ("Iran", "Iran"),
    ('"North Korea*"', '"North Korea*"'),
    ("“North Korea” OR «Iran»", '("North Korea" OR "Iran")'),
    ("a OR b AND c", "(a OR (b AND c))"),
    ("a AND b OR c", "((a AND b) OR c)"),
    ("a AND b AND c", "(a AND b AND c)"),
    ("NOT a AND b", "((NOT a) AND b)"),
    ("NOT (a AND b)", "(NOT (a AND b))"),
    ("NOT NOT a", "(NOT (NOT a))"),
    ("a AND b NEAR/5 c", "(a AND (b NEAR/5 c))"),
    ("NOT a NEAR/3 b", "((NOT a) NEAR/3 b)"),
    ("a NEAR/3 b ONEAR/4 c", "((a NEAR/3 b) ONEAR/4 c)"),
    ("ATLEAST/2 a NEAR/3 b", "((ATLEAST/2 a) NEAR/3 b)"),
    ("NOT title:a OR lead:(b OR c)", "((NOT title:a) OR lead:(b OR c))"),
    ("BODY: a", "body:a"),
    ("@arms AND title:@arms", "(@arms AND title:@arms)"),
    ("((a))", "a"),
    (
        '("North Korea*" OR DPRK) NEAR/30 ("arms export*" OR munitions) AND NOT title:football AND ATLEAST/2 Russia',
        '((("North Korea*" OR DPRK) NEAR/30 ("arms export*" OR munitions)) AND (NOT title:football)'
        " AND (ATLEAST/2 Russia))",
    ),
]


@pytest.mark.parametrize(("query", "printed"), PRINTED)
def test_a_query_is_printed_back_with_every_bracket(query, printed):
    assert str(read_query(query, GROUPS)) == printed
    assert str(read_query(printed, GROUPS)) == printed


REFUSED = [  # what is wrong, and the place of the caret
    ("Iran ^Syria", 'words side by side; expected "Iran Syria" for a phrase'),
    ('Iran ^"North Korea"', "follows without an operator"),
    ("Iran ^and Syria", "operators are written in capitals; expected AND"),
    ("Iran ^near/5 Syria", "operators are written in capitals; expected NEAR/5"),
    ("Iran ^NOT Syria", "NOT follows without an operator; expected AND or OR"),
    ("Iran ^ATLEAST/2 Syria", "ATLEAST/2 follows without an operator"),
    ("Iran ^(a OR b)", "follows without an operator"),
    ("^(Iran OR Syria", "this bracket is not closed"),
    ("Iran^)", "no bracket is open here"),
    ("(a OR ^)", "nothing stands before this bracket"),
    ("Iran AND^", "ends too early"),
    ("^OR Iran", "OR stands where a word should"),
    ("Iran AND ^OR Syria", "OR stands where a word should"),
    ('^"Iran', "this quotation mark is not closed"),
    ("a ^NEAR b", "NEAR has no number from 1 on; expected NEAR/10"),
    ("a ^ONEAR/0 b", "ONEAR/0 has no number from 1 on"),
    ("^ATLEAST/x b", "ATLEAST/x has no number from 1 on; expected ATLEAST/2"),
    ("ATLEAST/2 ^NOT a", "ATLEAST counts mentions"),
    ("^title:", "nothing stands after title:"),
    ("^title:NOT a", "nothing stands after title:"),
    ("title:(a OR ^body:b)", "body: stands inside title:"),
    ("^headline:Iran", "unknown field headline:; expected title:, lead: or body:"),
    ("a AND ^Ir*", "'Ir*' has only 2 letters before '*'"),
    ('^"--"', "holds no letter or digit"),
    ("^@boats", "unknown group 'boats'; known are: arms"),
    ("NOT a ^NEAR/2 NOT b", "both sides of NEAR are NOT"),
    ("^", "is empty"),
]


@pytest.mark.parametrize(("query", "says"), REFUSED)
def test_a_query_is_refused_with_the_place(query, says):
    with pytest.raises(QueryError) as refused:
        read_query(query.replace("^", "", 1), GROUPS)
    assert refused.value.says.startswith(says) or says in refused.value.says
    assert refused.value.begin == query.index("^")


@pytest.mark.parametrize(
    "query",
    ["(" * 5_000 + "a" + ")" * 5_000, "NOT " * 5_000 + "a", "a" + " NEAR/2 a" * 5_000],
    ids=["(", "NOT", "NEAR"],
)
def test_deep_nesting_is_refused(query):
    with pytest.raises(QueryError, match=r"too (deeply|many)"):
        read_query(query)


def test_a_long_query_is_read():
    assert len(read_query(" OR ".join(f"word{n}" for n in range(10_000))).parts) == 10_000
    assert DEEPEST > 20


# ── what is true ─────────────────────────────────────────────────────────────────────────────────


def judge(query, story, **keys):
    one = Watchlist(**{"id": "w", "title": "W", "threshold": 1, "query": query, "groups": GROUPS, **keys})
    return score_story(story, (), compile_watchlists((one,)), complete=True)[0]


STORY = StoryText(
    title="Iran fires missile",
    lead="Tehran tested a weapon. Syria watched.",
    body="Iran denies it.\nRussia and Iran met in Moscow, far from Syria.",
)
TRUE = [
    ("a word", "Iran", True),
    ("a word that is absent", "Peru", False),
    ("a phrase", '"fires missile"', True),
    ("a phrase is words in order", '"missile fires"', False),
    ("a stem", "missil*", True),
    ("a group", "@arms", True),
    ("AND wants both", "Iran AND Syria", True),
    ("AND wants both, one absent", "Iran AND Peru", False),
    ("OR wants one", "Peru OR Syria", True),
    ("NOT", "Iran AND NOT Peru", True),
    ("NOT of what is there", "Iran AND NOT Syria", False),
    ("AND binds before OR", "Peru AND Peru OR Iran", True),
    ("brackets change that", "Peru AND (Peru OR Iran)", False),
    ("NOT binds before AND", "NOT Peru AND Iran", True),
    ("in the title", "title:Iran", True),
    ("not in the title", "title:Syria", False),
    ("brackets in a field", "lead:(Peru OR Tehran)", True),
    ("NOT in a field", "lead:(Tehran AND NOT Russia) AND Russia", True),
    ("near", "Iran NEAR/2 missile", True),
    ("not so near", "Iran NEAR/1 missile", False),
    ("near in either order", "missile NEAR/2 Iran", True),
    ("in this order", "Iran ONEAR/2 missile", True),
    ("not in the other order", "missile ONEAR/2 Iran", False),
    ("near does not reach across fields", "missile NEAR/5 Tehran", False),
    ("near does not reach across paragraphs", "denies NEAR/9 Russia", False),
    ("near crosses sentences", "weapon NEAR/1 Syria", True),
    ("near what is in brackets", "(Peru OR Russia) NEAR/2 (Iran OR Chile)", True),
    ("both of a bracket are near", "(Russia AND Moscow) NEAR/3 Iran", True),
    ("one of both is too far", "(Russia AND Syria) NEAR/2 Iran", False),
    ("both of a bracket are near the same place", "(Moscow AND missile) NEAR/3 Iran", False),
    ("the same the other way round", "Iran NEAR/3 (Moscow AND missile)", False),
    ("one of a bracket is near without the other", "(Iran AND NOT missile) NEAR/9 Moscow", True),
    ("one of a bracket is near with the other", "(missile AND NOT fires) NEAR/3 Iran", False),
    ("a bracket near either", "(fires AND missile) NEAR/3 (Peru OR Iran)", True),
    ("brackets near brackets", "(Russia AND Moscow) NEAR/4 (Iran AND met)", True),
    ("brackets too far from brackets", "(Russia AND Syria) NEAR/4 (Iran AND met)", False),
    ("a bracket in order", "(Russia AND NOT Moscow) ONEAR/3 Iran", True),
    ("a bracket in the wrong order", "(Iran AND met) ONEAR/9 Russia", False),
    ("a mention is not near itself", "title:(Iran NEAR/9 Iran)", False),
    ("nor under another name", "title:((Iran OR Peru) NEAR/9 (Peru OR Iran))", False),
    ("nor within a phrase", '"fires missile" NEAR/5 missile', False),
    ("nor at the end of a chain", "title:(Iran NEAR/2 missile NEAR/5 Iran)", False),
    ("another mention is near", "body:(Russia NEAR/9 (Iran OR Russia))", True),
    ("within a chain", "Russia NEAR/9 Moscow NEAR/3 Iran", True),
    ("near nothing of the kind", "Iran NEAR/2 NOT missile", True),
    ("never without it", "missile NEAR/2 NOT Iran", False),
    ("NOT on the left is the same", "NOT Iran NEAR/2 missile", False),
    ("NOT before it, though after it", "NOT missile ONEAR/2 fires", True),
    ("NOT before it", "NOT fires ONEAR/2 missile", False),
    ("a chain", "Russia NEAR/2 Iran NEAR/3 Moscow", True),
    ("a chain that is too long", "Russia NEAR/2 Iran NEAR/1 Moscow", False),
    ("a chain in order", "Russia ONEAR/2 Iran ONEAR/3 Moscow", True),
    ("a chain in the wrong order", "Russia ONEAR/6 Moscow ONEAR/6 Iran", False),
    ("mentions", "ATLEAST/3 Iran", True),
    ("too few mentions", "ATLEAST/4 Iran", False),
    ("mentions of any of them", "ATLEAST/5 (Iran OR Syria)", True),
    ("mentions in a field", "ATLEAST/2 body:Iran", True),
    ("mentions of what is near", "ATLEAST/2 (Iran NEAR/2 (missile OR denies))", True),
    ("pairs that share no word are mentions", "ATLEAST/2 (Iran NEAR/2 (fires OR Russia))", True),
    ("pairs that share a word are one mention", "ATLEAST/2 (Iran NEAR/4 (Russia OR Moscow))", False),
    ("mentions are near", "ATLEAST/3 Iran NEAR/2 Russia", True),
    ("short capitals are capitals", "US", False),
]


@pytest.mark.parametrize(("query", "yes"), [c[1:] for c in TRUE], ids=[c[0] for c in TRUE])
def test_a_query_is_true(query, yes):
    match = judge(query, STORY)
    assert (match.score, match.threshold) == (float(yes), 1)
    assert (match.verdict, match.reason) == (
        (Verdict.ALERT, Reason.MATCHED) if yes else (Verdict.SILENT, Reason.BELOW_THRESHOLD)
    )
    assert sum(hit.points for hit in match.hits) == (1 if yes and match.hits else 0)


def test_hits_are_the_words_that_make_it_true():
    match = judge("(Peru OR Russia) NEAR/2 Iran AND NOT Chile", STORY)
    assert [(hit.term, hit.field) for hit in match.hits] == [("Russia", "body"), ("Iran", "body")]


def test_what_is_wanting_is_said():
    match = judge("Iran AND ATLEAST/2 Russia AND NOT title:missile", STORY)
    assert match.missing == ("(ATLEAST/2 Russia)", "(NOT title:missile)")


def test_a_veto_silences_a_query():
    match = judge("Iran", STORY, vetoes=(Veto(any=("Moscow",)),))
    assert (match.reason, match.veto) == (Reason.VETOED, "Moscow")


def test_a_query_without_its_words_is_asked_of_every_story():
    one = Watchlist(id="w", title="W", threshold=1, query="NOT Peru")
    assert true_of_nothing(asked(read_query("NOT Peru"))) and not true_of_nothing(read_query("Iran AND NOT Peru"))
    assert score_story(STORY, (), compile_watchlists((one,)), least=0.7)[0].verdict is Verdict.ALERT


def test_a_repetitive_text_stays_cheap():
    story = StoryText(title="t", lead="l", body="x\n" + "arms and Iran and " * 2_000)
    assert judge("ATLEAST/2 (arms NEAR/90 Iran) AND arms NEAR/90 Iran NEAR/90 arms", story).score == 1


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(["Iran", "Syria", "missile", "Russia", "Peru", '"fires missile"', "title:Iran", "body:Syria"])
QUERIES = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("(NOT {})".format, inner),
        st.builds("(ATLEAST/2 {})".format, WORDS),
        st.builds("({} NEAR/3 {})".format, WORDS, WORDS),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(QUERIES)
def test_a_query_printed_back_asks_the_same(query):
    printed = str(read_query(query))
    assert str(read_query(printed)) == printed
    assert judge(query, STORY).score == judge(printed, STORY).score


@settings(max_examples=100, deadline=None)
@given(QUERIES, QUERIES)
def test_the_laws_of_de_morgan_hold(one, other):
    assert judge(f"NOT ({one} OR {other})", STORY).score == judge(f"NOT {one} AND NOT {other}", STORY).score
    assert judge(f"NOT ({one} AND {other})", STORY).score == judge(f"NOT {one} OR NOT {other}", STORY).score
