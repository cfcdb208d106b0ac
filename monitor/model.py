"""The records that travel between rooms, and their closed vocabularies.

Says what things are; does nothing. All records are frozen, slotted and keyword-only (record.py says how); collections
are tuples; every time is an aware UTC `datetime`, every span a `timedelta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, time, timedelta
from enum import StrEnum

from monitor.record import record

RETRACTIONS = frozenset({"kill", "withdrawn"})  # marks of messages that take a story back
IMPERATIVE = RETRACTIONS | {"correction"}  # … or correct it: nothing holds them back, nothing overtakes them
JOINERS = ("\u200c", "\u200d")  # zero width: spelling in Persian and in emoji, nothing to compare by
NEAR_MISS = 0.7  # of the threshold: what comes so near is kept, also where it stays silent
NEAR_ENOUGH = 0.5  # of the threshold: so near, the page behind a link may decide
FIRST_WORDS = 80  # characters of a text that stand for the title which it has not
POSTINGS = 32  # entries looked at behind one blocking key: the newest


# ── vocabularies ─────────────────────────────────────────────────────────────────────────────────


class Rule(StrEnum):
    """Why an entry belongs to its story."""

    FOUNDER = "founder"
    SAME_URL = "same_url"
    SAME_TITLE = "same_title"
    SAME_TEXT = "same_text"
    SIMILAR = "similar"


class Notice(StrEnum):
    """What a desk says of a story it sent before: an event on the story, not a story of its own."""

    CORRECTION = "correction"
    KILL = "kill"
    WITHDRAWAL = "withdrawal"


class Level(StrEnum):
    """How loudly an alert speaks."""

    NORMAL = "normal"
    URGENT = "urgent"


class Verdict(StrEnum):
    """What a watchlist says of a story."""

    ALERT = "alert"
    URGENT = "urgent"
    SILENT = "silent"


class Reason(StrEnum):
    """Why an alert was sent, or why it was not. A "no" has a reason too.

    Every value is documented in docs/operations.md.
    """

    # yes
    MATCHED = "matched"
    BECAME_URGENT = "became_urgent"
    # yes, again: an update of a story that was told before
    PICKED_UP = "picked_up"
    TIER_ONE = "tier_one"
    NEW_FIGURE = "new_figure"
    CORRECTED = "corrected"
    KILLED = "killed"
    WITHDRAWN = "withdrawn"
    # no, said by the watchlist
    OUT_OF_SCOPE = "out_of_scope"
    VETOED = "vetoed"
    REQUIRED_ABSENT = "required_absent"
    BELOW_THRESHOLD = "below_threshold"
    # no, said by the history and the clock
    TOO_OLD = "too_old"
    BACKLOG = "backlog"
    ARCHIVED = "archived"
    ALREADY_ALERTED = "already_alerted"
    RETRACTED = "retracted"
    QUARANTINED = "quarantined"
    SILENCED = "silenced"
    FEED_SILENCED = "feed_silenced"
    SHADOW = "shadow"


class Feedback(StrEnum):
    """What a person says of an alert."""

    GOOD = "good"
    NOISE = "noise"


class FeedStatus(StrEnum):
    """Health of a feed, as `wirewatch feeds` shows it."""

    NEW = "new"
    OK = "ok"
    FAILING = "failing"
    THROTTLED = "throttled"
    GONE = "gone"
    QUARANTINED = "quarantined"


class OddityKind(StrEnum):
    """What may be odd about a feed that is otherwise well; documented in docs/operations.md."""

    UNSTABLE_GUIDS = "unstable_guids"  # new ones at every build: told apart by address
    QUARANTINE = "quarantine"  # much of it suddenly looked new: kept, not alerted
    OTHER_PUBLICATION = "other_publication"  # something else is under its address
    SET_ASIDE = "set_aside"  # a document that reading does not survive
    TRUNCATED = "truncated"  # entries beyond the limit were left out
    PAGES_ELSEWHERE = "pages_elsewhere"  # its links lead to a domain that is not its own


class ArticleStatus(StrEnum):
    """Where the reading of a story's page stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # by robots.txt, or by our own rules


