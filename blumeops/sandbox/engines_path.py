"""Engines that are already on PATH: which version they are, and whether they may stand in for ours."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import assert_never

from blumeops import process
from blumeops.errors import EngineError

ANSWER_SECONDS = 10.0
"""How long a program may take to say its version; the slowest of ours needs 0.3 s."""

_ASK = {
    "pulumi": ("version",),
    "headscale": ("version",),
    "kustomize": ("version",),
    "kubectl": ("version", "--client"),
}
_VERSION = re.compile(r"(?<![\d.])v?(\d+)\.(\d+)\.(\d+)(?![\d.])")


class Accept(StrEnum):
    """Which version on PATH may stand in for the pinned one; never an older one."""

    SAME_MAJOR = "same major"
    SAME_MINOR = "same minor"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Program:
    """A program on PATH and the version that it says it has."""

    path: Path
    version: str


def programs(names: Sequence[str], pinned: str, accept: Accept) -> dict[str, Program] | None:
    """The programs of one engine from PATH, by name; None unless all are there in an acceptable version.

    All or none: a client and a server of two origins are not one engine.
    """
    if accept is Accept.NEVER:
        return None
    found: dict[str, Program] = {}
    for name in names:
        path = _which(name)
        version = _version(path, path.stat().st_mtime_ns) if path else ""
        if path is None or not acceptable(version, pinned, accept):
            return None
        found[name] = Program(path, version)
    return found


def acceptable(version: str, pinned: str, accept: Accept) -> bool:
    """Whether a version may stand in for the pinned one; an unreadable version may not."""
    have, want = _VERSION.fullmatch(version), _VERSION.fullmatch(pinned)
    if have is None or want is None:
        return False
    has, wants = tuple(map(int, have.groups())), tuple(map(int, want.groups()))
    match accept:
        case Accept.SAME_MAJOR:
            return has[0] == wants[0] and has >= wants
        case Accept.SAME_MINOR:
            return has[:2] == wants[:2]
        case Accept.NEVER:
            return False
        case _:
            assert_never(accept)


def _which(name: str) -> Path | None:
    """The program on PATH, but never one of a sandbox's own wrappers: those call us."""
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(entry or ".", name)
        if ".sandbox" not in path.parts and path.is_file() and os.access(path, os.X_OK):
            return path.absolute()
    return None


@lru_cache
def _version(path: Path, _modified: int) -> str:
    """What the program says its version is, or "" when it does not say; asked once per file and process."""
    argv: list[str | Path] = [path, *_ASK.get(path.name, ("--version",))]
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        answer = process.run(argv, env=quiet, timeout=ANSWER_SECONDS)
    except (EngineError, OSError):
        return ""
    said = _VERSION.search(answer.stdout) if answer.ok else None
    return ".".join(said.groups()) if said else ""
