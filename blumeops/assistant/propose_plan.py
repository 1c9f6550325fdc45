"""The plan of a proposal: made from its own clone, by a process of its own, against the sandbox.

A plan of a real target needs that target's keys, and what nobody has read never meets those. A person makes
that plan, after reading the diff: `blumeops proposals plan BRANCH --target NAME`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blumeops import plan_token, process
from blumeops.assistant.propose_checks import environment
from blumeops.homelab import Homelab
from blumeops.plan import Action, Answer, Change, Comparison, Coverage, Plan, Report, State, Status
from blumeops.target import SANDBOX

ENGINE = "blumeops.assistant.engine"


@dataclass(frozen=True, slots=True)
class Planned:
    """What would happen on a target: a report and its token, or in `why` the reason that there is none.

    `unread` names the layers that are not planned before a person has read the change, and why.
    """

    report: Report | None = None
    token: str = ""
    why: str = ""
    unread: dict[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """The plan as people and pages show it."""
        parts = [f"Not planned, {layer}: {why}" for layer, why in self.unread.items()]
        parts += [f"No plan: {self.why}"] if self.why else []
        parts += [self.report.to_markdown().strip()] if self.report else []
        return "\n\n".join(parts)


Planner = Callable[[Path, Sequence[str]], Planned]
"""Makes the plan of some layers from a clone."""


def on_sandbox(clone: Path, layers: Sequence[str]) -> Planned:
    """The plan of these layers on the sandbox; never an exception for one that cannot be made.

    It is asked by the reading server's engine, which the kernel keeps from writing anything but scratch.
    """
    last: list[dict[str, Any]] = []

    def line(text: str) -> None:
        with contextlib.suppress(ValueError):
            last[:] = [json.loads(text)]

    with tempfile.TemporaryDirectory(prefix="blumeops-") as scratch:
        words = [sys.executable, "-P", "-m", ENGINE]
        argv: list[str | Path] = [*words, clone, SANDBOX, scratch, "plan", *layers]
        done = process.stream(argv, env=environment(BLUMEOPS_MODE="read"), input="", on_line=line)
    told = last[0] if last else {}
    if "error" in told:
        return Planned(why=", ".join(filter(None, (told["error"]["what"], told["error"]["hint"]))))
    try:
        report = Report("plan", SANDBOX, tuple(map(_answer, told["report"]["layers"])))
    except (ValueError, KeyError, TypeError):
        said = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
        return Planned(why=f"planning broke: {said[:300]}")
    return Planned(report, str(plan_token.of(Homelab.open(root=clone), report) or ""))


def _answer(plain: dict[str, Any]) -> Answer:
    """One layer's answer from the JSON of a report."""
    if plain["type"] == "plan":
        changes = (Change(Action(c["action"]), c["address"], c["diff"]) for c in plain["changes"])
        cover = plain["coverage"]
        covered = Coverage(cover["compared"], cover["total"], tuple(cover["notes"]))
        compared = Comparison(plain["comparison"])
        return Plan(plain["layer"], plain["desired"], plain["live"], tuple(changes), covered, compared)
    return Status(plain["layer"], State(plain["state"]), plain["reason"], error=plain["error"])
