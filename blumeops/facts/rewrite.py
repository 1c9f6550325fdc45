"""Writes edits into a page: whole or not at all, and nothing else of the file changes, line ends included."""

from __future__ import annotations

import bisect
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from blumeops.facts.bound import Edit


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with its edits made; they do not overlap."""
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def write(file: Path, edits: Sequence[Edit]) -> None:
    """Make edits in a file; they count in its text with plain line ends and no byte order mark.

    A reader sees the old file or the new one, never half of it; its mode stays.
    """
    raw = file.read_bytes().decode("utf-8")
    mark = "\ufeff" if raw.startswith("\ufeff") else ""
    body = raw.removeprefix("\ufeff")
    returns = [found.start() - n for n, found in enumerate(re.finditer("\r\n", body))]

    def at(index: int) -> int:
        return index + bisect.bisect_left(returns, index)

    end = "\r\n" if returns else "\n"
    moved = [Edit(at(e.start), at(e.end), e.text.replace("\n", end)) for e in edits]
    _replace(file, (mark + apply(body, moved)).encode("utf-8"))


def _replace(file: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as fresh:
            fresh.write(data)
        os.chmod(name, file.stat().st_mode & 0o7777)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
