"""The laws of the hosts layer, by the real Ansible, with this machine as its host (`connection: local`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from blumeops.errors import BadInput, StalePlan, Unreachable
from blumeops.layer import Desired
from blumeops.layers import ansible_lint
from blumeops.layers.ansible import AnsibleLayer
from blumeops.plan import Action, Comparison, Outcome
from blumeops.target import GitRemote, Hosts, Target

HERE = (
    "all:\n  hosts:\n    here:\n"
    f"      ansible_connection: local\n      ansible_python_interpreter: {sys.executable}\n"
)


STRATEGIES = ("linear", "mitogen_linear")
"""Ansible's own way to run tasks, and the one that this homelab asks for."""


def homelab(root: Path, tasks: str, inventory: str = HERE, *, strategy: str = "linear") -> Desired:
    """A desired state of one playbook with these tasks."""
    folder = root / "homelab" / "ansible"
    (folder / "inventory").mkdir(parents=True, exist_ok=True)
    (folder / "inventory" / "hosts.yaml").write_text(inventory)
    (folder / "ansible.cfg").write_text(f"[defaults]\nforce_handlers = True\nstrategy = {strategy}\n")
    play = "- name: Trial\n  hosts: all\n  gather_facts: false\n  tasks:\n"
    (folder / "site.yaml").write_text(play + textwrap.indent(textwrap.dedent(tasks), "    "))
    return Desired(root / "homelab", "1" * 40)


def layer(root: Path, ssh_config: Path | None = None) -> AnsibleLayer:
    target = Target("trial", "a trial", root / "state", GitRemote("unused"), hosts=Hosts(ssh_config))
    return AnsibleLayer(target, root / "homelab" / "ansible")


def silent(_line: str) -> None:
    return None


@pytest.fixture(params=STRATEGIES)
def greeting(tmp_path: Path, request: pytest.FixtureRequest) -> Desired:
    """One file, one file that holds a secret, and one task that check mode cannot check."""
    return homelab(
        tmp_path,
        f"""\
        - name: Greeting written
          ansible.builtin.copy:
            content: "hello\\n"
            dest: {tmp_path}/greeting
        - name: Secret written
          ansible.builtin.copy:
            content: "{tmp_path.name} is the secret\\n"
            dest: {tmp_path}/secret
          no_log: true
        - name: Blind spot
          ansible.builtin.command: /bin/true
          changed_when: false
        """,
        strategy=request.param,
    )


def test_a_plan_says_all_and_changes_nothing_and_apply_does_it(tmp_path: Path, greeting: Desired) -> None:
    hosts = layer(tmp_path)
    plan = hosts.plan(greeting)
    assert [str(change) for change in plan.changes] == ["+ here: Greeting written", "~ here: Secret written"]
    assert "+hello" in plan.changes[0].diff
    assert tmp_path.name not in plan.changes[1].diff, "a task with no_log is masked"
    assert not (tmp_path / "greeting").exists()
    assert (plan.coverage.compared, plan.coverage.total) == (2, 3)
    assert plan.coverage.notes == ("here: Blind spot: check mode cannot check it",)
    result = hosts.apply(plan, greeting, silent)
    assert result.succeeded, str(result)
    assert result.outcomes == (Outcome.DONE, Outcome.DONE)
    assert (tmp_path / "greeting").read_text() == "hello\n"
    assert not hosts.drift(greeting)
    assert not list((tmp_path / "state" / "ansible").iterdir()), "nothing of a run stays on disk"


