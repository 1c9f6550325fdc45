"""A page that was remembered is the page that would have been rendered, to the byte, whatever moved."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.site import build
from blumeops.site.cache import Cache, digest
from blumeops.site.session import Session
from tests.site.conftest import ROOT, VAULT

Edit = Callable[[Path], None]


@pytest.fixture(autouse=True, scope="module")
def at_one_time() -> object:
    """Both builds of a comparison are of the same day; `SOURCE_DATE_EPOCH` is how one says so."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    yield
    os.environ.pop("SOURCE_DATE_EPOCH")
    if before is not None:
        os.environ["SOURCE_DATE_EPOCH"] = before


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture vault, built once, so that everything in it is remembered."""
    root = tmp_path_factory.mktemp("remembered") / "vault"
    shutil.copytree(VAULT, root)
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    (root / "docs/reference/disk.md").write_text(
        "---\ntitle: Disk\naliases: [drive]\ntags: [hardware]\n---\n# Disk\n\n[[indri]]\n\n## Size\n\nBig.\n"
    )
    (root / "docs/reference/backup.md").write_text(
        "---\ntitle: Backup\ntags: [hardware]\n---\n# Backup\n\n[[disk]], [[disk#Size]], [[drive|that]].\n"
    )
    build.build(root)
    return root


@pytest.fixture(scope="module")
def clean(remembered: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The site of that vault as a build makes it that remembers nothing."""
    root = tmp_path_factory.mktemp("clean") / "vault"
    shutil.copytree(remembered, root)
    return tree(build.build(root, clean=True))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def replace(path: str, old: str, new: str) -> Edit:
    """An edit: one passage of a page."""

    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return edit


