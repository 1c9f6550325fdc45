"""The supervisor: real processes, started in order, watched, and ended whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import BlumeOpsError, EngineError, Interrupted
from blumeops.sandbox.component import Component, Exits, Http, Step, Tcp
from blumeops.sandbox.supervisor import Life, Supervisor, answers, port_holder, write_private

LISTEN = """
import socket, sys, time
time.sleep(float(sys.argv[2]))
door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    door.accept()[0].close()
"""


def quiet(_line: str) -> None:
    return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def listener(name: str, *, after: tuple[str, ...] = (), delay: float = 0.0, **more: object) -> Component:
    """A component that opens a port after `delay` seconds."""
    port = free_port()
    argv = (sys.executable, "-S", "-c", LISTEN, str(port), str(delay))
    settings = {"ready": Tcp("127.0.0.1", port), "ports": (port,), **more}
    return Component(name, argv, after=after, **settings)  # type: ignore[arg-type]


def shell(name: str, line: str, **more: object) -> Component:
    """A component that never answers on its port."""
    settings = {"ready": Tcp("127.0.0.1", free_port()), **more}
    return Component(name, ("sh", "-c", line), **settings)  # type: ignore[arg-type]


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 5
    while not (path.exists() and path.read_text().strip().isdigit()):
        assert time.monotonic() < deadline, path
        time.sleep(0.02)
    return int(path.read_text())


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(tmp_path / "box")
    yield one
    for name in one.names():
        one.end(name)


def test_a_part_starts_when_what_it_comes_after_is_ready(supervisor: Supervisor) -> None:
    """And not before; parts without order start at the same time."""
    seen: list[str] = []
    first = listener("first", delay=0.4)
    gate = Step("gate", lambda: seen.append(str(answers(first.ready))), says="looks", after=("first",))
    both = threading.Barrier(2, timeout=5)
    left = Step("left", lambda: both.wait() and None, says="meets right")
    right = Step("right", lambda: both.wait() and None, says="meets left")
    supervisor.start([gate, listener("last", after=("gate",)), first, left, right], seen.append)
    assert seen.index("True") > [line.startswith("first: ready") for line in seen].index(True)
    assert supervisor.names() == ("first", "last")
    assert {supervisor.life(name) for name in supervisor.names()} == {Life.RUNNING}


def test_what_runs_already_is_not_started_again(supervisor: Supervisor) -> None:
    one = listener("one")
    supervisor.start([one], quiet)
    pid = supervisor.pid("one")
    supervisor.start([one], quiet)
    assert supervisor.pid("one") == pid


def test_a_crash_is_named_with_the_last_lines_of_the_log(supervisor: Supervisor) -> None:
    never: list[str] = []
    crash = shell("crash", "for n in 1 2 3; do echo line $n; done; echo the reason >&2; exit 3")
    later = Step("later", lambda: never.append("ran"), says="", after=("crash",))
    with pytest.raises(EngineError, match="crashed while starting") as caught:
        supervisor.start([crash, later], quiet)
    assert caught.value.where == "crash"
    assert "line 3" in caught.value.what and "the reason" in caught.value.what
    assert str(supervisor.log("crash")) in caught.value.hint
    assert never == []
    assert supervisor.life("crash") is Life.CRASHED


def test_a_stranger_who_answers_does_not_hide_a_crash(supervisor: Supervisor) -> None:
    """The port answers, but not by our process, which has died meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def greet() -> None:
            guest = door.accept()[0]
            time.sleep(0.5)
            guest.sendall(b"SSH-")

        threading.Thread(target=greet, daemon=True).start()
        ready = Tcp(*door.getsockname(), banner=b"SSH-")
        with pytest.raises(EngineError, match="address in use"):
            supervisor.start([shell("lost", "sleep 0.1; echo address in use; exit 1", ready=ready)], quiet)


def test_a_process_that_ends_at_once_has_crashed_and_does_not_run(supervisor: Supervisor) -> None:
    for _ in range(5):
        with pytest.raises(EngineError, match="crashed"):
            supervisor.start([shell("short", "exit 0", patience=3.0)], quiet)
        assert supervisor.life("short") is Life.CRASHED and supervisor.pid("short") is None


def test_a_step_that_fails_by_its_exit_status_is_not_ready(supervisor: Supervisor) -> None:
    supervisor.start([shell("once", "exit 0", ready=Exits())], quiet)
    with pytest.raises(EngineError, match=r"(?s)crashed.*no space left"):
        supervisor.start([shell("twice", "echo no space left; exit 4", ready=Exits())], quiet)


def test_a_component_that_never_answers_is_given_up_with_its_words(supervisor: Supervisor) -> None:
    with pytest.raises(EngineError, match=r"(?s)not ready after 0.4 s .*waiting for godot") as caught:
        supervisor.start([shell("slow", "echo waiting for godot; exec sleep 600", patience=0.4)], quiet)
    assert caught.value.where == "slow"


def test_the_stop_event_ends_the_waiting(supervisor: Supervisor) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        supervisor.start([shell("slow", "exec sleep 600")], quiet, stop=stop)
    assert time.monotonic() - begun < 5


def test_a_taken_port_names_its_holder(supervisor: Supervisor) -> None:
    one = listener("one")
    with socket.create_server(("127.0.0.1", one.ports[0])):
        assert str(os.getpid()) in (port_holder(one.ports[0]) or "")
        with pytest.raises(
            BlumeOpsError, match=f"port {one.ports[0]} is taken by process {os.getpid()} "
        ) as caught:
            supervisor.start([one], quiet)
    assert caught.value.where == "one" and caught.value.hint
    assert supervisor.names() == (), "nothing was started"
    assert port_holder(one.ports[0]) is None


