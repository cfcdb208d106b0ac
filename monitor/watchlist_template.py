"""A new watchlist: a file full of comments that is sound as it stands, for `watchlists new`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from monitor.errors import MonitorError
from monitor.watchlist_file import watchlist_json_schema
from monitor.watchlists import SUFFIX, is_id

SCHEMA = "watchlist.schema.json"
TEMPLATE = """\
#:schema ./watchlist.schema.json
# Everything here is explained in docs/watchlists.md. After an edit:
#   wirewatch check                              is it sound?
#   wirewatch backtest --watchlist {id}        what would it have alerted on?

title     = {title}
threshold = 4                # score at which a story alerts
# urgent  = 8                # … and at which it is urgent
# max_age = "48h"            # older stories never alert
# backfill = "24h"           # also alert on stories of the archive that are this young
# shadow  = true             # try it out: decide and record, send nothing
# tags    = ["my-beat"]

# [scope]                    # hard gates
# languages = ["en"]
# not_feeds = ["#press-release"]

[[term]]                     # 2 points, twice that in the headline
name     = "subject"
any      = [{words}]
weight   = 2
required = true
# fuzzy  = 85                # also near spellings of names of 6 letters and more

# [[term]]                   # only near the subject
# any    = ["merger*", "takeover*"]
# weight = 3
# near   = {{ term = "subject", words = 20 }}

# [[term]]                   # evidence against
# any    = ["football"]
# weight = -4

# [[veto]]                   # silence, whatever the score
# any    = ["video game"]

[[test]]                     # tried at every load
title  = {headline}
expect = "alert"
"""


def write_template(folder: Path, name: str) -> Path:
    """Write `<name>.toml` into the folder, ready to be filled in; returns its path. A missing folder is made.

    Raises MonitorError where there is such a file already, where the name is no id or the folder cannot be written.
    """
    name = name.removesuffix(SUFFIX)
    if not is_id(name):
        raise MonitorError(f"{name!r} is no id; expected letters, digits, - _ and ., such as dprk-arms")
    path = folder / f"{name}{SUFFIX}"
    words = " ".join(word for word in name.replace(".", "-").replace("_", "-").split("-") if word) or name
    text = TEMPLATE.format(
        id=name,
        title=json.dumps(words.capitalize(), ensure_ascii=False),
        words=json.dumps(words, ensure_ascii=False),
        headline=json.dumps(f"What is new about {words}", ensure_ascii=False),
    )
    if any(one.casefold() == path.name.casefold() for one in _names(folder)):
        raise MonitorError(f"{path}: is there already; wirewatch does not overwrite a watchlist")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
        schema = folder / SCHEMA
        if not schema.exists():  # what the first line of the file points editors to
            schema.write_text(
                json.dumps(watchlist_json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    except OSError as error:
        raise MonitorError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _names(folder: Path) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.listdir(folder)
    except OSError as error:
        raise MonitorError(f"{folder}: cannot be read: {error.strerror}") from error
