"""Small checkouts with runbooks in them, and ways to run those as a person does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blumeops import process, records, runbooks
from blumeops.records import RunRecord, RunStatus
from blumeops.repository import Repository

BLUMEOPS = Path(sys.executable).with_name("blumeops")
PATIENCE_SECONDS = 60.0

FRONT = """---
title: {title}
description: A page of the tests.
tags: [runbook]
layers: []
services: []
alerts: []
risk: changes
reversible: true
owner: tests
requires: [{requires}]
timeout: {timeout}
verify-every: 30d
---

# {title}

In a terminal, which nobody runs for you:

```bash
touch prose-was-run
```

"""

PARAMETERS = """target: str = "sandbox"  # where to run
word: str = "one"  # a word [one|two|three]
count: int = 3  # a number [1..10]
"""


def cell(source: str, *tags: str, **options: str) -> str:
    """One `{code-cell}` with its tags and options."""
    lines = [f":tags: [{', '.join(tags)}]", *(f":{name}: {value}" for name, value in options.items())]
    return "\n".join(["```{code-cell} ipython3", *lines, "", source, "```"])


def page(
    *cells: str, title: str = "A page", timeout: str = "5m", requires: str = "", parameters: str = ""
) -> str:
    """A runbook of these cells, after a cell of parameters."""
    head = FRONT.format(title=title, timeout=timeout, requires=requires)
    code = [cell(parameters or PARAMETERS.strip(), "parameters"), *cells]
    return head + "\n\n".join(f"## Part {number}\n\n{one}" for number, one in enumerate(code)) + "\n"


@dataclass(frozen=True)
class Place:
    """A small repository with runbooks, and no sandbox."""

    root: Path

    def execute(self, name: str, *words: str, watch: object = None, **options: object) -> RunRecord:
        """Run one in this process; `options` are those of a run."""
        from blumeops.runbooks import parameters
        from blumeops.runbooks.running import Options

        book = runbooks.named(self.root, name)
        values = parameters.parse(book, list(words))
        return runbooks.execute(self.root, book, parameters=values, options=Options(**options), watch=watch)

    def run(self, *words: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `blumeops runbook …` to its end."""
        return subprocess.run(
            [BLUMEOPS, "runbook", *words],
            cwd=self.root,
            input=stdin or "",
            capture_output=True,
            text=True,
            env=environment(**env),
            timeout=300,
        )

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start `blumeops runbook …` in a session of its own."""
        return subprocess.Popen(
            [BLUMEOPS, "runbook", *words],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**env),
            start_new_session=True,
        )

    def folders(self) -> list[Path]:
        """The run folders on the sandbox, the oldest first."""
        return sorted((self.root / records.RUNS).glob("*"))

    def record(self) -> RunRecord:
        """The record of the only run."""
        (folder,) = self.folders()
        return records.load(folder / "record.json")

    def notebook(self) -> dict:
        """The executed notebook of the last run."""
        return json.loads((self.folders()[-1] / "executed.ipynb").read_text())

    def write(self, name: str, source: str) -> None:
        """Change a page, or add one, and commit it."""
        (self.root / "runbooks" / f"{name}.md").write_text(source)
        git = Repository(self.root).git
        git("add", ".")
        git("commit", "--quiet", "-m", f"page {name}")


def place(root: Path, **pages: str) -> Place:
    """A checkout with these runbooks, committed; underscores of their names are dashes."""
    (root / "homelab").mkdir(parents=True)
    (root / "runbooks").mkdir()
    (root / ".gitignore").write_text(".sandbox\nhomelab/.blumeops\n*.ran\n*.pid\n")
    for name, source in pages.items():
        (root / "runbooks" / f"{name.replace('_', '-')}.md").write_text(source)
    git = Repository(root).git
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return Place(root)


def environment(**more: str) -> dict[str, str]:
    """Our environment without what a machine of CI sets in it."""
    ours = {name: value for name, value in os.environ.items() if name not in ("CI", "BLUMEOPS_YES")}
    return {**ours, **more}


def statuses(record: RunRecord) -> dict[str, RunStatus]:
    """What became of each cell, by name."""
    return {one.name: one.status for one in record.cells}


def roles(record: RunRecord, role: str) -> list[RunStatus]:
    """What became of the cells of a role."""
    return [one.status for one in record.cells if one.role == role]


def said(record: RunRecord) -> str:
    """All that the cells said."""
    return "\n".join(output.text for one in record.cells for output in one.outputs)


def wait_for(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def pid_in(path: Path) -> int:
    """The pid that a cell wrote into a file, waited for."""
    wait_for(lambda: path.exists() and path.read_text().strip().isdigit(), path.name)
    return int(path.read_text())


def gone(pid: int) -> None:
    """Wait until a process has ended."""
    wait_for(lambda: process.start_time(pid) is None, f"the end of process {pid}")


def press_ctrl_c(ours: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """Send the signal of Ctrl-C, or another one, to the command and not to what it started."""
    ours.send_signal(number)
