"""Tailscale's words for headscale: a policy, DNS settings and nodes, translated without loss or refused.

headscale 0.28 knows `groups`, `hosts`, `tagOwners`, `acls` and `autoApprovers`. Grants that only name
addresses and ports become ACL rules; tests are ours to run, before this. Pure: no network, no clock.

It knows `ssh` too, but the build for Go 1.27 cannot send it: encoding the rule fails ("unsupported `format`
tag option" of `SessionDuration`), and the node it is for then gets no policy at all and keeps its old one. So
the rules are checked, tested and kept here, and not sent: the sandbox's nodes serve no Tailscale SSH.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blumeops.tailnet.client import Dns

KEPT = ("groups", "hosts", "tagOwners", "autoApprovers")
OURS = ("ssh", "tests", "sshTests", "randomizeClientPort", "OneCGNATRoute", "disableIPv4", "derpMap")
"""Not for headscale: SSH rules (see above), assertions, and client settings without a say in access."""

UNSUPPORTED_GRANT = {"app": "application capabilities", "via": "routing via", "srcPosture": "device posture"}
ANY_PORT_ONLY = frozenset({"icmp", "igmp", "gre", "esp", "ah", "ipv4", "ip-in-ip", "egp", "igp"})


class NotTranslatable(ValueError):
    """headscale cannot enforce this part of a policy, so it must not be accepted as if it did."""


def policy(source: Mapping[str, Any]) -> dict[str, Any]:
    """The policy for headscale. Raises `NotTranslatable`, naming every part that it cannot enforce."""
    refused = [*_unknown(source), *_refused_rules(source)]
    if refused:
        raise NotTranslatable("; ".join(refused))
    result = {name: source[name] for name in KEPT if source.get(name)}
    # No rules at all means "everyone may everything"; an empty list means "nobody", there as here.
    if "acls" in source or "grants" in source:
        rules = [rule for acl in source.get("acls") or () for rule in _acl(acl)]
        result["acls"] = rules + [rule for grant in source.get("grants") or () for rule in _grant(grant)]
    return result


def users(source: object) -> tuple[str, ...]:
    """Every e-mail address that a policy names, sorted: headscale resolves only users that it has."""
    return tuple(sorted(set(_addresses(source))))


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, str):
        name = value.split(":")[0]
        if "@" in name and not name.endswith("@") and not name.startswith(("user:", "localpart:")):
            yield name
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _addresses(key)
            yield from _addresses(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _addresses(inner)


def _unknown(source: Mapping[str, Any]) -> Iterator[str]:
    for name, value in source.items():
        if name not in (*KEPT, *OURS, "acls", "grants") and value:
            yield f"headscale knows no {name}"


def _refused_rules(source: Mapping[str, Any]) -> Iterator[str]:
    for number, grant in enumerate(source.get("grants") or (), 1):
        for name, words in UNSUPPORTED_GRANT.items():
            if grant.get(name):
                yield f"grant {number}: headscale knows no {words} ({name})"
    for number, acl in enumerate(source.get("acls") or (), 1):
        if acl.get("srcPosture"):
            yield f"ACL {number}: headscale knows no device posture (srcPosture)"
    for number, rule in enumerate(source.get("ssh") or (), 1):
        if rule.get("action") == "check":
            yield f"ssh rule {number}: headscale would let `check` in without a check"


def _acl(acl: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One ACL rule, which headscale takes as it is but for ping.

    Tailscale lets ICMP follow a rule without a protocol; headscale means only TCP and UDP by that.
    """
    sources = list(acl.get("src") or acl.get("users") or ())
    targets = list(acl.get("dst") or acl.get("ports") or ())
    if acl.get("proto"):
        yield _rule(sources, targets, str(acl["proto"]))
    else:
        yield _rule(sources, targets)
        yield _rule(sources, [f"{target.rpartition(':')[0]}:*" for target in targets], "icmp")


def _grant(grant: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The ACL rules of one grant, one for each protocol that its `ip` names."""
    ports: dict[str, list[str]] = {}
    for entry in grant.get("ip") or ():
        protocol, _, port = str(entry).rpartition(":")
        ports.setdefault(protocol, []).append(port)
    for protocol, listed in ports.items():
        every = "*" in listed or protocol in ANY_PORT_ONLY
        joined = "*" if every else ",".join(listed)
        targets = [f"{target}:{joined}" for target in grant["dst"]]
        yield _rule(list(grant["src"]), targets, protocol)
        if every and not protocol:
            yield _rule(list(grant["src"]), [f"{target}:*" for target in grant["dst"]], "icmp")


def _rule(sources: list[str], targets: list[str], protocol: str = "") -> dict[str, Any]:
    rule = {"action": "accept", "src": sources, "dst": targets}
    return rule | {"proto": protocol} if protocol else rule


def dns(settings: Dns, base_domain: str) -> dict[str, Any]:
    """The `dns` section of headscale's configuration.

    `override_local_dns` stays off: devices keep their own resolvers and ask the tailnet only for its
    names, so a sandbox without a way out still resolves what its host can.
    """
    split = {domain: list(addresses) for domain, addresses in (settings.split or {}).items()}
    return {
        "magic_dns": settings.magic_dns,
        "base_domain": base_domain,
        "override_local_dns": False,
        "nameservers": {"global": list(settings.nameservers), "split": split},
        "search_domains": list(settings.search_paths),
    }


def device(node: Mapping[str, Any], base_domain: str, *, detailed: bool = False) -> dict[str, Any]:
    """One headscale node as Tailscale's API describes a device.

    headscale does not publish what a node says about itself, so `os` and `clientVersion` are empty.
    """
    tags = list(node.get("tags") or ())
    user = node.get("user") or {}
    expiry = node.get("expiry") or ""
    never = not expiry or expiry.startswith("0001-")
    described = {
        "addresses": list(node.get("ipAddresses") or ()),
        "id": node["id"],
        "nodeId": f"n{node['id']}CNTRL",
        "name": f"{node['givenName']}.{base_domain}",
        "hostname": node["name"],
        "user": "tagged-devices" if tags else user.get("email") or user.get("name", ""),
        "tags": tags,
        "authorized": True,
        "isExternal": False,
        "isEphemeral": bool((node.get("preAuthKey") or {}).get("ephemeral")),
        "keyExpiryDisabled": never or bool(tags),
        "blocksIncomingConnections": False,
        "connectedToControl": bool(node.get("online")),
        "clientVersion": "",
        "os": "",
        "updateAvailable": False,
        "created": node.get("createdAt") or "",
        "expires": "" if never else expiry,
        "lastSeen": None if node.get("online") else node.get("lastSeen"),
        "machineKey": node.get("machineKey", ""),
        "nodeKey": node.get("nodeKey", ""),
        "tailnetLockError": "",
        "tailnetLockKey": "",
    }
    if detailed:
        described |= {
            "advertisedRoutes": list(node.get("availableRoutes") or ()),
            "enabledRoutes": list(node.get("approvedRoutes") or ()),
            "clientConnectivity": {},
            "sshEnabled": False,
        }
    return described
