"""Where on a page a link leads: a heading or a block, its anchor, and the piece of text that it names."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from blumeops.site import prose, suggest
from blumeops.site.headings import Heading, plain
from blumeops.site.syntax import Piece
from blumeops.site.vault import FOLDS, Page, Unresolved, loose

_ITEM = re.compile(r"(?P<indent>[ \t>]*)(?:[-*+]|\d+[.)])[ \t]+")
_BLOCK_END = re.compile(r"(?:^|[ \t])\^[A-Za-z0-9-]+[ \t]*$")
_HEADING = re.compile(r"[ \t>]*#{1,6}[ \t]")


def anchor(wanted: str, page: Page) -> str | Unresolved:
    """The anchor on a page of what a link says after `#`: a heading by text or anchor, or `^block`."""
    found = block(wanted[1:], page) if wanted.startswith("^") else heading(wanted, page)
    if isinstance(found, Unresolved):
        return found
    return f"^{found.name}" if isinstance(found, Piece) else found.slug


def heading(wanted: str, page: Page) -> Heading | Unresolved:
    """The heading by its text or its anchor; of `A#B` the last part, under a heading that is called A."""
    *above, name = [plain(part) for part in wanted.split("#") if part.strip()] or [wanted]
    for fold in FOLDS:
        names = (fold(name), fold(name.replace(" ", "-")))
        for number, one in enumerate(page.headings):
            if fold(one.text) == names[0] or fold(one.slug) in names:
                if above and not _stands_under(number, above, page):
                    continue
                return one
    near = suggest.Suggestions((one.text for one in page.headings), loose).nearest(name)
    listed = ", ".join(one.text for one in page.headings[:6]) or "none"
    hint = f"did you mean #{_path(near, page)}?" if near else f"its headings: {listed}"
    return Unresolved(f"{page.source} has no heading {wanted!r}", hint)


def _path(name: str, page: Page) -> str:
    """A heading's text, with that of the heading above it when there are two of one text."""
    numbers = [number for number, one in enumerate(page.headings) if one.text == name]
    above = _above(numbers[0], page) if len(numbers) > 1 else []
    return "#".join([*(one.text for one in above[-1:]), name])


def _above(number: int, page: Page) -> list[Heading]:
    """The headings that one stands under, from the top down."""
    trail: list[Heading] = []
    for one in page.headings[: number + 1]:
        trail = [*(parent for parent in trail if parent.level < one.level), one]
    return trail[:-1]


def _stands_under(number: int, above: list[str], page: Page) -> bool:
    """Whether the headings over one are called so, from the top down; others may stand between."""
    names = iter([{loose(parent.text), loose(parent.slug)} for parent in _above(number, page)])
    return all(any(loose(part) in said for said in names) for part in above)


def block(name: str, page: Page) -> Piece | Unresolved:
    """The block that ends with `^name`."""
    found = next((piece for piece in page.scan.blocks if piece.name.casefold() == name.casefold()), None)
    if found:
        return found
    known = [piece.name for piece in page.scan.blocks]
    near = suggest.Suggestions(known, loose).nearest(name)
    listed = ", ".join(f"^{one}" for one in known[:6]) or "none"
    hint = f"did you mean #^{near}?" if near else f"its blocks: {listed}"
    return Unresolved(f"{page.source} has no block ^{name}", hint)


def section(one: Heading, page: Page) -> tuple[int, int]:
    """Where the text of a heading and of those below it begins and ends, as indices into the page's text."""
    after = (other for other in page.headings if other.line > one.line and other.level <= one.level)
    end = next(after, None)
    starts = by_lines(page.text).starts
    return starts[one.line - 1], starts[end.line - 1] if end else len(page.text)


def is_alone(piece: Piece, page: Page) -> bool:
    """Whether a block's id has a line of its own, below the block."""
    line = page.text.rfind("\n", 0, piece.start) + 1
    return not page.text[line : piece.start].strip(" \t>")


@dataclass(frozen=True, slots=True)
class Lines:
    """A text by lines: each line, where each begins, and for the last line of a fence its first."""

    lines: tuple[str, ...]
    starts: tuple[int, ...]
    fences: Mapping[int, int]


def by_lines(text: str) -> Lines:
    """The lines of a text, for those who ask for more than one of its blocks."""
    lines = tuple(text.split("\n"))
    starts = (0, *accumulate(len(line) + 1 for line in lines))
    return Lines(lines, starts, {one.last: one.first for one in prose.fences(text) if one.last is not None})


def block_span(piece: Piece, page: Page, read: Lines | None = None) -> tuple[int, int]:
    """Where a block begins and ends, as whole lines: a paragraph, list item, list, table, quote or fence."""
    read = read or by_lines(page.text)
    lines = read.lines
    number = bisect_right(read.starts, piece.end - 1) - 1
    alone = is_alone(piece, page)
    last = number
    while alone and last > 0 and not lines[last - 1].strip(" \t>"):
        last -= 1
    last = max(last - 1, 0) if alone else last
    first = read.fences.get(last, -1)
    if first < 0:
        first = last
        while first > 0 and not _ends(lines, first, item=not alone):
            first -= 1
    while not alone and last + 1 < len(lines) and _is_below(lines, first, last + 1):
        last += 1
    return read.starts[first], min(read.starts[last + 1], len(page.text))


def _ends(lines: Sequence[str], number: int, *, item: bool) -> bool:
    """Whether a block begins at this line; a list item is a block of its own when `item` is true."""
    if _HEADING.match(lines[number]) or (item and _ITEM.match(lines[number])):
        return True
    above = lines[number - 1]
    return not above.strip(" \t>") or bool(_HEADING.match(above) or _BLOCK_END.search(above))


def _is_below(lines: Sequence[str], first: int, number: int) -> bool:
    """Whether a line belongs to the list item that begins at `first`: it is deeper than its mark."""
    item = _ITEM.match(lines[first])
    line = lines[number]
    return item is not None and bool(line.strip()) and len(line) - len(line.lstrip()) > len(item["indent"])
