"""The Ansible side of a repository: roles with their hosts and variables, inventories, playbooks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.facts.places import Places
from blumeops.located import Located

_PARTS = {"tasks", "defaults", "handlers", "meta", "vars", "templates", "files"}
_INVENTORY = re.compile(r"(?:^|/)(?:inventor(?:y|ies)/(?:[^/]+/)?)?(?:hosts|inventory)(?:\.(?:ya?ml|ini))?$")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its folder, and for which hosts or groups the playbooks name it."""

    name: str
    path: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A host of an inventory, the groups that it is in, and where it stands."""

    name: str
    groups: tuple[str, ...]
    path: str
    line: int


def roles(places: Places) -> dict[str, Role]:
    """Every role that has a folder, in the order in which the playbooks name them, then by name."""
    folders: dict[str, str] = {}
    for path in sorted(places.tree.files):
        found = re.match(r"((?:.*/)?roles)/([^/]+)/([^/]+)/", path)
        if found and found[3] in _PARTS:
            folders.setdefault(found[2], f"{found[1]}/{found[2]}")
    named: dict[str, list[str]] = {}
    for path in playbooks(places):
        for play in _plays(places, path):
            for role in _roles_of(play):
                named.setdefault(role, []).append(play.said("hosts"))
    order = [name for name in named if name in folders]
    order += [name for name in sorted(folders) if name not in named]
    return {name: Role(name, folders[name], tuple(dict.fromkeys(named.get(name, ())))) for name in order}


def playbooks(places: Places) -> tuple[str, ...]:
    """Every YAML file that is a list with `hosts:` in it, outside of roles."""
    found = []
    for path in places.tree.under(".yaml", ".yml"):
        text = places.tree.text(path)
        looks = "/roles/" not in f"/{path}" and re.search(r"^(?:- |  )hosts:", text, re.MULTILINE)
        if looks and any(play.said("hosts") for play in _plays(places, path)):
            found.append(path)
    return tuple(found)


def _plays(places: Places, path: str) -> Iterator[Located]:
    for document in places.quiet(path):
        yield from document.items or ()


def _roles_of(play: Located) -> Iterator[str]:
    for one in play.all("roles"):
        yield one.text or one.said("role") or one.said("name")
    for block in ("tasks", "pre_tasks", "post_tasks"):
        for task in play.all(block):
            for module in (
                "include_role",
                "import_role",
                "ansible.builtin.include_role",
                "ansible.builtin.import_role",
            ):
                if name := task.said(module, "name"):
                    yield name


def hosts(places: Places) -> dict[str, Host]:
    """Every host of every inventory, by name, with its groups in order."""
    found: dict[str, Host] = {}
    for path in sorted(places.tree.files):
        if _INVENTORY.search(path) and "/roles/" not in f"/{path}" and "_vars/" not in path:
            for name, group, line in _members(places, path):
                before = found.get(name, Host(name, (), path, line))
                groups = before.groups if group in before.groups or not group else (*before.groups, group)
                found[name] = Host(name, groups, before.path, before.line)
    return found


def _members(places: Places, path: str) -> Iterator[tuple[str, str, int]]:
    """Host, group and line of an inventory in YAML or INI."""
    if path.endswith((".yaml", ".yml")):
        for document in places.quiet(path):
            for name, inside in (document.members or {}).items():
                yield from _of_group(name, inside)
        return
    group = ""
    for number, line in enumerate(places.tree.text(path).split("\n"), 1):
        words = line.split("#")[0].split()
        if head := re.match(r"\s*\[([^\]]+)\]", line):
            group = head[1]
        elif words and ":" not in group:
            yield words[0], group, number


def _of_group(name: str, group: Located) -> Iterator[tuple[str, str, int]]:
    for host, value in group.each("hosts").items():
        yield host, "" if name == "all" else name, value.line
    for child, inside in group.each("children").items():
        yield from _of_group(child, inside)


def tags(places: Places) -> frozenset[str]:
    """Every tag of a play, role or task, and the words that Ansible itself knows; none without any."""
    found: set[str] = set()
    for path in (
        *playbooks(places),
        *(p for p in places.tree.under(".yaml", ".yml") if "/roles/" in f"/{p}"),
    ):
        text = places.tree.text(path)
        if "tags:" not in text:
            continue
        for inside in re.findall(r"\btags:[ \t]*\[([^\]]*)\]", text):
            found.update(word.strip().strip("\"'") for word in inside.split(","))
        found.update(re.findall(r"\btags:[ \t]+[\"']?([\w-]+)", text))
        for lines in re.findall(r"\btags:[ \t]*\n((?:[ \t]*-[ \t]+[\w\"'-]+[ \t]*\n?)+)", text):
            found.update(re.findall(r"-[ \t]+[\"']?([\w-]+)", lines))
    return frozenset(found | {"all", "always", "never", "tagged", "untagged"}) if found else frozenset()


def variables(places: Places) -> Iterator[tuple[str, str, str, str, int]]:
    """Every variable of a role's defaults or vars: its role, name, value, and where it stands."""
    for path in places.tree.under(".yaml", ".yml"):
        found = re.search(r"(?:^|/)roles/([^/]+)/(?:defaults|vars)/", path)
        for document in places.quiet(path) if found else ():
            for name, value in (document.members or {}).items():
                if found and value.text is not None:
                    yield found[1], name, value.text, path, value.line
