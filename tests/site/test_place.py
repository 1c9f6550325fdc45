"""Other repositories and bare vaults: the same site, and nothing surprising in somebody else's folder."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blumeops.errors import BadInput, BlumeOpsError, EngineError
from blumeops.site import build, staging
from blumeops.site.place import Place


def place(root: Path, *, config: Path | None = None, out: Path | None = None) -> Place:
    """A folder with a cache of its own beside it."""
    return Place.of(root, config=config, out=out, cache=root.parent / "cache")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody else's vault: notes in the folder itself."""
    root = tmp_path / "my-notes"
    (root / "ideas").mkdir(parents=True)
    (root / "index.md").write_text("# My notes\n\nSee [[one]].\n")
    (root / "ideas/one.md").write_text("# One\n\nBack to [[index|the start]].\n")
    (root / "secret.txt").write_text("not for anybody")
    (root / ".obsidian").mkdir()
    (root / ".obsidian/app.json").write_text("{}")
    return root


def names(folder: Path) -> set[str]:
    """What is directly in a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_bare_vault_becomes_a_site(foreign: Path) -> None:
    """Without any configuration; its name is its front page's title, and only notes are published."""
    before = names(foreign)
    site = build.build(place(foreign))
    assert site == foreign / "site"
    assert 'href="ideas/one/"' in (site / "index.html").read_text()
    assert "<title>My notes</title>" in (site / "index.html").read_text()
    assert not list(site.rglob("secret.txt")) and not list(site.rglob("app.json"))
    assert names(foreign) == before | {"site"}, "nothing else is written there"
    assert build.build(place(foreign)) == site, "and a second time"


def test_the_site_in_a_foreign_repository_ignores_itself(foreign: Path) -> None:
    """Git has nothing to say about it."""
    subprocess.run(["git", "init", "--quiet"], cwd=foreign, check=True)
    build.build(place(foreign))
    said = subprocess.run(
        ["git", "status", "--porcelain", "--", "site"], cwd=foreign, check=True, capture_output=True
    )
    assert said.stdout == b""


def test_a_folder_that_is_no_site_of_ours_is_never_replaced(foreign: Path) -> None:
    """Somebody's own `site/` holds what they wrote; the message says how to go on."""
    (foreign / "site").mkdir()
    (foreign / "site/thesis.tex").write_text("years of work")
    with pytest.raises(BlumeOpsError, match="no site that we made") as caught:
        build.build(place(foreign))
    assert "--out" in caught.value.hint
    assert (foreign / "site/thesis.tex").read_text() == "years of work"
    out = foreign.parent / "out"
    assert build.build(place(foreign, out=out)) == out
    assert build.build(place(foreign, out=out)) == out, "and again, over the one that we made"
    assert (out / "index.html").is_file()


def test_a_foreign_configuration_is_named_and_left_alone(foreign: Path) -> None:
    """A `mkdocs.yml` without our plugin gives the site its name; it is used when it is asked for."""
    (foreign / "docs").mkdir()
    (foreign / "docs/index.md").write_text("# Start\n")
    theirs = foreign / "mkdocs.yml"
    theirs.write_text("site_name: Their name\ntheme: {name: mkdocs, locale: en}\nplugins: []\n")
    named = place(foreign)
    assert not named.ours and "does not name our plugin" in named.note
    assert named.docs == foreign / "docs"
    page = (build.build(named) / "index.html").read_text()
    assert "<title>Their name</title>" in page and "md-header" in page
    page = (build.build(place(foreign, config=theirs)) / "index.html").read_text()
    assert "md-header" not in page


def test_a_problem_in_a_foreign_vault_is_named_or_left(foreign: Path) -> None:
    """D3: strict by default, with the line; without `strict` the rest of the vault is still a site."""
    with (foreign / "ideas/one.md").open("a") as page:
        page.write("\n[[nowhere at all|gone]] and [[nowhere]]\n")
    with pytest.raises(BadInput, match=r"ideas/one\.md:5:"):
        build.build(place(foreign))
    assert not (foreign / "site").exists()
    assert "[[nowhere]]" in (build.build(place(foreign), strict=False) / "ideas/one/index.html").read_text()


def test_checking_writes_nothing(foreign: Path) -> None:
    """`docs check` on somebody else's vault leaves no trace, there or in a cache."""
    before = names(foreign)
    assert build.check(place(foreign)).written == ()
    assert names(foreign) == before and not (foreign.parent / "cache").exists()


def test_a_dead_link_in_html_is_found_with_its_line(foreign: Path) -> None:
    """D3: MkDocs does not look at raw HTML; the finished site is read for it before it is put in place."""
    build.build(place(foreign))
    with (foreign / "ideas/one.md").open("a") as page:
        page.write('\n<a href="../nowhere/">there</a>\n')
    with pytest.raises(BadInput, match=r"ideas/one\.md:5:\d+: .*nowhere"):
        build.build(place(foreign))
    assert "nowhere" not in (foreign / "site/ideas/one/index.html").read_text()


def test_an_interrupted_build_leaves_the_old_site(foreign: Path) -> None:
    """Ctrl-C while pages are rendered: the site is the old one, and no folder is left over."""
    build.build(place(foreign))
    before = (foreign / "site/index.html").read_bytes()
    for number in range(100):
        (foreign / f"note-{number}.md").write_text(f"# Note {number}\n\n" + "Some words. " * 200)
    argv = [sys.executable, "-m", "blumeops.cli", "docs", "build", "--root", foreign, "--clean"]
    env = {**os.environ, "BLUMEOPS_CACHE": str(foreign.parent / "cache")}
    process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    work = place(foreign).work
    deadline = time.monotonic() + 60
    while not list(work.glob("site-*/*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert (foreign / "site/index.html").read_bytes() == before
    assert not list(work.glob("site-*"))


def test_a_full_disk_leaves_the_old_site(foreign: Path) -> None:
    """No file may grow beyond 20 kB, as if the disk were full: an error says so, the site is the old one."""
    build.build(place(foreign))
    before = (foreign / "site/index.html").read_bytes()
    (foreign / "index.md").write_text("# My notes\n\nNew words, [[one]].\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(EngineError, match="cannot be written"):
            build.build(place(foreign), clean=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (foreign / "site/index.html").read_bytes() == before
    assert not list(place(foreign).work.glob("site-*"))
    assert build.build(place(foreign)) and (foreign / "site/index.html").read_bytes() != before


def test_what_a_killed_build_left_is_cleared_away(foreign: Path) -> None:
    """`kill -9` cannot clean up behind itself; the next build does."""
    build.build(place(foreign))
    left = place(foreign).work / "site-killed"
    left.mkdir()
    (left / "half.html").write_text("<html>")
    build.build(place(foreign))
    assert not left.exists()


def test_many_pages_are_read_in_one_step_each(tmp_path: Path) -> None:
    """D7: ten times the pages are ten times the look-ups in the index and no more."""

    def steps(count: int) -> int:
        root = tmp_path / str(count)
        root.mkdir()
        for number in range(count):
            (root / f"n{number}.md").write_text(f"# N {number}\n\n[[n{(number * 7) % count}]]\n")
        made = 0

        def counted(frame: object, event: str, argument: object) -> None:
            nonlocal made
            made += event == "call"

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            staging.stage(root, tmp_path / f"out-{count}", write=False)
        finally:
            sys.setprofile(before)
        return made

    few, many = steps(30), steps(300)
    assert many < 11 * few, (few, many)
    assert os.listdir(tmp_path / "30")
