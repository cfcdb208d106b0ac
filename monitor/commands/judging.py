"""Commands that say what watchlists make of text, before and after: check, explain, backtest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.context import (
    JSON,
    Span,
    clock_of,
    command,
    feed_named,
    in_force_of,
    opened,
    reader_or_none,
)
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.reload import InForce

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check configuration, watchlists and their inline tests; 0 if all is right, 65 if not."""
    from monitor.core.query import read_query
    from monitor.units import count

    in_force = in_force_of(ctx, or_default=True, also=_open_channels)
    config = in_force.config
    for warning in [*_warnings(in_force), *_broad(in_force)]:
        click.echo(f"warning: {warning}", err=True)
    if config.feeds and not config.polling.contact:
        click.echo(
            "hint: [polling] contact is empty; with it, publishers who mind can write before they block", err=True
        )
    tests = [test for watchlist in in_force.watchlists for test in watchlist.tests]
    counts = (count(config.feeds, "feed"), count(config.channels, "channel"), count(config.routes, "route"))
    click.echo(f"{config.path}: {', '.join(counts)}")
    for watchlist in in_force.watchlists:
        urgent = f", urgent at {watchlist.urgent:g}" if watchlist.urgent else ""
        passed = count(watchlist.tests, "inline test")
        click.echo(
            f"{watchlist.id}: “{watchlist.title}”, {'a query' if watchlist.query else count(watchlist.terms, 'term')},"
            f" alerts at {watchlist.threshold:g}{urgent}, {passed} passed"
        )
        if watchlist.query is not None:
            click.echo(f"  understood as {read_query(watchlist.query, watchlist.groups)}")
    click.echo(f"all is right: {count(in_force.watchlists, 'watchlist')}, {count(tests, 'inline test')}", err=True)


def _open_channels(config: Config) -> None:
    """Raises ConfigError for addresses that no sender takes."""
    if config.channels:
        from monitor.channels import open_senders

        open_senders(config.channels, config.path)


@command()
@click.argument("source")
@click.option(
    "--watchlist", "ids", metavar="ID", multiple=True, help="Only this watchlist; may be given more than once."
)
@click.option("--feed", "feed_name", metavar="NAME", help="Judge as an entry of this feed, scopes included.")
@JSON
@click.pass_context
def explain(ctx: click.Context, source: str, ids: tuple[str, ...], feed_name: str | None, as_json: bool) -> None:
    """Show what each stage makes of SOURCE, and what every watchlist says of it.

    SOURCE is a file (feed, HTML page or plain text), an address, the id of a story, or - for standard input.
    Writes nothing.

    \b
    Examples:
      wirewatch explain page.html
      wirewatch explain https://example.org/feed.xml --watchlist dprk-arms-exports
      pbpaste | wirewatch explain -
    """
    from monitor import show
    from monitor.explain import explain_document, explain_story

    in_force = in_force_of(ctx, or_default=True)
    in_force = _only_watchlists(in_force, ids)
    feed = feed_named(in_force.config, feed_name) if feed_name is not None else None
    database = reader_or_none(in_force.config)
    now = clock_of()()
    try:
        document = _source(source, in_force.config, feed)
        if document is None:
            found = explain_story(source, in_force, database, now=now) if database else None
            if found is None:
                raise MonitorError(f"{source}: no such file, and no story of the archive has this id")
            explained: Iterator = iter([found])
        else:
            body, url = document
            explained = explain_document(body, in_force, name=source, url=url, now=now, feed=feed, database=database)
        urgents = {watchlist.id: watchlist.urgent for watchlist in in_force.watchlists}
        nothing = True
        for one in explained:
            nothing = False
            show.json_line(show.explained_json(one)) if as_json else show.print_explained(
                one, urgents, in_force.config.zone
            )
        if nothing:
            click.echo(f"{source}: the feed holds no items", err=True)
    finally:
        if database is not None:
            database.close()


