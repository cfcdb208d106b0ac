"""Places at which a test may have the process killed, as a power cut or the kernel would.

The line passes its points by `reach(name)`; nothing happens unless `arm` was called, which only the test switches do
(`config.test_hooks`). Arming concerns the whole process, as a crash does.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = frozenset(
    {
        "fetched",  # an answer is in memory, nothing of it is parsed
        "parsed",  # its entries are known, nothing is written
        "saving",  # everything is written, the transaction is open
        "saved",  # it is committed, nothing is sent
        "claimed",  # the claim of a delivery is committed, no connection is made
        "accepted",  # the server said yes, nothing is written of that
        "settling",  # that is written, the transaction is open
        "settled",  # it is committed
        "merged",  # a digest is written in place of its alerts, the transaction is open
        "page_read",  # a story's page is in memory, nothing of it is written
        "page_saving",  # what follows from it is written, the transaction is open
        "draining",  # asked to stop
    }
)

_armed: dict[str, int] = {}


def arm(crash_at: str | None) -> None:
    """Have the process killed when it passes a point: "claimed:3" is the third time; None: never.

    Raises ValueError for a point that is none.
    """
    _armed.clear()
    if crash_at is None:
        return
    point, _, count = crash_at.partition(":")
    if point not in POINTS:
        raise ValueError(f"no such crash point: {point!r}; known are: {', '.join(sorted(POINTS))}")
    _armed[point] = int(count or "1")


def reach(point: str) -> None:
    """Pass a point."""
    if point in _armed:
        _armed[point] -= 1
        if _armed[point] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
