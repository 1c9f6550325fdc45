"""A sandbox component as data: what to run, what must be ready first, how to tell that it is ready.

A component is made by a pure function (in `tailnet.py`, `hosts.py`, `cluster.py`) and started somewhere
else (`supervisor.py`), so `blumeops sandbox up --dry-run` can print the whole sandbox.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tcp:
    """Ready when a TCP connection opens; for SSH, when the server has also said its banner."""

    host: str
    port: int
    banner: bytes = b""

    def __str__(self) -> str:
        return f"tcp {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Http:
    """Ready when a GET answers with 200. `ca` verifies https; without it http is meant."""

    url: str
    ca: Path | None = None

    def __str__(self) -> str:
        return f"GET {self.url}"


@dataclass(frozen=True, slots=True)
class Exits:
    """Ready when the program has ended with 0: for steps that do one thing and return."""

    def __str__(self) -> str:
        return "exits 0"


Probe = Tcp | Http | Exits


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the sandbox.

    `after` names the components that must be ready first. `files` are written before the start
    (mode 0600); `env` is added to the environment. `patience` bounds the wait for `ready`, in seconds.
    `ports` are checked to be free before the start, so a taken port is named with its holder.
    `stop_signal` asks it to end.
    """

    name: str
    argv: tuple[str, ...]
    ready: Probe
    after: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    patience: float = 60.0
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work between components that needs no process of its own, such as creating a bridge.

    `undo` takes away what `run` made; both are idempotent.
    """

    name: str
    run: Callable[[], None]
    says: str
    after: tuple[str, ...] = ()
    undo: Callable[[], None] | None = None


Part = Component | Step
