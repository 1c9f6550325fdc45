"""Executes a runbook: admitted, locked, every step in its own kernel, and a true record in each case.

A run ends in one of the states of `RunStatus`; only what cannot begin, or cannot be written down, is an
exception. Where a failed step can be taken up again, the kernel is kept alive for a while with its variables.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from blumeops import homelab, journal, records, redact
from blumeops.errors import Interrupted, Locked, Unwritable
from blumeops.layer import Notify
from blumeops.records import CellRecord, Output, RunMode, RunRecord, RunStatus
from blumeops.repository import Repository
from blumeops.runbooks import notebook, running_folder, running_ledger, running_trust
from blumeops.runbooks.gates import Ask, Policy, in_ci
from blumeops.runbooks.model import Cell, Runbook
from blumeops.runbooks.running_cells import Cells, Clock, CountingKernel
from blumeops.runbooks.running_choice import Choice
from blumeops.runbooks.running_folder import RunFolder
from blumeops.runbooks.running_ledger import Ledger, Watch
from blumeops.runbooks.running_trust import Place
from blumeops.runbooks.running_ways import Ways
from blumeops.target import SANDBOX

_RESUMABLE = frozenset(
    {
        RunStatus.FAILED,
        RunStatus.TIMEOUT,
        RunStatus.INTERRUPTED,
        RunStatus.DECLINED,
        RunStatus.ABORTED,
    }
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a run goes: what for, which steps, who answers at gates. `timeout` (seconds) is the whole run's.

    `ask` asks a person; None means that there is nobody. `rollback` answers beforehand whether a failed run
    is taken back. `keep` leaves a failed run's kernel alive for `resume`.
    """

    mode: RunMode = RunMode.RUN
    choice: Choice = field(default_factory=Choice)
    yes: bool = False
    ask: Ask | None = None
    rollback: bool | None = None
    timeout: float | None = None
    allow_uncommitted: bool = False
    keep: bool = True


class Lines:
    """A watch that says one line for each cell."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify

    def line(self, text: str) -> None:
        """Something has happened."""
        self._notify(text)

    def begin(self, cell: Cell, count: int) -> None:
        """A cell begins."""

    def output(self, output: Output) -> None:
        """The cell that runs says something."""

    def ended(self, cell: CellRecord) -> None:
        """A cell has ended, or was left out."""
        why = f" ({cell.error})" if cell.error else ""
        self._notify(f"{cell.name}: {cell.status.value}, {cell.seconds:.1f} s{why}")


def execute(
    root: Path,
    book: Runbook,
    *,
    parameters: Mapping[str, object] | None = None,
    notify: Notify = lambda _line: None,
    stop: threading.Event | None = None,
    options: Options | None = None,
    watch: Watch | None = None,
) -> RunRecord:
    """Execute a runbook and return its record, which its run folder keeps.

    `parameters` are values that `parameters.parse` has checked; the others have their defaults. A step that
    fails, hangs or is interrupted is a record, not an exception. Raises `Unmet` and `Untrusted` before
    anything is started, `Locked` when another run works on the target, and `Unwritable`.
    """
    options, stop = options or Options(), stop or threading.Event()
    if stop.is_set():
        raise Interrupted("stopped before the run", where=book.name)
    values = {**defaults(book), **(parameters or {})}
    where = running_trust.place(root, str(values.get("target", SANDBOX)))
    skipped = options.choice.skipped(book)
    running_trust.admit(root, book, where, mode=options.mode, allow_uncommitted=options.allow_uncommitted)
    with held(where, f"runbook run {book.name}"):
        running_folder.settle(where.state)
        folder = running_folder.create(where.state, book.name, at := datetime.now(UTC))
        kernel = start_kernel(root, folder)
        try:
            record = _first(root, book, where, values, options, folder, at)
            folder.lay_out(notebook.blank(book, record.parameters, masker(root)))
            folder.begin("start", record=records.to_plain(record), values=values)
        except BaseException:
            kernel.end()
            raise
        return carry_out(
            root, book, where, values, options,
            folder=folder, record=record, kernel=kernel, watch=watch or Lines(notify), stop=stop,
            skipped=skipped,
        )  # fmt: skip


def defaults(book: Runbook) -> dict[str, object]:
    """The parameters' values when none is given."""
    return {name: parameter.default for name, parameter in book.parameters.items()}


EXIT_CODES = {
    RunStatus.PASSED: 0,
    RunStatus.FAILED: 1,
    RunStatus.ABORTED: 1,
    RunStatus.DECLINED: 3,
    RunStatus.PRECONDITION: 5,
    RunStatus.TIMEOUT: 124,
    RunStatus.INTERRUPTED: 130,
}
"""What each end of a run is as an exit code."""

LOCKED = 4
"""The exit code for a target that another run works on; 3 is what a gate was declined with."""


