"""One GET by the standard library's client, which forgives where aiohttp refuses: odd status lines, odd headers.

Also for the few validators whose bytes aiohttp cannot send, and to look at a certificate that is not trusted. The same
addresses are dialled and refused, the same body limits hold; it runs in a thread of its own pool and is cut off when
whoever waits for it gives up. Connections are not kept. It understands nothing of what it reads; `fetch` does.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import io
import re
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from yarl import URL

from monitor.edges.answers import Head, Heads
from monitor.edges.trust import aiohttp
from monitor.errors import OddAnswer

THREADS, FOR_ASKING = 8, 6  # such servers are rare; systemd's TasksMax counts threads. The rest looks at certificates
CHUNK = 65_536

_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")  # of printable ASCII

Begin = Callable[[Head], Any]  # of an answer whose head has come: what it is, or what takes its body


class Lenient:
    """Asks; `dial` makes the socket for an address or raises PermissionError, `tls` says whom to trust, limits are in
    seconds. Who asks holds one of `threads`, lest it wait for one while its time runs."""

    def __init__(
        self,
        dial: Callable[[tuple], socket.socket],
        resolver: aiohttp.abc.AbstractResolver,
        tls: Callable[[], ssl.SSLContext],
        *,
        connect: float,
        read: float,
    ):
        self._dial, self._resolver, self._tls = dial, resolver, tls
        self._connect, self._read = connect, read
        self.threads = asyncio.Semaphore(FOR_ASKING)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="wirewatch-lenient")

    def close(self) -> None:
        """End the threads; what they wait for has been cut off."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ask(self, url: URL, headers: dict[str, str], begin: Begin) -> Any:
        """What `begin` makes of the answer; where that takes a body (`feed`, `finish`), what it makes of that.

        Raises OSError, aiohttp.ClientPayloadError where it broke off, OddAnswer where it is not even this HTTP, and
        whatever `begin` and what takes the body raise.
        """
        call = _Call(url, headers, begin, self)
        return await self._done(call, call.run, url)

    async def certificate(self, url: URL) -> bytes:
        """The certificate that a server shows, trusted or not (DER). Nothing is asked of the server, and nothing told.
        Raises OSError."""
        call = _Call(url, {}, lambda head: None, self, tls=_trusting_anyone)
        return await self._done(call, call.certificate, url)

    async def _done(self, call: _Call, what: Callable[[list[tuple]], Any], url: URL) -> Any:
        addresses = await self._addresses(url)
        try:
            context = copy_context()  # the dialler notes in it what it refused
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, context.run, what, addresses)
        except asyncio.CancelledError:
            call.cut_off()
            raise

    async def _addresses(self, url: URL) -> list[tuple]:
        """All that the host's name leads to, in the shape of `getaddrinfo`."""
        host = url.raw_host
        if ":" in host or host.replace(".", "").isdigit():
            return socket.getaddrinfo(host, url.port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        found = await self._resolver.resolve(host, url.port, socket.AF_UNSPEC)
        return [(one["family"], socket.SOCK_STREAM, one["proto"], "", (one["host"], one["port"])) for one in found]


class _Call:
    """One request, in one thread."""

    def __init__(
        self,
        url: URL,
        headers: dict[str, str],
        begin: Begin,
        how: Lenient,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ):
        self._url, self._headers, self._begin, self._how = url, headers, begin, how
        self._tls = tls or how._tls
        self._socket: socket.socket | None = None
        self._over = False

    def cut_off(self) -> None:
        """Let the thread end: nobody waits for it any more."""
        self._over = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def run(self, addresses: list[tuple]) -> Any:
        """Connect, ask, read."""
        try:
            self._connect(addresses)
            if self._over:
                raise ConnectionAbortedError("given up")
            return self._exchanged()
        except TimeoutError as error:
            raise aiohttp.ServerTimeoutError("silent") from error
        except http.client.IncompleteRead as error:
            raise aiohttp.ClientPayloadError("broke off") from error
        except http.client.HTTPException as error:
            raise OddAnswer(f"{self._url.host}: its answer is not valid HTTP", host=self._url.host) from error
        finally:
            if self._socket is not None:
                self._socket.close()

    def certificate(self, addresses: list[tuple]) -> bytes:
        """Connect, and see whom with."""
        try:
            self._connect(addresses)
            return self._socket.getpeercert(binary_form=True) or b""
        finally:
            if self._socket is not None:
                self._socket.close()

    def _connect(self, addresses: list[tuple]) -> None:
        last: OSError | None = None
        for address in addresses:
            if self._over:
                break
            try:
                self._socket = self._how._dial(address)
            except PermissionError as error:
                last = error
                continue
            try:
                self._socket.settimeout(self._how._connect)
                self._socket.connect(address[4])
                return self._secure()
            except OSError as error:
                self._socket.close()
                last = error
        raise last or OSError("the name has no address")

    def _secure(self) -> None:
        if self._url.scheme == "https":
            named = self._url.raw_host
            self._socket = self._tls().wrap_socket(self._socket, server_hostname=named, do_handshake_on_connect=False)
            self._socket.do_handshake()  # only now, so that it can be cut off
        self._socket.settimeout(self._how._read)

    def _exchanged(self) -> Any:
        connection = http.client.HTTPConnection(self._url.raw_host, self._url.port)
        connection.response_class = functools.partial(_Response, Heads(self._url.host))
        connection.sock = self._socket
        connection.putrequest("GET", self._url.raw_path_qs, skip_host=True, skip_accept_encoding=True)
        default = self._url.is_default_port()
        host = f"[{self._url.raw_host}]" if ":" in self._url.raw_host else self._url.raw_host
        connection.putheader("Host", host if default else f"{host}:{self._url.port}")
        for name, value in self._headers.items():
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.putheader("Connection", "close")
        connection.endheaders()
        with connection.getresponse() as response:
            return self._received(response)

    def _received(self, response: http.client.HTTPResponse) -> Any:
        if len(set(response.headers.get_all("Content-Length", ()))) > 1:
            raise http.client.HTTPException("two lengths")  # whoever is right, somebody is being fooled
        raw = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items())
        begun = self._begin(Head(status=response.status, raw=raw))
        if not hasattr(begun, "feed"):
            return begun
        while chunk := response.read1(CHUNK):
            begun.feed(chunk)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return begun.finish()


