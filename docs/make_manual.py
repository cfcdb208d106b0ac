"""Writes the manual page docs/wirewatch.1 from the commands themselves: `.venv/bin/python docs/make_manual.py`.

One page for all commands, since people look for `man wirewatch`. tests/test_packaging.py compares it with the commands.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click

from monitor import __version__, cli

PAGE = Path(__file__).with_name("wirewatch.1")
FILES = (
    ("/etc/wirewatch/config.toml", "The configuration, unless --config, $WIREWATCH_CONFIG or ./config.toml is one."),
    ("/etc/wirewatch/watchlists/*.toml", "Watchlists, read again when one changes."),
    ("/var/lib/wirewatch/", "The database and what belongs to it, with the unit that comes along."),
)
CODES = (
    ("0", "Done."),
    ("1", "It did not work."),
    ("2", "Wrong usage."),
    (str(cli.EXIT_CONFIG), "Configuration or a watchlist is invalid; every problem is printed as file:line: key: …"),
    (str(cli.EXIT_RUNNING), "Another instance holds this database."),
    (str(cli.EXIT_STORE), "The database cannot be used."),
)


def manual() -> str:
    """The whole page, in man(7)."""
    lines = [
        f'.TH WIREWATCH 1 "" "wirewatch {__version__}" "User Commands"',
        *(".SH NAME", r"wirewatch \- media-monitoring alerts: each story once, with the reason"),
        *(".SH SYNOPSIS", r".B wirewatch", r"[\-\-config PATH] [\-v] COMMAND \&..."),
        *(".SH DESCRIPTION", *_paragraphs(cli.main.help)),
        *(".SH OPTIONS", *_options(cli.main)),
        ".SH COMMANDS",
        *(line for name in sorted(cli.main.commands) for line in _command(name, cli.main.commands[name])),
        *(".SH EXIT STATUS", *_listed(CODES)),
        *(".SH FILES", *_listed(FILES)),
        *(".SH SEE ALSO", r"docs/operations.md and docs/configuration.md of the sources"),
    ]
    return "\n".join(lines) + "\n"


def _command(name: str, command: click.Command) -> list[str]:
    with click.Context(command, info_name=name) as context:
        usage = " ".join(command.collect_usage_pieces(context))
    lines = [f'.SS "{_plain(name)} {_plain(usage)}"', *_paragraphs(command.help), *_options(command)]
    for inner, nested in sorted(getattr(command, "commands", {}).items()):
        lines += _command(f"{name} {inner}", nested)
    return lines


def _options(command: click.Command) -> list[str]:
    with click.Context(command) as context:
        records = [one.get_help_record(context) for one in command.params if isinstance(one, click.Option)]
    own = [(term, says) for term, says in records if command is cli.main or not term.startswith("--config")]
    return _listed(own)


def _listed(pairs) -> list[str]:
    return [line for term, says in pairs for line in (".TP", f".B {_plain(term)}", _plain(says))]


def _paragraphs(text: str | None) -> list[str]:
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        as_written = paragraph.startswith("\b")
        body = [_plain(line) for line in paragraph.removeprefix("\b\n").splitlines()]
        lines += [".PP", *([".nf", *body, ".fi"] if as_written else body)]
    return lines


def _plain(text: str) -> str:
    """Text that roff takes as such: its signs escaped, and no line that looks like a request."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


if __name__ == "__main__":
    PAGE.write_text(manual(), encoding="utf-8")
