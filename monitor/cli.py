"""What a person types. Reads arguments, calls the rooms that do the work, turns errors into words and exit codes.

Heavy imports stand inside the commands that need them, so that `--help` and `check` answer at once.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor import __version__
from monitor.clock import Clock, clock_from, system_clock
from monitor.errors import ConfigError, InstanceRunning, MonitorError, StoreError

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.reload import InForce
    from monitor.store.database import Database

EXIT_FAILED, EXIT_CONFIG, EXIT_RUNNING, EXIT_STORE = 1, 65, 73, 74


class Span(click.ParamType):
    """A duration such as 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        from monitor.units import parse_duration

        try:
            return value if isinstance(value, timedelta) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SINCE = click.option("--since", type=Span(), default="24h", show_default=True, help="How far back, such as 24h or 7d.")
JSON = click.option("--json", "as_json", is_flag=True, help="JSON Lines: one object a line.")


class Program(click.Group):
    """The command group: shows errors of ours as words and the exit codes of the contract."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _say_problems(error)
            ctx.exit(EXIT_CONFIG)
        except InstanceRunning as error:
            _stop(ctx, error, EXIT_RUNNING)
        except StoreError as error:
            _stop(ctx, error, EXIT_STORE)
        except MonitorError as error:
            _stop(ctx, error, EXIT_FAILED)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(EXIT_FAILED)
        except OSError as error:  # the disk behind standard output is full, a file vanished in between
            click.echo(f"wirewatch: {error.strerror}{f': {error.filename}' if error.filename else ''}", err=True)
            ctx.exit(EXIT_FAILED)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "config_path",
    metavar="PATH",
    help="Configuration file [default: $WIREWATCH_CONFIG, ./config.toml, /etc/wirewatch/config.toml].",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more about what happens.")
@click.version_option(__version__, prog_name="wirewatch")
@click.pass_context
def main(ctx: click.Context, config_path: str | None, verbose: bool) -> None:
    """Media-monitoring alerts: each story once, within minutes, with the reason.

    \b
    First steps:
      wirewatch demo                    see what it does, offline, without any configuration
      wirewatch check                   is my configuration right?
      wirewatch explain article.html    what would my watchlists say of this?
      wirewatch run                     the daemon
    """
    ctx.obj = {"config": config_path, "verbose": verbose}


def _remember_config(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().obj["config"] = value


CONFIG = click.option(  # also behind a command's name, as people write it
    "--config", "config_path", metavar="PATH", expose_value=False, callback=_remember_config, help="Configuration file."
)


def command(name: str | None = None, **attributes: Any) -> Callable:
    """A command that also takes --config."""

    def decorate(function: Callable) -> click.Command:
        return main.command(name, **attributes)(CONFIG(function))

    return decorate


# ── the line ─────────────────────────────────────────────────────────────────────────────────────


@command()
@click.option("--serve", is_flag=True, help="Keep running, with the status page.")
def demo(serve: bool) -> None:
    """Show on sample feeds what a person would get, and why.

    Offline, needs no configuration, leaves no files behind.
    """
    from monitor.demo.show import run_demo

    sys.exit(run_demo(serve=serve))


@command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the daemon in the foreground: poll, judge, deliver.

    SIGTERM drains and exits 0; SIGHUP reads configuration and watchlists again. An edited watchlist is
    read again by itself.
    """
    from monitor.config import notify_socket
    from monitor.edges.systemd import Notifier

    app = _app(ctx, notifier=Notifier(notify_socket()))

    async def serve() -> None:
        async with app:
            await app.run()

    asyncio.run(serve())


