"""What a server's answer means for a delivery.

Says which outcome class a status belongs to, how long a server asked us to wait, and puts its words
into an error without any secret. Does not send, and does not decide when the next attempt comes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from monitor.errors import DeliveryError, DeliveryErrorKind

MAX_WAIT = timedelta(hours=24)
"""Longest wait a server may ask for: what we grant any server that says 429."""

ANSWER_LIMIT = 300
"""Characters of a server's answer that are kept: enough for one sentence in a table."""

_MESSAGE = frozenset({400, 413, 414, 415, 422, 431})  # this message will never be taken as it is
_CHANNEL = frozenset({401, 403, 404, 405, 407, 410})  # no message will be taken until somebody acts


def kind_of_status(status: int) -> DeliveryErrorKind:
    """Outcome class of an HTTP status that is not a success.

    Redirects are never followed, so a 3xx means that the address is wrong: the channel's fault. What
    is in no table (5xx, 408, 429, and all we have never seen) is worth another attempt.
    """
    if status in _MESSAGE:
        return DeliveryErrorKind.MESSAGE
    if status in _CHANNEL or 300 <= status < 400:
        return DeliveryErrorKind.CHANNEL
    return DeliveryErrorKind.RETRY


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that `Retry-After` asks for (seconds or an HTTP date), at most `MAX_WAIT`.

    A date counts from the server's own `Date`, so a wrong clock on either side does no harm; without, from ours.
    None where the header is absent, negative or unreadable. `headers` ignores case.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return bounded_wait(float(value[:12]))
    then, now = _http_date(value), _http_date(headers.get("Date", "")) or datetime.now(UTC)
    return bounded_wait((then - now).total_seconds()) if then else None


def bounded_wait(count: object, *, unit: float = 1) -> timedelta | None:
    """So many seconds (or other `unit`s) as a span of at most `MAX_WAIT`; None where it is no positive number."""
    if isinstance(count, bool) or not isinstance(count, int | float) or not count > 0:
        return None
    return timedelta(seconds=min(count, MAX_WAIT.total_seconds() / unit) * unit)


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def quoted(answer: str | bytes, secrets: tuple[str, ...] = ()) -> str:
    """A server's words on one line of at most `ANSWER_LIMIT` characters, with every secret (also
    percent-encoded or in base64, as servers echo them) replaced by `***`."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            text = text.replace(form, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= ANSWER_LIMIT else text[: ANSWER_LIMIT - 1] + "…"


def http_error(status: int, answer: str, headers: Mapping[str, str], *, secrets: tuple[str, ...] = ()) -> DeliveryError:
    """The error for an HTTP answer that is not a success; never holds one of `secrets`."""
    words = quoted(answer, secrets)
    return DeliveryError(
        f"HTTP {status}" + (f": {words}" if words else ""),
        kind=kind_of_status(status),
        retry_after=retry_after(headers),
    )
