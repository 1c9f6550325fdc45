"""Takes up a run where it stopped: with its variables while its kernel lives, else by the steps' checks."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blumeops import records
from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.layer import Notify
from blumeops.record import runbook_of
from blumeops.records import RunRecord, RunStatus
from blumeops.repository import Repository
from blumeops.runbooks import (
    format,
    notebook,
    running,
    running_choice,
    running_folder,
    running_ledger,
    running_trust,
)
from blumeops.runbooks.model import Role, Runbook
from blumeops.runbooks.running import Options
from blumeops.runbooks.running_cells import CountingKernel
from blumeops.runbooks.running_folder import RunFolder
from blumeops.runbooks.running_ledger import Watch

_STANDS = frozenset({RunStatus.PASSED, RunStatus.ALREADY, RunStatus.ATTESTED, RunStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run that stopped: what is known of it, and where it goes on (`at`, the index of a cell)."""

    folder: RunFolder
    record: RunRecord
    book: Runbook
    values: Mapping[str, object]
    cleaned: bool
    at: int


def resume(
    root: Path,
    word: str,
    *,
    options: Options | None = None,
    notify: Notify = lambda _line: None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> RunRecord:
    """Go on with the run of that id, or with the last one of the runbook of that name; its new record.

    Raises `BlumeOpsError` when it cannot be taken up: it passed, it was taken back, or the page's cells
    before that point are not those that ran.
    """
    options = options or Options()
    folder = find(root, word)
    first = folder.told()
    where = running_trust.place(root, first.target if first else "")
    with running.held(where, f"runbook resume {folder.id}"):
        running_folder.settle(where.state)
        stopped = _stopped(root, folder)
        book = stopped.book
        running_trust.admit(
            root, book, where, mode=stopped.record.mode, allow_uncommitted=options.allow_uncommitted
        )
        kernel = CountingKernel.attach(folder.path)
        record = _taken_up(root, stopped)
        folder.lay_out(notebook.blank(book, record.parameters, running.masker(root)))
        folder.begin("resume", record=records.to_plain(record), values=stopped.values)
        stands = _live(stopped) if kernel else _fresh(stopped)
        return running.carry_out(
            root, book, where, stopped.values, replace(options, mode=record.mode),
            folder=folder, record=record, kernel=kernel, watch=watch or running.Lines(notify),
            stop=stop or threading.Event(), skipped=_left_out(stopped), resumed=stands,
        )  # fmt: skip


def find(root: Path, word: str) -> RunFolder:
    """The run folder of that id (or of the one id that begins so), or the newest run of a runbook."""
    known = [folder for state in records.states(root) for folder in running_folder.folders(state)]
    begins = [folder for folder in known if folder.id == word or (word and folder.id.startswith(word))]
    if len(begins) == 1:
        return begins[0]
    named = [folder for folder in known if runbook_of(folder.id) == word]
    if named:
        return max(named, key=lambda folder: folder.id)
    names = sorted({folder.id for folder in known} | {runbook_of(folder.id) for folder in known})
    near = difflib.get_close_matches(word, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else "`blumeops runbook history` lists the runs"
    raise BlumeOpsError(f"there is no run {word!r}", hint=hint)


def _stopped(root: Path, folder: RunFolder) -> Stopped:
    record = records.load(folder.record)
    end = _end(folder)
    again = f"`blumeops runbook run {record.runbook}`"
    if not running.resumable(record, taken_back=end.get("taken_back", False)):
        why = "it was taken back" if end.get("taken_back") else f"it is a {record.mode.value} that "
        why = why if end.get("taken_back") else f"{why}ended as {record.status.value}"
        raise BlumeOpsError(f"{folder.id} cannot be taken up: {why}", hint=again)
    book = format.named(root, record.runbook)
    at = _at(book, record)
    _unchanged(book, record, at, again)
    started = next(event for event in reversed(folder.events()) if "values" in event)
    return Stopped(folder, record, book, started["values"], bool(end.get("cleaned", True)), at)


def _end(folder: RunFolder) -> Mapping[str, Any]:
    """How the run said that it ended; empty for one that was killed."""
    ends = [event for event in folder.events() if event["event"] == "end"]
    return ends[-1] if ends else {}


def taken_back(folder: RunFolder) -> bool:
    """Whether the rollback of a failed run has passed."""
    return bool(_end(folder).get("taken_back", False))


def settle(root: Path) -> None:
    """Write the record of every run of this checkout whose process died."""
    for state in records.states(root):
        running_folder.settle(state)


def newest(root: Path) -> RunFolder:
    """The run that began last. Raises `BlumeOpsError` when nothing ran yet."""
    found = next((folder for folder, _ in told(root)), None)
    if found is None:
        raise BlumeOpsError("nothing ran yet", hint="`blumeops runbook list` names the runbooks")
    return found


def record_of(folder: RunFolder) -> RunRecord:
    """The record of a run, also of one that goes on."""
    record = folder.known()
    if record is None:
        raise BlumeOpsError("nothing is known of this run", where=str(folder.path))
    return record


def _at(book: Runbook, record: RunRecord) -> int:
    status = {cell.index: cell.status for cell in record.cells}
    left = (cell.index for cell in running_choice.forward(book) if status.get(cell.index) not in _STANDS)
    return next(left, len(book.cells))


def _unchanged(book: Runbook, record: RunRecord, at: int, again: str) -> None:
    now = {cell.index: cell for cell in book.cells}
    for ran in record.cells:
        if ran.index >= at or ran.role in (Role.ROLLBACK, Role.CLEANUP):
            continue
        cell = now.get(ran.index)
        if cell is None or records.digest(cell.source) != ran.source_sha:
            what = f"{ran.name} ran, and the page says something else now"
            line = cell.line if cell else 0
            raise BadInput([Problem(what, str(book.path), line, hint=f"begin anew: {again}")])


def _taken_up(root: Path, stopped: Stopped) -> RunRecord:
    before = {cell.index: cell for cell in stopped.record.cells}
    backs = [cell.index for cell in stopped.book.cells if cell.role in (Role.ROLLBACK, Role.CLEANUP)]
    cells = tuple(
        before[cell.index] if cell.index < stopped.at and cell.index not in backs else cell
        for cell in running_ledger.blank(stopped.book)
    )
    return replace(
        stopped.record,
        source_sha=records.digest(stopped.book.source),
        status=RunStatus.RUNNING,
        commit=Repository(root).head(),
        dirty=running_trust.dirty(root, stopped.book),
        cells=cells,
        resumed=stopped.record.resumed + 1,
    )


def _live(stopped: Stopped) -> frozenset[int]:
    """With the variables there, all that ran stands; the setup does not when the clean-up has undone it."""
    return frozenset(
        cell.index
        for cell in running_choice.forward(stopped.book)
        if cell.index < stopped.at and not (stopped.cleaned and cell.role is Role.SETUP)
    )


def _fresh(stopped: Stopped) -> frozenset[int]:
    """In a fresh kernel only a person's word stands; every step asks its own check, or runs again."""
    return frozenset(
        cell.index
        for cell in stopped.record.cells
        if cell.status is RunStatus.ATTESTED and cell.index < stopped.at
    )


def _left_out(stopped: Stopped) -> frozenset[int]:
    return frozenset(cell.index for cell in stopped.record.cells if cell.status is RunStatus.SKIPPED)


def told(root: Path) -> Iterator[tuple[RunFolder, RunRecord]]:
    """Every run folder with its record, those of runs that go on too, the newest first."""
    known = [folder for state in records.states(root) for folder in running_folder.folders(state)]
    for folder in sorted(known, key=lambda folder: folder.id, reverse=True):
        record = folder.known()
        if record is not None:
            yield folder, record
