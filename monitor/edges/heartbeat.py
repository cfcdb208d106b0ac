"""A sign of life for a dead man's switch: one GET to an address of the operator's. Says nothing of what it is for."""

from __future__ import annotations

from datetime import timedelta

import aiohttp

from monitor.edges.once import once

TIMEOUT = timedelta(seconds=10)


async def ping(url: str) -> str | None:
    """Ask for the address once, following nothing. Returns None, or what went wrong, without the address: it is the
    only secret of such services."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT.total_seconds())
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, middlewares=(once,)
            ) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return None if answer.status < 300 else f"HTTP {answer.status}"
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return type(error).__name__
