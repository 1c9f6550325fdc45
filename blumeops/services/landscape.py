"""Everything that was read of a repository at once, and who answers at an address in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.errors import Problem
from blumeops.services import cluster, evidence, manifests
from blumeops.services import hosts as ansible
from blumeops.services.evidence import Address, Backup, Dashboard
from blumeops.services.hosts import Hosts
from blumeops.services.manifests import Fact
from blumeops.services.model import Application, Card, Role, Route

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "host.docker.internal")
CLUSTER_GROUPS = ("cluster", "kubernetes", "k8s", "k3s", "k3s_cluster", "minikube")
"""Inventory groups that say which hosts are the cluster's nodes."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """The evidence: Applications, hosts and roles, and all that points at them."""

    applications: tuple[Application, ...]
    hosts: Hosts
    routes: tuple[Route, ...]
    probes: tuple[Address, ...]
    sources: tuple[Address, ...]
    dashboards: tuple[Dashboard, ...]
    backups: tuple[Backup, ...]
    tags: Mapping[str, tuple[Fact, ...]]
    cards: tuple[Card, ...]

    @property
    def nodes(self) -> tuple[Fact, ...]:
        """The hosts that the cluster runs on, as far as the inventory says."""
        groups = (self.hosts.groups.get(name, ()) for name in CLUSTER_GROUPS)
        return next((group for group in groups if group), ())

    def machines(self) -> set[str]:
        """Every machine that the repository names."""
        return {host.value for host in self.hosts.groups.get("all", ())} | set(self.tags)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who answers at an address: an Application or a role, or nobody; `known` is False when nothing says."""

    made_by: Application | Role | None
    known: bool = True


def read(root: Path, docs: Path, problems: list[Problem]) -> Landscape:
    """Read a repository: `homelab/` in it when it is there, else all of it. Adds to `problems`."""
    files = manifests.files(root)
    known = ansible.hosts(files, problems)
    probes, sources, dashboards = evidence.watched(files)
    applications = tuple(cluster.applications(files, problems))
    return Landscape(
        applications=applications,
        hosts=known,
        routes=tuple(evidence.routes(files, known)),
        probes=tuple(probes),
        sources=tuple(sources),
        dashboards=tuple(dashboards),
        backups=tuple(evidence.backups(known, root)),
        tags=evidence.tags(files, problems),
        cards=tuple(evidence.cards(docs, root)) if docs.is_dir() and (applications or known.roles) else (),
    )


def split(url: str) -> tuple[str, int]:
    """Host and port of a URL or of `host:port`; 0 when the address does not say and the scheme does not."""
    found = re.match(
        r"(?:(?P<scheme>\w+)://)?(?:[^@/]*@)?(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d+))?", url
    )
    if not found:
        return "", 0
    usual = {"http": 80, "https": 443, "ws": 80, "wss": 443}.get(found["scheme"] or "", 0)
    return found["host"].lower(), int(found["port"] or usual)


def listener(land: Landscape, url: str, *, near: Address | Route) -> Listener:
    """Who listens at an address, seen from the thing that names it.

    Names of the cluster are `SERVICE`, `SERVICE.NAMESPACE` and longer ones; `127.0.0.1` is the proxy's host.
    """
    host, port = split(url)
    if isinstance(near, Route) and host in LOOPBACK:
        proxies = next((role.hosts for role in land.hosts.roles if role.name == near.proxy), ())
        return _on_hosts(land, [fact.value for fact in proxies], port)
    if (machine := _machine(land, host)) is not None:
        return _on_hosts(land, [machine], port)
    if route := next((r for r in land.routes if r.host == host), None):
        return listener(land, route.upstream, near=route) if route.upstream else _proxy(land, route)
    return _in_cluster(land, host.split("."), near)


def _machine(land: Landscape, host: str) -> str | None:
    name = host.partition(".")[0]
    domain = land.hosts.variable("tailnet_domain")
    whole = {name, f"{name}.{domain.value}"} if domain else {name}
    return name if name in land.machines() and host in whole else None


def _proxy(land: Landscape, route: Route) -> Listener:
    return Listener(next((role for role in land.hosts.roles if role.name == route.proxy), None))


def _on_hosts(land: Landscape, machines: list[str], port: int) -> Listener:
    """A role with that port on these hosts, or a workload that opens it on its node.

    When a role there runs something whose port stands nowhere, nobody can say that the port is closed.
    """
    roles = [role for role in land.hosts.roles if {h.value for h in role.hosts} & set(machines)]
    for role in roles:
        if str(port) in {fact.value for fact in role.ports}:
            return Listener(role)
    nodes = {node.value for node in land.nodes}
    for one in land.applications if not nodes or nodes & set(machines) else ():
        if str(port) in _node_ports(one):
            return Listener(one)
    silent = any((role.units or role.image) and not role.ports and not _timers_only(role) for role in roles)
    return Listener(None, known=bool(machines) and not silent and not any(a.chart for a in land.applications))


def _timers_only(role: Role) -> bool:
    return all(unit.value.endswith(".timer") for unit in role.units)


def _node_ports(one: Application) -> set[str]:
    """The ports that an Application opens on its node: `hostPort` of a container, `nodePort` of a Service."""
    opened = {fact.value for workload in one.workloads for fact in workload.host_ports}
    return opened | {fact.value.split(":")[2] for fact in one.services if fact.value.count(":") == 2}


def _in_cluster(land: Landscape, parts: list[str], near: Address | Route) -> Listener:
    """A Service by its name in the cluster; a bare name is looked up beside the file that uses it."""
    name, namespace = parts[0], parts[1] if len(parts) > 1 else ""
    if len(parts) > 2 and parts[2] != "svc":
        return Listener(None, known=False)  # a name of the world outside
    for one in land.applications:
        beside = any(near.fact.path.startswith(f"{folder}/") for folder in one.folders)
        if namespace == one.namespace or (not namespace and beside):
            named = {fact.value.partition(":")[0] for fact in one.services}
            if name in named or one.chart or not named:
                return Listener(one)
            return Listener(None)
    inside = len(parts) > 2 or (
        not namespace
        and any(near.fact.path.startswith(f"{f}/") for a in land.applications for f in a.folders)
    )
    return Listener(None, known=inside and not any(one.chart for one in land.applications))
