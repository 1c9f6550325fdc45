"""A step on a runbook's page: what kind of step it is, what became of it, and what it said."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from blumeops.record import duration
from blumeops.records import Attestation, CellRecord, RunRecord, RunStatus, digest
from blumeops.runbooks import model
from blumeops.runbooks.model import Role
from blumeops.site import outputs

_ENDED = {
    RunStatus.PASSED: "passed",
    RunStatus.FAILED: "failed",
    RunStatus.PRECONDITION: "failed",
    RunStatus.DECLINED: "declined",
    RunStatus.TIMEOUT: "took too long",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.ABORTED: "aborted",
    RunStatus.ALREADY: "was done already",
    RunStatus.ATTESTED: "attested",
    RunStatus.SKIPPED: "left out",
    RunStatus.RUNNING: "still running",
    RunStatus.NOT_RUN: "not run",
}
_GOOD = (RunStatus.PASSED, RunStatus.ALREADY, RunStatus.ATTESTED)
_QUICK = 0.05
"""Seconds below which saying how long a step took says nothing."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell on a page; `first` and `last` are its fences' lines, from 0."""

    cell: model.Cell
    first: int
    last: int

    @property
    def index(self) -> int:
        """Counts the code cells from 0."""
        return self.cell.index

    @property
    def source(self) -> str:
        """Its code."""
        return self.cell.source.strip("\n")


def kind(cell: model.Cell) -> tuple[str, str]:
    """What kind of step a cell is: a word for its look, and the label that a reader sees."""
    if not cell.tags:
        return "plain", ""
    match cell.role:
        case Role.PARAMETERS:
            return "plain", "parameters"
        case Role.SETUP:
            return "plain", "prepares"
        case Role.PRECONDITION:
            return "proof", "must hold first · read only"
        case Role.STEP:
            return ("change", "changes the target · asks first") if cell.gated else ("look", "read only")
        case Role.ATTEST:
            return "person", "a person does this · asks first"
        case Role.VERIFY:
            return "proof", "proof · read only"
        case Role.ROLLBACK:
            of = f" of {cell.undoes}" if cell.undoes else ""
            return "rollback", f"rollback{of} · changes the target"
        case Role.CLEANUP:
            return "plain", "cleans up · always runs"
    assert_never(cell.role)


def bar(cell: Cell, ran: CellRecord | None, record: RunRecord | None) -> str:
    """The line above a step: its kind, its name, how it ended and how long it took. One line of HTML."""
    look, label = kind(cell.cell)
    said = [f'<span class="step-kind">{_text(label)}</span>'] if label else []
    if label and cell.cell.role is not Role.PARAMETERS:
        said.append(f'<span class="step-name">{_text(cell.cell.name)}</span>')
    ended = _ended(cell, ran, record)
    if ended:
        said.append(ended)
    return f'<div class="step-bar step-{look}" data-search-exclude="">{"".join(said)}</div>' if said else ""


def _ended(cell: Cell, ran: CellRecord | None, record: RunRecord | None) -> str:
    if record is None:
        return ""
    status = ran.status if ran else RunStatus.NOT_RUN
    words, look = _ENDED[status], "good" if status in _GOOD else "bad" if status.bad else "none"
    if status is RunStatus.NOT_RUN and cell.cell.role is Role.ROLLBACK and record.status is RunStatus.PASSED:
        words = "not needed"
    if ran and ran.seconds >= _QUICK and status not in (RunStatus.NOT_RUN, RunStatus.SKIPPED):
        words += f" after {duration(ran.seconds)}" if status.bad else f" in {duration(ran.seconds)}"
    return f'<span class="step-end is-{look}">{words}</span>'


def said(cell: Cell, ran: CellRecord | None) -> Iterator[str]:
    """What stands below a step's code: who agreed to it, what it said, why it failed. Blocks of Markdown."""
    if ran is None or ran.status is RunStatus.NOT_RUN:
        return
    if ran.source_sha and ran.source_sha != digest(cell.source):
        yield '!!! run-changed "This step changed after the run below"'
    if ran.gate:
        yield _gate(ran.gate)
    shown = [text for output in ran.outputs if (text := outputs.to_markdown(output, html=True))]
    if shown:
        yield '<div class="cell-output" markdown="1">'
        yield from shown
        yield "</div>"
    if ran.status.bad:
        yield "\n\n".join(_failed(ran))


def _failed(ran: CellRecord) -> Iterator[str]:
    yield f'!!! run-failed "This step {_ENDED[ran.status]} after {duration(ran.seconds)}"'
    at = f" (line {ran.line} of this runbook)" if ran.line else ""
    if ran.error:
        yield f"    <code>{inert(ran.error)}</code>{at}"


def ended_at(record: RunRecord) -> str:
    """Where a run went wrong, and what became of its way back, as HTML; empty when it did not."""
    bad = next((cell for cell in record.cells if cell.status.bad), None)
    if bad is None:
        return ""
    step = f"<code>{inert(bad.name)}</code>" if bad.name else f"step {bad.index + 1}"
    why = f": <code>{inert(bad.error)}</code>" if bad.error else ""
    ways = [
        cell for cell in record.cells if cell.role == Role.ROLLBACK and cell.status is not RunStatus.NOT_RUN
    ]
    back = ", ".join(f"{inert(cell.name) or 'rollback'} {_ENDED[cell.status]}" for cell in ways)
    return f"Stopped at {step}{why}." + (f" Taken back: {back}." if back else "")


def _gate(gate: Attestation) -> str:
    answer, _, words = gate.answer.partition(": ")
    rest = f" <q>{inert(words)}</q>" if words else ""
    by = f" by {inert(gate.who)}" if gate.who else ""
    return (
        '<p class="step-gate" data-search-exclude="">'
        f"{inert(gate.question)} <strong>{inert(answer)}</strong>{by}, {moment(gate.when)}{rest}</p>"
    )


def moment(text: str) -> str:
    """A date and time (ISO 8601) as people say it, in UTC; as it is when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return inert(text)
    at = at.astimezone(UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at.day} {at:%B %Y, %H:%M} UTC</time>'


def inert(text: str) -> str:
    """Words from a record as HTML on one line that no Markdown can be in."""
    text = outputs.clean(" ".join(text.split()))
    return re.sub(r"[^\w\s.,/:;()%+-]|_", lambda mark: f"&#{ord(mark[0])};", text)


def _text(words: str) -> str:
    return html.escape(words)
