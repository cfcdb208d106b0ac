"""Commands for what is kept: backup and restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from monitor.commands.context import command
from monitor.errors import MonitorError

KEYS = "matrix-keys"  # the folder in which channels keep keys of encrypted rooms


@command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--keep", metavar="N", type=click.IntRange(1), help="FILE is a folder: keep the newest N backups there.")
@click.pass_context
def backup(ctx: click.Context, file: Path, keep: int | None) -> None:
    """Copy the database into one file, while the daemon runs, and check the copy.

    Keys of encrypted Matrix rooms come along, so keep the copy as secret as they are. Where FILE is a
    folder the copy gets a name with the time in it.

    \b
    Examples:
      wirewatch backup /srv/backups/wirewatch.db
      wirewatch backup --keep 7 /var/lib/wirewatch/backups
    """
    from monitor.store import backup as copies

    database, keys = _place(ctx)
    if keep and not file.is_dir():
        raise click.UsageError(f"--keep needs a folder, and {file} is none")
    stem = Path(database).stem
    target = copies.dated(file, stem, datetime.now(UTC)) if file.is_dir() else file
    made = copies.back_up(database, target, keys)
    click.echo(f"{made.path}: {made.size:,} bytes, checked{_with_keys(made.files)}", err=True)
    for gone in copies.prune(file, stem, keep) if keep else ():
        click.echo(f"{gone}: deleted, {keep} newer ones are there", err=True)


@command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def restore(ctx: click.Context, file: Path) -> None:
    """Put a backup in the place of the database. Stop the daemon before.

    The former database stays beside it as `….before-restore`, a further one as `….before-restore-2`.
    Keys of encrypted rooms are put back only where there are none.

    \b
    Example:
      wirewatch restore /srv/backups/wirewatch.db
    """
    from monitor.store import backup as copies

    database, keys = _place(ctx)
    put = copies.restore(database, file, keys)
    click.echo(f"{put.path}: restored from {file}{_with_keys(put.files)}", err=True)
    if put.former:
        click.echo(f"{put.former}: the database that was there before", err=True)


def _place(ctx: click.Context) -> tuple[str, Path]:
    """Where the database and the folder of keys stand."""
    from monitor.config import find_config, load_database
    from monitor.store.database import is_file

    database, folder = load_database(find_config(ctx.find_root().obj["config"]))
    if not is_file(database):
        raise MonitorError("this is a PostgreSQL database: `pg_dump` and `pg_restore` copy it, see docs/operations.md")
    return database, folder / KEYS


def _with_keys(files: int) -> str:
    return f", with {files} files of {KEYS}" if files else ""
