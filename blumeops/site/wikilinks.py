"""Wikilinks: found in prose only, resolved by the vault, rewritten to standard relative Markdown links.

`[[page]]`, `[[page|text]]`, `[[page#heading]]`, `[[#heading]]`, `[[page\\|text]]` in tables (a bare pipe
works there too), and `![[picture.svg|320]]`. Code, comments and front matter are never touched, and neither
is anything with a space inside the brackets, so `[[ -f x ]]` stays what it is wherever it stands.
"""

from __future__ import annotations

import difflib
import html
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from blumeops.errors import Problem
from blumeops.site import markdown
from blumeops.site.vault import Page, Unresolved, Vault, caseless, exact, loose

_WIKILINK = re.compile(r"(?P<embed>!?)\[\[(?P<inside>[^\[\]\n]+)\]\]")
_MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\[\]]*\]\(<?(?P<target>[^)\s>#]+\.md)(?:#[^)\s>]*)?>?[^)]*\)")
_SPECIAL = re.compile(r"([\\`*_{}\[\]|])")
_STRUCTURE = re.compile(r"([{}\[\]|])")
_TABLE_RULE = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_SIZE = re.compile(r"(\d+)(?:x\d+)?$")


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
        name = self.target.rpartition("/")[2].removesuffix(".md")
        return " > ".join(part for part in (name, *self.heading.split("#")) if part)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A page's text as standard Markdown, the paths of the pages it links to, and what is wrong in it."""

    text: str
    links: frozenset[str]
    problems: tuple[Problem, ...]


def find(text: str) -> Iterator[Wikilink]:
    """Every wikilink in the prose of a text, in order."""
    for found in _WIKILINK.finditer(markdown.mask(text)):
        inside = text[found.start("inside") : found.end("inside")]
        if inside != inside.strip():
            continue
        address, pipe, label = inside.partition("|")
        address = address.removesuffix("\\") if pipe else address
        target, _, heading = address.partition("#")
        words = label.strip() if pipe and label.strip() else None
        start, end = found.span()
        yield Wikilink(target.strip(), heading.strip(), words, bool(found["embed"]), start, end)


def rewrite(page: Page, vault: Vault) -> Rewritten:
    """One page with every wikilink made a relative Markdown link, and every problem in it.

    A link that cannot be resolved stays as it was written; the caller must not publish the text then.
    """
    if page.generated:
        return Rewritten(page.text, frozenset(), ())
    pieces: list[str] = []
    links: set[str] = set(_standard_links(page, vault))
    problems = [_unclosed(fence, page) for fence in markdown.fences(page.text) if fence.last is None]
    position = 0
    for link in find(page.text):
        made = _embed(link, page, vault) if link.embed else _link(link, page, vault)
        if isinstance(made, Unresolved):
            line, column = markdown.place(page.text, link.start)
            problems.append(Problem(made.what, page.source, line, column, made.hint))
            continue
        text, target = made
        links.add(target)
        pieces += page.text[position : link.start], text
        position = link.end
    pieces.append(page.text[position:])
    return Rewritten("".join(pieces), frozenset(links & vault.pages.keys() - {page.path}), tuple(problems))


def _link(link: Wikilink, page: Page, vault: Vault) -> tuple[str, str] | Unresolved:
    target = vault.resolve(link.target, origin=page.path) if link.target else page
    if isinstance(target, Unresolved):
        return target
    anchor = ""
    if link.heading:
        heading = _heading(link.heading, target)
        if isinstance(heading, Unresolved):
            return heading
        anchor = f"#{heading.slug}"
    shown = target.title if "/" in link.target and not link.heading else link.shown
    text = safe(link.text) if link.text else escape(shown)
    path = relative(target.path, page.path) if target is not page or not anchor else ""
    return f"[{text}]({path}{anchor})", target.path


def _embed(link: Wikilink, page: Page, vault: Vault) -> tuple[str, str] | Unresolved:
    path = vault.file(link.target, origin=page.path)
    if path is None:
        if not isinstance(vault.resolve(link.target, origin=page.path), Unresolved):
            return Unresolved(f"![[{link.target}]] embeds a page; only pictures can be", "link to it")
        near = difflib.get_close_matches(link.target, [file.rpartition("/")[2] for file in vault.files], n=1)
        hint = f"did you mean ![[{near[0]}]]?" if near else "put the picture into docs/assets/"
        return Unresolved(f"![[{link.target}]] is no file under docs/", hint)
    size = _SIZE.match(link.text or "")
    label = "" if size else escape(link.text or "")
    width = f'{{ width="{size[1]}" }}' if size else ""
    return f"![{label}]({relative(path, page.path)}){width}", path


def _heading(wanted: str, page: Page) -> markdown.Heading | Unresolved:
    """The heading by its text or its anchor; of `A#B` the last part, under a heading that is called A."""
    *above, name = [part.strip() for part in wanted.split("#") if part.strip()] or [wanted]
    for fold in (exact, caseless, loose):
        trail: list[markdown.Heading] = []
        for heading in page.headings:
            trail = [*(h for h in trail if h.level < heading.level), heading]
            names = [{fold(markdown.plain(h.text)), fold(h.slug)} for h in trail]
            parents = iter(names[:-1])
            if fold(markdown.plain(name)) in names[-1] and all(
                any(fold(markdown.plain(part)) in said for said in parents) for part in above
            ):
                return heading
    known = [heading.text for heading in page.headings]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = ", ".join(known[:6]) or "none"
    hint = f"did you mean #{near[0]}?" if near else f"its headings: {listed}"
    return Unresolved(f"{page.source} has no heading {name!r}", hint)


def _standard_links(page: Page, vault: Vault) -> Iterator[str]:
    for found in _MARKDOWN_LINK.finditer(markdown.mask(page.text)):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), found["target"]))
        if path in vault.pages:
            yield path


def _unclosed(fence: markdown.Fence, page: Page) -> Problem:
    what = "this code fence is never closed"
    return Problem(what, page.source, fence.first + 1, hint="close it with the same marks")


def relative(target: str, origin: str) -> str:
    """The way from one page to another file of the site, quoted for Markdown."""
    return quote(posixpath.relpath(target, posixpath.dirname(origin) or "."))


def safe(text: str) -> str:
    """A person's link text: emphasis and code ticks work, HTML, nested links and table cells do not."""
    return _STRUCTURE.sub(r"\\\1", html.escape(text, quote=False))


def escape(text: str) -> str:
    """Text as Markdown that shows exactly this text: no markup, no HTML, no new table cell."""
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
