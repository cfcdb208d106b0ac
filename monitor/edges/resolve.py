"""Names to addresses, with a limit of its own.

`getaddrinfo` blocks and cannot be stopped, so it runs in daemon threads: few, off the event loop, apart from
the pool where parsing happens, and never waited for at exit. It does not judge what it finds; `addresses` does.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

from monitor.edges.trust import aiohttp

LIMIT = 5.0  # seconds for one name (design: T12)
LOOKUPS = 16  # at once; systemd's TasksMax counts threads


class Resolver(aiohttp.abc.AbstractResolver):
    """aiohttp's resolver on the system's own `getaddrinfo`."""

    def __init__(self, limit: float = LIMIT):
        self._limit = limit
        self._slots = asyncio.Semaphore(LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """Every address of `host`. Raises `socket.gaierror`, also where no answer comes within the limit."""
        try:
            async with asyncio.timeout(self._limit):
                await self._slots.acquire()
                found = await self._begin(host, port, family)
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._limit:g} s") from error
        return [_result(host, port, info) for info in found]

    async def close(self) -> None:
        """Nothing to close: threads that still wait end by themselves."""

    def _begin(self, host: str, port: int, family: int) -> asyncio.Future:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def arrive(result: list | None, error: OSError | UnicodeError | None) -> None:
            self._slots.release()  # only now: a lookup that hangs keeps its place, so threads stay few
            if not answer.done():
                answer.set_exception(error) if error else answer.set_result(result)

        def look_up() -> None:
            result, error = None, None
            try:
                result = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            except (OSError, UnicodeError) as failure:
                error = failure
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(arrive, result, error)

        try:
            threading.Thread(target=look_up, name="wirewatch-dns", daemon=True).start()
        except RuntimeError as error:  # the system gives us no more threads
            arrive(None, socket.gaierror(socket.EAI_AGAIN, str(error)))
        return answer


def _result(host: str, port: int, info: tuple) -> aiohttp.abc.ResolveResult:
    family, _, proto, _, sockaddr = info
    address = sockaddr[0]
    if family == socket.AF_INET6 and sockaddr[3] and "%" not in address:
        address = f"{address}%{sockaddr[3]}"  # a link-local address is nothing without its interface
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return aiohttp.abc.ResolveResult(hostname=host, host=address, port=port, family=family, proto=proto, flags=flags)
