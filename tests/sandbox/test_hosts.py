"""The laws of the sandbox's hosts: what they are as data, and, on the running ones, how they come and go."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from blumeops import probe, process, remote
from blumeops.errors import BlumeOpsError, EngineError, Unreachable
from blumeops.sandbox import cgroup, hosts, hosts_files, hosts_network, images
from blumeops.sandbox.component import Component, Step
from blumeops.sandbox.layout import NODES, Layout
from blumeops.sandbox.sandbox import Sandbox
from blumeops.sandbox.supervisor import Supervisor
from blumeops.tailnet.client import client_of
from tests import waiting


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A sandbox that nobody started, in a corner of 10.112.0.0/12 that no checkout is given by chance."""
    return Layout(tmp_path, os.urandom(3).hex(), "10.127.255.0/24", 29_000)


def test_every_node_waits_for_the_bridge_and_its_files(layout: Layout) -> None:
    parts = {part.name: part for part in hosts.components(layout)}
    assert set(parts) == {"bridge", "host-files", *NODES}
    for node in NODES:
        assert parts[node].after == ("bridge", "host-files")


def test_what_a_step_makes_it_can_take_away(layout: Layout) -> None:
    steps = [part for part in hosts.components(layout) if isinstance(part, Step)]
    assert all(step.undo is not None for step in steps)


def test_a_link_s_name_is_never_cut_by_the_kernel(layout: Layout) -> None:
    assert max(len(f"vb-{layout.machine(node)}") for node in NODES) <= 15
    assert len(layout.bridge) <= 15


def test_ssh_knows_every_host_before_the_first_connection(layout: Layout) -> None:
    hosts_files.write(layout)
    config = hosts_files.ssh_config(layout)
    for node in NODES:
        said = process.run(["ssh", "-G", "-F", config, node], timeout=10).check().stdout
        words = dict(line.split(" ", 1) for line in said.splitlines())
        assert words["hostname"] == layout.address(node)
        assert words["stricthostkeychecking"] == "true"
        known = process.run(["ssh-keygen", "-F", layout.address(node), "-f", words["userknownhostsfile"]])
        public = (hosts_files.node_folder(layout, node) / "ssh_host_ed25519_key.pub").read_text()
        assert public.split()[1] in known.stdout
    hosts_files.end_masters(layout)


def test_a_private_key_is_for_its_owner_alone(layout: Layout) -> None:
    hosts_files.write(layout)
    keys = [*layout.folder.rglob("ssh_host_ed25519_key"), *layout.folder.rglob("id_ed25519")]
    assert len(keys) == len(NODES) + 1
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    hosts_files.end_masters(layout)


def test_keys_outlive_a_restart(layout: Layout) -> None:
    hosts_files.write(layout)
    before = (layout.folder / "ssh" / "known_hosts").read_text()
    hosts_files.write(layout)
    assert (layout.folder / "ssh" / "known_hosts").read_text() == before
    hosts_files.end_masters(layout)


def test_the_mirrors_are_this_machine_s_own() -> None:
    lines = images.sources().splitlines()
    assert lines
    assert all(re.fullmatch(rf"deb \S+ {images.codename()}\S* \S+", line) for line in lines)


def test_a_node_that_does_not_run_is_unreachable(layout: Layout) -> None:
    with pytest.raises(Unreachable, match="does not run"):
        hosts.execute(layout, "indri", ["true"])


