"""What a page's author wrote beyond standard Markdown: wikilinks, embeds, tags, block ids, comments.

A page is scanned once, when it is read, and what was found is kept with it: nothing here needs to know any
other page, so the result depends on the text alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from blumeops.site import prose
from blumeops.site.headings import shown
from blumeops.site.prose import LEAD, Hidden, Kind

_WIKILINK = re.compile(r"\[\[(?P<address>[^\[\]|\n]*)(?:\|(?P<label>(?:(?!\[\[|\]\](?!\]))[^\n])*))?\]\]")
_STANDARD = re.compile(r"\]\(<?(?P<target>[^()\[\]\s<>#:]+)(?:#[^()\[\]\s<>]*)?>?[^()\[\]]*\)")
_TAG = re.compile(r"#(?<!\S#)(?P<name>(?=[\w/-]*[^\W\d])[\w-]+(?:/[\w-]+)*)(?![\w/#-])")
_HASH = re.compile(r"#(?<!##)(?=[^\s#])")
_LEAD = re.compile(LEAD)
_BLOCK_ID = re.compile(r"(?:^|(?<=[ \t>]))(?P<mark>\^)(?P<id>[A-Za-z0-9-]+)[ \t]*$", re.MULTILINE)
MAX_LEAD = 200
"""Nobody indents deeper than so many characters."""
_BRACKETS = re.compile(r"!?\[[^\]\n]*\](?:\([^)\n]*\)|\[[^\]\n]*\]|:[ \t]*\S+)?|\{[^}\n]*\}")


@dataclass(frozen=True, slots=True)
class Wikilink:
    """A link as it is written: `target` before `#`, `heading` after it, `text` after `|` (None: none given).

    `start` and `end` are indices into the page's text.
    """

    target: str
    heading: str
    text: str | None
    embed: bool
    start: int
    end: int

    @property
    def shown(self) -> str:
        """What the reader sees when no text is given: `page > heading`, as in Obsidian."""
        return shown(f"{self.target}#{self.heading}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A tag, or the id of a block: its name, and where it stands with its mark."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """All that is written in one text, each in order.

    `targets` are the paths of standard Markdown links as they are written; `removed` the places of `%%…%%`;
    `hashes` the places of a `#` that begins a line and no heading; `unclosed` the places of `%%` and of code
    fences that nothing closes.
    """

    links: tuple[Wikilink, ...] = ()
    targets: tuple[str, ...] = ()
    tags: tuple[Piece, ...] = ()
    blocks: tuple[Piece, ...] = ()
    removed: tuple[tuple[int, int], ...] = ()
    hashes: tuple[int, ...] = ()
    unclosed: tuple[int, ...] = ()


def scan(text: str, blocks: str, hidden: list[Hidden]) -> Scan:
    """Everything in a text whose blocks are masked and whose spans are known (`prose.hidden`)."""
    seen = prose.blank(blocks, hidden)
    tags, hashes = _tags(seen) if "#" in seen else ((), ())
    return Scan(
        links=tuple(_wikilinks(text, seen)) if "[[" in seen else (),
        targets=tuple({found["target"]: None for found in _STANDARD.finditer(seen)}) if "](" in seen else (),
        tags=tags,
        blocks=_block_ids(text, seen) if "^" in seen else (),
        removed=tuple((piece.start, piece.end) for piece in hidden if piece.kind is Kind.REMOVED),
        hashes=hashes,
        unclosed=(
            *(piece.start for piece in hidden if piece.kind is Kind.UNCLOSED),
            *prose.unclosed_fences(text),
        ),
    )


def wikilinks(text: str) -> list[Wikilink]:
    """Every wikilink in the prose of a text, in order."""
    return _wikilinks(text, prose.mask(text))


def _wikilinks(text: str, seen: str) -> list[Wikilink]:
    found = []
    for hit in _WIKILINK.finditer(seen):
        start, end = hit.span()
        embed = start > 0 and seen[start - 1] == "!"
        inside = text[hit.start("address") : end - 2]
        if not inside or inside != inside.strip():
            continue
        address, pipe, label = inside.partition("|")
        address = address.removesuffix("\\") if pipe else address
        target, _, heading = address.partition("#")
        if not target.strip() and not heading.strip():
            continue
        words = label.replace("\\|", "|").strip() or None
        found.append(Wikilink(target.strip(), heading.strip(), words, embed, start - embed, end))
    return found


def _tags(seen: str) -> tuple[tuple[Piece, ...], tuple[int, ...]]:
    """The tags, and every other `#` at the start of a line that Python-Markdown would take for a heading."""
    found: list[Piece] = []
    inside: list[tuple[int, int]] = []
    line = -1
    for hit in _TAG.finditer(seen):
        first = seen.rfind("\n", 0, hit.start()) + 1
        if first != line:
            line, inside = first, _brackets(seen, first)
        while inside and inside[0][1] <= hit.start():
            inside.pop(0)
        if not inside or hit.start() < inside[0][0]:
            found.append(Piece(hit["name"], *hit.span()))
    starts = {piece.start for piece in found}
    hashes = (hit.start() for hit in _HASH.finditer(seen) if hit.start() not in starts)
    return tuple(found), tuple(index for index in hashes if _begins_line(seen, index))


def _brackets(seen: str, first: int) -> list[tuple[int, int]]:
    """Where a line has links with their addresses, and attribute lists: no tag stands in them."""
    last = seen.find("\n", first)
    return [hit.span() for hit in _BRACKETS.finditer(seen, first, last if last >= 0 else len(seen))]


def _begins_line(seen: str, index: int) -> bool:
    first = seen.rfind("\n", 0, index) + 1
    return index - first <= MAX_LEAD and bool(_LEAD.fullmatch(seen, first, index))


def _block_ids(text: str, seen: str) -> tuple[Piece, ...]:
    """The ids of blocks: with the space before them, or, alone on a line, without what leads."""
    found = []
    for hit in _BLOCK_ID.finditer(seen):
        mark = hit.start("mark")
        line = text.rfind("\n", 0, mark) + 1
        before = text[line:mark]
        start = line + len(before.rstrip(" \t")) if before.strip(" \t>") else mark
        found.append(Piece(hit["id"], start, hit.end()))
    return tuple(found)
