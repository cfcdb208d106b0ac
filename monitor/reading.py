"""A document that came in → the entries that are in it, and what of it was there before.

Computes, for as long as it takes: not for the event loop. Decides nothing about entries, and reads no database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from monitor import crash, suspicion
from monitor.core import pipeline
from monitor.core.familiar import item_hash, remembered, to_keep
from monitor.errors import FeedError, ParseError
from monitor.model import Ask, Entry, Feed, FeedState, Fetched, NotModified, ParsedFeed, record

PARTIAL = 226  # RFC 3229: only what is new; never asked for, but understood

Parse = Callable[[Fetched], ParsedFeed | None]  # None: only the slow reader can tell


@record
class Reading:
    """What one check brought, before anything is decided about it."""

    feed: Feed
    state: FeedState
    checked_at: datetime
    ask: Ask = Ask()
    answer: Fetched | NotModified | None = None  # with its body as long as that is not read
    parsed: ParsedFeed | None = None
    entries: tuple[Entry, ...] = ()
    familiar: int = 0  # entries beside these that were in the last document as they are
    seen_items: bytes | None = None  # what is to be remembered of them all (core/familiar.py)
    body_hash: str | None = None
    document: str = ""  # the same of a document that is perhaps not read
    error: FeedError | None = None
    poison: str = ""  # what was wrong with entries that could not be judged, and are not among these

    @property
    def listed(self) -> int:
        """How many entries the document has."""
        return len(self.entries) + self.familiar

    @property
    def is_unread(self) -> bool:
        """Whether its document waits for the slow reader, or for any."""
        return isinstance(self.answer, Fetched) and bool(self.answer.body)

    @property
    def is_partial(self) -> bool:
        """Whether the document holds only what is new."""
        return isinstance(self.answer, Fetched) and self.answer.status == PARTIAL


def read_all(readings: Sequence[Reading], parse: Parse, language: str | None) -> list[Reading]:
    """Read every document that came in; those that `parse` leaves to the slow reader stay unread. `language` is that of
    feeds which name none."""
    return [_minded(reading, parse, language) for reading in readings]


def failed(reading: Reading, error: Exception) -> Reading:
    """What is left of a document that could not be read: its bytes are nothing to keep."""
    return replace(reading, answer=replace(reading.answer, body=b""), error=as_feed_error(error))


def as_feed_error(error: Exception) -> FeedError:
    """What is wrong with a feed, by our own fault perhaps: that is no reason to stop the others."""
    if isinstance(error, FeedError):
        return error
    return FeedError(f"internal error: {type(error).__name__}: {error}")


def _minded(reading: Reading, parse: Parse, language: str | None) -> Reading:
    if reading.error is not None or not reading.is_unread:
        return reading
    try:
        return _read(reading, parse, language)
    except Exception as error:
        return failed(reading, error)


def _read(reading: Reading, parse: Parse, language: str | None) -> Reading:
    answer, state = reading.answer, reading.state
    reading = replace(reading, document=reading.document or _hash(answer.body))
    read = replace(reading, answer=replace(answer, body=b""))  # what is read of it is kept, not its bytes
    if reading.document == state.body_hash:
        return read
    if until := suspicion.set_aside_until(state, reading.document, reading.checked_at):
        raise ParseError(f"set aside until {until:%d %b %H:%M} UTC: three times nobody could read this document")
    parsed = reading.parsed or parse(answer)
    if parsed is None:
        return reading
    read = replace(_with_entries(read, parsed, language), parsed=parsed, body_hash=reading.document)
    crash.reach("parsed")
    return read


def _with_entries(reading: Reading, parsed: ParsedFeed, language: str | None) -> Reading:
    before, now = reading.state.seen_items, reading.checked_at
    hashes = [item_hash(raw) for raw in parsed.entries]
    known = remembered(before, now)
    familiar = frozenset(place for place, item in enumerate(hashes) if item in known)
    entries = pipeline.read(parsed, reading.feed, now=now, default_language=language, leave_out=familiar)
    repeats = len(entries) + len(familiar) < len(hashes)  # or has items that say nothing: which is which is told anew
    seen = b"" if repeats else to_keep(hashes, before, now)
    return replace(reading, entries=entries, familiar=len(familiar), seen_items=None if reading.is_partial else seen)


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()
