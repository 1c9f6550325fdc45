"""What a run of a runbook looked at, as digests: so its page knows by itself when that has changed since.

A file's digest is the SHA-256 of its content; a folder's is over the names and digests of its tracked files,
so one that is added or removed counts too. What Git does not track in a folder was made there and does not.
A digest is kept in the process as long as the file system says that the file is the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from blumeops.errors import BlumeOpsError
from blumeops.repository import Repository

GONE = "gone"
"""The digest of what is not there: a file that was looked for and comes later is a change as well."""

_LENGTH = 32
"""So many hex digits of a SHA-256 tell two contents apart, and keep a committed record short."""

_APART = frozenset({".git", ".venv", "node_modules", "__pycache__"})
_RECORDS = "runbooks/records/"
"""Never a dependency: a record would make itself stale."""

_known: dict[str, tuple[tuple[int, ...], str]] = {}
_tracked: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}


class Ran(Protocol):
    """A record of a run, as far as it says what it depended on."""

    @property
    def depends(self) -> Mapping[str, str]:
        """Paths from the top of the repository, each with its digest when it ran."""
        ...


def digests(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Each path (from the top of the repository) with the digest of what stands there now, in order."""
    wanted = sorted({path.rstrip("/") for path in paths if not path.startswith(_RECORDS)} - {""})
    top = f"{root}{os.sep}"
    return {path: _digest(root, top, path) for path in wanted}


def changed_since(root: Path, record: Ran, *, now: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The paths that a run depended on and that are not any more as they were, in order.

    `now` are their digests, where the caller asked already: for many records at once.
    """
    then = record.depends
    if now is None:
        now = digests(root, then)
    return tuple(path for path in sorted(then) if path in now and now[path] != then[path])


def _digest(root: Path, top: str, path: str) -> str:
    try:
        seen = os.stat(top + path)
    except (OSError, ValueError):
        return GONE
    if stat.S_ISDIR(seen.st_mode):
        return _of_folder(root, top, path)
    return _of_file(top + path, seen)


def _of_file(file: str, seen: os.stat_result) -> str:
    as_seen = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    kept = _known.get(file)
    if kept is not None and kept[0] == as_seen:
        return kept[1]
    try:
        with open(file, "rb") as opened:
            made = hashlib.sha256(opened.read()).hexdigest()[:_LENGTH]
    except OSError:
        return GONE
    _known[file] = as_seen, made
    return made


def _of_folder(root: Path, top: str, folder: str) -> str:
    made = hashlib.sha256()
    for path in _files_in(root, folder):
        try:
            seen = os.lstat(top + path)
        except OSError:
            continue  # tracked, and removed since
        if not stat.S_ISDIR(seen.st_mode):
            made.update(f"{path}\0{_of_file(top + path, seen)}\0".encode("utf-8", "surrogateescape"))
    return made.hexdigest()[:_LENGTH]


def _files_in(root: Path, folder: str) -> list[str]:
    inside = folder + "/"
    return [path for path in _files(root) if path.startswith(inside)]


def _files(root: Path) -> tuple[str, ...]:
    """What Git tracks here; asked once for each state of its index. Without Git: all that is there."""
    try:
        seen = os.stat(root / ".git" / "index")
        as_seen: tuple[int, ...] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    except OSError:
        as_seen = ()  # no repository, or a work tree of one elsewhere: asked each time
    kept = _tracked.get(str(root))
    if kept is not None and as_seen and kept[0] == as_seen:
        return kept[1]
    found = _of_git(root)
    if found is None:
        found = _walked(root)
    _tracked[str(root)] = as_seen, found
    return found


def _of_git(root: Path) -> tuple[str, ...] | None:
    try:
        done = Repository(root).git("ls-files", "-z", check=False)
    except (BlumeOpsError, OSError):
        return None
    return tuple(sorted(path for path in done.stdout.split("\0") if path)) if done.ok else None


def _walked(root: Path) -> tuple[str, ...]:
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _APART]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return tuple(sorted(found))
