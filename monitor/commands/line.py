"""Commands that let the line run: the demo, the daemon, one pass."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from monitor.commands.context import (
    EXIT_FAILED,
    app_of,
    command,
    feed_named,
)


@command()
@click.option("--serve", is_flag=True, help="Keep running, with the status page.")
def demo(serve: bool) -> None:
    """Show on sample feeds what a person would get, and why.

    Offline, needs no configuration, leaves no files behind.
    """
    from monitor.demo.show import run_demo

    sys.exit(run_demo(serve=serve))


ACCEPT_EMPTY = click.option(
    "--accept-empty", is_flag=True, help="The database was lost: begin anew, and tell nothing of what feeds show now."
)


@contextmanager
def _noting_hang_ups() -> Iterator[list[int]]:
    """Let no SIGHUP end the process, from the first line on: what is being sent would be sent again. Gives those that
    came, for who wants to read configuration and watchlists again."""
    noted: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGHUP, before)


@command()
@ACCEPT_EMPTY
@click.pass_context
def run(ctx: click.Context, accept_empty: bool) -> None:
    """Run the daemon in the foreground: poll, judge, deliver.

    SIGTERM drains and exits 0; SIGHUP reads configuration and watchlists again. An edited watchlist is
    read again by itself.
    """
    import asyncio

    from monitor.config import notify_socket, watchdog_patience
    from monitor.edges.systemd import Notifier

    faulthandler.enable(2)  # what systemd's watchdog ends says where it stood
    with _noting_hang_ups() as hang_ups:
        app = app_of(ctx, notifier=Notifier(notify_socket(), watchdog_patience()), accept_empty=accept_empty)

        async def serve() -> None:
            async with app:
                await app.run(hang_ups)

        asyncio.run(serve())


@command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every feed, due or not; but none checked less than min_interval ago, and holds that servers asked for stay.",
)
@click.option("--feed", "names", metavar="NAME", multiple=True, help="Only this feed; may be given more than once.")
@ACCEPT_EMPTY
@click.pass_context
def poll(ctx: click.Context, everything: bool, names: tuple[str, ...], accept_empty: bool) -> None:
    """Check feeds once, judge, deliver what can go now, and end.

    \b
    Examples:
      wirewatch poll                    what is due
      wirewatch poll --all              every feed
      wirewatch poll --feed bbc-world   this one
    """
    import asyncio

    from monitor.units import count, format_duration

    with _noting_hang_ups():
        app = app_of(ctx, accept_empty=accept_empty, one_pass=True)
        config = app.in_force.config
        wanted = {feed_named(config, name).name for name in names} or {feed.name for feed in config.feeds}

        async def once() -> tuple:
            async with app:
                return await app.poll(only=names or None, everything=everything)

        checked = asyncio.run(once())
    failed = [fact for fact in checked if fact.outcome == "failed"]
    new, pickups, alerts = (sum(getattr(fact, key) for fact in checked) for key in ("new", "pickups", "alerts"))
    alerts += app.alerts_beside
    entries = f"{count(new, 'new entry', 'new entries')}, {pickups} of them copies"
    click.echo(f"{count(checked, 'feed')} checked, {entries}, {count(alerts, 'alert')}", err=True)
    left_alone = (wanted if everything or names else set()) - {fact.feed for fact in checked}
    if left_alone:
        least = format_duration(app.in_force.config.polling.min_interval)
        says = f"checked less than {least} ago, or their servers asked to wait"
        click.echo(f"left alone: {', '.join(sorted(left_alone)[:10])}{' …' * (len(left_alone) > 10)}: {says}", err=True)
    for fact in failed:
        click.echo(f"failed: {fact.feed}: {fact.error}", err=True)
    ctx.exit(EXIT_FAILED if failed else 0)
