"""One index over `docs/`, `runbooks/` and generated pages, and the rules by which a name finds its page.

    path from the top > path beside the page > end of a path > file name > alias > id > title

Each rule is tried exactly first, then without regard to case, then without regard to case, `-`, `_` and
spaces. The first rule that finds one page wins; when it finds two, the name is ambiguous and that is an
error: the reader would land on one of them by chance.

A `Page` is made from its path and its text alone and can be pickled, so whoever builds again may keep it as
long as its text is the same. What a name means depends on all pages; a look-up is a few dictionary reads.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from blumeops.site import frontmatter, headings, prose, syntax
from blumeops.site.frontmatter import FrontMatter
from blumeops.site.headings import Heading
from blumeops.site.suggest import Suggestions
from blumeops.site.syntax import Scan

Fold = Callable[[str], str]
Table = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where the site has it (`path`), where a person edits it (`source`), and its text.

    Both are relative, with `/`. `generated` pages are made from code or from runs: their text holds no
    wikilinks, so double brackets in it stay as they are. `tags` are those of the front matter, then those of
    the text, each once.
    """

    path: str
    source: str
    text: str
    title: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    order: int = 1000
    generated: bool = False
    headings: tuple[Heading, ...] = ()
    id: str = ""
    tags: tuple[str, ...] = ()
    front: FrontMatter = frontmatter.NONE
    scan: Scan = field(default=Scan(), repr=False)

    @property
    def name(self) -> str:
        """What a link calls it: the file's name without `.md`, for a section's index page its folder."""
        folder, _, file = self.path.removesuffix(".md").rpartition("/")
        if self.generated and self.source == self.path and file != "index":
            return self.path  # a list made from other pages: a tag's page must not take the name of a page
        if file != "index" or not folder:
            return file
        return self.title if self.generated else posixpath.basename(folder)


def page(path: str, source: str, text: str, *, generated: bool = False) -> Page:
    """A page from its text. Raises `BadInput` for a front matter that cannot be read."""
    front = frontmatter.read(text, source=source)
    blocks = prose.mask_blocks(text)
    hidden = prose.hidden(blocks)
    found = headings.read(text, blocks, hidden)
    scanned = Scan() if generated else syntax.scan(text, blocks, hidden)
    first = next((heading.text for heading in found if heading.level == 1), "")
    stem = posixpath.basename(path).removesuffix(".md")
    order = front.values.get("order")
    tags = (
        tag.strip().removeprefix("#") for tag in (*front.texts("tags"), *(tag.name for tag in scanned.tags))
    )
    return Page(
        path=path,
        source=source,
        text=text,
        title=front.text("title") or first or stem.replace("-", " ").capitalize(),
        aliases=front.texts("aliases"),
        description=front.text("description"),
        order=order if isinstance(order, int) else 1000,
        generated=generated,
        headings=found,
        id=front.text("id"),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        front=front,
        scan=scanned,
    )


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why a name has no page: what to say, and what to do about it."""

    what: str
    hint: str


def exact(name: str) -> str:
    """Unicode composed, so that `é` is `é` however the keyboard made it."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def caseless(name: str) -> str:
    """Without regard to case."""
    return exact(name).casefold()


_WITHOUT = str.maketrans("", "", "-_ ")


def loose(name: str) -> str:
    """Without regard to case, `-`, `_` and spaces."""
    return caseless(name).translate(_WITHOUT)


FOLDS: tuple[Fold, ...] = (exact, caseless, loose)
"""How exactly a name is compared, in the order in which it is tried."""


@dataclass(frozen=True, slots=True)
class Vault:
    """All pages and all other files (images) of the site, by path, and the tables that resolve names."""

    pages: Mapping[str, Page]
    files: frozenset[str]
    _tables: list[dict[str, Table]] = field(default_factory=list, repr=False, compare=False)
    _files: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)
    _known: list[Suggestions] = field(default_factory=list, repr=False, compare=False)

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
        if not self._files:
            for path in sorted(self.files):
                self._files.setdefault(caseless(posixpath.basename(path)), []).append(path)
        named = self._files.get(caseless(posixpath.basename(wanted)), ())
        for fold in (exact, caseless):
            ends = [path for path in named if f"/{fold(path)}".endswith(f"/{fold(wanted)}")]
            if ends:
                return ends[0] if len(ends) == 1 else None
        return None

    def _find(self, name: str, origin: str) -> tuple[str, ...]:
        wanted = name.removesuffix(".md").strip("/")
        folder = origin.rpartition("/")[0]
        beside = f"{folder}/{wanted}" if folder else wanted
        beside = posixpath.normpath(beside) if "/" in wanted else beside
        keys = (("path", wanted), ("path", beside), ("end", wanted), ("name", wanted), ("alias", name),
                ("id", name), ("title", name))  # fmt: skip
        for number, fold in enumerate(FOLDS):
            table = self._table(number)
            for rule, key in keys:
                if found := table[rule].get(fold(key)):
                    return (found,) if isinstance(found, str) else tuple(sorted(found))
        return ()

    def _table(self, number: int) -> dict[str, Table]:
        """The table for one fold, made when the first name needs it."""
        while len(self._tables) <= number:
            self._tables.append(_table(self.pages.values(), FOLDS[len(self._tables)]))
        return self._tables[number]

    def _nearest(self, name: str) -> str:
        if not self._known:
            words = {word for p in self.pages.values() for word in (p.name, p.title, *p.aliases)}
            self._known.append(Suggestions(words, loose))
        near = self._known[0].nearest(name.rpartition("/")[2])
        if near:
            return f"did you mean [[{near}]]?"
        return "write the file name, title or alias of a page in docs/ or runbooks/"


def vault(pages: Iterable[Page], files: Iterable[str] = ()) -> Vault:
    """The index of a set of pages, made once."""
    by_path = {page.path: page for page in pages}
    return Vault(by_path, frozenset(files))


def _table(pages: Iterable[Page], fold: Fold) -> dict[str, Table]:
    tables: dict[str, Table] = {rule: {} for rule in ("path", "end", "name", "alias", "id", "title")}
    for page in pages:
        for rule, key in _keys(page):
            table, folded = tables[rule], fold(key)
            there = table.setdefault(folded, page.path)
            if isinstance(there, str) and there != page.path:
                table[folded] = (there, page.path)
            elif isinstance(there, tuple) and page.path not in there:
                table[folded] = (*there, page.path)
    return tables


def _keys(page: Page) -> Iterator[tuple[str, str]]:
    for path in dict.fromkeys((page.path.removesuffix(".md"), page.source.removesuffix(".md"))):
        yield "path", path
        if path.endswith("/index"):
            yield "path", path.removesuffix("/index")
        rest = path
        while (rest := rest.partition("/")[2]) and "/" in rest:
            yield "end", rest
    yield "name", page.name
    yield from (("alias", alias) for alias in page.aliases)
    if page.id:
        yield "id", page.id
    yield "title", page.title
