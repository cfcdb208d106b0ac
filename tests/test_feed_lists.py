"""`wirewatch feeds`: health in words, import and export, discovery, release; and their rooms."""

from __future__ import annotations

import io
import os
import re
import sys
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor import show_feeds
from monitor.config import load_config
from monitor.core.discover import common_places, places_on
from monitor.errors import ConfigError
from monitor.model import Oddity, OddityKind
from monitor.opml import Outline, read_opml, write_opml
from tests.builders import NOW, ago
from tests.desk import BILL, Desk, json_feed, rss
from tests.fakeweb import FakeWeb

HTML = {"Content-Type": "text/html"}


@pytest.fixture
def web():
    with FakeWeb() as served:
        yield served


@pytest.fixture
def desk(tmp_path, web):
    made = Desk(tmp_path, web)
    made.feed("gazette", rss(BILL))
    return made


# ── import and export ────────────────────────────────────────────────────────────────────────────

OPML = """<?xml version="1.0" encoding="{encoding}"?>
<opml version="{version}"><head><title>Mine</title></head><body>
  <outline text="News">
    <outline text="UK &amp; Ireland" title="UK &amp; Ireland">
      <outline type="rss" text="Gazette – “daily”" xmlUrl="https://www.gazette.example/rss" htmlUrl="https://www.gazette.example/"/>
    </outline>
    <outline type="rss" text="Herald" xmlurl="https://herald.example/feed.xml" category="/world/asia,politics"/>
  </outline>
  <outline type="rss" text="Gazette again" xmlUrl="https://WWW.gazette.example/rss#top"/>
  <outline type="rss" text="Podcast" xmlUrl="feed:https://pod.example/feed"/>
  <outline type="rss" text="Odd" xmlUrl="file:///etc/passwd"/>
</body></opml>
"""
IMPORTED = [
    ("gazette-example", "https://www.gazette.example/rss", "Gazette – “daily”", ("News", "UK & Ireland")),
    ("herald-example", "https://herald.example/feed.xml", "Herald", ("News", "asia", "politics")),
    ("pod-example", "https://pod.example/feed", "Podcast", ()),
]


def fields(config):
    return [(feed.name, feed.url, feed.outlet, feed.tags) for feed in config.feeds]


@pytest.mark.parametrize(("version", "encoding"), [("1.0", "utf-8"), ("1.1", "windows-1252"), ("2.0", "utf-16")])
def test_a_list_is_imported_with_its_folders_as_tags_and_what_stood_there_stays(desk, version, encoding):
    before = desk.config.read_text()
    path = desk.folder / "mine.opml"
    path.write_bytes(OPML.format(version=version, encoding=encoding).encode(encoding))
    done = desk.does("feeds", "import", str(path))
    assert done.exit_code == 0 and "3 feeds added" in done.stderr and "mine.opml" in desk.config.read_text()
    assert desk.config.read_text().startswith(before.rstrip())
    assert fields(load_config(desk.config, {}))[1:] == IMPORTED
    assert "already there: https://WWW.gazette.example/rss#top (gazette-example)" in done.stderr
    assert "not a web address, left out: file:///etc/passwd" in done.stderr
    again = desk.does("feeds", "import", str(path))
    assert "0 feeds added" in again.stderr and len(load_config(desk.config, {}).feeds) == 4


def test_a_dry_run_prints_and_changes_nothing(desk):
    before = desk.config.read_bytes()
    path = desk.folder / "mine.opml"
    path.write_text(OPML.format(version="2.0", encoding="utf-8"))
    done = desk.does("feeds", "import", str(path), "--dry-run")
    assert done.stdout.count("[[feed]]") == 3 and 'tags = ["News", "UK & Ireland"]' in done.stdout
    assert desk.config.read_bytes() == before
    (desk.folder / "with.toml").write_text(desk.config.read_text() + done.stdout)
    assert len(load_config(desk.folder / "with.toml", {}).feeds) == 4


