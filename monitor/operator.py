"""What the operator must hear of the daemon itself, from what the database knows.

    feeds that fail for a day or a week, are gone, or odd · nobody can be reached · nothing has been fetched for long ·
    feeds that are due and not checked · channels that are suspended or fail for long · dead letters · messages in
    doubt · possible gaps · a reload that was refused

Notices go through the outbox like alerts, to the channels marked `operator`, never to the one they are about. A notice
is named by its occasion, so that looking again tells nothing twice. Decides nothing about stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from monitor.core.hold import hold_of
from monitor.core.names import name_of
from monitor.core.oddness import said_of
from monitor.core.render import local_time, rfc3339
from monitor.model import (
    Channel,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    FeedStatus,
    Level,
    Message,
    OddityKind,
    record,
)
from monitor.store import channels as channel_store
from monitor.store import feeds, letters, meta, oddities, outbox

FEED_FAILS = (timedelta(days=1), timedelta(days=7))
OFFLINE = timedelta(minutes=5)  # shorter, and it is a hiccup
STALE, STALE_AT_LEAST = 3, timedelta(minutes=15)  # so many intervals without a fetch (design: O13)
TOLD_AGAIN = {
    "dead": timedelta(hours=1),
    "doubt": timedelta(hours=1),
    "removed": timedelta(hours=1),
    "gap": timedelta(days=1),
    "overdue": timedelta(days=1),
}
TOO_LONG = timedelta(hours=1)  # that something which could go has waited: no sign of life then


@record
class Notice:
    """One thing that the operator must know."""

    occasion: str  # the same occasion is told once
    says: str
    do: str = ""
    level: Level = Level.NORMAL
    about: str | None = None  # the channel that it is about, and that cannot carry it


Rows = Sequence[Mapping[str, Any]]  # of all feeds, as the table of them has them


def tell(
    tx: sa.Connection,
    channels: Iterable[Channel],
    *,
    zone: tzinfo,
    now: datetime,
    interval: timedelta,
    intervals: Mapping[str, timedelta] = MappingProxyType({}),
) -> int:
    """Put what is new into the outbox, for every operator channel. Returns how many notices there are.

    `interval` is the usual one between two checks of a feed, `intervals` is that of each.
    """
    to = [channel for channel in channels if channel.operator]
    if not to:
        return 0
    known, rows = meta.get_all(tx), feeds.list_feeds(tx)
    found = [
        *_failing_feeds(rows, now),
        *_odd_feeds(tx, rows),
        *_silence(rows, known, now, interval, zone),
        *_failing_channels(tx, now),
        *_counted(tx, rows, known, now, intervals),
        *_refused_reload(known),
        *_no_room(known),
    ]
    outbox.enqueue(
        tx,
        [
            _delivery(notice, channel, recipient, zone, now)
            for notice in found
            for channel in to
            if channel.name != notice.about
            for recipient in channel.recipients
        ],
    )
    return len(found)


def past_the_outbox(says: str, do: str, channels: Iterable[Channel], *, now: datetime) -> tuple[Delivery, ...]:
    """Messages that the outbox cannot carry, because the database is what they are about."""
    notice = Notice(occasion=f"database:{rfc3339(now)}", says=says, do=do, level=Level.URGENT)
    to = [channel for channel in channels if channel.operator]
    return tuple(_delivery(notice, channel, recipient, UTC, now) for channel in to for recipient in channel.recipients)


def is_well(tx: sa.Connection, now: datetime) -> bool:
    """Whether a sign of life may be given: no channel is suspended, and nothing that could go has waited for long."""
    oldest = letters.oldest_waiting_at(tx)
    suspended = any(row["suspended"] for row in channel_store.list_channels(tx))
    return not suspended and (oldest is None or now - oldest <= TOO_LONG)


def message_of(notice: Notice) -> Message:
    """A notice as a message."""
    return Message(
        headline=f"[operator] wirewatch — {notice.says}",
        mark="operator",
        title=notice.says,
        url="",
        watchlist="",
        watchlist_title="wirewatch",
        level=notice.level,
        lead=notice.do,
    )


def _delivery(notice: Notice, channel: Channel, recipient: str, zone: tzinfo, now: datetime) -> Delivery:
    hold = hold_of(channel, notice.level, now=now, zone=zone)
    return Delivery(
        id=name_of("delivery", notice.occasion, channel.name, recipient, "0"),
        alert=name_of("notice", notice.occasion),
        channel=channel.name,
        recipient=recipient,
        kind=DeliveryKind.NOTICE,
        message=message_of(notice),
        state=DeliveryStatus.HELD if hold else DeliveryStatus.QUEUED,
        hold=hold.reason if hold else None,
        created_at=now,
        next_attempt_at=hold.until if hold else now,
    )


# ── what there is to tell ────────────────────────────────────────────────────────────────────────


def _failing_feeds(rows: Rows, now: datetime) -> Iterator[Notice]:
    for row in rows:
        since = row["failing_since"]
        if row["state"] == FeedStatus.GONE:
            yield Notice(
                occasion=f"gone:{row['name']}:{rfc3339(row['gone_since'])}",
                says=f"feed {row['name']} is gone: its server has said so for a day",
                do="It is asked once a week from now on. Correct its address, or remove it.",
            )
            continue
        for span in FEED_FAILS:
            if since is not None and now - since >= span:
                days = span.days
                yield Notice(
                    occasion=f"feed:{row['name']}:{rfc3339(since)}:{days}",
                    says=f"feed {row['name']} has failed for {days} day{'s' if days > 1 else ''}: {row['last_error']}",
                    do="It is still tried. `wirewatch feeds` shows all; correct its address, or remove it.",
                )


# What the operator should do about an oddity; the other kinds need nothing.
_REMEDIES = {
    OddityKind.QUARANTINE: "If they are news, run `wirewatch feeds release {feed}` within a day. Else do nothing.",
    OddityKind.OTHER_PUBLICATION: "Open its address; correct it, or remove the feed.",
    OddityKind.SET_ASIDE: "It is read again in a day, or when it changes. Look at what its address sends.",
    OddityKind.TRUNCATED: "Its publisher may offer a shorter one.",
}


def _odd_feeds(tx: sa.Connection, rows: Rows) -> Iterator[Notice]:
    odd = oddities.of_feeds(tx, [row["name"] for row in rows])
    for name, oddity in ((name, oddity) for name, found in odd.items() for oddity in found):
        early = oddity.kind is OddityKind.SET_ASIDE and oddity.until_at is None
        if oddity.kind in _REMEDIES and not early:
            yield Notice(
                occasion=f"{oddity.kind}:{name}:{rfc3339(oddity.since_at)}",
                says=f"feed {name}: {said_of(oddity)}",
                do=_REMEDIES[oddity.kind].format(feed=name),
            )


def _silence(
    rows: Rows, known: Mapping[str, Any], now: datetime, interval: timedelta, zone: tzinfo
) -> Iterator[Notice]:
    """Nobody can be reached; or nothing has been fetched for long although something should have been."""
    since = known.get("offline", {}).get("since")
    if since is not None:
        down = datetime.fromisoformat(since)
        if now - down >= OFFLINE:
            yield Notice(
                occasion=f"offline:{since}",
                says=f"no feed can be reached since {local_time(down, zone)}: this machine's network seems to be down",
                do="One is tried every minute, no feed is blamed, and all are checked once it is back.",
                level=Level.URGENT,
            )
        return
    asked = [row for row in rows if row["state"] != FeedStatus.GONE]
    missed = [row for row in asked if row["failing_since"] or row["next_check_at"] <= now - max(interval, OFFLINE)]
    last = max((row["last_success_at"] for row in asked if row["last_success_at"]), default=None)
    if missed and last is not None and now - last >= max(STALE * interval, STALE_AT_LEAST):
        yield Notice(
            occasion=f"stale:{rfc3339(last)}",
            says=f"nothing has been fetched since {local_time(last, zone)}",
            do="`wirewatch feeds` says why; `wirewatch status` whether the daemon makes progress.",
            level=Level.URGENT,
        )


def _overdue(row: Mapping[str, Any], now: datetime, interval: timedelta) -> bool:
    """Whether a feed that does not fail should have been checked long ago."""
    may_be_asked = row["not_before"] is None or row["not_before"] <= now
    waited = now - row["next_check_at"] > max((STALE - 1) * interval, STALE_AT_LEAST)
    return row["failures"] == 0 and row["last_success_at"] is not None and may_be_asked and waited


def _failing_channels(tx: sa.Connection, now: datetime) -> Iterator[Notice]:
    for row in channel_store.list_channels(tx):
        since, whose = row["failing_since"], channel_store.shown(row)
        if row["suspended"]:
            yield Notice(
                occasion=f"suspended:{whose}:{rfc3339(since)}",
                says=f"channel {whose} is suspended: {row['last_error']}",
                do="Nothing is lost: its messages wait, and it is tried every hour."
                f" Mend it, try `wirewatch test-channel {row['name']}`, then reload.",
                level=Level.URGENT,
                about=row["name"],
            )
        elif channel_store.fails_for_long(row, now):
            yield Notice(
                occasion=f"failing:{whose}:{rfc3339(since)}",
                says=f"channel {whose} has taken nothing for an hour: {row['last_error']}",
                do="Its messages wait, and are tried at least every hour for three days.",
                level=Level.URGENT,
                about=row["name"],
            )


def _no_room(known: Mapping[str, Any]) -> Iterator[Notice]:
    if since := known.get("last_tick", {}).get("low_since"):
        yield Notice(
            occasion=f"room:{since}",
            says="the disk is full: no feed is polled",
            do="What waits is still sent, from the reserve. Make room; polling goes on by itself.",
            level=Level.URGENT,
        )


def _refused_reload(known: Mapping[str, Any]) -> Iterator[Notice]:
    reloaded = known.get("last_reload", {})
    if reloaded.get("ok") is False:
        yield Notice(
            occasion=f"reload:{reloaded['at']}",
            says=f"reload refused: {'; '.join(reloaded['problems'][:3])}",
            do="What was in force stays in force. `wirewatch check` shows every mistake.",
        )


def _counted(
    tx: sa.Connection, rows: Rows, known: Mapping[str, Any], now: datetime, intervals: Mapping[str, timedelta]
) -> Iterator[Notice]:
    """What is counted is told when it has grown, and not again within a while."""
    told: dict[str, Any] = known.get("operator_told", {})
    counts = (*_counts(tx, rows, now), *_overdue_feeds(rows, now, intervals))
    present = {f"{kind}:{what}" for kind, what, _, _ in counts}
    told = {key: known for key, known in told.items() if key in present}  # what was mended may happen anew
    for kind, what, count, notice in counts:
        last = told.get(f"{kind}:{what}", {"count": 0, "at": None})
        recent = last["at"] is not None and now - datetime.fromisoformat(last["at"]) < TOLD_AGAIN[kind]
        if count > last["count"] and not recent:
            told[f"{kind}:{what}"] = {"count": count, "at": rfc3339(now)}
            yield notice
        elif count < last["count"]:
            told[f"{kind}:{what}"] = {**last, "count": count}
    meta.put(tx, "operator_told", told)


def _counts(tx: sa.Connection, rows: Rows, now: datetime) -> Iterator[tuple[str, str, int, Notice]]:
    for channel, count in letters.count_by_channel(tx, letters.IS_DEAD).items():
        says = f"{count} dead letter{'s' if count > 1 else ''} on channel {channel}"
        do = "`wirewatch alerts --undelivered` shows them; `wirewatch alerts retry ID` sends one again."
        notice = Notice(occasion=f"dead:{channel}:{rfc3339(now)}", says=says, do=do, level=Level.URGENT, about=channel)
        yield "dead", channel, count, notice
    for channel, count in letters.count_by_channel(tx, letters.IS_IN_DOUBT).items():
        says = f"{count} message{'s' if count > 1 else ''} on channel {channel} may have arrived, or not"
        do = "Look there; `wirewatch alerts retry ID` sends again what is missing."
        notice = Notice(occasion=f"doubt:{channel}:{rfc3339(now)}", says=says, do=do, level=Level.URGENT, about=channel)
        yield "doubt", channel, count, notice
    for channel, count in letters.count_by_channel(tx, letters.IS_REMOVED).items():
        says = f"{count} message{'s' if count > 1 else ''} for channel {channel} cancelled: {letters.REMOVED}"
        do = (
            "`wirewatch alerts --undelivered` shows them; once the channel is back under its name"
            " `wirewatch alerts retry ID` sends."
        )
        notice = Notice(occasion=f"removed:{channel}:{rfc3339(now)}", says=says, do=do, level=Level.URGENT)
        yield "removed", channel, count, notice
    for name, gaps in _gaps(rows).items():
        says = f"feed {name}: items may have been missed ({gaps} times so far)"
        do = "Give it a shorter `interval`, unless the log says that entries could not be judged."
        yield "gap", name, gaps, Notice(occasion=f"gap:{name}:{rfc3339(now)}", says=says, do=do)


def _overdue_feeds(
    rows: Rows, now: datetime, intervals: Mapping[str, timedelta]
) -> Iterator[tuple[str, str, int, Notice]]:
    configured = [row for row in rows if row["name"] in intervals]
    names = [row["name"] for row in configured if _overdue(row, now, intervals[row["name"]])]
    if names:
        shown = f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        says = f"{len(names)} feed{'s' if len(names) > 1 else ''} not checked for three times the interval: {shown}"
        do = "The daemon does not come round to them. Look at the log, and at `concurrency` and `per_host`."
        yield "overdue", "feeds", len(names), Notice(occasion=f"overdue:{rfc3339(now)}", says=says, do=do)


def _gaps(rows: Rows) -> dict[str, int]:
    return {row["name"]: row["possible_gaps"] for row in rows if row["possible_gaps"]}
