"""The laws of scripts on a host: what goes there and comes back, and when nothing may go there."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops import mode, remote
from blumeops.errors import EngineError, ReadOnly
from blumeops.sandbox.sandbox import Sandbox
from blumeops.target import GitRemote, Target


def test_where_only_looking_is_allowed_a_change_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("home", "x", tmp_path, GitRemote("x"), vantage={"here": ("touch", str(tmp_path / "run"))})
    monkeypatch.setenv(mode.VARIABLE, mode.Mode.READ)
    with pytest.raises(ReadOnly, match="tidying on here"):
        remote.change(target, "here", "true", what="tidying")
    assert not (tmp_path / "run").exists()


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_script_arrives_as_it_is_and_its_first_failure_ends_it(sandbox: Sandbox) -> None:
    said = remote.ask(sandbox.target, "indri", "printf '%s|' \"a  b\" '$HOME' \"$(id -un)\"; hostname")
    assert said == "a  b|$HOME|root|indri\n"
    assert remote.ask(sandbox.target, "indri", "print(6 * 7)", program=remote.PYTHON) == "42\n"
    with pytest.raises(EngineError, match="no such folder here") as caught:
        remote.change(
            sandbox.target, "indri", "echo no such folder here >&2; false; echo on", what="a failure"
        )
    assert caught.value.where == "indri"
    with pytest.raises(EngineError, match="exit 3"):
        remote.ask(sandbox.target, "indri", "exit 3")
