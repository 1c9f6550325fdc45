"""The services of the hosts as Git has them: Ansible's inventory, playbooks and roles, in any folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.services import manifests
from blumeops.services.manifests import Document, Fact, Files
from blumeops.services.model import Role

_JINJA = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PACKAGE_MODULES = ("apt", "package", "dnf", "apk", "pacman", "homebrew")
_UNIT_MODULES = ("systemd_service", "systemd", "service")
_CONTAINER_MODULES = ("docker_container", "podman_container")
_LAUNCHD = re.compile(r"/Launch(?:Agents|Daemons)/(?P<name>[^/]+\.plist)$")
_WRITES = ("copy", "template", "file")
_PORT = re.compile(r"(?:^|_)(?:port|listen|listen_address|bind)$")
_VERSION = re.compile(r"(?:^|_)version$")
_NOT_DATA = ("/etc/", "/usr/", "/run/", "/tmp/", "/var/run/", "/opt/")
"""Where a role writes configuration and programs: both come back from Git."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a role, a group or a host, as a document and the key in it; `role` is whose default."""

    name: str
    document: Document
    role: str = ""

    @property
    def value(self) -> object:
        """Its value, unresolved."""
        return self.document.get(self.name)

    @property
    def fact(self) -> Fact:
        """Its value as text with its place."""
        value = "" if isinstance(self.value, dict | list) else str(self.value)
        return Fact(value, self.document.path, self.document.line(self.name))


@dataclass(frozen=True, slots=True)
class Hosts:
    """What Ansible knows: groups with their hosts, roles, and every variable that stands in a file."""

    groups: Mapping[str, tuple[Fact, ...]]
    roles: tuple[Role, ...]
    variables: tuple[Variable, ...]

    def variable(self, name: str) -> Variable | None:
        """A variable by its name; one of a group or host wins over a role's default."""
        named = [variable for variable in self.variables if variable.name == name]
        return min(named, key=lambda one: bool(one.role), default=None)

    def resolve(self, text: str) -> str:
        """A text with its plain `{{ variables }}` filled in, as far as they are known."""
        for _ in range(4):
            filled = _JINJA.sub(lambda found: self._text(found), text)
            if filled == text:
                break
            text = filled
        return text

    def _text(self, found: re.Match[str]) -> str:
        variable = self.variable(found[1])
        plain = variable is not None and isinstance(variable.value, str | int)
        return str(variable.value) if plain and variable else found[0]


def hosts(files: Files, problems: list[Problem]) -> Hosts:
    """Read every inventory, playbook and role. Adds what cannot be read to `problems`."""
    groups: dict[str, dict[str, Fact]] = {}
    plays: list[tuple[str, Fact]] = []
    variables: list[Variable] = []
    roles: dict[str, list[Document]] = {}
    for path in files.ending(".yaml", ".yml"):
        kind = _kind(path)
        if not kind:
            continue
        try:
            read = manifests.documents(path, files.shown(path))
        except BadInput as error:
            problems += error.problems
            continue
        for one in read:
            if kind == "variables" and isinstance(one.value, dict):
                role = path.parents[1].name if path.parent.name in ("defaults", "vars") else ""
                variables += [Variable(str(name), one, role) for name in one.value]
            elif kind == "tasks":
                roles.setdefault(path.parents[1].name, []).append(one)
            elif kind == "inventory":
                _groups(one, (), groups)
            else:
                plays += _plays(one)
    known = Hosts({name: tuple(found.values()) for name, found in groups.items()}, (), tuple(variables))
    made = [_role(name, tasks, known, plays, files.root) for name, tasks in sorted(roles.items())]
    return Hosts(known.groups, tuple(made), known.variables)


def _kind(path: Path) -> str:
    """What a YAML file is to Ansible, by where it stands; empty for what is not Ansible's."""
    folder = path.parent.name
    if folder in ("group_vars", "host_vars") or path.parents[1].name in ("group_vars", "host_vars"):
        return "variables"
    if path.parents[2].name == "roles":
        kinds = {"defaults": "variables", "vars": "variables", "tasks": "tasks"}
        return kinds.get(folder, "")
    if folder in ("inventory", "inventories") or path.stem in ("inventory", "hosts"):
        return "inventory"
    head = path.read_bytes()[:20000]
    return "playbook" if b"hosts:" in head and (b"roles:" in head or b"tasks:" in head) else ""


def _groups(one: Document, way: tuple[str, ...], groups: dict[str, dict[str, Fact]]) -> None:
    """The groups of an inventory, those inside of `children` too; `all` holds every host."""
    for name, group in one.mapping(*way).items():
        if not isinstance(group, dict) or not (group.keys() & {"hosts", "children"}):
            continue
        for host in one.mapping(*way, name, "hosts"):
            fact = Fact(host, one.path, one.line(*way, name, "hosts", host))
            groups.setdefault(name, {})[host] = fact
            groups.setdefault("all", {}).setdefault(host, fact)
        _groups(one, (*way, name, "children"), groups)
        for child in one.mapping(*way, name, "children"):
            groups.setdefault(name, {}).update(groups.get(child, {}))


def _plays(one: Document) -> Iterator[tuple[str, Fact]]:
    """Each role that a play gives to its hosts: the pattern of hosts, and the role with its place."""
    for n, play in enumerate(one.value if isinstance(one.value, list) else ()):
        if not isinstance(play, dict) or not play.get("hosts"):
            continue
        pattern = play["hosts"] if isinstance(play["hosts"], str) else ",".join(map(str, play["hosts"]))
        for r, role in enumerate(one.items(n, "roles")):
            name = role.get("role") or role.get("name") if isinstance(role, dict) else role
            yield pattern, Fact(str(name), one.path, one.line(n, "roles", r))


