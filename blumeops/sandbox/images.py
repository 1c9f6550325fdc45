"""The Debian root that every host of the sandbox boots: built once, shared read-only, never changed.

It lies in the cache at `images/debian-KEY`, where KEY covers the whole recipe, so a changed recipe makes a
new image and an old checkout keeps its own. What differs between hosts (name, address, keys, mirrors) is
not in it: those files are links into `/etc/sandbox`, a folder that each host gets bound at its start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from blumeops import process
from blumeops.errors import EngineError, EngineMissing
from blumeops.layer import Notify
from blumeops.sandbox import engines

BUILD_TIMEOUT_SECONDS = 1800.0
"""A slow mirror needs minutes; a dead one must not hold `up` for ever."""

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "python3-minimal", "python3-apt", "sudo",
    "ca-certificates", "iproute2", "iputils-ping", "curl", "nftables", "tzdata", "procps", "netcat-openbsd",
)  # fmt: skip
"""What a small Debian server has anyway, and what Ansible, tailscaled and the tests call."""

DPKG_OPTIONS = (
    "force-unsafe-io",  # the hosts' disks are thrown away at each stop: nothing to lose to a power cut
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
)

TAILSCALED = (
    "TS_DEBUG_FIREWALL_MODE=nftables",
    "TS_NO_LOGS_NO_SUPPORT=true",
    # The relay on the bridge is headscale's own, without a certificate. Without a relay a node's first packet
    # to a peer is lost, and WireGuard says hello again only after five seconds.
    "TS_DEBUG_USE_DERP_HTTP=true",
)
"""The environment of every node agent."""

FILES = {
    "etc/ssh/sshd_config.d/10-sandbox.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n"
    ),
    # A copy, not a link: tailscaled rewrites it for MagicDNS.
    "etc/tmpfiles.d/sandbox.conf": "C /etc/resolv.conf 0644 root root - /etc/sandbox/resolv.conf\n",
    # The archive folder belongs to the machine outside, which the user _apt cannot write to.
    "etc/apt/apt.conf.d/10-sandbox": 'APT::Sandbox::User "root";\n',
    "usr/lib/python3/dist-packages/zip_import_cache.py": (
        Path(__file__).with_name("zip_import_cache.py").read_text()
    ),
    "usr/lib/python3/dist-packages/zip_import_cache.pth": "import zip_import_cache\n",
    "etc/systemd/system/tailscaled.service": (
        "[Unit]\nDescription=Tailscale node agent\nAfter=network.target\n"
        "ConditionFileIsExecutable=/usr/local/sbin/tailscaled\n\n"
        f"[Service]\nEnvironment={' '.join(TAILSCALED)}\n"
        "ExecStart=/usr/local/sbin/tailscaled --statedir=/var/lib/tailscale"
        " --socket=/run/tailscale/tailscaled.sock\n"
        "Restart=on-failure\nTimeoutStopSec=2\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
}

LINKS = {
    "etc/hostname": "sandbox/hostname",
    "etc/hosts": "sandbox/hosts",
    "etc/machine-id": "sandbox/machine-id",
    "etc/apt/sources.list": "../sandbox/sources.list",
    # nspawn brings 80-container-host0.network, which asks for DHCP; the file that sorts first wins.
    "etc/systemd/network/10-host0.network": "../../sandbox/host0.network",
    "etc/ssh/ssh_host_ed25519_key": "../sandbox/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub": "../sandbox/ssh_host_ed25519_key.pub",
    "root/.ssh/authorized_keys": "../../etc/sandbox/authorized_keys",
    "usr/local/sbin/tailscale": "tailscaled",
    "etc/systemd/system/multi-user.target.wants/tailscaled.service": "../tailscaled.service",
    "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": (
        "/lib/systemd/system/systemd-networkd.service"
    ),
    # A download that starts by itself would hold apt's lock while Ansible wants it.
    "etc/systemd/system/apt-daily.timer": "/dev/null",
    "etc/systemd/system/apt-daily-upgrade.timer": "/dev/null",
    "etc/systemd/system/getty.target": "/dev/null",
    "etc/systemd/system/console-getty.service": "/dev/null",
}


def cache() -> Path:
    """The folder of images, beside the engines: `$BLUMEOPS_CACHE`, else in the user's cache folder."""
    return engines.default_store().cache / "images"


