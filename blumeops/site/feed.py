"""`feed.xml`: what changed lately, as an Atom feed (RFC 4287), from the same pass over Git as everything.

An entry is one commit's change of one page. Nothing in it depends on the clock, so building again gives the
same bytes; where Git knows nothing the feed is there and empty, since every page links to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

from blumeops.site.history import Change
from blumeops.site.redirects import way
from blumeops.site.vault import Page

FILE = "feed.xml"
ENTRIES = 40
_ATOM = "http://www.w3.org/2005/Atom"
_NAMES = uuid.UUID("b6a7c6de-3f0f-5f0d-9a4c-9d0f2b0d6c11")
"""Our own name space for entries: an id must stay the same for ever and need not lead anywhere."""


def feed(
    pages: Mapping[str, Page],
    changes: Iterable[Change],
    *,
    title: str,
    site_url: str = "",
    flat: bool = False,
) -> str:
    """The feed of a site. Without `site_url` links are relative to the feed, as RFC 3986 resolves them."""
    by_source = {page.source: page for page in pages.values() if not page.generated}
    newest = [change for change in changes if change.path in by_source][:ENTRIES]
    base = site_url if not site_url or site_url.endswith("/") else f"{site_url}/"
    root = ElementTree.Element("feed", xmlns=_ATOM)
    _text(root, "id", base or f"urn:uuid:{uuid.uuid5(_NAMES, title)}")
    _text(root, "title", title)
    _text(root, "updated", _time(newest[0].commit.at if newest else 0))
    _text(ElementTree.SubElement(root, "author"), "name", title)
    ElementTree.SubElement(root, "link", rel="self", type="application/atom+xml", href=f"{base}{FILE}")
    ElementTree.SubElement(root, "link", rel="alternate", type="text/html", href=base or "./")
    for change in newest:
        _entry(root, change, by_source[change.path], base, flat)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _entry(root: ElementTree.Element, change: Change, page: Page, base: str, flat: bool) -> None:
    entry = ElementTree.SubElement(root, "entry")
    commit = change.commit
    _text(entry, "id", f"urn:uuid:{uuid.uuid5(_NAMES, f'{commit.id} {change.path}')}")
    _text(entry, "title", page.title)
    _text(entry, "updated", _time(commit.at))
    _text(ElementTree.SubElement(entry, "author"), "name", commit.author or "unknown")
    href = base + way(page.path, FILE, flat=flat)
    ElementTree.SubElement(entry, "link", rel="alternate", type="text/html", href=href)
    _text(entry, "summary", commit.subject)


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    # XML has no way to write control characters; a commit's first line may hold some.
    ElementTree.SubElement(parent, name).text = "".join(c for c in text if c.isprintable())


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
