"""One request is one request.

aiohttp repeats GET, PUT and DELETE by itself, at once, where a connection breaks before an answer, new or reused; a
session with `once` among its middlewares does not. Does not decide whether to ask again.
"""

from __future__ import annotations

from monitor.edges.trust import aiohttp


class BrokenOff(aiohttp.ClientError):
    """The connection broke before there was an answer; how is its cause. Its text is the cause's type."""


async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware. Raises BrokenOff, which aiohttp takes for final."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as cause:
        raise BrokenOff(type(cause).__name__) from cause
