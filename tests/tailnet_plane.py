"""A tailnet for tests alone: the real control plane and headscale on loopback, in a temporary folder."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from blumeops import process
from blumeops.sandbox import engines
from blumeops.tailnet.client import Client
from blumeops.target import GitRemote, Secret, Tailnet, Target

PATIENCE_SECONDS = 30.0
OWNER = "erik@homelab.test"
# Reading the certificate authorities anew takes longer than a request.
_LOOPBACK = {"trust_env": False, "verify": False}


@dataclass(frozen=True, slots=True)
class Plane:
    """A running control plane. `api` sends one raw request, as any client of Tailscale's API would."""

    folder: Path
    url: str
    headscale: str
    key: str
    child: subprocess.Popen[bytes]

    @property
    def client(self) -> Client:
        return Client(self.url, Secret(self.key))

    def api(self, method: str, path: str, **options: object) -> httpx.Response:
        options.setdefault("auth", (self.key, ""))
        return httpx.request(method, f"{self.url}/api/v2{path}", timeout=20, **_LOOPBACK, **options)

    def reset(self) -> None:
        """Back to what a new tailnet has."""
        assert self.api("POST", "/tailnet/-/acl", content="").status_code == 200
        empty = {"nameservers": [], "splitDNS": {}, "searchPaths": [], "preferences": {}}
        assert self.api("POST", "/tailnet/-/dns/configuration", json=empty).status_code == 200

    def target(self, state: Path) -> Target:
        """A target whose tailnet is this one, with a Pulumi stack of its own."""
        tailnet = Tailnet(self.url, Secret(self.key), f"file://{state}/backend", Secret(secrets.token_hex(8)))
        return Target("sandbox", "a test's own tailnet", state, GitRemote("unused"), tailnet)


def program(name: str) -> Path:
    """An engine's program; the test is skipped, with a word, where it is not built. Never in CI."""
    found = engines.find(name)
    if found is None:
        assert os.environ.get("CI") != "true", f"{name} is not built"
        pytest.skip(f"{name} is not built: `blumeops engines build`")
    return found


@contextmanager
def running(folder: Path) -> Iterator[Plane]:
    """Start a control plane, and end it and everything that it started."""
    api, nodes = free_port(), free_port()
    key = "tskey-api-" + secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api-key").write_text(key)
    config = folder / "control.toml"
    config.write_text(f"""\
listen = "127.0.0.1:{api}"
state = "state"
owner = "{OWNER}"
base_domain = "homelab.test"
api_key_files = ["api-key", "console-key"]
[headscale]
binary = "{program("headscale")}"
address = "127.0.0.1"
port = {nodes}
grpc_port = {free_port()}
""")
    words = [sys.executable, "-m", "blumeops.tailnet.control", "--config", str(config)]
    child = process.start(words, env=dict(os.environ), log=folder / "log")
    plane = Plane(folder, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{nodes}", key, child)
    try:
        wait_ready(plane)
        yield plane
    finally:
        process.end_group(child.pid, grace=10, first=signal.SIGTERM)
        child.wait()


def wait_ready(plane: Plane) -> None:
    """Wait until the control plane and headscale answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and plane.child.poll() is None:
        try:
            if httpx.get(f"{plane.url}/healthz", **_LOOPBACK).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError((plane.folder / "log").read_text())


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid: int) -> list[int]:
    """All living descendants of a process."""
    direct = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [below for child in direct for below in children(child)]
