"""Embeds: `![[page]]`, `![[page#Heading]]` and `![[page#^block]]`, written out where they stand.

What is embedded becomes a quote with a title that links to where it comes from. Inside of it:

- links and pictures lead to where they lead on their own page;
- a heading is a line in bold with the role of a heading, below the heading it stands under: it has no anchor
  and no place in the table of contents, so a page's own anchors never depend on what it embeds;
- ids of blocks, headings and elements are left out, and footnotes get a name of their own.

A page that embeds itself, through whichever others, is an error at the line that begins the circle. So is
more than `MAX_DEPTH` levels or `MAX_EMBEDS` embeds in one page: ten pages that embed ten pages each, and so
on, would be ten thousand million.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from blumeops.site import anchors, edits, linking, moved, prose
from blumeops.site.edits import Edit
from blumeops.site.syntax import Wikilink
from blumeops.site.vault import Page, Unresolved, Vault

MAX_DEPTH = 5
MAX_EMBEDS = 200
_LINE = re.compile(rf"{prose.LEAD}$")
_MARKS = re.compile(r"(?:[-*+]|\d+[.)])[ \t]+")


@dataclass(slots=True)
class Publishing:
    """A page while its text is made: what it embeds so far."""

    page: Page
    vault: Vault
    embedded: dict[str, None] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an embed is written: its page, the index in that page's text, and the embeds it stands in."""

    page: Page
    index: int
    outer: Place | None = None

    def __iter__(self) -> Iterator[Place]:
        yield self
        if self.outer:
            yield from self.outer


def is_page(link: Wikilink, page: Page, vault: Vault) -> bool:
    """Whether an embed means a page, not a file: a name with a suffix is a file's when there is one."""
    if link.heading or not link.target:
        return True
    if "." in posixpath.basename(link.target.removesuffix(".md")):
        return vault.file(link.target, origin=page.path) is None and isinstance(
            vault.resolve(link.target, origin=page.path), Page
        )
    return True


def replace(link: Wikilink, place: Place, making: Publishing) -> Edit | Unresolved:
    """Any wikilink as an edit of the text in which it is written."""
    try:
        return _replace(link, place, making)
    except _Refused as error:
        return error.why


