"""Who reaches whom under a policy: devices, the rules as flows, and whether a flow covers a pair of devices.

Rules are matched by what a device is (its tags, its user, its addresses), not by sets of addresses, so the
answer is the same for a tailnet that is not there yet. Conditions on device posture are taken as met, and
`via` as routed. Autogroups of roles other than `member` have nobody in them: a topology knows no roles.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.tailnet.model import Acl, Grant, Names, Policy, SshRule
from blumeops.tailnet.selectors import (
    ALL_PORTS,
    USUAL_PROTOCOLS,
    WITH_PORTS,
    Kind,
    Network,
    Ports,
    kind,
    network,
    ports,
    protocol,
    split_ports,
)


@dataclass(frozen=True, slots=True)
class Node:
    """A device: a tagged one belongs to its tags, any other to its user, a login like `mia@homelab.test`."""

    name: str
    addresses: Names
    user: str | None = None
    tags: Names = ()

    @property
    def owner(self) -> str:
        """Whose device it is; empty for a tagged one and for a mere address."""
        return "" if self.tags else self.user or ""

    @property
    def networks(self) -> tuple[Network, ...]:
        """Its addresses as networks of one."""
        return tuple(found for text in self.addresses if (found := network(text)))


@dataclass(frozen=True, slots=True)
class Topology:
    """The people and the devices of a tailnet."""

    users: Names
    nodes: tuple[Node, ...]

    def domains(self) -> frozenset[str]:
        """The domains of the people's logins."""
        return frozenset(user.partition("@")[2] for user in self.users if "@" in user)


@dataclass(frozen=True, slots=True)
class Flow:
    """Some sources may reach one destination on some ports over some protocols; `ip` is None for "any"."""

    src: Names
    dst: str
    ports: tuple[Ports, ...]
    protocols: frozenset[int] | None

    def carries(self, number: int, port: int) -> bool:
        """Whether traffic of this protocol to this port is let through; a port of ICMP means nothing."""
        if self.protocols is not None and number not in self.protocols:
            return False
        return number not in WITH_PORTS or any(port in some for some in self.ports)


OPEN = Flow(("*",), "*", (ALL_PORTS,), None)


def flows(policy: Policy) -> tuple[Flow, ...]:
    """All rules of a policy that has been linted, one flow for each destination and protocol."""
    if policy.open_to_all:
        return (OPEN,)
    found = []
    for acl in policy.acls or ():
        number = protocol(acl.proto) if acl.proto else None
        protocols = USUAL_PROTOCOLS if number is None else frozenset({number})
        for host, text in map(split_ports, acl.dst):
            found.append(Flow(acl.src, host, ports(text), protocols))
    for grant in policy.grants or ():
        found += _granted(grant)
    return tuple(found)


def _granted(grant: Grant) -> Iterator[Flow]:
    for target, text in itertools.product(grant.dst, grant.ip):
        name, _, numbers = text.rpartition(":")
        number = protocol(name) if name else None
        usual = None if text == "*" else USUAL_PROTOCOLS
        yield Flow(grant.src, target, ports(numbers), usual if number is None else frozenset({number}))


def selects(policy: Policy, selector: str, node: Node, other: Node) -> bool:
    """Whether a selector stands for a device; `other` is the far end, which `autogroup:self` needs."""
    match kind(selector, policy.hosts):
        case Kind.ANY:
            return True
        case Kind.TAG:
            return selector in node.tags
        case Kind.USER:
            return node.owner == selector
        case Kind.GROUP:
            return bool(node.owner) and node.owner in policy.groups.get(selector, ())
        case Kind.DOMAIN:
            return node.owner.endswith("@" + selector.partition("@")[2])
        case Kind.AUTOGROUP:
            return _in_autogroup(selector, node, other)
        case Kind.HOST:
            return _within(policy.hosts[selector], node)
        case Kind.NETWORK:
            return _within(selector, node)
        case Kind.OTHER | Kind.UNKNOWN:
            return False


def _in_autogroup(selector: str, node: Node, other: Node) -> bool:
    match selector:
        case "autogroup:member" | "autogroup:members":
            return bool(node.owner)
        case "autogroup:tagged":
            return bool(node.tags)
        case "autogroup:self":
            return bool(node.owner) and node.owner == other.owner
        case "autogroup:danger-all":
            return True
        case "autogroup:internet":
            return not node.tags and not node.owner and all(found.is_global for found in node.networks)
        case _:
            return False


