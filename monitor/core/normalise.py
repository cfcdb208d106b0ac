"""Raw entry → `Entry`: identity, canonical URL, plain text, UTC, wire slug, folded keys.

Pure. Does not compare entries (core/dedup.py) and does not decide anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from monitor.core.names import key_of, name_of
from monitor.core.plain import plain_text, without_joiners
from monitor.core.scope import primary_subtag
from monitor.core.sketch import BEYOND_LATIN, blocking_keys, sketch_of
from monitor.core.urls import canonical_url, url_identity
from monitor.core.vocabulary import OTHER_SCRIPTS
from monitor.core.wire import credit_of, is_same_name, read_headline, suffixes_of
from monitor.model import Entry, Feed, ParsedEntry, ParsedFeed

TITLE_LENGTH = 2_000  # stored; what is sent is shorter (core/render.py)
TEXT_LENGTH = 1_000_000  # kept for comparing and scoring: a novel; watchlists search all of it
URL_LENGTH = 2048
AUTHOR_LENGTH = 200
FUTURE_TOLERANCE = timedelta(hours=1)  # clocks of publishers are wrong, time zones missing
TEXT_KEY_WORDS = 12  # an equal text shorter than this proves nothing


def normalise(
    parsed: ParsedFeed,
    feed: Feed,
    *,
    now: datetime,
    default_language: str | None = None,
    leave_out: Collection[int] = (),
) -> tuple[Entry, ...]:
    """Every entry of a feed document, oldest last as the feed has it; entries that say nothing at all are left out.

    Of two items that are the same in everything that identifies one the first stays: feeds repeat themselves, also with
    the headline before an edit. `default_language` is that of feeds which name none. `leave_out`: places of items that
    need not be worked out, but have a say in what identifies the others.
    """
    if len(leave_out) == len(parsed.entries):
        return ()
    outlet = feed.outlet or plain_text(parsed.title) or feed.name
    items = {
        (raw.guid, url_identity(raw.link or ""), (raw.guid and raw.published_at) or place)
        for place, raw in enumerate(parsed.entries)
    }
    links, guids = Counter(link for _, link, _ in items), Counter(guid for guid, _, _ in items)
    suffixes = suffixes_of(raw.title for raw in parsed.entries)
    entries: dict[str, Entry] = {}
    for place, raw in enumerate(parsed.entries):
        if place in leave_out:
            continue
        entry = normalise_entry(
            raw,
            feed=feed.name,
            outlet=outlet,
            language=feed.language or parsed.language or default_language,
            now=now,
            shared_link=links[url_identity(raw.link)] > 1 if raw.link else False,
            shared_guid=guids[raw.guid] > 1 if raw.guid else False,
            suffixes=suffixes,
        )
        if entry.title or entry.summary or entry.body:
            entries.setdefault(entry.id, entry)
    return tuple(entries.values())


def normalise_entry(
    raw: ParsedEntry,
    *,
    feed: str,
    outlet: str,
    language: str | None,
    now: datetime,
    shared_link: bool = False,
    shared_guid: bool = False,
    suffixes: frozenset[str] = frozenset(),
) -> Entry:
    """One entry. `language` is the feed's; `shared_link` and `shared_guid` say that other items of the document have
    the same, so that it does not identify this one; `suffixes` are outlets that the document names behind headlines."""
    title = plain_text(raw.title, is_text=raw.title_is_text)[:TITLE_LENGTH].replace("\n", " ")
    summary = plain_text(raw.summary, is_text=raw.summary_is_text)[:TEXT_LENGTH]
    body = plain_text(raw.body, is_text=raw.body_is_text)[:TEXT_LENGTH]
    if len(body) <= len(summary):  # some feeds give the same text, or less, as content
        summary, body = max(summary, body, key=len), ""
    author = plain_text(raw.author)[:AUTHOR_LENGTH].replace("\n", " ")
    url = (raw.link or "")[:URL_LENGTH]
    named = plain_text(raw.outlet) if raw.outlet else ""
    headline = read_headline(title, outlet, suffixes=suffixes, named=named)
    sketched = sketch_of(headline.text, summary, body)
    sketch = sketched.sketch
    url_key = None if shared_link else _url_key(url)
    title_key = key_of("title", " ".join(sketch.words)) if sketch.words else 0
    text_key = _text_key(sketched.words)
    published_at = _believable(raw.published_at or raw.updated_at, now)
    return Entry(
        id=name_of(
            feed,
            _identity(
                raw, without_joiners(title or f"{summary} {body}"), shared_guid=shared_guid, shared_link=shared_link
            ),
        ),
        feed=feed,
        outlet=named if is_same_name(headline.suffix, named) else outlet,
        guid=raw.guid or "",
        url=url,
        title=title,
        headline=headline.text,
        summary=summary,
        body=body,
        author=author,
        language=_language(raw.language or language, headline.text),
        published_at=published_at,
        slug=headline.slug,
        credit=credit_of(headline.suffix, author, body or summary),
        url_key=url_key,
        title_key=title_key,
        text_key=text_key,
        content_hash=name_of(title, summary, body),
        sketch=sketch,
        keys=blocking_keys(sketch, url_key, title_key, text_key),
    )


def with_body(entry: Entry, body: str) -> Entry:
    """The entry with another body, and what is worked out from it. Its `content_hash` stays: the feed said no more."""
    sketched = sketch_of(entry.headline, entry.summary, body)
    text_key = _text_key(sketched.words)
    return replace(
        entry,
        body=body,
        credit=entry.credit or credit_of(None, entry.author, body),
        text_key=text_key,
        sketch=sketched.sketch,
        keys=blocking_keys(sketched.sketch, entry.url_key, entry.title_key, text_key),
    )


def _identity(raw: ParsedEntry, words: str, *, shared_guid: bool, shared_link: bool) -> str:
    """What tells an item from all others of its feed: its guid, else its address, else both with its words and date."""
    if raw.guid and not shared_guid:
        return f"guid {raw.guid}"
    # A fragment may be all that tells items apart, but for trackers: "xtor=RSS-1".
    fragment = (raw.link or "").partition("#")[2]
    if raw.link and not raw.guid and not shared_link and (not fragment or "=" in fragment):
        return f"link {url_identity(raw.link) or canonical_url(raw.link[:URL_LENGTH])}"
    date = raw.published_at.isoformat() if raw.published_at else ""
    return f"words {raw.guid or ''} {raw.link or ''} {words} {date}"


def _language(said: str | None, headline: str) -> str | None:
    """The language that an item or its feed names, where the letters of its headline can be that language's: many a
    feed says "en-US" because its publishing system does."""
    language = (said or "").lower() or None
    if language is None or headline.isascii() or primary_subtag(language) in OTHER_SCRIPTS:
        return language
    letters = "".join(filter(str.isalpha, headline))
    return None if 2 * len(BEYOND_LATIN.findall(letters)) > len(letters) else language


def _believable(published_at: datetime | None, now: datetime) -> datetime | None:
    """A date that can be true; what lies in the future was published now."""
    if published_at is None or published_at.year < 1990:
        return None
    return min(published_at, now) if published_at > now + FUTURE_TOLERANCE else published_at


def _url_key(url: str) -> int | None:
    identity = url_identity(url) if url else None
    return key_of("url", identity) if identity else None


def _text_key(words: tuple[str, ...]) -> int | None:
    return key_of("text", " ".join(words)) if len(words) >= TEXT_KEY_WORDS else None
