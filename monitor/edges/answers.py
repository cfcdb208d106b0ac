"""What an HTTP answer says: its validators, how long to wait, its body unpacked within limits.

Reads bytes and header values that a stranger sent. Opens nothing and knows no clock; `fetch` and `lenient` feed it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from monitor.errors import FetchError
from monitor.model import Validators, record

LARGEST_HEAD, MOST_INTERIM = 256 * 1024, 10  # of one answer, its interim ones (1xx) included (design: limits)
LONGEST_VALIDATOR = 1024  # bytes; a longer ETag is not kept (design: H2)
LONGEST_WAIT = timedelta(hours=24)  # the longest Retry-After that is believed (design: limits)
LONGEST_AGE = timedelta(days=365)  # RFC 9111 lets max-age be any number; pace has its own cap
# Registered with IANA (http-parameters, content coding), but for "identity".
CODINGS = frozenset("aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip zstd".split())
RATIO_FROM, RATIO = 1 << 20, 200  # once 1 MiB is unpacked, more than 200:1 is a bomb (design: limits by default)
MOST_MEMBERS = 1000  # of one gzip body; bgzip needs 240 for 15 MB

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECONDS = re.compile(r"(\d{1,12})(?:\.\d+)?\d*", re.ASCII)
_DIRECTIVE = re.compile(r"([a-z-]+)\s*(?:=\s*(?:\"([^\"]*)\"|([^\",;]*)))?", re.IGNORECASE)


@record
class Head:
    """Status and headers of an answer, as bytes came; values are read as UTF-8, odd bytes kept by surrogates."""

    status: int
    raw: tuple[tuple[bytes, bytes], ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order."""
        wanted = name.lower().encode()
        return tuple(value.decode("utf-8", "surrogateescape") for key, value in self.raw if key.lower() == wanted)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of a header."""
        return next(iter(self.all(name)), default)

    def joined(self, name: str) -> str:
        """All values of a header as one list."""
        return ",".join(self.all(name))

    @property
    def media_type(self) -> str:
        """What the body is said to be, without parameters."""
        return (self.get("Content-Type") or "application/octet-stream").partition(";")[0].strip().lower()

    @property
    def length(self) -> int:
        """How long the body is said to be, in bytes; 0 where that is not said."""
        said = (self.get("Content-Length") or "").strip()
        return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


class Heads:
    """Counts the heads of one answer, interim ones and its own, and gives up where they are too many or too large."""

    def __init__(self, host: str):
        self._host, self._count, self._size = host, 0, 0

    def begin(self) -> None:
        """One more. Raises FetchError where it is one too many."""
        self._count += 1
        if self._count > MOST_INTERIM + 1:
            raise FetchError(f"{self._host} sends more than {MOST_INTERIM} interim answers (1xx)")

    def feed(self, size: int) -> None:
        """So many bytes of it. Raises FetchError where they are too many."""
        self._size += size
        if self._size > LARGEST_HEAD:
            raise FetchError(f"{self._host}: the headers of its answer are larger than {LARGEST_HEAD:,} bytes")


def validators_of(headers: Iterable[tuple[bytes, bytes]]) -> Validators:
    """What to send back next time, byte for byte; nothing where it is empty, over 1 KiB or has control characters.

    Takes the answer's raw headers. Each letter of the result stands for one byte (Latin-1), whatever the server meant.
    """
    found: dict[bytes, str | None] = {}
    for name, value in headers:
        if (name := name.lower()) in (b"etag", b"last-modified"):
            found.setdefault(name, _storable(value))
    return Validators(etag=found.get(b"etag"), last_modified=found.get(b"last-modified"))


def max_age_of(cache_control: str, age: str = "") -> timedelta | None:
    """How much longer the server calls its answer fresh, from Cache-Control and Age; None where it does not say."""
    directives = [(name.lower(), (quoted or bare).strip()) for name, quoted, bare in _DIRECTIVE.findall(cache_control)]
    if any(name == "no-store" or (name, value) == ("no-cache", "") for name, value in directives):
        return None  # no-cache with a value is about the headers that it names
    seconds, spent = _SECONDS.fullmatch(dict(directives).get("max-age", "")), _SECONDS.fullmatch(age.strip())
    if seconds is None:
        return None
    left = min(int(seconds[1]), LONGEST_AGE.total_seconds()) - (int(spent[1]) if spent else 0)
    return timedelta(seconds=left) if left > 0 else None


def retry_after_of(value: str | None, now: datetime) -> timedelta | None:
    """How long the server asks us to stay away (seconds or a date), at most 24 h; None where it makes no sense."""
    value = (value or "").strip(' \t"')
    if seconds := _SECONDS.fullmatch(value.partition(",")[0].rstrip()):  # two headers that became one
        wait = timedelta(seconds=min(int(seconds[1]), LONGEST_WAIT.total_seconds()))
    else:
        try:
            date = parsedate_to_datetime(value)
            wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(wait, LONGEST_WAIT) if wait > timedelta(0) else None


def coding_of(content_encoding: str) -> str:
    """How the body is packed: "", "gzip" or "deflate". Raises FetchError for any other way, or more than one. Names of
    no coding at all ("UTF-8", "none") say nothing of it."""
    names = (part.strip().removeprefix("x-") for part in content_encoding.lower().split(","))
    codings = [name for name in names if name in CODINGS]
    if len(codings) > 1:
        raise FetchError("the body is packed more than once, which only an attacker does")
    coding = (codings or [""])[0]
    if coding not in ("", "gzip", "deflate"):
        raise FetchError(f"the body is packed with {shown(coding)}, which we did not offer to read")
    return coding


def shown(text: str, longest: int = 60) -> str:
    """A stranger's words, quoted and cut, safe in a message or a log."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:longest])
    return f"'{clean}…'" if len(text) > longest else f"'{clean}'"


