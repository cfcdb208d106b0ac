"""Servers whose certificate nobody trusts: no kind of channel tells them anything."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from monitor.errors import DeliveryErrorKind
from tests.edges.send.samples import refused

HEARD: list[str] = []


class Impostor(BaseHTTPRequestHandler):
    """Notes whatever it is told."""

    def do_POST(self) -> None:
        HEARD.append(self.path)

    do_GET = do_PUT = do_POST


@pytest.fixture(scope="module")
def port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.handle_error = lambda *_: None  # a handshake that ends early is what is asked for
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1/B1/c4nary?base=https://localhost:{port}",
        "slack://xoxb-1-2-c4nary/%23desk?base=https://localhost:{port}",
        "matrixs://desk:c4nary@localhost:{port}/!room:hs.example",
        "jsons://desk:c4nary@localhost:{port}/hook",
    ],
    ids=["Slack webhook", "Slack bot", "Matrix", "Apprise"],
)
def test_L15_a_certificate_that_is_not_trusted_gets_no_secret_and_suspends_the_channel(url: str, port: int):
    error = refused(url.format(port=port), timeout=5)
    assert error.kind is DeliveryErrorKind.CHANNEL
    assert "certificate is not trusted" in str(error)
    assert HEARD == []
