"""The one place that starts processes: an argument vector, a whole environment, never a shell.

A non-zero exit is an answer; the caller knows whether it is an error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blumeops import leash
from blumeops.errors import EngineError, EngineMissing

GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Completed:
    """A process that has ended: its arguments, exit status and output as text."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """True when the process exited with 0."""
        return self.returncode == 0

    def check(self, *, hint: str = "") -> Completed:
        """Return itself, or raise `EngineError` with the last lines of what the process said."""
        if self.ok:
            return self
        said = (self.stderr.strip() or self.stdout.strip()).splitlines()[-12:]
        what = f"exit {self.returncode}: " + "\n  ".join(said or ["(no output)"])
        raise EngineError(what, where=" ".join(self.argv[:3]), hint=hint)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    input: str | None = None,
    leashed: bool = False,
) -> Completed:
    """Run a program to its end and return what it said.

    The program gets its own session, so an interrupt ends it with all its children; `leashed` does so even
    when we are killed with SIGKILL (see `leash.py`). Raises `EngineMissing` when the program is not found and
    `EngineError` on a timeout (seconds).
    """
    words = tuple(str(word) for word in argv)
    if leashed:
        words = (*leash_words(), *words)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise EngineMissing(
            f"{words[0]} is not installed", hint="`blumeops doctor` lists every prerequisite and its fix"
        ) from error
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        end_group(process.pid)
        process.communicate()
        raise EngineError(f"no answer within {timeout:.0f} s", where=" ".join(words[:3])) from error
    except BaseException:
        end_group(process.pid)
        process.wait()
        raise
    return Completed(words, process.returncode, stdout, stderr)


def leash_words(*, nice: int = 0) -> tuple[str, ...]:
    """The words before a program's own that tie it to our life."""
    return (sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(nice))


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a daemon in its own session, its output appended to `log`; it outlives us."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); None if there is none.

    A zombie counts as gone. Together with the pid it names a process for good: pids are used again.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def end_group(pid: int, *, grace: float = GRACE_SECONDS, first: signal.Signals = signal.SIGTERM) -> None:
    """End a process and its session's group: first the polite signal, after `grace` seconds SIGKILL."""
    for number, patience in ((first, grace), (signal.SIGKILL, grace)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if start_time(pid) is None:
                return
            time.sleep(0.05)
