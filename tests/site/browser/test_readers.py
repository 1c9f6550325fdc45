"""The graph, previews, search, diagrams and the page for what is missing, as a browser shows them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.site.browser.conftest import Opened, Site, open_search, serve_build
from tests.site.conftest import ROOT

Open = Callable[..., Opened]
SEARCH = "[data-md-component=search-query]"
GRAPH = ".graph[data-graph=global]"

FENCE = """# Diagrams

```mermaid
flowchart LR
  A[Git] --> B["<img src=x onerror=alert(1)>"]
```

```mermaid
no such diagram
```
"""


def results(page: Page, asked: str) -> list[str]:
    """The paths of the pages that the search finds."""
    box, said = page.locator(SEARCH), page.locator(".md-search-result__meta")
    box.fill("")
    box.press_sequentially("qqqqq")
    expect(said).to_contain_text("No matching", timeout=20_000)
    box.fill("")
    box.press_sequentially(asked)
    expect(said).to_have_text(re.compile(r"\d+ matching"))
    page.wait_for_timeout(300)  # the list follows each key; the last one's must be there
    found = page.locator(".md-search-result__link").evaluate_all("(all) => all.map((each) => each.pathname)")
    return [path.removesuffix("index.html").removesuffix("/").rpartition("/")[2] for path in found]


@pytest.fixture(scope="module")
def diagrams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A vault with a good diagram, one that tries to do harm, and one that is none."""
    root = tmp_path_factory.mktemp("diagrams") / "vault"
    (root / "docs").mkdir(parents=True)
    (root / "docs/index.md").write_text(FENCE + "\n[[two]]\n")
    (root / "docs/two.md").write_text("# Two\n\n[[index]]\n\n```mermaid\nsequenceDiagram\n  A->>B: x\n```\n")
    yield from serve_build(
        root, f"site_name: x\ndocs_dir: docs\nINHERIT: {ROOT / 'blumeops/site/mkdocs.yml'}\n"
    )


