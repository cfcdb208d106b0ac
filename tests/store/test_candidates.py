from monitor.core.pipeline import promising
from monitor.model import POSTINGS, Assignment, Judged
from monitor.store import candidates, stories
from tests.builders import NOW, entry


def save(tx, *found):
    stories.save(tx, [Judged(entry=one, assignment=Assignment(story=one.id)) for one in found], NOW)


def numbers(tx, *found):
    known = candidates.snapshot(tx, found, promising)
    return {candidate.entry: candidate.number for candidate in known.candidates}


def test_a_snapshot_finds_what_shares_keys_newest_first(tx):
    old, new = entry(guid="1"), entry(guid="2", feed="chronicle")
    save(tx, old)
    save(tx, new)
    third = entry(guid="3", feed="herald")
    snapshot = candidates.snapshot(tx, [third], promising)
    assert {candidate.entry for candidate in snapshot.candidates} == {old.id, new.id}
    number = {candidate.entry: candidate.number for candidate in snapshot.candidates}
    assert [found for _, found in dict(snapshot.near)[third.id]] == [number[new.id], number[old.id]]
    assert next(c for c in snapshot.candidates if c.entry == old.id).sketch == old.sketch


def test_a_snapshot_leaves_out_what_shares_nothing(tx):
    save(tx, entry(title="A comet is seen over the southern hills tonight"))
    assert candidates.snapshot(tx, [entry(guid="3", feed="herald")], promising).candidates == ()


def test_an_entry_is_found_wherever_its_keys_have_sunk(tx, monkeypatch):
    """Keys sink from level to level as others come: after each entry everything is still found."""
    monkeypatch.setattr(candidates, "HELD", {0: 3, 1: 7})
    saved = []
    for n in range(30):
        saved.append(entry(f"Ferry number {n * 7919} of company {n * 104729} sinks near lighthouse {n * 1299709}", guid=str(n)))
        save(tx, saved[-1])
        for known in saved:
            found = candidates.postings(tx, known.keys)
            assert set(found) == set(known.keys)
    levels = tx.exec_driver_sql("SELECT count(DISTINCT posting >> 62) FROM dedup_keys").scalar()
    assert levels == 3


def test_saving_the_keys_again_after_they_sank_changes_nothing(tx, monkeypatch):
    monkeypatch.setattr(candidates, "HELD", {0: 1, 1: 1})
    one = entry()
    save(tx, one)
    (number,) = numbers(tx, one).values()
    for _ in range(3):
        candidates.save_keys(tx, {number: one.keys})
    assert candidates.postings(tx, one.keys) == {key: {number} for key in one.keys}


def test_many_at_once_stand_below_the_level_of_the_newest(tx):
    """Which is for those who come one by one: they are found beside them."""
    many = {number: (number % 7, 100 + number) for number in range(1, candidates.MANY + 1)}
    candidates.save_keys(tx, many)
    candidates.save_keys(tx, {candidates.MANY + 1: (3,)})
    levels = tx.exec_driver_sql("SELECT (posting >> 62) + 2, count(*) FROM dedup_keys GROUP BY 1").all()
    assert [level for level, _ in levels] == [0, 1]
    found = candidates.postings(tx, [3, 101])
    in_many = sorted((number for number in many if number % 7 == 3), reverse=True)
    assert found[3] == {candidates.MANY + 1, *in_many[: POSTINGS - 1]}
    assert found[101] == {1}


def test_behind_a_hot_key_only_the_newest_are_read(tx):
    candidates.save_keys(tx, {number: (5,) for number in range(1, 201)})
    assert candidates.postings(tx, [5, 6]) == {5: set(range(200, 200 - POSTINGS, -1))}


def test_forgetting_takes_the_old_keys_of_one_part_of_the_index(tx):
    keys = (1, 1 << 31, (1 << 32) - 1)
    candidates.save_keys(tx, {1: keys, 2: keys})
    assert candidates.forget_keys(tx, 2, part=1, parts=2) == 2
    assert candidates.postings(tx, keys) == {1: {1, 2}, 1 << 31: {2}, (1 << 32) - 1: {2}}
