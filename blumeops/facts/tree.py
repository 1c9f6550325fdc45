"""The files of a repository, as the facts see them: what is there, read once, and never outside of it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from blumeops import process
from blumeops.errors import BadInput, Problem

MAX_BYTES = 3_000_000
"""Larger than any file that a person writes; what is bigger was generated, or is no text."""

GIT_SECONDS = 20.0
_NOT_OURS = {"node_modules", "vendor", "third_party", "__pycache__", ".git", ".venv", "venv", ".obsidian"}


@dataclass(frozen=True)
class Tree:
    """A folder and what stands in it; paths are relative to it, with `/`.

    `memo` is for those who ask it the same thing over and over.
    """

    root: Path
    files: frozenset[str]
    ignored_by_git: bool = False
    _texts: dict[str, str] = field(default_factory=dict)
    memo: dict[tuple[str, ...], object] = field(default_factory=dict)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds a file."""
        found: set[str] = set()
        for path in self.files:
            while (path := path.rpartition("/")[0]) and path not in found:
                found.add(path)
        return frozenset(found)

    @cached_property
    def tops(self) -> frozenset[str]:
        """The folders at the top."""
        return frozenset(path.partition("/")[0] for path in self.files if "/" in path)

    @cached_property
    def tails(self) -> dict[str, frozenset[str]]:
        """For every last name, the files and folders that are called so."""
        found: dict[str, set[str]] = {}
        for path in (*self.files, *self.folders):
            found.setdefault(path.rpartition("/")[2], set()).add(path)
        return {name: frozenset(paths) for name, paths in found.items()}

    def has(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        return path in self.files or path in self.folders

    def has_tail(self, path: str) -> bool:
        """Whether the path is the end of one: `playbooks/x.yml` of `ansible/playbooks/x.yml`."""
        last = path.rpartition("/")[2]
        return any(f"/{one}".endswith(f"/{path}") for one in self.tails.get(last, ()))

    def under(self, *suffixes: str) -> Iterator[str]:
        """The files with one of these endings, in order."""
        return (path for path in sorted(self.files) if path.endswith(suffixes))

    def text(self, path: str) -> str:
        """A file's text with plain line ends; empty when it is too large or no text."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> str:
        file = self.root / path
        try:
            if file.is_symlink() and not file.resolve().is_relative_to(self.root):
                return ""
            if file.stat().st_size > MAX_BYTES:
                return ""
            return file.read_text(encoding="utf-8").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError):
            return ""

    def safe(self, path: str, *, asked_by: Problem) -> Path:
        """The file behind a path that a page names. Raises `BadInput` when it is outside or not there."""
        plain = PurePosixPath(path)
        what = ""
        if (
            plain.is_absolute()
            or ".." in plain.parts
            or "\0" in path
            or "\\" in path
            or "%2e" in path.lower()
        ):
            what = f"{path!r} leads out of the repository"
        elif not (self.root / path).exists():
            what = f"{path} is not in the repository"
        elif not (self.root / path).resolve().is_relative_to(self.root.resolve()):
            what = f"{path} is a link that leads out of the repository"
        elif not (self.root / path).is_file():
            what = f"{path} is a folder, and a value stands in a file"
        if what:
            hint = self.near(path) if "not in" in what else "name a file by its path from the top"
            raise BadInput([Problem(what, asked_by.path, asked_by.line, asked_by.column, hint)])
        return self.root / path

    def near(self, path: str) -> str:
        """ "did you mean …?" for a path that is not there; empty when nothing is like it."""
        same = sorted(self.tails.get(path.rstrip("/").rpartition("/")[2], ()))
        found = same[:1] or difflib.get_close_matches(path, [*self.files, *self.folders], 1, 0.85)
        return f"did you mean {found[0]}?" if found else ""


def read(root: Path) -> Tree:
    """The files of a folder: those that Git knows or would add, or all of them where there is no Git."""
    root = root.resolve()
    if (root / ".git").exists():
        argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = process.run(argv, cwd=root, env=dict(os.environ), timeout=GIT_SECONDS)
        if done.ok:
            known = frozenset(path for path in done.stdout.split("\0") if path and _wanted(path))
            return Tree(root, frozenset(path for path in known if (root / path).exists()), True)
    return Tree(root, frozenset(_walk(root)))


def _wanted(path: str) -> bool:
    return not _NOT_OURS.intersection(path.split("/"))


def _walk(root: Path) -> Iterator[str]:
    for folder, names, found in os.walk(root):
        names[:] = [name for name in names if name not in _NOT_OURS]
        for name in found:
            yield (Path(folder) / name).relative_to(root).as_posix()
