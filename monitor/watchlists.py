"""watchlists/*.toml → `tuple[Watchlist]`; every mistake of every file reported with its line, none half-applied.

Checks what crosses keys and files (the keys themselves stand in watchlist_file.py), inserts groups, and runs the inline
tests. Does not watch the folder, swap sets or score anything but those tests.
"""

from __future__ import annotations

import copy
import math
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.core.query import QueryError, read_query
from monitor.core.score import compile_watchlists, score_story
from monitor.core.variants import read_variant
from monitor.errors import ConfigError, Problem, WatchlistError
from monitor.model import Match, Near, Scope, SelfTest, StoryText, Term, Verdict, Veto, Watchlist
from monitor.toml_file import (
    WHOLE_FILE,
    Step,
    TomlFile,
    did_you_mean,
    expected_at,
    keys_of,
    nearest,
    problems_of,
    read_toml,
)
from monitor.watchlist_file import NearTable, ScopeTable, TermTable, TestTable, VetoTable, WatchlistFile

SUFFIX = ".toml"
MAX_BYTES = 999_999  # a megabyte of watchlist was not written by hand
QUERY_THRESHOLD = 1.0  # a query scores 1 where it is true (watchlist language, fine print)
_GLOB = frozenset("*?[")
_FIELDS = ("title", "lead", "body")

# ── loading ──────────────────────────────────────────────────────────────────────────────────────


def load_watchlists(
    folder: Path, *, known_feeds: frozenset[str] | None = None, known_tags: frozenset[str] | None = None
) -> tuple[Watchlist, ...]:
    """Every watchlist of a folder, sorted by id; hidden files and editors' backups are passed over.

    `known_feeds` and `known_tags` are the configuration's, None where that is unknown. Raises WatchlistError with the
    problems of all files: there is no watchlist where any is broken.
    """
    paths = _watchlist_files(folder)
    problems: list[Problem] = []
    loaded: list[tuple[TomlFile, Watchlist]] = []
    for path in paths:
        try:
            file, watchlist, found = _read(path, known_feeds, known_tags)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        problems += found
        if watchlist is not None:
            loaded.append((file, watchlist))
    problems += [*_same_ids(paths), *_same_titles(loaded)]
    if problems:
        raise WatchlistError(problems)
    return tuple(sorted((watchlist for _, watchlist in loaded), key=lambda watchlist: watchlist.id))


def load_watchlist(
    path: Path, *, known_feeds: frozenset[str] | None = None, known_tags: frozenset[str] | None = None
) -> Watchlist:
    """One watchlist, from anywhere. Raises WatchlistError with all its problems."""
    try:
        _, watchlist, problems = _read(path, known_feeds, known_tags)
    except ConfigError as error:
        raise WatchlistError(error.problems) from error
    if watchlist is None or problems:
        raise WatchlistError(problems)
    return watchlist


