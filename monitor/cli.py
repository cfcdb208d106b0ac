"""What a person types: the program, its commands, and how errors become words and exit codes.

The commands stand in `commands/`. Heavy imports stand inside them, so that `--help` and `check` answer at once.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import Any

import click

from monitor import __version__
from monitor.commands import archive, feeds, judging, line, service, silences, storage, watchlists
from monitor.commands.context import EXIT_CONFIG, EXIT_FAILED
from monitor.errors import ConfigError, InstanceRunning, MonitorError, StoreError

EXIT_RUNNING, EXIT_STORE = 73, 74
# Between two collections of cycles. Neither records nor modules make any, and looking for them so often as Python does
# took a tenth of the time of `check`, and a fifth of that of a pass in which every entry is new.
ALLOCATIONS = 50_000


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
    gc.set_threshold(ALLOCATIONS, 20, 100)
    ctx.obj = {"config": config_path, "verbose": verbose}


for _command in (
    *(line.demo, line.run, line.poll),
    *(judging.check, judging.explain, judging.backtest, watchlists.watchlists),
    *(archive.stories, archive.alerts, silences.silence, feeds.feeds),
    *(service.status, service.reload, service.test_channel, service.schema, storage.backup, storage.restore),
):
    main.add_command(_command)


def program() -> None:
    """`main`, in a process of its own: what is installed as `wirewatch`. Raises SystemExit.

    Python would take all modules apart before it ends, for as long as some commands take. Nothing hangs on that, so the
    process ends when everything else is done: threads are joined, exit handlers have run, what was printed is out.
    """
    ended: list[int] = []
    if not atexit._ncallbacks():  # the first that is registered is called last; who came before would not be called
        atexit.register(_leave, ended)
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int):
            ended.append(end.code)
        raise


def _leave(ended: list[int]) -> None:
    """End the process here and now; not after an error that nobody caught, nor if what was printed cannot be written,
    for which Python has words and codes of its own."""
    if not ended:
        return
    with suppress(OSError):
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None where there is none (`>&-`)
            if not stream.closed:
                stream.flush()
        os._exit(ended[0])


def _say_problems(error: ConfigError) -> None:
    for problem in error.problems:
        click.echo(str(problem), err=True)


def _stop(ctx: click.Context, error: MonitorError, code: int) -> None:
    click.echo(f"wirewatch: {error}", err=True)
    ctx.exit(code)