@pytest.fixture
def thousand(own: Site) -> Iterator[str]:
    """The graph's page over other data: a thousand pages with ten links each."""
    folder = own.folder / "thousand"
    shutil.copytree(own.folder, folder)
    nodes = [
        {"path": f"p/{n}.md", "title": f"Page {n}", "kind": f"k{n % 5}", "tags": [], "in": 10, "out": 10}
        for n in range(1000)
    ]
    edges = [[n, (n * 7 + k * k * 31) % 1000] for n in range(1000) for k in range(10)]
    (folder / "assets/graph/graph.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    yield f"{own.url}thousand/graph/"
    shutil.rmtree(folder)


def test_a_pages_neighbourhood_is_drawn_when_it_is_reached(own: Site, open_page: Open) -> None:
    """The renderer and the data are not loaded before; a name in the drawing opens its page."""
    page, seen = open_page(f"{own.url}reference/indri/")
    assert not [url for url in seen.requests if "force-graph" in url or "graph.json" in url]
    page.locator(".local-graph").scroll_into_view_if_needed()
    expect(page.locator(".local-graph [data-ready] canvas, .local-graph [data-ready]").first).to_be_visible()
    assert page.locator(".graph-canvas canvas").count() == 1
    assert seen.errors == [] and seen.elsewhere() == []


def test_the_graph_is_filtered_and_opened_by_keyboard(own: Site, open_page: Open) -> None:
    """Search, kinds and tags narrow the list beside the drawing; each entry is a link."""
    page, seen = open_page(f"{own.url}graph/")
    page.wait_for_selector(f"{GRAPH}[data-ready]")
    count = page.locator(".graph-count")
    nodes = json.loads((own.folder / "assets/graph/graph.json").read_text())["nodes"]
    expect(count).to_have_text(f"{sum(node['kind'] != 'library' for node in nodes)} pages")
    page.get_by_role("button", name="reference").press("Space")
    expect(count).to_have_text(f"{sum(node['kind'] not in ('library', 'reference') for node in nodes)} pages")
    page.get_by_role("button", name="reference").press("Space")
    page.get_by_label("Find a page in the graph").fill("gilbert")
    expect(count).to_have_text("1 page")
    page.locator(".graph-list a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/reference/gilbert/")
    assert seen.errors == [] and seen.elsewhere() == []


def test_a_thousand_pages_are_drawn(thousand: str, open_page: Open) -> None:
    """All of them are in the drawing, and a thousand nodes leave the page able to answer."""
    page, _ = open_page(thousand)
    page.wait_for_selector(f"{GRAPH}[data-ready]", timeout=20_000)
    expect(page.locator(".graph-count")).to_contain_text("1000 pages")
    page.get_by_label("Find a page in the graph").fill("page 77")
    expect(page.locator(".graph-count")).to_have_text("11 pages")


def test_a_link_shows_its_page_before_it_is_followed(own: Site, open_page: Open) -> None:
    """From any host, port and path, in the text and in backlinks; following one loads no new page."""
    page, seen = open_page(f"{own.url}reference/indri/")
    link = page.locator("article a[href$='/services/caddy/']").first
    link.hover()
    expect(page.locator(".md-tooltip2")).to_contain_text("reverse proxy")
    page.evaluate("window.stillThere = true")
    link.click()
    page.wait_for_url("**/reference/services/caddy/")
    expect(page.locator("h1")).to_contain_text("Caddy")
    assert page.evaluate("window.stillThere") is True
    page.locator(".local-graph").scroll_into_view_if_needed()
    expect(page.locator(".local-graph .graph[data-ready]")).to_be_visible()
    assert seen.errors == []


def test_search_finds_words_as_code_has_them(own: Site, open_page: Open) -> None:
    """Names with signs in them, a path, an option, and words of an error between quotation marks."""
    page, seen = open_page(own.url)
    open_search(page)
    assert "node-exporter" in results(page, "node_exporter")
    assert "indri" in results(page, "tag:homelab")
    assert "tasks" in results(page, "--no-serve")
    assert results(page, "homelab/targets.toml")[0] == "targets"
    assert "add-a-host" in results(page, "how to add a host")
    assert len(results(page, '"provision-indri"')) < len(results(page, "provision indri"))
    assert seen.errors == []


def test_search_and_graph_work_in_a_folder(own: Site, open_page: Open) -> None:
    """Without a server a page may not fetch and starts no worker: both get what they need another way."""
    page, seen = open_page((own.folder / "reference/indri/index.html").as_uri())
    page.locator(".local-graph").scroll_into_view_if_needed()
    expect(page.locator(".local-graph .graph[data-ready]")).to_be_visible()
    open_search(page)
    assert "node-exporter" in results(page, "node_exporter")
    assert seen.elsewhere() == [] and not [each for each in seen.errors if each.startswith("policy:")]


def test_a_missing_page_names_those_like_it(own: Site, open_page: Open) -> None:
    """Below a path too; without JavaScript the ways in are a list."""
    page, _ = open_page(f"{own.url}reference/indry/")
    near = page.locator("#missing-near a")
    expect(near.first).to_have_text("indri")
    near.first.click()
    page.wait_for_url("**/reference/indri/")
    assert "reference/" in (own.folder / "404.html").read_text().partition("missing-near")[2]


def test_an_old_address_leads_on(own: Site, open_page: Open) -> None:
    """An alias is an address."""
    page, _ = open_page(f"{own.url}reference/services/reverse-proxy/")
    page.wait_for_url("**/reference/services/caddy/")


def test_a_diagram_is_drawn_and_cannot_act(diagrams: Site, open_page: Open) -> None:
    """Under the site's policy, in both colours, after a page was exchanged, and never from another host."""
    page, seen = open_page(diagrams.url, dark=True)
    expect(page.locator("div.diagram svg").first).to_be_visible(timeout=20_000)
    expect(page.locator("div.diagram").nth(1)).to_contain_text("cannot be drawn")
    page.locator("article a[href*='two']").first.click()
    expect(page.locator("div.diagram svg")).to_contain_text("A")
    assert seen.dialogs == [] and seen.elsewhere() == []
    # The policy is the second line: what mermaid itself takes out of a label was refused there already.
    refused = [each for each in seen.errors if each.startswith("policy:")]
    assert all("script-src-attr inline" in each for each in refused)
    assert page.locator("div.diagram [onerror], div.diagram script").count() == 0


def test_a_page_without_a_diagram_does_not_load_mermaid(own: Site, open_page: Open) -> None:
    """2.6 MB are for those pages that draw with it."""
    page, seen = open_page(f"{own.url}reference/indri/")
    page.wait_for_load_state("networkidle")
    assert not [url for url in seen.requests if "mermaid.tiny" in url]
