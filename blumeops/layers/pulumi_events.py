"""Pulumi's engine events, translated once: into changes, their diffs, outcomes, and what went wrong.

Only events are read, never what the command line prints. Values of secrets arrive as `[secret]` already.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blumeops.errors import UnknownAnswer
from blumeops.plan import Action, Change, Outcome

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent, StepEventMetadata, StepEventStateMetadata

ACTIONS: Mapping[str, Action | None] = {
    "create": Action.CREATE,
    "import": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
    # The steps that a replacement consists of, and steps that change nothing that is live.
    "create-replacement": None,
    "delete-replaced": None,
    "import-replacement": None,
    "discard-replaced": None,
    "remove-pending-replace": None,
    "same": None,
    "refresh": None,
    "read": None,
    "read-replacement": None,
    "discard": None,
}
STACK = "pulumi:pulumi:Stack"
POLICY = "tailscale:index/acl:Acl"


@dataclass(frozen=True, slots=True)
class Step:
    """One planned step: its change, and the old and new inputs of the resource."""

    change: Change
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    @property
    def is_policy(self) -> bool:
        """True for the resource that holds the tailnet's policy."""
        return self.change.address.startswith(f"{POLICY}::")


def address(urn: str) -> str:
    """A URN without stack and project: `tailscale:index/acl:Acl::policy`."""
    kind, name = urn.split("::", 2)[2].split("::", 1)
    return f"{kind.rpartition('$')[2]}::{name}"


def steps(events: Iterable[EngineEvent], *, desired: str) -> tuple[Step, ...]:
    """What a preview would change, in its order; `desired` labels the new side of the diffs.

    Raises `UnknownAnswer` for an operation that is not known here.
    """
    found: dict[str, Step] = {}
    for event in events:
        if event.resource_pre_event is not None:
            metadata = event.resource_pre_event.metadata
            action = _action(metadata)
            if action is not None and not metadata.type.startswith("pulumi:"):
                found.setdefault(metadata.urn, _step(metadata, action, desired))
    return tuple(found.values())


def _action(metadata: StepEventMetadata) -> Action | None:
    operation = str(metadata.op.value)
    if operation not in ACTIONS:
        raise UnknownAnswer(f"an operation {operation!r} that is not known here", where=metadata.urn)
    return ACTIONS[operation]


def _step(metadata: StepEventMetadata, action: Action, desired: str) -> Step:
    old, new = _live(metadata.old), _inputs(metadata.new)
    names = sorted({*old, *new})
    if action in (Action.UPDATE, Action.REPLACE):
        changed = {
            name.split(".")[0].split("[")[0] for name in metadata.detailed_diff or metadata.diffs or ()
        }
        names = sorted(changed) or names
    if action is Action.DELETE:
        new = {}
    blocks = [property_diff(name, old.get(name), new.get(name), desired=desired) for name in names]
    return Step(Change(action, address(metadata.urn), "\n".join(filter(None, blocks))), old, new)


def _inputs(state: StepEventStateMetadata | None) -> Mapping[str, Any]:
    return {} if state is None else {k: v for k, v in (state.inputs or {}).items() if k != "__defaults"}


def _live(state: StepEventStateMetadata | None) -> Mapping[str, Any]:
    """The last known live value of every input: from the outputs, which a refresh has read."""
    inputs = _inputs(state)
    outputs = (state.outputs or {}) if state is not None else {}
    return {name: outputs.get(name, value) for name, value in inputs.items()} | {
        name: value for name, value in outputs.items() if name not in ("id", "__meta")
    }


def property_diff(name: str, old: object, new: object, *, desired: str) -> str:
    """A unified diff of one property, live against desired; empty when they are the same."""
    before, after = _lines(old), _lines(new)
    lines = difflib.unified_diff(before, after, f"{name} (live)", f"{name} ({desired})", lineterm="")
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).splitlines()


def compared(events: Iterable[EngineEvent]) -> int:
    """How many resources were compared."""
    return len(
        {
            event.resource_pre_event.metadata.urn
            for event in events
            if event.resource_pre_event is not None
            and not event.resource_pre_event.metadata.type.startswith("pulumi:")
        }
    )


def stack_outputs(events: Iterable[EngineEvent]) -> Mapping[str, Any]:
    """The stack's outputs, as the program gave them at its end."""
    found: Mapping[str, Any] = {}
    for event in events:
        if event.res_outputs_event is not None:
            metadata = event.res_outputs_event.metadata
            if metadata.type == STACK and metadata.op.value != "refresh" and metadata.new is not None:
                found = metadata.new.outputs or found
    return found


def outcomes(events: Sequence[EngineEvent], changes: Sequence[Change]) -> tuple[Outcome, ...]:
    """What became of each change: done, failed, begun without an end (unknown), or not started."""
    found = _outcomes(events)
    return tuple(found.get(change.address, Outcome.NOT_STARTED) for change in changes)


def _outcomes(events: Sequence[EngineEvent]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for event in events:
        if event.resource_pre_event is not None and _changes(event.resource_pre_event.metadata):
            found[address(event.resource_pre_event.metadata.urn)] = Outcome.UNKNOWN
        elif event.res_outputs_event is not None and _changes(event.res_outputs_event.metadata):
            found[address(event.res_outputs_event.metadata.urn)] = Outcome.DONE
    for event in events:
        if event.res_op_failed_event is not None:
            found[address(event.res_op_failed_event.metadata.urn)] = Outcome.FAILED
    return found


def _changes(metadata: StepEventMetadata) -> bool:
    replacing = metadata.op.value in ("create-replacement", "delete-replaced")
    return not metadata.type.startswith("pulumi:") and (replacing or _action(metadata) is not None)


def unplanned(events: Sequence[EngineEvent], changes: Sequence[Change]) -> tuple[str, ...]:
    """The addresses that a run changed although no change was planned for them."""
    planned = {change.address for change in changes}
    return tuple(sorted(name for name in _outcomes(events) if name not in planned))


def error_of(event: EngineEvent) -> str:
    """The error that an event reports, with the resource it is about; empty for any other event."""
    diagnostic = event.diagnostic_event
    if diagnostic is None or diagnostic.severity != "error":
        return ""
    about = address(diagnostic.urn) if diagnostic.urn and not diagnostic.urn.endswith("::") else ""
    if about.startswith(f"{STACK}::"):
        about = ""
    return f"{about}: {diagnostic.message.strip()}" if about else diagnostic.message.strip()


def progress(event: EngineEvent) -> str:
    """One line for a change that has ended; empty for any other event."""
    for part, word in ((event.res_outputs_event, "done"), (event.res_op_failed_event, "failed")):
        if part is not None and _changes(part.metadata):
            return f"{address(part.metadata.urn)}: {part.metadata.op.value} {word}"
    return ""
