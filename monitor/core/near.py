"""Places and what stands near them. Measures; decides nothing, and does not know whose places they are."""

from __future__ import annotations

from bisect import bisect_left

from monitor.core.locate import Place, StoryWords
from monitor.model import Near

REACH = -1  # in the place of a variant's number: from one of two places that are near each other to the other


def near_places(places: list[Place], others: list[Place], near: Near, words: StoryWords) -> list[Place]:
    """The places that have one of the others near; both sorted."""
    if not others:
        return []
    longest = max(other[1] - other[0] for other in others)
    return [place for place in places if neighbours(place, others, longest, near, words, most=1)]


def neighbours(
    place: Place,
    others: list[Place],
    longest: int,
    near: Near,
    words: StoryWords,
    *,
    after: bool = False,
    most: int | None = None,
    other_mentions: bool = False,
) -> list[Place]:
    """The first of the others (sorted, none of more words than `longest`) that are near a place, `most` of them or all;
    `other_mentions`: and share no word with it.

    `near.ordered` wants the place to stand first; with `after` it wants the others to.
    """
    begin, end = place[0], place[1]
    low, high = words.bounds(begin, sentence=near.sentence)
    if near.words is not None:
        low, high = max(low, begin - near.words - longest), min(high, end + near.words)
    if near.ordered and not after:
        low = max(low, end)
    found = []
    for index in range(bisect_left(others, (low,)), bisect_left(others, (high,))):
        other = others[index]
        if near.ordered and after and other[1] > begin:
            continue
        if other_mentions and _one_mention(place, other):
            continue
        if near.words is None or apart(place, other) <= near.words:
            found.append(other)
            if len(found) == most:
                break
    return found


def _one_mention(place: Place, other: Place) -> bool:
    """Whether two places share a word; of a reach only the words at its ends are mentioned."""
    if place[3] == REACH or other[3] == REACH:
        return place[0] == other[0] or place[1] == other[1]
    return place[0] < other[1] and other[0] < place[1]


def apart(place: Place, other: Place) -> int:
    """By how much the positions of the nearest words differ: side by side is 1, one over the other 0."""
    return max(0, other[0] - place[1] + 1, place[0] - other[1] + 1)
