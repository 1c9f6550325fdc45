"""The DNS endpoints of the control plane; each answers when the change is live."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from blumeops.tailnet.client import Dns
from blumeops.tailnet.control_plane import Refused, body_of, plane_of

NO_NAMESERVER = "need at least one nameserver to enable MagicDNS"
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*", re.IGNORECASE)


async def nameservers(request: Request) -> Response:
    """Read or replace the global nameservers; without any, MagicDNS goes off too, as on Tailscale."""
    plane = plane_of(request)
    if request.method == "POST":
        addresses = _addresses((await body_of(request)).get("dns"))
        magic = plane.store.dns.magic_dns and bool(addresses)
        await plane.change_dns(replace(plane.store.dns, nameservers=addresses, magic_dns=magic))
    dns = plane.store.dns
    answer: dict[str, object] = {"dns": list(dns.nameservers)}
    return JSONResponse(answer | ({"magicDNS": dns.magic_dns} if request.method == "POST" else {}))


async def preferences(request: Request) -> Response:
    """Read or set MagicDNS."""
    plane = plane_of(request)
    if request.method == "POST":
        magic = (await body_of(request)).get("magicDNS")
        if not isinstance(magic, bool):
            raise Refused(400, "magicDNS must be true or false")
        if magic and not plane.store.dns.nameservers:
            raise Refused(400, NO_NAMESERVER)
        await plane.change_dns(replace(plane.store.dns, magic_dns=magic))
    return JSONResponse({"magicDNS": plane.store.dns.magic_dns})


async def search_paths(request: Request) -> Response:
    """Read or replace the search paths."""
    plane = plane_of(request)
    if request.method == "POST":
        paths = (await body_of(request)).get("searchPaths") or []
        await plane.change_dns(replace(plane.store.dns, search_paths=tuple(_domain(path) for path in paths)))
    return JSONResponse({"searchPaths": list(plane.store.dns.search_paths)})


async def split_dns(request: Request) -> Response:
    """Read, change (PATCH) or replace (PUT) the nameservers of single domains; null or [] clears one."""
    plane = plane_of(request)
    if request.method != "GET":
        sent = {_domain(name): _addresses(value) for name, value in (await body_of(request)).items()}
        before = dict(plane.store.dns.split or {}) if request.method == "PATCH" else {}
        merged = {name: value for name, value in {**before, **sent}.items() if value}
        await plane.change_dns(replace(plane.store.dns, split=merged))
    return JSONResponse({name: list(value) for name, value in (plane.store.dns.split or {}).items()})


async def configuration(request: Request) -> Response:
    """Read or replace all DNS settings at once."""
    plane = plane_of(request)
    if request.method == "POST":
        await plane.change_dns(_configured(await body_of(request)))
    dns = plane.store.dns
    return JSONResponse(
        {
            "nameservers": [{"address": address} for address in dns.nameservers],
            "splitDNS": {
                name: [{"address": address} for address in value] for name, value in (dns.split or {}).items()
            },
            "searchPaths": list(dns.search_paths),
            "preferences": {"overrideLocalDNS": False, "magicDNS": dns.magic_dns},
        }
    )


def _configured(body: dict[str, Any]) -> Dns:
    wanted = body.get("preferences") or {}
    if wanted.get("overrideLocalDNS"):
        raise Refused(501, "this tailnet leaves every device its own resolvers (overrideLocalDNS)")
    servers = _addresses([entry.get("address") for entry in body.get("nameservers") or []])
    split = {
        _domain(name): _addresses([entry.get("address") for entry in value])
        for name, value in (body.get("splitDNS") or {}).items()
    }
    magic = bool(wanted.get("magicDNS"))
    if magic and not servers:
        raise Refused(400, NO_NAMESERVER)
    return Dns(servers, magic, tuple(_domain(path) for path in body.get("searchPaths") or []), split)


def _addresses(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Refused(400, "nameservers must be a list of addresses")
    for address in value:
        try:
            ipaddress.ip_address(str(address))
        except ValueError as error:
            raise Refused(400, f"invalid nameserver {address!r}: not an IP address") from error
    return tuple(str(address) for address in value)


def _domain(name: object) -> str:
    if not isinstance(name, str) or not _DOMAIN.fullmatch(name):
        raise Refused(400, f"invalid domain {name!r}")
    return name


ENDPOINTS = (
    (("GET", "POST"), "/tailnet/{tailnet}/dns/nameservers", nameservers),
    (("GET", "POST"), "/tailnet/{tailnet}/dns/preferences", preferences),
    (("GET", "POST"), "/tailnet/{tailnet}/dns/searchpaths", search_paths),
    (("GET", "PATCH", "PUT"), "/tailnet/{tailnet}/dns/split-dns", split_dns),
    (("GET", "POST"), "/tailnet/{tailnet}/dns/configuration", configuration),
)
