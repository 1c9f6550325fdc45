"""Runs Ansible through ansible-runner and returns its events; the return code alone is never believed.

Works in any thread and inside a Jupyter kernel: ansible-runner is given a cancel callback, so it installs no
signal handlers, and it runs in a thread of its own while the caller waits. On an interrupt every process of
the run is ended: ansible's workers and the ssh clients leave its process group, so they are found by a mark
in their environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blumeops import process
from blumeops.errors import EngineError
from blumeops.target import Target

Event = dict
"""One event of ansible-runner: `event` names its kind, `event_data` holds host, task, role and result."""

Asides = dict[tuple[str, str], tuple[dict, ...]]
"""What our callback says beside the events, by host and task: see `ansible_plugins/blumeops.py`."""

SITE = "site.yaml"
PLUGINS = Path(__file__).with_name("ansible_plugins")
CANCEL_POLL_SECONDS = 0.3
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
    values = {"ANSIBLE_HOST_KEY_CHECKING": "True", "ANSIBLE_PIPELINING": "True"}
    hosts = target.hosts
    if hosts and hosts.ssh_config:
        values["ANSIBLE_SSH_ARGS"] = f"-F {shlex.quote(str(hosts.ssh_config.absolute()))}"
    if hosts and hosts.vault_password_file:
        values["ANSIBLE_VAULT_PASSWORD_FILE"] = str(hosts.vault_password_file.absolute())
    return values


def program(name: str) -> str:
    """The Ansible program that belongs to our own Python, else the one on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else (shutil.which(name) or name)


def play(
    target: Target, folder: Path, words: Sequence[str] = (), *, on_event: Callable[[Event], None]
) -> Run:
    """Run `site.yaml` of a folder of desired state, with more words for `ansible-playbook`."""
    return _run(target, folder, {"playbook": str(folder / SITE), "cmdline": shlex.join(words)}, on_event)


def ask(target: Target, folder: Path, tasks: Sequence[dict]) -> Run:
    """Run a few tasks of ours, which change nothing, on every host of the inventory."""
    question = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
    return _run(target, folder, {"playbook": question}, lambda _event: None)


def _run(target: Target, folder: Path, what: dict[str, object], on_event: Callable[[Event], None]) -> Run:
    base = target.state / "ansible"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    running = _Running(on_event=on_event)
    mark = uuid.uuid4().hex
    settings = {
        **what,
        "private_data_dir": str(private),
        "inventory": str(folder / "inventory"),
        "envvars": _environment(target, folder, private) | {_MARK: mark},
        "settings": {"pexpect_timeout": CANCEL_POLL_SECONDS},
    }
    thread = threading.Thread(target=running.run, args=(settings,), name="ansible", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(CANCEL_POLL_SECONDS)
        return running.result(_asides(private / "asides.jsonl"))
    except BaseException:
        running.cancelled.set()
        _end_marked(mark)
        thread.join(ENDING_SECONDS)
        raise
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _asides(path: Path) -> Asides:
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {(line["host"], line["task"]): tuple(line["results"]) for line in lines}


def _environment(target: Target, folder: Path, private: Path) -> dict[str, str]:
    return {
        **target.env,
        **environment(target),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "blumeops",
        "BLUMEOPS_ANSIBLE_ASIDES": str(private / "asides.jsonl"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }


@dataclass(slots=True)
class _Running:
    """One run, between the thread that drives ansible-runner and the one that waits for it."""

    on_event: Callable[[Event], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    events: list[Event] = field(default_factory=list)
    returncode: int = -1
    output: str = ""
    failure: BaseException | None = None

    def run(self, settings: dict[str, object]) -> None:
        try:
            import ansible_runner

            done = ansible_runner.run(
                **settings, quiet=True, event_handler=self._take, cancel_callback=self.cancelled.is_set
            )
            self.returncode = done.rc if done.rc is not None else -1
            with contextlib.suppress(OSError):
                self.output = done.stdout.read()
        except BaseException as error:  # carried to the thread that waits, and raised there
            self.failure = error

    def _take(self, event: Event) -> bool:
        self.events.append(event)
        self.on_event(event)
        return False  # do not keep it on disk: it may hold what the report masks

    def result(self, asides: Asides) -> Run:
        if self.failure is not None:
            raise EngineError(f"ansible-runner: {self.failure}", where="ansible") from self.failure
        return Run(tuple(self.events), self.returncode, self.output, asides)


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
