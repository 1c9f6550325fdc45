"""The registers that a generated block can show, each a function from a repository to a table or to Markdown.

The first column is the name by which a row is known. A block may have columns of its own beside these: what
people wrote there stays in its row (see `blocks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.facts import census as of
from blumeops.facts import census_cluster, census_hosts, tree
from blumeops.facts.census import Census
from blumeops.facts.page import read as read_page


@dataclass(frozen=True, slots=True)
class Register:
    """A table made from the repository: its columns, and its rows in the order in which they are shown.

    A new block gets the columns of `shown`, or all of them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shown: tuple[str, ...] = ()


Made = Register | str


def applications(census: Census) -> Register:
    """Every Argo CD Application: the one that deploys the others first, then by name."""
    columns = ("Application", "namespace", "version", "made with", "sync", "deploys", "file")
    found = sorted(census.applications.values(), key=lambda one: (one.namespace != "argocd", one.name))
    rows = tuple(
        (
            _word(one.name),
            _word(one.namespace) if one.namespace else "",
            ", ".join(dict.fromkeys(image.tag for image in one.versions if image.tag)),
            one.made_with,
            one.sync,
            ", ".join(_word(folder) for folder in one.folders),
            _word(one.path),
        )
        for one in found
    )
    return Register(columns, rows, ("Application", "namespace", "version", "made with", "sync"))


def versions(census: Census) -> Register:
    """Every file in which the version of an Application stands."""
    rows = []
    for one in sorted(census.applications.values(), key=lambda one: one.name):
        files = dict.fromkeys(image.path for image in one.versions)
        if files:
            rows.append((_word(one.name), ", ".join(_word(path) for path in files)))
    return Register(("Application", "file"), tuple(rows))


def roles(census: Census) -> Register:
    """Every Ansible role in the order of the playbooks, and the hosts that it is for."""
    groups: dict[str, list[str]] = {}
    for host in census.hosts.values():
        for group in host.groups:
            groups.setdefault(group, []).append(host.name)
    rows = []
    for role in census.roles.values():
        said = [f"`{name}`: {', '.join(groups[name])}" if name in groups else name for name in role.hosts]
        rows.append((_word(role.name), "; ".join(said), _word(role.path)))
    return Register(("role", "hosts", "folder"), tuple(rows), ("role", "hosts"))


def hosts(census: Census) -> Register:
    """Every host of the inventory: its groups, its roles, its tags in the tailnet."""
    rows = []
    for host in census.hosts.values():
        held = {"all", host.name, *host.groups}
        run = [role.name for role in census.roles.values() if held.intersection(role.hosts)]
        tags = [tag.name for tag in census.tags.values() if host.name in tag.devices]
        rows.append((_word(host.name), _code(host.groups), _code(run), _code(tags)))
    return Register(("host", "inventory groups", "Ansible roles", "tailnet tag"), tuple(rows))


def tags(census: Census) -> Register:
    """Every tag of the policy: the devices that have it, and who may give it."""
    rows = tuple((_word(tag.name), ", ".join(tag.devices), _code(tag.owners)) for tag in census.tags.values())
    return Register(("tag", "on", "owned by"), rows)


def tasks(census: Census) -> Register:
    """Every task of mise: what it runs, and what it is for."""
    rows = tuple((_word(t.name), _word(t.run), t.description) for t in census.tasks.values())
    return Register(("task", "stands for", "description"), rows, ("task", "stands for", "description"))


def ports(census: Census) -> Register:
    """Every port that the desired state names: of Services in the cluster, and of roles on hosts."""
    rows = dict.fromkeys((*_role_ports(census), *_service_ports(census)))
    return Register(("what", "port", "where", "stands in"), tuple(rows))


def _role_ports(census: Census) -> Iterator[tuple[str, ...]]:
    for role, name, value, path, _ in census_hosts.variables(census.places):
        port = value.rpartition(":")[2]
        if name.endswith(("_port", "_listen")) and port.isdigit():
            on = census.roles[role].hosts if role in census.roles else ()
            yield _word(name), port, f"hosts: {', '.join(on) or role}", _word(path)


def _service_ports(census: Census) -> Iterator[tuple[str, ...]]:
    for application in sorted(census.applications.values(), key=lambda one: one.name):
        for path in (
            path for f in application.folders for path in census_cluster.manifests(census.places, f)
        ):
            for one in census.places.quiet(path):
                if one.said("kind") == "Service":
                    where = one.said("metadata", "namespace") or application.namespace
                    name = one.said("metadata", "name")
                    for port in one.all("spec", "ports"):
                        yield _word(name), port.said("port"), f"cluster: {where}", _word(path)


def runbooks(census: Census) -> Register:
    """Every runbook: its title, what it is for, what it may do, and how its last committed run stands."""
    from blumeops.site import verified

    paths = [p for p in census.tree.under(".md") if p.startswith("runbooks/") and p.count("/") == 1]
    found = [read_page(census.tree.root, path) for path in sorted(paths)]
    rows = []
    for page in found:
        front = page.front
        stands = verified.committed(census.tree.root, page.stem)
        rows.append((f"[[{page.stem}]]", page.title, front.text("description"), front.text("risk"), stands))
    return Register(("runbook", "title", "for", "risk", "verified"), tuple(rows), ("runbook", "title", "for"))


def services(census: Census) -> Register:
    """Every service of the service map, with how it is reached, watched, kept and shown."""
    from blumeops.services import page

    return Register(page.COLUMNS, page.rows(census.tree.root))


def _word(word: str) -> str:
    """A word as code; a backtick in it would be its end."""
    return "`" + word.replace("`", "'") + "`"


def _code(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(_word, words))


Maker = Callable[[Census], Made]

REGISTERS: Mapping[str, Maker] = {
    "applications": applications,
    "versions": versions,
    "roles": roles,
    "hosts": hosts,
    "tags": tags,
    "ports": ports,
    "tasks": tasks,
    "runbooks": runbooks,
    "services": services,
}
"""Every name that `<!-- blumeops:begin NAME -->` knows."""


def made(name: str, root: Path) -> Made:
    """One register of the repository in a folder."""
    return REGISTERS[name](of.of(tree.read(root)))
