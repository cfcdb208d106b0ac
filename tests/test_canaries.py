"""No secret of a channel is ever told: canaries in every kind of address, sends that fail in every way."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import traceback
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from aiohttp import web as aioweb

from monitor.edges.send import open_sender
from monitor.errors import DeliveryError
from tests.daemon import ROOT, Daemon
from tests.desk import CONFIG, Desk, rss
from tests.edges.send.samples import Listener, delivery, everything_said
from tests.fakes import FakeHttp, FakeSmtp, Seen
from tests.fakeweb import FakeWeb

PASSWORD = "c4nary p/ss%w"
WORD = "c4naryw0rdc4naryw0rd01"
FORMS = ("c4nary", *(base64.b64encode(secret.encode()).decode()[:-4] for secret in (PASSWORD, WORD)))
LOGIN = f"desk:{quote(PASSWORD, safe='')}@"

ADDRESSES = {
    "Slack webhook": f"slack://T0001/B0001/{WORD}?base=http://127.0.0.1:{{port}}",
    "Slack bot": f"slack://xoxb-1-1-{WORD}/%23general?base=http://127.0.0.1:{{port}}",
    "Matrix password": f"matrix://{LOGIN}127.0.0.1:{{port}}/!room:hs.example",
    "Matrix token": f"matrix://{WORD}@127.0.0.1:{{port}}/!room:hs.example",
    "JSON": f"json://{LOGIN}127.0.0.1:{{port}}/{WORD}?+X-Key={WORD}",
    "Mattermost": f"mmost://127.0.0.1:{{port}}/{WORD}",
    "ntfy": f"ntfy://{LOGIN}127.0.0.1:{{port}}/{WORD}?mode=private",
    "Gotify": f"gotify://127.0.0.1:{{port}}/{WORD}",
    "Rocket.Chat": f"rocket://{LOGIN}127.0.0.1:{{port}}/%23general",
}


def leaks(text: str) -> list[str]:
    """The places where a secret shows, in any of its forms."""
    lowered = text.lower()
    return [text[max(0, at - 60) : at + 40] for form in FORMS if (at := lowered.find(form.lower())) >= 0]


class Mirror(FakeHttp):
    """Refuses everything with `status`, and says back all it was sent, as careless servers do."""

    status = 403
    kind = "text/plain"

    def answer(self, seen: Seen) -> aioweb.Response:
        """The request, as an answer."""
        echo = json.dumps({"ok": False, "errcode": "M_FORBIDDEN", "error": f"{seen.path} {seen.headers} {seen.body!r}"})
        headers = {"Location": f"{seen.path}/{WORD}"} if 300 <= self.status < 400 else {}
        return aioweb.Response(status=self.status, text=echo, headers=headers, content_type=self.kind)


FAULTS = {
    "a refusal that echoes": lambda server: setattr(server, "status", 403),
    "an echo as JSON": lambda server: (setattr(server, "status", 400), setattr(server, "kind", "application/json")),
    "a fault that echoes": lambda server: setattr(server, "status", 500),
    "a yes that is none": lambda server: (setattr(server, "status", 200), setattr(server, "kind", "text/html")),
    "a redirect": lambda server: setattr(server, "status", 307),
    "a reset": lambda server: server.drops_before_effect(times=5),
    "silence": lambda server: server.never_answers(times=5),
    "nobody there": lambda server: setattr(server, "port", 1),
}


def failing(address: str, server: Mirror) -> tuple[str, str]:
    """What a send says when it fails: the error in all its forms; and whatever anybody logged."""
    said: list[str] = []

    async def attempt() -> None:
        sender = open_sender("desk", address.format(port=server.port), timeout=timedelta(seconds=0.25))
        said.append(f"{sender!r} {sender}")
        for recipient in sender.recipients:
            try:
                sent = await sender.send(delivery(recipient=recipient))
                said.append(repr(sent))
            except DeliveryError as error:
                said.append(everything_said(error) + traceback.format_exc())
        await sender.close()

    with Listener() as log:
        asyncio.run(attempt())
    return "\n".join(said), "\n".join(log.heard)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_G14_no_way_of_failing_tells_a_secret_of_any_kind_of_channel(fault):
    with Mirror() as server:
        fault(server)
        told = {kind: failing(address, server) for kind, address in ADDRESSES.items()}
        asked = len(server.requests)
    assert asked >= len(ADDRESSES) or server.port == 1, "every channel was really tried"
    assert {kind: leaks(text) for kind, texts in told.items() for text in texts if leaks(text)} == {}


@pytest.mark.parametrize("url", [address.replace("{port}", "bad port") for address in ADDRESSES.values()])
def test_G14_an_address_that_is_none_is_refused_without_its_secret(url: str):
    with Listener() as log:
        try:
            told = repr(open_sender("desk", url))  # some read the odd port as part of the path
        except ValueError as error:
            told = everything_said(error)
    assert leaks(told + "\n".join(log.heard)) == []


# ── the running daemon ───────────────────────────────────────────────────────────────────────────


PAGE = f'listen = "127.0.0.1:0"\ntoken = "{WORD}"\n'
PAGES = ("/", "/stories", "/alerts", "/watchlists", "/watchlists/harbour", "/feeds", "/healthz", "/metrics")


class Chatty(Daemon):
    """The daemon at DEBUG."""

    def start(self) -> Chatty:
        """Start it with all it can say."""
        command = [sys.executable, "-m", "monitor", "--verbose", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        return self


def shown(daemon: Daemon, path: str) -> str:
    """What the status page shows to whoever bears the token."""
    (line,) = [line for line in daemon.said().splitlines() if '"event": "status_page"' in line]
    bearer = {"Authorization": f"Bearer {WORD}"}
    with urlopen(Request(json.loads(line)["address"].rstrip("/") + path, headers=bearer), timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def unhappy(tmp_path_factory):
    """A daemon whose every channel fails in a way of its own: all it said, and all it left behind."""
    with ExitStack() as opened:
        web = opened.enter_context(FakeWeb())
        mail = opened.enter_context(FakeSmtp(user="desk", password="another"))
        desk = Desk(tmp_path_factory.mktemp("canaries"), web)
        quick = [fault for name, fault in FAULTS.items() if name not in ("silence", "nobody there")]
        desk.channels, servers = {"mail": mail.url_of("desk@example.org", login=LOGIN)}, []
        for number, address in enumerate(ADDRESSES.values()):
            server = opened.enter_context(Mirror())
            servers.append(server)
            quick[number % len(quick)](server)
            desk.channels[f"channel{number}"] = address.format(port=server.port)
        desk.feed("gazette", rss("Parliament passes the harbour bill"))
        desk.write(head=CONFIG.replace('listen = ""\n', PAGE))
        daemon = opened.enter_context(Chatty(desk.config)).start()
        daemon.wait_until(lambda: daemon.said().count('"event": "attempted"') > len(ADDRESSES))
        parts = {
            "command line": Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes().decode(),
            "status": desk.does("status").stdout,
            "status --json": desk.does("status", "--json").stdout,
            "alerts --json": desk.does("alerts", "--json").stdout,
        }
        parts |= {f"page {path}": shown(daemon, path) for path in PAGES}
        assert daemon.terminate() == 0
        files = [path for path in desk.folder.iterdir() if path.name.startswith("wirewatch.db")]
        parts |= {"log": daemon.said(), **{path.name: path.read_bytes().decode("latin-1") for path in files}}
        assert mail.logins and all(server.requests for server in servers)
        yield parts


def test_G14_a_daemon_whose_sends_fail_tells_no_secret_anywhere(unhappy):
    assert {"log", "status", "alerts --json", "command line", "wirewatch.db", "page /alerts"} <= set(unhappy)
    assert all(unhappy.values())
    assert {name: leaks(text) for name, text in unhappy.items() if leaks(text)} == {}


def test_G14_the_daemon_still_says_what_went_wrong(unhappy):
    for word in ("403", "307", "suspended", "535"):
        assert word in unhappy["log"]
