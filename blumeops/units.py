"""The systemd units of a node: how one is, what it wrote, and to restart it.

A look needs no more than a login; reading the journal and restarting want root or `sudo` without a password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blumeops import mode, probe, process
from blumeops.errors import EngineError, Unreachable
from blumeops.target import Target

SECONDS = 60.0
"""How long one command on a node may take, unless said otherwise."""

_AS_ROOT = ("sh", "-c", 'test "$(id -u)" = 0 || exec sudo -n -- "$@"; exec "$@"', "sh")
"""Runs the words behind it as root: directly where the login is root, else with sudo, which never asks."""

_PROPERTIES = "LoadState,ActiveState,SubState,Result,ActiveEnterTimestamp"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it is, in systemd's words: `active (running)`, `failed (failed)`, …

    `result` says why it ended (`success`, `exit-code`, `oom-kill`, …), `since` when it became active last.
    """

    node: str
    name: str
    state: str
    detail: str
    result: str
    since: str

    @property
    def active(self) -> bool:
        """Whether systemd calls it active."""
        return self.state == "active"

    def __str__(self) -> str:
        why = "" if self.result in ("", "success") else f", {self.result}"
        since = f", since {self.since}" if self.active and self.since else ""
        return f"{self.node}: {self.name}: {self.state} ({self.detail}){why}{since}"


def look(target: Target, node: str, name: str) -> Unit:
    """Look at one unit. Raises `EngineError` for one that systemd does not know, or `Unreachable`."""
    done = _run(target, node, ["systemctl", "show", "--property", _PROPERTIES, "--", name]).check()
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if said.get("LoadState") == "not-found":
        raise EngineError(f"there is no unit {name}", where=node, hint="`systemctl list-units` names them")
    return Unit(
        node,
        name,
        said.get("ActiveState", "unknown"),
        said.get("SubState", "unknown"),
        said.get("Result", ""),
        said.get("ActiveEnterTimestamp", ""),
    )


def log(target: Target, node: str, name: str, *, lines: int = 10) -> str:
    """The last lines that a unit wrote to the journal, oldest first."""
    words = ["journalctl", "--unit", name, "--lines", str(lines), "--no-pager", "--output", "short-iso"]
    return _run(target, node, [*_AS_ROOT, *words]).check().stdout


def restart(target: Target, node: str, name: str, *, seconds: float = SECONDS) -> Unit:
    """Restart one unit, wait for it, and look at it; a unit that fails is an answer, not an exception.

    A unit of type oneshot runs once, to its end; `seconds` is how long that may take.
    """
    mode.require_change(f"restarting {name} on {node}")
    _run(target, node, [*_AS_ROOT, "systemctl", "reset-failed", "--", name])
    _run(target, node, [*_AS_ROOT, "systemctl", "restart", "--", name], seconds=seconds)
    return look(target, node, name)


def _run(target: Target, node: str, argv: Sequence[str], *, seconds: float = SECONDS) -> process.Completed:
    done = process.run(probe.way(target, node, argv), env=target.environment(), timeout=seconds)
    if done.returncode == 255:  # ssh's own status, and that of the sandbox's `on`
        raise Unreachable(done.stderr.strip() or "the connection failed", where=node)
    return done
