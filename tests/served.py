"""Servers for tests: each in a thread of its own, as a context manager; one that speaks HTTP keeps what reached it and
fails as it is told.

Faults are scripted in words: `slack.fails_with(429, retry_after=30)`, `matrix.drops_after_effect()`. A fault is used up
by the request that meets it. Imports nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


class Served:
    """A server in its own thread with its own loop, from `with` to the end of the block."""

    port = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _start(self) -> int:
        raise NotImplementedError

    async def _end(self) -> None:
        raise NotImplementedError


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came."""

    method: str
    path: str  # percent-encoding kept
    headers: dict[str, str]
    body: bytes
    at: float = 0.0  # time.monotonic() when it had come whole

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class _Fault:
    status: int = 0
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    effect: bool = False  # the request does its work before the fault strikes
    cut: bool = False  # the connection is reset in place of an answer
    silent: bool = False  # no answer ever


class HttpFake(Served):
    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self._faults: deque[_Fault] = deque()
        self._gate: asyncio.Event | None = None

    # scripting

    def holds_answers(self) -> Self:
        """Requests do their work from now on, and wait for their answer until `gives_answers`."""
        self._gate = asyncio.Event()
        return self

    def gives_answers(self) -> Self:
        """Answer what waits."""
        gate, self._gate = self._gate, None
        if gate is not None:
            self._loop.call_soon_threadsafe(gate.set)
        return self

    def fails_with(
        self,
        status: int,
        body: str | None = None,
        *,
        retry_after: int | str | None = None,
        times: int = 1,
        **headers: str,
    ) -> Self:
        """The next `times` requests are refused with this status and have no effect."""
        wait = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._expect(_Fault(status=status, body=body, headers=wait | named), times)

    def drops_before_effect(self, times: int = 1) -> Self:
        """The connection is reset when the request has come, and nothing is done."""
        return self._expect(_Fault(cut=True), times)

    def drops_after_effect(self, times: int = 1) -> Self:
        """The request does its work, then the connection is reset in place of an answer."""
        return self._expect(_Fault(cut=True, effect=True), times)

    def never_answers(self, times: int = 1) -> Self:
        """The request does its work, and no answer ever comes."""
        return self._expect(_Fault(silent=True, effect=True), times)

    def _expect(self, fault: _Fault, times: int) -> Self:
        self._faults.extend([fault] * times)
        return self

    # serving

    async def _start(self) -> int:
        app = web.Application(client_max_size=10**8)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            method=request.method,
            path=request.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
            at=time.monotonic(),
        )
        self.requests.append(seen)
        fault = self._faults.popleft() if self._faults and self.may_fault(seen) else None
        if fault is None or fault.effect:
            answer = self.answer(seen)
        if self._gate is not None:
            await self._gate.wait()
        if fault is None:
            return answer
        return await self._strike(fault, request)

    async def _strike(self, fault: _Fault, request: web.Request) -> web.StreamResponse:
        if fault.silent:
            await asyncio.Event().wait()
        if fault.cut and request.transport is not None:
            request.transport.abort()
        words = self.words(fault.status, fault.body)
        kind = "application/json" if words.startswith("{") else "text/plain"
        headers = {"Content-Type": kind} | fault.headers
        return web.Response(status=fault.status or 200, body=words.encode(), headers=headers)

    def works_again(self) -> Self:
        """Forget the faults that have not struck yet."""
        self._faults.clear()
        return self

    def may_fault(self, seen: Seen) -> bool:
        """Whether faults strike this request."""
        return True

    def words(self, status: int, body: str | None) -> str:
        """The body of a scripted refusal."""
        return body if body is not None else f"refused with {status}"

    def answer(self, seen: Seen) -> web.Response:
        """What the real thing would answer."""
        raise NotImplementedError
