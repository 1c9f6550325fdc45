"""The Pulumi plugin for `pulumi_tailscale` that the sandbox uses where the official one is not installed.

Pulumi finds it as an executable `pulumi-resource-tailscale` that runs `python -m blumeops.tailnet.provider`.
It serves the resources of the homelab with the official package's names, so a program works with both.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental import server
from pulumi.provider.experimental.property_value import Computed, PropertyValue

from blumeops.errors import BlumeOpsError
from blumeops.tailnet import resources_devices as devices
from blumeops.tailnet.client import Client
from blumeops.tailnet.resource import Property, Resource, Values, required, same_set
from blumeops.tailnet.resources import Acl, DnsSetting, DnsSplitNameservers, policy
from blumeops.target import Secret

VERSION = "0.29.2"
"""The version of the package whose names are served."""
OFFICIAL_API = "https://api.tailscale.com"
UNKNOWN = object()
"""Stands for a value that is known only once another resource has been made."""

OFFICIAL_HINT = "`pulumi plugin install resource tailscale`"

RESOURCES: Mapping[str, Resource] = {
    "tailscale:index/acl:Acl": Acl(),
    "tailscale:index/dnsNameservers:DnsNameservers": DnsSetting(
        "dns_nameservers", "/dns/nameservers", "nameservers", "dns", list, []
    ),
    "tailscale:index/dnsPreferences:DnsPreferences": DnsSetting(
        "dns_preferences", "/dns/preferences", "magicDns", "magicDNS", bool, False
    ),
    "tailscale:index/dnsSearchPaths:DnsSearchPaths": DnsSetting(
        "dns_search_paths", "/dns/searchpaths", "searchPaths", "searchPaths", list, []
    ),
    "tailscale:index/dnsSplitNameservers:DnsSplitNameservers": DnsSplitNameservers(),
    "tailscale:index/deviceTags:DeviceTags": devices.DeviceSetting(
        "tags", "tags", required(list, same=same_set), []
    ),
    "tailscale:index/deviceAuthorization:DeviceAuthorization": devices.DeviceSetting(
        "authorized", "authorized", required(bool), False
    ),
    "tailscale:index/deviceKey:DeviceKey": devices.DeviceSetting(
        "keyExpiryDisabled", "key", Property(bool, default=False), False
    ),
    "tailscale:index/tailnetKey:TailnetKey": devices.TailnetKey(),
}


FUNCTIONS: Mapping[str, Callable[[Client, Values], Values]] = {
    "tailscale:index/getAcl:getAcl": policy,
    "tailscale:index/getDevice:getDevice": devices.device,
    "tailscale:index/getDevices:getDevices": devices.devices,
}


class Tailscale(protocol.Provider):
    """Translates between Pulumi's requests and the resources; one client for all of them."""

    client: Client

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        """Take key, tailnet and base URL from the provider's configuration, else from `TAILSCALE_*`."""
        given = plain(request.args)
        key = given.get("apiKey") or os.environ.get("TAILSCALE_API_KEY")
        if not key:
            raise BlumeOpsError(
                "no API key",
                where="tailscale:apiKey",
                hint="set TAILSCALE_API_KEY; OAuth needs the official plugin",
            )
        url = given.get("baseUrl") or os.environ.get("TAILSCALE_BASE_URL") or OFFICIAL_API
        tailnet = given.get("tailnet") or os.environ.get("TAILSCALE_TAILNET") or "-"
        self.client = Client(url, Secret(key), tailnet)
        return await super().configure(request)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        """Fill in defaults and refuse properties that are missing, unknown or of another type."""
        kind = _resource(request.type)
        given = plain(request.new_inputs)
        failures = [
            protocol.CheckFailure(name, f"{request.type} has no such property")
            for name in sorted(set(given) - set(kind.inputs))
        ]
        checked = dict(request.new_inputs)
        for name, rule in kind.inputs.items():
            if given.get(name) is None:
                if rule.required:
                    failures.append(protocol.CheckFailure(name, "is required"))
                elif rule.default is not None:
                    checked[name] = wrapped(rule.default)
            elif given[name] is not UNKNOWN and not _fits(given[name], rule):
                failures.append(protocol.CheckFailure(name, f"is not of type {rule.type.__name__}"))
        return protocol.CheckResponse(checked, failures)

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        """Compare the state with the inputs, property by property, as the official provider does."""
        kind, old, new = _resource(request.type), plain(request.old_state), plain(request.new_inputs)
        detailed: dict[str, protocol.PropertyDiff] = {}
        for name, rule in kind.inputs.items():
            if name not in request.ignore_changes and not _same(rule, old.get(name), new.get(name)):
                detailed[name] = protocol.PropertyDiff(_diff_kind(rule, old.get(name), new.get(name)), False)
        if isinstance(kind, devices.TailnetKey) and devices.must_recreate(old, new):
            detailed["invalid"] = protocol.PropertyDiff(protocol.PropertyDiffKind.UPDATE_REPLACE, False)
        replaces = [name for name, found in detailed.items() if found.kind.name.endswith("_REPLACE")]
        return protocol.DiffResponse(
            changes=bool(detailed), replaces=replaces, diffs=list(detailed), detailed_diff=detailed
        )

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        """Create a resource; in a preview only its known properties are given back."""
        kind = _resource(request.type)
        if request.preview:
            return protocol.CreateResponse("", request.properties)
        identity, made = await asyncio.to_thread(kind.create, self.client, plain(request.properties))
        return protocol.CreateResponse(identity, _outputs(kind, made))

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        """Read a resource from the tailnet; without an id in the answer it is gone."""
        kind = _resource(request.type)
        live = await asyncio.to_thread(kind.read, self.client, request.resource_id, plain(request.properties))
        if live is None:
            return protocol.ReadResponse()
        inputs = {name: value for name, value in live.items() if name in kind.inputs}
        return protocol.ReadResponse(request.resource_id, _outputs(kind, live), _outputs(kind, inputs))

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        """Update a resource in place."""
        kind = _resource(request.type)
        if request.preview:
            return protocol.UpdateResponse({**request.olds, **request.news})
        old, new = plain(request.olds), plain(request.news)
        made = await asyncio.to_thread(kind.update, self.client, request.resource_id, old, new)
        return protocol.UpdateResponse(_outputs(kind, made))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        """Delete a resource, or set it back to what a tailnet without it has."""
        kind = _resource(request.type)
        await asyncio.to_thread(kind.delete, self.client, request.resource_id, plain(request.properties))

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        """Answer one of the package's functions."""
        if request.tok not in FUNCTIONS:
            raise BlumeOpsError(f"{request.tok} needs the official plugin", hint=OFFICIAL_HINT)
        found = await asyncio.to_thread(FUNCTIONS[request.tok], self.client, plain(request.args))
        return protocol.InvokeResponse({name: wrapped(value) for name, value in found.items()})


