"""The state of each layer now, asked of the engines within a bound; who does not answer in time is unknown.

Each layer is asked by `blumeops status` in a process of its own, in mode read: a hanging engine can be ended
for certain, and cannot keep the others' answers back.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from blumeops import mode, process
from blumeops.context.untrusted import clean
from blumeops.errors import BlumeOpsError, EngineError
from blumeops.plan import State, Status
from blumeops.target import SANDBOX

LAYERS = ("tailnet", "hosts", "cluster")
SECONDS = 120.0
"""So long a layer may take: Ansible looks at every host, some ten seconds on the sandbox, and more on a busy
machine."""

DETAILS = 5
"""So many changes of a layer are named in a pack; `blumeops drift` names all."""


@dataclass(frozen=True, slots=True)
class Live:
    """The states of the layers of one target at one moment; none of them is in sync unless it said so."""

    target: str
    at: datetime
    layers: tuple[Status, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The layers that did not answer."""
        return tuple(one.layer for one in self.layers if one.state is State.UNKNOWN)

    @property
    def is_short(self) -> bool:
        """Whether it says no more than the state of each layer."""
        return not any(one.details for one in self.layers)

    def without_details(self) -> Live:
        """The states alone, without the changes that were seen."""
        return replace(self, layers=tuple(replace(one, details=()) for one in self.layers))

    def text(self) -> str:
        """One line for each layer, and one for each change that it named; foreign words are in it."""
        return "\n".join(line for one in self.layers for line in _lines(one))

    def as_json(self) -> dict[str, object]:
        """The same as plain data."""
        layers = [
            {"layer": one.layer, "state": one.state.value, "reason": _said(one.reason),
             "details": [_said(detail) for detail in one.details[:DETAILS]]}
            for one in self.layers
        ]  # fmt: skip
        return {"target": self.target, "at": f"{self.at:%Y-%m-%dT%H:%M:%SZ}", "layers": layers}


def _said(text: str) -> str:
    return " ".join(clean(text).split())


def _lines(one: Status) -> list[str]:
    details = [f"  {_said(detail)}" for detail in one.details[:DETAILS]]
    more = len(one.details) - DETAILS
    return [_said(str(one)), *details, *([f"  and {more} more"] if more > 0 else [])]


def look(
    root: Path, *, target: str = SANDBOX, layers: Sequence[str] = LAYERS, seconds: float = SECONDS
) -> Live:
    """Ask these layers of a target how they are, all at once. Changes nothing, and never raises."""
    with ThreadPoolExecutor(max_workers=len(LAYERS)) as pool:
        asked = pool.map(lambda layer: _ask(root, target, layer, seconds), layers)
        return Live(target, datetime.now(UTC), tuple(asked))


def _ask(root: Path, target: str, layer: str, seconds: float) -> Status:
    words = [sys.executable, "-P", "-m", "blumeops.cli", "status", layer, "--target", target, "--json"]
    try:
        done = process.run(words, cwd=root, env=_environment(), timeout=seconds, leashed=True)
    except EngineError as error:
        return Status(layer, State.UNKNOWN, error.what, retryable=True)
    except BlumeOpsError as error:
        return Status(layer, State.UNKNOWN, error.what)
    return _read(layer, done.stdout, done.returncode)


def _environment() -> Mapping[str, str]:
    return {**os.environ, mode.VARIABLE: mode.Mode.READ.value, "NO_COLOR": "1"}


def _read(layer: str, said: str, code: int) -> Status:
    """What a process answered, as a status; anything but a state that we know is unknown."""
    try:
        told = json.loads(said)
        if "error" in told:
            return Status(layer, State.UNKNOWN, str(told["error"]["what"]))
        (one,) = told["layers"]
        return Status(layer, State(one["state"]), str(one["reason"]), details=tuple(map(str, one["details"])))
    except (ValueError, KeyError, TypeError):
        return Status(layer, State.UNKNOWN, f"its answer cannot be read (exit code {code})")
