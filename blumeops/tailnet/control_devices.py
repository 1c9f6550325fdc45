"""The devices and the keys of the control plane: headscale's nodes and its pre-auth keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from blumeops.tailnet import headscale, hujson
from blumeops.tailnet.control_plane import ControlPlane, Refused, body_of, plane_of

LONGEST_EXPIRY_SECONDS = 90 * 24 * 3600
LONGEST_DESCRIPTION = 50


async def devices(request: Request) -> Response:
    """Every device; any other query parameter than `fields` is a filter on a field of that name."""
    plane = plane_of(request)
    detailed = request.query_params.get("fields") == "all"
    found = [
        headscale.device(node, plane.base_domain, detailed=detailed or request.query_params != {})
        for node in await plane.nodes()
    ]
    for name, value in request.query_params.items():
        if name != "fields":
            found = [entry for entry in found if _matches(entry.get(name), value)]
    return JSONResponse({"devices": found})


def _matches(value: object, wanted: str) -> bool:
    if isinstance(value, list):
        return wanted in value
    return str(value).lower() == wanted.lower()


async def device(request: Request) -> Response:
    """Read one device, or remove it from the tailnet."""
    plane = plane_of(request)
    node = await _node(request, plane)
    if request.method == "DELETE":
        await plane.headscale.call("DELETE", f"/node/{node['id']}")
        return JSONResponse({})
    detailed = request.query_params.get("fields") == "all"
    return JSONResponse(headscale.device(node, plane.base_domain, detailed=detailed))


async def _node(request: Request, plane: ControlPlane) -> dict[str, Any]:
    wanted = request.path_params["device"]
    nodes = await plane.nodes()
    found = next((node for node in nodes if wanted in (node["id"], f"n{node['id']}CNTRL")), None)
    if found is None:
        raise Refused(404, "no such device")
    return found


async def tags(request: Request) -> Response:
    """Give a device exactly these tags. headscale, like Tailscale, does not take the last tag away."""
    plane = plane_of(request)
    node = await _node(request, plane)
    wanted = list(dict.fromkeys((await body_of(request)).get("tags") or ()))
    if wanted or node["tags"]:
        _require_owned(plane, wanted)
        await plane.headscale.call("POST", f"/node/{node['id']}/tags", {"tags": wanted})
        await plane.enforce_again()
    return JSONResponse({})


def _require_owned(plane: ControlPlane, wanted: list[str]) -> None:
    policy = hujson.loads(plane.store.policy, allow_duplicates=True).value
    owned = policy.get("tagOwners") if isinstance(policy, dict) else None
    if unknown := [tag for tag in wanted if not isinstance(owned, dict) or tag not in owned]:
        raise Refused(400, f"requested tags [{' '.join(unknown)}] are invalid or not permitted")


async def authorized(request: Request) -> Response:
    """Confirm that a device may take part; headscale admits every device that joined."""
    await _node(request, plane_of(request))
    if (await body_of(request)).get("authorized") is not True:
        raise Refused(501, "headscale cannot take back a device's authorization: delete the device")
    return JSONResponse({})


async def key_expiry(request: Request) -> Response:
    """Confirm whether a device's key expires; headscale cannot change it."""
    plane = plane_of(request)
    now = headscale.device(await _node(request, plane), plane.base_domain)
    if (await body_of(request)).get("keyExpiryDisabled") is not now["keyExpiryDisabled"]:
        raise Refused(501, "headscale cannot change whether a device's key expires")
    return JSONResponse({})


async def name(request: Request) -> Response:
    """Rename a device; an empty name gives it back its host name."""
    plane = plane_of(request)
    node = await _node(request, plane)
    wanted = str((await body_of(request)).get("name") or node["name"]).removesuffix(f".{plane.base_domain}")
    if not wanted.replace("-", "").isalnum():
        raise Refused(400, f"invalid device name {wanted!r}")
    await plane.headscale.call("POST", f"/node/{node['id']}/rename/{wanted.lower()}")
    return JSONResponse({})


async def expire(request: Request) -> Response:
    """Make a device log in again."""
    plane = plane_of(request)
    node = await _node(request, plane)
    await plane.headscale.call("POST", f"/node/{node['id']}/expire")
    return JSONResponse({})


