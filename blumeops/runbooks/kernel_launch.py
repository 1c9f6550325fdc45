"""Starts the two processes of a kernel, at once or in good time before they are needed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops import process
from blumeops.errors import EngineError

HERE = Path(__file__).resolve().parents[1] / "kernel"

SOCKET = "socket"
"""The socket's name in the kernel's private folder."""

MARK = "BLUMEOPS_KERNEL"
"""The environment variable by which all that a kernel started is known, should its keeper be killed."""

LONGEST_PATH = 100
"""Characters; a Unix socket's path may have 107 (unix(7))."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A kernel that loads: its connection, private folder and keeper, and what it was started with."""

    connection: socket.socket
    place: Path
    process: subprocess.Popen[bytes]
    root: Path
    environment: Mapping[str, str]


_spare: list[Launched] = []


def prepare(root: Path, environment: Mapping[str, str]) -> None:
    """Let a kernel load for the next `Kernel.start` in this folder, while we find out what to run.

    It has run nothing when it is not needed, and ends with us.
    """
    if not _spare:
        _spare.append(launched(root, dict(environment)))


def taken(root: Path) -> Launched | None:
    """The kernel that was prepared for this folder, once; None when there is none."""
    if _spare and _spare[0].root == root and _spare[0].process.poll() is None:
        return _spare.pop()
    return None


def difference(had: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What to set (or, None, to unset) where there is `had`, so that it is `wanted`."""
    gone: dict[str, str | None] = {name: None for name in had if name not in wanted}
    return gone | {name: value for name, value in wanted.items() if had.get(name) != value}


def launched(root: Path, environment: Mapping[str, str]) -> Launched:
    """Start a kernel whose cells run in `root`; it loads behind."""
    place = Path(tempfile.mkdtemp(prefix="blumeops-kernel-", dir=_short_folder()))
    address, log = place / SOCKET, place / "log"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen(2)
        job = {
            "shell": [sys.executable, "-P", str(HERE / "shell.py")],
            "listen": listening.fileno(),
            "folder": str(place),
            "log": str(log),
            "spared": process.OUTLIVES,
        }
        started = process.start(
            [sys.executable, "-I", "-S", str(HERE / "keeper.py"), json.dumps(job)],
            env={**environment, MARK: str(place)},
            log=log,
            cwd=root,
            pass_fds=[listening.fileno()],
        )
    return Launched(connected(address), place, started, root, environment)


def _short_folder() -> str:
    """Where a socket's path is short enough, whatever the run's folder is called."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < LONGEST_PATH - 40 else "/tmp"


def connected(address: Path) -> socket.socket:
    """A connection to a kernel's socket. Raises `EngineError`."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except OSError as error:
        connection.close()
        raise EngineError(f"the kernel cannot be reached: {error}", where=str(address)) from error
    return connection
