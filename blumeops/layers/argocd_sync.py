"""Syncs Applications at one revision through Argo CD, and waits until it says how that went.

An operation is written into the Application; the controller does it and reports in `status.operationState`.
Each operation carries a name of ours, so that somebody else's is never taken for ours, and the result must
be at our revision: "Synced" alone could mean another one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

from blumeops.errors import EngineError, UnknownAnswer
from blumeops.layer import Notify
from blumeops.layers.argocd_api import APPLICATION, Api, Key, Manifest, Refused
from blumeops.target import Target

POLL_SECONDS = 0.2
SYNC_SECONDS = 120.0
"""How long one Application may take to be synced and healthy, unless told otherwise."""

SETTLE_SECONDS = 20.0
"""How long a Degraded or OutOfSync answer after a good sync may last: rollouts pass through both."""

TERMINATE_SECONDS = 10.0
REFRESH = "argocd.argoproj.io/refresh"
_GOOD_HEALTH = ("Healthy", "Suspended")
_INFO = "blumeops"


class Stage(Enum):
    """How far an Application's sync is."""

    RUNNING = "running"
    DONE = "done"
    UNSETTLED = "unsettled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at an Application's sync; `says` is Argo CD's own message, `resources` its result for each."""

    stage: Stage
    says: str = ""
    resources: Mapping[Key, str] = field(default_factory=dict)


