"""What the parsers make of feeds, good and bad: hostile cases of group X, each by its id.

    X1 X2 X3 X6 X8 X9 X10 X12 X13 X14 X15   here; X2 and X15 again with a server that must not be asked
    X3 X12                                  tests/edges/test_child.py, for parsers that do not come to an end
    X5                                      tests/test_feed_semantics.py, whole
    X6                                      tests/edges/test_fetch.py has the body that is too large
    X4 X7 X11                               the list has none of these numbers
"""

import gzip
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.feed_dates import asked_interval, parse_date
from monitor.core.normalise import normalise
from monitor.core.parse import looks_like_feed, parse_fast, parse_feed, parse_slow, what_instead
from monitor.core.plain import plain_text
from monitor.core.repair import mended
from monitor.errors import ParseError
from monitor.model import Feed
from tests.fakeweb import FakeWeb

URL = "https://harbour.test/feeds/all.xml"


def rss(
    items: str, *, channel: str = "<title>Harbour Gazette</title>", before: str = "", encoding: str = "utf-8"
) -> bytes:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{before}'
    text += f'<rss version="2.0"><channel>{channel}{items}</channel></rss>'
    return text.encode("utf-8" if encoding in ("utf-7", "x-unknown") else encoding)


def item(inner: str = "", *, title: str = "Strike ends") -> str:
    return f"<item><title>{title}</title>{inner}</item>"


def atom(inner: str, *, feed: str = "") -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom"{feed}><title>F</title><entry>{inner}</entry></feed>'.encode()


def only(body: bytes, **options):
    (entry,) = parse_feed(body, url=URL, **options).entries
    return entry


# ── what a feed says ─────────────────────────────────────────────────────────────────────────────


def test_an_rss_item_is_read_whole():
    body = rss(
        '<item xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:c="http://purl.org/rss/1.0/modules/content/">'
        "<title>Strike ends</title><link>https://harbour.test/1</link><guid isPermaLink='false'>g1</guid>"
        "<description>&lt;p>Short&lt;/p></description><c:encoded><![CDATA[<p>Long</p>]]></c:encoded>"
        "<dc:creator>Ada Quill</dc:creator><pubDate>Thu, 16 May 2024 10:00:00 +0100</pubDate></item>",
        channel="<title>Harbour Gazette</title><link>https://harbour.test/</link><language>en-gb</language><ttl>15</ttl>",
    )

    feed = parse_feed(body, url=URL)

    assert (feed.parser, feed.title, feed.link, feed.language) == (
        "lxml",
        "Harbour Gazette",
        "https://harbour.test/",
        "en-gb",
    )
    assert (feed.ttl, feed.truncated) == (timedelta(minutes=15), 0)
    (entry,) = feed.entries
    assert (entry.guid, entry.link, entry.title) == ("g1", "https://harbour.test/1", "Strike ends")
    assert (entry.summary, entry.body, entry.author) == ("<p>Short</p>", "<p>Long</p>", "Ada Quill")
    assert entry.published_at == datetime(2024, 5, 16, 9, tzinfo=UTC)
    assert not (entry.title_is_text or entry.summary_is_text or entry.body_is_text)


def test_an_atom_entry_is_read_whole():
    entry = only(
        atom(
            "<id>tag:1</id><title type='text'>1 &lt; 2</title><link rel='self' href='/self'/><link href='/1'/>"
            "<summary>Plain</summary><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a<b>b</b></div></content>"
            "<author><name>Ada Quill</name></author><author><name>Tom Low</name></author>"
            "<published>2024-05-16T10:00:00Z</published><updated>2024-05-17T10:00:00Z</updated>",
            feed=' xml:lang="fr"',
        )
    )

    assert (entry.guid, entry.link, entry.author) == ("tag:1", "https://harbour.test/1", "Ada Quill, Tom Low")
    assert (entry.title, entry.title_is_text) == ("1 < 2", True)
    assert (entry.summary, entry.summary_is_text) == ("Plain", True)
    assert plain_text(entry.body, is_text=entry.body_is_text) == "ab"
    assert (entry.published_at.day, entry.updated_at.day) == (16, 17)


def test_a_json_feed_is_read_whole():
    feed = parse_feed(
        b'{"version": "https://jsonfeed.org/version/1.1", "title": "F", "language": "en",'
        b'"items": [{"id": 7, "url": "/7",'
        b' "title": "T", "content_text": "1 < 2", "summary": "S", "authors": [{"name": "Ada"}, {"name": "Tom"}],'
        b' "date_published": "2024-05-16T10:00:00+02:00"}, {"id": "8", "content_html": "<p>x</p>"}]}',
        url=URL,
    )

    first, second = feed.entries
    assert (feed.parser, feed.title, feed.language) == ("json", "F", "en")
    assert (first.guid, first.link, first.author) == ("7", "https://harbour.test/7", "Ada, Tom")
    assert (first.body, first.body_is_text, first.published_at.hour) == ("1 < 2", True, 8)
    assert (second.body, second.body_is_text) == ("<p>x</p>", False)


