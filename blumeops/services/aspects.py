"""What a service should have and whether it has it: a card, a route, a probe, a backup, a dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from blumeops.errors import Problem
from blumeops.services import landscape
from blumeops.services.evidence import Address
from blumeops.services.landscape import Landscape
from blumeops.services.manifests import Fact
from blumeops.services.model import Application, Aspect, Card, Cover, Role, Route, Service, normal

HINTS = {
    "card": "write one: a page in docs/ with `service: {name}` in its front matter",
    "route": "add a site that leads to it, or write `route: none, because …` on its card",
    "probe": "add it to Gatus, or write `probe: none, because …` on its card",
    "backup": "add its path to what is backed up, or write `backup: none, because …` on its card",
    "dashboard": "tag a dashboard with its name, or write `dashboard: none, because …` on its card",
}


class Parts(Protocol):
    """What a service is made of, while it is put together."""

    name: str
    card: Card | None
    applications: list[Application]
    roles: list[Role]


def of(
    parts: Parts, routes: tuple[Route, ...], hosts: Sequence[Fact], land: Landscape, owners: Mapping[int, str]
) -> Iterator[Aspect]:
    """The five aspects of a service, in the order of the table."""
    yield _card(parts.card, land)
    seen = (
        _route(parts, routes, land),
        _probe(parts, land, owners),
        _backup(parts, hosts, land),
        _dashboard(parts, land),
    )
    for aspect in seen:
        intended = parts.card.none(aspect.name) if parts.card else None
        if aspect.cover in (Cover.HOLE, Cover.UNKNOWN) and intended:
            why = intended.value.partition("none")[2].lstrip(" ,").removeprefix("because ")
            yield Aspect(aspect.name, Cover.INTENDED, (), why)
        else:
            yield aspect


def _card(card: Card | None, land: Landscape) -> Aspect:
    if card:
        return Aspect("card", Cover.THERE, (card.fact,))
    return _absent("card", any(one.declared for one in land.cards), "which page is the card of a service")


def _route(parts: Parts, routes: tuple[Route, ...], land: Landscape) -> Aspect:
    if routes:
        return Aspect("route", Cover.THERE, tuple(Fact(r.host, r.fact.path, r.fact.line) for r in routes))
    serves = any(one.services for one in parts.applications) or any(role.ports for role in parts.roles)
    if not serves and any(one.chart for one in parts.applications):
        return Aspect("route", Cover.UNKNOWN, (), "what a Helm chart serves does not stand here")
    if not serves:
        return Aspect("route", Cover.NOT_NEEDED, (), "it serves nothing")
    return _absent("route", bool(land.routes), "a reverse proxy")


def _probe(parts: Parts, land: Landscape, owners: Mapping[int, str]) -> Aspect:
    found = [p.fact for p in land.probes if owner_of(p, land, owners) == parts.name]
    units = [unit for role in parts.roles for unit in role.units]
    if found or units:
        return Aspect("probe", Cover.THERE, tuple(found or units))
    return _absent("probe", bool(land.probes), "a probe")


def _backup(parts: Parts, hosts: Sequence[Fact], land: Landscape) -> Aspect:
    kept = [
        (fact, host)
        for one in parts.applications
        for w in one.workloads
        for fact in w.kept
        for host in _names(hosts)
    ]
    kept += [(fact, host.value) for role in parts.roles for fact in role.kept for host in role.hosts]
    if not kept:
        if any(one.chart for one in parts.applications):
            return Aspect("backup", Cover.UNKNOWN, (), "what a Helm chart keeps does not stand here")
        if parts.roles:
            return Aspect("backup", Cover.UNKNOWN, (), "what its package keeps does not stand here")
        return Aspect("backup", Cover.NOT_NEEDED, (), "its pods keep nothing")
    covering = [(fact, _covering(fact, host, land)) for fact, host in kept if not _is_claim(fact)]
    if not covering:
        return Aspect("backup", Cover.UNKNOWN, (), "where its claims lie does not stand here")
    lacking = tuple(dict.fromkeys(fact for fact, by in covering if by is None))
    if not lacking:
        return Aspect("backup", Cover.THERE, tuple(dict.fromkeys(by for _, by in covering if by)))
    aspect = _absent("backup", bool(land.backups), "what is backed up")
    return Aspect("backup", aspect.cover, lacking if aspect.cover is Cover.HOLE else (), aspect.why)


def _is_claim(kept: Fact) -> bool:
    return not kept.value.startswith("/")


def _names(hosts: Sequence[Fact]) -> list[str]:
    return [host.value for host in hosts] or [""]


def _covering(kept: Fact, host: str, land: Landscape) -> Fact | None:
    for backup in land.backups:
        here = not host or not backup.hosts or host in backup.hosts
        if here and (fact := backup.covers(kept.value)):
            return Fact(f"/{fact.value.strip('/')}", fact.path, fact.line)
    return None


def _dashboard(parts: Parts, land: Landscape) -> Aspect:
    found = [one.fact for one in land.dashboards if parts.name in {tag.casefold() for tag in one.tags}]
    return (
        Aspect("dashboard", Cover.THERE, tuple(found))
        if found
        else _absent("dashboard", bool(land.dashboards), "a dashboard")
    )


def _absent(name: str, anywhere: bool, thing: str) -> Aspect:
    """A hole where others have it; where the whole repository does not say, nobody can call it one."""
    if anywhere:
        return Aspect(name, Cover.HOLE)
    return Aspect(name, Cover.UNKNOWN, (), f"nothing in this repository says {thing}")


def owner_of(pointer: Route | Address, land: Landscape, owners: Mapping[int, str]) -> str:
    """The name of the service that a route or a probe leads to; empty when it is nobody's."""
    if isinstance(pointer, Route) and not pointer.upstream:
        proxy = next((role for role in land.hosts.roles if role.name == pointer.proxy), None)
        return owners.get(id(proxy), "")
    url = pointer.upstream if isinstance(pointer, Route) else pointer.url
    found = landscape.listener(land, url, near=pointer).made_by
    if found is not None:
        return owners.get(id(found), "")
    return name if isinstance(pointer, Route) and (name := normal(pointer.name)) in owners.values() else ""


