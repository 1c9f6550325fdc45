"""The services of the cluster as Git has them: Argo CD Applications, wherever in a repository they stand.

Read as they lie there, without rendering: resources, images and patches of kustomizations are followed, and
a Helm chart counts with its name and version. So it needs no engine, and a page can be made from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.services import manifests
from blumeops.services.manifests import Document, Fact, Files, Way
from blumeops.services.model import Application, Workload

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
RUNS_PODS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
MAX_BASES = 200
"""Bounds how far resources of kustomizations are followed; a base that names itself would never end."""


@dataclass
class _Folder:
    """What a source's folder deploys: its manifests, its image overrides, and the folders it is made of."""

    documents: list[Document] = field(default_factory=list)
    patches: list[Document] = field(default_factory=list)
    images: list[tuple[dict[str, str], Document, int]] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)


def applications(files: Files, problems: list[Problem]) -> list[Application]:
    """Every Application but those that only deploy Applications. Adds to `problems`."""
    root, found = files.root, []
    for path in files.ending(".yaml", ".yml"):
        if b"kind: Application" in path.read_bytes():
            found += [one for one in _read(path, root, problems) if _is_application(one)]
    made = [_application(one, root, problems) for one in found]
    return sorted((one for one in made if one), key=lambda one: one.name)


def _is_application(one: Document) -> bool:
    kind = one.get("kind") == "Application" and str(one.get("apiVersion")).startswith("argoproj.io/")
    return kind and bool(one.get("metadata", "name"))


def _read(path: Path, root: Path, problems: list[Problem]) -> list[Document]:
    try:
        return manifests.documents(path, path.resolve().relative_to(root.resolve()).as_posix())
    except BadInput as error:
        problems += error.problems
        return []


def _application(one: Document, root: Path, problems: list[Problem]) -> Application | None:
    """The Application with its workloads; None for one that deploys other Applications (an app of apps)."""
    deployed, folders = _Folder(), []
    sources = range(len(one.items("spec", "sources")))
    ways: list[Way] = [("spec", "sources", n) for n in sources] or [("spec", "source")]
    for way in ways:
        path = one.get(*way, "path")
        folder = root / str(path) if path else None
        if folder and folder.is_dir() and folder.resolve().is_relative_to(root.resolve()):
            folders.append(folder.resolve().relative_to(root.resolve()).as_posix())
            recurse = bool(one.get(*way, "directory", "recurse"))
            _gather(folder, root, deployed, problems, recurse=recurse)
    if any(_is_application(inner) for inner in deployed.documents):
        return None
    name, namespace = one.get("metadata", "name"), one.get("spec", "destination", "namespace")
    chart = next((fact for way in ways if (fact := one.fact(*way, "chart"))), None)
    version = next((one.fact(*way, "targetRevision") for way in ways if one.get(*way, "chart")), None)
    return Application(
        name=str(name),
        namespace=str(namespace or name),
        fact=Fact(str(name), one.path, one.line("metadata", "name")),
        folders=tuple(folders),
        workloads=tuple(_workloads(deployed, str(namespace or name))),
        services=tuple(_services(deployed)),
        chart=chart,
        version=version,
    )


def _gather(
    folder: Path, root: Path, into: _Folder, problems: list[Problem], *, recurse: bool = False
) -> None:
    if folder.resolve() in into.seen or len(into.seen) > MAX_BASES:
        return
    into.seen.add(folder.resolve())
    kustomization = next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)
    if kustomization is None:
        paths = folder.rglob("*") if recurse else folder.glob("*")
        for path in sorted(path for path in paths if path.suffix in (".yaml", ".yml")):
            into.documents += _manifests(path, root, problems)
        return
    for one in _read(kustomization, root, problems):
        _kustomization(one, folder, root, into, problems)


def _kustomization(one: Document, folder: Path, root: Path, into: _Folder, problems: list[Problem]) -> None:
    for entry in (*one.items("resources"), *one.items("bases"), *one.items("components")):
        path = folder / str(entry)
        if "://" in str(entry) or not path.resolve().is_relative_to(root.resolve()):
            continue
        if path.is_dir():
            _gather(path, root, into, problems)
        elif path.is_file():
            into.documents += _manifests(path, root, problems)
    patches = [entry.get("path") for entry in one.items("patches") if isinstance(entry, dict)]
    for entry in (*patches, *one.items("patchesStrategicMerge")):
        if isinstance(entry, str) and "\n" not in entry and (folder / entry).is_file():
            into.patches += _manifests(folder / entry, root, problems)
    for n, image in enumerate(one.items("images")):
        if isinstance(image, dict) and image.get("name"):
            into.images.append(({key: str(value) for key, value in image.items()}, one, n))


