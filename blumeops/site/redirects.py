"""Old addresses that lead to a page: its aliases, the names it had in Git, and `redirect_from`.

Each becomes a static page with a refresh and a link, so it needs no script and no server's configuration,
and neither search nor sitemap lists it. A real page is never overwritten. An alias or an old name that two
pages claim leads nowhere; a `redirect_from` that cannot be kept is a problem, because a person asked for it.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from blumeops.errors import Problem
from blumeops.site.markdown import slugify
from blumeops.site.vault import Page

_ADDRESS = re.compile(r"[\w.~ -]+(?:/[\w.~ -]+)*")


def address(path: str) -> str:
    """Where the site shows a page, without slashes around it: `reference/caddy`; empty for the front page."""
    return path.removesuffix(".md").removesuffix("index").strip("/")


def site_path(source: str, *, docs: str = "docs", runbooks: str = "runbooks") -> str | None:
    """Where a Markdown file of the repository is in the site; None when it is no page."""
    if not source.endswith(".md"):
        return None
    if runbooks and source.startswith(f"{runbooks}/"):
        return f"how-to/{posixpath.basename(source)}"
    if not docs:
        return source
    return source.removeprefix(f"{docs}/") if source.startswith(f"{docs}/") else None


def redirects(
    pages: Mapping[str, Page], renamed: Mapping[str, str], *, docs: str = "docs", flat: bool = False
) -> tuple[dict[str, str], list[Problem]]:
    """The files to add to the site, by path, and what is wrong with a `redirect_from`.

    `renamed` maps old files of the repository to those of today; `docs` is the folder of pages in it.
    """
    taken = {address(path).casefold() for path in pages}
    explicit, problems = _asked(pages, taken)
    implied = _implied(pages, renamed, docs)
    found = {old: targets.pop() for old, targets in implied.items() if len(targets) == 1}
    found = {old: page for old, page in found.items() if old.casefold() not in taken} | explicit
    return dict(_file(old, pages[path], flat) for old, path in sorted(found.items())), problems


def _asked(pages: Mapping[str, Page], taken: set[str]) -> tuple[dict[str, str], list[Problem]]:
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for page in pages.values():
        for asked in page.front.texts("redirect_from"):
            old = address(asked.strip("/").removesuffix(".html"))
            if not _ADDRESS.fullmatch(old) or ".." in old.split("/"):
                problems.append(_problem(page, f"redirect_from: {asked!r} is no address of this site"))
            elif old.casefold() in taken:
                problems.append(_problem(page, f"redirect_from: {asked} is a page of this site"))
            elif found.setdefault(old, page.path) != page.path:
                problems.append(_problem(page, f"redirect_from: {asked} is claimed by {found[old]} too"))
    return found, problems


def _implied(pages: Mapping[str, Page], renamed: Mapping[str, str], docs: str) -> defaultdict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    by_source = {page.source: page.path for page in pages.values()}
    for source, now in renamed.items():
        old = site_path(source, docs=docs)
        if old and now in by_source:
            found[address(old)].add(by_source[now])
    for page in pages.values():
        for alias in page.aliases:
            if slug := slugify(alias):
                for old in {slug, posixpath.join(posixpath.dirname(page.path), slug)}:
                    found[old].add(page.path)
    found.pop("", None)
    return found


def _problem(page: Page, what: str) -> Problem:
    before, key, _ = page.text.partition("\nredirect_from:")
    line = before.count("\n") + 2 if key else 1
    return Problem(what, page.source, line, hint="write an old address, such as reference/old-name")


def _file(old: str, page: Page, flat: bool) -> tuple[str, str]:
    name = f"{old}.html" if flat else f"{old}/index.html"
    return name, _page(way(page.path, name, flat=flat), page.title)


def way(path: str, origin: str, *, flat: bool = False) -> str:
    """The way from a file of the built site (`reference/x/index.html`) to a page, as a browser follows it."""
    here = posixpath.dirname(origin)
    if flat:
        return posixpath.relpath(path.removesuffix(".md") + ".html", here or ".")
    folder, _, name = address(path).rpartition("/")
    return f"{_between(here, folder)}{name}/" if name else _between(here, "") or "./"


_ODD = frozenset({"", ".", ".."})


@lru_cache(maxsize=4096)
def _between(here: str, folder: str) -> str:
    """The way from one folder to another, with a slash at its end; empty when they are the same."""
    one, other = here.split("/") if here else [], folder.split("/") if folder else []
    if not _ODD.isdisjoint(one) or not _ODD.isdisjoint(other):
        found = posixpath.relpath(folder or ".", here or ".")
        return "" if found == "." else f"{found}/"
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return "../" * (len(one) - same) + "".join(f"{name}/" for name in other[same:])


def _page(target: str, title: str) -> str:
    to, said = html.escape(target), html.escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{said}</title>\n"
        f'<link rel="canonical" href="{to}">\n<meta name="robots" content="noindex">\n'
        f'<meta http-equiv="refresh" content="0; url={to}">\n'
        f'<p>This page is now at <a href="{to}">{said}</a>.</p>\n</html>\n'
    )


def built(path: str, *, flat: bool = False) -> str:
    """The file of the built site that holds a page."""
    stem = path.removesuffix(".md")
    if flat or posixpath.basename(stem) == "index":
        return f"{stem}.html"
    return f"{stem}/index.html"
