"""Processes: nothing that we start outlives its reason, and no word of it meets a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import EngineError, EngineMissing
from tests import waiting

FAMILY = "sleep 600 & echo $! > {folder}/grandchild; echo $$ > {folder}/child; sleep 600"
STUBBORN = "(trap '' TERM; sleep 600 & echo $! > {folder}/grandchild; wait) & sleep 600"


def until(holds: Callable[[], bool], seconds: float = 8.0) -> bool:
    """Whether it holds before the time is over."""
    return waiting.until(holds, seconds)


def written_pid(path: Path) -> int:
    assert until(lambda: path.exists() and path.read_text().strip().isdigit()), path
    return int(path.read_text())


def gone(pid: int) -> bool:
    return until(lambda: process.start_time(pid) is None, 3.0)


def test_a_timeout_ends_children_and_grandchildren(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
        process.run(["sh", "-c", FAMILY.format(folder=tmp_path)], timeout=0.5)
    assert gone(written_pid(tmp_path / "child"))
    assert gone(written_pid(tmp_path / "grandchild"))


def test_a_grandchild_that_ignores_the_polite_signal_is_ended_too(tmp_path: Path) -> None:
    """Its leader goes at once; what is left of the group is still looked for."""
    started = subprocess.Popen(["sh", "-c", STUBBORN.format(folder=tmp_path)], start_new_session=True)
    grandchild = written_pid(tmp_path / "grandchild")
    begun = time.monotonic()
    process.end_group(started.pid, grace=0.5)
    assert time.monotonic() - begun < 3
    assert gone(grandchild)
    assert process.group(started.pid) == ()


def test_a_daemon_that_holds_the_pipe_does_not_hold_us(tmp_path: Path) -> None:
    """A program in a session of its own is out of reach, but the answer must not wait for it."""
    begun = time.monotonic()
    try:
        with pytest.raises(EngineError, match="no answer"):
            process.run(["setsid", "sh", "-c", f"echo $$ > {tmp_path}/child; sleep 8"], timeout=0.3)
        assert time.monotonic() - begun < 4
        line = f"setsid sh -c 'echo $$ > {tmp_path}/far; exec sleep 8' & sleep 8"
        with pytest.raises(EngineError, match="no answer"):
            process.run(["sh", "-c", line], timeout=0.5)
        assert time.monotonic() - begun < 4
    finally:
        os.kill(written_pid(tmp_path / "far"), signal.SIGKILL)


def test_an_interrupt_ends_the_whole_group(tmp_path: Path) -> None:
    """Ctrl-C reaches only us: the program has a session of its own, so we pass it on."""
    line = FAMILY.format(folder=tmp_path)
    code = f"from blumeops import process; process.run(['sh', '-c', {line!r}])"
    ours = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True)
    child, grandchild = written_pid(tmp_path / "child"), written_pid(tmp_path / "grandchild")
    ours.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in ours.communicate(timeout=10)[1]
    assert gone(child) and gone(grandchild)


def test_a_leashed_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    line = FAMILY.format(folder=tmp_path)
    code = f"from blumeops import process; process.run(['sh', '-c', {line!r}], leashed=True)"
    ours = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    child, grandchild = written_pid(tmp_path / "child"), written_pid(tmp_path / "grandchild")
    ours.kill()
    ours.wait()
    assert gone(child) and gone(grandchild)


def test_a_leashed_program_answers_as_itself() -> None:
    done = process.run(["sh", "-c", "cat; echo said >&2; exit 7"], input="given", leashed=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "given", "said\n")


@pytest.mark.parametrize("leashed", [False, True])
def test_a_missing_program_is_named_with_the_way_to_get_it(leashed: bool) -> None:
    with pytest.raises(EngineMissing, match="no-such-program is not installed") as caught:
        process.run(["no-such-program", "--version"], leashed=leashed)
    assert "blumeops doctor" in caught.value.hint


def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such folder") as caught:
        process.run(["true"], cwd=tmp_path / "nowhere")
    assert not isinstance(caught.value, EngineMissing)
    assert caught.value.where == str(tmp_path / "nowhere")


def test_a_file_that_is_no_program_is_an_engine_error(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("not a program")
    with pytest.raises(EngineError, match="cannot be run"):
        process.run([tmp_path / "notes"])


def test_no_word_is_interpreted_by_a_shell(tmp_path: Path) -> None:
    words = ["$(touch x)", "`touch x`", "; touch x", "&& touch x", "two\nlines", "*", "$HOME", "-n", ""]
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    for leashed in (False, True):
        argv = [sys.executable, "-c", show, *words]
        done = process.run(argv, cwd=tmp_path, leashed=leashed).check()
        assert json.loads(done.stdout) == words
    assert list(tmp_path.iterdir()) == []


def test_a_failed_process_is_an_answer_until_somebody_checks_it() -> None:
    done = process.run(["sh", "-c", "echo why >&2; exit 3"])
    assert not done.ok
    with pytest.raises(EngineError, match="exit 3: why") as caught:
        done.check(hint="try again")
    assert caught.value.hint == "try again"


def test_output_that_is_not_utf8_is_no_accident() -> None:
    assert "�" in process.run(["printf", "\\377"]).check().stdout


def test_the_start_time_tells_a_process_from_a_later_one_with_its_pid() -> None:
    first = subprocess.Popen(["sleep", "600"])
    born = process.start_time(first.pid)
    assert born is not None and born == process.start_time(first.pid)
    time.sleep(0.03)
    second = subprocess.Popen(["sleep", "600"])
    assert process.start_time(second.pid) != born
    for one in (first, second):
        one.kill()
    assert until(lambda: process.start_time(first.pid) is None), "a zombie counts as gone"
    for one in (first, second):
        one.wait()
    assert process.start_time(first.pid) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    odd = subprocess.Popen([program, "600"])
    try:
        plain = process.start_time(os.getpid())
        assert plain is not None and (process.start_time(odd.pid) or 0) >= plain
    finally:
        odd.kill()
        odd.wait()


def test_a_daemon_outlives_the_one_who_started_it(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "daemon.log"
    code = f"""
import os, pathlib
from blumeops import process
process.start(["sh", "-c", "echo $$; exec sleep 600"], env=dict(os.environ), log=pathlib.Path({str(log)!r}))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    pid = written_pid(log)
    try:
        assert process.start_time(pid) is not None
        assert os.getsid(pid) == pid
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_threads_may_run_programs_at_the_same_time() -> None:
    said: list[str] = []

    def run(number: int) -> None:
        said.append(process.run(["sh", "-c", f"sleep 0.1; echo {number}"]).check().stdout.strip())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [str(number) for number in range(6)]
