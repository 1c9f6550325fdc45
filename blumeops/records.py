"""Records of runbook runs: what ran, when, at which commit, and what every cell said.

The last good record of each runbook is committed in `runbooks/records/NAME.json`, so a page shows real
results before anything was built; fresh ones are in `.sandbox/records/NAME.json`. The newer one is shown.
The JSON is made for diffs: one key a line, and every output as a list of lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from blumeops.errors import BadInput, Problem

COMMITTED = Path("runbooks/records")
FRESH = Path(".sandbox/records")

FORMS = ("text/markdown", "image/png", "image/svg+xml", "text/html", "text/plain")
"""The forms of an output that a page can show, the best one first."""


class RunStatus(StrEnum):
    """How a run of a runbook ended, or how one of its cells did."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Output:
    """One thing a cell said. `stream` is `stdout`, `stderr`, `error` (a traceback), `result` or `display`.

    `mime` and `text` are its best form for a page; binary forms are in base64. `others` are its other forms,
    for a notebook: a record that is committed does not have them.
    """

    mime: str
    text: str
    stream: str = "result"
    others: Mapping[str, str] = field(default_factory=dict, hash=False)


def formed(forms: Mapping[str, str], stream: str) -> Output | None:
    """The output that has these forms (type to text), the best one first; None when a page can show none."""
    mime = next((mime for mime in FORMS if mime in forms), None)
    if mime is None:
        return None
    return Output(mime, forms[mime], stream, {other: forms[other] for other in forms if other != mime})


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What became of one code cell; `index` counts the runbook's code cells from 0.

    `source_sha` is `digest` of the cell's source as it was when it ran.
    """

    index: int
    source_sha: str
    status: RunStatus
    seconds: float = 0.0
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of one runbook. `started` is in UTC; `source_sha` is `digest` of the runbook's whole file.

    `engines` maps an engine's name to the version that ran; `commit` is the repository's commit.
    """

    runbook: str
    source_sha: str
    status: RunStatus
    started: datetime
    seconds: float
    commit: str
    target: str
    engines: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[CellRecord, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.runbook}: {self.status.value} on {self.started:%Y-%m-%d %H:%M} UTC at {self.commit[:12]}"
        )


def digest(source: str) -> str:
    """The SHA-256 of a text, in hex, without regard to the empty space around it."""
    return hashlib.sha256(source.strip().encode()).hexdigest()


def save(record: RunRecord, path: Path) -> None:
    """Write a record; a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".json.part")
    part.write_text(to_json(record) + "\n", encoding="utf-8")
    part.replace(path)


def to_json(record: RunRecord) -> str:
    """A record as the JSON text that is kept on disk."""
    return json.dumps(_to_plain(record), indent=1, ensure_ascii=False)


def load(path: Path) -> RunRecord:
    """Read a record. Raises `BadInput` when it is not one."""
    try:
        return _from_plain(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"this is not a record of a runbook ({type(error).__name__}: {error})"
        hint = "remove it; the next run of the runbook writes a new one"
        raise BadInput([Problem(what, str(path), hint=hint)]) from error


def latest(root: Path, runbook: str) -> RunRecord | None:
    """The newest record of a runbook, committed or fresh; None when it never ran."""
    paths = (root / folder / f"{runbook}.json" for folder in (COMMITTED, FRESH))
    found = [load(path) for path in paths if path.is_file()]
    return max(found, key=lambda record: record.started, default=None)


def _to_plain(record: RunRecord) -> dict[str, object]:
    return {
        "runbook": record.runbook,
        "source_sha": record.source_sha,
        "status": record.status.value,
        "started": record.started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(record.seconds, 1),
        "commit": record.commit,
        "target": record.target,
        "engines": dict(sorted(record.engines.items())),
        "cells": [plain_cell(one) for one in record.cells],
    }


def plain_cell(cell: CellRecord) -> dict[str, object]:
    """One cell's record as plain data, in the shape that is kept on disk."""
    outputs = [{"mime": o.mime, "stream": o.stream, "text": o.text.split("\n")} for o in cell.outputs]
    head = {"index": cell.index, "source_sha": cell.source_sha, "status": cell.status.value}
    return {**head, "seconds": round(cell.seconds, 1), "outputs": outputs}


def _from_plain(values: Mapping[str, Any]) -> RunRecord:
    started = datetime.fromisoformat(values["started"])
    if started.tzinfo is None:
        raise ValueError("`started` has no time zone")
    return RunRecord(
        runbook=str(values["runbook"]),
        source_sha=str(values["source_sha"]),
        status=RunStatus(values["status"]),
        started=started,
        seconds=float(values["seconds"]),
        commit=str(values["commit"]),
        target=str(values["target"]),
        engines={str(name): str(version) for name, version in values["engines"].items()},
        cells=tuple(cell(one) for one in values["cells"]),
    )


def cell(values: Mapping[str, Any]) -> CellRecord:
    """One cell from plain data. Raises `KeyError`, `TypeError` or `ValueError` when it is not one."""
    return CellRecord(
        index=int(values["index"]),
        source_sha=str(values["source_sha"]),
        status=RunStatus(values["status"]),
        seconds=float(values["seconds"]),
        outputs=tuple(Output(o["mime"], _joined(o["text"]), o["stream"]) for o in values["outputs"]),
    )


def _joined(lines: str | Sequence[str]) -> str:
    return lines if isinstance(lines, str) else "\n".join(lines)
