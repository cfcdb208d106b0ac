"""What people type into a search, in a column of the archive: as plain text, in any case, with or without joiners."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.model import JOINERS


def holds(column: sa.ColumnElement[str], words: str) -> sa.ColumnElement[bool]:
    """Whether it holds these words somewhere."""
    for joiner in JOINERS:
        column, words = sa.func.replace(column, joiner, "", type_=sa.String), words.replace(joiner, "")
    return column.icontains(words, autoescape=True)
