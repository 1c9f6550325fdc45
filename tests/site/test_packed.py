"""What a page says between reading and writing, packed: it comes back to the letter, and once."""

from __future__ import annotations

import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File
from mkdocs.structure.pages import Page

from blumeops.site.packed import Packed


@pytest.fixture
def page() -> Page:
    file = File("a.md", "docs", "site", use_directory_urls=True)
    made = Page("A", file, MkDocsConfig())
    made.markdown, made.content = "# é", "<h1>é \ud800</h1>" * 100
    return made


@pytest.mark.parametrize("packing", [True, False])
def test_a_page_gets_back_what_it_says(page: Page, *, packing: bool) -> None:
    said = page.markdown, page.content
    packed = Packed(packing=packing)
    packed.put(page)
    assert (page.content == "") is packing
    packed.give_back(page)
    assert (page.markdown, page.content) == said
    page.content = "written"
    packed.give_back(page)
    assert page.content == "written"
