"""`wirewatch feeds`: their health, lists from and for other readers, and where a site has its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.context import (
    CONFIG,
    EXIT_FAILED,
    JSON,
    clock_of,
    config_of,
    feed_named,
    reader,
)

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.finding import FoundFeed


@click.group(invoke_without_command=True)
@JSON
@CONFIG
@click.pass_context
def feeds(ctx: click.Context, as_json: bool) -> None:
    """Show the health of every feed: the ones in trouble first, and why.

    \b
    Examples:
      wirewatch feeds
      wirewatch feeds --json | jq 'select(.state != "ok")'
    """
    if ctx.invoked_subcommand is not None:
        return
    from monitor import show, show_feeds
    from monitor.store import feeds as store
    from monitor.store import oddities

    with reader(ctx) as (config, database), database.read() as tx:
        rows = store.list_feeds(tx)
        odd = oddities.of_feeds(tx, [row["name"] for row in rows])
    if as_json:
        for row in rows:
            show.json_line(show_feeds.feed_json(row, odd.get(row["name"], ())))
        return
    show_feeds.print_feeds(rows, odd, zone=config.zone, now=clock_of()())


@feeds.command("import")
@CONFIG
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print what would be added; change nothing.")
@click.pass_context
def import_feeds(ctx: click.Context, file: Path, dry_run: bool) -> None:
    """Add the feeds of an OPML file to the end of config.toml; their folders become tags.

    Feeds that are there already are left alone and named. A running daemon takes the new ones in when it is
    told to reload.

    \b
    Examples:
      wirewatch feeds import subscriptions.opml --dry-run
      wirewatch feeds import subscriptions.opml
    """
    from monitor import importing
    from monitor.opml import read_opml

    config = config_of(ctx)
    found = importing.plan(read_opml(file), config)
    for outline, name in found.known:
        click.echo(f"already there: {outline.url} ({name})", err=True)
    for outline in found.unfit:
        click.echo(f"not a web address, left out: {outline.url}", err=True)
    blocks = importing.as_toml(found.new)
    if dry_run:
        click.echo(blocks, nl=False)
    elif found.new:
        importing.append(config.path, blocks, says=f"imported from {file.name}")
        for feed in found.new:
            click.echo(f"{feed.name}\t{feed.url}")
    added = "would be added" if dry_run else f"added to {config.path}"
    click.echo(f"{len(found.new)} feeds {added}, {len(found.known)} were there already", err=True)
    if found.new and not dry_run:
        click.echo("a running wirewatch takes them in with `systemctl reload wirewatch` (SIGHUP)", err=True)


@feeds.command("export")
@CONFIG
@click.pass_context
def export_feeds(ctx: click.Context) -> None:
    """Write all configured feeds as OPML 2.0, for other readers; logins stay here.

    \b
    Example:
      wirewatch feeds export > feeds.opml
    """
    from monitor.opml import Outline, write_opml
    from monitor.store.feeds import shown_url

    outlines = (
        Outline(url=shown_url(feed.url), title=feed.outlet or feed.name, tags=feed.tags)
        for feed in config_of(ctx).feeds
    )
    click.echo(write_opml(outlines), nl=False)


@feeds.command("find")
@JSON
@CONFIG
@click.argument("url")
@click.pass_context
def find_feeds(ctx: click.Context, url: str, as_json: bool) -> None:
    """Find the feeds of a web page: those it names, or else the usual places. Writes nothing.

    \b
    Example:
      wirewatch feeds find https://www.example.org/news
    """
    import asyncio

    from monitor import show, show_feeds
    from monitor.core.urls import without_feed_scheme
    from monitor.errors import FetchError

    config = config_of(ctx, or_default=True)
    url = without_feed_scheme(url)
    try:
        found = asyncio.run(_find(url if "://" in url else f"https://{url}", config))
    except FetchError as error:
        raise click.ClickException(str(error)) from error
    for one in found if as_json else ():
        show.json_line(show_feeds.found_json(one))
    if not as_json:
        show_feeds.print_found(found, config.zone)
    if not any(one.error is None for one in found):
        click.echo("found no feed that works", err=True)
        ctx.exit(EXIT_FAILED)


async def _find(url: str, config: Config) -> tuple[FoundFeed, ...]:
    from monitor.core.parse import parse_slow
    from monitor.core.urls import port_of
    from monitor.edges.child import ChildPool
    from monitor.finding import find_feeds as find
    from monitor.gate import open_fetcher

    async with open_fetcher(config) as fetcher, ChildPool() as children:
        own_port = port_of(url)
        return await find(
            url,
            lambda address: fetcher.fetch(address, own_port=own_port),
            lambda answer: children.run(parse_slow, answer.body, answer.url, answer.content_type),
        )


@feeds.command("release")
@CONFIG
@click.argument("name")
@click.pass_context
def release_feed(ctx: click.Context, name: str) -> None:
    """Let a feed out of quarantine: what it held back is judged, and alerts where it matches.

    \b
    Example:
      wirewatch feeds release bbc-world
    """
    from monitor import again
    from monitor.store.database import Database

    config = config_of(ctx)
    feed_named(config, name)
    with Database.open_beside(config.database) as database, database.write() as tx:
        held = again.release(tx, name, clock_of()())
    if held is None:
        raise click.ClickException(f"{name} is not in quarantine")
    click.echo(
        f"{held} items of {name} are judged within a minute by a running wirewatch, or at the next `wirewatch poll`"
    )