@command()
@click.option(
    "--watchlist", "files", metavar="FILE", multiple=True, help="Try this file; may be given more than once. An id of"
    " what is in force will do, too.",
)  # fmt: skip
@click.option("--since", type=Span(), default="30d", show_default=True, help="How far back, such as 24h or 30d.")
@click.option(
    "--feed-files", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Judge the entries of the feed files in this folder instead of the archive.",
)  # fmt: skip
@JSON
@click.pass_context
def backtest(ctx: click.Context, files: tuple[str, ...], since: timedelta, folder: Path | None, as_json: bool) -> None:
    """Run watchlists over the archive: alerts a day, what an edit gains and loses, which terms decide.

    Without --watchlist all that is in force is run. Writes nothing.

    \b
    Examples:
      wirewatch backtest --watchlist drafts/dprk.toml    what would this edit change?
      wirewatch backtest --since 7d                      how do my watchlists fare?
    """
    from monitor import backtest as trials
    from monitor import reload, show, show_backtest
    from monitor.units import format_duration

    in_force = in_force_of(ctx, or_default=True)
    trial = trials.trial_of(reload.read_candidates(tuple(dict.fromkeys(files)), in_force), in_force.watchlists)
    now = clock_of()()
    with show_backtest.progress_bar() as progress:
        if folder is not None:
            reports = trials.over_files(trial, in_force, folder, now=now, progress=progress)
        else:
            with opened(in_force.config) as database:
                reports = trials.over_archive(trial, in_force, database, since=now - since, progress=progress)
    if reports and not any(report.stories for report in reports):
        where = (
            f"{folder} holds no entry" if folder else f"the archive holds no story of the last {format_duration(since)}"
        )
        click.echo(f"{where}: this says nothing about any watchlist", err=True)
    for report in reports:
        if as_json:
            show.json_line(show_backtest.report_json(report))
        else:
            show_backtest.print_report(report, in_force.config.zone)


def _only_watchlists(in_force: InForce, ids: tuple[str, ...]) -> InForce:
    from dataclasses import replace

    from monitor.core.score import compile_watchlists

    if not ids:
        return in_force
    known = {watchlist.id: watchlist for watchlist in in_force.watchlists}
    if unknown := [name for name in ids if name not in known]:
        raise click.UsageError(f"no watchlist is called {unknown[0]!r}; known are: {', '.join(known)}")
    chosen = tuple(known[name] for name in dict.fromkeys(ids))
    return replace(in_force, watchlists=chosen, compiled=compile_watchlists(chosen))


def _source(source: str, config: Config, feed: Any) -> tuple[bytes, str | None] | None:
    """The bytes of a source and its address, or None where it can only be a story id."""
    import asyncio

    if source == "-":
        return sys.stdin.buffer.read(), None
    if source.lower().startswith(("http://", "https://")):
        from monitor.gate import fetch_once

        return asyncio.run(fetch_once(source, config, feed))
    if scheme := SCHEME.match(source):
        raise MonitorError(
            f"{source[:80]}: {scheme[0]} is not read; expected an http(s) address, or the path of a file"
        )
    path = Path(source)
    try:
        if path.is_file():
            return path.read_bytes(), None
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise MonitorError(f"{source[:80]}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if exists or "/" in source or "." in source:
        raise MonitorError(f"{source}: {'is no regular file' if exists else 'no such file'}")
    return None


def _warnings(in_force: InForce) -> list[str]:
    from fnmatch import fnmatchcase

    ids = [watchlist.id for watchlist in in_force.watchlists]
    warnings = [str(warning) for warning in in_force.config.warnings]
    if not in_force.config.feeds:
        warnings.append(f"{in_force.config.path}: there is no [[feed]], so nothing will be polled")
    if not in_force.config.channels:
        warnings.append(f"{in_force.config.path}: there is no [channel.…], so alerts will be listed but sent nowhere")
    warnings += _not_public(in_force.config)
    for route in in_force.config.routes:
        warnings += [
            f"{in_force.config.path}: route: no watchlist fits {pattern!r}; known are: {', '.join(ids)}"
            for pattern in route.watchlists
            if not any(fnmatchcase(name, pattern) for name in ids)
        ]
    return warnings


def _not_public(config: Config) -> list[str]:
    """Feeds whose address says already that they are not fetched; of names only the fetch can tell."""
    from ipaddress import ip_address, ip_network
    from urllib.parse import urlsplit

    from monitor.edges.addresses import refusal

    allowed, warnings = tuple(map(ip_network, config.polling.allow_networks)), []
    for feed in config.feeds:
        host = urlsplit(feed.url).hostname or ""
        try:
            address = ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            continue
        if why := refusal(str(address), allowed):
            network = f'"{address}/{address.max_prefixlen}"'
            warnings.append(f"{config.path}: feed {feed.name!r}: {why}; expected {network} in [polling] allow_networks")
    return warnings


def _broad(in_force: InForce) -> list[str]:
    """What says nothing because it stands nearly everywhere; asks the archive, if there is one."""
    database = reader_or_none(in_force.config)
    if database is None:
        return []
    from monitor.backtest import broad_terms

    with closing(database):
        found = broad_terms(in_force, database)
    return [
        f"{one.watchlist}: {f'the term {one.term!r} stands in' if one.term is not None else 'it would alert on'}"
        f" {one.found / one.stories:.0%} of the last {one.stories:,} stories"
        for one in found
    ]
