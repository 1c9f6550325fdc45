"""Units of a node: what systemd says of them, and who may restart one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops import mode, process, units
from blumeops.errors import EngineError, ReadOnly
from blumeops.sandbox.sandbox import Sandbox
from blumeops.target import GitRemote, Target, load
from tests.conftest import ROOT

EXPORTER = "prometheus-node-exporter.service"


def test_r8_a_cell_that_may_only_look_restarts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    target = Target("x", "x", tmp_path, GitRemote("x"), vantage={"here": ("touch", str(touched))})
    monkeypatch.setenv(mode.VARIABLE, mode.Mode.READ)
    with pytest.raises(ReadOnly, match="restarting caddy on here"):
        units.restart(target, "here", "caddy")
    assert not touched.exists()


@pytest.fixture
def target(sandbox: Sandbox) -> Target:
    return load(ROOT)


@pytest.fixture
def stopped(target: Target) -> Iterator[None]:
    """sifaka without its exporter, which runs again afterwards."""
    words = ["systemctl", "stop", EXPORTER]
    process.run([*target.vantage["sifaka"], *words], env=target.environment(), timeout=60).check()
    yield
    units.restart(target, "sifaka", EXPORTER)


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_unit_that_stopped_says_so_and_a_restart_brings_it_back(target: Target, stopped: None) -> None:
    assert "inactive (dead)" in str(units.look(target, "sifaka", EXPORTER))
    assert units.restart(target, "sifaka", EXPORTER).active
    assert "Listening on" in units.log(target, "sifaka", EXPORTER, lines=40)


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_unit_that_is_not_there_is_an_error_and_not_inactive(target: Target) -> None:
    with pytest.raises(EngineError, match=r"there is no unit cady\.service"):
        units.look(target, "indri", "cady.service")