def _watchlist_files(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        says = f"cannot be read: {error.strerror}; expected a folder of *{SUFFIX} files"
        raise WatchlistError([Problem(file=str(folder), line=1, key="watchlists", says=says)]) from error
    paths = [folder / name for name in names if name.lower().endswith(SUFFIX) and name[0] not in ".#"]
    if not paths:
        says = f"holds no *{SUFFIX} file; expected at least one watchlist"
        raise WatchlistError([Problem(file=str(folder), line=1, key="watchlists", says=says)])
    return paths


def _read(
    path: Path, known_feeds: frozenset[str] | None, known_tags: frozenset[str] | None
) -> tuple[TomlFile, Watchlist | None, list[Problem]]:
    """A file, what is sound of its watchlist, and its mistakes. Raises ConfigError where it is no TOML."""
    file = read_toml(path, max_bytes=MAX_BYTES, mark_allowed=False)
    problems = _bad_id(path, file)
    table, found, partial = _validated(file)
    problems += found
    if table is None:
        return file, None, problems
    reader = _Reader(file, table, known_feeds, known_tags, partial=partial)
    watchlist = reader.watchlist(_id_of(path))
    problems += reader.problems
    if not problems:
        problems += _failed_tests(watchlist, file)
    return file, watchlist, problems


def _id_of(path: Path) -> str:
    return unicodedata.normalize("NFC", path.name[: -len(SUFFIX)] if path.name.lower().endswith(SUFFIX) else path.stem)


def is_id(name: str) -> bool:
    """Whether a watchlist may be called so: letters, digits, - _ and ., beginning with a letter or digit."""
    return bool(name) and name[0].isalnum() and all(char.isalnum() or char in "-_." for char in name)


def _bad_id(path: Path, file: TomlFile) -> list[Problem]:
    name = _id_of(path)
    if is_id(name):
        return []
    return [file.problem((), f"the file's name is the watchlist's id; expected letters, digits, - _ and . in {name!r}")]


def _same_ids(paths: list[Path]) -> list[Problem]:
    problems, seen = [], {}
    for path in paths:
        earlier = seen.setdefault(_id_of(path).casefold(), path)
        if earlier is not path:
            says = f"has the same id as {earlier.name} but for capitals; expected ids that differ otherwise, too"
            problems.append(Problem(file=str(path), line=1, key=WHOLE_FILE, says=says))
    return problems


def _same_titles(loaded: list[tuple[TomlFile, Watchlist]]) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[str, TomlFile] = {}
    for file, watchlist in loaded:
        earlier = seen.setdefault(" ".join(watchlist.title.casefold().split()), file)
        if earlier is not file:
            where = f"{earlier.path}:{earlier.position('title')[0]}"
            says = f"{watchlist.title!r} is also the title in {where}; expected another"
            problems.append(file.problem(("title",), says))
    return problems


# ── keys and types ───────────────────────────────────────────────────────────────────────────────


def _validated(file: TomlFile) -> tuple[WatchlistFile | None, list[Problem], bool]:
    """The file as a table, its mistakes in keys and types, and whether values had to be left out for them.

    What is sound of a file with such mistakes is still checked, so that all problems are told at once.
    """
    try:
        return WatchlistFile.model_validate(file.data), [], False
    except ValidationError as error:
        problems = problems_of(error, file, WatchlistFile)
        errors = error.errors(include_url=False)
    rest = copy.deepcopy(file.data)
    for one in errors:
        _mend(rest, one["loc"])
    try:
        table = WatchlistFile.model_validate(rest)
    except ValidationError:
        return None, problems, True
    return table, problems, any(one["type"] != "extra_forbidden" or _meant_points(one["loc"]) for one in errors)


def _meant_points(location: tuple[Step, ...]) -> bool:
    """Whether an unknown key was probably meant as one that decides what a story can score."""
    if location[0] == "fields":
        return True
    return location[0] == "term" and nearest(str(location[-1]), keys_of(TermTable)) in ("weight", "fields")


def _mend(data: dict[str, Any], location: tuple[Step, ...]) -> None:
    """Takes out what is wrong, or puts something harmless in its place where a value is needed."""
    if location[0] in ("term", "veto") and len(location) >= 3 and location[2] == "any":
        data[location[0]][location[1]]["any"] = [f"{location[0]} {location[1]}"]
    elif location[0] == "groups" and len(location) >= 2:
        data["groups"][location[1]] = ["group"]
    elif location == ("threshold",):
        data["threshold"] = 1.0
    elif location[0] == "test":
        data.pop("test", None)
    else:
        _remove(data, location)


def _remove(data: Any, location: tuple[Step, ...]) -> None:
    """Removes a key; of a list's element, the whole list."""
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if isinstance(data, dict) and step in data:
            if last or (isinstance(data[step], list) and not isinstance(data[step][0], dict)):
                del data[step]
                return
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data) and not last:
            data = data[step]
        else:
            return


# ── what crosses keys ────────────────────────────────────────────────────────────────────────────


