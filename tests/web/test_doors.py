"""Who may ask the status page: names, origins, tokens; a reload; and the verdicts of those who hold a signed link."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import time

import pytest

from monitor.core.render import feedback_path
from monitor.model import Feedback, Reloaded
from monitor.store import feedback
from monitor.store.database import Database
from monitor.store.schema import alerts
from monitor.web.page import BACKLOG, CONNECTIONS
from tests.builders import NOW
from tests.web.served import BASE, KEY, House, served

TOKEN = "a-token-of-some-length"
ALERT = "0123456789abcdef0123"
TITLE = "The harbour <script>alert(1)</script>"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A database with one alert; to be copied."""
    path = str(tmp_path_factory.mktemp("doors") / "doors.db")
    with_alert(path)
    return path


@pytest.fixture
def opened(tmp_path, archive):
    """Ways to open the page over an archive with one alert: `opened(token=…)`."""
    path = shutil.copy(archive, tmp_path / "doors.db")
    pages = []

    def open_(**house):
        pages.append(served(str(path), House(**house)))
        return pages[-1].__enter__()

    yield open_
    for page in pages:
        page.__exit__(None, None, None)


def with_alert(path: str) -> None:
    database = Database.open(path)
    with database.write() as tx:
        row = {"watchlist": "harbour", "story": "s", "level": "normal", "score": 1.0, "reason": "matched", "url": "https://a.example/"}
        tx.execute(alerts.insert().values(id=ALERT, title=TITLE, created_at=NOW, **row))
    database.close()


# ── names (DNS rebinding) ────────────────────────────────────────────────────────────────────────

HOSTS = [
    ("the address", "127.0.0.1:PORT", True),
    ("the address without a port", "127.0.0.1", True),
    ("localhost", "localhost:PORT", True),
    ("localhost in capitals", "LOCALHOST:PORT", True),
    ("IPv6", "[::1]:PORT", True),
    ("IPv6 without a port", "[::1]", True),
    ("the name in base_url", "alerts.example.org", True),
    ("another name", "evil.example", False),
    ("another name with our port", "evil.example:PORT", False),
    ("a name that begins like ours", "localhost.evil.example", False),
    ("a name that ends like ours", "evil-localhost", False),
    ("a name below that in base_url", "evil.alerts.example.org", False),
    ("an address of the network", "192.168.1.1:PORT", False),
    ("a user before the host", "127.0.0.1@evil.example", False),
    ("no name", "", False),
]  # fmt: skip


@pytest.mark.parametrize(("host", "answers"), [case[1:] for case in HOSTS], ids=[case[0] for case in HOSTS])
def test_only_names_of_ours_are_answered(opened, host, answers):
    page = opened(base_url=BASE)
    for path in ("/", "/healthz", "/metrics", feedback_path(KEY, ALERT) + "/good"):
        status, headers, text = page.asks(path, host=host)
        assert (status not in (400, 421)) == answers
        assert answers or TITLE[:11] not in text
        assert status == 400 or headers["X-Content-Type-Options"] == "nosniff"


def test_beyond_this_host_addresses_are_answered_and_names_are_not(opened):
    page = opened(only_here=False)
    assert page.asks("/", host="192.168.1.1:PORT")[0] == page.asks("/", host="[2001:db8::1]:PORT")[0] == 200
    assert page.asks("/", host="evil.example:PORT")[0] == 421


