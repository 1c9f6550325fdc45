"""What a run has looked at, so that its record can go stale by itself when one of these changes.

Files that Python opens and modules that it imports are seen by an audit hook (`watch`). What an engine reads
in a process of its own is not: whoever starts it says so with `note`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

_noted: set[str] = set()
_opened: set[str] = set()
_prefix = ""

_APART = (".git/", ".venv/", ".sandbox/", ".blumeops/", "build/", "site/", "node_modules/")
"""What is made or kept beside the sources; a working copy below one of them is looked through first."""

_CLONE = re.compile(r"(?:\.sandbox|\.blumeops)(?:/[^/]+)?/clones/[^/]+/")
"""A procedure's working copy (`Homelab.clone`): its files stand for the repository's own."""

_CACHED = re.compile(r"__pycache__/([^/]+?)\.[^/]+\.pyc$")
_UNSEEN = re.compile(r"^blumeops/(?:runbooks|kernel)/")
"""What runs the cells: it is loaded for every run, and a page does not go stale with it."""


def note(path: Path) -> None:
    """Say that a file, or a folder with all that is in it, is read by a program of ours."""
    _noted.add(str(path.absolute()))


def watch(root: Path) -> None:
    """See from now on which files below `root` this process opens for reading. It cannot be undone."""
    global _prefix
    begun, _prefix = bool(_prefix), f"{root.resolve()}/"
    if not begun:
        sys.addaudithook(_seen)


def _seen(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open":
        return
    path, mode, flags = arguments
    if isinstance(path, str) and _reads(mode, flags):
        with contextlib.suppress(OSError):  # the current folder may be gone; that must not stop the opening
            whole = path if path.startswith("/") else os.path.join(os.getcwd(), path)
            if whole.startswith(_prefix):
                _opened.add(whole)


def _reads(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return not set(mode) & set("wax")
    return isinstance(flags, int) and flags & os.O_ACCMODE == os.O_RDONLY


def below(root: Path) -> tuple[str, ...]:
    """The paths, relative to `root`, of what was noted, opened or imported so far, each once, in order."""
    modules = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
    imported = {path for path in modules if isinstance(path, str)}
    prefix = f"{root.resolve()}/"
    # Who removes a tree opens its folders, by their bare names: only what was noted may be a folder.
    read = {_relative(path, prefix) for path in _opened | imported if path.startswith(prefix)}
    files = {path for path in read if path and os.path.isfile(prefix + path)}
    noted = {_relative(path, prefix) for path in _noted if path.startswith(prefix)}
    return tuple(sorted(files | {path for path in noted if path and os.path.exists(prefix + path)}))


def _relative(path: str, prefix: str) -> str:
    """A path as the repository knows it; empty for what is not a source of it."""
    inside = _CLONE.sub("", os.path.normpath(path).removeprefix(prefix), count=1)
    inside = _CACHED.sub(r"\1.py", inside)
    apart = inside.startswith(_APART) or "/.git/" in f"/{inside}"
    return "" if apart or _UNSEEN.match(inside) else inside