@command()
@click.option(
    "--all", "everything", is_flag=True, help="Every feed, due or not; holds that servers asked for are still honoured."
)
@click.option("--feed", "names", metavar="NAME", multiple=True, help="Only this feed; may be given more than once.")
@click.pass_context
def poll(ctx: click.Context, everything: bool, names: tuple[str, ...]) -> None:
    """Check feeds once, judge, deliver what can go now, and end.

    \b
    Examples:
      wirewatch poll                    what is due
      wirewatch poll --all              every feed
      wirewatch poll --feed bbc-world   this one
    """
    app = _app(ctx)
    known = {feed.name for feed in app.in_force.config.feeds}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"no feed is called {unknown[0]!r}; `wirewatch feeds` lists them")

    async def once() -> tuple:
        async with app:
            return await app.poll(only=names or None, everything=everything)

    checked = asyncio.run(once())
    failed = [fact for fact in checked if fact.outcome == "failed"]
    new, pickups, alerts = (sum(getattr(fact, key) for fact in checked) for key in ("new", "pickups", "alerts"))
    click.echo(f"{len(checked)} feeds checked, {new} new entries, {pickups} of them copies, {alerts} alerts", err=True)
    for fact in failed:
        click.echo(f"failed: {fact.feed}: {fact.error}", err=True)
    ctx.exit(EXIT_FAILED if failed else 0)