class _Refused(Exception):
    """An embed that can never end; it ends the embed at the top, whose page cannot be published."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.why = Unresolved(what, hint)


def _replace(link: Wikilink, place: Place, making: Publishing) -> Edit | Unresolved:
    page, vault, base = place.page, making.vault, making.page.path
    if link.embed and is_page(link, page, vault):
        return _expand(link, place, making)
    made = (linking.picture if link.embed else linking.link)(link, page, vault, base)
    return made if isinstance(made, Unresolved) else Edit(link.start, link.end, made.text, made.target)


def _expand(link: Wikilink, place: Place, making: Publishing) -> Edit | Unresolved:
    """The embed of a page, a section or a block as an edit of the text in which it is written."""
    page, vault = place.page, making.vault
    target = vault.resolve(link.target, origin=page.path) if link.target else page
    if isinstance(target, Unresolved):
        return Unresolved(f"!{target.what}", target.hint)
    span = _span(link, target)
    if isinstance(span, Unresolved):
        return span
    lead = page.text[page.text.rfind("\n", 0, link.start) + 1 : link.start]
    after = page.text[link.end :].partition("\n")[0].strip()
    if not _LINE.fullmatch(lead) or (after and not after.startswith("^")):
        hint = "give it a line of its own, or write a link without the !"
        return Unresolved(f"![[{link.target}]] embeds a page in the middle of a line", hint)
    _refuse(target, span, place, making)
    making.count += 1
    making.embedded[target.path] = None
    body = _body(target, span, place, making)
    return Edit(
        link.start, link.end, _quoted(_title(link, target, making.page), body, link, page, lead), target.path
    )


def _quoted(title: str, body: str, link: Wikilink, page: Page, lead: str) -> str:
    """A title and a text as a quote, for a line that begins with `lead`: in a list item below its title."""
    rest = _MARKS.sub(lambda mark: " " * max(4, len(mark[0])), lead)
    quote = ["> [!quote | embed] " + title]
    if body:
        quote += [">", *(f"> {text}".rstrip() for text in body.split("\n"))]
    if rest != lead:
        quote = [title, "", *(quote[2:] if body else [])]
    before = page.text[: link.start - len(lead)].rpartition("\n")[0].rpartition("\n")[2]
    if rest == lead and lead and not lead.strip() and before.strip():
        quote.insert(0, "")
    follows = page.text[link.end :].partition("\n")[2].partition("\n")[0]
    closing = [rest.rstrip()] if follows.strip(" \t>") else []
    return "\n".join([quote[0], *((rest + text).rstrip() for text in quote[1:]), *closing])


def _span(link: Wikilink, target: Page) -> tuple[int, int] | Unresolved:
    if not link.heading:
        return 0, len(target.text)
    if link.heading.startswith("^"):
        block = anchors.block(link.heading[1:], target)
        return block if isinstance(block, Unresolved) else anchors.block_span(block, target)
    heading = anchors.heading(link.heading, target)
    return heading if isinstance(heading, Unresolved) else anchors.section(heading, target)


def _refuse(target: Page, span: tuple[int, int], place: Place, making: Publishing) -> None:
    trail = list(place)
    for number, one in enumerate(trail):
        if one.page.path == target.path and span[0] <= one.index < span[1]:
            circle = " → ".join([*(at.page.source for at in reversed(trail[: number + 1])), target.source])
            raise _Refused(f"this embeds itself: {circle}", "link to the page, without the !")
    if len(trail) > MAX_DEPTH:
        pages = " → ".join(at.page.source for at in reversed(trail))
        raise _Refused(
            f"embeds are nested more than {MAX_DEPTH} deep: {pages}", "link to one of them, without the !"
        )
    if making.count >= MAX_EMBEDS:
        raise _Refused(f"more than {MAX_EMBEDS} embeds in one page", "link to some of them, without the !")


def _title(link: Wikilink, target: Page, base: Page) -> str:
    heading = "" if link.heading.startswith("^") else link.heading
    words = link.text or " › ".join([target.title, *(part for part in heading.split("#") if part)])
    found = anchors.anchor(link.heading, target) if link.heading else ""
    fragment = f"#{found}" if found and isinstance(found, str) else ""
    path = "" if target is base and fragment else linking.relative(target.path, base.path)
    return f"[{linking.escape(words)}]({path}{fragment})"


def _body(target: Page, span: tuple[int, int], place: Place, making: Publishing) -> str:
    """The piece of a page that is embedded, made for the page that embeds it."""
    level = _level_at(list(place)[-1]) + len(list(place))
    first = max(span[0], target.front.body)
    first += moved.title_length(target, first, target.title if not span[0] else "")
    changes = [*_inside(target, span, place, making), *moved.headings(target, (first, span[1]), level)]
    changes += moved.addresses(target, making.page.path)
    spans = [(first, span[1]), *moved.notes(target, first, span[1])]
    texts = [_piece(target, changes, start, end) for start, end in spans]
    return moved.finish("\n\n".join(texts), target)


def _piece(target: Page, changes: list[Edit], start: int, end: int) -> str:
    kept = [edit for edit in changes if start <= edit.start and edit.end <= end]
    return edits.apply(target.text, kept, start, end).text.strip("\n")


def _inside(target: Page, span: tuple[int, int], place: Place, making: Publishing) -> Iterator[Edit]:
    """The edits of a page's own syntax; what is wrong in them is said where that page is published itself."""
    for link in target.scan.links:
        if link.embed and not span[0] <= link.start < span[1]:
            continue
        made = _replace(link, Place(target, link.start, place), making)
        if isinstance(made, Edit):
            yield made
    yield from edits.hiding(target)
    yield from edits.tags(target, making.page.path, making.vault)
    yield from (Edit(piece.start, piece.end, "") for piece in target.scan.blocks)


def _level_at(place: Place) -> int:
    """The level of the heading under which a place of a page stands; 1 above all headings."""
    line = place.page.text.count("\n", 0, place.index) + 1
    above = [one.level for one in place.page.headings if one.line < line]
    return above[-1] if above else 1
