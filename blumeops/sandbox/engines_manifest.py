"""What a built engine consists of: every file with its checksum, so damage is noticed before use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file: its SHA-256, and how the file looked when that was last compared.

    `modified` is the inode's change time (ctime): unlike the file's own time, no program can set it back.
    """

    sha256: str
    size: int
    modified: int
    inode: int

    def untouched(self, path: Path) -> bool:
        seen = path.stat()
        return (seen.st_size, seen.st_ctime_ns, seen.st_ino) == (self.size, self.modified, self.inode)


def write(folder: Path, facts: Mapping[str, object]) -> None:
    """Write the manifest of a folder: `facts` (engine, versions, seconds) and an entry for every file."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    entries = {name: _entry(folder / name) for name in names if name != NAME}
    _save(folder, facts, entries)


def sound(folder: Path, *, thorough: bool) -> bool:
    """Whether every file of the manifest is there with its checksum.

    A file that looks as it did when it was last compared (inode, size, time) is not read again unless
    `thorough`. A cache that was copied is read once, and what was seen is noted.
    """
    try:
        document = json.loads((folder / NAME).read_text())
        entries = {name: _Entry(**value) for name, value in document.pop("files").items()}
        doubtful = [n for n, entry in entries.items() if thorough or not entry.untouched(folder / n)]
        fresh = {name: _entry(folder / name) for name in doubtful}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    if any(entry.sha256 != entries[name].sha256 for name, entry in fresh.items()):
        return False
    if any(entry != entries[name] for name, entry in fresh.items()):
        with contextlib.suppress(OSError):  # a read-only cache is as good, only slower
            _save(folder, document, entries | fresh)
    return bool(entries)


def facts(folder: Path) -> dict[str, object]:
    """What was noted at the build: engine, version, Go, seconds; empty when there is no manifest."""
    try:
        document: dict[str, object] = json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return {}
    document.pop("files", None)
    return document


def _entry(path: Path) -> _Entry:
    with path.open("rb") as file:
        seen = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _Entry(digest, seen.st_size, seen.st_ctime_ns, seen.st_ino)


def _save(folder: Path, facts: Mapping[str, object], entries: Mapping[str, _Entry]) -> None:
    files = {
        name: {"sha256": e.sha256, "size": e.size, "modified": e.modified, "inode": e.inode}
        for name, e in sorted(entries.items())
    }
    draft = folder / f".{NAME}.{os.getpid()}"
    draft.write_text(json.dumps({**facts, "files": files}, indent=2) + "\n")
    draft.replace(folder / NAME)
