"""Tries to change a repository by every way there is, in a process that is confined, and says what worked.

    python attempts.py both|landlock|hook REPOSITORY CACHE TEMPORARY PORT SOCKET

It prints a line of JSON: the name of each attempt, and why it was refused, or null.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

mode, *places = sys.argv[1:]
repo, cache, temporary = map(Path, places[:3])
port, door = int(places[3]), places[4]
page = repo / "docs" / "index.md"
libc = ctypes.CDLL(None, use_errno=True)


def c(done: int) -> None:
    """What a function of C says, as Python would."""
    if done < 0:
        raise OSError(ctypes.get_errno(), "in C")


def run(*words: str) -> None:
    """Start a program; that it fails counts as refused, too."""
    done = subprocess.run(words, cwd=repo, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.strip()[-200:])


def mapped() -> None:
    with page.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = b"X"


def forked() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


def database(path: Path) -> None:
    base = sqlite3.connect(path)
    base.execute("create table t (x)")
    base.commit()


def by_folder() -> None:
    folder = os.open(repo, os.O_RDONLY)
    os.close(os.open("by-folder", os.O_WRONLY | os.O_CREAT, dir_fd=folder))


def through(name: str) -> None:
    """By a name in the private folder that leads into the repository."""
    (temporary / name).symlink_to(page)
    (temporary / name).write_text("x")


def linked() -> None:
    os.link(page, temporary / "linked")
    (temporary / "linked").write_text("x")


def connect(kind: int, where: object) -> None:
    with socket.socket(kind, socket.SOCK_STREAM) as one:
        one.connect(where)


def sent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("127.0.0.1", port))


def bound() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


def connected_in_c() -> None:
    class Address(ctypes.Structure):
        _fields_ = (
            ("family", ctypes.c_uint16),
            ("port", ctypes.c_uint16),
            ("host", ctypes.c_uint32),
            ("z", ctypes.c_uint64),
        )

    one = libc.socket(2, 1, 0)
    c(libc.connect(one, ctypes.byref(Address(2, socket.htons(port), 0x0100007F, 0)), 16))


def applied() -> None:
    from blumeops.homelab import Homelab

    Homelab.open(root=repo).apply()


def rolled_back() -> None:
    from blumeops.mode import require_change

    require_change("rollback")


def committed() -> None:
    from blumeops.repository import Repository

    Repository(repo).git("commit", "--allow-empty", "-m", "x")


def locked() -> None:
    from blumeops import journal

    with journal.lock(repo / "apply.lock", "x"):
        pass


def recorded() -> None:
    from blumeops.journal import Journal

    Journal(repo / ".sandbox" / "state" / "journal").begin("apply", "x")


FILES: dict[str, Callable[[], object]] = {
    "open w": lambda: page.open("w"),
    "open a": lambda: page.open("a"),
    "open x": lambda: (repo / "new").open("x"),
    "open r+": lambda: page.open("r+b"),
    "os.open": lambda: os.open(page, os.O_WRONLY | os.O_TRUNC),
    "os.open by folder": by_folder,
    "open /proc/self/fd": lambda: Path(f"/proc/self/fd/{os.open(page, os.O_RDONLY)}").write_text("x"),
    "write_text": lambda: (repo / "homelab" / "new.yaml").write_text("x"),
    "truncate": lambda: os.truncate(page, 0),
    "mmap": mapped,
    "mkdir": lambda: (repo / "folder").mkdir(),
    "remove": lambda: page.unlink(),
    "rmtree": lambda: shutil.rmtree(repo / "docs"),
    "rename": lambda: page.rename(repo / "docs" / "other.md"),
    "move out": lambda: shutil.move(page, temporary / "moved"),
    "move in": lambda: (temporary / "in").write_text("x") and os.replace(temporary / "in", page),
    "copy": lambda: shutil.copy(repo / "AGENTS.md", page),
    "link": linked,
    "symlink": lambda: (repo / "docs" / "evil.md").symlink_to("/etc/passwd"),
    "through a symlink": lambda: through("through"),
    "temporary file": lambda: tempfile.mkstemp(dir=repo),
    "sqlite": lambda: database(repo / "new.sqlite"),
    "mkfifo": lambda: os.mkfifo(repo / "pipe"),
    "branch": lambda: (repo / ".git" / "refs" / "heads" / "evil").write_text("x"),
    "git config": lambda: (repo / ".git" / "config").open("a"),
    "home": lambda: (Path.home() / ".blumeops-attempt").write_text("x"),
    "/tmp": lambda: Path(f"/tmp/blumeops-attempt-{os.getpid()}").write_text("x"),
    "a lock": locked,
    "the journal": recorded,
    "C open": lambda: c(libc.open(bytes(page), os.O_WRONLY)),
    "C creat": lambda: c(libc.creat(bytes(repo / "in-c"), 0o600)),
    "C rename": lambda: c(libc.rename(bytes(page), bytes(repo / "renamed"))),
    "C unlink": lambda: c(libc.unlink(bytes(page))),
    "C mkdir": lambda: c(libc.mkdir(bytes(repo / "made-in-c"), 0o700)),
}
META: dict[str, Callable[[], object]] = {
    "chmod": lambda: page.chmod(0o600),
    "chown": lambda: os.chown(page, os.getuid(), os.getgid()),
    "utime": lambda: os.utime(page, (0, 0)),
}
PROGRAMS: dict[str, Callable[[], object]] = {
    "touch": lambda: run("touch", str(repo / "touched")),
    "a shell": lambda: run("sh", "-c", "true"),
    "python": lambda: run(sys.executable, "-c", "pass"),
    "os.system": lambda: os.system("true") and c(-1),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
}
GIT: dict[str, Callable[[], object]] = {
    "git commit": committed,
    "git branch": lambda: run("git", "branch", "evil"),
    "git add": lambda: run("git", "add", "--all"),
    "git update-ref": lambda: run("git", "update-ref", "refs/heads/evil", "HEAD"),
    "git config x y": lambda: run("git", "config", "core.pager", "evil"),
    "git log --output": lambda: run("git", "log", "--output=stolen"),
    "git stash": lambda: run("git", "checkout", "--orphan", "evil"),
}
TALK: dict[str, Callable[[], object]] = {
    "tcp": lambda: connect(socket.AF_INET, ("127.0.0.1", port)),
    "bind": bound,
}
OTHERS: dict[str, Callable[[], object]] = {
    "fork": forked,
    "udp": sent,
    "unix socket": lambda: connect(socket.AF_UNIX, door),
    "git alias": lambda: run("git", "-c", "alias.evil=!true", "evil"),
}
IN_C: dict[str, Callable[[], object]] = {"C connect": connected_in_c}
SIGNALS: dict[str, Callable[[], object]] = {"signal": lambda: os.kill(os.getppid(), 0)}
LIBRARY: dict[str, Callable[[], object]] = {"apply": applied, "rollback": rolled_back}
ALL = {**FILES, **META, **PROGRAMS, **GIT, **TALK, **OTHERS, **IN_C, **SIGNALS, **LIBRARY}


def confined() -> None:
    """Put on the nets that were asked for."""
    from blumeops.assistant import confine, landlock

    match mode:
        case "both":
            confine.confine(cache, temporary)
        case "landlock":
            git = [Path(path).resolve() for path in (shutil.which("git") or "", *confine.LOADERS) if path]
            landlock.restrict(
                [cache, temporary, Path("/dev/null")], executable=git, network=False, scope=True
            )
        case "hook":
            confine.watch([cache, temporary])


def main() -> None:
    """Try everything."""
    confined()
    found: dict[str, str | None] = {}
    for name, attempt in ALL.items():
        try:
            attempt()
            found[name] = None
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"[:200]
    (cache / "written").write_text("the cache may be written")
    (temporary / "written").write_text("so may the private folder")
    os.write(1, json.dumps(found).encode())


main()
