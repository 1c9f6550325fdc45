"""The Markdown twin of a page: what it says, in plain Markdown, beside its HTML (`…/index.html.md`).

Where a twin stands is what llmstxt.org proposes: at the address of its page with `.md` at the end, and with
`index.html.md` where the address ends with a slash. Links lead from twin to twin, by relative addresses, so
they hold below any address and on a disk. What a reader of the page would not see (comments,
invisible characters) is not in its twin, and secrets are masked.

A text is kept with its links apart (`Pieces`), because the same text is read from two places: from its twin,
and from the file that holds the whole site.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from blumeops.context.untrusted import clean
from blumeops.facts import freshness
from blumeops.site import edits, export, frontmatter, markdown, moved, plain
from blumeops.site.cache import digest
from blumeops.site.compose import Source
from blumeops.site.vault import Page

END = ".md"
_INDEX = ("index.md", "README.md")
_CODE = (
    "../context/untrusted.py",
    "../facts/bound.py",
    "../facts/freshness.py",
    "../records.py",
    "../redact.py",
)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a piece leads: a page or another file of the site by its path, and the anchor in it."""

    path: str
    anchor: str = ""


Pieces = tuple[str | Link, ...]
"""The front matter of a twin, and then its text, with the addresses in it apart."""


def places(pages: Collection[str]) -> dict[str, str]:
    """For each page the file of the site that shows it, as MkDocs has it with addresses of folders."""
    return {path: _place(path, pages) for path in pages}


def _place(path: str, pages: Collection[str]) -> str:
    folder, name = posixpath.split(path)
    if name not in _INDEX or (name == "README.md" and posixpath.join(folder, "index.md") in pages):
        return f"{path.removesuffix('.md')}/index.html"
    return posixpath.join(folder, "index.html")


def made_from(source: Source, page: Page, linked: str, note: str) -> bytes:
    """The digest of everything that a page's pieces are made from."""
    body = export.body(source, page, linked)
    there = str((source.root / page.source).is_file())
    return digest("twin", code(), page.path, page.source, there, page.title, page.description, body, note)


@cache
def code() -> bytes:
    """The digest of the code that makes a twin."""
    here = Path(__file__).parent
    return digest(*(file.read_bytes() for file in [*sorted(here.glob("*.py")), *(here / n for n in _CODE)]))


def pieces(source: Source, page: Page, linked: str, note: str = "") -> Pieces:
    """A page as plain Markdown with its links apart.

    `linked` is its text with links rewritten, `note` what a reader should know of its freshness.
    """
    text = export.body(source, page, linked)
    if note:
        text = freshness.with_note(text, note)
    mark = _unused(text)
    links = list(_links(text, page.path, source.vault.pages))
    text = edits.apply(
        text, (edits.Edit(at.start, at.end, f"{mark}{n}.") for n, (at, _) in enumerate(links))
    ).text
    text = export.with_heading(page, plain.plain(_without_comments(text), lambda _, slug: slug))
    parts = re.split(rf"{mark}(\d+)\.", _cleaned(text))
    found = (links[int(part)][1] if n % 2 else part for n, part in enumerate(parts))
    return _head(page, source.root), *found


def _unused(text: str) -> str:
    """A word that is not in a text; an address is replaced by it, which nothing on the way changes."""
    return next(mark for n in range(len(text)) if (mark := f"to{n}x") not in text)


def _links(text: str, path: str, pages: Collection[str]) -> Iterator[tuple[moved.Address, Link]]:
    for found in moved.relative_addresses(text):
        way, _, anchor = found.text.partition("#")
        here = moved.folder(path) if found.html else posixpath.dirname(path)
        target = posixpath.normpath(posixpath.join(here, unquote(way))) if way else path
        if found.html and way:
            names = (f"{target}.md", posixpath.join(target, "index.md"))
            target = next(
                (posixpath.normpath(name) for name in names if posixpath.normpath(name) in pages), target
            )
        if not target.startswith(".."):
            yield found, Link(target, unquote(anchor))


def _without_comments(text: str) -> str:
    """The text without the comments in its prose: those in code are what a page shows."""
    hidden = markdown.hidden(markdown.mask_blocks(text))
    comments = (piece for piece in hidden if piece.kind is markdown.Kind.COMMENT)
    return edits.apply(text, (edits.Edit(one.start, one.end, "") for one in comments)).text


def _cleaned(text: str) -> str:
    """What may reach an assistant. The comments left are shown ones, and `clean` would take them out, too."""
    return "<!--".join(clean(part) for part in text.split("<!--"))


def _head(page: Page, root: Path) -> str:
    """The front matter of a twin: what the page is, and the file that a person edits."""
    about = {"title": page.title, "description": page.description}
    about["source"] = page.source if (root / page.source).is_file() else ""
    return frontmatter.write({key: clean(value) for key, value in about.items() if value})


def joined(made: Pieces, address: Callable[[Link], str]) -> str:
    """The text with addresses in it."""
    return "".join([part if isinstance(part, str) else address(part) for part in made])


def to_json(made: Pieces) -> str:
    """The pieces as a cache keeps them."""
    return json.dumps([p if isinstance(p, str) else [p.path, p.anchor] for p in made], ensure_ascii=False)


def from_json(kept: str) -> Pieces:
    """The pieces from `to_json`."""
    return tuple(part if isinstance(part, str) else Link(*part) for part in json.loads(kept))
