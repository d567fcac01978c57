"""
Results as the console prints them: tables with aligned columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Table:
    """
    Rows under headings. Its ``repr`` is the table itself, as that is what a
    Python prompt prints.

    :param empty: what is printed in place of a table without rows.
    :param widest: characters of a cell; the rest is cut.
    """

    def __init__(
        self,
        headings: Sequence[str],
        rows: Iterable[Sequence[object]],
        empty: str = "none",
        widest: int = 48,
    ) -> None:
        self.headings = tuple(headings)
        self.rows = tuple(tuple(_cell(value, widest) for value in row) for row in rows)
        self._empty = empty

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return self._empty
        lines = (self.headings, *self.rows) if self.headings else self.rows
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


class Words:
    """A sentence, printed without quotation marks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _cell(value: object, widest: int) -> str:
    """A value in its cell: what a peer sent must not steer the terminal."""
    if value is None:
        text = "-"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:.3f}".rstrip("0").rstrip(".")
    elif isinstance(value, tuple):
        text = ", ".join(str(each) for each in value) or "-"
    else:
        text = str(value)
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= widest else f"{text[: widest - 1]}…"