def test_an_edit_by_hand_is_drift_and_makes_a_plan_stale(tmp_path: Path, greeting: Desired) -> None:
    hosts = layer(tmp_path)
    before = hosts.plan(greeting)
    (tmp_path / "greeting").write_text("by hand\n")
    drift = hosts.drift(greeting)
    assert drift.comparison is Comparison.DRIFT
    assert drift.changes[0].action is Action.UPDATE
    assert "-by hand\n+hello\n" in drift.changes[0].diff
    with pytest.raises(StalePlan, match="hosts changed"):
        hosts.apply(before, greeting, silent)
    with pytest.raises(StalePlan, match="Git is at 222222222222"):
        hosts.apply(drift, Desired(greeting.folder, "2" * 40), silent)
    assert (tmp_path / "greeting").read_text() == "by hand\n"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_task_that_fails_is_named_and_what_follows_is_not_started(tmp_path: Path, strategy: str) -> None:
    desired = homelab(
        tmp_path,
        f"""\
        - {{name: First, ansible.builtin.copy: {{content: a, dest: {tmp_path}/first}}}}
        - name: Second
          ansible.builtin.copy: {{content: b, dest: {tmp_path}/second, validate: /bin/false %s}}
        - {{name: Third, ansible.builtin.copy: {{content: c, dest: {tmp_path}/third}}}}
        """,
        strategy=strategy,
    )
    hosts = layer(tmp_path)
    result = hosts.apply(hosts.plan(desired), desired, silent)
    assert result.outcomes == (Outcome.DONE, Outcome.FAILED, Outcome.NOT_STARTED)
    assert result.error.startswith("here: Second: failed to validate")
    assert "apply again" in result.error
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_host_that_does_not_answer_is_unreachable_and_never_an_empty_plan(
    tmp_path: Path, strategy: str
) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host away\n  HostName 127.0.0.1\n  Port 1\n  BatchMode yes\n  ConnectTimeout 2\n")
    desired = homelab(tmp_path, "- ansible.builtin.ping:\n", HERE + "    away:\n", strategy=strategy)
    hosts = layer(tmp_path, config)
    with pytest.raises(Unreachable, match="refused") as raised:
        hosts.plan(desired)
    assert raised.value.where == "away"
    assert hosts.health().state.value == "unknown"


WRONG = {
    "a key stands twice": ("- name: a\n  hosts: all\n  hosts: here\n", 3, "first in line 2"),
    "a bracket stays open": ("- name: [a\n  hosts: all\n", 2, "expected"),
}


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, rule: str) -> None:
    text, line, word = WRONG[rule]
    desired = homelab(tmp_path, "")
    (desired.folder / "ansible" / "site.yaml").write_text(text)
    with pytest.raises(BadInput, match=word) as raised:
        layer(tmp_path).plan(desired)
    assert raised.value.where.startswith(f"homelab/ansible/site.yaml:{line}:")


def test_all_wrong_files_are_reported_at_once(tmp_path: Path) -> None:
    desired = homelab(tmp_path, "")
    for name in ("one.yaml", "two.yaml"):
        (desired.folder / "ansible" / name).write_text("a: 1\na: 2\n")
    with pytest.raises(BadInput) as raised:
        ansible_lint.files(desired.folder / "ansible")
    assert len(raised.value.problems) == 2


def test_a_role_that_is_not_there_is_bad_input_with_its_place(tmp_path: Path) -> None:
    desired = homelab(tmp_path, "- ansible.builtin.import_role:\n    name: nowhere\n")
    with pytest.raises(BadInput, match="nowhere") as raised:
        layer(tmp_path).lint(desired)
    assert raised.value.where.startswith("homelab/ansible/site.yaml:")


def test_the_project_s_own_desired_state_passes_its_lint() -> None:
    root = Path(__file__).resolve().parents[2]
    target = Target("trial", "a trial", root / "build", GitRemote("unused"), hosts=Hosts())
    AnsibleLayer(target).lint(Desired(root / "homelab", "1" * 40))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_interrupt_leaves_no_process_behind(tmp_path: Path, strategy: str) -> None:
    seconds = str(3000 + os.getpid() % 1000 / 1000)
    wait = f"- {{ansible.builtin.command: sleep {seconds}, check_mode: false}}\n"
    homelab(tmp_path, wait, strategy=strategy)
    program = (
        "from pathlib import Path; from tests.layers.test_ansible import layer, Desired; import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "root = Path(sys.argv[1]); layer(root).plan(Desired(root / 'homelab', '1' * 40))"
    )
    root = Path(__file__).resolve().parents[2]
    planning = subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=root, stderr=subprocess.PIPE)
    _wait_until(lambda: _running(seconds), 60)
    planning.send_signal(signal.SIGINT)
    _, said = planning.communicate(timeout=30)
    assert planning.returncode == -signal.SIGINT
    assert said.decode().rstrip().endswith("KeyboardInterrupt")
    assert not _running(seconds) and not _running(str(tmp_path))
    assert not list((tmp_path / "state" / "ansible").iterdir())


def _running(word: str) -> list[str]:
    """The command lines of this machine's processes that name a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(word in part for part in words) and path.parent.name != str(os.getpid()):
            found.append(" ".join(words))
    return found


def _wait_until(true: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.1)
