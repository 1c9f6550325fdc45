"""The executed notebook of a run: nbformat 4.5 as JSON, with the truth about every cell.

Written without nbformat, whose import alone takes longer than many runs; a test has nbformat validate it. It
is laid out when the run begins, every cell `not run`, and filled in from the record, so a run that was killed
gets its notebook from whoever looks next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from blumeops.records import CellRecord, Output, RunRecord, RunStatus
from blumeops.runbooks.blocks import parse
from blumeops.runbooks.model import Cell, Role, Runbook

_ERROR = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<value>.*))?$")
_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

PAPERMILL = {
    RunStatus.PASSED: "completed",
    RunStatus.ATTESTED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.TIMEOUT: "failed",
    RunStatus.INTERRUPTED: "failed",
    RunStatus.ABORTED: "failed",
    RunStatus.RUNNING: "running",
}
"""papermill's word for what became of a cell; it has none for a step that was left out: that is pending."""


def blank(book: Runbook, values: Mapping[str, object], mask: Callable[[str], str] = str) -> dict[str, Any]:
    """The notebook of a runbook before anything ran, with the parameters of this run in it.

    `mask` takes secrets out of what stands in the page itself.
    """
    cells: list[dict[str, Any]] = []
    for cell, prose in _parts(book):
        if prose:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": _lines(mask(prose))})
        if cell is None:
            continue
        cells.append(_code(mask(cell.source), list(cell.tags), {"index": cell.index, "name": cell.name}))
        if cell.role is Role.PARAMETERS:
            cells.append(_code(mask(assignments(values)), ["injected-parameters"], {}))
    for number, made in enumerate(cells):
        made["id"] = f"cell-{number}"
    return {"cells": cells, "metadata": _metadata(book), "nbformat": 4, "nbformat_minor": 5}


def assignments(values: Mapping[str, object]) -> str:
    """The parameters as the code that sets them."""
    return "# Parameters\n" + "\n".join(f"{name} = {value!r}" for name, value in values.items())


def filled(notebook: Mapping[str, Any], record: RunRecord) -> dict[str, Any]:
    """The notebook with what became of every cell."""
    record_of = {cell.index: cell for cell in record.cells}
    cells = [_filled(cell, record_of) for cell in notebook["cells"]]
    metadata = {**notebook["metadata"], "blumeops": about(record)}
    return {**notebook, "cells": cells, "metadata": metadata}


def about(record: RunRecord) -> dict[str, Any]:
    """What a notebook's metadata say about the run."""
    head = {"status": record.status.value, "run": record.id, "target": record.target}
    return {**head, "mode": record.mode.value, "commit": record.commit, "who": record.who}


def ran(made: CellRecord) -> dict[str, Any]:
    """What became of one cell, in a notebook's words: its count, its outputs, and what is said about it."""
    count = made.index + 1 if made.status in PAPERMILL else None
    told: dict[str, Any] = {"index": made.index, "name": made.name, "status": made.status.value}
    told["seconds"] = round(made.seconds, 3)
    if made.error:
        told["error"] = made.error
    if made.gate:
        told["gate"] = {"question": made.gate.question, "answer": made.gate.answer, "who": made.gate.who}
    outputs = [_output(output, count) for output in made.outputs]
    return {"execution_count": count, "outputs": outputs, "about": told}


def to_text(notebook: Mapping[str, Any]) -> str:
    """The notebook as the text of an `.ipynb` file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _metadata(book: Runbook) -> dict[str, Any]:
    return {"kernelspec": _KERNEL, "language_info": {"name": "python"}, "title": book.title}


def _code(source: str, tags: list[str], about: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": tags, "blumeops": {**about, "status": RunStatus.NOT_RUN.value}},
        "outputs": [],
        "source": _lines(source),
    }


def _lines(text: str) -> list[str]:
    """A text as notebooks keep it: each line with its end, but the last."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _parts(book: Runbook) -> Iterator[tuple[Cell | None, str]]:
    """Every code cell with the prose before it; at the end the prose that is left, with no cell."""
    page = parse(book.source, str(book.path))
    lines = book.source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = page.body - 1
    for cell, block in zip(book.cells, page.blocks, strict=True):
        yield cell, "\n".join(lines[at : block.first - 1]).strip("\n")
        at = block.last or len(lines)
    yield None, "\n".join(lines[at:]).strip("\n")


def _filled(cell: dict[str, Any], record_of: Mapping[int, CellRecord]) -> dict[str, Any]:
    index = cell["metadata"].get("blumeops", {}).get("index", -1)
    injected = "injected-parameters" in cell["metadata"].get("tags", ())
    made = record_of.get(_parameters(record_of) if injected else index)
    if made is None:
        return cell
    said = ran(made)
    metadata = {**cell["metadata"], "blumeops": said["about"]}
    if injected:  # it stands for the parameters cell, which said nothing
        metadata["blumeops"] = {"status": made.status.value}
        said["outputs"] = []
    return {
        **cell,
        "execution_count": said["execution_count"],
        "metadata": metadata,
        "outputs": said["outputs"],
    }


def _parameters(record_of: Mapping[int, CellRecord]) -> int:
    return next((cell.index for cell in record_of.values() if cell.role == Role.PARAMETERS), -1)


def _output(output: Output, count: int | None) -> dict[str, Any]:
    match output.stream:
        case "stdout" | "stderr":
            return {"output_type": "stream", "name": output.stream, "text": _lines(output.text)}
        case "error":
            return _error(output.text)
        case _:
            forms = {output.mime: output.text, **output.others}
            data = {mime: _lines(text) for mime, text in forms.items()}
            if output.stream == "result":
                return {
                    "output_type": "execute_result",
                    "execution_count": count,
                    "data": data,
                    "metadata": {},
                }
            return {"output_type": "display_data", "data": data, "metadata": {}}


def _error(text: str) -> dict[str, Any]:
    last = next((line for line in reversed(text.strip().split("\n")) if line.strip()), "")
    found = _ERROR.match(last.strip())
    name, value = (found["name"], found["value"] or "") if found else ("Error", last)
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": text.split("\n")}