def answered(page, head: str) -> bytes:
    """What comes back for a head as it stands here."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as wire:
        wire.sendall(f"GET / HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: wire.recv(65_536), b""))


@pytest.mark.parametrize("host", ["127.0.0.1:99999", "127.0.0.1:port", "[::1]:-1", "[::1", "127.0.0.1:1:2"])
def test_a_host_that_is_none_is_told_so_and_no_trouble_of_ours(opened, caplog, host):
    assert answered(opened(), f"Host: {host}\r\n").startswith((b"HTTP/1.1 421", b"HTTP/1.1 200"))
    assert not caplog.records


@pytest.mark.parametrize("head", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n", "Host 127.0.0.1\r\n"])
def test_bad_http_is_no_error_in_the_log(opened, caplog, head):
    caplog.set_level("DEBUG", logger="aiohttp.server")
    assert b" 400 Bad Request" in answered(opened(), head)
    (record,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert (record.levelname, record.exc_info) == ("DEBUG", None) and record.getMessage().startswith("bad HTTP: ")


# ── connections ──────────────────────────────────────────────────────────────────────────────────


def is_closed(wire: socket.socket) -> bool:
    """Whether the other side has ended it; waits a moment for that."""
    wire.settimeout(0.5)
    try:
        return wire.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_connections_are_few_and_those_beyond_are_closed_at_once(opened):
    page, wires = opened(), []
    for _ in range(4):
        for _ in range(BACKLOG):
            wires.append(socket.create_connection(("127.0.0.1", page.port), timeout=10))
            wires[-1].sendall(b"GET / HT")
        time.sleep(0.1)  # let them in
    assert len(wires) == CONNECTIONS and not is_closed(wires[0]) and not is_closed(wires[-1])
    extra = socket.create_connection(("127.0.0.1", page.port), timeout=10)
    assert is_closed(extra)
    for wire in (extra, *wires):
        wire.close()
    time.sleep(0.2)
    assert page.asks("/healthz")[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET /style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\nX: "])
def test_a_connection_that_sends_no_whole_head_is_closed(opened, monkeypatch, sent):
    """Also where it drips, and where it had sent one before."""
    monkeypatch.setattr("monitor.web.page.PATIENCE", 0.5)
    with socket.create_connection(("127.0.0.1", opened().port), timeout=10) as wire:
        wire.sendall(sent)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 5:
                wire.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if wire.recv(65_536) == b"":
                        break
                if sent:
                    wire.sendall(b"X")
        assert 0.3 < time.monotonic() - began < 3


# ── origins ──────────────────────────────────────────────────────────────────────────────────────

ORIGINS = [
    ("a program", {}, 200),
    ("our own page", {"Origin": "http://127.0.0.1:PORT", "Sec_Fetch_Site": "same-origin"}, 200),
    ("our own page behind a proxy", {"Origin": BASE}, 200),
    ("another page", {"Origin": "https://evil.example"}, 403),
    ("another port", {"Origin": "http://127.0.0.1:1"}, 403),
    ("TLS on our port", {"Origin": "https://127.0.0.1:PORT"}, 403),
    ("a page that hides who it is", {"Origin": "null"}, 403),
    ("a browser that sends no origin across", {"Sec_Fetch_Site": "cross-site"}, 403),
    ("another name of the site", {"Sec_Fetch_Site": "same-site"}, 403),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "status"), [case[1:] for case in ORIGINS], ids=[case[0] for case in ORIGINS])
def test_no_other_page_sets_anything_going(opened, headers, status):
    page = opened(base_url=BASE)
    assert page.asks("/-/reload", method="POST", host="127.0.0.1:PORT", **headers)[0] == status
    assert page.house.reloads == (status == 200)
    assert page.asks(feedback_path(KEY, ALERT) + "/noise", method="POST", host="127.0.0.1:PORT", **headers)[0] == status
    assert len(page.house.judged) == (status == 200)


def test_another_pages_script_reads_nothing(opened):
    page = opened()
    status, headers, _ = page.asks("/", Origin="https://evil.example")
    assert status == 403 and "Access-Control-Allow-Origin" not in headers
    assert page.asks("/", method="OPTIONS", Origin="https://evil.example")[0] == 403


# ── the token ────────────────────────────────────────────────────────────────────────────────────


def basic(password: str, user: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GIVEN = [
    ("none", None, False),
    ("the token", f"Bearer {TOKEN}", True),
    ("in small letters", f"bearer {TOKEN}", True),
    ("as a browser's password", basic(TOKEN), True),
    ("as a browser's user", basic("", TOKEN), False),
    ("its beginning", f"Bearer {TOKEN[:-1]}", False),
    ("more than it", f"Bearer {TOKEN}x", False),
    ("nothing", "Bearer ", False),
    ("the bare token", TOKEN, False),
    ("another way", f"Digest {TOKEN}", False),
    ("no base64", "Basic ???", False),
    ("no text", "Basic " + base64.b64encode(b"\xff:\xff").decode(), False),
]  # fmt: skip


@pytest.mark.parametrize(("given", "enters"), [case[1:] for case in GIVEN], ids=[case[0] for case in GIVEN])
def test_where_there_is_a_token_everything_asks_for_it(opened, given, enters):
    page = opened(token=TOKEN, only_here=False)
    for path, method in (("/", "GET"), ("/stories", "GET"), ("/healthz", "GET"), ("/metrics", "GET"), ("/-/reload", "POST"), ("/nothing", "GET")):
        status, headers, text = page.asks(path, method=method, Authorization=given)
        assert (status != 401) == enters
        if not enters:
            assert headers.get_all("WWW-Authenticate") == ["Bearer", 'Basic realm="wirewatch"']
            assert headers["Content-Security-Policy"] and TOKEN not in text
    assert page.house.reloads == enters


def test_the_token_is_not_asked_for_what_is_signed_itself(opened):
    page = opened(token=TOKEN, only_here=False, base_url=BASE)
    assert page.asks(feedback_path(KEY, ALERT) + "/good", host="alerts.example.org")[0] == 200
    assert page.asks("/style.css", host="alerts.example.org")[0] == 200
    for path in ("/feedback", "/feedback/../", "/feedback/%2e%2e/", "/style.css/../stories", "//stories", "/feedback/x/../../stories"):
        assert page.asks(path)[0] in (401, 404)
        assert TITLE[:11] not in page.asks(path)[2]


# ── POST /-/reload ───────────────────────────────────────────────────────────────────────────────

MISTAKE = "config.toml:2: polling.intervall: unknown key; did you mean 'interval'? <b>"


def test_G1_a_reload_answers_with_what_was_wrong(opened):
    page = opened(reloaded=Reloaded(ok=False, watchlists=3, problems=(MISTAKE,)))
    status, headers, text = page.asks("/-/reload", method="POST")
    assert (status, headers["Content-Type"]) == (422, "application/json; charset=utf-8")
    assert json.loads(text) == {"ok": False, "watchlists": 3, "problems": [MISTAKE]}


def test_a_reload_that_is_accepted_is_200(opened):
    status, _, text = opened().asks("/-/reload", method="POST")
    assert (status, json.loads(text)) == (200, {"ok": True, "watchlists": 1, "problems": []})


def test_a_browser_gets_a_page_of_it(opened):
    page = opened(reloaded=Reloaded(ok=False, problems=(MISTAKE,)))
    status, headers, text = page.asks("/-/reload", method="POST", Accept="text/html,*/*;q=0.8")
    assert (status, headers["Content-Type"]) == (422, "text/html; charset=utf-8")
    assert "Refused" in text and "config.toml:2: polling.intervall" in text and "<b>" not in text


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────


def said(page) -> dict[str, Feedback]:
    database = Database.open_reader(page.database)
    with database.read() as tx:
        found = feedback.said_of(tx, [ALERT])
    database.close()
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_a_link_records_nothing(opened, method):
    """Previews of chat services and mail scanners look at every link."""
    page = opened(base_url=BASE)
    for verdict in ("good", "noise"):
        assert page.asks(feedback_path(KEY, ALERT) + f"/{verdict}", method=method)[0] == 200
    assert (said(page), page.house.judged) == ({}, [])


def test_a_form_records_and_a_later_word_replaces_an_earlier(opened):
    page = opened(base_url=BASE)
    link = feedback_path(KEY, ALERT)
    form = page.asks(f"{link}/good")[2]
    assert '<form method="post">' in form and "This was a good alert" in form and "&lt;script&gt;" in form and "<script" not in form
    assert "Noted: a good alert" in page.asks(f"{link}/good", method="POST")[2]
    assert said(page) == {ALERT: Feedback.GOOD}
    assert "Noted: noise" in page.asks(f"{link}/noise", method="POST")[2]
    assert said(page) == {ALERT: Feedback.NOISE}


FORGED = [
    ("another key", feedback_path(b"x" * 32, ALERT) + "/good"),
    ("another alert's signature", f"/feedback/{ALERT}/{feedback_path(KEY, '1' * 20).rpartition('/')[2]}/good"),
    ("no signature", f"/feedback/{ALERT}//good"),
    ("half a signature", feedback_path(KEY, ALERT)[:-1] + "/good"),
    ("in capitals", feedback_path(KEY, ALERT).upper().replace("/FEEDBACK", "/feedback") + "/good"),
    ("another verdict", feedback_path(KEY, ALERT) + "/superb"),
    ("no text", f"/feedback/{ALERT}/%ff%fe/good"),
]  # fmt: skip


@pytest.mark.parametrize("path", [case[1] for case in FORGED], ids=[case[0] for case in FORGED])
def test_a_link_that_we_did_not_sign_leads_nowhere(opened, path):
    page = opened(base_url=BASE)
    assert page.asks(path)[0] == page.asks(path, method="POST")[0] == 404
    assert page.house.judged == []


def test_an_alert_that_is_gone_is_told(opened):
    page = opened(base_url=BASE)
    link = feedback_path(KEY, "f" * 20) + "/good"
    assert page.asks(link)[0] == page.asks(link, method="POST")[0] == 410
