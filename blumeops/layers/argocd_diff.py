"""What of an object counts when two versions of it are compared, and how the difference reads.

The API server's own bookkeeping and status do not count: only what a manifest could say. The values of
Secrets never leave this module: marks replace them, equal for equal values, before any text is made.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from blumeops.layers.argocd_api import Manifest

_BOOKKEEPING = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_NOTES_OF_ENGINES = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "argocd.argoproj.io/refresh",
    "argocd.argoproj.io/hydrate",
)
"""Annotations that engines write for themselves and nobody states in Git."""

_FIRST = ("apiVersion", "kind", "metadata")
"""The order in which people write manifests; a server answers in any."""

TRACKING = "argocd.argoproj.io/tracking-id"


def essence(manifest: Manifest) -> dict[str, Any]:
    """An object without status and bookkeeping: equal essences mean that there is nothing to change."""
    bare = {key: value for key, value in manifest.items() if key not in ("status", "operation")}
    metadata = {key: value for key, value in bare.get("metadata", {}).items() if key not in _BOOKKEEPING}
    annotations = metadata.pop("annotations", None) or {}
    if kept := {key: value for key, value in annotations.items() if key not in _NOTES_OF_ENGINES}:
        metadata["annotations"] = kept
    return {**bare, "metadata": metadata}


def fingerprint(*parts: object) -> str:
    """A short digest of plain data."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def diff(before: Manifest | None, after: Manifest | None) -> str:
    """A unified diff of two versions as YAML, three lines of context; None means that there is none."""
    marks: dict[str, str] = {}
    texts = [_text(version, marks) for version in (before, after)]
    lines = difflib.unified_diff(
        texts[0].splitlines(), texts[1].splitlines(), "live", "desired", lineterm="", n=3
    )
    return "\n".join(lines)


def _text(manifest: Manifest | None, marks: dict[str, str]) -> str:
    if manifest is None:
        return ""
    shown = essence(manifest)
    # Argo CD adds it to everything it deploys; it says nothing that the address does not.
    annotations = {k: v for k, v in shown["metadata"].get("annotations", {}).items() if k != TRACKING}
    shown["metadata"] = {k: v for k, v in shown["metadata"].items() if k != "annotations"}
    if annotations:
        shown["metadata"]["annotations"] = annotations
    ordered = {key: shown[key] for key in (*_FIRST, *sorted(shown)) if key in shown}
    return yaml.safe_dump(_masked(ordered, marks), sort_keys=False, allow_unicode=True, width=110)


def _masked(manifest: dict[str, Any], marks: dict[str, str]) -> dict[str, Any]:
    """A Secret with its values replaced; others as they are. `marks` remembers which values were equal."""
    if manifest.get("kind") != "Secret":
        return manifest
    masked = dict(manifest)
    for field in ("data", "stringData"):
        if isinstance(values := manifest.get(field), dict):
            masked[field] = {
                key: marks.setdefault(str(value), f"[secret {len(marks) + 1}]")
                for key, value in values.items()
            }
    return masked
