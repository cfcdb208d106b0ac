#!/usr/bin/env python3
"""What a pass over many feeds costs, beside other programs that poll feeds.

    .venv/bin/python bench/poll.py --peers /tmp/peers [--feeds 10000] [--reps 3] [--only wirewatch,reader-w10] [--write]

../shared/tools/feedsim renders the feeds (30 entries each, a fifth of them copies) and serves them by nginx on loopback;
../shared/tools/poll_bench runs every program in turn, from an empty store, through three rounds: all feeds new; nothing
changed; a tenth of the feeds with one or two new entries. wirewatch is the whole program: copies recognised, stories
scored, all stored durably. Figures are CPU seconds with all child processes, as a ratio to `reader` of the same run,
wall seconds, and the peak of memory of all processes together. A row says how many of the entries served were stored.
Bytecode is compiled before, as pip does at an install: under PYTHONDONTWRITEBYTECODE a checkout is compiled at each start.
Exits 1 where wirewatch has not asked for every feed in every round or not stored every entry.

Needs nginx and sqlite3; `reader` lives in a virtual environment of its own, others are measured where they are
installed:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install 'reader<3.27' sgmllib3k uvloop
    apt-get install nginx-light sqlite3 newsboat rss2email sfeed

With `--write` the table goes into docs/decisions.md, where that quotes it. The tools are not part of this repository.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "../shared/tools"
FEEDSIM, POLL_BENCH = TOOLS / "feedsim/feedsim.py", TOOLS / "poll_bench/poll_bench.py"
ADAPTER = POLL_BENCH.parent / "adapters/wirewatch_setup.py"
OURS, BASE = "wirewatch", "reader-w10"
NEEDS = {  # row of poll_bench → the program it runs
    OURS: OURS,
    BASE: "",  # a package of the peers' environment
    "rss2email": "r2e",
    "newsboat-t10": "newsboat",
    "sfeed-etag": "sfeed_update",
}
FEW = 1000  # poll_bench leaves rss2email out above: it takes minutes
PORT = 18010


def missing(peers: Path) -> list[str]:
    """What this bench cannot do without, in words."""
    lacks = [
        f"{path} is missing (it is not part of the repository)" for path in (FEEDSIM, POLL_BENCH) if not path.exists()
    ]
    lacks += [f"{name} is missing: apt-get install {name}" for name in ("sqlite3",) if not shutil.which(name)]
    if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        lacks.append("nginx is missing: apt-get install nginx-light")
    python = peers / "bin/python"
    if not python.exists() or subprocess.run([python, "-c", "import reader, uvloop"], capture_output=True).returncode:
        lacks.append(f"reader is missing in {peers}: see `{Path(__file__).name} --help`")
    return lacks


def compile_ours() -> None:
    """Have bytecode of this checkout, as an installed program has."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "monitor"], check=True)


def installed(feeds: int) -> list[str]:
    """The rows that can be measured here."""
    found = [row for row, program in NEEDS.items() if row in (OURS, BASE) or shutil.which(program)]
    return [row for row in found if feeds <= FEW or row != "rss2email"]


@contextmanager
def served(folder: Path, feeds: int) -> Iterator[Path]:
    """So many feeds, rendered once a folder, and served while the block runs."""
    data = folder / f"feeds-{feeds}"
    if not (data / "manifest.json").exists():
        asked = ["--feeds", str(feeds), "--rounds", "2", "--port", str(PORT)]
        subprocess.run([sys.executable, FEEDSIM, "build", data, *asked], check=True, stdout=sys.stderr)
    subprocess.run([sys.executable, FEEDSIM, "start", data], check=True, stdout=sys.stderr)
    try:
        yield data
    finally:
        subprocess.run([sys.executable, FEEDSIM, "stop", data], check=True, stdout=sys.stderr)


def configured(folder: Path, data: Path) -> Path:
    """A configuration of wirewatch in `folder` over all feeds of `data`, as poll_bench has it made."""
    subprocess.run([sys.executable, ADAPTER, folder, data / "feeds.opml"], check=True)
    return folder / "config.toml"


