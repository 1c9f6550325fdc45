"""What every test may use: one sandbox per run, and homelabs on clones that a test may change.

The sandbox is brought up by the real command, `blumeops up --no-serve`, so whatever a newcomer gets is what
the tests stand on. A sandbox that ran before is used and left running.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from blumeops import cli, doctor, repository
from blumeops.homelab import Homelab
from blumeops.sandbox.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
BLUMEOPS = Path(sys.executable).with_name("blumeops")
UP_SECONDS = 3600
"""Bounds `up` when engines have to be built first, on two cores."""

# A shell starts background jobs with Ctrl-C ignored, and all that they start inherits it. The tests that
# send the signal would wait for ever, so they run as they would in the foreground.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As in the Makefile: without bytecode each of some hundred processes would compile all that it imports again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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


def run_here(*words: str, cwd: Path = ROOT, **env: str) -> Ran:
    """Run the command line as `run_blumeops` does, but in this process, which has the libraries at hand.

    All of it but what the interpreter does at its start and end; each verb has a test with a process too.
    """
    begun = time.monotonic()
    with CliRunner().isolation(env={"NO_COLOR": "1", **env}) as (out, err, _), contextlib.chdir(cwd):
        code = cli.run(list(words))
        return Ran(code, out.getvalue().decode(), err.getvalue().decode(), time.monotonic() - begun)


@pytest.fixture(scope="session")
def brought_up(request: pytest.FixtureRequest) -> Iterator[Ran]:
    """What `blumeops up --no-serve` said; the sandbox runs as long as this fixture lives.

    It may have to build engines first, so its progress is shown while it runs. That it ended well is one
    test's to say: when a rehearsal fails, the others still tell what works.
    """
    box = Sandbox.of(ROOT)
    if os.geteuid() == 0:
        doctor.install_packages(doctor.missing_packages(), lambda _line: None)
    if (missing := box.missing()) and os.environ.get("CI") == "true":
        pytest.fail(f"nothing may be missing in CI: {missing}")
    ran_before = (box.layout.folder / "target.toml").exists()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        ran = _up_in_sight()
    yield ran
    if not ran_before:
        down = run_blumeops("down")
        assert down.code == 0, str(down)


def _up_in_sight() -> Ran:
    begun = time.monotonic()
    print("\nbringing up the sandbox: blumeops up --no-serve", file=sys.stderr)
    process = subprocess.Popen(
        [BLUMEOPS, "up", "--no-serve"],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out: list[str] = []
    reader = threading.Thread(target=lambda: out.append(process.stdout.read()))
    reader.start()
    said = []
    for line in process.stderr:
        said.append(line)
        sys.stderr.write(line)
    process.wait(timeout=UP_SECONDS)
    reader.join()
    return Ran(process.returncode, "".join(out), "".join(said), time.monotonic() - begun)


@pytest.fixture(autouse=True)
def _what_it_needs(request: pytest.FixtureRequest) -> None:
    """Skip, with a word, a test of a layer that this machine cannot have; never in CI."""
    names = {name for marker in request.node.iter_markers("needs") for name in marker.args}
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    names |= {case.layer} if hasattr(case, "layer") else set()
    if names and (lacking := names & set(missing := Sandbox.of(ROOT).missing())):
        assert os.environ.get("CI") != "true", missing
        pytest.skip("; ".join(f"not tested, {layer}: {missing[layer]}" for layer in sorted(lacking)))


@pytest.fixture(scope="session")
def sandbox(brought_up: Ran) -> Sandbox:
    """The one sandbox of this run."""
    box = Sandbox.of(ROOT)
    assert (box.layout.folder / "target.toml").exists(), str(brought_up)
    return box


SMALL_SITE = """\
- name: Reverse proxies
  hosts: proxies
  become: true
  roles:
    - caddy

- name: The record of what was applied
  hosts: all
  become: true
  roles:
    - revision
"""
"""A part of the real site. Ansible does not undo what a play no longer says, so the hosts stay as they are,
and a look at them takes a quarter of the time."""


@pytest.fixture(scope="session")
def base(sandbox: Sandbox) -> Homelab:
    """The homelab with a smaller site, applied: what every test that changes something starts from."""
    made = Homelab.open(root=ROOT).clone("test-base")
    (made.root / "homelab/ansible/site.yaml").write_text(SMALL_SITE)
    made.repository.commit("test: a site that is quick to look at")
    report = made.apply([layer.name for layer in made.layers()])
    assert report.exit_code == 0, str(report)
    return made


@pytest.fixture
def homelab(base: Homelab, request: pytest.FixtureRequest) -> Iterator[Homelab]:
    """A homelab on a throw-away clone, in sync when the test begins; its layers are put back when it ends.

    A test of one layer (its parameter `case`) puts back that one, the others all.
    """
    copy = Homelab(repository.clone(base.root, base.target.state / "clones" / "test"), base.target)
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    layers = [case.layer] if hasattr(case, "layer") else [layer.name for layer in copy.layers()]
    yield copy
    report = base.apply(layers)
    assert report.exit_code == 0, str(report)
