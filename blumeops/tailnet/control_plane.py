"""The control plane's state and what acts on it: one store, one headscale, changes one at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request

from blumeops.tailnet import headscale, hujson
from blumeops.tailnet.client import Dns
from blumeops.tailnet.control_store import Store
from blumeops.tailnet.coordination import Headscale

DEBOUNCE_SECONDS = 0.3
"""Pulumi sends several DNS settings at once; they share one restart of headscale."""


class Refused(Exception):
    """A request is answered with an error; `body` has Tailscale's error shape."""

    def __init__(self, status: int, message: str, data: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message} | ({"data": data} if data else {})


@dataclass(slots=True)
class ControlPlane:
    """What the endpoints work on. `policy_lock` makes read, compare and write of the policy one step."""

    store: Store
    headscale: Headscale
    owner: str
    base_domain: str
    api_key_files: tuple[Path, ...]
    policy_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _restart: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start headscale and give it the policy that the store holds."""
        await self.headscale.start()
        await self.push_policy(self.store.policy)

    async def push_policy(self, text: str) -> None:
        """Make headscale enforce a policy; on `NotTranslatable` or `HeadscaleError` the old one holds."""
        value = hujson.loads(text, allow_duplicates=True).value
        translated = headscale.policy(value if isinstance(value, Mapping) else {})
        await self._create_users({self.owner, *headscale.users(translated)})
        await self.headscale.call("PUT", "/policy", {"policy": json.dumps(translated)})

    async def enforce_again(self) -> None:
        """Give headscale the policy that it has, so that every node is told its packet filter anew.

        A node of headscale 0.28 that had joined a moment ago was once seen to keep its old, empty filter
        after it got its tags: nobody reached it until the policy was sent again, unchanged.
        """
        async with self.policy_lock:
            await self.push_policy(self.store.policy)

    async def _create_users(self, wanted: set[str]) -> None:
        """Give headscale a user for every address in a policy: it resolves no others."""
        there = {user["email"] for user in await self.users()}
        for email in sorted(wanted - there):
            await self.headscale.call("POST", "/user", {"name": email, "email": email})

    async def users(self) -> list[dict[str, Any]]:
        """headscale's users."""
        found: list[dict[str, Any]] = (await self.headscale.call("GET", "/user"))["users"]
        return found

    async def nodes(self) -> list[dict[str, Any]]:
        """headscale's nodes."""
        found: list[dict[str, Any]] = (await self.headscale.call("GET", "/node"))["nodes"]
        return found

    async def change_dns(self, dns: Dns) -> None:
        """Make DNS settings live: answers when headscale runs with them."""
        if dns != self.store.dns:
            self.store.keep_dns(dns)
            self._restart = self._restart or asyncio.create_task(self._restart_soon())
        if self._restart is not None:
            await asyncio.shield(self._restart)

    async def _restart_soon(self) -> None:
        await asyncio.sleep(DEBOUNCE_SECONDS)
        # From here on a further change needs a restart of its own.
        self._restart = None
        await self.headscale.restart()


def plane_of(request: Request) -> ControlPlane:
    """The control plane that a request is for."""
    plane: ControlPlane = request.app.state.plane
    return plane


async def body_of(request: Request) -> dict[str, Any]:
    """A request's body as a JSON object. Raises `Refused` when it is anything else."""
    try:
        value = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused(400, "invalid JSON: an object is needed")
    return value
