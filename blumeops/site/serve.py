"""Serve the built site on the loopback, over rebuilds, and say when there is something new.

`/state.json` is made for each request from what `blumeops up` left, so an open front page follows the
homelab without a rebuild; `/built` says which build is shown, so that an open page can load the next one.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from html import escape
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blumeops import records
from blumeops.errors import BlumeOpsError
from blumeops.site import csp, home
from blumeops.site.place import SITE as SITE
from blumeops.site.place import Place

POLL_SECONDS = 0.1
"""How often it is looked for changes: reading the marks of 1,000 files takes 3 ms."""
_SWAP_PATIENCE_SECONDS = 2.0


Marks = dict[str, tuple[int, int]]


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "blumeops"
    sys_version = ""
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".md": "text/markdown; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
    }

    def __init__(self, *arguments: Any, root: Path, site: Path) -> None:
        self.root, self.site = root, site
        super().__init__(*arguments, directory=str(site))

    def do_GET(self) -> None:
        """Answer with a file of the site, the homelab's state, or the mark of the build."""
        match self.path.partition("?")[0]:
            case "/state.json":
                self._say(home.state_json(self.root))
            case "/built":
                self._say({"built": built(self.site)})
            case "/sitemap.xml":
                self._send(sitemap(self.site, self.headers.get("Host", "")), "application/xml")
            case _:
                _wait_for(self.site)
                super().do_GET()

    def _say(self, values: object) -> None:
        self._send(json.dumps(values), "application/json")

    def _send(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Let nothing be kept by the browser: the next build has the same addresses."""
        self.send_header("Cache-Control", "no-cache")
        for name, value in csp.HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there."""
        page = self.site / "404.html"
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: a line for every picture would hide what matters."""


def built(site: Path) -> float:
    """When the shown site was built, in seconds since 1970; 0.0 when there is none."""
    try:
        return (site / "index.html").stat().st_mtime
    except OSError:
        return 0.0


def sitemap(site: Path, host: str) -> str:
    """The site's pages as they are called here: Material shows a preview of those that it finds in it."""
    pages = sorted(page.parent.relative_to(site).as_posix() for page in site.rglob("index.html"))
    names = ("" if page == "." else f"{page}/" for page in pages)
    urls = (f"<url><loc>{escape(f'http://{host}/{quote(name)}')}</loc></url>" for name in names)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{"".join(urls)}</urlset>'


def _wait_for(site: Path) -> None:
    """Wait out the moment between the two renames of a swap."""
    deadline = time.monotonic() + _SWAP_PATIENCE_SECONDS
    while not site.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def server(root: Path, port: int, *, site: Path | None = None) -> ThreadingHTTPServer:
    """A server of `root / site` (or `site`) on the loopback, bound and ready; 0 takes a free port.

    Raises `BlumeOpsError` when the port is taken.
    """
    try:
        made = ThreadingHTTPServer(
            ("127.0.0.1", port), partial(_Handler, root=root, site=site or root / SITE)
        )
    except OSError as error:
        what = f"port {port} cannot be used: {error.strerror}"
        raise BlumeOpsError(what, where=f"127.0.0.1:{port}", hint="name another one with --port") from error
    made.daemon_threads = True
    return made


@contextmanager
def serving(site: Path, port: int, *, root: Path | None = None) -> Iterator[str]:
    """Serve a site folder while the context lasts; gives its URL. It may be rebuilt.

    `root` is the repository whose state the front page asks for, else the folder that the site is in.
    """
    made = server(root or site.parent, port, site=site)
    thread = threading.Thread(target=made.serve_forever, name="site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def watch(
    where: Path | Place, rebuild: Callable[[], None], stop: threading.Event, seen: Marks | None = None
) -> None:
    """Call `rebuild` when a page, a runbook or a record changed, until `stop` is set.

    `seen` is what `marks` said before the first build; a page that was saved during it is then built again.
    """
    place = Place.of(where)
    seen = marks(place) if seen is None else seen
    while not stop.wait(POLL_SECONDS):
        now = marks(place)
        if _is_being_written(seen, now) and not stop.wait(POLL_SECONDS):
            now = marks(place)
        if now != seen:
            seen = now
            rebuild()


def _is_being_written(seen: Marks, now: Marks) -> bool:
    """Whether a file has just become empty: many editors empty a file first, then write it."""
    return any(size == 0 and seen.get(path, (0, 0))[1] > 0 for path, (_, size) in now.items())


def marks(place: Place) -> Marks:
    """When each file was changed that a site is made from, with its size; of a folder only that it is there.

    A folder's own time also moves when an editor puts a hidden file beside the page that it saves.
    """
    found: Marks = {}
    pending = [str(path) for path in watched(place)]
    while pending:
        path = pending.pop()
        with suppress(OSError):
            about = os.stat(path)
            found[path] = about.st_mtime_ns, about.st_size
            if stat.S_ISDIR(about.st_mode):
                found[path] = 0, 1
                pending += [entry.path for entry in os.scandir(path) if _is_watched(entry, place)]
    return found


def watched(place: Place) -> list[Path]:
    """The files and folders that a site is made from."""
    # The record of a run is its last file; what stands beside it changes all the time while it goes on.
    fresh = (place.root / records.RUNS).glob("*/record.json")
    return [place.docs, place.runbooks, place.config, *fresh]


def _is_watched(entry: os.DirEntry[str], place: Place) -> bool:
    hidden = entry.name.startswith(".") or entry.name == "node_modules"
    return not hidden and entry.path not in (str(place.site), str(place.work))
