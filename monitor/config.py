"""config.toml → frozen `Config`, from the declarations of config_file.py.

The only room that reads the environment. Secrets are resolved here (text, environment variable, file or systemd
credential) and appear in no error, `repr` or log.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Mapping
from dataclasses import field
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationError

from monitor.config_file import (
    LISTED_TABLES,
    SINGLE_TABLES,
    AlertsSection,
    ArchiveSection,
    ChannelSection,
    ConfigFile,
    FeedSection,
    MonitorSection,
    PollingSection,
    RouteSection,
    Secret,
    SecretReference,
    Section,
    WebSection,
    is_loopback,
    web_url,
)
from monitor.errors import ConfigError, Problem
from monitor.model import Channel, Feed, Level, Origin, Route, record
from monitor.toml_file import TomlFile, did_you_mean, problems_of, read_toml

# What other packages plug into pydantic has no business with a configuration, which holds secrets; and to find it, the
# metadata of every installed package are read.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

SEARCH_PATH = ("config.toml", "/etc/wirewatch/config.toml")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_KEYS = ("headers", "channel", "token", "heartbeat")  # what stands under them is repeated in no message
TOKEN_LENGTH = 16  # characters at least
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 5.6.2


@record
class ChannelConfig:
    """A channel with its secrets filled in."""

    name: str
    line: int  # where it stands in the file
    url: SecretStr
    settings: ChannelSection = field(repr=False)  # its url may hold secrets, too

    def record(self, recipients: tuple[str, ...] = ("",), *, edits: bool = False, idempotent: bool = False) -> Channel:
        """What the line needs to know of the channel: never its address. The arguments are its sender's; where that is
        idempotent there is nothing to ask before sending again."""
        settings = self.settings
        start, _, end = (settings.quiet_hours or "").partition("-")
        return Channel(
            name=self.name,
            recipients=recipients,
            min_level=Level(settings.min_level),
            operator=settings.operator,
            quiet=(_clock_time(start), _clock_time(end)) if start else None,
            quiet_passes=None if settings.quiet_passes == "nothing" else Level(settings.quiet_passes),
            digest=tuple(map(_clock_time, settings.digest)),
            holds_doubt=settings.ambiguous == "hold" and not idempotent,
            edits=edits,
        )


@record
class Config:
    """Everything the operator configured, checked and resolved."""

    path: Path
    monitor: MonitorSection
    polling: PollingSection
    alerts: AlertsSection
    archive: ArchiveSection
    web: WebSection
    feeds: tuple[Feed, ...]
    channels: tuple[ChannelConfig, ...]
    routes: tuple[Route, ...]
    database: str
    heartbeat: SecretStr
    token: SecretStr  # that readers of the status page must bear; empty: none
    state_dir: Path  # what channels must not lose stands here, beside the database
    watchlists: Path
    zone: ZoneInfo
    warnings: tuple[Problem, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)  # to be kept out of logs
    route_lines: tuple[int, ...] = ()  # where each route names its watchlists
    is_default: bool = False  # there is no file

    @property
    def origins(self) -> dict[str, Origin]:
        """What watchlists may ask about each feed."""
        return {feed.name: Origin(feed=feed.name, tags=feed.tags, tier=feed.tier) for feed in self.feeds}


@record
class TestHooks:
    """Switches that only tests may use; all off unless WIREWATCH_TEST_HOOKS=1."""

    __test__ = False
    now: datetime | None = None  # the clock starts here …
    speed: float = 1.0  # … and goes so many times as fast
    crash_at: str | None = None  # "point:n": the process kills itself when it passes this point for the n-th time


def find_config(path: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: `path`, else $WIREWATCH_CONFIG, ./config.toml, /etc/wirewatch/config.toml.

    Raises ConfigError where there is none.
    """
    named = path or environ.get("WIREWATCH_CONFIG")
    if named:
        return Path(named)
    for candidate in map(Path, SEARCH_PATH):
        if candidate.exists():
            return candidate
    says = "no configuration found; copy config.example.toml to config.toml, or name one with --config"
    raise ConfigError([Problem(file="config.toml", line=1, key="--config", says=says)])


