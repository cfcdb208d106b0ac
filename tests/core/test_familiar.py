"""Items of the last document, known by what they say."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from monitor.core.familiar import item_hash, remembered, to_keep
from monitor.model import ParsedEntry
from tests.builders import NOW

ITEM = ParsedEntry(guid="1", link="https://gazette.example/1", title="Rain", published_at=NOW)
OTHER = {"guid": "2", "link": None, "title": "rain", "summary": "s", "body": "b", "author": "a", "outlet": "o", "published_at": None,
         "updated_at": NOW, "language": "en", "title_is_text": True, "summary_is_text": True, "body_is_text": True}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(ParsedEntry)])
def test_whatever_an_item_says_otherwise_makes_it_another(name):
    assert item_hash(replace(ITEM, **{name: OTHER[name]})) != item_hash(ITEM)


def test_the_same_item_is_the_same_and_no_letter_is_too_odd():
    assert item_hash(replace(ITEM, title="\ud800 \0")) == item_hash(replace(ITEM, title="\ud800 \0"))
    assert item_hash(replace(ITEM, title="a", summary="b")) != item_hash(replace(ITEM, title="a\0b"))


def test_a_document_is_remembered_until_it_is_time_to_read_one_as_a_whole():
    hashes = [item_hash(replace(ITEM, guid=str(n))) for n in range(3)]
    kept = to_keep(hashes, None, NOW)
    assert remembered(kept, NOW) == frozenset(hashes)
    later = NOW + timedelta(days=5)
    next_kept = to_keep(hashes[1:], kept, later)
    assert remembered(next_kept, later) == frozenset(hashes[1:])
    assert remembered(next_kept, NOW + timedelta(days=8)) == frozenset()  # counted from the first, not from the last
    whole = to_keep(hashes, next_kept, NOW + timedelta(days=8))
    assert remembered(whole, NOW + timedelta(days=14)) == frozenset(hashes)


@pytest.mark.parametrize("kept", [None, b"", to_keep([], None, NOW), to_keep([b"12345678"], None, NOW + timedelta(days=3))])
def test_nothing_is_known_without_a_document_before_or_where_the_clock_went_back(kept):
    assert remembered(kept, NOW) == frozenset()
