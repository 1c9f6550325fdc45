"""What a reader meets: with a screen reader, with a keyboard, on a phone, on paper, in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.site.browser.conftest import PATIENCE_MILLISECONDS, Opened, Site, open_search

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULES_OF_LOOKS = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]
"""What may differ between light and dark, wide and narrow; the rest is the same page."""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
PAGES = {
    "the front page": "",
    "a runbook with outputs": "how-to/roll-back-a-change/",
    "a card with tables": "reference/indri/",
    "the command line": "reference/cli/",
    "a page of the library": "reference/library/blumeops.plan/",
    "the services": "reference/service-map/",
    "the graph": "graph/",
    "the tags": "tags/",
    "what is not there": "reference/indry/",
}
Open = Callable[..., Opened]


def serious(page: Page, rules: list[str] = RULES) -> list[str]:
    """What axe finds that keeps people from reading, as one line each."""
    if not page.evaluate("!!window.axe"):
        page.add_script_tag(content=AXE.read_text())
    options = {"resultTypes": ["violations"], "preload": False, "runOnly": rules}
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture(scope="module")
def profile(browser: Browser) -> Iterator[Page]:
    """One profile for all pages; axe may be put into a page in spite of its policy."""
    context = browser.new_context(bypass_csp=True, color_scheme="light")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    yield context.new_page()
    context.close()


@pytest.fixture
def reader(profile: Page) -> Iterator[Page]:
    """The profile's page; which colours it chose is forgotten after each test."""
    yield profile
    profile.evaluate("localStorage.clear()")


@pytest.mark.parametrize("name", PAGES)
def test_everyone_can_read_it(name: str, own: Site, reader: Page) -> None:
    """axe finds nothing serious: light on a wide screen, dark on a phone; 360 px are enough."""
    reader.set_viewport_size({"width": 1280, "height": 900})
    reader.goto(own.url + PAGES[name])
    assert reader.evaluate(BACKGROUND) == "rgb(251, 250, 246)"
    assert serious(reader) == []
    reader.set_viewport_size({"width": 390, "height": 844})
    reader.evaluate("document.querySelector('form.md-header__option label:not([hidden])').click()")
    assert reader.evaluate(BACKGROUND) == "rgb(17, 20, 29)"
    assert serious(reader, RULES_OF_LOOKS) == []
    reader.set_viewport_size({"width": 360, "height": 800})
    assert reader.evaluate("document.documentElement.scrollWidth") <= 360


def test_everyone_can_search(own: Site, open_page: Open) -> None:
    """The open search with its results has names for screen readers too."""
    page, _ = open_page(own.url, unguarded=True)
    open_search(page)
    page.keyboard.type("rollback", delay=5)
    page.wait_for_selector(".md-search-result__item")
    assert serious(page) == []


def focused(page: Page) -> str:
    """What has the focus: its class, its text, and whether its outline can be seen."""
    return page.evaluate("""() => { const e = document.activeElement, s = getComputedStyle(e);
      const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
      return `${e.className} ${e.getAttribute("aria-label") ?? ""} ${e.textContent.trim().slice(0, 40)}` +
        (seen ? " seen" : ""); }""")


def test_the_first_stop_of_the_keyboard_is_the_page_itself(own: Site, open_page: Open) -> None:
    """The skip link comes first, and goes where the page begins."""
    page, _ = open_page(own.url + "reference/indri/")
    page.keyboard.press("Tab")
    assert "md-skip" in focused(page)
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#indri"


def test_the_keyboard_alone_is_enough(own: Site, open_page: Open) -> None:
    """`/` opens the search, arrows and Enter go to a result."""
    page, _ = open_page(own.url + "reference/indri/")
    open_search(page)
    page.keyboard.type("borg", delay=5)
    page.wait_for_selector(".md-search-result__link")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".md-search-result__link").first).to_be_focused()
    leads_to = page.locator(".md-search-result__link").first.get_attribute("href") or ""
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(leads_to.partition("?")[0].split("/")[-2])))
    expect(page.locator(".md-content article")).to_contain_text("borg")


def test_every_stop_of_the_keyboard_can_be_seen(own: Site, open_page: Open) -> None:
    """Tab goes through header, tabs and navigation, and each stop has an outline."""
    page, _ = open_page(own.url + "how-to/read-a-plan/")
    stops = []
    for _ in range(14):
        page.keyboard.press("Tab")
        stops.append(focused(page))
    unseen = [stop for stop in stops if not stop.endswith(" seen") and "md-search__input" not in stop]
    assert unseen == []
    assert any("md-tabs__link" in stop for stop in stops)


def test_dark_and_light_can_be_chosen_by_keyboard(own: Site, open_page: Open) -> None:
    """The choice stays for the next page."""
    page, _ = open_page(own.url)
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    assert page.evaluate(scheme) == "default"
    page.focus("form.md-header__option label:not([hidden])")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    page.goto(own.url + "reference/")
    assert page.evaluate(scheme) == "slate"


def test_on_paper_there_is_the_text_and_all_of_it(own: Site, open_page: Open) -> None:
    """No navigation, nothing folded, nothing cut off, black on white even in the dark."""
    page, _ = open_page(own.url + "how-to/roll-back-a-change/", width=800, dark=True)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for gone in (".md-header", ".md-sidebar--primary", ".md-footer"):
        assert not page.locator(gone).first.is_visible()
    assert page.evaluate("document.querySelectorAll('.md-content details:not([open])').length") == 0
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    cut = """[...document.querySelectorAll("pre > code")]
      .filter((e) => e.scrollHeight > e.clientHeight + 1).length"""
    assert page.evaluate(cut) == 0


def test_nothing_moves_for_those_who_asked_for_it(own: Site, open_page: Open) -> None:
    """`prefers-reduced-motion` ends every animation and transition."""
    page, _ = open_page(own.url)
    page.emulate_media(reduced_motion="reduce")
    moving = """[...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e);
      return [s.transitionDuration, s.animationDuration].some((d) => parseFloat(d) > 0.001); }).length"""
    assert page.evaluate(moving) == 0
