"""A sketch as the bytes of one database column, and back.

Layout: a format byte, three counts, the 32-bit hashes of lead and body, then the words as UTF-8 lines.
"""

from __future__ import annotations

import struct
from array import array
from sys import byteorder

from monitor.model import Sketch

FORMAT = 1
HEADER = struct.Struct("<BBHH")  # format, flags, lead hashes, body hashes
LIVE = 1
MOST_HASHES = 0xFFFF


def pack(sketch: Sketch) -> bytes:
    """A sketch as bytes."""
    lead, body = sorted(sketch.lead)[:MOST_HASHES], sorted(sketch.body)[:MOST_HASHES]
    lines = (sketch.words, sorted(sketch.names), sorted(sketch.numbers), sorted(sketch.days))
    text = "\n".join("\t".join(line) for line in lines)
    header = HEADER.pack(FORMAT, LIVE if sketch.live else 0, len(lead), len(body))
    return header + _little_endian(array("I", [*lead, *body])).tobytes() + text.encode("utf-8", "surrogatepass")


def unpack(data: bytes) -> Sketch:
    """The sketch that `pack` made bytes of. Raises ValueError for another format."""
    version, flags, leads, bodies = HEADER.unpack_from(data)
    if version != FORMAT:
        raise ValueError(f"sketch of format {version}, expected {FORMAT}")
    end = HEADER.size + 4 * (leads + bodies)
    hashes = array("I")
    hashes.frombytes(data[HEADER.size : end])
    hashes = _little_endian(hashes)
    words, names, numbers, days = (
        tuple(line.split("\t")) if line else () for line in data[end:].decode("utf-8", "surrogatepass").split("\n")
    )
    return Sketch(
        words=words,
        names=frozenset(names),
        numbers=frozenset(numbers),
        days=frozenset(days),
        lead=frozenset(hashes[:leads]),
        body=frozenset(hashes[leads:]),
        live=bool(flags & LIVE),
    )


def _little_endian(hashes: array) -> array:
    if byteorder == "big":
        hashes.byteswap()
    return hashes
