#!/usr/bin/env python3
"""How well and how fast copies are recognised, beside what else one could use.

    .venv/bin/python bench/dedup.py quality [--errors FILE]
    .venv/bin/python bench/dedup.py speed [--window 10000 --window 100000 …] [--folder DIR]

`quality` scores the labelled items of ../shared/data/dedup (pairwise precision, recall and F1, B³, false merges per
1,000 items) for headlines only, with summaries and with full texts, and the synthetic copies and near-misses that
../shared/tools/mutations.py makes; `--errors` writes down the pairs that are wrong, with their texts, and
docs/dedup-errors.tsv lists them a line each, without.

`speed` fills a real database with that many entries of ../shared/data/replay (repeated with other hashes until there
are enough), all within the story window; a new process opens it and judges items it has not seen: 200, then 4,000 that
are measured (normalise, find candidates, verify, save, commit, in transactions of 200 entries), then 500 one by one for
the slowest hundredth, without the commit, which entries that arrive together share. Figures are CPU seconds of one
process, peers in the same run.

Peers (datasketch, rensa) are measured where they are installed. With `--write` the tables go into docs/decisions.md,
where that quotes them. The data are not part of this repository.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gzip
import importlib.util
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rapidfuzz import fuzz, process

from monitor.core.copies import opinion
from monitor.core.dedup import promising, recognise
from monitor.core.likeness import Yardstick
from monitor.core.normalise import normalise_entry
from monitor.core.sketch import fold_words
from monitor.model import Assignment, Candidate, Entry, Judged, ParsedEntry, Rule, Snapshot
from monitor.store import candidates, merging, stories
from monitor.store.database import Database, insert_plain

ROOT = Path(__file__).parents[1]
SHARED = ROOT / "../shared"
WINDOW = timedelta(hours=72)
CORPORA = ("ukimm14", "yahoofin", "rss26")
FIELDS = {"t": ("title",), "ts": ("title", "summary"), "full": ("title", "summary", "body")}
START = datetime(2026, 8, 18, tzinfo=UTC)
BATCH, JUDGED, SINGLE, FILL_BATCH = 200, 4_000, 500, 5_000
MEASURED = BATCH + JUDGED + SINGLE
LISTED = ROOT / "docs/dedup-errors.tsv"
LONG_WORD = re.compile(r"[A-Za-z]{6,}")

Story = Callable[[Sequence[dict], str], dict[str, str]]  # items and fields → item id → story


# ── quality ──────────────────────────────────────────────────────────────────────────────────────


def load(path: Path) -> list[dict]:
    """A JSON Lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def moment(text: str) -> datetime:
    """A date of the data, in UTC where it says no zone."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def entry_of(item: dict, fields: str) -> Entry:
    """An item as the line would have it, with these fields only."""
    shown = {field: item[field] if field in FIELDS[fields] else "" for field in ("title", "summary", "body")}
    published = moment(item["published"])
    link = None if "base" in item else item.get("url") or None  # synthetic near-misses keep the address of their base
    raw = ParsedEntry(guid=item["id"], link=link, published_at=published, **shown)
    return normalise_entry(raw, feed=item["source"], outlet=item["source"], language=item.get("lang"), now=published)


def ours(items: Sequence[dict], fields: str) -> dict[str, str]:
    """Stories by this program."""
    entries = tuple(entry_of(item, fields) for item in items)
    found = recognise(entries, Snapshot(), now=entries[-1].published_at, window=WINDOW)
    return {item["id"]: assignment.story for item, assignment in zip(items, found, strict=True)}


def by_title(items: Sequence[dict], fields: str) -> dict[str, str]:
    """Stories by equal folded headlines within the window."""
    last: dict[str, tuple[datetime, str]] = {}
    found = {}
    for item in items:
        key, now = " ".join(fold_words(item["title"])), moment(item["published"])
        seen, story = last.get(key, (datetime.min.replace(tzinfo=UTC), item["id"]))
        found[item["id"]] = story if now - seen <= WINDOW else item["id"]
        last[key] = (now, found[item["id"]])
    return found


def by_token_sort(items: Sequence[dict], fields: str, least: float = 88) -> dict[str, str]:
    """Stories by rapidfuzz's token_sort_ratio of headlines, brute force over the window."""
    titles: dict[int, str] = {}
    times: dict[int, datetime] = {}
    story: dict[int, str] = {}
    oldest = 0
    for number, item in enumerate(items):
        title, now = " ".join(sorted(fold_words(item["title"]))), moment(item["published"])
        while oldest < number and now - times[oldest] > WINDOW:
            titles.pop(oldest, None)
            oldest += 1
        best = process.extractOne(title, titles, scorer=fuzz.ratio, score_cutoff=least)
        story[number] = story[best[2]] if best else item["id"]
        titles[number], times[number] = title, now
    return {item["id"]: story[number] for number, item in enumerate(items)}