@command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check configuration, watchlists and their inline tests; 0 if all is right, 65 if not."""
    from monitor import reload
    from monitor.core.query import read_query

    in_force = reload.read_watchlists(_config(ctx, or_default=True))
    config = in_force.config
    if config.channels:
        from monitor.channels import open_senders

        open_senders(config.channels, config.path)
    for warning in [*_warnings(in_force), *_broad(in_force)]:
        click.echo(f"warning: {warning}", err=True)
    tests = sum(len(watchlist.tests) for watchlist in in_force.watchlists)
    click.echo(
        f"{config.path}: {len(config.feeds)} feeds, {len(config.channels)} channels, {len(config.routes)} routes"
    )
    for watchlist in in_force.watchlists:
        urgent = f", urgent at {watchlist.urgent:g}" if watchlist.urgent else ""
        click.echo(
            f"{watchlist.id}: “{watchlist.title}”, {'a query' if watchlist.query else f'{len(watchlist.terms)} terms'},"
            f" alerts at {watchlist.threshold:g}{urgent}, {len(watchlist.tests)} tests pass"
        )
        if watchlist.query is not None:
            click.echo(f"  understood as {read_query(watchlist.query, watchlist.groups)}")
    click.echo(f"all is right: {len(in_force.watchlists)} watchlists, {tests} inline tests", err=True)


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
    from monitor import reload, show
    from monitor.explain import explain_document, explain_story

    in_force = reload.read_watchlists(_config(ctx, or_default=True))
    in_force = _only_watchlists(in_force, ids)
    feed = _named_feed(in_force.config, feed_name)
    database = _reader_or_none(in_force.config)
    now = _clock()()
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
        for one in explained:
            show.json_line(show.explained_json(one)) if as_json else show.print_explained(
                one, urgents, in_force.config.zone
            )
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

    in_force = reload.read_watchlists(_config(ctx, or_default=True))
    trial = trials.trial_of(reload.read_candidates(files, in_force), in_force.watchlists)
    now = _clock()()
    with show_backtest.progress_bar() as progress:
        if folder is not None:
            reports = trials.over_files(trial, in_force, folder, now=now, progress=progress)
        else:
            with _opened(in_force.config) as database:
                reports = trials.over_archive(trial, in_force, database, since=now - since, progress=progress)
    for report in reports:
        if as_json:
            show.json_line(show_backtest.report_json(report))
        else:
            show_backtest.print_report(report, in_force.config.zone)


@main.group(invoke_without_command=True)
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
    from monitor import reload, show, show_watchlists
    from monitor.store import feedback

    in_force = reload.read_watchlists(_config(ctx))
    now, week, quarter = _clock()(), timedelta(days=7), timedelta(days=90)
    tallies: dict = {}
    if database := _reader_or_none(in_force.config):
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

    click.echo(write_template(_config(ctx, or_default=True).watchlists, name))


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

    with _reader(ctx) as (_, database):
        found = spellings_of(name, database, since=_clock()() - since, least=fuzzy)
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

    now = _clock()()
    with Database.open_beside(_config(ctx).database) as database, database.write() as tx:
        noted = feedback.note(tx, alert.lower(), Feedback(verdict), now)
    if noted is None:
        raise MonitorError(f"{alert}: not the id of one alert, nor its beginning; `wirewatch alerts` lists them")
    click.echo(f"{noted[0]} ({noted[1]}): {verdict}")


# ── looking ──────────────────────────────────────────────────────────────────────────────────────


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

    with _reader(ctx) as (config, database), database.read() as tx:
        rows = store.list_stories(tx, since=_clock()() - since, watchlist=watchlist, search=search)
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


@main.group()
@CONFIG
def silence() -> None:
    """Mute a watchlist, a story or a feed for a while, without editing anything."""


@silence.command("add")
@CONFIG
@click.option("--watchlist", metavar="ID", help="Mute this watchlist.")
@click.option("--story", metavar="ID", help="Mute this story (or the beginning of its id).")
@click.option("--feed", metavar="NAME", help="Mute what this feed brings.")
@click.option("--for", "span", required=True, type=Span(), metavar="SPAN", help="For how long, such as 8h.")
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

    config = _config(ctx)
    with Database.open_beside(config.database) as database, database.write() as tx:
        added = silencing.add(tx, config, now=_clock()(), **wanted)
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

    with _reader(ctx) as (config, database), database.read() as tx:
        found = silencing.list_all(tx, now=_clock()())
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

    with Database.open_beside(_config(ctx).database) as database, database.write() as tx:
        ended = silencing.end(tx, silence_id, now=_clock()())
    click.echo(f"silence {ended} has ended")


@main.group(invoke_without_command=True)
@SINCE
@JSON
@CONFIG
@click.pass_context
def alerts(ctx: click.Context, since: timedelta, as_json: bool) -> None:
    """List what was decided and where each delivery stands; `alerts retry ID…` sends dead letters again."""
    if ctx.invoked_subcommand is not None:
        return
    from monitor import show
    from monitor.store import letters

    with _reader(ctx) as (config, database), database.read() as tx:
        rows = letters.list_alerts(tx, since=_clock()() - since)
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
                        row["watchlist"],
                        row["reason"].replace("_", " "),
                        "; ".join(show.delivery_lines(deliveries.get(row["id"], ()), config.zone)) or "sent nowhere",
                    ),
                )
                for row in rows
            ),
            nothing="no alerts in this time; --since 7d looks further back",
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

    now = _clock()()
    config = _config(ctx)
    with Database.open_beside(config.database) as database, database.write() as tx:
        count = outbox.retry(tx, ids, now)
    if not count:
        raise MonitorError("nothing to send again: no dead or cancelled delivery belongs to these ids")
    click.echo(f"{count} deliveries queued again")


@main.group(invoke_without_command=True)
@JSON
@CONFIG
@click.pass_context
def feeds(ctx: click.Context, as_json: bool) -> None:
    """Show the health of every feed; `feeds export` writes them as OPML."""
    if ctx.invoked_subcommand is not None:
        return
    from monitor import show
    from monitor.store import feeds as store

    with _reader(ctx) as (config, database), database.read() as tx:
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

    config = _config(ctx)
    click.echo(write_opml((feed.outlet or feed.name, shown_url(feed.url)) for feed in config.feeds), nl=False)


@command()
@JSON
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether all is well: last ticks, queue, failing feeds, last reload, database. 0 if so, 1 if not."""
    from monitor import show
    from monitor.status import status_of
    from monitor.store.database import running_pid

    with _reader(ctx) as (config, database), database.read() as tx:
        found = status_of(tx, config.database, now=_clock()(), pid=running_pid(config.database))
    if as_json:
        show.json_line(found)
    else:
        show.print_status(found)
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
    from monitor.channels import send_test

    config = _config(ctx)
    known = {channel.name: channel for channel in config.channels}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"no channel is called {unknown[0]!r}; configured are: {', '.join(known) or 'none'}")
    failed = False
    for name in names:
        for answer in asyncio.run(send_test(known[name], config.path, now=_clock()(), state_dir=config.state_dir)):
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
        from monitor.config import config_json_schema as schema_of
    else:
        from monitor.watchlist_file import watchlist_json_schema as schema_of
    click.echo(json.dumps(schema_of(), indent=2, ensure_ascii=False))


