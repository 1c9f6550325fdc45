"""Desired manifests against live objects, by the API server's own judgement.

Each manifest is applied server-side in a dry run, as Argo CD would apply it; what comes back differs from
the live object exactly where a sync would change something. So defaults that the server fills in are no
difference, and a manifest that it would refuse is refused here, in its words, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from blumeops.errors import BadInput, Problem, Unreachable
from blumeops.layer import Desired
from blumeops.layers import argocd_yaml
from blumeops.layers.argocd_api import APPLICATION, ARGOCD, OURS, Api, Key, Kind, Manifest, Refused
from blumeops.layers.argocd_diff import TRACKING, diff, essence, fingerprint
from blumeops.layers.argocd_render import KUSTOMIZATION_FILES, App, Rendered
from blumeops.layers.argocd_strays import removal, strays, without
from blumeops.plan import Action, Change

FINALIZER = "resources-finalizer.argocd.argoproj.io"
_HOOKS = ("argocd.argoproj.io/hook", "helm.sh/hook")
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome for one object; `live` is a fingerprint of what was compared, empty if it is not there.

    `cleaning` is the path and the patch that remove what was added by hand, which a sync leaves alone.
    """

    app: str
    key: Key
    change: Change | None = None
    live: str = ""
    problem: Problem | None = None
    cleaning: tuple[str, list[dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All objects of all Applications."""

    objects: tuple[Compared, ...]
    notes: tuple[str, ...] = ()
    unseen: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """What would change: the root first, in the order of the Applications."""
        return tuple(one.change for one in self.objects if one.change)

    @property
    def fingerprint(self) -> str:
        """A digest of everything live that was compared; status and bookkeeping are not in it."""
        return fingerprint(sorted((one.app, str(one.key), one.live) for one in self.objects))


def address(app: str, key: Key) -> str:
    """How a change is called: the Application, then the object as Argo CD names it."""
    return f"{app}: {key}"


def parse_address(text: str) -> tuple[str, Key]:
    """The inverse of `address`."""
    app, _, rest = text.partition(": ")
    kinds, _, names = rest.partition(" ")
    group, _, kind = kinds.rpartition("/")
    namespace, _, name = names.rpartition("/")
    return app, Key(group, kind, namespace, name)


@dataclass(slots=True)
class Comparer:
    """One comparison of one revision with one cluster."""

    api: Api
    desired: Desired
    namespaces: dict[str, bool] = field(default_factory=dict)

    def compare(self, apps: tuple[App, ...], live_apps: Mapping[str, Manifest]) -> Comparison:
        """Compare everything. Raises `BadInput` with every manifest that the API server refuses."""
        self.api.forget()
        for namespace in {app.namespace for app in apps if app.namespace}:
            self.namespaces[namespace] = self.api.get(f"/api/v1/namespaces/{namespace}") is not None
        root = apps[0]
        with ThreadPoolExecutor(_WORKERS) as pool:
            first = list(pool.map(lambda app: self._application_root(app), [root]))
            jobs = [(app, one) for app in apps for one in app.objects if not _is_hook(one.manifest)]
            compared = list(pool.map(lambda job: self._object(*job), jobs))
            gone = list(pool.map(lambda job: self._gone(*job), self._left(apps, live_apps, compared)))
        new = [self._namespace(app) for app in apps if self._creates_namespace(app)]
        everything = [*first, *_in_order(apps, [*new, *compared, *gone])]
        if problems := [one.problem for one in everything if one.problem]:
            raise BadInput(problems)
        hooks = sum(1 for app in apps for one in app.objects if _is_hook(one.manifest))
        notes = [note for app in apps for note in app.notes]
        notes += [f"{hooks} sync hooks are run by a sync and not compared"] if hooks else []
        notes += self._orphans(apps, live_apps)
        return Comparison(tuple(everything), tuple(notes), unseen=hooks + sum(len(a.notes) for a in apps))

    def _application_root(self, root: App) -> Compared:
        kind = self.api.kind(*APPLICATION)
        assert kind is not None, "Api.applications has raised without it"
        return self._against_live(root.name, Rendered(root.manifest, root.path), kind, manager=OURS)

    def _object(self, app: App, one: Rendered) -> Compared:
        manifest = one.manifest
        kind = self.api.kind(str(manifest["apiVersion"]), str(manifest["kind"]))
        if kind is None:
            what = f"the cluster does not know the kind {manifest['kind']} of {manifest['apiVersion']}"
            key = Key(_group(manifest), manifest["kind"], app.namespace, manifest["metadata"]["name"])
            return self._problem(app.name, key, one, what, ())
        metadata = {k: v for k, v in manifest["metadata"].items() if k != "namespace"}
        if kind.namespaced:
            metadata["namespace"] = manifest["metadata"].get("namespace") or app.namespace
        placed = Rendered({**manifest, "metadata": metadata}, one.path, one.line)
        return self._against_live(app.name, placed, kind, tracked_in=app.namespace)

    def _against_live(
        self, app: str, one: Rendered, kind: Kind, *, manager: str = "", tracked_in: str | None = None
    ) -> Compared:
        manifest, metadata = one.manifest, one.manifest["metadata"]
        namespace = metadata.get("namespace", "")
        key = Key(_group(manifest), manifest["kind"], namespace, metadata["name"])
        if tracked_in is not None:
            manifest = _tracked(manifest, app, key, namespace or tracked_in)
        path = kind.path(namespace, metadata["name"])
        live = self.api.get(path)
        options = {"manager": manager} if manager else {}
        try:
            if live is None:
                self._would_create(kind, manifest, namespace)
                return Compared(app, key, Change(Action.CREATE, address(app, key), diff(None, manifest)))
            after = self._would_apply(kind, manifest, namespace, **options)
        except Refused as refused:
            if live is not None and self._fine_as_a_new_one(kind, manifest, namespace):
                return _replace(app, key, live, manifest, refused)
            return self._problem(app, key, one, refused.what, refused.fields)
        seen = fingerprint(essence(live))
        added = strays(after, manifest)
        final = without(after, added)
        if essence(live) == essence(final):
            return Compared(app, key, None, seen)
        change = Change(Action.UPDATE, address(app, key), diff(live, final))
        return Compared(app, key, change, seen, cleaning=(path, removal(live, added)) if added else None)

    def _would_create(self, kind: Kind, manifest: Manifest, namespace: str) -> None:
        """Have a new object checked; one for a namespace that is still to come is checked in `default`."""
        if kind.namespaced and namespace and not self.namespaces.get(namespace, True):
            manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": "default"}}
            namespace = "default"
        self._would_apply(kind, manifest, namespace)

    def _would_apply(
        self, kind: Kind, manifest: Manifest, namespace: str, manager: str = ARGOCD
    ) -> dict[str, Any]:
        """A server-side apply in a dry run. Raises `Refused` for a bad manifest, in the clearest words.

        The server answers some values of a wrong type as its own failure (500). Whether the manifest is to
        blame shows when it is sent as a new object: then the same server calls it bad.
        """
        path = kind.path(namespace, manifest["metadata"]["name"])
        try:
            return self.api.apply(path, manifest, manager=manager, dry_run=True)
        except Unreachable as failed:
            try:
                self.api.would_create(kind.path(namespace), _renamed(manifest))
            except Refused as refused:
                # Only the first answer names the field, when it does.
                raise Refused(failed.what if _field_in(failed.what) else refused.what, where=path) from failed
            raise

    def _fine_as_a_new_one(self, kind: Kind, manifest: Manifest, namespace: str) -> bool:
        """Whether only the change is impossible (an immutable field), not the manifest itself."""
        try:
            self.api.would_create(kind.path(namespace), _renamed(manifest))
        except Refused:
            return False
        return True

    def _problem(self, app: str, key: Key, one: Rendered, said: str, fields: tuple[str, ...]) -> Compared:
        line, path = one.line, self.desired.folder.parent / one.path
        named = fields[0] if fields else _field_in(said)
        if path.is_file() and path.name not in KUSTOMIZATION_FILES:
            line = argocd_yaml.line_of(path, key.kind, key.name, named) or line
        if key.kind == "Secret":
            said = "the API server refuses it (its words could quote the value, and are not shown)"
        what = f"{address(app, key)}: {named + ': ' if named and named not in said else ''}{said}"
        return Compared(app, key, problem=Problem(what, one.path, line))

    def _creates_namespace(self, app: App) -> bool:
        exists = self.namespaces.get(app.namespace, True)
        return not exists and app.has_option("CreateNamespace=true")

    def _namespace(self, app: App) -> Compared:
        key = Key("", "Namespace", "", app.namespace)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": app.namespace}}
        return Compared(app.name, key, Change(Action.CREATE, address(app.name, key), diff(None, manifest)))

    def _left(
        self, apps: tuple[App, ...], live_apps: Mapping[str, Manifest], compared: Iterable[Compared]
    ) -> list[tuple[str, Key, str]]:
        """Objects that Argo CD tracks and Git no longer has, those of Applications that left Git too."""
        desired = {one.key for one in compared}
        present = {app.name for app in apps}
        left: list[tuple[str, Key, str]] = []
        names = [name for name in present if name in live_apps]
        for name in sorted(names):
            left += [(name, key, version) for key, version in tracked(live_apps[name]) if key not in desired]
        for _, key, _ in list(left):
            if key.kind == "Application" and key.name in live_apps and _cascades(live_apps[key.name]):
                left += [(key.name, child, version) for child, version in tracked(live_apps[key.name])]
        return left

    def _gone(self, app: str, key: Key, version: str) -> Compared:
        kind = self.api.kind(f"{key.group}/{version}" if key.group else version, key.kind)
        live = self.api.get(kind.path(key.namespace, key.name)) if kind else None
        if live is None or not _belongs(live, app) or _kept(live):
            return Compared(app, key)
        change = Change(Action.DELETE, address(app, key), diff(live, None))
        return Compared(app, key, change, fingerprint(essence(live)))

    def _orphans(self, apps: tuple[App, ...], live_apps: Mapping[str, Manifest]) -> list[str]:
        present = {app.name for app in apps}
        return [
            f"{name}: the Application goes, its workload stays: it has no finalizer"
            for name, app in live_apps.items()
            if name not in present and _belongs(app, apps[0].name) and not _cascades(app)
        ]


def tracked(application: Manifest) -> list[tuple[Key, str]]:
    """What Argo CD says belongs to an Application, with each one's API version; hooks are not in it."""
    return [
        (Key(r.get("group", ""), r["kind"], r.get("namespace", ""), r["name"]), r.get("version", "v1"))
        for r in (application.get("status") or {}).get("resources") or ()
        if not r.get("hook")
    ]


def _replace(app: str, key: Key, live: Manifest, manifest: Manifest, refused: Refused) -> Compared:
    why = f"# {refused.what}\n# It cannot be changed in place, and nothing is deleted by force."
    how = f"# To replace it: `kubectl delete` it, then apply.\n{diff(live, manifest)}"
    change = Change(Action.REPLACE, address(app, key), f"{why}\n{how}")
    return Compared(app, key, change, fingerprint(essence(live)))


def _renamed(manifest: Manifest) -> dict[str, Any]:
    """The manifest under a name that no live object has."""
    name = f"{manifest['metadata']['name'][:40]}-as-a-new-one"
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}}