def _role(name: str, tasks: list[Document], known: Hosts, plays: list[tuple[str, Fact]], root: Path) -> Role:
    first = min(tasks, key=lambda one: (not one.path.endswith(("main.yaml", "main.yml")), one.path))
    own = [variable for variable in known.variables if variable.role == name]
    hosts = {
        host.value: Fact(host.value, role.path, role.line)
        for pattern, role in plays
        if role.value == name
        for host in _matching(pattern, known.groups)
    }
    packages = tuple(_named(tasks, _PACKAGE_MODULES, known))
    pinned = [Fact(v, p.path, p.line) for p in packages if (v := p.value.partition("=")[2])]
    versions = [variable.fact for variable in own if _VERSION.search(variable.name)]
    return Role(
        name=name,
        fact=Fact(name, first.path, 1),
        hosts=tuple(hosts.values()),
        packages=tuple(Fact(p.value.partition("=")[0], p.path, p.line) for p in packages),
        units=(*_units(tasks, known), *_launched(tasks, known)),
        ports=tuple(_role_ports(own, root / Path(first.path).parents[1], root)),
        kept=tuple(_kept(tasks)),
        version=next(iter([*pinned, *versions]), None),
        image=next(_container(tasks, known), None),
    )


def _matching(pattern: str, groups: Mapping[str, tuple[Fact, ...]]) -> list[Fact]:
    everyone = {host.value: host for hosts in groups.values() for host in hosts}
    found: list[Fact] = []
    for word in re.split(r"[:,]", pattern):
        found += groups.get(word, ()) or ([everyone[word]] if word in everyone else [])
    return found


def _modules(
    tasks: list[Document], names: tuple[str, ...]
) -> Iterator[tuple[Document, int, str, dict[str, object]]]:
    """Every task that calls one of these modules: its document, its index, the module's key and arguments."""
    for one in tasks:
        for n, task in enumerate(one.value if isinstance(one.value, list) else ()):
            for key in task if isinstance(task, dict) else ():
                if key.rpartition(".")[2] in names and isinstance(task[key], dict):
                    yield one, n, key, task[key]


def _named(tasks: list[Document], modules: tuple[str, ...], known: Hosts) -> Iterator[Fact]:
    """The names that tasks give to a module, a loop's items and a variable's list one by one."""
    for one, n, key, arguments in _modules(tasks, modules):
        line = one.line(n, key, "name")
        for name in _spelt(arguments.get("name", arguments.get("pkg")), one.get(n, "loop"), known):
            yield Fact(name, one.path, line)


def _spelt(value: object, loop: object, known: Hosts) -> list[str]:
    if isinstance(value, list):
        return [word for item in value for word in _spelt(item, loop, known)]
    text = str(value or "")
    if isinstance(loop, list) and "item" in text:
        return [re.sub(r"\{\{\s*item\s*\}\}", str(item), text) for item in loop]
    whole = _JINJA.fullmatch(text)
    variable = known.variable(whole[1]) if whole else None
    if variable and isinstance(variable.value, list):
        return [str(item) for item in variable.value]
    return [known.resolve(text)] if text else []


def _units(tasks: list[Document], known: Hosts) -> Iterator[Fact]:
    """The units that the role keeps running, with their suffix: `caddy` is `caddy.service`."""
    running = [(m, n) for m, n, _, arguments in _modules(tasks, _UNIT_MODULES) if _runs(arguments)]
    for one, n, key, arguments in _modules(tasks, _UNIT_MODULES):
        if (one, n) in running:
            for name in _spelt(arguments.get("name"), one.get(n, "loop"), known):
                unit = name if re.search(r"\.(service|timer|socket|path|mount)$", name) else f"{name}.service"
                yield Fact(unit, one.path, one.line(n, key, "name"))


def _launched(tasks: list[Document], known: Hosts) -> Iterator[Fact]:
    """The jobs of launchd, by the file that a role writes for each: a Mac has no systemd."""
    for one, n, key, arguments in _modules(tasks, _WRITES):
        if found := _LAUNCHD.search(known.resolve(str(arguments.get("dest", "")))):
            yield Fact(found["name"], one.path, one.line(n, key, "dest"))


def _container(tasks: list[Document], known: Hosts) -> Iterator[Fact]:
    for one, n, key, arguments in _modules(tasks, _CONTAINER_MODULES):
        if image := arguments.get("image"):
            yield Fact(known.resolve(str(image)), one.path, one.line(n, key, "image"))


def _runs(arguments: dict[str, object]) -> bool:
    return bool(arguments.get("name")) and str(arguments.get("state", "")) in ("started", "restarted", "")


def _role_ports(own: list[Variable], folder: Path, root: Path) -> Iterator[Fact]:
    for variable in own:
        if _PORT.search(variable.name) and (found := re.search(r"(\d+)$", variable.fact.value)):
            yield Fact(found[1], variable.fact.path, variable.fact.line)
    for file in sorted(folder.glob("templates/Caddyfile*")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if found := re.search(r"':(\d+)'|^:(\d+) \{", line):
                yield Fact(found[1] or found[2], file.relative_to(root).as_posix(), number)


def _kept(tasks: list[Document]) -> Iterator[Fact]:
    """The folders of data that a role makes, up to the first part that depends on a variable."""
    seen = set()
    for one, n, key, arguments in _modules(tasks, _WRITES):
        word = "dest" if "dest" in arguments else "path"
        path = str(arguments.get(word, "")).partition("{{")[0].rstrip("/")
        if arguments.get("state") == "absent" or not path.startswith("/") or path in seen:
            continue
        if not f"{path}/".startswith(_NOT_DATA) and path.count("/") > 1:
            seen.add(path)
            yield Fact(path, one.path, one.line(n, key, word))
