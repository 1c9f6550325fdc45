"""Names, addresses, ports and folders of one checkout's sandbox.

All of them derive from the checkout's path, so two checkouts on one machine never meet. What was chosen
is kept in `.sandbox/layout.json`: a second start uses the same values.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from blumeops import process
from blumeops.errors import BadInput, BlumeOpsError, Problem

HOSTS = ("indri", "sifaka")
LAPTOP = "gilbert"
NODES = (*HOSTS, LAPTOP)
BASE_DOMAIN = "homelab.test"
"""The tailnet's MagicDNS suffix; `.test` is reserved for this by RFC 6761."""

PORTS = (
    "control", "headscale", "headscale-grpc", "headscale-metrics",
    "etcd", "etcd-peer", "apiserver", "controller-manager", "scheduler", "kwok",
    "redis", "repo-server", "repo-server-metrics", "application-controller", "site",
)  # fmt: skip
FIRST_PORT = 20_000
LAST_PORT = 30_000
"""Below Linux's ephemeral ports (32768 and up), so no outgoing connection takes one of ours."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one sandbox is. `key` is six hex digits that name the checkout."""

    root: Path
    key: str
    subnet: str
    first_port: int

    @property
    def folder(self) -> Path:
        """All state of the sandbox; removing it forgets the sandbox."""
        return self.root / ".sandbox"

    @property
    def bridge(self) -> str:
        """The network bridge of the hosts; at most 15 characters (IFNAMSIZ)."""
        return f"blu-{self.key}"

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The hosts' private network."""
        return ipaddress.IPv4Network(self.subnet)

    @property
    def gateway(self) -> str:
        """The bridge's own address, where the tailnet's coordination server listens."""
        return str(self.network[1])

    def address(self, node: str) -> str:
        """The bridge address of a node."""
        return str(self.network[10 + NODES.index(node)])

    def machine(self, node: str) -> str:
        """The nspawn machine's name: short, because the kernel cuts `vb-NAME` at 15 characters."""
        return f"{node}-{self.key[:4]}"

    def port(self, name: str) -> int:
        """The port of one component."""
        return self.first_port + PORTS.index(name)

    def log(self, component: str) -> Path:
        """The log of one component."""
        return self.folder / "logs" / f"{component}.log"


def layout(root: Path) -> Layout:
    """The layout of a checkout's sandbox: the recorded one, or one that is free on this machine now."""
    root = root.resolve()
    path = root / ".sandbox" / "layout.json"
    return _kept(root, path) if path.exists() else _choose(root)


def _kept(root: Path, path: Path) -> Layout:
    try:
        values = json.loads(path.read_text())
        kept = Layout(root, values["key"], values["subnet"], values["first_port"])
        _ = kept.network
    except (ValueError, KeyError, TypeError) as error:
        hint = f"`blumeops down` cannot know its names any more; end what runs, then remove {path.parent}"
        raise BadInput([Problem("this is not a sandbox's layout", str(path), hint=hint)]) from error
    if (home := values.get("root", str(root))) != str(root):
        # A copied checkout: ending "its" processes would end those of the checkout it was copied from.
        raise BlumeOpsError(
            f"this sandbox belongs to the checkout {home}",
            where=str(path.parent),
            hint=f"remove {path.parent}; the next start makes one for this checkout",
        )
    return kept


def keep(chosen: Layout) -> None:
    """Record a layout, so that the next start uses the same names."""
    chosen.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    values = {**asdict(chosen), "root": str(chosen.root)}
    draft = chosen.folder / f".layout.json.{os.getpid()}"
    draft.write_text(json.dumps(values, indent=2) + "\n")
    draft.replace(chosen.folder / "layout.json")


def _choose(root: Path) -> Layout:
    digest = hashlib.sha256(str(root).encode()).digest()
    key = digest.hex()[:6]
    taken = _routes()
    start = int.from_bytes(digest[4:6]) % 4096
    subnets = (ipaddress.IPv4Network((0x0A700000 + ((start + n) % 4096) * 256, 24)) for n in range(4096))
    subnet = next((net for net in subnets if not any(net.overlaps(route) for route in taken)), None)
    if subnet is None:
        raise BlumeOpsError("no free subnet in 10.112.0.0/12", hint="`ip route` shows who uses them")
    slots = (LAST_PORT - FIRST_PORT) // len(PORTS)
    begin = int.from_bytes(digest[6:8]) % slots
    firsts = (FIRST_PORT + ((begin + n) % slots) * len(PORTS) for n in range(slots))
    first = next((port for port in firsts if all(_free(port + n) for n in range(len(PORTS)))), None)
    if first is None:
        raise BlumeOpsError(
            f"no {len(PORTS)} free ports in a row from {FIRST_PORT} to {LAST_PORT}", hint="`ss -ltnp`"
        )
    return Layout(root, key, str(subnet), first)


def _routes() -> list[ipaddress.IPv4Network]:
    done = process.run(["ip", "-json", "-4", "route", "show", "table", "all"], timeout=10)
    names = [route["dst"] for route in json.loads(done.stdout or "[]")] if done.ok else []
    return [ipaddress.IPv4Network(name, strict=False) for name in names if name[0].isdigit()]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
