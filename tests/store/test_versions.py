from dataclasses import replace

from monitor.model import Assignment, Judged
from monitor.store import stories
from monitor.store.versions import MOST_VERSIONS, list_versions
from tests.builders import NOW, entry


def save(tx, one, *, edit=False):
    stories.save(tx, [Judged(entry=one, assignment=Assignment(story=one.id), is_edit=edit)], NOW)


def test_F7_an_edited_headline_is_a_version_of_its_entry(tx):
    one = entry("Ferry accident kills 12 passengers", "A night of search.", guid="g1")
    save(tx, one)
    edited = entry("Ferry accident kills 15 passengers", "A night of search.", guid="g1")
    (known,) = stories.fresh(tx, [edited], NOW).edited
    save(tx, known.entry, edit=True)
    (version,) = list_versions(tx, [one.id])[one.id]
    assert (version.title, version.changed) == (one.title, ("title", "figures"))
    assert stories.find_story(tx, one.id)["title"] == edited.title


def test_F8_a_text_that_flaps_is_written_a_bounded_number_of_times(tx):
    one = entry(guid="g1", summary="At 12:00")
    save(tx, one)
    for n in range(MOST_VERSIONS + 10):
        found = stories.fresh(tx, [entry(guid="g1", summary=f"At 12:{n:02}:30")], NOW)
        assert found.new == ()
        for known in found.edited:
            save(tx, known.entry, edit=True)
    assert len(list_versions(tx, [one.id])[one.id]) == MOST_VERSIONS


def test_an_entry_that_was_never_edited_has_no_versions(tx):
    save(tx, replace(entry(), id="e1"))
    assert list_versions(tx, ["e1", "unknown"]) == {}
