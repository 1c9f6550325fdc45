"""Whether a policy makes sense: names that exist, groups that do not nest, ports that are ports.

Each finding carries our own words for a person and the control plane's exact answer, recorded from the real
one where a recording exists, in the order in which that one complains. A finding without an answer is ours
alone: the control plane would take the policy, and it would not do what it seems to say.
"""

from __future__ import annotations

import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator

from blumeops.tailnet import ssh_validity
from blumeops.tailnet.hujson import Document, Pointer
from blumeops.tailnet.model import Acl, Grant, Policy
from blumeops.tailnet.selectors import (
    AUTOGROUPS,
    ROLES,
    BadPorts,
    Kind,
    is_host_name,
    kind,
    network,
    ports,
    protocol,
    split_ports,
)
from blumeops.tailnet.shape import Finding

# Capabilities in Tailscale's own domain that a policy may grant; all others there are its own business.
_GRANTABLE = frozenset(
    f"tailscale.com/cap/{name}"
    for name in ("drive", "golink", "kubernetes", "relay", "secrets", "tsidp", "webui")
)
_ALL_ADDRESSES = {"0.0.0.0/0", "::/0"}
_TAG_NAME = re.compile(r"[A-Za-z0-9-]+")


def findings(policy: Policy, *, domains: frozenset[str] | None = None) -> Iterator[Finding]:
    """Everything that is wrong with the policy's own words; `domains` are those of the tailnet's people."""
    names = Names(policy)
    yield from _invisible(policy.document)
    yield from _groups(policy)
    yield from _tag_owners(policy, names)
    yield from _hosts(policy)
    for acl in policy.acls or ():
        yield from _acl(acl, names)
    for grant in policy.grants or ():
        yield from _grant(grant, names)
    yield from ssh_validity.rules(policy, names, domains)
    yield from _node_attrs(policy, names)
    yield from _approvers(policy, names)
    yield from ssh_validity.test_destinations(policy)


class Names:
    """The names that a policy defines, for finding those that it uses without."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def kind(self, selector: str) -> Kind:
        """What a selector stands for in this policy."""
        return kind(selector, self.policy.hosts)

    def undefined(self, selector: str, at: Pointer, prefix: str = "") -> Iterator[Finding]:
        """A finding if the selector names nothing; `prefix` stands before the control plane's answer."""
        match self.kind(selector):
            case Kind.TAG if selector not in self.policy.tag_owners:
                hint = self._hint(selector, "tagOwners", self.policy.tag_owners)
                answer = f'{prefix}tag not found: "{selector}"'
                yield Finding(at, f"{selector} is not in tagOwners", answer, hint)
            case Kind.GROUP if selector not in self.policy.groups:
                hint = self._hint(selector, "groups", self.policy.groups)
                yield Finding(
                    at, f"{selector} is not in groups", f'{prefix}group not found: "{selector}"', hint
                )
            case Kind.AUTOGROUP if selector not in AUTOGROUPS:
                hint = self._hint(selector, "", AUTOGROUPS)
                answer = f'{prefix}autogroup not found: "{selector}"'
                yield Finding(at, f"there is no {selector}", answer, hint)
            case Kind.UNKNOWN:
                hint = self._hint(selector, "hosts", self.policy.hosts)
                what = f'"{selector}" is no user, group, tag, host, address or network'
                yield Finding(at, what, f'{prefix}"{selector}": invalid address', hint)
            case _:
                pass

    def _hint(self, wrong: str, section: str, defined: Iterable[str]) -> str:
        """The closest name that is defined, and the line of its definition."""
        close = difflib.get_close_matches(wrong, sorted(defined), 1)
        if not close:
            return f"define it in {section}" if section else ""
        if not section:
            return f"did you mean {close[0]}?"
        line, _ = self.policy.document.key_position((section, close[0]))
        return f"did you mean {close[0]} (line {line})?"


def _invisible(document: Document) -> Iterator[Finding]:
    """Strings that do not look like what they are: the control plane takes them, a reviewer is misled."""
    for pointer, text in document.texts():
        for character in text:
            if unicodedata.category(character) in ("Cf", "Cc", "Zl", "Zp", "Co"):
                what = f"{text!a} holds an invisible character, U+{ord(character):04X}"
                yield Finding(pointer, what, hint="delete it: two names that look the same would differ")
                break


