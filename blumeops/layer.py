"""The Layer protocol: what every layer promises, whatever its engine.

    desired    what Git says, as files in a folder at a revision (`Desired`)
    recorded   the revision that was applied last, kept by the engine itself, on the live system
    live       what is

Laws, kept by `tests/test_contract.py` for every layer: planning changes nothing; after apply the
plan is empty, and so is drift; a manual edit is drift; a stale plan is refused; what left Git is
planned for deletion; a failure is never read as health.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blumeops.plan import Plan, Result, Status

Notify = Callable[[str], None]
"""Receives one line of progress, for people; the library itself never prints."""


@dataclass(frozen=True, slots=True)
class Desired:
    """Desired state as files: the `homelab/` folder of one revision.

    `revision` is the full commit id, with `+dirty` appended when the folder holds changes that are not
    committed.
    """

    folder: Path
    revision: str

    @property
    def dirty(self) -> bool:
        """True when the folder differs from its revision."""
        return self.revision.endswith("+dirty")


class Layer(Protocol):
    """One engine, one folder of desired state, one part of the live system."""

    @property
    def name(self) -> str:
        """The layer's name in every report: `tailnet`, `hosts` or `cluster`."""
        ...

    def lint(self, desired: Desired) -> None:
        """Check the desired state without the live system. Raises `BadInput` with every problem."""
        ...

    def recorded(self) -> str | None:
        """The revision applied last, read from the live system; None when nothing was applied yet.

        Raises `Unreachable` when the live system does not answer.
        """
        ...

    def plan(self, desired: Desired) -> Plan:
        """Compare desired with live. Changes nothing, sends nothing that fails its own lint.

        Raises `BadInput`, `Unreachable`, `AccessDenied` or `EngineError`; never returns an empty plan
        for a system that it could not read.
        """
        ...

    def drift(self, recorded: Desired) -> Plan:
        """Compare what was applied last with live; the plan's comparison is `DRIFT`. Changes nothing."""
        ...

    def apply(self, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool = True) -> Result:
        """Do exactly this plan, and record the revision on the live system.

        Reads the live system again first, and raises `StalePlan` when its fingerprint or the revision
        is not the plan's. `recheck=False` says that the plan was made in the same call, with nobody asked in
        between: a layer whose look takes long may then spare the second one. A partial failure is a `Result`
        that says what was done, not an exception.
        """
        ...

    def health(self) -> Status:
        """A quick look at the live system: `IN_SYNC` when it is well, `DEGRADED` or `UNKNOWN` if not.

        It may fill `recorded` when it saw that on the way, which spares a second look.
        """
        ...
