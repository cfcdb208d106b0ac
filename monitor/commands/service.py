"""Commands for the operator: status, reload, test-channel, schema."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.context import (
    EXIT_CONFIG,
    EXIT_FAILED,
    JSON,
    clock_of,
    command,
    config_of,
    reader,
)
from monitor.errors import ConfigError, MonitorError, StoreError

if TYPE_CHECKING:
    from monitor.store.database import Database

RELOAD_PATIENCE = 60  # seconds; systemd gives a reload 90 (TimeoutStartSec)
LOOK_EVERY = 0.1  # seconds


@command()
@JSON
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether all is well: last ticks, queue, failing feeds, last reload, database. 0 if so, 1 if not."""
    from monitor import show
    from monitor.status import status_of
    from monitor.store.meta import holder

    with reader(ctx) as (config, database), database.read() as tx:
        pid = holder(tx, config.database)
        found = status_of(tx, config.database, now=clock_of()(), pid=pid, zone=config.zone)
    if as_json:
        show.json_line(found)
    else:
        show.print_status(found, config.zone)
    ctx.exit(0 if found["ok"] else EXIT_FAILED)


@command()
@click.option("--pid", metavar="PID", type=int, help="The daemon, where it cannot be known (PostgreSQL).")
@click.pass_context
def reload(ctx: click.Context, pid: int | None) -> None:
    """Have the running daemon read configuration and watchlists again; 65 if it refuses them.

    \b
    Example:
      wirewatch reload && echo in force
    """
    with _database_of_daemon(ctx, pid) as (database, daemon):
        before = _last_hang_up(database)
        _refuse_pass(database, daemon)
        _hang_up(daemon)
        answer = _answer(database, daemon, before)
    for problem in answer["problems"]:
        click.echo(problem, err=True)
    if answer["ok"]:
        click.echo(f"in force now: configuration and watchlists as they stand (pid {daemon})", err=True)
    ctx.exit(0 if answer["ok"] else EXIT_CONFIG)


@contextmanager
def _database_of_daemon(ctx: click.Context, pid: int | None) -> Iterator[tuple[Database, int]]:
    """Where the daemon leaves its answer, and its process. A daemon that was named is asked even if its answer cannot
    be read, because the configuration does not say where: it has to know, and to say, that this one is refused."""
    from monitor.config import find_config, load_database
    from monitor.store.database import Database, running_pid

    try:
        address, _ = load_database(find_config(ctx.find_root().obj["config"]))
        database = Database.open_reader(address)
    except (ConfigError, StoreError):
        if pid is not None:
            _hang_up(pid)
        raise
    try:
        daemon = pid or running_pid(address)
        if daemon is None:
            raise MonitorError("no daemon runs here")
        yield database, daemon
    finally:
        database.close()


def _hang_up(daemon: int) -> None:
    try:
        os.kill(daemon, signal.SIGHUP)
    except (ProcessLookupError, PermissionError) as error:
        raise MonitorError(f"process {daemon} cannot be asked: {error.strerror}") from error


def _answer(database: Database, daemon: int, before: dict[str, Any] | None) -> dict[str, Any]:
    """What the daemon notes of the reload, as soon as it is something else than before."""
    for _ in range(int(RELOAD_PATIENCE / LOOK_EVERY)):
        if (answer := _last_hang_up(database)) != before:
            return answer
        _refuse_pass(database, daemon)
        time.sleep(LOOK_EVERY)
    raise MonitorError(f"the daemon (pid {daemon}) did not answer within {RELOAD_PATIENCE} s; see its log")


def _refuse_pass(database: Database, daemon: int) -> None:
    started = _noted(database, "started") or {}
    if started.get("pid") == daemon and started.get("one_pass"):
        raise MonitorError(f"no daemon runs here, only `wirewatch poll` (pid {daemon}), which is told nothing")


def _last_hang_up(database: Database) -> dict[str, Any] | None:
    return _noted(database, "last_hang_up")


def _noted(database: Database, key: str) -> dict[str, Any] | None:
    from monitor.store import meta

    with database.read() as tx:
        return meta.get_all(tx).get(key)


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
