"""Every Prometheus series, declared once. Does not decide when to count: `app.py` does, where it says a fact.

Each instance has a registry of its own, so that two applications in one process count apart. What each series means and
which alarm to set on it stands in docs/operations.md; docs/monitoring/ has rules and a dashboard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from monitor.model import ArticleRead, Attempted, FeedChecked, Reloaded

OF_WRITES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
OF_CHECKS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
OF_NEWS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
disable_created_metrics()  # a second series beside each counter, which nobody reads
WAITING = ("queued", "sending", "held")


class Metrics:
    """The series of one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # process_resident_memory_bytes, process_open_fds, …

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"wirewatch_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"wirewatch_{name}", says, labels, registry=registry)

        def seconds(name: str, says: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"wirewatch_{name}_seconds", says, buckets=buckets, registry=registry)

        self.build = Info("wirewatch_build", "The version that runs.", registry=registry)
        # feeds
        self.checks = counter("checks_total", "Feeds checked.", "outcome")
        self.fetching = seconds("check", "How long fetching a feed took, with the wait for its host's turn.", OF_CHECKS)
        self.feeds = gauge("feeds", "Configured feeds in each state.", "state")
        self.feed_success = gauge("feed_last_success_timestamp_seconds", "When a feed was last read.", "feed")
        self.gaps = gauge("possible_gaps", "Times that items of feeds may have been missed.")
        # stories
        self.entries = counter("entries_total", "New entries.")
        self.stories = counter("stories_total", "New stories.")
        self.copies = counter("copies_total", "New entries that were copies of known stories.")
        self.decisions = counter("decisions_total", "What was decided about a story for a watchlist.", "reason")
        self.alerts = counter("alerts_total", "Alerts decided.")
        self.pages = counter("pages_total", "Pages of stories that were to be read.", "outcome")
        self.publish_to_alert = seconds("publish_to_alert", "From an entry's date to the decision to alert.", OF_NEWS)
        # deliveries
        self.attempts = counter("attempts_total", "Attempts to deliver.", "channel", "outcome")
        self.outbox = gauge("outbox_deliveries", "Deliveries in each state.", "state")
        self.oldest = gauge("outbox_oldest_seconds", "Age of the oldest delivery that should have gone.")
        self.seen_to_delivered = seconds("seen_to_delivered", "From the decision to the server's yes.", OF_NEWS)
        self.channel_success = gauge(
            "channel_last_success_timestamp_seconds", "When a channel last took a message.", "channel"
        )
        self.suspended = gauge("channels_suspended", "Recipients of channels that are suspended.")
        # the daemon itself
        self.writing = seconds("write", "How long write transactions took, with the wait for the lock.", OF_WRITES)
        self.reload_ok = gauge("reload_ok", "1 where the last reload was accepted, else 0.")
        self.reload_at = gauge("reload_success_timestamp_seconds", "When configuration was last accepted.")
        self.tick_age = gauge("tick_age_seconds", "Since this part last got something done.", "part")
        self.failed_ticks = counter("failed_ticks_total", "Periodic jobs that failed.", "tick")

    def checked(self, fact: FeedChecked) -> None:
        """Count a feed that was checked."""
        self.checks.labels(fact.outcome).inc()
        self.entries.inc(fact.new)
        self.copies.inc(fact.pickups)
        self.stories.inc(fact.new - fact.pickups)
        self.alerts.inc(fact.alerts)
        for reason, count in fact.decisions.items():
            self.decisions.labels(reason).inc(count)
        for delay in fact.delays:
            self.publish_to_alert.observe(delay)

    def read(self, fact: ArticleRead) -> None:
        """Count a story's page, and what it led to."""
        self.pages.labels(fact.outcome).inc()
        self.alerts.inc(fact.alerts)

    def attempted(self, fact: Attempted, at: float) -> None:
        """Count an attempt to deliver; `at` is now, in seconds since 1970."""
        self.attempts.labels(fact.channel, fact.outcome).inc()
        if fact.outcome == "delivered":
            self.channel_success.labels(fact.channel).set(at)
        if fact.waited is not None:
            self.seen_to_delivered.observe(fact.waited)

    def reloaded(self, fact: Reloaded, at: float) -> None:
        """Note a reload."""
        self.reload_ok.set(fact.ok)
        if fact.ok:
            self.reload_at.set(at)

    def look(self, status: Mapping[str, Any], feeds: Iterable[Mapping[str, Any]], ages: Mapping[str, float]) -> None:
        """Set what is not counted but seen: the picture of status.py, the rows of feeds, seconds since each part's
        last work."""
        for state, count in _all_of(self.feeds, status["feeds"]).items():
            self.feeds.labels(state).set(count)
        for state, count in _all_of(self.outbox, status["deliveries"], *WAITING, "dead").items():
            self.outbox.labels(state).set(count)
        self.oldest.set(status["oldest_waiting_seconds"] or 0)
        self.suspended.set(sum(channel["suspended"] for channel in status["channels"].values()))
        self.feed_success.clear()
        feeds = tuple(feeds)
        for row in feeds:
            self.feed_success.labels(row["name"]).set(_timestamp(row["last_success_at"]))
        self.gaps.set(sum(row["possible_gaps"] for row in feeds))
        for part, age in ages.items():
            self.tick_age.labels(part).set(age)

    def shown(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)


def _all_of(gauge: Gauge, counted: Mapping[str, int], *always: str) -> dict[str, int]:
    """Also those that were there before and are not any more, as 0."""
    known = {sample.labels["state"] for metric in gauge.collect() for sample in metric.samples}
    return {**dict.fromkeys((*known, *always), 0), **counted}


def _timestamp(moment: Any) -> float:
    return moment.timestamp() if moment else 0.0
