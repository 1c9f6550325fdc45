"""Every way in which a run can end: the record says what was, nothing is left running, the lock is free."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops import journal, process, records, runbooks
from blumeops.errors import BadInput, BlumeOpsError, Locked
from blumeops.records import RunMode, RunStatus
from tests.runbooks.places import (
    BLUMEOPS,
    Place,
    cell,
    environment,
    gone,
    page,
    pid_in,
    place,
    press_ctrl_c,
    roles,
    said,
    statuses,
)

ON_PURPOSE = (Path(__file__).parent / "fails-on-purpose.md").read_text()

CHILD = """import os, subprocess
os.path.exists('child.pid') or None
child = subprocess.Popen(['sleep', '600'], start_new_session=True)
open('child.pid', 'w').write(str(child.pid))
open('kernel.pid', 'w').write(str(os.getpid()))
"""
CLEAN = cell("open('cleaned.ran', 'w')", "cleanup", name="clean")
AFTER = cell("open('after.ran', 'w')", "step", "confirm", name="after")
HANGS = page(
    cell("x = 5", "step", name="first"),
    cell(CHILD + "child.wait()", "step", name="hang", timeout="2s"),
    AFTER,
    CLEAN,
)
DIES = page(
    cell("x = 5", "step", name="first"),
    cell(CHILD + "print('last words', flush=True)\nos.kill(os.getpid(), 9)", "step", name="die"),
    AFTER,
    CLEAN,
)
WAITS = page(
    cell("x = 5", "step", name="first"),
    cell(CHILD + "print('waiting', flush=True)\nchild.wait()", "step", "confirm", name="wait"),
    AFTER,
    cell("open('back.ran', 'w')", "rollback", name="back"),
    CLEAN,
)


def ended(here: Place) -> None:
    """Nothing of a run lives, and the target is free."""
    for name in ("child.pid", "kernel.pid"):
        gone(pid_in(here.root / name))
    with journal.lock(here.root / records.STATE / "runbook.lock", "again"):
        pass


def told(here: Place) -> dict[str, str]:
    """What the executed notebook says of each cell."""
    cells = [one["metadata"]["blumeops"] for one in here.notebook()["cells"] if one["cell_type"] == "code"]
    return {about["name"]: about["status"] for about in cells if "name" in about}


def test_r2_a_step_that_hangs_ends_at_its_time_limit_with_its_children(tmp_path: Path) -> None:
    here = place(tmp_path, hangs=HANGS)
    ran = here.run("run", "hangs", "--yes", CI="true")
    assert ran.returncode == 124, ran.stderr
    record = here.record()
    became = statuses(record)
    assert record.status is RunStatus.TIMEOUT and became["hang"] is RunStatus.TIMEOUT
    assert became["first"] is became["clean"] is RunStatus.PASSED and became["after"] is RunStatus.NOT_RUN
    assert told(here)["hang"] == "timeout" and told(here)["after"] == "not run"
    assert (tmp_path / "cleaned.ran").exists() and not (tmp_path / "after.ran").exists()
    ended(here)


def test_r2_a_run_has_a_time_limit_of_its_own(tmp_path: Path) -> None:
    here = place(tmp_path, hangs=HANGS.replace(":timeout: 2s", ":timeout: 1h"))
    record = here.execute("hangs", timeout=3.0, keep=False)
    assert record.status is RunStatus.TIMEOUT and statuses(record)["clean"] is RunStatus.PASSED
    ended(here)


def test_r1_a_kernel_that_is_killed_is_a_failed_step_and_never_a_passed_one(tmp_path: Path) -> None:
    here = place(tmp_path, dies=DIES)
    ran = here.run("run", "dies", "--yes")
    assert ran.returncode == 1, ran.stderr
    record = here.record()
    became = statuses(record)
    assert record.status is RunStatus.FAILED and became["die"] is RunStatus.FAILED
    assert became["after"] is RunStatus.NOT_RUN and became["clean"] is RunStatus.PASSED
    died = next(one for one in record.cells if one.name == "die")
    assert "kernel" in died.error and "last words" in said(record)
    assert told(here)["die"] == "failed" and told(here)["after"] == "not run"
    ended(here)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_step_cleans_up_and_takes_nothing_back(
    tmp_path: Path, number: signal.Signals
) -> None:
    here = place(tmp_path, waits=WAITS)
    ours = here.start("run", "waits", "--yes", CI="true")
    pid_in(tmp_path / "kernel.pid")
    press_ctrl_c(ours, number)
    _, stderr = ours.communicate(timeout=60)
    assert ours.returncode == 130, stderr
    assert "blumeops/cli" not in stderr, "no traceback of ours"
    record = here.record()
    became = statuses(record)
    assert record.status is RunStatus.INTERRUPTED and became["wait"] is RunStatus.INTERRUPTED
    assert became["clean"] is RunStatus.PASSED and became["back"] is became["after"] is RunStatus.NOT_RUN
    assert told(here)["wait"] == "interrupted" and told(here)["after"] == "not run"
    ended(here)


def test_a_second_interrupt_ends_at_once_and_the_record_is_still_true(tmp_path: Path) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    source = WAITS.replace(CHILD, stubborn + CHILD)
    here = place(tmp_path, waits=source)
    ours = here.start("run", "waits", "--yes", CI="true")
    pid_in(tmp_path / "kernel.pid")
    press_ctrl_c(ours)
    done = here.folders()[0] / "record.json"
    while not done.exists() and ours.poll() is None:
        press_ctrl_c(ours)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ours.wait(0.5)
    ours.communicate(timeout=60)
    assert ours.returncode == 130
    record = here.record()
    assert record.status is RunStatus.INTERRUPTED
    assert statuses(record)["wait"] is RunStatus.INTERRUPTED
    assert statuses(record)["after"] is RunStatus.NOT_RUN
    ended(here)


def test_a_killed_run_is_told_truly_by_who_looks_next(tmp_path: Path) -> None:
    here = place(tmp_path, waits=WAITS)
    ours = here.start("run", "waits", "--yes")
    pid_in(tmp_path / "kernel.pid")
    going = json.loads(here.run("status", "--json").stdout)
    assert going["status"] == "running" and not (here.folders()[0] / "record.json").exists()
    ours.send_signal(signal.SIGKILL)
    ours.communicate()
    ended(here)
    looked = here.run("status", "--json")
    seen = json.loads(looked.stdout)
    assert seen["status"] == "aborted"
    record = here.record()
    assert record.status is RunStatus.ABORTED and statuses(record)["wait"] is RunStatus.ABORTED
    assert statuses(record)["first"] is RunStatus.PASSED
    assert statuses(record)["after"] is RunStatus.NOT_RUN
    assert told(here)["wait"] == "aborted" and told(here)["first"] == "passed"


def test_two_runs_on_one_target_do_not_interleave(tmp_path: Path) -> None:
    here = place(tmp_path, waits=WAITS)
    ours = here.start("run", "waits", "--yes", CI="true")
    pid_in(tmp_path / "kernel.pid")
    second = here.run("run", "waits", "--yes")
    assert second.returncode == 4 and "runbook run waits" in second.stderr
    with pytest.raises(Locked):
        here.execute("waits")
    press_ctrl_c(ours)
    ours.communicate(timeout=60)
    assert len(here.folders()) == 1


# -- resume ---------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Place]:
    """A run that failed at its second change; its kernel is ended after the test."""
    from blumeops.runbooks import running_folder

    here = place(tmp_path, on_purpose=ON_PURPOSE)
    record = here.execute("on-purpose", "word=two", yes=True)
    assert record.status is RunStatus.FAILED
    yield here
    for folder in running_folder.folders(tmp_path / records.STATE):
        running_folder.end_kernel(folder)


def test_a_run_goes_on_at_the_failed_step_with_its_variables(stopped: Place) -> None:
    # A fresh kernel would find the first file, and the precondition would not hold.
    (stopped.root / "repaired.ran").touch()
    ran = stopped.run("resume", "on-purpose", "--yes")
    assert ran.returncode == 0, ran.stderr
    record = stopped.record()
    assert record.status is RunStatus.PASSED and record.resumed == 1
    assert roles(record, "step") == [RunStatus.PASSED] * 3
    assert (stopped.root / "second.ran").read_text() == "write two"
    again = stopped.run("resume", record.id)
    assert again.returncode == 2 and "ended as passed" in again.stderr


def test_without_its_kernel_a_run_goes_on_by_the_steps_own_checks(stopped: Place) -> None:
    from blumeops.runbooks import running_folder

    (folder,) = running_folder.folders(stopped.root / records.STATE)
    running_folder.end_kernel(folder)
    refused = runbooks.resume(stopped.root, folder.id, options=runbooks.Options(yes=True))
    assert refused.status is RunStatus.PRECONDITION, "preconditions are asked again"
    stopped.write("on-purpose", ON_PURPOSE.replace('assert not Path("first.ran").exists()', "assert True"))


def test_a_fresh_kernel_asks_the_done_checks_and_runs_the_other_steps_again(tmp_path: Path) -> None:
    source = ON_PURPOSE.replace('assert not Path("first.ran").exists()', "assert True")
    here = place(tmp_path, on_purpose=source)
    record = here.execute("on-purpose", "word=two", yes=True, keep=False)
    (tmp_path / "repaired.ran").touch()
    done = runbooks.resume(tmp_path, record.id, options=runbooks.Options(yes=True))
    assert done.status is RunStatus.PASSED, said(done)
    assert statuses(done)["change-first"] is RunStatus.ALREADY
    assert statuses(done)["think"] is RunStatus.PASSED
    assert (tmp_path / "second.ran").read_text() == "write two", "with the parameters of the first run"


def test_a_run_is_not_taken_up_when_what_ran_before_is_not_what_the_page_says(stopped: Place) -> None:
    stopped.write("on-purpose", ON_PURPOSE.replace('plan = f"write', 'plan = f"rather write'))
    with pytest.raises(BadInput, match="think ran, and the page says something else now"):
        runbooks.resume(stopped.root, "on-purpose")


def test_the_step_that_failed_may_be_corrected(stopped: Place) -> None:
    fixed = ON_PURPOSE.replace('assert Path("repaired.ran").exists(), "it fails on purpose"', "pass")
    stopped.write("on-purpose", fixed)
    record = runbooks.resume(stopped.root, "on-purpose", options=runbooks.Options(yes=True))
    assert record.status is RunStatus.PASSED, said(record)
    assert record.source_sha == records.digest(fixed)


def test_a_run_that_is_not_there_names_the_one_that_was_meant(stopped: Place) -> None:
    with pytest.raises(BlumeOpsError, match="there is no run") as caught:
        runbooks.resume(stopped.root, "on-porpuse")
    assert "on-purpose" in caught.value.hint


# -- secrets --------------------------------------------------------------------------------------


def test_r5_no_file_of_a_run_holds_a_secret(tmp_path: Path) -> None:
    import secrets

    canary = f"correct{secrets.token_hex(12)}horse"
    html = "    def _repr_html_(self): return f'<b>{value}</b>'\n"
    shown = f"class Shown:\n{html}    def __repr__(self): return value\n"
    source = page(
        cell(
            "import sys\nfrom blumeops import reveal\nvalue = reveal(token).reveal()\nprint(value)", "setup"
        ),
        cell(f"{shown}print(value, file=sys.stderr)\nShown()", "step", name="show"),
        cell("open('step.ran', 'w').write(value)", "step", "confirm", name="change", gate="value"),
        cell("raise ValueError(value)", "verify", name="fail"),
        parameters='target: str = "sandbox"  # where\ntoken: SecretRef = "env:CANARY"  # the token',
    )
    here = place(tmp_path, shows=source)
    ran = here.run("run", "shows", "--yes", CANARY=canary, CI="true")
    assert ran.returncode == 1, ran.stderr
    assert (tmp_path / "step.ran").read_text() == canary, "the cells have the secret itself"
    assert canary not in ran.stdout + ran.stderr
    (folder,) = here.folders()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert [path.name for path in files if canary in path.read_text(errors="replace")] == []
    assert "[secret]" in (folder / "record.json").read_text()


# -- a full disk ----------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 256 KiB, as long as the context lives."""
    folder.mkdir(parents=True)
    process.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder]).check()
    try:
        yield
    finally:
        process.run(["umount", "--lazy", folder])


