"""A further device of the sandbox: what is refused before anything is touched; runbooks use it for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.errors import BlumeOpsError, ReadOnly, Unreachable
from blumeops.sandbox import device, layout
from blumeops.target import GitRemote, Secret, Target


@pytest.fixture
def box(tmp_path: Path) -> Target:
    """A sandbox that is not running."""
    layout.keep(layout.layout(tmp_path))
    return Target("sandbox", "a test", tmp_path / ".sandbox" / "state", GitRemote("unused"))


def test_on_a_real_target_nobody_joins_in_a_persons_place(tmp_path: Path) -> None:
    home = Target("home", "a real place", tmp_path, GitRemote("unused"))
    for act in (
        lambda: device.sign_in(home, "phone", "ana@homelab.test"),
        lambda: device.join(home, "phone", Secret("x")),
        lambda: device.leave(home, "phone"),
    ):
        with pytest.raises(BlumeOpsError, match="is no sandbox"):
            act()


@pytest.mark.parametrize("name", ["", "Phone", "a b", "x;reboot", "-x", "../x", "x" * 32])
def test_a_name_that_is_more_than_a_name_is_refused(box: Target, name: str) -> None:
    for act in (lambda: device.join(box, name, Secret("x")), lambda: device.leave(box, name)):
        with pytest.raises(BlumeOpsError, match="is no name for a device"):
            act()


def test_r8_where_only_looking_is_allowed_no_device_joins(
    box: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUMEOPS_MODE", "read")
    for act in (
        lambda: device.sign_in(box, "phone", "ana@homelab.test"),
        lambda: device.join(box, "phone", Secret("x")),
        lambda: device.leave(box, "phone"),
    ):
        with pytest.raises(ReadOnly):
            act()


def test_without_the_laptop_there_is_no_device(box: Target) -> None:
    with pytest.raises(Unreachable, match="gilbert does not run"):
        device.join(box, "phone", Secret("x"))