def only(node: str, layout: Layout) -> list[Component | Step]:
    """The parts of a sandbox of one node."""
    return [part for part in hosts.components(layout) if part.name in ("bridge", "host-files", node)]


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_nothing_is_left_even_when_nspawn_was_killed(sandbox: Sandbox, layout: Layout) -> None:
    supervisor, parts = Supervisor(layout.folder), only("indri", layout)
    try:
        supervisor.start(parts, print)
        init = hosts.leader(layout, "indri")
        assert init is not None
        assert hosts.execute(layout, "indri", ["hostname"]).stdout == "indri\n"
        ssh = ["ssh", "-F", hosts_files.ssh_config(layout), "indri", "systemctl is-system-running --wait"]
        assert process.run(ssh, timeout=60).stdout.strip() == "running"
        os.kill(supervisor.pid("indri") or 0, signal.SIGKILL)
    finally:
        supervisor.stop(parts, print)
    assert process.start_time(init) is None, "the host outlived its nspawn"
    assert not cgroup.groups(layout.machine("indri"))
    assert not Path("/sys/class/net", layout.bridge).exists()
    assert layout.bridge not in process.run(["nft", "list", "ruleset"], timeout=10).stdout
    assert str(layout.folder) not in Path("/proc/mounts").read_text()
    assert not hosts_files.masters(layout).exists()


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_every_node_has_control_groups_of_its_own(sandbox: Sandbox) -> None:
    """Two inits in one group take each other's units for empty and remove their groups."""
    layout = sandbox.layout
    groups = [Path(f"/proc/{hosts.leader(layout, node)}/cgroup").read_text() for node in NODES]
    for node, lines in zip(NODES, groups, strict=True):
        assert f"/{layout.machine(node)}/" in lines, lines


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_host_with_another_key_is_refused(sandbox: Sandbox, layout: Layout) -> None:
    supervisor, parts = Supervisor(layout.folder), only("sifaka", layout)
    try:
        supervisor.start(parts, print)
        config, known = hosts_files.ssh_config(layout), layout.folder / "ssh" / "known_hosts"
        stranger = (hosts_files.node_folder(layout, "gilbert") / "ssh_host_ed25519_key.pub").read_text()
        known.write_text(f"{layout.address('sifaka')} {' '.join(stranger.split()[:2])}\n")
        done = process.run(["ssh", "-F", config, "sifaka", "true"], timeout=30)
        assert not done.ok
        assert "Host key verification failed" in done.stderr
    finally:
        supervisor.stop(parts, print)


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_laying_the_network_twice_is_laying_it_once(sandbox: Sandbox, layout: Layout) -> None:
    try:
        hosts_network.lay(layout)
        hosts_network.lay(layout)
        rules = process.run(["nft", "list", "table", "ip", layout.bridge], timeout=10).check().stdout
        assert rules.count("masquerade") == 1
    finally:
        hosts_network.take_up(layout)
        hosts_network.take_up(layout)
    with pytest.raises(EngineError):
        process.run(["nft", "list", "table", "ip", layout.bridge], timeout=10).check()


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_backup_goes_through_the_tailnet_and_can_be_read_back(sandbox: Sandbox) -> None:
    box = sandbox.layout
    for unit in ("borg@backup", "borg@restore-drill"):
        done = hosts.execute(box, "indri", ["systemctl", "start", unit], timeout=120)
        journal = hosts.execute(box, "indri", ["journalctl", "--unit", unit, "--no-pager", "--lines=20"])
        assert done.ok, journal.stdout
    stamp = hosts.execute(box, "indri", ["cat", "/var/lib/borg/restore-drill.json"]).check().stdout
    assert time.strftime("%Y-%m-%d", time.gmtime()) in stamp


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "tailnet")
def test_every_node_is_connected_to_the_relay_that_takes_its_first_packets(sandbox: Sandbox) -> None:
    """Before two nodes know each other's way, WireGuard's hello goes over the relay; lost, it costs 5 s."""
    for node in ("indri", "sifaka", "gilbert"):
        connected = waiting.until(lambda node=node: "connected; connGen" in _agent(sandbox, node), seconds=30)
        assert connected, _agent(sandbox, node)
        assert "TLS handshake" not in _agent(sandbox, node)


def _agent(sandbox: Sandbox, node: str) -> str:
    words = ["journalctl", "--unit", "tailscaled", "--boot", "--no-pager", "--output=cat", "--grep=derp"]
    return hosts.execute(sandbox.layout, node, words).stdout


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "tailnet")
def test_a_rebuilt_node_is_empty_and_one_new_device_under_its_old_name(sandbox: Sandbox) -> None:
    target, node = sandbox.target, "gilbert"
    client = client_of(target.tailnet)

    def devices() -> list[str]:
        return [device["id"] for device in client.devices() if device["hostname"] == node]

    before = devices()
    remote.change(target, node, "touch /root/kept", what="a file")
    with sandbox.held("up, which serves the site as long as somebody works here"):
        sandbox.rebuild(node, print)
    assert not remote.ask(target, node, "ls /root").strip()
    after = devices()
    assert len(before) == len(after) == 1 and before != after
    seen = probe.until(
        lambda: probe.connect(target, node, "indri", 80),
        lambda answer: answer.reach is probe.Reach.OPEN,
        seconds=60,
    )
    assert seen.reach is probe.Reach.OPEN, seen
    with pytest.raises(BlumeOpsError, match="there is no node 'indry'"):
        sandbox.rebuild("indry", print)
