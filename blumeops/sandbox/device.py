"""A further device in the sandbox's tailnet, for a rehearsal: somebody's phone, a machine that is set up.

It is real: a `tailscaled` of its own in a network namespace of the laptop, with its own address on the
hosts' bridge. It joins by a person's login or by a key, and probes can look from it. It lives until `leave`,
or until the laptop ends.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from blumeops import mode, process
from blumeops.errors import BlumeOpsError, EngineError
from blumeops.sandbox import engines, hosts, images
from blumeops.sandbox.layout import LAPTOP, Layout, layout
from blumeops.target import Secret, Target

T = TypeVar("T")

JOIN_SECONDS = 20.0
FIRST_HOST = 100
"""The bridge addresses from `.100` to `.199` are for such devices; the nodes have `.10` to `.12`."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def sign_in(target: Target, name: str, login: str) -> Target:
    """Let a person's new device join by their login; returns the target with a way to look from it.

    In place of the browser, where the person would sign in, headscale's own command line says who it is.
    """
    mode.require_change(f"signing in {name}")
    place = _layout(target, name)
    _start(place, name)
    # It gives the address to visit and goes; the device itself waits until somebody has signed in.
    _up(place, name, "--timeout=1s")
    address = _until(place, name, lambda said: said.get("AuthURL", ""))
    _headscale(place, "nodes", "register", "--user", login, "--key", address.rpartition("/")[2])
    _until(place, name, lambda said: said.get("BackendState") == "Running")
    return seen_from(target, name)


def join(target: Target, name: str, key: Secret) -> Target:
    """Let a device join with a key, anew if it has joined; returns the target with a way to look from it.

    Raises `EngineError` with what the device says when the tailnet does not let it in; it is logged out then.
    """
    mode.require_change(f"joining with {name}")
    place = _layout(target, name)
    _start(place, name)
    inside = f"{_folder(name)}/key"
    # Through a file and standard input, so that the key never stands in a process's arguments.
    _run(place, "install", "-m", "600", "/dev/stdin", inside, input=key.reveal())
    try:
        done = _up(place, name, f"--auth-key=file:{inside}", f"--timeout={JOIN_SECONDS:.0f}s")
    finally:
        _run(place, "rm", "-f", inside)
    if not done.ok:
        # It would try this key again for a while, and the next join would be told of that.
        hosts.execute(place, LAPTOP, [*_client(name), "logout"], timeout=JOIN_SECONDS)
        said = done.stderr.replace(key.reveal(), "[secret]").strip().splitlines()
        raise EngineError(said[-1] if said else f"exit {done.returncode}", where=name)
    return seen_from(target, name)


def leave(target: Target, name: str) -> None:
    """End a device and take away its network; the tailnet knows it until it is deleted there. Idempotent."""
    mode.require_change(f"taking away {name}")
    _run(_layout(target, name), "sh", "-c", _LEAVE, "leave", name)


def seen_from(target: Target, name: str) -> Target:
    """The target with a way to look from a device that has joined."""
    way = (*target.vantage[LAPTOP], "ip", "netns", "exec", name)
    return replace(target, vantage={**target.vantage, name: way})


def _layout(target: Target, name: str) -> Layout:
    if not target.is_sandbox:
        raise BlumeOpsError(
            f"target {target.name!r} is no sandbox, so its devices are people's own",
            hint="its owner does this step on the device",
        )
    if not _NAME.fullmatch(name):
        raise BlumeOpsError(f"{name!r} is no name for a device", hint="a to z, 0 to 9 and dashes, at most 31")
    return layout(target.state.parent.parent)


def _start(place: Layout, name: str) -> None:
    """Give the device its network and its tailscaled, unless it has them."""
    host = FIRST_HOST + zlib.crc32(name.encode()) % 100
    address = f"{place.network[host]}/{place.network.prefixlen}"
    agent = " ".join(images.TAILSCALED)
    _run(place, "sh", "-c", _START, "start", name, address, place.gateway, _folder(name), agent)


_START = """
set -e
systemctl is-active --quiet "device-$1" && exit 0
mkdir -p "/etc/netns/$1"
cp /etc/sandbox/resolv.conf "/etc/netns/$1/resolv.conf"
# Its own names, too: for the laptop its own name is itself.
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$1" > "/etc/netns/$1/hosts"
ip netns add "$1"
ip link add link host0 name uplink netns "$1" type macvlan mode bridge
ip -netns "$1" address add "$2" dev uplink
ip -netns "$1" link set lo up
ip -netns "$1" link set uplink up
ip -netns "$1" route add default via "$3"
# Its own /etc: tailscaled writes the resolver's configuration there, and the laptop has one of its own.
systemd-run --quiet --collect --unit="device-$1" --property=RuntimeDirectory="device-$1" \
    --property=NetworkNamespacePath="/run/netns/$1" --property=BindPaths="/etc/netns/$1:/etc" \
    --property=KillSignal=SIGKILL --property=Environment="$5" \
    /usr/local/sbin/tailscaled --state=mem: --statedir="$4" --socket="$4/tailscaled.sock" --port=0
"""
_LEAVE = """
systemctl stop "device-$1" 2>/dev/null || true
! ip netns list | grep -qw -- "$1" || ip netns delete "$1"
rm -rf "/etc/netns/$1"
"""


def _folder(name: str) -> str:
    return f"/run/device-{name}"


def _up(place: Layout, name: str, *options: str) -> process.Completed:
    server = f"--login-server=http://{place.gateway}:{place.port('headscale')}"
    words = ["up", server, f"--hostname={name}", "--accept-dns=true", "--force-reauth", *options]
    return hosts.execute(place, LAPTOP, [*_client(name), *words], timeout=JOIN_SECONDS + 10)


def _client(name: str) -> tuple[str, ...]:
    return ("tailscale", f"--socket={_folder(name)}/tailscaled.sock")


def _until(place: Layout, name: str, found: Callable[[Mapping[str, Any]], T]) -> T:
    """Ask the device for its state until `found` has what it looks for in it."""
    deadline = time.monotonic() + JOIN_SECONDS
    while time.monotonic() < deadline:
        done = hosts.execute(place, LAPTOP, [*_client(name), "status", "--json"], timeout=10)
        with contextlib.suppress(ValueError):
            if answer := found(json.loads(done.stdout)):
                return answer
        time.sleep(0.1)
    raise EngineError(f"has not joined the tailnet after {JOIN_SECONDS:.0f} s", where=name)


def _headscale(place: Layout, *words: str) -> None:
    # Its socket's path is relative to the folder of its state, see `Headscale`.
    folder = place.folder / "tailnet" / "state"
    argv = [str(engines.require("headscale")), "--config", str(folder / "headscale.json"), *words]
    process.run(argv, cwd=folder, timeout=10).check()


def _run(place: Layout, *argv: str, input: str | None = None) -> None:
    hosts.execute(place, LAPTOP, argv, input=input).check()
