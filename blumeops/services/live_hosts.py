"""What systemd on a host says: whether a unit is active, when a timer fired last, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from blumeops import probe, process
from blumeops.errors import Unreachable
from blumeops.target import Target

SECONDS = 25.0
LATE_SECONDS = 3600.0
"""How late a timer may be before it counts as stopped: RandomizedDelaySec, and a host that just woke up."""


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer and what it started: `fired` and `due` are Unix times, 0 for never; `result` is of systemd."""

    active: bool
    fired: float
    due: float
    result: str
    now: float

    @property
    def fine(self) -> bool:
        """It waits for its time, and what it started last time succeeded."""
        return self.active and self.result == "success" and not (0 < self.due < self.now - LATE_SECONDS)

    def __str__(self) -> str:
        if not self.active:
            return "the timer is not active"
        due = f"due {time.strftime('%Y-%m-%d %H:%M', time.gmtime(self.due))} UTC" if self.due else "not due"
        if not self.fired:
            return f"not run yet, {due}" + ("" if self.result == "success" else f"; {self.result}")
        return f"{self.result} {ago(self.now - self.fired)} ago, {due}"


def is_active(target: Target, host: str, unit: str) -> str:
    """systemd's word for a unit: `active`, `inactive`, `failed`, … Raises `Unreachable`."""
    done = _run(target, host, ["systemctl", "is-active", unit])
    said = done.stdout.strip()
    if not said:
        raise Unreachable(done.stderr.strip() or f"exit {done.returncode}", where=host)
    return said


def timer(target: Target, host: str, unit: str) -> Timer:
    """A timer's state and the result of the service of its name. Raises `Unreachable`."""
    active = _show(target, host, unit, "ActiveState").get("ActiveState") == "active"
    fired, due = _times(target, host, unit)
    service = _show(target, host, f"{unit.removesuffix('.timer')}.service", "Result,ExecMainExitTimestamp")
    by_hand = _unix(service.get("ExecMainExitTimestamp", ""))
    return Timer(
        active=active,
        fired=max(fired, by_hand),
        due=due,
        result=service.get("Result", "unknown"),
        now=time.time(),
    )


def _times(target: Target, host: str, unit: str) -> tuple[float, float]:
    """When a timer fired last and when it will next; `show` would write both in words."""
    done = _run(target, host, ["systemctl", "list-timers", "--all", "--output=json", unit])
    try:
        [known] = json.loads(done.stdout or "[]")
        return (known["last"] or 0) / 1e6, (known["next"] or 0) / 1e6
    except (ValueError, KeyError) as error:
        said = done.stderr.strip() or "systemd does not list it"
        raise Unreachable(f"{unit}: {said}", where=host) from error


def _show(target: Target, host: str, unit: str, properties: str) -> dict[str, str]:
    words = ["systemctl", "show", "--timestamp=unix", "--property", properties, unit]
    done = _run(target, host, words)
    if not done.ok:
        raise Unreachable(done.stderr.strip() or f"exit {done.returncode}", where=host)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _unix(said: str) -> float:
    """A time as `systemctl show --timestamp=unix` writes it: `@1790000000`, empty or `n/a` for never."""
    digits = said.removeprefix("@")
    return float(digits) if digits.isdigit() else 0.0


def _run(target: Target, host: str, argv: Sequence[str]) -> process.Completed:
    done = process.run(probe.way(target, host, argv), env=target.environment(), timeout=SECONDS)
    if done.returncode == 255:  # ssh's own status, and that of the sandbox's `on`
        raise Unreachable(done.stderr.strip() or "the connection failed", where=host)
    return done


def ago(seconds: float) -> str:
    """A duration as people say it: `3 min`, `5 h`, `2 days`."""
    minutes = max(seconds, 0) / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
