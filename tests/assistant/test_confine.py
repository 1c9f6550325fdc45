"""D8: the process that talks to an assistant cannot change anything, whatever is tried in it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops.assistant import landlock
from tests.assistant.conftest import ROOT

HERE = Path(__file__).parent
FILES_IN_C = {"C open", "C creat", "C rename", "C unlink", "C mkdir"}
HOLES = {
    "both": {"signal"} if landlock.abi() < 6 else set(),
    "landlock": {
        "chmod", "chown", "utime", "udp", "unix socket", "fork", "rollback",
        *({"tcp", "bind", "C connect"} if landlock.abi() < 4 else ()),
        *({"signal"} if landlock.abi() < 6 else ()),
    },
    "hook": {*FILES_IN_C, "C connect", "signal", "rollback", "os.open by folder", "mkfifo"},
}  # fmt: skip
"""What each net alone lets through, as the page and `confine` say; both together let nothing through."""


def fingerprint(root: Path) -> dict[str, str]:
    """Every file below a folder with its content, mode and times."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            about = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(about.st_mode) else ""
            found[str(path)] = f"{content} {about.st_mode:o} {about.st_mtime_ns} {about.st_uid}"
    return found


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Somebody who would answer: a port and a socket with a path."""
    with socket.socket() as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(("127.0.0.1", 0))
        one.listen()
        other.bind(str(tmp_path / "door"))
        other.listen()
        yield one.getsockname()[1], tmp_path / "door"


def attempts(mode: str, root: Path, doors: tuple[int, Path]) -> dict[str, str | None]:
    cache, temporary = root.parent / "cache", root.parent / "temporary"
    cache.mkdir()
    temporary.mkdir()
    places = [str(path) for path in (root, cache, temporary)]
    words = [sys.executable, str(HERE / "attempts.py"), mode, *places, str(doors[0]), str(doors[1])]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(root.parent)}
    done = subprocess.run(words, cwd=temporary, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (cache / "written").exists()
    return json.loads(done.stdout)


def test_d8_nothing_that_is_tried_in_a_confined_process_changes_anything(
    homelab: Path, doors: tuple[int, Path]
) -> None:
    before = fingerprint(homelab)
    found = attempts("both", homelab, doors)
    assert len(found) > 55
    if landlock.abi():
        assert {name for name, refused in found.items() if refused is None} == HOLES["both"]
        assert fingerprint(homelab) == before
    else:  # the page says so: without Landlock native code is not held
        assert {name for name, refused in found.items() if refused is None} <= {
            *FILES_IN_C,
            "C connect",
            "signal",
        }
    assert not list(Path("/tmp").glob("blumeops-attempt-*"))


@pytest.mark.parametrize("net", ["landlock", "hook"])
def test_d8_each_net_has_the_holes_that_are_written_down_and_no_others(
    homelab: Path, doors: tuple[int, Path], net: str
) -> None:
    found = attempts(net, homelab, doors)
    if net == "landlock" and not landlock.abi():
        return
    let_through = {name for name, refused in found.items() if refused is None}
    assert let_through <= HOLES[net], let_through - HOLES[net]


def test_d8_no_tool_leads_to_apply_or_rollback(homelab: Path) -> None:
    """The library refuses in mode read, before it looks at anything; also where no net is there."""
    code = "from blumeops.homelab import Homelab\nimport sys\nhome = Homelab.__new__(Homelab)\n"
    for verb in ("home.apply()", "home.rollback('HEAD')"):
        env = {**os.environ, "BLUMEOPS_MODE": "read", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code + verb], env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode != 0
        assert "ReadOnly" in done.stderr
