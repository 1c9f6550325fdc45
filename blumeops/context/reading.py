"""One file as the index keeps it: its sections, the names that it goes by, and the links that it makes."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass

from blumeops.context import code, desired, files, sections
from blumeops.context.model import Kind, Section
from blumeops.errors import BadInput
from blumeops.site import frontmatter, vault
from blumeops.site.vault import Page

LAYERS = ("tailnet", "hosts", "cluster")
MOST_SECTIONS = 20_000
"""Of one file; no person writes so many."""
CONTEXT_CHARACTERS = 160
"""So much of the text before and after a link says what the link is about."""
_FOLDERS = {
    "tailnet": re.compile(r"(?:^|[/_-])(?:pulumi|tailnet|tailscale|headscale)(?=[/_.-]|$)"),
    "hosts": re.compile(r"(?:^|[/_-])(?:ansible|hosts)(?=[/_.-]|$)"),
    "cluster": re.compile(r"(?:^|[/_-])(?:argocd|argo|cluster|kubernetes|k8s|k3s)(?=[/_.-]|$)"),
}
_SAID_BY_NAME = ("main", "index", "readme", "init", "defaults", "tasks", "handlers", "templates", "meta")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is written, not yet resolved, and the words around it."""

    target: str
    standard: bool
    context: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file without knowing any other.

    `site` is its path on the site; `names` are what a person may call it, the best first; `about` says the
    same and more for the search (tags, description, services). `layers` are those that it speaks of.
    """

    path: str
    kind: Kind
    digest: str
    site: str
    title: str
    id: str
    aliases: tuple[str, ...]
    names: tuple[str, ...]
    about: str
    layers: tuple[str, ...]
    links: tuple[Link, ...]
    sections: tuple[Section, ...]


def digest(data: bytes) -> str:
    """What tells two contents of a file apart."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def entry(path: str, kind: Kind, data: bytes, *, docs: str) -> Entry:
    """What a file says; `docs` is the folder of the pages, with `/`, empty when it is the root."""
    text = files.text_of(data)
    match kind:
        case Kind.PAGE | Kind.RUNBOOK:
            return _of_page(path, kind, text, digest(data), docs)
        case Kind.DESIRED if path.endswith(".py"):
            found = _python(path, text)
        case Kind.DESIRED:
            found = desired.of_file(path, text)
        case Kind.CODE:
            found = code.of_module(path, text)
    title = found[0].title if found else code.title(path)
    names = _path_names(path)
    return Entry(
        path=path,
        kind=kind,
        digest=digest(data),
        site="",
        title=title,
        id="",
        aliases=(),
        names=names,
        about=" ".join((*names, path.replace("/", " "))),
        layers=_layers_of(path) if kind is Kind.DESIRED else (),
        links=(),
        sections=found[:MOST_SECTIONS],
    )


def _python(path: str, text: str) -> tuple[Section, ...]:
    """A program that is desired state: all of it, for its lines are what happens."""
    lines = text.split("\n")
    pieces = [sections.Piece(1, len(lines))]
    return sections.cut(pieces, lines, path=path, title=desired.title(path, text), kind=Kind.DESIRED)


def _of_page(path: str, kind: Kind, text: str, digest: str, docs: str) -> Entry:
    site = path.removeprefix(docs) if kind is Kind.PAGE else f"how-to/{posixpath.basename(path)}"
    site = site if kind is Kind.RUNBOOK or path.startswith(docs) else f"../{path}"
    page = _page(site, path, text)
    front = page.front
    services = (*front.texts("services"), *front.texts("service"))
    names = tuple(dict.fromkeys((page.title, page.name, *page.aliases, *services, page.id)))
    about = (*names, page.description, *page.tags, *front.texts("layers"), *front.texts("alerts"),
             path.replace("/", " "))  # fmt: skip
    said = {layer for layer in (*front.texts("layers"), *page.tags) if layer in LAYERS}
    return Entry(
        path=path,
        kind=kind,
        digest=digest,
        site=site,
        title=page.title,
        id=page.id,
        aliases=page.aliases,
        names=tuple(name for name in names if name),
        about=" ".join(about),
        layers=tuple(sorted(said)),
        links=tuple(_links(page)),
        sections=sections.of_page(page, kind)[:MOST_SECTIONS],
    )


def _page(site: str, path: str, text: str) -> Page:
    """A page; one whose front matter cannot be read is read without it: a search is no check."""
    try:
        return vault.page(site, path, text)
    except BadInput:
        end = frontmatter.end_of(text)
        blank = "".join("\n" if character == "\n" else " " for character in text[:end])
        return vault.page(site, path, blank + text[end:])


def _links(page: Page) -> list[Link]:
    found = [
        Link(link.target, False, _context(page.text, link.start, link.end))
        for link in page.scan.links
        if link.target
    ]
    for target in page.scan.targets:
        if target.endswith(".md"):
            start = page.text.find(f"]({target}")
            found.append(Link(target, True, _context(page.text, start, start + len(target))))
    return found


def _context(text: str, start: int, end: int) -> str:
    """The words of the paragraph around a place, in whole words."""
    first = max(text.rfind("\n\n", 0, start) + 2, start - CONTEXT_CHARACTERS, 0)
    last = text.find("\n\n", end)
    last = min(len(text) if last < 0 else last, end + CONTEXT_CHARACTERS)
    return " ".join(_COMMENT.sub(" ", text[first:last]).split())


def _path_names(path: str) -> tuple[str, ...]:
    """What the way to a file calls it: `roles/borg_client/tasks/main.yaml` is borg_client."""
    parts = [part.partition(".")[0] for part in path.split("/")]
    said = [part for part in parts[1:] if part.strip("_") and part.strip("_").casefold() not in _SAID_BY_NAME]
    return tuple(dict.fromkeys(reversed(said)))


def _layers_of(path: str) -> tuple[str, ...]:
    return tuple(layer for layer, pattern in _FOLDERS.items() if pattern.search(path))
