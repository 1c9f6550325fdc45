"""The navigation, made from folders and front matter, so that a new page needs no edit anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from blumeops.site.vault import Page

SECTIONS = {
    "tutorials": "Lessons to follow from the first line to the last.",
    "how-to": "Steps for one task. Those with a record were run, and show what they answered.",
    "reference": "Cards and tables to look things up in.",
    "explanation": "Why it is built this way, and what that costs.",
}
"""The four kinds of Diataxis in the order in which a newcomer needs them, each with what it holds."""

Nav = list[dict[str, Any]]


def navigation(pages: Mapping[str, Page]) -> Nav:
    """The site's `nav` in MkDocs' form: home, then a tree by folder, by `order`, then by title."""
    home = [{"Home": "index.md"}] if "index.md" in pages else []
    return [*home, *_entries("", [path for path in pages if path != "index.md"], pages)]


def section_title(folder: str, pages: Mapping[str, Page]) -> str:
    """A folder's name for people: its index page's title, or else its own name with a capital."""
    index = pages.get(f"{folder}/index.md")
    return index.title if index else folder.rpartition("/")[2].replace("-", " ").capitalize()


def _entries(folder: str, paths: Iterable[str], pages: Mapping[str, Page]) -> Nav:
    prefix = f"{folder}/" if folder else ""
    below: dict[str, list[str]] = {}
    own: list[Page] = []
    for path in paths:
        first, slash, _ = path.removeprefix(prefix).partition("/")
        if slash:
            below.setdefault(prefix + first, []).append(path)
        elif path != f"{folder}/index.md":
            own.append(pages[path])
    entries: list[tuple[tuple[int, str], dict[str, Any]]]
    entries = [((page.order, page.title.casefold()), {page.title: page.path}) for page in own]
    for child, inside in below.items():
        index = [f"{child}/index.md"] if f"{child}/index.md" in pages else []
        title = section_title(child, pages)
        entries.append((_rank(child, title, pages), {title: [*index, *_entries(child, inside, pages)]}))
    return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]


def _rank(folder: str, title: str, pages: Mapping[str, Page]) -> tuple[int, str]:
    if folder in SECTIONS:
        return list(SECTIONS).index(folder) - len(SECTIONS), ""
    index = pages.get(f"{folder}/index.md")
    return (index.order if index else 2000), title.casefold()


def edit_url(repo_url: str | None, edit_uri: str | None, source: str) -> str | None:
    """Where a person edits a page: `source` is its file, from the root of the repository.

    `edit_uri` is `edit/main/`, as at GitHub and Forgejo, or `edit/main/docs/`, as MkDocs guesses it: a
    runbook is not below `docs/`. None without a repository, and for a page that no file is behind.
    """
    if not repo_url or not edit_uri or not source:
        return None
    folder = edit_uri.strip("/").removesuffix("docs").rstrip("/")
    return "/".join(part for part in (repo_url.rstrip("/"), folder, quote(source)) if part)
