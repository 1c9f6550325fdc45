"""Who gains and who loses access when a policy replaces another, for the plan of the tailnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blumeops.errors import BadInput
from blumeops.tailnet import policy
from blumeops.tailnet.access import Node, Topology, difference

TAGGED = "tagged-devices"
"""What Tailscale gives as the user of a device that has tags."""
UNREADABLE = "access: the live policy is not readable here, so it cannot be said who gains or loses access"


def topology(devices: Sequence[Mapping[str, Any]]) -> Topology:
    """The people and devices of a tailnet, from the API's description of its devices."""
    nodes = tuple(
        Node(
            device["hostname"],
            tuple(device.get("addresses") or ()),
            None if device.get("user") == TAGGED else device.get("user"),
            tuple(device.get("tags") or ()),
        )
        for device in devices
    )
    return Topology(tuple(sorted({node.user for node in nodes if node.user})), nodes)


def access(before: str, after: str, devices: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A headline, and a line for everyone who gains (`+`) or loses (`-`) access; empty if nobody does."""
    try:
        old = policy.load(before)
    except BadInput:
        return (UNREADABLE,)
    changes = difference(old, policy.load(after), topology(devices))
    lines = [f"{'+' if change.gains else '-'} {change}" for change in changes]
    return ("access:", *lines) if lines else ()
