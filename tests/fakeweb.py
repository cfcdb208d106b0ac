"""A web server that does as it is told, well or badly, and remembers all that it was asked.

Raw sockets in threads, so that it can send what no honest server sends: half a header, a lie about a length,
a reset in mid-sentence. It listens on loopback only. Its language:

    with FakeWeb() as web:
        web.page("/feed.xml").says(200, RSS, etag='"a"').then(304)      # the last answer repeats
        web.page("/old").redirects("/feed.xml", status=301)
        web.page("/slow").drips(b"<rss>...", every=0.5)
        ... web.url("/feed.xml") ...
        assert web.asked("/feed.xml")[1].header("If-None-Match") == '"a"'
        assert web.accepts == 1                                           # TCP connections, not requests
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Self


class Ending(Enum):
    """How a connection ends before its time."""

    CLOSE = "FIN"
    RESET = "RST"


Step = bytes | float | Ending  # send these bytes, wait so many seconds, end
Script = Callable[["Request"], Iterable[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]  # in the order they came, bytes as Latin-1
    body: bytes
    at: float  # time.monotonic() when the head was complete
    connection: int  # the how-manieth TCP connection it came on, from 1

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.headers)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Page:
    """What one path answers: each call adds an answer, the last one repeats. Methods return the page."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []
        self._etags: set[str] | None = None
        self._lock = threading.Lock()

    def says(
        self,
        status: int = 200,
        body: bytes = b"",
        *,
        etag: str | bytes | None = None,
        modified: str | None = None,
        headers: dict[str, str | bytes] | None = None,
        length: int | None = -1,
    ) -> Self:
        """An ordinary answer. `length` lies about Content-Length; None leaves it out and closes."""
        fields = [*((("ETag", etag),) if etag is not None else ()), *(headers or {}).items()]
        if modified is not None:
            fields.append(("Last-Modified", modified))
        if length is not None and status not in (204, 304):
            fields.append(("Content-Length", str(len(body) if length == -1 else length)))
        steps = (head(status, fields), body, *((Ending.CLOSE,) if length not in (-1, len(body)) else ()))
        return self.answers(lambda request: self._unless_known(request, etag, steps))

    then = says

    def gzips(self, body: bytes, *, cut: int = 0, **more) -> Self:
        """The body in gzip, its last `cut` bytes left out; the Content-Length is right for what is sent."""
        packed = gzip.compress(body)
        return self.says(200, packed[: len(packed) - cut], headers={"Content-Encoding": "gzip"}, **more)

    def redirects(self, to: str, *, status: int = 302, body: bytes = b"", headers: dict | None = None) -> Self:
        return self.says(status, body, headers={"Location": to, **(headers or {})})

    def drips(self, body: bytes, *, every: float = 0.05, size: int = 1, status: int = 200, location: str = "") -> Self:
        """The head at once, then the body in crumbs."""
        fields = [("Content-Length", str(len(body))), *((("Location", location),) if location else ())]
        return self.answers(lambda _: (head(status, fields), *crumbs(body, every, size)))

    def drips_head(self, *, every: float = 0.05) -> Self:
        """Crumbs of a head that never ends well within a minute."""
        return self.answers(lambda _: crumbs(head(200, [("X-Slow", "x" * 2000)]), every, 1))

    def pours(self, chunk: bytes, headers: dict[str, str] | None = None) -> Self:
        """A chunked body without end."""
        return self.answers(lambda _: _endless(chunk, {"Transfer-Encoding": "chunked", **(headers or {})}))

    def breaks_off(self, sent: bytes, *, ending: Ending = Ending.CLOSE) -> Self:
        """Exactly these bytes, head and all, then the connection ends."""
        return self.answers(lambda _: (sent, 0.02, ending))

    def stays_silent(self) -> Self:
        return self.answers(lambda _: (3600.0,))

    def answers(self, script: Script) -> Self:
        """Anything: a function from the request to the steps that make the answer."""
        self._scripts.append(script)
        return self

    def knows_etags(self) -> Self:
        """From now on If-None-Match with the ETag it would send is answered with 304."""
        self._etags = set()
        return self

    def play(self, request: Request) -> Iterable[Step]:
        with self._lock:
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return script(request)

    def _unless_known(self, request: Request, etag: str | bytes | None, steps: tuple[Step, ...]) -> Iterable[Step]:
        if self._etags is not None and etag is not None and request.header("If-None-Match") == etag:
            return (head(304, [("ETag", etag)]),)
        return steps


class FakeWeb:
    """The server; a context manager. `address` is any loopback address, `tls` a server-side SSLContext."""

    def __init__(self, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None):
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._address, self._tls = address, tls
        self._pages: dict[str, Page] = {}
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self.requests: list[Request] = []
        self.accepts = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self._address, 0), family=self._family, backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def forget(self, path: str) -> None:
        """What this path answered; what it answers next is said anew."""
        self._pages.pop(path, None)

    def page(self, path: str) -> Page:
        """The page at this path; other paths answer 404."""
        return self._pages.setdefault(path, Page())

    def url(self, path: str = "/", *, host: str | None = None, user: str = "") -> str:
        """Where a page is; `host` names the server otherwise, `user` is user:password."""
        name = host or (f"[{self._address}]" if ":" in self._address else self._address)
        return f"{'https' if self._tls else 'http'}://{f'{user}@' if user else ''}{name}:{self.port}{path}"

    def asked(self, path: str) -> list[Request]:
        """All requests for this path so far, oldest first."""
        return [request for request in self.requests if request.path == path]

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _start(self, target: Callable, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepts += 1
            self._start(self._serve, connection, self.accepts)

    def _serve(self, connection: socket.socket, number: int) -> None:
        self._open.add(connection)
        with suppress(OSError):
            if self._tls:
                connection = self._wrap(connection)
            stream = connection.makefile("rb")
            while (request := _read(stream, number)) is not None:
                self.requests.append(request)
                page = self._pages.get(request.path) or Page().says(404)
                if not self._perform(connection, page.play(request)):
                    break
        self._open.discard(connection)
        connection.close()

    def _wrap(self, connection: socket.socket) -> socket.socket:
        self._open.discard(connection)
        connection = self._tls.wrap_socket(connection, server_side=True)
        self._open.add(connection)
        return connection

    def _perform(self, connection: socket.socket, steps: Iterable[Step]) -> bool:
        """Whether the connection may live on."""
        for step in steps:
            match step:
                case bytes():
                    connection.sendall(step)
                case float() | int():
                    if self._closing.wait(step):
                        return False
                case Ending.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
                case Ending.CLOSE:
                    return False
        return True


def head(status: int, fields: Iterable[tuple[str, str | bytes]] = ()) -> bytes:
    """A status line and headers, as bytes."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Odd"
    lines = [f"HTTP/1.1 {status} {phrase}".encode()]
    lines += [name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def crumbs(data: bytes, every: float, size: int) -> Iterator[Step]:
    """The data in small pieces with pauses between."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
        yield every


def _endless(chunk: bytes, headers: dict[str, str]) -> Iterator[Step]:
    yield head(200, headers.items())
    while True:
        yield b"%x\r\n%s\r\n" % (len(chunk), chunk)


def _read(stream, number: int) -> Request | None:
    lines = []
    while (line := stream.readline(65537)) not in (b"\r\n", b"\n"):
        if not line:
            return None
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    method, target, _ = lines[0].split(" ", 2)
    headers = tuple((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines[1:]))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Request(
        method=method, target=target, headers=headers, body=stream.read(length), at=time.monotonic(), connection=number
    )
