"""Doors: what a connection should meet, beside what a real one meets.

A door is a port of a host, seen from one device: `sifaka:22`. A policy is proved with connections that must
open and connections that must not; either alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blumeops import probe
from blumeops.errors import BlumeOpsError
from blumeops.probe import Answer, Reach
from blumeops.table import Table
from blumeops.target import Target

PATIENCE_SECONDS = 20.0
"""Nodes take over a new policy within a second or two; a first connection may need a few more."""


@dataclass(frozen=True, slots=True)
class Door:
    """One door: whether it should be open, and what a real connection met."""

    open: bool
    answer: Answer

    @property
    def holds(self) -> bool:
        """Whether it is as it should be. A host that refuses was reached: nothing listens there."""
        return self.open == (self.answer.reach in (Reach.OPEN, Reach.REFUSED))


@dataclass(frozen=True, slots=True)
class Seen:
    """All doors that were tried, from one device."""

    doors: tuple[Door, ...]

    @property
    def hold(self) -> bool:
        """Whether every door is as it should be; False when none was tried."""
        return bool(self.doors) and all(door.holds for door in self.doors)

    def __str__(self) -> str:
        return str(self._table())

    def _repr_markdown_(self) -> str:
        return self._table().to_markdown()

    def _table(self) -> Table:
        return Table(("from", "to", "should be", "is", ""), tuple(_row(door) for door in self.doors))


def _row(door: Door) -> tuple[str, ...]:
    should = "open" if door.open else "closed"
    answer = door.answer
    return answer.source, answer.url, should, answer.reach.value, "✓" if door.holds else "✗ WRONG"


def look(
    target: Target, source: str, expected: Mapping[str, bool], *, seconds: float = PATIENCE_SECONDS
) -> Seen:
    """Try every door (`HOST:PORT`) from a device, until each is as expected (True: open) or time is over.

    The open ones come first: only once a path is there does silence behind another door mean something.
    """
    places = {name: _place(name) for name in expected}

    def one(name: str) -> Door:
        host, port = places[name]
        answer = probe.until(
            lambda: probe.connect(target, source, host, port),
            lambda answer: Door(expected[name], answer).holds,
            seconds=seconds,
        )
        return Door(expected[name], answer)

    found: dict[str, Door] = {}
    for wanted in (True, False):
        names = [name for name in expected if expected[name] is wanted]
        with ThreadPoolExecutor(max_workers=8) as pool:
            found |= dict(zip(names, pool.map(one, names), strict=True))
    return Seen(tuple(found[name] for name in expected))


def expected(
    policy: str, devices: Sequence[Mapping[str, Any]], source: str, doors: Sequence[str]
) -> dict[str, bool]:
    """What a policy says about each door: whether a device may pass; `devices` as the tailnet tells them."""
    from blumeops.layers.pulumi_access import topology
    from blumeops.tailnet import access
    from blumeops.tailnet import policy as policies

    rules, here = policies.load(policy), topology(devices)
    places = {name: _place(name) for name in doors}
    return {name: access.allowed(rules, here, source, *place) for name, place in places.items()}


def _place(door: str) -> tuple[str, int]:
    host, colon, port = door.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BlumeOpsError(f"{door!r} is not a door", hint="HOST:PORT, such as sifaka:22")
    return host, int(port)
