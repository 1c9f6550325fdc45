"""How long a pack takes, warm, beside a search of FTS5 alone for the same question, turn by turn.

`pack_over_fts5` is the median ratio of CPU time within a turn.
"""

from __future__ import annotations

import importlib.util
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blumeops.context.index import Index

from . import corpus
from .searches import Fts5, Ours

BLUMEOPS = Path(sys.executable).with_name("blumeops")
BUDGET = 4000


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds: by the clock, and of this process's work, which a busy machine does not change much."""

    wall: float
    cpu: float


def of(root: Path, questions: Sequence[str]) -> dict[str, float]:
    """Milliseconds of a pack that first looks whether a file has changed, and its ratio to FTS5 alone."""
    with Index.open(root) as index:
        sections = tuple(corpus.sections(index))
    ours, fts5 = Ours(root), Fts5(sections)
    for one in (ours, fts5):
        one.take(questions[0], BUDGET)
    rows = [
        (_took(partial(ours.take, question, BUDGET)), _took(partial(fts5.take, question, BUDGET)))
        for question in questions
    ]
    own = sorted(pack.wall for pack, _ in rows)
    return {
        "pack_ms": statistics.median(own),
        "pack_p95_ms": own[math.ceil(len(own) * 0.95) - 1],
        "pack_cpu_ms": statistics.median(pack.cpu for pack, _ in rows),
        "fts5_cpu_ms": statistics.median(bare.cpu for _, bare in rows),
        "pack_over_fts5": statistics.median(pack.cpu / bare.cpu for pack, bare in rows),
        "sections": len(sections),
    }


def command(root: Path, question: str, times: int = 5) -> dict[str, float]:
    """Milliseconds of the whole command, warm, and its ratio to a Python that does nothing."""
    words = [BLUMEOPS, "context", question, "--root", root]
    _run(words)
    bare = [sys.executable, "-c", "pass"]
    rows = [(_took(partial(_run, words)).wall, _took(partial(_run, bare)).wall) for _ in range(times)]
    return {
        "command_ms": statistics.median(own for own, _ in rows),
        "command_over_python": statistics.median(own / bare for own, bare in rows),
    }


@contextmanager
def generated(pages: int) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """A vault of so many generated pages, and questions in its words."""
    made = _site_benchmark()
    before = os.environ.get("BLUMEOPS_CACHE")
    folder = Path(tempfile.mkdtemp(prefix="blumeops-bench-"))
    try:
        os.environ["BLUMEOPS_CACHE"] = str(folder / "cache")
        made.write_vault(folder / "vault", pages)
        dice = random.Random(pages)
        yield folder / "vault", tuple(" ".join(dice.sample(made._VOCABULARY, 7)) for _ in range(40))
    finally:
        os.environ.pop("BLUMEOPS_CACHE")
        os.environ.update({"BLUMEOPS_CACHE": before} if before is not None else {})
        shutil.rmtree(folder)


def _site_benchmark() -> object:
    """`benchmarks/site.py`, which has the generator; its name is taken by the standard library."""
    spec = importlib.util.spec_from_file_location("site_benchmark", Path(__file__).parents[1] / "site.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _run(words: list[str | Path]) -> None:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr[-2000:]}")


def _took(call: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Took(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
