"""Tells why a cell failed: a traceback that begins in the cell and names the Markdown file and its line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import IPython

FRAMES = 30
"""A longer traceback (of a recursion) is shown by its first and last frames."""

_OURS = (f"{Path(__file__).parent}/", f"{Path(IPython.__file__).parent}/")


@dataclass(frozen=True, slots=True)
class Failure:
    """The traceback, its last line, and the line of the Markdown file (0: unknown)."""

    text: str
    error: str
    line: int


def failure(error: BaseException, filename: str, root: Path) -> Failure:
    """What to say about an exception that a cell raised; our own frames above the cell are left out."""
    shown = _from_cell(error.__traceback__, filename)
    told = traceback.TracebackException(type(error), error, shown, limit=None, compact=True)
    told.stack = _short(told.stack)
    text = "".join(told.format()).replace(f'File "{root}/', 'File "').rstrip("\n")
    return Failure(text, _one_line(error), _line(error, shown, filename))


def _from_cell(frames: TracebackType | None, filename: str) -> TracebackType | None:
    first = frames
    while first is not None and first.tb_frame.f_code.co_filename != filename:
        first = first.tb_next
    return first


def _short(stack: traceback.StackSummary) -> traceback.StackSummary:
    """Without the frames of the kernel and of IPython, which say nothing about the cell."""
    theirs = [frame for frame in stack if not frame.filename.startswith(_OURS)]
    stack = traceback.StackSummary.from_list(theirs)
    if len(stack) <= FRAMES:
        return stack
    return traceback.StackSummary.from_list([*stack[: FRAMES // 2], *stack[-FRAMES // 2 :]])


def _one_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0]
    name = type(error).__name__
    return f"{name}: {said}" if said else name


def _line(error: BaseException, shown: TracebackType | None, filename: str) -> int:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno or 0
    lines = [line for frame, line in traceback.walk_tb(shown) if frame.f_code.co_filename == filename]
    return lines[-1] if lines else 0
