"""Records of runbook runs: what ran, when, by whom, on what, and what every cell said.

The last verified run of each runbook is committed in `runbooks/records/NAME.json`, so that a page shows real
results before anything was built; every run leaves its own `record.json` in a run folder of its target. The
JSON is made for diffs: one key a line, and every output as a list of lines. It carries a hash over itself, so
that a record that was edited by hand is refused.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blumeops.errors import BadInput, Problem
from blumeops.record import FORMS as FORMS
from blumeops.record import Attestation as Attestation
from blumeops.record import CellRecord as CellRecord
from blumeops.record import Output as Output
from blumeops.record import RunMode as RunMode
from blumeops.record import RunRecord as RunRecord
from blumeops.record import RunStatus as RunStatus
from blumeops.record import formed as formed

COMMITTED = Path("runbooks/records")
STATE = Path(".sandbox/state")
"""The sandbox's state folder, where its run folders are."""

RUNS = STATE / "runs"


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
    """A record as the JSON text that is kept on disk, with the hash over itself."""
    plain = to_plain(record)
    return json.dumps({**plain, "hash": _hash(plain)}, indent=1, ensure_ascii=False)


def _hash(plain: Mapping[str, object]) -> str:
    """SHA-256 over the canonical JSON: sorted keys, no spaces, without the hash itself."""
    values = {key: value for key, value in plain.items() if key != "hash"}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def load(path: Path) -> RunRecord:
    """Read a record. Raises `BadInput` when it is not one, or not as a run has written it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        said, counted = values.get("hash"), _hash(values)
        record = from_plain(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"this is not a record of a runbook ({type(error).__name__}: {error})"
        hint = "remove it; the next run of the runbook writes a new one"
        raise BadInput([Problem(what, str(path), hint=hint)]) from error
    if said != counted:
        what = "this record is not as a run wrote it: its hash does not fit what stands in it"
        hint = f"`git checkout -- {path.name}`, or `blumeops runbook run {record.runbook} --record`"
        raise BadInput([Problem(what, str(path), hint=hint)])
    return record


def committed(root: Path, runbook: str) -> RunRecord | None:
    """The committed record of a runbook; None when there is none.

    Raises `BadInput` for one that was edited by hand.
    """
    path = root / COMMITTED / f"{runbook}.json"
    return load(path) if path.is_file() and not _from_before_hashes(path) else None


def _from_before_hashes(path: Path) -> bool:
    """True for a record of the first format, which proves nothing; the next `--record` replaces it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and "cells" in values and "hash" not in values and "id" not in values


def latest(root: Path, runbook: str) -> RunRecord | None:
    """The newest run of a runbook on the sandbox, committed or not; None when it never ran.

    Dry runs, and runs that still go on, are left out: they prove nothing.
    """
    fresh = (record for record in _fresh(root / RUNS, runbook) if record.mode is not RunMode.DRY_RUN)
    found = [record for record in (committed(root, runbook), next(fresh, None)) if record]
    return max(found, key=lambda record: record.started, default=None)


def runs(root: Path, runbook: str = "") -> tuple[RunRecord, ...]:
    """All runs that are known, of one runbook or of all, on every target, the newest first."""
    names = [runbook] if runbook else [path.stem for path in (root / COMMITTED).glob("*.json")]
    kept = [record for name in names if (record := committed(root, name))]
    found = {record.id or record.runbook: record for record in kept}
    for state in states(root):
        found |= {record.id: record for record in _fresh(state / "runs", runbook)}
    return tuple(sorted(found.values(), key=lambda record: record.started, reverse=True))


def _fresh(folder: Path, runbook: str) -> Iterator[RunRecord]:
    """The finished runs in one target's folder, the newest first; the name of a run folder says when."""
    wanted = f"????????T??????-{runbook or '*'}-????/record.json"
    for path in sorted(folder.glob(wanted), reverse=True):
        record = load(path)
        if not runbook or record.runbook == runbook:
            yield record