def test_the_files_mode_stays_and_a_file_that_cannot_be_written_is_told(desk):
    path = desk.folder / "mine.opml"
    path.write_text(OPML.format(version="2.0", encoding="utf-8"))
    desk.config.chmod(0o640)
    assert desk.does("feeds", "import", str(path)).exit_code == 0
    assert desk.config.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in desk.folder.iterdir() if "import" in file.name] == []


def test_titles_are_data_in_the_configuration(desk):
    evil = '"\n[[feed]]\nurl = "https://evil.example/\\'
    path = desk.folder / "mine.opml"
    path.write_text(write_opml([Outline(url="https://herald.example/", title=evil, tags=('"]', "#"))]))
    assert desk.does("feeds", "import", str(path)).exit_code == 0
    assert fields(load_config(desk.config, {}))[1:] == [("herald-example", "https://herald.example/", " ".join(evil.split()), ('"]', "#"))]


MEANT = {
    "feed://pod.example/feed": "http://pod.example/feed",
    "FEED:https://pod.example/feed": "https://pod.example/feed",
}


@pytest.mark.parametrize(("written", "meant"), MEANT.items(), ids=MEANT)
def test_addresses_for_old_readers_are_imported_from_any_namespace(tmp_path, written, meant):
    path = tmp_path / "old.opml"
    path.write_text(f"<opml version='2.0' xmlns='http://opml.org/spec2'><body><outline text='P' xmlUrl='{written}'/></body></opml>")
    assert read_opml(path) == (Outline(url=meant, title="P"),)


BROKEN = {
    "no XML": "hello",
    "another document": "<rss version='2.0'><channel/></rss>",
    "no body": "<opml version='2.0'><head/></opml>",
    "an encoding that there is not": "<?xml version='1.0' encoding='x-none'?><opml/>",
    "entities that multiply": "<!DOCTYPE x [<!ENTITY a 'lolololol'>" + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 50}'>" for n in range(9)) + "]><opml version='2.0'><body>&j;</body></opml>",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_list_is_told_and_nothing_is_imported(desk, text):
    before = desk.config.read_bytes()
    path = desk.folder / "mine.opml"
    path.write_text(text)
    done = desk.does("feeds", "import", str(path))
    assert done.exit_code == 65 and "mine.opml:1: opml: " in done.stderr
    assert desk.config.read_bytes() == before
    assert desk.does("feeds", "import", str(desk.folder / "none.opml")).exit_code == 65


def test_blocks_that_would_break_the_configuration_are_not_written(desk):
    desk.config.write_text('feed = [{ url = "https://inline.example/" }]\n')
    path = desk.folder / "mine.opml"
    path.write_text(OPML.format(version="2.0", encoding="utf-8"))
    done = desk.does("feeds", "import", str(path))
    assert done.exit_code == 65 and desk.config.read_text() == 'feed = [{ url = "https://inline.example/" }]\n'


def test_folders_without_end_do_not_break_the_reader(tmp_path):
    path = tmp_path / "deep.opml"
    path.write_text("<opml><body>" + "<outline text='a'>" * 900 + "<outline xmlUrl='https://a.example/'/>" + "</outline>" * 900 + "</body></opml>")
    try:
        assert len(read_opml(path)) <= 1
    except ConfigError:
        pass


def test_what_is_exported_can_be_imported_with_its_tags(tmp_path):
    outlines = (
        Outline(url="https://a.example/1", title="A <&>", tags=("uk", "broadcaster")),
        Outline(url="https://a.example/2", title="B", tags=("uk",)),
        Outline(url="https://a.example/4", title="D", tags=("uk", "Politics, UK", "news/world", "broadcaster")),
        Outline(url="https://a.example/5", title="E", tags=("a/b",)),
        Outline(url="https://a.example/3", title="C"),
    )
    path = tmp_path / "out.opml"
    path.write_text(write_opml(outlines), encoding="utf-8")
    assert read_opml(path) == outlines
    assert path.read_text().count('text="uk"') == 1


# ── discovery ────────────────────────────────────────────────────────────────────────────────────


