"""Commands for the operator: status, test-channel, schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.commands.context import (
    EXIT_FAILED,
    JSON,
    clock_of,
    command,
    config_of,
    reader,
)

if TYPE_CHECKING:
    pass


@command()
@JSON
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether all is well: last ticks, queue, failing feeds, last reload, database. 0 if so, 1 if not."""
    from monitor import show
    from monitor.status import status_of
    from monitor.store.database import running_pid

    with reader(ctx) as (config, database), database.read() as tx:
        found = status_of(tx, config.database, now=clock_of()(), pid=running_pid(config.database), zone=config.zone)
    if as_json:
        show.json_line(found)
    else:
        show.print_status(found, config.zone)
    ctx.exit(0 if found["ok"] else EXIT_FAILED)


@command("test-channel")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.pass_context
def test_channel(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Send a marked test message to channels and say what the servers answered.

    \b
    Example:
      wirewatch test-channel desk-slack duty-phone
    """
    import asyncio

    from monitor.channels import send_test

    config = config_of(ctx)
    known = {channel.name: channel for channel in config.channels}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"no channel is called {unknown[0]!r}; configured are: {', '.join(known) or 'none'}")
    failed = False
    for name in names:
        for answer in asyncio.run(send_test(known[name], config.path, now=clock_of()(), state_dir=config.state_dir)):
            click.echo(f"{name}: {answer.says}")
            failed = failed or not answer.ok
    ctx.exit(EXIT_FAILED if failed else 0)


@command()
@click.argument("what", type=click.Choice(["config", "watchlist"]))
def schema(what: str) -> None:
    """Print the JSON Schema of config.toml or of a watchlist, for editors.

    \b
    Example:
      wirewatch schema watchlist > watchlist.schema.json
    """
    import json

    if what == "config":
        from monitor.config_file import config_json_schema as schema_of
    else:
        from monitor.watchlist_file import watchlist_json_schema as schema_of
    click.echo(json.dumps(schema_of(), indent=2, ensure_ascii=False))
