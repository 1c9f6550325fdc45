"""What the site has beyond its pages' own texts: their ends, lists of them, the graph, redirects, the feed.

pages that are made      graph.md, tags/*.md                      before links are resolved
ends of pages            tags, backlinks, related, last change    after
files                    graph.json, feed.xml, OLD/index.html     after
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from blumeops.errors import Problem
from blumeops.site import feed, graph, history, page_end, redirects, tags
from blumeops.site.backlinks import Contexts
from blumeops.site.place import Place
from blumeops.site.tags import Generated
from blumeops.site.vault import Page, Vault
from blumeops.site.verified import LastRun


@dataclass(frozen=True, slots=True)
class Additions:
    """The end of each page that has one, files to add (text by path), and what is wrong."""

    ends: Mapping[str, str]
    files: Mapping[str, str]
    problems: tuple[Problem, ...]


def pages(written: Collection[Page]) -> Iterator[Generated]:
    """The pages that are made from the others: the graph, and the tags."""
    yield from graph.pages({page.path for page in written})
    yield from tags.pages(written)


def additions(
    place: Place,
    vault: Vault,
    texts: Mapping[str, str],
    links: Mapping[str, frozenset[str]],
    *,
    flat: bool = False,
    contexts: Contexts | None = None,
    runs: Mapping[str, LastRun] | None = None,
) -> Additions:
    """All of it for one site. `texts` have their wikilinks rewritten; `flat`: `use_directory_urls: false`.
    `contexts` are those of an earlier call, `runs` what is known of each runbook's, by the page's path.

    It depends on the repository and its Git history alone: the same commit always gives the same bytes.
    """
    root = place.root
    known = history.read(root, (page.source for page in vault.pages.values()))
    related = page_end.relations(vault, texts, links, known, flat=flat, contexts=contexts)
    ends = {path: page_end.footer(related, path, runs or {}) for path in vault.pages}
    drawn = {path: page for path, page in vault.pages.items() if not page_end.made(page)}
    moved, problems = redirects.redirects(
        vault.pages, known.renamed, docs=place.source(place.docs).removeprefix("."), flat=flat
    )
    changes = feed.feed(vault.pages, known.changes, title=place.name, site_url=place.url, flat=flat)
    files = {**moved, **graph.files(drawn, links), feed.FILE: changes}
    return Additions({path: end for path, end in ends.items() if end}, files, tuple(problems))
