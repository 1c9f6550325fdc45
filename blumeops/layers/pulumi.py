"""The tailnet layer: Pulumi through its Automation API, with the policy's own checks before anything else.

The provider compares a policy only when Pulumi asks it to and updates it blindly, so this layer reads
the tailnet itself too: before an apply, to refuse a stale plan, and after it, to see that what is live
is what was sent.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from blumeops import mode
from blumeops.errors import BadInput, BlumeOpsError, Problem, StalePlan, Unreachable
from blumeops.layer import Desired, Notify
from blumeops.layers import pulumi_events as events
from blumeops.layers import pulumi_stack as stack
from blumeops.layers.pulumi_access import access
from blumeops.layers.pulumi_stack import environment
from blumeops.plan import Change, Comparison, Coverage, Outcome, Plan, Result, State, Status
from blumeops.tailnet import hujson, policy
from blumeops.tailnet.client import Client, client_of
from blumeops.target import Target

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent

__all__ = ["PulumiLayer", "environment"]

NAME = "tailnet"
FOLDER = "pulumi"
POLICY = "policy.hujson"
ABSENT = "absent"
"""The stack output that names devices which should be in the tailnet and are not."""


@dataclass(frozen=True, slots=True)
class PulumiLayer:
    """The tailnet of one target."""

    target: Target

    @property
    def name(self) -> str:
        """`tailnet`."""
        return NAME

    @property
    def _client(self) -> Client:
        return client_of(stack.tailnet_of(self.target))

    def lint(self, desired: Desired) -> None:
        """Check the policy with its own tests, the program's syntax and its data, without a network."""
        problems: list[Problem] = []
        for path in sorted((desired.folder / FOLDER).iterdir()):
            check = _CHECKS.get(path.suffix)
            if check is not None:
                try:
                    check(path.read_bytes(), f"{desired.folder.name}/{FOLDER}/{path.name}")
                except BadInput as error:
                    problems += error.problems
        if problems:
            raise BadInput(problems)

    def recorded(self) -> str | None:
        """The revision in the stack's outputs; None when nothing was applied yet."""
        self._client.policy()
        return stack.recorded(stack.exported(self.target))

    def plan(self, desired: Desired) -> Plan:
        """Compare Git with the live tailnet: our checks, the server's, then a preview that refreshes."""
        self.lint(desired)
        self._validate(desired)
        return self._preview(desired, Comparison.PLAN)

    def drift(self, recorded: Desired) -> Plan:
        """Compare what was applied last with the live tailnet, in a preview: the state is not written."""
        return self._preview(recorded, Comparison.DRIFT)

    def _validate(self, desired: Desired) -> None:
        """Ask the server what it has against the policy; a preview does not."""
        said = self._client.validate(_policy_text(desired))
        if said:
            path = f"{desired.folder.name}/{FOLDER}/{POLICY}"
            raise BadInput([Problem(f"the tailnet would refuse it: {words}", path) for words in said])

    def _preview(self, desired: Desired, comparison: Comparison) -> Plan:
        deployment = stack.exported(self.target)
        live = self._fingerprint(deployment)
        seen, said = _Seen(), list[str]()
        with stack.opened(self.target, _program(desired), said, exists=bool(deployment)) as opened:
            opened.preview(refresh=True, diff=True, color="never", on_event=seen.take(said))
        word = "desired" if comparison is Comparison.PLAN else "recorded"
        changes = tuple(self._told(step) for step in events.steps(seen.events, desired=word))
        return Plan(NAME, desired.revision, live, changes, _coverage(seen.events), comparison)

    def _told(self, step: events.Step) -> Change:
        """A change with, for the policy, who gains and who loses access."""
        if not step.is_policy:
            return step.change
        change, client = step.change, self._client
        new = step.new.get("acl")
        if not step.old:
            before = client.policy()[0]
            change = replace(change, diff=events.property_diff("acl", before, new, desired="desired"))
        else:
            before = str(step.old.get("acl", ""))
        if not isinstance(new, str):
            return change
        told = access(before, new, client.devices())
        return replace(change, diff="\n".join([change.diff, *told])) if told else change

    def _fingerprint(self, deployment: Mapping[str, Any]) -> str:
        """A hash over everything of the tailnet that this layer manages, and over Pulumi's state."""
        client = self._client
        _text, etag = client.policy()
        tags = sorted((device["id"], sorted(device.get("tags") or ())) for device in client.devices())
        dns = client.dns()
        state = [deployment.get("resources"), deployment.get("pending_operations")]
        values = [etag, dns.nameservers, dns.magic_dns, dns.search_paths, dict(dns.split or {}), tags, state]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def apply(self, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool = True) -> Result:
        """Do exactly this plan, record the revision, and look whether the policy that is live is ours."""
        mode.require_change("apply")
        deployment = stack.exported(self.target)
        self._refuse_stale(plan, desired, deployment)
        self.lint(desired)
        self._validate(desired)
        seen, said = _Seen(notify), list[str]()
        error = ""
        try:
            with stack.opened(self.target, _program(desired), said, exists=bool(deployment)) as opened:
                opened.up(refresh=True, color="never", on_event=seen.take(said))
        except BlumeOpsError as failure:
            # Before the first event nothing was begun, so the failure is the whole answer.
            if not seen.events:
                raise
            error = str(failure)
        outcomes = events.outcomes(seen.events, plan.changes)
        unplanned = events.unplanned(seen.events, plan.changes)
        notes = tuple(f"also changed, though not planned: {name}" for name in unplanned)
        if not error:
            # Pulumi reports no step for what turned out to be done already.
            outcomes = tuple(Outcome.DONE if o is Outcome.NOT_STARTED else o for o in outcomes)
            error = self._clobbered(desired)
        return Result(NAME, desired.revision, plan.changes, outcomes, error, notes=notes)

    def _refuse_stale(self, plan: Plan, desired: Desired, deployment: Mapping[str, Any]) -> None:
        if plan.desired != desired.revision:
            raise StalePlan(
                f"planned at {plan.desired[:12]}, but Git is at {desired.revision[:12]}",
                where=NAME,
                hint="plan again",
            )
        if self._fingerprint(deployment) != plan.live:
            raise StalePlan("the tailnet changed since the plan was made", where=NAME, hint="plan again")

    def _clobbered(self, desired: Desired) -> str:
        """What is wrong when the live policy is not the one that was applied; empty when it is."""
        _text, live = self._client.policy()
        sent = hujson.etag(_policy_text(desired))
        if live == sent:
            return ""
        return (
            f"someone changed the policy during the apply (etag {sent[:12]} is now {live[:12]}): plan again"
        )

    def health(self) -> Status:
        """In sync when the control plane answers with a policy and its devices; else unknown."""
        try:
            self._client.policy()
            devices = self._client.devices()
        except Unreachable as error:
            reason = f"{error.where}: {error.what}"
            return Status(NAME, State.UNKNOWN, reason, retryable=error.retryable)
        connected = [device["hostname"] for device in devices if device.get("connectedToControl")]
        return Status(NAME, State.IN_SYNC, details=tuple(f"{name} is connected" for name in connected))


