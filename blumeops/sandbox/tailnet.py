"""The sandbox's tailnet: our control plane with headscale behind it, and the nodes that join it.

The tailnet is real: headscale coordinates, `tailscaled` on each node carries WireGuard and enforces the
policy. Facts about flags and timing were measured on headscale 0.28 and tailscale 1.98.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from blumeops.errors import EngineError
from blumeops.sandbox import engines, hosts
from blumeops.sandbox.component import Component, Http, Step
from blumeops.sandbox.layout import BASE_DOMAIN, NODES, Layout
from blumeops.sandbox.supervisor import write_private
from blumeops.target import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from blumeops.tailnet.client import Client

OWNER = f"erik@{BASE_DOMAIN}"
"""Who owns the laptop and every device that has no tag; a member of the policy's `group:admins`."""

JOIN_SECONDS = 30.0


def control(layout: Layout, *, bridged: bool) -> tuple[Component | Step, ...]:
    """The control plane. Bridged, nodes reach headscale on the gateway address, else only loopback has it."""
    folder = layout.folder / "tailnet"
    config = folder / "control.toml"
    ports = tuple(layout.port(name) for name in ("control", "headscale-grpc", "headscale-metrics"))
    credentials = Step(
        "tailnet-credentials",
        lambda: _credentials(layout),
        says="make the API keys and the passphrase of the Pulumi state, once",
    )
    plane = Component(
        "control",
        (sys.executable, "-P", "-m", "blumeops.tailnet.control", "--config", str(config)),
        ready=Http(f"{base_url(layout)}/healthz"),
        after=("tailnet-credentials", *(("bridge",) if bridged else ())),
        files={config: _config(layout, bridged=bridged)},
        ports=ports,
        patience=30.0,
    )
    return credentials, plane


def base_url(layout: Layout) -> str:
    """Where the control plane's API is."""
    return f"http://127.0.0.1:{layout.port('control')}"


def _config(layout: Layout, *, bridged: bool) -> str:
    headscale = {
        "binary": str(engines.find("headscale") or "headscale"),
        "address": layout.gateway if bridged else "127.0.0.1",
        "port": layout.port("headscale"),
        "grpc_port": layout.port("headscale-grpc"),
        "metrics_port": layout.port("headscale-metrics"),
    }
    return tomli_w.dumps(
        {
            "listen": f"127.0.0.1:{layout.port('control')}",
            "state": "state",
            "owner": OWNER,
            "base_domain": BASE_DOMAIN,
            "api_key_files": ["../secrets/api-key", "../secrets/console-key"],
            "headscale": headscale,
        }
    )


def _credentials(layout: Layout) -> None:
    for name in ("api-key", "console-key", "passphrase"):
        path = layout.folder / "secrets" / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")


def target_table(layout: Layout) -> dict[str, object]:
    """The `[tailnet]` table of the target file."""
    return {
        "base_url": base_url(layout),
        "api_key_file": "secrets/api-key",
        "passphrase_file": "secrets/passphrase",
        "backend": f"file://{layout.folder / 'pulumi'}",
    }


def joins(layout: Layout) -> tuple[Step, ...]:
    """One step for each node: join the tailnet, unless the node remembers that it did."""
    return tuple(
        Step(f"join-{node}", _join(layout, node), says=f"{node} joins the tailnet", after=("control", node))
        for node in NODES
    )


def _join(layout: Layout, node: str) -> Callable[[], None]:
    def join() -> None:
        deadline = time.monotonic() + JOIN_SECONDS
        state = ""
        while time.monotonic() < deadline:
            state = _backend_state(layout, node)
            if state == "Running":
                return
            if state in ("NeedsLogin", "Stopped"):
                _log_in(layout, node)
            time.sleep(0.1)
        raise EngineError(
            f"has not joined the tailnet after {JOIN_SECONDS:.0f} s (tailscaled says {state or 'nothing'})",
            where=node,
            hint=f"`{layout.folder}/bin/on {node} tailscale status`, and the log of the component `control`",
        )

    return join


def _backend_state(layout: Layout, node: str) -> str:
    done = hosts.execute(layout, node, ["tailscale", "status", "--json"], timeout=10)
    try:
        state: str = json.loads(done.stdout).get("BackendState", "")
    except ValueError:
        return ""
    return state


def forget(layout: Layout, node: str) -> None:
    """Take a node that does not run out of the tailnet, with its own memory of it; it joins as a new device.

    The old device goes first: two of one name, and the new one would be called `NODE-1`.
    """
    client = _client(layout)
    for device in client.devices():
        if device["hostname"] == node:
            client.delete_device(device["id"])
    state = hosts.tailnet_state(layout, node)
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700, parents=True)


def _client(layout: Layout) -> Client:
    from blumeops.tailnet.client import Client

    api_key = Secret((layout.folder / "secrets" / "api-key").read_text().strip())
    return Client(base_url=base_url(layout), api_key=api_key, tailnet="-")


def _log_in(layout: Layout, node: str) -> None:
    key = _client(layout).create_key(
        tags=(), reusable=False, ephemeral=False, expiry_seconds=3600, description=f"join {node}"
    )
    pid = hosts.leader(layout, node)
    if pid is None:
        raise EngineError("is not running", where=node, hint="`blumeops sandbox status`")
    # Through a file, so that the key never stands in a process's arguments.
    inside = Path("/run/blumeops-join-key")
    write_private(Path(f"/proc/{pid}/root{inside}"), key.reveal())
    server = f"http://{layout.gateway}:{layout.port('headscale')}"
    up = ["tailscale", "up", f"--login-server={server}", f"--auth-key=file:{inside}", f"--hostname={node}"]
    done = hosts.execute(layout, node, [*up, "--accept-dns=true", "--timeout=20s"], timeout=JOIN_SECONDS)
    Path(f"/proc/{pid}/root{inside}").unlink(missing_ok=True)
    done.check(hint="the log of the component `control` says why")