def states(root: Path) -> tuple[Path, ...]:
    """The state folder of every target of a checkout: the sandbox's first, then those that have a name."""
    named = root / "homelab" / "targets.toml"
    try:
        tables = tomllib.loads(named.read_text(encoding="utf-8")) if named.is_file() else {}
    except ValueError:
        tables = {}  # `blumeops doctor` and whoever opens a target say what is wrong with it
    places = ((name, table) for name, table in tables.items() if isinstance(table, dict))
    return (root / STATE, *(named.parent / table.get("state", f".blumeops/{name}") for name, table in places))


def to_plain(record: RunRecord) -> dict[str, Any]:
    """A record as plain data, without the hash."""
    return {
        "id": record.id,
        "runbook": record.runbook,
        "source_sha": record.source_sha,
        "status": record.status.value,
        "mode": record.mode.value,
        "started": record.started.astimezone(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(record.seconds, 2),
        "who": record.who,
        "commit": record.commit,
        "dirty": record.dirty,
        "target": record.target,
        "identity": record.identity,
        "note": record.note,
        "resumed": record.resumed,
        "engines": dict(sorted(record.engines.items())),
        "parameters": dict(record.parameters),
        "depends": dict(sorted(record.depends.items())),
        "cells": [plain_cell(one) for one in record.cells],
    }


def plain_cell(cell: CellRecord) -> dict[str, object]:
    """One cell's record as plain data, in the shape that is kept on disk."""
    outputs = [{"mime": o.mime, "stream": o.stream, "text": o.text.split("\n")} for o in cell.outputs]
    return {
        "index": cell.index,
        "name": cell.name,
        "role": cell.role,
        "tags": list(cell.tags),
        "source_sha": cell.source_sha,
        "status": cell.status.value,
        "seconds": round(cell.seconds, 3),
        "error": cell.error,
        "line": cell.line,
        "gate": None if cell.gate is None else asdict(cell.gate),
        "outputs": outputs,
    }


def from_plain(values: Mapping[str, Any]) -> RunRecord:
    """A record from plain data. Raises `KeyError`, `TypeError` or `ValueError` when it is not one."""
    started = datetime.fromisoformat(values["started"])
    if started.tzinfo is None:
        raise ValueError("`started` has no time zone")
    return RunRecord(
        id=str(values["id"]),
        runbook=str(values["runbook"]),
        source_sha=str(values["source_sha"]),
        status=RunStatus(values["status"]),
        mode=RunMode(values["mode"]),
        started=started,
        seconds=float(values["seconds"]),
        who=str(values["who"]),
        commit=str(values["commit"]),
        dirty=bool(values["dirty"]),
        target=str(values["target"]),
        identity=str(values["identity"]),
        note=str(values["note"]),
        resumed=int(values["resumed"]),
        engines={str(name): str(version) for name, version in values["engines"].items()},
        parameters=dict(values["parameters"]),
        depends={str(path): str(sha) for path, sha in values["depends"].items()},
        cells=tuple(cell(one) for one in values["cells"]),
    )


def cell(values: Mapping[str, Any]) -> CellRecord:
    """One cell from plain data. Raises `KeyError`, `TypeError` or `ValueError` when it is not one."""
    gate = values["gate"]
    return CellRecord(
        index=int(values["index"]),
        name=str(values["name"]),
        role=str(values["role"]),
        tags=tuple(values["tags"]),
        source_sha=str(values["source_sha"]),
        status=RunStatus(values["status"]),
        seconds=float(values["seconds"]),
        error=str(values["error"]),
        line=int(values["line"]),
        gate=None if gate is None else Attestation(**gate),
        outputs=tuple(Output(o["mime"], _joined(o["text"]), o["stream"]) for o in values["outputs"]),
    )


def _joined(lines: str | Sequence[str]) -> str:
    return lines if isinstance(lines, str) else "\n".join(lines)