class DeliveryStatus(StrEnum):
    """Where one delivery stands."""

    HELD = "held"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"
    MERGED = "merged"


class HoldReason(StrEnum):
    """Why a delivery does not go yet although nothing is wrong with it."""

    QUIET_HOURS = "quiet_hours"
    DIGEST = "digest"  # the channel collects until its times of day
    RATE_CAP = "rate_cap"  # the watchlist had its single alerts of this hour
    CATCH_UP = "catch_up"  # missed during an outage; all of it goes together
    BACKLOG = "backlog"  # too many to go one by one; they follow each other as digests
    AMBIGUOUS = "ambiguous"  # it may have arrived, and the channel prefers asking to resending


class DeliveryKind(StrEnum):
    """What a delivery is for."""

    ALERT = "alert"  # a message of its own; an update of a story goes into the thread of its first
    EDIT = "edit"  # the first message, rewritten in place
    DIGEST = "digest"  # several alerts in one message
    NOTICE = "notice"  # what concerns the daemon itself, for the operator


# ── feeds and what comes from them ───────────────────────────────────────────────────────────────


@record
class Feed:
    """A feed as the operator configured it."""

    name: str
    url: str
    outlet: str | None = None
    tier: int = 2
    language: str | None = None
    tags: tuple[str, ...] = ()
    interval: timedelta = timedelta(minutes=30)
    article_domains: tuple[str, ...] = ()  # beside its own, from which linked pages are read
    own_interval: bool = False  # the operator set it for this very feed: only its server slows it down
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold secrets


@record
class Validators:
    """What a server gave us for the next conditional request; echoed byte-exact, never parsed.

    One letter stands for one byte (Latin-1), so that a value in any encoding goes back as it came."""

    etag: str | None = None
    last_modified: str | None = None


@record
class Fetched:
    """A whole, decoded answer to a GET."""

    url: str  # after redirects
    status: int
    body: bytes
    content_type: str | None = None
    validators: Validators = Validators()
    max_age: timedelta | None = None
    moved_to: str | None = None  # where permanent redirects alone (301, 308) lead


@record
class NotModified:
    """304: nothing new. Validators are those the answer itself brought, if any."""

    url: str
    validators: Validators = Validators()
    max_age: timedelta | None = None
    moved_to: str | None = None  # where permanent redirects alone (301, 308) lead


@record
class Oddity:
    """Something odd about a feed, and since when."""

    kind: OddityKind
    since_at: datetime
    until_at: datetime | None = None  # it has passed by itself then
    count: int = 0  # how much, or how often
    detail: str = ""


@record
class Habits:
    """What a feed's answers so far say of how to ask it next; core/habits.py keeps it."""

    validators_url: str | None = None  # the address that gave the validators
    last_full_at: datetime | None = None  # of the last whole document, not 304
    equal_bodies: int = 0  # whole documents in a row that were the same, from a server that gives no validators
    ttl_seconds: int = 0  # what the document itself asks (ttl, sy:updatePeriod)
    skip_hours: int = 0  # its skipHours (UTC): bit n is the hour n
    quickened: int = 0  # how often its interval is halved, because it rolls over
    planned_seconds: int = 0  # from the last good check to the next one
    gone_answers: int = 0  # 410 in a row
    gone_since: datetime | None = None
    redirect_to: str | None = None  # where permanent redirects led at the last checks
    redirects: int = 0
    redirect_since: datetime | None = None
    moved_to: str | None = None  # that was confirmed: this address is asked instead of the configured one
    original_asked_at: datetime | None = None  # when the configured address was last asked, once it had moved


@record
class Ask:
    """What to ask for at one check of a feed."""

    url: str | None = None  # None: the configured address
    validators: Validators = Validators()
    validators_url: str | None = None


@record
class HostHold:
    """A host that asked for peace (429)."""

    host: str
    until: datetime
    times: int  # in a row


