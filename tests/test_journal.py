"""The journal: one lock, and a record that a kill cannot make untrue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from blumeops import journal, process
from blumeops.errors import Locked
from blumeops.journal import Journal, lock
from blumeops.plan import Action, Change, Coverage, Outcome, Plan, Result

CHANGES = (Change(Action.CREATE, "a", "+ a diff\n"), Change(Action.DELETE, "b"))

HOLD = """
import sys, time
from pathlib import Path
from blumeops.errors import Locked
from blumeops.journal import lock
folder, name = Path(sys.argv[1]), sys.argv[2]
while not (folder / "go").exists():
    time.sleep(0.005)
try:
    with lock(folder / "apply.lock", f"apply number {name}"):
        (folder / f"held.{name}").touch()
        while not (folder / "stop").exists():
            time.sleep(0.01)
    print("held")
except Locked as error:
    print(error)
"""

APPLY = """
import sys, time
from pathlib import Path
from blumeops.journal import Journal, lock
from blumeops.plan import Action, Change, Coverage, Outcome, Plan, Result
folder = Path(sys.argv[1])
with lock(folder / "apply.lock", "apply to sandbox"):
    record = Journal(folder / "journal")
    record.begin("apply", "f" * 40)
    for name in ("tailnet", "hosts"):
        plan = Plan(name, "f" * 40, "live", (Change(Action.CREATE, "a"),), Coverage(1, 1))
        record.planned(plan)
        record.begun(plan)
        if name == "hosts":
            (folder / "ready").touch()
            time.sleep(600)
        record.ended(Result(name, "f" * 40, plan.changes, (Outcome.DONE,)))
