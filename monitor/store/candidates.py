"""Earlier entries that may be the same text, found by key: the index of all blocking keys, and what it leads to.

Functions take an open transaction `tx`. A key is an integer below 2**32; a posting is one integer, made of a level, a
key and the number of an entry, in one ordered table, so that the newest entries behind a key are the end of a range.
Nothing of it is kept in memory. Whether two texts are copies is decided in core/dedup.py.

In SQLite a new posting goes to level 0, which holds the last few thousand entries, and sinks from there to level 1 and
to level 2, which holds the rest: with every entry saved, the next slice of the keys moves one level down. A large batch
goes to level 1 at once. Random keys would otherwise touch a page each, and writing pages is what an index costs (the
log-structured merge of O'Neil et al., 1996, in one table). PostgreSQL keeps all on level 2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache

import sqlalchemy as sa

from monitor.model import POSTINGS, Candidate, Entry, Snapshot
from monitor.store.database import insert_plain, is_sqlite
from monitor.store.schema import dedup_keys, from_number
from monitor.store.sketches import unpack

NUMBER_BITS = 30  # a thousand million entries
NUMBERS = (1 << NUMBER_BITS) - 1
KEY_SPACE = 1 << (32 + NUMBER_BITS)
LEVELS = (0, 1, 2)
HELD = {0: 2_000, 1: 40_000}  # entries after which a level has sunk as a whole
MANY = HELD[0] // 8  # entries saved at once: on level 0 their keys would only stop for a moment

Postings = Mapping[int, Collection[int]]
Shares = tuple[tuple[int, int], ...]  # weight and number of an entry

_ON_A_LEVEL = (
    "SELECT * FROM (SELECT posting & :numbers AS number FROM dedup_keys"
    " WHERE posting BETWEEN value + {low} AND value + {low} + :numbers ORDER BY posting DESC LIMIT :most)"
)
_NEWEST_ON_POSTGRES = sa.text(
    "SELECT start, numbers"
    " FROM (SELECT CAST(value AS bigint) AS start FROM json_array_elements_text(CAST(:starts AS json))) AS starts,"
    " LATERAL (SELECT string_agg(CAST(posting & :numbers AS text), ',') AS numbers FROM (SELECT posting"
    " FROM dedup_keys WHERE posting BETWEEN start AND start + :numbers ORDER BY posting DESC LIMIT :most)"
    " AS newest) AS behind WHERE numbers IS NOT NULL"
)
_COLUMNS = "seq, id, story, outlet, published_at, seen_at, url_key, title_key, text_key, sketch"
_CANDIDATES = {
    True: sa.text(f"SELECT {_COLUMNS} FROM entries WHERE seq IN (SELECT value FROM json_each(:numbers))"),
    False: sa.text(
        f"SELECT {_COLUMNS} FROM entries WHERE seq IN (SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST("
        ":numbers AS json)) AS listed(value))"
    ),
}
_FIRST_ON = sa.text("SELECT 1 FROM dedup_keys WHERE posting BETWEEN :low AND :high LIMIT 1")
_SINK = sa.text("UPDATE OR REPLACE dedup_keys SET posting = posting + :step WHERE posting BETWEEN :low AND :high")


def snapshot(tx: sa.Connection, new: Sequence[Entry], promising: Callable[[Entry, Postings], Shares]) -> Snapshot:
    """Earlier entries that might be the same text as any of the new ones; `promising` picks them by shared keys."""
    found = postings(tx, {key for entry in new for key in entry.keys})
    near = {entry.id: promising(entry, found) for entry in new}
    numbers = sorted({number for shares in near.values() for _, number in shares})
    return Snapshot(candidates=tuple(_candidates(tx, numbers)), near=tuple(near.items()))


def postings(tx: sa.Connection, keys: Iterable[int]) -> dict[int, set[int]]:
    """Numbers of the newest entries behind each key; keys that nothing has are left out."""
    starts = sorted({key << NUMBER_BITS for key in keys})  # on level 2, which begins at 0
    values = {"starts": json.dumps(starts), "numbers": NUMBERS, "most": POSTINGS}
    newest = _newest_on(_filled(tx)) if is_sqlite(tx) else _NEWEST_ON_POSTGRES
    rows = tx.execute(newest, values).all()
    return {start >> NUMBER_BITS: set(map(int, numbers.split(","))) for start, numbers in rows}


def _filled(tx: sa.Connection) -> tuple[int, ...]:
    """The levels that hold anything, or the lowest: while a great deal comes at once the uppermost is empty."""
    rows = [tx.execute(_FIRST_ON, {"low": _start(level, 0), "high": _start(level + 1, 0) - 1}) for level in LEVELS[:-1]]
    return tuple(level for level, row in zip(LEVELS, rows, strict=False) if row.first()) + LEVELS[-1:]


@cache
def _newest_on(levels: tuple[int, ...]) -> sa.TextClause:
    """Asks these levels in turn, the one with the newest first, until there are enough. LIMIT -1 keeps SQLite from
    looking each key up twice, once for the condition."""
    found = " UNION ALL ".join([_ON_A_LEVEL.format(low=_start(level, 0)) for level in levels])
    return sa.text(
        "SELECT start, numbers FROM (SELECT value AS start, (SELECT group_concat(number) FROM"
        f" (SELECT number FROM ({found}) LIMIT :most)) AS numbers FROM json_each(:starts) LIMIT -1)"
        " WHERE numbers IS NOT NULL"
    )


def save_keys(tx: sa.Connection, numbered: Mapping[int, Sequence[int]]) -> None:
    """Write the keys of these entries (number → keys); doing it twice changes nothing."""
    if not numbered:
        return
    level = LEVELS[-1] if not is_sqlite(tx) else 0 if len(numbered) < MANY else 1
    low = _start(level, 0)
    rows = sorted({low + (key << NUMBER_BITS | number) for number, keys in numbered.items() for key in keys})
    insert_plain(tx, "dedup_keys", ("posting",), [(posting,) for posting in rows])
    if is_sqlite(tx):
        _sink(tx, min(numbered), len(numbered))


def forget_keys(tx: sa.Connection, before: int, *, part: int, parts: int) -> int:
    """Delete the postings of entries numbered below `before` in one of `parts` equal parts of the index; how many."""
    deleted = 0
    for level in LEVELS if is_sqlite(tx) else LEVELS[-1:]:
        low, high = (_start(level, 0) + KEY_SPACE * edge // parts for edge in (part, part + 1))
        old = sa.and_(dedup_keys.c.posting.between(low, high - 1), dedup_keys.c.posting.bitwise_and(NUMBERS) < before)
        deleted += tx.execute(dedup_keys.delete().where(old)).rowcount
    return deleted


def _start(level: int, key: int) -> int:
    """The lowest posting of a key: levels 0, 1 and 2 fill the signed integers from below."""
    return ((level - 2) << 62) | (key << NUMBER_BITS)


def _sink(tx: sa.Connection, first: int, count: int) -> None:
    """Move down what `count` new entries displace: a slice of the keys of each upper level, the lower level first."""
    for level in sorted(HELD, reverse=True):
        for low, high in _slices(first, count, HELD[level]):
            start = _start(level, 0)
            tx.execute(_SINK, {"step": 1 << 62, "low": start + low, "high": start + high})


def _slices(first: int, count: int, held: int) -> Iterator[tuple[int, int]]:
    """The parts of the key space whose turn it is after `count` entries from number `first` on: all of it in `held`."""
    if count >= held:
        yield 0, KEY_SPACE - 1
        return
    begin, end = first % held, first % held + count
    for low, high in ((begin, min(end, held)), (0, end - held)):
        if low < high:
            yield KEY_SPACE * low // held, KEY_SPACE * high // held - 1


def _candidates(tx: sa.Connection, numbers: Sequence[int]) -> Iterator[Candidate]:
    for row in tx.execute(_CANDIDATES[is_sqlite(tx)], {"numbers": json.dumps(numbers)}).all():
        seq, name, story, outlet, published_at, seen_at, url_key, title_key, text_key, sketch = row
        yield Candidate(
            number=seq,
            entry=name,
            story=story,
            outlet=outlet,
            published_at=None if published_at is None else from_number(published_at),
            seen_at=from_number(seen_at),
            url_key=url_key,
            title_key=title_key,
            text_key=text_key,
            sketch=unpack(sketch),
        )
