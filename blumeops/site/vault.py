"""One index over `docs/`, `runbooks/` and generated pages, and the rules by which a name finds its page.

    path from the top > path beside the page > end of a path > file name > alias > title

Each rule is tried exactly first, then without regard to case, then without regard to case, `-`, `_` and
spaces. The first rule that finds one page wins; when it finds two, the name is ambiguous and that is an
error: the reader would land on one of them by chance.
"""

from __future__ import annotations

import difflib
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from blumeops.site import frontmatter, markdown

Fold = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where the site has it (`path`), where a person edits it (`source`), and its text.

    Both are relative, with `/`. `generated` pages are made from code or from runs: their text holds no
    wikilinks, so double brackets in it stay as they are.
    """

    path: str
    source: str
    text: str
    title: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    order: int = 1000
    generated: bool = False
    headings: tuple[markdown.Heading, ...] = ()
    tags: tuple[str, ...] = ()
    front: frontmatter.FrontMatter = frontmatter.NONE

    @property
    def name(self) -> str:
        """What a link calls it: the file's name without `.md`, for a section's index page its folder."""
        folder, _, file = self.path.removesuffix(".md").rpartition("/")
        if file != "index" or not folder:
            return file
        return self.title if self.generated else posixpath.basename(folder)


def page(path: str, source: str, text: str, *, generated: bool = False) -> Page:
    """A page from its text. Raises `BadInput` for a front matter that cannot be read."""
    front = frontmatter.read(text, source=source)
    headings = markdown.headings(text)
    first = next((heading.text for heading in headings if heading.level == 1), "")
    stem = posixpath.basename(path).removesuffix(".md")
    order = front.values.get("order")
    return Page(
        path=path,
        source=source,
        text=text,
        title=front.text("title") or first or stem.replace("-", " ").capitalize(),
        aliases=front.texts("aliases"),
        description=front.text("description"),
        order=order if isinstance(order, int) else 1000,
        generated=generated,
        headings=headings,
        tags=front.texts("tags"),
        front=front,
    )


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why a name has no page: what to say, and what to do about it."""

    what: str
    hint: str


def exact(name: str) -> str:
    """Unicode composed, so that `é` is `é` however the keyboard made it."""
    return unicodedata.normalize("NFC", name)


def caseless(name: str) -> str:
    """Without regard to case."""
    return exact(name).casefold()


def loose(name: str) -> str:
    """Without regard to case, `-`, `_` and spaces."""
    return caseless(name).translate({ord(mark): None for mark in "-_ "})


_FOLDS: tuple[Fold, ...] = (exact, caseless, loose)


@dataclass(frozen=True, slots=True)
class Vault:
    """All pages and all other files (images) of the site, by path, and the tables that resolve names."""

    pages: Mapping[str, Page]
    files: frozenset[str]
    _tables: tuple[Mapping[tuple[str, str], frozenset[str]], ...] = field(repr=False)

    def resolve(self, name: str, *, origin: str) -> Page | Unresolved:
        """The page that `name` means when it is written in the page at `origin`."""
        found = self._find(name, origin)
        if len(found) == 1:
            return self.pages[found[0]]
        if found:
            listed = ", ".join(self.pages[path].source for path in found)
            path = found[0].removesuffix(".md")
            return Unresolved(f"[[{name}]] is ambiguous: {listed}", f"write the path, [[{path}]]")
        return Unresolved(f"[[{name}]] is no page of this site", self._nearest(name))

    def file(self, name: str, *, origin: str) -> str | None:
        """The path of an image or other file: by its path, beside the page, or by its name when unique."""
        wanted = exact(name).lstrip("/")
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(origin), wanted))
        for path in (wanted, beside):
            if path in self.files:
                return path
        ends = [path for path in self.files if path.endswith(f"/{wanted}")]
        return ends[0] if len(ends) == 1 else None

    def _find(self, name: str, origin: str) -> list[str]:
        wanted = name.removesuffix(".md").strip("/")
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(origin), wanted))
        for fold, table in zip(_FOLDS, self._tables, strict=True):
            for rule, key in (("path", wanted), ("path", beside), ("end", wanted), ("name", wanted),
                              ("alias", name), ("title", name)):  # fmt: skip
                if found := table.get((rule, fold(key))):
                    return sorted(found)
        return []

    def _nearest(self, name: str) -> str:
        known = sorted({word for p in self.pages.values() for word in (p.name, p.title, *p.aliases)})
        by_fold = {loose(word): word for word in known}
        near = difflib.get_close_matches(loose(name.rpartition("/")[2]), by_fold, n=1, cutoff=0.6)
        if near:
            return f"did you mean [[{by_fold[near[0]]}]]?"
        return "write the file name, title or alias of a page in docs/ or runbooks/"


def vault(pages: Iterable[Page], files: Iterable[str] = ()) -> Vault:
    """The index of a set of pages, made once."""
    by_path = {page.path: page for page in pages}
    tables: list[dict[tuple[str, str], set[str]]] = [defaultdict(set) for _ in _FOLDS]
    for page in by_path.values():
        for rule, key in _keys(page):
            for fold, table in zip(_FOLDS, tables, strict=True):
                table[rule, fold(key)].add(page.path)
    frozen = tuple({key: frozenset(paths) for key, paths in table.items()} for table in tables)
    return Vault(by_path, frozenset(files), frozen)


def _keys(page: Page) -> Iterable[tuple[str, str]]:
    for path in (page.path.removesuffix(".md"), page.source.removesuffix(".md")):
        yield "path", path
        if path.endswith("/index"):
            yield "path", path.removesuffix("/index")
        parts = path.split("/")
        yield from (("end", "/".join(parts[n:])) for n in range(1, len(parts) - 1))
    yield "name", page.name
    yield from (("alias", alias) for alias in page.aliases)
    yield "title", page.title
