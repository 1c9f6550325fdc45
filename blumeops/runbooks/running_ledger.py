"""What a run writes down while it goes on: every cell, when it begins and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from blumeops import records
from blumeops.records import Attestation, CellRecord, Output, RunRecord, RunStatus
from blumeops.redact import Masker
from blumeops.runbooks.model import Cell, Runbook
from blumeops.runbooks.running_folder import RunFolder


class Watch(Protocol):
    """Whoever looks on while a runbook runs: a terminal, or lines in a log."""

    def line(self, text: str) -> None:
        """Something has happened."""

    def begin(self, cell: Cell, count: int) -> None:
        """A cell begins; the runbook has `count` of them."""

    def output(self, output: Output) -> None:
        """The cell that runs says something."""

    def ended(self, cell: CellRecord) -> None:
        """A cell has ended, or was left out."""


@dataclass(slots=True)
class Ledger:
    """The record of a run as it grows; every change is on disk before the run goes on.

    `silent` is set when the disk takes no more: what must still be done (clean-up) is done unrecorded.
    """

    folder: RunFolder
    record: RunRecord
    watch: Watch
    mask: Masker = field(default_factory=Masker)
    silent: bool = False
    depends: set[str] = field(default_factory=set)

    def cell(self, index: int) -> CellRecord:
        """What is known of one cell."""
        return next(cell for cell in self.record.cells if cell.index == index)

    def begin(self, cell: Cell) -> None:
        """A cell is about to run."""
        self._put(replace(self.cell(cell.index), status=RunStatus.RUNNING, error="", outputs=(), line=0))
        self.watch.begin(cell, len(self.record.cells))

    def ended(self, made: CellRecord) -> None:
        """A cell has ended, or is left out."""
        self._put(made)
        took = f", {made.seconds:.1f} s" if made.seconds else ""
        self.say(f"── {made.name}: {made.status.value}{took} {made.error}".rstrip())
        self.watch.ended(made)

    def answered(self, index: int, gate: Attestation) -> None:
        """Somebody answered at a gate; this is on disk before anything follows from it."""
        # What a person types may hold what they should not have typed.
        gate = replace(gate, answer=self.mask(gate.answer))
        self._put(replace(self.cell(index), gate=gate))
        self.say(f"{gate.question} {gate.answer} ({gate.who})")

    def output(self, output: Output) -> None:
        """A cell says something."""
        if output.mime.startswith("text/") and output.text.strip():
            self.say(output.text)
        self.watch.output(output)

    def line(self, text: str) -> None:
        """Say something to whoever looks on, and to the log."""
        self.say(text)
        self.watch.line(text)

    def say(self, text: str) -> None:
        """Add text to the log."""
        if not self.silent:
            self.folder.say(self.mask(text))

    def _put(self, made: CellRecord) -> None:
        cells = tuple(made if cell.index == made.index else cell for cell in self.record.cells)
        self.record = replace(self.record, cells=cells)
        if not self.silent:
            self.folder.event("cell", cell=records.plain_cell(made))


def blank(book: Runbook) -> tuple[CellRecord, ...]:
    """The cells of a runbook before anything ran."""
    return tuple(
        CellRecord(
            index=cell.index,
            source_sha=records.digest(cell.source),
            status=RunStatus.NOT_RUN,
            name=cell.name,
            role=cell.role.value,
            tags=cell.tags,
        )
        for cell in book.cells
    )


_RAN = (
    RunStatus.PASSED,
    RunStatus.FAILED,
    RunStatus.TIMEOUT,
    RunStatus.INTERRUPTED,
    RunStatus.ABORTED,
    RunStatus.RUNNING,
)


def begun(book: Runbook, cells: Iterable[CellRecord]) -> tuple[str, ...]:
    """The names of the steps that may have changed something, in order."""
    status = {cell.index: cell.status for cell in cells}
    return tuple(cell.name for cell in book.cells if cell.gated and status.get(cell.index) in _RAN)
