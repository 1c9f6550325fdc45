"""What changes in a piece of text that is published on another page than its own.

Addresses lead to where they led, headings and ids make no anchors, footnotes get a name of their own, and
what is filled in on the page itself (listings, the state of the homelab) is left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from blumeops.site import anchors, linking, prose
from blumeops.site.edits import Edit
from blumeops.site.prose import Kind
from blumeops.site.vault import Page

_ADDRESS = re.compile(
    r"""(?:\]\([ ]*|^[ \t>]*\[[^\]^\n][^\]\n]*\]:[ \t]+)(?:<(?P<angle>[^<>\n]*)>|(?P<bare>[^\s<>()"]+))"""
    r"""|(?<=[\s])(?:src|href)="(?P<html>[^"\n]*)\"""",
    re.MULTILINE,
)
_OUTSIDE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/|\?")
_HEADING = re.compile(
    r"(?P<lead>[ \t>]*)(?P<marks>#{1,6}[ \t]*|)(?P<text>.*?)"
    r"(?:[ \t]*#*[ \t]*(?:\{[^}]*\})?(?:[ \t]+\^[\w-]+)?[ \t]*)$"
)
_STRONG = re.compile(r"\*\*")
_ELEMENT_ID = re.compile(r"""(?<=\s)id=(?:"[^"]*"|'[^']*'|[^\s>}]+)|(?<=[{\s:])#[^\s}]+(?=[^{}\n]*\})""")
_MAY_HOLD_ID = re.compile(r"<[a-zA-Z][^<>]*>|\{[^{}\n]*\}")
_FOOTNOTE = re.compile(r"\[\^(?P<name>[^\]\s]+)\]")
_DEFINITION = re.compile(
    r"^\[(?P<name>[^\]\n]+)\]:[^\n]*(?:\n(?:(?: {4}|\t)[^\n]*|[ \t]*(?=\n(?: {4}|\t)[ \t]*\S)))*",
    re.MULTILINE,
)
_MARKER = re.compile(r"^<!-- (?:blumeops:|material/)[^\n]*-->[ \t]*$", re.MULTILINE)
_CELL = re.compile(r"^(?P<run>`{3,}|~{3,})\{code-cell\}[^\n]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Address:
    """A relative address in a text: where it stands, what it says, and whether it is one of HTML."""

    start: int
    end: int
    text: str
    html: bool


def addresses(page: Page, base: str) -> Iterator[Edit]:
    """Every relative address of a page as it is from another one, also in HTML and in link definitions."""
    for found in relative_addresses(page.text):
        made = _html_address if found.html else _address
        yield Edit(found.start, found.end, made(found.text, page.path, base))


def relative_addresses(text: str) -> Iterator[Address]:
    """Every relative address of a text that its reader may follow, in order: none in code."""
    blocks = prose.mask_blocks(text)
    hidden = [piece for piece in prose.hidden(blocks) if piece.kind is not Kind.TAG]
    for found in _ADDRESS.finditer(prose.blank(blocks, hidden)):
        group = next(name for name in ("angle", "bare", "html") if found[name] is not None)
        address = found[group]
        if address and not _OUTSIDE.match(address):
            yield Address(found.start(group), found.end(group), address, group == "html")


def _address(address: str, origin: str, base: str) -> str:
    path, hash_, fragment = address.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), unquote(path))) if path else origin
    return linking.relative(target, base) + hash_ + fragment


def _html_address(address: str, origin: str, base: str) -> str:
    """HTML names what the site has, folders: a page `a/b.md` is at `a/b/`."""
    path, hash_, fragment = address.partition("#")
    target = posixpath.normpath(posixpath.join(folder(origin), path))
    closed = "/" if path.endswith("/") or not path else ""
    return posixpath.relpath(target, folder(base)) + closed + hash_ + fragment


def folder(path: str) -> str:
    """The folder that a page is in the site, from which a browser follows its addresses."""
    return posixpath.dirname(path) if posixpath.basename(path) == "index.md" else path.removesuffix(".md")


def title_length(page: Page, start: int, title: str) -> int:
    """How many characters of a piece are a heading at its top; with `title` only when that is its text."""
    skipped = len(page.text[start:]) - len(page.text[start:].lstrip("\n"))
    line = page.text.count("\n", 0, start + skipped) + 1
    named = [one for one in page.headings if one.line == line and title in ("", one.text)]
    words = page.text[start + skipped :].partition("\n")[0]
    return skipped + len(words) if named and words.startswith("#") else 0


def headings(page: Page, span: tuple[int, int], level: int) -> Iterator[Edit]:
    """The headings of a piece as lines in bold with the role of a heading, the topmost at `level`."""
    starts = anchors.by_lines(page.text).starts
    inside = [one for one in page.headings if span[0] <= starts[one.line - 1] < span[1]]
    top = min((one.level for one in inside), default=1)
    for one in inside:
        first = starts[one.line - 1]
        line = page.text[first : starts[one.line] - 1]
        found = _HEADING.match(line)
        if found and found["text"]:
            last = starts[one.line + (0 if found["marks"] else 1)] - 1
            yield from _bold(found, first, last, min(6, level + one.level - top))


def _bold(found: re.Match[str], first: int, last: int, level: int) -> Iterator[Edit]:
    begin, end = first + found.start("text"), first + found.end("text")
    lead = found["lead"]
    yield Edit(first, begin, f"{lead.rstrip()}\n{lead}**")
    yield from (Edit(begin + hit.start(), begin + hit.end(), "") for hit in _STRONG.finditer(found["text"]))
    attributes = f"**{{: .embed-heading role=heading aria-level={level} }}"
    yield Edit(end, last, f"{attributes}\n{lead.rstrip()}")


def notes(page: Page, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where a page defines the footnotes and link targets that a piece of it names, outside of that piece."""
    piece = page.text[start:end]
    if "[" not in piece:
        return
    for found in _DEFINITION.finditer(prose.mask_blocks(page.text)):
        if not start <= found.start() < end and f"[{found['name']}]" in piece:
            yield found.span()


def finish(text: str, page: Page) -> str:
    """The last steps on a piece that is written out: footnotes of its own, no ids, no listings, no cells."""
    text = _CELL.sub(r"\g<run>python", _MARKER.sub("", text))
    prefix = page.path.removesuffix(".md").replace("/", "-")
    changes: list[Edit] = []
    blocks = prose.mask_blocks(text)
    seen = prose.blank(blocks, [piece for piece in prose.hidden(blocks) if piece.kind is not Kind.TAG])
    for found in _FOOTNOTE.finditer(seen):
        changes.append(Edit(found.start("name"), found.start("name"), f"{prefix}-"))
    for holder in _MAY_HOLD_ID.finditer(seen):
        changes += (
            Edit(holder.start() + hit.start(), holder.start() + hit.end(), "")
            for hit in _ELEMENT_ID.finditer(holder[0])
        )
    pieces: list[str] = []
    position = 0
    for edit in sorted(changes, key=lambda one: one.start):
        pieces += text[position : edit.start], edit.text
        position = edit.end
    return "".join([*pieces, text[position:]]).strip("\n")
