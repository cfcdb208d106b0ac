"""Regular expressions that are compiled when they are first used.

Compiling takes milliseconds where classes of characters are large or words are many, and a command needs few of those.
Others are better off with `re.compile`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any


class LatePattern:
    """As `re.compile` gives it, from an expression or from what writes one."""

    def __init__(self, expression: str | Callable[[], str], flags: int = 0):
        self._expression, self._flags = expression, flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        written = self._expression if isinstance(self._expression, str) else self._expression()
        return re.compile(written, self._flags)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._compiled, name)
        setattr(self, name, found)  # the next time it is found without coming here
        return found
