"""What a repository's YAML says, with the place of every value: manifests, inventories, playbooks.

Numbers and dates stay the text that was written (`1.10` is a version and no number).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blumeops import located
from blumeops.errors import BadInput, Problem
from blumeops.located import Fault, Located

MAX_BYTES = 3_000_000
"""Larger than any file that a person writes; a bigger one is generated, and says nothing about services."""

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
Step = str | int
Way = tuple[Step, ...]


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
    """One YAML document: its plain value, and the place of each value by the way that leads to it."""

    value: object
    path: str
    found: Located

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

    def mapping(self, *way: Step) -> dict[str, object]:
        """The mapping at the end of a way; empty when something else, or nothing, is there."""
        found = self.get(*way)
        return found if isinstance(found, dict) else {}

    def items(self, *way: Step) -> list[object]:
        """The list at the end of a way; empty when something else, or nothing, is there."""
        found = self.get(*way)
        return found if isinstance(found, list) else []

    def line(self, *way: Step) -> int:
        """The line of a value (of its key, where it has one), or of the closest thing around it."""
        here = self.found
        for step in way:
            further = here.get(step)
            if further is None:
                break
            here = further
        return here.named or here.line

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
        found = located.of_yaml(text, first_line=first_line)
    except Fault as fault:
        raise BadInput([Problem(fault.problem[0], shown, *fault.problem[1:])]) from fault
    return [Document(one.plain(), shown, one) for one in found]


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
