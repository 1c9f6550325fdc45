"""The tools of `blumeops mcp --propose`: propose a change, rehearse a runbook, list and withdraw proposals.

None of them applies anything, to no target. Whatever is shown stands in fences and within bounds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from blumeops.assistant import propose, propose_branch, propose_files
from blumeops.assistant import propose_answers as answers
from blumeops.assistant.limits import Name
from blumeops.assistant.propose_files import FileChange, Request
from blumeops.assistant.propose_plan import Planner, on_sandbox
from blumeops.assistant.propose_runbook import STOP_SECONDS, Run
from blumeops.assistant.tool import StrictTool
from blumeops.context.untrusted import label
from blumeops.errors import Interrupted
from blumeops.repository import Repository

POLL_SECONDS = 0.2

_ADDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_RUNS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
_REMOVES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
_LOOKS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

_Text = Annotated[str, Field(max_length=propose_files.MOST_BYTES)]
_Short = Annotated[str, Field(max_length=propose_files.LONGEST_WHY)]
_BranchName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][\w./-]*$")]


class EditOf(BaseModel):
    """One passage of a file that stands there exactly once, and what replaces it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    old: Annotated[str, Field(min_length=1, max_length=propose_files.MOST_BYTES)]
    new: _Text


class FileOf(BaseModel):
    """One file: its whole `content`, or `edits` of what it has, or `delete`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    path: Annotated[str, Field(min_length=1, max_length=400)]
    content: _Text | None = None
    edits: Annotated[list[EditOf], Field(max_length=100)] = []
    delete: bool = False

    def change(self) -> FileChange:
        """The same as a value of ours."""
        edits = tuple(propose_files.Edit(one.old, one.new) for one in self.edits)
        return FileChange(self.path, self.content, edits, self.delete)


_Files = Annotated[list[FileOf], Field(min_length=1, max_length=propose_files.MOST_FILES)]
_Value = str | int | float | bool | list[str | int | float | bool]
_Parameters = Annotated[dict[str, _Value], Field(max_length=30)]


@dataclass
class ProposeTools:
    """The tools over one repository."""

    root: Path
    planner: Planner = on_sandbox
    _running: anyio.Lock = field(default_factory=anyio.Lock)

    def tools(self) -> list[StrictTool]:
        """All of them."""
        return [
            StrictTool.of(self.propose_change, title="Propose a change", annotations=_ADDS),
            StrictTool.of(self.run_runbook, title="Rehearse a runbook on the sandbox", annotations=_RUNS),
            StrictTool.of(self.proposals, title="List the proposals", annotations=_LOOKS),
            StrictTool.of(self.withdraw, title="Withdraw a proposal", annotations=_REMOVES),
        ]

    async def propose_change(
        self,
        ctx: Context,
        title: Annotated[str, Field(min_length=1, max_length=propose_files.LONGEST_TITLE)],
        why: Annotated[str, Field(min_length=1, max_length=propose_files.LONGEST_WHY)],
        files: _Files,
        base: Annotated[str, Field(max_length=200)] = "",
        access: _Short = "",
    ) -> CallToolResult:
        """Put a change before a person: a new branch `proposal/…` with one commit, checked, with its plan on
        the sandbox attached. Only text below homelab/, docs/ and runbooks/; pages that the change makes wrong
        belong to it. A change of homelab/pulumi/policy.hujson needs `access`: one sentence on who gains or
        loses access. Nothing is applied, pushed or merged, and the person's own files are not touched."""
        request = Request(title, why, tuple(one.change() for one in files), base, access)
        phases = _Phases()

        def work() -> propose.Proposed:
            return propose.propose(
                self.root, request, proposer=_who(ctx), planner=self.planner, notify=phases.next
            )

        async with self._running:
            made = await phases.followed(work, ctx)
        return answers.proposal(made).result()

    async def run_runbook(
        self, ctx: Context, name: Name, parameters: _Parameters | None = None, dry_run: bool = False
    ) -> CallToolResult:
        """Rehearse a runbook on the sandbox: forward, back and through its clean-up, gates passed by the
        sandbox's own rule. With `dry_run` it only looks. Only pages as they stand in the person's commit run,
        never those of a proposal, and never on another target."""
        run = Run(self.root, name, dict(parameters or {}), dry_run)
        async with self._running:
            await _follow(run, ctx)
        if run.record is None:
            raise run.error or Interrupted("the run ended without a record", where=name)
        return answers.rehearsed(run.record).result()

    async def proposals(self) -> CallToolResult:
        """List the proposals that are there: open, merged by a person, or changed by one since."""
        found = await anyio.to_thread.run_sync(propose_branch.branches, Repository(self.root))
        return answers.proposals(found).result()

    async def withdraw(self, branch: _BranchName) -> CallToolResult:
        """Remove a proposal that no person has merged, worked on or checked out."""
        gone = await anyio.to_thread.run_sync(propose_branch.withdraw, Repository(self.root), branch)
        return answers.Withdrawn(branch=label(gone.name), commit=gone.commit).result()


class _Phases:
    """What a worker thread is at; between two phases it notices that nobody waits for it any more."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._stopped = threading.Event()

    def next(self, words: str) -> None:
        """Begin a phase; raises `Interrupted` when the call was cancelled."""
        if self._stopped.is_set():
            raise Interrupted("cancelled; nothing is left of it", where=words)
        self._said.append(words)

    async def followed(self, work: Callable[[], Any], ctx: Context) -> Any:
        """The outcome of a piece of work in a thread, with progress for each of its phases."""
        outcome: list[Any] = []

        async def go() -> None:
            # Shielded: a cancelled call waits for the phase that it is in, so that it knows what it leaves.
            with anyio.CancelScope(shield=True):
                outcome.append(await anyio.to_thread.run_sync(_caught, work))

        async with anyio.create_task_group() as group:
            group.start_soon(go)
            told = 0
            try:
                while not outcome:
                    await anyio.sleep(POLL_SECONDS)
                    for words in self._said[told:]:
                        told += 1
                        await ctx.report_progress(told, None, words)
            except anyio.get_cancelled_exc_class():
                self._stopped.set()
                raise
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


def _caught(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return error


async def _follow(run: Run, ctx: Context) -> None:
    """Go through a run, with a notification for each step; when cancelled, wait for its clean end."""
    threading.Thread(target=run.all, daemon=True).start()
    told, of = 0.0, None
    try:
        while not run.done.is_set():
            await anyio.sleep(POLL_SECONDS)
            for event in run.news():
                of = event.get("of", of)
                told = max(told, event["number"] - (event["event"] == "begin") / 2)
                await ctx.report_progress(
                    told, of, f"{label(event['cell'])}: {event.get('status', 'running')}"
                )
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            run.stop()
            with anyio.move_on_after(STOP_SECONDS):
                while not run.done.is_set():
                    await anyio.sleep(POLL_SECONDS)
            if not run.done.is_set():
                run.kill()
        raise


def _who(ctx: Context) -> str:
    """What the assistant's program calls itself; a claim, and shown as one."""
    client = ctx.request_context.session.client_params
    return f"{client.client_info.name} {client.client_info.version}" if client else "an unnamed client"
