"""The process that asks the layers takes three words, and its engines can write nothing but scratch.

The hosts layer is this machine, by the real Ansible; its desired state is as hostile as it can be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from blumeops.assistant import landlock
from blumeops.assistant.asking import Asking
from blumeops.assistant.look_live import LookLive
from blumeops.assistant.server import create_server
from tests.assistant.asked import ask, said, split
from tests.assistant.conftest import commit
from tests.assistant.test_confine import fingerprint
from tests.conftest import ROOT
from tests.waiting import until

PATIENCE = 60.0
TARGET = """\
[attic]
identity = "this machine, for a test"

[attic.git]
url = "nowhere"

[attic.hosts]
"""
HERE = f"""\
all:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: {sys.executable}
"""


def attic(root: Path, tasks: str) -> Path:
    """The homelab with this machine as its only host, and a playbook of these tasks."""
    folder = root / "homelab" / "ansible"
    for old in (folder / "inventory").glob("**/*"):
        if old.is_file():
            old.unlink()
    (folder / "inventory" / "hosts.yaml").write_text(HERE)
    (folder / "ansible.cfg").write_text("[defaults]\nforce_handlers = True\n")
    play = "- name: Trial\n  hosts: all\n  gather_facts: false\n  tasks:\n"
    (folder / "site.yaml").write_text(play + textwrap.indent(textwrap.dedent(tasks), "    "))
    (root / "homelab" / "targets.toml").write_text(TARGET)
    commit(root)
    return root


def ordered(root: Path, scratch: Path, *orders: dict[str, object]) -> list[dict]:
    """What the process answers to some orders."""
    scratch.mkdir()
    words = [sys.executable, "-P", "-m", "blumeops.assistant.asking", str(root), "attic", str(scratch)]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdin and process.stdout
    with process:
        process.stdin.write("".join(json.dumps(order) + "\n" for order in orders))
        process.stdin.flush()
        found = [json.loads(process.stdout.readline()) for _ in orders]
    assert process.returncode == 0
    assert not scratch.exists()
    return found


@pytest.mark.parametrize("verb", ["apply", "rollback", "up", "-c", "plan; touch x", "", None, 5])
def test_d8_a_verb_that_does_not_look_is_refused_by_the_one_who_asks(
    shared: Path, tmp_path: Path, verb: object
) -> None:
    [answer] = ordered(shared, tmp_path / "scratch", {"id": 1, "verb": verb, "layers": []})
    assert answer == {"id": 1, "error": {"what": "this is no question about a layer"}}


def test_d8_a_layer_that_is_none_is_refused_by_the_one_who_asks(shared: Path, tmp_path: Path) -> None:
    for number, layers in enumerate((["--yes"], ["hosts", "x"], ["../hosts"])):
        order = {"id": 1, "verb": "plan", "layers": layers}
        [answer] = ordered(shared, tmp_path / f"scratch{number}", order)
        assert "no question" in answer["error"]["what"]


def test_a_plan_of_a_layer_comes_with_its_diff_in_a_fence(homelab: Path, tmp_path: Path) -> None:
    file = tmp_path / "greeting"
    task = f"- name: Greeting written\n  ansible.builtin.copy: {{content: hello, dest: {file}}}\n"
    server = create_server(attic(homelab, task), "attic")
    [answer] = ask(server, ("plan", {"layers": ["hosts"]}))
    assert not answer.is_error, said(answer)
    assert answer.structured_content is not None
    [layer] = answer.structured_content["layers"]
    assert (layer["state"], layer["changes"]) == ("pending", 1)
    [fence], outside = split(said(answer))
    assert fence.source == "live: hosts of attic"
    assert "Greeting written" in fence.text
    assert "Greeting" not in outside
    assert not file.exists()


def test_d8_an_engine_cannot_write_the_repository_even_if_its_desired_state_says_so(homelab: Path) -> None:
    """Tasks that run in check mode, too: Landlock holds every process that an engine starts."""
    spoils = f"""\
        - name: A page spoiled
          ansible.builtin.shell: "echo spoiled > {homelab}/docs/index.md"
          check_mode: false
          ignore_errors: true
        - name: A branch made
          ansible.builtin.shell: "git -C {homelab} branch evil"
          check_mode: false
          ignore_errors: true
        - name: The journal spoiled
          ansible.builtin.shell: "mkdir -p {homelab}/homelab/.blumeops/attic/journal && touch $_/x.jsonl"
          check_mode: false
          ignore_errors: true
        - name: Written somewhere else
          ansible.builtin.shell: "touch {homelab.parent}/elsewhere"
          check_mode: false
          ignore_errors: true
        """
    server = create_server(attic(homelab, spoils), "attic")
    before = {path: about for path, about in fingerprint(homelab).items() if "/.blumeops/" not in path}
    [answer] = ask(server, ("plan", {"layers": ["hosts"]}))
    assert not answer.is_error, said(answer)
    after = {path: about for path, about in fingerprint(homelab).items() if "/.blumeops/" not in path}
    if landlock.abi():
        assert after == before
        assert not (homelab.parent / "elsewhere").exists()
        assert not (homelab / "homelab/.blumeops/attic/journal").exists()


SLEEPS = """\
- name: A long look
  ansible.builtin.command: sleep 7391
  check_mode: false
  changed_when: false
"""


def _sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"7391" in words and words[0].endswith(b"sleep"):
            found.append(path.parent.name)
    return found


def test_to_stop_listening_ends_the_engines(homelab: Path, tmp_path: Path) -> None:
    asking = Asking(attic(homelab, SLEEPS), "attic", tmp_path)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            begun = await anyio.to_thread.run_sync(lambda: until(lambda: bool(_sleepers()), PATIENCE))
            assert begun
            group.cancel_scope.cancel()

    async def listen() -> None:
        async with aclosing(asking.ask("plan", ["hosts"])) as heard:
            async for _ in heard:
                pass

    anyio.run(run)
    assert until(lambda: not _sleepers(), PATIENCE)
    asking.close()


def test_a_question_that_takes_too_long_is_ended_and_says_so(homelab: Path, tmp_path: Path) -> None:
    from mcp.server import MCPServer

    asking = Asking(attic(homelab, SLEEPS), "attic", tmp_path)
    server = MCPServer("test", tools=[*LookLive(asking, seconds=8.0).tools()], log_level="WARNING")
    [answer] = ask(server, ("plan", {"layers": ["hosts"]}))
    assert answer.is_error
    assert "no answer within 8 s" in said(answer)
    assert until(lambda: not _sleepers(), PATIENCE)
    asking.close()


def test_progress_is_told_in_our_own_words(homelab: Path, tmp_path: Path) -> None:
    from mcp import Client

    task = "- name: Nothing\n  ansible.builtin.assert: {that: true}\n"
    heard: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async def run() -> None:
        async with Client(create_server(attic(homelab, task), "attic")) as client:
            await client.call_tool("plan", {"layers": ["hosts"]}, progress_callback=note)

    anyio.run(run)
    assert heard == [(1.0, 1.0, "hosts has answered")]
