"""The cluster's state in the project's words, from what Argo CD says about each Application."""

from __future__ import annotations

import time
from collections.abc import Mapping

from blumeops.errors import AccessDenied, BlumeOpsError
from blumeops.layers.argocd_api import Api, Manifest
from blumeops.layers.argocd_sync import (
    POLL_SECONDS,
    Sync,
    condition_of,
    health_of,
    is_refreshing,
    worst_child,
)
from blumeops.plan import State, Status
from blumeops.target import Target

LAYER = "cluster"
ANSWER_SECONDS = 8.0
"""How long Argo CD may take to look again; the sandbox's takes half a second."""

_WORST_FIRST = (State.UNKNOWN, State.DEGRADED, State.DRIFTED, State.PENDING, State.IN_SYNC)


def status(api: Api, target: Target, root: str) -> Status:
    """Look at every Application, after Argo CD has looked again. Raises `Unreachable`."""
    sync = Sync(api, target, "", lambda line: None)
    apps, answered = looked_again(api, sync)
    if root not in apps:
        return Status(LAYER, State.PENDING, reason="nothing was applied yet")
    if not answered:
        return Status(
            LAYER,
            State.UNKNOWN,
            reason=f"Argo CD's application controller did not look again within {ANSWER_SECONDS:.0f} s",
            retryable=True,
        )
    found = {name: _of(app) for name, app in apps.items()}
    worst = min((state for state, _ in found.values()), key=_WORST_FIRST.index)
    details = tuple(f"{name}: {text}" for name, (_, text) in sorted(found.items()))
    reasons = [f"{name}: {text}" for name, (state, text) in sorted(found.items()) if state is worst]
    recorded = (apps[root].get("status", {}).get("history") or [{}])[-1].get("revision", "")
    return Status(
        LAYER,
        worst,
        reason="" if worst is State.IN_SYNC else "; ".join(reasons[:3]),
        retryable=worst is State.UNKNOWN,
        recorded=recorded,
        details=details,
    )


def looked_again(api: Api, sync: Sync) -> tuple[Mapping[str, Manifest], bool]:
    """The Applications after a refresh, and whether each refresh was done.

    What Argo CD wrote down last may be a minute old, and says nothing about whether it still runs.
    """
    apps = api.applications(sync.namespace)
    try:
        sync.refresh(apps)
    except AccessDenied:
        return apps, True  # a reader may not ask; then the last word has to do
    except BlumeOpsError:
        return apps, False
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        apps = api.applications(sync.namespace)
        if not any(is_refreshing(app) for app in apps.values()):
            return apps, True
    return apps, False


def _of(application: Manifest) -> tuple[State, str]:
    """One Application's state, and why."""
    stated = application.get("status") or {}
    sync, health = stated.get("sync") or {}, health_of(application)
    operation = stated.get("operationState") or {}
    if condition := condition_of(application):
        return State.UNKNOWN if condition.startswith("ComparisonError") else State.DEGRADED, condition
    if operation.get("phase") not in (None, "Running", "Terminating") and not operation.get("finishedAt"):
        what = f"its last operation is {operation.get('phase')} without an end"
        return State.DEGRADED, f"{what}: sync it again to repair it"
    if health in ("Degraded", "Missing", "Unknown"):
        return State.UNKNOWN if health == "Unknown" else State.DEGRADED, (
            f"{health}: {worst_child(application)}"
        )
    match sync.get("status"):
        case "Synced":
            return State.IN_SYNC, f"synced, {health}"
        case "OutOfSync":
            # Git at the revision that was synced last, and still different: the cluster has changed.
            history = (stated.get("history") or [{}])[-1]
            same = sync.get("revision") == history.get("revision")
            if operation.get("phase") in ("Failed", "Error"):
                return State.DEGRADED, f"the last sync failed: {operation.get('message', '')}"
            return State.DRIFTED if same else State.PENDING, f"out of sync, {health}"
        case other:
            return State.UNKNOWN, f"Argo CD says its sync status is {other or 'not known yet'}"