JSON = '{"version": "https://jsonfeed.org/version/1.1", "title": "F", "items": [{"id": 1, "title": "Strike ends"}]}'
JSON_IN = {
    "UTF-8 with a byte order mark": b"\xef\xbb\xbf" + JSON.encode(),
    "UTF-16": JSON.encode("utf-16"),
    "UTF-16, the other way round": b"\xfe\xff" + JSON.encode("utf-16-be"),
    "a server's notice and it": b"<br />\n<b>Notice</b>: x {y} in <b>z.php</b> on line <b>3</b><br />\n" + JSON.encode() + b"\n",
}


@pytest.mark.parametrize("body", JSON_IN.values(), ids=JSON_IN)
def test_a_json_feed_is_known_in(body):
    assert looks_like_feed(body)
    assert only(body).title == "Strike ends"


AUTHORS = {
    "a list, 1.1": ('"authors": [{"name": "Ada"}, {"name": "Tom"}], "author": {"name": "No"}', "Ada, Tom"),
    "one, 1.0": ('"author": {"name": "Ada"}', "Ada"),
    "an empty list beside one": ('"authors": [], "author": {"name": "Ada"}', "Ada"),
    "a list of nobody beside one": ('"authors": [{"url": "x"}, 7], "author": {"name": "Ada"}', "Ada"),
}


@pytest.mark.parametrize("broken", [b"", b"<broken>"], ids=["well-formed", "broken"])
def test_an_item_names_the_outlet_it_is_from(broken):
    body = b"<rss version='2.0'><channel><title>News</title><item><title>Rain - Iran Daily</title><guid>1</guid>"
    body += b"<source url='https://iran.example'>Iran Daily</source></item>" + broken + b"</channel></rss>"
    assert only(body).outlet == "Iran Daily"


@pytest.mark.parametrize(("inner", "author"), AUTHORS.values(), ids=AUTHORS)
def test_json_names_its_authors_by(inner, author):
    assert only(f'{{"items": [{{"title": "t", {inner}}}]}}'.encode()).author == author


IDS = {"7": "7", "7.0": "7", "1.5": "1.5", "1e3": "1000", "1e400": None, "NaN": None, "9" * 400: None, "true": None}


@pytest.mark.parametrize(("written", "guid"), IDS.items(), ids=[written[:5] for written in IDS])
def test_an_id_in_json_may_be_a_number(written, guid):
    assert only(f'{{"items": [{{"title": "t", "id": {written}}}]}}'.encode()).guid == guid


LINKS = {
    "RSS's own link before Atom's": "<link>https://a.test/1</link>"
    "<l:link xmlns:l='http://www.w3.org/2005/Atom' href='/2'/>",
    "the first of several links": "<link>https://a.test/1</link><link>https://a.test/2</link>",
    "an empty link gives way": "<link/><a:link xmlns:a='http://www.w3.org/2005/Atom' href='https://a.test/1'/>",
    "not Atom's self": "<a:link xmlns:a='http://www.w3.org/2005/Atom' rel='self' href='/no'/><link>https://a.test/1</link>",
    "the address before FeedBurner": "<link>https://fb.test/r</link>"
    "<f:origLink xmlns:f='http://rssnamespace.org/feedburner/ext/1.0'>https://a.test/1</f:origLink>",
    "a permanent guid where there is no link": "<guid>https://a.test/1</guid>",
    "a link in CDATA": "<link> <![CDATA[https://a.test/1]]>\n</link>",
    "a page before anything else": "<link xmlns='http://www.w3.org/2005/Atom' href='/1.json' type='application/json'/>"
    "<link xmlns='http://www.w3.org/2005/Atom' href='https://a.test/1' type='application/xhtml+xml'/>",
    "what is no page where there is no page": "<link xmlns='http://www.w3.org/2005/Atom' href='https://a.test/1' type='application/pdf'/>",
    "a relation in full": "<a:link xmlns:a='http://www.w3.org/2005/Atom' href='https://a.test/1'"
    " rel='http://www.iana.org/assignments/relation/alternate'/>",
    "a relation in capitals": "<a:link xmlns:a='http://www.w3.org/2005/Atom' rel=' Alternate ' href='https://a.test/1'/>",
    "Atom's id where there is no link": "<id xmlns='http://www.w3.org/2005/Atom'>https://a.test/1</id>",
}


@pytest.mark.parametrize("inner", LINKS.values(), ids=LINKS)
def test_the_link_is_where_the_story_is(inner):
    assert only(rss(item(inner))).link == "https://a.test/1"


def test_the_link_is_what_identifies_an_item_where_that_is_an_address():
    rdf = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
    rdf += b'<item rdf:about="https://a.test/1"><title>t</title></item></rdf:RDF>'
    json = b'{"items": [{"id": "https://a.test/1", "title": "t"}, {"id": "1", "title": "t"}]}'

    assert only(rdf).link == "https://a.test/1"
    assert [entry.link for entry in parse_feed(json, url=URL).entries] == ["https://a.test/1", None]
    assert only(rss(item("<guid>/story/1</guid>"))).link == "https://harbour.test/story/1"


NO_LINKS = {
    "a guid that is no permalink": "<guid isPermaLink='false'>https://a.test/1</guid>",
    "a guid that is no permalink, in odd letters": "<guid isPermaLink=' False '>https://a.test/1</guid>",
    "a guid that is no address": "<guid>17</guid>",
    "only a picture": "<enclosure url='https://a.test/1.jpg' type='image/jpeg' length='1'/>",
}