"""


def plan(layer: str) -> Plan:
    return Plan(layer, "f" * 40, "print", CHANGES, Coverage(2, 2))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def killed_apply(folder: Path) -> int:
    """An apply that is killed in its second layer; its pid."""
    run = subprocess.Popen([sys.executable, "-c", APPLY, str(folder)])
    wait_for(folder / "ready")
    run.kill()
    run.wait()
    return run.pid


def test_of_many_processes_exactly_one_holds_the_lock_T24(tmp_path: Path) -> None:
    """All others are told who it is, and never the name of one that is gone."""
    (tmp_path / "apply.holder").write_text(json.dumps({"pid": 1, "started": 5, "what": "apply number 99",
                                                       "since": "then", "user": "them"}))  # fmt: skip
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(8)
    ]
    time.sleep(1.0)
    (tmp_path / "go").touch()
    refused = [run for run in runs if _ends(run, tmp_path)]
    (tmp_path / "stop").touch()
    said = {run.pid: run.communicate(timeout=20)[0] for run in runs}
    held = [pid for pid, text in said.items() if text == "held\n"]
    assert len(held) == 1 and len(refused) == 7
    assert len(list(tmp_path.glob("held.*"))) == 1
    for pid, text in said.items():
        if pid not in held:
            assert f"(process {held[0]} of " in text and "apply number 99" not in text, text
            assert "hint: wait for it" in text
    assert not (tmp_path / "apply.holder").exists()


def _ends(run: subprocess.Popen[str], folder: Path) -> bool:
    """Whether a run ends while the lock is held; the holder itself waits for the others."""
    deadline = time.monotonic() + 20
    while run.poll() is None and time.monotonic() < deadline:
        holder = folder / "apply.holder"
        if holder.exists() and f'"pid": {run.pid},' in holder.read_text():
            return False
        time.sleep(0.01)
    return run.poll() is not None


def test_a_killed_holder_frees_the_lock_and_its_record_says_how_far_it_came_T23(tmp_path: Path) -> None:
    pid = killed_apply(tmp_path)
    assert json.loads((tmp_path / "apply.holder").read_text())["pid"] == pid
    with lock(tmp_path / "apply.lock", "the next"):
        (run,) = Journal(tmp_path / "journal").runs()
    assert not run.finished
    assert run.unfinished_layers() == ("hosts",)
    assert [e["layer"] for e in run.events if e["event"] == "result"] == ["tailnet"]


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "state" / "apply.lock"
    with (
        lock(path, "rollback of HEAD"),
        pytest.raises(
            Locked, match=rf"`rollback of HEAD` \(process {os.getpid()} of \w+, since 20"
        ) as caught,
        lock(path, "apply"),
    ):
        pass
    assert caught.value.where == str(path) and caught.value.exit_code == 3
    with lock(path, "apply"):
        pass
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_lock_is_freed_by_an_error_and_by_an_interrupt(tmp_path: Path) -> None:
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), lock(tmp_path / "lock", "apply"):
            raise error
    with lock(tmp_path / "lock", "apply"):
        pass


def test_a_child_of_a_killed_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from blumeops import journal, process\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with journal.lock(folder / 'lock', 'up'):\n"
        "    child = process.start(['sleep', '600'], env={}, log=folder / 'log')\n"
        "    (folder / 'draft').write_text(str(child.pid)); (folder / 'draft').rename(folder / 'pid')\n"
        "    time.sleep(600)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    wait_for(tmp_path / "pid")
    child = int((tmp_path / "pid").read_text())
    try:
        run.kill()
        run.wait()
        assert process.start_time(child) is not None
        with lock(tmp_path / "lock", "again"):
            pass
    finally:
        os.killpg(child, signal.SIGKILL)


def test_a_record_holds_what_was_planned_and_done_without_diffs(tmp_path: Path) -> None:
    record = Journal(tmp_path)
    record.begin("apply", "f" * 40)
    record.planned(plan("tailnet"))
    record.begun(plan("tailnet"))
    result = Result("tailnet", "f" * 40, CHANGES, (Outcome.DONE, Outcome.FAILED), "two\u2028lines\x85here")
    record.ended(result)
    record.note("override", why="ünï")
    record.end("exit 2")
    (run,) = record.runs()
    assert [event["event"] for event in run.events] == ["start", "plan", "begin", "result", "override", "end"]
    assert run.verb == "apply" and run.finished and run.unfinished_layers() == ()
    assert run.events[3]["outcomes"] == [["+ a", "done"], ["- b", "failed"]]
    assert run.events[3]["error"] == "two\u2028lines\x85here"
    assert "a diff" not in run.path.read_text()
    assert all(datetime.fromisoformat(event["at"]).tzinfo for event in run.events)


@pytest.mark.parametrize(
    "torn", [b'{"at": "2', b'{"at": "2024", "event": "result", "error": "\xc3', b"\x00\x00\x00", b"7"]
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    record = Journal(tmp_path)
    record.begin("apply", "f" * 40)
    record.begun(plan("hosts"))
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(torn)
    (run,) = record.runs()
    assert not run.finished and run.unfinished_layers() == ("hosts",)


def test_a_record_is_on_disk_before_what_it_announces(tmp_path: Path) -> None:
    record = Journal(tmp_path)
    record.begin("apply", "f" * 40)
    for number, announce in enumerate((record.planned, record.begun), 2):
        announce(plan("hosts"))
        (path,) = tmp_path.glob("*.jsonl")
        assert len(path.read_bytes().splitlines()) == number


def test_a_clock_that_goes_backwards_is_harmless_G10(tmp_path: Path) -> None:
    """Nothing is decided by it: the order of a record is the order of its lines, the lock is the kernel's."""
    record = Journal(tmp_path)
    record.begin("apply", "f" * 40)
    record.begun(plan("hosts"))
    record.ended(Result("hosts", "f" * 40, CHANGES, (Outcome.DONE,) * 2))
    record.end("done")
    (path,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["at"] = f"20{50 - number}-01-01T00:00:00+00:00"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "20990101T000000-aaaaaa-apply.jsonl").write_text(path.read_text())
    assert all(run.finished and run.unfinished_layers() == () for run in record.runs())
    (tmp_path / "apply.holder").write_text(json.dumps({"pid": os.getpid(), "started": 1, "since": "2099"}))
    with lock(tmp_path / "apply.lock", "apply"):
        pass


def test_runs_are_listed_newest_first_even_within_a_second(tmp_path: Path) -> None:
    for number in range(5):
        record = Journal(tmp_path)
        record.begin("apply", str(number))
        record.end("done")
    assert [run.events[0]["revision"] for run in Journal(tmp_path).runs()] == ["4", "3", "2", "1", "0"]


def test_a_target_without_a_run_has_no_records(tmp_path: Path) -> None:
    assert Journal(tmp_path / "nowhere").runs() == ()
    assert journal.Run("x", tmp_path).finished is False
