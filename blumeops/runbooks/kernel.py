"""The client's side of a kernel: start one, run cells in it, leave it for later, end it.

The kernel is two processes of its own (`blumeops.kernel`): a keeper, which ends what has to be ended, and a
shell with the cells' variables. We speak to the keeper over a socket in a private folder. When we are gone
without a word, it ends the cell and all that the cell started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from blumeops import process
from blumeops.errors import BlumeOpsError, Locked
from blumeops.mode import Mode
from blumeops.records import Output
from blumeops.runbooks.kernel_launch import MARK, SOCKET, connected, difference, launched, prepare, taken
from blumeops.runbooks.kernel_outputs import Notify, Said

__all__ = ["Ending", "Executed", "Kernel", "prepare"]

ADDRESS = "kernel.json"
"""The file in the run's folder that says where the kernel listens."""

PATIENCE_SECONDS = 30.0
"""How much later than a cell's time limit the keeper may answer, before it counts as dead itself."""


class Ending(StrEnum):
    """How a cell ended. `DIED`: the kernel did, and the variables with it."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of one cell.

    `value` is the `repr` of what `evaluate` was asked; `error` is one line; `line` is the page's line
    where it failed (0: unknown); `depends` are the repository's paths that the kernel has read so far.
    """

    ending: Ending
    seconds: float
    outputs: tuple[Output, ...] = ()
    value: str = ""
    depends: tuple[str, ...] = ()
    error: str = ""
    line: int = 0

    @property
    def passed(self) -> bool:
        """True when the cell ran to its end without an error."""
        return self.ending is Ending.PASSED


