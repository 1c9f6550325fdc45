"""The way to a value inside of a file: `images[0].newTag`, `[name=web].port`, `tagOwners["tag:nas"]`.

A way may begin with the object it is in, `kind=Deployment/web`, and end with the part of the text that is
meant, `:tag`. See docs/reference/facts.md for all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_OBJECT = re.compile(r'kind=(?P<kind>[A-Za-z]+)/(?:"(?P<quoted>[^"]+)"|(?P<name>[a-z0-9-]+))(?:\.|(?=\[)|$)')
_STEP = re.compile(
    r"""\.?(?P<key>[^.\[\]:"'=]+)"""
    r"""|\[(?P<index>-?\d+)\]"""
    r"""|\[(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')\]"""
    r"""|\[(?P<field>[\w.-]+)=(?:"(?P<wanted>[^"]*)"|(?P<bare>[^\]"]*))\]"""
)
_PART = re.compile(r":(?P<part>[a-z]+)$")


class Part(StrEnum):
    """What of a value is meant: all of it, or a part that the docs show by itself."""

    ALL = "all"
    TAG = "tag"
    NAME = "name"
    PORT = "port"
    HOST = "host"
    KEYS = "keys"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Key:
    """A step to the value of a key."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Index:
    """A step to an item by its number, from 0; from the end when it is negative."""

    number: int

    def __str__(self) -> str:
        return f"[{self.number}]"


@dataclass(frozen=True, slots=True)
class Where:
    """A step to the one item whose field has a value."""

    field: str
    value: str

    def __str__(self) -> str:
        return f"[{self.field}={self.value}]"


Step = Key | Index | Where


@dataclass(frozen=True, slots=True)
class Way:
    """A parsed expression; `kind` and `name` choose a document of a file with several."""

    steps: tuple[Step, ...]
    part: Part = Part.ALL
    kind: str = ""
    name: str = ""


def parse(expression: str) -> Way:
    """The way that an expression says. Raises `ValueError` that says where it stops being one."""
    part = Part.ALL
    rest = expression
    if found := _PART.search(rest):
        known = [one.value for one in Part]
        if found["part"] not in known:
            raise ValueError(f"':{found['part']}' is not one of {', '.join(known)}")
        part, rest = Part(found["part"]), rest[: found.start()]
    kind = name = ""
    if found := _OBJECT.match(rest):
        kind, name, rest = found["kind"], found["quoted"] or found["name"], rest[found.end() :]
    return Way(tuple(_steps(rest)), part, kind, name)


def _steps(rest: str) -> list[Step]:
    steps: list[Step] = []
    while rest:
        found = _STEP.match(rest)
        if not found:
            raise ValueError(f'{rest!r} is no step: write .key, [0], [field=value] or ["any key"]')
        steps.append(_step(found))
        rest = rest[found.end() :]
    return steps


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return Index(int(found["index"]))
    if found["field"] is not None:
        return Where(found["field"], found["wanted"] if found["wanted"] is not None else found["bare"])
    return Key(next(word for word in (found["key"], found["double"], found["single"]) if word is not None))
