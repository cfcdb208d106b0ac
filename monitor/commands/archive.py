"""Commands that list what was seen and what was told: stories, alerts."""

from __future__ import annotations

from datetime import timedelta

import click

from monitor.commands.context import (
    CONFIG,
    JSON,
    SINCE,
    check_watchlist_named,
    clock_of,
    command,
    config_of,
    reader,
)
from monitor.errors import MonitorError


@command()
@SINCE
@click.option("--watchlist", metavar="ID", help="Only stories that this watchlist matched.")
@click.option("--search", metavar="TEXT", help="Only stories with this text in a headline.")
@JSON
@click.pass_context
def stories(ctx: click.Context, since: timedelta, watchlist: str | None, search: str | None, as_json: bool) -> None:
    """List stories of the archive, newest first, with the outlets that carry them."""
    from monitor import show
    from monitor.store import stories as store
    from monitor.store.relatives import list_relatives
    from monitor.store.versions import list_versions

    with reader(ctx) as (config, database), database.read() as tx:
        rows = store.list_stories(tx, since=clock_of()() - since, watchlist=watchlist, search=search)
        if watchlist is not None and not rows:
            check_watchlist_named(config, watchlist)
        ids = [row["id"] for row in rows]
        pickups, matches = store.list_pickups(tx, ids), store.list_matches(tx, ids)
        if as_json:
            relatives = list_relatives(tx, ids)
            versions = list_versions(tx, [pickup.entry for carried in pickups.values() for pickup in carried])
            for row in rows:
                about = (found.get(row["id"], ()) for found in (pickups, matches, relatives))
                show.json_line(show.story_json(row, *about, versions))
            return
        show.listing(
            (
                show.Item(
                    id=row["id"],
                    at=show.local(row["first_seen_at"], config.zone),
                    headline=row["title"],
                    facts=(
                        f"{row['pickups']} copies" if row["pickups"] > 1 else "",
                        ", ".join(dict.fromkeys(pickup.outlet for pickup in pickups.get(row["id"], ()))),
                        ", ".join(m["watchlist"] for m in matches.get(row["id"], ()) if m["verdict"] != "silent"),
                    ),
                )
                for row in rows
            ),
            nothing="no stories in this time; --since 7d looks further back",
        )


@click.group(invoke_without_command=True)
@SINCE
@click.option(
    "--undelivered", is_flag=True, help="Only what did not arrive, or may not have, of any age; also notices to you."
)
@JSON
@CONFIG
@click.pass_context
def alerts(ctx: click.Context, since: timedelta, undelivered: bool, as_json: bool) -> None:
    """List what was decided and where each delivery stands; `alerts retry ID…` sends dead letters again."""
    if ctx.invoked_subcommand is not None:
        return
    from monitor import show
    from monitor.store import letters

    with reader(ctx) as (config, database), database.read() as tx:
        decided_since = clock_of()() - since
        rows = letters.list_undelivered(tx) if undelivered else letters.list_alerts(tx, since=decided_since)
        deliveries = letters.list_deliveries(tx, [row["id"] for row in rows])
        if as_json:
            for row in rows:
                show.json_line(show.alert_json(row, deliveries.get(row["id"], ())))
            return
        show.listing(
            (
                show.Item(
                    id=row["id"],
                    at=show.local(row["created_at"], config.zone),
                    headline=row["title"],
                    loud=row["level"] == "urgent",
                    facts=(
                        row["level"],
                        row["watchlist"] or "",
                        row["reason"].replace("_", " "),
                        "; ".join(show.delivery_lines(deliveries.get(row["id"], ()), config.zone)) or "sent nowhere",
                    ),
                )
                for row in rows
            ),
            nothing="all has arrived" if undelivered else "no alerts in this time; --since 7d looks further back",
        )


NOT_TO_RETRY = (
    "no delivery of these ids is dead, in doubt, or cancelled by a silence that is over or with its channel, or their"
    " stories were taken back"
)


@alerts.command("retry")
@CONFIG
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.pass_context
def retry_alerts(ctx: click.Context, ids: tuple[str, ...]) -> None:
    """Queue the dead deliveries of these alerts again; the daemon, or the next `poll`, sends them.

    \b
    Example:
      wirewatch alerts retry 169469a137642d65cc4c
    """
    from monitor.store import outbox
    from monitor.store.database import Database
    from monitor.units import count

    now = clock_of()()
    config = config_of(ctx)
    with Database.open_beside(config.database) as database, database.write() as tx:
        if missing := outbox.channels_to_retry(tx, ids, now) - {channel.name for channel in config.channels}:
            raise MonitorError(
                f"not configured any more: {', '.join(sorted(missing))}; put it back into {config.path} first"
            )
        queued = outbox.retry(tx, ids, now)
    if not queued:
        raise MonitorError(f"nothing to send again: {NOT_TO_RETRY}")
    click.echo(f"{count(queued, 'delivery', 'deliveries')} queued again")
