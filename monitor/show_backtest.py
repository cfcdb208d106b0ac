"""A backtest's reports → what a person reads on a terminal, and JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import tzinfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from monitor.core.backtest import EXAMPLES, Outcome, Report, TermUse
from monitor.core.render import points, rfc3339
from monitor.show import clean, console, local
from monitor.units import count

_BARS = "▁▂▃▄▅▆▇█"
_DAYS = 60  # shown as bars
_WORDS = {"gained": "bold green", "lost": "bold red", "kept": "", "near misses": "yellow"}


@contextmanager
def progress_bar() -> Iterator:
    """A function (done, of all) that moves a bar on standard error; nothing is drawn where that is no terminal."""
    out = Console(stderr=True)
    columns = (TextColumn("judging stories"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)


def report_json(report: Report) -> dict:
    """One watchlist."""
    strongest = report.strongest
    return {
        "watchlist": report.watchlist,
        "title": report.title,
        "new": report.new,
        "stories": report.stories,
        "alerts": len(report.alerts),
        "urgent": report.urgent,
        "alerts_per_day": round(report.per_day, 2),
        "gained": len(report.gained),
        "lost": len(report.lost),
        "kept": len(report.kept),
        "near_misses": len(report.near_misses),
        "noise": report.noise,
        "days": [{"day": day.isoformat(), "alerts": count} for day, count in report.days],
        "examples": {
            "gained": _examples_json(report.gained),
            "lost": _examples_json(report.lost),
            "kept": _examples_json(report.kept),
            "near_misses": _examples_json(_nearest(report.near_misses)),
        },
        "terms": [_term_json(use) for use in report.terms],
        "decides_most": strongest.term if strongest else None,
        "never": list(report.never),
        "vetoes": [{"word": idea.word, "noise": idea.noise} for idea in report.vetoes],
    }


def _examples_json(outcomes: Iterable[Outcome]) -> list[dict]:
    return [
        {
            "story": one.story,
            "title": one.title,
            "url": one.url,
            "score": one.score,
            "verdict": str(one.verdict),
            "first_seen_at": rfc3339(one.seen_at),
            "terms": [term for term, _ in one.points],
        }
        for one in _newest(outcomes)
    ]


def _term_json(use: TermUse) -> dict:
    return {
        "term": use.term,
        "stories": use.stories,
        "alerts": use.alerts,
        "decides": use.decides,
        "noise": use.noise,
    }


def print_report(report: Report, zone: tzinfo) -> None:
    """One watchlist, for people."""
    out = console()
    out.print(Text(f"{report.watchlist}: {clean(report.title)}", style="bold"))
    urgent = f", {report.urgent} of them urgent" if report.urgent else ""
    out.print(
        f"  {_many(len(report.alerts), 'alert')}{urgent} in {_many(report.stories, 'story', 'stories')} of"
        f" {_many(len(report.days), 'day')}: {report.per_day:.1f} a day{_bars(report)}"
    )
    if not report.new:
        counts = (("gained", report.gained), ("lost", report.lost), ("kept", report.kept))
        out.print(Text("  against what is in force: ").append_text(_counts(counts)))
    for word, outcomes in (
        ("gained", report.gained),
        ("lost", report.lost),
        ("kept", report.kept if not report.gained and not report.lost else ()),
        ("near misses", _nearest(report.near_misses)),
    ):
        _print_examples(out, word, outcomes, zone)
    _print_terms(out, report)
    out.print()


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def _counts(counts: Iterable[tuple[str, tuple]]) -> Text:
    parts = [Text(f"{len(found):,} {word}", style=_WORDS[word] if found else "dim") for word, found in counts]
    return Text(", ").join(parts)


def _bars(report: Report) -> str:
    counts = [count for _, count in report.days][-_DAYS:]
    if len(counts) < 2 or not any(counts):
        return ""
    most = max(counts)
    return "  " + "".join(_BARS[count * (len(_BARS) - 1) // most] for count in counts) + f" (at most {most})"


def _newest(outcomes: Iterable[Outcome]) -> list[Outcome]:
    outcomes = list(outcomes)
    return list(reversed(outcomes[-EXAMPLES:]))


def _nearest(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """By score, the highest last, since the newest of a list is what is shown."""
    return sorted(outcomes, key=lambda one: (one.score, one.seen_at))


def _print_examples(out: Console, word: str, outcomes: Iterable[Outcome], zone: tzinfo) -> None:
    outcomes = list(outcomes)
    if not outcomes:
        return
    out.print(Text(f"  {word} ({len(outcomes):,}):", style=_WORDS[word]))
    for one in _newest(outcomes):
        line = Text(f"    {points(one.score):>6}  ").append(clean(one.title))
        line.append(f"  {local(one.seen_at, zone)} · {', '.join(clean(term) for term, _ in one.points)}", style="dim")
        out.print(line)


def _print_terms(out: Console, report: Report) -> None:
    strongest = report.strongest
    if strongest and strongest.decides:
        out.print(
            f"  decides most: {clean(strongest.term)}, without which {strongest.decides:,} of"
            f" {_many(len(report.alerts), 'alert')} would not be",
            markup=False,
        )
    if report.never and report.alerts:
        out.print(f"  never in an alert: {clean(', '.join(report.never))}", markup=False)
    for use in report.terms:
        if use.noise:
            was = "was" if use.noise == 1 else "were"
            out.print(
                f"  {clean(use.term)}: {use.noise} of its {count(use.alerts, 'alert')} {was} called noise", markup=False
            )
    for idea in report.vetoes:
        out.print(
            Text(
                f'  a veto on "{clean(idea.word)}" would end {idea.noise} of {report.noise} noisy alerts and no other',
                style="cyan",
            )
        )
