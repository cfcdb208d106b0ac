"""Hostile text from a feed, through the real line to what each kind of channel is given, and to the log.

One poll carries three hostile stories to every kind of channel; each test asks one question of what arrived.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from tests.desk import Desk, json_feed
from tests.edges.send.servers import Homeserver, SlackApi
from tests.fakes import FakeHttp, FakeSlack, FakeSmtp
from tests.fakeweb import FakeWeb

CALLS = "Harbour <!channel> <!here> <!everyone> <@U1> <!subteam^S1> <#C1> @channel @room @everyone @reader:hs.example"
MARKUP = (
    'Quay <script>alert(1)</script> <img src=http://t.example/x.png> <a href="javascript:alert(1)">x</a> </blockquote> '
    "[https://bank.example](https://evil.example) <https://evil.example|https://bank.example>"
)
HEADERS = (
    "Harbour dredged\r\nBcc: victim@example.org\r\n\r\n2026-01-01 ERROR fake \x00\x1b[31m\x1b]52;c;aGFjaw==\x07"
    f"\u202ee\u2066\u200b\U000e0041z{chr(0x301) * 200} {{{{7*7}}}} %s ${{x}} {{0.__class__}} :fire: \\n a?b"
)
TEMPLATES = "{{7*7}} %s ${x} {0.__class__}"
EVIL_URL = "https://evil.example/a|https://bank.example> <!here> \"'b"
ALLOWED = {"html", "head", "meta", "style", "body", "div", "p", "strong", "span", "a", "br", "ul", "li"}
NEVER = "\x00\x1b\x07\u202e\u2066\U000e0041"


def hostile_feed() -> bytes:
    """Three stories, hostile in title, text, author and address."""
    feed = json.loads(json_feed(CALLS, MARKUP, HEADERS))
    feed["title"] = CALLS
    for item, text in zip(feed["items"], (CALLS, MARKUP, HEADERS), strict=True):
        item |= {
            "content_text": f"{text} Harbour and quay.",
            "summary": text,
            "authors": [{"name": text}],
            "url": EVIL_URL + item["id"][:4],
        }
    return json.dumps(feed).encode()


@pytest.fixture(scope="module")
def arrived(tmp_path_factory):
    """What every kind of channel was given; `console` is what `poll` printed, `log` what it logged."""
    fakes = [fake() for fake in (FakeSlack, SlackApi, Homeserver, FakeSmtp, FakeHttp, FakeHttp, FakeHttp)]
    with FakeWeb() as web:
        for fake in fakes:
            fake.__enter__()
        hook, bot, matrix, mail, chat, sink, grumpy = fakes
        grumpy.fails_with(400, (HEADERS + "x" * 10**6).replace("\x00", ""), times=9)
        desk = Desk(tmp_path_factory.mktemp("hostile"), web)
        desk.channels = {
            "hook": hook.url,
            "bot": bot.bot_url,
            "room": matrix.url,
            "mail": mail.url_of("desk@example.org"),
            "chat": f"mmost://127.0.0.1:{chat.port}/3ccdd113474722377935511fc85d3dd4",
            "sink": sink.url,
            "screen": "console://",
            "grumpy": grumpy.url,
        }
        desk.feed("gazette", hostile_feed())
        done = desk.does("poll")
        for fake in fakes:
            fake.__exit__()
    assert done.exit_code == 0, done.stderr
    found = SimpleNamespace(
        slack=hook.messages + bot.messages,
        slack_called=hook.called + bot.called,
        slack_links=hook.links + bot.links,
        matrix=matrix.messages(),
        mails=[email.message_from_bytes(one.data, policy=email.policy.default) for one in mail.mails],
        raw_mails=[one.data for one in mail.mails],
        mailed_to={one.recipient for one in mail.mails},
        chat=[one.json["text"] for one in chat.requests],
        sink=[one.json for one in sink.requests],
        console=done.stdout,
        log=done.stderr,
    )
    counts = [len(one) for one in (found.slack, found.matrix, found.mails, found.chat, found.sink)]
    assert counts == [6, 3, 3, 3, 3]
    return found


class Tags(HTMLParser):
    """The tags, attributes and text of a piece of HTML."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.links, self.attributes = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value for name, value in attrs if name in ("href", "src")}


def html_of(arrived) -> list[str]:
    """Every piece of HTML that was sent anywhere."""
    mails = [mail.get_body(("html",)).get_content() for mail in arrived.mails]
    return mails + [event["formatted_body"] for event in arrived.matrix]


def texts(value: object) -> list[str]:
    """All strings of some JSON."""
    if isinstance(value, str):
        return [value]
    return [
        text
        for part in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        for text in texts(part)
    ]


def everything(arrived) -> str:
    """All that any channel was given, as people or programs read it."""
    parts = [*texts([arrived.slack, arrived.matrix, arrived.chat, arrived.sink]), arrived.console]
    return "\n".join(
        [
            *parts,
            *(f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}" for mail in arrived.mails),
            *html_of(arrived),
        ]
    )


def test_I1_slack_calls_nobody_and_shows_what_was_written(arrived):
    assert arrived.slack_called == []
    raw = json.dumps(arrived.slack)
    assert "&lt;!channel&gt;" in raw and "&lt;@U1&gt;" in raw and "&lt;#C1&gt;" in raw
    assert not re.search(r"<[!@#]", raw)


