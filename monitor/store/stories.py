"""Entries and the stories they belong to: what is known, what might be the same, what is saved.

What comes out of the archive has its title as headline: whoever scores takes the outlet's name off (core/wire.py).
Functions take an open transaction `tx`. Whether two texts are copies is decided in core/dedup.py.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.model import (
    ArticleStatus,
    Assignment,
    Entry,
    Judged,
    Level,
    Match,
    Pickup,
    Reason,
    Rule,
    Standing,
    Told,
    record,
)
from monitor.store import letters
from monitor.store.candidates import save_keys
from monitor.store.database import chunks, insert_new, insert_plain, listed, upsert
from monitor.store.merging import story_now
from monitor.store.schema import (
    alerts,
    articles,
    as_number,
    entries,
    fingerprints,
    matches,
    merged_stories,
    stories,
    versions,
)
from monitor.store.search import holds
from monitor.store.sketches import pack, unpack
from monitor.store.versions import MOST_VERSIONS, keep_version

REFRESH = timedelta(days=30)  # a fingerprint is dated anew only so often

_GROW = (
    stories.update()
    .where(stories.c.id == sa.bindparam("story"))
    .values(
        updated_at=sa.bindparam("now"),
        pickups=stories.c.pickups + sa.bindparam("more"),
        credit=sa.func.coalesce(stories.c.credit, sa.bindparam("agency", type_=sa.String)),
        lead_entry=sa.func.coalesce(sa.bindparam("lead", type_=sa.String), stories.c.lead_entry),
        lead_length=sa.func.coalesce(sa.bindparam("lead_size", type_=sa.Integer), stories.c.lead_length),
        body_entry=sa.func.coalesce(sa.bindparam("body", type_=sa.String), stories.c.body_entry),
        body_length=sa.func.coalesce(sa.bindparam("body_size", type_=sa.Integer), stories.c.body_length),
        title=sa.func.coalesce(sa.bindparam("headline", type_=sa.Text), stories.c.title),
        url=sa.func.coalesce(sa.bindparam("address", type_=sa.Text), stories.c.url),
    )
)


@record
class Known:
    """An entry that the database has: which story it is in, and whether what it says has changed."""

    entry: Entry
    story: str
    rule: Rule
    similarity: float

    @property
    def assignment(self) -> Assignment:
        """Its place in the story."""
        return Assignment(story=self.story, similarity=self.similarity, rule=self.rule)


@record
class Fresh:
    """A feed document, sorted by what is new in it."""

    new: tuple[Entry, ...] = ()
    edited: tuple[Known, ...] = ()
    moved: tuple[Entry, ...] = ()  # known ones that say the same at another address
    known: Counter[str] = field(default_factory=Counter)  # entries known already, by feed …
    renamed: Counter[str] = field(default_factory=Counter)  # … and those of them that came under another guid


def fresh(tx: sa.Connection, found: Sequence[Entry], now: datetime, *, churning: Container[str] = ()) -> Fresh:
    """Tell new entries from known and edited ones.

    An entry is known by its id, by the fingerprint of a deleted one, or by address and headline (or date) in the same
    feed: feeds that make up new guids at every build show the same addresses, but a page such as `latest.html` is
    another item each time. Of `churning` feeds, whose guids mean nothing, the address alone tells. What has no address
    of its own is known by headline and date. A known id under which address, headline and date are all others is
    another item's: some feeds number their items from the top.
    """
    by_id, by_address, by_title = _known_entries(tx, found)
    if any(_is_another(by_id.get(entry.id), entry) for entry in found):
        found = [_of_its_own(entry) if _is_another(by_id.get(entry.id), entry) else entry for entry in found]
        by_id, by_address, by_title = _known_entries(tx, found)
    gone = _known_fingerprints(tx, found, now)
    new, edited, moved, known, renamed = [], [], [], Counter(), Counter()
    for entry in found:
        alike = by_address if entry.url_key else by_title
        places = alike.get((entry.feed, entry.url_key or entry.title_key), ())
        row = by_id.get(entry.id) or _same_item(places, entry, by_address_alone=entry.feed in churning)
        if row is None and entry.id not in gone:
            new.append(entry)
            continue
        known[entry.feed] += 1
        renamed[entry.feed] += row is not None and row.id != entry.id
        if row is None or row.revision >= MOST_VERSIONS:
            continue
        if row.content_hash != entry.content_hash:
            edited.append(
                Known(entry=_with_id(entry, row.id), story=row.story, rule=Rule(row.rule), similarity=row.similarity)
            )
        elif row.id == entry.id and entry.url_key is not None and row.url_key != entry.url_key:
            moved.append(entry)
    return Fresh(new=tuple(new), edited=tuple(edited), moved=tuple(moved), known=known, renamed=renamed)


def known_texts(tx: sa.Connection, feed: str, found: Sequence[Entry]) -> frozenset[str | int]:
    """Addresses, headlines and texts (`url_key`, `title_key`, `content_hash`) of these entries that the feed has had
    before. Reads through the whole archive: for a document that is suspicious, not for every one."""
    wanted = (
        (entries.c.url_key, {entry.url_key for entry in found if entry.url_key}),
        (entries.c.title_key, {entry.title_key for entry in found if entry.title_key}),
        (entries.c.content_hash, {entry.content_hash for entry in found}),
    )
    known: set[str | int] = set()
    for column, values in wanted:
        among = column.in_(listed(tx, values, numbers=column is not entries.c.content_hash))
        known |= set(tx.execute(sa.select(column).where(entries.c.feed == feed, among)).scalars())
    return frozenset(known)


def remember(tx: sa.Connection, found: Iterable[Entry], now: datetime) -> None:
    """Know these entries from now on, without keeping them: they are known ones under another name."""
    names = {name for entry in found for name in _fingerprints_of(entry)}
    insert_new(tx, fingerprints, [{"id": name, "seen_at": now} for name in sorted(names)])


def read_entries(tx: sa.Connection, ids: Iterable[str]) -> dict[str, Known]:
    """Entries of the archive, as they came in, without the keys they are found by."""
    rows = tx.execute(sa.select(entries).where(entries.c.id.in_(listed(tx, ids)))).all()
    return {row.id: _known(row) for row in rows}


def list_held(tx: sa.Connection, feed: str, *, since: datetime) -> tuple[Known, ...]:
    """Entries of a feed that came since then and were kept from alerting by its quarantine, oldest first."""
    quarantined = sa.select(matches.c.story).where(matches.c.reason == Reason.QUARANTINED)
    which = sa.and_(entries.c.seen_at >= since, entries.c.feed == feed, entries.c.story.in_(quarantined))
    return tuple(map(_known, tx.execute(sa.select(entries).where(which).order_by(entries.c.seq)).all()))


def standings(tx: sa.Connection, ids: Iterable[str]) -> dict[str, Standing]:
    """Where these stories stand: their pickups, best texts, alerts so far and messages that still wait."""
    ids = sorted(set(ids))
    if not ids:
        return {}
    rows = tx.execute(sa.select(stories).where(stories.c.id.in_(listed(tx, ids)))).all()
    pickups = list_pickups(tx, ids)
    texts = _texts(tx, {entry for row in rows for entry in (row.lead_entry, row.body_entry)})
    alerted = _alerted(tx, ids)
    waiting, placed = letters.messages_on(tx, ids)
    return {
        row.id: Standing(
            story=row.id,
            first_seen_at=row.first_seen_at,
            pickups=pickups.get(row.id, ()),
            lead=texts.get(row.lead_entry, ("", ""))[0],
            body=texts.get(row.body_entry, ("", ""))[1],
            alerted=alerted.get(row.id, ()),
            waiting=waiting.get(row.id, ()),
            placed=placed.get(row.id, ()),
        )
        for row in rows
    }


def remembered(tx: sa.Connection, ids: Iterable[str]) -> dict[tuple[str, str], Reason]:
    """By story and watchlist, for these stories: why a match was only remembered when it came in, as its feed's backlog
    or in a quarantine."""
    found: dict[tuple[str, str], Reason] = {}
    for part in chunks(sorted(set(ids))):
        silent = matches.c.reason.in_((Reason.BACKLOG, Reason.QUARANTINED))
        columns = (matches.c.story, matches.c.watchlist, matches.c.reason)
        for row in tx.execute(sa.select(*columns).where(matches.c.story.in_(part), silent)):
            found[row.story, row.watchlist] = Reason(row.reason)
    return found


def save(tx: sa.Connection, judged: Sequence[Judged], now: datetime) -> None:
    """Write entries, keys, stories, matches and alerts of one judgement; doing it twice changes nothing."""
    new = [one for one in judged if not one.is_edit]
    insert_plain(tx, "entries", _ENTRY_COLUMNS, [_entry_row(one, now) for one in new])
    for one in judged:
        if one.is_edit:
            keep_version(tx, one.entry, now)
            _update_entry(tx, one.entry, now)
    _save_keys(tx, [one.entry for one in judged])
    founders = [one for one in new if one.assignment.story == one.entry.id]
    insert_plain(tx, "stories", _STORY_COLUMNS, [_story_row(one, now) for one in founders])
    _grow_stories(tx, [one for one in judged if one.is_edit or one.assignment.story != one.entry.id], now)
    save_decisions(tx, judged, now)


def save_addresses(tx: sa.Connection, moved: Sequence[Entry]) -> None:
    """Write where entries lie now. That is no edit, and judged by nobody: a site that moves has no news."""
    for entry in moved:
        where = {"url": entry.url, "url_key": entry.url_key, "revision": entries.c.revision + 1}
        tx.execute(entries.update().where(entries.c.id == entry.id).values(where))
        tx.execute(stories.update().where(stories.c.id == entry.id).values(url=entry.url))
    if moved:
        _save_keys(tx, moved)


def save_decisions(tx: sa.Connection, judged: Sequence[Judged], now: datetime) -> None:
    """Write matches and alerts alone."""
    decided = [(one, decision) for one in judged for decision in one.decisions]
    firsts = [(one, decision) for one, decision in decided if not decision.again]
    upsert(tx, matches, [_match_row(one.assignment.story, d.match, d.reason, now) for one, d in firsts])
    insert_new(tx, alerts, [_alert_row(decision.alert) for _, decision in decided if decision.alert])


def save_text(tx: sa.Connection, judged: Sequence[Judged], now: datetime) -> None:
    """Write the longer text of known entries (no edit, so no version), how they are found by it, and what followed."""
    for one in judged:
        entry = one.entry
        text = {"body": entry.body, "text_key": entry.text_key, "credit": entry.credit, "sketch": pack(entry.sketch)}
        tx.execute(entries.update().where(entries.c.id == entry.id).values(text))
    _save_keys(tx, [one.entry for one in judged])
    _grow_stories(tx, judged, now)
    save_decisions(tx, judged, now)


def list_pickups(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Pickup, ...]]:
    """All copies of these stories, in the order in which we saw them."""
    columns = (
        entries.c.seq, entries.c.id, entries.c.story, entries.c.feed, entries.c.outlet, entries.c.url, entries.c.title,
        entries.c.published_at, entries.c.seen_at, entries.c.similarity, entries.c.rule, entries.c.credit,
        entries.c.slug,
    )  # fmt: skip
    found: defaultdict[str, list[Pickup]] = defaultdict(list)
    wanted = sa.select(*columns).where(entries.c.story.in_(listed(tx, ids))).order_by(entries.c.seq)
    for row in tx.execute(wanted).all():
        found[row.story].append(_pickup(row))
    return {story: tuple(pickups) for story, pickups in found.items()}


def list_stories(
    tx: sa.Connection,
    *,
    since: datetime,
    watchlist: str | None = None,
    search: str | None = None,
    limit: int = 10_000,
    skip: int = 0,
) -> tuple[sa.RowMapping, ...]:
    """Stories first seen since then, newest first; `search` looks in headlines of all copies, as plain text."""
    statement = sa.select(stories).where(stories.c.first_seen_at >= since)
    if watchlist is not None:
        alerted = sa.select(matches.c.story).where(matches.c.watchlist == watchlist, matches.c.verdict != "silent")
        statement = statement.where(stories.c.id.in_(alerted))
    if search is not None:
        holding = sa.select(entries.c.story).where(holds(entries.c.title, search))
        statement = statement.where(stories.c.id.in_(holding))
    statement = statement.order_by(
        stories.c.first_seen_at.desc(), stories.c.published_at.desc().nulls_last(), stories.c.id
    )
    return tuple(tx.execute(statement.limit(limit).offset(skip)).mappings())


def list_near_misses(
    tx: sa.Connection, watchlist: str, *, since: datetime, limit: int = 50
) -> tuple[sa.RowMapping, ...]:
    """Stories that a watchlist nearly alerted on since then, the nearest first."""
    statement = (
        sa.select(matches, stories.c.title, stories.c.first_seen_at)
        .join(stories, stories.c.id == matches.c.story)
        .where(matches.c.watchlist == watchlist, matches.c.near_miss, matches.c.decided_at >= since)
        .order_by((matches.c.score / matches.c.threshold).desc(), matches.c.decided_at.desc())
    )
    return tuple(tx.execute(statement.limit(limit)).mappings())


def list_matches(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[sa.RowMapping, ...]]:
    """What was decided about these stories: verdicts and near misses."""
    found: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for part in chunks(ids):
        statement = (
            sa.select(matches).where(matches.c.story.in_(part)).order_by(matches.c.score.desc(), matches.c.watchlist)
        )
        for row in tx.execute(statement).mappings():
            found[row["story"]].append(row)
    return {story: tuple(rows) for story, rows in found.items()}


def find_story(tx: sa.Connection, prefix: str) -> sa.RowMapping | None:
    """The story whose id is, or begins uniquely with, `prefix`; also by the id of one that was merged into it."""
    begins = (
        sa.select(stories).where(stories.c.id >= prefix, stories.c.id < prefix + "g").limit(2)
    )  # ids are hexadecimal
    rows = tx.execute(begins).mappings().all()
    if not rows and (moved := story_now(tx, prefix)) is not None:
        rows = tx.execute(sa.select(stories).where(stories.c.id == moved)).mappings().all()
    return rows[0] if len(rows) == 1 else None


def find_entry(tx: sa.Connection, entry: str) -> Assignment | None:
    """Which story an entry of the archive belongs to, and how."""
    row = tx.execute(
        sa.select(
            entries.c.story, entries.c.similarity, entries.c.rule, entries.c.nearest, entries.c.nearest_similarity,
            entries.c.refused_because,
        ).where(entries.c.id == entry)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    return Assignment(
        story=row.story,
        similarity=row.similarity,
        rule=Rule(row.rule),
        nearest=row.nearest,
        nearest_similarity=row.nearest_similarity or 0.0,
        refused_because=row.refused_because,
    )


def text_of(tx: sa.Connection, story: sa.RowMapping) -> tuple[str, str]:
    """The longest summary and the longest body that copies of a story brought."""
    texts = _texts(tx, {story["lead_entry"], story["body_entry"]})
    return texts.get(story["lead_entry"], ("", ""))[0], texts.get(story["body_entry"], ("", ""))[1]


def first_number_since(tx: sa.Connection, seen_at: datetime) -> int | None:
    """The lowest number of an entry seen since then, or None where there is none."""
    return tx.execute(sa.select(sa.func.min(entries.c.seq)).where(entries.c.seen_at >= seen_at)).scalar()


def forget_old(tx: sa.Connection, now: datetime, *, seen_before: datetime) -> tuple[int, int]:
    """Delete stories (with all their entries) not touched since `seen_before`, leaving fingerprints. Returns deleted
    entries and stories."""
    old = sa.select(stories.c.id).where(stories.c.updated_at < seen_before)
    columns = (entries.c.id, entries.c.feed, entries.c.url_key, entries.c.title_key, entries.c.published_at)
    gone = tx.execute(sa.select(*columns).where(entries.c.story.in_(old))).all()
    prints = {name for row in gone for name in _fingerprints_of(row)}
    insert_new(tx, fingerprints, [{"id": name, "seen_at": now} for name in sorted(prints)])
    tx.execute(matches.delete().where(matches.c.story.in_(old)))
    tx.execute(versions.delete().where(versions.c.entry.in_(sa.select(entries.c.id).where(entries.c.story.in_(old)))))
    tx.execute(entries.delete().where(entries.c.story.in_(old)))
    tx.execute(merged_stories.delete().where(merged_stories.c.story.in_(old)))
    tx.execute(stories.update().where(stories.c.related.in_(old)).values(related=None))
    deleted = tx.execute(stories.delete().where(stories.c.updated_at < seen_before)).rowcount
    return len(gone), deleted


def forget_fingerprints(tx: sa.Connection, *, seen_before: datetime) -> None:
    """Delete fingerprints so old that nothing they stand for can come back."""
    tx.execute(fingerprints.delete().where(fingerprints.c.seen_at < seen_before))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


Rows = dict[tuple[str, int], list[sa.Row]]  # by feed and key


def _known_entries(tx: sa.Connection, found: Sequence[Entry]) -> tuple[dict[str, sa.Row], Rows, Rows]:
    """Known entries by id; those under the same address; and of what has no address, those under the same headline."""
    columns = (
        entries.c.id, entries.c.feed, entries.c.url_key, entries.c.content_hash, entries.c.story, entries.c.rule,
        entries.c.similarity, entries.c.title_key, entries.c.published_at, entries.c.revision,
    )  # fmt: skip
    by_id = {
        row.id: row
        for row in tx.execute(sa.select(*columns).where(entries.c.id.in_(listed(tx, [one.id for one in found])))).all()
    }
    unknown = [entry for entry in found if entry.id not in by_id]
    addresses = {entry.url_key for entry in unknown if entry.url_key}
    titles = {entry.title_key for entry in unknown if entry.url_key is None and entry.title_key}

    def alike(key: sa.Column, values: set[int], *more: sa.ColumnElement[bool]) -> Rows:
        rows: Rows = defaultdict(list)
        which = sa.and_(key.in_(listed(tx, values, numbers=True)), *more)
        for row in tx.execute(sa.select(*columns).where(which)) if values else ():
            rows[row.feed, getattr(row, key.name)].append(row)
        return rows

    by_title = alike(entries.c.title_key, titles, entries.c.url_key.is_(None))
    return by_id, alike(entries.c.url_key, addresses), by_title


def _is_another(known: sa.Row | None, entry: Entry) -> bool:
    """Whether an entry has nothing in common with the known one of its id but that."""
    if known is None or known.url_key is None or entry.url_key is None:
        return False
    dated = known.published_at is not None and known.published_at == entry.published_at
    return known.url_key != entry.url_key and known.title_key != entry.title_key and not dated


def _of_its_own(entry: Entry) -> Entry:
    """The entry under an id that half its address makes, since its guid means another item, too."""
    half = len(entry.id) // 2
    return replace(entry, id=entry.id[:half] + f"{entry.url_key:020x}"[-half:])


def _known_fingerprints(tx: sa.Connection, found: Sequence[Entry], now: datetime) -> set[str]:
    """Ids of those entries that retention deleted. What is still listed is remembered for as long as it is."""
    names = {name: entry.id for entry in found for name in _fingerprints_of(entry)}
    known = {
        row.id: row.seen_at
        for row in tx.execute(sa.select(fingerprints).where(fingerprints.c.id.in_(listed(tx, names)))).all()
    }
    stale = sorted(name for name, seen_at in known.items() if seen_at < now - REFRESH)
    for part in chunks(stale):
        tx.execute(fingerprints.update().where(fingerprints.c.id.in_(part)).values(seen_at=now))
    return {names[name] for name in known}


def _same_item(rows: Sequence[sa.Row], entry: Entry, *, by_address_alone: bool) -> sa.Row | None:
    """The known entry under the same address (or headline), where it is the same item and not just the same page."""
    for row in rows:
        dated = row.published_at is not None and row.published_at == entry.published_at
        titled = row.title_key == entry.title_key and row.url_key is not None
        if dated or titled or row.content_hash == entry.content_hash or (by_address_alone and row.url_key is not None):
            return row
    return None


def _fingerprints_of(entry: Entry | sa.Row) -> tuple[str, ...]:
    """What stays of a deleted entry: its id, and in its feed its address, or headline and date where it has none."""
    if entry.url_key is not None:
        return entry.id, f"{entry.feed} {entry.url_key}"
    if not entry.title_key or entry.published_at is None:
        return (entry.id,)
    return entry.id, f"{entry.feed} {entry.title_key} {as_number(entry.published_at)}"


def _known(row: sa.Row) -> Known:
    entry = Entry(
        id=row.id,
        feed=row.feed,
        outlet=row.outlet,
        guid=row.guid,
        url=row.url,
        title=row.title,
        headline=row.title,
        summary=row.summary,
        body=row.body,
        author=row.author,
        language=row.language,
        published_at=row.published_at,
        slug=row.slug,
        credit=row.credit,
        url_key=row.url_key,
        title_key=row.title_key,
        text_key=row.text_key,
        content_hash=row.content_hash,
        sketch=unpack(row.sketch),
    )
    return Known(entry=entry, story=row.story, rule=Rule(row.rule), similarity=row.similarity)


def _pickup(row: sa.Row) -> Pickup:
    return Pickup(
        entry=row.id,
        feed=row.feed,
        outlet=row.outlet,
        url=row.url,
        title=row.title,
        published_at=row.published_at,
        seen_at=row.seen_at,
        similarity=row.similarity,
        rule=Rule(row.rule),
        credit=row.credit,
        slug=row.slug,
    )


def _texts(tx: sa.Connection, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    return {
        row.id: (row.summary, row.body)
        for row in tx.execute(
            sa.select(entries.c.id, entries.c.summary, entries.c.body).where(entries.c.id.in_(listed(tx, ids)))
        ).all()
    }


def _alerted(tx: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Told, ...]]:
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for part in chunks(ids):
        for row in tx.execute(sa.select(alerts).where(alerts.c.story.in_(part)).order_by(alerts.c.created_at)):
            told = Told(alert=row.id, watchlist=row.watchlist, level=Level(row.level), reason=Reason(row.reason))
            found[row.story].append(told)
    return {story: tuple(rows) for story, rows in found.items()}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def _with_id(entry: Entry, known_as: str) -> Entry:
    return entry if entry.id == known_as else replace(entry, id=known_as)


_ENTRY_COLUMNS = (
    "id", "feed", "outlet", "story", "rule", "similarity", "nearest", "nearest_similarity", "refused_because",
    "published_at", "seen_at", "updated_at", "revision", "content_hash", "url_key", "title_key", "text_key", "language",
    "slug", "credit", "sketch", "guid", "url", "author", "title", "summary", "body",
)  # fmt: skip


def _entry_row(one: Judged, now: datetime) -> tuple:
    """The values of _ENTRY_COLUMNS."""
    entry, assignment, seen_at = one.entry, one.assignment, as_number(now)
    published_at = as_number(entry.published_at) if entry.published_at else None
    refused = assignment.nearest_similarity if assignment.nearest else None
    return (
        entry.id, entry.feed, entry.outlet, assignment.story, assignment.rule.value, assignment.similarity,
        assignment.nearest, refused, assignment.refused_because, published_at, seen_at, seen_at, 0, entry.content_hash,
        entry.url_key, entry.title_key, entry.text_key, entry.language, entry.slug, entry.credit, pack(entry.sketch),
        entry.guid, entry.url, entry.author, entry.title, entry.summary, entry.body,
    )  # fmt: skip


def _text_columns(entry: Entry, now: datetime) -> dict:
    return {
        "published_at": entry.published_at,
        "updated_at": now,
        "content_hash": entry.content_hash,
        "url_key": entry.url_key,
        "title_key": entry.title_key,
        "text_key": entry.text_key,
        "slug": entry.slug,
        "credit": entry.credit,
        "sketch": pack(entry.sketch),
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "body": entry.body,
    }


def _update_entry(tx: sa.Connection, entry: Entry, now: datetime) -> None:
    tx.execute(
        entries.update()
        .where(entries.c.id == entry.id)
        .values(revision=entries.c.revision + 1, **_text_columns(entry, now) | {"body": _longer_body(entry)})
    )


def _longer_body(entry: Entry) -> sa.ColumnElement[str]:
    """What the feed says now, or the text of the page where that was read and is longer."""
    read = sa.select(articles.c.story).where(articles.c.entry == entry.id, articles.c.state == ArticleStatus.DONE)
    longer = sa.and_(sa.func.length(entries.c.body) > len(entry.body), read.exists())
    return sa.case((longer, entries.c.body), else_=entry.body)


def _save_keys(tx: sa.Connection, saved: Sequence[Entry]) -> None:
    ids = listed(tx, [entry.id for entry in saved])
    numbers = dict(tx.execute(sa.select(entries.c.id, entries.c.seq).where(entries.c.id.in_(ids))).all())
    save_keys(tx, {numbers[entry.id]: entry.keys for entry in saved})


_STORY_COLUMNS = (
    "id", "title", "url", "language", "credit", "first_seen_at", "published_at", "updated_at", "pickups", "related",
    "lead_entry", "lead_length", "body_entry", "body_length",
)  # fmt: skip


def _story_row(one: Judged, now: datetime) -> tuple:
    """The values of _STORY_COLUMNS."""
    entry, seen_at = one.entry, as_number(now)
    published_at = as_number(entry.published_at) if entry.published_at else None
    return (
        entry.id, entry.called, entry.url, entry.language, entry.credit, seen_at, published_at, seen_at, 1,
        one.assignment.related, entry.id, len(entry.summary), entry.id, len(entry.body),
    )  # fmt: skip


def _grow_stories(tx: sa.Connection, joined: Sequence[Judged], now: datetime) -> None:
    rows = [
        {
            "story": one.assignment.story,
            "now": now,
            "more": 0 if one.is_edit else 1,
            "agency": one.entry.credit,
            "lead": one.entry.id if one.lead_grew else None,
            "lead_size": len(one.entry.summary) if one.lead_grew else None,
            "body": one.entry.id if one.body_grew else None,
            "body_size": len(one.entry.body) if one.body_grew else None,
            "headline": one.entry.called if one.is_edit and one.entry.id == one.assignment.story else None,
            "address": one.entry.url if one.is_edit and one.entry.id == one.assignment.story else None,
        }
        for one in joined
    ]
    if rows:
        tx.execute(_GROW, rows)


def _match_row(story: str, match: Match, reason: str, now: datetime) -> dict:
    return {
        "story": story,
        "watchlist": match.watchlist,
        "score": match.score,
        "threshold": match.threshold,
        "verdict": match.verdict,
        "reason": reason,
        "near_miss": match.near_miss,
        "veto": match.veto,
        "missing": json.dumps(match.missing, ensure_ascii=False),
        "hits": json.dumps([asdict(hit) for hit in match.hits], ensure_ascii=False),
        "decided_at": now,
    }


def _alert_row(alert) -> dict:
    return {
        "id": alert.id,
        "watchlist": alert.watchlist,
        "story": alert.story,
        "level": alert.level,
        "score": alert.score,
        "reason": alert.reason,
        "title": alert.title,
        "url": alert.url,
        "created_at": alert.created_at,
        "silence": alert.silence,
    }
