"""The headscale behind the control plane: started, asked over its own API, started again, ended.

headscale reads its DNS settings only at its start, which takes 0.13 s, so changed DNS is a restart: nodes
reconnect by themselves. Measured on headscale 0.28.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from blumeops import process
from blumeops.errors import EngineError
from blumeops.tailnet import headscale
from blumeops.tailnet.client import Dns
from blumeops.tailnet.control_store import Store

START_SECONDS = 15.0
STOP_SECONDS = 2.0
RESTARTS = 3
RESTARTS_WITHIN_SECONDS = 60.0
KEY_LIFE = "3650d"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where headscale listens: `address` and `port` for nodes (TCP, and UDP for STUN), else loopback."""

    binary: str
    address: str
    port: int
    grpc_port: int
    metrics_port: int = 0

    @property
    def url(self) -> str:
        """The URL that nodes log in to."""
        return f"http://{self.address}:{self.port}"


class HeadscaleError(EngineError):
    """headscale refused a request; `status` is the HTTP status that says so."""

    def __init__(self, what: str, *, status: int) -> None:
        super().__init__(what, where="headscale")
        self.status = status


class Headscale:
    """One headscale process and its API; requests wait while it is being restarted."""

    def __init__(self, address: Address, store: Store, base_domain: str) -> None:
        self.address = address
        self.store = store
        self.base_domain = base_domain
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = asyncio.Lock()
        self._key = ""
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)
        self._client = httpx.AsyncClient(base_url=address.url, timeout=10.0, trust_env=False)

    async def start(self) -> None:
        """Write the configuration, start headscale, wait until it answers, and get a key for its API."""
        async with self._lock:
            await self._start()
            key = self.store.folder / "headscale-key"
            self._key = key.read_text() if key.exists() else ""
            if not self._key or (await self._send("GET", "/api/v1/user")).status_code == 401:
                self._key = await asyncio.to_thread(self._create_key)
                self.store.write("headscale-key", self._key)

    async def stop(self) -> None:
        """End headscale; a second call does nothing."""
        await self._client.aclose()
        async with self._lock:
            await self._stop()

    async def restart(self) -> None:
        """Start headscale anew, with the DNS settings that the store holds now."""
        async with self._lock:
            await self._stop()
            await self._start()

    async def revive(self) -> bool:
        """Start headscale again if it died; False when it died too often to go on."""
        if self._process is None or self._process.poll() is None or self._lock.locked():
            return True
        self._deaths.append(time.monotonic())
        log.error("headscale ended with status %s: %s", self._process.returncode, self._last_words())
        if len(self._deaths) > RESTARTS and time.monotonic() - self._deaths[0] < RESTARTS_WITHIN_SECONDS:
            return False
        try:
            await self.restart()
        except EngineError as error:
            log.error("%s", error)
        return True

    async def healthy(self) -> bool:
        """True when headscale answers now."""
        try:
            return (await self._client.get("/health", timeout=2.0)).status_code == 200
        except httpx.HTTPError:
            return False

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One request to `/api/v1` + path. Raises `HeadscaleError` with headscale's own message."""
        async with self._lock:
            try:
                response = await self._send(method, f"/api/v1{path}", body)
            except httpx.HTTPError as error:
                said = str(error) or type(error).__name__
                raise HeadscaleError(f"no answer: {said}", status=503) from error
        try:
            answer: dict[str, Any] = response.json()
        except ValueError:
            answer = {"message": response.text}
        if response.is_error:
            raise HeadscaleError(answer.get("message", response.text), status=response.status_code)
        return answer

    async def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._key}"}
        return await self._client.request(method, path, json=body, headers=headers)

    async def _start(self) -> None:
        config = self.store.write("headscale.json", json.dumps(self._config(self.store.dns), indent=2))
        words: list[str | Path] = [self.address.binary, "--config", config, "serve"]
        # The leash ends headscale when we are killed: it would hold the port and the database.
        leashed = [*process.leash_words(), *words]
        folder = self.store.folder
        self._process = process.start(leashed, env=dict(os.environ), log=self._log, cwd=folder)
        until = time.monotonic() + START_SECONDS
        while not await self.healthy():
            if self._process.poll() is not None:
                raise EngineError(f"does not start: {self._last_words()}", where="headscale")
            if time.monotonic() > until:
                raise EngineError(f"no answer within {START_SECONDS:.0f} s", where=self.address.url)
            await asyncio.sleep(0.03)

    async def _stop(self) -> None:
        if self._process is not None:
            ended, self._process = self._process, None
            # Asked politely it waits 1.5 s for its listeners; its database survives a kill (SQLite's WAL).
            await asyncio.to_thread(process.end_group, ended.pid, grace=STOP_SECONDS, first=signal.SIGKILL)

    def _create_key(self) -> str:
        config = str(self.store.folder / "headscale.json")
        words = ["--config", config, "apikeys", "create", "--expiration", KEY_LIFE, "--output", "json"]
        done = process.run([self.address.binary, *words], cwd=self.store.folder, timeout=10.0)
        key: str = json.loads(done.check().stdout)
        return key

    @property
    def _log(self) -> Path:
        return self.store.folder / "headscale.log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " | ".join(lines[-3:]) or "(nothing in its log)"

    def _config(self, dns: Dns) -> dict[str, Any]:
        here, folder = self.address, self.store.folder
        metrics = f"127.0.0.1:{here.metrics_port}" if here.metrics_port else ""
        return {
            "server_url": here.url,
            "listen_addr": f"{here.address}:{here.port}",
            "metrics_listen_addr": metrics,
            "grpc_listen_addr": f"127.0.0.1:{here.grpc_port}",
            "grpc_allow_insecure": False,
            "noise": {"private_key_path": str(folder / "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48", "allocation": "sequential"},
            "derp": {
                "server": {
                    "enabled": True,
                    "region_id": 999,
                    "region_code": "sandbox",
                    "region_name": "Sandbox",
                    "verify_clients": True,
                    "stun_listen_addr": f"{here.address}:{here.port}",
                    "private_key_path": str(folder / "derp.key"),
                    "ipv4": here.address,
                },
                "urls": [],
                "auto_update_enabled": False,
            },
            "disable_check_updates": True,
            "database": {"type": "sqlite", "sqlite": {"path": str(folder / "headscale.sqlite")}},
            "log": {"level": "info", "format": "text"},
            "policy": {"mode": "database"},
            "dns": headscale.dns(dns, self.base_domain),
            # Relative to its working folder: a socket's path may not be longer than 107 bytes.
            "unix_socket": "headscale.sock",
            "unix_socket_permission": "0700",
            "logtail": {"enabled": False},
        }