@dataclass(slots=True)
class Sync:
    """One run of syncs at one revision. `run` is the name that its operations carry."""

    api: Api
    target: Target
    revision: str
    notify: Notify
    patience: float = SYNC_SECONDS
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def namespace(self) -> str:
        """The namespace of Argo CD and its Applications."""
        assert self.target.cluster is not None
        return self.target.cluster.namespace

    def path(self, name: str) -> str:
        """The URL path of an Application."""
        kind = self.api.kind(*APPLICATION)
        assert kind is not None, "Api.applications raises without it"
        return kind.path(self.namespace, name)

    def sync(self, prune: Mapping[str, bool]) -> dict[str, Progress]:
        """Sync Applications side by side and wait for each one's end; `prune` says which may delete."""
        started = {name: time.monotonic() for name in prune}
        outcome: dict[str, Progress] = {}
        for name in prune:
            self.notify(f"{name}: syncing {self.revision[:12]}")
            try:
                self._start(name, prune=prune[name])
            except EngineError as error:
                outcome[name] = Progress(Stage.FAILED, error.what)
        unsettled: dict[str, float] = {}
        refreshed: set[str] = set()
        while waiting := [name for name in prune if name not in outcome]:
            live = self.api.applications(self.namespace)
            for name in waiting:
                now = time.monotonic()
                seen = self._look(name, live.get(name), refreshed)
                if seen.stage is Stage.UNSETTLED:
                    since = unsettled.setdefault(name, now)
                    late = now - since > min(SETTLE_SECONDS, self.patience)
                    seen = Progress(Stage.FAILED, seen.says, seen.resources) if late else seen
                else:
                    unsettled.pop(name, None)
                if seen.stage is Stage.RUNNING and now - started[name] > self.patience:
                    seen = self._terminate(name, seen)
                if seen.stage in (Stage.DONE, Stage.FAILED):
                    outcome[name] = seen
                    self.notify(_line(name, seen, now - started[name]))
            time.sleep(POLL_SECONDS)
        return outcome

    def _start(self, name: str, *, prune: bool) -> None:
        """Write the operation, once no other one runs. Raises `EngineError` when one never ends."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            live = self.api.get(self.path(name))
            if live is None:
                raise EngineError("the Application is not there", where=name)
            phase = _state(live).get("phase")
            if live.get("operation") or phase in ("Running", "Terminating"):
                time.sleep(POLL_SECONDS)
                continue
            patch = {
                "metadata": {
                    "resourceVersion": live["metadata"]["resourceVersion"],
                    # Without it the comparison after the sync may use a branch tip from its cache.
                    "annotations": {REFRESH: "normal"},
                },
                "operation": self._operation(live, prune=prune),
            }
            try:
                self.api.merge(self.path(name), patch)
                return
            except Refused:
                time.sleep(POLL_SECONDS)  # it changed since we read it: read again
        self._terminate(name, Progress(Stage.RUNNING))
        raise EngineError(
            f"another operation ran for {self.patience:.0f} s and was ended", where=name, hint="apply again"
        )

    def _operation(self, live: Manifest, *, prune: bool) -> dict[str, Any]:
        spec = live["spec"]
        policy = spec.get("syncPolicy") or {}
        # A patch of an Application brings nothing of its own sync policy along, so it is repeated here.
        sync = {"prune": prune, "syncOptions": policy.get("syncOptions") or []}
        if sources := spec.get("sources"):
            url = self.target.git.url
            sync["revisions"] = [
                self.revision if one["repoURL"] == url else one.get("targetRevision", "HEAD")
                for one in sources
            ]
            sync["sources"] = sources
        else:
            sync["revision"] = self.revision
        operation = {"initiatedBy": {"username": "blumeops"}, "sync": sync}
        operation["info"] = [{"name": _INFO, "value": self.run}]
        return {**operation, **({"retry": policy["retry"]} if policy.get("retry") else {})}

    def _look(self, name: str, live: Manifest | None, refreshed: set[str]) -> Progress:
        if live is None:
            return Progress(Stage.FAILED, "the Application went away while it was synced")
        state = _state(live)
        info = {one.get("name"): one.get("value") for one in state.get("operation", {}).get("info") or ()}
        if info.get(_INFO) != self.run:
            return Progress(Stage.RUNNING, "waiting for the application controller")
        results = _results(state)
        match state.get("phase"):
            case "Running" | "Terminating":
                return Progress(Stage.RUNNING, state.get("message", ""), results)
            case "Failed" | "Error":
                return Progress(Stage.FAILED, _worst(state) or state.get("message", "failed"), results)
            case "Succeeded":
                return self._settled(name, live, refreshed, results)
            case other:
                raise UnknownAnswer(f"an operation in the phase {other!r}", where=name)

    def _settled(
        self, name: str, live: Manifest, refreshed: set[str], results: Mapping[Key, str]
    ) -> Progress:
        result = _state(live).get("syncResult") or {}
        if self.revision not in (result.get("revision"), *(result.get("revisions") or ())):
            return Progress(Stage.FAILED, f"Argo CD synced {result.get('revision')} instead", results)
        if name not in refreshed:
            # Sync and health status are from before the sync until Argo CD has looked again.
            refreshed.add(name)
            self.refresh([name])
            return Progress(Stage.RUNNING, "looking again", results)
        if is_refreshing(live):
            return Progress(Stage.RUNNING, "looking again", results)
        health = health_of(live)
        if condition := condition_of(live):
            return Progress(Stage.UNSETTLED, condition, results)
        if health in _GOOD_HEALTH:
            return Progress(Stage.DONE, health, results)
        stage = Stage.UNSETTLED if health in ("Degraded", "Missing", "Unknown") else Stage.RUNNING
        return Progress(stage, f"{health}: {worst_child(live)}", results)

    def refresh(self, names: Iterable[str]) -> None:
        """Have Argo CD read Git and the cluster again."""
        for name in names:
            self.api.merge(self.path(name), {"metadata": {"annotations": {REFRESH: "normal"}}})

    def _terminate(self, name: str, seen: Progress) -> Progress:
        """End an operation that does not end by itself, as `argocd app terminate-op` does."""
        live = self.api.get(self.path(name))
        if live and _state(live).get("phase") == "Running":
            self.api.merge(self.path(name), {"status": {"operationState": {"phase": "Terminating"}}})
        deadline = time.monotonic() + TERMINATE_SECONDS
        while (
            live and _state(live).get("phase") in ("Running", "Terminating") and time.monotonic() < deadline
        ):
            time.sleep(POLL_SECONDS)
            live = self.api.get(self.path(name))
        says = f"not done after {self.patience:.0f} s ({seen.says or 'no message'}); ended"
        return Progress(Stage.FAILED, says, seen.resources)

    def wait_gone(self, names: Iterable[str]) -> dict[str, Progress]:
        """Wait until deleted Applications and what they deployed are gone."""
        deadline, left = time.monotonic() + SYNC_SECONDS, set(names)
        while left and time.monotonic() < deadline:
            left &= set(self.api.applications(self.namespace))
            time.sleep(POLL_SECONDS if left else 0)
        late = Progress(Stage.FAILED, f"still being deleted after {SYNC_SECONDS:.0f} s")
        return {name: late if name in left else Progress(Stage.DONE, "deleted") for name in names}


def is_refreshing(application: Manifest) -> bool:
    """Whether a refresh was asked for and not done yet; the controller takes the annotation away."""
    return REFRESH in (application["metadata"].get("annotations") or {})


def health_of(application: Manifest) -> str:
    """Argo CD's word for an Application's health."""
    health: str = ((application.get("status") or {}).get("health") or {}).get("status", "Unknown")
    return health


def condition_of(application: Manifest) -> str:
    """The first error that Argo CD has with an Application; empty when there is none."""
    conditions = (application.get("status") or {}).get("conditions") or ()
    errors = [one for one in conditions if str(one.get("type", "")).endswith("Error")]
    return f"{errors[0]['type']}: {errors[0].get('message', '')}" if errors else ""


def worst_child(application: Manifest) -> str:
    """The resource that spoils an Application's health, with its message where Argo CD keeps it."""
    status = application.get("status") or {}
    for wanted in ("Degraded", "Missing", "Unknown", "Progressing"):
        for one in status.get("resources") or ():
            health = one.get("health") or {}
            if health.get("status") == wanted:
                key = Key(one.get("group", ""), one["kind"], one.get("namespace", ""), one["name"])
                return f"{key}: {health.get('message') or wanted}"
    return (status.get("health") or {}).get("message") or "no resource is named"


def _state(application: Manifest) -> dict[str, Any]:
    return (application.get("status") or {}).get("operationState") or {}


def _results(state: Mapping[str, Any]) -> dict[Key, str]:
    found = (state.get("syncResult") or {}).get("resources") or ()
    return {
        Key(one.get("group", ""), one["kind"], one.get("namespace", ""), one["name"]): one.get("status", "")
        for one in found
    }


def _worst(state: Mapping[str, Any]) -> str:
    """The first resource that failed, in Argo CD's words."""
    for one in (state.get("syncResult") or {}).get("resources") or ():
        if one.get("status") == "SyncFailed" or one.get("hookPhase") in ("Failed", "Error"):
            key = Key(one.get("group", ""), one["kind"], one.get("namespace", ""), one["name"])
            return f"{key}: {one.get('message', 'failed')}"
    return ""


def _line(name: str, seen: Progress, seconds: float) -> str:
    match seen.stage:
        case Stage.DONE:
            return f"{name}: synced, {seen.says} after {seconds:.1f} s"
        case Stage.FAILED:
            return f"{name}: failed after {seconds:.1f} s: {seen.says}"
        case Stage.RUNNING | Stage.UNSETTLED:
            return f"{name}: {seen.says}"
        case _:
            assert_never(seen.stage)
