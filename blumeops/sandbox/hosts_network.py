"""The hosts' private network: one bridge, one masquerade rule, and nothing of it left afterwards.

Everything carries the bridge's name, which derives from the checkout, so that taking it away can never touch
somebody else's rule. Both functions are idempotent.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from blumeops import process
from blumeops.sandbox.layout import Layout

TIMEOUT_SECONDS = 15.0
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
FORWARDING_BEFORE = Path("/run/blumeops/ip_forward.before")
"""What the switch was before the first sandbox of this machine; the last one to go puts it back."""


def lay(layout: Layout) -> None:
    """Make the bridge with its address, switch forwarding on, and let the hosts reach the outside."""
    if not Path("/sys/class/net", layout.bridge).exists():
        _ip("link", "add", "name", layout.bridge, "type", "bridge").check()
    _ip("address", "replace", f"{layout.gateway}/{layout.network.prefixlen}", "dev", layout.bridge).check()
    _ip("link", "set", layout.bridge, "up").check()
    if FORWARDING.read_text().strip() == "0":
        FORWARDING_BEFORE.parent.mkdir(mode=0o755, exist_ok=True)
        FORWARDING_BEFORE.write_text("0\n")
        FORWARDING.write_text("1\n")
    process.run(["nft", "-f", "-"], input=_table(layout), timeout=TIMEOUT_SECONDS).check()
    _forget_accepting(layout)
    if _forwarding_is_refused():
        for rule in _accepting(layout):
            _iptables("-I", "FORWARD", *rule).check()


def take_up(layout: Layout) -> None:
    """Remove the rules, the bridge and what hangs on it; what is absent already is fine."""
    if shutil.which("nft"):
        process.run(["nft", "delete", "table", "ip", layout.bridge], timeout=TIMEOUT_SECONDS)
    _forget_accepting(layout)
    for name in _ports(layout):
        _ip("link", "delete", name)
    if Path("/sys/class/net", layout.bridge).exists():
        _ip("link", "delete", layout.bridge).check()
    if FORWARDING_BEFORE.exists() and not list(Path("/sys/class/net").glob("blu-*")):
        FORWARDING.write_text(FORWARDING_BEFORE.read_text())
        FORWARDING_BEFORE.unlink()
        with contextlib.suppress(OSError):
            FORWARDING_BEFORE.parent.rmdir()


def _table(layout: Layout) -> str:
    """One nftables table of ours. Declared, deleted, declared: nft's idiom for "exactly this"."""
    name = layout.bridge
    return (
        f"table ip {name}\ndelete table ip {name}\n"
        f"table ip {name} {{\n"
        "  chain postrouting {\n    type nat hook postrouting priority srcnat;\n"
        f'    ip saddr {layout.subnet} ip daddr != {layout.subnet} masquerade comment "{name}"\n'
        "  }\n}\n"
    )


def _forwarding_is_refused() -> bool:
    """Docker and firewalls set FORWARD's policy to drop; an accept in a table of ours cannot lift that."""
    if not shutil.which("iptables"):
        return False
    return _iptables("-S", "FORWARD").stdout.startswith("-P FORWARD DROP")


def _accepting(layout: Layout) -> list[list[str]]:
    mark = ["-m", "comment", "--comment", layout.bridge, "-j", "ACCEPT"]
    return [["-i", layout.bridge, *mark], ["-o", layout.bridge, *mark]]


def _forget_accepting(layout: Layout) -> None:
    if shutil.which("iptables"):
        for rule in _accepting(layout):
            while _iptables("-C", "FORWARD", *rule).ok:
                _iptables("-D", "FORWARD", *rule).check()


def _ports(layout: Layout) -> list[str]:
    done = _ip("-json", "link", "show", "master", layout.bridge)
    return [link["ifname"] for link in json.loads(done.stdout or "[]")] if done.ok else []


def _ip(*words: str) -> process.Completed:
    return process.run(["ip", *words], timeout=TIMEOUT_SECONDS)


def _iptables(*words: str) -> process.Completed:
    return process.run(["iptables", "-w", "5", *words], timeout=TIMEOUT_SECONDS)
