"""What a traced daemon did to its disk and to the network, and whether each claim was on the disk before its message
left: read from `strace -f -yy`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CALLS = "pwrite64,fdatasync,fsync,sendto,sendmsg,write"
# -D: the daemon stays our child, so that it gets our signals; 5,000 characters: a whole page of the database
STRACE = ("strace", "-D", "-f", "-yy", "-s", "5000", "-e", f"trace={CALLS}")

_CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done: "claim" (a page with a row in `sending` went to the log), "sync" (the log is on the
    disk), "send" (a message began to leave)."""

    what: str
    line: int


def steps(trace: Iterable[str], *, port: int, message: str) -> list[Step]:
    """The steps of a trace, in order. `port` is the sink's; `message` is how a message begins on the wire.

    A write or a sync counts from when it has returned, a send from when it began.
    """
    found, begun = [], {}
    for number, line in enumerate(trace):
        resumed = _RESUMED.match(line)
        call = None if resumed else _CALL.match(line)
        if resumed:
            what = begun.pop((resumed["pid"], resumed["name"]), None)
        elif call:
            what = _what(call["name"], call["rest"], port, message)
            if what != "send" and call["rest"].endswith("<unfinished ...>"):
                begun[call["pid"], call["name"]] = what
                what = None
        else:
            continue
        if what:
            found.append(Step(what, number))
    return found


def unsafe_sends(done: Iterable[Step]) -> tuple[int, int]:
    """How many messages left, and how many of them before their claim was on the disk: each needs a claim of its own,
    written after the message before, and a sync after that."""
    sends = unsafe = 0
    claimed = synced = False
    for step in done:
        match step.what:
            case "claim":
                claimed, synced = True, False
            case "sync":
                synced = claimed
            case "send":
                sends += 1
                unsafe += not synced
                claimed = synced = False
    return sends, unsafe


def _what(name: str, rest: str, port: int, message: str) -> str | None:
    log = "wirewatch.db-wal>" in rest.partition(",")[0].partition(")")[0]
    if name in ("fdatasync", "fsync") and log:
        return "sync"
    if name == "pwrite64" and log and "sending" in rest:
        return "claim"
    if name in ("sendto", "sendmsg", "write") and f"->127.0.0.1:{port}]>" in rest and f'"{message}' in rest:
        return "send"
    return None
