"""The service map: one service is a card, what brings it about, and all that reaches, watches and keeps it.

`read(root)` reads files and nothing else: no engine, no network, no clock. What it cannot find it says.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blumeops.errors import Problem
from blumeops.services import aspects, landscape
from blumeops.services.landscape import Landscape
from blumeops.services.manifests import Fact
from blumeops.services.model import Application, Card, Layer, Role, Route, Service, ServiceMap, normal


def read(root: Path, docs: Path | None = None) -> ServiceMap:
    """The service map of a repository; `docs` is its vault, by default `root / docs`, or the root."""
    root = root.resolve()
    problems: list[Problem] = []
    docs = docs or (root / "docs" if (root / "docs").is_dir() else root)
    land = landscape.read(root, docs.resolve(), problems)
    drafts = _drafts(land, problems)
    owners = {id(part): draft.name for draft in drafts for part in draft.parts()}
    services = tuple(_service(draft, land, owners) for draft in drafts)
    problems += aspects.holes(services)
    problems += aspects.strays(land, owners)
    return ServiceMap(services, tuple(sorted(problems, key=lambda one: (one.path, one.line, one.what))))


def problems(root: Path, docs: Path | None = None) -> list[Problem]:
    """Every hole and stray of a repository's service map; a check like those of the docs."""
    return list(read(root, docs).problems)


@dataclass
class _Draft:
    """A service while its parts are collected."""

    name: str
    card: Card | None = None
    applications: list[Application] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)

    def parts(self) -> Iterator[Application | Role]:
        yield from self.applications
        yield from self.roles


def _drafts(land: Landscape, found: list[Problem]) -> list[_Draft]:
    """Services by name: a declared card collects what it runs; the rest is a service by its own name."""
    drafts: dict[str, _Draft] = {}
    owner: dict[str, str] = {}
    for card in (card for card in land.cards if card.declared):
        name = normal(card.service)
        if name in drafts:
            first = drafts[name].card
            where = first.fact.where if first else ""
            what = f"a second card of the service {card.service}; the first is {where}"
            found.append(Problem(what, card.fact.path, card.fact.line, hint="keep one, and link to it"))
            continue
        drafts[name] = _Draft(name, card)
        owner |= {normal(part): name for part in (card.runs or (card.service,))}
    for one in land.applications:
        name = owner.get(normal(one.name), normal(one.name))
        drafts.setdefault(name, _Draft(name)).applications.append(one)
    for role in land.hosts.roles:
        name = owner.get(normal(role.name), normal(role.name))
        if role.units or role.image or normal(role.name) in owner:
            drafts.setdefault(name, _Draft(name)).roles.append(role)
    _dead_cards(drafts, land, found)
    by_stem = {normal(card.service): card for card in land.cards if not card.declared}
    for draft in drafts.values():
        draft.card = draft.card or by_stem.get(draft.name)
    return [drafts[name] for name in sorted(drafts)]


def _dead_cards(drafts: dict[str, _Draft], land: Landscape, found: list[Problem]) -> None:
    parts = [one.name for one in land.applications] + [role.name for role in land.hosts.roles]
    for name, draft in list(drafts.items()):
        if draft.card and not (draft.applications or draft.roles):
            near = difflib.get_close_matches(draft.card.service, parts, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "remove the page, or its `service` line"
            what = f"the card of {draft.card.service}, which no Application and no role brings about"
            found.append(Problem(what, draft.card.fact.path, draft.card.fact.line, hint=hint))
            del drafts[name]


def _service(draft: _Draft, land: Landscape, owners: dict[int, str]) -> Service:
    application = next(iter(draft.applications), None)
    roles = tuple(draft.roles)
    hosts = tuple({host.value: host for role in roles for host in role.hosts}.values())
    hosts = hosts or (land.nodes if application else ())
    image = _main_image(application) or next((role.image for role in roles if role.image), None)
    return Service(
        name=draft.name,
        title=draft.card.title if draft.card else draft.name,
        layer=Layer.CLUSTER if application else Layer.HOSTS if roles else Layer.NONE,
        card=draft.card,
        application=application,
        roles=roles,
        image=image,
        version=_version(image, application, roles),
        hosts=hosts,
        tags=tuple(tag for host in hosts for tag in land.tags.get(host.value, ())),
        routes=(routes := tuple(_routes(draft, land, owners))),
        aspects=tuple(aspects.of(draft, routes, hosts, land, owners)),
    )


def _main_image(application: Application | None) -> Fact | None:
    """The image of the workload that is called as the Application is, or else of its first one."""
    workloads = application.workloads if application else ()
    ordered = sorted(
        workloads, key=lambda one: not application or normal(one.name) != normal(application.name)
    )
    return next((image for one in ordered for image in one.images), None)


def _version(image: Fact | None, application: Application | None, roles: tuple[Role, ...]) -> Fact | None:
    if image and (tag := image.value.rpartition("/")[2].partition(":")[2]):
        return Fact(tag.partition("@")[0], image.path, image.line)
    if application and application.version:
        return application.version
    return next((role.version for role in roles if role.version), None)


def _routes(draft: _Draft, land: Landscape, owners: dict[int, str]) -> Iterator[Route]:
    """The routes that lead here: by who listens at the upstream, or else by the name."""
    for route in land.routes:
        if aspects.owner_of(route, land, owners) == draft.name:
            yield route
