"""Names that somebody meant and pages that nobody links to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blumeops.site import wikilinks
from blumeops.site.orphans import orphans
from blumeops.site.vault import Page, Unresolved, Vault, page, vault


def test_a_suggestion_is_found_among_ten_thousand_names() -> None:
    """The nearest name is offered for a typing error, however many pages there are."""
    index = vault(page(f"p/{n:05d}-page.md", f"docs/p/{n:05d}-page.md", "x") for n in range(10_000))
    index = vault([*index.pages.values(), page("p/restart-the-proxy.md", "docs/p/restart-the-proxy.md", "x")])
    found = index.resolve("restart-teh-proxy", origin="index.md")
    assert isinstance(found, Unresolved)
    assert found.hint == "did you mean [[restart-the-proxy]]?"


def links_of(index: Vault) -> Mapping[str, frozenset[str]]:
    """The links of each page, as the site counts them."""
    return {path: wikilinks.rewrite(one, index).links for path, one in index.pages.items()}


def some_pages() -> Iterator[Page]:
    """Pages that are found in different ways, and two that are not."""
    yield page("index.md", "docs/index.md", "[[linked]] <!-- x -->")
    yield page("a/index.md", "docs/a/index.md", "<!-- blumeops:pages -->")
    yield page(
        "a/linked.md",
        "docs/a/linked.md",
        "See [the other](standard.md) and ![[embedded]].".replace(" ![", "\n\n![")[:-1],
    )
    yield page("a/standard.md", "docs/a/standard.md", "x")
    yield page("a/embedded.md", "docs/a/embedded.md", "x")
    yield page("a/alone.md", "docs/a/alone.md", "I link to [[alone]] and `[[listed]]` only.")
    yield page("a/listed.md", "docs/a/listed.md", "x")
    yield page("a/meant.md", "docs/a/meant.md", "---\norphan: true\n---\n")
    yield page("made.md", "made.md", "[x](a/listed.md)", generated=True)
    yield page("how-to/run.md", "runbooks/run.md", "x")


def test_an_orphan_is_a_page_that_no_author_links_to() -> None:
    """Listings, generated pages, code and a page's own links do not count; `orphan: true` is meant."""
    index = vault(some_pages())
    found = orphans(index, links_of(index))
    assert [problem.path for problem in found] == ["docs/a/alone.md", "docs/a/listed.md", "runbooks/run.md"]
    assert "link to [[alone]]" in found[0].hint
    listing = page("how-to/index.md", "docs/how-to/index.md", "<!-- blumeops:runbooks -->")
    index = vault([*some_pages(), listing])
    assert [problem.path for problem in orphans(index, links_of(index))] == [
        "docs/a/alone.md",
        "docs/a/listed.md",
    ]
