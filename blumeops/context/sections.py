"""Cut a file into sections that can be read alone, each with its lines in the source.

A page is cut at its headings, and a long section at the borders of its paragraphs, never inside a fence or a
table while that has no more than `MAX_BLOCK` tokens. Desired state is cut where its own format has borders
(`blumeops.context.desired`), code keeps what it says in words (`blumeops.context.code`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blumeops.context import tokens
from blumeops.context.model import Kind, Section
from blumeops.site import frontmatter, prose
from blumeops.site.headings import Heading
from blumeops.site.vault import Page

MAX_TOKENS = 150
"""Short sections leave room for more pages: with 500 a pack of 2,000 tokens had the page less often."""
MAX_BLOCK = 2_000
"""Tokens of a fence or a table from which it is cut at its lines after all."""
MAX_CHARACTERS = 24_000
"""Of one section: a single line may be megabytes long."""
FRONT = "front matter"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a file that belong together: `line` and `last` count from 1."""

    line: int
    last: int
    headings: tuple[str, ...] = ()
    anchor: str = ""


@dataclass(slots=True)
class _Block:
    """Lines that are not torn apart, from 0; `first` inclusive, `end` not. `whole`: a fence or a table."""

    first: int
    end: int
    whole: bool
    tokens: int = field(default=0)


def of_page(page: Page, kind: Kind) -> tuple[Section, ...]:
    """The sections of a page or runbook, in order."""
    lines = page.text.split("\n")
    fenced = _fenced(page.text, len(lines))
    return cut(_by_heading(page), lines, path=page.source, title=page.title, kind=kind, fenced=fenced)


def cut(
    pieces: Iterator[Piece] | Sequence[Piece],
    lines: Sequence[str],
    *,
    path: str,
    title: str,
    kind: Kind,
    fenced: Sequence[bool] = (),
) -> tuple[Section, ...]:
    """Sections from pieces of a file: without blank lines around them, long ones in parts, empty ones not."""
    made = []
    for piece in pieces:
        for first, end in _parts(piece.line - 1, piece.last, lines, fenced):
            text = "\n".join(lines[first:end])[:MAX_CHARACTERS]
            made.append(
                Section(
                    path=path,
                    line=first + 1,
                    last=end,
                    anchor=piece.anchor,
                    title=title,
                    headings=piece.headings,
                    text=text,
                    kind=kind,
                    tokens=tokens.count(text),
                )
            )
    return tuple(made)


def _by_heading(page: Page) -> Iterator[Piece]:
    """A piece for the front matter, one above the first heading, and one for each heading."""
    end_of_front = page.text.count("\n", 0, frontmatter.end_of(page.text))
    if end_of_front:
        yield Piece(1, end_of_front, (FRONT,))
    last = page.text.count("\n") + 1
    starts = [heading for heading in page.headings if heading.line > end_of_front]
    first = starts[0].line if starts else last + 1
    yield Piece(end_of_front + 1, first - 1)
    above: list[Heading] = []
    for number, heading in enumerate(starts):
        above = [one for one in above if one.level < heading.level] + [heading]
        end = starts[number + 1].line - 1 if number + 1 < len(starts) else last
        way = tuple(one.text for one in above if one.level > 1 or one.text != page.title)
        yield Piece(heading.line, end, way, heading.slug if way else "")


def _fenced(text: str, count: int) -> list[bool]:
    """For each line whether it stands in a fence."""
    inside = [False] * count
    for fence in prose.fences(text):
        end = count - 1 if fence.last is None else fence.last
        inside[fence.first : end + 1] = [True] * (end + 1 - fence.first)
    return inside


def _parts(first: int, end: int, lines: Sequence[str], fenced: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """The lines from `first` to before `end`, in parts of at most `MAX_TOKENS` where borders allow it."""
    while first < end and not lines[first].strip():
        first += 1
    while end > first and not lines[end - 1].strip():
        end -= 1
    if first == end:
        return
    if end - first == 1 or tokens.count("\n".join(lines[first:end])) <= MAX_TOKENS:
        yield first, end
        return
    begun, size = first, 0
    for block in _blocks(first, end, lines, fenced):
        if size and size + block.tokens > MAX_TOKENS and not _is_heading_only(lines, begun, block.first):
            yield from _trimmed(begun, block.first, lines)
            begun, size = block.first, 0
        size += block.tokens
    yield from _trimmed(begun, end, lines)


def _trimmed(first: int, end: int, lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    while end > first and not lines[end - 1].strip():
        end -= 1
    if end > first:
        yield first, end


def _is_heading_only(lines: Sequence[str], first: int, end: int) -> bool:
    """A heading is not left alone: what follows stands with it, however long that is."""
    said = [line for line in lines[first:end] if line.strip()]
    return len(said) == 1 and said[0].startswith("#")


def _blocks(first: int, end: int, lines: Sequence[str], fenced: Sequence[bool]) -> Iterator[_Block]:
    """Paragraphs, tables and fences with their tokens; what is too long is given line by line."""
    begun = first
    for number in range(first + 1, end + 1):
        if number < end and not _begins(number, lines, fenced):
            continue
        block = _Block(begun, number, _is_whole(begun, lines, fenced))
        block.tokens = tokens.count("\n".join(lines[begun:number]) + "\n")
        if block.tokens > (MAX_BLOCK if block.whole else MAX_TOKENS):
            yield from (
                _Block(one, one + 1, whole=False, tokens=tokens.count(lines[one] + "\n"))
                for one in range(begun, number)
            )
        else:
            yield block
        begun = number


def _begins(number: int, lines: Sequence[str], fenced: Sequence[bool]) -> bool:
    """Whether a new block begins with a line: after a blank one, not deeper, and in no fence."""
    before, line = lines[number - 1], lines[number]
    inside = bool(fenced) and fenced[number] and fenced[number - 1]
    return not inside and not before.strip() and bool(line.strip()) and line[0] not in " \t"


def _is_whole(first: int, lines: Sequence[str], fenced: Sequence[bool]) -> bool:
    return bool(fenced) and (fenced[first] or lines[first].lstrip().startswith("|"))
