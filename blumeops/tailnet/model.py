"""What a policy says, as values: rules, tests and names, each with its place in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blumeops.tailnet.hujson import Document, Pointer

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acl:
    """Who may reach which ports of whom; `dst` words end in their ports."""

    at: Pointer
    action: str
    src: Names
    dst: Names
    proto: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may reach whom: `ip` are ports and protocols, `app` capabilities, `via` routers on the way."""

    at: Pointer
    src: Names
    dst: Names
    ip: Names
    app: Names
    via: Names


@dataclass(frozen=True, slots=True)
class SshRule:
    """Who may log in where as whom over Tailscale SSH."""

    at: Pointer
    action: str
    src: Names
    dst: Names
    users: Names
    check_period: str


@dataclass(frozen=True, slots=True)
class Test:
    """What `src` must reach (`accept`) and must not reach (`deny`); written as `host:port`."""

    at: Pointer
    src: str
    proto: str
    accept: Names
    deny: Names


@dataclass(frozen=True, slots=True)
class SshTest:
    """As which users `src` may log in on every `dst`: without a check, after a check, not at all."""

    at: Pointer
    src: str
    dst: Names
    accept: Names
    check: Names
    deny: Names


@dataclass(frozen=True, slots=True)
class NodeAttr:
    """Attributes for the devices that `target` selects."""

    at: Pointer
    target: Names


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy whose shape is right; whether it makes sense is for `policy.lint` to say.

    `acls` and `grants` are None when the policy has no such section: without both, Tailscale lets everything
    through, while with an empty list it lets nothing through.
    """

    document: Document
    groups: Mapping[str, Names]
    tag_owners: Mapping[str, Names]
    hosts: Mapping[str, str]
    acls: tuple[Acl, ...] | None
    grants: tuple[Grant, ...] | None
    ssh: tuple[SshRule, ...]
    tests: tuple[Test, ...]
    ssh_tests: tuple[SshTest, ...]
    node_attrs: tuple[NodeAttr, ...]
    route_approvers: Mapping[str, Names]
    exit_node_approvers: Names

    @property
    def open_to_all(self) -> bool:
        """Whether the policy has no rules at all, which means that everyone reaches everything."""
        return self.acls is None and self.grants is None

    def position(self, pointer: Pointer) -> tuple[int, int]:
        """Line and column of a part of the policy."""
        return self.document.position(pointer)
