"""How a runbook stands by its last run: passed, failed, stale, overdue, never run, or unknown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blumeops.context.untrusted import label
from blumeops.errors import BlumeOpsError
from blumeops.runbooks import format
from blumeops.site import verified
from blumeops.site.cache import Cache, digest
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


def of(root: Path, name: str, cache: Cache | None = None) -> Rehearsed:
    """How the runbook of that name stands. Never raises: what cannot be read is unknown."""
    command = f"blumeops runbook run {label(name)}"
    path = f"{format.FOLDER}/{name}.md"
    try:
        about = _about(root / path, cache or Cache(None))
    except (BlumeOpsError, OSError, ValueError):
        return Rehearsed(name, path, command, "unknown", "it cannot be read as a runbook", holds=False)
    said, holds = _stands(root, name, about.every)
    return Rehearsed(name, path, command, about.risk, said, holds, about.parameters)


@dataclass(frozen=True, slots=True)
class _About:
    """What a runbook says of itself; `every` in seconds, None when it need not be proved again."""

    risk: str
    every: float | None
    parameters: tuple[str, ...]


def _about(file: Path, cache: Cache) -> _About:
    """What a runbook's file says, kept by its content: reading one takes twenty milliseconds."""
    text = file.read_text(encoding="utf-8")
    key = digest("a runbook of a context pack", text)
    if (said := cache.get(key)) is None:
        book = format.reads(text, file)
        said = json.dumps([book.risk.value, book.verify_every, list(book.parameters)])
        cache.put(key, said)
    risk, every, parameters = json.loads(said)
    return _About(risk, every, tuple(parameters))


def _stands(root: Path, name: str, every: float | None) -> tuple[str, bool]:
    try:
        last = verified.last_runs(root.resolve(), [name])[name]
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
    return _in_time(every, last, day)


def _in_time(every: float | None, last: LastRun, day: str) -> tuple[str, bool]:
    if every and last.proof is not None:
        due = last.proof.started + timedelta(seconds=every)
        if due < datetime.now(UTC):
            return f"passed {day}, overdue since {due:%Y-%m-%d}", False
    return f"passed {day}", True
