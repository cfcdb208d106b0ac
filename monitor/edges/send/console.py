"""`console://`: messages on stdout, for first steps and tests.

One block of plain text a message, or with `?format=json` one line of JSON. Does not wrap (terminals do
that better) and writes no escape codes where stdout is not a terminal.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from urllib.parse import parse_qs, urlsplit

from monitor.edges.send import layout
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Sent

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def block(delivery: Delivery, *, bold: bool = False) -> str:
    """The delivery as a person reads it, closed by an empty line; `bold` marks the headline."""
    head = layout.headline(delivery.message)
    first = f"{_BOLD}{head}{_PLAIN}" if bold else head
    rest = "\n".join(layout.paragraphs(delivery.message, under_headline=True))
    return "\n".join([first, *(f"  {line}" for line in rest.splitlines())]) + "\n\n"


def json_line(delivery: Delivery) -> str:
    """The delivery as one line of JSON: every field of the message, and whose it is."""
    message = asdict(delivery.message)
    whose = {
        "delivery": delivery.id,
        "alert": delivery.alert,
        "channel": delivery.channel,
        "recipient": delivery.recipient,
        "revision": delivery.revision,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at.isoformat(),
    }
    return json.dumps(whose | message, ensure_ascii=True) + "\n"


class ConsoleSender:
    """Writes to whatever `sys.stdout` is when a message comes."""

    idempotent = False
    edits = False
    threads = False
    digest_lines = 500

    recipients: tuple[str, ...] = ("",)

    def __init__(self, name: str, url: str):
        """Raises ValueError where the URL asks for an unknown format."""
        asked = parse_qs(urlsplit(url).query).get("format", ["text"])[-1]
        if asked not in ("text", "json"):
            raise ValueError(f"channel {name}: console:// knows the formats text and json")
        self._json = asked == "json"

    async def send(self, delivery: Delivery) -> Sent:
        """Write one message. Raises DeliveryError (retry) where stdout is closed."""
        tty = sys.stdout.isatty()
        text = json_line(delivery) if self._json else block(delivery, bold=tty)
        encoding, failed = sys.stdout.encoding or "utf-8", ""
        try:
            sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()
        except (OSError, ValueError) as cause:  # ValueError: written to after it was closed
            failed = type(cause).__name__
        if failed:
            raise DeliveryError(f"stdout cannot be written ({failed})", kind=DeliveryErrorKind.RETRY)
        return Sent(answer="printed")

    async def close(self) -> None:
        """Nothing to close: stdout is not ours."""
