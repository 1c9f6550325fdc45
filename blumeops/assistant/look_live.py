"""The tools that ask the layers: status, plan, drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from blumeops import redact
from blumeops.assistant.asking import LAYERS, Asking
from blumeops.assistant.bounded import lines
from blumeops.assistant.limits import Budget
from blumeops.assistant.tool import Answer, Part, StrictTool
from blumeops.context.untrusted import clean, fence, label

SECONDS = 300.0
"""So long a question may take. Ansible looks at every task on every host, which is its longest part."""

Layers = Annotated[
    list[Literal["tailnet", "hosts", "cluster"]],
    Field(max_length=3, description="Only these; without it all of them"),
]
LIVE = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)


class Layer(Part):
    """One layer: its state, how many changes, whether all of it was compared, and its words in a fence."""

    layer: str
    state: Literal["in_sync", "no_change_seen", "pending", "drifted", "degraded", "unknown", "error"]
    changes: int
    complete: bool
    retryable: bool
    text: str
    left_out: int = 0


class Answered(Answer):
    """What the layers of a target answered.

    `exit_code` is 0 for nothing to do, 1 for changes or drift, 2 for an error, 4 when a layer is unknown.
    """

    verb: str
    target: str
    at: str
    exit_code: int
    layers: list[Layer]

    def markdown(self) -> str:
        """A line for each layer, and its words in their fence."""
        head = f"{self.verb} of {self.target} at {self.at}, exit code {self.exit_code}"
        if any(one.state in ("unknown", "error") for one in self.layers):
            head += ". A layer did not answer: its state is unknown, and not in sync."
        blocks = [f"{one.layer}: {_state_words(one)}\n\n{one.text}{self._more(one)}" for one in self.layers]
        return "\n\n".join([head, *blocks])

    def _more(self, one: Layer) -> str:
        ask = f"ask for this layer alone with a higher `tokens`, or `blumeops {self.verb} {one.layer}`"
        return f"\n\n{one.left_out} more lines: {ask}." if one.left_out else ""


def _state_words(one: Layer) -> str:
    words = one.state.replace("_", " ")
    if one.changes:
        words += f", {one.changes} change{'' if one.changes == 1 else 's'}"
    return words if one.complete else f"{words}, not all of it could be compared"


@dataclass(frozen=True, slots=True)
class LookLive:
    """The tools over the layers of one target."""

    asking: Asking
    seconds: float = SECONDS

    def tools(self) -> Iterator[StrictTool]:
        """Each of them, in the order in which they are listed."""
        yield StrictTool.of(self.status, title="The state of the layers", annotations=LIVE)
        yield StrictTool.of(self.plan, title="What apply would change", annotations=LIVE)
        yield StrictTool.of(self.drift, title="What was changed behind Git's back", annotations=LIVE)

    async def status(
        self,
        ctx: Context,
        layers: Layers = [],  # noqa: B006 - never written to; the schema shows the default
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 3000,
    ) -> Annotated[CallToolResult, Answered]:
        """Ask the live layers how they are: in sync, pending, drifted, degraded or unknown, and why.
        Changes nothing. Takes up to a minute."""
        return (await self._ask("status", layers, tokens, ctx)).result()

    async def plan(
        self,
        ctx: Context,
        layers: Layers = [],  # noqa: B006
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 4000,
    ) -> Annotated[CallToolResult, Answered]:
        """Ask what `apply` would change: Git against the live layers, with diffs, and who gains or loses
        access. Changes nothing. Takes up to a minute; name layers to be quicker."""
        return (await self._ask("plan", layers, tokens, ctx)).result()

    async def drift(
        self,
        ctx: Context,
        layers: Layers = [],  # noqa: B006
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 4000,
    ) -> Annotated[CallToolResult, Answered]:
        """Ask what was changed behind Git's back: what was applied last against the live layers, with diffs.
        Changes nothing. Takes up to a minute; name layers to be quicker."""
        return (await self._ask("drift", layers, tokens, ctx)).result()

    async def _ask(self, verb: str, layers: Sequence[str], budget: int, ctx: Context) -> Answered:
        wanted = [name for name in LAYERS if name in layers] or list(LAYERS)
        for word in redact.known_secrets(self.asking.root):  # a sandbox may have come up since the start
            redact.remember(word)
        with anyio.move_on_after(self.seconds):
            return answered(await self._answer(verb, wanted, ctx), budget)
        raise ToolError(f"no answer within {self.seconds:g} s; ask for one layer at a time")

    async def _answer(self, verb: str, layers: list[str], ctx: Context) -> Mapping[str, Any]:
        """The report as plain data; every layer that has answered is told as progress."""
        done = 0
        async with aclosing(self.asking.ask(verb, layers)) as said:
            async for told in said:
                if "report" in told:
                    report: Mapping[str, Any] = told["report"]
                    return report
                if "error" in told:
                    raise ToolError(_error(told["error"]))
                done += 1
                name = str(told.get("progress", "")).partition(":")[0]
                if name in LAYERS:  # our own word: what an engine says comes in a fence, later
                    await ctx.report_progress(min(done, len(layers)), len(layers), f"{name} has answered")
        raise ToolError("the engines were ended before they answered")


def _error(error: Mapping[str, Any]) -> str:
    said = "\n".join(str(error[key]) for key in ("where", "what", "hint") if error.get(key))
    return f"the layers could not be asked:\n\n{fence(said, 'error of blumeops')}"


def answered(report: Mapping[str, Any], budget: int) -> Answered:
    """A report, as `Report.to_dict` gives it, as an answer within a budget of tokens."""
    layers = report["layers"]
    share = max(100, budget // max(1, len(layers)))
    target = label(str(report["target"]))
    return Answered(
        verb=label(str(report["verb"])),
        target=target,
        at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        exit_code=report["exit_code"],
        layers=[_layer(one, target, share) for one in layers],
    )


def _layer(one: Mapping[str, Any], target: str, budget: int) -> Layer:
    name = label(str(one["layer"]))
    said = lines(
        _plan_lines(one) if one["type"] == "plan" else _status_lines(one),
        f"live: {name} of {target}",
        budget=budget,
    )
    coverage = one.get("coverage") or {"compared": 0, "total": 0}
    return Layer(
        layer=name,
        state=_state(one),
        changes=len(one.get("changes") or one.get("details") or ()),
        complete=coverage["compared"] >= coverage["total"],
        retryable=bool(one.get("retryable")),
        text=said.text,
        left_out=said.left_out,
    )


def _state(one: Mapping[str, Any]) -> Any:
    if one["type"] == "status":
        return "error" if one.get("error") else one["state"]
    if one["changes"]:
        return "pending" if one["comparison"] == "plan" else "drifted"
    return "in_sync" if one["coverage"]["compared"] >= one["coverage"]["total"] else "no_change_seen"


def _status_lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield one.get("error") or one.get("reason") or one["state"]
    yield from one.get("details") or ()
    if one.get("desired"):
        yield f"desired {one['desired'][:20]}, applied {(one.get('recorded') or 'never')[:20]}"


def _plan_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """The changes first, one a line; then their diffs, of which the budget may keep a part."""
    for change in one["changes"]:
        yield f"{change['action']} {change['address']}"
    if not one["changes"]:
        yield "no change was seen"
    coverage = one["coverage"]
    yield f"compared {coverage['compared']} of {coverage['total']}, desired {one['desired'][:20]}"
    yield from (f"not compared: {note}" for note in one["coverage"]["notes"])
    for change in one["changes"]:
        if change["diff"]:
            yield f"diff of {change['address']}:"
            yield from clean(change["diff"]).split("\n")  # whole: a comment may go over lines
