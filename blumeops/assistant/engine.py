"""Asks the layers: `status`, `plan` or `drift` of one target, in a process of its own.

    python -m blumeops.assistant.engine ROOT TARGET SCRATCH VERB [LAYER]…

JSON lines come out: `{"progress": "…"}`, and at the end `{"report": {…}}` or `{"error": {…}}`.

Engines have to write while they look, so this process may: below its own temporary folder, the folders of
scratch in the target's state and of Ansible's in the home, Git's store of objects (a commit that only the
remote has is fetched), and sockets where OpenSSH keeps those of shared connections. Landlock refuses all the
rest, to all engines that it starts as well: no file of the work tree, no branch, no index, no journal, no
state of Pulumi. `BLUMEOPS_MODE=read` makes the library refuse to apply.

What is not held by a net: the network. An engine speaks to the live layer with the target's own credentials.
That it only looks there is what the engine's own modes promise (`preview`, `--check`, reading objects);
credentials that may only read would hold it for certain. Asking Argo CD to look again leaves its mark on the
Application until it has.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blumeops.target import Target

VERBS = ("status", "plan", "drift")
SCRATCH = ("workspace", "plugin", "ansible")
"""The folders below a target's state that engines write while they look."""

_DEVICES = ("/dev/null", "/dev/ptmx", "/dev/pts", "/dev/tty", "/dev/shm")


def main(argv: Sequence[str]) -> int:
    """Ask, and say what came; the exit status is 0 whatever came."""
    from blumeops.errors import BadInput, BlumeOpsError
    from blumeops.homelab import Homelab

    root, target, scratch, verb, *layers = argv
    signal.signal(signal.SIGTERM, _interrupted)  # so that the library ends its engines, as after Ctrl-C
    try:
        asked = Homelab.open(target=target, root=Path(root))
        _confine(asked.target, Path(root), Path(scratch))
        question = {"status": asked.status, "plan": asked.plan, "drift": asked.drift}[verb]
        _say({"report": question(layers, notify=lambda line: _say({"progress": line})).to_dict()})
    except BlumeOpsError as error:
        what = str(error) if isinstance(error, BadInput) else error.what
        _say({"error": {"what": what, "where": error.where, "hint": error.hint}})
    return 0


def _confine(target: Target, root: Path, scratch: Path) -> None:
    """Give up the right to write anything but scratch, before any engine starts."""
    from blumeops.assistant import landlock

    folders = [target.state / name for name in SCRATCH]
    folders += [Path.home() / ".ansible" / name for name in ("tmp", "cp")]
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ |= {
        "TMPDIR": str(scratch),
        "PULUMI_HOME": str(scratch / "pulumi"),
        "GIT_OPTIONAL_LOCKS": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    tempfile.tempdir = str(scratch)
    objects = root / ".git" / "objects"
    config = target.hosts.ssh_config if target.hosts else None
    shared = [*_shared_connections(config), *_shared_connections(Path.home() / ".ssh" / "config")]
    landlock.restrict([*folders, scratch, objects, *map(Path, _DEVICES)], sockets=shared, network=True)


def _shared_connections(config: Path | None) -> Iterator[Path]:
    """The folders in which OpenSSH keeps the sockets of connections that are shared (`ControlPath`)."""
    if config is None or not config.is_file():
        return
    for line in config.read_text(errors="replace").splitlines():
        word, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if word.casefold() == "controlpath" and "/" in value:
            yield Path(value.strip().strip('"')).expanduser().parent


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)
