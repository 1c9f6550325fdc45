"""Everything about one page's links: where they lead, who links here and from which line, what is broken.

The same index, the same rules and the same words as the site's own: `blumeops docs links` answers for
people and assistants what the site shows as backlinks.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from blumeops.errors import BlumeOpsError, Problem
from blumeops.site import markdown, related, wikilinks
from blumeops.site.vault import Page, Unresolved, Vault

_STANDARD = re.compile(r"!?\[[^\[\]]*\]\(<?(?P<target>[^)\s>#:]*?\.md)(?P<heading>#[^)\s>]*)?>?[^)]*\)")


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two pages: both as paths in the repository, and the line where it is written."""

    origin: str
    line: int
    target: str
    title: str
    heading: str
    written: str

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}  {self.written}"


@dataclass(frozen=True, slots=True)
class Related:
    """A page that is near without a link, as `blumeops.site.related` finds it."""

    page: str
    title: str


@dataclass(frozen=True, slots=True)
class PageLinks:
    """All links of one page: out of it, into it, the broken ones, and what stands close to it."""

    page: str
    title: str
    outgoing: tuple[Link, ...]
    incoming: tuple[Link, ...]
    broken: tuple[Problem, ...]
    related: tuple[Related, ...]


def named(vault: Vault, name: str) -> Page:
    """A page by any name that a link may call it, by its path, or by its path in the repository.

    Raises `BlumeOpsError` with the nearest name.
    """
    words = name.strip().removeprefix("[[").removesuffix("]]").partition("#")[0].partition("|")[0]
    found = vault.resolve(words.removeprefix("./"), origin="index.md")
    if isinstance(found, Unresolved):
        raise BlumeOpsError(found.what, hint=found.hint)
    return found


def of(vault: Vault, name: str) -> PageLinks:
    """The links of the page that `name` means."""
    page = named(vault, name)
    every = {path: tuple(links(one, vault)) for path, one in vault.pages.items()}
    own = every[page.path]
    into = [link for made in every.values() for link in made if link.target == page.source]
    return PageLinks(
        page=page.source,
        title=page.title,
        outgoing=own,
        incoming=tuple(sorted(into, key=lambda link: (link.origin, link.line))),
        broken=wikilinks.rewrite(page, vault).problems,
        related=tuple(_related(page, every, vault)),
    )


def links(page: Page, vault: Vault) -> Iterator[Link]:
    """Every link from a page to another page, in the order in which they stand; not those to itself."""
    if page.generated:
        return
    found = sorted([*_wikilinks(page, vault), *_standard(page, vault)], key=lambda link: link[0])
    for start, end, target, heading in found:
        if target is not page:
            line, _ = markdown.place(page.text, start)
            written = page.text[start:end].replace("\n", " ")
            yield Link(page.source, line, target.source, target.title, heading, written)


def _wikilinks(page: Page, vault: Vault) -> Iterator[tuple[int, int, Page, str]]:
    for link in wikilinks.find(page.text):
        found = vault.resolve(link.target, origin=page.path) if link.target else page
        if isinstance(found, Page):
            yield link.start, link.end, found, link.heading


def _standard(page: Page, vault: Vault) -> Iterator[tuple[int, int, Page, str]]:
    folder = posixpath.dirname(page.path)
    for found in _STANDARD.finditer(markdown.mask(page.text)):
        path = posixpath.normpath(posixpath.join(folder, unquote(found["target"])))
        if path in vault.pages:
            yield *found.span(), vault.pages[path], (found["heading"] or "").removeprefix("#")


def _related(page: Page, every: Mapping[str, tuple[Link, ...]], vault: Vault) -> Iterator[Related]:
    """The pages that the site shows as near to this one."""
    paths = {one.source: path for path, one in vault.pages.items()}
    out = {path: frozenset(paths[link.target] for link in made) for path, made in every.items()}
    back: dict[str, set[str]] = defaultdict(set)
    for path, targets in out.items():
        for target in targets:
            back[target].add(path)
    for path in related.related(vault.pages, out, back).get(page.path, ()):
        yield Related(vault.pages[path].source, vault.pages[path].title)
