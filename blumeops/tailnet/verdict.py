"""What Tailscale's control plane answers to a policy: the same status, the same message.

The sandbox's control plane answers with this, so that a policy which passes there passes for real. The order
of the checks is the order in which the real one complains; its words were recorded from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blumeops.errors import BadInput
from blumeops.tailnet import assertions, hujson, shape, validity
from blumeops.tailnet.model import Policy
from blumeops.tailnet.reach import Topology
from blumeops.tailnet.shape import Finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status of HTTP, and the body: the policy's own text if taken, else an object with a `message`."""

    status: int
    body: dict[str, Any] | str

    @property
    def accepted(self) -> bool:
        """Whether the policy is taken."""
        return self.status == 200


def verdict(text: str | bytes, topology: Topology) -> Verdict:
    """The answer to a policy in a tailnet with these people and devices. Pure: nothing is sent or kept."""
    try:
        document = hujson.loads(text, allow_duplicates=True)
    except BadInput as refused:
        first = refused.problems[0]
        return _refused(f"hujson: line {first.line}, column {first.column}: {first.what}")
    if finding := _first(shape.findings(document)):
        return _refused(finding.answer, finding.status)
    policy = shape.policy(document)
    if finding := _first(validity.findings(policy, domains=topology.domains())):
        return _refused(finding.answer, finding.status)
    if errors := _test_errors(policy, topology):
        data = [{"user": src, "errors": lines} for src, lines in errors.items()]
        return Verdict(400, {"message": assertions.FAILED, "data": data})
    return Verdict(200, document.text)


def _first(findings: Iterator[Finding]) -> Finding | None:
    """The first finding that the control plane minds too."""
    return next((finding for finding in findings if finding.answer), None)


def _test_errors(policy: Policy, topology: Topology) -> dict[str, list[str]]:
    """What the tests complain about, by the source of the test."""
    errors: dict[str, list[str]] = {}
    for finding in assertions.faults(policy):
        errors.setdefault("", []).append(finding.what)
    for failure in assertions.failures(policy, topology):
        line = f'address "{failure.dst}": want: {failure.want}, got: {failure.got}'
        errors.setdefault(failure.src, []).append(line)
    return errors


def _refused(message: str, status: int = 400) -> Verdict:
    return Verdict(status, {"message": message})
