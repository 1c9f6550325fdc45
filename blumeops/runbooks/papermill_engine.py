"""The papermill engine `blumeops`: papermill's command line, our runner, and a notebook that says the truth.

    jupytext --to ipynb runbooks/NAME.md -o - | papermill --engine blumeops - out.ipynb

papermill 2.7 marks cells as completed that never ran when a kernel dies, a cell times out or somebody presses
Ctrl-C: it marks every pending cell when the run ends, however it ends. So this engine does not let it; the
page is found by its cells in the checkout, run as `blumeops runbook run` runs it, and the notebook is filled
in from the record.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import nbformat
from papermill.engines import Engine
from papermill.iorw import write_ipynb
from papermill.log import logger

from blumeops import records
from blumeops.errors import BlumeOpsError
from blumeops.records import CellRecord, Output, RunRecord, RunStatus
from blumeops.repository import find as checkout
from blumeops.runbooks import format, notebook, parameters, running
from blumeops.runbooks.model import Cell, Runbook

INJECTED = "injected-parameters"
YES = "BLUMEOPS_YES"
"""Set to 1 in the environment it passes the gates: papermill's command line knows no option of ours."""


class NotPassed(BlumeOpsError):
    """A run that papermill asked for did not pass, and no cell has failed: a gate, or a precondition.

    Next: `blumeops runbook status` shows it; set `BLUMEOPS_YES=1` to pass the gates.
    """


class BlumeOpsEngine(Engine):  # type: ignore[misc]  # papermill comes without types
    """Runs the page that a notebook was made from."""

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """The kernel's name; ours is always there, so a page need not name one."""
        return name or nb.metadata.get("kernelspec", {}).get("name", "python3")

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language of the cells."""
        return language or "python"

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | None = None, **_options: object
    ) -> Any:
        """Run the page of this notebook and fill the notebook in; `output_path` is kept up to date."""
        root = checkout(Path.cwd().resolve()).root
        book = page_of(root, nb)
        given = _given(nb)
        values = parameters.parse(book, _words(given))
        watch = _Watch(nb, output_path)
        watch.show_all(_pending(book))
        options = running.Options(yes=os.environ.get(YES) == "1", keep=False)
        with _terminable():
            record = running.execute(root, book, parameters=values, options=options, watch=watch)
        _fill(nb, record)
        watch.save()
        if record.status is RunStatus.INTERRUPTED:
            raise KeyboardInterrupt
        if record.status is not RunStatus.PASSED and not any(cell.status.bad for cell in record.cells):
            raise NotPassed(f"{book.name}: {record.status.value}", hint="`blumeops runbook status`")
        return nb  # papermill raises for a cell that failed, and puts a word on top of the notebook


def page_of(root: Path, nb: Any) -> Runbook:
    """The runbook of a checkout whose cells these are. Raises `BlumeOpsError` when there is none."""
    ours = [records.digest(cell.source) for cell in _code_cells(nb)]
    for book in format.find(root):
        if [records.digest(cell.source) for cell in book.cells] == ours:
            return book
    hint = "make it from the page as it is now: `jupytext --to ipynb runbooks/NAME.md -o -`"
    raise BlumeOpsError("this notebook is no runbook of this checkout", where=str(root), hint=hint)


def _code_cells(nb: Any) -> list[Any]:
    code = (cell for cell in nb.cells if cell.cell_type == "code")
    return [cell for cell in code if INJECTED not in cell.metadata.get("tags", [])]


def _given(nb: Any) -> Mapping[str, object]:
    """What `-p` gave; papermill adds names of its own that say where the files are."""
    given = nb.metadata.get("papermill", {}).get("parameters", {})
    return {name: value for name, value in given.items() if not name.startswith("PAPERMILL_")}


def _words(given: Mapping[str, object]) -> Sequence[str]:
    return [f"{name}={_word(value)}" for name, value in given.items()]


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _pending(book: Runbook) -> tuple[CellRecord, ...]:
    from blumeops.runbooks import running_ledger

    return running_ledger.blank(book)


class _Watch(running.Lines):
    """Keeps the output notebook true while the run goes on, so that a kill leaves no false word in it."""

    def __init__(self, nb: Any, output_path: str | None) -> None:
        super().__init__(logger.info)
        self._nb = nb
        self._path = output_path
        self._cells = _code_cells(nb)

    def begin(self, cell: Cell, count: int) -> None:
        """A cell begins."""
        _papermill(self._cells[cell.index])["status"] = "running"
        self.save()

    def output(self, output: Output) -> None:
        """The cell that runs says something."""

    def ended(self, cell: CellRecord) -> None:
        """A cell has ended, or was left out."""
        super().ended(cell)
        _fill_cell(self._cells[cell.index], cell)
        self.save()

    def show_all(self, made: Sequence[CellRecord]) -> None:
        """Fill in cells of which nothing is known yet."""
        for cell in made:
            _fill_cell(self._cells[cell.index], cell)
        self._nb.metadata.papermill["exception"] = None
        self.save()

    def save(self) -> None:
        """Write the output notebook, if papermill is to write one."""
        if self._path:
            write_ipynb(self._nb, self._path)


def _node(plain: Mapping[str, Any]) -> Any:
    return nbformat.from_dict(plain)  # type: ignore[no-untyped-call]  # nbformat has no types for it


def _papermill(cell: Any) -> Any:
    return cell.metadata.setdefault("papermill", _node({}))


def _fill(nb: Any, record: RunRecord) -> None:
    passed = record.status is RunStatus.PASSED
    nb.metadata["blumeops"] = notebook.about(record)
    end = record.started + timedelta(seconds=record.seconds)
    times = {"start_time": record.started.isoformat(), "end_time": end.isoformat()}
    nb.metadata.papermill.update({**times, "duration": record.seconds, "exception": None if passed else True})
    # What a parameter was given may be a reference to a secret, never one; what is shown is masked.
    shown = {name: record.parameters.get(name) for name in _given(nb)}
    nb.metadata.papermill["parameters"] = shown
    cells = _code_cells(nb)
    for made in record.cells:
        _fill_cell(cells[made.index], made)
    for cell in nb.cells:
        if cell.cell_type == "code" and INJECTED in cell.metadata.get("tags", []):
            cell.source = notebook.assignments(shown)
            _papermill(cell).update({"status": "completed", "exception": False})


def _fill_cell(cell: Any, made: CellRecord) -> None:
    said = notebook.ran(made)
    cell.execution_count = said["execution_count"]
    cell.outputs = [_node(output) for output in said["outputs"]]
    cell.metadata["blumeops"] = _node(said["about"])
    status = notebook.PAPERMILL.get(made.status, "pending")
    _papermill(cell).update(
        {"status": status, "exception": made.status.bad or None, "duration": made.seconds or None}
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, which CI sends to cancel, ends a run as Ctrl-C does: with clean-up and a record."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
