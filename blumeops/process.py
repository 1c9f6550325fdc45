"""The one place that starts processes: an argument vector, a whole environment, never a shell.

A non-zero exit is an answer; the caller knows whether it is an error.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blumeops import leash
from blumeops.errors import EngineError, EngineMissing

GRACE_SECONDS = 5.0
OUTLIVES = "BLUMEOPS_OUTLIVES"
"""The environment variable by which a kernel's keeper knows the daemons that it must not end."""

_DOCTOR = "`blumeops doctor` lists every prerequisite and its fix"


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
        # The leash would start and then fail to find the program: look before.
        _require(words[0], env, cwd)
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
    except OSError as error:
        raise _not_started(words[0], cwd, error) from error
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        _abandon(process)
        raise EngineError(f"no answer within {timeout:g} s", where=" ".join(words[:3])) from error
    except BaseException:
        _abandon(process)
        raise
    return Completed(words, process.returncode, stdout, stderr)


def stream(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    input: str,
    on_line: Callable[[str], None],
    on_start: Callable[[int], None] = lambda _pid: None,
) -> Completed:
    """Run a program on a leash and hand over every line of its output as it comes; stdout is then empty.

    `end_running` ends it from another thread; that is how an interrupt reaches it. `on_start` is told its
    group's number, for `end_group`.
    """
    words = (*leash_words(), *(str(word) for word in argv))
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=dict(env),
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        _running.add(process.pid)
        try:
            on_start(process.pid)
            with contextlib.suppress(BrokenPipeError), process.stdin as given:
                given.write(input)
            for line in process.stdout:
                on_line(line)
            process.wait()
        except BaseException:
            _abandon(process)
            raise
        finally:
            _running.discard(process.pid)
        said.seek(0)
        return Completed(words, process.returncode, "", said.read())


_running: set[int] = set()
"""The programs that a thread of ours waits for."""


def end_running() -> None:
    """End every program that any thread of ours streams from; an interrupt only reaches the main thread."""
    for pid in tuple(_running):
        end_group(pid)


def _abandon(process: subprocess.Popen[str]) -> None:
    """End a process with its group, without waiting for a pipe that a daemon of it may still hold."""
    end_group(process.pid)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def _require(program: str, env: Mapping[str, str] | None, cwd: Path | None) -> None:
    path = None if env is None else env.get("PATH", os.defpath)
    place = str((cwd or Path()) / program) if "/" in program else program
    if shutil.which(place, path=path) is None:
        raise EngineMissing(f"{program} is not installed", hint=_DOCTOR)


def _not_started(program: str, cwd: Path | None, error: OSError) -> EngineError:
    if cwd is not None and not cwd.is_dir():
        return EngineError("there is no such folder to run in", where=str(cwd))
    if isinstance(error, FileNotFoundError):
        return EngineMissing(f"{program} is not installed", hint=_DOCTOR)
    return EngineError(f"cannot be run: {error.strerror}", where=program)


def leash_words(*, nice: int = 0) -> tuple[str, ...]:
    """The words before a program's own that tie it to our life."""
    return (sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(nice))


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a daemon in its own session, its output appended to `log`; it outlives us.

    It also outlives a runbook's kernel, which ends everything else that its cells started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**env, OUTLIVES: "1"},
            cwd=cwd,
            start_new_session=True,
            pass_fds=pass_fds,
        )


def partner(argv: Sequence[str | Path], *, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program that we talk with line by line; it ends when its input does, in its own session.

    Its standard error is ours.
    """
    try:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(env),
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(str(argv[0]), None, error) from error


def attach(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run a program in our terminal, with our input and output, and return its exit status.

    Ctrl-C reaches both of us; the program is waited for, so that it can end in its own way.
    """
    try:
        process = subprocess.Popen([str(word) for word in argv], env=dict(env), cwd=cwd)
    except OSError as error:
        raise _not_started(str(argv[0]), cwd, error) from error
    try:
        return process.wait()
    except BaseException:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        raise


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); None if there is none.

    A zombie counts as gone. Together with the pid it names a process for good: pids are used again.
    """
    fields = _stat(pid)
    return None if not fields or fields[0] == "Z" else int(fields[19])


def group(pid: int) -> tuple[int, ...]:
    """The living processes of a process group, which may outlive the leader that gave it its number."""
    others = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return tuple(
        other for other in others if (stat := _stat(other)) and stat[0] != "Z" and int(stat[2]) == pid
    )


def end_carrying(word: str, *, spared: str) -> None:
    """Kill every process that was started with this `NAME=value`, but those with the variable `spared`.

    For what is left when the one who should have ended them was killed itself.
    """
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (folder / "environ").read_bytes().split(b"\0")
                if word.encode() in words and not any(w.startswith(f"{spared}=".encode()) for w in words):
                    os.kill(int(folder.name), signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name: state, parent, group, …; empty if gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def end_group(pid: int, *, grace: float = GRACE_SECONDS, first: signal.Signals = signal.SIGTERM) -> None:
    """End a process group, leader or not: first the polite signal, after `grace` seconds SIGKILL."""
    for number, patience in ((first, grace), (signal.SIGKILL, grace)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            # Looking for the rest of the group reads all of /proc: only once the leader is gone.
            if start_time(pid) is None and not group(pid):
                return
            time.sleep(0.05)
