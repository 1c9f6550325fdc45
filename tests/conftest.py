"""What every test may use: one sandbox per run, and homelabs on clones that a test may change.

The sandbox is brought up by the real command, `blumeops up --no-serve`, so whatever a newcomer gets is what
the tests stand on. A sandbox that ran before is used and left running.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from blumeops.homelab import Homelab
from blumeops.plan import Report
from blumeops.sandbox.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
BLUMEOPS = Path(sys.executable).with_name("blumeops")
UP_SECONDS = 3600
"""Bounds `up` when engines have to be built first, on two cores."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished `blumeops` command."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


def run_blumeops(*words: str, cwd: Path = ROOT, timeout: float = 300, **env: str) -> Ran:
    """Run the real command line in a process of its own."""
    begun = time.monotonic()
    done = subprocess.run(
        [BLUMEOPS, *words],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


@pytest.fixture(scope="session")
def brought_up() -> Iterator[Ran]:
    """What `blumeops up --no-serve` said; the sandbox runs as long as this fixture lives."""
    box = Sandbox.of(ROOT)
    if missing := box.missing():
        words = "; ".join(f"{layer}: {reason}" for layer, reason in missing.items())
        assert os.environ.get("CI") != "true", f"nothing may be missing in CI: {words}"
        pytest.skip(f"not tested here: {words}")
    ran_before = (box.layout.folder / "target.toml").exists()
    ran = run_blumeops("up", "--no-serve", timeout=UP_SECONDS)
    assert ran.code == 0, str(ran)
    yield ran
    if not ran_before:
        down = run_blumeops("down")
        assert down.code == 0, str(down)


@pytest.fixture(scope="session")
def sandbox(brought_up: Ran) -> Sandbox:
    """The one sandbox of this run, with the homelab applied."""
    return Sandbox.of(ROOT)


@pytest.fixture
def homelab(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Homelab]:
    """A homelab on a throw-away clone, in sync when the test begins and made so again when it ends."""
    copy = Homelab.open(root=ROOT).clone(f"test-{request.node.name[:40].replace('[', '-').rstrip(']')}")
    assert in_sync(copy), str(copy.plan())
    yield copy
    base = Homelab.open(root=ROOT).clone("test-after")
    report = base.apply()
    assert report.exit_code == 0, str(report)


def in_sync(homelab: Homelab) -> bool:
    """True when no layer has anything to do."""
    return homelab.plan().exit_code == 0


def changes(report: Report, layer: str) -> list[str]:
    """The changes that a report names for a layer, as words."""
    return [f"{change.action.value} {change.address}" for change in report[layer].changes]