def _groups(policy: Policy) -> Iterator[Finding]:
    nested: list[Finding] = []
    for name, members in sorted(policy.groups.items()):
        at = ("groups", name)
        if not name.isascii():
            strange = next(character for character in name if not character.isascii())
            what = f"{name} holds the letter {unicodedata.name(strange, repr(strange))}"
            yield Finding(at, what, hint="use ASCII: other letters look like it", on_key=True)
        if not name.startswith("group:") or name == "group:":
            answer = f'groups["{name}"]: group names must start with "group:"'
            yield Finding(at, f'"{name}" is no group: its name must start with group:', answer, on_key=True)
        for i, member in enumerate(members):
            answer = f'groups["{name}"]: "{member}": '
            if member.startswith("group:"):
                what = f"{name} contains {member}: a group may contain people only, not groups"
                hint = f"list the members of {member} in {name}"
                nested.append(Finding((*at, i), what, answer + "group members cannot be recursive", hint))
            elif "@" not in member:
                what = f'"{member}" in {name} is no person: write the address of a login'
                yield Finding((*at, i), what, answer + "invalid user")
    # Of several the control plane reports the last in order of names: recorded from it.
    yield from reversed(nested)


def _tag_owners(policy: Policy, names: Names) -> Iterator[Finding]:
    for tag, owners in policy.tag_owners.items():
        at = ("tagOwners", tag)
        if fault := _tag_fault(tag):
            yield Finding(at, f'"{tag}": {fault}', f'tagOwners["{tag}"]: {fault}', on_key=True)
        for i, owner in enumerate(owners):
            yield from names.undefined(owner, (*at, i), f'tagOwners["{tag}"]: ')


def _tag_fault(tag: str) -> str:
    """What is wrong with the name of a tag, in the words of Tailscale's `tailcfg.CheckTag`."""
    if not tag.startswith("tag:"):
        return "tags must start with 'tag:'"
    name = tag.removeprefix("tag:")
    if not name:
        return "tag names must not be empty"
    if not (name[0].isascii() and name[0].isalpha()):
        return "tag names must start with a letter, after 'tag:'"
    return "" if _TAG_NAME.fullmatch(name) else "tag names can only contain numbers, letters, or dashes"


def _hosts(policy: Policy) -> Iterator[Finding]:
    for name, address in policy.hosts.items():
        if not is_host_name(name):
            what = f'"{name}" cannot be the name of a host'
            yield Finding(("hosts", name), what, f'hosts["{name}"]: invalid host name', on_key=True)
        if network(address) is None:
            answer = f'hosts["{name}"]: "{address}": invalid address'
            yield Finding(("hosts", name), f'"{address}" is no address or network', answer)


def _acl(acl: Acl, names: Names) -> Iterator[Finding]:
    if acl.action != "accept":
        hint = 'rules only allow; what no rule allows is denied. Write "accept" or delete the rule'
        answer = f'action="{acl.action}" is not supported'
        yield Finding((*acl.at, "action"), f'action "{acl.action}" is not supported', answer, hint)
    yield from _sources(acl, names)
    yield from _protocol(acl.proto, acl.at)
    for i, target in enumerate(acl.dst):
        at = (*acl.at, "dst", i)
        host, text = split_ports(target)
        try:
            ports(text)
        except BadPorts as fault:
            hint = "a destination of an acl ends in its ports: tag:nas:22, tag:nas:80,443, tag:nas:*"
            yield Finding(at, f"{target}: {fault}", f'dst="{target}": {fault}', hint)
            continue
        yield from _destination(host, at, names, f'dst="{host}": ')
    yield from _self(acl, [split_ports(target)[0] for target in acl.dst], names, from_all=True)


def _sources(rule: Acl | Grant, names: Names) -> Iterator[Finding]:
    for i, source in enumerate(rule.src):
        at = (*rule.at, "src", i)
        if source in ("autogroup:self", "autogroup:internet"):
            what = f"{source} can be a destination only"
            yield Finding(at, what, f'"{source}" not valid on the src side of a rule')
        else:
            yield from names.undefined(source, at, "src=")


def _destination(target: str, at: Pointer, names: Names, prefix: str) -> Iterator[Finding]:
    if target == "autogroup:danger-all":
        yield Finding(at, f"{target} can be a source only", f"cannot use {target} as a dst")
    elif target in _ALL_ADDRESSES:
        answer = f'dst "{target}": to allow all IP addresses, use "*" or "autogroup:internet"'
        yield Finding(at, answer.split(": ", 1)[1], answer)
    else:
        yield from names.undefined(target, at, prefix)