class _Reader:
    """Makes the record, and notes every mistake on the way."""

    def __init__(
        self,
        file: TomlFile,
        table: WatchlistFile,
        known_feeds: frozenset[str] | None,
        known_tags: frozenset[str] | None,
        *,
        partial: bool,
    ):
        self.file, self.table, self.partial = file, table, partial
        self.known_feeds, self.known_tags = known_feeds, known_tags
        self.problems: list[Problem] = []

    def watchlist(self, name: str) -> Watchlist:
        """The record; what it is worth depends on `problems`, which this fills."""
        table = self.table
        self._check_kind()
        self._check_groups()
        terms = tuple(self._term(number, term) for number, term in enumerate(table.term))
        self._check_names(terms)
        vetoes = tuple(self._veto(number, veto) for number, veto in enumerate(table.veto))
        self._check_near([("term", n, t.near) for n, t in enumerate(terms)], terms)
        self._check_near([("veto", n, v.near) for n, v in enumerate(vetoes)], terms)
        self._check_idle(terms, vetoes)
        factors = (table.fields.title, table.fields.lead, table.fields.body)
        if table.query is None:
            self._check_urgent()
        if not self.partial and table.query is None and table.threshold is not None and table.term:
            self._check_threshold(terms, factors)
        self._check_scope()
        return Watchlist(
            id=name,
            title=(table.title or name).strip(),
            threshold=QUERY_THRESHOLD if table.threshold is None else table.threshold,
            urgent=table.urgent,
            max_age=table.max_age,
            shadow=table.shadow,
            tags=tuple(table.tags),
            scope=_scope(table.scope),
            field_factors=factors,
            terms=terms,
            query=table.query,
            groups=self._groups() if table.query is not None else (),
            vetoes=vetoes,
            tests=tuple(self._test(number, test) for number, test in enumerate(table.test)),
            backfill=table.backfill,
            update_pickups=tuple(table.updates.pickups),
        )

    def _problem(self, says: str, *path: Step) -> None:
        self.problems.append(self.file.problem(path, says))

    # terms or a query

    def _check_kind(self) -> None:
        """Either terms and a threshold, or a query."""
        table, present = self.table, self.file.data
        if table.query is None:
            for key in ("threshold", "term"):
                if key not in present and "query" not in present:
                    self._problem(f"is missing; expected {expected_at(WatchlistFile, (key,))}", key)
            return
        if table.term:
            self._problem("stands beside a query; expected one or the other", "term")
        elif table.threshold is not None and table.threshold != QUERY_THRESHOLD:
            says = f"is {table.threshold:g} beside a query, which scores 1 where it is true; expected none"
            self._problem(says, "threshold")
        for key in ("urgent", "fields"):
            if key in present:
                self._problem("has no meaning beside a query, which scores 1 wherever it is true", key)
        self._check_query(table.query)

    def _check_query(self, query: str) -> None:
        try:
            read_query(query, self._groups())
        except QueryError as error:
            self.problems.append(query_problem(self.file, query, error))

    def _groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The groups that are sound, others inserted; what is wrong with the rest is told by itself."""
        sound = {name: self._inserted([f"@{name}"]) for name in self.table.groups}
        return tuple((name, variants) for name, variants in sound.items() if variants)

    # variants and groups

    def _check_groups(self) -> None:
        for name, variants in self.table.groups.items():
            for number, variant in enumerate(variants):
                self._check_variant(variant, "groups", name, number)
            if self._leads_to_itself(name):
                says = f"the group {name!r} inserts itself; expected groups that end in variants"
                self._problem(says, "groups", name)

    def _leads_to_itself(self, name: str) -> bool:
        seen: set[str] = set()
        waiting = self._inserted_by(name)
        while waiting:
            one = waiting.pop()
            if one == name:
                return True
            if one not in seen:
                seen.add(one)
                waiting += self._inserted_by(one)
        return False

    def _inserted_by(self, name: str) -> list[str]:
        return [one for one in map(_group_named, self.table.groups.get(name, [])) if one is not None]

    def _check_variant(self, variant: str, *path: Step) -> None:
        group = _group_named(variant)
        if group is not None:
            if group not in self.table.groups:
                self._problem(f"unknown group {group!r}; {did_you_mean(group, set(self.table.groups))}", *path)
            return
        try:
            read_variant(variant)
        except ValueError as error:
            self._problem(str(error), *path)

    def _inserted(self, variants: list[str]) -> tuple[str, ...]:
        """The variants with groups in the place of their names, each once."""
        return tuple(dict.fromkeys(self._expanded(variants, ())))

    def _expanded(self, variants: list[str], inside: tuple[str, ...]) -> Iterator[str]:
        for variant in variants:
            group = _group_named(variant)
            if group is None:
                yield variant
            elif group not in inside:
                yield from self._expanded(self.table.groups.get(group, []), (*inside, group))

    # terms and vetoes

    def _term(self, number: int, term: TermTable) -> Term:
        for index, variant in enumerate(term.any):
            self._check_variant(variant, "term", number, "any", index)
        return Term(
            name=term.name or term.any[0],
            any=self._inserted(term.any),
            weight=term.weight,
            required=term.required,
            fields=tuple(term.fields or ()),
            fuzzy=term.fuzzy,
            at_least=term.at_least,
            exact_case=term.case == "exact",
            near=_near(term.near),
        )

    def _veto(self, number: int, veto: VetoTable) -> Veto:
        for index, variant in enumerate(veto.any):
            self._check_variant(variant, "veto", number, "any", index)
        return Veto(
            any=self._inserted(veto.any),
            fields=tuple(veto.fields or ()),
            exact_case=veto.case == "exact",
            near=_near(veto.near),
        )

    def _name_path(self, number: int) -> tuple[Step, ...]:
        """Where a term's name stands: in its own key, or in its first variant."""
        return ("term", number, "name") if self.table.term[number].name else ("term", number, "any", 0)

    def _check_names(self, terms: tuple[Term, ...]) -> None:
        seen: dict[str, int] = {}
        for number, term in enumerate(terms):
            earlier = seen.setdefault(term.name.casefold(), number)
            if earlier != number:
                line = self.file.position(*self._name_path(earlier))[0]
                says = f"two terms are called {term.name!r}, the other in line {line}; expected each name once"
                self._problem(says, *self._name_path(number))

    def _check_near(self, places: list[tuple[str, int, Near | None]], terms: tuple[Term, ...]) -> None:
        names = {term.name for term in terms}
        for kind, number, near in places:
            if near is None:
                continue
            if near.term not in names:
                says = f"no term is called {near.term!r}; {did_you_mean(near.term, names)}"
                self._problem(says, kind, number, "near", "term")
            elif kind == "term" and near.term == terms[number].name:
                self._problem("the term is near itself; expected another term's name", kind, number, "near", "term")

    def _check_idle(self, terms: tuple[Term, ...], vetoes: tuple[Veto, ...]) -> None:
        """A term without weight is of use only if it is required or others are near it."""
        named = {one.near.term for one in (*terms, *vetoes) if one.near is not None}
        for number, term in enumerate(terms):
            if term.weight == 0 and not term.required and term.name not in named:
                self._problem(
                    "is 0, and nothing else asks for this term; expected another weight, or required = true",
                    *("term", number, "weight"),
                )

    # numbers

    def _check_threshold(self, terms: tuple[Term, ...], factors: tuple[float, float, float]) -> None:
        table, most = self.table, most_points(terms, factors)
        self._check_reach("threshold", table.threshold, most)
        if table.urgent is not None and table.urgent > table.threshold:
            self._check_reach("urgent", table.urgent, most)

    def _check_urgent(self) -> None:
        table = self.table
        if table.urgent is None or table.threshold is None or table.threshold != self.file.data.get("threshold"):
            return  # what stands in the place of a wrong threshold says nothing
        if table.urgent <= table.threshold:
            says = f"is {table.urgent:g}; expected more than the threshold, which is {table.threshold:g}"
            self._problem(says, "urgent")

    def _check_reach(self, key: str, score: float, most: float) -> None:
        if round(score, 6) > most:
            self._problem(f"no story can reach {score:g}: all terms together make {most:g} at most", key)

    # scope and tests

    def _check_scope(self) -> None:
        for key in ("feeds", "not_feeds"):
            for number, name in enumerate(getattr(self.table.scope, key)):
                if _GLOB & set(name):
                    continue
                if name.startswith("#"):
                    self._check_known("tag", name[1:], self.known_tags, key, number)
                else:
                    self._check_known("feed", name, self.known_feeds, key, number)

    def _check_known(self, what: str, name: str, known: frozenset[str] | None, key: str, number: int) -> None:
        if known is not None and name not in known:
            says = f"no feed has the tag {name!r}" if what == "tag" else f"no feed is called {name!r}"
            self._problem(f"{says}; {did_you_mean(name, known)}", "scope", key, number)

    def _test(self, number: int, test: TestTable) -> SelfTest:
        return SelfTest(
            title=test.title,
            lead=test.lead or test.summary,
            body=test.body,
            language=test.language,
            expect=Verdict(test.expect),
            line=self.file.position("test", number)[0],
        )


