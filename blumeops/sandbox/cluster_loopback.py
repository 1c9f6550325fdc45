"""Runs a program that listens on every interface, and keeps it on loopback.

    python -m blumeops.sandbox.cluster_loopback PROGRAM ARGUMENT…

Argo CD's application controller binds its metrics port to 0.0.0.0 and has no option against it, but the
sandbox listens on loopback only. So the program runs under a seccomp filter that reports each `bind(2)` to
a watcher, its child, which rewrites a wildcard address to the loopback one before the kernel reads it
(seccomp_unotify(2)). It needs no privilege, and works with any build of the program. Where the kernel
does not allow it, the program is not started: an open port would be worse than a missing layer.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from pathlib import Path

_MACHINES = {"x86_64": (0xC000003E, 317, 49), "aarch64": (0xC00000B7, 277, 200)}
"""Per machine: AUDIT_ARCH of linux/audit.h, then the numbers of seccomp(2) and bind(2)."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_PTRACER = 38, 0x59616D61
_SET_MODE_FILTER, _FLAG_NEW_LISTENER = 1, 8
_NOTIFICATION, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_RECEIVE = 3 << 30 | _NOTIFICATION.size << 16 | ord("!") << 8
_SEND = 3 << 30 | _ANSWER.size << 16 | ord("!") << 8 | 1
_LET_THE_KERNEL_DO_IT = 1
"""SECCOMP_USER_NOTIF_FLAG_CONTINUE: the call goes on, with the memory as it is now."""


def main(argv: list[str]) -> None:
    """Become the program `argv`, watched by a child that ends with it."""
    ours, theirs = socket.socketpair()
    if watcher := os.fork():
        theirs.close()
        os.set_inheritable(ours.fileno(), False)
        # Where Yama restricts ptrace, a child may touch its parent's memory only if the parent says so.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(watcher), 0, 0, 0)
        socket.send_fds(ours, [b"l"], [_report_binds()])
        os.execv(argv[0], argv)
    ours.close()
    _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
    if descriptors:
        _watch(descriptors[0])


def _report_binds() -> int:
    """Install the filter on this process; returns the descriptor on which calls of bind(2) are reported."""
    if platform.machine() not in _MACHINES:
        sys.exit(f"no seccomp filter is known for {platform.machine()}: not started")
    architecture, seccomp, bind = _MACHINES[platform.machine()]
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 4),  # load the architecture
            (0x15, 0, 3, architecture),
            (0x20, 0, 0, 0),  # load the number of the system call
            (0x15, 0, 1, bind),
            (0x06, 0, 0, 0x7FC00000),  # SECCOMP_RET_USER_NOTIF
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    text = ctypes.create_string_buffer(program, len(program))
    filters = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    descriptor: int = libc.syscall(seccomp, _SET_MODE_FILTER, _FLAG_NEW_LISTENER, filters)
    if descriptor < 0:
        sys.exit(
            f"seccomp: {os.strerror(ctypes.get_errno())}: cannot keep the program on loopback: not started"
        )
    return descriptor


def _watch(listener: int) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        [(_, event)] = poll.poll()
        if not event & select.POLLIN:
            return  # the program has ended
        notification = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notification)
            number, pid, _, _, _, _, _, address, length, *_ = _NOTIFICATION.unpack(notification)
            _to_loopback(pid, address, length)
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(number, 0, 0, _LET_THE_KERNEL_DO_IT))
        except FileNotFoundError:
            continue  # the calling thread was killed meanwhile


def _to_loopback(pid: int, address: int, length: int) -> None:
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        memory.seek(address)
        sockaddr = memory.read(min(length, 28))
        family = struct.unpack_from("=H", sockaddr)[0] if length >= 2 else 0
        if family == socket.AF_INET and sockaddr[4:8] == bytes(4):
            memory.seek(address + 4)
            memory.write(socket.inet_aton("127.0.0.1"))
        elif family == socket.AF_INET6 and sockaddr[8:24] == bytes(16):
            memory.seek(address + 8)
            # Go listens on 0.0.0.0 with a socket for both families; this is 127.0.0.1 on such a socket.
            memory.write(socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1"))


if __name__ == "__main__":
    main(sys.argv[1:])
