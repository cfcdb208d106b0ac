"""First schema: feeds, entries and stories, matches, alerts and deliveries.

Frozen: a migration never imports store/schema.py, which moves on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Time = sa.BigInteger()
Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("configured", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("body_hash", sa.String()),
        sa.Column("seen_items", sa.LargeBinary()),
        sa.Column("seeded_at", Time),
        sa.Column("last_checked_at", Time),
        sa.Column("last_success_at", Time),
        sa.Column("last_changed_at", Time),
        sa.Column("next_check_at", Time, nullable=False),
        sa.Column("not_before", Time),
        sa.Column("lease_until", Time),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", Time),
        sa.Column("last_error", sa.Text()),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("possible_gaps", sa.Integer(), nullable=False),
        sa.Column("claimed_at", Time),
        sa.Column("validators_url", sa.Text()),
        sa.Column("last_full_at", Time),
        sa.Column("equal_bodies", sa.Integer(), nullable=False),
        sa.Column("ttl_seconds", sa.Integer(), nullable=False),
        sa.Column("skip_hours", sa.Integer(), nullable=False),
        sa.Column("quickened", sa.Integer(), nullable=False),
        sa.Column("planned_seconds", sa.Integer(), nullable=False),
        sa.Column("gone_answers", sa.Integer(), nullable=False),
        sa.Column("gone_since", Time),
        sa.Column("redirect_to", sa.Text()),
        sa.Column("redirects", sa.Integer(), nullable=False),
        sa.Column("redirect_since", Time),
        sa.Column("moved_to", sa.Text()),
        sa.Column("original_asked_at", Time),
    )
    op.create_index("feeds_due", "feeds", ["next_check_at"])
    op.create_table(
        "oddities",
        sa.Column("feed", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("since_at", Time, nullable=False),
        sa.Column("until_at", Time),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sites",
        sa.Column("origin", sa.String(), primary_key=True),
        sa.Column("robots", sa.Text()),
        sa.Column("asked_at", Time),
        sa.Column("next_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "articles",
        sa.Column("story", sa.String(), primary_key=True),
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("wanted_at", Time, nullable=False),
        sa.Column("next_at", Time, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("articles_due", "articles", ["state", "next_at"])
    op.create_index("articles_entry", "articles", ["entry"])
    op.create_table(
        "hosts",
        sa.Column("host", sa.String(), primary_key=True),
        sa.Column("until", Time, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("outlet", sa.Text(), nullable=False),
        sa.Column("story", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("nearest", sa.String()),
        sa.Column("nearest_similarity", sa.Float()),
        sa.Column("refused_because", sa.Text()),
        sa.Column("published_at", Time),
        sa.Column("seen_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("url_key", sa.BigInteger()),
        sa.Column("title_key", sa.BigInteger(), nullable=False),
        sa.Column("text_key", sa.BigInteger()),
        sa.Column("language", sa.String()),
        sa.Column("slug", sa.String()),
        sa.Column("credit", sa.String()),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("guid", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("entries_seen", "entries", ["seen_at"])
    op.create_index("entries_story", "entries", ["story"])
    address = sa.text("url_key IS NOT NULL")
    op.create_index("entries_url", "entries", ["url_key"], sqlite_where=address, postgresql_where=address)
    no_address = sa.text("url_key IS NULL")
    op.create_index("entries_title", "entries", ["title_key"], sqlite_where=no_address, postgresql_where=no_address)
    op.create_table(
        "fingerprints",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("seen_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dedup_keys",
        sa.Column("posting", Sequence, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "versions",
        sa.Column("entry", sa.String(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("replaced_at", Time, nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "merged_stories",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("story", sa.String(), nullable=False),
        sa.Column("merged_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("merged_into", "merged_stories", ["story"])
    op.create_table(
        "stories",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("language", sa.String()),
        sa.Column("credit", sa.String()),
        sa.Column("first_seen_at", Time, nullable=False),
        sa.Column("published_at", Time),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("pickups", sa.Integer(), nullable=False),
        sa.Column("related", sa.String()),
        sa.Column("lead_entry", sa.String(), nullable=False),
        sa.Column("lead_length", sa.Integer(), nullable=False),
        sa.Column("body_entry", sa.String(), nullable=False),
        sa.Column("body_length", sa.Integer(), nullable=False),
    )
    op.create_index("stories_seen", "stories", ["first_seen_at"])
    op.create_index("stories_related", "stories", ["related"])
    op.create_table(
        "matches",
        sa.Column("story", sa.String(), primary_key=True),
        sa.Column("watchlist", sa.String(), primary_key=True),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("near_miss", sa.Boolean(), nullable=False),
        sa.Column("veto", sa.Text()),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("hits", sa.Text(), nullable=False),
        sa.Column("decided_at", Time, nullable=False),
    )
    op.create_index("matches_watchlist", "matches", ["watchlist", "decided_at"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("watchlist", sa.String(), nullable=False),
        sa.Column("story", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("silence", sa.String()),
    )
    op.create_index("alerts_created", "alerts", ["created_at"])
    op.create_index("alerts_story", "alerts", ["story"])
    op.create_table(
        "feedback",
        sa.Column("alert", sa.String(), primary_key=True),
        sa.Column("watchlist", sa.String(), nullable=False),
        sa.Column("story", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("noted_at", Time, nullable=False),
    )
    op.create_index("feedback_watchlist", "feedback", ["watchlist", "noted_at"])
    op.create_table(
        "deliveries",
        sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("watchlist", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("hold", sa.String()),
        sa.Column("doubt", sa.Boolean(), nullable=False),
        sa.Column("merged_into", sa.String()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("next_attempt_at", Time, nullable=False),
        sa.Column("first_attempt_at", Time),
        sa.Column("lease_until", Time),
        sa.Column("sent_at", Time),
        sa.Column("remote_id", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("plain", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("deliveries_alert", "deliveries", ["alert"])
    op.create_index("deliveries_depth", "deliveries", ["state", "kind", "channel"])
    op.create_index("deliveries_merged", "deliveries", ["merged_into"])
    op.create_index("deliveries_due", "deliveries", ["state", "channel", "next_attempt_at"])
    op.create_table(
        "channels",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("recipient", sa.Text(), primary_key=True),
        sa.Column("paused_until", Time),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", Time),
        sa.Column("last_error", sa.Text()),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("watchlist", sa.String()),
        sa.Column("story", sa.String()),
        sa.Column("feed", sa.String()),
        sa.Column("starts_at", Time, nullable=False),
        sa.Column("ends_at", Time, nullable=False),
        sa.Column("until_new_fact", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
    )
