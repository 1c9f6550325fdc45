"""The hosts of the sandbox: `indri`, `sifaka` and the laptop `gilbert`, real Debian booted by systemd-nspawn.

All boot the same read-only image with an overlay in memory, so every start is clean, and each has the real
systemd, sshd and tailscaled. They hang on one bridge of the sandbox's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from blumeops import process
from blumeops.errors import Unreachable
from blumeops.sandbox import cgroup, engines, hosts_files, hosts_network, images
from blumeops.sandbox.component import Component, Part, Step, Tcp
from blumeops.sandbox.layout import LAPTOP, NODES, Layout

TUN = Path("/dev/net/tun")
BOOT_PATIENCE_SECONDS = 60.0
PATH_INSIDE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> str | None:
    """One line that says what this machine lacks to boot the hosts; None when nothing."""
    if sys.platform != "linux":
        return "the hosts need Linux"
    if os.geteuid() != 0:
        return "the hosts need root (systemd-nspawn, a network bridge)"
    if not TUN.exists():
        return f"the hosts need {TUN} (load the kernel's module tun)"
    if packages := images.prerequisites():
        return f"the hosts need Debian packages: apt-get install {' '.join(packages)}"
    if not images.codename():
        return "the hosts need a Debian system, whose release and mirrors they take"
    return None


def components(layout: Layout) -> tuple[Part, ...]:
    """The hosts and what they stand on, as data. The image and tailscaled must be there when they start."""
    image = images.find() or images.cache() / f"debian-{images.key()}"
    tailscaled = engines.find("tailscaled") or Path("/usr/sbin/tailscaled")
    return (
        Step(
            "bridge",
            run=lambda: _lay(layout),
            says=f"bridge {layout.bridge}, {layout.gateway}/{layout.network.prefixlen}, NAT to the outside",
            undo=lambda: _take_up(layout),
        ),
        Step(
            "host-files",
            run=lambda: _prepare(layout),
            says=f"keys, names and addresses of {', '.join(NODES)}; {hosts_files.ssh_config(layout)}",
            undo=lambda: _put_away(layout),
        ),
        *(_machine(layout, node, image, tailscaled) for node in NODES),
    )


def _machine(layout: Layout, node: str, image: Path, tailscaled: Path) -> Component:
    binds = [
        f"--bind-ro={hosts_files.node_folder(layout, node)}:/etc/sandbox",
        f"--bind-ro={tailscaled}:/usr/local/sbin/tailscaled",
        f"--bind={hosts_files.archives(layout, node)}:/var/cache/apt/archives",
        f"--bind={tailnet_state(layout, node)}:/var/lib/tailscale",
        f"--bind={TUN}",
    ]
    if node == LAPTOP:  # the machine outside plays the laptop's user: `tailscale --socket` talks to it
        binds.append(f"--bind={socket(layout).parent}:/run/tailscale")
    argv = (
        sys.executable, "-P", "-m", cgroup.__name__, layout.machine(node),
        "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={image}",
        "--volatile=overlay", "--boot", f"--machine={layout.machine(node)}", f"--hostname={node}",
        f"--network-bridge={layout.bridge}", "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        f"--setenv={_mark(layout, node)}", *binds,
    )  # fmt: skip
    return Component(
        node,
        argv=argv,
        ready=Tcp(layout.address(node), 22, banner=b"SSH-"),
        after=("bridge", "host-files"),
        patience=BOOT_PATIENCE_SECONDS,
    )


def socket(layout: Layout) -> Path:
    """The laptop's tailscaled, for `tailscale --socket`."""
    return layout.folder / LAPTOP / "tailscaled.sock"


def tailnet_state(layout: Layout, node: str) -> Path:
    """Where a node keeps its identity in the tailnet: it outlives the node, so a restart is no new device."""
    return layout.folder / "tailscale" / node


def target_table(_layout: Layout) -> dict[str, str]:
    """The `[hosts]` table of the target file; paths are relative to its folder."""
    return {"ssh_config": "ssh_config"}


