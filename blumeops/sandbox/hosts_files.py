"""The files of the hosts that are not in their image: names, addresses, mirrors, and the keys of SSH.

Each node's folder, `.sandbox/nodes/NODE`, is bound to `/etc/sandbox` inside it. All keys are made on this
machine, once per sandbox, so the client knows every host key before the first connection and never has to
trust on first use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from blumeops import process
from blumeops.sandbox import images
from blumeops.sandbox.layout import NODES, Layout

KEYGEN_TIMEOUT_SECONDS = 30.0


def node_folder(layout: Layout, node: str) -> Path:
    """The folder that a node sees as `/etc/sandbox`."""
    return layout.folder / "nodes" / node


def archives(layout: Layout, node: str) -> Path:
    """The folder that a node sees as `/var/cache/apt/archives`."""
    return layout.folder / "apt" / node


def masters(layout: Layout) -> Path:
    """The folder of SSH's control sockets: short, because a socket's path has at most 107 characters."""
    return Path("/run/blumeops") / layout.key


def ssh_config(layout: Layout) -> Path:
    """The OpenSSH client configuration that knows every node by its name."""
    return layout.folder / "ssh_config"


def write(layout: Layout) -> None:
    """Write every node's folder, the keys that are missing, and the client's configuration."""
    _keypair(layout.folder / "ssh" / "id_ed25519", f"sandbox {layout.key}")
    authorised = (layout.folder / "ssh" / "id_ed25519.pub").read_text()
    sources, resolv = images.sources(), _resolv_conf()
    known = []
    for node in NODES:
        folder = node_folder(layout, node)
        _keypair(folder / "ssh_host_ed25519_key", f"root@{node}")
        kind, key, *_ = (folder / "ssh_host_ed25519_key.pub").read_text().split()
        known.append(f"{node},{layout.address(node)} {kind} {key}\n")
        _write(folder / "authorized_keys", authorised)
        _write(folder / "hostname", f"{node}\n")
        _write(folder / "hosts", f"127.0.0.1 localhost\n127.0.1.1 {node}\n::1 localhost ip6-localhost\n")
        _write(folder / "machine-id", hashlib.md5(f"{layout.key} {node}".encode()).hexdigest() + "\n")
        _write(folder / "host0.network", _network(layout, node))
        _write(folder / "sources.list", sources)
        _write(folder / "resolv.conf", resolv)
        folder.chmod(0o755)  # users other than root resolve names through it
    _write(layout.folder / "ssh" / "known_hosts", "".join(known))
    masters(layout).mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(ssh_config(layout), _client(layout))


def fill_archives(layout: Layout) -> None:
    """Give each node the packages that an earlier sandbox downloaded, and keep what it downloaded since.

    Hard links, not one shared folder: apt locks its archive folder, and two sandboxes must not wait for
    each other.
    """
    store = _store()
    for node in NODES:
        folder = archives(layout, node)
        (folder / "partial").mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_archives(layout, node)
        for package in store.glob("*.deb"):
            _link(package, folder / package.name)


def keep_archives(layout: Layout, node: str) -> None:
    """Keep the packages that a node downloaded for the next sandbox."""
    store = _store()
    for package in archives(layout, node).glob("*.deb"):
        _link(package, store / package.name)


def _store() -> Path:
    """Downloaded packages, for all sandboxes of this user; a package's file name says its version."""
    store = images.cache().parent / "apt" / images.codename()
    store.mkdir(parents=True, exist_ok=True)
    return store


def end_masters(layout: Layout) -> None:
    """End the shared SSH connections, which outlive the commands that opened them."""
    for node in NODES:
        end_master(layout, node)
    shutil.rmtree(masters(layout), ignore_errors=True)
    with contextlib.suppress(OSError):  # other sandboxes have theirs in it
        masters(layout).parent.rmdir()


def end_master(layout: Layout, node: str) -> None:
    """End the shared SSH connection to one node, which would hang when the node was started anew."""
    if (masters(layout) / node).exists():
        process.run(["ssh", "-F", ssh_config(layout), "-O", "exit", node], timeout=10)
        (masters(layout) / node).unlink(missing_ok=True)


def _network(layout: Layout, node: str) -> str:
    return (
        "[Match]\nName=host0\n\n[Network]\n"
        f"Address={layout.address(node)}/{layout.network.prefixlen}\nGateway={layout.gateway}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\n"
    )


def _client(layout: Layout) -> str:
    hosts = "".join(f"Host {node}\n  HostName {layout.address(node)}\n" for node in NODES)
    return (
        f"# Written by `blumeops sandbox up`. Use: ssh -F {ssh_config(layout)} {NODES[0]}\n"
        f"{hosts}Host {' '.join(NODES)}\n"
        "  User root\n"
        f'  IdentityFile "{layout.folder / "ssh" / "id_ed25519"}"\n'
        "  IdentitiesOnly yes\n  IdentityAgent none\n"
        f'  UserKnownHostsFile "{layout.folder / "ssh" / "known_hosts"}"\n'
        "  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n  ConnectTimeout 5\n  ServerAliveInterval 5\n  ServerAliveCountMax 3\n"
        "  LogLevel ERROR\n"
        f"  ControlMaster auto\n  ControlPath {masters(layout)}/%n\n  ControlPersist 60\n"
    )


def _resolv_conf() -> str:
    """This machine's name servers; behind systemd-resolved its upstreams, as 127.0.0.53 ends at the host."""
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if path.exists():
            lines = [line for line in path.read_text().splitlines() if line.startswith("nameserver")]
            if usable := [line for line in lines if not line.split()[1].startswith(("127.", "::1"))]:
                return "\n".join(usable) + "\n"
    return ""


def _keypair(path: Path, comment: str) -> None:
    if path.exists() and path.with_suffix(".pub").exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    argv: list[str | Path] = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path]
    process.run(argv, timeout=KEYGEN_TIMEOUT_SECONDS).check()


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(path)


def _link(source: Path, destination: Path) -> None:
    if destination.exists():
        return
    try:
        os.link(source, destination)
    except OSError:  # another file system
        draft = destination.with_name(f".{destination.name}.{os.getpid()}")
        shutil.copyfile(source, draft)
        draft.replace(destination)
