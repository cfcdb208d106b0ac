"""When a story that was told is told again."""

import pytest

from monitor.core.updates import development, notice
from monitor.model import Reason, Standing
from tests.builders import NOW, entry, pickup

TOLD = Standing(story="s1", first_seen_at=NOW, pickups=(pickup("Quake kills 12 in the north", feed="gazette"),))
TIERS = {"wire": 1}


def seen(title, *, feed="herald", is_edit=False, levels=(), before=TOLD):
    one = entry(title, feed=feed)
    after = before if is_edit else Standing(story="s1", first_seen_at=NOW, pickups=(*before.pickups, pickup(title, feed=feed)))
    return development(one, before, after, is_edit=is_edit, levels=levels, tier_of=lambda name: TIERS.get(name, 2))


SAME = "Quake kills 12 in the north"
CASES = [
    ("another copy is no news", {"title": SAME}, None),
    ("a figure that changed in an edit", {"title": "Quake kills 31 in the north", "is_edit": True}, Reason.NEW_FIGURE),
    ("a figure that changed in a copy", {"title": "Quake kills 31 in the north"}, Reason.NEW_FIGURE),
    ("a figure in another headline is none", {"title": "Rescuers reach 31 villages after the quake"}, None),
    ("a headline without a figure is none", {"title": "Quake kills dozens in the north"}, None),
    ("a figure that was added is none", {"title": "Quake kills 12 in the north 3", "is_edit": True}, None),
    ("the same figure written otherwise is none", {"title": "Flood leaves 1200 homeless", "before": Standing(story="s1", first_seen_at=NOW, pickups=(pickup("Flood leaves 1,200 homeless"),))}, None),
    ("a decimal is no thousand", {"title": "Bank cuts rate to 1.25 percent", "before": Standing(story="s1", first_seen_at=NOW, pickups=(pickup("Bank cuts rate to 1.5 percent"),))}, Reason.NEW_FIGURE),
    ("a time of day is none", {"title": "Quake kills 12 in the north (10:30)", "is_edit": True, "before": Standing(story="s1", first_seen_at=NOW, pickups=(pickup("Quake kills 12 in the north (10:15)"),))}, None),
    ("a name that changed is no figure", {"title": "Quake kills 12 in the south", "is_edit": True}, None),
    ("the first outlet of tier 1", {"title": SAME, "feed": "wire"}, Reason.TIER_ONE),
    ("the second outlet of tier 1", {"title": SAME, "feed": "wire", "before": Standing(story="s1", first_seen_at=NOW, pickups=(pickup(SAME, feed="wire"),))}, None),
    ("as many copies as were asked for", {"title": SAME, "levels": (2, 5)}, Reason.PICKED_UP),
    ("not as many yet", {"title": SAME, "levels": (3, 5)}, None),
    ("an edit is no copy", {"title": SAME, "levels": (1, 2), "is_edit": True}, None),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_story_is_told_again_only_for_a_reason(case, reason):
    update = seen(**case)
    assert (update and update.reason) == reason


def test_a_new_figure_is_said_with_the_old_one_and_happens_once_a_figure():
    one, again = seen("Quake kills 31 in the north"), seen("Quake kills 31 in the north - Herald")
    assert one.news == "New figure: 31 (was 12)."
    assert one.occasion == again.occasion
    flapping = Standing(story="s1", first_seen_at=NOW, pickups=(pickup("Quake kills 31 in the north"), pickup(SAME, feed="b")))
    assert seen("Quake kills 12 in the north", before=flapping) is None


NOTICES = [
    ("CORRECTED-Quake kills 11 in the north", Reason.CORRECTED, "The headline was: Quake kills 12 in the north"),
    ("KILL-Quake kills 12 in the north", Reason.KILLED, "do not use"),
    ("STORY WITHDRAWN: Quake kills 12 in the north", Reason.WITHDRAWN, "do not use"),
]


@pytest.mark.parametrize(("title", "reason", "says"), NOTICES)
def test_what_a_desk_takes_back_or_corrects_is_an_update(title, reason, says):
    update = notice(entry(title), TOLD)
    assert (update.reason, says in update.news) == (reason, True)


def test_a_correction_of_the_text_alone_repeats_no_headline():
    assert notice(entry("CORRECTED-Quake kills 12 in the north"), TOLD).news == "Corrected by Gazette."


def test_a_film_title_kills_nothing():
    assert notice(entry("Kill Bill returns to cinemas"), TOLD) is None


def test_a_correction_that_ten_outlets_carry_is_one_occasion():
    assert notice(entry("CORRECTED-Quake kills 11", feed="a"), TOLD).occasion == notice(entry("CORRECTED-Quake kills 11", feed="b"), TOLD).occasion
