"""The parts of a tailnet policy with their lines and the names in them: groups, owners of tags, rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.errors import BlumeOpsError
from blumeops.tailnet import hujson
from blumeops.tailnet.hujson import Document, Plain, Pointer

_RULES = ("acls", "grants", "ssh")
_NAMES = ("groups", "tagOwners", "hosts")
_SKIPPED = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_PORTS = re.compile(r"(?<=.):[\d,*-]+$")


@dataclass(frozen=True, slots=True)
class Part:
    """A rule, a group or an owner: its first and last line, and the names that it is about."""

    what: str
    line: int
    last: int
    about: tuple[str, ...]


def read(path: Path, shown: str) -> Iterator[Part]:
    """Every part of a policy's file; none when it cannot be read, which is for the plan to say."""
    try:
        document = hujson.loads(path.read_bytes(), shown)
    except (BlumeOpsError, OSError):
        return
    value = document.value if isinstance(document.value, dict) else {}
    for section in _NAMES:
        named = value.get(section)
        for name in named if isinstance(named, dict) else ():
            line, _ = document.key_position((section, name))
            yield Part(section, line, line, (name.casefold(),))
    for section in _RULES:
        for n, rule in enumerate(_list(value.get(section))):
            if isinstance(rule, dict):
                yield Part(f"{section} rule", *_lines(document, (section, n)), tuple(_about(rule)))


def _about(rule: Mapping[str, Plain]) -> Iterator[str]:
    """The names in a rule, without their ports: those that are reached first."""
    words = [
        word for key in ("dst", "src", "users") for word in _list(rule.get(key)) if isinstance(word, str)
    ]
    yield from dict.fromkeys(_PORTS.sub("", word).casefold() for word in words)


def _list(value: Plain) -> list[Plain]:
    """A value that should be a list; what else it is, is for the plan to say."""
    return value if isinstance(value, list) else []


def _lines(document: Document, at: Pointer) -> tuple[int, int]:
    """The first and last line of a value that stands between brackets."""
    line, column = document.position(at)
    start = sum(len(one) + 1 for one in document.text.split("\n")[: line - 1]) + column - 1
    rest = _SKIPPED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), document.text[start:])
    depth = 0
    for index, character in enumerate(rest):
        depth += (character in "[{") - (character in "]}")
        if depth == 0:
            return line, line + rest.count("\n", 0, index)
    return line, line
