"""Pages that are near a page without a link between them.

Three signs, as in the study of citations: pages that the same page links to (co-citation), pages that link to
the same page (coupling), and pages that share a tag. A sign that few pages give says more than one that many
give, so each shared page or tag counts

    weight / log(1 + number of pages that share it)

with weight 1.0 for a co-citation, 0.8 for a coupling and 0.6 for a tag. What more than 60 pages share (a
front page, a tag on everything) says nothing and is left out; that also keeps the cost linear. The five best
with a score of at least 0.5 are shown, ties in the order of titles: the same pages always give the same list.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from blumeops.site.vault import Page

CO_CITED, COUPLED, TAGGED = 1.0, 0.8, 0.6
SHARED_BY_AT_MOST = 60
SHOWN = 5
LEAST_SCORE = 0.5


def related(
    pages: Mapping[str, Page], links: Mapping[str, frozenset[str]], back: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """For each page the paths of those nearest to it, the nearest first.

    `links` are the pages that a page links to, `back` those that link to it: both are left out, because the
    page names them already.
    """
    groups = _groups(pages, links, back)
    member: defaultdict[str, list[tuple[float, list[str]]]] = defaultdict(list)
    for weight, group in groups:
        if 1 < len(group) <= SHARED_BY_AT_MOST:
            worth = weight / math.log(1 + len(group))
            for path in group:
                member[path].append((worth, group))
    named = {path: frozenset((path, *links.get(path, ()), *back.get(path, ()))) for path in member}
    nearest = {path: _nearest(member[path], named[path], pages) for path in sorted(member)}
    return {path: found for path, found in nearest.items() if found}


def _groups(
    pages: Mapping[str, Page], links: Mapping[str, frozenset[str]], back: Mapping[str, Iterable[str]]
) -> Iterable[tuple[float, list[str]]]:
    yield from ((CO_CITED, [path for path in sorted(found) if ours(pages[path])]) for found in links.values())
    yield from ((COUPLED, [path for path in sorted(found) if ours(pages[path])]) for found in back.values())
    tags: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(pages):
        for tag in pages[path].tags:
            tags[tag.casefold()].append(path)
    yield from ((TAGGED, found) for found in tags.values())


def ours(page: Page) -> bool:
    """False for a section's own index: it is near to everything in it, which says nothing."""
    return not page.path.endswith("index.md") and not page.generated


def _nearest(
    groups: Iterable[tuple[float, list[str]]], named: frozenset[str], pages: Mapping[str, Page]
) -> tuple[str, ...]:
    score: defaultdict[str, float] = defaultdict(float)
    for worth, group in groups:
        for path in group:
            score[path] += worth
    found = [path for path, worth in score.items() if worth >= LEAST_SCORE and path not in named]
    # Rounded: the sum of floats depends on the order in which they are added.
    found.sort(key=lambda path: (-round(score[path], 6), pages[path].title.casefold(), path))
    return tuple(found[:SHOWN])
