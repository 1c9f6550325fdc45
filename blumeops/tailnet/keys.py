"""The auth keys of a tailnet: which there are, a new one in the place of an old one, revoking one.

A key's secret is told once, when it is made. Revoking a key stops new devices from joining with it; those
that have joined stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from blumeops import redact
from blumeops.table import Table
from blumeops.tailnet.client import ApiError, Client
from blumeops.target import Secret

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class AuthKey:
    """What the tailnet tells about a key; never its secret. `valid`: a device can join with it now."""

    id: str
    description: str = ""
    tags: tuple[str, ...] = ()
    reusable: bool = False
    ephemeral: bool = False
    preauthorized: bool = True
    created: str = ""
    expires: str = ""
    valid: bool = True

    def __str__(self) -> str:
        state = f"until {self.expires}" if self.valid else "not valid any more"
        return f"{self.id} ({self.description or 'no description'}): {state}"


def keys(client: Client) -> tuple[AuthKey, ...]:
    """Every auth key that the tailnet lists, the oldest first. API keys and OAuth clients are none."""
    listed = client.request("GET", client.path("/keys")).json()["keys"]
    # A list may hold nothing but ids, so each is asked for.
    found = [key for entry in listed if (key := read(client, entry["id"]))]
    return tuple(sorted(found, key=lambda key: (key.created, key.id)))


def read(client: Client, identity: str) -> AuthKey | None:
    """One auth key; None when there is none of that id."""
    try:
        told = client.request("GET", client.path(f"/keys/{quote(identity, safe='')}")).json()
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return _key(told) if told.get("keyType", "auth") == "auth" else None


def make(client: Client, like: AuthKey, *, days: int, description: str = "") -> tuple[AuthKey, Secret]:
    """A new key that does what another one did, and its secret, which is told only here."""
    create = {
        "reusable": like.reusable,
        "ephemeral": like.ephemeral,
        "preauthorized": like.preauthorized,
        "tags": list(like.tags),
    }
    body = {
        "keyType": "auth",
        "capabilities": {"devices": {"create": create}},
        "expirySeconds": days * DAY_SECONDS,
        "description": description or like.description,
    }
    told = client.request("POST", client.path("/keys"), body=body).json()
    redact.remember(told["key"])
    return _key(told), Secret(told["key"])


def revoke(client: Client, identity: str) -> None:
    """Make a key useless, for good; one that is gone needs nothing."""
    try:
        client.request("DELETE", client.path(f"/keys/{quote(identity, safe='')}"))
    except ApiError as error:
        if error.status != 404:
            raise


def table(found: Iterable[AuthKey]) -> Table:
    """Keys side by side, for people."""
    head = ("id", "description", "tags", "kind", "expires", "state")
    return Table(head, tuple(_row(key) for key in found))


def _row(key: AuthKey) -> tuple[str, ...]:
    kind = ("reusable" if key.reusable else "once") + (", ephemeral" if key.ephemeral else "")
    state = "valid" if key.valid else "not valid"
    return key.id, key.description, " ".join(key.tags) or "its owner's", kind, key.expires, state


def _key(told: Mapping[str, Any]) -> AuthKey:
    create = told["capabilities"]["devices"]["create"]
    return AuthKey(
        told["id"],
        told.get("description", ""),
        tuple(create.get("tags") or ()),
        bool(create.get("reusable")),
        bool(create.get("ephemeral")),
        bool(create.get("preauthorized")),
        told.get("created", ""),
        told.get("expires", ""),
        not told.get("invalid") and not told.get("revoked"),
    )
