"""What stands beside the services and is about them: routes, probes, backups, dashboards, tags, cards."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.services import manifests
from blumeops.services.hosts import Hosts, Variable
from blumeops.services.manifests import Document, Fact, Files
from blumeops.services.model import Card, Role, Route

_UPSTREAM = ("upstream", "backend", "proxy_to", "target")
_BACKED_UP = re.compile(r"(?:borg|restic|backup)\w*_(?:paths|directories|sources|folders)$")
_EXCLUDED = re.compile(r"--exclude[ =](\S+)")
_DOMAIN = re.compile(r"\b(\w*domain)\b")
_SITE = re.compile(r"^(?P<name>[a-z][\w.-]*\.[\w.-]+)(?::\d+)?(?:,.*)? \{$")
_PROXIED = re.compile(r"^\s*reverse_proxy\s+(?:\S+://)?(?P<to>[\w.-]+:\d+)")
CARD_BYTES = 20_000
"""How much of a page is read for its front matter, which is shorter."""
ASPECTS = ("route", "probe", "backup", "dashboard")
"""What a card may declare as missing on purpose, as `ASPECT: none, because …`."""


@dataclass(frozen=True, slots=True)
class Address:
    """Something in the repository that points at a service by URL: a probe, a source of data."""

    name: str
    url: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A Grafana dashboard: its title and tags; a tag that is a service's name makes it that service's."""

    title: str
    tags: tuple[str, ...]
    fact: Fact


@dataclass(frozen=True, slots=True)
class Backup:
    """Paths that are backed up and those left out of it, on which hosts, by which role."""

    paths: tuple[Fact, ...]
    excluded: tuple[str, ...]
    hosts: tuple[str, ...]
    role: str

    def covers(self, path: str) -> Fact | None:
        """The entry that takes a path along; None when it is not backed up."""
        inside = [fact for fact in self.paths if _below(path, f"/{fact.value.strip('/')}")]
        left_out = any(_below(path, f"/{word.strip('/')}") for word in self.excluded)
        return inside[0] if inside and not left_out else None


