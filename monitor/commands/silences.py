"""`wirewatch silence`: mute for a while."""

from __future__ import annotations

from typing import Any

import click

from monitor.commands.context import (
    CONFIG,
    JSON,
    Span,
    check_watchlist_named,
    clock_of,
    config_of,
    feed_named,
    reader,
)


@click.group()
@CONFIG
def silence() -> None:
    """Mute a watchlist, a story or a feed for a while, without editing anything."""


@silence.command("add")
@CONFIG
@click.option("--watchlist", metavar="ID", help="Mute this watchlist.")
@click.option("--story", metavar="ID", help="Mute this story (or the beginning of its id).")
@click.option("--feed", metavar="NAME", help="Mute what this feed brings.")
@click.option(
    "--for", "span", required=True, type=Span(above_zero=True), metavar="SPAN", help="For how long, such as 8h."
)
@click.option("--until-new-fact", is_flag=True, help="Let through what is new: a changed figure, now urgent.")
@click.option("--comment", required=True, help="Why; shown in the list.")
@click.pass_context
def add_silence(ctx: click.Context, **wanted: Any) -> None:
    """Mute for a while. What is kept back is listed; corrections and kills still come.

    \b
    Examples:
      wirewatch silence add --watchlist floods --for 8h --comment "desk has it"
      wirewatch silence add --story 169469a137 --for 2d --until-new-fact --comment "enough of it"
    """
    from monitor import show, silencing
    from monitor.store.database import Database

    if sum(wanted[what] is not None for what in ("watchlist", "story", "feed")) != 1:
        raise click.UsageError("expected one of --watchlist, --story and --feed")
    config = config_of(ctx)
    if wanted["watchlist"] is not None:
        check_watchlist_named(config, wanted["watchlist"])
    if wanted["feed"] is not None:
        feed_named(config, wanted["feed"])
    with Database.open_beside(config.database) as database, database.write() as tx:
        added = silencing.add(tx, now=clock_of()(), **wanted)
    click.echo(f"silence {added.silence.id} until {show.local(added.silence.ends_at, config.zone)}")
    if added.cancelled:
        click.echo(f"{added.cancelled} messages that were waiting are cancelled")


@silence.command("list")
@JSON
@CONFIG
@click.pass_context
def list_silences(ctx: click.Context, as_json: bool) -> None:
    """List silences in force, and those of the last week, with how much each kept back."""
    from monitor import show, silencing

    with reader(ctx) as (config, database), database.read() as tx:
        found = silencing.list_all(tx, now=clock_of()())
        for one in found if as_json else ():
            show.json_line(show.silence_json(one))
        if not as_json:
            show.listing(
                (show.silence_item(one, config.zone) for one in found), nothing="nothing is silenced, nor was this week"
            )


@silence.command("end")
@CONFIG
@click.argument("silence_id", metavar="ID")
@click.pass_context
def end_silence(ctx: click.Context, silence_id: str) -> None:
    """End a silence now.

    \b
    Example:
      wirewatch silence end 4f1c22
    """
    from monitor import silencing
    from monitor.store.database import Database

    with Database.open_beside(config_of(ctx).database) as database, database.write() as tx:
        ended = silencing.end(tx, silence_id, now=clock_of()())
    click.echo(f"silence {ended} has ended")