@pytest.mark.parametrize("inner", NO_LINKS.values(), ids=NO_LINKS)
def test_no_link_is_invented(inner):
    assert only(rss(item(inner))).link is None


BASES = {
    "the fetched address": ("", "https://harbour.test/feeds/1"),
    "xml:base on the web": (' xml:base="https://other.test/x/"', "https://other.test/x/1"),
    "never xml:base of another kind": (' xml:base="javascript:alert(1)//"', "https://harbour.test/feeds/1"),
    "never xml:base in the file system": (' xml:base="file:///etc/"', "https://harbour.test/feeds/1"),
}


@pytest.mark.parametrize(("base", "expected"), BASES.values(), ids=BASES)
def test_x15_relative_links_are_resolved_against(base, expected):
    assert only(atom("<id>1</id><title>t</title><link href='1'/>", feed=base)).link == expected


def test_x14_the_title_is_the_items_own_and_not_its_photographs():
    media = 'xmlns:media="http://search.yahoo.com/mrss/"'
    photo = "<media:title>Photo</media:title><media:description>Caption</media:description>"
    body = rss(f"<item {media}><media:group>{photo}</media:group><title>Own</title>{photo}</item>")
    broken = body.replace(b"<title>Own", b"<odd:x>1</odd:x><title>Own")  # not well-formed: the prefix is undeclared

    for document, parser in ((body, "lxml"), (broken, "feedparser")):
        feed = parse_feed(document, url=URL)
        assert (feed.parser, feed.entries[0].title, feed.entries[0].summary, feed.entries[0].body) == (
            parser,
            "Own",
            "",
            "",
        )


def test_x14_namespaces_count_and_not_prefixes():
    body = b'<x:rss xmlns:x="http://backend.userland.com/rss2" xmlns:title="urn:other"><x:channel><x:item>'
    body += b"<title:title>No</title:title><x:title>Yes</x:title></x:item></x:channel></x:rss>"

    assert only(body).title == "Yes"


FIELDS = (
    "<title>Strike ends</title><link>https://a.test/1</link><guid isPermaLink='false'>g1</guid><description>Short</description>"
    "<author>desk@a.test (Ada)</author><pubDate>Thu, 16 May 2024 10:00:00 GMT</pubDate>"
)
IN_RSS = f"<rss version='2.0'{{}}><channel><title>F</title><item>{FIELDS}</item></channel></rss>"
SLIPS = {
    "Atom": IN_RSS.format(" xmlns='http://www.w3.org/2005/Atom'"),
    "Atom, of the channel": IN_RSS.format("").replace("<channel>", "<channel xmlns='http://www.w3.org/2005/Atom'>"),
    "Dublin Core": IN_RSS.format(" xmlns='http://purl.org/dc/elements/1.1/'"),
    "Media RSS": IN_RSS.format(" xmlns='http://search.yahoo.com/mrss/' xmlns:media='http://search.yahoo.com/mrss/'").replace(
        "<item>", "<item><media:title>Photo</media:title>"
    ),
    "XHTML": IN_RSS.format(" xmlns='http://www.w3.org/1999/xhtml'"),
    "a secure RSS 0.90": IN_RSS.format(" xmlns='https://my.netscape.com/rdf/simple/0.9'"),
    "none, of Atom": "<feed><title>F</title><entry><title>Strike ends</title><link href='https://a.test/1'/><id>g1</id>"
    "<content type='text'>Short</content><author><name>Ada</name></author><published>2024-05-16T10:00:00Z</published></entry></feed>",
    "a secure Atom": "<feed xmlns='https://www.w3.org/2005/Atom/'><title>F</title><entry><title>Strike ends</title>"
    "<link href='https://a.test/1'/><id>g1</id><summary>Short</summary><author><name>Ada</name></author>"
    "<published>2024-05-16T10:00:00Z</published></entry></feed>",
    "secure modules": "<rss version='2.0' xmlns:d='https://purl.org/dc/elements/1.1' xmlns:c='https://purl.org/rss/1.0/modules/content'>"
    "<channel><title>F</title><item><title>Strike ends</title><link>https://a.test/1</link><guid isPermaLink='false'>g1</guid>"
    "<c:encoded>Short</c:encoded><d:creator>Ada</d:creator><d:date>2024-05-16T10:00:00Z</d:date></item></channel></rss>",
}


