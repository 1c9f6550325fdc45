"""The rehearsal of all runbooks: each is run on a target, in a shuffled order, and must leave nothing behind.

A runbook that only works after another one has run is wrong, and so is one that leaves a change in the
target. The first shows by the order, which its seed gives again; the second by a plan and a drift that are
not empty in the end.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops import homelab
from blumeops import target as targets
from blumeops.errors import BlumeOpsError, Interrupted
from blumeops.layer import Notify
from blumeops.records import RunStatus
from blumeops.runbooks import rehearsing
from blumeops.runbooks.rehearsing import Rehearsal
from blumeops.target import SANDBOX

if TYPE_CHECKING:
    import threading

    from blumeops.plan import Report
    from blumeops.runbooks.model import Runbook

__all__ = ["Left", "Rehearsal", "Suite", "shuffled", "suite"]

SEEDS = 10_000
"""How many orders there are to choose from: a seed is a number that people can type."""


@dataclass(frozen=True, slots=True)
class Left:
    """What stands in the target after one runbook, or after all: `plan` and `drift` should be empty."""

    plan: Report
    drift: Report

    @property
    def nothing(self) -> bool:
        """True when every layer answered, and nothing waits and nothing drifted."""
        return self.plan.exit_code == 0 and self.drift.exit_code == 0

    def __str__(self) -> str:
        if self.nothing:
            return "nothing left behind: the plan is empty, and no drift"
        parts = (("plan", self.plan), ("drift", self.drift))
        return "\n".join(
            f"left behind, {name}: {line}"
            for name, report in parts
            if report.exit_code
            for line in str(report).splitlines()
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """The result of rehearsing runbooks in the order that `seed` gives; durations are in seconds.

    `left` is what the end of the suite found, None when nobody looked or the suite was cut short.
    """

    target: str
    seed: int
    seconds: float
    rehearsals: tuple[Rehearsal, ...]
    left: Left | None = None

    @property
    def passed(self) -> bool:
        """True when every runbook passed and nothing was left behind."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 passed; the code of the failures when they are of one kind, else 1; 1 for what was left."""
        codes = {one.exit_code for one in self.rehearsals} - {0}
        if codes:
            return codes.pop() if len(codes) == 1 else 1
        return 0 if self.left is None or self.left.nothing else 1

    @property
    def outside(self) -> float:
        """The share of the runbooks' time that no cell took, from 0 to 1: what running them costs."""
        whole = sum(one.seconds for one in self.rehearsals)
        inside = sum(one.in_cells for one in self.rehearsals)
        return max(0.0, 1 - inside / whole) if whole else 0.0

    def require_passed(self) -> None:
        """Raise `Interrupted`, or `BlumeOpsError` for the runbook that failed or for what was left."""
        for one in self.rehearsals:
            if one.status is RunStatus.INTERRUPTED:
                raise Interrupted("interrupted", where=one.name)
            if not one.passed:
                hint = f"`blumeops runbook status {one.record.id}` says where"
                raise BlumeOpsError(f"the runbook {one.name} did not pass", where=one.where, hint=hint)
        if self.left is not None and not self.left.nothing:
            hint = f"`blumeops runbook test --seed {self.seed} --after-each` finds out who left it"
            raise BlumeOpsError(f"the runbooks did not put the sandbox back\n{self.left}", hint=hint)

    def __str__(self) -> str:
        failed = [one.name for one in self.rehearsals if not one.passed]
        words = f"failed: {', '.join(failed)}" if failed else f"{len(self.rehearsals)} passed"
        return f"{words} in {self.seconds:.0f} s, {self.outside:.0%} of it outside of cells; seed {self.seed}"

    def to_dict(self) -> dict[str, object]:
        """The suite as plain data, the shape that `--json` prints."""
        left = self.left and {"plan": self.left.plan.to_dict(), "drift": self.left.drift.to_dict()}
        about = {"target": self.target, "seed": self.seed, "seconds": round(self.seconds, 2)}
        return {
            **about,
            "outside": round(self.outside, 4),
            "exit_code": self.exit_code,
            "runbooks": [one.to_dict() for one in self.rehearsals],
            "left": left or None,
        }


def shuffled(books: Sequence[Runbook], seed: int) -> tuple[Runbook, ...]:
    """The runbooks in the order that a seed gives; it does not depend on the order they come in."""
    return tuple(random.Random(seed).sample(sorted(books, key=lambda book: book.name), len(books)))


def suite(
    root: Path,
    books: Sequence[Runbook],
    *,
    seed: int | None = None,
    target: str = SANDBOX,
    look: bool = True,
    after_each: bool = False,
    exit_first: bool = False,
    notify: Notify = lambda _line: None,
    watch: Callable[[Rehearsal], None] = lambda _one: None,
    begins: Callable[[int, Runbook], None] = lambda _number, _book: None,
    stop: threading.Event | None = None,
) -> Suite:
    """Rehearse runbooks one after the other, shuffled, then look whether the target is as it was.

    They share one target, so they never run at the same time. `look` is the check in the end; with
    `after_each` every runbook is followed by one, so it is known who left something. `begins` and `watch` are
    called before and after each. Raises `BlumeOpsError` when the target is not there.
    """
    _require(root, books, target)
    seed = random.SystemRandom().randrange(SEEDS) if seed is None else seed
    begun = time.monotonic()
    done: list[Rehearsal] = []
    for number, book in enumerate(shuffled(books, seed), 1):
        begins(number, book)
        one = rehearsing.rehearse(root, book, target=target, notify=notify, stop=stop)
        if after_each and _layers([book]):
            one = rehearsing.blamed(one, _left(root, target, notify))
        done.append(one)
        watch(one)
        if one.status is RunStatus.INTERRUPTED:
            return Suite(target, seed, time.monotonic() - begun, tuple(done))
        if exit_first and not one.passed:
            break
    left = _left(root, target, notify) if look and not after_each and _layers(books) else None
    return Suite(target, seed, time.monotonic() - begun, tuple(done), left)


def _require(root: Path, books: Sequence[Runbook], target: str) -> None:
    """A page that names no layer needs no target; the others would all fail for the same reason."""
    if _layers(books):
        targets.load(homelab.main_checkout(root), target)


def _layers(books: Iterable[Runbook]) -> bool:
    return any(book.layers for book in books)


def _left(root: Path, target: str, notify: Notify) -> Left:
    """Compare the target with what is committed: uncommitted edits are nobody's leftovers."""
    lab = homelab.Homelab.open(root=root, target=target)
    if lab.repository.dirty_paths():
        lab = lab.clone("runbook-test")
    return Left(lab.plan(notify=notify), lab.drift(notify=notify))
