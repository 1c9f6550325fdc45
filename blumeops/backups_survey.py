"""What is in a folder, as JSON: runs on the host itself, so it needs nothing but Python's own library.

`backups.survey` sends this file there and calls `look`.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from typing import TypedDict
from urllib.parse import quote

SQLITE = b"SQLite format 3\0"
SIDES = ("wal", "shm", "journal")
"""The ends of the files that SQLite keeps beside a database: part of it, and not files of their own."""


class Found(TypedDict):
    """Digests of files, rows and a digest of tables (`DATABASE:TABLE`), and when each changed, by path."""

    files: dict[str, str]
    tables: dict[str, tuple[int, str]]
    changed: dict[str, float]
    broken: list[str]
    bytes: int


def look(root: str) -> Found:
    """Read every file under a folder; one that cannot be read is named in `broken`."""
    if not os.path.isdir(root):
        raise SystemExit(f"{root} is not there")
    found: Found = {"files": {}, "tables": {}, "changed": {}, "broken": [], "bytes": 0}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            if os.path.isfile(path) and not os.path.islink(path) and not _side(path):
                try:
                    _read(path, os.path.relpath(path, root), found)
                except (OSError, sqlite3.Error):
                    found["broken"].append(os.path.relpath(path, root))
    return found


def _side(path: str) -> bool:
    stem, _, end = path.rpartition("-")
    return end in SIDES and os.path.exists(stem)


def _read(path: str, name: str, found: Found) -> None:
    sides = [path, *(f"{path}-{end}" for end in SIDES)]
    changed = max(os.stat(side).st_mtime for side in sides if os.path.exists(side))
    found["bytes"] += os.stat(path).st_size
    with open(path, "rb") as file:
        head = file.read(len(SQLITE))
        if head != SQLITE:
            digest = hashlib.sha256(head)
            while part := file.read(1 << 20):
                digest.update(part)
            found["files"][name], found["changed"][name] = digest.hexdigest(), changed
            return
    for table, rows in _tables(path, name, found).items():
        found["tables"][f"{name}:{table}"], found["changed"][f"{name}:{table}"] = rows, changed


def _tables(path: str, name: str, found: Found) -> dict[str, tuple[int, str]]:
    """Each table's number of rows, and a digest over them in an order of their own."""
    base = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=20)
    base.text_factory = bytes  # what is not UTF-8 is compared too
    try:
        if base.execute("pragma integrity_check").fetchone()[0] != b"ok":
            found["broken"].append(name)
        query = "select name from sqlite_master where type = 'table' order by name"
        tables = {}
        for (table,) in base.execute(query).fetchall():
            words = table.decode().replace('"', '""')
            lines = sorted(repr(row).encode() for row in base.execute(f'select * from "{words}"'))
            tables[table.decode()] = (len(lines), hashlib.sha256(b"\n".join(lines)).hexdigest())
        return tables
    finally:
        base.close()
