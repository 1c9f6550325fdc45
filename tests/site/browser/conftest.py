"""One Chromium and two built sites for all tests of what a reader's browser does with the pages.

The sites are served below a path, by a server that sends the headers the documentation asks for. Whatever a
page asks for, says, or is refused is written down, and each test may look at it.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from blumeops import doctor, records
from blumeops.site import build, csp
from tests.site.conftest import ROOT, VAULT
from tests.site.test_staging import record

PREFIX = "/some/sub/path"
PATIENCE_MILLISECONDS = 30_000
"""For a machine on which everything else runs too; nothing waits so long on a quiet one."""
expect.set_options(timeout=PATIENCE_MILLISECONDS)
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window; installed here as root when it is missing.

    Not for the whole session: Playwright keeps an event loop running in this thread, and the tests that come
    after these may want one of their own.
    """
    if shutil.which("chromium") is None:
        if os.geteuid() != 0 and os.environ.get("CI") != "true":
            pytest.skip("there is no Chromium; as root: apt-get install chromium")
        doctor.install_packages(["chromium"], print)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=quiet)
        yield made
        made.close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """A site below a path, with the headers that the documentation names."""

    def translate_path(self, path: str) -> str:
        inside = path.partition("?")[0].removeprefix(PREFIX)
        found = super().translate_path(inside)
        return found if path.startswith(PREFIX) else f"{self.directory}/outside-of-the-path"

    def end_headers(self) -> None:
        for name, value in csp.HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there, as web servers are told to send it."""
        body = Path(self.directory, "404.html").read_bytes() if code == 404 else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser hangs up when a test is over: nothing to print."""


@dataclass(frozen=True, slots=True)
class Site:
    """A built site: where it lies, and where it is served."""

    folder: Path
    url: str


def serve_build(root: Path, configuration: str) -> Iterator[Site]:
    """Build a repository for the address at which it is then served. Links are the law of other tests."""
    handler = functools.partial(_Handler, directory=str(root / "site"))
    server = _Server(("127.0.0.1", 0), handler)
    url = f"http://127.0.0.1:{server.server_port}{PREFIX}/"
    (root / "mkdocs.yml").write_text(
        re.sub(r"^site_url:.*\n", "", configuration, flags=re.M) + f"\nsite_url: {url}\n"
    )
    folder = build.build(root, strict=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(folder, url)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """This project's own site, for a server that has it below a path."""
    root = tmp_path_factory.mktemp("own") / "blumeops"
    root.mkdir()
    for name in ("docs", "runbooks", "homelab", "engines", "mise.toml", "Makefile", "pyproject.toml"):
        _copy(ROOT / name, root / name)
    (root / "blumeops").symlink_to(ROOT / "blumeops")
    yield from serve_build(root, (ROOT / "mkdocs.yml").read_text())


def _copy(one: Path, other: Path) -> None:
    shutil.copytree(one, other) if one.is_dir() else shutil.copy(one, other)


@pytest.fixture(scope="session")
def vault_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The fixture vault with a runbook's record."""
    root = tmp_path_factory.mktemp("vault") / "vault"
    shutil.copytree(VAULT, root)
    records.save(record(root), root / records.COMMITTED / "restart-indri.json")
    inherited = (root / "mkdocs.yml").read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml"))
    yield from serve_build(root, inherited)


@dataclass(slots=True)
class Seen:
    """What a page did: requests as `(method, url)`, errors as it said them, dialogs that opened."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def elsewhere(self) -> list[str]:
        """Requests that left this machine."""
        near = ("http://127.0.0.1:", "file://", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(near)]


Opened = tuple[Page, Seen]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Open a page in a fresh profile, and write down what it does."""
    contexts = []

    def opened(url: str, *, width: int = 1280, dark: bool = False, unguarded: bool = False) -> Opened:
        """`unguarded` lets a test put its own script into the page, past the policy."""
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            bypass_csp=unguarded,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.add_init_script(LISTEN)
        page, seen = context.new_page(), Seen()
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda message: _hear(message, seen))
        page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page, seen

    yield opened
    for context in contexts:
        context.close()


def _hear(message: ConsoleMessage, seen: Seen) -> None:
    if message.type == "error":
        seen.errors.append(message.text)


def open_search(page: Page) -> None:
    """Press `/` as a reader does: once more when the page was not listening yet; then the field is empty."""
    field = page.locator(".md-search__input")
    for _ in range(PATIENCE_MILLISECONDS // 500):
        page.keyboard.press("/")
        with suppress(AssertionError):
            expect(field).to_be_focused(timeout=500)
            break
    expect(field).to_be_focused()
    field.fill("")
