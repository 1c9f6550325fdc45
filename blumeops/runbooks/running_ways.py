"""The ways of a run: forward through the steps, back when one failed, and the clean-up at the end of both."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from blumeops.errors import Interrupted
from blumeops.records import RunMode, RunStatus
from blumeops.runbooks import running_choice as choice
from blumeops.runbooks.gates import Answer, Kind
from blumeops.runbooks.kernel import Kernel
from blumeops.runbooks.model import Cell, Role
from blumeops.runbooks.running_cells import Cells
from blumeops.runbooks.running_ledger import begun

CLEANUP_SECONDS = 120.0
"""How long one rollback or clean-up cell may take when the run's own time is over."""

_GOES_ON = frozenset({RunStatus.PASSED, RunStatus.ALREADY, RunStatus.ATTESTED, RunStatus.SKIPPED})


@dataclass(slots=True)
class Ways:
    """One run's way through its cells.

    `asked` is True where somebody can say, or has said, whether a run that was interrupted is taken back: who
    ends a run from outside wants it to end.
    """

    cells: Cells
    skipped: frozenset[int] = frozenset()
    asked: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    taken_back: bool = False
    cleaned: bool = False
    again: bool = False

    def all(self, resumed: frozenset[int] = frozenset()) -> RunStatus:
        """Forward, back if need be, and the clean-up; `resumed` are cells that stand from an earlier part.

        A first interrupt ends the step that runs and goes on to the clean-up; a second one ends at once.
        """
        status = RunStatus.INTERRUPTED
        try:
            try:
                status = self._forward(resumed)
            except KeyboardInterrupt:
                self.cells.interrupts += 1
            if self.cells.interrupts > 1:
                raise Interrupted("interrupted twice")
            status = self._back(status)
            return self.clean_up(status)
        except (KeyboardInterrupt, Interrupted):
            self.cells.interrupts += 2  # no kernel is kept for a run that ended like this
            return RunStatus.INTERRUPTED

    def _forward(self, resumed: frozenset[int]) -> RunStatus:
        for cell in choice.forward(self.cells.book):
            if self.stop.is_set():
                return RunStatus.INTERRUPTED
            if cell.index in resumed:
                continue
            if cell.index in self.skipped:
                self.cells.leave_out(cell, RunStatus.SKIPPED, "not chosen")
                continue
            status = self.cells.run(cell)
            if status not in _GOES_ON:
                failed = cell.role is Role.PRECONDITION and status is RunStatus.FAILED
                return RunStatus.PRECONDITION if failed else status
        return RunStatus.PASSED

    # -- back -------------------------------------------------------------------------------------

    def _back(self, status: RunStatus) -> RunStatus:
        book, mode = self.cells.book, self.cells.mode
        steps = begun(book, self.cells.ledger.record.cells)
        backs = choice.ways_back(book, steps)
        if not backs or mode is RunMode.DRY_RUN:
            return status
        if status is RunStatus.PASSED:
            return self._all_back(backs, status) if mode is RunMode.REHEARSAL else status
        if (status is RunStatus.INTERRUPTED and not self.asked) or not self._accepted(backs, steps):
            names = ", ".join(cell.name for cell in backs)
            self.cells.ledger.line(f"not taken back: {', '.join(steps)} (its way back: {names})")
            return status
        done = self._all_back(backs, RunStatus.PASSED)
        self.taken_back = done is RunStatus.PASSED
        return status

    def _accepted(self, backs: tuple[Cell, ...], steps: tuple[str, ...]) -> bool:
        shown = "\n\n".join(cell.source for cell in backs)
        self.cells.ledger.line(f"begun and not finished: {', '.join(steps)}")
        try:
            return self.cells.answer(Kind.ROLLBACK, backs[0], shown).answer is Answer.YES
        except KeyboardInterrupt:
            self.cells.interrupts += 1
            if self.cells.interrupts > 1:
                raise
            return False

    def _all_back(self, backs: tuple[Cell, ...], status: RunStatus) -> RunStatus:
        self._revive()
        for cell in backs:
            if (ended := self._last_resort(cell)) is not RunStatus.PASSED:
                self.cells.ledger.line(f"{cell.name} did not take it back: look at the target yourself")
                return RunStatus.FAILED if ended is not RunStatus.INTERRUPTED else ended
        return status

    # -- the end ----------------------------------------------------------------------------------

    def clean_up(self, status: RunStatus = RunStatus.ABORTED) -> RunStatus:
        """Run the clean-up cells, all of them, and give the status that the run has after them."""
        cells = choice.cleanups(self.cells.book)
        if cells:
            self._revive()
        for cell in cells:
            ended = self._last_resort(cell)
            self.cleaned = True
            if status is RunStatus.PASSED and ended is not RunStatus.PASSED:
                status = ended
        return status

    def _last_resort(self, cell: Cell) -> RunStatus:
        limit = max(CLEANUP_SECONDS, self.cells.clock.left())
        status = self.cells.execute(cell, limit=limit)
        if self.cells.interrupts > 1:
            raise Interrupted("interrupted twice")
        return status

    def _revive(self) -> None:
        """After a kernel's death, a new one with the parameters and the setup, for what must still run."""
        if not self.cells.died:
            return
        self.end_kernel()
        self.again = True
        for cell in choice.forward(self.cells.book):
            if cell.role in (Role.PARAMETERS, Role.SETUP):
                self.cells.raw(cell, self.cells.allowed(cell), CLEANUP_SECONDS)

    def end_kernel(self) -> None:
        """End the kernel with everything that it started."""
        kernel, self.cells.kernel = self.cells.kernel, None
        if kernel is not None:
            kernel.end()

    def keep_kernel(self) -> bool:
        """Leave the kernel alive for a resume, with its variables; False when there is nothing to keep."""
        kernel: Kernel | None = self.cells.kernel
        if kernel is None or self.cells.died or self.again:
            self.end_kernel()
            return False
        kernel.detach()
        return True
