"""One lock per target and one record on disk per run: what was planned, done, undone.

A record is a file of JSON lines, each flushed to disk before the thing it announces is done, so a killed
run can still say exactly how far it came. The lock is the kernel's (flock), so it goes away with its holder;
the holder's name stands beside it for the message only. Times are for people: nothing is decided by a clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blumeops import process
from blumeops.errors import Locked
from blumeops.plan import Plan, Result

Event = dict[str, Any]
"""One line of a record: `at`, `event`, and what belongs to an event of its kind."""

INTRODUCTION_SECONDS = 1.0
"""How long the name of a lock's new holder is waited for, before it is called another process."""


def now() -> str:
    """The present time in UTC as ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file for the length of the context.

    Raises `Locked`, which names the holder's process and what it does, when another one holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # not inherited: no child keeps the lock for us
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Locked(
            f"held by {_holder(path)}",
            where=str(path),
            hint="wait for it, or end it with Ctrl-C in its terminal",
        ) from None
    note = path.with_suffix(".holder")
    try:
        started = process.start_time(os.getpid())
        holder = {"pid": os.getpid(), "started": started, "what": what, "since": now(), "user": user()}
        note.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        os.close(held)


def _holder(path: Path) -> str:
    """The holder in words; waits a moment for one that has the lock and not yet said its name."""
    deadline = time.monotonic() + INTRODUCTION_SECONDS
    while (name := _living_holder(path)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return name or "another process"


def _living_holder(path: Path) -> str | None:
    try:
        note = json.loads(path.with_suffix(".holder").read_text(encoding="utf-8"))
        if process.start_time(note["pid"]) != note["started"]:
            return None  # left behind by one that was killed; the lock is somebody else's by now
        return f"`{note['what']}` (process {note['pid']} of {note['user']}, since {note['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def user() -> str:
    """The name of whoever runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class Run:
    """One run's record: `events` in order, each `{"at", "event", ...}`."""

    name: str
    path: Path
    events: tuple[Event, ...] = ()

    @property
    def verb(self) -> str:
        """What was run, such as `apply`."""
        return self.events[0].get("verb", "?") if self.events else "?"

    @property
    def finished(self) -> bool:
        """False for a run that was killed: its last event is not the end."""
        return bool(self.events) and self.events[-1]["event"] == "end"

    def unfinished_layers(self) -> tuple[str, ...]:
        """The layers whose apply began and never said how it ended."""
        begun = [event["layer"] for event in self.events if event["event"] == "begin"]
        ended = {event["layer"] for event in self.events if event["event"] == "result"}
        return tuple(layer for layer in begun if layer not in ended)


@dataclass(slots=True)
class Journal:
    """The records of one target, under its state folder."""

    folder: Path
    _path: Path | None = field(default=None)

    def begin(self, verb: str, revision: str) -> None:
        """Open a new record; `revision` is the desired one."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self._path = self.folder / f"{stamp}-{secrets.token_hex(3)}-{verb}.jsonl"
        self._write("start", verb=verb, revision=revision, user=user(), pid=os.getpid())

    def planned(self, plan: Plan) -> None:
        """Note a layer's plan, without its diffs: they are in Git and on the live system."""
        changes = [str(change) for change in plan.changes]
        self._write("plan", layer=plan.layer, changes=changes, live=plan.live)

    def begun(self, plan: Plan) -> None:
        """Note that a layer's apply begins now."""
        self._write("begin", layer=plan.layer)

    def ended(self, result: Result) -> None:
        """Note what a layer's apply did, change by change."""
        outcomes = [[str(c), o.value] for c, o in zip(result.changes, result.outcomes, strict=False)]
        self._write("result", layer=result.layer, outcomes=outcomes, error=result.error)

    def note(self, event: str, **values: object) -> None:
        """Note anything else, such as an override that the user asked for."""
        self._write(event, **values)

    def end(self, outcome: str) -> None:
        """Close the record."""
        self._write("end", outcome=outcome)
        self._path = None

    def _write(self, event: str, **values: object) -> None:
        if self._path is None:
            return
        line = json.dumps({"at": now(), "event": event, **values}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as record:
            record.write(line + "\n")
            record.flush()
            os.fsync(record.fileno())

    def runs(self) -> tuple[Run, ...]:
        """All records, newest first; a torn last line (a killed writer) is left out."""
        paths = sorted(self.folder.glob("*.jsonl"), reverse=True) if self.folder.is_dir() else []
        return tuple(Run(path.stem, path, _events(path)) for path in paths)


def _events(path: Path) -> tuple[Event, ...]:
    # Not `splitlines`: it also splits at characters that JSON leaves as they are, such as U+2028.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return tuple(event for line in lines if (event := _event(line)) is not None)


def _event(line: str) -> Event | None:
    with contextlib.suppress(json.JSONDecodeError):
        event = json.loads(line)
        return event if isinstance(event, dict) and "event" in event else None
    return None
