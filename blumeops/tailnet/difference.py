"""Who gains and who loses access when one policy replaces another, in words for a report."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
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
)

# A set of ports as the bits of a number: unions and differences of rules are then one operation each.
_ALL = (1 << (LAST_PORT + 1)) - 1
_NAMES = {number: name for name, number in PROTOCOLS.items()}
Access = Mapping[int | str, int]


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


def difference(old: Policy, new: Policy, topology: Topology | None = None) -> tuple[AccessChange, ...]:
    """All changes of access between people, tags and the addresses that either policy names.

    A change that all members of a group share is reported once, for the group.
    """
    whole = reach.completed(topology or Topology((), ()), old, new)
    ends = _ends(old, new, whole)
    before, after = _table(old, whole, ends), _table(new, whole, ends)
    found = []
    for gains, have, had, groups in ((False, before, after, old.groups), (True, after, before, new.groups)):
        for dst in ends:
            for changed in (_ports_changed, _logins_changed):
                changes = {src: changed(have[src, dst], had[src, dst]) for src in ends}
                found += [
                    AccessChange(gains, src, dst, what) for src, what in _folded(changes, groups) if what
                ]
    return tuple(sorted(found, key=lambda change: (change.gains, change.src, change.dst)))


def _ends(old: Policy, new: Policy, topology: Topology) -> Names:
    """The people, tags, hosts and addresses that may be an end of a connection."""
    named = set(topology.users)
    for policy in (old, new):
        named |= {*policy.tag_owners, *policy.hosts}
        for flow in reach.flows(policy):
            named |= {word for word in (*flow.src, flow.dst) if kind(word) is Kind.NETWORK}
    return tuple(sorted(named))


def _table(policy: Policy, topology: Topology, ends: Names) -> dict[tuple[str, str], Access]:
    rules = reach.Reach(policy)
    masks = [_mask(flow) for flow in rules.flows]
    nodes = {end: reach.nodes(policy, topology, end) for end in ends}
    found = {}
    for src, dst in itertools.product(ends, repeat=2):
        access: dict[int | str, int] = {}
        for pair in itertools.product(nodes[src], nodes[dst]):
            for i in rules.between(*pair):
                protocols = rules.flows[i].protocols
                for number in USUAL_PROTOCOLS if protocols is None else protocols:
                    mask = masks[i] if number in WITH_PORTS else _ALL
                    access[number] = access.get(number, 0) | mask
            access |= dict.fromkeys(_logins(policy, *pair), 1)
        found[src, dst] = access
    return found


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


def _folded(changes: Mapping[str, str], groups: Mapping[str, Names]) -> Iterable[tuple[str, str]]:
    """The changes with the members of a group under its name, where they all have the same."""
    left = dict(changes)
    for group, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        whats = {changes.get(member, "") for member in members}
        if len(whats) == 1 and (what := whats.pop()) and any(member in left for member in members):
            yield group, what
            for member in members:
                left.pop(member, None)
    yield from left.items()
