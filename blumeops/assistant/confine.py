"""Takes from the process that talks to an assistant the rights to change anything.

Three nets, because each has holes that another one closes:

`BLUMEOPS_MODE=read` makes the library's own `apply` and `rollback` refuse, here and in every child. It does
not see who changes something without asking the library.

Landlock (Linux 5.13 and later) refuses every write outside of the index's folder and a private temporary one,
to C code and every child as well, and every program but Git; from 6.7 on TCP both ways, from 6.12 on signals
to others. It does not see modes, owners and times of files, Unix sockets that have a path, and UDP.

An audit hook of Python refuses all of that as well, what Landlock does not see included, and the verbs of Git
that do not only read. It does not see what code in C does without asking Python, named pipes, and files that
are opened by a name below an open folder.

None of them can be taken off again. On a system without Landlock the first and third are left: they stop
every mistake and every tool of ours, not native code.

Engines that `status`, `plan` and `drift` need run in a process of their own (`engine`), which was started
before, takes three words and nothing else, and is held by nets of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blumeops import mode
from blumeops.assistant import landlock
from blumeops.assistant.landlock import Kept

GIT_READS = frozenset({"check-ignore", "log", "ls-files", "ls-tree", "rev-list", "rev-parse"})
"""The verbs of Git that the readers of the repository use; none of them changes anything."""

LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    {"os.chflags", "os.chmod", "os.chown", "os.link", "os.lockf", "os.mkdir", "os.remove", "os.removexattr",
     "os.rename", "os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime"}
)  # fmt: skip
_STARTS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"}
)
_TALKS = frozenset({"socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"})
_BY_FOLDER = frozenset({"os.mkdir", "os.remove", "os.rmdir"})
"""Events whose last argument is the open folder that their path is relative to, -1 for none."""


class Refused(PermissionError):
    """Something that this process may not do."""


def confine(cache: Path, temporary: Path) -> Kept:
    """Confine this process, for good: it may write below these two folders, and nowhere else.

    Call it before there is a second thread. Says what the kernel holds it to.
    """
    os.environ[mode.VARIABLE] = mode.Mode.READ.value
    os.environ |= {"TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary), "GIT_OPTIONAL_LOCKS": "0"}
    tempfile.tempdir = str(temporary)
    sys.dont_write_bytecode = True
    writable = [folder for folder in (cache, temporary) if folder.is_dir()]
    kept = landlock.restrict([*writable, Path("/dev/null")], executable=_git(), network=False, scope=True)
    watch(writable)
    return kept


def watch(writable: Sequence[Path]) -> None:
    """From now on let Python write only below some folders, start only Git that reads, and talk to nobody."""
    sys.addaudithook(_hook(tuple(os.path.realpath(folder) for folder in writable)))


def _git() -> list[Path]:
    """Git, and what the kernel needs to start it."""
    found = shutil.which("git")
    folder = Path(found).resolve() if found else None
    return [*([folder] if folder else []), *(Path(path) for path in LOADERS)]


def _hook(writable: tuple[str, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook; it is asked before the thing is done, and refuses by raising."""

    def may(path: str | bytes | os.PathLike[str] | int | None, folder: object = -1) -> bool:
        if isinstance(path, int) or path is None:
            return True  # a file that is open already
        base = f"/proc/self/fd/{folder}" if isinstance(folder, int) and folder >= 0 else ""
        name = os.path.realpath(os.path.join(base, os.fsdecode(path)))
        return name == os.devnull or any(name == top or name.startswith(top + os.sep) for top in writable)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        match event:
            case "open":
                path, _, flags = arguments
                if isinstance(flags, int) and flags & _WRITING and not may(path):
                    raise Refused(f"this process only reads: {os.fsdecode(path)}")
            case "sqlite3.connect":
                if str(arguments[0]) not in (":memory:", "") and not may(str(arguments[0])):
                    raise Refused(f"this process only reads: {arguments[0]}")
            case "subprocess.Popen":
                if not _git_reads(arguments[1]):
                    raise Refused("this process starts no programs but Git, to read")
            case _ if event in _CHANGES:
                folder = arguments[-1] if event in _BY_FOLDER else -1
                paths = [path for path in arguments if isinstance(path, str | bytes | os.PathLike)]
                if not all(may(path, folder) for path in paths):
                    raise Refused(f"this process only reads: {event}")
            case _ if event in _STARTS:
                raise Refused(f"this process does not do that: {event}")
            case _ if event in _TALKS:
                raise Refused("this process talks to nobody but its client")

    return look


def _git_reads(words: object) -> bool:
    """Whether an argument vector is Git with a verb that reads, and no option that runs or writes."""
    if not isinstance(words, list | tuple) or not words or os.path.basename(os.fsdecode(words[0])) != "git":
        return False
    said = [os.fsdecode(word) for word in words[1:]]
    ran = any(word.startswith(("--output", "--ext-diff", "--textconv")) for word in said)
    return bool(said) and said[0] in GIT_READS and not ran