@contextlib.contextmanager
def held(where: Place, what: str) -> Iterator[None]:
    """Hold the lock of a target for one run; `Locked` has the exit code that runbooks have for it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(journal.lock(where.state / "runbook.lock", what))
        except Locked as error:
            error.exit_code = LOCKED
            raise
        yield


def start_kernel(root: Path, folder: RunFolder) -> CountingKernel:
    """A new kernel for a run; it loads while we go on."""
    environment = running_trust.variables(os.environ, folder.id)
    return CountingKernel.start(folder.path, root=root, environment=environment)


def _first(
    root: Path, book: Runbook, where: Place, values: Mapping[str, object], options: Options,
    folder: RunFolder, at: datetime,
) -> RunRecord:  # fmt: skip
    """The record of a run before anything of it ran."""
    mask = masker(root)
    shown = {name: _shown(value, mask) for name, value in values.items()}
    notes = [str(options.choice)] if str(options.choice) else []
    if options.mode is not RunMode.DRY_RUN and where.is_sandbox and in_ci(os.environ):
        notes.append("gates passed by CI on the sandbox")
    return RunRecord(
        id=folder.id,
        runbook=book.name,
        source_sha=records.digest(book.source),
        status=RunStatus.RUNNING,
        mode=options.mode,
        started=at,
        seconds=0.0,
        who=journal.user(),
        commit=Repository(root).head(),
        dirty=running_trust.dirty(root, book),
        target=where.name,
        identity=where.identity,
        engines=running_trust.engine_versions(),
        parameters=shown,
        cells=running_ledger.blank(book),
        note="; ".join(notes),
    )


def masker(root: Path) -> redact.Masker:
    """Masks what this checkout and this process know to be secret."""
    redact.remember_environment(os.environ)
    return redact.Masker(redact.known_secrets(homelab.main_checkout(root)))


def _shown(value: object, mask: redact.Masker) -> object:
    if isinstance(value, str):
        return mask(value)
    return [_shown(one, mask) for one in value] if isinstance(value, (list, tuple)) else value


def carry_out(
    root: Path, book: Runbook, where: Place, values: Mapping[str, object], options: Options, *,
    folder: RunFolder, record: RunRecord, kernel: CountingKernel | None, watch: Watch, stop: threading.Event,
    skipped: frozenset[int] = frozenset(), resumed: frozenset[int] = frozenset(),
) -> RunRecord:  # fmt: skip
    """Go through the cells and keep the record; the target is locked and the run's folder begun."""
    ledger = Ledger(folder, record, watch, masker(root))
    policy = Policy(
        where.is_sandbox, options.mode, options.yes, in_ci(os.environ), options.rollback, options.ask
    )
    clock = Clock(options.timeout or book.timeout)
    cells = Cells(
        book, where, options.mode, dict(values), ledger, clock, policy,
        start=lambda: start_kernel(root, folder), kernel=kernel,
    )  # fmt: skip
    asked = options.ask is not None or options.rollback is not None
    ways = Ways(cells, skipped=skipped, asked=asked, stop=stop)
    ledger.say(f"{folder.id}: {options.mode.value} on {where.name} ({where.identity}) by {record.who}")
    try:
        status = ways.all(resumed)
        with undisturbed():
            return _finish(root, book, ways, status, options)
    except Unwritable:
        _cannot_write(ways)
        raise
    except BaseException:
        ways.end_kernel()
        raise


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No Ctrl-C while the record is written: who presses it once more still gets a true one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(one, signal.signal(one, signal.SIG_IGN)) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler)


def _finish(root: Path, book: Runbook, ways: Ways, status: RunStatus, options: Options) -> RunRecord:
    from blumeops.runbooks import depends

    ledger, folder = ways.cells.ledger, ways.cells.ledger.folder
    paths = {*ledger.depends, str(book.path.resolve().relative_to(root.resolve()))}
    cut = (
        RunStatus.INTERRUPTED if one.status is RunStatus.RUNNING else one.status
        for one in ledger.record.cells
    )
    cells = tuple(replace(one, status=became) for one, became in zip(ledger.record.cells, cut, strict=True))
    done = replace(
        ledger.record,
        status=status,
        cells=cells,
        seconds=ledger.record.seconds + ways.cells.clock.spent(),
        depends=depends.digests(root, sorted(paths)),
    )
    kept = _keep(ways, done, options)
    ledger.say(f"{book.name}: {status.value} after {done.seconds:.1f} s")
    folder.event("end", status=status.value, cleaned=ways.cleaned, taken_back=ways.taken_back, kept=kept)
    folder.finish(done)
    if resumable(done, taken_back=ways.taken_back):
        how = "with its variables, for half an hour" if kept else "in a fresh kernel"
        ledger.line(f"go on at the step that did not finish, {how}: blumeops runbook resume {done.id}")
    return done


def _keep(ways: Ways, record: RunRecord, options: Options) -> bool:
    worth = options.keep and resumable(record, taken_back=ways.taken_back) and not in_ci(os.environ)
    if worth and ways.cells.interrupts < 2:
        return ways.keep_kernel()
    ways.end_kernel()
    return False


def resumable(record: RunRecord, *, taken_back: bool = False) -> bool:
    """Whether a run may be taken up where it stopped."""
    return record.status in _RESUMABLE and record.mode is RunMode.RUN and not taken_back


def _cannot_write(ways: Ways) -> None:
    """Clean up although nothing of it can be written down any more, and leave nothing running."""
    ways.cells.ledger.silent = True
    try:
        ways.clean_up()
    finally:
        ways.end_kernel()
