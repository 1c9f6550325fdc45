"""The Argo CD Applications of a repository, with the versions of what they run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from blumeops.facts.places import Places
from blumeops.located import Located

_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "ReplicaSet"}
_UNTAGGED = {"kustomized", "placeholder", "overridden", "set-by-kustomize"}
"""Tags that only say that a kustomization gives the real one."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that something runs, or a Helm chart, and where its tag or version stands."""

    name: str
    tag: str
    path: str
    line: int
    is_chart: bool = False

    @property
    def short(self) -> str:
        """The last part of its name, which is what people call it."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Application:
    """An Application: where it is declared, what it deploys and how it is synced."""

    name: str
    namespace: str
    path: str
    line: int
    sources: tuple[Located, ...]
    policy: Located | None
    places: Places = field(repr=False, compare=False)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folders of this repository that it deploys."""
        found = (source.said("path").strip("/") for source in self.sources)
        return tuple(path for path in found if path and path in self.places.tree.folders)

    @cached_property
    def charts(self) -> tuple[Image, ...]:
        """The Helm charts that it deploys, each with the version that is pinned."""
        found = ((one.said("chart"), one.get("targetRevision")) for one in self.sources)
        return tuple(
            Image(chart, version.text or "", self.path, version.line, is_chart=True)
            for chart, version in found
            if chart and version
        )

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """The images that its folders and its Helm values name, each once."""
        found: dict[tuple[str, str], Image] = {}
        for folder in self.folders:
            for image in _images(self.places, folder):
                found.setdefault((image.name, image.tag), image)
        for source in self.sources:
            for image in _helm(self.places, source, self.path):
                found.setdefault((image.name, image.tag), image)
        # What gives the Application its name first: its database and its queue follow.
        return tuple(sorted(found.values(), key=lambda one: self.name.split("-")[0] not in one.short))

    @property
    def versions(self) -> tuple[Image, ...]:
        """Everything with a version that it runs."""
        return (*self.images, *self.charts)

    @property
    def sync(self) -> str:
        """How it is synced, in the words of its policy."""
        automated = self.policy.get("automated") if self.policy else None
        if automated is None or automated.said("enabled") == "false":
            return "manual"
        heals, prunes = automated.said("selfHeal") == "true", automated.said("prune") == "true"
        if heals or prunes:
            wanted = [word for word, on in (("self-heal", heals), ("prune", prunes)) if on]
            without = [word for word, on in (("self-heal", heals), ("prune", prunes)) if not on]
            return ", ".join(["automated", *wanted, *(f"without {word}" for word in without)])
        return "automated, without self-heal and prune"

    @property
    def made_with(self) -> str:
        """What renders its manifests."""
        if self.charts:
            return "Helm"
        for folder in self.folders:
            if self.places.tree.has(f"{folder}/Chart.yaml"):
                return "Helm"
            for name in ("kustomization.yaml", "kustomization.yml"):
                if self.places.tree.has(f"{folder}/{name}"):
                    text = self.places.tree.text(f"{folder}/{name}")
                    return (
                        "kustomize: base and overlay" if re.search(r"- \.\./.*base\b", text) else "kustomize"
                    )
        return "plain manifests" if self.folders else ""


def applications(places: Places) -> dict[str, Application]:
    """Every Application that a YAML file of the repository declares, by name, in order of their files."""
    found: dict[str, Application] = {}
    for path in places.tree.under(".yaml", ".yml"):
        text = places.tree.text(path)
        if "argoproj.io" not in text or not re.search(r"^kind:\s*[\"']?Application\b", text, re.MULTILINE):
            continue
        for one in places.quiet(path):
            name = one.said("metadata", "name")
            if one.said("kind") == "Application" and name and "{{" not in name:
                found.setdefault(name, _application(places, path, one, name))
    return found


def _application(places: Places, path: str, one: Located, name: str) -> Application:
    spec = one.get("spec") or one
    single = spec.get("source")
    sources = (*((single,) if single else ()), *spec.all("sources"))
    line = (one.get("metadata", "name") or one).line
    namespace = spec.said("destination", "namespace")
    return Application(name, namespace, path, line, sources, spec.get("syncPolicy"), places)


