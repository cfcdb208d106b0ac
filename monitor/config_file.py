"""The keys of `config.toml`, each declared once: default, unit, limits and a sentence; and their JSON Schema.

Reads no file and no environment; secrets and what crosses tables are config.py's business.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from monitor.units import Duration, PositiveDuration, Size, as_written, bounded_duration

DOMAIN = re.compile(r"(?:[\w-]+\.)+[\w-]+")
CLOCK_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"


class Section(BaseModel):
    """A table of the file: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        defer_build=True,  # a table that stands in another has no use for a validator of its own
    )


class SecretReference(Section):
    """Where a secret comes from; exactly one key."""

    env: str | None = Field(None, description="Name of an environment variable.")
    file: str | None = Field(None, description="Path of a file that only the service may read.")
    credential: str | None = Field(None, description="Name of a systemd credential (LoadCredential=).")

    @model_validator(mode="after")
    def _one_source(self) -> SecretReference:
        if sum(value is not None for value in (self.env, self.file, self.credential)) != 1:
            raise ValueError("expected exactly one of env, file and credential")
        return self


Secret = str | SecretReference


def _zone(name: str) -> str:
    says = f"{name!r} is no IANA time zone; expected one such as 'Europe/London'"
    if name.startswith(("posix", "right/")):  # the database's own variants, those with leap seconds among them
        raise ValueError(says)
    try:
        ZoneInfo(name)  # a list of all that there are would take a look into six hundred files
    except (LookupError, ValueError, OSError):
        raise ValueError(says) from None
    return name


def _quiet_hours(span: str | None) -> str | None:
    if span is None:
        return None
    match = re.fullmatch(rf"({CLOCK_TIME})\s*-\s*({CLOCK_TIME})", span)
    if not match:
        raise ValueError("expected a span such as '23:00-06:30'")
    if match[1] == match[2]:
        raise ValueError("starts when it ends; expected two different times")
    return span


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no network; expected one such as '10.1.2.0/24'") from None
    return text


def _domain(name: str) -> str:
    if not DOMAIN.fullmatch(name):
        raise ValueError('expected a domain such as "bbc.co.uk", without https:// and path')
    return name.lower().encode("idna").decode("ascii")


def _listen(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if listen and (not _is_address(host) or not port.isascii() or not port.isdigit() or int(port) > 65535):
        raise ValueError('expected an address and a port up to 65535, such as "127.0.0.1:8585"; "" turns it off')
    return listen


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return True


def is_loopback(listen: str) -> bool:
    """Whether only this host reaches what listens there ("host:port")."""
    host = listen.rpartition(":")[0].strip("[]")
    return host == "localhost" or ip_address(host).is_loopback


def _page_address(url: str) -> str:
    if url and (set("?#") & set(web_url(url)) or "@" in urlsplit(url).netloc):
        raise ValueError("expected an address alone, such as https://alerts.example.org")
    return url


def web_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http:// or https:// address")
    try:
        parts.port  # noqa: B018 (reading it checks it)
    except ValueError:
        raise ValueError("expected a port between 1 and 65535 behind the host, or none") from None
    return url


def _written_as(pattern: str, expected: str) -> Any:
    """The type of a text of this form, `expected` in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is {text!r}; expected {expected}")
        return text

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})]


Port = Annotated[int, Field(ge=1, le=65535)]
ClockTime = _written_as(CLOCK_TIME, "a time of the day such as '08:00'")
FeedName = _written_as("[A-Za-z0-9][A-Za-z0-9._-]*", "letters of a to z, digits, '.', '_' and '-', such as 'bbc-world'")
Language = _written_as("[a-zA-Z]{2,3}(-[A-Za-z0-9]+)*", "a language's code, such as 'en' or 'pt-BR'")
OneLine = _written_as(r"[^\r\n]*", "one line")


class MonitorSection(Section):
    """The daemon itself."""

    database: str = Field("wirewatch.db", min_length=1, description="SQLite file, or postgresql://… for PostgreSQL.")
    watchlists: str = Field("watchlists", description="Folder of *.toml watchlists, reloaded when one changes.")
    opml: tuple[str, ...] = Field((), description="OPML files with more feeds.", strict=False)
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "Europe/London", description="IANA zone of digests, quiet hours and what people read."
    )
    heartbeat: Secret = Field("", description="Address that is asked once a minute while all is well.")
    language: Language = Field("en", description="Language of feeds that do not say.")


class PollingSection(Section):
    """How feeds are fetched."""

    interval: PositiveDuration = Field(
        timedelta(minutes=30), description="Between checks of a feed; servers may ask for more."
    )
    min_interval: PositiveDuration = Field(timedelta(minutes=5), description="Nothing makes a feed faster than this.")
    max_interval: PositiveDuration = Field(timedelta(hours=24), description="Nothing makes a feed slower than this.")
    concurrency: int = Field(64, ge=1, le=256, description="Requests at once.")
    per_host: int = Field(1, ge=1, le=8, description="Requests at once to one host.")
    host_gap: bounded_duration("0s", "1h") = Field(
        timedelta(seconds=2), description="Between two requests to one host."
    )
    timeout: bounded_duration("1s", "10m") = Field(
        timedelta(seconds=30), description="For a whole request, not for a read."
    )
    max_body: Size = Field(15_000_000, description="Largest feed document, decoded.")
    contact: OneLine = Field("", description="Mail address or page for publishers; goes into the User-Agent.")
    allow_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="Private networks that may be fetched from.", strict=False
    )
    allow_ports: tuple[Port, ...] = Field(
        (80, 443),
        description="Ports that may be fetched from; a feed's own port is allowed for that feed.",
        strict=False,
    )
    articles: Literal["never", "matching", "always"] = Field(
        "matching", description="Fetch the linked page: never, near a watchlist's threshold, or always."
    )

    @model_validator(mode="after")
    def _in_order(self) -> PollingSection:
        if not self.min_interval <= self.interval <= self.max_interval:
            raise ValueError("expected min_interval ≤ interval ≤ max_interval")
        return self


class AlertsSection(Section):
    """What becomes an alert."""

    backlog: Duration = Field(
        timedelta(hours=24), description="Older than this at a feed's first check: remembered, never alerted."
    )
    backlog_max: int = Field(10, ge=0, le=1000, description="At most so many alerts from a feed's first check.")
    story_window: PositiveDuration = Field(timedelta(hours=72), description="How long a later copy joins its story.")
    base_url: Annotated[str, AfterValidator(_page_address)] = Field(
        "", description="Address under which readers reach the status page, for links in alerts."
    )
    singles_per_hour: int = Field(
        20, ge=1, le=10_000, description="Single alerts an hour a watchlist and level; the rest comes as digests."
    )
    collapse_above: int = Field(
        20, ge=1, le=10_000, description="More alerts than this waiting for a channel go as one digest."
    )
    catch_up_after: PositiveDuration = Field(
        timedelta(hours=6), description="What a feed not reached for so long brings comes as one digest."
    )


class ArchiveSection(Section):
    """How long things are kept."""

    keep: PositiveDuration = Field(
        timedelta(days=90),
        description="Entries and stories; fingerprints stay 400 days so that nothing old alerts again.",
    )


class WebSection(Section):
    """The status page."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        "127.0.0.1:8585", description='Address and port of the status page; "" turns it off.'
    )
    token: Secret = Field("", description="Asked of everyone who reads the page; needed beyond loopback.")


