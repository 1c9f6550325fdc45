"""The graph of all pages as data: `graph.json`, for the drawing in the browser and for other programs.

    {"nodes": [{"path", "title", "kind", "tags", "in", "out"}, ...], "edges": [[0, 7], ...]}

`path` is the staged file, `in` and `out` count links, an edge leads from the page that links (both are places
in `nodes`). `graph.js` is the same as a script, because a page opened as `file://` may not fetch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from blumeops.site.vault import Page

PAGE = "graph.md"
JSON_FILE, SCRIPT_FILE = "assets/graph/graph.json", "assets/graph/graph-data.js"

_TEXT = """---
title: Site graph
description: All pages of this site, and the links between them.
order: 9100
search:
  exclude: true
hide: [toc]
---

# Site graph

All pages, and the links between them. Drag to move, scroll to zoom, click to open a page; the list beside it
holds the same pages for the keyboard.

<div class="graph" data-graph="global"><noscript>The drawing needs JavaScript; every page names the pages that
link to it at its end.</noscript></div>
"""


def pages(taken: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """The page that draws the whole graph; none where a page of the vault stands in its place."""
    if PAGE not in taken and "graph/index.md" not in taken:
        yield PAGE, PAGE, _TEXT


def kind(page: Page) -> str:
    """What sort of page it is: its folder, but `runbook` and `library` for what is made from those."""
    if page.source.startswith("runbooks/"):
        return "runbook"
    if page.path.startswith("reference/library/"):
        return "library"
    folder, slash, _ = page.path.partition("/")
    return folder if slash else "top"


def graph(pages: Mapping[str, Page], links: Mapping[str, frozenset[str]]) -> str:
    """The graph as JSON; the same pages and links always give the same text."""
    place = {path: number for number, path in enumerate(sorted(pages))}
    edges = sorted(
        (place[origin], place[target])
        for origin, targets in links.items()
        for target in targets
        if origin in place and target in place
    )
    out, into = Counter(one for one, _ in edges), Counter(other for _, other in edges)
    nodes = [
        {
            "path": path,
            "title": pages[path].title,
            "kind": kind(pages[path]),
            "tags": list(pages[path].tags),
            "in": into[number],
            "out": out[number],
        }
        for path, number in place.items()
    ]
    return json.dumps({"nodes": nodes, "edges": edges}, ensure_ascii=False, separators=(",", ":"))


def files(pages: Mapping[str, Page], links: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The files to add to the site."""
    text = graph(pages, links)
    return {JSON_FILE: text + "\n", SCRIPT_FILE: f"globalThis.blumeopsGraph = {text};\n"}
