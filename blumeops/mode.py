"""What the code that runs now may do to the target: look, or change it.

A cell of a runbook runs in the mode that its tags give it, and everything that changes a target asks here
first. The mode stands in the environment, so a program that the cell starts has it too. Outside a runbook no
mode is set, and everything is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

from blumeops.errors import ReadOnly

VARIABLE = "BLUMEOPS_MODE"
"""The environment variable that holds the mode."""


class Mode(StrEnum):
    """What a cell may do: `READ` looks, computes and edits its own working copy; `CHANGE` may apply, too."""

    READ = "read"
    CHANGE = "change"


def may_change(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the target may be changed now. A word that is not a mode counts as `READ`."""
    return environment.get(VARIABLE, Mode.CHANGE) == Mode.CHANGE


def require_change(what: str) -> None:
    """Go on when the target may be changed; raises `ReadOnly`, which names `what`, when it may not."""
    if not may_change():
        raise ReadOnly(
            f"{what} changes the target, and this cell may only look",
            hint="tag the cell `step, confirm`: a person is then asked first; a dry run never changes",
        )
