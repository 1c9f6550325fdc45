"""Checks of `homelab/argocd` without a cluster: strict YAML, nothing from outside the tree, all renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blumeops.errors import BadInput, Problem
from blumeops.layer import Desired
from blumeops.layers import argocd_render, argocd_yaml
from blumeops.target import Target

_REMOTE = re.compile(r"^[a-z+]+://|^[\w.-]+@[\w.-]+:|^(?:github|gitlab|bitbucket)\.\w+/|^[\w-]+::|[?&]ref=")
"""How kustomize tells a URL from a path (kustomize's documentation, "Remote targets")."""

Identity = tuple[str, str, str, str | None]
"""An object's group, kind, namespace and name; the server makes up the name of one that has none."""

_LISTS_OF_FILES = ("resources", "bases", "components", "crds", "configurations", "generators", "transformers")


def lint(desired: Desired, target: Target) -> tuple[argocd_render.App, ...]:
    """The rendered Applications; raises `BadInput` with every problem in the cluster's desired state."""
    folder = desired.folder / "argocd"
    problems = [*_outside(desired, folder)]
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            problems += _file(desired, path)
    if problems:
        raise BadInput(problems)
    seen: dict[Identity, str] = {}
    apps = argocd_render.render(desired, target)
    for app in apps:
        problems += _objects(app, seen)
    if problems:
        raise BadInput(problems)
    return apps


def _outside(desired: Desired, folder: Path) -> Iterator[Problem]:
    """A link out of the tree would put a file of the machine that renders into a manifest."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            shown = str(path.relative_to(desired.folder.parent))
            yield Problem(f"a symbolic link to {path.readlink()}, outside of the desired state", shown)


def _file(desired: Desired, path: Path) -> list[Problem]:
    shown = str(path.relative_to(desired.folder.parent))
    if path.is_symlink() and not path.resolve().is_relative_to(desired.folder.resolve()):
        return []  # reported already, and not to be read
    try:
        found = argocd_yaml.documents(path, shown)
    except BadInput as error:
        return list(error.problems)
    if path.name in argocd_render.KUSTOMIZATION_FILES:
        return [problem for _, one in found for problem in _kustomization(one, path, shown)]
    return []


def _kustomization(content: dict[str, Any], path: Path, shown: str) -> Iterator[Problem]:
    for field in _LISTS_OF_FILES:
        for entry in content.get(field) or ():
            if isinstance(entry, str) and _REMOTE.search(entry):
                yield Problem(
                    f"{field}: {entry} is fetched from elsewhere when it is rendered",
                    shown,
                    _line_with(path, entry),
                    hint="copy it into the repository, so that its content is reviewed and pinned",
                )
    for field in ("helmCharts", "helmChartInflationGenerator"):
        if content.get(field):
            yield Problem(f"{field} is not supported", shown, _line_with(path, field))


def _line_with(path: Path, text: str) -> int:
    lines = path.read_text().splitlines()
    return next((number for number, line in enumerate(lines, 1) if text in line), 0)


def _objects(app: argocd_render.App, seen: dict[Identity, str]) -> Iterator[Problem]:
    """An object needs a kind and a name, and may belong to one Application only."""
    for one in app.objects:
        found = one.manifest.get("metadata")
        metadata = found if isinstance(found, dict) else {}
        lacking = [field for field in ("apiVersion", "kind") if not one.manifest.get(field)]
        if not (metadata.get("name") or metadata.get("generateName")):
            lacking.append("metadata.name")
        if lacking:
            yield Problem(f"{app.name}: a manifest without {', '.join(lacking)}", one.path, one.line)
            continue
        group = str(one.manifest["apiVersion"]).rpartition("/")[0]
        namespace = metadata.get("namespace") or app.namespace
        key = (group, one.manifest["kind"], namespace, metadata.get("name"))
        if key[3] and seen.setdefault(key, app.name) != app.name:
            what = f"{one.manifest['kind']} {namespace}/{key[3]} is in two Applications"
            yield Problem(f"{what}, {seen[key]} and {app.name}", one.path, one.line)
