"""How long the sandbox takes to be ready, with its data and without: pairs in one run, and their ratio.

    .venv/bin/python benchmarks/sandbox_start.py [PAIRS]

Each pair is a start that keeps the data (the second start of a user) and a start after `sandbox reset`. A
machine's speed drifts, so the ratio of a pair says more than either time. The engines must be built.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLUMEOPS = Path(sys.executable).with_name("blumeops")


def blumeops(*words: str) -> float:
    """Run one command and return its seconds."""
    begun = time.monotonic()
    subprocess.run([BLUMEOPS, *words, "--quiet"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> None:
    """Print a line for each pair, and the medians."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    blumeops("sandbox", "reset", "--yes")
    blumeops("sandbox", "up")
    kept, fresh = [], []
    for _ in range(pairs):
        blumeops("sandbox", "down")
        kept.append(blumeops("sandbox", "up"))
        blumeops("sandbox", "reset", "--yes")
        fresh.append(blumeops("sandbox", "up"))
        print(f"second {kept[-1]:5.1f} s   first {fresh[-1]:5.1f} s   ratio {kept[-1] / fresh[-1]:.2f}")
    ratio = statistics.median(k / f for k, f in zip(kept, fresh, strict=True))
    second, first = statistics.median(kept), statistics.median(fresh)
    print(f"medians: second {second:.1f} s, first {first:.1f} s, ratio {ratio:.2f}")
    blumeops("sandbox", "down")


if __name__ == "__main__":
    main()