@record
class FeedState:
    """What the database knows of a feed."""

    name: str
    url: str = ""  # as it was when the check was claimed
    host: str = ""  # whose turns its checks wait for, with its port: behind the redirects of the last answer
    state: FeedStatus = FeedStatus.NEW
    validators: Validators = Validators()
    body_hash: str | None = None
    seeded_at: datetime | None = None  # the first successful check; None: everything in it is backlog
    last_success_at: datetime | None = None
    next_check_at: datetime
    not_before: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    last_changed_at: datetime | None = None  # something new was in it
    possible_gaps: int = 0
    habits: Habits = Habits()
    title: str | None = None  # as its last document had it
    seen_items: bytes | None = None  # what was in it (core/familiar.py)
    oddities: tuple[Oddity, ...] = ()

    def odd(self, kind: OddityKind) -> Oddity | None:
        """What is odd about it in this way, or None."""
        return next((oddity for oddity in self.oddities if oddity.kind is kind), None)


@record
class ParsedEntry:
    """One item as the feed wrote it. Text fields may still hold HTML; `title_is_text` and its
    siblings say when the feed declared plain text, where `<` is a letter and not a tag."""

    guid: str | None = None
    link: str | None = None
    title: str = ""
    summary: str = ""
    body: str = ""
    author: str = ""
    outlet: str = ""  # whose it is, where the document says so
    published_at: datetime | None = None
    updated_at: datetime | None = None
    language: str | None = None
    title_is_text: bool = False
    summary_is_text: bool = False
    body_is_text: bool = False


@record
class ParsedFeed:
    """A feed document, read."""

    parser: str  # "lxml", "feedparser" or "json"
    title: str = ""
    link: str | None = None
    language: str | None = None
    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()  # UTC
    entries: tuple[ParsedEntry, ...] = ()
    truncated: int = 0  # entries beyond the limit, counted and left out
    cut_short: bool = False  # it ends before its root element does: there may be more of it


@record
class Sketch:
    """What one text is compared by: its words and small integers (made in core/sketch.py)."""

    words: tuple[str, ...] = ()  # folded words of the headline, in order
    names: frozenset[str] = frozenset()  # those of them that are names: capitals in a sentence-case headline, countries
    numbers: frozenset[str] = frozenset()  # numbers in the headline
    days: frozenset[str] = frozenset()  # weekdays and dates in the headline
    lead: frozenset[int] = frozenset()  # hashes of word 3-shingles of the first 60 words
    body: frozenset[int] = frozenset()  # sampled hashes of the body's; empty where the body is not trusted
    live: bool = False  # a live page, rewritten all day


@record
class Entry:
    """One item, normalised: plain text once decoded, UTC, a stable id and folded keys."""

    id: str  # hash(feed, identity)
    feed: str
    outlet: str
    guid: str
    url: str
    title: str  # as published
    headline: str = ""  # the title without wire slug and outlet suffix
    summary: str = ""
    body: str = ""
    author: str = ""
    language: str | None = None
    published_at: datetime | None = None
    slug: str | None = None  # "UPDATE 2", "CORRECTED", "KILL" …
    credit: str | None = None  # the wire agency, where one is named
    url_key: int | None = None  # None where the address does not identify the item
    title_key: int = 0
    text_key: int | None = None
    content_hash: str = ""  # of what the feed said; a change means an edit
    sketch: Sketch = Sketch()
    keys: tuple[int, ...] = ()  # blocking keys, below 2**32

    @property
    def called(self) -> str:
        """What it goes by in lists and messages: its title, or else the first words of its text, or its address."""
        if self.title:
            return self.title
        first = (self.summary or self.body).partition("\n")[0]
        if len(first) > FIRST_WORDS:
            first = (first[:FIRST_WORDS].rpartition(" ")[0] or first[:FIRST_WORDS]) + " …"
        return first or self.url


# ── stories ──────────────────────────────────────────────────────────────────────────────────────


@record
class Candidate:
    """An earlier entry that might be the same text."""

    number: int  # grows with every entry
    entry: str
    story: str
    outlet: str
    published_at: datetime | None
    seen_at: datetime
    url_key: int | None
    title_key: int
    text_key: int | None
    sketch: Sketch


@record
class Pickup:
    """One outlet's copy of a story."""

    entry: str
    feed: str
    outlet: str
    url: str
    title: str
    published_at: datetime | None
    seen_at: datetime
    similarity: float
    rule: Rule
    credit: str | None = None
    slug: str | None = None


