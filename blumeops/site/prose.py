"""What is prose in a Markdown text, what is code, and where its lines are.

Only as much Markdown as links need, and it agrees with Python-Markdown and pymdownx.superfences (a test
renders and compares). Positions are kept: a masked text is exactly as long as its source. Every function
takes time in proportion to the length of the text, whatever is written in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from blumeops.site import frontmatter

LEAD = r"[ \t]*(?:>[ \t]?|[-*+][ \t]+|\d+[.)][ \t]+)*[ \t]*"
"""What may stand before a block: spaces, and the marks of quotes and list items."""
_LEAD = re.compile(LEAD)
_FENCE = re.compile(r"[`~](?:(?<=`)``+|(?<=~)~~+)(?P<info>[^\n]*)")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
_CONTAINER = re.compile(r"[ \t]*(?:(?:!!!|\?\?\?\+?|===[!+]?)[ \t]*\S|\[\^[^\]\n]+\]:|:[ \t]+\S)")
_OPENERS = frozenset("-*+0123456789!?=[:")
_DEEP = re.compile(r"\n[ \t]*\n(?: {4}| {0,3}\t)[ \t]*\S")
_MARKS = re.compile(r"[\\<`$%]")
_RUN_OR_BLANK = re.compile(r"`+|\n[ \t]*(?=\n)")
_RAW = re.compile(r"<(?P<tag>pre|script|style|code|textarea)\b", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z](?:[^<>\n]|\n(?![ \t]*\n))*>")
_DISPLAY = re.compile(r"\$\$(?:[^$\n]|\n(?![ \t]*\n)|\$(?!\$))+\$\$")
_MATHS = re.compile(r"\$(?![\s$]|\d[\d.,]*(?:[^\w$\\^{}=+*/-]|$))(?:\\.|[^$\\\n])*?(?<![\s\\])\$(?!\w)")
_PARAGRAPH_END = re.compile(r"\n[ \t]*(?=\n)|\Z")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block. `first` and `last` are the line numbers of its fences, from 0; `last` is None when
    it is never closed. `lead` is what stands before it: spaces, list markers, `>`."""

    first: int
    last: int | None
    lead: str
    info: str
    lines: tuple[str, ...]


class Kind(Enum):
    """What hides a piece of text from links."""

    ESCAPE = auto()
    CODE = auto()
    MATHS = auto()
    TAG = auto()
    RAW = auto()
    """`<pre>`, `<script>` and their like, with what is in them."""
    COMMENT = auto()
    """`<!-- … -->`"""
    REMOVED = auto()
    """`%%…%%`, which is never published."""
    UNCLOSED = auto()
    """The `%%` of a block comment that nothing closes."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A piece of text that is no prose: `start` and `end` are indices into the text."""

    kind: Kind
    start: int
    end: int


def fences(text: str) -> list[Fence]:
    """Every fenced block of a text, in order: backticks or tildes, indented, in lists, in quotes."""
    found: list[Fence] = []
    line, position = 0, 0
    for lead, opened, end in _fence_spans(text):
        line += text.count("\n", position, opened.start())
        position = opened.start()
        closed = end is not None
        lines = text[opened.end() + 1 : end].split("\n")
        inside = lines[:-1] if closed else lines if opened.end() < len(text) else []
        quote = lead.count(">")
        kept = tuple(_unquoted(one, quote) for one in inside) if quote else tuple(inside)
        last = line + len(inside) + 1 if closed else None
        found.append(Fence(line, last, lead, opened["info"].strip(), kept))
    return found


def _fence_spans(text: str) -> Iterator[tuple[str, re.Match[str], int | None]]:
    """What leads each opening fence, the fence, and where the line of its closing fence ends or None."""
    if "```" not in text and "~~~" not in text:
        return
    position = frontmatter.end_of(text)
    while opened := _FENCE.search(text, position):
        position = opened.end()
        lead = text[text.rfind("\n", 0, opened.start()) + 1 : opened.start()]
        if (lead and not _LEAD.fullmatch(lead)) or (opened[0][0] == "`" and "`" in opened["info"]):
            continue
        end = _closing(text, opened, ">" in lead)
        yield lead, opened, end
        if end is None:
            return
        position = end


def _closing(text: str, opened: re.Match[str], quoted: bool) -> int | None:
    mark, count = opened[0][0], opened.start("info") - opened.start()
    for found in _FENCE.finditer(text, opened.end()):
        long = found.start("info") - found.start() >= count
        if found[0][0] == mark and long and not found["info"].strip(" \t"):
            lead = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            if not lead.strip(" \t>" if quoted else " \t"):
                return found.end()
    return None


def _unquoted(line: str, quote: int) -> str:
    for _ in range(quote):
        line = line.lstrip().removeprefix(">")
    return line


def mask(text: str) -> str:
    """The text with everything that is not prose blanked out, each character by a space.

    Blanked are front matter, fences, indented code, code spans, comments of HTML and of Obsidian, maths,
    HTML tags, `<pre>` and its like with what is in it, and escaped marks. Lines and columns stay where
    they are.
    """
    blocks = mask_blocks(text)
    return blank(blocks, hidden(blocks))


def mask_blocks(text: str) -> str:
    """The text with front matter, fences and indented code blanked out; spans and comments stay."""
    body = frontmatter.end_of(text)
    pieces = [_blanked(text[:body])]
    position = body
    for _, opened, end in _fence_spans(text):
        inside = opened.start()
        pieces += text[position:inside], _blanked(text[inside:end])
        position = len(text) if end is None else end
    pieces.append(text[position:])
    masked = "".join(pieces)
    if not masked.startswith((" ", "\t"), body) and not _DEEP.search(masked, max(0, body - 1)):
        return masked
    lines = masked.split("\n")
    _mask_indented(lines)
    return "\n".join(lines)


