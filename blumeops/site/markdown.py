"""What is prose in a Markdown text, what is code, and which headings it has.

Only as much Markdown as links need, and it agrees with Python-Markdown and pymdownx.superfences (a test
renders and compares). Positions are kept: a masked text is exactly as long as its source.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from blumeops.site import frontmatter

_FENCE = re.compile(
    r"(?P<lead>[ \t]*(?:>[ \t]?|[-*+][ \t]+|\d+[.)][ \t]+)*[ \t]*)(?P<run>`{3,}|~{3,})(?P<info>.*)"
)
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
_CONTAINER = re.compile(r"[ \t]*(?:!!!|\?\?\?\+?|===[!+]?)[ \t]*\S")
_INLINE_CODE = re.compile(
    r"\\[\\`\[]"
    r"|<!--.*?-->"
    r"|<(?P<tag>pre|script|style|code|textarea)\b.*?</(?P=tag)\s*>"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.IGNORECASE,
)
_NOT_NEWLINE = re.compile(r"[^\n]")
_ATX = re.compile(r"(?P<marks>#{1,6})[ \t]*(?P<text>.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$")
_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*(?P<inside>[^}\n]*)\}[ \t]*$")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|!\[\[[^\]]*\]\]")
_LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\([^)]*\)")
_WIKILINK = re.compile(r"\[\[(?P<target>[^\[\]|]*?)(?:\\?\|(?P<text>[^\[\]]*))?\]\]")
_EMPHASIS = re.compile(r"(?<!\w)(?P<marks>__?|\*\*?\*?)(?=\S)(?P<text>.+?)(?<=\S)(?P=marks)(?!\w)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block. `first` and `last` are the line numbers of its fences, from 0; `last` is None when
    it is never closed. `lead` is what stands before it: spaces, list markers, `>`."""

    first: int
    last: int | None
    lead: str
    info: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level, its text without markup, and the anchor that the site gives it."""

    level: int
    text: str
    slug: str
    line: int


def slugify(text: str) -> str:
    """The anchor of a heading text, equal to `markdown.extensions.toc.slugify_unicode` in mkdocs.yml."""
    kept = re.sub(r"[^\w\s-]", "", text).strip().lower()
    return re.sub(r"[-\s]+", "-", kept)


def fences(text: str) -> list[Fence]:
    """Every fenced block of a text, in order: backticks or tildes, indented, in lists, in quotes."""
    found: list[Fence] = []
    lines = text.split("\n")
    number = text.count("\n", 0, frontmatter.end_of(text))
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        if opened and not (opened["run"][0] == "`" and "`" in opened["info"]):
            fence = _read_fence(lines, number, opened)
            found.append(fence)
            number = len(lines) if fence.last is None else fence.last
        number += 1
    return found


def _read_fence(lines: list[str], first: int, opened: re.Match[str]) -> Fence:
    quote = opened["lead"].count(">")
    close = re.compile(rf"[ \t]*{re.escape(opened['run'][0])}{{{len(opened['run'])},}}[ \t]*")
    inside: list[str] = []
    for number in range(first + 1, len(lines)):
        line = lines[number]
        for _ in range(quote):
            line = line.lstrip().removeprefix(">")
        if close.fullmatch(line):
            return Fence(first, number, opened["lead"], opened["info"].strip(), tuple(inside))
        inside.append(line)
    return Fence(first, None, opened["lead"], opened["info"].strip(), tuple(inside))


def mask(text: str) -> str:
    """The text with everything that is not prose blanked out, each character by a space.

    Blanked are front matter, fences, indented code, code spans, HTML comments, `<pre>` and its like, and
    escaped brackets. Lines and columns stay where they are.
    """
    return _INLINE_CODE.sub(lambda found: _NOT_NEWLINE.sub(" ", found[0]), mask_blocks(text))


def mask_blocks(text: str) -> str:
    """The text with front matter, fences and indented code blanked out; spans and comments stay."""
    lines = text.split("\n")
    for number in range(text.count("\n", 0, frontmatter.end_of(text))):
        lines[number] = " " * len(lines[number])
    for fence in fences(text):
        last = len(lines) - 1 if fence.last is None else fence.last
        for number in range(fence.first, last + 1):
            lines[number] = " " * len(lines[number])
        lines[fence.first] = fence.lead + lines[fence.first][len(fence.lead) :]
    _mask_indented(lines)
    return "\n".join(lines)


def _mask_indented(lines: list[str]) -> None:
    """Blank indented code: four columns deeper than what it stands in, after an empty line."""
    stands_in: list[int] = []
    after_blank, in_code = True, False
    for number, line in enumerate(lines):
        if not line.strip():
            after_blank = True
            continue
        columns = _indent(line)
        while stands_in and columns < stands_in[-1] and after_blank:
            stands_in.pop()
        inner = stands_in[-1] if stands_in else 0
        in_code = columns >= inner + 4 and (after_blank or in_code)
        after_blank = False
        if in_code:
            lines[number] = " " * len(line)
        elif _LIST_ITEM.match(line) or _CONTAINER.match(line):
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


def headings(text: str) -> tuple[Heading, ...]:
    """All headings of a text with their anchors; a second heading of one name gets `_1`, as in the site."""
    found: list[Heading] = []
    used: set[str] = set()
    source = text.split("\n")
    seen = mask(text).split("\n")
    for number, line in enumerate(seen):
        level = _level(seen, number)
        if not level:
            continue
        raw = source[number].strip()
        atx = _ATX.match(raw) if line.lstrip().startswith("#") else None
        words, explicit = _attributes(atx["text"] if atx else raw)
        words = plain(words)
        found.append(Heading(level, words, explicit or _unique(slugify(words), used), number + 1))
        used.add(found[-1].slug)
    return tuple(found)


def _level(lines: list[str], number: int) -> int:
    line = lines[number].strip()
    if line.startswith("#"):
        return len(line) - len(line.lstrip("#"))
    below = lines[number + 1] if number + 1 < len(lines) else ""
    above = lines[number - 1].strip() if number else ""
    if not line or above or not _UNDERLINE.match(below) or _UNDERLINE.match(line):
        return 0
    return 1 if below.startswith("=") else 2


def _attributes(words: str) -> tuple[str, str]:
    found = _ATTRIBUTES.search(words)
    if not found:
        return words, ""
    explicit = next((word[1:] for word in found["inside"].split() if word.startswith("#")), "")
    return words[: found.start()], explicit


def _unique(slug: str, used: Iterable[str]) -> str:
    if slug and slug not in used:
        return slug
    base, _, count = slug.rpartition("_")
    base, number = (base, int(count)) if base and count.isdecimal() else (slug, 0)
    return next(name for n in range(number + 1, 100_000) if (name := f"{base}_{n}") not in used)


def plain(text: str) -> str:
    """Inline Markdown as the reader sees it: no emphasis marks, no code ticks, a link as its text."""
    pieces = re.split(r"(`+)(.+?)\1", text)
    said = [_plain_prose(piece) if n % 3 == 0 else piece for n, piece in enumerate(pieces) if n % 3 != 1]
    return re.sub(r"\s+", " ", "".join(said)).strip()


def _plain_prose(text: str) -> str:
    text = _IMAGE.sub("", text)
    text = _WIKILINK.sub(lambda found: found["text"] or _shown(found["target"]), text)
    text = _LINK.sub(lambda found: found["text"], text)
    text = _EMPHASIS.sub(lambda found: found["text"], _EMPHASIS.sub(lambda found: found["text"], text))
    text = re.sub(r"<[^>]*>", "", text)
    return html.unescape(re.sub(r"\\([\\`*_{}\[\]()#+.!>-])", r"\1", text))


def _shown(target: str) -> str:
    name, _, heading = target.partition("#")
    return " > ".join(part for part in (name, *heading.split("#")) if part)
