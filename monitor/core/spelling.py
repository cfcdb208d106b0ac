"""Names and how nearly a few words of a text spell them.

Answers one question fast, however many names there are: which of them is this window near enough? Does not know
where the window stands, nor what a name is evidence for.

Similarity is rapidfuzz's `ratio`: 100 × (1 − d / (length + length)), d being the letters to take out and put in. From
it follows what makes this cheap. Of a name and a window, whose lengths are known, d may be at most `most_edits`. Cut
the name into one piece more than that, and a near window must hold one piece unharmed; so names whose pieces are long
are looked up by their pieces, and only the others are compared one by one.
"""

from __future__ import annotations

from rapidfuzz import fuzz, process

from monitor.model import record

_REMEMBERED = 50_000  # windows whose answer is kept; names come again. Beyond, all are forgotten at once
_LONGEST_WINDOW = 500  # characters; no name is so long
_SHORTEST_PIECE = 3  # letters; shorter pieces stand in too many windows to be worth looking up


@record
class Wanted:
    """One use of a name: `key` is the caller's, `least` the ratio from which on the name is meant."""

    key: tuple
    least: float


class Names:
    """Names in folded form, of one number of words."""

    def __init__(self) -> None:
        self._wanted: dict[str, list[Wanted]] = {}
        self._reaching: dict[int, _Reaching] = {}  # by length of the window
        self._remembered: dict[str, tuple[tuple, ...]] = {}

    def add(self, name: str, wanted: Wanted) -> None:
        """Adds a use of a name, before the first question."""
        self._wanted.setdefault(name, []).append(wanted)

    def alike(self, window: str) -> tuple[tuple, ...]:
        """The keys of all uses whose name a window of words, folded and joined by spaces, is near enough to."""
        keys = self._remembered.get(window)
        if keys is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            keys = () if len(window) > _LONGEST_WINDOW else tuple(self._near(window))
            self._remembered[window] = keys
        return keys

    def _near(self, window: str) -> list[tuple]:
        reaching = self._reaching.get(len(window))
        if reaching is None:
            least = {name: min(use.least for use in uses) for name, uses in self._wanted.items()}
            reaching = self._reaching[len(window)] = _Reaching(least, len(window))
        ratios = reaching.ratios(window)
        return [use.key for name, ratio in ratios.items() for use in self._wanted[name] if ratio >= use.least]


class _Reaching:
    """The names that a window of one length can be near enough to at all."""

    __slots__ = ("_compared", "_least", "_pieces", "_sizes")

    def __init__(self, least: dict[str, float], length: int):
        self._pieces: dict[str, set[str]] = {}
        self._compared: list[str] = []
        for name, ratio in least.items():
            edits = most_edits(len(name), length, ratio)
            if edits is not None:
                self._add(name, edits + 1)
        self._least = min((least[name] for name in self._compared), default=0.0)
        self._sizes = tuple(sorted({len(piece) for piece in self._pieces}))

    def _add(self, name: str, count: int) -> None:
        if len(name) // count < _SHORTEST_PIECE:
            self._compared.append(name)
            return
        for number in range(count):
            piece = name[number * len(name) // count : (number + 1) * len(name) // count]
            self._pieces.setdefault(piece, set()).add(name)

    def ratios(self, window: str) -> dict[str, float]:
        """The similarity of every name that may be near enough, and of some that are not."""
        ratios = {name: fuzz.ratio(window, name) for name in self._sharing_a_piece(window)}
        if self._compared:
            near = process.extract(window, self._compared, scorer=fuzz.ratio, limit=None, score_cutoff=self._least)
            ratios |= {name: ratio for name, ratio, _ in near}
        return ratios

    def _sharing_a_piece(self, window: str) -> set[str]:
        found: set[str] = set()
        for size in self._sizes:
            for begin in range(len(window) - size + 1):
                names = self._pieces.get(window[begin : begin + size])
                if names is not None:
                    found |= names
        return found


def most_edits(one: int, other: int, least: float) -> int | None:
    """The most letters to take out and put in between texts of these lengths that are so alike; None where no such
    texts are. Their number is as odd or even as the difference in length, and no smaller."""
    edits = int((1 - least / 100) * (one + other) + 1e-9)
    apart = abs(one - other)
    edits -= (edits - apart) % 2
    return edits if edits >= apart else None
