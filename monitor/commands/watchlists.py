"""`wirewatch watchlists`: how they fare, new ones, spellings, feedback."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import click

from monitor.commands.context import (
    CONFIG,
    JSON,
    Span,
    clock_of,
    config_of,
    in_force_of,
    reader,
    reader_or_none,
)
from monitor.errors import MonitorError


@click.group(invoke_without_command=True)
@CONFIG
@click.pass_context
def watchlists(ctx: click.Context) -> None:
    """List watchlists, begin new ones, try names, and say which alerts were good."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_watchlists, as_json=False)


@watchlists.command("list")
@JSON
@CONFIG
@click.pass_context
def list_watchlists(ctx: click.Context, as_json: bool) -> None:
    """How each watchlist fares: alerts and near misses of 7 days, and the share of alerts that were called good."""
    from monitor import show, show_watchlists
    from monitor.store import feedback

    in_force = in_force_of(ctx)
    now, week, quarter = clock_of()(), timedelta(days=7), timedelta(days=90)
    tallies: dict = {}
    if database := reader_or_none(in_force.config):
        with closing(database), database.read() as tx:
            tallies = feedback.tallies(tx, since=now - week, judged_since=now - quarter)
    if as_json:
        for watchlist in in_force.watchlists:
            show.json_line(show_watchlists.watchlist_json(watchlist, tallies.get(watchlist.id)))
        return
    show_watchlists.print_watchlists(in_force.watchlists, tallies)


@watchlists.command("new")
@CONFIG
@click.argument("name", metavar="ID")
@click.pass_context
def new_watchlist(ctx: click.Context, name: str) -> None:
    """Write a commented watchlist to fill in.

    \b
    Example:
      wirewatch watchlists new dprk-arms
    """
    from monitor.watchlist_template import write_template

    click.echo(write_template(config_of(ctx, or_default=True).watchlists, name))


@watchlists.command("variants")
@CONFIG
@click.argument("name")
@click.option("--fuzzy", type=click.FloatRange(1, 100), default=80, show_default=True, help="Least similarity.")
@click.option("--since", type=Span(), default="30d", show_default=True, help="How far back, such as 24h or 30d.")
@JSON
@click.pass_context
def variants(ctx: click.Context, name: str, fuzzy: float, since: timedelta, as_json: bool) -> None:
    """Which spellings in the archive a fuzzy NAME would reach, and from which `fuzzy` on.

    \b
    Example:
      wirewatch watchlists variants Soleimani --fuzzy 80
    """
    from monitor import show, show_watchlists
    from monitor.spellings import spellings_of

    with reader(ctx) as (_, database):
        found = spellings_of(name, database, since=clock_of()() - since, least=fuzzy)
    if as_json:
        for one in found:
            show.json_line(show_watchlists.spelling_json(one))
        return
    show_watchlists.print_spellings(found)


@watchlists.command("feedback")
@CONFIG
@click.argument("alert", metavar="ALERT")
@click.argument("verdict", type=click.Choice(["good", "noise"]))
@click.pass_context
def give_feedback(ctx: click.Context, alert: str, verdict: str) -> None:
    """Say of an alert whether it was good or noise; `list` shows the share, `backtest` suggests vetoes.

    \b
    Example:
      wirewatch watchlists feedback 169469a1 noise
    """
    from monitor.model import Feedback
    from monitor.store import feedback
    from monitor.store.database import Database

    now = clock_of()()
    with Database.open_beside(config_of(ctx).database) as database, database.write() as tx:
        noted = feedback.note(tx, alert.lower(), Feedback(verdict), now)
    if noted is None:
        raise MonitorError(f"{alert}: not the id of one alert, nor its beginning; `wirewatch alerts` lists them")
    click.echo(f"{noted[0]} ({noted[1]}): {verdict}")
