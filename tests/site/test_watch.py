"""`docs serve`: what is saved is served, and a mistake keeps the last good site up."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops.site import build, serve
from blumeops.site.place import Place

PATIENCE_SECONDS = 60


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A vault that is served and watched: its folder, its URL, and what was said."""
    root = tmp_path / "notes"
    root.mkdir()
    (root / "index.md").write_text("# Notes\n\nOld words.\n")
    place = Place.of(root, out=tmp_path / "site")
    place = build_in(place, tmp_path)
    said: list[str] = []
    stop = threading.Event()
    with serve.serving(place.site, 0, root=root) as url:
        watching = threading.Thread(
            target=serve.watch, args=(place, lambda: build._rebuild(place, said.append), stop)
        )
        watching.start()
        time.sleep(2 * serve.POLL_SECONDS)
        yield root, url, said
        stop.set()
        watching.join()


def build_in(place: Place, folder: Path) -> Place:
    """The same place with its work folder beside it, built once."""
    from dataclasses import replace

    place = replace(place, staged=folder / "work/docs")
    build.build(place, links=False)
    return place


def until(url: str, words: str) -> bool:
    """Ask for a page until it says these words."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if words in urllib.request.urlopen(url, timeout=10).read().decode():
            return True
        time.sleep(0.02)
    return False


def save(page: Path, text: str) -> None:
    """Put a page in place whole, so that no look at the folder sees it empty."""
    page.with_name(".saving").write_text(text)
    page.with_name(".saving").replace(page)


def test_what_is_saved_is_served(served: tuple[Path, str, list[str]]) -> None:
    """A new word, a new page and its link; an open page learns from `/built` that there is something new."""
    root, url, _ = served
    mark = json.load(urllib.request.urlopen(f"{url}built", timeout=10))["built"]
    (root / "index.md").write_text("# Notes\n\nNew words.\n")
    assert until(url, "New words.")
    assert json.load(urllib.request.urlopen(f"{url}built", timeout=10))["built"] > mark
    (root / "more.md").write_text("# More\n\nEven more words.\n")
    (root / "index.md").write_text("# Notes\n\nSee [[more]].\n")
    assert until(url, 'href="more/"') and until(f"{url}more/", "Even more words.")


def test_a_mistake_keeps_the_last_good_site(served: tuple[Path, str, list[str]]) -> None:
    """The error is said with its place; the next save without it is served."""
    root, url, said = served
    save(root / "index.md", "# Notes\n\n[[nowhere]]\n")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not said and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "index.md:3:1" in said[0]
    assert until(url, "Old words.")
    save(root / "index.md", "# Notes\n\nRight again.\n")
    assert until(url, "Right again.")


class WritesAtTheSecondLook(threading.Event):
    """An editor that is seen between emptying its file and writing it: whatever the machine's load."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.page, self.looks = page, 0

    def wait(self, timeout: float | None = None) -> bool:
        self.looks += 1
        if self.looks == 2:
            self.page.write_text("# Notes, written\n")
        return super().wait(timeout)


def test_a_page_that_is_being_written_is_not_built_empty(tmp_path: Path) -> None:
    """An editor empties the file and writes it a moment later: only what it wrote is built."""
    page, built = tmp_path / "index.md", []
    page.write_text("# Notes\n")
    place = Place.of(tmp_path)
    seen = serve.marks(place)
    page.write_text("")
    stop = WritesAtTheSecondLook(page)

    def rebuild() -> None:
        built.append(page.read_text())
        stop.set()

    serve.watch(place, rebuild, stop, seen)
    assert built == ["# Notes, written\n"]


def test_a_page_that_was_saved_during_the_first_build_is_built_again(tmp_path: Path) -> None:
    """What changed since the marks were taken counts, also when that was before the watch began."""
    page, stop, built = tmp_path / "index.md", threading.Event(), []
    page.write_text("# Notes\n")
    place = Place.of(tmp_path)
    seen = serve.marks(place)
    page.write_text("# Notes, saved again\n")
    late = threading.Timer(PATIENCE_SECONDS, stop.set)
    late.start()

    def rebuild() -> None:
        built.append(page.read_text())
        stop.set()

    serve.watch(place, rebuild, stop, seen)
    late.cancel()
    assert built == ["# Notes, saved again\n"]
