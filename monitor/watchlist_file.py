"""The keys of a watchlist file, each declared once: type, limits, default, sentence. And their JSON Schema.

Says what one key may hold; what crosses keys and files is checked in watchlists.py.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.units import PositiveDuration

MAX_TERMS = 5_000  # a term may have any number of variants
_LARGEST = 1e9  # a limit for numbers whose sum must stay exact


class Table(BaseModel):
    """A table of the file: strict, no unknown keys."""

    # A table that stands in another has no use for a validator of its own, so none is built before it is asked for.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def _language(tag: str) -> str:
    primary = tag.replace("_", "-").split("-")[0]
    if not (primary.isascii() and primary.isalpha() and len(primary) in (2, 3)):
        raise ValueError(f'is "{tag}"; expected a language code such as "en" or "de"')
    return tag


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _growing(counts: list[int]) -> list[int]:
    if any(later <= earlier for earlier, later in pairwise(counts)):
        raise ValueError(f"is {counts}; expected numbers that grow, such as [5, 20]")
    return counts


Text = Annotated[str, AfterValidator(_not_blank)]
Language = Annotated[str, AfterValidator(_language)]
Fields = Annotated[list[Literal["title", "lead", "body"]], Field(min_length=1)]
Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Variants = Annotated[list[str], Field(min_length=1)]


def _normalised_names(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Groups by their names in NFC: what looks the same is the same."""
    normalised = {unicodedata.normalize("NFC", name): variants for name, variants in groups.items()}
    if len(normalised) < len(groups):
        raise ValueError("two names differ only in how their accents are encoded; expected one group")
    return normalised


class NearTable(Table):
    """Nearness to another term; at least one of words and sentence."""

    term: Text = Field(description="Name of the term that must be near.")
    words: int | None = Field(
        None, ge=1, le=100_000, description="At most so far: side by side is 1, one word between them 2."
    )
    sentence: bool = Field(False, description="In the same sentence.")
    ordered: bool = Field(False, description="This one stands before the one named.")

    @model_validator(mode="after")
    def _some_limit(self) -> NearTable:
        if self.words is None and not self.sentence:
            raise ValueError("says neither words nor sentence; expected words = 30, say, or sentence = true")
        return self


class EvidenceTable(Table):
    """What terms and vetoes share."""

    any: Variants = Field(description='A list of variants such as ["arms export*", "munitions"]; any of them counts.')
    fields: Fields | None = Field(None, description="Only here: title, lead, body; all by default.")
    case: Literal["exact"] | None = Field(None, description='"exact": only as written; by default case is ignored.')
    near: NearTable | None = Field(None, description="Counts only near another term.")


class TermTable(EvidenceTable):
    """One line of evidence."""

    name: Text | None = Field(None, description="What others call it by; the first variant by default.")
    weight: Number = Field(1.0, description="Points, times the field's factor; negative ones speak against.")
    required: bool = Field(False, description="Without it the story is silent, whatever the score.")
    fuzzy: float | None = Field(
        None,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Least similarity at which a name of 6 letters and more counts, too.",
    )
    at_least: int = Field(1, ge=1, le=100_000, description="Mentions that it takes.")


class VetoTable(EvidenceTable):
    """Words that silence a story."""


class ScopeTable(Table):
    """Hard gates, tried first."""

    languages: list[Language] = Field([], description="Languages of stories, such as en; en takes en-GB, too.")
    feeds: list[Text] = Field([], description="Names or globs of feeds, or #tag; all by default.")
    not_feeds: list[Text] = Field([], description="Names or globs of feeds, or #tag, that do not count.")
    max_tier: int | None = Field(None, ge=1, description="Only feeds of this tier or a better (smaller) one.")


class FactorsTable(Table):
    """What a hit is worth where."""

    title: Factor = Field(2.0, description="In the headline.")
    lead: Factor = Field(1.5, description="In the summary, or the first paragraph where there is none.")
    body: Factor = Field(1.0, description="In the rest of the text.")


class UpdatesTable(Table):
    """When a story that alerted is told of again."""

    pickups: Annotated[list[Annotated[int, Field(ge=2)]], AfterValidator(_growing)] = Field(
        [], description="Numbers of copies at which an update is sent."
    )


class TestTable(Table):
    """A story that this watchlist must judge so; tried at every load."""

    __test__ = False
    title: str = Field("", description="Headline.")
    lead: str = Field("", description="Summary.")
    summary: str = Field("", description="The same as lead.")
    body: str = Field("", description="Text; an empty line or a new line ends a paragraph.")
    language: Language | None = Field(None, description="Language; the scope does not ask where it is unknown.")
    expect: Literal["alert", "urgent", "silent"] = Field(description='"alert", "urgent" or "silent".')

    @model_validator(mode="after")
    def _some_text(self) -> TestTable:
        if not (self.title + self.lead + self.summary + self.body).strip():
            raise ValueError("has no text; expected a title, a lead or a body")
        if self.lead and self.summary:
            raise ValueError("has both lead and summary, which are the same; expected one")
        return self


class WatchlistFile(Table):
    """A watchlist: weighted evidence for one topic. Its id is the file's name without .toml."""

    title: Text | None = Field(None, description="What people read; the id by default.")
    threshold: Number | None = Field(
        None, gt=0, description="A number, the score at which a story alerts; given unless there is a query."
    )
    urgent: Number | None = Field(None, description="Score at which it alerts as urgent.")
    max_age: PositiveDuration | None = Field(None, description='Older stories never alert: "48h".')
    shadow: bool = Field(False, description="Decide and record, but send nothing.")
    backfill: PositiveDuration | None = Field(
        None, description='New or changed, it also alerts on stories of the archive that are this young: "24h".'
    )
    tags: list[Text] = Field([], description="Your own words for it, shown with alerts.")
    scope: ScopeTable = Field(default_factory=ScopeTable, description="Hard gates, tried first.")
    fields: FactorsTable = Field(default_factory=FactorsTable, description="What a hit is worth where.")
    updates: UpdatesTable = Field(
        default_factory=UpdatesTable, description="When a story that alerted is told of again."
    )
    groups: Annotated[dict[str, Variants], AfterValidator(_normalised_names)] = Field(
        {}, description="Lists of variants, inserted by @name."
    )
    query: Text | None = Field(
        None, description="A Boolean line in the place of terms and threshold: where it is true, the story alerts."
    )
    term: list[TermTable] = Field(
        [],
        description="One or more [[term]] tables; given unless there is a query.",
        min_length=1,
        max_length=MAX_TERMS,
    )
    veto: list[VetoTable] = Field([], description="Words that silence a story.")
    test: list[TestTable] = Field([], description="Stories that it must judge as they say.")


def watchlist_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a watchlist file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **WatchlistFile.model_json_schema(by_alias=True),
        "if": {"required": ["query"]},
        "then": {"not": {"required": ["term"]}},
        "else": {"required": ["threshold", "term"]},
    }
