"""What the site has for assistants: `llms.txt`, `llms-full.txt`, and a Markdown twin beside each page.

All of it is made from the pages' sources, not from their HTML, in the same build as the pages:

    llms.txt                    the map: a title, a summary, links to the twins by section, see `llms_txt`
    llms-full.txt               all pages in one text; above `PART_BYTES` an index of the parts
    llms-full-1.txt, …          the parts, each with whole pages, in the order of the navigation
    reference/x/index.html.md   the twin of reference/x/, see `twins`

A `llms.txt` that stands in `docs/` is published as it is, and no other is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.site import linking, llms_txt, plain, twins
from blumeops.site.cache import Cache, digest
from blumeops.site.compose import Basis, runbook_name, summary
from blumeops.site.headings import Heading
from blumeops.site.llms_txt import FILE, FULL
from blumeops.site.navigation import Nav
from blumeops.site.twins import END, Link, Pieces
from blumeops.site.vault import Page

if TYPE_CHECKING:
    from blumeops.site.staging import Staged

PART_BYTES = 400_000
"""The longest `llms-full.txt`, and the longest part: some 100,000 tokens, half of a usual context window."""
_LISTING = "<!-- blumeops:"
"""In a page that lists others; what it says changes with them."""
_BORDER = "=" * 8
_RUNS = re.compile(rf"{_BORDER}=*")


@dataclass(frozen=True, slots=True)
class Site:
    """The site that these files are made for: its name, what it was made from, and its navigation.

    `places` has the built file of each page, as MkDocs says.
    """

    name: str
    basis: Basis
    nav: Nav
    places: Mapping[str, str]

    @staticmethod
    def of(staged: Staged, name: str, places: Mapping[str, str] | None = None) -> Site:
        """The site of a staged tree; without `places` as MkDocs has them where addresses are folders."""
        assert staged.basis is not None
        return Site(name, staged.basis, staged.nav, places or twins.places(staged.vault.pages))

    def map(self) -> tuple[str, str]:
        """What `llms.txt` is called where a person edits it, and its text; its own name when it is made."""
        own = self.basis.source.files.get(FILE)
        if own is not None:
            return own.relative_to(self.basis.source.root).as_posix(), own.read_text("utf-8", "replace")
        return FILE, _Making(self, Cache(None), Kept(), keep=False).map()

    def has(self, path: str) -> bool:
        """Whether the site will have a file, as far as it is known before it is built."""
        shown = {file for place in self.places.values() for file in (place, f"{place}{END}")}
        return path in shown or path in self.basis.source.files or path in (FILE, FULL)


@dataclass(slots=True)
class Kept:
    """What a process that makes the files again keeps of each page: what it was made from, and both texts."""

    texts: dict[str, tuple[object, tuple[str, str]]] = field(default_factory=dict)
    anchors: dict[str, tuple[tuple[Heading, ...], Mapping[str, str]]] = field(default_factory=dict)

    def renew(self, pages: Mapping[str, Page]) -> None:
        """Forget the texts when an anchor is called otherwise than it was: they may lead there."""
        for path, (headings, _) in self.anchors.items():
            if path not in pages or pages[path].headings != headings:
                self.texts.clear()


def files(site: Site, cache: Cache | None = None, kept: Kept | None = None) -> Iterator[tuple[str, str]]:
    """Every file for assistants with its text, twins first. `kept` is what an earlier call left."""
    making = _Making(site, cache or Cache(None), kept or Kept(), keep=kept is not None)
    making.kept.renew(site.basis.source.vault.pages)
    whole: list[tuple[Page, str]] = []
    for _, path in llms_txt.order(site.nav):
        if path in site.places:
            page = site.basis.source.vault.pages[path]
            twin, full = making.texts(page)
            yield site.places[path] + END, twin
            if not llms_txt.is_list(path):
                whole.append((page, full))
    own = site.basis.source.files
    made = {**dict(full_files(site.name, whole, site.places)), FILE: making.map()}
    yield from ((name, text) for name, text in made.items() if name not in own)


def write(site: Site, into: Path, known: dict[str, bytes], cache: Cache, kept: Kept | None) -> set[str]:
    """Write the files that are not as `known` has them, bring that up to date, and return what went."""
    seen = set[str]()
    for name, text in files(site, cache, kept):
        data = text.encode()
        made = digest(data)
        seen.add(name)
        if known.get(name) != made:
            _put(into / name, data)
            known[name] = made
    gone = known.keys() - seen
    for name in gone:
        del known[name]
    return gone


def _put(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except FileNotFoundError:
        file.parent.mkdir(parents=True)
        file.write_bytes(data)


def made_from(basis: Basis) -> bytes:
    """The digest of everything that the files are made from, but for what the staged tree holds, too."""
    runs = (repr(one) for one in basis.source.runs.values())
    return digest(twins.code(), *basis.linked.values(), *runs)


@dataclass(slots=True)
class _Making:
    site: Site
    cache: Cache
    kept: Kept
    keep: bool

    def texts(self, page: Page) -> tuple[str, str]:
        """The text of a page's twin, and the same text as it stands in the file of all pages."""
        linked, note = self.site.basis.linked[page.path], self.note(page)
        made_from = page, linked, note, self.site.basis.source.last_run(page).record
        known = self.kept.texts.get(page.path)
        if known and known[0] == made_from:
            return known[1]
        made = self.made(page, linked, note)
        if self.keep and _LISTING not in linked:
            self.kept.texts[page.path] = made_from, made
        return made

    def made(self, page: Page, linked: str, note: str) -> tuple[str, str]:
        made = self.pieces(page, linked, note)
        base = f"{self.site.places[page.path]}{END}"
        return twins.joined(made, partial(self.address, base)), twins.joined(made[1:], self.from_top)

    def address(self, base: str, link: Link) -> str:
        """Where a link leads from a twin: to the twin of a page, or to another file of the site."""
        place = self.site.places.get(link.path)
        target = place + END if place else link.path
        if not link.anchor:
            return linking.relative(target, base)
        way = linking.relative(target, base) if target != base else ""
        return f"{way}#{self.anchor(link.path, link.anchor)}"

    def from_top(self, link: Link) -> str:
        """Where it leads from the top of the site."""
        place = self.site.places.get(link.path)
        way = llms_txt.address(place + END if place else link.path)
        return f"{way}#{self.anchor(link.path, link.anchor)}" if link.anchor else way

    def pieces(self, page: Page, linked: str, note: str) -> Pieces:
        key = twins.made_from(self.site.basis.source, page, linked, note)
        if known := self.cache.get(key):
            return twins.from_json(known)
        made = twins.pieces(self.site.basis.source, page, linked, note)
        self.cache.put(key, twins.to_json(made))
        return made

    def note(self, page: Page) -> str:
        run = self.site.basis.source.last_run(page)
        if not run.stale:
            return self.site.basis.notes.get(page.path, "")
        changed = "".join(f"    - `{path.replace('`', '')}`\n" for path in run.changed)
        return f'!!! run-changed "Stale: what the last run depended on changed since"\n\n{changed}'.rstrip()

    def anchor(self, path: str, slug: str) -> str:
        """What GitHub, and whoever reads Markdown as it does, calls an anchor of a page."""
        page = self.site.basis.source.vault.pages.get(path)
        if page is None:
            return slug
        known = self.kept.anchors.get(path)
        if known is None or known[0] is not page.headings:
            known = self.kept.anchors[path] = page.headings, plain.anchors_of(page.headings)
        return known[1].get(slug, slug)

    def map(self) -> str:
        pages = self.site.basis.source.vault.pages
        addresses = {path: llms_txt.address(f"{place}{END}") for path, place in self.site.places.items()}
        runs = {
            path: self.site.basis.source.last_run(page) for path, page in pages.items() if runbook_name(page)
        }
        made = llms_txt.sections(self.site.nav, pages, addresses, runs)
        home = pages.get("index.md")
        about = (summary(home) if home else "") or f"{len(pages)} pages."
        return llms_txt.text(self.site.name, about, made)