def test_hooks(environ: Mapping[str, str] = os.environ) -> TestHooks:
    """The test switches of the environment: WIREWATCH_NOW (RFC 3339), WIREWATCH_SPEED, WIREWATCH_CRASH_AT (point:n)."""
    if environ.get("WIREWATCH_TEST_HOOKS") != "1":
        return TestHooks()
    now = environ.get("WIREWATCH_NOW")
    return TestHooks(
        now=datetime.fromisoformat(now) if now else None,
        speed=float(environ.get("WIREWATCH_SPEED", "1")),
        crash_at=environ.get("WIREWATCH_CRASH_AT"),
    )


test_hooks.__test__ = False


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read, check and resolve a configuration. Raises ConfigError with every problem at once."""
    config, problems = read_config(path, environ)
    if problems:
        raise ConfigError(problems)
    return config


def read_config(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[Config, tuple[Problem, ...]]:
    """What is sound of a configuration, and every problem with the rest: for whoever looks on for more mistakes.

    With problems it is not to be used for anything else; what is broken is absent, or has its default.
    """
    try:
        toml = read_toml(path)
    except ConfigError as error:
        return default_config(path.absolute().parent, environ), error.problems
    problems: list[Problem] = []
    try:
        sound = _Sound.of(ConfigFile.model_validate(toml.data))
    except ValidationError as error:
        problems = problems_of(error, toml, ConfigFile, secret=SECRET_KEYS)
        sound = _Sound.parts_of(toml.data)
    resolver = _Resolver(toml, sound, path, environ)
    config = resolver.config()
    return config, tuple(sorted({*problems, *resolver.problems}))


def load_database(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[str, Path]:
    """Only where the database stands, and the folder of what channels must not lose: whoever makes a backup needs no
    secrets, and no mistake elsewhere in the file stops him. Raises ConfigError."""
    toml = read_toml(path)
    monitor = toml.data.get("monitor", {})
    named = {"database": monitor["database"]} if isinstance(monitor, dict) and "database" in monitor else {}
    try:
        file = ConfigFile.model_validate({"monitor": named})
    except ValidationError as error:
        raise ConfigError(problems_of(error, toml, ConfigFile)) from None
    resolver = _Resolver(toml, _Sound.of(file), path, environ)
    return resolver.database(), resolver.state_dir()


def default_config(folder: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """What holds where there is no file: all defaults, relative to `folder`. For commands that only look."""
    toml = TomlFile(path=str(folder / "config.toml"), data={})
    return _Resolver(toml, _Sound.of(ConfigFile()), folder / "config.toml", environ).config()


@record
class _Sound:
    """The tables of a file that are right by themselves; those of lists with their number in the file."""

    monitor: MonitorSection
    polling: PollingSection
    alerts: AlertsSection
    archive: ArchiveSection
    web: WebSection
    feeds: tuple[tuple[int, FeedSection], ...]
    channels: dict[str, ChannelSection]
    routes: tuple[tuple[int, RouteSection], ...]

    @classmethod
    def of(cls, file: ConfigFile) -> _Sound:
        """All of a valid file."""
        singles = {name: getattr(file, name) for name in SINGLE_TABLES}
        lists = {"feeds": tuple(enumerate(file.feed)), "routes": tuple(enumerate(file.route))}
        return cls(**singles, **lists, channels=file.channel)

    @classmethod
    def parts_of(cls, data: Mapping[str, Any]) -> _Sound:
        """What is valid of a file that is not."""
        singles = {
            name: _valid(model, data.get(name, {})) or _valid(model, _only_valid(model, data.get(name))) or model()
            for name, model in SINGLE_TABLES.items()
        }
        named = data.get("channel") if isinstance(data.get("channel"), dict) else {}
        channels = {name: found for name, table in named.items() if (found := _valid_channel(table))}
        lists = {key: _valid_ones(model, data.get(key[:-1])) for key, model in LISTED_TABLES.items()}
        return cls(**singles, **lists, channels=channels)


def _valid(model: type[Section], table: Any) -> Any:
    try:
        return model.model_validate(table)
    except ValidationError:
        return None


def _only_valid(model: type[Section], table: Any) -> dict[str, Any]:
    """The keys of a table that are valid each by itself."""
    pairs = table.items() if isinstance(table, dict) else ()
    return {key: value for key, value in pairs if _valid(model, {key: value})}


def _valid_channel(table: Any) -> ChannelSection | None:
    """A channel with those of its keys that are valid, if its address is."""
    if (whole := _valid(ChannelSection, table)) or not isinstance(table, dict) or "url" not in table:
        return whole
    url = {"url": table["url"]}
    sound = {key: value for key, value in table.items() if _valid(ChannelSection, url | {key: value})}
    return _valid(ChannelSection, sound)


def _valid_ones(model: type[Section], tables: Any) -> tuple[tuple[int, Any], ...]:
    listed = enumerate(tables if isinstance(tables, list) else ())
    return tuple((number, found) for number, table in listed if (found := _valid(model, table)))


# Kinds of channels in whose addresses nothing but a password is secret.
_WITHOUT_TOKENS = frozenset("console mailto mailtos json jsons xml xmls form forms".split())


def _holds_secret(url: str) -> bool:
    """Whether who reads a channel's address may use it: but for some kinds, what stands in it is a token."""
    scheme, _, rest = url.partition("://")
    has_password = ":" in rest.rpartition("@")[0]
    return has_password or scheme not in _WITHOUT_TOKENS


