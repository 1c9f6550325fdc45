"""The search index of Material's own plugin, from sections that were cut before.

Material parses the HTML of every page to find its sections, which is a seventh of a build. The sections
depend on that HTML alone, so they are remembered, and cut by `sections.py`; the entries are Material's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from material.plugins.search.plugin import Element, Parser, SearchIndex, SearchPlugin, Section
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

from blumeops.site.cache import Cache, digest
from blumeops.site.sections import cut


def remember(config: MkDocsConfig, cache: Cache, around: bytes) -> None:
    """Let the search plugin, if there is one, use the cache in this build."""
    for plugin in config.plugins.values():
        if isinstance(plugin, SearchPlugin) and plugin.config.enabled:
            plugin.search_index = Index(cache, around, **plugin.config)


def index(config: MkDocsConfig) -> Index | None:
    """The index that `remember` put in place; None where nothing is searched."""
    found = (getattr(plugin, "search_index", None) for plugin in config.plugins.values())
    return next((one for one in found if isinstance(one, Index)), None)


class Index(SearchIndex):  # type: ignore[misc]  # Material has no types
    """Material's index, which cuts a page into sections only when it did not before."""

    entries: list[dict[str, Any]]

    def __init__(self, cache: Cache, around: bytes, **config: Any) -> None:
        super().__init__(**config)
        self._cache, self._around = cache, around
        self._of_page: dict[str, list[Any]] = {}

    def again(self, cache: Cache) -> None:
        """Take further pages, or the same ones anew; the others stay until `merge`."""
        self._cache, self.entries = cache, []

    def merge(self, pages: Iterable[str]) -> None:
        """All entries again, in the order of these paths of pages."""
        self.entries = [entry for path in pages for entry in self._of_page.get(path, ())]

    def add_entry_from_context(self, page: Page) -> None:
        """Add the sections of a page, unless its front matter says otherwise."""
        before = len(self.entries)
        self._add(page)
        self._of_page[page.file.src_uri] = self.entries[before:]

    def _add(self, page: Page) -> None:
        if (page.meta.get("search") or {}).get("exclude"):
            return
        for identity, title, text in self._sections(page.content or ""):
            section = Section(Element("hx"))
            section.id, section.title, section.text = identity, title, text
            self.create_entry_for_section(section, page.toc, page.url, page)

    def _sections(self, content: str) -> list[Any]:
        key = digest("search", self._around, content)
        kept = self._cache.get(key)
        if kept is not None:
            known: list[Any] = json.loads(kept)
            return known
        made = sections(content)
        self._cache.put(key, json.dumps(made, ensure_ascii=False))
        return made


def sections(content: str) -> list[Any]:
    """The sections of a page's HTML as Material cuts them: anchor, title, text."""
    return cut(content) or _by_material(content)


def _by_material(content: str) -> list[Any]:
    parser = Parser()
    parser.feed(content)
    parser.close()
    return [
        [section.id, ["".join(section.title)] if section.title else [], ["".join(section.text)]]
        for section in parser.data
        if not section.is_excluded()
    ]
