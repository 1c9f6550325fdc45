"""What a record of a runbook's run is, as values: the run, its cells, their outputs, the answers at gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

FORMS = ("text/markdown", "image/png", "image/svg+xml", "text/html", "text/plain")
"""The forms of an output that a page can show, the best one first."""


class RunStatus(StrEnum):
    """How a run of a runbook ended, or how one of its cells did."""

    PASSED = "passed"
    FAILED = "failed"
    PRECONDITION = "precondition"
    DECLINED = "declined"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"
    ALREADY = "already"
    ATTESTED = "attested"
    SKIPPED = "skipped"
    RUNNING = "running"
    NOT_RUN = "not run"

    @property
    def bad(self) -> bool:
        """True when something went wrong here, so that people look at it."""
        return self in _BAD


_BAD = frozenset(
    {
        RunStatus.FAILED,
        RunStatus.PRECONDITION,
        RunStatus.TIMEOUT,
        RunStatus.INTERRUPTED,
        RunStatus.ABORTED,
    }
)


class RunMode(StrEnum):
    """What a run was for: the real thing, a look without any change, or a rehearsal with its way back."""

    RUN = "run"
    DRY_RUN = "dry-run"
    REHEARSAL = "rehearsal"


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
class Attestation:
    """What was asked at a gate, and what was answered: by whom, when (UTC), in which words."""

    question: str
    answer: str
    who: str
    when: str


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What became of one code cell; `index` counts the runbook's code cells from 0.

    `source_sha` is `digest` of the cell's source as it was when it ran. `line` is the line of the runbook's
    file where it failed, 0 when it did not or nobody knows.
    """

    index: int
    source_sha: str
    status: RunStatus
    seconds: float = 0.0
    outputs: tuple[Output, ...] = ()
    name: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    error: str = ""
    line: int = 0
    gate: Attestation | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of one runbook. `started` is in UTC; `source_sha` is `digest` of the runbook's whole file.

    `engines` maps an engine's name to the version that ran; `commit` is the repository's commit, `dirty` says
    that the runbook or the desired state was not committed. `depends` maps the repository's files that the
    run read to their digests. `resumed` counts how often it was taken up again.
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
    id: str = ""
    who: str = ""
    dirty: bool = False
    identity: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    mode: RunMode = RunMode.RUN
    depends: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    resumed: int = 0

    @property
    def verifies(self) -> bool:
        """True when this run proves the whole runbook: it passed, and no step was left out."""
        left_out = (RunStatus.SKIPPED, RunStatus.NOT_RUN)
        steps = [cell for cell in self.cells if cell.role != "rollback"]
        whole = not any(cell.status in left_out for cell in steps)
        return self.status is RunStatus.PASSED and self.mode is not RunMode.DRY_RUN and whole

    def __str__(self) -> str:
        return (
            f"{self.runbook}: {self.status.value} on {self.started:%Y-%m-%d %H:%M} UTC at {self.commit[:12]}"
        )


def duration(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def runbook_of(run: str) -> str:
    """The runbook's name in a run's id; empty when it is none."""
    return run.partition("-")[2].rpartition("-")[0]
