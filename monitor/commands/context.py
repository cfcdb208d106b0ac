"""What commands share: options, and the configuration, clock, application and archive that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.clock import Clock, clock_from, system_clock
from monitor.errors import ConfigError, Problem, StoreError

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.model import Feed
    from monitor.store.database import Database

EXIT_FAILED, EXIT_CONFIG = 1, 65


class Span(click.ParamType):
    """A duration such as 24h or 7d."""

    name = "duration"

    def __init__(self, *, above_zero: bool = False):
        self._above_zero = above_zero

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        from monitor.units import parse_duration

        try:
            span = value if isinstance(value, timedelta) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._above_zero and not span:
            self.fail(f"is {value!r}; expected more than nothing", param, ctx)
        return span


SINCE = click.option("--since", type=Span(), default="24h", show_default=True, help="How far back, such as 24h or 7d.")


JSON = click.option("--json", "as_json", is_flag=True, help="JSON Lines: one object a line.")


def _remember_config(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().obj["config"] = value


CONFIG = click.option(  # also behind a command's name, as people write it
    "--config", "config_path", metavar="PATH", expose_value=False, callback=_remember_config, help="Configuration file."
)


def command(name: str | None = None, **attributes: Any) -> Callable:
    """A command that also takes --config."""

    def decorate(function: Callable) -> click.Command:
        return click.command(name, **attributes)(CONFIG(function))

    return decorate


def config_of(ctx: click.Context, *, or_default: bool = False) -> Config:
    from monitor.config import default_config, load_config

    path = config_path_of(ctx, or_default=or_default)
    return load_config(path) if path else default_config(Path.cwd())


def in_force_of(ctx: click.Context, *, or_default: bool = False, also: Callable[[Config], object] | None = None):
    """Configuration and watchlists; raises ConfigError with what is wrong with both, and what `also` raises."""
    from monitor import reload
    from monitor.config import default_config

    path = config_path_of(ctx, or_default=or_default)
    if path is None:
        return reload.read_watchlists(default_config(Path.cwd()))
    return reload.read_all(path, also=also or (lambda config: None))


def config_path_of(ctx: click.Context, *, or_default: bool) -> Path | None:
    """The configuration file; None where there is none and the folder's watchlists are enough."""
    from monitor.config import find_config

    try:
        return find_config(ctx.find_root().obj["config"])
    except ConfigError:
        if or_default and Path("watchlists").is_dir():
            return None
        raise


def clock_of() -> Clock:
    from monitor.config import test_hooks

    hooks = test_hooks()
    return clock_from(hooks.now, hooks.speed) if hooks.now or hooks.speed != 1 else system_clock


def app_of(ctx: click.Context, **parts: Any):
    import logging

    from monitor import crash, descriptors, logs
    from monitor.app import App
    from monitor.config import test_hooks

    descriptors.raise_limit()
    crash.arm(test_hooks().crash_at)
    in_force = in_force_of(ctx)
    logs.set_up(verbose=ctx.find_root().obj["verbose"], secrets=in_force.config.secrets)
    for warning in in_force.config.warnings:
        logs.say("configuration", level=logging.WARNING, warning=str(warning))
    return App(in_force, clock=clock_of(), speed=test_hooks().speed, **parts)


def feed_named(config: Config, name: str) -> Feed:
    """A configured feed. Raises click.UsageError where there is none of this name."""
    for feed in config.feeds:
        if feed.name == name:
            return feed
    from monitor.toml_file import nearest

    near = nearest(name, {feed.name for feed in config.feeds})
    hint = f"did you mean {near!r}?" if near else "`wirewatch feeds` lists them"
    raise click.UsageError(f"no feed is called {name!r}; {hint}")


def check_watchlist_named(config: Config, name: str) -> None:
    """Raises click.UsageError where the folder holds no watchlist of this name."""
    from monitor.toml_file import did_you_mean

    known = {file.stem for file in config.watchlists.glob("*.toml")}
    if name not in known:
        raise click.UsageError(f"no watchlist is called {name!r}; {did_you_mean(name, known)}")


@contextmanager
def reader(ctx: click.Context) -> Iterator[tuple[Config, Database]]:
    """The archive to look at, also beside a configuration with mistakes: the daemon runs on, and they are told."""
    from monitor.config import read_config

    path = config_path_of(ctx, or_default=False)
    config, problems = read_config(path)
    with _opened_in_spite_of(problems, path) if problems else opened(config) as database:
        yield config, database


@contextmanager
def _opened_in_spite_of(problems: Sequence[Problem], path: Path) -> Iterator[Database]:
    """Raises ConfigError with them where they keep us from the archive, too."""
    from monitor.config import load_database
    from monitor.store.database import Database

    try:
        database = Database.open_reader(load_database(path)[0])
    except (ConfigError, StoreError):
        raise ConfigError(list(problems)) from None
    for problem in problems:
        click.echo(str(problem), err=True)
    with closing(database):
        yield database


@contextmanager
def opened(config: Config) -> Iterator[Database]:
    from monitor.store.database import Database

    with closing(Database.open_reader(config.database)) as database:
        yield database


def reader_or_none(config: Config) -> Database | None:
    """The archive to read from, or None where there is none; nothing heavy is imported then."""
    if "://" not in config.database and not Path(config.database).exists():
        return None
    from monitor.store.database import Database

    try:
        return Database.open_reader(config.database)
    except StoreError:
        return None  # explaining needs no archive
