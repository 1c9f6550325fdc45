"""Which proposed files would run on this machine when they are planned, and so are not planned unread.

A plan is not harmless by itself: Pulumi's program is executed, Ansible renders templates with lookups that
may start programs, kustomize fetches what a kustomization names. So only what is data is planned before a
person has read it. A rule that is not sure says that it runs: the price is a plan made a little later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_SPEAKS = re.compile(r"\b(?:lookup|query|q|pipe|include|import|template)\s*\(|#\s*jinja2\s*:", re.IGNORECASE)
_HEAD = re.compile(r"^.*jinja2\s*:.*$", re.MULTILINE | re.IGNORECASE)
_QUOTED = re.compile(r"\{%-?\s*(?:end)?raw|!unsafe")
_ELSEWHERE = re.compile(r"://|@|::|\?|^//|^/|\.git\b|^-")
_INVENTORY = ("group_vars", "host_vars", "inventory")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_PLUGINS = (
    "generators",
    "transformers",
    "validators",
    "helmCharts",
    "helmChartInflationGenerator",
    "openapi",
)

LAYERS = {"pulumi": "tailnet", "ansible": "hosts", "argocd": "cluster"}
"""The layer of each folder below `homelab/`."""


def layer_of(path: str) -> str:
    """The layer whose desired state a path is part of; empty for a page."""
    parts = path.split("/")
    return LAYERS.get(parts[1], "") if parts[0] == "homelab" and len(parts) > 2 else ""


def touched(paths: Mapping[str, str | None]) -> tuple[str, ...]:
    """The layers that have a changed file, in the order in which they are applied."""
    found = {layer_of(path) for path in paths}
    return tuple(layer for layer in LAYERS.values() if layer in found)


def reasons(
    after: Mapping[str, str | None], before: Mapping[str, str], tree: frozenset[str]
) -> dict[str, str]:
    """For each layer that is not planned unread, why; `tree` are the files that there are afterwards."""
    found: dict[str, str] = {}
    for path, text in after.items():
        layer = layer_of(path)
        if layer and layer not in found and (why := _runs(path, before.get(path, ""), text, tree)):
            found[layer] = f"{path} {why}"
    return found


def _runs(path: str, before: str, after: str | None, tree: frozenset[str]) -> str:
    """Why a file runs on this machine when it is planned; empty when it is data."""
    if after is None:
        return ""
    name = PurePosixPath(path)
    match layer_of(path):
        case "tailnet":
            return "" if name.suffix in (".hujson", ".toml") else "is a program that planning runs"
        case "hosts":
            return _ansible(name, before, after)
        case "cluster":
            return _kustomization(name, after, tree) if name.name in _KUSTOMIZATIONS else ""
    return "is of no layer that is known"


def _ansible(name: PurePosixPath, before: str, after: str) -> str:
    parts = name.parts[2:]  # below homelab/ansible/
    of_role = parts[2] if parts[0] == "roles" and len(parts) > 3 else ""
    if name.suffix == ".md" or of_role == "files":
        return ""
    if _new_expression(before, after):
        return "has a new expression, which planning evaluates here"
    if name.suffix == ".j2" and of_role == "templates":
        return "" if before else "is a new template, which planning evaluates here"
    holds_variables = parts[0] in _INVENTORY or of_role in ("defaults", "vars")
    if name.suffix in (".yaml", ".yml") and holds_variables:
        return _variables(before, after)
    return "is read by Ansible as instructions"


def _new_expression(before: str, after: str) -> bool:
    """Whether something is evaluated that was not before; also where what was quoted may be no more."""
    if set(_JINJA.findall(after)) - set(_JINJA.findall(before)):
        return True
    if len(_SPEAKS.findall(after)) > len(_SPEAKS.findall(before)):
        return True
    heads = set(_HEAD.findall(after)) - set(_HEAD.findall(before))
    return bool(heads) or any(_QUOTED.search(text) for text in (before, after))


def _variables(before: str, after: str) -> str:
    try:
        new = set(_pairs(after)) - set(_pairs(before))
    except (yaml.YAMLError, RecursionError):
        return "cannot be read as plain data"
    for key, value in sorted(new):
        if key.startswith("ansible_") or key == "plugin":
            return f"sets {key[:60]}, which says how Ansible works here"
        if key.startswith("-") or value.startswith("-"):
            return "has a new value that a program could take for an option"
    return ""


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Every key of a YAML text, alone and with each plain value below it; tags mean nothing here."""
    seen: set[int] = set()
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        yield from _below(document, "", seen)


def _below(node: yaml.Node | None, key: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Each mapping and list once: aliases of aliases would be millions."""
    match node:
        case yaml.ScalarNode():
            yield key, node.value
        case yaml.MappingNode() if id(node) not in seen:
            seen.add(id(node))
            for name, value in node.value:
                called = name.value if isinstance(name, yaml.ScalarNode) else ""
                yield called, ""
                yield from _below(value, called, seen)
        case yaml.SequenceNode() if id(node) not in seen:
            seen.add(id(node))
            for item in node.value:
                yield from _below(item, key, seen)


def _kustomization(name: PurePosixPath, after: str, tree: frozenset[str]) -> str:
    folder = name.parent.as_posix()
    try:
        pairs = list(_pairs(after))
    except (yaml.YAMLError, RecursionError):
        return "cannot be read as plain data"
    for key, value in pairs:
        if key in _PLUGINS:
            return f"names {key}, which may be programs"
        if _ELSEWHERE.search(value):
            return "names something that would be fetched from elsewhere"
        if key in ("resources", "components", "bases", "crds") and value:
            place = _joined(folder, value)
            if place not in tree and not any(path.startswith(f"{place}/") for path in tree):
                return f"names {value[:60]!r}, which is not in the repository"
    return ""


def _joined(folder: str, relative: str) -> str:
    parts = folder.split("/")
    for part in relative.strip("/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts)