class _Response(http.client.HTTPResponse):
    """An answer whose head is read to its end, where the parser drops all that follows a line that it cannot read, and
    that may be preceded by any interim answer, where the parser knows 100 alone."""

    def __init__(self, heads: Heads, *args, **named):
        super().__init__(*args, **named)
        self.fp = _HeadReader(self.fp.detach(), heads)

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = None
            super().begin()
        self.fp.in_head = False


class _HeadReader(io.BufferedReader):
    """While a head is read, lines that are neither its status nor a header are left out, and so are blanks around names
    and values. What follows passes as it came."""

    def __init__(self, raw: io.RawIOBase, heads: Heads):
        super().__init__(raw)
        self._heads = heads
        self.in_head = self._at_status = True
        self._kept = False  # the last header: what continues one that was left out is left out, too

    def readline(self, size: int | None = -1) -> bytes:
        while True:
            line = super().readline(size)
            if not self.in_head or not line.endswith(b"\n"):  # or it is too long, or broke off
                return line
            self._heads.feed(len(line))
            if self._at_status:
                self._heads.begin()
                self._at_status = self._kept = False
                return line
            if line in (b"\r\n", b"\n"):
                self._at_status = True  # an interim answer has another behind it
                return line
            text = line.rstrip(b"\r\n").replace(b"\r", b" ")  # which the parser takes for an end of line
            if name := _NAME.match(text):
                text = name[1] + b": " + text[name.end() :].strip(b" \t")
            self._kept = name is not None or (self._kept and text[:1] in (b" ", b"\t"))
            if self._kept:
                return text + b"\r\n"


def _trusting_anyone() -> ssl.SSLContext:
    """For a look at a certificate alone: whatever is sent over such a connection may be read by anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
