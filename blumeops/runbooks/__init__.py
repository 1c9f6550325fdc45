"""Runbooks: find them, read their parameters, execute them, keep the record.

A runbook is one MyST Markdown file in `runbooks/`: a note, a page of the site, and a notebook that papermill
executes (jupytext reads it). It runs in a process of its own (`runbook_process.py`), so that a run which is
interrupted, or whose kernel dies, still leaves a true record.
"""

from __future__ import annotations

import ast
import contextlib
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops import journal, process, records
from blumeops.errors import BadInput, BlumeOpsError, Interrupted, Problem
from blumeops.layer import Notify
from blumeops.records import RunRecord, RunStatus
from blumeops.redact import known_secrets, masked
from blumeops.repository import Repository

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["RunStatus", "Runbook", "execute", "find", "named", "parameters"]

FOLDER = "runbooks"
CELL_SECONDS = 300
"""How long one cell may take; a cell that hangs ends the run."""

START_SECONDS = 60
"""How long the kernel and the libraries may take to load and to end."""


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook: its name is the file's stem; `parameters` maps each parameter to its default."""

    name: str
    title: str
    path: Path
    source: str
    cells: tuple[str, ...]
    parameters: Mapping[str, object]


def find(root: Path) -> tuple[Runbook, ...]:
    """All runbooks of a checkout, by name. Raises `BadInput` when one cannot be read."""
    return tuple(read(path) for path in sorted((root / FOLDER).glob("*.md")))


def named(root: Path, name: str) -> Runbook:
    """The runbook of that name. Raises `BlumeOpsError` when there is none."""
    path = root / FOLDER / f"{name}.md"
    if "/" in name or not path.is_file():
        known = ", ".join(sorted(p.stem for p in (root / FOLDER).glob("*.md"))) or "none"
        raise BlumeOpsError(f"there is no runbook {name!r}", hint=f"the runbooks are: {known}")
    return read(path)


