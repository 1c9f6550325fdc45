"""The process that asks the layers for a server that may start nothing, and the server's end of the line.

    python -m blumeops.assistant.asking ROOT TARGET SCRATCH

The server starts it before it gives up its rights. It knows one repository and one target, and takes one kind
of order, a JSON line `{"id": 1, "verb": "plan", "layers": ["hosts"]}`; a verb that does not look, or a layer
that is none, is refused here and not only there. `{"id": 1, "cancel": true}` ends a question with all its
engines. When its input ends, so does everything that it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from blumeops import mode, process
from blumeops.assistant.engine import VERBS

LAYERS = ("tailnet", "hosts", "cluster")
ENDING_SECONDS = 20.0
"""So long an engine has to end its plays and programs before it is killed."""
AT_ONCE = 4
"""So many questions are asked at the same time; more would only make each other slow."""

Told = Mapping[str, Any]


@dataclass(slots=True)
class Asking:
    """The server's end: starts the process, sends it orders, and hands over what it says."""

    root: Path
    target: str
    scratch: Path | None = None
    _process: Popen[str] | None = None
    _waiting: dict[int, queue.SimpleQueue[Told]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reading: bool = False
    _last: int = 0

    def start(self) -> None:
        """Start the process, if it is not there; before the server is confined."""
        with self._lock:
            if self._process is None:
                self.scratch = self.scratch or Path(tempfile.mkdtemp(prefix="blumeops-mcp-"))
                words = [sys.executable, "-P", "-m", __spec__.name if __spec__ else __name__]
                argv: list[str | Path] = [*words, self.root, self.target, self.scratch]
                self._process = process.partner(argv, env=os.environ)

    async def ask(self, verb: str, layers: Sequence[str]) -> AsyncGenerator[Told]:
        """What the engine says, line by line; to stop listening ends it."""
        import anyio

        self.start()
        number, answers = self._order({"verb": verb, "layers": list(layers)})
        try:
            while True:
                told = await anyio.to_thread.run_sync(answers.get, abandon_on_cancel=True)
                yield told
                if "progress" not in told:
                    return
        finally:
            self._waiting.pop(number, None)
            answers.put({})  # for the thread that may wait for a word still
            self._send({"id": number, "cancel": True})

    def close(self) -> None:
        """End the process and all that it started."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()  # it removes its scratch, and ends

    def _order(self, order: dict[str, object]) -> tuple[int, queue.SimpleQueue[Told]]:
        with self._lock:
            self._last += 1
            number, answers = self._last, queue.SimpleQueue[Told]()
            self._waiting[number] = answers
            if not self._reading:  # only now: a thread from before would not be confined
                self._reading = True
                threading.Thread(target=self._read, daemon=True, name="asking").start()
        if not self._send({"id": number, **order}):
            answers.put({"error": {"what": "the process that asks the layers has ended"}})
        return number, answers

    def _send(self, order: dict[str, object]) -> bool:
        with self._lock:
            if self._process is None or self._process.stdin is None or self._process.poll() is not None:
                return False
            try:
                self._process.stdin.write(json.dumps(order) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                return False
            return True

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if answers := self._waiting.get(told.pop("id")):
                answers.put(told)
        for answers in tuple(self._waiting.values()):
            answers.put({"error": {"what": "the process that asks the layers has ended"}})


@dataclass(slots=True)
class _Desk:
    """The other end: takes orders and starts an engine for each."""

    root: str
    target: str
    scratch: Path
    running: dict[int, int] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    def take(self, order: Told) -> None:
        """One order; an odd one is refused."""
        number, layers = int(order["id"]), order.get("layers", [])
        if order.get("cancel"):
            return self.cancel(number)
        if order.get("verb") not in VERBS or not set(layers) <= set(LAYERS):
            return self.say(number, {"error": {"what": "this is no question about a layer"}})
        words = [order["verb"], *layers]
        threading.Thread(target=self._ask, args=(number, words), daemon=True).start()
        return None

    def cancel(self, number: int) -> None:
        """End a question's engines, if they still run."""
        with self.lock:
            self.cancelled.add(number)
            group = self.running.pop(number, None)
        if group is not None:
            threading.Thread(target=_end, args=(group,), daemon=True).start()

    def say(self, number: int, told: Told) -> None:
        """Say something about a question."""
        with self.lock:
            sys.stdout.write(json.dumps({"id": number, **told}) + "\n")
            sys.stdout.flush()

    def _ask(self, number: int, words: list[str]) -> None:
        with (
            self.places,
            tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as scratch,
        ):
            if number in self.cancelled:
                return
            argv = [sys.executable, "-P", "-m", "blumeops.assistant.engine", self.root, self.target, scratch]
            last: list[Told] = []

            def line(text: str) -> None:
                with contextlib.suppress(ValueError):
                    last[:] = [json.loads(text)]
                    if "progress" in last[0]:
                        self.say(number, last[0])

            env = {**os.environ, mode.VARIABLE: mode.Mode.READ.value}
            done = process.stream(
                [*argv, *words],
                env=env,
                input="",
                on_line=line,
                on_start=lambda group: self._runs(number, group),
            )
            with self.lock:
                self.running.pop(number, None)
            sys.stderr.write(done.stderr)
            if number in self.cancelled:
                return
            complete = last and "progress" not in last[0]
            self.say(number, last[0] if complete else {"error": {"what": _cut_short(done)}})

    def _runs(self, number: int, group: int) -> None:
        with self.lock:
            gone = number in self.cancelled
            if not gone:
                self.running[number] = group
        if gone:
            _end(group)


def _end(group: int) -> None:
    """End an engine in its own way: it has to end what it started elsewhere, such as a play on a host."""
    process.end_group(group, grace=ENDING_SECONDS)


def _cut_short(done: process.Completed) -> str:
    said = done.stderr.strip().splitlines()[-1:] or ["without a word"]
    return f"the engine ended with {done.returncode}: {said[0][:300]}"


def main(argv: Sequence[str]) -> int:
    """Take orders until there are no more."""
    root, target, scratch = argv
    desk = _Desk(root, target, Path(scratch))
    try:
        for text in sys.stdin:
            desk.take(json.loads(text))
    finally:
        for group in tuple(desk.running.values()):
            _end(group)
        process.end_running()
        shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)  # threads may still wait for what has just been ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
