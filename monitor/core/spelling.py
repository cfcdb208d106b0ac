"""Names and how nearly a few words of a text spell them.

Answers one question fast, however many names there are: which of them is this window near enough? Does not know
where the window stands, nor what a name is evidence for.

Similarity is rapidfuzz's `ratio`: 100 × (1 − d / (length + length)), d being the letters to take out and put in. From
it follows what makes this cheap: to be near enough, d may be at most `_most_edits`. Cut a name into one piece more than
that, and a near window must hold one piece unharmed; so names whose pieces are long are looked up by their pieces, and
only the others are compared with every window of a fitting length.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz, process

_REMEMBERED = 50_000  # windows whose answer is kept; names come again. Beyond, all are forgotten at once
_LONGEST_WINDOW = 500  # characters; no name is so long
_SHORTEST_PIECE = 3  # letters; shorter pieces stand in too many windows to be worth looking up


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One use of a name: `key` is the caller's, `least` the ratio from which on the name is meant."""

    key: tuple
    least: float


class Names:
    """Names in folded form, of one number of words."""

    def __init__(self) -> None:
        self._wanted: dict[str, list[Wanted]] = {}
        self._pieces: dict[str, set[str]] | None = None
        self._sizes: tuple[int, ...] = ()
        self._compared: list[str] = []
        self._least = 0.0  # of the names that are compared
        self._of_length: dict[int, list[str]] = {}
        self._remembered: dict[str, tuple[tuple, ...]] = {}

    def add(self, name: str, wanted: Wanted) -> None:
        """Adds a use of a name, before the first question."""
        self._wanted.setdefault(name, []).append(wanted)

    def alike(self, window: str) -> tuple[tuple, ...]:
        """The keys of all uses whose name a window of words, folded and joined by spaces, is near enough to."""
        keys = self._remembered.get(window)
        if keys is None:
            if self._pieces is None:
                self._pieces = self._cut()
                self._least = min((u.least for name in self._compared for u in self._wanted[name]), default=0.0)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            keys = () if len(window) > _LONGEST_WINDOW else tuple(self._near(window))
            self._remembered[window] = keys
        return keys

    def _near(self, window: str) -> list[tuple]:
        fitting = self._of_length.get(len(window))
        if fitting is None:
            fitting = [name for name in self._compared if self._may_reach(name, len(window))]
            self._of_length[len(window)] = fitting
        close = (
            process.extract(window, fitting, scorer=fuzz.ratio, limit=None, score_cutoff=self._least) if fitting else []
        )
        ratios = {name: ratio for name, ratio, _ in close}
        ratios |= {name: fuzz.ratio(window, name) for name in self._sharing_a_piece(window)}
        return [use.key for name, ratio in ratios.items() for use in self._wanted[name] if ratio >= use.least]

    def _sharing_a_piece(self, window: str) -> set[str]:
        found: set[str] = set()
        for size in self._sizes:
            for begin in range(len(window) - size + 1):
                names = self._pieces.get(window[begin : begin + size])
                if names is not None:
                    found |= names
        return found

    def _cut(self) -> dict[str, set[str]]:
        """The pieces of every name that can be looked up by them; the others are kept for comparing."""
        pieces: dict[str, set[str]] = {}
        for name, uses in self._wanted.items():
            count = _most_edits(len(name), min(use.least for use in uses)) + 1
            if len(name) // count < _SHORTEST_PIECE:
                self._compared.append(name)
                continue
            for number in range(count):
                piece = name[number * len(name) // count : (number + 1) * len(name) // count]
                pieces.setdefault(piece, set()).add(name)
        self._sizes = tuple(sorted({len(piece) for piece in pieces}))
        return pieces

    def _may_reach(self, name: str, length: int) -> bool:
        """Whether a window of a length could be near enough at all: d is at least the difference in length."""
        least = min(use.least for use in self._wanted[name])
        return 200.0 * min(length, len(name)) >= least * (length + len(name))


def _most_edits(length: int, least: float) -> int:
    """The most letters that may differ from a name, whatever the length of the window.

    The longest window that can reach the ratio has length × (200 − least) / least letters.
    """
    if least <= 0:
        return length
    return int((1 - least / 100) * 200 * length / least + 1e-9)