def manifests(places: Places, folder: str, seen: set[str] | None = None) -> Iterator[str]:
    """Every file that a folder deploys: what its kustomization includes, or all YAML files without one."""
    seen = seen if seen is not None else set()
    if folder in seen or folder not in places.tree.folders:
        return
    seen.add(folder)
    kustomization = _kustomization(places, folder)
    if not kustomization:
        yield from (path for path in places.tree.under(".yaml", ".yml") if path.startswith(f"{folder}/"))
        return
    yield kustomization
    for one in places.quiet(kustomization):
        for item in (item for kind in ("resources", "bases", "components") for item in one.all(kind)):
            path = posixpath.normpath(posixpath.join(folder, item.text or "")) if item.text else ""
            if path in places.tree.files:
                yield path
            else:
                yield from manifests(places, path, seen)


def _kustomization(places: Places, folder: str) -> str:
    names = (f"{folder}/{name}" for name in ("kustomization.yaml", "kustomization.yml"))
    return next((path for path in names if path in places.tree.files), "")


def _images(places: Places, folder: str) -> Iterator[Image]:
    """The images of a folder's manifests; the `images` of its kustomizations say the tags."""
    changed: dict[str, Image | None] = {}
    found: list[Image] = []
    for path in manifests(places, folder):
        if path.rpartition("/")[2].startswith("kustomization."):
            for one in places.quiet(path):
                for item in one.all("images"):
                    changed.setdefault(item.said("name"), _changed(item, path))
                found += _charts(one, path)
        else:
            found += _of_file(places, path)
    yield from (image for image in found if not changed.get(image.name))
    yield from (image for image in changed.values() if image)


def _changed(item: Located, path: str) -> Image | None:
    tag = item.get("newTag") or item.get("digest")
    return Image(item.said("newName") or item.said("name"), tag.text or "", path, tag.line) if tag else None


def _charts(one: Located, path: str) -> Iterator[Image]:
    for chart in one.all("helmCharts"):
        if version := chart.get("version"):
            yield Image(chart.said("name"), version.text or "", path, version.line, is_chart=True)


def _of_file(places: Places, path: str) -> Iterator[Image]:
    if "image:" not in places.tree.text(path):
        return
    for one in places.quiet(path):
        if one.said("kind") in _WORKLOADS:
            for value in _found(one, "image", 0):
                if image := parse(value.text or "", path, value.line):
                    yield image


def _found(value: Located, key: str, depth: int) -> Iterator[Located]:
    """Every text under a key, wherever it is in a manifest."""
    if depth > 12:
        return
    for name, one in (value.members or {}).items():
        if name == key and one.text is not None:
            yield one
        else:
            yield from _found(one, key, depth + 1)
    for one in value.items or ():
        yield from _found(one, key, depth + 1)


def parse(reference: str, path: str = "", line: int = 0) -> Image | None:
    """An image's name and tag from its reference; None without a tag."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag and head:
        return None if tag in _UNTAGGED else Image(head, tag, path, line)
    return Image(name, digest, path, line) if digest else None


def _helm(places: Places, source: Located, path: str) -> Iterator[Image]:
    """The images that an Application's own Helm values name."""
    helm: Mapping[str, Located] = source.each("helm")
    if inside := helm.get("valuesObject"):
        yield from _values(inside, path)
    for item in source.all("helm", "valueFiles"):
        name = (item.text or "").removeprefix("$values/").lstrip("/")
        beside = posixpath.normpath(posixpath.join(source.said("path"), name))
        for file in (name, beside):
            if file in places.tree.files:
                for one in places.quiet(file):
                    yield from _values(one, file)
                break
    for parameter in source.all("helm", "parameters"):
        value = parameter.get("value")
        if value and parameter.said("name").endswith("image.tag"):
            yield Image("", value.text or "", path, value.line)


def _values(value: Located, path: str, depth: int = 0) -> Iterator[Image]:
    if depth > 8:
        return
    for name, one in (value.members or {}).items():
        tag = one.get("tag")
        if name.lower().endswith("image") and tag and tag.text:
            repository = one.said("repository") or one.said("name")
            yield Image(repository, tag.text, path, tag.line)
        else:
            yield from _values(one, path, depth + 1)
