"""One cell of a run: its done-check, its gate, its code, and what became of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from blumeops.mode import Mode
from blumeops.records import Output, RunMode, RunStatus
from blumeops.runbooks import gates, notebook
from blumeops.runbooks.gates import Answer, Ask, Kind, Question, Reply
from blumeops.runbooks.kernel import Ending, Executed, Kernel
from blumeops.runbooks.model import Cell, Role, Runbook
from blumeops.runbooks.running_ledger import Ledger
from blumeops.runbooks.running_trust import Place

LOOK_SECONDS = 120.0
"""How long a gate's expression or a done-check may take, when the cell has no limit of its own."""

_ENDINGS = {
    Ending.PASSED: RunStatus.PASSED,
    Ending.FAILED: RunStatus.FAILED,
    Ending.TIMEOUT: RunStatus.TIMEOUT,
    Ending.INTERRUPTED: RunStatus.INTERRUPTED,
    # A kernel that died is a failed step with a word about the kernel.
    Ending.DIED: RunStatus.FAILED,
}


@dataclass(slots=True)
class Clock:
    """What is left of a run's time; waiting for a person does not count. `limit` is in seconds."""

    limit: float
    begun: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def left(self) -> float:
        """Seconds that are left, at least a moment."""
        return max(0.01, self.limit - self.spent())

    def spent(self) -> float:
        """Seconds that the run has taken so far, without waiting for people."""
        return time.monotonic() - self.begun - self.waited

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Time that does not count."""
        at = time.monotonic()
        try:
            yield
        finally:
            self.waited += time.monotonic() - at


class CountingKernel(Kernel):
    """A kernel that knows how often its cells were interrupted: who asks twice wants the end now."""

    interrupts = 0

    def interrupt(self) -> None:
        """Interrupt the cell that runs."""
        self.interrupts += 1
        super().interrupt()


@dataclass(slots=True)
class Cells:
    """Runs one cell after the other in a kernel, for one run of a runbook."""

    book: Runbook
    where: Place
    mode: RunMode
    values: dict[str, object]
    ledger: Ledger
    clock: Clock
    ask: Ask
    start: Callable[[], CountingKernel]
    kernel: CountingKernel | None = None
    seen_identity: bool = False
    interrupts: int = 0

    def run(self, cell: Cell) -> RunStatus:
        """Run one cell of the way forward, after its done-check and its gate."""
        if self.mode is RunMode.DRY_RUN and cell.role in (Role.VERIFY, Role.ATTEST):
            return self.leave_out(cell, RunStatus.SKIPPED, "a dry run")
        if cell.done and (known := self._done(cell)) is not None:
            return known
        if cell.gated and (known := self._gate(cell)) is not None:
            return known
        status = self.execute(cell)
        if cell.role is Role.ATTEST and status is RunStatus.PASSED:
            return self._attest(cell)
        return status

    def leave_out(self, cell: Cell, status: RunStatus, why: str) -> RunStatus:
        """Write down that a cell was not run, and why."""
        self.ledger.ended(replace(self.ledger.cell(cell.index), status=status, error=why))
        return status

    def execute(self, cell: Cell, *, limit: float | None = None) -> RunStatus:
        """Run a cell's code and write down what became of it; `limit` stands in for what is left."""
        self.ledger.begin(cell)
        said: list[Output] = []

        def notify(output: Output) -> None:
            said.append(output)
            self.ledger.output(output)

        left = self.clock.left() if limit is None else limit
        timeout = left if cell.timeout is None else min(left, cell.timeout)
        at = time.monotonic()
        try:
            done = self.raw(cell, self.allowed(cell), timeout, notify)
        except KeyboardInterrupt:
            self._ended(cell, RunStatus.INTERRUPTED, time.monotonic() - at, tuple(said), "interrupted", 0)
            raise
        outputs = done.outputs or tuple(said)
        error = _error(done, timeout)
        return self._ended(cell, _ENDINGS[done.ending], done.seconds, outputs, error, done.line)

    def raw(
        self, cell: Cell, mode: Mode, timeout: float, notify: Callable[[Output], None] = lambda _said: None
    ) -> Executed:
        """Run a cell's code, and nothing else."""
        source = notebook.assignments(self.values) if cell.role is Role.PARAMETERS else cell.source
        done = self.live().execute(
            source, filename=str(self.book.path), line=cell.line, mode=mode, timeout=timeout, notify=notify
        )
        return self._noted(done)

    def live(self) -> CountingKernel:
        """The kernel of this run, started if there is none."""
        if self.kernel is None:
            self.kernel = self.start()
        return self.kernel

    @property
    def died(self) -> bool:
        """Whether the kernel is dead, and with it the variables."""
        return self.kernel is not None and not self.kernel.alive

    def allowed(self, cell: Cell) -> Mode:
        """What a cell may do in this run."""
        return Mode.CHANGE if cell.changes and self.mode is not RunMode.DRY_RUN else Mode.READ

    def _noted(self, done: Executed) -> Executed:
        self.ledger.depends.update(done.depends)
        if self.kernel is not None:
            self.interrupts += self.kernel.interrupts
            self.kernel.interrupts = 0
        return done

    def _ended(
        self,
        cell: Cell,
        status: RunStatus,
        seconds: float,
        outputs: tuple[Output, ...],
        error: str,
        line: int,
    ) -> RunStatus:
        before = self.ledger.cell(cell.index)
        made = replace(before, status=status, seconds=seconds, outputs=outputs, error=error, line=line)
        self.ledger.ended(made)
        return status

    # -- before a step ----------------------------------------------------------------------------

    def _look(self, cell: Cell, expression: str) -> Executed:
        limit = min(self.clock.left(), cell.timeout or LOOK_SECONDS)
        silent = lambda _said: None  # noqa: E731 - what is seen here is shown at the gate, whole
        return self._noted(self.live().evaluate(expression, timeout=limit, notify=silent))

    def _done(self, cell: Cell) -> RunStatus | None:
        seen = self._look(cell, f"bool({cell.done})")
        if seen.ending is not Ending.PASSED:
            return self._not_seen(cell, seen, "its done-check")
        return self.leave_out(cell, RunStatus.ALREADY, cell.done) if seen.value == "True" else None

    def _not_seen(self, cell: Cell, seen: Executed, what: str) -> RunStatus:
        error = f"{what}: {_error(seen, cell.timeout or LOOK_SECONDS)}"
        return self._ended(cell, _ENDINGS[seen.ending], seen.seconds, seen.outputs, error, cell.line)

    def _gate(self, cell: Cell) -> RunStatus | None:
        shown = cell.source
        if cell.gate:
            seen = self._look(cell, cell.gate)
            if seen.ending is not Ending.PASSED:
                return self._not_seen(cell, seen, "its gate")
            shown = _text(seen)
        if self.mode is RunMode.DRY_RUN:
            self.ledger.line(f"{cell.name} would do:\n{shown}")
            return self.leave_out(cell, RunStatus.SKIPPED, "a dry run")
        reply = self.answer(Kind.GATE, cell, shown)
        match reply.answer:
            case Answer.YES:
                return None
            case Answer.NO:
                return self.leave_out(cell, RunStatus.DECLINED, reply.words)
            case Answer.SKIP:
                return self.leave_out(cell, RunStatus.SKIPPED, reply.words or "left out at its gate")

    def answer(self, kind: Kind, cell: Cell, shown: str) -> Reply:
        """Ask, and write down what was answered."""
        identity = "" if self.seen_identity else self.where.identity
        question = Question(kind, cell.name, cell.heading, shown, self.where.name, identity)
        with self.clock.stopped():
            reply = self.ask(question)
        self.seen_identity = True
        self.ledger.answered(cell.index, gates.attested(question, reply))
        return reply

    def _attest(self, cell: Cell) -> RunStatus:
        ran = self.ledger.cell(cell.index)
        shown = "\n".join(output.text for output in ran.outputs) or cell.source
        reply = self.answer(Kind.ATTEST, cell, shown)
        ended = {
            Answer.YES: RunStatus.ATTESTED,
            Answer.NO: RunStatus.DECLINED,
            Answer.SKIP: RunStatus.SKIPPED,
        }
        return self.leave_out(cell, ended[reply.answer], "" if reply.answer is Answer.YES else reply.words)


def _text(seen: Executed) -> str:
    return "\n".join(output.text.rstrip("\n") for output in seen.outputs) or seen.value


def _error(done: Executed, timeout: float) -> str:
    match done.ending:
        case Ending.PASSED:
            return ""
        case Ending.TIMEOUT:
            return done.error or f"no end within {timeout:g} s"
        case Ending.INTERRUPTED:
            return done.error or "interrupted"
        case Ending.DIED:
            return done.error or "the kernel died"
        case Ending.FAILED:
            return done.error