@pytest.mark.parametrize("document", SLIPS.values(), ids=SLIPS)
def test_a_wrong_namespace_loses_nothing(document):
    feed = parse_fast(document.encode(), url=URL)
    (entry,) = feed.entries
    assert (feed.title, entry.title, entry.link, entry.guid) == ("F", "Strike ends", "https://a.test/1", "g1")
    assert (entry.summary or entry.body, entry.author) == ("Short", "Ada")
    assert entry.published_at == datetime(2024, 5, 16, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", ["pubdate", "date", "published", "updated"])
def test_dates_by_the_names_of_other_formats_are_read(name):
    entry = parse_fast(rss(item(f"<{name}>2024-05-16T10:00:00Z</{name}>")), url=URL).entries[0]
    assert (entry.published_at or entry.updated_at) == datetime(2024, 5, 16, 10, tzinfo=UTC)


def test_a_text_in_base64_is_decoded():
    body = b'<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><title>t</title>'
    body += b'<content type="text/html" mode="base64">PGI+U2hvcnQ8L2I+</content></entry></feed>'
    assert only(body).body == "<b>Short</b>"


# ── encodings ────────────────────────────────────────────────────────────────────────────────────

RUSSIAN = "Забастовка закончилась"
ENCODINGS = {
    "UTF-8 that says nothing": (rss(item(title=RUSSIAN)), None, RUSSIAN),
    "Windows-1251 as declared": (rss(item(title=RUSSIAN), encoding="windows-1251"), None, RUSSIAN),
    "UTF-16 with a byte order mark": (rss(item(title=RUSSIAN), encoding="utf-16"), None, RUSSIAN),
    "UTF-8 declared as Latin-1": (rss(item(title=RUSSIAN)).replace(b"utf-8", b"iso-8859-1"), None, RUSSIAN),
    "an encoding that only the header names": (
        rss(item(title=RUSSIAN), encoding="windows-1251").replace(b' encoding="windows-1251"', b""),
        "text/xml; charset=windows-1251",
        RUSSIAN,
    ),
    "a server's default against the declaration": (
        rss(item(title=RUSSIAN), encoding="windows-1251"),
        "text/xml; charset=ISO-8859-1",
        RUSSIAN,
    ),
    "the header against the declaration": (
        rss(item(title=RUSSIAN), encoding="koi8-r").replace(b"koi8-r", b"windows-1251"),
        "text/xml; charset=koi8-r",
        RUSSIAN,
    ),
    "an encoding that nobody knows": (rss(item(title="plain"), encoding="x-unknown"), None, "plain"),
    "UTF-7 is never decoded": (rss(item(title="+ADw-b+AD4-"), encoding="utf-7"), None, "+ADw-b+AD4-"),
    "no encoding named, but the language": (
        rss(item(title=RUSSIAN), channel="<language>ru</language>", encoding="windows-1251").replace(
            b"windows-1251", b"utf-8"
        ),
        None,
        RUSSIAN,
    ),
    "UTF-16 without a byte order mark": (rss(item(title=RUSSIAN)).decode().replace("utf-8", "utf-16").encode("utf-16-le"), None, RUSSIAN),
    "EBCDIC": (rss(item(title="plain"), encoding="cp037").replace("cp037".encode("cp037"), "IBM037".encode("cp037")), None, "plain"),
    "one bad byte does not spoil the rest": (
        rss(item(title="cafés, naïve “x” — É")).replace(b"<title>H", b"<title>\xe9H"),
        None,
        "cafés, naïve “x” — É",
    ),
    "Windows-1252 that calls itself UTF-8": (
        rss(item(title="caf\xe9 XX")).replace("é".encode(), b"\xe9"),
        None,
        "café XX",
    ),
}


LABELS = {
    "cp932": ("ストライキ終了①", "Windows-31J x-sjis ms_kanji shift-jis csShiftJIS"),
    "euc_jp": ("ストライキ終了", "x-euc-jp"),
    "gb18030": ("罢工结束镕", "x-gbk gb_2312-80 csgb2312"),
    "big5hkscs": ("罷工結束", "x-x-big5 cn-big5"),
    "cp949": ("파업 똠방", "windows-949 ks_c_5601-1987 ksc_5601 korean"),
    "cp874": ("การประท้วง", "dos-874 windows-874 iso885911"),
    "cp1251": (RUSSIAN, "x-cp1251 cp1251"),
    "cp1252": ("café “x”", "iso88591 x-cp1252 l1"),
    "mac_cyrillic": (RUSSIAN, "x-mac-cyrillic x-mac-ukrainian"),
    "iso8859_8": ("שביתה", "iso-8859-8-i logical visual"),
    "koi8_r": (RUSSIAN, "koi8 koi"),
}


@pytest.mark.parametrize(("codec", "label"), [(codec, label) for codec in LABELS for label in LABELS[codec][1].split()])
def test_x9_an_encoding_goes_by_many_names(codec, label):
    title = LABELS[codec][0]
    body = rss(item(title=title)).decode().replace("utf-8", label).encode(codec)
    assert only(body).title == title
    assert only(body.replace(label.encode(), b"x-unknown"), content_type=f"text/xml; charset={label}").title == title


@pytest.mark.parametrize("label", ["utf8", "UTF_8", "unicode-1-1-utf-8", "utf8mb4", "x-utf-7", "unicode-1-1-utf-7"])
def test_x9_utf_8_is_read_whatever_it_is_called(label):
    assert only(rss(item(title=RUSSIAN + " +ADw-")).replace(b"utf-8", label.encode())).title == RUSSIAN + " +ADw-"


@pytest.mark.parametrize(("body", "content_type", "title"), ENCODINGS.values(), ids=ENCODINGS)
def test_x9_text_is_readable_in(body, content_type, title):
    assert only(body, content_type=content_type).title == title


# ── documents that are broken, hostile or no feeds ───────────────────────────────────────────────

MENDED = {
    "white space before the declaration": (b"\n  " + rss(item()), "Strike ends"),
    "a server's warning before it": (b"<br />\n<b>Warning</b>: x in <b>y.php</b>\n" + rss(item()), "Strike ends"),
    "a whole page before it": (b"<!DOCTYPE html><html><body><b>Warning</b>: x</body></html>\n" + rss(item()), "Strike ends"),
    "a script before it": (b"<script>document.write('<rss>')</script>" + rss(item()), "Strike ends"),
    "a torn page before Atom": (b"<html><p>x" + atom("<title>Strike ends</title>"), "Strike ends"),
    "white space without end before it": (b" \n" * 40_000 + rss(item()), "Strike ends"),
    "white space without end before it, and damage": (b" \n" * 40_000 + rss(item("<x>&y;")), "Strike ends"),
    "an entity of HTML": (rss(item(title="Strike&nbsp;ends&hellip;")), "Strike\xa0ends…"),
    "a bare ampersand": (rss(item(title="Fish & Chips")), "Fish & Chips"),
    "control characters, literal and as references": (rss(item(title="Str\x07ike&#27; ends")), "Strike ends"),
    "an emoji in halves": (rss(item(title="&#55357;&#56832; ends")), "\U0001f600 ends"),
    "an emoji in hexadecimal halves": (rss(item(title="&#xD83D;&#xde00; &#xD83D;&#56832; ends")), "\U0001f600 \U0001f600 ends"),
    "half an emoji": (rss(item(title="Str&#xD800;ike&#55296; &#xDE00;&#xD83D;ends")), "Strike ends"),
    "references beyond Unicode": (rss(item(title="Str&#1114112;ike&#x110000; ends&#99999999999;&#0;")), "Strike ends"),
    "references to no characters": (rss(item(title="Str&#xFFFE;ike&#65535; ends")), "Strike ends"),
    "a torn end": (rss(item() + "<item><title>Half")[:-30], "Strike ends"),
    "a gzipped file": (gzip.compress(rss(item())), "Strike ends"),
}


@pytest.mark.parametrize(("body", "title"), MENDED.values(), ids=MENDED)
def test_a_damaged_feed_is_still_read(body, title):
    assert parse_feed(body, url=URL).entries[0].title == title


def test_entities_of_html_that_are_signs_of_xml_stay_escaped():
    feed = parse_feed(rss(item(title="Fish &AMP; Chips &LT; peas")), url=URL)
    assert (feed.parser, feed.entries[0].title) == ("lxml", "Fish & Chips < peas")


TWO_ITEMS = rss(item() + item(title="Rain falls"))
CUT = {
    "within an item": (TWO_ITEMS[:-60], True),
    "between the last item and the end": (TWO_ITEMS.replace(b"</channel></rss>", b""), True),
    "after the channel": (TWO_ITEMS.replace(b"</rss>", b""), False),
    "a gzipped file": (gzip.compress(TWO_ITEMS, 0)[:-60], True),
    "Atom": (b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>Strike ends</title></entry><entry>', True),
    "damaged, and whole": (TWO_ITEMS.replace(b"Rain", b"Rain & <b>"), False),
    "well-formed": (TWO_ITEMS, False),
}


@pytest.mark.parametrize(("body", "is_cut"), CUT.values(), ids=CUT)
def test_a_document_that_breaks_off_is_known_as_such(body, is_cut):
    feed = parse_feed(body, url=URL)
    assert (feed.entries[0].title, feed.cut_short) == ("Strike ends", is_cut)


def test_a_gzipped_file_may_be_several_in_a_row():
    half = len(TWO_ITEMS) // 2
    body = gzip.compress(TWO_ITEMS[:half]) + gzip.compress(TWO_ITEMS[half:])
    assert parse_feed(body, url=URL) == parse_feed(TWO_ITEMS, url=URL)


NO_FEEDS = {
    "nothing": (b"", "empty document"),
    "white space": (b" \n\t", "nothing but white space"),
    "a page": (b"<!DOCTYPE html><html><body>x</body></html>", "HTML page"),
    "an XHTML page": (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="y"/>', "HTML page"),
    "a page that mentions a feed": (b'<!DOCTYPE html><title>x</title><script>var t="<rss version=2.0>";</script>', "HTML page"),
    "a page with a script that makes feeds": (
        b"<!DOCTYPE html><script>s='<?xml version=1.0?><rss version=2.0><channel>'</script><p>x</p>",
        "HTML page",
    ),
    "a page with an element of that name": (b"<html><body><feed id='app'></feed></body></html>", "HTML page"),
    "a page that explains feeds": (b"<!-- <rss><channel> --><html><body><textarea><rss><channel></textarea></body></html>", "HTML page"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "an image (PNG)"),
    "a PDF document": (b"%PDF-1.7 x", "a PDF document"),
    "the path of a file": (b"/etc/passwd", "plain text"),
    "an OPML list": (b'<opml version="2.0"><body/></opml>', "OPML"),
    "other XML": (b"<shop><apple/></shop>", "neither RSS nor Atom"),
    "other JSON": (b'{"a": 1}', "not a JSON Feed"),
    "torn JSON": (b'{"items": [', "damaged JSON"),
    "JSON nested ten thousand deep": (b"[" * 10_000 + b"]" * 10_000, "nested too deeply"),
    "a number of five thousand digits": (b'{"items": [{"id": ' + b"9" * 5000 + b"}]}", "damaged JSON"),
    "a gzip bomb": (gzip.compress(b"0" * 20_000_000), "more than 15 MB"),
    "torn gzip": (gzip.compress(b"x" * 99)[:8], "gzip"),
}


@pytest.mark.parametrize(("body", "words"), NO_FEEDS.values(), ids=NO_FEEDS)
def test_x10_x12_what_is_no_feed_is_refused_in_words(body, words):
    with pytest.raises(ParseError) as refusal:
        parse_feed(body, url=URL)

    assert words in str(refusal.value) or words == "gzip"


BEGINNINGS = ["<!-- --> ", "<!--", "<?xml >", "<script>", "<rss ", "<rss>  ", "<feed xmlns", "<feed " + "xmln" * 9999, "<a:", "&#1"]


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=[beginning[:12] for beginning in BEGINNINGS])
def test_x12_a_hostile_beginning_takes_no_time(beginning):
    started = time.process_time()
    for before in ("", "<p><rss >"):
        body = (before + beginning * (70_000 // len(beginning))).encode()
        what_instead(body), mended(body)
    assert time.process_time() - started < 1


BOMB = "<!DOCTYPE x [<!ENTITY a 'lol'>" + "".join(f"<!ENTITY b{n} '{'&a;' * 99}'>" for n in range(9)) + "]>"
HOSTILE = {
    "X1 entities that multiply": rss(item(title="&b1;&b2;"), before=BOMB),
    "X1 one long entity, many times": rss(
        item(title="&a;" * 2000), before=f"<!DOCTYPE x [<!ENTITY a '{'lol' * 20_000}'>]>"
    ),
    "X2 an entity that is a file": rss(
        item(title="&x;"), before="<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    ),
    "X1 a short entity, very many times": rss(
        item(title="&a;") + "<x>" + "&a;" * 200_000 + "</x>", before=f"<!DOCTYPE x [<!ENTITY a '{'lol' * 60}'>]>"
    ),
    "X15 a stylesheet elsewhere": rss(item(), before="<?xml-stylesheet href='http://127.0.0.1:9/x.xsl' type='text/xsl'?>"),
    "X15 an inclusion": rss("<x:include xmlns:x='http://www.w3.org/2001/XInclude' href='/etc/passwd'/>" + item()),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_x1_x2_x15_nothing_is_fetched_or_expanded_for(body):
    (entry,) = parse_feed(body, url=URL).entries

    assert "root:" not in entry.title and "lollol" not in entry.title and len(entry.title) < 10_000


OWN = '<!DOCTYPE rss [<!ENTITY base "https://a.test">\n<!ENTITY when \'16 May 2024\'>]>'


@pytest.mark.parametrize("before", ["", "<?xml version='1.0'?>\n"])
def test_a_documents_own_entities_are_read_wherever_they_stand(before):
    inner = "<title>At &base;</title><link>&base;/1</link><pubDate>&when; 10:00 GMT</pubDate><guid>&base;/1</guid>"
    body = f"{before}{OWN}<rss version='2.0'><channel><title>&base;</title><item>{inner}</item></channel></rss>".encode()

    assert parse_fast(body, url=URL) is None
    feed = parse_feed(body, url=URL)
    (entry,) = feed.entries
    assert (feed.title, entry.title, entry.link, entry.guid) == ("https://a.test", "At https://a.test", "https://a.test/1", "https://a.test/1")
    assert entry.published_at == datetime(2024, 5, 16, 10, tzinfo=UTC)


def test_an_entity_of_the_channel_alone_is_not_lost_either():
    body = rss(item(), channel="<title>&base;</title>", before=OWN)
    assert parse_feed(body, url=URL).title == "https://a.test"


OUTSIDE = {
    "X2 an entity": "<!DOCTYPE x [<!ENTITY x SYSTEM '{url}'>]>",
    "X2 a parameter entity": "<!DOCTYPE x [<!ENTITY % p SYSTEM '{url}'> %p;]>",
    "X2 a document type": "<!DOCTYPE rss SYSTEM '{url}'>",
    "X15 a stylesheet": "<?xml-stylesheet href='{url}' type='text/xsl'?>",
}


@pytest.mark.parametrize("before", OUTSIDE.values(), ids=OUTSIDE)
def test_x2_x15_no_server_is_asked_for(before):
    with FakeWeb() as web:
        for broken in ("", "<odd:x/>"):  # both paths
            body = rss(broken + item(title="&x;" if "ENTITY x" in before else "Strike ends"), before=before.format(url=web.url("/x")))
            parse_feed(body, url=URL)
        assert web.accepts == 0


def test_x6_a_title_of_ten_megabytes_is_cut():
    feed = parse_feed(rss(item(title="a" * 9_000_000)), url=URL)
    (entry,) = normalise(feed, Feed(name="f", url=URL), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert len(entry.title) == 2000


TITLES = {
    "X8 an escape sequence": ("a&#27;[31mb", "a[31mb"),
    "X8 a bell that rings nowhere": ("a\x07b", "ab"),
    "X8 text from right to left": ("a&#8238;b", "ab"),
    "X13 tags": ("Fish &lt;b&gt;and&lt;/b&gt; chips", "Fish and chips"),
    "X13 escaped twice": ("Fish &amp;lt;b&amp;gt;and&amp;lt;/b&amp;gt; chips", "Fish and chips"),
    "X13 CDATA": ("<![CDATA[Fish <i>and</i> chips &amp; peas]]>", "Fish and chips & peas"),
    "X13 an entity that XML does not know": ("Fish&nbsp;and&hellip;chips", "Fish and…chips"),
    "X13 an entity that nobody knows": ("Fish &nosuch; chips", "Fish &nosuch; chips"),
    "X13 a script": ("Fish&lt;script&gt;alert(1)&lt;/script&gt;", "Fish"),
    "X13 a bare sign": ("Profit &lt; loss", "Profit < loss"),
}


@pytest.mark.parametrize(("written", "title"), TITLES.values(), ids=TITLES)
def test_x8_x13_a_title_is_plain_text_decoded_once(written, title):
    (entry,) = normalise(parse_feed(rss(item(title=written)), url=URL), Feed(name="f", url=URL), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert entry.title == title


# ── what feedparser gets wrong, by the path that uses it ─────────────────────────────────────────

MEDIA = " xmlns:media='http://search.yahoo.com/mrss/'"
ATOM_LINK = "<a:link xmlns:a='http://www.w3.org/2005/Atom' href='https://a.test/{}' rel='{}'/>"
FAULTS = {
    "the last of several links wins": ("<link>https://a.test/1</link>" + ATOM_LINK.format("2", "alternate"), "link", "https://a.test/1"),
    "a link to the feed itself wins": (ATOM_LINK.format("feed", "self") + "<link>https://a.test/1</link>", "link", "https://a.test/1"),
    "a photograph's caption is the text": (f"<media:content{MEDIA}><media:description>A quay.</media:description></media:content>", "summary", ""),
    "a photograph's text is the content": (f"<media:text{MEDIA}>A quay.</media:text>", "body", ""),
    "2020/1/10 is the first of November": ("<pubDate>2020/1/10 14:33</pubDate>", "published_at", datetime(2020, 1, 10, 14, 33, tzinfo=UTC)),
    "BST is UTC": ("<pubDate>Thu, 16 May 2024 10:00:00 BST</pubDate>", "published_at", datetime(2024, 5, 16, 9, tzinfo=UTC)),
    "CEST is UTC": ("<pubDate>Thu, 16 May 2024 10:00:00 CEST</pubDate>", "published_at", datetime(2024, 5, 16, 8, tzinfo=UTC)),
    "days of other languages are unknown": ("<pubDate>jeu., 16 mai 2024 10:00:00 +0200</pubDate>", "published_at", datetime(2024, 5, 16, 8, tzinfo=UTC)),
    "a guid that is no address is the link": ("<guid>17</guid>", "link", None),
    "one bad byte spoils all": ("<description>Забастовка закончилась BAD</description>", "summary", "Забастовка закончилась é"),
}  # fmt: skip


@pytest.mark.parametrize(("inner", "field", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_feedparser_is_guarded_against(inner, field, expected):
    body = rss("<odd:x/>" + item(inner)).replace(b"BAD", b"\xe9")  # the prefix is undeclared, so that only feedparser reads it
    feed = parse_slow(body, URL)
    assert (feed.parser, getattr(feed.entries[0], field)) == ("feedparser", expected)


def test_what_feedparser_stumbles_over_is_told_in_words(monkeypatch):
    def stumble(*_, **__):
        return "\ud83d".encode()

    monkeypatch.setattr("feedparser.parse", stumble)
    with pytest.raises(ParseError, match="^damaged feed: it is too broken to be read$"):
        parse_slow(rss("<odd:x/>" + item()), URL)


def test_a_document_that_is_a_path_is_never_opened(tmp_path):
    path = tmp_path / "feed.xml"
    path.write_bytes(rss(item()))
    for body in (str(path).encode(), f"<!-- {path} -->".encode()):
        with pytest.raises(ParseError):
            parse_slow(body, URL)


def test_x3_a_hundred_thousand_attributes_take_no_time():
    attributes = " ".join(f'a{number}="x"' for number in range(100_000))

    assert parse_fast(rss(f"<item {attributes}><title>t</title></item>"), url=URL).entries[0].title == "t"


def test_entries_beyond_the_limit_are_counted():
    fast = parse_feed(rss(item() * 30), url=URL, max_entries=10)
    json = parse_feed(b'{"items": [' + b'{"id": "1"},' * 29 + b'{"id": "1"}]}', url=URL, max_entries=10)
    slow = parse_feed(rss("<odd:x/>" + item() * 30), url=URL, max_entries=10)

    assert [(len(feed.entries), feed.truncated) for feed in (fast, json, slow)] == [(10, 20)] * 3


def test_x12_json_with_odd_values_is_read_as_far_as_it_makes_sense():
    feed = parse_feed(b'{"items": [3, null, {"title": 5, "id": true, "n": NaN, "m": 1e400, "author": 7}]}', url=URL)
    halved = parse_feed(b'{"items": [{"id": "a\\ud800\\u0000b", "title": "t"}]}', url=URL)

    assert [(entry.title, entry.guid) for entry in feed.entries] == [("5", None)]
    assert halved.entries[0].guid == "ab"


def test_a_feed_without_entries_is_a_feed():
    assert parse_feed(rss(""), url=URL).entries == ()


def test_the_fast_path_leaves_to_the_slow_one_what_it_cannot_vouch_for():
    assert parse_fast(rss(item(title="a&nbsp;b")), url=URL) is None
    assert parse_slow(rss(item()), url=URL).entries[0].title == "Strike ends"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parsers(noise):
    for body in (noise, rss(item()).replace(b"Strike", noise)):
        try:
            parse_feed(body, url=URL)
        except ParseError:
            pass


# ── dates ────────────────────────────────────────────────────────────────────────────────────────

DATES = {
    "Thu, 16 May 2024 10:00:00 GMT": "2024-05-16 10:00",
    "Thu, 16 May 2024 10:00 BST": "2024-05-16 09:00",
    "16 May 24 10:00:00 EDT": "2024-05-16 14:00",
    "Do, 16 Mai 2024 10:00:00 CEST": "2024-05-16 08:00",
    "mar., 16 mai 2024 10:00:00 +0200": "2024-05-16 08:00",
    "Чт, 16 мая 2024 10:00:00 +0300": "2024-05-16 07:00",
    "jue, 16 de agosto de 2024 10:00 GMT": "2024-08-16 10:00",
    "2024-05-16T10:00:00.5+05:30": "2024-05-16 04:30",
    "2024-05-16 10:00:00 EST": "2024-05-16 15:00",
    "20240516T100000Z": "2024-05-16 10:00",
    "2020/1/10 14:33": "2020-01-10 14:33",
    "16.05.2024 10:00": "2024-05-16 10:00",
    "31/12/2024": "2024-12-31 00:00",
    "12/31/2024 10:00 PM": "2024-12-31 22:00",
    "Thu May 16 10:00:00 EDT 2024": "2024-05-16 14:00",
    "2024年5月16日 10時30分": "2024-05-16 10:30",
    "May16,2024": "2024-05-16 00:00",
    "1715853600": "2024-05-16 10:00",
    "Mon, 16 Sep 2024 24:00:00 GMT": "2024-09-17 00:00",
    "Wed, 15 May 2024 08:00:00 PM": "2024-05-15 20:00",
    "Wed, 15 May 2024 08:00:00 p.m. EDT": "2024-05-16 00:00",
    "16 May 2024 10:00 PM": "2024-05-16 22:00",
    "16 May 2024 12:15 AM": "2024-05-16 00:15",
    "16 May 2024 12:15 PM": "2024-05-16 12:15",
    "16 May 2024 15:00 PM": "2024-05-16 15:00",
    "16 de mayo de 2024 a las 3:00 p. m.": "2024-05-16 15:00",
    "16/05/2024 3:00 μ.μ.": "2024-05-16 15:00",
    "16/05/2024 12:30 ÖÖ": "2024-05-16 00:30",
    "May 16, 2024 at 3pm": "2024-05-16 15:00",
    "2024年5月16日 下午3:30": "2024-05-16 15:30",
    "2024年5月16日 上午 10:30": "2024-05-16 10:30",
    "2024年5月16日 午後3時": "2024-05-16 15:00",
    "2024-05-16 오후 3:00": "2024-05-16 15:00",
    "2024. 5. 16. 오전 12시 5분": "2024-05-16 00:05",
    "20240516103000+0200": "2024-05-16 08:30",
    "20240516103000Z": "2024-05-16 10:30",
    "202405161030": "2024-05-16 10:30",
    "16 mai 2024 à 10h30": "2024-05-16 10:30",
    "16 mai 2024, 10 h": "2024-05-16 10:00",
    "16. Mai 2024 10.30": "2024-05-16 10:30",
    "16.05.2024, 10.30 Uhr": "2024-05-16 10:30",
    "2024-05-16 10.30": "2024-05-16 10:30",
}
NO_DATES = [
    "",
    "tomorrow",
    "0000-00-00",
    "0000-00-00T00:00:00Z",
    "-1-01-01",
    "99999-01-01",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+05:00",
    "01/02/2024",
    "Mon, 30 Feb 2024 10:00:00 GMT",
    "Mon, 16 May 2024 10:00:00 +9999",
    "Mon, 16 May 2024 25:00:00 GMT",
    "16 May 2024 15:00 AM",
    "2024年5月16日 晚上12:30",
    "x" * 5000,
]


@pytest.mark.parametrize(("text", "expected"), DATES.items(), ids=DATES)
def test_a_date_is_read(text, expected):
    assert f"{parse_date(text):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize("text", NO_DATES, ids=[text[:40] or "nothing" for text in NO_DATES])
def test_nonsense_is_no_date(text):
    assert parse_date(text) is None


@given(st.text(alphabet="0123456789-:/+TZ., MayGMTESTpmh年月下午오후", max_size=40))
def test_no_text_breaks_the_reader_of_dates(text):
    found = parse_date(text)

    assert found is None or found.tzinfo is UTC


def test_a_feed_may_ask_for_peace():
    assert asked_interval("60", "", "") == timedelta(hours=1)
    assert asked_interval("5", "daily", "4") == timedelta(hours=6)
    assert asked_interval("soon", "sometimes", "x") is None
    assert asked_interval("999999999", "", "") == timedelta(days=365)


def test_h20_hours_to_skip_are_read_and_nonsense_among_them_is_not():
    hours = "".join(f"<hour>{hour}</hour>" for hour in ("0", "13", " 14 ", "24", "99", "noon", ""))
    document = f"<rss version='2.0'><channel><skipHours>{hours}</skipHours><item><title>a</title></item></channel></rss>"
    assert parse_feed(document.encode(), url="https://a.example/").skip_hours == (0, 13, 14)
