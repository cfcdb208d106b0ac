"""What can go wrong, drawn as a tree. It branches where callers act differently.

    MonitorError
    ├── ConfigError            exit 65: every problem as `file:line: key: …`
    │   └── WatchlistError
    ├── FeedError              the feed is tried again later; `pace` says when
    │   ├── FetchError         status, retry_after, permanent, refused, unreachable
    │   │   ├── HostHeld       no request was made: the host asked for peace
    │   │   ├── NothingLeft    no request was made: the system gives us no more sockets or files
    │   │   └── AskAgain       once more, at the host's next turn
    │   │       ├── OddAnswer  it breaks HTTP's grammar; a lenient reader may understand it
    │   │       └── DeadConnection  one that was kept broke before an answer; a new one may bring it
    │   └── ParseError
    │       └── ReaderDied     the process that read it; such a document is set aside after three
    ├── StoreError             exit 74
    │   ├── SchemaError        the database is newer than this program
    │   ├── StoreBusy          another process holds the write lock; try again
    │   ├── StoreFull          no room: a reserve is given up, then everything waits for room
    │   ├── StoreDamaged       what it holds cannot be trusted: nothing is sent from it any more
    │   └── InstanceRunning    exit 73: another instance holds this database
    └── DeliveryError          kind, permanent, retry_after, ambiguous

Not errors: NotModified, a duplicate, no match. Raised at the edge with the cause chained; caught in
`ingest`, `dispatch` and `cli`.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class MonitorError(Exception):
    """Anything wirewatch itself raises."""


class Problem(NamedTuple):
    """One mistake in a file that an operator wrote; lines and columns count from 1."""

    file: str
    line: int
    key: str
    says: str
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.says}"


class ConfigError(MonitorError):
    """Configuration is invalid. Carries every problem at once."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]):
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class WatchlistError(ConfigError):
    """A watchlist is invalid."""


class FeedError(MonitorError):
    """A feed could not be read this time."""


class FetchError(FeedError):
    """The request failed.

    `status` is the HTTP status where there was one; `retry_after` what the server asked for;
    `permanent` that asking again soon is pointless (410, a forbidden address); `refused` that it wants a browser,
    whatever its status; `unreachable` that nobody answered at all, at `host`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: timedelta | None = None,
        permanent: bool = False,
        refused: bool = False,
        unreachable: bool = False,
        host: str | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.permanent = permanent
        self.refused = refused
        self.unreachable = unreachable
        self.host = host


class HostHeld(FetchError):
    """No request was made: the host asked for peace (429) and that time is not over."""


class NothingLeft(FetchError):
    """No request was made: the system gives us no more of what one takes. The feed has nothing to do with it."""


class AskAgain(FetchError):
    """Worth a second request; `took` is how many seconds went by until that was clear."""

    took = 0.0


class OddAnswer(AskAgain):
    """The answer breaks HTTP's grammar."""


class DeadConnection(AskAgain):
    """A connection that was kept for the next request broke before an answer: its server may have had enough of it."""


class ParseError(FeedError):
    """The document is not a feed, or nothing in it could be read."""


class ReaderDied(ParseError):
    """The document killed the process that read it, or kept it busy beyond its time."""


class StoreError(MonitorError):
    """The database cannot be used."""

    def __init__(self, message: str, *, path: Path | str | None = None):
        super().__init__(message)
        self.path = path


class SchemaError(StoreError):
    """The database was written by a newer wirewatch."""


class StoreBusy(StoreError):
    """Another process holds the write lock."""


class StoreFull(StoreError):
    """There is no room left to write."""


class StoreDamaged(StoreError):
    """The database is damaged, or is not the one that stood here before."""


class InstanceRunning(StoreError):
    """Another instance holds this database."""

    def __init__(self, message: str, *, pid: int | None = None, path: Path | str | None = None):
        super().__init__(message, path=path)
        self.pid = pid


class DeliveryErrorKind(StrEnum):
    """What an unsuccessful send means for what comes next (design: outcome classes)."""

    RETRY = "retry"  # 5xx, 408, 429, network
    MESSAGE = "message"  # permanent for this message: plainest form once, then dead letter
    CHANNEL = "channel"  # the channel is broken: suspend it, burn no row
    AMBIGUOUS = "ambiguous"  # it may have been accepted


class DeliveryError(MonitorError):
    """A send did not succeed. Its text never holds a secret."""

    def __init__(
        self,
        message: str,
        *,
        kind: DeliveryErrorKind = DeliveryErrorKind.RETRY,
        retry_after: timedelta | None = None,
    ):
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def permanent(self) -> bool:
        """Whether trying this very message again is pointless."""
        return self.kind is DeliveryErrorKind.MESSAGE

    @property
    def ambiguous(self) -> bool:
        """Whether the server may have accepted it."""
        return self.kind is DeliveryErrorKind.AMBIGUOUS
