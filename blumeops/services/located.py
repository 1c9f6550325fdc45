"""YAML of any kind, with the line of every value: manifests, inventories, playbooks, front matter.

Numbers and dates stay the text that was written (`1.10` is a version and no number), an unknown tag such as
`!vault` is the text behind it, and nothing is ever constructed from a tag.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from blumeops.errors import BadInput, Problem

MAX_BYTES = 3_000_000
"""Larger than any file that a person writes; a bigger one is generated, and says nothing about services."""

MAX_VALUES = 100_000
"""Aliases expand to many values from few bytes; the limit counts them expanded."""

_NOT_OURS = {
    "tests",
    "test",
    "testdata",
    "fixtures",
    "examples",
    "node_modules",
    "venv",
    "build",
    "site",
    "vendor",
    "dist",
    "target",
    "charts",
    "__pycache__",
}
_SAYING = (".yaml", ".yml", ".json", ".toml", ".j2")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
Step = str | int


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and the place in the repository that says so."""

    value: str
    path: str
    line: int = 0

    @property
    def where(self) -> str:
        """The place, as `path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its plain value, and the line of each value by the way that leads to it."""

    value: object
    path: str
    lines: Mapping[tuple[Step, ...], int]

    def get(self, *way: Step) -> object:
        """The value at the end of a way of keys and indices; None when the way ends before."""
        found = self.value
        for step in way:
            match found, step:
                case dict(), _ if step in found:
                    found = found[step]
                case list(), int() if -len(found) <= step < len(found):
                    found = found[step]
                case _:
                    return None
        return found

    def mapping(self, *way: Step) -> dict:
        """The mapping at the end of a way; empty when something else, or nothing, is there."""
        found = self.get(*way)
        return found if isinstance(found, dict) else {}

    def items(self, *way: Step) -> list:
        """The list at the end of a way; empty when something else, or nothing, is there."""
        found = self.get(*way)
        return found if isinstance(found, list) else []

    def line(self, *way: Step) -> int:
        """The line of a value, or of the closest thing around it."""
        while way and way not in self.lines:
            way = way[:-1]
        return self.lines.get(way, 0)

    def fact(self, *way: Step) -> Fact | None:
        """The text at the end of a way with its place; None when there is none."""
        found = self.get(*way)
        if found is None or isinstance(found, dict | list):
            return None
        return Fact(str(found), self.path, self.line(*way))


def documents(path: Path, shown: str) -> list[Document]:
    """Every document of a file. Raises `BadInput` with file and line when it is not YAML."""
    if path.stat().st_size > MAX_BYTES:
        return []
    try:
        text = path.read_text(encoding="utf-8")
        return parse(text, shown) if text.strip() else []
    except UnicodeDecodeError as error:
        raise BadInput([Problem(f"not UTF-8 (byte {error.start})", shown)]) from error


def parse(text: str, shown: str, *, first_line: int = 1) -> list[Document]:
    """Every document of a text. Raises `BadInput`."""
    try:
        nodes = list(yaml.compose_all(text, _LOADER))
        return [_document(node, shown, first_line) for node in nodes if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + first_line if mark else 0
        raise BadInput([Problem(f"not YAML: {error.problem}", shown, line)]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput([Problem(f"not YAML: {str(error).splitlines()[0]}", shown)]) from error


def _document(node: yaml.Node, shown: str, first_line: int) -> Document:
    lines: dict[tuple[Step, ...], int] = {}
    value = _plain(node, (), lines, first_line, shown)
    return Document(value, shown, lines)


def _plain(node: yaml.Node, way: tuple[Step, ...], lines: dict, first: int, shown: str) -> object:
    if len(lines) >= MAX_VALUES:
        raise BadInput([Problem(f"more than {MAX_VALUES} values when its aliases are expanded", shown)])
    lines.setdefault(way, node.start_mark.line + first)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*way, n), lines, first, shown) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        made = {}
        for key, value in node.value:
            if str(key.value) in made:
                once = lines[*way, str(key.value)]
                what = f"duplicate key {key.value!r} (first in line {once})"
                raise BadInput([Problem(what, shown, key.start_mark.line + first)])
            lines[*way, str(key.value)] = key.start_mark.line + first
            made[str(key.value)] = _plain(value, (*way, str(key.value)), lines, first, shown)
        return made
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> object:
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return _BOOLEANS.get(node.value.lower(), node.value)
        case "int" if node.value.isdigit() and (node.value == "0" or node.value[0] != "0"):
            return int(node.value)
        case _:
            return node.value


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a repository that may say something, listed once; `base` is the folder they are below."""

    root: Path
    base: Path
    paths: tuple[Path, ...]

    def ending(self, *suffixes: str) -> Iterator[Path]:
        """Those whose names end so, in order."""
        return (path for path in self.paths if path.name.endswith(suffixes))

    def shown(self, path: Path) -> str:
        """A file as a person calls it: its path from the root."""
        return path.relative_to(self.root).as_posix()


def files(root: Path) -> Files:
    """The files below `homelab/` when it is there, else all of them; nothing hidden, vendored or built."""
    base = root / "homelab" if (root / "homelab").is_dir() else root
    return Files(root, base, tuple(_walk(base)))


def _walk(base: Path) -> Iterator[Path]:
    for folder, names, found in os.walk(base):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _NOT_OURS)
        for name in sorted(found):
            path = Path(folder, name)
            if (name.endswith(_SAYING) or name.startswith("Caddyfile")) and not path.is_symlink():
                yield path