@pytest.mark.parametrize("started", ["wrong", "null", "none", "torn"])
def test_a_stale_note_is_neither_trusted_nor_used_to_end_a_stranger(
    supervisor: Supervisor, started: str
) -> None:
    """The pid was used again, by somebody else."""
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        note = {"pid": stranger.pid, "started": 1 if started == "wrong" else None, "argv": "sleep"}
        if started == "none":
            del note["started"]
        text = json.dumps(note)
        write_private(supervisor.folder / "run" / "one.json", text[:-3] if started == "torn" else text)
        assert supervisor.life("one") is not Life.RUNNING and supervisor.pid("one") is None
        assert supervisor.end("one") is False
        assert stranger.poll() is None, "the stranger lives"
        one = listener("one")
        supervisor.start([one], quiet)
        assert supervisor.pid("one") not in (None, stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_the_end_takes_grandchildren_too(supervisor: Supervisor, tmp_path: Path) -> None:
    line = f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/pid; sleep 600; sleep 600' & sleep 600"
    with pytest.raises(EngineError, match="not ready"):
        supervisor.start([shell("parent", line, patience=0.5)], quiet)
    grandchild = pid_in(tmp_path / "pid")
    assert supervisor.end("parent") is True
    assert process.start_time(grandchild) is None
    assert supervisor.life("parent") is Life.STOPPED
    assert supervisor.end("parent") is False, "ending it again is fine"


def test_what_a_crashed_component_left_behind_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    line = f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' & sleep 0.3; exit 1"
    with pytest.raises(EngineError, match="crashed"):
        supervisor.start([shell("parent", line)], quiet)
    orphan = pid_in(tmp_path / "pid")
    assert process.start_time(orphan) is not None
    assert supervisor.end("parent") is True
    assert process.start_time(orphan) is None


def test_stopping_goes_backwards_and_undoes_the_steps(supervisor: Supervisor) -> None:
    order: list[str] = []
    step = Step("step", lambda: order.append("made"), says="", undo=lambda: order.append("undone"))
    one = listener("one", after=("step",))
    supervisor.start([step, one], quiet)
    supervisor.stop([step, one], order.append)
    assert order == ["made", "one: stopped", "undone"]
    supervisor.stop([step, one], order.append)
    assert order[3:] == ["undone"], "what is not there is fine"


def test_the_stop_signal_is_the_components_own(supervisor: Supervisor, tmp_path: Path) -> None:
    code = f"""
import os, pathlib, time
os.chdir({str(tmp_path)!r})
try:
    pathlib.Path("up").write_text("1")
    time.sleep(600)
except KeyboardInterrupt:
    pathlib.Path("said").write_text("int")
"""
    one = Component(
        "one", (sys.executable, "-c", code), Tcp("127.0.0.1", 9), patience=0.1, stop_signal=signal.SIGINT
    )
    with pytest.raises(EngineError):
        supervisor.start([one], quiet)
    pid_in(tmp_path / "up")
    supervisor.end("one")
    assert (tmp_path / "said").read_text() == "int"


def test_what_was_started_survives_the_starter(tmp_path: Path) -> None:
    port = free_port()
    code = f"""
from pathlib import Path
from blumeops.sandbox.component import Component, Tcp
from blumeops.sandbox.supervisor import Supervisor
one = Component("one", ({sys.executable!r}, "-S", "-c", {LISTEN!r}, "{port}", "0"), Tcp("127.0.0.1", {port}))
Supervisor(Path({str(tmp_path)!r})).start([one], lambda line: None)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    supervisor = Supervisor(tmp_path)
    try:
        assert supervisor.life("one") is Life.RUNNING
        assert answers(Tcp("127.0.0.1", port))
    finally:
        assert supervisor.end("one")
    assert not answers(Tcp("127.0.0.1", port))


def test_files_are_for_their_owner_only_and_replaced_in_one_step(supervisor: Supervisor) -> None:
    secret = supervisor.folder / "conf" / "secret.yaml"
    write_private(secret, "old")
    secret.chmod(0o644)
    supervisor.start([listener("one", files={secret: "new"})], quiet)
    assert secret.read_text() == "new"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert [path.name for path in secret.parent.iterdir()] == ["secret.yaml"]


def test_an_order_that_cannot_be_kept_is_refused(supervisor: Supervisor) -> None:
    with pytest.raises(ValueError, match=r"comes after .*nothing"):
        supervisor.start([listener("one", after=("nothing",))], quiet)
    circle = [listener("one", after=("two",)), listener("two", after=("one",))]
    with pytest.raises(ValueError, match="a circle: each of one, two"):
        supervisor.start(circle, quiet)


def test_the_log_before_is_kept_once(supervisor: Supervisor) -> None:
    for word in ("first", "second", "third"):
        with pytest.raises(EngineError):
            supervisor.start([shell("one", f"echo {word}; exit 1")], quiet)
    log = supervisor.log("one")
    assert (log.read_text(), log.with_suffix(".log.1").read_text()) == ("third\n", "second\n")


def test_whatever_goes_wrong_with_a_question_is_a_plain_no(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        host, port = door.getsockname()

        def babble() -> None:
            for _ in range(2):
                guest = door.accept()[0]
                guest.recv(100)
                guest.sendall(b"this is no HTTP\r\n\r\n")
                guest.close()

        threading.Thread(target=babble, daemon=True).start()
        assert not answers(Http(f"http://{host}:{port}/"))
        assert not answers(Tcp(host, port, banner=b"SSH-"))
        assert answers(Tcp(host, port))
    assert not answers(Http(f"https://{host}:{port}/", ca=tmp_path / "not-yet.crt"))
    assert not answers(Tcp(host, port))
