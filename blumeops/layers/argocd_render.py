"""Renders the Applications of a revision as Argo CD's repo-server would, without asking it.

    root.yaml -> root Application -> apps/ (kustomize) -> Applications -> their sources -> manifests

Plain directories and kustomize are rendered here. A source of another kind, or in another repository,
is reported as not compared: a plan must never pass over what it cannot see.
"""

from __future__ import annotations

import fnmatch
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from blumeops import process
from blumeops.errors import BadInput, Problem
from blumeops.layer import Desired
from blumeops.layers import argocd_yaml
from blumeops.target import Target

Source = Mapping[str, Any]
"""One source of an Application, as its manifest describes it."""

ROOT_FILE = "argocd/root.yaml"
KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
BUILD_SECONDS = 60.0
_ORIGIN = "config.kubernetes.io/origin"
_OVERLAY_FIELDS = frozenset(
    ("patches", "namePrefix", "nameSuffix", "namespace", "commonLabels", "commonAnnotations", "replicas")
)
"""What an Application may add to its kustomization that means the same in an overlay."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One manifest as Git has it; `path` is its file below the repository, or its kustomization."""

    manifest: dict[str, Any]
    path: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class App:
    """One Application with everything that it deploys; `notes` say what could not be rendered."""

    manifest: dict[str, Any]
    path: str
    objects: tuple[Rendered, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The Application's name."""
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """Where its objects go when they do not say."""
        namespace: str = self.manifest["spec"]["destination"].get("namespace", "")
        return namespace

    def has_option(self, option: str) -> bool:
        """Whether a sync option such as `CreateNamespace=true` is set."""
        return option in ((self.manifest["spec"].get("syncPolicy") or {}).get("syncOptions") or ())


def render(desired: Desired, target: Target) -> tuple[App, ...]:
    """The root Application first, then its children. Raises `BadInput` with every problem found."""
    root = _render_app(desired, target, root_manifest(desired, target), f"{desired.folder.name}/{ROOT_FILE}")
    apps, problems = [root], list[Problem]()
    for child in root.objects:
        if child.manifest["kind"] != "Application":
            continue
        try:
            apps.append(_render_app(desired, target, child.manifest, child.path))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return tuple(apps)


def root_manifest(desired: Desired, target: Target) -> dict[str, Any]:
    """The root Application with the target's repository filled in."""
    path, shown = desired.folder / ROOT_FILE, f"{desired.folder.name}/{ROOT_FILE}"
    if not path.exists():
        raise BadInput([Problem("the root Application is not there", shown)])
    found = argocd_yaml.read(path, shown)
    if len(found) != 1 or found[0].get("kind") != "Application":
        raise BadInput([Problem("expected exactly one Application", shown)])
    values = {"$GIT_URL": target.git.url, "$GIT_BRANCH": target.git.branch}
    return {key: _substitute(item, values) for key, item in found[0].items()}


def _substitute(value: object, values: Mapping[str, str]) -> object:
    match value:
        case dict():
            return {key: _substitute(item, values) for key, item in value.items()}
        case list():
            return [_substitute(item, values) for item in value]
        case str():
            for mark, text in values.items():
                value = value.replace(mark, text)
            return value
        case _:
            return value


def _render_app(desired: Desired, target: Target, manifest: dict[str, Any], path: str) -> App:
    spec = manifest.get("spec") or {}
    sources = spec.get("sources") or ([spec["source"]] if spec.get("source") else [])
    name = (manifest.get("metadata") or {}).get("name", "")
    if not (sources and name and isinstance(spec.get("destination"), dict)):
        raise BadInput([Problem("an Application needs a name, a source and a destination", path)])
    objects: list[Rendered] = []
    notes: list[str] = []
    for source in sources:
        if note := _not_ours(source, target):
            notes.append(f"{name}: not compared: {note}")
        else:
            objects += _render_source(desired, target, source, path, name)
    return App(manifest, path, tuple(objects), tuple(notes))


def _not_ours(source: Source, target: Target) -> str:
    """Why a source cannot be rendered here; empty when it can."""
    if source.get("repoURL") != target.git.url:
        return f"its source is in another repository, {source.get('repoURL')}"
    for kind in ("chart", "helm", "plugin"):
        if source.get(kind):
            return f"its source is of the kind {kind!r}"
    if (source.get("directory") or {}).get("jsonnet"):
        return "its source is jsonnet"
    if unknown := set(source.get("kustomize") or ()) - _OVERLAY_FIELDS - {"version"}:
        return f"its kustomize options {', '.join(sorted(unknown))} are not known here"
    return ""


def _render_source(
    desired: Desired, target: Target, source: Source, path: str, name: str
) -> Iterable[Rendered]:
    folder = (desired.folder.parent / str(source.get("path", ""))).resolve()
    if not folder.is_dir() or not folder.is_relative_to(desired.folder.resolve()):
        what = f"{name}: there is no folder {source.get('path')!r} in {desired.folder.name}/"
        raise BadInput([Problem(what, path, hint="`spec.source.path` counts from the repository's root")])
    if any((folder / file).exists() for file in KUSTOMIZATION_FILES):
        return _kustomize(desired, target, folder, source.get("kustomize") or {})
    if (folder / "Chart.yaml").exists():
        raise BadInput([Problem(f"{name}: Helm charts in the repository cannot be compared", path)])
    return _directory(desired, folder, source.get("directory") or {})


def _kustomize(desired: Desired, target: Target, folder: Path, options: Mapping[str, Any]) -> list[Rendered]:
    """Build through an overlay that holds the Application's own options and asks for origins."""
    assert target.cluster is not None
    with tempfile.TemporaryDirectory(prefix="blumeops-") as name:
        overlay = Path(name).resolve()
        content = {
            "resources": [os.path.relpath(folder, overlay)],
            "buildMetadata": ["originAnnotations"],
            **{key: value for key, value in options.items() if key in _OVERLAY_FIELDS},
        }
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
        done = process.run(
            [target.cluster.kustomize, "build", overlay], env=target.environment(), timeout=BUILD_SECONDS
        )
        shown = folder.relative_to(desired.folder.resolve().parent)
        if not done.ok:
            said = _kustomize_words(done.stderr, desired, overlay)
            raise BadInput([Problem(f"kustomize: {said}", f"{shown}/kustomization.yaml")])
        output = overlay / "built.yaml"
        output.write_text(done.stdout)
        return [_with_origin(one, overlay, desired, shown) for one in argocd_yaml.read(output, str(shown))]


def _kustomize_words(stderr: str, desired: Desired, overlay: Path) -> str:
    text = stderr.strip().removeprefix("Error: ")
    for folder in (str(desired.folder.resolve().parent), str(overlay)):
        text = text.replace(f"{folder}/", "").replace(folder, ".")
    return text.replace("accumulating resources: ", "")[:600]


def _with_origin(manifest: dict[str, Any], overlay: Path, desired: Desired, shown: Path) -> Rendered:
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    origin = yaml.safe_load(annotations.pop(_ORIGIN, "")) or {}
    if not annotations:
        manifest["metadata"].pop("annotations", None)
    path = overlay / (origin.get("path") or origin.get("configuredIn") or "none")
    root = desired.folder.resolve().parent
    known = path.exists() and path.resolve().is_relative_to(root)
    return Rendered(
        manifest, str(path.resolve().relative_to(root)) if known else f"{shown}/kustomization.yaml"
    )


def _directory(desired: Desired, folder: Path, options: Mapping[str, Any]) -> list[Rendered]:
    found = sorted(folder.rglob("*") if options.get("recurse") else folder.glob("*"))
    rendered: list[Rendered] = []
    problems: list[Problem] = []
    for path in found:
        relative = str(path.relative_to(folder))
        if path.suffix not in (".yaml", ".yml", ".json") or not _included(relative, options):
            continue
        shown = str(path.relative_to(desired.folder.resolve().parent))
        try:
            for line, manifest in argocd_yaml.documents(path, shown):
                rendered += [Rendered(one, shown, line) for one in _items(manifest)]
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return rendered


def _items(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    is_list = str(manifest.get("kind", "")).endswith("List") and isinstance(manifest.get("items"), list)
    return manifest["items"] if is_list else [manifest]


def _included(relative: str, options: Mapping[str, Any]) -> bool:
    """Argo CD's `include` and `exclude`: a glob, or several as `{one,two}`."""
    excluded = options.get("exclude") and _matches(relative, options["exclude"])
    return not excluded and (not options.get("include") or _matches(relative, options["include"]))


def _matches(relative: str, pattern: str) -> bool:
    patterns = pattern[1:-1].split(",") if pattern.startswith("{") and pattern.endswith("}") else [pattern]
    return any(fnmatch.fnmatch(relative, one) for one in patterns)
