"""`wirewatch feeds`: their health, and lists of them for other readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.commands.context import (
    CONFIG,
    JSON,
    config_of,
    reader,
)

if TYPE_CHECKING:
    pass


@click.group(invoke_without_command=True)
@JSON
@CONFIG
@click.pass_context
def feeds(ctx: click.Context, as_json: bool) -> None:
    """Show the health of every feed; `feeds export` writes them as OPML."""
    if ctx.invoked_subcommand is not None:
        return
    from monitor import show
    from monitor.store import feeds as store

    with reader(ctx) as (config, database), database.read() as tx:
        rows = store.list_feeds(tx)
    if as_json:
        for row in rows:
            show.json_line(show.feed_json(row))
        return
    show.table(
        (
            (
                row["name"],
                show.state(row["state"]),
                show.local(row["last_checked_at"], config.zone),
                show.local(row["next_check_at"], config.zone),
                str(row["entries"]),
                show.clean(row["last_error"]) or "–",
            )
            for row in rows
        ),
        "feed", "state", "checked", "next", "entries", "why",
        wide=5,
    )  # fmt: skip


@feeds.command("export")
@CONFIG
@click.pass_context
def export_feeds(ctx: click.Context) -> None:
    """Write all configured feeds as OPML 2.0, for other readers; logins stay here.

    \b
    Example:
      wirewatch feeds export > feeds.opml
    """
    from monitor.opml import write_opml
    from monitor.store.feeds import shown_url

    config = config_of(ctx)
    click.echo(write_opml((feed.outlet or feed.name, shown_url(feed.url)) for feed in config.feeds), nl=False)
