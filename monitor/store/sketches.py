"""A sketch as the bytes of one database column, and back.

Layout: a format byte, three counts, the 32-bit hashes of lead and body, then the words as UTF-8 lines.
"""

from __future__ import annotations

import struct

from monitor.model import Sketch

FORMAT = 1
HEADER = struct.Struct("<BBHH")  # format, flags, lead hashes, body hashes
LIVE = 1
MOST_HASHES = 0xFFFF
NOTHING: frozenset = frozenset()


def pack(sketch: Sketch) -> bytes:
    """A sketch as bytes."""
    lead, body = sorted(sketch.lead)[:MOST_HASHES], sorted(sketch.body)[:MOST_HASHES]
    lines = (sketch.words, sorted(sketch.names), sorted(sketch.numbers), sorted(sketch.days))
    text = "\n".join("\t".join(line) for line in lines)
    header = HEADER.pack(FORMAT, LIVE if sketch.live else 0, len(lead), len(body))
    hashes = struct.pack(f"<{len(lead) + len(body)}I", *lead, *body)
    return header + hashes + text.encode("utf-8", "surrogatepass")


def unpack(data: bytes) -> Sketch:
    """The sketch that `pack` made bytes of. Raises ValueError for another format."""
    version, flags, leads, bodies = HEADER.unpack_from(data)
    if version != FORMAT:
        raise ValueError(f"sketch of format {version}, expected {FORMAT}")
    middle = HEADER.size + 4 * leads
    end = middle + 4 * bodies
    words, names, numbers, days = data[end:].decode("utf-8", "surrogatepass").split("\n")
    return Sketch(
        words=tuple(words.split("\t")) if words else (),
        names=frozenset(names.split("\t")) if names else NOTHING,
        numbers=frozenset(numbers.split("\t")) if numbers else NOTHING,
        days=frozenset(days.split("\t")) if days else NOTHING,
        lead=frozenset(struct.unpack(f"<{leads}I", data[HEADER.size : middle])),
        body=frozenset(struct.unpack(f"<{bodies}I", data[middle:end])) if bodies else NOTHING,
        live=bool(flags & LIVE),
    )
