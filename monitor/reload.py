"""Reading configuration and watchlists (again): everything is built before anything live is touched.

The result is one record that `app` swaps in by a single reference. Where any file is broken the old set stays in
force and the problems are told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monitor.config import Config, read_config
from monitor.core.score import CompiledWatchlists, compile_watchlists
from monitor.errors import ConfigError, Problem
from monitor.model import Feed, Watchlist, record
from monitor.toml_file import did_you_mean
from monitor.watchlists import SUFFIX, load_watchlist, load_watchlists

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


@record
class InForce:
    """What the operator wrote, read and understood."""

    config: Config
    feeds: Mapping[str, Feed]  # those of `config`, by name
    watchlists: tuple[Watchlist, ...]
    compiled: CompiledWatchlists
    fingerprint: Fingerprint = ()  # of the watchlist files, taken before they were read


def read_all(path: Path, *, also: Callable[[Config], object] = lambda config: None) -> InForce:
    """Read configuration and watchlists; `also` may look at the configuration, too.

    Raises ConfigError with all problems of all files.
    """
    config, found = read_config(path)
    problems = set(found)
    try:
        also(config)
    except ConfigError as error:
        problems |= set(error.problems)
    if not problems:
        return read_watchlists(config)
    if config.watchlists.is_dir():
        problems |= {*_unknown_in_routes(config), *_problems_of_watchlists(config)}
    raise ConfigError(tuple(problems))


def read_watchlists(config: Config) -> InForce:
    """Read the watchlists that a configuration names. Raises ConfigError (WatchlistError)."""
    seen = fingerprint(config.watchlists)
    if problems := _unknown_in_routes(config):
        raise ConfigError([*problems, *_problems_of_watchlists(config, **_known(config))])
    watchlists = load_watchlists(config.watchlists, **_known(config))
    return InForce(
        config=config,
        feeds={feed.name: feed for feed in config.feeds},
        watchlists=watchlists,
        compiled=compile_watchlists(watchlists),
        fingerprint=seen,
    )


def _problems_of_watchlists(config: Config, **known: frozenset[str]) -> tuple[Problem, ...]:
    """What is wrong with the watchlists, beside a configuration that is wrong, too."""
    try:
        load_watchlists(config.watchlists, **known)
    except ConfigError as error:
        return error.problems
    return ()


def read_candidates(names: Sequence[str], in_force: InForce) -> tuple[Watchlist, ...]:
    """Watchlists to try: files, or ids of those in force. Raises ConfigError with all problems of all files."""
    held = {watchlist.id: watchlist for watchlist in in_force.watchlists}
    found: dict[str, Watchlist] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            one = held[name] if name in held else load_watchlist(Path(name), **_known(in_force.config))
            found[one.id] = one
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return tuple(found.values())


def _known(config: Config) -> dict[str, frozenset[str]]:
    """The feeds and tags that watchlists may name; nothing where there is no configuration to ask."""
    if config.is_default:
        return {}
    return {
        "known_feeds": frozenset(feed.name for feed in config.feeds),
        "known_tags": frozenset(tag for feed in config.feeds for tag in feed.tags),
    }


def _unknown_in_routes(config: Config) -> list[Problem]:
    """A route that names a watchlist must name one that there is; a glob may fit none."""
    ids = {name.rpartition(".")[0] for name, *_ in fingerprint(config.watchlists) if name}
    return [
        Problem(
            file=str(config.path),
            line=line,
            key="route.watchlists",
            says=f"no watchlist is called {name!r}; {did_you_mean(name, ids)}",
        )
        for route, line in zip(config.routes, config.route_lines, strict=True)
        for name in route.watchlists
        if name not in ids and not set("*?[") & set(name)
    ]


def fingerprint(folder: Path) -> Fingerprint:
    """What the watchlist files look like from outside; another value means that one was edited, replaced, added,
    removed or made readable. Editors replace files, so the inode counts too."""
    found = []
    try:
        for entry in os.scandir(folder):
            if entry.name.lower().endswith(SUFFIX) and not entry.name.startswith("."):
                about = entry.stat()
                found.append((entry.name, about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino))
    except OSError:  # the folder, or a file while we looked: the next look sees how it ended
        found.append(("", 0, 0, 0, 0))
    return tuple(sorted(found))
