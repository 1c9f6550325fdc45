"""What a repository has, found without being told where: Applications, roles, hosts, tags, tasks, playbooks.

The names are those that people write: of an Application its `metadata.name`, of a role its folder, of a host
its name in an inventory, of a tag its key in `tagOwners`, of a task what `mise run` or `make` is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from blumeops.facts import census_cluster, census_hosts, census_tasks
from blumeops.facts.census_cluster import Application
from blumeops.facts.census_hosts import Host, Role
from blumeops.facts.census_tasks import Task
from blumeops.facts.places import Places
from blumeops.facts.tree import Tree


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the tailnet's policy, who may give it away, and which devices Pulumi gives it."""

    name: str
    owners: tuple[str, ...]
    devices: tuple[str, ...]
    path: str
    line: int


NOT_RUN = re.compile(r"^(?:tests?|testdata|fixtures|examples?|docs)/|/(?:tests?|testdata|fixtures)/")
"""Where files stand that look like desired state and are none."""


def of(tree: Tree) -> Census:
    """The census of a repository, without its tests and examples."""
    files = frozenset(path for path in tree.files if not NOT_RUN.search(path))
    kept = Tree(tree.root, files, tree.ignored_by_git)
    return Census(kept, Places(kept))


@dataclass(frozen=True)
class Census:
    """What one repository has; each kind is looked for when it is first asked for."""

    tree: Tree
    places: Places

    @cached_property
    def applications(self) -> dict[str, Application]:
        """Every Argo CD Application, by name."""
        return census_cluster.applications(self.places)

    @cached_property
    def application_sets(self) -> bool:
        """Whether Applications are also made by an ApplicationSet, so that not every name is known."""
        return any("kind: ApplicationSet" in self.tree.text(p) for p in self.tree.under(".yaml", ".yml"))

    @cached_property
    def roles(self) -> dict[str, Role]:
        """Every Ansible role, by name, in the order of the playbooks."""
        return census_hosts.roles(self.places)

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """Every host of the inventories, by name."""
        return census_hosts.hosts(self.places)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Every group of the inventories."""
        return frozenset(group for host in self.hosts.values() for group in host.groups)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Every task of mise, by name."""
        return census_tasks.mise(self.places)

    @cached_property
    def targets(self) -> frozenset[str]:
        """Every target of the Makefiles."""
        return census_tasks.make(self.tree)

    @cached_property
    def recipes(self) -> frozenset[str]:
        """Every recipe of the justfiles."""
        return census_tasks.just(self.tree)

    @cached_property
    def tags(self) -> dict[str, Tag]:
        """Every tag of the tailnet's policies."""
        return {tag.name: tag for tag in _tags(self.places)}

    @cached_property
    def ansible_tags(self) -> frozenset[str]:
        """Every tag of a playbook or role, and the words that Ansible itself knows; none without any."""
        return census_hosts.tags(self.places)

    @cached_property
    def playbooks(self) -> tuple[str, ...]:
        """Every file that looks like a playbook."""
        return census_hosts.playbooks(self.places)


def _tags(places: Places) -> Iterator[Tag]:
    given: dict[str, list[str]] = {}
    for path in places.tree.under(".toml"):
        if "[devices]" in places.tree.text(path):
            for document in places.quiet(path):
                for device, tags in document.each("devices").items():
                    for tag in tags.items or ():
                        given.setdefault(tag.text or "", []).append(device)
    for path in places.tree.under(".hujson", ".json", ".jsonc"):
        if "tagOwners" in places.tree.text(path):
            for document in places.quiet(path):
                for name, owners in document.each("tagOwners").items():
                    who = tuple(owner.text or "" for owner in owners.items or ())
                    yield Tag(name, who, tuple(given.get(name, ())), path, owners.line)
