"""The status page: answers, headers, who may ask, and what outsiders wrote into headlines."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from monitor.store import meta
from monitor.store.database import Database
from monitor.store.schema import alerts, entries, feeds, stories
from monitor.web.page import serve_page
from tests.desk import BILL, Desk, json_feed, rss
from tests.fakeweb import FakeWeb

SCRIPT = "The harbour <script>alert(1)</script> & \"quoted\" 'single' {{ 7*7 }} {% raw %}"
PAGES = ["/", "/stories", "/feeds", "/stories/{bill}", "/stories/{script}"]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Page:
    """A served page, asked over a socket."""

    def __init__(self, address: str, database: str):
        self.port, self.database = int(address.rpartition(":")[2].strip("/")), database
        self.stories: dict[str, str] = {}

    def asks(self, path: str, *, method: str = "GET", host: str | None = "127.0.0.1"):
        """One answer: status, headers, text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path.format(**self.stories) if "{" in path else path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host.replace("PORT", str(self.port)))
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text


@contextmanager
def served(path: str):
    """The page over this database, in a thread with a loop of its own."""
    loop, up, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    database, found = Database.open_reader(path), []

    async def serve():
        async with serve_page("127.0.0.1:0", database, clock=lambda: datetime.now(UTC), zone=ZoneInfo("Europe/London")) as address:
            found.append(address)
            up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        yield Page(found[0], path)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
        database.close()


