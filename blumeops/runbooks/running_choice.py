"""Which cells a run takes, and in which order: a part of the steps, and the ways back."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from blumeops.errors import BadInput, Problem
from blumeops.runbooks.model import Cell, Role, Runbook

CHOSEN = (Role.STEP, Role.ATTEST, Role.VERIFY)
"""The cells that `--from`, `--until` and `--only` choose from; the others belong to every run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of a runbook's steps, by name; empty means from the first, or to the last."""

    first: str = ""
    last: str = ""

    @classmethod
    def of(cls, *, first: str = "", last: str = "", only: str = "") -> Choice:
        """The choice that the three options make."""
        return cls(only or first, only or last)

    def __str__(self) -> str:
        words = (("from", self.first), ("until", self.last))
        return " ".join(f"{word} {name}" for word, name in words if name)

    def skipped(self, book: Runbook) -> frozenset[int]:
        """The indices of the cells that are left out. Raises `BadInput` for a name that is no step."""
        steps = [cell for cell in book.cells if cell.role in CHOSEN]
        low = _index(book, steps, self.first) if self.first else -1
        high = _index(book, steps, self.last) if self.last else len(book.cells)
        if low > high:
            what = f"{self.first} comes after {self.last}, so nothing would run"
            raise BadInput([Problem(what, str(book.path))])
        return frozenset(cell.index for cell in steps if not low <= cell.index <= high)


def _index(book: Runbook, steps: list[Cell], name: str) -> int:
    for cell in steps:
        if cell.name == name:
            return cell.index
    names = [cell.name for cell in steps]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"its steps: {', '.join(names)}"
    raise BadInput([Problem(f"{book.name} has no step {name!r}", str(book.path), hint=hint)])


def forward(book: Runbook) -> tuple[Cell, ...]:
    """The cells of the way forward, in the order of the page."""
    return tuple(cell for cell in book.cells if cell.role not in (Role.ROLLBACK, Role.CLEANUP))


def cleanups(book: Runbook) -> tuple[Cell, ...]:
    """The cells that run at the end of every run."""
    return tuple(cell for cell in book.cells if cell.role is Role.CLEANUP)


def ways_back(book: Runbook, begun: Collection[str]) -> tuple[Cell, ...]:
    """The rollback cells for the steps that were begun: the last step's first, then those of the whole."""
    order = {cell.name: cell.index for cell in book.cells}
    backs = [cell for cell in book.cells if cell.role is Role.ROLLBACK]
    own = [cell for cell in backs if cell.undoes and cell.undoes in begun]
    whole = [cell for cell in backs if not cell.undoes and begun]
    return (*sorted(own, key=lambda cell: order.get(cell.undoes, 0), reverse=True), *whole)