def test_I1_a_chat_service_behind_apprise_calls_nobody(arrived):
    assert not any(re.search(r"(?<!\w)@(channel|everyone|room)\b|<[!@#]", text) for text in arrived.chat)


def test_I3_slacks_links_lead_to_the_story_in_our_words_and_cannot_be_closed(arrived):
    assert arrived.slack_links
    for url, words in arrived.slack_links:
        assert url.startswith("https://evil.example/a%7Chttps://bank.example%3E%20%3C!here%3E%20%22%27b")
        assert "://" not in words


def test_I4_slack_parses_links_and_unfurls_nothing(arrived):
    for message in arrived.slack:
        assert "link_names" not in message
        assert (message["parse"], message["unfurl_links"], message["unfurl_media"]) == ("none", False, False)


def test_I5_matrix_mentions_nobody_and_its_html_holds_only_our_tags(arrived):
    assert all(event["m.mentions"] == {} for event in arrived.matrix)
    for event in arrived.matrix:
        found = Tags(event["formatted_body"])
        assert found.tags <= ALLOWED and found.attributes <= {"href", "data-mx-color", "data-mx-bg-color"}
        assert all(link.startswith("https://evil.example/") for link in found.links)


def test_I5_a_mails_html_holds_only_our_tags_and_loads_nothing(arrived):
    for text in html_of(arrived):
        found = Tags(text)
        assert (
            found.tags <= ALLOWED
            and "src" not in found.attributes
            and not any(a.startswith("on") for a in found.attributes)
        )
        assert all(link.startswith("https://evil.example/") for link in found.links)


def test_I6_no_matrix_event_comes_near_the_limit(arrived):
    assert all(len(json.dumps(event, ensure_ascii=False).encode()) < 32 * 1024 for event in arrived.matrix)


def test_I7_a_line_break_in_a_headline_makes_no_header_and_no_recipient(arrived):
    assert arrived.mailed_to == {"desk@example.org"}
    assert all(mail["Bcc"] is None and len(mail.get_all("Subject")) == 1 for mail in arrived.mails)
    assert any("Bcc: victim@example.org" in mail["Subject"] for mail in arrived.mails), "as words, on the one line"


def test_I8_subjects_are_clean_short_and_folded(arrived):
    for mail, raw in zip(arrived.mails, arrived.raw_mails, strict=True):
        assert len(mail["Subject"]) <= 200 and not any(char in mail["Subject"] for char in NEVER + "\r\n")
        assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78 and raw.isascii()


def test_I10_markdown_that_pretends_to_lead_elsewhere_is_no_link(arrived):
    assert not any("](" in text for text in arrived.chat)
    for text in html_of(arrived):
        assert "bank.example" not in "".join(re.findall(r"<a [^>]*>([^<]*)</a>", text))


def test_I11_no_channel_gets_characters_that_turn_or_hide_text(arrived):
    told = everything(arrived)
    assert not [hex(ord(char)) for char in NEVER + "\u2067\u202a\u200e" if char in told]
    assert not re.search("[\u0300-\u036f]{5}", told)


def test_I13_a_hostile_feed_writes_one_json_line_a_fact_and_nothing_long(arrived):
    *facts, summary = arrived.log.split("\n")[:-1]
    facts = [json.loads(line) for line in facts]
    assert summary.startswith("1 feed checked")
    assert any("2026-01-01 ERROR fake" in fact.get("error", "") for fact in facts), (
        "the hostile answer is told, as a value"
    )
    assert not any(char in arrived.log for char in NEVER)
    assert all(len(text) <= 500 for text in texts(facts))


def test_I14_the_screen_gets_no_control_characters(arrived):
    assert "Harbour" in arrived.console
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", arrived.console)


def test_I15_templates_stay_letters_everywhere(arrived):
    for told in (arrived.slack, arrived.matrix, arrived.chat, arrived.sink):
        assert any(TEMPLATES in text for text in texts(told))
    assert TEMPLATES in arrived.console and any(TEMPLATES in text for text in html_of(arrived))


def test_I16_apprise_turns_neither_escapes_nor_emoji_names_nor_question_marks(arrived):
    for told in (arrived.chat, texts(arrived.sink)):
        assert any(":fire: \\n a?b" in text for text in told)


@pytest.mark.parametrize(
    "words", ['harbour"', "NEAR(harbour", "harbour*", "'; DROP TABLE stories; --", "100%", "a_b", "a\\b"]
)
def test_I18_what_databases_understand_is_only_text_in_terms_titles_and_searches(tmp_path, web, words):
    desk = Desk(tmp_path, web)
    term = json.dumps(words.rstrip("*"))
    desk.watchlist(
        "odd", f'title = "Odd"\nthreshold = 1\n[[term]]\nname = "odd"\nany = [{term}, "harbour"]\nweight = 2\n'
    )
    desk.feed("gazette", json_feed(f"The harbour {words} today", "Another harbour story of the coast"))
    assert desk.does("poll").exit_code == 0
    assert [story["title"] for story in desk.lines("stories", "--search", words, "--json")] == [
        f"The harbour {words} today"
    ]
    assert len(desk.lines("alerts", "--json")) >= 2
