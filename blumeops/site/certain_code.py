"""The parts of a page that are code for certain, whatever else stands in the page.

`markdown.mask` says what most likely is code, which is right for links. Here the question is whether a tag
may run: where Python-Markdown could read a fence or an indented block as prose, it is prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.site import frontmatter, markdown

_INFO = re.compile(
    r"\.?[\w#.+-]*[ \t]*(?:\{[^\n]*\}|(?:[ \t]*[A-Za-z]\w*(?:=(?:\"[^\"]*\"|'[^']*'))?)*)[ \t]*"
)
_DEEP = re.compile(r" {4}| {0,3}\t")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d+[.)])[ \t]")
_HOLDS_MORE = re.compile(r"[ \t]*(?:\[\^[^\]]+\]:|:[ \t]|>)|.*<")

_MOST_FENCES = 100
"""How many doubtful fences of a text are looked at before all of its fences are read as prose."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, from `start` up to `end`. What is not `fenced` is indented: code unless it stands
    inside of a raw HTML element."""

    start: int
    end: int
    fenced: bool


def spans(text: str, *, notebook: bool) -> Iterator[Span]:
    """The fences and indented blocks of a text that are code for certain, in order."""
    lines, fenced = _certain(text.split("\n"), notebook=notebook)
    masked = markdown.mask_blocks("\n".join(lines)).split("\n")
    start = frontmatter.end_of(text)
    number, owner, after_code, lazy = text.count("\n", 0, start), "", True, False
    while number < len(lines):
        line, fence = lines[number], fenced.get(number)
        last = number if fence is None else fence.last or number
        end = start + sum(len(each) + 1 for each in lines[number : last + 1])
        indented = _DEEP.match(line) and line.strip()
        sure = owner and after_code and not lazy and not _HOLDS_MORE.match(owner)
        is_code = indented and sure and not masked[number].strip()
        after_code = not line.strip() or bool(is_code)
        if fence or is_code:
            yield Span(start, end - 1, fenced=fence is not None)
        elif line.strip() and not indented:
            # A line right below an item's line belongs to that item however little it is indented, and what
            # is indented below it is then a paragraph of the item, or a table.
            lazy = bool(lines[number - 1].strip()) and (lazy or bool(_ITEM.match(owner)))
            owner = line
        number, start = last + 1, end


def _certain(lines: list[str], *, notebook: bool) -> tuple[list[str], dict[int, markdown.Fence]]:
    """The lines, with the marks of doubtful fences taken away, and the fences that are certain."""
    for _ in range(_MOST_FENCES):
        found = {fence.first: fence for fence in markdown.fences("\n".join(lines))}
        doubtful = next(
            (fence for fence in found.values() if not _is_code(fence, lines, notebook=notebook)), None
        )
        if doubtful is None:
            return lines, found
        lines[doubtful.first] = re.sub("[`~]", "x", lines[doubtful.first])
    return [re.sub("[`~]", "x", line) for line in lines], {}


def _is_code(fence: markdown.Fence, lines: list[str], *, notebook: bool) -> bool:
    """Whether the generator reads a fence as one: its info line is known, and nothing in it sticks out."""
    cell = notebook and fence.info.startswith("{code-cell}")
    if fence.last is None or not (cell or _INFO.fullmatch(fence.info)):
        return False
    lead, last = fence.lead, lines[fence.last]
    marks = re.match(r"`+|~+", lines[fence.first][len(lead) :])
    if not re.fullmatch(r"[ >]*", lead) or not marks or last.rstrip() != lead + marks[0]:
        return False
    inside = lines[fence.first + 1 : fence.last]
    if quotes := lead.count(">"):
        return all(re.match(rf"(?: {{0,3}}>){{{quotes}}}", line) for line in inside)
    return all(line.startswith(lead) or not line.strip() for line in inside)