def _within(text: str, node: Node) -> bool:
    around = network(text)
    return around is not None and any(
        inner.version == around.version and inner.subnet_of(around)  # type: ignore[arg-type]  # of one version
        for inner in node.networks
    )


class Reach:
    """The flows of a policy between pairs of devices; it remembers which selector stands for which device."""

    def __init__(self, policy: Policy) -> None:
        self.flows = flows(policy)
        self._policy = policy
        self._leaving: dict[Node, tuple[int, ...]] = {}
        self._selected: dict[tuple[str, Node], bool] = {}

    def between(self, src: Node, dst: Node) -> Iterator[int]:
        """The numbers of the flows that one device may open to another."""
        if src not in self._leaving:
            rules = enumerate(self.flows)
            self._leaving[src] = tuple(i for i, flow in rules if self._any(flow.src, src, dst))
        return (i for i in self._leaving[src] if self._selects(self.flows[i].dst, dst, src))

    def allows(self, src: Node, dst: Node, port: int, number: int) -> bool:
        """Whether one device may open a connection to another."""
        return any(self.flows[i].carries(number, port) for i in self.between(src, dst))

    def _any(self, selectors: Names, node: Node, other: Node) -> bool:
        return any(self._selects(selector, node, other) for selector in selectors)

    def _selects(self, selector: str, node: Node, other: Node) -> bool:
        if selector == "autogroup:self":  # the only one that depends on the other end; never a source
            return selects(self._policy, selector, node, other)
        if (selector, node) not in self._selected:
            self._selected[selector, node] = selects(self._policy, selector, node, other)
        return self._selected[selector, node]


def nodes(policy: Policy, topology: Topology, selector: str) -> tuple[Node, ...]:
    """The devices that a name stands for as an end of a connection; an address that no device has is its own.

    A device may also be named by its own name.
    """
    match kind(selector, policy.hosts):
        case Kind.HOST:
            return _at(policy.hosts[selector], topology)
        case Kind.NETWORK:
            return _at(selector.strip("[]"), topology)
        case Kind.UNKNOWN:
            return tuple(node for node in topology.nodes if node.name == selector)
        case _:
            return tuple(node for node in topology.nodes if selects(policy, selector, node, node))


def _at(address: str, topology: Topology) -> tuple[Node, ...]:
    here = tuple(node for node in topology.nodes if network(address) in node.networks)
    return here or (Node(address, (address,)),)


def known_users(policy: Policy) -> frozenset[str]:
    """All people whom a policy names, apart from its tests."""
    rules: Iterator[Acl | Grant | SshRule] = itertools.chain(
        policy.acls or (), policy.grants or (), policy.ssh
    )
    named = itertools.chain(
        *(itertools.chain(rule.src, rule.dst) for rule in rules), *policy.tag_owners.values()
    )
    words = {split_ports(name)[0] if name.count(":") else name for name in named}
    people = {word for word in words if kind(word, policy.hosts) is Kind.USER}
    return frozenset(
        people | {member for members in policy.groups.values() for member in members if "@" in member}
    )


def completed(topology: Topology, *policies: Policy) -> Topology:
    """The topology with a device for each person and each tag that has none yet.

    So a test about a tag speaks even before the first device has it. The made-up addresses are of the
    tailnet's own range, and no device has them.
    """
    users = sorted(set(topology.users).union(*map(known_users, policies)))
    tags = sorted({tag for policy in policies for tag in policy.tag_owners})
    taken = {address for node in topology.nodes for address in node.addresses}
    taken |= {address for policy in policies for address in policy.hosts.values()}
    free = _addresses(taken)
    found = list(topology.nodes)
    found += [Node(user, next(free), user=user) for user in users if user not in _owners(topology)]
    found += [
        Node(tag, next(free), tags=(tag,)) for tag in tags if not any(tag in n.tags for n in topology.nodes)
    ]
    return Topology(tuple(users), tuple(found))


def _owners(topology: Topology) -> set[str]:
    return {node.owner for node in topology.nodes}


def _addresses(taken: set[str]) -> Iterator[Names]:
    """Pairs of addresses at the end of Tailscale's ranges (100.64.0.0/10 and fd7a:115c:a1e0::/48)."""
    four = ipaddress.ip_address("100.127.255.254")
    six = ipaddress.ip_address("fd7a:115c:a1e0:ffff:ffff:ffff:ffff:fffe")
    for i in itertools.count():
        pair = (str(four - i), str(six - i))
        if not taken.intersection(pair):
            yield pair
