"""What is known of each runbook's runs when a site is built: the last one, what changed since, those before.

A committed record that was edited by hand ends the build; a run folder of this machine that cannot be read
is only left out: its run is not what a page is built on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from blumeops import records
from blumeops.errors import BadInput, Problem
from blumeops.record import runbook_of
from blumeops.records import RunMode, RunRecord, RunStatus
from blumeops.runbooks import depends

HISTORY = 8
"""So many runs are listed on a page, the newest first."""

_read: dict[str, tuple[tuple[int, ...], RunRecord]] = {}
_PROVES_NOTHING = (RunMode.DRY_RUN,)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a runbook on the sandbox, the last one that proved it, and the newest runs anywhere.

    `changed` names what the last run depended on and that is not any more as it was.
    """

    record: RunRecord | None = None
    proof: RunRecord | None = None
    changed: tuple[str, ...] = ()
    history: tuple[RunRecord, ...] = ()

    @property
    def stale(self) -> bool:
        """True when the last run passed, and says nothing any more about what is there now."""
        return bool(self.changed) and self.record is not None and self.record.status is RunStatus.PASSED

    @property
    def word(self) -> str:
        """How the runbook stands, in a word or two."""
        if self.record is None:
            return "never run"
        if self.record.status is RunStatus.PASSED and not self.record.verifies:
            return "passed in part"
        return "stale" if self.stale else self.record.status.value

    @property
    def kind(self) -> str:
        """`passed`, `failed`, `changed` (stale, or stopped before anything went wrong) or `never`."""
        if self.record is None:
            return "never"
        if self.record.status.bad:
            return "failed"
        return "passed" if self.record.verifies and not self.stale else "changed"


NEVER = LastRun()


def last_runs(root: Path, names: Collection[str]) -> dict[str, LastRun]:
    """What is known of each of these runbooks. Raises `BadInput` with every committed record gone wrong."""
    problems: list[Problem] = []
    kept = {name: _committed(root, name, problems) for name in names}
    if problems:
        raise BadInput(problems)
    fresh = _fresh(root, names)
    made = {name: _last(kept[name], fresh.get(name, [])) for name in names}
    return _with_changes(root, made)


def _last(kept: RunRecord | None, fresh: list[RunRecord]) -> LastRun:
    every = {one.id: one for one in (*([kept] if kept else ()), *fresh)}.values()
    newest = sorted(every, key=lambda one: one.started, reverse=True)
    counts = [one for one in newest if one.mode not in _PROVES_NOTHING and one.target == "sandbox"]
    proof = next((one for one in counts if one.verifies), None)
    return LastRun(next(iter(counts), None), proof, (), tuple(newest[:HISTORY]))


def _with_changes(root: Path, made: Mapping[str, LastRun]) -> dict[str, LastRun]:
    looked_at = {path for one in made.values() if one.record for path in one.record.depends}
    now = depends.digests(root, looked_at)
    return {
        name: replace(one, changed=depends.changed_since(root, one.record, now=now)) if one.record else one
        for name, one in made.items()
    }


def _committed(root: Path, name: str, problems: list[Problem]) -> RunRecord | None:
    try:
        return records.committed(root, name)
    except BadInput as error:
        problems += (_from_top(root, problem) for problem in error.problems)
        return None


def _from_top(root: Path, problem: Problem) -> Problem:
    with contextlib.suppress(ValueError):
        return replace(problem, path=Path(problem.path).relative_to(root).as_posix())
    return problem


def _fresh(root: Path, names: Collection[str]) -> dict[str, list[RunRecord]]:
    """The newest finished runs of each runbook in the run folders of every target."""
    wanted, found = frozenset(names), dict[str, list[RunRecord]]()
    for state in records.states(root):
        for name, file in _folders(state / "runs"):
            known = found.setdefault(name, [])
            if name in wanted and len(known) < 2 * HISTORY and (record := _record(file)):
                known.append(record)
    return found


def _folders(folder: Path) -> Iterator[tuple[str, str]]:
    """The runbook and the record's file of each run folder, the newest first: its name says both."""
    try:
        names = sorted(os.listdir(folder), reverse=True)
    except OSError:
        return
    for name in names:
        if name.count("-") >= 2:
            yield runbook_of(name), f"{folder}/{name}/record.json"


def _record(file: str) -> RunRecord | None:
    try:
        seen = os.stat(file)
        as_seen = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if file in _read and _read[file][0] == as_seen:
            return _read[file][1]
        record = records.load(Path(file))
    except (OSError, BadInput):
        return None
    _read[file] = as_seen, record
    return record


def committed(root: Path, name: str) -> str:
    """How the committed run of a runbook stands, in a few words that are the same on every machine."""
    try:
        record = records.committed(root, name)
    except BadInput:
        return "the record is wrong"
    if record is None:
        return "never"
    stale = ", stale" if depends.changed_since(root, record) else ""
    return f"{record.started:%Y-%m-%d}{stale}" if record.verifies else f"{record.status.value}{stale}"


def due(proof: RunRecord, every: timedelta) -> str:
    """When a proof has to be renewed, as a date and time in UTC."""
    return f"{proof.started + every:%Y-%m-%dT%H:%M}Z"
