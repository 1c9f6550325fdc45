"""The folder that a run leaves: its record, the executed notebook, a log, and the events it is made from.

Events are JSON lines that are on disk before the next thing happens, so that a run which was killed can still
be told exactly: whoever looks next (`settle`) writes the record that the dead process could not write.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blumeops import process, records
from blumeops.errors import Locked, Unwritable
from blumeops.journal import now
from blumeops.records import CellRecord, RunRecord, RunStatus
from blumeops.runbooks import notebook

RECORD, NOTEBOOK, LOG, EVENTS = "record.json", "executed.ipynb", "log.txt", "events.jsonl"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder; its name is the run's id."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id: when it began, the runbook, and four digits that order runs of one second."""
        return self.path.name

    @property
    def record(self) -> Path:
        """The record; it is there once the run has ended."""
        return self.path / RECORD

    def event(self, event: str, **values: object) -> None:
        """Write one event down, for good."""
        line = json.dumps({"at": now(), "event": event, **values}, ensure_ascii=False)
        with _written(self.path), (self.path / EVENTS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def say(self, text: str) -> None:
        """Add text to the log, every line with the time."""
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        lines = "".join(f"{stamp} {line}\n" for line in text.rstrip("\n").split("\n"))
        with _written(self.path), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(lines)

    def begin(self, event: str, **values: object) -> None:
        """Note that this process runs it from now on; until it ends there is no record."""
        pid = os.getpid()
        self.event(event, pid=pid, ticks=process.start_time(pid), **values)
        # Not before the event: somebody who looked in between would take this run for a dead one.
        with _written(self.path):
            self.record.unlink(missing_ok=True)

    def lay_out(self, blank: Mapping[str, Any]) -> None:
        """Keep the notebook as it is before anything ran."""
        with _written(self.path):
            (self.path / NOTEBOOK).write_text(notebook.to_text(blank), encoding="utf-8")

    def finish(self, record: RunRecord) -> None:
        """Fill in the notebook and keep the record; the record is last, so where it is everything is."""
        place = self.path / NOTEBOOK
        with _written(self.path):
            with contextlib.suppress(FileNotFoundError, ValueError):
                made = notebook.filled(json.loads(place.read_text(encoding="utf-8")), record)
                part = place.with_suffix(".part")
                part.write_text(notebook.to_text(made), encoding="utf-8")
                part.replace(place)
            records.save(record, self.record)

    def events(self) -> tuple[dict[str, Any], ...]:
        """What was written down so far; a torn last line (a killed writer) is left out."""
        try:
            text = (self.path / EVENTS).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        # Not `splitlines`: it also splits at characters that JSON leaves as they are, such as U+2028.
        return tuple(event for line in text.split("\n") if (event := _event(line)))

    def alive(self) -> bool:
        """True while the process that runs it lives."""
        owners = [event for event in self.events() if "pid" in event]
        return bool(owners) and process.start_time(owners[-1]["pid"]) == owners[-1]["ticks"]

    def known(self) -> RunRecord | None:
        """The record of a run that has ended, else as far as the events tell it."""
        return records.load(self.record) if self.record.exists() else self.told()

    def told(self) -> RunRecord | None:
        """The record as the events tell it, of a run that goes on or was cut off; None without a start."""
        events = self.events()
        # A run that was taken up again begins anew with what it knew then.
        begun = max((n for n, event in enumerate(events) if "record" in event), default=None)
        if begun is None:
            return None
        first = records.from_plain(events[begun]["record"])
        cells = {cell.index: cell for cell in first.cells}
        for event in events[begun:]:
            if event["event"] == "cell":
                made = records.cell(event["cell"])
                cells[made.index] = made
        going = self.alive()
        told = tuple(cell if going else _cut_off(cell) for cell in cells.values())
        status = RunStatus.RUNNING if going else RunStatus.ABORTED
        seconds = (datetime.fromisoformat(events[-1]["at"]) - first.started).total_seconds()
        return replace(first, status=status, cells=told, seconds=max(0.0, seconds))


def _cut_off(cell: CellRecord) -> CellRecord:
    if cell.status is not RunStatus.RUNNING:
        return cell
    return replace(cell, status=RunStatus.ABORTED, error="the run was killed here")


def _event(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(json.JSONDecodeError):
        event = json.loads(line)
        return event if isinstance(event, dict) and "event" in event else None
    return None


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(
            f"the run cannot be written down: {error.strerror}",
            where=str(path),
            hint="make room there; nothing of this run counts as passed",
        ) from error


def create(state: Path, runbook: str, at: datetime) -> RunFolder:
    """A new run folder in a target's state folder."""
    with _written(state / "runs"):
        for turn in range(1000):
            digits = f"{(at.microsecond * 65536 // 1_000_000 + turn) % 65536:04x}"
            path = state / "runs" / f"{at:%Y%m%dT%H%M%S}-{runbook}-{digits}"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
                return RunFolder(path)
    raise Unwritable("there is no free name for a run", where=str(state / "runs"))


def folders(state: Path) -> tuple[RunFolder, ...]:
    """The run folders of one target, the newest first."""
    paths = sorted((state / "runs").glob("????????T??????-*-????"), reverse=True)
    return tuple(RunFolder(path) for path in paths)


def settle(state: Path) -> None:
    """Write the record of every run whose process died, and end what it left behind."""
    for folder in folders(state):
        if folder.record.exists() or folder.alive():
            continue
        told = folder.told()
        if told is None:  # one that begins just now: its first event is not written yet
            continue
        with contextlib.suppress(Locked):
            end_kernel(folder)
        with contextlib.suppress(Unwritable):  # what can be read is still told, see `told`
            folder.finish(told)


def end_kernel(folder: RunFolder) -> None:
    """End the kernel of a run, with everything that it started."""
    from blumeops.runbooks.kernel import Kernel

    kernel = Kernel.attach(folder.path)
    if kernel is not None:
        kernel.end()
