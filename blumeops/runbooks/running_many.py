"""One runbook on many targets: a process for each, so that one that dies takes no other with it."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blumeops import homelab, process
from blumeops.errors import BlumeOpsError
from blumeops.target import SANDBOX

ALL = "all"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run on one target ended; `record` is its record as plain data, empty when there is none."""

    target: str
    code: int
    record: dict[str, Any]
    error: str = ""

    @property
    def status(self) -> str:
        """The record's word, or `error` for a run that did not begin."""
        return str(self.record.get("status", "error"))


def targets(root: Path) -> tuple[str, ...]:
    """Every target of a checkout: the sandbox when it was set up, and those in `homelab/targets.toml`."""
    main = homelab.main_checkout(root)
    path = main / "homelab" / "targets.toml"
    named = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    here = (SANDBOX,) if (main / ".sandbox" / "target.toml").exists() else ()
    return (*here, *named)


def chosen(root: Path, words: str) -> tuple[str, ...]:
    """The targets that `all`, or a list with commas, names. Raises `BlumeOpsError` for one that is not."""
    known = targets(root)
    wanted = known if words == ALL else tuple(word for word in words.split(",") if word)
    missing = [name for name in wanted if name not in known and name != SANDBOX]
    if missing or not wanted:
        what = f"there is no target {missing[0]!r}" if missing else "no target is named"
        raise BlumeOpsError(what, hint=f"known targets: {', '.join(known) or 'none'}")
    return tuple(dict.fromkeys(wanted))


def run(
    root: Path,
    name: str,
    names: Sequence[str],
    *,
    words: Sequence[str],
    jobs: int,
    notify: Callable[[Outcome], None],
) -> tuple[Outcome, ...]:
    """Run a runbook on each target, `jobs` at a time; the outcomes in the targets' order.

    `words` are further words of `blumeops runbook run`. Nobody is asked: gates need `--yes`.
    """

    def one(target: str) -> Outcome:
        argv = [sys.executable, "-P", "-m", "blumeops.cli", "runbook", "run", name]
        argv += ["--target", target, "--json", "--quiet", "--no-input", *words]
        done = process.run(argv, cwd=root, leashed=True)
        outcome = _outcome(target, done)
        notify(outcome)
        return outcome

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return tuple(pool.map(one, names))


def _outcome(target: str, done: process.Completed) -> Outcome:
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {}
    error = said.get("error", {}).get("what", "") if "error" in said else ""
    record = {} if "error" in said else said
    return Outcome(target, done.returncode, record, error or ("" if record else done.stderr.strip()[-500:]))


def worst(outcomes: Sequence[Outcome]) -> int:
    """The exit code for all: 0 when every run passed, else that of the run that went worst."""
    order = (130, 1, 124, 5, 2, 4, 3)
    codes = {outcome.code for outcome in outcomes} - {0}
    return next((code for code in order if code in codes), max(codes, default=0))