class FeedSection(Section):
    """One feed."""

    url: Annotated[str, AfterValidator(web_url)] = Field(description="Address of the feed.")
    name: FeedName | None = Field(None, description="Unique name; made from the address by default.")
    outlet: str | None = Field(None, description="Who publishes it; the feed's own title by default.")
    tier: int = Field(2, ge=1, le=9, description="Trust: 1 is the most trusted.")
    language: str | None = Field(None, description="Language, where the feed does not say or is wrong.")
    tags: tuple[str, ...] = Field((), description="For scopes of watchlists, written there as #tag.", strict=False)
    interval: PositiveDuration | None = Field(None, description="Between checks of this feed.")
    article_domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = Field(
        (), description="Domains beside its own from which linked pages may be fetched.", strict=False
    )
    headers: dict[str, Secret] = Field({}, description="Extra request headers; values may be secrets.")


class ChannelSection(Section):
    """Where alerts go. Keys that the address names in braces may stand beside it and hold secrets."""

    model_config = ConfigDict(extra="allow")

    url: Secret = Field(description="An Apprise URL; {name} in it is filled from the key of that name.")
    min_level: Literal["normal", "urgent"] = Field("normal", description="Only alerts at least this loud.")
    quiet_hours: Annotated[str | None, AfterValidator(_quiet_hours)] = Field(
        None, description="Held until they end, such as '23:00-06:30'."
    )
    quiet_passes: Literal["normal", "urgent", "nothing"] = Field("urgent", description="What passes quiet hours.")
    per_minute: int | None = Field(None, ge=1, le=6000, description="At most so many messages a minute.")
    digest: tuple[ClockTime, ...] = Field((), description="Collected until these times, sent as one.", strict=False)
    operator: bool = Field(False, description="Gets what concerns the daemon itself.")
    ambiguous: Literal["resend", "hold"] = Field(
        "resend", description="What may have arrived: sent again, or held until a person says so."
    )


class RouteSection(Section):
    """Which alerts go where; the first that fits wins, unless `continue = true`."""

    watchlists: tuple[str, ...] = Field(("*",), description="Ids or globs of watchlists.", strict=False)
    min_level: Literal["normal", "urgent"] = Field("normal", description="Only alerts at least this loud.")
    channels: tuple[str, ...] = Field(description="Names of channels.", min_length=1, strict=False)
    group_wait: bounded_duration("0s", "24h") = Field(
        timedelta(seconds=60), description="Time to collect the first copies; urgent goes at once."
    )
    continue_: bool = Field(False, alias="continue", description="Try the routes below, too.")


class ConfigFile(Section):
    """config.toml as a whole."""

    monitor: MonitorSection = Field(default_factory=MonitorSection, description="The daemon itself.")
    polling: PollingSection = Field(default_factory=PollingSection, description="How feeds are fetched.")
    alerts: AlertsSection = Field(default_factory=AlertsSection, description="What becomes an alert.")
    archive: ArchiveSection = Field(default_factory=ArchiveSection, description="How long things are kept.")
    web: WebSection = Field(default_factory=WebSection, description="The status page.")
    feed: tuple[FeedSection, ...] = Field((), description="Feeds.", strict=False)
    channel: dict[str, ChannelSection] = Field({}, description="Channels, by name.")
    route: tuple[RouteSection, ...] = Field((), description="Routes, in order.", strict=False)


SINGLE_TABLES: dict[str, type[Section]] = {
    "monitor": MonitorSection,
    "polling": PollingSection,
    "alerts": AlertsSection,
    "archive": ArchiveSection,
    "web": WebSection,
}
LISTED_TABLES: dict[str, type[Section]] = {"feeds": FeedSection, "routes": RouteSection}


def config_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of config.toml, for editors."""
    schema = ConfigFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **as_written(schema)}
