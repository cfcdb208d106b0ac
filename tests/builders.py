"""Records for tests, with sensible defaults: say only what the test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.core.normalise import normalise_entry
from monitor.model import (
    Alert,
    Delivery,
    Entry,
    Hit,
    Level,
    Match,
    Message,
    ParsedEntry,
    Pickup,
    Placed,
    Reason,
    Rule,
    Term,
    Told,
    Verdict,
    Waiting,
    Watchlist,
)

NOW = datetime(2026, 8, 18, 12, 0, tzinfo=UTC)


def ago(**span: float) -> datetime:
    """A moment before NOW: `ago(hours=3)`."""
    return NOW - timedelta(**span)


def entry(
    title: str = "Parliament passes the harbour bill after a night of debate",
    summary: str = "",
    body: str = "",
    *,
    feed: str = "gazette",
    outlet: str = "",
    guid: str = "",
    link: str = "",
    published_at: datetime | None = NOW - timedelta(hours=1),
    author: str = "",
    language: str | None = "en",
    shared_link: bool = False,
) -> Entry:
    """An entry as normalise makes it."""
    raw = ParsedEntry(
        guid=guid or f"{feed}:{title}",
        link=link or None,
        title=title,
        summary=summary,
        body=body,
        author=author,
        published_at=published_at,
    )
    return normalise_entry(
        raw, feed=feed, outlet=outlet or feed.title(), language=language, now=NOW, shared_link=shared_link
    )


def watchlist(id: str = "harbour", *words: str, threshold: float = 2, **more) -> Watchlist:
    """A watchlist of one term, weight 1, so that one hit in a headline scores 2."""
    terms = (Term(name="words", any=words or ("harbour",)),)
    return Watchlist(**{"id": id, "title": id.title(), "threshold": threshold, "terms": terms, **more})


def match(verdict: Verdict = Verdict.ALERT, *, watchlist: str = "harbour", score: float = 4.0, **more) -> Match:
    """What a watchlist said."""
    reason = Reason.BELOW_THRESHOLD if verdict is Verdict.SILENT else Reason.MATCHED
    hit = Hit(term="words", variant="harbour", field="title", quote="the harbour bill", points=score)
    return Match(**{"watchlist": watchlist, "score": score, "threshold": 2.0, "verdict": verdict, "reason": reason, "hits": (hit,), **more})


def alert(id: str = "a1", **more) -> Alert:
    """An alert."""
    values = {
        "id": id, "watchlist": "harbour", "watchlist_title": "Harbour", "story": "s1", "level": Level.NORMAL, "score": 4.0,
        "reason": Reason.MATCHED, "title": "Parliament passes the harbour bill", "url": "https://gazette.example/1", "created_at": NOW,
    }  # fmt: skip
    return Alert(**{**values, **more})


def pickup(title: str = "Parliament passes the harbour bill", *, feed: str = "gazette", **more) -> Pickup:
    """One outlet's copy."""
    values = {
        "entry": f"{feed}:{title}", "feed": feed, "outlet": feed.title(), "url": f"https://{feed}.example/1", "title": title,
        "published_at": NOW, "seen_at": NOW, "similarity": 100.0, "rule": Rule.SIMILAR,
    }  # fmt: skip
    return Pickup(**{**values, **more})


def told_as(alert: str = "a1", **more) -> Told:
    """An earlier alert."""
    return Told(**{"alert": alert, "watchlist": "harbour", "level": Level.NORMAL, "reason": Reason.MATCHED, **more})


def placed(**more) -> Placed:
    """A first message that a recipient has."""
    return Placed(**{"alert": "a1", "channel": "desk", "recipient": "", "message": message(), **more})


def waiting(delivery: str = "d1", **more) -> Waiting:
    """A message that nobody has tried yet."""
    values = {"delivery": delivery, "message": message(), "alert": "a1", "channel": "desk", "recipient": ""}
    return Waiting(**{**values, **more})


def message(**more) -> Message:
    """A rendered alert."""
    values = {
        "headline": "Harbour — Parliament passes the harbour bill (Gazette)", "title": "Parliament passes the harbour bill",
        "url": "https://gazette.example/1", "watchlist": "harbour", "watchlist_title": "Harbour", "level": Level.NORMAL,
        "outlet": "Gazette", "story": "s1", "thread": "a1",
    }  # fmt: skip
    return Message(**{**values, **more})


def delivery(id: str = "d1", channel: str = "desk", **more) -> Delivery:
    """A delivery that is due."""
    values = {
        "id": id, "alert": "a1", "channel": channel, "recipient": "", "message": message(), "created_at": NOW,
        "next_attempt_at": NOW,
    }  # fmt: skip
    return Delivery(**{**values, **more})
