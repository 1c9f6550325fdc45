"""The promises of BlumeOps, kept by every layer against its real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from blumeops import probe
from blumeops.errors import DirtyTree, RevertConflict, StalePlan
from blumeops.homelab import LAYERS, Homelab
from blumeops.journal import Journal
from blumeops.plan import Action, Change, Outcome, Plan, Report, Result, State, Status
from blumeops.probe import Reach
from blumeops.sandbox.sandbox import Sandbox
from tests.conftest import BLUMEOPS, run_blumeops
from tests.contract import CASES, PROXIES, Case, console, kubectl, on

pytestmark = pytest.mark.sandbox
each_layer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer)


def the_plan(report: Report, layer: str) -> Plan:
    answer = report[layer]
    assert isinstance(answer, Plan), str(answer)
    return answer


@each_layer
def test_an_edit_is_planned_without_a_change_applied_whole_and_then_nothing_is_left(
    homelab: Homelab, case: Case
) -> None:
    """Promises 1 and 2; and what waits in Git is not drift."""
    case.edit(homelab)
    revision = homelab.repository.commit("test: an edit")
    before = case.look(homelab)
    planned = homelab.plan([case.layer])
    assert any(case.changed in change.address for change in the_plan(planned, case.layer).changes)
    assert not the_plan(homelab.drift([case.layer]), case.layer).changes
    assert case.look(homelab) == before
    result = homelab.apply([case.layer], plans=planned)[case.layer]
    assert isinstance(result, Result) and result.succeeded, str(result)
    assert set(result.outcomes) == {Outcome.DONE} and result.revision == revision
    assert not the_plan(homelab.plan([case.layer]), case.layer).changes
    status = homelab.status([case.layer])[case.layer]
    assert isinstance(status, Status) and status.state is State.IN_SYNC and status.recorded == revision


@each_layer
def test_a_manual_edit_is_drift_makes_a_plan_stale_and_is_undone_by_apply_T8(
    homelab: Homelab, case: Case
) -> None:
    """Promises 3 and 4: the live system moved since the plan."""
    planned = homelab.plan([case.layer])
    case.by_hand(homelab)
    edited = case.look(homelab)
    drift = the_plan(homelab.drift([case.layer]), case.layer)
    assert drift.changes, str(drift)
    with pytest.raises(StalePlan):
        homelab.apply([case.layer], plans=_with_a_change(planned, case.layer))
    assert case.look(homelab) == edited
    assert homelab.status([case.layer])[case.layer].state is State.DRIFTED
    assert homelab.apply([case.layer]).exit_code == 0
    assert not the_plan(homelab.drift([case.layer]), case.layer).changes


def _with_a_change(report: Report, layer: str) -> Report:
    """The same plan, not empty: an empty one would not be carried out at all."""
    plan = the_plan(report, layer)
    changed = replace(plan, changes=(Change(Action.UPDATE, "whatever was planned"),))
    return replace(report, answers=(changed,))


@each_layer
def test_a_plan_is_stale_when_git_moved_G11(homelab: Homelab, case: Case) -> None:
    planned = homelab.plan([case.layer])
    before = case.look(homelab)
    homelab.repository.git("commit", "--quiet", "--allow-empty", "-m", "test: a newer commit")
    with pytest.raises(StalePlan):
        homelab.apply([case.layer], plans=planned)
    assert case.look(homelab) == before


@each_layer
def test_what_left_git_is_planned_for_deletion_and_apply_deletes_it(homelab: Homelab, case: Case) -> None:
    case.leave(homelab)
    homelab.repository.commit("test: something leaves")
    planned = homelab.plan([case.layer])
    gone = [c for c in the_plan(planned, case.layer).changes if c.action is Action.DELETE]
    assert any(case.deleted in change.address for change in gone), str(planned)
    assert homelab.apply([case.layer], plans=planned).exit_code == 0
    assert not the_plan(homelab.plan([case.layer]), case.layer).changes


@each_layer
def test_a_killed_apply_says_how_far_it_came_and_the_next_one_finishes_it_G9(
    homelab: Homelab, case: Case
) -> None:
    case.edit(homelab)
    revision = homelab.repository.commit("test: an edit")
    journal = Journal(homelab.target.state / "journal")
    process = subprocess.Popen(
        [BLUMEOPS, "apply", case.layer, "--yes"],
        cwd=homelab.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = probe.until(
        lambda: (
            journal.runs()[0].unfinished_layers() if journal.runs()[0].events[0]["pid"] == process.pid else ()
        ),
        bool,
        seconds=60,
    )
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert begun == (case.layer,)
    killed = journal.runs()[0]
    assert not killed.finished and killed.unfinished_layers() == (case.layer,)
    said = run_blumeops("journal", cwd=homelab.root)
    assert f"killed while applying {case.layer}" in said.out, str(said)
    done = probe.until(
        lambda: run_blumeops("apply", case.layer, "--yes", cwd=homelab.root), lambda r: r.code == 0
    )
    assert done.code == 0, str(done)
    assert not the_plan(homelab.plan([case.layer]), case.layer).changes
    assert homelab.status([case.layer])[case.layer].recorded == revision


@pytest.mark.needs("hosts")
def test_one_revert_takes_all_layers_back(homelab: Homelab) -> None:
    for case in CASES:
        case.edit(homelab)
    bad = homelab.repository.commit("test: an edit in each layer")
    assert homelab.apply().exit_code == 0
    report = homelab.rollback(bad)
    assert report.exit_code == 0, str(report)
    assert all(isinstance(answer, Result) and answer.changes for answer in report.answers)
    assert homelab.plan().exit_code == 0 and homelab.drift().exit_code == 0


@pytest.mark.needs("hosts")
def test_a_rollback_that_conflicts_is_refused_whole_G3(homelab: Homelab) -> None:
    git = homelab.repository
    git.edit(PROXIES, "The published knowledge base.", "First.")
    first = git.commit("test: first")
    git.edit(PROXIES, "First.", "Second.")
    second = git.commit("test: second")
    assert homelab.apply(["hosts"]).exit_code == 0
    before = [case.look(homelab) for case in CASES]
    with pytest.raises(RevertConflict, match=r"proxies\.yaml"):
        homelab.rollback(first)
    assert git.head() == second and not git.dirty_paths()
    assert [case.look(homelab) for case in CASES] == before


@pytest.mark.needs("hosts")
def test_uncommitted_changes_are_planned_but_never_applied_G1(homelab: Homelab) -> None:
    CASES[1].edit(homelab)
    planned = homelab.plan(["hosts"])
    assert the_plan(planned, "hosts").desired.endswith("+dirty")
    with pytest.raises(DirtyTree, match=r"proxies\.yaml"):
        homelab.apply(["hosts"], plans=planned)


@pytest.mark.needs("hosts")
def test_a_bad_file_in_one_layer_keeps_all_layers_as_they_are_T4(homelab: Homelab) -> None:
    CASES[1].edit(homelab)
    homelab.repository.edit("pulumi/policy.hujson", '"dst":    ["tag:nas:22"],', '"dst":    ["tag:nas:23"],')
    homelab.repository.commit("test: a policy that fails its own tests")
    before = [case.look(homelab) for case in CASES]
    ran = run_blumeops("apply", "--yes", cwd=homelab.root)
    assert ran.code == 2, str(ran)
    assert "policy.hujson:" in ran.err and "tag:nas:22" in ran.err
    assert [case.look(homelab) for case in CASES] == before


@pytest.mark.needs("hosts")
def test_a_policy_decides_who_connects_to_whom_within_seconds(homelab: Homelab) -> None:
    look = lambda port: probe.connect(homelab.target, "gilbert", "sifaka", port)  # noqa: E731
    # The test before this one may have put the policy back a moment ago.
    assert probe.until(lambda: look(22), lambda a: a.reach is Reach.OPEN).reach is Reach.OPEN
    assert look(9100).reach is Reach.NO_ANSWER
    git = homelab.repository
    git.edit("pulumi/policy.hujson", '"dst":    ["tag:nas:22"],', '"dst":    ["tag:nas:9100"],')
    git.edit(
        "pulumi/policy.hujson", '"tag:homelab:443", "tag:nas:22"],', '"tag:homelab:443", "tag:nas:9100"],'
    )
    git.edit("pulumi/policy.hujson", '"tag:nas:443", "tag:nas:9100", "group:family:22"],',
             '"tag:nas:443", "tag:nas:22", "group:family:22"],')  # fmt: skip
    git.commit("test: swap two ports")
    assert homelab.apply(["tailnet"]).exit_code == 0
    begun = time.monotonic()
    assert probe.until(lambda: look(9100), lambda a: a.reach is Reach.OPEN, seconds=15).reach is Reach.OPEN
    assert probe.until(lambda: look(22), lambda a: a.reach is Reach.NO_ANSWER).reach is Reach.NO_ANSWER
    assert time.monotonic() - begun < 15


@pytest.mark.needs("hosts")
def test_no_secret_reaches_a_report_a_journal_or_a_log(homelab: Homelab, sandbox: Sandbox) -> None:
    for case in CASES:
        case.edit(homelab)
    homelab.repository.commit("test: an edit in each layer")
    said = homelab.plan().to_json() + homelab.apply().to_json() + homelab.drift().to_json()
    folder = sandbox.layout.folder
    written = [*(folder / "state" / "journal").glob("*"), *(folder / "state" / "runs").glob("*/*.*")]
    written += [path for path in (folder / "logs").glob("*") if path.is_file()]
    texts = [said, *(path.read_text(errors="replace") for path in written)]
    secrets = [path.read_text().strip() for path in (folder / "secrets").iterdir()]
    assert len(secrets) >= 3 and len(written) > 5
    assert not [secret[:4] for secret in secrets for text in texts if secret in text]


@pytest.mark.needs("cluster")
def test_a_cluster_that_does_not_answer_is_unknown_and_recovers_K1(
    homelab: Homelab, sandbox: Sandbox
) -> None:
    pid = sandbox.supervisor.pid("kube-apiserver")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        ran = run_blumeops("status", "cluster", "--json", cwd=homelab.root)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ran.code == 4, str(ran)
    assert '"unknown"' in ran.out and "in_sync" not in ran.out
    later = probe.until(lambda: homelab.status(["cluster"]), lambda report: report.exit_code == 0, seconds=60)
    assert later.exit_code == 0, str(later)


@pytest.mark.needs("hosts")
def test_a_host_out_of_reach_is_unknown_while_the_others_answer_H1(
    homelab: Homelab, sandbox: Sandbox
) -> None:
    link = f"vb-{sandbox.layout.machine('indri')}"
    subprocess.run(["ip", "link", "set", link, "down"], check=True)
    try:
        ran = run_blumeops("plan", cwd=homelab.root)
    finally:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
    assert ran.code == 4, str(ran)
    assert "indri" in ran.out and "tailnet: nothing to do" in ran.out and "cluster: nothing to do" in ran.out
    again = probe.until(lambda: homelab.plan(["hosts"]), lambda report: report.exit_code == 0, seconds=60)
    assert again.exit_code == 0, str(again)


def test_a_wrong_key_is_an_error_that_names_it_and_never_shows_it_T15(
    homelab: Homelab, sandbox: Sandbox
) -> None:
    target = sandbox.layout.folder / "target.toml"
    right = target.read_text()
    stray = sandbox.layout.folder / "wrong-key"
    stray.write_text("not-the-key")
    target.write_text(right.replace("secrets/api-key", "wrong-key"))
    try:
        ran = run_blumeops("plan", "tailnet", cwd=homelab.root)
    finally:
        target.write_text(right)
        stray.unlink()
    assert ran.code == 2, str(ran)
    assert "key" in ran.err.lower() and "not-the-key" not in ran.out + ran.err


@pytest.mark.needs("hosts")
def test_a_failing_task_names_host_and_task_and_stops_the_later_layers_H4(homelab: Homelab) -> None:
    tasks = "ansible/roles/caddy/tasks/main.yaml"
    text = (homelab.root / "homelab" / tasks).read_text()
    failing = (
        "\n- name: This one fails\n  ansible.builtin.file:\n    path: /proc/nowhere/x\n    state: directory\n"
    )
    (homelab.root / "homelab" / tasks).write_text(text.rstrip("\n") + "\n" + failing)
    CASES[2].edit(homelab)
    homelab.repository.commit("test: a task that fails")
    ran = run_blumeops("apply", "--yes", cwd=homelab.root)
    assert ran.code == 2, str(ran)
    assert "indri" in ran.out + ran.err and "This one fails" in ran.out + ran.err
    assert "2.2.13" not in kubectl(homelab, "-n", "miniflux", "get", "deployment/miniflux", "-o", "yaml")


@pytest.mark.needs("cluster")
def test_an_invalid_manifest_names_its_file_and_changes_nothing_K4(homelab: Homelab) -> None:
    path = "argocd/workloads/grafana/deployment.yaml"
    homelab.repository.edit(path, "  replicas: 1\n", "  replicas: many\n")
    homelab.repository.commit("test: an invalid manifest")
    before = CASES[2].look(homelab)
    ran = run_blumeops("plan", "cluster", cwd=homelab.root)
    assert ran.code == 2, str(ran)
    assert "grafana" in ran.err and "replicas" in ran.err
    assert CASES[2].look(homelab) == before


@pytest.mark.needs("hosts")
@pytest.mark.parametrize("layers", [(), ("hosts",)], ids=["all", "hosts"])
def test_ctrl_c_ends_a_plan_cleanly_H10(homelab: Homelab, layers: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [BLUMEOPS, "plan", *layers],
        cwd=homelab.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    left = subprocess.run(
        ["pgrep", "-af", "ansible-playbook|pulumi preview"], capture_output=True, text=True
    ).stdout
    assert str(homelab.root) not in left, left
    assert homelab.plan(layers).exit_code == 0


@pytest.mark.needs("hosts")
def test_two_applies_at_once_one_goes_on_and_the_other_names_it_T24(homelab: Homelab) -> None:
    for case in CASES:
        case.edit(homelab)
    homelab.repository.commit("test: an edit in each layer")
    argv = [BLUMEOPS, "apply", "--yes"]
    both = [
        subprocess.Popen(argv, cwd=homelab.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=240) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 3], said
    loser = next(text for process, text in zip(both, said, strict=True) if process.returncode == 3)
    assert "held by" in loser[1] or "moved" in loser[1], loser
    assert homelab.plan().exit_code == 0


def test_the_sandbox_is_the_default_and_a_real_target_must_be_named(homelab: Homelab) -> None:
    assert homelab.target.is_sandbox
    unknown = run_blumeops("plan", "--target", "home", cwd=homelab.root)
    assert unknown.code == 2 and "known targets" in unknown.err


@pytest.mark.needs("hosts")
def test_status_says_in_sync_for_every_layer(homelab: Homelab) -> None:
    ran = run_blumeops("status", "--json", cwd=homelab.root)
    assert ran.code == 0, str(ran)
    assert ran.out.count('"in_sync"') == len(LAYERS)


@pytest.mark.needs("hosts")
def test_ansible_is_idempotent_and_clean_in_check_mode_H8(homelab: Homelab) -> None:
    for arguments in ((), ("--check", "--diff")):
        for host in ("indri", "sifaka"):
            ran = run_blumeops("provision", host, *arguments, cwd=homelab.root)
            assert ran.code == 0, str(ran)
            assert "changed=0" in ran.out and "failed=0" in ran.out, str(ran)


@pytest.mark.needs("hosts")
def test_a_backup_can_be_restored(homelab: Homelab) -> None:
    on(homelab, "indri", "systemctl", "start", "borg@backup.service")
    on(homelab, "indri", "systemctl", "start", "borg@restore-drill.service")
    result = on(homelab, "indri", "systemctl", "show", "-p", "Result", "borg@restore-drill.service")
    assert result.strip() == "Result=success"
    assert console(homelab).devices()
