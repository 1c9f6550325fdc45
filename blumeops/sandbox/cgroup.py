"""A control group for each node, because every systemd takes the whole group it stands in for its own.

systemd-nspawn with `--keep-unit` leaves its container in the caller's group. Two containers that were started
from the same place would share it: one init removes a unit's group as empty at the moment when the other
moves a process into it, and that unit fails. A container's manager needs a sub-tree of its own (systemd's
CONTAINER_INTERFACE and CGROUP_DELEGATION).

Run as a program it moves itself into the group and becomes the command: `cgroup NAME COMMAND…`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def hierarchies() -> Iterator[Path]:
    """Where the trees are mounted that an init works in: version 2, and `name=systemd` of version 1."""
    for line in MOUNTS.read_text().splitlines():
        mounted, _, kind = line.partition(" - ")
        words = kind.split()
        if words[0] == "cgroup2" or (words[0] == "cgroup" and "name=systemd" in words[2].split(",")):
            yield Path(mounted.split()[4])


def groups(name: str) -> list[Path]:
    """The groups of this name that there are."""
    return [path for tree in hierarchies() if (path := tree / name).is_dir()]


def enter(name: str) -> None:
    """Move this process into its own group in each tree; a tree that cannot be written to is left alone."""
    for tree in hierarchies():
        with contextlib.suppress(OSError):
            (tree / name).mkdir(exist_ok=True)
            (tree / name / "cgroup.procs").write_text(str(os.getpid()))


def remove(name: str) -> None:
    """Remove the groups of a node that ended. One with a process in it stays; the kernel refuses."""
    for group in groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


if __name__ == "__main__":
    enter(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