def page(*links, head=""):
    return f"<!doctype html><html><head>{head}{''.join(links)}</head><body><p>Hello</p></body></html>".encode()


def link(href, title="", kind="application/rss+xml", rel="alternate"):
    return f"<link rel='{rel}' type='{kind}' title='{title}' href='{href}'>"


URL = "https://gazette.example/news/"
DECLARED = [
    ("RSS, Atom and JSON", (link("/a"), link("b", kind="application/atom+xml"), link("c", kind="application/feed+json; charset=utf-8")), ["https://gazette.example/a", URL + "b", URL + "c"]),
    ("comments last", (link("/c", "Comments"), link("/a")), ["https://gazette.example/a", "https://gazette.example/c"]),
    ("each once", (link("/a"), link("/a")), ["https://gazette.example/a"]),
    ("no other alternates", (link("/de", kind="text/html"), link("/s.css", kind="text/css", rel="stylesheet"), link("/api", kind="application/json")), []),
    ("no other schemes", (link("javascript:alert(1)"), link("file:///etc/passwd"), link("feed:https://x.example/f")), ["https://x.example/f"]),
    ("XML by its plain types", (link("/a", kind="text/xml"), link("/b", kind="application/xml; charset=utf-8"), link("/o", kind="text/xml+oembed")), ["https://gazette.example/a", "https://gazette.example/b"]),
    ("feeds by relation", (link("/a", rel="feed", kind=""), link("/b", rel="FEED alternate"), link("/c", rel="feed", kind="text/html")), ["https://gazette.example/a", "https://gazette.example/b"]),
    ("a base that stands behind", (link("a"), "<base href='https://x.example/y/'>", "<base href='https://z.example/'>"), ["https://x.example/y/a"]),
    ("fragments are no other feeds", (link("/a#x"), link("/a"), link("/a#y")), ["https://gazette.example/a"]),
    ("the scheme of old readers", (link("feed://x.example/f"),), ["http://x.example/f"]),
    ("links in the text where none is declared", ("<a href='/rss.xml'>RSS</a><a href='/feedback'>Write</a><a href='/news/feed/'>x</a>",), ["https://gazette.example/rss.xml", "https://gazette.example/news/feed/"]),
]  # fmt: skip


@pytest.mark.parametrize(("links", "expected"), [case[1:] for case in DECLARED], ids=[case[0] for case in DECLARED])
def test_a_page_names_its_feeds(links, expected):
    assert [place.url for place in places_on(page(*links), url=URL)] == expected


def test_a_base_counts_and_common_places_are_the_sites():
    assert places_on(page(link("a"), head="<base href='https://x.example/y/'>"), url=URL)[0].url == "https://x.example/y/a"
    assert common_places(URL)[0].url == "https://gazette.example/feed/"


def test_find_asks_what_the_page_names_and_says_what_is_there(desk):
    desk.web.page("/site").says(200, page(link("/gazette", "All"), link("/dead", "Old")), headers=HTML)
    good, dead = desk.lines("feeds", "find", desk.web.url("/site"), "--json")
    assert (good["url"], good["how"], good["title"], good["entries"]) == (desk.web.url("/gazette"), "page", "Gazette", 1)
    assert (dead["title"], dead["entries"]) == ("Old", 0) and "404" in dead["error"]
    assert "does not work" in desk.does("feeds", "find", desk.web.url("/site")).stdout


def test_find_is_not_misled_by_a_page_that_mentions_feeds(desk):
    script = "<script>var t = \"<rss version='2.0'>\"</script>"
    desk.web.page("/site").says(200, page(link("/gazette"), head=script), headers=HTML)
    (found,) = desk.lines("feeds", "find", desk.web.url("/site"), "--json")
    assert (found["url"], found["how"], found["entries"]) == (desk.web.url("/gazette"), "page", 1)


def test_find_goes_on_where_the_first_declared_feeds_are_dead(desk):
    dead = [link(f"/dead/{number}") for number in range(6)]
    desk.web.page("/site").says(200, page(*dead, link("/gazette"), link("/never")), headers=HTML)
    found = desk.lines("feeds", "find", desk.web.url("/site"), "--json")
    assert [one["error"] is None for one in found] == [False] * 6 + [True]


