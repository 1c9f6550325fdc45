"""No page runs what a text brought along, and none asks another host for anything (fault D2)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from blumeops import records
from blumeops.records import Output
from tests.site.browser.conftest import Opened, Site, open_search, serve_build
from tests.site.conftest import ROOT, VAULT
from tests.site.test_sanitise import HARMFUL, PAYLOADS
from tests.site.test_staging import record

Open = Callable[..., Opened]
RAN = "window.ran"
LOUD = '"><img src=x onerror="window.ran=1"><script>window.ran=2;alert(1)</script>'
CLICKS = """() => {
  addEventListener("click", (event) => {
    if (event.target.closest?.("a")?.protocol.startsWith("http")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);
  for (const each of document.querySelectorAll("article *")) {
    each.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
    each.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
  }
}"""


def hostile(text: str) -> str:
    """A text in which what acts says so."""
    return text.replace("alert(1)", "window.ran=3")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The fixture vault with harm in its pages, its front matter, its links and a runbook's outputs."""
    root = tmp_path_factory.mktemp("attacked") / "vault"
    shutil.copytree(VAULT, root)
    bodies = [hostile(text) for text in (*HARMFUL, *PAYLOADS) if not text.startswith("---")]
    head = f"---\ntitle: '{LOUD}'\ndescription: '{LOUD}'\n---\n# x {LOUD}\n\n[[indri|{LOUD}]] [[{LOUD}]]\n\n"
    (root / "docs/attack.md").write_text(head + "\n\ntext\n\n".join(bodies))
    bring = "<script>window.brought=1</script>\n\n<img src=x onerror='window.ran=5'>\n"
    (root / "docs/trusted.md").write_text(f"---\ntrusted: true\n---\n# x\n\n{bring}")
    run = record(root)
    outputs = tuple(Output(mime, LOUD, "stdout") for mime in ("text/plain", "text/markdown", "text/html"))
    cells = tuple(replace(cell, outputs=outputs) for cell in run.cells)
    records.save(replace(run, cells=cells), root / records.COMMITTED / "restart-indri.json")
    inherited = (root / "mkdocs.yml").read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml"))
    yield from serve_build(root, inherited)


@pytest.mark.parametrize("path", ["attack/", "how-to/restart-indri/", "reference/indri/", "tags/"])
@pytest.mark.parametrize("unguarded", [False, True], ids=["with its policy", "without its policy"])
def test_nothing_that_a_text_brought_runs(
    path: str, unguarded: bool, attacked: Site, open_page: Open
) -> None:
    """Not when the page opens, not when everything on it is clicked; the policy is the second wall."""
    page, seen = open_page(attacked.url + path, unguarded=unguarded)
    page.evaluate(CLICKS)
    page.wait_for_timeout(100)
    assert page.evaluate(RAN) is None
    assert seen.dialogs == []
    assert seen.elsewhere() == []


def test_the_search_shows_harm_as_text(attacked: Site, open_page: Open) -> None:
    """Titles and texts of hostile pages come up in the results, and do nothing there."""
    page, seen = open_page(attacked.url)
    open_search(page)
    page.keyboard.type("onerror", delay=5)
    page.wait_for_selector(".md-search-result__item")
    assert (page.evaluate(RAN), seen.dialogs) == (None, [])


def test_the_policy_stops_what_the_sanitiser_would_miss(attacked: Site, open_page: Open) -> None:
    """A trusted page may bring a script of its own; a handler has no hash, so even there it does not run."""
    page, seen = open_page(attacked.url + "trusted/")
    page.wait_for_timeout(100)
    assert page.evaluate("window.brought") == 1
    assert page.evaluate(RAN) is None
    assert any("script-src-attr" in error for error in seen.errors)


def test_a_page_can_load_nothing_from_elsewhere(own: Site, open_page: Open) -> None:
    """Pictures, scripts, styles, frames and requests to another host are refused by the policy."""
    page, seen = open_page(own.url)
    page.evaluate("""async () => {
      for (const [tag, name] of [["img", "src"], ["script", "src"], ["link", "href"], ["iframe", "src"]]) {
        const made = document.createElement(tag);
        if (tag === "link") made.rel = "stylesheet";
        made[name] = "http://another.invalid/x";
        document.body.append(made);
      }
      await fetch("http://another.invalid/x").catch(() => {});
    }""")
    kinds = {"img-src", "script-src-elem", "style-src-elem", "frame-src", "connect-src"}
    for _ in range(50):
        refused = {kind for kind in kinds for error in seen.errors if error.startswith(f"policy: {kind}")}
        if refused == kinds:
            break
        page.wait_for_timeout(100)
    assert refused == kinds


def walk(page: Page) -> None:
    """What a reader does with a site: search, follow links, look at previews, copy, change the colours."""
    open_search(page)
    page.keyboard.type("drift", delay=5)
    page.wait_for_selector(".md-search-result__item")
    page.keyboard.press("Escape")
    page.locator("form.md-header__option label:not([hidden])").click()
    page.locator(".md-tabs__link", has_text="How to").click()
    expect(page.locator(".md-content h1")).to_contain_text("How to")
    page.locator("article a", has_text="Roll back a change").first.click()
    expect(page.locator(".md-content h1")).to_contain_text("Roll back a change")
    page.locator(".md-code__button").first.click()
    page.locator("article p a").first.hover()
    page.wait_for_timeout(400)
    page.go_back()
    expect(page.locator(".md-content h1")).to_contain_text("How to")


def test_a_walk_through_the_site_breaks_no_rule(own: Site, open_page: Open) -> None:
    """No refusal by the policy, no error on the console, no request to another host."""
    page, seen = open_page(own.url)
    walk(page)
    for path in ("graph/", "tags/", "reference/service-map/", "explanation/architecture/", "reference/cli/"):
        page.goto(own.url + path)
        page.wait_for_timeout(150)
    assert seen.errors == []
    assert seen.elsewhere() == []
    assert all(url.startswith((own.url, "data:", "blob:")) for url in seen.requests)


def test_pages_follow_each_other_without_loading(own: Site, open_page: Open) -> None:
    """Material exchanges the page; what our scripts do is done again, and the policy lets it."""
    page, seen = open_page(own.url)
    page.evaluate("window.same = 1")
    page.locator(".md-tabs__link", has_text="Reference").click()
    expect(page.locator(".md-content h1")).to_contain_text("Reference")
    page.locator("article a", has_text="indri").first.click()
    expect(page.locator(".md-content h1")).to_contain_text("indri")
    assert page.evaluate("window.same") == 1
    assert seen.errors == []


def test_what_is_not_there_is_answered_by_the_site(own: Site, open_page: Open) -> None:
    """A page of the site's own, with its looks, at any depth below the path; it names what is near."""
    page, seen = open_page(own.url + "reference/deep/indry/")
    expect(page.locator(".md-content h1")).to_contain_text("no such page")
    expect(page.locator("#missing-near a").first).to_have_text("indri")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"
    assert seen.elsewhere() == []