def poison(path: str) -> None:
    """What the stages before would never let through, put into the archive as it is."""
    with closing(Database.open(path)) as database, database.write() as tx:
        for table in (entries, stories, alerts):
            tx.execute(table.update().where(table.c.title.contains("HOSTILE")).values(title=SCRIPT, url="javascript:alert(1)"))
        tx.execute(feeds.update().where(feeds.c.name == "broken").values(last_error=SCRIPT))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with FakeWeb() as web:
        desk = Desk(tmp_path_factory.mktemp("page"), web)
        desk.feed("gazette", rss(BILL, "A comet is seen over the hills", "Up 50% at_the quay"))
        desk.does("poll")
        desk.feed("herald", rss(BILL, title="Herald <b>bold</b>"))
        desk.feed("hostile", json_feed("The harbour HOSTILE"))
        web.page("/broken").says(302, headers={"Location": "http://127.0.0.1:9/<img src=x onerror=alert(1)>"})
        desk.feeds["broken"] = web.url("/broken")
        desk.write().does("poll")
        poison(str(desk.folder / "wirewatch.db"))
        with served(str(desk.folder / "wirewatch.db")) as page:
            found = {story["title"]: story["id"] for story in desk.lines("stories", "--json")}
            page.stories = {"bill": found[BILL], "script": next(found[title] for title in found if "alert(1)" in title)}
            yield page


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers(page, path):
    status, headers, text = page.asks(path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert text.startswith("<!doctype html>") and "</html>" in text


def test_what_is_seen(page):
    assert BILL in page.asks("/")[2] and "desk: delivered" in page.asks("/")[2]
    assert "2 copies" in page.asks("/stories")[2]
    assert "Herald" in page.asks("/stories/{bill}")[2] and "harbour" in page.asks("/stories/{bill}")[2]
    assert "failing" in page.asks("/feeds")[2]


ANSWERS = [
    ("an unknown story", "/stories/0123456789abcdef", "GET", 404),
    ("an unknown page", "/admin", "GET", 404),
    ("an odd path", "/%00%ff/..%2f..%2fetc/passwd", "GET", 404),
    ("a story by wildcards", "/stories/%25", "GET", 404),
    ("writing", "/", "POST", 405),
    ("deleting", "/stories", "DELETE", 405),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method", "status"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_what_is_not_there_is_told(page, path, method, status):
    assert page.asks(path, method=method)[0] == status


EVERYTHING = [*PAGES, "/style.css", "/healthz", "/stories/nothing", "/admin"]


@pytest.mark.parametrize("path", EVERYTHING)
def test_every_answer_has_the_headers(page, path):
    _, headers, _ = page.asks(path)
    assert {name: headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_refusal_has_the_headers_too(page):
    _, headers, _ = page.asks("/", host="evil.example")
    assert {name: headers[name] for name in HEADERS} == HEADERS


HOSTS = [
    ("the address", "127.0.0.1:PORT", True),
    ("the address without a port", "127.0.0.1", True),
    ("localhost", "localhost:PORT", True),
    ("localhost in capitals", "LOCALHOST:PORT", True),
    ("IPv6", "[::1]:PORT", True),
    ("IPv6 without a port", "[::1]", True),
    ("another name", "evil.example", False),
    ("another name with our port", "evil.example:PORT", False),
    ("a name that begins like ours", "localhost.evil.example", False),
    ("a name that ends like ours", "evil-localhost", False),
    ("an address of the network", "192.168.1.1:PORT", False),
    ("a user before the host", "127.0.0.1@evil.example", False),
    ("no name", "", False),
]  # fmt: skip


@pytest.mark.parametrize(("host", "answers"), [case[1:] for case in HOSTS], ids=[case[0] for case in HOSTS])
@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_only_local_names_are_answered(page, host, answers, path):
    status, _, text = page.asks(path, host=host)
    assert (status not in (400, 421)) == answers
    assert answers or BILL not in text


# ── outside text ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [*PAGES, "/stories?search=" + quote("<script>alert(2)</script>\"'")])
def test_what_outsiders_wrote_is_text(page, path):
    text = page.asks(path)[2]
    for bad in ("<script", "<img", "<b>", 'href="javascript:', "onerror=alert(1)>"):
        assert bad not in text


def test_the_hostile_headline_is_shown_as_it_is(page):
    shown = "The harbour &lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quoted&#34; &#39;single&#39; {{ 7*7 }} {% raw %}"
    assert all(shown in page.asks(path)[2] for path in ("/", "/stories", "/stories/{script}", "/feeds"))


SEARCHES = [
    ("a word in another case", "HARBOUR", 2),
    ("everything where nothing is asked", "", 4),
    ("blanks only", "  ", 4),
    ("a percent sign", "%", 2),
    ("an underscore", "_", 1),
    ("a backslash", "\\", 0),
    ("a quote that ends a string", "' OR 1=1 --", 0),
    ("a double quote", '"quoted"', 1),
    ("words of a query language", "NEAR(harbour* bill)", 0),
    ("a bracket", "[a-z]", 0),
    ("a zero byte", "\x00", 0),
    ("ten thousand letters", "x" * 5000, 0),
    ("an emoji", "🚢", 0),
]  # fmt: skip


@pytest.mark.parametrize(("search", "count"), [case[1:] for case in SEARCHES], ids=[case[0] for case in SEARCHES])
def test_a_search_is_plain_text(page, search, count):
    status, _, text = page.asks("/stories?search=" + quote(search))
    assert status == 200
    assert text.count("<article>") == count


@pytest.mark.parametrize("raw", ["%ff%fe", "%ed%a0%80", "%", "%zz", "a&search=b", "a%0d%0aX-Evil:%201"])
def test_a_broken_search_is_answered(page, raw):
    status, headers, _ = page.asks("/stories?search=" + raw)
    assert status in (200, 400) and "X-Evil" not in headers


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(page):
    for path in PAGES:
        text = page.asks(path)[2]
        assert "<script" not in text and "<iframe" not in text and "style=" not in text
        assert text.count("<link") == 1 and '<link rel="stylesheet" href="/style.css">' in text
    assert "url(" not in page.asks("/style.css")[2] and "@import" not in page.asks("/style.css")[2]


# ── health ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ticking(tmp_path):
    """A database, and a way to say when its daemon last noted progress."""
    database = Database.open(str(tmp_path / "health.db"))

    def tick(**span):
        with database.write() as tx:
            meta.put(tx, "last_tick", {"at": (datetime.now(UTC) - timedelta(**span)).isoformat(), "pid": 1})

    with served(str(tmp_path / "health.db")) as page:
        yield page, tick
    database.close()


def test_health_is_503_without_a_daemon_and_200_with_one(ticking):
    page, tick = ticking
    assert page.asks("/healthz")[0] == 503
    tick(seconds=10)
    status, headers, text = page.asks("/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(text) == {"ok": True, "running": True, "problems": []}
    tick(minutes=10)
    assert (page.asks("/healthz")[0], json.loads(page.asks("/healthz")[2])["running"]) == (503, False)


def test_an_empty_archive_has_pages_too(ticking):
    page, _ = ticking
    assert [page.asks(path)[0] for path in ("/", "/stories", "/feeds")] == [200, 200, 200]
    assert "No feed is configured" in page.asks("/feeds")[2]