def test_find_understands_the_scheme_of_old_readers(desk):
    (found,) = desk.lines("feeds", "find", f"feed:{desk.web.url('/gazette')}", "--json")
    assert (found["url"], found["how"]) == (desk.web.url("/gazette"), "itself")


def test_find_tries_the_usual_places_until_one_works_and_no_more(desk):
    desk.web.page("/site").says(200, page(), headers=HTML)
    desk.web.page("/rss.xml").says(200, page(), headers=HTML)
    desk.web.page("/feed.xml").says(200, json_feed(BILL))
    (found,) = desk.lines("feeds", "find", desk.web.url("/site"), "--json")
    assert (found["url"], found["how"]) == (desk.web.url("/feed.xml"), "guess")
    assert [request.path for request in desk.web.requests] == ["/site", "/feed/", "/rss.xml", "/feed.xml"]


def test_find_on_a_feed_says_that_it_is_one(desk):
    (found,) = desk.lines("feeds", "find", desk.web.url("/gazette"), "--json")
    assert (found["how"], found["entries"], len(desk.web.requests)) == ("itself", 1, 1)


NOTHING_FOUND = {"a page without any": (200, page()), "no page": (404, b"")}


@pytest.mark.parametrize(("status", "body"), NOTHING_FOUND.values(), ids=NOTHING_FOUND)
def test_find_says_in_words_that_there_is_nothing(desk, status, body):
    desk.web.page("/site").says(status, body, headers=HTML)
    done = desk.does("feeds", "find", desk.web.url("/site"))
    assert done.exit_code == 1 and done.stderr and "Traceback" not in done.stderr


def test_s9_a_page_cannot_send_find_to_an_internal_host(desk):
    with FakeWeb("127.0.0.2") as internal:
        desk.web.page("/site").says(200, page(link(internal.url("/rss"))), headers=HTML)
        desk.does("feeds", "find", desk.web.url("/site"))
        assert internal.accepts == 0


# ── health ───────────────────────────────────────────────────────────────────────────────────────

LONDON = ZoneInfo("Europe/London")


def row(name, state="ok", **more):
    return {
        "name": name, "url": "", "state": state, "last_checked_at": ago(minutes=3), "next_check_at": NOW + timedelta(minutes=27),
        "last_changed_at": ago(hours=5), "failures": 0, "failing_since": None, "last_error": None, "entries": 1204, "possible_gaps": 0, "held_until": None, **more,
    }  # fmt: skip


ROWS = [
    row("bbc-world"),
    row("a-feed-with-a-name-that-is-much-longer-than-anybody-wants", "quarantined"),
    row("herald", "failing", failures=5, failing_since=ago(days=2), last_error="herald.example is behind Cloudflare, which wants a browser to prove itself (403)"),
    row("new", "new", last_checked_at=None, last_changed_at=None, next_check_at=NOW, entries=0),
    row("quick", possible_gaps=2),
]  # fmt: skip
LONG = ROWS[1]["name"]
ODD = {LONG: (Oddity(kind=OddityKind.QUARANTINE, since_at=NOW, count=34),)}


@pytest.fixture
def terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(columns, rows=ROWS, odd=ODD):
        made = Terminal()
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        show_feeds.print_feeds(rows, odd, zone=LONDON, now=NOW)
        return re.sub(r"\x1b\[\d*m", "", made.getvalue()).splitlines()

    return shown


@pytest.mark.parametrize("columns", [64, 80, 100])
def test_on_a_terminal_the_feeds_in_trouble_stand_first_with_the_reason_below_and_nothing_is_too_wide(terminal, columns):
    lines = [line.rstrip() for line in terminal(columns)]
    assert max(map(len, lines)) <= columns
    names = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert [name[:5] for name in names] == ["feed", "heral", LONG[:5], "new", "bbc-w", "quick", "5"]
    said = " ".join(" ".join(lines).split())
    assert "Cloudflare, which wants a browser to prove itself (403) (5 checks in a row, since 16 Aug 13:00 BST)" in said
    assert "34 items suddenly look new" in said and "missed 2 times" in said
    assert lines[-1] == "5 feeds: 2 ok, 1 new, 1 quarantined, 1 failing"


