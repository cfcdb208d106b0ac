"""The tables. Says how rows look; does not read or write them.

Rows are named by hashes (`entries.id`, `stories.id`, `alerts.id`, `deliveries.id`), so that every
insert can be `ON CONFLICT DO NOTHING` and doing the work twice is harmless. `entries.seq` is the short
number that the key table points at. Times are microseconds since 1970 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def as_number(moment: datetime) -> int:
    """A moment as its column holds it: microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def from_number(microseconds: int) -> datetime:
    """The moment that such a number means."""
    return EPOCH + timedelta(microseconds=microseconds)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC `datetime`, kept as an integer of microseconds so that it sorts and indexes alike everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else as_number(value)

    def process_result_value(self, value, dialect):
        return None if value is None else from_number(value)


# SQLite makes a rowid alias (and so a small, ever-growing number) of an INTEGER primary key only.
Sequence = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    Column("name", String, primary_key=True),
    Column("url", Text, nullable=False),
    Column("host", String, nullable=False),  # that last answered for it, behind all redirects; at first, of its address
    Column("title", Text),
    Column("configured", Boolean, nullable=False),  # False: history of a feed that is no longer polled
    Column("state", String, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", String),
    Column("seen_items", LargeBinary),  # hashes of what its last document held (core/familiar.py)
    Column("seeded_at", UtcTime),  # the first successful check
    Column("last_checked_at", UtcTime),
    Column("last_success_at", UtcTime),
    Column("last_changed_at", UtcTime),
    Column("next_check_at", UtcTime, nullable=False),
    Column("not_before", UtcTime),  # the server asked for this; even `poll --all` obeys
    Column("lease_until", UtcTime),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcTime),
    Column("last_error", Text),
    Column("entries", Integer, nullable=False),
    Column("possible_gaps", Integer, nullable=False),
    Column("claimed_at", UtcTime),  # when a check was last begun, whatever became of it
    Column("validators_url", Text),  # these fourteen: model.Habits
    Column("last_full_at", UtcTime),
    Column("equal_bodies", Integer, nullable=False),
    Column("ttl_seconds", Integer, nullable=False),
    Column("skip_hours", Integer, nullable=False),
    Column("quickened", Integer, nullable=False),
    Column("planned_seconds", Integer, nullable=False),
    Column("gone_answers", Integer, nullable=False),
    Column("gone_since", UtcTime),
    Column("redirect_to", Text),
    Column("redirects", Integer, nullable=False),
    Column("redirect_since", UtcTime),
    Column("moved_to", Text),
    Column("original_asked_at", UtcTime),
    Index("feeds_due", "next_check_at"),
)

