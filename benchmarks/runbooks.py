"""How long a runbook keeps you waiting before its first step, and what a suite spends on anything but steps.

    .venv/bin/python benchmarks/runbooks.py --pairs 5 --json
    .venv/bin/python benchmarks/runbooks.py --runbooks 20 --step-seconds 5

A machine's speed drifts, so the ways are run in turn (Python alone, IPython, ours, nbclient, papermill), and
the ratio within a turn says more than a time. A step says itself when it began, by the clock; nothing else is
trusted. `GOALS` are what we hold ourselves to.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import figures  # beside this file, where Python looks first for a script

BLUMEOPS = Path(sys.executable).with_name("blumeops")
PAPERMILL = Path(sys.executable).with_name("papermill")
GOALS = {"first_step_ms": 500.0, "first_step_over_ipython": 3.0, "overhead_share": 0.10}
"""At most this. `overhead_share` is meant for runbooks whose steps take 5 s or more."""

STEPS = 3
"""Steps of each runbook."""

_FRONT = """---
title: {title}
description: A page of the benchmark.
tags: [runbook]
layers: []
services: []
alerts: []
risk: read-only
reversible: true
owner: benchmark
requires: []
timeout: 10m
verify-every: 30d
---

# {title}

"""
_FENCE = "```{{code-cell}} ipython3\n:tags: [{tags}]\n\n{source}\n```\n\n"
_BEGAN = "import time, pathlib\npathlib.Path('{name}.began').write_text(repr(time.time()))"
_NBCLIENT = """
import sys, nbformat, nbclient
nbclient.NotebookClient(nbformat.read(sys.argv[1], as_version=4), kernel_name="python3").execute()
"""
PYTHON, IPYTHON, OURS, NBCLIENT, MILL = "python", "ipython", "ours", "nbclient", "papermill"


def page(name: str, seconds: float) -> str:
    """A runbook whose steps sleep that long together, and whose first one says when it began."""
    sleeps = f"time.sleep({seconds / STEPS})"
    cells = [("parameters", 'target: str = "sandbox"  # where to run')]
    cells += [("step", f"{_BEGAN.format(name=name)}\n{sleeps}")]
    cells += [("step", sleeps)] * (STEPS - 2) + [("verify", sleeps)]
    parts = (f"## Part {n}\n\n" + _FENCE.format(tags=t, source=s) for n, (t, s) in enumerate(cells))
    return _FRONT.format(title=f"Page {name}") + "".join(parts)


@contextmanager
def checkout(names: list[str], seconds: float) -> Iterator[Path]:
    """A small repository with these runbooks, and notebooks of them for the other ways."""
    import jupytext

    with tempfile.TemporaryDirectory(prefix="blumeops-bench-") as folder:
        root = Path(folder)
        (root / "homelab").mkdir()
        (root / "runbooks").mkdir()
        (root / ".gitignore").write_text(".sandbox\nhomelab/.blumeops\n*.began\n*.ipynb\n")
        for name in names:
            source = page(name, seconds)
            (root / "runbooks" / f"{name}.md").write_text(source)
            notebook = jupytext.reads(source.partition("\n---\n")[2], fmt="md:myst")
            notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
            jupytext.write(notebook, root / f"{name}.ipynb")
        author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.test"]
        for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "pages"]):
            subprocess.run(["git", *words], cwd=root, check=True)
        yield root


def command(way: str, name: str) -> list[str]:
    """The words by which a way runs a runbook, or does nothing at all."""
    return {
        PYTHON: [sys.executable, "-c", "pass"],
        IPYTHON: [sys.executable, "-c", "import IPython.core.interactiveshell"],
        OURS: [str(BLUMEOPS), "runbook", "run", name, "--yes", "--quiet"],
        NBCLIENT: [sys.executable, "-c", _NBCLIENT, f"{name}.ipynb"],
        MILL: [str(PAPERMILL), "--no-progress-bar", f"{name}.ipynb", "out.ipynb"],
    }[way]


def run(root: Path, way: str, name: str) -> tuple[float, float]:
    """Seconds to the first step's begin (the whole time where there is no step), and the whole time."""
    began = root / f"{name}.began"
    began.unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONDONTWRITEBYTECODE")}
    at, begun = time.time(), time.monotonic()
    done = subprocess.run(
        command(way, name),
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    whole = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(f"{way} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return (float(began.read_text()) - at if began.exists() else whole), whole


def first_steps(pairs: int) -> dict[str, float]:
    """Medians of the time to the first step, each way, and ratios within a turn."""
    ways = (PYTHON, IPYTHON, OURS, NBCLIENT, MILL)
    with checkout(["first"], 0.0) as root:
        for way in ways:
            run(root, way, "first")  # once for the caches
        turns = [{way: run(root, way, "first") for way in ways} for _ in range(pairs)]
    said = {
        f"{way}_first_step_ms": 1000 * statistics.median(turn[way][0] for turn in turns) for way in ways[2:]
    }
    said["first_step_ms"] = said.pop(f"{OURS}_first_step_ms")
    said["python_ms"] = 1000 * statistics.median(turn[PYTHON][1] for turn in turns)
    said["ipython_ms"] = 1000 * statistics.median(turn[IPYTHON][1] for turn in turns)
    said["whole_ms"] = 1000 * statistics.median(turn[OURS][1] for turn in turns)
    for way in (IPYTHON, NBCLIENT, MILL):
        ratios = [turn[OURS][0] / turn[way][0] for turn in turns]
        said[f"first_step_over_{way}"] = statistics.median(ratios)
    return said


def suite(runbooks: int, seconds: float, way: str) -> float:
    """The share of a suite's time that is not its steps': runbooks one after the other, each a process."""
    names = [f"page-{number:02}" for number in range(runbooks)]
    with checkout(names, seconds) as root:
        whole = sum(run(root, way, name)[1] for name in names)
    return 1 - runbooks * seconds / whole


def main() -> None:
    """Print what was measured, beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--runbooks", type=int, default=0, help="also run a suite of so many, ours and papermill"
    )
    parser.add_argument("--step-seconds", type=float, default=5.0, help="so long take one runbook's steps")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    said: dict[str, float] = {"pairs": asked.pairs, **first_steps(asked.pairs)}
    if asked.runbooks:
        said["runbooks"], said["step_seconds"] = asked.runbooks, asked.step_seconds
        said["overhead_share"] = suite(asked.runbooks, asked.step_seconds, OURS)
        said["papermill_overhead_share"] = suite(asked.runbooks, asked.step_seconds, MILL)
    figures.tell(said, GOALS, as_json=asked.json)


if __name__ == "__main__":
    main()
