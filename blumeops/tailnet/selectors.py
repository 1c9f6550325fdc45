"""The words of a policy that stand for people, devices and addresses, and for ports and protocols.

Source: Tailscale's policy reference; messages are the control plane's own.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Autogroups of people: a role in the tailnet. A sandbox has no roles, so all but `member` are empty there.
ROLES = frozenset(
    f"autogroup:{role}"
    for role in (
        "admin",
        "auditor",
        "billing-admin",
        "it-admin",
        "member",
        "members",
        "network-admin",
        "owner",
    )
)
AUTOGROUPS = ROLES | {
    "autogroup:danger-all",
    "autogroup:internet",
    "autogroup:nonroot",
    "autogroup:self",
    "autogroup:shared",
    "autogroup:tagged",
}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipv4": 4,
    "ip-in-ip": 4,
    "tcp": 6,
    "egp": 8,
    "igp": 9,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "sctp": 132,
}
TCP, UDP = 6, 17
# A rule that names no protocol lets these through: TCP, UDP, and ICMP of both families.
USUAL_PROTOCOLS = frozenset({1, TCP, UDP, 58})
WITH_PORTS = frozenset({TCP, UDP, 132})
LAST_PORT = 65535


class Kind(Enum):
    """What a selector stands for."""

    ANY = "*"
    TAG = "tag"
    GROUP = "group"
    AUTOGROUP = "autogroup"
    USER = "user"
    DOMAIN = "users of a domain"
    HOST = "host"
    NETWORK = "address or network"
    OTHER = "ip set, service or posture"
    UNKNOWN = "unknown"


_PREFIXES = {
    "tag:": Kind.TAG,
    "group:": Kind.GROUP,
    "autogroup:": Kind.AUTOGROUP,
    "user:*@": Kind.DOMAIN,
    "ipset:": Kind.OTHER,
    "svc:": Kind.OTHER,
    "posture:": Kind.OTHER,
}
_HOST = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*")


def kind(selector: str, hosts: Container[str] = ()) -> Kind:
    """What a selector stands for; `hosts` are the names of the policy's `hosts`."""
    if selector == "*":
        return Kind.ANY
    for prefix, found in _PREFIXES.items():
        if selector.startswith(prefix):
            return found
    if selector in hosts:
        return Kind.HOST
    if network(selector):
        return Kind.NETWORK
    return Kind.USER if "@" in selector else Kind.UNKNOWN


@functools.lru_cache(maxsize=4096)
def network(text: str) -> Network | None:
    """An address or a network in CIDR form, also an IPv6 address in brackets; None if it is neither."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_host_name(text: str) -> bool:
    """Whether a text can be a name in `hosts`."""
    return bool(_HOST.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of ports, both ends in it."""

    first: int
    last: int

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        if self == ALL_PORTS:
            return "*"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


ALL_PORTS = Ports(0, LAST_PORT)


class BadPorts(ValueError):
    """A text is no list of ports; the message is the control plane's."""


def ports(text: str) -> tuple[Ports, ...]:
    """`*`, or ports and ranges with commas between. Raises `BadPorts`."""
    return tuple(_range(part.strip()) for part in text.split(","))


def _range(text: str) -> Ports:
    if text == "*":
        return ALL_PORTS
    first, dash, last = text.partition("-")
    low = _port(text, first, "first")
    high = _port(text, last, "last") if dash else low
    if low > high:
        raise BadPorts(f'port range "{text}": first port is after the last')
    return Ports(low, high)


def _port(text: str, digits: str, which: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", digits) or int(digits) > LAST_PORT:
        raise BadPorts(f'port range "{text}": invalid {which} integer')
    return int(digits)


def protocol(text: str) -> int | None:
    """The number of a protocol that is given by name or number; None if there is none such."""
    if text.isascii() and text.isdigit() and int(text[:4]) <= 255:
        return int(text)
    return PROTOCOLS.get(text.lower())


def split_ports(target: str) -> tuple[str, str]:
    """`tag:nas:22` as `tag:nas` and `22`: what stands after the last colon are the ports."""
    host, _, after = target.rpartition(":")
    return host, after