def _tracked(manifest: Manifest, app: str, key: Key, namespace: str) -> dict[str, Any]:
    """The manifest with the annotation that Argo CD adds to what it deploys, cluster-wide objects too."""
    value = f"{app}:{key.group}/{key.kind}:{namespace}/{key.name}"
    annotations = {**(manifest["metadata"].get("annotations") or {}), TRACKING: value}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def _belongs(live: Manifest, app: str) -> bool:
    annotations: Mapping[str, str] = live["metadata"].get("annotations") or {}
    return annotations.get(TRACKING, "").startswith(f"{app}:")


def _kept(live: Manifest) -> bool:
    options = (live["metadata"].get("annotations") or {}).get("argocd.argoproj.io/sync-options", "")
    return "Prune=false" in options or "deletionTimestamp" in live["metadata"]


def _cascades(application: Manifest) -> bool:
    return any(str(one).startswith(FINALIZER) for one in application["metadata"].get("finalizers") or ())


def _is_hook(manifest: Manifest) -> bool:
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    return any(name in annotations for name in _HOOKS)


def _group(manifest: Manifest) -> str:
    return str(manifest["apiVersion"]).rpartition("/")[0]


def _field_in(said: str) -> str:
    """The field path in the words of a refusal (`.spec.replicas: expected numeric …`), or nothing."""
    return next(
        (word.strip(".:") for word in said.split() if word.startswith(".") and word.endswith(":")), ""
    )


def _in_order(apps: tuple[App, ...], compared: list[Compared]) -> list[Compared]:
    names = [app.name for app in apps]
    return sorted(compared, key=lambda one: names.index(one.app) if one.app in names else len(names))
