"""A further device of the sandbox: what is refused before anything is touched; runbooks use it for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import BlumeOpsError, EngineError, ReadOnly, Unreachable
from blumeops.homelab import Homelab
from blumeops.sandbox import device, layout
from blumeops.tailnet import keys
from blumeops.tailnet.client import client_of
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


@pytest.mark.sandbox
@pytest.mark.needs("tailnet", "hosts")
def test_a_device_whose_key_was_refused_does_not_try_it_again(base: Homelab) -> None:
    """It would be told of the old key's refusal when it joins with another one."""
    target, name = base.target, "guest"
    assert target.tailnet is not None
    console = client_of(target.tailnet)
    like = keys.AuthKey("", "for a test", tags=("tag:nas",), reusable=True)
    (good, secret), (revoked, old_secret) = (keys.make(console, like, days=1) for _ in range(2))
    keys.revoke(console, revoked.id)
    try:
        device.join(target, name, secret)
        with pytest.raises(EngineError, match="authkey expired"):
            device.join(target, name, old_secret)
        client = ("tailscale", f"--socket=/run/device-{name}/tailscaled.sock", "status", "--json")
        said = json.loads(process.run([*target.vantage["gilbert"], *client], timeout=30).stdout)
        assert said["BackendState"] == "NeedsLogin"
        assert "authkey expired" not in str(said["Health"])
        device.join(target, name, secret)
    finally:
        device.leave(target, name)
        keys.revoke(console, good.id)
        for one in console.devices():
            if one["hostname"] == name:
                console.delete_device(one["id"])
