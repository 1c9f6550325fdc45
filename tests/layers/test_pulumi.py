"""The laws of the tailnet layer, with the real Pulumi on a tailnet of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import (
    AccessDenied,
    BadInput,
    BlumeOpsError,
    EngineError,
    EngineMissing,
    Locked,
    StalePlan,
    Unreachable,
)
from blumeops.layer import Desired
from blumeops.layers import pulumi_plugin, pulumi_stack
from blumeops.layers.pulumi import PulumiLayer, environment
from blumeops.plan import Action, Outcome, Plan, Result, State
from blumeops.target import Secret, Target
from tests.tailnet_plane import Plane, program, running

HOMELAB = Path(__file__).parents[2] / "homelab"
POLICY = "tailscale:index/acl:Acl::policy"
NAMESERVERS = "tailscale:index/dnsNameservers:DnsNameservers::nameservers"
SPLIT = "tailscale:index/dnsSplitNameservers:DnsSplitNameservers::split-lan.homelab.test"
JOIN_SECONDS = 60


@dataclass
class Trial:
    """A copy of the homelab, a stack of its own and the words that the tests need."""

    plane: Plane
    target: Target
    folder: Path
    revision: int = 1

    @property
    def layer(self) -> PulumiLayer:
        return PulumiLayer(self.target)

    @property
    def desired(self) -> Desired:
        return Desired(self.folder, f"{self.revision:040x}")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "pulumi" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        self.revision += 1

    def plan(self) -> Plan:
        return self.layer.plan(self.desired)

    def apply(self) -> Result:
        return self.layer.apply(self.plan(), self.desired, lambda _line: None)

    def by_hand(self) -> str:
        text, _etag = self.plane.client.policy()
        edited = text.replace('"tagOwners": {', '"tagOwners": {"tag:byhand": ["group:admins"],', 1)
        self.plane.client.set_policy(edited)
        return edited


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    program("pulumi")
    with running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture
def trial(shared: Plane, tmp_path: Path) -> Trial:
    """A homelab of which nothing was applied yet, on a new tailnet."""
    shared.reset()
    shutil.copytree(HOMELAB / "pulumi", tmp_path / "homelab" / "pulumi")
    return Trial(shared, shared.target(tmp_path / "state"), tmp_path / "homelab")


@pytest.fixture(scope="module")
def once(shared: Plane, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A homelab that was applied, in a folder that nobody changes."""
    folder = tmp_path_factory.mktemp("once")
    shared.reset()
    shutil.copytree(HOMELAB / "pulumi", folder / "homelab" / "pulumi")
    trial = Trial(shared, shared.target(folder / "state"), folder / "homelab")
    result = trial.apply()
    assert result.succeeded, result
    return trial


@pytest.fixture
def applied(once: Trial, tmp_path: Path) -> Trial:
    """The tailnet and the stack as they were when the homelab had been applied, for one test to change."""
    shutil.copytree(once.folder, tmp_path / "homelab")
    shutil.copytree(once.target.state, tmp_path / "state")
    tailnet = once.target.tailnet
    assert tailnet is not None
    copy = replace(tailnet, backend=f"file://{tmp_path}/state/backend")
    once.plane.reset()
    once.plane.client.set_policy((once.folder / "pulumi" / "policy.hujson").read_text())
    dns = tomllib.loads((once.folder / "pulumi" / "tailnet.toml").read_text())["dns"]
    wanted = {
        "nameservers": [{"address": address} for address in dns["nameservers"]],
        "splitDNS": {name: [{"address": one} for one in value] for name, value in dns["split"].items()},
        "searchPaths": dns["search_paths"],
        "preferences": {"magicDNS": dns["magic_dns"]},
    }
    assert once.plane.api("POST", "/tailnet/-/dns/configuration", json=wanted).status_code == 200
    return Trial(
        once.plane, replace(once.target, state=tmp_path / "state", tailnet=copy), tmp_path / "homelab"
    )


def _named(plan: Plan) -> dict[str, Action]:
    return {change.address: change.action for change in plan.changes}


