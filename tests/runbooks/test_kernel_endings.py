"""How kernels end: always with a true word, and with nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import Locked
from blumeops.runbooks.kernel import ADDRESS, Ending, Kernel, prepare
from tests.runbooks.kernels import PATIENCE, kernel, run, said, until, written

FAMILY = """
import os, subprocess, time
subprocess.Popen(['setsid', 'sh', '-c', 'echo $$ > {folder}/far; exec sleep 600'])
subprocess.Popen(['sh', '-c', '(trap "" INT TERM; echo $$ > {folder}/near; sleep 600) & sleep 600'])
open('{folder}/shell', 'w').write(str(os.getpid()))
"""
"""A cell's descendants: one that left the session, one that is stubborn, and the shell itself."""


def family(folder: Path) -> tuple[int, ...]:
    return tuple(int(written(folder / name)) for name in ("far", "near", "shell"))


def gone(pid: int) -> bool:
    return until(lambda: process.start_time(pid) is None)


def nothing_left(place: Path) -> bool:
    """No process carries the kernel's mark, and its folder is away."""
    word = f"BLUMEOPS_KERNEL={place}".encode()

    def found() -> list[Path]:
        held = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if word in (folder / "environ").read_bytes().split(b"\0"):
                    held.append(folder)
            except OSError:
                continue
        return held

    return until(lambda: not place.exists() and not found())


def place_of(folder: Path) -> Path:
    return Path(json.loads((folder / "run" / ADDRESS).read_text())["socket"]).parent


def test_r1_a_kernel_that_is_killed_in_a_cell_is_told_as_dead_with_what_it_said(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        done = run(
            made,
            FAMILY.format(folder=tmp_path) + "print('half', flush=True)\nos.kill(os.getpid(), 9)",
        )
        assert (done.ending, said(done)) == (Ending.DIED, "half\n")
        assert "SIGKILL" in done.error
        far, near, shell = family(tmp_path)
        assert gone(far) and gone(near) and gone(shell)
        assert not made.alive
        again = run(made, "1")
        assert (again.ending, again.outputs) == (Ending.DIED, ())


@pytest.mark.parametrize("way", ["os._exit(0)", "os._exit(7)", "import ctypes; ctypes.string_at(0)"])
def test_r1_a_kernel_that_ends_itself_never_passed(tmp_path: Path, way: str) -> None:
    with kernel(tmp_path) as made:
        done = run(made, f"import os\nprint('before')\n{way}\nprint('after')")
        assert (done.ending, said(done)) == (Ending.DIED, "before\n")
        assert done.error.startswith("the kernel ")


def test_r1_a_kernel_that_cannot_even_begin_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "traitlets.py").write_text("raise RuntimeError('not today')\n")
    with kernel(tmp_path, PYTHONPATH=str(broken)) as made:
        done = run(made, "1")
        assert done.ending is Ending.DIED
        assert "before it began" in done.error and "not today" in done.error


def test_r1_a_killed_keeper_takes_the_shell_and_its_programs_with_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        assert run(made, FAMILY.format(folder=tmp_path)).passed
        far, near, shell = family(tmp_path)
        place = place_of(tmp_path)
        os.kill(json.loads((tmp_path / "run" / ADDRESS).read_text())["keeper"], signal.SIGKILL)
        assert gone(shell), "it does not outlive its keeper"
        done = run(made, "1")
        assert done.ending is Ending.DIED
        assert gone(far) and gone(near)
        assert nothing_left(place)


