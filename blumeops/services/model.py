"""What is known of a service, each fact with the place that says so, and the words for what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from blumeops.errors import Problem
from blumeops.services.manifests import Fact


def normal(name: str) -> str:
    """A service's name whatever layer writes it: `node_exporter` and `Node-Exporter` are `node-exporter`."""
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


class Layer(StrEnum):
    """Which layer brings a service about; a card alone brings nothing."""

    HOSTS = "hosts"
    CLUSTER = "cluster"
    NONE = "none"


class Cover(StrEnum):
    """Whether a service has what a service should have.

    `INTENDED`: its card says `none, because …`. `NOT_NEEDED`: the repository itself shows that there is
    nothing to cover. `UNKNOWN`: the repository says nothing of this for any service. `HOLE`: it should be
    there and is not, which is a problem.
    """

    THERE = "there"
    INTENDED = "none, on purpose"
    NOT_NEEDED = "not needed"
    UNKNOWN = "unknown"
    HOLE = "missing"


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that a service should have (`card`, `route`, `probe`, `backup` or `dashboard`)."""

    name: str
    cover: Cover
    facts: tuple[Fact, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        said = ", ".join(dict.fromkeys(str(fact) for fact in self.facts)) or self.cover.value
        return f"{said} ({self.why})" if self.why else said


@dataclass(frozen=True, slots=True)
class Route:
    """A name that the reverse proxy answers to, and where it passes requests on; no upstream: files."""

    name: str
    host: str
    upstream: str
    proxy: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet, DaemonSet or CronJob: what it runs, where it listens, what it keeps.

    `ports` are those of its containers, `host_ports` those it opens on its node, `kept` the paths on the
    node and the claims that outlive a pod.
    """

    kind: str
    name: str
    namespace: str
    images: tuple[Fact, ...]
    ports: tuple[Fact, ...]
    host_ports: tuple[Fact, ...]
    kept: tuple[Fact, ...]
    fact: Fact


@dataclass(frozen=True, slots=True)
class Application:
    """An Argo CD Application with what its folder deploys; `chart` is a Helm chart and its version."""

    name: str
    namespace: str
    fact: Fact
    folders: tuple[str, ...]
    workloads: tuple[Workload, ...] = ()
    services: tuple[Fact, ...] = ()
    chart: Fact | None = None
    version: Fact | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """An Ansible role: the packages it installs, the units it keeps running, where it listens and writes."""

    name: str
    fact: Fact
    hosts: tuple[Fact, ...]
    packages: tuple[Fact, ...] = ()
    units: tuple[Fact, ...] = ()
    ports: tuple[Fact, ...] = ()
    kept: tuple[Fact, ...] = ()
    version: Fact | None = None
    image: Fact | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """The page of a service, and what its front matter says that the service does not have, and why."""

    service: str
    title: str
    page: str
    fact: Fact
    description: str = ""
    runs: tuple[str, ...] = ()
    intended: tuple[Fact, ...] = ()
    declared: bool = True

    def none(self, aspect: str) -> Fact | None:
        """What the card says about something that is missing on purpose (`backup: none, because …`)."""
        return next((fact for fact in self.intended if fact.value.startswith(f"{aspect}: ")), None)


@dataclass(frozen=True, slots=True)
class Service:
    """One service over all layers. Every `Fact` in it names its file and line."""

    name: str
    title: str
    layer: Layer
    card: Card | None
    application: Application | None
    roles: tuple[Role, ...]
    image: Fact | None
    version: Fact | None
    hosts: tuple[Fact, ...]
    tags: tuple[Fact, ...]
    routes: tuple[Route, ...]
    aspects: tuple[Aspect, ...]

    def aspect(self, name: str) -> Aspect:
        """One of its aspects by name. Raises `KeyError` for an unknown one."""
        return {aspect.name: aspect for aspect in self.aspects}[name]

    @property
    def units(self) -> tuple[Fact, ...]:
        """The systemd units that its roles keep running."""
        return tuple(unit for role in self.roles for unit in role.units)

    @property
    def package(self) -> Fact | None:
        """The distribution's package that it is installed from."""
        return next((package for role in self.roles for package in role.packages), None)

    @property
    def made_by(self) -> tuple[Fact, ...]:
        """The Application and the roles that bring it about."""
        return (*((self.application.fact,) if self.application else ()), *(role.fact for role in self.roles))

    def __str__(self) -> str:
        return f"{self.name}: {self.layer.value}, on {', '.join(map(str, self.hosts)) or 'unknown'}"


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Every service of a repository by name, and every hole and stray with its place and what to do."""

    services: tuple[Service, ...]
    problems: tuple[Problem, ...]

    def __getitem__(self, name: str) -> Service:
        return {service.name: service for service in self.services}[name]
