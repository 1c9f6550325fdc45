"""Fields that a person added to a live object by hand, beside everything that Git states.

A server-side apply leaves alone what other managers own, and so does Argo CD: a variable added with
`kubectl set env` stays, and no comparison of Git's own fields will ever show it. But the API server writes
down who set which field (`managedFields`), so what a tool for hands has set, and Git does not state, can be
told apart from what controllers set.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blumeops.layers.argocd_api import Manifest

HANDS = re.compile(
    r"^(kubectl|k9s|argocd-server|node-fetch|curl|OpenAPI-Generator|python-|Mozilla)", re.IGNORECASE
)
"""Managers behind which a person sits: kubectl-edit, k9s, Lens (node-fetch), Argo CD's page, scripts."""

_FINE = ("kubectl.kubernetes.io/restartedAt", "kubectl.kubernetes.io/last-applied-configuration")
"""Notes that hands leave in the course of business: a restart is not a change of state."""

_IDENTITY = frozenset(("apiVersion", "kind", "status", "operation"))

Pointer = tuple[str | int, ...]


def strays(live: Manifest, manifest: Manifest) -> tuple[Pointer, ...]:
    """Where a live object holds something by hand that the manifest does not state; last items first.

    In this order they can be removed one after the other without moving the ones still to come.
    """
    found: set[Pointer] = set()
    for entry in live.get("metadata", {}).get("managedFields") or ():
        if HANDS.match(str(entry.get("manager", ""))) and not entry.get("subresource"):
            fields = {k: v for k, v in (entry.get("fieldsV1") or {}).items() if k[2:] not in _IDENTITY}
            found |= set(_walk(fields, live, manifest, ()))
    within = {one for one in found if any(one[:n] in found for n in range(1, len(one)))}
    return tuple(sorted(found - within, key=lambda one: [str(step).zfill(6) for step in one], reverse=True))


def _walk(fields: Mapping[str, Any], live: Any, wanted: object, at: Pointer) -> Iterator[Pointer]:
    for name, below in fields.items():
        step, ours = _find(name, live, wanted)
        if step is None or _is_fine(name, below):
            continue
        owned = not below or "." in below
        if ours is None and owned:
            yield (*at, step)
        elif below:
            yield from _walk(below, live[step], ours, (*at, step))


def _is_fine(name: str, below: Mapping[str, Any]) -> bool:
    """Whether a field is a note that may stay, or a map that holds nothing else by this hand."""
    inner = [one for one in below if one != "."]
    return name[2:] in _FINE or (bool(inner) and all(one[2:] in _FINE for one in inner))


def _find(name: str, live: object, wanted: object) -> tuple[str | int | None, object]:
    """One step of a path (`f:name`, `k:{"name":"x"}`, `v:"x"`): its place in live, its value in wanted."""
    sort, _, text = name.partition(":")
    if sort == "f" and isinstance(live, Mapping) and text in live:
        return text, wanted.get(text) if isinstance(wanted, Mapping) else None
    if sort in ("k", "v") and isinstance(live, list):
        sought = json.loads(text)
        place = next((index for index, item in enumerate(live) if _is(item, sought)), None)
        items = wanted if isinstance(wanted, list) else ()
        return place, next((item for item in items if _could_be(item, sought)), None)
    return None, None


def _is(item: object, sought: object) -> bool:
    if isinstance(sought, Mapping) and isinstance(item, Mapping):
        return all(item.get(key) == value for key, value in sought.items())
    return item == sought


def _could_be(item: object, sought: object) -> bool:
    """Like `_is`, for a manifest, which may leave a part of the key to the server's defaults (`protocol`)."""
    if isinstance(sought, Mapping) and isinstance(item, Mapping):
        return all(item.get(key, value) == value for key, value in sought.items())
    return item == sought


def without(live: Manifest, pointers: tuple[Pointer, ...]) -> dict[str, Any]:
    """The object as it would be with these places removed."""
    cleaned = copy.deepcopy(dict(live))
    for pointer in pointers:
        parent: Any = cleaned
        for step in pointer[:-1]:
            parent = parent[step]
        del parent[pointer[-1]]
    return cleaned


def removal(live: Manifest, pointers: tuple[Pointer, ...]) -> list[dict[str, Any]]:
    """A JSON patch (RFC 6902) that removes them, and fails when the object was changed since."""
    version = {
        "op": "test",
        "path": "/metadata/resourceVersion",
        "value": live["metadata"]["resourceVersion"],
    }
    return [version, *({"op": "remove", "path": _json_pointer(one)} for one in pointers)]


def _json_pointer(pointer: Pointer) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in pointer)
