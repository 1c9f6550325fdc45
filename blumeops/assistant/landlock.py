"""Linux' own way for a process to give up rights for good, for itself and all that it will start.

The kernel's interface is three system calls (landlock(7)); no library that is kept wraps all of what we use,
so this is `ctypes`. What a kernel does not know yet is left out, and `Kept` says so: nothing is claimed that
is not held.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""The system calls; the same numbers on every architecture (asm-generic/unistd.h)."""
_NO_NEW_PRIVILEGES = 38

EXECUTE, WRITE_FILE = 1 << 0, 1 << 1
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
WRITES = WRITE_FILE | _REMOVE_AND_MAKE | _REFER | _TRUNCATE
"""Everything by which content or names change: write, truncate, make, remove, link, rename."""
_SOCKETS = 1 << 5 | 1 << 9
_ON_FILES = EXECUTE | WRITE_FILE | _TRUNCATE
_SINCE = {_REFER: 2, _TRUNCATE: 3}
_BIND_AND_CONNECT_TCP, _NET_SINCE = 0b11, 4
_ABSTRACT_SOCKETS_AND_SIGNALS, _SCOPE_SINCE = 0b11, 6


@dataclass(frozen=True, slots=True)
class Kept:
    """What the kernel holds this process to: files, starting programs, TCP, signals and abstract sockets."""

    abi: int
    files: bool = False
    programs: bool = False
    network: bool = False
    scope: bool = False

    def __str__(self) -> str:
        names = [name for name in ("files", "programs", "network", "scope") if getattr(self, name)]
        return f"Landlock {self.abi}: {', '.join(names)}" if names else "no Landlock in this kernel"


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scope", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Which version of Landlock the kernel has; 0 for none."""
    if sys.platform != "linux":
        return 0
    version: int = _libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, version)


def restrict(
    writable: Iterable[Path],
    *,
    sockets: Iterable[Path] = (),
    executable: Iterable[Path] | None = None,
    network: bool,
    scope: bool = False,
) -> Kept:
    """From now on write only below some folders, and start only some programs (None: any).

    In the folders `sockets` only sockets may be made, and names removed. `network` false refuses TCP, both
    ways; `scope` refuses signals and abstract sockets to what is outside.
    It holds for the calling thread and what that starts, threads and programs: call it before there are
    others. Raises `OSError` when the kernel has it and refuses.
    """
    version = abi()
    if not version:
        return Kept(0)
    handled = _known(WRITES | (EXECUTE if executable is not None else 0), version)
    tcp = 0 if network or version < _NET_SINCE else _BIND_AND_CONNECT_TCP
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if scope and version >= _SCOPE_SINCE else 0
    wanted = _Ruleset(handled, tcp, scoped)
    size = 24 if version >= _SCOPE_SINCE else 16 if version >= _NET_SINCE else 8
    rules = _called(_CREATE, ctypes.byref(wanted), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in writable:
            _allow(rules, path, handled & WRITES)
        for path in sockets:
            _allow(rules, path, handled & _SOCKETS)
        for path in executable or ():
            _allow(rules, path, handled & EXECUTE)
        if _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _called(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
    return Kept(version, True, executable is not None, bool(tcp), bool(scoped))


def _known(rights: int, version: int) -> int:
    return rights & ~sum(right for right, since in _SINCE.items() if version < since)


def _allow(rules: int, path: Path, rights: int) -> None:
    """Allow some rights below a path; one that is not there has none."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fitting = rights if path.is_dir() else rights & _ON_FILES
        rule = _Beneath(fitting, place)
        _called(_ADD, ctypes.c_int(rules), ctypes.c_uint32(1), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(place)


def _called(number: int, *arguments: object) -> int:
    done: int = _libc().syscall(number, *arguments)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {errno.errorcode.get(code, code)}")
    return done


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