oddities = Table(
    "oddities",
    metadata,
    Column("feed", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("since_at", UtcTime, nullable=False),
    Column("until_at", UtcTime),  # it has passed by itself then
    Column("count", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

sites = Table(
    "sites",
    metadata,
    Column("origin", String, primary_key=True),  # scheme, host and port
    Column("robots", Text),  # JSON of core.robots.Rules; null: not asked yet, or no answer
    Column("asked_at", UtcTime),  # for robots.txt
    Column("next_at", UtcTime, nullable=False),  # before it no page is fetched
    sqlite_with_rowid=False,
)

articles = Table(
    "articles",
    metadata,
    Column("story", String, primary_key=True),  # one page a story
    Column("entry", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("url", Text, nullable=False),
    Column("origin", String, nullable=False),
    Column("state", String, nullable=False),
    Column("wanted_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Index("articles_due", "state", "next_at"),
    Index("articles_entry", "entry"),
    sqlite_with_rowid=False,
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", String, primary_key=True),  # that asked for peace (429)
    Column("until", UtcTime, nullable=False),
    Column("times", Integer, nullable=False),  # in a row
)

entries = Table(
    "entries",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("feed", String, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("story", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("similarity", Float, nullable=False),
    Column("nearest", String),  # for a founder: the story most like it that was refused …
    Column("nearest_similarity", Float),
    Column("refused_because", Text),  # … and why
    Column("published_at", UtcTime),
    Column("seen_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("url_key", BigInteger),
    Column("title_key", BigInteger, nullable=False),
    Column("text_key", BigInteger),
    Column("language", String),
    Column("slug", String),
    Column("credit", String),
    Column("sketch", LargeBinary, nullable=False),
    # Wide columns stand last: SQLite then reads the narrow ones without touching overflow pages.
    Column("guid", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("entries_story", "story"),
    # An address finds an entry, or where there is none its headline: two indexes of which SQLite can mistake neither.
    # On PostgreSQL they have the same conditions, by the migration: to name that database here is to load it.
    Index("entries_url", "url_key", sqlite_where=text("url_key IS NOT NULL")),
    Index("entries_title", "title_key", sqlite_where=text("url_key IS NULL")),
    Index("entries_seen", "seen_at"),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("id", String, primary_key=True),  # of an entry that retention deleted
    Column("seen_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

dedup_keys = Table(
    "dedup_keys",
    metadata,
    Column("posting", Sequence, primary_key=True, autoincrement=False),  # level, key and entries.seq in one integer
)

versions = Table(
    "versions",
    metadata,
    Column("entry", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),  # 0: as it first came
    Column("replaced_at", UtcTime, nullable=False),
    Column("changed", Text, nullable=False),  # JSON list: what the next version says otherwise
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    sqlite_with_rowid=False,
)

merged_stories = Table(
    "merged_stories",
    metadata,
    Column("id", String, primary_key=True),  # of a story that turned out to be another's text
    Column("story", String, nullable=False),  # where its copies and alerts are now
    Column("merged_at", UtcTime, nullable=False),
    Index("merged_into", "story"),
    sqlite_with_rowid=False,
)

stories = Table(
    "stories",
    metadata,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("language", String),
    Column("credit", String),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("published_at", UtcTime),
    Column("updated_at", UtcTime, nullable=False),
    Column("pickups", Integer, nullable=False),
    Column("related", String),  # another text on the same event
    Column("lead_entry", String, nullable=False),  # the copy that brought the longest summary
    Column("lead_length", Integer, nullable=False),
    Column("body_entry", String, nullable=False),  # the copy that brought the longest body
    Column("body_length", Integer, nullable=False),
    Index("stories_seen", "first_seen_at"),
    Index("stories_related", "related"),
)

matches = Table(
    "matches",
    metadata,
    Column("story", String, primary_key=True),
    Column("watchlist", String, primary_key=True),
    Column("score", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("verdict", String, nullable=False),
    Column("reason", String, nullable=False),  # what was decided in the end
    Column("near_miss", Boolean, nullable=False),
    Column("veto", Text),
    Column("missing", Text, nullable=False),  # JSON list
    Column("hits", Text, nullable=False),  # JSON list
    Column("decided_at", UtcTime, nullable=False),
    Index("matches_watchlist", "watchlist", "decided_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("watchlist", String, nullable=False),
    Column("story", String, nullable=False),
    Column("level", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("reason", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("silence", String),  # that kept it back
    Index("alerts_story", "story"),
    Index("alerts_created", "created_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("alert", String, primary_key=True),
    Column("watchlist", String, nullable=False),  # both stay when the alert is deleted
    Column("story", String, nullable=False),
    Column("verdict", String, nullable=False),  # good or noise
    Column("noted_at", UtcTime, nullable=False),
    Index("feedback_watchlist", "watchlist", "noted_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("alert", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("level", String, nullable=False),
    Column("mark", String, nullable=False),
    Column("watchlist", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("hold", String),  # why it is kept back until next_attempt_at
    Column("doubt", Boolean, nullable=False),  # an attempt may have been accepted
    Column("merged_into", String),  # the digest (a delivery) in which it goes
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("next_attempt_at", UtcTime, nullable=False),
    Column("first_attempt_at", UtcTime),
    Column("lease_until", UtcTime),
    Column("sent_at", UtcTime),
    Column("remote_id", Text),
    Column("error", Text),
    Column("plain", Boolean, nullable=False),  # the plainest form is being tried
    Column("message", Text, nullable=False),  # JSON of model.Message
    Index("deliveries_due", "state", "channel", "next_attempt_at"),
    Index("deliveries_depth", "state", "kind", "channel"),  # counted at every look at health and metrics
    Index("deliveries_alert", "alert"),
    Index("deliveries_merged", "merged_into"),
)

channels = Table(
    "channels",
    metadata,
    Column("name", String, primary_key=True),
    Column("recipient", Text, primary_key=True),  # "*": all of them
    Column("paused_until", UtcTime),  # 429, or suspended and probed again then
    Column("suspended", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),  # attempts in a row that failed
    Column("failing_since", UtcTime),
    Column("last_error", Text),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String, primary_key=True),
    Column("watchlist", String),
    Column("story", String),
    Column("feed", String),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("until_new_fact", Boolean, nullable=False),
    Column("comment", Text, nullable=False),
)
