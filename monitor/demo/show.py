"""`wirewatch demo`: the real line over bundled sample feeds, and what a person would get of it, and why.

Nothing here is faked: the feeds are fetched over HTTP, the alerts go out through Apprise and come back over HTTP,
and all that is shown is read from the database. Everything happens in a temporary folder and on loopback.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

from rich.padding import Padding
from rich.rule import Rule as Line
from rich.text import Text

from monitor.app import App
from monitor.config import load_config
from monitor.demo.serve import Newsstand, newsstand
from monitor.explain import Explained, explain_story
from monitor.model import FeedChecked, Match, Pickup, Rule, Verdict
from monitor.reload import read_watchlists
from monitor.show import VERDICT_STYLE, clean, console, sentence
from monitor.store import stories

PACKAGED_WATCHLISTS = Path(__file__).with_name("watchlists")
CHECKOUT_WATCHLISTS = Path(__file__).parents[2] / "watchlists"
INTERRUPTED = 130  # by Ctrl-C, as shells have it
PORT = 8585  # of the status page, unless another program has it
SHOWN_STORIES, SHOWN_SILENCES, SHOWN_REFUSALS = 4, 8, 6

CONFIG = """\
[monitor]
database = "demo.db"
watchlists = "watchlists"
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
min_interval = "1s"  # polled twice within a second
[web]
listen = "{listen}"
[channel.you]
url = "json://{alerts}/alerts"
[[route]]
channels = ["you"]
"""
FEED = '[[feed]]\nname = "{name}"\nurl = "{url}"\n'


def run_demo(*, serve: bool) -> int:
    """Run the demo and print it; returns the exit code. `serve` keeps daemon and status page running until Ctrl-C."""
    try:
        with tempfile.TemporaryDirectory(prefix="wirewatch-demo-") as folder:
            asyncio.run(_demo(Path(folder), serve=serve))
    except KeyboardInterrupt:
        console().print("\nstopped; nothing is left behind")
        return INTERRUPTED
    return 0


async def _demo(folder: Path, *, serve: bool) -> None:
    started = time.monotonic()
    async with newsstand(datetime.now(UTC)) as stand:
        config = _configure(folder, stand, serve=serve)
        async with App(read_watchlists(config)) as app:
            first = await app.poll(everything=True)
            received = list(stand.received)
            stand.answers.clear()
            second = await app.poll(everything=True)
            _show(app, stand, first, received, second, time.monotonic() - started)
            if serve:
                console().print(f"\nstatus page: http://{config.web.listen}/ — Ctrl-C ends it")
                await app.run()


def _configure(folder: Path, stand: Newsstand, *, serve: bool):
    source = PACKAGED_WATCHLISTS if PACKAGED_WATCHLISTS.is_dir() else CHECKOUT_WATCHLISTS
    copytree(source, folder / "watchlists")
    feeds = "".join(FEED.format(name=name, url=url) for name, url in stand.urls.items())
    text = CONFIG.format(
        listen=f"127.0.0.1:{_free_port()}" if serve else "", alerts=stand.address.removeprefix("http://")
    )
    (folder / "config.toml").write_text(text + feeds, encoding="utf-8")
    return load_config(folder / "config.toml")


def _free_port() -> int:
    """The usual port of the status page, or any other where that is taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", PORT))
        except OSError:
            taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _show(
    app: App,
    stand: Newsstand,
    first: tuple[FeedChecked, ...],
    received: list[dict],
    second: tuple[FeedChecked, ...],
    seconds: float,
) -> None:
    now = app.clock()
    with app.database.read() as tx:
        rows = stories.list_stories(tx, since=now - timedelta(days=1))
        pickups = stories.list_pickups(tx, [row["id"] for row in rows])
    explained = {row["id"]: explain_story(row["id"], app.in_force, app.database, now=now) for row in rows}
    entries = sum(fact.new for fact in first)
    out = console()
    out.print(Line("[bold]wirewatch demo[/bold]"))
    out.print(
        f"{len(first)} invented outlets were polled over HTTP: [bold]{entries}[/bold] entries are"
        f" [bold]{len(rows)}[/bold] stories, and [bold]{len(received)}[/bold] of them are worth a message."
    )
    _show_alerts(received)
    _show_copies([pickups[row["id"]] for row in rows])
    _show_silences(explained, app)
    _show_refusals(explained, {row["id"]: row["title"] for row in rows})
    _show_second(stand, second, len(stand.received) - len(received), seconds)