def full_files(
    name: str, whole: list[tuple[Page, str]], places: Mapping[str, str], *, most: int = PART_BYTES
) -> Iterator[tuple[str, str]]:
    """The text of all pages as one file, or as an index and parts of at most so many bytes.

    A page is never torn: one that is longer than that is a part of its own.
    """
    runs = (len(run) for _, text in whole if _BORDER in text for run in _RUNS.findall(text))
    border = "=" * (1 + max(runs, default=len(_BORDER) - 1))
    pages = [
        (page, f"{border} {places[page.path]}{END} {border}\n\n{text.strip()}\n\n") for page, text in whole
    ]
    title = llms_txt.heading(name)
    parts = _parts(pages, most)
    if len(parts) == 1:
        yield FULL, f"# {title}: all pages\n\n{_how(border)}\n\n{_together(parts[0])}"
        return
    listed = []
    for number, part in enumerate(parts, 1):
        file = f"llms-full-{number}.txt"
        text = f"# {title}: all pages, part {number} of {len(parts)}\n\n{_how(border)}\n\n{_together(part)}"
        yield file, text
        listed += [
            f"## [{file}]({file}): {len(part)} pages, {len(text.encode()) // 1000} kB",
            _contents(part, places),
        ]
    said = f"The text of all pages, in {len(parts)} parts. Each page is in one of them, whole."
    yield FULL, "\n\n".join([f"# {title}: all pages", said, *listed]) + "\n"


def _parts(pages: list[tuple[Page, str]], most: int) -> list[list[tuple[Page, str]]]:
    """Whole pages in order, as many in a part as there is room for beside its first lines."""
    parts: list[list[tuple[Page, str]]] = [[]]
    size, room = 0, most - 1000
    for page, text in pages:
        length = len(text.encode())
        if size and size + length > room:
            parts.append([])
            size = 0
        parts[-1].append((page, text))
        size += length
    return parts


def _together(part: list[tuple[Page, str]]) -> str:
    return "".join(text for _, text in part).rstrip() + "\n"


def _how(border: str) -> str:
    return (
        f"Each page begins with a line of its address between `{border}`, which stands nowhere else. "
        "Addresses of links are from the top of the site."
    )


def _contents(part: list[tuple[Page, str]], places: Mapping[str, str]) -> str:
    return "\n".join(
        f"- [{llms_txt.heading(page.title)}]({llms_txt.address(places[page.path] + END)})" for page, _ in part
    )
