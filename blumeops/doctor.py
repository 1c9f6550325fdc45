"""What this machine needs for BlumeOps, what it has of it, and the fix for what is missing.

`examine` only looks: it starts a handful of programs that print their version, and nothing on the network.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from blumeops import process
from blumeops.errors import BlumeOpsError, EngineError
from blumeops.layer import Notify
from blumeops.sandbox import engines, engines_build, images
from blumeops.sandbox.engines import Source

SPARE_GIGABYTES = 3.0
"""For the hosts' image (0.4 GB), the Python environment (1 GB) and the data of a sandbox."""

APT_SECONDS = 1800.0
"""A slow mirror needs minutes; a dead one must not hold `up` for ever."""
TUN = Path("/dev/net/tun")


class Kind(StrEnum):
    """What sort of thing a prerequisite is; `PACKAGE` is what `install_packages` can install."""

    SYSTEM = "system"
    PROGRAM = "program"
    PACKAGE = "package"
    ENGINE = "engine"
    IMAGE = "image"
    PLUGIN = "plugin"


class State(StrEnum):
    """`MISSING` has a fix; `OPTIONAL` is not there either, but only the part that it names goes without."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One thing that BlumeOps needs: its version here, where that comes from, and what to do about it."""

    name: str
    kind: Kind
    version: str
    source: str
    state: State
    fix: str = ""

    def __str__(self) -> str:
        said = f"{self.name} {self.version or self.state.value}"
        return said if self.state is State.OK else f"{said}: {self.fix}"


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, a program that shows it is there, and what it is for."""

    name: str
    program: str
    purpose: str
    optional: bool = False


PACKAGES = (
    Package("mmdebstrap", "mmdebstrap", "the hosts' image"),
    Package("systemd-container", "systemd-nspawn", "the hosts"),
    Package("iproute2", "ip", "the hosts' bridge"),
    Package("nftables", "nft", "the hosts' way to the package mirror"),
    Package("openssh-client", "ssh", "Ansible's way to the hosts"),
    Package("redis-server", "redis-server", "Argo CD"),
    Package("chromium", "chromium", "the tests of the site", optional=True),
)


def examine(root: Path) -> tuple[Prerequisite, ...]:
    """Everything that BlumeOps needs, for the checkout at `root`, in under a second."""
    return (*_system(root), *_programs(), *_packages(), *_engines(), _image(), _plugin())


def missing_packages() -> tuple[str, ...]:
    """The Debian packages that are needed and not here, by name; optional ones are not among them."""
    return tuple(p.name for p in PACKAGES if not p.optional and _which(p.program) is None)


def install_packages(names: Sequence[str], notify: Notify) -> None:
    """Install Debian packages. Raises `BlumeOpsError` with the exact command when this user may not."""
    if not names:
        return
    command = f"apt-get install --yes {' '.join(names)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BlumeOpsError(f"Debian packages are missing: {', '.join(names)}", hint=f"as root: {command}")
    notify(f"Debian packages: {' '.join(names)}")
    if any(Path("/var/lib/dpkg/updates").glob("*")):
        _apt(["dpkg", "--configure", "-a"])  # an install that was killed; apt refuses all work before this
    _apt(["apt-get", "update", "--quiet"])
    options = ["--yes", "--quiet", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    _apt(["apt-get", "install", *options, *names])
    if "redis-server" in names and Path("/run/systemd/system").is_dir():
        # Debian starts what it installs; the sandbox runs its own on its own port.
        process.run(["systemctl", "disable", "--now", "redis-server"], timeout=60)


def _apt(argv: Sequence[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = process.run(argv, env=env, timeout=APT_SECONDS)
    done.check(hint=f"is the Debian mirror reachable? as root, by hand: {' '.join(argv)}")


def _system(root: Path) -> tuple[Prerequisite, ...]:
    linux = sys.platform == "linux"
    is_root = os.geteuid() == 0
    absent = State.OPTIONAL
    return (
        Prerequisite(
            "Linux",
            Kind.SYSTEM,
            platform.release(),
            platform.platform(terse=True),
            State.OK if linux else absent,
            "" if linux else "the hosts of the sandbox are left out",
        ),
        Prerequisite(
            "root",
            Kind.SYSTEM,
            "yes" if is_root else "no",
            f"user {os.geteuid()}",
            State.OK if is_root else absent,
            "" if is_root else "run it as root to have the hosts of the sandbox",
        ),
        Prerequisite(
            str(TUN),
            Kind.SYSTEM,
            "yes" if TUN.exists() else "",
            "kernel",
            State.OK if TUN.exists() else absent,
            "" if TUN.exists() else "`modprobe tun` as root; without it the hosts are left out",
        ),
        _disk(root),
    )


def _disk(root: Path) -> Prerequisite:
    store = engines.default_store()
    place = next(folder for folder in (store.cache, *store.cache.parents) if folder.exists())
    free = min(shutil.disk_usage(place).free, shutil.disk_usage(root).free) / engines_build.GIGABYTE
    needed = engines_build.space_needed(store, store.missing()) / engines_build.GIGABYTE + SPARE_GIGABYTES
    fix = f"{needed:.0f} GB are needed: make room, or set BLUMEOPS_CACHE to a folder on a larger disk"
    state = State.OK if free >= needed else State.MISSING
    return Prerequisite(
        "free disk",
        Kind.SYSTEM,
        f"{free:.0f} GB",
        f"of {needed:.0f} GB for a while in {store.cache}",
        state,
        "" if state is State.OK else fix,
    )


def _programs() -> tuple[Prerequisite, ...]:
    python = platform.python_version()
    return (
        Prerequisite("Python", Kind.PROGRAM, python, sys.executable, State.OK),
        _program("git"),
        _program("make"),
    )


def _program(name: str) -> Prerequisite:
    path = _which(name)
    if path is None:
        return Prerequisite(name, Kind.PROGRAM, "", "", State.MISSING, f"as root: apt-get install {name}")
    said = process.run([path, "--version"], timeout=10).stdout.split()
    version = next((word for word in said if word[0].isdigit()), "")
    return Prerequisite(name, Kind.PROGRAM, version, path, State.OK)


def _packages() -> tuple[Prerequisite, ...]:
    versions = _debian_versions()
    return tuple(_package(package, versions.get(package.name, "")) for package in PACKAGES)


def _package(package: Package, version: str) -> Prerequisite:
    path = _which(package.program)
    if path is not None:
        return Prerequisite(package.name, Kind.PACKAGE, version, path, State.OK)
    state = State.OPTIONAL if package.optional else State.MISSING
    fix = f"as root: apt-get install {package.name} (for {package.purpose})"
    return Prerequisite(package.name, Kind.PACKAGE, "", "", state, fix)


def _debian_versions() -> dict[str, str]:
    """The installed packages among ours with their versions; empty where there is no dpkg."""
    try:
        done = process.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *(p.name for p in PACKAGES)],
            timeout=10,
        )
    except EngineError:
        return {}
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _engines() -> tuple[Prerequisite, ...]:
    store = engines.default_store()
    return tuple(_engine(store.locate(engine, engine.binaries[0])) for engine in store.engines)


def _engine(found: engines.Located) -> Prerequisite:
    if found.source is Source.MISSING:
        fix = f"`blumeops engines build {found.engine}` (`blumeops up` does it too)"
        return Prerequisite(found.engine, Kind.ENGINE, "", found.source.value, State.MISSING, fix)
    source = f"{found.source.value}: {found.path}"
    return Prerequisite(found.engine, Kind.ENGINE, found.version, source, State.OK)


def _image() -> Prerequisite:
    name, path = "hosts' image", images.find()
    if path is not None:
        version = f"Debian {images.codename()}"
        return Prerequisite(name, Kind.IMAGE, version, str(path), State.OK)
    state = State.MISSING if os.geteuid() == 0 else State.OPTIONAL
    return Prerequisite(name, Kind.IMAGE, "", "", state, "`blumeops up` as root builds it, in half a minute")


def _plugin() -> Prerequisite:
    """Pulumi's plugin for the tailnet: the official one where it is installed, else ours."""
    name = "tailnet plugin"
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = sorted(home.glob("plugins/resource-tailscale-v*/pulumi-resource-tailscale"))
    if installed:
        version = installed[-1].parent.name.rpartition("-v")[2]
        return Prerequisite(name, Kind.PLUGIN, version, f"official: {installed[-1]}", State.OK)
    version = importlib.metadata.version("pulumi-tailscale")
    return Prerequisite(name, Kind.PLUGIN, version, "blumeops: serves what the homelab uses", State.OK)


def _which(program: str) -> str | None:
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return shutil.which(program, path=path)
