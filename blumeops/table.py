"""A small table: columns for a terminal, Markdown for a notebook and a page."""

from __future__ import annotations

from dataclasses import dataclass

_INERT = str.maketrans({mark: f"\\{mark}" for mark in "\\`[]{}|<>*_"} | {"&": "&amp;", "\n": " ", "\r": " "})
"""What keeps a name from becoming markup or another cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [zip(row, widths, strict=True) for row in (self.head, *self.rows)]
        return "\n".join("  ".join(word.ljust(width) for word, width in line).rstrip() for line in lines)

    def to_markdown(self) -> str:
        """The table as Markdown; whatever the words are, they stay words."""
        rows = [self.head, *(tuple(word.translate(_INERT) for word in row) for row in self.rows)]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([lines[0], "|" + "---|" * len(self.head), *lines[1:]])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