class Body:
    """Collects a body as it arrives, unpacks it, and gives up where it grows beyond its limits."""

    def __init__(self, coding: str, *, max_body: int, max_compressed: int):
        """`coding` as from `coding_of`; limits in bytes, of what is unpacked and of what arrives packed."""
        self._coding, self._max_body, self._max_compressed = coding, max_body, max_compressed
        self._unpacker: zlib._Decompress | None = None
        self._members = self._arrived = 0
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises FetchError where they are too many or broken."""
        self._arrived += len(chunk)
        if not self._coding:
            return self._keep(chunk)
        if self._arrived > self._max_compressed:
            raise FetchError(f"the packed body is larger than {self._max_compressed:,} bytes")
        while chunk:
            if self._unpacker is None or self._unpacker.eof:
                if self._unpacker and (self._coding != "gzip" or chunk[0] != 0x1F):
                    return None  # padding behind the end
                self._unpacker = self._begin(chunk[0])
            chunk = self._unpack(chunk)

    def finish(self) -> bytes:
        """The whole body. Raises FetchError where it is empty or its packing did not come to an end."""
        if self._arrived and self._coding and not (self._unpacker and self._unpacker.eof):
            raise FetchError(f"the body is cut short: its {self._coding} stream does not end")
        if not self._body:
            raise FetchError("the answer is empty")
        return bytes(self._body)

    def _begin(self, first: int) -> zlib._Decompress:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise FetchError(f"the body is gzip in more than {MOST_MEMBERS:,} pieces")
        if self._coding == "gzip":
            return zlib.decompressobj(wbits=31)
        return zlib.decompressobj(wbits=15 if first & 0x0F == 8 else -15)  # many servers leave the zlib wrapper out

    def _unpack(self, chunk: bytes) -> bytes:
        room = self._max_body - len(self._body)
        try:
            self._keep(self._unpacker.decompress(chunk, room + 1))
        except zlib.error as error:
            raise FetchError(f"the body is said to be {self._coding}, but cannot be unpacked") from error
        if len(self._body) > max(RATIO_FROM, RATIO * self._arrived):
            raise FetchError(f"the body unpacks to more than {RATIO} times its size: a decompression bomb")
        return self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail

    def _keep(self, part: bytes) -> None:
        if len(self._body) + len(part) > self._max_body:
            raise FetchError(f"the body is larger than {self._max_body:,} bytes")
        self._body += part


def _storable(value: bytes) -> str | None:
    text = value.strip().decode("latin-1")
    unfit = len(value) > LONGEST_VALIDATOR or _CONTROL.search(text) or text.removeprefix("W/") in ("", '""')
    return None if unfit else text
