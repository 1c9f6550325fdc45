"""A cell that may only look cannot change the target through the library (the fault R8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops import mode
from blumeops.mode import Mode
from blumeops.runbooks.kernel import Ending, Kernel
from tests.runbooks.kernels import kernel, run, said

HERE = """
from pathlib import Path
from blumeops.homelab import Homelab
from blumeops.repository import Repository
from blumeops.sandbox.sandbox import Sandbox
from blumeops.tailnet.client import Client
from blumeops.target import GitRemote, Secret, Target
target = Target(name="sandbox", identity="none", state=Path("state"), git=GitRemote("none"))
homelab = Homelab(Repository(Path.cwd()), target)
client = Client("http://127.0.0.1:9", Secret("none"))
box = Sandbox.of(Path.cwd())
"""
"""A homelab without any layer, and a control plane that nobody can reach: the guard has to come first."""

WRITES = {
    "apply": "homelab.apply()",
    "rollback": "homelab.rollback('HEAD')",
    "a policy": "client.set_policy('{}')",
    "tags": "client.set_tags('1', ['tag:nas'])",
    "a key": "client.create_key()",
    "a delete": "client.request('DELETE', '/device/1')",
    "sandbox up": "box.up(notify=print)",
    "sandbox down": "box.down(print)",
    "sandbox reset": "box.reset(print)",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("mode")) as made:
        done = run(made, HERE)
        assert done.passed, done.outputs
        yield made


@pytest.mark.parametrize("write", list(WRITES))
def test_r8_a_cell_that_may_only_look_cannot(opened: Kernel, write: str) -> None:
    done = run(opened, WRITES[write], mode=Mode.READ)
    assert done.ending is Ending.FAILED
    assert done.error.startswith("ReadOnly: "), done.error
    assert "tag the cell `step, confirm`" in said(done, "error")


@pytest.mark.parametrize("write", ["a policy", "tags", "a key", "a delete"])
def test_r8_a_cell_that_may_change_comes_as_far_as_the_target(opened: Kernel, write: str) -> None:
    done = run(opened, WRITES[write], mode=Mode.CHANGE)
    assert done.error.startswith("Unreachable: "), done.error


def test_r8_looking_is_always_allowed(opened: Kernel) -> None:
    for question in ("client.devices()", "client.validate('{}')"):
        assert run(opened, question, mode=Mode.READ).error.startswith("Unreachable: ")


def test_r8_a_gates_expression_may_only_look(opened: Kernel) -> None:
    assert run(opened, "1", mode=Mode.CHANGE).passed
    assert opened.evaluate("client.set_tags('1', [])").error.startswith("ReadOnly: ")


def test_r8_a_program_that_the_cell_starts_is_in_the_same_mode(opened: Kernel) -> None:
    ask = "!python3 -c 'import os; print(os.environ[\"BLUMEOPS_MODE\"])'"
    assert said(run(opened, ask, mode=Mode.READ)) == "read\n"
    assert said(run(opened, ask, mode=Mode.CHANGE)) == "change\n"


def test_outside_a_runbook_everything_is_allowed_and_an_unknown_mode_is_not() -> None:
    assert mode.may_change({})
    assert mode.may_change({mode.VARIABLE: "change"})
    assert not mode.may_change({mode.VARIABLE: "read"})
    assert not mode.may_change({mode.VARIABLE: "chnage"})


def test_the_kernels_mode_is_not_its_clients(tmp_path: Path) -> None:
    with kernel(tmp_path, BLUMEOPS_MODE="change") as made:
        assert said(run(made, "import os\nprint(os.environ['BLUMEOPS_MODE'])")) == "read\n"