FILLS = page(
    cell("open('first.ran', 'w')", "step", "confirm", name="first"),
    cell("x = 'x' * 300_000\nprint(x)", "step", name="talk"),
    cell("open('after.ran', 'w')", "step", "confirm", name="after"),
    CLEAN,
)


# Only root may mount; a limit on the size of files is the other way in which a write fails half-way.
@pytest.mark.parametrize("how", ["limit", "disk"] if os.geteuid() == 0 else ["limit"])
def test_a_full_disk_is_a_clear_error_and_nothing_counts_as_passed(tmp_path: Path, how: str) -> None:
    here = place(tmp_path, fills=FILLS)
    with contextlib.ExitStack() as stack:
        if how == "disk":
            stack.enter_context(small_disk(tmp_path / records.STATE))
        limit = ["prlimit", "--fsize=200000"] if how == "limit" else []
        argv = [*limit, str(BLUMEOPS), "runbook", "run", "fills", "--yes"]
        ran = process.run(argv, cwd=tmp_path, env=environment())
        assert ran.returncode == 2, ran.stderr
        assert "cannot be written down" in ran.stderr and "hint" in ran.stderr
        assert "passed on" not in ran.stdout
        assert (tmp_path / "cleaned.ran").exists(), "the clean-up needs no record"
        assert not (tmp_path / "after.ran").exists(), "what cannot be written down is not done"
        assert records.latest(tmp_path, "fills") is None or how == "limit"
        seen = json.loads(here.run("status", "--json").stdout)
        assert seen["status"] == "aborted"


def test_a_rehearsal_that_fails_goes_back_by_itself(tmp_path: Path) -> None:
    here = place(tmp_path, on_purpose=ON_PURPOSE)
    record = here.execute("on-purpose", mode=RunMode.REHEARSAL)
    assert record.status is RunStatus.FAILED and roles(record, "rollback") == [RunStatus.PASSED] * 2
    assert {path.name for path in tmp_path.glob("*.ran")} == {"order.ran"}
