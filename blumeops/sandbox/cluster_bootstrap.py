"""What must be in the cluster before Argo CD starts: its namespace, CRDs, settings, project, and one node.

A handful of server-side applies, sent side by side. They are idempotent, so every start sends them again and
a second start repairs what was deleted by hand. httpx rather than the Kubernetes client, whose import alone
takes longer than all of this.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blumeops.errors import EngineError
from blumeops.sandbox import engines
from blumeops.sandbox.cluster_credentials import NAMESPACE, credentials
from blumeops.sandbox.layout import Layout

if TYPE_CHECKING:
    import httpx

CRDS = ("application-crd.yaml", "appproject-crd.yaml")
"""ApplicationSets need a controller that the sandbox does not run, and their CRD is 1.5 MB."""

NODE = "node-1"
RESYNC_SECONDS = 60
PATIENCE_SECONDS = 30.0
Manifest = Mapping[str, Any]


def bootstrap(layout: Layout) -> None:
    """Make the cluster ready for Argo CD. Raises `EngineError` with the API server's words."""
    import httpx

    held = credentials(layout)
    headers = {"Authorization": f"Bearer {held.token.read_text()}"}
    base = f"https://127.0.0.1:{layout.port('apiserver')}"
    trusted = ssl.create_default_context(cafile=str(held.ca))
    folder = engines.share("argocd") / "crds"
    with (
        httpx.Client(base_url=base, headers=headers, verify=trusted, timeout=20.0, trust_env=False) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        crds = pool.map(lambda name: _define(client, folder / name), CRDS)
        _apply(client, "/api/v1/namespaces", _object("v1", "Namespace", NAMESPACE))
        first = pool.map(lambda pair: _apply(client, *pair), list(_settings(client)))
        for done in (crds, first):
            list(done)
        _apply(client, f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/appprojects", _project())


def _define(client: httpx.Client, path: Path) -> None:
    """Apply a CRD as it is, unparsed (it is large), and wait until the API server serves it."""
    url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = next(
        line.split(":", 1)[1].strip() for line in path.read_text().splitlines() if line.startswith("  name:")
    )
    _send(client, f"{url}/{name}", path.read_bytes())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        conditions = client.get(f"{url}/{name}").json().get("status", {}).get("conditions") or []
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        time.sleep(0.05)
    raise EngineError(f"the CRD is not established after {PATIENCE_SECONDS:.0f} s", where=name)


def _settings(client: httpx.Client) -> Iterable[tuple[str, Manifest]]:
    configmaps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    for name, data in _CONFIG_MAPS.items():
        yield configmaps, {**_object("v1", "ConfigMap", name, part_of_argocd=True), "data": data}
    secrets_url = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    if client.get(f"{secrets_url}/argocd-secret").status_code == 404:
        secret = _object("v1", "Secret", "argocd-secret", part_of_argocd=True)
        yield secrets_url, {**secret, "stringData": {"server.secretkey": secrets.token_urlsafe(32)}}
    node = _object("v1", "Node", NODE)
    annotations = {"kwok.x-k8s.io/node": "fake"}
    labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "type": "kwok"}
    yield "/api/v1/nodes", {**node, "metadata": {"name": NODE, "annotations": annotations, "labels": labels}}


def _project() -> Manifest:
    project = _object("argoproj.io/v1alpha1", "AppProject", "default")
    everything = [{"group": "*", "kind": "*"}]
    destinations = [{"namespace": "*", "server": "*"}]
    spec = {"sourceRepos": ["*"], "destinations": destinations, "clusterResourceWhitelist": everything}
    return {**project, "spec": spec}


def _object(version: str, kind: str, name: str, *, part_of_argocd: bool = False) -> dict[str, object]:
    # Argo CD watches only the settings that carry this label.
    labels = {"labels": {"app.kubernetes.io/part-of": "argocd"}} if part_of_argocd else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **labels}}


def _apply(client: httpx.Client, collection: str, manifest: Manifest) -> None:
    import json

    _send(client, f"{collection}/{manifest['metadata']['name']}", json.dumps(manifest).encode())


def _send(client: httpx.Client, url: str, body: bytes) -> None:
    query = {"fieldManager": "blumeops-sandbox", "force": "true"}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    answer = client.patch(url, params=query, headers=headers, content=body)
    if answer.is_error:
        raise EngineError(f"{answer.status_code}: {answer.text[:500]}", where=url)


_CONFIG_MAPS: Mapping[str, Mapping[str, str]] = {
    "argocd-cm": {
        "application.resourceTrackingMethod": "annotation",
        "timeout.reconciliation": f"{RESYNC_SECONDS}s",
        "timeout.reconciliation.jitter": "0s",
        # Status changes that leave the health as it is need no comparison; kwok makes many of them.
        "resource.customizations.ignoreResourceUpdates.all": "jsonPointers:\n  - /status\n",
        "resource.exclusions": "- apiGroups: ['', discovery.k8s.io]\n  kinds: [Endpoints, EndpointSlice]\n"
        "- apiGroups: [coordination.k8s.io]\n  kinds: [Lease]\n",
    },
    "argocd-cmd-params-cm": {},
    "argocd-rbac-cm": {},
    "argocd-ssh-known-hosts-cm": {},
    "argocd-tls-certs-cm": {},
    "argocd-gpg-keys-cm": {},
}
