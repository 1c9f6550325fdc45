"""Pages that no author leads to: only a listing, a search or luck finds them."""

from __future__ import annotations

from collections.abc import Mapping, Set

from blumeops.errors import Problem
from blumeops.site.vault import Page, Vault

LISTING = "<!-- blumeops:runbooks -->"
"""The line in a page that is filled in with all runbooks."""


def orphans(vault: Vault, links: Mapping[str, Set[str]]) -> list[Problem]:
    """Every page to which no author-written link leads from another page, as problems by path.

    `links` are the paths that each page links to, by its path (`wikilinks.Rewritten.links`, which holds
    neither generated listings nor a page's links to itself). Left out are the front page, index pages,
    generated pages, runbooks when a page lists them all, and pages with `orphan: true` in their front matter;
    and a page that is the only one.
    """
    if sum(not page.generated for page in vault.pages.values()) < 2:
        return []
    linked = {target for origin, targets in links.items() for target in targets if target != origin}
    listed = any(LISTING in page.text for page in vault.pages.values())
    return [
        Problem(
            "no page links here, so nobody finds it by reading",
            page.source,
            1,
            hint=f"link to [[{page.name}]] where it is needed, or say `orphan: true` in its front matter",
        )
        for path, page in sorted(vault.pages.items())
        if path not in linked and not _is_found_otherwise(page, runbooks_are_listed=listed)
    ]


def _is_found_otherwise(page: Page, *, runbooks_are_listed: bool) -> bool:
    if (
        page.generated
        or page.path.rpartition("/")[2] == "index.md"
        or page.front.values.get("orphan") is True
    ):
        return True
    return runbooks_are_listed and page.source.startswith("runbooks/")
