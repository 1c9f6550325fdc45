"""The policy endpoints of the control plane: read, replace under an ETag, validate.

A policy is accepted only when it passes its own tests and headscale enforces it.
"""

from __future__ import annotations

import base64
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from blumeops.errors import BadInput
from blumeops.tailnet import hujson, verdict
from blumeops.tailnet.client import DEFAULT_POLICY as UNTOUCHED
from blumeops.tailnet.control_plane import ControlPlane, Refused, plane_of
from blumeops.tailnet.control_store import DEFAULT_POLICY
from blumeops.tailnet.reach import Node, Topology

MISMATCH = "precondition failed, invalid old hash"


async def acl(request: Request) -> Response:
    """Read the policy, as HuJSON or JSON, or replace it."""
    plane = plane_of(request)
    if request.method == "POST":
        async with plane.policy_lock:
            await _replace(request, plane)
    if "details" in request.query_params:
        text = base64.b64encode(plane.store.policy.encode()).decode()
        return _with_etag(JSONResponse({"acl": text, "warnings": [], "errors": []}), plane)
    if _wants_hujson(request):
        return _with_etag(Response(plane.store.policy, media_type="application/hujson"), plane)
    return _with_etag(JSONResponse(hujson.loads(plane.store.policy, allow_duplicates=True).value), plane)


async def _replace(request: Request, plane: ControlPlane) -> None:
    expected = request.headers.get("if-match", "").removeprefix("W/").strip('"')
    if expected == UNTOUCHED and not plane.store.is_default:
        raise Refused(412, MISMATCH)
    if expected not in ("", UNTOUCHED, plane.store.etag):
        raise Refused(412, MISMATCH)
    text = await _text(request) or DEFAULT_POLICY
    said = await _verdict(plane, text)
    if isinstance(said.body, dict):
        raise Refused(said.status, said.body["message"], said.body.get("data"))
    await plane.push_policy(text)
    plane.store.keep_policy(text)


async def validate(request: Request) -> Response:
    """Judge a whole policy (an object), or run tests (an array) against the live one; changes nothing."""
    plane = plane_of(request)
    text = await _text(request)
    try:
        value = hujson.loads(text, allow_duplicates=True).value
    except BadInput as error:
        raise Refused(400, error.what) from error
    if isinstance(value, list):
        live = hujson.loads(plane.store.policy, allow_duplicates=True).value
        text = json.dumps({**(live if isinstance(live, dict) else {}), "tests": value})
    said = await _verdict(plane, text)
    return JSONResponse({} if said.accepted else said.body)


async def _verdict(plane: ControlPlane, text: str) -> verdict.Verdict:
    users = tuple(user["email"] for user in await plane.users())
    nodes = tuple(
        Node(
            node["givenName"],
            tuple(node["ipAddresses"]),
            (node.get("user") or {}).get("email"),
            tuple(node["tags"]),
        )
        for node in await plane.nodes()
    )
    return verdict.verdict(text, Topology(users, nodes))


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise Refused(400, f"invalid UTF-8: {error.reason}") from error


def _wants_hujson(request: Request) -> bool:
    """True when HuJSON is asked for, or was sent without asking for anything."""
    accept = request.headers.get("accept", "*/*")
    if accept == "*/*":
        return "hujson" in request.headers.get("content-type", "")
    return "hujson" in accept


def _with_etag(response: Response, plane: ControlPlane) -> Response:
    response.headers["ETag"] = f'"{plane.store.etag}"'
    return response


ENDPOINTS = (
    (("GET", "POST"), "/tailnet/{tailnet}/acl", acl),
    (("POST",), "/tailnet/{tailnet}/acl/validate", validate),
)