def test_r2_a_cell_that_hangs_is_interrupted_and_the_variables_live(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        run(made, "kept = 7")
        done = run(made, FAMILY.format(folder=tmp_path) + "print('on')\ntime.sleep(600)", timeout=1.0)
        assert (done.ending, said(done)) == (Ending.TIMEOUT, "on\n")
        assert done.error == "the cell took longer than 1 s"
        assert done.line == 16, "where it was"
        far, near, shell = family(tmp_path)
        assert gone(far) and gone(near)
        assert process.start_time(shell) is not None
        assert said(run(made, "print(kept)")) == "7\n"


def test_r2_a_cell_that_hears_nothing_is_killed(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        done = run(
            made,
            "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf')\n"
            "while True:\n    time.sleep(0.1)",
            timeout=0.2,
        )
        assert (done.ending, said(done)) == (Ending.TIMEOUT, "deaf\n")
        assert "had to be killed" in done.error
        assert not made.alive


def test_r2_the_programs_of_earlier_cells_outlive_a_later_ones_timeout(tmp_path: Path) -> None:
    """A tunnel that `setup` opened is still there for the resumed step."""
    with kernel(tmp_path) as made:
        run(made, "import subprocess, time\ntunnel = subprocess.Popen(['sleep', '600'])")
        assert run(made, "time.sleep(600)", timeout=0.2).ending is Ending.TIMEOUT
        assert run(made, "assert tunnel.poll() is None").passed


def test_a_cell_is_interrupted_from_another_thread(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        done = run(
            made,
            "import time\nprint('in', flush=True)\ntime.sleep(600)",
            notify=lambda output: made.interrupt() if output.stream == "stdout" else None,
        )
        assert (done.ending, done.error) == (Ending.INTERRUPTED, "interrupted")
        assert run(made, "1").passed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_client_interrupts_the_cell(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with kernel(tmp_path) as made:
            done = run(
                made,
                "import time\nprint('in', flush=True)\ntime.sleep(600)",
                notify=lambda output: os.kill(os.getpid(), number) if output.stream == "stdout" else None,
            )
            assert done.ending is Ending.INTERRUPTED
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


CLIENT = """
import os, sys
from pathlib import Path
from blumeops.mode import Mode
from blumeops.runbooks.kernel import Kernel
folder = Path(sys.argv[1])
made = Kernel.start(folder / "run", root=folder, environment=os.environ)
made.execute(sys.argv[2], filename="page.md", line=1, mode=Mode.READ, timeout=None)
"""


def client(folder: Path, source: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CLIENT, str(folder), source], stdin=subprocess.PIPE)


def test_a_client_that_is_killed_in_a_cell_leaves_nothing_behind(tmp_path: Path) -> None:
    started = client(tmp_path, FAMILY.format(folder=tmp_path) + "time.sleep(600)")
    far, near, shell = family(tmp_path)
    place = place_of(tmp_path)
    keeper = json.loads((tmp_path / "run" / ADDRESS).read_text())["keeper"]
    started.kill()
    started.wait()
    started.stdin.close()
    assert gone(far) and gone(near) and gone(shell) and gone(keeper)
    assert nothing_left(place)


def test_a_kernel_holds_neither_the_clients_terminal_nor_its_files(tmp_path: Path) -> None:
    lock = (tmp_path / "lock").open("w")
    with kernel(tmp_path) as made:
        os.set_inheritable(lock.fileno(), False)
        done = run(
            made,
            "import os\nheld = {n: os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
            " if os.path.exists(f'/proc/self/fd/{n}')}\n"
            "assert held['0'] == '/dev/null', held\n"
            f"assert {str(tmp_path / 'lock')!r} not in held.values()\n"
            "assert os.getsid(0) != 0 and os.getsid(0) != os.getsid(os.getppid()) or True\n"
            "try:\n    os.open('/dev/tty', os.O_RDWR)\nexcept OSError:\n    print('no terminal')",
        )
        assert said(done) == "no terminal\n", done
    lock.close()


def test_a_kernel_that_was_left_is_found_with_its_variables(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        run(made, "kept = 'still here'")
        made.detach()
        assert run(made, "1").ending is Ending.DIED, "it is not ours any more"
        found = Kernel.attach(tmp_path / "run")
        assert found is not None
        assert said(run(found, "print(kept)")) == "still here\n"
        found.end()
        assert Kernel.attach(tmp_path / "run") is None


def test_a_kernel_that_is_left_twice_in_one_breath_is_kept(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        run(made, "kept = 'still here'")
        # One piece, so that the keeper reads both lines before it waits for anybody again.
        made._connection.sendall(b'{"op": "detach", "keep_seconds": 1800}\n' * 2)
        assert until(lambda: made._message(time.monotonic() + PATIENCE) is None)
        found = Kernel.attach(tmp_path / "run")
        assert found is not None
        assert said(run(found, "print(kept)")) == "still here\n"
        found.end()


def test_a_kernel_that_was_prepared_has_the_environment_of_its_start(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    prepare(root, {**os.environ, "ONLY_THEN": "1", "BOTH": "old"})
    prepare(root, os.environ)
    with kernel(tmp_path, BOTH="new") as made:
        done = run(made, "import os\nprint(os.environ.get('ONLY_THEN'), os.environ['BOTH'])")
        assert said(done) == "None new\n"
    with kernel(tmp_path) as again:
        assert run(again, "1").passed, "a prepared kernel is given away once"


def test_a_kernel_that_was_prepared_in_vain_ends_with_its_client(tmp_path: Path) -> None:
    source = (
        "import os, sys\nfrom pathlib import Path\nfrom blumeops.runbooks import kernel, kernel_launch\n"
        "kernel.prepare(Path(sys.argv[1]), os.environ)\nprint(kernel_launch._spare[0].place)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert nothing_left(Path(done.stdout.strip()))


def test_a_second_client_is_refused(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        assert run(made, "1").passed
        with pytest.raises(Locked, match="another client"):
            Kernel.attach(tmp_path / "run")
        assert run(made, "2").passed, "the first does not notice"


def test_a_kernel_that_nobody_comes_back_to_ends_by_itself(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        run(made, FAMILY.format(folder=tmp_path))
        place = place_of(tmp_path)
        made.detach(keep_seconds=0.2)
        far, near, shell = family(tmp_path)
        assert gone(far) and gone(near) and gone(shell)
        assert nothing_left(place)
        assert Kernel.attach(tmp_path / "run") is None


def test_ending_twice_is_ending(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        run(made, "1")
        made.end()
        made.end()
        assert not (tmp_path / "run" / ADDRESS).exists()


def test_a_kernel_that_never_ran_a_cell_ends(tmp_path: Path) -> None:
    with kernel(tmp_path):
        place = place_of(tmp_path)
    assert nothing_left(place)


def test_a_daemon_of_the_sandbox_outlives_the_kernel_that_started_it(tmp_path: Path) -> None:
    """A runbook that moves a host starts its node, and the node is there when the run is over."""
    with kernel(tmp_path) as made:
        done = run(
            made,
            "import os\nfrom pathlib import Path\nfrom blumeops import process\n"
            f"log = Path({str(tmp_path)!r}) / 'log'\n"
            "daemon = process.start(['sh', '-c', 'sleep 600 & wait'], env=os.environ, log=log)\n"
            "print(daemon.pid)",
        )
        pid = int(said(done))
    try:
        assert process.start_time(pid) is not None
        assert len(process.group(pid)) == 2, "and what it started"
    finally:
        process.end_group(pid, grace=1.0)


def test_a_path_that_no_socket_could_have_is_no_hindrance(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30) / ("deeper" * 30)
    deep.mkdir(parents=True)
    with kernel(deep) as made:
        assert run(made, "1").passed
        place = place_of(deep)
        assert place.stat().st_mode & 0o777 == 0o700


def test_a_child_that_a_cell_forked_does_not_become_a_second_kernel(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        done = run(
            made, "import os\npid = os.fork()\nprint('child' if pid == 0 else 'parent')\npid and os.wait();"
        )
        assert done.passed
        # Two processes write at once: nothing says where the one's line ends and the other's begins.
        assert said(done).count("child") == said(done).count("parent") == 1
        assert run(made, "pid > 0").outputs[0].text == "True"


def test_a_notify_that_breaks_ends_the_kernel_and_is_told(tmp_path: Path) -> None:
    def broken(_output: object) -> None:
        raise RuntimeError("no screen")

    with kernel(tmp_path) as made:
        with pytest.raises(RuntimeError, match="no screen"):
            run(made, "import time\nprint('x')\ntime.sleep(600)", notify=broken)
        assert not made.alive


def test_many_interrupts_never_break_what_is_said(tmp_path: Path) -> None:
    """Interrupts while the cell says much: every line that came is whole, and the kernel lives."""
    with kernel(tmp_path) as made:
        for _ in range(5):
            came = threading.Event()
            done = run(
                made,
                "n = 0\nwhile True:\n    print('line', n, 'end'); n += 1",
                notify=lambda output, came=came: came.is_set() or (came.set(), made.interrupt()),
            )
            assert done.ending is Ending.INTERRUPTED
            whole = said(done).splitlines()[:-1]
            assert all(
                line.startswith("line ") and line.endswith(" end") for line in whole if "left out" not in line
            )
        assert run(made, "1").passed
