"""Runs Ansible through ansible-runner and returns its events; the return code alone is never believed.

ansible-runner forks a terminal for Ansible, which is not safe in a process with other threads (Pulumi's gRPC
runs in ours, and in a Jupyter kernel), so it gets a process of its own: `ansible_process.py`. On an interrupt
every process of the run is ended: ansible's workers and the ssh clients leave its process group, so they are
found by a mark in their environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blumeops import process
from blumeops.errors import EngineError, EngineMissing
from blumeops.target import Target

Event = dict[str, Any]
"""One event of ansible-runner: `event` names its kind, `event_data` holds host, task, role and result."""

Said = Mapping[str, Any]
"""A part of what Ansible said: an event's data, the result of a task or of an item, a diff, an aside."""

Asides = dict[tuple[str, str], tuple[Said, ...]]
"""What our callback says beside the events, by host and task: see `ansible_plugins/blumeops.py`."""

SITE = "site.yaml"
PLUGINS = Path(__file__).with_name("ansible_plugins")
ENDING_SECONDS = 10.0
_MARK = "BLUMEOPS_ANSIBLE_RUN"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of Ansible said: its events in order, its exit status and the text beside the events."""

    events: tuple[Event, ...]
    returncode: int
    output: str
    asides: Asides

    @property
    def complete(self) -> bool:
        """True when the run came to its recap; a parse error and a killed run have none."""
        return any(event["event"] == "playbook_on_stats" for event in self.events)


def environment(target: Target) -> dict[str, str]:
    """What Ansible needs in its environment to reach this target's hosts; for `blumeops env`, too."""
    values = {
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_STRATEGY_PLUGINS": str(_strategies()),
    }
    hosts = target.hosts
    if hosts and hosts.ssh_config:
        values["ANSIBLE_SSH_ARGS"] = f"-F {shlex.quote(str(hosts.ssh_config.absolute()))}"
    if hosts and hosts.vault_password_file:
        values["ANSIBLE_VAULT_PASSWORD_FILE"] = str(hosts.vault_password_file.absolute())
    return values


def _strategies() -> Path:
    """Where Mitogen's strategies are, for an ansible.cfg that asks for one; it is not used otherwise."""
    package = importlib.util.find_spec("ansible_mitogen")
    if package is None or package.origin is None:
        raise EngineMissing("the Python package mitogen is missing", hint="make setup")
    return Path(package.origin).with_name("plugins") / "strategy"


def program(name: str) -> str:
    """The Ansible program that belongs to our own Python, else the one on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else (shutil.which(name) or name)


def play(
    target: Target, folder: Path, words: Sequence[str] = (), *, on_event: Callable[[Event], None]
) -> Run:
    """Run `site.yaml` of a folder of desired state, with more words for `ansible-playbook`."""
    return _run(target, folder, {"playbook": str(folder / SITE), "cmdline": shlex.join(words)}, on_event)


def ask(target: Target, folder: Path, tasks: Sequence[Mapping[str, object]]) -> Run:
    """Run a few tasks of ours, which change nothing, on every host of the inventory."""
    question = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
    return _run(target, folder, {"playbook": question}, lambda _event: None)


def _run(target: Target, folder: Path, what: dict[str, object], on_event: Callable[[Event], None]) -> Run:
    base = target.state / "ansible"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    mark = uuid.uuid4().hex
    settings = {**what, "private_data_dir": str(private), "inventory": str(folder / "inventory")}
    env = {**target.environment(), **_environment(target, folder, private), _MARK: mark}
    events: list[Event] = []
    ended: dict[str, object] = {}

    def take(line: str) -> None:
        said = json.loads(line)
        if "event" in said:
            events.append(said)
            on_event(said)
        else:
            ended.update(said)

    argv = [sys.executable, "-P", "-m", "blumeops.layers.ansible_process"]
    try:
        done = process.stream(argv, env=env, input=json.dumps(settings), on_line=take)
        if "returncode" not in ended:
            raise EngineError(f"ansible-runner: {done.stderr.strip()[-500:] or 'was ended'}", where="ansible")
        output = str(ended["output"])
        return Run(tuple(events), int(str(ended["returncode"])), output, _asides(private / "asides.jsonl"))
    finally:
        _end_marked(mark)
        shutil.rmtree(private, ignore_errors=True)


def _asides(path: Path) -> Asides:
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {(line["host"], line["task"]): tuple(line["results"]) for line in lines}


def _environment(target: Target, folder: Path, private: Path) -> dict[str, str]:
    return {
        **environment(target),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "blumeops",
        "BLUMEOPS_ANSIBLE_ASIDES": str(private / "asides.jsonl"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{target.environment()['PATH']}",
    }


def _end_marked(mark: str) -> None:
    """Kill every process that has our mark in its environment, until a look finds none."""
    needle = f"{_MARK}={mark}".encode()
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        pids = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _has(pid, needle)]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _has(pid: int, needle: bytes) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return needle in environ.split(b"\0") and process.start_time(pid) is not None
