"""The sandbox's control plane: Tailscale's API v2 on loopback, and the headscale behind it.

    python -m blumeops.tailnet.control --config control.toml

`GET /healthz` answers 200 when headscale answers too. SIGTERM ends both. When headscale dies it is started
again; when it keeps dying this program ends with status 1 and one line that says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.tailnet.control_api import application
from blumeops.tailnet.control_plane import ControlPlane
from blumeops.tailnet.control_store import Store
from blumeops.tailnet.coordination import Address, Headscale

WATCH_SECONDS = 0.25
SHUTDOWN_SECONDS = 1
"""How long a client may take to read its answer while we end."""

log = logging.getLogger("blumeops.control")


def configured(path: Path) -> tuple[ControlPlane, str, int]:
    """The control plane that a file describes, and the host and port of its API. Raises `BadInput`."""
    base = path.resolve().parent
    try:
        table = tomllib.loads(path.read_text())
        store = Store(base / table["state"])
        headscale = Headscale(Address(**table["headscale"]), store, table["base_domain"])
        keys = tuple(base / name for name in table["api_key_files"])
        host, _, port = table["listen"].rpartition(":")
        return ControlPlane(store, headscale, table["owner"], table["base_domain"], keys), host, int(port)
    except KeyError as error:
        raise BadInput([Problem(f"the key {error} is missing", str(path))]) from error
    except (OSError, TypeError, ValueError) as error:
        raise BadInput([Problem(str(error), str(path))]) from error


async def serve(plane: ControlPlane, host: str, port: int) -> int:
    """Serve until a signal ends it; the exit status is 1 when headscale could not be kept alive."""
    failed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        watching: asyncio.Task[None] | None = None
        try:
            await plane.start()
            watching = asyncio.create_task(watch())
            yield
        except BlumeOpsError as error:
            log.error("%s", error)
            failed.set()
            server.should_exit = True
            raise
        finally:
            if watching is not None:
                watching.cancel()
            await plane.headscale.stop()

    async def watch() -> None:
        while await plane.headscale.revive():
            await asyncio.sleep(WATCH_SECONDS)
        log.error("headscale keeps ending: giving up")
        failed.set()
        server.should_exit = True

    options = uvicorn.Config(
        application(plane, lifespan),
        host=host,
        port=port,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(options)
    await server.serve()
    return 1 if failed.is_set() or not server.started else 0


def main(arguments: list[str]) -> int:
    """Run the control plane that `--config` describes, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m blumeops.tailnet.control", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return asyncio.run(serve(*configured(parser.parse_args(arguments).config)))
    except BlumeOpsError as error:
        log.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
