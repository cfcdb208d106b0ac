"""How many sockets and files this process may have open: as many as the system lets it, not the few it begins with."""

from __future__ import annotations

import resource
from contextlib import suppress

WANTED = 65_536  # more serves nothing, and some systems would give a thousand million


def raise_limit() -> None:
    """Raise the soft limit to the hard one, or to what is wanted; leave it where that is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    with suppress(OSError, ValueError):
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