def read(path: Path) -> Runbook:
    """Read one runbook. Raises `BadInput` with the place of what is wrong."""
    source = path.read_text(encoding="utf-8")
    notebook = as_notebook(source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        raise BadInput([Problem("this runbook has no {code-cell}", str(path))])
    heading = next((line[2:].strip() for line in source.splitlines() if line.startswith("# ")), path.stem)
    given = next((c.source for c in code if "parameters" in c.metadata.get("tags", [])), "")
    try:
        defaults = _defaults(given)
    except (SyntaxError, ValueError) as error:
        raise BadInput([Problem(f"the parameters cell is not plain values: {error}", str(path))]) from error
    return Runbook(path.stem, heading, path, source, tuple(cell.source for cell in code), defaults)


def as_notebook(source: str) -> NotebookNode:
    """The notebook that a MyST Markdown text stands for, by jupytext."""
    import jupytext

    # Without this filter jupytext takes our front matter for its own and fails on a date.
    fmt = {
        "extension": ".md",
        "format_name": "myst",
        "root_level_metadata_filter": "-all,kernelspec,jupytext",
    }
    notebook = jupytext.reads(source, fmt=fmt)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata.kernelspec = {**kernel, **notebook.metadata.get("kernelspec", {})}
    return notebook


def _defaults(source: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = ast.literal_eval(node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def parameters(book: Runbook, given: Sequence[str]) -> dict[str, object]:
    """Turn `NAME=VALUE` words into values of the defaults' types.

    Raises `BlumeOpsError` for a name that the runbook does not have, or a value of another type.
    """
    values: dict[str, object] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals or name not in book.parameters:
            known = ", ".join(f"{key}={value!r}" for key, value in book.parameters.items()) or "none"
            raise BlumeOpsError(f"{book.name} has no parameter {name!r}", hint=f"its parameters: {known}")
        values[name] = _typed(name, text, book.parameters[name])
    return values


def _typed(name: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        kind = type(default).__name__
        raise BlumeOpsError(f"{name}={text}: not of type {kind}", hint=f"its default is {default!r}")
    return value


def execute(
    root: Path,
    book: Runbook,
    *,
    parameters: Mapping[str, object] | None = None,
    notify: Notify = lambda _line: None,
    stop: threading.Event | None = None,
    cell_seconds: int = CELL_SECONDS,
) -> RunRecord:
    """Execute a runbook and return its record, which is also kept in `.sandbox/records/`.

    A cell that takes longer than `cell_seconds` ends the run.
    One run at a time: raises `Locked`. A failed cell is a record of status failed, not an exception; an
    interrupt leaves a record of status aborted and is raised again.
    """
    if stop is not None and stop.is_set():
        raise Interrupted("stopped before the run", where=book.name)
    fresh = root / records.FRESH / f"{book.name}.json"
    draft = fresh.with_suffix(".running")
    with journal.lock(root / ".sandbox" / "runbook.lock", f"runbook run {book.name}"):
        draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        record = _started(root, book)
        job = {
            "runbook": str(book.path),
            "draft": str(draft),
            "parameters": dict(parameters or {}),
            "cell_seconds": cell_seconds,
        }
        begun = time.monotonic()
        said = ""
        try:
            notify(f"{book.name}: running {len(book.cells)} cells")
            argv = [sys.executable, "-P", "-m", "blumeops.runbook_process"]
            limit = cell_seconds * len(book.cells) + START_SECONDS
            done = process.run(argv, cwd=root, input=json.dumps(job), timeout=limit, leashed=True)
            said = masked(done.stderr, known_secrets(root)) if not done.ok else ""
            status = {0: RunStatus.PASSED, 1: RunStatus.FAILED}.get(done.returncode, RunStatus.ABORTED)
        except BaseException:
            _finish(record, RunStatus.ABORTED, draft, fresh, begun, "")
            raise
        return _finish(record, status, draft, fresh, begun, said)


def _started(root: Path, book: Runbook) -> RunRecord:
    return RunRecord(
        runbook=book.name,
        source_sha=records.digest(book.source),
        status=RunStatus.ABORTED,
        started=datetime.now(UTC),
        seconds=0.0,
        commit=Repository(root).head(),
        target="sandbox",
        engines=engine_versions(),
    )


def _finish(
    record: RunRecord, status: RunStatus, draft: Path, fresh: Path, begun: float, said: str
) -> RunRecord:
    cells = _cells(draft)
    if status is RunStatus.FAILED and all(cell.status is RunStatus.PASSED for cell in cells):
        status = RunStatus.ABORTED  # the process of the run broke, and no cell says why
    if said and status is RunStatus.ABORTED:
        last = records.Output("text/plain", said.strip()[-2000:], "error")
        cells = (*cells, records.CellRecord(len(cells), "", RunStatus.ABORTED, 0.0, (last,)))
    done = replace(record, status=status, seconds=time.monotonic() - begun, cells=cells)
    records.save(done, fresh)
    draft.unlink(missing_ok=True)
    return done


def _cells(draft: Path) -> tuple[records.CellRecord, ...]:
    """What the run's process wrote down, cell by cell; it may have been killed at any point."""
    if not draft.exists():
        return ()
    cells = []
    # Not `splitlines`: it also splits at characters that JSON leaves as they are, such as U+2028.
    for line in draft.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(json.JSONDecodeError):
            cells.append(records.cell(json.loads(line)))
    return tuple(cells)


def engine_versions() -> dict[str, str]:
    """The versions of the engines that a run meets: the three layers' own, and the sandbox's."""
    from importlib import metadata

    from blumeops.sandbox.engines import ENGINES

    libraries = {"ansible-core": metadata.version("ansible-core"), "papermill": metadata.version("papermill")}
    return {**{engine.name: engine.version for engine in ENGINES}, **libraries}


def failures(record: RunRecord) -> tuple[str, ...]:
    """What the failed cells said, for people."""
    return tuple(
        f"cell {cell.index + 1}: {cell.status.value}\n" + "\n".join(o.text for o in cell.outputs)
        for cell in record.cells
        if cell.status in (RunStatus.FAILED, RunStatus.ABORTED)
    )


def transcript(record: RunRecord) -> str:
    """A run as text: every cell's status and what it said."""
    lines = [str(record)]
    for cell in record.cells:
        lines += ["", f"── cell {cell.index + 1}: {cell.status.value}, {cell.seconds:.1f} s"]
        lines += [output.text.rstrip() for output in cell.outputs]
    return "\n".join(lines)


def to_json(record: RunRecord) -> str:
    """A record as JSON, in the shape that is kept on disk."""
    return records.to_json(record)
