"""Why somebody reaches something, or does not: the rules of a policy that say so, each with its lines.

The devices are those that the desired state names (`tailnet.toml`), and one for every person and every tag
that has none there: no engine and no network is asked. What a device really has may differ; that is drift.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.tailnet import policy as policies
from blumeops.tailnet import reach
from blumeops.tailnet.hujson import Pointer
from blumeops.tailnet.model import Acl, Grant, Policy, SshRule
from blumeops.tailnet.reach import Flow, Node, Reach, Topology
from blumeops.tailnet.selectors import PROTOCOLS, Kind, kind, protocol

FOLDER = Path("homelab/pulumi")
_PROTOCOL_NAMES = {number: name for name, number in reversed(PROTOCOLS.items())}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that lets something through: its place, its words that fit, and on which ports or as whom."""

    path: str
    line: int
    last: int
    section: str
    src: str
    dst: str
    what: str

    @property
    def where(self) -> str:
        """Its lines as a person finds them."""
        return f"{self.path}:{self.line}-{self.last}"

    def __str__(self) -> str:
        return f"{self.src} → {self.dst} {self.what} ({self.section}, {self.where})"


@dataclass(frozen=True, slots=True)
class End:
    """What a name stands for: the devices, and the line that makes it so, where there is one."""

    name: str
    devices: tuple[str, ...]
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who may reach what: the rules that let it through, and whether all, some or none of it is let through.

    `src` or `dst` is None when anybody was meant. `allowed` is None when the question was open: no port, or
    only one end.
    """

    src: End | None
    dst: End | None
    what: str
    allowed: bool | None
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        ends = f"{self.src.name if self.src else 'anybody'} → {self.dst.name if self.dst else 'anything'}"
        word = {True: "allowed", False: "not allowed", None: f"{len(self.rules)} rules"}[self.allowed]
        return f"{ends}{f' {self.what}' if self.what else ''}: {word}"


def read(root: Path) -> tuple[Policy, Topology]:
    """The policy of a repository and the devices that its desired state names.

    Raises `BadInput` when one of the files cannot be read, `BlumeOpsError` when there is no policy.
    """
    file = root / FOLDER / "policy.hujson"
    if not file.is_file():
        raise BlumeOpsError("this repository has no tailnet policy", where=f"{FOLDER}/policy.hujson")
    policy = policies.load(file.read_bytes(), f"{FOLDER}/policy.hujson")
    return policy, reach.completed(Topology((), tuple(_devices(root))), policy)


def explain(
    policy: Policy, topology: Topology, *, src: str = "", dst: str = "", port: int = 0, proto: str = "tcp"
) -> Explanation:
    """Which rules let `src` reach `dst`; without one of them, all that the other may reach or is reached by.

    Both are a user, group, tag, host, address or device. With a `port` the answer is a yes or no for it.
    Raises `BadInput` for a name that the policy and the devices do not know, and for a protocol that is none.
    """
    number = protocol(proto)
    problems = [_unknown(policy, topology, name) for name in (src, dst) if name]
    if number is None:
        problems.append(Problem(f"{proto!r} is no protocol", policy.document.path, hint="tcp, udp, icmp, …"))
    if found := [problem for problem in problems if problem]:
        raise BadInput(found)
    sources = reach.nodes(policy, topology, src) if src else topology.nodes
    ends = reach.nodes(policy, topology, dst) if dst else topology.nodes
    pairs = [(a, b) for a in sources for b in ends if a != b]
    rules = [*_flows(policy, pairs, port, number or 0)]
    if port in (0, 22):
        rules += _logins(policy, pairs)
    return Explanation(
        src=_end(policy, topology, src),
        dst=_end(policy, topology, dst),
        what=f"{port}/{proto}" if port else "",
        allowed=_all(policy, pairs, port, number or 0) if src and dst and port else None,
        rules=tuple(dict.fromkeys(rules)),
    )


def _all(policy: Policy, pairs: list[tuple[Node, Node]], port: int, number: int) -> bool:
    rules = Reach(policy)
    return bool(pairs) and all(rules.allows(a, b, port, number) for a, b in pairs)


def _flows(policy: Policy, pairs: list[tuple[Node, Node]], port: int, number: int) -> Iterator[Rule]:
    """The rules by which anything of these pairs is let through, in the order of the policy."""
    for at, section, flow in _placed(policy):
        if port and not flow.carries(number, port):
            continue
        for one, other in pairs:
            if not reach.selects(policy, flow.dst, other, one):
                continue
            words = [word for word in flow.src if reach.selects(policy, word, one, other)]
            yield from (_rule(policy, at, section, word, flow.dst, _what(flow)) for word in words)


def _placed(policy: Policy) -> Iterator[tuple[Pointer, str, Flow]]:
    """Every flow with the place of the rule that it comes from."""
    if policy.open_to_all:
        yield (), "no rules at all", reach.OPEN
        return
    for section, rules in (("acls", policy.acls or ()), ("grants", policy.grants or ())):
        for rule in rules:
            for flow in reach.flows(_alone(policy, rule)):
                yield rule.at, section, flow


def _alone(policy: Policy, rule: Acl | Grant) -> Policy:
    """The policy as if it had only this rule."""
    if isinstance(rule, Acl):
        return replace(policy, acls=(rule,), grants=())
    return replace(policy, acls=(), grants=(rule,))


def _logins(policy: Policy, pairs: list[tuple[Node, Node]]) -> Iterator[Rule]:
    """The rules of Tailscale SSH, which is let through by its own rules and needs port 22 as well."""
    for rule in policy.ssh:
        for one, other in pairs:
            for src in (word for word in rule.src if reach.selects(policy, word, one, other)):
                for dst in (word for word in rule.dst if reach.selects(policy, word, other, one)):
                    yield _rule(policy, rule.at, "ssh", src, dst, _login(rule))


def _login(rule: SshRule) -> str:
    how = " after a check" if rule.action == "check" else ""
    return f"ssh as {', '.join(rule.users)}{how}"


def _what(flow: Flow) -> str:
    ports = ",".join(map(str, flow.ports))
    if flow.protocols is None:
        return f"ports {ports}, every protocol"
    names = [_PROTOCOL_NAMES.get(number, str(number)) for number in sorted(flow.protocols)]
    return f"ports {ports}, {'+'.join(names)}"


def _rule(policy: Policy, at: Pointer, section: str, src: str, dst: str, what: str) -> Rule:
    line, last = _lines(policy, at)
    return Rule(policy.document.path, line, last, section, src, dst, what)


def _lines(policy: Policy, at: Pointer) -> tuple[int, int]:
    """The first and last line of a rule: up to the last of the values that stand in it."""
    inside = [pointer for pointer, _ in policy.document.texts() if pointer[: len(at)] == at]
    lines = [policy.position(pointer)[0] for pointer in inside] or [policy.position(at)[0]]
    return policy.position(at)[0], max(lines)


def _end(policy: Policy, topology: Topology, name: str) -> End | None:
    """What a name stands for, with the lines of the group or tag that it is."""
    if not name:
        return None
    devices = tuple(node.name for node in reach.nodes(policy, topology, name))
    path = policy.document.path
    because = []
    for section, names in (("groups", policy.groups), ("tagOwners", policy.tag_owners)):
        if name in names:
            line = policy.document.key_position((section, name))[0]
            because.append(f"{name}: {', '.join(names[name]) or 'nobody'} ({section}, {path}:{line})")
    for group, members in policy.groups.items():
        if name in members:
            line = policy.document.key_position(("groups", group))[0]
            because.append(f"{name} is in {group} ({path}:{line})")
    node = next((one for one in topology.nodes if one.name == name), None)
    if node and node.tags and node.name not in node.tags:
        because.append(f"{name} has {', '.join(node.tags)} ({FOLDER}/tailnet.toml)")
    return End(name, devices, tuple(because))


def _unknown(policy: Policy, topology: Topology, name: str) -> Problem | None:
    if kind(name, policy.hosts) in (Kind.ANY, Kind.AUTOGROUP, Kind.NETWORK, Kind.HOST, Kind.DOMAIN):
        return None
    devices = {node.name for node in topology.nodes}
    known = {*devices, *topology.users, *policy.groups, *policy.tag_owners, *policy.hosts}
    if name in known:
        return None
    near = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
    return Problem(f"the policy knows no {name!r}", policy.document.path, hint=hint)


def _devices(root: Path) -> Iterator[Node]:
    """The devices of `tailnet.toml`, with addresses that nothing else has; none where it is not there."""
    file = root / FOLDER / "tailnet.toml"
    if not file.is_file():
        return
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get("devices", {})
    except ValueError as error:
        raise BadInput([Problem(str(error), f"{FOLDER}/tailnet.toml")]) from error
    if not isinstance(said, Mapping):
        return
    for number, (name, tags) in enumerate(said.items(), start=1):
        if isinstance(tags, list):
            yield Node(name, (f"100.127.0.{number % 250 + 1}",), tags=tuple(map(str, tags)))