def key() -> str:
    """16 hex digits over everything that goes into the image."""
    recipe = [PACKAGES, DPKG_OPTIONS, FILES, LINKS, codename(), platform.machine()]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def codename() -> str:
    """The Debian release of this machine, which the image follows, so that one mirror serves both."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def find() -> Path | None:
    """The image's root folder, or None when it is not built yet."""
    root = cache() / f"debian-{key()}"
    return root if root.is_dir() else None


def require() -> Path:
    """The image's root folder. Raises `EngineMissing` when it is not built yet."""
    root = find()
    if root is None:
        raise EngineMissing(
            "the hosts' Debian image is not built yet", where=str(cache()), hint="`blumeops up` builds it"
        )
    return root


def prerequisites() -> tuple[str, ...]:
    """The Debian packages that building and booting need and that are not installed here."""
    programs = {
        "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ip": "iproute2",
        "nft": "nftables", "ssh": "openssh-client", "nsenter": "util-linux",
    }  # fmt: skip
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return tuple(package for program, package in programs.items() if shutil.which(program, path=path) is None)


def build(notify: Notify) -> Path:
    """Build the image unless it is there, and return its root folder; about half a minute.

    Two builders at once are safe: the second waits and finds it done. What a killed build left is removed
    by the next one. Needs root. Raises `EngineError` with mmdebstrap's last words.
    """
    cache().mkdir(parents=True, exist_ok=True)
    with FileLock(cache() / "build.lock"):
        if (done := find()) is not None:
            return done
        _remove_unfinished()
        final = cache() / f"debian-{key()}"
        draft = cache() / f"unfinished-{os.getpid()}"
        notify(f"hosts' image: Debian {codename()}, {len(PACKAGES)} packages")
        with _removed_on_failure(draft):
            _bootstrap(draft)
            _furnish(draft)
            draft.rename(final)
        notify(f"hosts' image: built in {final}")
        return final


def sources() -> str:
    """This machine's own Debian mirrors, as lines of an apt `sources.list`.

    Asks apt, which knows every format that sources can have. Raises `EngineError` when there is none for
    this release.
    """
    done = process.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
            "Created-By: Packages",
        ],
        timeout=60,
    ).check()
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 2]
    ours = [row for row in rows if codename() and row[1].startswith(codename())]
    if not ours:
        raise EngineError(
            f"apt knows no mirror of {codename() or 'this system'}",
            where="/etc/apt",
            hint="see sources.list(5)",
        )
    return "".join(dict.fromkeys(f"deb {uri} {release} {part}\n" for uri, release, part in ours))


def _bootstrap(root: Path) -> None:
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", "--skip=cleanup/apt/lists"]
    argv += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    argv += [f"--include={','.join(PACKAGES)}", codename(), str(root), "-"]
    env = {**os.environ, "TMPDIR": str(root.parent), "LC_ALL": "C.UTF-8"}
    process.run(argv, input=sources(), env=env, timeout=BUILD_TIMEOUT_SECONDS).check(
        hint="can this machine reach its Debian mirror? try `apt-get update`"
    )


def _furnish(root: Path) -> None:
    for host_key in (root / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "root/.ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / "etc/sandbox").mkdir(exist_ok=True)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    (root / "usr/local/sbin/tailscaled").touch(mode=0o644)
    for name, aim in LINKS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(aim)


def _remove_unfinished() -> None:
    for folder in cache().glob("unfinished-*"):
        _remove(folder)


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _remove(folder)
        raise


def _remove(root: Path) -> None:
    """Remove a half-built root; first what mmdebstrap mounted in it (proc, sys, dev), deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([m for m in mounts if m.startswith(f"{root}/")]):
        process.run(["umount", "--lazy", mount], timeout=30)
    shutil.rmtree(root, ignore_errors=True)