class _Seen:
    """The events of one run, and a line of progress for each change that ends."""

    def __init__(self, notify: Notify | None = None) -> None:
        self.events: list[EngineEvent] = []
        self._notify = notify

    def take(self, said: list[str]) -> Callable[[EngineEvent], None]:
        """A receiver of events that also collects the errors they report in `said`."""

        def receive(event: EngineEvent) -> None:
            if event.diagnostic_event is not None:
                if message := stack.clean(events.error_of(event)):
                    said.append(message)
                return
            self.events.append(event)
            if self._notify is not None and (line := events.progress(event)):
                self._notify(f"{NAME}: {line}")

        return receive


def _program(desired: Desired) -> Callable[[], None]:
    """The program of a revision, and the revision itself as a stack output."""
    path = desired.folder / FOLDER / "__main__.py"

    def program() -> None:
        import pulumi

        # Not runpy: that replaces sys.modules["__main__"] meanwhile, under every other thread's feet.
        exec(compile(path.read_bytes(), str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
        pulumi.export(stack.REVISION, desired.revision)

    return program


def _policy_text(desired: Desired) -> str:
    return (desired.folder / FOLDER / POLICY).read_text()


def _coverage(seen: list[EngineEvent]) -> Coverage:
    absent = [str(name) for name in events.stack_outputs(seen).get(ABSENT) or ()]
    compared = events.compared(seen)
    notes = tuple(f"{name} has not joined the tailnet: its tags are not compared" for name in absent)
    return Coverage(compared, compared + len(absent), notes)


def _check_program(text: bytes, path: str) -> None:
    try:
        compile(text, path, "exec")
    except SyntaxError as error:
        raise BadInput([Problem(error.msg, path, error.lineno or 0, error.offset or 0)]) from error


def _check_data(text: bytes, path: str) -> None:
    try:
        tomllib.loads(text.decode())
    except ValueError as error:
        raise BadInput([Problem(str(error), path)]) from error


def _check_policy(text: bytes, path: str) -> None:
    policy.check(text, path)


_CHECKS: dict[str, Callable[[bytes, str], None]] = {
    ".hujson": _check_policy,
    ".py": _check_program,
    ".toml": _check_data,
}