class MinHashes:
    """datasketch's MinHash LSH, one index a field."""

    def __init__(self, threshold: float):
        import datasketch

        self._make = datasketch
        self._threshold = threshold
        self._lsh: dict[str, object] = {}
        self._blank = datasketch.MinHash(num_perm=64)

    def hashes(self, text: str):
        words = fold_words(text)
        made = self._blank.copy()
        made.update_batch([" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))])
        return made

    def query(self, field: str, made) -> list[str]:
        if field not in self._lsh:
            self._lsh[field] = self._make.MinHashLSH(threshold=self._threshold, num_perm=64)
        return self._lsh[field].query(made)

    def insert(self, field: str, name: str, made) -> None:
        self._lsh[field].insert(name, made)


def by_minhash(items: Sequence[dict], fields: str, *, each: bool = False, title: bool = False) -> dict[str, str]:
    """Stories by MinHash of all text joined; or, with `each`, of any field; or by an equal `title` first."""
    index, found, times = MinHashes(0.6), {}, {}
    titled = by_title(items, fields) if title else {}
    for item in items:
        texts = {"all": " ".join(item[field] for field in FIELDS[fields])}
        if each:
            texts = {field: item[field] for field in FIELDS[fields] if field != "title" or not title}
        made = {field: index.hashes(text) for field, text in texts.items() if len(text.split()) >= 3}
        now = moment(item["published"])
        near = [name for field, one in made.items() for name in index.query(field, one) if now - times[name] <= WINDOW]
        story = found[near[0]] if near else item["id"]
        if title and titled[item["id"]] != item["id"]:
            story = found[titled[item["id"]]]
        found[item["id"]], times[item["id"]] = story, now
        for field, one in made.items():
            index.insert(field, item["id"], one)
    return found


def by_rensa(items: Sequence[dict], fields: str) -> dict[str, str]:
    """Stories by rensa's MinHash LSH of all text joined."""
    import rensa

    index, found, names, times = rensa.RMinHashLSH(threshold=0.6, num_perm=64, num_bands=16), {}, [], []
    made_of = []
    for number, item in enumerate(items):
        words = fold_words(" ".join(item[field] for field in FIELDS[fields]))
        made = rensa.RMinHash(num_perm=64, seed=1)
        made.update([" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))])
        now = moment(item["published"])
        near = [n for n in index.query(made) if now - times[n] <= WINDOW and made.jaccard(made_of[n]) >= 0.6]
        found[item["id"]] = found[names[min(near)]] if near else item["id"]
        index.insert(number, made)
        names.append(item["id"])
        times.append(now)
        made_of.append(made)
    return found


def scorer():
    """The scoring functions that came with the data."""
    spec = importlib.util.spec_from_file_location("score_stories", SHARED / "tools/score_stories.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Labels:
    """The labelled items, and the pairs that are neither right nor wrong."""

    def __init__(self):
        self.items = load(SHARED / "data/dedup/dev.jsonl.gz")
        self.clusters: set[tuple[str, str]] = set()
        self.pairs: set[tuple[str, str]] = set()
        for pair in load(SHARED / "data/dedup/dev_dontcare.jsonl"):
            both = {(pair["a"], pair["b"]), (pair["b"], pair["a"])}
            if pair["kind"] == "cluster_pair":
                self.clusters |= both
            else:
                self.pairs |= both

    def score(self, method: Story, fields: str) -> tuple[list[dict], list[dict]]:
        """Measures, one a corpus; and the pairs that are wrong."""
        measures, wrong = [], []
        for corpus in CORPORA:
            items = [item for item in self.items if item["corpus"] == corpus]
            found = method(items, fields)
            half = {pair for pair in self.pairs if pair[0] < pair[1]}
            measure = scorer().score(items, found, self.clusters, half)
            errors = list(self._wrong(items, found))
            measure["false_per_1000"] = 1000 * sum(kind == "merged" for kind, _, _ in errors) / len(items)
            measures.append(measure)
            wrong += [{"corpus": corpus, "wrong": kind, "a": a, "b": b} for kind, a, b in errors]
        return measures, wrong

    def _wrong(self, items: Sequence[dict], found: dict[str, str]) -> Iterator[tuple[str, dict, dict]]:
        merged, labelled = collections.defaultdict(list), collections.defaultdict(list)
        for item in items:
            merged[found[item["id"]]].append(item)
            labelled[item["cluster"]].append(item)
        for a, b in (pair for group in merged.values() for pair in itertools.combinations(group, 2)):
            if a["cluster"] != b["cluster"] and (a["cluster"], b["cluster"]) not in self.clusters:
                yield "merged", a, b
        for a, b in (pair for group in labelled.values() for pair in itertools.combinations(group, 2)):
            if found[a["id"]] != found[b["id"]] and (a["id"], b["id"]) not in self.pairs:
                yield "missed", a, b


def macro(measures: Sequence[dict], name: str) -> float:
    """The mean of a measure over the corpora."""
    return sum(measure[name] for measure in measures) / len(measures)


def quality(errors: Path | None) -> str:
    """The table of quality, as Markdown."""
    labels = Labels()
    rows = [
        "| method | fields | F1 | precision | recall | B³ F1 | ARI | false merges per 1,000 | F1 of each corpus |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    listed = []
    for name, method, fields in _methods():
        measures, wrong = labels.score(method, fields)
        listed += [{"fields": fields, **pair} for pair in wrong] if method is ours else []
        each = " ".join(f"{corpus} {measure['f1']:.3f}" for corpus, measure in zip(CORPORA, measures, strict=True))
        told = [f"{macro(measures, key):.3f}" for key in ("f1", "precision", "recall", "b3_f1", "ari")]
        rows.append(f"| {name} | {fields} | {' | '.join(told)} | {macro(measures, 'false_per_1000'):.1f} | {each} |")
        print(rows[-1], file=sys.stderr)
    LISTED.write_text("\n".join(map(why, listed)) + "\n", encoding="utf-8")
    if errors:
        shown = ("source", "published", "title", "summary")
        with errors.open("w", encoding="utf-8") as out:
            for pair in listed:
                pair |= {side: {key: str(pair[side][key])[:200] for key in shown} for side in "ab"}
                out.write(json.dumps(pair, ensure_ascii=False) + "\n")
    return "\n".join([*rows, "", *synthetic()])


def why(pair: dict) -> str:
    """One line on a pair that is wrong, without a word of its texts: where, which, how alike, and what decided."""
    first, second = sorted((entry_of(pair[side], pair["fields"]) for side in "ab"), key=lambda one: one.published_at)
    earlier = Candidate(
        number=1, entry=first.id, story=first.id, outlet=first.outlet,
        published_at=first.published_at, seen_at=first.published_at,
        url_key=None, title_key=first.title_key, text_key=first.text_key, sketch=first.sketch,
    )  # fmt: skip
    yardstick = Yardstick(second, second.published_at)
    like = yardstick.measure(yardstick.look(earlier))
    found = opinion(second, earlier, like, window=WINDOW)
    said = re.sub(r"(?<=: ).*|(?<=same headline, ).*", "…", found.why)  # names and words of the texts
    if found.same == (pair["wrong"] == "missed"):
        said = "alike, but each is in another story" if found.same else f"through a third copy; the pair itself: {said}"
    hours = like.apart / timedelta(hours=1)
    alike = f"headline {like.title:.0f}, lead {like.lead:.2f}, body {like.body:.2f}, {hours:.0f} h"
    return "\t".join((pair["fields"], pair["corpus"], pair["wrong"], pair["a"]["id"], pair["b"]["id"], alike, said))


def _methods() -> Iterator[tuple[str, Story, str]]:
    for fields in FIELDS:
        yield "**wirewatch**", ours, fields
    yield "exact folded headline", by_title, "t"
    yield "rapidfuzz token_sort ≥ 88, brute force", by_token_sort, "t"
    if importlib.util.find_spec("datasketch"):
        yield "headline, or datasketch MinHash of a field", lambda i, f: by_minhash(i, f, each=True, title=True), "full"
        yield "datasketch MinHash, headline", by_minhash, "t"
        yield "datasketch MinHash, all text joined", by_minhash, "full"
    if importlib.util.find_spec("rensa"):
        yield "rensa MinHash, all text joined", by_rensa, "full"


def synthetic() -> list[str]:
    """The table of synthetic copies and near-misses."""
    rows = ["| synthetic | fields | F1 | precision | recall | near-misses merged |", "|---|---|--:|--:|--:|--:|"]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "dev.jsonl"), Path(folder, "synthetic.jsonl")
        source.write_bytes(gzip.decompress((SHARED / "data/dedup/dev.jsonl.gz").read_bytes()))
        options = "--n 700 --copies 3 --misses 1 --seed 1".split()
        subprocess.run(
            [sys.executable, SHARED / "tools/mutations.py", source, made, *options], check=True, capture_output=True
        )
        items = load(made)
    for fields in ("ts", "full"):
        found = ours(items, fields)
        measure = scorer().score(items, found, set(), set())
        bases = {item["base"]: found[item["id"]] for item in items if item["label"] == "base"}
        misses = [item for item in items if item["label"] == "neg"]
        merged = sum(found[item["id"]] == bases[item["base"]] for item in misses)
        told = " | ".join(f"{measure[key]:.3f}" for key in ("f1", "precision", "recall"))
        rows.append(f"| {len(items)} items | {fields} | {told} | {merged} of {len(misses)} |")
    return rows


# ── speed ────────────────────────────────────────────────────────────────────────────────────────


def real_items() -> list[tuple[str, str, str, str]]:
    """Outlet, headline, summary and address of the replay's items, shuffled."""
    items = []
    for path in sorted((SHARED / "data/replay").glob("C_*.items.jsonl.gz")):
        for item in load(path):
            if item.get("title") and item.get("summary"):
                items.append((item.get("outlet") or item["feed"], item["title"], item["summary"][:600], item["link"]))
    random.Random(1).shuffle(items)
    return items


def another(entry: Entry, turn: int) -> Entry:
    """The entry as another text of the same shape: other hashes, but for one key in eight, which all of them share."""
    if turn == 0:
        return entry
    mask = (turn * 0x9E3779B1 & 0x3FFFFFFF) << 2
    keys = tuple([key if key & 0x1C == 0 else key ^ mask for key in entry.keys])
    lead = frozenset([h ^ mask for h in entry.sketch.lead])
    id = f"{turn:04x}{entry.id[4:]}"
    return replace(entry, id=id, guid=f"{entry.guid}-{turn}", keys=keys, sketch=replace(entry.sketch, lead=lead))


class Filled:
    """A database with a window of entries, all within the story window."""

    def __init__(self, window: int, database: Database):
        self.database, self.window, self.saved, self.verified = database, window, 0, 0
        self.laps: collections.Counter[str] = collections.Counter()

    def moment(self) -> datetime:
        """The time at which the next entry comes."""
        return START + WINDOW * min(self.saved, self.window) / self.window * 0.9

    def judge(self, items: Sequence[tuple[str, str, str, str]]) -> float:
        """Judge these items in one transaction; CPU seconds without the commit."""
        began = last = time.process_time()

        def lap(name: str) -> None:
            nonlocal last
            now = time.process_time()
            self.laps[name] += now - last
            last = now

        entries = tuple(self.entry(*item) for item in items)
        now = entries[-1].published_at
        lap("normalise")
        with self.database.write() as tx:
            new = stories.fresh(tx, entries, now).new
            snapshot = candidates.snapshot(tx, new, promising)
            self.verified += len(snapshot.candidates)
            lap("find candidates")
            assignments = recognise(new, snapshot, now=now, window=WINDOW)
            lap("verify")
            for one in assignments:
                merging.merge_stories(tx, one.story, one.merges, now)
            stories.standings(tx, {one.story for one in assignments if one.rule is not Rule.FOUNDER})
            stories.save(tx, [_judged(*pair) for pair in zip(new, assignments, strict=True)], now)
            lap("save")
            judged = last - began
        lap("commit")
        return judged

    def entry(self, outlet: str, title: str, summary: str, link: str) -> Entry:
        """An item as the line would have it."""
        published = self.moment()
        raw = ParsedEntry(guid=link, link=link, title=title, summary=summary, published_at=published)
        return normalise_entry(raw, feed=outlet, outlet=outlet, language="en", now=published)


def _judged(entry: Entry, assignment: Assignment) -> Judged:
    return Judged(entry=entry, assignment=assignment)


def fill(window: int, path: Path) -> None:
    """A database with so many entries, each a story of its own, and their keys on the levels where they lie in service:
    the newest 2,000 entries' above, the next 40,000 entries' in the middle."""
    database = Database.open(str(path))
    filled = Filled(window, database)
    base = list({one.id: one for one in (filled.entry(*item) for item in real_items()[MEASURED:])}.values())
    postings = array("q")
    texts = (another(one, turn) for turn in itertools.count() for one in base)
    while filled.saved < window:
        entries = list(itertools.islice(texts, min(FILL_BATCH, window - filled.saved)))
        with database.write() as tx:
            now = filled.moment()
            founders = [Judged(entry=replace(one, keys=()), assignment=Assignment(story=one.id)) for one in entries]
            stories.save(tx, founders, now)
        for one in entries:
            filled.saved += 1
            level = sum(window - filled.saved < held for held in (2_000, 42_000))
            start = (-level << 62) + filled.saved
            postings.extend([start + (key << candidates.NUMBER_BITS) for key in one.keys])
        if filled.saved % 100_000 == 0:
            print(f"{filled.saved} entries", file=sys.stderr, flush=True)
    ordered = iter(sorted(postings))
    while part := [(posting,) for posting in itertools.islice(ordered, 1_000_000)]:
        with database.write() as tx:
            insert_plain(tx, "dedup_keys", ("posting",), part)
    database.close()


def speed_of_ours(window: int, path: Path) -> str:
    """One row: judge more entries in a filled database that was just opened."""
    items = iter(real_items()[:MEASURED])
    opened = resident()
    filled = Filled(window, Database.open(str(path)))
    filled.saved = window
    first = filled.judge(list(itertools.islice(items, BATCH)))
    filled.laps.clear()
    for _ in range(JUDGED // BATCH):
        filled.judge(list(itertools.islice(items, BATCH)))
    rate = JUDGED / sum(filled.laps.values())
    shares = ", ".join(f"{name} {seconds / JUDGED * 1e6:.0f}" for name, seconds in filled.laps.items())
    slow = sorted(filled.judge(list(itertools.islice(items, 1))) for _ in range(SINGLE))[SINGLE * 99 // 100 - 1] * 1000
    keys, sketches = _bytes_an_entry(filled)
    return (
        f"| **wirewatch** | {window:,} | {rate:,.0f} | {slow:.1f} | {keys:.0f} + {sketches:.0f}"
        f" | {resident() - opened:.0f} | µs an entry: {shares}; first {BATCH} after opening {first * 1000:.0f} ms;"
        f" {filled.verified / JUDGED:.1f} candidates an entry |"
    )


def _bytes_an_entry(filled: Filled) -> tuple[float, float]:
    """Database bytes an entry: of the keys as they lie on pages, and of the sketches."""
    with filled.database.read() as tx:
        entries = tx.exec_driver_sql("SELECT count(*) FROM entries").scalar()
        sketch = tx.exec_driver_sql("SELECT avg(length(sketch)) FROM entries").scalar()
        try:
            pages = tx.exec_driver_sql("SELECT sum(pgsize) FROM dbstat WHERE name = 'dedup_keys'").scalar()
        except Exception:  # an SQLite without that table
            pages = 20 * tx.exec_driver_sql("SELECT count(*) FROM dedup_keys").scalar()
    return pages / entries, sketch


def speed_of_peer(name: str, window: int) -> str:
    """One row: insert and query of a peer, in memory."""
    items = real_items()
    texts = [_reworded(f"{title} {summary}", n // len(items)) for n, (_, title, summary, _) in _numbered(items, window)]
    base = resident()
    if name == "rapidfuzz":
        return _speed_of_rapidfuzz(texts, window)
    step = _datasketch_step() if name == "datasketch" else _rensa_step()
    for number in range(window):
        step(number, texts[number])
    memory = (resident() - base) * 1e6 / window
    began = time.process_time()
    for number in range(window, window + 2000):
        step(number, texts[number])
    rate = 2000 / (time.process_time() - began)
    told = f"| {memory:.0f} (memory) | {resident() - base:.0f} | no verification |"
    return f"| {name} | {window:,} | {rate:,.0f} | {told}"


def _numbered(items: Sequence, window: int) -> Iterator[tuple[int, tuple]]:
    return enumerate(itertools.islice(itertools.cycle(items), window + 2000))


def _reworded(text: str, turn: int) -> str:
    return text if turn == 0 else LONG_WORD.sub(rf"\g<0>{chr(97 + turn % 26)}", text)


def _datasketch_step() -> Callable[[int, str], object]:
    index = MinHashes(0.6)

    def step(number: int, text: str):
        made = index.hashes(text)
        near = index.query("all", made)
        index.insert("all", str(number), made)
        return near

    return step


def _rensa_step() -> Callable[[int, str], object]:
    import rensa

    index = rensa.RMinHashLSH(threshold=0.6, num_perm=64, num_bands=16)

    def step(number: int, text: str):
        words = fold_words(text)
        made = rensa.RMinHash(num_perm=64, seed=1)
        made.update([" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))])
        near = index.query(made)
        index.insert(number, made)
        return near

    return step


def _speed_of_rapidfuzz(texts: Sequence[str], window: int) -> str:
    titles = texts[:window]
    began = time.process_time()
    tried = 20
    for text in texts[window : window + tried]:
        process.extractOne(text, titles, scorer=fuzz.token_set_ratio, score_cutoff=90)
    rate = tried / (time.process_time() - began)
    return f"| rapidfuzz token_set, brute force | {window:,} | {rate:,.1f} | | | | |"


def resident() -> float:
    """Megabytes of memory this process holds now."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 1e6
    return 0.0


def speed(windows: Sequence[int], folder: Path) -> str:
    """The table of speed, as Markdown; each row measured in a process of its own, one after another."""
    rows = [
        "| method | window | entries/s | p99 of one, ms | bytes an entry: keys + sketch | memory MB | |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for window in windows:
        for name in ("ours", "datasketch", "rensa", "rapidfuzz"):
            if name in ("datasketch", "rensa") and (window > 100_000 or not importlib.util.find_spec(name)):
                continue
            if name == "rapidfuzz" and window > 100_000:
                continue
            command = [sys.executable, __file__, "row", "--of", name, "--window", str(window), "--folder", str(folder)]
            if name == "ours" and not (folder / f"window-{window}.db").exists():
                subprocess.run([*command[:2], "fill", *command[5:]], check=True)
            rows.append(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
            print(rows[-1], file=sys.stderr, flush=True)
    return "\n".join(rows)


def write(name: str, table: str) -> None:
    """Put a table where docs/decisions.md quotes it."""
    page = ROOT / "docs/decisions.md"
    begin, end = f"<!-- {name} by bench/dedup.py -->", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    page.write_text(f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("quality", "speed", "fill", "row"))
    parser.add_argument("--window", type=int, action="append", help="entries; may be given several times")
    parser.add_argument("--folder", type=Path, help="where the databases go (default: a temporary folder)")
    parser.add_argument("--errors", type=Path, help="where pairs that are wrong are listed, as JSON Lines")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/decisions.md")
    parser.add_argument("--of", default="ours", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if asked.what in ("fill", "row"):
            (window,) = asked.window
            path = folder / f"window-{window}.db"
            if asked.what == "fill":
                fill(window, path)
            else:
                print(speed_of_ours(window, path) if asked.of == "ours" else speed_of_peer(asked.of, window))
            return
        table = quality(asked.errors) if asked.what == "quality" else speed(asked.window or [10_000, 100_000], folder)
    print(table)
    if asked.write:
        write(asked.what, table)


if __name__ == "__main__":
    main()
