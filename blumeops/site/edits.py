"""Changes of a text by place, all from one reading of it, and where the lines went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blumeops.site import anchors, frontmatter, linking
from blumeops.site.syntax import Piece
from blumeops.site.vault import Page, Vault

_LIKE_META = re.compile(r"[ ]{0,3}[A-Za-z0-9_-]+:")
_LIST_LEAD = re.compile(r"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+(?:\[.\][ \t]+)?)*")
_NO_PARAGRAPH = re.compile(r"[ \t]*(?:[|>]|`{3}|~{3}|!!!|\?\?\?|===|<|#{1,6}[ \t])")


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands between two places of a text is replaced. `target` is the page that it links to now."""

    start: int
    end: int
    text: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Shift:
    """An edit that changed the number of lines: its first and last line, from 1, in the source and after."""

    source_first: int
    source_last: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A text after its edits, and each edit that changed its number of lines."""

    text: str
    shifts: tuple[Shift, ...]


def apply(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> Applied:
    """A text, or a piece of it, with edits made. Of two that overlap the first is made."""
    pieces: list[str] = []
    shifts: list[Shift] = []
    position, line, made_line, seen = start, 1, 1, start
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if edit.start < position:
            continue
        pieces += text[position : edit.start], edit.text
        position = edit.end
        before, after = text.count("\n", edit.start, edit.end), edit.text.count("\n")
        if before != after:
            between = text.count("\n", seen, edit.start)
            line, made_line = line + between, made_line + between
            shifts.append(Shift(line, line + before, made_line, made_line + after))
            line, made_line, seen = line + before, made_line + after, edit.end
    pieces.append(text[position:end])
    return Applied("".join(pieces), tuple(shifts))


def front(page: Page) -> Iterator[Edit]:
    """Front matter that every engine reads as we do, with the tags of the text."""
    body = page.front.body
    missing = page.tags != tuple(tag for tag in page.tags if tag in page.front.texts("tags"))
    if missing or not page.front.plain:
        values = {**page.front.values, **({"tags": list(page.tags)} if missing else {})}
        made = frontmatter.write(values)
        short = page.text.count("\n", 0, body) - made.count("\n")
        yield Edit(0, body, made.removesuffix("---\n") + "\n" * max(0, short) + "---\n")
    elif not body and _LIKE_META.match(page.text):
        yield Edit(0, 0, "\n")  # MkDocs would take a first line like `Note: …` for data about the page


def hiding(page: Page) -> Iterator[Edit]:
    """Comments `%%…%%` are taken out and their lines stay; a `#` that begins no heading is escaped."""
    for start, end in page.scan.removed:
        yield Edit(start, end, "\n" * page.text.count("\n", start, end))
    yield from (Edit(index, index, "\\") for index in page.scan.hashes)


def tags(page: Page, base: str, vault: Vault) -> Iterator[Edit]:
    """Each `#tag` as a link to the page where it is listed; on a site without such pages as plain text."""
    for tag in page.scan.tags:
        words = f"#{linking.escape(tag.name)}"
        way = _tag_address(tag.name, base, vault)
        yield Edit(tag.start, tag.end, f"[{words}]({way}){{ .md-tag }}" if way else f"\\{words}")


def _tag_address(name: str, base: str, vault: Vault) -> str:
    from blumeops.site.tags import place  # which makes links itself, with what is here

    for count in (2, 1):
        path, anchor = place(name, count)
        if path in vault.pages:
            return linking.relative(path, base) + (f"#{anchor}" if anchor else "")
    return ""


def block_ids(page: Page) -> Iterator[Edit]:
    """Each `^id` as an anchor of that name where its block begins."""
    read = anchors.by_lines(page.text) if page.scan.blocks else None
    for piece in page.scan.blocks:
        index, made = _anchor(piece, page, read)
        yield Edit(piece.start, piece.end, made if index is None else "")
        if index is not None:
            yield Edit(index, index, made)


def _anchor(piece: Piece, page: Page, read: anchors.Lines | None) -> tuple[int | None, str]:
    """Where the anchor of a block is put, None for the place of its id, and what is put there."""
    start, _ = anchors.block_span(piece, page, read)
    end = page.text.find("\n", start)
    line = page.text[start : end if end >= 0 else len(page.text)]
    span = f'<span id="^{piece.name}"></span>'
    if not _NO_PARAGRAPH.match(line):
        lead = _LIST_LEAD.match(line)
        index = lead.end() if lead else 0
        return (None, f" {span}") if _NO_PARAGRAPH.match(line, index) else (start + index, span)
    if anchors.is_alone(piece, page) and line[:1] not in (" ", "\t"):
        return start, f'<div id="^{piece.name}"></div>\n\n'
    return None, f" {span}"
