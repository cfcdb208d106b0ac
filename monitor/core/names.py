"""Ids and keys: how things get names that are the same tomorrow, on another host and after a crash.

Pure hashing; knows nothing of what it names.
"""

from __future__ import annotations

from hashlib import blake2b

ID_BYTES = 10  # 80 bits: ten million names collide with a chance of 4e-11
SEPARATOR = "\x1f"  # ASCII unit separator, so that ("a", "bc") and ("ab", "c") differ


def name_of(*parts: str) -> str:
    """The id of the thing that these words identify: 20 hexadecimal digits."""
    return blake2b(_bytes(parts), digest_size=ID_BYTES).hexdigest()


def kept_back_id(feed: str, alert: str) -> str:
    """The id of an alert that a silence of this feed keeps back: another feed's copy may be told under the other."""
    return name_of("silenced", alert, feed)


def signature_of(key: bytes, *parts: str) -> str:
    """What only who has the key (16 to 64 bytes) can say of these words: 32 hexadecimal digits.

    BLAKE2b with a key is a message authentication code by itself (RFC 7693, 2.9).
    """
    return blake2b(_bytes(parts), key=key, digest_size=16).hexdigest()


def key_of(*parts: str) -> int:
    """A key for equality in the database: 63 bits, so that it fits a signed integer column."""
    return int.from_bytes(blake2b(_bytes(parts), digest_size=8).digest(), "big") >> 1


def _bytes(parts: tuple[str, ...]) -> bytes:
    return SEPARATOR.join(parts).encode("utf-8", "surrogatepass")