def _resource(token: str) -> Resource:
    if token not in RESOURCES:
        raise BlumeOpsError(f"{token} needs the official plugin", hint=OFFICIAL_HINT)
    return RESOURCES[token]


def _fits(value: object, rule: Property) -> bool:
    if rule.type is int:
        return isinstance(value, float) and value.is_integer()
    if rule.type is list:
        return isinstance(value, list) and all(item is UNKNOWN or isinstance(item, str) for item in value)
    return isinstance(value, rule.type)


def _same(rule: Property, old: object, new: object) -> bool:
    if new is UNKNOWN or (isinstance(new, list) and UNKNOWN in new):
        return False
    # A flag that is absent and one that is false mean the same; so do lists and texts that are empty.
    if not old and not new and not rule.required:
        return True
    return rule.same(old, new)


def _diff_kind(rule: Property, old: object, new: object) -> protocol.PropertyDiffKind:
    name = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
    return protocol.PropertyDiffKind[f"{name}_REPLACE" if rule.replaces else name]


def _outputs(kind: Resource, values: Values) -> dict[str, PropertyValue]:
    return {
        name: wrapped(value).with_secret(name in kind.secrets)
        for name, value in values.items()
        if value is not None and value is not UNKNOWN
    }


def plain(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Pulumi's values as Python's; nulls are left out."""
    values = {name: _plain(value) for name, value in properties.items() if not name.startswith("__")}
    return {name: value for name, value in values.items() if value is not None}


def _plain(value: PropertyValue) -> object:
    match value.value:
        case Computed():
            return UNKNOWN
        case str() as text:
            return text
        case Sequence() as items:
            return [_plain(item) for item in items]
        case Mapping() as members:
            return plain(members)
        case other:
            return other


def wrapped(value: object) -> PropertyValue:
    """A Python value as Pulumi's."""
    if isinstance(value, Mapping):
        return PropertyValue({name: wrapped(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([wrapped(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)  # type: ignore[arg-type]  # it refuses what it cannot hold


if __name__ == "__main__":
    server.main(sys.argv[1:], VERSION, Tailscale())
