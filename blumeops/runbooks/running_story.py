"""A run as text, for people."""

from __future__ import annotations

import re

from blumeops.records import CellRecord, RunRecord

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def failures(record: RunRecord) -> tuple[str, ...]:
    """What the cells that went wrong said, in the order of the page."""
    return tuple(_told(cell) for cell in record.cells if cell.status.bad)


def transcript(record: RunRecord) -> str:
    """A run as text: every cell's status and what it said."""
    return "\n\n".join([str(record), *(_told(cell) for cell in record.cells)])


def _told(cell: CellRecord) -> str:
    head = f"── {cell.name or f'cell {cell.index + 1}'}: {cell.status.value}, {cell.seconds:.1f} s"
    said = [_ANSI.sub("", output.text).rstrip() for output in cell.outputs if output.mime.startswith("text/")]
    return "\n".join([f"{head} {cell.error}".rstrip(), *said])
