"""Who gains and who loses access when one policy replaces another, in words for a report."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from blumeops.tailnet import reach
from blumeops.tailnet.assertions import Login, login
from blumeops.tailnet.model import Names, Policy
from blumeops.tailnet.reach import Flow, Node, Topology
from blumeops.tailnet.selectors import (
    LAST_PORT,
    PROTOCOLS,
    TCP,
    UDP,
    USUAL_PROTOCOLS,
    WITH_PORTS,
    Kind,
    Ports,
    kind,
    network,
)

# A set of ports as the bits of a number: unions and differences of rules are then one operation each.
_ALL = (1 << (LAST_PORT + 1)) - 1
_NAMES = {number: name for name, number in PROTOCOLS.items()}
Access = Mapping[int | str, int]
Table = Mapping[tuple[Node, Node], Access]
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Someone gains or loses access: `what` are ports (`443`, `53/udp`) or logins (`ssh as root`)."""

    gains: bool
    src: str
    dst: str
    what: str

    def __str__(self) -> str:
        verb = "gains" if self.gains else "loses"
        if self.what.startswith("ssh "):
            return f"{self.src} {verb} ssh to {self.dst} {self.what.removeprefix('ssh ')}"
        return f"{self.src} {verb} {self.dst}:{self.what}"


@dataclass(frozen=True, slots=True)
class End:
    """What can be at one end of a connection: all devices of a person, of a tag, or a single address."""

    label: str
    nodes: tuple[Node, ...]


def difference(old: Policy, new: Policy, topology: Topology | None = None) -> tuple[AccessChange, ...]:
    """All changes of access between people, tags and the addresses that either policy names.

    A change that all members of a group share is reported once, for the group. One that not all devices of a
    person or tag share is reported device by device.
    """
    ends = _ends(old, new, reach.completed(topology or Topology((), ()), old, new))
    before, after = _table(old, ends), _table(new, ends)
    found = []
    for gains, have, had, groups in ((False, before, after, old.groups), (True, after, before, new.groups)):
        for changed in (_ports_changed, _logins_changed):
            for dst in ends:
                rows = [row for src in ends for row in _rows(src, dst, have, had, changed)]
                found += [AccessChange(gains, *row) for row in _folded(rows, groups)]
    return tuple(sorted(found, key=lambda change: (change.gains, change.src, change.dst)))


def _ends(old: Policy, new: Policy, topology: Topology) -> tuple[End, ...]:
    """Everything that may be an end of a connection under one of the two policies."""
    found: dict[str, list[Node]] = {}
    for node in topology.nodes:
        found.setdefault(node.owner or "+".join(sorted(node.tags)) or node.name, []).append(node)
    here = {address for node in topology.nodes for address in node.networks}
    for address in _addresses(old) | _addresses(new):
        if network(address) not in here:
            names = [name for name, there in new.hosts.items() if address == there == old.hosts.get(name)]
            found.setdefault(min(names, default=address), []).append(Node(address, (address,)))
    return tuple(End(label, tuple(nodes)) for label, nodes in sorted(found.items()))


def _addresses(policy: Policy) -> set[str]:
    """The addresses and networks that a policy names."""
    words = {word for flow in reach.flows(policy) for word in (*flow.src, flow.dst)}
    return {word for word in words if kind(word) is Kind.NETWORK} | set(policy.hosts.values())


def _table(policy: Policy, ends: tuple[End, ...]) -> Table:
    """What each device may do to each other: a set of ports by protocol, and logins as keys of their own."""
    rules = reach.Reach(policy)
    masks = [_mask(flow) for flow in rules.flows]
    nodes = [node for end in ends for node in end.nodes]
    found: dict[tuple[Node, Node], Access] = {}
    for pair in itertools.product(nodes, nodes):
        access: dict[int | str, int] = dict.fromkeys(_logins(policy, *pair), 1)
        for i in rules.between(*pair):
            protocols = rules.flows[i].protocols
            for number in USUAL_PROTOCOLS if protocols is None else protocols:
                access[number] = access.get(number, 0) | (masks[i] if number in WITH_PORTS else _ALL)
        found[pair] = access
    return found


def _rows(
    src: End, dst: End, have: Table, had: Table, changed: Callable[[Access, Access], str]
) -> Iterator[Row]:
    """What the one end can do to the other that it could not: in one row if all their devices share it."""
    pairs = itertools.product(src.nodes, dst.nodes)
    whats = {pair: "" if have[pair] == had[pair] else changed(have[pair], had[pair]) for pair in pairs}
    shared = len(set(whats.values())) == 1
    for (one, other), what in whats.items():
        if what:
            yield (src.label, dst.label, what) if shared else (_name(src, one), _name(dst, other), what)
        if shared:
            return


def _name(end: End, node: Node) -> str:
    return end.label if len(end.nodes) == 1 else node.name


def _logins(policy: Policy, src: Node, dst: Node) -> Iterator[str]:
    for user in {user for rule in policy.ssh for user in rule.users}:
        account = "any user but root" if user == "autogroup:nonroot" else user
        local, _, domain = src.owner.partition("@")
        asked = local if user == f"localpart:*@{domain}" else user
        match login(policy, policy.ssh, src, dst, asked):
            case Login.ACCEPT:
                yield f"as {account}"
            case Login.CHECK:
                yield f"as {account} after a check"
            case Login.DROP:
                pass


def _mask(flow: Flow) -> int:
    mask = 0
    for some in flow.ports:
        mask |= (1 << (some.last + 1)) - (1 << some.first)
    return mask


def _ports_changed(have: Access, lack: Access) -> str:
    """The ports that one has and the other lacks: `22/tcp,80-90/tcp`; empty if none."""
    gone = {key: mask & ~lack.get(key, 0) for key, mask in have.items()}
    tcp, udp = gone.get(TCP, 0), gone.get(UDP, 0)
    parts = [_ports(tcp & udp)] if tcp & udp else []
    for number, mask in ((TCP, tcp & ~udp), (UDP, udp & ~tcp)):
        parts += [_ports(mask, f"/{_NAMES[number]}")] if mask else []
    others = sorted(
        key for key, mask in gone.items() if isinstance(key, int) and mask and key not in (TCP, UDP)
    )
    # A rule for TCP and UDP lets pings through as well; only a ping without them is worth a word.
    if not tcp and not udp:
        parts += [_NAMES.get(number, str(number)) for number in others if number != 58 or 1 not in others]
    return ",".join(parts)


def _logins_changed(have: Access, lack: Access) -> str:
    """The logins that one has and the other lacks: `ssh as root`; empty if none."""
    accounts = sorted(key for key in have if isinstance(key, str) and key not in lack)
    return "ssh " + ", ".join(accounts) if accounts else ""


def _ports(mask: int, suffix: str = "") -> str:
    if mask == _ALL:
        return "*" + suffix
    runs = re.finditer("1+", f"{mask:b}"[::-1])
    return ",".join(str(Ports(run.start(), run.end() - 1)) + suffix for run in runs)


def _folded(rows: list[Row], groups: Mapping[str, Names]) -> Iterator[Row]:
    """The rows with the members of a group under its name, where they all have the same."""
    left = dict.fromkeys(rows)
    for group, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        for dst, what in dict.fromkeys((dst, what) for _, dst, what in rows):
            shared = [(member, dst, what) for member in members]
            if shared and all(row in rows for row in shared) and any(row in left for row in shared):
                yield group, dst, what
                for row in shared:
                    left.pop(row, None)
    yield from left
