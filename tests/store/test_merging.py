import sqlalchemy as sa

from monitor.model import Assignment, Decision, DeliveryStatus, Judged, Reason, Rule, Verdict
from monitor.store import merging, outbox, stories
from monitor.store.schema import deliveries
from tests.builders import NOW, ago, alert, delivery, entry, match


def told(one, *alerts, **about):
    decisions = tuple(Decision(match=match(**about), reason=Reason.MATCHED, alert=known) for known in alerts)
    return Judged(entry=one, assignment=Assignment(story=one.id), decisions=decisions)


def two_stories(tx):
    first, second = entry(guid="1"), entry("Night of debate ends with a vote", "The longer text of the two.", guid="2", feed="herald")
    stories.save(tx, [told(first, alert("a1", story=first.id))], ago(hours=2))
    stories.save(tx, [told(second, alert("a2", story=second.id), score=3.0)], ago(hours=1))
    return first, second


def states(tx):
    return {row.id: row.state for row in tx.execute(sa.select(deliveries.c.id, deliveries.c.state))}


def test_everything_of_the_younger_story_moves_to_the_older(tx):
    first, second = two_stories(tx)
    merging.merge_stories(tx, first.id, (second.id,), NOW)
    (row,) = stories.list_stories(tx, since=ago(days=1))
    assert (row["id"], row["pickups"], row["first_seen_at"]) == (first.id, 2, ago(hours=2))
    assert stories.text_of(tx, row)[0] == second.summary
    pickups = stories.list_pickups(tx, [first.id])[first.id]
    assert [(pickup.entry, pickup.rule) for pickup in pickups] == [(first.id, Rule.FOUNDER), (second.id, Rule.SIMILAR)]
    standing = stories.standings(tx, [first.id])[first.id]
    assert {known.alert for known in standing.alerted} == {"a1", "a2"}
    assert [known["score"] for known in stories.list_matches(tx, [first.id])[first.id]] == [4.0]


def test_the_id_of_a_story_that_is_gone_leads_to_the_one_that_stays(tx):
    first, second = two_stories(tx)
    third = entry("Debate ends", guid="3", feed="portal")
    stories.save(tx, [told(third)], NOW)
    merging.merge_stories(tx, second.id, (third.id,), NOW)
    merging.merge_stories(tx, first.id, (second.id,), NOW)
    assert stories.find_story(tx, third.id[:9])["id"] == first.id
    assert stories.find_story(tx, second.id)["id"] == first.id


def test_merging_twice_or_with_nothing_changes_nothing(tx):
    first, second = two_stories(tx)
    for _ in range(2):
        merging.merge_stories(tx, first.id, (second.id, "unknown"), NOW)
    merging.merge_stories(tx, first.id, (first.id,), NOW)
    merging.merge_stories(tx, "unknown", (first.id,), NOW)
    assert stories.find_story(tx, first.id)["pickups"] == 2


def test_no_alert_is_lost_and_none_repeated(tx):
    """What waits for somebody who was told of the other story is not sent; what waits for others is."""
    first, second = two_stories(tx)
    outbox.enqueue(
        tx,
        [
            delivery("told", alert="a1", state=DeliveryStatus.DELIVERED),
            delivery("again", alert="a2"),
            delivery("somebody-else", channel="room", alert="a2"),
        ],
    )
    tx.execute(deliveries.update().where(deliveries.c.id == "told").values(state="delivered"))
    merging.merge_stories(tx, first.id, (second.id,), NOW)
    assert states(tx) == {"told": "delivered", "again": "cancelled", "somebody-else": "queued"}


def test_a_silent_verdict_does_not_replace_an_alert(tx):
    first, second = entry(guid="1"), entry("Night of debate ends with a vote", guid="2", feed="herald")
    near = Decision(match=match(Verdict.SILENT, score=1.5), reason=Reason.BELOW_THRESHOLD)
    stories.save(tx, [Judged(entry=first, assignment=Assignment(story=first.id), decisions=(near,))], NOW)
    stories.save(tx, [told(second, alert("a2", story=second.id))], NOW)
    merging.merge_stories(tx, first.id, (second.id,), NOW)
    assert [known["verdict"] for known in stories.list_matches(tx, [first.id])[first.id]] == ["alert"]
