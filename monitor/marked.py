"""A story's text with what a watchlist found in it: hits in colour, their points in the margin. For terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.style import Style
from rich.text import Text

from monitor.core.locate import FIELDS, field_texts
from monitor.model import JOINERS, Hit, StoryText

_MARGIN = 10  # columns for points
_LONGEST = 4_000  # characters shown of one paragraph; the archive holds longer ones
_GOOD, _BAD, _NEUTRAL = "bold black on yellow", "bold white on magenta", "bold cyan"


def marked_lines(text: StoryText, hits: Sequence[Hit], out: Console, *, whole: bool) -> Iterator[Text]:
    """The text, wrapped to the terminal, with every hit marked and its points beside the line that it begins in.

    Paragraphs without a hit are shown dim if `whole`, and as one "…" otherwise.
    """
    left_out = False
    for field, content in zip(FIELDS, field_texts(text), strict=True):
        at = 0
        for paragraph in content.split("\n"):
            within = [hit for hit in hits if hit.field == field and at <= hit.start < at + max(1, len(paragraph))]
            if within:
                yield from _paragraph(paragraph, at, within, out)
            elif whole and paragraph.strip():
                yield from _wrapped(Text(_clean(paragraph[:_LONGEST]), style="dim"), out)
            elif paragraph.strip() and not left_out:
                yield Text(" " * _MARGIN + "…", style="dim")
            left_out = not within
            at += len(paragraph) + 1


def _paragraph(paragraph: str, at: int, hits: Sequence[Hit], out: Console) -> Iterator[Text]:
    shown = Text(_clean(paragraph))
    for number, hit in enumerate(sorted(hits, key=lambda hit: hit.start)):
        style = Style.parse(_GOOD if hit.points > 0 else _BAD if hit.points < 0 else _NEUTRAL)
        meta = Style(meta={"hit": number, "points": hit.points})
        shown.stylize(style + meta, hit.start - at, hit.end - at)
    yield from _wrapped(shown[:_LONGEST] if len(shown) > _LONGEST else shown, out)


def _wrapped(text: Text, out: Console) -> Iterator[Text]:
    seen: set[int] = set()
    for line in text.wrap(out, max(20, out.width - _MARGIN - 1)):
        metas = {span.style.meta["hit"]: span.style.meta["points"] for span in line.spans if _is_hit(span.style)}
        new = [points for number, points in sorted(metas.items()) if number not in seen]
        seen |= metas.keys()
        yield _margin(new).append_text(line)


def _is_hit(style: object) -> bool:
    return isinstance(style, Style) and "hit" in style.meta


def _margin(points: Sequence[float]) -> Text:
    """The sum of what begins in a line; a query's words, which have no points, are a dot."""
    total = round(sum(points), 6)
    shown = "" if not points else f"{total:+g}" if total else "·"
    return Text().append(f"{shown:>{_MARGIN - 2}}  ", style="bold")


def _clean(text: str) -> str:
    """The text with as many characters, but none that a terminal obeys."""
    return "".join(char if char.isprintable() or char in JOINERS else " " for char in text)
