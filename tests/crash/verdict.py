"""What must hold, told from the sinks' records and the database alone.

1. Every matching item is visible at every destination (channel and recipient), by itself or as a line of a digest.
2. Matrix shows it once. Elsewhere each further copy has its cause: at most one of the copies may be unambiguous, which
   is one whose acceptance the program knew (it was answered, and the program lived to write that down).
3. Nothing is visible of items that do not match, are old, or were there before a feed was first checked.
4. The database is whole, no delivery waits, each has ended as `delivered` or `merged`.
5. All that within five simulated minutes after faults have stopped, and no daemon ended but as it was told to.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.crash.press import Item, Kind
from tests.crash.sinks import DESTINATIONS, Effect

ENDED = {"delivered", "merged"}


@dataclass
class Verdict:
    """The judgment on one world; `wrong` is empty where all holds."""

    wrong: list[str] = field(default_factory=list)
    items: int = 0  # matching ones
    deliveries: int = 0  # expected: matching items × destinations
    lost: int = 0
    lost_tokens: set[str] = field(default_factory=set)
    doubles: Counter[str] = field(default_factory=Counter)  # further copies, with cause or without, by channel
    uncaused: Counter[str] = field(default_factory=Counter)  # those without
    ambiguous: Counter[str] = field(default_factory=Counter)  # events, by channel
    took: timedelta = timedelta(0)

    def __str__(self) -> str:
        return "\n".join(self.wrong) or "all holds"


def judge(
    items: dict[str, Item],
    effects: Iterable[Effect],
    database: Path,
    *,
    drained: bool,
    took: timedelta,
    unforeseen: Iterable[str],
) -> Verdict:
    """The verdict on a world whose daemon has ended."""
    verdict = Verdict(took=took, wrong=list(unforeseen))
    if not drained:
        verdict.wrong.append(f"not drained after {took.total_seconds():.0f} simulated seconds")
    seen: defaultdict[tuple[str, str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        verdict.ambiguous[effect.channel] += effect.ambiguous
        for token in effect.tokens:
            seen[token, effect.channel, effect.recipient].append(effect)
    for item in items.values():
        for channel, recipient in DESTINATIONS:
            copies = seen.pop((item.token, channel, recipient), [])
            _judge_item(verdict, item, f"{channel} {recipient}".strip(), channel, copies)
    verdict.wrong += [f"{token}: {_on_record(database, token)}" for token in sorted(verdict.lost_tokens)]
    verdict.wrong += [f"{channel}: a token that nobody published: {token}" for token, channel, _ in seen]
    _judge_database(verdict, database)
    return verdict


def _judge_item(verdict: Verdict, item: Item, where: str, channel: str, copies: list[Effect]) -> None:
    if item.kind is not Kind.MATCHING:
        if copies:
            verdict.wrong.append(f"{where}: told of {item.token}, which is {item.kind.value}")
        return
    verdict.items += (channel, where) == ("room", f"room {DESTINATIONS[0][1]}")
    verdict.deliveries += 1
    if not copies:
        verdict.lost += 1
        verdict.lost_tokens.add(item.token)
        verdict.wrong.append(f"{where}: {item.token} is lost")
        return
    known = sum(not copy.ambiguous for copy in copies)
    verdict.doubles[channel] += len(copies) - 1
    lives = ", ".join(f"life {copy.life}{f' ({copy.why_ambiguous})' * copy.ambiguous}" for copy in copies)
    if channel == "room" and len(copies) > 1:
        verdict.uncaused[channel] += len(copies) - 1
        verdict.wrong.append(f"{where}: {item.token} is there {len(copies)} times: {lives}")
    elif known > 1:
        verdict.uncaused[channel] += known - 1
        verdict.wrong.append(f"{where}: {item.token} is there {len(copies)} times, {known} of them known: {lives}")


def _on_record(path: Path, token: str) -> str:
    """What the database knows of an item that nobody saw."""
    asked = (
        "SELECT entries.feed, entries.rule, entries.story, matches.verdict, matches.reason, deliveries.state FROM entries"
        " LEFT JOIN matches ON matches.story = entries.story LEFT JOIN alerts ON alerts.story = entries.story"
        " LEFT JOIN deliveries ON deliveries.alert = alerts.id WHERE entries.title LIKE ?"
    )
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute(asked, (f"%{token}%",)).fetchall() or "was never read")


def _judge_database(verdict: Verdict, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        said = database.execute("PRAGMA integrity_check").fetchall()
        if said != [("ok",)]:
            verdict.wrong.append(f"integrity_check: {said[:3]}")
        states = database.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()
    verdict.wrong += [f"{count} deliveries ended as {state}" for state, count in states if state not in ENDED]
