"""Devices and their keys as resources and functions of `pulumi_tailscale`, in terms of Tailscale's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from blumeops.errors import BlumeOpsError, EngineError
from blumeops.tailnet.client import ApiError, Client
from blumeops.tailnet.resource import Property, Values, required, same_set

KEY_LIFETIME_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class DeviceSetting:
    """One setting of one device: property and key `name`, at the endpoint `/device/ID/ENDPOINT`."""

    name: str
    endpoint: str
    rule: Property
    empty: object
    secrets: frozenset[str] = frozenset()

    @property
    def inputs(self) -> Mapping[str, Property]:
        """The device and the setting."""
        return {"deviceId": required(str, replaces=True), self.name: self.rule}

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Set it on the device."""
        return new["deviceId"], self.update(client, new["deviceId"], {}, new)

    def read(self, client: Client, identity: str, old: Values) -> Values | None:
        """The device's live value; gone when the device is."""
        try:
            device = client.request("GET", f"/device/{quote(identity, safe='')}").json()
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return {"deviceId": identity, self.name: device.get(self.name) or self.empty}

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Set it on the device."""
        self._post(client, identity, new[self.name])
        return new

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Set it back; a device that is gone needs nothing, and the last tag cannot be taken away."""
        try:
            self._post(client, identity, self.empty)
        except ApiError as error:
            if error.status == 404:
                return
            if error.status != 400 or self.name != "tags":
                raise
            raise EngineError(
                f"a device keeps its tags until it logs in again: {error.what}",
                where=error.where,
                hint="`tailscale up --force-reauth` on it or delete the device, then apply again",
            ) from error

    def _post(self, client: Client, identity: str, value: object) -> None:
        path = f"/device/{quote(identity, safe='')}/{self.endpoint}"
        client.request("POST", path, body={self.name: value})


class TailnetKey:
    """A key with which devices join; every change of it is a new key."""

    secrets = frozenset({"key"})
    inputs: Mapping[str, Property] = {
        "description": Property(str, default="", replaces=True),
        "ephemeral": Property(bool, default=False, replaces=True),
        "expiry": Property(int, default=KEY_LIFETIME_SECONDS, replaces=True),
        "preauthorized": Property(bool, default=False, replaces=True),
        "recreateIfInvalid": Property(str),
        "reusable": Property(bool, default=False, replaces=True),
        "tags": Property(list, default=[], replaces=True, same=same_set),
    }

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Create the key; its secret is known from now on in the state only."""
        create = {name: new[name] for name in ("reusable", "ephemeral", "preauthorized", "tags")}
        body = {
            "keyType": "auth",
            "capabilities": {"devices": {"create": create}},
            "expirySeconds": int(new["expiry"]),
            "description": new["description"],
        }
        made = client.request("POST", client.path("/keys"), body=body).json()
        return made["id"], {**new, **_key_outputs(made), "key": made["key"]}

    def read(self, client: Client, identity: str, old: Values) -> Values | None:
        """What is known of the key; its secret is kept from the state."""
        try:
            live = client.request("GET", client.path(f"/keys/{quote(identity, safe='')}")).json()
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        create = live["capabilities"]["devices"]["create"]
        known = {name: create[name] for name in ("reusable", "ephemeral", "tags")}
        return {**old, **known, "description": live.get("description", ""), **_key_outputs(live)}

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Only `recreateIfInvalid` can change without a new key, and that is ours alone."""
        return {**old, **new}

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Revoke the key, if it is still there."""
        try:
            client.request("DELETE", client.path(f"/keys/{quote(identity, safe='')}"))
        except ApiError as error:
            if error.status != 404:
                raise


def _key_outputs(key: Mapping[str, Any]) -> Values:
    return {
        "createdAt": key.get("created", ""),
        "expiresAt": key.get("expires", ""),
        "invalid": bool(key.get("invalid")),
        "userId": key.get("userId", ""),
    }


def must_recreate(old: Values, new: Values) -> bool:
    """True when an invalid key is to be made anew: by default a reusable one is, a single-use one is not."""
    rule = new.get("recreateIfInvalid")
    return bool(old.get("invalid")) and (rule == "always" or (rule != "never" and bool(old.get("reusable"))))


def devices(client: Client, arguments: Values) -> Values:
    """`getDevices`: the devices whose name has a prefix and whose fields have one of the given values."""
    prefix, filters = arguments.get("namePrefix") or "", arguments.get("filters") or []
    found = [device for device in client.devices() if device["name"].startswith(prefix)]
    for wanted in filters:
        found = [device for device in found if _has(device.get(wanted["name"]), wanted["values"])]
    return {**arguments, "id": "devices", "devices": [_described(device) for device in found]}


def device(client: Client, arguments: Values) -> Values:
    """`getDevice`: the one device of a name (`indri.example.ts.net`) or host name (`indri`)."""
    for found in client.devices():
        if found["name"] == arguments.get("name") or found["hostname"] == arguments.get("hostname"):
            return {**arguments, **_described(found)}
    wanted = arguments.get("name") or arguments.get("hostname")
    raise BlumeOpsError(f"there is no device {wanted!r} in the tailnet", where=client.base_url)


def _described(entry: Mapping[str, Any]) -> dict[str, object]:
    """A device as the package's functions give it; a time that does not apply is an empty string."""
    names = (
        *("addresses", "authorized", "blocksIncomingConnections", "clientVersion", "created", "expires"),
        *("hostname", "id", "isExternal", "keyExpiryDisabled", "lastSeen", "machineKey", "name", "nodeId"),
        *("nodeKey", "os", "tags", "tailnetLockError", "tailnetLockKey", "updateAvailable", "user"),
    )
    lists, flags = ("addresses", "tags"), ("authorized", "isExternal", "keyExpiryDisabled", "updateAvailable")
    empty: dict[str, object] = {name: [] if name in lists else name not in flags and "" for name in names}
    return {name: empty[name] if entry.get(name) is None else entry[name] for name in names}


def _has(value: object, wanted: list[str]) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(str(one).lower() == each.lower() for one in values for each in wanted)