class _Resolver:
    """Turns sound tables into a Config: fills in defaults, secrets and paths, and checks what crosses tables."""

    def __init__(self, toml: TomlFile, sound: _Sound, path: Path, environ: Mapping[str, str]):
        self.toml, self.file, self.path, self.environ = toml, sound, path, environ
        self.folder = path.absolute().parent
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.secrets: list[str] = []

    def config(self) -> Config:
        """What `problems` say is wrong with it stands beside it."""
        heartbeat, token = self._heartbeat(), self._token()
        feeds, channels = self._feeds(), self._channels()
        routes = self._routes()
        return Config(
            warnings=(*self.warnings, *self._twins(channels), *self._without_route(routes)),
            route_lines=tuple(self.toml.position("route", n, "watchlists")[0] for n, _ in self.file.routes),
            is_default=not self.toml.data,
            path=self.path,
            monitor=self.file.monitor,
            polling=self.file.polling,
            alerts=self.file.alerts,
            archive=self.file.archive,
            web=self.file.web,
            feeds=feeds,
            channels=channels,
            routes=routes,
            database=self.database(),
            heartbeat=SecretStr(heartbeat),
            token=SecretStr(token),
            state_dir=self.state_dir(),
            watchlists=self.folder / self.file.monitor.watchlists,
            zone=ZoneInfo(self.file.monitor.timezone),
            secrets=tuple(self.secrets),
        )

    def _problem(self, says: str, *path: str | int) -> None:
        self.problems.append(self.toml.problem(path, says))

    def database(self) -> str:
        """Its address: a path that does not depend on where we stand, or that of a server."""
        named = self.file.monitor.database
        return named if "://" in named else str(self.folder / named)

    def state_dir(self) -> Path:
        """Where channels keep what they must not lose: beside the database."""
        if "://" in self.file.monitor.database:
            return Path(self.environ.get("STATE_DIRECTORY", self.folder))
        return Path(self.database()).parent

    def _heartbeat(self) -> str:
        address = self._secret(self.file.monitor.heartbeat, "monitor", "heartbeat")
        try:
            return web_url(address) if address else ""
        except ValueError as error:
            self._problem(str(error), "monitor", "heartbeat")
            return ""

    def _token(self) -> str:
        listen, token = self.file.web.listen, self._secret(self.file.web.token, "web", "token")
        if token and isinstance(self.file.web.token, str):
            self._in_clear("web", "token")
        if token and len(token) < TOKEN_LENGTH:
            self._problem(f"is too short; expected at least {TOKEN_LENGTH} characters", "web", "token")
        if listen and not is_loopback(listen) and not self.file.web.token:
            says = "is not only this host; expected a token for its readers beside it, or a loopback address"
            self._problem(says, "web", "listen")
        return token

    def _feeds(self) -> tuple[Feed, ...]:
        feeds: list[Feed] = []
        taken = {section.name for _, section in self.file.feeds}
        for number, section in self.file.feeds:
            name = section.name or unused(name_from_url(section.url), taken)
            taken.add(name)
            feeds.append(self._feed(number, name, section))
        for name in self.file.monitor.opml:
            feeds.extend(self._opml_feeds(self.folder / name, feeds))
        self._twice("name", [feed.name for feed in feeds])
        self._twice("url", [feed.url for feed in feeds])
        return self._each_once(feeds)

    def _number(self, position: int) -> int | None:
        """The number in the file of the feed at a position; None of one that came by OPML."""
        return self.file.feeds[position][0] if position < len(self.file.feeds) else None

    def _twice(self, what: str, values: list[str]) -> None:
        first: dict[str, int] = {}
        for position, value in enumerate(values):
            earlier, number = first.setdefault(value, position), self._number(position)
            if earlier != position and number is not None:
                line = self.toml.position("feed", self._number(earlier), what)[0]
                says = f"{value!r} is the {what} of the feed in line {line}, too; expected each once"
                self._problem(says, "feed", number, what)

    def _each_once(self, feeds: list[Feed]) -> tuple[Feed, ...]:
        """Without feeds whose address is another spelling of an earlier one's; they are told, and polled once."""
        first: dict[str, int] = {}
        for position, feed in enumerate(feeds):
            earlier, number = first.setdefault(spelt_alike(feed.url), position), self._number(position)
            if earlier != position and feed.url != feeds[earlier].url and number is not None:
                line = self.toml.position("feed", self._number(earlier), "url")[0]
                says = f"is another spelling of the address in line {line}; only {feeds[earlier].name!r} is polled"
                self.warnings.append(self.toml.problem(("feed", number, "url"), says))
        return tuple(feeds[position] for position in sorted(first.values()))

    def _feed(self, number: int, name: str, section: FeedSection) -> Feed:
        return Feed(
            name=name,
            url=section.url,
            outlet=section.outlet,
            tier=section.tier,
            language=section.language or None,
            tags=section.tags,
            interval=section.interval or self.file.polling.interval,
            article_domains=section.article_domains,
            own_interval=section.interval is not None,
            headers=tuple(self._header(number, key, value) for key, value in section.headers.items()),
        )

    def _header(self, number: int, name: str, value: Secret) -> tuple[str, str]:
        place = ("feed", number, "headers", name)
        resolved = self._secret(value, *place)
        if not FIELD_NAME.fullmatch(name) or not all(letter.isprintable() for letter in resolved):
            self._problem("is no header; expected a name of letters and hyphens, and a value on one line", *place)
        return name, resolved

    def _opml_feeds(self, path: Path, known: list[Feed]) -> list[Feed]:
        from monitor.opml import read_opml  # few have such files, and a parser for XML comes with it

        try:
            outlines = read_opml(path)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return []
        urls, names, feeds = {feed.url for feed in known}, {feed.name for feed in known}, []
        for outline in outlines:
            if outline.url in urls:
                continue
            urls.add(outline.url)
            name = name_from_url(outline.url)
            name = unused(name, names)
            names.add(name)
            feeds.append(
                Feed(
                    name=name,
                    url=outline.url,
                    outlet=outline.title or None,
                    tags=outline.tags,
                    interval=self.file.polling.interval,
                )
            )
        return feeds

    def _channels(self) -> tuple[ChannelConfig, ...]:
        return tuple(
            ChannelConfig(
                name=name,
                line=self.toml.position("channel", name, "url")[0],
                url=SecretStr(self._channel_url(name, section)),
                settings=section,
            )
            for name, section in self.file.channels.items()
        )

    def _channel_url(self, name: str, section: ChannelSection) -> str:
        """The address with what its placeholders name filled in."""
        url = self._secret(section.url, "channel", name, "url", plain_is_secret=False)
        if isinstance(section.url, str) and _holds_secret(section.url):
            self._in_clear("channel", name, "url")
        beside = section.model_extra or {}
        if isinstance(section.url, str):
            self._check_placeholders(name, set(PLACEHOLDER.findall(url)), set(beside))
        fills = {key: quote(self._beside(value, "channel", name, key), safe="") for key, value in beside.items()}
        return PLACEHOLDER.sub(lambda match: fills.get(match[1], match[0]), url)

    def _check_placeholders(self, name: str, named: set[str], beside: set[str]) -> None:
        for key in sorted(beside - named):
            known = {*ChannelSection.model_fields, *named}
            says = f"unknown key: the url does not name {{{key}}}; {did_you_mean(key, known)}"
            self._problem(says, "channel", name, key)
        for key in sorted(named - beside):
            says = f"the url names {{{key}}}; expected a key of that name beside it"
            self._problem(says, "channel", name, "url")

    def _beside(self, value: Any, *path: str | int) -> str:
        """What a key that a placeholder names holds."""
        if not isinstance(value, dict):
            self._in_clear(*path)
            return self._secret(str(value), *path)
        reference = _valid(SecretReference, value)
        if reference is None:
            self._problem('expected text, or one of { env = "…" }, { file = "…" } and { credential = "…" }', *path)
            return ""
        return self._secret(reference, *path)

    def _secret(self, value: Secret, *path: str | int, plain_is_secret: bool = True) -> str:
        if isinstance(value, str):
            resolved = value
        else:
            before = len(self.problems)
            resolved, plain_is_secret = self._referenced(value, *path), True
            if not resolved and len(self.problems) == before:
                self._problem("is empty where it is kept; expected the secret", *path)
        if plain_is_secret and len(resolved) >= 4:
            self.secrets.append(resolved)
        return resolved

    def _referenced(self, reference: SecretReference, *path: str | int) -> str:
        if reference.env is not None:
            if reference.env not in self.environ:
                self._problem(f"the environment variable {reference.env} is not set", *path)
            return self.environ.get(reference.env, "")
        if reference.credential is not None:
            folder = self.environ.get("CREDENTIALS_DIRECTORY")
            if folder is None:
                self._problem(
                    f"there are no systemd credentials here; expected LoadCredential={reference.credential}:…", *path
                )
                return ""
            return self._secret_file(Path(folder) / reference.credential, *path)
        return self._secret_file(self.folder / reference.file, *path)

    def _in_clear(self, *path: str | int) -> None:
        """A warning where a secret stands in a configuration that everybody on this host can read."""
        if self.path.stat().st_mode & stat.S_IROTH:
            says = f"stands in a file that everybody can read; run: chmod 600 {self.path}, or keep it elsewhere"
            self.warnings.append(self.toml.problem(path, says))

    def _secret_file(self, file: Path, *path: str | int) -> str:
        try:
            mode = file.stat().st_mode
            if not stat.S_ISREG(mode):
                self._problem(f"{file} is no regular file", *path)
                return ""
            if mode & stat.S_IRWXO:
                self._problem(f"{file} can be read or changed by everybody; run: chmod 600 {file}", *path)
                return ""
            return file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            self._problem(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", *path)
            return ""

    def _twins(self, channels: tuple[ChannelConfig, ...]) -> tuple[Problem, ...]:
        """Channels with one address: who reads it gets every alert once for each."""
        first: dict[str, str] = {}
        return tuple(
            self.toml.problem(("channel", channel.name, "url"), f"is the address of channel {of!r}, too: two messages")
            for channel in channels
            if (of := first.setdefault(channel.url.get_secret_value(), channel.name)) != channel.name
        )

    def _routes(self) -> tuple[Route, ...]:
        named = self.toml.data.get("channel")
        channels = set(named) if isinstance(named, dict) else set()
        routes: list[Route] = []
        for number, section in self.file.routes:
            for position, name in enumerate(section.channels):
                if name not in channels:
                    says = f"no channel is called {name!r}; {did_you_mean(name, channels)}"
                    self._problem(says, "route", number, "channels", position)
            route = Route(
                channels=section.channels,
                watchlists=section.watchlists,
                min_level=Level(section.min_level),
                group_wait=section.group_wait,
                continues=section.continue_,
            )
            for before, earlier in enumerate(routes):
                if _takes_all_of(earlier, route):
                    line = self.toml.position("route", self.file.routes[before][0])[0]
                    says = f"is never reached: the route in line {line} takes all of it; expected it above that one"
                    self._problem(says, "route", number)
                    break
            routes.append(route)
        return tuple(routes)

    def _without_route(self, routes: tuple[Route, ...]) -> tuple[Problem, ...]:
        """Channels that nothing leads to, where there are routes at all."""
        reached = {name for route in routes for name in route.channels}
        says = "no route leads here, and it is no operator's: nothing is sent to it"
        return tuple(
            self.toml.problem(("channel", name, "url"), says)
            for name, section in self.file.channels.items()
            if routes and name not in reached and not section.operator
        )


def _takes_all_of(earlier: Route, later: Route) -> bool:
    """Whether whatever fits the later route fits the earlier one, and goes no further."""
    loud_enough = earlier.min_level is Level.NORMAL or later.min_level is earlier.min_level
    return (
        loud_enough
        and not earlier.continues
        and all(any(_covers(wide, name) for wide in earlier.watchlists) for name in later.watchlists)
    )


def _covers(wide: str, name: str) -> bool:
    """Whether a glob matches all that another glob, or a name, matches; in doubt no."""
    plain = not set("?[") & set(wide)
    return wide == name or (fnmatchcase(name, wide) and (plain or not set("*?[") & set(name)))


def _clock_time(text: str) -> time:
    return time.fromisoformat(text.strip())


def name_from_url(url: str) -> str:
    """A feed's default name: host and path without what says nothing, and without what may be secret."""
    parts = urlsplit(url)
    port = f" {parts.port}" if parts.port else ""
    words = re.split(r"[^a-z0-9]+", f"{(parts.hostname or '').removeprefix('www.')}{port} {parts.path}".lower())
    dull = {"", "rss", "xml", "feed", "feeds", "index", "atom", "json", "com", "org", "net", "www", "php"}
    return "-".join(word for word in words if word not in dull)[:60] or "feed"


def spelt_alike(url: str) -> str:
    """The same for all spellings of an address that cannot mean another: capitals in the host, its usual port, a
    fragment, an empty path (RFC 3986, 6.2)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    usual = {"http": 80, "https": 443}.get(parts.scheme.lower())
    host = (parts.hostname or "") + (f":{port}" if port and port != usual else "")
    login = parts.netloc.rpartition("@")[0]
    return f"{parts.scheme.lower()}://{login}@{host}{parts.path or '/'}?{parts.query}"


def unused(name: str, taken: Container[str]) -> str:
    """The name, or with the first number behind it that makes it one of its own."""
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def notify_socket(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where systemd listens for our states, if it does."""
    return environ.get("NOTIFY_SOCKET")


def folder_in_memory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a note may be left when the disk is full: what systemd has made for us, or shm_overview(7)."""
    return Path(environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or "/dev/shm")


def watchdog_patience(environ: Mapping[str, str] = os.environ) -> timedelta | None:
    """How long systemd waits for a sign of life (sd_watchdog_enabled(3)), if it does."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    return timedelta(microseconds=int(microseconds)) if microseconds.isdecimal() else None