@record
class Version:
    """What an entry said before an edit, and what the edit changed."""

    replaced_at: datetime
    changed: tuple[str, ...]  # of title, summary, body, and figures of the headline
    title: str
    summary: str = ""


@record
class Wanted:
    """A story's page that is to be read."""

    story: str
    entry: str
    feed: str
    url: str
    origin: str  # scheme, host and port
    attempts: int = 0


@record
class Relative:
    """A story on the same event in other words, and whose words they are: an agency's, else the first outlet's."""

    story: str
    title: str
    source: str


@record
class Assignment:
    """Which story an entry belongs to, how similar it is and by which rule; `nearest` is the
    closest story that was refused, with the reason."""

    story: str
    similarity: float = 100.0
    rule: Rule = Rule.FOUNDER
    nearest: str | None = None
    nearest_similarity: float = 0.0
    refused_because: str | None = None
    related: str | None = None  # for a founder: a story that tells of the same event in other words
    merges: tuple[str, ...] = ()  # stories that this entry shows to be the same text as `story`


@record
class Snapshot:
    """What the database knows that might be the same text as some new entries."""

    candidates: tuple[Candidate, ...] = ()
    near: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()  # entry → weight and number of its candidates


@record
class Told:
    """An alert that was decided about a story earlier."""

    alert: str
    watchlist: str
    level: Level
    reason: Reason


@record
class Waiting:
    """A delivery that certainly has not arrived, so its message may still tell of more copies, or be taken back."""

    delivery: str
    message: Message
    alert: str = ""
    channel: str = ""
    recipient: str = ""
    kind: DeliveryKind = DeliveryKind.ALERT


@record
class Placed:
    """A message on a story that a recipient has, or may have: what corrections go after and edits rewrite."""

    alert: str
    channel: str
    recipient: str
    message: Message
    editable: bool = True  # False: it stands in a digest
    revision: int = 0  # of its newest edit


@record
class Standing:
    """Where a story stands before a new copy of it (or an edit) is judged."""

    story: str
    first_seen_at: datetime
    pickups: tuple[Pickup, ...] = ()
    lead: str = ""  # the longest summary that a copy brought
    body: str = ""  # the longest body
    alerted: tuple[Told, ...] = ()  # oldest first
    waiting: tuple[Waiting, ...] = ()
    placed: tuple[Placed, ...] = ()


@record
class StoryText:
    """What a watchlist searches: the best text that any copy of the story brought."""

    title: str
    lead: str = ""  # the summary, or the first paragraph where there is none
    body: str = ""
    language: str | None = None
    published_at: datetime | None = None


@record
class Origin:
    """What a watchlist's scope may ask about a feed."""

    feed: str
    tags: tuple[str, ...] = ()
    tier: int = 2


# ── watchlists and what they say ─────────────────────────────────────────────────────────────────


@record
class Near:
    """This term counts only near another one."""

    term: str
    words: int | None = None
    sentence: bool = False
    ordered: bool = False


@record
class Term:
    """One line of evidence."""

    name: str
    any: tuple[str, ...]  # variants, groups already inserted
    weight: float = 1.0
    required: bool = False
    fields: tuple[str, ...] = ()  # of title, lead, body; empty: all
    fuzzy: float | None = None  # 0–100
    at_least: int = 1
    exact_case: bool = False
    near: Near | None = None


@record
class Veto:
    """Words that silence a story."""

    any: tuple[str, ...]
    fields: tuple[str, ...] = ()
    exact_case: bool = False
    near: Near | None = None


@record
class Scope:
    """Hard gates, tried first."""

    languages: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    not_feeds: tuple[str, ...] = ()
    max_tier: int | None = None


@record
class SelfTest:
    """An inline test of a watchlist."""

    title: str
    lead: str = ""
    body: str = ""
    language: str | None = None
    expect: Verdict = Verdict.ALERT
    line: int = 0