async def routes(request: Request) -> Response:
    """Read or set the subnet routes that are enabled on a device."""
    plane = plane_of(request)
    node = await _node(request, plane)
    if request.method == "POST":
        wanted = list((await body_of(request)).get("routes") or ())
        path = f"/node/{node['id']}/approve_routes"
        node = (await plane.headscale.call("POST", path, {"routes": wanted}))["node"]
    answer = headscale.device(node, plane.base_domain, detailed=True)
    return JSONResponse({name: answer[name] for name in ("advertisedRoutes", "enabledRoutes")})


async def keys(request: Request) -> Response:
    """List the keys, or create one; its secret is in this one answer only."""
    plane = plane_of(request)
    if request.method == "GET":
        return JSONResponse({"keys": [await _described(plane, key) for key in plane.store.keys.values()]})
    body = await body_of(request)
    if body.get("keyType", "auth") != "auth":
        raise Refused(501, f"keys of type {body['keyType']!r} are not part of this tailnet")
    create = ((body.get("capabilities") or {}).get("devices") or {}).get("create") or {}
    wanted = list(create.get("tags") or ())
    _require_owned(plane, wanted)
    description = str(body.get("description") or "")
    if len(description) > LONGEST_DESCRIPTION:
        raise Refused(400, f"description must be at most {LONGEST_DESCRIPTION} characters")
    lifetime = body.get("expirySeconds") or LONGEST_EXPIRY_SECONDS
    if not isinstance(lifetime, int) or not 0 < lifetime <= LONGEST_EXPIRY_SECONDS:
        raise Refused(400, f"expirySeconds must be between 1 and {LONGEST_EXPIRY_SECONDS}")
    return JSONResponse(await _created(plane, create, wanted, description, lifetime))


async def _created(
    plane: ControlPlane, create: Mapping[str, Any], wanted: list[str], description: str, lifetime: int
) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    flags = {name: bool(create.get(name)) for name in ("reusable", "ephemeral")}
    owner = next(user["id"] for user in await plane.users() if user["email"] == plane.owner)
    asked = {
        **flags,
        "aclTags": wanted,
        "expiration": _time(now + timedelta(seconds=lifetime)),
        **({} if wanted else {"user": owner}),
    }
    made = (await plane.headscale.call("POST", "/preauthkey", asked))["preAuthKey"]
    described = {
        "id": f"k{made['id']}CNTRL",
        "keyType": "auth",
        "description": description,
        "expirySeconds": lifetime,
        "created": _time(now),
        "expires": asked["expiration"],
        "userId": owner,
        "capabilities": {"devices": {"create": {**flags, "preauthorized": True, "tags": wanted}}},
    }
    plane.store.keep_key(described)
    return {**described, "key": made["key"]}


async def key(request: Request) -> Response:
    """Read one key, or revoke it; a revoked key stays readable, as invalid."""
    plane = plane_of(request)
    found = plane.store.keys.get(request.path_params["key"])
    if found is None:
        raise Refused(404, "no such key")
    if request.method == "DELETE" and "revoked" not in found:
        number = found["id"].removeprefix("k").removesuffix("CNTRL")
        await plane.headscale.call("POST", "/preauthkey/expire", {"id": number})
        plane.store.keep_key({**found, "revoked": _time(datetime.now(UTC))})
        return JSONResponse({})
    return JSONResponse(await _described(plane, found))


async def _described(plane: ControlPlane, stored: Mapping[str, Any]) -> dict[str, Any]:
    listed = (await plane.headscale.call("GET", "/preauthkey"))["preAuthKeys"]
    there = next((entry for entry in listed if f"k{entry['id']}CNTRL" == stored["id"]), None)
    spent = there is None or (there["used"] and not there["reusable"])
    late = datetime.now(UTC) >= datetime.fromisoformat(stored["expires"])
    return {**stored, "invalid": "revoked" in stored or spent or late}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ENDPOINTS = (
    (("GET",), "/tailnet/{tailnet}/devices", devices),
    (("GET", "DELETE"), "/device/{device}", device),
    (("POST",), "/device/{device}/tags", tags),
    (("POST",), "/device/{device}/authorized", authorized),
    (("POST",), "/device/{device}/key", key_expiry),
    (("POST",), "/device/{device}/name", name),
    (("POST",), "/device/{device}/expire", expire),
    (("GET", "POST"), "/device/{device}/routes", routes),
    (("GET", "POST"), "/tailnet/{tailnet}/keys", keys),
    (("GET", "DELETE"), "/tailnet/{tailnet}/keys/{key}", key),
)