def leader(layout: Layout, node: str) -> int | None:
    """The pid, on this machine, of a node's init; None when the node does not run."""
    return next(_inits(layout, node), None)


def execute(
    layout: Layout, node: str, argv: Sequence[str], *, timeout: float = 30.0, input: str | None = None
) -> process.Completed:
    """Run a program inside a node as root, without the network. Raises `Unreachable` when it does not run."""
    words, env = entering(layout, node, argv)
    return process.run(words, env=env, timeout=timeout, input=input)


def entering(layout: Layout, node: str, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The command that runs a program inside a node, and its environment. Raises `Unreachable`."""
    pid = leader(layout, node)
    if pid is None:
        raise Unreachable(f"{node} does not run", where=node, hint="`blumeops sandbox status` tells more")
    enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
    return [*enter, "--", *argv], {"PATH": PATH_INSIDE, "HOME": "/root", "LC_ALL": "C.UTF-8"}


def cut_power(layout: Layout, node: str) -> None:
    """End a node at once, as a power cut would; its disk, which is memory, goes with it."""
    from blumeops.sandbox.supervisor import Supervisor

    supervisor = Supervisor(layout.folder)
    if (pid := supervisor.pid(node)) is not None:
        process.end_group(pid, first=signal.SIGKILL)
    supervisor.end(node)
    hosts_files.keep_archives(layout, node)
    _end_strays(layout, node)


def _lay(layout: Layout) -> None:
    for node in NODES:
        _end_strays(layout, node)
    hosts_network.lay(layout)


def _take_up(layout: Layout) -> None:
    for node in NODES:
        _end_strays(layout, node)
    hosts_network.take_up(layout)


def _prepare(layout: Layout) -> None:
    images.require()
    engines.require("tailscaled")
    hosts_files.write(layout)
    hosts_files.fill_archives(layout)
    socket(layout).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    for node in NODES:
        tailnet_state(layout, node).mkdir(mode=0o700, parents=True, exist_ok=True)


def _put_away(layout: Layout) -> None:
    hosts_files.end_masters(layout)
    for node in NODES:
        hosts_files.keep_archives(layout, node)
    shutil.rmtree(socket(layout).parent, ignore_errors=True)


def _end_strays(layout: Layout, node: str) -> None:
    """End what an earlier start left and the supervisor does not know, and the link it would trip over.

    A host outlives its systemd-nspawn when that is killed with SIGKILL, so both are looked for.
    """
    from blumeops.sandbox.supervisor import Supervisor

    known = Supervisor(layout.folder).pid(node)
    if known is not None:
        return
    for pid in (*_nspawns(layout, node), *_inits(layout, node)):
        process.end_group(pid, first=signal.SIGKILL)
    hosts_files.end_master(layout, node)
    link = f"vb-{layout.machine(node)}"
    if Path("/sys/class/net", link).exists():
        process.run(["ip", "link", "delete", link], timeout=10)
    cgroup.remove(layout.machine(node))
    with contextlib.suppress(OSError):  # a killed nspawn could not remove its own
        Path("/run/systemd/nspawn/propagate", layout.machine(node)).rmdir()


def _nspawns(layout: Layout, node: str) -> Iterator[int]:
    mark = _mark(layout, node).encode()
    for pid in _pids():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"systemd-nspawn") and b"--setenv=" + mark in words:
                yield pid


def _inits(layout: Layout, node: str) -> Iterator[int]:
    mark = _mark(layout, node).encode()
    for pid in _pids():
        with contextlib.suppress(OSError, StopIteration):
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and _is_init(pid):
                yield pid


def _mark(layout: Layout, node: str) -> str:
    """What a node's init has in its environment, so that it is known for ours whatever else is gone."""
    return f"BLUMEOPS_NODE={layout.key}/{node}"


def _is_init(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("NSpid:")).split()[1:][1:] == ["1"]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
