"""Whether the rules and tests for Tailscale SSH make sense, with the control plane's own answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from blumeops.tailnet.hujson import Pointer
from blumeops.tailnet.model import Policy, SshRule
from blumeops.tailnet.selectors import Kind, kind, network
from blumeops.tailnet.shape import Finding

LONGEST_CHECK_HOURS = 168
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))")
_LOCALPART = "localpart:*@"


class Lookup(Protocol):
    """What we need of the policy's names."""

    def undefined(self, selector: str, at: Pointer, prefix: str = "") -> Iterator[Finding]:
        """A finding if the selector names nothing."""


def rules(policy: Policy, names: Lookup, domains: frozenset[str] | None) -> Iterator[Finding]:
    """What is wrong with `ssh`; the domains of login names are only checked when the tailnet's are known."""
    for rule in policy.ssh:
        yield from _action(rule)
        for i, source in enumerate(rule.src):
            yield from names.undefined(source, (*rule.at, "src", i), "src=")
        for i, target in enumerate(rule.dst):
            yield from _destination(target, (*rule.at, "dst", i), policy, names)
        yield from _users(rule, domains)
        yield from _check_period(rule)


def _action(rule: SshRule) -> Iterator[Finding]:
    at = (*rule.at, "action")
    if not rule.action:
        yield Finding(at, "action must be specified", "action must be specified", 'write "accept" or "check"')
    elif rule.action not in ("accept", "check"):
        answer = f'"{rule.action}" is not a valid action'
        yield Finding(at, answer, answer, 'write "accept" or "check"')


def _destination(target: str, at: Pointer, policy: Policy, names: Lookup) -> Iterator[Finding]:
    found = kind(target, policy.hosts)
    if (
        found in (Kind.HOST, Kind.NETWORK, Kind.ANY, Kind.UNKNOWN, Kind.GROUP)
        or target == "autogroup:internet"
    ):
        hint = "SSH goes to tags, autogroup:self, or a user's own devices"
        yield Finding(at, f'"{target}" cannot be the dst of an ssh rule', f'invalid dst "{target}"', hint)
    else:
        yield from names.undefined(target, at, "dst=")


def _users(rule: SshRule, domains: frozenset[str] | None) -> Iterator[Finding]:
    if not rule.users:
        hint = 'the accounts to log in as: ["root"], or "autogroup:nonroot" for all but root'
        yield Finding((*rule.at, "users"), "users must be specified", "users must be specified", hint)
    for i, user in enumerate(rule.users):
        at = (*rule.at, "users", i)
        domain = user.removeprefix(_LOCALPART)
        if user in ("", "*"):
            answer = f'user "{user}" is not valid'
            yield Finding(at, answer, answer, "name accounts; autogroup:nonroot means all but root")
        elif domains is not None and domain not in (user, "") and domain not in domains:
            use = "cannot be used in user:*@<domain> expressions"
            answer = f"{domain} is not associated with this Tailnet and {use}"
            yield Finding(at, f"nobody in the tailnet has an address at {domain}", answer)


def _check_period(rule: SshRule) -> Iterator[Finding]:
    text = rule.check_period
    if text in ("", "always"):
        return
    at = (*rule.at, "checkPeriod")
    period = nanoseconds(text)
    if period is None:
        answer = f'time: invalid duration "{text}"'
        yield Finding(at, answer, answer, 'write "12h" or "always"')
    elif period > LONGEST_CHECK_HOURS * _UNITS["h"]:
        answer = f"checkPeriod {_duration(period)} is above the max ({LONGEST_CHECK_HOURS}h)"
        yield Finding(at, answer, answer)


def nanoseconds(text: str) -> int | None:
    """A duration as Go writes it (`1h30m`, `90s`); None if it is none."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-") if text[:1] in "+-" else text
    if digits == "0":
        return 0
    if not re.fullmatch(f"(?:{_DURATION.pattern})+", digits):
        return None
    total = 0.0
    for part in _DURATION.finditer(digits):
        total += float(part[1]) * _UNITS[part[2]]
    return sign * int(total)


def _duration(period: int) -> str:
    """A duration of hours as Go prints it: `168h0m1s`."""
    seconds = period / _UNITS["s"]
    whole = int(seconds)
    rest = f"{seconds - whole + whole % 60:g}"
    return f"{whole // 3600}h{whole // 60 % 60}m{rest}s"


def test_destinations(policy: Policy) -> Iterator[Finding]:
    """Destinations of `sshTests` that the control plane refuses before it runs a test."""
    for test in policy.ssh_tests:
        for i, target in enumerate(test.dst):
            at = (*test.at, "dst", i)
            found = kind(target, policy.hosts)
            if target == "autogroup:internet" or (found is Kind.NETWORK and not _is_address(target)):
                what = f"{target} is no device: an SSH test goes to tags, users, hosts or single addresses"
                yield Finding(at, what, f'SSH tests dst contains disallowed element "{target}"')
            elif found is Kind.TAG and target not in policy.tag_owners:
                what = f"{target} is not in tagOwners"
                hint = "an SSH test has no port" if target.count(":") > 1 else "define it in tagOwners"
                yield Finding(at, what, f'SSH tests dst contains unknown tag "{target}"', hint)


def _is_address(text: str) -> bool:
    found = network(text)
    return found is not None and "/" not in text