def holes(services: Sequence[Service]) -> Iterator[Problem]:
    """A problem for each thing that a service should have and has not, at the place that it is about."""
    for service in services:
        for aspect in service.aspects:
            if aspect.cover is not Cover.HOLE:
                continue
            at = aspect.facts[0] if aspect.facts else service.made_by[0]
            what = f"{service.name}: {_words(aspect)}"
            yield Problem(what, at.path, at.line, hint=HINTS[aspect.name].format(name=service.name))


def _words(aspect: Aspect) -> str:
    match aspect.name:
        case "card":
            return "no card"
        case "route":
            return "no route leads to it"
        case "probe":
            return "no health probe"
        case "backup":
            return f"{', '.join(map(str, aspect.facts))} is not backed up"
        case _:
            return f"no {aspect.name}"


def strays(land: Landscape, owners: Mapping[int, str]) -> Iterator[Problem]:
    """What points at something that is not there: routes to nothing, probes of a service that is gone.

    Where no page is declared a card, much may run that stands nowhere: nothing is called a stray then.
    """
    if not any(card.declared for card in land.cards):
        return
    for route in land.routes:
        found = landscape.listener(land, route.upstream, near=route) if route.upstream else None
        if found and found.made_by is None and found.known:
            what = f"the route {route.host} leads to {route.upstream}, where nothing listens"
            yield Problem(
                what, route.fact.path, route.fact.line, hint="open that port, or take the route away"
            )
    for address, kind in [
        *((p, "probe") for p in land.probes),
        *((s, "source of data") for s in land.sources),
    ]:
        found = landscape.listener(land, address.url, near=address)
        if found.made_by is None and found.known:
            what = f"the {kind} {address.name!r} looks at {address.url}, where nothing listens"
            yield Problem(
                what,
                address.fact.path,
                address.fact.line,
                hint="the service is gone: remove it, or correct the address",
            )
