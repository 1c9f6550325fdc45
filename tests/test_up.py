"""`blumeops up` and `blumeops sandbox`, as people run them: the real command, the real engines."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from blumeops import probe, records
from blumeops.homelab import LAYERS
from blumeops.probe import Reach
from blumeops.records import RunStatus
from blumeops.sandbox.sandbox import Sandbox, leftovers
from blumeops.sandbox.supervisor import Life
from blumeops.tailnet.client import client_of
from tests.conftest import BLUMEOPS, ROOT, Ran, run_blumeops

GOLDEN = Path(__file__).with_name("dry-run.txt")


def test_dry_run_prints_every_component_and_starts_nothing() -> None:
    """The golden text is the whole sandbox; `blumeops sandbox up --dry-run > tests/dry-run.txt` renews it."""
    before = set((ROOT / ".sandbox" / "run").glob("*.json"))
    ran = run_blumeops("sandbox", "up", "--dry-run")
    if missing := Sandbox.of(ROOT).missing():
        assert os.environ.get("CI") != "true", missing
        pytest.skip(f"the whole sandbox cannot be here: {missing}")
    assert ran.code == 0, str(ran)
    assert ran.out == GOLDEN.read_text()
    assert set((ROOT / ".sandbox" / "run").glob("*.json")) == before


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_up_ends_with_the_site_the_three_layers_and_what_to_try_next(brought_up: Ran) -> None:
    assert brought_up.code == 0, str(brought_up)
    for layer in LAYERS:
        assert any(line.split()[:3] == [layer, "in", "sync"] for line in brought_up.out.splitlines()), str(
            brought_up
        )
    assert f"{len(list((ROOT / 'runbooks').glob('*.md')))} passed" in brought_up.out
    assert "next:" in brought_up.out


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_every_runbook_passed_at_this_commit_and_its_page_shows_it(sandbox: Sandbox) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    for path in sorted((ROOT / "runbooks").glob("*.md")):
        record = records.latest(ROOT, path.stem)
        assert record is not None and record.status is RunStatus.PASSED and record.commit == head
        assert record.engines["argocd"] and record.engines["pulumi"] and record.engines["ansible-core"]
        assert any(output.text for cell in record.cells for output in cell.outputs)
        page = (ROOT / "site" / "how-to" / path.stem / "index.html").read_text()
        assert head[:7] in page and "passed" in page.lower()


@pytest.mark.sandbox
def test_the_committed_records_are_of_the_runbooks_as_they_are_now(sandbox: Sandbox) -> None:
    for path in sorted((ROOT / "runbooks").glob("*.md")):
        record = records.committed(ROOT, path.stem)
        assert record is not None and record.status is RunStatus.PASSED
        assert record.source_sha == records.digest(path.read_text()), f"run {path.stem} again, with --record"


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_the_sandbox_listens_on_loopback_and_its_bridge_only(sandbox: Sandbox) -> None:
    layout = sandbox.layout
    ours = {str(layout.port(name)) for name in ("control", "headscale", "etcd", "apiserver", "redis")}
    ours |= {str(port) for port in range(layout.first_port, layout.first_port + 20)}
    lines = subprocess.run(["ss", "-Hlntu"], capture_output=True, text=True, check=True).stdout.splitlines()
    places = [line.split()[4].rpartition(":") for line in lines]
    heard = {(address.strip("[]").partition("%")[0], port) for address, _, port in places if port in ours}
    assert len(heard) >= 8
    assert {address for address, _ in heard} <= {"127.0.0.1", "::ffff:127.0.0.1", layout.gateway}, sorted(
        heard
    )


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_every_component_answers(sandbox: Sandbox) -> None:
    ran = run_blumeops("sandbox", "status", "--json")
    assert ran.code == 0, str(ran)
    found = json.loads(ran.out)
    assert len(found) == 12 and all(one["ready"] for one in found)


@pytest.mark.sandbox
@pytest.mark.needs("cluster")
def test_a_second_start_does_nothing_and_a_crashed_component_is_named_and_started_again(
    sandbox: Sandbox,
) -> None:
    assert run_blumeops("sandbox", "up").code == 0
    before = {name: sandbox.supervisor.pid(name) for name in sandbox.supervisor.names()}
    victim = before["argocd-repo-server"]
    assert victim is not None
    os.killpg(victim, signal.SIGKILL)
    crashed = probe.until(
        lambda: sandbox.supervisor.life("argocd-repo-server"), lambda life: life is Life.CRASHED
    )
    assert crashed is Life.CRASHED
    status = run_blumeops("sandbox", "status")
    assert status.code == 2 and "argocd-repo-server" in status.out and "crashed" in status.out
    assert '"level"' in status.out, "the last lines of its log are shown"
    again = run_blumeops("sandbox", "up")
    assert again.code == 0 and "argocd-repo-server: had died" in again.err, str(again)
    after = {name: sandbox.supervisor.pid(name) for name in sandbox.supervisor.names()}
    assert {name for name in before if before[name] != after[name]} == {"argocd-repo-server"}


@pytest.mark.sandbox
def test_who_holds_the_sandbox_is_named_and_the_second_up_exits_3(sandbox: Sandbox) -> None:
    with sandbox.held("a test"):
        ran = run_blumeops("up", "--no-serve")
    assert ran.code == 3, str(ran)
    assert "a test" in ran.err and str(os.getpid()) in ran.err


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_the_engines_own_tools_talk_to_the_sandbox(sandbox: Sandbox) -> None:
    script = f"""
        set -eu
        eval "$({BLUMEOPS} env)"
        kubectl get applications -A
        pulumi stack
        ansible-playbook --version
        ansible -m ping all
        ssh indri hostname
        tailscale status
    """
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("miniflux", "Acl", "sifaka | SUCCESS", "\nindri\n", "gilbert"):
        assert words in done.stdout, done.stdout


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_every_node_gets_the_policy_and_stays_connected(sandbox: Sandbox) -> None:
    """headscale only logs that it could not send a node its policy; the node then keeps its old one."""
    log = sandbox.layout.folder / "tailnet" / "state" / "headscale.log"
    assert "cannot write update" not in log.read_text(errors="replace")
    assert console_devices(sandbox) == {"indri": True, "sifaka": True, "gilbert": True}


def console_devices(sandbox: Sandbox) -> dict[str, bool]:
    """Which devices are connected to the control plane."""
    assert sandbox.target.tailnet is not None
    devices = client_of(sandbox.target.tailnet).devices()
    return {device["hostname"]: device["connectedToControl"] for device in devices}


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_magicdns_names_and_caddy_answer_through_the_tailnet(sandbox: Sandbox) -> None:
    for host in ("indri", "indri.homelab.test"):
        look = partial(probe.get, sandbox.target, "gilbert", host, name="docs.homelab.test")
        answer = probe.until(look, lambda said: said.status == 200, seconds=60)
        assert answer.status == 200 and "knowledge base" in answer.body, str(answer)
    assert probe.connect(sandbox.target, "gilbert", "nobody.homelab.test", 80).reach is Reach.NO_NAME
    assert probe.connect(sandbox.target, "sifaka", "indri", 80).reach is Reach.NO_ANSWER


@pytest.mark.sandbox
def test_up_serves_the_site_at_once_and_ctrl_c_ends_it_cleanly(sandbox: Sandbox) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [BLUMEOPS, "up", "--no-runbooks", "--port", str(port)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/"
        page = probe.until(lambda: _page(url), bool, seconds=60)
        assert "BlumeOps" in page
        second = run_blumeops("up", "--no-serve")
        assert second.code == 3 and str(process.pid) in second.err, str(second)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert not _page(url)
    assert (sandbox.layout.folder / "target.toml").exists(), "the sandbox itself stays up"


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@pytest.mark.sandbox
@pytest.mark.needs("hosts", "cluster")
def test_two_checkouts_have_their_own_sandboxes_and_down_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", ROOT, other], check=True)
    box = Sandbox.of(other)
    assert box.layout.bridge != sandbox.layout.bridge and box.layout.subnet != sandbox.layout.subnet
    try:
        up = run_blumeops("sandbox", "up", "tailnet", "hosts", cwd=other)
        assert up.code == 0, str(up)
        assert leftovers(box.layout), "a running sandbox is seen"
        os.killpg(box.supervisor.pid("indri") or 0, signal.SIGKILL)
        time.sleep(0.2)
    finally:
        down = run_blumeops("down", cwd=other)
    assert down.code == 0, str(down)
    assert leftovers(box.layout) == ()
    assert run_blumeops("sandbox", "status").code == 0, "the first one never noticed"


@pytest.mark.sandbox
@pytest.mark.needs("cluster")
def test_a_taken_port_is_named_with_its_holder(tmp_path: Path, sandbox: Sandbox) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", ROOT, other], check=True)
    box = Sandbox.of(other)
    run_blumeops("sandbox", "up", "--dry-run", cwd=other)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        from blumeops.sandbox import layout

        layout.keep(box.layout)
        taken.bind(("127.0.0.1", box.layout.port("redis")))
        taken.listen()
        ran = run_blumeops("sandbox", "up", "cluster", cwd=other)
    try:
        assert ran.code == 2, str(ran)
        assert f"port {box.layout.port('redis')} is taken by process {os.getpid()}" in ran.err
    finally:
        down = run_blumeops("down", cwd=other)
    assert down.code == 0 and leftovers(box.layout) == ()