def test_a_policy_that_fails_its_own_tests_is_never_sent(trial: Trial) -> None:
    before = trial.plane.client.policy()
    trial.edit("policy.hujson", '"deny":   ["tag:homelab:9100"', '"deny":   ["tag:homelab:22"')
    with pytest.raises(BadInput, match="test failed"):
        trial.plan()
    assert trial.plane.client.policy() == before
    assert not (trial.target.state / "backend" / ".pulumi").exists()


def test_all_that_is_wrong_is_said_at_once_with_its_place(trial: Trial) -> None:
    trial.edit("policy.hujson", '"acls"', '"aclz"')
    trial.edit("tailnet.toml", "[dns]", "[dns")
    trial.edit("__main__.py", "import pulumi\n", "import pulumi as\n")
    with pytest.raises(BadInput) as refused:
        trial.layer.lint(trial.desired)
    places = {problem.path for problem in refused.value.problems}
    names = ("policy.hujson", "tailnet.toml", "__main__.py")
    assert places == {f"homelab/pulumi/{name}" for name in names}


def test_a_tailnet_that_does_not_answer_is_unreachable(trial: Trial) -> None:
    tailnet = trial.target.tailnet
    assert tailnet is not None
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        layer = PulumiLayer(replace(trial.target, tailnet=replace(tailnet, base_url=url)))
        assert layer.health().state is State.UNKNOWN
        for question in (
            layer.recorded,
            lambda: layer.plan(trial.desired),
            lambda: layer.drift(trial.desired),
        ):
            with pytest.raises(Unreachable):
                question()


def test_a_refused_key_is_named_and_not_shown(trial: Trial) -> None:
    tailnet = trial.target.tailnet
    assert tailnet is not None
    wrong = replace(trial.target, tailnet=replace(tailnet, api_key=Secret("tskey-wrong")))
    with pytest.raises(AccessDenied, match="TAILSCALE_API_KEY") as refused:
        PulumiLayer(wrong).plan(trial.desired)
    assert "tskey-wrong" not in str(refused.value)


def test_a_real_target_needs_the_official_plugin(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(trial.target.state / "nothing-installed"))
    if pulumi_plugin.official(trial.target.environment()):
        pytest.skip("the official plugin is on PATH")
    with pytest.raises(EngineMissing, match="plugin for Tailscale"):
        environment(replace(trial.target, name="production"))
    assert str(trial.target.state) in environment(trial.target)["PATH"]