def blank(text: str, pieces: list[Hidden]) -> str:
    """A text with some of its pieces blanked out."""
    kept: list[str] = []
    position = 0
    for piece in pieces:
        kept += text[position : piece.start], _blanked(text[piece.start : piece.end])
        position = piece.end
    kept.append(text[position:])
    return "".join(kept)


def _blanked(text: str) -> str:
    if "\n" not in text:
        return " " * len(text)
    return "\n".join([" " * len(line) for line in text.split("\n")])


def hidden(blocks: str) -> list[Hidden]:
    """What is no prose in a text that went through `mask_blocks`, in order and without overlaps."""
    found: list[Hidden] = []
    absent: set[str] = set()
    position = 0
    while mark := _MARKS.search(blocks, position):
        start = mark.start()
        kind, position = _READERS[blocks[start]](blocks, start, absent)
        if kind:
            found.append(Hidden(kind, start, position))
    return found


def _find(text: str, mark: str, start: int, absent: set[str]) -> int:
    """Where a closing mark is, or -1. One that is not there is looked for once, not for each opening."""
    found = -1 if mark in absent else text.find(mark, start)
    if found < 0:
        absent.add(mark)
    return found


def _read_escape(text: str, start: int, _absent: set[str]) -> tuple[Kind | None, int]:
    escaped = text[start + 1 : start + 2]
    return (Kind.ESCAPE, start + 2) if escaped and escaped in "\\`[#$%<^" else (None, start + 1)


def _read_ticks(text: str, start: int, _absent: set[str]) -> tuple[Kind | None, int]:
    """A code span ends at a run of as many backticks, and never beyond its paragraph."""
    opened = _RUN_OR_BLANK.match(text, start)
    after = opened.end() if opened else start + 1
    for run in _RUN_OR_BLANK.finditer(text, after):
        if run[0][0] == "\n":
            break
        if run.end() - run.start() == after - start:
            return Kind.CODE, run.end()
    return None, after


def _read_angle(text: str, start: int, absent: set[str]) -> tuple[Kind | None, int]:
    if text.startswith("<!--", start):
        end = _find(text, "-->", start + 4, absent)
        return (Kind.COMMENT, end + 3) if end >= 0 else (None, start + 4)
    if raw := _RAW.match(text, start):
        closed = _find(text, f"</{raw['tag']}", raw.end(), absent)
        if closed >= 0:
            return Kind.RAW, (text.find(">", closed) + 1) or len(text)
    tag = _TAG.match(text, start)
    return (Kind.TAG, tag.end()) if tag else (None, start + 1)


def _read_dollar(text: str, start: int, _absent: set[str]) -> tuple[Kind | None, int]:
    """Maths as Obsidian and pandoc read it: `$x$` has no space inside its marks, so `$5` is a price."""
    found = _DISPLAY.match(text, start)
    if not found and not text[start - 1 : start].isalnum():
        found = _MATHS.match(text, start)
    return (Kind.MATHS, found.end()) if found else (None, start + 1)


def _read_percent(text: str, start: int, _absent: set[str]) -> tuple[Kind | None, int]:
    """`%%…%%` in a paragraph; when it begins a line, up to the next `%%` wherever that is."""
    if not text.startswith("%%", start):
        return None, start + 1
    begins = not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t>")
    limit = None if begins else _paragraph_end(text, start)
    end = text.find("%%", start + 2, limit)
    if end >= 0:
        return Kind.REMOVED, end + 2
    alone = begins and not text[start + 2 :].partition("\n")[0].strip()
    return (Kind.UNCLOSED if alone else None), start + 2


def _paragraph_end(text: str, start: int) -> int:
    found = _PARAGRAPH_END.search(text, start)
    return found.start() if found else len(text)


_READERS: dict[str, Callable[[str, int, set[str]], tuple[Kind | None, int]]] = {
    "\\": _read_escape,
    "`": _read_ticks,
    "<": _read_angle,
    "$": _read_dollar,
    "%": _read_percent,
}


def _mask_indented(lines: list[str]) -> None:
    """Blank indented code: four columns deeper than what it stands in, after an empty line."""
    stands_in: list[int] = []
    after_blank, in_code = True, False
    for number, line in enumerate(lines):
        if not line or line.isspace():
            after_blank = True
            continue
        columns = _indent(line) if line[0] in " \t" else 0
        while stands_in and columns < stands_in[-1] and after_blank:
            stands_in.pop()
        inner = stands_in[-1] if stands_in else 0
        in_code = columns >= inner + 4 and (after_blank or in_code)
        after_blank = False
        if in_code:
            lines[number] = " " * len(line)
        elif (columns or line[0] in _OPENERS) and (_LIST_ITEM.match(line) or _CONTAINER.match(line)):
            while stands_in and stands_in[-1] > columns:
                stands_in.pop()
            stands_in.append(columns + 4)


def _indent(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())


def place(text: str, index: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character of a text."""
    before = text.rfind("\n", 0, index)
    return text.count("\n", 0, index) + 1, index - before


def unclosed_fences(text: str) -> list[int]:
    """Where a code fence begins that nothing closes."""
    return [opened.start() for _, opened, end in _fence_spans(text) if end is None]
