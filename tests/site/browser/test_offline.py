"""The site as files in a folder, without any server: it opens, its links work, and it can be searched."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.site.browser.conftest import Opened, Site

Open = Callable[..., Opened]


def test_a_page_opens_from_a_folder(own: Site, open_page: Open) -> None:
    """Style, typefaces, drawings and state cards are there, and nothing asks for a server."""
    page, seen = open_page((own.folder / "index.html").as_uri())
    expect(page.locator(".md-content h1").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"
    assert page.evaluate("document.fonts.ready.then((all) => all.check('1em \"Bricolage Grotesque\"'))")
    assert seen.elsewhere() == []


def test_links_lead_on_in_a_folder(own: Site, open_page: Open) -> None:
    """A link to a folder opens its page and not a list of files."""
    page, seen = open_page((own.folder / "index.html").as_uri())
    page.locator(".md-tabs__link", has_text="Reference").click()
    expect(page.locator(".md-content h1")).to_contain_text("Reference")
    page.locator(".md-content a", has_text="indri").first.click()
    expect(page.locator(".md-content h1")).to_contain_text("indri")
    assert seen.elsewhere() == []
