"""What a runbook is, as values: front matter, parameters, cells, and what may happen to each of them.

Nothing here reads a file or runs anything: `format` reads, `check` judges, `running` runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

TIMEOUT_SECONDS = 600.0
"""How long a run may take whose page does not say."""


class Role(StrEnum):
    """What a cell is for; its tag in the file. `ATTEST` is a cell tagged `confirm` without `step`."""

    PARAMETERS = "parameters"
    SETUP = "setup"
    PRECONDITION = "precondition"
    STEP = "step"
    ATTEST = "confirm"
    VERIFY = "verify"
    CLEANUP = "cleanup"
    ROLLBACK = "rollback"


class Risk(StrEnum):
    """What a runbook may do to the target, the least first."""

    READ_ONLY = "read-only"
    CHANGES = "changes"
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, type as written, default, help, and what it may be.

    `kind` is one of `str int float bool list SecretRef`. `low` and `high` bound a number (or the length of a
    list); `choices` names all allowed words; `pattern` is a regular expression that a word matches whole.
    """

    name: str
    kind: str
    default: object
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One `{code-cell}`: `line` is the file's line (from 1) of the first line of `source`.

    `name` is its `:name:` option, else made from the heading above it and unique in the file. `gated` cells
    (tagged `step` and `confirm`) change something and wait for a person first; `gate` is an expression that
    is evaluated and shown there. `done` is an expression: true means the step need not run again. `undoes` (a
    rollback's `:of:`) names the step that it takes back. `timeout` is in seconds; None is the runbook's own.
    """

    index: int
    name: str
    role: Role
    source: str
    line: int
    gated: bool = False
    gate: str = ""
    done: str = ""
    undoes: str = ""
    timeout: float | None = None
    heading: str = ""
    tags: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the library may change the target while this cell runs."""
        return self.gated or self.role in (Role.ROLLBACK, Role.CLEANUP)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook: its name is the file's stem. Durations are in seconds."""

    name: str
    title: str
    path: Path
    source: str
    cells: tuple[Cell, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    description: str = ""
    tags: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    risk: Risk = Risk.CHANGES
    reversible: bool = True
    owner: str = ""
    requires: tuple[str, ...] = ()
    timeout: float = TIMEOUT_SECONDS
    verify_every: float | None = None
