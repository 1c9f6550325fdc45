"""The `tests` and `sshTests` of a policy: whether they are well formed, and whether they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from blumeops.tailnet import reach
from blumeops.tailnet.hujson import Pointer
from blumeops.tailnet.model import Policy, SshRule, SshTest, Test
from blumeops.tailnet.reach import Node, Reach, Topology
from blumeops.tailnet.selectors import LAST_PORT, TCP, UDP, Kind, kind, network, protocol, split_ports
from blumeops.tailnet.shape import Finding

FAILED = "test(s) failed"
_SINGLE = "a test names one host and one port: tag:nas:22"
_SOURCES = (Kind.USER, Kind.GROUP, Kind.TAG, Kind.HOST, Kind.NETWORK)
_MANY = ("autogroup:member", "autogroup:members", "autogroup:tagged")


@dataclass(frozen=True, slots=True)
class TestFailure:
    """A test that the policy does not pass: what was wanted between two ends, and what it would do."""

    at: Pointer
    src: str
    dst: str
    want: str
    got: str

    def __str__(self) -> str:
        return f"{self.src} → {self.dst}: want {self.want}, got {self.got}"


def faults(policy: Policy) -> Iterator[Finding]:
    """Tests that the control plane fails whatever the rules say, because it cannot read them."""
    for test in policy.tests:
        yield from _source_fault(policy, test.src, test.at)
        if not test.accept and not test.deny:
            yield Finding(test.at, "the test asserts nothing", FAILED, "give it accept or deny")
        if test.proto and protocol(test.proto) is None:
            what = f'"{test.proto}" is no protocol'
            yield Finding((*test.at, "proto"), what, FAILED, "tcp, udp, icmp, sctp or a number")
        for field, targets in (("accept", test.accept), ("deny", test.deny)):
            for i, target in enumerate(targets):
                for what, hint in _target_fault(policy, target):
                    yield Finding((*test.at, field, i), what, FAILED, hint)
    for ssh_test in policy.ssh_tests:
        yield from _ssh_faults(policy, ssh_test)


def _source_fault(policy: Policy, source: str, at: Pointer) -> Iterator[Finding]:
    found = kind(source, policy.hosts)
    if not source:
        yield Finding(
            at, "the test has no src", FAILED, "give it the user, group, tag or host that it is about"
        )
    elif (found not in _SOURCES and source not in _MANY) or not _one_address(policy, source):
        hint = "a user, a group, a tag, a host or one address"
        yield Finding((*at, "src"), f'"{source}" cannot be the src of a test', FAILED, hint)
    elif not _defined(policy, source):
        yield Finding((*at, "src"), f"{source} is not defined in this policy", FAILED)


def _target_fault(policy: Policy, target: str) -> Iterator[tuple[str, str]]:
    host, text = split_ports(target)
    found = kind(host, policy.hosts)
    if not text.isascii() or not text.isdigit() or int(text[:6]) > LAST_PORT:
        yield f'{target}: "{text}" is not a single port', _SINGLE
    if (found not in _SOURCES and host not in _MANY) or not _one_address(policy, host):
        yield f'{target}: "{host}" is not a single host', _SINGLE
    elif not _defined(policy, host):
        yield f"{target}: {host} is not defined in this policy", ""


def _one_address(policy: Policy, name: str) -> bool:
    """Whether a host or address is one address: a network in a test is refused, even of one."""
    text = policy.hosts.get(name, name)
    return "/" not in text and (name not in policy.hosts or network(text) is not None)


def _defined(policy: Policy, name: str) -> bool:
    match kind(name, policy.hosts):
        case Kind.TAG:
            return name in policy.tag_owners
        case Kind.GROUP:
            return name in policy.groups
        case _:
            return True


def _ssh_faults(policy: Policy, test: SshTest) -> Iterator[Finding]:
    yield from _source_fault(policy, test.src, test.at)
    if not (test.accept or test.check or test.deny):
        yield Finding(test.at, "the test asserts nothing", FAILED, "give it accept, check or deny")
    if not test.dst:
        yield Finding(test.at, "the test has no dst", FAILED)
    if "" in (*test.accept, *test.check, *test.deny):
        yield Finding(test.at, 'user "" is not valid', FAILED)


def failures(policy: Policy, topology: Topology) -> tuple[TestFailure, ...]:
    """All assertions of `tests` and `sshTests` that do not hold, in the order of the text.

    Tags and people without a device are given one. Tests that `faults` complains about are left out.
    """
    broken = {finding.at for finding in faults(policy)}
    whole = reach.completed(topology, policy)
    rules = reach.Reach(policy)
    found = [
        failure
        for test in policy.tests
        if not any(at[: len(test.at)] == test.at for at in broken)
        for failure in _failures(policy, rules, whole, test)
    ]
    for test in policy.ssh_tests:
        if not any(at[: len(test.at)] == test.at for at in broken):
            found += _ssh_failures(policy, whole, test)
    return tuple(found)


def _failures(policy: Policy, rules: Reach, topology: Topology, test: Test) -> Iterator[TestFailure]:
    number = protocol(test.proto) if test.proto else None
    protocols = (TCP, UDP) if number is None else (number,)
    sources = reach.nodes(policy, topology, test.src)
    for field, targets, want in (("accept", test.accept, True), ("deny", test.deny, False)):
        for i, target in enumerate(targets):
            at = (*test.at, field, i)
            host, port = split_ports(target)
            pairs = [(src, dst) for src in sources for dst in reach.nodes(policy, topology, host)]
            outcomes = {any(rules.allows(*pair, int(port), one) for one in protocols) for pair in pairs}
            if outcomes != {want}:
                got = _verdict(outcomes, sources, test.src, host)
                yield TestFailure(at, test.src, target, "Accept" if want else "Drop", got)


def _verdict(outcomes: set[bool], sources: tuple[Node, ...], src: str, dst: str) -> str:
    if not outcomes:
        return f"nothing: {dst if sources else src} is nobody in this tailnet"
    if len(outcomes) == 2:
        return "Accept for some of them only"
    return "Accept" if outcomes == {True} else "Drop"


class Login(Enum):
    """How an SSH login ends."""

    ACCEPT = "Accept"
    CHECK = "Accept after a check"
    DROP = "Drop"


def login(policy: Policy, rules: Iterable[SshRule], src: Node, dst: Node, user: str) -> Login:
    """Whether these rules let one device log in on another as a user: the most generous of them decides."""
    actions = {
        rule.action
        for rule in rules
        if any(reach.selects(policy, source, src, dst) for source in rule.src)
        and any(reach.selects(policy, target, dst, src) for target in rule.dst)
        and _may_be(rule, src, user)
    }
    if "accept" in actions:
        return Login.ACCEPT
    return Login.CHECK if actions else Login.DROP


def _may_be(rule: SshRule, src: Node, user: str) -> bool:
    local, _, domain = src.owner.partition("@")
    return bool(user) and (
        user in rule.users
        or (user != "root" and "autogroup:nonroot" in rule.users)
        or (user == local and f"localpart:*@{domain}" in rule.users)
    )


def _ssh_failures(policy: Policy, topology: Topology, test: SshTest) -> Iterator[TestFailure]:
    """`accept` wants a login without a check, as Tailscale documents it; `check` wants one with it."""
    sources = reach.nodes(policy, topology, test.src)
    wanted = {Login.ACCEPT: test.accept, Login.CHECK: test.check, Login.DROP: test.deny}
    for (want, users), field in zip(wanted.items(), ("accept", "check", "deny"), strict=True):
        for i, user in enumerate(users):
            for target in dict.fromkeys(test.dst):
                outcomes = {
                    _login(policy, src, dst, user, want)
                    for src in sources
                    for dst in _ssh_nodes(policy, topology, target)
                }
                if outcomes != {want}:
                    got = (
                        " or ".join(sorted(one.value for one in outcomes))
                        or "nothing: there is no such device"
                    )
                    label = f"{user}@{target}"
                    yield TestFailure((*test.at, field, i), test.src, label, want.value, got)


def _login(policy: Policy, src: Node, dst: Node, user: str, want: Login) -> Login:
    """The outcome; where a check is wanted, a rule that asks for one is enough, whatever others say."""
    checks = [rule for rule in policy.ssh if rule.action == "check"]
    if want is Login.CHECK and login(policy, checks, src, dst, user) is Login.CHECK:
        return Login.CHECK
    return login(policy, policy.ssh, src, dst, user)


def _ssh_nodes(policy: Policy, topology: Topology, target: str) -> tuple[Node, ...]:
    """The devices that an SSH test is about; a bare IPv6 address finds none, as on the control plane."""
    address = network(target)
    if address is not None and address.version == 6:
        return ()
    return reach.nodes(policy, topology, target)