# ── what several commands need ───────────────────────────────────────────────────────────────────


def _config(ctx: click.Context, *, or_default: bool = False) -> Config:
    from monitor.config import default_config, find_config, load_config

    named = ctx.find_root().obj["config"]
    try:
        path = find_config(named)
    except ConfigError:
        if or_default and Path("watchlists").is_dir():
            return default_config(Path.cwd())
        raise
    return load_config(path)


def _clock() -> Clock:
    from monitor.config import test_hooks

    hooks = test_hooks()
    return clock_from(hooks.now, hooks.speed) if hooks.now or hooks.speed != 1 else system_clock


def _app(ctx: click.Context, **parts: Any):
    from monitor import crash, logs, reload
    from monitor.app import App
    from monitor.config import test_hooks

    crash.arm(test_hooks().crash_at)
    in_force = reload.read_watchlists(_config(ctx))
    logs.set_up(verbose=ctx.find_root().obj["verbose"], secrets=in_force.config.secrets)
    for warning in in_force.config.warnings:
        logs.say("configuration", level=logging.WARNING, warning=str(warning))
    return App(in_force, clock=_clock(), speed=test_hooks().speed, **parts)


@contextmanager
def _reader(ctx: click.Context) -> Iterator[tuple[Config, Database]]:
    config = _config(ctx)
    with _opened(config) as database:
        yield config, database


@contextmanager
def _opened(config: Config) -> Iterator[Database]:
    from monitor.store.database import Database

    database = Database.open_reader(config.database)
    try:
        yield database
    finally:
        database.close()


def _reader_or_none(config: Config) -> Database | None:
    from monitor.store.database import Database

    try:
        return Database.open_reader(config.database)
    except StoreError:
        return None  # explaining needs no archive


def _only_watchlists(in_force: InForce, ids: tuple[str, ...]) -> InForce:
    from dataclasses import replace

    from monitor.core.score import compile_watchlists

    if not ids:
        return in_force
    known = {watchlist.id: watchlist for watchlist in in_force.watchlists}
    if unknown := [name for name in ids if name not in known]:
        raise click.UsageError(f"no watchlist is called {unknown[0]!r}; known are: {', '.join(known)}")
    chosen = tuple(known[name] for name in ids)
    return replace(in_force, watchlists=chosen, compiled=compile_watchlists(chosen))


def _named_feed(config: Config, name: str | None):
    if name is None:
        return None
    for feed in config.feeds:
        if feed.name == name:
            return feed
    raise click.UsageError(f"no feed is called {name!r}; `wirewatch feeds` lists them")


def _source(source: str, config: Config, feed: Any) -> tuple[bytes, str | None] | None:
    """The bytes of a source and its address, or None where it can only be a story id."""
    if source == "-":
        return sys.stdin.buffer.read(), None
    if source.startswith(("http://", "https://")):
        from monitor.app import fetch_once

        return asyncio.run(fetch_once(source, config, feed))
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
    for route in in_force.config.routes:
        warnings += [
            f"{in_force.config.path}: route: no watchlist fits {pattern!r}; known are: {', '.join(ids)}"
            for pattern in route.watchlists
            if not any(fnmatchcase(name, pattern) for name in ids)
        ]
    return warnings


def _broad(in_force: InForce) -> list[str]:
    """What says nothing because it stands nearly everywhere; asks the archive, if there is one."""
    from monitor.backtest import broad_terms

    database = _reader_or_none(in_force.config)
    if database is None:
        return []
    with closing(database):
        found = broad_terms(in_force, database)
    return [
        f"{one.watchlist}: {f'the term {one.term!r} stands in' if one.term is not None else 'it would alert on'}"
        f" {one.found / one.stories:.0%} of the last {one.stories:,} stories"
        for one in found
    ]


def _say_problems(error: ConfigError) -> None:
    for problem in error.problems:
        click.echo(str(problem), err=True)


def _stop(ctx: click.Context, error: MonitorError, code: int) -> None:
    click.echo(f"wirewatch: {error}", err=True)
    ctx.exit(code)
