"""Who can reach whom under a policy, whether its tests hold, and who gains or loses by a change of it."""

from __future__ import annotations

from blumeops.tailnet import reach
from blumeops.tailnet.assertions import TestFailure, failures
from blumeops.tailnet.difference import AccessChange, difference
from blumeops.tailnet.model import Policy
from blumeops.tailnet.reach import Node, Topology
from blumeops.tailnet.selectors import protocol

__all__ = ["AccessChange", "Node", "TestFailure", "Topology", "allowed", "difference", "failures"]


def allowed(policy: Policy, topology: Topology, src: str, dst: str, port: int, proto: str = "tcp") -> bool:
    """Whether every device of `src` reaches every device of `dst`; False when one of them is nobody.

    Both are a user, group, tag, host or address of the policy, or the name of a device. Raises `ValueError`
    for a protocol that does not exist.
    """
    number = protocol(proto)
    if number is None:
        raise ValueError(f'"{proto}" is no protocol')
    rules = reach.Reach(policy)
    pairs = [(a, b) for a in reach.nodes(policy, topology, src) for b in reach.nodes(policy, topology, dst)]
    return bool(pairs) and all(rules.allows(a, b, port, number) for a, b in pairs)
