"""Slow or dangerous work in a process of its own, which can be killed.

A hostile document can keep a parser busy for minutes or eat all memory; threads cannot be stopped, processes can.
The child is kept warm, has 512 MiB, ignores Ctrl-C, dies with its parent and is replaced whenever it did not
answer well. It does not choose what to run, and does not try a second time: a caller that met one ChildDied
may try again, one that met three should leave that document alone.

The child is a fresh interpreter, never a fork of this one (threads, locks and open databases would come along), and
gets none of our environment's secrets. Its answers are believed only as far as data goes: see `_DataOnly`.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import io
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, BinaryIO, Self

from monitor.errors import MonitorError, ParseError, ReaderDied

DEADLINE = timedelta(seconds=20)  # design: limits by default (feedparser was seen to take 101 s)
MEMORY = 512 * 1024 * 1024  # bytes of address space, all mappings counted
JOBS = 200  # after so many a child is replaced: memory in pieces must not add up
LARGEST_ANSWER = 64 * 1024 * 1024
MOURNING = 1.0  # seconds that a child which hung up has to die by itself, so that its exit code is its own

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "LD_LIBRARY_PATH", "PYTHONHASHSEED")
_PLAIN = {  # what an answer may be made of, beside our own records and what pickle itself knows
    "builtins": ("set", "frozenset", "bytearray"),
    "datetime": ("datetime", "date", "timedelta", "timezone"),
}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ChildTimeout(ReaderDied):
    """The work was not done in time, and the child is dead."""


class ChildDied(ReaderDied):
    """The child died, or ran out of memory, at this work."""


class ChildFailed(ParseError):
    """The work itself raised; the text is what it said."""


class ChildPool:
    """Warm children, `size` of them at most; an async context manager that lives within one event loop.

    Start it in the main thread: Linux ties "die with the parent" to the thread that started the child.
    """

    def __init__(self, *, size: int = 1, memory: int = MEMORY):
        self._turns = asyncio.Semaphore(size)
        self._memory = memory
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self, function: Callable[..., Any], *args: Any, deadline: timedelta = DEADLINE) -> Any:
        """What `function(*args)` returns, worked out in a child.

        `function` is top-level in an importable module; arguments and result are plain data or our own records. The
        deadline counts from when a child is free. Raises ChildTimeout, ChildDied, or, where the function raised,
        ChildFailed (the same words, if it was one of our errors).
        """
        work = (function.__module__, function.__qualname__, args)
        request = await asyncio.to_thread(pickle.dumps, work, pickle.HIGHEST_PROTOCOL)
        async with self._turns:
            child = await self._take()
            try:
                async with asyncio.timeout(deadline.total_seconds()):
                    outcome, value = await child.ask(request)
            except TimeoutError as error:
                raise ChildTimeout(f"not read within {deadline.total_seconds():g} s") from error
            except (OSError, EOFError) as error:
                raise ChildDied(f"the process that read it died ({await child.end(MOURNING)})") from error
            except pickle.UnpicklingError as error:
                raise ChildDied("the process that read it gave an answer that is not data") from error
            else:
                if outcome != "no memory" and child.jobs < JOBS:
                    self._idle.append(child)
            finally:
                if child not in self._idle:
                    await self._bury(child)
        return self._answer(outcome, value)

    async def close(self) -> None:
        """Ends every child, also one at work, and reaps it."""
        self._idle.clear()
        for child in tuple(self._all):
            await self._bury(child)

    def _answer(self, outcome: str, value: Any) -> Any:
        if outcome == "no memory":
            raise ChildDied(f"reading it needs more than {self._memory >> 20} MiB of memory")
        if outcome == "raised":
            raise ChildFailed(value)
        return value

    async def _take(self) -> _Child:
        while self._idle:
            if (child := self._idle.pop()).alive:
                return child
            await self._bury(child)
        child = await _Child.start(self._memory)
        self._all.add(child)
        return child

    async def _bury(self, child: _Child) -> None:
        self._all.discard(child)
        await child.end()


class _Child:
    """One process, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self.jobs = 0

    @classmethod
    async def start(cls, memory: int) -> Self:
        begin = f"import sys; sys.path[:] = {sys.path!r}; from monitor.edges.child import serve; serve"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"{begin}({os.getpid()}, {memory})",
            limit=1 << 20,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: bytes) -> tuple[str, Any]:
        """The outcome ("done", "raised", "no memory") and its value.

        Raises EOFError or OSError where the child died, UnpicklingError where its answer is not data.
        """
        self.jobs += 1
        self._process.stdin.write(len(request).to_bytes(8, "big") + request)
        await self._process.stdin.drain()
        length = int.from_bytes(await self._process.stdout.readexactly(8), "big")
        if length > LARGEST_ANSWER:
            raise pickle.UnpicklingError(f"{length:,} bytes")
        answer = await self._process.stdout.readexactly(length)
        return await asyncio.to_thread(_DataOnly(io.BytesIO(answer)).load)

    async def end(self, patience: float = 0.0) -> str:
        """Kills the process if it still lives after so many seconds, reaps it, and says how it ended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), patience)
        with suppress(ProcessLookupError):
            self._process.kill()
        code = await self._process.wait()
        self._process.stdin.close()
        return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit code {code}"


class _DataOnly(pickle.Unpickler):
    """Reads data, our own records and times; nothing that could be told to act.

    The child works on what strangers wrote. Should one take it over, it must not come any further.
    """

    def find_class(self, module: str, name: str) -> type:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        found = getattr(sys.modules.get(module), name, None) if module.startswith("monitor.") else None
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is not data")


# ── in the child ─────────────────────────────────────────────────────────────────────────────────


def serve(parent: int, memory: int) -> None:
    """The child's whole life: read a request, work, answer, until the parent closes the pipe or is gone."""
    _settle_down(parent, memory)
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)  # what a library prints must not end up between the answers
    while len(size := questions.read(8)) == 8:
        _work(questions.read(int.from_bytes(size, "big")), answers)


def _settle_down(parent: int, memory: int) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they are meant for the parent, which ends us
        signal.signal(each, signal.SIG_IGN)
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we were bound to it
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _ByValue(pickle.Pickler):
    """Writes members of enums by their values. Python 3.11.0 to 3.11.3 write them by `getattr`, which is not data."""

    def reducer_override(self, obj: Any) -> Any:
        return (type(obj), (obj.value,)) if isinstance(obj, Enum) else NotImplemented


def _packed(reply: Any) -> bytes:
    packed = io.BytesIO()
    _ByValue(packed, pickle.HIGHEST_PROTOCOL).dump(reply)
    return packed.getvalue()


def _work(request: bytes, answers: BinaryIO) -> None:
    try:
        module, name, args = pickle.loads(request)
        reply = ("done", getattr(importlib.import_module(module), name)(*args))
        packed = _packed(reply)
    except MemoryError:
        packed = pickle.dumps(("no memory", None))
    except MonitorError as error:
        packed = pickle.dumps(("raised", str(error)))
    except Exception as error:  # whatever a parser raises at a hostile document is an answer about that document
        packed = pickle.dumps(("raised", f"{type(error).__name__}: {error}"[:500]))
    answers.write(len(packed).to_bytes(8, "big") + packed)
    answers.flush()
