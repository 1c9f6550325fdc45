"""Runbooks for an assistant: rehearsed on the sandbox, from the person's own commit, and nowhere else.

A rehearsal passes the gates by the sandbox's own rule and writes down that nobody was asked; what a person
has to attest on a real target is attested by nobody here. It goes forward, back and through the clean-up, so
it leaves what it found.

Only a page as it stands in HEAD runs, and only when HEAD is on a branch of a person. The page of a proposal
is code that nobody has read; running it, even on the sandbox, would run it on this machine. For the same
reason nothing runs while `homelab/` or `runbooks/` hold what is not committed.

Each run has a process of its own, with an environment that names no key of a real target.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blumeops import process, records
from blumeops.assistant import propose_branch as branch
from blumeops.assistant.propose_checks import command, environment
from blumeops.errors import BlumeOpsError, GitError, Unreachable, Untrusted
from blumeops.homelab import main_checkout
from blumeops.journal import user
from blumeops.records import CellRecord, Output, RunMode, RunRecord
from blumeops.repository import Repository
from blumeops.runbooks import format, parameters, running, running_trust
from blumeops.runbooks.model import Cell, Role, Runbook
from blumeops.target import SANDBOX

VERB = "rehearse-for-assistant"
WATCH_SECONDS = 0.2
STOP_SECONDS = 180.0
"""A run that is cancelled takes back what it began and cleans up; after this it is killed."""

Say = Callable[[Mapping[str, object]], None]
"""Receives one event of a run, as plain data."""


# -- in the process of the run ------------------------------------------------------------------------


def rehearse(root: Path, name: str, given: Mapping[str, Any], *, dry_run: bool, say: Say) -> RunRecord:
    """Rehearse a runbook on the sandbox, or look through it in a dry run; events go to `say`.

    Raises `Untrusted` unless the page is the person's own, and when anything but the sandbox is named.
    """
    book = committed(root, name)
    values = _values(root, book, given)
    mode = RunMode.DRY_RUN if dry_run else RunMode.REHEARSAL
    # `rollback`: a cancelled run takes back what it began, where nobody can be asked.
    options = running.Options(mode=mode, keep=False, rollback=True)
    return running.execute(root, book, parameters=values, options=options, watch=_Events(say))


def outlive_the_server() -> None:
    """End as by Ctrl-C when whoever asked for the run is gone, whatever killed them: then it is taken back.

    In a session of its own, because those who end a server end its group without a word.
    """
    os.setsid()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def committed(root: Path, name: str) -> Runbook:
    """The runbook as HEAD has it. Raises `Untrusted` when the files differ, or only a proposal has it."""
    place = Repository(root)
    branch.require_reviewed(place, place.head(), "HEAD")
    path = format.path_of(root, name)
    how = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
    where = ("homelab", "runbooks", f":(exclude){records.COMMITTED.as_posix()}")  # records never run
    said = branch.run(place, "status", *how, "--", *where)
    dirty = [entry[3:] for entry in said.split("\0") if len(entry) > 3]
    if dirty or running_trust.uncommitted(root, path):
        what = f"{(dirty or [f'runbooks/{path.name}'])[0]} is not as it was committed"
        raise Untrusted(what, where=str(path), hint="a person commits it, or puts it aside, first")
    try:
        source = branch.run(place, "show", f"HEAD:runbooks/{path.name}")
    except GitError as error:
        raise Untrusted("this page is not committed", where=str(path)) from error
    return format.reads(source, path)


def _values(root: Path, book: Runbook, given: Mapping[str, Any]) -> dict[str, object]:
    """The parameters, with the sandbox as the target whatever the page's default is."""
    real = real_targets(root)
    for name, value in given.items():
        spoken = value if isinstance(value, list) else [value]
        named = next((one for one in spoken if isinstance(one, str) and one in real), "")
        if named or (name == "target" and value != SANDBOX):
            what = f"runs only on the sandbox, not on {ascii(named or value)[:60]}"
            raise Untrusted(what, where=book.name, hint="leave `target` out; a person runs it elsewhere")
    for cell in (one for one in book.cells if one.role is not Role.PARAMETERS):
        if named := next((one for one in real if re.search(rf"['\"]{re.escape(one)}['\"]", cell.source)), ""):
            raise Untrusted(f"its cell {cell.name} names the real target {named}", where=book.name)
    words = [f"{name}={_word(value)}" for name, value in given.items()]
    values = parameters.parse(book, words)
    return {**values, **({"target": SANDBOX} if "target" in book.parameters else {})}


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def real_targets(root: Path) -> tuple[str, ...]:
    """The names in `homelab/targets.toml`. Raises `BlumeOpsError` when it cannot be read."""
    path = main_checkout(root) / "homelab" / "targets.toml"
    try:
        return tuple(tomllib.loads(path.read_text(encoding="utf-8"))) if path.exists() else ()
    except ValueError as error:
        raise BlumeOpsError("cannot be read", where=str(path)) from error


@dataclass(frozen=True, slots=True)
class _Events:
    """A watch that tells a run as events."""

    say: Say

    def line(self, text: str) -> None:
        """Something has happened."""

    def begin(self, cell: Cell, count: int) -> None:
        """A cell begins."""
        self.say({"event": "begin", "cell": cell.name, "number": cell.index + 1, "of": count})

    def output(self, output: Output) -> None:
        """The cell that runs says something; the record has it."""

    def ended(self, cell: CellRecord) -> None:
        """A cell has ended, or was left out."""
        about = {"cell": cell.name, "status": cell.status.value, "seconds": round(cell.seconds, 1)}
        self.say({"event": "ended", "number": cell.index + 1, **about})


# -- in the server ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """A run in a process of its own: `all` goes through it in a thread, `stop` ends it from another one."""

    root: Path
    name: str
    given: Mapping[str, Any]
    dry_run: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    record: RunRecord | None = None
    error: BlumeOpsError | None = None
    _events: list[dict[str, Any]] = field(default_factory=list)
    _pid: int = 0
    _stopped: bool = False

    def all(self) -> None:
        """Go through the run; `record` or `error` says how it ended."""
        words = [VERB, self.name, "--root", str(self.root), *(["--dry-run"] if self.dry_run else [])]
        env = environment(LOGNAME=f"{user()} (assistant)")
        try:
            ended = process.stream(
                command("proposals", *words), env=env, input=json.dumps(self.given), on_line=self._line
            )
            if self.record is None and self.error is None:
                said = ended.stderr.strip().splitlines()[-3:]
                self.error = BlumeOpsError(
                    f"the run ended without a record (exit {ended.returncode})", hint="; ".join(said)
                )
        except Exception as error:
            self.error = error if isinstance(error, BlumeOpsError) else BlumeOpsError(repr(error))
        finally:
            self.done.set()

    def _line(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        match event.get("event"):
            case "start":
                self._pid = event["pid"]
                if self._stopped:
                    self.stop()
            case "record":
                self.record = records.from_plain(event["record"])
            case "error":
                kind = Unreachable if event["exit_code"] == Unreachable.exit_code else BlumeOpsError
                self.error = kind(event["what"], where=event["where"], hint=event["hint"])
            case _:
                self._events.append(event)

    def stop(self) -> None:
        """Ask the run to end, as Ctrl-C does: it takes back what it began and writes its record."""
        self._stopped = True
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGINT)

    def kill(self) -> None:
        """End the run at once, with all that it started."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                process.end_group(os.getpgid(self._pid), grace=0.5)

    def news(self) -> Iterator[dict[str, Any]]:
        """The events that were not given yet."""
        while self._events:
            yield self._events.pop(0)
