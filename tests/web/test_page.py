"""The status page: what it shows, and what outsiders wrote into it. Who may ask is in test_doors.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from monitor.model import Pickup, Rule
from monitor.reload import read_all
from monitor.store.database import Database
from monitor.web import charts
from monitor.web.reading import ROWS
from tests.desk import BILL
from tests.fakeweb import FakeWeb
from tests.web.archive import SCRIPT, filled
from tests.web.served import BASE, House, served

PAGES = [
    "/", "/stories", "/stories?days=30", "/alerts", "/alerts?days=30", "/watchlists", "/watchlists/harbour", "/watchlists/quays",
    "/feeds", "/stories/{bill}", "/stories/{script}", "/stories/{gulls}", "/stories/{bank}",
]  # fmt: skip
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with FakeWeb() as web:
        desk, known = filled(tmp_path_factory.mktemp("page"), web)
        house = House(watchlists=read_all(desk.config).watchlists, base_url=BASE)
        with served(str(desk.folder / "wirewatch.db"), house) as page:
            page.known = known
            yield page


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers(page, path):
    status, headers, text = page.asks(path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert text.startswith("<!doctype html>") and "</html>" in text


SEEN = [
    ("/", ("Not well", "channel room is suspended: M_FORBIDDEN", "watchlists/quays.toml:12: term.any: ", BILL, "dead letter", "phone: 1", "The oldest was decided 9 min ago")),
    ("/", ("silenced</span> quays until", "dock strike", ">volcano</a>", "no alert in 14 days", 'action="/-/reload"')),
    ("/stories", ("8 copies", "Gazette, Herald bold 0", "4, alerts from 2; matched")),
    ("/stories/{bill}", ("Herald bold 6", "same url", "8 copies from ", "<polyline points=", "+4</span> harbour", "What was told")),
    ("/stories/{gulls}", ("8, alerts from 5; matched", "Missing: ", '<td role="cell" class="short"')),
    ("/alerts", ("quiet hours, not before", "!desk:example.org", "refused: ", "good, said a reader", "noise, said a reader", "delivered</span> desk")),
    ("/watchlists", ("Quays, docks &amp; cranes &lt;b&gt;", "72 % good", "of 36 judged", "<rect ", "alerts from 5, urgent from 9", "1 near miss in 7 days")),
    ("/watchlists/quays", ("Near misses of 7 days", "4, alerts from 5", "(derrick*)", "Up 50% at_the quay")),
    ("/watchlists/volcano", ("nobody judged any", "0 alerts, at most 0 a day")),
    ("/feeds", ("failing", "(3 checks in a row", "37 items suddenly look new, as after a reset", "now, it was &#39;Herald&#39;; nothing in it was known", "items may have been missed 2 times; a shorter")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "shown"), SEEN, ids=[f"{path} {shown[0][:20]}" for path, shown in SEEN])
def test_what_is_seen(page, path, shown):
    text = " ".join(page.asks(path)[2].split())
    assert [one for one in shown if one not in text] == []


def test_feeds_that_fail_stand_first_and_names_are_searched(page):
    text = page.asks("/feeds")[2]
    assert text.index(">zeppelin<") < text.index(">herald-6<") < text.index(">gazette<")
    assert "gazette" not in page.asks("/feeds?search=HERALD-3")[2] and "herald-3" in page.asks("/feeds?search=HERALD-3")[2]
    assert "No feed is called so" in page.asks("/feeds?search=nothing")[2]


def test_times_are_those_of_the_configured_zone(page):
    for path in ("/", "/stories", "/alerts", "/feeds"):
        text = page.asks(path)[2]
        now = datetime.now(ZoneInfo("Europe/Berlin"))
        assert any(f"{now - timedelta(minutes=back):%d %b %H:%M}" in text for back in range(10)) and "times are those of Europe/Berlin" in text


def test_lists_have_pages(page):
    first, second = page.asks("/alerts?days=30")[2], page.asks("/alerts?days=30&page=2")[2]
    assert first.count("<article>") == ROWS and "page=2" in first and "page 1" in first
    assert 0 < second.count("<article>") < ROWS and "page=1" in second and "page=3" not in second
    assert page.asks("/alerts?days=30&page=400")[2].count("<article>") == 0
    titles = [line for line in (first + second).splitlines() if "<h3" in line]
    assert len(titles) == len(set(titles)) + 2, "each once (two watchlists told of two stories)"


def test_alerts_are_searched_and_of_one_watchlist(page):
    assert page.asks("/alerts?search=dredger+0&days=1")[2].count("<article>") == 1
    assert page.asks("/alerts?search=DREDGER+0&days=3")[2].count("<article>") == 3
    assert page.asks("/alerts?watchlist=quays&days=30")[2].count("<article>") == 2
    assert page.asks("/stories?watchlist=quays")[2].count("<article>") == 1


ODD = ["page=0", "page=-1", "page=x", "page=99999999999999999999", "page=2.5", "page=%D9%A1", "days=0", "days=-3", "days=1e9", "days=999999", "watchlist=%00", "watchlist='--"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("path", ["/stories", "/alerts", "/feeds"])
def test_what_is_odd_in_an_address_counts_as_not_asked(page, path, odd):
    assert page.asks(f"{path}?{odd}")[0] == 200


ANSWERS = [
    ("an unknown story", "/stories/0123456789abcdef", "GET", 404),
    ("an unknown page", "/admin", "GET", 404),
    ("an odd path", "/%00%ff/..%2f..%2fetc/passwd", "GET", 404),
    ("a story by wildcards", "/stories/%25", "GET", 404),
    ("an unknown watchlist", "/watchlists/nothing", "GET", 404),
    ("a watchlist elsewhere", "/watchlists/..%2fconfig", "GET", 404),
    ("reloading by a link", "/-/reload", "GET", 405),
    ("writing", "/", "POST", 405),
    ("deleting", "/stories", "DELETE", 405),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method", "status"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_what_is_not_there_is_told(page, path, method, status):
    assert page.asks(path, method=method)[0] == status


@pytest.mark.parametrize("path", ["/stories/0123456789abcdef", "/admin", "/watchlists/nothing"])
def test_a_browser_is_led_back_from_what_is_not_there(page, path):
    status, headers, text = page.asks(path, Accept="text/html,*/*;q=0.8")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "No such " in text and '<a href="/">Overview</a>' in text and "<nav>" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_who_holds_but_a_link_is_led_nowhere_else(page):
    status, _, text = page.asks("/feedback/a/b/good", Accept="text/html")
    assert status == 404 and "The link may have been cut" in text and "<nav>" not in text and 'href="/"' not in text


EVERYTHING = [*PAGES, "/style.css", "/healthz", "/metrics", "/stories/nothing", "/admin", "/feedback/a/b/good"]


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


# ── outside text ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [*PAGES, "/stories?search=" + quote("<script>alert(2)</script>\"'")])
def test_I5_I15_what_outsiders_wrote_is_text(page, path):
    text = page.asks(path)[2]
    for bad in ("<script", "<img", "<b>", 'href="javascript:', "onerror=alert(1)>", "{% raw"):
        assert bad not in text.replace("{{ 7*7 }} {% raw %}", "")


SHOWN = ["/", "/stories", "/stories/{script}", "/stories/{gulls}", "/alerts", "/watchlists/quays", "/feeds"]


@pytest.mark.parametrize("path", SHOWN)
def test_I5_I15_the_hostile_headline_is_shown_as_it_is(page, path):
    assert escape(SCRIPT).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page.asks(path)[2]


@pytest.mark.parametrize("path", ["/stories/{bill}", "/stories/{bank}"])
def test_a_headline_does_not_pretend_to_lead_where_it_does_not(page, path):
    """As in messages: no user before the host, and a title that looks like an address is no link."""
    text = " ".join(page.asks(path)[2].split())
    link = '<a href="https://evil.example/x" rel="noreferrer noopener">Read at evil.example</a>'
    assert f"Read it at https://bank.example/ {link}" in text and "@evil.example" not in text


SEARCHES = [
    ("a word in another case", "HARBOUR", 3),
    ("everything where nothing is asked", "", 6),
    ("blanks only", "  ", 6),
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
def test_I18_a_search_is_plain_text(page, search, count):
    status, _, text = page.asks("/stories?search=" + quote(search))
    assert status == 200
    assert text.count("<article>") == count


@pytest.mark.parametrize("raw", ["%ff%fe", "%ed%a0%80", "%", "%zz", "a&search=b", "a%0d%0aX-Evil:%201"])
def test_a_broken_search_is_answered(page, raw):
    status, headers, _ = page.asks("/stories?search=" + raw)
    assert status in (200, 400) and "X-Evil" not in headers


@pytest.mark.parametrize("path", SHOWN)
def test_I11_I13_nothing_turns_or_hides_the_text_around_it(page, path):
    assert not set("\x1b\x00\u202e\u2066\U000e0041") & set(page.asks(path)[2])


def test_I11_signs_that_languages_need_stay(page):
    search = quote("می\u200cشود 👩\u200d🚒")
    assert "می\u200cشود 👩\u200d🚒" in page.asks(f"/feeds?search={search}")[2]


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(page):
    for path in PAGES:
        text = page.asks(path)[2]
        assert "<script" not in text and "<iframe" not in text and "style=" not in text
        assert text.count("<link") == 1 and '<link rel="stylesheet" href="/style.css">' in text
    assert "url(" not in page.asks("/style.css")[2] and "@import" not in page.asks("/style.css")[2]



# ── charts ───────────────────────────────────────────────────────────────────────────────────────

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_day_is_one_of_the_readers_zone_also_when_clocks_change():
    """On 29 March 2026 the clocks of Berlin went from 02:00 to 03:00."""
    moments = [datetime(2026, 3, 28, 22, 59, tzinfo=UTC), datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 21, 59, tzinfo=UTC), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)]
    chart = charts.by_day(moments, days=3, now=NOON, zone=BERLIN)
    assert [bar.says for bar in chart.bars] == ["28 Mar: 1", "29 Mar: 2", "30 Mar: 1"]
    assert (chart.most, chart.total) == (2, 4)


def test_the_highest_bar_fills_the_chart_and_a_day_without_any_is_a_line():
    chart = charts.by_day([NOON] * 400 + [NOON - timedelta(days=2)], days=3, now=NOON, zone=UTC)
    assert [round(bar.height) for bar in chart.bars] == [2, 1, charts.HEIGHT]
    assert all(bar.y + bar.height == charts.HEIGHT for bar in chart.bars)


def test_what_is_older_than_the_chart_is_not_in_it():
    assert charts.by_day([NOON - timedelta(days=9)], days=3, now=NOON, zone=UTC).total == 0


def pickup(minutes):
    moment = NOON + timedelta(minutes=minutes)
    return Pickup(entry="e", feed="f", outlet="O", url="", title="", published_at=None, seen_at=moment, similarity=1.0, rule=Rule.SAME_URL)


def test_copies_grow_in_steps_from_the_first_to_the_last():
    line = charts.growth([pickup(0), pickup(30), pickup(60)])
    points = [tuple(map(float, point.split(","))) for point in line.points.split()]
    assert points[0] == (0, charts.HIGH) and points[-1] == (charts.WIDE, 0)
    assert (charts.WIDE / 2, charts.HIGH / 3) in points and line.most == 3


@pytest.mark.parametrize("minutes", [[], [0], [5, 5, 5]], ids=["none", "one", "at once"])
def test_what_did_not_grow_has_no_chart(minutes):
    assert charts.growth([pickup(one) for one in minutes]) is None


# ── health ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def empty(tmp_path):
    """The page over an archive without anything."""
    Database.open(str(tmp_path / "empty.db")).close()
    with served(str(tmp_path / "empty.db")) as page:
        yield page


def test_health_is_503_with_the_reason_where_a_part_stands_still(empty):
    status, headers, text = empty.asks("/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(text) == {"ok": True, "running": True, "problems": [], "also": []}
    empty.house.standing_still = ("outbox: nothing done for 99 <b> seconds",)
    status, _, text = empty.asks("/healthz")
    assert (status, json.loads(text)["problems"]) == (503, ["outbox: nothing done for 99 <b> seconds"])
    assert "outbox: nothing done for 99 &lt;b&gt; seconds" in empty.asks("/")[2] and "Not well" in empty.asks("/")[2]


def test_what_restarting_cannot_mend_is_no_ill_health_but_told(page):
    status, _, text = page.asks("/healthz")
    assert status == 200 and any("M_FORBIDDEN" in one for one in json.loads(text)["also"])


def test_health_is_503_where_the_database_cannot_be_read(tmp_path):
    path = tmp_path / "gone.db"
    Database.open(str(path)).close()
    with served(str(path)) as page:
        path.write_bytes(b"no database" * 1000)
        status, headers, text = page.asks("/healthz")
        assert (status, headers["X-Content-Type-Options"]) == (503, "nosniff") and "cannot be read" in text
        assert page.asks("/")[0] == 503 and "cannot be read" in page.asks("/")[2]


def test_a_page_that_fails_says_so_and_keeps_its_headers(empty, monkeypatch):
    empty.house.watchlists = None
    status, headers, text = empty.asks("/watchlists")
    assert (status, text) == (500, "This page could not be shown; the log says why.\n")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_empty_archive_has_pages_too(empty):
    assert {path: empty.asks(path)[0] for path in ("/", "/stories", "/alerts", "/watchlists", "/feeds")} == dict.fromkeys(("/", "/stories", "/alerts", "/watchlists", "/feeds"), 200)
    assert "No feed is configured" in empty.asks("/feeds")[2] and "No watchlist is in force" in empty.asks("/watchlists")[2]


def test_metrics_are_given_as_prometheus_reads_them(empty):
    status, headers, text = empty.asks("/metrics")
    assert (status, headers["Content-Type"], text) == (200, "text/plain; version=0.0.4; charset=utf-8", "wirewatch_up 1\n")