def test_the_official_plugin_is_used_where_it_is(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    home = trial.target.state / "pulumi-home"
    plugin = home / "plugins" / "resource-tailscale-v0.29.2" / pulumi_plugin.PLUGIN
    plugin.parent.mkdir(parents=True)
    plugin.touch(mode=0o755)
    monkeypatch.setenv("PULUMI_HOME", str(home))
    assert pulumi_plugin.variables(trial.target) == {}


@pytest.mark.sandbox
def test_planning_changes_nothing_and_says_who_loses_access(trial: Trial) -> None:
    before = (trial.plane.client.policy(), trial.plane.client.dns())
    plan = trial.plan()
    assert (trial.plane.client.policy(), trial.plane.client.dns()) == before
    assert set(_named(plan).values()) == {Action.CREATE}
    policy = next(change for change in plan.changes if change.address == POLICY)
    assert "- tag:nas loses tag:homelab:*" in policy.diff
    assert plan.coverage.total - plan.coverage.compared == 2
    assert "indri has not joined" in plan.coverage.notes[0]
    assert trial.layer.recorded() is None


@pytest.mark.sandbox
def test_after_apply_plan_and_drift_are_empty_and_the_revision_is_recorded(applied: Trial) -> None:
    assert not applied.plan()
    assert not applied.layer.drift(applied.desired)
    assert applied.layer.recorded() == applied.desired.revision
    assert applied.plane.client.policy()[0] == (applied.folder / "pulumi" / "policy.hujson").read_text()
    assert applied.plane.client.dns().magic_dns
    applied.revision += 1
    assert applied.apply().changes == ()
    assert applied.layer.recorded() == applied.desired.revision


@pytest.mark.sandbox
def test_edits_by_hand_are_drift_and_make_a_plan_stale(applied: Trial) -> None:
    stale = applied.plan()
    edited = applied.by_hand()
    applied.plane.api("POST", "/tailnet/-/dns/nameservers", json={"dns": []})
    applied.plane.api("PATCH", "/tailnet/-/dns/split-dns", json={"lan.homelab.test": []})
    drift = applied.layer.drift(applied.desired)
    assert _named(drift)[POLICY] is Action.UPDATE
    assert _named(drift)[NAMESERVERS] is Action.UPDATE
    assert _named(drift)[SPLIT] is Action.CREATE
    assert "tag:byhand" in next(change.diff for change in drift.changes if change.address == POLICY)
    with pytest.raises(StalePlan, match="changed since"):
        applied.layer.apply(stale, applied.desired, lambda _line: None)
    assert applied.plane.client.policy()[0] == edited
    assert applied.apply().succeeded
    assert not applied.layer.drift(applied.desired)


@pytest.mark.sandbox
def test_a_plan_of_another_revision_is_stale(applied: Trial) -> None:
    plan = applied.plan()
    applied.edit("tailnet.toml", "apps.homelab.test", "services.homelab.test")
    with pytest.raises(StalePlan, match="Git is at"):
        applied.layer.apply(plan, applied.desired, lambda _line: None)


@pytest.mark.sandbox
def test_what_left_git_is_planned_for_deletion_and_deleted(applied: Trial) -> None:
    applied.edit("tailnet.toml", '"lan.homelab.test" = ["192.168.1.1"]\n', "")
    assert _named(applied.plan()) == {SPLIT: Action.DELETE}
    assert applied.apply().outcomes == (Outcome.DONE,)
    assert applied.plane.client.dns().split == {}


@pytest.mark.sandbox
def test_a_partial_failure_says_what_was_done_and_running_again_finishes_it(trial: Trial) -> None:
    trial.edit("tailnet.toml", '"9.9.9.9"', '"dns.quad9.net"')
    result = trial.apply()
    outcomes = {
        change.address: outcome for change, outcome in zip(result.changes, result.outcomes, strict=True)
    }
    assert outcomes[NAMESERVERS] is Outcome.FAILED
    assert outcomes["tailscale:index/dnsPreferences:DnsPreferences::magic-dns"] is Outcome.NOT_STARTED
    assert "invalid nameserver 'dns.quad9.net'" in result.error
    assert "class '" not in result.error
    trial.edit("tailnet.toml", '"dns.quad9.net"', '"9.9.9.9"')
    assert trial.apply().succeeded
    assert not trial.plan()


@pytest.mark.sandbox
def test_a_killed_apply_is_finished_by_the_next_one(trial: Trial) -> None:
    """A kill between two changes leaves a lock behind, and a policy that no state knows."""
    plan = trial.plan()
    # The states that a kill leaves: the policy is set, and Pulumi's lock names a process that is gone.
    trial.plane.client.set_policy((trial.folder / "pulumi" / "policy.hujson").read_text())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _lock(trial, ended.pid)
    with pytest.raises(StalePlan):
        trial.layer.apply(plan, trial.desired, lambda _line: None)
    assert trial.apply().succeeded
    assert not trial.plan()


def _lock(trial: Trial, pid: int) -> Path:
    stack = (
        trial.target.state
        / "backend"
        / ".pulumi"
        / "locks"
        / "organization"
        / pulumi_stack.PROJECT
        / "sandbox"
    )
    stack.mkdir(parents=True, exist_ok=True)
    path = stack / "00000000-0000-4000-8000-000000000000.json"
    holder = {
        "pid": pid,
        "username": "x",
        "hostname": socket.gethostname(),
        "timestamp": "2026-01-01T00:00:00Z",
    }
    path.write_text(json.dumps(holder))
    return path


@pytest.mark.sandbox
def test_a_lock_of_a_living_process_is_respected(applied: Trial) -> None:
    plan = applied.plan()
    path = _lock(applied, os.getpid())
    with pytest.raises(Locked):
        applied.layer.apply(plan, applied.desired, lambda _line: None)
    assert path.exists()


@pytest.mark.sandbox
def test_a_wrong_passphrase_is_said_and_not_shown(applied: Trial) -> None:
    tailnet = applied.target.tailnet
    assert tailnet is not None
    wrong = replace(applied.target, tailnet=replace(tailnet, passphrase=Secret("a-wrong-passphrase")))
    with pytest.raises(BlumeOpsError, match="PULUMI_CONFIG_PASSPHRASE") as refused:
        PulumiLayer(wrong).plan(applied.desired)
    assert "a-wrong-passphrase" not in str(refused.value)


@pytest.mark.sandbox
def test_a_secret_reaches_neither_a_diff_nor_the_stored_state(applied: Trial) -> None:
    added = 'key = tailscale.TailnetKey("join", reusable=True)\npulumi.export("key", key.key)\n'
    applied.edit("__main__.py", "pulumi.export(", added + "pulumi.export(")
    result = applied.apply()
    assert result.succeeded, result
    again = applied.layer.drift(applied.desired)
    env = {**os.environ, **environment(applied.target)}
    words = [program("pulumi"), "stack", "output", "key", "--show-secrets"]
    secret = process.run(words, env=env, timeout=60).check().stdout.strip()
    assert len(secret) > 20
    assert secret not in repr(result) + repr(again)
    stored = [path for path in applied.target.state.rglob("*") if path.is_file()]
    assert not [path for path in stored if secret in path.read_text(errors="replace")]


@pytest.mark.sandbox
def test_a_program_that_fails_is_an_error_with_its_own_words(applied: Trial) -> None:
    applied.edit("__main__.py", "pulumi.export(", 'raise RuntimeError("out of blue paint")\npulumi.export(')
    with pytest.raises(EngineError, match="out of blue paint"):
        applied.plan()


@pytest.mark.sandbox
def test_it_works_where_an_event_loop_runs_and_in_another_thread(applied: Trial) -> None:
    """As in a notebook's kernel, and as in the homelab's own threads."""

    async def cell() -> tuple[Plan, Plan]:
        here = applied.plan()
        return here, await asyncio.to_thread(applied.plan)

    assert [plan.changes for plan in asyncio.run(cell())] == [(), ()]


@pytest.mark.sandbox
def test_a_device_gets_its_tags_when_it_has_joined(applied: Trial, tmp_path: Path) -> None:
    with _joined(applied.plane, tmp_path, "sifaka") as device:
        plan = applied.plan()
        address = "tailscale:index/deviceTags:DeviceTags::sifaka"
        assert _named(plan) == {address: Action.CREATE}
        assert applied.layer.apply(plan, applied.desired, lambda _line: None).succeeded
        tagged = applied.plane.api("GET", f"/device/{device}").json()
        assert (tagged["tags"], tagged["user"]) == (["tag:nas"], "tagged-devices")
        assert not applied.plan()
        applied.plane.client.set_tags(device, ["tag:homelab"])
        assert _named(applied.layer.drift(applied.desired)) == {address: Action.UPDATE}
        assert applied.apply().succeeded
        refused = applied.plane.api("POST", f"/device/{device}/tags", json={"tags": ["tag:unowned"]})
        assert refused.json()["message"] == "requested tags [tag:unowned] are invalid or not permitted"
        assert applied.plane.api("DELETE", f"/device/{device}").status_code == 200
        assert not applied.plan()


class _joined:
    """A real tailscaled without a network device, in the tailnet under this name; gives the device's id."""

    def __init__(self, plane: Plane, folder: Path, name: str) -> None:
        self.plane, self.folder, self.name = plane, folder, name

    def __enter__(self) -> str:
        binary = program("tailscaled")
        socket_path = self.folder / "ts.sock"
        words = [binary, "--tun=userspace-networking", f"--statedir={self.folder}", f"--socket={socket_path}"]
        env = {**os.environ, "TS_NO_LOGS_NO_SUPPORT": "true"}
        self.daemon = process.start([*words, "--port=0"], env=env, log=self.folder / "tailscaled.log")
        cli = self.folder / "tailscale"
        cli.symlink_to(binary)
        key = self.plane.client.create_key(description="a test's device").reveal()
        up = ["up", f"--login-server={self.plane.headscale}", f"--auth-key={key}", f"--hostname={self.name}"]
        process.run([cli, f"--socket={socket_path}", *up], timeout=JOIN_SECONDS).check()
        return next(device["id"] for device in self.plane.client.devices() if device["hostname"] == self.name)

    def __exit__(self, *_error: object) -> None:
        process.end_group(self.daemon.pid, first=signal.SIGTERM)
        self.daemon.wait()