def move(path: str, to: str) -> Edit:
    """An edit: a page gets another path."""

    def edit(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(root / to)

    return edit


def delete(root: Path) -> None:
    """An edit: a page goes, and the links to it."""
    (root / "docs/reference/disk.md").unlink()
    (root / "docs/reference/backup.md").write_text("# Backup\n\nNothing is left.\n")


def add(root: Path) -> None:
    """An edit: a new page."""
    (root / "docs/explanation/new.md").write_text("---\ntitle: New\norder: 1\n---\n# New\n\n[[disk]]\n")


def configure(root: Path) -> None:
    """An edit of the configuration: what it inherits is still inherited."""
    with (root / "mkdocs.yml").open("a") as config:
        config.write('\ncopyright: "Nobody"\n')


EDITS: dict[str, Edit] = {
    "nothing": lambda root: None,
    "a-body": replace("docs/reference/backup.md", "[[disk]], ", "One more word. [[disk]], "),
    "a-title": replace("docs/reference/disk.md", "title: Disk", "title: Disc"),
    "a-heading-that-others-link-to": replace("docs/reference/disk.md", "## Size", "## Size {#large}"),
    "a-target-moved": move("docs/reference/disk.md", "docs/explanation/hardware/disk.md"),
    "a-target-renamed": move("docs/reference/disk.md", "docs/reference/drive.md"),
    "a-target-deleted": delete,
    "a-page-added": add,
    "a-tag": replace("docs/reference/disk.md", "[hardware]", "[hardware, storage]"),
    "the-order": replace("docs/reference/disk.md", "title: Disk", "title: Disk\norder: 1"),
    "the-configuration": configure,
}


@pytest.mark.parametrize("name", EDITS)
def test_a_cached_build_is_a_clean_build_to_the_byte(name: str, remembered: Path, tmp_path: Path) -> None:
    """After any edit, with what was remembered before it and with nothing: the same files, the same bytes."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    EDITS[name](root)
    if name == "a-target-renamed":
        replace("docs/reference/backup.md", "[[disk]], [[disk#Size]]", "[[drive]], [[drive#Size]]")(root)
    cached = tree(build.build(root))
    clean = tree(build.build(root, clean=True))
    assert cached.keys() == clean.keys()
    assert [path for path in clean if clean[path] != cached[path]] == []


def test_a_session_makes_what_a_clean_build_makes(
    remembered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Edit by edit in one process: one that few pages show, and those that show in other pages."""
    root, session = tmp_path / "vault", Session()
    shutil.copytree(remembered, root)
    build.build(root, links=False, session=session)
    for name in ("a-body", "a-title", "a-heading-that-others-link-to", "a-page-added"):
        EDITS[name](root)
        with caplog.at_level("INFO", logger="blumeops.site.build"):
            site = build.build(root, links=False, session=session)
        if name == "a-body":
            assert caplog.messages[-1].startswith("2 pages rendered")  # itself, and the page it links to
        kept = tree(site)
        assert kept == tree(build.build(root, links=False, clean=True)), name


def test_our_build_is_that_of_mkdocs_to_the_byte(
    remembered: Path, clean: dict[str, bytes], tmp_path: Path
) -> None:
    """The steps that we take one by one, and what we do sooner, change nothing of what MkDocs makes."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "theirs"]
    subprocess.run(argv, cwd=root, check=True, timeout=60)
    theirs = tree(tmp_path / "theirs")
    assert clean.keys() == theirs.keys()
    assert [path for path in theirs if theirs[path] != clean[path]] == []


def test_a_second_build_renders_nothing(remembered: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is unchanged is nearly free."""
    with caplog.at_level("INFO", logger="blumeops.site.build"):
        build.build(remembered)
    assert caplog.messages[-1].startswith("0 pages rendered")


@pytest.mark.parametrize("harm", ["a-page-changed", "a-page-gone", "a-file-more"])
def test_a_site_that_is_not_as_it_was_made_is_made_again(harm: str, remembered: Path) -> None:
    """Nothing is built when nothing changed, and the site itself is among what may not have changed."""
    site = build.build(remembered, links=False)
    before = tree(site)
    match harm:
        case "a-page-changed":
            (site / "index.html").write_bytes(before["index.html"][::-1])
        case "a-page-gone":
            (site / "index.html").unlink()
        case _:
            (site / "more.html").write_text("more")
    assert tree(site) != before
    assert tree(build.build(remembered, links=False)) == before


def test_one_edit_renders_one_page(
    remembered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A word in a page without links concerns that page alone."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    with (root / "docs/explanation/my-page.md").open("a") as page:
        page.write("\nA new word.\n")
    with caplog.at_level("INFO", logger="blumeops.site.build"):
        build.build(root)
    assert caplog.messages[-1].startswith("2 pages rendered"), "the page, and the list of what changed last"


def test_a_link_that_died_is_found_in_a_remembered_page(remembered: Path, tmp_path: Path) -> None:
    """D3: the page itself did not change, and still the strict build names it and its line."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    with (root / "docs/reference/backup.md").open("a") as page:
        page.write("\nSee [this](disk.md#size).\n")
    build.build(root)
    replace("docs/reference/disk.md", "## Size", "## Other {#other}")(root)
    replace("docs/reference/backup.md", "[[disk#Size]], ", "")(root)
    with pytest.raises(BadInput, match=r"docs/reference/backup\.md:9:\d+: .*'disk\.md#size'"):
        build.build(root)


@pytest.mark.parametrize("harm", ["cut off", "not a database", "a value changed", "empty"])
def test_a_damaged_cache_is_never_trusted(
    harm: str, remembered: Path, clean: dict[str, bytes], tmp_path: Path
) -> None:
    """Half a file, another file, a value that is not what was put there: the site is the same."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    file = root / "build" / build.CACHE
    match harm:
        case "cut off":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case "not a database":
            file.write_text("nothing of the kind" * 1000)
        case "a value changed":
            with sqlite3.connect(file) as base:
                assert base.execute("update entry set value = zeroblob(length(value))").rowcount > 10
            base.close()
        case "empty":
            file.write_bytes(b"")
    assert tree(build.build(root)) == clean


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """The cache makes a build quick, it never makes it right: without it nothing fails."""
    (tmp_path / "file").write_text("")
    with Cache(tmp_path / "file" / "below") as cache:
        cache.put(b"key", "value")
        assert cache.get(b"key") is None


def test_the_cache_stays_within_its_bounds(tmp_path: Path) -> None:
    """What was not asked for longest goes first."""
    file = tmp_path / "cache"
    with Cache(file, max_bytes=4000) as cache:
        for number in range(100):
            cache.put(digest(str(number)), str(number))
    with sqlite3.connect(file) as base:
        (total,) = base.execute("select sum(size) from entry").fetchone()
    base.close()
    assert 0 < total <= 4000


def test_two_builds_at_once_both_make_a_whole_site(
    remembered: Path, clean: dict[str, bytes], tmp_path: Path
) -> None:
    """The second waits for the first; nothing is left over, and the site is that of a clean build."""
    root = tmp_path / "vault"
    shutil.copytree(remembered, root)
    argv = [sys.executable, "-m", "blumeops.cli", "docs", "build", "--root", root, "--no-facts", "--quiet"]
    started = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert not list((root / "build").glob("site-*"))
    assert tree(root / "site") == clean


def test_a_cache_that_another_thread_writes_is_read(tmp_path: Path) -> None:
    """Two writers of one file: each finds what the other committed."""

    def write(start: int) -> None:
        with Cache(tmp_path / "cache") as cache:
            for number in range(start, start + 300):
                cache.put(digest(str(number)), str(number))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Cache(tmp_path / "cache") as cache:
        assert [cache.get(digest(str(number))) for number in range(600)] == [str(n) for n in range(600)]
