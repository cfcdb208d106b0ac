from dataclasses import replace

import sqlalchemy as sa

from monitor.model import Assignment, Decision, Judged, Reason, Rule, Verdict
from monitor.store import outbox, stories
from tests.builders import NOW, ago, alert, delivery, entry, match, told_as


def judged(one, story=None, rule=Rule.SIMILAR, **more):
    assignment = Assignment(story=story, similarity=91.0, rule=rule) if story else Assignment(story=one.id)
    return Judged(**{"entry": one, "assignment": assignment, **more})


def save(tx, *found, now=NOW):
    stories.save(tx, found, now)


def test_a_new_entry_is_fresh_and_a_saved_one_is_not(tx):
    one = entry()
    assert stories.fresh(tx, [one], NOW).new == (one,)
    save(tx, judged(one))
    again = stories.fresh(tx, [one], NOW)
    assert (again.new, again.edited, dict(again.known)) == ((), (), {"gazette": 1})


def test_a_changed_text_is_an_edit_of_the_same_entry(tx):
    one = entry(guid="g1", title="Harbour bill passes")
    save(tx, judged(one))
    edited = entry(guid="g1", title="Harbour bill passes narrowly")
    (known,) = stories.fresh(tx, [edited], NOW).edited
    assert (known.entry.id, known.story) == (one.id, one.id)


def test_known_entries_are_looked_up_by_the_index_that_finds_few(tx):
    asked = []
    sa.event.listen(tx, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    stories.fresh(tx, [entry(link=""), entry(link="https://gazette.example/harbour-bill")], NOW)
    plans = [" ".join(row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)) for sql, values in tuple(asked)]
    found_by = {column: plan for column in ("url_key", "title_key") for plan in plans if f"({column}=?)" in plan}
    assert "INDEX entries_title" in found_by["title_key"] and "INDEX entries_url" in found_by["url_key"]
    assert [plan for plan in plans if "SCAN entries" in plan] == []


def test_a_new_guid_under_a_known_address_of_the_same_feed_is_the_same_entry(tx):
    one = entry(guid="build-1", link="https://gazette.example/harbour-bill")
    save(tx, judged(one))
    assert (
        stories.fresh(tx, [entry(guid="build-2", link="https://gazette.example/harbour-bill?utm_source=rss")], NOW).new
        == ()
    )


def test_a_known_address_in_another_feed_is_a_new_entry(tx):
    save(tx, judged(entry(link="https://gazette.example/harbour-bill")))
    other = entry(feed="chronicle", link="https://gazette.example/harbour-bill")
    assert stories.fresh(tx, [other], NOW).new == (other,)


def test_saving_twice_changes_nothing(tx):
    one = entry()
    save(tx, judged(one))
    save(tx, judged(one))
    (row,) = stories.list_stories(tx, since=ago(days=1))
    assert len(stories.list_pickups(tx, [row["id"]])[row["id"]]) == 1


def test_a_standing_holds_pickups_best_texts_alerts_and_waiting_messages(tx):
    first = entry(guid="1", summary="Short.", body="")
    second = entry(
        guid="2", feed="chronicle", summary="A much longer summary of the debate on the harbour bill.", body=""
    )
    told = Decision(match=match(), reason=Reason.MATCHED, alert=alert(story=first.id))
    save(tx, judged(first, decisions=(told,)))
    save(tx, judged(second, story=first.id, lead_grew=True))
    outbox.enqueue(tx, [delivery()])
    standing = stories.standings(tx, [first.id])[first.id]
    assert [pickup.feed for pickup in standing.pickups] == ["gazette", "chronicle"]
    assert standing.lead == second.summary
    assert standing.alerted == (told_as("a1"),)
    assert [waiting.delivery for waiting in standing.waiting] == ["d1"]


def test_stories_are_listed_by_time_watchlist_and_search(tx):
    alerted, other = entry(), entry(title="A comet is seen over the southern hills", feed="herald")
    save(
        tx, judged(alerted, decisions=(Decision(match=match(), reason=Reason.MATCHED, alert=alert(story=alerted.id)),))
    )
    save(
        tx, judged(other, decisions=(Decision(match=match(Verdict.SILENT, score=1.5), reason=Reason.BELOW_THRESHOLD),))
    )

    def found(**about):
        return {row["id"] for row in stories.list_stories(tx, since=ago(hours=1), **about)}

    assert found() == {alerted.id, other.id}
    assert found(watchlist="harbour") == {alerted.id}
    assert found(search="COMET") == {other.id}
    assert found(search='100%_" NEAR(') == set()
    assert not stories.list_stories(tx, since=ago(hours=-1))


def test_a_story_is_found_by_the_beginning_of_its_id(tx):
    one = entry()
    save(tx, judged(one))
    assert stories.find_story(tx, one.id[:8])["id"] == one.id
    assert stories.find_story(tx, "%") is None


def test_what_retention_deleted_is_still_known(tx):
    one = entry()
    save(tx, judged(one), now=ago(days=100))
    fresh_one = entry(title="A comet is seen over the southern hills", feed="herald")
    save(tx, judged(fresh_one))
    assert stories.forget_old(tx, NOW, seen_before=ago(days=90)) == (1, 1)
    copies = [one, replace(one, id="another", title_key=7), replace(one, id="the same under another guid")]
    again = stories.fresh(tx, copies, NOW)
    assert [found.id for found in again.new] == ["another"]
    assert stories.find_story(tx, fresh_one.id) is not None