def with_ours_asked_again(tools: str) -> str:
    """The rows of poll_bench, with a wirewatch that asks again at once: by itself it asks nobody twice in 5 minutes."""
    setup = "wirewatch_setup.py {dir} {opml}"
    again = """ && sed -i 's/^.polling.$/[polling]\\\\nmin_interval = \\"1s\\"/' {dir}/config.toml"""
    if setup not in tools:
        raise SystemExit(f"{POLL_BENCH.with_name('tools.toml')} sets wirewatch up in another way than this bench knows")
    return tools.replace(setup, setup + again)


def measured(data: Path, rows: Sequence[str], reps: int, peers: Path, folder: Path) -> list[dict]:
    """What poll_bench says of these rows: one record a row and repetition."""
    out = folder / "results.jsonl"
    out.unlink(missing_ok=True)
    path = os.pathsep.join((str(Path(sys.executable).parent), "/usr/sbin", os.environ["PATH"]))
    tools = folder / "tools.toml"
    tools.write_text(
        with_ours_asked_again(POLL_BENCH.with_name("tools.toml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    # The peers' Python runs the bench, and so reader; wirewatch is found by PATH.
    command = [peers / "bin/python", POLL_BENCH, "--tools", tools, "--data", data]
    command += ["--only", ",".join(rows), "--reps", str(reps)]
    command += ["--work", folder / "work", "--out", out]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PATH": path})
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def table(results: Sequence[dict]) -> str:
    """The rounds of each program, as Markdown: medians over the repetitions, ratios pair by pair."""
    base = {one["rep"]: one["rounds"] for one in results if one["tool"] == BASE}
    rows = [
        "| feeds | program | all new: CPU s (ratio), wall | nothing changed | a tenth changed | peak MB | stored |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for name in sorted({one["tool"] for one in results}, key=lambda name: list(NEEDS).index(name)):
        runs = [one for one in results if one["tool"] == name]
        cells = [_cell(runs, base, number) for number in range(3)]
        peak = max(one["peak_mb"] for run in runs for one in run["rounds"])
        stored = min(one["entries"] / one["expected"] for run in runs for one in run["rounds"])
        shown = f"**{name}**" if name == OURS else name
        rows.append(f"| {runs[0]['feeds']:,} | {shown} | {' | '.join(cells)} | {peak:.0f} | {100 * stored:.1f} % |")
    return "\n".join(rows)


def _cell(runs: Sequence[dict], base: dict[int, list[dict]], number: int) -> str:
    cpu, wall = (statistics.median(run["rounds"][number][key] for run in runs) for key in ("cpu", "wall"))
    ratios = [run["rounds"][number]["cpu"] / base[run["rep"]][number]["cpu"] for run in runs if run["rep"] in base]
    ratio = f" ({statistics.median(ratios):.2f})" if ratios else ""
    return f"{cpu:.2f}{ratio}, {wall:.1f} s"


def has_all(results: Sequence[dict]) -> bool:
    """Whether wirewatch has asked for every feed in every round, and stored every entry."""
    ours = [(run["feeds"], one) for run in results if run["tool"] == OURS for one in run["rounds"]]
    return all(
        one["entries"] == one["expected"] and sum(one["codes"].values()) >= feeds and one["rc"] == 0
        for feeds, one in ours
    )


def write(feeds: int, text: str) -> None:
    """Put a table where docs/decisions.md quotes it."""
    page = ROOT / "docs/decisions.md"
    begin, end = f"<!-- {feeds} feeds by bench/poll.py -->", f"<!-- end of {feeds} feeds -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise SystemExit(f"{page} has no place for this table: {begin}")
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> int:
    """Measure; 1 where wirewatch has lost entries, 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--reps", type=int, default=1, help="repetitions, in rotating order; ratios are the median's")
    parser.add_argument("--only", help="rows of poll_bench, comma-separated (default: all that are installed)")
    parser.add_argument("--peers", type=Path, default=Path("/tmp/peers"), help="virtual environment that has reader")
    parser.add_argument("--folder", type=Path, help="where feeds and stores go, and feeds stay (default: temporary)")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/decisions.md")
    asked = parser.parse_args()
    if lacks := missing(asked.peers):
        print(*lacks, sep="\n", file=sys.stderr)
        return 2
    rows = asked.only.split(",") if asked.only else installed(asked.feeds)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        compile_ours()
        with served(folder, asked.feeds) as data:
            results = measured(data, rows, asked.reps, asked.peers, folder)
    text = table(results)
    print(text)
    if asked.write:
        write(asked.feeds, text)
    return 0 if has_all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
