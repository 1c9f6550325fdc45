"""What the cluster runs, in two calls of kubectl: the workloads of every namespace, and its nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from blumeops import process
from blumeops.errors import BlumeOpsError
from blumeops.services.model import Workload
from blumeops.target import Target

KINDS = "deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch"
PLAYED = "kwok.x-k8s.io/node"
"""The annotation of a node that kwok plays: its pods become ready, and nothing runs in them."""
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload as it is: the images of its pods, and how many are ready of how many."""

    images: tuple[str, ...]
    ready: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Pods:
    """Every workload of the cluster by kind, namespace and name; `reason` says why there is nothing."""

    workloads: dict[tuple[str, str, str], Seen] | None = None
    simulated: bool = False
    reason: str = ""

    def find(self, workload: Workload) -> Seen | None:
        """One workload as it is; None when it is not there, or when nothing could be seen."""
        key = (workload.kind, workload.namespace, workload.name)
        return (self.workloads or {}).get(key)


def pods(target: Target) -> Pods:
    """Look at the cluster of a target. Never raises: what could not be seen is in `reason`."""
    if target.cluster is None:
        return Pods(reason=target.missing.get("cluster", f"target {target.name!r} has no cluster"))
    try:
        found = _get(target, KINDS, "--all-namespaces")
        nodes = _get(target, "nodes")
    except BlumeOpsError as error:
        return Pods(reason=str(error).replace("\n", "; "))
    played = [PLAYED in (node["metadata"].get("annotations") or {}) for node in nodes]
    return Pods({_key(one): _seen(one) for one in found}, simulated=bool(played) and all(played))


def _get(target: Target, *words: str) -> list[dict[str, Any]]:
    place = target.cluster
    assert place is not None
    argv = [
        "kubectl",
        "--kubeconfig",
        str(place.kubeconfig),
        "--context",
        place.context,
        "get",
        *words,
        "-o",
        "json",
    ]
    done = process.run(argv, env=target.environment(), timeout=SECONDS)
    items: list[dict[str, Any]] = json.loads(done.check(hint="`blumeops status cluster`").stdout)["items"]
    return items


def _key(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]


def _seen(one: dict[str, Any]) -> Seen:
    spec, status = one["spec"], one.get("status") or {}
    job = spec.get("jobTemplate")
    pod = (job["spec"] if job else spec)["template"]["spec"]
    images = tuple(container["image"] for container in pod["containers"])
    if job:
        return Seen(images, 0, 0)
    if one["kind"] == "DaemonSet":
        return Seen(images, status.get("numberReady", 0), status.get("desiredNumberScheduled", 0))
    return Seen(images, status.get("readyReplicas", 0), spec.get("replicas", 1))