@record
class Watchlist:
    """A topic that somebody watches; its id is the stem of its file."""

    id: str
    title: str
    threshold: float
    urgent: float | None = None
    max_age: timedelta | None = None
    shadow: bool = False
    tags: tuple[str, ...] = ()
    scope: Scope = Scope()
    field_factors: tuple[float, float, float] = (2.0, 1.5, 1.0)  # title, lead, body
    terms: tuple[Term, ...] = ()
    query: str | None = None  # in the place of terms
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()  # that the query may name; in terms they are inserted already
    vetoes: tuple[Veto, ...] = ()
    tests: tuple[SelfTest, ...] = ()
    backfill: timedelta | None = None  # a new or changed watchlist also alerts on archived stories this young
    update_pickups: tuple[int, ...] = ()  # numbers of copies at which an update is sent


@record
class Hit:
    """One term found: the best place it was found at."""

    term: str
    variant: str
    field: str  # title, lead or body
    quote: str  # the words around it, as written
    points: float
    start: int = 0  # of the matched words in the field's text, in characters
    end: int = 0


@record
class Match:
    """What one watchlist says of one story, and why."""

    watchlist: str
    score: float
    threshold: float
    verdict: Verdict
    reason: Reason
    hits: tuple[Hit, ...] = ()
    missing: tuple[str, ...] = ()
    veto: str | None = None

    @property
    def level(self) -> Level | None:
        """The alert level this verdict asks for, or None where it is silent."""
        return {Verdict.ALERT: Level.NORMAL, Verdict.URGENT: Level.URGENT}.get(self.verdict)

    @property
    def near_miss(self) -> bool:
        """Whether nothing but the score was wanting, and of that at most 30 %."""
        return self.reason is Reason.BELOW_THRESHOLD and self.score >= NEAR_MISS * self.threshold


# ── alerts and deliveries ────────────────────────────────────────────────────────────────────────


@record
class Channel:
    """Where alerts can go, as the dispatcher needs to know it; never holds a secret."""

    name: str
    recipients: tuple[str, ...] = ("",)  # one delivery each; "" where the channel has just one
    min_level: Level = Level.NORMAL
    operator: bool = False
    quiet: tuple[time, time] | None = None  # from, to; local time of the operator's zone
    quiet_passes: Level | None = Level.URGENT  # the least loud that passes; None: nothing does
    digest: tuple[time, ...] = ()  # local times at which what was collected goes as one
    holds_doubt: bool = False  # what may have arrived is not sent again by itself
    edits: bool = False  # a sent message can be rewritten in place


@record
class Hold:
    """Until when a delivery is kept back, and why."""

    reason: HoldReason
    until: datetime


@record
class Silence:
    """Alerts that somebody does not want for a while: of a watchlist, of a story or of a feed."""

    id: str
    watchlist: str | None = None
    story: str | None = None
    feed: str | None = None
    starts_at: datetime
    ends_at: datetime
    until_new_fact: bool = False  # what is new about a story passes
    comment: str = ""


@record
class Route:
    """Which watchlists and levels go to which channels."""

    channels: tuple[str, ...]
    watchlists: tuple[str, ...] = ("*",)
    min_level: Level = Level.NORMAL
    group_wait: timedelta = timedelta(seconds=60)
    continues: bool = False


@record
class Alert:
    """A decision to tell people of a story."""

    id: str  # hash(watchlist, story, occasion)
    watchlist: str
    watchlist_title: str
    story: str
    level: Level
    score: float
    reason: Reason
    title: str
    url: str
    created_at: datetime
    silence: str | None = None  # that kept it back


@record
class Decision:
    """What was decided about one match, and why; `alert` is None for a no."""

    match: Match
    reason: Reason
    alert: Alert | None = None
    again: bool = False  # an update of what was told before; what was decided the first time stays on record


