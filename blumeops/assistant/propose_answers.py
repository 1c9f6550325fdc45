"""What the tools of proposals answer: fields for programs, and Markdown with fences for whoever reads."""

from __future__ import annotations

from collections.abc import Sequence

from blumeops.assistant.propose import Proposed
from blumeops.assistant.propose_branch import Branch
from blumeops.assistant.tool import Answer
from blumeops.context import tokens
from blumeops.context.untrusted import fence, label
from blumeops.records import RunRecord

MOST_TOKENS = 8_000
"""Of what one answer shows of a plan, or of a run."""
MOST_LISTED = 50
_READ = ("text/plain", "text/markdown")


class Proposal(Answer):
    """A proposal: `state` is open, merged or changed; `attached` holds its checks and its plan, in a fence.

    `again` says that it was there already; `warnings` are a fence, too, or empty.
    """

    branch: str
    commit: str
    state: str
    date: str
    again: bool
    warnings: str
    attached: str

    def markdown(self) -> str:
        """What is there, and what a person does next."""
        again = "This proposal was there already; nothing was written." if self.again else ""
        parts = [f"`{self.branch}` ({self.commit[:12]}), {self.state}.", again, self.warnings, self.attached]
        parts += [
            f"A person reads it with `blumeops proposals show {self.branch}`, merges it, and applies it with "
            "`blumeops apply --plan TOKEN`. You cannot."
        ]
        return "\n\n".join(filter(None, parts))


class Proposals(Answer):
    """The proposals of a repository, the newest first: their branches, and `listed`, a fence with all."""

    branches: list[str]
    listed: str

    def markdown(self) -> str:
        """One line each."""
        return self.listed or "There are no proposals."


class Withdrawn(Answer):
    """A proposal that is gone; `commit` gets it back while Git keeps it."""

    branch: str
    commit: str

    def markdown(self) -> str:
        """What is gone."""
        return f"`{self.branch}` is removed. It was commit {self.commit[:12]}."


class Rehearsed(Answer):
    """A run of a runbook on the sandbox, step by step."""

    runbook: str
    run: str
    status: str
    mode: str
    seconds: float
    steps: list[dict[str, str]]
    said: str

    def markdown(self) -> str:
        """How it went, and what was said, in a fence."""
        lines = [f"{self.runbook}: {self.status}, {self.mode} on the sandbox, {self.seconds:.0f} s"]
        lines += [f"- {one['cell']}: {one['status']}" for one in self.steps]
        return "\n".join([*lines, "", self.said])


def proposal(made: Proposed) -> Proposal:
    """What is said about a proposal."""
    one, place = made.branch, label(made.branch.name)
    note = tokens.clip(one.note, MOST_TOKENS)
    return Proposal(
        branch=place,
        commit=one.commit,
        state=one.state,
        date=one.date,
        again=made.again,
        warnings=fence("\n".join(made.warnings), f"warnings about {place}") if made.warnings else "",
        attached=fence(note, f"git notes: {place}") if note else "",
    )


def proposals(found: Sequence[Branch]) -> Proposals:
    """What is said about all proposals."""
    lines = [f"{one.name}: {one.state}, {one.date[:16]}: {one.title}" for one in found[:MOST_LISTED]]
    listed = fence("\n".join(lines), "git: branches below proposal/") if lines else ""
    return Proposals(branches=[label(one.name) for one in found[:MOST_LISTED]], listed=listed)


def rehearsed(record: RunRecord) -> Rehearsed:
    """What is said about a run."""
    parts = []
    for cell in record.cells:
        texts = [output.text for output in cell.outputs if output.mime in _READ]
        said = "\n".join(filter(None, [*texts, cell.error]))
        parts += [f"── {cell.name}: {cell.status.value}", said] if said.strip() else []
    text = tokens.clip("\n".join(parts), MOST_TOKENS)
    return Rehearsed(
        runbook=label(record.runbook),
        run=label(record.id),
        status=record.status.value,
        mode=record.mode.value,
        seconds=round(record.seconds, 1),
        steps=[{"cell": label(one.name), "status": one.status.value} for one in record.cells],
        said=fence(text, f"outputs of the run {record.id}") if text.strip() else "Nothing was said.",
    )
