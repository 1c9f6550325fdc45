"""A runbook in a real JupyterLab in a real browser: it opens as a notebook, and what it shows is a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from blumeops.runbooks import lab
from tests.runbooks.places import Place, cell, page, place

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_MILLISECONDS = 120_000
SHOWS = page(
    cell("from blumeops import Homelab\nhomelab = Homelab.open(target=target)", "setup", name="open"),
    cell("homelab.status()", "step", name="ask"),
    cell("assert True", "verify", name="look"),
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A checkout whose target has no layer, so that each answers at once that it is unknown."""
    made = place(tmp_path_factory.mktemp("lab") / "homelab", shows=SHOWS)
    (made.root / "jupytext.toml").write_bytes((ROOT / "jupytext.toml").read_bytes())
    (made.root / ".sandbox").mkdir()
    git = f'[git]\nurl = "{made.root / ".git"}"\npublish = "mirror"\n'
    (made.root / ".sandbox/target.toml").write_text(f'identity = "nothing"\nstate = "."\n{git}')
    return made


@pytest.fixture(scope="module")
def server(here: Place) -> Iterator[lab.Lab]:
    with lab.running(here.root, here.root / "runbooks/shows.md") as (made, _wait):
        yield made


@pytest.fixture
def asked() -> list[str]:
    """Every address that the browser asks for."""
    return []


@pytest.fixture
def tab(browser: Browser, server: lab.Lab, asked: list[str]) -> Iterator[Page]:
    """The page that `blumeops runbook open` opens."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    made = context.new_page()
    made.set_default_timeout(PATIENCE_MILLISECONDS)

    def seen(request: Request) -> None:
        asked.append(request.url)

    made.on("request", seen)
    made.goto(server.page)
    yield made
    context.close()


def test_a_runbook_opens_as_a_notebook_and_a_report_is_a_table_there(
    tab: Page, here: Place, server: lab.Lab, asked: list[str], tmp_path: Path
) -> None:
    before = (here.root / "runbooks/shows.md").read_bytes()
    expect(tab.locator(".jp-Notebook")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(tab.locator(".jp-CodeCell").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(tab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_text("Run All Cells", exact=True).click()
    table = tab.locator(".jp-OutputArea-output table")
    expect(table.locator("tbody tr")).to_have_count(3, timeout=PATIENCE_MILLISECONDS)
    expect(table).to_contain_text("unknown")
    tab.screenshot(path=str(tmp_path / "notebook.png"))
    with tab.expect_response(lambda it: it.request.method == "PUT" and "api/contents" in it.url) as answer:
        tab.keyboard.press("Control+s")
    assert answer.value.ok
    expect(tab.locator(".jp-mod-dirty")).to_have_count(0, timeout=PATIENCE_MILLISECONDS)
    assert (here.root / "runbooks/shows.md").read_bytes() == before
    elsewhere = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert elsewhere == []
