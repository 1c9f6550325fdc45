"""Links of a page that lead nowhere, looked for without reading the whole site unless one seems to.

The names of all pages are in the index. A name that is not among them may still be that of a page which the
site makes by itself (the command line, a tag), so only then the site is asked; what it says is kept by the
page's text and by the names of all pages.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.parse import unquote

from blumeops.errors import BadInput, Problem
from blumeops.site import prose, syntax
from blumeops.site.cache import Cache, digest
from blumeops.site.vault import Unresolved, Vault


def names(vault: Vault) -> bytes:
    """The digest of everything that decides where a link leads."""
    return digest(*(f"{p.path}\0{p.title}\0{p.aliases}\0{p.id}" for p in vault.pages.values()))


def of(root: Path, path: str, text: str, vault: Vault, known_as: bytes, cache: Cache) -> tuple[Problem, ...]:
    """The broken links of a page. Raises `BadInput` when the site cannot be read, so nobody can know."""
    key = digest("links of a context pack", path, text, known_as)
    if (said := cache.get(key)) is None:
        site = next((page.path for page in vault.pages.values() if page.source == path), "")
        found = _of_site(root, path) if site and any(_suspicious(root, text, site, path, vault)) else ()
        said = json.dumps([asdict(one) for one in found])
        cache.put(key, said)
    return tuple(Problem(**one) for one in json.loads(said))


def _suspicious(root: Path, text: str, site: str, path: str, vault: Vault) -> Iterator[str]:
    """The links that lead to no page of the index and to no file."""
    blocks = prose.mask_blocks(text)
    scanned = syntax.scan(text, blocks, prose.hidden(blocks))
    folder = posixpath.dirname(path)
    for link in scanned.links:
        is_file = "." in posixpath.basename(link.target) and not link.target.endswith(".md")
        if link.target and not is_file and isinstance(vault.resolve(link.target, origin=site), Unresolved):
            yield link.target
    for target in scanned.targets:
        there = posixpath.normpath(posixpath.join(folder, unquote(target)))
        if target.endswith(".md") and not (root / there).exists():
            yield target


def _of_site(root: Path, path: str) -> tuple[Problem, ...]:
    """What the site itself says is broken on a page."""
    from blumeops.site import staging, wikilinks

    read = staging.read(root).vault
    page = next((one for one in read.pages.values() if one.source == path), None)
    if page is None:
        raise BadInput([Problem("this is no page of the site", path)])
    return wikilinks.rewrite(page, read).problems
