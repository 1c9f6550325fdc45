"""Tailscale's API v2, as far as a homelab uses it, over one headscale: policy, DNS, devices, keys.

Answers, statuses and messages follow what the public API is known to say. What headscale cannot do is
answered with 501 and the reason, never as if it had been done.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from blumeops.errors import BadInput
from blumeops.tailnet import control_devices, control_dns, control_policy
from blumeops.tailnet.control_plane import ControlPlane, Refused, body_of
from blumeops.tailnet.control_store import SETTINGS
from blumeops.tailnet.coordination import HeadscaleError
from blumeops.tailnet.headscale import NotTranslatable

Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    plane: ControlPlane, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]
) -> Starlette:
    """The web application; `lifespan` starts and ends what is behind it."""
    routes = [
        Route("/healthz", _health),
        Mount(
            "/api/v2",
            routes=[
                *_table(control_policy.ENDPOINTS, plane),
                *_table(control_dns.ENDPOINTS, plane),
                *_table(control_devices.ENDPOINTS, plane),
                *_table(((("GET", "PATCH"), "/tailnet/{tailnet}/settings", _settings),), plane),
            ],
        ),
    ]
    handlers = {
        HTTPException: _http_error,
        Refused: _refused,
        HeadscaleError: _headscale_error,
        NotTranslatable: _not_translatable,
        BadInput: _bad_input,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.state.plane = plane
    app.router.redirect_slashes = False
    return app


def _table(endpoints: tuple[tuple[tuple[str, ...], str, Endpoint], ...], plane: ControlPlane) -> list[Route]:
    return [
        Route(path, _guarded(endpoint, plane), methods=list(methods)) for methods, path, endpoint in endpoints
    ]


def _guarded(endpoint: Endpoint, plane: ControlPlane) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if not _known_key(request, plane.api_key_files):
            raise Refused(401, "API token invalid")
        tailnet = request.path_params.get("tailnet", "-")
        if tailnet not in ("-", plane.base_domain):
            raise Refused(404, f"tailnet {tailnet!r} not found")
        return await endpoint(request)

    return guarded


def _known_key(request: Request, files: tuple[Path, ...]) -> bool:
    """True when the request carries a key of these files: as the user of HTTP Basic, or as a bearer token."""
    import base64

    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    known = [path.read_text().strip() for path in files if path.exists()]
    return any(key and hmac.compare_digest(key.encode(), value.strip().encode()) for key in known)


async def _health(request: Request) -> Response:
    well = await request.app.state.plane.headscale.healthy()
    return Response("ok\n" if well else "headscale does not answer\n", status_code=200 if well else 503)


async def _settings(request: Request) -> Response:
    store = request.app.state.plane.store
    if request.method == "PATCH":
        wanted = {name: value for name, value in (await body_of(request)).items() if value is not None}
        if unknown := sorted(set(wanted) - set(SETTINGS)):
            raise Refused(400, f"unknown setting {unknown[0]!r}")
        store.keep_settings({**store.settings, **wanted})
    return JSONResponse(store.settings)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = "not found" if error.status_code == 404 else error.detail.lower()
    return JSONResponse({"message": words}, status_code=error.status_code)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.body, status_code=error.status)


async def _headscale_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HeadscaleError)
    return JSONResponse({"message": error.what}, status_code=error.status)


async def _not_translatable(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"this tailnet cannot enforce the policy: {error}"}, status_code=501)


async def _bad_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadInput)
    return JSONResponse({"message": error.what}, status_code=400)
