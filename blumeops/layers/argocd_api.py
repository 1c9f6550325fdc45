"""The seam to the Kubernetes API: paths from kinds, server-side dry runs, and refusals in the server's words.

The Kubernetes client reads the kubeconfig and keeps its credentials fresh; requests go through its connection
pool as plain JSON, because the layer compares objects of any kind, as they are. Every call has a deadline.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from blumeops.errors import AccessDenied, BadInput, EngineError, Problem, UnknownAnswer, Unreachable
from blumeops.target import Cluster

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Manifest = Mapping[str, Any]
"""An object of the API, of any kind: as Git states it, or as the server answers."""

CALL_SECONDS = 10.0
ARGOCD = "argocd-controller"
"""The field manager under which Argo CD applies (its ArgoCDSSAManager)."""

OURS = "blumeops"
"""The field manager of what the layer writes itself."""

APPLICATION = "argoproj.io/v1alpha1", "Application"


class Key(NamedTuple):
    """The identity of an object, without its version: what Argo CD tracks it by."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.group}/{self.kind}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


class Refused(EngineError):
    """The API server refused an object; `fields` are the paths that it named."""

    def __init__(self, what: str, *, where: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(what, where=where)
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Kind:
    """How the API serves one kind."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The URL path of an object, or of its collection when `name` is empty."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Api:
    """One cluster, as its kubeconfig's context reaches it. Safe to use from several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = _connect(cluster)
        self.server: str = self._client.configuration.host
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """How a kind is served; None when the server does not know it."""
        with self._lock:
            if api_version not in self._kinds:
                self._kinds[api_version] = self._discover(api_version)
            return self._kinds[api_version].get(kind)

    def _discover(self, api_version: str) -> dict[str, Kind]:
        prefix = "/apis/" if "/" in api_version else "/api/"
        status, found = self._request("GET", prefix + api_version)
        # An unknown group is answered with a plain page, not with an object that says NotFound.
        found = {} if status == 404 else self._accepted(status, found, api_version)
        return {
            str(resource["kind"]): Kind(api_version, resource["name"], resource["namespaced"])
            for resource in found.get("resources", [])
            if "/" not in resource["name"]
        }

    def forget(self) -> None:
        """Ask again which kinds there are: a CRD may have come or gone."""
        with self._lock:
            self._kinds.clear()

    def get(self, path: str) -> dict[str, Any] | None:
        """Read one object or list; None only when the server says that it is not there."""
        status, answer = self._request("GET", path)
        if status == 404 and answer.get("reason") == "NotFound":
            return None
        return self._accepted(status, answer, path)

    def applications(self, namespace: str) -> dict[str, dict[str, Any]]:
        """Every Application of Argo CD's namespace, by name. Raises `EngineError` without Argo CD."""
        kind = self.kind(*APPLICATION)
        if kind is None:
            raise EngineError("Argo CD is not installed in this cluster", where=self.server)
        found = self.get(kind.path(namespace)) or {}
        return {item["metadata"]["name"]: item for item in found.get("items", [])}

    def apply(self, path: str, manifest: Manifest, *, manager: str = ARGOCD, dry_run: bool) -> dict[str, Any]:
        """Server-side apply, taking over every field in the manifest, as Argo CD does.

        With `dry_run` nothing is stored and the answer is what would be. Raises `Refused`.
        """
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return self._write("PATCH", path, query, manifest, "application/apply-patch+yaml")

    def would_create(self, path: str, manifest: Manifest) -> dict[str, Any]:
        """Create in a dry run: what a new object would be. Raises `Refused`."""
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        return self._write("POST", path, query, manifest, "application/json")

    def merge(self, path: str, patch: Manifest) -> dict[str, Any]:
        """Change the fields in `patch` and no others (a JSON merge patch, RFC 7386)."""
        query = {"fieldManager": OURS}
        return self._write("PATCH", path, query, patch, "application/merge-patch+json")

    def patch(self, path: str, operations: Sequence[Manifest]) -> dict[str, Any]:
        """Change an object step by step (a JSON patch, RFC 6902). Raises `Refused` when a test fails."""
        return self._write("PATCH", path, {"fieldManager": OURS}, operations, "application/json-patch+json")

    def _write(
        self, method: str, path: str, query: Mapping[str, str], body: object, content: str
    ) -> dict[str, Any]:
        url = f"{path}?{urlencode(query)}" if query else path
        status, answer = self._request(method, url, json.dumps(body), content)
        return self._accepted(status, answer, path)

    def _request(
        self, method: str, path: str, body: str | None = None, content: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", "Content-Type": content}
        for setting in self._client.configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        try:
            answer = self._client.rest_client.pool_manager.request(
                method, self.server + path, body=body, headers=headers, timeout=CALL_SECONDS, retries=False
            )
        except HTTPError as error:
            reason = f"{type(error).__name__}: {error}".split("(")[0].strip() or "no answer"
            raise Unreachable(
                f"the API server does not answer: {reason}", where=self.server, hint="is the cluster up?"
            ) from error
        try:
            return answer.status, json.loads(answer.data or b"{}")
        except ValueError as error:
            head = answer.data[:80].decode(errors="replace")
            if answer.status >= 400:
                return answer.status, {"message": head}
            raise UnknownAnswer(
                f"status {answer.status} with a body that is not JSON: {head!r}", where=self.server
            ) from error

    def _accepted(self, status: int, answer: dict[str, Any], path: str) -> dict[str, Any]:
        if status < 300:
            return answer
        said = str(answer.get("message", f"status {status}"))
        causes = (answer.get("details") or {}).get("causes") or ()
        match status:
            case 401 | 403:
                raise AccessDenied(said, where=self.server, hint="check the context in the kubeconfig")
            case 400 | 404 | 409 | 422:
                fields = tuple(str(cause["field"]) for cause in causes if cause.get("field"))
                raise Refused(said, where=path, fields=fields)
            case _:
                raise Unreachable(said, where=f"{self.server}: status {status}", hint="try again")


def _connect(cluster: Cluster) -> ApiClient:
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import new_client_from_config

    path = Path(cluster.kubeconfig)
    if not path.exists():
        raise BadInput([Problem("there is no kubeconfig", str(path))])
    try:
        client: ApiClient = new_client_from_config(  # type: ignore[no-untyped-call]  # it has no types
            str(path), cluster.context, persist_config=False
        )
    except ConfigException as error:
        raise BadInput([Problem(f"context {cluster.context!r}: {error}", str(path))]) from error
    return client