def _self(rule: Acl | Grant, targets: list[str], names: Names, *, from_all: bool) -> Iterator[Finding]:
    """`autogroup:self` is the source's own devices, so each source has to be people.

    `*` may stand for them in `acls`, but not in `grants`.
    """
    if "autogroup:self" not in targets:
        return
    for i, source in enumerate(rule.src):
        people = names.kind(source) in (Kind.USER, Kind.GROUP, Kind.DOMAIN) or source in ROLES
        if not people and not (from_all and source == "*"):
            answer = "autogroup:self can only be used with users, groups, or supported autogroups"
            what = f"{source} has no devices of its own: {answer}"
            yield Finding((*rule.at, "src", i), what, answer)
            return


def _protocol(text: str, at: Pointer) -> Iterator[Finding]:
    if text and protocol(text) is None:
        what = f'"{text}" is no protocol'
        yield Finding((*at, "proto"), what, f'unknown protocol "{text}"', "tcp, udp, icmp, sctp or a number")


def _grant(grant: Grant, names: Names) -> Iterator[Finding]:
    if not grant.ip and not grant.app:
        hint = 'ip: ["tcp:443"] lets traffic through, app gives capabilities'
        yield Finding(grant.at, "the grant grants nothing", "ip and app can not both be empty", hint)
    yield from _sources(grant, names)
    for i, target in enumerate(grant.dst):
        yield from _destination(target, (*grant.at, "dst", i), names, f'dst="{target}": ')
    yield from _self(grant, list(grant.dst), names, from_all=False)
    for i, text in enumerate(grant.ip):
        yield from _grant_ports(text, (*grant.at, "ip", i))
    yield from _capabilities(grant)
    for i, router in enumerate(grant.via):
        at = (*grant.at, "via", i)
        if names.kind(router) is not Kind.TAG:
            yield Finding(at, f"via {router}: only a tag can be a router", "via can only be a tag")
        for found in names.undefined(router, at):
            if names.kind(router) is Kind.TAG:
                yield Finding(at, found.what, f'tag "{router}" not found', found.hint)


def _grant_ports(text: str, at: Pointer) -> Iterator[Finding]:
    """`*`, `443`, `80-90`, `tcp:443` or `icmp:*`."""
    name, colon, numbers = text.rpartition(":")
    if colon:
        yield from _protocol(name, at[:-1])
    try:
        ports(numbers)
    except BadPorts as fault:
        yield Finding(at, f"{text}: {fault}", str(fault), 'write "443", "80-90", "tcp:443" or "icmp:*"')


def _capabilities(grant: Grant) -> Iterator[Finding]:
    for name in grant.app:
        domain = name.removeprefix("https://").partition("/")[0]
        if domain == "tailscale.com" and name not in _GRANTABLE:
            answer = "capability name must not be in the tailscale.com domain"
            yield Finding((*grant.at, "app", name), f"{name}: {answer}", answer, on_key=True)
    if grant.app and "autogroup:internet" in grant.dst:
        answer = "cannot use app grants with autogroup:internet"
        yield Finding((*grant.at, "app"), answer, answer, on_key=True)


def _node_attrs(policy: Policy, names: Names) -> Iterator[Finding]:
    for attr in policy.node_attrs:
        for i, target in enumerate(attr.target):
            at = (*attr.at, "target", i)
            if target == "autogroup:self":
                # The real one breaks on it: it was recorded as an internal error.
                yield Finding(at, f"{target} is no target", "internal server error", status=500)
            else:
                yield from names.undefined(target, at)


def _approvers(policy: Policy, names: Names) -> Iterator[Finding]:
    exits = {"exitNode": policy.exit_node_approvers}
    for route, approvers in itertools.chain(policy.route_approvers.items(), exits.items()):
        at: Pointer = ("autoApprovers", route) if route == "exitNode" else ("autoApprovers", "routes", route)
        if route != "exitNode" and network(route) is None:
            answer = f'autoApprovers.routes: "{route}": invalid address'
            yield Finding(at, f'"{route}" is no network', answer, on_key=True)
        for i, approver in enumerate(approvers):
            yield from names.undefined(approver, (*at, i), "autoApprovers: ")