class Kernel:
    """One living kernel, and our connection to it."""

    def __init__(self, folder: Path, connection: socket.socket, place: Path) -> None:
        self.folder = folder
        self._connection = connection
        self._place = place
        self._received = b""
        self._sending = threading.Lock()
        self._started: subprocess.Popen[bytes] | None = None
        self._depends: tuple[str, ...] = ()
        self._busy = False
        self._woken = self._waker = -1
        self._environment: dict[str, str | None] = {}
        self.alive = True

    @classmethod
    def start(cls, folder: Path, *, root: Path, environment: Mapping[str, str]) -> Self:
        """Start a kernel for the run in `folder`, whose cells run in `root`; returns before it has loaded.

        `environment` is the whole environment of the cells.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = taken(root) or launched(root, environment)
        kernel = cls(folder, found.connection, found.place)
        kernel._started = found.process
        kernel._environment = difference(found.environment, environment)
        pid = found.process.pid
        about = {"socket": str(found.place / SOCKET), "keeper": pid, "started": process.start_time(pid)}
        (folder / ADDRESS).write_text(json.dumps(about), encoding="utf-8")
        return kernel

    @classmethod
    def attach(cls, folder: Path) -> Self | None:
        """The living kernel of an earlier run in `folder`, with its variables; None when it is gone.

        Raises `Locked` when another client has it.
        """
        try:
            about = json.loads((folder / ADDRESS).read_text(encoding="utf-8"))
            address = Path(about["socket"])
            if process.start_time(about["keeper"]) != about["started"]:
                process.end_carrying(f"{MARK}={address.parent}", spared=process.OUTLIVES)
                shutil.rmtree(address.parent, ignore_errors=True)
                return None
            kernel = cls(folder, connected(address), address.parent)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        said = kernel._message(time.monotonic() + PATIENCE_SECONDS)
        if said is not None and said[0] == "r":
            kernel._connection.close()
            raise Locked("another client has this kernel", where=str(folder), hint="wait for that run to end")
        return kernel if said is not None else None

    def execute(
        self,
        source: str,
        *,
        filename: str,
        line: int,
        mode: Mode,
        timeout: float | None,
        notify: Notify = lambda _output: None,
    ) -> Executed:
        """Run one cell, which begins at `line` of `filename`; its outputs go to `notify` as they come.

        SIGINT and SIGTERM in the main thread interrupt the cell, which then ends as `INTERRUPTED`.
        """
        request = {"op": "execute", "source": source, "filename": filename, "line": line}
        return self._ask({**request, "mode": mode.value, "timeout": timeout}, timeout, notify)

    def evaluate(
        self,
        expression: str,
        *,
        timeout: float | None = None,
        notify: Notify = lambda _output: None,
        filename: str = "<expression>",
        line: int = 1,
    ) -> Executed:
        """Evaluate one expression on the cells' variables, in the mode that changes nothing."""
        request = {"op": "evaluate", "source": expression, "filename": filename, "line": line}
        return self._ask({**request, "mode": Mode.READ.value, "timeout": timeout}, timeout, notify)

    def _ask(self, request: dict[str, Any], timeout: float | None, notify: Notify) -> Executed:
        if self._busy:
            raise BlumeOpsError("this kernel runs another cell", where=str(self.folder))
        begun = time.monotonic()
        said = Said(notify)
        self._busy = True
        try:
            with self._heeding_signals():
                answer = self._answer(request, timeout, said)
        except BaseException:  # of `notify`: nobody would take what the cell still says
            self.end()
            raise
        finally:
            self._busy = False
        if answer.get("dead"):
            self.alive = False
        self._depends = tuple(answer.get("depends", self._depends))
        return Executed(
            ending=Ending(answer["ending"]),
            seconds=answer.get("seconds", time.monotonic() - begun),
            outputs=said.outputs(),
            value=answer.get("value", ""),
            depends=self._depends,
            error=answer.get("error", ""),
            line=answer.get("line", 0),
        )

    def _answer(self, request: dict[str, Any], timeout: float | None, said: Said) -> dict[str, Any]:
        gone = {"ending": "died", "error": "the kernel is gone", "dead": True}
        if not self.alive:
            return gone
        self._send({**request, "environment": self._environment})  # a keeper that is dead is seen below
        self._environment = {}
        deadline = None
        while (message := self._message(deadline)) is not None:
            kind, what = message
            if kind == "o":
                said.take(what)
            elif kind == "s" and timeout is not None:
                deadline = time.monotonic() + timeout + PATIENCE_SECONDS
            elif kind == "d":
                return what
        self.end()
        return {**gone, "error": "the kernel was lost: its keeper is dead, or does not answer"}

    def interrupt(self) -> None:
        """Interrupt the cell that runs, from any thread; a second time ends its patience."""
        self._send({"op": "interrupt"})

    @contextlib.contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """Turn signals into interrupts of the cell: as an exception they could fall between two messages."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        mine = [number for number, was in before.items() if callable(was)]
        self._woken, self._waker = os.pipe()
        for number in mine:
            signal.signal(number, lambda *_: os.write(self._waker, b"!"))
        try:
            yield
        finally:
            for number in mine:
                signal.signal(number, before[number])
            os.close(self._woken)
            os.close(self._waker)
            self._woken = -1

    def detach(self, *, keep_seconds: float = 1800) -> None:
        """Leave the kernel with its variables for `attach`; it ends by itself when nobody comes in time."""
        self._send({"op": "detach", "keep_seconds": keep_seconds})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (message := self._message(deadline)) is not None and message[0] != "t":
            pass
        self._connection.close()
        self.alive = False

    def end(self) -> None:
        """End the kernel and every descendant of it, and wait for that; idempotent."""
        self.alive = False
        if self._connection.fileno() >= 0:
            self._send({"op": "end"})
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self._message(deadline) is not None:
                pass
            self._connection.close()
        if self._started is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._started.wait(process.GRACE_SECONDS)
            if self._started.poll() is None:
                process.end_group(self._started.pid, grace=1.0)
        if self._place.exists():  # the keeper takes it away when it has ended everything
            process.end_carrying(f"{MARK}={self._place}", spared=process.OUTLIVES)
            shutil.rmtree(self._place, ignore_errors=True)
        (self.folder / ADDRESS).unlink(missing_ok=True)

    def _send(self, request: dict[str, Any]) -> bool:
        try:
            with self._sending:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            return False
        return True

    def _message(self, deadline: float | None) -> tuple[str, dict[str, Any]] | None:
        """What the keeper says next: kind and content; None when it is gone or the time is over."""
        while b"\n" not in self._received:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            watched: list[socket.socket | int] = [self._connection]
            watched += [self._woken] if self._woken >= 0 else []
            ready, _, _ = select.select(watched, [], [], wait)
            if self._woken in ready:
                os.read(self._woken, 1)
                self.interrupt()
            elif not ready or not (data := self._data()):
                return None
            else:
                self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return chr(line[0]), json.loads(line[1:])

    def _data(self) -> bytes:
        try:
            return self._connection.recv(1 << 16)
        except OSError:
            return b""
