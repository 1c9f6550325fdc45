"""How a runbook stands by its last run: passed, failed, stale, overdue, never run, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blumeops.context.untrusted import label
from blumeops.errors import BlumeOpsError
from blumeops.runbooks import format
from blumeops.runbooks.model import Runbook
from blumeops.site import verified
from blumeops.site.verified import LastRun


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A runbook and its last run in a few words; `holds` is True when that run proves what stands there now.

    `command` runs it on the sandbox, `risk` says what it may do.
    """

    name: str
    path: str
    command: str
    risk: str
    said: str
    holds: bool
    parameters: tuple[str, ...] = ()


def of(root: Path, name: str) -> Rehearsed:
    """How the runbook of that name stands. Never raises: what cannot be read is unknown."""
    command = f"blumeops runbook run {label(name)}"
    path = f"{format.FOLDER}/{name}.md"
    try:
        book = format.read(root / path)
    except (BlumeOpsError, OSError, ValueError):
        return Rehearsed(name, path, command, "unknown", "it cannot be read as a runbook", holds=False)
    said, holds = _stands(root, book)
    return Rehearsed(name, path, command, book.risk.value, said, holds, tuple(book.parameters))


def _stands(root: Path, book: Runbook) -> tuple[str, bool]:
    try:
        last = verified.last_runs(root.resolve(), [book.name])[book.name]
    except BlumeOpsError:
        return "its record was edited by hand or cannot be read, so its last run is unknown", False
    if last.record is None:
        return "never run", False
    day = f"{last.record.started.astimezone(UTC):%Y-%m-%d}"
    if last.record.status.bad:
        return f"last run {last.record.status.value} on {day}", False
    if not last.record.verifies:
        return f"last run {day} {last.word}", False
    if last.stale:
        named = ", ".join(label(path) for path in last.changed[:2])
        more = f" and {len(last.changed) - 2} more" if len(last.changed) > 2 else ""
        return f"passed {day}, stale: {named}{more} changed since", False
    return _in_time(book, last, day)


def _in_time(book: Runbook, last: LastRun, day: str) -> tuple[str, bool]:
    if book.verify_every and last.proof is not None:
        due = last.proof.started + timedelta(seconds=book.verify_every)
        if due < datetime.now(UTC):
            return f"passed {day}, overdue since {due:%Y-%m-%d}", False
    return f"passed {day}", True


def is_runbook(root: Path, path: str) -> bool:
    """Whether a path is a runbook of this repository."""
    return path.startswith(f"{format.FOLDER}/") and path.endswith(".md") and path.count("/") == 1
