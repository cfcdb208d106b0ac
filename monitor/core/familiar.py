"""Items that were in a feed's last document, letter for letter: nothing is to be worked out of them again.

Most of a changed document is as it was. What an item says is hashed before anything is made of it, and the hashes of a
document are kept with its feed. Once a week a document is read as a whole all the same, so that retention sees what is
still listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from monitor.model import ParsedEntry

HASH_BYTES = 8  # of 1,000 items at most: two that differ look the same once in 10**13 documents
DAY_BYTES = 4
WHOLE_AGAIN = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def item_hash(raw: ParsedEntry) -> bytes:
    """Everything that an item says, as a few bytes."""
    said = (
        f"{raw.guid}\0{raw.link}\0{raw.title}\0{raw.summary}\0{raw.body}\0{raw.author}\0{raw.language}\0"
        f"{raw.published_at}\0{raw.updated_at}\0{raw.title_is_text}{raw.summary_is_text}{raw.body_is_text}"
    )
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


def remembered(kept: bytes | None, now: datetime) -> frozenset[bytes]:
    """Hashes of the last document, from what `to_keep` made of them; none where that is to be read as a whole."""
    if not kept or not timedelta(0) <= now - _since(kept) < WHOLE_AGAIN:
        return frozenset()
    return frozenset(kept[at : at + HASH_BYTES] for at in range(DAY_BYTES, len(kept), HASH_BYTES))


def to_keep(hashes: Iterable[bytes], before: bytes | None, now: datetime) -> bytes:
    """The hashes of a document, and since when its feed's documents are not read as a whole: `before`, what was kept
    of the one before it."""
    since = before[:DAY_BYTES] if before and remembered(before, now) else (now - EPOCH).days.to_bytes(DAY_BYTES, "big")
    return since + b"".join(hashes)


def _since(kept: bytes) -> datetime:
    return EPOCH + timedelta(days=int.from_bytes(kept[:DAY_BYTES], "big"))
