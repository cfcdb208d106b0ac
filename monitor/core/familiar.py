"""Items that were in a feed's last document, letter for letter: nothing is to be worked out of them again.

Most of a changed document is as it was. What an item says is hashed before anything is made of it, and the hashes of a
document are kept with its feed. Once a week a document is read as a whole all the same, so that retention sees what is
still listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from monitor.core.names import key_of
from monitor.model import ParsedEntry

HASH_BYTES = 8  # of 1,000 items at most: two that differ look the same once in 10**13 documents
DAY_BYTES = 4
WHOLE_AGAIN = 7  # days

_said_by = attrgetter(*(field.name for field in fields(ParsedEntry)))


def item_hash(raw: ParsedEntry) -> bytes:
    """Everything that an item says, as a few bytes."""
    return key_of("item", *map(str, _said_by(raw))).to_bytes(HASH_BYTES, "big")


def remembered(kept: bytes | None, now: datetime) -> frozenset[bytes]:
    """Hashes of the last document, from what `to_keep` made of them; none where that is to be read as a whole."""
    if not _holds(kept, now):
        return frozenset()
    return frozenset(kept[at : at + HASH_BYTES] for at in range(DAY_BYTES, len(kept), HASH_BYTES))


def to_keep(hashes: Iterable[bytes], before: bytes | None, now: datetime) -> bytes:
    """The hashes of a document, and since when its feed's documents are not read as a whole: `before`, what was kept
    of the one before it."""
    since = before[:DAY_BYTES] if _holds(before, now) else now.toordinal().to_bytes(DAY_BYTES, "big")
    return since + b"".join(hashes)


def _holds(kept: bytes | None, now: datetime) -> bool:
    """Whether what was kept of a document, if anything, is young enough."""
    return bool(kept) and 0 <= now.toordinal() - int.from_bytes(kept[:DAY_BYTES], "big") < WHOLE_AGAIN