def _show_alerts(received: list[dict]) -> None:
    out = console()
    out.print()
    out.print(Line("[bold]What you would get[/bold]", align="left"))
    for alert in received:
        urgent = alert["title"].startswith("[urgent]")
        out.print()
        out.print(Text(clean(alert["title"]), style="bold red" if urgent else "bold green"))
        _print_indented(clean(alert["message"]).strip())


def _print_indented(text: str) -> None:
    """A block behind a margin: wrapped on a terminal, line for line in a pipe."""
    out = console()
    if out.is_terminal:
        out.print(Padding(Text(text), (0, 0, 0, 4)))
    else:
        out.print(Text("\n".join(f"    {line}".rstrip() for line in text.splitlines())))


def _show_copies(found: list[tuple[Pickup, ...]]) -> None:
    out = console()
    out.print()
    out.print(Line("[bold]One story, however many outlets carry it[/bold]", align="left"))
    spread = sorted((pickups for pickups in found if len(pickups) > 1), key=len, reverse=True)
    for pickups in spread[:SHOWN_STORIES]:
        out.print()
        out.print(Text(f"{len({pickup.outlet for pickup in pickups})} outlets, {len(pickups)} copies", style="bold"))
        for pickup in pickups:
            how = (
                "first" if pickup.rule is Rule.FOUNDER else f"{pickup.similarity:.0f} % {pickup.rule.replace('_', ' ')}"
            )
            line = Text(f"  {how:<18}", style="dim" if pickup.rule is Rule.FOUNDER else "cyan")
            line.append(f"{clean(pickup.outlet)}: ", style="bold")
            line.append(clean(pickup.title), style="default")
            out.print(line)


def _show_silences(explained: dict[str, Explained], app: App) -> None:
    """Stories in which a watchlist found something and yet says no."""
    out = console()
    urgents = {watchlist.id: watchlist.urgent for watchlist in app.in_force.watchlists}
    silent: list[tuple[Explained, Match]] = [
        (one, match)
        for one in explained.values()
        for match in one.matches
        if match.verdict is Verdict.SILENT and (match.veto or any(hit.points > 0 for hit in match.hits))
    ]
    silent.sort(key=lambda pair: (pair[1].veto is None, -pair[1].score / pair[1].threshold))
    out.print()
    out.print(Line("[bold]Held back, and why[/bold]", align="left"))
    for one, match in silent[:SHOWN_SILENCES]:
        out.print(Text(clean(one.entry.title), style="default"))
        out.print(
            Text(
                f"    {match.watchlist}: {sentence(match, urgents[match.watchlist])}",
                style=VERDICT_STYLE[match.verdict],
            )
        )


def _show_refusals(explained: dict[str, Explained], titles: dict[str, str]) -> None:
    """Stories that look alike and are not copies."""
    out = console()
    refused = [
        one
        for one in explained.values()
        if one.assignment.nearest in titles and one.assignment.nearest_similarity >= 60
    ]
    refused.sort(key=lambda one: -one.assignment.nearest_similarity)
    out.print()
    out.print(Line("[bold]Alike, but not the same story[/bold]", align="left"))
    for one in refused[:SHOWN_REFUSALS]:
        out.print(Text(clean(one.entry.title)))
        out.print(Text(f"  ≠ {clean(titles[one.assignment.nearest])}"))
        out.print(
            Text(f"    {one.assignment.nearest_similarity:.0f} % alike; {one.assignment.refused_because}", style="dim")
        )


def _show_second(stand: Newsstand, second: tuple[FeedChecked, ...], repeated: int, seconds: float) -> None:
    out = console()
    out.print()
    out.print(Line("[bold]Polled again[/bold]", align="left"))
    unchanged = stand.answers.count(304)
    out.print(
        f"{unchanged} of {len(second)} servers answered “304 Not Modified”,"
        f" {sum(fact.new for fact in second)} new entries,"
        f" {repeated} alerts repeated."
    )
    out.print(
        Text(
            f"\n{seconds:.1f} s, everything in a temporary folder."
            " Next: copy config.example.toml to config.toml, then `wirewatch check`.",
            style="dim",
        )
    )
