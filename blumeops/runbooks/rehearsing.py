"""One runbook, rehearsed: how it went, how long its cells took, and where it failed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops import runbooks
from blumeops.layer import Notify
from blumeops.records import CellRecord, RunRecord, RunStatus
from blumeops.runbooks import running_story

if TYPE_CHECKING:
    import threading

    from blumeops.runbooks.model import Runbook

LEFT_BEHIND = 1
"""The exit code for a runbook that passed and left something in the target."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One runbook's rehearsal: its record, and what it left in the target (empty: nothing is known)."""

    name: str
    path: str
    record: RunRecord
    seconds: float
    left: str = ""

    @property
    def status(self) -> RunStatus:
        """How the run ended."""
        return self.record.status

    @property
    def passed(self) -> bool:
        """True when the run passed and nothing that it left behind is known."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """The exit code that the run would have alone."""
        return runbooks.EXIT_CODES.get(self.status, 1) or (LEFT_BEHIND if self.left else 0)

    @property
    def in_cells(self) -> float:
        """Seconds that its cells took; the rest is what running them costs."""
        return sum(cell.seconds for cell in self.record.cells)

    @property
    def where(self) -> str:
        """The place of the first cell that went wrong: `runbooks/NAME.md`, with its line when known."""
        line = next((cell.line for cell in wrong(self.record) if cell.line), 0)
        return f"{self.path}:{line}" if line else self.path

    @property
    def problem(self) -> str:
        """In one line, why it did not pass; empty when it did."""
        first = next(iter(wrong(self.record)), None)
        if first is not None:
            said = first.error or first.status.value
            return f"{first.name or f'cell {first.index + 1}'}: {said}"
        if self.status is not RunStatus.PASSED:
            return self.record.note or self.status.value
        return self.left.partition("\n")[0]

    def to_dict(self) -> dict[str, object]:
        """The rehearsal as plain data."""
        about = {"name": self.name, "status": self.status.value, "exit_code": self.exit_code}
        times = {"seconds": round(self.seconds, 2), "in_cells": round(self.in_cells, 2)}
        words = {"problem": self.problem, "where": self.where if self.problem else "", "left": self.left}
        return {**about, **times, "run": self.record.id, **words}


def rehearse(
    root: Path,
    book: Runbook,
    *,
    target: str,
    notify: Notify = lambda _line: None,
    stop: threading.Event | None = None,
) -> Rehearsal:
    """Run one runbook forward, back and through its clean-up, gates passed, and say how it went."""
    values = {"target": target} if "target" in book.parameters else {}
    begun = time.monotonic()
    options = runbooks.Options(mode=runbooks.RunMode.REHEARSAL, keep=False)
    record = runbooks.execute(root, book, parameters=values, notify=notify, stop=stop, options=options)
    return Rehearsal(book.name, _shown(book.path, root), record, time.monotonic() - begun)


def blamed(one: Rehearsal, left: object) -> Rehearsal:
    """The rehearsal with what was found right after it, unless that is nothing."""
    return one if getattr(left, "nothing", True) else replace(one, left=str(left))


def wrong(record: RunRecord) -> tuple[CellRecord, ...]:
    """The cells that went wrong, in the order of the page."""
    return tuple(cell for cell in record.cells if cell.status.bad)


def story(one: Rehearsal) -> str:
    """What the cells that went wrong said, then what became of the way back: text for a report."""
    parts = [f"{one.where}: {one.problem}"]
    parts += running_story.failures(one.record)
    ways = [cell for cell in one.record.cells if cell.role in ("rollback", "cleanup")]
    parts += [f"── {cell.role} {cell.name}: {cell.status.value}" for cell in ways if not cell.status.bad]
    parts += [one.left] if one.left else []
    return "\n".join(parts)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