def test_a_line_tells_when(terminal):
    line = next(line for line in terminal(100) if line.startswith("bbc-world"))
    assert line.split(maxsplit=1)[1].split() == "ok 3 min ago in 27 min 5 h ago 1,204".split()


def test_in_a_pipe_a_feed_is_a_line(capsys):
    show_feeds.print_feeds(ROWS, ODD, zone=LONDON, now=NOW)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [len(line) for line in lines] == [6] * 5
    assert lines[0] == ["bbc-world", "ok", "18 Aug 12:57", "18 Aug 13:27", "1204", "–"]
    assert lines[2][5].startswith("herald.example is behind Cloudflare")


WHY = {
    "blocked by Cloudflare": ({"status": 403, "body": b"<html>", "headers": {"cf-mitigated": "challenge"}}, "behind Cloudflare"),
    "a page instead of a feed": ({"body": page()}, "an HTML page instead of a feed"),
    "a picture": ({"body": b"\x89PNG\r\n\x1a\n"}, "an image (PNG) instead of a feed"),
    "an empty document": ({"body": b" \n"}, "a document of nothing but white space instead of a feed"),
    "not there": ({"status": 404}, "has no such page (404)"),
    "a password": ({"status": 401}, "401"),
    "trouble of its own": ({"status": 502}, "has trouble of its own (502"),
}


@pytest.mark.parametrize(("answer", "words"), WHY.values(), ids=WHY)
def test_why_a_feed_fails_is_said_in_words(desk, answer, words):
    desk.web.forget("/gazette")
    desk.web.page("/gazette").says(answer.get("status", 200), answer.get("body", b"x"), headers=answer.get("headers"))
    desk.does("poll")
    assert words in desk.does("feeds").stdout


# ── release ──────────────────────────────────────────────────────────────────────────────────────


def old(first, count):
    titles = [f"{word} at the harbour, day {number}" for number, word in enumerate(WORDS[first : first + count])]
    return rss(*titles, hours=200)


WORDS = [a + b for a in ("Gale", "Fire", "Strike", "Auction", "Regatta", "Eclipse", "Parade", "Concert") for b in ("", " warning", " inquiry", " talks", " record", " film", " museum", " jubilee")]


def test_a_feed_is_let_out_of_quarantine_by_a_command(desk):
    desk.web.forget("/gazette")
    desk.feed("gazette", old(0, 30))
    desk.does("poll", "--all")
    desk.web.forget("/gazette")
    desk.feed("gazette", old(30, 30))
    desk.does("poll", "--all")
    (feed,) = desk.lines("feeds", "--json")
    assert (feed["state"], feed["oddities"][0]["kind"], desk.lines("alerts", "--json")) == ("quarantined", "quarantine", [])
    assert "30 items of gazette" in desk.does("feeds", "release", "gazette").stdout
    told = desk.does("poll", "--all").stderr
    alerts = len(desk.lines("alerts", "--json"))
    assert alerts == len(desk.lines("stories", "--json")) - 30 > 20 and f"{alerts} alerts" in told
    assert desk.lines("feeds", "--json")[0]["state"] == "ok"


def test_a_feed_that_is_in_no_quarantine_cannot_be_let_out(desk):
    desk.does("poll")
    assert desk.does("feeds", "release", "gazette").exit_code == 1
    assert desk.does("feeds", "release", "nobody").exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_configuration_that_may_not_be_written_is_told(desk):
    path = desk.folder / "mine.opml"
    path.write_text(OPML.format(version="2.0", encoding="utf-8"))
    desk.folder.chmod(0o500)
    done = desk.does("feeds", "import", str(path))
    desk.folder.chmod(0o700)
    assert done.exit_code == 1 and "--dry-run" in done.stderr
