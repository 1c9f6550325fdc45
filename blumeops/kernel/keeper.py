"""Keeps one shell: hands cells to it, watches their time, and ends every descendant when it is time.

    python keeper.py JOB        JOB is JSON: shell (words), listen (a descriptor), folder, spared (a variable)

It is a session of its own, and the subreaper of all below it: what a cell starts cannot leave it, not even
with setsid. It only needs the standard library, so that the shell begins to load at once. Lines go both ways,
one letter for the kind and JSON after it:

    client → keeper   {"op": "execute" | "evaluate" | "interrupt" | "detach" | "end", …}
    keeper → client   w welcome   r refused   s the cell began   o an output   d the cell ended   t detached
    shell  → keeper   s o d

A client that goes away without `detach` ends everything, in the middle of a cell too.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time

TYPE_CHECKING = False  # that of `typing`, which would have to be loaded for it
if TYPE_CHECKING:
    from typing import Any

GRACE_SECONDS = 5.0
"""How long a cell may take to answer an interrupt before its programs are killed."""

LAST_SECONDS = 2.0
"""How long the shell itself may then take, before it is killed with its variables."""

LOOK_SECONDS = 5.0
"""How often a kernel that was left looks whether its checkout is still there."""

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)


class Cell:
    """The cell that runs now: who was there before it, and how it is being ended."""

    def __init__(self, timeout: float | None, elders: frozenset[tuple[int, str]]) -> None:
        self.timeout = timeout
        self.deadline: float | None = None
        self.elders = elders
        self.began = False
        self.reason = ""
        self.phase = 0


class Keeper:
    """The loop over one client, one shell, and the signals of children."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.spared = job["spared"].encode() + b"="
        self.folder: str = job["folder"]
        self.log: str = job["log"]
        self.listening = socket.socket(fileno=job["listen"])
        self.shell, theirs = socket.socketpair()
        self.pid = _started(job["shell"], theirs)
        theirs.close()
        self.client: socket.socket | None = None
        self.from_client = self.from_shell = b""
        self.to_client = bytearray()
        self.cell: Cell | None = None
        self.keep_until: float | None = None
        self.status: int | None = None
        self.over = False

    def run(self) -> None:
        """Serve until the client is gone, the shell is dead, or nobody came back in time."""
        children, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "over", True))
        while not self.over:
            ready = self._ready(children)
            if children in ready:
                os.read(children, 4096)
                self._reap()
            if self.listening in ready:
                self._accept()
            if self.shell in ready:
                self._hear_shell()
            if self.client is not None and self.client in ready:
                self._hear_client(self.client)
            if self.status is not None:
                self._died(self.status)
            self._watch_time()
            self._send()

    def _ready(self, children: int) -> list[int | socket.socket]:
        reading: list[int | socket.socket] = [children, self.listening, self.shell]
        writing: list[int | socket.socket] = []
        if self.client is not None:
            reading.append(self.client)
            writing = [self.client] if self.to_client else []
        deadline = self.cell.deadline if self.cell else None
        moments = [m for m in (self.keep_until, deadline) if m is not None]
        wait = max(0.0, min(moments) - time.monotonic()) if moments else None
        if wait is not None and self.keep_until is not None:
            wait = min(wait, LOOK_SECONDS)
        readable, writable, _ = select.select(reading, writing, [], wait)
        return readable + [one for one in writable if one not in readable]

    def _accept(self) -> None:
        connection, _ = self.listening.accept()
        if self.client is not None:
            with contextlib.suppress(OSError):
                connection.sendall(b'r"another client has this kernel"\n')
            connection.close()
            return
        connection.setblocking(False)
        self.client, self.from_client, self.to_client = connection, b"", bytearray()
        self.keep_until = None
        self._say("w", {"shell": self.pid, "keeper": os.getpid()})

    def _hear_client(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.over = True
            return
        *lines, self.from_client = (self.from_client + data).split(b"\n")
        for line in lines:
            self._obey(client, json.loads(line), line)

    def _obey(self, client: socket.socket, request: dict[str, Any], line: bytes) -> None:
        operation = request["op"]
        if operation in ("execute", "evaluate"):
            self.cell = Cell(request.get("timeout"), family(self.spared))
            self._reap()
            with contextlib.suppress(OSError):  # a dead shell is seen in this turn of the loop, or the next
                self.shell.sendall(line + b"\n")
        elif operation == "interrupt" and self.cell is not None:
            if self.cell.reason:
                self.cell.deadline = time.monotonic()  # asked a second time: no more patience
            else:
                self._end_cell(self.cell, "interrupted")
        elif operation == "detach":
            self.keep_until = time.monotonic() + request["keep_seconds"]
            self._say("t", None)
            self._send(patient=True)
            client.close()
            self.client = None
        elif operation == "end":
            self.over = True

    def _hear_shell(self) -> None:
        try:
            data = self.shell.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._wait_for_shell()
            return
        *lines, self.from_shell = (self.from_shell + data).split(b"\n")
        for line in lines:
            kind = line[:1]
            if kind == b"o":
                self.to_client += line + b"\n" if self.client is not None else b""
            elif kind == b"s" and self.cell is not None:
                self.cell.began = True
                if self.cell.timeout is not None and not self.cell.reason:
                    self.cell.deadline = time.monotonic() + self.cell.timeout
                self._say("s", None)
            elif kind == b"d" and self.cell is not None:
                self._ended(self.cell, json.loads(line[1:]))

    def _wait_for_shell(self) -> None:
        """The shell closed its end: it is dying, or a cell closed what is not its own."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.status is None:
            self._reap(block=True)

    def _ended(self, cell: Cell, answer: dict[str, Any]) -> None:
        if cell.reason:
            answer["ending"] = cell.reason
            answer["error"] = _why(cell)
            self._kill(elders=cell.elders)
        self.cell = None
        self._say("d", answer)

    def _died(self, status: int) -> None:
        """The shell is dead: say so, with what it had said last, and end all that it left behind."""
        with contextlib.suppress(OSError):
            self.shell.setblocking(False)
            while data := self.shell.recv(1 << 16):
                self.from_shell += data
        for line in self.from_shell.split(b"\n")[:-1]:
            if line[:1] == b"o" and self.client is not None:
                self.to_client += line + b"\n"
        if self.cell is not None:
            why = _way(status)
            error = f"{_why(self.cell)}, and had to be killed" if self.cell.reason else f"the kernel {why}"
            error += "" if self.cell.began else self._complaint()
            self._say("d", {"ending": self.cell.reason or "died", "error": error, "dead": True})
        self.over = True

    def _complaint(self) -> str:
        """Why a shell did not even begin: the last line that it wrote before its outputs were ours."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = file.read().strip().splitlines()
        return f" before it began: {lines[-1].strip()}" if lines else " before it began"

    def _watch_time(self) -> None:
        now = time.monotonic()
        if self.keep_until is not None and (now >= self.keep_until or not _folder_is_there()):
            self.over = True
        cell = self.cell
        if cell is None or cell.deadline is None or now < cell.deadline:
            return
        if not cell.reason:
            self._end_cell(cell, "timeout")
        elif cell.phase == 1:
            cell.phase, cell.deadline = 2, now + LAST_SECONDS
            self._kill(elders=cell.elders)
        else:
            cell.deadline = None
            os.kill(self.pid, signal.SIGKILL)

    def _end_cell(self, cell: Cell, reason: str) -> None:
        cell.reason, cell.phase = reason, 1
        cell.deadline = time.monotonic() + GRACE_SECONDS
        # As Ctrl-C in a terminal, but for the programs of earlier cells: they may be needed again.
        young = descendants(self.spared, cell.elders)
        for pid in {self.pid, *(pid for pid in young if _group(pid) == self.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    def _say(self, kind: str, what: object) -> None:
        if self.client is not None:
            self.to_client += kind.encode() + json.dumps(what).encode() + b"\n"

    def _send(self, *, patient: bool = False) -> None:
        if self.client is None or not self.to_client:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            if patient:
                self.client.settimeout(GRACE_SECONDS)
                self.client.sendall(self.to_client)
                self.to_client.clear()
            else:
                del self.to_client[: self.client.send(self.to_client)]

    def _reap(self, *, block: bool = False) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
                if pid == self.pid:
                    self.status = status
                if pid in (0, self.pid):
                    return

    def _kill(self, *, elders: frozenset[tuple[int, str]] = frozenset()) -> None:
        """Kill all descendants but the elders, and wait."""
        until = time.monotonic() + GRACE_SECONDS
        while (found := descendants(self.spared, elders)) and time.monotonic() < until:
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self._reap()
            time.sleep(0.01)

    def end(self) -> None:
        """End every descendant, tell the client the rest, and take the socket away."""
        self.listening.close()
        self._kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._send(patient=True)


def descendants(spared: bytes, elders: frozenset[tuple[int, str]] = frozenset()) -> set[int]:
    """All living processes below this one, but for the elders, which `family` named earlier.

    What carries the `spared` variable was started to outlive the run (a daemon of the sandbox): it, its
    session and all below it stay.
    """
    living = {int(name): stat for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(name))}
    below: dict[int, list[int]] = {}
    for pid, stat in living.items():
        below.setdefault(int(stat[1]), []).append(pid)
    mine, kept, waiting = set(), set(), [os.getpid()]
    while waiting:
        for child in below.get(waiting.pop(), ()):
            if _carries(child, spared):
                kept.add(child)
            else:
                mine.add(child)
                waiting.append(child)
    return {pid for pid in mine if int(living[pid][3]) not in kept and (pid, living[pid][19]) not in elders}


def family(spared: bytes) -> frozenset[tuple[int, str]]:
    """All living processes below this one, each with its start: a number alone may be given out again."""
    stats = ((pid, _stat(str(pid))) for pid in descendants(spared))
    return frozenset((pid, stat[19]) for pid, stat in stats if stat)


def _stat(pid: str) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, group, session, …; empty if gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] in "ZX" else fields


def _group(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def _carries(pid: int, variable: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(word.startswith(variable) for word in file.read().split(b"\0"))
    except OSError:
        return False


def _folder_is_there() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _why(cell: Cell) -> str:
    if cell.reason == "timeout":
        return f"the cell took longer than {cell.timeout:g} s"
    return "interrupted"


def _way(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended by itself with status {code}"
    return f"was killed by {signal.Signals(-code).name}"


def _started(words: list[str], theirs: socket.socket) -> int:
    theirs.set_inheritable(True)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.execv(words[0], [*words, str(theirs.fileno()), str(os.getppid())])
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # both sides do it, so that it is done for whoever looks first
    return pid


def main(job: dict[str, Any]) -> None:
    """Keep a shell to its end."""
    os.environ.pop(job["spared"], None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keeper = Keeper(job)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import ctypes  # after the shell has begun to load: it takes a while

    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        keeper.run()
    finally:
        keeper.end()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