def _manifests(path: Path, root: Path, problems: list[Problem]) -> list[Document]:
    return [one for one in _read(path, root, problems) if isinstance(one.value, dict)]


def _services(deployed: _Folder) -> Iterator[Fact]:
    """Each port of each Service, as `NAME:PORT`, and `NAME:PORT:NODEPORT` where it is open on the node."""
    for one in (*deployed.documents, *deployed.patches):
        if one.get("kind") == "Service":
            for n, port in enumerate(one.items("spec", "ports")):
                if not isinstance(port, dict):
                    continue
                node = f":{port['nodePort']}" if port.get("nodePort") else ""
                text = f"{one.get('metadata', 'name')}:{port.get('port')}{node}"
                yield Fact(text, one.path, one.line("spec", "ports", n, "port"))


def _workloads(deployed: _Folder, namespace: str) -> Iterator[Workload]:
    for one in deployed.documents:
        if one.get("kind") not in RUNS_PODS or not one.get("metadata", "name"):
            continue
        pod = _pod(one)
        kind, name = str(one.get("kind")), str(one.get("metadata", "name"))
        patched = [p for p in deployed.patches if _same(p, kind, name)]
        containers = range(len(one.items(*pod, "containers")))
        yield Workload(
            kind=kind,
            name=name,
            namespace=str(one.get("metadata", "namespace") or namespace),
            images=tuple(i for n in containers if (i := _image(one, (*pod, "containers", n), deployed))),
            ports=tuple(_ports(one, pod, "containerPort")),
            host_ports=tuple(_ports(one, pod, "hostPort")),
            kept=tuple(fact for source in (one, *patched) for fact in _kept(source, _pod(source))),
            fact=Fact(f"{kind} {name}", one.path, one.line("metadata", "name")),
        )


def _same(patch: Document, kind: str, name: str) -> bool:
    return (patch.get("kind"), patch.get("metadata", "name")) == (kind, name)


def _pod(one: Document) -> tuple[str, ...]:
    job = ("jobTemplate", "spec") if one.get("kind") == "CronJob" else ()
    return ("spec", *job, "template", "spec")


def _image(one: Document, way: Way, deployed: _Folder) -> Fact | None:
    """A container's image with the tag that the outermost kustomization gives it; that is its place, too."""
    image = one.fact(*way, "image")
    if image is None:
        return None
    name, _, tag = (
        image.value.rpartition(":") if ":" in image.value.rpartition("/")[2] else (image.value, "", "")
    )
    for override, where, n in deployed.images:
        if override["name"] == name:
            name, tag = override.get("newName", name), override.get("newTag", tag)
            field_ = "newTag" if "newTag" in override else "name"
            image = Fact("", where.path, where.line("images", n, field_))
    return Fact(f"{name}:{tag}" if tag else name, image.path, image.line)


def _ports(one: Document, pod: Way, key: str) -> Iterator[Fact]:
    for c in range(len(one.items(*pod, "containers"))):
        for n in range(len(one.items(*pod, "containers", c, "ports"))):
            if fact := one.fact(*pod, "containers", c, "ports", n, key):
                yield fact


def _kept(one: Document, pod: Way) -> Iterator[Fact]:
    """What outlives a pod: paths on the node, claims. An emptyDir, a ConfigMap or a Secret does not count."""
    for n, volume in enumerate(one.items(*pod, "volumes")):
        if not isinstance(volume, dict):
            continue
        if path := one.fact(*pod, "volumes", n, "hostPath", "path"):
            yield path
        claim = one.fact(*pod, "volumes", n, "persistentVolumeClaim", "claimName")
        if claim:
            yield Fact(f"claim {claim}", claim.path, claim.line)
    for n in range(len(one.items("spec", "volumeClaimTemplates"))):
        if claim := one.fact("spec", "volumeClaimTemplates", n, "metadata", "name"):
            yield Fact(f"claim {claim}", claim.path, claim.line)