def _group_named(variant: str) -> str | None:
    """The group that a variant inserts; None where it is a phrase."""
    stripped = variant.strip()
    return unicodedata.normalize("NFC", stripped[1:].strip()) if stripped.startswith("@") else None


def query_problem(file: TomlFile, query: str, error: QueryError) -> Problem:
    """What is wrong with a query, with the line of the query that it stands in and a caret under the place."""
    first = query.rfind("\n", 0, error.begin) + 1
    text = query[first:].split("\n", 1)[0]
    line, column = file.position_in_text(error.begin, "query")
    width = max(1, min(error.end, first + len(text)) - error.begin)
    caret = " " * _columns(text[: error.begin - first]) + "^" * _columns(text[error.begin - first :][:width] or " ")
    says = f"{error.says}\n    {text.replace(chr(9), ' ')}\n    {caret}"
    return Problem(file=file.path, line=line, key="query", says=says, column=column)


def _columns(text: str) -> int:
    """How wide a text is on a terminal."""
    return sum(
        0
        if unicodedata.combining(char) or unicodedata.category(char) == "Cf"
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def _near(table: NearTable | None) -> Near | None:
    if table is None:
        return None
    return Near(term=table.term, words=table.words, sentence=table.sentence, ordered=table.ordered)


def _scope(table: ScopeTable) -> Scope:
    return Scope(
        languages=tuple(table.languages),
        feeds=tuple(table.feeds),
        not_feeds=tuple(table.not_feeds),
        max_tier=table.max_tier,
    )


def most_points(terms: tuple[Term, ...], factors: tuple[float, float, float]) -> float:
    """The greatest score that a story can make: every good term at its best place, every required bad one at its
    mildest, no other bad one at all. `factors` are those of title, lead and body."""
    total = []
    for term in terms:
        allowed = [f for f, name in zip(factors, _FIELDS, strict=True) if not term.fields or name in term.fields]
        if term.weight > 0:
            total.append(term.weight * max(allowed))
        elif term.required:
            total.append(term.weight * min(allowed))
    return round(math.fsum(total), 6)


# ── inline tests ─────────────────────────────────────────────────────────────────────────────────


def _failed_tests(watchlist: Watchlist, file: TomlFile) -> list[Problem]:
    compiled = compile_watchlists((watchlist,))
    problems = []
    for number, test in enumerate(watchlist.tests):
        story = StoryText(title=test.title, lead=test.lead, body=test.body, language=test.language)
        match = score_story(story, (), compiled, complete=True)[0]
        if match.verdict is not test.expect:
            problems.append(file.problem(("test", number), f"expected {test.expect}, got {explain_match(match)}"))
    return problems


def explain_match(match: Match) -> str:
    """A verdict and its reasons in one line."""
    parts = [f"{match.verdict} ({match.reason}): score {match.score:g} of {match.threshold:g}"]
    parts += [f"{hit.term}: {hit.variant!r} in the {hit.field} {hit.points:+g}" for hit in match.hits]
    if not match.hits:
        parts.append("no term was found")
    if match.missing:
        parts.append(f"missing: {', '.join(match.missing)}")
    if match.veto:
        parts.append(f"vetoed by {match.veto!r}")
    return "; ".join(parts)
