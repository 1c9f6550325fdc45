"""The tasks of a repository: of mise (in TOML and as files), of make, of just."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.facts.places import Places
from blumeops.facts.tree import Tree

_TOML = re.compile(
    r"(?:^|/)(?:\.?mise(?:\.[\w-]+)*\.toml|\.?mise/config\.toml|\.config/mise(?:/config)?\.toml)$"
)
_FOLDER = re.compile(r"(?:^|/)(?:\.?mise-tasks|\.?mise/tasks|\.config/mise/tasks)/(?P<name>.+)$")
_HEADER = re.compile(r"^(?:#|//|--|;)\s*\[?MISE\]?\s+(?P<key>\w+)\s*=\s*(?P<value>.+)$", re.MULTILINE)
_TARGET = re.compile(r"^([A-Za-z][\w./ -]*?)\s*::?(?![:=])", re.MULTILINE)
_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)(?:\s+[^:\n=]*(?:=[^:\n]*)?)*\s*:(?!=)", re.MULTILINE)
_ALIAS = re.compile(r"^alias\s+([\w-]+)\s*:=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """A task of mise: what it is for, what it runs in one line, and where it stands.

    `names` are all that it can be called by.
    """

    name: str
    description: str
    run: str
    path: str
    line: int
    names: tuple[str, ...] = ()


def mise(places: Places) -> dict[str, Task]:
    """Every task that `mise run` knows, by name."""
    return {task.name: task for task in (*_in_toml(places), *_as_files(places.tree))}


def _in_toml(places: Places) -> Iterator[Task]:
    for path in sorted(places.tree.files):
        if not _TOML.search(path):
            continue
        for document in places.quiet(path):
            for name, task in document.each("tasks").items():
                run = task.text or task.said("run") or " && ".join(one.text or "" for one in task.all("run"))
                alias = (task.said("alias"), *(one.text or "" for one in task.all("alias")))
                names = (name, *(word for word in alias if word))
                yield Task(name, task.said("description"), run.strip(), path, task.line, names)


def _as_files(tree: Tree) -> Iterator[Task]:
    for path in sorted(tree.files):
        found = _FOLDER.search(path)
        if not found or found["name"].rpartition("/")[2].startswith((".", "_")):
            continue
        name = found["name"].replace("/", ":")
        bare = re.sub(r"\.(?:sh|bash|py|js|ts|rb|fish|ps1|nu)$", "", name)
        if name == bare and "." in name.rpartition(":")[2]:
            continue  # A data file beside the tasks.
        said = {
            one["key"]: one["value"].strip().strip("\"'") for one in _HEADER.finditer(tree.text(path)[:4000])
        }
        alias = re.findall(r"[\w:-]+", said.get("alias", ""))
        yield Task(
            bare.removesuffix(":_default"), said.get("description", ""), path, path, 1, (bare, name, *alias)
        )


def make(tree: Tree) -> frozenset[str]:
    """Every target that a Makefile, or a file that it could include, names."""
    found: set[str] = set()
    for path in tree.files:
        name = path.rpartition("/")[2]
        if name in ("Makefile", "makefile", "GNUmakefile") or name.endswith(".mk"):
            for names in _TARGET.findall(tree.text(path)):
                found.update(names.split())
    return frozenset(found)


def just(tree: Tree) -> frozenset[str]:
    """Every recipe and alias of the justfiles."""
    found: set[str] = set()
    for path in tree.files:
        if path.rpartition("/")[2].casefold() in ("justfile", ".justfile") or path.endswith(".just"):
            text = tree.text(path)
            found.update(_RECIPE.findall(text), _ALIAS.findall(text))
            found.update(re.findall(r"^mod\??\s+([\w-]+)", text, re.MULTILINE))
    return frozenset(found)
