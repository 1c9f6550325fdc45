"""Starts the sandbox's components in order, knows which ones live, and ends them.

A component that runs has a file `.sandbox/run/NAME.json` with its pid and start time: the pair names a
process for good, so a pid that was used again by a stranger is never signalled.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from blumeops import process
from blumeops.errors import BlumeOpsError, EngineError, Interrupted
from blumeops.layer import Notify
from blumeops.sandbox.component import Component, Exits, Http, Part, Probe, Step, Tcp

if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

POLL_SECONDS = 0.05
LOG_LINES = 12


class Life(StrEnum):
    """Whether a component's process lives."""

    RUNNING = "running"
    STOPPED = "stopped"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The processes of one sandbox folder."""

    folder: Path

    def start(self, parts: Sequence[Part], notify: Notify, *, stop: threading.Event | None = None) -> None:
        """Start every part that does not run yet, as many at once as their order allows.

        Raises the first failure, after ending what this call had started to wait for. Setting `stop` ends
        the waiting with `Interrupted`.
        """
        stop = stop or threading.Event()
        _require_known_names(parts)
        waiting, ready, failures = list(parts), set[str](), list[BaseException]()
        with ThreadPoolExecutor(max_workers=16) as pool:
            running: dict[Future[None], Part] = {}
            try:
                while (waiting or running) and not failures:
                    for part in [p for p in waiting if ready.issuperset(p.after)]:
                        waiting.remove(part)
                        running[pool.submit(self._bring_up, part, notify, stop)] = part
                    if not running:
                        names = ", ".join(part.name for part in waiting)
                        raise ValueError(f"a circle: each of {names} comes after another of them")
                    done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                    for future in done:
                        part = running.pop(future)
                        if error := future.exception():
                            failures.append(error)
                        ready.add(part.name)
            except BaseException:
                stop.set()
                raise
            finally:
                if failures:
                    stop.set()
        if failures:
            raise failures[0]

    def _bring_up(self, part: Part, notify: Notify, stop: threading.Event) -> None:
        begun = time.monotonic()
        match part:
            case Step():
                part.run()
            case Component():
                if self.life(part.name) is Life.RUNNING:
                    self._wait(part, stop)
                    return
                self.end(part.name)  # what a crashed one left behind
                started = self._launch(part)
                self._wait(part, stop, started)
            case _:
                assert_never(part)
        notify(f"{part.name}: ready after {time.monotonic() - begun:.1f} s")

    def _launch(self, component: Component) -> Popen[bytes]:
        for port in component.ports:
            if holder := port_holder(port):
                raise BlumeOpsError(
                    f"port {port} is taken by {holder}",
                    where=component.name,
                    hint="end that process, or `blumeops sandbox reset` to choose other ports",
                )
        for path, text in component.files.items():
            write_private(path, text)
        log = self.log(component.name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        started = process.start(component.argv, env={**os.environ, **component.env}, log=log)
        # A process that has ended already has no start time; 0 is that of none, so it counts as crashed.
        born = process.start_time(started.pid) or 0
        note = {"pid": started.pid, "started": born, "argv": component.argv[0]}
        write_private(self._note(component.name), json.dumps({**note, "signal": component.stop_signal}))
        return started

    def _wait(self, component: Component, stop: threading.Event, started: Popen[bytes] | None = None) -> None:
        deadline = time.monotonic() + component.patience
        while True:
            answered = not isinstance(component.ready, Exits) and answers(component.ready)
            if self.life(component.name) is not Life.RUNNING:
                # Also when something answers: then a stranger sits on the port, and ours is dead.
                if isinstance(component.ready, Exits) and (started is None or started.wait() == 0):
                    return
                raise EngineError(
                    f"crashed while starting; last lines of its log:\n{self.last_lines(component.name)}",
                    where=component.name,
                    hint=f"the whole log is {self.log(component.name)}",
                )
            if answered:
                return
            if stop.is_set():
                raise Interrupted("stopped while starting", where=component.name)
            if time.monotonic() > deadline:
                raise EngineError(
                    f"not ready after {component.patience:g} s ({component.ready}); "
                    f"last lines of its log:\n{self.last_lines(component.name)}",
                    where=component.name,
                    hint=f"the whole log is {self.log(component.name)}",
                )
            time.sleep(POLL_SECONDS)

    def stop(self, parts: Iterable[Part], notify: Notify) -> None:
        """End the parts in reverse order and take away what the steps made; absent ones are fine."""
        for part in reversed(list(parts)):
            match part:
                case Component():
                    if self.end(part.name):
                        notify(f"{part.name}: stopped")
                case Step():
                    if part.undo is not None:
                        part.undo()
                case _:
                    assert_never(part)

    def end(self, name: str) -> bool:
        """End one component's process group, even one whose leader died; True when there was one to end.

        While a group has members the kernel gives its number to no other process, so it is still ours unless
        a stranger's process has that number by now.
        """
        note = self._read(name)
        born = process.start_time(note["pid"]) if note else None
        ours = note is not None and (born == note["started"] or born is None)
        lives = note is not None and ours and (born is not None or bool(process.group(note["pid"])))
        if note is not None and lives:
            process.end_group(note["pid"], first=signal.Signals(note.get("signal", signal.SIGTERM)))
        self._note(name).unlink(missing_ok=True)
        return lives

    def life(self, name: str) -> Life:
        """Whether a component runs, was stopped by us, or died by itself."""
        note = self._read(name)
        if note is None:
            return Life.STOPPED
        return Life.RUNNING if process.start_time(note["pid"]) == note["started"] else Life.CRASHED

    def pid(self, name: str) -> int | None:
        """The pid of a running component."""
        note = self._read(name)
        return note["pid"] if note and self.life(name) is Life.RUNNING else None

    def names(self) -> tuple[str, ...]:
        """The components that were started and not stopped."""
        return tuple(sorted(path.stem for path in (self.folder / "run").glob("*.json")))

    def log(self, name: str) -> Path:
        """A component's log."""
        return self.folder / "logs" / f"{name}.log"

    def last_lines(self, name: str, count: int = LOG_LINES) -> str:
        """The last lines of a component's log, indented."""
        with contextlib.suppress(OSError):
            lines = self.log(name).read_text(errors="replace").splitlines()[-count:]
            return "\n".join(f"  {line[:300]}" for line in lines) or "  (empty)"
        return "  (no log)"

    def _note(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            note: dict[str, Any] = json.loads(self._note(name).read_text())
            return note if isinstance(note["pid"], int) and isinstance(note["started"], int) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _require_known_names(parts: Sequence[Part]) -> None:
    names = {part.name for part in parts}
    for part in parts:
        if unknown := set(part.after) - names:
            raise ValueError(f"{part.name} comes after {sorted(unknown)}, which is not there")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step: a reader never sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def answers(probe: Probe) -> bool:
    """Ask once; any failure is a plain no."""
    match probe:
        case Tcp():
            return _tcp(probe)
        case Http():
            return _http(probe)
        case Exits():
            return True
        case _:
            assert_never(probe)


def _tcp(probe: Tcp) -> bool:
    try:
        with socket.create_connection((probe.host, probe.port), timeout=1.0) as connection:
            return not probe.banner or connection.recv(len(probe.banner)) == probe.banner
    except OSError:
        return False


def _http(probe: Http) -> bool:
    try:
        # The authority's file may be one that the component itself writes, a moment after it has started.
        context = ssl.create_default_context(cafile=str(probe.ca)) if probe.ca else None
        trusting = [urllib.request.HTTPSHandler(context=context)] if context else []
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), *trusting)
        with direct.open(probe.url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def port_holder(port: int) -> str | None:
    """Who listens on a loopback TCP port: `pid (program)`, or None when it is free (proc(5), net/tcp)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return None
        except OSError:
            inode = _listener_inode(port)
    return _socket_owner(inode) if inode else "another process"


def _listener_inode(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    return fields[9]
    return None


def _socket_owner(inode: str) -> str:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for entry in (folder / "fd").iterdir():
                if entry.readlink().name == f"socket:[{inode}]":
                    return f"process {folder.name} ({(folder / 'comm').read_text().strip()})"
    return "another process"
