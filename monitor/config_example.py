"""`config.example.toml`, made from the declarations of `config_file.py`: every key with its default and its sentence.

`python -m monitor.config_example > config.example.toml` writes it anew; a test compares the two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.config_file import SINGLE_TABLES, config_json_schema

COLUMN = 38  # where the sentences begin
INSTEAD = {("polling", "contact"): "desk@example.org"}  # shown in place of a default that says nothing
SECRETS = {("web", "token"): '{ env = "STATUS_TOKEN" }', ("monitor", "heartbeat"): '{ file = "heartbeat" }'}

HEAD = """\
# wirewatch configuration. Copy to config.toml and adapt; `wirewatch check` tells every mistake with its line.
# Every key with its default and meaning: docs/configuration.md. Durations: 30s 15m 8h 7d; sizes: 500KB 15MB.
# Relative paths are relative to this file. A secret is text, { env = "NAME" }, { file = "PATH" } or
# { credential = "NAME" } (systemd).
"""
FEED = {
    "url": "https://feeds.bbci.co.uk/news/world/rss.xml",
    "name": "bbc-world",
    "outlet": "BBC News",
    "tier": 1,
    "language": "en",
    "tags": ["uk", "broadcaster"],
    "interval": "10m",
    "article_domains": ["bbc.co.uk", "bbc.com"],
}
MORE_FEEDS = """\
[[feed]]
url  = "https://www.theguardian.com/world/rss"
tags = ["uk"]

# A feed behind a login; the secret stays out of this file:
#[[feed]]
#url     = "https://wire.example.org/feed.xml"
#headers = { Authorization = { env = "WIRE_TOKEN" } }
"""
SCREEN = """\
[channel.screen]
url = "console://"                    # prints; for first steps. Try it: wirewatch test-channel screen
"""
DUTY_PHONE = {
    "url": "ntfys://ntfy.example.org/duty",
    "min_level": "urgent",
    "quiet_hours": "23:00-06:30",
    "quiet_passes": "urgent",
    "per_minute": 20,
    "digest": [],
    "operator": False,
    "ambiguous": "resend",
}
MORE_CHANNELS = """\
#[channel.desk-slack]
#url = { file = "secrets/desk-slack" }          # slack://T000/B000/XXXX
#[channel.desk-room]
#url      = "matrixs://bot:{password}@matrix.example.org/!room:example.org"
#password = { env = "MATRIX_PASSWORD" }
#[channel.morning-mail]
#url      = "mailtos://user:{password}@smtp.example.org?to=desk@example.org,editor@example.org"
#password = { env = "SMTP_PASSWORD" }
#digest   = ["07:30", "16:00"]
#[channel.ops]
#url      = "mailto://localhost?to=ops@example.org"
#operator = true
"""
ROUTE = {
    "watchlists": ["*"],
    "min_level": "normal",
    "channels": ["screen"],
    "group_wait": "60s",
    "continue": False,
}


def example() -> str:
    """The example file, whole."""
    return "\n".join(_blocks()) + "\n"


def _blocks() -> Iterator[str]:
    tables = config_json_schema()["$defs"]
    yield HEAD
    for name, model in SINGLE_TABLES.items():
        keys = tables[model.__name__]["properties"]
        shown = {key: about.get("default") for key, about in keys.items()}
        yield f"[{name}]"
        yield from _rows({key: INSTEAD.get((name, key), value) for key, value in shown.items()}, keys)
        yield from _secrets(name, keys)
        yield ""
    yield _rule("feeds: as many as you like")
    yield from ("[[feed]]", *_rows(FEED, tables["FeedSection"]["properties"]), "", MORE_FEEDS)
    yield _rule("channels: where alerts go; an Apprise URL each")
    yield "# {name} in a url is filled from the key of that name beside it.\n"
    phone = _rows(DUTY_PHONE, tables["ChannelSection"]["properties"])
    yield from (SCREEN, "#[channel.duty-phone]", *(f"#{row}" for row in phone), MORE_CHANNELS)
    yield _rule("routes: the first that fits wins; without any, every alert goes to every channel")
    yield from ("[[route]]", *_rows(ROUTE, tables["RouteSection"]["properties"]))


def _rows(values: Mapping[str, Any], keys: Mapping[str, Any]) -> tuple[str, ...]:
    width = max(map(len, values))
    return tuple(_row(f"{key:<{width}} = {_written(value)}", keys[key]) for key, value in values.items())


def _row(begin: str, about: Mapping[str, Any]) -> str:
    return f"{begin:<{COLUMN - 1}} # {about['description'].rstrip('.')}"


def _secrets(table: str, keys: Mapping[str, Any]) -> Iterator[str]:
    """How a key of this table that is secret is better written."""
    yield from (f"#{key} = {SECRETS[table, key]}" for key in keys if (table, key) in SECRETS)


def _written(value: Any) -> str:
    """A value as TOML has it; of texts, numbers, truths and lists of them JSON has the same form."""
    return json.dumps(value, ensure_ascii=False)


def _rule(title: str) -> str:
    return f"# ── {title} {'─' * (94 - len(title))}\n"


if __name__ == "__main__":
    sys.stdout.write(example())