@record
class Message:
    """A rendered alert, in plain data that each sender turns into its channel's form.

    All strings are already clean: no control or bidirectional characters, bounded lengths.
    """

    headline: str  # the one line that decides: "[urgent] Watchlist — headline (outlet, 3 copies)"
    mark: str = ""  # "update", "correction", "kill", "withdrawn", "digest", "operator"; "" for a first alert
    news: str = ""  # what an update brings, as a sentence
    title: str
    url: str
    watchlist: str
    watchlist_title: str
    level: Level
    outlet: str = ""
    credit: str | None = None
    published: str = ""  # in the reader's zone
    lead: str = ""
    why: tuple[str, ...] = ()
    spread: str = ""  # "4 outlets, first: Harbour Gazette"
    story: str = ""
    thread: str = ""  # id of the story's first alert for this watchlist
    story_link: str = ""  # on our status page, where base_url is set
    feedback_link: str = ""  # … with /good or /noise behind it: signed, for whoever has the message


@record
class Delivery:
    """One message for one recipient of one channel."""

    id: str  # hash(alert, channel, recipient, revision)
    alert: str
    channel: str
    recipient: str
    revision: int = 0
    message: Message
    state: DeliveryStatus = DeliveryStatus.QUEUED
    attempts: int = 0
    created_at: datetime
    next_attempt_at: datetime
    first_attempt_at: datetime | None = None
    plain: bool = False  # the plainest form is being tried
    kind: DeliveryKind = DeliveryKind.ALERT
    hold: HoldReason | None = None
    score: float = 0.0
    doubt: bool = False  # an earlier attempt may have been accepted
    replaces: str | None = None  # an edit: the server's id of the message that is rewritten
    thread_root: str | None = None  # an update: the server's id of the story's first message on this channel


@record
class Sent:
    """The server accepted a delivery."""

    remote_id: str | None = None
    answer: str = ""  # what the server said, for test-channel; never a secret


@record
class Judged:
    """All that follows from one entry: what to save, whom to tell."""

    entry: Entry
    assignment: Assignment
    decisions: tuple[Decision, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    rewritten: tuple[Waiting, ...] = ()  # messages that wait and now tell of one more copy
    cancelled: frozenset[str] = frozenset()  # deliveries that wait and must not go: killed, or told more loudly
    lead_grew: bool = False  # this copy brought the longest summary so far
    body_grew: bool = False
    is_edit: bool = False
    near: bool = False  # a watchlist was silent that the page behind the link might change

    @property
    def alerts(self) -> int:
        """How many alerts it led to."""
        return sum(decision.alert is not None for decision in self.decisions)


# ── facts that services return and app.py says aloud ─────────────────────────────────────────────


@record
class FeedChecked:
    """One feed was checked."""

    feed: str
    outcome: str  # "fresh", "not_modified", "held" (not asked: its host wants peace), "failed"
    entries: int = 0
    new: int = 0
    pickups: int = 0
    alerts: int = 0
    error: str | None = None
    note: str | None = None  # what else became known of its server
    decisions: Mapping[str, int] = field(default_factory=dict)  # how many of each reason
    delays: tuple[float, ...] = ()  # of each first alert: seconds since the entry was published


@record
class NetworkChanged:
    """Nobody at all can be reached any more, or somebody can be again."""

    reachable: bool
    since: datetime  # when the network went down


@record
class ArticleRead:
    """The page behind a story's link was read, or not."""

    feed: str
    story: str
    url: str
    outcome: str  # "read", "no_more" (than the feed says), "again" (tried later), "failed", "refused"
    alerts: int = 0
    error: str | None = None


@record
class Attempted:
    """One delivery was attempted."""

    delivery: str
    alert: str
    channel: str
    outcome: str  # delivered, retry, plain (once more, in its plainest form), dead, suspended, held, stopped
    attempts: int = 0
    error: str | None = None
    says: str | None = None  # of an acceptance that was not simply one
    waited: float | None = None  # of an alert that was delivered by itself: seconds since it was decided


@record
class Reloaded:
    """Configuration or watchlists were read again; on failure the old ones stay in force."""

    ok: bool
    watchlists: int = 0
    problems: tuple[str, ...] = ()


@record
class Backfilled:
    """New or changed watchlists looked back into the archive, as they ask."""

    watchlists: tuple[str, ...] = ()
    stories: int = 0
    alerts: int = 0


@record
class Swept:
    """Old rows were deleted; their fingerprints stay."""

    entries: int = 0
    stories: int = 0
    deliveries: int = 0