def _below(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def routes(files: Files, known: Hosts) -> list[Route]:
    """What the reverse proxy serves: lists of sites in variables, and sites written out in a Caddyfile."""
    found = [route for variable in known.variables for route in _listed(files, variable, known)]
    for path in files.ending("Caddyfile", "Caddyfile.j2"):
        found += _written_out(path, files.root)
    by_name: dict[str, Route] = {}
    for route in found:
        by_name.setdefault(route.host, route)
    return list(by_name.values())


def _listed(files: Files, variable: Variable, known: Hosts) -> Iterator[Route]:
    items = variable.value if isinstance(variable.value, list) else []
    sites = [(n, one) for n, one in enumerate(items) if isinstance(one, dict) and _is_site(one)]
    if not sites:
        return
    role, domain = _template_of(files, variable.name)
    suffix = known.resolve(f"{{{{ {domain} }}}}") if domain else ""
    for n, one in sites:
        name = str(one.get("name") or one.get("host"))
        upstream = next((str(one[key]) for key in _UPSTREAM if one.get(key)), "")
        line = variable.document.line(variable.name, n, "name" if "name" in one else "host")
        host = str(one.get("host") or one.get("domain") or (f"{name}.{suffix}" if suffix else name))
        address = re.sub(r"^\w+://", "", known.resolve(upstream)).rstrip("/")
        place = Fact(name, variable.document.path, line)
        yield Route(name, known.resolve(host), address, role, place)


def _is_site(one: dict[str, object]) -> bool:
    return bool(one.get("name") or one.get("host")) and (
        any(isinstance(one.get(key), str) for key in _UPSTREAM) or one.get("root") is True
    )


def _template_of(files: Files, name: str) -> tuple[str, str]:
    """The role whose template goes through a variable, and the variable with the domain in that template."""
    for path in files.ending(".j2"):
        text = path.read_text(encoding="utf-8", errors="replace")
        if name in text and ("reverse_proxy" in text or "proxy_pass" in text):
            domain = _DOMAIN.search(text)
            return path.parents[1].name, domain[1] if domain else ""
    return "", ""


def _written_out(path: Path, root: Path) -> Iterator[Route]:
    site = None
    role = path.parents[1].name if path.parents[2].name == "roles" else path.parent.name
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if found := _SITE.match(line):
            site = (
                Fact(found["name"].partition(".")[0], path.relative_to(root).as_posix(), number),
                found["name"],
            )
        elif site and (found := _PROXIED.match(line)):
            yield Route(site[0].value, site[1], found["to"], role, site[0])
            site = None


def backups(known: Hosts, root: Path) -> list[Backup]:
    """Every list of paths that a role backs up; a list of a group wins over the role's default."""
    names = {variable.name for variable in known.variables if _BACKED_UP.search(variable.name)}
    made = []
    for name in sorted(names):
        variable = known.variable(name)
        items = variable.value if variable and isinstance(variable.value, list) else []
        role = _role_of(name, known)
        if variable and items:
            paths = (
                Fact(str(p), variable.document.path, variable.document.line(name, n))
                for n, p in enumerate(items)
            )
            hosts = tuple(host.value for host in role.hosts) if role else ()
            made.append(Backup(tuple(paths), _excluded(role, root), hosts, role.name if role else ""))
    return made


def _role_of(variable: str, known: Hosts) -> Role | None:
    owners = {one.role for one in known.variables if one.name == variable and one.role}
    return next((role for role in known.roles if role.name in owners), None)


def _excluded(role: Role | None, root: Path) -> tuple[str, ...]:
    if role is None:
        return ()
    folder = (root / role.fact.path).parents[1] / "templates"
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*"))]
    return tuple(dict.fromkeys(word for text in texts for word in _EXCLUDED.findall(text)))


def watched(files: Files) -> tuple[list[Address], list[Address], list[Dashboard]]:
    """The probes of Gatus, the data sources of Grafana and its dashboards, in files and in ConfigMaps."""
    probes: list[Address] = []
    sources: list[Address] = []
    dashboards: list[Dashboard] = []
    for path in files.ending(".yaml", ".yml"):
        data = path.read_bytes()
        if not any(mark in data for mark in (b"endpoints:", b"datasources:", b'"panels"')):
            continue
        for one in _configurations(path, files):
            probes += _addresses(one, "endpoints")
            sources += _addresses(one, "datasources")
            dashboards += _embedded(one)
    for path in files.ending(".json"):
        if b'"panels"' in (data := path.read_bytes()):
            dashboards += _dashboard(data.decode("utf-8", "replace"), files.shown(path), 1)
    return probes, sources, dashboards


def _configurations(path: Path, files: Files) -> Iterator[Document]:
    """A file's documents, and those that stand as text in a ConfigMap's data."""
    try:
        read = manifests.documents(path, files.shown(path))
    except BadInput:
        return  # reported where the file is read for what it is
    for one in read:
        yield one
        for key, text in one.mapping("data").items():
            if key.endswith((".yaml", ".yml")) and isinstance(text, str):
                try:
                    yield from manifests.parse(text, one.path, first_line=one.line("data", key) + 1)
                except BadInput:
                    continue


def _addresses(one: Document, key: str) -> Iterator[Address]:
    for n, entry in enumerate(one.items(key)):
        if isinstance(entry, dict) and entry.get("name") and isinstance(entry.get("url"), str):
            fact = Fact(str(entry["name"]), one.path, one.line(key, n, "url"))
            yield Address(str(entry["name"]), entry["url"], fact)


def _embedded(one: Document) -> Iterator[Dashboard]:
    for key, text in one.mapping("data").items():
        if key.endswith(".json") and isinstance(text, str):
            yield from _dashboard(text, one.path, one.line("data", key))


def _dashboard(text: str, path: str, line: int) -> Iterator[Dashboard]:
    try:
        made = json.loads(text)
    except ValueError:
        return
    if isinstance(made, dict) and made.get("title") and isinstance(made.get("panels"), list):
        tags = made.get("tags") or []
        title = str(made["title"])
        yield Dashboard(title, tuple(str(tag) for tag in tags), Fact(title, path, line))


def tags(files: Files, problems: list[Problem]) -> Mapping[str, tuple[Fact, ...]]:
    """The tailnet tags of each device, from the `[devices]` table of a TOML file."""
    found: dict[str, tuple[Fact, ...]] = {}
    for path in files.ending(".toml"):
        text, shown = path.read_text(encoding="utf-8", errors="replace"), files.shown(path)
        try:
            devices = tomllib.loads(text).get("devices")
        except ValueError as error:
            problems.append(Problem(f"not TOML: {error}", shown))
            continue
        for name, words in devices.items() if isinstance(devices, dict) else ():
            lines = text.splitlines()
            line = next(
                (n for n, one in enumerate(lines, 1) if re.match(rf'"?{re.escape(name)}"?\s*=', one)), 0
            )
            found[name] = tuple(Fact(str(tag), shown, line) for tag in words if isinstance(words, list))
    return found


def cards(docs: Path, root: Path) -> list[Card]:
    """Every page of a vault as the card that it might be; `declared` when its front matter has `service`."""
    made: list[Card] = []
    for path in sorted(docs.rglob("*.md")):
        if any(part.startswith(".") for part in path.relative_to(docs).parts):
            continue
        with path.open("rb") as file:
            head = file.read(CARD_BYTES).decode("utf-8", "replace")
        shown, page = path.relative_to(root).as_posix(), path.relative_to(docs).as_posix()
        if "\nservice:" in head:
            made += _declared(head, page, shown)
        else:
            made.append(Card(path.stem, path.stem, page, Fact(path.stem, shown, 1), declared=False))
    return made


def _declared(head: str, page: str, shown: str) -> Iterator[Card]:
    from blumeops.site import frontmatter

    try:
        front = frontmatter.read(head, source=shown)
    except BadInput:
        return  # the check of links reports it
    if not front.text("service"):
        return
    line = {text.partition(":")[0]: n for n, text in enumerate(head[: front.body].splitlines(), 1)}
    yield Card(
        service=front.text("service"),
        title=front.text("title") or front.text("service"),
        page=page,
        fact=Fact(front.text("service"), shown, line["service"]),
        description=front.text("description"),
        runs=front.texts("runs"),
        intended=tuple(
            Fact(f"{key}: {front.text(key)}", shown, line.get(key, 1))
            for key in ASPECTS
            if front.text(key).startswith("none")
        ),
    )
